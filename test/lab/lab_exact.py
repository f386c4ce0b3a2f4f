#!/usr/bin/env python3
"""
Whatever the offloads, what comes out is what went in: mixed TCP and UDP, IPv4 and IPv6, bit by bit.
test/bench/exact.sh is the long form: all combinations, and more bytes.
"""

import random

from mixed import ALL, MTU, NONE, Mixed, Pair, spell, used
from netlab import LabError, expect, run, scenario

MEGABYTES = 30


def seed():
    return random.SystemRandom().randrange(1 << 32)


def check_trains(offloads, average, without):
    """
    Where packets are to travel as trains they are longer on the average than without offloads. How many
    datagrams a turn brings without gro, for there to be something to coalesce, is the machine's affair.
    """
    for what, names in (("read", {"tso", "uso"}), ("written", {"coalesce-tcp", "coalesce-udp"})):
        trains = average[what] > 1.05 * without[what]
        expect(trains == bool(offloads & names) or (what == "written" and "gro" not in offloads),
            "a packet %s has %.0f bytes, %.0f without offloads" % (what, average[what], without[what]))
    expect(offloads != ALL or average["sent"] > 1.05 * without["sent"], "no trains were sent")


def pass_through(pair, sets=(NONE, ALL), **options):
    """Traffic with each set of offloads in turn, none first; what to say of it."""
    told = []
    for offloads in sets:
        number = seed()
        try:
            pair.start(offloads)
            expect(pair.in_use() == used(offloads), "in use are " + spell(pair.in_use()))
            result = pair.traffic(MEGABYTES, number, **options).check()
            pair.check_drops()
            without = without if told else result.average
            check_trains(offloads, result.average, without)
        except LabError as error:
            raise LabError("offloads %s, seed %d: %s" % (spell(offloads), number, error)) from None
        told.append("%s %.1f s" % (spell(offloads), result.seconds))
        pair.stop()
    return "; ".join(told)


@scenario
def directly(lab):
    """By the shortcut: no offloads, all, each one alone."""
    return pass_through(Pair(lab), [NONE, ALL] + [frozenset([name]) for name in sorted(ALL)])


@scenario
def by_the_hub(lab):
    return pass_through(Pair(lab, shortcut=False))


@scenario
def between_hosts(lab):
    """What the spokes' kernels forward is cut and put together elsewhere than what they send."""
    return pass_through(Pair(lab), hosts=True)


@scenario
def over_ipv6(lab):
    return pass_through(Pair(lab, underlay=6))


@scenario
def several_workers(lab):
    """
    A flow keeps its order, wherever its other direction is written. But for those of which some datagrams
    are fragmented and some are not: fragments tell no ports, and may go by another worker.
    """
    return pass_through(Pair(lab, workers=2), without="longer")


@scenario
def faults_are_seen(lab):
    """Without warrend: what a router between changes, drops, marks or sends twice is told."""
    a, r, b = (lab.ns(name) for name in ("a", "router", "b"))
    for ns, device, number in ((a, "ra", 1), (b, "rb", 2)):
        lab.link(ns, "eth0", r, device, MTU)
        ns.ip("addr add 10.9.%d.2/24 dev eth0" % number, "addr add fd09:0:0:%d::2/64 dev eth0 nodad" % number,
            "route add default via 10.9.%d.1" % number, "route add default via fd09:0:0:%d::1" % number)
        r.ip("addr add 10.9.%d.1/24 dev %s" % (number, device),
            "addr add fd09:0:0:%d::1/64 dev %s nodad" % (number, device))
    r.forward()

    def traffic(rule, flows, marks=False, table="inet"):
        r.nft("" if not rule else """
            table %s fault {
                chain forward { type filter hook forward priority 0; iifname ra %s; }
            }""" % (table, rule))
        result = Mixed(a, b, ["10.9.2.2", "fd09:0:0:2::2"], 3, seed(), flows=flows, marks=marks).run()
        r.nft("flush ruleset")
        return result

    traffic("", "").check()
    some = "numgen inc mod 50 == 7"
    for flows, rule, told in (
        ("udp4-any", "udp length > 50 %s @th,192,16 set 0x7777" % some, "differ"),
        ("udp6-equal", "udp length > 50 %s @th,192,16 set 0x7777" % some, "differ"),
        ("tcp4-odd", "tcp flags & (syn | fin) == 0 meta length > 200 %s @th,400,16 set 0x7777" % some,
            "differ"),
        ("udp4-any", some + " ip dscp set cs3", "TOS"),
        ("udp4-any", some + " ip ecn set ce", "TOS"),
        ("udp6-labels", some + " ip6 flowlabel set 7", "flow label"),
        ("udp6-any", some + " ip6 hoplimit set 3", "TTL"),
    ):
        result = traffic(rule, flows)
        expect(result.wrong and told in result.faults, "%s of %s was not seen: %s" % (rule, flows,
            result.faults))
    twice = traffic(some + " dup to 10.9.2.2 device rb", "udp4-any", table="ip")
    expect(twice.late > 0 and twice.lost == 0, "%d twice, %d lost" % (twice.late, twice.lost))
    marked = traffic("ip ecn { ect0, ect1 } %s ip ecn set ce" % some, "udp4-any", True).check()
    expect(marked.marked > 0, "no mark was seen")
    lost = traffic(some + " drop", "udp4-any")
    expect(lost.sent / 100 < lost.lost < lost.sent / 25, "%d of %d lost" % (lost.lost, lost.sent))


if __name__ == "__main__":
    run()
