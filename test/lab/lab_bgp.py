#!/usr/bin/env python3
"""BGP over the one interface, of both families in one session, by next hops and by the hub."""

import time

from netlab import Ping, expect, run, scenario, until
from routers import (Frr, bfd_up, cloud, dies, direct_traffic, gone, known_good, learnt, restarted,
    shortcut, started)

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
def ibgp_with_two_hubs(lab):
    """Each spoke has a session with both hubs. One hub falls silent: traffic and news go on."""
    world = cloud(lab, hubs=2)
    hub, spoke = known_good("frr-ibgp-hub.conf"), known_good("frr-ibgp-spoke.conf")
    second = " ! neighbor 10.77.0.2 peer-group HUBS"
    expect(second in spoke, "the spoke's file has no line for a second hub")
    hubs = [Frr(world.hub_ns, hub).start(),
        Frr(world.hub2.ns, hub.replace("router-id 10.77.0.1", "router-id 10.77.0.2")).start()]
    a, b = [Frr(s.ns, spoke.replace(second, second.replace("! ", ""))).start()
        for s in world.sites.values()]
    for frr in hubs:
        until("BFD is up with both hubs", lambda: bfd_up(frr, 2), 20)
    learnt(world, a, LAN4, "bgp", "10.77.0.12")
    direct_traffic(world)
    ping = Ping(world.sites["a"].host, world.host_of("b"), 80, 0.05)
    world.hub_ns.ip("link set eth0 down")
    ping.wait()
    expect(ping.lost == 0, "%d of %d lost" % (ping.lost, ping.transmitted))
    until("a has no session with the first hub", lambda: a.json("show bgp neighbors 10.77.0.1")
        ["10.77.0.1"]["bgpState"] != "Established", 5)
    expect(a.route(LAN4) == {"protocol": "bgp", "via": ["10.77.0.12"]}, "a has lost b's LAN")
    return gone(world, LAN4, lambda: b.configure("router bgp 65000",
        "address-family ipv4 unicast", "no redistribute connected"))


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
