// SPDX-License-Identifier: GPL-2.0
/*
 * Storms on links that show several directories in one, on read-only ones and
 * on ones with exceptions: many processes change what is behind V directly and
 * through V.  Each knows what is in each layer by the names it owns, and so what
 * must be seen through V when its change has returned, and looks at once.
 * Others walk the same names all the time, so that the caches are hot.
 */
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <linux/magic.h>

#include <bindlink.h>

#include "kselftest_harness.h"
#include "place.h"
#include "weather.h"

PLACES_CROSS(merged_storm);

#define MERGED		BINDLINK_FLAG_MERGED
#define READ_ONLY	BINDLINK_FLAG_READ_ONLY

/* There are many storms, so each is short; a slow machine needs its time. */
static void begin(struct weather *w)
{
	w->until = now_ms() + (scaled(100) < 25 ? 1200 : scaled(1500));
}

/* So much is done by each, however slow the machine is at that time. */
#define STEPS_LEAST	10

static bool time_left(struct weather *w, unsigned int step)
{
	return !atomic_load(&w->failed) &&
	       (step < STEPS_LEAST || now_ms() < w->until);
}

static bool goes_on(struct weather *w)
{
	return !atomic_load(&w->over) && !atomic_load(&w->failed);
}

/*
 * Calls @fn for each entry of @dir but "." and "..", read anew in pieces of
 * @size bytes.  0 or errno.  Where tmpfs lists it, it is read at once: natively, too,
 * that lists a name twice or not at all that is there all the time, when others are
 * renamed between two pieces.
 */
static int each_entry(const char *dir, size_t size,
		      void (*fn)(void *data, const struct dirent64 *d),
		      void *data)
{
	char buf[16384] __attribute__((aligned(8)));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct dirent64 *d;
	struct statfs sf;
	long n, at;

	if (fd < 0)
		return errno;
	if (!fstatfs(fd, &sf) && sf.f_type == TMPFS_MAGIC)
		size = sizeof(buf);
	while ((n = syscall(SYS_getdents64, fd, buf, size)) > 0)
		for (at = 0; at < n; at += d->d_reclen) {
			d = (struct dirent64 *)(buf + at);
			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				fn(data, d);
		}
	if (n < 0)
		err = errno;
	close(fd);
	return err;
}

/* From one name in a piece to all of them. */
static size_t piece(uint64_t *seed)
{
	return rnd(seed) % 4 ? 4096 : 64 + rnd(seed) % 300;
}

/*
 * The scene: what is behind V.
 */
#define LAYERS		3
#define DIRS		6
#define SLOTS		(2 * DIRS)

struct layer {
	char top[140];
	const char *at;		/* the layer is behind this directory of V */
	bool ro;
};

/* A directory that has names of the changers. */
struct dir {
	const char *name;
	unsigned int has;	/* layers in which it is made before */
	unsigned int seen;	/* layers that are seen in it */
};

struct scene {
	struct weather *w;
	char v[140];
	struct layer layer[LAYERS];
	struct dir dir[DIRS];
	unsigned int layers, dirs;
	bool merged;
	unsigned int inner;	/* layers that the backing itself is made of */
	unsigned int via;	/* changes of 8 that are made through V */
};

static void layer_path(char *buf, const struct scene *s, unsigned int l,
		       const char *name)
{
	const char *at = s->layer[l].at;

	if (at && !strncmp(name, at, strlen(at)))
		name += strlen(at);
	snprintf(buf, 256, "%s%s%s", s->layer[l].top,
		 *name && *name != '/' ? "/" : "", name);
}

static int scene_build(const struct scene *s)
{
	unsigned int i, l;
	char buf[256];

	for (l = 0; l < s->layers; l++)
		if (mkdir(s->layer[l].top, 0755) && errno != EEXIST)
			return errno;
	for (i = 0; i < s->dirs; i++)
		for (l = 0; l < s->layers; l++) {
			if (!(s->dir[i].has & 1u << l))
				continue;
			layer_path(buf, s, l, s->dir[i].name);
			if (mkdir(buf, 0755) && errno != EEXIST)
				return errno;
		}
	return 0;
}

/*
 * A directory with V in it, and the same without links: with V as carrier the
 * original can be changed there.
 */
static int open_area(const char *dir, const char *raw)
{
	return ERR(mkdir(dir, 0755)) ?: ERR(mkdir(raw, 0755)) ?:
	       ERR(mount(dir, raw, NULL, MS_BIND, NULL)) ?:
	       ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL));
}

/*
 * Changers.  Of each name they know what each layer has by it.
 */
enum kind { NONE, FILE_, DIR_, LINK_ };

static const char *const kind_name[] = { "-", "file", "dir", "symlink" };
static const unsigned char kind_type[] = { 0, DT_REG, DT_DIR, DT_LNK };

struct entry {
	enum kind kind;
	bool full;		/* a directory with one file in it */
	ino_t ino;
	dev_t dev;
	mode_t mode;
	unsigned int serial;	/* of the contents of a file or symlink */
};

#define CHANGERS	2
#define WALKERS		2
#define RECORD		32

struct changer {
	struct scene *s;
	struct weather *w;
	unsigned int me;
	uint64_t seed;
	unsigned int serial;
	unsigned int step;
	unsigned int slots;
	char what[400];
	struct entry e[SLOTS][LAYERS];
};

static void name_of(char *buf, const struct scene *s, unsigned int who,
		    unsigned int k)
{
	const char *dir = s->dir[k % s->dirs].name;

	snprintf(buf, 100, "%s%sc%u-%u", dir, *dir ? "/" : "", who, k);
}

static const struct dir *dir_of(const struct changer *c, unsigned int k)
{
	return &c->s->dir[k % c->s->dirs];
}

/* The name in a layer, or, with -1, at V. */
static void file_of(char *buf, const struct changer *c, unsigned int k, int l)
{
	char name[100];

	name_of(name, c->s, c->me, k);
	if (l < 0)
		snprintf(buf, 256, "%s/%s", c->s->v, name);
	else
		layer_path(buf, c->s, l, name);
}

/* Whether the directory of the name is there in the layer. */
static bool dir_in(const struct changer *c, unsigned int k, unsigned int l)
{
	struct stat st;
	char buf[256];

	if (c->s->layer[l].at &&
	    strncmp(dir_of(c, k)->name, c->s->layer[l].at,
		    strlen(c->s->layer[l].at)))
		return false;
	layer_path(buf, c->s, l, dir_of(c, k)->name);
	return !lstat(buf, &st) && S_ISDIR(st.st_mode);
}

static bool sees(const struct changer *c, unsigned int k, unsigned int l)
{
	return dir_of(c, k)->seen & 1u << l;
}

/* Where new things are made. */
static unsigned int first(const struct changer *c, unsigned int k)
{
	return __builtin_ctz(dir_of(c, k)->seen);
}

/* The layer whose entry is seen, or -1. */
static int top(const struct changer *c, unsigned int k)
{
	unsigned int l;

	for (l = 0; l < c->s->layers; l++)
		if (sees(c, k, l) && c->e[k][l].kind != NONE)
			return l;
	return -1;
}

/* Layers whose directories are seen as one. */
static unsigned int merges(const struct changer *c, unsigned int k)
{
	unsigned int l, mask = 0;

	for (l = 0; l < c->s->layers; l++) {
		if (!sees(c, k, l) || c->e[k][l].kind == NONE)
			continue;
		if (c->e[k][l].kind == DIR_)
			mask |= 1u << l;
		else if (mask && l < c->s->inner)
			/* That ends what the backing is made of. */
			l = c->s->inner - 1;
		else
			break;
	}
	return mask;
}

static bool any_ro(const struct changer *c, unsigned int mask)
{
	unsigned int l;

	for (l = 0; l < c->s->layers; l++)
		if (mask & 1u << l && c->s->layer[l].ro)
			return true;
	return false;
}

static bool any_full(const struct changer *c, unsigned int k, unsigned int mask)
{
	unsigned int l;

	for (l = 0; l < c->s->layers; l++)
		if (mask & 1u << l && c->e[k][l].full)
			return true;
	return false;
}

static void record(char *buf, unsigned int who, unsigned int serial)
{
	memset(buf, ' ', RECORD);
	sprintf(buf, "c%u %u", who, serial);
	buf[strlen(buf)] = ' ';
	buf[RECORD - 1] = '\n';
}

/* 0 or errno. */
static int write_record(struct changer *c, const char *file, int flags,
			unsigned int serial)
{
	int fd = open(file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
	char buf[RECORD + 1];

	if (fd < 0)
		return errno;
	record(buf, c->me, serial);
	if (pwrite(fd, buf, RECORD, 0) != RECORD || close(fd))
		wrong(c->w, "step %u: writing %s: %s", c->step, file,
		      strerror(errno));
	return 0;
}

static void says(struct changer *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void says(struct changer *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->what, sizeof(c->what), fmt, ap);
	va_end(ap);
}

/* What the layers have by the name, for messages. */
static const char *layers_have(const struct changer *c, unsigned int k)
{
	static char text[500];
	size_t n = 0;
	unsigned int l;

	for (l = 0; l < c->s->layers; l++) {
		const struct entry *e = &c->e[k][l];

		n += snprintf(text + n, sizeof(text) - n, "%s%s%s %ju %o '%u'%s",
			      l ? ", " : "", sees(c, k, l) ? "" : "(unseen) ",
			      kind_name[e->kind], (uintmax_t)e->ino, e->mode,
			      e->serial, e->full ? " full" : "");
	}
	return text;
}

#define WRONG(c, k, fmt, ...)						\
	wrong((c)->w, "changer %u, step %u, after %s: slot %u [%s]: " fmt, \
	      (c)->me, (c)->step, (c)->what, k, layers_have(c, k),	\
	      ##__VA_ARGS__)

static void take_stat(struct changer *c, unsigned int k, unsigned int l)
{
	struct entry *e = &c->e[k][l];
	char file[256];
	struct stat st;

	file_of(file, c, k, l);
	if (lstat(file, &st))
		WRONG(c, k, "it is not in layer %u: %s", l, strerror(errno));
	e->ino = st.st_ino;
	e->dev = st.st_dev;
	e->mode = st.st_mode;
}

/* All names that are the same file in a layer. */
static void take_links(struct changer *c, unsigned int k, unsigned int l,
		       unsigned int serial)
{
	ino_t ino = c->e[k][l].ino;
	unsigned int i;

	for (i = 0; i < c->slots; i++)
		if (c->e[i][l].kind != NONE && c->e[i][l].ino == ino) {
			c->e[i][l].serial = serial;
			take_stat(c, i, l);
		}
}

/* Something new is there. */
static void made(struct changer *c, unsigned int k, unsigned int l,
		 enum kind kind)
{
	c->e[k][l] = (struct entry) { .kind = kind, .serial = c->serial, };
	take_stat(c, k, l);
}

static void inside(char *buf, const char *dir, unsigned int l)
{
	snprintf(buf, 300, "%s/l%u", dir, l);
}

struct listing {
	struct changer *c;
	unsigned int dir;
	unsigned int count[SLOTS];
	unsigned char type[SLOTS];
	ino_t ino[SLOTS];
};

static void listing_entry(void *data, const struct dirent64 *d)
{
	struct listing *l = data;
	unsigned int who, k;

	if (sscanf(d->d_name, "c%u-%u", &who, &k) != 2 || who != l->c->me)
		return;
	if (k >= l->c->slots)
		return;
	l->count[k]++;
	l->type[k] = d->d_type;
	l->ino[k] = d->d_ino;
}

/* All of one's names in one directory. */
static void check_listing(struct changer *c, unsigned int dir)
{
	struct listing list = { .c = c };
	unsigned int k;
	char buf[256];
	int err;

	snprintf(buf, sizeof(buf), "%s/%s", c->s->v, c->s->dir[dir].name);
	err = each_entry(buf, piece(&c->seed), listing_entry, &list);
	for (k = dir; k < c->slots; k += c->s->dirs) {
		int l = top(c, k);

		if (err && (err != ENOENT || l >= 0))
			WRONG(c, k, "listing %s: %s", buf, strerror(err));
		if (list.count[k] != (l >= 0))
			WRONG(c, k, "it is listed %u times", list.count[k]);
		if (l < 0)
			continue;
		if (list.type[k] != DT_UNKNOWN &&
		    list.type[k] != kind_type[c->e[k][l].kind])
			WRONG(c, k, "it is listed with type %u", list.type[k]);
		if (list.ino[k] != c->e[k][l].ino)
			WRONG(c, k, "it is listed with inode %ju",
			      (uintmax_t)list.ino[k]);
	}
}

static void inside_entry(void *data, const struct dirent64 *d)
{
	unsigned int *count = data, l;

	if (sscanf(d->d_name, "l%u", &l) == 1 && l < LAYERS)
		count[l]++;
	else
		count[LAYERS]++;
}

/* What is in a directory that is made of several. */
static void check_inside(struct changer *c, unsigned int k, const char *file)
{
	unsigned int mask = merges(c, k), count[LAYERS + 1] = { }, l;
	int err = each_entry(file, piece(&c->seed), inside_entry, count);
	struct stat st;
	char in[300];

	if (err)
		WRONG(c, k, "listing it: %s", strerror(err));
	if (count[LAYERS])
		WRONG(c, k, "there is what nobody made");
	for (l = 0; l < c->s->layers; l++) {
		bool full = mask & 1u << l && c->e[k][l].full;

		if (count[l] != full)
			WRONG(c, k, "l%u is listed in it %u times", l, count[l]);
		inside(in, file, l);
		err = ERR(lstat(in, &st));
		if (err != (full ? 0 : ENOENT))
			WRONG(c, k, "l%u in it gives %s", l, strerror(err));
	}
}

/* Looks at one name through V in one of many ways. */
static void check_slot(struct changer *c, unsigned int k)
{
	int l = top(c, k), fd, err;
	unsigned int how = rnd(&c->seed) % 7;
	const struct entry *e = &c->e[k][l < 0 ? 0 : l];
	char file[256], buf[RECORD + 1] = "", want[RECORD + 1] = "";
	struct stat st;
	mode_t mode;
	bool ro;

	file_of(file, c, k, -1);
	if (how == 0) {
		check_listing(c, k % c->s->dirs);
		return;
	}
	if (l < 0) {
		err = how == 1 ? ERR(lstat(file, &st)) :
		      how == 2 ? err_open(file, O_RDONLY | O_NONBLOCK) :
		      how == 3 ? err_open(file, O_PATH | O_NOFOLLOW) :
		      how == 4 ? ERR(access(file, F_OK)) :
		      how == 5 ? ERR(chdir(file)) :
				 ERR(readlink(file, buf, 1));
		if (err != ENOENT)
			WRONG(c, k, "gives %s and not ENOENT (%u)",
			      strerror(err), how);
		return;
	}
	ro = c->s->layer[l].ro;
	if (how == 1 || how == 2) {
		if (lstat(file, &st))
			WRONG(c, k, "lstat: %s", strerror(errno));
	} else {
		/* How it is opened: for writing where that is possible. */
		bool writes = e->kind == FILE_ && how == 3;

		fd = open(file, O_NOFOLLOW | (e->kind == LINK_ ? O_PATH :
			  e->kind == DIR_ ? O_RDONLY | O_DIRECTORY :
			  writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (fd < 0 && writes && ro && errno == EROFS)
			return;
		if (fd < 0)
			WRONG(c, k, "open: %s", strerror(errno));
		if (writes && ro)
			WRONG(c, k, "can be opened for writing");
		if (fstat(fd, &st))
			WRONG(c, k, "fstat: %s", strerror(errno));
		if (e->kind == FILE_ && pread(fd, buf, RECORD, 0) != RECORD)
			WRONG(c, k, "read: %s", strerror(errno));
		close(fd);
		record(want, c->me, e->serial);
		if (e->kind == FILE_ && memcmp(buf, want, RECORD))
			WRONG(c, k, "has '%.12s'", buf);
	}
	mode = ro ? e->mode & ~0222 : e->mode;
	if (st.st_ino != e->ino || st.st_dev != e->dev)
		WRONG(c, k, "inode %ju, device %jx and not %jx (%u)",
		      (uintmax_t)st.st_ino, (uintmax_t)st.st_dev,
		      (uintmax_t)e->dev, how);
	if (st.st_mode != mode)
		WRONG(c, k, "mode %o and not %o (%u)", st.st_mode, mode, how);
	if (e->kind == LINK_) {
		ssize_t n = readlink(file, buf, RECORD);

		snprintf(want, sizeof(want), "nowhere-%u", e->serial);
		if (n != (ssize_t)strlen(want) || memcmp(buf, want, n))
			WRONG(c, k, "leads to '%.*s' (%d)", (int)n, buf, errno);
	}
	if (e->kind == DIR_ && how >= 4)
		check_inside(c, k, file);
}

/* One change in a layer. Returns whether there was any. */
static bool change_layer(struct changer *c, unsigned int k, unsigned int m)
{
	unsigned int l = rnd(&c->seed) % c->s->layers, op;
	struct entry *s = &c->e[k][l], *t = &c->e[m][l], tmp;
	char file[256], other[256], temp[300], in[300], target[32];
	int err = 0;

	if (!dir_in(c, k, l) || !dir_in(c, m, l))
		return false;
	file_of(file, c, k, l);
	file_of(other, c, m, l);
	inside(in, file, l);
	snprintf(temp, sizeof(temp), "%.*s/t%u",
		 (int)(strrchr(file, '/') - file), file, c->me);
	snprintf(target, sizeof(target), "nowhere-%u", c->serial + 1);
	op = s->kind == NONE ? rnd(&c->seed) % 5 : 5 + rnd(&c->seed) % 10;
	says(c, "op %u directly at %s (and slot %u)", op, file, m);
	switch (op) {
	case 0:
	case 1:
		err = write_record(c, file, O_CREAT | O_EXCL, ++c->serial);
		if (!err)
			made(c, k, l, FILE_);
		break;
	case 2:
		err = ERR(mkdir(file, 0755));
		if (!err)
			made(c, k, l, DIR_);
		break;
	case 3:
		c->serial++;
		err = ERR(symlink(target, file));
		if (!err)
			made(c, k, l, LINK_);
		break;
	case 4:
		if (t->kind != FILE_)
			return false;
		err = ERR(link(other, file));
		*s = *t;
		break;
	case 5:
	case 6:
		if (s->kind == DIR_)
			err = (s->full ? ERR(unlink(in)) : 0) ?:
			      ERR(rmdir(file));
		else
			err = ERR(unlink(file));
		*s = (struct entry) { };
		break;
	case 7:
	case 8:
		/* Two names of one file stay both; not that here. */
		if (k == m || (t->kind != NONE &&
			       (t->ino == s->ino || t->full ||
				(t->kind == DIR_) != (s->kind == DIR_))))
			return false;
		err = ERR(rename(file, other));
		*t = *s;
		*s = (struct entry) { };
		break;
	case 9:
		if (k == m || t->kind == NONE)
			return false;
		err = ERR(renameat2(AT_FDCWD, file, AT_FDCWD, other,
				    RENAME_EXCHANGE));
		tmp = *s;
		*s = *t;
		*t = tmp;
		break;
	case 10:
		if (s->kind == DIR_)
			return false;
		err = write_record(c, temp, O_CREAT | O_EXCL, ++c->serial) ?:
		      ERR(rename(temp, file));
		if (!err)
			made(c, k, l, FILE_);
		break;
	case 11:
		if (s->kind == LINK_)
			return false;
		err = ERR(chmod(file, rnd(&c->seed) & 07777));
		if (!err)
			take_links(c, k, l, s->serial);
		break;
	case 12:
		if (s->kind != FILE_)
			return false;
		err = write_record(c, file, 0, ++c->serial);
		if (!err)
			take_links(c, k, l, c->serial);
		break;
	case 13:
		if (s->kind == DIR_)
			return false;
		c->serial++;
		err = ERR(symlink(target, temp)) ?: ERR(rename(temp, file));
		if (!err)
			made(c, k, l, LINK_);
		break;
	default:
		if (s->kind != DIR_)
			return false;
		err = s->full ? ERR(unlink(in)) :
				err_open(in, O_WRONLY | O_CREAT | O_EXCL);
		s->full = !s->full;
	}
	if (err)
		WRONG(c, k, "%s", strerror(err));
	return true;
}

/* What was made through V may have made the directory it is in, too. */
static void check_error(struct changer *c, unsigned int k, int err, int want,
			int also)
{
	if (err != want && err != also)
		WRONG(c, k, "%s and not %s", err ? strerrorname_np(err) : "done",
		      want ? strerrorname_np(want) : "done");
}

/* What a rename of @k, which is seen, to @m has to give; @also: or that. */
static int rename_error(const struct changer *c, unsigned int k, unsigned int m,
			int *also)
{
	int a = top(c, k), b = top(c, m);
	bool is_dir = c->e[k][a].kind == DIR_;
	unsigned int mask = is_dir ? merges(c, k) : 0;

	*also = 0;
	if (any_ro(c, 1u << a))
		*also = EROFS;
	if (b >= 0 && (c->e[m][b].kind == DIR_) != is_dir) {
		*also = *also ?: any_ro(c, 1u << b) ? EROFS : 0;
		*also = *also ?: is_dir ? ENOTDIR : EISDIR;
		return is_dir ? ENOTDIR : EISDIR;
	}
	if (*also) {
		*also = EXDEV;
		return EROFS;
	}
	*also = EXDEV;
	if (mask & (mask - 1))
		return EXDEV;
	if (!sees(c, m, a) || (b >= 0 && b < a))
		return EXDEV;
	*also = EEXIST;
	if (is_dir && any_full(c, m, merges(c, m))) {
		if (!dir_in(c, m, a))
			*also = EXDEV;
		return ENOTEMPTY;
	}
	*also = 0;
	if (!dir_in(c, m, a) && a != (int)first(c, m)) {
		*also = EXDEV;
		return EXDEV;
	}
	return 0;
}

/* One change through V. Returns whether there was any. */
static bool change_via(struct changer *c, unsigned int k, unsigned int m)
{
	unsigned int f = first(c, k), op, i, mask;
	int a = top(c, k), b, err, want = 0, also = 0;
	struct entry *s = &c->e[k][a < 0 ? f : (unsigned int)a], tmp;
	char file[256], other[256], temp[300], in[300], target[32];
	bool there = false;

	for (i = 0; i < c->s->layers; i++)
		there |= sees(c, k, i) && dir_in(c, k, i);
	if (!there)
		return false;
	for (there = false, i = 0; i < c->s->layers; i++)
		there |= sees(c, m, i) && dir_in(c, m, i);
	if (!there)
		return false;
	/* Between two layers of a plain link: that is up to what is there. */
	if (!c->s->merged && dir_of(c, k)->seen != dir_of(c, m)->seen)
		m = k;
	b = top(c, m);
	file_of(file, c, k, -1);
	file_of(other, c, m, -1);
	snprintf(temp, sizeof(temp), "%.*s/t%u",
		 (int)(strrchr(file, '/') - file), file, c->me);
	snprintf(target, sizeof(target), "nowhere-%u", c->serial + 1);
	op = a < 0 ? rnd(&c->seed) % 5 : 5 + rnd(&c->seed) % 12;
	says(c, "op %u through V at %s (and slot %u)", op, file, m);
	if (a < 0)
		want = also = c->s->layer[f].ro ? EROFS : 0;
	else
		want = also = c->s->layer[a].ro ? EROFS : 0;
	switch (op) {
	case 0:
	case 1:
		err = write_record(c, file, O_CREAT | (op ? O_EXCL : 0),
				   ++c->serial);
		check_error(c, k, err, want, also);
		if (!err)
			made(c, k, f, FILE_);
		break;
	case 2:
		err = ERR(mkdir(file, 0755));
		check_error(c, k, err, want, also);
		if (!err)
			made(c, k, f, DIR_);
		break;
	case 3:
		c->serial++;
		err = ERR(symlink(target, file));
		check_error(c, k, err, want, also);
		if (!err)
			made(c, k, f, LINK_);
		break;
	case 4:
		if (b < 0 || c->e[m][b].kind != FILE_)
			return false;
		want = also = 0;
		if (any_ro(c, 1u << b)) {
			want = EROFS;
			also = EXDEV;
		} else if (!sees(c, k, b) ||
			   (!dir_in(c, k, b) && b != (int)f)) {
			want = EXDEV;
			also = EXDEV;
		}
		/* What a read-only link alone shows takes nothing. */
		if (want && any_ro(c, dir_of(c, k)->seen))
			also = want == EROFS ? EXDEV : EROFS;
		err = ERR(link(other, file));
		check_error(c, k, err, want, also);
		if (!err)
			c->e[k][b] = c->e[m][b];
		break;
	case 5:
	case 6:
		if (s->kind != DIR_) {
			err = ERR(unlink(file));
			check_error(c, k, err, want, also);
			if (!err)
				*s = (struct entry) { };
			break;
		}
		mask = merges(c, k);
		want = any_full(c, k, mask) ? ENOTEMPTY :
		       any_ro(c, mask) ? EROFS : 0;
		also = any_ro(c, mask) ? EROFS : want;
		err = ERR(rmdir(file));
		check_error(c, k, err, want, also);
		for (i = 0; !err && i < c->s->layers; i++)
			if (mask & 1u << i)
				c->e[k][i] = (struct entry) { };
		break;
	case 7:
	case 8:
		if (k == m || (b == a && c->e[m][b].ino == s->ino))
			return false;
		want = rename_error(c, k, m, &also);
		/* What a read-only link alone shows takes nothing. */
		if (want == EXDEV && any_ro(c, dir_of(c, m)->seen))
			also = EROFS;
		err = ERR(rename(file, other));
		check_error(c, k, err, want, also);
		if (!err) {
			c->e[m][a] = *s;
			*s = (struct entry) { };
		}
		break;
	case 9:
		if (k == m || b < 0 ||
		    (b == a && c->e[m][b].ino == s->ino))
			return false;
		want = also = 0;
		mask = s->kind == DIR_ ? merges(c, k) : 0;
		i = c->e[m][b].kind == DIR_ ? merges(c, m) : 0;
		if (a != b || mask & (mask - 1) || i & (i - 1))
			want = also = EXDEV;
		if (any_ro(c, 1u << a | 1u << b)) {
			also = EROFS;
			want = want ?: EROFS;
		}
		err = ERR(renameat2(AT_FDCWD, file, AT_FDCWD, other,
				    RENAME_EXCHANGE));
		check_error(c, k, err, want, also);
		if (!err) {
			tmp = *s;
			*s = c->e[m][b];
			c->e[m][b] = tmp;
		}
		break;
	case 10:
	case 11:
		err = write_record(c, temp, O_CREAT | O_EXCL, ++c->serial);
		want = c->s->layer[f].ro ? EROFS : 0;
		check_error(c, k, err, want, want);
		if (err)
			break;
		err = ERR(rename(temp, file));
		want = s->kind == DIR_ ? EISDIR : 0;
		check_error(c, k, err, want, want);
		if (err && unlink(temp))
			WRONG(c, k, "unlink of %s: %s", temp, strerror(errno));
		if (!err)
			made(c, k, f, FILE_);
		break;
	case 12:
		if (s->kind == LINK_)
			return false;
		err = ERR(chmod(file, rnd(&c->seed) & 07777));
		check_error(c, k, err, want, also);
		if (!err)
			take_links(c, k, a, s->serial);
		break;
	case 13:
		if (s->kind != FILE_)
			return false;
		err = write_record(c, file, rnd(&c->seed) & 1 ? O_CREAT : 0,
				   ++c->serial);
		check_error(c, k, err, want, also);
		if (!err)
			take_links(c, k, a, c->serial);
		break;
	case 14:
		err = rnd(&c->seed) & 1 ? ERR(mkdir(file, 0755)) :
			err_open(file, O_WRONLY | O_CREAT | O_EXCL);
		check_error(c, k, err, EEXIST,
			    any_ro(c, dir_of(c, k)->seen) ? EROFS : EEXIST);
		break;
	case 15:
		if (s->kind != DIR_)
			return false;
		/* Makes the directory where it is not yet. */
		inside(in, file, f);
		mask = merges(c, k);
		err = err_open(in, O_WRONLY | O_CREAT | O_EXCL);
		want = mask & 1u << f && c->e[k][f].full ? EEXIST :
		       c->s->layer[f].ro ? EROFS : 0;
		check_error(c, k, err, want,
			    c->s->layer[f].ro ? EROFS : want);
		if (err)
			break;
		if (a != (int)f) {
			mode_t mode = s->mode;

			c->e[k][f].kind = DIR_;
			take_stat(c, k, f);
			if (c->e[k][f].mode != mode)
				WRONG(c, k, "it was made with mode %o",
				      c->e[k][f].mode);
		}
		c->e[k][f].full = true;
		break;
	default:
		if (s->kind != DIR_)
			return false;
		i = rnd(&c->seed) % c->s->layers;
		inside(in, file, i);
		want = !(merges(c, k) & 1u << i) || !c->e[k][i].full ? ENOENT :
		       c->s->layer[i].ro ? EROFS : 0;
		err = ERR(unlink(in));
		/* A file that is not there cannot be removed, or not there. */
		check_error(c, k, err, want, want);
		if (!err)
			c->e[k][i].full = false;
	}
	return true;
}

static void changer_run(struct scene *s, unsigned int me, uint64_t seed)
{
	struct changer c = {
		.s = s, .w = s->w, .me = me, .seed = seed + me,
		.slots = 2 * s->dirs,
	};
	unsigned int idle = 0;

	while (time_left(s->w, c.step)) {
		unsigned int k = rnd(&c.seed) % c.slots;
		unsigned int m = rnd(&c.seed) % c.slots;

		if (!(rnd(&c.seed) % 8 < s->via ? change_via(&c, k, m) :
						 change_layer(&c, k, m))) {
			/* Nobody waits for those who have nothing to do. */
			if (++idle == 1000)
				wrong(s->w, "changer %u can change nothing", me);
			continue;
		}
		idle = 0;
		c.step++;
		atomic_fetch_add(&s->w->changes, 1);
		check_slot(&c, k);
		check_slot(&c, m);
		check_slot(&c, rnd(&c.seed) % c.slots);
	}
	/* In the end all. */
	for (c.step = 0; c.step < s->dirs; c.step++)
		check_listing(&c, c.step);
	_exit(0);
}

static void nothing(void *data, const struct dirent64 *d)
{
	(void)data;
	(void)d;
}

/* Goes over all names of all changers in all ways. */
static void walker_run(struct scene *s, uint64_t seed)
{
	char name[100], file[256], in[300], buf[RECORD + 1];
	struct weather *w = s->w;
	unsigned int who, k, owner, serial;
	struct stat st;
	int fd, err;

	while (goes_on(w)) {
		who = rnd(&seed) % CHANGERS;
		k = rnd(&seed) % (2 * s->dirs);
		name_of(name, s, who, k);
		snprintf(file, sizeof(file), "%s/%s", s->v, name);
		err = 0;
		switch (rnd(&seed) % 10) {
		case 0:
			err = ERR(stat(file, &st));
			break;
		case 1:
			err = ERR(lstat(file, &st));
			break;
		case 2:
			err = ERR(access(file, R_OK));
			break;
		case 3:
			err = ERR(readlink(file, buf, sizeof(buf)));
			break;
		case 4:
			snprintf(file, sizeof(file), "%s/%s", s->v,
				 s->dir[k % s->dirs].name);
			err = each_entry(file, piece(&seed), nothing, NULL);
			break;
		case 5:
			err = each_entry(file, piece(&seed), nothing, NULL);
			break;
		case 6:
			/* Stays in what it came to. */
			err = ERR(chdir(file)) ?: ERR(stat("l0", &st));
			break;
		case 7:
			inside(in, file, rnd(&seed) % s->layers);
			err = ERR(lstat(in, &st));
			break;
		default:
			fd = open(file, (rnd(&seed) % 4 ? O_RDONLY : O_RDWR) |
				  O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
			if (fd < 0) {
				err = errno == EROFS ? 0 : errno;
				break;
			}
			memset(buf, 0, sizeof(buf));
			if (pread(fd, buf, RECORD, 0) < 0)
				err = errno;
			/* What it was before, or what another one wrote. */
			else if (buf[0] &&
				 (sscanf(buf, "c%u %u", &owner, &serial) != 2 ||
				  owner != who))
				wrong(w, "%s has '%.12s'", file, buf);
			close(fd);
		}
		if (!usual(err))
			wrong(w, "a walker gets %s from %s", strerror(err),
			      file);
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

static void storm(struct __test_metadata *_metadata, struct scene *s,
		  uint64_t seed)
{
	pid_t changers[CHANGERS], walkers[WALKERS];
	unsigned int i;

	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	begin(s->w);
	for (i = 0; i < CHANGERS; i++) {
		changers[i] = spawn();
		if (!changers[i])
			changer_run(s, i, seed);
	}
	for (i = 0; i < WALKERS; i++) {
		walkers[i] = spawn();
		if (!walkers[i])
			walker_run(s, seed + 100 + i);
	}
	FINISHED(s->w, changers, CHANGERS);
	atomic_store(&s->w->over, 1);
	FINISHED(s->w, walkers, WALKERS);
	EXPECT_LT(0, s->w->walks);
	EXPECT_LT(0, s->w->changes);
}

#define BACK	1
#define ORIG	2

/* V in an area of its own with the original in "raw", B, and names in both. */
static int scene_open(struct scene *s, const struct place *p, uint32_t flags)
{
	bool merged = flags & MERGED;
	unsigned int seen = merged ? BACK | ORIG : BACK;

	memset(s, 0, sizeof(*s));
	s->w = weather_new();
	sprintf(s->v, "%s/area/v", p->top);
	s->layers = 2;
	s->merged = merged;
	strcpy(s->layer[0].top, p->b);
	s->layer[0].ro = flags & READ_ONLY;
	sprintf(s->layer[1].top, "%s/raw/v", p->top);
	s->dir[s->dirs++] = (struct dir) { "", BACK | ORIG, seen };
	s->dir[s->dirs++] = (struct dir) { "both", BACK | ORIG, seen };
	s->dir[s->dirs++] = (struct dir) { "back", BACK, seen };
	s->dir[s->dirs++] = (struct dir) { "orig", ORIG, seen };
	return open_area(path("%s/area", p->top), path("%s/raw", p->top));
}

static void simple_storm(struct __test_metadata *_metadata,
			 const struct place *p, uint32_t flags, uint32_t attach,
			 unsigned int via)
{
	struct scene s;

	ASSERT_EQ(0, scene_open(&s, p, flags));
	s.via = via;
	ASSERT_EQ(0, scene_build(&s));
	ASSERT_EQ(0, link_make_opts(s.v, p->b, flags, attach, NULL, 0))
		TH_LOG("%s", link_why());
	storm(_metadata, &s, rnd_seed());
}

TEST_F_TIMEOUT(merged_storm, MG2_MG3_MG6_LB6_changed_directly, 900)
{
	simple_storm(_metadata, &self->p, MERGED, BINDLINK_ATTACH_PATH, 0);
}

TEST_F_TIMEOUT(merged_storm, MG4_MG6_MG7_MG8_LB6_changed_through_the_link, 900)
{
	simple_storm(_metadata, &self->p, MERGED, BINDLINK_ATTACH_PATH, 5);
}

TEST_F_TIMEOUT(merged_storm, MG4_MG6_MG7_MG8_LB6_carried_by_the_parent, 900)
{
	simple_storm(_metadata, &self->p, MERGED, BINDLINK_ATTACH_PARENT, 4);
}

TEST_F_TIMEOUT(merged_storm, RO4_LB6_merged_and_read_only, 900)
{
	simple_storm(_metadata, &self->p, MERGED | READ_ONLY,
		     BINDLINK_ATTACH_PARENT, 3);
}

TEST_F_TIMEOUT(merged_storm, RO1_RO2_RO3_LB6_read_only, 900)
{
	simple_storm(_metadata, &self->p, READ_ONLY, BINDLINK_ATTACH_PATH, 2);
}

/* With an exception that B has, too, and one that it lacks. */
static void exception_storm(struct __test_metadata *_metadata,
			    const struct place *p, uint32_t flags,
			    uint32_t attach)
{
	const char *except[2];
	struct scene s;

	ASSERT_EQ(0, scene_open(&s, p, flags));
	except[0] = path("%s/both/exc", s.v);
	except[1] = path("%s/orig/exc", s.v);
	s.dir[s.dirs++] = (struct dir) { "both/exc", BACK | ORIG, ORIG };
	s.dir[s.dirs++] = (struct dir) { "orig/exc", ORIG, ORIG };
	s.via = 3;
	ASSERT_EQ(0, scene_build(&s));
	ASSERT_EQ(0, link_make_opts(s.v, p->b, flags, attach, except, 2))
		TH_LOG("%s", link_why());
	/* A way directory takes nothing. */
	if (!(flags & MERGED))
		ASSERT_EQ(0, ERR(mkdir(path("%s/orig", p->b), 0755)));
	storm(_metadata, &s, rnd_seed());
}

TEST_F_TIMEOUT(merged_storm, EX2_EX3_LB6_exceptions, 900)
{
	exception_storm(_metadata, &self->p, 0, BINDLINK_ATTACH_PATH);
}

TEST_F_TIMEOUT(merged_storm, EX5_RO4_LB6_exceptions_merged_read_only, 900)
{
	exception_storm(_metadata, &self->p, MERGED | READ_ONLY,
			BINDLINK_ATTACH_PARENT);
}

TEST_F_TIMEOUT(merged_storm, EX5_MG2_LB6_exceptions_merged, 900)
{
	exception_storm(_metadata, &self->p, MERGED, BINDLINK_ATTACH_PATH);
}

/* A merged link in a merged link: three layers. */
TEST_F_TIMEOUT(merged_storm, NE6_MG2_LB6_three_layers, 900)
{
	struct place *p = &self->p;
	uint64_t seed = rnd_seed();
	struct scene s = {
		.w = weather_new(), .layers = 3, .merged = true, .via = 4,
		.dirs = 5,
		.dir = {
			{ "", 6, 6 }, { "sub", 7, 7 }, { "sub/d", 7, 7 },
			{ "sub/low", 4, 7 }, { "sub/mid", 2, 7 },
		},
	};

	sprintf(s.v, "%s/area/v", p->top);
	sprintf(s.layer[0].top, "%s/b2", p->back);
	s.layer[0].at = "sub";
	strcpy(s.layer[1].top, p->b);
	sprintf(s.layer[2].top, "%s/raw/v", p->top);
	ASSERT_EQ(0, open_area(path("%s/area", p->top),
			       path("%s/raw", p->top)));
	ASSERT_EQ(0, scene_build(&s));
	ASSERT_EQ(0, link_make_flags(s.v, p->b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, link_make_flags(path("%s/sub", s.v), s.layer[0].top,
				     MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	storm(_metadata, &s, seed);
}

/* A link whose backing is a merged link, which is carried in either way. */
static void chain_storm(struct __test_metadata *_metadata,
			const struct place *p, uint32_t attach)
{
	uint64_t seed = rnd_seed();
	struct scene s = {
		.w = weather_new(), .layers = 3, .merged = true, .inner = 2,
		.via = 4, .dirs = 5,
		.dir = {
			{ "", 7, 7 }, { "d", 7, 7 }, { "low", 4, 7 },
			{ "mid", 2, 7 }, { "high", 1, 7 },
		},
	};
	const char *mid = path("%s/other/mid", p->back);

	sprintf(s.v, "%s/area/v", p->top);
	strcpy(s.layer[0].top, p->b);
	sprintf(s.layer[1].top, "%s/beneath/mid", p->back);
	sprintf(s.layer[2].top, "%s/raw/v", p->top);
	ASSERT_EQ(0, open_area(path("%s/area", p->top),
			       path("%s/raw", p->top)));
	ASSERT_EQ(0, open_area(path("%s/other", p->back),
			       path("%s/beneath", p->back)));
	ASSERT_EQ(0, scene_build(&s));
	ASSERT_EQ(0, link_make_flags(s.v, mid, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, link_make_opts(mid, p->b, MERGED, attach, NULL, 0))
		TH_LOG("%s", link_why());
	storm(_metadata, &s, seed);
}

TEST_F_TIMEOUT(merged_storm, CH1_MG2_LB6_backing_that_merges, 900)
{
	chain_storm(_metadata, &self->p, BINDLINK_ATTACH_PATH);
}

TEST_F_TIMEOUT(merged_storm, CH1_MG2_LB6_backing_inside_of_a_merged_link, 900)
{
	chain_storm(_metadata, &self->p, BINDLINK_ATTACH_PARENT);
}

/* In the backing is a link, which merges there like the directory it covers. */
static void link_in_backing_storm(struct __test_metadata *_metadata,
				  const struct place *p, uint32_t attach)
{
	uint64_t seed = rnd_seed();
	struct scene s = {
		.w = weather_new(), .layers = 3, .merged = true, .via = 4,
		.dirs = 4,
		.dir = {
			{ "", 6, 6 }, { "sub", 7, 5 }, { "sub/d", 7, 5 },
			{ "sub/low", 4, 5 },
		},
	};
	const char *b = path("%s/other/b", p->back);

	sprintf(s.v, "%s/area/v", p->top);
	sprintf(s.layer[0].top, "%s/c", p->back);
	s.layer[0].at = "sub";
	sprintf(s.layer[1].top, "%s/beneath/b", p->back);
	sprintf(s.layer[2].top, "%s/raw/v", p->top);
	ASSERT_EQ(0, open_area(path("%s/area", p->top),
			       path("%s/raw", p->top)));
	ASSERT_EQ(0, open_area(path("%s/other", p->back),
			       path("%s/beneath", p->back)));
	ASSERT_EQ(0, scene_build(&s));
	ASSERT_EQ(0, link_make_flags(s.v, b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, link_attach(path("%s/sub", b), s.layer[0].top, attach))
		TH_LOG("%s", link_why());
	storm(_metadata, &s, seed);
}

TEST_F_TIMEOUT(merged_storm, CH1_MG3_LB6_link_in_the_backing, 900)
{
	link_in_backing_storm(_metadata, &self->p, BINDLINK_ATTACH_PATH);
}

TEST_F_TIMEOUT(merged_storm, CH1_MG3_LB6_link_carried_in_the_backing, 900)
{
	link_in_backing_storm(_metadata, &self->p, BINDLINK_ATTACH_PARENT);
}

/*
 * Two layers with V in an area of its own, for storms with a plot.
 */
struct plot {
	struct weather *w;
	char v[140], b[140], o[140];
};

static int plot_open(struct plot *t, const struct place *p)
{
	t->w = weather_new();
	sprintf(t->v, "%s/area/v", p->top);
	strcpy(t->b, p->b);
	sprintf(t->o, "%s/raw/v", p->top);
	return open_area(path("%s/area", p->top), path("%s/raw", p->top)) ?:
	       ERR(mkdir(t->o, 0755)) ?: ERR(mkdir(t->b, 0755));
}

/* For those whose steps are few enough to keep all strings. */
#define TRY(t, call) do {						\
	int __err = call;						\
									\
	if (__err)							\
		wrong((t)->w, "step %u: %s: %s", step, #call,		\
		      strerror(__err < 0 ? -__err : __err));		\
} while (0)

/*
 * A name that is always in one of the layers at least: what is made in one is
 * removed in the other afterwards only.
 */
static void hopper_run(struct plot *t)
{
	char in_b[160], in_o[160];
	unsigned int step;

	snprintf(in_b, sizeof(in_b), "%s/hop", t->b);
	snprintf(in_o, sizeof(in_o), "%s/hop", t->o);
	for (step = 0; time_left(t->w, step); step++) {
		TRY(t, put(in_b, "x"));
		TRY(t, ERR(unlink(in_o)));
		TRY(t, put(in_o, "x"));
		TRY(t, ERR(unlink(in_b)));
	}
	_exit(0);
}

struct tally {
	unsigned int of, count;
	const char *prefix;
	unsigned char seen[64];
};

static void tally_entry(void *data, const struct dirent64 *d)
{
	struct tally *t = data;
	size_t len = strlen(t->prefix);
	unsigned int i;

	if (strncmp(d->d_name, t->prefix, len))
		return;
	t->count++;
	i = atoi(d->d_name + len);
	if (i < sizeof(t->seen))
		t->seen[i]++;
}

static void hop_watcher_run(struct plot *t, uint64_t seed, bool lists)
{
	char file[160];
	struct stat st;
	int err;

	snprintf(file, sizeof(file), "%s/hop", t->v);
	while (goes_on(t->w)) {
		struct tally all = { .prefix = "hop" };

		if (lists) {
			err = each_entry(t->v, piece(&seed), tally_entry, &all);
			if (err || all.count != 1)
				wrong(t->w, "after %lu walks it is listed %u times: %s",
				      t->w->walks, all.count, strerror(err));
		} else {
			err = rnd(&seed) % 2 ? ERR(lstat(file, &st)) :
					       err_open(file, O_RDONLY);
			if (err)
				wrong(t->w, "after %lu walks it is not there: %s",
				      t->w->walks, strerror(err));
		}
		atomic_fetch_add(&t->w->walks, 1);
	}
	_exit(0);
}

static void hop_storm(struct __test_metadata *_metadata, const struct place *p,
		      bool lists)
{
	uint64_t seed = rnd_seed();
	pid_t hopper, watchers[WALKERS];
	struct plot t;
	unsigned int i;

	ASSERT_EQ(0, plot_open(&t, p));
	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	ASSERT_EQ(0, put(path("%s/hop", t.o), "x"));
	ASSERT_EQ(0, link_make_flags(t.v, t.b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	begin(t.w);
	for (i = 0; i < WALKERS; i++) {
		watchers[i] = spawn();
		if (!watchers[i])
			hop_watcher_run(&t, seed + i, lists);
	}
	hopper = spawn();
	if (!hopper)
		hopper_run(&t);
	FINISHED(t.w, &hopper, 1);
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, watchers, WALKERS);
	EXPECT_LT(0, t.w->walks);
}

/*
 * One file, which is renamed through the link, and directly to a name that nobody
 * else knows, from which only that one can take it away.
 */
static void shuffler_run(struct plot *t, const char *in, unsigned int count)
{
	char name[3][160];
	unsigned int step;

	snprintf(name[0], sizeof(name[0]), "%s/d/one", in);
	snprintf(name[1], sizeof(name[1]), "%s/d/two", in);
	snprintf(name[2], sizeof(name[2]), "%s/d/hidden", in);
	for (step = 0; time_left(t->w, step); step++) {
		const char *from = name[step % 2], *to = name[(step + 1) % 2];
		int err = ERR(rename(from, count == 3 ? name[2] : to));

		if (err && err != ENOENT)
			wrong(t->w, "step %u: %s", step, strerror(err));
		if (err)
			continue;
		atomic_fetch_add(&t->w->changes, 1);
		if (count == 3)
			TRY(t, ERR(rename(name[2], to)));
	}
	_exit(0);
}

static void shuffle_storm(struct __test_metadata *_metadata,
			  const struct place *p, bool in_b)
{
	pid_t shufflers[3];
	struct plot t;
	unsigned int i;

	ASSERT_EQ(0, plot_open(&t, p));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", t.o), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", t.b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/one", in_b ? t.b : t.o), "x"));
	ASSERT_EQ(0, link_make_flags(t.v, t.b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	begin(t.w);
	for (i = 0; i < ARRAY_SIZE(shufflers); i++) {
		shufflers[i] = spawn();
		if (!shufflers[i])
			shuffler_run(&t, i ? t.v : in_b ? t.b : t.o,
				     i ? 2 : 3);
	}
	FINISHED(t.w, shufflers, ARRAY_SIZE(shufflers));
	EXPECT_LT(0, t.w->changes);
	/* It is there, once. */
	EXPECT_EQ(1, (access(path("%s/d/one", t.v), F_OK) == 0) +
		     (access(path("%s/d/two", t.v), F_OK) == 0));
}

/*
 * A working directory that is moved through the link, while others look for it by
 * both names, has a path at any moment.
 */
static void dweller_run(struct plot *t, const char *name, bool dwells)
{
	char cwd[512];
	unsigned int step;
	struct stat st;

	for (step = 0; goes_on(t->w); step++) {
		int err = dwells ? getcwd(cwd, sizeof(cwd)) ? 0 : errno :
				   ERR(stat(name, &st));

		if (err && (dwells || err != ENOENT))
			wrong(t->w, "step %u: %s", step, strerror(err));
		/* As the kernel says it of what is not below the root. */
		if (dwells && cwd[0] != '/')
			wrong(t->w, "step %u: %s", step, cwd);
	}
	_exit(0);
}

static void move_storm(struct __test_metadata *_metadata,
		       const struct place *p, unsigned int flags)
{
	char here[160], there[160];
	pid_t dwellers[3];
	unsigned int i, step;
	struct plot t;

	ASSERT_EQ(0, plot_open(&t, p));
	ASSERT_EQ(0, ERR(mkdir(path("%s/here", t.b), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/there", t.b), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/here/d", t.b), 0755)));
	ASSERT_EQ(0, link_make_flags(t.v, t.b, flags, NULL, 0))
		TH_LOG("%s", link_why());
	sprintf(here, "%s/here/d", t.v);
	sprintf(there, "%s/there/d", t.v);
	begin(t.w);
	for (i = 0; i < ARRAY_SIZE(dwellers); i++) {
		dwellers[i] = spawn();
		if (dwellers[i])
			continue;
		if (!i && chdir(here))
			wrong(t.w, "chdir: %s", strerror(errno));
		if (!i)
			atomic_fetch_add(&t.w->walks, 1);
		dweller_run(&t, i == 1 ? here : there, !i);
	}
	while (!atomic_load(&t.w->walks) && !atomic_load(&t.w->failed))
		sched_yield();
	for (step = 0; time_left(t.w, step); step++)
		EXPECT_EQ(0, ERR(rename(step % 2 ? there : here,
					step % 2 ? here : there)));
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, dwellers, ARRAY_SIZE(dwellers));
}

TEST_F_TIMEOUT(merged_storm, MG8_LB6_working_directory_is_moved, 900)
{
	move_storm(_metadata, &self->p, MERGED);
}

TEST_F_TIMEOUT(merged_storm, LB6_working_directory_is_moved, 900)
{
	move_storm(_metadata, &self->p, 0);
}

TEST_F_TIMEOUT(merged_storm, MG8_LB6_renamed_directly_as_well, 900)
{
	shuffle_storm(_metadata, &self->p, true);
}

TEST_F_TIMEOUT(merged_storm, MG8_LB6_renamed_in_the_original_as_well, 900)
{
	shuffle_storm(_metadata, &self->p, false);
}

TEST_F_TIMEOUT(merged_storm, MG2_LB6_what_changes_layers_is_there, 900)
{
	hop_storm(_metadata, &self->p, false);
}

TEST_F_TIMEOUT(merged_storm, MG9_LB6_what_changes_layers_is_listed, 900)
{
	hop_storm(_metadata, &self->p, true);
}

/*
 * Which directory a name shows: the inode that stands for a directory of several
 * stays the same, so what it shows must be looked up.
 */
static void twin_run(struct plot *t, uint64_t seed)
{
	static const mode_t modes[] = { 0755, 0700, 0711, 02755, 01777 };
	const char *in_b = path("%s/d", t->b), *in_o = path("%s/d", t->o);
	const char *two_b = path("%s/d2", t->b), *at_v = path("%s/d", t->v);
	const char *seen;
	unsigned int step, op, before = 0;
	struct stat want, st, beneath;
	int err, fd;

	for (step = 0; time_left(t->w, step); step++) {
		bool there = !access(in_b, F_OK);

		op = there ? rnd(&seed) % 4 : 3;
		switch (op) {
		case 0:
			TRY(t, ERR(rmdir(in_b)));
			break;
		case 1:
			TRY(t, ERR(renameat2(AT_FDCWD, in_b, AT_FDCWD, two_b,
					     RENAME_EXCHANGE)));
			break;
		case 2:
			TRY(t, ERR(chmod(in_b, modes[rnd(&seed) % 5])));
			break;
		default:
			if (there)
				TRY(t, ERR(chmod(in_o, modes[rnd(&seed) % 5])));
			else
				TRY(t, ERR(mkdir(in_b, 0755)));
		}
		seen = op == 0 ? in_o : in_b;
		TRY(t, ERR(lstat(seen, &want)));
		if (rnd(&seed) & 1) {
			TRY(t, ERR(lstat(at_v, &st)));
		} else {
			fd = open(at_v, O_RDONLY | O_DIRECTORY);
			TRY(t, ERR(fd));
			TRY(t, ERR(fstat(fd, &st)));
			close(fd);
		}
		if (st.st_ino != want.st_ino || st.st_dev != want.st_dev ||
		    st.st_mode != want.st_mode)
			wrong(t->w, "step %u, op %u after %u: it is %ju %o and not %ju %o",
			      step, op, before, (uintmax_t)st.st_ino,
			      st.st_mode, (uintmax_t)want.st_ino, want.st_mode);
		/* What is listed is asked for, all of it. */
		TRY(t, ERR(stat(in_o, &beneath)));
		setfsuid(USER);
		err = ERR(access(at_v, F_OK)) ?: err_open(at_v, O_RDONLY);
		setfsuid(0);
		if (err != (want.st_mode & beneath.st_mode & 04 ? 0 : EACCES))
			wrong(t->w, "step %u, after op %u: modes %o over %o give %s",
			      step, op, want.st_mode, beneath.st_mode,
			      strerror(err));
		before = op;
	}
	_exit(0);
}

static void twin_watcher_run(struct plot *t, uint64_t seed)
{
	char dir[160], file[170];
	struct stat st;
	int err;

	snprintf(dir, sizeof(dir), "%s/d", t->v);
	snprintf(file, sizeof(file), "%s/in", dir);
	while (goes_on(t->w)) {
		switch (rnd(&seed) % 4) {
		case 0:
			err = ERR(lstat(dir, &st));
			break;
		case 1:
			err = err_open(dir, O_RDONLY | O_DIRECTORY);
			break;
		case 2:
			err = ERR(chdir(dir)) ?: ERR(stat("in", &st));
			break;
		default:
			err = ERR(lstat(file, &st));
		}
		if (err)
			wrong(t->w, "a walker gets %s", strerror(err));
		atomic_fetch_add(&t->w->walks, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(merged_storm, MG3_SH3_LB6_which_directory_it_is, 900)
{
	struct place *p = &self->p;
	uint64_t seed = rnd_seed();
	pid_t twin, watchers[WALKERS];
	struct plot t;
	unsigned int i;

	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	ASSERT_EQ(0, plot_open(&t, p));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", t.o), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d2", t.b), 0711)));
	ASSERT_EQ(0, put(path("%s/d/in", t.o), "x"));
	ASSERT_EQ(0, link_make_flags(t.v, t.b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	begin(t.w);
	for (i = 0; i < WALKERS; i++) {
		watchers[i] = spawn();
		if (!watchers[i])
			twin_watcher_run(&t, seed + 1 + i);
	}
	twin = spawn();
	if (!twin)
		twin_run(&t, seed);
	FINISHED(t.w, &twin, 1);
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, watchers, WALKERS);
	EXPECT_LT(0, t.w->walks);
}

/*
 * Names that are there all the time are listed once, whatever happens to what
 * else has the name, and to others.
 */
#define STABLE	40

static void lister_run(struct plot *t, uint64_t seed)
{
	unsigned int i;
	int err;

	while (goes_on(t->w)) {
		struct tally all = { .prefix = "stable" };

		err = each_entry(t->v, piece(&seed), tally_entry, &all);
		if (err)
			wrong(t->w, "listing: %s", strerror(err));
		for (i = 0; i < STABLE; i++)
			if (all.seen[i] != 1)
				wrong(t->w, "stable%u is listed %u times", i,
				      all.seen[i]);
		all = (struct tally) { .prefix = "noise" };
		err = each_entry(t->v, piece(&seed), tally_entry, &all);
		if (err)
			wrong(t->w, "listing: %s", strerror(err));
		for (i = 0; i < sizeof(all.seen); i++)
			if (all.seen[i] > 1)
				wrong(t->w, "noise%u is listed %u times", i,
				      all.seen[i]);
		atomic_fetch_add(&t->w->walks, 1);
	}
	_exit(0);
}

/* A name of a layer, or of the link, without a string that stays. */
static void name_in(char *buf, const char *top, const char *what,
		    unsigned int i)
{
	snprintf(buf, 200, "%s/%s%u", top, what, i);
}

static void noise_run(struct plot *t, uint64_t seed)
{
	char one[200], two[200];
	unsigned int step, i;

	for (step = 0; time_left(t->w, step); step++) {
		i = rnd(&seed) % STABLE;
		/* Names 0, 4.. are in B only, 1.. in the original only. */
		name_in(one, i % 4 == 0 ? t->o : t->b, "stable", i);
		if (i % 4 < 2) {
			/* The twin comes and goes. */
			if (access(one, F_OK))
				TRY(t, put(one, ""));
			else
				TRY(t, ERR(unlink(one)));
		} else if (i % 4 == 2) {
			/* Both are there, and one is replaced. */
			name_in(two, rnd(&seed) & 1 ? t->b : t->o, "stable", i);
			name_in(one, t->b, "temp", 0);
			if (!strncmp(two, t->o, strlen(t->o)))
				name_in(one, t->o, "temp", 0);
			TRY(t, put(one, ""));
			TRY(t, ERR(rename(one, two)));
		}
		name_in(one, rnd(&seed) & 1 ? t->b : t->o, "noise",
			rnd(&seed) % 64);
		if (access(one, F_OK))
			TRY(t, put(one, ""));
		else
			TRY(t, ERR(unlink(one)));
		name_in(one, t->v, "noise", 64);
		TRY(t, put(one, ""));
		TRY(t, ERR(unlink(one)));
	}
	_exit(0);
}

TEST_F_TIMEOUT(merged_storm, MG1_MG9_LB6_listed_under_change, 900)
{
	struct place *p = &self->p;
	uint64_t seed = rnd_seed();
	pid_t noise, listers[WALKERS];
	struct plot t;
	unsigned int i;

	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	ASSERT_EQ(0, plot_open(&t, p));
	for (i = 0; i < STABLE; i++) {
		if (i % 4 != 1)
			ASSERT_EQ(0, put(path("%s/stable%u", t.b, i), ""));
		if (i % 4 != 0)
			ASSERT_EQ(0, put(path("%s/stable%u", t.o, i), ""));
	}
	ASSERT_EQ(0, link_make_flags(t.v, t.b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	begin(t.w);
	for (i = 0; i < WALKERS; i++) {
		listers[i] = spawn();
		if (!listers[i])
			lister_run(&t, seed + 1 + i);
	}
	noise = spawn();
	if (!noise)
		noise_run(&t, seed);
	FINISHED(t.w, &noise, 1);
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, listers, WALKERS);
	EXPECT_LT(0, t.w->walks);
}

/*
 * Directories that only the original has are made in B when something is made
 * in them, and removed there again.  To others they are there all the time.
 */
#define WAYS_OF_NAMES	6

static void way_maker_run(struct plot *t, mode_t mask)
{
	static const char *const dirs[] = { "w/x/y", "w/x", "w" };
	static const mode_t modes[] = { 0755, 0711, 02775 };
	char file[200];
	unsigned int step, i;
	struct stat st;

	/* Not what the directories get that are made on the way. */
	umask(mask);
	for (step = 0; time_left(t->w, step); step++) {
		snprintf(file, sizeof(file), "%s/w/x/y/new", t->v);
		if (step & 1)
			TRY(t, ERR(mkdir(file, 0755)));
		else
			TRY(t, put(file, ""));
		for (i = 0; i < 3; i++) {
			snprintf(file, sizeof(file), "%s/%s", t->b, dirs[i]);
			TRY(t, ERR(lstat(file, &st)));
			if ((st.st_mode & 07777) != modes[i] ||
			    st.st_uid != OTHER)
				wrong(t->w, "step %u: %s has mode %o, owner %u",
				      step, file, st.st_mode, st.st_uid);
		}
		snprintf(file, sizeof(file), "%s/w/x/y/new",
			 step & 2 ? t->v : t->b);
		TRY(t, ERR(remove(file)));
		for (i = 0; i < 3; i++) {
			snprintf(file, sizeof(file), "%s/%s", t->b, dirs[i]);
			TRY(t, ERR(rmdir(file)));
		}
	}
	_exit(0);
}

static void way_walker_run(struct plot *t, uint64_t seed, unsigned int ways)
{
	char dir[200], cwd[200];
	struct weather *w = t->w;
	const char *what;
	struct stat st;
	int err;

	snprintf(dir, sizeof(dir), "%s/w/x/y", t->v);
	if (chdir(dir))
		wrong(w, "chdir: %s", strerror(errno));
	while (goes_on(w)) {
		struct tally all = { .prefix = "stable" };

		switch (rnd(&seed) % ways) {
		case 0:
			what = "stat of a directory";
			err = ERR(stat(dir, &st));
			if (!err && (st.st_mode != (S_IFDIR | 0755) ||
				     st.st_uid != OTHER))
				wrong(w, "mode %o, owner %u", st.st_mode,
				      st.st_uid);
			break;
		case 1:
			what = "stat of a file";
			err = ERR(stat(path("%s/stable", dir), &st));
			break;
		case 2:
			what = "open of a file";
			err = err_open("../y/stable", O_RDONLY);
			break;
		case 3:
			what = "stat from the working directory";
			err = ERR(stat("stable", &st)) ?: ERR(stat(".", &st));
			break;
		case 4:
			what = "getcwd";
			err = getcwd(cwd, sizeof(cwd)) ? 0 : errno;
			if (!err && strcmp(cwd, dir))
				wrong(w, "the working directory is '%s'", cwd);
			break;
		case WAYS_OF_NAMES - 1:
			what = "chdir";
			err = ERR(chdir(dir)) ?: ERR(chdir("../../x/y"));
			break;
		case WAYS_OF_NAMES:
			what = "list by path";
			err = each_entry(dir, piece(&seed), tally_entry, &all);
			if (!err && all.count != 1)
				wrong(w, "listed %u times", all.count);
			break;
		default:
			what = "list the working directory";
			err = each_entry(".", piece(&seed), tally_entry, &all);
			if (!err && all.count != 1)
				wrong(w, "listed %u times", all.count);
		}
		if (err)
			wrong(w, "%s: %s", what, strerror(err));
		/* The strings of place.c are for short-lived processes. */
		if (atomic_fetch_add(&w->walks, 1) > 1000000)
			break;
	}
	_exit(0);
}

static void way_storm(struct __test_metadata *_metadata, const struct place *p,
		      uid_t uid, mode_t mask, unsigned int ways)
{
	static const char *const dirs[] = { "w", "w/x", "w/x/y" };
	static const mode_t modes[] = { 02775, 0711, 0755 };
	uint64_t seed = rnd_seed();
	pid_t maker, walkers[WALKERS];
	struct plot t;
	unsigned int i;

	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	ASSERT_EQ(0, plot_open(&t, p));
	for (i = 0; i < 3; i++) {
		const char *dir = path("%s/%s", t.o, dirs[i]);

		ASSERT_EQ(0, ERR(mkdir(dir, 0755)));
		ASSERT_EQ(0, ERR(chown(dir, OTHER, OTHER)));
		ASSERT_EQ(0, ERR(chmod(dir, modes[i])));
	}
	ASSERT_EQ(0, put(path("%s/w/x/y/stable", t.o), ""));
	ASSERT_EQ(0, link_make_flags(t.v, t.b, MERGED, NULL, 0))
		TH_LOG("%s", link_why());
	begin(t.w);
	for (i = 0; i < WALKERS; i++) {
		walkers[i] = spawn();
		if (!walkers[i]) {
			if (uid)
				setfsuid(uid);
			way_walker_run(&t, seed + i, ways);
		}
	}
	maker = spawn();
	if (!maker)
		way_maker_run(&t, mask);
	FINISHED(t.w, &maker, 1);
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, walkers, WALKERS);
	EXPECT_LT(0, t.w->walks);
}

TEST_F_TIMEOUT(merged_storm, MG4_LB6_directories_on_the_way, 900)
{
	way_storm(_metadata, &self->p, 0, 0, WAYS_OF_NAMES);
}

TEST_F_TIMEOUT(merged_storm, MG4_LB6_listed_while_they_are_made, 900)
{
	way_storm(_metadata, &self->p, 0, 0, WAYS_OF_NAMES + 2);
}

TEST_F_TIMEOUT(merged_storm, MG4_LB6_made_with_the_mode_of_the_original, 900)
{
	way_storm(_metadata, &self->p, USER, 077, WAYS_OF_NAMES);
}

/* The link itself comes and goes under those who walk it. */
static void guest_run(struct plot *t, uint64_t seed)
{
	char file[200], buf[16];
	struct weather *w = t->w;
	struct stat st;
	int err, fd;

	while (goes_on(w)) {
		struct tally all = { .prefix = "o" };

		switch (rnd(&seed) % 6) {
		case 0:
			snprintf(file, sizeof(file), "%s/both", t->v);
			fd = open(file, O_RDONLY | O_CLOEXEC);
			err = ERR(fd);
			if (err)
				break;
			memset(buf, 0, sizeof(buf));
			if (read(fd, buf, sizeof(buf) - 1) < 0)
				err = errno;
			close(fd);
			if (!err && strcmp(buf, "original") &&
			    strcmp(buf, "backing"))
				wrong(w, "%s has '%s'", file, buf);
			break;
		case 1:
			snprintf(file, sizeof(file), "%s/d/o", t->v);
			err = ERR(stat(file, &st));
			break;
		case 2:
			snprintf(file, sizeof(file), "%s/b", t->v);
			err = ERR(stat(file, &st));
			if (err == ENOENT)
				err = 0;
			break;
		case 3:
			snprintf(file, sizeof(file), "%s/d", t->v);
			err = each_entry(file, piece(&seed), tally_entry, &all);
			if (!err && all.count != 1)
				wrong(w, "d/o is listed %u times", all.count);
			break;
		case 4:
			snprintf(file, sizeof(file), "%s/d", t->v);
			err = ERR(chdir(file)) ?: ERR(stat("o", &st));
			if (chdir("/"))
				err = errno;
			break;
		default:
			snprintf(file, sizeof(file), "%s", t->v);
			err = each_entry(file, piece(&seed), tally_entry, &all);
			if (!err && all.count != 1)
				wrong(w, "o is listed %u times", all.count);
		}
		if (err)
			wrong(w, "a guest gets %s from %s", strerror(err),
			      file);
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(merged_storm, RM3_RM4_LB6_the_link_comes_and_goes, 900)
{
	struct place *p = &self->p;
	uint64_t seed = rnd_seed();
	unsigned int i;
	pid_t guests[WALKERS];
	struct plot t;

	TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	ASSERT_EQ(0, plot_open(&t, p));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", t.o), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", t.b), 0755)));
	ASSERT_EQ(0, put(path("%s/both", t.o), "original"));
	ASSERT_EQ(0, put(path("%s/both", t.b), "backing"));
	ASSERT_EQ(0, put(path("%s/d/o", t.o), ""));
	ASSERT_EQ(0, put(path("%s/o", t.o), ""));
	ASSERT_EQ(0, put(path("%s/b", t.b), ""));
	begin(t.w);
	for (i = 0; i < WALKERS; i++) {
		guests[i] = spawn();
		if (!guests[i])
			guest_run(&t, seed + i);
	}
	for (i = 0; time_left(t.w, i); i++) {
		uint32_t attach = i & 1 ? BINDLINK_ATTACH_PATH :
					  BINDLINK_ATTACH_PARENT;

		EXPECT_EQ(0, link_make_opts(t.v, t.b,
					    i & 2 ? MERGED | READ_ONLY : MERGED,
					    attach, NULL, 0))
			TH_LOG("round %u: %s", i, link_why());
		EXPECT_STREQ("backing", get(path("%s/both", t.v)));
		EXPECT_STREQ("b both d o", names(t.v));
		EXPECT_EQ(0, link_drop(t.v))
			TH_LOG("round %u: %s", i, link_why());
		EXPECT_STREQ("original", get(path("%s/both", t.v)));
		EXPECT_STREQ("both d o", names(t.v));
		if (_metadata->exit_code)
			break;
	}
	atomic_store(&t.w->over, 1);
	FINISHED(t.w, guests, WALKERS);
	EXPECT_LT(0, t.w->walks);
}

TEST_HARNESS_MAIN
