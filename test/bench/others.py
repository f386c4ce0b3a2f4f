"""
Other people's tunnels between a and b, each with the cipher that it takes by itself and the MTU that it or
its manual recommends. See contenders.py for what a contender is.
"""

import os
import re
import shutil

from contenders import Contender, NEWER
from netlab import expect, until

TUNNEL = "10.99.0."  # .1 is a, .2 is b


class Other(Contender):
    """needs: programs, all of Debian packages of the same names or nearly."""

    needs, target = (), TUNNEL + "2"
    device = "tun0"

    def missing(self):
        absent = [n for n in self.needs if not shutil.which(n)]
        return "not installed: " + " ".join(absent) if absent else None

    def file(self, *parts, text=None, mode=0o600):
        """A path in this contender's own directory; with a text, a file that has it."""
        path = self.lab.path(self.name, *parts)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if text is not None:
            with open(path, "w") as f:
                f.write(text)
            os.chmod(path, mode)
        return path

    def run(self, *argv, **options):
        return self.ends[0].ns.run(*argv, **options).stdout

    def start(self, *argv, end, env=None):
        node = self.ends[end]
        process = self.daemons[node.name] = node.ns.spawn(*argv, env=env)
        return node.ns, process

    def address(self, end, device=None):
        """The tunnel's address on the device, once there is one."""
        ns, device = self.ends[end].ns, device or self.device
        until("%s has %s" % (self.ends[end].name, device), lambda: device in ns.links(), 5)
        ns.ip("addr replace %s%d/24 dev %s" % (TUNNEL, end + 1, device), "link set %s up" % device)

    def up(self):
        self.daemons = {}
        if not hasattr(self, "prepared"):
            self.prepare()
            self.prepared = True
        for end in (0, 1):
            self.begin(end)
        try:
            until("b answers", self.reaches, 20)
        except Exception:
            for process in self.daemons.values():
                print("\n".join(process.output().splitlines()[-10:]))
            raise
        self.mtu = self.mtu_of(self.device_of(0))

    def device_of(self, end):
        return self.device

    def prepare(self):
        pass


class WireGuard(Other):
    needs = ("wireguard-go", "wg")
    name, program = "wireguard-go-12", "wireguard-go"

    def prepare(self):
        self.keys = []
        for _ in self.ends:
            secret = self.run("wg", "genkey").strip()
            self.keys.append((secret, self.run("wg", "pubkey", stdin=secret).strip()))
        found = re.search(r"wireguard-go (\S+)", self.run(self.program, "--version"))
        self.what = "wireguard-go %s, ChaCha20-Poly1305" % (found.group(1) if found else "")

    def device_of(self, end):
        # The name belongs to a socket in the file system, which the namespaces share.
        return "wg%s%d" % (self.lab.tag, end)

    def begin(self, end):
        device, other = self.device_of(end), self.ends[1 - end]
        ns, _ = self.start(self.program, "-f", device, end=end,
            env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"})
        key = self.file("key%d" % end, text=self.keys[end][0])
        until("wireguard-go is configured", lambda: ns.run("wg", "set", device, "private-key", key,
            "listen-port", 51820, "peer", self.keys[1 - end][1], "allowed-ips", TUNNEL + "0/24",
            "endpoint", other.underlay + ":51820", check=False).returncode == 0, 5)
        self.address(end, device)


class NewestWireGuard(WireGuard):
    needs = ("wg",)
    name, program = "wireguard-go", os.path.join(NEWER, "usr", "bin", "wireguard-go")

    def missing(self):
        return super().missing() or (None if os.access(self.program, os.X_OK) else
            "there is no package of a newer Debian suite here")


class Nebula(Other):
    name, device = "nebula", "nebula1"
    needs = ("nebula", "nebula-cert")
    CONFIG = """
pki: {{ca: {0}/ca.crt, cert: {0}/{1}.crt, key: {0}/{1}.key}}
static_host_map: {{"{2}": ["{3}:4242"]}}
lighthouse: {{am_lighthouse: false, hosts: []}}
listen: {{host: 0.0.0.0, port: 4242}}
tun: {{dev: nebula1}}
logging: {{level: warning}}
firewall:
  outbound: [{{port: any, proto: any, host: any}}]
  inbound: [{{port: any, proto: any, host: any}}]
"""

    def prepare(self):
        there = os.path.dirname(self.file("ca.crt"))
        self.run("nebula-cert", "ca", "-name", "bench", "-out-crt", there + "/ca.crt", "-out-key",
            there + "/ca.key")
        for end, node in enumerate(self.ends):
            self.run("nebula-cert", "sign", "-ca-crt", there + "/ca.crt", "-ca-key", there + "/ca.key",
                "-name", node.name, "-ip", "%s%d/24" % (TUNNEL, end + 1), "-out-crt",
                "%s/%s.crt" % (there, node.name), "-out-key", "%s/%s.key" % (there, node.name))
            self.file(node.name + ".yml", text=self.CONFIG.format(there, node.name,
                TUNNEL + str(2 - end), self.ends[1 - end].underlay))
        version = re.search(r"[\d.]+", self.run("nebula", "-version"))
        self.what = "nebula %s, AES-256-GCM" % (version.group(0) if version else "")

    def begin(self, end):
        self.start("nebula", "-config", self.file(self.ends[end].name + ".yml"), end=end)


class Tinc(Other):
    name, needs = "tinc", ("tincd",)

    def prepare(self):
        version = self.run("tincd", "--version").split()[2]
        self.what = "tinc %s, AES-256-CBC and HMAC-SHA256" % version
        for end, node in enumerate(self.ends):
            other = self.ends[1 - end]
            self.file(node.name, "tinc.conf", text="Name = %s\nConnectTo = %s\nDevice = /dev/net/tun\n"
                "Interface = %s\nMode = router\n" % (node.name, other.name, self.device))
            self.file(node.name, "tinc-up", mode=0o755, text="#!/bin/sh\nip addr add %s%d/24 dev "
                "$INTERFACE\nip link set $INTERFACE up\n" % (TUNNEL, end + 1))
            self.file(node.name, "hosts", node.name, text="Address = %s\nSubnet = %s%d/32\n" % (
                node.underlay, TUNNEL, end + 1))
            self.run("tincd", "-c", self.file(node.name, ""), "-K2048")
        for one, other in (self.ends, self.ends[::-1]):
            shutil.copy(self.file(one.name, "hosts", one.name), self.file(other.name, "hosts", one.name))

    def begin(self, end):
        name = self.ends[end].name
        self.start("tincd", "-c", self.file(name, ""), "-D", "--pidfile", self.file(name, "pid"), end=end)

    def up(self):
        """Packets go by TCP until its probes have found that UDP works, and how large."""
        super().up()
        self.ends[0].ns.ping(self.target, 30, 0.1)


class OpenVpn(Other):
    name, needs = "openvpn", ("openvpn", "openssl")

    def prepare(self):
        version = re.search(r"OpenVPN (\S+)", self.run("openvpn", "--version", check=False))
        self.what = "openvpn %s, no DCO, AES-256-GCM" % version.group(1)
        self.prints = []
        for node in self.ends:
            key, cert = self.file(node.name + ".key"), self.file(node.name + ".crt")
            self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1",
                "-nodes", "-days", 30, "-subj", "/CN=" + node.name, "-keyout", key, "-out", cert)
            self.prints.append(self.run("openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in",
                cert).split("=")[1].strip())

    def begin(self, end):
        node, other = self.ends[end], self.ends[1 - end]
        role = ["--tls-server", "--dh", "none"] if end == 0 else ["--tls-client"]
        self.start("openvpn", "--dev", self.device, "--dev-type", "tun", "--disable-dco", "--proto", "udp",
            "--local", node.underlay, "--remote", other.underlay, "--topology", "p2p", "--ifconfig",
            TUNNEL + str(end + 1), TUNNEL + str(2 - end), *role, "--cert", self.file(node.name + ".crt"),
            "--key", self.file(node.name + ".key"), "--peer-fingerprint", self.prints[1 - end],
            "--data-ciphers", "AES-256-GCM", "--verb", 3, end=end)

    def up(self):
        super().up()
        log = self.daemons["a"].output()
        expect("Data Channel: cipher 'AES-256-GCM'" in log, "openvpn did not choose AES-256-GCM")


class Fastd(Other):
    name, needs = "fastd", ("fastd",)
    # The manual's value for TUN mode over IPv4 on an underlay of 1500.
    CONFIG = """
log level warn; mode tun; interface "{0}"; mtu 1448; bind {1}:10000; method "salsa2012+umac";
secret "{2}";
peer "other" {{ key "{3}"; remote {4}:10000; }}
"""

    def prepare(self):
        version = self.run("fastd", "--version").split()[1]
        self.what = "fastd %s, Salsa20/12 and UMAC" % version
        self.keys = []
        for _ in self.ends:
            # On the error stream: the text around the keys.
            text = self.run("fastd", "--generate-key")
            self.keys.append(re.findall(r"\b[0-9a-f]{64}\b", text))

    def begin(self, end):
        node, other = self.ends[end], self.ends[1 - end]
        config = self.file(node.name + ".conf", text=self.CONFIG.format(self.device, node.underlay,
            self.keys[end][0], self.keys[1 - end][1], other.underlay))
        self.start("fastd", "--config", config, end=end)
        self.address(end)


def others(underlay):
    return [NewestWireGuard(underlay), WireGuard(underlay), Nebula(underlay), Tinc(underlay),
        OpenVpn(underlay), Fastd(underlay)]
