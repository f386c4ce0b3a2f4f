"""
Many flows to an address that several spokes have, and who receives which: for routes with several next hops.
"""

import socket
import struct
import time

from netlab import expect

SHARED = "192.168.9.10"
PORT = 7009
FLOWS = 300


class Flows:
    """Many UDP flows from host a to the shared address, each numbering its datagrams."""

    def __init__(self, world, names, flows=FLOWS):
        self.sinks, self.sources, self.sent = {}, [], 0
        for name in names:
            ns = world.spokes[name].ns
            ns.ip("addr add %s/32 dev lo" % SHARED)
            sink = ns.socket()
            sink.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            sink.bind((SHARED, PORT))
            sink.setblocking(False)
            self.sinks[name] = sink
        for _ in range(flows):
            source = world.sites["a"].host.socket()
            source.connect((SHARED, PORT))
            self.sources.append(source)

    def send(self, rounds=1, pause=0.02):
        """One datagram a flow and round."""
        for _ in range(rounds):
            self.sent += 1
            for number, source in enumerate(self.sources):
                source.send(struct.pack("!II", number, self.sent))
            time.sleep(pause)

    def received(self):
        """{name: [(flow, number)]} in order of arrival, since the last call."""
        out = {}
        for name, sink in self.sinks.items():
            out[name] = []
            while True:
                try:
                    out[name].append(struct.unpack("!II", sink.recv(64)))
                except BlockingIOError:
                    break
        return out

    def shares(self, rounds=5):
        """Sends; {name: set of flows}, and nothing lost, doubled or out of order, each flow at one place."""
        self.received()
        self.send(rounds)
        time.sleep(0.2)
        got = self.received()
        last, place = {}, {}
        for name, datagrams in got.items():
            for flow, number in datagrams:
                expect(number == last.get(flow, self.sent - rounds) + 1,
                    "flow %d: %d after %d" % (flow, number, last.get(flow, 0)))
                expect(place.setdefault(flow, name) == name, "flow %d at two places" % flow)
                last[flow] = number
        expect(len(last) == len(self.sources), "%d flows arrived" % len(last))
        expect(set(last.values()) == {self.sent}, "the end of some flows is missing")
        return {name: {flow for flow, _ in datagrams} for name, datagrams in got.items()}


def expect_share(shares, name, fair):
    """Within what chance gives once in a million: 5 standard deviations."""
    tolerance = 5 * (FLOWS * fair * (1 - fair)) ** 0.5
    expect(abs(len(shares[name]) - FLOWS * fair) <= tolerance,
        "%d of %d flows at %s, fair is %.0f" % (len(shares[name]), FLOWS, name, FLOWS * fair))


def next_hops(node, prefix):
    found = [r for r in node.routes() if r["prefix"] == prefix and r["source"] == "kernel"]
    return [(h["gateway"], h["weight"]) for h in found[0]["next_hops"]] if found else []
