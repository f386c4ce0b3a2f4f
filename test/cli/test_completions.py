#!/usr/bin/env python3
"""The shell completions offer what `warren` understands. Each shell is asked itself; one that is not here is skipped."""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARREN = os.environ.get("WARREN", "warren")

# What is typed, what must be offered, and what must not.
CASES = [
    (["r"], {"rekey", "reload", "routes"}, {"status", "--json"}),
    (["ca", ""], {"init", "bundle", "revoke"}, {"status"}),
    (["ca", "bundle", "--p"], {"--psk", "--passphrase-file"}, {"--name"}),
    (["ca", "bundle", "--psk", ""], {"required", "optional"}, {"--psk"}),
    (["sign", "--role", ""], {"hub", "spoke"}, {"--role"}),
    (["sign", "--"], {"--ca", "--allow-default", "--prefix"}, {"--json"}),
    (["check", "here"], {"here.ini"}, set()),
    (["ca", "bundle", "--ca", "here"], {"here.d"}, {"here.ini"}),
    (["ping", ""], {"berlin", "hub"}, {"NAME"}),
    (["help", "k"], {"keygen"}, {"sign"}),
]

BASH = """
. "$1"; shift
COMP_WORDS=(warren "$@"); COMP_CWORD=$#; COMPREPLY=()
compopt() { :; }
_warren
printf '%s\\n' "${COMPREPLY[@]}"
"""

# The functions that zsh completes by, for which a terminal would be needed: what they are given is the offer.
ZSH = r"""
file=$1; shift
words=(warren "$@"); CURRENT=$(($# + 1)); typed=$words[CURRENT]
offer() { print -rl -- ${(M)@:#$typed*} }
compadd() { shift; offer "$@" }
_describe() { local -a given; given=(${(P)2}); offer ${given%%:*} }
_files() { if [[ $1 = -/ ]]; then offer *(/N); else offer *(N); fi }
_arguments() {
	local spec action
	for spec in "$@"; do
		if [[ $spec = \** && ${${spec#\*}%%:*} = $words[CURRENT-1] ]]; then
			action=${spec##*:}
			break
		fi
		[[ $spec = 1:* ]] && action=${spec##*:}
	done
	if [[ $typed = -* ]]; then
		offer ${${@#\*}%%:*}
	elif [[ $action = \(* ]]; then
		offer ${=${action#\(}%\)}
	else
		eval $action
	fi
}
source $file
"""


def offered(shell, script, words, place):
    env = dict(os.environ, PATH=place + ":" + os.environ["PATH"], HOME=place, XDG_CONFIG_HOME=place)
    if shell == "bash":
        argv = ["bash", "--norc", "-c", BASH, "bash", script, *words]
    elif shell == "zsh":
        argv = ["zsh", "-f", "-c", ZSH, "zsh", script, *words]
    else:
        line = "warren " + " ".join(words)
        argv = ["fish", "--no-config", "-c", "source %s; complete -C '%s'" % (script, line)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=place, env=env)
    if done.stderr:
        raise AssertionError("%s %s: %s" % (shell, words, done.stderr))
    return {line.split("\t")[0].rstrip("/") for line in done.stdout.splitlines()}


def main():
    failed = ran = 0
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-B", os.path.join(ROOT, "docs/man/completions.py"), WARREN, place], check=True)
        os.mkdir(os.path.join(place, "here.d"))
        open(os.path.join(place, "here.ini"), "w").close()
        # Stands for a command that asks a daemon.
        with open(os.path.join(place, "warren"), "w") as f:
            f.write("#!/bin/sh\nprintf 'NAME   ROLE\\nberlin spoke\\nhub    hub\\n'\n")
        os.chmod(f.name, 0o755)
        for shell, file in (("bash", "warren.bash"), ("zsh", "_warren"), ("fish", "warren.fish")):
            if not shutil.which(shell):
                print("skipped: no %s" % shell)
                continue
            ran += 1
            for words, must, must_not in CASES:
                got = offered(shell, os.path.join(place, file), words, place)
                if not must <= got or must_not & got:
                    failed += 1
                    print("%s: warren %s: %s" % (shell, " ".join(words), " ".join(sorted(got))))
    print("%d shells, %d wrong" % (ran, failed))
    return 1 if failed or not ran else 0


sys.exit(main())
