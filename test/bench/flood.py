#!/usr/bin/env python3
"""
Goodput while a daemon is flooded. First the most that goes through without a flood, by UDP and by TCP;
then half of that is offered, without and with each kind of flood, taking turns. What is
demanded: goodput at least 95 % of the offer, no session lost, no growth of memory, the control loop's
pings answered. `carried` is what the daemon delivered of what the other one sent on the wire: where it
is 100 % and the goodput is not, the sending core was too busy to offer more. And what a bad packet of each kind costs the daemon in CPU time: its time in a flood
less its time at the same offer without, by the number of bad packets. See flooding.py for the
topology, and for whose core pays for what.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from flooding import (Flooded, KINDS, Pongs, Sample, blasted, expect, favour, pick_cores,
    until)  # noqa: E402
from netlab import Lab, Ping, need_root  # noqa: E402

UDP_LEN = 1300
BASE = "(none)"
PING_LIMIT_MS = 1000  # of the control loops: the first retransmission of anything is later
RSS_LIMIT_KIB = 256   # pages of a batch, which has a size, come into being when a burst first needs them
FEW = 300             # bad packets a second, below all limits on answers
SLOW = (("right-mac1", 450), ("unknown", 450))


def iperf(flooded, seconds, protocol, bits=0):
    """One run to the flooded daemon, its client started; finish() has the figures."""
    hub, a = flooded.world.hub_ns, flooded.a.ns
    server = favour(hub.spawn("iperf3", "-s", "-1"))
    until("iperf3 listens", lambda: ":5201" in hub.run("ss", "-ltn").stdout)
    argv = ["iperf3", "-J", "-c", flooded.world.overlay_of("hub"), "-t", seconds, "-O", 1]
    argv += ["-u", "-l", UDP_LEN] if protocol == "udp" else []
    argv += ["-b", int(bits)] if bits else []
    client = favour(a.spawn(*argv))

    def finish():
        client.wait(seconds + 30)
        server.wait(10)
        answer = json.loads(client.output())
        expect("error" not in answer, "iperf3: %s" % answer.get("error"))
        end = answer["end"]
        got = end["sum_received"] if protocol == "tcp" else end["sum"]
        # Where its sender is overrun iperf3 counts more lost than sent: that is nothing kept.
        kept = 1 if protocol == "tcp" else max(0.0, 1 - got["lost_percent"] / 100)
        return got["bits_per_second"] * kept, kept

    return finish


def most_by_udp(flooded, seconds):
    """
    Offers that grow by a quarter, until two in a row bring no more: sender and receiver share a core, and
    overrun each other long before warren has enough. UDP is not TCP, whose sender sends trains.
    """
    best, worse, offer = 0.0, 0, 200e6
    while worse < 2:
        got = iperf(flooded, seconds, "udp", offer)()[0]
        worse = 0 if got > best else worse + 1
        best, offer = max(best, got), offer * 1.25
    return best


def maxima(flooded, args):
    """The most that goes through without a flood, bit/s, by each protocol."""
    return {p: most_by_udp(flooded, args.seconds) if p == "udp" else
        statistics.median(iperf(flooded, args.seconds, p)()[0] for _ in range(3))
        for p in args.protocols}


def measure(flooded, protocol, bits, kind, rate, seconds):
    """One run at an offer, with a flood of this kind or none."""
    drops = flooded.hub.status()["drops"]
    finish = iperf(flooded, seconds, protocol, bits)
    blaster = flooded.blast(kind, rate, seconds + 1.5) if kind != BASE else None
    # iperf3 leaves its first second out; by then the blaster has sniffed and is at work.
    time.sleep(1.2)
    sample, pongs, before = Sample(flooded), Pongs(flooded), flooded.carried()
    time.sleep(seconds - 0.4)
    after = flooded.carried()
    result = sample.end()
    result["carried"] = (after[1] - before[1]) / max(1, after[0] - before[0])
    result.update(pongs.stop())
    bits_got, result["kept"] = finish()
    result["goodput"] = bits_got / bits
    sent = blasted(blaster) if blaster else None
    result["bad_rate"] = sent["rate"] if sent else 0
    result["blaster"] = sent
    after = flooded.hub.status()["drops"]
    result["drops"] = {k: after[k] - drops[k] for k in after if after[k] > drops[k]}
    peer = flooded.hub.peer("a")
    result["session"] = bool(peer and peer["up"])
    return result


def amplification(flooded, kind, rate):
    """Bytes of UDP payload that come out for each byte of a flood, its ping's answers taken off."""
    ping = Ping(flooded.a.ns, flooded.world.overlay_of("hub"), 60, 0.05)  # something to sniff
    time.sleep(0.3)
    before = flooded.said()
    time.sleep(1)
    quiet = flooded.said() - before
    before, began = flooded.said(), time.monotonic()
    sent = blasted(flooded.blast(kind, rate, 1.5))
    said = flooded.said() - before - quiet * (time.monotonic() - began)
    ping.wait()
    return max(0.0, said / sent["bytes"])


def rows_of(results, protocols, kinds):
    rows = []
    for protocol in protocols:
        base = statistics.median(r["daemon_cpu"] for r in results[protocol, BASE])
        for kind in (BASE,) + tuple(kinds):
            runs = results[protocol, kind]
            cost = [(r["daemon_cpu"] - base) * 1e6 / r["bad_rate"] for r in runs if r["bad_rate"]]
            rows.append({"protocol": protocol, "kind": kind,
                "bad_rate": statistics.median(r["bad_rate"] for r in runs),
                "goodput": statistics.median(r["goodput"] for r in runs),
                "carried": statistics.median(r["carried"] for r in runs),
                "goodput_all": [round(r["goodput"], 4) for r in runs],
                "daemon_cpu": statistics.median(r["daemon_cpu"] for r in runs),
                "us_per_bad": statistics.median(cost) if cost else None,
                "us_per_bad_all": [round(c, 3) for c in cost],
                "core_busy": [statistics.median(r["core_busy"][i] for r in runs) for i in (0, 1)],
                "core_softirq": [statistics.median(r["core_softirq"][i] for r in runs) for i in (0, 1)],
                "ping_worst_ms": max(r["ping_worst_ms"] for r in runs),
                "pings_missed": sum(r["pings_missed"] for r in runs),
                "sessions_kept": all(r["session"] for r in runs),
                "drops": runs[-1]["drops"]})
    return rows


def show(rows):
    print("\n%-5s %-11s %8s %8s %8s %7s %7s %12s %8s  %s" % ("", "flood", "bad/s", "goodput",
        "carried", "daemon", "us/bad", "cores busy", "ping ms", "drops of the last run"))
    for r in rows:
        print("%-5s %-11s %8.0f %7.1f%% %7.1f%% %6.0f%% %7s %5.0f%% %5.0f%% %8.1f  %s" % (r["protocol"],
            r["kind"], r["bad_rate"], r["goodput"] * 100, r["carried"] * 100, r["daemon_cpu"] * 100,
            "" if r["us_per_bad"] is None else "%.2f" % r["us_per_bad"],
            r["core_busy"][0] * 100, r["core_busy"][1] * 100, r["ping_worst_ms"],
            " ".join("%s=%d" % d for d in r["drops"].items())))


def judge(rows, rss, trouble, factors, args):
    """What missed its target, in words."""
    missed = ["%s at %d/s: %.2f bytes are sent for each that came" % (kind, rate, factor)
        for (kind, rate), factor in factors.items() if factor > 1]
    for r in rows:
        if r["kind"] == BASE and r["goodput"] < 0.99:
            missed.append("%s without a flood: %.1f %% of the offer: is the machine busy?" % (
                r["protocol"], r["goodput"] * 100))
        name = "%s %s" % (r["protocol"], r["kind"])
        if r["goodput"] < args.least:
            missed.append("%s: goodput %.1f %% of the offer" % (name, r["goodput"] * 100))
        if r["kind"] != BASE and r["bad_rate"] < 0.9 * args.rate:
            missed.append("%s: only %.0f bad packets/s were sent" % (name, r["bad_rate"]))
        if not r["sessions_kept"]:
            missed.append(name + ": the session was lost")
        if r["pings_missed"] or r["ping_worst_ms"] > PING_LIMIT_MS:
            missed.append("%s: %d pings unanswered, the worst took %.0f ms" % (name,
                r["pings_missed"], r["ping_worst_ms"]))
    if rss[1] - rss[0] > RSS_LIMIT_KIB:
        missed.append("memory grew from %d to %d KiB" % rss)
    missed += ["log: " + line for line in trouble]
    return missed


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=100000, help="bad packets a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--protocols", nargs="+", default=["udp", "tcp"], choices=["udp", "tcp"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--mbits", type=float, help="the offer, instead of half of the maximum")
    parser.add_argument("--least", type=float, default=0.95, help="goodput demanded, of the offer")
    parser.add_argument("--json", default=os.path.join("build", "flood.json"))
    return parser.parse_args()


def main():
    need_root()
    args = arguments()
    cores = pick_cores()
    load = os.getloadavg()[0]
    print("%d rounds of %d s, %d bad packets/s, the daemon on core %d, all else on core %d, Linux %s, "
        "load %.2f" % (args.rounds, args.seconds, args.rate, *cores, platform.release(), load))
    results = {}
    with Lab() as lab:
        flooded = Flooded(lab, cores).start()
        best = {} if args.mbits else maxima(flooded, args)
        offers = {p: args.mbits * 1e6 if args.mbits else best[p] / 2 for p in args.protocols}
        for protocol, bits in offers.items():
            print("%s: maximum %s, offered %.0f Mbit/s" % (protocol,
                "%.0f" % (best[protocol] / 1e6) if best else "not measured", bits / 1e6), flush=True)
        # Every page that a flood touches has been touched then: tables of sources take strangers in
        # only as long as they are few.
        for kind, rate in SLOW:
            blasted(flooded.blast(kind, rate, 6))
        for kind in args.kinds:
            measure(flooded, args.protocols[0], offers[args.protocols[0]], kind, args.rate, 2)
        before = flooded.rss_kib()
        for number in range(args.rounds):
            for kind in [BASE] + args.kinds:
                for protocol in args.protocols:
                    r = measure(flooded, protocol, offers[protocol], kind, args.rate, args.seconds)
                    results.setdefault((protocol, kind), []).append(r)
                    print("round %d  %s %-11s goodput %5.1f %%  daemon %3.0f %%  %s" % (number + 1,
                        protocol, kind, r["goodput"] * 100, r["daemon_cpu"] * 100,
                        "%.0f bad/s" % r["bad_rate"] if r["bad_rate"] else ""), flush=True)
        rss = (before, flooded.rss_kib())
        factors = {(kind, rate): amplification(flooded, kind, rate)
            for kind in args.kinds for rate in (FEW, args.rate)}
        rows = rows_of(results, args.protocols, args.kinds)
        missed = judge(rows, rss, flooded.trouble(), factors, args)
    show(rows)
    print("\nbytes sent for each byte of a flood: " + ", ".join(
        "%s %.3f at %d/s" % (kind, factor, rate) for (kind, rate), factor in factors.items()))
    print("memory of the daemon: %d KiB, then %d KiB" % rss)
    with open(args.json, "w") as f:
        json.dump({"rate": args.rate, "rounds": args.rounds, "seconds": args.seconds,
            "offer_bits": offers, "maximum_bits": best, "kernel": platform.release(), "load_before": load,
            "rss_kib": rss, "amplification": [{"kind": k, "rate": r, "factor": f}
                for (k, r), f in factors.items()], "rows": rows, "missed": missed}, f, indent=1)
    print("in %s too" % args.json)
    for line in missed:
        print("MISSED  " + line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
