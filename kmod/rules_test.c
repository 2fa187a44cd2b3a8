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
	struct bl_match match;

	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/a", &match));
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, rules->count, 1);
	KUNIT_ASSERT_TRUE(test, bl_rules_find(rules, "/a/b", &match));
	KUNIT_EXPECT_PTR_EQ(test, match.link, BL_L(1));
	KUNIT_EXPECT_EQ(test, match.kind, BL_RULE_LINK);
	/* A component on the way is no rule, nor is a name that begins so. */
	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/a", &match));
	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/a/bc", &match));
	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/a/b/c", &match));
	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/b", &match));
}

/* CR4 */
static void bl_rules_twice_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	struct bl_match match;

	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(2)),
			-EEXIST);
	KUNIT_ASSERT_TRUE(test, bl_rules_find(rules, "/a", &match));
	KUNIT_EXPECT_PTR_EQ(test, match.link, BL_L(1));
	KUNIT_EXPECT_EQ(test, rules->count, 1);
	/* CR10 */
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/", BL_RULE_LINK, BL_L(3)),
			-EINVAL);
}

static void bl_rules_del_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	struct bl_match match;

	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a"), -ENOENT);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b/c", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a/b", BL_RULE_LINK, BL_L(2)), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a"), -ENOENT);
	/* The way to a deeper rule stays. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b"), 0);
	KUNIT_EXPECT_TRUE(test, bl_rules_find(rules, "/a/b/c", &match));
	KUNIT_EXPECT_FALSE(test, bl_rules_find(rules, "/a/b", &match));
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b/c"), 0);
	KUNIT_EXPECT_EQ(test, rules->count, 0);
	/* RM5: and nothing is left of it. */
	KUNIT_EXPECT_EQ(test, atomic_read(&rules->nodes.nelems), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a/b/c"), -ENOENT);
}

struct bl_rule_case {
	const char *name;
	const char *path;
	unsigned int link;	/* 0: no rule applies */
	enum bl_rule_kind kind;
	const char *rest;
};

/*
 * Link 1 at /v, with an exception at /v/x, in which is link 2 at /v/x/n;
 * link 3 at /v/l, link 4 at /v/l/l; link 5 at /w/deep/er.
 */
static const struct bl_rule_case bl_rule_cases[] = {
	{ "no rule at the root", "/", 0, BL_RULE_NONE, "/" },
	{ "no rule beside", "/vv", 0, BL_RULE_NONE, "/vv" },
	{ "a link at itself", "/v", 1, BL_RULE_LINK, "" },
	{ "a link below itself", "/v/a/b", 1, BL_RULE_LINK, "/a/b" },
	{ "EX2: an exception at itself", "/v/x", 1, BL_RULE_EXCEPTION, "" },
	{ "EX2: an exception below", "/v/x/y", 1, BL_RULE_EXCEPTION, "/y" },
	{ "EX3: beside an exception", "/v/xx", 1, BL_RULE_LINK, "/xx" },
	{ "NE3: a link in an exception", "/v/x/n/a", 2, BL_RULE_LINK, "/a" },
	{ "NE3: a link below a link", "/v/l", 3, BL_RULE_LINK, "" },
	{ "NE3: what it shows below", "/v/l/a", 3, BL_RULE_LINK, "/a" },
	{ "NE3: a third one", "/v/l/l/a", 4, BL_RULE_LINK, "/a" },
	{ "NE3: beside the third one", "/v/l/ll", 3, BL_RULE_LINK, "/ll" },
	{ "no rule on the way", "/w/deep", 0, BL_RULE_NONE, "/w/deep" },
	{ "a rule at the end of it", "/w/deep/er/a", 5, BL_RULE_LINK, "/a" },
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

static void bl_rule_case_check(struct kunit *test, struct bl_rules *rules,
			       const struct bl_rule_case *c)
{
	struct bl_match match;
	bool found = bl_rules_match(rules, c->path, &match);

	KUNIT_EXPECT_EQ(test, found, c->kind != BL_RULE_NONE);
	KUNIT_EXPECT_EQ(test, match.kind, c->kind);
	KUNIT_EXPECT_PTR_EQ(test, match.link, BL_L(c->link));
	KUNIT_EXPECT_STREQ(test, match.rest, c->rest);
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
							     bl_rule_specs[i].path));
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

/* AP4: many rules, against a table that is searched from end to end. */
static void bl_rules_many_test(struct kunit *test)
{
	struct bl_rules *rules = test->priv;
	const unsigned int n = 10000;
	struct rnd_state rnd;
	struct bl_match match;
	char path[64];

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
		KUNIT_ASSERT_EQ(test, bl_rules_match(rules, path, &match), i < n);
		if (i < n) {
			KUNIT_EXPECT_PTR_EQ(test, match.link, BL_L(i + 1));
			KUNIT_EXPECT_STREQ(test, match.rest, "/x");
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/%u/%u/%u", i % 7, i % 101, i);
		KUNIT_ASSERT_EQ(test, 0, bl_rules_del(rules, path));
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
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/m"), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/d/m", BL_RULE_LINK, BL_L(9)), 0);
	rcu_read_lock();
	KUNIT_EXPECT_TRUE(test, bl_rule_next(dir, &serial, name, &rule));
	KUNIT_EXPECT_STREQ(test, name, "m");
	KUNIT_EXPECT_FALSE(test, bl_rule_next(dir, &serial, name, &rule));
	rcu_read_unlock();

	/* What is held outlives its rules. */
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/z"), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/a/x"), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/a"), 0);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/d/m"), 0);
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

	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a"), -ENOENT);
	KUNIT_EXPECT_EQ(test, bl_rules_generation(), gen);
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)), 0);
	KUNIT_EXPECT_NE(test, bl_rules_generation(), gen);
	gen = bl_rules_generation();
	KUNIT_EXPECT_EQ(test, bl_rules_add(rules, "/a", BL_RULE_LINK, BL_L(1)),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, bl_rules_generation(), gen);
	KUNIT_EXPECT_EQ(test, bl_rules_del(rules, "/a"), 0);
	KUNIT_EXPECT_NE(test, bl_rules_generation(), gen);
}

static struct kunit_case bl_rules_test_cases[] = {
	KUNIT_CASE(bl_rules_at_test),
	KUNIT_CASE(bl_rules_names_test),
	KUNIT_CASE(bl_rules_generation_test),
	KUNIT_CASE(bl_rules_add_find_test),
	KUNIT_CASE(bl_rules_twice_test),
	KUNIT_CASE(bl_rules_del_test),
	KUNIT_CASE_PARAM_ATTR(bl_rules_precedence_test, bl_rule_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(bl_rules_below_test),
	KUNIT_CASE_SLOW(bl_rules_many_test),
	{}
};

static struct kunit_suite bl_rules_suite = {
	.name = "bindlink_rules",
	.init = bl_rules_test_init,
	.test_cases = bl_rules_test_cases,
};

kunit_test_suite(bl_rules_suite);
