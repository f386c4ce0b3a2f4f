#!/usr/bin/env python3
"""The hub's hint file: who it knew before it was restarted, and what becomes of the file."""

import errno
import os
import time

from netlab import Faults, Ping, World, expect, run, scenario, until


def bindings(hub):
    return {e["peer"] for e in hub.nhrp() if e["kind"] == "binding"}


def registry(node):
    return os.path.join(node.dir, "state", "registry")


def registered_again(world):
    """Seconds from the hub's start until it has both spokes."""
    began = time.monotonic()
    world.hub.start()
    until("both spokes are registered again", lambda: {"a", "b"} <= bindings(world.hub), 25, 0.02)
    return time.monotonic() - began


def leftovers(node):
    return [f for f in os.listdir(os.path.join(node.dir, "state")) if f.startswith("registry.")]


@scenario
def hub_killed_with_its_file(lab):
    """Everybody is idle, the hub is killed and restarted: all registered within 3 s, shortcuts lose nothing."""
    world = World(lab).start()
    world.make_direct()
    until("the hint file is written", lambda: os.path.exists(registry(world.hub)), 40, 0.2)
    mode = os.stat(registry(world.hub)).st_mode & 0o777
    expect(mode == 0o600, "registry has mode %o" % mode)
    ping = Ping(world.sites["a"].host, world.host_of("b"), 300, 0.02)
    time.sleep(1)
    world.hub.kill()
    took = registered_again(world)
    expect(took <= 3, "registered again after %.1f s" % took)
    ping.wait()
    expect(ping.lost == 0, "%d of %d lost on the shortcut" % (ping.lost, ping.transmitted))
    expect(world.hub.logged(r"hint file: 2 peers, 2 of them to look for"), "no word of the file")
    return "registered again %.2f s after the start" % took


@scenario
def hub_restarted(lab):
    """A clean stop writes the file, too; a damaged or foreign one is a line in the log."""
    world = World(lab).start()
    expect(world.hub.stop() == 0, "the hub did not end well")
    good = registered_again(world)
    expect(good <= 3, "registered again after %.1f s" % good)
    expect(world.hub.stop() == 0, "the hub did not end well")
    with open(registry(world.hub), "r+b") as f:
        f.seek(40)
        f.write(b"\xff\xff")
    bad = registered_again(world)
    expect(world.hub.logged(r"hint file: .*peers are waited for"), "no word of the damage")
    os.chmod(registry(world.hub), 0o644)
    world.hub.kill()
    registered_again(world)
    expect(world.hub.logged(r"others can read"), "no word of the permissions")
    return "%.2f s with a good file, %.2f s with a bad one" % (good, bad)


@scenario
def disk_full(lab):
    """The file cannot be written: the hub says so, keeps the old one and ends well."""
    world = World(lab)
    faults = Faults(world.hub)
    world.start()
    expect(world.hub.stop() == 0, "the hub did not end well")
    with open(registry(world.hub), "rb") as f:
        old = f.read()
    registered_again(world)
    faults.set("file_write", errno.ENOSPC)
    expect(world.hub.stop() == 0, "the hub did not end well")
    faults.clear("file_write")
    expect(world.hub.logged(r"registry is not saved.*No space"), "no word of the disk")
    with open(registry(world.hub), "rb") as f:
        expect(f.read() == old, "the old file is gone")
    expect(not leftovers(world.hub), "left behind: %s" % leftovers(world.hub))
    registered_again(world)


run()
