#!/usr/bin/env python3
"""
Does memory grow? Two spokes and a hub under mixed load: TCP, large and small datagrams, a third spoke that
is restarted, and a spoke that changes its underlay address, all over and over. Anonymous memory of the
daemons each minute; exit status 1 if one has grown by more than LIMIT_KIB since it had warmed up.
"""

import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from underlay import Underlay  # noqa: E402
from contenders import Warren  # noqa: E402
import measures  # noqa: E402
from netlab import Lab, need_root, until  # noqa: E402

LIMIT_KIB = 256
WARM_MINUTES = 15  # buffers are first used whole by the largest burst, and that may come late
SECONDS = 4  # of each load


class Load:
    """The kinds of load, one after the other, between samples."""

    def __init__(self, lab):
        self.underlay = Underlay(lab, ("a", "b", "c"))
        self.tunnel = Warren(self.underlay, "aes-256-gcm")
        self.tunnel.up()
        del self.tunnel.daemons["c"]  # it is another process each time
        self.roamed, self.done = 0, {}

    def tcp(self):
        measures.tcp(self.tunnel, 4, SECONDS)

    def udp(self):
        measures.udp(self.tunnel, SECONDS)

    def small(self):
        measures.small(self.tunnel, SECONDS)

    def restart(self):
        """A spoke that ends and comes again: new sessions at the hub and at a."""
        a, c = self.underlay.a, self.underlay.c
        c.stop()
        c.start()
        until("c is registered again", c.ready, 30)
        until("a reaches c", lambda: a.ns.ping(c.overlay, 10, 0.05, 1).received, 20)

    def roam(self):
        """b has another underlay address; its sessions go on or are made anew."""
        a, b = self.underlay.a, self.underlay.b
        old, new = (("203.0.113.%d/24" % n) for n in ((12, 22), (22, 12))[self.roamed % 2])
        b.ns.ip("addr del %s dev eth0" % old, "addr add %s dev eth0" % new)
        self.roamed += 1
        until("a reaches b", lambda: a.ns.ping(b.overlay, 10, 0.05, 1).received, 60)

    def turn(self, between):
        for kind in (self.tcp, self.udp, self.small, self.restart, self.roam):
            kind()
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            between()


class Samples:
    def __init__(self, load, minutes):
        self.load, self.minutes = load, minutes
        self.began, self.rows = time.monotonic(), []
        self.take()

    def age(self):
        return (time.monotonic() - self.began) / 60

    def take(self):
        """One a minute."""
        if self.age() < len(self.rows):
            return
        anon = {k[len("anon_kib_"):]: v for k, v in measures.memory(self.load.tunnel).items()
            if k.startswith("anon_kib_")}
        self.rows.append(dict(anon, minute=round(self.age(), 2)))
        print("%6.1f min   %s" % (self.age(), "   ".join("%s %d KiB" % item
            for item in anon.items())), flush=True)

    def growth(self):
        """Daemon -> KiB that it has grown since it was warm, at its largest."""
        warm = min(WARM_MINUTES, self.minutes / 2)
        first = next(i for i, row in enumerate(self.rows) if row["minute"] >= warm)
        return {name: max(row[name] for row in self.rows[first:]) - self.rows[first][name]
            for name in self.rows[0] if name != "minute"}


def main():
    need_root()
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--json", default=os.path.join("build", "growth.json"))
    args = parser.parse_args()
    if args.minutes < 2:
        sys.exit("--minutes: at least 2")
    with Lab() as lab:
        load = Load(lab)
        samples = Samples(load, args.minutes)
        while samples.age() < args.minutes:
            load.turn(samples.take)
        time.sleep(1)
        samples.take()
        grown = samples.growth()
    bad = [name for name, kib in grown.items() if kib > LIMIT_KIB]
    print("loads: " + ", ".join("%s %d" % item for item in load.done.items()))
    for name, kib in grown.items():
        print("%s: + %d KiB%s" % (name, kib, "   TOO MUCH" if name in bad else ""))
    with open(args.json, "w") as f:
        json.dump({"samples": samples.rows, "grown_kib": grown, "loads": load.done}, f, indent=1)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
