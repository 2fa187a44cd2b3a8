#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which functions of the kernel write cache lines that other processors use.

set -euo pipefail

usage()
{
	cat <<'END'
usage: selftests/sharing.sh [-n ROUNDS] [-c CPUS] [TARGET...]

Does stat, and open and close, of the same file and of files in directories of
their own, on several processors at once, in each TARGET (default: native plain
read-only merged), in the test VM, whose emulator sees each access to memory.
Prints how many writes there are, per operation, of the kernel to cache lines
that another processor reads or writes in the same time, and which functions
do them.  Fails if stat has any, through a link, that it does not have natively.

  -n ROUNDS   operations on each processor (default 1000)
  -c CPUS     processors (default 2)
END
}

# The braces make bash read all of the script before it runs any of it.
{

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
rounds=1000 cpus=2
while getopts n:c:h option; do
	case $option in
	n)	rounds=$OPTARG ;;
	c)	cpus=$OPTARG ;;
	h)	usage; exit 0 ;;
	*)	usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- native plain read-only merged

make -s -C "$top" bench-programs >&2
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bindlink-sharing.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
: >"$tmp/counts"
plugin=$top/build/selftests/profile.so
# The processors take turns, in one thread of the emulator.  They have no
# cmpxchg16b, which QEMU 7.2 seems to get wrong with such a plugin: there was a
# double fault after one, with half an address as flags.
BINDLINK_VM_QEMU="-smp $cpus -cpu max,la57=off,erms=off,cx16=off -plugin file=$plugin,out=$tmp/counts,memory=on
	${BINDLINK_VM_QEMU:-}" \
	"$here/vm.sh" -k stock -i -m 1536 -t 1200 -- "$here/bench.sh" -w \
	-n "$rounds" "$@" >"$tmp/symbols"
"$here/profile.py" -s -l 25 -n $((rounds * cpus)) "$tmp/counts" \
	"$tmp/symbols" "$@"
exit

}
