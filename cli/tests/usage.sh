#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# AP3, CR6, CR10: what bindlinkctl makes of its command line, and how it tells
# errors. Needs neither the kernel module nor privilege. Prints TAP.
#
# usage: usage.sh BINDLINKCTL

set -u
ctl=$(realpath "${1:?usage: usage.sh BINDLINKCTL}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir d1 d2
ln -s ../d2 d1/up

count=0
failures=0

result()
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		sed 's/^/# stdout: /' out
		sed 's/^/# stderr: /' err
		failures=$((failures + 1))
	fi
}

# run STATUS ARGUMENT...: whether the status is the one that is wanted
run()
{
	local wanted=$1 status
	shift
	timeout 10 "$ctl" "$@" >out 2>err </dev/null
	status=$?
	[ $status = "$wanted" ] || echo "# status $status, wanted $wanted"
	[ $status = "$wanted" ]
}

# All of standard error is one line that ends, and there is nothing else.
one_line()
{
	[ ! -s out ] && [ "$(wc -l <err)" = 1 ] &&
		[ "$(tail -c 1 err | od -An -c | tr -d ' ')" = '\n' ]
}

# usage_error NAME ARGUMENT...
usage_error()
{
	local name=$1
	shift
	run 2 "$@" && one_line && grep -q '^bindlinkctl: ' err
	result $? "usage: $name"
}

# says NAME PATTERN ARGUMENT...: fails with one line that matches
says()
{
	local name=$1 pattern=$2
	shift 2
	run 1 "$@" && one_line && grep -q -- "$pattern" err
	result $? "$name"
}

echo "TAP version 13"

run 2 && [ ! -s out ] && grep -q '^Usage: ' err
result $? "no arguments"
run 0 --help && [ ! -s err ] && grep -q '^Usage: ' out
result $? "--help"
run 0 help && [ ! -s err ] && grep -q '^Usage: ' out
result $? "help"
run 0 create --help && [ ! -s err ] && grep -q '^Usage: ' out
result $? "create --help"
run 0 list --help && [ ! -s err ] && grep -q '^Usage: ' out
result $? "list --help"
run 0 --version && [ ! -s err ] &&
	grep -qx 'bindlinkctl [0-9][0-9.]*' out
result $? "--version"
run 0 version && [ ! -s err ] && grep -qx 'bindlinkctl [0-9][0-9.]*' out
result $? "version"

usage_error "unknown command" frobnicate
usage_error "unknown command with a newline" $'frob\nnicate'
usage_error "unknown option before the command" --frobnicate list
usage_error "unknown short option before the command" -x list
usage_error "unknown option" list --frobnicate
usage_error "unknown option with a newline" list $'--frob\nnicate'
usage_error "unknown short option" list -x
usage_error "option of another command" list --merge
usage_error "help with an argument" help create
usage_error "create without paths" create
usage_error "create with one path" create /v
usage_error "create with three paths" create /v /b /c
usage_error "--exception without a path" create /v /b --exception
usage_error "--read-only with an argument" create --read-only=yes /v /b
usage_error "--attach with a strange argument" create --attach lane /v /b
usage_error "--attach without an argument" create /v /b --attach
usage_error "remove without a path" remove
usage_error "list with a path" list /v
usage_error "show without a path" show
usage_error "show with two paths" show /v /w
usage_error "resolve without a path" resolve
usage_error "resolve with two paths" resolve /v /w
usage_error "monitor with a path" monitor /v

# Paths, which are looked at before the kernel is asked.
says "empty virtual path" 'the path is empty (ENOENT: ' create '' /b
says "empty backing path" '^bindlinkctl: /v: backing path: the path is empty' \
	create /v ''
says "empty exception" '/v: exception: the path is empty' \
	create /v /b --exception ''
says "no directory before .." \
	'^bindlinkctl: gone/../v: .*(ENOENT: No such file' create gone/../v /b
says "backing path that is a file with a slash" '(ENOTDIR: Not a dir' \
	create /v "$ctl/"
says "path that is too long" '^bindlinkctl: /xxx*\.\.\.: .*(ENAMETOOLONG: ' \
	create "/$(printf 'x%.0s' {1..5000})" /b
says "name that is too long" '^bindlinkctl: /xxx*\.\.\.: .*(ENAMETOOLONG: ' \
	create "/$(printf 'x%.0s' {1..256})" /b
says "options after the paths" '/v: backing path' create /v '' --read-only \
	--merge --exception /v/x --attach parent
says "options between the paths" '/v: backing path' create --attach=path /v \
	--read-only ''
says "end of options" '^bindlinkctl: --v/../v: ' create -- --v/../v /b

# What the kernel says about these depends on who asks, and whether there is a
# module; but it is one line and names the path.
says "relative path" "^bindlinkctl: $dir/v: " show v
says "relative path with .." "^bindlinkctl: $dir/v: " show d1/up/../v
says "path with a slash at its end" "^bindlinkctl: $dir/v: " show v//
says "control characters" '^bindlinkctl: /a\\012b\\033c\\\\d e: ' \
	show $'/a\nb\ec\\d e'
says "C1 control character" '^bindlinkctl: /\\302\\233: ' show $'/\u9b'
says "UTF-8" '^bindlinkctl: /äö€😀: ' show /äö€😀
says "no UTF-8" '^bindlinkctl: /\\377\\300\\200\\355\\240\\200x: ' \
	show $'/\xff\xc0\x80\xed\xa0\x80x'
says "JSON in an error" '^{"error":{"errno":"E[A-Z]*","number":[0-9]*,"path":"v"' \
	--json show v
says "JSON after the path" '^{"error":{' show v --json
says "JSON escapes" '"path":"/a\\u000a\\"\\\\\\u007f\\udcff/é"' \
	show --json $'/a\n"\\\x7f\xff/é'

run 1 remove /nothing/1 /nothing/2 && [ ! -s out ] &&
	[ "$(grep -c '^bindlinkctl: /nothing/[12]: ' err)" = 2 ]
result $? "remove goes on after a failure"

if command -v python3 >/dev/null; then
	run 1 --json show $'/a\n"\xff\xc3\xa9\x80'
	python3 - err <<-'END'
		import json, os, sys
		error = json.load(open(sys.argv[1], encoding="utf-8"))["error"]
		path = os.fsencode(error["path"])
		sys.exit(path != b'/a\n"\xff\xc3\xa9\x80')
	END
	result $? "JSON gives the bytes of a path back"
else
	count=$((count + 1))
	echo "ok $count - JSON gives the bytes of a path back # SKIP no python3"
fi

# Output that cannot be written.
"$ctl" --help >/dev/full 2>err
[ $? = 1 ] && grep -q 'ENOSPC' err
result $? "standard output is full"
"$ctl" --help >&- 2>err
[ $? = 1 ] && grep -q 'EBADF' err
result $? "standard output is closed"
"$ctl" show /v 2>&- >out
[ $? = 1 ]
result $? "standard error is closed"

echo "1..$count"
[ $failures = 0 ]
