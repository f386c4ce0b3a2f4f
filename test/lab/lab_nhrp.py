#!/usr/bin/env python3
"""What the hub refuses, and how everyone can see it; revocation reaches all."""

import os
import shutil
import time

from netlab import Ca, Node, World, expect, run, scenario, until


def refused(node, code):
    return [e for e in node.nhrp() if e.get("code") == code]


@scenario
def prefix_outside_the_certificate(lab):
    """NAK 4: in the log, in nhrp on both sides, and nothing is installed."""
    world = World(lab).start()
    b = world.spokes["b"]
    b.set("nhrp", "prefix = 192.168.99.0/24")
    b.write_config()
    b.cli("reload")
    until("the spoke shows the NAK", lambda: refused(b, 4), 15)
    expect(refused(b, 4)[0]["prefix"] == "192.168.99.0/24", "which? %s" % refused(b, 4))
    expect(b.logged(r"refuse.*code 4"), "nothing in the spoke's log")
    expect(world.hub.logged(r"192\.168\.99\.0/24"), "nothing in the hub's log")
    expect("192.168.99.0/24" in b.cli("nhrp").stdout, "warren nhrp does not show it")
    expect("192.168.2.0/24" in [r["dst"] for r in world.hub_ns.ip_json("route")],
        "the rest is not registered any more")
    expect("192.168.99.0/24" not in [r["dst"] for r in world.hub_ns.ip_json("route")],
        "the hub installed it")
    expect(not [r for r in world.hub.routes() if r["prefix"] == "192.168.99.0/24"],
        "the hub forwards it")


@scenario
def two_certificates_one_address(lab):
    """NAK 14: the second key with an address gets nothing, the first keeps it."""
    world = World(lab, sites=("a", "b", "c"))
    a, c = world.spokes["a"], world.spokes["c"]
    world.ca.issue(c, "spoke", ["10.77.0.11/24"], ["192.168.3.0/24"])
    world.hub.start()
    a.start()
    until("a is registered", a.ready, 15)
    c.start()
    until("c shows the NAK", lambda: refused(c, 14), 15)
    expect(c.logged(r"refuse.*code 14"), "nothing in c's log")
    expect(world.hub.logged(r"10\.77\.0\.11"), "nothing in the hub's log")
    owner = [e["peer"] for e in world.hub.nhrp()
        if e["kind"] == "binding" and e["prefix"].startswith("10.77.0.11")]
    expect(owner == ["a"], "10.77.0.11 belongs to %s" % owner)
    expect(world.hub_ns.reachable("10.77.0.11"), "a is cut off")
    # a's host answers and not c's: what comes has a's LAN behind it.
    expect(world.hub_ns.reachable("192.168.1.10"), "a's LAN is cut off")


@scenario
def revoked(lab):
    """A new bundle on the hub and `warren reload`: the spoke is cut off, everywhere."""
    world = World(lab).start()
    a, b = world.spokes["a"], world.spokes["b"]
    world.make_direct()
    world.ca.revoke(b)
    world.hub.take_bundle()  # and nobody else
    world.hub.cli("reload")
    until("the hub has no session with b", lambda: not (world.hub.peer("b") or {}).get("up"), 10)
    until("a dropped its direct session with b", lambda: not a.direct("b"), 10)
    expect(a.ready(), "a is cut off as well")
    until("b's LAN is unreachable", lambda: not world.sites["a"].host.reachable("192.168.2.10", 0.3),
        10)
    until("the hub withdrew b's LAN", lambda: "192.168.2.0/24" not in
        [r["dst"] for r in world.hub_ns.ip_json("route")], 10)
    # b forgets what the hub told it, and tries again.
    b.kill()
    shutil.rmtree(os.path.join(b.dir, "state"))
    b.start(wait=False)
    until("the hub says that b is revoked", lambda: world.hub.logged(r"(?i)revoked"), 15)
    expect(not b.answers() or not b.ready(), "b came back")


@scenario
def a_stranger(lab):
    """A node of another CA gets no session and leaves no state."""
    world = World(lab).start()
    other = Ca(world, "other")
    stranger = Node(world, world.sites["b"].router, "stranger")
    other.issue(stranger, "spoke", ["10.77.0.66/24"])
    other.bundle([(world.hub, world.hub_endpoint)])
    shutil.copy(other.bundle_path, stranger.file("bundle"))
    stranger.set("node", "network = " + other.network)
    before = len(world.hub.peers())
    stranger.start()
    time.sleep(3)
    expect(not stranger.ready(), "it registered")
    expect(len(world.hub.peers()) == before, "the hub keeps state for it")

    # With our network in its config and its own CA's certificate, it does not even start.
    stranger.stop()
    stranger.set("node", "network = " + world.ca.network)
    stranger.take_bundle()
    stranger.start(wait=False)
    expect(stranger.process.wait(5) == 1, "it started with a certificate of another CA")


if __name__ == "__main__":
    run()
