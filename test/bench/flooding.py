"""
What flood.py and join_flood.py share: a hub that is flooded, pinned to one core, and everything else
on another.

        spoke a .2 ---+
                      |  internet: one bridge, 203.0.113.0/24
        hub .1 -------+  the blaster sits here, on the other end of the hub's own veth pair

A veth pair hands a packet to the receiver's protocol stack on the core of the sender, in a soft
interrupt. So the kernel's part of receiving a bad packet (IP, UDP, steering, queueing) is paid by the
blaster's core, like that of a network card whose interrupts go to another core than the daemon's; the
daemon pays from its system call on. The figures of both cores are printed.
"""

import contextlib
import glob
import http.client
import json
import os
import re
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import PORT, UnixConnection, World, expect, fail, until  # noqa: E402
from underlay import add_spoke, favour, program  # noqa: E402,F401

KINDS = ("garbage", "wrong-mac1", "right-mac1", "wrong-tag", "replay", "unknown", "shapes")
LOST = r".*(?:does not answer|suspend|session ended|lost our session|removed|is down|closed).*"


class Flooded:
    """The world of these benches. cores: (the flooded daemon's, everybody else's); None: any."""

    def __init__(self, lab, cores=None, hub_config=None, workers=1):
        self.lab, self.cores = lab, cores
        if cores:
            os.sched_setaffinity(0, {cores[1]})  # children inherit it
        self.world = World(lab, sites=(), hub_workers=workers, hub_config=hub_config)
        self.hub = self.world.hub
        # Answers to spoofed sources go to the bridge's own namespace, which does not forward.
        self.world.inet.ip("addr add 203.0.113.254/24 dev br0")
        self.world.hub_ns.ip("route add default via 203.0.113.254")
        self.hub_mac = self.world.hub_ns.ip_json("link", "show", "dev", "eth0")[0]["address"]
        with open(self.hub.file("key") + ".pub") as f:
            self.hub_key = re.search(r"^[A-Za-z0-9+/]{43}=$", f.read(), re.M).group(0)
        self.spokes = 0
        self.a = self.spoke("a")

    def spoke(self, name):
        """A spoke on the public segment, without NAT."""
        self.spokes += 1
        return add_spoke(self.world, name, self.spokes, {"udp": ["workers = 1"]})

    def start(self):
        self.hub.start(wait=False)
        if self.cores:
            favour(self.hub.process)
        until("the hub answers", self.hub.answers, 20)
        self.a.start(wait=False)
        if self.cores:
            self.pin_hub()
            favour(self.a.process)
        until("a answers", self.a.answers, 20)
        until("a is registered", self.a.ready, 15)
        # It shares a core with the blaster: let packets wait for it, not get lost before they are sent.
        self.a.ns.ip("link set warren0 txqueuelen 10000")
        self.a.ns.ping(self.world.overlay_of("hub"), 3, 0.05)
        return self

    def pin_hub(self):
        for task in os.listdir("/proc/%d/task" % self.hub.process.pid):
            os.sched_setaffinity(int(task), {self.cores[0]})

    def blast(self, kind, rate, seconds, sniff=0.5, tick_us=500):
        """The blaster, started; Blast.wait has what it says."""
        process = self.world.inet.spawn(program("blaster"), kind, "--device", "p-hub", "--mac", self.hub_mac,
            "--to", "203.0.113.1", "--port", PORT, "--rate", rate, "--seconds", seconds, "--sniff", sniff,
            "--tick", tick_us,
            "--key", self.hub_key, "--network", self.world.ca.network)
        return favour(process) if self.cores else process

    def pong(self, node, who, timeout_ms=2000):
        """Round trip of a sealed PING, by both control loops, in ms; None: no answer."""
        connection = UnixConnection(node.socket)
        try:
            connection.request("POST", "/api/v1/ping?who=%s&timeout_ms=%d" % (who, timeout_ms))
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                return None
            answer = json.loads(body)
            return answer["rtt_ns"] / 1e6 if answer["answered"] else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def trouble(self):
        """Log lines of either daemon that tell of a session lost."""
        return [line for node in (self.hub, self.a)
            for line in re.findall(LOST, node.log(), re.M)]

    def said(self):
        """UDP payload that the hub has sent to anybody, bytes."""
        tx = self.world.hub_ns.ip_json("-s", "link", "show", "dev", "eth0")[0]["stats64"]["tx"]
        return tx["bytes"] - 42 * tx["packets"]

    def carried(self):
        """User datagrams that the spoke has sent, and packets that the hub has delivered."""
        return (self.a.counters()["udp_tx_packets"], self.hub.counters()["tun_tx_packets"])

    def rss_kib(self):
        with open("/proc/%d/smaps_rollup" % self.hub.process.pid) as f:
            return int(re.search(r"^Rss:\s+(\d+) kB", f.read(), re.M).group(1))


def blasted(process, timeout=60):
    """What a blaster that has ended says of itself."""
    if process.wait(timeout) != 0:
        fail("the blaster failed: " + process.output())
    return json.loads(process.output().splitlines()[-1])


def run_ns(pid):
    """Time that all threads of a process ran, ns: user, system, and soft interrupts taken meanwhile."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with contextlib.suppress(OSError), open(path) as f:
            total += int(f.read().split()[0])
    return total


def core_ticks(core):
    """(busy, soft interrupt, all) ticks of a core."""
    with open("/proc/stat") as f:
        fields = re.search(r"^cpu%d (.*)$" % core, f.read(), re.M).group(1).split()
    user, nice, system, idle, wait, irq, soft, steal = map(int, fields[:8])
    return user + nice + system + irq + soft + steal, soft, sum(map(int, fields[:8]))


class Sample:
    """CPU of the flooded daemon and of the cores between begin and end."""

    def __init__(self, flooded):
        self.pid, self.cores = flooded.hub.process.pid, flooded.cores
        self.began = time.monotonic()
        self.ns = run_ns(self.pid)
        self.ticks = [core_ticks(c) for c in self.cores]

    def end(self):
        took = time.monotonic() - self.began
        shares = []
        for core, before in zip(self.cores, self.ticks):
            after = core_ticks(core)
            total = max(1, after[2] - before[2])
            shares.append(((after[0] - before[0]) / total, (after[1] - before[1]) / total))
        return {"daemon_cpu": (run_ns(self.pid) - self.ns) / 1e9 / took, "seconds": took,
            "core_busy": [s[0] for s in shares], "core_softirq": [s[1] for s in shares]}


class Pongs(threading.Thread):
    """PINGs of the flooded daemon's control loop, 10 a second, until stopped."""

    def __init__(self, flooded):
        super().__init__(daemon=True)
        self.flooded, self.rtts, self.missed, self.open = flooded, [], 0, True
        self.start()

    def run(self):
        while self.open:
            rtt = self.flooded.pong(self.flooded.hub, "a")
            if rtt is None:
                self.missed += 1
            else:
                self.rtts.append(rtt)
            time.sleep(0.1)

    def stop(self):
        self.open = False
        self.join(5)
        return {"ping_worst_ms": max(self.rtts, default=0.0),
            "ping_median_ms": statistics.median(self.rtts) if self.rtts else 0.0,
            "pings": len(self.rtts), "pings_missed": self.missed}


def pick_cores():
    """The flooded daemon's core and everybody else's."""
    cores = sorted(os.sched_getaffinity(0))
    expect(len(cores) >= 2, "this bench needs two cores")
    return cores[0], cores[1]
