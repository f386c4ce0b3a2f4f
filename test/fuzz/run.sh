#!/bin/bash
# Fuzzes every parser, or those named, and prints what came of it. As root on Debian 12 it installs what
# is missing first.
#
#   test/fuzz/run.sh [--engine libfuzzer|afl|msan] [--runs N] [--minutes M] [--jobs J] [TARGET...]
#   test/fuzz/run.sh --minimize [TARGET...]
#
#   --engine    libfuzzer with ASan and UBSan (default), AFL++ with the same, or libFuzzer with MSan for
#               what no uninstrumented library has a hand in
#   --runs      executions of each target: 20000000. One that holds whole engines, or meets the real
#               cryptography, gets its share only, see share() below
#   --minutes   at most so long for each target; --seconds likewise
#   --jobs      targets at a time: 2
#   --minimize  merges what was found into test/fuzz/corpus, as few and as small files as will do
#
# Inputs found stay in build/ENGINE/found/TARGET between runs. Ends with 1 if there was a finding: the
# input that shows it is in build/ENGINE/findings.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh

engine=libfuzzer
runs=20000000
seconds=
jobs=2
minimize=
names=()
while [ $# -gt 0 ]; do
	case $1 in
	--engine) engine=$2 && shift ;;
	--runs) runs=$2 && shift ;;
	--minutes) seconds=$(($2 * 60)) && shift ;;
	--seconds) seconds=$2 && shift ;;
	--jobs) jobs=$2 && shift ;;
	--minimize) minimize=1 ;;
	-*)
		sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
	*) names+=("$1") ;;
	esac
	shift
done
case $engine in
libfuzzer) preset=fuzz ;;
afl) preset=afl ;;
msan) preset=msan ;;
*)
	echo "--engine $engine: expected libfuzzer, afl or msan" >&2
	exit 2
	;;
esac

# Executions of a target, out of those asked for.
share() {
	case $1 in
	session) echo $((runs / 4)) ;;
	*-real) echo $((runs / 100)) ;;
	*) echo "$runs" ;;
	esac
}

# Longest input worth trying.
max_len() {
	case $1 in
	addr) echo 80 ;;
	gre) echo 64 ;;
	ini) echo 512 ;;
	pem) echo 640 ;;
	keyfile) echo 128 ;;
	datagram) echo 1300 ;;
	*) echo 1024 ;;
	esac
}

build_dir=build/$preset
bin=$build_dir/test/fuzz
out=$build_dir/found
findings=$build_dir/findings
reports=$build_dir/reports
# Little is freed in a run, and fresh pages for the quarantine cost more than anything else.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=1:quarantine_size_mb=8
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-}:print_stacktrace=1

corpus_of() {
	echo "test/fuzz/corpus/${1%-real}"
}

# fuzz_libfuzzer TARGET: leaves its log in reports; 0 if nothing was found.
fuzz_libfuzzer() {
	local corpus
	corpus=$(corpus_of "$1")
	local limits=(-runs="$(share "$1")" -max_len="$(max_len "$1")" -timeout=10 -rss_limit_mb=1024)
	[ -z "$seconds" ] || limits+=(-max_total_time="$seconds")
	# What libFuzzer weighs its corpus with costs a third of the time there; long inputs come sooner.
	[ "$1" != session ] || limits+=(-entropic=0 -len_control=20)
	[ ! -f "test/fuzz/dict/${1%-real}" ] || limits+=(-dict="test/fuzz/dict/${1%-real}")
	"$bin/fuzz_$1" "${limits[@]}" -print_final_stats=1 -artifact_prefix="$findings/$1-" \
		"$out/$1" "$corpus" >"$reports/$1.log" 2>&1
}

fuzz_afl() {
	local limits=(-E "$(share "$1")") corpus
	corpus=$(corpus_of "$1")
	[ -z "$seconds" ] || limits+=(-V "$seconds")
	[ ! -f "test/fuzz/dict/$1" ] || limits+=(-x "test/fuzz/dict/$1")
	# What AFL++ asks for itself: a crash must be a signal, and what the machine is set to is no concern.
	ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0:detect_odr_violation=0 \
		UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:symbolize=0 AFL_NO_UI=1 \
		AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 \
		AFL_AUTORESUME=1 AFL_FAST_CAL=1 AFL_IGNORE_SEED_PROBLEMS=1 \
		afl-fuzz -m none -t 1000+ -G "$(max_len "$1")" -i "$corpus" -o "$out/$1" "${limits[@]}" \
		-- "$bin/fuzz_$1" >"$reports/$1.log" 2>&1 || return 1
	local crashes
	crashes=$(find "$out/$1" -path '*/crashes/id*' -o -path '*/hangs/id*')
	[ -z "$crashes" ] && return
	# shellcheck disable=SC2086
	cp --backup=numbered $crashes "$findings/"
	return 1
}

stat_of() {
	sed -n "s/^stat::$2: *//p" "$reports/$1.log"
}

afl_stat() {
	sed -n "s/^$2 *: *//p" "$out/$1/default/fuzzer_stats" 2>/dev/null
}

# row TARGET SECONDS STATUS
row() {
	local executions edges
	if [ "$engine" = afl ]; then
		executions=$(afl_stat "$1" execs_done)
		edges=$(afl_stat "$1" edges_found)
	else
		executions=$(stat_of "$1" number_of_executed_units)
		edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$reports/$1.log" | tail -n 1)
	fi
	executions=${executions:-0}
	printf '%-16s %12s %9.1f %10s %8s  %s\n' "$1" "$executions" "$2" \
		"$(awk -v n="$executions" -v s="$2" 'BEGIN { printf "%.0f", (s > 0) ? n / s : 0 }')" \
		"${edges:-?}" "$([ "$3" = 0 ] && echo none || echo "FOUND, see $reports/$1.log")"
}

one() {
	local name=$1 status=0 begin
	begin=$(date +%s.%N)
	mkdir -p "$out/$name" "$(corpus_of "$name")"
	if [ "$engine" = afl ]; then
		fuzz_afl "$name" || status=1
	else
		fuzz_libfuzzer "$name" || status=1
	fi
	row "$name" "$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')" $status
	[ $status = 0 ] || touch "$reports/$name.found"
}

# Keeps of the corpus and of what was found some few files that reach every edge that all of them reach.
minimize_one() {
	local name=$1 corpus fresh
	corpus=$(corpus_of "$name")
	fresh=$(mktemp -d)
	"$bin/fuzz_$name" -set_cover_merge=1 -use_counters=0 -max_len="$(max_len "$name")" "$fresh" "$corpus" "$out/$name" \
		"build/afl/found/$name/default/queue" >"$reports/$name.log" 2>&1 || {
		tail "$reports/$name.log"
		return 1
	}
	# Those that a person made have a name of their own, and stay.
	find "$corpus" -type f -regextype posix-egrep -regex '.*/[0-9a-f]{40}' -delete
	local file
	for file in "$fresh"/*; do
		cmp -s "$file" "$corpus"/* 2>/dev/null || mv "$file" "$corpus/"
	done
	rm -rf "$fresh"
	printf '%-16s %5d files %8d bytes\n' "$name" "$(find "$corpus" -type f | wc -l)" \
		"$(find "$corpus" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')"
}

# The unit tests of what no library has a hand in, for MSan.
msan_units=(addr bucket coalesce cursor control_frames epoch gre hashmap ip nhrp_captures nhrp_codec
	nhrp_packet nhrp_vendor pkt ring split timer)

units_under_msan() {
	local unit status=0
	quietly cmake --build --preset msan -j "$(nproc)" --target "${msan_units[@]/#/test_}"
	for unit in "${msan_units[@]}"; do
		"build/msan/test/test_$unit" >"$reports/test_$unit.log" 2>&1 || {
			echo "FOUND, see $reports/test_$unit.log"
			touch "$reports/test_$unit.found"
			status=1
		}
	done
	[ $status = 1 ] || echo "${#msan_units[@]} unit tests: nothing uninitialised is used"
}

install_missing build test
[ "$engine" != afl ] || install_missing afl
quietly cmake --preset "$preset"
quietly cmake --build --preset "$preset" -j "$(nproc)" --target fuzzers
mkdir -p "$findings" "$reports"
rm -f "$reports"/*.found
if [ ${#names[@]} = 0 ]; then
	# Those that take longest come first, so that none of them is left alone at the end.
	for name in session ini data handshake pem; do
		[ -x "$bin/fuzz_$name" ] && names+=("$name")
	done
	for target in "$bin"/fuzz_*; do
		name=${target##*/fuzz_}
		[ -x "$target" ] && [[ " ${names[*]} " != *" $name "* ]] && names+=("$name")
	done
fi

if [ -n "$minimize" ]; then
	for name in "${names[@]}"; do
		[ "$name" = "${name%-real}" ] || continue
		mkdir -p "$out/$name" "$(corpus_of "$name")" "build/afl/found/$name/default/queue"
		minimize_one "$name"
	done
	exit
fi

[ "$engine" != msan ] || units_under_msan
printf '%-16s %12s %9s %10s %8s  %s\n' target executions seconds exec/s edges findings
for name in "${names[@]}"; do
	[ -x "$bin/fuzz_$name" ] || {
		echo "$name: no such target in $bin" >&2
		exit 2
	}
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	one "$name" &
done
wait
[ -z "$(find "$reports" -name '*.found')" ]
