#!/bin/bash
# An hour of mixed load between two spokes, and the memory of the daemons each minute. Root. Exit status 1
# when one has grown by more than 256 KiB after the first quarter of an hour.
#
#   test/bench/growth.sh [--minutes 60] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build_programs release pktload
WARREN_BIN=$PWD/build/release exec python3 test/bench/growth.py "$@"
