// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation in the kernel that an operation makes fails once, where links
 * show more than one directory: merged ones, one of them inside of another one,
 * and those with exceptions; and where they are read-only.  What the operation
 * then says must be about that, and what is seen must be what it was before.
 *
 * What is to be seen is told from the directories behind and from a table of the
 * links, by rules that are written down here once more.  The variants are those
 * of fault_test.
 */
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "fault.h"

#include <bindlink.h>

#define RO	BINDLINK_FLAG_READ_ONLY
#define MERGED	BINDLINK_FLAG_MERGED

/*
 * A world: links in vs lead to bk.  What is beneath the links is seen in raw,
 * which is vs once more.
 */
static const char *top, *vs, *raw, *bk;

/* What is in the directories of a link: 'd', 'D' with attributes, 'f'. */
struct shelf {
	const char *name;
	const char *roots[3];
	const char *things[40];
};

static const struct shelf shelves[] = {
	{ "m", { "raw/m", "bk/m" }, {
		"draw/m/d", "fraw/m/d/of", "fraw/m/d/both",
		"Draw/m/od", "Draw/m/od/sub", "fraw/m/od/sub/of",
		"draw/m/e", "draw/m/k", "fraw/m/k/hidden",
		"dbk/m/d", "fbk/m/d/bf", "fbk/m/d/both", "dbk/m/e", "fbk/m/k",
	} },
	{ "n", { "raw/n", "bk/n", "bk/n2" }, {
		"draw/n/in", "fraw/n/in/of", "fraw/n/in/all", "draw/n/in/e",
		"Draw/n/in/od", "draw/n/and", "fraw/n/and/of",
		"dbk/n/in", "fbk/n/in/bf", "fbk/n/in/all", "dbk/n/in/e",
		"fbk/n2/cf", "fbk/n2/all", "dbk/n2/e",
	} },
	{ "x", { "raw/x", "bk/x" }, {
		"draw/x/keep", "fraw/x/keep/of", "draw/x/part",
		"draw/x/part/e", "fraw/x/part/e/of", "fraw/x/part/not",
		"draw/x/way", "draw/x/way/deep", "fraw/x/way/deep/of",
		"fraw/x/way/deep/not", "fraw/x/other",
		"dbk/x/keep", "fbk/x/keep/not", "dbk/x/part", "fbk/x/part/bf",
		"fbk/x/bf",
	} },
	{ "r", { "raw/r", "bk/r" }, {
		"fraw/r/of", "dbk/r/d", "fbk/r/d/bf", "fbk/r/bf",
	} },
	{ "rm", { "raw/rm", "bk/rm" }, {
		"draw/rm/d", "fraw/rm/d/of", "dbk/rm/d", "fbk/rm/d/bf",
	} },
	{ "g", { "raw/g" }, {
		"draw/g/d", "fraw/g/d/of",
	} },
	{ "l", { "raw/l", "bk/l" }, {
		"draw/l/keep", "fraw/l/keep/of", "draw/l/way",
		"draw/l/way/deep", "fraw/l/way/deep/of", "fraw/l/of",
		"dbk/l/d", "fbk/l/d/bf", "fbk/l/of",
	} },
};

struct rule {
	const char *virt;	/* from vs */
	const char *back;	/* from bk; NULL for an exception */
	unsigned int flags;
	bool off;
};

/* An exception comes behind the link that it is of. */
static struct rule rules[] = {
	{ .virt = "/m", .back = "m", .flags = MERGED },
	{ .virt = "/n", .back = "n", .flags = MERGED },
	{ .virt = "/n/in", .back = "n2", .flags = MERGED },
	{ .virt = "/x", .back = "x" },
	{ .virt = "/x/keep" },
	{ .virt = "/x/part/e" },
	{ .virt = "/x/way/deep/of" },
	{ .virt = "/r", .back = "r", .flags = RO },
	{ .virt = "/rm", .back = "rm", .flags = RO | MERGED },
	/* Its backing is in another link, and is gone since. */
	{ .virt = "/g", .back = "../vs/m/gone", .flags = MERGED },
	/* These come and go. */
	{ .virt = "/l", .back = "l", .flags = MERGED, .off = true },
	{ .virt = "/l/keep", .off = true },
	{ .virt = "/l/way/deep", .off = true },
	{ .virt = "/n/and", .back = "n2", .flags = MERGED, .off = true },
};

#define NR_RULES	(sizeof(rules) / sizeof(*rules))

static int rule_make(struct rule *r)
{
	const char *except[4];
	unsigned int n = 0;

	for (; r + 1 + n < rules + NR_RULES && !r[1 + n].back; n++)
		except[n] = path("%s%s", vs, r[1 + n].virt);
	return -link_make_flags(path("%s%s", vs, r->virt),
				path("%s/%s", bk, r->back), r->flags, except,
				n);
}

static void rule_off(struct rule *r, bool off)
{
	do {
		r->off = off;
	} while (++r < rules + NR_RULES && !r->back);
}

static int empty(const char *dir)
{
	struct dirent *d;
	int err = 0;
	DIR *stream = opendir(dir);

	if (!stream)
		return ERR(mkdir(dir, 0750));
	while (!err && (d = readdir(stream)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			err = -rm_rf(path("%s/%s", dir, d->d_name));
	closedir(stream);
	return err;
}

/* u::rwx, u:USER:rwx, g::r-x, m::rwx, o::--- */
static const unsigned char acl[] = {
	2, 0, 0, 0,
	1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	2, 0, 7, 0, USER & 255, USER >> 8, 0, 0,
	4, 0, 5, 0, 0xff, 0xff, 0xff, 0xff,
	16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,
	32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
};

static int set_attr(const char *at, const char *name, const void *value,
		    size_t size)
{
	int err = ERR(setxattr(at, name, value, size, 0));

	return err == EOPNOTSUPP ? 0 : err;
}

/* Whoever makes such a directory once more has much to do. */
static int with_attributes(const char *at)
{
	return ERR(chown(at, USER, OTHER)) ?: ERR(chmod(at, 02770)) ?:
	       set_attr(at, "trusted.x", "x", 1) ?:
	       set_attr(at, "system.posix_acl_access", acl, sizeof(acl)) ?:
	       set_attr(at, "system.posix_acl_default", acl, sizeof(acl));
}

static int make_thing(const char *thing)
{
	const char *at = path("%s/%s", top, thing + 1);

	if (*thing == 'f')
		return -put(at, thing);
	return ERR(mkdir(at, 0750)) ?: *thing == 'D' ? with_attributes(at) : 0;
}

static int stock(const struct shelf *shelf)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < 3 && shelf->roots[i]; i++)
		err = empty(path("%s/%s", top, shelf->roots[i]));
	for (i = 0; !err && shelf->things[i]; i++)
		err = make_thing(shelf->things[i]);
	return err;
}

static int world_make(const struct place *p)
{
	unsigned int i;
	int err;

	top = p->top;
	vs = path("%s/vs", top);
	bk = path("%s/bk", top);
	err = ERR(mkdir(vs, 0750)) ?: ERR(mkdir(bk, 0750));
	raw = err ? NULL : raw_of(p, vs);
	if (!raw)
		return err ?: errno;
	for (i = 0; !err && i < sizeof(shelves) / sizeof(*shelves); i++)
		err = stock(&shelves[i]);
	err = err ?: ERR(mkdir(path("%s/m/gone", bk), 0750));
	for (i = 0; !err && i < NR_RULES; i++)
		if (rules[i].back && !rules[i].off)
			err = rule_make(&rules[i]);
	return err ?: ERR(rmdir(path("%s/m/gone", bk)));
}

/*
 * What is to be seen.
 */

/* Where something is really, first what is seen; nowhere for a way. */
struct spot {
	const char *view;
	const char *real[4];
	bool masked[4];
	int n;
};

static bool exists(const char *at)
{
	struct stat sb;

	return !lstat(at, &sb);
}

/* @at is the next layer. False where that is the last one. */
static bool spot_add(struct spot *spot, const char *at, bool masked)
{
	if (!exists(at))
		return true;
	/* Unlike kinds do not merge. */
	if (spot->n && !is_dir(at))
		return false;
	spot->masked[spot->n] = masked;
	spot->real[spot->n++] = at;
	return is_dir(at);
}

static void spot_link(struct spot *spot, const struct rule *r)
{
	struct spot under = *spot;
	bool more;
	int i;

	spot->n = 0;
	more = spot_add(spot, path("%s/%s", bk, r->back), r->flags & RO);
	for (i = 0; more && (r->flags & MERGED) && i < under.n; i++)
		more = spot_add(spot, under.real[i], under.masked[i]);
}

/* What is to be seen by @name in @dir; false if that is nothing. */
static bool spot_child(const struct spot *dir, const char *name,
		       struct spot *child)
{
	struct spot at = { .view = path("%s/%s", dir->view, name), };
	size_t len = strlen(at.view);
	bool below = false, more = true;
	unsigned int i;

	for (i = 0; more && i < (unsigned int)dir->n; i++)
		more = spot_add(&at, path("%s/%s", dir->real[i], name),
				dir->masked[i]);
	for (i = 0; i < NR_RULES; i++) {
		const struct rule *r = &rules[i];

		if (r->off || strncmp(r->virt, at.view, len))
			continue;
		below |= r->virt[len] == '/';
		if (r->virt[len])
			continue;
		if (r->back) {
			spot_link(&at, r);
		} else {
			at.n = 0;
			spot_add(&at, path("%s%s", raw, at.view), false);
		}
	}
	if (below && !(at.n && is_dir(at.real[0])))
		at.n = 0;
	*child = at;
	return at.n || below;
}

/* The same for a path from vs, whether something is there or not. */
static struct spot spot_at(const char *rest)
{
	struct spot at = { .view = "", .real = { raw }, .n = 1, }, next;

	while (*rest) {
		int len = strcspn(rest, "/");

		spot_child(&at, path("%.*s", len, rest), &next);
		at = next;
		rest += len;
		rest += strspn(rest, "/");
	}
	return at;
}

static void list_spot(struct list *list, const struct spot *dir)
{
	size_t len = strlen(dir->view);
	struct list all = { };
	struct spot child;
	struct dirent *d;
	DIR *stream;
	int i;

	for (i = 0; i < dir->n; i++) {
		stream = opendir(dir->real[i]);
		while (stream && (d = readdir(stream)))
			list_add(&all, path("%s", d->d_name), true);
		if (stream)
			closedir(stream);
	}
	for (i = 0; i < (int)NR_RULES; i++) {
		const char *rest = rules[i].virt + len;

		if (rules[i].off || strncmp(rules[i].virt, dir->view, len) ||
		    *rest != '/')
			continue;
		rest++;
		list_add(&all, path("%.*s", (int)strcspn(rest, "/"), rest),
			 true);
	}
	list->n = 0;
	for (i = 0; i < all.n; i++)
		if (spot_child(dir, all.names[i], &child))
			list_add(list, all.names[i], false);
}

/*
 * What is seen as text: that which stays when a directory is made in another
 * layer, and that which tells what it is.
 */
struct dump {
	char *text, *ids;
	FILE *out, *out_ids;
	size_t size, ids_size;
};

static void dump_attrs(FILE *out, int fd)
{
	static const char *const attrs[] = {
		"trusted.x", "system.posix_acl_access",
		"system.posix_acl_default",
	};
	unsigned char value[256];
	ssize_t n, i;

	for (int a = 0; a < 3; a++) {
		n = fgetxattr(fd, attrs[a], value, sizeof(value));
		if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP)
			fprintf(out, " !%s", strerrorname_np(errno));
		if (n >= 0)
			fprintf(out, " %s=", attrs[a]);
		for (i = 0; i < n; i++)
			fprintf(out, "%02x", value[i]);
	}
}

/*
 * What is at @name in @at, NULL for a way.  Returns a descriptor if that is a
 * directory, and @deep.
 */
static int dump_one(struct dump *dump, const char *view, int at,
		    const char *name, bool masked, int deep)
{
	struct stat sb;
	int fd = -1;

	fprintf(dump->out, "\n%s ", view);
	if (!name) {
		fprintf(dump->out, "way");
		return -1;
	}
	if (fstatat(at, name, &sb, AT_SYMLINK_NOFOLLOW)) {
		fprintf(dump->out, "!%s", strerrorname_np(errno));
		return -1;
	}
	if (S_ISDIR(sb.st_mode) && deep) {
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fprintf(dump->out, "!%s", strerrorname_np(errno));
	}
	if (sb.st_mode == (S_IFDIR | 0555)) {
		fprintf(dump->out, "way");
		return fd;
	}
	if (masked)
		sb.st_mode &= ~0222;
	fprintf(dump->out, "%o %u:%u", sb.st_mode, sb.st_uid, sb.st_gid);
	fprintf(S_ISDIR(sb.st_mode) ? dump->out_ids : dump->out, " %ju:%ju",
		(uintmax_t)sb.st_dev, (uintmax_t)sb.st_ino);
	fprintf(dump->out_ids, "\n%s n%ju", view, (uintmax_t)sb.st_nlink);
	if (S_ISREG(sb.st_mode))
		fprintf(dump->out, " s%jd", (intmax_t)sb.st_size);
	if (fd >= 0 && deep > 1)
		dump_attrs(dump->out, fd);
	return fd;
}

/* What is at @at as it is to be, so many levels deep. */
static void dump_spot(struct dump *dump, const struct spot *at, int deep)
{
	struct list list;
	struct spot child;
	int i, fd;

	fd = dump_one(dump, at->view, AT_FDCWD, at->real[0], at->masked[0],
		      deep);
	if (fd >= 0)
		close(fd);
	if (!deep || (at->n && fd < 0))
		return;
	list_spot(&list, at);
	for (i = 0; i < list.n; i++)
		if (spot_child(at, list.names[i], &child))
			dump_spot(dump, &child, deep - 1);
}

/* And as it is seen. */
static void dump_seen(struct dump *dump, const char *view, int at,
		      const char *name, int deep)
{
	int fd = dump_one(dump, view, at, name, false, deep);
	struct list list;
	int i, err;

	if (fd < 0)
		return;
	err = list_fd(&list, fd);
	if (err)
		fprintf(dump->out, "\n%s/ !%s", view, strerrorname_np(err));
	/* The next one uses the same buffer. */
	for (i = 0; i < list.n; i++)
		list.names[i] = path("%s", list.names[i]);
	for (i = 0; i < list.n; i++)
		dump_seen(dump, path("%s/%s", view, list.names[i]), fd,
			  list.names[i], deep - 1);
	close(fd);
}

static void dump_begin(struct dump *dump)
{
	dump->out = open_memstream(&dump->text, &dump->size);
	dump->out_ids = open_memstream(&dump->ids, &dump->ids_size);
	if (!dump->out || !dump->out_ids)
		abort();
}

static void dump_end(struct dump *dump)
{
	fprintf(dump->out, "\n");
	fclose(dump->out);
	fclose(dump->out_ids);
}

static void dump_free(struct dump *dump)
{
	free(dump->text);
	free(dump->ids);
	memset(dump, 0, sizeof(*dump));
}

/* Whether each line of @a is in @b. */
static bool dump_holds(const struct dump *b, const struct dump *a)
{
	const char *at = a->text, *end;

	for (; (end = strchr(at + 1, '\n')); at = end)
		if (!strstr(b->text, path("%.*s\n", (int)(end - at), at)))
			return false;
	return true;
}

/*
 * Each operation: what it is done to, what has to be there beforehand, and what
 * comes of it.
 */
enum outcome {
	READS,			/* nothing that is seen changes */
	CHANGES,		/* something does, unless it fails */
	ADDS,			/* the rest of it stays */
	MAY_STAY,		/* even if it fails: opening comes after making */
};

struct op {
	const char *what;
	const char *one, *two;	/* from vs */
	const char *look;	/* what it may change, if not their parents */
	const char *makes;	/* from top: what is there afterwards, */
	const char *takes;	/* and what not */
	int (*setup)(void);
	int (*act)(void);
	enum outcome outcome;
	bool each_fs;
	int step;		/* of more than a few only some fail */
};

static const char *one, *two;		/* names that are used */
static struct spot is_one;		/* what that stands for */
static ino_t ino_one;			/* 0 for a way */
static struct list in_one;
static struct rule *extra;		/* the link that comes and goes */
static const char *told;
static struct bindlink *handle;
static struct stat st;

static int seen_as(const struct stat *sb, ino_t ino)
{
	if (!ino)
		return sb->st_mode == (S_IFDIR | 0555) ? 0 : WRONG;
	return sb->st_ino == ino ? 0 : WRONG;
}

#define ACT(name, expression)						\
static int name(void)							\
{									\
	return expression;						\
}

ACT(at_stat, ERR(lstat(one, &st)) ?: seen_as(&st, ino_one))
ACT(at_stat_absent, only(ERR(lstat(one, &st)), ENOENT))
ACT(at_create, err_open(one, O_RDWR | O_CREAT | O_EXCL))
ACT(at_create_denied, only(err_open(one, O_RDWR | O_CREAT), EROFS))
ACT(at_write_denied, only(err_open(one, O_WRONLY), EROFS))
ACT(at_tmpfile, err_open(one, O_RDWR | O_TMPFILE))
ACT(at_mkdir, ERR(mkdir(one, 0755)))
ACT(at_mkdir_denied, only(ERR(mkdir(one, 0755)), EROFS))
ACT(at_symlink, ERR(symlink("target", one)))
ACT(at_mknod, ERR(mknod(one, S_IFCHR | 0600, makedev(1, 3))))
ACT(at_link, ERR(link(one, two)))
ACT(at_unlink, ERR(unlink(one)))
ACT(at_unlink_denied, only(ERR(unlink(one)), EROFS))
ACT(at_rmdir, ERR(rmdir(one)))
ACT(at_rmdir_full, only(ERR(rmdir(one)), ENOTEMPTY))
ACT(at_rmdir_way, only(ERR(rmdir(one)), EBUSY))
ACT(at_rename, ERR(rename(one, two)))
ACT(at_rename_across, only(ERR(rename(one, two)), EXDEV))
ACT(at_exchange, ERR(renameat2(AT_FDCWD, one, AT_FDCWD, two,
			       RENAME_EXCHANGE)))
ACT(at_chmod, ERR(chmod(one, 0600)))
ACT(at_make_link, rule_make(extra))
ACT(at_drop_link, -link_drop(one))

static int at_open(void)
{
	int fd = open(one, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = ERR(fstat(fd, &st)) ?: seen_as(&st, ino_one);
	close(fd);
	return err;
}

/* A listing that failed goes on where it was. */
static int list_on(int fd, size_t chunk)
{
	static char entries[16384] __attribute__((aligned(8)));
	static struct list list;
	struct dirent64 *d;
	ssize_t n, size = 0, at;
	int err = 0;

	list.n = 0;
	for (;;) {
		n = getdents64(fd, entries + size, chunk);
		if (n < 0) {
			if (err)
				return errno;
			err = errno;
			continue;
		}
		if (!n)
			break;
		size += n;
	}
	for (at = 0; at < size; at += d->d_reclen) {
		d = (struct dirent64 *)(entries + at);
		list_add(&list, d->d_name, false);
	}
	return list_same(&list, &in_one) ? err : WRONG;
}

static int list_by(size_t chunk)
{
	int fd = open(one, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return errno;
	err = list_on(fd, chunk);
	close(fd);
	return err;
}

ACT(at_list, list_by(8192))
ACT(at_list_few, list_by(300))

/* What is used for @one now. */
static int ask(const char **real)
{
	struct bindlink_resolution *answer;
	int err = -bindlink_resolve(handle, one, &answer);

	if (err)
		return err;
	err = -bindlink_resolution_error(answer);
	*real = path("%s", bindlink_resolution_real_path(answer) ?: "!");
	bindlink_resolution_free(answer);
	return err;
}

static int at_resolve(void)
{
	const char *real;
	int err = ask(&real);

	return err ?: strcmp(real, told) ? WRONG : 0;
}

/* That of the original is where it would be without the link. */
static int with_answer(void)
{
	return -bindlink_open(&handle) ?: ask(&told) ?:
	       strcmp(told, one) ? WRONG : 0;
}

#define NAMES	50

static int with_many(void)
{
	const char *orig = path("%s/m/many", raw);
	const char *back = path("%s/m/many", bk);
	int i, err = ERR(mkdir(orig, 0750)) ?: ERR(mkdir(back, 0750));

	for (i = 0; !err && i < NAMES; i++)
		err = -put(path("%s/%d", back, i), "") ?:
		      -put(path("%s/%d", orig, i + NAMES / 2), "");
	return err;
}

static int without_link(void)
{
	int err = -link_drop(one);

	rule_off(extra, true);
	return err == ENOENT ? 0 : err;
}

static int with_link(void)
{
	int err = rule_make(extra);

	rule_off(extra, false);
	return err == EEXIST ? 0 : err;
}

static const char *parent_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return path("%.*s", slash ? (int)(slash - name) : 0, name);
}

/* All there is, or what the operation may change. */
static void dump_op(struct dump *dump, const struct op *op, bool seen,
		    bool all)
{
	const char *at[2] = { op->look, NULL };
	struct spot spot;
	int i, deep = 9;

	if (all) {
		at[0] = path("%.*s", (int)strcspn(op->one, "/"), op->one);
	} else if (!op->look) {
		deep = 1;
		at[0] = parent_of(op->one);
		if (op->two && strcmp(at[0], parent_of(op->two)))
			at[1] = parent_of(op->two);
	}
	dump_begin(dump);
	for (i = 0; i < 2 && at[i]; i++) {
		spot = spot_at(at[i]);
		if (seen)
			dump_seen(dump, spot.view, AT_FDCWD,
				  path("%s%s", vs, spot.view), deep);
		else
			dump_spot(dump, &spot, deep);
	}
	dump_end(dump);
}

static const struct shelf *shelf_of(const char *name)
{
	const struct shelf *shelf = shelves;
	size_t len = strcspn(name, "/");

	while (strncmp(shelf->name, name, len) || shelf->name[len])
		shelf++;
	return shelf;
}

static bool has_extra(const struct op *op)
{
	return op->setup == with_link || op->setup == without_link;
}

/* Nothing of the tree is in a cache, and no link is bound. */
static int cool(const struct op *op)
{
	return ERR(mount(NULL, path("%s/%s", vs, shelf_of(op->one)->name),
			 NULL, MS_REMOUNT, NULL));
}

/* @anew: the last time something has changed. */
static int op_begin(const struct op *op, bool anew)
{
	int err = 0;

	one = path("%s/%s", vs, op->one);
	two = path("%s/%s", vs, op->two ?: "");
	extra = rules;
	while (has_extra(op) && strcmp(extra->virt + 1, op->one))
		extra++;
	if (anew)
		err = stock(shelf_of(op->one));
	if (!err && op->setup && (anew || has_extra(op)))
		err = op->setup();
	is_one = spot_at(op->one);
	ino_one = is_one.n ? ino_of(is_one.real[0]) : 0;
	list_spot(&in_one, &is_one);
	return err ?: has_extra(op) ? 0 : cool(op);
}

/* Whether the table, the mounts, and what the operation said agree. */
static void op_check_links(struct __test_metadata *_metadata,
			   const struct op *op, const char *how, int err)
{
	bool was = extra->off, is = !link_count(one);

	rule_off(extra, is);
	EXPECT_GT(2, link_count(one))
		TH_LOG("%s", how);
	EXPECT_EQ(strchr(op->one, '/') ? 0 : !is, mounted(one))
		TH_LOG("%s", how);
	/* Of what was asked the answer may have been lost. */
	if (err != ENOBUFS && err != EFAULT)
		EXPECT_EQ(was, err ? is : !is)
			TH_LOG("%s", how);
}

/* Whether all is as it has to be after an operation that said @err. */
static bool op_check(struct __test_metadata *_metadata, const struct op *op,
		     const struct dump *before, unsigned int n, int err)
{
	struct dump after, seen;
	const char *how = path("%s, allocation %u fails: %s", op->what, n,
			       strerrorname_np(err));
	bool anew, links = has_extra(op);

	EXPECT_TRUE(excused(err))
		TH_LOG("%s", how);
	if (links)
		op_check_links(_metadata, op, how, err);
	dump_op(&after, op, false, false);
	dump_op(&seen, op, true, false);
	EXPECT_STREQ(after.text, seen.text)
		TH_LOG("%s", how);
	EXPECT_STREQ(after.ids, seen.ids)
		TH_LOG("%s", how);
	if (!links && (op->outcome == READS ||
		       (err && op->outcome != MAY_STAY)))
		EXPECT_STREQ(before->text, after.text)
			TH_LOG("%s", how);
	if (op->outcome == ADDS || op->outcome == MAY_STAY)
		EXPECT_TRUE(dump_holds(&after, before))
			TH_LOG("%s: %s%s", how, before->text, after.text);
	if (!err && op->outcome != READS)
		EXPECT_STRNE(before->text, after.text)
			TH_LOG("%s", how);
	if (!err && op->makes)
		EXPECT_TRUE(exists(path("%s/%s", top, op->makes)))
			TH_LOG("%s", how);
	if (!err && op->takes)
		EXPECT_FALSE(exists(path("%s/%s", top, op->takes)))
			TH_LOG("%s", how);
	/* Also when a directory was made that is not seen as such. */
	anew = strcmp(before->text, after.text) ||
	       strcmp(before->ids, after.ids);
	dump_free(&after);
	dump_free(&seen);
	return anew;
}

/*
 * How much further the next allocation is that fails.  All of them take too
 * long on an emulated machine, and operations have much in common: so others
 * fail in each, unless the environment asks for all of them.
 */
static unsigned int next_step(const struct faults *f, const struct op *op,
			      unsigned int n)
{
	if (getenv("BINDLINK_FAULT_ALL"))
		return 1;
	if (op->step)
		return op->step;
	return n < 32 ? f->step : 2 * f->step;
}

static void all_of_op(struct __test_metadata *_metadata, struct faults *f,
		      const struct op *op)
{
	struct dump before = { }, seen = { };
	bool through = false, anew = true;
	unsigned int n;
	int err = 0;

	f->injected = 0;
	f->turn++;
	for (n = 1 + f->turn % next_step(f, op, 1); n < 3000 && !through;
	     n += next_step(f, op, n)) {
		ASSERT_EQ(0, op_begin(op, anew))
			TH_LOG("%s: %s", op->what, link_why());
		if (anew) {
			dump_free(&before);
			dump_op(&before, op, false, false);
		}
		ASSERT_TRUE(faults_begin(f, n));
		err = op->act();
		through = faults_end(f);
		anew = op_check(_metadata, op, &before, n, err);
		f->injected += !through;
		if (_metadata->exit_code)
			return;
	}
	/* It got through without that one. */
	EXPECT_TRUE(through);
	EXPECT_EQ(0, err)
		TH_LOG("%s: nothing failed, and yet: %s", op->what,
		       strerror(err));
	EXPECT_LT(0, f->injected);
	TH_LOG("%s: %u allocations failed", op->what, f->injected);
	dump_free(&before);
	dump_op(&before, op, false, true);
	dump_op(&seen, op, true, true);
	EXPECT_STREQ(before.text, seen.text)
		TH_LOG("%s", op->what);
	EXPECT_STREQ(before.ids, seen.ids)
		TH_LOG("%s", op->what);
	if (!has_extra(op))
		EXPECT_EQ(1, mounted(path("%s/%s", vs,
					  shelf_of(op->one)->name)));
	dump_free(&before);
	dump_free(&seen);
}

FIXTURE(fault_flags)
{
	struct faults f;
};

FIXTURE_VARIANT(fault_flags)
{
	const char *fs;
	bool module_only;
};

FIXTURE_VARIANT_ADD(fault_flags, tmpfs) { .fs = "tmpfs", .module_only = false, };
FIXTURE_VARIANT_ADD(fault_flags, ext4) { .fs = "ext4", .module_only = true, };

FIXTURE_SETUP(fault_flags)
{
	const char *why = faults_make(&self->f, variant->fs,
				      variant->module_only);

	if (why)
		SKIP(return, "%s", why);
	self->f.step = variant->module_only ? 4 : 7;
	ASSERT_EQ(0, world_make(&self->f.p))
		TH_LOG("%s", link_why());
}

FIXTURE_TEARDOWN_PARENT(fault_flags)
{
	EXPECT_EQ(NULL, faults_drop(&self->f));
}

/* On a filesystem on which only the module fails not all of it is done. */
#define FLAGS(ops)							\
TEST_F_TIMEOUT(fault_flags, SE2_##ops, 900)				\
{									\
	for (size_t i = 0; i < sizeof(ops) / sizeof(*(ops)); i++)	\
		if (!_metadata->exit_code &&				\
		    (!variant->module_only || (ops)[i].each_fs))	\
			all_of_op(_metadata, &self->f, &(ops)[i]);	\
}

static const struct op MG1_MG2_MG3_seen_in_two_layers[] = {
	{ "stat in both", .one = "m/d/both", .act = at_stat,
	  .each_fs = true },
	{ "stat of nothing", .one = "m/od/sub/none", .act = at_stat_absent },
	{ "stat of unlike kinds", .one = "m/k", .act = at_stat },
	{ "open in the original", .one = "m/od/sub/of", .act = at_open },
	{ "list of both", .one = "m/d", .act = at_list, .each_fs = true },
	{ "list of the root", .one = "m", .act = at_list },
	{ "list with a small buffer", .one = "m/many", .look = "m/od",
	  .setup = with_many, .act = at_list_few },
	{ "resolve", .one = "m/od/sub/of", .setup = with_answer,
	  .act = at_resolve },
};

FLAGS(MG1_MG2_MG3_seen_in_two_layers)

static const struct op MG4_made_where_both_are[] = {
	{ "create", .one = "m/d/new", .makes = "bk/m/d/new",
	  .act = at_create, .outcome = MAY_STAY, .each_fs = true },
	{ "mkdir", .one = "m/d/new", .makes = "bk/m/d/new", .act = at_mkdir,
	  .outcome = ADDS },
	{ "mknod", .one = "m/d/new", .makes = "bk/m/d/new", .act = at_mknod,
	  .outcome = ADDS },
	{ "O_TMPFILE", .one = "m/d", .look = "m/d", .act = at_tmpfile },
	{ "link in the backing", .one = "m/d/bf", .two = "m/new",
	  .makes = "bk/m/new", .act = at_link, .outcome = ADDS },
	{ "link in the original", .one = "m/d/of", .two = "m/new",
	  .makes = "raw/m/new", .act = at_link, .outcome = ADDS },
};

FLAGS(MG4_made_where_both_are)

static const struct op MG4_made_where_the_original_is[] = {
	{ "create on a new way", .one = "m/od/sub/new", .look = "m/od",
	  .makes = "bk/m/od/sub/new", .act = at_create,
	  .outcome = MAY_STAY, .each_fs = true },
	{ "mkdir on a new way", .one = "m/od/sub/new", .look = "m/od",
	  .makes = "bk/m/od/sub/new", .act = at_mkdir, .outcome = ADDS },
	{ "symlink on a new way", .one = "m/od/sub/new", .look = "m/od",
	  .makes = "bk/m/od/sub/new", .act = at_symlink, .outcome = ADDS },
	{ "O_TMPFILE on a new way", .one = "m/od/sub", .look = "m/od",
	  .makes = "bk/m/od/sub", .act = at_tmpfile },
	{ "link on a new way", .one = "m/d/bf", .two = "m/od/sub/new",
	  .look = "m/od", .makes = "bk/m/od/sub/new", .act = at_link,
	  .outcome = ADDS },
};

FLAGS(MG4_made_where_the_original_is)

static const struct op MG5_MG6_MG7_changed_and_removed[] = {
	{ "chmod in the original", .one = "m/od/sub/of", .act = at_chmod,
	  .outcome = CHANGES },
	{ "unlink in both", .one = "m/d/both", .takes = "bk/m/d/both",
	  .makes = "raw/m/d/both", .act = at_unlink, .outcome = CHANGES,
	  .each_fs = true },
	{ "unlink in the original", .one = "m/d/of", .takes = "raw/m/d/of",
	  .act = at_unlink, .outcome = CHANGES },
	{ "rmdir in both", .one = "m/e", .takes = "bk/m/e", .act = at_rmdir,
	  .outcome = CHANGES, .each_fs = true },
	{ "rmdir of what is not empty", .one = "m/d", .act = at_rmdir_full },
};

FLAGS(MG5_MG6_MG7_changed_and_removed)

static const struct op MG8_renamed[] = {
	{ "rename in the backing", .one = "m/d/bf", .two = "m/new",
	  .makes = "bk/m/new", .takes = "bk/m/d/bf", .act = at_rename,
	  .outcome = CHANGES },
	{ "rename in the original", .one = "m/d/of", .two = "m/new",
	  .makes = "raw/m/new", .takes = "raw/m/d/of", .act = at_rename,
	  .outcome = CHANGES },
	{ "rename over one in the original", .one = "m/d/bf",
	  .two = "m/d/of", .makes = "bk/m/d/of", .takes = "bk/m/d/bf",
	  .act = at_rename, .outcome = CHANGES, .each_fs = true },
	{ "rename on a new way", .one = "m/d/bf", .two = "m/od/sub/new",
	  .makes = "bk/m/od/sub/new", .takes = "bk/m/d/bf", .look = "m",
	  .act = at_rename, .outcome = CHANGES },
	{ "rename across", .one = "m/d/of", .two = "m/d/both",
	  .act = at_rename_across },
	{ "exchange", .one = "m/d/bf", .two = "m/d/both",
	  .act = at_exchange, .outcome = CHANGES },
};

FLAGS(MG8_renamed)

/* Three layers. */
static const struct op NE6_MG3_merged_in_merged[] = {
	{ "stat in the last", .one = "n/in/of", .act = at_stat },
	{ "list of all", .one = "n/in", .act = at_list, .each_fs = true },
	{ "create in the first", .one = "n/in/od/new", .look = "n/in/od",
	  .makes = "bk/n2/od/new", .act = at_create, .outcome = MAY_STAY },
	{ "unlink in all", .one = "n/in/all", .takes = "bk/n2/all",
	  .makes = "bk/n/in/all", .act = at_unlink, .outcome = CHANGES },
	{ "rmdir in all", .one = "n/in/e", .takes = "raw/n/in/e",
	  .act = at_rmdir, .outcome = CHANGES, .each_fs = true },
};

FLAGS(NE6_MG3_merged_in_merged)

/* What is in no layer but the last one is no less there. */
static const struct op LB1_CH1_merged_without_a_backing[] = {
	{ "stat without a backing", .one = "g/d/of", .act = at_stat,
	  .step = 3 },
	{ "list without a backing", .one = "g/d", .act = at_list },
	{ "unlink without a backing", .one = "g/d/of", .takes = "raw/g/d/of",
	  .act = at_unlink, .outcome = CHANGES },
};

FLAGS(LB1_CH1_merged_without_a_backing)

static const struct op EX2_EX4_at_and_below_exceptions[] = {
	{ "stat below an exception", .one = "x/keep/of", .act = at_stat,
	  .each_fs = true },
	{ "stat of a way", .one = "x/way/deep", .act = at_stat },
	{ "stat of what is hidden", .one = "x/other",
	  .act = at_stat_absent },
	{ "open of an exception", .one = "x/way/deep/of", .act = at_open },
	{ "list of an exception", .one = "x/keep", .act = at_list },
	{ "list of a way", .one = "x/way/deep", .act = at_list,
	  .each_fs = true },
	{ "list beside an exception", .one = "x/part", .act = at_list },
	{ "create below an exception", .one = "x/part/e/new",
	  .makes = "raw/x/part/e/new", .act = at_create,
	  .outcome = MAY_STAY, .each_fs = true },
	{ "create beside an exception", .one = "x/part/new",
	  .makes = "bk/x/part/new", .act = at_create, .outcome = MAY_STAY },
	{ "create in a way", .one = "x/way/new", .act = at_create_denied },
	{ "unlink of an exception", .one = "x/way/deep/of",
	  .takes = "raw/x/way/deep/of", .act = at_unlink,
	  .outcome = CHANGES },
	{ "rmdir of a way", .one = "x/way", .act = at_rmdir_way },
};

FLAGS(EX2_EX4_at_and_below_exceptions)

static const struct op RO1_RO2_RO4_read_only[] = {
	{ "stat read-only", .one = "r/d/bf", .act = at_stat },
	{ "open read-only", .one = "r/bf", .act = at_open, .each_fs = true },
	{ "list read-only", .one = "r", .act = at_list },
	{ "open for writing", .one = "r/bf", .act = at_write_denied },
	{ "mkdir read-only", .one = "r/new", .act = at_mkdir_denied,
	  .each_fs = true },
	{ "unlink read-only", .one = "r/d/bf", .act = at_unlink_denied },
	{ "mkdir read-only and merged", .one = "rm/d/new",
	  .act = at_mkdir_denied },
	{ "chmod read-only and merged", .one = "rm/d/of", .act = at_chmod,
	  .outcome = CHANGES },
};

FLAGS(RO1_RO2_RO4_read_only)

static const struct op CR9_EX5_links_that_come_and_go[] = {
	{ "making a link", .one = "l", .look = "l", .setup = without_link,
	  .act = at_make_link, .outcome = CHANGES, .step = 23 },
	{ "removing a link", .one = "l", .look = "l", .setup = with_link,
	  .act = at_drop_link, .outcome = CHANGES, .step = 13 },
	{ "making a link in a link", .one = "n/and", .look = "n/and",
	  .setup = without_link, .act = at_make_link, .outcome = CHANGES,
	  .each_fs = true, .step = 17 },
};

FLAGS(CR9_EX5_links_that_come_and_go)

int main(int argc, char **argv)
{
	if (!faults_possible())
		ksft_exit_skip("this kernel has no fault injection\n");
	return test_harness_run(argc, argv);
}
