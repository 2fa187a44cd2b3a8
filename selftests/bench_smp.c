// SPDX-License-Identifier: GPL-2.0
/*
 * Several processes at once, each on a processor of its own, that look up or
 * open the same file, or files in directories of their own.
 *
 * bench_smp time [OPTION...] NAME=DIRECTORY...
 *	How many operations there are in a second, with one process and with
 *	several.  The directories take turns in short slices, and of each the
 *	best slice is taken, because the host may be doing something else.
 *	The first is what the others are compared with.
 * bench_smp mark [OPTION...] NAME=DIRECTORY
 *	Two processes, between marks for selftests/profile.c.
 *
 *  -j N       so many processes (default: 2)
 *  -n N       mark: operations in each (default: 1000); time: slices (10)
 *  -c N       the host has so many processors
 *  -o NAME    stat or open (time: default both)
 *  -w WHERE   same or own (time: default both)
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "mark.h"

#define MAX_PLACES	8
#define MAX_JOBS	16
#define SLICE_NS	100000000LL
#define WARM_UP		200
/*
 * How much worse it may scale than natively. These are figures of the host's
 * scheduler as much as of ours, so they only show that nothing collapses; what
 * is written to shared lines can be counted, see selftests/sharing.sh.
 */
#define TOLERANCE	0.7
#define TRIES		3

struct place {
	const char *name;
	const char *dir;
};

/* What the processes have in common, each number in a line of its own. */
struct shared {
	struct {
		unsigned long value;
		char pad[120];
	} ready, go, done, count[MAX_JOBS];
};

static struct shared *shared;
static int host_cpus = MAX_JOBS;

static int do_stat(const char *file)
{
	struct stat st;

	return syscall(SYS_stat, file, &st);
}

static int do_open(const char *file)
{
	int fd = open(file, O_RDONLY);

	return fd < 0 ? -1 : close(fd);
}

static const struct op {
	const char *name;
	int (*run)(const char *file);
} ops[] = {
	{ "stat", do_stat },
	{ "open", do_open },
};

static const char *const wheres[] = { "same", "own" };

/* Made by bench fill */
static void file_name(char *to, const struct place *p, bool own, int job)
{
	char dir[16] = "d";

	if (own)
		snprintf(dir, sizeof(dir), "p%d", job);
	snprintf(to, PATH_MAX, "%s/%s/%s/%s/file", p->dir, dir, dir, dir);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void add(unsigned long *value)
{
	__atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);
}

static unsigned long get(const unsigned long *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void wait_for(const unsigned long *value, unsigned long what)
{
	while (get(value) < what)
		sched_yield();
}

static void spin_for(const unsigned long *value, unsigned long what)
{
	while (get(value) < what)
		;
}

static void must(const struct op *op, const char *file)
{
	if (op->run(file))
		die("%s", file);
}

static void __attribute__((noreturn))
time_job(const struct op *op, const char *file, int job)
{
	unsigned long n = 0;
	long long end;
	int i;

	run_on(job);
	for (i = 0; i < WARM_UP; i++)
		must(op, file);
	add(&shared->ready.value);
	wait_for(&shared->go.value, 1);
	for (end = now() + SLICE_NS; now() < end; n += 16)
		for (i = 0; i < 16; i++)
			must(op, file);
	shared->count[job].value = n;
	_exit(0);
}

/* A process for @job; true in that. */
static bool start(char *file, const struct place *p, bool own, int job)
{
	pid_t pid;

	file_name(file, p, own, job);
	pid = fork();
	if (pid < 0)
		die("fork");
	return !pid;
}

static void reap(int jobs)
{
	int status;

	while (jobs--)
		if (wait(&status) < 0 || status)
			exit(1);
}

/* Operations in a second, all together */
static double slice(const struct place *p, const struct op *op, bool own,
		    int jobs)
{
	unsigned long n = 0;
	int job;

	memset(shared, 0, sizeof(*shared));
	for (job = 0; job < jobs; job++) {
		char file[PATH_MAX];

		if (start(file, p, own, job))
			time_job(op, file, job);
	}
	wait_for(&shared->ready.value, jobs);
	add(&shared->go.value);
	reap(jobs);
	for (job = 0; job < jobs; job++)
		n += shared->count[job].value;
	return n * 1e9 / SLICE_NS;
}

static bool scales_worse(const double *one, const double *all, int p, int jobs)
{
	/* More than the host has, in turns: it must not become less. */
	if (jobs > host_cpus && all[p] >= one[p])
		return false;
	return all[p] / one[p] < TOLERANCE * all[0] / one[0];
}

static int time_all(const struct place *places, int n, const struct op *op,
		    bool own, int jobs, int slices)
{
	double one[MAX_PLACES] = { 0 }, all[MAX_PLACES] = { 0 };
	int i, p, try, missed = 0;

	/* More slices if it looks bad: something else may have run meanwhile. */
	for (try = 0; !try || (missed && try < TRIES); try++) {
		for (i = 0; i < slices * n; i++) {
			double rate = slice(&places[i % n], op, own, 1);

			if (rate > one[i % n])
				one[i % n] = rate;
			if (jobs > 1)
				rate = slice(&places[i % n], op, own, jobs);
			if (rate > all[i % n])
				all[i % n] = rate;
		}
		for (missed = 0, p = 1; p < n; p++)
			missed += jobs > 1 && scales_worse(one, all, p, jobs);
	}
	for (p = 0; p < n; p++) {
		double factor = all[p] / one[p];

		printf("%-6s %-6s %-12s %10.0f %10.0f %8.2f %8.2f\n", op->name,
		       wheres[own], places[p].name, one[p], all[p], factor,
		       factor / (all[0] / one[0]));
		if (jobs > 1 && scales_worse(one, all, p, jobs))
			printf("goal 4 missed: %s of %s file in %s, %d processes\n",
			       op->name, own ? "its own" : "the same",
			       places[p].name, jobs);
	}
	fflush(stdout);
	return missed;
}

static void __attribute__((noreturn))
mark_job(const struct op *op, const char *file, int job, int jobs, int n)
{
	int i;

	run_on(job);
	/* This far in code that is to be translated anew. */
	for (i = 0; i < WARM_UP; i++)
		must(op, file);
	add(&shared->ready.value);
	spin_for(&shared->ready.value, jobs);
	if (!job) {
		MARK(MARK_BEGIN);
		add(&shared->go.value);
	}
	spin_for(&shared->go.value, 1);
	for (i = 0; i < n; i++)
		must(op, file);
	add(&shared->done.value);
	spin_for(&shared->done.value, jobs);
	if (!job) {
		MARK(MARK_END);
		add(&shared->go.value);
	}
	/* That others end is not to be seen. */
	spin_for(&shared->go.value, 2);
	_exit(0);
}

static void mark(const struct place *p, const struct op *op, bool own,
		 int jobs, int n)
{
	int job;

	memset(shared, 0, sizeof(*shared));
	MARK(MARK_CLEAR);
	for (job = 0; job < jobs; job++) {
		char file[PATH_MAX];

		if (start(file, p, own, job))
			mark_job(op, file, job, jobs, n);
	}
	reap(jobs);
	MARK(MARK_DUMP);
}

static int choose(const char *name, const char *const *from, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!strcmp(name, from[i]))
			return i;
	fprintf(stderr, "bench_smp: what is '%s'?\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	static const char *const op_names[] = { "stat", "open" };
	int jobs = 2, number = 0, op = -1, where = -1, n = 0, missed = 0, opt;
	struct place places[MAX_PLACES];
	bool timing;
	int i, w;

	timing = argc > 1 && !strcmp(argv[1], "time");
	if (!timing && (argc < 2 || strcmp(argv[1], "mark")))
		goto usage;
	optind = 2;
	while ((opt = getopt(argc, argv, "c:j:n:o:w:")) != -1) {
		switch (opt) {
		case 'c':
			host_cpus = atoi(optarg);
			break;
		case 'j':
			jobs = atoi(optarg);
			break;
		case 'n':
			number = atoi(optarg);
			break;
		case 'o':
			op = choose(optarg, op_names, 2);
			break;
		case 'w':
			where = choose(optarg, wheres, 2);
			break;
		default:
			goto usage;
		}
	}
	for (; optind < argc && n < MAX_PLACES; optind++, n++) {
		char *eq = strchr(argv[optind], '=');

		if (!eq || strlen(eq) > 200)
			goto usage;
		*eq = '\0';
		places[n].name = argv[optind];
		places[n].dir = eq + 1;
	}
	if (!n || optind < argc || jobs < 1 || jobs > MAX_JOBS || number < 0)
		goto usage;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");

	if (!timing) {
		if (n != 1 || op < 0 || where < 0)
			goto usage;
		mark(&places[0], &ops[op], where, jobs,
		     number ? number : 1000);
		return 0;
	}
	printf("%d processors, operations in a second\n", jobs);
	printf("%-6s %-6s %-12s %10s %10s %8s %8s\n", "", "file", "",
	       "1 process", "all", "factor", "/native");
	for (i = 0; i < 2; i++)
		for (w = 0; w < 2; w++)
			if ((op < 0 || op == i) && (where < 0 || where == w))
				missed += time_all(places, n, &ops[i], w, jobs,
						   number ? number : 10);
	return missed ? 1 : 0;
usage:
	fprintf(stderr, "usage: bench_smp time|mark [-c N] [-j N] [-n N] [-o stat|open] [-w same|own] NAME=DIRECTORY...\n");
	return 2;
}
