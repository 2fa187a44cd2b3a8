# SPDX-License-Identifier: GPL-2.0
#
# make            module for the installed kernel headers, library, command
# make demo       show bind links in a virtual machine
# make check      all tests, on the stock and on the debug kernel
# make bench      instruction counts, beside bind mounts, overlayfs and FUSE;
#                 BENCH_WRITE=1 puts the results into docs/, BENCH_ROUNDS is for
#                 quicker or slower runs
# make bench-scale  what it costs when there are many links
# make bench-smp    what processors have in common, and how that scales
# make lint       sparse, checkpatch, cppcheck, clang-tidy, shellcheck, groff
# make install    DESTDIR, PREFIX and KVER are honoured; also uninstall
# make deps       the Debian packages that all this needs (root)

O ?= $(CURDIR)/build
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
BENCH_ROUNDS ?= 2000
BENCH_WRITE ?=

# The newest headers that are installed, or KVER.
KVER ?= $(patsubst /lib/modules/%/build,%,$(lastword $(shell \
	ls -d /lib/modules/*/build 2>/dev/null | sort -V)))
KDIR ?= /lib/modules/$(KVER)/build
MODDIR ?= /lib/modules/$(KVER)/updates

sources := Kbuild Kconfig kmod uapi

.PHONY: all kmod lib cli selftests demo check bench bench-scale bench-smp \
	bench-programs bench-deps lint deps ynl install uninstall clean \
	FORCE

all: kmod lib cli

# Built outside the sources, so that several kernels can be built for. The
# sources are copied by content, which keeps what is up to date.
kmod: $(O)/kmod/.synced
	$(MAKE) -C $(KDIR) M=$(O)/kmod CONFIG_BINDLINK=m modules

$(O)/kmod/.synced: FORCE
	@test -n "$(KVER)" || { echo "no kernel headers are installed; try: make deps" >&2; exit 1; }
	@mkdir -p $(O)/kmod
	@rsync -rl --checksum $(sources) $(O)/kmod/

lib:
	$(MAKE) -C lib O=$(O)/lib

cli: lib
	$(MAKE) -C cli O=$(O)/cli LIB_O=$(O)/lib

selftests: lib
	$(MAKE) -C selftests O=$(O)/selftests LIB_O=$(O)/lib

demo: deps
	selftests/demo.sh

check: deps
	selftests/check.sh

bench: bench-deps bench-programs
	@mkdir -p $(O)/bench
	selftests/vm.sh -k stock -i -m 1536 -t 1800 -- \
		env BINDLINK_BENCH=$(O)/selftests $(CURDIR)/selftests/bench.sh \
		-r -t 3 -n $(BENCH_ROUNDS) >$(O)/bench/costs
	selftests/bench.py -k "$$(selftests/vm/kernel.sh stock --release)" \
		-w $(if $(BENCH_WRITE),docs,$(O)/bench) $(O)/bench/costs

bench-scale: deps bench-programs
	selftests/vm.sh -k stock -i -m 4096 -t 1800 -- $(O)/selftests/bench_scale

# All of them, whatever the first says.
bench-smp: deps bench-programs
	@status=0; \
	for command in selftests/sharing.sh \
		"$(smp_time) -c 1 $(smp_rest)" \
		"$(smp_time) -c 2 $(smp_rest)" \
		"$(smp_time) -c 4 $(smp_rest)"; do \
		echo "$$command"; $$command || status=1; \
	done; exit $$status

smp_time := selftests/vm.sh -k stock -m 1536 -t 900
smp_rest = -- env BINDLINK_BENCH=$(O)/selftests BENCH_HOST_CPUS=$$(nproc) \
	$(CURDIR)/selftests/bench.sh -p native plain read-only merged

bench-programs:
	$(MAKE) -C selftests bench-programs O=$(O)/selftests LIB_O=$(O)/lib

bench-deps:
	@selftests/install-deps.sh bench

lint: deps
	selftests/lint.sh

deps:
	@selftests/install-deps.sh

# Generate what the YNL spec describes; KSRC is a kernel source tree.
ynl:
	uapi/generate.sh $(KSRC)

install: all
	install -D -m 644 $(O)/kmod/bindlink.ko $(DESTDIR)$(MODDIR)/bindlink.ko
	$(MAKE) -C lib install O=$(O)/lib PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	$(MAKE) -C cli install O=$(O)/cli LIB_O=$(O)/lib PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	install -D -m 644 docs/bindlink.7 $(DESTDIR)$(MANDIR)/man7/bindlink.7
	$(if $(DESTDIR),,depmod $(KVER))

uninstall:
	rm -f $(DESTDIR)$(MODDIR)/bindlink.ko
	$(MAKE) -C lib uninstall O=$(O)/lib PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	$(MAKE) -C cli uninstall O=$(O)/cli LIB_O=$(O)/lib PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	rm -f $(DESTDIR)$(MANDIR)/man7/bindlink.7
	$(if $(DESTDIR),,depmod $(KVER))

clean:
	rm -rf $(O)

FORCE:
