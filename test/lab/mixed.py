"""
Mixed traffic of TCP and UDP whose every byte is checked (mixed.c), through any two namespaces, and
between two spokes with chosen offloads.

    Mixed        one run: who sends what to whom, and what has come of it
    OFFLOADS     what can be switched off, by section of the config
    combinations all ways to switch them that mean something
    Pair         two spokes and their hub, both families inside, restarted with other offloads

A veth hands packets over on the CPU that they are sent on, and so those of a process that moves to
another may overtake those before: what sends stays on one.
"""

import contextlib
import itertools
import json
import os
import time

from netlab import TUN, World, expect, fail, helper, until

MTU = 1400
LOST_PART = 0.001  # of the datagrams may be lost
OFFLOADS = {
    "tun": ("checksum", "tso", "uso", "coalesce-tcp", "coalesce-udp"),
    "udp": ("gso", "gro"),
}
ALL = frozenset(OFFLOADS["tun"] + OFFLOADS["udp"])
NONE = frozenset()


def combinations():
    """All sets of offloads, less those that differ in "checksum" alone where tso or uso brings it."""
    names = sorted(ALL)
    for size in range(len(names) + 1):
        for chosen in map(frozenset, itertools.combinations(names, size)):
            if "checksum" in chosen or not chosen & {"tso", "uso"}:
                yield chosen


def used(offloads):
    """What is in use when these are wanted, on a system that has them all."""
    return offloads | {"checksum"} if offloads & {"tso", "uso"} else offloads


def spell(offloads):
    if offloads in (ALL, NONE):
        return "all" if offloads else "none"
    return " ".join(n for names in OFFLOADS.values() for n in names if n in offloads)


class Mixed:
    """
    Some megabytes from one namespace to another; addresses: of the other, IPv4 and IPv6. hops: routers
    that there are on the way; marks: they may set CE. flows: only those whose names begin so; without: none
    whose names end so. run() returns self: seconds; flows, by name; slowest, one of them; bytes; sent, lost,
    unexplained (lost less what full queues of the lab dropped), late, wrong, marked: datagrams; faults, in
    words. check() tells what is not right.
    """

    def __init__(self, source, sink, addresses, megabytes, seed, hops=1, mtu=MTU, marks=False, flows="",
            without=""):
        self.source, self.sink, self.addresses, self.hops = source, sink, addresses, hops
        self.options = ["-s", seed, "-m", megabytes, "-u", mtu, "-f", flows, "-x", without] + ["-c"] * marks
        self.limit = 30 + megabytes / 2

    def run(self):
        lab = self.source.lab
        spaces = list(lab.spaces.values())
        errors = [lab.path("mixed-%s" % end) for end in ("receiver", "sender")]
        with contextlib.ExitStack() as at_end:
            receiver = self._spawn(at_end, self.sink, errors[0], "receive")
            until("the receiver listens", lambda: receiver.output().startswith("ready"))
            before, began = sum(ns.overflows() for ns in spaces), time.monotonic()
            sender = self._spawn(at_end, self.source, errors[1], "send", *self.addresses)
            status = self._end_of(sender, errors)
            self.seconds = time.monotonic() - began
            time.sleep(0.1)
            self.queues = sum(ns.overflows() for ns in spaces) - before
        self.faults = "".join(map(self._text, errors))
        if status != 0 or not receiver.output().endswith("}\n"):
            fail("mixed ended with %d: %s" % (status, self.faults))
        self._compare(json.loads(sender.output()), json.loads(receiver.output().split("\n")[1]))
        return self

    def _spawn(self, at_end, ns, errors, *argv):
        with open(errors, "wb") as f:
            process = ns.spawn("taskset", "-c", max(os.sched_getaffinity(0)), helper("mixed"),
                *self.options, *argv, stderr=f)
        at_end.callback(process.stop)
        return process

    @staticmethod
    def _text(path):
        with open(path, errors="replace") as f:
            return f.read()

    def _end_of(self, sender, errors):
        deadline = time.monotonic() + self.limit
        while sender.alive():
            if time.monotonic() > deadline:
                fail("traffic has come to a halt: %s" % "".join(map(self._text, errors)))
            time.sleep(0.02)
        return sender.wait()

    def _compare(self, sent, got):
        self.flows = {name: dict(got[name], sent=sent[name]["sent"]) for name in got}
        self.slowest = max(sent, key=lambda name: sent[name]["seconds"])
        udp = [flow for name, flow in self.flows.items() if name.startswith("udp")]
        self.bytes = sum(f["bytes"] for f in got.values()) + sum(f["bytes"] for f in sent.values())
        self.sent = sum(f["sent"] for f in udp)
        self.lost = self.sent - sum(f["received"] for f in udp)
        self.unexplained = max(0, self.lost - self.queues)
        self.late, self.wrong, self.marked = (sum(f[key] for end in (sent, got) for f in end.values())
            for key in ("late", "wrong", "marked"))

    def check(self):
        expect(not self.wrong and not self.late, "%d wrong, %d late\n%s" % (self.wrong, self.late,
            self.faults))
        for name, flow in self.flows.items():
            expect(flow["bytes"] > 0, "nothing came of %s" % name)
            expect(flow["hops"] in (self.hops, -1), "%d routers on the way of %s, not %d" % (flow["hops"],
                name, self.hops))
        expect(self.unexplained <= LOST_PART * self.sent,
            "%d of %d datagrams lost, and full queues dropped %d: %s" % (self.lost, self.sent, self.queues,
            ", ".join("%d of %s" % (f["sent"] - f["received"], name) for name, f in self.flows.items()
            if f["received"] < f["sent"])))
        return self


class Pair:
    """
    Two spokes behind NAT and their hub. The routers mark some of what may be marked, and some of TCP is
    dropped behind the tunnel, so that it is sent again. start() with other offloads, directly or by the
    hub, as often as one likes. With several workers of a spoke, whole datagrams and fragments of one flow
    may overtake each other: those tell no ports, and so may go by another worker.
    """

    # Reasons for which nothing of all this may be dropped.
    NEVER = ("malformed", "bad_outer", "bad_tag", "bad_lane", "bad_inner", "bad_source", "too_big", "send_failed")

    DROP = """
        table inet drops {
            chain input { type filter hook prerouting priority 0;
                iifname %s meta l4proto tcp numgen random mod 2000 == 0 drop; }
        }
    """ % TUN

    MARK = """
        table %s marks {
            chain forward { type filter hook forward priority -150;
                %s ecn { ect0, ect1 } numgen random mod 200 == 0 %s ecn set ce; }
        }
    """

    def __init__(self, lab, underlay=4, shortcut=True, workers=1):
        self.shortcut = shortcut
        self.world = World(lab, underlay=underlay, overlay="both", hub_workers=2, spoke_config={
            "nhrp": ["shortcut = " + ("yes" if shortcut else "no")], "udp": ["workers = %d" % workers]})
        self.nodes = self.world.nodes()
        cpus = sorted(os.sched_getaffinity(0))
        for node, cpu in zip(self.nodes, itertools.cycle(cpus)):
            node.prefix = ["taskset", "-c", cpu]
        for site in self.world.sites.values():
            for family, name in ((4, "ip"), (6, "ip6")):
                if family in self.world.families:
                    site.router.nft(self.MARK % (name, name, name))
            site.ns.nft(self.DROP)
            # The LAN's hosts know the way's MTU: what is tested is not its discovery.
            site.host.ip("route change default via 192.168.%d.1 mtu %d" % (site.number, MTU),
                "route change default via fd77:0:0:%d::1 mtu %d" % (site.number, MTU))

    def start(self, offloads):
        self.offloads = offloads
        for node in self.nodes:
            for section, names in OFFLOADS.items():
                node.set(section, "offloads = " + (" ".join(n for n in names if n in offloads) or "none"))
        self.world.start()
        a, b = (self.world.spokes[n] for n in ("a", "b"))
        for node in (a, b):
            # A queue of three bands lets one DSCP overtake the other, and bursts of many flows are long.
            node.ns.ip("link set %s txqueuelen 10000" % TUN)
            node.ns.run("tc", "qdisc", "replace", "dev", TUN, "root", "pfifo", "limit", 10000)
        until("b answers", lambda: a.ns.reachable(self.world.overlay_of("b"), 0.3), 10)
        if self.shortcut:
            until("a and b talk directly", self._direct, 15)
        return self

    def _direct(self):
        a, b = (self.world.spokes[n] for n in ("a", "b"))
        for one, other in ((a, "b"), (b, "a")):
            for family in (4, 6):
                one.ns.reachable(self.world.overlay_of(other, family), 0.3)
        return a.direct("b") and b.direct("a")

    def in_use(self):
        """What the nodes' status says is in use; the same for all, or an error."""
        said = [frozenset(node.status()["offloads"]) for node in self.nodes]
        expect(len(set(said)) == 1, "the nodes differ: " + "; ".join(map(spell, said)))
        return said[0]

    def _counts(self):
        """Packets and bytes so far: what a reads from its TUN and sends, what b writes to its TUN."""
        counts = {}
        for what, site, device, way in (("read", "a", TUN, "tx"), ("sent", "a", "eth0", "tx"),
                ("written", "b", TUN, "rx")):
            link = self.world.sites[site].ns.ip_json("-s", "link", "show", "dev", device)[0]
            counts[what] = link["stats64"][way]["packets"], link["stats64"][way]["bytes"]
        return counts

    def check_drops(self):
        for node in self.nodes:
            drops = node.status()["drops"]
            told = ["%d %s" % (drops[reason], reason) for reason in self.NEVER if drops[reason]]
            expect(not told, "%s dropped %s" % (node.name, ", ".join(told)))

    def traffic(self, megabytes, seed, hosts=False, **options):
        """
        Mixed from a to b, or between the hosts behind them: run, to be checked. Its `average` is the bytes
        of a packet that was read, sent, written, where a train counts as one.
        """
        a, b = (self.world.sites[n] for n in ("a", "b"))
        where = self.world.host_of if hosts else self.world.overlay_of
        mixed = Mixed(a.host if hosts else a.ns, b.host if hosts else b.ns,
            [where("b", 4), where("b", 6)], megabytes, seed, hops=2 * hosts + (not self.shortcut),
            marks=True, **options)
        before = self._counts()
        mixed.run()
        mixed.average = {what: (n_bytes - before[what][1]) / max(1, packets - before[what][0])
            for what, (packets, n_bytes) in self._counts().items()}
        return mixed

    def stop(self):
        for node in self.nodes:
            node.stop()
