#!/bin/sh
# test/interop/kernel.sh DIR: Debian's kernel as DIR/vmlinuz, its modules in DIR/root, and DIR/initrd, which boots it
# on this machine's own root, read only (guest_init.sh goes on from there). The kernel's package is unpacked, not
# installed. What is there is not fetched again: for a newer kernel, delete DIR.
#
# Exits 77, and says why in one line, where the kernel cannot be had.
set -eu

[ $# = 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

no() {
	echo "no kernel for the guest: $*"
	exit 77
}

fetch() {
	command -v apt-get >/dev/null || no "this is no Debian"
	architecture=$(dpkg --print-architecture)
	[ "$architecture" = amd64 ] || no "the guest is an amd64, this is $architecture"
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | sed -n 1p)
	[ -n "$package" ] || no "apt knows no linux-image-amd64 (apt-get update?)"

	rm -rf "$dir/new"
	mkdir "$dir/new"
	# apt would drop root for the download, and then could not write here.
	(cd "$dir/new" && apt-get -q -o APT::Sandbox::User=root download "$package") >"$dir/log" 2>&1 ||
		no "$(grep -m1 '^[EW]:' "$dir/log" || echo 'apt-get download failed')"
	rm -rf "$dir/root"
	dpkg-deb -x "$dir/new/$package"_*.deb "$dir/root"
	depmod -b "$dir/root" "$(ls "$dir/root/lib/modules")"
	mv "$dir/root/boot"/vmlinuz-* "$dir/vmlinuz"
	rm -rf "$dir/new"
	echo "unpacked $package"
}

# with_libraries FILE: a program and the libraries that it is linked to.
with_libraries() {
	echo "$1"
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true
}

# The first root: busybox, and the modules without which the second one cannot be mounted.
make_initrd() {
	busybox=$(command -v busybox)
	root=$(mktemp -d)
	trap 'rm -rf "$root"' EXIT
	trap 'exit 1' HUP INT TERM
	mkdir -p "$root/dev" "$root/proc" "$root/host" "$root/ram" "$root/root" \
		"$root/modules" "$root/applets"
	with_libraries "$busybox" | while read -r file; do
		install -D "$file" "$root$file"
	done
	modprobe --dirname "$dir/root" --set-version "$(ls "$dir/root/lib/modules")" --show-depends --all \
		virtio_pci virtio_net 9pnet_virtio 9p overlay | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
		awk '!seen[$0]++' | while read -r file; do
		install -m 644 "$file" "$root/modules"
		basename "$file" >>"$root/modules/order"
	done
	cat >"$root/init" <<-END
		#!$busybox sh
		set -e
		export PATH=/applets
		$busybox --install -s /applets
		mount -t proc proc /proc
		mount -t devtmpfs dev /dev
		while read -r module; do
			insmod "/modules/\$module"
		done </modules/order
		mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 host /host
		mount -t tmpfs ram /ram
		mkdir /ram/upper /ram/work
		mount -t overlay -o lowerdir=/host,upperdir=/ram/upper,workdir=/ram/work root /root
		mount --move /dev /root/dev
		umount /proc
		exec switch_root /root "$here/guest_init.sh" "$dir/root/lib/modules"
	END
	chmod +x "$root/init"
	(cd "$root" && find . | cpio --quiet -o -H newc) >"$dir/initrd"
}

[ -f "$dir/vmlinuz" ] || fetch
make_initrd
