"""
A throw-away Debian that boots: an overlay on a directory (or on this system itself), with namespaces of its own for
processes, mounts, network and cgroups, and systemd as its first process. Nothing of it is left behind.
"""

import os
import shutil
import signal
import subprocess
import time

# What a container's manager does: a cgroup for it all, taken away in the end, ...
OUTSIDE = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$2"
mkdir "$2/cgroup"
mount -t cgroup2 cgroup2 "$2/cgroup"
group=$2/cgroup/warren-$$
mkdir "$group"
echo $$ >"$group/cgroup.procs"
status=0
unshare --kill-child --fork --mount --net --pid --uts --ipc --cgroup sh -c "$3" boot "$1" "$2" || status=$?
echo $$ >"$2/cgroup/cgroup.procs"
find "$group" -depth -type d -exec rmdir {} +
exit $status
"""

# ... and the first process's surroundings. $1 is the directory below, $2 one to work in.
BOOT = r"""
set -e
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/shm
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
# For everybody, as udev makes it.
mknod -m 666 dev/net/tun c 10 200
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t cgroup2 cgroup2 sys/fs/cgroup
# Of the system below no service is started.
find etc/systemd/system -mindepth 1 -delete
# An image may forbid packages to start and stop services.
rm -f usr/sbin/policy-rc.d
ip link set lo up 2>/dev/null || true
echo booting
exec chroot . env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target \
	--log-target=null
"""


class Failed(Exception):
    pass


def child_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return int(f.read().split()[0])


class Root:
    def __init__(self, below, place):
        self.place = place
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", OUTSIDE, "outside", below, place, BOOT],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "booting\n":
            raise Failed(self.process.stderr.read().strip())
        # unshare has become the shell outside; its child is the unshare inside, and that one's child is it.
        self.init = child_of(child_of(self.process.pid))
        self.wait("systemctl is-system-running | grep -Ex 'running|degraded'", "systemd does not run")

    def run(self, command, check=True, **more):
        """A line for the shell; the finished process, output and errors in stdout."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}
        # The root of the first process is entered last, with its mounts.
        done = subprocess.run(
            ["nsenter", "--target", str(self.init), "--all", "--root", "--wd", "sh", "-c", command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, **more)
        if check and done.returncode != 0:
            raise Failed("%s: exit %d\n%s" % (command, done.returncode, done.stdout))
        return done

    def says(self, command):
        return self.run(command).stdout.strip()

    def fails(self, command):
        return self.run(command, check=False).returncode != 0

    def wait(self, command, otherwise, seconds=15):
        end = time.monotonic() + seconds
        while self.fails(command):
            if time.monotonic() > end:
                raise Failed("%s\n%s" % (otherwise, self.run("journalctl --no-pager | tail -20", check=False).stdout))
            time.sleep(0.1)

    def copy(self, source, target):
        """A file from outside."""
        with open(source, "rb") as f:
            subprocess.run(["nsenter", "--target", str(self.init), "--all", "--root", "--wd", "sh", "-c",
                            "cat >'%s'" % target], stdin=f, check=True)

    def close(self):
        os.kill(self.init, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.place, ignore_errors=True)
