#!/usr/bin/env python3
"""
pages.py WARREN: every verb, flag and option is in its man page, with its right default, and mandoc has nothing
to say against the pages.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile

from lintlib import ROOT, finish, read

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "docs/man"))
import pages  # noqa: E402
import verbs  # noqa: E402

warren = sys.argv[1]
findings = []
with tempfile.TemporaryDirectory() as out:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        pages.main(True, warren, out, 0)
    findings += said.getvalue().splitlines()[:-1]
    if shutil.which("mandoc"):
        for page in pages.PAGES:
            # Warnings are findings, as is style: -W style, the default of -T lint.
            done = subprocess.run(["mandoc", "-T", "lint", os.path.join(out, page)], capture_output=True, text=True)
            # The one that mandoc has against pages of no system that it knows.
            findings += [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    else:
        print("skipped: no mandoc to lint the pages")
    for page in pages.PAGES:
        with open(os.path.join(out, page)) as f:
            left = [line for line in f if "@" in line and not line.startswith("warren ")]
        findings += ["%s: %s" % (page, line.strip()) for line in left if "@options" in line or "@verb" in line]

# The checks can fail: with a verb, a flag and an option taken out of what is told, each is missed.
frame = read("docs/man/warren.1.in")
told = verbs.read(warren)
for cut, missed in (("@verb rekey@\n", "'rekey'"), (".It Fl -force\n", "keygen --force")):
    missing = []
    pages.command_page(frame.replace(cut, ""), told, missing)
    if not any(missed in line for line in missing):
        findings.append("pages.py does not miss %s" % missed)
rows = list(pages.option_rows(read("docs/operations.md").split("## The config file")[1]))
missing = []
pages.check_options(rows[1:], missing)
if len(missing) != len(rows[0][1]):
    findings.append("pages.py does not miss an option")
finish(findings, len(told) + len(rows))
