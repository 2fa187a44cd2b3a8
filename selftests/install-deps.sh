#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Install those packages of packages.txt that are missing.

set -eu

case ${1-} in
'')
	;;
-n)
	;;
*)
	echo "usage: selftests/install-deps.sh [-n]" >&2
	echo "Installs the packages that building and testing need; with -n" >&2
	echo "only prints which are missing, and fails if there are any." >&2
	exit 2
	;;
esac

list=$(dirname "$0")/packages.txt
missing=
while read -r package; do
	case $package in
	''|'#'*)	continue ;;
	esac
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
		2>/dev/null) || state=
	[ "$state" = installed ] || missing="$missing $package"
done <"$list"

[ -n "$missing" ] || exit 0
echo "missing packages:$missing"
[ "${1-}" != -n ] || exit 1
if [ "$(id -u)" -ne 0 ]; then
	echo "not root; install them with: apt-get install$missing" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# The names have no white space.
# shellcheck disable=SC2086
exec apt-get -q -y --no-install-recommends install $missing
