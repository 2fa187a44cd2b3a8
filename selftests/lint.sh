#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What can be found by reading: compiler warnings, sparse, checkpatch, cppcheck,
# clang-tidy, shellcheck, groff. Ends with an error if there is anything to say.

set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
for tool in sparse cppcheck clang-tidy shellcheck groff; do
	command -v "$tool" >/dev/null || {
		echo "lint.sh: $tool is missing; try: apt-get install $tool" >&2
		exit 1
	}
done
source=$(selftests/vm/kernel.sh debug --source) || exit 1
failed=0

say()
{
	if [ -n "$2" ]; then
		printf '%s:\n%s\n' "$1" "$2"
		failed=1
	else
		printf '%s: nothing\n' "$1"
	fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kernel in stock debug; do
	kdir=$(selftests/vm/kernel.sh $kernel --kdir) || exit 1
	config=(CONFIG_BINDLINK=m)
	[ $kernel = stock ] || config+=(CONFIG_BINDLINK_KUNIT_TEST=m)
	mkdir "$work/$kernel"
	cp -r Kbuild Kconfig kmod uapi "$work/$kernel/"
	say "W=1 and sparse, $kernel kernel" "$(make -k -C "$kdir" \
		M="$work/$kernel" "${config[@]}" W=1 C=2 modules 2>&1 |
		grep "^$work.*\(warning\|error\)\|undefined!")"
done

# The generated files have the form that the generator gives them, and trace
# headers one that checkpatch does not know.
mapfile -t files < <(find kmod cli lib -name '*.[ch]' \
	! -name 'netlink-gen.*' ! -name trace.h | sort)
kernel_only=PREFER_KERNEL_TYPES,CAMELCASE,ARRAY_SIZE,LONG_LINE_STRING
kernel_only+=,PREFER_DEFINED_ATTRIBUTE_MACRO,AVOID_EXTERNS,STRCPY
for file in "${files[@]}"; do
	ignore=FILE_PATH_CHANGES
	case $file in
	kmod/*)	;;
	*)	ignore+=,$kernel_only ;;
	esac
	"$source/scripts/checkpatch.pl" --no-tree --strict --terse -q \
		--ignore "$ignore" -f "$file"
done >"$work/checkpatch" 2>&1
say checkpatch "$(grep -v '^total:' "$work/checkpatch")"

say "cppcheck and clang-tidy" "$({ make -s -C lib lint && make -s -C cli lint; } \
	2>&1 | grep -E '(error|warning):')"
say shellcheck "$(find . -path ./build -prune -o -name '*.sh' \
	-exec shellcheck .ci/run {} + 2>&1)"
say "manual pages" "$(for page in docs/*.[1-9]; do
		groff -man -ww -z -Tutf8 "$page"
	done 2>&1)"
exit $failed
