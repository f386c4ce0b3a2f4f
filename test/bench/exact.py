#!/usr/bin/env python3
"""
Mixed TCP and UDP, IPv4 and IPv6, between two spokes with every combination of offloads, and then by every
way with all of them: nothing may come out other than it went in. What is sent, and how it is checked, stands
in test/lab/mixed.c; what went wrong can be had again by its seed.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from mixed import ALL, Pair, combinations, spell, used  # noqa: E402
from netlab import Lab, LabError, need_root  # noqa: E402

PIECE = 500  # MB of one run, at most


class Total:
    """What all runs together have come to."""

    def __init__(self):
        self.bytes = self.sent = self.lost = self.wrong = self.late = self.marked = self.failed = 0

    def add(self, result):
        for key in ("bytes", "sent", "lost", "wrong", "late", "marked"):
            setattr(self, key, getattr(self, key) + getattr(result, key))


def show(what, r, note=""):
    print("%-52s %7.3f GB %9d datagrams %5d lost %5d marked %4d wrong %3d late  %s" % (what, r.bytes / 1e9,
        r.sent, r.lost, r.marked, r.wrong, r.late, note), flush=True)


def measure(pair, what, megabytes, seed, total, offloads=None, **options):
    """One run, started anew with these offloads, or with those that the pair was started with."""
    try:
        if offloads is not None:
            pair.start(offloads)
        in_use = pair.in_use()
        result = pair.traffic(megabytes, seed, **options)
        total.add(result)
        note = "%d flows, %.0f MB/s, %s last" % (len(result.flows), result.bytes / 1e6 / result.seconds,
            result.slowest)
        if in_use != used(pair.offloads):
            note += ", in use: " + spell(in_use)
        show(what, result, note)
        result.check()
        pair.check_drops()
    except LabError as error:
        total.failed += 1
        print("FAIL %s, seed %d: %s" % (what, seed, error), flush=True)


def every_combination(gigabytes, seed, total):
    sets = list(combinations())
    with Lab() as lab:
        pair = Pair(lab)
        for number, offloads in enumerate(sets):
            megabytes = max(1, round(gigabytes * 1000 / len(sets)))
            measure(pair, spell(offloads), megabytes, seed + number, total, offloads)
            pair.stop()


def with_all(gigabytes, seed, total):
    ways = (
        ("all, directly", {}, {}),
        ("all, between hosts behind the spokes", {}, {"hosts": True}),
        ("all, by the hub", {"shortcut": False}, {}),
        ("all, IPv6 outside", {"underlay": 6}, {}),
    )
    for number, (what, world, options) in enumerate(ways):
        with Lab() as lab:
            pair = Pair(lab, **world).start(ALL)
            left = round(gigabytes * 1000 / len(ways))
            for piece in range(0, left, PIECE):
                measure(pair, what, min(PIECE, left - piece), seed + 1000 * (number + 1) + piece, total,
                    **options)


def main():
    need_root()
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    total = Total()
    every_combination(args.gigabytes, args.seed, total)
    with_all(args.gigabytes, args.seed, total)
    show("total", total, "%d runs failed" % total.failed if total.failed else "exact")
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
