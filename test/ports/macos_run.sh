#!/bin/bash
# Runs what warren has of its own for macOS, on Linux: compiled with macOS's headers as if for macOS, but as
# an ELF object whose system calls are renamed to those of fake_darwin.c. With ASan and UBSan.
#
#   test/ports/macos_run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/ports/zig.sh
. test/ports/zig.sh
install_missing build ports
fetch_zig || {
	echo "SKIP   macos on a played kernel: macOS's headers cannot be had from the npm registry"
	exit 77
}
dir=$out/macos-run
mkdir -p "$dir"
sanitize=('-fsanitize=address,undefined' -fno-sanitize-recover=all)
warnings=(-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror)
as_macos=(--target=x86_64-unknown-linux-gnu -U__linux__ -U__linux -Ulinux -D__APPLE__=1 -D__MACH__=1
	-D__ENVIRONMENT_MAC_OS_X_VERSION_MIN_REQUIRED__=130000 -D_FORTIFY_SOURCE=0 -nostdinc
	-isystem "$(clang -print-resource-dir)/include"
	-isystem "$(dirname "$zig")/lib/libc/include/any-macos-any")

# What macOS's headers call it, and what fake_darwin.c does. Its <string.h> and <stdlib.h> are Linux's as they are.
for name in __error _bind _close _connect _fcntl _getsockname _read _recvmsg _sendmsg _strerror _write _writev \
	clock_gettime getsockopt if_indextoname if_nametoindex ioctl ptrace setsockopt socket sysctl; do
	echo "$name darwin_$name"
done >"$dir/names"
# The same on both, but for an underscore.
printf '%s\n' '_getrlimit getrlimit' '_setrlimit setrlimit' >>"$dir/names"

objects=()
for file in platform/bsd/{ancillary6,mirror,netmon,os,rtsock,tun_io,udp}.c platform/macos/*.c; do
	object=$dir/$(echo "${file%.c}" | tr / _).o
	clang "${as_macos[@]}" -std=c11 -g -fno-stack-protector "${sanitize[@]}" "${warnings[@]}" -I. -c "$file" -o "$object"
	objcopy --redefine-syms="$dir/names" "$object"
	objects+=("$object")
done
clang -std=c11 -D_GNU_SOURCE -g "${sanitize[@]}" "${warnings[@]}" -I. -o "$dir/test_macos" \
	test/ports/test_macos.c test/ports/fake_darwin.c test/platform/bsd_messages.c \
	core/base/{addr,env,hashmap,pkt}.c "${objects[@]}" -lcmocka
"$dir/test_macos"
