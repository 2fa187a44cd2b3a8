// SPDX-License-Identifier: GPL-2.0
/*
 * What operations cost, in several directories that show the same.
 *
 * Meant for a machine that counts: with QEMU's -icount shift=0 the clock
 * advances by one nanosecond for each instruction of the guest, so that the
 * figures are instructions, the same in every run.
 *
 * usage: bench [-n ROUNDS] NAME=DIRECTORY...
 *
 * The first directory is what the others are compared with; it is filled by
 * this program, and the others must show what is in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEPTH	8
#define MAX	8

struct place {
	const char *name;
	const char *dir;
	char deep[DEPTH + 1][512];	/* a file at that depth */
	char fresh[512];
	int fd;
};

static char buf[4096];

static int do_stat1(const struct place *p)
{
	struct stat st;

	return stat(p->deep[1], &st);
}

static int do_stat4(const struct place *p)
{
	struct stat st;

	return stat(p->deep[4], &st);
}

static int do_stat8(const struct place *p)
{
	struct stat st;

	return stat(p->deep[8], &st);
}

static int do_open(const struct place *p)
{
	int fd = open(p->deep[1], O_RDONLY);

	return fd < 0 ? -1 : close(fd);
}

static int do_pread(const struct place *p)
{
	return pread(p->fd, buf, sizeof(buf), 0) == sizeof(buf) ? 0 : -1;
}

static int do_create(const struct place *p)
{
	int fd = open(p->fresh, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return unlink(p->fresh);
}

static const struct {
	const char *name;
	int (*run)(const struct place *p);
} ops[] = {
	{ "stat, depth 1", do_stat1 },
	{ "stat, depth 4", do_stat4 },
	{ "stat, depth 8", do_stat8 },
	{ "open+close", do_open },
	{ "pread 4 KiB", do_pread },
	{ "create+unlink", do_create },
};

#define OPS	(sizeof(ops) / sizeof(ops[0]))

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Cost of one, or -1 if it cannot be done there. */
static long long cost(const struct place *p, int (*run)(const struct place *),
		      unsigned int rounds)
{
	unsigned int i, tenth;
	long long best = -1;

	for (i = 0; i < rounds / 10 + 2; i++)
		if (run(p))
			return -1;
	/* Of ten parts the cheapest: the others had interrupts in them. */
	for (tenth = 0; tenth < 10; tenth++) {
		long long begun = now(), took;

		for (i = 0; i < rounds / 10; i++)
			if (run(p))
				return -1;
		took = (now() - begun) / (rounds / 10);
		if (best < 0 || took < best)
			best = took;
	}
	return best;
}

static void set_up(struct place *p, int first)
{
	char path[256];
	int depth, fd;

	snprintf(path, sizeof(path), "%s", p->dir);
	for (depth = 1; depth <= DEPTH; depth++) {
		snprintf(p->deep[depth], sizeof(p->deep[depth]), "%s/file",
			 path);
		if (first) {
			fd = open(p->deep[depth], O_WRONLY | O_CREAT, 0644);
			if (fd < 0 || write(fd, buf, sizeof(buf)) < 0) {
				perror(p->deep[depth]);
				exit(1);
			}
			close(fd);
		}
		strncat(path, "/d", sizeof(path) - strlen(path) - 1);
		if (first && mkdir(path, 0755) && errno != EEXIST) {
			perror(path);
			exit(1);
		}
	}
	snprintf(p->fresh, sizeof(p->fresh), "%s/fresh", p->dir);
	p->fd = open(p->deep[1], O_RDONLY);
	if (p->fd < 0) {
		perror(p->deep[1]);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	long long result[MAX][OPS];
	struct place places[MAX];
	unsigned int rounds = 2000, n = 0, i, j;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n' || (rounds = atoi(optarg)) < 10)
			return 2;
	}
	for (; optind < argc && n < MAX; optind++, n++) {
		char *eq = strchr(argv[optind], '=');

		if (!eq || strlen(eq) > 200)
			return 2;
		*eq = '\0';
		places[n].name = argv[optind];
		places[n].dir = eq + 1;
	}
	if (!n || optind < argc) {
		fprintf(stderr, "usage: bench [-n ROUNDS] NAME=DIRECTORY...\n");
		return 2;
	}
	for (i = 0; i < n; i++) {
		set_up(&places[i], i == 0);
		for (j = 0; j < OPS; j++)
			result[i][j] = cost(&places[i], ops[j].run, rounds);
	}

	printf("%-16s", "");
	for (i = 0; i < n; i++)
		printf("%20s", places[i].name);
	for (j = 0; j < OPS; j++) {
		printf("\n%-16s", ops[j].name);
		for (i = 0; i < n; i++) {
			if (result[i][j] < 0)
				printf("%20s", "-");
			else if (result[0][j] <= 0)
				printf("%20lld", result[i][j]);
			else
				printf("%13lld (%.2f)", result[i][j],
				       (double)result[i][j] / result[0][j]);
		}
	}
	printf("\n\n{");
	for (i = 0; i < n; i++) {
		printf("%s\"%s\": {", i ? ", " : "", places[i].name);
		for (j = 0; j < OPS; j++) {
			printf("%s\"%s\": ", j ? ", " : "", ops[j].name);
			if (result[i][j] < 0)
				printf("null");
			else
				printf("%lld", result[i][j]);
		}
		printf("}");
	}
	printf("}\n");
	return 0;
}
