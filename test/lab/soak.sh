#!/bin/bash
# The long form of the laboratory's faults and recovery, half an hour or so: 30 kills, 1,000 rekeys in a
# flow, stops of minutes, clocks that are wrong for longer than certificates go unchecked.
#
#   test/lab/soak.sh            all of it, with the debug build
#   test/lab/soak.sh ROUNDS     so many times
set -euo pipefail
cd "$(dirname "$0")/../.."
export WARREN_BUILD=${WARREN_BUILD:-$PWD/build/dev} LAB_LONG=1
[ -e "$WARREN_BUILD/test/lab/fault_shim.so" ] || {
	echo "build first: cmake --preset dev && cmake --build --preset dev" >&2
	exit 1
}
failed=0
for round in $(seq "${1:-1}"); do
	for name in faults kernel recovery paths; do
		echo "== round $round: lab_$name"
		python3 -u "test/lab/lab_$name.py" || failed=1
	done
done
exit $failed
