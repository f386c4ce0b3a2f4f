#!/usr/bin/env python3
"""
Nothing in the tree tells of the machine that it was made on: no paths outside it, no package
registries' hosts, no numbers of a tracker, no unfinished business.
"""

import os
import re

from lintlib import ROOT, files, finish

# Written so that this file does not match itself.
WORDS = [
    (re.compile(r"(?<![\w.])/" r"work/"), "path of a machine"),
    (re.compile(r"/home/" r"[a-z]"), "path of a machine"),
    (re.compile(r"https?://" r"(deb|registry|proxy|index|ftp)\.", re.I), "host of a registry"),
    (re.compile(r"(?i)\bissue\s" r"#?\d"), "number of a tracker"),
    (re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"), "unfinished"),
]
BINARY = (".pcap", ".bin", ".png", ".ico")

findings, checked = [], 0
for path in files():
    if path.endswith(BINARY) or "/corpus/" in path:
        continue
    with open(os.path.join(ROOT, path), "rb") as f:
        data = f.read()
    if b"\0" in data[:4096]:
        continue
    checked += 1
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        for pattern, why in WORDS:
            if pattern.search(line):
                findings.append("%s:%d: %s: %s" % (path, number, why, line.strip()[:100]))
finish(findings, checked)
