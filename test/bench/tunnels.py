#!/usr/bin/env python3
"""
Compares tunnels between two hosts, interleaved: each round measures each contender once, in turn, over the
same underlay (underlay.py). What runs: contenders.py, others.py. What is measured: measures.py. What is
made of it, and the project's goals: report.py.
"""

import argparse
import fnmatch
import json
import os
import platform
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from underlay import Underlay  # noqa: E402
from contenders import Plain, stages, warrens  # noqa: E402
from measures import everything  # noqa: E402
from netlab import Lab, LabError, need_root  # noqa: E402
from others import others  # noqa: E402
import report  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each measure")
    parser.add_argument("--only", help="names of contenders, with * and ?, separated by commas; also 'warren-stage-*'")
    parser.add_argument("--json", default=os.path.join("build", "bench.json"))
    return parser.parse_args()


def chosen(contenders, only):
    patterns = only.split(",")
    found = [c for c in contenders if any(fnmatch.fnmatchcase(c.name, p) for p in patterns)]
    if not found:
        sys.exit("no such contender; there are: " + " ".join(c.name for c in contenders))
    return found


def measured(contender, seconds):
    """One turn: (numbers, None) or (None, why not)."""
    try:
        try:
            contender.up()
            found = everything(contender, seconds)
        finally:
            contender.down()
        return found, None
    except (LabError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return None, "%s" % error


def turn(contender, number, seconds, results):
    found, why = measured(contender, seconds)
    if why:
        results["failed"].setdefault(contender.name, []).append(why)
        print("round %d  %-18s FAILED: %s" % (number, contender.name, why), flush=True)
        return
    results["rounds"][contender.name][number] = found
    print("round %d  %-18s TCP %5.2f, x4 %5.2f Gbit/s  UDP %5.2f  %4.0f kpps  (other load %2.0f %%)" % (
        number, contender.name, found["tcp1"]["gbit_s"], found["tcp4"]["gbit_s"],
        found["udp"]["gbit_s"], found["small"]["kpps"],
        100 * max(found[m]["other_load"] for m in ("tcp1", "tcp4", "udp", "small"))), flush=True)


def main():
    need_root()
    args = arguments()
    with Lab() as lab:
        underlay = Underlay(lab)
        contenders = [Plain(underlay)] + others(underlay) + warrens(underlay)
        if args.only:
            contenders = chosen(contenders + stages(underlay), args.only)
        results = {"rounds": {}, "failed": {}, "seconds": args.seconds, "cores": os.cpu_count(),
            "kernel": platform.release()}
        for c in list(contenders):
            why = c.missing()
            if why:
                results["failed"][c.name] = [why]
                contenders.remove(c)
                print("%s cannot run here: %s" % (c.name, why))
        print("%d rounds, %d s each measure, %d cores, Linux %s, load %.2f" % (args.rounds, args.seconds,
            os.cpu_count(), platform.release(), os.getloadavg()[0]), flush=True)
        results["rounds"] = {c.name: {} for c in contenders}
        for number in range(1, args.rounds + 1):
            for c in contenders:
                turn(c, number, args.seconds, results)
            results["about"] = {c.name: {"what": c.what, "mtu": c.mtu} for c in contenders}
            summary = report.summarise(results)
            with open(args.json, "w") as f:  # after each round: it may be the last one
                json.dump(dict(results, summary=summary), f, indent=1)
    print("\n" + report.markdown(results, summary))
    print("\nAll figures: %s" % args.json)


if __name__ == "__main__":
    main()
