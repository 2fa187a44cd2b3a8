#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What operations cost through links, and through what else there is.  To be run
# in the test VM, which counts instructions with -i:
#
#	selftests/vm.sh -k stock -i -m 1536 -- $PWD/selftests/bench.sh

set -eu

# The names of all, in the order of the table.
all=(native symlink bind
	overlay-lower overlay-merged overlay-merged-orig overlay-merged-only
	bindfs mergerfs
	plain parent chained file-native
	read-only exception nested sibling file
	merged merged-orig merged-only merged-ro)

usage()
{
	cat <<'END'
usage: selftests/bench.sh [OPTION...] [TARGET...]

Prints how many instructions each operation takes, in each TARGET (default: all),
and as a multiple of native.

  -n ROUNDS     so many stats in each of three parts; the other operations as
                many as take a similar time (default: BENCH_ROUNDS, or 2000)
  -t TIMES      go through all targets so many times, and take the cheapest
                (default: 1)
  -o OPERATION  only this one
  -r            print lines "TARGET OPERATION COST" instead of a table, of each
                time one
  -m            do one operation ROUNDS times for selftests/profile.sh
  -p            with a process on each processor, at once; not with -i;
                BENCH_HOST_CPUS is how many there are really
  -w            the same for selftests/sharing.sh
  -h            this text

Targets:
END
	sed -n 's/^setup_\([a-z-]*\)()	# /\1	/p' "$0" | expand -t 22 | sed 's/^/  /'
	echo
	echo "Operations: stat1 stat4 stat8 enoent4 fstat access open open-first"
	echo "open-read pread pwrite readdir create rename cold8"
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bench=${BINDLINK_BENCH:-$here/../build/selftests}/bench
rounds=${BENCH_ROUNDS:-2000} only=() passes=1 what=table
while getopts n:o:t:rmpwh option; do
	case $option in
	n)	rounds=$OPTARG ;;
	o)	only=(-o "$OPTARG") ;;
	t)	passes=$OPTARG ;;
	r)	what=raw ;;
	m)	what=mark ;;
	p)	what=parallel ;;
	w)	what=sharing ;;
	h)	usage; exit 0 ;;
	*)	usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- "${all[@]}"
if ! [ -x "$bench" ] || ! [ -x "${bench}_smp" ]; then
	echo "$bench is missing; make bench-programs builds it" >&2
	exit 1
fi

# Programs on the disk that is measured, so that reading them disturbs nothing.
cp "$bench" /scratch/bench
cp "${bench}_smp" /scratch/bench_smp
bench=/scratch/bench

# What is measured is the directory $root, /scratch/tNN; what else a target needs
# is in $aside.  Contents begin with a tag, by which it is seen whether the right
# thing is measured: what is covered by a link is "cover".
n=0
declare -A roots=() tags=() options=() done_setup=()
undo=()
place()		# TARGET [OPTIONS]
{
	root=/scratch/t$(printf %02d $n)
	aside=/scratch/x$(printf %02d $n)
	n=$((n + 1))
	mkdir "$root" "$aside"
	known "$1" back "${2:-}"
}

known()		# TARGET TAG OPTIONS
{
	roots[$1]=$root
	tags[$1]=$2
	options[$1]=$3
	done_setup[$1]=yes
}

# What most of them show.
backing=/scratch/t00

fill()
{
	"$bench" fill "$@"
}

# The two sides of what is merged: some names are in both, those that begin with
# "o" are only in the original.
fill_upper()
{
	fill -e 500-1000 back "$1"
}

fill_lower()
{
	fill -f orig -e 0-500 -m orig "$1"
	fill -f orig -d o -l olst orig "$1"
}

# The directory is in both, and the names for -orig and -only are measured in the
# same one.
known_merged()	# TARGET
{
	known "$1-orig" orig "-f orig"
	known "$1-only" orig "-f orig -d o -l olst"
}

link()
{
	bindlinkctl create "$@"
	undo=("bindlinkctl remove ${*: -2:1}" "${undo[@]}")
}

# Until the lane of a link that is left alone is there.
lane()		# VIRTUAL
{
	local try

	[ "$(cat /sys/module/bindlink/parameters/lanes)" != 0 ] || return 0
	for ((try = 0; try < 100; try++)); do
		stat "$1" >/dev/null
		grep " $1 .* - [^ ]* bindlink " /proc/self/mountinfo |
			grep -qv " - bindlink " && return 0
		sleep 0.1
	done
	echo "bench.sh: $1 has no lane" >&2
	return 1
}

mounted()
{
	undo=("umount $1" "${undo[@]}")
}

overlay()	# LOWER
{
	mkdir -p "$aside/upper" "$aside/work"
	mount -t overlay -o \
		"lowerdir=$1,upperdir=$aside/upper,workdir=$aside/work" \
		overlay "$root"
	mounted "$root"
}

setup_native()	# a directory of ext4
{
	place native
	fill back "$root"
}

setup_symlink()	# a symbolic link to that
{
	place symlink
	rmdir "$root"
	ln -s "$backing" "$root"
}

setup_bind()	# mount --bind
{
	place bind
	mount --bind "$backing" "$root"
	mounted "$root"
}

setup_overlay-lower()	# overlayfs, the files in its lower directory
{
	place overlay-lower
	fill back "$aside/lower"
	overlay "$aside/lower"
}

setup_overlay-merged()	# overlayfs, directories in both, files in the upper
{
	place overlay-merged
	fill_upper "$aside/upper"
	fill_lower "$aside/lower"
	overlay "$aside/lower"
	known_merged overlay-merged
}

setup_overlay-merged-orig()	# the same, files in the lower
{
	setup_overlay-merged
}

setup_overlay-merged-only()	# the same, directories in the lower only, too
{
	setup_overlay-merged
}

setup_bindfs()	# bindfs
{
	place bindfs
	modprobe -q fuse || :
	bindfs "$backing" "$root"
	mounted "$root"
}

setup_mergerfs()	# mergerfs, of two directories
{
	place mergerfs
	fill_upper "$aside/upper"
	fill_lower "$aside/lower"
	modprobe -q fuse || :
	# The disk is smaller than what it wants to keep free.
	mergerfs -o minfreespace=0 "$aside/upper:$aside/lower" "$root"
	mounted "$root"
}

setup_plain()	# a link, on a directory that exists
{
	place plain
	fill cover "$root"
	link "$root" "$backing"
	lane "$root"
}

# As deep as the others: the parent of those cannot carry one of these alone.
parent()
{
	parent=/parent$n
	mkdir "$parent"
	mount --bind "$aside" "$parent"
	mounted "$parent"
	root=$parent/root
	roots[$1]=$root
}

setup_parent()	# a link that is carried by its parent
{
	place parent
	parent parent
	fill cover "$root"
	link --attach parent "$root" "$backing"
	lane "$root"
}

setup_sibling()	# a directory in a parent that carries a link
{
	place sibling
	parent sibling
	fill back "$root"
	link --attach parent "$parent/link" "$backing"
}

setup_chained()	# a link to a path inside of another link
{
	place chained
	mkdir "$aside/real" "$aside/mid"
	fill back "$aside/real/root"
	fill cover "$root"
	link "$aside/mid" "$aside/real"
	link "$root" "$aside/mid/root"
	lane "$root"
}

setup_read-only()	# a read-only link
{
	place read-only -r
	fill cover "$root"
	link --read-only "$root" "$backing"
}

setup_exception()	# a link with an exception, two directories below
{
	place exception
	fill cover "$root"
	mkdir "$root/d/d/exc"
	link --exception "$root/d/d/exc" "$root" "$backing"
}

setup_nested()	# a link with another one two directories below
{
	place nested
	fill cover "$root"
	link "$root" "$backing"
	link "$root/d/d/nest" "$aside"
}

files()		# OPTION...
{
	local file

	for file in file wfile; do
		touch "$root/$file"
		link "$@" "$root/$file" "$backing/$file"
	done
}

setup_file()	# links to files
{
	place file -1
	files
}

setup_file-native()	# the same, with lanes
{
	place file-native -1
	files --native
	lane "$root/file"
	lane "$root/wfile"
}

merged()	# OPTION...
{
	fill_upper "$aside/upper"
	fill_lower "$root"
	link --merge "$@" "$root" "$aside/upper"
}

setup_merged()	# a merged link, directories in both, files in the backing
{
	place merged
	merged
	known_merged merged
}

setup_merged-orig()	# the same, files in the original
{
	setup_merged
}

setup_merged-only()	# the same, directories in the original only, too
{
	setup_merged
}

setup_merged-ro()	# a merged link that is read-only
{
	place merged-ro -r
	merged --read-only
}

cleanup()
{
	local command

	for command in "${undo[@]}"; do
		$command || echo "bench.sh: $command failed" >&2
	done
}

run()	# COMMAND TARGET
{
	# shellcheck disable=SC2086	# options are several words
	"$bench" "$1" -n "$rounds" "${only[@]}" ${options[$2]} \
		"${tags[$2]}" "${roots[$2]}"
}

for target; do
	[ "$(type -t "setup_$target")" = function ] || {
		echo "bench.sh: no target '$target'; see -h" >&2
		exit 2
	}
done
trap cleanup EXIT
setup_native
for target; do
	[ -n "${done_setup[$target]:-}" ] || "setup_$target"
done

if [ $what = mark ]; then
	for target; do
		run mark "$target"
	done
	cat /proc/kallsyms
	exit
fi
if [ $what = parallel ] || [ $what = sharing ]; then
	jobs=$(nproc)
	pairs=()
	for target in native "$@"; do
		# A directory for each process, where there is none that is
		# native's.
		root=${roots[$target]}
		[ ! -e "$root/p0" ] || continue
		for ((job = 0; job < jobs; job++)); do
			fill -d "p$job" -e 0-0 -l d "${tags[$target]}" "$root"
		done
	done
	for target; do
		pairs+=("$target=${roots[$target]}")
	done
	sync
	if [ $what = parallel ]; then
		/scratch/bench_smp time -c "${BENCH_HOST_CPUS:-16}" \
			-j "$jobs" "${pairs[@]}"
		exit
	fi
	for operation in stat open; do
		for where in same own; do
			for pair in "${pairs[@]}"; do
				/scratch/bench_smp mark -j "$jobs" \
					-n "$rounds" -o $operation \
					-w $where "$pair"
			done
		done
	done
	cat /proc/kallsyms
	exit
fi
grep -qs TCG /proc/cpuinfo || echo "bench.sh: not a counting machine" >&2
# Nothing else runs meanwhile.
result=$(mktemp /scratch/result.XXXXXX)
for ((pass = 1; pass <= passes; pass++)); do
	for target; do
		run run "$target" >"$result.one"
		sed "s/^/$target /" "$result.one" >>"$result"
		echo "bench.sh: $pass: $target" >&2
	done
done
case $what in
table)	python3 "$here/bench.py" -q "$result" ;;
raw)	cat "$result" ;;
esac
