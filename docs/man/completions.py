#!/usr/bin/env python3
"""completions.py WARREN OUT: what bash, zsh and fish may offer after `warren`, from what the command says of itself."""

import os
import re
import sys

import verbs as verbs_of

PATHS = {"FILE": "file", "PATH": "file", "KEY": "file", "DIR": "directory"}


def kind_of(placeholder):
    """What to offer for a placeholder: a list of words, "file", "directory" or None."""
    if re.fullmatch(r"[a-z]+(\|[a-z]+)+", placeholder):
        return placeholder.split("|")
    return PATHS.get(placeholder.split("|")[0])


def argument_kind(verb):
    """What a verb's argument is; a name where a daemon is asked is a peer's."""
    for argument in verbs_of.arguments(verb):
        asks_daemon = any(flag.name == "--socket" for flag in verbs_of.flags(verb))
        return "peer" if argument == "NAME" and asks_daemon else kind_of(argument)
    return None


def first_words(verbs):
    return sorted({verb.name.split()[0] for verb in verbs} | {"help"})


def second_words(verbs):
    """The first word of two, and the words that may follow it."""
    found = {}
    for verb in verbs:
        words = verb.name.split()
        if len(words) == 2:
            found.setdefault(words[0], []).append(words[1])
    return found


def bash_offer(kind):
    if isinstance(kind, list):
        return "_warren_words '%s'" % " ".join(kind)
    return {"file": "_warren_files -f", "directory": "_warren_files -d", "peer": "_warren_peers",
            None: ":"}[kind]


BASH = r"""# bash completion for warren. Made from what the command says of itself.

_warren_words()
{
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_warren_files()
{
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

_warren_peers()
{
	_warren_words "$(warren peers 2>/dev/null | sed '1d; s/ .*//')"
}

_warren()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		_warren_words '@first@ --version'
		return
	fi
	case $verb in
@second@
	help)
		_warren_words '@first@'
		return
		;;
	esac
	case "$verb $prev" in
@values@
	esac
	if [[ $cur == -* ]]; then
		case $verb in
@flags@
		esac
		return
	fi
	case $verb in
@arguments@
	esac
}

complete -F _warren warren
"""


def bash_case(pattern, *commands, depth=1):
    tabs = "\t" * depth
    return "".join([tabs, pattern, ")\n", *("%s\t%s\n" % (tabs, c) for c in commands), tabs, "\t;;"])


def bash(verbs):
    second = [bash_case(word, "verb+=\" ${COMP_WORDS[2]}\"", "if ((COMP_CWORD == 2)); then",
                        "\t_warren_words '%s'" % " ".join(words), "\treturn", "fi")
              for word, words in second_words(verbs).items()]
    values = [bash_case("'%s %s'" % (verb.name, flag.name), bash_offer(kind_of(flag.value)), "return")
              for verb in verbs for flag in verbs_of.flags(verb) if flag.value]
    flags = [bash_case("'%s'" % verb.name, "_warren_words '%s'" %
                       " ".join([flag.name for flag in verbs_of.flags(verb)] + ["--help"]), depth=2)
             for verb in verbs]
    arguments = [bash_case("'%s'" % verb.name, bash_offer(argument_kind(verb)))
                 for verb in verbs if argument_kind(verb)]
    return (BASH.replace("@first@", " ".join(first_words(verbs))).replace("@second@", "\n".join(second))
            .replace("@values@", "\n".join(values)).replace("@flags@", "\n".join(flags))
            .replace("@arguments@", "\n".join(arguments)))


ZSH = r"""#compdef warren
# zsh completion for warren. Made from what the command says of itself.

_warren_peers() {
	local -a peers
	peers=(${(f)"$(warren peers 2>/dev/null | sed '1d; s/ .*//')"})
	_describe peer peers
}

_warren() {
	local -a verbs
	local verb=$words[2]
	verbs=(
@verbs@
	)
	if ((CURRENT == 2)); then
		_describe verb verbs
		return
	fi
	shift words
	((CURRENT--))
	case $verb in
@second@
	esac
	case $verb in
@cases@
	help)
		_describe verb verbs
		;;
	esac
}

_warren "$@"
"""


def zsh_text(text):
    """Within single quotes, and within a description."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_action(kind):
    if isinstance(kind, list):
        return "(%s)" % " ".join(kind)
    return {"file": "_files", "directory": "_files -/", "peer": "_warren_peers", None: " "}[kind]


def zsh(verbs):
    firsts = {}
    for verb in verbs:
        first = verb.name.split()[0]
        firsts[first] = "its verbs are: " + ", ".join(second_words(verbs)[first]) if " " in verb.name else verb.help
    firsts["help"] = "tell how a verb is used"
    lines = ["\t\t'%s:%s'" % (word, zsh_text(text)) for word, text in firsts.items()]
    second = []
    for word, words in second_words(verbs).items():
        second.append("\t%s)\n\t\tif ((CURRENT == 2)); then\n\t\t\tcompadd -- %s\n\t\t\treturn\n\t\tfi\n"
                      "\t\tverb+=\" $words[2]\"\n\t\tshift words\n\t\t((CURRENT--))\n\t\t;;" % (word, " ".join(words)))
    cases = []
    for verb in verbs:
        specs = []
        for flag in verbs_of.flags(verb):
            value = ":%s:%s" % (zsh_text(flag.value), zsh_action(kind_of(flag.value))) if flag.value else ""
            specs.append("'*%s%s'" % (flag.name, value))
        for argument in verbs_of.arguments(verb):
            specs.append("'1:%s:%s'" % (zsh_text(argument), zsh_action(argument_kind(verb))))
        cases.append("\t'%s')\n\t\t_arguments %s\n\t\t;;" % (verb.name, " \\\n\t\t\t".join(specs + ["'--help'"])))
    return (ZSH.replace("@verbs@", "\n".join(lines)).replace("@second@", "\n".join(second))
            .replace("@cases@", "\n".join(cases)))


FISH = r"""# fish completion for warren. Made from what the command says of itself.

function __warren_peers
    warren peers 2>/dev/null | sed '1d; s/ .*//'
end

# __warren_is WORD...: the command line has these words first.
function __warren_is
    set -l words (commandline -opc)
    set -l last (math 1 + (count $argv))
    test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end

complete -c warren -f
complete -c warren -n 'test (count (commandline -opc)) -eq 1' -l version -d 'print the version'
"""


def fish_text(text):
    return text.replace("\\", "\\\\").replace("'", "\\'")


def fish_offer(kind):
    if isinstance(kind, list):
        return " -a '%s'" % " ".join(kind)
    return {"file": " -F", "directory": " -a '(__fish_complete_directories)'", "peer": " -a '(__warren_peers)'",
            None: ""}[kind]


def fish(verbs):
    lines = []
    for verb in verbs:
        words = verb.name.split()
        before = "test (count (commandline -opc)) -eq 1" if len(words) == 1 else (
            "test (count (commandline -opc)) -eq 2; and __warren_is %s" % words[0])
        lines.append("complete -c warren -n '%s' -a %s -d '%s'" % (before, words[-1], fish_text(verb.help)))
        there = "-n '__warren_is %s'" % verb.name
        for flag in verbs_of.flags(verb):
            name = "-l %s" % flag.name[2:] if flag.name.startswith("--") else "-s %s" % flag.name[1:]
            value = " -x" if flag.value else ""
            value = " -r" if flag.value and kind_of(flag.value) == "file" else value
            lines.append("complete -c warren %s %s%s%s" % (
                there, name, value, fish_offer(kind_of(flag.value)) if flag.value else ""))
        if argument_kind(verb):
            lines.append("complete -c warren %s%s" % (there, fish_offer(argument_kind(verb))))
    for word in second_words(verbs):
        lines.append("complete -c warren -n 'test (count (commandline -opc)) -eq 1' -a %s" % word)
    lines.append("complete -c warren -n 'test (count (commandline -opc)) -eq 1' -a help -d 'tell how a verb is used'")
    lines.append("complete -c warren -n '__warren_is help' -a '%s'" % " ".join(first_words(verbs)))
    return FISH + "\n".join(lines) + "\n"


def main(warren, out):
    verbs = verbs_of.read(warren)
    for name, text in (("warren.bash", bash(verbs)), ("_warren", zsh(verbs)), ("warren.fish", fish(verbs))):
        with open(os.path.join(out, name), "w") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
