// SPDX-License-Identifier: GPL-2.0
/*
 * Storms: many processes change what is at B, each knows what must be seen
 * through V when its change has returned, and looks at once; others walk the
 * same names all the time so that the caches are hot.
 */
#include "kselftest_harness.h"
#include "place.h"
#include "weather.h"

PLACES(storm);

#define CHANGERS	3
#define WALKERS		2
#define SLOTS		6
#define RECORD		32

enum kind { NONE, FILE_, DIR_, LINK_ };

/* One name that a changer owns. */
struct slot {
	enum kind kind;
	ino_t ino;
	mode_t mode;
	unsigned int serial;	/* of the contents of a file or symlink */
};

struct changer {
	struct weather *w;
	const struct place *p;
	unsigned int me;
	uint64_t seed;
	unsigned int serial;
	unsigned int step;
	struct slot slot[SLOTS];
};

/* Half of the names are in the root of the link, half in a directory below. */
static void name_of(char *buf, size_t size, const char *top, unsigned int who,
		    unsigned int k)
{
	snprintf(buf, size, "%s/%sc%u-%u", top, k & 1 ? "sub/" : "", who, k);
}

static void record(char *buf, unsigned int who, unsigned int serial)
{
	memset(buf, ' ', RECORD);
	sprintf(buf, "c%u %u", who, serial);
	buf[strlen(buf)] = ' ';
	buf[RECORD - 1] = '\n';
}

static void write_record(struct changer *c, const char *file, int flags,
			 unsigned int serial)
{
	char buf[RECORD + 1];
	int fd = open(file, O_WRONLY | O_CLOEXEC | flags, 0644);

	record(buf, c->me, serial);
	if (fd < 0 || pwrite(fd, buf, RECORD, 0) != RECORD || close(fd))
		wrong(c->w, "step %u: writing %s: %s", c->step, file,
		      strerror(errno));
}

static bool listed(const char *dir, const char *name, ino_t *ino)
{
	struct dirent *d;
	DIR *stream = opendir(dir);

	*ino = 0;
	if (!stream)
		return false;
	while ((d = readdir(stream)))
		if (!strcmp(d->d_name, name)) {
			*ino = d->d_ino;
			break;
		}
	closedir(stream);
	return *ino;
}

/* Looks at one name through V in one of many ways. */
static void check_slot(struct changer *c, unsigned int k, const char *after)
{
	const struct slot *s = &c->slot[k];
	char file[256], buf[RECORD + 1] = "", want[RECORD + 1] = "";
	unsigned int how = rnd(&c->seed) % 6;
	const char *base;
	struct stat st;
	int fd, err;
	ino_t ino;

	name_of(file, sizeof(file), c->p->v, c->me, k);
	base = strrchr(file, '/') + 1;
#define WRONG(fmt, ...)							\
	wrong(c->w, "changer %u, step %u, after %s: %s: " fmt, c->me,	\
	      c->step, after, file, ##__VA_ARGS__)

	if (how == 0) {
		bool seen = listed(path("%.*s", (int)(base - 1 - file), file),
				   base, &ino);

		if (seen != (s->kind != NONE))
			WRONG("%s in the listing", seen ? "is" : "is not");
		if (seen && ino != s->ino)
			WRONG("inode %ju in the listing and not %ju",
			      (uintmax_t)ino, (uintmax_t)s->ino);
		return;
	}
	if (s->kind == NONE) {
		err = how == 1 ? ERR(lstat(file, &st)) :
		      how == 2 ? err_open(file, O_RDONLY | O_NONBLOCK) :
		      how == 3 ? err_open(file, O_PATH | O_NOFOLLOW) :
		      how == 4 ? ERR(access(file, F_OK)) :
				 ERR(readlink(file, buf, 1));
		if (err != ENOENT)
			WRONG("gives %s and not ENOENT (%u)", strerror(err),
			      how);
		return;
	}
	if (how == 1 || how == 2) {
		if (lstat(file, &st))
			WRONG("lstat: %s", strerror(errno));
	} else {
		fd = open(file, O_NOFOLLOW | (s->kind == LINK_ ? O_PATH :
			  s->kind == DIR_ ? O_RDONLY | O_DIRECTORY :
			  how == 3 ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (fd < 0)
			WRONG("open: %s", strerror(errno));
		if (fstat(fd, &st))
			WRONG("fstat: %s", strerror(errno));
		if (s->kind == FILE_ && pread(fd, buf, RECORD, 0) != RECORD)
			WRONG("read: %s", strerror(errno));
		close(fd);
		record(want, c->me, s->serial);
		if (s->kind == FILE_ && memcmp(buf, want, RECORD))
			WRONG("has '%.12s' and not '%.12s'", buf, want);
	}
	if (st.st_ino != s->ino)
		WRONG("inode %ju and not %ju (%u)", (uintmax_t)st.st_ino,
		      (uintmax_t)s->ino, how);
	if (st.st_mode != s->mode)
		WRONG("mode %o and not %o (%u)", st.st_mode, s->mode, how);
	if (s->kind == LINK_) {
		ssize_t n = readlink(file, buf, RECORD);

		snprintf(want, sizeof(want), "nowhere-%u", s->serial);
		if (n != (ssize_t)strlen(want) || memcmp(buf, want, n))
			WRONG("leads to '%.*s' and not '%s'", (int)n, buf,
			      want);
	}
#undef WRONG
}

static void take_stat(struct changer *c, unsigned int k)
{
	char file[256];
	struct stat st;

	name_of(file, sizeof(file), c->p->b, c->me, k);
	if (lstat(file, &st))
		wrong(c->w, "step %u: lstat %s at B: %s", c->step, file,
		      strerror(errno));
	c->slot[k].ino = st.st_ino;
	c->slot[k].mode = st.st_mode;
}

static void changer_step(struct changer *c)
{
	unsigned int k = rnd(&c->seed) % SLOTS, l = rnd(&c->seed) % SLOTS;
	/* One change in four is made through V. */
	const char *top = rnd(&c->seed) % 4 ? c->p->b : c->p->v;
	struct slot *s = &c->slot[k], *t = &c->slot[l], tmp;
	char file[256], other[256], temp[256];
	const char *what = "nothing";
	int err = 0;

	name_of(file, sizeof(file), top, c->me, k);
	name_of(other, sizeof(other), top, c->me, l);
	snprintf(temp, sizeof(temp), "%s/t%u", top, c->me);
	if (s->kind == NONE) {
		switch (rnd(&c->seed) % 5) {
		case 0:
		case 1:
			what = "create";
			s->serial = ++c->serial;
			write_record(c, file, O_CREAT | O_EXCL, s->serial);
			s->kind = FILE_;
			break;
		case 2:
			what = "mkdir";
			err = ERR(mkdir(file, 0755));
			s->kind = DIR_;
			break;
		case 3:
			what = "symlink";
			s->serial = ++c->serial;
			err = ERR(symlink(path("nowhere-%u", s->serial), file));
			s->kind = LINK_;
			break;
		case 4:
			what = "link";
			if (t->kind != FILE_)
				return;
			err = ERR(link(other, file));
			*s = *t;
			break;
		}
		if (!err)
			take_stat(c, k);
	} else {
		switch (rnd(&c->seed) % 9) {
		case 0:
			what = "unlink or rmdir";
			err = s->kind == DIR_ ? ERR(rmdir(file)) :
						ERR(unlink(file));
			s->kind = NONE;
			break;
		case 1:
		case 2:
			what = "rename";
			/* Two names of one file stay both; not that here. */
			if (k == l || (t->kind != NONE &&
				       (t->ino == s->ino ||
					(t->kind == DIR_) !=
					(s->kind == DIR_))))
				return;
			err = ERR(rename(file, other));
			*t = *s;
			s->kind = NONE;
			break;
		case 3:
			what = "exchange";
			if (k == l || t->kind == NONE)
				return;
			err = ERR(renameat2(AT_FDCWD, file, AT_FDCWD, other,
					    RENAME_EXCHANGE));
			tmp = *s;
			*s = *t;
			*t = tmp;
			break;
		case 4:
		case 5:
			what = "write anew and rename over";
			if (s->kind == DIR_)
				return;
			s->serial = ++c->serial;
			write_record(c, temp, O_CREAT | O_EXCL, s->serial);
			err = ERR(rename(temp, file));
			s->kind = FILE_;
			if (!err)
				take_stat(c, k);
			break;
		case 6:
			what = "chmod";
			if (s->kind != FILE_)
				return;
			err = ERR(chmod(file, rnd(&c->seed) & 07777));
			/* Other names of the same file. */
			for (l = 0; !err && l < SLOTS; l++)
				if (c->slot[l].kind == FILE_ &&
				    c->slot[l].ino == s->ino)
					take_stat(c, l);
			break;
		case 7:
			what = "write in place";
			if (s->kind != FILE_)
				return;
			c->serial++;
			write_record(c, file, 0, c->serial);
			for (l = 0; l < SLOTS; l++)
				if (c->slot[l].kind == FILE_ &&
				    c->slot[l].ino == s->ino) {
					c->slot[l].serial = c->serial;
					/* Writing drops set-user-ID bits. */
					take_stat(c, l);
				}
			l = rnd(&c->seed) % SLOTS;
			break;
		case 8:
			what = "symlink over";
			if (s->kind == DIR_)
				return;
			s->serial = ++c->serial;
			err = ERR(symlink(path("nowhere-%u", s->serial),
					  temp)) ?:
			      ERR(rename(temp, file));
			s->kind = LINK_;
			if (!err)
				take_stat(c, k);
			break;
		}
	}
	if (err)
		wrong(c->w, "changer %u, step %u: %s of %s: %s", c->me, c->step,
		      what, file, strerror(err));
	check_slot(c, k, what);
	if (l < SLOTS)
		check_slot(c, l, what);
	check_slot(c, rnd(&c->seed) % SLOTS, what);
}

static void changer_run(struct weather *w, const struct place *p,
			unsigned int me, uint64_t seed, unsigned int steps)
{
	struct changer c = { .w = w, .p = p, .me = me, .seed = seed + me, };

	for (c.step = 0; c.step < steps && !atomic_load(&w->failed); c.step++)
		changer_step(&c);
	_exit(0);
}

/* Goes over all names of all changers in all ways. */
static void walker_run(struct weather *w, const struct place *p, uint64_t seed)
{
	char file[256], buf[RECORD + 1];
	unsigned int who, k, owner, serial;
	struct stat st;
	struct dirent *d;
	DIR *stream;
	int fd, err;

	while (!atomic_load(&w->over) && !atomic_load(&w->failed)) {
		who = rnd(&seed) % CHANGERS;
		k = rnd(&seed) % SLOTS;
		name_of(file, sizeof(file), rnd(&seed) % 8 ? p->v : p->b, who,
			k);
		err = 0;
		switch (rnd(&seed) % 8) {
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
			snprintf(file, sizeof(file), "%s%s", p->v,
				 rnd(&seed) & 1 ? "/sub" : "");
			stream = opendir(file);
			if (!stream) {
				err = errno;
				break;
			}
			errno = 0;
			while ((d = readdir(stream)))
				;
			err = errno;
			closedir(stream);
			break;
		default:
			fd = open(file, (rnd(&seed) % 4 ? O_RDONLY : O_RDWR) |
				  O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
			if (fd < 0) {
				err = errno;
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
			/* Far behind what the owner reads. */
			if (!err && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
				pwrite(fd, "w", 1, 100);
			close(fd);
		}
		if (!usual(err))
			wrong(w, "a walker gets %s from %s", strerror(err),
			      file);
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(storm, LB6_names_below, 900)
{
	struct place *p = &self->p;
	struct weather *w = weather_new();
	pid_t changers[CHANGERS], walkers[WALKERS];
	uint64_t seed = rnd_seed();
	char *at_v, *at_b;
	unsigned int i;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/sub", p->b), 0755)));
	for (i = 0; i < CHANGERS; i++) {
		changers[i] = spawn();
		if (!changers[i])
			changer_run(w, p, i, seed, scaled(1500));
	}
	for (i = 0; i < WALKERS; i++) {
		walkers[i] = spawn();
		if (!walkers[i])
			walker_run(w, p, seed + 100 + i);
	}
	FINISHED(w, changers, CHANGERS);
	atomic_store(&w->over, 1);
	FINISHED(w, walkers, WALKERS);
	EXPECT_LT(0, w->walks);
	at_v = tree(p->v, true);
	at_b = tree(p->b, true);
	EXPECT_STREQ(at_b, at_v);
	free(at_v);
	free(at_b);
}

/* Names that all make and remove, and who has, each time that it was the one. */
#define SHARED	4
#define MAKERS	4

struct shared {
	struct weather w;
	atomic_int there[SHARED];
};

/*
 * Files are made so that just one of all can have made them, and removed. Nothing but
 * that decides how it ends, whoever looks at the names meanwhile or opens them.
 */
static void maker_run(struct shared *s, const struct place *p, uint64_t seed,
		      unsigned int steps)
{
	char file[256], text[2] = "";
	struct stat st;
	int fd, err, k;

	while (steps-- && !atomic_load(&s->w.failed)) {
		k = rnd(&seed) % SHARED;
		/* One in four directly; no name has anything to do with another. */
		snprintf(file, sizeof(file), "%s/s%d",
			 rnd(&seed) % 4 ? p->v : p->b, k);
		switch (rnd(&seed) % 8) {
		case 0:
		case 1:
			fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				  0644);
			err = fd < 0 ? errno : 0;
			if (!err && (fstat(fd, &st) || st.st_size ||
				     write(fd, "x", 1) != 1))
				wrong(&s->w, "%s is not new", file);
			if (!err)
				atomic_fetch_add(&s->there[k], 1);
			if (err && err != EEXIST)
				wrong(&s->w, "making %s: %s", file,
				      strerror(err));
			break;
		case 2:
		case 3:
			fd = -1;
			err = ERR(unlink(file));
			if (!err)
				atomic_fetch_sub(&s->there[k], 1);
			break;
		case 4:
			fd = -1;
			err = ERR(lstat(file, &st));
			break;
		case 5:
			fd = -1;
			err = ERR(access(file, R_OK));
			break;
		case 6:
			/* A name that is made and removed by these alone. */
			snprintf(file, sizeof(file), "%s/t%d",
				 rnd(&seed) % 4 ? p->v : p->b, k);
			fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
			if (fd < 0)
				wrong(&s->w, "opening %s: %s", file,
				      strerror(errno));
			err = rnd(&seed) & 1 ? ERR(unlink(file)) : 0;
			break;
		default:
			fd = open(file, O_RDONLY | O_CLOEXEC);
			err = fd < 0 ? errno : 0;
			if (!err && pread(fd, text, 1, 0) == 1 && *text != 'x')
				wrong(&s->w, "%s has '%s'", file, text);
		}
		if (fd >= 0)
			close(fd);
		if (err && err != ENOENT && err != EEXIST)
			wrong(&s->w, "%s: %s", file, strerror(err));
		atomic_fetch_add(&s->w.changes, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(storm, LB6_made_and_removed_by_all, 900)
{
	struct place *p = &self->p;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = rnd_seed();
	char *at_v, *at_b;
	pid_t pids[MAKERS];
	struct stat st;
	unsigned int i;

	ASSERT_NE(MAP_FAILED, s);
	TH_LOG("seed %#jx", (uintmax_t)seed);
	DIR_LINK(p);
	for (i = 0; i < MAKERS; i++) {
		pids[i] = spawn();
		if (!pids[i])
			maker_run(s, p, seed + i, scaled(20000));
	}
	FINISHED(&s->w, pids, MAKERS);
	for (i = 0; i < SHARED; i++) {
		EXPECT_EQ(atomic_load(&s->there[i]),
			  !lstat(path("%s/s%u", p->b, i), &st));
		EXPECT_EQ(atomic_load(&s->there[i]),
			  !lstat(path("%s/s%u", p->v, i), &st));
	}
	at_v = tree(p->v, true);
	at_b = tree(p->b, true);
	EXPECT_STREQ(at_b, at_v);
	free(at_v);
	free(at_b);
}

/* The directories that B may be, and the way to it, changed all the time. */
static void binder_run(struct weather *w, const struct place *p,
		       uint64_t seed, unsigned int steps)
{
	const char *base = p->back;
	const char *b = path("%s/up/mid/b", base);
	struct { const char *one, *two; } pair[] = {
		{ path("%s/up", base), path("%s/up2", base) },
		{ path("%s/up/mid", base), path("%s/up/mid2", base) },
		{ b, path("%s/up/mid/b2", base) },
		{ b, path("%s/up/mid/s", base) },
	};
	const char *away = path("%s/away", base);
	unsigned int step, i;

	for (step = 0; step < steps && !atomic_load(&w->failed); step++) {
		const char *gone = NULL, *sb, *sv;
		char *tb, *tv;

		i = rnd(&seed) % ARRAY_SIZE(pair);
		if (rnd(&seed) % 4) {
			if (renameat2(AT_FDCWD, pair[i].one, AT_FDCWD,
				      pair[i].two, RENAME_EXCHANGE))
				wrong(w, "exchange: %s", strerror(errno));
		} else {
			gone = pair[i].one;
			if (rename(gone, away))
				wrong(w, "rename: %s", strerror(errno));
		}
		/* What is there now, at B and through V, must be the same. */
		sb = facts(b);
		sv = facts(p->v);
		if (strcmp(sb, sv))
			wrong(w, "step %u: V is %s, B is %s", step, sv, sb);
		sb = get(path("%s/id", b));
		sv = get(path("%s/id", p->v));
		if (strcmp(sb, sv))
			wrong(w, "step %u: V/id is %s, B/id is %s", step, sv,
			      sb);
		sb = get(path("%s/d/y", b));
		sv = get(path("%s/d/y", p->v));
		if (strcmp(sb, sv))
			wrong(w, "step %u: V/d/y is %s, B/d/y is %s", step, sv,
			      sb);
		sb = names(b);
		sv = names(p->v);
		if (strcmp(sb, sv))
			wrong(w, "step %u: V lists %s, B lists %s", step, sv,
			      sb);
		if (gone) {
			if (strcmp(sv, "!ENOENT"))
				wrong(w, "step %u: V is there without B", step);
			if (rename(away, gone))
				wrong(w, "rename: %s", strerror(errno));
		}
		if (step % 16 == 0) {
			tb = tree(path("%s/.", b), true);
			tv = tree(path("%s/.", p->v), true);
			if (strcmp(tb, tv))
				wrong(w, "step %u: V is %s, B is %s", step, tv,
				      tb);
			free(tb);
			free(tv);
		}
	}
	_exit(0);
}

static void bound_walker_run(struct weather *w, const struct place *p,
			     uint64_t seed)
{
	char file[256], buf[16];
	struct stat st;
	DIR *stream;
	int fd, err;

	while (!atomic_load(&w->over) && !atomic_load(&w->failed)) {
		snprintf(file, sizeof(file), "%s%s", p->v,
			 (const char *[]){ "", "/id", "/d", "/d/y",
					   "/none" }[rnd(&seed) % 5]);
		switch (rnd(&seed) % 4) {
		case 0:
			err = ERR(stat(file, &st));
			break;
		case 1:
			err = ERR(access(file, F_OK));
			break;
		case 2:
			err = ERR(chdir(p->v));
			if (!err)
				err = ERR(stat("id", &st));
			break;
		default:
			fd = open(file, O_RDONLY | O_CLOEXEC);
			err = fd < 0 ? errno : 0;
			if (err)
				break;
			if (fstat(fd, &st))
				wrong(w, "fstat of %s: %s", file,
				      strerror(errno));
			memset(buf, 0, sizeof(buf));
			if (S_ISDIR(st.st_mode)) {
				stream = fdopendir(fd);
				errno = 0;
				while (stream && readdir(stream))
					;
				err = errno;
				closedir(stream);
				break;
			}
			if (read(fd, buf, sizeof(buf) - 1) < 0)
				err = errno;
			else if (strncmp(buf, "id ", 3))
				wrong(w, "%s has '%s'", file, buf);
			close(fd);
		}
		if (err && err != ENOENT)
			wrong(w, "a walker gets %s from %s", strerror(err),
			      file);
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(storm, LB6_the_way_to_backing, 900)
{
	struct place *p = &self->p;
	struct weather *w = weather_new();
	uint64_t seed = rnd_seed();
	pid_t binder, walkers[WALKERS];
	unsigned int i, j, k, id = 0;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	for (i = 0; i < 2; i++) {
		const char *up = path("%s/up%s", p->back, i ? "2" : "");

		ASSERT_EQ(0, ERR(mkdir(up, 0755)));
		for (j = 0; j < 2; j++) {
			const char *mid = path("%s/mid%s", up, j ? "2" : "");

			ASSERT_EQ(0, ERR(mkdir(mid, 0755)));
			for (k = 0; k < 3; k++) {
				const char *d = path("%s/%s", mid,
					(const char *[]){ "b", "b2",
							  "b3" }[k]);

				ASSERT_EQ(0, ERR(mkdir(d, 0755)));
				ASSERT_EQ(0, ERR(mkdir(path("%s/d", d),
						       0755)));
				ASSERT_EQ(0, put(path("%s/id", d),
						 path("id %u", id)));
				ASSERT_EQ(0, put(path("%s/d/y", d),
						 path("id %u", id)));
				ASSERT_EQ(0, put(path("%s/only%u", d, id++),
						 ""));
			}
			/* A symlink that may take the place of b. */
			ASSERT_EQ(0, ERR(symlink("b3", path("%s/s", mid))));
		}
	}
	ASSERT_EQ(0, link_make(p->v, path("%s/up/mid/b", p->back)));
	binder = spawn();
	if (!binder)
		binder_run(w, p, seed, scaled(1000));
	for (i = 0; i < WALKERS; i++) {
		walkers[i] = spawn();
		if (!walkers[i])
			bound_walker_run(w, p, seed + 1 + i);
	}
	FINISHED(w, &binder, 1);
	atomic_store(&w->over, 1);
	FINISHED(w, walkers, WALKERS);
	EXPECT_LT(0, w->walks);
}

/* Nobody sees an older version than the one that is known to be there. */
static void version_reader(struct weather *w, const char *file)
{
	unsigned int least, seen;
	char buf[32];
	int fd;

	while (!atomic_load(&w->over) && !atomic_load(&w->failed)) {
		least = atomic_load(&w->published);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			wrong(w, "open: %s", strerror(errno));
		memset(buf, 0, sizeof(buf));
		if (read(fd, buf, sizeof(buf) - 1) < 0)
			wrong(w, "read: %s", strerror(errno));
		close(fd);
		if (sscanf(buf, "version %u", &seen) != 1)
			wrong(w, "has '%s'", buf);
		if (seen < least)
			wrong(w, "version %u is read after %u was there", seen,
			      least);
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

static void version_writer(struct weather *w, const char *file,
			   const char *temp, unsigned int versions)
{
	unsigned int i;
	char buf[32];
	int fd;

	for (i = 1; i <= versions && !atomic_load(&w->failed); i++) {
		snprintf(buf, sizeof(buf), "version %u", i);
		fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, buf, strlen(buf)) < 0 || close(fd) ||
		    rename(temp, file))
			wrong(w, "%s", strerror(errno));
		atomic_store(&w->published, i);
	}
	_exit(0);
}

TEST_F_TIMEOUT(storm, LB6_versions_of_a_linked_file, 900)
{
	struct place *p = &self->p;
	struct weather *w = weather_new();
	pid_t writer, readers[WALKERS];
	unsigned int i;

	FILE_LINK(p, "version 0");
	for (i = 0; i < WALKERS; i++) {
		readers[i] = spawn();
		if (!readers[i])
			version_reader(w, p->v);
	}
	writer = spawn();
	if (!writer)
		version_writer(w, p->b, path("%s/tmp", p->back), scaled(2000));
	FINISHED(w, &writer, 1);
	atomic_store(&w->over, 1);
	FINISHED(w, readers, WALKERS);
	EXPECT_LT(0, w->walks);
}

TEST_F_TIMEOUT(storm, LB6_versions_of_a_file_below, 900)
{
	struct place *p = &self->p;
	struct weather *w = weather_new();
	pid_t writer, readers[WALKERS];
	unsigned int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/f", p->b), "version 0"));
	for (i = 0; i < WALKERS; i++) {
		readers[i] = spawn();
		if (!readers[i])
			version_reader(w, path("%s/d/f", p->v));
	}
	writer = spawn();
	if (!writer)
		version_writer(w, path("%s/d/f", p->b), path("%s/tmp", p->back),
			       scaled(2000));
	FINISHED(w, &writer, 1);
	atomic_store(&w->over, 1);
	FINISHED(w, readers, WALKERS);
	EXPECT_LT(0, w->walks);
}

/* The link itself comes and goes under those who walk it. */
static void guest_run(struct weather *w, const struct place *p, uint64_t seed)
{
	char file[256], buf[32];
	struct stat st;
	DIR *stream;
	int fd, err;

	snprintf(file, sizeof(file), "%s/who", p->v);
	while (!atomic_load(&w->over) && !atomic_load(&w->failed)) {
		err = 0;
		switch (rnd(&seed) % 4) {
		case 0:
			err = ERR(stat(p->v, &st));
			break;
		case 1:
			err = ERR(chdir(p->v)) ?: ERR(stat("who", &st));
			if (chdir("/"))
				err = errno;
			break;
		case 2:
			stream = opendir(p->v);
			err = stream ? 0 : errno;
			if (stream) {
				while (readdir(stream))
					;
				closedir(stream);
			}
			break;
		case 3:
			fd = open(file, O_RDONLY | O_CLOEXEC);
			if (fd < 0) {
				err = errno;
				break;
			}
			memset(buf, 0, sizeof(buf));
			if (read(fd, buf, sizeof(buf) - 1) < 0)
				err = errno;
			close(fd);
			if (!err && strcmp(buf, "original") &&
			    strcmp(buf, "backing"))
				wrong(w, "%s has '%s'", file, buf);
		}
		if (err)
			wrong(w, "a guest gets %s", strerror(err));
		atomic_fetch_add(&w->walks, 1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(storm, RM4_the_link_comes_and_goes, 900)
{
	struct place *p = &self->p;
	struct weather *w = weather_new();
	uint64_t seed = rnd_seed();
	unsigned int i, n = scaled(300);
	pid_t guests[WALKERS];
	const char *who = path("%s/who", p->v);

	TH_LOG("seed %#jx", (uintmax_t)seed);
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(who, "original"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/who", p->b), "backing"));
	for (i = 0; i < WALKERS; i++) {
		guests[i] = spawn();
		if (!guests[i])
			guest_run(w, p, seed + i);
	}
	for (i = 0; i < n && !w->failed; i++) {
		EXPECT_EQ(0, link_make(p->v, p->b))
			TH_LOG("round %u: %s", i, link_why());
		EXPECT_STREQ("backing", get(who));
		EXPECT_EQ(0, link_drop(p->v))
			TH_LOG("round %u: %s", i, link_why());
		EXPECT_STREQ("original", get(who));
		if (_metadata->exit_code)
			break;
	}
	atomic_store(&w->over, 1);
	FINISHED(w, guests, WALKERS);
	EXPECT_LT(0, w->walks);
}

TEST_HARNESS_MAIN
