"""
A small Linux in QEMU, whose kernel has what the host's may lack: GRE and FOU.

    Guest     boots what kernel.sh has made, and runs commands in it. Its ports are TAPs in a namespace of the
              lab, each on a bridge of its own; plug() puts a port on a segment.
    GuestNs   a namespace in the guest, asked the same things as the lab's Ns.

         namespace "guest"                       the guest
         control 169.254.0.1/30 --------------- control 169.254.0.2/30, guest_agent.py
    segment --- br1 --- tap1 ------------------ port1
    segment --- br2 --- tap2 ------------------ port2 ...
"""

import json
import os
import socket

from namespaces import fail, until

AGENT = ("169.254.0.2", 9999)
ACCELERATOR = os.environ.get("INTEROP_ACCEL", "tcg")  # kvm is faster, and not on every machine right
BOOT_S = 120  # emulated, on a busy machine; 20 s else


class Done:
    """How a command in the guest ended."""

    def __init__(self, answer):
        self.returncode, self.stdout, self.stderr = (answer[k] for k in ("returncode", "stdout", "stderr"))


class Guest:
    def __init__(self, lab, kernel, ports, console):
        """console: where its kernel's messages go."""
        self.lab, self.ns, self.console = lab, lab.ns("guest"), console
        argv = ["qemu-system-x86_64", "-machine", "pc,accel=" + ACCELERATOR, "-cpu", "max", "-smp", "2",
            "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", "file:" + self.console,
            "-kernel", os.path.join(kernel, "vmlinuz"), "-initrd", os.path.join(kernel, "initrd"),
            "-append", "console=ttyS0 loglevel=4 panic=-1 mitigations=off random.trust_cpu=on",
            "-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-9p-pci,fsdev=root,mount_tag=host"]
        for number, tap in enumerate(["control"] + ["tap%d" % n for n in range(1, ports + 1)]):
            self.ns.ip("tuntap add dev %s mode tap" % tap, "link set %s up" % tap)
            argv += ["-netdev", "tap,id=n%d,ifname=%s,script=no,downscript=no" % (number, tap),
                "-device", "virtio-net-pci,netdev=n%d,mac=52:54:00:00:00:%02x,romfile=" % (number, number)]
            if number:
                self.ns.ip("link add br%d type bridge" % number,
                    "link set %s master br%d" % (tap, number), "link set br%d up" % number)
        self.ns.ip("addr add 169.254.0.1/30 dev control")
        self.process = self.ns.spawn(*argv)
        until("the guest answers", self.answers, BOOT_S, 0.2)

    def answers(self):
        if not self.process.alive():
            with open(self.console, errors="replace") as f:
                fail("the guest has ended:\n%s%s" % (self.process.output(), f.read()[-2000:]))
        return self.responds()

    def responds(self, timeout=3):
        try:
            return self.run("true", timeout=timeout).returncode == 0
        except OSError:
            return False

    def run(self, *argv, check=True, timeout=60, stdin=""):
        """Runs a command to its end, as Ns.run does."""
        with self.ns.socket(kind=socket.SOCK_STREAM) as agent:
            agent.settimeout(timeout)
            agent.connect(AGENT)
            agent.sendall(json.dumps({"argv": [str(a) for a in argv], "stdin": stdin}).encode() + b"\n")
            with agent.makefile("rb") as answer:
                line = answer.readline()
        done = Done(json.loads(line or fail("the guest's agent said nothing to " + " ".join(map(str, argv)))))
        if check and done.returncode != 0:
            fail("guest: %s: exit %d: %s" % (" ".join(map(str, argv)), done.returncode,
                (done.stderr or done.stdout).strip()))
        return done

    def make_root(self, path):
        """Makes a root of a directory that has the programs of another Debian, unpacked, and no more."""
        script = """
            set -e
            cd "$1"
            for dir in lib lib64; do ln -sfn usr/$dir $dir; done
            for dir in proc dev run etc var; do
                mkdir -p $dir
                mountpoint -q $dir || mount --bind /$dir $dir
            done
        """
        self.run("sh", "-c", script, "sh", path)

    def plug(self, port, lab, segment, device):
        """A port on a bridge, which is called br0, of another namespace."""
        lab.link(segment, device, self.ns, "seg%d" % port)
        segment.ip("link set %s master br0" % device)
        self.ns.ip("link set seg%d master br%d" % (port, port))


class GuestNs:
    """A namespace in the guest. With a port, it has that as eth0, and gives it back at its end."""

    def __init__(self, guest, name, port=None):
        self.guest, self.name, self.port = guest, name, port
        guest.run("ip", "netns", "add", name)
        self.ip("link set lo up")
        if port:
            guest.run("ip", "link", "set", "port%d" % port, "netns", name)
            self.ip("link set port%d name eth0" % port, "link set eth0 up")

    def run(self, *argv, **options):
        return self.guest.run("ip", "netns", "exec", self.name, *argv, **options)

    def ip(self, *lines):
        """ip(8) commands, one a line."""
        self.guest.run("ip", "-n", self.name, "-batch", "-", stdin="\n".join(lines) + "\n")

    def ip_json(self, *argv):
        done = self.guest.run("ip", "-n", self.name, "-j", *argv)
        return json.loads(done.stdout) if done.stdout.strip() else []

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)

    def sysctl(self, *settings):
        self.run("sysctl", "-qw", *settings)

    def packets(self, device):
        """The kernel's own counts of a device: packets received, packets sent."""
        stats = self.ip_json("-s", "link", "show", "dev", device)[0]["stats64"]
        return stats["rx"]["packets"], stats["tx"]["packets"]

    def close(self):
        """Ends what runs here, and the namespace. What a command here left of files in the guest stays."""
        self.guest.run("sh", "-c", "ip netns pids %s | xargs -r kill -9" % self.name)
        if self.port:
            self.guest.run("ip", "-n", self.name, "link", "set", "eth0", "down")
            self.ip("link set eth0 name port%d" % self.port, "link set port%d netns 1" % self.port)
        self.guest.run("ip", "netns", "del", self.name)
