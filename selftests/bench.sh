#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compare the cost of operations on a directory natively and through a bind
# mount, overlayfs and a plain link, in one run on the same ext4:
#
#	selftests/vm.sh -k stock -i -- "$PWD/selftests/bench.sh"

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "$PWD/bench.XXXXXX")
gcc -O2 -static -Wall -Wextra -o "$work/bench" "$top/selftests/bench.c"

mkdir -p "$work/native/a/b/c/d/e/f/g" "$work/bind" "$work/overlay" \
	"$work/empty" "$work/link"
for dir in "" a/b/c a/b/c/d/e/f/g; do
	head -c 8192 /dev/zero >"$work/native/$dir/f"
done
mount --bind "$work/native" "$work/bind"
bindlinkctl create "$work/link" "$work/native"

# Without an upper layer overlayfs is read-only, so what creates is measured
# with one, and what only looks without.
mkdir "$work/upper" "$work/work"
mount -t overlay -o "lowerdir=$work/native,upperdir=$work/upper,workdir=$work/work" \
	overlay "$work/overlay"

"$work/bench" native="$work/native" bind="$work/bind" \
	overlayfs="$work/overlay" link="$work/link"
