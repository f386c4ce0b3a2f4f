"""
FRR's zebra and nhrpd on a kernel mGRE interface, and a LAN behind, in namespaces of the guest.

    FrrNode    one router: FrrNode.hub() or FrrNode.spoke() configure and start it

FRR wants the overlay's address as a host route on the interface, and the kernel to tell of packets that go
back into the interface that they came from (NFLOG), from which the hub makes traffic indications. Multicast,
for OSPF, is taken from the kernel in the same way, and nhrpd sends it to each peer.
"""

import json

from guest import GuestNs

DEVICE = "gre1"
PORT = 4754  # FOU sends to a fixed port, whatever port the peer sent from
HAIRPIN, MULTICAST = 1, 2  # NFLOG groups
DAEMONS = "/usr/lib/frr/"
HAIRPINS = """
table ip nhrp {
    chain hairpin { type filter hook forward priority 0;
        iifname "%s" oifname "%s" limit rate 4/second burst 4 packets log group %d snaplen 128; }
}
""" % (DEVICE, DEVICE, HAIRPIN)
MULTICASTS = """
table ip multicast {
    chain output { type filter hook output priority 0;
        oifname "%s" ip daddr 224.0.0.0/24 log group %d drop; }
}
""" % (DEVICE, MULTICAST)


class FrrNode:
    """
    number: the node is 10.77.0.N in the overlay, and has 192.168.N.0/24 with a host .10 in it. nbma: its
    address on the underlay, a /24. key: of GRE, or None. framing: "udp" (FOU) or "gre" (protocol 47). root:
    where FRR is, in the guest. ospf: ospfd's configuration, or None.
    """

    def __init__(self, guest, port, name, number, nbma, key=None, framing="udp", root="/", ospf=None):
        self.name, self.nbma, self.root, self.ospf = name, nbma, root, ospf
        self.overlay, self.lan = "10.77.0.%d" % number, "192.168.%d.0/24" % number
        self.lan_host = "192.168.%d.10" % number
        self.ns, self.host = GuestNs(guest, name, port), GuestNs(guest, "host-" + name)
        self.ns.sysctl("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.send_redirects=0")
        self.ns.ip("addr add %s/24 dev eth0" % self.nbma)
        # Linux 6.1 joins what comes for FOU, and then drops it, counted as UdpInErrors: TCP hardly moves.
        self.ns.run("ethtool", "-K", "eth0", "gro", "off")
        self.ns.ip("link add lan0 type veth peer name eth0 netns host-" + name,
            "addr add 192.168.%d.1/24 dev lan0" % number, "link set lan0 up")
        self.host.ip("addr add %s/24 dev eth0" % self.lan_host, "link set eth0 up",
            "route add default via 192.168.%d.1" % number)
        self._tunnel(key, framing)

    def _tunnel(self, key, framing):
        options = "key %d" % key if key else ""
        if framing == "udp":
            self.ns.run("ip", "fou", "add", "port", PORT, "ipproto", 47)
            options += " encap fou encap-sport %d encap-dport %d encap-csum" % (PORT, PORT)
        self.ns.ip("link add %s type gre local %s ttl 64 %s" % (DEVICE, self.nbma, options),
            "addr add %s/32 dev %s" % (self.overlay, DEVICE), "link set %s mtu 1400 up" % DEVICE)

    def hub(self, word=None):
        self.ns.nft(HAIRPINS)
        return self._start(word, "dynamic", "ip nhrp redirect")

    def spoke(self, hub, word=None):
        """A spoke of a hub, known by its underlay address."""
        return self._start(word, hub, "ip nhrp shortcut", "ip nhrp nhs dynamic nbma " + hub)

    def _start(self, word, multicast, *lines):
        """word: Cisco's authentication, in FRR from 10.2 on. multicast: to whom."""
        etc, run = "/etc/frr/" + self.name, "/run/frr/" + self.name
        top = ["hostname " + self.name, "log file %s/log" % run, "debug nhrp common", "debug nhrp event",
            "nhrp nflog-group %d" % HAIRPIN]
        interface = ["ip nhrp network-id 1", "ip nhrp holdtime 30", "ip nhrp registration no-unique",
            "tunnel source eth0", *lines]
        daemons = ["mgmtd", "zebra", "nhrpd"]  # FRR 8 has no mgmtd
        if word:
            interface.append("ip nhrp authentication " + word)
        if self.ospf:
            self.ns.nft(MULTICASTS)
            top.append("nhrp multicast-nflog-group %d" % MULTICAST)
            interface.append("ip nhrp map multicast " + multicast)
            daemons.append("ospfd")
        config = "\n".join([*top, "interface " + DEVICE, *interface, "exit", self.ospf or ""])
        self.ns.run("mkdir", "-p", etc, run, "/var/lib/frr")
        self.ns.run("tee", etc + "/frr.conf", stdin=config + "\n")
        self.ns.run("touch", etc + "/vtysh.conf")
        self.ns.run("chown", "-R", "frr:frr", etc, "/run/frr", "/var/lib/frr")
        there = self.ns.run("ls", self.root + DAEMONS).stdout.split()
        for daemon in [d for d in daemons if d in there]:
            self.program(DAEMONS + daemon, "-d", "-N", self.name)
        self.vtysh("-b")
        return self

    def program(self, *argv, **options):
        """A program of FRR's, in the node's namespace."""
        return self.ns.run("chroot", self.root, *argv, **options)

    def vtysh(self, *argv, **options):
        return self.program("vtysh", "-N", self.name, *argv, **options)

    def route(self, prefix, via):
        """A route through the overlay, as a routing protocol would make it."""
        self.ns.ip("route replace %s via %s dev %s onlink" % (prefix, via, DEVICE))

    def show(self, what):
        """
        nhrpd's entries: "cache", "nhs" or "shortcut". FRR 8.4 prints nothing for an empty list, and the text
        form's heading before some.
        """
        text = self.vtysh("-c", "show ip nhrp %s json" % what).stdout
        return json.loads(text[text.index("{"):])["table"] if "{" in text else []

    def knows(self, line):
        """Whether this FRR has an interface command."""
        done = self.vtysh("--dryrun", "-f", "/dev/stdin", check=False,
            stdin="interface %s\n %s\n" % (DEVICE, line))
        return done.returncode == 0

    def log(self):
        return self.ns.run("cat", "/run/frr/%s/log" % self.name, check=False).stdout

    def close(self):
        self.host.close()
        self.ns.close()
