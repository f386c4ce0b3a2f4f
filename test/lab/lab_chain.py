#!/usr/bin/env python3
"""
Three hubs in a row, whose kernels' routes lead from one to the next:

    host a -- a -- hub (10.77.0.1) -- mid (.2) -- far (.3) -- b -- host b

hub and far reach each other as little as a reaches another hub than its own; a and b can talk directly. Which
way packets went is told by the hubs' counts of what they relayed, and by TTLs.
"""

import time

from netlab import OVERLAY4, PORT, TUN, Node, Ping, World, expect, run, scenario, until

TTL_CHAIN, TTL_DIRECT = 59, 62  # of a reply from LAN to LAN: each hub is a hop
NOBODY = "192.168.9.0/24"


class Chain(World):
    def __init__(self, lab, **options):
        super().__init__(lab, **options)
        self.mid, self.far = self._hub("mid", 2), self._hub("far", 3)
        self.far.set("nhrp", "advertise = 192.168.0.0/16")
        self.hubs = [self.hub, self.mid, self.far]
        self.ca.bundle([(self.hub, self.hub_endpoint)] + [
            (h, "203.0.113.%d:%d" % (i, PORT)) for i, h in ((2, self.mid), (3, self.far))])
        # Host parts of 203.0.113.0/24 that cannot reach each other: the sites' routers are .11 and .12.
        self.cut([(1, 3), (11, 2), (11, 3), (12, 1), (12, 2)])

    def _hub(self, name, number):
        ns = self.lab.ns(name)
        self.attach(ns, "eth0", "203.0.113.%d" % number, "2001:db8::%d" % number)
        node = Node(self, ns, name)
        self.ca.issue(node, "hub", [OVERLAY4 + "%d/24" % number])
        return node

    def cut(self, pairs):
        rules = ["ip saddr 203.0.113.%d ip daddr 203.0.113.%d drop;" % pair
            for x, y in pairs for pair in ((x, y), (y, x))]
        self.inet.nft("table bridge apart\ndelete table bridge apart\n"
            "table bridge apart { chain forward { type filter hook forward priority 0; %s }\n}" % " ".join(rules))

    def start(self):
        for node in (self.mid, self.far):
            node.start(wait=False)
        super().start()
        for one, other in ((self.hub, "mid"), (self.mid, "far"), (self.far, "mid"), (self.mid, "hub")):
            until("%s has a session with %s" % (one.name, other), lambda: self.up(one, other), 15)
        for node, routes in ((self.hub, {2: ("10.77.0.12/32", "192.168.2.0/24")}),
                (self.mid, {1: ("10.77.0.11/32", "192.168.1.0/24"), 3: ("10.77.0.12/32", "192.168.2.0/24")}),
                (self.far, {2: ("10.77.0.11/32", "192.168.1.0/24")})):
            for gateway, prefixes in routes.items():
                self.route(node, gateway, *prefixes)
        return self

    @staticmethod
    def up(node, name):
        peer = node.peer(name)
        return bool(peer and peer["up"])

    @staticmethod
    def route(node, gateway, *prefixes):
        node.ns.ip(*["route add %s via 10.77.0.%d dev %s" % (p, gateway, TUN) for p in prefixes])

    def relayed(self):
        return [h.hairpinned() for h in self.hubs]


def count(node, way, kind):
    return node.status()["nhrp"][way][kind]


def shortcuts(node):
    return {e["prefix"]: e["peer"] for e in node.shortcuts()}


def become_direct(world):
    """Pings from LAN to LAN from cold until they go directly: first by all three hubs, and none is lost."""
    ping = Ping(world.sites["a"].host, world.host_of("b"), 150, 0.01)
    ping.wait()
    expect(ping.lost == 0, "%d lost on the way to direct" % ping.lost)
    ttls = [ttl for _, _, ttl, _ in sorted(ping.replies)]
    expect(ttls[0] == TTL_CHAIN and ttls[-1] == TTL_DIRECT, "TTLs %s" % ttls)
    return ttls.index(TTL_DIRECT) + 1


@scenario
def three_hubs(lab):
    """A resolution through three hubs, a shortcut, then nothing by them; a purge gets back through all."""
    world = Chain(lab).start()
    a, b = world.spokes["a"], world.spokes["b"]
    expect(not world.up(world.hub, "far") and not world.up(a, "mid") and not world.up(b, "hub"),
        "there is a shorter way than by all")
    first = become_direct(world)
    expect(shortcuts(a) == {"192.168.2.0/24": "b"}, "shortcuts of a: %s" % shortcuts(a))
    expect(min(world.relayed()) >= 2, "relayed by the hubs: %s" % world.relayed())
    # a's question and b's, each passed on once by each; indications only to their own spokes.
    expect([count(h, "in", "resolution_request") for h in world.hubs] == [2, 2, 2], "requests at the hubs")
    expect([count(h, "out", "traffic_indication") for h in world.hubs] == [1, 0, 1], "indications of the hubs")
    expect([count(h, "out", "error_indication") for h in world.hubs] == [0, 0, 0], "errors of the hubs")
    before = world.relayed()
    ping = world.sites["a"].host.ping(world.host_of("b"), 50, 0.01)
    expect(ping.lost == 0 and world.relayed() == before, "the hubs relay: %s" % world.relayed())
    # The nodes themselves.
    expect(a.ns.ping("10.77.0.12", 50, 0.02).lost == 0, "lost from node to node")
    until("a's own shortcut to b", lambda: "10.77.0.12/32" in shortcuts(a), 5)
    # b loses its LAN: everyone who was told is told.
    b.ns.ip("link set lan0 down")
    until("a's shortcut is purged", lambda: "192.168.2.0/24" not in shortcuts(a), 3)
    expect([count(n, "in", "purge_request") for n in (world.far, world.mid, world.hub, a)] == [1, 1, 1, 1],
        "purges did not go from hub to hub, one each")
    expect(shortcuts(a) == {"10.77.0.12/32": "b"}, "shortcuts of a: %s" % shortcuts(a))
    return "direct from ping %d" % first


@scenario
def middle_hub_dies(lab):
    """The direct path outlives the hub in the middle; with it back the chain carries traffic again."""
    world = Chain(lab).start()
    a = world.spokes["a"]
    become_direct(world)
    ping = Ping(world.sites["a"].host, world.host_of("b"), 250, 0.02)
    world.mid.kill()
    ping.wait()
    expect(ping.lost == 0, "%d lost although the path was direct" % ping.lost)
    world.mid.start()
    for one, other in ((world.hub, "mid"), (world.far, "mid")):
        until("%s has a session with mid" % one.name, lambda: world.up(one, other), 30)
    for gateway, prefixes in {1: ("10.77.0.11/32", "192.168.1.0/24"), 3: ("10.77.0.12/32", "192.168.2.0/24")}.items():
        world.route(world.mid, gateway, *prefixes)
    world.block_direct("a", "b")
    until("by the hubs again", lambda: world.sites["a"].host.reachable(world.host_of("b"), 0.5), 40)
    expect(a.ready(), "a is not ready")


@scenario
def routing_loop(lab):
    """Routes that go round between the hubs: an error to who asked, time exceeded to who sent, and no storm."""
    world = Chain(lab).start()
    world.cut([(11, 2), (11, 3), (12, 1), (12, 2)])
    until("hub and far meet", lambda: world.up(world.hub, "far") and world.up(world.far, "hub"), 40)
    a, host = world.spokes["a"], world.sites["a"].host
    for node, gateway in ((world.hub, 2), (world.mid, 3), (world.far, 1)):
        world.route(node, gateway, NOBODY)
    time.sleep(0.2)
    before = [count(h, "in", "resolution_request") for h in world.hubs]
    ping = host.run("ping", "-n", "-c", "20", "-i", "0.2", "-W", "1", "192.168.9.9", check=False)
    expect("exceeded" in ping.stdout, "nobody says that it goes round:\n" + ping.stdout)
    after = [count(h, "in", "resolution_request") for h in world.hubs]
    expect([y - x for x, y in zip(before, after)] == [2, 1, 1], "requests: %s, then %s" % (before, after))
    expect(count(world.hub, "out", "error_indication") == 1, "errors of the hub")
    expect(count(a, "in", "error_indication") == 1, "errors that a has heard of")
    state = [e for e in a.nhrp() if e["kind"] == "resolution" and e["state"] == "negative"]
    expect(len(state) == 1, "a has not given up: " + a.cli("nhrp").stdout)
    # Each ping was forwarded until its 61 hops were over, and no more.
    relayed = sum(world.relayed())
    expect(relayed < 20 * 64 + 200, "%d packets relayed" % relayed)


if __name__ == "__main__":
    run()
