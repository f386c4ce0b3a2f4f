"""
Medians, ratios, tables and goals of a comparison. A measurement during which something else took more than
DISTURBED of the machine is left out where there are better ones. Ratios are taken within a round, and their
median is what the goals are judged by: what slows a round slows all that is in it.
"""

import statistics

DISTURBED = 0.10
NEWEST, DEBIAN = "wireguard-go", "wireguard-go-12"
KIB_IDLE = 4 * 1000 * 1000 / 1024

# (what, measure, figure, of, over, "min" or "max", bound). over None: the figure itself.
GOALS = [
    ("AEGIS-256: TCP, one stream, over the newest wireguard-go", "tcp1", "gbit_s",
        "warren-aegis", NEWEST, "min", 3.3),
    ("AEGIS-256: TCP, one stream, over Debian 12's wireguard-go", "tcp1", "gbit_s",
        "warren-aegis", DEBIAN, "min", 10),
    ("AEGIS-256: CPU for a GB, over the newest wireguard-go", "tcp1", "cpu_s_per_gb",
        "warren-aegis", NEWEST, "max", 1 / 6),
    ("AEGIS-256: TCP, one stream, over the copy for a cipher", "tcp1", "gbit_s",
        "warren-aegis", "warren-copy", "min", 0.75),
    ("AES-256-GCM: TCP, one stream, over the newest wireguard-go", "tcp1", "gbit_s",
        "warren-aes", NEWEST, "min", 2.5),
    ("AES-256-GCM: CPU for a GB, over the newest wireguard-go", "tcp1", "cpu_s_per_gb",
        "warren-aes", NEWEST, "max", 1 / 3),
    ("AES-256-GCM: TCP, one stream, over the copy for a cipher", "tcp1", "gbit_s",
        "warren-aes", "warren-copy", "min", 0.60),
    ("ChaCha20-Poly1305: TCP, one stream, over the newest wireguard-go", "tcp1", "gbit_s",
        "warren-chacha", NEWEST, "min", 2),
    ("ChaCha20-Poly1305: CPU for a GB, over the newest wireguard-go", "tcp1", "cpu_s_per_gb",
        "warren-chacha", NEWEST, "max", 0.40),
    ("ChaCha20-Poly1305: TCP, one stream, over the copy for a cipher", "tcp1", "gbit_s",
        "warren-chacha", "warren-copy", "min", 0.50),
    ("by the hub over the shortcut, AEGIS-256", "tcp1", "gbit_s",
        "warren-aegis-hub", "warren-aegis", "min", 0.60),
    ("by the hub over the shortcut, AES-256-GCM", "tcp1", "gbit_s",
        "warren-aes-hub", "warren-aes", "min", 0.60),
    ("by the hub over the shortcut, ChaCha20-Poly1305", "tcp1", "gbit_s",
        "warren-chacha-hub", "warren-chacha", "min", 0.60),
    ("AEGIS-256: 64-byte datagrams a second, over the newest wireguard-go", "small", "kpps",
        "warren-aegis", NEWEST, "min", 3),
    ("AES-256-GCM: 64-byte datagrams a second, over the newest wireguard-go", "small", "kpps",
        "warren-aes", NEWEST, "min", 3),
    ("an idle spoke's anonymous memory, KiB", "idle", "anon_kib_a",
        "warren-aes", None, "max", KIB_IDLE),
]


def is_quiet(numbers):
    return numbers.get("other_load", 0) <= DISTURBED


def median(pairs):
    """Of values with a mark each whether they are good: of the good ones if there are any."""
    good = [value for value, fine in pairs if fine]
    values = good or [value for value, _ in pairs]
    return statistics.median(values) if values else None


def median_of(rounds, measure, figure):
    return median([(r[measure][figure], is_quiet(r[measure])) for r in rounds.values()
        if figure in r[measure]])


def ratio_of(results, name, base, measure, figure):
    """The median of the ratios of each round that has both; None: there is none."""
    one, other = (results["rounds"].get(n, {}) for n in (name, base))
    return median([(one[k][measure][figure] / other[k][measure][figure],
            is_quiet(one[k][measure]) and is_quiet(other[k][measure]))
        for k in one if k in other and other[k][measure].get(figure) and figure in one[k][measure]])


def judged(results):
    found = []
    for what, measure, figure, name, base, kind, bound in GOALS:
        if base:
            value = ratio_of(results, name, base, measure, figure)
        else:
            value = median_of(results["rounds"].get(name, {}), measure, figure)
        reached = None if value is None else value >= bound if kind == "min" else value <= bound
        found.append({"goal": what, "kind": kind, "bound": bound, "value": value, "reached": reached})
    return found


def summarise(results):
    medians, ratios = {}, {}
    for name, rounds in results["rounds"].items():
        if not rounds:
            continue
        first = next(iter(rounds.values()))
        medians[name] = {m: {f: median_of(rounds, m, f) for f in first[m]} for m in first}
        ratios[name] = {m: {f: ratio_of(results, name, NEWEST, m, f) for f in first[m]} for m in first}
    quiet = {name: "%d of %d" % (sum(is_quiet(r["tcp1"]) for r in rounds.values()), len(rounds))
        for name, rounds in results["rounds"].items()}
    return {"medians": medians, "ratios_to_newest_wireguard_go": ratios, "quiet_tcp1_rounds": quiet,
        "goals": judged(results)}


# ---- Tables --------------------------------------------------------------------------------------


def table(head, rows):
    """A markdown table; all columns but the first to the right, and aligned in the source too."""
    lines = [head] + rows
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(head))]

    def one(cells):
        return "| " + " | ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":"
        for i, w in enumerate(widths)) + "|"
    return "\n".join([one(head), rule] + [one(r) for r in rows])


def number(value, digits=2):
    return "-" if value is None else "%.*f" % (digits, value)


def throughput(results, summary):
    rows = []
    for name, m in summary["medians"].items():
        about, ratio = results["about"][name], summary["ratios_to_newest_wireguard_go"][name]
        tunnel = name != "plain"
        rows.append([name, about["mtu"], number(m["tcp1"]["gbit_s"]),
            number(ratio["tcp1"]["gbit_s"]), number(m["tcp1"]["cpu_s_per_gb"]) if tunnel else "-",
            number(ratio["tcp1"]["cpu_s_per_gb"]) if tunnel else "-", number(m["tcp4"]["gbit_s"]),
            number(ratio["tcp4"]["gbit_s"]), number(m["tcp4"]["cpu_s_per_gb"]) if tunnel else "-",
            number(m["udp"]["gbit_s"]), number(m["udp"]["cpu_s_per_gb"]) if tunnel else "-",
            number(m["small"]["kpps"], 0), number(ratio["small"]["kpps"]),
            number(m["small"]["cpu_s_per_mpkt"]) if tunnel else "-",
            summary["quiet_tcp1_rounds"][name]])
    return table(["", "MTU", "TCP x1 Gbit/s", "ratio", "CPU s/GB", "ratio", "TCP x4 Gbit/s", "ratio",
        "CPU s/GB", "UDP Gbit/s", "CPU s/GB", "64 B kpps", "ratio", "CPU s/Mpkt", "quiet"], rows)


def waiting_and_memory(summary):
    rows = []
    for name, m in summary["medians"].items():
        row = [name] + [number(m[k][f]) for k in ("ping", "tcp1") for f in ("p50_ms", "p99_ms")]
        for measure, figure in (("idle", "anon_kib_a"), ("end", "anon_kib_a"), ("end", "peak_kib_a"),
                ("end", "peak_kib_b"), ("end", "peak_kib_hub")):
            row.append(number(m[measure].get(figure), 0))
        rows.append(row)
    return table(["", "idle p50 ms", "p99", "in TCP p50", "p99", "idle anon KiB", "end anon",
        "peak a", "peak b", "peak hub"], rows)


def goals(summary):
    words = {True: "reached", False: "not reached", None: "not measured"}
    return table(["goal", "bound", "value", ""], [[g["goal"],
        ("at least " if g["kind"] == "min" else "at most ") + number(g["bound"]), number(g["value"]),
        words[g["reached"]]] for g in summary["goals"]])


def markdown(results, summary):
    parts = ["%d rounds, %d s a measure, %d cores, Linux %s. Medians; ratios are medians of each round's "
        "ratio to %s. CPU: all daemons together. quiet: rounds in which less than %d %% of the machine "
        "was taken by something else." % (max((len(r) for r in results["rounds"].values()), default=0),
            results["seconds"], results["cores"], results["kernel"], NEWEST, DISTURBED * 100)]
    if summary["medians"]:
        parts += [throughput(results, summary), waiting_and_memory(summary)]
        parts.append("\n".join("- %s: %s" % (name, results["about"][name]["what"])
            for name in summary["medians"]))
    if results["failed"]:
        parts.append("\n".join("- %s failed: %s" % (name, why[-1])
            for name, why in results["failed"].items()))
    parts.append(goals(summary))
    return "\n\n".join(parts)
