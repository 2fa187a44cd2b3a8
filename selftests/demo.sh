#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Show bind links, with real commands in a virtual machine. Ends with an error
# if anything that it says does not hold.

set -eu
export LC_ALL=C

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

lines()
{
	printf '%s\n' "$@"
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

# A command that has to fail, and why it does.
refuse()
{
	why=$1
	shift
	if got=$(run "$*"); then
		printf '%s\n' "$got"
		fail "$*"
	fi
	printf '%s\n' "$got"
	case $got in
	*": $why")	;;
	*)	fail "$*" ;;
	esac
}

fail()
{
	printf 'demo: "%s" did not give what it should\n' "$*" >&2
	exit 1
}

say "A directory with two animals, and another one with two others"
run "mkdir farm zoo; touch farm/Cat farm/Dog zoo/Cow zoo/Mouse"
expect "$(lines Cat Dog)" "ls farm"

say "Make zoo appear at farm"
run "bindlinkctl create farm zoo"
expect "$(lines Cow Mouse)" "ls farm"
run "bindlinkctl list"

say "What is made through the link is at the backing, and the other way round"
run "echo hello >farm/Letter; touch zoo/Goat"
expect "$(lines Cow Goat Letter Mouse)" "ls farm"
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
expect "$(lines loft pen)" "ls $PWD/barn"
expect Whale "ls $PWD/barn/pen"

say "A link inside of a link; what the outer one leads to does not change"
run "mkdir well; touch well/Water"
expect "" "bindlinkctl create farm/trough well"
expect "$(lines Whale trough)" "ls farm"
expect Water "ls farm/trough"
expect Whale "ls zoo"
run "bindlinkctl list"

say "Remove them: the originals are back, unchanged"
run "bindlinkctl remove farm/trough barn/pen"
expect loft "ls $PWD/barn"
run "bindlinkctl remove farm config"
expect "$(lines Cat Dog)" "ls farm"
expect original "cat config"

say "Merged: the backing over what is there, instead of in its place"
run "mkdir -p home/barn home/yard pets/barn; touch home/barn/hay pets/barn/oats"
run "for i in home/Cat home/Dog pets/Cow pets/Mouse; do echo in \$i >\$i; done"
expect "" "bindlinkctl create --merge home pets"
expect "$(lines Cat Cow Dog Mouse barn yard)" "ls home"
expect "$(lines hay oats)" "ls home/barn"

say "What is new is made in the backing, with the directories on the way to it"
run "echo new >home/Goat; echo new >home/yard/Tree"
expect "$(lines Cow Goat Mouse barn yard)" "ls pets"
expect Tree "ls pets/yard"

say "What is the original's is changed there; nothing is copied"
run "echo changed >home/Dog"
expect "$(lines Cow Goat Mouse barn yard)" "ls pets"

say "Where both have a name the backing's is seen; without it, the original's"
run "echo masking >pets/Cat"
expect masking "cat home/Cat"
run "rm home/Cat"
expect "in home/Cat" "cat home/Cat"
expect "$(lines Cow Goat Mouse barn yard)" "ls pets"

say "Links inside of a merged link: one in its place, one merged once more"
run "mkdir loft; touch loft/Owl"
expect "" "bindlinkctl create home/nest loft"
expect "" "bindlinkctl create --merge home/barn loft"
expect "$(lines Cat Cow Dog Goat Mouse barn nest yard)" "ls home"
expect Owl "ls home/nest"
expect "$(lines Owl hay oats)" "ls home/barn"
expect oats "ls pets/barn"
run "bindlinkctl list"
expect "" "bindlinkctl remove home/barn home/nest"

say "Without the link there is the original, with what was changed of it"
expect "" "bindlinkctl remove home"
expect "$(lines Cat Dog barn yard)" "ls home"
expect changed "cat home/Dog"
expect "" "ls home/yard"

say "Read-only: what is in the backing cannot be changed through the link"
run "mkdir desk library; echo text >library/Book; chmod 644 library/Book"
expect "" "bindlinkctl create --read-only desk library"
expect "444 Book" "cd desk; stat -c '%a %n' Book"
refuse "Read-only file system" "echo scribble >desk/Book"
refuse "Read-only file system" "rm desk/Book"
refuse "Read-only file system" "touch desk/Note"

say "The backing itself is what it was, and its changes are seen at once"
run "echo 'second edition' >library/Book"
expect "second edition" "cat desk/Book"
expect "" "bindlinkctl remove desk"

say "Read-only and merged: the original's can be changed, the backing's cannot"
expect "" "bindlinkctl create --read-only --merge home pets"
run "echo 'changed again' >home/Dog"
expect "changed again" "cat home/Dog"
refuse "Read-only file system" "echo changed >home/Cow"
refuse "Read-only file system" "touch home/Hen"
expect "" "bindlinkctl remove home"

say "An exception stays the original; what is beside it is the backing's"
run "mkdir -p app/Foo_sub app/Bar_sub box/Baz_sub box/Qux_sub"
run "echo original >app/Foo_sub/data"
expect "" "bindlinkctl create --exception app/Foo_sub app box"
expect "$(lines Baz_sub Foo_sub Qux_sub)" "ls app"
expect original "cat app/Foo_sub/data"
run "echo changed >app/Foo_sub/data"
expect "$(lines Baz_sub Qux_sub)" "ls box"
expect "" "bindlinkctl remove app"
expect "$(lines Bar_sub Foo_sub)" "ls app"
expect changed "cat app/Foo_sub/data"

say "The way to a deeper one is there, and nothing is made in the backing for it"
run "mkdir -p app/etc/keep app/etc/hide; touch app/etc/keep/key app/etc/other"
expect "" "bindlinkctl create --read-only --exception app/etc/keep app box"
expect "$(lines Baz_sub Qux_sub etc)" "ls app"
expect keep "ls app/etc"
expect key "ls app/etc/keep"
run "touch app/etc/keep/lock"
refuse "Read-only file system" "touch app/etc/lock"
expect "$(lines Baz_sub Qux_sub)" "ls box"
expect "" "bindlinkctl remove app"
expect "$(lines key lock)" "ls app/etc/keep"

say "Without links nothing is left: no mount, and the module can be unloaded"
expect "" "bindlinkctl list"
if grep bindlink /proc/self/mountinfo; then
	fail "grep bindlink /proc/self/mountinfo"
fi
run "rmmod bindlink"

say "All of it held."
