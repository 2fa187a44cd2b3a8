// SPDX-License-Identifier: GPL-2.0
/*
 * Exceptions (EX): paths below V that a link leaves alone, where the original is
 * seen and changed. With read-only links (EX5) and nested ones.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"
#include "place.h"

#include <bindlink.h>

PLACES_CROSS(ex);

#define RO	BINDLINK_FLAG_READ_ONLY

/* A file in a directory, which is made with what leads to it. */
static int plant(const char *dir, const char *name, const char *text)
{
	char *copy = strdup(dir), *slash;
	int err = 0;

	for (slash = copy + 1; !err && slash; ) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		err = ERR(mkdir(copy, 0755));
		if (err == EEXIST)
			err = 0;
		if (slash)
			*slash++ = '/';
	}
	free(copy);
	return err ?: -put(path("%s/%s", dir, name), text);
}

#define PLANT(dir, name, text)	ASSERT_EQ(0, plant(dir, name, text))

/*
 * V: keep/{a,deep/b} and other/{c}, file, gone
 * B: keep/{B}, other/{B}, file
 */
static int lay_out(const struct place *p)
{
	return plant(path("%s/keep", p->v), "a", "orig a") ?:
	       plant(path("%s/keep/deep", p->v), "b", "orig b") ?:
	       plant(path("%s/other", p->v), "c", "orig c") ?:
	       plant(p->v, "file", "orig file") ?:
	       plant(p->v, "beside", "orig beside") ?:
	       plant(path("%s/keep", p->b), "B", "B keep") ?:
	       plant(path("%s/other", p->b), "B", "B other") ?:
	       plant(p->b, "file", "B file") ?:
	       plant(p->b, "more", "B more");
}

/* The original, from the side: what no link shows. */
static int show_original(const struct place *p, const char *raw)
{
	return ERR(mkdir(raw, 0755)) ?:
	       ERR(mount(p->v, raw, NULL, MS_BIND, NULL)) ?:
	       ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL));
}

#define EACH_WAY(attach)						\
	for (attach = BINDLINK_ATTACH_PATH;				\
	     attach <= BINDLINK_ATTACH_PARENT; attach++)

TEST_F(ex, EX1_what_may_be_an_exception)
{
	struct place *p = &self->p;
	const char *except[2];
	const char *before;

	ASSERT_EQ(0, lay_out(p));
	before = strdup(state());
	except[0] = p->v;
	EXPECT_EQ(-EINVAL, link_make_opts(p->v, p->b, 0, 0, except, 1));
	EXPECT_NE('\0', link_why()[0]);
	except[0] = p->b;
	EXPECT_EQ(-EINVAL, link_make_opts(p->v, p->b, 0, 0, except, 1));
	except[0] = path("%s-beside", p->v);
	ASSERT_EQ(0, put(except[0], "beside"));
	EXPECT_EQ(-EINVAL, link_make_opts(p->v, p->b, 0, 0, except, 1));
	except[0] = path("%s/none", p->v);
	EXPECT_EQ(-ENOENT, link_make_opts(p->v, p->b, 0, 0, except, 1));
	except[0] = path("%s/none/deep", p->v);
	EXPECT_EQ(-ENOENT, link_make_opts(p->v, p->b, 0, 0, except, 1));
	/* One that is B's and not the original's. */
	except[0] = path("%s/more", p->v);
	EXPECT_EQ(-ENOENT, link_make_opts(p->v, p->b, 0, 0, except, 1));
	/* A good one does not make up for a bad one. */
	except[0] = path("%s/keep", p->v);
	except[1] = path("%s/none", p->v);
	EXPECT_EQ(-ENOENT, link_make_opts(p->v, p->b, 0, 0, except, 2));
	EXPECT_STREQ(before, state());
	/* A file, and a directory; symlinks on the way are followed. */
	ASSERT_EQ(0, ERR(symlink("keep", path("%s/way", p->v))));
	except[0] = path("%s/way/deep", p->v);
	except[1] = path("%s/file", p->v);
	EXPECT_EQ(0, link_make_opts(p->v, p->b, 0, 0, except, 2))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("orig b", get(path("%s/keep/deep/b", p->v)));
	EXPECT_STREQ("orig file", get(path("%s/file", p->v)));
	EXPECT_EQ(ENOENT, ERR(access(path("%s/way", p->v), F_OK)));
}

TEST_F(ex, AN4_none_with_an_anchorless_link)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/x", p->v) };

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	EXPECT_EQ(-EINVAL, link_make_opts(p->v, p->b, 0, 0, except, 1));
	EXPECT_EQ(0, link_count(NULL));
}

TEST_F(ex, EX2_EX3_the_original_is_seen_and_changed)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v), path("%s/file", p->v) };
	const char *raw = path("%s/raw", p->back), *at;
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	ASSERT_EQ(0, show_original(p, raw));
	EACH_WAY(attach) {
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 2))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("file keep more other", names(p->v));
		EXPECT_STREQ("a deep", names(path("%s/keep", p->v)));
		EXPECT_STREQ("orig a", get(path("%s/keep/a", p->v)));
		EXPECT_STREQ("orig b", get(path("%s/keep/deep/b", p->v)));
		EXPECT_STREQ("orig file", get(path("%s/file", p->v)));
		EXPECT_TRUE(same_inode(path("%s/keep", p->v),
				       path("%s/keep", raw)));
		EXPECT_TRUE(same_inode(path("%s/file", p->v),
				       path("%s/file", raw)));
		/* EX3 */
		EXPECT_EQ(ENOENT, ERR(access(path("%s/beside", p->v), F_OK)));
		EXPECT_STREQ("B", names(path("%s/other", p->v)));
		EXPECT_STREQ("B more", get(path("%s/more", p->v)));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/keep/B", p->v), F_OK)));

		/* Changes go to the original, and to B where that is seen. */
		at = path("%s/keep", p->v);
		EXPECT_EQ(0, put(path("%s/new", at), "new"));
		EXPECT_EQ(0, ERR(mkdir(path("%s/dir", at), 0755)));
		EXPECT_EQ(0, put(path("%s/dir/x", at), "x"));
		EXPECT_EQ(0, ERR(rename(path("%s/new", at),
					path("%s/deep/new", at))));
		EXPECT_EQ(0, put(path("%s/a", at), "changed"));
		EXPECT_STREQ("changed", get(path("%s/keep/a", raw)));
		EXPECT_STREQ("new", get(path("%s/keep/deep/new", raw)));
		EXPECT_STREQ("a deep dir", names(path("%s/keep", raw)));
		EXPECT_STREQ("B", names(path("%s/keep", p->b)));
		EXPECT_EQ(0, put(path("%s/file", p->v), "other text"));
		EXPECT_STREQ("other text", get(path("%s/file", raw)));
		EXPECT_STREQ("B file", get(path("%s/file", p->b)));
		EXPECT_EQ(0, put(path("%s/made", p->v), "made"));
		EXPECT_STREQ("made", get(path("%s/made", p->b)));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/made", raw), F_OK)));
		/* And those that are made there are seen. */
		EXPECT_EQ(0, put(path("%s/keep/direct", raw), "direct"));
		EXPECT_STREQ("direct", get(path("%s/direct", at)));
		EXPECT_EQ(0, ERR(unlink(path("%s/keep/direct", raw))));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/direct", at), F_OK)));

		/* The name itself is the original's, too. */
		EXPECT_EQ(0, ERR(unlink(path("%s/file", p->v))));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/file", p->v), F_OK)));
		EXPECT_STREQ("B file", get(path("%s/file", p->b)));
		EXPECT_STREQ("keep made more other", names(p->v));
		EXPECT_EQ(0, put(path("%s/file", p->v), "orig file"));
		EXPECT_STREQ("orig file", get(path("%s/file", raw)));
		EXPECT_EQ(0, put(path("%s/file", raw), "again"));
		EXPECT_STREQ("again", get(path("%s/file", p->v)));
		EXPECT_EQ(0, put(path("%s/file", raw), "orig file"));

		EXPECT_EQ(0, ERR(unlink(path("%s/made", p->v))));
		EXPECT_EQ(0, rm_rf(path("%s/dir", at)));
		EXPECT_EQ(0, ERR(unlink(path("%s/deep/new", at))));
		EXPECT_EQ(0, put(path("%s/a", at), "orig a"));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("beside file keep other", names(p->v));
		EXPECT_STREQ("file keep more other", names(p->b));
	}
	EXPECT_EQ(0, ERR(umount2(raw, MNT_DETACH)));
}

TEST_F(ex, EX4_deep_exceptions)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/x/y/z", p->v) };
	const char *before;
	uint32_t attach;

	PLANT(except[0], "in", "orig");
	PLANT(path("%s/x", p->v), "hidden", "hidden");
	PLANT(p->b, "top", "B");
	EACH_WAY(attach) {
		before = tree(p->b, true);
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		/* B has nothing of the way. */
		EXPECT_STREQ("top x", names(p->v));
		EXPECT_STREQ("y", names(path("%s/x", p->v)));
		EXPECT_STREQ("z", names(path("%s/x/y", p->v)));
		EXPECT_STREQ("in", names(except[0]));
		EXPECT_STREQ("orig", get(path("%s/in", except[0])));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/x/hidden", p->v), F_OK)));
		EXPECT_EQ(EROFS, ERR(mkdir(path("%s/x/new", p->v), 0755)));
		EXPECT_EQ(EBUSY, ERR(rmdir(path("%s/x", p->v))));
		EXPECT_EQ(EBUSY, ERR(rename(path("%s/x", p->v),
					    path("%s/away", p->v))));
		EXPECT_STREQ(before, tree(p->b, true));
		/* B has some of it, with more. */
		PLANT(path("%s/x", p->b), "mine", "B");
		EXPECT_STREQ("mine y", names(path("%s/x", p->v)));
		EXPECT_STREQ("z", names(path("%s/x/y", p->v)));
		EXPECT_EQ(0, ERR(mkdir(path("%s/x/new", p->v), 0755)));
		EXPECT_STREQ("mine new", names(path("%s/x", p->b)));
		EXPECT_STREQ("orig", get(path("%s/in", except[0])));
		/* And all of it, of another kind at the end. */
		PLANT(path("%s/x/y", p->b), "z", "a file");
		EXPECT_STREQ("z", names(path("%s/x/y", p->v)));
		EXPECT_STREQ("in", names(except[0]));
		/* A file of B's in the way makes no difference. */
		EXPECT_EQ(0, rm_rf(path("%s/x", p->b)));
		EXPECT_EQ(0, put(path("%s/x", p->b), "a file"));
		EXPECT_STREQ("y", names(path("%s/x", p->v)));
		EXPECT_STREQ("orig", get(path("%s/in", except[0])));
		EXPECT_EQ(0, ERR(unlink(path("%s/x", p->b))));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
}

TEST_F(ex, EX4_what_is_on_the_way_can_be_moved)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/x/y/z", p->v) };
	uint32_t attach;

	PLANT(except[0], "in", "orig");
	EACH_WAY(attach) {
		PLANT(path("%s/x", p->b), "mine", "B");
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("mine y", names(path("%s/x", p->v)));
		EXPECT_EQ(0, ERR(rename(path("%s/x", p->v),
					path("%s/away", p->v))));
		EXPECT_STREQ("mine", names(path("%s/away", p->v)));
		EXPECT_STREQ("y", names(path("%s/x", p->v)));
		EXPECT_STREQ("orig", get(path("%s/in", except[0])));
		EXPECT_STREQ("away x", names(p->v));
		EXPECT_STREQ("away", names(p->b));
		EXPECT_EQ(0, rm_rf(path("%s/away", p->v)));
		EXPECT_EQ(0, ERR(mkdir(path("%s/x", p->b), 0755)));
		EXPECT_EQ(0, ERR(rmdir(path("%s/x", p->v))));
		EXPECT_STREQ("", names(p->b));
		EXPECT_STREQ("x", names(p->v));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
}

TEST_F(ex, EX5_an_exception_of_a_read_only_link_is_writable)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v), path("%s/file", p->v) };
	struct stat st;
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	EACH_WAY(attach) {
		ASSERT_EQ(0, link_make_opts(p->v, p->b, RO, attach, except, 2))
			TH_LOG("%s", link_why());
		EXPECT_EQ(EROFS, err_open(path("%s/more", p->v), O_RDWR));
		EXPECT_EQ(EROFS, ERR(mkdir(path("%s/new", p->v), 0755)));
		EXPECT_EQ(EROFS, ERR(mkdir(path("%s/other/new", p->v), 0755)));
		EXPECT_EQ(0, err_open(path("%s/keep/a", p->v), O_RDWR));
		EXPECT_EQ(0, ERR(mkdir(path("%s/keep/new", p->v), 0755)));
		EXPECT_EQ(0, ERR(rmdir(path("%s/keep/new", p->v))));
		EXPECT_EQ(0, err_open(path("%s/file", p->v), O_RDWR));
		ASSERT_EQ(0, ERR(stat(path("%s/file", p->v), &st)));
		EXPECT_EQ(0644, st.st_mode & 0777);
		ASSERT_EQ(0, ERR(stat(path("%s/more", p->v), &st)));
		EXPECT_EQ(0444, st.st_mode & 0777);
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
}

TEST_F(ex, EX6_many_of_them)
{
	struct place *p = &self->p;
	const unsigned int n = 1000;
	const char **except = calloc(n + 3, sizeof(*except));
	struct bindlink_link *link;
	struct bindlink *handle;
	unsigned int i, told = 0;

	ASSERT_NE(NULL, except);
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	for (i = 0; i < n; i++) {
		const char *dir = path("%s/d%u", p->v, i % 10);

		if (i < 10) {
			ASSERT_EQ(0, ERR(mkdir(dir, 0755)));
			ASSERT_EQ(0, ERR(mkdir(path("%s/d%u", p->b, i), 0755)));
		}
		except[i] = path("%s/e%u", dir, i);
		ASSERT_EQ(0, i % 2 ? put(except[i], path("%u", i)) :
				     plant(except[i], "in", path("%u", i)));
	}
	/* Twice, and one in another: harmless. */
	except[n] = except[7];
	except[n + 1] = path("%s/in", except[8]);
	except[n + 2] = path("%s//d0/./e0/", p->v);
	ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, 0, except, n + 3))
		TH_LOG("%s", link_why());
	for (i = 0; i < n; i++) {
		const char *at = i % 2 ? except[i] : path("%s/in", except[i]);

		EXPECT_STREQ(path("%u", i), get(at));
	}
	EXPECT_EQ(0, put(path("%s/in", except[8]), "changed"));
	EXPECT_STREQ("changed", get(path("%s/in", except[8])));
	EXPECT_EQ(0, ERR(unlink(path("%s/in", except[8]))));
	EXPECT_STREQ("", names(except[8]));
	ASSERT_EQ(0, bindlink_open(&handle));
	ASSERT_EQ(0, bindlink_get(handle, p->v, &link))
		TH_LOG("%s", bindlink_message(handle));
	told = bindlink_link_exception_count(link);
	EXPECT_EQ(n + 1, told);
	bindlink_link_free(link);
	bindlink_close(handle);
	EXPECT_EQ(1, link_count(NULL));
	EXPECT_EQ(0, link_drop(p->v))
		TH_LOG("%s", link_why());
	free(except);
}

/* Links in exceptions, exceptions of links in links. */
TEST_F(ex, EX2_NE1_nested_links)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };
	const char *inner[1];
	const char *c = path("%s/c", p->back), *n;
	uint32_t attach;
	int order;

	ASSERT_EQ(0, lay_out(p));
	PLANT(c, "c", "C");
	PLANT(path("%s/left", c), "l", "C left");
	EACH_WAY(attach)
		for (order = 0; order < 2; order++) {
			/* A link below an exception, before and after. */
			n = path("%s/keep/deep", p->v);
			if (order)
				ASSERT_EQ(0, link_make(n, c))
					TH_LOG("%s", link_why());
			ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
				TH_LOG("%s", link_why());
			if (!order)
				ASSERT_EQ(0, link_make(n, c))
					TH_LOG("%s", link_why());
			EXPECT_STREQ("c left", names(n));
			EXPECT_STREQ("a deep", names(except[0]));
			EXPECT_STREQ("orig a", get(path("%s/a", except[0])));
			EXPECT_STREQ("file keep more other", names(p->v));
			EXPECT_EQ(-EBUSY, link_drop(p->v));
			EXPECT_EQ(0, link_drop(n))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("b", names(n));
			/* A link at the exception itself. */
			ASSERT_EQ(0, link_make(except[0], c))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("c left", names(except[0]));
			EXPECT_EQ(0, link_drop(except[0]))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("a deep", names(except[0]));
			EXPECT_EQ(0, link_drop(p->v))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("b", names(n));
		}
	/*
	 * A link in a link, with an exception: what is seen there is what the
	 * outer one shows.
	 */
	EACH_WAY(attach) {
		PLANT(path("%s/other/left", p->b), "l", "B left");
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, NULL, 0))
			TH_LOG("%s", link_why());
		n = path("%s/other", p->v);
		inner[0] = path("%s/left", n);
		ASSERT_EQ(0, link_make_opts(n, c, 0, 0, inner, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("c left", names(n));
		EXPECT_STREQ("C", get(path("%s/c", n)));
		EXPECT_STREQ("B left", get(path("%s/l", inner[0])));
		EXPECT_EQ(0, put(path("%s/l", inner[0]), "through"));
		EXPECT_STREQ("through", get(path("%s/other/left/l", p->b)));
		EXPECT_EQ(0, link_drop(n))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, rm_rf(path("%s/other/left", p->b)));
	}
}

/* AP1: no link applies, and the path that is used is the path itself. */
TEST_F(ex, EX2_AP1_resolve)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };
	const char *at = path("%s/keep/deep/b", p->v);
	struct bindlink_resolution *r;
	struct bindlink *handle;
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	ASSERT_EQ(0, bindlink_open(&handle));
	EACH_WAY(attach) {
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, bindlink_resolve(handle, at, &r))
			TH_LOG("%s", bindlink_message(handle));
		EXPECT_EQ(0, bindlink_resolution_error(r));
		EXPECT_STREQ(at, bindlink_resolution_real_path(r));
		EXPECT_EQ(NULL, bindlink_resolution_link(r));
		EXPECT_EQ(0, bindlink_resolution_via_count(r));
		bindlink_resolution_free(r);
		ASSERT_EQ(0, bindlink_resolve(handle, path("%s/more", p->v),
					      &r));
		EXPECT_STREQ(path("%s/more", p->b),
			     bindlink_resolution_real_path(r));
		EXPECT_NE(NULL, bindlink_resolution_link(r));
		bindlink_resolution_free(r);
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
	bindlink_close(handle);
}

/* A link whose backing path is, or leads through, an exception of another. */
TEST_F(ex, EX2_CH1_a_backing_path_in_an_exception)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };
	const char *w = path("%s/w", p->back);
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	EACH_WAY(attach) {
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, link_make(w, path("%s/keep", p->v)))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("a deep", names(w));
		EXPECT_STREQ("orig b", get(path("%s/deep/b", w)));
		EXPECT_EQ(0, put(path("%s/new", w), "new"));
		EXPECT_STREQ("new", get(path("%s/keep/new", p->v)));
		EXPECT_EQ(0, ERR(unlink(path("%s/new", w))));
		EXPECT_EQ(0, link_drop(w))
			TH_LOG("%s", link_why());
		/* And one that shows all of it. */
		ASSERT_EQ(0, link_make(w, p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("file keep more other", names(w));
		EXPECT_STREQ("orig b", get(path("%s/keep/deep/b", w)));
		EXPECT_STREQ("B more", get(path("%s/more", w)));
		EXPECT_EQ(0, link_drop(w))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
}

/* EX2: one path, left alone by two links. */
TEST_F(ex, EX2_EX6_an_exception_of_two_links)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/a/b/c", p->v) };
	const char *n = path("%s/a", p->v), *c = path("%s/c", p->back);

	PLANT(except[0], "x", "orig");
	PLANT(path("%s/a/b/c", p->b), "x", "B");
	PLANT(path("%s/a/b", p->b), "y", "B y");
	PLANT(path("%s/b/c", c), "x", "C");
	PLANT(path("%s/b", c), "z", "C z");
	ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, 0, except, 1))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("orig", get(path("%s/x", except[0])));
	EXPECT_STREQ("c y", names(path("%s/a/b", p->v)));
	/* The inner one does not leave it alone, and it is nearer. */
	ASSERT_EQ(0, link_make(n, c))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("C", get(path("%s/x", except[0])));
	EXPECT_STREQ("c z", names(path("%s/a/b", p->v)));
	EXPECT_EQ(0, link_drop(n));
	ASSERT_EQ(0, link_make_opts(n, c, 0, 0, except, 1))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("orig", get(path("%s/x", except[0])));
	EXPECT_STREQ("c z", names(path("%s/a/b", p->v)));
	EXPECT_EQ(0, link_drop(n))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("orig", get(path("%s/x", except[0])));
	EXPECT_EQ(0, link_drop(p->v))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("orig", get(path("%s/x", except[0])));
}

/* What is mounted in the original is part of it. */
TEST_F(ex, EX2_AN3_mounts_in_an_exception)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };
	const char *deep = path("%s/keep/deep", p->v);
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	EACH_WAY(attach) {
		ASSERT_EQ(0, ERR(mount("tmpfs", deep, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, put(path("%s/m", deep), "mounted"));
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("m", names(deep));
		EXPECT_STREQ("mounted", get(path("%s/m", deep)));
		EXPECT_STREQ("orig a", get(path("%s/keep/a", p->v)));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("m", names(deep));
		ASSERT_EQ(0, ERR(umount(deep)));
		/* The exception itself is a mount point. */
		ASSERT_EQ(0, ERR(mount("tmpfs", except[0], "tmpfs", 0, NULL)));
		ASSERT_EQ(0, put(path("%s/m", except[0]), "mounted"));
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("m", names(except[0]));
		EXPECT_EQ(0, put(path("%s/n", except[0]), "n"));
		EXPECT_STREQ("m n", names(except[0]));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("m n", names(except[0]));
		ASSERT_EQ(0, ERR(umount(except[0])));
	}
}

/* LB1, LB4: the original is gone, and comes again. */
TEST_F(ex, EX2_LB1_LB4_the_original_changes)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };
	const char *raw = path("%s/raw", p->back);
	uint32_t attach;

	ASSERT_EQ(0, lay_out(p));
	ASSERT_EQ(0, show_original(p, raw));
	EACH_WAY(attach) {
		ASSERT_EQ(0, link_make_opts(p->v, p->b, 0, attach, except, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("a deep", names(except[0]));
		ASSERT_EQ(0, ERR(rename(path("%s/keep", raw),
					path("%s/away", raw))));
		EXPECT_EQ(ENOENT, ERR(access(except[0], F_OK)));
		EXPECT_STREQ("file more other", names(p->v));
		ASSERT_EQ(0, put(path("%s/keep", raw), "a file"));
		EXPECT_STREQ("a file", get(except[0]));
		ASSERT_EQ(0, ERR(unlink(path("%s/keep", raw))));
		ASSERT_EQ(0, ERR(symlink("more", path("%s/keep", raw))));
		EXPECT_STREQ("more", get_link(except[0]));
		EXPECT_STREQ("B more", get(except[0]));
		ASSERT_EQ(0, ERR(unlink(path("%s/keep", raw))));
		ASSERT_EQ(0, ERR(rename(path("%s/away", raw),
					path("%s/keep", raw))));
		EXPECT_STREQ("orig a", get(path("%s/a", except[0])));
		/* B is gone: the way to the exception is there nevertheless. */
		ASSERT_EQ(0, ERR(rename(p->b, path("%s-away", p->b))));
		EXPECT_STREQ("keep", names(p->v));
		EXPECT_STREQ("orig a", get(path("%s/a", except[0])));
		ASSERT_EQ(0, ERR(rename(path("%s-away", p->b), p->b)));
		EXPECT_STREQ("file keep more other", names(p->v));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
	}
	EXPECT_EQ(0, ERR(umount2(raw, MNT_DETACH)));
}

TEST_HARNESS_MAIN
