// SPDX-License-Identifier: GPL-2.0
/*
 * Backing paths that lead through other links: chains, late ones, cycles, and
 * parents whose links lead into each other.
 */
#include <time.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"
#include "weather.h"

/* Mostly of names: one filesystem for all, and two. */
PLACES_BARE(chain);
FIXTURE_VARIANT_ADD(chain, tmpfs) { .virt = "tmpfs", .back = "tmpfs", };
FIXTURE_VARIANT_ADD(chain, cross) { .virt = "ext4", .back = "tmpfs", };

static const uint32_t attach[] = {
	BINDLINK_ATTACH_AUTO, BINDLINK_ATTACH_PARENT,
};

/* Directories or files d0...dn, each with its number in it. */
static int make_steps(const struct place *p, unsigned int n, char kind,
		      const char **at)
{
	unsigned int i;
	int err;

	for (i = 0; i <= n; i++) {
		/* Some on either filesystem. */
		at[i] = path("%s/d%u", i & 1 ? p->back : p->top, i);
		err = -make_kind(at[i], kind, path("%u", i));
		if (err)
			return err;
	}
	return 0;
}

static const char *inside(const char *at, char kind)
{
	return kind == 'd' ? path("%s/in", at) : at;
}

#define MAX	16

/*
 * The @i-th of @n cases where all are too many for a slow machine: others each
 * time, of all sorts. 5 has no divisor in common with the numbers of cases.
 */
static unsigned int some_case(unsigned int i, unsigned int n, uint64_t seed)
{
	return (seed + i * 5) % n;
}

static unsigned int some_cases(unsigned int n)
{
	unsigned int some = scaled(n);

	return some < 4 ? 4 : some;
}

TEST_F(chain, CH1_CH2_made_before_and_after)
{
	struct place *p = &self->p;
	const char *b1 = path("%s/b1", p->back), *c = path("%s/c", p->top);
	static const char kinds[] = "df";
	uint64_t seed = rnd_seed();
	unsigned int turn, i;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	for (turn = 0; turn < some_cases(16); turn++) {
		i = some_case(turn, 16, seed);
		char kind = kinds[i & 1];
		bool late = i & 2, anchored = i & 4;
		const char *x = inside(p->v, kind);
		uint32_t how = attach[i >> 3];

		if (anchored)
			ASSERT_EQ(0, make_kind(p->v, kind, "original"));
		ASSERT_EQ(0, make_kind(b1, kind, "b1"));
		ASSERT_EQ(0, make_kind(c, kind, "c"));
		if (!late)
			ASSERT_EQ(0, link_attach(b1, c, how))
				TH_LOG("%s", link_why());
		ASSERT_EQ(0, link_attach(p->v, b1, how))
			TH_LOG("%s", link_why());
		if (late) {
			EXPECT_STREQ("b1", get(x));
			EXPECT_STREQ("b1", get(x));
			ASSERT_EQ(0, link_attach(b1, c, how))
				TH_LOG("%s", link_why());
		}
		EXPECT_STREQ("c", get(x))
			TH_LOG("round %u", i);
		EXPECT_TRUE(same_inode(p->v, c));
		EXPECT_STREQ(facts(c), facts(p->v));
		EXPECT_EQ(0, put(x, "written"));
		EXPECT_STREQ("written", get(inside(c, kind)));
		EXPECT_STREQ(b1, link_listed(p->v));
		ASSERT_EQ(0, link_drop(b1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("b1", get(x))
			TH_LOG("round %u", i);
		EXPECT_TRUE(same_inode(p->v, b1));
		ASSERT_EQ(0, link_drop(p->v));
		EXPECT_STREQ(anchored ? "original" : "!ENOENT", get(x));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		ASSERT_EQ(0, rm_rf(p->v));
		ASSERT_EQ(0, rm_rf(b1));
		ASSERT_EQ(0, rm_rf(c));
	}
}

/* What is below B1 may be a link as well. */
TEST_F(chain, CH1_LB4_a_link_below_the_backing)
{
	struct place *p = &self->p;
	const char *sub = path("%s/sub", p->b), *c = path("%s/c", p->back);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		ASSERT_EQ(0, make_kind(sub, 'd', "sub"));
		ASSERT_EQ(0, make_kind(c, 'd', "c"));
		ASSERT_EQ(0, link_make(p->v, p->b));
		EXPECT_STREQ("sub", get(path("%s/sub/in", p->v)));
		/* As a mount below B is seen, so is a link. */
		ASSERT_EQ(0, link_attach(sub, c, attach[i]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("c", get(path("%s/in", sub)));
		EXPECT_STREQ("c", get(path("%s/sub/in", p->v)));
		EXPECT_TRUE(same_inode(path("%s/sub", p->v), c));
		ASSERT_EQ(0, link_drop(sub));
		EXPECT_STREQ("sub", get(path("%s/sub/in", p->v)));
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, rm_rf(c));
	}
}

static void shuffle(unsigned int *order, unsigned int n, uint64_t *seed)
{
	unsigned int i, j, t;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n; i > 1; i--) {
		j = rnd(seed) % i;
		t = order[i - 1];
		order[i - 1] = order[j];
		order[j] = t;
	}
}

TEST_F_TIMEOUT(chain, CH4_chains_in_every_direction, 600)
{
	struct place *p = &self->p;
	static const char kinds[] = "df";
	unsigned int order[MAX], i, j, n = 8, round, turn;
	uint64_t seed = rnd_seed(), start = seed;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	for (turn = 0; turn < some_cases(12); turn++) {
		round = some_case(turn, 12, start);
		char kind = kinds[round & 1];
		const char *at[MAX];
		bool made[MAX] = { };

		ASSERT_EQ(0, make_steps(p, n, kind, at));
		for (i = 0; i < n; i++)
			order[i] = round / 2 == 0 ? i : n - 1 - i;
		if (round >= 4)
			shuffle(order, n, &seed);
		for (i = 0; i < n; i++) {
			ASSERT_EQ(0, link_attach(at[order[i]],
						 at[order[i] + 1],
						 attach[round / 4 & 1]))
				TH_LOG("%s", link_why());
			made[order[i]] = true;
		}
		for (i = 0; i <= n; i++) {
			EXPECT_STREQ("8", get(inside(at[i], kind)))
				TH_LOG("round %u: %u", round, i);
			EXPECT_TRUE(same_inode(at[i], at[n]));
		}
		/* Taken out of the middle, one after the other. */
		shuffle(order, n, &seed);
		for (i = 0; i < n; i++) {
			ASSERT_EQ(0, link_drop(at[order[i]]))
				TH_LOG("%s", link_why());
			made[order[i]] = false;
			for (j = 0; j <= n; j++) {
				unsigned int end = j;

				while (end < n && made[end])
					end++;
				EXPECT_STREQ(path("%u", end),
					     get(inside(at[j], kind)))
					TH_LOG("round %u: %u", round, j);
			}
		}
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		EXPECT_EQ(0, mount_count(p->back, "bindlink"));
		for (i = 0; i <= n; i++)
			ASSERT_EQ(0, rm_rf(at[i]));
	}
}

/* How many links follow one another from the @i-th. */
static unsigned int length_of(const char **at, unsigned int i, unsigned int n)
{
	unsigned int length = 0;

	while (i < n && strcmp(link_listed(at[i]), "!ENOENT")) {
		length++;
		i++;
	}
	return length;
}

#define CHECK_CHAIN(at, n, kind) do {					\
	unsigned int __i, __len;					\
									\
	for (__i = 0; __i <= (n); __i++) {				\
		const char *__is = get(inside((at)[__i], (kind)));	\
		const char *__end;					\
									\
		__len = length_of((at), __i, (n));			\
		__end = path("%u", __i + __len);			\
		if (__len <= 8) {					\
			EXPECT_STREQ(__end, __is)			\
				TH_LOG("%u links", __len);		\
		} else if (__len > 10) {				\
			EXPECT_STREQ("!ELOOP", __is)			\
				TH_LOG("%u links", __len);		\
		} else {						\
			EXPECT_TRUE(!strcmp(__end, __is) ||		\
				    !strcmp("!ELOOP", __is))		\
				TH_LOG("%u links: %s", __len, __is);	\
		}							\
	}								\
} while (0)

TEST_F(chain, CH4_too_long_is_ELOOP)
{
	struct place *p = &self->p;
	static const char kinds[] = "df";
	unsigned int i, n = 14, round;

	for (round = 0; round < 4; round++) {
		char kind = kinds[round & 1];
		const char *at[MAX];
		bool refused = false;

		ASSERT_EQ(0, make_steps(p, n, kind, at));
		/* From the far end: B has to be reachable, so one is refused. */
		for (i = n; i-- > 0; ) {
			int err = link_attach(at[i], at[i + 1],
					      attach[round / 2]);

			if (n - i > 8 && err == -ELOOP)
				refused = true;
			else
				ASSERT_EQ(0, err)
					TH_LOG("%u: %s", i, link_why());
			if (refused)
				break;
		}
		EXPECT_TRUE(refused);
		EXPECT_NE('\0', link_why()[0]);
		CHECK_CHAIN(at, n, kind);
		/* From the near end it can be had, and is too long. */
		for (i = 0; i < n; i++) {
			int err = link_attach(at[i], at[i + 1],
					      attach[round / 2]);

			if (err != -EEXIST && err != -ELOOP)
				ASSERT_EQ(0, err)
					TH_LOG("%u: %s", i, link_why());
		}
		CHECK_CHAIN(at, n, kind);
		/* One out of the middle, and both halves are short enough. */
		ASSERT_EQ(0, link_drop(at[n - 6]));
		CHECK_CHAIN(at, n, kind);
		EXPECT_EQ(0, link_clear(p->top));
		EXPECT_EQ(0, link_clear(p->back));
		for (i = 0; i <= n; i++)
			ASSERT_EQ(0, rm_rf(at[i]));
	}
}

/* Made late, forwards: each backing path is right when its link is made. */
TEST_F(chain, CH4_CH1_grows_too_long_and_shrinks_again)
{
	struct place *p = &self->p;
	unsigned int i, j, n = 13;
	const char *at[MAX];

	ASSERT_EQ(0, make_steps(p, n, 'd', at));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, link_make(at[i], at[i + 1]))
			TH_LOG("%s", link_why());
		for (j = 0; j <= i; j++) {
			const char *seen = get(path("%s/in", at[j]));

			if (i - j + 1 <= 8) {
				EXPECT_STREQ(path("%u", i + 1), seen)
					TH_LOG("%u to %u", j, i + 1);
			} else if (i - j + 1 > 10) {
				EXPECT_STREQ("!ELOOP", seen)
					TH_LOG("%u to %u", j, i + 1);
			}
		}
	}
	while (i-- > 0) {
		ASSERT_EQ(0, link_drop(at[i]));
		for (j = i > 8 ? i - 8 : 0; j < i; j++)
			EXPECT_STREQ(path("%u", i), get(path("%s/in", at[j])));
	}
}

/*
 * Everything that one can do with a path ends with ELOOP, and soon.  Below what
 * was a file when it was mounted upon it is ENOTDIR.
 */
#define LOOPS(file, kind) do {						\
	const char *__f = (file);					\
	struct stat __st;						\
									\
	EXPECT_EQ(ELOOP, ERR(stat(__f, &__st)))				\
		TH_LOG("%s", __f);					\
	EXPECT_EQ(ELOOP, ERR(lstat(__f, &__st)));			\
	EXPECT_EQ(ELOOP, err_open(__f, O_RDONLY));			\
	EXPECT_EQ(ELOOP, err_open(__f, O_RDWR));			\
	EXPECT_EQ(ELOOP, err_open(__f, O_PATH));			\
	EXPECT_EQ(ELOOP, ERR(access(__f, F_OK)));			\
	EXPECT_EQ(ELOOP, ERR(truncate(__f, 0)));			\
	EXPECT_EQ(ELOOP, ERR(chmod(__f, 0700)));			\
	EXPECT_NE(0, ERR(chdir(__f)));					\
	EXPECT_NE(0, ERR(stat(path("%s/in", __f), &__st)));		\
	if ((kind) == 'f')						\
		break;							\
	EXPECT_EQ(ELOOP, ERR(chdir(__f)));				\
	EXPECT_EQ(ELOOP, ERR(stat(path("%s/in", __f), &__st)));		\
	EXPECT_EQ(ELOOP, ERR(mkdir(path("%s/d", __f), 0755)));		\
	EXPECT_EQ(ELOOP, err_open(path("%s/n", __f),			\
				  O_CREAT | O_WRONLY));			\
	EXPECT_EQ(ELOOP, ERR(unlink(path("%s/in", __f))));		\
	EXPECT_STREQ("!ELOOP", names(__f));				\
} while (0)

TEST_F_TIMEOUT(chain, CH3_cycles, 600)
{
	static const unsigned int lengths[] = { 1, 2, 3, 5 };
	static const char kinds[] = "df";
	struct place *p = &self->p;
	uint64_t seed = rnd_seed();
	unsigned int turn, round, i, n;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	for (turn = 0; turn < some_cases(16); turn++) {
		round = some_case(turn, 16, seed);
		char kind = kinds[round & 1];
		const char *at[MAX];

		n = lengths[round / 4];
		ASSERT_EQ(0, make_steps(p, n - 1, kind, at));
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, link_attach(at[i], at[(i + 1) % n],
						 attach[round / 2 & 1]))
				TH_LOG("%s", link_why());
		for (i = 0; i < n; i++) {
			LOOPS(at[i], kind);
			EXPECT_STREQ(at[(i + 1) % n], link_listed(at[i]));
			/* On purpose: it only must not hang. */
			unlink(at[i]);
			rmdir(at[i]);
			rename(at[i], path("%s.x", at[i]));
			rename(path("%s.x", at[i]), at[i]);
		}
		/* Siblings and the listing of the parent are not bothered. */
		EXPECT_NE('!', names(p->top)[0]);
		EXPECT_EQ(0, put(path("%s/sibling", p->top), "sibling"));
		EXPECT_STREQ("sibling", get(path("%s/sibling", p->top)));
		EXPECT_EQ(0, ERR(unlink(path("%s/sibling", p->top))));
		/* One broken, and the others follow to what is there. */
		for (i = 0; i < n; i++) {
			unsigned int j;

			ASSERT_EQ(0, link_drop(at[i]))
				TH_LOG("%s", link_why());
			for (j = 0; j < n; j++)
				EXPECT_STREQ(path("%u", i),
					     get(inside(at[j], kind)))
					TH_LOG("%u of %u, by %u", i, n, j);
			ASSERT_EQ(0, link_attach(at[i], at[(i + 1) % n],
						 attach[round / 2 & 1]))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("!ELOOP", get(inside(at[i], kind)));
		}
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, link_drop(at[i]))
				TH_LOG("%s", link_why());
		for (i = 0; i < n; i++) {
			EXPECT_STREQ(path("%u", i), get(inside(at[i], kind)));
			ASSERT_EQ(0, rm_rf(at[i]));
		}
	}
}

/* Cycles of links and symlinks, and of directories below links. */
TEST_F(chain, CH3_cycles_by_way_of_other_things)
{
	struct place *p = &self->p;
	const char *s = path("%s/s", p->back), *w = path("%s/w", p->top);
	struct stat st;

	ASSERT_EQ(0, make_kind(p->v, 'd', "v"));
	ASSERT_EQ(0, make_kind(w, 'd', "w"));
	/* V -> a symlink -> V. */
	ASSERT_EQ(0, ERR(symlink(w, s)));
	ASSERT_EQ(0, link_make(p->v, s));
	EXPECT_STREQ("w", get(path("%s/in", p->v)));
	ASSERT_EQ(0, ERR(unlink(s)));
	ASSERT_EQ(0, ERR(symlink(p->v, s)));
	EXPECT_EQ(ELOOP, ERR(stat(p->v, &st)));
	LOOPS(p->v, 'd');
	EXPECT_EQ(ELOOP, ERR(stat(s, &st)));
	/* W -> V/sub -> ... -> W. */
	ASSERT_EQ(0, ERR(unlink(s)));
	ASSERT_EQ(0, ERR(symlink(w, s)));
	ASSERT_EQ(0, make_kind(path("%s/sub", w), 'd', "sub"));
	EXPECT_STREQ("sub", get(path("%s/sub/in", p->v)));
	ASSERT_EQ(0, link_make(w, path("%s/sub", p->v)))
		TH_LOG("%s", link_why());
	LOOPS(w, 'd');
	LOOPS(p->v, 'd');
	ASSERT_EQ(0, link_drop(w));
	EXPECT_STREQ("sub", get(path("%s/sub/in", p->v)));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("v", get(path("%s/in", p->v)));
}

TEST_F(chain, CH1_LB3_through_symlinks)
{
	struct place *p = &self->p;
	const char *s = path("%s/s", p->back), *w = path("%s/w", p->top);
	const char *tmp = path("%s/tmp", p->back);
	int i;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, make_kind(path("%s/sub", p->b), 'd', "sub"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/other", p->back), 0755)));
	ASSERT_EQ(0, make_kind(path("%s/other/sub", p->back), 'd', "other"));
	/* W -> B, and V -> a symlink into W. */
	ASSERT_EQ(0, link_make(w, p->b));
	ASSERT_EQ(0, ERR(symlink(path("%s/sub", w), s)));
	ASSERT_EQ(0, link_make(p->v, s))
		TH_LOG("%s", link_why());
	for (i = 0; i < 6; i++) {
		EXPECT_STREQ(i & 1 ? "other" : "sub", get(path("%s/in", p->v)));
		ASSERT_EQ(0, ERR(symlink(i & 1 ? path("%s/sub", w) :
					 path("%s/other/sub", p->back), tmp)));
		ASSERT_EQ(0, ERR(rename(tmp, s)));
	}
	EXPECT_STREQ("sub", get(path("%s/in", p->v)));
	/* The link on the way goes, and comes again to another place. */
	ASSERT_EQ(0, link_drop(w));
	EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
	ASSERT_EQ(0, link_make(w, path("%s/other", p->back)));
	EXPECT_STREQ("other", get(path("%s/in", p->v)));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, link_drop(w));
}

TEST_F(chain, CH1_LB2_through_directories_in_links)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top), *b = path("%s/1/2", w);
	const char *away = path("%s/away", p->back);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		ASSERT_EQ(0, make_kind(path("%s/1", p->b), 'd', "1"));
		ASSERT_EQ(0, make_kind(path("%s/1/2", p->b), 'd', "2"));
		ASSERT_EQ(0, link_attach(w, p->b, attach[i]));
		ASSERT_EQ(0, link_attach(p->v, b, attach[i]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("2", get(path("%s/in", p->v)));
		/* Changed at W's backing, and through W. */
		ASSERT_EQ(0, ERR(rename(path("%s/1", p->b), away)));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
		ASSERT_EQ(0, ERR(rename(away, path("%s/1", p->b))));
		EXPECT_STREQ("2", get(path("%s/in", p->v)));
		ASSERT_EQ(0, ERR(rename(path("%s/1/2", w),
					path("%s/1/3", w))));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/1/2", w), 0755)));
		EXPECT_STREQ("", names(p->v));
		ASSERT_EQ(0, put(path("%s/1/2/in", w), "new"));
		EXPECT_STREQ("new", get(path("%s/in", p->v)));
		/* W's backing as a whole. */
		ASSERT_EQ(0, ERR(rename(p->b, away)));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
		ASSERT_EQ(0, ERR(rename(away, p->b)));
		EXPECT_STREQ("new", get(path("%s/in", p->v)));
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, link_drop(w));
		ASSERT_EQ(0, rm_rf(p->b));
	}
}

/* B in the tree that carries the link, or carried by it. */
TEST_F(chain, CH1_backing_beside_the_link)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *w = path("%s/w", par), *sib = path("%s/sib", par);
	const char *x = path("%s/d/x", par), *raw = path("%s/raw", p->top);
	char *before, *after;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, make_kind(sib, 'd', "sibling"));
	ASSERT_EQ(0, make_kind(path("%s/sub", sib), 'd', "sub"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", par), 0755)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(raw, 0755)));
	ASSERT_EQ(0, ERR(mount(par, raw, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL)));
	before = tree(raw, true);
	/* To a sibling, into a sibling. */
	ASSERT_EQ(0, link_make(v, sib))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("sibling", get(path("%s/in", v)));
	EXPECT_TRUE(same_inode(v, sib));
	ASSERT_EQ(0, link_make(w, path("%s/sub", v)))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("sub", get(path("%s/in", w)));
	/* From deeper in the parent to another link in it. */
	ASSERT_EQ(0, link_make(x, w))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("sub", get(path("%s/in", x)));
	EXPECT_EQ(1, mount_count(par, "bindlink"));
	EXPECT_STREQ("d sib v w", names(par));
	EXPECT_STREQ("x", names(path("%s/d", par)));
	after = tree(raw, true);
	EXPECT_STREQ(before, after);
	free(after);
	/* Names come and go in the sibling, by every way. */
	EXPECT_EQ(0, put(path("%s/new", x), "new"));
	EXPECT_STREQ("in new", names(path("%s/sub", sib)));
	EXPECT_STREQ("in new", names(path("%s/sub", v)));
	EXPECT_EQ(0, ERR(rename(path("%s/new", x), path("%s/new", sib))));
	EXPECT_STREQ("new", get(path("%s/new", v)));
	EXPECT_EQ(0, ERR(unlink(path("%s/new", v))));
	EXPECT_STREQ("!ENOENT", get(path("%s/new", sib)));
	/* The sibling is renamed, through the tree and beneath it. */
	EXPECT_EQ(0, ERR(rename(sib, path("%s/sib2", par))));
	EXPECT_STREQ("!ENOENT", get(path("%s/in", v)));
	EXPECT_STREQ("!ENOENT", get(path("%s/in", x)));
	EXPECT_EQ(0, ERR(rename(path("%s/sib2", raw), path("%s/sib", raw))));
	EXPECT_STREQ("sibling", get(path("%s/in", v)));
	EXPECT_STREQ("sub", get(path("%s/in", x)));
	/* The link renamed onto the sibling's other name and back. */
	EXPECT_EQ(0, ERR(rename(v, path("%s/sib2", par))));
	EXPECT_STREQ("!ENOENT", facts(sib));
	EXPECT_EQ(0, ERR(rename(path("%s/sib2", par), sib)));
	EXPECT_STREQ("sibling", get(path("%s/in", v)));
	/* Itself over itself, by two names. */
	EXPECT_NE(-1, ERR(rename(v, sib)));
	EXPECT_STREQ("sibling", get(path("%s/in", sib)));
	EXPECT_EQ(0, link_drop(x));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_STREQ("!ENOENT", get(path("%s/in", w)));
	EXPECT_EQ(0, link_drop(w));
	after = tree(raw, true);
	EXPECT_STREQ(before, after);
	free(after);
	free(before);
}

/*
 * What was found in a directory of the view goes on being right when something is
 * mounted, linked or renamed in it later, whoever looked first.
 */
TEST_F(chain, CH1_CH5_LB4_LB7_changes_inside_of_the_view)
{
	struct place *p = &self->p;
	const char *b1 = path("%s/b1", p->back), *c = path("%s/c", p->top);
	const char *other = path("%s/other", p->top);
	const char *deep = path("%s/x/sub/deep", b1);
	const char *seen = path("%s/sub/deep/in", p->v);
	const char *late = path("%s/sub/deep/late", p->v);
	unsigned int turn;

	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/x", c), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/x/sub", c), 0755)));
	ASSERT_EQ(0, make_kind(path("%s/x/sub/deep", c), 'd', "deep"));
	ASSERT_EQ(0, make_kind(other, 'd', "other"));
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(b1, 0755)));
	for (turn = 0; turn < 8; turn++) {
		uint32_t how = attach[turn & 1];
		bool ro = turn & 2, around = turn & 4;

		ASSERT_EQ(0, link_attach(b1, c, how))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, link_make_opts(p->v, path("%s/x", b1),
					    ro ? BINDLINK_FLAG_READ_ONLY : 0,
					    how, NULL, 0))
			TH_LOG("%s", link_why());
		/* With the middle of the chain in the dcache, and without. */
		if (around)
			EXPECT_STREQ("deep", get(path("%s/in", deep)));
		EXPECT_STREQ("deep", get(seen));
		EXPECT_STREQ("!ENOENT", get(late));
		/* Mounted where the chain comes through. */
		ASSERT_EQ(0, ERR(mount("none", deep, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, put(path("%s/in", deep), "mounted"));
		EXPECT_STREQ("mounted", get(seen))
			TH_LOG("turn %u", turn);
		EXPECT_EQ(ro ? EROFS : 0, ERR(mkdir(late, 0755)));
		EXPECT_EQ(ro ? -1 : 0, access(path("%s/late", deep), F_OK));
		ASSERT_EQ(0, ERR(umount(deep)));
		EXPECT_STREQ("deep", get(seen))
			TH_LOG("turn %u", turn);
		EXPECT_STREQ("!ENOENT", facts(late));
		/* A link there. */
		ASSERT_EQ(0, link_make(path("%s/late", deep), other))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("other", get(path("%s/in", late)));
		ASSERT_EQ(0, link_drop(path("%s/late", deep)));
		EXPECT_STREQ("!ENOENT", facts(late));
		/* Names come and go at the end of the chain. */
		ASSERT_EQ(0, put(path("%s/x/sub/deep/late", c), "new"));
		EXPECT_STREQ("new", get(late));
		ASSERT_EQ(0, ERR(unlink(path("%s/x/sub/deep/late", c))));
		EXPECT_STREQ("!ENOENT", get(late));
		ASSERT_EQ(0, ERR(rename(path("%s/x/sub", c),
					path("%s/x/away", c))));
		EXPECT_STREQ("!ENOENT", get(seen));
		EXPECT_STREQ("deep", get(path("%s/away/deep/in", p->v)));
		ASSERT_EQ(0, ERR(rename(path("%s/x/away", c),
					path("%s/x/sub", c))));
		EXPECT_STREQ("deep", get(seen));
		EXPECT_TRUE(same_inode(path("%s/sub", p->v),
				       path("%s/x/sub", c)));
		/* And names through it, from one directory to another. */
		if (!ro) {
			EXPECT_EQ(0, put(late, "made"));
			EXPECT_EQ(0, ERR(rename(late, path("%s/n", p->v))));
			EXPECT_STREQ("made", get(path("%s/x/n", c)));
			EXPECT_EQ(0, ERR(rename(path("%s/n", p->v), late)));
			EXPECT_STREQ("made", get(late));
			EXPECT_EQ(0, ERR(unlink(late)));
		}
		/* Without the middle there is nothing. */
		ASSERT_EQ(0, link_drop(b1));
		EXPECT_STREQ("!ENOENT", get(seen));
		ASSERT_EQ(0, link_drop(p->v));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
	}
}

/* B below V's own parent, made and removed through the link. */
TEST_F(chain, WR2_CH1_backing_below_the_own_parent)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *d = path("%s/d", par), *b = path("%s/b", d);
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(b, "backing"));
	ASSERT_EQ(0, link_make(v, b))
		TH_LOG("%s", link_why());
	for (i = 0; i < 5; i++) {
		EXPECT_STREQ("backing", get(v));
		EXPECT_EQ(0, ERR(unlink(v)));
		EXPECT_STREQ("!ENOENT", get(b));
		EXPECT_STREQ("", names(d));
		EXPECT_STREQ("d", names(par));
		EXPECT_EQ(0, put(v, "made"));
		EXPECT_STREQ("made", get(b));
		EXPECT_EQ(0, ERR(rename(v, path("%s/moved", par))));
		EXPECT_EQ(0, ERR(rename(path("%s/moved", par), b)));
		EXPECT_STREQ("made", get(v));
		EXPECT_EQ(0, put(path("%s/tmp", par), "backing"));
		EXPECT_EQ(0, ERR(rename(path("%s/tmp", par), v)));
		EXPECT_STREQ("backing", get(b));
		EXPECT_EQ(0, ERR(unlink(b)));
		EXPECT_EQ(0, ERR(link(path("%s/none", par), v)) == ENOENT ?
			     0 : 1);
		EXPECT_EQ(0, put(b, "backing"));
		EXPECT_EQ(0, ERR(rename(d, path("%s/d2", par))));
		EXPECT_STREQ("!ENOENT", get(v));
		EXPECT_EQ(ENOENT, err_open(v, O_CREAT | O_WRONLY));
		EXPECT_EQ(0, ERR(rename(path("%s/d2", par), d)));
	}
	EXPECT_EQ(0, link_drop(v));
	EXPECT_STREQ("d", names(par));
}

/*
 * Many at once.
 */
/*
 * Waits for all; where nothing at all has been done for a minute somebody
 * hangs, and the kernel says where.
 */
static bool all_end(struct weather *s, const pid_t *pids, unsigned int n,
		    int *worst)
{
	unsigned long before = ~0UL, now;
	unsigned int i, left = n, still = 0;
	bool ended[32] = { };
	int status;

	*worst = 0;
	while (left) {
		for (i = 0; i < n; i++)
			if (!ended[i] &&
			    waitpid(pids[i], &status, WNOHANG) == pids[i]) {
				ended[i] = true;
				left--;
				if (status)
					*worst = status;
			}
		now = atomic_load(&s->changes);
		still = now == before ? still + 1 : 0;
		before = now;
		if (still > 6000) {
			put("/proc/sys/kernel/sysrq", "1");
			put("/proc/sysrq-trigger", "w");
			for (i = 0; i < n; i++) {
				if (ended[i])
					continue;
				fprintf(stderr, "# process %d hangs:\n%s\n",
					pids[i],
					get(path("/proc/%d/stack", pids[i])));
				kill(pids[i], SIGKILL);
			}
			return false;
		}
		usleep(10000);
	}
	return true;
}

#define ALL_END(s, pids, n) do {					\
	int __worst;							\
									\
	ASSERT_TRUE(all_end((s), (pids), (n), &__worst))		\
		TH_LOG("a process hangs");				\
	EXPECT_EQ(0, __worst);						\
	EXPECT_STREQ("", (s)->what);					\
} while (0)

#define READERS	3
#define STEPS	4

/* A cycle that is made and broken while others walk it. */
TEST_F_TIMEOUT(chain, CH3_LB6_made_and_broken_while_readers_walk, 600)
{
	struct place *p = &self->p;
	unsigned int i, round, mode, n = scaled(60) + 4;
	uint64_t seed = rnd_seed();

	TH_LOG("seed %#jx", (uintmax_t)seed);
	for (mode = 0; mode < 2; mode++) {
		struct weather *s = weather_new();
		const char *at[MAX];
		pid_t pids[READERS];

		ASSERT_EQ(0, make_steps(p, STEPS - 1, 'd', at));
		for (i = 0; i < READERS; i++) {
			pids[i] = spawn();
			if (pids[i])
				continue;
			while (!atomic_load(&s->over) &&
			       !atomic_load(&s->failed)) {
				const char *v = at[rnd(&seed) % STEPS];
				char in[200], buf[16] = "";
				struct stat st;
				int fd, err;

				snprintf(in, sizeof(in), "%s/in", v);
				fd = open(in, O_RDONLY | O_CLOEXEC);
				err = fd < 0 ? errno : 0;
				if (err && err != ELOOP)
					wrong(s, "open %s: %s", in,
					      strerror(err));
				if (!err) {
					if (read(fd, buf, 15) != 1 ||
					    *buf < '0' || *buf > '3')
						wrong(s, "%s has %s", in, buf);
					close(fd);
				}
				err = ERR(stat(v, &st));
				if (err && err != ELOOP)
					wrong(s, "stat %s: %s", v,
					      strerror(err));
				atomic_fetch_add(&s->changes, 1);
			}
			_exit(0);
		}
		for (round = 0; round < n && !atomic_load(&s->failed);
		     round++) {
			for (i = 0; i < STEPS; i++)
				ASSERT_EQ(0, link_attach(at[i],
							 at[(i + 1) % STEPS],
							 attach[mode]))
					TH_LOG("%s", link_why());
			EXPECT_STREQ("!ELOOP", get(path("%s/in", at[round %
							STEPS])));
			for (i = 0; i < STEPS; i++) {
				unsigned int at_once = (i + round) % STEPS;

				ASSERT_EQ(0, link_drop(at[at_once]))
					TH_LOG("%s", link_why());
				EXPECT_STREQ(path("%u", at_once),
					     get(path("%s/in", at[at_once])));
			}
		}
		atomic_store(&s->over, 1);
		ALL_END(s, pids, READERS);
		EXPECT_LT(0, atomic_load(&s->changes));
		for (i = 0; i < STEPS; i++)
			ASSERT_EQ(0, rm_rf(at[i]));
	}
}

/* What one process does to one of two parents. */
static void lister(struct weather *s, const char *par, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && !atomic_load(&s->failed); i++) {
		struct dirent *d;
		int seen = 0;
		DIR *dir = opendir(par);

		if (!dir)
			wrong(s, "opendir %s: %s", par, strerror(errno));
		while ((d = readdir(dir)))
			seen += !strcmp(d->d_name, "v");
		closedir(dir);
		if (seen != 1)
			wrong(s, "%s has v %d times", par, seen);
		atomic_fetch_add(&s->changes, 1);
	}
	_exit(0);
}

static void maker(struct weather *s, const char *dir, const char *seen_at,
		  unsigned int me, unsigned int n)
{
	char one[200], two[200], there[200];
	unsigned int i;
	int err;

	snprintf(one, sizeof(one), "%s/one%u", dir, me);
	snprintf(two, sizeof(two), "%s/two%u", dir, me);
	snprintf(there, sizeof(there), "%s/two%u", seen_at, me);
	for (i = 0; i < n && !atomic_load(&s->failed); i++) {
		err = -put(one, "one") ?: ERR(rename(one, two));
		if (err)
			wrong(s, "%s: %s", one, strerror(err));
		err = ERR(access(there, F_OK));
		if (err)
			wrong(s, "%s is not at %s: %s", two, there,
			      strerror(err));
		err = ERR(unlink(two));
		if (err)
			wrong(s, "%s: %s", two, strerror(err));
		err = ERR(mkdir(one, 0755)) ?: ERR(rmdir(one));
		if (err)
			wrong(s, "%s: %s", one, strerror(err));
		atomic_fetch_add(&s->changes, 1);
	}
	_exit(0);
}

static void stater(struct weather *s, const char *v, unsigned int n)
{
	unsigned int i;
	struct stat st;

	for (i = 0; i < n && !atomic_load(&s->failed); i++) {
		if (ERR(stat(v, &st)))
			wrong(s, "stat %s: %s", v, strerror(errno));
		if (i % 64 == 0 && !access("/proc/sys/vm/drop_caches", W_OK))
			put("/proc/sys/vm/drop_caches", "2");
		atomic_fetch_add(&s->changes, 1);
	}
	_exit(0);
}

/* Each parent's link leads into the other one. */
TEST_F_TIMEOUT(chain, CH3_two_parents_that_lead_into_each_other, 600)
{
	struct place *p = &self->p;
	const char *par[2], *v[2], *in[2];
	struct weather *s = weather_new();
	unsigned int i, n = scaled(1500) + 20, k = 0;
	pid_t pids[10];

	for (i = 0; i < 2; i++) {
		par[i] = path("%s/par%u", i ? p->back : p->top, i);
		v[i] = path("%s/v", par[i]);
		in[i] = path("%s/in", par[i]);
		ASSERT_EQ(0, ERR(mkdir(par[i], 0755)));
		ASSERT_EQ(0, ERR(mkdir(in[i], 0755)));
	}
	ASSERT_EQ(0, link_make(v[0], in[1]));
	ASSERT_EQ(0, link_make(v[1], in[0]))
		TH_LOG("%s", link_why());
	EXPECT_TRUE(same_inode(v[0], in[1]));
	EXPECT_TRUE(same_inode(v[1], in[0]));
	for (i = 0; i < 2; i++) {
		if (!(pids[k++] = spawn()))
			lister(s, par[i], n);
		if (!(pids[k++] = spawn()))
			maker(s, par[i], par[i], 0, n);
		if (!(pids[k++] = spawn()))
			maker(s, v[i], in[!i], 1, n);
		if (!(pids[k++] = spawn()))
			maker(s, in[i], v[!i], 2, n);
		if (!(pids[k++] = spawn()))
			stater(s, v[i], n);
	}
	ALL_END(s, pids, k);
	EXPECT_STREQ("in v", names(par[0]));
	EXPECT_STREQ("in v", names(par[1]));
	EXPECT_EQ(0, link_drop(v[0]));
	EXPECT_EQ(0, link_drop(v[1]));
}

/* The same with links that act on a name in the other parent. */
TEST_F_TIMEOUT(chain, WR2_two_parents_with_files_of_each_other, 600)
{
	struct place *p = &self->p;
	const char *par[2], *v[2], *b[2];
	struct weather *s = weather_new();
	unsigned int i, j, n = scaled(1000) + 20, k = 0;
	pid_t pids[10];

	for (i = 0; i < 2; i++) {
		par[i] = path("%s/par%u", p->top, i);
		v[i] = path("%s/v", par[i]);
		b[i] = path("%s/b", par[i]);
		ASSERT_EQ(0, ERR(mkdir(par[i], 0755)));
		ASSERT_EQ(0, put(b[i], "backing"));
	}
	ASSERT_EQ(0, link_make(v[0], b[1]));
	ASSERT_EQ(0, link_make(v[1], b[0]))
		TH_LOG("%s", link_why());
	for (i = 0; i < 2; i++) {
		/* One makes and removes through V, the other renames over. */
		for (j = 0; j < 3; j++) {
			char tmp[200];
			unsigned int r;

			pids[k] = spawn();
			if (pids[k++])
				continue;
			snprintf(tmp, sizeof(tmp), "%s/tmp%u", par[i], j);
			for (r = 0; r < n && !atomic_load(&s->failed); r++) {
				int err = 0;

				if (j == 0)
					err = ERR(unlink(v[i]));
				else if (j == 1)
					err = -put(v[i], "made");
				else
					err = -put(tmp, "moved") ?:
					      ERR(rename(tmp, v[i]));
				if (err && err != ENOENT)
					wrong(s, "%u: %s: %s", j, v[i],
					      strerror(err));
				atomic_fetch_add(&s->changes, 1);
			}
			_exit(0);
		}
		pids[k] = spawn();
		if (!pids[k++]) {
			unsigned int r;

			for (r = 0; r < n && !atomic_load(&s->failed); r++) {
				DIR *dir = opendir(par[i]);

				while (dir && readdir(dir))
					;
				if (!dir)
					wrong(s, "opendir: %s",
					      strerror(errno));
				closedir(dir);
				atomic_fetch_add(&s->changes, 1);
			}
			_exit(0);
		}
	}
	ALL_END(s, pids, k);
	EXPECT_EQ(0, put(v[0], "0"));
	EXPECT_STREQ("0", get(b[1]));
	EXPECT_EQ(0, put(v[1], "1"));
	EXPECT_STREQ("1", get(b[0]));
	EXPECT_EQ(0, link_drop(v[0]));
	EXPECT_EQ(0, link_drop(v[1]));
	EXPECT_STREQ("b", names(par[0]));
}

/* A walk through the longest chain of carriers of all kinds, deep in each. */
TEST_F(chain, CH3_CH4_deep_paths_in_a_long_chain)
{
	struct place *p = &self->p;
	const char *at[MAX], *deep = "";
	unsigned int i, j, n = 8;
	struct stat st;

	for (j = 0; j < 12; j++)
		deep = path("%s/%u", deep, j);
	for (i = 0; i <= n; i++) {
		const char *dir = path("%s/s%u", i & 1 ? p->back : p->top, i);
		const char *d = dir;

		at[i] = path("%s%s", dir, deep);
		ASSERT_EQ(0, ERR(mkdir(dir, 0755)));
		for (j = 0; j < 12; j++) {
			d = path("%s/%u", d, j);
			if (j < 11 || i == n)
				ASSERT_EQ(0, ERR(mkdir(d, 0755)));
		}
	}
	ASSERT_EQ(0, put(path("%s/x", at[n]), "end"));
	/* Anchorless, at the bottom of a deep directory each. */
	for (i = n; i-- > 0; )
		ASSERT_EQ(0, link_make(at[i], at[i + 1]))
			TH_LOG("%u: %s", i, link_why());
	for (i = 0; i <= n; i++) {
		EXPECT_STREQ("end", get(path("%s/x", at[i])));
		EXPECT_EQ(0, put(path("%s/y%u", at[i], i), "y"));
	}
	for (i = 0; i <= n; i++)
		EXPECT_STREQ("y", get(path("%s/y%u", at[n - i], i)));
	/* The last link to the first one: a cycle of eight. */
	ASSERT_EQ(0, link_make(path("%s/v", at[n]), at[0]))
		TH_LOG("%s", link_why());
	ERR(stat(path("%s/v/v/v/x", at[0]), &st));
	EXPECT_EQ(0, link_drop(path("%s/v", at[n])));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, link_drop(at[i]))
			TH_LOG("%s", link_why());
}

TEST_HARNESS_MAIN
