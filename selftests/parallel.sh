#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# 200 links at once: made, used, listed and removed in parallel.

# shellcheck source=selftests/tap.sh
. "$(dirname "$0")/tap.sh"

plan 4
cd "$work" || exit 1
count=200
jobs=8
mkdir d
for i in $(seq "$count"); do
	mkdir "d/v$i" "d/b$i"
	echo "backing $i" >"d/b$i/x"
	echo "original $i" >"d/v$i/x"
done

# As try does, of a command for each number, which stands for {} in it.
try_each()
{
	seq "$count" | timeout 600 xargs -P "$jobs" -I{} "$@" >.each 2>&1 ||
		fail "$*: $(head -c 1000 .each)"
}

begin CR4_LT1_made_in_parallel
try_each bindlinkctl create d/v{} d/b{}
expect "links" "$count" "$(links)"
expect "mounts" "$count" "$(mounts)"
for i in $(seq "$count"); do
	read -r seen <"d/v$i/x"
	[ "$seen" = "backing $i" ] || fail "link $i shows '$seen'"
done

begin RM1_RM3_removed_in_parallel
try_each bindlinkctl remove d/v{}
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"
for i in $(seq "$count"); do
	read -r seen <"d/v$i/x"
	[ "$seen" = "original $i" ] || fail "original $i is not back"
done

begin CR9_made_and_removed_and_used_all_at_once
cat >one.sh <<'END'
i=$1
bindlinkctl create "d/v$i" "d/b$i" || exit 1
read -r seen <"d/v$i/x"
[ "$seen" = "backing $i" ] || exit 2
echo "new $i" >"d/v$i/new" || exit 3
bindlinkctl list >list.$i || exit 4
grep -q "d/v$i " list.$i || exit 5
bindlinkctl remove "d/v$i" || exit 6
read -r seen <"d/v$i/x"
[ "$seen" = "original $i" ] || exit 7
read -r seen <"d/b$i/new"
[ "$seen" = "new $i" ] || exit 8
END
count=$(scaled 200)
try_each sh one.sh {}
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"

begin CR4_one_path_wanted_by_many
mkdir v b
seq 40 | xargs -P "$jobs" -I{} sh -c \
	'bindlinkctl create v b 2>>err && echo made' >made
expect "one was made" 1 "$(wc -l <made)"
expect "and that often refused" 39 "$(grep -c . err)"
expect "links" 1 "$(links)"
expect "mounts" 1 "$(mounts)"
seq 40 | xargs -P "$jobs" -I{} sh -c \
	'bindlinkctl remove v 2>/dev/null && echo gone' >gone
expect "one was removed" 1 "$(wc -l <gone)"
expect "links" 0 "$(links)"
expect "mounts" 0 "$(mounts)"

finish
