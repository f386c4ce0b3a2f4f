#!/usr/bin/env python3
"""All four mixes of overlay and underlay families, by the hub and then directly; ciphers that differ."""

from netlab import Ping, World, expect, run, scenario, until


def expect_the_best_cipher(spoke, peer, peers_name):
    """The first of these that both have."""
    has = [node.status()["ciphers"].split() for node in (spoke, peer)]
    best = [c for c in ("aegis-256", "aes-256-gcm", "chacha20-poly1305") if all(c in h for h in has)]
    cipher = spoke.peer(peers_name)["cipher"]
    expect(cipher == best[0], "%s with %s, out of %s" % (cipher, peers_name, has))
    return cipher


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
    cipher = expect_the_best_cipher(a, b, "b")
    before = world.hub.hairpinned()
    more = world.sites["a"].host.ping(world.host_of("b"), 20, 0.02)
    expect(more.lost == 0, "%d lost on the direct path" % more.lost)
    expect(world.hub.hairpinned() == before, "traffic still goes through the hub")

    # Node to node, by overlay addresses.
    expect(a.ns.ping(world.overlay_of("hub"), 3).lost == 0, "a cannot reach the hub's address")
    expect(a.ns.ping(world.overlay_of("b"), 10, 0.05).lost == 0, "a cannot reach b's address")
    return "first reply %.0f ms, %s" % (ping.replies[0][3], cipher)


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


@scenario
def another_cipher_with_each_peer(lab):
    """The hub has one cipher only, spokes all that there are: full packets fit each way."""
    world = World(lab, hub_config={"udp": ["ciphers = chacha20-poly1305"]}).start()
    a, b, hub = world.spokes["a"], world.spokes["b"], world.hub
    sent = world.sites["a"].host.ping(world.host_of("b"), 50, 0.02, size=1372, df=True)
    expect(sent.lost == 0, "%d of %d lost" % (sent.lost, sent.transmitted))
    until("a and b talk directly", lambda: a.direct("b") and b.direct("a"), 10)
    sent = world.sites["a"].host.ping(world.host_of("b"), 20, 0.02, size=1372, df=True)
    expect(sent.lost == 0, "%d lost on the direct path" % sent.lost)
    return "%s and %s" % (expect_the_best_cipher(a, hub, "hub"), expect_the_best_cipher(a, b, "b"))


if __name__ == "__main__":
    run()
