#!/usr/bin/env python3
"""Distance vectors over the one interface: EIGRP, RIP, Babel."""

import time

from netlab import expect, run, scenario, until
from routers import cloud, direct_traffic, gone, learnt, shortcut, started

LAN4, LAN6 = "192.168.2.0/24", "fd77:0:0:2::/64"


def settled(frr, seconds=4):
    """Babel's first seconds are restless: a neighbour may seem lost before its second hello."""
    usable = lambda: all((frr.route(p) or {"via": [None]})["via"][0] for p in (LAN4, LAN6))
    since = [time.monotonic()]

    def quiet():
        if not usable():
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > seconds
    until("Babel's routes stay", quiet, 30, 0.2)


@scenario
def eigrp_by_the_hub(lab):
    """EIGRP: one route for all LANs by the hub, and warren's shortcuts below it (phase 3)."""
    world = cloud(lab)
    lab.link(world.hub_ns, "lans", lab.ns("nowhere"), "eth0")
    began = time.monotonic()
    hub, (a, _) = started(world, "frr-eigrp-hub.conf", "frr-eigrp-spoke.conf")
    learnt(world, a, "192.168.0.0/16", "eigrp", "10.77.0.1")
    took = time.monotonic() - began
    until("the hub knows b's LAN", lambda: hub.route(LAN4))
    direct_traffic(world)
    expect(shortcut(world.spokes["a"], LAN4), "no shortcut below the one route")
    # FRR 8.4's eigrpd withdraws nothing, whatever happens to a network or a neighbour; it takes its own
    # routes along when it ends.
    return "learnt after %.1f s, " % took + gone(world, "192.168.0.0/16", a.stop)


@scenario
def rip_by_next_hops(lab):
    """RIPv2 and RIPng, the hub indicates nothing: next hops are the spokes (phase 2)."""
    world = cloud(lab, overlay="both", hub_config={"nhrp": ["redirect = no"]})
    began = time.monotonic()
    _, (a, b) = started(world, "frr-rip-hub.conf", "frr-rip-spoke.conf")
    learnt(world, a, LAN4, "rip", "10.77.0.12")
    learnt(world, a, LAN6, "ripng", "fe80::5efe:a4d:c")
    took = time.monotonic() - began
    direct_traffic(world, family=4)
    direct_traffic(world, family=6)
    return "learnt after %.1f s, " % took + gone(world, LAN4, lambda: b.configure("router rip",
        "no network lan0"))


@scenario
def babel_by_the_hub(lab):
    """Babel, both families: by the hub, then as warren's traffic indication says (phase 3)."""
    world = cloud(lab, overlay="both")
    began = time.monotonic()
    _, (a, b) = started(world, "frr-babel-hub.conf", "frr-babel-spoke.conf")
    learnt(world, a, LAN4, "babel", "10.77.0.1")
    took = time.monotonic() - began
    learnt(world, a, LAN6, "babel", "fe80::5efe:a4d:1")
    settled(a)
    for family, lan in (4, LAN4), (6, LAN6):
        direct_traffic(world, family=family)
        expect(shortcut(world.spokes["a"], lan), "no shortcut for " + lan)
    # FRR 8.4's babeld does not notice when what it redistributes goes.
    return "learnt after %.1f s, " % took + gone(world, LAN6, b.stop)


if __name__ == "__main__":
    run()
