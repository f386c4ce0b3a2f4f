#!/usr/bin/env python3
"""
packages.py [--clean] [deb] [rpm] [sodium]: builds the Linux packages and does with them what users do. All of them
unless some are named.

  always   the same source gives the same bytes in two places; lintian, rpmlint, checkbashisms and systemd-analyze have
           nothing to say; files have the permissions that they should have
  deb rpm  installed in a throw-away system that has systemd as its first process (root.py), configured, started as
           the unit says, upgraded, removed, purged
  sodium   the package with libsodium inside

That system is an overlay on this one; with --clean, on a Debian that debootstrap makes and apt completes, which shows
that what the package depends on is enough (two minutes, and a network). What cannot be had is said to be skipped.
"""

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

from root import Failed, Root

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINUX = os.path.join(TOP, "platform/linux")
OUT = os.path.join(TOP, "build/packages-out")
EXPOSURE = 20  # tenths
SECRETS = ("/etc/warren/node.key",)
NET_ADMIN = 1 << 12
OUTPUT = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}

# A hub as the README makes one.
CONFIGURE = r"""
set -e
cd /root
rm -rf ca
warren ca init --no-passphrase ca
warren keygen --force -o /etc/warren/node.key
warren sign --ca ca --name hub --role hub --address 10.77.0.1/24 -o /etc/warren/node.crt /etc/warren/node.key.pub
warren ca bundle --ca ca --hub hub=/etc/warren/node.key.pub@192.0.2.1:4754 -o /etc/warren/bundle
sed -i "s|^;network =.*|$(cat ca/network)|; s|^;\([a-z]* = \)|\1|" /etc/warren/warren.ini
printf '[udp]\nworkers = 2\n' >>/etc/warren/warren.ini
warren check /etc/warren/warren.ini
"""

# What operations.md says of drop-ins: a low port, and GRE in IP.
DROP_IN = r"""
set -e
cp /etc/warren/warren.ini /root/kept.ini
printf 'port = 443\n[interop x]\nrole = spoke\nunderlay = 192.0.2.9\nallow = 10.77.0.9\nframing = gre\n' \
	>>/etc/warren/warren.ini
mkdir -p /etc/systemd/system/warrend.service.d
cat >/etc/systemd/system/warrend.service.d/more.conf <<-END
	[Service]
	AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW
	CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW
END
systemctl daemon-reload
systemctl restart warrend
"""
NO_DROP_IN = r"""
set -e
cp /root/kept.ini /etc/warren/warren.ini
rm -r /etc/systemd/system/warrend.service.d
systemctl daemon-reload
systemctl restart warrend
"""


class Checks:
    def __init__(self):
        self.done = self.wrong = 0

    def that(self, fine, what):
        self.done += 1
        if not fine:
            self.wrong += 1
            print("WRONG: %s" % what)

    def same(self, got, expected, what):
        self.that(got == expected, "%s: %r, expected %r" % (what, got, expected))

    def quiet(self, what, *argv, **more):
        """The program ends with 0 and has nothing to say."""
        done = subprocess.run(argv, **OUTPUT, **more)
        self.that(done.returncode == 0 and not done.stdout.strip(), "%s: exit %d\n%s" % (
            what, done.returncode, done.stdout))


def say(text):
    print("== " + text, flush=True)


def has(tool, what):
    if shutil.which(tool):
        return True
    print("skipped: %s: no %s" % (what, tool))
    return False


# ---- Building ------------------------------------------------------------------------------------


def build(kind, *options, script=LINUX, **env):
    done = subprocess.run([os.path.join(script, "package.sh"), *options, kind], env={**os.environ, **env},
                          **OUTPUT)
    if done.returncode != 0:
        raise Failed(done.stdout)


def packages(directory):
    return sorted(os.path.join(directory, name) for name in os.listdir(directory))


def check_same_bytes(checks, kind, place):
    """Once more: another source directory, build directory, umask, time zone, language, and no cache."""
    source = os.path.join(place, "another")
    shutil.copytree(TOP, source, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    out = os.path.join(place, "again")
    env = {name: "" for name in os.environ if name.startswith(("CCACHE_", "CMAKE_"))}
    mask = os.umask(0o077)
    build(kind, "--build", os.path.join(place, "b"), "--output", out, script=os.path.join(source, "platform/linux"),
          TZ="Asia/Tokyo", LC_ALL="C", CFLAGS="-O0", **env)
    os.umask(mask)
    for path in packages(OUT):
        with open(path, "rb") as one, open(os.path.join(out, os.path.basename(path)), "rb") as other:
            checks.that(one.read() == other.read(), "%s has other bytes when it is built elsewhere" % path)


# ---- What linters say ------------------------------------------------------------------------------


def check_lints(checks, paths):
    scripts = ["package.sh", "deb/postinst", "deb/prerm", "deb/postrm", "rpm/post.sh", "rpm/preun.sh", "rpm/postun.sh"]
    if has("checkbashisms", "portable shell"):
        checks.quiet("checkbashisms", "checkbashisms", "--posix", *[os.path.join(LINUX, name) for name in scripts])
    for path in paths:
        if path.endswith(".deb") and has("lintian", path):
            checks.quiet("lintian", "lintian", "--display-info", "--pedantic", "--allow-root", path)
        if path.endswith(".rpm") and has("rpmlint", path):
            done = subprocess.run(["rpmlint", "-c", os.path.join(LINUX, "rpm/rpmlint.toml"), path],
                                  capture_output=True, text=True)
            checks.that("0 errors, 0 warnings" in done.stdout and done.returncode == 0, "rpmlint:\n" + done.stdout)


def expected_mode(name, is_directory):
    executable = is_directory or name in ("/usr/bin/warren", "/usr/sbin/warrend")
    return 0o755 if executable else 0o644


def check_deb_files(checks, path):
    data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", path], stdout=subprocess.PIPE)
    names = []
    with tarfile.open(fileobj=data.stdout, mode="r|") as tar:
        for member in tar:
            name = member.name.lstrip(".")
            names.append(name)
            checks.same((oct(member.mode), member.uname, member.gname),
                        (oct(expected_mode(name, member.isdir())), "root", "root"), name)
    data.wait()
    for name in ("/usr/share/man/man8/warrend.8.gz", "/usr/share/doc/warren/copyright",
                 "/usr/share/doc/warren/changelog.Debian.gz", "/usr/share/doc/warren/examples/spoke.ini"):
        checks.that(name in names, "%s is not in the package" % name)
    fields = subprocess.run(["dpkg-deb", "--field", path, "Depends"], capture_output=True, text=True).stdout
    checks.same("libsodium" in fields, "+sodium" not in path, "depends on libsodium")


def check_rpm_files(checks, path):
    told = subprocess.run(["rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES} %{FILEUSERNAME}:%{FILEGROUPNAME} "
                           "%{FILEFLAGS:fflags}\n]", path], capture_output=True, text=True).stdout
    for line in told.splitlines():
        name, mode, owner, *flags = line.split()
        mode = int(mode)
        checks.same((oct(stat.S_IMODE(mode)), owner),
                    (oct(expected_mode(name, stat.S_ISDIR(mode))), "root:root"), name)
        # A config that is kept when somebody has edited it.
        checks.same("n" in "".join(flags), name == "/etc/warren/warren.ini", "%s as noreplace" % name)
    checks.that("/usr/share/licenses/warren/LICENSE" in told, "the RPM has no licence")


# ---- In a system -----------------------------------------------------------------------------------


def stat_of(root, path):
    return root.says("stat -c '%%U:%%G %%a' %s" % path)


def check_fresh(checks, root):
    """Installed, and nothing has started."""
    checks.same(root.says("id -un _warren; getent passwd _warren | cut -d: -f6,7").split(),
                ["_warren", "/var/lib/warren:/usr/sbin/nologin"], "the user")
    checks.same(root.run("systemctl is-enabled warrend", check=False).stdout.strip(), "disabled", "the unit")
    checks.same(root.run("systemctl is-active warrend", check=False).stdout.strip(), "inactive", "the unit")
    checks.same(stat_of(root, "/var/lib/warren"), "_warren:_warren 700", "the state directory")
    checks.that(root.fails("warren check /etc/warren/warren.ini"), "the installed config is no complete one")
    unit = "/usr/lib/systemd/system/warrend.service"
    # It looks for the pages of Documentation= by `man`, which a small system does not have.
    said = root.run("sed '/^Documentation=/d' %s >/tmp/warrend.service && systemd-analyze verify /tmp/warrend.service"
                    % unit, check=False)
    checks.same((said.returncode, said.stdout), (0, ""), "systemd-analyze verify")
    said = root.run("systemd-analyze security --offline=true --threshold=%d %s" % (EXPOSURE, unit), check=False)
    checks.that(said.returncode == 0, "systemd-analyze security: " + said.stdout[-200:])


def pid_of(root):
    return root.says("systemctl show -P MainPID warrend")


def check_running(checks, root):
    """The service, as the unit says, and from outside."""
    root.wait("warren status", "warren status does not answer")
    checks.same(root.says("systemctl is-active warrend"), "active", "the unit")
    process = dict(line.split(":\t", 1) for line in root.says("cat /proc/%s/status" % pid_of(root)).splitlines()
                   if ":\t" in line)
    user = root.says("id -u _warren")
    checks.same(process["Uid"].split(), [user] * 4, "user of the daemon")
    checks.same(process["Groups"].split(), [root.says("id -g _warren")], "its groups")
    checks.same([int(process[key], 16) for key in ("CapPrm", "CapEff", "CapInh", "CapAmb")],
                [NET_ADMIN, NET_ADMIN, 0, 0], "capabilities")
    checks.same((process["NoNewPrivs"], process["Seccomp"]), ("1", "2"), "no new privileges, filter")
    for secret in SECRETS:
        checks.same(stat_of(root, secret), "_warren:_warren 600", secret)
    checks.that("10.77.0.1/24" in root.says("ip -br address show warren0"), "the interface has its address")
    checks.same(root.says("cat /proc/sys/net/ipv6/conf/warren0/accept_ra"), "0", "accept_ra")
    log = root.says("journalctl --no-pager -o cat -u warrend _PID=%s" % pid_of(root))
    checks.that(not re.search(r"\b(error|warning)\b|no steering", log), "the log complains:\n" + log)
    checks.that("UDP port 4754" in log, "the log tells of the start:\n" + log)
    root.run("setpriv --reuid nobody --regid nogroup --groups _warren warren status")
    checks.that(root.fails("setpriv --reuid nobody --regid nogroup --clear-groups warren status"),
                "anybody may ask the daemon")
    checks.that(root.fails("setpriv --reuid nobody --regid nogroup --groups _warren cat %s" % SECRETS[0]),
                "the group reads the key")


def start(checks, root):
    root.run(CONFIGURE)
    root.run("systemctl enable --now warrend")
    check_running(checks, root)
    root.run("systemctl reload warrend")
    checks.that("reloaded" in root.says("journalctl -u warrend"), "the reload is not in the log")
    root.run("echo wrong >>/etc/warren/warren.ini")
    checks.that(root.fails("systemctl reload warrend"), "a reload of a wrong config succeeds")
    root.run("sed -i '$d' /etc/warren/warren.ini && systemctl reload warrend")
    root.run(DROP_IN)
    root.wait("warren status --json | grep -Eq '\"port\": ?443'", "no port below 1024")
    checks.that("by gre" in root.says("warren status"), "no interop mode by GRE in IP")
    root.run(NO_DROP_IN)
    root.wait("warren status", "warren status does not answer")


def check_upgraded(checks, root, before, config, version, installed):
    checks.same(installed, version, "the version")
    checks.that(pid_of(root) != before, "the daemon is still the old one")
    checks.same(root.says("cat /etc/warren/warren.ini"), config, "the config after an upgrade")
    checks.same(root.says("systemctl is-enabled warrend"), "enabled", "the unit")
    check_running(checks, root)


def newer_deb(path, place):
    """The same package with the next revision and another sample config."""
    tree, out = os.path.join(place, "tree"), os.path.join(place, "newer.deb")
    subprocess.run(["dpkg-deb", "--raw-extract", path, tree], check=True)
    control = os.path.join(tree, "DEBIAN/control")
    with open(control) as f:
        text = f.read()
    with open(control, "w") as f:
        f.write(re.sub(r"(?m)^(Version: .*)-1", r"\1-2", text))
    with open(os.path.join(tree, "etc/warren/warren.ini"), "a") as f:
        f.write("# of the newer version\n")
    os.remove(os.path.join(tree, "DEBIAN/md5sums"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, out], check=True, stdout=subprocess.DEVNULL)
    return out


def test_deb(checks, root, path, place):
    root.copy(path, "/tmp/warren.deb")
    root.copy(newer_deb(path, place), "/tmp/newer.deb")
    root.run("dpkg -i /tmp/warren.deb")
    check_fresh(checks, root)
    start(checks, root)

    before, config = pid_of(root), root.says("cat /etc/warren/warren.ini")
    root.run("dpkg --force-confold -i /tmp/newer.deb")
    version = root.says("dpkg-deb --field /tmp/newer.deb Version")
    check_upgraded(checks, root, before, config, version, root.says("dpkg-query -W -f '${Version}' warren"))

    root.run("dpkg --remove warren")
    checks.that(root.fails("ip link show warren0"), "the daemon runs although it is removed")
    for path in ("/etc/warren/warren.ini", "/var/lib/warren/clock", *SECRETS):
        checks.that(not root.fails("test -e %s" % path), "%s has gone with the package" % path)
    checks.that(root.fails("systemctl start warrend"), "the unit of a removed package starts")
    root.run("dpkg --force-confold -i /tmp/warren.deb")
    checks.same(root.says("systemctl is-enabled warrend"), "enabled", "the unit, installed again")

    root.run("dpkg --purge warren")
    checks.that(root.fails("test -e /etc/warren/warren.ini"), "a purge leaves the conffile")
    checks.same(root.run("systemctl is-enabled warrend", check=False).returncode, 1, "the unit after a purge")
    for path in ("/var/lib/warren", *SECRETS):
        checks.that(not root.fails("test -e %s" % path), "%s is purged though nobody said so" % path)

    root.run("dpkg -i /tmp/warren.deb")
    checks.same(root.says("systemctl is-enabled warrend || true"), "disabled", "the unit, after a purge")
    root.run("echo 'warren warren/purge boolean true' | debconf-set-selections && dpkg --purge warren")
    checks.that(root.fails("test -e /etc/warren -o -e /var/lib/warren"), "keys and state stay although they are to go")


def test_rpm(checks, root, path, newer):
    rpm = "rpm --dbpath /var/lib/rpm "
    root.copy(path, "/tmp/warren.rpm")
    root.copy(newer, "/tmp/newer.rpm")
    # What is installed here by dpkg rpm does not know: hence --nodeps.
    root.run(rpm + "--initdb && " + rpm + "--nodeps -i /tmp/warren.rpm")
    check_fresh(checks, root)
    said = root.run(rpm + "--nodeps -V warren", check=False)
    checks.that(said.returncode == 0, "rpm -V: " + said.stdout)
    start(checks, root)

    before, config = pid_of(root), root.says("cat /etc/warren/warren.ini")
    root.run(rpm + "--nodeps -U /tmp/newer.rpm")
    check_upgraded(checks, root, before, config, "2", root.says(rpm + "-q --qf '%{RELEASE}' warren 2>/dev/null"))
    root.run(rpm + "-e warren")
    checks.that(root.fails("ip link show warren0"), "the daemon runs although it is removed")
    checks.that(root.fails("test -e /etc/warren/warren.ini"), "the config is removed")
    for path in ("/etc/warren/warren.ini.rpmsave", "/var/lib/warren/clock", *SECRETS):
        checks.that(not root.fails("test -e %s" % path), "%s has gone with the package" % path)


def clean_base(path):
    """A Debian with what the package depends on, made once."""
    base = os.path.join(TOP, "build/packages-root")
    if not os.path.isdir(base):
        say("a clean Debian")
        making = base + ".new"
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", making], **OUTPUT)
        if made.returncode != 0:
            raise Failed(made.stdout)
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            shutil.copy(name, making + name)
        shutil.copy(path, making + "/root/warren.deb")
        done = subprocess.run(
            ["chroot", making, "sh", "-ec", "apt-get -q update; "
             "apt-get -q -y install --no-install-recommends iproute2 /root/warren.deb; "
             "dpkg --purge warren; rm -rf /var/lib/warren /etc/warren"],
            env={"PATH": os.environ["PATH"], "DEBIAN_FRONTEND": "noninteractive"}, **OUTPUT)
        if done.returncode != 0:
            raise Failed(done.stdout)
        os.rename(making, base)
    return base


def in_root(checks, test, below, *args):
    if os.getuid() != 0:
        print("skipped: installing: it takes root")
        return
    root = Root(below, tempfile.mkdtemp(prefix="warren-root-"))
    try:
        test(checks, root, *args)
    except Failed as failed:
        checks.that(False, str(failed))
    finally:
        root.close()


# ---- Which --------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("what", nargs="*", choices=["deb", "rpm", "sodium", []])
    args = parser.parse_args()
    what = args.what or ["deb", "rpm", "sodium"]
    kinds = [kind for kind, tool in (("deb", "dpkg-deb"), ("rpm", "rpmbuild"))
             if kind in what and has(tool, kind)]
    kind = "all" if len(kinds) == 2 else (kinds or ["deb"])[0]
    checks = Checks()
    shutil.rmtree(OUT, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="warren-packages-") as place:
        say("build")
        build(kind)
        paths = packages(OUT)
        deb, rpm = ([p for p in paths if p.endswith(end)] for end in (".deb", ".rpm"))
        say("the same bytes")
        check_same_bytes(checks, kind, place)
        say("lints")
        check_lints(checks, paths)
        for path in deb:
            check_deb_files(checks, path)
        for path in rpm:
            check_rpm_files(checks, path)
        if deb:
            say("deb: install, start, upgrade, remove, purge")
            in_root(checks, test_deb, clean_base(deb[0]) if args.clean else "/", deb[0], place)
        if rpm:
            say("rpm: install, start, upgrade, remove")
            build("rpm", "--output", os.path.join(place, "newer"), WARREN_REVISION="2")
            in_root(checks, test_rpm, "/", rpm[0], packages(os.path.join(place, "newer"))[0])
        if "sodium" in what:
            test_sodium(checks, place)
    print("%d checks, %d wrong" % (checks.done, checks.wrong))
    return 1 if checks.wrong else 0


def test_sodium(checks, place):
    say("libsodium inside")
    newer = os.path.join(TOP, "build/newer")
    got = subprocess.run([os.path.join(TOP, "test/lab/newer.sh"), newer, "libsodium26", "libsodium-dev"],
                         capture_output=True, text=True)
    if got.returncode != 0:
        print("skipped: libsodium inside: " + got.stdout.strip())
        return
    out = os.path.join(place, "static")
    build("deb", "--libsodium", newer, "--build", os.path.join(place, "s"), "--output", out)
    path = packages(out)[0]
    check_lints(checks, [path])
    check_deb_files(checks, path)
    tree = os.path.join(place, "static-tree")
    subprocess.run(["dpkg-deb", "--extract", path, tree], check=True)
    for name in ("usr/bin/warren", "usr/sbin/warrend"):
        said = subprocess.run([os.path.join(tree, name), "--version"], capture_output=True, text=True).stdout
        version = re.search(r"\+sodium([\d.]+)_", path).group(1)
        checks.that("libsodium %s" % version in said, "%s --version: %s" % (name, said))


if __name__ == "__main__":
    sys.exit(main())
