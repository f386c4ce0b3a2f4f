#!/usr/bin/env python3
"""
Includes go downwards only: base < wire < crypto < trust < peer, route < nhrp < engine. config,
status and store stand above the engine, each alone; daemon and cli stand above those. platform/
knows core/base and itself. sodium.h belongs to core/crypto, uv.h and platform.h to core/daemon, and
the core to nobody's operating system.
"""

import re

from lintlib import files, finish, read

# What a directory of core/ may include besides itself.
CORE = ["base", "wire", "crypto", "trust", "peer", "route", "nhrp", "engine"]
ALLOWED = {layer: set(CORE[:i]) for i, layer in enumerate(CORE)}
ALLOWED["route"] -= {"peer"}  # side by side
for layer in ("config", "status", "store"):
    ALLOWED[layer] = set(CORE)
for layer in ("daemon", "cli"):
    ALLOWED[layer] = set(CORE) | {"config", "status", "store"}

# All that the sans-IO core may take from the system: no sockets, files, clocks or threads.
SYSTEM = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"}
SYSTEM_EXTRA = {"core/base/addr.c": {"arpa/inet.h"}}  # inet_ntop and inet_pton, text only

OWNED = {"sodium.h": "core/crypto/", "uv.h": "core/daemon/"}
OS_NAMES = re.compile(
    r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*\b(__linux__|__linux|__gnu_linux__|__APPLE__|__MACH__|"
    r"__FreeBSD__|__OpenBSD__|__NetBSD__|__DragonFly__|_WIN32|__unix__|BSD)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

findings = []
sources = files(".c", ".h", under=("core", "platform", "test"))
for path in sources:
    parts = path.split("/")
    layer = parts[1] if parts[0] == "core" and len(parts) > 2 else None
    for number, line in enumerate(read(path).splitlines(), 1):
        def found(text):
            findings.append("%s:%d: %s" % (path, number, text))

        if parts[0] != "test" and OS_NAMES.match(line):
            found("#if on the operating system; it belongs into a file of platform/, chosen by CMake")
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if name in OWNED and parts[0] != "test" and not path.startswith(OWNED[name]):
            found("%s belongs to %s" % (name, OWNED[name]))
        if name.endswith("platform.h") and not path.startswith(
                ("platform/", "core/daemon/", "test/")):
            found("platform.h is for platform/ and core/daemon/")
        target = name.split("/")
        if parts[0] == "platform":
            if kind == '"' and target[0] == "core" and target[1] != "base":
                found("platform/ includes only core/base, not core/%s" % target[1])
        elif layer:
            if layer not in ALLOWED:
                found("core/%s is no directory of the design" % layer)
            elif kind == '"':
                if target[0] == "platform" and layer != "daemon":
                    found("core/%s includes platform/" % layer)
                elif target[0] == "core" and target[1] not in ALLOWED[layer] | {layer}:
                    found("core/%s does not include core/%s" % (layer, target[1]))
                elif target[0] not in ("core", "platform"):
                    found("include it from the root: core/%s/%s" % (layer, name))
            elif layer in CORE and name not in SYSTEM | SYSTEM_EXTRA.get(path, set()) and not (
                    name == "sodium.h" and layer == "crypto"):
                found("core/%s is sans-IO: no <%s>" % (layer, name))
finish(findings, len(sources))
