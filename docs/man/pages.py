#!/usr/bin/env python3
"""
pages.py [--check] WARREN OUT TIME: writes the man pages to OUT, with the date of that Unix time.

What is told of an option stands once, in the table of docs/operations.md, and how a verb is used in the table of
core/cli/main.c: the frames beside this file (*.in) get them here. `@verb NAME@` in warren.1.in becomes the verb's
usage, and what follows says what it does and what its flags mean. With --check every verb, every flag and every
option of core/config/options.c has to be there, and its default has to be the right one; findings go to stdout.
"""

import os
import re
import sys
import textwrap
import time

import verbs as verbs_of

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGES = ("warren.1", "warren.ini.5", "warrend.8")
OPENING, CLOSING = "([", ")],.;:!?"


def text_of(path):
    with open(path) as f:
        return f.read()


# ---- mdoc ----------------------------------------------------------------------------------------


def quoted(argument):
    """One argument of a macro."""
    argument = argument.replace("\\", "\\e")
    if re.fullmatch(r"[A-Z][a-z]", argument) or argument in list("|()[]") or argument in OPENING + CLOSING:
        argument = "\\&" + argument
    return '"%s"' % argument if " " in argument or not argument else argument


def plain(line):
    return "\\&" + line if line[:1] in ".'" else line


def wrapped(page):
    """Lines of text are short; those of macros and of displays stay as they are."""
    lines, display = [], False
    for line in page.splitlines():
        display = line.startswith(".Bd") or (display and not line.startswith(".Ed"))
        if line.startswith(".") or display:
            lines.append(line)
        else:
            lines += textwrap.wrap(line, 78, break_long_words=False, break_on_hyphens=False) or [""]
    return "".join(line + "\n" for line in lines)


def from_markdown(text):
    """A paragraph of Markdown (`code`, *emphasis*) as mdoc, a sentence a line."""
    lines = []
    for sentence in re.split(r"(?<=[.?!]) +(?=[^a-z])", text.replace("\\|", "|").strip()):
        words = ""
        for part in re.split(r"(\(?(?:`[^`]+`|\*[^* ]+\*)[]),.;:]*)", sentence):
            match = re.fullmatch(r"(\(?)([`*])(.+)[`*]([]),.;:]*)", part)
            if not match:
                words = part.strip().replace("\\", "\\e")
                # What follows a macro's arguments without a blank would get one here.
                if words:
                    lines.append(plain(words))
                continue
            before, mark, inside, after = match.groups()
            macro = ".Ql" if mark == "`" else ".Em"
            lines.append(" ".join([macro, *before, quoted(inside), *after]))
    return "\n".join(lines)


# ---- warren.1 ------------------------------------------------------------------------------------

MARKS = {"[": "Oo", "]": "Oc", "(": "Po", ")": "Pc", "|": "|", "...": "No ..."}


def usage(verb):
    """The head of a verb's item."""
    parts = ["Ic %s" % quoted(verb.name)]
    for kind, text in verb.words:
        if kind == "flag":
            parts.append("Fl %s" % text[1:])
        elif kind in ("value", "argument"):
            parts.append("Ar %s" % quoted(text))
        elif kind == "...":
            parts.append("Ns ...")
        else:
            parts.append(MARKS[kind])
    return ".It Xo\n." + " ".join(parts).replace(" | ", "\n.No |\n.").replace("\n.No |\n.Fl", " \\*(Ba Fl") + "\n.Xc"


def flags_in(lines):
    return [flag for line in lines for flag in re.findall(r"\bFl (\S+)", line)]


def command_page(frame, verbs, findings):
    named = {verb.name: verb for verb in verbs}
    told = set()
    # What is said of flags that many verbs have.
    common = flags_in(re.findall(r"^\.It .*", frame.split("@verb")[0], re.M))

    def item(match):
        name, body = match.group(1), match.group(2)
        verb = named.get(name)
        if not verb:
            findings.append("warren.1.in: there is no verb '%s'" % name)
            return ""
        told.add(name)
        known = common + flags_in([body])
        for flag in verbs_of.flags(verb):
            if flag.name[1:] not in known:
                findings.append("warren.1.in: %s %s is not documented" % (name, flag.name))
        for flag in re.findall(r"^\.It Fl (-\S+)", body, re.M):
            if "-" + flag not in [f.name for f in verbs_of.flags(verb)]:
                findings.append("warren.1.in: there is no %s -%s" % (name, flag))
        sentence = verb.help[0].upper() + verb.help[1:]
        sentence += "" if sentence[-1] in ".?" else "."
        return usage(verb) + "\n" + from_markdown(sentence) + "\n" + body

    page = re.sub(r"^@verb ([^@]+)@\n(.*?)(?=^@)", item, frame, flags=re.M | re.S)
    page = page.replace("@end@\n", "")
    for verb in verbs:
        if verb.name not in told:
            findings.append("warren.1.in: the verb '%s' is not documented" % verb.name)
    return page


# ---- warren.ini.5 --------------------------------------------------------------------------------


def option_rows(manual):
    """Section, keys, default and description of each row of the table of options."""
    section = None
    for line in manual.splitlines():
        cells = re.fullmatch(r"\| ([\w-]*) ?\| ([^|]+) \| ([^|]*) ?\| (.*) \|", line)
        if not cells or cells.group(1) == "section" or set(cells.group(2)) == {"-"}:
            if section:
                return
            continue
        section = cells.group(1) or section
        yield section, cells.group(2).split(", "), cells.group(3).strip(), cells.group(4)


def table_options():
    """Section, key, preset (None without one) and whether it is required, from the table in C."""
    code = text_of(os.path.join(ROOT, "core/config/options.c"))
    for row in re.findall(r'\{(PLACE\("[^}]*)\}', code):
        preset = re.search(r'\.preset = "([^"]*)"', row)
        section, key = re.match(r'PLACE\("([^"]+)", "([^"]+)"', row).groups()
        yield section, key, preset and preset.group(1), "OPTION_REQUIRED" in row


def options_text(rows):
    out, last = [], None
    presets = [preset for _, _, preset, _ in table_options()]
    for section, keys, default, description in rows:
        if section != last:
            out += [".El"] if last else []
            out += [".Ss The [%s] section" % section, ".Bl -tag -width Ds"]
            last = section
        out += [".It Ic %s" % quoted(key) for key in keys]
        out.append(from_markdown(description[0].upper() + description[1:].rstrip(".") + "."))
        if default == "required":
            out.append("Required.")
        elif default in presets:
            out.append("The default is\n.Ql %s ." % quoted(default))
        elif default:
            out.append("Without it: %s." % default)
    return "\n".join(out + [".El"])


def check_options(rows, findings):
    told = {(section, key): default for section, keys, default, _ in rows for key in keys}
    for section, key, preset, required in table_options():
        default = told.pop((section, key), None)
        if default is None:
            findings.append("docs/operations.md: [%s] %s is not in the table of options" % (section, key))
        elif required != (default == "required"):
            findings.append("docs/operations.md: [%s] %s: is it required?" % (section, key))
        elif preset and default not in (preset, "all"):
            findings.append("docs/operations.md: [%s] %s: the default is %s" % (section, key, preset))
    for section, key in told:
        findings.append("docs/operations.md: there is no option [%s] %s" % (section, key))


def main(check, warren, out, time_s):
    then = time.gmtime(int(time_s))
    date = "%s %d, %d" % (time.strftime("%B", then), then.tm_mday, then.tm_year)
    findings = []
    rows = list(option_rows(text_of(os.path.join(ROOT, "docs/operations.md")).split("## The config file")[1]))
    check_options(rows, findings)
    for name in PAGES:
        page = text_of(os.path.join(HERE, name + ".in")).replace("@date@", date)
        if name == "warren.1":
            page = command_page(page, verbs_of.read(warren), findings)
        page = page.replace("@options@", options_text(rows))
        with open(os.path.join(out, name), "w") as f:
            f.write(wrapped(page))
    if check:
        print("\n".join(findings + ["%d findings" % len(findings)]))
        return 1 if findings else 0
    return 0


if __name__ == "__main__":
    argv = [a for a in sys.argv[1:] if a != "--check"]
    sys.exit(main("--check" in sys.argv, *argv))
