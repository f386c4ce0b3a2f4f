#!/usr/bin/env python3
"""
The measurement of convergence, small: that it counts what is lost, and that a network that moves is found at
once even by a hub that was restarted since it told of it. test/bench/converge.sh is the real one.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from netlab import expect, run, scenario  # noqa: E402
from converge import Run, figure, table  # noqa: E402
from clouds import Registration  # noqa: E402


@scenario
def moves_after_the_hub_forgot(lab):
    """Phase 3: a hub dies and comes back, then the network moves to another spoke: hardly a packet is lost."""
    case = Registration(3)
    run = Run(lab, case)
    try:
        run.hub()
        run.move()
    finally:
        run.close()
    lost = {r["event"]: r["lost"] for r in run.results}
    expect(lost["hub"] <= 1 and lost["back"] <= 1 and lost["move"] <= 20, "lost: %s" % lost)
    return "lost: %s" % ", ".join("%d (%s)" % (n, e) for e, n in lost.items())


@scenario
def counts(lab):
    """What does not arrive is counted, from the event on, and so is its time."""
    run = Run(lab, Registration(1))
    try:
        began = time.monotonic()
        run.mobile.ns.ip("link set br0 down")
        time.sleep(1)
        run.mobile.ns.ip("link set br0 up", "route add default via 192.168.50.1")
        run.measure("cut", began, 1)
    finally:
        run.close()
    one = run.results[0]
    expect(0.9 <= one["seconds"] <= 1.5 and 85 <= one["lost"] <= 150, "counted: %s" % one)
    return "%(seconds).2f s, %(lost)d lost" % one


@scenario
def figures(_lab):
    """Medians and worst of the rounds, a row for each family that was measured."""
    results = [{"event": "move", "family": 4, "seconds": s, "lost": n} for s, n in
        ((0.1, 9), (2.0, 30), (0.3, 20))] + [{"event": "hub", "family": 4, "seconds": 0, "lost": 0}]
    expect(figure(results, "move", 4) == "0.30 / 2.00 s, 20 lost", figure(results, "move", 4))
    expect(figure(results, "hub", 4) == "0 lost" and figure(results, "cut", 4) == "-", "none lost, none made")
    rows = list(table({"registration-3": results}))
    expect(len(rows) == 3 and rows[2].startswith("| none (registered prefixes) | 3 | 0.30"), "%s" % rows)


if __name__ == "__main__":
    run()
