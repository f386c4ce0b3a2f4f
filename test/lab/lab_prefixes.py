#!/usr/bin/env python3
"""
A small network needs no routing daemon: spokes register what is behind them, the hub has it in its kernel and
tells spokes what to send to it. What comes, goes, moves and is not allowed; both lists of routes.
"""

import time

from netlab import LANS4, LANS6, TUN, Ping, World, expect, run, scenario, until

PROTOCOL, METRIC = "141", 4096  # what our routes in the kernel are marked by


def kernel(ns, family=4, ours=True):
    """Routes by the TUN in the kernel, destination -> gateway: those of warrend, or the others."""
    listed = ns.ip_json("-4" if family == 4 else "-6", "-N", "route", "show", "dev", TUN)
    return {r["dst"]: r.get("gateway") for r in listed
        if (r["protocol"] == PROTOCOL and r.get("metric") == METRIC) == ours}


def bindings(hub):
    """Prefix -> [(who, state)], without the hosts' own addresses."""
    found = {}
    for e in hub.nhrp():
        if e["kind"] == "binding" and not e["prefix"].startswith(("10.77.0.", "fd77::")):
            found.setdefault(e["prefix"], []).append((e["peer"], e["state"]))
    return found


def reload(node, *lines, drop=()):
    """Changes [nhrp] lines of a running node."""
    node.sections["nhrp"][:] = [l for l in node.sections["nhrp"] if l.split("=")[0].strip() not in drop]
    for line in lines:
        node.set("nhrp", line)
    node.write_config()
    return node.cli("reload")


@scenario
def no_routing_daemon(lab):
    """A LAN and a further one behind a router at a, a LAN at b, one at the hub: all reach all, both families."""
    world = World(lab, overlay="both")
    a, b, hub_ns = world.sites["a"], world.sites["b"], world.hub_ns
    # Behind a's LAN: a router, and a network behind that.
    router, far, near = lab.ns("inner"), lab.ns("far"), lab.ns("host-hub")
    a.ns.ip("link set lan0 down", "link set lan0 name lan1", "link add lan0 type bridge",
        "link set lan1 master lan0", "link set lan1 up", "link set lan0 up",
        "addr flush dev lan1", "addr add 192.168.1.1/24 dev lan0", "addr add fd77:0:0:1::1/64 dev lan0 nodad")
    lab.link(a.ns, "lan2", router, "eth0")
    a.ns.ip("link set lan2 master lan0")
    lab.link(router, "eth1", far, "eth0")
    router.forward()
    router.ip("addr add 192.168.1.2/24 dev eth0", "addr add fd77:0:0:1::2/64 dev eth0 nodad",
        "addr add 192.168.101.1/24 dev eth1", "addr add fd77:0:0:101::1/64 dev eth1 nodad",
        "route add default via 192.168.1.1", "route add default via fd77:0:0:1::1")
    far.ip("addr add 192.168.101.10/24 dev eth0", "addr add fd77:0:0:101::10/64 dev eth0 nodad",
        "route add default via 192.168.101.1", "route add default via fd77:0:0:101::1")
    a.ns.ip("route add 192.168.101.0/24 via 192.168.1.2", "route add fd77:0:0:101::/64 via fd77:0:0:1::2")
    # The hub's own LAN.
    lab.link(hub_ns, "lan0", near, "eth0")
    hub_ns.forward()
    hub_ns.ip("addr add 192.168.50.1/24 dev lan0", "addr add fd77:0:0:50::1/64 dev lan0 nodad")
    near.ip("addr add 192.168.50.10/24 dev eth0", "addr add fd77:0:0:50::10/64 dev eth0 nodad",
        "route add default via 192.168.50.1", "route add default via fd77:0:0:50::1")
    behind_a = {4: {"192.168.1.0/24", "192.168.101.0/24"}, 6: {"fd77:0:0:1::/64", "fd77:0:0:101::/64"}}
    world.ca.issue(world.spokes["a"], "spoke", ["10.77.0.11/24", "fd77::11/64"], sorted(behind_a[4] | behind_a[6]))
    for prefix in ("192.168.101.0/24", "fd77:0:0:101::/64"):
        world.spokes["a"].set("nhrp", "prefix = " + prefix)
    world.start()
    gateways = {4: ("10.77.0.11", "10.77.0.12", "10.77.0.1"), 6: ("fd77::11", "fd77::12", "fd77::1")}
    for family in world.inner:
        at_a, at_b, at_hub = gateways[family]
        want = dict.fromkeys(behind_a[family], at_a)
        want[b.lan4 if family == 4 else b.lan6] = at_b
        until("the hub's kernel has %s" % want, lambda: kernel(hub_ns, family) == want, 5)
        summary = {LANS4 if family == 4 else LANS6: at_hub}
        for site in (a, b):
            until("%s has %s" % (site.name, summary), lambda: kernel(site.ns, family) == summary, 5)
    ends = {far: ("192.168.101.10", "fd77:0:0:101::10"), a.host: (a.host4, a.host6), b.host: (b.host4, b.host6),
        near: ("192.168.50.10", "fd77:0:0:50::10")}
    for source in ends:
        for target, addresses in ends.items():
            for to in addresses if source is not target else ():
                expect(source.reachable(to, 3), "from %s to %s" % (source.name, to))
    # What is at the hub is no spoke's: no resolution. What is behind a's router goes directly.
    shortcuts = {e["prefix"] for e in world.spokes["b"].shortcuts()}
    expect({"192.168.101.0/24", "fd77:0:0:101::/64"} <= shortcuts, "shortcuts of b: %s" % shortcuts)
    expect(not [p for p in shortcuts if "50" in p], "shortcuts of b: %s" % shortcuts)
    hairpin = world.hub.hairpinned()
    expect(b.host.ping("192.168.101.10", 20, 0.01).lost == 0 and world.hub.hairpinned() == hairpin,
        "b to a's further LAN goes by the hub")


def measured_takeover(world, source, how, what, limit):
    """Seconds without an answer while the holder of the prefix goes."""
    ping = Ping(source, "192.168.9.1", 3000, 0.01, 1)
    until("pings are answered", lambda: len(ping.replies_now()) > 20, 5)
    at = time.time()
    how()
    until("answers by the standby", lambda: ping.replies_now()[-1][1] > at + 0.3 and
        ping.replies_now()[-1][1] > time.time() - 0.1, limit)
    ping.process.stop()
    ping.wait()
    gap = ping.largest_gap()
    expect(gap < limit, "%s: %.2f s without an answer" % (what, gap))
    return "%s %.2f s" % (what, gap)


@scenario
def standby_takes_over(lab):
    """A prefix that two spokes register: the second one is a standby, and takes over when the first goes."""
    world = World(lab, sites=("a", "b", "c"))
    a, b = world.spokes["a"], world.spokes["b"]
    for number, node in enumerate((a, b), 1):
        node.site.ns.ip("addr add 192.168.9.1/32 dev lo")
        world.ca.issue(node, "spoke", ["10.77.0.%d/24" % (10 + number)],
            ["192.168.%d.0/24" % number, "192.168.9.0/24"])
    for node in (a, b):
        node.set("nhrp", "prefix = 192.168.9.0/24")
        node.site.ns.ip("route add 192.168.9.0/24 dev lo")
    world.hub.start()
    a.start()
    until("a is registered", a.ready, 10)
    b.start()
    until("b is registered", b.ready, 10)
    world.spokes["c"].start()
    until("c is registered", world.spokes["c"].ready, 10)
    states = lambda: sorted(bindings(world.hub).get("192.168.9.0/24", []))
    until("a holds it, b is standby", lambda: states() == [("a", "registered"), ("b", "standby")], 5)
    at_hub, at_c = world.hub_ns, world.sites["c"].ns
    until("c has a route", lambda: "192.168.0.0/16" in kernel(at_c), 5)
    seen = []
    # Clean: at once. Dead: as soon as its path is known to be.
    seen.append(measured_takeover(world, at_hub, a.stop, "hub, clean stop:", 1))
    expect(states() == [("b", "registered")], "%s" % states())
    a.start()
    until("a is standby now", lambda: states() == [("a", "standby"), ("b", "registered")], 10)
    seen.append(measured_takeover(world, at_hub, b.kill, "killed:", 4))
    b.start()
    until("b is standby now", lambda: states() == [("a", "registered"), ("b", "standby")], 10)
    until("c talks to a directly", lambda: at_c.reachable("192.168.9.1", 0.3) and world.spokes["c"].direct("a"), 10)
    seen.append(measured_takeover(world, at_c, a.stop, "spoke with shortcut, clean:", 1))
    a.start()
    until("a is standby now", lambda: states() == [("a", "standby"), ("b", "registered")], 10)
    until("c talks to b directly", lambda: at_c.reachable("192.168.9.1", 0.3) and world.spokes["c"].direct("b"), 20)
    seen.append(measured_takeover(world, at_c, b.kill, "killed:", 5))
    expect(not world.hub.logged("somebody removed"), "its own change of a route is somebody else's")
    return "; ".join(seen)


@scenario
def moves_by_reload(lab):
    """A prefix taken from one spoke and given to another: `prefix =` lines and two reloads."""
    world = World(lab, sites=("a", "b", "c"))
    a, b = world.spokes["a"], world.spokes["b"]
    world.ca.issue(b, "spoke", ["10.77.0.12/24"], ["192.168.2.0/24", "192.168.1.0/24"])
    world.start()
    until("c has a route", lambda: "192.168.0.0/16" in kernel(world.sites["c"].ns), 5)
    host = world.sites["c"].host
    until("c's host reaches a's", lambda: host.reachable("192.168.1.1") and world.spokes["c"].direct("a"), 10)
    b.site.ns.ip("addr add 192.168.1.1/32 dev lo", "route add 192.168.1.0/24 dev lo")
    ping = Ping(host, "192.168.1.1", 3000, 0.01, 1)
    until("pings are answered", lambda: len(ping.replies_now()) > 20, 5)
    at = time.time()
    reload(b, "prefix = 192.168.1.0/24")
    until("b is standby", lambda: ("b", "standby") in bindings(world.hub)["192.168.1.0/24"], 5)
    reload(a, drop=("prefix",))  # and none derived: its LAN is not there any more
    a.site.ns.ip("link set lan0 down", "addr flush dev lan0")
    until("b holds it", lambda: bindings(world.hub)["192.168.1.0/24"] == [("b", "registered")], 5)
    until("the hub's kernel has it by b", lambda: kernel(world.hub_ns).get("192.168.1.0/24") == "10.77.0.12", 5)
    until("it is b that answers c", lambda: world.spokes["c"].direct("b") and
        {e["prefix"]: e["peer"] for e in world.spokes["c"].shortcuts()} == {"192.168.1.0/24": "b"}, 15)
    ping.process.stop()
    ping.wait()
    expect(ping.largest_gap() < 1, "%.2f s without an answer" % ping.largest_gap())
    return "longest gap %.0f ms" % (ping.largest_gap() * 1000)


@scenario
def derived_from_routes(lab):
    """Without a `prefix =` line: what the certificate has and this machine too, as long as it has it."""
    world = World(lab, prefixes=None)
    a, site = world.spokes["a"], world.sites["a"]
    world.ca.issue(a, "spoke", ["10.77.0.11/24"], ["192.168.1.0/24", "192.168.64.0/20", "192.168.77.0/24"])
    world.start()
    held = lambda: {p for p, who in bindings(world.hub).items() if who[0][0] == "a"}
    until("the LAN alone", lambda: held() == {"192.168.1.0/24"}, 5)
    site.ns.ip("route add 192.168.64.0/20 via 192.168.1.10", "route add 192.168.77.0/25 via 192.168.1.10")
    until("and what is routed behind it", lambda: held() == {"192.168.1.0/24", "192.168.64.0/20"}, 5)
    until("the kernel too", lambda: "192.168.64.0/20" in kernel(world.hub_ns), 5)
    site.ns.ip("link set lan0 down")
    until("none, with the LAN down", lambda: held() == set() and set(kernel(world.hub_ns)) == {"192.168.2.0/24"}, 5)
    site.ns.ip("link set lan0 up")
    until("the LAN again", lambda: held() == {"192.168.1.0/24"}, 5)


@scenario
def outside_the_certificate(lab):
    """NAK 4 for what the certificate does not have, whatever its shape; the rest stands, on both families."""
    world = World(lab, overlay="both").start()
    a = world.spokes["a"]
    bad = ["192.168.2.0/24", "192.168.0.0/16", "0.0.0.0/0", "fd77:0:0:2::/64", "fd77::/48", "10.77.0.12/32"]
    before = bindings(world.hub)
    reload(a, *["prefix = " + p for p in bad])
    refused = lambda node: {e["prefix"] for e in node.nhrp() if e["kind"] == "refused" and e["code"] == 4}
    for node in (a, world.hub):
        until("%s shows them all" % node.name, lambda: refused(node) == set(bad), 5)
    expect(bindings(world.hub) == before, "the hub has %s" % bindings(world.hub))
    for family in world.inner:
        expect(not set(bad) & set(kernel(world.hub_ns, family)) - {"192.168.2.0/24", "fd77:0:0:2::/64"},
            "the hub's kernel: %s" % kernel(world.hub_ns, family))
    expect(kernel(world.hub_ns)["192.168.2.0/24"] == "10.77.0.12", "a took b's LAN")
    expect(world.hub.logged(r"a: registration of 0\.0\.0\.0/0 refused: code 4"), "not in the hub's log")
    reload(a, "prefix = " + a.site.lan4, "prefix = " + a.site.lan6, drop=("prefix",))
    until("nothing is refused any more", lambda: not refused(a) and not refused(world.hub), 5)


@scenario
def routes_not_installed(lab):
    """`install-routes = no`: the daemon forwards by what it knows, the kernel is left alone; by reload, both ways."""
    world = World(lab, hub_config={"nhrp": ["install-routes = no"]}, spoke_config={"nhrp": ["install-routes = no"]})
    a, hub = world.spokes["a"], world.hub
    world.start()
    known = lambda node, source: {r["prefix"] for r in node.routes() if r["source"] == source}
    until("the hub knows both", lambda: known(hub, "registered") == {"192.168.1.0/24", "192.168.2.0/24"}, 5)
    until("a knows the summary", lambda: known(a, "hub") == {"192.168.0.0/16"}, 5)
    time.sleep(0.5)
    for ns in (world.hub_ns, a.site.ns, world.sites["b"].ns):
        expect(not kernel(ns), "%s: %s" % (ns.name, kernel(ns)))
    # Whoever brings routes of his own gets what the daemons know.
    for site in world.sites.values():
        site.ns.ip("route add 192.168.0.0/16 via 10.77.0.1 dev " + TUN)
    expect(a.site.host.ping("192.168.2.10", 10, 0.01).lost == 0, "not forwarded")
    reload(hub, "install-routes = yes")
    until("now they are", lambda: set(kernel(world.hub_ns)) == {"192.168.1.0/24", "192.168.2.0/24"}, 5)
    reload(hub, "install-routes = no")
    until("and not any more", lambda: not kernel(world.hub_ns), 5)
    expect(a.site.host.ping("192.168.2.10", 10, 0.01).lost == 0, "not forwarded afterwards")


@scenario
def both_lists(lab):
    """`advertise =` at the hub, `route =` at a spoke: each reaches the kernel, and follows a reload."""
    world = World(lab, overlay="both", spoke_config={"nhrp": ["holding-time = 30"]})
    a, hub, ns = world.spokes["a"], world.hub, world.sites["a"].ns
    world.start()
    got = lambda: {**kernel(ns, 4), **kernel(ns, 6)}
    base = {LANS4: "10.77.0.1", LANS6: "fd77::1"}
    until("a has what is advertised", lambda: got() == base, 5)
    reload(a, "route = 172.16.0.0/12", "route = fd88::/16")
    mine = {"172.16.0.0/12": "10.77.0.1", "fd88::/16": "fd77::1"}
    until("and its own lines", lambda: got() == {**base, **mine}, 5)
    reload(a, "route = 172.16.0.0/12", drop=("route",))
    until("one less", lambda: got() == {**base, "172.16.0.0/12": "10.77.0.1"}, 5)
    # Spokes hear of the hub's list with their next registration: a third of the holding time.
    reload(hub, "advertise = 172.30.0.0/16", "advertise = " + LANS4, drop=("advertise",))
    want = {LANS4: "10.77.0.1", "172.30.0.0/16": "10.77.0.1", "172.16.0.0/12": "10.77.0.1"}
    until("the hub's new list", lambda: got() == want, 15)
    hub.stop()
    until("no hub, no routes", lambda: got() == {}, 20)


if __name__ == "__main__":
    run()
