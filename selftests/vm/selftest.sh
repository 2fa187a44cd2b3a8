#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Test the test VM itself.  Prints KTAP.

# shellcheck disable=SC2016,SC1003,SC2317	# expanded in the VM; called by name

set -uo pipefail

usage()
{
	echo "usage: selftests/vm/selftest.sh [-n] [-t TEST]... [stock|debug]..."
	echo "Tests selftests/vm.sh with these kernels (default: both); -n is"
	echo "passed on to it, -t runs only some groups of tests."
}

# The braces make bash read all of the script before it runs any of it.
{

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
options=() tests=()
while getopts nt:h option; do
	case $option in
	n)	options+=(-n) ;;
	t)	tests+=("$OPTARG") ;;
	h)	usage; exit 0 ;;
	*)	usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- stock debug

tmp=$(mktemp -d "${TMPDIR:-/tmp}/bindlink-vm-selftest.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
# What vm.sh leaves behind would be here.
mkdir "$tmp/tmp"
export TMPDIR=$tmp/tmp

count=0 failed=0 kernel=
result()
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count $kernel: $2"
	else
		failed=$((failed + 1))
		echo "not ok $count $kernel: $2"
		head -c 2000 "$tmp/out" | cat -v | sed 's/^/# stdout: /'
		head -n 60 "$tmp/err" | cat -v | sed 's/^/# stderr: /'
		echo "# status: ${status:-}"
	fi
}

vm()
{
	"$here/../vm.sh" -k "$kernel" "${options[@]}" "$@" \
		>"$tmp/out" 2>"$tmp/err"
	status=$?
}

# expect STATUS-PATTERN STDOUT STDERR-PATTERN NAME: what vm has done
expect()
{
	local good=0

	[[ $status =~ ^($1)$ ]] || good=1
	[ "$(cat "$tmp/out")" = "$2" ] || good=1
	grep -qE -- "$3" "$tmp/err" || { [ -z "$3" ] && [ ! -s "$tmp/err" ]; } ||
		good=1
	[ -z "$(ls -A "$TMPDIR")" ] || good=1
	result "$good" "$4"
}

test_basic()
{
	vm -- true
	expect 0 '' '' 'success, and a clean kernel log'
	vm -- sh -c 'echo out; echo err >&2; exit 7'
	expect 7 out '^err$' 'streams and exit status'
	vm -- sh -c 'kill -KILL $$'
	expect 137 '' '' 'killed command'
	vm -- /nonexistent
	expect 127 '' 'No such file' 'command not found'
	vm -- printf '<%s>' 'a b' $'c\nd' "e'f\"g" '' '*' '$HOME' $'\xff\t' '\'
	expect 0 "<a b><c"$'\n'"d><e'f\"g><><*><\$HOME><"$'\xff\t'"><\\>" '' \
		'arguments are passed exactly'
	vm -- sh -c '[ "$(id -u)" = 0 ] && pwd && stat -f -c %T . &&
		echo x >y && cat y && uname -r && cat; readlink /proc/self/fd/0'
	expect 0 "/scratch
ext2/ext3
x
$("$here/kernel.sh" "$kernel" --release)
/dev/null" '' 'environment'
	vm -- sh -c '(sleep 50; echo late) & echo early'
	expect 0 early '' 'a process left behind does not hold up the end'
}

test_transfer()
{
	head -c 10000000 /dev/urandom >"$tmp/data"
	vm -- cat "$tmp/data"
	cmp -s "$tmp/data" "$tmp/out"
	result $((status || $?)) '10 MB through stdout'

	"$here/../vm.sh" -k "$kernel" "${options[@]}" -- \
		head -c 3000000 "$tmp/data" 2>"$tmp/err" |
		{ sleep 20; cat; } >"$tmp/out"
	status=$?
	head -c 3000000 "$tmp/data" | cmp -s - "$tmp/out"
	result $((status || $?)) 'output to a slow reader'

	head -c 200000000 /dev/zero | openssl enc -aes-128-ctr -nosalt \
		-pass pass:x -out "$tmp/data" 2>/dev/null
	vm -- sha256sum "$tmp/data"
	expect 0 "$(sha256sum "$tmp/data")" '' 'a large file of the host'
	rm -f "$tmp/data"
}

test_tools()
{
	echo 'int main(void) { return 0; }' >"$tmp/x.c"
	vm -- sh -c 'cp "$1" . && gcc-12 x.c -o x && ./x &&
		python3 -c "print(6 * 7)" && perl -e "print 1, qq(\\n)" &&
		echo changed >"$1" && cat "$1"' sh "$tmp/x.c"
	expect 0 "42
1
changed" '' 'tools of the host'
	grep -q main "$tmp/x.c"
	result $? "the host's files stay as they are"
}

test_reports()
{
	vm -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at fake" >/dev/kmsg'
	expect 99 '' 'WARNING: CPU: 0 PID: 1 at fake' 'a warning'
	vm -- sh -c 'echo "BUG: KASAN: fake" >/dev/kmsg; dmesg -C; exit 3'
	expect 3 '' 'BUG: KASAN: fake' 'a report that was cleared from the log'
	vm -- sh -c 'echo early; echo c >/proc/sysrq-trigger'
	expect 125 early 'Kernel panic' 'a panic'
	vm -- sh -c 'echo o >/proc/sysrq-trigger; sleep 100'
	expect 125 '' 'without a verdict' 'the machine switched off'
	vm -- sh -c 'echo b >/proc/sysrq-trigger; sleep 100'
	expect 125 '' 'without a verdict' 'the machine rebooted'
	vm -- sh -c 'kill -9 -1; exit 4'
	expect 4 '' '' 'every other process killed'
	vm -t 15 -- sleep 1000
	expect 124 '' 'still running after 15 seconds' 'a timeout'
}

test_options()
{
	vm -i -c 4 -- nproc
	expect 0 1 '' '-i'
	vm -c 3 -- nproc
	expect 0 3 '' '-c'
	vm -d xfs -- stat -f -c %T /scratch2
	expect 0 xfs '' '-d xfs'
	vm -d btrfs -- stat -f -c %T /scratch2
	expect 0 btrfs '' '-d btrfs'
	vm -a 'bindlink.selftest=1' -- \
		grep -o 'bindlink.selftest=1' /proc/cmdline
	expect 0 'bindlink.selftest=1' '' '-a'
	vm -l "$tmp/log" -- sh -c 'echo hello-log >/dev/kmsg'
	grep -q hello-log "$tmp/log"
	result $((status || $?)) '-l'
}

test_signal()
{
	local pid good=0 signal

	for signal in TERM INT KILL; do
		good=0
		# Or it would be taken for its output, and be killed too early.
		: >"$tmp/out"
		# Without job control, INT is ignored in the background.
		setsid env --default-signal=INT "$here/../vm.sh" -k "$kernel" \
			"${options[@]}" -- sh -c 'echo up; sleep 1000' \
			>"$tmp/out" 2>"$tmp/err" &
		pid=$!
		for _ in $(seq 600); do
			[ ! -s "$tmp/out" ] || break
			sleep 0.2
		done
		[ -s "$tmp/out" ] || good=1
		kill -s "$signal" "$pid"
		wait "$pid" 2>/dev/null
		status=$?
		[ "$status" -gt 128 ] || good=1
		sleep 2
		# The temporary directory's name is in QEMU's arguments.
		! pgrep -f "qemu-system.*$TMPDIR" >/dev/null || good=1
		if [ "$signal" = KILL ]; then
			rm -rf "${TMPDIR:?}"/*
		fi
		[ -z "$(ls -A "$TMPDIR")" ] || good=1
		result "$good" "SIG$signal leaves nothing behind"
	done
}

# A project like this one, but with a module that makes mistakes on demand.
make_trouble()
{
	[ ! -e "$tmp/project" ] || return 0
	mkdir -p "$tmp/project/kmod"
	ln -s "$here/.." "$tmp/project/selftests"
	cp "$here/trouble.c" "$tmp/project/kmod/"
	printf 'obj-m := bindlink.o\nbindlink-y := kmod/trouble.o\n' \
		>"$tmp/project/Kbuild"
	printf 'lib cli:\n\t@:\n' >"$tmp/project/Makefile"
}

trouble()
{
	"$tmp/project/selftests/vm.sh" -k "$kernel" -- sh -c '
		for trouble; do
			echo "$trouble" \
				>/sys/module/bindlink/parameters/trouble
		done' sh "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}

test_module()
{
	make_trouble
	trouble
	expect 0 '' '' 'a module without mistakes'
	trouble hold
	expect 0 '' '' 'a module in use'
	trouble refcount
	expect 99 '' 'refcount_t: addition on 0' 'a refcount mistake'
	trouble cache
	expect 99 '' 'bindlink_trouble.*Objects remaining' 'an object left behind'
	# The filesystem may well crash afterwards.
	trouble dentry
	expect '99|125' '' 'still in use \(' 'a leaked dentry'
	trouble null
	expect 125 '' 'NULL pointer dereference' 'an oops'
	[ "$kernel" = debug ] || return
	trouble leak
	expect 99 '' '0x[0-9a-f]+ trouble_leak \[bindlink\]' 'a memory leak'
	trouble leak hold
	expect 99 '' 'trouble_leak\+.*\[bindlink\]' \
		'a memory leak of a module in use'
	trouble use-after-free
	expect 99 '' 'KASAN: slab-use-after-free' 'a use after free'
	trouble deadlock
	expect 99 '' 'possible circular locking' 'a lock order mistake'
	trouble sleep
	expect 99 '' 'sleeping function called|scheduling while atomic' \
		'sleeping under a spin lock'
	trouble rcu
	expect 99 '' 'suspicious RCU usage' 'an RCU mistake'
	trouble bounds
	expect 99 '' 'UBSAN: array-index-out-of-bounds' 'an index out of bounds'
}

test_debug()
{
	[ "$kernel" = debug ] || return
	vm -- sh -c 'cd /sys/kernel/debug && ls -d kmemleak kunit failslab \
		fail_page_alloc fail_function && ls /proc/self/fail-nth \
		/proc/self/make-it-fail'
	expect 0 "fail_function
fail_page_alloc
failslab
kmemleak
kunit
/proc/self/fail-nth
/proc/self/make-it-fail" '' 'debugging features'
}

echo "KTAP version 1"
[ ${#tests[@]} -gt 0 ] ||
	tests=(basic tools reports options transfer signal debug module)
for kernel in "$@"; do
	for name in "${tests[@]}"; do
		"test_$name"
	done
done
echo "1..$count"
echo "# passed $((count - failed)), failed $failed"
[ "$failed" -eq 0 ]
exit

}
