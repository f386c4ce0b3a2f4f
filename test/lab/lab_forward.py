#!/usr/bin/env python3
"""What happens to a packet on its way: TTL, size, DSCP and ECN, multicast, spoofed sources."""

import socket
import struct

from netlab import TUN, Ping, World, expect, run, scenario, until
from traffic import Tap, ipv4, read_pcap, udp

ICMP_PROTO, UDP_PROTO = 1, 17
MARK = b"warren-lab-mark-"


def marked(packet):
    return MARK in packet


def outer_tos(path, source):
    """TOS bytes of the outer headers of the UDP datagrams from a host of the public segment."""
    return [frame[15] for _, frame in read_pcap(path)
        if frame[12:14] == b"\x08\x00" and frame[26:30] == socket.inet_aton(source)]


@scenario
def ttl(lab):
    """The hub is a hop: a packet whose TTL ends there is answered by ICMP time exceeded."""
    world = World(lab, spoke_config={"nhrp": ["shortcut = no"]}).start()
    a, host = world.spokes["a"], world.sites["a"].host
    ping = host.ping(world.host_of("b"), 2, ttl=2, timeout=1)  # the spoke itself takes one
    expect(ping.received == 0, "TTL 2 from the LAN went past the hub")
    expect(any("Time to live exceeded" in e for e in ping.errors), "no ICMP: " + ping.text)
    expect("10.77.0.1" in ping.errors[0], "from whom? " + ping.errors[0])
    expect(world.hub.dropped("ttl_exceeded") >= 1, "not counted on the hub")

    # A whole traceroute: spoke, hub, far spoke, host; the reply's TTL says the same.
    hops = []
    for limit in range(1, 6):
        ping = host.ping(world.host_of("b"), 1, ttl=limit, timeout=1)
        if ping.received:
            break
        hops.append(ping.errors[0].split()[0] if ping.errors else "*")
    expect(hops == ["192.168.1.1", "10.77.0.1", "10.77.0.12"], "hops: %s" % hops)
    expect(ping.replies[0][2] == 61, "the reply came with TTL %d" % ping.replies[0][2])
    expect(a.ns.ping(world.overlay_of("b"), 1).replies[0][2] == 63, "TTL between overlay addresses")


@scenario
def too_big(lab):
    """A packet larger than the overlay's MTU: fragmentation needed, with the right MTU."""
    world = World(lab).start()
    host = world.sites["a"].host
    ping = host.ping(world.host_of("b"), 2, size=1400, df=True, timeout=1)
    expect(ping.received == 0, "1428 bytes went through a TUN of 1400")
    expect("mtu=1400" in ping.text or "mtu = 1400" in ping.text, ping.text)
    expect(host.ping(world.host_of("b"), 2, size=1372, df=True).lost == 0, "1400 bytes do not fit")
    expect(host.ping(world.host_of("b"), 2, size=4000).lost == 0, "fragments do not get through")


@scenario
def smaller_mtu_behind_the_hub(lab):
    """Two TUNs of different size: the hub answers what it cannot pass on, or passes it on whole."""
    world = World(lab, hub_config={"tun": ["mtu = 1300"]}).start()
    host = world.sites["a"].host
    ping = host.ping("10.77.0.1", 2, size=1372, df=True, timeout=1)
    expect(ping.lost == 0 or "mtu=1300" in ping.text, "neither delivered nor refused: " + ping.text)


@scenario
def dscp_and_ecn(lab):
    """DSCP goes into the outer header; CE set on the underlay reaches the inner one."""
    world = World(lab).start()
    world.make_direct()
    a, b = world.sites["a"], world.sites["b"]
    path = lab.path("dscp.pcap")
    capture = world.capture(path)
    expect(a.host.ping(world.host_of("b"), 10, 0.02, tos=0xb8).lost == 0, "lost")
    until("EF on the outer header", lambda: outer_tos(path, a.public4).count(0xb8) >= 10, 3)
    capture.stop()

    # A congested router marks: ECT(0) inside, CE outside must come out as CE.
    tap = Tap(b.ns)
    sender = a.host.socket()
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x02)

    def delivered():
        sender.sendto(MARK * 4, (b.host4, 9))
        packet = tap.receive(marked, 1)
        expect(packet, "the packet did not arrive")
        return packet[1] & 3

    expect(delivered() == 2, "ECT(0) does not come out as it went in")
    a.router.nft("""
        table ip congestion {
            chain post { type filter hook postrouting priority 150;
                oifname "wan" udp dport 4754 ip ecn ect0 ip ecn set ce; }
        }
    """)
    expect(delivered() == 3, "CE on the underlay is lost")
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x00)
    expect(delivered() == 0, "a packet that is not ECN-capable was marked")


@scenario
def multicast(lab):
    """From a spoke to the hub only; from the hub to all spokes, one copy each; no echo."""
    world = World(lab, sites=("a", "b", "c")).start()
    spaces = {"hub": world.hub_ns, **{n: s.ns for n, s in world.sites.items()}}
    taps = {name: Tap(ns) for name, ns in spaces.items()}

    def cast(source, number, group="224.0.0.5", ttl=1):
        text = MARK + b"%d" % number
        taps[source].send(ipv4(world.overlay_of(source), group, 89, text, ttl=ttl))
        return {n for n in taps if n != source
            and taps[n].receive(lambda p: text in p, 1 if n == "hub" or source == "hub" else 0.4)}

    expect(cast("a", 1) == {"hub"}, "a spoke's multicast")
    expect(cast("hub", 2) == {"a", "b", "c"}, "the hub's multicast")
    # Routing protocols' groups are carried (224.0.0.0/24), others and mDNS are not.
    for number, group in enumerate(("239.1.2.3", "224.0.0.251"), 3):
        before = world.spokes["a"].dropped("multicast_filtered")
        expect(cast("a", number, group, 16) == set(), group + " was carried")
        expect(world.spokes["a"].dropped("multicast_filtered") == before + 1, group + " not counted")
    # One copy, not two.
    taps["hub"].send(ipv4(world.overlay_of("hub"), "224.0.0.5", 89, MARK + b"last", ttl=1))
    expect(taps["b"].receive(lambda p: MARK + b"last" in p, 1), "not arrived")
    expect(not taps["b"].receive(lambda p: MARK + b"last" in p, 0.4), "two copies")


@scenario
def spoofed_source(lab):
    """Inner sources that a spoke's certificate does not cover are dropped and counted."""
    world = World(lab, sites=("a", "b", "c"), spoke_config={"nhrp": ["shortcut = no"]}).start()
    tap, hub = Tap(world.sites["a"].ns), world.hub
    target = Tap(world.hub_ns)

    def send(source, number):
        before = hub.dropped("bad_source")
        text = MARK + b"%d" % number
        tap.send(ipv4(source, "10.77.0.1", UDP_PROTO, udp(9, 9, text)))
        arrived = target.receive(lambda p: text in p, 0.5) is not None
        return arrived, hub.dropped("bad_source") - before

    expect(send("10.77.0.11", 1) == (True, 0), "its own address")
    expect(send("192.168.1.77", 2) == (True, 0), "its LAN")
    for number, source in enumerate(("10.77.0.12", "10.77.0.1", "192.168.2.10", "8.8.8.8"), 3):
        got = send(source, number)
        expect(got == (False, 1), "%s: arrived %s, counted %d" % (source, *got))


@scenario
def unreachable(lab):
    """An overlay address that nobody has: the hub says so."""
    world = World(lab).start()
    ping = world.sites["a"].host.ping("10.77.0.200", 2, timeout=1)
    expect(ping.received == 0, "somebody answers")
    expect(any("nreachable" in e for e in ping.errors), "no ICMP unreachable: " + ping.text)


@scenario
def tcp(lab):
    """A TCP transfer of 20 MB arrives as it was sent, over the change of paths."""
    world = World(lab).start()
    a, b = world.sites["a"], world.sites["b"]
    path = lab.path("blob")
    with open(path, "wb") as f:
        for i in range(20 << 10):
            f.write(struct.pack("!Q", i * 0x9e3779b97f4a7c15 & (1 << 64) - 1) * 128)
    b.host.spawn("python3", "-c", RECEIVER, lab.path("sum"))
    until("the receiver listens", lambda: "5000" in b.host.run("ss", "-ltn").stdout)
    done = a.host.run("python3", "-c", SENDER, path, b.host4, timeout=60)
    until("the whole file", lambda: done.stdout.strip() == _read(lab.path("sum")), 10)


RECEIVER = """
import hashlib, socket, sys
s = socket.create_server(("0.0.0.0", 5000)); c, _ = s.accept(); h = hashlib.sha256()
for block in iter(lambda: c.recv(1 << 16), b""): h.update(block)
open(sys.argv[1], "w").write(h.hexdigest())
"""
SENDER = """
import hashlib, socket, sys
data = open(sys.argv[1], "rb").read(); s = socket.create_connection((sys.argv[2], 5000))
s.sendall(data); s.shutdown(socket.SHUT_WR); s.recv(1); print(hashlib.sha256(data).hexdigest())
"""


def _read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    run()
