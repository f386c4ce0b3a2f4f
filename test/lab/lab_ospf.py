#!/usr/bin/env python3
"""OSPF over the one interface: what it learns carries traffic, directly, and takes shortcuts along."""

import time

from flows import SHARED, Flows, expect_share, next_hops
from netlab import expect, run, scenario, until
from routers import (Frr, bfd_up, cloud, dies, direct_traffic, gone, known_good, learnt, restarted,
    shortcut, started, withdrawn)


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
def ospf_with_a_router_behind(lab):
    """A router in b's LAN: what is behind it is learnt by all, and the shortcut covers that prefix."""
    world = cloud(lab)
    hub, (a, b) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    router, desk = world.sites["b"].host, lab.ns("desk")
    lab.link(router, "eth1", desk, "eth0")
    router.forward()
    router.ip("addr add 192.168.102.1/24 dev eth1")
    desk.ip("addr add 192.168.102.10/24 dev eth0", "route add default via 192.168.102.1")
    Frr(router, known_good("frr-ospf-lan.conf")).start()
    b.configure("interface lan0", "no ip ospf passive",
        "ip ospf network point-to-point", "ip ospf hello-interval 5", "ip ospf dead-interval 20")
    learnt(world, a, "192.168.102.0/24", "ospf", "10.77.0.1", 50)
    host = world.sites["a"].host
    until("a's host reaches the desk", lambda: host.reachable("192.168.102.10", 0.3))
    until("there is a shortcut", lambda: host.ping("192.168.102.10", 5, 0.1).lost == 0 and
        shortcut(world.spokes["a"], "192.168.102.0/24"), 10)
    return "withdrawn after %.2f s, the shortcut %.2f s later" % withdrawn(world, "192.168.102.0/24",
        lambda: router.ip("link set eth1 down"), to="192.168.102.10")


@scenario
def ospf_with_bfd(lab):
    """A spoke that falls silent is gone long before OSPF's dead interval of 20 s."""
    world = cloud(lab)
    hub, (a, _) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    learnt(world, a, "192.168.2.0/24", "ospf", "10.77.0.1")
    until("BFD is up", lambda: bfd_up(hub, 2))
    return "withdrawn after %.2f s" % dies(world, "192.168.2.0/24")


@scenario
def ospf_with_equal_paths(lab):
    """An address that two spokes have, at equal cost: flows are shared between them, until one goes."""
    world = cloud(lab, sites=("a", "b", "c"), hub_config={"nhrp": ["redirect = no"]})
    a = world.spokes["a"]
    flows = Flows(world, "bc")
    Frr(world.hub_ns, known_good("frr-ospf-broadcast-hub.conf")).start()
    # The shared address is the highest of both, and would be both their router ids.
    daemons = {name: Frr(site.ns, known_good("frr-ospf-broadcast-spoke.conf") +
        "router ospf\n ospf router-id %s\n" % site.overlay4).start()
        for name, site in world.sites.items()}
    until("a has two next hops", lambda: next_hops(a, SHARED + "/32") ==
        [("10.77.0.12", 1), ("10.77.0.13", 1)], 40)

    def both_direct():
        flows.send()
        return a.direct("b") and a.direct("c")
    until("both next hops are resolved", both_direct)
    time.sleep(0.3)
    hairpinned = world.hub.hairpinned()
    before = flows.shares()
    expect_share(before, "b", 1 / 2)
    expect_share(before, "c", 1 / 2)
    expect(world.hub.hairpinned() == hairpinned, "the hub carries some of it")
    daemons["c"].stop()
    until("a has one next hop", lambda: next_hops(a, SHARED + "/32") == [("10.77.0.12", 1)])
    after = flows.shares()
    expect(len(after["b"]) == len(flows.sources), "%d flows at b" % len(after["b"]))
    return "%d and %d flows" % (len(before["b"]), len(before["c"]))


@scenario
def ospf_when_warren_restarts(lab):
    """The interface goes and comes, on a spoke, then on the hub; FRR goes on by itself."""
    world = cloud(lab)
    _, (a, _) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    learnt(world, a, "192.168.2.0/24", "ospf", "10.77.0.1")
    return "b back after %.1f s, the hub after %.1f s" % (
        restarted(world, "b", world.host_of("b")), restarted(world, "hub", world.host_of("b")))


if __name__ == "__main__":
    run()
