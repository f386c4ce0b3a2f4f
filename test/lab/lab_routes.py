#!/usr/bin/env python3
"""The kernel's routes decide: mirrored next hops, shortcuts above them, routes that come and go."""

import random
import signal
import time

from netlab import TUN, World, expect, run, scenario, until
from routeload import RouteWriter, mirrored, prefixes
from traffic import Count


def find(node, prefix, source):
    return [r for r in node.routes() if r["prefix"] == prefix and r["source"] == source]


@scenario
def next_hop_is_a_spoke(lab):
    """Phase 2: `ip route add LAN via the far spoke` works without a line in any config."""
    world = World(lab, prefixes=None, advertise=False).start()
    a, b = world.spokes["a"], world.spokes["b"]
    host = world.sites["a"].host
    expect(not host.reachable("192.168.2.10"), "a reaches b's LAN before there is a route")
    a.ns.ip("route add 192.168.2.0/24 via 10.77.0.12 dev " + TUN)
    b.ns.ip("route add 192.168.1.0/24 via 10.77.0.11 dev " + TUN)
    until("the LANs reach each other", lambda: host.reachable("192.168.2.10"), 5)
    ping = world.make_direct()
    expect(ping.lost <= 1, "%d lost" % ping.lost)  # the one that the end cut off
    mirrored = until("a mirrors the route", lambda: find(a, "192.168.2.0/24", "kernel"))
    expect(mirrored[0]["gateway"] == "10.77.0.12", "gateway is %s" % mirrored[0]["gateway"])

    # The route goes, the traffic goes with it: no shortcut outlives what it stood on.
    a.ns.ip("route del 192.168.2.0/24 via 10.77.0.12 dev " + TUN)
    until("no traffic without the route", lambda: not host.reachable("192.168.2.10", 0.3), 5)


@scenario
def next_hop_is_the_hub(lab):
    """Phase 3: a route by the hub gets a shortcut above it, and takes it along when it goes."""
    world = World(lab, prefixes=None, advertise=False).start()
    a, b = world.spokes["a"], world.spokes["b"]
    a.ns.ip("route add 192.168.0.0/16 via 10.77.0.1 dev " + TUN)
    b.ns.ip("route add 192.168.0.0/16 via 10.77.0.1 dev " + TUN)
    world.make_direct()
    shortcut = until("a has the shortcut", lambda: find(a, "192.168.2.0/24", "shortcut"))[0]
    expect(shortcut["active"] and shortcut["peer"] == "b", "shortcut: %s" % shortcut)
    before = world.hub.hairpinned()
    expect(world.sites["a"].host.ping("192.168.2.10", 10, 0.02).lost == 0, "lost on the shortcut")
    expect(world.hub.hairpinned() == before, "the shortcut is not used")

    a.ns.ip("route del 192.168.0.0/16 via 10.77.0.1 dev " + TUN)
    until("the shortcut goes with its route", lambda: not find(a, "192.168.2.0/24", "shortcut"), 5)
    expect(not world.sites["a"].host.reachable("192.168.2.10", 0.3), "traffic without a route")


@scenario
def a_more_specific_route_wins(lab):
    """A longer prefix of the kernel's beats a shortcut; a blackhole route is obeyed."""
    world = World(lab).start()
    a, host = world.spokes["a"], world.sites["a"].host
    world.make_direct()
    until("a has the shortcut", lambda: find(a, "192.168.2.0/24", "shortcut"))
    a.ns.ip("route add blackhole 192.168.2.10/32")
    until("the blackhole is obeyed", lambda: not host.reachable("192.168.2.10", 0.3), 5)
    a.ns.ip("route del blackhole 192.168.2.10/32")
    until("traffic again", lambda: host.reachable("192.168.2.10", 0.5), 5)


@scenario
def hub_installs_and_withdraws(lab):
    """A registered prefix is a kernel route on the hub; it goes when the spoke says good-bye."""
    world = World(lab).start()
    routes = lambda: [r["dst"] for r in world.hub_ns.ip_json("route")]
    until("the hub has the spokes' LANs", lambda: {"192.168.1.0/24", "192.168.2.0/24"} <= set(routes()))
    learnt = [r["dst"] for r in world.spokes["a"].ns.ip_json("route") if r.get("dev") == TUN]
    expect("192.168.0.0/16" in learnt, "a did not install what the hub advertises: %s" % learnt)
    world.spokes["b"].stop()
    until("b's LAN is withdrawn", lambda: "192.168.2.0/24" not in routes(), 5)
    expect("192.168.1.0/24" in routes(), "a's LAN went too")


@scenario
def own_routes_are_not_mirrored(lab):
    """A foreign route with the very key of the daemon's own hides that one and uncovers it again."""
    world = World(lab).start()
    hub, prefix = world.hub, "192.168.2.0/24"
    until("b's LAN is registered", lambda: find(hub, prefix, "registered"))
    expect(not find(hub, prefix, "kernel"), "the daemon mirrors its own route")
    foreign = "%s via 10.77.0.11 dev %s metric 4096 proto static" % (prefix, TUN)
    world.hub_ns.ip("route prepend " + foreign)
    until("the foreign one is mirrored", lambda: find(hub, prefix, "kernel"))
    expect(not find(hub, prefix, "registered")[0]["active"], "it does not win")
    world.hub_ns.ip("route del " + foreign)
    until("it is gone", lambda: not find(hub, prefix, "kernel"), 5)
    expect(find(hub, prefix, "registered")[0]["active"], "b's LAN is not used")


@scenario
def thousands(lab):
    """5,000 routes, hundreds of changes a second, and an overrun: a stream loses nothing by it."""
    world = World(lab).start()
    a, hub = world.spokes["a"], "10.77.0.1"
    world.make_direct()
    gateways = [hub, "10.77.0.12"]
    writer = RouteWriter(a.ns, TUN)
    routes = {p: gateways[i % 2] for i, p in enumerate(prefixes(5000))}
    def agree(what):
        wrong = lambda: mirrored(a, routes)
        until("%s: the mirror agrees with the kernel" % what, lambda: not wrong(), 15, 0.1)
    stream = Count(world.sites["a"].host, world.sites["b"].host, "192.168.2.10", 500, 200)
    writer.write(list(routes.items()))
    agree("added")
    end, names = time.monotonic() + 4, list(routes)
    while time.monotonic() < end:
        changes = []
        for prefix in random.sample(names, 10):
            routes[prefix] = gateways[routes[prefix] == hub]
            changes += [(prefix, None)] * random.randrange(2) + [(prefix, routes[prefix])]
        writer.write(changes)
        time.sleep(0.02)
    agree("changed")
    result = stream.stop()
    expect(result["unexplained"] == 0 and result["late"] == 0, "the stream: %s" % result)

    dumps = a.status()["route_dumps"]
    a.process.signal(signal.SIGSTOP)
    for _ in range(9):
        routes = {p: gateways[g == hub] for p, g in routes.items()}
        writer.write(list(routes.items()))
    a.process.signal(signal.SIGCONT)
    until("it has read all anew", lambda: a.status()["route_dumps"] > dumps)
    agree("overrun")
    writer.write([(prefix, None) for prefix in routes])
    routes = {}
    agree("removed")


@scenario
def a_full_table(lab):
    """More routes than `limits.routes`: said in log and status, and a packet without its route is dropped."""
    world = World(lab, spoke_config={"limits": ["routes = 64"]}).start()
    a = world.spokes["a"]
    expect(a.status()["routes_left_out"] == 0, "something is left out")
    writer = RouteWriter(a.ns, TUN)
    writer.write([(prefix, "10.77.0.12") for prefix in prefixes(100)])
    until("it says so", lambda: a.status()["routes_left_out"] > 36)
    status = a.status()
    expect(status["routes"] == status["routes_max"] == 64, "status: %s" % status)
    expect(any("not all kernel routes fit" in w for w in status["warnings"]),
        "warnings: %s" % status["warnings"])
    expect(a.logged("route table full"), "nothing in the log")
    dropped = a.dropped("not_overlay")  # by the default route, which is there
    a.ns.ping("10.128.24.193", timeout=0.3)  # within the last one
    until("the drop is counted", lambda: a.dropped("not_overlay") > dropped, 3)
    writer.write([(prefix, None) for prefix in prefixes(100)])
    until("nothing is left out", lambda: a.status()["routes_left_out"] == 0)


if __name__ == "__main__":
    run()
