#!/usr/bin/env python3
"""
Many spokes on one hub: spokes.c plays them, in a namespace behind the hub's, each with an underlay
address of its own.

    join      all begin within a second: how long until the hub has a binding of each, and the hub's
              CPU time for one join (handshake, with a cookie where asked for, and registration)
    idle      memory for each registered spoke, and CPU while they only keep alive and rekey (each once
              in the 140 s that are the default)
    hello     the hub's machine sends a routing protocol's hello: how long until it has left for all of them
              (a stop of the loop would show in the slowest answer of the control socket meanwhile)
    restart   the hub is killed with SIGKILL and started again: how long until all are registered
              again; once with the hint file that it stores each half minute, once without

The hub is pinned to one core, the spokes to another. A simulated spoke takes 1.3 MiB.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from flooding import Sample, expect, favour, pick_cores, program, until  # noqa: E402
from netlab import Lab, LabError, World, need_root  # noqa: E402
from traffic import Tap, ipv4  # noqa: E402

SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35 # Linux, asm-generic/socket.h
UNDERLAY = "10.64.0.0"
SPOKE_KIB = 1400 # of a simulated one


def available_kib():
    with open("/proc/meminfo") as f:
        return int(re.search(r"^MemAvailable:\s+(\d+) kB", f.read(), re.M).group(1))


class Crowd:
    """A hub, and a process that plays so many spokes. cores: (the hub's, everybody else's); None: any."""

    def __init__(self, lab, count, cores=None):
        self.lab, self.count, self.cores = lab, count, cores
        if cores:
            os.sched_setaffinity(0, {cores[1]})
        self.world = World(lab, sites=(), hub_workers=1)
        self.hub = self.world.hub
        self.world.ca.issue(self.hub, "hub", ["10.77.0.1/16"])
        self.hint_file = os.path.join(self.hub.dir, "state", "registry")
        self.ns = lab.ns("crowd")
        self.world.attach(self.ns, "eth0", "203.0.113.2", "2001:db8::2")
        # Every address of the range is the crowd's own, and the hub finds it there.
        self.ns.ip("route add local %s/16 dev lo" % UNDERLAY)
        self.world.hub_ns.ip("route add %s/16 via 203.0.113.2" % UNDERLAY)

    def start_hub(self):
        self.hub.start(wait=False)
        if self.cores:
            favour(self.hub.process)
        until("the hub answers", self.hub.answers, 20)
        for task in os.listdir("/proc/%d/task" % self.hub.process.pid) if self.cores else ():
            os.sched_setaffinity(int(task), {self.cores[0]})

    def memory_kib(self):
        with open("/proc/%d/smaps_rollup" % self.hub.process.pid) as f:
            return int(re.search(r"^Rss:\s+(\d+) kB", f.read(), re.M).group(1))

    def bindings(self):
        return self.hub.status()["bindings"]

    def begin(self, rate):
        """The crowd's process, when its engines have been made and begin."""
        self.process = self.ns.spawn(program("spokes"), "--root", os.path.join(self.world.ca.dir, "root.key"),
            "--network", self.world.ca.network, "--bundle", self.world.ca.bundle_path, "--count",
            self.count, "--from", UNDERLAY, "--rate", rate)
        if self.cores:
            favour(self.process)
        until("the engines are made", self.made, 120)

    def made(self):
        expect(self.process.alive(), "spokes: " + self.process.output())
        return "ready" in self.process.output()

    def hints(self):
        """How many spokes the hub's hint file names."""
        try:
            return (os.stat(self.hint_file).st_size - 36) // 72
        except FileNotFoundError:
            return 0

    def restart(self, hints, timeout):
        """Kills the hub and starts it. Seconds from its start until all are back; None: they are not."""
        if hints:
            until("the hints are stored", lambda: self.hints() >= self.count, 60)
        self.hub.kill()
        time.sleep(1)
        if not hints:
            os.unlink(self.hint_file)
        began = time.monotonic()
        self.start_hub()
        return None if self.all_bound(timeout) is None else time.monotonic() - began

    def hello(self, times=20):
        """
        ms from the hello that leaves the hub's machine to its last copy, worst of so many; and the slowest
        answer of the control socket in ms, copies being made all the while.
        """
        line, wire = self.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)), []
        line.bind(("eth0", 0))
        line.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        line.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        line.settimeout(0.3)
        tap = Tap(self.world.hub_ns)
        before = self.hub.status()["multicast"]
        slowest = 0
        for i in range(times):
            hello = ipv4("10.77.0.1", "224.0.0.5", 89, bytes(48), ttl=1)
            began = last = time.time_ns()
            tap.send(hello)
            asked = time.monotonic()
            self.hub.status()
            slowest = max(slowest, time.monotonic() - asked)
            with contextlib.suppress(socket.timeout):
                while True:
                    frame, about, _, _ = line.recvmsg(2048, 64)
                    # by UDP from the hub, and as long as such a copy is
                    if frame[26:30] == socket.inet_aton("203.0.113.1") and 100 < len(frame) < 180:
                        s, ns = struct.unpack("@qq", about[0][2])
                        last = s * 10**9 + ns
            wire.append((last - began) / 1e9)
        after = self.hub.status()["multicast"]
        copies = after["sent_copies"] - before["sent_copies"]
        expect(copies >= times * self.count, "%d copies of %d hellos to %d" % (copies, times, self.count))
        line.close()
        return sorted(wire)[times // 2] * 1000, max(wire) * 1000, slowest * 1000

    def all_bound(self, timeout):
        """Seconds until the hub has a binding of each; None: it has not."""
        began = time.monotonic()
        while time.monotonic() - began < timeout:
            try:
                if self.bindings() >= self.count:
                    return time.monotonic() - began
            except (OSError, LabError):
                pass
            time.sleep(0.02)
        return None


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spokes", type=int, default=1000)
    parser.add_argument("--rate", type=float, help="how many begin a second; all within one second")
    parser.add_argument("--idle", type=float, default=140, help="seconds of idling that are measured")
    parser.add_argument("--json", default=os.path.join("build", "scale.json"))
    return parser.parse_args()


def main():
    need_root()
    args = arguments()
    cores, load, missed = pick_cores(), os.getloadavg()[0], []
    print("%d spokes, the hub on core %d, they on core %d, Linux %s, load %.2f" % (args.spokes, *cores,
        platform.release(), load))
    expect(available_kib() > args.spokes * SPOKE_KIB, "too little memory for %d spokes" % args.spokes)
    with Lab() as lab:
        crowd = Crowd(lab, args.spokes, cores)
        crowd.start_hub()
        empty = crowd.memory_kib()
        sample = Sample(crowd)
        crowd.begin(args.rate or args.spokes)
        joined = crowd.all_bound(60)
        if joined is None:
            missed.append("only %d of %d joined" % (crowd.bindings(), args.spokes))
        cpu = sample.end()
        used = cpu["daemon_cpu"] * cpu["seconds"]
        each = used * 1e6 / max(1, crowd.bindings())
        print("join: all after %s; %.0f us of the hub's CPU each: %.0f joins a second and core" % (
            "%.2f s" % joined if joined else "never", each, 1e6 / each), flush=True)
        time.sleep(2)
        memory = (crowd.memory_kib() - empty) / args.spokes
        sample = Sample(crowd)
        time.sleep(args.idle)
        idle = sample.end()["daemon_cpu"]
        print("idle: %.2f KiB of memory each; %.2f %% of a core" % (memory, idle * 100), flush=True)
        hello = crowd.hello()
        print("hello: sent to all within %.1f ms, at worst %.1f; the control socket answers within %.1f ms meanwhile" %
            hello, flush=True)
        few = args.spokes <= 1000
        again = {}
        for hints, limit in ((True, 3 if few else 10), (False, 25 if few else 30)):
            name = "with hints" if hints else "without hints"
            took = again[name] = crowd.restart(hints, 3 * limit)
            print("restart, %s: %s" % (name, "all registered after %.2f s" % took if took else
                "only %d registered" % crowd.bindings()), flush=True)
            if took is None or took > limit:
                missed.append("restart, %s: not all registered within %d s" % (name, limit))
        last = crowd.process.output().splitlines()[-1]
        print("the crowd says: " + last)
    with open(args.json, "w") as f:
        json.dump({"spokes": args.spokes, "joined_s": joined, "join_cpu_us": each, "memory_kib": memory,
            "idle_cpu": idle, "hello_ms": hello, "restart_s": again, "kernel": platform.release(), "load_before": load,
            "missed": missed}, f, indent=1)
    for line in missed:
        print("MISSED  " + line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
