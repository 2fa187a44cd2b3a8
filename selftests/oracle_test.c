// SPDX-License-Identifier: GPL-2.0
/*
 * The same random operations on a plain directory and on a link must have the
 * same results, one by one, and leave the same trees.
 *
 * One side is a directory P.  The other is V, linked to B; or V and B in turn,
 * so that what is done through the one has to be seen through the other.
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(oracle);

#define FDS	6

/* What an operation gave, as text: empty if it may differ. */
struct result {
	long ret;
	int err;
	char more[2048];
};

enum what {
	OPEN, CLOSE, READ, WRITE, PREAD, PWRITE, SEEK, FTRUNCATE, FSTAT, FSYNC,
	FCHMOD, FALLOCATE, STAT, LSTAT, ACCESS_, TRUNCATE, MKDIR, RMDIR, UNLINK,
	RENAME, LINK, SYMLINK, READLINK, CHMOD, CHOWN, MKNOD, UTIMENS,
	SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR, READDIR, TMPFILE, MAP,
	WHATS
};

static const char *const what_name[] = {
	"open", "close", "read", "write", "pread", "pwrite", "lseek",
	"ftruncate", "fstat", "fsync", "fchmod", "fallocate", "stat", "lstat",
	"access", "truncate", "mkdir", "rmdir", "unlink", "rename", "link",
	"symlink", "readlink", "chmod", "chown", "mknod", "utimensat",
	"setxattr", "getxattr", "listxattr", "removexattr", "readdir",
	"tmpfile and linkat", "mmap",
};

struct op {
	enum what what;
	uid_t uid;
	unsigned int fd;
	int flags;
	unsigned int mode;
	unsigned int off;
	unsigned int len;
	char one[64];
	char two[64];
};

/* No "..", which a symlink to "." would lead out of the tree. */
static void random_path(char *buf, uint64_t *seed)
{
	unsigned int depth = 1 + rnd(seed) % 3, i;

	*buf = '\0';
	for (i = 0; i < depth; i++) {
		static const char *const names[] = {
			"a", "b", "c", "d", "e",
		};
		unsigned int r = rnd(seed) % 40;

		if (i)
			strcat(buf, "/");
		if (r == 0)
			strcat(buf, ".");
		else
			strcat(buf, names[r % 5]);
	}
	if (rnd(seed) % 50 == 0)
		strcat(buf, "/");
}

static void random_op(struct op *op, uint64_t *seed)
{
	static const int extra[] = {
		0, 0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC,
		O_CREAT | O_TRUNC, O_APPEND, O_CREAT | O_APPEND, O_DIRECTORY,
		O_NOFOLLOW, O_PATH, O_CREAT | O_NOFOLLOW,
	};
	static const int rename_flags[] = {
		0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE,
	};

	memset(op, 0, sizeof(*op));
	op->what = rnd(seed) % WHATS;
	/* More of what makes things than of what looks at them. */
	if (rnd(seed) % 4 == 0)
		op->what = (const enum what[]){
			OPEN, OPEN, MKDIR, WRITE, PWRITE, RENAME, LINK, SYMLINK,
		}[rnd(seed) % 8];
	op->uid = rnd(seed) % 5 ? 0 : USER;
	op->fd = rnd(seed) % FDS;
	op->mode = rnd(seed) & 07777;
	if (rnd(seed) % 2)
		op->mode = 0755;
	op->off = rnd(seed) % 20000;
	op->len = rnd(seed) % (rnd(seed) % 8 ? 300 : 9000);
	random_path(op->one, seed);
	random_path(op->two, seed);
	if (op->what == OPEN)
		op->flags = extra[rnd(seed) % ARRAY_SIZE(extra)] |
			    rnd(seed) % 3;
	else if (op->what == RENAME)
		op->flags = rename_flags[rnd(seed) %
					 ARRAY_SIZE(rename_flags)];
	else
		op->flags = rnd(seed) % 4;
}

static void say(struct result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void say(struct result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->more, sizeof(r->more), fmt, ap);
	va_end(ap);
}

static void say_stat(struct result *r, const struct stat *st)
{
	bool dir = S_ISDIR(st->st_mode);

	say(r, "mode %o %u:%u nlink %ju size %jd rdev %ju", st->st_mode,
	    st->st_uid, st->st_gid, dir ? 0 : (uintmax_t)st->st_nlink,
	    dir ? 0 : (intmax_t)st->st_size, (uintmax_t)st->st_rdev);
}

static uint32_t hash(const char *buf, long len)
{
	uint32_t h = 2166136261u;

	while (len-- > 0)
		h = (h ^ (unsigned char)*buf++) * 16777619u;
	return h;
}

static void apply(const struct op *op, const char *base, int *fds,
		  struct result *r)
{
	static char buf[32768];
	struct timespec times[2] = { { .tv_sec = op->off },
				     { .tv_sec = op->len } };
	char one[256], two[256];
	const char *attr = op->flags & 1 ? "user.o" : "trusted.o";
	int fd = fds[op->fd], new;
	struct stat st;
	unsigned int i;
	char *map;

	memset(r, 0, sizeof(*r));
	snprintf(one, sizeof(one), "%s/%s", base, op->one);
	snprintf(two, sizeof(two), "%s/%s", base, op->two);
	errno = 0;
	switch (op->what) {
	case OPEN:
		new = open(one, op->flags | O_CLOEXEC | O_NONBLOCK,
			   op->mode & 0777);
		r->ret = new < 0 ? -1 : 0;
		if (new >= 0) {
			if (fd >= 0)
				close(fd);
			fds[op->fd] = new;
		}
		break;
	case CLOSE:
		r->ret = fd >= 0 ? close(fd) : 0;
		fds[op->fd] = -1;
		break;
	case READ:
		r->ret = read(fd, buf, op->len);
		say(r, "%x", hash(buf, r->ret));
		break;
	case WRITE:
		for (i = 0; i < op->len; i++)
			buf[i] = i + op->off;
		r->ret = write(fd, buf, op->len);
		break;
	case PREAD:
		r->ret = pread(fd, buf, op->len, op->off);
		say(r, "%x", hash(buf, r->ret));
		break;
	case PWRITE:
		for (i = 0; i < op->len; i++)
			buf[i] = i ^ op->off;
		r->ret = pwrite(fd, buf, op->len, op->off);
		break;
	case SEEK:
		/* Where a directory stream is, is not said. */
		if (fd >= 0 && !fstat(fd, &st) && S_ISDIR(st.st_mode))
			break;
		errno = 0;
		r->ret = lseek(fd, op->off, op->flags % 3);
		break;
	case FTRUNCATE:
		r->ret = ftruncate(fd, op->off);
		break;
	case FSTAT:
		r->ret = fstat(fd, &st);
		if (!r->ret)
			say_stat(r, &st);
		break;
	case FSYNC:
		r->ret = op->flags & 1 ? fsync(fd) : fdatasync(fd);
		break;
	case FCHMOD:
		r->ret = fchmod(fd, op->mode);
		break;
	case FALLOCATE:
		r->ret = fallocate(fd, op->flags & 1 ?
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE :
				   0, op->off, op->len + 1);
		break;
	case STAT:
		r->ret = stat(one, &st);
		if (!r->ret)
			say_stat(r, &st);
		break;
	case LSTAT:
		r->ret = lstat(one, &st);
		if (!r->ret)
			say_stat(r, &st);
		break;
	case ACCESS_:
		r->ret = faccessat(AT_FDCWD, one, op->mode & 7, AT_EACCESS);
		break;
	case TRUNCATE:
		r->ret = truncate(one, op->off);
		break;
	case MKDIR:
		r->ret = mkdir(one, op->mode);
		break;
	case RMDIR:
		r->ret = rmdir(one);
		break;
	case UNLINK:
		r->ret = unlink(one);
		break;
	case RENAME:
		r->ret = renameat2(AT_FDCWD, one, AT_FDCWD, two, op->flags);
		break;
	case LINK:
		r->ret = linkat(AT_FDCWD, one, AT_FDCWD, two,
				op->flags & 1 ? AT_SYMLINK_FOLLOW : 0);
		break;
	case SYMLINK:
		r->ret = symlink(op->two, one);
		break;
	case READLINK:
		r->ret = readlink(one, buf, sizeof(buf));
		say(r, "%.*s", r->ret > 0 ? (int)r->ret : 0, buf);
		break;
	case CHMOD:
		r->ret = chmod(one, op->mode);
		break;
	case CHOWN:
		r->ret = fchownat(AT_FDCWD, one, op->flags & 1 ? USER : 0,
				  op->flags & 2 ? USER : 0,
				  op->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0);
		break;
	case MKNOD:
		r->ret = mknod(one, (op->flags & 1 ? S_IFIFO : op->flags & 2 ?
				     S_IFCHR : S_IFREG) | (op->mode & 0777),
			       makedev(1, 3));
		break;
	case UTIMENS:
		r->ret = utimensat(AT_FDCWD, one, times,
				   op->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0);
		break;
	case SETXATTR:
		r->ret = setxattr(one, attr, op->two, strlen(op->two),
				  op->flags & 2 ? XATTR_CREATE : 0);
		break;
	case GETXATTR:
		r->ret = getxattr(one, attr, buf, sizeof(buf));
		say(r, "%.*s", r->ret > 0 ? (int)r->ret : 0, buf);
		break;
	case LISTXATTR:
		r->ret = listxattr(one, buf, sizeof(buf));
		break;
	case REMOVEXATTR:
		r->ret = removexattr(one, attr);
		break;
	case READDIR:
		say(r, "%s", names(one));
		break;
	case TMPFILE:
		new = open(one, O_TMPFILE | O_RDWR | O_CLOEXEC, op->mode & 0777);
		r->ret = new < 0 ? -1 : 0;
		if (new < 0)
			break;
		snprintf(one, sizeof(one), "/proc/self/fd/%d", new);
		if (write(new, op->two, strlen(op->two)) < 0)
			r->ret = -2;
		else
			r->ret = linkat(AT_FDCWD, one, AT_FDCWD, two,
					AT_SYMLINK_FOLLOW);
		i = errno;
		close(new);
		errno = i;
		break;
	case MAP:
		if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
		    !st.st_size)
			break;
		map = mmap(NULL, st.st_size, PROT_READ |
			   (op->flags & 1 ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
		r->ret = map == MAP_FAILED ? -1 : 0;
		if (r->ret)
			break;
		say(r, "%x", hash(map, st.st_size));
		if (op->flags & 1)
			map[op->off % st.st_size] ^= 0x55;
		munmap(map, st.st_size);
		errno = 0;
		break;
	case WHATS:
		break;
	}
	r->err = r->ret < 0 ? errno : 0;
}

static void become(uid_t uid)
{
	if (setegid(uid) || seteuid(uid))
		abort();
}

static void run_both(struct __test_metadata *_metadata,
		     const struct place *p, bool in_turn, unsigned int steps)
{
	const char *plain = path("%s/plain", p->back);
	uint64_t seed = rnd_seed();
	int fds[2][FDS];
	unsigned int i, j, works = 0;
	char *tb, *tp, *tv;

	signal(SIGPIPE, SIG_IGN);
	TH_LOG("seed %#jx, %u steps", (uintmax_t)seed, steps);
	ASSERT_EQ(0, ERR(mkdir(plain, 0777)));
	ASSERT_EQ(0, ERR(chmod(plain, 0777)));
	ASSERT_EQ(0, ERR(chmod(p->b, 0777)));
	memset(fds, -1, sizeof(fds));
	for (i = 0; i < steps; i++) {
		struct result one, two;
		const char *side = p->v;
		struct op op;

		random_op(&op, &seed);
		if (in_turn && rnd(&seed) & 1)
			side = p->b;
		if (op.uid)
			become(op.uid);
		apply(&op, plain, fds[0], &one);
		apply(&op, side, fds[1], &two);
		if (op.uid) {
			if (seteuid(0) || setegid(0))
				abort();
		}
		works += one.ret >= 0;
		if (one.ret != two.ret || one.err != two.err ||
		    strcmp(one.more, two.more)) {
			EXPECT_TRUE(false)
				TH_LOG("step %u: %s(%s, %s) flags %#o mode %o off %u len %u fd %u uid %u: plain %ld %s '%s', %s %ld %s '%s'",
				       i, what_name[op.what], op.one, op.two,
				       op.flags, op.mode, op.off, op.len, op.fd,
				       op.uid, one.ret, strerror(one.err),
				       one.more, side == p->v ? "V" : "B",
				       two.ret, strerror(two.err), two.more);
			break;
		}
		/* And all of it, at times. */
		if (i % 64 && i + 1 < steps)
			continue;
		tb = tree(p->b, true);
		tv = tree(p->v, true);
		EXPECT_STREQ(tb, tv)
			TH_LOG("step %u", i);
		free(tb);
		free(tv);
		tp = tree(plain, false);
		tv = tree(p->v, false);
		EXPECT_STREQ(tp, tv)
			TH_LOG("step %u", i);
		free(tp);
		free(tv);
		if (_metadata->exit_code)
			break;
	}
	/* Else it would have tested nothing. */
	EXPECT_LT(steps / 10, works);
	for (i = 0; i < 2; i++)
		for (j = 0; j < FDS; j++)
			if (fds[i][j] >= 0)
				close(fds[i][j]);
}

TEST_F_TIMEOUT(oracle, TR2_through_the_link, 900)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	run_both(_metadata, p, false, scaled(6000));
}

TEST_F_TIMEOUT(oracle, LB4_through_the_link_and_at_backing_in_turn, 900)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	run_both(_metadata, p, true, scaled(6000));
}

TEST_HARNESS_MAIN
