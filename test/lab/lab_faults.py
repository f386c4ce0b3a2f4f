#!/usr/bin/env python3
"""
Faults under a running daemon: kill -9, files, descriptors, memory, clocks, its log. After each it
recovers by itself, or says exactly what it needs. `lab_faults.py NAME` runs one, LAB_LONG=1 the long
form of all.
"""

import contextlib
import errno
import os
import random
import re
import signal
import socket
import subprocess
import time

from netlab import Faults, LONG, Ping, TUN, World, expect, faulty, run, scenario, until

HUB = "10.77.0.1"
STATE = {"bundle", "registry", "clock"}  # what the state directory holds


def files_of(node):
    return sorted(os.listdir(os.path.join(node.dir, "state")))


# ---- Killed ---------------------------------------------------------------------------------------


@scenario
def killed(lab):
    """kill -9 at random moments, the start included: nothing stale, and whole again."""
    world = World(lab).start()
    world.make_direct()
    nodes, worst, kills = world.nodes(), 0.0, 30 if LONG else 6
    seed = random.SystemRandom().randrange(1 << 16)
    choose = random.Random(seed)
    ping = Ping(world.sites["a"].host, world.host_of("b"), 100000, 0.02)
    for _ in range(kills):
        node = choose.choice(nodes)
        if choose.random() < 0.3:
            node.process.signal(choose.choice([signal.SIGTERM, signal.SIGHUP]))
        time.sleep(choose.choice([0, 0.001, 0.01, 0.1]))
        node.kill()
        expect(TUN not in node.ns.links(), "the TUN outlived its daemon (seed %d)" % seed)
        expect(not [r for r in node.ns.ip_json("route") if r.get("protocol") == "141"],
            "routes outlived the daemon (seed %d)" % seed)
        # In the midst of a start, as well.
        if choose.random() < 0.5:
            node.start(wait=False, tidy=False)
            time.sleep(choose.random() * 0.15)
            node.kill()
        node.start(wait=False, tidy=False)
        began = time.monotonic()
        until("%s answers (seed %d)" % (node.name, seed), node.answers, 10)
        world.whole(30)
        worst = max(worst, time.monotonic() - began)
    ping.process.signal(signal.SIGINT)
    ping.wait()
    for node in nodes:
        stale = {f[:-4] if f.endswith(".new") else f for f in files_of(node)} - STATE
        expect(not stale, "left behind: %s" % stale)
    world.make_direct(timeout=70)
    return "%d kills, whole again after %.1f s at worst (seed %d)" % (kills, worst, seed)


@scenario
def killed_while_saving(lab):
    """kill -9 while a new bundle is being written: the old one or the new one, never half of one."""
    world, faults = faulty(lab)
    a = world.spokes["a"]
    for delay in (0.0, 0.02, 0.1):
        faults.set("fsync", value=200)
        world.ca.bundle([(world.hub, world.hub_endpoint)])
        world.hub.take_bundle()
        world.hub.cli("reload")
        until("a is writing", lambda: faults.hits("fsync"), 10)
        time.sleep(delay)
        a.kill()
        faults.clear()
        a.start(tidy=False)
        until("a is registered", a.ready, 30)
        expect(not a.logged(r"state/bundle: "), "a half-written bundle")
        until("a has the newest", lambda: a.status()["bundle_number"] ==
            world.hub.status()["bundle_number"], 10)
    until("nothing is left behind", lambda: "bundle" in files_of(a) and set(files_of(a)) <= STATE, 5)


# ---- Files ----------------------------------------------------------------------------------------


@scenario
def disk_full(lab):
    """No room, or no right to write, for the bundle: said once; in memory it is in force."""
    world = World(lab)
    a = world.spokes["a"]
    state = os.path.join(a.dir, "state")
    os.makedirs(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=700", "warren-" + lab.tag, state],
        check=True)
    try:
        with open(os.path.join(state, "filler"), "wb") as f:
            f.write(bytes(4096))
        world.start()
        newer_bundle(world)
        until("a says that it is not saved", lambda: a.logged(r"not saved.*No space"), 10)
        expect(a.status()["bundle_number"] == world.hub.status()["bundle_number"], "not in force")
        expect(set(files_of(a)) <= STATE | {"filler"}, "left behind: %s" % files_of(a))
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        newer_bundle(world)
        expect(a.status()["bundle_number"] == world.hub.status()["bundle_number"], "not in force")
        # It starts with the old one, and gets the newest again.
        a.kill()
        a.start(tidy=False)
        until("a is registered", a.ready, 15)
        until("a has the newest", lambda: a.status()["bundle_number"] ==
            world.hub.status()["bundle_number"], 10)
        until("read-only is said", lambda: a.logged(r"not saved.*Read-only"), 10)
        world.whole()
    finally:
        a.process and a.kill()
        subprocess.run(["umount", "-l", state])


def newer_bundle(world):
    """A new bundle by way of the hub; waits until all have it."""
    world.ca.bundle([(world.hub, world.hub_endpoint)])
    world.hub.take_bundle()
    world.hub.cli("reload")
    number = world.hub.status()["bundle_number"]
    for node in world.spokes.values():
        until("%s has the bundle" % node.name, lambda: node.status()["bundle_number"] == number, 10)


@scenario
def slow_disk(lab):
    """A disk that takes 5 s for a write: the control loop goes on meanwhile."""
    world, faults = faulty(lab)
    a = world.spokes["a"]
    faults.set("fsync", value=2500)
    newer_bundle(world)
    until("a is writing", lambda: faults.hits("fsync"), 5)
    slowest = 0
    for _ in range(10):
        began = time.monotonic()
        a.status()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.1)
    expect(slowest < 0.5, "status took %.1f s" % slowest)
    until("the bundle is saved", lambda: a.logged("saved the newest bundle"), 10)
    faults.set("fsync", value=200)
    expect(a.process.stop(10) == 0, "exit status")
    return "status within %.0f ms" % (slowest * 1000)


@scenario
def bad_writes(lab):
    """Writes that come up short are gone on with; one that fails leaves the old file as it was."""
    world, faults = faulty(lab)
    a = world.spokes["a"]
    faults.set("file_write")
    newer_bundle(world)
    until("saved in pieces", lambda: a.logged("saved the newest bundle"), 10)
    expect(faults.clear() > 1, "no write was cut short")
    good = open(os.path.join(a.dir, "state", "bundle")).read()
    for kind in ("file_write", "fsync", "rename"):
        faults.set(kind, errno.EIO)
        newer_bundle(world)
        until(kind + " fails", lambda: faults.hits(kind), 10)
        faults.clear()
        expect(open(os.path.join(a.dir, "state", "bundle")).read() == good, kind + ": changed")
        expect(set(files_of(a)) <= STATE, "%s left %s" % (kind, files_of(a)))
    expect(a.logged(r"not saved.*Input/output error"), "not said")
    a.kill()
    a.start(tidy=False)
    until("a is registered", a.ready, 15)
    world.whole()


# ---- Limits ---------------------------------------------------------------------------------------


@scenario
def out_of_descriptors(lab):
    """RLIMIT_NOFILE used up by HTTP clients: forwarding goes on, and HTTP when they are gone."""
    world = World(lab)
    hub = world.hub
    hub.start()
    used = len(os.listdir("/proc/%d/fd" % hub.process.pid))
    hub.stop()
    hub.prefix = ["prlimit", "--nofile=%d" % (used + 4)]
    hub.start(wait=False)
    expect(hub.process.wait(5) == 1 and hub.logged(r"too few descriptors: \d+ are left, at least"),
        "it does not say what it needs")
    hub.prefix = ["prlimit", "--nofile=%d" % (used + 12)]
    world.start()
    held = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        if s.connect_ex(hub.socket) != 0:
            s.close()
            break  # the backlog is full
        with contextlib.suppress(OSError):  # one too many is closed
            s.send(b"GET /api/v1/status HTTP/1.1\r\n")
        held.append(s)
    time.sleep(0.2)
    ping = Ping(world.sites["a"].host, world.host_of("b"), 50, 0.02).wait()
    expect(ping.lost == 0, "%d lost" % ping.lost)
    cpu = hub.process.cpu_seconds()
    time.sleep(1)
    cpu = hub.process.cpu_seconds() - cpu
    expect(cpu < 0.5, "%.2f s of CPU in a second: it spins" % cpu)
    for s in held:
        s.close()
    until("it answers again", hub.answers, 10)
    hub.cli("reload")
    return "%d descriptors and 12 more: %.2f s of CPU in a second" % (used, cpu)


@scenario
def no_memory(lab):
    """
    malloc fails, at any point of the start: exit 1 with a word, or it starts and ends well; never a
    crash, but for libuv's own abort when it cannot start the threads of its pool (4 points).
    """
    world = World(lab)
    a = world.spokes["a"]
    faults = Faults(a)
    ended = started = aborted = 0
    a.start()
    calls = faults.calls("allocate")
    a.stop()
    points = sorted(set(range(1, 40)) | set(range(40, calls + 10, max(1, calls // 80))))
    for point in points:
        faults.set("allocate", errno.ENOMEM, every=point, left=1)
        a.start(wait=False, tidy=False)
        until("it ends or answers", lambda: not a.process.alive() or answering(a), 5)
        if a.process.alive():
            started += 1
            expect(a.stop() == 0, "exit status after a failed malloc %d" % point)
        else:
            ended += 1
            status = a.process.wait()
            aborted += status == -signal.SIGABRT
            expect(status == 1 or (status == -signal.SIGABRT and aborted <= 4),
                "malloc %d of the start: status %d" % (point, status))
        expect(TUN not in a.ns.links(), "the TUN stays")
    faults.clear()
    a.start()
    return "%d of %d points: ended %d times, started %d times" % (len(points), calls, ended, started)


@scenario
def memory_short(lab):
    """Each fifth allocation of a running daemon fails: answers may be missing, traffic is not."""
    world, fa, fh = faulty(lab, ("a", "hub"))
    world.make_direct()
    ping = Ping(world.sites["a"].host, world.host_of("b"), 300, 0.02)
    for faults in (fa, fh):
        faults.set("allocate", errno.ENOMEM, every=5)
    for i in range(20):
        for node in (world.spokes["a"], world.hub):
            for what in ("status", "peers", "routes", "nhrp"):
                try:
                    node.api(what)
                except Exception:
                    pass  # no answer, or an error: as it may be
            node.cli("reload", check=False)
        if i % 5 == 0:
            world.ca.bundle([(world.hub, world.hub_endpoint)])
            world.hub.take_bundle()
    hits = fa.clear() + fh.clear()
    ping.wait()
    expect(ping.lost == 0, "%d of %d lost" % (ping.lost, ping.transmitted))
    newer_bundle(world)
    world.whole()
    return "%d allocations failed" % hits


def answering(node):
    try:
        return node.status() is not None
    except Exception:
        return False


@scenario
def stopped(lab):
    """SIGSTOP for 4 s (long: 10 and 200), and continued: a spoke, then the hub."""
    world = World(lab).start()
    world.make_direct()
    host, to = world.sites["a"].host, world.host_of("b")
    times = []
    for node, seconds in [(n, s) for s in ((10, 200) if LONG else (4,))
            for n in (world.spokes["a"], world.hub)]:
        node.process.signal(signal.SIGSTOP)
        time.sleep(seconds)
        node.process.signal(signal.SIGCONT)
        began = time.monotonic()
        # With its keys gone a spoke may be in one of its pauses of 10 s.
        limit = 5 if seconds < 180 else 15
        until("traffic again", lambda: host.reachable(to, 0.2), limit)
        until("the hub again", lambda: world.spokes["a"].ns.reachable(HUB, 0.2), limit)
        times.append("%s after %d s: back in %.1f s" % (node.name, seconds, time.monotonic() - began))
    return ", ".join(times)


# ---- Clocks ---------------------------------------------------------------------------------------


@scenario
def clock_stepped(lab):
    """The wall clock 10 years off, either way, and right again: sessions come back by themselves."""
    world, faults = faulty(lab)
    a = world.spokes["a"]
    times = []
    for years in (10, -10):
        faults.clocks(realtime_s=years * 365 * 86400)
        a.cli("rekey", "hub")
        time.sleep(70 if LONG else 2)  # certificates are looked at again each minute
        up = a.ns.reachable(HUB, 1)
        faults.clocks()
        began = time.monotonic()
        until("the hub again", lambda: a.ns.reachable(HUB, 0.2), 70)
        until("registered again", a.ready, 70)
        times.append("%+d years: %s, right again: back in %.1f s" % (years,
            "traffic goes on" if up else "traffic stops", time.monotonic() - began))
    world.whole()
    return "; ".join(times)


@scenario
def clock_of_1970(lab):
    """A spoke without a battery for its clock: it joins at once, and says that its clock is behind."""
    world = World(lab)
    a = world.spokes["a"]
    faults = Faults(a)
    faults.clocks(realtime_s=-int(time.time()) + 60)
    world.hub.start()
    a.start()
    began = time.monotonic()
    until("a is registered", a.ready, 5)
    took = time.monotonic() - began
    expect(took <= 2, "registered after %.1f s" % took)
    status = a.status()
    expect(status["clock_suspect"], "the clock is not suspect")
    expect(any("clock is behind" in w for w in status["warnings"]), "no warning")
    expect(a.logged(r"certificates go by the clock of hub"), "not by the hub's clock")
    faults.clocks()
    until("the clock is believed again", lambda: not a.status()["clock_suspect"], 2)
    return "registered %.2f s after it answered" % took


@scenario
def suspended(lab):
    """A laptop sleeps for an hour (its clocks jump): the first packet is there within 2 s."""
    world, faults = faulty(lab)
    world.make_direct()
    a = world.spokes["a"]
    times = []
    for seconds in (3600, 170, 30):
        a.process.signal(signal.SIGSTOP)
        time.sleep(1)
        total = getattr(faults, "slept", 0) + seconds
        faults.slept = total
        faults.clocks(boottime_s=total)
        a.process.signal(signal.SIGCONT)
        began = time.monotonic()
        until("the hub", lambda: a.ns.reachable(HUB, 0.1), 20, 0.01)
        hub = time.monotonic() - began
        until("b's LAN", lambda: world.sites["a"].host.reachable(world.host_of("b"), 0.1), 20, 0.01)
        times.append((seconds, hub, time.monotonic() - began))
        time.sleep(2)
    text = ", ".join("%d s: hub %.1f s, b %.1f s" % t for t in times)
    expect(all(t[2] <= 2.2 for t in times), text)
    return text


# ---- Reload and log -------------------------------------------------------------------------------


@scenario
def reload_without_files(lab):
    """Reload when files have vanished or turned to rubbish: the running config is kept, and said so."""
    world = World(lab).start()
    a = world.spokes["a"]
    for kind, matters in (("bundle", True), ("key", False), ("crt", False)):
        os.rename(a.file(kind), a.file(kind) + ".away")
        done = a.cli("reload", check=False)
        said = done.stdout + done.stderr
        expect(done.returncode == (1 if matters else 0), "%s gone: %d %s" % (kind, done.returncode,
            said))
        expect(a.file(kind) in said or kind == "key", "%s gone: %s" % (kind, said))
        with open(a.file(kind), "wb") as f:
            f.write(os.urandom(2000))
        os.chmod(a.file(kind), 0o600)
        a.cli("reload", check=False)
        os.rename(a.file(kind) + ".away", a.file(kind))
        expect(a.ready() and a.ns.reachable(HUB), "%s gone: the network is, too" % kind)
    os.rename(a.ini, a.ini + ".away")
    expect(a.cli("reload", check=False).returncode == 1, "a config that is not there was taken")
    a.process.signal(signal.SIGHUP)
    until("it is said", lambda: a.logged(r"not reloaded"), 5)
    os.rename(a.ini + ".away", a.ini)
    expect(a.cli("reload").returncode == 0, "the config is back and refused")
    world.whole()


@scenario
def log_not_read(lab):
    """stderr is a pipe that nobody reads, then one that is closed: the daemon does not mind."""
    world = World(lab)
    a = world.spokes["a"]
    a.write_config()
    a.take_bundle()
    os.makedirs(os.path.join(a.dir, "state"), exist_ok=True)
    world.hub.start()
    world.spokes["b"].start()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    full = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            full += os.write(writer, b"." * 1024)
    os.set_blocking(writer, True)
    a.process = a.ns.spawn(world.warrend, "-c", a.ini, stderr=writer)
    os.close(writer)
    until("a answers", a.answers, 10)
    world.whole()
    ping = Ping(world.sites["a"].host, world.host_of("b"), 50, 0.02).wait()
    expect(ping.lost == 0, "%d lost" % ping.lost)
    while full > 0:
        full -= len(os.read(reader, full))
    a.cli("reload")
    text = os.read(reader, 1 << 16).decode()
    lost = re.search(r"warning: (\d+) lines of the log are lost", text)
    expect(lost and int(lost.group(1)) >= 3, "it does not say that lines were lost: %r" % text)
    os.close(reader)
    a.process.signal(signal.SIGHUP)
    world.whole()
    expect(a.stop() == 0, "exit status")
    return "%s lines lost" % lost.group(1)


if __name__ == "__main__":
    run()
