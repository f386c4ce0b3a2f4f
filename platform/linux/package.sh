#!/bin/sh
# platform/linux/package.sh [--libsodium DIR] [--build DIR] [--output DIR] [deb|rpm|all]
#
# Builds warren's packages for this machine's distribution: build/packages-out/*.deb and *.rpm. The same source
# gives the same bytes, wherever and whenever it is built, with the same compiler and libraries.
#
#   --libsodium DIR   take the static libsodium that is unpacked in DIR, in which AEGIS-256 is from 1.0.19 on,
#                     instead of depending on the distribution's (test/lab/newer.sh gets one)
#   --build DIR       where to build (build/packages)
#   --output DIR      where to put the packages (build/packages-out)
#
# $SOURCE_DATE_EPOCH sets another time than the release's, $WARREN_PACKAGER ("Name <address>") the maintainer,
# $WARREN_REVISION another revision than 1.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/build/packages
output=$top/build/packages-out
libsodium=
what=all

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--libsodium | --build | --output)
		[ $# -ge 2 ] || usage
		mkdir -p "$2"
		directory=$(cd "$2" && pwd)
		case $1 in
		--libsodium) libsodium=$directory ;;
		--build) build=$directory ;;
		--output) output=$directory ;;
		esac
		shift
		;;
	deb | rpm | all) what=$1 ;;
	*) usage ;;
	esac
	shift
done

case $what in
all) generators="DEB RPM" ;;
*) generators=$(echo "$what" | tr '[:lower:]' '[:upper:]') ;;
esac
for generator in $generators; do
	case $generator in
	DEB) tools="dpkg-shlibdeps dpkg-deb" ;;
	RPM) tools=rpmbuild ;;
	esac
	for tool in $tools; do
		command -v "$tool" >/dev/null || {
			echo "package.sh: no $tool, which a $generator package takes" >&2
			exit 1
		}
	done
done

# Neither the builder's settings nor the places of the build may be seen in what is built.
unset CFLAGS CPPFLAGS LDFLAGS CCACHE_BASEDIR
LC_ALL=C.UTF-8 TZ=UTC
export LC_ALL TZ
umask 022
cmake -S "$top" -B "$build" -G Ninja --fresh -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
	-DCMAKE_C_FLAGS_RELEASE="-O2 -ffile-prefix-map=$build=. -ffile-prefix-map=$top=." \
	-DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro -Wl,-z,now -Wl,--as-needed" \
	-DBUILD_TESTING=OFF -DWARREN_LIBSODIUM="$libsodium" \
	${WARREN_PACKAGER:+-DWARREN_PACKAGER="$WARREN_PACKAGER"} \
	${WARREN_REVISION:+-DWARREN_PACKAGE_REVISION="$WARREN_REVISION"}
cmake --build "$build" --clean-first
SOURCE_DATE_EPOCH=$(sed -n 's/^set(CPACK_WARREN_TIME "\(.*\)")/\1/p' "$build/CPackConfig.cmake")
export SOURCE_DATE_EPOCH
mkdir -p "$output"
for generator in $generators; do
	cpack --config "$build/CPackConfig.cmake" -G "$generator" -B "$build/cpack"
	extension=$(echo "$generator" | tr '[:upper:]' '[:lower:]')
	mv "$build"/cpack/*."$extension" "$output"
done
ls -l "$output"
