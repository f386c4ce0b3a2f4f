#!/usr/bin/env python3
"""What demo.sh shows, once everything is built. See netlab.py for the network it makes."""

import glob
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from netlab import Lab, LabError, Ping, World, fail, until
from traffic import read_pcap

PINGS, INTERVAL = 500, 0.0095  # ping(8) makes 16 ms of 10, and 9.7 of this
LIMIT_DIRECT = 1.0  # s, from the first packet
TTL_HUB, TTL_DIRECT = 61, 62  # of a reply: the hub is a hop

TOPOLOGY = """\
                     the internet, 203.0.113.0/24
          +------------------+------------------+
          |                  |                  |
      r1 .11              hub .1             r2 .12         r1, r2: routers with masquerade,
      NAT |             2 workers               | NAT       unasked-for packets are dropped
          |                                     |
      spoke a                               spoke b         the overlay: warren0, 10.77.0.0/24,
     10.77.0.11                            10.77.0.12       hub 10.77.0.1
          |                                     |
   192.168.1.0/24                        192.168.2.0/24     a host in each LAN, knowing nothing
"""


class Show:
    """Lines for a person: what was looked at, what was seen."""

    def __init__(self):
        self.failed = 0
        self.bold, self.red, self.off = ("\033[1m", "\033[31m", "\033[0m") \
            if sys.stdout.isatty() else ("", "", "")

    def head(self, text):
        print("\n%s%s%s" % (self.bold, text, self.off), flush=True)

    def line(self, what, seen, good=True):
        if not good:
            self.failed += 1
        mark = "  ok    " if good else self.red + "  FAILS " + self.off
        print("%s%-52s %s" % (mark, what, seen), flush=True)


def measured_pings(show, world, pattern):
    """Pings between the LANs from cold; checks loss, the way of the first one, and the hub's rest."""
    a, b = world.spokes["a"], world.spokes["b"]
    ping = Ping(world.sites["a"].host, world.host_of("b"), PINGS, INTERVAL, pattern=pattern)
    became = []

    def watch():
        deadline = time.time() + 8
        while time.time() < deadline and not became:
            if a.direct("b") and b.direct("a"):
                became.append(time.time())
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join()
    rest = None
    if became:
        time.sleep(0.5)
        before, sent = world.hub.hairpinned(), len(ping.replies_now())
        time.sleep(1)
        rest = (world.hub.hairpinned() - before, len(ping.replies_now()) - sent)
    ping.wait()

    show.line("%d pings, one each %.1f ms: lost" % (ping.transmitted, ping.spacing_ms),
        "%d" % ping.lost, ping.lost == 0 and ping.transmitted == PINGS)
    if not ping.replies:
        return
    _, _, ttl, rtt = ping.replies[0]
    show.line("the first ping was answered through the hub", "after %.1f ms (TTL %d)" % (rtt, ttl),
        ping.replies[0][0] == 1 and ttl == TTL_HUB)
    by_hub = sum(1 for r in ping.replies if r[2] == TTL_HUB)
    direct = sum(1 for r in ping.replies if r[2] == TTL_DIRECT)
    show.line("replies through the hub, then directly", "%d, then %d" % (by_hub, direct), direct > 0)
    took = became[0] - ping.first_sent() if became else None
    show.line("time from the first packet to the direct path",
        "%.0f ms" % (took * 1000) if took is not None else "never",
        took is not None and took <= LIMIT_DIRECT)
    if rest:
        show.line("packets that the hub relayed in a later second",
            "%d, while %d pings were answered" % rest, rest[0] == 0 and rest[1] > 0)
    show.line("the path, as `warren peers` has it", "b %s by %s" % (
        a.peer("b")["path"], a.peer("b")["endpoint"]), a.direct("b"))


def pattern_by_tcp(world, pattern):
    """A megabyte of the pattern by TCP, b listening."""
    server = world.sites["b"].host.socket(kind=socket.SOCK_STREAM)
    server.bind(("0.0.0.0", 5000))
    server.listen(1)
    server.settimeout(5)
    client = world.sites["a"].host.socket(kind=socket.SOCK_STREAM)
    client.settimeout(10)
    total, data = [0], bytes.fromhex(pattern) * (1 << 16)

    def receive():
        connection, _ = server.accept()
        with connection:
            for block in iter(lambda: connection.recv(1 << 16), b""):
                total[0] += len(block)

    reader = threading.Thread(target=receive)
    reader.start()
    client.connect((world.host_of("b"), 5000))
    client.sendall(data)
    client.close()
    reader.join(10)
    server.close()
    return total[0] == len(data)


def iperf(show, world):
    a, b, hub = world.sites["a"].host, world.sites["b"].host, world.hub_ns
    server = b.spawn("iperf3", "-s", "-1")
    until("iperf3 listens", lambda: ":5201" in b.run("ss", "-ltn").stdout)
    before = hub.bytes_of("eth0")
    text = a.run("iperf3", "-c", world.host_of("b"), "-t", 3, timeout=20).stdout
    through_hub = hub.bytes_of("eth0") - before
    server.wait(5)
    found = re.search(r"([\d.]+) ([GMK])Bytes\s+([\d.]+ [GMK]bits)/sec.*receiver", text)
    if not found:
        fail("iperf3: " + text)
    moved = float(found.group(1)) * {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10}[found.group(2)]
    show.line("a TCP transfer by iperf3", "%s/s, %.0f MB in 3 s" % (found.group(3), moved / 1e6))
    show.line("of it on the hub's wire, by the kernel's count", "%.1f kB" % (through_hub / 1e3),
        through_hub < moved / 1000)


def read_the_wire(show, outside, inside, pattern):
    """Everything that crossed the internet: does tshark read it as GRE, is anything in the clear?"""
    done = subprocess.run(["tshark", "-n", "-r", outside, "-Y", "udp", "-T", "fields", "-e",
        "frame.protocols"], capture_output=True, text=True)
    rows = done.stdout.split()
    gre = sum(1 for row in rows if "gre" in row.split(":"))
    show.line("datagrams on the internet that tshark reads as GRE", "%d of %d" % (gre, len(rows)),
        gre == len(rows) > PINGS)
    wanted = bytes.fromhex(pattern)
    clear = sum(1 for _, frame in read_pcap(outside) if wanted in frame)
    control = sum(1 for _, frame in read_pcap(inside) if wanted in frame)
    show.line("of them with what we sent in the clear", "%d (in the LAN: %d)" % (clear, control),
        clear == 0 and control > PINGS)


def demo(show, lab):
    print(TOPOLOGY)
    show.head("1. The network comes up")
    world = World(lab)
    for ns in (world.hub_ns, world.sites["a"].ns, world.sites["b"].ns):
        # Whole datagrams in the captures, not the trains that virtual cables can carry.
        ns.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", check=False)
    began = time.monotonic()
    world.start()
    show.line("both spokes registered with the hub", "after %.1f s" % (time.monotonic() - began))
    seen = [world.hub.peer(n)["endpoint"] for n in ("a", "b")]
    show.line("the hub sees them behind their routers", ", ".join(seen),
        [s.split(":")[0] for s in seen] == ["203.0.113.11", "203.0.113.12"])

    show.head("2. A host of LAN 1 talks to a host of LAN 2")
    pattern = secrets.token_hex(16)
    outside, inside = lab.path("internet.pcap"), lab.path("lan.pcap")
    captures = [world.capture(outside), world.capture(inside, ns=world.sites["a"].ns, device="lan0",
        what=["icmp", "or", "tcp"])]
    measured_pings(show, world, pattern)
    show.line("a megabyte of TCP, byte for byte", "arrived", pattern_by_tcp(world, pattern))
    for capture in captures:
        capture.stop()
    iperf(show, world)

    show.head("3. What crossed the internet")
    read_the_wire(show, outside, inside, pattern)
    return world


# ---- --keep and --remove ------------------------------------------------------------------------


def forward(lab, ns, port):
    """A child that passes connections to the host's 127.0.0.1:port on into the namespace."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        server = socket.create_server(("127.0.0.1", port))
    except OSError:
        os._exit(1)

    def pump(source, to):
        try:
            for block in iter(lambda: source.recv(65536), b""):
                to.sendall(block)
        except OSError:
            pass
        try:
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    while True:
        outer, _ = server.accept()
        try:
            inner = ns.socket(kind=socket.SOCK_STREAM)
            inner.connect(("127.0.0.1", 8747))
        except OSError:
            outer.close()
            continue
        for pair in ((outer, inner), (inner, outer)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def keep(lab, world):
    pid = forward(lab, world.hub_ns, 8747)
    time.sleep(0.3)
    forwarded = os.waitpid(pid, os.WNOHANG) == (0, 0)
    if forwarded:
        with open(lab.path("forward.pid"), "w") as f:
            f.write("%d" % pid)
    enter = "ip netns exec warren-%s-" % lab.tag
    warren = os.path.relpath(world.warren)
    print("\nThe network stays up. To look at it:\n")
    if forwarded:
        print("  the hub's API         http://127.0.0.1:8747/api/v1/status (peers, routes, nhrp)")
    print("  that of spoke a       %sa curl -s http://127.0.0.1:8747/api/v1/peers" % enter)
    print("  peers of spoke a      %s peers --socket %s" % (warren, world.spokes["a"].socket))
    print("  a shell in a's LAN    %shost-a bash     (then: ping 192.168.2.10)" % enter)
    print("  the logs              %s/*/log" % lab.dir)
    print("\nTo take it away:  ./demo.sh --remove %s" % lab.tag)
    lab.leave()


def remove(tag):
    if not re.fullmatch(r"[0-9a-f]{6}", tag):
        print("no such network: " + tag)
        return 2
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
    spaces = [name for name in listed if name.startswith("warren-%s-" % tag)]
    for space in spaces:
        pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True)
        for pid in pids.stdout.split():
            os.kill(int(pid), signal.SIGTERM)
    time.sleep(0.5)
    for space in spaces:
        subprocess.run(["ip", "netns", "del", space])
    for place in glob.glob("/tmp/warren-lab-%s-*" % tag):
        try:
            with open(os.path.join(place, "forward.pid")) as f:
                pid = int(f.read())
            with open("/proc/%d/cmdline" % pid) as f:
                if "demo.py" in f.read():
                    os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            pass
        shutil.rmtree(place, ignore_errors=True)
    print("%d namespaces removed" % len(spaces))
    return 0 if spaces else 1


def main():
    if sys.argv[1:2] == ["--remove"]:
        return remove(sys.argv[2] if len(sys.argv) > 2 else "")
    show, began = Show(), time.monotonic()
    with Lab() as lab:
        try:
            world = demo(show, lab)
        except LabError as error:
            show.line("stopped", str(error), False)
            for node in ("hub", "a", "b"):
                path = lab.path(node, "log")
                if os.path.exists(path):
                    with open(path, errors="replace") as f:
                        print("---- last lines of %s's log\n%s" % (node, "".join(f.readlines()[-15:])))
            return 1
        if sys.argv[1:2] == ["--keep"]:
            keep(lab, world)
    print("\n%s, in %.0f s." % ("Everything as it should be" if not show.failed
        else "%d of these FAILED" % show.failed, time.monotonic() - began))
    return 1 if show.failed else 0


if __name__ == "__main__":
    sys.exit(main())
