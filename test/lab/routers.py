"""
Routing daemons in the lab, as anybody would run them, in the namespace of a node or of a router in a LAN. What
they keep at run time lies in the lab's directory; nothing of the machine's own FRR or BIRD is read, written or
started. Their configurations are those of conf/routing.

    known_good   a file of conf/routing
    Frr          zebra and the daemons that a configuration speaks of, and vtysh
    cloud        a world whose routes come from routing daemons alone
    started, learnt, direct_traffic, withdrawn, dies, restarted   what each scenario of a protocol goes through

Daemons end with the lab; stop() lets them say good-bye, kill() does not.
"""

import json
import os
import re
import shutil
import stat
import time

from netlab import ROOT, TUN, World, expect, fail, until

# Everything behind the spokes, for the certificates: routing decides who has what.
CERTIFIED = ("192.168.0.0/16", "fd77:0:0:0::/56")


def known_good(name, **variables):
    """The text of conf/routing/NAME with @VARIABLE@ replaced by its value; none may be left."""
    with open(os.path.join(ROOT, "conf", "routing", name)) as f:
        text = f.read()
    for key, value in variables.items():
        expect("@%s@" % key in text, "%s has no @%s@" % (name, key))
        text = text.replace("@%s@" % key, str(value))
    left = re.search(r"@[A-Z0-9_]+@", re.sub(r"(?m)^\s*[!#].*$", "", text))
    expect(not left, "%s: no value for %s" % (name, left and left.group(0)))
    return text


class Routing:
    """What routing daemons in a namespace have in common: a directory, a configuration, processes."""

    def __init__(self, ns, name, text):
        self.ns, self.name, self.text = ns, "%s-%s" % (name, ns.name), text
        self.dir = ns.lab.path(self.name)
        os.makedirs(os.path.join(self.dir, "tmp"))
        self.processes = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def belongs_to(self, user):
        """Daemons that give up root write here, and find their way here."""
        os.chmod(self.ns.lab.dir, 0o711)
        for path in (self.dir, self.path("tmp")):
            shutil.chown(path, user, user)

    def spawn(self, *argv):
        """A daemon in the foreground, which sees our directory where a system's one writes unasked."""
        name = os.path.basename(argv[0])
        process = self.ns.spawn("unshare", "--mount", "sh", "-ec",
            'for d in /var/tmp /run/frr; do [ ! -d $d ] || mount --bind "$0" $d; done; exec "$@"',
            self.path("tmp"), *argv, log=self.path(name + ".log"))
        process.argv, process.telling = list(argv), True
        self.processes.append(process)
        return process

    def wait_for(self, process, what):
        """Until a daemon has made its socket."""
        def there():
            if not process.alive():
                fail("%s ended:\n%s" % (process.argv[0], process.output()))
            return os.path.exists(self.path(what))
        until("%s makes %s" % (process.argv[0], what), there, 20)

    def alive(self):
        return bool(self.processes) and all(p.alive() for p in self.processes)

    def stop(self):
        """Neighbours are told, routes are withdrawn. The one that was started first ends last."""
        while self.processes:
            self.processes.pop().stop(10)

    def kill(self):
        while self.processes:
            self.processes.pop().kill()
        for name in os.listdir(self.dir):  # what it left behind is not the next one's
            if stat.S_ISSOCK(os.lstat(self.path(name)).st_mode) or name.endswith(".pid"):
                os.unlink(self.path(name))

    def log(self):
        text = ""
        for process in self.processes:
            text += "---- %s\n%s" % (process.log_path, process.output())
        return text


class Frr(Routing):
    """FRR: `text` is what would be its frr.conf. One in a namespace."""

    PROGRAMS = "/usr/lib/frr"
    # A daemon, and the line by which a configuration asks for it.
    DAEMONS = {
        "bfdd": r"^bfd$|\bbfd\b",
        "ospfd": r"^router ospf\b",
        "ospf6d": r"^router ospf6\b",
        "bgpd": r"^router bgp\b",
        "eigrpd": r"^router eigrp\b",
        "ripd": r"^router rip\b",
        "ripngd": r"^router ripng\b",
        "babeld": r"^router babel\b",
        "staticd": r"^ip(v6)? route\b",
    }

    def __init__(self, ns, text):
        super().__init__(ns, "frr", text)

    def start(self):
        self.belongs_to("frr")
        self._daemon("zebra")
        lines = re.sub(r"(?m)^\s*[!#].*$", "", self.text)
        for name, asks in self.DAEMONS.items():
            if re.search(asks, lines, re.M):
                self._daemon(name)
        self.write("vtysh.conf", "")
        config = self.write("frr.conf", self.text)
        done = self._vtysh("-f", config)
        expect(done.returncode == 0 and "%" not in done.stdout,
            "%s refuses its configuration:\n%s%s" % (self.name, done.stdout, done.stderr))
        return self

    def _daemon(self, name):
        own = ("--bfdctl", self.path("bfdd.sock")) if name == "bfdd" else ()
        process = self.spawn(os.path.join(self.PROGRAMS, name), "-f", self.write(name + ".conf", ""),
            "--vty_socket", self.dir, "-z", self.path("zserv.api"), "-i", self.path(name + ".pid"),
            "-P", "0", "-u", "frr", "-g", "frr", "--log", "stdout", *own)
        self.wait_for(process, name + ".vty")
        if name == "zebra":
            self.wait_for(process, "zserv.api")

    def _vtysh(self, *argv):
        return self.ns.run("vtysh", "--vty_socket", self.dir, "--config_dir", self.dir, *argv,
            check=False)

    def show(self, *commands):
        """What vtysh prints, for commands of one session."""
        done = self._vtysh(*(word for command in commands for word in ("-c", command)))
        expect(done.returncode == 0 and not done.stdout.startswith("%"),
            "%s: %s: %s%s" % (self.name, commands, done.stdout, done.stderr))
        return done.stdout

    def json(self, command):
        text = self.show(command + " json")
        try:
            return json.loads(text)
        except ValueError:
            fail("%s: %s json: %s" % (self.name, command, text[:200]))

    def configure(self, *lines):
        self.show("configure terminal", *lines)

    def route(self, prefix):
        """What zebra has chosen for a prefix: {"protocol", "via": next hops in use}, or None."""
        family = "ipv6" if ":" in prefix else "ip"
        for entry in self.json("show %s route %s" % (family, prefix)).get(prefix, []):
            if entry.get("selected"):
                return {"protocol": entry["protocol"],
                    "via": [h.get("ip") for h in entry["nexthops"] if h.get("fib")]}
        return None


def cloud(lab, sites=("a", "b"), hubs=1, **options):
    """A started world where warrend has no prefix, advertises nothing, and installs no route."""
    options.setdefault("certified", CERTIFIED)
    world = World(lab, sites=sites, prefixes=None, advertise=False, **options)
    if hubs == 2:
        world.second_hub()
    return world.start()


def started(world, hub, spoke, **variables):
    """FRR by these two files on the hub and on all spokes: (hub, [spokes])."""
    return (Frr(world.hub_ns, known_good(hub)).start(),
        [Frr(s.ns, known_good(spoke, **variables)).start() for s in world.sites.values()])


def bfd_up(frr, n):
    """So many BFD sessions, with the profile's timers."""
    return sum(p["status"] == "up" and p["transmit-interval"] == 200
        for p in frr.json("show bfd peers")) == n


def gateways(node, prefix):
    """Of the routes to a prefix that a node has mirrored from the kernel."""
    return sorted(r["gateway"] or "" for r in node.routes()
        if r["prefix"] == prefix and r["source"] == "kernel")


def learnt(world, frr, prefix, protocol, via, timeout=30):
    """Until a has a route to a prefix from this protocol by this next hop, and warrend has mirrored it."""
    want = {"protocol": protocol, "via": [via]}
    until("a learns %s by %s" % (prefix, via),
        lambda: frr.route(prefix) == want and gateways(world.spokes["a"], prefix) == [via], timeout)


def shortcut(node, prefix):
    return next((r for r in node.routes()
        if r["prefix"] == prefix and r["source"] == "shortcut" and r["active"]), None)


def direct_traffic(world, one="a", other="b", family=None, packets=20):
    """Traffic between two LANs, once there are routes both ways: nothing is lost, and it becomes direct."""
    host, to = world.sites[one].host, world.host_of(other, family)

    def by_the_hub(count):
        before = world.hub.hairpinned()
        ping = host.ping(to, count, 0.02)
        expect(ping.lost == 0, "%d of %d lost" % (ping.lost, count))
        return world.hub.hairpinned() - before

    until("there are routes both ways", lambda: host.reachable(to, 0.3), 20)
    world.make_direct(one, other, family=family)
    until("traffic goes directly", lambda: by_the_hub(5) == 0)
    sent = world.spokes[one].peer(other)["tx_packets"]
    expect(by_the_hub(packets) == 0, "the hub carries it again")
    expect(world.spokes[one].peer(other)["tx_packets"] >= sent + packets, "not to the other spoke")


def withdrawn(world, prefix, act, one="a", other="b", timeout=10, to=None):
    """
    After act() routing takes the prefix behind `other` from `one`, and the shortcut goes with it, and the
    traffic to the host there, or to `to`. Returns s from act() to the kernel's route's end, and from there to
    the shortcut's.
    """
    node = world.spokes[one]
    expect(gateways(node, prefix), "%s has no route to %s" % (one, prefix))
    family = "-6" if ":" in prefix else "-4"
    in_kernel = lambda: any(r["dst"] == prefix for r in node.ns.ip_json(family, "route", "show", "dev", TUN))
    began = time.monotonic()
    act()
    until("the kernel's route to %s goes" % prefix, lambda: not in_kernel(), timeout, 0.01)
    routed = time.monotonic()
    until("the shortcut goes with its route", lambda: not shortcut(node, prefix), 2, 0.005)
    gone = time.monotonic()
    to = to or world.host_of(other, 6 if ":" in prefix else 4)
    expect(not world.sites[one].host.reachable(to, 0.3), "traffic without a route")
    return routed - began, gone - routed


def gone(world, prefix, act, **options):
    """withdrawn(), in words for a scenario's note."""
    return "withdrawn after %.2f s, the shortcut %.2f s later" % withdrawn(world, prefix, act, **options)


def dies(world, prefix, other="b", within=3):
    """A spoke falls silent: BFD finds it, and routing takes its prefix from the others. Returns s."""
    began = time.monotonic()
    world.sites[other].router.ip("link set wan down")
    until("%s's LAN is withdrawn" % other, lambda: not gateways(world.spokes["a"], prefix), within, 0.01)
    return time.monotonic() - began


def restarted(world, name, to, within=15):
    """
    warrend of a node ends and starts again, and its interface with it; the routing daemon stays. Returns s
    from the start until a's host reaches `to` for good.
    """
    node = world.hub if name == "hub" else world.spokes[name]
    host = world.sites["a"].host
    until("a's host reaches %s before" % to, lambda: host.reachable(to, 0.3))
    node.stop()
    node.start()
    began = time.monotonic()
    until("%s is ready again" % name, node.ready)
    until("routes are back after %s's restart" % name,
        lambda: host.ping(to, 5, 0.1, 0.5).lost == 0, within)
    return time.monotonic() - began
