#!/bin/bash
# warren beside other tunnels between the same two hosts, interleaved: throughput, datagrams, small packets,
# CPU, round trips, memory; and which of the project's goals are reached. Root; half an hour. Figures of one
# run on one machine: take the ratios, not the rates.
#
#   test/bench/run.sh [--rounds 5] [--seconds 4] [--only NAME,...] [--json FILE]
#   test/bench/run.sh --only wireguard-go,'warren-stage-*'      one offload after the other
#
# What is missing on a machine (a package, a newer Debian suite) is told, and the rest is compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
install_missing build lab
install_missing bench || echo "going on without them"
build_programs release warrend-copy pktload

# AEGIS-256 and the newest wireguard-go come from a newer Debian suite, unpacked beside the build.
newer=$PWD/build/packages
test/lab/newer.sh "$newer" wireguard-go || echo "going on without it"
if test/lab/newer.sh "$newer" libsodium26 libsodium-dev; then
	quietly cmake --preset release -B build/bench-newer -DWARREN_LIBSODIUM="$newer" &&
		quietly cmake --build build/bench-newer -j "$(nproc)" --target warrend warren
else
	echo "going on without AEGIS-256"
fi
WARREN_BIN=$PWD/build/release exec python3 test/bench/tunnels.py "$@"
