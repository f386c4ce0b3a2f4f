#!/bin/bash
# Throughput and CPU of warren, by the shortcut and by the hub, beside wireguard-go between the same
# two machines, interleaved. Root; some four minutes. Figures of one run on one machine: take the
# ratios, not the rates.
#
#   test/bench/run.sh [--rounds 3] [--seconds 5] [--json FILE]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab bench
build_programs release
WARREN_BIN=$PWD/build/release exec python3 test/bench/throughput.py "$@"
