#!/usr/bin/env python3
"""All four mixes of overlay and underlay families, by the hub and then directly."""

from netlab import Ping, World, expect, run, scenario, until


def mix(lab, overlay, underlay):
    """Two spokes behind NAT, the hub with two workers: nothing is lost on the way to direct."""
    world = World(lab, overlay=overlay, underlay=underlay).start()
    a, b = world.spokes["a"], world.spokes["b"]
    ping = Ping(world.sites["a"].host, world.host_of("b"), 200, 0.02)
    until("a and b talk directly", lambda: a.direct("b") and b.direct("a"), 10)
    ping.wait()
    expect(ping.lost == 0, "%d of %d lost" % (ping.lost, ping.transmitted))
    endpoint = a.peer("b")["endpoint"]
    expect(endpoint and ("[" in endpoint) == (underlay == 6), "the path has the wrong family: %s" % endpoint)

    until("the other way is direct too", lambda: world.sites["b"].host.reachable(world.host_of("a")))
    before = world.hub.hairpinned()
    more = world.sites["a"].host.ping(world.host_of("b"), 20, 0.02)
    expect(more.lost == 0, "%d lost on the direct path" % more.lost)
    expect(world.hub.hairpinned() == before, "traffic still goes through the hub")

    # Node to node, by overlay addresses.
    expect(a.ns.ping(world.overlay_of("hub"), 3).lost == 0, "a cannot reach the hub's address")
    expect(a.ns.ping(world.overlay_of("b"), 10, 0.05).lost == 0, "a cannot reach b's address")
    return "first reply %.0f ms" % ping.replies[0][3]


@scenario
def v4_over_v4(lab):
    return mix(lab, 4, 4)


@scenario
def v4_over_v6(lab):
    return mix(lab, 4, 6)


@scenario
def v6_over_v4(lab):
    return mix(lab, 6, 4)


@scenario
def v6_over_v6(lab):
    return mix(lab, 6, 6)


if __name__ == "__main__":
    run()
