#!/usr/bin/env python3
"""
The comparison of tunnels, small: that its daemons come up, that what it counts has been carried, and that
it judges goals as they are written. test/bench/run.sh is the real one.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from netlab import expect, run, scenario  # noqa: E402
from underlay import Underlay  # noqa: E402
from contenders import Warren, WarrenCopy  # noqa: E402
import measures  # noqa: E402
import report  # noqa: E402


@scenario
def tunnels(lab):
    # The shortcut and the hub carry what they say, with a cipher and with its copy
    underlay = Underlay(lab)
    notes = []
    for kind, by_hub in ((Warren, True), (WarrenCopy, False)):
        contender = kind(underlay, "aes-256-gcm", by_hub)
        expect(contender.missing() is None, "%s: %s" % (contender.name, contender.missing()))
        contender.up()
        try:
            before = underlay.b.counters()["tun_tx_packets"]
            told, _, found = measures.load(contender, measures.SMALL_BYTES, 1)
            delivered = underlay.b.counters()["tun_tx_packets"] - before
            idle = measures.memory(contender)
        finally:
            contender.down()
        expect(told["received"] > 500, "%s: only %d datagrams" % (contender.name, told["received"]))
        expect(told["received"] <= delivered <= told["sent"] + 10, "%s: %d received, %d delivered, %d sent"
            % (contender.name, told["received"], delivered, told["sent"]))
        expect(0 < idle["anon_kib_a"] < idle["peak_kib_a"], "memory: %s" % idle)
        notes.append("%s %.0f kpps, %.1f %% lost" % (contender.name, told["per_s"] / 1e3,
            100 * found["loss"]))
    return ", ".join(notes)


def one_round(gbit, cpu, load):
    figures = {"gbit_s": gbit, "kpps": gbit, "cpu_s_per_gb": cpu, "other_load": load}
    return {"tcp1": figures, "small": figures, "idle": {"anon_kib_a": 1000 * gbit}}


@scenario
def goals(_lab):
    # Ratios are of one round, disturbed rounds do not count, and a missing contender is no success
    rounds = {"warren-aes": {1: one_round(3, 1, 0), 2: one_round(4, 1, 0), 3: one_round(1, 9, 0.5)},
        report.NEWEST: {1: one_round(1, 4, 0), 2: one_round(2, 4, 0.05), 3: one_round(9, 1, 0)}}
    found = {g["goal"]: g for g in report.judged({"rounds": rounds})}
    tcp = found["AES-256-GCM: TCP, one stream, over the newest wireguard-go"]
    expect(tcp["value"] == 2.5 and tcp["reached"] is True, "a ratio: %s" % tcp)
    cpu = found["AES-256-GCM: CPU for a GB, over the newest wireguard-go"]
    expect(cpu["value"] == 0.25 and cpu["reached"] is True, "CPU: %s" % cpu)
    packets = found["AES-256-GCM: 64-byte datagrams a second, over the newest wireguard-go"]
    expect(packets["reached"] is False, "packets: %s" % packets)
    copy = found["AES-256-GCM: TCP, one stream, over the copy for a cipher"]
    expect(copy["value"] is None and copy["reached"] is None, "nothing to compare with: %s" % copy)
    memory = found["an idle spoke's anonymous memory, KiB"]
    expect(memory["value"] == 3000 and memory["reached"] is True, "memory: %s" % memory)
    return "%d goals" % len(found)


run()
