// SPDX-License-Identifier: GPL-2.0
/*
 * A storm of links: many processes make and remove links in one area, beside
 * each other, on ancestors and descendants of each other and through each
 * other, change what is at their backing paths and mount below them, while
 * others walk and change the same names.
 *
 * Each name that is watched has one owner, who alone changes what it shows.
 * The owner publishes that, after its call has returned, as one word in shared
 * memory.  Whoever looks at the name reads the word before and after; if it is
 * the same both times the answer has to be exactly what the word says.
 */
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <bindlink.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(nested_storm);

/* What a name shows. */
enum seen {
	NOTHING,	/* ENOENT */
	A_FILE,
	A_DIR,		/* with a file "who" */
	WAY,		/* a directory for the sake of links below alone */
	LOOP,		/* ELOOP */
	DEPENDS,	/* on what the ancestor shows, which is another's */
	UNCLEAR,	/* nothing is promised */
};

static const char *const seen_name[] = {
	"nothing", "a file", "a directory", "a way", "a loop",
	"what its ancestor has", "anything",
};

/*
 * A word: number of the change, id of the contents, enum seen, flags.  While
 * the owner changes what a name shows it has BUSY.
 */
#define BUSY	1
#define LINKED	2	/* there is a link at the name */
#define STALE	4	/* the carrier may be of another kind: ESTALE */

#define WORD(version, id, seen, flags)					\
	((uint64_t)(version) << 32 | (uint64_t)(id) << 16 | (seen) << 8 | \
	 (flags))
#define VERSION(word)	((uint32_t)((word) >> 32))
#define ID(word)	((unsigned int)((word) >> 16) & 0xffff)
#define SEEN(word)	((enum seen)((word) >> 8 & 0xff))
#define SAME(a, b)	((uint32_t)(a) == (uint32_t)(b))

#define SLOTS_MAX	64
#define PROCS_MAX	12

/* A name that is watched. */
struct slot {
	_Atomic uint64_t word;
	char v[140];
	unsigned int who;	/* its owner */
	bool linkable;
	bool mounts;		/* has mounts of one mount namespace */
	bool outside;		/* no name in the area's own directory */
	/* For DEPENDS: by what the slot above shows. */
	int above;
	unsigned int base;	/* id is this and that of the slot above */
	unsigned int shown;	/* for which of them there is anything */
};

struct proc {
	pid_t pid;
	pid_t now;		/* walkers are replaced at times */
	char role[16];
	atomic_ulong beats;	/* a process that hangs has none */
	char doing[200];
};

struct weather {
	atomic_int over;	/* those who have no number of steps stop */
	atomic_int failed;	/* everybody stops */
	bool hangs;		/* do not wait */
	atomic_ulong looks, sure, changes, again, busy, lapses;
	unsigned int slots, procs;
	struct slot slot[SLOTS_MAX];
	struct proc proc[PROCS_MAX];
	char what[4000];	/* first failure */
};

/* What a process of the storm knows. */
struct self {
	struct weather *w;
	const struct place *p;
	struct proc *proc;
	unsigned int me;
	uint64_t seed;
	uint64_t until;		/* ms */
	unsigned int step;
	/* Versions that this mount namespace may have missed. */
	int64_t missed[SLOTS_MAX];
	bool away;		/* is in a mount namespace of its own */
};

/* Emulated, and with all the checks that a kernel can have. */
static bool slow(void)
{
	return scaled(100) < 25;
}

/* Says what is wrong, once for all, and ends the process. */
static void wrong(struct self *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
static void wrong(struct self *s, const char *fmt, ...)
{
	struct weather *w = s->w;
	int none = 0, n;
	va_list ap;

	if (atomic_compare_exchange_strong(&w->failed, &none, 1)) {
		n = snprintf(w->what, sizeof(w->what), "%s %u, step %u (%s): ",
			     s->proc->role, s->me, s->step, s->proc->doing);
		va_start(ap, fmt);
		n += vsnprintf(w->what + n, sizeof(w->what) - n, fmt, ap);
		va_end(ap);
		/* Of the namespace that it is in. */
		if (n < (int)sizeof(w->what))
			snprintf(w->what + n, sizeof(w->what) - n, "\n%s",
				 state());
	}
	_exit(1);
}

static void doing(struct self *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void doing(struct self *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->proc->doing, sizeof(s->proc->doing), fmt, ap);
	va_end(ap);
	atomic_fetch_add(&s->proc->beats, 1);
}

static bool goes_on(struct self *s)
{
	return !atomic_load(&s->w->failed) && !atomic_load(&s->w->over) &&
	       now_ms() < s->until;
}

/* Contents: who made them, and a number that is used once. */
#define RECORD	16

static void record(char *buf, unsigned int who, unsigned int id)
{
	char text[RECORD * 2];

	snprintf(text, sizeof(text), "p%u %u", who, id);
	memset(buf, ' ', RECORD);
	memcpy(buf, text, strlen(text));
	buf[RECORD - 1] = '\n';
}

static int write_record(const char *file, int flags, unsigned int who,
			unsigned int id)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
	char buf[RECORD];
	int err = 0;

	if (fd < 0)
		return errno;
	record(buf, who, id);
	errno = EIO;
	if (pwrite(fd, buf, RECORD, 0) != RECORD)
		err = errno;
	close(fd);
	return err;
}

/* A directory with contents, where nobody looks at it yet. */
static int make_dir(const char *dir, unsigned int who, unsigned int id)
{
	return ERR(mkdir(dir, 0755)) ?:
	       write_record(path("%s/who", dir), O_CREAT | O_EXCL, who, id);
}

/* What a look at a name told. */
struct look {
	int err;
	enum seen seen;
	int id;			/* or -1: was not looked at */
	unsigned int who;
};

static void read_record(int fd, struct look *l)
{
	char buf[RECORD + 1] = "";
	unsigned int id;
	ssize_t n = pread(fd, buf, RECORD, 0);

	if (n < 0) {
		l->err = errno;
	} else if (!n) {
		/* It is just being made. */
		l->id = -1;
	} else if (n != RECORD || sscanf(buf, "p%u %u", &l->who, &id) != 2) {
		l->err = EBADMSG;
	} else {
		l->id = id;
	}
	close(fd);
}

static void look_into(int at, const char *name, struct look *l)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		l->err = errno;
	else
		read_record(fd, l);
}

static void kind_of(const struct stat *st, struct look *l)
{
	l->seen = S_ISDIR(st->st_mode) ? A_DIR : A_FILE;
}

#define WAYS	7

/* Looks at the name in one of many ways. */
static struct look look_at(const char *v, unsigned int way)
{
	struct look l = { .id = -1 };
	struct stat st;
	struct dirent *d;
	DIR *stream;
	int fd;

	switch (way) {
	case 0:
		fd = open(v, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0) {
			l.err = errno;
			break;
		}
		if (fstat(fd, &st)) {
			l.err = errno;
			close(fd);
			break;
		}
		kind_of(&st, &l);
		if (l.seen == A_FILE) {
			read_record(fd, &l);
			break;
		}
		look_into(fd, "who", &l);
		close(fd);
		break;
	case 1:
		l.seen = A_DIR;
		look_into(AT_FDCWD, path("%s/who", v), &l);
		if (l.err != ENOTDIR)
			break;
		l.err = 0;
		l.seen = A_FILE;
		look_into(AT_FDCWD, v, &l);
		break;
	case 2:
		if (stat(v, &st))
			l.err = errno;
		else
			kind_of(&st, &l);
		break;
	case 3:
		fd = open(v, O_PATH | O_CLOEXEC);
		if (fd < 0) {
			l.err = errno;
			break;
		}
		if (fstat(fd, &st))
			l.err = errno;
		else
			kind_of(&st, &l);
		close(fd);
		break;
	case 4:
		if (chdir(v)) {
			l.err = errno;
			if (l.err != ENOTDIR)
				break;
			l.err = 0;
			l.seen = A_FILE;
			look_into(AT_FDCWD, v, &l);
			break;
		}
		l.seen = A_DIR;
		look_into(AT_FDCWD, "who", &l);
		if (chdir("/"))
			l.err = errno;
		break;
	case 5:
		stream = opendir(v);
		if (!stream) {
			l.err = errno;
			if (l.err == ENOTDIR) {
				l.err = ERR(stat(v, &st));
				if (!l.err)
					kind_of(&st, &l);
			}
			break;
		}
		l.err = ENOENT;
		l.seen = A_DIR;
		while (errno = 0, (d = readdir(stream)))
			if (!strcmp(d->d_name, "who"))
				l.err = 0;
		if (errno)
			l.err = errno;
		closedir(stream);
		break;
	default:
		if (access(v, F_OK)) {
			l.err = errno;
			break;
		}
		if (lstat(v, &st))
			l.err = errno;
		else
			kind_of(&st, &l);
	}
	/* For one below a file there is nothing, too. */
	if (l.err == ENOENT || l.err == ENOTDIR)
		l.seen = NOTHING;
	else if (l.err == ELOOP)
		l.seen = LOOP;
	return l;
}

/* What must be seen, as far as it is known at this moment. */
struct snap {
	uint64_t word, above;
	bool sure;
	enum seen seen;
	unsigned int id;
	unsigned int flags;
};

static bool missed(const struct self *s, unsigned int k, uint64_t word)
{
	return s->away && VERSION(word) <= s->missed[k];
}

static struct snap snapshot(const struct self *s, unsigned int k)
{
	const struct slot *slot = &s->w->slot[k], *of;
	struct snap n = { .word = atomic_load(&slot->word) };
	bool there;

	n.flags = n.word & 0xff;
	n.seen = SEEN(n.word);
	n.id = ID(n.word);
	n.sure = !(n.flags & BUSY) && n.seen != UNCLEAR &&
		 !missed(s, k, n.word);
	if (n.seen != DEPENDS)
		return n;
	of = &s->w->slot[n.id];
	n.above = atomic_load(&s->w->slot[of->above].word);
	if (n.above & BUSY || missed(s, of->above, n.above))
		n.sure = false;
	there = SEEN(n.above) == A_DIR && of->shown & 1u << ID(n.above);
	n.seen = there ? A_DIR : NOTHING;
	n.id = of->base + ID(n.above);
	return n;
}

static bool unchanged(const struct self *s, unsigned int k,
		      const struct snap *a)
{
	struct snap b = snapshot(s, k);

	return a->sure && b.sure && a->word == b.word && a->above == b.above;
}

static const char *told(const struct look *l)
{
	return l->err ? strerrorname_np(l->err) :
	       l->id < 0 ? seen_name[l->seen] :
	       path("%s with 'p%u %d'", seen_name[l->seen], l->who, l->id);
}

static bool is_right(const struct look *l, const struct snap *n,
		     unsigned int way)
{
	bool right = l->seen == n->seen;

	if (n->seen == WAY)
		return way == 2 || way == 3 || way == 6 ?
			l->seen == A_DIR && !l->err : l->err == ENOENT;
	if (l->seen == A_FILE || l->seen == A_DIR)
		return right && !l->err &&
		       (l->id < 0 || l->id == (int)n->id) &&
		       (l->id >= 0 || (way != 0 && way != 1 && way != 4));
	return right && (l->err == ENOENT || l->err == ENOTDIR ||
			 l->err == ELOOP);
}

/*
 * A lookup that is under way when a tree comes over that of the link may see the
 * original: see docs/design.md, Limits. That is once in many storms, so not twice
 * in one, and it is over a moment later.
 */
static bool is_lapse(struct self *s, const struct slot *slot,
		     const struct look *l, bool over, unsigned int way)
{
	const char *area = path("%s/area/", s->p->top);
	size_t len = strlen(area);
	struct look raw;

	if (!over || strncmp(slot->v, area, len))
		return false;
	raw = look_at(path("%s/raw/%s", s->p->top, slot->v + len), way);
	if (raw.seen != l->seen || raw.err != l->err || raw.id != l->id ||
	    (l->id >= 0 && raw.who != l->who))
		return false;
	return !atomic_fetch_add(&s->w->lapses, 1);
}

/* True if it was sure what had to be seen. */
static bool check_look(struct self *s, unsigned int k, unsigned int way)
{
	const struct slot *slot = &s->w->slot[k];
	struct snap n = snapshot(s, k);
	struct look l = look_at(slot->v, way), later;
	bool sure = unchanged(s, k, &n), same;

	atomic_fetch_add(&s->w->looks, 1);
	if (l.id >= 0 && !l.err && l.who != slot->who)
		wrong(s, "%s has what belongs to another: %s", slot->v,
		      told(&l));
	if (!sure) {
		if (!usual(l.err) && !(l.err == ESTALE && slot->linkable))
			wrong(s, "%s gives %s (%u)", slot->v,
			      strerrorname_np(l.err), way);
		return false;
	}
	atomic_fetch_add(&s->w->sure, 1);
	if (l.err == ESTALE && n.flags & STALE && n.seen != WAY)
		return true;
	if (is_right(&l, &n, way))
		return true;
	/* For a moment, or for good? */
	usleep(100000);
	later = look_at(slot->v, way);
	same = unchanged(s, k, &n);
	if (is_lapse(s, slot, &l, !same || is_right(&later, &n, way), way))
		return false;
	wrong(s, "%s (%s%s) is %s, and later %s, and not %s 'p%u %u' (%u; version %u%s; owner %s)",
	      slot->v, n.flags & LINKED ? "linked" : "not linked",
	      s->away ? ", other namespace" : "", told(&l),
	      told(&later), seen_name[n.seen], slot->who, n.id, way,
	      VERSION(n.word),
	      same ? "" : ", but changed meanwhile",
	      s->w->proc[slot->who].doing);
}

/*
 * Everything that is there must be in the listing of the area once, what is
 * not there must not.
 */
static void check_listing(struct self *s, const char *dir)
{
	struct weather *w = s->w;
	unsigned int count[SLOTS_MAX] = { }, type[SLOTS_MAX] = { }, k;
	struct snap snap[SLOTS_MAX];
	size_t len = strlen(dir);
	struct dirent *d;
	DIR *stream;
	int err;

	for (k = 0; k < w->slots; k++)
		snap[k] = snapshot(s, k);
	stream = opendir(dir);
	if (!stream)
		wrong(s, "opendir of %s: %s", dir, strerror(errno));
	while (errno = 0, (d = readdir(stream))) {
		for (k = 0; k < w->slots; k++)
			if (!w->slot[k].outside &&
			    !strcmp(d->d_name, w->slot[k].v + len + 1)) {
				count[k]++;
				type[k] = d->d_type;
			}
	}
	err = errno;
	closedir(stream);
	if (err)
		wrong(s, "readdir of %s: %s", dir, strerror(err));
	for (k = 0; k < w->slots; k++) {
		const struct snap *n = &snap[k];
		bool there = n->seen == A_FILE || n->seen == A_DIR;

		if (w->slot[k].outside || !unchanged(s, k, n))
			continue;
		/* A link that leads nowhere may be listed or not. */
		if (!there && n->flags & LINKED ? count[k] > 1 :
		    count[k] != there)
			wrong(s, "%s is listed %u times and shows %s",
			      w->slot[k].v, count[k], seen_name[n->seen]);
		if (there && !(n->flags & STALE) && type[k] != DT_UNKNOWN &&
		    (type[k] == DT_DIR) != (n->seen == A_DIR))
			wrong(s, "%s is listed with type %u and shows %s",
			      w->slot[k].v, type[k], seen_name[n->seen]);
		atomic_fetch_add(&w->sure, 1);
	}
}

/* A positive errno.  "Try again" is followed, within reason. */
static int make_link(struct self *s, const char *v, const char *b,
		     unsigned int attach)
{
	int err, i;

	for (i = 0; i < 50; i++) {
		err = -link_attach(v, b, attach);
		if (err != EAGAIN)
			break;
		atomic_fetch_add(&s->w->again, 1);
		atomic_fetch_add(&s->proc->beats, 1);
	}
	return err;
}

static int drop_link(struct self *s, const char *v)
{
	int err, i;

	for (i = 0; i < 50; i++) {
		err = -link_drop(v);
		if (err != EAGAIN)
			break;
		atomic_fetch_add(&s->w->again, 1);
		atomic_fetch_add(&s->proc->beats, 1);
	}
	return err;
}

static const char *const attach_name[] = { "auto", "path", "parent" };

/*
 * Changers.  Each has some names in the area, some below a link of its own or
 * of the ancestor's, and some backing objects, and a model of what these show.
 */
enum own_slot {
	D,		/* was a directory */
	F,		/* was a file */
	N,		/* was not there */
	X,		/* was not there */
	Y,		/* was a directory */
	IN,		/* D/in: was not there, but may be in D's backing */
	S0, S1, S2,	/* names in the area that never have a link */
	XI,		/* x/in: D/in, when X leads to D */
	G,		/* n/...-g: a directory in most that n may be */
	W,		/* n/deep/...-w: in some of them */
	Z,		/* n/...-z: in none */
	OWN
};

#define LINKABLE(k)	((k) <= IN || (k) >= G)
#define OBJECTS		3
#define POINTER		OBJECTS	/* a symlink to one of the objects */

struct object {
	enum seen seen;
	unsigned int id;
	unsigned int in;	/* a directory: id of in/who, or 0 */
};

struct target {
	bool is_slot;
	unsigned int n;		/* slot, or object */
};

struct own {
	bool linked;
	unsigned int attach;
	enum seen over;		/* what it showed when it got the link */
	struct target to;
};

struct model {
	struct own own[OWN];
	struct object object[OBJECTS];
	struct object under[OBJECTS];	/* what is mounted over */
	bool mounted[OBJECTS];
	unsigned int points_to;
	struct object orig[OWN];
};

struct changer {
	struct self s;
	unsigned int first;	/* its first slot of all */
	unsigned int slots;	/* OWN, or less */
	unsigned int id;	/* last number */
	unsigned int trash;
	const char *area, *raw;
	struct model m;
};

/* What a name shows, and where that is. */
struct expect {
	enum seen seen;
	unsigned int id, in, flags;
	enum { NOWHERE, OBJECT, ORIGINAL, INNER } where;
	unsigned int n;
};

static struct expect of_object(const struct object *o, unsigned int where,
			       unsigned int n)
{
	return (struct expect){ .seen = o->seen, .id = o->id, .in = o->in,
				.where = where, .n = n, };
}

static bool exists(enum seen seen)
{
	return seen == A_FILE || seen == A_DIR;
}

static bool vague(enum seen seen)
{
	return seen == WAY || seen == DEPENDS || seen == UNCLEAR;
}

static struct expect expected(const struct changer *c, const struct model *m,
			      unsigned int k, unsigned int visited);

static struct expect expected_at(const struct changer *c,
				 const struct model *m, struct target to,
				 unsigned int visited)
{
	unsigned int n = to.n;

	if (to.is_slot)
		return expected(c, m, n, visited);
	if (n == POINTER)
		n = m->points_to;
	return of_object(&m->object[n], OBJECT, n);
}

/* What "in" is in the directory that slot @k shows, links included. */
static struct expect expected_inner(const struct changer *c,
				    const struct model *m, unsigned int k,
				    unsigned int visited)
{
	const struct own *o = &m->own[k];
	struct expect e = { .seen = NOTHING };

	/* Below a link that leads to a directory above itself. */
	if (visited & 1u << k || (k == D && visited & 1u << IN))
		return (struct expect){ .seen = UNCLEAR };
	if (k == D) {
		e = expected(c, m, IN, 0);
		e.flags &= STALE;
	} else if (!o->linked && k == IN) {
		e.seen = UNCLEAR;
	} else if (o->linked && o->to.is_slot) {
		e = expected_inner(c, m, o->to.n, visited | 1u << k);
	} else if (o->linked) {
		struct expect d = expected_at(c, m, o->to, 0);

		e.seen = d.in ? A_DIR : NOTHING;
		e.id = d.in;
		e.where = INNER;
	}
	return e;
}

static struct expect expected(const struct changer *c, const struct model *m,
			      unsigned int k, unsigned int visited)
{
	const struct own *o = &m->own[k];
	struct expect e, d = { .seen = A_DIR };

	if (k == XI) {
		e = expected(c, m, X, 0);
		if (e.seen == A_DIR && !(e.flags & STALE))
			return expected_inner(c, m, X, 0);
		return (struct expect){
			.seen = e.flags & STALE || e.seen == DEPENDS ||
				e.seen == UNCLEAR || e.seen == WAY ? UNCLEAR :
				e.seen == LOOP ? LOOP : NOTHING, };
	}
	/* That many links can be followed, and not many more. */
	if (__builtin_popcount(visited) > 7)
		return (struct expect){ .seen = UNCLEAR };
	if (visited & 1u << k)
		return (struct expect){ .seen = LOOP };
	visited |= 1u << k;
	if (k == IN)
		d = expected(c, m, D, visited);
	if (!o->linked) {
		if (k == IN && d.seen != A_DIR)
			return (struct expect){
				.seen = d.seen == LOOP || d.seen == UNCLEAR ?
					d.seen : NOTHING,
				.flags = d.flags & STALE, };
		if (k == IN)
			return (struct expect){
				.seen = d.in ? A_DIR : NOTHING, .id = d.in,
				.flags = d.flags & STALE, .where = INNER,
				.n = d.where == OBJECT ? d.n : OBJECTS, };
		if (k >= G)
			return (struct expect){
				.seen = DEPENDS, .id = c->first + k, };
		return of_object(&m->orig[k], ORIGINAL, k);
	}
	e = expected_at(c, m, o->to, visited);
	e.flags = (e.flags & STALE) | LINKED;
	if (o->attach != BINDLINK_ATTACH_PARENT && exists(o->over) &&
	    (e.seen == A_DIR || e.seen == DEPENDS) != (o->over == A_DIR) &&
	    e.seen != NOTHING)
		e.flags |= STALE;
	/* What a link shows that leads to a way, or lies below a loop. */
	if (e.seen == WAY ||
	    (k == IN && (d.seen == LOOP || d.seen == UNCLEAR)))
		e.seen = UNCLEAR;
	/* NE5 */
	if (k == D && m->own[IN].linked) {
		if (e.seen == NOTHING || e.seen == A_FILE)
			e.seen = WAY;
		else if (e.seen == DEPENDS)
			e.seen = UNCLEAR;
	}
	return e;
}

static const char *v_of(const struct changer *c, unsigned int k)
{
	return c->s.w->slot[c->first + k].v;
}

static const char *b_of(const struct changer *c, unsigned int n)
{
	return path("%s/c%u-b%u", c->s.p->back, c->s.me, n);
}

static const char *path_of(const struct changer *c, struct target to)
{
	return to.is_slot ? v_of(c, to.n) : b_of(c, to.n);
}

static uint64_t payload(const struct expect *e)
{
	return WORD(0, e->id, e->seen, e->flags);
}

/* From now on what the two models do not agree upon is not known. */
static void begin(struct changer *c, const struct model *next)
{
	unsigned int k;

	for (k = 0; k < c->slots; k++) {
		struct slot *slot = &c->s.w->slot[c->first + k];
		struct expect e = expected(c, next, k, 0);

		if (!SAME(payload(&e), atomic_load(&slot->word)))
			atomic_fetch_or(&slot->word, BUSY);
	}
}

/* The call has returned: that is what has to be seen. */
static void commit(struct changer *c, const struct model *next)
{
	unsigned int k;

	c->m = *next;
	for (k = 0; k < c->slots; k++) {
		struct slot *slot = &c->s.w->slot[c->first + k];
		struct expect e = expected(c, next, k, 0);
		uint64_t word = atomic_load(&slot->word);

		if (!SAME(payload(&e), word))
			atomic_store(&slot->word, payload(&e) |
				     WORD(VERSION(word) + 1, 0, 0, 0));
	}
	atomic_fetch_add(&c->s.w->changes, 1);
}

static unsigned int new_id(struct changer *c)
{
	/* Small ones belong to what is there from the beginning. */
	if (++c->id > 0xffff)
		c->id = 1000;
	return c->id;
}

#define TRY(c, call) do {						\
	int __err = (call);						\
									\
	if (__err)							\
		wrong(&(c)->s, "%s: %s", #call, strerror(__err));	\
} while (0)

static void throw_away(struct changer *c, const char *file)
{
	TRY(c, ERR(rename(file, path("%s/trash/c%u-%u", c->s.p->back, c->s.me,
				     c->trash++))));
}

static void change_link(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int k, i, attach = BINDLINK_ATTACH_AUTO;
	struct model next = c->m;
	struct expect e, t, d;
	int above;
	struct target to;
	struct snap n;
	bool maybe = false;
	struct own *o;
	int err;

	/*
	 * By turns more come and more go, so that carriers come and go, too:
	 * often the first link of a place is made while the last one goes.
	 */
	i = 0;
	do
		k = rnd(&s->seed) % c->slots;
	while (!LINKABLE(k) ||
	       (c->m.own[k].linked != (s->step / 16 & 1) && i++ < 50));
	o = &next.own[k];
	/* Half of the time to, so that chains and cycles come to be. */
	to.is_slot = rnd(&s->seed) % 3 == 0;
	do
		to.n = rnd(&s->seed) % (to.is_slot ? c->slots : OBJECTS + 1);
	while (to.is_slot && !LINKABLE(to.n));
	e = expected(c, &c->m, k, 0);
	t = expected_at(c, &c->m, to, 0);
	if (o->linked && rnd(&s->seed) % 16) {
		o->linked = false;
		doing(s, "remove %s", v_of(c, k));
		begin(c, &next);
		err = drop_link(s, v_of(c, k));
		/* RM2 */
		if (k == D && c->m.own[IN].linked) {
			if (err != EBUSY)
				wrong(s, "there is a link below, but: %d %s",
				      err, link_why());
			commit(c, &c->m);
			atomic_fetch_add(&s->w->busy, 1);
			return;
		}
		if (err)
			wrong(s, "%s: %s", strerrorname_np(err), link_why());
		commit(c, &next);
		return;
	}
	if (!o->linked && rnd(&s->seed) % 16 == 0) {
		doing(s, "remove %s, which is no link", v_of(c, k));
		d = k == IN ? expected(c, &c->m, D, 0) : e;
		err = drop_link(s, v_of(c, k));
		if (err != ENOENT && (k != IN || d.seen == A_DIR))
			wrong(s, "%s: %s", strerrorname_np(err), link_why());
		return;
	}
	i = rnd(&s->seed) % 3;
	if (i == 1)
		attach = BINDLINK_ATTACH_PARENT;
	/* Only over what is there for sure, and of the same kind. */
	else if (i == 2 && k != IN && k < G && exists(e.seen) &&
		 e.seen == t.seen && !((e.flags | t.flags) & STALE))
		attach = BINDLINK_ATTACH_PATH;
	else if (i == 2 && k == G && t.seen == A_DIR && !(t.flags & STALE))
		attach = BINDLINK_ATTACH_PATH;
	doing(s, "create %s %s --attach %s", v_of(c, k), path_of(c, to),
	      attach_name[attach]);
	if (!o->linked) {
		o->linked = true;
		o->attach = attach;
		/* What is not known may have been of any kind. */
		o->over = e.seen == DEPENDS ? k == Z ? NOTHING : A_DIR :
			  e.seen;
		o->to = to;
		begin(c, &next);
	}
	d = k == IN ? expected(c, &c->m, D, 0) :
		      (struct expect){ .seen = A_DIR };
	above = k >= G ? s->w->slot[c->first + k].above : 0;
	n = snapshot(s, above);
	err = make_link(s, v_of(c, k), path_of(c, to), attach);
	/* Which reason comes first when there are two is not said. */
	maybe = k >= G || vague(t.seen) || vague(d.seen) ||
		(t.flags | d.flags) & STALE;
	if (!err) {
		if (c->m.own[k].linked)
			wrong(s, "there is a link already, but it is made");
		if (!maybe && (!exists(t.seen) || d.seen != A_DIR))
			wrong(s, "it is made, though backing is %s, parent is %s",
			      seen_name[t.seen], seen_name[d.seen]);
		commit(c, &next);
		return;
	}
	if (err == EEXIST && c->m.own[k].linked)
		return;
	/* The area is in a tree now, by another one's link. */
	if (err == EOPNOTSUPP && attach == BINDLINK_ATTACH_PATH) {
		commit(c, &c->m);
		return;
	}
	if (!((!exists(t.seen) || d.seen != A_DIR || maybe) &&
	      (err == ENOENT || err == ENOTDIR || err == ELOOP ||
	       (err == ESTALE && (t.flags | d.flags) & STALE))))
		wrong(s, "%s: %s (backing is %s)", strerrorname_np(err),
		      link_why(), seen_name[t.seen]);
	/* NE2, NE5: n is there all the time, and so is deep in some. */
	if (k >= G && exists(t.seen) && attach != BINDLINK_ATTACH_PATH &&
	    n.seen == A_DIR && (k != W || n.id < 2) && unchanged(s, above, &n))
		wrong(s, "%s: %s (its parent is there)", strerrorname_np(err),
		      link_why());
	commit(c, &c->m);
}

/* Another object in the place of one at the backing path. */
static void change_object(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int n = rnd(&s->seed) % OBJECTS;
	const char *b = b_of(c, n), *temp = path("%s/c%u-t", s->p->back, s->me);
	struct model next = c->m;
	struct object *o = &next.object[n];
	bool was_dir = o->seen == A_DIR, was = exists(o->seen);
	unsigned int in = 0;

	if (next.mounted[n])
		return;
	switch (rnd(&s->seed) % 5) {
	case 0:
		*o = (struct object){ .seen = NOTHING };
		break;
	case 1:
	case 2:
		*o = (struct object){ .seen = A_FILE, .id = new_id(c) };
		break;
	default:
		if (rnd(&s->seed) & 1)
			in = new_id(c);
		*o = (struct object){ .seen = A_DIR, .id = new_id(c),
				      .in = in, };
	}
	doing(s, "make %s %s", b, seen_name[o->seen]);
	if (o->seen == A_FILE) {
		TRY(c, write_record(temp, O_CREAT | O_EXCL, s->me, o->id));
	} else if (o->seen == A_DIR) {
		TRY(c, make_dir(temp, s->me, o->id));
		if (in)
			TRY(c, make_dir(path("%s/in", temp), s->me, in));
	}
	begin(c, &next);
	if (was && o->seen == NOTHING) {
		throw_away(c, b);
	} else if (was && (was_dir || o->seen == A_DIR)) {
		if (rnd(&s->seed) & 1) {
			TRY(c, ERR(renameat2(AT_FDCWD, temp, AT_FDCWD, b,
					     RENAME_EXCHANGE)));
			throw_away(c, temp);
		} else {
			throw_away(c, b);
			TRY(c, ERR(rename(temp, b)));
		}
	} else if (o->seen != NOTHING) {
		TRY(c, ERR(rename(temp, b)));
	}
	commit(c, &next);
}

/* D/in comes and goes in a backing directory. */
static void change_inner(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int n = rnd(&s->seed) % OBJECTS;
	const char *in = path("%s/in", b_of(c, n));
	const char *temp = path("%s/c%u-t", s->p->back, s->me);
	struct model next = c->m;
	struct object *o = &next.object[n];

	if (o->seen != A_DIR || next.mounted[n])
		return;
	doing(s, "%s %s", o->in ? "throw away" : "make", in);
	if (o->in) {
		o->in = 0;
		begin(c, &next);
		throw_away(c, in);
	} else {
		o->in = new_id(c);
		TRY(c, make_dir(temp, s->me, o->in));
		begin(c, &next);
		TRY(c, ERR(rename(temp, in)));
	}
	commit(c, &next);
}

static void change_pointer(struct changer *c)
{
	struct self *s = &c->s;
	const char *temp = path("%s/c%u-t", s->p->back, s->me);
	struct model next = c->m;

	next.points_to = rnd(&s->seed) % OBJECTS;
	doing(s, "point %s at %u", b_of(c, POINTER), next.points_to);
	TRY(c, ERR(symlink(path("c%u-b%u", s->me, next.points_to), temp)));
	begin(c, &next);
	TRY(c, ERR(rename(temp, b_of(c, POINTER))));
	commit(c, &next);
}

/* Whoever has a file open there keeps it busy, as with any mount. */
static void unmount(struct self *s, const char *at)
{
	int err, i;

	for (i = 0; i < 300; i++) {
		err = ERR(umount2(at, UMOUNT_NOFOLLOW));
		if (err == EBUSY)
			err = ERR(umount2(at, UMOUNT_NOFOLLOW | MNT_DETACH));
		if (err != EINVAL && err != ENOENT)
			break;
		/* A carrier that comes or goes takes it along meanwhile. */
		atomic_fetch_add(&s->w->again, 1);
		atomic_fetch_add(&s->proc->beats, 1);
		usleep(1000);
	}
	if (err)
		wrong(s, "umount of %s: %s", at, strerror(err));
}

static void mount_over(struct self *s, const char *at)
{
	int err, i;

	for (i = 0; i < 300; i++) {
		err = ERR(mount("tmpfs", at, "tmpfs", 0, "mode=755,size=1m"));
		if (err != EINVAL && err != ENOENT)
			break;
		atomic_fetch_add(&s->w->again, 1);
		atomic_fetch_add(&s->proc->beats, 1);
		usleep(1000);
	}
	if (err)
		wrong(s, "mount at %s: %s", at, strerror(err));
}

/* LB7: something is mounted over a backing path. */
static void change_mount(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int n = rnd(&s->seed) % OBJECTS;
	struct model next = c->m;
	struct object *o = &next.object[n];
	const char *b = b_of(c, n);

	if (next.mounted[n]) {
		doing(s, "umount %s", b);
		next.mounted[n] = false;
		*o = next.under[n];
		begin(c, &next);
		TRY(c, ERR(umount2(b, MNT_DETACH)));
	} else if (o->seen == A_DIR) {
		doing(s, "mount %s", b);
		next.mounted[n] = true;
		next.under[n] = *o;
		*o = (struct object){ .seen = A_DIR, .id = new_id(c) };
		begin(c, &next);
		TRY(c, ERR(mount("tmpfs", b, "tmpfs", 0, "mode=755,size=1m")));
		TRY(c, write_record(path("%s/who", b), O_CREAT | O_EXCL, s->me,
				    o->id));
	} else {
		return;
	}
	commit(c, &next);
}

/* Writes in place, through a link or at the backing path. */
static void change_contents(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int k = rnd(&s->seed) % c->slots, n;
	struct model next = c->m;
	struct expect e;
	struct object *o;
	const char *file;

	if (rnd(&s->seed) & 1) {
		n = rnd(&s->seed) % OBJECTS;
		e = of_object(&c->m.object[n], OBJECT, n);
		file = b_of(c, n);
	} else {
		e = expected(c, &c->m, k, 0);
		file = v_of(c, k);
	}
	if (!exists(e.seen) || e.flags & STALE ||
	    (e.where != OBJECT && e.where != ORIGINAL))
		return;
	o = e.where == OBJECT ? &next.object[e.n] : &next.orig[e.n];
	o->id = new_id(c);
	if (e.seen == A_DIR)
		file = path("%s/who", file);
	doing(s, "write to %s", file);
	begin(c, &next);
	TRY(c, write_record(file, 0, s->me, o->id));
	commit(c, &next);
}

/* WR1-WR4: what is done to the name of a link is done to its backing. */
static void change_name(struct changer *c)
{
	struct self *s = &c->s;
	bool cross = strcmp(s->p->top, s->p->back);
	unsigned int k = rnd(&s->seed) % (IN + 1), n;
	const char *temp = path("%s/t%u", c->area, s->me);
	const struct own *own = &c->m.own[k];
	struct model next = c->m;
	const char *v = v_of(c, k);
	struct object *o, old;
	struct expect e = expected(c, &c->m, k, 0);
	struct look l;

	n = own->to.n;
	if (!own->linked || own->to.is_slot || n == POINTER ||
	    c->m.mounted[n] || e.seen == UNCLEAR || e.seen == WAY ||
	    (own->attach != BINDLINK_ATTACH_PARENT && own->over != NOTHING))
		return;
	o = &next.object[n];
	old = *o;
	if (o->seen == NOTHING) {
		/* WR2 */
		*o = (struct object){ .seen = rnd(&s->seed) & 1 ?
						A_FILE : A_DIR,
				      .id = new_id(c), };
		doing(s, "make %s at %s", seen_name[o->seen], v);
		begin(c, &next);
		if (o->seen == A_DIR)
			TRY(c, make_dir(v, s->me, o->id));
		else
			TRY(c, write_record(v, O_CREAT | O_EXCL, s->me,
					    o->id));
		commit(c, &next);
		return;
	}
	switch (rnd(&s->seed) % 3) {
	case 0:
		/* WR1 */
		if (o->seen != A_FILE)
			return;
		*o = (struct object){ .seen = NOTHING };
		doing(s, "unlink %s", v);
		begin(c, &next);
		TRY(c, ERR(unlink(v)));
		commit(c, &next);
		break;
	case 1:
		/* WR3 */
		if (o->seen != A_FILE || cross || k == IN)
			return;
		o->id = new_id(c);
		doing(s, "rename over %s", v);
		TRY(c, write_record(temp, O_CREAT | O_EXCL, s->me, o->id));
		begin(c, &next);
		TRY(c, ERR(rename(temp, v)));
		commit(c, &next);
		break;
	case 2:
		if (cross || k == IN)
			return;
		doing(s, "rename %s away", v);
		/* NE7 */
		if (k == D && c->m.own[IN].linked) {
			if (!rename(v, temp) || errno != EBUSY)
				wrong(s, "there is a link below, but: %s",
				      strerror(errno));
			return;
		}
		/* WR4 */
		*o = (struct object){ .seen = NOTHING };
		begin(c, &next);
		TRY(c, ERR(rename(v, temp)));
		commit(c, &next);
		if (access(b_of(c, n), F_OK) != -1 || errno != ENOENT)
			wrong(s, "%s is still there", b_of(c, n));
		check_look(s, c->first + k, rnd(&s->seed) % WAYS);
		l = look_at(temp, 0);
		if (l.err || l.seen != old.seen || l.id != (int)old.id)
			wrong(s, "%s is %s and not %u", temp, told(&l),
			      old.id);
		doing(s, "rename %s back", v);
		*o = old;
		begin(c, &next);
		TRY(c, ERR(rename(temp, v)));
		commit(c, &next);
		break;
	}
}

/*
 * AN3: a name beside the links, changed through the area, carried or not, or
 * directly.
 */
static void change_sibling(struct changer *c)
{
	struct self *s = &c->s;
	unsigned int i = rnd(&s->seed) % 3, j = rnd(&s->seed) % 3, k = S0 + i;
	const char *top = rnd(&s->seed) & 1 ? c->area : c->raw, *one, *two;
	struct model next = c->m;
	struct object *o = &next.orig[k], *p = &next.orig[S0 + j], old;
	struct stat at_area, at_raw;
	int err;

	one = path("%s/c%u-s%u", top, s->me, i);
	two = path("%s/c%u-s%u", top, s->me, j);
	if (o->seen == NOTHING) {
		*o = (struct object){ .seen = rnd(&s->seed) & 1 ?
						A_FILE : A_DIR,
				      .id = new_id(c), };
		doing(s, "make %s", one);
		begin(c, &next);
		if (o->seen == A_DIR)
			TRY(c, make_dir(one, s->me, o->id));
		else
			TRY(c, write_record(one, O_CREAT | O_EXCL, s->me,
					    o->id));
	} else if (rnd(&s->seed) % 3 == 0) {
		doing(s, "remove %s", one);
		old = *o;
		*o = (struct object){ .seen = NOTHING };
		begin(c, &next);
		if (old.seen == A_DIR) {
			TRY(c, ERR(unlink(path("%s/who", one))));
			TRY(c, ERR(rmdir(one)));
		} else {
			TRY(c, ERR(unlink(one)));
		}
	} else {
		unsigned int flags = p->seen == NOTHING ?
					RENAME_NOREPLACE : RENAME_EXCHANGE;

		if (i == j)
			return;
		old = *o;
		*o = *p;
		*p = old;
		doing(s, "rename %s %s", one, two);
		begin(c, &next);
		for (i = 0; i < 100; i++) {
			err = ERR(renameat2(AT_FDCWD, one, AT_FDCWD, two,
					    flags));
			if (err != EXDEV)
				break;
			/* One was found below a new carrier, one was not. */
			atomic_fetch_add(&s->w->again, 1);
		}
		if (err)
			wrong(s, "%s", strerror(err));
	}
	commit(c, &next);
	if (!lstat(v_of(c, k), &at_area) &&
	    !lstat(path("%s/c%u-s%u", c->raw, s->me, k - S0), &at_raw) &&
	    (at_area.st_ino != at_raw.st_ino ||
	     at_area.st_dev != at_raw.st_dev ||
	     at_area.st_mode != at_raw.st_mode))
		wrong(s, "%s is another inode in the area", v_of(c, k));
}

/* What n was before there was a link, and what may be linked to it. */
#define TREES	4

static const char *tree_of(const struct place *p, unsigned int i)
{
	return i ? path("%s/n%u", p->back, i) :
		   path("%s/area/n", p->top);
}

/* CR8, NE4: links are nowhere on disk. */
static void check_disk(struct changer *c)
{
	struct self *s = &c->s;
	const char *file;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		file = path("%s/c%u-%s", c->raw, s->me, i ? "n" : "x");
		if (access(file, F_OK) != -1 || errno != ENOENT)
			wrong(s, "%s is there", file);
	}
	for (i = 0; i < OBJECTS; i++) {
		file = path("%s/in", b_of(c, i));
		if (!c->m.mounted[i] &&
		    !access(file, F_OK) != !!c->m.object[i].in)
			wrong(s, "%s is%s there", file,
			      c->m.object[i].in ? " not" : "");
	}
	for (i = 1; c->slots == OWN && i < TREES; i++) {
		file = path("%s/c%u-z", tree_of(s->p, i), s->me);
		if (access(file, F_OK) != -1 || errno != ENOENT)
			wrong(s, "%s is there", file);
	}
}

static void changer_step(struct changer *c)
{
	static void (*const change[])(struct changer *c) = {
		change_link, change_link, change_link, change_link,
		change_object, change_object, change_inner, change_pointer,
		change_mount, change_contents, change_contents, change_name,
		change_name, change_sibling, change_sibling,
	};
	struct self *s = &c->s;
	unsigned int i, k;

	change[rnd(&s->seed) % ARRAY_SIZE(change)](c);
	for (i = 0; i < 6; i++) {
		k = rnd(&s->seed) % c->slots;
		check_look(s, c->first + k, rnd(&s->seed) % WAYS);
	}
	if (rnd(&s->seed) % 4 == 0)
		check_listing(s, c->area);
	if (rnd(&s->seed) % 8 == 0)
		check_disk(c);
}

/* At the end: the links go in any order that RM2 allows. */
static void changer_end(struct changer *c)
{
	unsigned int k, n;

	for (n = 0; n < OWN; n++) {
		struct model next = c->m;

		k = (n + OWN - 1) % OWN;
		/* IN before D. */
		k = k == D ? IN : k == IN ? D : k;
		if (k >= c->slots || !c->m.own[k].linked)
			continue;
		next.own[k].linked = false;
		doing(&c->s, "remove %s at the end", v_of(c, k));
		begin(c, &next);
		if (drop_link(&c->s, v_of(c, k)))
			wrong(&c->s, "%s", link_why());
		commit(c, &next);
	}
	for (n = 0; n < OBJECTS; n++)
		if (c->m.mounted[n])
			TRY(c, ERR(umount2(b_of(c, n), MNT_DETACH)));
	for (k = 0; k < c->slots; k++)
		if (c->m.orig[k].seen != NOTHING || k < G)
			check_look(&c->s, c->first + k, 0);
}

static void changer_run(struct changer *c, unsigned int steps)
{
	struct self *s = &c->s;

	for (s->step = 0; s->step < steps && goes_on(s); s->step++)
		changer_step(c);
	if (!atomic_load(&s->w->failed))
		changer_end(c);
	_exit(0);
}

/* Its names and objects, before anybody looks. */
static int changer_prepare(struct changer *c, bool nested, int n)
{
	static const char *const name[OWN] = {
		"d", "f", "n", "x", "y", "d/in", "s0", "s1", "s2", "x/in", "g",
		"w", "z",
	};
	struct self *s = &c->s;
	struct weather *w = s->w;
	unsigned int k, i;
	int err = 0;

	c->area = path("%s/area", s->p->top);
	c->raw = path("%s/raw", s->p->top);
	c->first = w->slots;
	c->slots = nested ? OWN : G;
	c->id = 1000;
	w->slots += c->slots;
	for (k = 0; k < c->slots; k++) {
		struct slot *slot = &w->slot[c->first + k];

		snprintf(slot->v, sizeof(slot->v), "%s/%sc%u-%s", c->area,
			 k < G ? "" : k == W ? "n/deep/" : "n/", s->me,
			 name[k]);
		slot->who = s->me;
		slot->linkable = LINKABLE(k) || k == XI;
		slot->outside = k == IN || k >= XI;
		slot->above = n;
		slot->base = 100 * k;
		/* The last of the trees has nothing. */
		slot->shown = k == G ? 7 : k == W ? 3 : 0;
	}
	c->m.orig[D] = (struct object){ .seen = A_DIR, .id = 1 };
	c->m.orig[F] = (struct object){ .seen = A_FILE, .id = 2 };
	c->m.orig[Y] = (struct object){ .seen = A_DIR, .id = 3 };
	err = make_dir(v_of(c, D), s->me, 1) ?:
	      write_record(v_of(c, F), O_CREAT | O_EXCL, s->me, 2) ?:
	      make_dir(v_of(c, Y), s->me, 3);
	for (i = 0; !err && nested && i < TREES; i++) {
		if (c->s.w->slot[c->first + G].shown & 1u << i)
			err = make_dir(path("%s/c%u-g", tree_of(s->p, i),
					    s->me), s->me, 100 * G + i);
		if (!err && c->s.w->slot[c->first + W].shown & 1u << i)
			err = make_dir(path("%s/deep/c%u-w", tree_of(s->p, i),
					    s->me), s->me, 100 * W + i);
	}
	for (i = 0; !err && i < OBJECTS; i++) {
		c->m.object[i] = (struct object){
			.seen = i == 1 ? A_FILE : A_DIR, .id = new_id(c),
		};
		err = i == 1 ? write_record(b_of(c, i), O_CREAT | O_EXCL,
					    s->me, c->m.object[i].id) :
			       make_dir(b_of(c, i), s->me, c->m.object[i].id);
	}
	err = err ?: ERR(symlink(path("c%u-b0", s->me), b_of(c, POINTER)));
	commit(c, &c->m);
	return err;
}

/*
 * The ancestor: links n, below which the others have links, now to one
 * directory and now to another, through a link of its own, too.
 */
struct ancestor {
	struct self s;
	unsigned int n, via;	/* slots */
	bool linked, linked_via, through;
	unsigned int to;	/* path that n is linked to */
	unsigned int at[TREES];	/* which tree is at a path; 0: none */
};

static void ancestor_publish(struct ancestor *a)
{
	struct slot *n = &a->s.w->slot[a->n], *via = &a->s.w->slot[a->via];
	unsigned int at = !a->linked ? 0 : a->at[a->to];
	unsigned int flags = a->linked ? LINKED : 0;
	enum seen seen = A_DIR;

	/* NE5: it may be there nevertheless, as the way to others' links. */
	if (a->linked && (!at || (a->through && !a->linked_via)))
		seen = UNCLEAR;
	atomic_store(&n->word, WORD(VERSION(atomic_load(&n->word)) + 1,
				    seen == A_DIR ? at : 0, seen, flags));
	at = a->at[TREES - 1];
	seen = a->linked_via && at ? A_DIR : NOTHING;
	atomic_store(&via->word, WORD(VERSION(atomic_load(&via->word)) + 1,
				      seen == A_DIR ? at : 0, seen,
				      a->linked_via ? LINKED : 0));
	atomic_fetch_add(&a->s.w->changes, 1);
}

static void ancestor_busy(struct ancestor *a)
{
	atomic_fetch_or(&a->s.w->slot[a->n].word, BUSY);
	atomic_fetch_or(&a->s.w->slot[a->via].word, BUSY);
}

/* RM2: refused if and only if somebody has a link below. */
static void ancestor_remove(struct ancestor *a)
{
	struct self *s = &a->s;
	struct weather *w = s->w;
	uint64_t word[SLOTS_MAX];
	bool always = false, never = true;
	unsigned int k;
	int err;

	for (k = 0; k < w->slots; k++)
		word[k] = atomic_load(&w->slot[k].word);
	err = drop_link(s, w->slot[a->n].v);
	for (k = 0; k < w->slots; k++) {
		if (w->slot[k].above < 0 ||
		    strncmp(w->slot[k].v, w->slot[a->n].v,
			    strlen(w->slot[a->n].v)))
			continue;
		if (word[k] & BUSY || word[k] != atomic_load(&w->slot[k].word))
			never = false;
		else if (word[k] & LINKED)
			always = true;
	}
	if (always)
		never = false;
	if (err == EBUSY && never)
		wrong(s, "nobody has a link below, but: %s", link_why());
	if (!err && always)
		wrong(s, "it is removed, though there is a link below");
	if (err && err != EBUSY)
		wrong(s, "%s: %s", strerrorname_np(err), link_why());
	if (err)
		atomic_fetch_add(&w->busy, 1);
	else
		a->linked = false;
}

static void ancestor_step(struct ancestor *a)
{
	struct self *s = &a->s;
	unsigned int i, j, attach = rnd(&s->seed) % 3, was;
	const char *n = s->w->slot[a->n].v, *via = s->w->slot[a->via].v, *b;
	int err;

	switch (rnd(&s->seed) % 6) {
	case 0:
	case 1:
		if (a->linked) {
			doing(s, "remove %s", n);
			ancestor_busy(a);
			ancestor_remove(a);
			break;
		}
		a->through = a->linked_via && rnd(&s->seed) % 3 == 0;
		a->to = a->through ? TREES - 1 :
				     1 + rnd(&s->seed) % (TREES - 1);
		b = a->through ? via : tree_of(s->p, a->to);
		doing(s, "create %s %s --attach %s", n, b,
		      attach_name[attach]);
		ancestor_busy(a);
		err = make_link(s, n, b, attach);
		if (err && (err != EOPNOTSUPP ||
			    attach != BINDLINK_ATTACH_PATH))
			wrong(s, "%s: %s", strerrorname_np(err), link_why());
		a->linked = !err;
		break;
	case 2:
		/* Directly: one takes the place of the other. */
		i = 1 + rnd(&s->seed) % (TREES - 1);
		j = 1 + rnd(&s->seed) % (TREES - 1);
		if (i == j || !a->at[i] || !a->at[j])
			return;
		doing(s, "exchange %s and %s", tree_of(s->p, i),
		      tree_of(s->p, j));
		ancestor_busy(a);
		if (renameat2(AT_FDCWD, tree_of(s->p, i), AT_FDCWD,
			      tree_of(s->p, j), RENAME_EXCHANGE))
			wrong(s, "%s", strerror(errno));
		was = a->at[i];
		a->at[i] = a->at[j];
		a->at[j] = was;
		break;
	case 3:
		i = 1 + rnd(&s->seed) % (TREES - 1);
		b = path("%s/away%u", s->p->back, i);
		doing(s, "rename %s away and back", tree_of(s->p, i));
		ancestor_busy(a);
		was = a->at[i];
		if (rename(tree_of(s->p, i), b))
			wrong(s, "%s", strerror(errno));
		a->at[i] = 0;
		ancestor_publish(a);
		for (j = 0; j < 5; j++) {
			check_look(s, a->n, rnd(&s->seed) % WAYS);
			check_look(s, a->via, rnd(&s->seed) % WAYS);
		}
		ancestor_busy(a);
		if (rename(b, tree_of(s->p, i)))
			wrong(s, "%s", strerror(errno));
		a->at[i] = was;
		break;
	default:
		doing(s, "%s %s", a->linked_via ? "remove" : "create", via);
		ancestor_busy(a);
		if (a->linked_via)
			err = drop_link(s, via);
		else
			err = make_link(s, via, tree_of(s->p, TREES - 1),
					attach & BINDLINK_ATTACH_PARENT);
		if (err)
			wrong(s, "%s: %s", strerrorname_np(err), link_why());
		a->linked_via = !a->linked_via;
		break;
	}
	ancestor_publish(a);
	for (i = 0; i < 6; i++) {
		check_look(s, a->n, rnd(&s->seed) % WAYS);
		check_look(s, a->via, rnd(&s->seed) % WAYS);
		check_look(s, rnd(&s->seed) % s->w->slots,
			   rnd(&s->seed) % WAYS);
	}
}

static void ancestor_run(struct ancestor *a, unsigned int steps)
{
	struct self *s = &a->s;
	unsigned int i;
	int err;

	for (s->step = 0; s->step < steps && goes_on(s); s->step++)
		ancestor_step(a);
	/* The others may go on for a while. */
	for (i = 0; a->linked && i < (slow() ? 90000 : 20000) &&
	     !atomic_load(&s->w->failed); i++) {
		doing(s, "remove n at the end");
		ancestor_busy(a);
		ancestor_remove(a);
		ancestor_publish(a);
		usleep(1000);
	}
	if (atomic_load(&s->w->failed))
		_exit(0);
	if (a->linked)
		wrong(s, "%s", link_why());
	if (a->linked_via) {
		doing(s, "remove the way at the end");
		ancestor_busy(a);
		err = drop_link(s, s->w->slot[a->via].v);
		if (err)
			wrong(s, "%s", link_why());
		a->linked_via = false;
		ancestor_publish(a);
	}
	_exit(0);
}

static int ancestor_prepare(struct ancestor *a)
{
	struct self *s = &a->s;
	struct weather *w = s->w;
	unsigned int i;
	int err = 0;

	a->n = w->slots++;
	a->via = w->slots++;
	snprintf(w->slot[a->n].v, sizeof(w->slot[a->n].v), "%s/area/n",
		 s->p->top);
	snprintf(w->slot[a->via].v, sizeof(w->slot[a->via].v), "%s/area/way",
		 s->p->top);
	w->slot[a->n].who = s->me;
	w->slot[a->via].who = s->me;
	w->slot[a->n].above = -1;
	w->slot[a->via].above = -1;
	w->slot[a->n].linkable = true;
	w->slot[a->via].linkable = true;
	for (i = 0; !err && i < TREES; i++) {
		a->at[i] = i;
		err = make_dir(tree_of(s->p, i), s->me, i);
		/* NE5: not in all of them. */
		if (!err && i < 2)
			err = ERR(mkdir(path("%s/deep", tree_of(s->p, i)),
					0755));
	}
	ancestor_publish(a);
	return err;
}

/* Mounts beside links, below one and over one. */
enum { MA, MB, M, MS, MOUNTER_SLOTS };

struct mounter {
	struct self s;
	unsigned int first;
	unsigned int id;
	bool linked, mounted[MOUNTER_SLOTS];
	unsigned int on[MOUNTER_SLOTS];	/* id of what is mounted */
};

static const char *m_of(const struct mounter *m, unsigned int k)
{
	return m->s.w->slot[m->first + k].v;
}

static void mounter_publish(struct mounter *m)
{
	static const unsigned int id[MOUNTER_SLOTS] = { 1, 2, 3, 5 };
	unsigned int k;

	for (k = 0; k < MOUNTER_SLOTS; k++) {
		struct slot *slot = &m->s.w->slot[m->first + k];
		unsigned int version = VERSION(atomic_load(&slot->word)) + 1;
		enum seen seen = A_DIR;
		unsigned int n = id[k];

		if (k == M && m->linked)
			n = 4;
		if (m->mounted[k])
			n = m->on[k];
		else if (k == MS && !m->linked)
			seen = NOTHING;
		/* Hidden by what is mounted above it. */
		if (k == MS && m->mounted[M])
			seen = NOTHING;
		atomic_store(&slot->word, WORD(version, seen == A_DIR ? n : 0,
					       seen, m->linked && k == M ?
					       LINKED : 0));
	}
	atomic_fetch_add(&m->s.w->changes, 1);
}

static void mounter_busy(struct mounter *m, unsigned int k)
{
	atomic_fetch_or(&m->s.w->slot[m->first + k].word, BUSY);
	if (k == M)
		atomic_fetch_or(&m->s.w->slot[m->first + MS].word, BUSY);
}

static void mounter_toggle(struct mounter *m, unsigned int k)
{
	struct self *s = &m->s;
	int err;

	doing(s, "%s %s", m->mounted[k] ? "umount" : "mount", m_of(m, k));
	mounter_busy(m, k);
	if (m->mounted[k]) {
		unmount(s, m_of(m, k));
		m->mounted[k] = false;
	} else {
		if (++m->id > 0xffff)
			m->id = 1000;
		mount_over(s, m_of(m, k));
		err = write_record(path("%s/who", m_of(m, k)),
				   O_CREAT | O_EXCL, s->me, m->id);
		if (err)
			wrong(s, "what is mounted cannot be written to: %s",
			      strerror(err));
		m->mounted[k] = true;
		m->on[k] = m->id;
	}
	mounter_publish(m);
}

static void mounter_link(struct mounter *m)
{
	struct self *s = &m->s;
	unsigned int attach = rnd(&s->seed) % 3;
	int err;

	/* What is mounted over a link has to go first. */
	if (m->mounted[M])
		return;
	doing(s, "%s %s%s", m->linked ? "remove" : "create", m_of(m, M),
	      m->mounted[MS] ? ", with a mount below" : "");
	mounter_busy(m, M);
	if (m->linked)
		err = drop_link(s, m_of(m, M));
	else
		err = make_link(s, m_of(m, M), path("%s/m-b", s->p->back),
				attach);
	if (err && (err != EOPNOTSUPP || attach != BINDLINK_ATTACH_PATH))
		wrong(s, "%s: %s", strerrorname_np(err), link_why());
	if (!err)
		m->linked = !m->linked;
	/* What was mounted below a link goes with it. */
	m->mounted[MS] = false;
	mounter_publish(m);
}

static void mounter_run(struct mounter *m, unsigned int steps)
{
	struct self *s = &m->s;
	unsigned int i, k;

	for (s->step = 0; s->step < steps && goes_on(s); s->step++) {
		k = rnd(&s->seed) % 6;
		if (k >= MOUNTER_SLOTS)
			mounter_link(m);
		else if (k != MS)
			mounter_toggle(m, k);
		else if (m->linked && !m->mounted[M])
			mounter_toggle(m, MS);
		for (i = 0; i < 6; i++)
			check_look(s, m->first + rnd(&s->seed) % MOUNTER_SLOTS,
				   rnd(&s->seed) % WAYS);
	}
	if (!atomic_load(&s->w->failed)) {
		for (k = 0; k < MS; k++)
			if (m->mounted[k])
				mounter_toggle(m, k);
		if (m->mounted[MS])
			mounter_toggle(m, MS);
		if (m->linked)
			mounter_link(m);
		for (k = 0; k < MOUNTER_SLOTS; k++)
			check_look(s, m->first + k, 0);
	}
	_exit(0);
}

static int mounter_prepare(struct mounter *m)
{
	struct self *s = &m->s;
	struct weather *w = s->w;
	const char *b = path("%s/m-b", s->p->back);
	unsigned int k;

	m->first = w->slots;
	m->id = 1000;
	w->slots += MOUNTER_SLOTS;
	for (k = 0; k < MOUNTER_SLOTS; k++) {
		struct slot *slot = &w->slot[m->first + k];

		snprintf(slot->v, sizeof(slot->v), "%s/area/%s", s->p->top,
			 (const char *const []){ "mnt/a", "mnt/b", "m0",
						 "m0/sub" }[k]);
		slot->who = s->me;
		slot->above = -1;
		slot->linkable = k == M;
		slot->mounts = true;
		slot->outside = k != M;
	}
	mounter_publish(m);
	return ERR(mkdir(path("%s/area/mnt", s->p->top), 0755)) ?:
	       make_dir(m_of(m, MA), s->me, 1) ?:
	       make_dir(m_of(m, MB), s->me, 2) ?:
	       make_dir(m_of(m, M), s->me, 3) ?:
	       make_dir(b, s->me, 4) ?:
	       make_dir(path("%s/sub", b), s->me, 5);
}

/* What is told of a name has to be what is seen. */
static void check_resolve(struct self *s, unsigned int k)
{
	static struct bindlink *handle;
	const struct slot *slot = &s->w->slot[k];
	const struct bindlink_link *link;
	struct bindlink_resolution *r;
	struct snap n = snapshot(s, k);
	bool linked, told;
	int err;

	if (!handle && bindlink_open(&handle))
		wrong(s, "no handle");
	err = bindlink_resolve(handle, slot->v, &r);
	if (err) {
		/* No link covers it, and nothing is there. */
		if (!usual(-err))
			wrong(s, "%s", bindlink_message(handle));
		if (unchanged(s, k, &n) && (n.flags & LINKED || n.seen == A_DIR ||
					    n.seen == A_FILE))
			wrong(s, "there is %s, but: %s", seen_name[n.seen],
			      bindlink_message(handle));
		return;
	}
	link = bindlink_resolution_link(r);
	linked = link && !strcmp(bindlink_link_virtual(link), slot->v);
	told = bindlink_resolution_real_path(r) &&
	       !bindlink_resolution_error(r);
	if (unchanged(s, k, &n)) {
		if (linked != !!(n.flags & LINKED))
			wrong(s, "a link is%s told", linked ? "" : " not");
		if ((n.seen == A_DIR || n.seen == A_FILE) && !told &&
		    !(n.flags & STALE))
			wrong(s, "there is %s, but: %s", seen_name[n.seen],
			      strerror(-bindlink_resolution_error(r)));
		if (n.seen == LOOP &&
		    bindlink_resolution_error(r) != -ELOOP)
			wrong(s, "it is a loop, but: %s",
			      strerror(-bindlink_resolution_error(r)));
		atomic_fetch_add(&s->w->sure, 1);
	}
	bindlink_resolution_free(r);
}

/* Walkers look at all names of all others, and have a few that all share. */
static void walker_step(struct self *s)
{
	struct weather *w = s->w;
	unsigned int k = rnd(&s->seed) % w->slots, i;
	const struct slot *slot = &w->slot[k];
	const char *area = path("%s/area", s->p->top), *one, *two;
	int err = 0;

	if (s->away && slot->mounts)
		return;
	switch (rnd(&s->seed) % 9) {
	case 0:
		doing(s, "list the area");
		check_listing(s, area);
		return;
	case 1:
		/* Names that everybody makes, renames and removes. */
		one = path("%s/free/%u", area, rnd(&s->seed) % 4);
		two = path("%s/free/%u", area, rnd(&s->seed) % 4);
		i = rnd(&s->seed) % 6;
		doing(s, "%u with %s and %s", i, one, two);
		err = i == 0 ? ERR(mkdir(one, 0755)) :
		      i == 1 ? ERR(rmdir(one)) :
		      i == 2 ? ERR(unlink(one)) :
		      i == 3 ? ERR(rename(one, two)) :
		      i == 4 ? ERR(link(one, two)) :
			       err_open(one, O_RDWR | O_CREAT);
		/* When the carrier comes between the two; link to a dir. */
		if ((err == EXDEV && i >= 3) || (err == EPERM && i == 4))
			err = 0;
		break;
	case 2:
		/* In whatever directory a link leads to now. */
		if (!slot->linkable || slot->mounts)
			return;
		one = path("%s/w%u", slot->v, s->me);
		doing(s, "make and remove %s", one);
		err = err_open(one, O_RDWR | O_CREAT);
		if (!err)
			err = ERR(rename(one, path("%s-2", one)));
		if (!err)
			err = ERR(unlink(path("%s-2", one)));
		/* It is another one meanwhile; it is the way to a link. */
		if (err == EXDEV || err == EROFS || err == ESTALE)
			err = 0;
		/* What is mounted at the backing path is small. */
		if (err == ENOSPC)
			err = 0;
		break;
	case 3:
		doing(s, "list %s", slot->v);
		one = names(slot->v);
		if (*one == '!' && strcmp(one, "!ENOENT") &&
		    strcmp(one, "!ENOTDIR") && strcmp(one, "!ELOOP") &&
		    strcmp(one, "!ESTALE"))
			wrong(s, "%s", one);
		return;
	case 4:
		if (s->away || slot->mounts)
			return;
		doing(s, "resolve %s", slot->v);
		check_resolve(s, k);
		return;
	case 5:
		doing(s, "list the links");
		if (link_count(area) < 0)
			wrong(s, "the links cannot be listed");
		return;
	default:
		doing(s, "look at %s", slot->v);
		check_look(s, k, rnd(&s->seed) % WAYS);
		return;
	}
	if (!usual(err))
		wrong(s, "%s", strerror(err));
	atomic_fetch_add(&w->looks, 1);
}

static void walker_run(struct self *s)
{
	setpriority(PRIO_PROCESS, 0, 5);
	for (; !atomic_load(&s->w->failed) && !atomic_load(&s->w->over);
	     s->step++) {
		walker_step(s);
		/* The strings of place.c are for short-lived processes. */
		if (s->step % 5000 == 4999) {
			pid_t pid = fork();

			if (pid)
				_exit(reap(pid));
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			s->proc->now = getpid();
		}
	}
	_exit(0);
}

/* LT2: in a mount namespace of its own, for good or for a while. */
static void away_run(struct self *s, bool for_good)
{
	struct weather *w = s->w;
	int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	uint64_t before[SLOTS_MAX], after;
	unsigned int k, i;

	setpriority(PRIO_PROCESS, 0, 5);
	s->away = true;
	while (!atomic_load(&w->failed) && !atomic_load(&w->over)) {
		doing(s, "make a mount namespace");
		for (k = 0; k < w->slots; k++)
			before[k] = atomic_load(&w->slot[k].word);
		if (unshare(CLONE_NEWNS) ||
		    mount("none", "/", NULL, MS_REC | (rnd(&s->seed) & 1 ?
				MS_PRIVATE : MS_SLAVE), NULL))
			wrong(s, "%s", strerror(errno));
		/* What was being changed may have missed it. */
		for (k = 0; k < w->slots; k++) {
			after = atomic_load(&w->slot[k].word);
			s->missed[k] = VERSION(after);
			if (after & BUSY)
				s->missed[k]++;
			else if (after == before[k])
				s->missed[k]--;
		}
		for (i = 0; (for_good || i < 200) &&
		     !atomic_load(&w->failed) && !atomic_load(&w->over); i++) {
			walker_step(s);
			s->step++;
		}
		doing(s, "leave a mount namespace");
		if (setns(home, CLONE_NEWNS))
			wrong(s, "setns: %s", strerror(errno));
	}
	_exit(0);
}

/* What must be as it was before. */
static unsigned long mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned long n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/* Objects in use; -1 where that cannot be known. */
static long objects(const char *cache)
{
	char line[512], name[64];
	long used = -1, n;
	FILE *f;
	int fd;

	/* What only waits to be used again does not count. */
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "2", 1) < 0)
			perror("drop_caches");
		close(fd);
	}
	fd = open(path("/sys/kernel/slab/%s/shrink", cache),
		  O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			perror("shrink");
		close(fd);
	}
	f = fopen("/proc/slabinfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld", name, &n) == 2 &&
		    !strcmp(name, cache))
			used = n;
	if (f)
		fclose(f);
	return used;
}

static void show(const char *file, unsigned int most)
{
	FILE *f = fopen(file, "re");
	char line[256];

	while (f && most-- && fgets(line, sizeof(line), f))
		printf("#   %s", line);
	if (f)
		fclose(f);
}

static void sysrq(char key)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, &key, 1) != 1)
		printf("# no sysrq: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * Waits for those who have a number of steps, and for the others then.  One
 * that does nothing for a long time hangs: its stack and all others are shown,
 * and nobody waits for it any longer.
 */
static void watch(struct weather *w, unsigned int first, unsigned int last)
{
	unsigned long beats[PROCS_MAX] = { };
	uint64_t since[PROCS_MAX], limit = slow() ? 200000 : 60000;
	bool running = true;
	unsigned int i;
	int status;

	for (i = first; i < last; i++)
		since[i] = now_ms();
	while (running && !w->hangs) {
		running = false;
		for (i = first; i < last; i++) {
			struct proc *p = &w->proc[i];

			if (!p->pid)
				continue;
			if (waitpid(p->pid, &status, WNOHANG) == p->pid) {
				p->pid = 0;
				if (!status)
					continue;
				if (!atomic_exchange(&w->failed, 1))
					snprintf(w->what, sizeof(w->what),
						 "%s %u ended with %#x (%s)",
						 p->role, i, status, p->doing);
				continue;
			}
			running = true;
			if (p->beats != beats[i]) {
				beats[i] = p->beats;
				since[i] = now_ms();
			} else if (now_ms() - since[i] > limit) {
				printf("# HANG: %s %u, process %d, does nothing for %ju s: %s\n",
				       p->role, i, p->now,
				       (uintmax_t)limit / 1000, p->doing);
				for (i = 0; i < w->procs; i++) {
					if (!w->proc[i].pid)
						continue;
					printf("# %s %u: %s\n", w->proc[i].role,
					       i, w->proc[i].doing);
					show(path("/proc/%d/stack",
						  w->proc[i].now), 40);
				}
				fflush(stdout);
				sysrq('l');
				sysrq('w');
				sysrq('t');
				atomic_store(&w->failed, 1);
				snprintf(w->what, sizeof(w->what),
					 "a process hangs; see above and the kernel log");
				for (i = 0; i < w->procs; i++)
					if (w->proc[i].pid)
						kill(w->proc[i].pid, SIGKILL);
				w->hangs = true;
				return;
			}
		}
		usleep(20000);
	}
}

#define ANCESTOR	1	/* links on ancestors of others' links */
#define MOUNTER		2
#define NAMESPACES	4

#define CHANGERS	3
#define WALKERS		2

static struct self new_self(struct weather *w, const struct place *p,
			    const char *role, uint64_t seed)
{
	struct self s = {
		.w = w, .p = p, .me = w->procs, .seed = seed + w->procs,
		.proc = &w->proc[w->procs],
		.until = now_ms() + (slow() ? 30000 : 9000),
	};

	strcpy(s.proc->role, role);
	w->procs++;
	return s;
}

static bool spawn(struct self *s)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* A test that ends early leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		s->proc->now = getpid();
		return true;
	}
	s->proc->pid = pid;
	return false;
}

static void storm(struct __test_metadata *_metadata, const struct place *p,
		  unsigned int with)
{
	static const char *const cache = "bindlink_inode";
	const char *area = path("%s/area", p->top);
	const char *raw = path("%s/raw", p->top);
	const char *stays = path("%s/stays", area);
	unsigned int i, changers = with ? CHANGERS - 1 : CHANGERS, quick;
	unsigned int steps = scaled(600), at;
	struct self walker[WALKERS + 2];
	struct changer c[CHANGERS] = { };
	struct ancestor a = { };
	struct mounter m = { };
	unsigned long mounts_before;
	uint64_t seed = rnd_seed(), begun;
	long before, after;
	struct weather *w;
	char *at_area, *at_raw;
	int links;

	TH_LOG("seed %#jx, %u steps", (uintmax_t)seed, steps);
	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, w);
	links = link_count(NULL);
	before = objects(cache);
	mounts_before = mounts();
	ASSERT_EQ(0, ERR(mkdir(area, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/free", area), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/trash", p->back), 0755)));
	/* What no link shows: the area's directory itself. */
	ASSERT_EQ(0, ERR(mkdir(raw, 0755)));
	ASSERT_EQ(0, ERR(mount(area, raw, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL)));

	/*
	 * A mount or umount beside links may be lost at the moment when the
	 * tree over their parent comes or goes: see docs/design.md, Limits.
	 * So among mounts it stays.
	 */
	if (with & MOUNTER) {
		ASSERT_EQ(0, ERR(mkdir(path("%s/stays", p->back), 0755)));
		ASSERT_EQ(0, link_attach(stays, path("%s/stays", p->back),
					 BINDLINK_ATTACH_PARENT))
			TH_LOG("%s", link_why());
	}
	if (with & ANCESTOR) {
		a.s = new_self(w, p, "ancestor", seed);
		ASSERT_EQ(0, ancestor_prepare(&a));
	}
	if (with & MOUNTER) {
		m.s = new_self(w, p, "mounter", seed);
		ASSERT_EQ(0, mounter_prepare(&m));
	}
	for (i = 0; i < changers; i++) {
		c[i].s = new_self(w, p, "changer", seed);
		ASSERT_EQ(0, changer_prepare(&c[i], with & ANCESTOR,
					     with & ANCESTOR ? (int)a.n : -1));
	}
	quick = w->procs;
	for (i = 0; i < WALKERS; i++)
		walker[i] = new_self(w, p, "walker", seed);
	if (with & NAMESPACES)
		for (; i < WALKERS + 2; i++)
			walker[i] = new_self(w, p, "away", seed);

	begun = now_ms();
	for (at = 0; at < i; at++)
		if (spawn(&walker[at])) {
			if (at < WALKERS)
				walker_run(&walker[at]);
			else
				away_run(&walker[at], at == WALKERS);
		}
	for (i = 0; i < changers; i++)
		if (spawn(&c[i].s))
			changer_run(&c[i], steps);
	if (with & ANCESTOR && spawn(&a.s))
		ancestor_run(&a, steps);
	if (with & MOUNTER && spawn(&m.s))
		mounter_run(&m, steps);

	watch(w, 0, quick);
	atomic_store(&w->over, 1);
	watch(w, quick, w->procs);
	TH_LOG("%lu changes, %lu looks, %lu sure, %lu refused for a link below, %lu again, %lu lapses, in %ju ms",
	       w->changes, w->looks, w->sure, w->busy, w->again, w->lapses,
	       (uintmax_t)(now_ms() - begun));
	EXPECT_EQ(0, w->failed) {
		TH_LOG("%s", w->what);
		TH_LOG("BINDLINK_SEED=%#jx", (uintmax_t)seed);
	}
	EXPECT_LT(0, w->changes);
	EXPECT_LT(w->looks / 20, w->sure);
	if (with & MOUNTER)
		EXPECT_EQ(0, link_drop(stays))
			TH_LOG("%s", link_why());
	if (!w->failed) {
		EXPECT_EQ(links, link_count(NULL))
			TH_LOG("%s", state());
		at_area = tree(area, true);
		at_raw = tree(raw, true);
		EXPECT_STREQ(at_raw, at_area);
		free(at_area);
		free(at_raw);
		/* What the last process held may go a moment later. */
		for (i = 0; i < 250; i++) {
			after = objects(cache);
			if (after <= before &&
			    mounts() == mounts_before + 1)
				break;
			usleep(20000);
		}
		EXPECT_EQ(mounts_before + 1, mounts()) {
			TH_LOG("%s", state());
			show("/proc/self/mountinfo", 100);
		}
		EXPECT_GE(before, after);
	}
	EXPECT_EQ(0, ERR(umount2(raw, MNT_DETACH)));
}

TEST_F_TIMEOUT(nested_storm, LB6_in_one_directory, 900)
{
	storm(_metadata, &self->p, 0);
}

TEST_F_TIMEOUT(nested_storm, LB6_on_ancestors_and_descendants, 900)
{
	storm(_metadata, &self->p, ANCESTOR);
}

TEST_F_TIMEOUT(nested_storm, LB6_among_mounts, 900)
{
	storm(_metadata, &self->p, MOUNTER);
}

TEST_F_TIMEOUT(nested_storm, LB6_in_other_namespaces, 900)
{
	storm(_metadata, &self->p, NAMESPACES);
}

TEST_F_TIMEOUT(nested_storm, LB6_all_together, 900)
{
	storm(_metadata, &self->p, ANCESTOR | MOUNTER | NAMESPACES);
}

TEST_HARNESS_MAIN
