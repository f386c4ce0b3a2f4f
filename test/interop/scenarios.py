"""What is tried; each function gets a Cloud, and returns what is worth a word."""

import re

from cloud import BY_HUB, DIRECT, LANS, OVERLAY, bulk, frr_end, meet, registered, ttls
from frr import DEVICE
from netlab import expect, until
from routers import Frr, known_good

PORTS = 3  # of the guest: as many FRR nodes as a scenario has
HUB_NBMA, HUB_OVERLAY = "203.0.113.1", "10.77.0.1"  # warren's
HOLDING_TIME = 30  # s, FRR's in frr.py, and the shortest that warren takes
LONGEST = 1400 - 28  # a ping's payload, of a packet as long as the tunnel's MTU


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


# ---- Our spoke at an FRR hub --------------------------------------------------------------------


def spoke_at_frr(cloud, word=None, **tunnel):
    """It registers, and goes directly to an FRR spoke and back: LANs, and the nodes themselves."""
    cloud.tunnel = tunnel
    hub = cloud.frr("frr-hub", 2).hub(word)
    b = cloud.frr("frr-b", 21).spoke(hub.nbma, word)
    a, end_a, end_b = cloud.plain_spoke(hub.nbma, hub.overlay, word), cloud.end_a, frr_end(b)
    a.start()
    registered(hub, end_a.overlay, b.overlay)
    until("a says that it is registered", a.ready, 10)
    routes_by_hub(hub.overlay, b)
    hub.route(b.lan, b.overlay)
    hub.route(end_a.lan, end_a.overlay)

    note = meet(end_a, end_b, by_frr(hub), LONGEST)
    expect_shortcut(b, end_a)
    expect([s for s in a.shortcuts() if s["prefix"] == b.lan], "a shows no shortcut: %s" % a.nhrp())
    expect(ttls(a.ns, b.overlay, 3) == [64] * 3, "a does not reach b's own address directly")
    expect(ttls(b.ns, end_a.overlay, 3) == [64] * 3, "b does not reach a's own address directly")
    return ", ".join([note, bulk(end_a, end_b), bulk(end_b, end_a)])


def spoke_at_frr_with_key(cloud):
    return spoke_at_frr(cloud, key=42)


def spoke_at_frr_in_gre(cloud):
    """GRE straight in IP, protocol 47."""
    return spoke_at_frr(cloud, framing="gre")


def spoke_behind_nat(cloud):
    """Our spoke behind a NAT that lets nothing new in: it opens it for an FRR spoke by speaking to it."""
    cloud.a.site.set_nat("drop")
    public = cloud.a.site.public4
    note = spoke_at_frr(cloud)
    b = cloud.routers[1]
    expect(nbma_of(b, cloud.end_a.overlay) == public, "b does not send to %s: %s" % (public, b.show("cache")))
    return note


# ---- FRR spokes at our hub ----------------------------------------------------------------------


def frr_at_hub(cloud, word=None, **tunnel):
    """Our hub redirects FRR spokes to one another, and to our spoke, a plaintext one as they are."""
    cloud.tunnel = tunnel
    hub, a, end_a = cloud.plain_hub(word), cloud.plain_spoke(HUB_NBMA, HUB_OVERLAY, word), cloud.end_a
    hub.start()
    a.start()
    b, c = (cloud.frr(name, number).spoke(HUB_NBMA, word) for name, number in (("frr-b", 21), ("frr-c", 22)))
    end_b, end_c = frr_end(b), frr_end(c)
    at_hub(hub, end_a, end_b, end_c)
    cloud.hub_routes(end_a, end_b, end_c)
    routes_by_hub(HUB_OVERLAY, b, c)

    notes = [meet(end_b, end_c, hub.hairpinned), meet(end_b, end_a, hub.hairpinned, LONGEST)]
    expect_shortcut(b, end_c)
    expect_shortcut(b, end_a)
    expect(nbma_of(b, end_a.overlay) == cloud.a.site.inside4, "b has a's NBMA address wrong")
    expect([s for s in a.shortcuts() if s["prefix"] == b.lan], "a shows no shortcut: %s" % a.nhrp())
    return ", ".join(notes)


def frr_at_hub_with_key(cloud):
    return frr_at_hub(cloud, key=42)


def frr_at_hub_in_gre(cloud):
    return frr_at_hub(cloud, framing="gre")


def at_hub(hub, *ends):
    """Waits until our hub has these members' bindings."""
    for end in ends:
        until("%s at our hub" % end.name, lambda: bindings(hub, end), 30, 0.2)


def bindings(hub, end):
    return [e for e in hub.nhrp() if e["kind"] == "binding" and e["prefix"].split("/")[0] == end.overlay]


def frr_behind_nat(cloud):
    """A spoke behind a NAT: our hub sees another address than it claims, and tells those who ask."""
    hub, a, end_a = cloud.plain_hub(), cloud.plain_spoke(HUB_NBMA, HUB_OVERLAY), cloud.end_a
    hub.start()
    a.start()
    b = cloud.frr_behind_nat("frr-b", 21).spoke(HUB_NBMA)
    end_b = frr_end(b)
    at_hub(hub, end_a, end_b)
    cloud.hub_routes(end_a, end_b)
    routes_by_hub(HUB_OVERLAY, b)
    seen = [p["endpoint"] for p in hub.peers() if b.overlay + "/24" in p["addresses"]]
    expect(seen == ["203.0.113.21:4754"], "our hub has the spoke at %s" % seen)
    return meet(end_b, end_a, hub.hairpinned)


def holding_times(cloud):
    """
    Registrations and shortcuts are renewed, also an FRR spoke's; one that is gone without a word is forgotten.
    """
    hub, a, end_a = cloud.plain_hub(), cloud.plain_spoke(HUB_NBMA, HUB_OVERLAY), cloud.end_a
    for node in hub, a:
        node.set("nhrp", "holding-time = %d" % HOLDING_TIME)
        node.start()
    b = cloud.frr("frr-b", 21).spoke(HUB_NBMA)
    end_b = frr_end(b)
    at_hub(hub, end_a, end_b)
    cloud.hub_routes(end_a, end_b)
    routes_by_hub(HUB_OVERLAY, b)
    note = meet(end_a, end_b, hub.hairpinned)
    replies = ttls(end_a.host, end_b.address, round(1.5 * HOLDING_TIME / 0.2))
    expect(len(replies) >= 1.5 * HOLDING_TIME / 0.2 - 1, "replies are missing: %d" % len(replies))
    direct = replies.count(DIRECT) / len(replies)
    expect(direct > 0.95, "%.0f%% directly" % (100 * direct))
    at_hub(hub, end_a, end_b)

    b.ns.run("pkill", "-KILL", "-F", "/run/frr/frr-b/nhrpd.pid")
    until("our hub forgets b", lambda: not bindings(hub, end_b), HOLDING_TIME + 5, 0.5)
    until("a's shortcut ends", lambda: not a.shortcuts(), HOLDING_TIME + 5, 0.5)
    return "%s, %.0f%% of %d s directly, then forgotten" % (note, 100 * direct, 1.5 * HOLDING_TIME)


# ---- Who may not ---------------------------------------------------------------------------------


def authentication(cloud):
    """The word of Cisco's extension 7: with the right one in, with another or none out."""
    hub, a, end_a = cloud.plain_hub(word="burrow"), cloud.a, cloud.end_a
    cloud.plain_spoke(HUB_NBMA, HUB_OVERLAY, word="marmot")
    hub.start()
    a.start()
    refused = "plaintext_auth"
    until("the wrong word is refused", lambda: hub.dropped(refused) >= 2, 15)
    expect(not a.ready(), "a is registered with the wrong word")
    a.stop()
    cloud.plain_spoke(HUB_NBMA, HUB_OVERLAY, word="burrow")
    a.start()
    at_hub(hub, end_a)
    expect(ttls(a.ns, HUB_OVERLAY, 3) == [64] * 3, "a does not reach the hub")

    b = cloud.frr("frr-b", 21).spoke(HUB_NBMA)
    before = hub.dropped(refused)
    until("FRR without a word is refused", lambda: hub.dropped(refused) >= before + 2, 20)
    expect(len([e for e in hub.nhrp() if e["kind"] == "binding"]) == 1, "FRR is registered without a word")
    return "another word, and FRR without one, are refused"


def newer_frr_at_hub(cloud):
    """Cisco's authentication by FRR, at our hub."""
    cloud.newer_frr()
    return frr_at_hub(cloud, word="burrow")


def spoke_at_newer_frr(cloud):
    """The same at FRR's hub."""
    cloud.newer_frr()
    return spoke_at_frr(cloud, word="burrow")


def sealed_members(cloud):
    """
    A sealed spoke and a plaintext one at the same hub: nothing passes unless the hub has relay-plaintext,
    and then by the hub alone, sealed on the one side.
    """
    hub, a, end_a = cloud.plain_hub(), cloud.a, cloud.end_a
    hub.start()
    a.start()
    b = cloud.frr("frr-b", 21).spoke(HUB_NBMA)
    end_b = frr_end(b)
    until("a is registered", a.ready, 15)
    at_hub(hub, end_b)
    cloud.hub_routes(end_b)
    routes_by_hub(HUB_OVERLAY, b)
    expect(not ttls(end_a.host, end_b.address, 5), "the hub passes on between sealed and plaintext")
    hub.stop()
    hub.set("nhrp", "relay-plaintext = yes")
    hub.start()
    until("a is registered", a.ready, 30)
    at_hub(hub, end_b)
    cloud.hub_routes(end_b)
    until("b's host answers", lambda: ttls(end_a.host, end_b.address), 20)
    replies = ttls(end_a.host, end_b.address, 20)
    expect(replies == [BY_HUB] * 20, "not all by the hub: %s" % replies)
    expect(not shortcuts(b), "b was told of a shorter way: %s" % shortcuts(b))
    clear = cloud.captured("ip.addr == %s && gre.proto == 0x0800" % cloud.a.site.inside4)
    expect(not clear, "a was spoken to in the clear: %s" % clear[:3])
    return "20 pings by the hub, a's side sealed"


# ---- Routing --------------------------------------------------------------------------------------


def without_bfd(name):
    """A file of conf/routing, without what an emulated machine would be too slow for."""
    return re.sub(r"(?m)^bfd\n( .*\n)*|^.*\bbfd\b.*\n", "", known_good(name))


def ospf_at_frr(cloud):
    """OSPF of our spoke with an FRR hub and spoke: multicast by the hub, routes by OSPF, then a shortcut."""
    hub_ospf, spoke_ospf = (without_bfd("frr-ospf-%s.conf" % role) for role in ("hub", "spoke"))
    cloud.options["ospf"] = hub_ospf.replace("warren0", DEVICE)
    hub = cloud.frr("frr-hub", 2).hub()
    cloud.options["ospf"] = spoke_ospf.replace("warren0", DEVICE)
    b = cloud.frr("frr-b", 21).spoke(hub.nbma)
    b.route(OVERLAY, hub.overlay)  # FRR wants it, to answer whom it has not met
    a, end_a, end_b = cloud.plain_spoke(hub.nbma, hub.overlay), cloud.end_a, frr_end(b)
    a.sections["nhrp"] = []
    a.start()
    registered(hub, end_a.overlay, b.overlay)
    # Hellos of point-to-multipoint must agree on the netmask, and a kernel's interface has a host address.
    ospf = Frr(a.ns, spoke_ospf.replace("network point-to-multipoint", "network point-to-point dmvpn")).start()
    until("a has b's LAN by OSPF", lambda: (ospf.route(b.lan) or {}).get("via") == [hub.overlay], 90, 0.5)
    until("b has a's LAN by OSPF", lambda: [r for r in b.ns.ip_json("route", "show", end_a.lan)
        if r["protocol"] == "ospf"], 90, 0.5)
    return meet(end_a, end_b, by_frr(hub))


ALL = [frr_alone, newer_frr_alone, spoke_at_frr, spoke_at_frr_with_key, spoke_at_frr_in_gre, spoke_at_newer_frr,
    spoke_behind_nat, frr_at_hub, frr_at_hub_with_key, frr_at_hub_in_gre, newer_frr_at_hub, frr_behind_nat,
    holding_times, authentication, sealed_members, ospf_at_frr]
