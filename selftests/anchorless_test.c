// SPDX-License-Identifier: GPL-2.0
/*
 * Links that are carried by the parent of their virtual path: where there is
 * nothing at it, or something of another kind.  All else in the parent goes on
 * as if there were no link.
 */
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES_CROSS(anchorless);

/* A parent with siblings of every kind; returns its path. */
static const char *parent_in(const struct place *p)
{
	const char *par = path("%s/par", p->top);
	int err;

	err = ERR(mkdir(par, 0755)) ?: -put(path("%s/f", par), "f") ?:
	      ERR(mkdir(path("%s/d", par), 0755)) ?:
	      ERR(mkdir(path("%s/d/e", par), 0755)) ?:
	      ERR(link(path("%s/f", par), path("%s/d/hard", par))) ?:
	      -put(path("%s/d/e/g", par), "g") ?:
	      ERR(symlink("d/e/g", path("%s/s", par))) ?:
	      ERR(mkfifo(path("%s/p", par), 0600)) ?:
	      ERR(mknod(path("%s/c", par), S_IFCHR | 0666, makedev(1, 3)));
	if (err) {
		fprintf(stderr, "# the parent cannot be made: %s\n",
			strerror(err));
		abort();
	}
	return par;
}

/* What parent_in() makes, as names() has it, with a v in its place. */
#define SIBLINGS	"c d f p s"
#define SIBLINGS_V	"c d f p s v"

/* tree(), without what is at and below /v. */
static char *tree_without_v(const char *dir)
{
	char *all = tree(dir, true), *from = all, *to = all;
	char *end;

	for (; *from; from = end) {
		end = strchr(from, '\n');
		end = end ? end + 1 : from + strlen(from);
		if (!strncmp(from, "/v ", 3) || !strncmp(from, "/v/", 3))
			continue;
		memmove(to, from, end - from);
		to += end - from;
	}
	*to = '\0';
	return all;
}

/* Another mount of the parent's filesystem, upon which no tree is. */
static const char *raw_in(const struct place *p, const char *par)
{
	const char *raw = path("%s/raw", p->top);

	if (mkdir(raw, 0755) || mount(par, raw, NULL, MS_BIND, NULL) ||
	    mount(NULL, raw, NULL, MS_PRIVATE, NULL)) {
		fprintf(stderr, "# %s: %s\n", raw, strerror(errno));
		abort();
	}
	return raw;
}

/* Mounts in the place can be moved then, and are nobody else's. */
static int make_private(const struct place *p)
{
	return ERR(mount(p->top, p->top, NULL, MS_BIND, NULL)) ?:
	       ERR(mount(NULL, p->top, NULL, MS_PRIVATE, NULL));
}

static unsigned char type_of(mode_t mode)
{
	return (mode & S_IFMT) >> 12;
}

struct record {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/*
 * The entry of @name in @dir, read with a buffer of @room bytes: how often it
 * is there, with number and type of the last one.
 */
static int listed(const char *dir, size_t room, const char *name, ino_t *ino,
		  unsigned char *type, int *all)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd, found = 0;
	ssize_t n, at;

	*all = 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = syscall(SYS_getdents64, fd, buf, room)) > 0)
		for (at = 0; at < n; ) {
			struct record *r = (struct record *)(buf + at);

			at += r->len;
			(*all)++;
			if (strcmp(r->name, name))
				continue;
			found++;
			*ino = r->ino;
			*type = r->type;
		}
	close(fd);
	return n < 0 ? -1 : found;
}

TEST_F_TIMEOUT(anchorless, CR5_AN1_every_mix_of_kinds, 600)
{
	/* D and L are symlinks to a directory and to a file. */
	static const char originals[] = "-fdlpcs", backings[] = "fdpcDL";
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	unsigned int o, b;

	for (o = 0; originals[o]; o++) {
		char *before, *after;

		ASSERT_EQ(0, make_kind(v, originals[o], "original"));
		before = tree(par, true);
		for (b = 0; backings[b]; b++) {
			const char *at = p->b, *carrier;
			char kind = backings[b];
			bool is_dir = kind == 'd' || kind == 'D';
			unsigned char type = 0;
			struct stat st, sv;
			ino_t ino = 0;
			int all;

			if (kind == 'D' || kind == 'L') {
				at = path("%s/real", p->back);
				ASSERT_EQ(0, ERR(symlink("real", p->b)));
			}
			ASSERT_EQ(0, make_kind(at, is_dir ? 'd' : kind == 'L' ?
					       'f' : kind, "backing"));
			ASSERT_EQ(0, link_make(v, p->b))
				TH_LOG("%c to %c: %s", originals[o], kind,
				       link_why());
			carrier = originals[o] != '-' &&
				  (originals[o] == 'd') == is_dir ?
				  "path" : "parent";
			EXPECT_STREQ(carrier, link_carrier(v))
				TH_LOG("%c to %c", originals[o], kind);
			EXPECT_EQ(1, mounted(*carrier == 'p' &&
					     carrier[2] == 't' ? v : par));
			EXPECT_STREQ(facts(at), facts(v))
				TH_LOG("%c to %c", originals[o], kind);
			EXPECT_STREQ(facts(at), lfacts(v));
			ASSERT_EQ(0, ERR(stat(at, &st)));
			ASSERT_EQ(0, ERR(stat(v, &sv)));
			EXPECT_EQ(st.st_mode & S_IFMT, sv.st_mode & S_IFMT);
			EXPECT_STREQ(SIBLINGS_V, names(par));
			EXPECT_EQ(1, listed(par, 4096, "v", &ino, &type, &all));
			EXPECT_EQ(8, all);
			if (!strcmp(carrier, "parent")) {
				EXPECT_EQ(st.st_ino, ino);
				EXPECT_TRUE(type == DT_UNKNOWN ||
					    type == type_of(st.st_mode))
					TH_LOG("%c to %c: type %u",
					       originals[o], kind, type);
			}
			if (is_dir) {
				EXPECT_STREQ("in", names(v));
				EXPECT_STREQ("backing", get(path("%s/in", v)));
				EXPECT_EQ(0, put(path("%s/new", v), "new"));
				EXPECT_STREQ("in new", names(at));
				EXPECT_EQ(EISDIR, err_open(v, O_WRONLY));
			} else {
				EXPECT_STREQ("!ENOTDIR", names(v));
				EXPECT_EQ(ENOTDIR,
					  err_open(path("%s/x", v), O_RDONLY));
				EXPECT_EQ(ENOTDIR, err_open(v, O_RDONLY |
							    O_DIRECTORY));
			}
			if (kind == 'f' || kind == 'L') {
				EXPECT_STREQ("backing", get(v));
				EXPECT_EQ(0, add(v, " and more"));
				EXPECT_STREQ("backing and more", get(at));
			}
			ASSERT_EQ(0, link_drop(v))
				TH_LOG("%c to %c: %s", originals[o], kind,
				       link_why());
			EXPECT_EQ(0, mount_count(par, "bindlink"));
			after = tree(par, true);
			EXPECT_STREQ(before, after);
			free(after);
			ASSERT_EQ(0, rm_rf(p->b));
			ASSERT_EQ(0, rm_rf(at));
		}
		free(before);
		ASSERT_EQ(0, rm_rf(v));
	}
}

/* The same with what stands in the way carried by the parent as well. */
TEST_F(anchorless, CR5_attach_parent)
{
	static const char kinds[] = "-fdlp";
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	unsigned int o, b;

	for (o = 0; kinds[o]; o++)
		for (b = 0; b < 2; b++) {
			const char *in = b ? path("%s/in", v) : v;

			ASSERT_EQ(0, make_kind(v, kinds[o], "original"));
			ASSERT_EQ(0, make_kind(p->b, b ? 'd' : 'f', "backing"));
			ASSERT_EQ(0, link_attach(v, p->b,
						 BINDLINK_ATTACH_PARENT))
				TH_LOG("%s", link_why());
			EXPECT_STREQ("parent", link_carrier(v));
			EXPECT_EQ(0, mounted(v));
			EXPECT_EQ(1, mounted(par));
			EXPECT_STREQ("backing", get(in));
			EXPECT_STREQ(facts(p->b), facts(v));
			EXPECT_STREQ(SIBLINGS_V, names(par));
			EXPECT_EQ(-EEXIST, link_make(v, p->b));
			EXPECT_EQ(-EEXIST, link_attach(v, p->b,
						       BINDLINK_ATTACH_PARENT));
			ASSERT_EQ(0, link_drop(v))
				TH_LOG("%s", link_why());
			EXPECT_EQ(0, mounted(par));
			ASSERT_EQ(0, rm_rf(v));
			ASSERT_EQ(0, rm_rf(p->b));
		}
}

TEST_F(anchorless, AN1_appears_and_disappears)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *x = path("%s/x", v);
	unsigned int i, n = scaled(20) + 1;
	char *before = tree(par, true), *after;
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	for (i = 0; i < n; i++) {
		/* Absent, and cached so. */
		EXPECT_EQ(ENOENT, ERR(stat(v, &st)));
		EXPECT_STREQ("!ENOENT", get(x));
		EXPECT_STREQ(SIBLINGS, names(par));
		ASSERT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, ERR(stat(v, &st)));
		EXPECT_TRUE(same_inode(v, p->b));
		EXPECT_STREQ("x", get(x));
		EXPECT_STREQ(SIBLINGS_V, names(par));
		EXPECT_STREQ(p->b, link_listed(v));
		pid = fork_user(USER);
		if (!pid)
			_exit(strcmp("x", get(x)) ||
			      strcmp(SIBLINGS_V, names(par)));
		EXPECT_EQ(0, reap(pid));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, mounted(par));
	}
	EXPECT_EQ(ENOENT, ERR(stat(v, &st)));
	EXPECT_STREQ("!ENOENT", get(x));
	after = tree(par, true);
	EXPECT_STREQ(before, after);
	free(before);
	free(after);
}

TEST_F(anchorless, AN1_LB1_backing_comes_and_goes)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	static const char kinds[] = "fdpfcdf";
	struct stat st;
	unsigned int i;

	ASSERT_EQ(0, make_kind(p->b, 'd', "first"));
	ASSERT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	for (i = 0; kinds[i]; i++) {
		EXPECT_STREQ(SIBLINGS_V, names(par));
		ASSERT_EQ(0, rm_rf(p->b));
		EXPECT_EQ(ENOENT, ERR(stat(v, &st)));
		EXPECT_EQ(ENOENT, err_open(v, O_RDONLY));
		EXPECT_EQ(ENOENT, err_open(path("%s/in", v), O_RDONLY));
		/* A name that is listed can be found. */
		EXPECT_STREQ(SIBLINGS, names(par));
		EXPECT_STREQ(p->b, link_listed(v));
		/* As whatever kind: V is no mount point. */
		ASSERT_EQ(0, make_kind(p->b, kinds[i], "again"));
		EXPECT_STREQ(facts(p->b), facts(v));
		if (kinds[i] == 'd') {
			EXPECT_STREQ("again", get(path("%s/in", v)));
		} else if (kinds[i] == 'f') {
			EXPECT_STREQ("again", get(v));
		}
	}
	EXPECT_EQ(0, link_drop(v));
	EXPECT_STREQ(SIBLINGS, names(par));
}

/* A hidden original does not come to light when the backing goes. */
TEST_F(anchorless, LB1_the_hidden_one_stays_hidden)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);

	ASSERT_EQ(0, put(v, "original"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	EXPECT_STREQ("backing", get(path("%s/in", v)));
	ASSERT_EQ(0, rm_rf(p->b));
	EXPECT_STREQ("!ENOENT", get(v));
	EXPECT_STREQ("!ENOENT", facts(v));
	EXPECT_STREQ(SIBLINGS, names(par));
	ASSERT_EQ(0, put(p->b, "a file now"));
	EXPECT_STREQ("a file now", get(v));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_STREQ("original", get(v));
}

TEST_F(anchorless, AN1_CR8_nothing_physical)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *raw = raw_in(p, par), *over = path("%s/over", par);
	char *before, *now;

	ASSERT_EQ(0, put(over, "original"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	before = tree(raw, true);
	ASSERT_EQ(0, link_make(v, p->b));
	ASSERT_EQ(0, link_make(over, p->b));
	EXPECT_EQ(1, mounted(par));
	now = tree(raw, true);
	EXPECT_STREQ(before, now);
	free(now);
	EXPECT_EQ(0, put(path("%s/new", v), "new"));
	EXPECT_EQ(0, put(path("%s/new", over), "newer"));
	now = tree(raw, true);
	EXPECT_STREQ(before, now);
	free(now);
	EXPECT_STREQ("in new", names(p->b));
	EXPECT_EQ(0, link_drop(over));
	EXPECT_EQ(0, link_drop(v));
	now = tree(par, true);
	EXPECT_STREQ(before, now);
	free(now);
	free(before);
}

/* One name to seek to after the other, with room for about one at a time. */
TEST_F(anchorless, AN1_listing_with_tiny_buffers)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top);
	const char *vs[3] = {
		path("%s/m", par), path("%s/a", par), path("%s/zz", par),
	};
	static const size_t rooms[] = { 24, 32, 40, 48, 64, 100, 256, 1000 };
	char buf[4096] __attribute__((aligned(8)));
	unsigned int i, j, n = 30;
	int64_t offs[64];
	char *found[64];
	struct stat st;
	int fd;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, put(path("%s/%02u", par, i), ""));
	/* One shadows, two appear; one of them is a file. */
	ASSERT_EQ(0, put(vs[0], "original"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, put(path("%s/file", p->back), "file"));
	ASSERT_EQ(0, link_make(vs[0], p->b));
	ASSERT_EQ(0, link_make(vs[1], p->b));
	ASSERT_EQ(0, link_make(vs[2], path("%s/file", p->back)));
	for (i = 0; i < ARRAY_SIZE(rooms); i++)
		for (j = 0; j < 3; j++) {
			unsigned char type = 0;
			ino_t ino = 0;
			int all, count;

			/* Too small for any entry is EINVAL, as ever. */
			count = listed(par, rooms[i], strrchr(vs[j], '/') + 1,
				       &ino, &type, &all);
			if (count < 0) {
				EXPECT_EQ(EINVAL, errno);
				EXPECT_GT(32, rooms[i]);
				continue;
			}
			EXPECT_EQ(1, count)
				TH_LOG("%s, %zu bytes", vs[j], rooms[i]);
			EXPECT_EQ((int)n + 5, all)
				TH_LOG("%zu bytes", rooms[i]);
			EXPECT_EQ(ino_of(vs[j]), ino);
			ASSERT_EQ(0, ERR(stat(vs[j], &st)));
			EXPECT_TRUE(type == DT_UNKNOWN ||
				    type == type_of(st.st_mode));
		}
	/* lseek() to where an entry says that the next one is. */
	fd = open(par, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	n = 0;
	while ((int)(i = syscall(SYS_getdents64, fd, buf, 32)) > 0)
		for (j = 0; j < i; ) {
			struct record *r = (struct record *)(buf + j);

			ASSERT_GT(64, n);
			found[n] = strdup(r->name);
			offs[n++] = r->off;
			j += r->len;
		}
	EXPECT_EQ(35, n);
	for (i = n - 1; i > 0; i--) {
		struct record *r = (struct record *)buf;

		ASSERT_EQ(offs[i - 1], lseek(fd, offs[i - 1], SEEK_SET));
		ASSERT_LT(0, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
		EXPECT_STREQ(found[i], r->name)
			TH_LOG("after %s", found[i - 1]);
	}
	/* From the start again, the link gone meanwhile. */
	ASSERT_EQ(0, link_drop(vs[1]));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	n = 0;
	while ((int)(i = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (j = 0; j < i; n++) {
			struct record *r = (struct record *)(buf + j);

			EXPECT_STRNE("a", r->name);
			j += r->len;
		}
	EXPECT_EQ(34, n);
	close(fd);
}

TEST_F(anchorless, AN1_listing_while_siblings_come_and_go)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	unsigned int i, n = scaled(200), round;
	struct dirent *d;
	DIR *dir;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, put(path("%s/stay%u", par, i), ""));
	ASSERT_EQ(0, put(p->b, "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	for (round = 0; round < 3; round++) {
		unsigned int stay = 0, there = 0;

		dir = opendir(par);
		ASSERT_NE(NULL, dir);
		for (i = 0; (d = readdir(dir)); i++) {
			stay += !strncmp(d->d_name, "stay", 4);
			there += !strcmp(d->d_name, "v");
			if (i % 3 == 0 && i < 300)
				put(path("%s/new%u.%u", par, round, i), "");
			if (i % 5 == 0 && i < 300)
				unlink(path("%s/new%u.%u", par, round, i));
		}
		closedir(dir);
		EXPECT_EQ(n, stay);
		EXPECT_EQ(1, there);
	}
}

TEST_F_TIMEOUT(anchorless, AN1_many_in_one_parent, 600)
{
	struct place *p = &self->p;
	const char *par = parent_in(p);
	unsigned int i, n = scaled(200) + 2, left;
	uint64_t seed = rnd_seed();
	unsigned int *order = calloc(n, sizeof(*order));
	char *before = tree(par, true), *after, *want;
	size_t len;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	for (i = 0; i < n; i++) {
		order[i] = i;
		/* Directories and files in turn. */
		ASSERT_EQ(0, make_kind(path("%s/%03u", p->b, i), i & 1 ? 'd' :
				       'f', path("%u", i)));
	}
	want = strdup(names(p->b));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, link_make(path("%s/%03u", par, i),
				       path("%s/%03u", p->b, i)))
			TH_LOG("%u: %s", i, link_why());
	EXPECT_EQ((int)n, link_count(par));
	EXPECT_EQ(1, mount_count(p->top, "bindlink"));
	/* Digits come before letters. */
	len = strlen(want);
	EXPECT_EQ(0, strncmp(want, names(par), len))
		TH_LOG("%s", names(par));
	EXPECT_STREQ(" " SIBLINGS, names(par) + len);
	for (i = 0; i < n; i++)
		EXPECT_STREQ(path("%u", i),
			     get(path(i & 1 ? "%s/%03u/in" : "%s/%03u", par,
				      i)));
	for (left = n; left; left--) {
		unsigned int pick = rnd(&seed) % left, which = order[pick];

		order[pick] = order[left - 1];
		EXPECT_EQ(1, mounted(par));
		ASSERT_EQ(0, link_drop(path("%s/%03u", par, which)))
			TH_LOG("%u: %s", which, link_why());
		EXPECT_STREQ("!ENOENT", facts(path("%s/%03u", par, which)));
		if (left % 16 == 0)
			EXPECT_EQ((int)left - 1, link_count(par));
	}
	EXPECT_EQ(0, mounted(par));
	after = tree(par, true);
	EXPECT_STREQ(before, after);
	free(before);
	free(after);
	free(want);
	free(order);
}

TEST_F(anchorless, AN2_in_a_link_and_in_an_anchorless_link)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *v2 = path("%s/v2", v), *v3 = path("%s/v3", v2);
	const char *v4 = path("%s/d/e/v4", par);
	const char *b[5];
	char *before = tree(par, true), *after, *backs;
	int i;

	for (i = 1; i < 5; i++) {
		b[i] = path("%s/b%d", p->back, i);
		ASSERT_EQ(0, make_kind(b[i], i == 3 ? 'f' : 'd',
				       path("%d", i)));
	}
	backs = tree(p->back, false);
	/* The parent has to be visible. */
	EXPECT_EQ(-ENOENT, link_make(v2, b[2]));
	ASSERT_EQ(0, link_make(v, b[1]))
		TH_LOG("%s", link_why());
	EXPECT_EQ(-ENOENT, link_make(v3, b[3]));
	ASSERT_EQ(0, link_make(v2, b[2]))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, link_make(v3, b[3]))
		TH_LOG("%s", link_why());
	/* Below a directory of the carrying parent: in its tree as well. */
	ASSERT_EQ(0, link_make(v4, b[4]))
		TH_LOG("%s", link_why());
	EXPECT_EQ(1, mount_count(p->top, "bindlink"));
	EXPECT_STREQ(SIBLINGS_V, names(par));
	EXPECT_STREQ("in v2", names(v));
	EXPECT_STREQ("in v3", names(v2));
	EXPECT_STREQ("3", get(v3));
	EXPECT_STREQ("1", get(path("%s/in", v)));
	EXPECT_STREQ("2", get(path("%s/in", v2)));
	EXPECT_STREQ("4", get(path("%s/in", v4)));
	EXPECT_STREQ("g v4", names(path("%s/d/e", par)));
	/* V2 and V3 are in no backing directory. */
	EXPECT_STREQ("in", names(b[1]));
	EXPECT_STREQ("in", names(b[2]));
	EXPECT_EQ(-EBUSY, link_drop(v));
	EXPECT_EQ(-EBUSY, link_drop(v2));
	EXPECT_EQ(0, link_drop(v3));
	EXPECT_STREQ("in", names(v2));
	EXPECT_EQ(-EBUSY, link_drop(v));
	EXPECT_EQ(0, link_drop(v2));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_EQ(1, mounted(par));
	EXPECT_EQ(0, link_drop(v4));
	EXPECT_EQ(0, mount_count(p->top, "bindlink"));
	after = tree(par, true);
	EXPECT_STREQ(before, after);
	free(before);
	free(after);
	after = tree(p->back, false);
	/* The times of the place are not in it, and nothing was made in it. */
	EXPECT_STREQ(backs, after);
	free(after);
	free(backs);
}

TEST_F(anchorless, AN3_siblings_are_what_they_were)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	char *before, *after;
	const char *facts_before;
	int fd, i;

	ASSERT_EQ(0, ERR(setxattr(path("%s/f", par), "trusted.t", "t", 1, 0)));
	ASSERT_EQ(0, ERR(chown(path("%s/d/e/g", par), USER, OTHER)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	fd = open(path("%s/f", par), O_RDWR);
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		/* V over nothing and over something. */
		if (i)
			ASSERT_EQ(0, put(v, "original"));
		before = tree_without_v(par);
		facts_before = path("%s", facts(path("%s/f", par)));
		ASSERT_EQ(0, link_make(v, p->b));
		EXPECT_EQ(1, mounted(par));
		after = tree_without_v(par);
		EXPECT_STREQ(before, after);
		free(after);
		EXPECT_STREQ(facts_before, facts(path("%s/f", par)));
		EXPECT_TRUE(same_inode(path("%s/f", par),
				       path("%s/d/hard", par)));
		/* What was open, and what is opened now, are one file. */
		EXPECT_EQ(0, put(path("%s/f", par), path("written %d", i)));
		{
			char buf[32] = "";

			EXPECT_EQ(9, pread(fd, buf, sizeof(buf), 0));
			EXPECT_STREQ(path("written %d", i), buf);
		}
		EXPECT_EQ(0, put(path("%s/f", par), "f"));
		EXPECT_STREQ(path("%s/d/e/g", par) + strlen(par) + 1,
			     get_link(path("%s/s", par)));
		EXPECT_STREQ("g", get(path("%s/s", par)));
		ASSERT_EQ(0, link_drop(v));
		after = tree_without_v(par);
		EXPECT_STREQ(before, after);
		free(after);
		free(before);
	}
	close(fd);
}

TEST_F(anchorless, AN3_rename_and_link_between_siblings)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *raw = raw_in(p, par);
#define AT(name)	path("%s/" name, par)
#define RAW(name)	path("%s/" name, raw)
	ino_t f, g, d;
	int fd;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	f = ino_of(AT("f"));
	g = ino_of(AT("d/e/g"));
	d = ino_of(AT("d"));
	ASSERT_EQ(0, link_make(v, p->b));
	/* In the parent, into a directory, and deeper, and back again. */
	ASSERT_EQ(0, ERR(rename(AT("f"), AT("f2"))));
	EXPECT_EQ(f, ino_of(AT("f2")));
	EXPECT_STREQ("c d f2 p s v", names(par));
	EXPECT_STREQ("c d f2 p s", names(raw));
	ASSERT_EQ(0, ERR(rename(AT("f2"), AT("d/f2"))));
	ASSERT_EQ(0, ERR(rename(AT("d/f2"), AT("d/e/f2"))));
	EXPECT_EQ(f, ino_of(RAW("d/e/f2")));
	ASSERT_EQ(0, ERR(link(AT("d/e/g"), AT("g"))));
	EXPECT_EQ(g, ino_of(AT("g")));
	EXPECT_TRUE(same_inode(AT("g"), AT("d/e/g")));
	ASSERT_EQ(0, ERR(link(AT("d/e/f2"), AT("d/f3"))));
	EXPECT_EQ(f, ino_of(RAW("d/f3")));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, AT("g"), AT_FDCWD, AT("d/f3"),
				   RENAME_EXCHANGE)));
	EXPECT_EQ(f, ino_of(AT("g")));
	EXPECT_EQ(g, ino_of(AT("d/f3")));
	EXPECT_EQ(EEXIST, ERR(renameat2(AT_FDCWD, AT("g"), AT_FDCWD,
					AT("d/f3"), RENAME_NOREPLACE)));
	/* Directories. */
	ASSERT_EQ(0, ERR(mkdir(AT("new"), 0700)));
	ASSERT_EQ(0, ERR(rename(AT("d"), AT("new/d"))));
	EXPECT_EQ(d, ino_of(AT("new/d")));
	EXPECT_STREQ("e f3 hard", names(AT("new/d")));
	EXPECT_STREQ("e f3 hard", names(RAW("new/d")));
	EXPECT_STREQ("g", get(AT("new/d/e/g")));
	EXPECT_EQ(EINVAL, ERR(rename(AT("new"), AT("new/d/e/x"))));
	EXPECT_EQ(ENOTEMPTY, ERR(rmdir(AT("new"))));
	ASSERT_EQ(0, ERR(rename(AT("new/d"), AT("d"))));
	ASSERT_EQ(0, ERR(rmdir(AT("new"))));
	/* A file without a name that gets one. */
	fd = open(par, O_TMPFILE | O_RDWR, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(3, write(fd, "tmp", 3));
	ASSERT_EQ(0, ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				AT_FDCWD, AT("named"), AT_SYMLINK_FOLLOW)));
	close(fd);
	EXPECT_STREQ("tmp", get(RAW("named")));
	/* Everything else that makes and removes names. */
	ASSERT_EQ(0, ERR(symlink("named", AT("sym"))));
	EXPECT_STREQ("tmp", get(AT("sym")));
	ASSERT_EQ(0, ERR(mkfifo(AT("fifo"), 0600)));
	EXPECT_STREQ("c d fifo g named p s sym", names(raw));
	ASSERT_EQ(0, ERR(unlink(AT("sym"))));
	ASSERT_EQ(0, ERR(unlink(AT("fifo"))));
	ASSERT_EQ(0, ERR(unlink(AT("named"))));
	EXPECT_STREQ("c d g p s v", names(par));
	EXPECT_STREQ("c d g p s", names(raw));
	/* What is changed beneath is seen. */
	ASSERT_EQ(0, put(RAW("beneath"), "beneath"));
	EXPECT_STREQ("beneath", get(AT("beneath")));
	ASSERT_EQ(0, ERR(rename(RAW("beneath"), RAW("d/beneath"))));
	EXPECT_STREQ("!ENOENT", get(AT("beneath")));
	EXPECT_STREQ("beneath", get(AT("d/beneath")));
	ASSERT_EQ(0, ERR(unlink(RAW("d/beneath"))));
	EXPECT_STREQ("!ENOENT", get(AT("d/beneath")));
	/* And between siblings and what is below the link, as B is. */
	if (strcmp(p->top, p->back)) {
		EXPECT_EQ(EXDEV, ERR(rename(AT("g"), path("%s/g", v))));
		EXPECT_EQ(EXDEV, ERR(link(AT("g"), path("%s/g", v))));
	} else {
		ASSERT_EQ(0, ERR(link(AT("g"), path("%s/h", v))));
		EXPECT_EQ(f, ino_of(path("%s/h", p->b)));
		ASSERT_EQ(0, ERR(rename(AT("g"), path("%s/g", v))));
		EXPECT_EQ(f, ino_of(path("%s/g", p->b)));
		ASSERT_EQ(0, ERR(rename(path("%s/g", v), AT("d/g"))));
		EXPECT_EQ(f, ino_of(RAW("d/g")));
	}
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ(names(raw), names(par));
#undef AT
#undef RAW
}

#define MOUNT_TMPFS(at, text) do {					\
	ASSERT_EQ(0, ERR(mount("tmpfs", (at), "tmpfs", 0, NULL)));	\
	ASSERT_EQ(0, put(path("%s/x", (at)), (text)));			\
} while (0)

TEST_F(anchorless, AN3_mounts_below_the_parent_stay)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *m1 = path("%s/m1", par), *m2 = path("%s/d/m2", par);
	const char *m3 = path("%s/m3", m1), *mf = path("%s/f", par);
	const char *facts1, *factsf;
	int before;
	int i;

	ASSERT_EQ(0, make_private(p));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(m1, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m2, 0755)));
	ASSERT_EQ(0, put(path("%s/under", m1), "under"));
	MOUNT_TMPFS(m1, "m1");
	ASSERT_EQ(0, ERR(mkdir(m3, 0755)));
	MOUNT_TMPFS(m2, "m2");
	/* One in another, one upon another, one upon a file. */
	MOUNT_TMPFS(m3, "m3");
	MOUNT_TMPFS(m2, "m2 again");
	ASSERT_EQ(0, ERR(mount(path("%s/x", m1), mf, NULL, MS_BIND, NULL)));
	before = mount_count(p->top, NULL);
	facts1 = facts(m1);
	factsf = facts(mf);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_EQ(1, mounted(par));
		EXPECT_EQ(before + 1, mount_count(p->top, NULL));
		EXPECT_STREQ(facts1, facts(m1));
		EXPECT_STREQ(factsf, facts(mf));
		EXPECT_STREQ("m3 x", names(m1));
		EXPECT_STREQ("m1", get(path("%s/x", m1)));
		EXPECT_STREQ("m2 again", get(path("%s/x", m2)));
		EXPECT_STREQ("m3", get(path("%s/x", m3)));
		EXPECT_STREQ("m1", get(mf));
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_EQ(0, put(path("%s/y", m3), path("%d", i)));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, mounted(par));
		EXPECT_EQ(before, mount_count(p->top, NULL));
		EXPECT_STREQ(facts1, facts(m1));
		EXPECT_STREQ("m2 again", get(path("%s/x", m2)));
		EXPECT_STREQ(path("%d", i), get(path("%s/y", m3)));
		EXPECT_STREQ("m1", get(mf));
	}
	/* They are mounts as they were. */
	EXPECT_EQ(0, ERR(umount2(m3, 0)));
	EXPECT_EQ(0, ERR(umount2(mf, 0)));
	EXPECT_STREQ("f", get(mf));
	EXPECT_EQ(0, ERR(umount2(m1, 0)));
	EXPECT_STREQ("under", names(m1));
	EXPECT_EQ(0, ERR(umount2(m2, 0)));
	EXPECT_STREQ("m2", get(path("%s/x", m2)));
	EXPECT_EQ(0, ERR(umount2(m2, 0)));
	EXPECT_STREQ("", names(m2));
}

/* Mounting and unmounting below the parent, while there is the link. */
TEST_F(anchorless, AN3_mounts_below_the_parent_come_and_go)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *m1 = path("%s/m1", par), *m2 = path("%s/d/m2", par);
	const char *m3 = path("%s/m3", par), *elsewhere;
	int fd, before;

	elsewhere = path("%s/elsewhere", p->top);
	ASSERT_EQ(0, ERR(mkdir(elsewhere, 0755)));
	ASSERT_EQ(0, make_private(p));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(m1, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m2, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m3, 0755)));
	ASSERT_EQ(0, put(path("%s/under", m1), "under"));
	before = mount_count(p->top, NULL);
	MOUNT_TMPFS(m1, "m1");
	ASSERT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	/* One from before goes, and comes again. */
	ASSERT_EQ(0, ERR(umount2(m1, 0)))
		TH_LOG("%s", strerror(errno));
	EXPECT_STREQ("under", names(m1));
	EXPECT_EQ(EINVAL, ERR(umount2(m1, 0)));
	MOUNT_TMPFS(m1, "m1 again");
	EXPECT_STREQ("x", names(m1));
	/* A new one, deeper. */
	MOUNT_TMPFS(m2, "m2");
	EXPECT_STREQ("m2", get(path("%s/x", m2)));
	/* Moved, within the parent and out of it. */
	ASSERT_EQ(0, ERR(mount(m1, m3, NULL, MS_MOVE, NULL)))
		TH_LOG("%s", strerror(errno));
	EXPECT_STREQ("under", names(m1));
	EXPECT_STREQ("m1 again", get(path("%s/x", m3)));
	ASSERT_EQ(0, ERR(mount(m3, elsewhere, NULL, MS_MOVE, NULL)));
	EXPECT_STREQ("m1 again", get(path("%s/x", elsewhere)));
	EXPECT_STREQ("", names(m3));
	/* Cloned, and the clone put there. */
	fd = syscall(SYS_open_tree, AT_FDCWD, elsewhere,
		     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(syscall(SYS_move_mount, fd, "", AT_FDCWD, m1,
				 MOVE_MOUNT_F_EMPTY_PATH)));
	close(fd);
	EXPECT_STREQ("m1 again", get(path("%s/x", m1)));
	fd = syscall(SYS_open_tree, AT_FDCWD, m2,
		     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(syscall(SYS_move_mount, fd, "", AT_FDCWD, m3,
				 MOVE_MOUNT_F_EMPTY_PATH)));
	close(fd);
	EXPECT_TRUE(same_inode(m2, m3));
	/* A bind mount of a sibling, and of what is below the link. */
	ASSERT_EQ(0, ERR(umount2(m3, 0)));
	ASSERT_EQ(0, ERR(mount(path("%s/d/e", par), m3, NULL, MS_BIND, NULL)));
	EXPECT_STREQ("g", names(m3));
	ASSERT_EQ(0, ERR(umount2(m3, 0)));
	ASSERT_EQ(0, ERR(mount(v, m3, NULL, MS_BIND, NULL)));
	EXPECT_STREQ("in", names(m3));
	ASSERT_EQ(0, ERR(umount2(m3, 0)));
	/* What is mounted when the link goes stays. */
	ASSERT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, mounted(par));
	EXPECT_STREQ("m2", get(path("%s/x", m2)));
	EXPECT_STREQ("m1 again", get(path("%s/x", m1)));
	EXPECT_EQ(before + 3, mount_count(p->top, NULL));
	EXPECT_EQ(0, ERR(umount2(m2, 0)));
	EXPECT_EQ(0, ERR(umount2(m1, 0)));
	EXPECT_EQ(0, ERR(umount2(elsewhere, 0)));
	EXPECT_STREQ("under", names(m1));
	EXPECT_STREQ("", names(m2));
}

/* The same where mounts propagate. */
TEST_F(anchorless, AN3_mounts_below_a_shared_parent)
{
	struct place *p = &self->p;
	const char *m = path("%s/shared", p->top), *par, *v, *m1, *m2;
	struct place q = *p;
	int before;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, m, NULL, MS_SHARED, NULL)));
	snprintf(q.top, sizeof(q.top), "%s", m);
	par = parent_in(&q);
	v = path("%s/v", par);
	m1 = path("%s/m1", par);
	m2 = path("%s/d/m2", par);
	ASSERT_EQ(0, ERR(mkdir(m1, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m2, 0755)));
	MOUNT_TMPFS(m1, "m1");
	MOUNT_TMPFS(m1, "m1 upon it");
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	before = mount_count(p->top, NULL);
	ASSERT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_EQ(1, mounted(par));
	EXPECT_EQ(before + 1, mount_count(p->top, NULL));
	EXPECT_STREQ("m1 upon it", get(path("%s/x", m1)));
	EXPECT_EQ(0, ERR(umount2(m1, 0)));
	EXPECT_STREQ("m1", get(path("%s/x", m1)));
	MOUNT_TMPFS(m2, "m2");
	ASSERT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	EXPECT_EQ(before, mount_count(p->top, NULL));
	EXPECT_STREQ("m1", get(path("%s/x", m1)));
	EXPECT_STREQ("m2", get(path("%s/x", m2)));
	EXPECT_EQ(0, ERR(umount2(m1, 0)));
	EXPECT_EQ(0, ERR(umount2(m2, 0)));
	EXPECT_STREQ("", names(m1));
	EXPECT_EQ(0, ERR(umount2(m, 0)))
		TH_LOG("%s", strerror(errno));
}

/*
 * What each of the processes below does when asked: 0 or a step that failed.
 * Where the directory is one of a tree that is gone, it has no path.
 */
static int in_the_directory(const char *here, const char *file, int round,
			    bool gone)
{
	char cwd[PATH_MAX];

	if (!gone && (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, here)))
		return 1;
	if (strcmp(get("."), "!EISDIR") || access(file, F_OK))
		return 2;
	if (put(path("made%d", round), "made") ||
	    strcmp(get(path("%s/made%d", here, round)), "made"))
		return 3;
	if (rename(path("made%d", round), "renamed") ||
	    strcmp(get(path("%s/renamed", here)), "made"))
		return 4;
	if (unlink("renamed") || !access(path("%s/renamed", here), F_OK))
		return 5;
	if (!gone && (chdir("..") || chdir(strrchr(here, '/') + 1)))
		return 6;
	return 0;
}

/* Without a path for that in a mount: only a copy of a shared one is carried. */
static void working_directories(struct __test_metadata *_metadata,
				struct place *p, bool copied)
{
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *dirs[4] = {
		par, path("%s/d", par), path("%s/d/e", par),
		path("%s/m", par),
	};
	static const char *const files[4] = { "f", "hard", "g", "x" };
	int go[4][2], done[4][2], i, round;
	pid_t pids[4];
	char c;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(dirs[3], 0755)));
	MOUNT_TMPFS(dirs[3], "m");
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ERR(pipe2(go[i], O_CLOEXEC)));
		ASSERT_EQ(0, ERR(pipe2(done[i], O_CLOEXEC)));
		pids[i] = fork();
		if (pids[i])
			continue;
		if (chdir(dirs[i]))
			_exit(1);
		while (read(go[i][0], &c, 1) == 1 && c != 'q') {
			/* After one round with it, all are in the tree. */
			c = in_the_directory(dirs[i], files[i], c,
					     i < 3 ? c >= 4 :
						     copied && c >= 1);
			if (write(done[i][1], &c, 1) != 1)
				_exit(2);
		}
		_exit(0);
	}
	for (round = 0; round < 6; round++) {
		if (round == 1)
			ASSERT_EQ(0, link_make(v, p->b))
				TH_LOG("%s", link_why());
		if (round == 4)
			ASSERT_EQ(0, link_drop(v))
				TH_LOG("%s", link_why());
		for (i = 0; i < 4; i++) {
			c = round;
			ASSERT_EQ(1, write(go[i][1], &c, 1));
			ASSERT_EQ(1, read(done[i][0], &c, 1));
			EXPECT_EQ(0, c)
				TH_LOG("round %d, in %s, step %d", round,
				       dirs[i], c);
		}
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, write(go[i][1], "q", 1));
		EXPECT_EQ(0, reap(pids[i]));
	}
	EXPECT_EQ(0, ERR(umount2(dirs[3], 0)))
		TH_LOG("%s", strerror(errno));
}

TEST_F(anchorless, AN3_working_directories_go_on)
{
	ASSERT_EQ(0, make_private(&self->p));
	working_directories(_metadata, &self->p, false);
}

TEST_F(anchorless, AN3_working_directories_in_a_shared_mount_go_on)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, make_private(p));
	ASSERT_EQ(0, ERR(mount(NULL, p->top, NULL, MS_SHARED, NULL)));
	working_directories(_metadata, p, true);
}

/* Open files, mappings and programs of the parent, from before the link. */
TEST_F(anchorless, AN3_open_files_go_on)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *f = path("%s/f", par);
	char buf[16] = "";
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, };
	int fd, dir, status;
	pid_t pid;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	fd = open(f, O_RDWR);
	ASSERT_LE(0, fd);
	dir = open(par, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, dir);
	/* Of the open file: one of the process would go with any close. */
	ASSERT_EQ(0, ERR(fcntl(fd, F_OFD_SETLK, &lock)));
	ASSERT_EQ(0, link_make(v, p->b));
	ASSERT_EQ(5, pwrite(fd, "after", 5, 0));
	EXPECT_STREQ("after", get(f));
	ASSERT_EQ(0, put(f, "other"));
	EXPECT_EQ(5, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("other", buf);
	/* A lock from before conflicts with one through the tree. */
	pid = fork();
	if (!pid) {
		int other = open(f, O_RDWR);

		_exit(other < 0 ? 200 : ERR(fcntl(other, F_SETLK, &lock)));
	}
	status = reap(pid);
	EXPECT_TRUE(status == EAGAIN || status == EACCES)
		TH_LOG("status %d", status);
	/* By the open directory one is beneath the tree. */
	EXPECT_EQ(0, ERR(faccessat(dir, "f", F_OK, 0)));
	EXPECT_EQ(0, ERR(renameat(dir, "f", dir, "f2")));
	EXPECT_STREQ("other", get(path("%s/f2", par)));
	EXPECT_STREQ("!ENOENT", get(f));
	/* From one mount to another. */
	EXPECT_EQ(EXDEV, ERR(renameat(AT_FDCWD, path("%s/f2", par), dir, "f")));
	close(dir);
	close(fd);
	EXPECT_EQ(0, link_drop(v));
}

TEST_F(anchorless, AN3_users_may_what_they_might)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *mine = path("%s/mine", par), *f = path("%s/f", par);
	pid_t pid;
	int i;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(mkdir(mine, 0755)));
	ASSERT_EQ(0, ERR(chown(mine, USER, USER)));
	for (i = 0; i < 2; i++) {
		pid = fork_user(USER);
		if (!pid)
			_exit(err_open(f, O_WRONLY) != EACCES ? 1 :
			      put(path("%s/x", mine), "x") ? 2 :
			      ERR(unlink(f)) != EACCES ? 3 :
			      ERR(mkdir(path("%s/new", par), 0755)) !=
				      EACCES ? 4 :
			      ERR(unlink(path("%s/x", mine))) ? 5 :
			      strcmp("f", get(f)) ? 6 : 0);
		EXPECT_EQ(0, reap(pid));
		if (!i)
			ASSERT_EQ(0, link_make(v, p->b));
	}
	EXPECT_EQ(0, link_drop(v));
}

TEST_F(anchorless, AN4_exceptions_are_refused)
{
	struct place *p = &self->p;
	const char *except[] = { path("%s/keep", p->v) };

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	EXPECT_EQ(-EINVAL, link_make_flags(p->v, p->b, 0, except, 1));
	EXPECT_NE('\0', link_why()[0]);
	EXPECT_EQ(0, link_count(p->top));
	EXPECT_EQ(0, mount_count(p->top, "bindlink"));
}

TEST_F(anchorless, AN5_below_the_root_directory)
{
	struct place *p = &self->p;
	const char *v = path("/%s", strrchr(p->top, '/') + 1);
	char *before = strdup(state());
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	EXPECT_EQ(-EOPNOTSUPP, link_make(v, p->b));
	EXPECT_NE(NULL, strstr(link_why(), v))
		TH_LOG("the message does not name %s: %s", v, link_why());
	EXPECT_LT(strlen(v) + 20, strlen(link_why()))
		TH_LOG("no reason and no advice: %s", link_why());
	EXPECT_EQ(-EOPNOTSUPP, link_attach(v, p->b, BINDLINK_ATTACH_PARENT));
	EXPECT_STREQ("!ENOENT", facts(v));
	EXPECT_STREQ(before, state());
	/* The root directory of a chroot is one as well. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/b", p->top), 0755)) % EEXIST);
	pid = fork();
	if (!pid) {
		if (chroot(p->top) || chdir("/"))
			_exit(200);
		_exit(-link_make("/anchorless", "/b"));
	}
	EXPECT_EQ(EOPNOTSUPP, reap(pid));
	EXPECT_STREQ(before, state());
	/* What is there can carry itself. */
	if (!mkdir(v, 0755)) {
		EXPECT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_TRUE(same_inode(v, p->b));
		EXPECT_EQ(0, link_drop(v));
		EXPECT_EQ(0, ERR(rmdir(v)));
	}
	free(before);
}

TEST_F(anchorless, CR4_CR6_one_link_for_a_path)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *alias = path("%s/alias", p->top);

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, ERR(symlink("par/d/..", alias)));
	ASSERT_EQ(0, link_make(path("%s/v/", alias), p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ(p->b, link_listed(v));
	EXPECT_STREQ("backing", get(path("%s/in", v)));
	EXPECT_EQ(-EEXIST, link_make(v, p->b));
	EXPECT_EQ(-EEXIST, link_make(path("%s/v", alias), p->b));
	EXPECT_EQ(-EEXIST, link_make(path("%s/d/../v", par), p->b));
	EXPECT_EQ(1, link_count(par));
	EXPECT_EQ(0, link_drop(path("%s/v", alias)));
	EXPECT_EQ(0, link_count(par));
	EXPECT_EQ(0, mounted(par));
}

TEST_F(anchorless, CR9_refusals_change_nothing)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	char *before = tree(par, true), *now;
	char *state_before = strdup(state());

	EXPECT_EQ(-ENOENT, link_make(v, p->b));
	EXPECT_EQ(-ENOENT, link_attach(v, p->b, BINDLINK_ATTACH_PARENT));
	EXPECT_STREQ(state_before, state());
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	EXPECT_EQ(-EINVAL, link_make_flags(v, p->b, 0x20, NULL, 0));
	EXPECT_STREQ(state_before, state());
	/* With a tree there already. */
	ASSERT_EQ(0, link_make(v, p->b));
	free(state_before);
	state_before = strdup(state());
	EXPECT_EQ(-ENOENT, link_make(path("%s/w", par),
				     path("%s/none", p->b)));
	EXPECT_EQ(-EINVAL, link_make_flags(path("%s/w", par), p->b, 0x20, NULL,
					   0));
	EXPECT_EQ(-ENOENT, link_make(path("%s/w/x", par), p->b));
	EXPECT_EQ(-ENOENT, link_drop(path("%s/w", par)));
	EXPECT_EQ(-ENOENT, link_drop(path("%s/f", par)));
	EXPECT_STREQ(state_before, state());
	EXPECT_STREQ(SIBLINGS_V, names(par));
	ASSERT_EQ(0, link_drop(v));
	now = tree(par, true);
	EXPECT_STREQ(before, now);
	free(now);
	free(before);
	free(state_before);
}

TEST_F(anchorless, RM4_removed_while_in_use)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	char buf[16] = "", cwd[PATH_MAX];
	int fd, sib;

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	fd = open(path("%s/in", v), O_RDWR);
	ASSERT_LE(0, fd);
	sib = open(path("%s/f", par), O_RDWR);
	ASSERT_LE(0, sib);
	ASSERT_EQ(0, ERR(chdir(v)));
	ASSERT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, mounted(par));
	EXPECT_STREQ(SIBLINGS, names(par));
	EXPECT_EQ(7, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("backing", buf);
	EXPECT_EQ(7, pwrite(fd, "BACKING", 7, 0));
	EXPECT_STREQ("BACKING", get(path("%s/in", p->b)));
	EXPECT_EQ(1, pwrite(sib, "F", 1, 0));
	EXPECT_STREQ("F", get(path("%s/f", par)));
	EXPECT_STREQ("BACKING", get("in"));
	EXPECT_EQ(0, put("new", "new"));
	EXPECT_STREQ("new", get(path("%s/new", p->b)));
	/* A new link there is one of its own. */
	EXPECT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("new", get(path("%s/new", v)));
	EXPECT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	close(fd);
	close(sib);
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_NE(NULL, getcwd(cwd, sizeof(cwd)));
}

/* A working directory in the tree, of the parent, outlives the last link. */
TEST_F(anchorless, RM4_a_working_directory_in_the_tree)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);

	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	ASSERT_EQ(0, ERR(chdir(path("%s/d", par))));
	EXPECT_STREQ("backing", get("../v/in"));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("e hard", names("."));
	EXPECT_STREQ("f", get("hard"));
	EXPECT_EQ(0, put("new", "new"));
	EXPECT_STREQ("new", get(path("%s/d/new", par)));
	EXPECT_STREQ("!ENOENT", get("../v/in"));
	EXPECT_EQ(0, ERR(rename("new", "e/new")));
	EXPECT_STREQ("g new", names(path("%s/d/e", par)));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(anchorless, TR1_tools_see_an_ordinary_directory)
{
	struct place *p = &self->p;
	const char *par = parent_in(p), *v = path("%s/v", par);
	const char *cmd;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/deep", p->b), "deep"));
	ASSERT_EQ(0, link_make(v, p->b));
	cmd = path("test \"$(cd '%s' && find . | sort | tr '\\n' ' ')\" = '. ./c ./d ./d/e ./d/e/g ./d/hard ./f ./p ./s ./v ./v/deep '",
		   par);
	EXPECT_EQ(0, run("sh", "-c", cmd, NULL));
	EXPECT_EQ(0, run("ls", "-laR", par, NULL));
	cmd = path("tar -C '%s' -cf - . | tar -tf - | grep -qx ./v/deep", par);
	EXPECT_EQ(0, run("sh", "-c", cmd, NULL));
	EXPECT_EQ(0, run("cp", "-a", par, path("%s/copy", p->back), NULL));
	EXPECT_STREQ("deep", get(path("%s/copy/v/deep", p->back)));
	/* rm -r of a sibling leaves the link alone. */
	EXPECT_EQ(0, run("rm", "-r", path("%s/d", par), NULL));
	EXPECT_STREQ("c f p s v", names(par));
}

TEST_HARNESS_MAIN
