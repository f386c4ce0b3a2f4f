#!/bin/bash
# Builds and tests warren. As root on Debian 12 it installs what is missing first.
#
#   ./test.sh            everything: gcc, clang, ThreadSanitizer, random networks, then all tests with
#                        ASan and UBSan
#   ./test.sh unit       one module at a time, and the protocol's published test vectors
#   ./test.sh vectors    only those that check against vectors
#   ./test.sh sim        whole networks in one process, on a virtual clock; $SEEDS random ones (1000)
#   ./test.sh fuzz       replays each parser's corpus, then fuzzes it ($FUZZ_SECONDS each, 10)
#   ./test.sh cli        the `warren` command
#   ./test.sh lint       layers, symbols, format, words
#   ./test.sh lab        real daemons in network namespaces (root)
#   ./test.sh newer      unit, vectors and a bit of the lab with a newer libsodium than the system's,
#                        which knows AEGIS-256; skipped where there is none to be had
#   ./test.sh packages   .deb and .rpm: the same bytes twice, lints, and installed, started, upgraded and
#                        removed in a throw-away system (root; two minutes, and no part of everything)
#
# The last lines are ctest's own summary. Any failure, and as root any skipped test, is a failure.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh

say() {
	printf '\n== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# run_tests PRESET ctest-options: fails if none is chosen, one fails, or one is skipped as root.
run_tests() {
	local preset=$1 log status=0
	shift
	log=$(mktemp)
	ctest --test-dir "build/$preset" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log" ||
		status=1
	if [ "$(id -u)" = 0 ] && grep -q '\*\*\*Skipped' "$log"; then
		echo "Skipped tests count as failures here."
		status=1
	fi
	rm -f "$log"
	return $status
}

# Static, and unpacked beside the build. That it cannot be had is no failure: it takes a network.
test_newer() {
	local said status=0
	said=$(test/lab/newer.sh build/newer libsodium26 libsodium-dev) || status=$?
	if [ "$status" = 77 ]; then
		echo "skipped: $said"
		return 0
	fi
	[ "$status" = 0 ] || return "$status"
	build newer-sodium
	run_tests newer-sodium -j "$jobs" -L '^(unit|vectors)$'
	[ "$(id -u)" != 0 ] || run_tests newer-sodium -R '^lab\.mix$'
}

jobs=$(nproc)
seeds=${SEEDS:-1000}
what=${1:-all}
case $what in
all)
	install_missing build test lab routing
	say "gcc"
	build dev
	say "clang"
	build clang
	say "ThreadSanitizer"
	build tsan
	run_tests tsan -j "$jobs" -L '^unit$'
	say "$seeds random networks in the release build"
	test/sim/seeds.sh "$seeds"
	say "newer libsodium"
	test_newer
	say "ASan and UBSan, and the lab with the debug build"
	build asan
	WARREN_BIN=$PWD/build/dev run_tests asan -j "$jobs"
	;;
unit | vectors | sim | cli)
	install_missing build
	if [ "$what" = sim ]; then
		say "$seeds random networks in the release build"
		test/sim/seeds.sh "$seeds"
	fi
	build asan
	run_tests asan -j "$jobs" -L "^$what\$"
	;;
fuzz)
	say "fuzzing, ${FUZZ_SECONDS:-10} s each"
	test/fuzz/run.sh --seconds "${FUZZ_SECONDS:-10}" --jobs "$jobs"
	build asan
	run_tests asan -j "$jobs" -L '^fuzz$'
	;;
lint)
	install_missing build test
	build dev
	run_tests dev -L '^lint$'
	;;
newer)
	install_missing build lab routing
	test_newer
	;;
packages)
	install_missing build package
	python3 -B test/ports/packages.py
	;;
lab)
	install_missing build lab routing
	build dev
	run_tests dev -L '^lab$'
	;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
