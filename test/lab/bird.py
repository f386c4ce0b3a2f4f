"""BIRD in the lab, by the files of conf/routing; see routers.py."""

import re

from netlab import expect, until
from routers import Routing, known_good

COMMON = "bird-common.conf"


class Bird(Routing):
    """BIRD by a file of conf/routing. switch: lines commented out there that hold one of these words are in force."""

    def __init__(self, ns, name, switch=()):
        text = known_good(name)
        for words in switch:
            text, n = re.subn(r"(?m)^(\s*)#(.*%s.*)$" % re.escape(words), r"\1\2", text)
            expect(n, "%s has nothing to switch on with %s" % (name, words))
        super().__init__(ns, "bird", text)

    def start(self):
        self.processes = []
        self.write(COMMON, known_good(COMMON))
        self.spawn("bird", "-d", "-c", self.write("bird.conf", self.text), "-s", self.path("ctl"),
            "-P", self.path("pid"))
        until("%s answers" % self.name,
            lambda: self.alive() and self._birdc("show", "status").returncode == 0, 20)
        return self

    def _birdc(self, *words):
        return self.ns.run("birdc", "-s", self.path("ctl"), *words, check=False)

    def command(self, *words):
        """What birdc prints."""
        done = self._birdc(*words)
        expect(done.returncode == 0, "%s: %s: %s" % (self.name, " ".join(words), done.stdout))
        return done.stdout

    def show(self, *words):
        return self.command("show", *words)

    def announce(self, on):
        """Whether the networks behind this node are announced; they stay where they are."""
        for name in ("ospf4", "ospf6") if "protocol ospf" in self.text else ("lans",):
            self.command("enable" if on else "disable", name)


def birds(world, protocol, hub=(), spoke=(), switch=()):
    """BIRD on all nodes, {name: Bird}. hub, spoke, switch: words to switch on there, on both."""
    started = {}
    for node in world.nodes():
        role, own = ("spoke", spoke) if node.name in world.spokes else ("hub", hub)
        name = "bird-babel.conf" if protocol == "babel" else "bird-%s-%s.conf" % (protocol, role)
        started[node.name] = Bird(node.ns, name, (*own, *switch)).start()
    return started
