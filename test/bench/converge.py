#!/usr/bin/env python3
"""
How fast the network is itself again, for each phase and each routing protocol: a stream of 100 packets/s from
a LAN behind spoke a into a network behind spoke b, with two hubs. What happens to it:

    move   the network moves to spoke c; what is measured is from its plugging in there
    hub    warrend and the routing daemon of the hub that leads or carries are killed (kill -9)
    back   that hub comes back (nothing ought to be lost)
    cut    nothing passes directly between a and b any more; nobody answers the stream
    cut2   the same, and each packet is answered, as in most of what people do

Reported are the time until the last loss was over and the packets lost, medians and worst of the rounds.
"""

import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import Lab, LabError, World, need_root, until  # noqa: E402
from clouds import CASES  # noqa: E402
from moving import HOST, NET, Mobile, Stream  # noqa: E402

EVENTS = ("move", "hub", "back", "cut", "cut2")
GIVE_UP_S = 90


class Run:
    """One case: a world with two hubs that is up, and streams through it. tell: hears each result as a line."""

    def __init__(self, lab, case, tell=lambda line: None):
        self.case, self.tell = case, tell
        self.world = World(lab, sites=("a", "b", "c"), overlay="both", prefixes=None,
            certified=case.certified(), advertise=case.advertise,
            spoke_config={"nhrp": ["shortcut = no"]} if case.phase == 1 else None)
        self.world.second_hub()
        self.world.start()
        self.mobile = Mobile(self.world, ("b", "c"))
        self.daemons = case.start(self.world)
        self.host = self.world.sites["a"].host
        until("both hubs lead to the network", lambda: all(self.leads(hub, family)
            for hub in (self.world.hub, self.world.hub2) for family in case.families), GIVE_UP_S)
        self.streams = {f: Stream(self.host, self.mobile.ns, f) for f in case.families}
        self.results = []
        self.settle("at the start")

    def flowing(self, what):
        for stream in self.streams.values():
            stream.until_flowing(what, GIVE_UP_S)

    def by_the_hubs(self):
        """Packets that the hubs forward in some time."""
        hubs = (self.world.hub, self.world.hub2)
        before = sum(h.hairpinned() for h in hubs)
        time.sleep(0.3)
        return sum(h.hairpinned() for h in hubs) - before

    def settle(self, what):
        """Until packets flow, directly where that is what the phase is about, and all has come to rest."""
        self.flowing(what)
        if self.case.phase != 1:
            until("packets go directly to %s %s" % (self.mobile.home, what),
                lambda: self.by_the_hubs() == 0, GIVE_UP_S)
        time.sleep(self.case.rest_s)
        self.flowing(what)

    def measure(self, event, began, watch_s):
        """Watches for so long at least, and until packets flow."""
        time.sleep(watch_s)
        self.flowing("after " + event)
        for family, stream in self.streams.items():
            seconds, lost = stream.since(began)
            self.results.append({"event": event, "family": family, "seconds": round(seconds, 3),
                "lost": lost})
            self.tell("     %-5s IPv%d  %6.2f s  %4d lost" % (event, family, seconds, lost))

    def move(self):
        to = self.mobile.elsewhere()
        self.mobile.move(to)
        self.measure("move", time.monotonic(), self.case.watch_s)
        self.settle("after a move")

    def cut(self, answers):
        world, home = self.world, self.mobile.home
        for stream in self.streams.values():
            stream.answers = answers
        time.sleep(answers)
        began = time.monotonic()
        world.block_direct("a", home)
        self.measure("cut2" if answers else "cut", began, 5)
        world.unblock()
        self.settle("after a cut")
        for stream in self.streams.values():
            stream.answers = False

    def victim(self):
        """The hub that leads to the network from a, or that carries most."""
        hubs = [self.world.hub, self.world.hub2]
        if self.case.phase == 1:
            before = [h.hairpinned() for h in hubs]
            time.sleep(0.5)
            moved = [h.hairpinned() - n for h, n in zip(hubs, before)]
            return hubs[moved[1] > moved[0]]
        gateways = {r["gateway"] for r in self.world.spokes["a"].routes()
            if r["prefix"] in NET.values() and r["active"]}
        return hubs[bool(gateways & {"10.77.0.2", "fd77::2", "fe80::5efe:a4d:2"})]

    @staticmethod
    def leads(hub, family):
        """Has it a route to the network?"""
        return any(r["dst"] == NET[family] for r in hub.ns.ip_json("-%d" % family, "route"))

    def hub(self):
        hub = self.victim()
        daemon = self.daemons.get(hub.name)
        began = time.monotonic()
        hub.kill()
        if daemon:
            daemon.kill()
        self.measure("hub", began, max(self.case.watch_s, 5))
        began = time.monotonic()
        hub.start(tidy=False)
        if daemon:
            daemon.start()
        until("the hub is back",
            lambda: all(self.leads(hub, family) for family in self.case.families), GIVE_UP_S)
        self.measure("back", began, 5)
        self.settle("after a hub's return")

    def rounds(self, n):
        for _ in range(n):
            if self.case.moves:
                self.move()
            if self.case.phase != 1:
                self.cut(answers=False)
                self.cut(answers=True)
            self.hub()
        return self.results

    def close(self):
        for stream in self.streams.values():
            stream.close()


def run_case(case, rounds):
    """(its results, None or what failed)."""
    with Lab() as lab:
        run = None
        try:
            run = Run(lab, case, lambda line: print(line, flush=True))
            return run.rounds(rounds), None
        except LabError as error:
            return (run.results if run else []), error
        finally:
            if run:
                run.close()


def figure(results, event, family):
    """Median and worst of an event, as a cell of the table."""
    mine = [r for r in results if r["event"] == event and r["family"] == family]
    if not mine:
        return "-"
    seconds, lost = [r["seconds"] for r in mine], [r["lost"] for r in mine]
    if max(lost) == 0:
        return "0 lost"
    return "%.2f / %.2f s, %d lost" % (statistics.median(seconds), max(seconds),
        statistics.median(lost))


def table(all_results):
    """Lines of a Markdown table."""
    yield "| routing | phase | LAN moves | a hub of two dies | it comes back | direct path cut | the same, answered |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for case in CASES:
        for family in case.families:
            results = all_results.get(case.name, [])
            if any(r["family"] == family for r in results):
                yield "| %s | %d | %s |" % (case.titles[family], case.phase,
                    " | ".join(figure(results, event, family) for event in EVENTS))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="results are read from and written to this file")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("case", nargs="*")
    options = parser.parse_args()
    names = [case.name for case in CASES]
    unknown = set(options.case) - set(names)
    if options.list or unknown:
        print("\n".join(names))
        return 2 if unknown else 0
    need_root()
    results, failed = {}, 0
    if options.json and os.path.exists(options.json):
        with open(options.json) as f:
            results = json.load(f)
    for case in CASES:
        if options.case and case.name not in options.case:
            continue
        print(case.name, flush=True)
        results[case.name], error = run_case(case, options.rounds)
        if error:
            failed += 1
            print("FAIL %s: %s" % (case.name, error), flush=True)
        if options.json:
            with open(options.json, "w") as f:
                json.dump(results, f, indent=1)
    print("\n".join(table(results)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
