// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation in the kernel that an operation makes fails once.  What the
 * operation then says must be about that, and V must go on showing B: once in a
 * tree that is no more than one link, and once in trees with rules.
 *
 * For kernels with fault injection.  Two variants: on tmpfs any allocation
 * fails that the process makes in the kernel; on ext4, which does not like
 * that, only those that happen below a function of the module.
 */
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "fault.h"
#include "nl.h"

FIXTURE(fault)
{
	struct faults f;
};

FIXTURE_VARIANT(fault)
{
	const char *fs;
	bool module_only;
};

FIXTURE_VARIANT_ADD(fault, tmpfs) { .fs = "tmpfs", .module_only = false, };
FIXTURE_VARIANT_ADD(fault, ext4) { .fs = "ext4", .module_only = true, };

FIXTURE_SETUP(fault)
{
	const char *why = faults_make(&self->f, variant->fs,
				      variant->module_only);

	if (why)
		SKIP(return, "%s", why);
	DIR_LINK(&self->f.p);
}

FIXTURE_TEARDOWN_PARENT(fault)
{
	EXPECT_EQ(NULL, faults_drop(&self->f));
}

/* Each operation: what is there beforehand, and what is done. */
static const char *vname, *bname, *vother, *bother;
static int fd_open = -1;

static int nothing(struct place *p)
{
	(void)p;
	return 0;
}

static int a_file(struct place *p)
{
	(void)p;
	return -put(bname, "contents");
}

static int two_files(struct place *p)
{
	return a_file(p) ?: -put(bother, "other");
}

static int a_dir(struct place *p)
{
	(void)p;
	return ERR(mkdir(bname, 0755)) ?: -put(path("%s/in", bname), "in");
}

static int an_empty_dir(struct place *p)
{
	(void)p;
	return ERR(mkdir(bname, 0755));
}

static int a_symlink(struct place *p)
{
	(void)p;
	return ERR(symlink("target", bname));
}

static int an_open_file(struct place *p)
{
	int err = a_file(p);

	fd_open = err ? -1 : open(vname, O_RDWR | O_CLOEXEC);
	return err ?: fd_open < 0 ? errno : 0;
}

/* B is another directory than it was: it has to be followed anew. */
static int another_backing(struct place *p)
{
	const char *other = path("%s/another", p->back);

	if (mkdir(other, 0755) && errno != EEXIST)
		return errno;
	return ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
			     RENAME_EXCHANGE));
}

static int no_link(struct place *p)
{
	int err = -link_drop(p->v);

	return err == ENOENT ? 0 : err;
}

static int a_link(struct place *p)
{
	int err = -link_make(p->v, p->b);

	return err == EEXIST ? 0 : err;
}

#define ACT(name, expression)						\
static int name(struct place *p)					\
{									\
	(void)p;							\
	return expression;						\
}

static struct stat st;
static struct statfs sf;
static char buf[4096];

ACT(do_stat, ERR(stat(vname, &st)))
ACT(do_stat_root, ERR(stat(p->v, &st)))
ACT(do_stat_absent, ERR(stat(vname, &st)) == ENOENT ? 0 : errno)
ACT(do_open, err_open(vname, O_RDWR))
ACT(do_create, err_open(vname, O_RDWR | O_CREAT | O_EXCL))
ACT(do_mkdir, ERR(mkdir(vname, 0755)))
ACT(do_mknod, ERR(mknod(vname, S_IFCHR | 0600, makedev(1, 3))))
ACT(do_symlink, ERR(symlink("target", vname)))
ACT(do_readlink, ERR(readlink(vname, buf, sizeof(buf))))
ACT(do_link, ERR(link(vname, vother)))
ACT(do_unlink, ERR(unlink(vname)))
ACT(do_rmdir, ERR(rmdir(vname)))
ACT(do_rename, ERR(rename(vname, vother)))
ACT(do_exchange, ERR(renameat2(AT_FDCWD, vname, AT_FDCWD, vother,
			       RENAME_EXCHANGE)))
ACT(do_chmod, ERR(chmod(vname, 0600)))
ACT(do_truncate, ERR(truncate(vname, 100)))
ACT(do_setxattr, ERR(setxattr(vname, "trusted.x", "x", 1, 0)))
ACT(do_getxattr, ERR(getxattr(vname, "trusted.x", buf, sizeof(buf))) ==
    ENODATA ? 0 : errno)
ACT(do_listxattr, ERR(listxattr(vname, buf, sizeof(buf))))
ACT(do_statfs, ERR(statfs(vname, &sf)))
ACT(do_tmpfile, err_open(p->v, O_TMPFILE | O_RDWR))
ACT(do_read, ERR(pread(fd_open, buf, sizeof(buf), 0)))
ACT(do_write, ERR(pwrite(fd_open, buf, sizeof(buf), 0)))
ACT(do_flock, ERR(flock(fd_open, LOCK_EX)))
ACT(do_fsync, ERR(fsync(fd_open)))
ACT(do_fallocate, ERR(fallocate(fd_open, 0, 0, 8192)))
ACT(do_link_make, -link_make(p->v, p->b))
ACT(do_link_drop, -link_drop(p->v))
ACT(do_link_count, link_count(NULL) == 1 ? 0 : ENOMEM)

static int do_list(struct place *p)
{
	char entries[2048];
	int fd, err;

	(void)p;
	fd = open(vname, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = ERR(getdents64(fd, entries, sizeof(entries)));
	close(fd);
	return err;
}

static int do_lock(struct place *p)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, };

	(void)p;
	return ERR(fcntl(fd_open, F_SETLK, &fl));
}

static int do_map(struct place *p)
{
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd_open, 0);

	(void)p;
	if (map == MAP_FAILED)
		return errno;
	munmap(map, 4096);
	return 0;
}

/* All names anew each time, so that nothing is in a cache. */
static int prepare(struct faults *f, int (*setup)(struct place *))
{
	struct place *p = &f->p;

	if (fd_open >= 0)
		close(fd_open);
	fd_open = -1;
	f->turn++;
	if (rm_rf(p->b) || mkdir(p->b, 0755))
		return errno;
	bname = path("%s/n%u", p->b, f->turn);
	vname = path("%s/n%u", p->v, f->turn);
	bother = path("%s/o%u", p->b, f->turn);
	vother = path("%s/o%u", p->v, f->turn);
	return setup(p);
}

/* One link, mounted once, or none and not mounted. */
static bool consistent(const struct place *p)
{
	return link_count(p->v) == mounted(p->v) && mounted(p->v) < 2;
}

static void all_of_them(struct __test_metadata *_metadata,
			struct faults *f,
			int (*setup)(struct place *),
			int (*act)(struct place *))
{
	struct place *p = &f->p;
	unsigned int n;
	int err;

	for (n = 1; n < 3000; n++) {
		char *tv, *tb;
		bool through;

		ASSERT_EQ(0, prepare(f, setup));
		ASSERT_TRUE(faults_begin(f, n));
		err = act(p);
		through = faults_end(f);
		EXPECT_TRUE(excused(err))
			TH_LOG("allocation %u fails: the operation says %s", n,
			       strerror(err));
		EXPECT_TRUE(consistent(p))
			TH_LOG("allocation %u fails: %d links, %d mounts", n,
			       link_count(p->v), mounted(p->v));
		if (mounted(p->v)) {
			tb = tree(p->b, true);
			tv = tree(p->v, true);
			EXPECT_STREQ(tb, tv)
				TH_LOG("allocation %u fails", n);
			free(tb);
			free(tv);
		}
		if (_metadata->exit_code)
			return;
		/* It got through without that one. */
		if (through) {
			EXPECT_EQ(0, err)
				TH_LOG("nothing failed, and yet: %s",
				       strerror(err));
			break;
		}
		f->injected++;
	}
	EXPECT_GT(3000, n);
	TH_LOG("%u allocations failed", f->injected);
	/* The link is as good as before. */
	if (!mounted(p->v))
		EXPECT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, put(path("%s/after", p->v), "after"));
	EXPECT_STREQ("after", get(path("%s/after", p->b)));
}

#define FAULT(name, setup, act)						\
TEST_F_TIMEOUT(fault, SE2_##name, 900)					\
{									\
	all_of_them(_metadata, &self->f, setup, act);			\
}

FAULT(stat, a_file, do_stat)
FAULT(stat_of_a_directory, a_dir, do_stat)
FAULT(stat_of_what_is_not_there, nothing, do_stat_absent)
FAULT(stat_of_another_backing, another_backing, do_stat_root)
FAULT(open, a_file, do_open)
FAULT(create, nothing, do_create)
FAULT(mkdir, nothing, do_mkdir)
FAULT(mknod, nothing, do_mknod)
FAULT(symlink, nothing, do_symlink)
FAULT(readlink, a_symlink, do_readlink)
FAULT(link, a_file, do_link)
FAULT(unlink, a_file, do_unlink)
FAULT(rmdir, an_empty_dir, do_rmdir)
FAULT(rename, a_file, do_rename)
FAULT(rename_over, two_files, do_rename)
FAULT(exchange, two_files, do_exchange)
FAULT(chmod, a_file, do_chmod)
FAULT(truncate, a_file, do_truncate)
FAULT(setxattr, a_file, do_setxattr)
FAULT(getxattr, a_file, do_getxattr)
FAULT(listxattr, a_file, do_listxattr)
FAULT(statfs, a_file, do_statfs)
FAULT(tmpfile, nothing, do_tmpfile)
FAULT(list, a_dir, do_list)
FAULT(read, an_open_file, do_read)
FAULT(write, an_open_file, do_write)
FAULT(mmap, an_open_file, do_map)
FAULT(flock, an_open_file, do_flock)
FAULT(lock, an_open_file, do_lock)
FAULT(fsync, an_open_file, do_fsync)
FAULT(fallocate, an_open_file, do_fallocate)
FAULT(making_a_link, no_link, do_link_make)
FAULT(removing_a_link, a_link, do_link_drop)
FAULT(listing_the_links, a_link, do_link_count)

/*
 * Trees with rules.
 *
 * A tree over par, in which nothing physical is at the names of the links, but
 * for par/h; and one over q, which the link at par/c leads into.  Of the way to
 * two of the links nothing exists.  What all of this must look like is told from
 * the directories behind and from this table.
 */
struct rule {
	const char *virt;
	const char *real;	/* what it leads to in the end */
	const char *view;	/* the virtual path whose rules are seen there */
	bool off;
};

/* Where something is really, NULL for a way, and whose rules are below. */
struct spot {
	const char *real;
	const char *view;
};

static struct rule rules[16];
static unsigned int nr_rules;
static struct rule *extra;		/* one that comes and goes */
static struct spot world[2];
static unsigned int nr_worlds;
static struct spot near[2];		/* the parents of an operation's names */
static const char *near_virt[2];
static unsigned int nr_near;
static const char *par, *raw, *q, *bk;
static struct nl nl = { .fd = -1, };
static struct nl_req req;

static struct rule *rule(const char *virt, const char *real, const char *view)
{
	rules[nr_rules] = (struct rule){
		.virt = virt, .real = real, .view = view,
	};
	return &rules[nr_rules++];
}

/* What is to be seen by @name in @dir; false if that is nothing. */
static bool spot_child(const struct spot *dir, const char *name,
		       struct spot *child)
{
	const char *virt = path("%s/%s", dir->view, name);
	size_t len = strlen(virt);
	bool below = false;
	struct stat sb;
	unsigned int i;

	*child = (struct spot){ .view = virt, };
	if (dir->real)
		child->real = path("%s/%s", dir->real, name);
	for (i = 0; i < nr_rules; i++) {
		const struct rule *r = &rules[i];

		if (r->off || strncmp(r->virt, virt, len))
			continue;
		if (!r->virt[len]) {
			child->real = r->real;
			child->view = r->view ?: virt;
			return !lstat(r->real, &sb);
		}
		below |= r->virt[len] == '/';
	}
	if (below && !is_dir(child->real))
		child->real = NULL;
	return below || (child->real && !lstat(child->real, &sb));
}

/* The same for a path from a world's root, whether something is there or not. */
static struct spot spot_at(const struct spot *from, const char *rest)
{
	struct spot at = *from, next;

	while (*rest) {
		int len = strcspn(rest, "/");

		spot_child(&at, path("%.*s", len, rest), &next);
		at = next;
		rest += len;
		rest += strspn(rest, "/");
	}
	return at;
}

/* What a listing of @dir has to say. */
static void list_spot(struct list *list, const struct spot *dir)
{
	size_t len = strlen(dir->view);
	struct list all = { };
	struct spot child;
	struct dirent *d;
	unsigned int i;
	DIR *stream;

	stream = dir->real ? opendir(dir->real) : NULL;
	while (stream && (d = readdir(stream)))
		list_add(&all, path("%s", d->d_name), true);
	if (stream)
		closedir(stream);
	for (i = 0; i < nr_rules; i++) {
		const char *rest = rules[i].virt + len;

		if (rules[i].off || strncmp(rules[i].virt, dir->view, len) ||
		    *rest != '/')
			continue;
		rest++;
		list_add(&all, path("%.*s", (int)strcspn(rest, "/"), rest),
			 true);
	}
	list->n = 0;
	for (i = 0; i < (unsigned int)all.n; i++)
		if (spot_child(dir, all.names[i], &child))
			list_add(list, all.names[i], false);
}

static void dump_one(FILE *out, const char *at)
{
	struct stat sb;

	if (at && lstat(at, &sb)) {
		fprintf(out, "!%s\n", strerrorname_np(errno));
		return;
	}
	if (!at || sb.st_mode == (S_IFDIR | 0555)) {
		fprintf(out, "way\n");
		return;
	}
	fprintf(out, "%o %ju:%ju", sb.st_mode, (uintmax_t)sb.st_dev,
		(uintmax_t)sb.st_ino);
	if (!S_ISDIR(sb.st_mode))
		fprintf(out, " n%ju s%jd", (uintmax_t)sb.st_nlink,
			(intmax_t)sb.st_size);
	if (S_ISREG(sb.st_mode)) {
		const char *text = get(at);

		fprintf(out, " %s", text);
		free((char *)text);
	}
	fprintf(out, "\n");
}

/* What is at @virt as it is to be, so many levels deep. */
static void dump_spot(FILE *out, const char *virt, const struct spot *at,
		      int deep)
{
	struct list list;
	struct spot child;
	int i;

	fprintf(out, "%s ", virt);
	dump_one(out, at->real);
	if (!deep || (at->real && !is_dir(at->real)))
		return;
	list_spot(&list, at);
	for (i = 0; i < list.n; i++) {
		spot_child(at, list.names[i], &child);
		dump_spot(out, path("%s/%s", virt, list.names[i]), &child,
			  deep - 1);
	}
}

/* And as it is seen. */
static void dump_seen(FILE *out, const char *virt, int deep)
{
	struct list list;
	int i, err;

	fprintf(out, "%s ", virt);
	dump_one(out, virt);
	if (!deep || !is_dir(virt))
		return;
	err = list_dir(&list, virt);
	if (err)
		fprintf(out, "%s/ !%s\n", virt, strerrorname_np(err));
	/* The next one uses the same buffer. */
	for (i = 0; i < list.n; i++)
		list.names[i] = path("%s/%s", virt, list.names[i]);
	for (i = 0; i < list.n; i++)
		dump_seen(out, list.names[i], deep - 1);
}

#define ALL_OF_IT	100

/* All there is, or what is nearest to the names of the operation. */
static char *dump(bool seen, bool deep)
{
	const struct spot *at = deep ? world : near;
	unsigned int i, n = deep ? nr_worlds : nr_near;
	char *text = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		abort();
	for (i = 0; i < n; i++) {
		const char *virt = deep ? world[i].view : near_virt[i];

		if (seen)
			dump_seen(out, virt, deep ? ALL_OF_IT : 1);
		else
			dump_spot(out, virt, &at[i], deep ? ALL_OF_IT : 1);
	}
	fclose(out);
	return text;
}

static int ask(uint8_t cmd, const char *virt, const char *back)
{
	nl_start(&req, &nl, cmd, 0);
	if (cmd == BINDLINK_CMD_RESOLVE)
		nl_put_str(&req, BINDLINK_A_LINK_PATH, virt);
	else
		nl_put_str(&req, BINDLINK_A_LINK_VIRTUAL, virt);
	if (back) {
		nl_put_str(&req, BINDLINK_A_LINK_BACKING, back);
		nl_put_u32(&req, BINDLINK_A_LINK_FLAGS, 0);
		nl_put_u32(&req, BINDLINK_A_LINK_ATTACH,
			   BINDLINK_ATTACH_AUTO);
	}
	return -nl_talk(&nl, &req);
}

/* A link that goes without its tree. */
static int ask_drop(const char *virt)
{
	return ask(BINDLINK_CMD_LINK_HOLD, virt, NULL) ?:
	       ask(BINDLINK_CMD_LINK_DEL, virt, NULL);
}

/* Directories and files, all of them new ones. */
static int stock(void)
{
	static const char *const dirs[] = {
		"b", "b/d", "w", "o", "q", "q/sub", "q/sub/e", "q/sub/nest",
	};
	static const char *const files[] = {
		"b/in", "b/d/deep", "w/in", "f", "q/sub/in", "q/sub/nest/not",
	};
	unsigned int i;
	int err;

	umount2(path("%s/b/d", bk), MNT_DETACH);
	/* The mount itself stays. */
	err = -rm_rf(raw);
	if (err && err != EBUSY)
		return err;
	err = -rm_rf(bk) ?: ERR(mkdir(bk, 0755));
	for (i = 0; !err && i < sizeof(dirs) / sizeof(*dirs); i++)
		err = ERR(mkdir(path("%s/%s", bk, dirs[i]), 0755));
	for (i = 0; !err && i < sizeof(files) / sizeof(*files); i++)
		err = -put(path("%s/%s", bk, files[i]), files[i]);
	return err ?: ERR(symlink("in", path("%s/b/s", bk))) ?:
	       -put(path("%s/g", raw), "g") ?:
	       ERR(mkdir(path("%s/d", raw), 0755)) ?:
	       -put(path("%s/d/in", raw), "d/in") ?:
	       -make_kind(path("%s/h", raw), 'd', "hidden") ?:
	       ERR(symlink("v/in", path("%s/s", raw)));
}

static int add_rule(const char *virt, const char *back, const char *view)
{
	const struct rule *r = rule(virt, view ? spot_at(&world[1], "sub").real :
				    back, view);

	return -link_make(r->virt, back);
}

static int world_make(const struct place *p)
{
	const char *sym = path("%s/sym", p->top);
	int err;

	par = path("%s/par", p->top);
	q = path("%s/q", p->top);
	bk = path("%s/bk", p->top);
	err = ERR(mkdir(par, 0755)) ?: ERR(mkdir(q, 0755)) ?:
	      ERR(symlink("q", sym));
	raw = err ? NULL : raw_of(p, par);
	if (!raw)
		return err ?: errno;
	world[0] = (struct spot){ .real = raw, .view = par, };
	world[1] = (struct spot){ .real = path("%s/q", bk), .view = q, };
	nr_worlds = 2;
	err = stock() ?: ERR(mkdir(path("%s/way", raw), 0755)) ?:
	      ERR(mkdir(path("%s/way/one", raw), 0755)) ?:
	      ERR(mkdir(path("%s/q/sub/on", bk), 0755)) ?:
	      -put(path("%s/m", bk), "missing later") ?:
	      nl_open(&nl);
	if (err)
		return err;
	/* What is at q is no part of this table: it is one of the worlds. */
	err = -link_make(q, world[1].real) ?:
	      add_rule(path("%s/v", par), path("%s/b", bk), NULL) ?:
	      add_rule(path("%s/h", par), path("%s/f", bk), NULL) ?:
	      add_rule(path("%s/o", par), path("%s/o", bk), NULL) ?:
	      add_rule(path("%s/m", par), path("%s/m", bk), NULL) ?:
	      add_rule(path("%s/way/one/w", par), path("%s/w", bk), NULL) ?:
	      add_rule(path("%s/sub/nest", q), path("%s/w", bk), NULL) ?:
	      add_rule(path("%s/sub/on/x", q), path("%s/f", bk), NULL) ?:
	      add_rule(path("%s/c", par), path("%s/sub", sym),
		       path("%s/sub", q));
	extra = rule(path("%s/x", par), path("%s/w", bk), NULL);
	extra->off = true;
	return err;
}

FIXTURE(fault_rules)
{
	struct faults f;
};

FIXTURE_VARIANT(fault_rules)
{
	const char *fs;
	bool module_only;
};

FIXTURE_VARIANT_ADD(fault_rules, tmpfs) { .fs = "tmpfs", .module_only = false, };
FIXTURE_VARIANT_ADD(fault_rules, ext4) { .fs = "ext4", .module_only = true, };

FIXTURE_SETUP(fault_rules)
{
	const char *why = faults_make(&self->f, variant->fs,
				      variant->module_only);

	if (why)
		SKIP(return, "%s", why);
	/*
	 * Those that the module causes all fail on ext4.  Of all, which are
	 * many more, it is some, or this would take too long.
	 */
	self->f.step = variant->module_only ? 1 : 3;
	ASSERT_EQ(0, world_make(&self->f.p))
		TH_LOG("%s", link_why());
	ASSERT_EQ(1, mounted(par));
	ASSERT_EQ(1, mounted(q));
}

FIXTURE_TEARDOWN_PARENT(fault_rules)
{
	EXPECT_EQ(NULL, faults_drop(&self->f));
}

/*
 * Each operation: what it is done to, what has to be there beforehand, and what
 * comes of it.
 */
enum outcome {
	READS,			/* nothing changes */
	CHANGES,		/* something does, unless it fails */
	MAY_STAY,		/* even if it fails: opening comes after making */
};

struct op {
	const char *what;
	const char *one, *two;	/* from par */
	int (*setup)(void);
	int (*late)(void);	/* when the caches are empty */
	int (*act)(void);
	enum outcome outcome;
};

static const char *one, *two;		/* names that are used */
static const char *other;		/* another one for the first */
static struct spot is_one, is_two;	/* what these stand for */
static ino_t ino_one, ino_two;		/* 0 for a way */
static struct list in_one;
static char told[4096];			/* what netlink has to say */
static size_t told_len;

static int seen_as(const struct stat *sb, ino_t ino)
{
	if (!ino)
		return sb->st_mode == (S_IFDIR | 0555) ? 0 : WRONG;
	return sb->st_ino == ino ? 0 : WRONG;
}

#define ACT_AT(name, expression)					\
static int name(void)							\
{									\
	return expression;						\
}

ACT_AT(at_stat, ERR(lstat(one, &st)) ?: seen_as(&st, ino_one))
ACT_AT(at_follow, ERR(stat(one, &st)) ?: seen_as(&st, ino_two))
ACT_AT(at_create, err_open(one, O_RDWR | O_CREAT | O_EXCL))
ACT_AT(at_mkdir, ERR(mkdir(one, 0755)))
ACT_AT(at_mkdir_in_way, only(ERR(mkdir(one, 0755)), EROFS))
ACT_AT(at_symlink, ERR(symlink("target", one)))
ACT_AT(at_link, ERR(link(one, two)))
ACT_AT(at_unlink, ERR(unlink(one)))
ACT_AT(at_rmdir, ERR(rmdir(one)))
ACT_AT(at_rmdir_way, only(ERR(rmdir(one)), EBUSY))
ACT_AT(at_rename, ERR(rename(one, two)))
ACT_AT(at_rename_way, only(ERR(rename(one, two)), EBUSY))
ACT_AT(at_exchange, ERR(renameat2(AT_FDCWD, one, AT_FDCWD, two,
				  RENAME_EXCHANGE)))
ACT_AT(at_make_link, ask(BINDLINK_CMD_LINK_NEW, one, is_two.real))
ACT_AT(at_drop_link, ask_drop(one))

static int at_open(void)
{
	int fd = open(one, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = ERR(fstat(fd, &st)) ?: seen_as(&st, ino_one);
	close(fd);
	return err;
}

static int at_list(void)
{
	static struct list list;

	return list_dir(&list, one) ?: list_same(&list, &in_one) ? 0 : WRONG;
}

static int at_resolve(void)
{
	int err = ask(BINDLINK_CMD_RESOLVE, one, NULL);

	if (err)
		return err;
	return nl.replies == 1 && nl.reply_len == told_len &&
	       !memcmp(nl.reply, told, told_len) ? 0 : WRONG;
}

static int at_get(void)
{
	int err = ask(BINDLINK_CMD_LINK_GET, other, NULL);

	if (err)
		return err;
	return nl.replies == 1 && nl.reply_len == told_len &&
	       !memcmp(nl.reply, told, told_len) ? 0 : WRONG;
}

static int tell_it(int err)
{
	if (err || nl.reply_len > sizeof(told))
		return err ?: EMSGSIZE;
	told_len = nl.reply_len;
	memcpy(told, nl.reply, told_len);
	return 0;
}

static int with_answer(void)
{
	int err = tell_it(ask(BINDLINK_CMD_RESOLVE, one, NULL));

	return err ?: strcmp(nl_attr_str(&nl, BINDLINK_A_LINK_REAL_PATH),
			     is_one.real) ? WRONG : 0;
}

/* By another name of the parent, which the kernel has to make out. */
static int with_other_name(void)
{
	other = path("%s/again/%s", bk, strrchr(one, '/') + 1);
	return ERR(symlink(par, path("%s/again", bk))) ?:
	       tell_it(ask(BINDLINK_CMD_LINK_GET, other, NULL));
}

static int with_mount(void)
{
	return ERR(mount(path("%s/w", bk), path("%s/b/d", bk), NULL, MS_BIND,
			 NULL));
}

static int without_extra(void)
{
	int err = ask_drop(extra->virt);

	return err == ENOENT ? 0 : err;
}

static int with_extra(void)
{
	int err = ask(BINDLINK_CMD_LINK_NEW, extra->virt, extra->real);

	return err == EEXIST ? 0 : err;
}

/* A working directory that was come to by rules that are not those of now. */
static int late_in_c(void)
{
	const char *c = path("%s/c", par);
	size_t len = strlen(c) + 1;

	one = strlen(one) < len ? "." : one + len;
	two = strlen(two) < len ? "." : two + len;
	return ERR(chdir(c)) ?: with_extra() ?: without_extra();
}

/* No dentry of a tree is in a cache, and no link is bound. */
static int cool(void)
{
	return ERR(mount(NULL, q, NULL, MS_REMOUNT, NULL)) ?:
	       ERR(mount(NULL, par, NULL, MS_REMOUNT, NULL));
}

/* The directory that @name is in. */
static void look_near(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *dir = path("%.*s", slash ? (int)(slash - name) : 0, name);

	near[nr_near] = spot_at(&world[0], dir);
	near_virt[nr_near++] = path("%s/%s", par, dir);
}

static bool has_extra(const struct op *op)
{
	return op->setup == with_extra || op->setup == without_extra;
}

/* @anew: the last time something has changed. */
static int op_begin(const struct op *op, bool anew)
{
	int err = ERR(chdir("/"));

	if (!err && (anew || has_extra(op))) {
		/* What the socket has reserved goes with it. */
		nl_close(&nl);
		err = -nl_open(&nl) ?: without_extra();
	}
	if (!err && anew)
		err = stock();
	if (err)
		return err;
	one = path("%s/%s", par, op->one);
	two = path("%s/%s", par, op->two ?: "");
	extra->off = op->setup != with_extra;
	is_one = spot_at(&world[0], op->one);
	if (op->setup && (anew || has_extra(op)))
		err = op->setup();
	if (err)
		return err;
	is_one = spot_at(&world[0], op->one);
	is_two = spot_at(&world[0], op->two ?: "");
	ino_one = is_one.real ? ino_of(is_one.real) : 0;
	ino_two = is_two.real ? ino_of(is_two.real) : 0;
	list_spot(&in_one, &is_one);
	nr_near = 0;
	look_near(op->one);
	if (op->two)
		look_near(op->two);
	return 0;
}

/* Whether all is as it has to be after an operation that said @err. */
static bool op_check(struct __test_metadata *_metadata, const struct op *op,
		     const char *before, unsigned int n, int err)
{
	char *after, *seen;
	bool anew, lost;

	if (has_extra(op))
		extra->off = *link_listed(extra->virt) == '!';
	after = dump(false, false);
	seen = dump(true, false);
	EXPECT_STREQ(after, seen)
		TH_LOG("%s, allocation %u fails: %s", op->what, n,
		       strerror(err));
	/* Of what was asked by netlink the answer may have been lost. */
	lost = has_extra(op) && (err == ENOBUFS || err == EFAULT);
	if (op->outcome == READS || (op->outcome == CHANGES && err && !lost)) {
		EXPECT_STREQ(before, after)
			TH_LOG("%s, allocation %u fails: %s", op->what, n,
			       strerror(err));
	} else if (!err) {
		EXPECT_STRNE(before, after);
	}
	anew = strcmp(before, after);
	free(after);
	free(seen);
	return anew;
}

/* Of so many allocations each one fails, of those behind them some. */
#define MANY	16

static void all_of_op(struct __test_metadata *_metadata, struct faults *f,
		      const struct op *op)
{
	unsigned int n, step = 0, again = 0;
	bool through, anew = true;
	char *before = NULL, *seen;
	int err;

	f->injected = 0;
	for (n = 1; n < 3000; n += step) {
		ASSERT_EQ(0, op_begin(op, anew))
			TH_LOG("%s", nl.msg);
		if (anew) {
			free(before);
			before = dump(false, false);
		}
		ASSERT_EQ(0, cool());
		if (op->late)
			ASSERT_EQ(0, op->late());
		ASSERT_TRUE(faults_begin(f, n));
		err = op->act();
		through = faults_end(f);
		EXPECT_TRUE(excused(err))
			TH_LOG("%s, allocation %u fails: the operation says %s",
			       op->what, n, strerror(err));
		anew = op_check(_metadata, op, before, n, err);
		if (_metadata->exit_code)
			return;
		if (!through) {
			f->injected++;
			again = 0;
			/* The longer it goes on the more it repeats itself. */
			step = n < MANY ? f->step : 4 * f->step;
			continue;
		}
		/* It got through without that one. */
		EXPECT_EQ(0, err)
			TH_LOG("%s: nothing failed, and yet: %s", op->what,
			       strerror(err));
		/* Somebody may have followed a link since the caches were. */
		if (again++)
			break;
		step = 0;
	}
	free(before);
	EXPECT_GT(3000, n);
	EXPECT_LT(2, f->injected);
	TH_LOG("%s: %u allocations failed", op->what, f->injected);
	before = dump(false, true);
	seen = dump(true, true);
	EXPECT_STREQ(before, seen);
	EXPECT_EQ(1, mounted(par));
	EXPECT_EQ(1, mounted(q));
	free(before);
	free(seen);
}

#define RULED(ops)							\
TEST_F_TIMEOUT(fault_rules, SE2_##ops, 900)				\
{									\
	for (size_t i = 0; i < sizeof(ops) / sizeof(*(ops)); i++)	\
		all_of_op(_metadata, &self->f, &(ops)[i]);		\
}

/* A name that has a link, and what is below it. */
static const struct op AN1_seen_below_a_link[] = {
	{ "stat of a link", .one = "v", .act = at_stat },
	{ "stat below a link", .one = "v/d/deep", .act = at_stat },
	{ "stat through symlinks", .one = "s", .two = "v/in",
	  .act = at_follow },
	{ "open of a link", .one = "h", .act = at_open },
	{ "stat of a mount below the backing", .one = "v/d/in",
	  .setup = with_mount, .act = at_stat },
};

RULED(AN1_seen_below_a_link)

/* What is there physically, and what is not. */
static const struct op AN1_listed[] = {
	{ "list of a parent", .one = "", .act = at_list },
	{ "list of a link", .one = "v", .act = at_list },
	{ "list of a way", .one = "way/one", .act = at_list },
};

RULED(AN1_listed)

static const struct op AN1_changed_below_a_link[] = {
	{ "create below a link", .one = "v/new", .act = at_create,
	  .outcome = MAY_STAY },
	{ "mkdir below a link", .one = "v/new", .act = at_mkdir,
	  .outcome = CHANGES },
	{ "unlink below a link", .one = "v/in", .act = at_unlink,
	  .outcome = CHANGES },
};

RULED(AN1_changed_below_a_link)

static const struct op AN3_beside_a_link[] = {
	{ "stat beside a link", .one = "d/in", .act = at_stat },
	{ "create beside a link", .one = "new", .act = at_create,
	  .outcome = MAY_STAY },
	{ "symlink beside a link", .one = "new", .act = at_symlink,
	  .outcome = CHANGES },
	{ "link out of a link", .one = "v/in", .two = "d/new",
	  .act = at_link, .outcome = CHANGES },
	{ "rename into a link", .one = "d/in", .two = "v/in",
	  .act = at_rename, .outcome = CHANGES },
};

RULED(AN3_beside_a_link)

/* What is done to the name of a link is done to the backing. */
static const struct op WR1_WR2_WR3_WR4_the_name_of_a_link[] = {
	{ "unlink of a link", .one = "h", .act = at_unlink,
	  .outcome = CHANGES },
	{ "create of a link", .one = "m", .act = at_create,
	  .outcome = MAY_STAY },
	{ "mkdir of a link", .one = "m", .act = at_mkdir,
	  .outcome = CHANGES },
	{ "link of a link", .one = "g", .two = "m", .act = at_link,
	  .outcome = CHANGES },
	{ "rename over a link", .one = "g", .two = "h", .act = at_rename,
	  .outcome = CHANGES },
	{ "exchange with a link", .one = "g", .two = "h", .act = at_exchange,
	  .outcome = CHANGES },
	{ "rmdir of a link", .one = "o", .act = at_rmdir,
	  .outcome = CHANGES },
	{ "rename of a link", .one = "v", .two = "d/v", .act = at_rename,
	  .outcome = CHANGES },
};

RULED(WR1_WR2_WR3_WR4_the_name_of_a_link)

/* Directories that only lead to links. */
static const struct op NE5_NE7_ways[] = {
	{ "stat beyond a way", .one = "way/one/w/in", .act = at_stat },
	{ "mkdir in a way", .one = "way/new", .act = at_mkdir_in_way },
	{ "rmdir of a way", .one = "way/one", .act = at_rmdir_way },
	{ "rename of a way", .one = "way", .two = "d/way",
	  .act = at_rename_way },
};

RULED(NE5_NE7_ways)

/* A backing that has links in it, in another tree. */
static const struct op CH1_chains[] = {
	{ "stat of a link in a chain", .one = "c/nest/in", .act = at_stat },
	{ "open beyond a way in a chain", .one = "c/on/x", .act = at_open },
	{ "list in a chain", .one = "c", .act = at_list },
	{ "list of a way in a chain", .one = "c/on", .act = at_list },
	{ "create in a chain", .one = "c/e/new", .act = at_create,
	  .outcome = MAY_STAY },
	{ "rename in a chain", .one = "c/in", .two = "c/e/in",
	  .act = at_rename, .outcome = CHANGES },
	{ "unlink of a link in a chain", .one = "c/on/x", .act = at_unlink,
	  .outcome = CHANGES },
	{ "rmdir of a way in a chain", .one = "c/on", .act = at_rmdir_way },
};

RULED(CH1_chains)

/* A working directory whose rules have changed. */
static const struct op CH1_working_directories[] = {
	{ "stat from a working directory", .one = "c/nest",
	  .late = late_in_c, .act = at_stat },
	{ "list of a working directory", .one = "c", .late = late_in_c,
	  .act = at_list },
	{ "mkdir in a working directory", .one = "c/new", .late = late_in_c,
	  .act = at_mkdir, .outcome = CHANGES },
	{ "unlink in a working directory", .one = "c/in", .late = late_in_c,
	  .act = at_unlink, .outcome = CHANGES },
};

RULED(CH1_working_directories)

/* What netlink is asked. */
static const struct op AP1_asking[] = {
	{ "resolve a chain", .one = "c/nest/in", .setup = with_answer,
	  .act = at_resolve },
	{ "get by another name", .one = "v", .setup = with_other_name,
	  .act = at_get },
};

RULED(AP1_asking)

/* Links that come to a tree that is there, and go again. */
static const struct op NE1_links_in_a_tree[] = {
	{ "making a link in a tree", .one = "x", .two = "way/one/w",
	  .setup = without_extra, .act = at_make_link, .outcome = CHANGES },
	{ "removing a link in a tree", .one = "x", .setup = with_extra,
	  .act = at_drop_link, .outcome = CHANGES },
};

RULED(NE1_links_in_a_tree)

/*
 * A tree that comes to cover another one. Most of what is allocated is the same
 * as for any link, so not each of them fails.
 */
TEST_F_TIMEOUT(fault, SE2_NE1_AN2_covering_a_tree, 900)
{
	struct faults *f = &self->f;
	const char *hi = path("%s/hi", f->p.top), *lo = path("%s/lo", hi);
	const char *a = path("%s/a", lo), *x = path("%s/x", hi);
	unsigned int n, step = variant->module_only ? 7 : 23;
	bool through = false;
	int err, there;

	ASSERT_EQ(0, ERR(mkdir(hi, 0755)));
	ASSERT_EQ(0, ERR(mkdir(lo, 0755)));
	ASSERT_EQ(0, put(path("%s/in", f->p.b), "in"));
	for (n = 1; n < 3000 && !through; n += step) {
		link_drop(x);
		link_drop(a);
		ASSERT_EQ(0, mount_count(hi, "bindlink"));
		ASSERT_EQ(0, link_count(hi));
		ASSERT_STREQ("lo", names(hi));
		ASSERT_EQ(0, link_make(a, f->p.b));
		ASSERT_EQ(1, mounted(lo));
		ASSERT_TRUE(faults_begin(f, n));
		err = -link_make(x, f->p.b);
		through = faults_end(f);
		EXPECT_TRUE(excused(err))
			TH_LOG("allocation %u fails: the operation says %s", n,
			       strerror(err));
		there = link_count(x);
		EXPECT_EQ(there, mounted(hi))
			TH_LOG("allocation %u fails: %s", n, strerror(err));
		EXPECT_STREQ(there ? "lo x" : "lo", names(hi));
		EXPECT_STREQ(there ? "in" : "!ENOENT",
			     get(path("%s/in", x)));
		EXPECT_STREQ("a", names(lo));
		EXPECT_STREQ("in", get(path("%s/in", a)));
		EXPECT_EQ(1, link_count(a));
		if (!err)
			EXPECT_EQ(1, there);
		f->injected += !through;
		if (_metadata->exit_code)
			return;
	}
	EXPECT_TRUE(through);
	EXPECT_EQ(0, err);
	/* Nobody failed, and the tree below is not needed any more. */
	EXPECT_EQ(1, mount_count(hi, "bindlink"));
	EXPECT_LT(2, f->injected);
	TH_LOG("%u allocations failed", f->injected);
	EXPECT_EQ(0, link_drop(x));
	EXPECT_EQ(0, link_drop(a));
	EXPECT_EQ(0, mount_count(hi, "bindlink"));
}

/*
 * Lanes.
 *
 * A walk attaches one; all else is done by a work item, where nobody is told
 * that there is no memory.
 */
FIXTURE(fault_lane)
{
	struct faults f;
	char delay[16];
};

FIXTURE_VARIANT(fault_lane)
{
	const char *fs;
	bool module_only;
};

FIXTURE_VARIANT_ADD(fault_lane, tmpfs) { .fs = "tmpfs", .module_only = false, };
FIXTURE_VARIANT_ADD(fault_lane, ext4) { .fs = "ext4", .module_only = true, };

FIXTURE_SETUP(fault_lane)
{
	const char *why = faults_make(&self->f, variant->fs,
				      variant->module_only);

	if (!why && !strcmp(self->f.lanes, "0"))
		why = "lanes are switched off";
	if (why)
		SKIP(return, "%s", why);
	snprintf(self->delay, sizeof(self->delay), "%s", lanes_delay("1"));
	ASSERT_EQ(0, ERR(mkdir(self->f.p.v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(self->f.p.b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", self->f.p.b), "x"));
	lanes_allow(self->f.lanes);
}

FIXTURE_TEARDOWN_PARENT(fault_lane)
{
	if (*self->delay)
		lanes_delay(self->delay);
	EXPECT_EQ(NULL, faults_drop(&self->f));
}

/* Its lane is open, and nobody has come by yet. */
static int an_open_lane(struct place *p)
{
	int err = no_link(p);

	/* Walks that make it do not find it open. */
	lanes_delay("50");
	err = err ?: -link_make(p->v, p->b);
	err = err ?: ERR(stat(path("%s/x", p->v), &st));
	usleep(200000);
	return err;
}

TEST_F_TIMEOUT(fault_lane, SE2_attaching_a_lane, 900)
{
	struct faults *f = &self->f;
	const char *v = f->p.v, *x = path("%s/x", v);
	unsigned int n, idle = 0;
	bool through = false;
	int early, err = 0;

	for (n = 1; n < 1000 && !through;) {
		ASSERT_EQ(0, an_open_lane(&f->p));
		early = lanes_at(v);
		ASSERT_TRUE(faults_begin(f, n));
		err = ERR(stat(x, &st));
		through = faults_end(f);
		EXPECT_TRUE(excused(err))
			TH_LOG("allocation %u fails: %s", n, strerror(err));
		f->injected += !through;
		/* It was open too early, or is not yet. */
		if ((early || (through && !lanes_at(v))) && idle++ < 50)
			through = false;
		else
			n++;
		EXPECT_STREQ("x", get(x));
		EXPECT_STREQ("x", names(v));
		EXPECT_EQ(1, mounted(v));
		if (_metadata->exit_code)
			return;
	}
	EXPECT_TRUE(through);
	EXPECT_EQ(0, err);
	TH_LOG("%u allocations failed, %u times it was not open", f->injected,
	       idle);
	EXPECT_LT(5, f->injected);
	EXPECT_TRUE(in_lane(v));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_EQ(0, mount_count(f->p.top, NULL));
}

/* On tmpfs not each allocation fails: most are those of any link. */
TEST_F_TIMEOUT(fault_lane, SE2_making_a_link_that_has_a_lane, 900)
{
	struct faults *f = &self->f;
	const char *v = f->p.v, *x = path("%s/x", v);
	unsigned int n, step = variant->module_only ? 1 : 7;
	bool through = false;
	int err = 0;

	for (n = 1; n < 3000 && !through; n += step) {
		ASSERT_EQ(0, no_link(&f->p));
		ASSERT_TRUE(faults_begin(f, n));
		err = -link_make(v, f->p.b) ?: ERR(stat(x, &st));
		through = faults_end(f);
		EXPECT_TRUE(excused(err))
			TH_LOG("allocation %u fails: %s", n, strerror(err));
		EXPECT_TRUE(consistent(&f->p));
		EXPECT_STREQ(mounted(v) ? "x" : "!ENOENT", get(x));
		f->injected += !through;
		if (_metadata->exit_code)
			return;
	}
	EXPECT_TRUE(through);
	EXPECT_EQ(0, err);
	TH_LOG("%u allocations failed", f->injected);
	EXPECT_TRUE(OPENS(v));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_EQ(0, mount_count(f->p.top, NULL));
}

/* What fails there for once is done later. */
TEST_F_TIMEOUT(fault_lane, SE2_opening_a_lane, 900)
{
	struct faults *f = &self->f;
	const char *x = path("%s/x", f->p.v);
	bool happened = true;
	unsigned int bytes;

	if (!variant->module_only)
		SKIP(return, "all else would fail, too");
	/* Not before that is prepared. */
	lanes_delay("300");
	for (bytes = 0; bytes < 65536 && happened; bytes += 64) {
		ASSERT_EQ(0, no_link(&f->p));
		ASSERT_EQ(0, link_make(f->p.v, f->p.b));
		ASSERT_EQ(0, ERR(stat(x, &st)));
		ASSERT_TRUE(faults_anywhere(bytes));
		happened = WITHIN(3, faults_happened());
		faults_nowhere();
		f->injected += happened;
		EXPECT_STREQ("x", get(x));
		EXPECT_TRUE(OPENS(f->p.v))
			TH_LOG("what comes after %u bytes fails", bytes);
		EXPECT_STREQ("x", get(x));
		if (_metadata->exit_code)
			return;
	}
	EXPECT_FALSE(happened);
	TH_LOG("%u allocations failed", f->injected);
	EXPECT_LT(2, f->injected);
	EXPECT_EQ(0, link_drop(f->p.v));
	EXPECT_EQ(0, mount_count(f->p.top, NULL));
}

int main(int argc, char **argv)
{
	if (!faults_possible())
		ksft_exit_skip("this kernel has no fault injection\n");
	return test_harness_run(argc, argv);
}
