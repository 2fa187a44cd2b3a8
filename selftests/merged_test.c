// SPDX-License-Identifier: GPL-2.0
/*
 * Merged links (MG): the backing directory over the original one, name by name
 * and level by level. With read-only ones (RO4), exceptions (EX5), links in
 * links (NE6), chains (CH4, CH5) and what changes beneath (LB).
 *
 * What is expected is written as all that is at and below a directory: "d/" a
 * directory, "f=b" a file with what is in it, "l->t" a symlink. Each file that a
 * test lays out says of which layer it is: o the original, b the backing, and
 * c, d those of links further in.
 */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

#include <bindlink.h>

PLACES_CROSS(merged);

#define RO	BINDLINK_FLAG_READ_ONLY
#define MERGED	BINDLINK_FLAG_MERGED

/* What carries the link: V, its parent, or the tree of a link further up. */
enum { AT_PATH, AT_PARENT, INSIDE, WAYS };

static const char *const way_names[] = { "path", "parent", "inside a link" };

struct area {
	const char *par;	/* parent of V, which holds nothing else */
	const char *v;
	const char *side;	/* the original of the parent, directly */
	const char *o;		/* the original of V, directly */
	const char *up;		/* parent of B, which holds nothing else */
	const char *b;
	const char *c, *d;	/* for further links, not made */
	uint32_t attach;
};

static int set_up(struct area *a, const struct place *p, int way)
{
	static const uint32_t attach[] = {
		BINDLINK_ATTACH_PATH, BINDLINK_ATTACH_PARENT,
		BINDLINK_ATTACH_AUTO,
	};
	static unsigned int n;
	int err;

	n++;
	a->par = path("%s/par%u", p->top, n);
	a->v = path("%s/v", a->par);
	a->side = path("%s/side%u", p->top, n);
	a->o = path("%s/v", a->side);
	a->up = path("%s/up%u", p->back, n);
	a->b = path("%s/b", a->up);
	a->c = path("%s/c%u", p->back, n);
	a->d = path("%s/d%u", p->top, n);
	a->attach = attach[way];
	err = ERR(mkdir(a->par, 0755)) ?: ERR(mkdir(a->side, 0755)) ?:
	      ERR(mkdir(a->up, 0755)) ?: ERR(mkdir(a->b, 0755));
	if (err)
		return err;
	err = way == INSIDE ? -link_make(a->par, a->side) :
	      ERR(mount(a->par, a->side, NULL, MS_BIND, NULL)) ?:
	      ERR(mount(NULL, a->side, NULL, MS_PRIVATE, NULL));
	return err ?: ERR(mkdir(a->o, 0755));
}

static int merge(const struct area *a, uint32_t flags)
{
	return link_make_opts(a->v, a->b, MERGED | flags, a->attach, NULL, 0);
}

/* Where everything takes long, each test goes one way, and not all the same. */
static int ways_from(int line)
{
	return scaled(100) < 10 ? line % WAYS : 0;
}

static int ways_step(void)
{
	return scaled(100) < 10 ? WAYS : 1;
}

/* Each test in each way, with what is left of the links taken away. */
#define EACH_WAY							\
	struct place *p = &self->p;					\
	struct area a;							\
	int way;							\
									\
	for (way = ways_from(__LINE__); way < WAYS; ({			\
		EXPECT_EQ(0, link_clear(a.par))				\
			TH_LOG("%s: %s", way_names[way], link_why());	\
		EXPECT_EQ(0, mount_count(a.par, "bindlink"));		\
		way += ways_step();					\
	}))								\
		if (set_up(&a, p, way)) {				\
			ASSERT_TRUE(false)				\
				TH_LOG("%s: %s", way_names[way],	\
				       link_why());			\
		} else

#define WAY()	TH_LOG("%s", way_names[way])

#define V(name)	path("%s/%s", a.v, (name))
#define O(name)	path("%s/%s", a.o, (name))
#define B(name)	path("%s/%s", a.b, (name))
#define C(name)	path("%s/%s", a.c, (name))

#define MERGE(flags) do {						\
	ASSERT_EQ(0, merge(&a, (flags)))				\
		TH_LOG("%s: %s", way_names[way], link_why());		\
} while (0)

/* A call that works, or fails as it should. */
#define WORKS(call)	FAILS(0, call)
#define FAILS(err, call) do {						\
	EXPECT_STREQ(error_of(err), error_of(ERR(call)))		\
		WAY();							\
} while (0)

static const char *error_of(int err)
{
	return err ? strerrorname_np(err) ?: path("%d", err) : "no error";
}

/* What directories are made for is the rest of a name. */
static int make_parents(const char *at)
{
	char *copy = strdup(at), *slash;
	int err = 0;

	for (slash = strchr(copy + 1, '/'); !err && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = ERR(mkdir(copy, 0755));
		if (err == EEXIST)
			err = 0;
		*slash = '/';
	}
	free(copy);
	return err;
}

/*
 * Makes what is said, separated by spaces, with the directories that lead to
 * it: "d/", "l->target", and files, which have @label in them.
 */
static int lay(const char *dir, const char *label, const char *what)
{
	char *copy = strdup(what), *save = NULL, *one, *arrow;
	int err = make_parents(path("%s/", dir));

	for (one = strtok_r(copy, " ", &save); one && !err;
	     one = strtok_r(NULL, " ", &save)) {
		const char *at = path("%s/%s", dir, one);

		err = make_parents(at);
		arrow = strstr(one, "->");
		if (err || one[strlen(one) - 1] == '/')
			continue;
		if (arrow) {
			*arrow = '\0';
			err = ERR(symlink(arrow + 2, path("%s/%s", dir, one)));
		} else {
			err = -put(at, label);
		}
	}
	free(copy);
	return err;
}

#define LAY(orig, back) do {						\
	ASSERT_EQ(0, lay(a.o, "o", (orig)));				\
	ASSERT_EQ(0, lay(a.b, "b", (back)));				\
} while (0)

static void dump_dir(FILE *out, const char *dir, const char *prefix)
{
	const char *all = names(dir);
	char *copy = strdup(all), *save = NULL, *one;

	if (*all == '!') {
		fprintf(out, " %s%s", prefix, all);
		free(copy);
		return;
	}
	for (one = strtok_r(copy, " ", &save); one;
	     one = strtok_r(NULL, " ", &save)) {
		const char *at = path("%s/%s", dir, one);
		struct stat st;

		fprintf(out, " %s%s", prefix, one);
		if (lstat(at, &st)) {
			fprintf(out, "!%s", strerrorname_np(errno));
		} else if (S_ISDIR(st.st_mode)) {
			fprintf(out, "/");
			dump_dir(out, at, path("%s%s/", prefix, one));
		} else if (S_ISLNK(st.st_mode)) {
			fprintf(out, "->%s", get_link(at));
		} else if (S_ISREG(st.st_mode)) {
			fprintf(out, "=%s", get(at));
		} else {
			fprintf(out, "?");
		}
	}
	free(copy);
}

/* All below @dir, in the order of its names. */
static const char *dump(const char *dir)
{
	char *text = NULL;
	const char *result;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		abort();
	dump_dir(out, dir, "");
	fclose(out);
	result = path("%s", *text ? text + 1 : "");
	free(text);
	return result;
}

#define IS(what, dir) do {						\
	EXPECT_STREQ((what), dump(dir))					\
		WAY();							\
} while (0)
/* V, the original and B at once. */
#define ARE(virt, orig, back) do {					\
	IS((virt), a.v);						\
	IS((orig), a.o);						\
	IS((back), a.b);						\
} while (0)

/* Mode, owner, ACL and extended attributes, and nothing of what is in it. */
static const char *looks(const char *at)
{
	char *all = tree(at, false);

	all[strcspn(all, "\n")] = '\0';
	return all;
}

static unsigned int mode_of(const char *at)
{
	struct stat st;

	return lstat(at, &st) ? ~0u : st.st_mode & 07777;
}

static uid_t owner_of(const char *at)
{
	struct stat st;

	return lstat(at, &st) ? ~0u : st.st_uid;
}

static const char *attr(const char *file, const char *name)
{
	char buf[256];
	ssize_t n = lgetxattr(file, name, buf, sizeof(buf) - 1);

	if (n < 0)
		return path("!%s", strerrorname_np(errno));
	buf[n] = '\0';
	return path("%s", buf);
}

/* The names with the dots, read with a buffer of @room bytes, sorted. */
static int by_name(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static const char *names_by(const char *dir, size_t room)
{
	struct linux_dirent64 {
		uint64_t d_ino;
		int64_t d_off;
		unsigned short d_reclen;
		unsigned char d_type;
		char d_name[];
	} *e;
	char buf[4096] __attribute__((aligned(8)));
	char *all[512], text[16384] = "";
	long n, at, count = 0, i;
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return path("!%s", strerrorname_np(errno));
	while ((n = syscall(SYS_getdents64, fd, buf, room)) > 0)
		for (at = 0; at < n && count < 512; at += e->d_reclen) {
			e = (void *)(buf + at);
			all[count++] = strdup(e->d_name);
		}
	i = errno;
	close(fd);
	if (n < 0)
		return path("!%s", strerrorname_np(i));
	qsort(all, count, sizeof(*all), by_name);
	for (i = 0; i < count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, all[i]);
	}
	return path("%s", text);
}

/* Have the kernel forget names that are not in use. */
static void forget(void)
{
	if (put("/proc/sys/vm/drop_caches", "2"))
		abort();
}

/* Runs @call as @uid and says the errno that it gives. */
#define AS(uid, call) ({						\
	pid_t __pid = fork_user(uid);					\
									\
	if (!__pid)							\
		_exit(call);						\
	reap(__pid);							\
})

#define USER_FAILS(err, call) do {					\
	EXPECT_STREQ(error_of(err), error_of(AS(USER, ERR(call))))	\
		WAY();							\
} while (0)

static int move(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static int make_tmp(const char *dir, const char *as)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, "tmp", 3) != 3)
		err = EIO;
	if (!err && as)
		err = ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				 AT_FDCWD, as, AT_SYMLINK_FOLLOW));
	close(fd);
	return err;
}

TEST_F(merged, CR7_what_may_be_merged)
{
	static const char others[] = "flpcs";
	struct place *p = &self->p;
	const char *dir = path("%s/dir", p->back), *before;
	const char *except[] = { path("%s/x", p->v) };
	struct bindlink_link *link;
	struct bindlink *handle;
	uint32_t attach;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(dir, 0755)));
	before = state();
	for (attach = BINDLINK_ATTACH_AUTO; attach <= BINDLINK_ATTACH_PARENT;
	     attach++) {
		/* An original that is no directory, a symlink to one included. */
		for (i = 0; others[i]; i++) {
			ASSERT_EQ(0, others[i] == 'l' ?
				     ERR(symlink(dir, p->v)) :
				     make_kind(p->v, others[i], "o"));
			EXPECT_EQ(-ENOTDIR, link_make_opts(p->v, dir, MERGED,
							   attach, NULL, 0))
				TH_LOG("V is %c", others[i]);
			EXPECT_NE('\0', link_why()[0]);
			EXPECT_EQ(-ENOTDIR, link_make_opts(p->v, dir,
							   MERGED | RO, attach,
							   NULL, 0));
			ASSERT_EQ(0, ERR(unlink(p->v)));
		}
		/* A backing that is none, with an original and without. */
		for (i = 0; i < 2 * strlen(others); i++) {
			char kind = others[i / 2];

			if (i & 1)
				ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
			ASSERT_EQ(0, kind == 'l' ?
				     ERR(symlink("/dev/null", p->b)) :
				     make_kind(p->b, kind, "b"));
			EXPECT_EQ(-ENOTDIR, link_make_opts(p->v, p->b, MERGED,
							   attach, NULL, 0))
				TH_LOG("B is %c", kind);
			EXPECT_NE('\0', link_why()[0]);
			ASSERT_EQ(0, ERR(unlink(p->b)));
			EXPECT_EQ(-ENOENT, link_make_opts(p->v, p->b, MERGED,
							  attach, NULL, 0));
			ASSERT_EQ(0, rm_rf(p->v));
		}
		EXPECT_EQ(-EINVAL, link_make_opts(p->v, dir, MERGED | 4, attach,
						  NULL, 0));
	}
	/* AN4 */
	EXPECT_EQ(-EINVAL, link_make_opts(p->v, dir, MERGED, 0, except, 1));
	EXPECT_STREQ(before, state());
	EXPECT_STREQ("!ENOENT", facts(p->v));

	/* A backing symlink is followed; the flags are told. */
	ASSERT_EQ(0, bindlink_open(&handle));
	ASSERT_EQ(0, ERR(symlink("dir", p->b)));
	for (i = 0; i < 2; i++) {
		uint32_t flags = i ? MERGED | RO : MERGED;

		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_make_flags(p->v, p->b, flags, NULL, 0))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("path", link_carrier(p->v));
		EXPECT_EQ(-EEXIST, link_make_flags(p->v, p->b, flags, NULL, 0));
		ASSERT_EQ(0, bindlink_get(handle, p->v, &link));
		EXPECT_EQ(flags, bindlink_link_flags(link));
		bindlink_link_free(link);
		EXPECT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, ERR(rmdir(p->v)));
		ASSERT_EQ(0, link_make_flags(p->v, p->b, flags, NULL, 0))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("parent", link_carrier(p->v));
		EXPECT_EQ(0, link_drop(p->v));
	}
	bindlink_close(handle);
}

TEST_F(merged, MG1_all_names_each_once)
{
	static const size_t rooms[] = { 32, 40, 64, 100, 256, 4096 };

	EACH_WAY {
		const char *all;
		unsigned int i;

		LAY("Cat Dog", "Cow Mouse");
		MERGE(0);
		ARE("Cat=o Cow=b Dog=o Mouse=b", "Cat=o Dog=o", "Cow=b Mouse=b");
		EXPECT_STREQ("v", names(a.par));
		for (i = 0; i < ARRAY_SIZE(rooms); i++)
			EXPECT_STREQ(". .. Cat Cow Dog Mouse",
				     names_by(a.v, rooms[i]))
				TH_LOG("%zu bytes", rooms[i]);
		/* Some more, and some in both. */
		for (i = 0; i < 40; i++) {
			const char *name = path("%02u", i);

			if (i % 4 != 1)
				ASSERT_EQ(0, put(O(name), "o"));
			if (i % 4 != 2)
				ASSERT_EQ(0, put(B(name), "b"));
		}
		all = path(". .. %s", names(a.v));
		for (i = 0; i < 40; i++)
			EXPECT_NE(NULL, strstr(all, path(" %02u ", i)));
		EXPECT_EQ(strlen(". .. Cat Cow Dog Mouse") + 40 * 3,
			  strlen(all));
		for (i = 0; i < ARRAY_SIZE(rooms); i++)
			EXPECT_STREQ(all, names_by(a.v, rooms[i]))
				TH_LOG("%zu bytes", rooms[i]);
		EXPECT_STREQ("!EINVAL", names_by(a.v, 8));
		/* One side is empty, and both. */
		ASSERT_EQ(0, rm_rf(a.b));
		ASSERT_EQ(0, ERR(mkdir(a.b, 0755)));
		EXPECT_STREQ(names(a.o), names(a.v));
		ASSERT_EQ(0, run("find", a.o, "-mindepth", "1", "-delete",
				 NULL));
		EXPECT_STREQ(". ..", names_by(a.v, 4096));
		ASSERT_EQ(0, put(B("x"), "b"));
		IS("x=b", a.v);
	}
}

TEST_F(merged, MG2_LB4_the_entry_of_the_backing_is_seen)
{
	static const char kinds[] = "fdlpcs";
	unsigned int i, j;

	EACH_WAY {
		for (i = 0; kinds[i]; i++)
			for (j = 0; kinds[j]; j++) {
				const char name[] = { kinds[i], kinds[j], 0 };

				if (kinds[i] == 'd' && kinds[j] == 'd')
					continue;
				ASSERT_EQ(0, make_kind(B(name), kinds[i], "b"));
				ASSERT_EQ(0, make_kind(O(name), kinds[j], "o"));
			}
		MERGE(0);
		EXPECT_STREQ(names(a.b), names(a.v))
			WAY();
		for (i = 0; kinds[i]; i++)
			for (j = 0; kinds[j]; j++) {
				const char name[] = { kinds[i], kinds[j], 0 };

				if (kinds[i] == 'd' && kinds[j] == 'd')
					continue;
				EXPECT_STREQ(lfacts(B(name)), lfacts(V(name)))
					WAY();
				if (kinds[i] == 'd') {
					IS("in=b", V(name));
				} else if (kinds[i] == 'f') {
					EXPECT_STREQ("b", get(V(name)));
					FAILS(ENOTDIR,
					      access(V(path("%s/in", name)),
						     F_OK));
				}
				/* And that of the original when it is gone. */
				ASSERT_EQ(0, rm_rf(B(name)));
				EXPECT_STREQ(lfacts(O(name)), lfacts(V(name)))
					WAY();
				if (kinds[j] == 'd')
					IS("in=o", V(name));
			}
		EXPECT_STREQ(names(a.o), names(a.v))
			WAY();
	}
}

TEST_F(merged, MG3_at_every_depth)
{
	EACH_WAY {
		const char *deep = "";
		struct stat sb, sv;
		int i;

		LAY("a/b/c/o a/b/x a/oo/f m/x k z/y/w top",
		    "a/b/c/b a/b/x a/bb/f m k/x z/y bottom");
		ASSERT_EQ(0, ERR(chmod(B("a/b"), 0750)));
		ASSERT_EQ(0, ERR(chown(B("a/b"), USER, OTHER)));
		ASSERT_EQ(0, ERR(setxattr(B("a/b"), "trusted.x", "b", 1, 0)));
		ASSERT_EQ(0, ERR(chmod(O("a/b"), 0701)));
		ASSERT_EQ(0, ERR(setxattr(O("a/b"), "trusted.x", "o", 1, 0)));
		ASSERT_EQ(0, ERR(setxattr(O("a/b"), "trusted.y", "o", 1, 0)));
		MERGE(0);
		IS("a/ a/b/ a/b/c/ a/b/c/b=b a/b/c/o=o a/b/x=b a/bb/ a/bb/f=b a/oo/ a/oo/f=o bottom=b k/ k/x=b m=b top=o z/ z/y=b",
		   a.v);
		FAILS(ENOTDIR, access(V("m/x"), F_OK));
		FAILS(ENOTDIR, access(V("z/y/w"), F_OK));
		/* B's attributes are those of the merged directory. */
		EXPECT_STREQ(looks(B("a/b")), looks(V("a/b")))
			WAY();
		ASSERT_EQ(0, ERR(stat(B("a/b"), &sb)));
		ASSERT_EQ(0, ERR(stat(V("a/b"), &sv)));
		EXPECT_EQ(sb.st_dev, sv.st_dev);
		EXPECT_EQ(sb.st_ino, sv.st_ino);
		EXPECT_STREQ("b", attr(V("a/b"), "trusted.x"));
		EXPECT_STREQ("!ENODATA", attr(V("a/b"), "trusted.y"));
		EXPECT_STREQ(looks(O("a/oo")), looks(V("a/oo")));
		EXPECT_TRUE(same_inode(a.b, a.v));
		/* Deeper than anybody keeps on a stack. */
		for (i = 0; i < 40; i++) {
			deep = path("%sd/", deep);
			ASSERT_EQ(0, lay(a.o, "o", path("%so", deep)));
			ASSERT_EQ(0, lay(a.b, "b", path("%sb", deep)));
		}
		EXPECT_STREQ("b o", names(V(deep)))
			WAY();
		EXPECT_STREQ("o", get(V(path("%so", deep))));
		EXPECT_STREQ("b", get(V(path("%sb", deep))));
		EXPECT_STREQ("b d o", names(V("d/d/d/d")));
	}
}

/* Names are looked up as they are: not only those that were listed. */
TEST_F(merged, MG3_MG6_names_that_are_not)
{
	EACH_WAY {
		LAY("d/o f", "d/b");
		MERGE(0);
		FAILS(ENOENT, access(V("none"), F_OK));
		FAILS(ENOENT, access(V("d/none"), F_OK));
		FAILS(ENOENT, access(V("none/none"), F_OK));
		FAILS(ENOENT, unlink(V("none")));
		FAILS(ENOENT, rmdir(V("d/none")));
		FAILS(ENOENT, rename(V("none"), V("x")));
		FAILS(ENOENT, mkdir(V("none/x"), 0755));
		FAILS(ENOTDIR, mkdir(V("f/x"), 0755));
		FAILS(ENAMETOOLONG, mkdir(V(path("%0256d", 0)), 0755));
		FAILS(ENAMETOOLONG, access(V(path("d/%0256d", 0)), F_OK));
		ARE("d/ d/b=b d/o=o f=o", "d/ d/o=o f=o", "d/ d/b=b");
	}
}

static int bind_socket(const char *dir, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	/* The name is short enough only from there. */
	if (chdir(dir)) {
		close(fd);
		return errno;
	}
	strcpy(address.sun_path, name);
	err = ERR(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	if (chdir("/"))
		return errno;
	return err;
}

static const char *const made[] = {
	"file", "excl", "dir", "sym", "fifo", "node", "reg", "sock", "hard",
	"tmp",
};

/* Makes one of them in @dir, with its name. */
static int make_one(const char *dir, const char *name)
{
	const char *at = path("%s/%s", dir, name);
	const char *source = path("%s/source", dir);

	if (!strcmp(name, "file"))
		return -put(at, "new");
	if (!strcmp(name, "excl"))
		return err_open(at, O_CREAT | O_EXCL | O_WRONLY);
	if (!strcmp(name, "dir"))
		return ERR(mkdir(at, 0755));
	if (!strcmp(name, "sym"))
		return ERR(symlink("to", at));
	if (!strcmp(name, "fifo"))
		return ERR(mkfifo(at, 0600));
	if (!strcmp(name, "node"))
		return ERR(mknod(at, S_IFCHR | 0600, makedev(1, 3)));
	if (!strcmp(name, "reg"))
		return ERR(mknod(at, S_IFREG | 0600, 0));
	if (!strcmp(name, "sock"))
		return bind_socket(dir, name);
	if (!strcmp(name, "tmp"))
		return make_tmp(dir, at);
	if (!strcmp(name, "hard"))
		return -put(source, "source") ?: ERR(link(source, at));
	return EINVAL;
}

TEST_F(merged, MG4_all_that_is_new_is_made_in_the_backing)
{
	/* The link's own, one of both, B's only, the original's only. */
	static const char *const dirs[] = { ".", "both", "mine", "deep/er/est" };

	EACH_WAY {
		unsigned int i, j;
		const char *was;

		LAY("both/o deep/er/est/o", "both/b mine/b");
		was = tree(a.o, true);
		MERGE(0);
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			for (j = 0; j < ARRAY_SIZE(made); j++) {
				const char *v = V(path("%s/%s", dirs[i],
						       made[j]));
				const char *b = B(path("%s/%s", dirs[i],
						       made[j]));
				int err = make_one(V(dirs[i]), made[j]);

				EXPECT_EQ(0, err)
					TH_LOG("%s: %s: %s", way_names[way], v,
					       strerror(err));
				EXPECT_TRUE(same_inode(v, b))
					TH_LOG("%s: %s", way_names[way], v);
				EXPECT_STREQ(lfacts(b), lfacts(v));
			}
			EXPECT_TRUE(same_inode(V(path("%s/source", dirs[i])),
					       V(path("%s/hard", dirs[i]))));
			EXPECT_STREQ("tmp", get(V(path("%s/tmp", dirs[i]))));
		}
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
		EXPECT_STREQ("dir excl fifo file hard node o reg sock source sym tmp",
			     names(V("deep/er/est")))
			WAY();
		EXPECT_STREQ("dir excl fifo file hard node reg sock source sym tmp",
			     names(B("deep/er/est")))
			WAY();
		EXPECT_STREQ("er", names(B("deep")));
		EXPECT_STREQ("b dir excl fifo file hard node o reg sock source sym tmp",
			     names(V("both")))
			WAY();
		/* In what was made like that. */
		WORKS(mkdir(V("deep/er/est/dir/more"), 0755));
		IS("more/", B("deep/er/est/dir"));
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
	}
}

/* Each of them as the first thing where B has no directory. */
TEST_F(merged, MG4_the_first_thing_in_a_directory)
{
	EACH_WAY {
		unsigned int i;
		const char *was;
		int err;

		for (i = 0; i < ARRAY_SIZE(made); i++)
			ASSERT_EQ(0, lay(a.o, "o", path("%s/sub/o", made[i])));
		ASSERT_EQ(0, lay(a.o, "o", "cwd/sub/o hard2/sub/o gone/sub/o"));
		was = tree(a.o, true);
		MERGE(0);
		for (i = 0; i < ARRAY_SIZE(made); i++) {
			const char *in = path("%s/sub", made[i]);

			err = make_one(V(in), made[i]);
			EXPECT_EQ(0, err)
				TH_LOG("%s: %s: %s", way_names[way], made[i],
				       strerror(err));
			EXPECT_TRUE(same_inode(path("%s/%s", V(in), made[i]),
					       path("%s/%s", B(in), made[i])))
				TH_LOG("%s: %s", way_names[way], made[i]);
		}
		/* A file that never has a name. */
		EXPECT_EQ(0, make_tmp(V("gone/sub"), NULL))
			WAY();
		EXPECT_STREQ("o", names(V("gone/sub")));
		/* A hard link to what is elsewhere. */
		WORKS(link(V("file/sub/file"), V("hard2/sub/l")));
		EXPECT_TRUE(same_inode(B("file/sub/file"), B("hard2/sub/l")))
			WAY();
		/* From inside. */
		ASSERT_EQ(0, ERR(chdir(V("cwd/sub"))));
		WORKS(mkdir("new", 0755));
		IS("new/", B("cwd/sub"));
		ASSERT_EQ(0, ERR(chdir("/")));
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
	}
}

struct acl {
	uint32_t version;
	struct posix_acl_xattr_entry e[5];
};

static struct acl acl_for(uid_t uid, unsigned int perm)
{
	struct acl acl = {
		.version = POSIX_ACL_XATTR_VERSION,
		.e = {
			{ ACL_USER_OBJ, 7, -1 },
			{ ACL_USER, perm, uid },
			{ ACL_GROUP_OBJ, ACL_READ, -1 },
			{ ACL_MASK, 7, -1 },
			{ ACL_OTHER, ACL_EXECUTE, -1 },
		},
	};

	return acl;
}

/* Where both filesystems have attributes of that sort. */
static int set_attr(const struct area *a, const char *at, const char *name,
		    const void *value, size_t size)
{
	const char *probe = path("%s/probe", a->up);
	int err;

	err = ERR(mkdir(probe, 0755)) ?:
	      ERR(setxattr(probe, name, value, size, 0));
	rmdir(probe);
	err = err ?: ERR(setxattr(at, name, value, size, 0));
	return err == EOPNOTSUPP ? 0 : err;
}

TEST_F(merged, MG4_missing_directories_are_like_the_original)
{
	static const char *const dirs[] = { "a", "a/b", "a/b/c", "a/b/c/d" };

	EACH_WAY {
		struct acl one = acl_for(USER, 7), two = acl_for(OTHER, 5);
		const char *acl = "system.posix_acl_access";
		const char *preset = "system.posix_acl_default";
		const char *was, *mine;
		unsigned int i;

		LAY("a/b/c/d/o mine/sub/", "mine/");
		ASSERT_EQ(0, ERR(chown(O("a"), USER, OTHER)));
		ASSERT_EQ(0, ERR(chmod(O("a"), 0751)));
		ASSERT_EQ(0, ERR(chown(O("a/b"), 0, OTHER)));
		ASSERT_EQ(0, ERR(chmod(O("a/b"), 02775)));
		ASSERT_EQ(0, ERR(chmod(O("a/b/c"), 01777)));
		ASSERT_EQ(0, ERR(chown(O("a/b/c/d"), OTHER, USER)));
		ASSERT_EQ(0, ERR(chmod(O("a/b/c/d"), 0700)));
		ASSERT_EQ(0, ERR(chmod(B("mine"), 0711)));
		ASSERT_EQ(0, set_attr(&a, O("a"), "trusted.x", "t", 1));
		ASSERT_EQ(0, set_attr(&a, O("a"), "user.x", "u", 1));
		ASSERT_EQ(0, set_attr(&a, O("a"), preset, &two, sizeof(two)));
		ASSERT_EQ(0, set_attr(&a, O("a/b/c"), acl, &one, sizeof(one)));
		ASSERT_EQ(0, set_attr(&a, O("a/b/c"), "trusted.y", "", 0));
		/* What new directories in B would have otherwise. */
		ASSERT_EQ(0, set_attr(&a, a.b, preset, &one, sizeof(one)));
		was = tree(a.o, true);
		mine = looks(B("mine"));
		MERGE(0);
		umask(077);
		EXPECT_EQ(0, put(V("a/b/c/d/new"), "new"))
			WAY();
		umask(022);
		IS("a/ a/b/ a/b/c/ a/b/c/d/ a/b/c/d/new=new mine/", a.b);
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			EXPECT_STREQ(looks(O(dirs[i])), looks(B(dirs[i])))
				TH_LOG("%s: %s", way_names[way], dirs[i]);
			EXPECT_STREQ(looks(B(dirs[i])), looks(V(dirs[i])));
		}
		EXPECT_EQ(0600u, mode_of(B("a/b/c/d/new")))
			WAY();
		/* What is new in them is as in any directory. */
		ASSERT_EQ(0, ERR(mkdir(V("a/b/in"), 0755)));
		EXPECT_EQ(02755u, mode_of(B("a/b/in")))
			WAY();
		if (getxattr(O("a"), preset, NULL, 0) > 0) {
			EXPECT_EQ(0, put(V("a/inherits"), ""));
			EXPECT_LT(0, getxattr(B("a/inherits"), acl, NULL, 0))
				WAY();
		}
		/* One that is there stays as it is. */
		EXPECT_EQ(0, put(V("mine/sub/new"), "new"));
		EXPECT_STREQ(mine, looks(B("mine")))
			WAY();
		EXPECT_STREQ(looks(O("mine/sub")), looks(B("mine/sub")))
			WAY();
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
	}
}

/* Who may write where it is seen may do so, and nobody else. */
TEST_F(merged, MG4_SE3_made_by_a_user)
{
	EACH_WAY {
		const char *was;

		LAY("a/mine/o a/mine/deep/o a/shut/o a/priv/o wide/o",
		    "narrow/ wide/");
		ASSERT_EQ(0, lay(a.o, "o", "narrow/o"));
		ASSERT_EQ(0, ERR(chown(O("a/mine"), USER, USER)));
		ASSERT_EQ(0, ERR(chown(O("a/mine/deep"), USER, USER)));
		ASSERT_EQ(0, ERR(chown(O("a/priv"), OTHER, OTHER)));
		ASSERT_EQ(0, ERR(chmod(O("a/priv"), 0700)));
		/* Of a merged directory it is B's mode that counts. */
		ASSERT_EQ(0, ERR(chmod(O("narrow"), 0777)));
		ASSERT_EQ(0, ERR(chmod(B("wide"), 0777)));
		MERGE(0);
		was = tree(a.b, true);
		USER_FAILS(EACCES, mkdir(V("x"), 0755));
		USER_FAILS(EACCES, mkdir(V("a/x"), 0755));
		USER_FAILS(EACCES, mkdir(V("a/shut/x"), 0755));
		USER_FAILS(EACCES, open(V("a/shut/x"), O_CREAT | O_RDWR, 0644));
		USER_FAILS(EACCES, symlink("x", V("a/shut/x")));
		USER_FAILS(EACCES, mkfifo(V("a/shut/x"), 0644));
		USER_FAILS(EACCES, open(V("a/shut"), O_TMPFILE | O_RDWR, 0644));
		USER_FAILS(EACCES, mkdir(V("a/priv/x"), 0755));
		USER_FAILS(EACCES, mkdir(V("narrow/x"), 0755));
		EXPECT_STREQ(was, tree(a.b, true))
			WAY();
		EXPECT_EQ(0, AS(USER, ERR(mkdir(V("a/mine/deep/x"), 0755))))
			WAY();
		EXPECT_EQ(0, AS(USER, -put(V("a/mine/f"), "f")))
			WAY();
		EXPECT_EQ(0, AS(USER, -put(V("wide/f"), "f")))
			WAY();
		IS("a/ a/mine/ a/mine/deep/ a/mine/deep/x/ a/mine/f=f narrow/ wide/ wide/f=f",
		   a.b);
		EXPECT_EQ(0u, owner_of(B("a")));
		EXPECT_EQ(0755u, mode_of(B("a")));
		EXPECT_EQ((uid_t)USER, owner_of(B("a/mine")));
		EXPECT_EQ((uid_t)USER, owner_of(B("a/mine/deep")));
		EXPECT_EQ((uid_t)USER, owner_of(B("a/mine/deep/x")));
		EXPECT_EQ((uid_t)USER, owner_of(B("a/mine/f")));
		EXPECT_EQ((uid_t)USER, owner_of(B("wide/f")));
	}
}

TEST_F(merged, MG4_LB1_the_backing_itself_is_made)
{
	EACH_WAY {
		LAY("d/o", "");
		ASSERT_EQ(0, ERR(chown(a.o, USER, OTHER)));
		ASSERT_EQ(0, ERR(chmod(a.o, 0751)));
		ASSERT_EQ(0, ERR(setxattr(a.o, "trusted.x", "o", 1, 0)));
		MERGE(0);
		ASSERT_EQ(0, ERR(rmdir(a.b)));
		IS("d/ d/o=o", a.v);
		EXPECT_STREQ(looks(a.o), looks(a.v));
		/* What makes nothing does not make it either. */
		FAILS(EEXIST, mkdir(V("d"), 0755));
		FAILS(ENOENT, mkdir(V("x/y"), 0755));
		FAILS(ENOENT, access(a.b, F_OK));
		EXPECT_EQ(0, put(V("d/new"), "new"))
			WAY();
		EXPECT_STREQ(looks(a.o), looks(a.b))
			WAY();
		ARE("d/ d/new=new d/o=o", "d/ d/o=o", "d/ d/new=new");
		ASSERT_EQ(0, rm_rf(a.b));
		WORKS(mkdir(V("top"), 0755));
		EXPECT_STREQ(looks(a.o), looks(a.b))
			WAY();
		ARE("d/ d/o=o top/", "d/ d/o=o", "top/");
		/* Nowhere to make it. */
		ASSERT_EQ(0, rm_rf(a.up));
		FAILS(ENOENT, mkdir(V("d/x"), 0755));
		EXPECT_EQ(ENOENT, err_open(V("x"), O_CREAT | O_RDWR))
			WAY();
		IS("d/ d/o=o", a.v);
		FAILS(ENOENT, access(a.up, F_OK));
	}
}

TEST_F(merged, MG4_what_is_there_already)
{
	EACH_WAY {
		const char *orig, *back, *at;

		LAY("f d/f e/ l->nowhere m/o", "g bd/g m/b");
		orig = tree(a.o, true);
		back = tree(a.b, true);
		MERGE(0);
		for (at = "f\0d/f\0d\0e\0l\0g\0bd/g\0bd\0m\0m/o\0m/b\0\0"; *at;
		     at += strlen(at) + 1) {
			EXPECT_EQ(EEXIST, err_open(V(at), O_CREAT | O_EXCL |
						   O_RDWR))
				TH_LOG("%s: %s", way_names[way], at);
			FAILS(EEXIST, mkdir(V(at), 0755));
			FAILS(EEXIST, symlink("x", V(at)));
			FAILS(EEXIST, mkfifo(V(at), 0644));
			FAILS(EEXIST, mknod(V(at), S_IFREG | 0644, 0));
			FAILS(EEXIST, link(V("g"), V(at)));
			FAILS(EEXIST, link(V("f"), V(at)));
		}
		/* O_CREAT opens what is there, where it is. */
		EXPECT_EQ(0, err_open(V("d/f"), O_CREAT | O_RDWR));
		EXPECT_EQ(0, err_open(V("f"), O_CREAT | O_WRONLY));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
		EXPECT_STREQ(back, tree(a.b, true))
			WAY();
		/* And makes what is not, through the symlink. */
		EXPECT_EQ(0, put(V("l"), "made"));
		EXPECT_STREQ("made", get(B("nowhere")))
			WAY();
		EXPECT_STREQ("made", get(V("l")));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
	}
}

/* A time that no test has got to otherwise. */
static int set_times(const char *at)
{
	const struct timespec times[2] = {
		{ .tv_sec = 12345 }, { .tv_sec = 54321 },
	};

	return utimensat(AT_FDCWD, at, times, AT_SYMLINK_NOFOLLOW);
}

TEST_F(merged, MG5_changed_in_place)
{
	static const char *const files[] = { "f", "d/f", "m/f" };

	EACH_WAY {
		const char *was;
		unsigned int i;
		char *map, c;
		ino_t ino;
		int fd, fo;

		LAY("f d/f m/f l->x", "h m/b");
		MERGE(0);
		was = tree(a.b, true);
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			const char *at = V(files[i]), *o = O(files[i]);

			ino = ino_of(o);
			EXPECT_EQ(0, add(at, " more"))
				WAY();
			EXPECT_STREQ("o more", get(o));
			EXPECT_EQ(0, put(at, "overwritten"));
			EXPECT_STREQ("overwritten", get(o));
			WORKS(truncate(at, 4));
			EXPECT_STREQ("over", get(o));
			WORKS(chmod(at, 0640));
			WORKS(chown(at, USER, OTHER));
			WORKS(setxattr(at, "trusted.x", "x", 1, 0));
			EXPECT_STREQ("x", attr(o, "trusted.x"));
			WORKS(removexattr(at, "trusted.x"));
			EXPECT_STREQ("!ENODATA", attr(o, "trusted.x"));
			WORKS(set_times(at));
			EXPECT_EQ(0640u, mode_of(o));
			EXPECT_EQ((uid_t)USER, owner_of(o));
			EXPECT_STREQ(facts(o), facts(at))
				WAY();
			EXPECT_NE(NULL, strstr(facts(o), " mtime 54321."));
			/* By descriptor, and mapped. */
			fd = open(at, O_RDWR | O_CLOEXEC);
			ASSERT_LE(0, fd);
			WORKS(ftruncate(fd, 2));
			WORKS(fchmod(fd, 0644));
			WORKS(fchown(fd, 0, 0));
			WORKS(fsetxattr(fd, "trusted.x", "y", 1, 0));
			map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, map);
			map[0] = 'm';
			EXPECT_STREQ("mv", get(o))
				WAY();
			fo = open(o, O_RDWR | O_CLOEXEC);
			ASSERT_LE(0, fo);
			EXPECT_EQ(1, pwrite(fo, "w", 1, 0));
			EXPECT_EQ('w', map[0]);
			EXPECT_EQ(1, pread(fd, &c, 1, 0));
			EXPECT_EQ('w', c);
			munmap(map, 4096);
			close(fo);
			close(fd);
			EXPECT_STREQ("y", attr(o, "trusted.x"));
			EXPECT_EQ(ino, ino_of(o));
			EXPECT_STREQ(facts(o), facts(at))
				WAY();
		}
		/* A directory and a symlink. */
		WORKS(chmod(V("d"), 0711));
		WORKS(chown(V("d"), USER, OTHER));
		WORKS(setxattr(V("d"), "trusted.x", "d", 1, 0));
		WORKS(set_times(V("d")));
		EXPECT_EQ(0711u, mode_of(O("d")));
		EXPECT_STREQ(facts(O("d")), facts(V("d")))
			WAY();
		EXPECT_STREQ("d", attr(O("d"), "trusted.x"));
		WORKS(lchown(V("l"), USER, OTHER));
		WORKS(set_times(V("l")));
		EXPECT_STREQ(lfacts(O("l")), lfacts(V("l")))
			WAY();
		EXPECT_EQ((uid_t)USER, owner_of(O("l")));
		/* Nothing was copied up, and nothing changed at B. */
		EXPECT_STREQ(was, tree(a.b, true))
			WAY();
		/* Those of a merged directory are B's. */
		WORKS(chmod(V("m"), 0701));
		WORKS(setxattr(V("m"), "trusted.x", "m", 1, 0));
		EXPECT_EQ(0701u, mode_of(B("m")))
			WAY();
		EXPECT_EQ(0755u, mode_of(O("m")))
			WAY();
		EXPECT_STREQ("!ENODATA", attr(O("m"), "trusted.x"));
		WORKS(chmod(a.v, 0701));
		EXPECT_EQ(0701u, mode_of(a.b))
			WAY();
		EXPECT_EQ(0755u, mode_of(a.o));
		EXPECT_EQ(0, put(V("h"), "H"));
		EXPECT_STREQ("H", get(B("h")));
	}
}

TEST_F(merged, MG6_unlink)
{
	EACH_WAY {
		struct stat st;
		char c = 0;
		ino_t y;
		int fd;

		LAY("x y d/z k/in oo t", "x y d/z k bb t/");
		y = ino_of(O("y"));
		MERGE(0);
		fd = open(V("x"), O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		WORKS(unlink(V("x")));
		EXPECT_STREQ("o", get(V("x")))
			WAY();
		FAILS(ENOENT, access(B("x"), F_OK));
		/* The open one goes on as what was opened. */
		ASSERT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(0, st.st_nlink);
		EXPECT_EQ(1, pread(fd, &c, 1, 0));
		EXPECT_EQ('b', c);
		close(fd);
		WORKS(unlink(V("x")));
		FAILS(ENOENT, access(V("x"), F_OK));
		FAILS(ENOENT, access(O("x"), F_OK));
		FAILS(ENOENT, unlink(V("x")));
		WORKS(unlink(V("y")));
		EXPECT_EQ(y, ino_of(V("y")))
			WAY();
		WORKS(unlink(V("d/z")));
		EXPECT_STREQ("o", get(V("d/z")));
		/* B's file was over a directory, and B's directory over a file. */
		WORKS(unlink(V("k")));
		IS("in=o", V("k"));
		FAILS(EISDIR, unlink(V("k")));
		FAILS(ENOTEMPTY, rmdir(V("k")));
		WORKS(rmdir(V("t")));
		EXPECT_STREQ("o", get(V("t")))
			WAY();
		FAILS(ENOTDIR, rmdir(V("t")));
		/* One side only. */
		WORKS(unlink(V("oo")));
		WORKS(unlink(V("bb")));
		FAILS(ENOENT, access(V("oo"), F_OK));
		FAILS(ENOENT, access(V("bb"), F_OK));
		/* No whiteouts anywhere. */
		ARE("d/ d/z=o k/ k/in=o t=o y=o", "d/ d/z=o k/ k/in=o t=o y=o",
		    "d/");
		/* Made again it is B's. */
		EXPECT_EQ(0, put(V("oo"), "again"));
		EXPECT_EQ(0, put(V("x"), "again"));
		ARE("d/ d/z=o k/ k/in=o oo=again t=o x=again y=o",
		    "d/ d/z=o k/ k/in=o t=o y=o", "d/ oo=again x=again");
		WORKS(unlink(V("oo")));
		FAILS(ENOENT, access(V("oo"), F_OK));
	}
}

TEST_F(merged, MG6_LB4_masked_and_unmasked_directly)
{
	EACH_WAY {
		int i;

		LAY("d/x", "d/");
		MERGE(0);
		for (i = 0; i < 3; i++) {
			EXPECT_STREQ("o", get(V("d/x")))
				WAY();
			ASSERT_EQ(0, put(B("d/x"), "b"));
			EXPECT_STREQ("b", get(V("d/x")))
				WAY();
			EXPECT_STREQ(facts(B("d/x")), facts(V("d/x")));
			ASSERT_EQ(0, ERR(unlink(O("d/x"))));
			EXPECT_STREQ("b", get(V("d/x")));
			ASSERT_EQ(0, ERR(unlink(B("d/x"))));
			EXPECT_STREQ("!ENOENT", get(V("d/x")))
				WAY();
			IS("d/", a.v);
			ASSERT_EQ(0, put(O("d/x"), "o"));
			EXPECT_STREQ("o", get(V("d/x")))
				WAY();
			ASSERT_EQ(0, put(B("d/new"), "n"));
			ASSERT_EQ(0, ERR(rename(B("d/new"), B("d/x"))));
			EXPECT_STREQ("n", get(V("d/x")))
				WAY();
			ASSERT_EQ(0, ERR(rename(B("d/x"), B("d/y"))));
			IS("d/ d/x=o d/y=n", a.v);
			ASSERT_EQ(0, ERR(unlink(B("d/y"))));
			/* The directory is B's too, and is not, and is a file. */
			ASSERT_EQ(0, ERR(rmdir(B("d"))));
			IS("d/ d/x=o", a.v);
			EXPECT_TRUE(same_inode(O("d"), V("d")))
				WAY();
			ASSERT_EQ(0, put(B("d"), "file"));
			IS("d=file", a.v);
			EXPECT_STREQ("!ENOTDIR", get(V("d/x")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(B("d"))));
			EXPECT_STREQ("o", get(V("d/x")))
				WAY();
			ASSERT_EQ(0, ERR(mkdir(B("d"), 0700)));
			EXPECT_EQ(0700u, mode_of(V("d")))
				WAY();
			EXPECT_TRUE(same_inode(B("d"), V("d")));
			IS("d/ d/x=o", a.v);
			/* And the original's is not, and is a file. */
			ASSERT_EQ(0, rm_rf(O("d")));
			IS("d/", a.v);
			ASSERT_EQ(0, put(O("d"), "file"));
			IS("d/", a.v);
			ASSERT_EQ(0, ERR(unlink(O("d"))));
			ASSERT_EQ(0, lay(a.o, "o", "d/x"));
		}
	}
}

TEST_F(merged, MG7_rmdir)
{
	EACH_WAY {
		char buf[PATH_MAX];

		LAY("e/ fo/x fb/ oo/ deep/a/ m/x c/",
		    "e/ fo/ fb/x bb/ deep/a/ m/x c/");
		MERGE(0);
		FAILS(ENOTEMPTY, rmdir(V("fo")));
		FAILS(ENOTEMPTY, rmdir(V("fb")));
		FAILS(ENOTEMPTY, rmdir(V("deep")));
		FAILS(ENOTEMPTY, rmdir(V("m")));
		IS("bb/ c/ deep/ deep/a/ e/ fb/ fb/x=b fo/ m/ m/x=b", a.b);
		IS("c/ deep/ deep/a/ e/ fb/ fo/ fo/x=o m/ m/x=o oo/", a.o);
		WORKS(rmdir(V("e")));
		FAILS(ENOENT, rmdir(V("e")));
		WORKS(rmdir(V("oo")));
		WORKS(rmdir(V("bb")));
		WORKS(rmdir(V("deep/a")));
		WORKS(rmdir(V("deep")));
		/* What B's file masked is in the way next. */
		WORKS(unlink(V("m/x")));
		FAILS(ENOTEMPTY, rmdir(V("m")));
		WORKS(unlink(V("m/x")));
		WORKS(rmdir(V("m")));
		/* One that is in use. */
		ASSERT_EQ(0, ERR(chdir(V("c"))));
		WORKS(rmdir(V("c")));
		FAILS(ENOENT, open("x", O_CREAT | O_RDWR | O_CLOEXEC, 0644));
		FAILS(ENOENT, mkdir("x", 0755));
		EXPECT_EQ(NULL, getcwd(buf, sizeof(buf)));
		EXPECT_STREQ("", names("."));
		ASSERT_EQ(0, ERR(chdir("/")));
		ARE("fb/ fb/x=b fo/ fo/x=o", "fb/ fo/ fo/x=o",
		    "fb/ fb/x=b fo/");
		/* Made again it is B's only. */
		WORKS(mkdir(V("e"), 0755));
		ARE("e/ fb/ fb/x=b fo/ fo/x=o", "fb/ fo/ fo/x=o",
		    "e/ fb/ fb/x=b fo/");
		/* All of a tree. */
		ASSERT_EQ(0, lay(a.o, "o", "t/a t/s/b t/s/o/x"));
		ASSERT_EQ(0, lay(a.b, "b", "t/c t/s/d t/s/b2/x"));
		EXPECT_EQ(0, run("rm", "-r", V("t"), NULL))
			WAY();
		ARE("e/ fb/ fb/x=b fo/ fo/x=o", "fb/ fo/ fo/x=o",
		    "e/ fb/ fb/x=b fo/");
	}
}

TEST_F(merged, MG8_rename_within_the_backing)
{
	EACH_WAY {
		const char *was;
		ino_t ino;

		LAY("o1 both d/o eo/x", "b1 b2 both d/b bd/x");
		ASSERT_EQ(0, ERR(chmod(O("eo"), 0711)));
		was = tree(a.o, true);
		ino = ino_of(B("both"));
		MERGE(0);
		WORKS(rename(V("b1"), V("b3")));
		IS("b2=b b3=b bd/ bd/x=b both=b d/ d/b=b d/o=o eo/ eo/x=o o1=o",
		   a.v);
		WORKS(rename(V("b3"), V("b2")));
		IS("b2=b bd/ bd/x=b both=b d/ d/b=b", a.b);
		/* Over the original's, which it masks. */
		WORKS(rename(V("b2"), V("o1")));
		EXPECT_STREQ("b", get(V("o1")))
			WAY();
		/* What it masked before comes to light. */
		WORKS(rename(V("both"), V("b4")));
		EXPECT_STREQ("o", get(V("both")))
			WAY();
		IS("b4=b bd/ bd/x=b d/ d/b=b o1=b", a.b);
		WORKS(rename(V("b4"), V("d/b4")));
		IS("b=b b4=b o=o", V("d"));
		/* Where the directory is the original's only. */
		WORKS(rename(V("d/b4"), V("eo/b4")));
		IS("b4=b x=o", V("eo"));
		EXPECT_STREQ(looks(O("eo")), looks(B("eo")))
			WAY();
		WORKS(rename(V("eo/b4"), V("eo/x")));
		EXPECT_EQ(ino, ino_of(V("eo/x")))
			WAY();
		EXPECT_EQ(ino, ino_of(B("eo/x")));
		IS("bd/ bd/x=b both=o d/ d/b=b d/o=o eo/ eo/x=b o1=b", a.v);
		IS("bd/ bd/x=b d/ d/b=b eo/ eo/x=b o1=b", a.b);
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
	}
}

TEST_F(merged, MG8_rename_within_the_original)
{
	EACH_WAY {
		const char *was, *orig;
		ino_t ino;

		LAY("o1 o2 d/o e/x deep/er/ two", "b1 d/b bd/ two");
		was = tree(a.b, true);
		ino = ino_of(O("o1"));
		MERGE(0);
		WORKS(rename(V("o1"), V("o3")));
		IS("b1=b bd/ d/ d/b=b d/o=o deep/ deep/er/ e/ e/x=o o2=o o3=o two=b",
		   a.v);
		WORKS(rename(V("o3"), V("o2")));
		WORKS(rename(V("o2"), V("d/o2")));
		IS("b=b o=o o2=o", V("d"));
		WORKS(rename(V("d/o2"), V("e/o2")));
		WORKS(rename(V("e/o2"), V("e/x")));
		EXPECT_EQ(ino, ino_of(V("e/x")))
			WAY();
		WORKS(rename(V("e/x"), V("deep/er/x")));
		EXPECT_EQ(ino, ino_of(O("deep/er/x")))
			WAY();
		IS("d/ d/o=o deep/ deep/er/ deep/er/x=o e/ two=o", a.o);
		EXPECT_STREQ(was, tree(a.b, true))
			WAY();
		/* B has that name, or the whole directory. */
		orig = tree(a.o, true);
		FAILS(EXDEV, rename(V("d/o"), V("b1")));
		FAILS(EXDEV, rename(V("d/o"), V("d/b")));
		FAILS(EXDEV, rename(V("d/o"), V("two")));
		FAILS(EXDEV, rename(V("d/o"), V("bd/new")));
		FAILS(EXDEV, rename(V("deep/er/x"), V("two")));
		FAILS(EXDEV, rename(V("e"), V("bd/new")));
		/* Kinds are told apart before. */
		FAILS(EISDIR, rename(V("d/o"), V("e")));
		FAILS(EISDIR, rename(V("d/o"), V("bd")));
		FAILS(ENOTDIR, rename(V("e"), V("d/o")));
		FAILS(ENOTDIR, rename(V("e"), V("b1")));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
		EXPECT_STREQ(was, tree(a.b, true))
			WAY();
		/* When B's is gone it can be had. */
		WORKS(unlink(V("b1")));
		WORKS(rename(V("d/o"), V("b1")));
		IS("b1=o d/ deep/ deep/er/ deep/er/x=o e/ two=o", a.o);
		/* Out of the link and into it. */
		FAILS(EXDEV, rename(V("b1"), path("%s/out", p->top)));
		FAILS(EXDEV, link(V("b1"), path("%s/out", p->top)));
	}
}

/* POSIX has two names for it, and XFS takes the other. */
#define NOT_EMPTY(call) do {						\
	int __err = ERR(call);						\
									\
	EXPECT_TRUE(__err == ENOTEMPTY || __err == EEXIST)		\
		TH_LOG("%s: %s", way_names[way], strerror(__err));	\
} while (0)

TEST_F(merged, MG8_rename_of_directories)
{
	EACH_WAY {
		char buf[PATH_MAX];
		const char *orig, *back;
		int err;

		LAY("od/s/o m/o eo/ ee/ full/x oe/ e3/", "bd/s/b m/b eb/ ee/ fb/x");
		MERGE(0);
		/* A process in there goes with it. */
		ASSERT_EQ(0, ERR(chdir(V("od/s"))));
		WORKS(rename(V("od"), V("od2")));
		EXPECT_STREQ(V("od2/s"), getcwd(buf, sizeof(buf)) ?: "none")
			WAY();
		IS("o=o", ".");
		EXPECT_STREQ("o", get("o"));
		EXPECT_EQ(0, add("o", "!"));
		EXPECT_STREQ("o!", get(O("od2/s/o")))
			WAY();
		EXPECT_EQ(0, put("o", "o"));
		ASSERT_EQ(0, ERR(chdir(V("bd/s"))));
		WORKS(rename(V("bd"), V("bd2")));
		EXPECT_STREQ(V("bd2/s"), getcwd(buf, sizeof(buf)) ?: "none")
			WAY();
		IS("b=b", ".");
		EXPECT_EQ(0, put("new", "new"));
		EXPECT_STREQ("new", get(B("bd2/s/new")))
			WAY();
		EXPECT_EQ(0, ERR(unlink("new")));
		ASSERT_EQ(0, ERR(chdir("/")));
		ARE("bd2/ bd2/s/ bd2/s/b=b e3/ eb/ ee/ eo/ fb/ fb/x=b full/ full/x=o m/ m/b=b m/o=o od2/ od2/s/ od2/s/o=o oe/",
		    "e3/ ee/ eo/ full/ full/x=o m/ m/o=o od2/ od2/s/ od2/s/o=o oe/",
		    "bd2/ bd2/s/ bd2/s/b=b eb/ ee/ fb/ fb/x=b m/ m/b=b");
		orig = tree(a.o, true);
		back = tree(a.b, true);
		/* One that is in more than one layer. */
		FAILS(EXDEV, rename(V("m"), V("m2")));
		FAILS(EXDEV, rename(V("m"), V("od2/m")));
		FAILS(EXDEV, rename(V("m"), V("bd2/m")));
		FAILS(EXDEV, rename(V("ee"), V("ee2")));
		FAILS(EXDEV, rename(V("od2/s"), V("bd2/s2")));
		/* Not into itself. */
		FAILS(EINVAL, rename(V("od2"), V("od2/s/x")));
		FAILS(EINVAL, rename(V("m"), V("m/x")));
		/* Not over what is not empty, in whatever layer. */
		NOT_EMPTY(rename(V("od2"), V("full")));
		NOT_EMPTY(rename(V("bd2"), V("full")));
		NOT_EMPTY(rename(V("bd2"), V("fb")));
		NOT_EMPTY(rename(V("bd2"), V("m")));
		err = ERR(rename(V("od2"), V("fb")));
		EXPECT_TRUE(err == ENOTEMPTY || err == EEXIST || err == EXDEV)
			TH_LOG("%s: %s", way_names[way], strerror(err));
		/* B's empty one would mask what is renamed over it. */
		FAILS(EXDEV, rename(V("od2"), V("eb")));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
		EXPECT_STREQ(back, tree(a.b, true))
			WAY();
		/* Into a merged one, and back. */
		WORKS(rename(V("od2/s"), V("m/s")));
		IS("b=b o=o s/ s/o=o", V("m"));
		WORKS(rename(V("m/s"), V("od2/s")));
		/* Over empty ones. */
		WORKS(rename(V("od2"), V("eo")));
		WORKS(rename(V("bd2"), V("eb")));
		WORKS(rename(V("eb"), V("ee")));
		EXPECT_EQ(0, ERR(mkdir(V("bd3"), 0755)));
		EXPECT_EQ(0, put(V("bd3/x"), "b"));
		WORKS(rename(V("bd3"), V("oe")));
		FAILS(EXDEV, rename(V("oe"), V("oe2")));
		ARE("e3/ ee/ ee/s/ ee/s/b=b eo/ eo/s/ eo/s/o=o fb/ fb/x=b full/ full/x=o m/ m/b=b m/o=o oe/ oe/x=b",
		    "e3/ ee/ eo/ eo/s/ eo/s/o=o full/ full/x=o m/ m/o=o oe/",
		    "ee/ ee/s/ ee/s/b=b fb/ fb/x=b m/ m/b=b oe/ oe/x=b");
	}
}

TEST_F(merged, MG8_links)
{
	EACH_WAY {
		struct stat st;
		int fd;

		LAY("o d/o e/x m/o", "b d/b bd/ m");
		MERGE(0);
		WORKS(link(V("o"), V("o2")));
		WORKS(link(V("o"), V("d/o2")));
		WORKS(link(V("o"), V("e/o2")));
		EXPECT_TRUE(same_inode(V("o"), O("e/o2")))
			WAY();
		EXPECT_TRUE(same_inode(V("o"), V("d/o2")));
		FAILS(EXDEV, link(V("o"), V("bd/x")));
		FAILS(EEXIST, link(V("o"), V("b")));
		FAILS(EEXIST, link(V("b"), V("o")));
		FAILS(EPERM, link(V("d"), V("d2")));
		FAILS(EPERM, link(V("e"), V("e2")));
		/* From an open file. */
		fd = open(V("o"), O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		WORKS(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd), AT_FDCWD,
			     V("o3"), AT_SYMLINK_FOLLOW));
		ASSERT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(5, st.st_nlink)
			WAY();
		close(fd);
		ARE("b=b bd/ d/ d/b=b d/o=o d/o2=o e/ e/o2=o e/x=o m=b o=o o2=o o3=o",
		    "d/ d/o=o d/o2=o e/ e/o2=o e/x=o m/ m/o=o o=o o2=o o3=o",
		    "b=b bd/ d/ d/b=b m=b");
		WORKS(link(V("b"), V("b2")));
		WORKS(link(V("b"), V("d/b2")));
		WORKS(link(V("b"), V("bd/b2")));
		WORKS(link(V("b"), V("e/b2")));
		EXPECT_TRUE(same_inode(V("b"), B("e/b2")))
			WAY();
		EXPECT_EQ(0, add(V("e/b2"), "!"));
		EXPECT_STREQ("b!", get(V("b")))
			WAY();
		EXPECT_EQ(0, put(V("b"), "b"));
		/* That made it a merged one. */
		WORKS(link(V("o"), V("e/o3")));
		ASSERT_EQ(0, ERR(stat(V("b"), &st)));
		EXPECT_EQ(5, st.st_nlink);
		ARE("b=b b2=b bd/ bd/b2=b d/ d/b=b d/b2=b d/o=o d/o2=o e/ e/b2=b e/o2=o e/o3=o e/x=o m=b o=o o2=o o3=o",
		    "d/ d/o=o d/o2=o e/ e/o2=o e/o3=o e/x=o m/ m/o=o o=o o2=o o3=o",
		    "b=b b2=b bd/ bd/b2=b d/ d/b=b d/b2=b e/ e/b2=b m=b");
		/* Renamed upon itself nothing happens, in either layer. */
		WORKS(rename(V("b"), V("b2")));
		WORKS(rename(V("o"), V("o2")));
		EXPECT_STREQ("b b2 bd d e m o o2 o3", names(a.v))
			WAY();
	}
}

TEST_F(merged, MG8_flags_of_rename)
{
	EACH_WAY {
		const char *orig, *back;

		LAY("o1 o2 d/o od/x both m/o e/x", "b1 b2 d/b bd/x both m/b");
		MERGE(0);
		orig = tree(a.o, true);
		back = tree(a.b, true);
		FAILS(EEXIST, move(V("b1"), V("o1"), RENAME_NOREPLACE));
		FAILS(EEXIST, move(V("b1"), V("b2"), RENAME_NOREPLACE));
		FAILS(EEXIST, move(V("o1"), V("o2"), RENAME_NOREPLACE));
		FAILS(EEXIST, move(V("o1"), V("b1"), RENAME_NOREPLACE));
		FAILS(EEXIST, move(V("b1"), V("e/x"), RENAME_NOREPLACE));
		FAILS(EEXIST, move(V("bd"), V("od"), RENAME_NOREPLACE));
		FAILS(EXDEV, move(V("o1"), V("bd/new"), RENAME_NOREPLACE));
		FAILS(EXDEV, move(V("b1"), V("o1"), RENAME_EXCHANGE));
		FAILS(EXDEV, move(V("o1"), V("b1"), RENAME_EXCHANGE));
		FAILS(EXDEV, move(V("o1"), V("both"), RENAME_EXCHANGE));
		FAILS(EXDEV, move(V("d/o"), V("d/b"), RENAME_EXCHANGE));
		FAILS(EXDEV, move(V("m"), V("bd"), RENAME_EXCHANGE));
		FAILS(EXDEV, move(V("od"), V("m"), RENAME_EXCHANGE));
		FAILS(ENOENT, move(V("o1"), V("none"), RENAME_EXCHANGE));
		FAILS(ENOENT, move(V("b1"), V("none"), RENAME_EXCHANGE));
		FAILS(EINVAL, move(V("b1"), V("b2"), RENAME_EXCHANGE |
						     RENAME_NOREPLACE));
		FAILS(EINVAL, move(V("b1"), V("w"), RENAME_WHITEOUT));
		FAILS(EINVAL, move(V("b1"), V("b2"), RENAME_WHITEOUT));
		FAILS(EINVAL, move(V("o1"), V("w"), RENAME_WHITEOUT));
		FAILS(EINVAL, move(V("both"), V("w"), RENAME_WHITEOUT));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
		EXPECT_STREQ(back, tree(a.b, true))
			WAY();
		WORKS(move(V("b1"), V("b3"), RENAME_NOREPLACE));
		WORKS(move(V("o1"), V("o3"), RENAME_NOREPLACE));
		WORKS(move(V("b3"), V("e/b1"), RENAME_NOREPLACE));
		WORKS(move(V("o3"), V("d/o1"), RENAME_NOREPLACE));
		IS("b2=b bd/ bd/x=b both=b d/ d/b=b d/o=o d/o1=o e/ e/b1=b e/x=o m/ m/b=b m/o=o o2=o od/ od/x=o",
		   a.v);
		/* Exchanged within a layer; unlike kinds, too. */
		EXPECT_EQ(0, put(V("b2"), "b2"));
		EXPECT_EQ(0, put(V("o2"), "o2"));
		WORKS(move(V("b2"), V("d/b"), RENAME_EXCHANGE));
		WORKS(move(V("o2"), V("d/o"), RENAME_EXCHANGE));
		WORKS(move(V("both"), V("d/b"), RENAME_EXCHANGE));
		WORKS(move(V("o2"), V("od"), RENAME_EXCHANGE));
		WORKS(move(V("b2"), V("bd"), RENAME_EXCHANGE));
		ARE("b2/ b2/x=b bd=b both=b2 d/ d/b=b d/o=o2 d/o1=o e/ e/b1=b e/x=o m/ m/b=b m/o=o o2/ o2/x=o od=o",
		    "both=o d/ d/o=o2 d/o1=o e/ e/x=o m/ m/o=o o2/ o2/x=o od=o",
		    "b2/ b2/x=b bd=b both=b2 d/ d/b=b e/ e/b1=b m/ m/b=b");
	}
}

/* How editors save. */
TEST_F(merged, MG8_a_temporary_file_renamed_over)
{
	static const char *const files[] = { "o", "e/o", "d/o", "d/b", "b" };

	EACH_WAY {
		const char *was;
		unsigned int i;
		int round;

		LAY("o e/o d/o s/s", "d/b b");
		was = tree(a.o, true);
		MERGE(0);
		for (i = 0; i < ARRAY_SIZE(files); i++)
			for (round = 0; round < 2; round++) {
				const char *at = V(files[i]);
				const char *text = path("saved %d", round);

				EXPECT_EQ(0, put(path("%s~", at), text));
				WORKS(rename(path("%s~", at), at));
				EXPECT_STREQ(text, get(at))
					TH_LOG("%s: %s", way_names[way], at);
				EXPECT_STREQ(text, get(B(files[i])))
					WAY();
			}
		IS("b=saved 1 d/ d/b=saved 1 d/o=saved 1 e/ e/o=saved 1 o=saved 1 s/ s/s=o",
		   a.v);
		EXPECT_EQ(0, run("sed", "-i", "s/o/sed/", V("s/s"), NULL))
			WAY();
		EXPECT_EQ(0, run("sed", "-i", "s/saved/sed/", V("e/o"), NULL))
			WAY();
		EXPECT_STREQ("sed", get(V("s/s")));
		EXPECT_STREQ("sed 1", get(V("e/o")));
		EXPECT_STREQ("s", names(V("s")));
		EXPECT_STREQ(was, tree(a.o, true))
			WAY();
		/* The last one away: the original is there still. */
		WORKS(unlink(V("e/o")));
		EXPECT_STREQ("o", get(V("e/o")))
			WAY();
	}
}

/* There is no moment without the name, and none with half of it. */
TEST_F(merged, MG8_a_rename_is_atomic)
{
	EACH_WAY {
		unsigned int i, n = scaled(400) + 20;
		const char *at;
		int ends[2];
		pid_t pid;

		LAY("d/f", "");
		MERGE(0);
		at = V("d/f");
		ASSERT_EQ(0, ERR(pipe(ends)));
		pid = fork();
		if (!pid) {
			char stop, text[8];
			int fd, bad = 0;

			close(ends[1]);
			fcntl(ends[0], F_SETFL, O_NONBLOCK);
			while (read(ends[0], &stop, 1) < 0 && !bad) {
				fd = open(at, O_RDONLY | O_CLOEXEC);
				if (fd < 0)
					bad = errno;
				else if (read(fd, text, 1) != 1)
					bad = 200;
				else if (*text != 'o' && *text != 'n')
					bad = 201;
				if (fd >= 0)
					close(fd);
			}
			_exit(bad);
		}
		close(ends[0]);
		for (i = 0; i < n; i++) {
			/* Every now and then it is the original's again. */
			if (i % 8 == 7)
				EXPECT_EQ(0, ERR(unlink(at)));
			EXPECT_EQ(0, put(V("d/f~"), "n"));
			EXPECT_EQ(0, ERR(rename(V("d/f~"), at)));
			if (i % 8 == 3) {
				EXPECT_EQ(0, put(V("d/g"), "n"));
				EXPECT_EQ(0, ERR(move(V("d/g"), at,
						      RENAME_EXCHANGE)));
				EXPECT_EQ(0, ERR(unlink(V("d/g"))));
			}
		}
		close(ends[1]);
		EXPECT_STREQ("no error", error_of(reap(pid)))
			WAY();
		ARE("d/ d/f=n", "d/ d/f=o", "d/ d/f=n");
	}
}

/* What was changed through the link is known, until it is changed below. */
TEST_F(merged, MG4_MG8_LB4_changed_through_the_link_and_below)
{
	EACH_WAY {
		int i;

		LAY("d/a d/o d/x x", "d/b d/m e/");
		MERGE(0);
		for (i = 0; i < 2; i++) {
			/* In the backing. */
			WORKS(rename(V("d/b"), V("d/n")));
			EXPECT_STREQ("b", get(V("d/n")))
				WAY();
			FAILS(ENOENT, access(V("d/b"), F_OK));
			ASSERT_EQ(0, put(B("d/t"), "new"));
			ASSERT_EQ(0, ERR(rename(B("d/t"), B("d/n"))));
			EXPECT_STREQ("new", get(V("d/n")))
				WAY();
			ASSERT_EQ(0, put(O("d/b"), "orig"));
			EXPECT_STREQ("orig", get(V("d/b")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(O("d/b"))));
			ASSERT_EQ(0, ERR(rename(B("d/n"), B("d/b"))));
			FAILS(ENOENT, access(V("d/n"), F_OK));
			EXPECT_STREQ("new", get(V("d/b")))
				WAY();
			WORKS(rename(V("d/b"), V("d/n")));
			WORKS(rename(V("d/n"), V("d/b")));
			ASSERT_EQ(0, ERR(rename(B("d"), B("d2"))));
			FAILS(ENOENT, access(V("d/b"), F_OK));
			EXPECT_STREQ("o", get(V("d/a")))
				WAY();
			ASSERT_EQ(0, ERR(rename(B("d2"), B("d"))));
			EXPECT_STREQ("new", get(V("d/b")))
				WAY();
			/* In the original, which something may be made above. */
			WORKS(rename(V("d/a"), V("d/n")));
			EXPECT_STREQ("o", get(V("d/n")))
				WAY();
			ASSERT_EQ(0, put(B("d/n"), "b"));
			ASSERT_EQ(0, put(B("d/a"), "b"));
			EXPECT_STREQ("b", get(V("d/n")))
				WAY();
			EXPECT_STREQ("b", get(V("d/a")))
				WAY();
			FAILS(EXDEV, rename(V("d/x"), V("d/n")));
			FAILS(EEXIST, move(V("d/x"), V("d/n"), RENAME_NOREPLACE));
			WORKS(unlink(V("d/n")));
			ASSERT_EQ(0, ERR(unlink(B("d/a"))));
			EXPECT_STREQ("o", get(V("d/n")))
				WAY();
			WORKS(move(V("d/n"), V("d/a"), RENAME_NOREPLACE));
			EXPECT_STREQ("o", get(V("d/a")))
				WAY();
			/* Over the original's, which is there still. */
			FAILS(EEXIST, move(V("d/m"), V("d/o"), RENAME_NOREPLACE));
			WORKS(rename(V("d/m"), V("d/o")));
			EXPECT_STREQ("b", get(V("d/o")))
				WAY();
			ASSERT_EQ(0, ERR(rename(B("d/o"), B("d/m"))));
			EXPECT_STREQ("o", get(V("d/o")))
				WAY();
			EXPECT_STREQ("b", get(V("d/m")))
				WAY();
			/* Made. */
			FAILS(ENOENT, access(V("d/c"), F_OK));
			EXPECT_EQ(0, put(V("d/c"), "made"));
			EXPECT_STREQ("made", get(B("d/c")))
				WAY();
			ASSERT_EQ(0, put(O("d/c"), "orig"));
			EXPECT_STREQ("made", get(V("d/c")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(B("d/c"))));
			EXPECT_STREQ("orig", get(V("d/c")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(O("d/c"))));
			FAILS(ENOENT, access(V("d/c"), F_OK));
			EXPECT_EQ(0, ERR(symlink("a", V("d/c"))));
			EXPECT_STREQ("o", get(V("d/c")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(B("d/c"))));
			FAILS(ENOENT, access(V("d/c"), F_OK));
			/* By another name in the meantime. */
			WORKS(link(V("d/b"), V("d/c")));
			EXPECT_EQ(ino_of(B("d/b")), ino_of(V("d/c")))
				WAY();
			WORKS(rename(V("d/b"), V("d/c")));
			IS("a=o b=new c=new m=b o=o x=o", V("d"));
			WORKS(unlink(V("d/c")));
			IS("a=o b=new m=b o=o x=o", V("d"));
			ASSERT_EQ(0, put(B("d/b"), "b"));
			/* And in the directory that the link begins at. */
			WORKS(rename(V("x"), V("y")));
			EXPECT_STREQ("o", get(V("y")))
				WAY();
			ASSERT_EQ(0, put(B("y"), "b"));
			EXPECT_STREQ("b", get(V("y")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(B("y"))));
			WORKS(rename(V("y"), V("x")));
		}
		IS("d/ d/a=o d/b=b d/m=b d/o=o d/x=o e/ x=o", a.v);
	}
}

TEST_F(merged, MG8_mv_copies)
{
	EACH_WAY {
		LAY("o m/o2 m/s/o3", "b m/b2 bd/");
		MERGE(0);
		EXPECT_EQ(0, run("mv", V("o"), V("b"), NULL))
			WAY();
		ARE("b=o bd/ m/ m/b2=b m/o2=o m/s/ m/s/o3=o",
		    "m/ m/o2=o m/s/ m/s/o3=o", "b=o bd/ m/ m/b2=b");
		EXPECT_EQ(0, run("mv", V("m"), V("n"), NULL))
			WAY();
		ARE("b=o bd/ n/ n/b2=b n/o2=o n/s/ n/s/o3=o", "",
		    "b=o bd/ n/ n/b2=b n/o2=o n/s/ n/s/o3=o");
	}
}

TEST_F(merged, RO4_the_original_is_writable)
{
	static const char *const theirs[] = { "h", "both", "d/b", "d", "bd", "." };

	EACH_WAY {
		const char *was, *at;
		unsigned int i;
		int err;

		LAY("f g both d/o od/g od2/ e/", "h both d/b bd/x e/");
		ASSERT_EQ(0, ERR(chmod(B("h"), 0666)));
		was = tree(a.b, true);
		MERGE(RO);
		IS("bd/ bd/x=b both=b d/ d/b=b d/o=o e/ f=o g=o h=b od/ od/g=o od2/",
		   a.v);
		/* What is B's cannot be changed, though the original has one. */
		for (i = 0; i < ARRAY_SIZE(theirs); i++) {
			at = V(theirs[i]);
			FAILS(EROFS, chmod(at, 0700));
			FAILS(EROFS, chown(at, 1, 1));
			FAILS(EROFS, set_times(at));
			FAILS(EROFS, setxattr(at, "trusted.x", "x", 1, 0));
			if (i > 2)
				continue;
			EXPECT_EQ(EROFS, err_open(at, O_RDWR))
				WAY();
			EXPECT_EQ(EROFS, err_open(at, O_WRONLY | O_APPEND));
			EXPECT_EQ(EROFS, err_open(at, O_RDONLY | O_TRUNC));
			EXPECT_EQ(EROFS, err_open(at, O_RDWR | O_CREAT));
			FAILS(EROFS, truncate(at, 0));
			FAILS(EROFS, unlink(at));
			FAILS(EROFS, rename(at, V("new")));
			FAILS(EROFS, rename(at, V("d/new")));
			FAILS(EROFS, rename(at, V("f")));
			FAILS(EROFS, link(at, V("new")));
			FAILS(EROFS, access(at, W_OK));
		}
		FAILS(EROFS, rmdir(V("e")));
		FAILS(EROFS, rename(V("bd"), V("bd2")));
		FAILS(EROFS, unlink(V("bd/x")));
		IS("both=o d/ d/o=o e/ f=o g=o od/ od/g=o od2/", a.o);
		/* Nothing that is new can be made. */
		for (at = ".\0d\0od\0bd\0od2\0\0"; *at; at += strlen(at) + 1) {
			const char *new = V(path("%s/new", at));

			FAILS(EROFS, open(new, O_CREAT | O_RDWR, 0644));
			FAILS(EROFS, open(new, O_CREAT | O_EXCL | O_RDWR, 0644));
			FAILS(EROFS, open(new, O_CREAT | O_RDONLY, 0644));
			FAILS(EROFS, open(V(at), O_TMPFILE | O_RDWR, 0644));
			FAILS(EROFS, mkdir(new, 0755));
			FAILS(EROFS, symlink("x", new));
			FAILS(EROFS, mkfifo(new, 0600));
			FAILS(EROFS, mknod(new, S_IFCHR | 0600, makedev(1, 3)));
			FAILS(ENOENT, access(new, F_OK));
		}
		/* What B has is not replaced by what the original has. */
		err = ERR(rename(V("f"), V("h")));
		EXPECT_TRUE(err == EROFS || err == EXDEV)
			TH_LOG("%s: %s", way_names[way], strerror(err));
		EXPECT_STREQ("b", get(V("h")));
		/* Modes: B's without, the original's as they are. */
		EXPECT_EQ(0444u, mode_of(V("h")))
			WAY();
		EXPECT_EQ(0444u, mode_of(V("both")));
		EXPECT_EQ(0555u, mode_of(V("d")))
			WAY();
		EXPECT_EQ(0555u, mode_of(V("bd")));
		EXPECT_EQ(0555u, mode_of(a.v))
			WAY();
		EXPECT_EQ(0644u, mode_of(V("f")))
			WAY();
		EXPECT_EQ(0644u, mode_of(V("d/o")));
		EXPECT_EQ(0755u, mode_of(V("od")))
			WAY();
		/* What is the original's is written in place. */
		for (at = "f\0d/o\0od/g\0\0"; *at; at += strlen(at) + 1) {
			EXPECT_EQ(0, add(V(at), "!"))
				WAY();
			EXPECT_STREQ("o!", get(O(at)));
			EXPECT_EQ(0, err_open(V(at), O_RDWR | O_CREAT));
			WORKS(truncate(V(at), 1));
			WORKS(chmod(V(at), 0640));
			WORKS(chown(V(at), USER, USER));
			WORKS(set_times(V(at)));
			WORKS(setxattr(V(at), "trusted.x", "x", 1, 0));
			WORKS(access(V(at), W_OK));
			EXPECT_EQ(0640u, mode_of(O(at)));
			EXPECT_STREQ(facts(O(at)), facts(V(at)));
			FAILS(EEXIST, open(V(at), O_CREAT | O_EXCL | O_RDWR, 0644));
		}
		WORKS(chmod(V("od"), 0711));
		EXPECT_EQ(0711u, mode_of(O("od")));
		WORKS(rename(V("f"), V("f2")));
		WORKS(rename(V("f2"), V("g")));
		WORKS(rename(V("g"), V("d/g")));
		WORKS(rename(V("d/g"), V("d/o")));
		WORKS(rename(V("od"), V("od3")));
		WORKS(unlink(V("od3/g")));
		WORKS(rmdir(V("od3")));
		WORKS(unlink(V("d/o")));
		ARE("bd/ bd/x=b both=b d/ d/b=b e/ h=b od2/",
		    "both=o d/ e/ od2/", "bd/ bd/x=b both=b d/ d/b=b e/ h=b");
		EXPECT_STREQ(was, tree(a.b, true))
			WAY();
		/* RO3 */
		ASSERT_EQ(0, put(B("h"), "changed"));
		EXPECT_STREQ("changed", get(V("h")));
		ASSERT_EQ(0, ERR(unlink(B("both"))));
		EXPECT_EQ(0, add(V("both"), "!"))
			WAY();
		EXPECT_STREQ("o!", get(O("both")));
		/* A backing that is not there is not made. */
		ASSERT_EQ(0, rm_rf(a.b));
		FAILS(EROFS, mkdir(V("new"), 0755));
		FAILS(EROFS, open(V("od2/new"), O_CREAT | O_RDWR, 0644));
		EXPECT_EQ(0, add(V("both"), "!"));
		FAILS(ENOENT, access(a.b, F_OK));
	}
}

TEST_F(merged, EX5_an_exception_shows_the_original_only)
{
	int flags;

	for (flags = 0; flags < 2; flags++) {
		EACH_WAY {
			const char *except[] = { V("keep"), V("f"), V("x/y/z") };
			const char *was;

			LAY("keep/o keep/deep/x f both beside x/o x/y/z/in",
			    "keep/b keep/deep/y f more both x/b");
			was = tree(a.b, true);
			ASSERT_EQ(0, link_make_opts(a.v, a.b,
						    MERGED | (flags ? RO : 0),
						    a.attach, except, 3))
				TH_LOG("%s: %s", way_names[way], link_why());
			IS("beside=o both=b f=o keep/ keep/deep/ keep/deep/x=o keep/o=o more=b x/ x/b=b x/o=o x/y/ x/y/z/ x/y/z/in=o",
			   a.v);
			EXPECT_TRUE(same_inode(O("keep"), V("keep")))
				WAY();
			EXPECT_TRUE(same_inode(O("f"), V("f")));
			/* What is new is made in the original, and all else. */
			EXPECT_EQ(0, put(V("keep/new"), "new"))
				WAY();
			WORKS(mkdir(V("keep/deep/dir"), 0755));
			WORKS(rename(V("keep/new"), V("keep/deep/y")));
			WORKS(rename(V("keep/o"), V("keep/b")));
			WORKS(symlink("to", V("x/y/z/l")));
			EXPECT_EQ(0, make_tmp(V("keep"), V("keep/tmp")))
				WAY();
			EXPECT_EQ(0, add(V("f"), "!"));
			IS("beside=o both=o f=o! keep/ keep/b=o keep/deep/ keep/deep/dir/ keep/deep/x=o keep/deep/y=new keep/tmp=tmp x/ x/o=o x/y/ x/y/z/ x/y/z/in=o x/y/z/l->to",
			   a.o);
			EXPECT_STREQ(was, tree(a.b, true))
				WAY();
			/* The name itself, too: B's is not behind it. */
			WORKS(unlink(V("f")));
			FAILS(ENOENT, access(V("f"), F_OK));
			FAILS(ENOENT, access(O("f"), F_OK));
			EXPECT_EQ(0, put(V("f"), "again"))
				WAY();
			EXPECT_STREQ("again", get(O("f")));
			EXPECT_STREQ(was, tree(a.b, true))
				WAY();
			/* Beside it is as ever. */
			FAILS(flags ? EROFS : 0, mkdir(V("x/new"), 0755));
			FAILS(flags ? EROFS : 0, mkdir(V("x/y/new"), 0755));
			FAILS(flags ? EROFS : 0, unlink(V("both")));
			EXPECT_EQ(0, add(V("beside"), "!"));
			EXPECT_STREQ("o!", get(O("beside")));
			FAILS(ENOENT, access(O("x/new"), F_OK));
			if (!flags) {
				EXPECT_STREQ("o", get(V("both")));
				IS("b=b new/ y/ y/new/", B("x"));
				EXPECT_STREQ("new z", names(V("x/y")))
					WAY();
			}
			EXPECT_EQ(0, link_drop(a.v))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("again", get(V("f")));
		}
	}
}

/* NE2, NE4: whichever was made first, and no trace of it at B. */
TEST_F(merged, NE6_NE2_NE4_three_layers)
{
	int order;

	for (order = 0; order < 2; order++) {
		EACH_WAY {
			LAY("n/o n/x n/m/o n/e/ top", "n/b n/x n/m/b n/e/ other");
			ASSERT_EQ(0, lay(a.c, "c", "c x m/c e/"));
			if (order)
				ASSERT_EQ(0, link_make_flags(V("n"), a.c, MERGED,
							     NULL, 0))
					TH_LOG("%s", link_why());
			MERGE(0);
			if (!order)
				ASSERT_EQ(0, link_make_flags(V("n"), a.c, MERGED,
							     NULL, 0))
					TH_LOG("%s", link_why());
			ARE("n/ n/b=b n/c=c n/e/ n/m/ n/m/b=b n/m/c=c n/m/o=o n/o=o n/x=c other=b top=o",
			    "n/ n/e/ n/m/ n/m/o=o n/o=o n/x=o top=o",
			    "n/ n/b=b n/e/ n/m/ n/m/b=b n/x=b other=b");
			EXPECT_TRUE(same_inode(a.c, V("n")))
				WAY();
			/* One comes to light after the other. */
			WORKS(unlink(V("n/x")));
			EXPECT_STREQ("b", get(V("n/x")))
				WAY();
			WORKS(unlink(V("n/x")));
			EXPECT_STREQ("o", get(V("n/x")))
				WAY();
			WORKS(unlink(V("n/x")));
			FAILS(ENOENT, access(V("n/x"), F_OK));
			/* New things in the first layer, changes in place. */
			EXPECT_EQ(0, put(V("n/new"), "new"))
				WAY();
			WORKS(mkdir(V("n/m/d"), 0755));
			WORKS(mkdir(V("beside"), 0755));
			EXPECT_EQ(0, add(V("n/o"), "!"));
			EXPECT_EQ(0, add(V("n/b"), "!"));
			/* Within a layer, and as long as it is seen then. */
			WORKS(rename(V("n/c"), V("n/o")));
			WORKS(rename(V("n/b"), V("n/b2")));
			WORKS(rename(V("n/b2"), V("n/m/b2")));
			WORKS(rename(V("n/m/o"), V("n/o9")));
			FAILS(EXDEV, rename(V("n/m/b2"), V("n/o")));
			FAILS(EXDEV, rename(V("n/m/b2"), V("n/m/c")));
			FAILS(EXDEV, rename(V("n/o9"), V("n/m/b")));
			FAILS(EXDEV, rename(V("n/o9"), V("n/m/d/o")));
			FAILS(EXDEV, rename(V("n/m"), V("n/m2")));
			FAILS(EXDEV, link(V("n/m/b2"), V("n/m/d/l")));
			FAILS(ENOTEMPTY, rmdir(V("n/m")));
			WORKS(rmdir(V("n/e")));
			IS("m/ m/b=b m/b2=b! m/c=c m/d/ new=new o=c o9=o",
			   V("n"));
			IS("m/ m/c=c m/d/ new=new o=c", a.c);
			IS("m/ m/b=b m/b2=b!", B("n"));
			IS("m/ o=o! o9=o", O("n"));
			EXPECT_STREQ("beside n other", names(a.b));
			EXPECT_EQ(-EBUSY, link_drop(a.v));
			EXPECT_EQ(0, link_drop(V("n")))
				TH_LOG("%s", link_why());
			IS("m/ m/b=b m/b2=b! o=o! o9=o", V("n"));
		}
	}
}

TEST_F(merged, NE6_four_layers)
{
	EACH_WAY {
		LAY("n/m/o n/m/x n/m/e/", "n/m/b n/m/x n/m/e/");
		ASSERT_EQ(0, lay(a.c, "c", "m/c m/x m/e/"));
		ASSERT_EQ(0, lay(a.d, "d", "d x e/"));
		/* The one in the middle last. */
		MERGE(0);
		ASSERT_EQ(0, link_make_flags(V("n/m"), a.d, MERGED, NULL, 0))
			TH_LOG("%s", link_why());
		IS("n/ n/m/ n/m/b=b n/m/d=d n/m/e/ n/m/o=o n/m/x=d", a.v);
		ASSERT_EQ(0, link_make_flags(V("n"), a.c, MERGED, NULL, 0))
			TH_LOG("%s", link_why());
		IS("n/ n/m/ n/m/b=b n/m/c=c n/m/d=d n/m/e/ n/m/o=o n/m/x=d",
		   a.v);
		WORKS(unlink(V("n/m/x")));
		EXPECT_STREQ("c", get(V("n/m/x")))
			WAY();
		WORKS(unlink(V("n/m/x")));
		EXPECT_STREQ("b", get(V("n/m/x")))
			WAY();
		WORKS(unlink(V("n/m/x")));
		EXPECT_STREQ("o", get(V("n/m/x")))
			WAY();
		WORKS(rmdir(V("n/m/e")));
		EXPECT_EQ(0, put(V("n/m/e"), "new"));
		WORKS(rename(V("n/m/c"), V("n/c")));
		WORKS(rename(V("n/m/b"), V("n/b")));
		WORKS(rename(V("n/m/o"), V("n/o")));
		ARE("n/ n/b=b n/c=c n/m/ n/m/d=d n/m/e=new n/m/x=o n/o=o",
		    "n/ n/m/ n/m/x=o n/o=o", "n/ n/b=b n/m/");
		IS("c=c m/", a.c);
		IS("d=d e=new", a.d);
		EXPECT_EQ(0, link_drop(V("n/m")))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, link_drop(V("n")))
			TH_LOG("%s", link_why());
		IS("n/ n/b=b n/m/ n/m/x=o n/o=o", a.v);
	}
}

/* Nothing is there that it could be merged with, and then something is. */
TEST_F(merged, NE6_AN1_LB4_nested_where_there_is_nothing)
{
	EACH_WAY {
		LAY("top", "other");
		ASSERT_EQ(0, lay(a.c, "c", "c x"));
		MERGE(0);
		ASSERT_EQ(0, link_make_flags(V("n"), a.c, MERGED, NULL, 0))
			TH_LOG("%s", link_why());
		IS("n/ n/c=c n/x=c other=b top=o", a.v);
		ASSERT_EQ(0, lay(a.o, "o", "n/o n/x"));
		IS("n/ n/c=c n/o=o n/x=c other=b top=o", a.v);
		ASSERT_EQ(0, lay(a.b, "b", "n/b n/x"));
		IS("n/ n/b=b n/c=c n/o=o n/x=c other=b top=o", a.v);
		ASSERT_EQ(0, rm_rf(O("n")));
		IS("n/ n/b=b n/c=c n/x=c other=b top=o", a.v);
		WORKS(unlink(V("n/x")));
		IS("n/ n/b=b n/c=c n/x=b other=b top=o", a.v);
		/* Of another kind there is no merging. */
		ASSERT_EQ(0, rm_rf(B("n")));
		ASSERT_EQ(0, put(B("n"), "file"));
		IS("n/ n/c=c other=b top=o", a.v);
		/* What the link leads to is gone: what is beneath it. */
		ASSERT_EQ(0, rm_rf(a.c));
		IS("n=file other=b top=o", a.v);
		ASSERT_EQ(0, ERR(unlink(B("n"))));
		IS("other=b top=o", a.v);
		ASSERT_EQ(0, lay(a.o, "o", "n/o"));
		IS("n/ n/o=o other=b top=o", a.v);
		ASSERT_EQ(0, lay(a.c, "c", "c"));
		IS("n/ n/c=c n/o=o other=b top=o", a.v);
		EXPECT_EQ(0, link_drop(V("n")))
			TH_LOG("%s", link_why());
		IS("n/ n/o=o other=b top=o", a.v);
	}
}

/* Each sort of link in each sort of link: each has its own flags. */
TEST_F_TIMEOUT(merged, NE6_CH5_flags_of_nested_links, 600)
{
	unsigned int outer, inner;

	for (outer = 0; outer < 4; outer++)
		for (inner = 0; inner < 4; inner++) {
			bool merged_out = outer & MERGED, ro_out = outer & RO;
			bool merged_in = inner & MERGED, ro_in = inner & RO;

			if (!merged_out && !merged_in)
				continue;
			EACH_WAY {
				LAY("n/o top", "n/b other");
				ASSERT_EQ(0, lay(a.c, "c", "c"));
				/* The inner one is first every other time. */
				if ((outer ^ inner) & 1)
					ASSERT_EQ(0, link_make_flags(V("n"), a.c,
								     inner, NULL, 0))
						TH_LOG("%s", link_why());
				ASSERT_EQ(0, link_make_opts(a.v, a.b, outer,
							    a.attach, NULL, 0))
					TH_LOG("%s", link_why());
				if (!((outer ^ inner) & 1))
					ASSERT_EQ(0, link_make_flags(V("n"), a.c,
								     inner, NULL, 0))
						TH_LOG("%s", link_why());
#define WHICH() TH_LOG("%s: %u in %u", way_names[way], inner, outer)
				EXPECT_STREQ(merged_out ? "n other top" :
					     "n other", names(a.v))
					WHICH();
				EXPECT_STREQ(!merged_in ? "c" : merged_out ?
					     "b c o" : "b c", names(V("n")))
					WHICH();
				EXPECT_EQ(ro_in ? EROFS : 0,
					  err_open(V("n/c"), O_RDWR))
					WHICH();
				EXPECT_EQ(ro_in ? 0444u : 0644u,
					  mode_of(V("n/c")))
					WHICH();
				EXPECT_EQ(!merged_in ? ENOENT : ro_out ? EROFS :
					  0, err_open(V("n/b"), O_RDWR))
					WHICH();
				EXPECT_EQ(merged_in && merged_out ? 0 : ENOENT,
					  err_open(V("n/o"), O_RDWR))
					WHICH();
				EXPECT_EQ(ro_in ? EROFS : 0,
					  ERR(mkdir(V("n/new"), 0755)))
					WHICH();
				EXPECT_EQ(ro_out ? EROFS : 0,
					  ERR(mkdir(V("new"), 0755)))
					WHICH();
				EXPECT_EQ(ro_out ? EROFS : 0,
					  err_open(V("other"), O_RDWR))
					WHICH();
				EXPECT_EQ(merged_out ? 0 : ENOENT,
					  err_open(V("top"), O_RDWR))
					WHICH();
				EXPECT_STREQ(ro_in ? "c" : "c new", names(a.c))
					WHICH();
				EXPECT_STREQ(ro_out ? "n other" : "n new other",
					     names(a.b))
					WHICH();
				IS("n/ n/o=o top=o", a.o);
#undef WHICH
			}
		}
}

TEST_F(merged, NE5_NE7_the_way_to_a_nested_link)
{
	EACH_WAY {
		LAY("top m/o/f", "m/b/f");
		ASSERT_EQ(0, lay(a.c, "c", "c"));
		/* Nested links need a parent that is visible when made. */
		ASSERT_EQ(0, lay(a.o, "o", "x/"));
		MERGE(0);
		ASSERT_EQ(0, link_make(V("x/y"), a.c))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, link_make(V("m/y"), a.c))
			TH_LOG("%s", link_why());
		FAILS(EBUSY, rename(V("x"), V("x2")));
		FAILS(EBUSY, rmdir(V("x")));
		FAILS(EBUSY, rename(V("m"), V("m2")));
		IS("m/ m/b/ m/b/f=b m/o/ m/o/f=o m/y/ m/y/c=c top=o x/ x/y/ x/y/c=c",
		   a.v);
		/* What is new there is made in B, the way as in the original. */
		WORKS(mkdir(V("x/new"), 0755));
		IS("m/ m/b/ m/b/f=b x/ x/new/", a.b);
		EXPECT_STREQ("new y", names(V("x")))
			WAY();
		ASSERT_EQ(0, rm_rf(B("x")));
		/* No layer has it now, or one has a file. */
		ASSERT_EQ(0, ERR(rmdir(O("x"))));
		IS("y/ y/c=c", V("x"));
		FAILS(EROFS, mkdir(V("x/new"), 0755));
		ASSERT_EQ(0, put(O("x"), "file"));
		IS("y/ y/c=c", V("x"));
		ASSERT_EQ(0, lay(a.b, "b", "x/f"));
		IS("f=b y/ y/c=c", V("x"));
		EXPECT_STREQ("m top x", names(a.v))
			WAY();
		ASSERT_EQ(0, ERR(unlink(O("x"))));
		ASSERT_EQ(0, lay(a.o, "o", "x/o x/y/hidden"));
		IS("f=b o=o y/ y/c=c", V("x"));
		EXPECT_EQ(0, link_drop(V("x/y")))
			TH_LOG("%s", link_why());
		IS("f=b o=o y/ y/hidden=o", V("x"));
		EXPECT_EQ(0, link_drop(V("m/y")))
			TH_LOG("%s", link_why());
		IS("b/ b/f=b o/ o/f=o", V("m"));
	}
}

#define STEPS	12

static const uint32_t attach[] = {
	BINDLINK_ATTACH_AUTO, BINDLINK_ATTACH_PARENT,
};

/* Directories, each with a name of its own and with one that all have. */
static int make_steps(const struct place *p, unsigned int n, const char **at)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i <= n && !err; i++) {
		/* Some on either filesystem. */
		at[i] = path("%s/step%u", i & 1 ? p->back : p->top, i);
		err = lay(at[i], path("%x", i),
			  path("f%x same sub/s%x sub/same", i, i));
	}
	return err;
}

static int drop_steps(unsigned int n, const char **at)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i <= n && !err; i++)
		err = -rm_rf(at[i]);
	return err;
}

TEST_F(merged, CH4_CH1_eight_in_a_chain)
{
	struct place *p = &self->p;
	const char *at[STEPS + 1], *only;
	unsigned int way, i, n = 8;

	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		ASSERT_EQ(0, make_steps(p, n, at));
		ASSERT_EQ(0, lay(at[0], "0", "only/deep/0"));
		/* From either end. */
		for (i = 0; i < n; i++) {
			unsigned int j = way ? i : n - 1 - i;

			ASSERT_EQ(0, link_make_opts(at[j], at[j + 1], MERGED,
						    attach[way], NULL, 0))
				TH_LOG("%u: %s", j, link_why());
		}
		EXPECT_STREQ("f0 f1 f2 f3 f4 f5 f6 f7 f8 only same sub",
			     names(at[0]));
		EXPECT_STREQ("f4 f5 f6 f7 f8 same sub", names(at[4]));
		EXPECT_STREQ("f7 f8 same sub", names(at[7]));
		EXPECT_STREQ("s0 s1 s2 s3 s4 s5 s6 s7 s8 same",
			     names(path("%s/sub", at[0])));
		for (i = 0; i <= n; i++) {
			EXPECT_STREQ(path("%u", i),
				     get(path("%s/f%u", at[0], i)));
			EXPECT_STREQ(path("%u", i),
				     get(path("%s/sub/s%u", at[0], i)));
			EXPECT_STREQ("8", get(path("%s/same", at[i])));
		}
		/* Made at the end of it, changed in place. */
		EXPECT_EQ(0, put(path("%s/new", at[0]), "new"));
		EXPECT_EQ(0, put(path("%s/sub/new", at[3]), "new"));
		only = path("%s/only/deep", at[0]);
		EXPECT_EQ(0, put(path("%s/new", only), "new"));
		EXPECT_STREQ("0 new", names(only));
		EXPECT_STREQ("f8 new only same sub", names(at[8]));
		EXPECT_STREQ("new s8 same", names(path("%s/sub", at[8])));
		EXPECT_STREQ("new", names(path("%s/only/deep", at[8])));
		EXPECT_EQ(0, rm_rf(path("%s/only", at[8])));
		EXPECT_EQ(0, add(path("%s/f5", at[0]), "!"));
		EXPECT_STREQ("5!", get(path("%s/f5", at[5])));
		EXPECT_EQ(0, put(path("%s/f5", at[0]), "5"));
		EXPECT_EQ(0, ERR(rename(path("%s/f5", at[0]),
					path("%s/sub/g", at[0]))));
		EXPECT_STREQ("5", get(path("%s/sub/g", at[5])));
		EXPECT_EQ(ENOENT, ERR(access(path("%s/sub/g", at[6]), F_OK)));
		EXPECT_EQ(EXDEV, ERR(rename(path("%s/f4", at[0]),
					    path("%s/sub/g", at[0]))));
		/* All that has that name, one after the other. */
		for (i = n + 1; i-- > 0; ) {
			EXPECT_STREQ(path("%u", i),
				     get(path("%s/same", at[0])));
			EXPECT_EQ(0, ERR(unlink(path("%s/same", at[0]))));
		}
		EXPECT_STREQ("!ENOENT", get(path("%s/same", at[0])));
		/* Two halves, and whole again. */
		ASSERT_EQ(0, link_drop(at[4]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("f0 f1 f2 f3 f4 only sub", names(at[0]));
		EXPECT_STREQ("f6 f7 f8 new sub", names(at[5]));
		ASSERT_EQ(0, link_make_opts(at[4], at[5], MERGED, attach[way],
					    NULL, 0))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("f0 f1 f2 f3 f4 f6 f7 f8 new only sub",
			     names(at[0]));
		/* One in the middle that is not merged hides what it shadows. */
		ASSERT_EQ(0, link_drop(at[4]));
		ASSERT_EQ(0, link_make_opts(at[4], at[5], 0, attach[way], NULL,
					    0))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("f0 f1 f2 f3 f6 f7 f8 new only sub", names(at[0]));
		EXPECT_EQ(0, link_clear(p->top));
		EXPECT_EQ(0, link_clear(p->back));
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		EXPECT_EQ(0, mount_count(p->back, "bindlink"));
		for (i = 0; i < 5; i++)
			EXPECT_STREQ(path(i ? "f%u sub" : "f%u only sub", i),
				     names(at[i]));
		EXPECT_STREQ("sub", names(at[5]));
		ASSERT_EQ(0, drop_steps(n, at));
	}
}

TEST_F(merged, CH4_CH3_too_long_and_in_a_circle)
{
	struct place *p = &self->p;
	const char *at[STEPS + 1];
	unsigned int way, i, n = STEPS;
	int err;

	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		ASSERT_EQ(0, make_steps(p, n, at));
		for (i = 0; i < n; i++)
			ASSERT_EQ(0, link_make_opts(at[i], at[i + 1], MERGED,
						    attach[way], NULL, 0))
				TH_LOG("%u: %s", i, link_why());
		EXPECT_STREQ("!ELOOP", names(at[0]));
		EXPECT_STREQ("!ELOOP", get(path("%s/f0", at[1])));
		EXPECT_STREQ("f4 f5 f6 f7 f8 f9 fa fb fc same sub",
			     names(at[4]));
		EXPECT_STREQ("c", get(path("%s/same", at[4])));
		ASSERT_EQ(0, link_drop(at[6]));
		EXPECT_STREQ("f0 f1 f2 f3 f4 f5 f6 same sub", names(at[0]));
		EXPECT_EQ(0, link_clear(p->top));
		EXPECT_EQ(0, link_clear(p->back));
		/* Round and round: all merged, and with a plain one. */
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, link_make_opts(at[0], at[1], MERGED,
						    attach[way], NULL, 0))
				TH_LOG("%s", link_why());
			ASSERT_EQ(0, link_make_opts(at[1], at[2], i ? MERGED : 0,
						    attach[way], NULL, 0))
				TH_LOG("%s", link_why());
			err = link_make_opts(at[2], at[0], MERGED, attach[way],
					     NULL, 0);
			ASSERT_EQ(0, err)
				TH_LOG("%s", link_why());
			EXPECT_STREQ("!ELOOP", names(at[0]));
			EXPECT_STREQ("!ELOOP", names(at[1]));
			EXPECT_STREQ("!ELOOP", get(path("%s/same", at[2])));
			EXPECT_EQ(ELOOP, ERR(mkdir(path("%s/new", at[0]), 0755)));
			ASSERT_EQ(0, link_drop(at[1]))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("f0 f1 same sub", names(at[0]));
			EXPECT_STREQ("f0 f1 f2 same sub", names(at[2]));
			ASSERT_EQ(0, link_drop(at[2]));
			ASSERT_EQ(0, link_drop(at[0]));
		}
		ASSERT_EQ(0, drop_steps(n, at));
	}
}

TEST_F(merged, CH5_RO4_read_only_anywhere_in_a_chain)
{
	struct place *p = &self->p;
	unsigned int way, ro, i, j, plain, n = 4;
	const char *at[STEPS + 1];

	for (way = 0; way < ARRAY_SIZE(attach); way++)
		for (ro = 0; ro < n; ro++)
			for (plain = 0; plain < 2; plain++) {
				ASSERT_EQ(0, make_steps(p, n, at));
				for (i = n; i-- > 0; ) {
					uint32_t flags = MERGED;

					/* The read-only one is not merged. */
					if (i == ro)
						flags = plain ? RO : MERGED | RO;
					ASSERT_EQ(0, link_make_opts(at[i], at[i + 1],
								    flags,
								    attach[way],
								    NULL, 0))
						TH_LOG("%u: %s", i, link_why());
				}
#define WHICH() TH_LOG("read-only at %u, f%u through %u", ro, i, j)
				for (j = 0; j < n; j++) {
					const char *new = path("%s/new", at[j]);
					int err = ERR(mkdir(new, 0755));

					i = 0;
					EXPECT_EQ(j <= ro ? EROFS : 0, err)
						WHICH();
					if (!err)
						EXPECT_EQ(0, ERR(rmdir(new)));
					for (i = j; i <= n; i++) {
						const char *f = path("%s/f%u",
								     at[j], i);

						err = j <= ro && i > ro ? EROFS : 0;
						if (plain && i == ro)
							err = ENOENT;
						EXPECT_EQ(err, err_open(f, O_RDWR))
							WHICH();
						EXPECT_EQ(err == EROFS ? 0444u :
							  err ? ~0u : 0644u,
							  mode_of(f))
							WHICH();
					}
				}
#undef WHICH
				EXPECT_EQ(0, link_clear(p->top));
				EXPECT_EQ(0, link_clear(p->back));
				ASSERT_EQ(0, drop_steps(n, at));
			}
}

TEST_F(merged, LB1_the_backing_comes_and_goes)
{
	EACH_WAY {
		int i;

		LAY("o both d/o", "b both d/b");
		MERGE(0);
		for (i = 0; i < 2; i++) {
			IS("b=b both=b d/ d/b=b d/o=o o=o", a.v);
			ASSERT_EQ(0, rm_rf(a.b));
			IS("both=o d/ d/o=o o=o", a.v);
			EXPECT_TRUE(same_inode(a.o, a.v))
				WAY();
			EXPECT_STREQ("v", names(a.par));
			EXPECT_STREQ(a.b, link_listed(a.v));
			EXPECT_EQ(0, add(V("o"), "!"));
			EXPECT_EQ(0, put(V("o"), "o"));
			/* Made again. */
			ASSERT_EQ(0, lay(a.b, "n", "n both"));
			IS("both=n d/ d/o=o n=n o=o", a.v);
			/* Renamed away and back. */
			ASSERT_EQ(0, ERR(rename(a.b, path("%s2", a.b))));
			IS("both=o d/ d/o=o o=o", a.v);
			ASSERT_EQ(0, ERR(rename(path("%s2", a.b), a.b)));
			IS("both=n d/ d/o=o n=n o=o", a.v);
			/* Its parent, too. */
			ASSERT_EQ(0, ERR(rename(a.up, path("%s-", a.up))));
			IS("both=o d/ d/o=o o=o", a.v);
			ASSERT_EQ(0, ERR(rename(path("%s-", a.up), a.up)));
			IS("both=n d/ d/o=o n=n o=o", a.v);
			/* A file: B's kind wins, and nothing is merged. */
			ASSERT_EQ(0, rm_rf(a.b));
			ASSERT_EQ(0, put(a.b, "file"));
			EXPECT_STREQ(way == AT_PATH ? "!ESTALE" : "file",
				     get(a.v))
				WAY();
			EXPECT_STREQ(way == AT_PATH ? "!ESTALE" : "!ENOTDIR",
				     get(V("o")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(a.b)));
			IS("both=o d/ d/o=o o=o", a.v);
			ASSERT_EQ(0, lay(a.b, "b", "b both d/b"));
		}
		IS("both=o d/ d/o=o o=o", a.o);
	}
}

TEST_F(merged, AN1_LB1_the_original_comes_and_goes)
{
	EACH_WAY {
		int i;

		/* V is what carries it, and stays. */
		if (way == AT_PATH)
			continue;
		ASSERT_EQ(0, lay(a.b, "b", "b both d/b"));
		ASSERT_EQ(0, ERR(rmdir(a.o)));
		FAILS(ENOENT, access(a.v, F_OK));
		ASSERT_EQ(0, link_make_flags(a.v, a.b, MERGED, NULL, 0))
			TH_LOG("%s: %s", way_names[way], link_why());
		if (way == AT_PARENT)
			EXPECT_STREQ("parent", link_carrier(a.v));
		for (i = 0; i < 2; i++) {
			/* Like a plain one. */
			IS("b=b both=b d/ d/b=b", a.v);
			EXPECT_STREQ("v", names(a.par))
				WAY();
			EXPECT_STREQ("", names(a.side));
			EXPECT_EQ(0, put(V("d/new"), "new"));
			EXPECT_STREQ("new", get(B("d/new")));
			WORKS(rename(V("d/new"), V("new")));
			WORKS(rename(V("d"), V("d2")));
			WORKS(rename(V("d2"), V("d")));
			WORKS(unlink(V("new")));
			ASSERT_EQ(0, ERR(rename(a.b, path("%s2", a.b))));
			FAILS(ENOENT, access(a.v, F_OK));
			EXPECT_STREQ("", names(a.par));
			ASSERT_EQ(0, ERR(rename(path("%s2", a.b), a.b)));
			/* One that appears is merged. */
			ASSERT_EQ(0, lay(a.o, "o", "o both d/o"));
			IS("b=b both=b d/ d/b=b d/o=o o=o", a.v);
			EXPECT_STREQ("v", names(a.par))
				WAY();
			FAILS(EXDEV, rename(V("d"), V("d2")));
			ASSERT_EQ(0, ERR(rename(a.b, path("%s2", a.b))));
			IS("both=o d/ d/o=o o=o", a.v);
			ASSERT_EQ(0, rm_rf(a.o));
			FAILS(ENOENT, access(a.v, F_OK));
			/* One that is no directory is not. */
			ASSERT_EQ(0, put(a.o, "file"));
			EXPECT_STREQ("file", get(a.v))
				WAY();
			ASSERT_EQ(0, ERR(rename(path("%s2", a.b), a.b)));
			IS("b=b both=b d/ d/b=b", a.v);
			EXPECT_STREQ("v", names(a.par));
			ASSERT_EQ(0, ERR(unlink(a.o)));
		}
		EXPECT_EQ(0, link_drop(a.v));
		FAILS(ENOENT, access(a.v, F_OK));
	}
}

TEST_F(merged, LB2_the_backing_is_replaced)
{
	EACH_WAY {
		const char *b2 = path("%s/b2", a.up), *up2 = path("%s-2", a.up);

		LAY("o both d/o", "b both d/b");
		ASSERT_EQ(0, lay(b2, "2", "b2 both d/b2"));
		ASSERT_EQ(0, lay(up2, "3", "b/b3 b/both b/d/b3"));
		MERGE(0);
		IS("b=b both=b d/ d/b=b d/o=o o=o", a.v);
		ASSERT_EQ(0, ERR(move(a.b, b2, RENAME_EXCHANGE)));
		IS("b2=2 both=2 d/ d/b2=2 d/o=o o=o", a.v);
		EXPECT_TRUE(same_inode(B("d"), V("d")))
			WAY();
		EXPECT_EQ(0, put(V("d/new"), "new"));
		EXPECT_STREQ("new", get(B("d/new")))
			WAY();
		ASSERT_EQ(0, ERR(unlink(B("d/new"))));
		ASSERT_EQ(0, ERR(rename(a.up, path("%s-", a.up))));
		ASSERT_EQ(0, ERR(rename(up2, a.up)));
		IS("b3=3 both=3 d/ d/b3=3 d/o=o o=o", a.v);
		ASSERT_EQ(0, ERR(move(a.up, path("%s-", a.up),
				      RENAME_EXCHANGE)));
		IS("b2=2 both=2 d/ d/b2=2 d/o=o o=o", a.v);
		/* From a working directory. */
		ASSERT_EQ(0, ERR(chdir(a.v)));
		EXPECT_STREQ("2", get("d/b2"));
		ASSERT_EQ(0, ERR(move(a.b, b2, RENAME_EXCHANGE)));
		EXPECT_STREQ("b", get("d/b"))
			WAY();
		EXPECT_STREQ("o", get("./d/o"));
		EXPECT_STREQ("!ENOENT", get("d/b2"))
			WAY();
		ASSERT_EQ(0, ERR(chdir("/")));
		/* Over an empty one. */
		ASSERT_EQ(0, rm_rf(a.b));
		ASSERT_EQ(0, ERR(mkdir(a.b, 0755)));
		IS("both=o d/ d/o=o o=o", a.v);
		ASSERT_EQ(0, ERR(rename(b2, a.b)));
		IS("b2=2 both=2 d/ d/b2=2 d/o=o o=o", a.v);
	}
}

TEST_F(merged, LB3_a_symlink_pointed_elsewhere)
{
	EACH_WAY {
		const char *sym = path("%s/sym", a.up);
		const char *tmp = path("%s/tmp", a.up);

		LAY("o both", "b both");
		ASSERT_EQ(0, lay(a.up, "2", "b2/b2 b2/both"));
		ASSERT_EQ(0, ERR(symlink("b", sym)));
		ASSERT_EQ(0, link_make_opts(a.v, sym, MERGED, a.attach, NULL, 0))
			TH_LOG("%s", link_why());
		IS("b=b both=b o=o", a.v);
		ASSERT_EQ(0, ERR(symlink("b2", tmp)));
		ASSERT_EQ(0, ERR(rename(tmp, sym)));
		IS("b2=2 both=2 o=o", a.v);
		EXPECT_EQ(0, put(V("new"), "new"));
		IS("b2=2 both=2 new=new", path("%s/b2", a.up));
		/* To nothing, gone, and back. */
		ASSERT_EQ(0, ERR(symlink("none", tmp)));
		ASSERT_EQ(0, ERR(rename(tmp, sym)));
		IS("both=o o=o", a.v);
		ASSERT_EQ(0, ERR(unlink(sym)));
		IS("both=o o=o", a.v);
		ASSERT_EQ(0, ERR(symlink("b", sym)));
		IS("b=b both=b o=o", a.v);
	}
}

/* Directly, below both, while processes are in there. */
TEST_F(merged, LB4_changes_below)
{
	EACH_WAY {
		char buf[PATH_MAX];
		int dir, i;

		LAY("d/e/o d/e/x f", "");
		MERGE(0);
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, ERR(chdir(V("d/e"))));
			dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			ASSERT_LE(0, dir);
			IS("o=o x=o", ".");
			/* B gets it by what is made in it, and directly. */
			ASSERT_EQ(0, i ? lay(a.b, "b", "d/e/new") :
					 put("new", "b"));
			EXPECT_STREQ("b", get(B("d/e/new")));
			IS("new=b o=o x=o", ".");
			IS("new=b o=o x=o", V("d/e"));
			EXPECT_STREQ(V("d/e"), getcwd(buf, sizeof(buf)) ?: "none")
				WAY();
			EXPECT_EQ(0, ERR(faccessat(dir, "new", F_OK, 0)));
			EXPECT_EQ(0, ERR(mkdirat(dir, "sub", 0755)));
			IS("new=b sub/", B("d/e"));
			EXPECT_EQ(0, put("x", "x"));
			EXPECT_STREQ("x", get(O("d/e/x")));
			EXPECT_EQ(0, put(O("d/e/x"), "o"));
			EXPECT_STREQ("o", get("x"));
			EXPECT_EQ(0, ERR(rename("o", "o2")));
			EXPECT_EQ(0, ERR(rename("o2", "o")));
			ASSERT_EQ(0, ERR(chmod(B("d/e"), 0700)));
			EXPECT_EQ(0700u, mode_of(V("d/e")))
				WAY();
			close(dir);
			ASSERT_EQ(0, ERR(chdir("/")));
			/* And has it no more. */
			ASSERT_EQ(0, rm_rf(B("d")));
			IS("o=o x=o", V("d/e"));
			EXPECT_EQ(0755u, mode_of(V("d/e")))
				WAY();
		}
		/* Another directory in its place, in either. */
		ASSERT_EQ(0, lay(a.b, "b", "d/e/b"));
		ASSERT_EQ(0, lay(a.o, "2", "d2/e/o"));
		ASSERT_EQ(0, lay(a.b, "2", "d3/e/b"));
		EXPECT_STREQ("b o x", names(V("d/e")));
		ASSERT_EQ(0, ERR(move(O("d"), O("d2"), RENAME_EXCHANGE)));
		IS("b=b o=2", V("d/e"));
		ASSERT_EQ(0, ERR(move(B("d"), B("d3"), RENAME_EXCHANGE)));
		IS("b=2 o=2", V("d/e"));
		IS("e/ e/o=o e/x=o", V("d2"));
		ASSERT_EQ(0, rm_rf(B("d/e")));
		ASSERT_EQ(0, put(B("d/e"), "file"));
		EXPECT_STREQ("file", get(V("d/e")))
			WAY();
		ASSERT_EQ(0, ERR(unlink(B("d/e"))));
		IS("o=2", V("d/e"));
		/* What is open goes on (LB5). */
		i = open(V("f"), O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, i);
		ASSERT_EQ(0, put(B("f"), "b"));
		EXPECT_EQ(1, pread(i, buf, 1, 0));
		EXPECT_EQ('o', buf[0]);
		close(i);
		EXPECT_STREQ("b", get(V("f")));
	}
}

TEST_F(merged, WR4_WR2_acting_on_the_link)
{
	EACH_WAY {
		const char *other = path("%s/other", a.par);

		LAY("o", "b");
		MERGE(0);
		if (way == AT_PATH) {
			FAILS(EBUSY, rmdir(a.v));
			FAILS(EBUSY, rename(a.v, other));
			ASSERT_EQ(0, ERR(unlink(O("o"))));
			ASSERT_EQ(0, ERR(unlink(B("b"))));
			FAILS(EBUSY, rmdir(a.v));
			IS("v/", a.side);
			IS("", a.b);
			continue;
		}
		FAILS(EXDEV, rename(a.v, other));
		FAILS(ENOTEMPTY, rmdir(a.v));
		FAILS(EISDIR, unlink(a.v));
		FAILS(EEXIST, mkdir(a.v, 0755));
		ASSERT_EQ(0, ERR(unlink(O("o"))));
		FAILS(ENOTEMPTY, rmdir(a.v));
		ASSERT_EQ(0, ERR(unlink(B("b"))));
		ASSERT_EQ(0, put(O("o"), "o"));
		FAILS(ENOTEMPTY, rmdir(a.v));
		IS("o=o", a.v);
		FAILS(0, access(a.b, F_OK));
		/* All of it goes, and the link stays. */
		WORKS(unlink(V("o")));
		WORKS(rmdir(a.v));
		FAILS(ENOENT, access(a.v, F_OK));
		FAILS(ENOENT, access(a.b, F_OK));
		FAILS(ENOENT, access(a.o, F_OK));
		EXPECT_STREQ("", names(a.par))
			WAY();
		EXPECT_STREQ(a.b, link_listed(a.v));
		/* Made again it is B. */
		WORKS(mkdir(a.v, 0700));
		FAILS(ENOENT, access(a.o, F_OK));
		EXPECT_EQ(0700u, mode_of(a.b))
			WAY();
		EXPECT_EQ(0, put(V("x"), "x"));
		IS("x=x", a.b);
		/* With no original it is as with a plain one. */
		if (strcmp(p->top, p->back)) {
			FAILS(EXDEV, rename(a.v, other));
			IS("x=x", a.v);
			continue;
		}
		WORKS(rename(a.v, other));
		IS("x=x", other);
		FAILS(ENOENT, access(a.b, F_OK));
		FAILS(ENOENT, access(a.v, F_OK));
		EXPECT_STREQ("other", names(a.par))
			WAY();
		WORKS(rename(other, a.v));
		IS("x=x", a.b);
		EXPECT_STREQ("v", names(a.par))
			WAY();
	}
}

TEST_F(merged, RM3_RM4_removed_while_in_use)
{
	EACH_WAY {
		char buf[8] = "", *map;
		int fo, fb, dir;

		LAY("o both d/o", "b both d/b");
		MERGE(0);
		EXPECT_EQ(0, put(V("new"), "new"));
		EXPECT_EQ(0, put(V("d/new"), "new"));
		fo = open(V("d/o"), O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fo);
		fb = open(V("d/b"), O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fb);
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fo, 0);
		ASSERT_NE(MAP_FAILED, map);
		dir = open(V("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ASSERT_LE(0, dir);
		ASSERT_EQ(0, ERR(chdir(V("d"))));
		ASSERT_EQ(0, link_drop(a.v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(-ENOENT, link_drop(a.v));
		/* What is looked up now is the original, as it was. */
		ARE("both=o d/ d/o=o o=o", "both=o d/ d/o=o o=o",
		    "b=b both=b d/ d/b=b d/new=new new=new");
		/* What was open goes on. */
		EXPECT_EQ(1, pread(fo, buf, 1, 0));
		EXPECT_EQ('o', *buf);
		EXPECT_EQ(1, pread(fb, buf, 1, 0));
		EXPECT_EQ('b', *buf);
		map[0] = 'm';
		EXPECT_STREQ("m", get(O("d/o")));
		EXPECT_EQ(1, pwrite(fb, "w", 1, 0));
		EXPECT_STREQ("w", get(B("d/b")));
		EXPECT_EQ(0, ERR(access(".", F_OK)))
			WAY();
		EXPECT_EQ(0, ERR(fsync(dir)));
		munmap(map, 4096);
		close(fo);
		close(fb);
		close(dir);
		ASSERT_EQ(0, ERR(chdir("/")));
		/* And once more. */
		MERGE(0);
		IS("b=b both=b d/ d/b=w d/new=new d/o=m new=new o=o", a.v);
	}
}

/* No reference is left, nor is one held while nothing is open. */
TEST_F(merged, RM5_LB7_the_filesystems_are_free)
{
	struct place *p = &self->p;
	const char *mv = path("%s/mv", p->top), *mb = path("%s/mb", p->back);
	const char *v = path("%s/v", mv), *b = path("%s/b", mb), *seen;
	const int way = AT_PATH;
	int i;

	ASSERT_EQ(0, ERR(mkdir(mv, 0755)));
	ASSERT_EQ(0, ERR(mkdir(mb, 0755)));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(mount("tmpfs", mv, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, ERR(mount("tmpfs", mb, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, lay(v, "o", "o d/e/o both x/"));
		ASSERT_EQ(0, lay(b, "b", "b d/b both x/"));
		ASSERT_EQ(0, link_make_opts(v, b, MERGED,
					    i == 2 ? BINDLINK_ATTACH_PARENT :
					    BINDLINK_ATTACH_PATH, NULL, 0))
			TH_LOG("%s", link_why());
		seen = "b=b both=b d/ d/b=b d/e/ d/e/o=o o=o x/";
		IS(seen, v);
		WORKS(mkdir(path("%s/d/e/new", v), 0755));
		WORKS(unlink(path("%s/both", v)));
		WORKS(rmdir(path("%s/x", v)));
		FAILS(ENOENT, access(path("%s/d/e/none", v), F_OK));
		if (i) {
			EXPECT_EQ(0, ERR(umount2(mb, 0)))
				TH_LOG("round %d", i);
			IS("both=o d/ d/e/ d/e/o=o o=o", v);
			ASSERT_EQ(0, ERR(mount("tmpfs", mb, "tmpfs", 0, NULL)));
			ASSERT_EQ(0, lay(b, "n", "n d/n"));
			IS("both=o d/ d/e/ d/e/o=o d/n=n n=n o=o", v);
		}
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		IS("both=o d/ d/e/ d/e/o=o o=o", v);
		EXPECT_EQ(0, ERR(umount2(mb, 0)))
			TH_LOG("round %d", i);
		EXPECT_EQ(0, ERR(umount2(mv, 0)))
			TH_LOG("round %d", i);
		umount2(mb, MNT_DETACH);
		umount2(mv, MNT_DETACH);
	}
}

/* Names that were seen before are not those that a mount hides, or uncovers. */
TEST_F(merged, LB7_mounts_inside_of_the_backing)
{
	EACH_WAY {
		int i;

		LAY("d/o d/both d/e/o n/o", "d/b d/both d/e/b");
		MERGE(0);
		for (i = 0; i < 2; i++) {
			IS("d/ d/b=b d/both=b d/e/ d/e/b=b d/e/o=o d/o=o n/ n/o=o",
			   a.v);
			FAILS(ENOENT, access(V("d/m"), F_OK));
			ASSERT_EQ(0, ERR(mount("tmpfs", B("d"), "tmpfs", 0,
					       NULL)));
			FAILS(ENOENT, access(V("d/b"), F_OK));
			FAILS(ENOENT, access(V("d/e/b"), F_OK));
			EXPECT_STREQ("o", get(V("d/both")))
				WAY();
			ASSERT_EQ(0, put(B("d/m"), "m"));
			EXPECT_STREQ("m", get(V("d/m")))
				WAY();
			IS("d/ d/both=o d/e/ d/e/o=o d/m=m d/o=o n/ n/o=o",
			   a.v);
			EXPECT_EQ(0, ERR(umount2(B("d"), 0)))
				WAY();
		}
	}
}

TEST_F(merged, TR1_TR8_identity)
{
	static const char *const dirs[] = { ".", "d", "d/m", "od", "bd" };

	EACH_WAY {
		unsigned int i, count = 0;
		char buf[PATH_MAX];
		int fd;

		LAY("o both d/o d/m/o od/f d/x kind/ d/l->o",
		    "b both d/b d/m/b bd/f d/x kind d/k->b");
		ASSERT_EQ(0, ERR(mkfifo(O("d/fifo"), 0600)));
		ASSERT_EQ(0, ERR(link(O("o"), O("od/hard"))));
		MERGE(0);
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			struct dirent *e;
			DIR *dir;

			dir = opendir(V(dirs[i]));
			ASSERT_NE(NULL, dir);
			while ((e = readdir(dir))) {
				const char *name = path("%s/%s", dirs[i],
							e->d_name);
				struct stat st, real;

				if (!strcmp(e->d_name, ".."))
					continue;
				count++;
				ASSERT_EQ(0, ERR(lstat(V(name), &st)));
				ASSERT_TRUE(!lstat(B(name), &real) ||
					    !lstat(O(name), &real));
				EXPECT_EQ(real.st_dev, st.st_dev)
					TH_LOG("%s: %s", way_names[way], name);
				EXPECT_EQ(real.st_ino, st.st_ino)
					TH_LOG("%s: %s", way_names[way], name);
				EXPECT_EQ(st.st_ino, e->d_ino)
					TH_LOG("%s: %s", way_names[way], name);
				if (e->d_type != DT_UNKNOWN)
					EXPECT_EQ(IFTODT(st.st_mode), e->d_type)
						TH_LOG("%s: %s", way_names[way],
						       name);
			}
			closedir(dir);
		}
		EXPECT_EQ(8 + 8 + 3 + 3 + 2, count)
			WAY();
		EXPECT_TRUE(same_inode(V("o"), V("od/hard")));
		/* The path that is seen is the virtual one. */
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			ASSERT_EQ(0, ERR(chdir(V(dirs[i]))));
			EXPECT_STREQ(i ? V(dirs[i]) : a.v,
				     getcwd(buf, sizeof(buf)) ?: "none")
				WAY();
		}
		ASSERT_EQ(0, ERR(chdir("/")));
		for (i = 0; i < 2; i++) {
			const char *at = V(i ? "d/o" : "d/b");

			fd = open(at, O_RDONLY | O_CLOEXEC);
			ASSERT_LE(0, fd);
			EXPECT_STREQ(at, get_link(path("/proc/self/fd/%d", fd)))
				WAY();
			close(fd);
		}
		/* Up from anywhere. */
		EXPECT_TRUE(same_inode(V("d/m/../.."), a.v))
			WAY();
		EXPECT_TRUE(same_inode(V("od/.."), a.v))
			WAY();
	}
}

/* A user reaches nothing through V that each layer by itself refuses. */
TEST_F(merged, SE3_TR9_the_original_keeps_its_secrets)
{
	EACH_WAY {
		const char *all, *orig, *back;
		pid_t pid;

		LAY("shut/secret shut/deep/secret list/secret search/known file un/o re/o st/o e/ only/o",
		    "shut/b list/b search/b bshut/b un/b re/b st/b e/");
		ASSERT_EQ(0, lay(a.o, "o", "bshut/o"));
		ASSERT_EQ(0, ERR(chmod(O("shut"), 0700)));
		ASSERT_EQ(0, ERR(chmod(O("list"), 0744)));
		ASSERT_EQ(0, ERR(chmod(O("search"), 0711)));
		ASSERT_EQ(0, ERR(chmod(O("only"), 0700)));
		ASSERT_EQ(0, ERR(chmod(O("file"), 0600)));
		ASSERT_EQ(0, ERR(chmod(O("search/known"), 0666)));
		ASSERT_EQ(0, ERR(chmod(B("bshut"), 0700)));
		ASSERT_EQ(0, ERR(chmod(B("un"), 0777)));
		ASSERT_EQ(0, ERR(chmod(B("re"), 0777)));
		ASSERT_EQ(0, ERR(chmod(B("st"), 0777)));
		ASSERT_EQ(0, ERR(chmod(O("st"), 01777)));
		MERGE(0);
		/* Known to root, so that it is in the caches. */
		dump(a.v);
		orig = tree(a.o, true);
		back = tree(a.b, true);
		pid = fork_user(USER);
		if (!pid) {
			/* Search permission of the original is asked for. */
			EXPECT_STREQ("b", get(V("shut/b")))
				WAY();
			EXPECT_NE('o', *get(V("shut/secret")))
				WAY();
			EXPECT_NE(0, ERR(access(V("shut/secret"), F_OK)))
				WAY();
			EXPECT_NE(0, ERR(access(V("shut/deep"), F_OK)))
				WAY();
			EXPECT_NE(0, ERR(access(V("shut/deep/secret"), F_OK)))
				WAY();
			EXPECT_NE(0, ERR(chdir(V("shut/deep"))));
			EXPECT_NE(0, err_open(V("shut/secret"), O_RDONLY | O_PATH));
			EXPECT_NE(0, ERR(access(V("list/secret"), F_OK)))
				WAY();
			EXPECT_STREQ("o", get(V("search/known")))
				WAY();
			EXPECT_EQ(0, add(V("search/known"), "!"));
			EXPECT_STREQ("!EACCES", get(V("only/o")))
				WAY();
			EXPECT_STREQ("!EACCES", names(V("only")))
				WAY();
			EXPECT_STREQ("!EACCES", get(V("file")));
			/* And read permission, for its names. */
			all = names(V("shut"));
			EXPECT_EQ(NULL, strstr(all, "secret"))
				TH_LOG("%s: %s", way_names[way], all);
			EXPECT_EQ(NULL, strstr(all, "deep"));
			all = names(V("search"));
			EXPECT_EQ(NULL, strstr(all, "known"))
				TH_LOG("%s: %s", way_names[way], all);
			/* B's mode is that of the merged directory. */
			EXPECT_STREQ("!EACCES", names(V("bshut")))
				WAY();
			EXPECT_STREQ("!EACCES", get(V("bshut/o")))
				WAY();
			EXPECT_STREQ("!EACCES", get(V("bshut/b")));
			/* Write permission of both, where both are changed. */
			EXPECT_EQ(EACCES, ERR(unlink(V("un/o"))))
				WAY();
			EXPECT_EQ(EACCES, ERR(rename(V("re/o"), V("re/o2"))))
				WAY();
			EXPECT_NE(0, ERR(rename(V("re/o"), V("un/o2"))))
				WAY();
			EXPECT_NE(0, ERR(link(V("re/o"), V("re/l"))))
				WAY();
			EXPECT_EQ(EPERM, ERR(unlink(V("st/o"))))
				WAY();
			EXPECT_EQ(EPERM, ERR(rename(V("st/o"), V("st/o2"))))
				WAY();
			EXPECT_EQ(EACCES, ERR(rmdir(V("e"))))
				WAY();
			_exit(_metadata->exit_code != KSFT_PASS);
		}
		EXPECT_EQ(0, reap(pid))
			WAY();
		ASSERT_EQ(0, put(O("search/known"), "o"));
		EXPECT_STREQ(orig, tree(a.o, true))
			WAY();
		EXPECT_STREQ(back, tree(a.b, true))
			WAY();
		/* What may be changed in B only is: rmdir is all or nothing. */
		ASSERT_EQ(0, ERR(mkdir(B("un/e"), 0777)));
		ASSERT_EQ(0, ERR(mkdir(O("un/e"), 0777)));
		USER_FAILS(EACCES, rmdir(V("un/e")));
		FAILS(0, access(B("un/e"), F_OK));
		FAILS(0, access(O("un/e"), F_OK));
		EXPECT_EQ(0, AS(USER, ERR(unlink(V("un/b")))))
			WAY();
		FAILS(ENOENT, access(B("un/b"), F_OK));
		/* The root of it, too. */
		ASSERT_EQ(0, ERR(chmod(a.o, 0700)));
		EXPECT_STREQ("b", get(V("list/b")))
			WAY();
		USER_FAILS(EACCES, open(V("file"), O_RDONLY));
		EXPECT_EQ(1, AS(USER, !strstr(names(a.v), "file")))
			WAY();
		EXPECT_NE(0, AS(USER, ERR(access(V("only"), F_OK))))
			WAY();
	}
}

/* What a user is refused where @x is a directory of B, beneath which it is shut. */
static int shut_out(struct __test_metadata *_metadata, const char *x)
{
	int dir;

	EXPECT_STREQ("b", get(path("%s/b", x)));
	EXPECT_STREQ("b", get(path("%s/both/b", x)));
	EXPECT_EQ(0, ERR(access(path("%s/both", x), F_OK)));
	/* Not even whether it is there. */
	EXPECT_STREQ("!EACCES", get(path("%s/secret", x)));
	EXPECT_STREQ("!EACCES", get(path("%s/none", x)));
	EXPECT_EQ(EACCES, ERR(access(path("%s/dir", x), F_OK)));
	EXPECT_EQ(EACCES, ERR(chdir(path("%s/dir", x))));
	EXPECT_STREQ("!EACCES", get(path("%s/both/secret", x)));
	EXPECT_STREQ("!EACCES", names(x));
	EXPECT_STREQ("!EACCES", names(path("%s/both", x)));
	EXPECT_EQ(EACCES, ERR(mkdir(path("%s/new", x), 0755)));
	EXPECT_EQ(EACCES, ERR(open(path("%s/new", x), O_CREAT | O_RDWR, 0644)));
	EXPECT_EQ(EACCES, ERR(rmdir(path("%s/empty", x))));
	EXPECT_EQ(EACCES, ERR(rename(path("%s/b", x), path("%s/b2", x))));
	EXPECT_EQ(EACCES, ERR(rename(path("%s/moves", x),
				     path("%s/empty", x))));
	/* From inside, too. */
	EXPECT_EQ(0, ERR(chdir(x)));
	EXPECT_STREQ("b", get("b"));
	EXPECT_STREQ("!EACCES", get("secret"));
	EXPECT_STREQ("!EACCES", get("both/secret"));
	EXPECT_STREQ("!EACCES", names("."));
	dir = open(".", O_PATH | O_DIRECTORY);
	EXPECT_LE(0, dir);
	EXPECT_EQ(EACCES, ERR(openat(dir, "secret", O_RDONLY)));
	EXPECT_EQ(EACCES, ERR(openat(dir, ".", O_RDONLY | O_DIRECTORY)));
	return _metadata->exit_code != KSFT_PASS;
}

/* How many there are, counted from the beginning. */
static int entries(DIR *dir)
{
	int n = 0;

	rewinddir(dir);
	errno = 0;
	while (readdir(dir))
		n++;
	return errno ? -errno : n;
}

/*
 * What B has is seen by who may search B; what is beneath a directory of B by who
 * may search what leads there beneath, whoever has looked before.
 */
TEST_F(merged, SE3_MG3_beneath_a_directory)
{
	EACH_WAY {
		const char *x = V("shut/deep/x"), *seen, *all;
		DIR *dir;
		int i;

		LAY("shut/deep/x/secret shut/deep/x/dir/ shut/deep/x/empty/ shut/deep/x/both/secret",
		    "shut/deep/x/b shut/deep/x/both/b shut/deep/x/empty/ shut/deep/x/moves/");
		ASSERT_EQ(0, ERR(chmod(O("shut"), 0700)));
		ASSERT_EQ(0, ERR(chmod(B("shut/deep/x"), 0777)));
		seen = "shut/ shut/deep/ shut/deep/x/ shut/deep/x/b=b "
		       "shut/deep/x/both/ shut/deep/x/both/b=b shut/deep/x/both/secret=o "
		       "shut/deep/x/dir/ shut/deep/x/empty/ shut/deep/x/moves/ shut/deep/x/secret=o";
		MERGE(0);
		for (i = 0; i < 4; i++) {
			/* First by the user, then as root has seen it. */
			EXPECT_EQ(0, AS(USER, shut_out(_metadata, x)))
				TH_LOG("%s, round %d", way_names[way], i);
			EXPECT_STREQ("b", get(V("shut/deep/x/b")));
			EXPECT_STREQ("o", get(V("shut/deep/x/secret")))
				WAY();
			EXPECT_EQ(0, AS(USER, shut_out(_metadata, x)))
				TH_LOG("%s, round %d", way_names[way], i);
			if (i != 2)
				IS(seen, a.v);
			/* The next time in other ways. */
			if (i == 0)
				forget();
			if (i == 1)
				ASSERT_EQ(0, lay(a.c, "c", "c"));
			if (i == 1)
				ASSERT_EQ(0, link_make(V("shut/deep/x/n"), a.c))
					TH_LOG("%s", link_why());
			if (i == 2) {
				all = names(x);
				EXPECT_STREQ("b both dir empty moves n secret", all);
				ASSERT_EQ(0, link_drop(V("shut/deep/x/n")));
			}
		}
		/* What is permitted now, and then no more. */
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(0, ERR(chmod(O("shut"), 0711)));
			EXPECT_EQ(0, AS(USER, strcmp("o", get(V("shut/deep/x/secret")))))
				WAY();
			EXPECT_EQ(0, AS(USER, *names(x) == '!'))
				WAY();
			EXPECT_EQ(ENOENT, AS(USER, ERR(access(V("shut/deep/x/none"),
							      F_OK))))
				WAY();
			ASSERT_EQ(0, ERR(seteuid(USER)));
			dir = opendir(x);
			ASSERT_EQ(0, ERR(seteuid(0)));
			ASSERT_NE(NULL, dir);
			EXPECT_EQ(8, entries(dir));
			ASSERT_EQ(0, ERR(chmod(O("shut"), 0700)));
			EXPECT_EQ(0, AS(USER, shut_out(_metadata, x)))
				WAY();
			/* Who has it open goes on, as in any directory. */
			EXPECT_EQ(8, entries(dir))
				WAY();
			closedir(dir);
		}
		IS(seen, a.v);
	}
}

/* What was not beneath a directory of B when it was looked for there, and then is. */
TEST_F(merged, MG3_LB4_beneath_a_directory)
{
	EACH_WAY {
		int i;

		LAY("o", "d/e/b");
		MERGE(0);
		for (i = 0; i < 3; i++) {
			EXPECT_STREQ("b", get(V("d/e/b")))
				WAY();
			/* It is known after the first round, and forgotten. */
			if (i)
				FAILS(ENOENT, access(V("d/e/x"), F_OK));
			if (i == 2)
				forget();
			ASSERT_EQ(0, lay(a.o, "o", "d/e/x"));
			EXPECT_STREQ("o", get(V("d/e/x")))
				WAY();
			ASSERT_EQ(0, ERR(rename(O("d"), O("z"))));
			FAILS(ENOENT, access(V("d/e/x"), F_OK));
			EXPECT_STREQ("o", get(V("z/e/x")))
				WAY();
			ASSERT_EQ(0, ERR(rename(O("z"), O("d"))));
			EXPECT_STREQ("o", get(V("d/e/x")))
				WAY();
			FAILS(ENOENT, access(V("z"), F_OK));
			ASSERT_EQ(0, ERR(rename(O("d/e"), O("d/f"))));
			FAILS(ENOENT, access(V("d/e/x"), F_OK));
			IS("d/ d/e/ d/e/b=b d/f/ d/f/x=o o=o", a.v);
			/* Unlike kinds do not merge. */
			ASSERT_EQ(0, put(O("d/e"), "o"));
			FAILS(ENOENT, access(V("d/e/x"), F_OK));
			EXPECT_STREQ("b", get(V("d/e/b")))
				WAY();
			ASSERT_EQ(0, ERR(unlink(O("d/e"))));
			ASSERT_EQ(0, ERR(symlink("f", O("d/e"))));
			FAILS(ENOENT, access(V("d/e/x"), F_OK));
			ASSERT_EQ(0, ERR(unlink(O("d/e"))));
			ASSERT_EQ(0, ERR(rename(O("d/f"), O("d/e"))));
			EXPECT_STREQ("o", get(V("d/e/x")))
				WAY();
			/* Another one of the same name. */
			ASSERT_EQ(0, lay(a.o, "o", "t/e/y"));
			ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, O("d"), AT_FDCWD, O("t"),
						   RENAME_EXCHANGE)));
			FAILS(ENOENT, access(V("d/e/x"), F_OK));
			EXPECT_STREQ("o", get(V("d/e/y")))
				WAY();
			EXPECT_STREQ("o", get(V("t/e/x")))
				WAY();
			/* B's goes, and what was beneath is seen. */
			ASSERT_EQ(0, ERR(rename(B("d/e"), B("d/g"))));
			EXPECT_STREQ("y", names(V("d/e")))
				WAY();
			EXPECT_STREQ("b", names(V("d/g")))
				WAY();
			ASSERT_EQ(0, ERR(rename(B("d/g"), B("d/e"))));
			IS("d/ d/e/ d/e/b=b d/e/y=o o=o t/ t/e/ t/e/x=o", a.v);
			ASSERT_EQ(0, ERR(unlink(O("d/e/y"))));
			ASSERT_EQ(0, ERR(unlink(O("t/e/x"))));
			ASSERT_EQ(0, ERR(rmdir(O("d/e"))));
			ASSERT_EQ(0, ERR(rmdir(O("t/e"))));
			ASSERT_EQ(0, ERR(rmdir(O("d"))));
			ASSERT_EQ(0, ERR(rmdir(O("t"))));
			IS("d/ d/e/ d/e/b=b o=o", a.v);
		}
	}
}

/* What is mounted beneath a directory of B belongs to the original. */
TEST_F(merged, MG3_LB7_mounts_beneath_a_directory)
{
	EACH_WAY {
		const char *m = V("d/m");

		/* What is mounted through a link goes when another is made there. */
		if (way == INSIDE)
			continue;
		LAY("d/m/hidden d/m/e/hidden", "d/m/b d/m/e/b");
		ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, lay(m, "t", "t e/t"));
		MERGE(0);
		EXPECT_STREQ("b", get(V("d/m/e/b")))
			WAY();
		EXPECT_STREQ("t", get(V("d/m/e/t")))
			WAY();
		EXPECT_STREQ("t", get(V("d/m/t")))
			WAY();
		FAILS(ENOENT, access(V("d/m/hidden"), F_OK));
		FAILS(ENOENT, access(V("d/m/e/hidden"), F_OK));
		IS("d/ d/m/ d/m/b=b d/m/e/ d/m/e/b=b d/m/e/t=t d/m/t=t", a.v);
		WORKS(unlink(V("d/m/e/t")));
		FAILS(ENOENT, access(V("d/m/e/t"), F_OK));
		ASSERT_EQ(0, link_drop(a.v))
			TH_LOG("%s: %s", way_names[way], link_why());
		IS("e/ t=t", m);
		EXPECT_EQ(0, ERR(umount2(m, 0)));
	}
}

/* As deep as a path can be: what is beneath is found step by step. */
TEST_F(merged, MG3_CH3_beneath_many_directories)
{
	EACH_WAY {
		char levels[1800];
		unsigned int i;
		struct stat st;

		for (i = 0; i + 2 < sizeof(levels); i += 2)
			memcpy(levels + i, "d/", 3);
		ASSERT_EQ(0, lay(a.o, "o", path("%so", levels)));
		ASSERT_EQ(0, lay(a.b, "b", path("%sb", levels)));
		MERGE(0);
		for (i = 0; i < 2; i++) {
			EXPECT_EQ(0, ERR(stat(V(levels), &st)))
				WAY();
			EXPECT_STREQ("o", get(V(path("%so", levels))))
				WAY();
			FAILS(ENOENT, access(V(path("%sx", levels)), F_OK));
			EXPECT_STREQ("b o", names(V(levels)))
				WAY();
			forget();
		}
		WORKS(unlink(V(path("%so", levels))));
		EXPECT_STREQ("b", names(V(levels)))
			WAY();
	}
}

TEST_HARNESS_MAIN
