#!/bin/bash
# A hub and two spokes behind NAT, each in a network namespace of its own: shows how traffic flows
# through the hub at first, and directly within a second, without losing a packet. Needs root, and
# on a fresh Debian 12 installs what is missing. Leaves nothing behind.
#
#   ./demo.sh               runs for about 30 seconds
#   ./demo.sh --keep        leaves the network up, to be looked at
#   ./demo.sh --remove TAG  takes such a network away
set -euo pipefail
cd "$(dirname "$0")"
case "${1:-}" in
-h | --help)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
'' | --keep | --remove) ;;
*)
	echo "usage: ./demo.sh [--keep | --remove TAG]" >&2
	exit 2
	;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "Network namespaces need root: sudo ./demo.sh" >&2
	exit 1
fi
# shellcheck source=test/lab/packages.sh
. test/lab/packages.sh
if [ "${1:-}" != --remove ]; then
	install_missing build lab
	build_programs release
fi
WARREN_BIN=$PWD/build/release exec python3 test/lab/demo.py "$@"
