# shellcheck shell=sh
# Sourced by demo.sh, test.sh and test/bench/run.sh. Quiet unless there is something to do or to tell.

packages_of() {
	case $1 in
	build)
		echo gcc libc6-dev cmake ninja-build pkg-config libsodium-dev libuv1-dev libinih-dev \
			libmnl-dev libmicrohttpd-dev libjansson-dev libcmocka-dev
		;;
	lab) echo iproute2 nftables conntrack iputils-ping tcpdump tshark iperf3 ethtool python3 ;;
	routing) echo frr bird2 ;;
	interop) echo qemu-system-x86 busybox cpio kmod frr ;;
	ports) echo file binutils pkg-config clang lld ;;
	test) echo clang libclang-rt-14-dev clang-format-14 binutils mandoc zsh fish ;;
	package) echo gzip dpkg-dev rpm lintian rpmlint devscripts debootstrap systemd strace ;;
	afl) echo clang afl++ ;;
	bench) echo iproute2 iperf3 python3 binutils openssl wireguard-go wireguard-tools nebula tinc openvpn fastd ;;
	esac
}

# install_missing SET...: installs the Debian packages of these sets that are missing, when root.
install_missing() {
	missing=
	for set in "$@"; do
		for package in $(packages_of "$set"); do
			# dpkg-query fails for a package that this machine never had.
			status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
			[ "$status" = installed ] || missing="$missing $package"
		done
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "These Debian packages are missing, and installing them takes root:$missing" >&2
		return 1
	fi
	echo "Installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	quietly apt-get -q update
	case $missing in
	*" frr"* | *" bird2"*) without_services install_now "$missing" ;;
	*) install_now "$missing" ;;
	esac
}

install_now() {
	# shellcheck disable=SC2086
	quietly apt-get -q -y install --no-install-recommends $1
}

# Runs a command while packages may not start their services: the lab starts daemons itself, in its own
# namespaces, and the machine's routes are not ours. Those of now do not start with the machine either.
without_services() {
	policy=/usr/sbin/policy-rc.d
	ours=
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && ours=1
	fi
	status=0
	"$@" || status=$?
	[ -z "$ours" ] || rm -f $policy
	for service in frr bird; do
		case $missing in
		*" $service"*) systemctl disable $service >/dev/null 2>&1 || true ;;
		esac
	done
	return $status
}

# build PRESET [cmake option...]: configures and builds.
build() {
	preset=$1
	shift
	quietly cmake --preset "$preset" "$@" && quietly cmake --build --preset "$preset" -j "$(nproc)"
}

# build_programs PRESET [TARGET...]: warrend and warren, and what is named, without the tests.
build_programs() {
	preset=$1
	shift
	quietly cmake --preset "$preset" &&
		quietly cmake --build --preset "$preset" -j "$(nproc)" --target warrend warren "$@"
}

# Runs a command and shows its output only if it fails.
quietly() {
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then
		rm -f "$log"
	else
		cat "$log" >&2
		rm -f "$log"
		return 1
	fi
}
