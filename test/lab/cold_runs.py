#!/usr/bin/env python3
"""
cold_runs.py [N]: the time from the first packet to the direct path, N times (20) from cold: both
spokes start anew, register, and then a LAN host sends its first packet. Prints each run and the
median. The whole network is made once; routers forget their state between runs.
"""

import statistics
import sys
import time

from netlab import Lab, LabError, Ping, World, need_root, until


def one_run(world):
    a, b = world.spokes["a"], world.spokes["b"]
    for node in (a, b):
        node.stop()
    for site in world.sites.values():
        site.router.run("conntrack", "-F")
    for node in (a, b):
        node.start(wait=False)
    for node in (a, b):
        until("it answers", node.answers, 20)
        until("it is registered", node.ready, 15)
    if a.direct("b") or b.direct("a"):
        raise LabError("this run is not cold")
    ping = Ping(world.sites["a"].host, world.host_of("b"), 300, 0.0095)
    at = None
    deadline = time.time() + 3
    while at is None and time.time() < deadline:
        if a.direct("b") and b.direct("a"):
            at = time.time()
        time.sleep(0.002)
    ping.wait()
    if not ping.replies:
        raise LabError("no reply at all")
    took = (at - ping.first_sent()) * 1000 if at else float("inf")
    return took, ping.replies[0][3], ping.lost


def main():
    need_root()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with Lab() as lab:
        world = World(lab).start()
        results = []
        for number in range(runs):
            took, first, lost = one_run(world)
            results.append((took, first, lost))
            print("run %2d: first reply %5.1f ms, direct after %6.1f ms, %d lost" % (number + 1, first,
                took, lost), flush=True)
    times = sorted(r[0] for r in results)
    print("%d runs: direct after %.0f ms in the median (%.0f to %.0f), first reply %.1f ms in the "
        "median, %d lost in all" % (runs, statistics.median(times), times[0], times[-1],
        statistics.median(r[1] for r in results), sum(r[2] for r in results)))
    return 0 if times[-1] <= 1000 else 1


if __name__ == "__main__":
    sys.exit(main())
