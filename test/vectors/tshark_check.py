#!/usr/bin/env python3
"""Compares our NHRP codec with tshark, field by field.

  tshark_check.py packets TOOL DIR ..  DIR/*.hex decoded by us against DIR/*.txt, the stored decode
                                     of tshark; needs no tshark
  tshark_check.py emit TOOL          packets encoded by us against what tshark makes of them: equal
                                     fields, nothing malformed, no expert error, checksums good

TOOL is nhrp_tool. Exit code 77 (skipped) when tshark is not there.
"""
import glob
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile

SEEDS = (1, 4754)
# What our decoder brings to one form: trailing zeros behind End (OpenNHRP), flags left in the unused
# field of an error indication (FRR).
NORMALISED = {
    "error-indication-auth",
    "error-indication-hop-count",
    "error-indication-hop-count-opennhrp",
    "error-indication-unreachable",
}
FAMILY = {"0x0001": 4, "0x0002": 6, "0x0800": 4, "0x86dd": 6}


def address_of(text):
    """An address as tshark prints it: in the usual form, or IPv6 as bare hex."""
    if re.fullmatch("[0-9a-f]{32}", text):
        return ipaddress.ip_address(bytes.fromhex(text))
    return ipaddress.ip_address(text)


class Parser:
    """tshark's text of one NHRP packet, as the lines that nhrp_dump.h writes."""

    def __init__(self):
        self.fields, self.lines, self.cie, self.auth = {}, [], None, None

    def address(self, name):
        return str(address_of(self.fields[name])) if name in self.fields else "-"

    def flush(self):
        if self.cie:
            c = self.cie
            self.lines.append(
                "cie code %s prefix %s mtu %s hold %s preference %s"
                % tuple(c[k] for k in ("code", "prefix", "mtu", "hold", "preference"))
            )
            for k in ("nbma", "proto"):
                self.lines.append("cie-%s %s" % (k, address_of(c[k]) if k in c else "-"))
        if self.auth:
            self.lines.append("spi " + self.auth["spi"])
            self.lines.append("auth " + self.auth.get("address", "") + self.auth.get("data", ""))
        self.cie = self.auth = None

    CIE = {
        "Code": "code",
        "Prefix Length": "prefix",
        "Max Transmission Unit": "mtu",
        "Holding Time (s)": "hold",
        "CIE Preference Value": "preference",
        "Client NBMA Address": "nbma",
        "Client Protocol Address": "proto",
    }
    AUTH = {"SPI": "spi", "Source Address": "address", "Data": "data"}

    def line(self, text):
        if text == "Client Information Entry":
            self.flush()
            self.cie = {}
        elif text.endswith("Extension") and not text.startswith("Extension"):
            self.flush()
            if text == "NHRP Authentication Extension":
                self.auth = {}
            return
        key, colon, value = text.partition(": ")
        if not colon:
            return
        number = re.search(r"\((\w+)\)$", value)
        if key.endswith("Compulsory Flag"):
            self.flush()
            self.compulsory = int(value == "True")
        elif key.endswith("Extension Type"):
            if int(value, 16) == 0:
                self.lines.append("end")
            else:
                self.lines.append("ext %s compulsory %d" % (value, self.compulsory))
                if int(value, 16) == 7:
                    self.auth = {}
        elif self.cie is not None and key in self.CIE:
            self.cie[self.CIE[key]] = number.group(1) if number else value
        elif self.auth is not None and key in self.AUTH:
            if key == "Source Address":
                value = address_of(value).packed.hex()
            self.auth[self.AUTH[key]] = value
        else:
            self.fields.setdefault(key, number.group(1) if number else value)

    def result(self):
        self.flush()
        f = self.fields
        kind = int(f["NHRP Packet Type"])
        head = [
            "afn %d proto %d type %d hop %s"
            % (
                FAMILY[f["Address Family Number"]],
                FAMILY[f["Protocol Type (short form)"]],
                kind,
                f["Hop Count"],
            )
        ]
        if kind == 7:
            head.append("error %s offset %s" % (f["Error Code"], f["Error Offset"]))
        elif kind != 8:
            head.append("flags %s id %s" % (f["Flags"].split(",")[0], f["Request ID"]))
        head.append("src-nbma " + self.address("Source NBMA Address"))
        head.append("src-proto " + self.address("Source Protocol Address"))
        head.append("dst-proto " + self.address("Destination Protocol Address"))
        return head + self.lines


def parse_nhrp(text):
    """The packet of a `tshark -V` text, without the packet that an indication quotes."""
    parser, inside, quoted = Parser(), False, False
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent == 0 and line and not re.match("[0-9a-f]{4}  ", line):
            inside = line.startswith("Next Hop Resolution Protocol")
        if indent == 4:
            quoted = line.strip() == "Packet Causing Indication"
        if inside and not quoted and indent:
            parser.line(line.strip())
    return parser.result()


def split_dump(text):
    packets = []
    for line in text.splitlines():
        if line.startswith("packet "):
            packets.append((line[7:], []))
        else:
            packets[-1][1].append(line)
    return packets


def differ(name, ours, theirs):
    if ours == theirs:
        return 0
    print("%s:" % name)
    for a, b in zip(ours + ["-"] * len(theirs), theirs + ["-"] * len(ours)):
        if a != b:
            print("  ours   %s\n  tshark %s" % (a, b))
            break
    return 1


def check_packets(tool, directories):
    files = []
    for directory in directories:
        found = sorted(glob.glob(os.path.join(directory, "*.txt")))
        if not found:
            print("%s: nothing there" % directory)
            return 1
        files += [f[:-4] + ".hex" for f in found]
    run = subprocess.run([tool, "dump"] + files, stdout=subprocess.PIPE, text=True)
    packets = split_dump(run.stdout)
    bad = run.returncode or len(packets) != len(files)
    for path, lines in packets:
        name = os.path.basename(path)[:-4]
        with open(path[:-4] + ".txt") as f:
            bad |= differ(name, lines[:-1], parse_nhrp(f.read()))
        if (lines[-1] == "reencoded same") == (name in NORMALISED):
            print("%s: %s" % (name, lines[-1]))
            bad = 1
    print("%d packets" % len(packets))
    return bad


def check_frame(number, kind, ours, text):
    wrong = [w for w in ("Malformed", "Severity level: Error", "[incorrect", "Status: Bad") if w in text]
    if wrong:
        print("frame %d: %s\n%s" % (number, wrong, text))
        return 1
    if kind == "nhrp":
        if "Packet Checksum Status: Good" not in text:
            print("frame %d: checksum\n%s" % (number, text))
            return 1
        return differ("frame %d" % number, ours, parse_nhrp(text))
    if kind == "icmp":
        return 0 if "[correct]" in text else 1
    checks = [r"TCP Option - Maximum segment size: (\d+)", r"(?:Time to Live|Hop Limit): (\d+)"]
    found = [re.search(c, text).group(1) for c in checks]
    tos = re.search(r"(?:Services Field|Traffic Class): (0x\w+)", text).group(1)[-2:]
    return differ("frame %d" % number, ours, ["mss %s ttl %s tos 0x%s" % (*found, tos)])


def check_emit(tool):
    if not shutil.which("tshark"):
        print("no tshark")
        return 77
    bad = 0
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as tmp:
            pcap = os.path.join(tmp, "emit.pcap")
            dump = subprocess.run(
                [tool, "emit", str(seed), pcap], stdout=subprocess.PIPE, text=True, check=True
            ).stdout
            options = [o for p in ("ip", "udp", "tcp") for o in ("-o", p + ".check_checksum:TRUE")]
            text = subprocess.run(
                ["tshark", "-n", "-V"] + options + ["-r", pcap],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
            ).stdout
        packets = split_dump(dump)
        frames = re.split(r"(?m)^Frame \d+: ", text)[1:]
        if len(frames) != len(packets):
            print("%d frames of %d" % (len(frames), len(packets)))
            return 1
        for i, ((kind, ours), frame) in enumerate(zip(packets, frames), 1):
            bad |= check_frame(i, kind, ours, frame)
        print("seed %d: %d frames" % (seed, len(frames)))
    return bad


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "packets":
        return check_packets(sys.argv[2], sys.argv[3:])
    if len(sys.argv) == 3 and sys.argv[1] == "emit":
        return check_emit(sys.argv[2])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
