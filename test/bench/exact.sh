#!/bin/bash
# Whether mixed traffic passes bit by bit with every combination of offloads, and by every way with all of
# them: so many gigabytes each. Root, two cores, some ten minutes. Exit status 1 when anything was not exact.
#
#   test/bench/exact.sh [--gigabytes 10] [--seed N]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build_programs release mixed
WARREN_BIN=$PWD/build/release exec python3 test/bench/exact.py "$@"
