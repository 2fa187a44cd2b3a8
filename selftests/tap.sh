# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For test scripts: results in TAP, checks that say what was seen, and a place
# to work in that is cleaned up.  To be sourced.

set -u

tap_planned=0
tap_done=0
tap_failed=0
tap_current_failed=0
tap_current=

# Where to work, and what goes wrong there goes with it.
: "${BINDLINK_EXT4:=/scratch}"
work=$(mktemp -d "$BINDLINK_EXT4/work.XXXXXX") || exit 1
chmod 755 "$work"

plan()
{
	tap_planned=$1
	echo "TAP version 13"
	echo "1..$1"
}

say()
{
	printf '# %s\n' "${*//$'\n'/$'\n'# }"
}

# begin NAME: a test begins, which ends with the next one or with finish.
begin()
{
	end
	tap_current=$1
	tap_current_failed=0
}

end()
{
	[ -n "$tap_current" ] || return 0
	tap_done=$((tap_done + 1))
	if [ "$tap_current_failed" -eq 0 ]; then
		echo "ok $tap_done $tap_current"
	else
		echo "not ok $tap_done $tap_current"
		tap_failed=$((tap_failed + 1))
	fi
	tap_current=
}

# skip REASON: the current test is not for here.
skip()
{
	tap_done=$((tap_done + 1))
	echo "ok $tap_done $tap_current # SKIP $*"
	tap_current=
}

fail()
{
	tap_current_failed=1
	say "$tap_current: $*"
}

# expect DESCRIPTION WANTED SEEN
expect()
{
	[ "$2" = "$3" ] || fail "$1: expected '$2', seen '$3'"
}

# expect_match DESCRIPTION PATTERN SEEN: a pattern of the shell's.
expect_match()
{
	# shellcheck disable=SC2053	# a pattern it is
	[[ $3 == $2 ]] || fail "$1: expected something like '$2', seen '$3'"
}

# try STATUS COMMAND...: its exit status; output in $out, errors in $err.
out='' err=''
try()
{
	local wanted=$1 status

	shift
	timeout -k 5 "${TAP_PATIENCE:-120}" "$@" >"$work/.out" 2>"$work/.err" \
		</dev/null
	status=$?
	out=$(cat "$work/.out")
	err=$(cat "$work/.err")
	[ "$status" -eq "$wanted" ] ||
		fail "'$*' gives $status and not $wanted: $out $err"
	return 0
}

# A number, or less of it where the environment says that all is slow.
scaled()
{
	local n=$(($1 * ${BINDLINK_SCALE:-100} / 100))

	echo $((n > 0 ? n : 1))
}

# Number of links: one line each, below a heading.
links()
{
	bindlinkctl list | grep -c '^/'
}

mounts()
{
	awk '{ for (i = 7; i < NF; i++) if ($i == "-") { n += $(i + 1) == "bindlink"; break } }
		END { print n + 0 }' /proc/self/mountinfo
}

# Links and mounts that a test left below the place to work in.
sweep()
{
	local at

	cd / || exit 1
	awk -v top="$work/" 'index($5, top) == 1 { print $5 }' \
		/proc/self/mountinfo | tac | while read -r at; do
		at=$(printf '%b' "$at")
		bindlinkctl remove "$at" 2>/dev/null || umount -l "$at"
	done
	rm -rf --one-file-system "$work"
}

finish()
{
	end
	sweep
	[ "$tap_done" -eq "$tap_planned" ] ||
		say "planned $tap_planned tests and ran $tap_done"
	[ "$tap_failed" -eq 0 ] && [ "$tap_done" -eq "$tap_planned" ]
	exit
}

# The module that belongs to the kernel that runs.
module()
{
	local here file

	here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
	if [ -n "${BINDLINK_KO:-}" ]; then
		echo "$BINDLINK_KO"
		return
	fi
	for file in "$here"/../build/*/bindlink.ko \
		"$here"/../build/*/kmod/bindlink.ko; do
		if [ -e "$file" ] && [ "$(modinfo -F vermagic "$file" |
			cut -d ' ' -f 1)" = "$(uname -r)" ]; then
			echo "$file"
			return
		fi
	done
	modinfo -n bindlink
}
