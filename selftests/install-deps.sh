#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Install those packages of packages.txt that are missing, and those of
# packages-bench.txt.

set -eu

only_say=
if [ "${1-}" = -n ]; then
	only_say=yes
	shift
fi
dir=$(dirname "$0")
case $*:$# in
:0)
	lists=$dir/packages.txt
	;;
bench:1)
	lists="$dir/packages.txt $dir/packages-bench.txt"
	;;
*)
	echo "usage: selftests/install-deps.sh [-n] [bench]" >&2
	echo "Installs the packages that building and testing need, and with" >&2
	echo "bench those for benchmarks, too; with -n only prints which are" >&2
	echo "missing, and fails if there are any." >&2
	exit 2
	;;
esac

missing=
# shellcheck disable=SC2086	# several names
packages=$(sed '/^#/d' $lists)
for package in $packages; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
		2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done

[ -n "$missing" ] || exit 0
echo "missing packages:$missing"
[ -z "$only_say" ] || exit 1
if [ "$(id -u)" -ne 0 ]; then
	echo "not root; install them with: apt-get install$missing" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# The names have no white space.
# shellcheck disable=SC2086
exec apt-get -q -y --no-install-recommends install $missing
