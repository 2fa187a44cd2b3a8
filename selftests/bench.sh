#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What operations cost natively, through a bind mount, through overlayfs with
# nothing but lower layers, and through a plain link.  Run inside the test VM,
# which counts instructions with -i:
#
#	selftests/vm.sh -k stock -i -- selftests/bench.sh [ROUNDS]

set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bench=${BINDLINK_TESTS:-$here/../build/selftests}/bench
[ -x "$bench" ] || {
	echo "$bench is missing; make selftests builds it" >&2
	exit 1
}

work=$(mktemp -d /scratch/bench.XXXXXX)
cd "$work"
mkdir native bind overlay empty link
cleanup()
{
	cd /
	bindlinkctl remove "$work/link" || :
	umount "$work/overlay" "$work/bind" || :
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT

cp "$bench" "$work/run"
mount --bind native bind
bindlinkctl create link native
# Filled before overlayfs looks at it, which does not expect changes below.
./run -n 10 "native=$work/native" >/dev/null
mount -t overlay -o "lowerdir=$work/native:$work/empty" overlay overlay

grep -qs TCG /proc/cpuinfo || echo "no counting machine: nanoseconds"
echo "per operation, and as a multiple of native"
./run -n "${1:-2000}" "native=$work/native" "mount --bind=$work/bind" \
	"overlayfs=$work/overlay" "link=$work/link"
