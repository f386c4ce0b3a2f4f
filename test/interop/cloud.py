"""
A cloud of warrend and FRR nodes on one underlay, watched.

    Cloud     the lab's World with FRR nodes of the guest on its internet; records what passes there
    End       a host in a LAN behind a node of either kind
    Skip      raised by a scenario that cannot be had here
"""

import collections
import contextlib
import json
import os
import re
import subprocess

from frr import FrrNode
from netlab import NAT_DROP, NAT_MASQUERADE, OVERLAY4, World, expect, until

OVERLAY = OVERLAY4 + "0/24"
LANS = "192.168.0.0/16"
BY_HUB, DIRECT = 61, 62  # TTLs of a reply that passed both spokes, and the hub or not
NAT_INSIDE = "10.9.0."

# name: of the node. host: the namespace. address: the host's. lan: its prefix. overlay: the node's address.
End = collections.namedtuple("End", "name host address lan overlay")


class Skip(Exception):
    pass


class Cloud:
    """
    tunnel: what all nodes' tunnels have: key=N, framing="udp" or "gre". options: of FrrNode, for all of them.
    out: the directory where the capture goes, and a newer FRR may be.
    """

    def __init__(self, lab, guest, out, name):
        self.lab, self.guest, self.out = lab, guest, out
        self.capture_path = os.path.join(out, name + ".pcap")
        self.tunnel, self.options = {}, {}
        self.world = World(lab, sites=("a",), nat="none")
        self.hub, self.a = self.world.hub, self.world.spokes["a"]
        self.inet = self.world.inet
        self.routers = []
        self.capture = self.world.capture(self.capture_path, what=("udp", "or", "proto", "47"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for router in reversed(self.routers):
            with contextlib.suppress(OSError):  # when the guest is gone
                router.close()

    # ---- Nodes

    def newer_frr(self):
        """From here on FRR nodes run a newer Debian's FRR."""
        root = os.path.join(self.out, "newer")
        if not os.path.exists(root + "/usr/lib/frr/nhrpd"):
            raise Skip("no newer FRR")
        self.guest.make_root(root)
        self.options["root"] = root

    def frr(self, name, number):
        """An FRR node on the internet, by the next free port of the guest."""
        router = self._frr(name, number, self.inet, "203.0.113.%d" % number)
        site = self.a.site
        router.ns.ip("route add %s/24 via %s" % (site.inside4[:-1] + "0", site.public4))
        return router

    def frr_behind_nat(self, name, number):
        """One behind a home's router, which translates and lets nothing new in; public as the others are."""
        nat = self.lab.ns("nat")
        self.world.attach(nat, "wan", "203.0.113.%d" % number, None)
        nat.forward()
        nat.nft(NAT_MASQUERADE % "masquerade" + NAT_DROP)
        nat.ip("link add br0 type bridge", "addr add %s1/24 dev br0" % NAT_INSIDE, "link set br0 up",
            "route add %s/24 via %s" % (self.a.site.inside4[:-1] + "0", self.a.site.public4))
        router = self._frr(name, number, nat, NAT_INSIDE + "2")
        router.ns.ip("route add default via %s1" % NAT_INSIDE)
        return router

    def _frr(self, name, number, segment, address):
        port = len(self.routers) + 1
        self.guest.plug(port, self.lab, segment, "p-" + name)
        self.routers.append(FrrNode(self.guest, port, name, number, address, **self.tunnel, **self.options))
        return self.routers[-1]

    def interop(self, node, name, role, underlay, allow, word):
        """An [interop] section of a warren node."""
        settings = dict(self.tunnel, **{"authentication": word} if word else {})
        node.sections["interop " + name] = ["role = " + role, "underlay = " + underlay] + [
            "allow = " + prefix for prefix in allow] + ["%s = %s" % pair for pair in settings.items()]

    def plain_spoke(self, hub_underlay, hub_overlay, word=None):
        """Makes a a spoke of a plaintext hub, and of no other: its bundle would name the world's hub."""
        self.interop(self.a, "hub", "hub", hub_underlay, [hub_overlay, OVERLAY, LANS], word)
        self.interop(self.a, "spokes", "spoke", "203.0.113.0/24", [OVERLAY, LANS], word)
        self.a.sections["node"] = [l for l in self.a.sections["node"] if not l.startswith("bundle")]
        self.a.set("nhrp", "route = " + LANS)
        return self.a

    def plain_hub(self, word=None):
        """Makes the world's hub one of plaintext spokes, wherever they are."""
        for name, underlay in (("internet", "203.0.113.0/24"), ("site", self.a.site.inside4 + "/32")):
            self.interop(self.hub, name, "spoke", underlay, [OVERLAY, LANS], word)
        return self.hub

    def hub_routes(self, *ends):
        """The hub's way to the spokes' LANs, as a routing protocol would make it."""
        self.hub.ns.ip(*("route replace %s via %s dev warren0" % (end.lan, end.overlay) for end in ends))

    @property
    def end_a(self):
        site = self.a.site
        return End("a", site.host, site.host4, site.lan4, site.overlay4)

    # ---- The end

    def check_capture(self):
        """Ends the capture: tshark must read all of it, and find NHRP."""
        self.capture.stop()
        malformed = self.captured("_ws.malformed")
        expect(not malformed, "%s: malformed: %s" % (self.capture_path, malformed[:3]))
        nhrp = len(self.captured("nhrp"))
        expect(nhrp, self.capture_path + ": no NHRP")
        return "%d NHRP packets captured" % nhrp

    def captured(self, what):
        """tshark's line about each packet that its display filter lets through."""
        done = subprocess.run(["tshark", "-r", self.capture_path, "-Y", what], capture_output=True, text=True,
            check=True)
        return done.stdout.splitlines()

    def tell(self):
        """What helps to see why a scenario failed."""
        for node in self.world.nodes():
            if node.process:
                print("---- %s\n%s" % (node.name, "\n".join(node.log().splitlines()[-40:])))
                with contextlib.suppress(Exception):
                    print(json.dumps({"nhrp": node.nhrp(), "peers": node.peers(),
                        "drops": {k: v for k, v in node.status()["drops"].items() if v}}, indent=1))
        for router in self.routers:
            with contextlib.suppress(Exception):
                print("---- %s\n%s" % (router.name, "\n".join(router.log().splitlines()[-40:])))


# ---- What is asked of a cloud -------------------------------------------------------------------


def frr_end(router):
    return End(router.name, router.host, router.lan_host, router.lan, router.overlay)


def ttls(ns, to, count=1, size=56):
    """Pings; the TTLs of the replies."""
    done = ns.run("ping", "-n", "-M", "do", "-c", count, "-i", 0.2, "-W", 3, "-s", size, to, check=False)
    return [int(ttl) for ttl in re.findall(r"bytes from .* ttl=(\d+) ", done.stdout)]


def registered(hub, *addresses):
    """Waits until an FRR hub has these overlay addresses."""
    def there():
        return {e["protocol"] for e in hub.show("cache") if e["type"] == "dynamic"}
    until("%s at %s" % (", ".join(addresses), hub.name), lambda: there() >= set(addresses), 30, 0.5)


def meet(one, other, by_hub, size=56):
    """
    Two hosts: the hub carries the first packet; then there are shortcuts, both ways, and the hub's count
    of packets, by_hub(), stays as it is. What is worth a word.
    """
    who = "%s to %s" % (one.name, other.name)
    first = ttls(one.host, other.address)
    expect(first == [BY_HUB], "%s: the first packet did not come by the hub: TTLs %s" % (who, first))
    until(who + ": directly", lambda: ttls(one.host, other.address) == [DIRECT], 30, 0.2)
    before = by_hub()
    for here, there in ((one, other), (other, one)):
        replies = ttls(here.host, there.address, 10, size)
        expect(replies == [DIRECT] * 10, "%s to %s: not all directly: %s" % (here.name, there.name, replies))
    passed = by_hub() - before
    # NHRP and its own renewals, not 40 packets.
    expect(passed < 10, "%s: the hub still carries it: %d packets" % (who, passed))
    return "%s direct, %d packets by the hub meanwhile" % (who, passed)


def bulk(one, other, megabytes=4):
    """TCP from one host to another, which the system hands over in trains; what it came to."""
    other.host.run("iperf3", "-s", "-1", "-D")
    done = until("iperf3 on %s" % other.name, lambda: client(one, other, megabytes), 10, 0.3)
    received = json.loads(done.stdout)["end"]["sum_received"]
    # The sender is done when it has written all: some may still lie in its buffer.
    expect(received["bytes"] >= megabytes << 19, "%s to %s: %s" % (one.name, other.name, received))
    return "%s to %s %.0f Mbit/s" % (one.name, other.name, received["bits_per_second"] / 1e6)


def client(one, other, megabytes):
    done = one.host.run("iperf3", "-J", "-c", other.address, "-n", "%dM" % megabytes, check=False, timeout=60)
    return None if "unable to connect" in done.stdout else done
