// SPDX-License-Identifier: GPL-2.0
/*
 * What lookups, and making and removing a link, cost when there are many links.
 *
 * To be run in the test VM where it counts, see bench.c.  Links are made in
 * directories that are carried for them: all in one, or spread over a thousand.
 * The first link of each directory is made by the library, which mounts a tree
 * there.  All others are made by the request that the library would send then,
 * as a library call looks at all mounts and mount namespaces, and 100,000 of
 * those take very long.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bindlink.h>

#include "bench.h"
#include "nl.h"

#define BASE	"/scratch/scale"
#define BACKING	BASE "/back"
#define NAMES	10000		/* in the backing, for memory per name */
#define ROUNDS	2000
#define PARTS	5
#define SAMPLES	15

#define LOOKUP_LIMIT	1.02
#define KERNEL_LIMIT	100000

static const unsigned int sizes[] = { 1, 100, 10000, 100000 };

#define SIZES	(sizeof(sizes) / sizeof(sizes[0]))

static struct bindlink *library;
static struct nl nl;
static struct nl_req request;
static unsigned int missed;

static void __attribute__((format(printf, 1, 2))) miss(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("goal 3 missed: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	missed++;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static long long median(long long *of, size_t n)
{
	qsort(of, n, sizeof(*of), compare);
	return of[n / 2];
}

/*
 * Where links are
 */

struct layout {
	const char *name;
	const char *dir;
	unsigned int dirs;
};

static const struct layout layouts[] = {
	{ "in one directory", BASE "/one", 1 },
	{ "in 1,000 directories", BASE "/many", 1000 },
};

static void dir_name(char *to, size_t size, const struct layout *l,
		     unsigned int i)
{
	snprintf(to, size, "%s/d%04u", l->dir, i % l->dirs);
}

static void link_name(char *to, size_t size, const struct layout *l,
		      unsigned int i)
{
	snprintf(to, size, "%s/d%04u/l%06u", l->dir, i % l->dirs, i);
}

static void make_dir(const char *name)
{
	if (mkdir(name, 0755) && errno != EEXIST)
		die("%s", name);
}

static void make_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd))
		die("%s", name);
}

/* Links are made here, which exists and has nothing else. */
static void make_dirs(const struct layout *l)
{
	char name[256];
	unsigned int i;

	make_dir(l->dir);
	for (i = 0; i < l->dirs; i++) {
		dir_name(name, sizeof(name), l, i);
		make_dir(name);
		strcat(name, "/file");
		make_file(name);
	}
}

static void library_make(const char *name)
{
	struct bindlink_create_options options = {
		.size = sizeof(options),
		.attach = BINDLINK_ATTACH_PARENT,
	};

	if (bindlink_create_opts(library, name, BACKING, &options)) {
		fprintf(stderr, "bench_scale: %s\n", bindlink_message(library));
		exit(1);
	}
}

static void library_remove(const char *name)
{
	if (bindlink_remove(library, name)) {
		fprintf(stderr, "bench_scale: %s\n", bindlink_message(library));
		exit(1);
	}
}

/* Returns what the request has taken: nearly all of that is in the kernel. */
static long long talk(const char *name)
{
	long long begun = clock_of(CLOCK_THREAD_CPUTIME_ID);

	if (nl_talk(&nl, &request)) {
		errno = -nl.err;
		die("%s: %s", name, nl.msg);
	}
	return clock_of(CLOCK_THREAD_CPUTIME_ID) - begun;
}

static long long kernel_make(const char *name)
{
	nl_start(&request, &nl, BINDLINK_CMD_LINK_NEW, 0);
	nl_put_str(&request, BINDLINK_A_LINK_VIRTUAL, name);
	nl_put_str(&request, BINDLINK_A_LINK_BACKING, BACKING);
	nl_put_u32(&request, BINDLINK_A_LINK_FLAGS, 0);
	nl_put_u32(&request, BINDLINK_A_LINK_ATTACH, BINDLINK_ATTACH_PARENT);
	return talk(name);
}

static long long kernel_remove(const char *name)
{
	long long took;

	nl_start(&request, &nl, BINDLINK_CMD_LINK_HOLD, 0);
	nl_put_str(&request, BINDLINK_A_LINK_VIRTUAL, name);
	took = talk(name);
	nl_start(&request, &nl, BINDLINK_CMD_LINK_DEL, 0);
	nl_put_str(&request, BINDLINK_A_LINK_VIRTUAL, name);
	return took + talk(name);
}

/*
 * Memory, in bytes
 */

static long long meminfo(const char *field)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[256];
	long long kib = -1;

	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) &&
		    line[strlen(field)] == ':')
			kib = strtoll(line + strlen(field) + 1, NULL, 10);
	fclose(f);
	if (kib < 0)
		die("%s", field);
	return kib * 1024;
}

struct memory {
	long long slab, unreclaimable, unused;
};

static struct memory memory_now(void)
{
	/* What waits for a grace period goes first. */
	usleep(300000);
	return (struct memory){
		.slab = meminfo("Slab"),
		.unreclaimable = meminfo("SUnreclaim"),
		.unused = meminfo("MemFree"),
	};
}

static void say_memory(const char *what, const struct memory *before,
		       const struct memory *after, unsigned int n)
{
	printf("  %-36s %6lld bytes of slabs (%lld not reclaimable), %lld of memory\n",
	       what, (after->slab - before->slab) / n,
	       (after->unreclaimable - before->unreclaimable) / n,
	       (before->unused - after->unused) / n);
}

/*
 * Lookups
 */

static double stat_cost(const char *name)
{
	struct stat st;
	long long best = -1;
	int part, i;

	for (part = 0; part <= PARTS; part++) {
		long long begun = now(), took;

		for (i = 0; i < ROUNDS; i++)
			if (syscall(SYS_stat, name, &st))
				die("%s", name);
		took = now() - begun;
		/* The first part is for warming up. */
		if (part && (best < 0 || took < best))
			best = took;
	}
	return (double)best / ROUNDS;
}

enum { FIRST, LAST, BESIDE, OUTSIDE, LOOKUPS };

static const char *const lookups[] = {
	[FIRST] = "stat of a file in the first link",
	[LAST] = "stat of a file in the last link",
	[BESIDE] = "stat of a file beside links",
	[OUTSIDE] = "stat where no links are",
};

enum { KERNEL_MAKE, KERNEL_REMOVE, LIBRARY_MAKE, LIBRARY_REMOVE, CHANGES };

static const char *const changes[] = {
	[KERNEL_MAKE] = "make a link, in the kernel",
	[KERNEL_REMOVE] = "remove it, in the kernel",
	[LIBRARY_MAKE] = "make a link, by the library",
	[LIBRARY_REMOVE] = "remove it, by the library",
};

static void measure_lookups(const struct layout *l, unsigned int n,
			    double *cost)
{
	char name[300];

	link_name(name, sizeof(name), l, 0);
	strcat(name, "/file");
	cost[FIRST] = stat_cost(name);
	link_name(name, sizeof(name), l, n - 1);
	strcat(name, "/file");
	cost[LAST] = stat_cost(name);
	dir_name(name, sizeof(name), l, 0);
	strcat(name, "/file");
	cost[BESIDE] = stat_cost(name);
	cost[OUTSIDE] = stat_cost(BASE "/plain/d0000/file");
}

static void measure_changes(const struct layout *l, long long *cost)
{
	long long took[CHANGES][SAMPLES];
	char name[300];
	int i;

	dir_name(name, sizeof(name), l, 0);
	strcat(name, "/extra");
	for (i = 0; i < SAMPLES; i++) {
		long long begun;

		took[KERNEL_MAKE][i] = kernel_make(name);
		took[KERNEL_REMOVE][i] = kernel_remove(name);
		begun = clock_of(CLOCK_PROCESS_CPUTIME_ID);
		library_make(name);
		took[LIBRARY_MAKE][i] =
			clock_of(CLOCK_PROCESS_CPUTIME_ID) - begun;
		begun = clock_of(CLOCK_PROCESS_CPUTIME_ID);
		library_remove(name);
		took[LIBRARY_REMOVE][i] =
			clock_of(CLOCK_PROCESS_CPUTIME_ID) - begun;
	}
	for (i = 0; i < CHANGES; i++)
		cost[i] = median(took[i], SAMPLES);
}

static void scale(const struct layout *l)
{
	long long changed[SIZES][CHANGES];
	double looked[SIZES][LOOKUPS];
	struct memory before = { 0 }, after;
	char name[300];
	unsigned int n = 0, i, j;

	make_dirs(l);
	for (i = 0; i < SIZES; i++) {
		if (i == SIZES - 1)
			before = memory_now();
		for (; n < sizes[i]; n++) {
			link_name(name, sizeof(name), l, n);
			if (n < l->dirs)
				library_make(name);
			else
				kernel_make(name);
		}
		if (i == SIZES - 1)
			after = memory_now();
		measure_lookups(l, n, looked[i]);
		measure_changes(l, changed[i]);
		fprintf(stderr, "bench_scale: %u links %s\n", n, l->name);
	}

	printf("Links %s\n  %-36s", l->name, "");
	for (i = 0; i < SIZES; i++)
		printf("%12u", sizes[i]);
	printf("\n");
	for (j = 0; j < LOOKUPS; j++) {
		printf("  %-36s", lookups[j]);
		for (i = 0; i < SIZES; i++)
			printf("%12.0f", looked[i][j]);
		printf("\n");
		for (i = 1; i < SIZES; i++)
			if (looked[i][j] > LOOKUP_LIMIT * looked[0][j] ||
			    looked[0][j] > LOOKUP_LIMIT * looked[i][j])
				miss("%s, %u links %s: %.0f, with one %.0f",
				     lookups[j], sizes[i], l->name,
				     looked[i][j], looked[0][j]);
	}
	for (j = 0; j < CHANGES; j++) {
		printf("  %-36s", changes[j]);
		for (i = 0; i < SIZES; i++)
			printf("%12lld", changed[i][j]);
		printf("\n");
		if (j != KERNEL_MAKE && j != KERNEL_REMOVE)
			continue;
		for (i = 0; i < SIZES; i++)
			if (changed[i][j] >= KERNEL_LIMIT)
				miss("%s, %u links %s: %lld", changes[j],
				     sizes[i], l->name, changed[i][j]);
	}
	say_memory("memory for a link", &before, &after,
		   sizes[SIZES - 1] - sizes[SIZES - 2]);

	/* Followed once each; some were before. */
	before = memory_now();
	for (i = 1; i < NAMES; i++) {
		struct stat st;

		link_name(name, sizeof(name), l, i);
		if (stat(name, &st))
			die("%s", name);
	}
	after = memory_now();
	say_memory("more for a link that was followed", &before, &after,
		   NAMES);
	fflush(stdout);

	/* Takes the links away, too. */
	for (i = 0; i < l->dirs; i++) {
		dir_name(name, sizeof(name), l, i);
		if (umount2(name, MNT_DETACH))
			die("%s", name);
	}
}

static void look_at_all(const char *dir)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++) {
		char name[300];
		struct stat st;

		snprintf(name, sizeof(name), "%s/name-%04u", dir, i);
		if (stat(name, &st))
			die("%s", name);
	}
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), i;

	sync();
	for (i = 0; i < 3; i++)
		if (fd < 0 || pwrite(fd, "3", 1, 0) < 0)
			die("drop_caches");
	close(fd);
}

static void names_in_a_link(void)
{
	struct memory empty, native, linked;
	char name[300];
	unsigned int i;

	for (i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), BACKING "/name-%04u", i);
		make_file(name);
	}
	make_dir(BASE "/names");
	drop_caches();
	/* What reading the directory leaves in the page cache does not count. */
	make_file(BACKING "/name-other");
	empty = memory_now();
	look_at_all(BACKING);
	native = memory_now();
	printf("Names\n");
	say_memory("of ext4, cached", &empty, &native, NAMES);
	library_make(BASE "/names/link");
	native = memory_now();
	look_at_all(BASE "/names/link");
	linked = memory_now();
	say_memory("more through a link", &native, &linked, NAMES);
	library_remove(BASE "/names/link");
}

int main(void)
{
	size_t i;

	make_dir(BASE);
	make_dir(BACKING);
	make_file(BACKING "/file");
	make_dir(BASE "/plain");
	make_dir(BASE "/plain/d0000");
	make_file(BASE "/plain/d0000/file");
	if (bindlink_open(&library))
		die("no library");
	if (nl_open(&nl))
		die("no netlink");

	names_in_a_link();
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		scale(&layouts[i]);
	nl_close(&nl);
	bindlink_close(library);
	printf("%u goals missed\n", missed);
	return missed ? 1 : 0;
}
