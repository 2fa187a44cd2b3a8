#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the tests inside the test VM and print KTAP:
#
#	selftests/vm.sh -k stock -d xfs -- selftests/run.sh [-l] [TEST...]
#
# BINDLINK_LANES and BINDLINK_LANE_DELAY are parameters of the module.
#
# -l lists the tests.  Every program that runs is watched by timeout(1), and
# what it left behind is a failure.  The last line is
# "# totals: N passed, N failed, N skipped".

set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BINDLINK_TESTS:-$here/../build/selftests}

programs=(
	create_test shadow_test late_binding_test remove_test dir_test io_test
	lock_test exec_test xattr_test perm_test library_test netlink_test
	anchorless_test act_test nested_test chain_test namespace_test
	backing_mount_test readonly_test exception_test merged_test
	merged_list_test combine_test lane_test native_test reopen_test
	oracle_test storm_test kill_test parallel_test fault_test
	fault_flags_test nested_storm_test merged_storm_test
)
scripts=(cli.sh lifetime.sh ynl.py)
# These take long under KASAN: there not on each filesystem.
heavy=(
	anchorless_test act_test nested_test chain_test namespace_test
	backing_mount_test readonly_test exception_test merged_test
	merged_list_test combine_test nested_storm_test merged_storm_test
	parallel_test
)
heaviest=(merged_test merged_list_test merged_storm_test)

if [ "${1:-}" = -l ]; then
	printf '%s\n' "${programs[@]}" "${scripts[@]}"
	exit 0
fi
# How much of everything: an emulated machine is slow, KASAN makes it slower.
debug=
if grep -qs '^CONFIG_KASAN=y' /proc/config.gz 2>/dev/null ||
	zgrep -qs '^CONFIG_KASAN=y' /proc/config.gz; then
	debug=yes
fi
# The command, and what is left when a link is gone, are tested on the stock
# kernel: most of that is Python, which is slow there. The library's calls are
# made by all other programs, and the VM looks for leaks at its end.
[ -z "$debug" ] || scripts=(ynl.py)
if [ $# -gt 0 ]; then
	wanted=("$@")
else
	wanted=("${programs[@]}" "${scripts[@]}")
fi
if [ -z "${BINDLINK_SCALE:-}" ]; then
	BINDLINK_SCALE=100
	grep -qs 'TCG' /proc/cpuinfo && BINDLINK_SCALE=30
	[ -z "$debug" ] || BINDLINK_SCALE=$((BINDLINK_SCALE / 4))
fi
export BINDLINK_SCALE
limit=600
[ -z "$debug" ] || limit=1500

mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
mountpoint -q /sys/kernel/debug ||
	mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null

# Lanes, as the module has them: how many, and after how many milliseconds.
parameters=/sys/module/bindlink/parameters
[ -z "${BINDLINK_LANES:-}" ] || echo "$BINDLINK_LANES" >$parameters/lanes
[ -z "${BINDLINK_LANE_DELAY:-}" ] ||
	echo "$BINDLINK_LANE_DELAY" >$parameters/lane_delay

# Filesystems to test on.
export BINDLINK_EXT4=${BINDLINK_EXT4:-/scratch}
if [ "$(stat -f -c %T /scratch2 2>/dev/null)" = xfs ]; then
	export BINDLINK_XFS=/scratch2
fi
BINDLINK_TMPFS=$(mktemp -d "${TMPDIR:-/tmp}/bindlink-tmpfs.XXXXXX")
mount -t tmpfs -o mode=755 tmpfs "$BINDLINK_TMPFS" || exit 1
export BINDLINK_TMPFS
chmod 755 "$BINDLINK_EXT4" "${BINDLINK_XFS:-$BINDLINK_EXT4}"

# The program that the tests run from links, where every user can reach it.
BINDLINK_PAYLOAD=$BINDLINK_TMPFS/payload
cp "$build/payload" "$BINDLINK_PAYLOAD" || exit 1
chmod 755 "$BINDLINK_PAYLOAD"
export BINDLINK_PAYLOAD
export BINDLINK_TESTS=$build

# The command is started hundreds of times, and what it is made of comes from
# the host each time, unless it is nearer.
mkdir "$BINDLINK_TMPFS/bin" "$BINDLINK_TMPFS/lib"
cp "$(command -v bindlinkctl)" "$BINDLINK_TMPFS/bin/" || exit 1
ldd "$BINDLINK_TMPFS/bin/bindlinkctl" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' |
	while read -r file; do
		cp "$file" "$BINDLINK_TMPFS/lib/"
	done
export PATH=$BINDLINK_TMPFS/bin:$PATH
export LD_LIBRARY_PATH=$BINDLINK_TMPFS/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

log=$BINDLINK_TMPFS/log
total_passed=0 total_failed=0 total_skipped=0 number=0 worst=0

# Results in a log: "passed failed skipped planned".  A result is a line that
# begins with "ok" or "not ok" and a number; what is indented is a detail.
count()
{
	awk '
	/^(not )?ok [0-9]+/ {
		n++
		if ($1 == "not")
			failed++
		else if (toupper($0) ~ /# *SKIP/)
			skipped++
		else
			passed++
		# Out of order, or twice: results were lost or made up.
		if (($1 == "not" ? $3 : $2) + 0 != n)
			lost = 1
	}
	/^1\.\.[0-9]+/ {
		planned = substr($1, 4) + 0
		has_plan = 1
		# A whole program that is not for here.
		if (!planned && toupper($0) ~ /# *SKIP/)
			all_skipped = 1
	}
	/^Bail out!/ { lost = 1 }
	END {
		if (all_skipped)
			skipped = 1
		else if (!has_plan || planned != n || lost)
			failed += planned > n ? planned - n : 1
		print passed + 0, failed + 0, skipped + 0
	}' "$1"
}

# What a program must not leave behind.
leftovers()
{
	local list

	if ! list=$(timeout 60 bindlinkctl list 2>&1); then
		echo "bindlinkctl list fails: $list"
	elif [ -n "$list" ] && [ "$(timeout 60 bindlinkctl list --json |
		tr -d ' \n')" != "[]" ]; then
		echo "links are left: $list"
	fi
	grep -s ' - bindlink ' /proc/self/mountinfo
	return 0
}

result()
{
	number=$((number + 1))
	echo "$1 $number - $2"
	[ "$1" = ok ] || worst=1
}

run()
{
	local name=$1 command status passed failed skipped left begun=$SECONDS
	local variants=()

	case $name in
	*.sh|*.py)	command=$here/$name ;;
	*)	command=$build/$name ;;
	esac
	if [ -n "$debug" ] && [[ " ${heavy[*]} " == *" $name "* ]]; then
		variants=(-v ext4 -v cross)
		[[ " ${heaviest[*]} " != *" $name "* ]] || variants=(-v cross)
	fi
	echo "# Subtest: $name"
	if [ -x "$command" ]; then
		# Its own group, so that the end of it is the end of all.
		(cd "$BINDLINK_EXT4" && exec timeout -k 10 "$limit" \
			"$command" "${variants[@]}" </dev/null) >"$log" 2>&1
		status=$?
	else
		echo "no program $command" >"$log"
		status=127
	fi
	sed 's/^/    /' "$log"
	read -r passed failed skipped < <(count "$log")
	if [ "$status" -ne 0 ] && [ "$status" -ne 4 ] && [ "$failed" -eq 0 ]; then
		echo "    # exit status $status, although no result says failed"
		failed=1
	fi
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ] ||
		echo "    # still running after $limit seconds"
	left=$(leftovers)
	if [ -n "$left" ]; then
		echo "    # left behind:"
		printf '    # %s\n' "${left//$'\n'/$'\n'    # }"
		failed=$((failed + 1))
		awk '/ - bindlink / { print $5 }' /proc/self/mountinfo | tac |
			while read -r at; do
				umount -l "$(printf '%b' "$at")"
			done
	fi
	if [ $((passed + failed + skipped)) -eq 0 ]; then
		echo "    # no results at all"
		failed=1
	fi
	echo "    # $passed passed, $failed failed, $skipped skipped in $((SECONDS - begun)) s"
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	total_skipped=$((total_skipped + skipped))
	if [ "$failed" -eq 0 ]; then
		result ok "$name"
	else
		result "not ok" "$name"
	fi
}

# After all: the module goes, takes its caches along, and comes again.
at_the_end()
{
	local ko caches failed=0

	echo "# Subtest: LT3 RM5 nothing is left"
	# shellcheck disable=SC2016	# for the inner shell
	ko=$(bash -c '. "$1/tap.sh" && rmdir "$work" && module' sh "$here")
	if ! rmmod bindlink; then
		echo "    # the module cannot be removed"
		failed=1
	else
		caches=$(ls -d /sys/kernel/slab/*bindlink* 2>/dev/null
			grep -s bindlink /proc/slabinfo)
		if [ -n "$caches" ]; then
			echo "    # caches are left: $caches"
			failed=1
		fi
		if ! insmod "$ko"; then
			echo "    # the module cannot be loaded again"
			failed=1
		fi
	fi
	if [ "$failed" -eq 0 ]; then
		total_passed=$((total_passed + 1))
		result ok "LT3_RM5_nothing_is_left"
	else
		total_failed=$((total_failed + 1))
		result "not ok" "LT3_RM5_nothing_is_left"
	fi
}

main()
{
	echo "KTAP version 1"
	echo "1..$((${#wanted[@]} + 1))"
	echo "# $(uname -r), scale $BINDLINK_SCALE%"
	if [ ! -d /sys/module/bindlink ]; then
		echo "# the module is not loaded"
		total_failed=1
		worst=1
	fi
	for name in "${wanted[@]}"; do
		run "$name"
	done
	at_the_end
	umount -l "$BINDLINK_TMPFS" && rmdir "$BINDLINK_TMPFS"
	echo "# totals: $total_passed passed, $total_failed failed, $total_skipped skipped"
	[ "$worst" -eq 0 ] && [ "$total_failed" -eq 0 ] && [ "$total_passed" -gt 0 ]
}

# On one line, so that all of it is read before any of it runs.
main; exit
