#!/bin/bash
# What the data path does is the same whatever the system does for it: the tests of it in the lab, with all
# offloads, with none, and with each alone. Root; some fifteen minutes.
#
#   test/lab/offloads.sh [TEST...]       names of lab tests; those of the data path if none is given
#
# Prints a line for each setting and ctest's summary of what failed. Exit status 1 if anything did.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
build dev

tests=${*:-mix forward routes paths nhrp}
pattern="^lab\\.(${tests// /|})\$"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
settings=0

# with TUN-WORDS UDP-WORDS
with() {
	settings=$((settings + 1))
	printf '%-48s %-8s ' "tun: $1" "udp: $2"
	if LAB_TUN_OFFLOADS=$1 LAB_UDP_OFFLOADS=$2 \
		ctest --test-dir build/dev --output-on-failure --no-tests=error -R "$pattern" >"$log" 2>&1; then
		grep 'tests passed' "$log"
	else
		failed=$((failed + 1))
		echo FAILED
		cat "$log"
	fi
}

with "checksum tso uso coalesce-tcp coalesce-udp" "gso gro"
with none none
for word in checksum tso uso coalesce-tcp coalesce-udp; do
	with "$word" none
done
for word in gso gro; do
	with none "$word"
done
echo "$((settings - failed)) passed, $failed failed"
[ "$failed" = 0 ]
