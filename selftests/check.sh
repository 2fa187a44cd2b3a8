#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All tests, on this machine and on both kernels in the test VM.  Logs are kept
# in build/check.  The last line is "N passed, N failed, N skipped".
#
# usage: selftests/check.sh [STEP...]

# shellcheck disable=SC2317	# called by step and plain

set -uo pipefail

usage()
{
	echo "usage: selftests/check.sh [STEP...]"
	echo "Steps: build host ynl vm vmdebug stock kunit debug ids (default: all)"
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
out=$top/build/check
mkdir -p "$out" || exit 1

passed=0 failed=0 skipped=0
declare -a summary=() failures=()

# add STEP LOG STATUS PASSED FAILED SKIPPED SECONDS
add()
{
	local step=$1 log=$2 status=$3 p=$4 f=$5 s=$6 seconds=$7

	# Results that all look good do not excuse a step that does not.
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
		failures+=("$step: exit status $status, see $log")
	fi
	if [ $((p + f + s)) -eq 0 ]; then
		f=1
		failures+=("$step: no results, see $log")
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
	summary+=("$(printf '%-28s %5d passed %4d failed %4d skipped %5d s' \
		"$step" "$p" "$f" "$s" "$seconds")")
}

# Results in TAP or KTAP on stdin: "passed failed skipped".  A line of results
# that has subtests of its own only sums those up and does not count.  A plan
# that is not kept counts as a failure for each result that is missing.
count()
{
	awk '
	BEGIN { deepest = 0 }
	function depth(line) {
		match(line, /^ */)
		return int(RLENGTH / 4)
	}
	function settle(d) {
		for (; deepest >= d; deepest--) {
			if (planned[deepest] > seen[deepest])
				failed += planned[deepest] - seen[deepest]
			planned[deepest] = seen[deepest] = 0
		}
	}
	{
		d = depth($0)
		line = $0
		sub(/^ */, "", line)
	}
	line ~ /^1\.\.[0-9]+/ {
		if (d > deepest)
			deepest = d
		# A plan may come first or last, and the next program may
		# follow at the same depth.
		if (planned[d] && planned[d] == seen[d])
			planned[d] = seen[d] = 0
		planned[d] += substr(line, 4) + 0
		if (substr(line, 4) + 0 == 0 && toupper(line) ~ /# *SKIP/) {
			skipped++
			leaf[d] = 1
		}
	}
	line ~ /^Bail out!/ {
		failed++
	}
	line ~ /^(not )?ok [0-9]+/ {
		if (d > deepest)
			deepest = d
		seen[d]++
		if (leaf[d + 1]) {
			settle(d + 1)
			leaf[d + 1] = 0
			leaf[d] = 1
			next
		}
		leaf[d] = 1
		if (line ~ /^not/)
			failed++
		else if (toupper(line) ~ /# *SKIP/)
			skipped++
		else
			passed++
	}
	END {
		settle(0)
		print passed + 0, failed + 0, skipped + 0
	}'
}

# What a log says of what failed: the result, and the diagnostics before it.
failed_results()
{
	awk '
	/^ *(not )?ok [0-9]+/ || /^ *# Subtest/ {
		if ($1 == "not") {
			for (i = n > 30 ? n - 30 : 0; i < n; i++)
				print said[i]
			print
		}
		n = 0
		next
	}
	/^ *#  *(RUN|OK|FAIL) / { next }
	/^ *#/ { said[n++] = $0 }
	/^vm\.sh:/' "$1" | head -n 120
}

# step NAME COMMAND...: runs it and counts its results.
step()
{
	local name=$1 log=$out/$1.log begun=$SECONDS status p f s

	shift
	echo "### $name"
	"$@" >"$log" 2>&1
	status=$?
	read -r p f s < <(count <"$log")
	failed_results "$log"
	add "$name" "$log" "$status" "$p" "$f" "$s" $((SECONDS - begun))
}

# plain NAME COMMAND...: its exit status is the result.
plain()
{
	local name=$1 log=$out/$1.log begun=$SECONDS

	shift
	echo "### $name"
	if "$@" >"$log" 2>&1; then
		add "$name" "$log" 0 1 0 0 $((SECONDS - begun))
	else
		tail -n 20 "$log"
		add "$name" "$log" 0 0 1 0 $((SECONDS - begun))
	fi
}

# tests NAME VM-OPTIONS...: selftests/run.sh in the VM.
tests()
{
	local name=$1 log=$out/$1.log begun=$SECONDS status p f s total

	shift
	echo "### $name"
	selftests/vm.sh "$@" -d xfs -- "$top/selftests/run.sh" >"$log" 2>&1
	status=$?
	failed_results "$log"
	# What the VM says itself, as long as that is borne out by the lines.
	total=$(sed -n 's/^# totals: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
		"$log" | tail -n 1)
	read -r p f s < <(count <"$log")
	if [ -z "$total" ]; then
		failures+=("$name: the run did not come to its end, see $log")
		f=$((f + 1))
	elif [ "${total%% *}" -ne "$p" ]; then
		failures+=("$name: the VM counts $total, and $p $f $s are to be seen")
		f=$((f + 1))
	else
		read -r p f s <<<"$total"
	fi
	add "$name" "$log" "$status" "$p" "$f" "$s" $((SECONDS - begun))
}

build()
{
	make -s lib cli && make -s selftests KSRC="$ksrc"
}

host()
{
	make -s -C lib check O="$top/build/lib" &&
		make -s -C cli check O="$top/build/cli" LIB_O="$top/build/lib"
}

# What is generated is what the generator makes of the specification.
ynl()
{
	local dir file

	dir=$(mktemp -d) || return
	# shellcheck disable=SC2064	# now
	trap "rm -rf '$dir'" RETURN
	uapi/generate.sh "$ksrc" "$dir" || return
	for file in uapi/linux/bindlink.h kmod/netlink-gen.h kmod/netlink-gen.c; do
		diff -u "$file" "$dir/$file" || return
	done
}

# Each suite has a file of results in debugfs, complete in itself.
kunit()
{
	local suite status=0

	rm -f "$out"/kunit.*.ktap
	# shellcheck disable=SC2016	# for the shell in the VM
	selftests/vm.sh -k debug -- sh -c '
		[ -d /sys/kernel/debug/kunit ] ||
			mount -t debugfs debugfs /sys/kernel/debug
		insmod "$1" && cat /sys/kernel/debug/kunit/*/results' \
		sh "$top/build/debug/bindlink_kunit.ko" >"$out/kunit.all" ||
		status=1
	cat "$out/kunit.all"
	awk -v out="$out" '
		/^KTAP version/ { n++ }
		n { print >(out "/kunit." n ".ktap") }' "$out/kunit.all"
	for suite in "$out"/kunit.*.ktap; do
		# What the parser prints is not for counting.
		/usr/bin/python3 "$ksrc/tools/testing/kunit/kunit.py" parse \
			"$suite" 2>&1 | sed 's/^/# /'
		[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
	done
	return "$status"
}

# Each row of the specification that is meant to hold has a test that names it
# and that has passed, and each test names a row.
promised=(
	CR1 CR2 CR3 CR4 CR5 CR6 CR7 CR8 CR9 CR10 SH1 SH2 SH3 AN1 AN2 AN3 AN4 AN5
	MG1 MG2 MG3 MG4 MG5 MG6 MG7 MG8 MG9 EX1 EX2 EX3 EX4 EX5 EX6
	NE1 NE2 NE3 NE4 NE5 NE6 NE7 CH1 CH2 CH3 CH4 CH5 RO1 RO2 RO3 RO4 RO5
	LB1 LB2 LB3 LB4 LB5 LB6 LB7 WR1 WR2 WR3 WR4
	RM1 RM2 RM3 RM4 RM5 LT1 LT2 LT3 LT4 AP1 AP2 AP3
	TR1 TR2 TR3 TR4 TR5 TR7 TR8 TR9 TR10 SE1 SE2 SE3
)
ids()
{
	local id logs=() status=0 names good n=0

	for id in stock debug; do
		[ ! -e "$out/$id.log" ] || logs+=("$out/$id.log")
	done
	[ ${#logs[@]} -gt 0 ] || return 1
	names=$(sed -n 's/^    \(not \)\{0,1\}ok [0-9]* \([^ ]*\).*/\2/p' \
		"${logs[@]}" | sed 's/.*\.//' | sort -u)
	good=$(sed -n '/# SKIP/d; s/^    ok [0-9]* \([^ ]*\).*/\1/p' \
		"${logs[@]}" | sed 's/.*\.//' | sort -u)
	echo "1..$((${#promised[@]} + 1))"
	for id in "${promised[@]}"; do
		n=$((n + 1))
		if grep -qE "(^|_)${id}_" <<<"$good"; then
			echo "ok $n - $id has a test that passed"
		else
			echo "not ok $n - $id has no test that passed"
			status=1
		fi
	done
	n=$((n + 1))
	if grep -vE '^([A-Z][A-Z][0-9]+_)+' <<<"$names" | sed 's/^/# /' |
		grep .; then
		echo "not ok $n - every test names a row"
		status=1
	else
		echo "ok $n - every test names a row"
	fi
	return "$status"
}

main()
{
	if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
		usage
		exit 0
	fi
	[ $# -gt 0 ] || set -- build host ynl vm vmdebug stock kunit debug ids
	ksrc=$(selftests/vm/kernel.sh debug --source)
	if [ ! -d "$ksrc" ]; then
		echo "check.sh: there is no kernel source" >&2
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	for name in "$@"; do
		case $name in
		build)	plain build build ;;
		host)	step host host ;;
		ynl)	plain ynl ynl ;;
		vm)	step vm selftests/vm/selftest.sh stock ;;
		vmdebug) step vmdebug selftests/vm/selftest.sh -t debug debug ;;
		stock)	tests stock -k stock -m 1536 -t 1800 ;;
		kunit)	step kunit kunit ;;
		debug)	tests debug -k debug -t 3600 ;;
		ids)	step ids ids ;;
		*)	usage >&2; exit 2 ;;
		esac
	done

	echo
	printf '%s\n' "${summary[@]}"
	[ ${#failures[@]} -eq 0 ] || printf '! %s\n' "${failures[@]}"
	echo "logs: $out"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# On one line, so that all of it is read before any of it runs.
main "$@"; exit
