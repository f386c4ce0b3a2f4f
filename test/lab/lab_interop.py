#!/usr/bin/env python3
"""
Interop mode between two warrend: plaintext hub and spokes, in both framings. No kernel GRE is needed; what
others make of it is test/interop's matter.
"""

import os
import shutil
import subprocess
import time

from netlab import LANS4, OVERLAY4, World, expect, run, scenario, until

WORD, KEY = "s3cret42", 42


def section(node, name, role, underlay, allow, framing="udp", key=KEY, word=WORD):
    lines = ["role = " + role, "underlay = " + underlay, "framing = " + framing]
    lines += ["allow = " + a for a in allow]
    lines += ["key = %d" % key] if key is not None else []
    lines += ["authentication = " + word] if word else []
    node.sections["interop " + name] = lines


def plaintext_world(lab, framing="udp", key=KEY, word=WORD):
    """Hub and spokes list one another; the spokes know of no sealed hub, and learn no routes."""
    world = World(lab, nat="none", prefixes=None, advertise=False)
    section(world.hub, "cloud", "spoke", "10.0.0.0/8", [OVERLAY4 + "0/24", LANS4], framing, key, word)
    for node in world.spokes.values():
        node.sections["node"] = [l for l in node.sections["node"] if not l.startswith("bundle")]
        node.set("nhrp", "route = " + LANS4)
        section(node, "hub", "hub", "203.0.113.1", [OVERLAY4 + "1", OVERLAY4 + "0/24", LANS4], framing, key,
            word)
        section(node, "spokes", "spoke", "10.0.0.0/8", [OVERLAY4 + "0/24", LANS4], framing, key, word)
    return world


def start(world):
    world.start()
    for node in world.spokes.values():
        world.hub_ns.ip("route add %s via %s dev warren0 onlink" % (
            node.site.lan4, world.overlay_of(node.name)))


def decoded(path, what):
    done = subprocess.run(["tshark", "-r", path, "-Y", what], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def check_capture(capture, path):
    """All of it is understood; returns how many NHRP packets there are."""
    time.sleep(1.5)  # tcpdump is handed what a block of its buffer holds after a second
    capture.stop()
    if not shutil.which("tshark"):
        return "not decoded"
    bad = decoded(path, "_ws.malformed || nhrp.hdr.chksum.status == 0")
    expect(not bad, "malformed: %s" % bad[:3])
    nhrp = decoded(path, "nhrp")
    expect(nhrp, "no NHRP in the capture")
    return "%d NHRP packets decoded" % len(nhrp)


def redirected_and_direct(lab, framing):
    """Registration, hairpin, indication, resolution, and then not a packet more by the hub."""
    world = plaintext_world(lab, framing)
    path = lab.path("capture.pcap")
    capture = world.capture(path, what=("udp", "or", "proto", "47"))
    start(world)
    a, b = world.spokes["a"], world.spokes["b"]
    host = world.sites["a"].host
    until("a's host reaches b's", lambda: host.reachable(world.host_of("b"), 0.5), 10)
    until("a has a shortcut", lambda: [s for s in a.shortcuts() if s["prefix"] == "192.168.2.0/24"], 10)
    until("b has one, too", lambda: [s for s in b.shortcuts() if s["prefix"] == "192.168.1.0/24"], 10)
    before = world.hub.hairpinned()
    expect(all(host.reachable(world.host_of("b"), 1) for _ in range(5)), "not all pings came back")
    expect(world.hub.hairpinned() == before, "the hub still carries it")

    peers = {p["name"]: p for p in a.peers()}
    expect(all(p["cipher"] == "none (plaintext)" for p in peers.values()), "ciphers: %s" % peers)
    expect(peers["spokes-10.2.0.2"]["direct"], "b is no direct member of a: %s" % peers)
    expect(any("PLAINTEXT" in w for w in a.status()["warnings"]), a.status()["warnings"])
    expect("PLAINTEXT with hub (hub 203.0.113.1" in a.cli("status").stdout, a.cli("status").stdout)
    expect("none (plaintext)" in a.cli("peers").stdout, "warren peers does not say it")
    expect(a.logged(r"PLAINTEXT with hub 203\.0\.113\.1"), "nothing in the log")
    for node in world.nodes():
        expect(WORD not in node.log(), "the word is in the log of " + node.name)
        for what in ("status", "peers", "nhrp"):
            expect(WORD not in str(node.api(what)), "the word is in %s of %s" % (what, node.name))
    note = check_capture(capture, path)
    if shutil.which("tshark"):
        kind = "udp.port == 4754" if framing == "udp" else "gre && !udp.port"
        expect(len(decoded(path, "nhrp && %s" % kind)) == len(decoded(path, "nhrp")), "wrong framing")
        expect(not decoded(path, "gre && !(gre.key == %d)" % KEY), "packets without the key")
    return note


@scenario
def udp(lab):
    """GRE in UDP, key 42, with a word."""
    return redirected_and_direct(lab, "udp")


@scenario
def gre(lab):
    """IP protocol 47, key 42, with a word."""
    return redirected_and_direct(lab, "gre")


def bulk(lab, framing):
    """A TCP stream from host to host: trains of segments, each of which gets a header of its own."""
    world = plaintext_world(lab, framing)
    start(world)
    one, other = world.sites["a"].host, world.sites["b"].host
    until("the hosts reach each other", lambda: one.reachable(world.host_of("b"), 0.5), 10)
    data, sink = os.urandom(8 << 20), lab.path("sink")
    with open(lab.path("data"), "wb") as f:
        f.write(data)
    receiver = other.spawn("python3", "-c", RECEIVE, sink)
    until("the receiver listens", lambda: "listening" in receiver.output())
    one.run("python3", "-c", SEND, lab.path("data"), world.host_of("b"), timeout=30)
    until("all of it is there", lambda: os.path.getsize(sink) == len(data), 10)
    with open(sink, "rb") as f:
        expect(f.read() == data, "other bytes arrived")
    return "8 MiB"


@scenario
def bulk_udp(lab):
    """8 MiB of TCP by GRE in UDP."""
    return bulk(lab, "udp")


@scenario
def bulk_gre(lab):
    """8 MiB of TCP by bare GRE."""
    return bulk(lab, "gre")


RECEIVE = """
import socket, sys
s = socket.create_server(("", 5000)); print("listening", flush=True)
c = s.accept()[0]; f = open(sys.argv[1], "wb")
while True:
    b = c.recv(65536)
    if not b: break
    f.write(b)
f.close()
"""
SEND = """
import socket, sys
s = socket.create_connection((sys.argv[2], 5000), timeout=20)
s.sendall(open(sys.argv[1], "rb").read()); s.close()
"""


@scenario
def refused(lab):
    """Another word, another key, an address that is not listed: dropped, counted, and nothing comes of it."""
    world = plaintext_world(lab)
    a, b = world.spokes["a"], world.spokes["b"]
    section(a, "hub", "hub", "203.0.113.1", [OVERLAY4 + "1"], word="another")
    section(b, "hub", "hub", "203.0.113.1", [OVERLAY4 + "1"], key=KEY + 1)
    world.hub.start()
    a.start()
    b.start()
    until("a's word is refused", lambda: world.hub.dropped("plaintext_auth") > 1, 10)
    until("b's key is refused", lambda: world.hub.dropped("plaintext_key") > 1, 10)
    expect(not a.ready() and not b.ready(), "one of them is registered")
    expect(not [e for e in world.hub.nhrp() if e["kind"] == "binding"], "the hub has a binding")

    b.stop()
    section(world.hub, "cloud", "spoke", "10.1.0.0/24", [OVERLAY4 + "0/24"])
    world.hub.stop()
    world.hub.start()
    section(b, "hub", "hub", "203.0.113.1", [OVERLAY4 + "1"])
    b.start()
    until("b is not listed", lambda: world.hub.dropped("bad_outer") > 1, 10)
    expect(not b.ready(), "b is registered")


if __name__ == "__main__":
    run()
