"""
What converge.py watches: a network that moves from one spoke to another, and a stream of counted packets into it.
"""

import contextlib
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import fail  # noqa: E402

NET = {4: "192.168.50.0/24", 6: "fd77:0:0:50::/64"}
HOST = {4: "192.168.50.10", 6: "fd77:0:0:50::10"}
PORT = 5000


class Mobile:
    """A network with a host in it, plugged into one of these sites' spokes as lan0; the first one at the beginning."""

    def __init__(self, world, homes):
        self.world, self.homes = world, homes
        self.ns = world.lab.ns("mobile")
        self.ns.ip("link add br0 type bridge", "link set br0 up",
            "addr add %s/24 dev br0" % HOST[4], "addr add %s/64 dev br0 nodad" % HOST[6],
            "route add default via 192.168.50.1", "route add default via fd77:0:0:50::1")
        for name in homes:
            ns, port = world.sites[name].ns, "to-" + name
            ns.ip("link set lan0 down", "link set lan0 name lan9")  # what the site had
            world.lab.link(ns, "lan0", self.ns, port)
            ns.sysctl("net.ipv6.conf.lan0.keep_addr_on_down=1")
            # The same router everywhere, so that the host notices nothing.
            ns.ip("link set lan0 address 02:00:00:00:00:50", "addr add 192.168.50.1/24 dev lan0",
                "addr add fd77:0:0:50::1/64 dev lan0 nodad", "link set lan0 down")
            self.ns.ip("link set %s master br0" % port)
        self.home = None
        self.move(homes[0])

    def move(self, to):
        if self.home:
            self.world.sites[self.home].ns.ip("link set lan0 down")
        self.world.sites[to].ns.ip("link set lan0 up")
        self.home = to

    def elsewhere(self):
        return next(name for name in self.homes if name != self.home)


class Stream:
    """
    Datagrams at RATE from one host to another, each known by its number, until close(). answers: whether the
    other one sends each of them back; what becomes of the answers is not looked at.
    """

    RATE = 100
    LATE_S = 0.3  # what has not come by then is not on its way any more

    def __init__(self, source, sink, family):
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self.to = (HOST[family], PORT)
        self.tx, self.rx = source.socket(kind), sink.socket(kind)
        if family == 6:
            self.rx.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.rx.bind(("", PORT))
        self.rx.settimeout(0.2)
        self.sent, self.arrived, self.open, self.answers = [], set(), True, False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        began = time.monotonic()
        while self.open:
            self.sent.append(time.monotonic())
            with contextlib.suppress(OSError):  # no route, for a moment
                self.tx.sendto(struct.pack("!Q", len(self.sent) - 1), self.to)
            time.sleep(max(0, began + len(self.sent) / self.RATE - time.monotonic()))

    def _receive(self):
        while self.open:
            with contextlib.suppress(OSError):  # nothing for a moment, or no route back
                data, source = self.rx.recvfrom(64)
                self.arrived.add(struct.unpack("!Q", data)[0])
                if self.answers:
                    self.rx.sendto(data, source)

    def flowing(self, packets=100):
        """Have so many packets arrived without a gap until now?"""
        end = len(self.sent) - int(self.LATE_S * self.RATE)
        return end >= packets and all(n in self.arrived for n in range(end - packets, end))

    def until_flowing(self, what, timeout):
        deadline = time.monotonic() + timeout
        while not self.flowing():
            if time.monotonic() > deadline:
                fail("not within %g s: packets flow %s" % (timeout, what))
            time.sleep(0.05)

    def since(self, event):
        """(s until the last loss was over, packets lost) since a time."""
        end = len(self.sent) - int(self.LATE_S * self.RATE)
        lost = [n for n in range(end) if self.sent[n] >= event and n not in self.arrived]
        return (self.sent[lost[-1] + 1] - event if lost else 0.0), len(lost)

    def close(self):
        self.open = False
        for thread in self.threads:
            thread.join()
        self.tx.close()
        self.rx.close()
