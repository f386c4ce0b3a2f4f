"""The cases of converge.py: what tells the nodes their routes, and in which phase."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
from bird import birds  # noqa: E402
from netlab import TUN  # noqa: E402
from routers import CERTIFIED, Frr, known_good  # noqa: E402
from moving import NET  # noqa: E402

HUB1, HUB2 = "10.77.0.1", "10.77.0.2"


class Case:
    """start(world) starts routing daemons and returns {node's name: daemon}. titles: one a family measured."""

    advertise = False
    moves = True
    watch_s = 3  # an event is watched for so long at least
    rest_s = 1   # until all has come to rest between events

    def __init__(self, name, phase, titles):
        self.name, self.phase = "%s-%d" % (name, phase), phase
        self.titles = titles
        self.families = sorted(titles)

    def certified(self):
        return CERTIFIED


class Registration(Case):
    """No routing daemon: what spokes register, and what hubs advertise."""

    def __init__(self, phase):
        super().__init__("registration", phase, {4: "none (registered prefixes)"})
        self.advertise = True

    def certified(self):
        """Spokes register those of them that they have a route to."""
        return ["192.168.%d.0/24" % n for n in (1, 2, 3)] + list(NET.values())

    def start(self, world):
        return {}


class Static(Registration):
    """Routes by hand on spokes, to the far spoke: phase 2. They do not move, so nothing does here."""

    def __init__(self):
        super().__init__(2)
        self.name, self.titles = "static-2", {4: "none (static routes)"}
        self.advertise = self.moves = False

    def start(self, world):
        world.spokes["a"].ns.ip("route add %s via %s dev %s" % (NET[4], world.overlay_of("b", 4), TUN))
        return {}


class WithBird(Case):
    def __init__(self, name, phase, titles, protocol, hub=(), spoke=(), switch=(), watch_s=3):
        super().__init__("bird-" + name, phase, titles)
        self.protocol, self.switches, self.watch_s = protocol, (hub, spoke, switch), watch_s
        self.rest_s = 2

    def start(self, world):
        hub, spoke, switch = self.switches
        return birds(world, self.protocol, hub, spoke, switch)


def of_bird():
    ospf = {4: "BIRD OSPFv2", 6: "BIRD OSPFv3"}
    both = [HUB2]
    # The flows of the two families may go by different hubs, of which one is killed.
    yield WithBird("ospf", 1, {4: ospf[4]}, "ospf", spoke=both)
    yield WithBird("ospf6", 1, {6: ospf[6]}, "ospf", spoke=both)
    yield WithBird("ospf", 3, ospf, "ospf", spoke=both)
    yield WithBird("ospf", 2, ospf, "ospf", switch=["type broadcast"])
    for protocol, title in (("ibgp", "BIRD iBGP"), ("ebgp", "BIRD eBGP")):
        for phase in (1, 2, 3):
            yield WithBird(protocol, phase, {4: title}, protocol, spoke=both,
                hub=[] if phase == 2 else ["next hop self"])
    for phase in (1, 2):
        yield WithBird("rip", phase, {4: "BIRD RIPv2"}, "rip", watch_s=10)
    for phase in (1, 3):
        yield WithBird("babel", phase, {4: "BIRD Babel"}, "babel", watch_s=10)


class WithFrr(Case):
    """By frr-FILES-hub.conf and -spoke.conf; edit(text) makes another phase of what the hub has."""

    def __init__(self, name, phase, titles, files=None, edit=None, watch_s=3, moves=True):
        super().__init__("frr-" + name, phase, titles)
        self.files, self.edit, self.watch_s, self.moves = files or name, edit, watch_s, moves
        self.rest_s = 2

    def hub(self, node, number):
        text = known_good("frr-%s-hub.conf" % self.files)
        if "interface lans" in text:
            node.lab.link(node.ns, "lans", node.lab.ns("nowhere-" + node.name), "eth0")
        text = text.replace("router-id " + HUB1, "router-id 10.77.0.%d" % number)
        return Frr(node.ns, self.edit(text) if self.edit else text).start()

    def spoke(self, node):
        """
        What names the hub names the second one too. FRR would take its highest address as its router's id,
        and that of the network that moves is not its alone.
        """
        lines = ["router-id " + node.world.overlay_of(node.name, 4)]
        for line in known_good("frr-%s-spoke.conf" % self.files).splitlines():
            lines += [line, line.replace(HUB1, HUB2)] if HUB1 in line else [line]
        return Frr(node.ns, "\n".join(lines) + "\n").start()

    def start(self, world):
        daemons = {n.name: self.hub(n, i) for i, n in enumerate((world.hub, world.hub2), 1)}
        return {**daemons, **{name: self.spoke(node) for name, node in world.spokes.items()}}


def next_hop_self(text):
    """What a reflector gets from a spoke it passes on as the next hop: phase 3 by iBGP."""
    line = "  neighbor SPOKES route-reflector-client\n"
    return text.replace(line, line + "  neighbor SPOKES next-hop-self force\n")


def next_hop_kept(text):
    """Spokes stay next hops: phase 2 by eBGP."""
    return text.replace("  neighbor SPOKES next-hop-self\n", "")


def of_frr():
    for phase in (1, 3):
        yield WithFrr("ospf", phase, {4: "FRR OSPFv2"})
    yield WithFrr("ospf", 2, {4: "FRR OSPFv2"}, "ospf-broadcast")
    for phase in (1, 2):
        yield WithFrr("ospf6", phase, {6: "FRR OSPFv3"})
    for phase in (1, 2, 3):
        yield WithFrr("ibgp", phase, {4: "FRR iBGP"}, edit=None if phase == 2 else next_hop_self)
    for phase in (1, 2, 3):
        yield WithFrr("ebgp", phase, {4: "FRR eBGP"}, edit=next_hop_kept if phase == 2 else None)
    for phase in (1, 3):  # FRR's eigrpd withdraws nothing, so nothing moves
        yield WithFrr("eigrp", phase, {4: "FRR EIGRP"}, watch_s=10, moves=False)
    for phase in (1, 2):
        yield WithFrr("rip", phase, {4: "FRR RIPv2"}, watch_s=10)
    # babeld goes on announcing a network that has gone, for most of a minute, in which warren is refused often
    # enough to ask again rarely: phase 1 shows it, and in phase 3 nothing moves.
    for phase in (1, 3):
        yield WithFrr("babel", phase, {4: "FRR Babel"}, watch_s=10, moves=phase == 1)


CASES = [Registration(1), Static(), Registration(3), *of_frr(), *of_bird()]
