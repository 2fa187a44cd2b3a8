// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU that counts what the guest does between two marks: which
 * instructions are executed, and which cache lines are written and read by
 * which processor.
 *
 * Marks are no-operations that the benchmarks have in their code, see mark.h.
 * Nothing is instrumented before the first of them, so that booting
 * takes no longer than usual; who is to be counted has to go through the code
 * once after that, as it is translated anew.
 *
 * Arguments: out=FILE, and memory=on for cache lines instead of instructions.
 * QEMU has to emulate all processors in one thread.
 *
 * FILE has, for each MARK_DUMP, a line "run", lines "insn ADDRESS COUNT", and lines
 * "store|load ADDRESS CPU LINE VIRTUAL COUNT", where LINE is the physical address
 * of 64 bytes, VIRTUAL that at which they were first seen, and ADDRESS that of
 * the instruction.  Those of user space have address 0.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"

/*
 * What is used of version 1 of the interface, which is documented as "QEMU TCG
 * Plugins".  Debian has no package with the header.
 */
#define EXPORT		__attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_info;

enum { CB_NO_REGS = 0 };
enum { MEM_READ = 1, MEM_WRITE = 2, MEM_BOTH = 3 };

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info,
			       int argc, char **argv);

void qemu_plugin_reset(uint64_t id, void (*done)(uint64_t id));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
		void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
		void (*cb)(unsigned int cpu, void *data), int flags,
		void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
		void (*cb)(unsigned int cpu, void *data), int flags,
		void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
		void (*cb)(unsigned int cpu, uint32_t info, uint64_t vaddr,
			   void *data),
		int flags, int rw, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info,
						  uint64_t vaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *addr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *addr);

#define KERNEL	0xffff800000000000ULL

/* A block of instructions that are executed one after the other. */
struct block {
	struct block *next;
	uint64_t count;
	size_t n;
	uint64_t address[];
};

/* Accesses of one instruction to one line. */
struct access {
	uint64_t address, line, seen, count;
	unsigned int cpu;
	bool store;
};

static uint64_t plugin;
static const char *out_name;
static bool memory, instrumented, active;
static struct block *blocks;
static struct access *accesses;
static size_t access_room, access_count;

static void __attribute__((noreturn)) fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t kernel_only(uint64_t address)
{
	return address >= KERNEL ? address : 0;
}

/*
 * Accesses: a hash table with linear probing
 */

static size_t access_hash(uint64_t address, uint64_t line, unsigned int what)
{
	uint64_t hash = address * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ line ^ what) * 0xff51afd7ed558ccdULL;
	return hash ^ hash >> 32;
}

static struct access *access_find(uint64_t address, uint64_t line,
				  unsigned int cpu, bool store)
{
	size_t i = access_hash(address, line, 2 * cpu + store);
	struct access *a;

	for (;; i++) {
		a = &accesses[i & (access_room - 1)];
		if (!a->count)
			return a;
		if (a->address == address && a->line == line &&
		    a->cpu == cpu && a->store == store)
			return a;
	}
}

static void access_grow(void)
{
	struct access *old = accesses;
	size_t room = access_room, i;

	access_room = room ? 2 * room : 65536;
	accesses = calloc(access_room, sizeof(*accesses));
	if (!accesses)
		fail("calloc");
	for (i = 0; i < room; i++)
		if (old[i].count)
			*access_find(old[i].address, old[i].line, old[i].cpu,
				     old[i].store) = old[i];
	free(old);
}

static void on_memory(unsigned int cpu, uint32_t info, uint64_t vaddr,
		      void *data)
{
	const struct qemu_plugin_hwaddr *place;
	bool store = qemu_plugin_mem_is_store(info);
	uint64_t address = (uintptr_t)data, line;
	struct access *a;

	if (!active)
		return;
	place = qemu_plugin_get_hwaddr(info, vaddr);
	if (!place || qemu_plugin_hwaddr_is_io(place))
		return;
	line = qemu_plugin_hwaddr_phys_addr(place) & ~63ULL;
	if (2 * access_count >= access_room)
		access_grow();
	a = access_find(address, line, cpu, store);
	if (!a->count++) {
		a->address = address;
		a->line = line;
		a->seen = vaddr;
		a->cpu = cpu;
		a->store = store;
		access_count++;
	}
}

/*
 * Instructions
 */

static void on_block(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	if (active)
		block->count++;
}

static void clear(void)
{
	struct block *block;

	for (block = blocks; block; block = block->next)
		block->count = 0;
	if (accesses)
		memset(accesses, 0, access_room * sizeof(*accesses));
	access_count = 0;
}

static void dump(void)
{
	FILE *out = fopen(out_name, "a");
	struct block *block;
	size_t i;

	if (!out)
		fail(out_name);
	fprintf(out, "run\n");
	for (block = blocks; block; block = block->next)
		for (i = 0; block->count && i < block->n; i++)
			fprintf(out, "insn %" PRIx64 " %" PRIu64 "\n",
				kernel_only(block->address[i]), block->count);
	for (i = 0; i < access_room; i++) {
		const struct access *a = &accesses[i];

		if (a->count)
			fprintf(out, "%s %" PRIx64 " %u %" PRIx64 " %" PRIx64
				" %" PRIu64 "\n", a->store ? "store" : "load",
				kernel_only(a->address), a->cpu, a->line,
				a->seen, a->count);
	}
	if (fclose(out))
		fail(out_name);
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb);

static void on_reset(uint64_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

static void on_mark(unsigned int cpu, void *data)
{
	(void)cpu;
	switch ((uintptr_t)data) {
	case MARK_CLEAR:
		active = false;
		clear();
		/* All is translated again after this. */
		if (!instrumented)
			qemu_plugin_reset(plugin, on_reset);
		instrumented = true;
		break;
	case MARK_BEGIN:
		active = true;
		break;
	case MARK_END:
		active = false;
		break;
	case MARK_DUMP:
		dump();
		break;
	}
}

static int mark_of(const struct qemu_plugin_insn *insn)
{
	static const uint8_t mark[] = { 0x0f, 0x1f, 0x80 };
	const uint8_t *bytes = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != 7 ||
	    memcmp(bytes, mark, sizeof(mark)) || bytes[4] != 0x6c ||
	    bytes[5] != 0x64 || bytes[6] != 0x62)
		return -1;
	return bytes[3];
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct block *block = NULL;

	(void)id;
	if (instrumented && !memory) {
		block = calloc(1, sizeof(*block) + n * sizeof(uint64_t));
		if (!block)
			fail("calloc");
		block->n = n;
		block->next = blocks;
		blocks = block;
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS,
						     block);
	}
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		int mark = mark_of(insn);

		if (mark >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark,
					CB_NO_REGS, (void *)(uintptr_t)mark);
		if (block)
			block->address[i] = address;
		if (instrumented && memory)
			qemu_plugin_register_vcpu_mem_cb(insn, on_memory,
					CB_NO_REGS, MEM_BOTH,
					(void *)(uintptr_t)address);
	}
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc,
			char **argv)
{
	int i;

	(void)info;
	plugin = id;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out_name = argv[i] + 4;
		else if (!strcmp(argv[i], "memory=on"))
			memory = true;
		else
			return -1;
	}
	if (!out_name)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
