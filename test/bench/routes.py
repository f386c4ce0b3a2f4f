#!/usr/bin/env python3
"""
Many routes through the interface of one spoke, and many changes of them.

        host a -- spoke a ====== spoke b -- host b        a stream of counted UDP all the time
                    | `========= spoke c
                  routes to b and c; a marker whose next hop goes back and forth between them

    add       all routes are written as fast as the kernel takes them: how long until the daemon has
              them, and the anonymous memory of each
    churn     so many changes a second for so long, half of them another next hop, half gone and there
              again: the daemon's CPU less that of the same traffic alone, and the lag of the mirror: for
              how long packets still go where the marker led before. Is all as the kernel has it?
    overrun   the daemon is stopped while all routes change, so that the kernel has no room for what it
              announces: how long until all is as the kernel has it
    remove    all of them go
"""

import argparse
import json
import os
import platform
import random
import signal
import socket
import statistics
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import TUN, Lab, World, expect, need_root, until  # noqa: E402
from routeload import RouteWriter, mirrored, prefixes  # noqa: E402
from traffic import Count  # noqa: E402

GATEWAYS = {"b": "10.77.0.12", "c": "10.77.0.13"}
MARKER, PORT = "198.18.0.1", 7011
OVERRUN = 40000  # announcements for which the daemon's socket has certainly no room
TICK = os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, lab, args):
        self.args = args
        self.world = World(lab, sites=("a", "b", "c"), nat="none").start()
        self.a = self.world.spokes["a"]
        self.writer, self.probe_writer = (RouteWriter(self.a.ns, TUN) for _ in range(2))
        for name, gateway in GATEWAYS.items():
            self.world.spokes[name].ns.ip("addr add %s/32 dev lo" % MARKER)
            until("a and %s are direct" % name, lambda: self.a.ns.ping(gateway, timeout=1).received and
                self.a.direct(name), 20)
        self.routes = {}
        self.base = self.a.status()["routes"]
        self.world.make_direct()

    def anon_kib(self):
        with open("/proc/%d/status" % self.a.process.pid) as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])

    def cpu(self):
        """Seconds of all threads: user, system."""
        with open("/proc/%d/stat" % self.a.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def has(self, n, timeout=60):
        until("%d routes" % n, lambda: self.a.status()["routes"] == self.base + n, timeout, 0.005)

    def stream(self):
        return Count(self.world.sites["a"].host, self.world.sites["b"].host, "192.168.2.10",
            self.args.packets, 200)

    def add(self):
        names = prefixes(self.args.routes)
        self.routes = {p: GATEWAYS["bc"[i % 2]] for i, p in enumerate(names)}
        changes = list(self.routes.items())
        before, cpu, stream = self.anon_kib(), self.cpu(), self.stream()
        time.sleep(0.5)
        began = time.monotonic()
        self.writer.write(changes)
        written = time.monotonic()
        self.has(len(changes))
        done = time.monotonic()
        used = self.cpu() - cpu
        lost = stream.stop()
        return {"kernel_s": written - began, "mirrored_s": done - began, "cpu_s": used,
            "bytes_a_route": (self.anon_kib() - before) * 1024 / len(changes),
            "anon_kib": self.anon_kib(), "dumps": self.a.status()["route_dumps"],
            **self.losses(lost)}

    @staticmethod
    def losses(result):
        return {"stream_sent": result["sent"], "stream_lost": result["lost"],
            "stream_lost_in_queues": result["queues"], "stream_late": result["late"],
            "stream_gap_ms": result["gap_ms"]}

    def change(self):
        prefix = random.choice(self.names)
        other = GATEWAYS["b" if self.routes[prefix] == GATEWAYS["c"] else "c"]
        self.routes[prefix] = other
        if random.random() < 0.5:
            return [(prefix, other)]
        return [(prefix, None), (prefix, other)]

    def churn(self):
        args, self.names = self.args, list(self.routes)
        quiet = self.quiet()
        stream, probe = self.stream(), Probe(self)
        cpu, began, done = self.cpu(), time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < args.seconds:
            changes = []
            while done + len(changes) < elapsed * args.rate:
                changes += self.change()
            self.writer.write(changes)
            done += len(changes)
            time.sleep(0.005)
        used = (self.cpu() - cpu) / elapsed
        lag = probe.stop()
        lost = stream.stop()
        until("the mirror agrees", lambda: not mirrored(self.a, self.routes), 30)
        return {"changes": done, "changes_a_second": done / elapsed, "cpu": used - quiet, "cpu_of_traffic": quiet,
            "toggles": len(lag), "lag_ms_p50": statistics.median(lag), "lag_ms_max": max(lag),
            "dumps": self.a.status()["route_dumps"], **self.losses(lost)}

    def quiet(self):
        """The daemon's CPU by the traffic alone."""
        stream, probe = self.stream(), Probe(self)
        cpu, began = self.cpu(), time.monotonic()
        time.sleep(self.args.quiet)
        used = (self.cpu() - cpu) / (time.monotonic() - began)
        probe.stop()
        stream.stop()
        return used

    def overrun(self):
        dumps, process = self.a.status()["route_dumps"], self.a.process
        process.signal(signal.SIGSTOP)
        for _ in range(1 + OVERRUN // len(self.routes)):
            self.routes = {p: GATEWAYS["b" if g == GATEWAYS["c"] else "c"] for p, g in self.routes.items()}
            self.writer.write(list(self.routes.items()))
        process.signal(signal.SIGCONT)
        began = time.monotonic()
        until("it has read all anew", lambda: self.a.status()["route_dumps"] > dumps, 60, 0.005)
        done = time.monotonic()
        wrong = mirrored(self.a, self.routes)
        expect(not wrong, "%d routes are wrong: %s" % (len(wrong), wrong[:3]))
        return {"recovered_s": done - began, "dumps": self.a.status()["route_dumps"] - dumps}

    def remove(self):
        began = time.monotonic()
        self.writer.write([(prefix, None) for prefix in self.routes])
        written = time.monotonic()
        self.has(0)
        return {"kernel_s": written - began, "mirrored_s": time.monotonic() - began,
            "anon_kib": self.anon_kib()}


class Probe:
    """
    Datagrams to the marker, one a millisecond, while its next hop changes now and then. A lag is the time from
    when the kernel has changed it to when the last datagram was sent that went the old way before one went the new.
    """

    def __init__(self, bench):
        self.bench, self.ended = bench, False
        self.sent, self.arrived, self.toggles, self.sinks = [], {}, [], {}
        for name in GATEWAYS:
            sink = bench.world.spokes[name].ns.socket()
            sink.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            sink.bind((MARKER, PORT))
            sink.setblocking(False)
            self.sinks[name] = sink
        self.source = bench.a.ns.socket()
        bench.probe_writer.write([(MARKER + "/32", GATEWAYS["b"])])
        self.source.connect((MARKER, PORT))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        place, next_toggle = "b", time.monotonic() + 0.5
        while not self.ended:
            if time.monotonic() >= next_toggle:
                place = "c" if place == "b" else "b"
                self.bench.probe_writer.write([(MARKER + "/32", GATEWAYS[place])])
                self.toggles.append((time.monotonic(), place))
                next_toggle += 0.5
            self.source.send(struct.pack("!I", len(self.sent)))
            self.sent.append(time.monotonic())
            self.read()
            time.sleep(0.001)

    def read(self):
        for name, sink in self.sinks.items():
            while True:
                try:
                    self.arrived[struct.unpack("!I", sink.recv(64))[0]] = name
                except BlockingIOError:
                    break

    def stop(self):
        """Lags in ms, one for each toggle."""
        self.ended = True
        self.thread.join()
        time.sleep(0.3)
        self.read()
        lags = []
        for i, (at, place) in enumerate(self.toggles):
            end = self.toggles[i + 1][0] if i + 1 < len(self.toggles) else float("inf")
            lag = 0.0
            for n, t in enumerate(self.sent):
                if not at <= t < end or n not in self.arrived:
                    continue
                if self.arrived[n] == place:
                    break
                lag = (t - at) * 1000
            lags.append(lag)
        for sink in [*self.sinks.values(), self.source]:
            sink.close()
        self.bench.probe_writer.write([(MARKER + "/32", None)])
        return lags


def main():
    need_root()
    parser = argparse.ArgumentParser()
    parser.add_argument("--routes", type=int, default=100000)
    parser.add_argument("--rate", type=int, default=1000, help="changes a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--quiet", type=float, default=10, help="seconds of the traffic alone")
    parser.add_argument("--packets", type=int, default=2000, help="of the stream, a second")
    parser.add_argument("--json", default=os.path.join("build", "routes.json"))
    args = parser.parse_args()
    print("%d routes, %d changes a second for %g s, Linux %s, load %.2f" % (args.routes, args.rate,
        args.seconds, platform.release(), os.getloadavg()[0]))
    results = {"routes": args.routes, "linux": platform.release()}
    with Lab() as lab:
        bench = Bench(lab, args)
        for step in bench.add, bench.churn, bench.overrun, bench.remove:
            results[step.__name__] = step()
            print("%-8s %s" % (step.__name__, ", ".join("%s %s" % (k, round(v, 3) if isinstance(v, float)
                else v) for k, v in results[step.__name__].items())), flush=True)
    with open(args.json, "w") as f:
        json.dump(results, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
