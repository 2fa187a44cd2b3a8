// SPDX-License-Identifier: GPL-2.0
/*
 * Reading, writing and mapping through a link, alone and together with others
 * who do the same at B.
 */
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(io);

/* A file in a linked directory, open through V and at B. */
#define BOTH(flags)							\
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);	\
	int fv, fb;							\
									\
	DIR_LINK(p);							\
	ASSERT_EQ(0, put(bf, "0123456789"));				\
	fv = open(vf, O_RDWR | (flags));				\
	ASSERT_LE(0, fv);						\
	fb = open(bf, O_RDWR);						\
	ASSERT_LE(0, fb)

static void pattern(char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (i * 7 + i / 251 + seed) & 0xff;
}

static bool is_pattern(const char *buf, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != (char)((i * 7 + i / 251 + seed) & 0xff))
			return false;
	return true;
}

TEST_F(io, TR2_read_and_write)
{
	struct place *p = &self->p;
	char buf[32] = "";
	struct iovec iov[2] = {
		{ .iov_base = buf, .iov_len = 3, },
		{ .iov_base = buf + 8, .iov_len = 4, },
	};
	BOTH(0);

	EXPECT_EQ(4, read(fv, buf, 4));
	EXPECT_STREQ("0123", buf);
	EXPECT_EQ(4, lseek(fv, 0, SEEK_CUR));
	EXPECT_EQ(0, lseek(fb, 0, SEEK_CUR));
	EXPECT_EQ(2, write(fv, "AB", 2));
	EXPECT_STREQ("0123AB6789", get(bf));
	EXPECT_EQ(2, pwrite(fb, "cd", 2, 8));
	EXPECT_STREQ("0123AB67cd", get(vf));
	EXPECT_EQ(6, lseek(fv, 0, SEEK_CUR));
	EXPECT_EQ(7, preadv(fv, iov, 2, 1));
	EXPECT_EQ(0, memcmp(buf, "123", 3));
	EXPECT_EQ(0, memcmp(buf + 8, "AB67", 4));
	EXPECT_EQ(7, pwritev(fv, iov, 2, 10));
	EXPECT_STREQ("0123AB67cd123AB67", get(bf));
	EXPECT_EQ(17, lseek(fv, 0, SEEK_END));
	EXPECT_EQ(0, read(fv, buf, 1));
	EXPECT_EQ(EINVAL, ERR(lseek(fv, -1, SEEK_SET)));
	/* Beyond the end. */
	EXPECT_EQ(1, pwrite(fv, "z", 1, 100000));
	EXPECT_EQ(100001, lseek(fb, 0, SEEK_END));
	EXPECT_EQ(1, pread(fb, buf, 1, 50000));
	EXPECT_EQ(0, buf[0]);
	ASSERT_EQ(0, lseek(fv, 0, SEEK_SET));
	EXPECT_EQ(EFAULT, ERR(syscall(SYS_read, fv, 1, 1)));
	EXPECT_EQ(EFAULT, ERR(syscall(SYS_write, fv, 1, 1)));
	close(fv);
	fv = open(vf, O_RDONLY);
	EXPECT_EQ(EBADF, ERR(write(fv, "x", 1)));
	EXPECT_EQ(EINVAL, ERR(ftruncate(fv, 0)));
	close(fv);
	fv = open(vf, O_WRONLY);
	EXPECT_EQ(EBADF, ERR(read(fv, buf, 1)));
	close(fv);
	close(fb);
}

/* Much of it, in odd pieces, from one side to the other. */
TEST_F(io, TR2_large_and_odd)
{
	struct place *p = &self->p;
	const size_t size = scaled(64) * 65536 + 12345;
	char *data = malloc(size), *back = malloc(size);
	uint64_t seed = rnd_seed();
	size_t at;
	BOTH(0);

	TH_LOG("seed %#jx", (uintmax_t)seed);
	pattern(data, size, 1);
	for (at = 0; at < size;) {
		size_t len = 1 + rnd(&seed) % 70000;

		if (len > size - at)
			len = size - at;
		ASSERT_EQ((ssize_t)len,
			  pwrite(rnd(&seed) & 1 ? fv : fb, data + at, len, at));
		at += len;
	}
	for (at = 0; at < size;) {
		size_t len = 1 + rnd(&seed) % 70000;

		if (len > size - at)
			len = size - at;
		ASSERT_EQ((ssize_t)len,
			  pread(rnd(&seed) & 1 ? fv : fb, back + at, len, at));
		at += len;
	}
	EXPECT_EQ(0, memcmp(data, back, size));
	EXPECT_EQ(0, ERR(fsync(fv)));
	EXPECT_EQ(0, run("cmp", vf, bf, NULL));
	close(fv);
	close(fb);
	free(data);
	free(back);
}

TEST_F(io, TR2_append)
{
	struct place *p = &self->p;
	char buf[8];
	int other;
	BOTH(O_APPEND);

	EXPECT_EQ(1, write(fv, "a", 1));
	EXPECT_STREQ("0123456789a", get(bf));
	EXPECT_EQ(11, lseek(fv, 0, SEEK_CUR));
	other = open(bf, O_WRONLY | O_APPEND);
	ASSERT_LE(0, other);
	EXPECT_EQ(1, write(other, "b", 1));
	EXPECT_EQ(1, write(fv, "c", 1));
	EXPECT_EQ(1, write(other, "d", 1));
	EXPECT_EQ(1, pwrite(fv, "e", 1, 0));	/* goes to the end too */
	EXPECT_STREQ("0123456789abcde", get(vf));
	EXPECT_STREQ("0123456789abcde", get(bf));
	EXPECT_EQ(0, ERR(ftruncate(fb, 2)));
	EXPECT_EQ(1, write(fv, "f", 1));
	EXPECT_STREQ("01f", get(bf));
	EXPECT_EQ(0, lseek(fv, 0, SEEK_SET));
	EXPECT_EQ(3, read(fv, buf, sizeof(buf)));
	close(other);
	close(fv);
	close(fb);
}

/* One write that does not go to the end, unless the file insists on that. */
TEST_F(io, TR2_append_but_for_one_write)
{
	struct place *p = &self->p;
	struct iovec iov = { .iov_base = "X", .iov_len = 1 };
	int flags = 0, append;
	BOTH(O_APPEND);

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND	0x20
#endif
	EXPECT_EQ(1, pwritev2(fv, &iov, 1, 2, RWF_NOAPPEND));
	EXPECT_STREQ("01X3456789", get(bf));
	EXPECT_EQ(1, pwritev2(fv, &iov, 1, 2, 0));
	EXPECT_STREQ("01X3456789X", get(bf));
	ASSERT_EQ(0, ERR(ioctl(fb, FS_IOC_GETFLAGS, &flags)));
	append = flags | FS_APPEND_FL;
	ASSERT_EQ(0, ERR(ioctl(fb, FS_IOC_SETFLAGS, &append)));
	EXPECT_EQ(EPERM, ERR(pwritev2(fv, &iov, 1, 2, RWF_NOAPPEND)));
	EXPECT_EQ(1, pwritev2(fv, &iov, 1, 2, 0));
	EXPECT_STREQ("01X3456789XX", get(bf));
	ASSERT_EQ(0, ERR(ioctl(fb, FS_IOC_SETFLAGS, &flags)));
	close(fv);
	close(fb);
}

/* Flags that are changed after opening are flags all the same. */
TEST_F(io, TR2_flags_changed_later)
{
	struct place *p = &self->p;
	BOTH(0);

	EXPECT_EQ(0, ERR(fcntl(fv, F_SETFL, O_APPEND)));
	EXPECT_EQ(O_APPEND | O_RDWR, fcntl(fv, F_GETFL) & (O_APPEND | O_ACCMODE));
	EXPECT_EQ(1, write(fv, "a", 1));
	EXPECT_STREQ("0123456789a", get(bf));
	EXPECT_EQ(0, ERR(fcntl(fv, F_SETFL, 0)));
	EXPECT_EQ(1, pwrite(fv, "b", 1, 0));
	EXPECT_STREQ("b123456789a", get(bf));
	EXPECT_EQ(ERR(fcntl(fb, F_SETFL, O_DIRECT)),
		  ERR(fcntl(fv, F_SETFL, O_DIRECT)));
	EXPECT_EQ(fcntl(fb, F_GETFL) & ~O_APPEND,
		  fcntl(fv, F_GETFL) & ~O_APPEND);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_truncate)
{
	struct place *p = &self->p;
	struct stat st;
	BOTH(0);

	EXPECT_EQ(0, ERR(truncate(vf, 3)));
	EXPECT_STREQ("012", get(bf));
	EXPECT_EQ(0, ERR(fstat(fv, &st)));
	EXPECT_EQ(3, st.st_size);
	EXPECT_EQ(0, ERR(ftruncate(fv, 5000)));
	EXPECT_EQ(0, ERR(fstat(fb, &st)));
	EXPECT_EQ(5000, st.st_size);
	EXPECT_EQ(0, ERR(ftruncate(fb, 1)));
	EXPECT_EQ(0, ERR(fstat(fv, &st)));
	EXPECT_EQ(1, st.st_size);
	EXPECT_EQ(1, lseek(fv, 0, SEEK_END));
	EXPECT_STREQ("0", get(vf));
	EXPECT_EQ(0, err_open(vf, O_WRONLY | O_TRUNC));
	EXPECT_STREQ("", get(bf));
	EXPECT_EQ(EINVAL, ERR(ftruncate(fv, -1)));
	EXPECT_EQ(EISDIR, ERR(truncate(p->v, 0)));
	close(fv);
	close(fb);
}

TEST_F(io, TR2_mapped_shared)
{
	struct place *p = &self->p;
	char *mv, *mb, buf[16];
	BOTH(0);

	ASSERT_EQ(0, ERR(ftruncate(fb, 3 * 4096)));
	mv = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fv, 0);
	ASSERT_NE(MAP_FAILED, mv);
	mb = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fb, 0);
	ASSERT_NE(MAP_FAILED, mb);
	EXPECT_EQ(0, memcmp(mv, "0123456789", 10));
	mv[0] = 'v';
	EXPECT_EQ('v', mb[0]);
	mb[1] = 'b';
	EXPECT_EQ('b', mv[1]);
	EXPECT_EQ(4, pread(fv, buf, 4, 0));
	EXPECT_EQ(0, memcmp(buf, "vb23", 4));
	EXPECT_EQ(4, pread(fb, buf, 4, 0));
	EXPECT_EQ(0, memcmp(buf, "vb23", 4));
	EXPECT_EQ(1, pwrite(fv, "w", 1, 2));
	EXPECT_EQ(1, pwrite(fb, "x", 1, 3));
	EXPECT_EQ(0, memcmp(mv, "vbwx", 4));
	EXPECT_EQ(0, memcmp(mb, "vbwx", 4));
	mv[2 * 4096] = 'e';
	EXPECT_EQ(0, ERR(msync(mv, 3 * 4096, MS_SYNC)));
	EXPECT_EQ(1, pread(fb, buf, 1, 2 * 4096));
	EXPECT_EQ('e', buf[0]);
	/* What is mapped needs no open file. */
	close(fv);
	close(fb);
	mv[5] = 'm';
	EXPECT_EQ('m', mb[5]);
	EXPECT_EQ(0, memcmp(get(bf), "vbwx4m6789", 10));
	munmap(mv, 3 * 4096);
	munmap(mb, 3 * 4096);
	EXPECT_EQ(0, memcmp(get(vf), "vbwx4m6789", 10));
}

TEST_F(io, TR2_mapped_private)
{
	struct place *p = &self->p;
	char *m, *r;
	BOTH(0);

	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fv, 0);
	ASSERT_NE(MAP_FAILED, m);
	m[0] = 'p';
	EXPECT_STREQ("0123456789", get(bf));
	munmap(m, 4096);
	close(fv);
	fv = open(vf, O_RDONLY);
	ASSERT_LE(0, fv);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fv, 0));
	EXPECT_EQ(EACCES, errno);
	r = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fv, 0);
	ASSERT_NE(MAP_FAILED, r);
	EXPECT_EQ(1, pwrite(fb, "Q", 1, 0));
	EXPECT_EQ('Q', r[0]);
	EXPECT_EQ(EACCES, ERR(mprotect(r, 4096, PROT_READ | PROT_WRITE)));
	munmap(r, 4096);
	close(fv);
	close(fb);
}

static sigjmp_buf on_bus;

static void bus(int sig)
{
	(void)sig;
	siglongjmp(on_bus, 1);
}

TEST_F(io, TR2_mapped_and_cut_off_at_backing)
{
	struct place *p = &self->p;
	volatile char *m;
	volatile int faults = 0;
	BOTH(0);

	signal(SIGBUS, bus);
	ASSERT_EQ(0, ERR(ftruncate(fb, 8192)));
	m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fv, 0);
	ASSERT_NE(MAP_FAILED, m);
	m[4096] = 'x';
	ASSERT_EQ(0, ERR(ftruncate(fb, 10)));
	if (!sigsetjmp(on_bus, 1))
		m[4096] = 'y';
	else
		faults++;
	EXPECT_EQ(1, faults);
	EXPECT_EQ('0', m[0]);
	ASSERT_EQ(0, ERR(ftruncate(fb, 8192)));
	EXPECT_EQ(0, m[4096]);
	munmap((void *)m, 8192);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_mapped_executable)
{
	struct place *p = &self->p;
	void *m;
	BOTH(0);

#ifdef __x86_64__
	/* mov $42, %eax; ret */
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int (*answer)(void);

	EXPECT_EQ((ssize_t)sizeof(code), pwrite(fb, code, sizeof(code), 0));
#endif
	m = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fv, 0);
	ASSERT_NE(MAP_FAILED, m);
#ifdef __x86_64__
	answer = (int (*)(void))m;
	EXPECT_EQ(42, answer());
#endif
	munmap(m, 4096);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_direct)
{
	struct place *p = &self->p;
	const size_t size = 65536;
	char *buf, *back;
	int dv, db;
	BOTH(0);

	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, size));
	ASSERT_EQ(0, posix_memalign((void **)&back, 4096, size));
	dv = open(vf, O_RDWR | O_DIRECT);
	db = open(bf, O_RDWR | O_DIRECT);
	EXPECT_EQ(db < 0, dv < 0);
	if (db < 0)
		SKIP(return, "no O_DIRECT on that filesystem");
	pattern(buf, size, 3);
	EXPECT_EQ((ssize_t)size, pwrite(dv, buf, size, 0));
	EXPECT_EQ((ssize_t)size, pread(fb, back, size, 0));
	EXPECT_TRUE(is_pattern(back, size, 3));
	pattern(buf, size, 4);
	EXPECT_EQ((ssize_t)size, pwrite(fb, buf, size, 0));
	EXPECT_EQ((ssize_t)size, pread(dv, back, size, 0));
	EXPECT_TRUE(is_pattern(back, size, 4));
	pattern(buf, 4096, 5);
	EXPECT_EQ(4096, pwrite(db, buf, 4096, 8192));
	EXPECT_EQ(4096, pread(fv, back, 4096, 8192));
	EXPECT_TRUE(is_pattern(back, 4096, 5));
	/* Badly aligned: whatever B says. */
	EXPECT_EQ(ERR(pread(db, back + 1, 511, 1)),
		  ERR(pread(dv, back + 1, 511, 1)));
	close(dv);
	close(db);
	close(fv);
	close(fb);
	free(buf);
	free(back);
}

TEST_F(io, TR2_sendfile_and_splice)
{
	struct place *p = &self->p;
	char buf[32] = "";
	int pipes[2], out;
	loff_t off;
	off_t at = 2;
	BOTH(0);

	out = open(path("%s/out", p->v), O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, out);
	EXPECT_EQ(5, sendfile(out, fv, &at, 5));
	EXPECT_EQ(7, at);
	EXPECT_STREQ("23456", get(path("%s/out", p->b)));
	ASSERT_EQ(0, ERR(pipe(pipes)));
	off = 1;
	EXPECT_EQ(4, splice(fv, &off, pipes[1], NULL, 4, 0));
	EXPECT_EQ(5, off);
	EXPECT_EQ(4, read(pipes[0], buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "1234", 4));
	EXPECT_EQ(3, write(pipes[1], "XYZ", 3));
	off = 8;
	EXPECT_EQ(3, splice(pipes[0], NULL, fv, &off, 3, 0));
	EXPECT_STREQ("01234567XYZ", get(bf));
	/* At the file's own position. */
	EXPECT_EQ(2, splice(fv, NULL, pipes[1], NULL, 2, 0));
	EXPECT_EQ(2, lseek(fv, 0, SEEK_CUR));
	EXPECT_EQ(2, splice(pipes[0], NULL, out, NULL, 2, 0));
	EXPECT_STREQ("2345601", get(path("%s/out", p->b)));
	/* And from B to V, and V to B. */
	at = 8;
	EXPECT_EQ(3, sendfile(fv, fb, &at, 3));
	EXPECT_STREQ("01XYZ567XYZ", get(vf));
	at = 5;
	EXPECT_EQ(3, sendfile(fb, fv, &at, 3));
	EXPECT_STREQ("567YZ567XYZ", get(bf));
	close(out);
	close(pipes[0]);
	close(pipes[1]);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_copy_file_range)
{
	struct place *p = &self->p;
	loff_t from = 2, to = 4;
	ssize_t n;
	int ov, ob;
	BOTH(0);

	ov = open(path("%s/o", p->v), O_RDWR | O_CREAT, 0644);
	ob = open(path("%s/o", p->b), O_RDWR);
	ASSERT_LE(0, ov);
	ASSERT_LE(0, ob);
	EXPECT_EQ(5, copy_file_range(fv, &from, ov, &to, 5, 0));
	EXPECT_EQ(7, from);
	EXPECT_EQ(9, to);
	EXPECT_EQ(0, ERR(ftruncate(ov, 0)));
	EXPECT_EQ(10, copy_file_range(fv, NULL, ov, NULL, 100, 0));
	EXPECT_EQ(10, lseek(fv, 0, SEEK_CUR));
	EXPECT_STREQ("0123456789", get(path("%s/o", p->b)));
	/* Within one file, and not onto itself. */
	from = 0;
	to = 20;
	EXPECT_EQ(5, copy_file_range(fv, &from, fv, &to, 5, 0));
	from = 0;
	to = 2;
	EXPECT_EQ(EINVAL, ERR(copy_file_range(fv, &from, fv, &to, 5, 0)));
	/*
	 * From V to B is between two filesystem types, which the VFS may
	 * refuse, and then cp copies.
	 */
	from = 0;
	to = 0;
	n = copy_file_range(fv, &from, ob, &to, 3, 0);
	EXPECT_TRUE(n == 3 || (n < 0 && errno == EXDEV));
	EXPECT_EQ(0, run("cp", vf, path("%s/copy", p->b), NULL));
	EXPECT_EQ(0, run("cmp", vf, path("%s/copy", p->v), NULL));
	EXPECT_EQ(0, run("cp", bf, path("%s/copy2", p->v), NULL));
	EXPECT_EQ(0, run("cmp", vf, path("%s/copy2", p->b), NULL));
	close(ov);
	close(ob);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_reflink)
{
	struct place *p = &self->p;
	struct file_dedupe_range *same;
	int ov, ob, ev, eb;
	BOTH(0);

	ASSERT_EQ(0, ERR(ftruncate(fb, 65536)));
	ASSERT_EQ(4, pwrite(fb, "data", 4, 60000));
	ov = open(path("%s/ov", p->v), O_RDWR | O_CREAT, 0644);
	ob = open(path("%s/ob", p->b), O_RDWR | O_CREAT, 0644);
	eb = ERR(ioctl(ob, FICLONE, fb));
	ev = ERR(ioctl(ov, FICLONE, fv));
	EXPECT_EQ(eb, ev);
	if (!ev) {
		EXPECT_EQ(0, run("cmp", vf, path("%s/ov", p->b), NULL));
		/* A clone is its own file. */
		EXPECT_EQ(4, pwrite(ov, "DATA", 4, 60000));
		EXPECT_EQ(0, memcmp(get(bf) + 0, "0123456789", 10));
		EXPECT_EQ(1, run("cmp", vf, path("%s/ov", p->b), NULL));
		EXPECT_EQ(4, pwrite(ov, "data", 4, 60000));
	} else {
		EXPECT_EQ(0, run("cp", vf, path("%s/ov", p->v), NULL));
		EXPECT_EQ(0, run("cp", bf, path("%s/ob", p->b), NULL));
	}
	same = calloc(1, sizeof(*same) + sizeof(same->info[0]));
	same->src_length = 4096;
	same->dest_count = 1;
	same->info[0].dest_fd = ob;
	eb = ERR(ioctl(fb, FIDEDUPERANGE, same)) ?: -same->info[0].status;
	same->info[0].dest_fd = ov;
	same->info[0].status = 0;
	ev = ERR(ioctl(fv, FIDEDUPERANGE, same)) ?: -same->info[0].status;
	/* Which errno an unable filesystem gives depends on the way there. */
	EXPECT_EQ(!eb, !ev)
		TH_LOG("at B %s, through V %s", strerror(eb), strerror(ev));
	free(same);
	close(ov);
	close(ob);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_fallocate)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_PUNCH_HOLE, 0x80,
	};
	struct place *p = &self->p;
	char *data = malloc(65536);
	unsigned int i;
	int twin;
	BOTH(0);

	pattern(data, 65536, 9);
	twin = open(path("%s/twin", p->b), O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, twin);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, ERR(ftruncate(fb, 0)));
		ASSERT_EQ(0, ERR(ftruncate(twin, 0)));
		ASSERT_EQ(65536, pwrite(fb, data, 65536, 0));
		ASSERT_EQ(65536, pwrite(twin, data, 65536, 0));
		EXPECT_EQ(ERR(fallocate(twin, modes[i], 8192, 16384)),
			  ERR(fallocate(fv, modes[i], 8192, 16384)))
			TH_LOG("mode %#x", modes[i]);
		EXPECT_EQ(0, run("cmp", bf, path("%s/twin", p->b), NULL))
			TH_LOG("mode %#x", modes[i]);
		EXPECT_EQ(ERR(fallocate(twin, modes[i], 65536, 8192)),
			  ERR(fallocate(fv, modes[i], 65536, 8192)))
			TH_LOG("mode %#x at the end", modes[i]);
		EXPECT_EQ(lseek(twin, 0, SEEK_END), lseek(fv, 0, SEEK_END));
		EXPECT_STREQ(facts(bf), facts(vf));
	}
	close(twin);
	close(fv);
	close(fb);
	free(data);
}

TEST_F(io, TR2_holes)
{
	struct place *p = &self->p;
	off_t at;
	BOTH(0);

	ASSERT_EQ(0, ERR(ftruncate(fb, 0)));
	ASSERT_EQ(1, pwrite(fb, "a", 1, 1 << 20));
	ASSERT_EQ(1, pwrite(fv, "b", 1, 3 << 20));
	ASSERT_EQ(0, ERR(ftruncate(fv, 4 << 20)));
	for (at = 0; at <= 4 << 20; at += 1 << 19) {
		EXPECT_EQ(lseek(fb, at, SEEK_DATA), lseek(fv, at, SEEK_DATA))
			TH_LOG("data from %jd", (intmax_t)at);
		EXPECT_EQ(lseek(fb, at, SEEK_HOLE), lseek(fv, at, SEEK_HOLE))
			TH_LOG("hole from %jd", (intmax_t)at);
	}
	EXPECT_EQ(ENXIO, ERR(lseek(fv, 5 << 20, SEEK_DATA)));
	EXPECT_EQ(1 << 20, lseek(fv, 0, SEEK_DATA));
	EXPECT_EQ(1 << 20, lseek(fv, 0, SEEK_CUR));
	close(fv);
	close(fb);
}

TEST_F(io, TR2_fiemap)
{
	struct place *p = &self->p;
	struct fiemap_extent ext[8];
	struct {
		struct fiemap map;
		struct fiemap_extent ext[8];
	} mv = { }, mb = { };
	BOTH(0);

	ASSERT_EQ(1, pwrite(fb, "a", 1, 1 << 20));
	ASSERT_EQ(0, ERR(fsync(fb)));
	memset(ext, 0, sizeof(ext));
	mb.map.fm_length = mv.map.fm_length = FIEMAP_MAX_OFFSET;
	mb.map.fm_extent_count = mv.map.fm_extent_count = 8;
	EXPECT_EQ(ERR(ioctl(fb, FS_IOC_FIEMAP, &mb)),
		  ERR(ioctl(fv, FS_IOC_FIEMAP, &mv)));
	EXPECT_EQ(0, memcmp(&mb, &mv, sizeof(mb)));
	close(fv);
	close(fb);
}

TEST_F(io, TR2_sync)
{
	struct place *p = &self->p;
	int fd;
	BOTH(O_SYNC);

	EXPECT_EQ(1, write(fv, "s", 1));
	EXPECT_EQ(0, ERR(fsync(fv)));
	EXPECT_EQ(0, ERR(fdatasync(fv)));
	EXPECT_EQ(0, ERR(syncfs(fv)));
	EXPECT_EQ(0, ERR(sync_file_range(fv, 0, 10,
					 SYNC_FILE_RANGE_WRITE |
					 SYNC_FILE_RANGE_WAIT_AFTER)));
	fd = open(p->v, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ERR(fsync(fd)));
	close(fd);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_advice)
{
	struct place *p = &self->p;
	BOTH(0);

	EXPECT_EQ(ERR(readahead(fb, 0, 4096)), ERR(readahead(fv, 0, 4096)));
	EXPECT_EQ(0, posix_fadvise(fv, 0, 0, POSIX_FADV_WILLNEED));
	EXPECT_EQ(0, posix_fadvise(fv, 0, 0, POSIX_FADV_SEQUENTIAL));
	EXPECT_EQ(0, posix_fadvise(fv, 0, 0, POSIX_FADV_RANDOM));
	EXPECT_EQ(0, posix_fadvise(fv, 0, 0, POSIX_FADV_DONTNEED));
	EXPECT_EQ(0, memcmp(get(vf), "0123456789", 10));
	close(fv);
	close(fb);
}

TEST_F(io, TR2_read_and_write_with_flags)
{
	struct place *p = &self->p;
	char c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1, };
	struct iovec out = { .iov_base = "e", .iov_len = 1, };
	BOTH(0);

	EXPECT_EQ(1, pwritev2(fv, &out, 1, 0, RWF_APPEND));
	EXPECT_STREQ("0123456789e", get(bf));
	EXPECT_EQ(1, pwritev2(fv, &out, 1, 0, RWF_SYNC | RWF_DSYNC));
	EXPECT_STREQ("e123456789e", get(bf));
	EXPECT_EQ(preadv2(fb, &iov, 1, 3, RWF_NOWAIT),
		  preadv2(fv, &iov, 1, 3, RWF_NOWAIT));
	EXPECT_EQ(1, preadv2(fv, &iov, 1, 3, RWF_HIPRI));
	EXPECT_EQ('3', c);
	EXPECT_EQ(EOPNOTSUPP, ERR(preadv2(fv, &iov, 1, 3, 0x40000000)));
	close(fv);
	close(fb);
}

TEST_F(io, TR2_aio)
{
	struct place *p = &self->p;
	aio_context_t ctx = 0;
	struct io_event event;
	char buf[16] = "";
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_buf = (uintptr_t)"AIO",
		.aio_nbytes = 3,
		.aio_offset = 2,
	};
	struct iocb *cbs[] = { &cb, };
	BOTH(0);

	if (syscall(SYS_io_setup, 4, &ctx) < 0)
		SKIP(return, "no AIO: %s", strerror(errno));
	cb.aio_fildes = fv;
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, cbs));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL));
	EXPECT_EQ(3, event.res);
	EXPECT_STREQ("01AIO56789", get(bf));
	cb.aio_lio_opcode = IOCB_CMD_PREAD;
	cb.aio_buf = (uintptr_t)buf;
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, cbs));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL));
	EXPECT_EQ(3, event.res);
	EXPECT_STREQ("AIO", buf);
	cb.aio_lio_opcode = IOCB_CMD_FSYNC;
	cb.aio_buf = 0;
	cb.aio_nbytes = 0;
	cb.aio_offset = 0;
	if (syscall(SYS_io_submit, ctx, 1, cbs) == 1) {
		ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &event,
				     NULL));
		EXPECT_EQ(0, event.res);
	}
	syscall(SYS_io_destroy, ctx);
	close(fv);
	close(fb);
}

/* Direct and therefore really asynchronous, several at once. */
TEST_F(io, TR2_aio_direct)
{
	struct place *p = &self->p;
	struct iocb cb[8] = { }, *cbs[8];
	struct io_event events[8];
	aio_context_t ctx = 0;
	char *buf;
	int i, done = 0, n;
	BOTH(0);

	close(fv);
	fv = open(vf, O_RDWR | O_DIRECT);
	if (fv < 0 && errno == EINVAL)
		SKIP(return, "no O_DIRECT on that filesystem");
	ASSERT_LE(0, fv);
	if (syscall(SYS_io_setup, 8, &ctx) < 0)
		SKIP(return, "no AIO: %s", strerror(errno));
	ASSERT_EQ(0, posix_memalign((void **)&buf, 4096, 8 * 4096));
	for (i = 0; i < 8; i++) {
		pattern(buf + i * 4096, 4096, i);
		cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		cb[i].aio_fildes = fv;
		cb[i].aio_buf = (uintptr_t)(buf + i * 4096);
		cb[i].aio_nbytes = 4096;
		cb[i].aio_offset = i * 4096;
		cbs[i] = &cb[i];
	}
	ASSERT_EQ(8, syscall(SYS_io_submit, ctx, 8, cbs));
	/* Closed while it is under way. */
	close(fv);
	while (done < 8) {
		n = syscall(SYS_io_getevents, ctx, 1, 8, events, NULL);
		ASSERT_LT(0, n);
		for (i = 0; i < n; i++)
			EXPECT_EQ(4096, events[i].res);
		done += n;
	}
	for (i = 0; i < 8; i++) {
		char back[4096];

		EXPECT_EQ(4096, pread(fb, back, 4096, i * 4096));
		EXPECT_TRUE(is_pattern(back, 4096, i));
	}
	syscall(SYS_io_destroy, ctx);
	close(fb);
	free(buf);
}

/* One entry at a time through a ring of the kernel's. */
static int uring_one(int ring, const struct io_uring_params *params,
		     const struct io_uring_sqe *sqe)
{
	char *sq = mmap(NULL, params->sq_off.array + params->sq_entries * 4,
			PROT_READ | PROT_WRITE, MAP_SHARED, ring,
			IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, params->cq_off.cqes + params->cq_entries *
			sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
			MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, params->sq_entries *
					 sizeof(*sqes), PROT_READ | PROT_WRITE,
					 MAP_SHARED, ring, IORING_OFF_SQES);
	unsigned int tail = *(unsigned int *)(sq + params->sq_off.tail);
	unsigned int mask = *(unsigned int *)(sq + params->sq_off.ring_mask);
	unsigned int head;

	sqes[tail & mask] = *sqe;
	((unsigned int *)(sq + params->sq_off.array))[tail & mask] =
		tail & mask;
	__atomic_store_n((unsigned int *)(sq + params->sq_off.tail), tail + 1,
			 __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) < 0)
		return -errno;
	head = *(unsigned int *)(cq + params->cq_off.head);
	mask = *(unsigned int *)(cq + params->cq_off.ring_mask);
	tail = ((struct io_uring_cqe *)(cq + params->cq_off.cqes))
		[head & mask].res;
	__atomic_store_n((unsigned int *)(cq + params->cq_off.head), head + 1,
			 __ATOMIC_RELEASE);
	return (int)tail;
}

TEST_F(io, TR2_io_uring)
{
	struct place *p = &self->p;
	struct io_uring_params params = { };
	struct io_uring_sqe sqe = { };
	char buf[16] = "";
	int ring, fd;
	BOTH(0);

	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		SKIP(return, "no io_uring: %s", strerror(errno));
	sqe.opcode = IORING_OP_WRITE;
	sqe.fd = fv;
	sqe.addr = (uintptr_t)"RING";
	sqe.len = 4;
	sqe.off = 3;
	EXPECT_EQ(4, uring_one(ring, &params, &sqe));
	EXPECT_STREQ("012RING789", get(bf));
	sqe.opcode = IORING_OP_READ;
	sqe.addr = (uintptr_t)buf;
	EXPECT_EQ(4, uring_one(ring, &params, &sqe));
	EXPECT_STREQ("RING", buf);
	/* In a worker thread, which acts for the one that asked. */
	sqe.flags = IOSQE_ASYNC;
	memset(buf, 0, sizeof(buf));
	EXPECT_EQ(4, uring_one(ring, &params, &sqe));
	EXPECT_STREQ("RING", buf);
	sqe.opcode = IORING_OP_FSYNC;
	sqe.addr = 0;
	sqe.len = 0;
	sqe.off = 0;
	EXPECT_EQ(0, uring_one(ring, &params, &sqe));
	memset(&sqe, 0, sizeof(sqe));
	sqe.opcode = IORING_OP_OPENAT;
	sqe.fd = AT_FDCWD;
	sqe.addr = (uintptr_t)path("%s/uring", p->v);
	sqe.open_flags = O_RDWR | O_CREAT;
	sqe.len = 0644;
	fd = uring_one(ring, &params, &sqe);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_STREQ("f uring", names(p->b));
	close(ring);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_poll)
{
	struct place *p = &self->p;
	struct epoll_event ev = { .events = EPOLLIN, };
	struct pollfd pv;
	int ep;
	BOTH(0);

	pv.fd = fv;
	pv.events = POLLIN | POLLOUT;
	EXPECT_EQ(1, poll(&pv, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, pv.revents);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, ep);
	EXPECT_EQ(ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fb, &ev)),
		  ERR(epoll_ctl(ep, EPOLL_CTL_ADD, fv, &ev)));
	close(ep);
	close(fv);
	close(fb);
}

TEST_F(io, TR2_limits)
{
	struct place *p = &self->p;
	struct rlimit limit = { .rlim_cur = 1000, .rlim_max = 1000, };
	pid_t pid;
	BOTH(0);

	pid = fork();
	if (!pid) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(ERR(pwrite(fv, "x", 1, 1000)) == EFBIG &&
		      ERR(ftruncate(fv, 1001)) == EFBIG &&
		      pwrite(fv, "xy", 2, 999) == 1 ? 0 : 1);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1000, lseek(fb, 0, SEEK_END));
	close(fv);
	close(fb);
}

/* A filesystem that is full says so through V, and V goes on when it is not. */
TEST_F(io, TR2_no_space)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *vf = path("%s/f", p->v);
	char *data = calloc(1, 1 << 20);
	struct stat st;
	ssize_t n;
	int fd;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, "size=512k")));
	ASSERT_EQ(0, link_make(p->v, m));
	fd = open(vf, O_RDWR | O_CREAT, 0644);
	ASSERT_LE(0, fd);
	n = pwrite(fd, data, 1 << 20, 0);
	EXPECT_GT(1 << 20, n);
	EXPECT_EQ(ENOSPC, ERR(pwrite(fd, data, 1 << 20, 1 << 20)));
	ASSERT_EQ(0, ERR(stat(path("%s/f", m), &st)));
	EXPECT_EQ(n, st.st_size);
	ASSERT_EQ(0, ERR(ftruncate(fd, 0)));
	EXPECT_EQ(4096, pwrite(fd, data, 4096, 0));
	close(fd);
	free(data);
}

/*
 * What the kernel keeps for memory files only it must not look for in the inode
 * at V: neither here, where anybody may ask, nor at mmap.
 */
TEST_F(io, TR2_seals)
{
	struct place *p = &self->p;
	int seals, i;
	void *map;
	BOTH(0);

	seals = fcntl(fb, F_GET_SEALS);
	for (i = 0; i < 20; i++) {
		int seen = fcntl(fv, F_GET_SEALS);

		EXPECT_TRUE(seen == seals || (seen < 0 && errno == EINVAL))
			TH_LOG("seals %#x at V, %#x at B", seen, seals);
		EXPECT_NE(0, ERR(fcntl(fv, F_ADD_SEALS, F_SEAL_SHRINK)));
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fv,
			   0);
		EXPECT_NE(MAP_FAILED, map);
		munmap(map, 4096);
		/* Another inode each time. */
		close(fv);
		ASSERT_EQ(0, put(path("%s/f%d", p->b, i), "0123456789"));
		fv = open(path("%s/f%d", p->v, i), O_RDWR);
		ASSERT_LE(0, fv);
	}
	EXPECT_EQ(seals, fcntl(fb, F_GET_SEALS));
	close(fv);
	close(fb);
}

/* Many at once through V and at B, each in its own part of one file. */
TEST_F(io, TR2_at_once)
{
	struct place *p = &self->p;
	const unsigned int procs = 4, rounds = scaled(40);
	unsigned int i, r;
	pid_t pids[8];
	BOTH(0);

	ASSERT_EQ(0, ERR(ftruncate(fb, procs * 65536)));
	for (i = 0; i < procs; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		char *data = malloc(65536), *back = malloc(65536);
		int one = i & 1 ? fv : fb, two = i & 1 ? fb : fv;
		char *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
				 MAP_SHARED, two, i * 65536);

		if (map == MAP_FAILED)
			_exit(1);
		for (r = 0; r < rounds; r++) {
			pattern(data, 65536, r * procs + i);
			if (pwrite(one, data, 65536, i * 65536) != 65536)
				_exit(2);
			if (memcmp(map, data, 65536))
				_exit(3);
			if (pread(two, back, 65536, i * 65536) != 65536 ||
			    memcmp(back, data, 65536))
				_exit(4);
			map[r % 65536] ^= 0xff;
			if (pread(one, back, 65536, i * 65536) != 65536 ||
			    memcmp(back, map, 65536))
				_exit(5);
		}
		_exit(0);
	}
	for (i = 0; i < procs; i++)
		EXPECT_EQ(0, reap(pids[i]));
	close(fv);
	close(fb);
}

TEST_HARNESS_MAIN
