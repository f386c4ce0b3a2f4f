"""What is tried; each function gets a Cloud, and returns what is worth a word."""

from cloud import LANS, OVERLAY, frr_end, meet, registered
from netlab import expect

PORTS = 3  # of the guest: as many FRR nodes as a scenario has


def by_frr(hub):
    """What passes an FRR hub: the kernel's count of packets on its tunnel."""
    return lambda: sum(hub.ns.packets("gre1"))


def routes_by_hub(hub_overlay, *spokes):
    """Phase 3 in FRR spokes: all goes to the hub, until a shortcut."""
    for spoke in spokes:
        spoke.route(LANS, hub_overlay)
        spoke.route(OVERLAY, hub_overlay)


def shortcuts(spoke):
    """An FRR spoke's shortcuts: {prefix: next hop}."""
    return {e["prefix"]: e["via"] for e in spoke.show("shortcut")}


def nbma_of(spoke, overlay):
    """Where an FRR node sends what is for an overlay address."""
    return next((e["nbma"] for e in spoke.show("cache") if e["protocol"] == overlay), None)


def expect_shortcut(spoke, end):
    expect(shortcuts(spoke).get(end.lan) == end.overlay,
        "%s has no shortcut to %s by %s: %s" % (spoke.name, end.lan, end.overlay, shortcuts(spoke)))


# ---- FRR alone ----------------------------------------------------------------------------------


def frr_alone(cloud, word=None):
    """What a cloud without warren does here, so that a failure below is warren's."""
    hub = cloud.frr("frr-hub", 2).hub(word)
    b, c = (cloud.frr(name, number).spoke(hub.nbma, word) for name, number in (("frr-b", 21), ("frr-c", 22)))
    registered(hub, b.overlay, c.overlay)
    routes_by_hub(hub.overlay, b, c)
    for spoke in b, c:
        hub.route(spoke.lan, spoke.overlay)
    note = meet(frr_end(b), frr_end(c), by_frr(hub))
    expect_shortcut(b, frr_end(c))
    return note


def newer_frr_alone(cloud):
    """The same with a newer FRR, which has Cisco's authentication."""
    cloud.newer_frr()
    return frr_alone(cloud, "burrow")


ALL = [frr_alone, newer_frr_alone]
