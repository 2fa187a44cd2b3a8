// SPDX-License-Identifier: GPL-2.0
/*
 * What operations cost in a directory.
 *
 * Meant for a machine that counts: with QEMU's -icount shift=0 the clock
 * advances by one nanosecond for each instruction of the guest, so that the
 * figures are instructions. Nothing is subtracted: what the C library, the loop
 * and reading the clock take is in all of them.
 *
 * bench fill [OPTION...] TAG DIRECTORY
 *	Make what is measured: files and directories to eight levels, each file
 *	beginning with TAG. Call it several times for several kinds of names.
 * bench run [OPTION...] TAG DIRECTORY
 *	Print a line "OPERATION COST" for each operation, where files are found
 *	that begin with TAG.
 * bench mark [OPTION...] TAG DIRECTORY
 *	Do one operation between instructions that selftests/profile.c looks for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "mark.h"

#define DEPTH	8
#define PARTS	3
#define PAGE	4096
#define SLOW	10000	/* nanoseconds, for each round */

static const char *usage_text =
"usage: bench fill|run|mark [OPTION...] TAG DIRECTORY\n"
"  -f NAME    files are called so (default: file)\n"
"  -d NAME    directories are called so (default: d)\n"
"  -l NAME    the directory that is listed (default: list)\n"
"  -e FROM-TO make the entries with these numbers in it; list as many\n"
"  -m         make a file to be renamed; otherwise it is made by run\n"
"  -1         there is no tree, only the files in DIRECTORY\n"
"  -r         read-only: leave out what changes something\n"
"  -n ROUNDS  so many stats in each of three parts (default: 2000)\n"
"  -o NAME    only this operation\n";

static char deep[DEPTH + 1][PATH_MAX];	/* a file at that depth */
static char missing[PATH_MAX], written[PATH_MAX], list[PATH_MAX];
static char fresh[PATH_MAX], names[2][PATH_MAX];
static unsigned int entries = 1000, turn;
static bool read_only, movable, moved_is_new;
static int read_fd = -1, write_fd = -1;
static char page[PAGE];

static void __attribute__((format(printf, 2, 3)))
path(char *to, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(to, PATH_MAX, format, args);
	va_end(args);
	if (len < 0 || len >= PATH_MAX) {
		errno = ENAMETOOLONG;
		die("%s", to);
	}
}

/*
 * The operations. All return 0, or -1 if it was not what it should be. The C
 * library would make newfstatat() of both stat() and fstat().
 */

static int do_stat1(void)
{
	struct stat st;

	return syscall(SYS_stat, deep[1], &st);
}

static int do_stat4(void)
{
	struct stat st;

	return syscall(SYS_stat, deep[4], &st);
}

static int do_stat8(void)
{
	struct stat st;

	return syscall(SYS_stat, deep[8], &st);
}

static int do_missing(void)
{
	struct stat st;

	return syscall(SYS_stat, missing, &st) && errno == ENOENT ? 0 : -1;
}

static int do_fstat(void)
{
	struct stat st;

	return syscall(SYS_fstat, read_fd, &st);
}

static int do_access(void)
{
	int error = access(deep[1], W_OK) ? errno : 0;

	return error == (read_only ? EROFS : 0) ? 0 : -1;
}

static int do_open(void)
{
	int fd = open(deep[1], O_RDONLY);

	return fd < 0 ? -1 : close(fd);
}

/* With other flags each time, so that nothing of the last times is of use. */
static int do_open_first(void)
{
	static unsigned int n;
	int fd = open(deep[1], O_RDONLY | (n & 1 ? O_NONBLOCK : 0) |
		      (n & 2 ? O_NOFOLLOW : 0) | (n & 4 ? O_DSYNC : 0));

	n++;
	return fd < 0 ? -1 : close(fd);
}

static int do_read(void)
{
	int fd = open(deep[1], O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, page, PAGE);
	return close(fd) || n != PAGE ? -1 : 0;
}

static int do_pread(void)
{
	return pread(read_fd, page, PAGE, 0) == PAGE ? 0 : -1;
}

static int do_pwrite(void)
{
	return pwrite(write_fd, page, PAGE, 0) == PAGE ? 0 : -1;
}

static int do_readdir(void)
{
	DIR *dir = opendir(list);
	unsigned int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	return closedir(dir) || n != entries + 2 ? -1 : 0;
}

static int do_create(void)
{
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return unlink(fresh);
}

static int do_rename(void)
{
	turn ^= 1;
	return rename(names[turn ^ 1], names[turn]);
}

enum {
	WRITES = 1,	/* not where it is read-only */
	COLD = 2,
	TREE = 4,	/* more than one file */
};

/* @weight: how many stats it is worth, natively, for parts of similar length */
static const struct op {
	const char *name;
	int (*run)(void);
	unsigned int flags;
	double weight;
} ops[] = {
	{ "stat1", do_stat1, 0, 1 },
	{ "stat4", do_stat4, TREE, 1 },
	{ "stat8", do_stat8, TREE, 1 },
	{ "enoent4", do_missing, TREE, 1 },
	{ "fstat", do_fstat, 0, 0.25 },
	{ "access", do_access, 0, 1 },
	{ "open", do_open, 0, 1 },
	{ "open-first", do_open_first, 0, 1 },
	{ "open-read", do_read, 0, 2 },
	{ "pread", do_pread, 0, 0.5 },
	{ "pwrite", do_pwrite, WRITES, 0.5 },
	{ "readdir", do_readdir, TREE, 400 },
	{ "create", do_create, WRITES | TREE, 10 },
	{ "rename", do_rename, WRITES | TREE, 5 },
	{ "cold8", do_stat8, COLD | TREE, 20 },
};

#define OPS	(sizeof(ops) / sizeof(ops[0]))

static void must(const struct op *op)
{
	if (op->run())
		die("%s in %s", op->name, deep[1]);
}

static unsigned int times(const struct op *op, unsigned int rounds)
{
	unsigned int n = rounds / op->weight;

	return n ? n : 1;
}

/*
 * The cheapest of several parts. Each takes some ticks of the timer, so that
 * what an operation leaves to be done after a grace period is in it.
 */
static double warm_cost(const struct op *op, unsigned int rounds)
{
	unsigned int n = times(op, rounds), i, part;
	long long best = -1, start = now();

	for (i = 0; i < n / 2 + 2; i++) {
		must(op);
		/* What is that slow need not be done as often. */
		if (i >= 5 && now() - start > SLOW * rounds) {
			n = 2 * i;
			break;
		}
	}
	for (part = 0; part < PARTS; part++) {
		long long begun = now(), took;

		for (i = 0; i < n; i++)
			must(op);
		took = now() - begun;
		if (best < 0 || took < best)
			best = took;
	}
	return (double)best / n;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static void drop_caches(int fd)
{
	/* 4: do not put it into the log each time */
	if (pwrite(fd, "4", 1, 0) < 0 || pwrite(fd, "2", 1, 0) < 0)
		die("drop_caches");
}

/* The median: each is measured alone, and allocates in its own way. */
static double cold_cost(const struct op *op, unsigned int rounds,
			const char *root)
{
	unsigned int n = times(op, rounds) | 1, i;
	long long *took = calloc(n, sizeof(*took));
	int pin = open(root, O_PATH | O_DIRECTORY), fd;

	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (!took || pin < 0 || fd < 0)
		die("%s", root);
	/* What is dirty stays in memory. */
	sync();
	for (i = 0; i < n + 2; i++) {
		long long begun;

		drop_caches(fd);
		begun = now();
		must(op);
		if (i >= 2)
			took[i - 2] = now() - begun;
	}
	qsort(took, n, sizeof(*took), compare);
	close(pin);
	close(fd);
	return took[n / 2];
}

static void set_names(const char *root, const char *file, const char *dir,
		      const char *dir_listed)
{
	char at[PATH_MAX];
	int depth;

	path(at, "%s", root);
	for (depth = 1; depth <= DEPTH; depth++) {
		size_t len = strlen(at);

		path(deep[depth], "%s/%s", at, file);
		if (depth == 4)
			path(missing, "%s/miss", at);
		path(at + len, "/%s", dir);
	}
	path(written, "%s/w%s", root, file);
	path(list, "%s/%s", root, dir_listed);
	path(fresh, "%s/fresh", root);
	path(names[0], "%s/a%s", root, file);
	path(names[1], "%s/b%s", root, file);
}

static void make_dir(const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		die("%s", dir);
}

static void make_file(const char *name, size_t size)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0644);

	if (fd < 0 || write(fd, page, size) != (ssize_t)size || close(fd))
		die("%s", name);
}

static void fill(const char *root, unsigned int from, unsigned int to)
{
	int depth;

	make_dir(root);
	for (depth = 1; depth <= DEPTH; depth++) {
		char dir[PATH_MAX];

		path(dir, "%s", deep[depth]);
		*strrchr(dir, '/') = '\0';
		make_dir(dir);
		make_file(deep[depth], PAGE);
	}
	make_file(written, PAGE);
	if (movable)
		make_file(names[0], PAGE);
	make_dir(list);
	for (; from < to; from++) {
		char name[PATH_MAX];

		path(name, "%s/entry-%04u", list, from);
		make_file(name, 0);
	}
}

/* Is it what is meant to be measured? */
static void check(const char *tag, int depths)
{
	int depth;

	for (depth = 1; depth <= depths; depth++) {
		int fd = open(deep[depth], O_RDONLY);

		if (fd < 0 || read(fd, page, PAGE) != PAGE)
			die("%s", deep[depth]);
		close(fd);
		if (strcmp(page, tag)) {
			fprintf(stderr, "bench: %s is %.16s, not %s\n",
				deep[depth], page, tag);
			exit(1);
		}
	}
}

static void open_files(bool writes)
{
	read_fd = open(deep[1], O_RDONLY);
	if (read_fd < 0)
		die("%s", deep[1]);
	if (!writes)
		return;
	write_fd = open(written, O_RDWR);
	if (write_fd < 0)
		die("%s", written);
}

static void close_files(void)
{
	close(read_fd);
	if (write_fd >= 0)
		close(write_fd);
}

/* What rename takes. New things may be made elsewhere than what there was. */
static void get_movable(void)
{
	if (!access(names[0], F_OK))
		return;
	make_file(names[0], PAGE);
	moved_is_new = true;
}

static void put_movable(void)
{
	if (turn && do_rename())
		die("%s", names[0]);
	if (moved_is_new && unlink(names[0]))
		die("%s", names[0]);
}

static void run(const char *root, unsigned int rounds, const char *only,
		unsigned int skip)
{
	unsigned int i;

	open_files(!(skip & WRITES));
	if (!(skip & (WRITES | TREE)))
		get_movable();
	for (i = 0; i < OPS; i++) {
		const struct op *op = &ops[i];
		double cost;

		if ((only && strcmp(only, op->name)) || op->flags & skip)
			continue;
		if (op->flags & COLD) {
			close_files();
			cost = cold_cost(op, rounds, root);
			open_files(!(skip & WRITES));
		} else {
			cost = warm_cost(op, rounds);
		}
		printf("%s %.1f\n", op->name, cost);
		fflush(stdout);
	}
	if (!(skip & (WRITES | TREE)))
		put_movable();
}

static void mark(const char *root, unsigned int rounds, const char *only,
		 unsigned int skip)
{
	const struct op *op;
	unsigned int i;

	for (op = ops; op < ops + OPS; op++)
		if (only && !strcmp(only, op->name))
			break;
	if (op == ops + OPS || op->flags & skip) {
		fprintf(stderr, "bench: cannot do that here\n");
		exit(1);
	}
	MARK(MARK_CLEAR);
	if (op->flags & COLD) {
		int pin = open(root, O_PATH | O_DIRECTORY);
		int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

		if (pin < 0 || fd < 0)
			die("%s", root);
		sync();
		for (i = 0; i < rounds + 5; i++) {
			drop_caches(fd);
			if (i >= 5)
				MARK(MARK_BEGIN);
			must(op);
			if (i >= 5)
				MARK(MARK_END);
		}
	} else {
		open_files(!(skip & WRITES));
		if (!(skip & (WRITES | TREE)))
			get_movable();
		for (i = 0; i < rounds + 20; i++)
			must(op);
		MARK(MARK_BEGIN);
		for (i = 0; i < rounds; i++)
			must(op);
		MARK(MARK_END);
		if (!(skip & (WRITES | TREE)))
			put_movable();
	}
	MARK(MARK_DUMP);
	printf("%u\n", rounds);
}

int main(int argc, char **argv)
{
	const char *file = "file", *dir = "d", *listed = "list", *only = NULL;
	unsigned int rounds = 2000, from = 0, to = 1000, skip = 0;
	const char *what = argc > 1 ? argv[1] : "", *tag, *root;
	int opt;

	optind = 2;
	while (argc > 1 && (opt = getopt(argc, argv, "f:d:l:e:1mrn:o:")) != -1) {
		switch (opt) {
		case 'f':
			file = optarg;
			break;
		case 'd':
			dir = optarg;
			break;
		case 'l':
			listed = optarg;
			break;
		case 'e':
			if (sscanf(optarg, "%u-%u", &from, &to) != 2)
				goto usage;
			entries = to - from;
			break;
		case 'm':
			movable = true;
			break;
		case '1':
			skip |= TREE;
			break;
		case 'r':
			read_only = true;
			skip |= WRITES;
			break;
		case 'n':
			rounds = strtoul(optarg, NULL, 10);
			if (rounds < 1)
				goto usage;
			break;
		case 'o':
			only = optarg;
			break;
		default:
			goto usage;
		}
	}
	if (argc - optind != 2)
		goto usage;
	tag = argv[optind];
	root = argv[optind + 1];
	if (strlen(tag) > 16)
		goto usage;
	set_names(root, file, dir, listed);
	if (!strcmp(what, "fill")) {
		strcpy(page, tag);
		fill(root, from, to);
		return 0;
	}
	check(tag, skip & TREE ? 1 : DEPTH);
	if (!strcmp(what, "run")) {
		run(root, rounds, only, skip);
		return 0;
	}
	if (!strcmp(what, "mark")) {
		mark(root, rounds, only, skip);
		return 0;
	}
usage:
	fputs(usage_text, stderr);
	return 2;
}
