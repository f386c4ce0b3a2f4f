"""
The network under every tunnel that is compared: three hosts on one bridge, no routers, no NAT.

        a .11 ---+
                 |  one bridge, 203.0.113.0/24, MTU 1500
        b .12 ---+
                 |
      hub .1 ----+

What an underlay costs, it costs all contenders alike; this is the cheapest one that three hosts can share.
"""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from netlab import Node, World, expect, fail  # noqa: E402,F401


def program(name):
    """A program of test/bench, in the build that the daemons come from."""
    build = os.environ.get("WARREN_BIN") or os.environ.get("WARREN_BUILD") or "build/release"
    path = os.path.join(build, "test", "bench", name)
    return os.path.abspath(path) if os.access(path, os.X_OK) else fail("no %s; build first" % path)


def favour(process):
    """
    Lets a process of the bench run before the machine's other ones, so that those disturb it less. Where
    sessions are scheduled as groups it takes more than nice(2). All of the bench is favoured alike.
    """
    with contextlib.suppress(OSError), open("/proc/%d/autogroup" % process.pid, "w") as f:
        f.write("-15")
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, -15)
    return process


def add_spoke(world, name, number, config=None):
    """A spoke on the public segment itself, without router or LAN."""
    ns = world.lab.ns(name)
    last = 10 + number
    world.attach(ns, "eth0", "203.0.113.%d" % last, "2001:db8::%d" % last)
    node = Node(world, ns, name, config)
    node.underlay, node.overlay = "203.0.113.%d" % last, "10.77.0.%d" % last
    node.set("nhrp", "prefix = 192.168.%d.0/24" % last)
    world.ca.issue(node, "spoke", [node.overlay + "/24"], ["192.168.%d.0/24" % last])
    world.spokes[name] = node
    return node


class Underlay:
    """The hosts, and a warren network on them whose daemons do not run yet."""

    def __init__(self, lab, spokes=("a", "b")):
        self.lab = lab
        self.world = World(lab, sites=())
        # As many workers as the hub's default is, like everywhere in the comparison.
        self.world.hub.sections["udp"] = [l for l in self.world.hub.sections["udp"]
            if not l.startswith("workers")]
        for number, name in enumerate(spokes, 1):
            setattr(self, name, add_spoke(self.world, name, number))
        self.hub = self.world.hub
