#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Find, fetch or build the kernels of the test VM.

set -euo pipefail

usage()
{
	cat <<'END'
usage: selftests/vm/kernel.sh stock|debug [--all|--WHAT]

Makes sure that the kernel is there, then prints WHAT about it:

  --release   its release, as uname -r prints it
  --image     the file to boot, for qemu -kernel
  --kdir      the directory to build external modules against
  --modules   its /lib/modules directory; nothing if it has no modules
  --source    its source directory; the stock kernel has only the headers
  --all       all of these, one NAME=VALUE a line

stock is Debian's kernel: the newest whose headers are installed, other than
the cloud and real-time flavours, or $BINDLINK_STOCK_RELEASE.  If the image is
not installed, it is downloaded and unpacked, not installed.

debug is built from Debian's source package and selftests/debug.config, once,
below ${XDG_CACHE_HOME:-~/.cache}/bindlink.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bindlink
cc=gcc-12
series=6.12

die()
{
	echo "kernel.sh: $*" >&2
	exit 1
}

# Unpack the vmlinux inside a bzImage.  QEMU boots it through the PVH entry
# point; without KVM that saves seconds of decompressing inside the guest.
# The format is that of Documentation/arch/x86/boot.rst.
extract_vmlinux()
{
	local image=$1 out=$2 setup offset length magic

	field()
	{
		od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '
	}
	setup=$(field $((0x1f1)) 1)
	offset=$(field $((0x248)) 4)
	length=$(field $((0x24c)) 4)
	offset=$((offset + (setup + 1) * 512))

	payload()
	{
		# The last four bytes are the unpacked size, not data.
		tail -c "+$((offset + 1))" "$image" |
			{ head -c "$((length - 4))"; cat >/dev/null; }
	}
	magic=$(od -An -v -t x1 -j "$offset" -N 4 "$image" | tr -d ' ')
	case $magic in
	28b52ffd)	payload | zstd -dcq ;;
	fd377a58)	payload | xz -dcq ;;
	1f8b*)		payload | gzip -dcq ;;
	*)		return 1 ;;
	esac >"$out" 2>/dev/null || return 1
	readelf -n "$out" 2>/dev/null | grep '^ *Xen' >/dev/null || return 1
}

stock_release()
{
	local dir release

	if [ -n "${BINDLINK_STOCK_RELEASE:-}" ]; then
		echo "$BINDLINK_STOCK_RELEASE"
		return
	fi
	for dir in /lib/modules/"$series"*-amd64/build/; do
		release=$(basename "$(dirname "$dir")")
		case $release in
		'*'|*-cloud-*|*-rt-*) continue ;;
		esac
		[ -e "$dir/Makefile" ] && echo "$release"
	done | sort -V | tail -n 1
}

stock()
{
	local version dir image

	release=$(stock_release)
	[ -n "$release" ] ||
		die "no headers of a $series kernel: install linux-headers-$series-amd64"
	kdir=/lib/modules/$release/build
	[ -e "$kdir/Makefile" ] ||
		die "the headers of $release are missing: install linux-headers-$release"
	kdir=$(readlink -f "$kdir")
	source=$kdir

	image=/boot/vmlinuz-$release
	modules=/lib/modules/$release
	dir=$cache/stock-$release
	mkdir -p "$dir"
	exec 9>"$dir/lock"
	flock 9

	if [ ! -r "$image" ] || [ ! -e "$modules/modules.dep" ]; then
		if [ ! -e "$dir/unpacked" ]; then
			fetch_stock "$dir"
		fi
		image=$dir/root/boot/vmlinuz-$release
		modules=$dir/root/lib/modules/$release
	fi
	version=$(stat -Lc '%s-%Y' "$image")
	if [ ! -e "$dir/vmlinux-$version" ] && [ ! -e "$dir/packed-$version" ]; then
		rm -f "$dir"/vmlinux-* "$dir"/packed-*
		if extract_vmlinux "$image" "$dir/vmlinux.new"; then
			mv "$dir/vmlinux.new" "$dir/vmlinux-$version"
		else
			rm -f "$dir/vmlinux.new"
			: >"$dir/packed-$version"
		fi
	fi
	[ ! -e "$dir/vmlinux-$version" ] || image=$dir/vmlinux-$version
	exec 9>&-
	boot=$image
}

fetch_stock()
{
	local dir=$1 version

	echo "kernel.sh: downloading linux-image-$release" >&2
	rm -rf "$dir/root" "$dir/deb"
	mkdir -p "$dir/root/usr/lib" "$dir/deb"
	ln -s usr/lib "$dir/root/lib"
	version=$(dpkg-query -W -f '${Version}' "linux-headers-$release" \
		2>/dev/null || :)
	(
		cd "$dir/deb"
		apt-get -qq download "linux-image-$release${version:+=$version}" ||
			apt-get -qq download "linux-image-$release"
	) >&2 || die "cannot download linux-image-$release"
	# Not dpkg-deb -x, which would replace the symbolic link lib.
	dpkg-deb --fsys-tarfile "$dir"/deb/*.deb |
		tar -x -C "$dir/root" --keep-directory-symlink
	rm -rf "$dir/deb"
	depmod -b "$dir/root" "$release"
	: >"$dir/unpacked"
}

# Every line of the wanted configuration has to be in the real one.
check_config()
{
	local want=$1 have=$2 line name bad=0

	while IFS= read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF -- "$line" "$have" && continue
			;;
		'# CONFIG_'*' is not set')
			name=${line#\# }
			name=${name%% *}
			grep -q "^$name=" "$have" || continue
			;;
		*)
			continue
			;;
		esac
		echo "kernel.sh: not in the debug kernel's .config: $line" >&2
		bad=1
	done <"$want"
	return "$bad"
}

unpack_source()
{
	local dir=$1 package=$2 tarball=/usr/src/$2.tar.xz

	[ -e "$dir/$package/Makefile" ] && return
	[ -r "$tarball" ] || die "$tarball is missing: install $package"
	echo "kernel.sh: unpacking $tarball" >&2
	mkdir -p "$dir"
	exec 8>"$dir.lock"
	flock 8
	if [ ! -e "$dir/$package/Makefile" ]; then
		rm -rf "$dir/new"
		mkdir "$dir/new"
		tar -xf "$tarball" -C "$dir/new"
		mv "$dir/new/$package" "$dir/$package"
		rmdir "$dir/new"
	fi
	exec 8>&-
}

debug()
{
	local config=$here/../debug.config package=linux-source-$series
	local version hash dir log

	version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) ||
		die "$package is not installed"
	command -v "$cc" >/dev/null || die "$cc is not installed"
	# Comments may change without a rebuild.
	hash=$({
		echo "$version"
		"$cc" -dumpfullversion
		grep CONFIG_ "$config" | LC_ALL=C sort
	} | sha256sum | cut -c 1-12)
	dir=$cache/debug-${version%%-*}-$hash
	source=$cache/src/$version/$package
	kdir=$dir/build
	modules=
	boot=$kdir/vmlinux

	if [ ! -e "$dir/built" ]; then
		mkdir -p "$dir"
		exec 9>"$dir/lock"
		flock 9
	fi
	if [ ! -e "$dir/built" ]; then
		unpack_source "$cache/src/$version" "$package"
		log=$dir/build.log
		echo "kernel.sh: building the debug kernel, see $log" >&2
		mkdir -p "$kdir"
		make -C "$source" O="$kdir" CC="$cc" KCONFIG_ALLCONFIG="$config" \
			allnoconfig >"$log" 2>&1 9>&- ||
			die "cannot configure the debug kernel, see $log"
		check_config "$config" "$kdir/.config" ||
			die "selftests/debug.config asks for what is not to be had"
		make -C "$source" O="$kdir" CC="$cc" -j "$(nproc)" \
			bzImage modules >>"$log" 2>&1 9>&- ||
			die "cannot build the debug kernel: $(tail -n 5 "$log")"
		cp "$kdir/include/config/kernel.release" "$dir/built.new"
		mv "$dir/built.new" "$dir/built"
	fi
	exec 9>&-
	release=$(cat "$dir/built")
}

case ${1:-} in
stock|debug)
	what=${2:---all}
	;;
-h|--help)
	usage
	exit
	;;
*)
	usage >&2
	exit 2
	;;
esac

case $what in
--all|--release|--image|--kdir|--modules|--source) ;;
*)
	usage >&2
	exit 2
	;;
esac

release='' boot='' kdir='' modules='' source=''
"$1"

case $what in
--release)	echo "$release" ;;
--image)	echo "$boot" ;;
--kdir)		echo "$kdir" ;;
--modules)	echo "$modules" ;;
--source)	echo "$source" ;;
--all)
	printf '%s\n' "release=$release" "image=$boot" "kdir=$kdir" \
		"modules=$modules" "source=$source"
	;;
esac
