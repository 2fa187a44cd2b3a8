// SPDX-License-Identifier: GPL-2.0
/*
 * A link leads to what is at the backing path now, and shows what is there
 * now, whoever changed it and however warm the caches are.
 */
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "linux/bindlink.h"

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(late);

/* Looks at everything several times, so that RCU-walk finds it cached. */
static void warm(const char *dir)
{
	int i;

	for (i = 0; i < 3; i++)
		free(tree(dir, true));
}

/* Nothing at @file, in whatever way it is asked for. */
#define ABSENT(file) do {						\
	const char *__f = (file);					\
	struct stat __st;						\
									\
	EXPECT_EQ(ENOENT, ERR(stat(__f, &__st)))			\
		TH_LOG("stat %s", __f);					\
	EXPECT_EQ(ENOENT, ERR(lstat(__f, &__st)));			\
	EXPECT_EQ(ENOENT, err_open(__f, O_RDONLY | O_NONBLOCK));	\
	EXPECT_EQ(ENOENT, err_open(__f, O_PATH));			\
	EXPECT_EQ(ENOENT, ERR(access(__f, F_OK)));			\
	EXPECT_STREQ("!ENOENT", get_link(__f));				\
	EXPECT_EQ(ENOENT, ERR(truncate(__f, 0)));			\
	EXPECT_EQ(ENOENT, ERR(chmod(__f, 0600)));			\
	EXPECT_EQ(ENOENT, ERR(getxattr(__f, "user.x", NULL, 0)));	\
} while (0)

/* @v and all below it are what is at @b. */
#define EQUAL(v, b) do {						\
	char *__v = tree((v), true), *__b = tree((b), true);		\
									\
	EXPECT_STREQ(__b, __v);						\
	free(__v);							\
	free(__b);							\
} while (0)

TEST_F(late, LB1_file_deleted_and_made_again)
{
	struct place *p = &self->p;
	int i;

	FILE_LINK(p, "first");
	EXPECT_STREQ("first", get(p->v));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(unlink(p->b)));
		ABSENT(p->v);
		EXPECT_STREQ(p->b, link_listed(p->v));
		ASSERT_EQ(0, put(p->b, path("made again %d", i)));
		EXPECT_STREQ(path("made again %d", i), get(p->v));
		EXPECT_STREQ(facts(p->b), facts(p->v));
	}
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ABSENT(p->v);
	/* It can be removed like that, and the original is there again. */
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(p->v));
}

TEST_F(late, LB1_directory_deleted_and_made_again)
{
	struct place *p = &self->p;
	const char *x = path("%s/x", p->v);
	int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(x, "original"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "first"));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("first", get(x));
	warm(p->v);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, rm_rf(p->b));
		ABSENT(p->v);
		ABSENT(x);
		EXPECT_STREQ("!ENOENT", names(p->v));
		EXPECT_EQ(ENOENT, ERR(chdir(p->v)));
		EXPECT_EQ(ENOENT, ERR(mkdir(path("%s/d", p->v), 0755)));
		EXPECT_EQ(ENOENT, err_open(path("%s/n", p->v),
					   O_CREAT | O_WRONLY));
		ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
		EXPECT_STREQ("", names(p->v));
		EXPECT_STREQ("!ENOENT", get(x));
		ASSERT_EQ(0, put(path("%s/x", p->b), path("again %d", i)));
		EXPECT_STREQ(path("again %d", i), get(x));
		EQUAL(p->v, p->b);
	}
}

TEST_F(late, LB1_renamed_away_and_back)
{
	struct place *p = &self->p;
	const char *away = path("%s/away", p->back);
	const char *x = path("%s/x", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	warm(p->v);
	ASSERT_EQ(0, ERR(rename(p->b, away)));
	ABSENT(p->v);
	ABSENT(x);
	ASSERT_EQ(0, ERR(rename(away, p->b)));
	EXPECT_STREQ("x", get(x));
	EQUAL(p->v, p->b);
}

TEST_F(late, LB1_backing_parent_deleted_and_made_again)
{
	struct place *p = &self->p;
	const char *b = path("%s/one/two/b", p->back);
	int i;

	ASSERT_EQ(0, put(p->v, "original"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(mkdir(path("%s/one", p->back), 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/one/two", p->back), 0755)));
		if (i)
			ABSENT(p->v);
		ASSERT_EQ(0, put(b, path("%d", i)));
		if (!i)
			ASSERT_EQ(0, link_make(p->v, b));
		EXPECT_STREQ(path("%d", i), get(p->v));
		ASSERT_EQ(0, rm_rf(path("%s/one", p->back)));
		ABSENT(p->v);
	}
}

/* V is a mount point, and of a kind; the rest of LB1 is for other carriers. */
TEST_F(late, LB1_of_the_other_kind_until_the_kinds_agree)
{
	struct place *p = &self->p;
	struct stat st;

	FILE_LINK(p, "file");
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	EXPECT_EQ(ESTALE, ERR(stat(p->v, &st)));
	EXPECT_EQ(ESTALE, err_open(p->v, O_RDONLY));
	EXPECT_NE(0, ERR(access(path("%s/x", p->v), F_OK)));
	ASSERT_EQ(0, ERR(rmdir(p->b)));
	ABSENT(p->v);
	ASSERT_EQ(0, put(p->b, "file again"));
	EXPECT_STREQ("file again", get(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(p->v));

	ASSERT_EQ(0, ERR(unlink(p->v)));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	warm(p->v);
	ASSERT_EQ(0, rm_rf(p->b));
	ASSERT_EQ(0, put(p->b, "file"));
	EXPECT_EQ(ESTALE, ERR(stat(p->v, &st)));
	EXPECT_EQ(ESTALE, err_open(p->v, O_RDONLY));
	EXPECT_EQ(ESTALE, ERR(stat(path("%s/x", p->v), &st)));
	EXPECT_EQ(ESTALE, ERR(chdir(p->v)));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "again"));
	EXPECT_STREQ("again", get(path("%s/x", p->v)));
}

TEST_F(late, LB1_as_another_kind_that_is_no_directory)
{
	struct place *p = &self->p;
	struct stat st;

	FILE_LINK(p, "file");
	EXPECT_STREQ("file", get(p->v));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(mkfifo(p->b, 0644)));
	ASSERT_EQ(0, ERR(stat(p->v, &st)));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(mknod(p->b, S_IFCHR | 0666, makedev(1, 3))));
	ASSERT_EQ(0, ERR(stat(p->v, &st)));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_STREQ("", get(p->v));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, put(p->b, "file again"));
	EXPECT_STREQ("file again", get(p->v));
	EXPECT_STREQ(facts(p->b), facts(p->v));
}

TEST_F(late, LB2_file_replaced_by_rename)
{
	struct place *p = &self->p;
	const char *tmp = path("%s/tmp", p->back);
	unsigned int i, n = scaled(300);
	char text[32];

	FILE_LINK(p, "first");
	EXPECT_STREQ("first", get(p->v));
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "version %u", i);
		ASSERT_EQ(0, put(tmp, text));
		ASSERT_EQ(0, ERR(rename(tmp, p->b)));
		ASSERT_STREQ(text, get(p->v));
		ASSERT_TRUE(same_inode(p->v, p->b));
	}
}

TEST_F(late, LB2_file_exchanged)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	int i;

	FILE_LINK(p, "one");
	ASSERT_EQ(0, put(other, "two"));
	for (i = 0; i < 20; i++) {
		EXPECT_STREQ(i & 1 ? "two" : "one", get(p->v));
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
					   RENAME_EXCHANGE)));
	}
}

TEST_F(late, LB2_directory_replaced)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	const char *x = path("%s/d/x", p->v);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/x", p->b), "one"));
	ASSERT_EQ(0, put(path("%s/only1", p->b), ""));
	ASSERT_EQ(0, ERR(mkdir(other, 0700)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", other), 0755)));
	ASSERT_EQ(0, put(path("%s/d/x", other), "two"));
	ASSERT_EQ(0, put(path("%s/only2", other), ""));
	for (i = 0; i < 20; i++) {
		EXPECT_STREQ(i & 1 ? "two" : "one", get(x));
		EXPECT_STREQ(i & 1 ? "d only2" : "d only1", names(p->v));
		EXPECT_EQ(i & 1 ? ENOENT : 0,
			  ERR(access(path("%s/only1", p->v), F_OK)));
		EQUAL(p->v, p->b);
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
					   RENAME_EXCHANGE)));
	}
}

TEST_F(late, LB2_an_ancestor_renamed_away_and_another_put_in_its_place)
{
	static const char *const level[] = { "one", "one/two", "one/two/three" };
	struct place *p = &self->p;
	const char *b = path("%s/one/two/three/b", p->back);
	const char *x = path("%s/d/x", p->v);
	const char *at, *away;
	unsigned int i, round;
	char text[32];

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	for (i = 0; i < ARRAY_SIZE(level); i++)
		ASSERT_EQ(0, ERR(mkdir(path("%s/%s", p->back, level[i]),
				       0755)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/x", b), "first"));
	ASSERT_EQ(0, link_make(p->v, b));
	EXPECT_STREQ("first", get(x));
	for (round = 0; round < 3 * ARRAY_SIZE(level); round++) {
		warm(p->v);
		i = round % ARRAY_SIZE(level);
		at = path("%s/%s", p->back, level[i]);
		away = path("%s/away", p->back);
		ASSERT_EQ(0, ERR(rename(at, away)));
		ABSENT(p->v);
		ABSENT(x);
		/* The same way again, with other directories. */
		for (; i < ARRAY_SIZE(level); i++)
			ASSERT_EQ(0, ERR(mkdir(path("%s/%s", p->back,
						    level[i]), 0755)));
		ABSENT(p->v);
		ASSERT_EQ(0, ERR(mkdir(b, 0755)));
		EXPECT_STREQ("", names(p->v));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", b), 0755)));
		snprintf(text, sizeof(text), "round %u", round);
		ASSERT_EQ(0, put(path("%s/d/x", b), text));
		EXPECT_STREQ(text, get(x));
		EQUAL(p->v, b);
		ASSERT_EQ(0, rm_rf(away));
		EXPECT_STREQ(text, get(x));
	}
}

TEST_F(late, LB2_ancestors_exchanged)
{
	struct place *p = &self->p;
	const char *one = path("%s/one", p->back);
	const char *two = path("%s/two", p->back);
	unsigned int i, n = scaled(100);

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, ERR(mkdir(one, 0755)));
	ASSERT_EQ(0, ERR(mkdir(two, 0755)));
	ASSERT_EQ(0, put(path("%s/b", one), "one"));
	ASSERT_EQ(0, put(path("%s/b", two), "two"));
	ASSERT_EQ(0, link_make(p->v, path("%s/b", one)));
	for (i = 0; i < n; i++) {
		ASSERT_STREQ(i & 1 ? "two" : "one", get(p->v));
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, one, AT_FDCWD, two,
					   RENAME_EXCHANGE)));
	}
}

/* A working directory at V is on a link too. */
TEST_F(late, LB2_followed_from_a_working_directory)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	int fd, dir;
	struct stat st;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "one"));
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	ASSERT_EQ(0, put(path("%s/x", other), "two"));
	/* In the tree: who is in a lane stays in the directory. */
	dir = open_tree(AT_FDCWD, p->v, 0);
	ASSERT_LE(0, dir);
	ASSERT_EQ(0, ERR(fchdir(dir)));
	close(dir);
	dir = open(".", O_PATH | O_DIRECTORY);
	ASSERT_LE(0, dir);
	EXPECT_STREQ("one", get("x"));
	EXPECT_STREQ("one", get("x"));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("two", get("x"));
	EXPECT_STREQ("two", get("./x"));
	EXPECT_STREQ(facts(p->b), facts("."));
	fd = openat(dir, "x", O_RDONLY);
	EXPECT_LE(0, fd);
	if (fd >= 0) {
		EXPECT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(ino_of(path("%s/x", p->b)), st.st_ino);
		close(fd);
	}
	close(dir);
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(late, LB3_symlink_pointed_elsewhere)
{
	struct place *p = &self->p;
	const char *one = path("%s/one", p->back);
	const char *two = path("%s/two", p->back);
	const char *tmp = path("%s/tmp", p->back);
	unsigned int i, n = scaled(100);

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, put(one, "one"));
	ASSERT_EQ(0, put(two, "two"));
	ASSERT_EQ(0, ERR(symlink("one", p->b)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	for (i = 0; i < n; i++) {
		ASSERT_STREQ(i & 1 ? "two" : "one", get(p->v));
		ASSERT_STREQ(facts(p->b), facts(p->v));
		/* Relative and absolute. */
		ASSERT_EQ(0, ERR(symlink(i & 1 ? one : "two", tmp)));
		ASSERT_EQ(0, ERR(rename(tmp, p->b)));
	}
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ABSENT(p->v);
	ASSERT_EQ(0, ERR(symlink("nowhere", p->b)));
	ABSENT(p->v);
	ASSERT_EQ(0, put(path("%s/nowhere", p->back), "somewhere"));
	EXPECT_STREQ("somewhere", get(p->v));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(symlink("b", p->b)));
	EXPECT_STREQ("!ELOOP", get(p->v));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, put(p->b, "a file"));
	EXPECT_STREQ("a file", get(p->v));
}

TEST_F(late, LB3_symlinks_on_the_way)
{
	struct place *p = &self->p;
	const char *via = path("%s/via", p->back);
	const char *b = path("%s/b/c", via);
	const char *tmp = path("%s/tmp", p->back);
	int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	for (i = 0; i < 2; i++) {
		const char *d = path("%s/d%d", p->back, i);

		ASSERT_EQ(0, ERR(mkdir(d, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/b", d), 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/b/c", d), 0755)));
		ASSERT_EQ(0, put(path("%s/b/c/x", d), path("%d", i)));
	}
	ASSERT_EQ(0, ERR(symlink("hop", via)));
	ASSERT_EQ(0, ERR(symlink("d0", path("%s/hop", p->back))));
	ASSERT_EQ(0, link_make(p->v, b));
	for (i = 0; i < 10; i++) {
		EXPECT_STREQ(path("%d", i & 1), get(path("%s/x", p->v)));
		EQUAL(p->v, b);
		ASSERT_EQ(0, ERR(symlink(i & 1 ? "d0" : "d1", tmp)));
		ASSERT_EQ(0, ERR(rename(tmp, path("%s/hop", p->back))));
	}
	/* The symlink becomes a directory. */
	ASSERT_EQ(0, ERR(unlink(via)));
	ABSENT(p->v);
	ASSERT_EQ(0, ERR(rename(path("%s/d1", p->back), via)));
	EXPECT_STREQ("1", get(path("%s/x", p->v)));
}

TEST_F(late, LB4_names_below)
{
	struct place *p = &self->p;
	const char *v = path("%s/d/n", p->v), *b = path("%s/d/n", p->b);
	const char *v2 = path("%s/d/m", p->v), *b2 = path("%s/d/m", p->b);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	for (i = 0; i < 5; i++) {
		ABSENT(v);		/* now cached as absent */
		ABSENT(v);
		ASSERT_EQ(0, put(b, "made"));
		EXPECT_STREQ("made", get(v));
		EXPECT_STREQ("n", names(path("%s/d", p->v)));
		ABSENT(v2);
		ASSERT_EQ(0, ERR(rename(b, b2)));
		ABSENT(v);
		EXPECT_STREQ("made", get(v2));
		EXPECT_STREQ("m", names(path("%s/d", p->v)));
		ASSERT_EQ(0, ERR(link(b2, b)));
		EXPECT_TRUE(same_inode(v, v2));
		EXPECT_STREQ("m n", names(path("%s/d", p->v)));
		ASSERT_EQ(0, ERR(unlink(b2)));
		ABSENT(v2);
		ASSERT_EQ(0, put(b2, "other"));
		EXPECT_STREQ("other", get(v2));
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, b, AT_FDCWD, b2,
					   RENAME_EXCHANGE)));
		EXPECT_STREQ("other", get(v));
		EXPECT_STREQ("made", get(v2));
		ASSERT_EQ(0, ERR(rename(b, b2)));
		ABSENT(v);
		EXPECT_STREQ("other", get(v2));
		ASSERT_EQ(0, ERR(unlink(b2)));
		ABSENT(v2);
		EXPECT_STREQ("", names(path("%s/d", p->v)));
	}
}

/* One name in turn each kind of thing, looked at in between. */
TEST_F(late, LB4_kinds_below)
{
	static const mode_t kinds[] = {
		S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR,
	};
	struct place *p = &self->p;
	const char *v = path("%s/n", p->v), *b = path("%s/n", p->b);
	const char *tmp = path("%s/tmp", p->back);
	unsigned int i, from, to;
	struct stat st;

	DIR_LINK(p);
	for (i = 0; i < ARRAY_SIZE(kinds) * ARRAY_SIZE(kinds) * 2; i++) {
		from = i / 2 / ARRAY_SIZE(kinds);
		to = i / 2 % ARRAY_SIZE(kinds);
		switch (kinds[i & 1 ? to : from]) {
		case S_IFDIR:
			ASSERT_EQ(0, ERR(mkdir(tmp, 0755)));
			break;
		case S_IFLNK:
			ASSERT_EQ(0, ERR(symlink(path("to/%u", i), tmp)));
			break;
		default:
			ASSERT_EQ(0, ERR(mknod(tmp, 0644 |
					       kinds[i & 1 ? to : from],
					       makedev(1, 3))));
		}
		/* Replaced at one blow, whatever was there. */
		if (!renameat2(AT_FDCWD, tmp, AT_FDCWD, b, RENAME_EXCHANGE)) {
			ASSERT_EQ(0, rm_rf(tmp));
		} else {
			ASSERT_EQ(0, ERR(rename(tmp, b)));
		}
		ASSERT_EQ(0, ERR(lstat(v, &st)));
		EXPECT_EQ(kinds[i & 1 ? to : from], st.st_mode & S_IFMT);
		EXPECT_STREQ(lfacts(b), lfacts(v));
		EXPECT_STREQ(get_link(b), get_link(v));
		EXPECT_STREQ(names(b), names(v));
	}
}

TEST_F(late, LB4_directories_on_the_way_below)
{
	struct place *p = &self->p;
	const char *x = path("%s/1/2/3/x", p->v);
	const char *one = path("%s/1", p->b), *away = path("%s/away", p->back);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(one, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/2", one), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/2/3", one), 0755)));
	ASSERT_EQ(0, put(path("%s/2/3/x", one), "x"));
	for (i = 0; i < 3; i++) {
		warm(p->v);
		EXPECT_STREQ("x", get(x));
		/* Out of the tree altogether, and back. */
		ASSERT_EQ(0, ERR(rename(one, away)));
		ABSENT(x);
		EXPECT_STREQ("", names(p->v));
		ASSERT_EQ(0, ERR(rename(away, one)));
		EXPECT_STREQ("x", get(x));
		/* From one place in the tree to another. */
		ASSERT_EQ(0, ERR(rename(path("%s/2/3", one),
					path("%s/3", p->b))));
		ABSENT(x);
		EXPECT_STREQ("x", get(path("%s/3/x", p->v)));
		ASSERT_EQ(0, ERR(rename(path("%s/3", p->b),
					path("%s/2/3", one))));
		ABSENT(path("%s/3/x", p->v));
		EXPECT_STREQ("x", get(x));
		EQUAL(p->v, p->b);
	}
}

TEST_F(late, LB4_listing)
{
	struct place *p = &self->p;
	DIR *dir;
	int i, n = 0;

	DIR_LINK(p);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, put(path("%s/%02d", p->b, i), ""));
		EXPECT_STREQ(names(p->b), names(p->v));
	}
	/* A rewound stream shows what is there now. */
	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	while (readdir(dir))
		n++;
	EXPECT_EQ(22, n);
	ASSERT_EQ(0, ERR(unlink(path("%s/07", p->b))));
	ASSERT_EQ(0, put(path("%s/new", p->b), ""));
	ASSERT_EQ(0, put(path("%s/newer", p->b), ""));
	rewinddir(dir);
	for (n = 0; readdir(dir); n++)
		;
	EXPECT_EQ(23, n);
	closedir(dir);
	for (i = 0; i < 20; i++) {
		if (i != 7)
			ASSERT_EQ(0, ERR(unlink(path("%s/%02d", p->b, i))));
		EXPECT_STREQ(names(p->b), names(p->v));
	}
}

TEST_F(late, LB4_attributes)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	struct stat st, sb;
	unsigned int i, n = scaled(50);
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "contents"));
	fd = open(v, O_RDWR | O_APPEND);
	ASSERT_LE(0, fd);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, ERR(chmod(b, i & 0777)));
		ASSERT_STREQ(facts(b), facts(v));
		ASSERT_EQ(0, ERR(chown(b, i, i + 1)));
		ASSERT_STREQ(facts(b), facts(v));
		ASSERT_EQ(0, ERR(truncate(b, i * 1000)));
		ASSERT_STREQ(facts(b), facts(v));
		times[1].tv_sec = i * 3;
		ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, b, times, 0)));
		ASSERT_STREQ(facts(b), facts(v));
		ASSERT_EQ(0, ERR(link(b, path("%s/l%u", p->b, i))));
		ASSERT_STREQ(facts(b), facts(v));
		ASSERT_EQ(0, add(b, "more"));
		ASSERT_STREQ(facts(b), facts(v));
		/* Also through what is open, and where the end is. */
		ASSERT_EQ(0, ERR(fstat(fd, &st)));
		ASSERT_EQ(0, ERR(stat(b, &sb)));
		ASSERT_EQ(sb.st_size, st.st_size);
		ASSERT_EQ(sb.st_mode, st.st_mode);
		ASSERT_EQ(sb.st_size, lseek(fd, 0, SEEK_END));
		ASSERT_EQ(1, write(fd, "!", 1));
		ASSERT_EQ(0, ERR(stat(b, &st)));
		ASSERT_EQ(sb.st_size + 1, st.st_size);
	}
	close(fd);
}

TEST_F(late, LB4_symlinks_below)
{
	struct place *p = &self->p;
	const char *v = path("%s/s", p->v), *b = path("%s/s", p->b);
	int i;

	DIR_LINK(p);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ERR(mkdir(path("%s/d%d", p->b, i), 0755)));
		ASSERT_EQ(0, put(path("%s/d%d/x", p->b, i), path("%d", i)));
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, ERR(symlink(path("d%d", i & 1),
					 path("%s/tmp", p->b))));
		ASSERT_EQ(0, ERR(rename(path("%s/tmp", p->b), b)));
		EXPECT_STREQ(path("d%d", i & 1), get_link(v));
		EXPECT_STREQ(path("%d", i & 1), get(path("%s/x", v)));
	}
}

/* A permission taken away at B is away through V, however often it was used. */
TEST_F(late, LB4_permission)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->b);
	const char *bf = path("%s/d/f", p->b), *vf = path("%s/d/f", p->v);
	struct stat st;
	int round, i;
	pid_t pid;
	int go[2], done[2];
	char c;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(bf, "f"));
	ASSERT_EQ(0, ERR(pipe(go)));
	ASSERT_EQ(0, ERR(pipe(done)));
	pid = fork_user(USER);
	if (!pid) {
		/* Each answer: three errno, of stat, open and chdir to V. */
		while (read(go[0], &c, 1) == 1 && c != 'q') {
			unsigned char a[3];

			for (i = 0; i < 3; i++) {
				a[0] = ERR(stat(vf, &st));
				a[1] = err_open(vf, O_RDONLY);
				a[2] = ERR(chdir(p->v));
			}
			if (write(done[1], a, 3) != 3)
				_exit(1);
		}
		_exit(0);
	}
	for (round = 0; round < 12; round++) {
		unsigned char a[3];
		int want[3] = { 0, 0, 0 };

		switch (round % 4) {
		case 0:
			ASSERT_EQ(0, ERR(chmod(d, 0755)));
			ASSERT_EQ(0, ERR(chmod(bf, 0644)));
			ASSERT_EQ(0, ERR(chmod(p->b, 0755)));
			break;
		case 1:
			ASSERT_EQ(0, ERR(chmod(bf, 0600)));
			want[1] = EACCES;
			break;
		case 2:
			ASSERT_EQ(0, ERR(chmod(d, 0600)));
			want[0] = EACCES;
			want[1] = EACCES;
			break;
		case 3:
			ASSERT_EQ(0, ERR(chmod(d, 0755)));
			ASSERT_EQ(0, ERR(chmod(bf, 0644)));
			ASSERT_EQ(0, ERR(chmod(p->b, 0700)));
			want[0] = EACCES;
			want[1] = EACCES;
			want[2] = EACCES;
			break;
		}
		ASSERT_EQ(1, write(go[1], "g", 1));
		ASSERT_EQ(3, read(done[0], a, 3));
		for (i = 0; i < 3; i++)
			EXPECT_EQ(want[i], a[i])
				TH_LOG("round %d, call %d", round, i);
	}
	ASSERT_EQ(1, write(go[1], "q", 1));
	EXPECT_EQ(0, reap(pid));
}

/* The sticky bit is one that the VFS reads from the cached inode. */
TEST_F(late, LB4_sticky)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->b);
	struct stat st;
	int i;
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, put(path("%s/%d", d, i), ""));
		ASSERT_EQ(0, ERR(chmod(d, i & 1 ? 01777 : 0777)));
		pid = fork_user(USER);
		if (!pid)
			_exit(ERR(unlink(path("%s/d/%d", p->v, i))));
		EXPECT_EQ(i & 1 ? EPERM : 0, reap(pid));
		EXPECT_EQ(i & 1 ? 0 : ENOENT,
			  ERR(stat(path("%s/%d", d, i), &st)));
	}
}

/* A link that never has a lane: merged, or with an exception. */
#define STACKED_LINK(p, flags) do {					\
	const char *__except = path("%s/original", (p)->v);		\
									\
	ASSERT_EQ(0, ERR(mkdir((p)->v, 0755)));				\
	ASSERT_EQ(0, ERR(mkdir((p)->b, 0755)));				\
	ASSERT_EQ(0, put(__except, ""));				\
	ASSERT_EQ(0, link_make_flags((p)->v, (p)->b, flags, &__except,	\
				     !(flags)))				\
		TH_LOG("%s", link_why());				\
} while (0)

/*
 * The VFS looks at the owner and the sticky bit of a directory before it asks
 * whether somebody may write there.
 */
static void sticky_at_the_end(struct __test_metadata *_metadata,
			      struct place *p, uint32_t flags)
{
	static const struct {
		mode_t mode;
		uid_t uid;
		int err;
	} rounds[] = {
		{ 01777, 0, EPERM }, { 0777, 0, 0 }, { 0755, 0, EACCES },
		{ 01777, 0, EPERM }, { 01755, USER, 0 }, { 01777, 0, EPERM },
		{ 0755, 0, EACCES }, { 01755, USER, 0 }, { 0777, 0, 0 },
	};
	const char *d = path("%s/d", p->b), *ways[6];
	unsigned int i, j;
	int fd;

	STACKED_LINK(p, flags);
	ASSERT_EQ(0, ERR(mkdir(d, 01777)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/x", d), 0755)));
	ASSERT_EQ(0, ERR(symlink("d", path("%s/s", p->b))));
	fd = open(path("%s/d", p->v), O_PATH | O_DIRECTORY);
	ASSERT_LE(0, fd);
	ways[0] = path("%s/d", p->v);
	ways[1] = path("%s/d/", p->v);
	ways[2] = path("%s/d/.", p->v);
	ways[3] = path("%s/d/x/..", p->v);
	ways[4] = path("%s/s", p->v);
	ways[5] = path("/proc/self/fd/%d", fd);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		for (j = 0; j < ARRAY_SIZE(rounds); j++) {
			ASSERT_EQ(0, ERR(chown(d, rounds[j].uid, 0)));
			ASSERT_EQ(0, ERR(chmod(d, rounds[j].mode)));
			EXPECT_EQ(rounds[j].err,
				  AS_USER(ERR(setxattr(ways[i], "user.x", "x",
						       1, 0))))
				TH_LOG("%s, round %u", ways[i], j);
		}
	}
	close(fd);
}

TEST_F(late, LB4_TR9_sticky_at_the_end_of_a_path)
{
	sticky_at_the_end(_metadata, &self->p, 0);
}

TEST_F(late, MG3_TR9_sticky_at_the_end_of_a_path)
{
	sticky_at_the_end(_metadata, &self->p, BINDLINK_FLAG_MERGED);
}

/* So it does with files that shall get another name, be removed, or opened. */
static void owner_at_the_end(struct __test_metadata *_metadata,
			     struct place *p, uint32_t flags)
{
	static const char *const names[] = {
		"protected_hardlinks", "protected_symlinks", "protected_regular",
	};
	const char *d = path("%s/d", p->b), *f = path("%s/d/f", p->b);
	const char *vf = path("%s/d/f", p->v), *vl = path("%s/d/l", p->v);
	const char *s = path("%s/d/s", p->b), *vs = path("%s/d/s", p->v);
	const char *was[ARRAY_SIZE(names)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const char *file = path("/proc/sys/fs/%s", names[i]);

		was[i] = get(file);
		ASSERT_EQ(0, write_text(file, "1"));
	}
	STACKED_LINK(p, flags);
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(f, ""));
	ASSERT_EQ(0, ERR(symlink("f", s)));
	for (i = 0; i < 3; i++) {
		/* A name for what one could not write, or what is set-user-ID. */
		ASSERT_EQ(0, ERR(chmod(d, 0777)));
		ASSERT_EQ(0, ERR(chown(f, 0, 0)));
		ASSERT_EQ(0, ERR(chmod(f, 0666)));
		EXPECT_EQ(0, AS_USER(ERR(link(vf, vl)) ?: ERR(unlink(vl))));
		ASSERT_EQ(0, ERR(chmod(f, 04666)));
		EXPECT_EQ(EPERM, AS_USER(ERR(link(vf, vl))));
		ASSERT_EQ(0, ERR(chmod(f, 0666)));
		EXPECT_EQ(0, AS_USER(ERR(link(vf, vl)) ?: ERR(unlink(vl))));
		ASSERT_EQ(0, ERR(chmod(f, 02676)));
		EXPECT_EQ(EPERM, AS_USER(ERR(link(vf, vl))));
		ASSERT_EQ(0, ERR(chown(f, USER, 0)));
		EXPECT_EQ(0, AS_USER(ERR(link(vf, vl)) ?: ERR(unlink(vl))));
		ASSERT_EQ(0, ERR(chmod(f, 0600)));
		EXPECT_EQ(0, AS_USER(ERR(link(vf, vl)) ?: ERR(unlink(vl))));
		ASSERT_EQ(0, ERR(chown(f, 0, 0)));
		EXPECT_EQ(EPERM, AS_USER(ERR(link(vf, vl))));

		/* Opening what somebody else put there, and following it. */
		ASSERT_EQ(0, ERR(chmod(d, 01777)));
		ASSERT_EQ(0, ERR(chmod(f, 0666)));
		EXPECT_EQ(0, AS_USER(err_open(vf, O_RDWR | O_CREAT)));
		ASSERT_EQ(0, ERR(chown(f, OTHER, 0)));
		EXPECT_EQ(EACCES, AS_USER(err_open(vf, O_RDWR | O_CREAT)));
		EXPECT_EQ(0, AS_USER(err_open(vs, O_RDWR)));
		ASSERT_EQ(0, ERR(lchown(s, OTHER, 0)));
		EXPECT_EQ(EACCES, AS_USER(err_open(vs, O_RDWR)));
		ASSERT_EQ(0, ERR(lchown(s, USER, 0)));
		EXPECT_EQ(0, AS_USER(err_open(vs, O_RDWR)));
		ASSERT_EQ(0, ERR(lchown(s, 0, 0)));
		ASSERT_EQ(0, ERR(chown(f, USER, 0)));
		EXPECT_EQ(0, AS_USER(err_open(vf, O_RDWR | O_CREAT)));

		/* And who may remove and rename it. */
		ASSERT_EQ(0, ERR(chown(f, 0, 0)));
		EXPECT_EQ(EPERM, AS_USER(ERR(rename(vf, vl))));
		EXPECT_EQ(EPERM, AS_USER(ERR(unlink(vf))));
		ASSERT_EQ(0, ERR(chown(f, USER, 0)));
		EXPECT_EQ(0, AS_USER(ERR(rename(vf, vl)) ?: ERR(rename(vl, vf))));
		ASSERT_EQ(0, ERR(chown(f, 0, 0)));
		EXPECT_EQ(EPERM, AS_USER(ERR(unlink(vf))));
		ASSERT_EQ(0, ERR(chown(f, USER, 0)));
		EXPECT_EQ(0, AS_USER(ERR(unlink(vf))));
		ASSERT_EQ(0, put(f, ""));
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(0, write_text(path("/proc/sys/fs/%s", names[i]),
					was[i]));
}

TEST_F(late, LB4_TR9_owner_at_the_end_of_a_path)
{
	owner_at_the_end(_metadata, &self->p, 0);
}

TEST_F(late, MG3_TR9_owner_at_the_end_of_a_path)
{
	owner_at_the_end(_metadata, &self->p, BINDLINK_FLAG_MERGED);
}

TEST_F(late, LB4_mounts_below)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->b), *vd = path("%s/d", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(path("%s/under", d), "under"));
	warm(p->v);
	EXPECT_STREQ("under", names(vd));
	ASSERT_EQ(0, ERR(mount("tmpfs", d, "tmpfs", 0, "mode=711")));
	ASSERT_EQ(0, put(path("%s/over", d), "over"));
	EXPECT_STREQ("over", names(vd));
	EXPECT_STREQ("over", get(path("%s/over", vd)));
	EXPECT_STREQ("!ENOENT", get(path("%s/under", vd)));
	EXPECT_STREQ(facts(d), facts(vd));
	ASSERT_EQ(0, put(path("%s/new", vd), "new"));
	EXPECT_STREQ("new", get(path("%s/new", d)));
	ASSERT_EQ(0, ERR(umount2(d, 0)));
	EXPECT_STREQ("under", names(vd));
	EXPECT_STREQ("under", get(path("%s/under", vd)));
	EXPECT_STREQ("!ENOENT", get(path("%s/over", vd)));
}

TEST_F(late, LB4_mount_upon_a_file_below)
{
	struct place *p = &self->p;
	const char *f = path("%s/f", p->b), *vf = path("%s/f", p->v);
	const char *over = path("%s/over", p->back);

	DIR_LINK(p);
	ASSERT_EQ(0, put(f, "under"));
	ASSERT_EQ(0, put(over, "over"));
	EXPECT_STREQ("under", get(vf));
	ASSERT_EQ(0, ERR(mount(over, f, NULL, MS_BIND, NULL)));
	EXPECT_STREQ("over", get(vf));
	EXPECT_STREQ(facts(f), facts(vf));
	ASSERT_EQ(0, ERR(umount2(f, 0)));
	EXPECT_STREQ("under", get(vf));
}

TEST_F(late, LB4_mounts_at_and_above_backing)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back);
	const char *b = path("%s/b", up), *x = path("%s/x", p->v);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", b), "under"));
	ASSERT_EQ(0, link_make(p->v, b));
	EXPECT_STREQ("under", get(x));
	warm(p->v);
	ASSERT_EQ(0, ERR(mount("tmpfs", b, "tmpfs", 0, NULL)));
	EXPECT_STREQ("!ENOENT", get(x));
	ASSERT_EQ(0, put(path("%s/x", b), "over"));
	EXPECT_STREQ("over", get(x));
	EXPECT_TRUE(same_inode(p->v, b));
	ASSERT_EQ(0, ERR(umount2(b, 0)))
		TH_LOG("%s", strerror(errno));
	EXPECT_STREQ("under", get(x));

	warm(p->v);
	ASSERT_EQ(0, ERR(mount("tmpfs", up, "tmpfs", 0, NULL)));
	ABSENT(p->v);
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", b), "in the new one"));
	EXPECT_STREQ("in the new one", get(x));
	ASSERT_EQ(0, ERR(umount2(up, 0)))
		TH_LOG("%s", strerror(errno));
	EXPECT_STREQ("under", get(x));
}

TEST_F(late, LB5_an_open_file_goes_on)
{
	struct place *p = &self->p;
	struct stat st;
	char buf[32] = "";
	char *map;
	int fd, old;

	FILE_LINK(p, "first");
	fd = open(p->v, O_RDWR);
	ASSERT_LE(0, fd);
	old = open(p->b, O_RDWR);
	ASSERT_LE(0, old);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, put(path("%s/tmp", p->back), "second"));
	ASSERT_EQ(0, ERR(rename(path("%s/tmp", p->back), p->b)));
	EXPECT_STREQ("second", get(p->v));
	EXPECT_EQ(5, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("first", buf);
	EXPECT_EQ(0, memcmp(map, "first", 5));
	EXPECT_EQ(5, pwrite(fd, "FIRST", 5, 0));
	map[0] = 'f';
	memset(buf, 0, sizeof(buf));
	EXPECT_EQ(5, pread(old, buf, sizeof(buf), 0));
	EXPECT_STREQ("fIRST", buf);
	EXPECT_STREQ("second", get(p->v));
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(0, ERR(fsync(fd)));
	EXPECT_EQ(0, ERR(ftruncate(fd, 2)));
	EXPECT_EQ(0, ERR(fstat(old, &st)));
	EXPECT_EQ(2, st.st_size);

	ASSERT_EQ(0, ERR(unlink(p->b)));
	EXPECT_EQ(2, pread(fd, buf, sizeof(buf), 0));
	munmap(map, 4096);
	close(fd);
	close(old);
}

/*
 * What was opened and closed is not kept: neither what it takes up once it is
 * deleted and the next one looks, nor what it was for whoever opens it then.
 */
TEST_F(late, LB1_LB5_a_file_that_was_opened_is_let_go)
{
	struct place *p = &self->p;
	const char *next = path("%s.next", p->b);
	struct stat first, second, st;
	unsigned int i, tries;
	int64_t before;
	int fd, again;

	FILE_LINK(p, "first");
	for (i = 0; i < 3; i++) {
		fd = open(p->v, O_RDWR);
		again = open(p->v, O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_LE(0, again);
		ASSERT_EQ(0, ERR(fstat(fd, &first)));
		ASSERT_EQ(0, ERR(fstat(again, &st)));
		EXPECT_EQ(first.st_ino, st.st_ino);
		close(again);
		/* Another one by that name, and both are themselves. */
		ASSERT_EQ(0, put(next, "next"));
		ASSERT_EQ(0, ERR(chmod(next, 0600 + i)));
		ASSERT_EQ(0, ERR(rename(next, p->b)));
		again = open(p->v, O_RDWR);
		ASSERT_LE(0, again);
		ASSERT_EQ(0, ERR(stat(p->b, &second)));
		ASSERT_EQ(0, ERR(fstat(again, &st)));
		EXPECT_EQ(second.st_ino, st.st_ino);
		EXPECT_EQ(0100600 + i, st.st_mode);
		EXPECT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(first.st_ino, st.st_ino);
		EXPECT_EQ(first.st_mode, st.st_mode);
		EXPECT_EQ(0, st.st_nlink);
		EXPECT_EQ(0, ERR(fchmod(fd, 0640)));
		EXPECT_EQ(0, ERR(stat(p->b, &st)));
		EXPECT_EQ(0100600 + i, st.st_mode);
		close(again);
		close(fd);
		ASSERT_EQ(0, ERR(chmod(p->b, 0644)));
	}
	/* Deleted, with 8 MiB in it. */
	before = free_kib(p->back);
	for (i = 0; i < 3; i++) {
		fd = open(p->v, O_RDWR);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, posix_fallocate(fd, 0, 8 << 20));
		close(fd);
		EXPECT_GT(before - 8000, free_kib(p->back));
		ASSERT_EQ(0, ERR(unlink(p->b)));
		EXPECT_EQ(ENOENT, i == 1 ? err_open(p->v, O_RDONLY) :
					   ERR(access(p->v, F_OK)));
		/* Some filesystems free it a moment later. */
		for (tries = 0; tries < 200 &&
		     free_kib(p->back) <= before - 4000; tries++)
			usleep(10000);
		EXPECT_LT(before - 4000, free_kib(p->back));
		ASSERT_EQ(0, put(p->b, "again"));
		EXPECT_STREQ("again", get(p->v));
	}
}

TEST_F(late, LB5_an_open_directory_goes_on)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	struct dirent *d;
	int seen = 0;
	DIR *dir;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/first", p->b), ""));
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	ASSERT_EQ(0, put(path("%s/second", other), ""));
	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("second", names(p->v));
	while ((d = readdir(dir))) {
		seen += !strcmp(d->d_name, "first");
		EXPECT_STRNE("second", d->d_name);
	}
	EXPECT_EQ(1, seen);
	closedir(dir);
}

TEST_F(late, LB5_a_working_directory_below_goes_on)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->b), *away = path("%s/away", p->back);

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(path("%s/x", d), "x"));
	ASSERT_EQ(0, ERR(chdir(path("%s/d", p->v))));
	EXPECT_STREQ("x", get("x"));
	ASSERT_EQ(0, ERR(rename(d, away)));
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(path("%s/x", d), "another"));
	EXPECT_STREQ("another", get(path("%s/d/x", p->v)));
	/* As on any filesystem, one stays in the directory one went to. */
	EXPECT_STREQ("x", get("x"));
	ASSERT_EQ(0, put(path("%s/y", away), "y"));
	EXPECT_STREQ("y", get("y"));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_HARNESS_MAIN
