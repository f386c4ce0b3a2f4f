#!/usr/bin/env python3
"""
Throughput between two spokes: warren by the shortcut, warren by the hub, wireguard-go. All three run
in the same namespaces over the same underlay, NAT routers included (wireguard-go gets its peer's
endpoint by configuration and a keepalive, which is all that these routers ask for). One contender
at a time, taking turns; medians over the rounds.

CPU is the daemons' own, user and system, from /proc/PID/stat, per GB (10^9 bytes) of TCP payload.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import Lab, World, expect, need_root, until  # noqa: E402

WG_PORT = 51820


class Warren:
    def __init__(self, world, shortcut):
        self.world, self.shortcut = world, shortcut
        self.name = "warren, shortcut" if shortcut else "warren, by the hub"
        self.target = world.overlay_of("b")

    def up(self):
        a, b = (self.world.spokes[n] for n in ("a", "b"))
        for node in (a, b):
            node.set("nhrp", "shortcut = " + ("yes" if self.shortcut else "no"))
        self.world.start()
        self.daemons = {"a": a.process, "b": b.process, "hub": self.world.hub.process}
        until("b answers", lambda: a.ns.reachable(self.target), 10)
        if self.shortcut:
            def direct():
                a.ns.ping(self.target, 5, 0.02)
                return a.direct("b") and b.direct("a")
            until("a and b talk directly", direct, 15)
        self.before = self.world.hub.hairpinned()
        self.note = "%s, MTU %d" % (a.peer("b" if self.shortcut else "hub")["cipher"],
            a.status()["mtu_bytes"])

    def down(self):
        relayed = self.world.hub.hairpinned() - self.before
        expect(self.shortcut == (relayed < 1000), "%s: the hub relayed %d" % (self.name, relayed))
        for node in self.world.nodes():
            node.stop()


class WireGuard:
    name = "wireguard-go"
    target = "10.99.0.2"

    def __init__(self, world):
        self.world = world
        self.keys = [self._keys(n) for n in ("a", "b")]

    def _keys(self, name):
        ns = self.world.sites[name].ns
        secret = ns.run("wg", "genkey").stdout.strip()
        return secret, ns.run("wg", "pubkey", stdin=secret).stdout.strip()

    def up(self):
        self.daemons = {}
        ends = [self.world.sites[n] for n in ("a", "b")]
        for i, site in enumerate(ends):
            # The name belongs to a socket in the file system, which the namespaces share.
            device = "wg%s%d" % (self.world.lab.tag, i)
            self.daemons[site.name] = site.ns.spawn("wireguard-go", "-f", device,
                env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
            until("wireguard-go runs", lambda: device in site.ns.links(), 5)
            path = self.world.lab.path("wg.key")
            with open(path, "w") as f:
                f.write(self.keys[i][0])
            os.chmod(path, 0o600)
            until("wireguard-go is configured", lambda: site.ns.run("wg", "set", device,
                "private-key", path, "listen-port", WG_PORT, "peer", self.keys[1 - i][1],
                "allowed-ips", "10.99.0.0/24", "persistent-keepalive", 1, "endpoint",
                "%s:%d" % (ends[1 - i].public4, WG_PORT), check=False).returncode == 0, 5)
            site.ns.ip("addr add 10.99.0.%d/24 dev %s" % (i + 1, device), "link set %s up" % device)
            mtu = site.ns.ip_json("link", "show", "dev", device)[0]["mtu"]
        until("wireguard-go connects", lambda: ends[0].ns.reachable(self.target), 20)
        self.note = "ChaCha20-Poly1305, MTU %d" % mtu

    def down(self):
        for process in self.daemons.values():
            process.stop()


def measure(world, contender, streams, seconds):
    """One iperf3 run: Gbit/s received, CPU seconds per GB of each daemon, busy share of the machine."""
    a, b = world.sites["a"].ns, world.sites["b"].ns
    server = b.spawn("iperf3", "-s", "-1")
    until("iperf3 listens", lambda: ":5201" in b.run("ss", "-ltn").stdout)
    before = {n: p.cpu_seconds() for n, p in contender.daemons.items()}
    done = a.run("iperf3", "-J", "-c", contender.target, "-t", seconds, "-O", 1, "-P", streams,
        timeout=seconds + 30)
    used = {n: p.cpu_seconds() - before[n] for n, p in contender.daemons.items()}
    server.wait(10)
    end = json.loads(done.stdout)["end"]
    rate = end["sum_received"]["bits_per_second"]
    # CPU was counted over the omitted first second too.
    gigabytes = rate / 8 * (seconds + 1) / 1e9
    return {"gbit_s": rate / 1e9, "cpu_s_per_gb": {n: u / gigabytes for n, u in used.items()}}


def median_of(rounds, pick):
    return statistics.median(pick(r) for r in rounds)


def summary(results, contenders, streams):
    rows = {}
    for c in contenders:
        for s in streams:
            rounds = results[c.name][s]
            rows[(c.name, s)] = {
                "gbit_s": median_of(rounds, lambda r: r["gbit_s"]),
                "gbit_s_all": [round(r["gbit_s"], 3) for r in rounds],
                "cpu_s_per_gb": {n: median_of(rounds, lambda r: r["cpu_s_per_gb"][n])
                    for n in rounds[0]["cpu_s_per_gb"]},
                "note": c.note,
            }
            rows[(c.name, s)]["cpu_s_per_gb_sum"] = sum(rows[(c.name, s)]["cpu_s_per_gb"].values())
    return rows


def show(rows, contenders, streams):
    base = contenders[-1].name
    print("\n%-20s %7s %9s %7s   %-28s %7s" % ("", "streams", "Gbit/s", "ratio",
        "CPU s/GB: a, b (, hub)", "ratio"))
    for s in streams:
        for c in contenders:
            row, reference = rows[(c.name, s)], rows[(base, s)]
            cpu = ", ".join("%.2f" % v for v in row["cpu_s_per_gb"].values())
            print("%-20s %7d %9.2f %6.2fx   %-28s %6.2fx" % (c.name, s, row["gbit_s"],
                row["gbit_s"] / reference["gbit_s"], cpu,
                row["cpu_s_per_gb_sum"] / reference["cpu_s_per_gb_sum"]))
    print()
    for c in contenders:
        print("%-20s %s" % (c.name, c.note))


def main():
    need_root()
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--json", default=os.path.join("build", "bench.json"))
    args = parser.parse_args()
    with Lab() as lab:
        world = World(lab, hub_workers=2)
        contenders = [Warren(world, True), Warren(world, False), WireGuard(world)]
        results = {c.name: {s: [] for s in args.streams} for c in contenders}
        load = os.getloadavg()[0]
        print("%d rounds of %d s, %d cores, Linux %s, load %.2f" % (args.rounds, args.seconds,
            os.cpu_count(), platform.release(), load))
        for number in range(args.rounds):
            for c in contenders:
                c.up()
                for s in args.streams:
                    result = measure(world, c, s, args.seconds)
                    results[c.name][s].append(result)
                    print("round %d  %-20s x%d  %6.2f Gbit/s" % (number + 1, c.name, s,
                        result["gbit_s"]), flush=True)
                c.down()
                time.sleep(0.3)
        rows = summary(results, contenders, args.streams)
        show(rows, contenders, args.streams)
        with open(args.json, "w") as f:
            json.dump({"rounds": args.rounds, "seconds": args.seconds, "cores": os.cpu_count(),
                "kernel": platform.release(), "load_before": load, "results": [
                    dict(contender=name, streams=s, **row) for (name, s), row in rows.items()]},
                f, indent=1)
        print("\nin %s too" % args.json)


if __name__ == "__main__":
    main()
