"""
What is measured of a contender that is up. Each measure returns a flat dict of numbers:

    memory(c)       KiB of the daemons: peak and anonymous
    ping_idle(c)    round trips of an idle tunnel
    tcp(c, n, s)    n streams by iperf3; with one stream, round trips meanwhile
    udp(c, s)       goodput of datagrams of UDP_BYTES, by pktload, which finds the rate
    small(c, s)     datagrams of SMALL_BYTES a second, likewise

CPU is the daemons' own, user and system, from /proc/PID/stat, all together; a relaying hub is one of them.
GB are 10^9 bytes of payload. `other_load` is the share of the machine that none of this used: what other
people's processes and the hypervisor took while it was measured.
"""

import contextlib
import json
import os
import re
import resource
import time

from netlab import Ping, fail, until
from underlay import favour, program

UDP_BYTES = 1200    # fits every contender's MTU
SMALL_BYTES = 64
DATA_PORT, REPORT_PORT = 5300, 5301
OMIT = 1            # first seconds of iperf3 that its rate leaves out
TICK = os.sysconf("SC_CLK_TCK")


def machine_ticks():
    """(busy, stolen, all) of all cores."""
    with open("/proc/stat") as f:
        user, nice, system, idle, wait, irq, soft, steal = map(int, f.readline().split()[1:9])
    busy = user + nice + system + irq + soft
    return busy, steal, busy + steal + idle + wait


def own_seconds():
    """CPU of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


class Meter:
    """CPU between its making and end(), at which all helpers must have been waited for."""

    def __init__(self, contender):
        self.daemons = contender.daemons
        self.cpu = self._daemons()
        self.own, self.ticks = own_seconds(), machine_ticks()

    def _daemons(self):
        return {n: p.cpu_seconds() for n, p in self.daemons.items()}

    def end(self):
        after = self._daemons()
        self.used = {n: after[n] - self.cpu[n] for n in after}
        self.total = sum(self.used.values())
        busy, stolen, everything = (b - a for a, b in zip(self.ticks, machine_ticks()))
        ours = (own_seconds() - self.own + self.total) * TICK
        self.other_load = max(0.0, busy - ours + stolen) / max(1, everything)
        return self

    def result(self, name, per):
        """The CPU by daemon, for each `per` of what was carried."""
        found = {"cpu_%s" % name: self.total / per, "other_load": self.other_load}
        found.update({"cpu_%s_%s" % (name, n): u / per for n, u in self.used.items()})
        return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def round_trips(ping):
    rtts = [rtt for _, _, _, rtt in ping.replies]
    if not rtts:
        fail("no ping was answered")
    return {"p50_ms": percentile(rtts, 0.5), "p99_ms": percentile(rtts, 0.99),
        "pings_lost": ping.lost}


def memory(contender):
    found = {}
    for name, process in contender.daemons.items():
        with open("/proc/%d/status" % process.pid) as f:
            text = f.read()
        for key, field in (("peak_kib", "VmHWM"), ("anon_kib", "RssAnon")):
            found["%s_%s" % (key, name)] = int(re.search(r"^%s:\s+(\d+)" % field, text, re.M).group(1))
    return found


def ping_idle(contender):
    time.sleep(0.2)
    return round_trips(contender.ends[0].ns.ping(contender.target, 200, 0.005, 1))


@contextlib.contextmanager
def serving(ns, port, *argv):
    """A server that has its port; ended at the end, however that comes."""
    process = favour(ns.spawn(*argv))
    try:
        until("%s has its port" % argv[0], lambda: ns.run("ss", "-Hlntu", "sport", "=",
            ":%d" % port).stdout.strip())
        yield process
    finally:
        process.stop()


def tcp(contender, streams, seconds):
    a, b = (end.ns for end in contender.ends)
    found = {}
    with serving(b, 5201, "iperf3", "-s", "-1") as server:
        meter = Meter(contender)
        client = favour(a.spawn("iperf3", "-J", "-c", contender.target, "-t", seconds, "-O", OMIT, "-P",
            streams))
        if streams == 1:
            time.sleep(OMIT)
            found = round_trips(Ping(a, contender.target, int((seconds - 0.5) * 50), 0.02, 1).wait())
        client.wait(seconds + 30)
        server.wait(10)
        meter.end()
    told = json.loads(client.output())
    if "error" in told:
        fail("iperf3: " + told["error"])
    # CPU was counted over the omitted seconds too.
    carried = sum(interval["sum"]["bytes"] for interval in told["intervals"])
    found["gbit_s"] = told["end"]["sum_received"]["bits_per_second"] / 1e9
    found.update(meter.result("s_per_gb", carried / 1e9))
    return found


def load(contender, size, seconds):
    """pktload from a to b; its reports go beside the tunnel."""
    a, b = (end.ns for end in contender.ends)
    with serving(b, DATA_PORT, program("pktload"), "receive", DATA_PORT, contender.ends[0].underlay,
            REPORT_PORT) as receiver:
        meter = Meter(contender)
        sender = favour(a.spawn(program("pktload"), "send", contender.target, DATA_PORT, REPORT_PORT, size,
            seconds))
        if sender.wait(seconds + 30) != 0:
            fail(sender.output())
        receiver.stop()
        meter.end()
    told = json.loads(sender.output())
    if not told["received"]:
        fail("no datagram got through")
    return told, meter, {"loss": 1 - told["received"] / told["sent"]}


def udp(contender, seconds):
    told, meter, found = load(contender, UDP_BYTES, seconds)
    found["gbit_s"] = told["per_s"] * UDP_BYTES * 8 / 1e9
    found.update(meter.result("s_per_gb", told["received"] * UDP_BYTES / 1e9))
    return found


def small(contender, seconds):
    told, meter, found = load(contender, SMALL_BYTES, seconds)
    found["kpps"] = told["per_s"] / 1e3
    found.update(meter.result("s_per_mpkt", told["received"] / 1e6))
    return found


def everything(contender, seconds):
    """All measures, in order: measure -> numbers."""
    for process in contender.daemons.values():
        favour(process)
    found = {"idle": memory(contender), "ping": ping_idle(contender)}
    found["tcp1"] = tcp(contender, 1, seconds)
    found["tcp4"] = tcp(contender, 4, seconds)
    found["udp"] = udp(contender, seconds)
    found["small"] = small(contender, seconds)
    found["end"] = memory(contender)
    return found
