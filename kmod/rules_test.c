// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the rule table and of precedence.
 *
 * The links are addresses that are compared and never followed.
 */

#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "bindlink.h"

#define BL_L(n)	((struct bl_link *)(0x1000UL * (n)))

static void bl_rules_free(void *rules)
{
	bl_rules_destroy(rules);
}

static int bl_rules_test_init(struct kunit *test)
{
	struct bl_rules *rules = kunit_kzalloc(test, sizeof(*rules), GFP_KERNEL);
	int err;

	if (!rules)
		return -ENOMEM;
	err = bl_rules_init(rules);
	if (err)
		return err;
	test->priv = rules;
	return kunit_add_action_or_reset(test, bl_rules_free, rules);
}

static void bl_rules_add_find_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;

	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/a"));
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, rules->count, 1);
	KUNIT_EXPECT_PTR_EQ(test, bl_rules_find(rules, "/a/b"), BL_L(1));
	/* A component on the way is no rule, nor is a name that begins so. */
	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/a"));
	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/a/bc"));
	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/a/b/c"));
	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/b"));
}

/* CR4 */
static void bl_rules_twice_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;

	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(2)),
			-EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, bl_rules_find(rules, "/a"), BL_L(1));
	KUNIT_EXPECT_EQ(test, rules->count, 1);
	/* CR10 */
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/", BL_RULE_LINK, BL_L(3)),
			-EINVAL);
}

static void bl_rules_del_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;

	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a", BL_RULE_LINK, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b/c", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(2)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a", BL_RULE_LINK, NULL), -ENOENT);
	/* The way to a deeper rule stays. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_NOT_NULL(test, bl_rules_find(rules, "/a/b/c"));
	KUNIT_EXPECT_NULL(test, bl_rules_find(rules, "/a/b"));
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b/c", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_EQ(test, rules->count, 0);
	/* RM5: and nothing is left of it. */
	KUNIT_EXPECT_EQ(test, atomic_read(&rules->nodes.nelems), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b/c", BL_RULE_LINK, NULL), -ENOENT);
}

enum { NONE, LINK, EXCEPTION };

struct bl_rule_case {
	const char *name;
	const char *path;
	unsigned int link;	/* 0: no rule applies */
	int kind;
	const char *rest;
};

/*
 * Link 1 at /v, with an exception at /v/x, in which is link 2 at /v/x/n;
 * link 3 at /v/l, link 4 at /v/l/l; link 5 at /w/deep/er.
 */
static const struct bl_rule_case bl_rule_cases[] = {
	{ "no rule at the root", "/", 0, NONE, "/" },
	{ "no rule beside", "/vv", 0, NONE, "/vv" },
	{ "a link at itself", "/v", 1, LINK, "" },
	{ "a link below itself", "/v/a/b", 1, LINK, "/a/b" },
	{ "EX2: an exception at itself", "/v/x", 1, EXCEPTION, "" },
	{ "EX2: an exception below", "/v/x/y", 1, EXCEPTION, "/y" },
	{ "EX3: beside an exception", "/v/xx", 1, LINK, "/xx" },
	{ "NE3: a link in an exception", "/v/x/n/a", 2, LINK, "/a" },
	{ "NE3: a link below a link", "/v/l", 3, LINK, "" },
	{ "NE3: what it shows below", "/v/l/a", 3, LINK, "/a" },
	{ "NE3: a third one", "/v/l/l/a", 4, LINK, "/a" },
	{ "NE3: beside the third one", "/v/l/ll", 3, LINK, "/ll" },
	{ "no rule on the way", "/w/deep", 0, NONE, "/w/deep" },
	{ "a rule at the end of it", "/w/deep/er/a", 5, LINK, "/a" },
};

KUNIT_ARRAY_PARAM_DESC(bl_rule, bl_rule_cases, name);

struct bl_rule_spec {
	const char *path;
	enum bl_rule_kind kind;
	unsigned int link;
};

static const struct bl_rule_spec bl_rule_specs[] = {
	{ "/v", BL_RULE_LINK, 1 },
	{ "/v/x", BL_RULE_EXCEPTION, 1 },
	{ "/v/x/n", BL_RULE_LINK, 2 },
	{ "/v/l", BL_RULE_LINK, 3 },
	{ "/v/l/l", BL_RULE_LINK, 4 },
	{ "/w/deep/er", BL_RULE_LINK, 5 },
};

/* The rule nearest to the end of @path, and what is behind it. */
static int bl_rule_nearest(struct bl_rules *rules, const char *path,
			   struct bl_link **link, const char **rest)
{
	size_t len = strlen(path);
	struct bl_rule rule;
	char prefix[64];

	guard(rcu)();
	*link = NULL;
	*rest = path;
	for (; len > 1; len--) {
		if (path[len] && path[len] != '/')
			continue;
		snprintf(prefix, sizeof(prefix), "%.*s", (int)len, path);
		if (!bl_rules_at(rules, prefix, &rule) ||
		    !(rule.link || rule.excepted))
			continue;
		*link = rule.link;
		*rest = path + len;
		return rule.link ? LINK : EXCEPTION;
	}
	return NONE;
}

static void bl_rule_case_check(struct kunit *test, struct bl_rules *rules,
			       const struct bl_rule_case *c)
{
	struct bl_link *link;
	const char *rest;

	KUNIT_EXPECT_EQ(test, bl_rule_nearest(rules, c->path, &link, &rest),
			c->kind);
	KUNIT_EXPECT_PTR_EQ(test, link,
			    c->kind == LINK ? BL_L(c->link) : NULL);
	KUNIT_EXPECT_STREQ(test, rest, c->rest);
}

/* NE1: whatever order the rules are made in. */
static void bl_rules_precedence_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	const unsigned int n = ARRAY_SIZE(bl_rule_specs);

	for (unsigned int first = 0; first < n; first++) {
		for (unsigned int step = 1; step < n; step += 4) {
			/* Steps of 1 and 5 visit each of 6 rules once. */
			for (unsigned int i = 0; i < n; i++) {
				const struct bl_rule_spec *s =
					&bl_rule_specs[(first + i * step) % n];

				KUNIT_ASSERT_EQ(test, 0,
						bl_rules_add(rules, s->path,
							     s->kind,
							     BL_L(s->link)));
			}
			bl_rule_case_check(test, rules, test->param_value);
			for (unsigned int i = 0; i < n; i++)
				KUNIT_ASSERT_EQ(test, 0,
						bl_rules_del(rules,
							     bl_rule_specs[i].path,
							     bl_rule_specs[i].kind,
							     BL_L(bl_rule_specs[i].link)));
		}
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&rules->nodes.nelems), 0);
}

static void bl_rules_below_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;

	KUNIT_EXPECT_FALSE(test, bl_rules_below(rules, "/"));
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b/c", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_TRUE(test, bl_rules_below(rules, "/"));
	KUNIT_EXPECT_TRUE(test, bl_rules_below(rules, "/a"));
	KUNIT_EXPECT_TRUE(test, bl_rules_below(rules, "/a/b"));
	/* RM2: a link is not below itself. */
	KUNIT_EXPECT_FALSE(test, bl_rules_below(rules, "/a/b/c"));
	KUNIT_EXPECT_FALSE(test, bl_rules_below(rules, "/a/bb"));
}

/* EX6: a path can be an exception of several links, and have a link, too. */
static void bl_rules_except_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	struct bl_rule rule;

	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/v", BL_RULE_LINK, BL_L(1)), 0);
	for (unsigned int i = 1; i < 4; i++)
		KUNIT_EXPECT_EQ(test, 0, bl_rules_add(rules, "/v/a/x",
						      BL_RULE_EXCEPTION,
						      BL_L(i)));
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/v/a/x", BL_RULE_EXCEPTION, BL_L(2)),
			-EEXIST);
	/* RM2: no link is below. */
	KUNIT_EXPECT_FALSE(test, bl_rules_below(rules, "/v"));
	scoped_guard(rcu) {
		KUNIT_EXPECT_TRUE(test, bl_rules_at(rules, "/v", &rule));
		KUNIT_EXPECT_TRUE(test, rule.below);
		KUNIT_EXPECT_FALSE(test, rule.links);
		KUNIT_EXPECT_FALSE(test, rule.excepted);
		KUNIT_EXPECT_TRUE(test, bl_rules_at(rules, "/v/a/x", &rule));
		KUNIT_EXPECT_NULL(test, rule.link);
		KUNIT_EXPECT_TRUE(test, rule.excepted);
	}
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/v/a/x", BL_RULE_LINK, BL_L(5)), 0);
	KUNIT_EXPECT_TRUE(test, bl_rules_below(rules, "/v"));
	KUNIT_EXPECT_TRUE(test, bl_rules_except(rules, "/v/a/x", BL_L(3)));
	KUNIT_EXPECT_FALSE(test, bl_rules_except(rules, "/v/a/x", BL_L(5)));
	KUNIT_EXPECT_FALSE(test, bl_rules_except(rules, "/v/a", BL_L(3)));
	KUNIT_EXPECT_FALSE(test, bl_rules_except(rules, "/v/a/x/y", BL_L(3)));
	KUNIT_EXPECT_PTR_EQ(test, bl_rules_find(rules, "/v/a/x"), BL_L(5));
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/v/a/x", BL_RULE_LINK, BL_L(5)), 0);
	KUNIT_EXPECT_FALSE(test, bl_rules_below(rules, "/v"));
	for (unsigned int i = 1; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, 0, bl_rules_del(rules, "/v/a/x",
						      BL_RULE_EXCEPTION,
						      BL_L(i)));
		KUNIT_EXPECT_EQ(test, -ENOENT, bl_rules_del(rules, "/v/a/x",
							    BL_RULE_EXCEPTION,
							    BL_L(i)));
	}
	KUNIT_EXPECT_EQ(test, rules->count, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&rules->nodes.nelems), 1);
}

/* AP4: many rules, against a table that is searched from end to end. */
static void bl_rules_many_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	const unsigned int n = 10000;
	struct bl_link *link;
	struct rnd_state rnd;
	const char *rest;
	char path[64];
	int kind;

	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/%u/%u/%u", i % 7, i % 101, i);
		KUNIT_ASSERT_EQ(test, 0, bl_rules_add(rules, path, BL_RULE_LINK,
						      BL_L(i + 1)));
	}
	KUNIT_EXPECT_EQ(test, rules->count, n);
	prandom_seed_state(&rnd, 1);
	for (unsigned int k = 0; k < 2000; k++) {
		unsigned int i = prandom_u32_state(&rnd) % (2 * n);

		snprintf(path, sizeof(path), "/%u/%u/%u/x", i % 7, i % 101, i);
		kind = bl_rule_nearest(rules, path, &link, &rest);
		KUNIT_ASSERT_EQ(test, kind, i < n ? LINK : NONE);
		if (i < n) {
			KUNIT_EXPECT_PTR_EQ(test, link, BL_L(i + 1));
			KUNIT_EXPECT_STREQ(test, rest, "/x");
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/%u/%u/%u", i % 7, i % 101, i);
		KUNIT_ASSERT_EQ(test, 0, bl_rules_del(rules, path, BL_RULE_LINK, NULL));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&rules->nodes.nelems), 0);
}

/* NE1, NE5: a path has a link, leads to links, or neither. */
static void bl_rules_at_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	struct bl_rule rule;

	KUNIT_ASSERT_EQ(test, bl_rules_add(rules, "/a/b/c", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_ASSERT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(2)), 0);

	guard(rcu)();
	KUNIT_EXPECT_TRUE(test, bl_rules_at(rules, "/", &rule));
	KUNIT_EXPECT_PTR_EQ(test, rule.link, NULL);
	KUNIT_EXPECT_TRUE(test, rule.below);
	KUNIT_EXPECT_TRUE(test, bl_rules_at(rules, "/a/b", &rule));
	KUNIT_EXPECT_PTR_EQ(test, rule.link, BL_L(2));
	KUNIT_EXPECT_TRUE(test, rule.below);
	KUNIT_EXPECT_TRUE(test, bl_rules_at(rules, "/a/b/c", &rule));
	KUNIT_EXPECT_PTR_EQ(test, rule.link, BL_L(1));
	KUNIT_EXPECT_FALSE(test, rule.below);
	KUNIT_EXPECT_FALSE(test, bl_rules_at(rules, "/a/b/c/d", &rule));
	KUNIT_EXPECT_FALSE(test, bl_rules_at(rules, "/a/bc", &rule));
}

/* NE2: the names below a path, each once, in the order they were made. */
static void bl_rules_names_test(struct kunit *test)
{
	static const char * const made[] = { "/d/z", "/d/a/x", "/d/m", "/d/a" };
	static const char * const names[] = { "z", "a", "m" };
	struct bl_rules *rules = test->priv;
	struct bl_rule_node *dir;
	char name[NAME_MAX + 1];
	struct bl_rule rule;
	u32 serial = 0;
	int i;

	KUNIT_EXPECT_PTR_EQ(test, bl_rules_dir(rules, "/d"), NULL);
	for (i = 0; i < ARRAY_SIZE(made); i++)
		KUNIT_ASSERT_EQ(test, bl_rules_add(rules, made[i], BL_RULE_LINK,
						   BL_L(i + 1)), 0);
	dir = bl_rules_dir(rules, "/d");
	KUNIT_ASSERT_NOT_NULL(test, dir);

	rcu_read_lock();
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		KUNIT_EXPECT_TRUE(test, bl_rule_next(dir, &serial, name, &rule));
		KUNIT_EXPECT_STREQ(test, name, names[i]);
	}
	KUNIT_EXPECT_FALSE(test, bl_rule_next(dir, &serial, name, &rule));
	KUNIT_EXPECT_TRUE(test, bl_rule_child(rules, dir, "ab", 1, &rule));
	KUNIT_EXPECT_PTR_EQ(test, rule.link, BL_L(4));
	KUNIT_EXPECT_TRUE(test, rule.below);
	KUNIT_EXPECT_FALSE(test, bl_rule_child(rules, dir, "ab", 2, &rule));
	rcu_read_unlock();

	/* One that goes and comes again is a new one. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/m", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/d/m", BL_RULE_LINK, BL_L(9)), 0);
	rcu_read_lock();
	KUNIT_EXPECT_TRUE(test, bl_rule_next(dir, &serial, name, &rule));
	KUNIT_EXPECT_STREQ(test, name, "m");
	KUNIT_EXPECT_FALSE(test, bl_rule_next(dir, &serial, name, &rule));
	rcu_read_unlock();

	/* What is held outlives its rules. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/z", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/a/x", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/a", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/m", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_PTR_EQ(test, bl_rules_dir(rules, "/d"), NULL);
	serial = 0;
	rcu_read_lock();
	KUNIT_EXPECT_FALSE(test, bl_rule_next(dir, &serial, name, &rule));
	KUNIT_EXPECT_FALSE(test, bl_rule_child(rules, dir, "a", 1, &rule));
	rcu_read_unlock();
	bl_rule_put(dir);
}

static void bl_rules_generation_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	unsigned long gen = bl_rules_generation();

	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a", BL_RULE_LINK, NULL), -ENOENT);
	KUNIT_EXPECT_EQ(test, bl_rules_generation(), gen);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_NE(test, bl_rules_generation(), gen);
	gen = bl_rules_generation();
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, bl_rules_generation(), gen);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a", BL_RULE_LINK, NULL), 0);
	KUNIT_EXPECT_NE(test, bl_rules_generation(), gen);
}

static void bl_rules_node_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	struct bl_rule_node *a, *b;
	struct bl_rule rule;

	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(1)),
			0);
	rcu_read_lock();
	a = bl_rules_node(rules, "/a");
	KUNIT_EXPECT_NOT_NULL(test, a);
	bl_rule_read(a, &rule);
	KUNIT_EXPECT_NULL(test, rule.link);
	KUNIT_EXPECT_TRUE(test, rule.below);
	KUNIT_EXPECT_EQ(test, rule.links, 1);
	b = bl_rule_node(rules, a, "bb", 1);
	KUNIT_EXPECT_PTR_EQ(test, b, bl_rules_node(rules, "/a/b"));
	bl_rule_read(b, &rule);
	KUNIT_EXPECT_PTR_EQ(test, rule.link, BL_L(1));
	KUNIT_EXPECT_FALSE(test, rule.below);
	/* Neither a name that is not there, nor one below none. */
	KUNIT_EXPECT_NULL(test, bl_rule_node(rules, a, "bb", 2));
	KUNIT_EXPECT_NULL(test, bl_rule_node(rules, b, "c", 1));
	KUNIT_EXPECT_NULL(test, bl_rule_node(rules, NULL, "a", 1));
	bl_rule_read(NULL, &rule);
	KUNIT_EXPECT_NULL(test, rule.link);
	KUNIT_EXPECT_FALSE(test, rule.below);
	rcu_read_unlock();
	/* What was in the way of it goes with it. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b", BL_RULE_LINK, NULL), 0);
	rcu_read_lock();
	KUNIT_EXPECT_NULL(test, bl_rules_node(rules, "/a"));
	rcu_read_unlock();
}

static struct kunit_case bl_rules_test_cases[] = {
	KUNIT_CASE(bl_rules_node_test),
	KUNIT_CASE(bl_rules_at_test),
	KUNIT_CASE(bl_rules_names_test),
	KUNIT_CASE(bl_rules_generation_test),
	KUNIT_CASE(bl_rules_add_find_test),
	KUNIT_CASE(bl_rules_twice_test),
	KUNIT_CASE(bl_rules_del_test),
	KUNIT_CASE_PARAM_ATTR(bl_rules_precedence_test, bl_rule_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(bl_rules_below_test),
	KUNIT_CASE(bl_rules_except_test),
	KUNIT_CASE_SLOW(bl_rules_many_test),
	{}
};

static struct kunit_suite bl_rules_suite = {
	.name = "bindlink_rules",
	.init = bl_rules_test_init,
	.test_cases = bl_rules_test_cases,
};

kunit_test_suite(bl_rules_suite);
