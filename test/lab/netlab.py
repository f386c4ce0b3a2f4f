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

Python's standard library only.
"""

import atexit
import contextlib
import ctypes
import http.client
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PORT = 4754
OVERLAY4, OVERLAY6 = "10.77.0.", "fd77::"
LANS4, LANS6 = "192.168.0.0/16", "fd77::/48"
TUN = "warren0"
SKIP = 77

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    pass


def fail(text):
    raise LabError(text)


def expect(condition, text):
    if not condition:
        fail(text)


def until(what, test, timeout=10.0, interval=0.02):
    """Polls test() until it is true and returns its value; an error names `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > deadline:
            fail("not within %g s: %s" % (timeout, what))
        time.sleep(interval)


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


# ---- Namespaces and processes -------------------------------------------------------------------


class Process:
    """A process in a namespace, its output in a file."""

    def __init__(self, argv, popen, log):
        self.argv, self.popen, self.log_path = argv, popen, log

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def alive(self):
        return self.popen.poll() is None

    def wait(self, timeout=30):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            fail("still running after %g s: %s" % (timeout, " ".join(self.argv)))

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def stop(self, grace=3.0):
        """SIGTERM, then SIGKILL. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def kill(self):
        if self.alive():
            self.popen.kill()
        return self.popen.wait()

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Ns:
    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.full = "warren-%s-%s" % (lab.tag, name)
        self.path = "/run/netns/" + self.full
        subprocess.run(["ip", "netns", "add", self.full], check=True)
        self.ip("link set lo up")
        self.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.dad_transmits=0")

    def _enter(self, argv):
        return ["nsenter", "--net=" + self.path, "--"] + [str(a) for a in argv]

    def run(self, *argv, check=True, timeout=60, stdin=None):
        """Runs a command to its end; the result has returncode, stdout, stderr (text)."""
        done = subprocess.run(self._enter(argv), input=stdin, capture_output=True, text=True,
            errors="replace", timeout=timeout)
        if check and done.returncode != 0:
            fail("%s: %s: exit %d: %s" % (self.name, " ".join(map(str, argv)), done.returncode,
                (done.stderr or done.stdout).strip()))
        return done

    def spawn(self, *argv, log=None, env=None, stderr=subprocess.STDOUT):
        """Starts a command in the background; its output goes to a file."""
        path = log or self.lab.path("%s-%d.log" % (self.name, len(self.lab.processes)))
        with open(path, "ab") as out:
            popen = subprocess.Popen(self._enter(argv), stdin=subprocess.DEVNULL, stdout=out,
                stderr=stderr, env=dict(os.environ, **env) if env else None,
                start_new_session=True)
        process = Process([str(a) for a in argv], popen, path)
        self.lab.processes.append(process)
        return process

    def ip(self, *lines):
        """ip(8) commands, one a line."""
        text = "\n".join(line.strip() for chunk in lines for line in chunk.splitlines() if line.strip())
        done = subprocess.run(["ip", "-n", self.full, "-batch", "-"], input=text,
            capture_output=True, text=True)
        if done.returncode != 0:
            fail("%s: ip: %s in: %s" % (self.name, done.stderr.strip(), text))

    def ip_json(self, *argv):
        done = subprocess.run(["ip", "-n", self.full, "-j", *argv], capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)

    def sysctl(self, *settings):
        for setting in settings:
            key, value = setting.split("=", 1)
            with self.entered():
                with open("/proc/sys/" + key.replace(".", "/"), "w") as f:
                    f.write(value)

    def forward(self):
        self.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    @contextlib.contextmanager
    def entered(self):
        """This thread inside the namespace: sockets opened here belong to it."""
        here, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(self.path, os.O_RDONLY)
        try:
            if _libc.setns(there, 0x40000000) != 0:
                fail("setns: " + os.strerror(ctypes.get_errno()))
            yield
        finally:
            _libc.setns(here, 0x40000000)
            os.close(here)
            os.close(there)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM, proto=0):
        with self.entered():
            return socket.socket(family, kind, proto)

    def bytes_of(self, device):
        """The kernel's own count of bytes sent and received on a device."""
        stats = self.ip_json("-s", "link", "show", "dev", device)[0]["stats64"]
        return stats["tx"]["bytes"] + stats["rx"]["bytes"]

    def overflows(self):
        """Packets that the kernel dropped because a queue was full: of devices, of UDP sockets."""
        total = sum(link["stats64"]["tx"]["dropped"] + link["stats64"]["rx"]["dropped"]
            for link in self.ip_json("-s", "link"))
        lines = self.run("cat", "/proc/net/snmp").stdout.splitlines()
        names, values = [l.split() for l in lines if l.startswith("Udp:")]
        return total + sum(int(v) for n, v in zip(names, values) if n in ("RcvbufErrors", "SndbufErrors"))

    def links(self):
        return [link["ifname"] for link in self.ip_json("link")]

    def pids(self):
        done = subprocess.run(["ip", "netns", "pids", self.full], capture_output=True, text=True)
        return [int(p) for p in done.stdout.split()]

    def ping(self, to, count=1, interval=0.2, timeout=5, **options):
        """Pings and waits for the end; see Ping."""
        return Ping(self, to, count, interval, timeout, **options).wait()

    def reachable(self, to, timeout=1):
        return self.ping(to, timeout=timeout).received > 0


class Ping:
    """ping(8), parsed: transmitted, received, replies = [(seq, unix time, ttl, rtt_ms)], errors."""

    def __init__(self, ns, to, count, interval, timeout=5, size=56, pattern=None, ttl=None, tos=None,
            df=False):
        argv = ["ping", "-n", "-D", "-c", count, "-i", interval, "-W", timeout, "-s", size]
        argv += ["-p", pattern] if pattern else []
        argv += ["-t", ttl] if ttl else []
        argv += ["-Q", tos] if tos is not None else []
        argv += ["-M", "do"] if df else []
        self.started = time.time()
        self.limit = count * interval + timeout + 10
        self.process = ns.spawn(*argv, to)

    def replies_now(self):
        return [(int(s), float(t), int(l), float(r)) for t, s, l, r in re.findall(
            r"^\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+) ttl=(\d+) time=([\d.]+) ms",
            self.process.output(), re.M)]

    def wait(self):
        self.process.wait(self.limit)
        self.text = self.process.output()
        self.replies = self.replies_now()
        counts = re.search(r"(\d+) packets transmitted.* time (\d+)ms", self.text)
        self.transmitted = int(counts.group(1)) if counts else 0
        self.spacing_ms = int(counts.group(2)) / max(1, self.transmitted - 1) if counts else 0
        self.received = len(set(seq for seq, _, _, _ in self.replies))
        self.lost = self.transmitted - self.received
        self.errors = re.findall(r"^\[[\d.]+\] From (.*)$", self.text, re.M)
        return self

    def largest_gap(self):
        """Longest time between two replies, s."""
        at = [t for _, t, _, _ in self.replies]
        return max((b - a for a, b in zip(at, at[1:])), default=1e9)

    def first_sent(self):
        """Unix time at which the first packet left, as near as its reply tells."""
        seq, at, _, rtt = self.replies[0]
        return at - rtt / 1000.0


class Lab:
    def __init__(self):
        self.tag = "%06x" % random.SystemRandom().randrange(1 << 24)
        self.dir = tempfile.mkdtemp(prefix="warren-lab-%s-" % self.tag)
        self.spaces, self.processes, self.open = {}, [], True
        atexit.register(self.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._signalled)

    def _signalled(self, number, _frame):
        self.close()
        os._exit(128 + number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def ns(self, name):
        if name not in self.spaces:
            self.spaces[name] = Ns(self, name)
        return self.spaces[name]

    def link(self, a, device_a, b, device_b, mtu=1500):
        """A veth pair between two namespaces, both ends up."""
        done = subprocess.run(["ip", "link", "add", device_a, "mtu", str(mtu), "netns", a.full, "type",
            "veth", "peer", "name", device_b, "mtu", str(mtu), "netns", b.full],
            capture_output=True, text=True)
        if done.returncode != 0:
            fail("veth %s-%s: %s" % (a.name, b.name, done.stderr.strip()))
        a.ip("link set %s up" % device_a)
        b.ip("link set %s up" % device_b)

    def leave(self):
        """Leaves everything as it is, for a person to look at."""
        self.open = False

    def close(self):
        if not self.open:
            return
        self.open = False
        for process in self.processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 2
        for process in self.processes:
            try:
                process.popen.wait(max(0.01, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        for ns in self.spaces.values():
            for pid in ns.pids():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", ns.full], stderr=subprocess.DEVNULL)
        if not os.environ.get("LAB_KEEP_FILES"):
            shutil.rmtree(self.dir, ignore_errors=True)


# ---- warrend ------------------------------------------------------------------------------------


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
        if key not in ("prefix", "advertise", "route"):
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
    `prefix =` lines say: "lan" (their LAN) or None (no lines). advertise: the hub tells the spokes
    to send it what is for any LAN.
    """

    def __init__(self, lab, sites=("a", "b"), underlay=4, overlay=4, dual=False, nat="drop",
            prefixes="lan", hub_workers=2, hub_config=None, spoke_config=None, advertise=True):
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
        for family in self.inner if advertise else ():
            self.hub.set("nhrp", "advertise = " + (LANS4 if family == 4 else LANS6))
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
            self.ca.issue(node, "spoke", self._addresses(str(10 + site.number)), lans)
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
        for family in self.inner:
            self.hub2.set("nhrp", "advertise = " + (LANS4 if family == 4 else LANS6))
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

    def make_direct(self, one="a", other="b", timeout=10):
        """Traffic between two LAN hosts until both ends say the path is direct."""
        ping = Ping(self.sites[one].host, self.host_of(other), int(timeout / 0.05), 0.05, 2)
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
        if "warrend" in process.argv[0]:
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
