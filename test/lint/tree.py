#!/usr/bin/env python3
"""
Small agreements of the tree: each fuzz target has a corpus, each drop reason and each option is
explained in docs/operations.md, no file of code is far too long, shell and Python files parse.
"""

import ast
import os
import re
import subprocess

from lintlib import ROOT, files, finish, read

LONG = 800

findings, checked = [], 0
for target in files(".c", under=("test/fuzz",)):
    match = re.match(r"^test/fuzz/fuzz_(\w+)\.c$", target)
    if not match:
        continue
    checked += 1
    corpus = os.path.join(ROOT, "test/fuzz/corpus", match.group(1))
    if not os.path.isdir(corpus) or not os.listdir(corpus):
        findings.append("%s: no corpus in test/fuzz/corpus/%s" % (target, match.group(1)))

manual = read("docs/operations.md")
for reason in re.findall(r'^\s*X\(\w+, "(\w+)"\)', read("core/base/pkt.h"), re.M):
    checked += 1
    if reason != "none" and "`%s`" % reason not in manual:
        findings.append("docs/operations.md: the drop reason `%s` is not explained" % reason)

for section, key in re.findall(r'PLACE\("([\w-]+)", "([\w-]+)"', read("core/config/options.c")):
    checked += 1
    if not re.search(r"^\|[^|]*\| (?:[\w-]+, )?%s(?:, [\w-]+)? \|" % key, manual, re.M):
        findings.append("docs/operations.md: the option [%s] %s is not explained" % (section, key))

for path in files(".c", ".h", under=("core", "platform")):
    checked += 1
    lines = read(path).count("\n")
    if lines > LONG:
        findings.append("%s: %d lines; what in it wants to be its own thing?" % (path, lines))

for path in files(".py"):
    checked += 1
    try:
        ast.parse(read(path), path)
    except SyntaxError as error:
        findings.append("%s:%s: %s" % (path, error.lineno, error.msg))

shells = [p for p in files(".sh") + [".ci/run"] if os.path.exists(os.path.join(ROOT, p))]
for path in shells:
    checked += 1
    shell = "bash" if "bash" in read(path).split("\n", 1)[0] else "sh"
    done = subprocess.run([shell, "-n", os.path.join(ROOT, path)], capture_output=True, text=True)
    if done.returncode != 0:
        findings.append("%s: %s" % (path, done.stderr.strip()))
finish(findings, checked)
