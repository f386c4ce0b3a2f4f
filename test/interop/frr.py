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
    number: the node is 203.0.113.N on the underlay, 10.77.0.N in the overlay, and has 192.168.N.0/24 with a
    host .10 in it. key: of GRE, or None. framing: "udp" (FOU) or "gre" (protocol 47).
    """

    def __init__(self, guest, port, name, number, key=None, framing="udp", underlay=None, gateway=None):
        self.name = name
        self.nbma = underlay or "203.0.113.%d" % number
        self.overlay, self.lan = "10.77.0.%d" % number, "192.168.%d.0/24" % number
        self.lan_host = "192.168.%d.10" % number
        self.ns, self.host = GuestNs(guest, name, port), GuestNs(guest, "host-" + name)
        self.ns.sysctl("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.send_redirects=0")
        self.ns.ip("addr add %s/24 dev eth0" % self.nbma)
        if gateway:
            self.ns.ip("route add default via " + gateway)
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

    def hub(self):
        self.ns.nft(HAIRPINS)
        return self._start("ip nhrp redirect")

    def spoke(self, *hubs):
        """A spoke of these hubs' underlay addresses."""
        return self._start("ip nhrp shortcut", *("ip nhrp nhs dynamic nbma " + hub for hub in hubs))

    def _start(self, *lines):
        etc, run = "/etc/frr/" + self.name, "/run/frr/" + self.name
        interface = ["ip nhrp network-id 1", "ip nhrp holdtime 30", "ip nhrp registration no-unique",
            *lines, "tunnel source eth0"]
        config = ["hostname " + self.name, "log file %s/log" % run, "debug nhrp common", "debug nhrp event",
            "nhrp nflog-group %d" % NFLOG, "interface " + DEVICE] + [" " + l for l in interface] + ["exit"]
        self.ns.run("mkdir", "-p", etc, run)
        self.ns.run("tee", etc + "/frr.conf", etc + "/vtysh.conf", stdin="\n".join(config) + "\n")
        self.ns.run("chown", "-R", "frr:frr", etc, "/run/frr")
        for daemon in ("zebra", "nhrpd"):
            self.ns.run(DAEMONS + daemon, "-d", "-N", self.name)
        self.ns.run("vtysh", "-N", self.name, "-b")
        return self

    def route(self, prefix, via):
        """A route through the overlay, as a routing protocol would make it."""
        self.ns.ip("route replace %s via %s dev %s onlink" % (prefix, via, DEVICE))

    def show(self, what):
        """The entries of "cache", "nhs" or "shortcut". FRR prints nothing for an empty list."""
        done = self.ns.run("vtysh", "-N", self.name, "-c", "show ip nhrp %s json" % what)
        return json.loads(done.stdout)["table"] if done.stdout.strip() else []

    def log(self):
        return self.ns.run("cat", "/run/frr/%s/log" % self.name, check=False).stdout

    def close(self):
        self.host.close()
        self.ns.close()
