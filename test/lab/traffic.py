"""
Traffic for the lab: packets made and taken by hand, counted UDP, a slow line, captures read.

    checksum, ipv4, udp   bytes of packets
    stream   bytes by TCP
    Count    UDP whose losses are counted, and told from those of full queues
    Delay    a slow line
    Tap      raw packets on a TUN
"""

import collections
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

from netlab import TUN, expect, helper, until


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, to, proto, payload, ttl=64, tos=0, df=False):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(payload), 1, 0x4000 if df else 0, ttl,
        proto, 0, socket.inet_aton(source), socket.inet_aton(to))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source_port, to_port, data):
    """A UDP datagram without checksum, for IPv4."""
    return struct.pack("!HHHH", source_port, to_port, 8 + len(data), 0) + data


STREAM = """
import hashlib, random, socket, sys
what, to, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
if what == "send":
    data = random.randbytes(size)
    with socket.create_connection((to, port), 10) as s:
        s.sendall(data)
else:
    with socket.create_server((to, port), family=family) as listener:
        s = listener.accept()[0]
        data = b"".join(iter(lambda: s.recv(1 << 16), b""))
print(len(data), hashlib.sha256(data).hexdigest(), flush=True)
"""


def stream(source, sink, to, size, port=5002):
    """Random bytes from one namespace to another by TCP; seconds that it took, once they are there."""
    receiver = sink.spawn(sys.executable, "-c", STREAM, "receive", to, port, size)
    until("the receiver listens", lambda: ":%d" % port in sink.run("ss", "-ltn").stdout)
    began = time.monotonic()
    sent = source.run(sys.executable, "-c", STREAM, "send", to, port, size).stdout
    until("all is received", lambda: receiver.output().strip(), 30)
    expect(receiver.output() == sent, "sent %s, received %s" % (sent, receiver.output()))
    return time.monotonic() - began


class Count:
    """
    Counted UDP from one namespace to another, by udpcount.c: started, ended by stop(), which
    returns sent, lost, queues (how many the kernel dropped in the lab because a queue was full, as
    on a machine that has other things to do), unexplained (lost less those), twice, late (more than
    64 behind), gap_ms (longest silence), last (when the last one came, time.monotonic()).
    """

    PORT = 5000

    def __init__(self, source, sink, to, rate, bytes=1000, seconds=3600):
        self.lab = source.lab
        self.before = self.overflows()
        self.receiver = sink.spawn(helper("udpcount"), "receive", self.PORT)
        until("udpcount listens", lambda: sink.run("ss", "-Hlun", "sport", "=", ":%d" % self.PORT,
            check=False).stdout.strip())
        self.sender = source.spawn(helper("udpcount"), "send", to, self.PORT, rate, seconds, bytes)

    def overflows(self):
        return sum(ns.overflows() for ns in list(self.lab.spaces.values()))

    def stop(self, settle=0.3):
        self.sender.stop()
        time.sleep(settle)
        self.receiver.stop()
        sent, got = json.loads(self.sender.output()), json.loads(self.receiver.output())
        result = dict(got, **{k: sent[k] for k in ("sent", "refused", "seconds")})
        result["lost"] = sent["sent"] - got["received"]
        result["queues"] = self.overflows() - self.before
        result["unexplained"] = max(0, result["lost"] - result["queues"])
        return result


class Delay:
    """
    A slow line: what this host itself sends to the public segment goes out so much later, by way of
    a TUN and a process that gives each packet back when its time has come (there is no netem).
    """

    def __init__(self, ns, seconds, source):
        self.ns = ns
        ns.sysctl("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        ns.forward()
        me = os.path.abspath(__file__)
        self.process = ns.spawn(sys.executable, "-u", me, "delay", seconds)
        until("the slow line is there", lambda: "slow0" in ns.links())
        ns.sysctl("net.ipv4.conf.slow0.accept_local=1")
        ns.ip("link set slow0 up txqueuelen 10000",
            "route add default dev slow0 src %s table 100" % source,
            "rule add to 203.0.113.0/24 iif lo lookup 100")

    @staticmethod
    def serve(seconds):
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", b"slow0", 0x1001))  # IFF_TUN, IFF_NO_PI
        waiting = collections.deque()
        while True:
            wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
            if select.select([fd], [], [], wait)[0]:
                waiting.append((time.monotonic() + seconds, os.read(fd, 65535)))
            while waiting and waiting[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):
                    os.write(fd, waiting.popleft()[1])


class Tap:
    """Raw IP packets on a TUN: what we write is what the daemon reads, what it writes we see."""

    def __init__(self, ns, device=TUN):
        self.socket = ns.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.device = device
        self.socket.bind((device, 0x0003))
        self.socket.settimeout(0.1)

    def send(self, packet):
        protocol = 0x0800 if packet[0] >> 4 == 4 else 0x86dd
        self.socket.sendto(packet, (self.device, protocol))

    def receive(self, wanted, timeout=3.0):
        """The first packet that the daemon delivered for which wanted(bytes) is true, or None."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                packet, address = self.socket.recvfrom(65535)
            except socket.timeout:
                continue
            if address[2] != socket.PACKET_OUTGOING and wanted(packet):
                return packet
        return None

    def close(self):
        self.socket.close()


def read_pcap(path):
    """Frames of a pcap file: (time, bytes)."""
    with open(path, "rb") as f:
        data = f.read()
    if len(data) < 24:
        return
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    nano = data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
    at = 24
    while at + 16 <= len(data):
        sec, frac, caplen, _ = struct.unpack(order + "IIII", data[at:at + 16])
        if at + 16 + caplen > len(data):
            return
        yield sec + frac / (1e9 if nano else 1e6), data[at + 16:at + 16 + caplen]
        at += 16 + caplen


if __name__ == "__main__" and sys.argv[1:2] == ["delay"]:
    Delay.serve(float(sys.argv[2]))
