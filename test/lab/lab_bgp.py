#!/usr/bin/env python3
"""BGP over the one interface, of both families in one session, by next hops and by the hub."""

import time

from netlab import expect, run, scenario, until
from routers import (bfd_up, cloud, dies, direct_traffic, gone, learnt, restarted, shortcut,
    started)

LAN4, LAN6 = "192.168.2.0/24", "fd77:0:0:2::/64"


@scenario
def ibgp_by_next_hops(lab):
    """iBGP, the hub reflects routes: next hops are the spokes, the hub indicates nothing (phase 2)."""
    world = cloud(lab, overlay="both", hub_config={"nhrp": ["redirect = no"]})
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ibgp-hub.conf", "frr-ibgp-spoke.conf")
    learnt(world, a, LAN4, "bgp", "10.77.0.12")
    took = time.monotonic() - began
    learnt(world, a, LAN6, "bgp", "fd77::12")
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world, family=4)
    direct_traffic(world, family=6)
    return "learnt after %.1f s, " % took + gone(world, LAN6, lambda: b.configure("router bgp 65000",
        "address-family ipv6 unicast", "no redistribute connected"))


@scenario
def ebgp_by_the_hub(lab):
    """eBGP by the hub: each LAN a route, then one for all; warren makes shortcuts (phase 3)."""
    world = cloud(lab, overlay="both")
    node = world.spokes["a"]
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ebgp-hub.conf", "frr-ebgp-spoke.conf")
    learnt(world, a, LAN4, "bgp", "10.77.0.1")
    took = time.monotonic() - began
    learnt(world, a, LAN6, "bgp", "fe80::5efe:a4d:1")
    until("BFD is up", lambda: bfd_up(hub, 2))
    for family, lan in (4, LAN4), (6, LAN6):
        direct_traffic(world, family=family)
        expect(shortcut(node, lan), "no shortcut for " + lan)
    note = "learnt after %.1f s, " % took + gone(world, LAN6, lambda: b.configure("router bgp 65001",
        "address-family ipv6 unicast", "no redistribute connected"))

    hub.configure("router bgp 65000", "address-family ipv4 unicast",
        "aggregate-address 192.168.0.0/16 summary-only")
    learnt(world, a, "192.168.0.0/16", "bgp", "10.77.0.1")
    until("a has no other route", lambda: not a.route(LAN4), 10)
    until("a has the shortcut", lambda: shortcut(node, LAN4) or
        not world.sites["a"].host.reachable(world.host_of("b"), 0.3), 10, 0.2)
    direct_traffic(world, family=4)
    expect(shortcut(node, LAN4), "no shortcut below the one route")
    return note


@scenario
def bgp_with_bfd(lab):
    """A spoke that falls silent is gone long before BGP's hold time of 30 s."""
    world = cloud(lab)
    hub, (a, _) = started(world, "frr-ebgp-hub.conf", "frr-ebgp-spoke.conf")
    learnt(world, a, LAN4, "bgp", "10.77.0.1")
    until("BFD is up", lambda: bfd_up(hub, 2))
    return "withdrawn after %.2f s" % dies(world, LAN4)


@scenario
def bgp_when_warren_restarts(lab):
    """The interface goes and comes, on a spoke, then on the hub; FRR goes on by itself."""
    world = cloud(lab)
    _, (a, _) = started(world, "frr-ibgp-hub.conf", "frr-ibgp-spoke.conf")
    learnt(world, a, LAN4, "bgp", "10.77.0.12")
    return "b back after %.1f s, the hub after %.1f s" % (
        restarted(world, "b", world.host_of("b")), restarted(world, "hub", world.host_of("b")))


if __name__ == "__main__":
    run()
