"""
warrend in a laboratory: the programs of a build, a network's CA, one daemon and what it is asked, and what
fails in it. Tests import it by netlab.py.
"""

import contextlib
import http.client
import json
import mmap
import os
import re
import shutil
import socket
import struct
import subprocess

from namespaces import fail, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT = 4754
TUN = "warren0"


def helper(name):
    """A program or library of test/lab, from the build that warrend is from."""
    where = os.path.dirname(binaries()[0])
    while where != "/":
        path = os.path.join(where, "test", "lab", name)
        if os.path.exists(path):
            return path
        where = os.path.dirname(where)
    fail("no %s beside %s; build first" % (name, binaries()[0]))


def binaries():
    """warrend and warren in $WARREN_BIN, else in the build that ctest runs in, else in any."""
    found = os.environ.get("WARREN_BIN") or os.environ.get("WARREN_BUILD")
    places = [found] if found else [
        os.path.join(ROOT, "build", p) for p in ("release", "dev", "asan")]
    for place in places:
        pair = []
        for name in ("warrend", "warren"):
            for sub in ("", "core/daemon", "core/cli", "core", "bin"):
                path = os.path.join(place, sub, name)
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    pair.append(path)
                    break
        if len(pair) == 2:
            return tuple(pair)
    fail("no warrend and warren under %s; build first" % ", ".join(places))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=5):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


# What all daemons of a run use, where a test does not say otherwise; see offloads.sh.
OFFLOADS = {section: os.environ[variable] for section, variable in
    (("tun", "LAB_TUN_OFFLOADS"), ("udp", "LAB_UDP_OFFLOADS")) if variable in os.environ}


class Node:
    """One warrend. config: section -> list of "key = value" lines on top of the defaults."""

    def __init__(self, world, ns, name, config=None):
        self.world, self.ns, self.name = world, ns, name
        self.lab = world.lab
        self.dir = self.lab.path(name)
        os.makedirs(self.dir, mode=0o755, exist_ok=True)
        self.socket = os.path.join(self.dir, "control.sock")
        self.ini = os.path.join(self.dir, "warren.ini")
        self.log_path = os.path.join(self.dir, "log")
        self.sections = {
            "node": [
                "key = %s" % self.file("key"),
                "certificate = %s" % self.file("crt"),
                "bundle = %s" % self.file("bundle"),
                "network = %s" % world.ca.network,
                "state-directory = %s" % os.path.join(self.dir, "state"),
            ],
            "tun": ["name = %s" % TUN],
            "udp": ["port = %d" % PORT],
            "nhrp": [],
            "control": ["socket = %s" % self.socket],
            "http": ["listen = 127.0.0.1:8747"],
            "log": ["level = info"],
        }
        for section, words in OFFLOADS.items():
            self.set(section, "offloads = " + words)
        for section, lines in (config or {}).items():
            for line in lines:
                self.set(section, line)
        self.process = None
        self.prefix, self.env = [], {}  # what warrend is started by, and with

    def file(self, kind):
        return os.path.join(self.dir, "%s.%s" % (self.name, kind))

    def set(self, section, line):
        """Adds a config line; a key that takes one value is replaced."""
        key = line.split("=")[0].strip()
        lines = self.sections.setdefault(section, [])
        if key not in ("prefix", "advertise", "route", "group"):
            lines[:] = [l for l in lines if l.split("=")[0].strip() != key]
        lines.append(line)

    def write_config(self):
        os.makedirs(os.path.join(self.dir, "state"), mode=0o700, exist_ok=True)
        with open(self.ini, "w") as f:
            for section, lines in self.sections.items():
                if lines:
                    f.write("[%s]\n%s\n\n" % (section, "\n".join(lines)))

    def take_bundle(self):
        """The network's newest bundle into the file that the config names."""
        shutil.copy(self.world.ca.bundle_path, self.file("bundle"))

    def start(self, wait=True, tidy=True):
        """tidy: removes the socket of a daemon that was killed, which a new one can do itself."""
        self.write_config()
        if not os.path.exists(self.file("bundle")):
            self.take_bundle()
        with contextlib.suppress(FileNotFoundError):
            if tidy:
                os.unlink(self.socket)
        self.process = self.ns.spawn(*self.prefix, self.world.warrend, "-c", self.ini,
            log=self.log_path, env=self.env)
        self.process.telling = True
        if wait:
            until("%s answers on its control socket" % self.name, self.answers, 20)
        return self

    def answers(self):
        if not self.process.alive():
            fail("%s ended with %d:\n%s" % (self.name, self.process.wait(), self.log()[-2000:]))
        try:
            return self.status() is not None
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        return self.process.stop()

    def kill(self):
        return self.process.kill()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def logged(self, pattern):
        return re.search(pattern, self.log())

    def api(self, what):
        """One answer of the control socket, decoded: status, peers, routes, nhrp, events."""
        connection = UnixConnection(self.socket)
        try:
            connection.request("GET", "/api/v1/" + what)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                fail("%s: /api/v1/%s: %d %s" % (self.name, what, response.status, body[:200]))
            return json.loads(body)
        finally:
            connection.close()

    def status(self):
        return self.api("status")

    def listing(self, what):
        answer = self.api(what)
        return answer[what] if isinstance(answer, dict) else answer

    def peers(self):
        return self.listing("peers")

    def peer(self, name):
        return next((p for p in self.peers() if p["name"] == name), None)

    def routes(self):
        return self.listing("routes")

    def nhrp(self):
        return self.listing("nhrp")

    def shortcuts(self):
        return [e for e in self.nhrp() if e["kind"] == "shortcut" and e["state"] == "active"]

    def direct(self, name):
        peer = self.peer(name)
        return bool(peer and peer["up"] and peer["direct"])

    def ready(self):
        return bool(self.status()["ready"])

    def counters(self):
        return self.status()["counters"]

    def hairpinned(self):
        return self.counters()["hairpin_packets"]

    def dropped(self, reason):
        return self.status()["drops"][reason]

    def post(self, what):
        """A verb of the control socket; the HTTP status."""
        connection = UnixConnection(self.socket)
        try:
            connection.request("POST", "/api/v1/" + what)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def cli(self, *argv, check=True, timeout=30):
        return self.ns.run(self.world.warren, argv[0], "--socket", self.socket, *argv[1:], check=check,
            timeout=timeout)


class Faults:
    """
    What fails in a node's warrend, by fault_shim.c: to be made before its start, and set and
    cleared at any time. `node.faults = Faults(node)`.
    """

    KINDS = ("sendmmsg", "sendmsg", "recvmmsg", "recvmsg", "tun_read", "tun_write", "file_write",
        "fsync", "rename", "resolve", "allocate", "open", "tun_train", "udp_train")
    RULE = struct.Struct("<iiiiqq")
    CLOCKS = struct.Struct("<qq64s")

    def __init__(self, node):
        path = os.path.join(node.dir, "faults")
        with open(path, "wb") as f:
            f.write(bytes(len(self.KINDS) * self.RULE.size + self.CLOCKS.size))
        with open(path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 0)
        node.env.update(LD_PRELOAD=helper("fault_shim.so"), FAULT_FILE=path)

    def set(self, kind, error=0, every=1, left=-1, value=0):
        """kind fails with errno `error`, each `every`-th call, `left` times (-1 = from now on)."""
        at = self.KINDS.index(kind) * self.RULE.size
        self.RULE.pack_into(self.memory, at, error, every, left, value, 0, 0)

    def clear(self, *kinds):
        """Returns how often the calls failed."""
        hits = 0
        for kind in kinds or self.KINDS:
            hits += self.hits(kind)
            self.set(kind, left=0)
        return hits

    def calls(self, kind):
        return self.RULE.unpack_from(self.memory, self.KINDS.index(kind) * self.RULE.size)[4]

    def hits(self, kind):
        return self.RULE.unpack_from(self.memory, self.KINDS.index(kind) * self.RULE.size)[5]

    def clocks(self, realtime_s=0, boottime_s=0, address=""):
        """Shifts the clocks; `address` is what "resolve" with error 0 makes of any name."""
        self.CLOCKS.pack_into(self.memory, len(self.KINDS) * self.RULE.size, realtime_s,
            int(boottime_s * 1e9), address.encode())


class Ca:
    """A network's own CA in a directory, by the `warren` command."""

    def __init__(self, world, name="ca"):
        self.world = world
        self.dir = world.lab.path(name)
        self.bundle_path = world.lab.path(name + ".bundle")
        out = self.warren("ca", "init", self.dir, "--no-passphrase")
        self.network = self._network(out)

    def warren(self, *argv):
        done = subprocess.run([self.world.warren, *map(str, argv)], capture_output=True, text=True,
            stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            fail("warren %s: exit %d: %s" % (" ".join(map(str, argv)), done.returncode,
                done.stderr.strip()))
        return done.stdout

    def _network(self, out):
        """The value for `network =`, 88 characters of base64 that ca init prints."""
        found = re.search(r"[A-Za-z0-9+/]{86}==", out)
        return found.group(0) if found else fail("`warren ca init` told no network: " + out)

    def issue(self, node, role, addresses, prefixes=(), name=None, out=None):
        """A key (once) and a certificate for a node."""
        if not os.path.exists(node.file("key")):
            self.warren("keygen", "-o", node.file("key"))
        argv = ["sign", "--ca", self.dir, "--name", name or node.name, "--role", role]
        for address in addresses:
            argv += ["--address", address]
        for prefix in prefixes:
            argv += ["--prefix", prefix]
        target = out or node.file("crt")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        self.warren(*argv, node.file("key") + ".pub", "-o", target)

    def bundle(self, hubs):
        """hubs: [(node, "host:port")]. Replaces the bundle file, with a higher number."""
        argv = ["ca", "bundle", "--ca", self.dir]
        for node, endpoint in hubs:
            argv += ["--hub", "%s=%s@%s" % (node.name, node.file("key") + ".pub", endpoint)]
        self.warren(*argv, "-o", self.bundle_path)

    def revoke(self, node):
        """Revokes a node's certificate: a new bundle."""
        self.warren("ca", "revoke", "--ca", self.dir, "--cert", node.file("crt"), "-o",
            self.bundle_path)
