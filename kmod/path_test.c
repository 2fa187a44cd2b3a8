// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of path strings.
 */

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bindlink.h"

struct bl_path_case {
	const char *name;
	const char *path;
	const char *want;	/* NULL: refused */
	int err;
};

static const struct bl_path_case bl_path_cases[] = {
	{ "CR6: kept as it is", "/a/b", "/a/b" },
	{ "CR6: root", "/", "/" },
	{ "CR6: only slashes", "////", "/" },
	{ "CR6: root by dots", "/./.", "/" },
	{ "CR6: doubled slashes", "//a///b", "/a/b" },
	{ "CR6: trailing slashes", "/a/b//", "/a/b" },
	{ "CR6: dot components", "/./a/./b/.", "/a/b" },
	{ "CR6: dots in names", "/.a/..b/c./d../...", "/.a/..b/c./d../..." },
	{ "CR6: space and newline", "/a b/c\nd", "/a b/c\nd" },
	{ "CR6: bytes that are no text", "/\xff\xfe/\x01", "/\xff\xfe/\x01" },
	{ "CR6: dot-dot refused", "/a/../b", NULL, -EINVAL },
	{ "CR6: dot-dot at the end", "/a/..", NULL, -EINVAL },
	{ "CR6: relative", "a/b", NULL, -EINVAL },
	{ "CR10: empty", "", NULL, -ENOENT },
};

KUNIT_ARRAY_PARAM_DESC(bl_path, bl_path_cases, name);

static void bl_path_normalize_test(struct kunit *test)
{
	const struct bl_path_case *c = test->param_value;
	char *out = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	const char *why = NULL;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, out);
	err = bl_path_normalize(c->path, out, PATH_MAX, &why);
	KUNIT_EXPECT_EQ(test, err, c->err);
	if (c->want) {
		KUNIT_EXPECT_STREQ(test, out, c->want);
		KUNIT_EXPECT_NULL(test, why);
	} else {
		KUNIT_EXPECT_NOT_NULL(test, why);
	}
}

/* CR10: the longest name and the longest path, and one more of each. */
static void bl_path_length_test(struct kunit *test)
{
	char *path = kunit_kzalloc(test, 2 * PATH_MAX, GFP_KERNEL);
	char *out = kunit_kzalloc(test, PATH_MAX, GFP_KERNEL);
	const char *why = NULL;

	KUNIT_ASSERT_NOT_NULL(test, path);
	KUNIT_ASSERT_NOT_NULL(test, out);

	path[0] = '/';
	memset(path + 1, 'n', NAME_MAX);
	KUNIT_EXPECT_EQ(test, bl_path_normalize(path, out, PATH_MAX, &why), 0);
	KUNIT_EXPECT_STREQ(test, out, path);
	path[NAME_MAX + 1] = 'n';
	KUNIT_EXPECT_EQ(test, bl_path_normalize(path, out, PATH_MAX, &why),
			-ENAMETOOLONG);
	KUNIT_EXPECT_NOT_NULL(test, why);

	/* "/n/n...": PATH_MAX - 1 bytes and the NUL are the most. */
	for (int i = 0; i < PATH_MAX - 2; i += 2)
		memcpy(path + i, "/n", 2);
	path[PATH_MAX - 2] = 'n';
	path[PATH_MAX - 1] = '\0';
	KUNIT_EXPECT_EQ(test, bl_path_normalize(path, out, PATH_MAX, &why), 0);
	KUNIT_EXPECT_STREQ(test, out, path);
	path[PATH_MAX - 1] = 'n';
	path[PATH_MAX] = '\0';
	why = NULL;
	KUNIT_EXPECT_EQ(test, bl_path_normalize(path, out, PATH_MAX, &why),
			-ENAMETOOLONG);
	KUNIT_EXPECT_NOT_NULL(test, why);
}

/* Nothing is written behind the buffer. */
static void bl_path_bounds_test(struct kunit *test)
{
	const char *why;
	char out[8];

	memset(out, 'x', sizeof(out));
	KUNIT_EXPECT_EQ(test, bl_path_normalize("/abc", out, 5, &why), 0);
	KUNIT_EXPECT_STREQ(test, out, "/abc");
	KUNIT_EXPECT_EQ(test, out[5], 'x');
	memset(out, 'x', sizeof(out));
	KUNIT_EXPECT_EQ(test, bl_path_normalize("/abcd", out, 5, &why),
			-ENAMETOOLONG);
	KUNIT_EXPECT_EQ(test, out[5], 'x');
}

static void bl_path_last_test(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, bl_path_last("/a/bc"), "bc");
	KUNIT_EXPECT_STREQ(test, bl_path_last("/a"), "a");
	KUNIT_EXPECT_STREQ(test, bl_path_last("/"), "");
}

static void bl_path_related_test(struct kunit *test)
{
	static const struct {
		const char *a, *b;
		bool related;
	} cases[] = {
		{ "/a", "/a", true },
		{ "/", "/", true },
		{ "/", "/a", true },
		{ "/a", "/a/b", true },
		{ "/a/b", "/a/b/c/d", true },
		{ "/a", "/ab", false },
		{ "/a/b", "/a/c", false },
		{ "/a/b", "/a/bc/d", false },
		{ "/a/bc", "/a/b/c", false },
		{ "/a", "/b", false },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		KUNIT_EXPECT_EQ(test, cases[i].related,
				bl_path_related(cases[i].a, cases[i].b));
		KUNIT_EXPECT_EQ(test, cases[i].related,
				bl_path_related(cases[i].b, cases[i].a));
	}
}

static struct kunit_case bl_path_test_cases[] = {
	KUNIT_CASE_PARAM(bl_path_normalize_test, bl_path_gen_params),
	KUNIT_CASE(bl_path_length_test),
	KUNIT_CASE(bl_path_bounds_test),
	KUNIT_CASE(bl_path_last_test),
	KUNIT_CASE(bl_path_related_test),
	{}
};

static struct kunit_suite bl_path_suite = {
	.name = "bindlink_path",
	.test_cases = bl_path_test_cases,
};

kunit_test_suite(bl_path_suite);

MODULE_DESCRIPTION("KUnit tests of bindlink");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
MODULE_LICENSE("GPL");
