#!/usr/bin/env python3
"""
Faults of the system under a running daemon: files, sockets, memory, clocks, its interface. After each
it recovers by itself, or says exactly what it needs. `lab_faults.py NAME` runs one, LAB_LONG=1 the
long form of all.
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

from netlab import Faults, LONG, Ping, TUN, World, expect, long_scenario, run, scenario, until
from traffic import Count

HUB = "10.77.0.1"
STATE = {"bundle", "registry", "clock"}  # what the state directory holds


def whole(world, timeout=10):
    """All spokes registered, and the LANs reach one another."""
    for node in world.nodes():
        until("%s answers" % node.name, node.answers, timeout)
    for node in world.spokes.values():
        until("%s is registered" % node.name, node.ready, timeout)
    until("a's host reaches b's", lambda: world.sites["a"].host.reachable(world.host_of("b"), 0.3),
        timeout)


def faulty(lab, names=("a",), **options):
    """A started world whose nodes of these names have a fault_shim: (world, Faults ...)."""
    world = World(lab, **options)
    nodes = {n.name: n for n in world.nodes()}
    faults = [Faults(nodes[name]) for name in names]
    world.start()
    return (world, *faults)


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
        whole(world, 30)
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
        whole(world)
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
    whole(world)


# ---- Sockets --------------------------------------------------------------------------------------


@scenario
def send_errors(lab):
    """Each tenth send fails, with any errno: counted, and traffic goes on. Nothing for 2 s: it heals."""
    world, fa, fh = faulty(lab, ("a", "hub"))
    world.make_direct()
    host, to = world.sites["a"].host, world.host_of("b")
    for error in (errno.ENOBUFS, errno.EPERM, errno.EAGAIN, errno.EINVAL, errno.ENETUNREACH,
            errno.ENETDOWN, errno.EMSGSIZE, errno.ECONNREFUSED):
        for faults in (fa, fh):
            faults.set("sendmmsg", error, every=10)
            faults.set("sendmsg", error, every=10)
        ping = Ping(host, to, 60, 0.01, 1).wait()
        expect(ping.received >= 40, "%s: %d of %d" % (errno.errorcode[error], ping.received,
            ping.transmitted))
        for faults in (fa, fh):
            faults.clear()
    expect(world.spokes["a"].dropped("send_failed") > 0, "not counted")
    for kind in ("sendmmsg", "sendmsg"):
        fa.set(kind, errno.ENETUNREACH)
    time.sleep(2)
    fa.clear()
    began = time.monotonic()
    until("traffic again", lambda: host.reachable(to, 0.2), 5)
    return "after 2 s without sending: back in %.1f s" % (time.monotonic() - began)


@scenario
def firewall_refuses(lab):
    """The host's own firewall refuses what the daemon sends (EPERM): said; lifted, it goes on."""
    world = World(lab).start()
    a = world.spokes["a"]
    a.ns.nft("""table ip refuse {
        chain out { type filter hook output priority 0; udp dport 4754 drop; }
    }""")
    until("it is said", lambda: a.logged(r"could not be sent"), 15)
    time.sleep(5)
    a.ns.nft("delete table ip refuse")
    began = time.monotonic()
    until("traffic again", lambda: a.ns.reachable(HUB, 0.2), 15)
    return "back in %.1f s" % (time.monotonic() - began)


@scenario
def receive_errors(lab):
    """Reads of sockets, TUN and netlink that fail now and then, and writes to the TUN."""
    world, fa, fh = faulty(lab, ("a", "hub"))
    host, to = world.sites["a"].host, world.host_of("b")
    for kind, error in (("recvmmsg", errno.ENOBUFS), ("recvmmsg", errno.ECONNREFUSED),
            ("recvmmsg", errno.EIO), ("tun_read", errno.EINTR), ("tun_read", errno.ENOMEM),
            ("tun_write", errno.ENOMEM), ("tun_write", errno.EINTR)):
        for faults in (fa, fh):
            faults.set(kind, error, every=7)
        ping = Ping(host, to, 60, 0.01, 1).wait()
        hits = fa.clear() + fh.clear()
        expect(hits > 0, "%s did not fail" % kind)
        expect(ping.received >= 30, "%s %s: %d of %d" % (kind, errno.errorcode[error],
            ping.received, ping.transmitted))
    for error in (errno.EINTR, errno.ENOBUFS, errno.ENOMEM):
        fa.set("recvmsg", error, every=3)
        for i in range(20):
            world.spokes["a"].ns.ip("route add 10.%d.0.0/16 via 10.77.0.1" % (200 + i))
        fa.clear()
        mirror_is_right(world.spokes["a"])
        for i in range(20):
            world.spokes["a"].ns.ip("route del 10.%d.0.0/16" % (200 + i))
        mirror_is_right(world.spokes["a"])
    # All of them, for a second.
    for kind in ("recvmmsg", "recvmsg"):
        fa.set(kind, errno.EIO)
    time.sleep(1)
    cpu = world.spokes["a"].process.cpu_seconds()
    time.sleep(1)
    cpu = world.spokes["a"].process.cpu_seconds() - cpu
    fa.clear()
    whole(world)
    expect(cpu < 0.3, "%.2f s of CPU in a second: it spins" % cpu)


def kernel_overlay_routes(node):
    """What the kernel sends out of the TUN, less multicast and what the mirror leaves out."""
    return {r["dst"] if "/" in r["dst"] else r["dst"] + "/32"
        for r in node.ns.ip_json("route", "show", "dev", TUN)}


def mirror_is_right(node, timeout=5):
    """The daemon's overlay routes are the kernel's."""
    def same():
        mirror = {r["prefix"] for r in node.routes() if r["type"] == "overlay" and
            r["source"] in ("kernel", "registered", "hub", "config") and "." in r["prefix"]}
        kernel = kernel_overlay_routes(node)
        return mirror == kernel
    until("the mirror of %s is the kernel's" % node.name, same, timeout)


@scenario
def route_flood(lab):
    """More route changes than the socket holds: afterwards the mirror is the kernel's."""
    world = World(lab).start()
    a = world.spokes["a"]
    a.process.signal(signal.SIGSTOP)
    n = 20000
    for verb in ("add", "del", "add"):
        a.ns.ip("\n".join("route %s 10.%d.%d.0/24 via 10.77.0.1" % (verb, 128 + i // 256, i % 256)
            for i in range(n)))
    a.process.signal(signal.SIGCONT)
    began = time.monotonic()
    mirror_is_right(a, 30)
    expect(a.logged(r"routes: reading failed"), "the socket was not overrun")
    took = time.monotonic() - began
    a.ns.ip("\n".join("route del 10.%d.%d.0/24" % (128 + i // 256, i % 256) for i in range(n)))
    mirror_is_right(a, 30)
    whole(world)
    return "%d routes right after %.1f s" % (n, took)


@scenario
def dump_in_traffic(lab):
    """An address elsewhere goes, so all routes are read anew, 5,000 of them: no packet is lost."""
    world = World(lab).start()
    world.make_direct()
    a = world.spokes["a"]
    a.ns.ip("link add other0 type bridge", "link set other0 up", "\n".join(
        "route add 10.%d.%d.0/24 via 10.77.0.1" % (128 + i // 256, i % 256) for i in range(5000)))
    mirror_is_right(a)
    count = Count(world.sites["b"].host, world.sites["a"].host, world.host_of("a"), 5000, 200)
    for _ in range(10):
        a.ns.ip("addr add 192.0.2.1/32 dev other0")
        time.sleep(0.05)
        a.ns.ip("addr del 192.0.2.1/32 dev other0")
        time.sleep(0.15)
    result = count.stop()
    expect(result["unexplained"] == 0 and result["lost"] * 100 <= result["sent"],
        "%(lost)d of %(sent)d lost, %(queues)d by full queues" % result)
    mirror_is_right(a)
    return "%(sent)d packets, %(lost)d lost, longest silence %(gap_ms).0f ms" % result


# ---- The TUN --------------------------------------------------------------------------------------


@scenario
def tun_deleted(lab):
    """The interface taken away: the daemon ends, says why, with status 1; started again it is whole."""
    world = World(lab).start()
    a = world.spokes["a"]
    a.ns.ip("link del " + TUN)
    expect(a.process.wait(3) == 1, "exit status")
    expect(a.logged(r"%s has been taken away" % TUN), "not said")
    a.start(tidy=False)
    until("a is registered", a.ready, 15)
    whole(world)


@scenario
def tun_down_and_up(lab):
    """Set down and up: addresses and routes are put back."""
    world = World(lab).start()
    a = world.spokes["a"]
    before = kernel_overlay_routes(a)
    addresses = tun_addresses(a)
    a.ns.ip("link set %s down" % TUN)
    time.sleep(0.5)
    expect(a.logged(r"%s .*down" % TUN), "not said")
    a.ns.ip("link set %s up" % TUN)
    began = time.monotonic()
    until("its routes are back", lambda: kernel_overlay_routes(a) == before, 5)
    until("its addresses are back", lambda: tun_addresses(a) == addresses, 5)
    whole(world)
    mirror_is_right(a)
    return "whole after %.1f s" % (time.monotonic() - began)


def tun_addresses(node):
    return {(i["local"], i["prefixlen"]) for link in node.ns.ip_json("addr", "show", "dev", TUN)
        for i in link["addr_info"]}


@scenario
def tun_changed(lab):
    """Its address removed, its routes flushed: put back. Renamed, another MTU: said, and it goes on."""
    world = World(lab).start()
    a = world.spokes["a"]
    routes, addresses = kernel_overlay_routes(a), tun_addresses(a)
    a.ns.ip("addr flush dev %s" % TUN)
    until("the address is back", lambda: tun_addresses(a) == addresses, 5)
    until("the routes are back", lambda: kernel_overlay_routes(a) == routes, 5)
    whole(world)
    a.ns.ip("route flush dev %s proto 141" % TUN)
    until("the routes are back", lambda: kernel_overlay_routes(a) == routes, 5)
    whole(world)
    a.ns.ip("link set %s mtu 1300" % TUN)
    until("the MTU is spoken of", lambda: a.logged(r"MTU.*1300"), 5)
    whole(world)
    a.ns.ip("link set %s down" % TUN, "link set %s name renamed0" % TUN, "link set renamed0 up")
    until("the new name is shown", lambda: a.status()["interface"] == "renamed0", 5)
    whole(world)


# ---- The underlay ---------------------------------------------------------------------------------


@scenario
def underlay_moves(lab):
    """Another address, no address, interface down, no default route, and back: traffic returns."""
    world = World(lab).start()
    world.make_direct()
    a, site = world.spokes["a"], world.sites["a"]
    times = {}

    def back(what):
        began = time.monotonic()
        until("the hub after " + what, lambda: a.ns.reachable(HUB, 0.2), 20)
        until("b's LAN after " + what, lambda: site.host.reachable(world.host_of("b"), 0.2), 20)
        times[what] = time.monotonic() - began

    a.ns.ip("addr del 10.1.0.2/24 dev eth0", "addr add 10.1.0.7/24 dev eth0",
        "route add default via 10.1.0.1")
    back("roaming")
    a.ns.ip("addr del 10.1.0.7/24 dev eth0")
    time.sleep(3)
    a.ns.ip("addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1")
    back("3 s without address")
    a.ns.ip("link set eth0 down")
    time.sleep(3)
    a.ns.ip("link set eth0 up", "route add default via 10.1.0.1")
    back("3 s down")
    a.ns.ip("route del default")
    time.sleep(6)
    a.ns.ip("route add default via 10.1.0.1")
    back("6 s without route")
    if LONG:
        a.ns.ip("route del default")
        time.sleep(60)
        a.ns.ip("route add default via 10.1.0.1")
        back("60 s without route")
    return ", ".join("%s %.1f s" % item for item in times.items())


# ---- Names ----------------------------------------------------------------------------------------

EAI_AGAIN = -3


@long_scenario
def names(lab):
    """DNS dead at the start, slow, wrong and then right: registered as soon as it can be."""
    world = World(lab)
    a = world.spokes["a"]
    world.hub_endpoint = "hub.warren.test:4754"
    world.ca.bundle([(world.hub, world.hub_endpoint)])
    faults = Faults(a)
    faults.set("resolve", EAI_AGAIN)
    world.hub.start()
    a.start()
    until("it says that the name does not resolve", lambda: a.logged(r"none of its host names"), 5)
    faults.clocks(address="203.0.113.200")
    faults.set("resolve", 0)  # wrong
    began = time.monotonic()
    until("it asks again", lambda: faults.hits("resolve") > 0, 15)
    asked = time.monotonic() - began
    time.sleep(1)
    faults.clocks(address="203.0.113.1")
    faults.set("resolve", 0, value=2000)  # right, and slow
    began = time.monotonic()
    until("a is registered", a.ready, 100)
    right = time.monotonic() - began
    expect(right <= 20, "right after %.1f s" % right)
    faults.set("resolve", EAI_AGAIN, value=1000)  # dead later on
    world.hub.kill()
    world.hub.start()
    began = time.monotonic()
    until("a is back without DNS", lambda: a.ns.reachable(HUB, 0.2), 30)
    later = time.monotonic() - began
    faults.set("resolve", EAI_AGAIN, value=600000)  # hangs
    world.hub.kill()
    until("it is asked", lambda: faults.hits("resolve"), 60)
    began = time.monotonic()
    expect(a.stop() == 0, "exit status %d with a resolver that hangs" % a.process.wait())
    expect(time.monotonic() - began < 2, "the resolver held up its end")
    return "asked again after %.1f s; wrong to right %.1f s; dead later: back in %.1f s" % (
        asked, right, later)


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
    whole(world)
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
    whole(world)
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
    whole(world)


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
    whole(world)
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
    whole(world)
    expect(a.stop() == 0, "exit status")
    return "%s lines lost" % lost.group(1)


if __name__ == "__main__":
    run()
