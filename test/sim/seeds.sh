#!/bin/bash
# Random networks by the thousand, on all processors, in the release build (asserts are on in it).
#
#   test/sim/seeds.sh COUNT [FIRST]      seeds FIRST .. FIRST + COUNT - 1; FIRST is 1
#
# Prints "N passed, N failed, .. a minute", and of up to five seeds that fail what of them is needed for
# the failure and how it ends. Exit status 1 if any failed. With BIN=path, that program is run instead.
set -euo pipefail
cd "$(dirname "$0")/../.."

count=${1:?usage: test/sim/seeds.sh COUNT [FIRST]}
first=${2:-1}
bin=${BIN:-build/release/test/sim/sim_random}
if [ -z "${BIN:-}" ]; then
	cmake --preset release >/dev/null
	cmake --build --preset release --target sim_random | tail -1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
"$bin" --seed "$first" --count "$count" --jobs "$(nproc)" >"$log" || status=$?
grep -v '^ok' "$log" || true
for seed in $(sed -n 's/^ *again: .*--seed \([0-9]*\).*/\1/p' "$log" | head -5); do
	echo "== seed $seed, shrunk"
	timeout 300 "$bin" --seed "$seed" --shrink || true
done
exit "$status"
