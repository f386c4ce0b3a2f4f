#!/bin/bash
# Floods: goodput and CPU per bad packet of a daemon at 100,000 bad packets a second, by kind. Root, two
# cores, some six minutes. Exit status 1 when a target is missed.
#
#   test/bench/flood.sh [--rate 100000] [--rounds 3] [--seconds 4] [--json FILE]
#   test/bench/flood.sh join [--rate 20000] [--joins 20] [--json FILE]     joining under a flood
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build_programs release blaster
script=flood.py
if [ "${1:-}" = join ]; then
	script=join_flood.py
	shift
fi
WARREN_BIN=$PWD/build/release exec python3 "test/bench/$script" "$@"
