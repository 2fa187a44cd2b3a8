# SPDX-License-Identifier: GPL-2.0
#
# Print what in a kernel log is a report of a bug, with context, and fail if
# there is any.

function report(line)
{
	if (line ~ /WARNING:|BUG:|BUG at |Oops|KASAN:|UBSAN:|refcount_t:/)
		return 1
	if (line ~ /general protection|Kernel panic|kernel BUG|stack-protector/)
		return 1
	if (line ~ /possible (circular|irq lock|recursive) lock/)
		return 1
	if (line ~ /inconsistent lock state|[Ss]uspicious RCU usage/)
		return 1
	if (line ~ /DEBUG_LOCKS_WARN_ON|bad unlock balance|lock held when return/)
		return 1
	if (line ~ /held lock freed|[Ii]nvalid wait context|nested lock was not/)
		return 1
	if (line ~ /sleeping function called|scheduling while atomic/)
		return 1
	if (line ~ /kmemleak: [0-9]+ new suspected/)
		return 1
	if (line ~ /soft lockup|hard LOCKUP|blocked for more than/)
		return 1
	if (line ~ /rcu.*(detected.*stall|self-detected)/)
		return 1
	if (line ~ /Busy inodes after unmount|VFS: Close: file count is/)
		return 1
	if (line ~ /still in use \(|[Oo]bjects remaining|VFS:.*leaked/)
		return 1
	if (line ~ /ODEBUG:|stack-out-of-bounds|list_(add|del) corruption/)
		return 1
	if (line ~ /Internal error|unable to handle|double fault|Bad page/)
		return 1
	if (line ~ /bindlink-vm: kernel messages were lost/)
		return 1
	return 0
}

BEGIN {
	before = 5
	after = 60
	most = 400
}

{
	if (report($0)) {
		if (!found++ || NR > until + before)
			print "..."
		for (i = NR - before; i < NR; i++)
			if (i > shown && (i % before) in last)
				emit(last[i % before], i)
		until = NR + after
	}
	if (NR <= until)
		emit($0, NR)
	last[NR % before] = $0
}

function emit(line, nr)
{
	shown = nr
	if (++lines == most)
		print "(cut short)"
	if (lines < most)
		print line
}

END {
	exit found ? 1 : 0
}
