// SPDX-License-Identifier: GPL-2.0
/*
 * Acting on the name of a link that its parent carries: it acts on the backing
 * path, and the link stays.
 */
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES_CROSS(act);

/* How V comes to be carried by its parent. */
enum way {
	NOTHING_THERE,		/* anchorless */
	FORCED,			/* something of the same kind is hidden */
	UNLIKE,			/* something of another kind is hidden */
	INSIDE,			/* in a directory that is a link itself */
	WAYS,
};

static const char *const way_names[] = {
	"nothing there", "attach parent", "unlike kinds", "inside a link",
};

struct act {
	const char *par;	/* parent of V */
	const char *v;
	const char *w;		/* a second link beside V, or NULL */
	const char *sib;	/* a name for a sibling, made by nobody yet */
	const char *b, *c;	/* backings of V and W */
	bool same;		/* siblings and B are on one filesystem */
};

/* B is made as a @kind with "backing" in it, and the link to it. */
static int set_up(struct act *a, const struct place *p, enum way way, char kind)
{
	const char *over = path("%s/over%d", p->top, way);
	int err;

	a->par = path("%s/par%d", p->top, way);
	a->v = path("%s/v", a->par);
	a->w = path("%s/w", a->par);
	a->sib = path("%s/sib", a->par);
	a->b = path("%s/b%d", p->back, way);
	a->c = path("%s/c%d", p->back, way);
	a->same = way == INSIDE || !strcmp(p->top, p->back);
	err = ERR(mkdir(a->par, 0755)) ?: -make_kind(a->b, kind, "backing") ?:
	      -make_kind(a->c, kind, "second");
	if (err)
		return err;
	switch (way) {
	case FORCED:
		err = -make_kind(a->v, kind, "original");
		break;
	case UNLIKE:
		err = -make_kind(a->v, kind == 'd' ? 'f' : 'd', "original");
		break;
	case INSIDE:
		over = path("%s/inside%d", p->back, way);
		err = ERR(mkdir(over, 0755)) ?: -link_make(a->par, over);
		break;
	default:
		break;
	}
	err = err ?: -link_attach(a->v, a->b, BINDLINK_ATTACH_PARENT) ?:
	      -link_attach(a->w, a->c, BINDLINK_ATTACH_PARENT);
	if (err)
		fprintf(stderr, "# %s: %s\n", way_names[way], link_why());
	return err;
}

/* The link is listed still, and the hidden original is what it was. */
static const char *check(struct act *a, const struct place *p, enum way way,
			 char kind)
{
	const char *was = NULL;
	bool is_dir = kind == 'd';

	(void)p;
	if (strcmp(link_listed(a->v), a->b))
		return path("the link to %s is gone: %s", a->b,
			    link_listed(a->v));
	if (link_drop(a->w) || link_drop(a->v))
		return path("%s", link_why());
	if (way == UNLIKE)
		is_dir = !is_dir;
	if (way == FORCED || way == UNLIKE)
		was = get(is_dir ? path("%s/in", a->v) : a->v);
	if (was && strcmp(was, "original"))
		return path("the original is %s", was);
	if (!was && strcmp(facts(a->v), "!ENOENT"))
		return "something was made at V";
	return NULL;
}

#define FOR_EACH_WAY(kind)						\
	struct place *p = &self->p;					\
	struct act a;							\
	int way;							\
									\
	for (way = 0; way < WAYS; way++, ({				\
		const char *__no = check(&a, p, way - 1, (kind));	\
									\
		EXPECT_EQ(NULL, __no)					\
			TH_LOG("%s: %s", way_names[way - 1], __no); 	\
	}))								\
		if (set_up(&a, p, way, (kind))) {			\
			ASSERT_TRUE(false)				\
				TH_LOG("%s", way_names[way]);		\
		} else

/* Says which way it was. */
#define WAY()	TH_LOG("%s", way_names[way])

TEST_F(act, WR1_unlink)
{
	FOR_EACH_WAY('f') {
		struct stat st;
		char buf[16] = "";
		int fd;

		EXPECT_STREQ("backing", get(a.v));
		EXPECT_STREQ("v w", names(a.par));
		fd = open(a.v, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, ERR(unlink(a.v)))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.b));
		EXPECT_EQ(ENOENT, ERR(lstat(a.v, &st)))
			WAY();
		EXPECT_EQ(ENOENT, ERR(unlink(a.v)));
		EXPECT_EQ(ENOENT, err_open(a.v, O_RDWR));
		EXPECT_STREQ("w", names(a.par))
			WAY();
		EXPECT_STREQ(a.b, link_listed(a.v));
		/* What was open goes on, without a name. */
		EXPECT_EQ(7, pread(fd, buf, sizeof(buf), 0));
		EXPECT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(0, st.st_nlink);
		close(fd);
		ASSERT_EQ(0, put(a.b, "again"));
		EXPECT_STREQ("again", get(a.v))
			WAY();
		EXPECT_STREQ("v w", names(a.par));
		/* And by unlinkat, and rm. */
		EXPECT_EQ(0, run("rm", a.v, NULL));
		EXPECT_STREQ("!ENOENT", facts(a.b));
		EXPECT_STREQ("second", get(a.w));
	}
}

TEST_F(act, WR1_WR4_the_wrong_one_of_unlink_and_rmdir)
{
	FOR_EACH_WAY('f') {
		EXPECT_EQ(ENOTDIR, ERR(rmdir(a.v)))
			WAY();
		ASSERT_EQ(0, ERR(unlink(a.b)));
		ASSERT_EQ(0, ERR(mkdir(a.b, 0755)));
		EXPECT_EQ(EISDIR, ERR(unlink(a.v)))
			WAY();
		EXPECT_EQ(0, ERR(rmdir(a.v)))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.b));
		EXPECT_EQ(ENOENT, ERR(rmdir(a.v)));
	}
}

TEST_F(act, WR2_create)
{
	FOR_EACH_WAY('f') {
		struct stat st;
		int fd;

		/* Not while there is one. */
		EXPECT_EQ(EEXIST, err_open(a.v, O_CREAT | O_EXCL | O_WRONLY));
		EXPECT_EQ(EEXIST, ERR(mkdir(a.v, 0755)));
		EXPECT_EQ(EEXIST, ERR(mknod(a.v, S_IFIFO | 0600, 0)));
		EXPECT_EQ(EEXIST, ERR(symlink("x", a.v)));
		ASSERT_EQ(0, ERR(unlink(a.b)));
		/* Each way to make a name. */
		fd = open(a.v, O_CREAT | O_EXCL | O_RDWR, 0640);
		ASSERT_LE(0, fd)
			WAY();
		EXPECT_EQ(4, write(fd, "made", 4));
		close(fd);
		EXPECT_STREQ("made", get(a.b))
			WAY();
		EXPECT_STREQ("made", get(a.v));
		ASSERT_EQ(0, ERR(stat(a.b, &st)));
		EXPECT_EQ(0640, st.st_mode & 07777);
		EXPECT_STREQ("v w", names(a.par));
		ASSERT_EQ(0, ERR(unlink(a.v)));

		EXPECT_EQ(0, put(a.v, "without O_EXCL"))
			WAY();
		EXPECT_STREQ("without O_EXCL", get(a.b));
		ASSERT_EQ(0, ERR(unlink(a.b)));

		EXPECT_EQ(0, ERR(mkdir(a.v, 0711)))
			WAY();
		ASSERT_EQ(0, ERR(stat(a.b, &st)));
		EXPECT_EQ(S_IFDIR | 0711, st.st_mode);
		EXPECT_EQ(0, put(path("%s/in", a.v), "in"));
		EXPECT_STREQ("in", get(path("%s/in", a.b)));
		ASSERT_EQ(0, rm_rf(a.b));
		EXPECT_STREQ("!ENOENT", facts(a.v));

		EXPECT_EQ(0, ERR(mkfifo(a.v, 0622)))
			WAY();
		EXPECT_STREQ(facts(a.b), facts(a.v));
		ASSERT_EQ(0, ERR(stat(a.b, &st)));
		EXPECT_TRUE(S_ISFIFO(st.st_mode));
		ASSERT_EQ(0, ERR(unlink(a.v)));

		EXPECT_EQ(0, ERR(mknod(a.v, S_IFCHR | 0666, makedev(1, 3))));
		EXPECT_EQ(0, put(a.b, "into the void"));
		EXPECT_STREQ("", get(a.v));
		ASSERT_EQ(0, ERR(unlink(a.v)));

		/* B is a symlink then, and is followed as ever. */
		ASSERT_EQ(0, put(path("%s.real", a.b), "real"));
		EXPECT_EQ(0, ERR(symlink(strrchr(path("%s.real", a.b), '/') + 1,
					 a.v)))
			WAY();
		EXPECT_STREQ(strrchr(path("%s.real", a.b), '/') + 1,
			     get_link(a.b));
		EXPECT_STREQ("real", get(a.v))
			WAY();
		ASSERT_EQ(0, ERR(unlink(a.b)));
		EXPECT_STREQ("!ENOENT", facts(a.v));
		EXPECT_STREQ("real", get(path("%s.real", a.b)));
	}
}

TEST_F(act, WR2_link_and_temporary_file)
{
	FOR_EACH_WAY('f') {
		int fd;

		ASSERT_EQ(0, put(a.sib, "sibling"));
		EXPECT_EQ(EEXIST, ERR(link(a.sib, a.v)))
			WAY();
		ASSERT_EQ(0, ERR(unlink(a.b)));
		EXPECT_EQ(a.same ? 0 : EXDEV, ERR(link(a.sib, a.v)))
			WAY();
		if (a.same) {
			EXPECT_TRUE(same_inode(a.sib, a.b))
				WAY();
			EXPECT_TRUE(same_inode(a.sib, a.v));
			EXPECT_STREQ("sibling", get(a.v));
			/* The other way. */
			EXPECT_EQ(0, ERR(link(a.v, path("%s2", a.sib))));
			EXPECT_TRUE(same_inode(a.b, path("%s2", a.sib)));
			ASSERT_EQ(0, ERR(unlink(a.v)));
			EXPECT_STREQ("sib sib2 w", names(a.par))
				WAY();
		} else {
			EXPECT_STREQ("!ENOENT", facts(a.b));
		}
		fd = open(a.par, O_TMPFILE | O_RDWR, 0644);
		ASSERT_LE(0, fd)
			WAY();
		ASSERT_EQ(4, write(fd, "temp", 4));
		EXPECT_EQ(a.same ? 0 : EXDEV,
			  ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				     AT_FDCWD, a.v, AT_SYMLINK_FOLLOW)))
			WAY();
		close(fd);
		if (a.same) {
			EXPECT_STREQ("temp", get(a.v));
			EXPECT_STREQ("temp", get(a.b));
		}
		/* One link's file as a hard link at the other's. */
		ASSERT_EQ(0, rm_rf(a.b));
		EXPECT_EQ(0, ERR(link(a.w, a.v)))
			WAY();
		EXPECT_TRUE(same_inode(a.c, a.b));
	}
}

/* Nothing can be made where B's parent is missing, and nothing is. */
TEST_F(act, WR2_no_parent_of_backing)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back), *b = path("%s/b", up);
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *sib = path("%s/sib", par);

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	ASSERT_EQ(0, put(b, "backing"));
	ASSERT_EQ(0, put(sib, "sibling"));
	ASSERT_EQ(0, link_make(v, b));
	ASSERT_EQ(0, rm_rf(up));
	EXPECT_EQ(ENOENT, err_open(v, O_CREAT | O_WRONLY));
	EXPECT_EQ(ENOENT, ERR(mkdir(v, 0755)));
	EXPECT_EQ(ENOENT, ERR(mkfifo(v, 0644)));
	EXPECT_EQ(ENOENT, ERR(symlink("x", v)));
	EXPECT_NE(0, ERR(link(sib, v)));
	EXPECT_NE(0, ERR(rename(sib, v)));
	EXPECT_STREQ("sibling", get(sib));
	EXPECT_STREQ("sib", names(par));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	EXPECT_EQ(0, put(v, "made"));
	EXPECT_STREQ("made", get(b));
	EXPECT_STREQ("sib v", names(par));
}

TEST_F(act, WR3_rename_over)
{
	FOR_EACH_WAY('f') {
		unsigned int i;
		int fd;
		char buf[16] = "";

		fd = open(a.v, O_RDONLY);
		ASSERT_LE(0, fd);
		for (i = 0; i < 5; i++) {
			ASSERT_EQ(0, put(a.sib, path("new %u", i)));
			ASSERT_EQ(0, ERR(chmod(a.sib, 0600)));
			EXPECT_EQ(a.same ? 0 : EXDEV, ERR(rename(a.sib, a.v)))
				WAY();
			if (!a.same) {
				EXPECT_STREQ("backing", get(a.v));
				EXPECT_STREQ(path("new %u", i), get(a.sib));
				ASSERT_EQ(0, ERR(unlink(a.sib)));
				continue;
			}
			EXPECT_STREQ(path("new %u", i), get(a.v))
				WAY();
			EXPECT_STREQ(path("new %u", i), get(a.b));
			EXPECT_STREQ(facts(a.b), facts(a.v));
			EXPECT_STREQ("v w", names(a.par));
			EXPECT_STREQ(a.b, link_listed(a.v));
		}
		EXPECT_EQ(7, pread(fd, buf, sizeof(buf), 0));
		EXPECT_STREQ("backing", buf);
		close(fd);
		/* Onto a missing one. */
		ASSERT_EQ(0, ERR(unlink(a.b)));
		ASSERT_EQ(0, put(a.sib, "moved"));
		EXPECT_EQ(a.same ? 0 : EXDEV, ERR(rename(a.sib, a.v)))
			WAY();
		if (a.same)
			EXPECT_STREQ("moved", get(a.b));
		/* Of one link over the other: on B's filesystem both. */
		ASSERT_EQ(0, put(a.b, "backing"));
		EXPECT_EQ(0, ERR(rename(a.w, a.v)))
			WAY();
		EXPECT_STREQ("second", get(a.v));
		EXPECT_STREQ("second", get(a.b));
		EXPECT_STREQ("!ENOENT", facts(a.w));
		EXPECT_STREQ("!ENOENT", facts(a.c));
		EXPECT_STREQ(a.c, link_listed(a.w));
		/* Over itself, nothing. */
		EXPECT_EQ(0, ERR(rename(a.v, a.v)));
		EXPECT_STREQ("second", get(a.v));
	}
}

TEST_F(act, WR3_sed_and_cp_and_mv)
{
	FOR_EACH_WAY('f') {
		ASSERT_EQ(0, put(a.v, "one\n"));
		if (a.same) {
			EXPECT_EQ(0, run("sed", "-i", "s/one/two/", a.v, NULL))
				WAY();
			EXPECT_STREQ("two\n", get(a.b))
				WAY();
			EXPECT_STREQ("two\n", get(a.v));
			EXPECT_STREQ("v w", names(a.par));
		}
		/* mv copies where it cannot rename. */
		ASSERT_EQ(0, put(a.sib, "three\n"));
		EXPECT_EQ(0, run("mv", "-f", a.sib, a.v, NULL))
			WAY();
		EXPECT_STREQ("three\n", get(a.b))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.sib));
		ASSERT_EQ(0, put(a.sib, "four\n"));
		EXPECT_EQ(0, run("cp", a.sib, a.v, NULL));
		EXPECT_STREQ("four\n", get(a.b));
		EXPECT_EQ(0, run("cp", "--remove-destination", a.sib, a.v,
				 NULL));
		EXPECT_STREQ("four\n", get(a.b));
		EXPECT_EQ(0, run("sh", "-c", path("echo five >'%s'", a.v),
				 NULL));
		EXPECT_STREQ("five\n", get(a.b));
	}
}

/* As other editors do it: the old one is renamed away and a new one made. */
TEST_F(act, WR3_WR4_backup_and_create)
{
	FOR_EACH_WAY('f') {
		const char *backup = path("%s~", a.v);

		EXPECT_EQ(a.same ? 0 : EXDEV, ERR(rename(a.v, backup)))
			WAY();
		if (!a.same) {
			EXPECT_STREQ("backing", get(a.v));
			EXPECT_STREQ("!ENOENT", facts(backup));
			continue;
		}
		EXPECT_STREQ("backing", get(backup))
			WAY();
		EXPECT_STREQ("!ENOENT", get(a.v))
			WAY();
		EXPECT_STREQ("!ENOENT", get(a.b));
		EXPECT_STREQ("v~ w", names(a.par));
		EXPECT_EQ(0, put(a.v, "new"))
			WAY();
		EXPECT_STREQ("new", get(a.b));
		EXPECT_STREQ("v v~ w", names(a.par));
		EXPECT_EQ(0, ERR(unlink(backup)));
		EXPECT_STREQ("new", get(a.v));
	}
}

TEST_F(act, WR3_flags_of_rename)
{
	FOR_EACH_WAY('f') {
		int err;

		ASSERT_EQ(0, put(a.sib, "sibling"));
		err = ERR(renameat2(AT_FDCWD, a.sib, AT_FDCWD, a.v,
				    RENAME_NOREPLACE));
		EXPECT_TRUE(err == EEXIST || (!a.same && err == EXDEV))
			TH_LOG("%s: %s", way_names[way], strerror(err));
		EXPECT_STREQ("backing", get(a.v));
		EXPECT_STREQ("sibling", get(a.sib));
		err = ERR(renameat2(AT_FDCWD, a.sib, AT_FDCWD, a.v,
				    RENAME_EXCHANGE));
		EXPECT_EQ(a.same ? 0 : EXDEV, err)
			WAY();
		if (a.same) {
			EXPECT_STREQ("sibling", get(a.v))
				WAY();
			EXPECT_STREQ("sibling", get(a.b));
			EXPECT_STREQ("backing", get(a.sib));
			EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, a.v, AT_FDCWD,
						   a.sib, RENAME_EXCHANGE)));
		}
		EXPECT_STREQ("backing", get(a.v));
		/* Two links change what is at their backing paths. */
		EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, a.w, AT_FDCWD, a.v,
					   RENAME_EXCHANGE)))
			WAY();
		EXPECT_STREQ("second", get(a.v));
		EXPECT_STREQ("second", get(a.b));
		EXPECT_STREQ("backing", get(a.w));
		EXPECT_STREQ(a.b, link_listed(a.v));
		EXPECT_STREQ(a.c, link_listed(a.w));
		/* Onto a missing one. */
		ASSERT_EQ(0, ERR(unlink(a.b)));
		err = ERR(renameat2(AT_FDCWD, a.sib, AT_FDCWD, a.v,
				    RENAME_EXCHANGE));
		EXPECT_TRUE(err == ENOENT || (!a.same && err == EXDEV))
			TH_LOG("%s: %s", way_names[way], strerror(err));
		err = ERR(renameat2(AT_FDCWD, a.sib, AT_FDCWD, a.v,
				    RENAME_NOREPLACE));
		EXPECT_EQ(a.same ? 0 : EXDEV, err)
			WAY();
		if (a.same)
			EXPECT_STREQ("sibling", get(a.b));
	}
}

TEST_F(act, WR4_rmdir)
{
	FOR_EACH_WAY('d') {
		EXPECT_STREQ("in", names(a.v));
		EXPECT_EQ(ENOTEMPTY, ERR(rmdir(a.v)))
			WAY();
		EXPECT_STREQ("backing", get(path("%s/in", a.v)));
		ASSERT_EQ(0, ERR(unlink(path("%s/in", a.v))));
		EXPECT_EQ(0, ERR(rmdir(a.v)))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.b));
		EXPECT_STREQ("!ENOENT", facts(a.v))
			WAY();
		EXPECT_STREQ("w", names(a.par));
		EXPECT_EQ(ENOENT, ERR(rmdir(a.v)));
		EXPECT_STREQ(a.b, link_listed(a.v));
		EXPECT_EQ(0, ERR(mkdir(a.v, 0755)))
			WAY();
		EXPECT_EQ(0, put(path("%s/x", a.v), "x"));
		EXPECT_STREQ("x", get(path("%s/x", a.b)));
		EXPECT_EQ(0, run("rm", "-r", a.v, NULL))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.b));
		ASSERT_EQ(0, make_kind(a.b, 'd', "again"));
		EXPECT_STREQ("again", get(path("%s/in", a.v)));
	}
}

TEST_F(act, WR4_rename_of_a_directory)
{
	FOR_EACH_WAY('d') {
		ino_t ino = ino_of(a.b);
		int err;

		EXPECT_EQ(a.same ? 0 : EXDEV, ERR(rename(a.v, a.sib)))
			WAY();
		if (!a.same) {
			EXPECT_STREQ("backing", get(path("%s/in", a.v)));
			EXPECT_STREQ("v w", names(a.par));
			continue;
		}
		EXPECT_EQ(ino, ino_of(a.sib))
			WAY();
		EXPECT_STREQ("backing", get(path("%s/in", a.sib)));
		EXPECT_STREQ("!ENOENT", facts(a.b));
		EXPECT_STREQ("!ENOENT", facts(a.v))
			WAY();
		EXPECT_STREQ("sib w", names(a.par));
		/* Back again, over a missing one and over an empty one. */
		EXPECT_EQ(0, ERR(rename(a.sib, a.v)))
			WAY();
		EXPECT_EQ(ino, ino_of(a.b));
		EXPECT_EQ(ino, ino_of(a.v));
		ASSERT_EQ(0, ERR(mkdir(a.sib, 0755)));
		/* POSIX has two names for it, and XFS takes the other. */
		err = ERR(rename(a.sib, a.v));
		EXPECT_TRUE(err == ENOTEMPTY || err == EEXIST)
			TH_LOG("%s: %s", way_names[way], strerror(err));
		ASSERT_EQ(0, ERR(unlink(path("%s/in", a.v))));
		ino = ino_of(a.sib);
		EXPECT_EQ(0, ERR(rename(a.sib, a.v)))
			WAY();
		EXPECT_EQ(ino, ino_of(a.b));
		/* File and directory do not mix. */
		ASSERT_EQ(0, put(a.sib, "file"));
		EXPECT_EQ(EISDIR, ERR(rename(a.sib, a.v)))
			WAY();
		EXPECT_EQ(ENOTDIR, ERR(rename(a.v, a.sib)))
			WAY();
		/* A directory does not go into itself. */
		EXPECT_EQ(EINVAL, ERR(rename(a.v, path("%s/x", a.v))))
			WAY();
		EXPECT_STREQ("sib v w", names(a.par));
	}
}

TEST_F(act, WR4_from_and_to_below_the_link)
{
	FOR_EACH_WAY('d') {
		const char *in = path("%s/in", a.v);
		const char *d = path("%s/d", a.v);

		/* Below V and beside it, where that is one filesystem. */
		EXPECT_EQ(a.same ? 0 : EXDEV, ERR(rename(in, a.sib)))
			WAY();
		if (a.same) {
			EXPECT_STREQ("backing", get(a.sib));
			EXPECT_EQ(0, ERR(rename(a.sib, in)));
			EXPECT_STREQ("backing", get(path("%s/in", a.b)));
		}
		/* From below one link to below the other. */
		EXPECT_EQ(0, ERR(rename(in, path("%s/moved", a.w))))
			WAY();
		EXPECT_STREQ("backing", get(path("%s/moved", a.c)));
		EXPECT_EQ(0, ERR(link(path("%s/moved", a.w), in)))
			WAY();
		EXPECT_TRUE(same_inode(path("%s/in", a.b),
				       path("%s/moved", a.c)));
		/* The other link itself, into this one. */
		EXPECT_EQ(0, ERR(rename(a.w, d)))
			WAY();
		EXPECT_STREQ("!ENOENT", facts(a.w));
		EXPECT_STREQ("in moved", names(path("%s/d", a.b)));
		EXPECT_EQ(0, ERR(rename(d, a.w)))
			WAY();
		EXPECT_STREQ("in moved", names(a.c));
	}
}

/* Whether one may is decided where it happens: in the directory of B. */
TEST_F(act, TR9_WR1_permission_of_the_directory_of_backing)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back), *b = path("%s/b", up);
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *w = path("%s/w", par), *c = path("%s/c", up);
	const char *sib = path("%s/sib", par);
	char *before;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(par, 0777)));
	ASSERT_EQ(0, ERR(chmod(par, 0777)));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	ASSERT_EQ(0, put(b, "backing"));
	ASSERT_EQ(0, ERR(chmod(b, 0666)));
	ASSERT_EQ(0, put(c, "second"));
	ASSERT_EQ(0, link_make(v, b));
	ASSERT_EQ(0, link_make(w, c));
	ASSERT_EQ(0, ERR(unlink(c)));
	before = tree(up, true);
	pid = fork_user(USER);
	if (!pid) {
		bool same = !strcmp(p->top, p->back);
		int err;

		if (put(v, "written") || put(sib, "sibling"))
			_exit(1);
		if (ERR(unlink(v)) != EACCES)
			_exit(2);
		err = ERR(rename(sib, v));
		if (err != EACCES && (same || err != EXDEV))
			_exit(3);
		err = ERR(rename(v, path("%s/x", par)));
		if (err != EACCES && (same || err != EXDEV))
			_exit(4);
		if (err_open(w, O_CREAT | O_WRONLY) != EACCES)
			_exit(5);
		if (ERR(mkdir(w, 0755)) != EACCES)
			_exit(6);
		if (ERR(symlink("x", w)) != EACCES)
			_exit(7);
		if (ERR(mkfifo(w, 0600)) != EACCES)
			_exit(8);
		err = ERR(link(v, w));
		if (err != EACCES && err != EPERM)
			_exit(9);
		if (ERR(rename(v, w)) != EACCES)
			_exit(10);
		if (ERR(renameat2(AT_FDCWD, sib, AT_FDCWD, v,
				  RENAME_EXCHANGE)) == 0)
			_exit(11);
		if (strcmp("sib v", names(par)) || unlink(sib))
			_exit(12);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("written", get(b));
	ASSERT_EQ(0, put(b, "backing"));
	{
		char *after = tree(up, true);

		EXPECT_STREQ(before, after);
		free(after);
	}
	free(before);
	/* A sticky directory of B's protects B's owner. */
	ASSERT_EQ(0, ERR(chmod(up, 01777)));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(unlink(v)) != EPERM);
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("backing", get(b));
	/* And where one may, one may. */
	ASSERT_EQ(0, ERR(chmod(up, 0777)));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(unlink(v)) ?: -put(v, "mine") ?: -put(w, "mine too"));
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("mine", get(b));
	EXPECT_STREQ("mine too", get(c));
}

/* B's filesystem says no; the tree must not say anything else. */
TEST_F(act, TR10_WR2_a_read_only_mount_of_backing)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back), *b = path("%s/b", up);
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *sib = path("%s/sib", par);

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	ASSERT_EQ(0, put(b, "backing"));
	ASSERT_EQ(0, put(sib, "sibling"));
	ASSERT_EQ(0, ERR(mount(up, up, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, up, NULL, MS_REMOUNT | MS_BIND |
			       MS_RDONLY, NULL)));
	ASSERT_EQ(0, link_make(v, b));
	EXPECT_EQ(EROFS, err_open(v, O_WRONLY));
	EXPECT_EQ(EROFS, ERR(unlink(v)));
	EXPECT_NE(0, ERR(rename(sib, v)));
	EXPECT_NE(0, ERR(rename(v, path("%s/x", par))));
	EXPECT_STREQ("backing", get(v));
	EXPECT_STREQ("sibling", get(sib));
	EXPECT_EQ(0, put(sib, "the sibling is writable"));
	ASSERT_EQ(0, ERR(umount2(up, 0)))
		TH_LOG("%s", strerror(errno));
	EXPECT_EQ(0, put(v, "written"));
	EXPECT_STREQ("written", get(b));
	EXPECT_EQ(0, ERR(unlink(v)));
}

/* Beside the first link, its way of being carried: the name is busy. */
TEST_F(act, WR1_WR3_WR4_carried_at_the_path)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top);
	bool dir;

	for (dir = false;; dir = true) {
		ASSERT_EQ(0, make_kind(p->v, dir ? 'd' : 'f', "original"));
		ASSERT_EQ(0, make_kind(p->b, dir ? 'd' : 'f', "backing"));
		ASSERT_EQ(0, make_kind(w, dir ? 'd' : 'f', "w"));
		ASSERT_EQ(0, link_attach(p->v, p->b, BINDLINK_ATTACH_PATH));
		EXPECT_STREQ("path", link_carrier(p->v));
		EXPECT_EQ(EBUSY, ERR(dir ? rmdir(p->v) : unlink(p->v)));
		EXPECT_EQ(EBUSY, ERR(rename(p->v, path("%s/x", p->top))));
		EXPECT_EQ(EBUSY, ERR(rename(w, p->v)));
		EXPECT_EQ(EBUSY, ERR(renameat2(AT_FDCWD, w, AT_FDCWD, p->v,
					       RENAME_EXCHANGE)));
		EXPECT_STREQ("backing", get(dir ? path("%s/in", p->v) : p->v));
		ASSERT_EQ(0, link_drop(p->v));
		EXPECT_STREQ("original", get(dir ? path("%s/in", p->v) :
					     p->v));
		ASSERT_EQ(0, rm_rf(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, rm_rf(w));
		if (dir)
			break;
	}
}

/* Two at once who make what is missing: one makes it, the other hears so. */
TEST_F(act, WR2_one_makes_it)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	unsigned int i, n = scaled(100) + 5, direct;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, put(p->b, "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	for (i = 0; i < n; i++) {
		int go[2], made = 0;
		pid_t pids[2];

		ASSERT_EQ(0, ERR(unlink(v)));
		ASSERT_EQ(0, ERR(pipe2(go, O_CLOEXEC)));
		for (direct = 0; direct < 2; direct++) {
			pids[direct] = fork();
			if (!pids[direct]) {
				char c;

				close(go[1]);
				if (read(go[0], &c, 1))
					_exit(200);
				_exit(err_open(direct ? p->b : v, O_CREAT |
					       O_EXCL | O_WRONLY));
			}
		}
		close(go[0]);
		close(go[1]);
		for (direct = 0; direct < 2; direct++) {
			int err = reap(pids[direct]);

			EXPECT_TRUE(!err || err == EEXIST)
				TH_LOG("%s: %s", direct ? "B" : "V",
				       strerror(err));
			made += !err;
		}
		EXPECT_EQ(1, made);
		ASSERT_STREQ("", get(v));
	}
}

TEST_HARNESS_MAIN
