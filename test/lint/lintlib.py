"""What the lints share: the tree's files, and how a finding is printed."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIPPED_DIRS = {".git", "build", "__pycache__", ".pytest_cache"}


def files(*suffixes, under=("",)):
    """Paths relative to the root, sorted; all suffixes if none is named."""
    found = []
    for top in under:
        for place, dirs, names in os.walk(os.path.join(ROOT, top)):
            dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS)
            for name in names:
                if not suffixes or name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(place, name), ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as f:
        return f.read()


def text_of(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def finish(findings, checked):
    """Prints the findings, one a line, and exits: 1 if there are any."""
    for finding in findings:
        print(finding)
    print("%d checked, %d findings" % (checked, len(findings)))
    sys.exit(1 if findings or not checked else 0)
