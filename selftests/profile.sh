#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many instructions each function of the kernel takes for an operation.

set -euo pipefail

usage()
{
	cat <<'END'
usage: selftests/profile.sh [-n ROUNDS] [-l LINES] [-i] OPERATION TARGET...

Does OPERATION in each TARGET in the test VM, whose emulator counts, and prints
for each function how many of its own instructions are executed and how often it
is called, per operation.  With several targets, such as "native plain", there
is a pair of columns for each, and the functions are sorted by what the last one
has more than the first.  What was inlined is in the function that it is in.

  -n ROUNDS   operations that are counted (default 200)
  -l LINES    show so many functions (default 60)
  -i          instructions, too: each that the last target executes, with its
              number, in build/bench/profile.insns

Operations and targets are those of selftests/bench.sh -h.
END
}

# The braces make bash read all of the script before it runs any of it.
{

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
rounds=200 options=()
while getopts n:l:ih option; do
	case $option in
	n)	rounds=$OPTARG ;;
	l)	options+=(-l "$OPTARG") ;;
	i)	options+=(-i "$top/build/bench/profile.insns") ;;
	h)	usage; exit 0 ;;
	*)	usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { usage >&2; exit 2; }
operation=$1
shift

make -s -C "$top" bench-programs >&2
mkdir -p "$top/build/bench"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bindlink-profile.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
: >"$tmp/counts"
plugin=$top/build/selftests/profile.so
BINDLINK_VM_QEMU="-plugin file=$plugin,out=$tmp/counts ${BINDLINK_VM_QEMU:-}" \
	"$here/vm.sh" -k stock -i -m 1536 -t 900 -- "$here/bench.sh" -m \
	-n "$rounds" -o "$operation" "$@" >"$tmp/symbols"
"$here/profile.py" "${options[@]}" -n "$rounds" "$tmp/counts" \
	"$tmp/symbols" "$@"
exit

}
