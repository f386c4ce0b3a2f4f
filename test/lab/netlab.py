"""
A small internet in network namespaces, for the tests that need a real kernel.

    Lab      makes namespaces whose names carry a random tag, starts processes in them, and takes
             everything away again at the end, on an exception or on a signal. It touches nothing
             else: interfaces are born inside the namespaces, only its own processes are ended.
    Ns       one namespace: run, spawn, ip, nft, sysctl, sockets.
    World    an "internet" segment, a hub on it, and sites: a spoke behind a router of a chosen
             NAT kind, with a host in the LAN behind the spoke.
    Node     one warrend: key, certificate, config, process, and questions to its control socket.

                      internet  203.0.113.0/24, 2001:db8::/64  (one bridge)
              +-----------------+------------------+
          hub .1             r1 .11              r2 .12         routers, NAT by nftables
                                | 10.1.0.0/24      | 10.2.0.0/24
                             spoke a            spoke b         warren0: 10.77.0.11, 10.77.0.12
                                | 192.168.1.0/24   | 192.168.2.0/24
                             host a .10         host b .10      plain hosts, no daemon

Lab and Ns stand in namespaces.py, Node in warrend.py; tests import all by this file. Python's standard
library only.
"""

import os
import shutil
import signal
import sys
import time
import traceback

from namespaces import Lab, LabError, Ns, Ping, Process, expect, fail, until  # noqa: F401
from warrend import (Ca, Faults, Node, PORT, ROOT, TUN, UnixConnection, binaries, helper)  # noqa: F401

OVERLAY4, OVERLAY6 = "10.77.0.", "fd77::"
LANS4, LANS6 = "192.168.0.0/16", "fd77::/48"
SKIP = 77


# ---- The world ----------------------------------------------------------------------------------

NAT_MASQUERADE = """
table ip nat {
    chain post { type nat hook postrouting priority 100;
        oifname "wan" %s; }
}
"""
NAT_DROP = """
table inet filter {
    chain input { type filter hook input priority 0; policy accept;
        iifname "wan" ct state new drop; }
    chain forward { type filter hook forward priority 0; policy accept;
        iifname "wan" ct state new drop; }
}
"""
# Kinds of router. v6 is never translated: there the router is a stateful firewall or nothing.
ROUTERS = {
    # What homes have: port-restricted, port-preserving; new inbound dropped.
    "drop": ("masquerade", True),
    # Linux with masquerade and no filter: the conntrack trap.
    "open": ("masquerade", False),
    # A new port for every destination.
    "symmetric": ("masquerade fully-random", True),
    # A plain router.
    "none": (None, False),
}


class Site:
    """A spoke behind its router, with a LAN and a host behind the spoke."""

    def __init__(self, world, number, name, nat):
        self.world, self.number, self.name = world, number, name
        lab, i = world.lab, number
        self.router, self.ns, self.host = lab.ns("r%d" % i), lab.ns(name), lab.ns("host-" + name)
        self.public4, self.public6 = "203.0.113.%d" % (10 + i), "2001:db8::%d" % (10 + i)
        self.inside4, self.inside6 = "10.%d.0.2" % i, "2001:db8:%d::2" % i
        self.lan4, self.lan6 = "192.168.%d.0/24" % i, "fd77:0:0:%d::/64" % i
        self.host4, self.host6 = "192.168.%d.10" % i, "fd77:0:0:%d::10" % i
        self.overlay4, self.overlay6 = OVERLAY4 + str(10 + i), OVERLAY6 + str(10 + i)
        self.nat = nat

        world.attach(self.router, "wan", self.public4, self.public6)
        lab.link(self.router, "lan", self.ns, "eth0")
        self.router.forward()
        self.ns.forward()
        if 4 in world.families:
            self.router.ip("addr add 10.%d.0.1/24 dev lan" % i)
            self.ns.ip("addr add %s/24 dev eth0" % self.inside4,
                "route add default via 10.%d.0.1" % i)
        if 6 in world.families:
            self.router.ip("addr add 2001:db8:%d::1/64 dev lan nodad" % i)
            self.ns.ip("addr add %s/64 dev eth0 nodad" % self.inside6,
                "route add default via 2001:db8:%d::1" % i)
        lab.link(self.ns, "lan0", self.host, "eth0")
        self.ns.ip("addr add 192.168.%d.1/24 dev lan0" % i,
            "addr add fd77:0:0:%d::1/64 dev lan0 nodad" % i)
        self.host.ip("addr add %s/24 dev eth0" % self.host4,
            "addr add %s/64 dev eth0 nodad" % self.host6,
            "route add default via 192.168.%d.1" % i, "route add default via fd77:0:0:%d::1" % i)
        self.set_nat(nat)

    def set_nat(self, nat):
        verb, drop = ROUTERS[nat]
        rules = "flush ruleset\n"
        if verb:
            rules += NAT_MASQUERADE % verb
        if drop:
            rules += NAT_DROP
        self.router.nft(rules)


class World:
    """
    underlay: 4 or 6; overlay: 4, 6 or "both"; dual: both families on the underlay, the hub known by one. nat: a kind for all sites, or one a site. prefixes: what the spokes'
    `prefix =` lines say: "lan" (their LAN) or None (no lines). certified: the prefixes in each spoke's
    certificate, its LAN unless given. advertise: the hub tells the spokes to send it what is for any LAN.
    """

    def __init__(self, lab, sites=("a", "b"), underlay=4, overlay=4, dual=False, nat="drop",
            prefixes="lan", certified=None, hub_workers=2, hub_config=None, spoke_config=None,
            advertise=True):
        self.lab, self.underlay = lab, underlay
        self.families = {4, 6} if dual else {underlay}
        self.inner = (4, 6) if overlay == "both" else (overlay,)
        self.warrend, self.warren = binaries()
        self.inet = lab.ns("internet")
        self.inet.ip("link add br0 type bridge", "link set br0 up")
        self.hub_ns = lab.ns("hub")
        self.attach(self.hub_ns, "eth0", "203.0.113.1", "2001:db8::1")
        self.sites = {}
        for number, name in enumerate(sites, 1):
            kind = nat if isinstance(nat, str) else nat[number - 1]
            self.sites[name] = Site(self, number, name, kind)
        self.connect()
        self.ca = Ca(self)
        self.hub_endpoint = "203.0.113.1:%d" % PORT if underlay == 4 else "[2001:db8::1]:%d" % PORT
        self.hub2 = None
        self.hub = Node(self, self.hub_ns, "hub", {"udp": ["workers = %d" % hub_workers]})
        self.advertised = [LANS4 if family == 4 else LANS6 for family in self.inner if advertise]
        for lans in self.advertised:
            self.hub.set("nhrp", "advertise = " + lans)
        for section, lines in (hub_config or {}).items():
            for line in lines:
                self.hub.set(section, line)
        self.ca.issue(self.hub, "hub", self._addresses("1"))
        self.ca.bundle([(self.hub, self.hub_endpoint)])
        self.spokes = {}
        for name, site in self.sites.items():
            node = Node(self, site.ns, name, spoke_config)
            node.site = site
            lans = [site.lan4 if family == 4 else site.lan6 for family in self.inner]
            for lan in lans if prefixes == "lan" else ():
                node.set("nhrp", "prefix = " + lan)
            self.ca.issue(node, "spoke", self._addresses(str(10 + site.number)),
                certified or lans)
            self.spokes[name] = node

    def connect(self):
        """Routes on the public segment to what is not translated: IPv6, and sites without NAT."""
        for here in [self.hub_ns] + [s.router for s in self.sites.values()]:
            for site in self.sites.values():
                if here is not site.router:
                    if 6 in self.families:
                        here.ip("route add 2001:db8:%d::/64 via %s" % (site.number, site.public6))
                    if site.nat == "none" and 4 in self.families:
                        here.ip("route add 10.%d.0.0/24 via %s" % (site.number, site.public4))

    def _addresses(self, last):
        return [OVERLAY4 + last + "/24" if family == 4 else OVERLAY6 + last + "/64"
            for family in self.inner]

    def attach(self, ns, device, address4, address6):
        """Puts a namespace on the public segment."""
        self.lab.link(ns, device, self.inet, "p-" + ns.name)
        self.inet.ip("link set p-%s master br0" % ns.name)
        if 4 in self.families:
            ns.ip("addr add %s/24 dev %s" % (address4, device))
        if 6 in self.families:
            ns.ip("addr add %s/64 dev %s nodad" % (address6, device))

    def nodes(self):
        return [self.hub] + [self.hub2] * bool(self.hub2) + list(self.spokes.values())

    def overlay_of(self, name, family=None):
        """Overlay address of "hub" or a site."""
        last = "1" if name == "hub" else str(10 + self.sites[name].number)
        return (OVERLAY4 if (family or self.inner[0]) == 4 else OVERLAY6) + last

    def host_of(self, name, family=None):
        site = self.sites[name]
        return site.host4 if (family or self.inner[0]) == 4 else site.host6

    def second_hub(self):
        """A second hub, known to all by the bundle after the first one. To be made before the start."""
        ns = self.lab.ns("hub2")
        self.attach(ns, "eth0", "203.0.113.2", "2001:db8::2")
        for site in self.sites.values():
            if site.nat == "none":
                ns.ip("route add 10.%d.0.0/24 via %s" % (site.number, site.public4))
        self.hub2 = Node(self, ns, "hub2")
        for lans in self.advertised:
            self.hub2.set("nhrp", "advertise = " + lans)
        self.ca.issue(self.hub2, "hub", self._addresses("2"))
        self.ca.bundle([(self.hub, self.hub_endpoint), (self.hub2, "203.0.113.2:%d" % PORT)])
        return self.hub2

    def start(self):
        self.hub.start()
        if self.hub2:
            self.hub2.start()
        for node in self.spokes.values():
            node.start(wait=False)
        for node in self.spokes.values():
            until("%s answers" % node.name, node.answers, 20)
            until("%s is registered" % node.name, node.ready, 15)
        return self

    def block_direct(self, one, other):
        """The direct path between two sites' routers is cut in the middle; by the hub it goes on."""
        a, b = self.sites[one], self.sites[other]
        self.inet.nft("""
            table bridge cut {
                chain forward { type filter hook forward priority 0;
                ip saddr %s ip daddr %s drop; ip saddr %s ip daddr %s drop;
                ip6 saddr 2001:db8:%d::/48 ip6 daddr 2001:db8:%d::/48 drop;
                ip6 saddr 2001:db8:%d::/48 ip6 daddr 2001:db8:%d::/48 drop; }
            }
        """ % (a.public4, b.public4, b.public4, a.public4, a.number, b.number, b.number, a.number))

    def unblock(self):
        self.inet.nft("delete table bridge cut")

    def whole(self, timeout=10):
        """Waits until all spokes are registered, and the LANs reach one another."""
        for node in self.nodes():
            until("%s answers" % node.name, node.answers, timeout)
        for node in self.spokes.values():
            until("%s is registered" % node.name, node.ready, timeout)
        until("a's host reaches b's", lambda: self.sites["a"].host.reachable(self.host_of("b"), 0.3),
            timeout)

    def make_direct(self, one="a", other="b", timeout=10, family=None):
        """Traffic between two LAN hosts until both ends say the path is direct."""
        ping = Ping(self.sites[one].host, self.host_of(other, family), int(timeout / 0.05), 0.05, 2)
        try:
            until("%s and %s direct" % (one, other), lambda: self.spokes[one].direct(other)
                and self.spokes[other].direct(one), timeout)
        finally:
            ping.process.signal(signal.SIGINT)
            ping.wait()
        return ping

    def capture(self, path, ns=None, device="br0", what=("udp",)):
        """tcpdump of the public segment (or another device), running once it says so."""
        process = (ns or self.inet).spawn("tcpdump", "-i", device, "-U", "-s", 0, "-B", 16384, "-Z",
            "root", "-w", path, *what)
        until("tcpdump listens", lambda: "listening" in process.output())
        return process


def faulty(lab, names=("a",), **options):
    """A started world whose nodes of these names have a fault_shim: (world, Faults ...)."""
    world = World(lab, **options)
    nodes = {n.name: n for n in world.nodes()}
    faults = [Faults(nodes[name]) for name in names]
    world.start()
    return (world, *faults)


# ---- Running scenarios --------------------------------------------------------------------------

_scenarios = []


def scenario(function):
    """A function(lab); its first comment line is its title."""
    _scenarios.append(function)
    return function


# The long form: more of everything, and the scenarios that take minutes.
LONG = bool(os.environ.get("LAB_LONG"))


def long_scenario(function):
    """One for the long form, or when it is named."""
    function.long = True
    return scenario(function)


def need_root():
    if os.geteuid() != 0:
        print("network namespaces need root")
        sys.exit(1 if os.environ.get("CI") else SKIP)
    missing = [t for t in ("ip", "nft", "nsenter", "ping", "tcpdump") if not shutil.which(t)]
    if missing:
        print("missing: " + " ".join(missing))
        sys.exit(1)


def _tell_failure(lab, error):
    print("     %s" % error)
    for process in lab.processes:
        if process.telling:
            try:
                text = process.output()
            except OSError:
                continue
            print("---- %s" % process.log_path)
            print("\n".join(text.splitlines()[-40:]))


def main(argv=None):
    """Runs the scenarios of the calling script, all or those named; exit status 0, 1, 77."""
    need_root()
    names = sys.argv[1:] if argv is None else argv
    failed = 0
    chosen = [s for s in _scenarios if s.__name__ in names or
        (not names and (LONG or not hasattr(s, "long")))]
    if not chosen:
        print("no such scenario; there are: " + " ".join(s.__name__ for s in _scenarios))
        return 2
    for function in chosen:
        began = time.monotonic()
        with Lab() as lab:
            try:
                note = function(lab)
                print("ok   %-28s %5.1f s  %s" % (function.__name__, time.monotonic() - began,
                    note or ""), flush=True)
            except Exception as error:
                failed += 1
                print("FAIL %-28s %5.1f s" % (function.__name__, time.monotonic() - began))
                if not isinstance(error, LabError):
                    traceback.print_exc(file=sys.stdout)
                _tell_failure(lab, error)
                sys.stdout.flush()
    return 1 if failed else 0


def run():
    sys.exit(main())
