#!/usr/bin/env python3
"""
Routes with several next hops: flows are shared by weight, keep to their way, and leave one that dies.

192.168.9.10 is behind both b and c: an address of each. Host a sends numbered datagrams of many flows
there, and whoever receives them notes by which flow they came.
"""

import time

from flows import FLOWS, SHARED, Flows, expect_share, next_hops
from netlab import TUN, World, expect, run, scenario, until

def three(lab, **options):
    """b and c may both send from the shared address, which is in their certificates."""
    world = World(lab, sites=("a", "b", "c"), **options)
    for name in "bc":
        node = world.spokes[name]
        world.ca.issue(node, "spoke", world._addresses(str(10 + node.site.number)),
            [node.site.lan4, "192.168.9.0/24"])
    return world.start()


@scenario
def by_the_far_spokes(lab):
    """Phase 2: both next hops are resolved, flows go by weight, and leave the one that dies."""
    world = three(lab)
    a, c = world.spokes["a"], world.spokes["c"]
    flows = Flows(world, "bc")
    a.ns.ip("route add 192.168.9.0/24 nexthop via 10.77.0.12 dev %s nexthop via 10.77.0.13 dev %s "
        "weight 3" % (TUN, TUN))
    until("the route is mirrored", lambda: next_hops(a, "192.168.9.0/24") ==
        [("10.77.0.12", 1), ("10.77.0.13", 3)])
    table = a.cli("routes").stdout
    expect("10.77.0.12,10.77.0.13*3" in table, "`warren routes` does not show both: " + table)

    def both_direct():
        flows.send()
        return a.direct("b") and a.direct("c")
    until("both next hops are resolved", both_direct)
    time.sleep(0.3)
    before = flows.shares()
    expect_share(before, "b", 1 / 4)
    expect_share(before, "c", 3 / 4)

    # Another weight: the kernel says no more than that the route is there.
    a.ns.ip("route replace 192.168.9.0/24 nexthop via 10.77.0.12 dev %s nexthop via 10.77.0.13 dev %s"
        % (TUN, TUN))
    until("the weight is mirrored", lambda: next_hops(a, "192.168.9.0/24") ==
        [("10.77.0.12", 1), ("10.77.0.13", 1)])
    before = flows.shares()
    expect_share(before, "b", 1 / 2)

    # One of them dies, without a word: its flows move, those of the other one stay.
    c.kill()
    def all_at_b():
        flows.received()
        flows.send()
        time.sleep(0.1)
        return len({flow for flow, _ in flows.received()["b"]}) == FLOWS
    until("the dead one's flows have moved", all_at_b, 30)
    expect(flows.shares()["b"] >= before["b"], "flows of the living one were lost")
    c.start()
    until("c is back", c.ready, 15)
    def same_again():
        flows.send()
        return a.direct("c")
    until("a and c are direct again", same_again, 40)
    time.sleep(0.3)
    expect(flows.shares() == before, "the flows are not where they were")


@scenario
def by_the_hub(lab):
    """The hub's own multipath route: what it relays keeps to one of the spokes, a flow at a time."""
    world = three(lab, spoke_config={"nhrp": ["shortcut = no"]})
    a = world.spokes["a"]
    flows = Flows(world, "bc")
    world.hub_ns.ip("route add 192.168.9.0/24 nexthop via 10.77.0.12 dev %s nexthop via 10.77.0.13 "
        "dev %s" % (TUN, TUN))
    until("the hub mirrors it", lambda: len(next_hops(world.hub, "192.168.9.0/24")) == 2)
    a.ns.ip("route add 192.168.9.0/24 via 10.77.0.1 dev " + TUN)
    def some():
        flows.send()
        return any(flows.received().values())
    until("it arrives", some)
    time.sleep(0.3)
    expect_share(flows.shares(), "b", 1 / 2)
    world.hub_ns.ip("route replace 192.168.9.0/24 via 10.77.0.13 dev " + TUN)
    until("one is left", lambda: next_hops(world.hub, "192.168.9.0/24") == [("10.77.0.13", 1)])
    expect(len(flows.shares()["c"]) == FLOWS, "some went by the next hop that is gone")


@scenario
def nexthop_objects(lab):
    """Groups of nexthop objects, told in full and by number alone; hops elsewhere are the kernel's."""
    world = three(lab)
    a = world.spokes["a"]
    for mode in 1, 0:
        a.ns.sysctl("net.ipv4.nexthop_compat_mode=%d" % mode)
        a.ns.ip("nexthop add id 1 via 10.77.0.12 dev " + TUN,
            "nexthop add id 2 via 10.77.0.13 dev " + TUN,
            "nexthop add id 3 via 192.168.1.10 dev lan0",
            "nexthop add id 10 group 1,2/2,1", "route add 192.168.9.0/24 nhid 10")
        for change, expected in (
                (None, [("10.77.0.12", 2), ("10.77.0.13", 1)]),
                ("nexthop replace id 2 via 10.77.0.14 dev " + TUN,
                    [("10.77.0.12", 2), ("10.77.0.14", 1)]),
                ("nexthop replace id 10 group 1/2,7/3", [("10.77.0.12", 1), ("10.77.0.14", 7)]),
                ("nexthop del id 1", [("10.77.0.14", 7)])):
            if change:
                a.ns.ip(change)
            until("mode %d, %s: %s" % (mode, change, expected),
                lambda: next_hops(a, "192.168.9.0/24") == expected, 5)
        route = [r for r in a.routes() if r["prefix"] == "192.168.9.0/24"][0]
        expect(route["type"] == "overlay" and route["elsewhere"], "route: %s" % route)
        a.ns.ip("nexthop del id 10")
        until("the route is gone", lambda: not next_hops(a, "192.168.9.0/24"), 5)
        a.ns.ip("nexthop flush")


if __name__ == "__main__":
    run()
