#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Generate the uAPI header and the kernel's policy tables from bindlink.yaml
# with the kernel's own generator.
#
# usage: uapi/generate.sh KERNEL_SOURCE [OUTPUT_DIR]
#
# OUTPUT_DIR is the top of the tree unless it is given; "make ynl-check" gives
# another one and compares.

set -eu

[ $# -ge 1 ] || { echo "usage: $0 KERNEL_SOURCE [OUTPUT_DIR]" >&2; exit 2; }
src=$1
top=$(cd "$(dirname "$0")/.." && pwd)
out=${2:-$top}
gen=$src/tools/net/ynl/ynl-gen-c.py
[ -f "$gen" ] || { echo "$0: no YNL generator in $src" >&2; exit 1; }

# The generator wants the spec in a kernel tree, which it knows by the file
# MAINTAINERS, and the schema beside the folder that holds the spec.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/uapi/specs" "$out/uapi/linux" "$out/kmod"
: >"$tmp/MAINTAINERS"
cp "$src/Documentation/netlink/genetlink.yaml" "$tmp/uapi/"
cp "$top/uapi/bindlink.yaml" "$tmp/uapi/specs/"

run() { # MODE KIND FILE
	/usr/bin/python3 "$gen" --spec "$tmp/uapi/specs/bindlink.yaml" \
		--mode "$1" "$2" -o "$out/$3"
	# Say where the spec is in this tree, not where it was copied to.
	sed -i 's|uapi/specs/bindlink\.yaml|uapi/bindlink.yaml|' "$out/$3"
}

run uapi --header uapi/linux/bindlink.h
run kernel --header kmod/netlink-gen.h
run kernel --source kmod/netlink-gen.c
sed -i 's|uapi/linux/bindlink\.h|linux/bindlink.h|; s|"bindlink-gen\.h"|"netlink-gen.h"|' \
	"$out/kmod/netlink-gen.h" "$out/kmod/netlink-gen.c"
