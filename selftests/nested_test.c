// SPDX-License-Identifier: GPL-2.0
/*
 * Links on ancestors and descendants of one another, made and removed in every
 * order, compared after each step with a small model: the longest prefix
 * decides.
 */
#include <sched.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

#define LINKS	5

/* Paths are relative to the directory that all happens in. */
static const char *const virts[LINKS] = {
	"a", "a/b", "a/b/c", "a/x", "a/b/c/d/e",
};

/*
 * Trees on disk: the original and one for each link, as paths relative to the
 * root of each; "/" at the end makes it a directory. An empty path is the root
 * itself: "" a file, "/" a directory. Files have "number:path" in them.
 */
#define ENTRIES	12
struct config {
	const char *trees[1 + LINKS][ENTRIES];
};

static const struct config configs[] = {
	/* All there, everywhere. */
	{ {
		{ "/", "f", "a/", "a/f", "a/b/", "a/b/f", "a/b/c/", "a/b/c/d/",
		  "a/b/c/d/e/", "a/b/c/d/e/f", "a/x/", },
		{ "/", "f", "b/", "b/f", "b/c/", "b/c/f", "x/", "x/f",
		  "b/c/d/", "b/c/d/e/", },
		{ "/", "f", "c/", "c/f", "c/d/", "c/d/f", "only2", },
		{ "/", "f", "d/", "d/f", "d/e/", "d/e/f", "only3", },
		{ "/", "f", "y/", "y/f", },
		{ "/", "f", "z/", },
	}, },
	/* Nothing is there: anchorless where a parent is visible. */
	{ {
		{ "/", "f", },
		{ "/", "f", },
		{ "/", "f", },
		{ "/", "d/", "d/f", },
		{ "", },
		{ "/", "f", },
	}, },
	/* The originals are there, the ancestors' backings lack them. */
	{ {
		{ "/", "a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/b/c/d/e/",
		  "a/b/c/d/e/f", "a/x", "f", },
		{ "/", "f1", },
		{ "/", "f2", },
		{ "/", "f3", },
		{ "/", "f4", },
		{ "/", "f5", },
	}, },
	/* Files where the way leads, and kinds that differ. */
	{ {
		{ "/", "a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/b/c/d/e", "a/x/",
		  "a/x/f", },
		{ "/", "b", "x/", "x/y/", },
		{ "/", "c", "g", },
		{ "/", "d", "h", },
		{ "", },
		{ "/", "f", "g/", "g/h", },
	}, },
};

/* What is at a path: of which tree, and where in it. */
enum what { ABSENT, REAL, WAY };

struct at {
	enum what what;
	int tree;		/* 0: the original, 1 + i: of link i */
	const char *rel;	/* path in that tree */
	bool is_dir;
};

struct model {
	const struct config *config;
	bool made[LINKS];
};

/* @below is at or below @top: what remains, without a slash; else NULL. */
static const char *remains(const char *below, const char *top)
{
	size_t len = strlen(top);

	if (!len)
		return below;
	if (strncmp(below, top, len) || (below[len] && below[len] != '/'))
		return NULL;
	return below[len] ? below + len + 1 : below + len;
}

/* 0: not there, 1: a file, 2: a directory. */
static int in_tree(const char *const *tree, const char *rel)
{
	size_t len = strlen(rel);
	int i;

	for (i = 0; i < ENTRIES && tree[i]; i++)
		if (!strncmp(tree[i], rel, len)) {
			if (!tree[i][len])
				return 1;
			if (!strcmp(tree[i] + len, "/"))
				return 2;
		}
	return 0;
}

/* A link is at a path strictly below @rel. */
static bool on_the_way(const struct model *m, const char *rel)
{
	const char *rest;
	int i;

	for (i = 0; i < LINKS; i++) {
		rest = m->made[i] ? remains(virts[i], rel) : NULL;
		if (rest && *rest)
			return true;
	}
	return false;
}

static struct at model_at(const struct model *m, const char *rel)
{
	struct at at = { .rel = rel, };
	size_t longest = 0;
	int i, kind;

	for (i = 0; i < LINKS; i++) {
		const char *rest = m->made[i] ? remains(rel, virts[i]) : NULL;

		if (rest && strlen(virts[i]) > longest) {
			longest = strlen(virts[i]);
			at.tree = 1 + i;
			at.rel = rest;
		}
	}
	kind = in_tree(m->config->trees[at.tree], at.rel);
	if (kind) {
		at.what = REAL;
		at.is_dir = kind == 2;
	}
	/* Whatever is there: the way to a link is a directory. */
	if (kind != 2 && on_the_way(m, rel)) {
		at.what = WAY;
		at.is_dir = true;
	}
	return at;
}

struct set {
	char *all[64];
	int n;
};

static void set_add(struct set *s, const char *from, size_t len)
{
	int i;

	for (i = 0; i < s->n; i++)
		if (strlen(s->all[i]) == len && !strncmp(s->all[i], from, len))
			return;
	if (s->n == 64)
		abort();
	s->all[s->n++] = strndup(from, len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a listing of the directory @rel has to have. */
static void model_list(const struct model *m, const char *rel, struct set *s)
{
	struct at at = model_at(m, rel);
	const char *const *tree = m->config->trees[at.tree];
	const char *rest;
	int i;

	if (at.what == REAL)
		for (i = 0; i < ENTRIES && tree[i]; i++) {
			rest = remains(tree[i], at.rel);
			if (rest && *rest && *rest != '/')
				set_add(s, rest, strcspn(rest, "/"));
		}
	for (i = 0; i < LINKS; i++) {
		rest = m->made[i] ? remains(virts[i], rel) : NULL;
		if (rest && *rest)
			set_add(s, rest, strcspn(rest, "/"));
	}
	qsort(s->all, s->n, sizeof(s->all[0]), by_name);
}

static const char *join(const char *dir, const char *name)
{
	return *dir ? path("%s/%s", dir, name) : name;
}

struct area {
	const char *root;		/* of what is virtual */
	const char *trees[1 + LINKS];	/* where they are on disk */
};

/* The model's answer for everything at and below @rel, as text. */
static void model_dump(const struct model *m, const char *rel, FILE *out)
{
	struct at at = model_at(m, rel);
	struct set s = { };
	int i;

	fprintf(out, "/%s", rel);
	if (at.what == WAY)
		fprintf(out, " way\n");
	else if (at.is_dir)
		fprintf(out, " directory of %d:%s\n", at.tree, at.rel);
	else
		fprintf(out, " file %d:%s\n", at.tree, at.rel);
	if (!at.is_dir)
		return;
	model_list(m, rel, &s);
	for (i = 0; i < s.n; i++)
		model_dump(m, join(rel, s.all[i]), out);
	for (i = 0; i < s.n; i++)
		free(s.all[i]);
}

/* Which directory on disk this is, as the model would say it. */
static void say_directory(const struct area *a, const struct config *c,
			  const char *file, FILE *out)
{
	int t, i;

	for (t = 0; t <= LINKS; t++)
		for (i = 0; i < ENTRIES && c->trees[t][i]; i++) {
			const char *entry = c->trees[t][i];
			size_t len = strlen(entry);
			const char *disk;

			if (!len || entry[len - 1] != '/')
				continue;
			/* The original is beneath what is virtual. */
			disk = path("%s/%.*s", a->trees[t], (int)len - 1,
				    entry);
			if (same_inode(disk, file)) {
				fprintf(out, " directory of %d:%.*s\n", t,
					(int)len - 1, entry);
				return;
			}
		}
	fprintf(out, " way\n");
}

/* What there is, in the same form. */
static void real_dump(const struct area *a, const struct config *c,
		      const char *rel, FILE *out)
{
	const char *file = *rel ? path("%s/%s", a->root, rel) : a->root;
	struct stat st;
	char *list, *name, *save;

	fprintf(out, "/%s", rel);
	if (lstat(file, &st)) {
		fprintf(out, " !%s\n", strerrorname_np(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		fprintf(out, " file %s\n", get(file));
		return;
	}
	say_directory(a, c, file, out);
	list = strdup(names(file));
	if (*list == '!')
		fprintf(out, "%s\n", list);
	else
		for (name = strtok_r(list, " ", &save); name;
		     name = strtok_r(NULL, " ", &save))
			real_dump(a, c, join(rel, name), out);
	free(list);
}

/* Makes a tree on disk. */
static int make_tree(const char *at, const char *const *tree, int number)
{
	int i, err;

	for (i = 0; i < ENTRIES && tree[i]; i++) {
		size_t len = strlen(tree[i]);

		if (!len)
			err = -put(at, path("%d:", number));
		else if (!strcmp(tree[i], "/"))
			err = ERR(mkdir(at, 0755));
		else if (tree[i][len - 1] == '/')
			err = ERR(mkdir(path("%s/%s", at, tree[i]), 0755));
		else
			err = -put(path("%s/%s", at, tree[i]),
				   path("%d:%s", number, tree[i]));
		if (err) {
			fprintf(stderr, "# %s/%s: %s\n", at, tree[i],
				strerror(err));
			return err;
		}
	}
	return 0;
}

FIXTURE(nested)
{
	struct place p;
	struct area a;
};

FIXTURE_VARIANT(nested)
{
	const char *virt;
	const char *back;
};

FIXTURE_VARIANT_ADD(nested, tmpfs) { .virt = "tmpfs", .back = "tmpfs", };
FIXTURE_VARIANT_ADD(nested, cross) { .virt = "ext4", .back = "tmpfs", };
FIXTURE_VARIANT_ADD(nested, xfs) { .virt = "xfs", .back = "xfs", };

FIXTURE_SETUP(nested)
{
	const char *why;

	umask(022);
	why = place_make(&self->p, variant->virt, variant->back);
	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN_PARENT(nested)
{
	EXPECT_EQ(NULL, place_drop(&self->p))
		TH_LOG("teardown: something is left behind");
}

/*
 * The trees, and the original twice: what is virtual is a directory, and a bind
 * mount of it lets us look beneath.
 */
static int area_make(struct area *a, const struct place *p,
		     const struct config *c)
{
	const char *raw = path("%s/raw", p->top);
	int i, err;

	a->root = path("%s/root", p->top);
	for (i = 0; i <= LINKS; i++) {
		a->trees[i] = i ? path("%s/tree%d", p->back, i) : a->root;
		err = make_tree(a->trees[i], c->trees[i], i);
		if (err)
			return err;
	}
	err = ERR(mkdir(raw, 0755)) ?:
	      ERR(mount(a->root, raw, NULL, MS_BIND, NULL)) ?:
	      ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL));
	a->trees[0] = raw;
	return err;
}

static void area_drop(struct area *a, const struct place *p)
{
	int i;

	umount2(a->trees[0], MNT_DETACH);
	rmdir(path("%s/raw", p->top));
	rm_rf(a->root);
	for (i = 1; i <= LINKS; i++)
		rm_rf(a->trees[i]);
}

/* NULL if all is as the model has it, or both. */
static const char *compare(const struct area *a, const struct model *m)
{
	char *want = NULL, *seen = NULL;
	const char *result = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&want, &size);
	model_dump(m, "", out);
	fclose(out);
	out = open_memstream(&seen, &size);
	real_dump(a, m->config, "", out);
	fclose(out);
	if (strcmp(want, seen))
		result = path("expected:\n%sseen:\n%s", want, seen);
	free(want);
	free(seen);
	return result;
}

/* Also what is absent: names that other trees have. */
static const char *compare_lookups(const struct area *a, const struct model *m)
{
	static const char *const probes[] = {
		"a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e", "a/x",
	};
	static const char *const leaves[] = {
		"", "/f", "/none", "/only2", "/only3", "/f1", "/f5", "/b/c",
		"/g", "/d/f", "/z",
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		for (j = 0; j < ARRAY_SIZE(leaves); j++) {
			const char *rel = path("%s%s", probes[i], leaves[j]);
			struct at at = model_at(m, rel);
			struct stat st;
			int err = ERR(lstat(path("%s/%s", a->root, rel), &st));

			/* Below a file it is ENOTDIR. */
			if (at.what == ABSENT ?
			    err != ENOENT && err != ENOTDIR : err)
				return path("%s: %s", rel, strerror(err));
		}
	return NULL;
}

static char *dump_all(const struct area *a, const struct config *c)
{
	char *text = NULL, *one;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int i;

	(void)c;
	for (i = 0; i <= LINKS; i++) {
		one = tree(a->trees[i], true);
		fprintf(out, "%d\n%s", i, one);
		free(one);
	}
	fclose(out);
	return text;
}

enum mode { AUTO, PARENT, MIXED };

static int make_one(const struct area *a, int i, enum mode mode,
		    uint64_t *seed)
{
	const char *v = path("%s/%s", a->root, virts[i]);
	uint32_t attach = mode == PARENT ? BINDLINK_ATTACH_PARENT :
			  mode == AUTO ? BINDLINK_ATTACH_AUTO : rnd(seed) % 3;
	int err = link_attach(v, a->trees[1 + i], attach);

	/* Not everything can be carried at its path. */
	if (err == -EOPNOTSUPP && attach == BINDLINK_ATTACH_PATH)
		err = link_make(v, a->trees[1 + i]);
	return err;
}

/* The parent of a link has to be visible as a directory. */
static bool can_make(const struct model *m, int i)
{
	const char *slash = strrchr(virts[i], '/');
	char *parent;
	struct at at;

	if (!slash)
		return true;
	parent = strndup(virts[i], slash - virts[i]);
	at = model_at(m, parent);
	free(parent);
	return at.what != ABSENT && at.is_dir;
}

/* All made in this order and removed in another.  NULL, or what is wrong. */
static const char *one_order(const struct area *a, const struct config *c,
			     const int *order, enum mode mode, uint64_t *seed)
{
	struct model m = { .config = c, };
	char *before = dump_all(a, c), *now;
	const char *wrong = NULL;
	int i, err, left = LINKS, tries;
	bool progress;

#define WRONG(...) do {							\
	wrong = path(__VA_ARGS__);					\
	goto out;							\
} while (0)

	/* Those that cannot be made yet are refused, and tried again. */
	do {
		progress = false;
		for (i = 0; i < LINKS; i++) {
			int which = order[i];

			if (m.made[which])
				continue;
			err = make_one(a, which, mode, seed);
			if (!can_make(&m, which)) {
				if (err != -ENOENT && err != -ENOTDIR)
					WRONG("%s without a parent: %d",
					      virts[which], err);
			} else if (err) {
				WRONG("make %s: %d: %s", virts[which], err,
				      link_why());
			} else {
				m.made[which] = true;
				progress = true;
				left--;
			}
			wrong = compare(a, &m) ?: compare_lookups(a, &m);
			if (wrong)
				WRONG("after making %s: %s", virts[which],
				      wrong);
			if (link_count(a->root) != LINKS - left)
				WRONG("%d links in the table, not %d",
				      link_count(a->root), LINKS - left);
		}
	} while (progress && left);
	/* In one configuration nothing is there for a link to be made in. */
	now = dump_all(a, c);
	if (strcmp(before, now)) {
		free(now);
		WRONG("a backing directory or the original has changed");
	}
	free(now);
	for (i = 0; i < LINKS; i++)
		if (m.made[i] && make_one(a, i, mode, seed) != -EEXIST)
			WRONG("%s can be made twice", virts[i]);
	for (tries = 0; left < LINKS; tries++) {
		int which = rnd(seed) % LINKS;

		if (tries > 1000)
			WRONG("they cannot all be removed");
		err = link_drop(path("%s/%s", a->root, virts[which]));
		if (!m.made[which]) {
			if (err != -ENOENT)
				WRONG("remove %s, which is none: %d",
				      virts[which], err);
			continue;
		}
		if (on_the_way(&m, virts[which])) {
			if (err != -EBUSY)
				WRONG("remove %s with one below: %d",
				      virts[which], err);
		} else if (err) {
			WRONG("remove %s: %d: %s", virts[which], err,
			      link_why());
		} else {
			m.made[which] = false;
			left++;
		}
		wrong = compare(a, &m) ?: compare_lookups(a, &m);
		if (wrong)
			WRONG("after removing %s: %s", virts[which], wrong);
	}
	if (mount_count(a->root, "bindlink"))
		WRONG("mounts are left: %s", state());
	now = dump_all(a, c);
	if (strcmp(before, now))
		wrong = path("not as before:\n%s\nbut\n%s", before, now);
	free(now);
out:
	free(before);
	return wrong;
#undef WRONG
}

/* The @n-th of the 120 orders. */
static void order_of(int n, int *order)
{
	int rest[LINKS], left = LINKS, i;

	for (i = 0; i < LINKS; i++)
		rest[i] = i;
	for (i = 0; i < LINKS; i++) {
		int pick = n % left;

		n /= left;
		order[i] = rest[pick];
		rest[pick] = rest[--left];
	}
}

/* @n orders of the 120, all different. */
static const char *orders(const struct place *p, unsigned int which,
			  enum mode mode, unsigned int n, uint64_t *seed)
{
	const char *wrong = NULL;
	int order[LINKS], all[120], left = 120, i, pick;
	struct area a;

	for (i = 0; i < 120; i++)
		all[i] = i;
	if (area_make(&a, p, &configs[which]))
		return "the trees cannot be made";
	for (; n && left && !wrong; n--) {
		uint64_t start = *seed;

		pick = rnd(seed) % left;
		order_of(all[pick], order);
		all[pick] = all[--left];
		wrong = one_order(&a, &configs[which], order, mode, seed);
		if (wrong)
			wrong = path("configuration %u, mode %d, order %s %s %s %s %s, seed %#jx: %s",
				     which, mode, virts[order[0]],
				     virts[order[1]], virts[order[2]],
				     virts[order[3]], virts[order[4]],
				     (uintmax_t)start, wrong);
	}
	if (!wrong)
		area_drop(&a, p);
	return wrong;
}

#define ORDERS(which, mode, n) do {					\
	uint64_t seed = rnd_seed();					\
	const char *wrong;						\
									\
	TH_LOG("seed %#jx", (uintmax_t)seed);				\
	wrong = orders(&self->p, (which), (mode), (n), &seed);		\
	EXPECT_EQ(NULL, wrong)						\
		TH_LOG("%s", wrong);					\
} while (0)

/* All orders on one filesystem, some on the others. */
#define SOME(n)	(strcmp(variant->virt, "tmpfs") ? scaled(n) / 5 + 1 : scaled(n))

TEST_F_TIMEOUT(nested, NE1_NE2_NE3_NE4_RM2_all_orders, 900)
{
	ORDERS(0, AUTO, SOME(120));
}

TEST_F_TIMEOUT(nested, NE1_AN2_CR3_all_orders_anchorless, 900)
{
	ORDERS(1, AUTO, SOME(60));
}

TEST_F_TIMEOUT(nested, NE1_NE5_all_orders_with_ways, 900)
{
	ORDERS(2, AUTO, SOME(60));
}

TEST_F_TIMEOUT(nested, NE1_NE5_CR5_all_orders_with_files_in_the_way, 900)
{
	ORDERS(3, AUTO, SOME(60));
}

TEST_F_TIMEOUT(nested, NE1_RM2_attach_parent, 900)
{
	unsigned int which;

	for (which = 0; which < ARRAY_SIZE(configs); which++)
		ORDERS(which, PARENT, SOME(20));
}

TEST_F_TIMEOUT(nested, NE1_RM2_carriers_of_all_kinds, 900)
{
	unsigned int which;

	for (which = 0; which < ARRAY_SIZE(configs); which++)
		ORDERS(which, MIXED, SOME(30));
}

/*
 * The rows one by one, as they are written.
 */
TEST_F(nested, NE2_an_earlier_link_below_is_not_hidden)
{
	struct place *p = &self->p;
	const char *bar = path("%s/Bar", p->v);
	const char *b2 = path("%s/b2", p->back);
	int round;

	for (round = 0; round < 4; round++) {
		/* B has a Bar or not; Bar was there before or not. */
		ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		ASSERT_EQ(0, make_kind(b2, 'd', "bar"));
		if (round & 1)
			ASSERT_EQ(0, make_kind(path("%s/Bar", p->b), 'd',
					       "B's"));
		if (round & 2)
			ASSERT_EQ(0, make_kind(bar, 'd', "V's"));
		ASSERT_EQ(0, link_make(bar, b2))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("bar", get(path("%s/in", bar)));
		ASSERT_EQ(0, link_make(p->v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("Bar in", names(p->v))
			TH_LOG("round %d", round);
		EXPECT_STREQ("bar", get(path("%s/in", bar)));
		EXPECT_STREQ("in", names(bar));
		EXPECT_TRUE(same_inode(bar, b2));
		EXPECT_STREQ("backing", get(path("%s/in", p->v)));
		EXPECT_STREQ(round & 1 ? "Bar in" : "in", names(p->b));
		EXPECT_EQ(-EBUSY, link_drop(p->v));
		EXPECT_NE(NULL, strstr(link_why(), p->v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, link_drop(bar))
			TH_LOG("%s", link_why());
		EXPECT_STREQ(round & 1 ? "B's" : "!ENOENT",
			     get(path("%s/in", bar)));
		EXPECT_STREQ(round & 1 ? "Bar in" : "in", names(p->v));
		EXPECT_EQ(0, link_drop(p->v));
		EXPECT_STREQ(round & 2 ? "V's" : "!ENOENT",
			     get(path("%s/in", bar)));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		ASSERT_EQ(0, rm_rf(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, rm_rf(b2));
	}
}

TEST_F(nested, NE3_NE4_a_later_link_below_takes_precedence)
{
	struct place *p = &self->p;
	const char *bar = path("%s/d/Bar", p->v);
	const char *b2 = path("%s/b2", p->back);
	char *before, *after;

	ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, make_kind(path("%s/d", p->b), 'd', "d"));
	ASSERT_EQ(0, make_kind(path("%s/d/Bar", p->b), 'd', "B's"));
	ASSERT_EQ(0, make_kind(b2, 'd', "bar"));
	before = tree(p->b, true);
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("B's", get(path("%s/in", bar)));
	ASSERT_EQ(0, link_make(bar, b2))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("bar", get(path("%s/in", bar)));
	EXPECT_STREQ("Bar in", names(path("%s/d", p->v)));
	EXPECT_EQ(0, put(path("%s/new", bar), "new"));
	EXPECT_STREQ("in new", names(b2));
	EXPECT_STREQ("d", get(path("%s/d/in", p->v)));
	/* A name that B does not have. */
	ASSERT_EQ(0, link_make(path("%s/extra", p->v), b2))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("d extra in", names(p->v));
	after = tree(p->b, true);
	EXPECT_STREQ(before, after);
	free(after);
	free(before);
	EXPECT_STREQ("d in", names(p->b));
	EXPECT_EQ(0, link_drop(bar));
	EXPECT_STREQ("B's", get(path("%s/in", bar)));
	EXPECT_EQ(-EBUSY, link_drop(p->v));
	EXPECT_EQ(0, link_drop(path("%s/extra", p->v)));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(path("%s/in", p->v)));
}

TEST_F(nested, NE5_a_way_is_a_directory_to_walk)
{
	struct place *p = &self->p;
	const char *deep = path("%s/1/2/3", p->v);
	const char *one = path("%s/1", p->v), *two = path("%s/1/2", p->v);
	const char *b2 = path("%s/b2", p->back);
	struct dirent *d;
	struct stat st;
	char cwd[PATH_MAX];
	pid_t pid;
	DIR *dir;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(one, 0755)));
	ASSERT_EQ(0, ERR(mkdir(two, 0755)));
	ASSERT_EQ(0, make_kind(deep, 'd', "original"));
	ASSERT_EQ(0, make_kind(b2, 'd', "deep"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(deep, b2));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("1 in", names(p->v));
	EXPECT_STREQ("2", names(one));
	EXPECT_STREQ("3", names(two));
	EXPECT_STREQ("deep", get(path("%s/in", deep)));
	ASSERT_EQ(0, ERR(stat(one, &st)));
	EXPECT_EQ(S_IFDIR | 0555, st.st_mode);
	ASSERT_EQ(0, ERR(stat(two, &st)));
	EXPECT_EQ(S_IFDIR | 0555, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_FALSE(same_inode(one, two));
	/* With . and .., and numbers that agree. */
	dir = opendir(two);
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".")) {
			EXPECT_EQ(st.st_ino, d->d_ino);
		} else if (!strcmp(d->d_name, "3")) {
			EXPECT_EQ(ino_of(b2), d->d_ino);
			EXPECT_TRUE(d->d_type == DT_UNKNOWN ||
				    d->d_type == DT_DIR);
		}
	}
	closedir(dir);
	EXPECT_EQ(st.st_ino, ino_of(two));
	/* Anybody may walk it and nobody change it. */
	ASSERT_EQ(0, ERR(chdir(two)));
	ASSERT_NE(NULL, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ(two, cwd);
	EXPECT_STREQ("deep", get("3/in"));
	EXPECT_STREQ("backing", get("../../in"));
	ASSERT_EQ(0, ERR(chdir("/")));
	pid = fork_user(USER);
	if (!pid)
		_exit(strcmp("deep", get(path("%s/in", deep))) ||
		      strcmp("3", names(two)));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(EROFS, err_open(path("%s/new", two), O_CREAT | O_WRONLY));
	EXPECT_EQ(EROFS, ERR(mkdir(path("%s/new", two), 0755)));
	EXPECT_EQ(EROFS, ERR(mkfifo(path("%s/new", one), 0755)));
	EXPECT_EQ(EROFS, ERR(symlink("x", path("%s/new", one))));
	EXPECT_NE(0, ERR(rename(path("%s/in", p->v), path("%s/in", two))));
	EXPECT_NE(0, ERR(link(path("%s/in", p->v), path("%s/in", two))));
	EXPECT_EQ(EROFS, ERR(open(one, O_TMPFILE | O_RDWR, 0600)));
	EXPECT_NE(0, ERR(chmod(one, 0777)));
	EXPECT_NE(0, ERR(chown(one, 1, 1)));
	EXPECT_NE(0, ERR(utimensat(AT_FDCWD, one, NULL, 0)));
	EXPECT_EQ(ENOENT, ERR(stat(path("%s/none", two), &st)));
	EXPECT_EQ(ENOENT, ERR(unlink(path("%s/none", two))));
	EXPECT_STREQ("in", names(p->b));
	EXPECT_STREQ("3", names(two));
	/* The same is made at B: the way is an ordinary one then. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/1", p->b), 0750)));
	ASSERT_EQ(0, ERR(stat(one, &st)));
	EXPECT_EQ(S_IFDIR | 0750, st.st_mode);
	EXPECT_EQ(0, put(path("%s/new", one), "new"));
	EXPECT_STREQ("new", get(path("%s/1/new", p->b)));
	EXPECT_STREQ("2 new", names(one));
	EXPECT_STREQ("new", names(path("%s/1", p->b)));
	EXPECT_STREQ("deep", get(path("%s/in", deep)));
	ASSERT_EQ(0, rm_rf(path("%s/1", p->b)));
	EXPECT_STREQ("2", names(one));
	EXPECT_STREQ("deep", get(path("%s/in", deep)));
	/* A file in the way is hidden by it. */
	ASSERT_EQ(0, put(path("%s/1", p->b), "file"));
	EXPECT_STREQ("2", names(one));
	EXPECT_STREQ("1 in", names(p->v));
	ASSERT_EQ(0, link_drop(deep))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("file", get(one));
	EXPECT_STREQ("!ENOTDIR", get(path("%s/in", deep)));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(path("%s/in", deep)));
}

TEST_F(nested, NE7_a_directory_on_the_way_is_busy)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->v), *n = path("%s/n", p->v);
	const char *l = path("%s/m/o/l", p->v), *other = path("%s/x", p->v);
	const char *b2 = path("%s/b2", p->back);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/m", p->b), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/m/o", p->b), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/x", p->b), 0755)));
	ASSERT_EQ(0, make_kind(b2, 'd', "deep"));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, link_make(l, b2))
		TH_LOG("%s", link_why());
	EXPECT_EQ(EBUSY, ERR(rename(m, n)));
	EXPECT_EQ(EBUSY, ERR(rename(path("%s/o", m), path("%s/o2", m))));
	EXPECT_EQ(EBUSY, ERR(rename(path("%s/o", m), n)));
	EXPECT_EQ(EBUSY, ERR(rmdir(path("%s/o", m))));
	EXPECT_EQ(EBUSY, ERR(rmdir(m)));
	EXPECT_EQ(EBUSY, ERR(rename(other, path("%s/o", m))));
	EXPECT_EQ(EBUSY, ERR(renameat2(AT_FDCWD, other, AT_FDCWD, m,
				       RENAME_EXCHANGE)));
	EXPECT_EQ(EBUSY, ERR(renameat2(AT_FDCWD, m, AT_FDCWD, other,
				       RENAME_EXCHANGE)));
	EXPECT_STREQ("deep", get(path("%s/in", l)));
	EXPECT_STREQ("m x", names(p->b));
	EXPECT_STREQ("o", names(path("%s/m", p->b)));
	EXPECT_STREQ("", names(path("%s/m/o", p->b)));
	/* What is not on the way is free, beside it too. */
	EXPECT_EQ(0, ERR(rename(other, path("%s/x", m))));
	EXPECT_EQ(0, ERR(rename(path("%s/x", m), path("%s/o/x", m))));
	EXPECT_EQ(0, ERR(rmdir(path("%s/o/x", m))));
	/* The link's own name is not on the way to it. */
	EXPECT_EQ(0, put(path("%s/new", l), "new"));
	/* At B itself everything is allowed, and the link stays. */
	EXPECT_EQ(0, ERR(rename(path("%s/m", p->b), path("%s/n", p->b))));
	EXPECT_STREQ("deep", get(path("%s/in", l)));
	EXPECT_STREQ("m n", names(p->v));
	EXPECT_STREQ("l", names(path("%s/o", m)));
	EXPECT_EQ(0, rm_rf(path("%s/n", p->b)));
	EXPECT_STREQ("m", names(p->v));
	EXPECT_NE(0, ERR(rmdir(m)));
	EXPECT_NE(0, ERR(rename(m, n)));
	EXPECT_STREQ("deep", get(path("%s/in", l)));
	EXPECT_EQ(0, link_drop(l));
	EXPECT_STREQ("", names(p->v));
	/* And where the way is the original's, in a carrying parent. */
	ASSERT_EQ(0, link_drop(p->v));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, link_attach(p->v, p->b, BINDLINK_ATTACH_PARENT));
	ASSERT_EQ(0, link_drop(p->v));
}

/* The same of directories that no link covers, in a tree over the parent. */
TEST_F(nested, NE7_on_the_way_in_a_carrying_parent)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *m = path("%s/m", par);
	const char *l = path("%s/m/o/l", par);

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/o", m), 0755)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "deep"));
	ASSERT_EQ(0, link_make(path("%s/v", par), p->b));
	ASSERT_EQ(0, link_make(l, p->b));
	EXPECT_EQ(1, mount_count(p->top, "bindlink"));
	EXPECT_EQ(EBUSY, ERR(rename(m, path("%s/n", par))));
	EXPECT_EQ(EBUSY, ERR(rename(path("%s/o", m), path("%s/o", par))));
	EXPECT_EQ(EBUSY, ERR(rmdir(path("%s/o", m))));
	EXPECT_EQ(EBUSY, ERR(rmdir(m)));
	EXPECT_STREQ("deep", get(path("%s/in", l)));
	ASSERT_EQ(0, link_drop(l));
	EXPECT_EQ(0, ERR(rename(m, path("%s/n", par))));
	EXPECT_EQ(0, ERR(rename(path("%s/n", par), m)));
	EXPECT_EQ(0, ERR(rmdir(path("%s/o", m))));
	EXPECT_EQ(0, ERR(rmdir(m)));
	ASSERT_EQ(0, link_drop(path("%s/v", par)));
}

TEST_F(nested, RM2_ancestors_last)
{
	struct place *p = &self->p;
	const char *v[6];
	int i, j;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	v[0] = p->v;
	for (i = 1; i < 6; i++)
		v[i] = path("%s/%d", v[i - 1], i);
	/* Each anchorless in the one before. */
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, link_make(v[i], p->b))
			TH_LOG("%s", link_why());
	for (i = 5; i >= 0; i--) {
		EXPECT_STREQ("backing", get(path("%s/in", v[i])));
		for (j = 0; j < i; j++)
			EXPECT_EQ(-EBUSY, link_drop(v[j]));
		EXPECT_EQ(0, link_drop(v[i]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("!ENOENT", facts(v[i]));
	}
	EXPECT_STREQ("in", names(p->b));
}

/* A name that begins like another one is not below it. */
TEST_F(nested, RM2_NE1_similar_names)
{
	struct place *p = &self->p;
	const char *vv = path("%sv", p->v), *vx = path("%s.x", p->v);

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(vv, p->b));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, link_make(vx, p->b));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, link_drop(vv));
	EXPECT_STREQ("backing", get(path("%s/in", vx)));
	EXPECT_EQ(0, link_drop(vx));
}

/* V below B: what B shows, V shows, and nothing goes on for ever. */
TEST_F(nested, NE4_CH3_virtual_inside_backing)
{
	struct place *p = &self->p;
	static const uint32_t attach[] = {
		BINDLINK_ATTACH_AUTO, BINDLINK_ATTACH_PARENT,
	};
	unsigned int i, there;

	for (i = 0; i < ARRAY_SIZE(attach) * 2; i++) {
		const char *v = path("%s/v", p->b), *deep = v;
		struct stat st;
		int err = 0, n;

		there = i / 2;
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		if (there)
			ASSERT_EQ(0, make_kind(v, 'd', "original"));
		ASSERT_EQ(0, link_attach(v, p->b, attach[i % 2]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_TRUE(same_inode(v, p->b));
		EXPECT_STREQ("in v", names(p->b));
		EXPECT_NE('!', names(v)[0]);
		for (n = 0; n < 60 && !err; n++) {
			deep = path("%s/v", deep);
			err = ERR(stat(deep, &st));
		}
		EXPECT_TRUE(!err || err == ENOENT || err == ELOOP)
			TH_LOG("%d levels: %s", n, strerror(err));
		EXPECT_EQ(0, put(path("%s/new", v), "new"));
		EXPECT_STREQ("new", get(path("%s/new", p->b)));
		EXPECT_NE(-1, run("timeout", "20", "find", v, "-maxdepth", "30",
				  NULL));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ(there ? "in new v" : "in new", names(p->b));
		EXPECT_STREQ(there ? "original" : "!ENOENT",
			     get(path("%s/in", v)));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		ASSERT_EQ(0, rm_rf(p->b));
	}
}

/* B below V: the way to B leads through the link. */
TEST_F(nested, CH3_backing_inside_virtual)
{
	struct place *p = &self->p;
	static const uint32_t attach[] = {
		BINDLINK_ATTACH_AUTO, BINDLINK_ATTACH_PARENT,
	};
	const char *sub = path("%s/sub", p->v);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		struct stat st;

		ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
		ASSERT_EQ(0, make_kind(sub, 'd', "sub"));
		ASSERT_EQ(0, link_attach(p->v, sub, attach[i]))
			TH_LOG("%s", link_why());
		EXPECT_EQ(ELOOP, ERR(stat(p->v, &st)));
		EXPECT_STREQ("!ELOOP", get(path("%s/in", p->v)));
		EXPECT_STREQ("!ELOOP", get(path("%s/in", sub)));
		EXPECT_STREQ("!ELOOP", names(p->v));
		EXPECT_STREQ(sub, link_listed(p->v));
		ASSERT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("sub", get(path("%s/in", sub)));
		EXPECT_STREQ("in sub", names(p->v));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		ASSERT_EQ(0, rm_rf(p->v));
	}
}

TEST_F(nested, CR5_NE3_a_link_over_a_mount_point)
{
	struct place *p = &self->p;
	static const char kinds[] = "df";
	unsigned int i;

	/* Of the same kind, and of another. */
	for (i = 0; kinds[i]; i++) {
		int before;

		ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
		ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, put(path("%s/x", p->v), "mounted"));
		ASSERT_EQ(0, ERR(mkdir(path("%s/m", p->v), 0755)));
		ASSERT_EQ(0, ERR(mount("tmpfs", path("%s/m", p->v), "tmpfs", 0,
				       NULL)));
		ASSERT_EQ(0, put(path("%s/m/y", p->v), "deeper"));
		ASSERT_EQ(0, make_kind(p->b, kinds[i], "backing"));
		before = mount_count(p->top, NULL);
		ASSERT_EQ(0, link_make(p->v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("backing", get(kinds[i] == 'd' ?
					    path("%s/in", p->v) : p->v));
		EXPECT_STREQ(kinds[i] == 'd' ? "!ENOENT" : "!ENOTDIR",
			     get(path("%s/x", p->v)));
		ASSERT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(before, mount_count(p->top, NULL));
		EXPECT_STREQ("m x", names(p->v));
		EXPECT_STREQ("deeper", get(path("%s/m/y", p->v)));
		EXPECT_EQ(0, ERR(umount2(path("%s/m", p->v), 0)));
		EXPECT_EQ(0, ERR(umount2(p->v, 0)))
			TH_LOG("%s", strerror(errno));
		EXPECT_STREQ("original", get(path("%s/in", p->v)));
		ASSERT_EQ(0, rm_rf(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
	}
	/* A file that is a mount point. */
	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, put(path("%s/over", p->top), "mounted"));
	ASSERT_EQ(0, ERR(mount(path("%s/over", p->top), p->v, NULL, MS_BIND,
			       NULL)));
	for (i = 0; kinds[i]; i++) {
		ASSERT_EQ(0, make_kind(p->b, kinds[i], "backing"));
		ASSERT_EQ(0, link_make(p->v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("backing", get(kinds[i] == 'd' ?
					    path("%s/in", p->v) : p->v));
		ASSERT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("mounted", get(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
	}
	EXPECT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("original", get(p->v));
}

TEST_F(nested, LT4_a_mount_over_a_link)
{
	struct place *p = &self->p;
	static const uint32_t attach[] = {
		BINDLINK_ATTACH_PATH, BINDLINK_ATTACH_PARENT,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		const char *x = path("%s/x", p->v);
		int err;

		ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		ASSERT_EQ(0, link_attach(p->v, p->b, attach[i]));
		ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, put(x, "mounted"));
		EXPECT_STREQ("x", names(p->v));
		EXPECT_STREQ("in", names(p->b));
		EXPECT_STREQ(p->b, link_listed(p->v));
		/* What is mounted is the administrator's to unmount. */
		err = link_drop(p->v);
		EXPECT_TRUE(!err || err == -EBUSY)
			TH_LOG("%s", strerror(-err));
		if (err) {
			EXPECT_STREQ("mounted", get(x));
			EXPECT_EQ(0, ERR(umount2(p->v, 0)));
			EXPECT_STREQ("backing", get(path("%s/in", p->v)));
			EXPECT_EQ(0, link_drop(p->v));
		} else if (!strcmp(get(x), "mounted")) {
			EXPECT_EQ(0, ERR(umount2(p->v, 0)));
		}
		EXPECT_STREQ("original", get(path("%s/in", p->v)));
		EXPECT_EQ(0, mount_count(p->v, NULL));
		ASSERT_EQ(0, rm_rf(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
	}
}

/* A link whose parent is in a filesystem that is mounted upon a link. */
TEST_F(nested, NE1_AN2_a_link_in_a_mount_over_a_link)
{
	struct place *p = &self->p;
	const char *in = path("%s/m/v", p->v);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/m", p->b), 0755)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, ERR(mount("tmpfs", path("%s/m", p->v), "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/m/x", p->v), "mounted"));
	ASSERT_EQ(0, link_make(in, path("%s/in", p->b)))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("backing", get(in));
	EXPECT_STREQ("v x", names(path("%s/m", p->v)));
	EXPECT_STREQ("mounted", get(path("%s/m/x", p->v)));
	EXPECT_EQ(-EBUSY, link_drop(p->v));
	ASSERT_EQ(0, link_drop(in))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("x", names(path("%s/m", p->v)));
	EXPECT_EQ(0, ERR(umount2(path("%s/m", p->v), 0)))
		TH_LOG("%s", strerror(errno));
	EXPECT_EQ(0, link_drop(p->v));
}

#define CARRIERS 3

/* Administrators unmount what carries links, in every order. */
TEST_F(nested, LT4_carriers_unmounted_in_all_orders)
{
	static const int orders3[6][CARRIERS] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
		{ 2, 1, 0 },
	};
	struct place *p = &self->p;
	const char *dirs[CARRIERS];
	int o, i, k;

	for (o = 0; o < 12; o++) {
		bool lazy = o >= 6;
		bool gone[CARRIERS] = { };
		int links = 3 * CARRIERS;

		for (i = 0; i < CARRIERS; i++) {
			dirs[i] = path("%s/carrier%d", p->top, i);
			ASSERT_EQ(0, ERR(mkdir(dirs[i], 0755)));
			ASSERT_EQ(0, make_kind(path("%s/b%d", p->back, i), 'd',
					       path("%d", i)));
		}
		/* Their links lead into each other: 0 -> 1 -> 2 -> a file. */
		for (i = CARRIERS - 1; i >= 0; i--) {
			const char *b = path("%s/b%d", p->back, i);

			ASSERT_EQ(0, link_make(path("%s/v", dirs[i]), b));
			ASSERT_EQ(0, link_make(path("%s/v/w", dirs[i]), b));
			ASSERT_EQ(0, link_make(path("%s/chain", dirs[i]),
					       i == CARRIERS - 1 ?
					       path("%s/in", b) :
					       path("%s/chain", dirs[i + 1])))
				TH_LOG("%s", link_why());
			EXPECT_EQ(1, mounted(dirs[i]));
		}
		EXPECT_STREQ("2", get(path("%s/chain", dirs[0])));
		EXPECT_EQ(links, link_count(p->top));
		for (i = 0; i < CARRIERS; i++) {
			const char *dir = dirs[orders3[o % 6][i]];

			ASSERT_EQ(0, ERR(umount2(dir, lazy ? MNT_DETACH : 0)))
				TH_LOG("%s", strerror(errno));
			gone[orders3[o % 6][i]] = true;
			links -= 3;
			EXPECT_TRUE(WITHIN(5, link_count(p->top) == links))
				TH_LOG("%d links, not %d", link_count(p->top),
				       links);
			EXPECT_STREQ("", names(dir));
			EXPECT_EQ(-ENOENT, link_drop(path("%s/v", dir)));
			for (k = 0; k < CARRIERS; k++) {
				const char *want = gone[k] ? "!ENOENT" :
						   path("%d", k);

				EXPECT_STREQ(want, get(path("%s/v/in",
							    dirs[k])));
				EXPECT_STREQ(want, get(path("%s/v/w/in",
							    dirs[k])));
			}
			EXPECT_STREQ(gone[0] || gone[1] || gone[2] ?
				     "!ENOENT" : "2",
				     get(path("%s/chain", dirs[0])));
		}
		EXPECT_EQ(0, link_count(p->top));
		for (i = 0; i < CARRIERS; i++) {
			ASSERT_EQ(0, ERR(rmdir(dirs[i])));
			ASSERT_EQ(0, rm_rf(path("%s/b%d", p->back, i)));
		}
	}
}

/* Nested carriers: what is inside goes with what is outside, or before it. */
TEST_F(nested, LT4_nested_carriers_unmounted)
{
	struct place *p = &self->p;
	const char *a = path("%s/a", p->top), *m = path("%s/a/m", p->top);
	int way;

	for (way = 0; way < 3; way++) {
		ASSERT_EQ(0, ERR(mkdir(a, 0755)));
		ASSERT_EQ(0, ERR(mkdir(m, 0755)));
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, link_make(path("%s/v", m), p->b))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, link_make(path("%s/v", a), p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("m v", names(a));
		EXPECT_STREQ("v", names(m));
		EXPECT_STREQ("backing", get(path("%s/v/in", m)));
		if (way == 0) {
			/* All at once. */
			ASSERT_EQ(0, ERR(umount2(a, MNT_DETACH)));
		} else if (way == 1) {
			/* From the inside. */
			ASSERT_EQ(0, ERR(umount2(m, 0)))
				TH_LOG("%s", strerror(errno));
			EXPECT_TRUE(WITHIN(5, link_count(p->top) == 1));
			EXPECT_STREQ("", names(m));
			ASSERT_EQ(0, ERR(umount2(m, 0)))
				TH_LOG("%s", strerror(errno));
			ASSERT_EQ(0, ERR(umount2(a, 0)))
				TH_LOG("%s", strerror(errno));
		} else {
			/* By removing, from the outside. */
			ASSERT_EQ(0, link_drop(path("%s/v", a)))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("m", names(a));
			EXPECT_STREQ("backing", get(path("%s/v/in", m)));
			ASSERT_EQ(0, link_drop(path("%s/v", m)))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("", names(m));
			EXPECT_EQ(0, ERR(umount2(m, 0)))
				TH_LOG("%s", strerror(errno));
		}
		EXPECT_TRUE(WITHIN(5, link_count(p->top) == 0));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		while (!umount2(m, MNT_DETACH))
			;
		EXPECT_STREQ("m", names(a));
		ASSERT_EQ(0, rm_rf(a));
		ASSERT_EQ(0, rm_rf(p->b));
	}
}

/* Links go from the table whose tree is gone, also those below others. */
TEST_F(nested, LT4_RM2_an_unmounted_descendant_is_not_in_the_way)
{
	struct place *p = &self->p;
	const char *bar = path("%s/Bar", p->v);

	ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
	ASSERT_EQ(0, make_kind(bar, 'd', "V's"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_attach(bar, p->b, BINDLINK_ATTACH_PATH));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("Bar in", names(p->v));
	/* One tree shows both by now, and both go with it. */
	ASSERT_EQ(0, ERR(umount2(p->v, MNT_DETACH)));
	EXPECT_TRUE(WITHIN(5, !mounted(p->v)));
	link_clear(p->top);
	EXPECT_EQ(0, link_count(p->top));
	EXPECT_EQ(0, mount_count(p->top, "bindlink"));
	EXPECT_STREQ("Bar in", names(p->v));
	EXPECT_STREQ("V's", get(path("%s/in", bar)));
	EXPECT_STREQ("original", get(path("%s/in", p->v)));
	/* And all can be made again. */
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, link_make(bar, p->b));
	EXPECT_EQ(0, link_drop(bar));
	EXPECT_EQ(0, link_drop(p->v));
}

/* Processes that were below an earlier link stay with it. */
TEST_F(nested, RM4_NE2_in_use_when_an_ancestor_gets_its_link)
{
	struct place *p = &self->p;
	const char *bar = path("%s/Bar", p->v);
	const char *b2 = path("%s/b2", p->back);
	char buf[16] = "";
	int fd;

	ASSERT_EQ(0, make_kind(p->v, 'd', "original"));
	ASSERT_EQ(0, make_kind(bar, 'd', "V's"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, make_kind(b2, 'd', "bar"));
	ASSERT_EQ(0, link_make(bar, b2));
	fd = open(path("%s/in", bar), O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(chdir(bar)));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_EQ(3, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("bar", buf);
	EXPECT_STREQ("bar", get("in"));
	EXPECT_EQ(0, put("new", "new"));
	EXPECT_STREQ("new", get(path("%s/new", bar)));
	EXPECT_STREQ("new", get(path("%s/new", b2)));
	close(fd);
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_EQ(0, link_drop(bar))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, mount_count(p->top, "bindlink"));
}

TEST_HARNESS_MAIN
