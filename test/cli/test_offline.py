#!/usr/bin/env python3
"""
The offline verbs of `warren` as a user meets them: a network from nothing to a revocation, every
kind of wrong usage, and that no secret ever leaves its file. WARREN names the command.
"""

import base64
import json
import os
import pty
import select
import signal
import stat
import subprocess
import tempfile
import termios
import time
import unittest

WARREN = os.environ.get("WARREN", "warren")
PASSPHRASE = "correct horse battery"


def block(path):
    """The bytes of a file's first block."""
    lines = []
    with open(path) as f:
        for line in f:
            if line.startswith("-----END"):
                break
            if not line.startswith("-----"):
                lines.append(line.strip())
    return base64.b64decode("".join(lines))


class Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="warren-cli-")
        self.dir = self.temporary.name
        self.said = []  # all output of all commands

    def tearDown(self):
        said = "".join(self.said)
        for root, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(root, name)
                if not os.path.islink(path) and name.endswith(".key"):
                    secret = block(path)
                    for text in (secret[-32:], secret[-48:]):
                        self.assertNotIn(base64.b64encode(text).decode(), said, name)
                        self.assertNotIn(text.hex(), said, name)
        self.assertNotIn(PASSPHRASE, said)
        self.temporary.cleanup()

    def run_warren(self, *args, status=0, stdin=None):
        done = subprocess.run([WARREN, *args], cwd=self.dir, input=stdin, capture_output=True,
            text=True, timeout=60)
        self.said += [done.stdout, done.stderr]
        self.assertEqual(done.returncode, status, "%s: %s" % (" ".join(args), done.stderr))
        if status == 0:
            self.assertEqual(done.stderr, "")
        else:
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"^warren[ a-z]*: ")
        return done.stdout if status == 0 else done.stderr

    def fails(self, words, *args, status=1):
        self.assertIn(words, self.run_warren(*args, status=status))

    def misused(self, words, *args):
        self.fails(words, *args, status=2)

    def path(self, name):
        return os.path.join(self.dir, name)

    def mode(self, name):
        return stat.S_IMODE(os.stat(self.path(name)).st_mode)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def show(self, name, *args):
        return json.loads(self.run_warren("show", "--json", *args, name))

    def make_network(self):
        self.run_warren("ca", "init", "ca", "--no-passphrase")
        return self.run_warren("keygen", "-o", "hub.key").strip()

    def sign(self, *args, **kwargs):
        return self.run_warren("sign", "--ca", "ca", *args, **kwargs)


class Network(Case):
    def test_from_nothing_to_a_revocation(self):
        line = self.run_warren("ca", "init", "ca", "--no-passphrase")
        with open(self.path("ca/network")) as f:
            self.assertEqual(f.read(), line)
        self.assertRegex(line, r"^network = [A-Za-z0-9+/]{86}==\n$")
        self.assertEqual((self.mode("ca"), self.mode("ca/root.key")), (0o700, 0o600))
        network = self.show("ca/network")

        hub = self.run_warren("keygen", "-o", "hub.key").strip()
        spoke = self.run_warren("keygen").strip()
        self.assertEqual(self.mode("node.key"), 0o600)
        self.assertEqual(block(self.path("node.key.pub")), base64.b64decode(spoke))
        self.assertEqual(self.show("node.key"), {"kind": "private key", "public_key": spoke})
        self.assertEqual(self.show("node.key.pub"), {"kind": "public key", "key": spoke})

        self.sign("--name", "hub1", "--role", "hub", "--address", "10.9.0.1/24", "-o", "hub.crt",
            "hub.key.pub")
        text = self.sign("--name", "spoke1", "--role=spoke", "--address=10.9.0.5/24",
            "--address", "fd00:9::5/64", "--prefix", "192.168.7.0/24", "--prefix", "10.64.0.0/10",
            "--group", "ops", "--days", "30", spoke)
        self.write("spoke.crt", text)
        cert = self.show("spoke.crt", "--network", "ca/network")
        for name, value in {
                "kind": "certificate", "name": "spoke1", "roles": ["spoke"], "key": spoke,
                "addresses": ["10.9.0.5/24", "fd00:9::5/64"], "groups": ["ops"],
                "prefixes": ["10.64.0.0/10", "192.168.7.0/24"], "validity": "valid",
                "issuer": network["root_id"], "signature": "good"}.items():
            self.assertEqual(cert[name], value)

        self.run_warren("ca", "bundle", "--ca", "ca", "--hub",
            "hub1=hub.key.pub@hub.example.net,[2001:db8::1]:4755", "-o", "bundle")
        bundle = self.show("bundle", "--network", line.split(" = ")[1].strip())
        self.assertEqual(bundle["number"], 1)
        self.assertEqual(bundle["signature"], "good")
        self.assertEqual(bundle["hubs"], [{"name": "hub1", "keys": [hub],
            "endpoints": ["hub.example.net:4754", "[2001:db8::1]:4755"]}])

        said = self.run_warren("ca", "revoke", "--ca", "ca", "--cert", "spoke.crt", "-o", "bundle")
        self.assertIn("bundle 2,", said)
        self.fails("already revoked", "ca", "revoke", "--ca", "ca", "--cert", "spoke.crt")
        self.run_warren("ca", "revoke", "--ca", "ca", "--key", spoke)
        self.run_warren("ca", "revoke", "--ca", "ca", "--serial", "00000000000000ff")
        self.fails("this key is revoked", "sign", "--ca", "ca", "--name", "spoke1", "--role",
            "spoke", "--address", "10.9.0.5/24", spoke)
        # Hubs and revocations stay when nothing is said of them.
        self.run_warren("ca", "bundle", "--ca", "ca", "--ciphers", "chacha20-poly1305,aegis-256",
            "--psk", "required")
        bundle = self.show("ca/bundle", "--network", "ca/network")
        self.assertEqual(bundle["number"], 5)
        self.assertEqual(len(bundle["hubs"]), 1)
        self.assertEqual(bundle["ciphers"], ["chacha20-poly1305", "aegis-256"])
        self.assertEqual(bundle["psk"], "required")
        self.assertEqual(bundle["revoked_keys"], [spoke])
        self.assertEqual(sorted(bundle["revoked"], key=lambda r: r["serial"]),
            sorted([{"issuer": network["root_id"], "serial": cert["serial"]},
                {"issuer": network["root_id"], "serial": "00000000000000ff"}],
                key=lambda r: r["serial"]))
        self.assertEqual(self.show("bundle")["number"], 2)  # the copy made then

    def test_bundle_options(self):
        hub = self.make_network()
        second = self.run_warren("keygen", "-o", "next.key").strip()
        self.fails("expected 'warren ca bundle' first", "ca", "revoke", "--ca", "ca", "--key", hub)
        self.misused("no hub yet", "ca", "bundle", "--ca", "ca")
        self.run_warren("ca", "bundle", "--ca", "ca", "--hub",
            "h=%s,next.key.pub@192.0.2.1:1,2001:db8::1" % hub, "--hub", "other=" + "A" * 43 + "=",
            "--issuer", second + ",10.9.1.0/24,fd00::/64,10.8.0.0/16,role=hub,role=spoke,days=3",
            "--number", "40", "--days", "2")
        bundle = self.show("ca/bundle")
        self.assertEqual(bundle["number"], 40)
        self.assertEqual(bundle["hubs"][0], {"name": "h", "keys": [hub, second],
            "endpoints": ["192.0.2.1:1", "[2001:db8::1]:4754"]})
        self.assertEqual(bundle["hubs"][1]["endpoints"], [])
        self.assertEqual(len(bundle["issuers"]), 1)
        issuer = bundle["issuers"][0]
        self.assertEqual(issuer["key"], second)
        self.assertEqual(issuer["roles"], ["hub", "spoke"])
        self.assertEqual(issuer["max_life_s"], 3 * 86400)
        self.assertEqual(issuer["pools"], ["10.8.0.0/16", "10.9.1.0/24", "fd00::/64"])
        self.misused("expected more than the last", "ca", "bundle", "--ca", "ca", "--number", "40")
        self.run_warren("ca", "bundle", "--ca", "ca", "--issuer", "none", "--hub", "h=" + hub)
        bundle = self.show("ca/bundle")
        self.assertEqual((bundle["number"], bundle["issuers"]), (41, []))
        self.assertEqual([h["name"] for h in bundle["hubs"]], ["h"])

    def test_default_route(self):
        self.make_network()
        names = ("--name", "x", "--role", "spoke", "--address", "10.9.0.5/24")
        self.misused("expected --allow-default too", "sign", "--ca", "ca", *names, "--prefix",
            "0.0.0.0/0", "hub.key.pub")
        self.sign(*names, "--address", "fd00::5/64", "--allow-default", "-o", "x.crt", "hub.key.pub")
        cert = self.show("x.crt")
        self.assertEqual(cert["roles"], ["spoke", "default"])
        self.assertEqual(cert["prefixes"], ["0.0.0.0/0", "::/0"])
        self.sign(*names, "--address", "fd00::5/64", "--allow-default", "--prefix", "::/0", "-o",
            "x.crt", "hub.key.pub")
        self.assertEqual(self.show("x.crt")["prefixes"], ["::/0"])

    def test_another_network(self):
        self.make_network()
        self.run_warren("ca", "init", "other", "--no-passphrase", "--name", "other.net")
        self.sign("--name", "x", "--role", "spoke", "--address", "10.9.0.5/24", "-o", "x.crt",
            "hub.key.pub")
        self.run_warren("ca", "bundle", "--ca", "ca", "--hub", "h=hub.key.pub")
        self.run_warren("ca", "bundle", "--ca", "other", "--hub", "h=hub.key.pub")
        self.fails("of another network", "ca", "revoke", "--ca", "other", "--cert", "x.crt")
        # The wrong network's signature: shown, and the exit status tells.
        done = subprocess.run([WARREN, "show", "--network", "other/network", "ca/bundle"],
            cwd=self.dir, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("signature: bad", done.stdout)
        # A CA directory whose files do not belong together.
        os.replace(self.path("other/bundle"), self.path("ca/bundle"))
        self.fails("expected the last bundle of this network", "ca", "bundle", "--ca", "ca")
        os.remove(self.path("ca/bundle"))
        os.replace(self.path("other/root.key"), self.path("ca/root.key"))
        self.fails("not the root key of ca/network", "ca", "bundle", "--ca", "ca", "--hub",
            "h=hub.key.pub")
        self.assertFalse(os.path.exists(self.path("ca/bundle")))

    def test_two_at_once(self):
        self.make_network()
        self.run_warren("ca", "bundle", "--ca", "ca", "--hub", "h=hub.key.pub")
        running = [subprocess.Popen([WARREN, "ca", "revoke", "--ca", "ca", "--serial",
            "%016x" % i], cwd=self.dir, stdout=subprocess.DEVNULL) for i in range(8)]
        for process in running:
            self.assertEqual(process.wait(60), 0)
        bundle = self.show("ca/bundle")
        self.assertEqual((bundle["number"], len(bundle["revoked"])), (9, 8))


class Refused(Case):
    def test_usage(self):
        self.make_network()
        good = ["--ca", "ca", "--name", "x", "--role", "spoke", "--address", "10.9.0.5/24"]
        for words, *args in (
                ("'sign'", "sgn"), ("'ca init'", "ca", "inti"), ("one more word", "ca"),
                ("unknown verb", "quux"), ("expected a directory", "ca", "init"),
                ("not both", "ca", "init", "d", "--no-passphrase", "--passphrase-file", "f"),
                ("one directory", "ca", "init", "d", "e"), ("--name X Y", "ca", "init", "d",
                "--name", "X Y"), ("did you mean --address?", "sign", "--adress", "10.0.0.1/8"),
                ("needs a value", "sign", "--name"), ("takes no value", "keygen", "--force=yes"),
                ("unknown option -x", "keygen", "-x"), ("expected an option", "keygen", "file"),
                ("expected a file", "show"), ("one file", "show", "a", "b"),
                ("expected --ca", "sign", "--name", "x"),
                ("expected --name", "sign", "--ca", "ca"),
                ("expected --role", "sign", *good[:4]),
                ("expected --address", "sign", *good[:6]),
                ("public key", "sign", *good), ("one key", "sign", *good, "a", "b"),
                ("--role relay", "sign", "--role", "relay"), ("--name X", "sign", "--name", "X"),
                ("--days 0", "sign", "--days", "0"), ("--days -1", "sign", "--days", "-1"),
                ("--days 99999", "sign", "--days", "99999"),
                ("length of the overlay's subnet", "sign", "--address", "10.9.0.5"),
                ("unicast address of a host", "sign", "--address", "224.0.0.1/24"),
                ("unicast address of a host", "sign", "--address", "10.9.0.5/0"),
                ("unicast address of a host", "sign", "--address", "fe80::1/64"),
                ("the subnet itself", "sign", "--address", "10.9.0.0/24"),
                ("expected 10.0.0.0/8", "sign", "--prefix", "10.9.0.0/8"),
                ("such as 192.168.7.0/24", "sign", "--prefix", "nonsense"),
                ("of unicast addresses", "sign", "--prefix", "224.0.0.0/4"),
                ("without blanks", "sign", "--group", "a b"),
                ("at most 4", "sign", *["--address=10.9.0.%d/24" % i for i in range(1, 6)]),
                ("at most 16", "sign", *["--prefix=10.%d.0.0/16" % i for i in range(17)]),
                ("at most 8", "sign", *["--group=g%d" % i for i in range(9)]),
                ("expected --ca", "ca", "bundle"), ("expected --ca", "ca", "revoke", "--key", "x"),
                ("one of --cert, --key and --serial", "ca", "revoke", "--ca", "ca"),
                ("one of --cert, --key and --serial", "ca", "revoke", "--ca", "ca", "--key", "x",
                    "--cert", "y"),
                ("with --serial only", "ca", "revoke", "--ca", "ca", "--key", "x", "--issuer", "y"),
                ("expected NAME=KEY@HOST:PORT", "ca", "bundle", "--hub", "x"),
                ("--hub: name 'X'", "ca", "bundle", "--hub", "X=hub.key.pub"),
                ("neither a key nor a file", "ca", "bundle", "--hub", "x=y@h"),
                ("port '0'", "ca", "bundle", "--hub", "x=hub.key.pub@h:0"),
                ("port '65536'", "ca", "bundle", "--hub", "x=hub.key.pub@h:65536"),
                ("host 'a b'", "ca", "bundle", "--hub", "x=hub.key.pub@a b"),
                ("host ''", "ca", "bundle", "--hub", "x=hub.key.pub@"),
                ("host 'nonsense'", "ca", "bundle", "--hub", "x=hub.key.pub@[nonsense]:1"),
                ("given twice", "ca", "bundle", "--hub", "x=hub.key.pub", "--hub", "x=hub.key.pub"),
                ("one of its own", "ca", "bundle", "--ca", "ca", "--hub", "x=hub.key.pub", "--hub",
                    "y=hub.key.pub"),
                ("one of its own", "ca", "bundle", "--ca", "ca", "--hub",
                    "x=hub.key.pub,hub.key.pub"),
                ("at most 2 keys", "ca", "bundle", "--hub",
                    "x=hub.key.pub,hub.key.pub,hub.key.pub"),
                ("at most 4 endpoints", "ca", "bundle", "--hub", "x=hub.key.pub@a,b,c,d,e"),
                ("Ed25519 public key", "ca", "bundle", "--issuer", "x,10.0.0.0/8"),
                ("expected the prefixes", "ca", "bundle", "--issuer", "A" * 43 + "="),
                ("unknown cipher 'null'", "ca", "bundle", "--ciphers", "aegis-256,null"),
                ("--psk maybe", "ca", "bundle", "--psk", "maybe"),
                ("16 hexadecimal digits", "ca", "revoke", "--ca", "ca", "--serial", "12")):
            if args[0] == "ca" and "--serial" in args and "12" in args:
                self.run_warren("ca", "bundle", "--ca", "ca", "--hub", "h=hub.key.pub")
            self.misused(words, *args)

    def test_files(self):
        self.make_network()
        good = ["--ca", "ca", "--name", "x", "--role", "spoke", "--address", "10.9.0.5/24"]
        self.fails("ca/network: exists", "ca", "init", "ca", "--no-passphrase")
        self.fails("hub.key: exists", "keygen", "-o", "hub.key")
        self.fails("cannot write it", "keygen", "-o", "no/such/dir")
        self.fails("no/network: cannot open it", "sign", "--ca", "no", *good[2:], "hub.key.pub")
        self.fails("holds a PRIVATE KEY, expected a PUBLIC KEY", "sign", *good, "hub.key")
        self.fails("all zero", "sign", *good, "A" * 43 + "=")
        self.fails("cannot open it", "show", "nothing")
        self.fails("nothing that warren knows", "show", "/dev/null")
        # An output never replaces a key, a device or anything else that is not its like.
        before = block(self.path("hub.key"))
        self.fails("holds no CERTIFICATE", "sign", *good, "-o", "hub.key", "hub.key.pub")
        self.fails("holds no CERTIFICATE", "sign", *good, "-o", "/dev/null", "hub.key.pub")
        self.fails("holds no BUNDLE", "ca", "bundle", "--ca", "ca", "--hub", "h=hub.key.pub", "-o",
            "hub.key")
        self.assertEqual(block(self.path("hub.key")), before)
        self.assertFalse(os.path.exists(self.path("ca/bundle")))
        self.fails("too long", "sign", *good[:2], "--name", "x" * 63, *good[4:],
            *["--prefix=2001:db8::%x/128" % i for i in range(16)], "hub.key.pub")
        # Secrets that others can reach.
        os.chmod(self.path("ca/root.key"), 0o640)
        self.fails("expected 0600 (chmod 600 ca/root.key)", "sign", *good, "hub.key.pub")
        os.chmod(self.path("ca/root.key"), 0o600)
        os.chmod(self.path("ca"), 0o777)
        self.fails("chmod go-w ca", "sign", *good, "hub.key.pub")
        os.chmod(self.path("ca"), 0o755)
        self.sign(*good[2:], "hub.key.pub")
        os.chmod(self.path("hub.key"), 0o644)
        self.fails("hub.key: others can read a secret (mode 0644)", "show", "hub.key")
        os.symlink("hub.key", self.path("link.key"))
        self.fails("a symbolic link", "show", "link.key")

    def test_damaged(self):
        self.make_network()
        self.sign("--name", "x", "--role", "spoke", "--address", "10.9.0.5/24", "-o", "x.crt",
            "hub.key.pub")
        with open(self.path("x.crt")) as f:
            lines = f.readlines()
        self.write("x.crt", "".join([lines[0], "/" + lines[1][1:], *lines[2:]]))
        self.fails("x.crt: unknown version, expected a certificate", "show", "x.crt")
        self.write("x.crt", "".join([lines[0], lines[1][1:], *lines[2:]]))
        self.fails("x.crt: damaged", "show", "x.crt")
        self.write("x.crt", "".join(lines[:2]))
        self.fails("x.crt: damaged", "show", "x.crt")

    def test_full_output(self):
        self.make_network()
        with open("/dev/full", "w") as full:
            done = subprocess.run([WARREN, "show", "hub.key.pub"], cwd=self.dir, stdout=full,
                stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)


class Help(Case):
    def test_help(self):
        for args in (["help"], ["--help"], ["-h"]):
            self.assertIn("ca revoke", self.run_warren(*args))
        self.assertIn("ca bundle", self.run_warren("ca", "--help"))
        self.assertNotIn("keygen", self.run_warren("help", "ca"))
        for verb in (["sign"], ["ca", "init"], ["ca", "bundle"], ["keygen"], ["show"]):
            text = self.run_warren(*verb, "--help")
            self.assertTrue(text.startswith("usage: warren %s " % " ".join(verb)))
            self.assertEqual(text, self.run_warren("help", *verb))
        self.assertRegex(self.run_warren("--version"), r"^warren \d+\.\d+\.\d+ \(libsodium \d+\.\d+\.\d+\)\n$")
        done = subprocess.run([WARREN], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))


class Passphrase(Case):
    def test_from_file(self):
        self.write("pass", PASSPHRASE + "\n")
        self.write("wrong", "incorrect horse\n")
        self.write("short", "1234567\n")
        self.write("public", PASSPHRASE + "\n", 0o644)
        self.fails("at least 8 characters", "ca", "init", "ca", "--passphrase-file", "short")
        self.fails("expected 0600", "ca", "init", "ca", "--passphrase-file", "public")
        self.assertFalse(os.path.exists(self.path("ca")))
        self.run_warren("ca", "init", "ca", "--passphrase-file", "pass")
        self.assertEqual(self.show("ca/root.key"), {"kind": "root key", "sealed": True})
        self.run_warren("keygen")
        sign = ["--name", "x", "--role", "spoke", "--address", "10.9.0.5/24", "node.key.pub"]
        self.fails("wrong passphrase", "sign", "--ca", "ca", *sign, "--passphrase-file", "wrong")
        self.sign(*sign, "--passphrase-file", "pass", "-o", "x.crt")
        self.sign(*sign, "--passphrase-file", "-", stdin=PASSPHRASE + "\n")
        self.assertEqual(self.show("x.crt", "--network", "ca/network")["signature"], "good")

    def on_terminal(self, args, answers, then=None):
        """Runs a command that owns a terminal; the exit status (or signal) and what it said."""
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execv(WARREN, [WARREN, *args])
        said, status, deadline = b"", None, time.monotonic() + 30
        answers = list(answers)
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 4096)
                except OSError:
                    data = b""
                if not data:
                    break
                said += data
            if answers and answers[0][0] in said.decode(errors="replace"):
                self.assertFalse(termios.tcgetattr(fd)[3] & termios.ECHO)
                os.write(fd, answers.pop(0)[1].encode())
            if then and not answers:
                then(fd)
                then = None
        done = 0
        while not done:
            done, status = os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        os.close(fd)
        text = said.decode(errors="replace")
        self.said.append(text)
        return (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), text

    def test_from_terminal(self):
        new, again = "New passphrase for the new root key: ", "The same again: "
        status, said = self.on_terminal(["ca", "init", "ca"],
            [(new, PASSPHRASE + "\n"), (again, PASSPHRASE + "!\n")])
        self.assertEqual(status, 1)
        self.assertIn("the two passphrases differ", said)
        self.assertFalse(os.path.exists(self.path("ca")))
        status, said = self.on_terminal(["ca", "init", "ca"],
            [(new, PASSPHRASE + "\n"), (again, PASSPHRASE + "\n")])
        self.assertEqual(status, 0, said)
        self.run_warren("keygen")
        status, said = self.on_terminal(["ca", "bundle", "--ca", "ca", "--hub", "h=node.key.pub"],
            [("Passphrase for ca/root.key: ", PASSPHRASE + "\n")])
        self.assertEqual(status, 0, said)
        self.assertIn("bundle 1,", said)

    def test_interrupt_restores_echo(self):
        echo = []

        def look(fd):
            time.sleep(0.3)
            echo.append(bool(termios.tcgetattr(fd)[3] & termios.ECHO))

        status, _ = self.on_terminal(["ca", "init", "ca"],
            [("New passphrase", "half\x03")], look)
        self.assertEqual(status, -signal.SIGINT)
        self.assertEqual(echo, [True])
        self.assertFalse(os.path.exists(self.path("ca")))

    def test_no_terminal(self):
        done = subprocess.run([WARREN, "ca", "init", "ca"], cwd=self.dir, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, start_new_session=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected --passphrase-file", done.stderr)


if __name__ == "__main__":
    unittest.main()
