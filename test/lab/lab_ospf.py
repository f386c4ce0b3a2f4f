#!/usr/bin/env python3
"""OSPF over the one interface: what it learns carries traffic, directly, and takes shortcuts along."""

import time

from netlab import expect, run, scenario, until
from routers import (bfd_up, cloud, dies, direct_traffic, gone, learnt, shortcut, started)


def full(hub, n):
    """So many OSPF neighbours that the hub has exchanged everything with."""
    found = hub.json("show ip ospf neighbor")["neighbors"]
    return sum(e["state"].startswith("Full") for each in found.values() for e in each) == n


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
    """OSPFv3, broadcast: next hops are link-local addresses, the hub indicates nothing (phase 2)."""
    world = cloud(lab, overlay="both", hub_config={"nhrp": ["redirect = no"]})
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ospf6-hub.conf", "frr-ospf6-spoke.conf")
    learnt(world, a, "fd77:0:0:2::/64", "ospf6", "fe80::5efe:a4d:c", 40)
    took = time.monotonic() - began
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world, family=6)
    return "learnt after %.1f s, " % took + gone(world, "fd77:0:0:2::/64",
        lambda: b.configure("interface lan0", "no ipv6 ospf6 area 0"))


@scenario
def ospf_with_bfd(lab):
    """A spoke that falls silent is gone long before OSPF's dead interval of 20 s."""
    world = cloud(lab)
    hub, (a, _) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    learnt(world, a, "192.168.2.0/24", "ospf", "10.77.0.1")
    until("BFD is up", lambda: bfd_up(hub, 2))
    return "withdrawn after %.2f s" % dies(world, "192.168.2.0/24")


if __name__ == "__main__":
    run()
