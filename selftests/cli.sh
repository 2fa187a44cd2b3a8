#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bindlinkctl as an administrator uses it: what it prints where, what it says
# when it is refused, and the exit status.

# shellcheck source=selftests/tap.sh
. "$(dirname "$0")/tap.sh"

plan 22
cd "$work" || exit 1
mkdir v b other
echo backing >b/x
echo file >f
echo other >g

# One line on stderr with the path in it, nothing on stdout.
refused()
{
	local path=$1

	shift
	try 1 bindlinkctl "$@"
	expect "$*: stdout" "" "$out"
	expect "$*: lines on stderr" 1 "$(wc -l <"$work/.err")"
	expect_match "$*: stderr names the path" "*$path*" "$err"
	# A path and a reason, not a number or a path alone.
	expect_match "$*: stderr has a reason" "*: *[a-z]*" "$err"
}

json()
{
	/usr/bin/python3 -m json.tool <<<"$1" >/dev/null ||
		fail "not JSON: $1"
}

begin AP3_usage
for args in "" "create" "create v" "create v b c" "create --nonsense v b" \
	"remove" "show" "show v b" "resolve" "nonsense" "--nonsense" \
	"list v" "monitor v" "create --attach" "create --attach nowhere v b" \
	"create --exception"; do
	# shellcheck disable=SC2086	# words they are
	try 2 bindlinkctl $args
	expect "bindlinkctl $args: stdout" "" "$out"
	[ -n "$err" ] || fail "bindlinkctl $args: nothing on stderr"
done
expect "no link was made" 0 "$(links)"

begin AP3_help
try 0 bindlinkctl --help
expect_match "help is on stdout" "*bindlinkctl*create*" "$out"
expect "nothing on stderr" "" "$err"
for command in create remove list show resolve monitor; do
	expect_match "help names $command" "*$command*" "$out"
	try 0 bindlinkctl "$command" --help
done

begin AP3_create_and_remove
try 0 bindlinkctl create "$work/v" "$work/b"
expect "silent" "" "$out$err"
expect "through the link" backing "$(cat v/x)"
try 0 bindlinkctl remove "$work/v"
expect "silent" "" "$out$err"
expect "the original" "" "$(ls v)"

begin AP3_remove_several
try 0 bindlinkctl create v b
try 0 bindlinkctl create other b
try 0 bindlinkctl create f g
expect "three links" 3 "$(links)"
try 0 bindlinkctl remove v other f
expect "no link" 0 "$(links)"

begin AP3_remove_several_one_of_them_no_link
try 0 bindlinkctl create v b
try 0 bindlinkctl create f g
try 1 bindlinkctl remove v "$work/none" f
expect_match "the one is named" "*$work/none*" "$err"
expect "the others are gone" 0 "$(links)"

begin CR6_relative_paths
try 0 bindlinkctl create ./v/ other/../b//
expect "through the link" backing "$(cat v/x)"
try 0 bindlinkctl list --json
expect_match "absolute in the list" "*\"$work/v\"*" "$out"
expect_match "absolute in the list" "*\"$work/b\"*" "$out"
try 0 bindlinkctl remove v/.

begin AP3_list_and_show
try 0 bindlinkctl list
expect "an empty list" "" "$out"
try 0 bindlinkctl list --json
json "$out"
expect "an empty list" "[]" "$(tr -d ' \n' <<<"$out")"
try 0 bindlinkctl create v b
try 0 bindlinkctl create f g
try 0 bindlinkctl list
expect_match "the link" "*$work/v*$work/b*" "$out"
expect_match "the other" "*$work/f*$work/g*" "$out"
try 0 bindlinkctl list --json
json "$out"
try 0 bindlinkctl show v
expect_match "the link" "*$work/v*$work/b*" "$out"
try 0 bindlinkctl show --json v
json "$out"
expect_match "the link" "*\"$work/v\"*" "$out"
try 0 bindlinkctl --json show v
json "$out"
try 0 bindlinkctl remove v f
refused "$work/v" show "$work/v"

begin AP3_show_tells_of_the_mount_point
try 0 bindlinkctl create v b
try 0 bindlinkctl show v
expect_match "that its name is busy" "*[Bb][Uu][Ss][Yy]*" "$out"
try 0 bindlinkctl remove v

begin AP3_resolve
try 0 bindlinkctl create v b
try 0 bindlinkctl resolve v/x
expect_match "the real path" "*$work/b/x*" "$out"
try 0 bindlinkctl resolve --json v/x
json "$out"
expect_match "the real path" "*\"$work/b/x\"*" "$out"
try 0 bindlinkctl resolve "$work/f"
expect_match "no link" "*$work/f*" "$out"
rm -r b
try 0 bindlinkctl resolve --json v
json "$out"
mkdir b
echo backing >b/x
try 0 bindlinkctl remove v

begin AP3_refusals
refused "$work/v" remove "$work/v"
refused "$work/none" create "$work/v" "$work/none"
refused "$work/none/v" create "$work/none/v" "$work/b"
refused / create / "$work/b"
refused "" create "" "$work/b"
refused "" create "$work/v" ""
refused "$work/v" create --attach path "$work/v" "$work/f"
refused "$work/f" create --attach path "$work/f" "$work/b"
refused "$work/none" create --attach path "$work/none" "$work/b"
refused /anchorless create /anchorless "$work/b"
refused "$work/f/x" create "$work/v" "$work/f/x"
refused "$work/none" resolve "$work/none/x"
try 0 bindlinkctl create v b
refused "$work/v" create "$work/v" "$work/b"
refused "$work/v/none/w" create "$work/v/none/w" "$work/other"
try 0 bindlinkctl create v/sub other
refused "$work/v" remove "$work/v"
expect "both are there" 2 "$(links)"
try 0 bindlinkctl remove v/sub
try 0 bindlinkctl remove v
expect "no link" 0 "$(links)"
expect "no mount" 0 "$(mounts)"

begin EX1_AP3_exceptions
refused "$work/v" create --exception "$work/v" "$work/v" "$work/b"
refused "$work/v" create --exception "$work/b" "$work/v" "$work/b"
mkdir v/keep v/also
refused "$work/v/none" create --exception v/keep --exception v/none v b
try 0 bindlinkctl create --read-only --exception v/keep --exception v/also v b
try 0 bindlinkctl show v
case $(bindlinkctl show v) in
*read-only*"$work/v/also"*"$work/v/keep"*) ;;
*) fail "show tells: $(bindlinkctl show v)" ;;
esac
try 0 bindlinkctl remove v
rmdir v/keep v/also

begin AP3_native
refused "$work/f" create --native --read-only "$work/f" "$work/g"
expect_match "why" "*read-only*native*" "$err"
refused "$work/v" create --native --merge "$work/v" "$work/b"
expect_match "why" "*merged*native*" "$err"
refused "$work/v/keep" create --native --exception "$work/v/keep" "$work/v" \
	"$work/b"
expect_match "why" "*native*exceptions*" "$err"
try 0 bindlinkctl create --native f g
try 0 bindlinkctl list
expect_match "that it is one" "*$work/f*$work/g*native*" "$out"
try 0 bindlinkctl list --json
json "$out"
expect_match "that it is one" '*"native"*' "$out"
try 0 bindlinkctl show f
expect_match "that it is one" "*native*" "$out"
try 0 bindlinkctl show --json f
json "$out"
expect_match "that it is one" '*"native"*' "$out"
expect "through the link" "$(cat g)" "$(cat f)"
try 0 bindlinkctl remove f

begin AP3_kinds_and_carriers_by_option
for option in --merge "--read-only --merge" "--attach path" "--attach auto" \
	--native; do
	# shellcheck disable=SC2086	# words they are
	try 0 bindlinkctl create $option v b
	try 0 bindlinkctl remove v
done
expect "no link" 0 "$(links)"

# By absolute paths: a shell that is in a directory already stays in the one
# below the tree.
begin AP3_carriers
try 0 bindlinkctl create "$work/anchorless" "$work/b"
expect "through the link" backing "$(cat "$work/anchorless/x")"
expect_match "in the listing of its parent" "*anchorless*" "$(ls "$work")"
try 0 bindlinkctl show anchorless
expect_match "what carries it" "*parent*" "$out"
[[ $out != *[Bb][Uu][Ss][Yy]* ]] || fail "its name is not busy: $out"
try 0 bindlinkctl create v f
[ -f "$work/v" ] || fail "not of the backing's kind"
try 0 bindlinkctl create f b
expect "of the backing's kind" backing "$(cat "$work/f/x")"
expect "links" 3 "$(links)"
expect "one mount for all" 1 "$(mounts)"
try 0 bindlinkctl list
expect_match "what carries it" "*parent*" "$out"
try 0 bindlinkctl list --json
json "$out"
expect_match "what carries it" '*"parent"*' "$out"
try 0 bindlinkctl remove anchorless v f
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"
[ ! -e "$work/anchorless" ] || fail "it is still there"
try 0 bindlinkctl create --attach parent v b
expect "through the link" backing "$(cat "$work/v/x")"
try 0 mv "$work/v" "$work/moved"
expect "renamed at the backing" backing "$(cat "$work/moved/x")"
[ ! -e "$work/b" ] || fail "the backing has its old name"
mv "$work/moved" "$work/b"
expect "through the link" backing "$(cat "$work/v/x")"
try 0 bindlinkctl remove v
expect "mounts" 0 "$(mounts)"

begin AP3_resolve_through_other_links
try 0 bindlinkctl create v other
try 0 bindlinkctl create other b
expect "through both" backing "$(cat v/x)"
try 0 bindlinkctl resolve v/x
expect_match "the real path" "*$work/b/x*" "$out"
try 0 bindlinkctl resolve --json v/x
json "$out"
expect_match "the links that were followed" \
	"*\"$work/v\"*\"$work/other\"*" "$out"
try 0 bindlinkctl show v
expect_match "the real path" "*$work/b*" "$out"
try 0 bindlinkctl create b v
try 0 bindlinkctl resolve v
expect_match "why it leads nowhere" "*symbolic links*" "$out$err"
try 0 bindlinkctl show v
try 0 bindlinkctl remove b
try 0 bindlinkctl remove other
try 0 bindlinkctl remove v
expect "mounts" 0 "$(mounts)"

begin AP3_errors_in_JSON
bindlinkctl --json create "$work/v" "$work/none" >out.json 2>err.json
expect "exit status" 1 $?
cat out.json err.json | grep -q . || fail "nothing is said"
if [ -s out.json ]; then
	json "$(cat out.json)"
elif grep -q '^[[{]' err.json; then
	json "$(cat err.json)"
fi

begin AP3_odd_names
odd=$'a "b" \\ \n\t\xff'
mkdir "v$odd" "b$odd"
echo odd >"b$odd/x"
try 0 bindlinkctl create "v$odd" "b$odd"
expect "through the link" odd "$(cat "v$odd/x")"
try 0 bindlinkctl list
expect "a header and one line for one link" 2 "$(wc -l <"$work/.out")"
bindlinkctl list --json | /usr/bin/python3 -c '
import json, sys
json.loads(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))' ||
	fail "not JSON: $(bindlinkctl list --json)"
bindlinkctl create "v$odd" "b$odd" 2>err
expect "lines on stderr" 1 "$(wc -l <err)"
try 0 bindlinkctl remove "v$odd"
mkdir -- -v
try 0 bindlinkctl create -- -v b
expect "through the link" backing "$(cat ./-v/x)"
try 0 bindlinkctl remove -- -v

begin AP3_monitor
bindlinkctl monitor --json >monitor.json 2>monitor.err &
monitor=$!
bindlinkctl monitor >monitor.txt 2>>monitor.err &
monitor2=$!
# It has begun when it says so of a link that comes and goes.
for _ in $(seq 100); do
	bindlinkctl create v b
	bindlinkctl remove v
	sleep 0.2
	[ -s monitor.json ] && [ -s monitor.txt ] && break
done
bindlinkctl create f g
umount f
for _ in $(seq 100); do
	[ "$(grep -c "$work/f" monitor.json)" -ge 2 ] &&
		[ "$(grep -c "$work/f" monitor.txt)" -ge 2 ] && break
	sleep 0.2
done
kill "$monitor" "$monitor2"
wait "$monitor" "$monitor2"
expect "errors" "" "$(cat monitor.err)"
expect_match "created and removed" "*$work/v*$work/v*$work/f*$work/f*" \
	"$(cat monitor.txt)"
/usr/bin/python3 -c '
import json, sys
n = 0
for line in open("monitor.json"):
    json.loads(line)
    n += 1
sys.exit(n < 4)' || fail "not a JSON value a line: $(cat monitor.json)"

begin AP3_output_that_cannot_be_written
try 0 bindlinkctl create v b
bindlinkctl list >/dev/full 2>err
status=$?
[ "$status" -eq 1 ] || fail "a full device: exit status $status"
bindlinkctl list --json >/dev/full 2>err
status=$?
[ "$status" -eq 1 ] || fail "a full device: exit status $status"
try 0 bindlinkctl remove v

begin CR1_RM1_unprivileged
try 0 bindlinkctl create v b
user()
{
	setpriv --reuid 1000 --regid 1000 --clear-groups -- \
		env PATH="$PATH" LD_LIBRARY_PATH="${LD_LIBRARY_PATH:-}" "$@"
}
for args in "create $work/other $work/b" "remove $work/v"; do
	# shellcheck disable=SC2086	# words they are
	user bindlinkctl $args >out 2>err
	expect "$args: exit status" 1 $?
	expect "$args: lines on stderr" 1 "$(wc -l <err)"
done
expect "the link is there" backing "$(cat v/x)"
try 0 bindlinkctl remove v

begin AP3_CR4_in_parallel
count=20
for i in $(seq $count); do
	mkdir "v$i"
done
seq $count | timeout 300 xargs -P 8 -I{} bindlinkctl create v{} b >err 2>&1 ||
	fail "create: $(cat err)"
expect "links" $count "$(links)"
expect "mounts" $count "$(mounts)"
seq $count | timeout 300 xargs -P 8 -I{} bindlinkctl remove v{} >err 2>&1 ||
	fail "remove: $(cat err)"
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"
# One path wanted by many: one gets it.
seq 16 | xargs -P 8 -I{} sh -c 'bindlinkctl create v b 2>>err2 && echo made' \
	>made
expect "one was made" 1 "$(wc -l <made)"
expect "and refused otherwise" 15 "$(wc -l <err2)"
expect "links" 1 "$(links)"
expect "mounts" 1 "$(mounts)"
seq 16 | xargs -P 8 -I{} sh -c 'bindlinkctl remove v 2>/dev/null && echo gone' \
	>gone
expect "one was removed" 1 "$(wc -l <gone)"
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"

begin AP3_version
try 0 bindlinkctl version
expect_match "a version" "*[0-9].[0-9]*" "$out"

finish
