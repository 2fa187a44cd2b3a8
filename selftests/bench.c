// SPDX-License-Identifier: GPL-2.0
/*
 * Cost of an operation through several paths to the same directory.
 *
 *	bench NAME=DIR...
 *
 * In a VM that runs with -icount shift=0 the clock counts instructions, one a
 * nanosecond, so what is printed is guest instructions for each operation. The
 * first directory is what the others are compared with. JSON goes to standard
 * output after the table, on one line.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS		5
#define WARM_UP		300
#define MAX_PATHS	16

struct place {
	const char *name;
	char dir[512];
	char file[512];		/* what the operation works on */
	int fd;
};

static char buffer[4096];

static void check(int failed, const char *what, const struct place *p)
{
	if (failed) {
		fprintf(stderr, "bench: %s: %s: %s\n", what, p->file,
			strerror(errno));
		exit(1);
	}
}

static void op_stat(struct place *p)
{
	struct stat st;

	check(stat(p->file, &st), "stat", p);
}

static void op_stat_enoent(struct place *p)
{
	struct stat st;

	check(!stat(p->file, &st) || errno != ENOENT, "stat of nothing", p);
}

static void op_open(struct place *p)
{
	int fd = open(p->file, O_RDONLY);

	check(fd < 0 || close(fd), "open", p);
}

static void op_pread(struct place *p)
{
	check(pread(p->fd, buffer, sizeof(buffer), 0) != sizeof(buffer),
	      "pread", p);
}

static void op_create(struct place *p)
{
	int fd = open(p->file, O_CREAT | O_EXCL | O_WRONLY, 0644);

	check(fd < 0 || close(fd) || unlink(p->file), "create", p);
}

static const struct op {
	const char *name;
	const char *file;
	void (*run)(struct place *p);
	int count;
} ops[] = {
	{ "stat, depth 1", "f", op_stat, 2000 },
	{ "stat, depth 4", "a/b/c/f", op_stat, 2000 },
	{ "stat, depth 8", "a/b/c/d/e/f/g/f", op_stat, 2000 },
	{ "stat ENOENT, depth 4", "a/b/c/nothing", op_stat_enoent, 2000 },
	{ "open + close", "f", op_open, 2000 },
	{ "pread 4 KiB", "f", op_pread, 2000 },
	{ "create + unlink", "new", op_create, 500 },
};

#define OPS	(sizeof(ops) / sizeof(ops[0]))

static long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* The best of some rounds: timer interrupts only ever add. */
static long long measure(const struct op *op, struct place *p)
{
	long long best = -1;

	snprintf(p->file, sizeof(p->file), "%s/%s", p->dir, op->file);
	if (op->run == op_pread) {
		p->fd = open(p->file, O_RDONLY);
		check(p->fd < 0, "open", p);
	}
	for (int i = 0; i < WARM_UP; i++)
		op->run(p);
	for (int round = 0; round < ROUNDS; round++) {
		long long start = now();

		for (int i = 0; i < op->count; i++)
			op->run(p);
		start = now() - start;
		if (best < 0 || start < best)
			best = start;
	}
	if (op->run == op_pread)
		close(p->fd);
	return best / op->count;
}

int main(int argc, char **argv)
{
	static struct place places[MAX_PATHS];
	static long long cost[OPS][MAX_PATHS];
	int n = argc - 1;

	if (n < 1 || n > MAX_PATHS) {
		fprintf(stderr, "usage: bench NAME=DIR...\n");
		return 2;
	}
	for (int i = 0; i < n; i++) {
		char *dir = strchr(argv[i + 1], '=');

		if (!dir) {
			fprintf(stderr, "usage: bench NAME=DIR...\n");
			return 2;
		}
		*dir++ = '\0';
		places[i].name = argv[i + 1];
		snprintf(places[i].dir, sizeof(places[i].dir) / 2, "%s", dir);
	}
	for (size_t k = 0; k < OPS; k++)
		for (int i = 0; i < n; i++)
			cost[k][i] = measure(&ops[k], &places[i]);

	printf("%-22s", "operation");
	for (int i = 0; i < n; i++)
		printf("%*s", i ? 16 : 9, places[i].name);
	printf("\n");
	for (size_t k = 0; k < OPS; k++) {
		printf("%-22s", ops[k].name);
		for (int i = 0; i < n; i++) {
			printf("%9lld", cost[k][i]);
			if (i)
				printf(" (%.2f)",
				       (double)cost[k][i] / cost[k][0]);
		}
		printf("\n");
	}

	printf("{");
	for (size_t k = 0; k < OPS; k++) {
		printf("%s\"%s\": {", k ? ", " : "", ops[k].name);
		for (int i = 0; i < n; i++)
			printf("%s\"%s\": %lld", i ? ", " : "", places[i].name,
			       cost[k][i]);
		printf("}");
	}
	printf("}\n");
	return 0;
}
