#!/bin/sh
# test/lab/newer.sh DIR PACKAGE...: unpacks packages of a newer Debian suite into DIR, and leaves the system as
# it is: apt gets a configuration, lists and a cache of its own. DIR then looks like a root (DIR/usr/lib/...).
# What DIR already has is not fetched again: for a newer version, delete DIR.
#
# $NEWER_SUITE chooses the suite (forky). Exits 77, and says why in one line, where the packages cannot be had.
set -eu

suite=${NEWER_SUITE:-forky}
[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift

# The names of those that are completely unpacked.
have=$dir/.unpacked
touch "$have"
missing=
for package in "$@"; do
	grep -qx "$package" "$have" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

no() {
	echo "newer.sh: no$missing from $suite: $*"
	exit 77
}

command -v apt-get >/dev/null || no "this is no Debian"
# The suite is beside this system's own on the same mirror.
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' \
	"Release: $codename" 'Created-By: Packages' 'Component: main' | sed -n 1p)
[ -n "$mirror" ] || no "apt knows no mirror of $codename"

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
	>"$apt/sources.list"
# Given by -c it is read after the system's, of which proxies and the like stay in force.
cat >"$apt/apt.conf" <<-END
	Dir::Etc::SourceList "$apt/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "/dev/null";
	Dir::State::Lists "$apt/lists";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt/cache";
	Acquire::Languages "none";
	Acquire::http::Timeout "20";
	APT::Sandbox::User "root";
	#clear APT::Update::Pre-Invoke;
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
END
log=$apt/log
apt-get -q -c "$apt/apt.conf" --error-on=any update >"$log" 2>&1 ||
	no "$(grep -m1 '^[EW]:' "$log" || echo 'apt-get update failed')"
# shellcheck disable=SC2086
(cd "$apt/debs" && apt-get -q -c "$apt/apt.conf" download $missing) >"$log" 2>&1 ||
	no "$(grep -m1 '^[EW]:' "$log" || echo 'apt-get download failed')"

for package in $missing; do
	deb=$(echo "$apt/debs/${package}_"*.deb)
	dpkg-deb -x "$deb" "$dir"
	echo "$package" >>"$have"
	echo "$package $(dpkg-deb -f "$deb" Version) ($suite)"
done
