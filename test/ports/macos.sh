#!/bin/bash
# Compiles and links warren for macOS, arm64 and x86_64, on Linux: with the headers of macOS 15 that the zig
# compiler brings along (from the npm registry), warnings being errors. The libraries that warren uses are
# stand-ins with their names and nothing in them, so that every other symbol must be there. What is linked
# cannot be run here.
#
#   test/ports/macos.sh [arm64|x86_64]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/ports/zig.sh
. test/ports/zig.sh
install_missing build ports

# The tools that CMake calls, for one target.
make_tools() {
	local dir=$1 target=$2 tool
	mkdir -p "$dir"
	printf '#!/bin/sh\nexec "%s" cc -target %s "$@"\n' "$zig" "$target" >"$dir/cc"
	for tool in ar ranlib; do
		printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$zig" "$tool" >"$dir/$tool"
	done
	chmod +x "$dir"/*
}

# stand_in PC LIBRARY HEADER...: this machine's library as headers, symbols and a .pc file for the target.
stand_in() {
	local dir=$1 pc=$2 library=$3 file header
	shift 3
	mkdir -p "$dir/include" "$dir/lib" "$dir/pkgconfig"
	for header in "$@"; do
		for file in /usr/include "/usr/include/$(gcc -print-multiarch)"; do
			[ ! -e "$file/$header" ] || cp -r "$file/$header" "$dir/include/"
		done
	done
	file=$(gcc -print-file-name="lib$library.so")
	nm -D --defined-only "$file" | awk '
		$2 ~ /[TWi]/ { sub(/@.*/, "", $3); print "void " $3 "(void);\nvoid " $3 "(void) {}" }
		$2 ~ /[BDRV]/ { sub(/@.*/, "", $3); print "char " $3 "[256];" }' |
		sort -u >"$dir/lib/$library.c"
	"$dir/cc" -fno-builtin -w -c "$dir/lib/$library.c" -o "$dir/lib/$library.o"
	"$dir/ar" rcs "$dir/lib/lib$library.a" "$dir/lib/$library.o"
	printf 'Name: %s\nDescription: %s\nVersion: %s\nCflags: -isystem %s\nLibs: -L%s -l%s\n' "$pc" "$pc" \
		"$(pkg-config --modversion "$pc")" "$dir/include" "$dir/lib" "$library" >"$dir/pkgconfig/$pc.pc"
}

build_for() {
	local arch=$1 target=$2 dir=$out/macos-$1 program
	make_tools "$dir" "$target"
	stand_in "$dir" libsodium sodium sodium.h sodium
	stand_in "$dir" libuv uv uv.h uv
	stand_in "$dir" inih inih ini.h
	stand_in "$dir" libmicrohttpd microhttpd microhttpd.h
	stand_in "$dir" jansson jansson jansson.h jansson_config.h
	PKG_CONFIG_LIBDIR=$dir/pkgconfig quietly cmake -G Ninja -B "$dir/build" -DPORTS_TOOLS="$dir" \
		-DCMAKE_TOOLCHAIN_FILE="$PWD/test/ports/macos.cmake" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF
	quietly cmake --build "$dir/build" -j "$(nproc)"
	for program in daemon/warrend cli/warren; do
		file "$dir/build/core/$program" | grep -q "Mach-O 64-bit $arch executable" || {
			echo "macos $arch: $program is no program for it"
			return 1
		}
	done
	echo "ok     macos $arch: compiled and linked"
}

fetch_zig || {
	echo "SKIP   macos: the compiler cannot be had from the npm registry"
	exit 77
}
failed=0
for arch in "${@:-arm64 x86_64}"; do
	for one in $arch; do
		build_for "$one" "${one/arm64/aarch64}-macos" || failed=1
	done
done
exit $failed
