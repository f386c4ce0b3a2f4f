#!/usr/bin/env python3
"""
What strangers can make a real daemon send, and ask of the allocator.

                 internet 203.0.113.0/24, 2001:db8::/64
        hub .1 ------+---------+------ mallory .100 to .159, as many of IPv6
                   r1 .11    r2 .12
                   spoke a   spoke b
"""

import base64
import hashlib
import os
import random
import re
import select
import socket
import struct
import time

from netlab import PORT, World, expect, helper, run, scenario, until
from traffic import read_pcap

HANDSHAKE, SEALED = 0x000088b6, 0x300088b5
SOURCES = 60


class Mallory:
    """Many addresses of one host, so that no limit by source is what keeps the answers small."""

    def __init__(self, lab, world):
        self.ns = lab.ns("mallory")
        world.attach(self.ns, "eth0", "203.0.113.99", "2001:db8::99")
        self.sockets = {4: [], 6: []}
        for i in range(SOURCES):
            own = {4: "203.0.113.%d" % (100 + i), 6: "2001:db8::f%02x" % i}
            self.ns.ip("addr add %s/24 dev eth0" % own[4], "addr add %s/64 dev eth0 nodad" % own[6])
            for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
                s = self.ns.socket(family)
                s.bind((own[version], 4754))
                s.setblocking(False)
                self.sockets[version].append(s)
        self.to = {4: ("203.0.113.1", PORT), 6: ("2001:db8::1", PORT)}
        key = re.search(r"^[A-Za-z0-9+/]{43}=$", open(world.hub.file("key") + ".pub").read(), re.M)
        self.mac1_key = hashlib.blake2b(b"mac1----" + base64.b64decode(key.group(0)),
            digest_size=32).digest()

    def mac1(self, message, mac2=bytes(16)):
        """A message without its MACs, behind a GRE header, with the right mac1."""
        mac = hashlib.blake2b(message, key=self.mac1_key, digest_size=16).digest()
        return struct.pack("!I", HANDSHAKE) + message + mac + mac2

    def measure(self, name, datagrams, version, pause):
        """Sends them, each from the next address. (bytes sent, bytes that came back, longest answer)"""
        sockets = self.sockets[version]
        sent = {s: 0 for s in sockets}
        came = {s: 0 for s in sockets}
        longest = 0

        def read(timeout):
            nonlocal longest
            ready, _, _ = select.select(sockets, [], [], timeout)
            for s in ready:
                data = s.recv(65535)
                came[s] += len(data)
                longest = max(longest, len(data))
            return ready

        for i, data in enumerate(datagrams):
            s = sockets[i % len(sockets)]
            s.sendto(data, self.to[version])
            sent[s] += len(data)
            read(0)
            time.sleep(pause)
        while read(0.2):
            pass
        for s in sockets:
            expect(came[s] <= sent[s], "%s, IPv%d: %d bytes for %d to one address" % (name, version,
                came[s], sent[s]))
        return sum(sent.values()), sum(came.values()), longest


def lengths():
    return list(range(0, 1301, 7))


def noise(word, type_=None):
    head = struct.pack("!I", word) + (bytes([type_, 1, 0, 0]) if type_ else b"")
    return [(head + os.urandom(1300))[:n] for n in lengths()]


def initiations_of(path):
    """What a capture holds of INITIATIONs, as UDP payload."""
    found = []
    for _, frame in read_pcap(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 17:
            payload = frame[14 + (frame[14] & 15) * 4 + 8:]
            if payload[:6] == struct.pack("!IBB", HANDSHAKE, 1, 1):
                found.append(payload)
    return found


@scenario
def amplification(lab):
    """Bytes out for bytes in, for every kind of datagram and both families: never more than 1."""
    world = World(lab, sites=("a",), dual=True)
    hub, a = world.hub, world.spokes["a"]
    mallory = Mallory(lab, world)
    # A genuine INITIATION that the hub has never seen: the spoke calls while the hub is away.
    tcpdump = world.capture(lab.path("calls.pcap"))
    a.start()
    until("the spoke calls", lambda: initiations_of(lab.path("calls.pcap")), 10)
    tcpdump.stop()
    genuine = initiations_of(lab.path("calls.pcap"))[0]
    a.stop()
    hub.start()

    def initiation(n, mac2=None):
        body = struct.pack("!BBHI", 1, 1, 0, random.randrange(1, 1 << 28)) + os.urandom(n - 8 - 32)
        return mallory.mac1(body, mac2 or bytes(16))

    sizes = [640 + 6 * i for i in range(98)]
    kinds = [("noise", [os.urandom(n) for n in lengths()], 0.001, False)]
    for type_, name in enumerate(("INITIATION", "RESPONSE", "COOKIE", "type 4", "PROBE", "RESET", "type 7"),
            1):
        kinds.append((name + " of noise", noise(HANDSHAKE, type_), 0.001, False))
    kinds += [
        ("sealed, unknown index", [struct.pack("!III", SEALED, random.randrange(16, 1 << 32), i)
            + os.urandom(n) for i, n in enumerate(lengths())], 0.02, True),
        ("IPv4 in plain GRE", noise(0x00000800), 0.001, False),
        ("NHRP in plain GRE", noise(0x00002001), 0.001, False),
        # All of IPv6 comes from one /64 here: it has to show cookies soon.
        ("INITIATION, right mac1, then noise", [initiation(n) for n in sizes], 0.01, None),
        ("the same under load", [initiation(random.choice(sizes)) for _ in range(2000)], 0, True),
        ("the same, a mac2 that is none", [initiation(random.choice(sizes), os.urandom(16))
            for _ in range(2000)], 0, True),
        ("genuine INITIATION, replayed", [genuine] * 50, 0.02, True),
    ]
    report, totals = [], [0, 0]
    for name, datagrams, pause, answered in kinds:
        if name.startswith("genuine"):
            time.sleep(2) # the load is over
        for version in (4, 6):
            out, back, longest = mallory.measure(name, datagrams, version, pause)
            expect(back <= out, "%s, IPv%d: factor %.3f" % (name, version, back / out))
            expect(answered in (None, back > 0), "%s, IPv%d: %d bytes came back" % (name, version, back))
            report.append("%-36s IPv%d  factor %.3f  longest answer %d" % (name, version, back / out,
                longest))
            totals[0] += out
            totals[1] += back
    print("\n".join("      " + line for line in report))
    # A RESPONSE really was among them, and the hub still serves.
    expect(any(re.search(r"genuine.* (2\d\d|[3-6]\d\d)$", line) for line in report),
        "no RESPONSE to the genuine one")
    a.start()
    until("the spoke is registered", a.ready, 15)
    return "all kinds together: %.4f" % (totals[1] / totals[0])


def allocations(path):
    """Calls of the allocator, by thread."""
    with open(path, "rb") as f:
        data = f.read()
    return {tid: count for tid, count in struct.iter_unpack("=QQ", data) if tid}


@scenario
def nothing_is_allocated(lab):
    """Under traffic no data worker asks for memory, nor does the control loop for strangers."""
    world = World(lab, dual=True)
    hub = world.hub
    path = lab.path("allocations")
    hub.env = {"LD_PRELOAD": helper("alloc_count.so"), "ALLOC_COUNT": path}
    mallory = Mallory(lab, world)
    world.start()
    world.block_direct("a", "b") # all by the hub
    a, b = world.sites["a"], world.sites["b"]
    expect(a.host.reachable(world.host_of("b"), 3), "no traffic by the hub")
    time.sleep(1)
    main, quiet = hub.process.pid, 0
    for window in range(6):
        before = allocations(path)
        expect(before.get(main, 0) > 100, "the counter does not count")
        pings = [a.host.spawn("ping", "-q", "-c", 300, "-i", 0.005, world.host_of("b")),
            a.ns.spawn("ping", "-q", "-c", 300, "-i", 0.005, world.overlay_of("hub"))]
        for i in range(500):
            kind = i % 4
            data = (os.urandom(200), struct.pack("!III", SEALED, random.randrange(16, 1 << 32), i)
                + os.urandom(100), struct.pack("!IBBH", HANDSHAKE, 1 + i % 7, 1, 0) + os.urandom(700),
                mallory.mac1(struct.pack("!BBHI", 1, 1, 0, i + 1) + os.urandom(660)))[kind]
            version = 4 + 2 * (i // 4 % 2)
            mallory.sockets[version][i % SOURCES].sendto(data, mallory.to[version])
            time.sleep(0.002)
        for ping in pings:
            expect(ping.wait(30) == 0, "pings: " + ping.output())
            expect(" 0% packet loss" in ping.output(), ping.output())
        after = allocations(path)
        more = {tid: after[tid] - before.get(tid, 0) for tid in after if after[tid] != before.get(tid, 0)}
        expect(not set(more) - {main}, "threads other than the control loop's ask for memory: %s" % more)
        quiet += main not in more
    # Each half minute the hint file is written, for which the C library wants a buffer.
    expect(quiet >= 5, "the control loop asked for memory in %d of 6 windows" % (6 - quiet))
    return "%d threads counted" % len(allocations(path))


if __name__ == "__main__":
    run()
