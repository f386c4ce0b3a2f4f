#!/usr/bin/env python3
"""
The table of docs/rfc2332.md: every row has a verdict, every "yes" names tests, everything else a reason, and
whatever is named exists: a case of a simulator program, a function of a unit test, a scenario of the lab.
"""

import re

from lintlib import files, finish, read

PAGE = "docs/rfc2332.md"
KINDS = {
    "sim": ("test/sim/%s.c", r'\{"%s",'),
    "test": ("test/unit/%s.c", r"cmocka_unit_test(_setup_teardown)?\(%s\b"),
    "lab": ("test/lab/%s.py", r"(?m)^@(long_)?scenario\ndef %s\("),
}
CELL = re.compile(r"`((sim|test|lab)_[a-z0-9_]+) ([\w-]+)`")

present = set(files(under=("test",)))
findings, checked = [], 0
for number, line in enumerate(read(PAGE).splitlines(), 1):
    where = "%s:%d: " % (PAGE, number)
    for program, kind, name in CELL.findall(line):
        place, pattern = KINDS[kind]
        path = place % program
        if path not in present:
            findings.append(where + "there is no " + path)
        elif not re.search(pattern % re.escape(name), read(path)):
            findings.append(where + "%s has no %s" % (path, name))
    if not line.startswith("| ") or line.startswith(("| section", "| ---")):
        continue
    checked += 1
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if len(cells) != 4 or not all(cells):
        findings.append(where + "not four cells with something in each")
    elif not re.fullmatch(r"5(\.\d+)*|6(\.\d+)*", cells[0]):
        findings.append(where + "no section of the RFC: " + cells[0])
    elif cells[2] not in ("yes", "no", "n/a"):
        findings.append(where + "neither yes nor no nor n/a: " + cells[2])
    elif (cells[2] == "yes") != bool(CELL.match(cells[3])):
        findings.append(where + ("yes, but no test" if cells[2] == "yes" else "a test, but not yes"))
finish(findings, checked)
