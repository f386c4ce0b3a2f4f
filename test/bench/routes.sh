#!/bin/bash
# 100,000 routes through the interface, and 1,000 changes of them a second for a minute: what they cost,
# how far behind the daemon is, and whether a stream notices. Root, some three minutes.
#
#   test/bench/routes.sh [--routes 100000] [--rate 1000] [--seconds 60] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build_programs release udpcount
WARREN_BIN=$PWD/build/release exec python3 test/bench/routes.py "$@"
