"""
FRR's zebra and nhrpd on a kernel mGRE interface, and a LAN behind, in namespaces of the guest.

    FrrNode    one router: FrrNode.hub() or FrrNode.spoke() configure and start it

FRR wants the overlay's address as a host route on the interface, and the kernel to tell of packets that go
back into the interface that they came from (NFLOG group 1), from which the hub makes traffic indications.
"""

import json

from guest import GuestNs

DEVICE = "gre1"
PORT = 4754  # FOU sends to a fixed port, whatever port the peer sent from
NFLOG = 1
DAEMONS = "/usr/lib/frr/"
HAIRPINS = """
table ip nhrp {
    chain hairpin { type filter hook forward priority 0;
        iifname "%s" oifname "%s" limit rate 4/second burst 4 packets log group %d snaplen 128; }
}
""" % (DEVICE, DEVICE, NFLOG)


class FrrNode:
    """
    number: the node is 10.77.0.N in the overlay, and has 192.168.N.0/24 with a host .10 in it. nbma: its
    address on the underlay, a /24. root: where FRR is, in the guest. key: of GRE, or None. framing: "udp"
    (FOU) or "gre" (protocol 47).
    """

    def __init__(self, guest, port, name, number, nbma, root="/", key=None, framing="udp"):
        self.name, self.nbma, self.root = name, nbma, root
        self.overlay, self.lan = "10.77.0.%d" % number, "192.168.%d.0/24" % number
        self.lan_host = "192.168.%d.10" % number
        self.ns, self.host = GuestNs(guest, name, port), GuestNs(guest, "host-" + name)
        self.ns.sysctl("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.send_redirects=0")
        self.ns.ip("addr add %s/24 dev eth0" % self.nbma)
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
        return self._start(word, "ip nhrp redirect")

    def spoke(self, hub, word=None):
        """A spoke of a hub, known by its underlay address."""
        return self._start(word, "ip nhrp shortcut", "ip nhrp nhs dynamic nbma " + hub)

    def _start(self, word, *lines):
        """word: Cisco's authentication, in FRR from 10.2 on."""
        etc, run = "/etc/frr/" + self.name, "/run/frr/" + self.name
        interface = ["ip nhrp network-id 1", "ip nhrp holdtime 30", "ip nhrp registration no-unique",
            *lines, "tunnel source eth0"] + (["ip nhrp authentication " + word] if word else [])
        config = ["hostname " + self.name, "log file %s/log" % run, "debug nhrp common", "debug nhrp event",
            "nhrp nflog-group %d" % NFLOG, "interface " + DEVICE] + [" " + l for l in interface] + ["exit"]
        self.ns.run("mkdir", "-p", etc, run, "/var/lib/frr")
        self.ns.run("tee", etc + "/frr.conf", etc + "/vtysh.conf", stdin="\n".join(config) + "\n")
        self.ns.run("chown", "-R", "frr:frr", etc, "/run/frr", "/var/lib/frr")
        daemons = self.ns.run("ls", self.root + DAEMONS).stdout.split()
        for daemon in ("mgmtd", "zebra", "nhrpd"):  # FRR 8 has no mgmtd
            if daemon in daemons:
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
        The entries of "cache", "nhs" or "shortcut". FRR 8.4 prints nothing for an empty list, and the text
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
