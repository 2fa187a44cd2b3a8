#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Show bind links, with real commands in a virtual machine. Ends with an error
# if anything that it says does not hold.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1-}" != inside ]; then
	exec "$top/selftests/vm.sh" -k stock -- "$top/selftests/demo.sh" inside
fi

say()
{
	printf '\n# %s\n' "$*"
}

# Show a command and what it prints.
run()
{
	printf '$ %s\n' "$*"
	sh -c "$*" 2>&1
}

# A command of which the output is known.
expect()
{
	want=$1
	shift
	got=$(run "$*") || { printf '%s\n' "$got"; fail "$*"; }
	printf '%s\n' "$got"
	[ "$(printf '%s\n' "$got" | tail -n +2)" = "$want" ] || fail "$*"
}

fail()
{
	printf 'demo: "%s" did not give what it should\n' "$*" >&2
	exit 1
}

say "A directory with two animals, and another one with two others"
run "mkdir farm zoo; touch farm/Cat farm/Dog zoo/Cow zoo/Mouse"
expect "$(printf 'Cat\nDog')" "ls farm"

say "Make zoo appear at farm"
run "bindlinkctl create farm zoo"
expect "$(printf 'Cow\nMouse')" "ls farm"
run "bindlinkctl list"

say "What is made through the link is at the backing, and the other way round"
run "echo hello >farm/Letter; touch zoo/Goat"
expect "$(printf 'Cow\nGoat\nLetter\nMouse')" "ls farm"
expect hello "cat zoo/Letter"

say "A link is bound to the path: put another directory in zoo's place"
run "mkdir sea; touch sea/Whale; mv zoo old; mv sea zoo"
expect Whale "ls farm"

say "A file link whose backing is replaced by rename, as editors save"
run "echo original >config; echo one >real"
run "bindlinkctl create config real"
expect one "cat config"
run "echo two >real.new; mv real.new real"
expect two "cat config"
expect "$(stat -c '%i %d' real)" "stat -c '%i %d' config"
run "bindlinkctl resolve config"

say "A virtual path that does not exist, in a directory with other files"
run "mkdir barn; echo hay >barn/loft"
expect "" "bindlinkctl create barn/pen zoo"
expect "$(printf 'loft\npen')" "ls $PWD/barn"
expect Whale "ls $PWD/barn/pen"

say "A link inside of a link; what the outer one leads to does not change"
run "mkdir well; touch well/Water"
expect "" "bindlinkctl create farm/trough well"
expect "$(printf 'Whale\ntrough')" "ls farm"
expect Water "ls farm/trough"
expect Whale "ls zoo"
run "bindlinkctl list"

say "Remove them: the originals are back, unchanged"
run "bindlinkctl remove farm/trough barn/pen"
expect loft "ls $PWD/barn"
run "bindlinkctl remove farm config"
expect "$(printf 'Cat\nDog')" "ls farm"
expect original "cat config"
expect "" "bindlinkctl list"
if grep bindlink /proc/self/mountinfo; then
	fail "grep bindlink /proc/self/mountinfo"
fi
run "rmmod bindlink"

say "All of it held."
