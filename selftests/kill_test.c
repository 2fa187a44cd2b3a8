// SPDX-License-Identifier: GPL-2.0
/*
 * bindlinkctl is killed at random points: there is the whole link or none.
 */
#include <signal.h>
#include <time.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES(killing);

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static pid_t start(const char *what, const char *v, const char *b)
{
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("bindlinkctl", "bindlinkctl", what, v, b, NULL);
		_exit(127);
	}
	return pid;
}

/* Killed after that time; its exit status, or 256 and the signal. */
static int killed_after(uint64_t ns, const char *what, const char *v,
			const char *b)
{
	struct timespec t = {
		.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
	};
	pid_t pid = start(what, v, b);

	nanosleep(&t, NULL);
	kill(pid, SIGKILL);
	return reap(pid);
}

/*
 * 1 if there is a link, 0 if there is none, -1 if the table, the mounts and
 * what is seen do not agree.  What the killed process held is given back by the
 * kernel a moment later.
 */
static int whole(const struct place *p)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int i, links = 0, mounts = 0;
	const char *seen;

	for (i = 0; i < 250; i++) {
		links = link_count(NULL);
		mounts = mounted(p->v);
		if (links == mounts)
			break;
		nanosleep(&pause, NULL);
	}
	seen = get(path("%s/x", p->v));
	if (!links && !mounts && !strcmp(seen, "original"))
		return 0;
	if (links == 1 && mounts == 1 && !strcmp(seen, "backing"))
		return 1;
	fprintf(stderr, "# %d links, %d mounts, V shows '%s'\n", links, mounts,
		seen);
	return -1;
}

static void set_up(struct __test_metadata *_metadata, struct place *p)
{
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->v), "original"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "backing"));
}

/* How long a whole run takes is how far the delays go. */
static uint64_t span_of(const struct place *p)
{
	uint64_t begun = now_ns();
	int i;

	for (i = 0; i < 3; i++)
		if (reap(start("create", p->v, p->b)) ||
		    reap(start("remove", p->v, NULL)))
			return 0;
	return (now_ns() - begun) / 6;
}

/* For each of three filesystems: more than 200 in all. */
#define ROUNDS	70

TEST_F_TIMEOUT(killing, CR9_create, 900)
{
	struct place *p = &self->p;
	unsigned int i, n = scaled(ROUNDS) + 20, made = 0, none = 0;
	uint64_t seed = rnd_seed(), span;

	set_up(_metadata, p);
	span = span_of(p);
	TH_LOG("seed %#jx, up to %ju us", (uintmax_t)seed,
	       (uintmax_t)span / 1000);
	ASSERT_LT(0, span)
		TH_LOG("bindlinkctl does not work");
	for (i = 0; i < n; i++) {
		uint64_t delay = ((uint64_t)rnd(&seed) << 32 | rnd(&seed)) %
				 (span * 5 / 4);
		int status = killed_after(delay, "create", p->v, p->b);
		int there = whole(p);

		ASSERT_LE(0, there)
			TH_LOG("round %u: after %ju us, status %d", i,
			       (uintmax_t)delay / 1000, status);
		EXPECT_TRUE(status == 0 || status == 256 + SIGKILL)
			TH_LOG("status %d", status);
		if (there) {
			made++;
			ASSERT_EQ(0, link_drop(p->v))
				TH_LOG("round %u: %s", i, link_why());
		} else {
			none++;
			EXPECT_NE(0, status)
				TH_LOG("round %u: success, and no link", i);
		}
	}
	TH_LOG("%u made, %u not", made, none);
	/* Else the delays would have meant nothing. */
	if (n > 20) {
		EXPECT_LT(0, made);
		EXPECT_LT(0, none);
	}
}

TEST_F_TIMEOUT(killing, CR9_remove, 900)
{
	struct place *p = &self->p;
	unsigned int i, n = scaled(ROUNDS) + 20, gone = 0, left = 0;
	uint64_t seed = rnd_seed(), span;

	set_up(_metadata, p);
	span = span_of(p);
	TH_LOG("seed %#jx, up to %ju us", (uintmax_t)seed,
	       (uintmax_t)span / 1000);
	ASSERT_LT(0, span)
		TH_LOG("bindlinkctl does not work");
	for (i = 0; i < n; i++) {
		uint64_t delay = ((uint64_t)rnd(&seed) << 32 | rnd(&seed)) %
				 (span * 5 / 4);
		int status, there;

		if (!link_count(NULL))
			ASSERT_EQ(0, link_make(p->v, p->b))
				TH_LOG("round %u: %s", i, link_why());
		status = killed_after(delay, "remove", p->v, NULL);
		there = whole(p);
		ASSERT_LE(0, there)
			TH_LOG("round %u: after %ju us, status %d", i,
			       (uintmax_t)delay / 1000, status);
		if (there) {
			left++;
			EXPECT_NE(0, status)
				TH_LOG("round %u: success, and a link", i);
		} else {
			gone++;
		}
	}
	TH_LOG("%u gone, %u left", gone, left);
	if (n > 20) {
		EXPECT_LT(0, gone);
		EXPECT_LT(0, left);
	}
}

/* Others make and remove theirs meanwhile, and notice nothing. */
TEST_F_TIMEOUT(killing, CR9_while_others_work, 900)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top);
	unsigned int i, n = scaled(ROUNDS) + 10;
	uint64_t seed = rnd_seed(), span;
	pid_t other;
	int go[2];
	char c;

	set_up(_metadata, p);
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	span = span_of(p);
	TH_LOG("seed %#jx", (uintmax_t)seed);
	ASSERT_LT(0, span);
	ASSERT_EQ(0, ERR(pipe2(go, O_NONBLOCK)));
	other = fork();
	if (!other) {
		close(go[1]);
		while (read(go[0], &c, 1) < 0)
			if (link_make(w, p->b) || link_drop(w))
				_exit(1);
		_exit(0);
	}
	close(go[0]);
	for (i = 0; i < n; i++) {
		const char *seen;

		killed_after(rnd(&seed) % span, "create", p->v, p->b);
		seen = get(path("%s/x", p->v));
		if (!strcmp(seen, "backing")) {
			EXPECT_EQ(0, link_drop(p->v))
				TH_LOG("round %u: %s", i, link_why());
		} else {
			EXPECT_STREQ("original", seen);
		}
		if (_metadata->exit_code)
			break;
	}
	close(go[1]);
	EXPECT_EQ(0, reap(other));
	EXPECT_EQ(0, whole(p));
}

TEST_HARNESS_MAIN
