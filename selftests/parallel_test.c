// SPDX-License-Identifier: GPL-2.0
/*
 * 200 links at once: made, used, listed and removed by many processes.
 */
#include "kselftest_harness.h"
#include "place.h"

PLACES(parallel);

#define LINKS	200
#define PROCS	8

/* What each process does with its share: 0, or where it went wrong. */
static int each(const struct place *p, int (*work)(const struct place *p,
						   unsigned int i))
{
	pid_t pids[PROCS];
	unsigned int proc, i;
	int err = 0, status;

	for (proc = 0; proc < PROCS; proc++) {
		pids[proc] = fork();
		if (pids[proc])
			continue;
		for (i = proc; i < LINKS; i += PROCS) {
			status = work(p, i);
			if (status) {
				fprintf(stderr, "# link %u: %d: %s\n", i,
					status, link_why());
				_exit(status);
			}
		}
		_exit(0);
	}
	for (proc = 0; proc < PROCS; proc++) {
		status = reap(pids[proc]);
		err = err ?: status;
	}
	return err;
}

static int prepare(const struct place *p, unsigned int i)
{
	return ERR(mkdir(path("%s/v%u", p->top, i), 0755)) ?:
	       ERR(mkdir(path("%s/b%u", p->back, i), 0755)) ?:
	       -put(path("%s/v%u/x", p->top, i), "original") ?:
	       -put(path("%s/b%u/x", p->back, i), path("backing %u", i));
}

static int make(const struct place *p, unsigned int i)
{
	return -link_make(path("%s/v%u", p->top, i),
			  path("%s/b%u", p->back, i));
}

static int drop(const struct place *p, unsigned int i)
{
	return -link_drop(path("%s/v%u", p->top, i));
}

static int shows_backing(const struct place *p, unsigned int i)
{
	return strcmp(path("backing %u", i),
		      get(path("%s/v%u/x", p->top, i))) ? 200 : 0;
}

static int shows_original(const struct place *p, unsigned int i)
{
	return strcmp("original", get(path("%s/v%u/x", p->top, i))) ? 201 : 0;
}

static int come_and_go(const struct place *p, unsigned int i)
{
	const char *v = path("%s/v%u", p->top, i);
	const char *b = path("%s/b%u", p->back, i);
	int err;

	err = make(p, i) ?: shows_backing(p, i) ?:
	      -put(path("%s/new", v), "new");
	if (err)
		return err;
	if (strcmp(b, link_listed(v)))
		return 202;
	if (i % 3 == 0 && link_count(p->top) < 1)
		return 203;
	err = drop(p, i) ?: shows_original(p, i);
	if (err)
		return err;
	return strcmp("new", get(path("%s/new", b))) ? 204 : 0;
}

TEST_F_TIMEOUT(parallel, RM3_200_links_made_and_removed, 900)
{
	struct place *p = &self->p;
	unsigned int i;

	ASSERT_EQ(0, each(p, prepare));
	ASSERT_EQ(0, each(p, make));
	EXPECT_EQ(LINKS, link_count(p->top));
	for (i = 0; i < LINKS; i += 10)
		EXPECT_EQ(1, mounted(path("%s/v%u", p->top, i)));
	EXPECT_EQ(0, each(p, shows_backing));
	EXPECT_EQ(0, each(p, drop));
	EXPECT_EQ(0, link_count(p->top));
	for (i = 0; i < LINKS; i += 10)
		EXPECT_EQ(0, mounted(path("%s/v%u", p->top, i)));
	EXPECT_EQ(0, each(p, shows_original));
}

TEST_F_TIMEOUT(parallel, CR9_200_links_come_and_go, 900)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, each(p, prepare));
	EXPECT_EQ(0, each(p, come_and_go));
	EXPECT_EQ(0, link_count(p->top));
}

TEST_HARNESS_MAIN
