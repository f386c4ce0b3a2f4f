#!/usr/bin/env python3
"""Paths die and come back: cut in the middle, without the hub, through routers that trap."""

import time

from netlab import Ping, World, expect, run, scenario, until


@scenario
def direct_path_blocked(lab):
    """Cut in the middle: by the hub within 1 s. Healed: direct again within 3 s."""
    world = World(lab).start()
    a, b = world.spokes["a"], world.spokes["b"]
    world.make_direct()
    ping = Ping(world.sites["a"].host, world.host_of("b"), 240, 0.05)
    time.sleep(1)
    world.block_direct("a", "b")
    ping.wait()
    gap = ping.largest_gap()
    expect(gap <= 1.2, "%.1f s without an answer" % gap)
    expect(not a.direct("b"), "a thinks that the path is direct")
    expect(ping.replies[-1][0] == ping.transmitted, "no answers at the end")

    world.unblock()
    began = time.monotonic()
    more = Ping(world.sites["a"].host, world.host_of("b"), 1200, 0.05)
    until("direct again", lambda: a.direct("b") and b.direct("a"), 45, 0.05)
    healed = time.monotonic() - began
    more.process.signal(2)
    more.wait()
    expect(more.lost <= 1, "%d lost on the way back" % more.lost)
    expect(healed <= 3, "direct again after %.1f s" % healed)
    return "silent for %.1f s, direct again after %.1f s" % (gap, healed)


@scenario
def conntrack_trap(lab):
    """Routers that let unsolicited datagrams in: traffic never stops, whatever the path."""
    world = World(lab, nat="open").start()
    a, b = world.spokes["a"], world.spokes["b"]
    ping = Ping(world.sites["a"].host, world.host_of("b"), 500, 0.02)
    ping.wait()
    expect(ping.lost == 0, "%d of %d lost" % (ping.lost, ping.transmitted))
    return "direct" if a.direct("b") and b.direct("a") else "by the hub"


@scenario
def symmetric_nats(lab):
    """No direct path to be had: the hub carries everything, and status says why."""
    world = World(lab, nat="symmetric").start()
    a = world.spokes["a"]
    ping = Ping(world.sites["a"].host, world.host_of("b"), 250, 0.02).wait()
    expect(ping.lost == 0, "%d of %d lost" % (ping.lost, ping.transmitted))
    expect(not a.direct("b"), "direct through two symmetric NATs?")
    expect(world.hub.hairpinned() >= 450, "the hub did not carry it")
    peer = a.peer("b")
    expect(peer is None or peer["path"] != "direct", "status says direct")


@scenario
def symmetric_nats_with_ipv6(lab):
    """The same, but there is IPv6 besides: that is the direct path."""
    world = World(lab, nat="symmetric", dual=True).start()
    world.make_direct()
    endpoint = world.spokes["a"].peer("b")["endpoint"]
    expect(endpoint == "[2001:db8:2::2]:4754", "the path is %s" % endpoint)


@scenario
def no_nat(lab):
    """Plain routers on both sides."""
    world = World(lab, nat="none").start()
    ping = world.make_direct()
    expect(ping.lost <= 1, "%d lost" % ping.lost)


@scenario
def spoke_restarts(lab):
    """A spoke killed and started again, behind the same NAT port, is back at once."""
    world = World(lab).start()
    b = world.spokes["b"]
    world.make_direct()
    b.kill()
    b.start()
    until("b is registered", b.ready, 15)
    began = time.monotonic()
    until("a reaches b's LAN", lambda: world.sites["a"].host.reachable("192.168.2.10", 0.3), 8)
    took = time.monotonic() - began
    world.make_direct(timeout=20)
    return "reachable %.1f s after its registration" % took


if __name__ == "__main__":
    run()
