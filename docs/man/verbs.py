"""The verbs of `warren`, as the command itself tells of them: name, one line of help, grammar of arguments."""

import re
import subprocess
from collections import namedtuple

# words: what a usage line consists of, as pairs of kind and text. Kinds: "[", "]", "(", ")", "|", "..."
# (their own text), "flag" (--ca, -o), "value" (of the flag before it), "argument".
Verb = namedtuple("Verb", "name help words")
# value: the placeholder ("FILE"), or None for a flag alone.
Flag = namedtuple("Flag", "name value")


def split_usage(text):
    """Brackets inside a word, as in NAME=KEY[,KEY], belong to the word."""
    words, after_flag = [], False
    for token in text.split():
        head = re.match(r"[\[(]*", token).group()
        rest, tail = token[len(head):], []
        while rest:
            closes = rest[-1] in "])" and rest.count(rest[-1]) > rest.count({"]": "[", ")": "("}[rest[-1]])
            if rest.endswith("..."):
                tail.insert(0, "...")
                rest = rest[:-3]
            elif closes:
                tail.insert(0, rest[-1])
                rest = rest[:-1]
            else:
                break
        words += [(mark, mark) for mark in head]
        if rest == "|":
            words.append(("|", rest))
        elif rest.startswith("-"):
            words.append(("flag", rest))
        elif rest:
            words.append(("value" if after_flag else "argument", rest))
        after_flag = rest.startswith("-") and not tail
        words += [(mark, mark) for mark in tail]
    return words


def flags(verb):
    found = []
    for at, (kind, text) in enumerate(verb.words):
        if kind == "flag":
            after = verb.words[at + 1] if at + 1 < len(verb.words) else (None, None)
            found.append(Flag(text, after[1] if after[0] == "value" else None))
    return found


def arguments(verb):
    return [text for kind, text in verb.words if kind == "argument"]


def read(warren):
    def ask(*argv):
        return subprocess.run([warren, *argv], capture_output=True, text=True, check=True).stdout

    verbs = []
    for line in ask("help").splitlines():
        match = re.match(r"  (\S+(?: \S+)?)  +(\S.*)$", line)
        if match:
            name, text = match.groups()
            usage = ask("help", *name.split()).split("\n\n")[0]
            prefix = "usage: warren %s" % name
            if not usage.startswith(prefix):
                raise ValueError("warren help %s: %s" % (name, usage))
            verbs.append(Verb(name, text, split_usage(usage[len(prefix):])))
    return verbs
