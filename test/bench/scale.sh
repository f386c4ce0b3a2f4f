#!/bin/bash
# Many simulated spokes on one real hub: joins a second, memory and CPU of registered spokes, and how
# long they take to be back after the hub was killed. Root, two cores, some four minutes.
#
#   test/bench/scale.sh [--spokes 1000] [--rate N] [--idle 140] [--json FILE]
#   test/bench/scale.sh --spokes 10000 --rate 2000        14 GB of memory
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build_programs release spokes
WARREN_BIN=$PWD/build/release exec python3 test/bench/scale.py "$@"
