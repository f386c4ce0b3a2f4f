#!/usr/bin/env python3
"""FRR over the one interface: the routes it learns carry traffic, directly, and take shortcuts along."""

import time

from netlab import expect, run, scenario, until
from routers import Frr, cloud, direct_traffic, gateways, known_good, shortcut, withdrawn


def started(world, hub, spoke, **variables):
    """FRR by these two files on the hub and on all spokes: (hub, [spokes])."""
    return (Frr(world.hub_ns, known_good(hub)).start(),
        [Frr(s.ns, known_good(spoke, **variables)).start() for s in world.sites.values()])


def full(hub, n):
    """So many OSPF neighbours that the hub has exchanged everything with."""
    found = hub.json("show ip ospf neighbor")["neighbors"]
    return sum(e["state"].startswith("Full") for each in found.values() for e in each) == n


def bfd_up(frr, n):
    """So many BFD sessions, with the profile's timers."""
    return sum(p["status"] == "up" and p["transmit-interval"] == 200
        for p in frr.json("show bfd peers")) == n


def learnt(world, frr, prefix, protocol, via, timeout=30):
    """Until a has a route to a prefix from this protocol by this next hop, and warrend has mirrored it."""
    want = {"protocol": protocol, "via": [via]}
    until("a learns %s by %s" % (prefix, via),
        lambda: frr.route(prefix) == want and gateways(world.spokes["a"], prefix) == [via], timeout)


def gone(world, prefix, act):
    return "withdrawn after %.2f s, the shortcut %.2f s later" % withdrawn(world, prefix, act)


@scenario
def ospf_by_the_hub(lab):
    """OSPFv2, point-to-multipoint: by the hub, then as warren's traffic indication says (phase 3)."""
    world = cloud(lab)
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    until("the hub is adjacent to all", lambda: full(hub, 2), 30, 0.1)
    learnt(world, a, "192.168.2.0/24", "ospf", "10.77.0.1")
    took = time.monotonic() - began
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world)
    expect(shortcut(world.spokes["a"], "192.168.2.0/24"), "no shortcut for b's LAN")
    return "learnt after %.1f s, " % took + gone(world, "192.168.2.0/24",
        lambda: b.configure("router ospf", "no network 192.168.0.0/16 area 0"))


@scenario
def ospf_by_next_hops(lab):
    """OSPFv2, broadcast: the spokes have one another as next hops, the hub indicates nothing (phase 2)."""
    world = cloud(lab, hub_config={"nhrp": ["redirect = no"]})
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ospf-broadcast-hub.conf", "frr-ospf-broadcast-spoke.conf")
    until("the hub is adjacent to all", lambda: full(hub, 2), 40, 0.1)
    learnt(world, a, "192.168.2.0/24", "ospf", "10.77.0.12")
    took = time.monotonic() - began
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world)
    return "learnt after %.1f s, " % took + gone(world, "192.168.2.0/24",
        lambda: b.configure("router ospf", "no network 192.168.0.0/16 area 0"))


@scenario
def ospf6_by_next_hops(lab):
    """OSPFv3, broadcast: next hops are link-local addresses."""
    world = cloud(lab, overlay="both")
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ospf6-hub.conf", "frr-ospf6-spoke.conf")
    learnt(world, a, "fd77:0:0:2::/64", "ospf6", "fe80::5efe:a4d:c", 40)
    took = time.monotonic() - began
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world, family=6)
    return "learnt after %.1f s, " % took + gone(world, "fd77:0:0:2::/64",
        lambda: b.configure("interface lan0", "no ipv6 ospf6 area 0"))


if __name__ == "__main__":
    run()
