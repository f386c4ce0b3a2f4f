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
    return sum(p["status"] == "up" for p in frr.json("show bfd peers")) == n


@scenario
def ospf_by_the_hub(lab):
    """OSPFv2, point-to-multipoint: by the hub, then as warren's traffic indication says (phase 3)."""
    world = cloud(lab)
    began = time.monotonic()
    hub, (a, b) = started(world, "frr-ospf-hub.conf", "frr-ospf-spoke.conf")
    until("the hub is adjacent to all", lambda: full(hub, 2), 30, 0.1)
    until("a learns b's LAN", lambda: gateways(world.spokes["a"], "192.168.2.0/24"), 15)
    took = time.monotonic() - began
    expect(a.route("192.168.2.0/24") == {"protocol": "ospf", "via": ["10.77.0.1"]},
        "a's route: %s" % a.route("192.168.2.0/24"))
    expect(gateways(world.hub, "192.168.2.0/24") == ["10.77.0.12"], "the hub's route")
    until("BFD is up", lambda: bfd_up(hub, 2))
    direct_traffic(world)
    expect(shortcut(world.spokes["a"], "192.168.2.0/24"), "no shortcut for b's LAN")
    times = withdrawn(world, "192.168.2.0/24",
        lambda: b.configure("router ospf", "no network 192.168.0.0/16 area 0"))
    return "learnt after %.1f s, withdrawn after %.2f s, the shortcut %.2f s later" % (took, *times)


if __name__ == "__main__":
    run()
