#!/usr/bin/env python3
"""BIRD on the one interface, by the files of conf/routing: no line on the hub for any spoke."""

import re
import time

from netlab import Lab, expect, run, scenario, until
from bird import Bird, birds
from routers import Frr, cloud, direct_traffic, gateways, known_good, withdrawn

# Names of the nodes that shall be next hop for b's LAN, as a sees it.
HUB, B = "hub", "b"
NEXT_HOPS = {HUB: {"10.77.0.1", "fd77::1", "fe80::5efe:a4d:1"},
    B: {"10.77.0.12", "fd77::12", "fe80::5efe:a4d:c"}}


def carries(world, daemons, via, timeout=45):
    """
    A routing protocol does what it should: a knows b's LAN by `via`, and packets arrive; then the two talk
    directly, and the hub sees nothing of it; when b's BIRD takes its LAN back, nothing of it stays at a.
    """
    a, b = world.spokes["a"], world.sites["b"]
    lans = {4: b.lan4, 6: b.lan6}
    began = time.monotonic()
    for family in world.inner:
        until("a's host reaches b's (IPv%d)" % family,
            lambda: world.sites["a"].host.reachable(world.host_of("b", family), 0.3), timeout)
        found = gateways(a, lans[family])
        expect(found and set(found) <= NEXT_HOPS[via], "a's route is by %s, not by %s" % (found, via))
    took = time.monotonic() - began
    for family in world.inner:
        direct_traffic(world, family=family)
    gone = withdrawn(world, lans[world.inner[0]], lambda: daemons["b"].announce(False))
    for family in world.inner:
        until("the IPv%d route is gone" % family, lambda: not gateways(a, lans[family]))
        expect(not world.sites["a"].host.reachable(world.host_of("b", family), 0.3),
            "IPv%d without a route" % family)
    expect(b.ns.reachable(b.host4), "b's LAN is not there")
    return "by %s: LAN to LAN %.1f s after the start; withdrawn in %.2f s, its shortcut %.2f s later" % (
        via, took, *gone)


def both(lab, **options):
    return cloud(lab, overlay="both", **options)


@scenario
def ospf(lab):
    """OSPFv2 and OSPFv3, point to multipoint: phase 3."""
    world = both(lab)
    daemons = birds(world, "ospf")
    note = carries(world, daemons, HUB)
    for protocol in ("ospf4", "ospf6"):
        expect("10.77.0.11" in daemons["hub"].show("ospf", "neighbors", protocol), "a is no neighbour")
    return note


@scenario
def ospf_broadcast(lab):
    """OSPFv2 and OSPFv3 of type broadcast, the hub designated: phase 2."""
    world = both(lab)
    return carries(world, birds(world, "ospf", switch=["type broadcast"]), B)


@scenario
def ibgp(lab):
    """iBGP with the hub as reflector, any neighbour of the overlay: phase 2."""
    world = both(lab)
    return carries(world, birds(world, "ibgp"), B)


@scenario
def ibgp_next_hop_self(lab):
    """The same with `next hop self` on the hub: phase 3."""
    world = both(lab)
    return carries(world, birds(world, "ibgp", hub=["next hop self"]), HUB)


@scenario
def ebgp(lab):
    """eBGP, all spokes in one AS: phase 2."""
    world = both(lab)
    return carries(world, birds(world, "ebgp"), B)


@scenario
def ebgp_next_hop_self(lab):
    """The same with `next hop self` on the hub: phase 3."""
    world = both(lab)
    return carries(world, birds(world, "ebgp", hub=["next hop self"]), HUB)


@scenario
def rip(lab):
    """RIPv2 and RIPng: phase 2."""
    world = both(lab)
    return carries(world, birds(world, "rip"), B)


@scenario
def babel(lab):
    """Babel, the same file everywhere: phase 3."""
    world = both(lab)
    return carries(world, birds(world, "babel"), HUB)


@scenario
def phase_1(lab):
    """A protocol that would lead directly, and spokes that do not want to: all by the hub, 0 lost."""
    world = both(lab, spoke_config={"nhrp": ["shortcut = no"]})
    birds(world, "ibgp")
    host = world.sites["a"].host
    until("a's host reaches b's", lambda: host.reachable(world.host_of("b"), 0.3), 40)
    before = world.hub.hairpinned()
    expect(host.ping(world.host_of("b"), 50, 0.02).lost == 0, "lost by the hub")
    expect(world.hub.hairpinned() >= before + 100, "not by the hub")
    expect(not world.spokes["a"].direct("b"), "they talk directly")


def dies_silently(world, protocol):
    """Kills b's warrend; s until the hub's route to b's LAN is gone."""
    hub = birds(world, protocol)["hub"]
    known = lambda: world.sites["b"].lan4 in [r["dst"] for r in world.hub_ns.ip_json("route")]
    until("the hub has b's LAN", known, 40)
    watched = lambda: re.search(r"10\.77\.0\.12\s+warren0\s+Up", hub.show("bfd", "sessions"))
    until("BFD watches b", watched)
    time.sleep(5)  # OSPF says something new of itself at most once in 5 s (RFC 2328 appendix B, MinLSInterval)
    world.spokes["b"].kill()
    began = time.monotonic()
    until("the hub has given it up", lambda: not known(), 30)
    return time.monotonic() - began


@scenario
def bfd(_lab):
    """A spoke dies without a word: the hub's routes to it are gone within 3 s, before any hold time."""
    took = {}
    for protocol in ("ospf", "ibgp", "rip"):
        with Lab() as lab:
            took[protocol] = dies_silently(cloud(lab), protocol)
    text = ", ".join("%s %.1f s" % t for t in took.items())
    expect(max(took.values()) <= 3, text)
    return text


@scenario
def frr_hub(lab):
    """OSPF: FRR on the hub, point to multipoint; BIRD on the spokes, point to point."""
    world = cloud(lab)
    Frr(world.hub_ns, known_good("frr-ospf-hub.conf")).start()
    spokes = {name: Bird(site.ns, "bird-ospf-spoke.conf", ["type ptp"]).start()
        for name, site in world.sites.items()}
    return carries(world, spokes, HUB)


if __name__ == "__main__":
    run()
