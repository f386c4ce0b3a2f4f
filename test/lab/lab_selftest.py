"""
The laboratory itself, without warrend: do its routers behave like the NATs that they play?
"""

import socket

from netlab import Lab, Ns, PORT, Ping, Site, expect, run, scenario, until  # noqa: F401
from traffic import read_pcap  # noqa: F401
import netlab


class Plain(netlab.World):
    """The internet, the hub's namespace and the sites, no daemons."""

    def __init__(self, lab, nat, underlay=4):
        self.lab, self.underlay, self.sites, self.families = lab, underlay, {}, {underlay}
        self.inet = lab.ns("internet")
        self.inet.ip("link add br0 type bridge", "link set br0 up")
        self.hub_ns = lab.ns("hub")
        self.attach(self.hub_ns, "eth0", "203.0.113.1", "2001:db8::1")
        for number, name in enumerate(("a", "b"), 1):
            self.sites[name] = Site(self, number, name, nat)
        self.connect()


def udp_socket(ns, port=PORT, family=socket.AF_INET):
    s = ns.socket(family)
    s.settimeout(0.5)
    s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    return s


def heard(s):
    try:
        return s.recvfrom(2000)
    except socket.timeout:
        return None


def seen_by_hub(world):
    """Opens hub and spokes' sockets; the endpoints that the hub sees of a and b."""
    hub = udp_socket(world.hub_ns)
    spokes = [udp_socket(world.sites[n].ns) for n in ("a", "b")]
    seen = []
    for s in spokes:
        s.sendto(b"hello", ("203.0.113.1", PORT))
        got = heard(hub)
        expect(got, "the hub heard nothing")
        hub.sendto(b"answer", got[1])
        expect(heard(s), "no answer came back through the NAT")
        seen.append(got[1])
    return hub, spokes, seen


@scenario
def nat_drop(lab):
    """Port-preserving, endpoint-independent mapping; unsolicited inbound dropped; punching works."""
    world = Plain(lab, "drop")
    hub, (a, b), (seen_a, seen_b) = seen_by_hub(world)
    expect(seen_a == ("203.0.113.11", PORT) and seen_b == ("203.0.113.12", PORT),
        "ports not preserved: %s %s" % (seen_a, seen_b))
    a.sendto(b"first", seen_b)
    expect(heard(b) is None, "an unsolicited datagram came through")
    b.sendto(b"punch", seen_a)
    got = heard(a)
    expect(got and got[1] == seen_b, "the punch did not come through from %s: %s" % (seen_b, got))
    a.sendto(b"again", seen_b)
    expect(heard(b), "the other way is closed")


@scenario
def nat_open(lab):
    """The conntrack trap: the second punch leaves from another port."""
    world = Plain(lab, "open")
    hub, (a, b), (seen_a, seen_b) = seen_by_hub(world)
    a.sendto(b"first", seen_b)
    heard(b)
    b.sendto(b"punch", seen_a)
    got = heard(a)
    expect(got is None or got[1] != seen_b, "no trap here: %s" % (got,))


@scenario
def nat_symmetric(lab):
    """A new port for every destination."""
    world = Plain(lab, "symmetric")
    hub, (a, b), (seen_a, seen_b) = seen_by_hub(world)
    expect(seen_a[1] != PORT or seen_b[1] != PORT, "ports are preserved")
    b.sendto(b"punch", seen_a)
    a.sendto(b"punch", seen_b)
    expect(heard(a) is None and heard(b) is None, "plain punching works through it")


@scenario
def nat_none_v6(lab):
    """IPv6: no translation, a stateful firewall, both directions by punching."""
    world = Plain(lab, "drop", underlay=6)
    a = udp_socket(world.sites["a"].ns, family=socket.AF_INET6)
    b = udp_socket(world.sites["b"].ns, family=socket.AF_INET6)
    end_a, end_b = world.sites["a"].inside6, world.sites["b"].inside6
    a.sendto(b"first", (end_b, PORT))
    expect(heard(b) is None, "an unsolicited datagram came through")
    b.sendto(b"punch", (end_a, PORT))
    got = heard(a)
    expect(got and got[1][0] == end_b, "the punch did not come through: %s" % (got,))


@scenario
def cut_and_capture(lab):
    """The capture sees each frame once; block_direct cuts a to b and nothing else."""
    world = Plain(lab, "none")
    path = lab.path("t.pcap")
    capture = world.capture(path, what=["icmp"])
    a, b = world.sites["a"], world.sites["b"]
    expect(a.ns.ping(b.public4, count=3).received == 3, "no ping between the sites")
    until("six frames in the capture", lambda: len(list(read_pcap(path))) == 6, 3)
    capture.stop()
    world.block_direct("a", "b")
    # With NAT the routers' public addresses are what the internet sees.
    expect(not a.router.reachable(b.public4), "the cut does not cut")
    expect(a.ns.reachable("203.0.113.1"), "the cut cuts the hub too")
    world.unblock()
    expect(a.router.reachable(b.public4), "the cut stays")


if __name__ == "__main__":
    run()
