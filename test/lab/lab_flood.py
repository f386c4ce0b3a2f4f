#!/usr/bin/env python3
"""
The hub under floods, in short: what must hold on any machine, however busy. The measured form is
test/bench/flood.py, with the topology in test/bench/flooding.py.
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from flooding import Flooded, KINDS, Pongs, blasted, program  # noqa: E402
from scale import Crowd  # noqa: E402
from netlab import expect, run, scenario, until  # noqa: E402

RATE, SECONDS = 20000, 3
CROWD = 200
OFFER = 5e6  # bit/s: little, so that a busy machine is no excuse

# Where the hub says that it went. The other kinds reach the control loop's own checks.
COUNTED = {"garbage": "bad_outer", "wrong-tag": "bad_tag", "replay": "replay", "unknown": "unknown_index"}


def flood(flooded, kind):
    hub, a = flooded.world.hub_ns, flooded.a.ns
    before = flooded.hub.status()["drops"]
    server = hub.spawn("iperf3", "-s", "-1")
    until("iperf3 listens", lambda: ":5201" in hub.run("ss", "-ltn").stdout)
    client = a.spawn("iperf3", "-J", "-u", "-l", 1000, "-b", int(OFFER), "-t", SECONDS,
        "-c", flooded.world.overlay_of("hub"))
    blaster = flooded.blast(kind, RATE, SECONDS)
    time.sleep(0.7)
    pongs = Pongs(flooded)
    client.wait(30)
    pings = pongs.stop()
    server.wait(10)
    sent = blasted(blaster)
    end = json.loads(client.output())["end"]["sum"]
    expect(sent["sent"] > RATE * SECONDS / 4, "%s: the blaster sent only %d" % (kind, sent["sent"]))
    expect(end["packets"] > 0 and end["lost_packets"] * 100 <= end["packets"],
        "%s: %d of %d packets were lost" % (kind, end["lost_packets"], end["packets"]))
    expect(pings["pings"] > 0 and pings["pings_missed"] == 0, "%s: pings: %s" % (kind, pings))
    after = flooded.hub.status()["drops"]
    if kind in COUNTED:
        counted = after[COUNTED[kind]] - before[COUNTED[kind]]
        full = after["receive_full"] - before["receive_full"]
        expect(0.95 * sent["sent"] <= counted + full and counted <= sent["sent"] + 10,
            "%s: %d sent, %d counted as %s" % (kind, sent["sent"], counted, COUNTED[kind]))
    peer = flooded.hub.peer("a")
    expect(peer and peer["up"], "%s: the session is gone" % kind)
    return end["lost_packets"]


@scenario
def goodput(lab):
    """Each kind of flood: traffic goes on, the session stays, pings are answered, drops are counted."""
    flooded = Flooded(lab).start()
    age = flooded.a.peer("hub")["rekeys"]
    lost = [flood(flooded, kind) for kind in KINDS]
    expect(flooded.a.peer("hub")["rekeys"] == age, "there were new keys")
    expect(flooded.trouble() == [], "\n".join(flooded.trouble()))
    return "%d kinds at %d/s, packets lost: %s" % (len(KINDS), RATE, " ".join(map(str, lost)))


@scenario
def joins(lab):
    """A spoke joins while strangers who know the hub's key ask for handshakes."""
    flooded = Flooded(lab).start()
    b = flooded.spoke("b")
    blaster = flooded.blast("right-mac1", RATE, 60)
    time.sleep(1)
    times = []
    for _ in range(3):
        began = time.monotonic()
        b.start()
        until("b is registered", b.ready, 20)
        times.append(time.monotonic() - began)
        b.stop()
    blaster.stop()
    expect(flooded.hub.peer("a")["up"], "the session that was there before is gone")
    return " ".join("%.2f s" % t for t in times)


@scenario
def crowd(lab):
    """Many spokes join at once, and come back by themselves when the hub was killed."""
    crowd = Crowd(lab, CROWD)
    crowd.start_hub()
    crowd.begin(CROWD)
    joined = crowd.all_bound(30)
    expect(joined is not None, "of %d spokes %d joined" % (CROWD, crowd.bindings()))
    crowd.hub.kill()
    crowd.start_hub()
    again = crowd.all_bound(60)
    expect(again is not None, "of %d spokes %d came back" % (CROWD, crowd.bindings()))
    return "%d spokes, %.1f s, back after %.1f s" % (CROWD, joined, again)


@scenario
def guard(lab):
    """The blaster works in the lab's namespaces alone."""
    done = subprocess.run([program("blaster"), "garbage", "--device", "lo", "--mac", "00:00:00:00:00:00",
        "--to", "127.0.0.1", "--seconds", "0.1"], capture_output=True, text=True)
    expect(done.returncode == 1 and "namespace" in done.stderr, "it sent: %s" % (done.stdout or done.stderr))


if __name__ == "__main__":
    run()
