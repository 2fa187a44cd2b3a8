// SPDX-License-Identifier: GPL-2.0
/*
 * Read-only links (RO): nothing at the backing can be changed through them, by
 * anyone; at the backing itself everything can, and is seen at once. With
 * chains (CH5) and nested links (NE6).
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

#include <bindlink.h>

PLACES_CROSS(ro);

#define RO	BINDLINK_FLAG_READ_ONLY

/*
 * How the link is carried: at V, by V's parent, or by the parent with V not
 * there at all.
 */
enum { AT_PATH, AT_PARENT, ANCHORLESS, WAYS };

static const char *const way_name[] = { "path", "parent", "anchorless" };

static int link_ro(const char *v, const char *b, int way, uint32_t flags)
{
	static const uint32_t attach[] = {
		BINDLINK_ATTACH_PATH, BINDLINK_ATTACH_PARENT,
		BINDLINK_ATTACH_AUTO,
	};

	return link_make_opts(v, b, flags, attach[way], NULL, 0);
}

/* B with one thing of each kind. */
static int fill(const struct place *p)
{
	return ERR(mkdir(p->b, 0755)) ?:
	       -put(path("%s/file", p->b), "text") ?:
	       ERR(chmod(path("%s/file", p->b), 0664)) ?:
	       ERR(setxattr(path("%s/file", p->b), "user.x", "1", 1, 0)) ?:
	       ERR(mkdir(path("%s/dir", p->b), 0777)) ?:
	       ERR(chmod(path("%s/dir", p->b), 01777)) ?:
	       -put(path("%s/dir/deep", p->b), "deep") ?:
	       ERR(mkdir(path("%s/empty", p->b), 0755)) ?:
	       ERR(symlink("file", path("%s/link", p->b))) ?:
	       ERR(mkfifo(path("%s/fifo", p->b), 0622)) ?:
	       ERR(mknod(path("%s/null", p->b), S_IFCHR | 0666, makedev(1, 3)));
}

static int begin(const struct place *p, int way)
{
	if (way != ANCHORLESS && mkdir(p->v, 0755))
		return -errno;
	return link_ro(p->v, p->b, way, RO);
}

static int end(const struct place *p, int way)
{
	int err = link_drop(p->v);

	return err ?: way == ANCHORLESS ? 0 : -ERR(rmdir(p->v));
}

static int times_of(const char *at)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	return ERR(utimensat(AT_FDCWD, at, times, AT_SYMLINK_NOFOLLOW));
}

static int set_flags(const char *at)
{
	int fd = open(at, O_RDONLY | O_CLOEXEC), err, flags = 0;

	if (fd < 0)
		return errno;
	err = ERR(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	/* A filesystem that has none of these. */
	if (err == ENOTTY || err == EOPNOTSUPP) {
		close(fd);
		return EROFS;
	}
	flags |= FS_NOATIME_FL;
	err = ERR(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

static int by_descriptor(const char *at, int what)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = open(at, O_RDONLY | O_CLOEXEC), err = EINVAL;

	if (fd < 0)
		return errno;
	switch (what) {
	case 0: err = ERR(fchmod(fd, 0600)); break;
	case 1: err = ERR(fchown(fd, 1, 1)); break;
	case 2: err = ERR(futimens(fd, times)); break;
	case 3: err = ERR(fsetxattr(fd, "user.y", "1", 1, 0)); break;
	case 4: err = ERR(fremovexattr(fd, "user.x")); break;
	}
	close(fd);
	return err;
}

static int bind_socket(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	/* The name is short enough only from there. */
	if (chdir(at))
		return errno;
	strcpy(address.sun_path, "socket");
	err = ERR(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	if (chdir("/"))
		return errno;
	return err;
}

#define IS_ROFS(call) do {						\
	int __err = (call);						\
									\
	EXPECT_EQ(EROFS, __err)						\
		TH_LOG("%s, as %s: " #call, how, who);			\
} while (0)

/* Everything that would change something, through @v. */
static void change_all(struct __test_metadata *_metadata, const char *v,
		       const char *out, const char *how, const char *who)
{
	const char *file = path("%s/file", v), *dir = path("%s/dir", v);
	const char *symbolic = path("%s/link", v), *new = path("%s/new", v);
	int what;

	IS_ROFS(err_open(file, O_WRONLY));
	IS_ROFS(err_open(file, O_RDWR));
	IS_ROFS(err_open(file, O_RDONLY | O_TRUNC));
	IS_ROFS(err_open(file, O_WRONLY | O_APPEND));
	IS_ROFS(err_open(new, O_CREAT | O_WRONLY));
	IS_ROFS(err_open(new, O_CREAT | O_RDONLY));
	IS_ROFS(err_open(new, O_CREAT | O_EXCL | O_WRONLY));
	IS_ROFS(err_open(path("%s/new", dir), O_CREAT | O_WRONLY));
	IS_ROFS(ERR(open(v, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)));
	IS_ROFS(ERR(open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)));
	IS_ROFS(ERR(truncate(file, 0)));
	IS_ROFS(ERR(mkdir(new, 0755)));
	IS_ROFS(ERR(mkdir(path("%s/new", dir), 0755)));
	IS_ROFS(ERR(symlink("x", new)));
	IS_ROFS(ERR(mkfifo(new, 0600)));
	IS_ROFS(bind_socket(v));
	IS_ROFS(ERR(unlink(file)));
	IS_ROFS(ERR(unlink(symbolic)));
	IS_ROFS(ERR(unlink(path("%s/deep", dir))));
	IS_ROFS(ERR(rmdir(path("%s/empty", v))));
	IS_ROFS(ERR(rename(file, new)));
	IS_ROFS(ERR(rename(file, symbolic)));
	IS_ROFS(ERR(rename(path("%s/deep", dir), new)));
	IS_ROFS(ERR(renameat2(AT_FDCWD, file, AT_FDCWD, symbolic,
			      RENAME_EXCHANGE)));
	IS_ROFS(ERR(chmod(file, 0600)));
	IS_ROFS(ERR(chmod(dir, 0700)));
	IS_ROFS(ERR(chmod(v, 0700)));
	IS_ROFS(times_of(file));
	IS_ROFS(times_of(symbolic));
	IS_ROFS(times_of(v));
	IS_ROFS(ERR(setxattr(file, "user.y", "1", 1, 0)));
	IS_ROFS(ERR(removexattr(file, "user.x")));
	IS_ROFS(ERR(access(file, W_OK)));
	IS_ROFS(ERR(access(dir, W_OK)));
	IS_ROFS(ERR(access(v, W_OK)));
	for (what = 0; what < 5; what++)
		IS_ROFS(by_descriptor(file, what));
	IS_ROFS(by_descriptor(dir, 2));
	IS_ROFS(by_descriptor(v, 2));
	if (geteuid())
		return;
	IS_ROFS(ERR(chown(file, 1, 1)));
	IS_ROFS(ERR(lchown(symbolic, 1, 1)));
	IS_ROFS(ERR(mknod(new, S_IFCHR | 0600, makedev(1, 3))));
	IS_ROFS(ERR(setxattr(dir, "trusted.y", "1", 1, 0)));
	IS_ROFS(set_flags(file));
	IS_ROFS(ERR(link(file, new)));
	/* With what is beside the link. */
	if (!out)
		return;
	IS_ROFS(ERR(rename(out, new)));
	IS_ROFS(ERR(rename(file, path("%s.new", out))));
	IS_ROFS(ERR(link(out, new)));
	IS_ROFS(ERR(link(file, path("%s.new", out))));
}

/* RO1: by root, by the owner, and by somebody who might not do it anyway. */
TEST_F(ro, RO1_nothing_can_be_changed)
{
	struct place *p = &self->p;
	const char *out = path("%s/beside", p->top), *before, *how;
	int way;
	pid_t pid;

	ASSERT_EQ(0, fill(p));
	ASSERT_EQ(0, put(out, "beside"));
	before = tree(p->b, true);
	for (way = 0; way < WAYS; way++) {
		how = way_name[way];
		ASSERT_EQ(0, begin(p, way))
			TH_LOG("%s: %s", how, link_why());
		/* In one tree the answer is its own, and not the VFS's EXDEV. */
		change_all(_metadata, p->v, way == AT_PATH ? NULL : out, how,
			   "root");
		pid = fork_user(USER);
		if (!pid) {
			change_all(_metadata, p->v, NULL, how, "a user");
			_exit(_metadata->exit_code != KSFT_PASS);
		}
		EXPECT_EQ(0, reap(pid));
		EXPECT_STREQ(before, tree(p->b, true))
			TH_LOG("%s", how);
		EXPECT_EQ(0, end(p, way))
			TH_LOG("%s: %s", how, link_why());
	}
}

TEST_F(ro, RO1_the_owner_of_all)
{
	struct place *p = &self->p;
	const char *at;
	int way;
	pid_t pid;

	ASSERT_EQ(0, fill(p));
	for (at = "/file\0/dir\0/dir/deep\0/empty\0/link\0\0"; *at;
	     at += strlen(at) + 1)
		ASSERT_EQ(0, ERR(lchown(path("%s%s", p->b, at), USER, USER)));
	ASSERT_EQ(0, ERR(chown(p->b, USER, USER)));
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way));
		pid = fork_user(USER);
		if (!pid) {
			change_all(_metadata, p->v, NULL, way_name[way],
				   "the owner");
			_exit(_metadata->exit_code != KSFT_PASS);
		}
		EXPECT_EQ(0, reap(pid));
		EXPECT_EQ(0, end(p, way));
	}
}

/* WR: what is done to the name of the link would be done to B. */
TEST_F(ro, RO1_WR1_WR2_WR3_WR4_the_name_of_the_link)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->top);
	const char *away = path("%s/away", p->top);

	ASSERT_EQ(0, put(p->b, "B"));
	ASSERT_EQ(0, put(other, "other"));
	ASSERT_EQ(0, link_ro(p->v, p->b, ANCHORLESS, RO))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("B", get(p->v));
	EXPECT_EQ(EROFS, ERR(unlink(p->v)));
	EXPECT_EQ(EROFS, ERR(rename(p->v, away)));
	EXPECT_EQ(EROFS, ERR(rename(other, p->v)));
	EXPECT_EQ(EROFS, ERR(link(p->v, away)));
	EXPECT_EQ(EROFS, err_open(p->v, O_WRONLY));
	EXPECT_STREQ("B", get(p->b));
	/* Beside it all is as ever. */
	EXPECT_EQ(0, ERR(rename(other, away)));
	EXPECT_STREQ("other", get(away));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	EXPECT_EQ(ENOENT, ERR(access(p->v, F_OK)));
	EXPECT_EQ(EROFS, err_open(p->v, O_CREAT | O_WRONLY));
	EXPECT_EQ(EROFS, ERR(mkdir(p->v, 0755)));
	EXPECT_EQ(EROFS, ERR(symlink("x", p->v)));
	EXPECT_EQ(ENOENT, ERR(access(p->b, F_OK)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	EXPECT_EQ(EROFS, ERR(rmdir(p->v)));
	EXPECT_STREQ("", names(p->v));
}

static struct timespec atime_of(const char *at)
{
	struct stat st = {};

	lstat(at, &st);
	return st.st_atim;
}

static void read_all(const char *v)
{
	char buffer[64];
	int fd;

	get(path("%s/file", v));
	names(v);
	names(path("%s/dir", v));
	readlink(path("%s/link", v), buffer, sizeof(buffer));
	fd = open(path("%s/file", v), O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		void *map = mmap(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);

		if (map != MAP_FAILED) {
			buffer[0] = *(volatile char *)map;
			munmap(map, 4);
		}
		close(fd);
	}
}

TEST_F(ro, RO1_times_of_access_stay)
{
	static const char *const at[] = { "", "/file", "/dir", "/link" };
	/* Older than the last change: relatime would set them. */
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct place *p = &self->p;
	unsigned int i;
	int way;

	ASSERT_EQ(0, fill(p));
	for (way = 0; way < WAYS; way++) {
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, ERR(utimensat(AT_FDCWD,
						   path("%s%s", p->b, at[i]),
						   old, AT_SYMLINK_NOFOLLOW)));
		ASSERT_EQ(0, begin(p, way));
		read_all(p->v);
		for (i = 0; i < 4; i++)
			EXPECT_EQ(1000, atime_of(path("%s%s", p->b, at[i])).tv_sec)
				TH_LOG("way %d: %u", way, i);
		EXPECT_EQ(0, end(p, way));
		/* They would have been set through a plain link. */
		if (way != AT_PATH)
			continue;
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_ro(p->v, p->b, AT_PATH, 0));
		read_all(p->v);
		EXPECT_NE(1000, atime_of(path("%s/file", p->b)).tv_sec);
		EXPECT_EQ(0, end(p, way));
	}
}

static unsigned int mode_of(const char *at)
{
	struct stat st;

	return lstat(at, &st) ? ~0u : st.st_mode & 07777;
}

/* What ->getattr() says, and what is copied to the inode for the VFS. */
TEST_F(ro, RO2_modes_without_write_permission)
{
	static const struct {
		const char *at;
		unsigned int mode;
	} is[] = {
		{ "", 0555 }, { "/file", 0444 }, { "/dir", 01555 },
		{ "/dir/deep", 0444 }, { "/empty", 0555 }, { "/fifo", 0400 },
		{ "/null", 0444 },
	};
	struct place *p = &self->p;
	struct statx stx;
	struct stat st;
	unsigned int i;
	int way, fd;

	ASSERT_EQ(0, fill(p));
	ASSERT_EQ(0, ERR(chmod(path("%s/fifo", p->b), 0622)));
	ASSERT_EQ(0, ERR(chmod(path("%s/null", p->b), 0666)));
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way));
		for (i = 0; i < sizeof(is) / sizeof(*is); i++)
			EXPECT_EQ(is[i].mode, mode_of(path("%s%s", p->v,
							   is[i].at)))
				TH_LOG("%s: %s", way_name[way], is[i].at);
		EXPECT_EQ(0664, mode_of(path("%s/file", p->b)));
		ASSERT_EQ(0, ERR(statx(AT_FDCWD, path("%s/file", p->v), 0,
				       STATX_MODE, &stx)));
		EXPECT_EQ(S_IFREG | 0444, stx.stx_mode);
		fd = open(path("%s/file", p->v), O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(S_IFREG | 0444, st.st_mode);
		close(fd);
		/* The root of a tree, open. */
		fd = open(p->v, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ERR(fstat(fd, &st)));
		EXPECT_EQ(S_IFDIR | 0555, st.st_mode);
		close(fd);
		/* A change of mode below. */
		ASSERT_EQ(0, ERR(chmod(path("%s/file", p->b), 0750)));
		EXPECT_EQ(0550, mode_of(path("%s/file", p->v)));
		ASSERT_EQ(0, ERR(chmod(path("%s/file", p->b), 0664)));
		EXPECT_EQ(0, end(p, way));
	}
}

TEST_F(ro, RO2_a_file)
{
	struct place *p = &self->p;
	struct stat st;
	int fd;

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, put(p->b, "B"));
	ASSERT_EQ(0, ERR(chmod(p->b, 0666)));
	ASSERT_EQ(0, link_ro(p->v, p->b, AT_PATH, RO))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0444, mode_of(p->v));
	fd = open(p->v, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
	close(fd);
	EXPECT_EQ(EROFS, err_open(p->v, O_RDWR));
	EXPECT_EQ(EROFS, ERR(truncate(p->v, 0)));
	EXPECT_EQ(EROFS, ERR(chmod(p->v, 0600)));
	EXPECT_STREQ("B", get(p->b));
}

TEST_F(ro, RO3_writable_through_the_backing)
{
	struct place *p = &self->p;
	const char *b = path("%s/file", p->b), *v = path("%s/file", p->v);
	char buffer[16] = "";
	int way, fd, fv;

	ASSERT_EQ(0, fill(p));
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way));
		fv = open(v, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fv);
		fd = open(b, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(4, pwrite(fd, way_name[way], 4, 0));
		EXPECT_EQ(4, pread(fv, buffer, 4, 0));
		EXPECT_EQ(0, memcmp(buffer, way_name[way], 4));
		EXPECT_EQ(0, strncmp(way_name[way], get(v), 4));
		close(fd);
		close(fv);
		ASSERT_EQ(0, put(path("%s/made", p->b), "made"));
		EXPECT_STREQ("made", get(path("%s/made", p->v)));
		EXPECT_EQ(0444, mode_of(path("%s/made", p->v)));
		ASSERT_EQ(0, ERR(rename(path("%s/made", p->b), b)));
		EXPECT_STREQ("made", get(v));
		ASSERT_EQ(0, put(b, "text"));
		EXPECT_EQ(0, end(p, way));
	}
}

/* The other ends of FIFOs and devices are not B's contents. */
TEST_F(ro, RO1_TR5_fifos_and_devices_are_written_to)
{
	struct place *p = &self->p;
	char buffer[8];
	int in, out, way;

	ASSERT_EQ(0, fill(p));
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way));
		in = open(path("%s/fifo", p->b), O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, in);
		out = open(path("%s/fifo", p->v), O_WRONLY | O_NONBLOCK);
		ASSERT_LE(0, out);
		EXPECT_EQ(2, write(out, "ab", 2));
		EXPECT_EQ(2, read(in, buffer, sizeof(buffer)));
		close(out);
		close(in);
		EXPECT_EQ(0, err_open(path("%s/null", p->v), O_WRONLY));
		EXPECT_EQ(0, ERR(access(path("%s/null", p->v), W_OK)));
		EXPECT_EQ(0, end(p, way));
	}
}

TEST_F(ro, RO5_mappings)
{
	struct place *p = &self->p;
	char *through_b, *map;
	int way, fd, fv;

	ASSERT_EQ(0, fill(p));
	fd = open(path("%s/file", p->b), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	through_b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, through_b);
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way));
		fv = open(path("%s/file", p->v), O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fv);
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fv,
			   0);
		EXPECT_EQ(MAP_FAILED, map);
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fv, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(EACCES, ERR(mprotect(map, 4096,
					       PROT_READ | PROT_WRITE)));
		/* One that was there goes on, and is seen. */
		through_b[0] = 'A' + way;
		EXPECT_EQ('A' + way, map[0]);
		EXPECT_EQ('A' + way, get(path("%s/file", p->v))[0]);
		munmap(map, 4096);
		/* A private one is the program's own. */
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fv,
			   0);
		ASSERT_NE(MAP_FAILED, map);
		map[0] = 'x';
		EXPECT_EQ('A' + way, through_b[0]);
		munmap(map, 4096);
		close(fv);
		EXPECT_EQ(0, end(p, way));
	}
	munmap(through_b, 4096);
	close(fd);
}

/* Read-only anywhere along the chain, and then no more. */
TEST_F(ro, CH5_read_only_anywhere_in_a_chain)
{
	struct place *p = &self->p;
	const char *l[4];
	int i, way, at;

	ASSERT_EQ(0, fill(p));
	for (way = 0; way < WAYS; way++)
		for (at = 0; at < 3; at++) {
			/* l[0] -> l[1]/dir's parent -> ... -> B. */
			for (i = 0; i < 3; i++) {
				l[i] = path("%s/l%d", i % 2 ? p->back : p->top,
					    i);
				if (way != ANCHORLESS)
					ASSERT_EQ(0, ERR(mkdir(l[i], 0755)));
			}
			l[3] = p->b;
			for (i = 2; i >= 0; i--)
				ASSERT_EQ(0, link_ro(l[i], l[i + 1], way,
						     i == at ? RO : 0))
					TH_LOG("%s", link_why());
			for (i = 0; i < 3; i++) {
				const char *file = path("%s/dir/deep", l[i]);

				EXPECT_EQ(i <= at ? EROFS : 0,
					  err_open(file, O_RDWR))
					TH_LOG("%s, read-only at %d: %d",
					       way_name[way], at, i);
				EXPECT_EQ(i <= at ? 0444u : 0644u,
					  mode_of(file));
				EXPECT_EQ(i <= at ? EROFS : 0,
					  ERR(mkdir(path("%s/dir/new", l[i]),
						    0755)));
				if (i > at)
					ASSERT_EQ(0, ERR(rmdir(path("%s/dir/new",
								    l[i]))));
			}
			/* Plain instead: all the chain is writable at once. */
			ASSERT_EQ(0, link_drop(l[at]))
				TH_LOG("%s", link_why());
			ASSERT_EQ(0, link_ro(l[at], l[at + 1], way, 0))
				TH_LOG("%s", link_why());
			for (i = 0; i < 3; i++)
				EXPECT_EQ(0, err_open(path("%s/dir/deep", l[i]),
						      O_RDWR));
			for (i = 0; i < 3; i++) {
				ASSERT_EQ(0, link_drop(l[i]));
				if (way != ANCHORLESS)
					ASSERT_EQ(0, ERR(rmdir(l[i])));
			}
		}
}

/* A link below the backing is seen through the read-only one, and so is RO. */
TEST_F(ro, CH5_a_link_below_the_backing)
{
	struct place *p = &self->p;
	const char *c = path("%s/c", p->back);
	int way;

	ASSERT_EQ(0, fill(p));
	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, put(path("%s/file", c), "C"));
	ASSERT_EQ(0, link_make(path("%s/in", p->b), c))
		TH_LOG("%s", link_why());
	for (way = 0; way < WAYS; way++) {
		ASSERT_EQ(0, begin(p, way))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("C", get(path("%s/in/file", p->v)));
		EXPECT_EQ(EROFS, err_open(path("%s/in/file", p->v), O_RDWR));
		EXPECT_EQ(EROFS, ERR(unlink(path("%s/in/file", p->v))));
		EXPECT_EQ(EROFS, ERR(mkdir(path("%s/in/new", p->v), 0755)));
		EXPECT_EQ(0444, mode_of(path("%s/in/file", p->v)));
		EXPECT_EQ(0, err_open(path("%s/in/file", p->b), O_RDWR));
		EXPECT_EQ(0, end(p, way));
	}
	EXPECT_EQ(0, link_drop(path("%s/in", p->b)));
}

/* The nested link has flags of its own. */
TEST_F(ro, NE6_nested_links)
{
	struct place *p = &self->p;
	const char *c = path("%s/c", p->back), *n, *names_before;
	int way, order, flags, err;

	ASSERT_EQ(0, fill(p));
	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, put(path("%s/file", c), "C"));
	names_before = names(p->b);
	for (way = 0; way < WAYS; way++)
		for (order = 0; order < 2; order++)
			for (flags = 0; flags < 2; flags++) {
				/* Over a name of B, and over none. */
				n = path("%s/%s", p->v,
					 order ? "dir" : "nested");
				ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
				if (order)
					ASSERT_EQ(0, ERR(mkdir(n, 0755)));
				if (order)
					ASSERT_EQ(0, link_ro(n, c, ANCHORLESS,
							     flags ? RO : 0))
						TH_LOG("%s", link_why());
				ASSERT_EQ(0, link_ro(p->v, p->b,
						     way == ANCHORLESS ?
						     ANCHORLESS : way,
						     flags ? 0 : RO))
					TH_LOG("%s", link_why());
				if (!order)
					ASSERT_EQ(0, link_ro(n, c, ANCHORLESS,
							     flags ? RO : 0))
						TH_LOG("%s", link_why());
				EXPECT_STREQ("C", get(path("%s/file", n)));
				err = err_open(path("%s/file", n), O_RDWR);
				EXPECT_EQ(flags ? EROFS : 0, err)
					TH_LOG("%s, %d, %d", way_name[way],
					       order, flags);
				EXPECT_EQ(flags ? 0444u : 0644u,
					  mode_of(path("%s/file", n)));
				err = ERR(mkdir(path("%s/new", n), 0755));
				EXPECT_EQ(flags ? EROFS : 0, err);
				if (!err)
					EXPECT_EQ(0, ERR(rmdir(path("%s/new",
								    n))));
				err = err_open(path("%s/file", p->v), O_RDWR);
				EXPECT_EQ(flags ? 0 : EROFS, err);
				err = ERR(mkdir(path("%s/new", p->v), 0755));
				EXPECT_EQ(flags ? 0 : EROFS, err);
				if (!err)
					EXPECT_EQ(0, ERR(rmdir(path("%s/new",
								    p->v))));
				EXPECT_EQ(0, link_drop(n))
					TH_LOG("%s", link_why());
				EXPECT_EQ(0, link_drop(p->v))
					TH_LOG("%s", link_why());
				if (order)
					ASSERT_EQ(0, ERR(rmdir(n)));
				ASSERT_EQ(0, ERR(rmdir(p->v)));
				EXPECT_STREQ(names_before, names(p->b));
			}
}

/* AP1, AP3: the flag is told. */
TEST_F(ro, AP3_RO1_the_flag_is_listed)
{
	struct place *p = &self->p;
	struct bindlink_link *link;
	struct bindlink *handle;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, link_ro(p->v, p->b, ANCHORLESS, RO))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, bindlink_open(&handle));
	ASSERT_EQ(0, bindlink_get(handle, p->v, &link));
	EXPECT_EQ(RO, bindlink_link_flags(link));
	bindlink_link_free(link);
	bindlink_close(handle);
}

TEST_HARNESS_MAIN
