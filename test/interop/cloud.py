"""
A cloud of warrend and FRR nodes on one underlay, watched.

    Cloud     the lab's World with FRR nodes of the guest on its internet; records what passes there
    Skip      raised by a scenario that cannot be had here
"""

import contextlib
import subprocess

from frr import FrrNode
from netlab import World, expect, until

LANS = "192.168.0.0/16"
OVERLAY = "10.77.0.0/24"


class Skip(Exception):
    pass


class Cloud:
    def __init__(self, lab, guest, capture):
        self.lab, self.guest, self.capture_path = lab, guest, capture
        self.world = World(lab, sites=("a",), nat="none")
        self.inet = self.world.inet
        self.routers = []
        self.capture = self.world.capture(capture, what=("udp", "or", "proto", "47"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for router in reversed(self.routers):
            router.close()

    def frr(self, name, number, **options):
        """An FRR node on the internet, by the next free port of the guest."""
        port = len(self.routers) + 1
        self.guest.plug(port, self.lab, self.inet, "p-" + name)
        router = FrrNode(self.guest, port, name, number, **options)
        self.routers.append(router)
        for site in self.world.sites.values():
            router.ns.ip("route add %s/24 via %s" % (site.inside4[:-1] + "0", site.public4))
        return router

    def check_capture(self):
        """Ends the capture: whether tshark reads all of it, and how many NHRP packets there are."""
        self.capture.stop()
        malformed = self._tshark("_ws.malformed")
        expect(not malformed, "%s: malformed: %s" % (self.capture_path, malformed[:3]))
        nhrp = len(self._tshark("nhrp"))
        expect(nhrp, self.capture_path + ": no NHRP")
        return "%d NHRP packets captured" % nhrp

    def _tshark(self, what):
        done = subprocess.run(["tshark", "-r", self.capture_path, "-Y", what], capture_output=True, text=True,
            check=True)
        return done.stdout.splitlines()

    def tell(self):
        """What helps to see why a scenario failed."""
        for node in self.world.nodes():
            if node.process:
                print("---- %s\n%s" % (node.name, "\n".join(node.log().splitlines()[-40:])))
        for router in self.routers:
            with contextlib.suppress(Exception):
                print("---- %s\n%s" % (router.name, "\n".join(router.log().splitlines()[-40:])))


def registered(hub, *spokes):
    """Waits until an FRR hub has these FRR or warren nodes' overlay addresses."""
    def there():
        return {e["protocol"] for e in hub.show("cache") if e["type"] == "dynamic"}
    for address in spokes:
        until("%s is registered with %s" % (address, hub.name), lambda: address in there(), 20, 0.5)
