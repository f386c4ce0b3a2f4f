"""
What is compared: the plain wire, and warren in its kinds. Other people's tunnels are in others.py.

A contender goes up between the hosts a and b of an Underlay and down again:

    name, what   a short name, and one line: version, cipher, way
    missing()    why it cannot run here, or None
    up(), down() up() ends when b answers by way of the tunnel
    target       b's address in the tunnel (or without one)
    daemons      {"a": Process, "b": Process, perhaps "hub": Process}
    mtu          of the tunnel, as it is when it is up
"""

import os
import re
import subprocess

from netlab import ROOT, TUN, expect, until

BUILD = os.path.join(ROOT, "build")
# Where run.sh puts them.
RELEASE = (os.environ.get("WARREN_BIN") or os.environ.get("WARREN_BUILD") or
    os.path.join(BUILD, "release"))
NEWER = os.path.join(BUILD, "packages")           # of a newer Debian suite, unpacked
WITH_NEWER = os.path.join(BUILD, "bench-newer")   # warren with the libsodium of these


class Contender:
    what, daemons, mtu = "", {}, None

    def __init__(self, underlay):
        self.underlay, self.lab = underlay, underlay.lab
        self.ends = (underlay.a, underlay.b)

    def missing(self):
        return None

    def down(self):
        for process in self.daemons.values():
            process.stop()
        self.daemons = {}

    def mtu_of(self, device):
        return self.ends[0].ns.ip_json("link", "show", "dev", device)[0]["mtu"]

    def reaches(self):
        return self.ends[0].ns.reachable(self.target, 0.3)


class Plain(Contender):
    """No tunnel: what the machine itself can do."""

    name, what = "plain", "veth, no tunnel"

    def up(self):
        self.target = self.underlay.b.underlay
        self.mtu = self.mtu_of("eth0")
        until("b answers", self.reaches)


class Warren(Contender):
    build, program = RELEASE, os.path.join("core", "daemon", "warrend")
    tun_offloads = "checksum tso uso coalesce-tcp coalesce-udp"
    udp_offloads = "gso gro"

    def __init__(self, underlay, cipher, by_hub=False):
        super().__init__(underlay)
        self.cipher, self.by_hub = cipher, by_hub
        self.name = "warren-" + self.label() + ("-hub" if by_hub else "")
        self.target = underlay.b.overlay

    def label(self):
        return {"chacha20-poly1305": "chacha", "aes-256-gcm": "aes", "aegis-256": "aegis"}[self.cipher]

    @property
    def warrend(self):
        return os.path.join(self.build, self.program)

    def missing(self):
        return None if os.access(self.warrend, os.X_OK) else "there is no " + os.path.relpath(
            self.warrend, ROOT)

    def up(self):
        world, nodes = self.underlay.world, self.underlay.world.nodes()
        world.warrend = self.warrend
        for node in nodes:
            node.set("udp", "ciphers = " + self.cipher)
            node.set("udp", "offloads = " + self.udp_offloads)
            node.set("tun", "offloads = " + self.tun_offloads)
        for node in self.ends:
            node.set("nhrp", "shortcut = " + ("no" if self.by_hub else "yes"))
        try:
            world.start()
        finally:
            self.daemons = {n.name: n.process for n in nodes if n.process}
        a, b = self.ends
        until("b answers", self.reaches)
        if not self.by_hub:
            until("a and b talk directly", lambda: a.ns.ping(self.target, 5, 0.02) and
                a.direct("b") and b.direct("a"), 15)
        cipher = a.peer("hub" if self.by_hub else "b")["cipher"]
        expect(cipher == self.cipher, "the cipher is %s, not %s" % (cipher, self.cipher))
        self.mtu = self.mtu_of(TUN)
        self.what = "%s, %s, %s" % (self.version(), cipher, "by the hub" if self.by_hub else "shortcut")
        self.relayed = self.underlay.hub.hairpinned()

    def version(self):
        return subprocess.run([self.warrend, "--version"], capture_output=True, text=True,
            check=True).stdout.strip()

    def down(self):
        """An end, and a check that the traffic went the way it is said to have gone."""
        try:
            if hasattr(self, "relayed"):
                relayed = self.underlay.hub.hairpinned() - self.relayed
                del self.relayed
                expect(relayed > 200 if self.by_hub else relayed < 1000,
                    "%s: the hub relayed %d" % (self.name, relayed))
        finally:
            super().down()


class WarrenNewer(Warren):
    """With the libsodium of a newer Debian, which has AEGIS-256."""

    build = WITH_NEWER


class WarrenCopy(Warren):
    """With a copy in the place of AES-256-GCM: what all but the cipher costs. See copy_cipher.c."""

    program = os.path.join("test", "bench", "warrend-copy")

    def label(self):
        return "copy"

    def missing(self):
        reason = super().missing()
        if not reason:
            symbols = subprocess.run(["nm", "-D", "--undefined-only", self.warrend],
                capture_output=True, text=True, check=True).stdout
            real = re.search(r"crypto_aead_(aes256gcm|aegis256)_(en|de)crypt\w*", symbols)
            reason = "it still calls " + real.group(0) if real else None
        return reason

    def version(self):
        return super().version() + ", a copy for the cipher"


class WarrenStage(Warren):
    """With some of the offloads only: what each is worth. The order is that in which they pay."""

    def __init__(self, underlay, cipher, stage, tun_offloads, udp_offloads):
        self.stage = stage
        super().__init__(underlay, cipher)
        self.tun_offloads, self.udp_offloads = tun_offloads, udp_offloads

    def label(self):
        return "stage-" + self.stage

    def version(self):
        return super().version() + ", TUN: %s, UDP: %s" % (self.tun_offloads, self.udp_offloads)


def stages(underlay):
    """Not among those that are compared unless asked for by name."""
    return [WarrenStage(underlay, "aes-256-gcm", *stage) for stage in (
        ("0", "none", "none"),
        ("1-udp", "none", "gso gro"),
        ("2-read", "checksum tso uso", "gso gro"),
        ("3-tcp", "checksum tso uso coalesce-tcp", "gso gro"),
        ("4-all", Warren.tun_offloads, Warren.udp_offloads))]


def warrens(underlay):
    return [Warren(underlay, "chacha20-poly1305"), Warren(underlay, "aes-256-gcm"),
        WarrenNewer(underlay, "aegis-256"), WarrenCopy(underlay, "aes-256-gcm"),
        Warren(underlay, "chacha20-poly1305", True), Warren(underlay, "aes-256-gcm", True),
        WarrenNewer(underlay, "aegis-256", True)]
