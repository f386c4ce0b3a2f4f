#!/usr/bin/env python3
"""
The three phases of DMVPN, each with hosts and with LANs, both families, and which way packets went: by the
hub's count of what it relayed, by the spokes' peers, and by what crossed the public segment.
"""

import json
import time

from netlab import TUN, Ping, World, expect, run, scenario, until

SIZE, PINGS, INTERVAL = 1000, 40, 0.01
TTL_HUB, TTL_DIRECT = 61, 62  # of a reply from LAN to LAN: the hub is a hop


class Wire:
    """Bytes of UDP on the public segment, by sender and receiver."""

    def __init__(self, world):
        self.world = world
        self.places = {"hub": "203.0.113.1", **{n: s.public4 for n, s in world.sites.items()}}
        pairs = [(x, y) for x in self.places for y in self.places if x != y]
        world.inet.nft("table bridge wire {\n%s\nchain forward {\ntype filter hook forward priority -10;\n%s\n}\n}" % (
            "\n".join("counter %s-%s {}" % pair for pair in pairs),
            "\n".join("ip saddr %s ip daddr %s ip protocol udp counter name %s-%s" % (
                self.places[x], self.places[y], x, y) for x, y in pairs)))

    def read(self):
        listed = json.loads(self.world.inet.run("nft", "-j", "list", "counters", "table", "bridge",
            "wire").stdout)["nftables"]
        return {e["counter"]["name"]: e["counter"]["bytes"] for e in listed if "counter" in e}


def requests(node):
    """Resolution requests that the node has sent, or passed on."""
    return node.status()["nhrp"]["out"]["resolution_request"]


def indications(node):
    return node.status()["nhrp"]["out"]["traffic_indication"]


def shortcuts(node):
    return {e["prefix"]: e["peer"] for e in node.shortcuts()}


def more_hosts(world, name, family=4, count=10):
    """Addresses of further hosts in a site's LAN."""
    site, base = world.sites[name], 100
    plain = ["192.168.%d.%d" % (site.number, base + i) if family == 4
        else "fd77:0:0:%d::%d" % (site.number, base + i) for i in range(count)]
    site.host.ip(*["addr add %s dev eth0 %s" % (a + ("/24" if family == 4 else "/64"),
        "" if family == 4 else "nodad") for a in plain])
    return plain


def with_routes(world):
    """Until each spoke's kernel has what the hub advertises, and the hub's what spokes have registered."""
    want = {"192.168.0.0/16"} if 4 in world.inner else set()
    want |= {"fd77::/48"} if 6 in world.inner else set()
    has = lambda ns: {r["dst"] for family in ("-4", "-6") for r in ns.ip_json(family, "route", "show", "dev", TUN)}
    for site in world.sites.values():
        until("%s has the hub's routes" % site.name, lambda: want <= has(site.ns), 5)
        until("the hub has %s's LAN" % site.name, lambda: site.lan4 in has(world.hub_ns), 5)
    return world


def ends(world, family):
    """(who pings, whom): a host of LAN to one of another, node to node."""
    a, b = world.sites["a"], world.sites["b"]
    return [(a.host, world.host_of("b", family)), (a.ns, world.overlay_of("b", family)),
        (a.ns, world.host_of("b", family)), (a.host, world.overlay_of("b", family))]


def nothing_lost(ping, to):
    """ping(8) waits for its last replies no longer than two round trips: on a busy machine some are only late."""
    seen = {seq for seq, _, _, _ in ping.replies}
    last = max(seen, default=0)
    missing = set(range(1, last)) - seen
    expect(not missing and last >= ping.transmitted - 2, "%s: %d sent, last seen %d, lost %s" % (
        to, ping.transmitted, last, sorted(missing)))


def measure(world, wire, source, to, by_hub):
    """Pings that must all go by the hub, or all past it."""
    before, hairpin = wire.read(), world.hub.hairpinned()
    ping = source.ping(to, PINGS, INTERVAL, size=SIZE)
    nothing_lost(ping, to)
    relayed = world.hub.hairpinned() - hairpin
    moved = {k: v - before[k] for k, v in wire.read().items()}
    least, most = PINGS * SIZE, PINGS * SIZE / 10
    direct = moved["a-b"], moved["b-a"]
    hub = moved["a-hub"], moved["hub-b"], moved["b-hub"], moved["hub-a"]
    if by_hub:
        expect(relayed == 2 * PINGS, "%s: the hub relayed %d of %d" % (to, relayed, 2 * PINGS))
        expect(min(hub) >= least and max(direct) == 0, "%s: on the wire: %s" % (to, moved))
    else:
        expect(relayed == 0, "%s: the hub relayed %d" % (to, relayed))
        expect(min(direct) >= least and max(hub) < most, "%s: on the wire: %s" % (to, moved))


def become_direct(world, source, to):
    """Pings from cold until they go directly: none is lost, and the first ones go by the hub."""
    hairpin = world.hub.hairpinned()
    ping = Ping(source, to, 100, INTERVAL)
    ping.wait()
    nothing_lost(ping, to)
    ttls = [ttl for _, _, ttl, _ in sorted(ping.replies)]
    expect(ttls[0] < ttls[-1], "%s: not by the hub and then directly: TTLs %s" % (to, ttls))
    expect(world.hub.hairpinned() > hairpin, "%s: the hub relayed nothing" % to)
    return ttls.index(ttls[-1])


@scenario
def phase_1(lab):
    """`shortcut = no`: every packet by the hub, nothing is resolved, nobody talks directly."""
    world = World(lab, overlay="both", spoke_config={"nhrp": ["shortcut = no"]})
    with_routes(world.start())
    a, b, wire = world.spokes["a"], world.spokes["b"], Wire(world)
    for family in world.inner:
        for source, to in ends(world, family):
            measure(world, wire, source, to, by_hub=True)
    expect(requests(a) == requests(b) == requests(world.hub) == 0, "something was resolved")
    for node, other in ((a, "b"), (b, "a")):
        expect(node.peer(other) is None and not node.shortcuts(), "%s knows %s" % (node.name, other))
    # The hub has told them; who is configured not to listen does not.
    expect(indications(world.hub) > 0, "the hub sends no indications by default")
    expect(a.status()["shortcut"] is False and "(shortcut = no)" in a.cli("status").stdout,
        "status does not say why: " + a.cli("status").stdout)


def mirrored(world, name, *prefixes):
    """Until the spoke's warrend has these routes from its kernel."""
    until("%s mirrors %s" % (name, prefixes), lambda: set(prefixes) <=
        {r["prefix"] for r in world.spokes[name].routes() if r["source"] == "kernel" and r["type"] == "overlay"}, 5)


def routes_by_the_far_spoke(world, names=(("a", "b"), ("b", "a"))):
    for name, other in names:
        site = world.sites[other]
        for family in world.inner:
            lan = site.lan4 if family == 4 else site.lan6
            world.sites[name].ns.ip("route add %s via %s dev %s" % (lan, world.overlay_of(other, family), TUN))
            mirrored(world, name, lan)


@scenario
def phase_2(lab):
    """Routes by the far spoke: the next hop is resolved, once for all that is behind it, without indications."""
    world = World(lab, overlay="both", prefixes=None, advertise=False,
        hub_config={"nhrp": ["redirect = no"]}).start()
    a, b, wire, host = world.spokes["a"], world.spokes["b"], Wire(world), world.sites["a"].host
    routes_by_the_far_spoke(world)
    first = []
    for number, family in enumerate(world.inner, 1):
        first.append(become_direct(world, host, world.host_of("b", family)))
        hops = {world.overlay_of("b", f) + ("/32" if f == 4 else "/128"): "b" for f in world.inner[:number]}
        expect(shortcuts(a) == hops, "shortcuts of a: %s, expected %s" % (shortcuts(a), hops))
        # What else is behind that next hop, and the next hop itself, is not asked for.
        for to in more_hosts(world, "b", family):
            expect(host.reachable(to, 3), to)
        for source, to in ends(world, family):
            measure(world, wire, source, to, by_hub=False)
        expect(requests(a) == requests(b) == number, "%d and %d requests" % (requests(a), requests(b)))
    expect(indications(world.hub) == 0, "indications in spite of redirect = no")
    expect(a.direct("b") and b.direct("a"), "peers do not say direct")
    return "direct from ping %d, %d" % tuple(n + 1 for n in first)


@scenario
def phase_3(lab):
    """A summary by the hub: its indication, the destination resolved, one shortcut for the whole LAN."""
    world = with_routes(World(lab, overlay="both").start())
    a, b, wire, host = world.spokes["a"], world.spokes["b"], Wire(world), world.sites["a"].host
    first, wanted = [], {}
    for number, family in enumerate(world.inner, 1):
        first.append(become_direct(world, host, world.host_of("b", family)))
        wanted[world.sites["b"].lan4 if family == 4 else world.sites["b"].lan6] = "b"
        expect(shortcuts(a) == wanted, "shortcuts of a: %s, expected %s" % (shortcuts(a), wanted))
        # ONE resolution for all hosts of the prefix.
        for to in more_hosts(world, "b", family):
            ping = host.ping(to)
            expect(ping.received == 1 and ping.replies[0][2] == TTL_DIRECT, "%s: %s" % (to, ping.text))
        measure(world, wire, host, world.host_of("b", family), by_hub=False)
        expect(requests(a) == requests(b) == number, "%d and %d requests" % (requests(a), requests(b)))
        # One to each end: who sent, who answered.
        expect(indications(world.hub) == 2 * number, "%d indications" % indications(world.hub))
    # The nodes' own addresses are hosts of their own.
    for family in world.inner:
        become_direct(world, a.ns, world.overlay_of("b", family))
        measure(world, wire, a.ns, world.overlay_of("b", family), by_hub=False)
    expect(requests(a) == requests(b) == 4, "%d and %d requests" % (requests(a), requests(b)))
    return "direct from ping %d, %d" % tuple(n + 1 for n in first)


@scenario
def phase_3_default_route(lab):
    """All by the hub: what is at spokes gets shortcuts for its prefix, what is not stays at the hub."""
    world = World(lab, overlay="both", advertise=False).start()
    a, host, wire = world.spokes["a"], world.sites["a"].host, Wire(world)
    outside = {4: "198.51.100.1", 6: "2001:db8:ffff::1"}
    world.hub_ns.ip("addr add 198.51.100.1/32 dev lo", "addr add 2001:db8:ffff::1/128 dev lo nodad")
    for site in world.sites.values():
        site.ns.ip("route add 203.0.113.0/24 via 10.%d.0.1" % site.number,
            "route replace default via 10.77.0.1 dev " + TUN, "route add default via fd77::1 dev " + TUN)
        mirrored(world, site.name, "0.0.0.0/0", "::/0")
    lans = {4: world.sites["b"].lan4, 6: world.sites["b"].lan6}
    for family in world.inner:
        become_direct(world, host, world.host_of("b", family))
        measure(world, wire, host, world.host_of("b", family), by_hub=False)
        ping = host.ping(outside[family], 20, 0.05)
        nothing_lost(ping, outside[family])
    expect(shortcuts(a) == {lans[4]: "b", lans[6]: "b"}, "shortcuts of a: %s" % shortcuts(a))
    expect(requests(a) == 2, "%d requests" % requests(a))


@scenario
def phase_3_a_host_elsewhere(lab):
    """A host of b's LAN is at c's site: shortcuts leave it out, also those that were there before it moved."""
    world = World(lab, sites=("a", "b", "c"), overlay="both")
    a, c, host = world.spokes["a"], world.spokes["c"], world.sites["a"].host
    moved = {4: "192.168.2.200", 6: "fd77:0:0:2::c8"}
    world.ca.issue(c, "spoke", ["10.77.0.13/24", "fd77::13/64"],
        ["192.168.3.0/24", "fd77:0:0:3::/64", moved[4] + "/32", moved[6] + "/128"])
    with_routes(world.start())
    for family in world.inner:
        become_direct(world, host, world.host_of("b", family))
    expect(set(shortcuts(a)) == {world.sites["b"].lan4, world.sites["b"].lan6}, "%s" % shortcuts(a))
    c.ns.ip("addr add %s/32 dev lo" % moved[4], "addr add %s/128 dev lo nodad" % moved[6])
    c.set("nhrp", "prefix = %s/32" % moved[4])
    c.set("nhrp", "prefix = %s/128" % moved[6])
    c.write_config()
    c.cli("reload")
    until("the hub takes the wide shortcuts back", lambda: not shortcuts(a), 3)
    pings = [Ping(host, to, 600, 0.02) for family in world.inner
        for to in (moved[family], world.host_of("b", family))]
    wanted = {"192.168.2.0/25": "b", "fd77:0:0:2::/%d" % (128 - 8): "b",
        moved[4] + "/32": "c", moved[6] + "/128": "c"}
    wanted["fd77:0:0:2::/121"] = wanted.pop("fd77:0:0:2::/120")
    until("a has %s" % wanted, lambda: shortcuts(a) == wanted, 14)
    for ping in pings:
        ping.wait()
        nothing_lost(ping, ping.process.argv[-1])


@scenario
def hub_without_redirect(lab):
    """A phase 3 spoke at a hub with `redirect = no`: all by the hub, and both sides' status says so."""
    world = with_routes(World(lab, hub_config={"nhrp": ["redirect = no"]}).start())
    a, hub, wire = world.spokes["a"], world.hub, Wire(world)
    measure(world, wire, world.sites["a"].host, world.host_of("b"), by_hub=True)
    expect(requests(a) == 0 and not a.shortcuts() and a.peer("b") is None, "a asked: " + a.cli("nhrp").stdout)
    expect(indications(hub) == 0, "the hub sent indications")
    expect(hub.status()["redirect"] is False and "(redirect = no)" in hub.cli("status").stdout,
        "the hub's status: " + hub.cli("status").stdout)
    expect(a.status()["shortcut"] is True and "traffic_indication" not in a.cli("status").stdout,
        "a's status: " + a.cli("status").stdout)
    hub.set("nhrp", "redirect = yes")
    hub.write_config()
    hub.cli("reload")
    become_direct(world, world.sites["a"].host, world.host_of("b"))


@scenario
def no_route_back(lab):
    """Phase 2 with a route on one side only: packets go, none comes back, and `warren peers` shows it."""
    world = World(lab, prefixes=None, advertise=False, hub_config={"nhrp": ["redirect = no"]}).start()
    a, b, host = world.spokes["a"], world.spokes["b"], world.sites["a"].host
    routes_by_the_far_spoke(world, [("a", "b")])
    expect(host.ping("192.168.2.10", 20, 0.1, timeout=1).received == 0, "an answer without a route")
    expect(a.direct("b") and shortcuts(a) == {"10.77.0.12/32": "b"}, "a: " + a.cli("nhrp").stdout)
    expect(requests(b) == 0, "b resolves something")
    sent, back = a.peer("b")["tx_packets"], a.peer("b")["rx_packets"]
    expect(sent >= 15 and back == 0, "a: %d sent, %d received" % (sent, back))
    routes_by_the_far_spoke(world, [("b", "a")])
    until("with a route it works", lambda: host.reachable("192.168.2.10", 0.5), 5)
    until("b answers directly", lambda: host.reachable("192.168.2.10", 0.5) and a.peer("b")["rx_packets"] > 0, 5)


if __name__ == "__main__":
    run()
