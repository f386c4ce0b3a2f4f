#!/bin/bash
# How fast routes converge: what a stream between two LANs loses, and for how long, when the LAN moves to another
# spoke, when one of two hubs dies, and when the direct path is cut; for each phase and routing protocol. Root.
#
#   test/bench/converge.sh [--rounds 3] [--json FILE] [CASE...]      --list names the cases
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab routing
build_programs release
WARREN_BIN=$PWD/build/release exec python3 test/bench/converge.py "$@"
