#!/usr/bin/env python3
"""
What a kernel and its administrator do to a running daemon: sockets that fail, floods of routes, an
interface that goes, an underlay that moves, names that do not resolve. After each it recovers by
itself, or says exactly what it needs. LAB_LONG=1 is the long form.
"""

import errno
import signal
import time

from netlab import (Faults, LONG, Ping, TUN, World, expect, fail, faulty, long_scenario, run,
    scenario, until)
from traffic import Count, stream

HUB = "10.77.0.1"


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
    world.whole()
    expect(cpu < 0.3, "%.2f s of CPU in a second: it spins" % cpu)


@scenario
def trains_refused(lab):
    """A device that sends no trains, a kernel that takes none: single packets instead, nothing is lost."""
    world, fa, fb = faulty(lab, ("a", "b"))
    world.make_direct()
    a, b = world.spokes["a"], world.spokes["b"]
    ends = world.sites["a"].host, world.sites["b"].host, world.host_of("b"), 10000000
    stream(*ends)
    used = [fa.calls("udp_train"), fb.calls("tun_train")]
    expect(min(used) > 20, "no trains: %s" % used)
    wanted = a.status()["offloads"]
    expect(a.status()["offloads_missing"] == [], "missing: %s" % a.status()["offloads_missing"])
    fa.set("udp_train", errno.EMSGSIZE, every=2)
    fb.set("tun_train", errno.ENOMEM, every=50)
    stream(*ends)
    expect(a.status()["offloads"] == b.status()["offloads"] == wanted, "that is no refusal")
    fa.set("udp_train", errno.EIO)
    fb.set("tun_train", errno.EINVAL)
    stream(*ends)
    expect(a.status()["offloads_missing"] == ["gso"], "a: %s" % a.status()["offloads_missing"])
    expect(b.status()["offloads_missing"] == ["coalesce-tcp"], "b: %s" % b.status()["offloads_missing"])
    expect(fb.hits("tun_train") == 1, "asked again")
    fa.clear()
    fa.clocks(boottime_s=61)
    until("a device is asked again", lambda: a.status()["offloads"] == wanted)
    world.whole()
    stream(*ends)
    expect(a.status()["offloads"] == wanted, "a: %s" % a.status()["offloads_missing"])


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
    world.whole()
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
    world.whole()


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
    world.whole()
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
    world.whole()
    a.ns.ip("route flush dev %s proto 141" % TUN)
    until("the routes are back", lambda: kernel_overlay_routes(a) == routes, 5)
    world.whole()
    a.ns.ip("link set %s mtu 1300" % TUN)
    until("the MTU is spoken of", lambda: a.logged(r"MTU.*1300"), 5)
    world.whole()
    a.ns.ip("link set %s down" % TUN, "link set %s name renamed0" % TUN, "link set renamed0 up")
    until("the new name is shown", lambda: a.status()["interface"] == "renamed0", 5)
    world.whole()


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


run()
