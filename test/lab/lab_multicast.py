#!/usr/bin/env python3
"""
Multicast on the overlay: who gets copies, which groups, how much. Listeners and senders are ordinary programs
on the nodes, which join on warren0 as any would; Tap (traffic.py) makes packets that programs cannot.
"""

import socket
import struct
import time

from netlab import TUN, World, expect, run, scenario, until
from traffic import Count, Tap, ipv4, udp

UDP_PROTO, PORT = 17, 5007
V4, V6 = "239.1.2.3", "ff05::1:2"
GROUPS = ["group = 239.1.0.0/16", "group = ff05::/16"]


class Listener:
    """A socket that has joined a group on warren0; what came is in `got`."""

    def __init__(self, ns, group, port=PORT):
        v6 = ":" in group
        self.socket = ns.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with ns.entered():
            index = socket.if_nametoindex(TUN)
        if v6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index))
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                struct.pack("=4s4si", socket.inet_aton(group), bytes(4), index))
        self.socket.bind((group, port, 0, index) if v6 else (group, port))
        self.socket.setblocking(False)
        self.got = []

    def read(self):
        try:
            while True:
                self.got.append(self.socket.recv(2048))
        except BlockingIOError:
            return self.got


class Sender:
    def __init__(self, ns, group, ttl=1, port=PORT):
        v6 = ":" in group
        self.to = (group, port)
        self.socket = ns.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        with ns.entered():
            index = socket.if_nametoindex(TUN)
        if v6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si",
                bytes(4), bytes(4), index))
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)

    def stream(self, count, interval, size=200):
        for i in range(count):
            self.socket.sendto(struct.pack("!I", i) + bytes(size - 4), self.to)
            time.sleep(interval)


def spaces(world):
    return {"hub": world.hub_ns, **{n: s.ns for n, s in world.sites.items()}}


def multicast(node):
    return node.status()["multicast"]


def with_groups(lab, hub=(), **options):
    lines = {"multicast": GROUPS}
    return World(lab, sites=("a", "b", "c"), overlay="both", hub_config={"multicast": GROUPS + list(hub)},
        spoke_config=lines, **options).start()


@scenario
def replication_lists(lab):
    """The hub sends to who is registered, a spoke to its hub: in `warren nhrp`, and it follows who comes and goes."""
    world = World(lab, sites=("a", "b", "c")).start()
    to = lambda node: {(e["peer"], e["state"]) for e in node.nhrp() if e["kind"] == "multicast"}
    everybody = {("a", "dynamic"), ("b", "dynamic"), ("c", "dynamic")}
    until("the hub's list", lambda: to(world.hub) == everybody, 5)
    expect(to(world.spokes["a"]) == {("hub", "nhs")}, "a's list: %s" % to(world.spokes["a"]))
    expect("dynamic" in world.hub.cli("nhrp").stdout and "to 3 nodes" in world.hub.cli("status").stdout,
        "not to be read: " + world.hub.cli("status").stdout)
    world.make_direct()
    expect(to(world.spokes["a"]) == {("hub", "nhs")}, "direct peers are in a's list: %s" % to(world.spokes["a"]))
    world.spokes["c"].stop()
    until("c is gone from it", lambda: to(world.hub) == everybody - {("c", "dynamic")}, 3)
    expect(multicast(world.hub)["receivers"] == 2, "%s" % multicast(world.hub))
    world.spokes["c"].start()
    until("and is back", lambda: to(world.hub) == everybody, 10)


@scenario
def a_stream_beyond_link_scope(lab):
    """Configured groups, both families: from the hub to all spokes, from a spoke to the hub only, as it was sent."""
    world = with_groups(lab)
    for group in (V4, V6):
        listeners = {n: Listener(ns, group) for n, ns in spaces(world).items()}
        for source, receivers in (("hub", {"a", "b", "c"}), ("a", {"hub"})):
            node = world.hub if source == "hub" else world.spokes[source]
            before = multicast(node)
            Sender(spaces(world)[source], group).stream(50, 0.01)  # TTL 1: the overlay is one link
            until("all of it from %s to %s" % (source, group), lambda: all(
                len(listeners[n].read()) == 50 for n in receivers), 3)
            time.sleep(0.3)
            for name, listener in listeners.items():
                want = [struct.pack("!I", i) for i in range(50)] if name in receivers else []
                expect([d[:4] for d in listener.read()] == want, "%s got %d from %s" % (
                    name, len(listener.got), source))
                listener.got.clear()
            after = multicast(node)
            sent, copies = (after[k] - before[k] for k in ("sent_packets", "sent_copies"))
            expect(sent >= 50 and copies == sent * len(receivers), "%s: %d sent, %d copies" % (source, sent, copies))
        expect(min(multicast(world.spokes[n])["received_packets"] for n in "abc") >= 50, "received are not counted")


@scenario
def what_is_not_listed(lab):
    """An unlisted group is filtered and counted, where it is sent and where it arrives; the list follows a reload."""
    world = with_groups(lab)
    hub, a, b = world.hub, world.spokes["a"], world.spokes["b"]
    other = "239.2.0.1"
    listeners = {n: Listener(ns, other) for n, ns in spaces(world).items()}
    sender = Sender(world.hub_ns, other)

    def cast(expected):
        before = {n.name: n.dropped("multicast_filtered") for n in world.nodes()}
        sender.stream(10, 0.005)
        until("those to %s" % (expected,), lambda: all(len(listeners[n].read()) == 10 for n in expected), 2)
        time.sleep(0.2)
        got = {n for n, l in listeners.items() if l.read()}
        expect(got == set(expected), "arrived at %s" % sorted(got))
        for listener in listeners.values():
            listener.got.clear()
        return {n.name: n.dropped("multicast_filtered") - before[n.name] for n in world.nodes()}

    filtered = cast(())
    expect(filtered["hub"] == 10 and filtered["a"] == 0, "%s" % filtered)

    def reload(node, *lines):
        node.sections["multicast"] = list(lines)
        node.write_config()
        expect("[multicast] group" in node.cli("reload").stdout, "not reloaded")

    reload(hub, *GROUPS, "group = 239.2.0.0/24")  # the hub sends it, nobody takes it
    filtered = cast(())
    expect(filtered == {"hub": 0, "a": 10, "b": 10, "c": 10}, "%s" % filtered)
    reload(a, "group = 239.0.0.0/8")
    filtered = cast(("a",))
    expect(filtered == {"hub": 0, "a": 0, "b": 10, "c": 10}, "%s" % filtered)
    reload(hub, *GROUPS)
    expect(cast(())["hub"] == 10, "the list does not shrink")
    # What the fixed rules keep out, a wide list does not let in; a line of its own does.
    reload(hub, "group = 224.0.0.0/4")
    reload(b, "group = 224.0.0.251")
    taps = {"hub": Tap(world.hub_ns), "b": Tap(b.site.ns)}
    mdns = lambda text: ipv4("10.77.0.1", "224.0.0.251", UDP_PROTO, udp(5353, 5353, text), ttl=255)
    taps["hub"].send(mdns(b"filtered"))
    expect(not taps["b"].receive(lambda p: b"filtered" in p, 0.4), "mDNS by a wide prefix")
    reload(hub, "group = 224.0.0.251")
    taps["hub"].send(mdns(b"by-its-name"))
    packet = taps["b"].receive(lambda p: b"by-its-name" in p, 1)
    expect(packet, "mDNS by its own line does not arrive")
    expect(packet[8] == 255, "its TTL is %d" % packet[8])


@scenario
def floods(lab):
    """A flood is held to its rate and counted; unicast and a routing protocol's hellos go on."""
    world = with_groups(lab, hub=["rate = 500"])
    for node in world.spokes.values():
        node.set("multicast", "rate = 2000")
        node.write_config()
        node.cli("reload")
    listeners = {n: Listener(ns, V4) for n, ns in spaces(world).items()}
    hellos = {n: Listener(ns, "224.0.0.9", 521) for n, ns in spaces(world).items()}
    counted = Count(world.sites["b"].host, world.sites["a"].host, world.host_of("a"), 500, 200)
    flood, hello = Sender(world.hub_ns, V4), Sender(world.hub_ns, "224.0.0.9", port=521)
    began, sent = time.monotonic(), 0
    text, beats = bytes(1000), 0
    while time.monotonic() - began < 4:
        for _ in range(200):
            flood.socket.sendto(text, flood.to)
        sent += 200
        if time.monotonic() - began > beats * 0.2:
            hello.socket.sendto(struct.pack("!I", beats), hello.to)
            beats += 1
        for name in "abc":
            listeners[name].read()
        time.sleep(0.01)
    seconds = time.monotonic() - began
    time.sleep(0.3)
    most = 500 * (seconds + 2) * 1.05
    for name in "abc":
        got = len(listeners[name].read())
        expect(500 * seconds * 0.7 < got < most, "%s got %d of %d in %.1f s" % (name, got, sent, seconds))
        expect(len(hellos[name].read()) == beats, "%s: %d of %d hellos" % (name, len(hellos[name].got), beats))
    state = multicast(world.hub)
    expect(state["limited_packets"] > sent * 0.8 and world.hub.dropped("ring_full") == 0, "%s, sent %d" % (state, sent))
    result = counted.stop()
    expect(result["unexplained"] == 0, "unicast: %s" % result)
    # A spoke whose own limit is higher: the hub keeps to its own.
    limited, taken = world.hub.dropped("multicast_limited"), multicast(world.hub)["received_packets"]
    sent_before = multicast(world.spokes["a"])["sent_copies"]
    flood, began = Sender(world.sites["a"].ns, V4), time.monotonic()
    for _ in range(80):
        for _ in range(50):
            flood.socket.sendto(text, flood.to)
        time.sleep(0.01)
    seconds_2 = time.monotonic() - began
    time.sleep(0.5)
    copies = multicast(world.spokes["a"])["sent_copies"] - sent_before
    got = multicast(world.hub)["received_packets"] - taken
    limited = world.hub.dropped("multicast_limited") - limited
    expect(got < 500 * (seconds_2 + 2.5) and limited > 200 and got + limited > copies * 0.9,
        "of %d in %.1f s the hub took %d, and limited %d" % (copies, seconds_2, got, limited))
    return "%d offered a second, %d carried; hellos and unicast whole" % (
        sent / seconds, len(listeners["a"].got) / seconds)


if __name__ == "__main__":
    run()
