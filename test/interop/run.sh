#!/bin/bash
# Tests warren's interop mode against FRR's nhrpd on a Linux kernel that has GRE and FOU: Debian's, in an
# emulated machine. As root on Debian 12; what is missing is installed, the kernel is unpacked in build/interop.
#
#   test/interop/run.sh              all scenarios, some minutes
#   test/interop/run.sh NAME...      these (interop.py lists them when it does not know one)
#
# $WARREN_BIN, a build directory, chooses other binaries. $INTEROP_ACCEL = kvm: faster, where QEMU can do that.
# Captures stay in build/interop/*.pcap; namespaces, processes and the emulated machine do not.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh

out=build/interop
install_missing build lab interop
if [ -z "${WARREN_BIN:-}" ]; then
	build_programs release
	export WARREN_BIN=$PWD/build/release
fi
mkdir -p $out
status=0
test/interop/kernel.sh $out/kernel || status=$?
if [ $status = 77 ]; then
	echo "0 passed, 0 failed: skipped"
	exit 77
fi
[ $status = 0 ] || exit $status
# FRR of a newer Debian, with what it needs to run as in a root of its own. Without it what takes it is skipped.
test/lab/newer.sh $out/newer frr libc6 libgcc-s1 libcap2 libcap-ng0 libaudit1 libunwind8 liblzma5 libcrypt1 \
	libyang5 libpcre2-8-0 libxxhash0 liblua5.5-0 libjson-c5 libcares2 libprotobuf-c1 libreadline8t64 \
	libtinfo6 libpam0g libpam-modules libselinux1 || [ $? = 77 ]
exec python3 -u test/interop/interop.py $out "$@"
