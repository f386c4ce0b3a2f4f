#!/usr/bin/env python3
"""
warren's plaintext interop mode against FRR's nhrpd on a kernel mGRE interface: see run.sh.

    interop.py DIR [scenario...]     DIR: has what run.sh fetched (kernel, newer), and gets the captures

The underlay is the lab's internet (netlab.World), to which the guest's ports are plugged like any other node:

             internet  203.0.113.0/24
    +----------+-----------+------------+-----------+
  hub .1    r1 .11       frr-hub .2   frr-b .21   frr-c .22     frr-*: in the guest
  warrend      |            |            |           |
            spoke a         |            |           |          overlay 10.77.0.N, N as on the underlay
            warrend         |            |           |
               |            |            |           |
           host-a .10    host .10     host .10    host .10      LANs 192.168.N.0/24; a's is 192.168.1.0/24

Each scenario says by counters which way packets went, and leaves a capture of the internet, in which tshark
must find NHRP and nothing malformed.
"""

import contextlib
import os
import signal
import sys
import time
import traceback

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

import scenarios  # noqa: E402
from cloud import Cloud, Skip  # noqa: E402
from guest import Guest  # noqa: E402
from netlab import Lab, LabError, need_root  # noqa: E402


def run(function, guest, out):
    """One scenario in a lab of its own; what it says of itself."""
    with Lab() as lab, Cloud(lab, guest, out, function.__name__) as cloud:
        end_by_signal()
        try:
            note = function(cloud)
        except Exception:
            cloud.tell()
            raise
        return ", ".join(filter(None, [note, cloud.check_capture()]))


def end_by_signal():
    """Signals unwind the stack, so that the scenario's lab and the guest's are both taken away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: sys.exit(128 + caught))


def boot(stack, out):
    """A guest in a lab of its own, in place of the one that stack has."""
    stack.close()
    lab = stack.enter_context(Lab())
    end_by_signal()
    began = time.monotonic()
    guest = Guest(lab, os.path.join(out, "kernel"), scenarios.PORTS, os.path.join(out, "console.log"))
    print("a guest with Linux %s, up in %.0f s" % (guest.run("uname", "-r").stdout.strip(),
        time.monotonic() - began), flush=True)
    return guest


def main(out, names):
    need_root()
    known = {f.__name__: f for f in scenarios.ALL}
    unknown = [n for n in names if n not in known]
    if unknown:
        print("no scenario %s; there are: %s" % (" ".join(unknown), " ".join(known)))
        return 2
    count = dict.fromkeys(("passed", "failed", "skipped"), 0)
    with contextlib.ExitStack() as stack:
        guest = boot(stack, out)
        for function in [known[n] for n in names or known]:
            began = time.monotonic()
            outcome, word = "passed", "ok"
            try:
                note = run(function, guest, out)
            except Skip as reason:
                outcome, word, note = "skipped", "skip", str(reason)
            except Exception as error:
                outcome, word, note = "failed", "FAIL", str(error)
                if not isinstance(error, LabError):
                    traceback.print_exc(file=sys.stdout)
                if not guest.responds(20):
                    os.replace(os.path.join(out, "console.log"), os.path.join(out, "gone.log"))
                    note += "; the guest is gone, its last words are in %s/gone.log" % out
                    guest = boot(stack, out)
            count[outcome] += 1
            print("%-4s %-22s %5.1f s  %s" % (word, function.__name__, time.monotonic() - began, note),
                flush=True)
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % count)
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
