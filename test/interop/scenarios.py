"""What is tried; each function gets a Cloud, and returns what is worth a word."""

from cloud import LANS, OVERLAY, registered
from netlab import expect, until

PORTS = 3  # of the guest: as many FRR nodes as a scenario has


def default_routes(hub, *spokes):
    """The static routes of phase 3: a spoke sends all to the hub, which knows each spoke's LAN."""
    for spoke in spokes:
        spoke.route(LANS, hub.overlay)
        spoke.route(OVERLAY, hub.overlay)
        hub.route(spoke.lan, spoke.overlay)


def frr_alone(cloud):
    """FRR with FRR: what a cloud without warren does here, so that a failure below is warren's."""
    hub = cloud.frr("frr-hub", 2).hub()
    b, c = (cloud.frr(name, number).spoke(hub.nbma) for name, number in (("frr-b", 21), ("frr-c", 22)))
    registered(hub, b.overlay, c.overlay)
    default_routes(hub, b, c)

    ttls = b.host.ping(c.lan_host, 1)
    expect(ttls == [61], "the first packet did not pass three routers: TTLs %s" % ttls)
    until("a shortcut", lambda: b.host.ping(c.lan_host, 1) == [62], 20)
    before = sum(hub.ns.packets("gre1"))
    ttls = b.host.ping(c.lan_host, 20)
    passed = sum(hub.ns.packets("gre1")) - before
    expect(ttls == [62] * 20, "not all replies came directly: TTLs %s" % ttls)
    expect(passed < 10, "the hub still carries it: %d packets" % passed)
    return "20 pings directly, %d packets by the hub meanwhile" % passed


ALL = [frr_alone]
