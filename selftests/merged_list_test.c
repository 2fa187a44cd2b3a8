// SPDX-License-Identifier: GPL-2.0
/*
 * Listings of merged links (MG9): large ones, positions to come back to, and
 * names that come and go on either side meanwhile.
 *
 * A name is a letter and a number. The letter says where it is: o in the
 * original, b in the backing, x in both, t in the original for certain and u in
 * the backing for certain, with a twin on the other side at times. Those of
 * other letters may be listed or not.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "place.h"

#include <bindlink.h>

PLACES_CROSS(listing);
PLACES_TMPFS(large);

#define MERGED	BINDLINK_FLAG_MERGED

static const char letters[] = "obxtu";

#define LETTERS	5

/* How many there are of each letter, from number 0 on. */
struct want {
	unsigned int n[LETTERS];
};

struct record {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* The names of an open directory, one by one, through a buffer of @room. */
struct reader {
	int fd;
	size_t room;
	long n, at;
	int err;
	char buf[32768] __attribute__((aligned(8)));
};

static struct reader *read_with(struct reader *r, int fd, size_t room)
{
	r->fd = fd;
	r->room = room < sizeof(r->buf) ? room : sizeof(r->buf);
	r->n = 0;
	r->at = 0;
	r->err = 0;
	return r;
}

static struct record *next(struct reader *r)
{
	struct record *e;

	if (r->at == r->n) {
		r->at = 0;
		r->n = syscall(SYS_getdents64, r->fd, r->buf, r->room);
		if (r->n <= 0) {
			r->err = r->n < 0 ? errno : 0;
			r->n = 0;
			return NULL;
		}
	}
	e = (void *)(r->buf + r->at);
	r->at += e->len;
	return e;
}

static struct record *next_name(struct reader *r)
{
	struct record *e;

	do {
		e = next(r);
	} while (e && (!strcmp(e->name, ".") || !strcmp(e->name, "..")));
	return e;
}

static unsigned int number_in(const char *name)
{
	return strtoul(name + 1, NULL, 10);
}

/* Reads on to the end: "", or what is wrong with what was listed. */
static const char *each_once(int fd, const struct want *want, size_t room)
{
	static struct reader reader;
	struct reader *r = read_with(&reader, fd, room);
	unsigned char *seen[LETTERS];
	const char *wrong = "", *at;
	unsigned int i, j, dots = 0;
	struct record *e;

	for (i = 0; i < LETTERS; i++)
		seen[i] = calloc(want->n[i] + 1, 1);
	while ((e = next(r))) {
		if (*e->name == '.') {
			dots++;
			continue;
		}
		at = strchr(letters, *e->name);
		if (!at)
			continue;
		j = number_in(e->name);
		if (j >= want->n[at - letters])
			wrong = path("%s is listed", e->name);
		else if (seen[at - letters][j]++)
			wrong = path("%s is listed twice", e->name);
		if (*wrong)
			break;
	}
	if (!*wrong && r->err)
		wrong = path("%s", strerror(r->err));
	if (!*wrong && dots != 2)
		wrong = path("%u dots", dots);
	for (i = 0; i < LETTERS; i++) {
		for (j = 0; j < want->n[i] && !*wrong; j++)
			if (!seen[i][j])
				wrong = path("%c%06u is not listed",
					     letters[i], j);
		free(seen[i]);
	}
	return wrong;
}

static int open_dir(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *list_all(const char *dir, const struct want *want,
			    size_t room)
{
	const char *wrong;
	int fd = open_dir(dir);

	if (fd < 0)
		return path("%s: %s", dir, strerror(errno));
	wrong = each_once(fd, want, room);
	close(fd);
	return wrong;
}

static void name_of(char *buf, char letter, unsigned int i)
{
	sprintf(buf, "%c%06u", letter, i);
}

/* Makes names; as hard links of one file where there are very many. */
static int fill(const char *dir, char letter, unsigned int from,
		unsigned int to, bool hard)
{
	char name[32], first[32] = "";
	int fd = open_dir(dir), err = 0;

	if (fd < 0)
		return errno;
	for (; from < to && !err; from++) {
		name_of(name, letter, from);
		if (hard && *first) {
			err = ERR(linkat(fd, first, fd, name, 0));
		} else {
			err = ERR(mknodat(fd, name, S_IFREG | 0644, 0));
			strcpy(first, name);
		}
	}
	close(fd);
	return err;
}

struct area {
	const char *v, *b;
	const char *o;		/* the original, directly */
};

static const uint32_t attach[] = {
	BINDLINK_ATTACH_PATH, BINDLINK_ATTACH_PARENT,
};

/* An empty V and an empty B, each in a directory of its own, merged. */
static int set_up(struct area *a, const struct place *p, int way)
{
	const char *par = path("%s/par%d", p->top, way);
	const char *side = path("%s/side%d", p->top, way);

	a->v = path("%s/v", par);
	a->o = path("%s/v", side);
	a->b = path("%s/b%d", p->back, way);
	return ERR(mkdir(par, 0755)) ?: ERR(mkdir(side, 0755)) ?:
	       ERR(mkdir(a->v, 0755)) ?: ERR(mkdir(a->b, 0755)) ?:
	       ERR(mount(par, side, NULL, MS_BIND, NULL)) ?:
	       ERR(mount(NULL, side, NULL, MS_PRIVATE, NULL)) ?:
	       -link_make_opts(a->v, a->b, MERGED, attach[way], NULL, 0);
}

static int fill_all(const struct area *a, const struct want *want)
{
	return fill(a->o, 'o', 0, want->n[0], false) ?:
	       fill(a->b, 'b', 0, want->n[1], false) ?:
	       fill(a->o, 'x', 0, want->n[2], false) ?:
	       fill(a->b, 'x', 0, want->n[2], false) ?:
	       fill(a->o, 't', 0, want->n[3], false) ?:
	       fill(a->b, 'u', 0, want->n[4], false);
}

/* Few, but more than a buffer holds. */
static struct want some(void)
{
	unsigned int n = scaled(2500) + 200;

	return (struct want){ .n = { n, n, n / 4, 50, 50, }, };
}

static const size_t rooms[] = { 32, 48, 200, 1000, 32768 };

TEST_F_TIMEOUT(listing, MG9_MG1_each_once_through_any_buffer, 600)
{
	struct want want = some();
	unsigned int i, way;
	struct area a;

	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		ASSERT_EQ(0, set_up(&a, &self->p, way))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("", list_all(a.v, &(struct want){}, 4096));
		ASSERT_EQ(0, fill_all(&a, &want));
		for (i = 0; i < ARRAY_SIZE(rooms); i++)
			EXPECT_STREQ("", list_all(a.v, &want, rooms[i]))
				TH_LOG("%zu bytes", rooms[i]);
	}
}

struct entry {
	char name[16];
	int64_t off;		/* where the next one is */
};

/* All of @fd from where it is, with positions. */
static struct entry *entries_of(int fd, size_t room, unsigned int *n)
{
	static struct reader reader;
	struct reader *r = read_with(&reader, fd, room);
	struct entry *all = NULL;
	struct record *e;

	*n = 0;
	while ((e = next(r))) {
		if (!(*n & 1023))
			all = realloc(all, (*n + 1024) * sizeof(*all));
		snprintf(all[*n].name, sizeof(all[*n].name), "%s", e->name);
		all[(*n)++].off = e->off;
	}
	return all;
}

/* What comes at @off is what came after all[@i]: for the next few. */
static const char *goes_on(int fd, int64_t off, const struct entry *all,
			   unsigned int i, unsigned int n, size_t room)
{
	static struct reader reader;
	struct reader *r = read_with(&reader, fd, room);
	unsigned int end = i + 6;
	struct record *e;

	if (lseek(fd, off, SEEK_SET) != off)
		return path("lseek to %#jx: %s", (intmax_t)off, strerror(errno));
	for (i++; i < n && i < end; i++) {
		e = next(r);
		if (!e)
			return path("the end, and not %s", all[i].name);
		if (strcmp(e->name, all[i].name))
			return path("%s, and not %s", e->name, all[i].name);
	}
	if (i == n && next(r))
		return "more than all";
	return "";
}

TEST_F_TIMEOUT(listing, MG9_positions_to_come_back_to, 600)
{
	static const int64_t odd[] = {
		1, 2, 3, 100, 12345, 1LL << 31, 1LL << 32, 1LL << 48,
		(1LL << 62) + 1, INT64_MAX - 1, INT64_MAX,
	};
	struct want want = some();
	uint64_t seed = rnd_seed();
	unsigned int way, i, n, pick;
	struct reader *r = malloc(sizeof(*r));
	struct area a;

	TH_LOG("seed %#jx", (uintmax_t)seed);
	ASSERT_NE(NULL, r);
	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		struct entry *all;
		struct dirent *d;
		int64_t off;
		long told[20];
		char *after[20];
		DIR *dir;
		int fd;

		ASSERT_EQ(0, set_up(&a, &self->p, way))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, fill_all(&a, &want));
		fd = open_dir(a.v);
		ASSERT_LE(0, fd);
		all = entries_of(fd, 4096, &n);
		EXPECT_EQ(2 * want.n[0] + want.n[2] + 2 * want.n[3] + 2, n);
		for (i = 0; i < 60; i++) {
			pick = i == 0 ? n - 1 : i == 1 ? 0 : rnd(&seed) % n;
			EXPECT_STREQ("", goes_on(fd, all[pick].off, all, pick, n,
						 rooms[i % ARRAY_SIZE(rooms)]))
				TH_LOG("after %u: %s", pick, all[pick].name);
		}
		/* Where a descriptor is after some of it. */
		ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
		read_with(r, fd, 1000);
		for (i = 0; i < n / 2 || r->at != r->n; i++)
			ASSERT_NE(NULL, next(r));
		off = lseek(fd, 0, SEEK_CUR);
		EXPECT_STREQ("", goes_on(fd, off, all, i - 1, n, 4096));
		EXPECT_STREQ("", goes_on(fd, all[2].off, all, 2, n, 4096));
		EXPECT_STREQ("", goes_on(fd, off, all, i - 1, n, 32));
		/* From the start it is all of it again. */
		ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
		EXPECT_STREQ("", each_once(fd, &want, 4096));
		EXPECT_EQ(0, syscall(SYS_getdents64, fd, r->buf, 4096));
		/* Where nobody has ever been: no more than there is. */
		for (i = 0; i < ARRAY_SIZE(odd); i++) {
			unsigned int count = 0;

			if (lseek(fd, odd[i], SEEK_SET) < 0)
				continue;
			read_with(r, fd, 32768);
			while (next(r) && count <= n)
				count++;
			EXPECT_GE(n, count)
				TH_LOG("at %#jx", (intmax_t)odd[i]);
		}
		ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
		EXPECT_STREQ("", each_once(fd, &want, 4096));
		close(fd);
		free(all);

		/* As programs do it. */
		dir = opendir(a.v);
		ASSERT_NE(NULL, dir);
		for (i = 0; i < 20; i++) {
			unsigned int skip = n / 25;

			while (skip--)
				ASSERT_NE(NULL, readdir(dir));
			told[i] = telldir(dir);
			d = readdir(dir);
			ASSERT_NE(NULL, d);
			after[i] = strdup(d->d_name);
		}
		for (i = 0; i < 40; i++) {
			pick = rnd(&seed) % 20;
			seekdir(dir, told[pick]);
			d = readdir(dir);
			EXPECT_STREQ(after[pick], d ? d->d_name : "the end");
		}
		for (i = 0; i < 20; i++)
			free(after[i]);
		closedir(dir);
	}
	free(r);
}

/* How often @name comes from where @dir is to the end, and of how many. */
static unsigned int count_of(DIR *dir, const char *name, unsigned int *all)
{
	unsigned int found = 0;
	struct dirent *d;

	*all = 0;
	while ((d = readdir(dir))) {
		(*all)++;
		found += !strcmp(d->d_name, name);
	}
	return found;
}

TEST_F_TIMEOUT(listing, MG9_rewound_it_is_as_things_are, 600)
{
	/* Where each is made: through V, in B, in the original, in both. */
	static const char *const made[] = { "v1", "v2", "v3", "v4" };
	struct want want = some();
	unsigned int way, i, n, all;
	struct area a;

	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		struct entry *was;
		struct dirent *d;
		long half;
		DIR *dir;
		int fd;

		ASSERT_EQ(0, set_up(&a, &self->p, way))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, fill_all(&a, &want));
		dir = opendir(a.v);
		ASSERT_NE(NULL, dir);
		for (i = 0; i < want.n[0]; i++)
			ASSERT_NE(NULL, readdir(dir));
		ASSERT_EQ(0, put(path("%s/v1", a.v), ""));
		ASSERT_EQ(0, put(path("%s/v2", a.b), ""));
		ASSERT_EQ(0, put(path("%s/v3", a.o), ""));
		ASSERT_EQ(0, put(path("%s/v4", a.o), ""));
		ASSERT_EQ(0, put(path("%s/v4", a.b), ""));
		/* The last ones of each go, each in another way. */
		for (i = 0; i < LETTERS; i++)
			want.n[i]--;
		ASSERT_EQ(0, ERR(unlink(path("%s/o%06u", a.o, want.n[0]))));
		ASSERT_EQ(0, ERR(unlink(path("%s/b%06u", a.b, want.n[1]))));
		ASSERT_EQ(0, ERR(unlink(path("%s/x%06u", a.v, want.n[2]))));
		ASSERT_EQ(0, ERR(unlink(path("%s/x%06u", a.v, want.n[2]))));
		ASSERT_EQ(0, ERR(unlink(path("%s/t%06u", a.v, want.n[3]))));
		ASSERT_EQ(0, ERR(unlink(path("%s/u%06u", a.v, want.n[4]))));
		/* B's goes, and the original's is what is listed. */
		ASSERT_EQ(0, ERR(unlink(path("%s/x000000", a.b))));
		for (i = 0; i < ARRAY_SIZE(made); i++) {
			rewinddir(dir);
			EXPECT_EQ(1, count_of(dir, made[i], &all))
				TH_LOG("%s", made[i]);
			EXPECT_EQ(2 * want.n[0] + want.n[2] + 2 * want.n[3] + 6,
				  all);
		}
		rewinddir(dir);
		EXPECT_EQ(1, count_of(dir, "x000000", &all));
		closedir(dir);
		EXPECT_STREQ("", list_all(a.v, &want, 4096));

		/*
		 * Back to the half after changes: each that stayed is on the
		 * side where it was.
		 */
		fd = open_dir(a.v);
		ASSERT_LE(0, fd);
		was = entries_of(fd, 4096, &n);
		close(fd);
		dir = opendir(a.v);
		ASSERT_NE(NULL, dir);
		for (i = 0; i < n / 2; i++)
			ASSERT_NE(NULL, readdir(dir));
		half = telldir(dir);
		while (readdir(dir))
			;
		for (i = 0; i < n; i += 3)
			if (*was[i].name != '.') {
				ASSERT_EQ(0, ERR(unlink(path("%s/%s", a.v,
							     was[i].name))));
				/* What it masked is the name from now on. */
				if (!access(path("%s/%s", a.o, was[i].name),
					    F_OK))
					ASSERT_EQ(0, ERR(unlink(path("%s/%s",
							a.o, was[i].name))));
			}
		ASSERT_EQ(0, fill(a.b, 'y', 0, 50, false));
		ASSERT_EQ(0, fill(a.o, 'y', 0, 80, false));
		seekdir(dir, half);
		for (i = n / 2, d = readdir(dir); i < n; i++) {
			if (i % 3 == 0 && *was[i].name != '.')
				continue;
			while (d && *d->d_name == 'y')
				d = readdir(dir);
			EXPECT_STREQ(was[i].name, d ? d->d_name : "the end");
			if (!d || strcmp(was[i].name, d->d_name))
				break;
			d = readdir(dir);
		}
		while (d && *d->d_name == 'y')
			d = readdir(dir);
		EXPECT_EQ(NULL, d);
		closedir(dir);
		free(was);
	}
}

/*
 * A directory that one layer has is listed by that, until it is rewound, whatever is
 * made in the other one.
 */
TEST_F_TIMEOUT(listing, MG9_in_one_layer_at_first, 600)
{
	struct want want = { .n = { scaled(1000) + 100, }, };
	unsigned int n, i, half, total, side, way;
	struct area a;

	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		ASSERT_EQ(0, set_up(&a, &self->p, way))
			TH_LOG("%s", link_why());
		for (side = 0; side < 2; side++) {
			const char *vd = path("%s/d%u", a.v, side);
			const char *has = path("%s/d%u", side ? a.b : a.o, side);
			const char *not = path("%s/d%u", side ? a.o : a.b, side);
			unsigned char *seen = calloc(want.n[0], 1);
			struct entry *all;
			struct dirent *d;
			int64_t off;
			DIR *dir;
			int fd;

			ASSERT_NE(NULL, seen);
			ASSERT_EQ(0, ERR(mkdir(has, 0755)));
			ASSERT_EQ(0, fill(has, 'o', 0, want.n[0], false));
			for (i = 0; i < ARRAY_SIZE(rooms); i++)
				EXPECT_STREQ("", list_all(vd, &want, rooms[i]))
					TH_LOG("%zu bytes", rooms[i]);
			fd = open_dir(vd);
			ASSERT_LE(0, fd);
			all = entries_of(fd, 4096, &n);
			ASSERT_EQ(want.n[0] + 2, n);
			for (i = 0; i < n; i += n / 20)
				EXPECT_STREQ("", goes_on(fd, all[i].off, all, i,
							 n, 200));
			close(fd);
			/* Sought before it is read. */
			fd = open_dir(vd);
			ASSERT_LE(0, fd);
			EXPECT_STREQ("", goes_on(fd, all[n / 3].off, all, n / 3,
						 n, 200));
			EXPECT_EQ(EINVAL, ERR(lseek(fd, -1, SEEK_SET)));

			dir = opendir(vd);
			ASSERT_NE(NULL, dir);
			half = n / 2;
			for (i = 0; i < half; i++) {
				d = readdir(dir);
				ASSERT_NE(NULL, d);
				if (*d->d_name == 'o')
					seen[number_in(d->d_name)]++;
			}
			off = telldir(dir);
			/* The other layer has it now, too, and some of the same. */
			ASSERT_EQ(0, ERR(mkdir(not, 0755)));
			ASSERT_EQ(0, fill(not, 'b', 0, 40, false));
			ASSERT_EQ(0, fill(not, 'o', 0, 30, false));
			/* As editors save. */
			ASSERT_EQ(0, put(path("%s/.new", vd), "new"));
			ASSERT_EQ(0, ERR(rename(path("%s/.new", vd),
						path("%s/o000050", vd))));
			EXPECT_STREQ("new", get(path("%s/o000050", vd)));
			for (total = half; (d = readdir(dir)); total++)
				if (*d->d_name == 'o')
					seen[number_in(d->d_name)]++;
			EXPECT_GE(n, total);
			for (i = 0; i < want.n[0]; i++)
				EXPECT_EQ(1, seen[i]) TH_LOG("o%06u", i);
			/* Back to where it was, before it is rewound. */
			seekdir(dir, off);
			d = readdir(dir);
			EXPECT_STREQ(all[half].name, d ? d->d_name : "the end");
			closedir(dir);
			EXPECT_STREQ("", goes_on(fd, all[half].off, all, half, n,
						 200));

			want.n[1] = 40;
			EXPECT_STREQ("", list_all(vd, &want, 200));
			ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
			EXPECT_STREQ("", each_once(fd, &want, 200));
			/* And it is the only one once more. */
			want.n[1] = 0;
			ASSERT_EQ(0, rm_rf(not));
			if (access(path("%s/o000050", has), F_OK))
				ASSERT_EQ(0, put(path("%s/o000050", has), ""));
			ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
			EXPECT_STREQ("", each_once(fd, &want, 1000));
			/* A name with a rule is one that its filesystem lacks. */
			ASSERT_EQ(0, link_attach(path("%s/b000000", vd), has,
						 BINDLINK_ATTACH_PARENT))
				TH_LOG("%s", link_why());
			want.n[1] = 1;
			EXPECT_STREQ("", list_all(vd, &want, 200));
			ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
			EXPECT_STREQ("", each_once(fd, &want, 200));
			want.n[1] = 0;
			ASSERT_EQ(0, link_drop(path("%s/b000000", vd)));
			EXPECT_STREQ("", list_all(vd, &want, 200));
			close(fd);
			free(all);
			free(seen);
		}
	}
}

struct shared {
	atomic_bool stop;
	atomic_uint turns;
};

/*
 * Makes and removes names in @dir until told to stop: new ones, and such that
 * are on the other side for certain (those of @twins).
 */
static int come_and_go(struct shared *s, const char *dir, char own, char twin,
		       unsigned int twins, uint64_t seed)
{
	static bool is[2][256];
	char name[32];
	int fd = open_dir(dir), err;

	if (fd < 0)
		return errno;
	while (!atomic_load(&s->stop)) {
		bool one = twins && rnd(&seed) % 2;
		unsigned int i = rnd(&seed) % (one ? twins : 256);

		name_of(name, one ? twin : own, i);
		err = ERR(is[one][i] ? unlinkat(fd, name, 0) :
			  mknodat(fd, name, S_IFREG | 0644, 0));
		if (err)
			return err;
		is[one][i] = !is[one][i];
		atomic_fetch_add(&s->turns, 1);
	}
	close(fd);
	return 0;
}

TEST_F_TIMEOUT(listing, MG9_LB6_while_names_come_and_go, 600)
{
	unsigned int passes = scaled(30) + 4, way, i;
	uint64_t seed = rnd_seed();
	struct want want = some();
	struct shared *s;
	struct area a;
	pid_t pids[3];

	TH_LOG("seed %#jx", (uintmax_t)seed);
	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		 -1, 0);
	ASSERT_NE(MAP_FAILED, s);
	want.n[0] /= 2;
	want.n[1] /= 2;
	want.n[3] = 200;
	want.n[4] = 200;
	for (way = 0; way < ARRAY_SIZE(attach); way++) {
		bool bad = false;

		ASSERT_EQ(0, set_up(&a, &self->p, way))
			TH_LOG("%s", link_why());
		ASSERT_EQ(0, fill_all(&a, &want));
		atomic_store(&s->stop, false);
		atomic_store(&s->turns, 0);
		for (i = 0; i < ARRAY_SIZE(pids); i++) {
			const char *dir = i == 0 ? a.v : i == 1 ? a.b : a.o;

			pids[i] = fork();
			if (!pids[i])
				_exit(come_and_go(s, dir, "pqr"[i], " tu"[i],
						  i ? 200 : 0, seed + i));
		}
		for (i = 0; i < passes && !bad; i++) {
			static const size_t size[] = { 128, 1000, 4096, 32768 };
			const char *wrong = list_all(a.v, &want,
						     size[i % ARRAY_SIZE(size)]);

			bad = *wrong;
			EXPECT_STREQ("", wrong)
				TH_LOG("pass %u, %u changes", i,
				       atomic_load(&s->turns));
		}
		/* As often as it takes that there were some. */
		for (; atomic_load(&s->turns) < 100 && i < 100000 && !bad; i++)
			EXPECT_STREQ("", list_all(a.v, &want, 4096));
		EXPECT_LE(100u, atomic_load(&s->turns));
		atomic_store(&s->stop, true);
		for (i = 0; i < ARRAY_SIZE(pids); i++)
			EXPECT_EQ(0, reap(pids[i]))
				TH_LOG("the one in %s", i == 0 ? "V" :
				       i == 1 ? "B" : "the original");
		EXPECT_STREQ("", list_all(a.v, &want, 4096));
	}
	munmap(s, 4096);
}

/* Nobody else's time: the machine may have other things to do. */
static uint64_t cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Memory that cannot be had back for the asking, in KiB. */
static long memory_used(void)
{
	long total = 0, not = 0, n;
	char key[64], line[128];
	FILE *in = fopen("/proc/meminfo", "re");

	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%63[^:]: %ld", key, &n) != 2)
			continue;
		if (!strcmp(key, "MemTotal"))
			total = n;
		else if (!strcmp(key, "MemFree") || !strcmp(key, "Buffers") ||
			 !strcmp(key, "Cached") || !strcmp(key, "SReclaimable"))
			not += n;
	}
	if (in)
		fclose(in);
	return total - not;
}

/* Both sides at once, as there are two of them. */
static int grow(const struct area *a, const struct want *from,
		const struct want *to)
{
	pid_t pid = fork();
	int err;

	if (!pid)
		_exit(fill(a->o, 'o', from->n[0], to->n[0], true) ?:
		      fill(a->o, 'x', from->n[2], to->n[2], true));
	err = fill(a->b, 'b', from->n[1], to->n[1], true) ?:
	      fill(a->b, 'x', from->n[2], to->n[2], true);
	return err ?: reap(pid);
}

/* Of @n entries on each side every tenth is on the other side, too. */
static struct want large_want(unsigned int n)
{
	return (struct want){ .n = { n - n / 10, n - n / 10, n / 10, }, };
}

#define OPEN	8		/* directories that are open at once */

/* Opens half of them, reads half of each, and waits. */
static int hold_open(const char *dir, unsigned int half, int ready, int wait)
{
	static struct reader reader;
	unsigned int i, j;
	int bad = 0;
	char c = 0;

	for (i = 0; i < OPEN / 2; i++) {
		struct reader *r = read_with(&reader, open_dir(dir), 32768);

		for (j = 0; j < half && !bad; j++)
			bad = !next(r);
	}
	if (write(ready, &c, 1) != 1 || read(wait, &c, 1) < 0)
		bad = 2;
	return bad;
}

TEST_F_TIMEOUT(large, MG9_at_size, 900)
{
	const char *m = path("%s/m", self->p.top);
	unsigned int n = 100000, i, total;
	struct want want = { }, more;
	uint64_t cost[3], begun, once;
	static struct reader reader;
	struct place inner = self->p;
	int64_t offs[4];
	char at[4][6][16], c;
	struct area a;
	long before, grown;
	int ready[2], wait[2], fd;
	pid_t pids[2];

	/* As many inodes as it likes: each name is one here. */
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0,
			       "mode=755,nr_inodes=0,size=90%")));
	snprintf(inner.top, sizeof(inner.top), "%s", m);
	snprintf(inner.back, sizeof(inner.back), "%s", m);
	ASSERT_EQ(0, set_up(&a, &inner, 0))
		TH_LOG("%s", link_why());

	/*
	 * Twice as many take twice as long, and not four times: in one of many
	 * tries, as an emulated machine also does other things.
	 */
	for (i = 0; i < 3; i++) {
		unsigned int try = 0;

		more = large_want(n >> (2 - i));
		ASSERT_EQ(0, grow(&a, &want, &more));
		want = more;
		cost[i] = UINT64_MAX;
		do {
			begun = cpu_time();
			EXPECT_STREQ("", list_all(a.v, &want, 32768));
			once = cpu_time() - begun;
			if (once < cost[i])
				cost[i] = once;
		} while (i && cost[i] * 2 >= cost[i - 1] * 7 && ++try < 20);
		TH_LOG("%u and %u entries: %ju ms", n >> (2 - i),
		       n >> (2 - i), (uintmax_t)cost[i] / 1000000);
		if (i)
			EXPECT_GT(cost[i - 1] * 7, cost[i] * 2);
	}
	total = want.n[0] + want.n[1] + want.n[2];

	/* Memory of directories that are open and half read. */
	ASSERT_EQ(0, ERR(pipe(ready)));
	ASSERT_EQ(0, ERR(pipe(wait)));
	before = memory_used();
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			close(wait[1]);
			_exit(hold_open(a.v, total / 2, ready[1], wait[0]));
		}
	}
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(1, read(ready[0], &c, 1));
	grown = memory_used() - before;
	TH_LOG("%d open directories: %ld KiB", OPEN, grown);
	EXPECT_GT(OPEN * 10 * 1024, grown);
	close(wait[1]);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, reap(pids[i]));
	close(ready[0]);
	close(wait[0]);

	/* Back to some places, in another order. */
	fd = open_dir(a.v);
	ASSERT_LE(0, fd);
	read_with(&reader, fd, 32768);
	for (i = 0; i < total + 2; i++) {
		struct record *e = next(&reader);
		unsigned int k = i / (total / 4), l = i % (total / 4);

		ASSERT_NE(NULL, e);
		if (k > 3)
			continue;
		if (l == 0)
			offs[k] = e->off;
		else if (l <= 6)
			snprintf(at[k][l - 1], sizeof(at[k][0]), "%s", e->name);
	}
	EXPECT_EQ(NULL, next(&reader));
	for (i = 0; i < 4; i++) {
		unsigned int k = (i * 3 + 2) % 4, l;

		ASSERT_EQ(offs[k], lseek(fd, offs[k], SEEK_SET));
		read_with(&reader, fd, 64);
		for (l = 0; l < 6; l++) {
			struct record *e = next(&reader);

			EXPECT_STREQ(at[k][l], e ? e->name : "the end");
		}
	}
	/* A small buffer does not make each call look at all of it. */
	ASSERT_EQ(offs[2], lseek(fd, offs[2], SEEK_SET));
	read_with(&reader, fd, 64);
	begun = cpu_time();
	for (i = 0; i < 400; i++)
		ASSERT_NE(NULL, next_name(&reader));
	once = cpu_time() - begun;
	TH_LOG("400 entries, two at a time: %ju ms",
	       (uintmax_t)once / 1000000);
	EXPECT_GT(cost[2] * 4, once);
	close(fd);
}

TEST_HARNESS_MAIN
