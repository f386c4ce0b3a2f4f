"""
Network namespaces and the processes in them, with everything taken away again at the end; knows nothing of
warren. Tests import it by netlab.py.
"""

import atexit
import contextlib
import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

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


class Process:
    """A process in a namespace, its output in a file. telling: that is shown when a scenario fails."""

    def __init__(self, argv, popen, log):
        self.argv, self.popen, self.log_path = argv, popen, log
        self.telling = False

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
