#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run a command in a virtual machine with bindlink loaded.

# shellcheck disable=SC2054	# QEMU's options have commas

set -uo pipefail

# The braces make bash read all of the script before it runs any of it; a run
# may take long, and the script be edited meanwhile.
{

usage()
{
	cat <<'END'
usage: selftests/vm.sh [OPTION...] [--] [COMMAND [ARG...]]

Boots a kernel in QEMU and runs COMMAND there, as root, in /scratch, a fresh
ext4 filesystem.  bindlink is loaded, bindlinkctl is in PATH, and every file of
the host is there at the same path; what is written to those files stays in the
VM.  COMMAND's output and exit status become those of this script.  Without
COMMAND there is an interactive shell.  What has to be built is built first.

  -k stock|debug  the kernel: Debian's (the default), or one with KASAN,
                  lockdep, kmemleak, KUnit, fault injection and so on
  -t SECONDS      give up after so long (default 600; interactive: never)
  -m MIB          the VM's memory (default 1024; debug: 2048)
  -c CPUS         the VM's CPUs (default 2)
  -i              deterministic: -icount shift=0,sleep=off, one CPU, no KVM,
                  the same random numbers each time
  -d xfs|btrfs    a second scratch disk with that filesystem, at /scratch2
  -s MIB          the size of each scratch disk (default 2048)
  -a ARGS         more arguments for the kernel command line
  -l FILE         keep the kernel log in FILE
  -n              do not build and do not load bindlink
  -b              only build what is missing
  -h              this text

Exit status: COMMAND's if nothing went wrong, 128 + N if signal N killed it;
99 if COMMAND succeeded but the kernel log has a report, memory leaked, or the
module could not be removed; 124 after a timeout; 125 if the VM could not be
started or died; 126 or 127 if COMMAND could not be started.

Environment: BINDLINK_VM_ACCEL (kvm or tcg) overrides the choice that is
otherwise made by a trial boot; BINDLINK_VM_QEMU has more arguments for QEMU,
separated by white space; TMPDIR is where the scratch disks go.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bindlink

# What the build of this project produces, and how the VM finds it.
kmod_sources=(Kbuild Kconfig kmod uapi)
declare -A kmod_config=(
	[stock]="CONFIG_BINDLINK=m"
	[debug]="CONFIG_BINDLINK=m CONFIG_BINDLINK_KUNIT_TEST=m CC=gcc-12"
)
user_targets=(lib cli)
guest_path=$top/build/cli
guest_library_path=$top/build/lib

# What the initramfs needs of a kernel that has it as modules.
boot_modules=(virtio_pci virtio_blk virtio_console virtio_rng
	ext4 9p 9pnet_virtio overlay)

die()
{
	echo "vm.sh: $*" >&2
	exit 125
}

kernel=stock timeout='' memory='' cpus=2 icount='' second='' disk=2048
append='' log='' module=yes build_only=''
while getopts k:t:m:c:id:s:a:l:nbh option; do
	case $option in
	k)	kernel=$OPTARG ;;
	t)	timeout=$OPTARG ;;
	m)	memory=$OPTARG ;;
	c)	cpus=$OPTARG ;;
	i)	icount=yes ;;
	d)	second=$OPTARG ;;
	s)	disk=$OPTARG ;;
	a)	append=$OPTARG ;;
	l)	log=$OPTARG ;;
	n)	module='' ;;
	b)	build_only=yes ;;
	h)	usage; exit 0 ;;
	*)	usage >&2; exit 125 ;;
	esac
done
shift $((OPTIND - 1))

number()
{
	case $2 in
	''|*[!0-9]*|0*)	die "option $1 wants a positive number, not '$2'" ;;
	esac
}

case $kernel in
stock)	: "${memory:=1024}" ;;
debug)	: "${memory:=2048}" ;;
*)	die "no kernel '$kernel': stock or debug" ;;
esac
case $second in
''|xfs|btrfs) ;;
*)	die "no second disk with '$second': xfs or btrfs" ;;
esac
mode=run
[ $# -gt 0 ] || mode=shell
[ $mode = shell ] || : "${timeout:=600}"
[ -z "$timeout" ] || number -t "$timeout"
number -m "$memory"
number -c "$cpus"
number -s "$disk"
[ -z "$icount" ] || cpus=1
[ -z "$log" ] || : >"$log" || exit 125

for tool in qemu-system-x86_64 cpio mkfs.ext4 "${second:+mkfs.$second}" \
	modprobe rsync flock timeout setpriv; do
	[ -z "$tool" ] || command -v "$tool" >/dev/null ||
		die "$tool is missing; selftests/install-deps.sh installs it"
done

### Building

tmp='' qemu='' readers=()
# shellcheck disable=SC2317	# called by the trap
cleanup()
{
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null
	[ -z "$qemu" ] || wait "$qemu" 2>/dev/null
	[ ${#readers[@]} -eq 0 ] || kill "${readers[@]}" 2>/dev/null
	[ -z "$tmp" ] || rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
tmp=$(mktemp -d "${TMPDIR:-/tmp}/bindlink-vm.XXXXXX") || exit 125

release='' image='' kdir='' modules=''
while IFS='=' read -r name value; do
	case $name in
	release|image|kdir|modules)
		printf -v "$name" %s "$value"
		;;
	esac
done < <("$here/vm/kernel.sh" "$kernel" --all)
[ -n "$release" ] || die "there is no $kernel kernel"

# A module is built in a directory of its own for each kernel.  Sources that
# did not change keep their time there, so make has nothing to do for them.
build_module()
{
	local dir=$top/build/$kernel source key
	local sources=() config=()

	read -ra config <<<"${kmod_config[$kernel]}"
	for source in "${kmod_sources[@]}"; do
		[ ! -e "$top/$source" ] || sources+=("$source")
	done
	[ -e "$top/Kbuild" ] || die "there is no module to build; see -n"
	mkdir -p "$dir"
	(
		flock 9
		changes=$(cd "$top" && rsync -r --links --perms --checksum \
			--delete --itemize-changes \
			--exclude='*.o' --exclude='*.ko' --exclude='*.mod' \
			--exclude='*.mod.c' --exclude='.*.cmd' \
			--exclude='.*.d' --exclude='modules.order' \
			--exclude='Module.symvers' \
			"${sources[@]}" "$dir/") || exit 1
		key="$kdir ${config[*]} $(stat -Lc %Y "$kdir/Module.symvers")"
		if [ -n "$changes" ] ||
			[ "$(cat "$dir/built" 2>/dev/null)" != "$key" ]; then
			rm -f "$dir/built"
			make -C "$kdir" M="$dir" "${config[@]}" modules 9>&- \
				>"$dir/build.log" 2>&1 || {
				cat "$dir/build.log" >&2
				exit 1
			}
			echo "$key" >"$dir/built"
		fi
		# A copy, as the next build may come while the VM is running.
		cp "$dir/bindlink.ko" "$tmp/bindlink.ko"
	) 9>"$dir/lock" || die "cannot build the module for the $kernel kernel"
	module=$tmp/bindlink.ko
}

build_user()
{
	mkdir -p "$top/build"
	(
		flock 9
		make -s -C "$top" "${user_targets[@]}" 9>&- >&2
	) 9>"$top/build/lock" || die "cannot build the userspace part"
}

# The initramfs without what belongs to a single run.
initramfs=
build_initramfs()
{
	local key dir file line base names=()

	if [ -n "$modules" ]; then
		base=${modules%/lib/modules/*}
		while read -r line file _; do
			[ "$line" != insmod ] || names+=("$file")
		done < <(for name in "${boot_modules[@]}"; do
				modprobe -d "${base:-/}" -S "$release" \
					--show-depends "$name" ||
					echo "insmod missing-$name"
			done | awk '!seen[$0]++')
	fi
	key=$({
		cat "$here/vm/guest.c"
		[ ${#names[@]} -eq 0 ] ||
			stat -Lc '%n %s %Y' "${names[@]}" || exit 1
	} | sha256sum | cut -c 1-16) || die "modules are missing in $modules"
	dir=$cache/initramfs
	initramfs=$dir/$release-$key.cpio
	[ ! -e "$initramfs" ] || return
	mkdir -p "$dir"
	(
		flock 9
		[ ! -e "$initramfs" ] || exit 0
		work=$(mktemp -d "$dir/work.XXXXXX") || exit 1
		trap 'rm -rf "$work"' EXIT
		root=$work/root
		mkdir -p "$root/vm/modules"
		gcc-12 -static -s -O2 -Wall -o "$root/init" \
			"$here/vm/guest.c" || exit 1
		: >"$root/vm/modules/order"
		for file in "${names[@]}"; do
			line=${file##*/}
			case $line in
			*.xz)	line=${line%.xz}; xz -dc "$file" ;;
			*.zst)	line=${line%.zst}; zstd -dcq "$file" ;;
			*.gz)	line=${line%.gz}; gzip -dc "$file" ;;
			*)	cat "$file" ;;
			esac >"$work/module" || exit 1
			mv "$work/module" "$root/vm/modules/$line"
			echo "$line" >>"$root/vm/modules/order"
		done
		(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) \
			>"$work/cpio" || exit 1
		rm -f "$dir/$release"-*.cpio
		mv "$work/cpio" "$initramfs"
	) 9>"$dir/lock" || die "cannot make the initramfs"
}

[ -z "$module" ] || { build_user; build_module; }
build_initramfs

### Running

# The base and the files of this run, one after the other.  The arguments are
# settings, and after "--" the command.
make_initrd()
{
	mkdir "$tmp/root" "$tmp/root/vm"
	[ -z "$module" ] || cp "$module" "$tmp/root/vm/" || return
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		printf '%s\0' "$1" >>"$tmp/root/vm/config" || return
		shift
	done
	if [ $# -gt 1 ]; then
		shift
		printf '%s\0' "$@" >"$tmp/root/vm/args" || return
	fi
	(cd "$tmp/root" && find vm | cpio -o -H newc -R 0:0 --quiet) \
		>"$tmp/run.cpio" || return
	cat "$initramfs" "$tmp/run.cpio" >"$tmp/initrd" || return
	rm -rf "$tmp/root" "$tmp/run.cpio"
}

command_line="console=ttyS0 loglevel=5 panic=-1 oops=panic tsc=reliable"
# The host may be busy and the VM slow.
command_line+=" watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60"
case $kernel in
stock)
	command_line+=" log_buf_len=2M mitigations=off nokaslr"
	;;
debug)
	# Evaluating the ACPI tables' interrupt routing takes a debug kernel
	# minutes without KVM, and the devices use MSI anyway.
	command_line+=" acpi=noirq kasan_multi_shot"
	;;
esac

# The clock of an idle machine that counts does not wait for the host's disk.
# Names that come into one chain of the dcache by chance would count each time.
[ -z "$icount" ] ||
	command_line+=" sysctl.kernel.hung_task_timeout_secs=0 dhash_entries=4194304 ihash_entries=1048576"

qemu_base=(
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
	-serial "file:$tmp/serial"
	-device virtio-serial-pci,max_ports=8
)

# Each port is a file on the host.
port()
{
	qemu_ports+=(
		-chardev "file,id=$1,path=$2"
		-device "virtserialport,chardev=$1,name=bindlink.$1"
	)
}

# There are machines where /dev/kvm opens and yet a guest hangs or dies at
# once.  Only a trial can tell.
choose_accel()
{
	local key result

	case ${BINDLINK_VM_ACCEL:-} in
	kvm|tcg)	accel=$BINDLINK_VM_ACCEL; return ;;
	'')		;;
	*)		die "BINDLINK_VM_ACCEL is neither kvm nor tcg" ;;
	esac
	accel=tcg
	[ -z "$icount" ] || return
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return
	key=$({
		cat /proc/sys/kernel/random/boot_id
		grep -m 1 '^model name' /proc/cpuinfo
		qemu-system-x86_64 --version
	} | sha256sum | cut -c 1-16)
	result=$cache/accel-$key-$kernel
	if [ ! -e "$result" ]; then
		local qemu_ports=()
		make_initrd mode=trial || die "cannot write to $tmp"
		port verdict "$tmp/trial"
		timeout -k 2 20 "${qemu_base[@]}" -accel kvm -cpu host \
			-m 512 -kernel "$image" -initrd "$tmp/initrd" \
			-append "$command_line" "${qemu_ports[@]}" \
			</dev/null >/dev/null 2>&1 &
		qemu=$!
		wait "$qemu"
		qemu=
		if [ "$(cat "$tmp/trial" 2>/dev/null)" = alive ]; then
			accel=kvm
		fi
		echo "$accel" >"$result.$$" && mv "$result.$$" "$result"
		rm -f "$tmp/trial" "$tmp/serial" "$tmp/initrd"
	fi
	accel=$(cat "$result")
}

accel=
choose_accel
[ -z "$build_only" ] || exit 0

if [ "$accel" = kvm ]; then
	machine=(-accel kvm -cpu host)
elif [ -n "$icount" ]; then
	# Of a "rep movsb" each byte would count.
	machine=(-accel tcg,thread=single -cpu max,la57=off,erms=off
		-icount "shift=0,sleep=off" -seed 1)
else
	machine=(-accel tcg,thread=multi -cpu max,la57=off)
fi

# mkfs can leave what is zero alone, the file being new.
truncate -s "${disk}M" "$tmp/scratch" || die "cannot write to $tmp"
mkfs_options=(-E assume_storage_prezeroed=1)
# The order in directories comes from this.
[ -z "$icount" ] || mkfs_options=(-U 00000000-0000-4000-8000-000000000000
	-E "assume_storage_prezeroed=1,hash_seed=00000000-0000-4000-8000-000000000000")
mkfs.ext4 -q -F "${mkfs_options[@]}" "$tmp/scratch" >&2 ||
	die "cannot make the scratch filesystem"
disks=(-drive "file=$tmp/scratch,format=raw,if=none,id=scratch,cache=unsafe"
	-device virtio-blk-pci,drive=scratch)
if [ -n "$second" ]; then
	truncate -s "${disk}M" "$tmp/scratch2" || die "cannot write to $tmp"
	"mkfs.$second" -q "$tmp/scratch2" >&2 ||
		die "cannot make the second scratch filesystem"
	disks+=(-drive "file=$tmp/scratch2,format=raw,if=none,id=scratch2,cache=unsafe"
		-device virtio-blk-pci,drive=scratch2)
fi

make_initrd "mode=$mode" "second=$second" "module=$module" \
	"module_tree=$modules" "path=$guest_path" \
	"library_path=$guest_library_path" "term=${TERM:-}" -- "$@" ||
	die "cannot write to $tmp"

qemu_ports=()
port kmsg "$tmp/kmsg"
port verdict "$tmp/verdict"
if [ $mode = shell ]; then
	qemu_ports+=(-chardev stdio,id=shell,signal=off
		-device virtconsole,chardev=shell)
else
	touch "$tmp/out" "$tmp/err" || die "cannot write to $tmp"
	port out "$tmp/out"
	port err "$tmp/err"
fi

command=("${qemu_base[@]}" "${machine[@]}" -smp "$cpus" -m "$memory"
	-kernel "$image" -initrd "$tmp/initrd"
	-append "$command_line $append"
	-object rng-builtin,id=rng -device virtio-rng-pci,rng=rng
	-fsdev "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"
	-device virtio-9p-pci,fsdev=host,mount_tag=host
	"${disks[@]}" "${qemu_ports[@]}")

read -ra extra <<<"${BINDLINK_VM_QEMU:-}"
command+=("${extra[@]}")

# Not named pipes: QEMU would end without waiting for a slow reader.  If the
# reader goes away, the machine ends, as a writer does to a broken pipe.
follow()
{
	trap - EXIT HUP INT TERM
	tail -c +1 -f -s 0.1 --pid="$qemu" "$1" && return
	: >"$tmp/broken"
	kill "$qemu"
}

# QEMU's emulation, with a thread for each processor, may take the other
# processor through an instruction that the kernel is just patching: an "Oops:
# int3" where there is no breakpoint. Most of that is done while it boots, and
# nothing of ours is loaded then: boot again.
boot_failed()
{
	[ "$accel" = tcg ] && [ ! -s "$tmp/kmsg" ] && [ ! -s "$tmp/verdict" ] &&
		grep -qs 'Oops: int3' "$tmp/serial"
}

run_machine()
{
	setpriv --pdeathsig TERM \
		timeout --foreground -k 5 "$timeout" "${command[@]}" \
		</dev/null >"$tmp/qemu" 2>&1 &
	qemu=$!
	follow "$tmp/out" &
	readers=("$!")
	follow "$tmp/err" >&2 &
	readers+=("$!")
	wait "$qemu"
	result=$?
	qemu=
	wait "${readers[@]}"
	readers=()
}

# If this script is killed, the machine is to go too.
if [ $mode = shell ]; then
	setpriv --pdeathsig TERM "${command[@]}" 2>"$tmp/qemu"
	result=$?
else
	for _ in 1 2 3; do
		run_machine
		boot_failed || break
		echo "vm.sh: the emulator failed while the kernel booted, once more" >&2
	done
fi

### The verdict

touch "$tmp/kmsg" "$tmp/serial" "$tmp/verdict"
# Of what is on the console, only that is new which came after the copying of the
# log had stopped.
{
	cat "$tmp/kmsg"
	echo "--- console ---"
	tr -d '\r' <"$tmp/serial" |
		awk 'FILENAME != "-" { seen[$0]; next } !($0 in seen)' \
			"$tmp/kmsg" -
} >"$tmp/log"
[ -z "$log" ] || cp "$tmp/log" "$log"

verdict=0
complain()
{
	echo "vm.sh: $*" >&2
	verdict=1
}

value()
{
	sed -n "s/^$1: //p" "$tmp/verdict"
}

# Give names to the addresses of a module that was gone when the kernel printed
# them.
name_functions()
{
	[ -n "$module" ] || { cat; return; }
	awk '
	function number(hex,	i, n) {
		n = 0
		for (i = 1; i <= length(hex); i++)
			n = n * 16 + index("0123456789abcdef",
					   substr(hex, i, 1)) - 1
		return n
	}
	# All addresses of modules are alike in the upper half, and beyond the
	# precision of a number.
	function low(hex) {
		return number(substr(hex, length(hex) - 7))
	}
	FILENAME == "-" {
		if (match($0, / 0x[0-9a-f]+$/)) {
			at = low(substr($0, RSTART + 3))
			best = ""
			for (i = 1; i <= count; i++)
				if (start[i] <= at && at < start[i] + size[i])
					best = name[i]
			if (best != "")
				$0 = $0 " " best " [bindlink]"
		}
		print
		next
	}
	$1 == "section:" {
		base[$2] = low(substr($3, 3))
		next
	}
	# objdump -t: value, flags, section, size, name
	NF > 4 && $(NF - 2) in base && $(NF - 3) == "F" {
		name[++count] = $NF
		start[count] = base[$(NF - 2)] + low($1)
		size[count] = number($(NF - 1))
	}
	' "$tmp/verdict" <(objdump -t "$module") -
}

status=$(value status)
complete=
[ "$(tail -n 1 "$tmp/verdict")" != end ] || complete=yes
leaks=$(value leak | name_functions)
rmmod=$(value rmmod)

if awk -f "$here/vm/reports.awk" "$tmp/log" >"$tmp/reports"; then
	:
else
	complain "the kernel log has reports:"
	cat "$tmp/reports" >&2
fi
if [ -n "$leaks" ]; then
	complain "kmemleak reports:"
	printf '%s\n' "$leaks" >&2
fi
case $rmmod in
failed*)
	complain "rmmod $rmmod"
	;;
esac

if [ -e "$tmp/broken" ]; then
	echo "vm.sh: cannot write the command's output" >&2
	exit 141
elif [ "$result" -eq 124 ] || [ "$result" -eq 137 ]; then
	echo "vm.sh: the VM was still running after $timeout seconds" >&2
	[ "$verdict" -ne 0 ] || tail -n 20 "$tmp/log" >&2
	exit 124
elif [ "$mode" = run ] && [ -n "$complete" ] &&
	[ "$(value out) $(value err)" != \
		"$(stat -c %s "$tmp/out") $(stat -c %s "$tmp/err")" ]; then
	echo "vm.sh: output of the command was lost" >&2
	exit 125
elif [ "$result" -ne 0 ] || [ -z "$complete" ] || [ -z "$status" ]; then
	echo "vm.sh: the VM ended without a verdict" >&2
	cat "$tmp/qemu" >&2
	[ "$verdict" -ne 0 ] || tail -n 40 "$tmp/log" >&2
	exit 125
elif [ "$status" -ne 0 ]; then
	exit "$status"
elif [ "$verdict" -ne 0 ]; then
	exit 99
fi
exit 0

}
