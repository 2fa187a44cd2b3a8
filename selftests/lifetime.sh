#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How long links and the module last: umount and rmmod in every order, and what
# is left then.

# shellcheck source=selftests/tap.sh
. "$(dirname "$0")/tap.sh"

plan 15
ko=$(module)
cd "$work" || exit 1
mkdir v v2 b
echo backing >b/x
echo original >v/y
echo file >f
echo other >g

loaded()
{
	[ -d /sys/module/bindlink ]
}

# The module goes, and comes again for what follows.
reload()
{
	try 0 rmmod bindlink
	! loaded || fail "the module is still there"
	grep -qs bindlink /proc/filesystems && fail "the filesystem type is left"
	caches=$(ls -d /sys/kernel/slab/*bindlink* 2>/dev/null
		grep -s bindlink /proc/slabinfo)
	expect "caches" "" "$caches"
	loaded || try 0 insmod "$ko"
}

stays()
{
	try 1 rmmod bindlink
	expect_match "rmmod says that it is in use" "*in use*" "$err"
	loaded || fail "the module is gone"
}

# What is in use below a link is the tree's, until the module comes again: what is
# in a lane does not need the module.
laneless()
{
	echo 0 >/sys/module/bindlink/parameters/lanes
}

# Whether a walk to v has been in its lane.
laned()
{
	local _

	for _ in $(seq 100); do
		cat v/x >/dev/null
		awk -v v="$work/v" '$5 == v {
			for (i = 7; $i != "-"; i++)
				;
			if ($(i + 1) != "bindlink" && $(i + 2) == "bindlink")
				found = 1
		}
		END { exit !found }' /proc/self/mountinfo && return
		sleep 0.1
	done
	return 1
}

begin LT3_no_link
reload
expect "no link" 0 "$(links)"

begin LT3_a_link
try 0 bindlinkctl create v b
stays
expect "the link works" backing "$(cat v/x)"
try 0 bindlinkctl remove v
reload
expect "the original" original "$(cat v/y)"

begin LT3_two_links_one_after_the_other
try 0 bindlinkctl create v b
try 0 bindlinkctl create f g
stays
try 0 bindlinkctl remove v
stays
expect "the other link works" other "$(cat f)"
try 0 bindlinkctl remove f
reload

begin LT4_umount_and_rmmod
try 0 bindlinkctl create v b
try 0 bindlinkctl create f g
expect "two links" 2 "$(links)"
try 0 umount v
expect "one link" 1 "$(links)"
expect "the original" original "$(cat v/y)"
stays
try 0 umount f
expect "no link" 0 "$(links)"
reload

begin LT3_LT4_unmounted_lazily_with_a_file_open
laneless
try 0 bindlinkctl create v b
exec 7<v/x
try 32 umount v
expect_match "umount says that it is busy" "*busy*" "$err"
expect "the link is there" 1 "$(links)"
try 0 umount -l v
expect "the original" original "$(cat v/y)"
stays
expect "the open file goes on" backing "$(cat <&7)"
exec 7<&-
expect "no link" 0 "$(links)"
reload

begin LT3_RM4_removed_with_a_file_open
laneless
try 0 bindlinkctl create v b
exec 7<v/x
try 0 bindlinkctl remove v
expect "no link" 0 "$(links)"
expect "the original" original "$(cat v/y)"
stays
expect "the open file goes on" backing "$(cat <&7)"
exec 7<&-
reload

begin LT3_RM4_removed_with_a_file_open_in_a_lane
try 0 bindlinkctl create v b
laned || fail "there is no lane"
exec 7<v/x
try 32 umount v
expect "the link is there" 1 "$(links)"
try 0 bindlinkctl remove v
expect "no link" 0 "$(links)"
expect "the original" original "$(cat v/y)"
reload
expect "the open file goes on" backing "$(cat <&7)"
exec 7<&-

begin LT3_RM4_removed_with_a_working_directory
laneless
try 0 bindlinkctl create v b
mkdir b/d
(
	cd v/d || exit 1
	bindlinkctl remove "$work/v" || exit 2
	echo here >here
	[ "$(cat here)" = here ] || exit 3
	rmmod bindlink 2>/dev/null && exit 4
	exit 0
)
expect "in the working directory" 0 $?
expect "made at B" here "$(cat b/d/here)"
rm -r b/d
reload

begin LT3_RM4_removed_with_a_program_running
laneless
cp /bin/sleep b/sleep
try 0 bindlinkctl create v b
v/sleep 1000 &
pid=$!
for _ in $(seq 100); do
	[ "$(readlink "/proc/$pid/exe")" = "$work/v/sleep" ] && break
	sleep 0.1
done
try 0 bindlinkctl remove v
stays
kill -0 "$pid" || fail "the program is gone"
kill "$pid"
wait "$pid" 2>/dev/null
rm b/sleep
reload

begin LT3_a_monitor_does_not_hold_the_module
bindlinkctl monitor >events 2>&1 &
pid=$!
sleep 1
try 0 rmmod bindlink
kill "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
loaded || try 0 insmod "$ko"
try 0 bindlinkctl create v b
expect "a link can be made" backing "$(cat v/x)"
try 0 bindlinkctl remove v

# Links that are left when a namespace goes may take a moment to go with it.
settle()
{
	for _ in $(seq 100); do
		[ "$(links)" -eq "$1" ] && break
		sleep 0.1
	done
	expect "links" "$1" "$(links)"
}

begin LT1_survives_its_maker_and_its_namespace
try 0 mkdir shared
try 0 mount -t tmpfs tmpfs shared
try 0 mount --make-shared shared
mkdir shared/v shared/b
echo backing >shared/b/x
try 0 unshare --mount --propagation unchanged bindlinkctl create \
	"$work/shared/v" "$work/shared/b"
sleep 1
expect "mounted here" 1 "$(mounts)"
expect "through the link" backing "$(cat shared/v/x)"
# Followed anew, with nobody left of those who made it.
mv shared/b shared/old
mkdir shared/b
echo another >shared/b/x
expect "followed anew" another "$(cat shared/v/x)"
try 0 bindlinkctl remove shared/v
[ "$(mounts)" -eq 0 ] || umount -l shared/v
settle 0
try 0 umount shared
reload

begin LT1_LT2_made_in_a_private_namespace_that_goes
try 0 unshare --mount --propagation private sh -c \
	"bindlinkctl create '$work/v' '$work/b' && cat '$work/v/x'"
expect "through the link" backing "$out"
sleep 1
settle 1
expect "through the link here" backing "$(cat v/x)"
try 0 bindlinkctl remove v
settle 0
expect "the original" original "$(cat v/y)"
reload

begin RM5_backing_filesystem_can_be_unmounted
mkdir fs
try 0 mount -t tmpfs tmpfs fs
mkdir fs/b
echo there >fs/b/x
try 0 bindlinkctl create v fs/b
expect "through the link" there "$(cat v/x)"
ls -lR v >/dev/null
echo more >v/more
cat v/none 2>/dev/null
try 0 bindlinkctl remove v
try 0 umount fs
if [ -n "${BINDLINK_XFS:-}" ]; then
	# And one on a disk, mounted a second time.
	mkdir -p "$BINDLINK_XFS/lifetime.b"
	device=$(findmnt -n -o SOURCE "$BINDLINK_XFS")
	try 0 mount "$device" fs
	echo disk >fs/lifetime.b/x
	try 0 bindlinkctl create v fs/lifetime.b
	expect "through the link" disk "$(cat v/x)"
	try 0 bindlinkctl remove v
	try 0 umount fs
	rm -r "$BINDLINK_XFS/lifetime.b"
fi

begin RM5_the_module_pins_nothing_that_was_linked
try 0 mount -t tmpfs tmpfs fs
mkdir fs/b
for i in 1 2 3; do
	try 0 bindlinkctl create v fs/b
	echo "$i" >v/x
	try 0 umount -l v
done
expect "no link" 0 "$(links)"
try 0 umount fs
# The other way round: B goes first, lazily, with the link in place.
try 0 mount -t tmpfs tmpfs fs
mkdir fs/b
try 0 bindlinkctl create v fs/b
try 0 umount -l fs
cat v/x 2>/dev/null
try 0 bindlinkctl remove v
expect "the original" original "$(cat v/y)"
reload

begin LT3_loaded_and_removed_again_and_again
for _ in $(seq "$(scaled 10)"); do
	try 0 bindlinkctl create v b
	try 0 bindlinkctl remove v
	try 0 rmmod bindlink
	try 0 insmod "$ko"
done
try 0 bindlinkctl create v b
expect "through the link" backing "$(cat v/x)"
try 0 bindlinkctl remove v

finish
