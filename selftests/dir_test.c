// SPDX-License-Identifier: GPL-2.0
/*
 * Names and directories through a link: every operation on a directory, and
 * what it leaves at B.
 */
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES(dir);

static const char *v(const struct place *p, const char *name)
{
	return path("%s/%s", p->v, name);
}

static const char *b(const struct place *p, const char *name)
{
	return path("%s/%s", p->b, name);
}

#define SAME(name) do {							\
	EXPECT_STREQ(lfacts(b(p, (name))), lfacts(v(p, (name))));	\
	EXPECT_STREQ(names(p->b), names(p->v));				\
} while (0)

TEST_F(dir, TR2_create)
{
	struct place *p = &self->p;
	struct stat st;
	int fd;

	DIR_LINK(p);
	EXPECT_EQ(ENOENT, err_open(v(p, "f"), O_RDWR));
	fd = open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL, 0641);
	ASSERT_LE(0, fd);
	EXPECT_EQ(5, write(fd, "hello", 5));
	close(fd);
	EXPECT_STREQ("hello", get(b(p, "f")));
	SAME("f");
	ASSERT_EQ(0, ERR(stat(b(p, "f"), &st)));
	EXPECT_EQ(S_IFREG | 0641, st.st_mode);
	EXPECT_EQ(EEXIST, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_STREQ("hello", get(v(p, "f")));
	EXPECT_EQ(0, err_open(v(p, "f"), O_WRONLY | O_CREAT | O_TRUNC));
	EXPECT_STREQ("", get(b(p, "f")));
	EXPECT_EQ(ENOTDIR, err_open(v(p, "f"), O_RDONLY | O_DIRECTORY));
	EXPECT_EQ(ENOTDIR, err_open(v(p, "f/"), O_RDONLY));
	EXPECT_EQ(ENOTDIR, err_open(v(p, "f/x"), O_RDWR | O_CREAT));
	/* Made at B while V is asked to make it. */
	ASSERT_EQ(0, put(b(p, "g"), "g"));
	EXPECT_EQ(EEXIST, err_open(v(p, "g"), O_RDWR | O_CREAT | O_EXCL));
	/* With no permission to write in its own mode, it is open all the same. */
	fd = open(v(p, "h"), O_WRONLY | O_CREAT, 0000);
	EXPECT_LE(0, fd);
	EXPECT_EQ(1, write(fd, "h", 1));
	close(fd);
	SAME("h");
	EXPECT_EQ(ENAMETOOLONG, err_open(v(p, path("%0256d", 0)),
					 O_RDWR | O_CREAT));
	EXPECT_EQ(0, err_open(v(p, path("%0255d", 0)), O_RDWR | O_CREAT));
	SAME(path("%0255d", 0));
}

TEST_F(dir, TR2_create_by_a_user)
{
	struct place *p = &self->p;
	pid_t pid;

	DIR_LINK(p);
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_EQ(EACCES, reap(pid));
	ASSERT_EQ(0, ERR(chmod(p->b, 0777)));
	pid = fork_user(USER);
	if (!pid) {
		umask(0);
		_exit(err_open(v(p, "f"), O_RDWR | O_CREAT) |
		      ERR(mkdir(v(p, "d"), 0751)) |
		      ERR(symlink("f", v(p, "s"))) |
		      ERR(mkfifo(v(p, "p"), 0623)) |
		      ERR(link(v(p, "f"), v(p, "l"))));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("d f l p s", names(p->b));
	SAME("d");
	SAME("f");
	SAME("p");
	SAME("s");
	EXPECT_NE(NULL, strstr(lfacts(b(p, "f")), " uid 1000 gid 1000 "));
	EXPECT_NE(NULL, strstr(lfacts(b(p, "d")), " uid 1000 gid 1000 "));
	EXPECT_NE(NULL, strstr(lfacts(b(p, "d")), " mode 40751 "));
	EXPECT_NE(NULL, strstr(lfacts(b(p, "p")), " mode 10623 "));
}

TEST_F(dir, TR2_umask)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	umask(027);
	ASSERT_EQ(0, put(v(p, "f"), ""));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0777)));
	ASSERT_EQ(0, ERR(mknod(v(p, "n"), S_IFREG | 0666, 0)));
	umask(022);
	EXPECT_NE(NULL, strstr(lfacts(b(p, "f")), " mode 100640 "));
	EXPECT_NE(NULL, strstr(lfacts(b(p, "d")), " mode 40750 "));
	EXPECT_NE(NULL, strstr(lfacts(b(p, "n")), " mode 100640 "));
}

TEST_F(dir, TR2_mkdir_and_rmdir)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 01775)));
	SAME("d");
	EXPECT_EQ(EEXIST, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d/e"), 0755)));
	SAME("d/e");
	EXPECT_EQ(ENOTEMPTY, ERR(rmdir(v(p, "d"))));
	EXPECT_EQ(EINVAL, ERR(rmdir(v(p, "d/."))));
	EXPECT_EQ(ENOTEMPTY, ERR(rmdir(v(p, "d/e/.."))));
	EXPECT_EQ(0, ERR(rmdir(v(p, "d/e"))));
	EXPECT_STREQ("!ENOENT", names(b(p, "d/e")));
	SAME("d");
	EXPECT_EQ(EISDIR, ERR(unlink(v(p, "d"))));
	EXPECT_EQ(0, ERR(rmdir(v(p, "d"))));
	EXPECT_EQ(ENOENT, ERR(rmdir(v(p, "d"))));
	EXPECT_STREQ("", names(p->b));
	EXPECT_EQ(ENOENT, ERR(mkdir(v(p, "x/y"), 0755)));
	ASSERT_EQ(0, put(v(p, "f"), ""));
	EXPECT_EQ(ENOTDIR, ERR(rmdir(v(p, "f"))));
	EXPECT_EQ(ENOTDIR, ERR(mkdir(v(p, "f/x"), 0755)));
	EXPECT_EQ(0, ERR(mkdir(v(p, "t/"), 0755)));
	SAME("t");
}

TEST_F(dir, TR2_rmdir_of_a_directory_in_use)
{
	struct place *p = &self->p;
	struct stat st;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(chdir(v(p, "d"))));
	ASSERT_EQ(0, ERR(rmdir(v(p, "d"))));
	EXPECT_EQ(0, ERR(stat(".", &st)));
	EXPECT_EQ(ENOENT, err_open("x", O_CREAT | O_RDWR));
	EXPECT_EQ(ENOENT, ERR(mkdir("x", 0755)));
	EXPECT_STREQ("", names("."));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(dir, TR2_unlink)
{
	struct place *p = &self->p;
	struct stat st;
	char c;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	fd = open(v(p, "f"), O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(unlink(v(p, "f"))));
	EXPECT_EQ(ENOENT, ERR(lstat(b(p, "f"), &st)));
	EXPECT_EQ(ENOENT, ERR(lstat(v(p, "f"), &st)));
	EXPECT_EQ(ENOENT, ERR(unlink(v(p, "f"))));
	/* Open as it is, it goes on without a name. */
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ(1, pwrite(fd, "g", 1, 1));
	EXPECT_EQ(0, ERR(fchmod(fd, 0600)));
	close(fd);
	/* The same name anew is another file. */
	ASSERT_EQ(0, put(v(p, "f"), "new"));
	EXPECT_STREQ("new", get(b(p, "f")));
	SAME("f");
}

/* What was removed through the link comes back, by whoever, or was not removed. */
TEST_F(dir, LB4_LB5_removed_and_made_again)
{
	struct place *p = &self->p;
	int fd, flags, i;
	struct stat st;

	DIR_LINK(p);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, put(v(p, "f"), "v"));
		ASSERT_EQ(0, ERR(unlink(v(p, "f"))));
		EXPECT_STREQ("", names(p->b));
		ASSERT_EQ(0, put(b(p, "f"), "b"));
		EXPECT_STREQ("b", get(v(p, "f")));
		ASSERT_EQ(0, ERR(unlink(b(p, "f"))));
		EXPECT_STREQ("!ENOENT", get(v(p, "f")));
	}
	/* By another name, and held by a descriptor. */
	ASSERT_EQ(0, put(v(p, "f"), "two"));
	ASSERT_EQ(0, ERR(link(v(p, "f"), v(p, "g"))));
	fd = open(v(p, "f"), O_PATH);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(unlink(v(p, "f"))));
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_STREQ("two", get(path("/proc/self/fd/%d", fd)));
	ASSERT_EQ(0, ERR(unlink(v(p, "g"))));
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_STREQ("two", get(path("/proc/self/fd/%d", fd)));
	close(fd);
	/* Refused below, where the link does not know of it. */
	ASSERT_EQ(0, put(v(p, "f"), "kept"));
	fd = open(b(p, "f"), O_RDONLY);
	ASSERT_LE(0, fd);
	if (!ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
		flags |= FS_IMMUTABLE_FL;
		ASSERT_EQ(0, ERR(ioctl(fd, FS_IOC_SETFLAGS, &flags)));
		for (i = 0; i < 3; i++) {
			EXPECT_EQ(EPERM, ERR(unlink(v(p, "f"))));
			EXPECT_STREQ("kept", get(v(p, "f")));
			SAME("f");
		}
		flags &= ~FS_IMMUTABLE_FL;
		ASSERT_EQ(0, ERR(ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	}
	close(fd);
	EXPECT_EQ(0, ERR(unlink(v(p, "f"))));
	EXPECT_STREQ("", names(p->b));
}

/*
 * What was removed through the link is known to be missing by nobody: whatever has
 * been made by the name at B since is found by all who would make it.
 */
TEST_F(dir, LB4_TR2_removed_and_made_by_others)
{
	struct place *p = &self->p;
	struct stat st;
	pid_t pid;

#define REMOVED do {							\
	rm_rf(b(p, "f"));						\
	ASSERT_EQ(0, put(v(p, "f"), "v"));				\
	ASSERT_EQ(0, ERR(unlink(v(p, "f"))));				\
} while (0)
	DIR_LINK(p);
	ASSERT_EQ(0, put(b(p, "g"), "g"));
	REMOVED;
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	SAME("f");
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	EXPECT_EQ(EEXIST, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	EXPECT_STREQ("b", get(v(p, "f")));
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_STREQ("b", get(v(p, "f")));
	SAME("f");
	/* By who may not make anything there, either. */
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(v(p, "f"), O_RDONLY | O_CREAT));
	EXPECT_EQ(0, reap(pid));
	REMOVED;
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(v(p, "f"), O_RDONLY | O_CREAT));
	EXPECT_EQ(EACCES, reap(pid));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	/* What is no file. */
	REMOVED;
	ASSERT_EQ(0, ERR(mkdir(b(p, "f"), 0755)));
	EXPECT_EQ(EISDIR, err_open(v(p, "f"), O_RDWR | O_CREAT));
	SAME("f");
	REMOVED;
	ASSERT_EQ(0, ERR(symlink("g", b(p, "f"))));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_EQ(EEXIST, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	EXPECT_STREQ("g", get(v(p, "f")));
	SAME("f");
	/* In other ways than by opening. */
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	EXPECT_EQ(EEXIST, ERR(mkdir(v(p, "f"), 0755)));
	REMOVED;
	EXPECT_EQ(0, ERR(mkdir(v(p, "f"), 0755)));
	SAME("f");
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	EXPECT_EQ(EEXIST, ERR(link(v(p, "g"), v(p, "f"))));
	REMOVED;
	EXPECT_EQ(0, ERR(link(v(p, "g"), v(p, "f"))));
	SAME("f");
	REMOVED;
	EXPECT_EQ(0, ERR(symlink("g", v(p, "f"))));
	SAME("f");
	REMOVED;
	ASSERT_EQ(0, put(b(p, "f"), "b"));
	EXPECT_EQ(EEXIST, ERR(renameat2(AT_FDCWD, v(p, "g"), AT_FDCWD,
					v(p, "f"), RENAME_NOREPLACE)));
	EXPECT_EQ(0, ERR(unlink(v(p, "f"))));
	EXPECT_EQ(ENOENT, ERR(unlink(v(p, "f"))));
	EXPECT_EQ(0, ERR(rename(v(p, "g"), v(p, "f"))));
	SAME("f");
	/* A link at that name. */
	ASSERT_EQ(0, put(b(p, "g"), "g"));
	REMOVED;
	ASSERT_EQ(0, link_make(v(p, "f"), b(p, "g")));
	EXPECT_STREQ("g", get(v(p, "f")));
	EXPECT_EQ(EEXIST, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_EQ(ENOENT, ERR(lstat(b(p, "f"), &st)));
	ASSERT_EQ(0, link_drop(v(p, "f")));
	REMOVED;
	ASSERT_EQ(0, link_make(v(p, "f"), b(p, "g")));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT));
	EXPECT_EQ(ENOENT, ERR(lstat(b(p, "f"), &st)));
	ASSERT_EQ(0, link_drop(v(p, "f")));
	EXPECT_EQ(0, err_open(v(p, "f"), O_RDWR | O_CREAT | O_EXCL));
	SAME("f");
#undef REMOVED
}

TEST_F(dir, TR2_symlink_and_readlink)
{
	struct place *p = &self->p;
	struct stat st;
	char buf[8];

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	ASSERT_EQ(0, ERR(symlink("f", v(p, "s"))));
	SAME("s");
	EXPECT_STREQ("f", get_link(b(p, "s")));
	EXPECT_STREQ("f", get_link(v(p, "s")));
	EXPECT_STREQ("f", get(v(p, "s")));
	EXPECT_EQ(EEXIST, ERR(symlink("x", v(p, "s"))));
	EXPECT_EQ(ELOOP, err_open(v(p, "s"), O_RDONLY | O_NOFOLLOW));
	EXPECT_EQ(0, err_open(v(p, "s"), O_PATH | O_NOFOLLOW));
	/* A short buffer cuts it off. */
	ASSERT_EQ(0, ERR(symlink("0123456789", v(p, "long"))));
	EXPECT_EQ(4, readlink(v(p, "long"), buf, 4));
	EXPECT_EQ(EINVAL, ERR(readlink(v(p, "f"), buf, sizeof(buf))));
	/* Up and out of the link, absolute into it, to itself, to nothing. */
	ASSERT_EQ(0, put(path("%s/out", p->top), "out"));
	ASSERT_EQ(0, ERR(symlink("../out", v(p, "up"))));
	EXPECT_STREQ("out", get(v(p, "up")));
	ASSERT_EQ(0, ERR(symlink(v(p, "f"), v(p, "abs"))));
	EXPECT_STREQ("f", get(v(p, "abs")));
	EXPECT_STREQ("f", get(b(p, "abs")));
	ASSERT_EQ(0, ERR(symlink("me", v(p, "me"))));
	EXPECT_EQ(ELOOP, ERR(stat(v(p, "me"), &st)));
	ASSERT_EQ(0, ERR(symlink("made", v(p, "dangling"))));
	EXPECT_EQ(ENOENT, err_open(v(p, "dangling"), O_RDONLY));
	/* Creating follows it. */
	EXPECT_EQ(0, put(v(p, "dangling"), "made"));
	EXPECT_STREQ("made", get(b(p, "made")));
	EXPECT_EQ(ENAMETOOLONG, ERR(symlink(path("%04096d", 0),
					    v(p, "toolong"))));
	/* A long target, which is kept in another way than a short one. */
	ASSERT_EQ(0, ERR(symlink(path("%0900d", 0), v(p, "longer"))));
	EXPECT_STREQ(path("%0900d", 0), get_link(v(p, "longer")));
	EXPECT_STREQ(path("%0900d", 0), get_link(b(p, "longer")));
}

TEST_F(dir, TR2_link)
{
	struct place *p = &self->p;
	const char *out = path("%s/out", p->top);
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(link(v(p, "f"), v(p, "d/l"))));
	SAME("f");
	SAME("d/l");
	EXPECT_TRUE(same_inode(v(p, "f"), v(p, "d/l")));
	EXPECT_NE(NULL, strstr(facts(v(p, "f")), " nlink 2 "));
	EXPECT_EQ(EEXIST, ERR(link(v(p, "f"), v(p, "d/l"))));
	EXPECT_EQ(EPERM, ERR(link(v(p, "d"), v(p, "e"))));
	EXPECT_EQ(ENOENT, ERR(link(v(p, "x"), v(p, "y"))));
	ASSERT_EQ(0, add(v(p, "d/l"), "g"));
	EXPECT_STREQ("fg", get(v(p, "f")));
	EXPECT_STREQ("fg", get(b(p, "f")));
	ASSERT_EQ(0, ERR(unlink(v(p, "f"))));
	EXPECT_STREQ("fg", get(v(p, "d/l")));
	EXPECT_NE(NULL, strstr(facts(v(p, "d/l")), " nlink 1 "));
	/* A symlink itself, or what it leads to. */
	ASSERT_EQ(0, ERR(symlink("d/l", v(p, "s"))));
	ASSERT_EQ(0, ERR(linkat(AT_FDCWD, v(p, "s"), AT_FDCWD, v(p, "s1"),
				0)));
	EXPECT_TRUE(same_inode(v(p, "s"), v(p, "s1")));
	ASSERT_EQ(0, ERR(linkat(AT_FDCWD, v(p, "s"), AT_FDCWD, v(p, "s2"),
				AT_SYMLINK_FOLLOW)));
	EXPECT_TRUE(same_inode(v(p, "d/l"), v(p, "s2")));
	/* From an open file. */
	fd = open(v(p, "d/l"), O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				AT_FDCWD, v(p, "byfd"), AT_SYMLINK_FOLLOW)));
	EXPECT_TRUE(same_inode(v(p, "d/l"), v(p, "byfd")));
	close(fd);
	/* Out of the link and into it is out of the mount. */
	ASSERT_EQ(0, put(out, ""));
	EXPECT_EQ(EXDEV, ERR(link(out, v(p, "in"))));
	EXPECT_EQ(EXDEV, ERR(link(v(p, "d/l"), path("%s/out2", p->top))));
	EXPECT_EQ(EXDEV, ERR(link(b(p, "d/l"), v(p, "in"))));
}

TEST_F(dir, TR5_nodes)
{
	struct place *p = &self->p;
	struct stat st;
	pid_t pid;
	char c = 'x';
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mknod(v(p, "zero"), S_IFCHR | 0666, makedev(1, 5))));
	ASSERT_EQ(0, ERR(mknod(v(p, "null"), S_IFCHR | 0644, makedev(1, 3))));
	ASSERT_EQ(0, ERR(mknod(v(p, "blk"), S_IFBLK | 0600, makedev(60, 0))));
	ASSERT_EQ(0, ERR(mknod(v(p, "reg"), S_IFREG | 0600, 0)));
	ASSERT_EQ(0, ERR(mknod(v(p, "fifo"), S_IFIFO | 0600, 0)));
	SAME("zero");
	SAME("null");
	SAME("blk");
	SAME("reg");
	SAME("fifo");
	ASSERT_EQ(0, ERR(stat(v(p, "zero"), &st)));
	EXPECT_EQ(makedev(1, 5), st.st_rdev);
	fd = open(v(p, "zero"), O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ(0, c);
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(makedev(1, 5), st.st_rdev);
	close(fd);
	fd = open(v(p, "null"), O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, write(fd, &c, 1));
	EXPECT_EQ(0, read(fd, &c, 1));
	close(fd);
	/* A device that there is not. */
	EXPECT_EQ(ENXIO, err_open(v(p, "blk"), O_RDONLY));
	/* Made at B, opened at V. */
	ASSERT_EQ(0, ERR(mknod(b(p, "z2"), S_IFCHR | 0666, makedev(1, 5))));
	fd = open(v(p, "z2"), O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, read(fd, &c, 1));
	close(fd);
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(mknod(v(p, "mine"), S_IFCHR | 0666, makedev(1, 3))));
	EXPECT_NE(0, reap(pid));
	EXPECT_EQ(ENOENT, ERR(stat(b(p, "mine"), &st)));
}

/* One end of a FIFO opened at V and the other at B, in both directions. */
TEST_F(dir, TR5_fifo_ends_meet)
{
	struct place *p = &self->p;
	int round, in, out;
	char buf[8] = "";
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkfifo(v(p, "p"), 0600)));
	for (round = 0; round < 2; round++) {
		const char *one = round ? v(p, "p") : b(p, "p");
		const char *two = round ? b(p, "p") : v(p, "p");

		/* Neither end open. */
		EXPECT_EQ(ENXIO, err_open(one, O_WRONLY | O_NONBLOCK));
		/* Each waits for the other. */
		pid = fork();
		if (!pid) {
			alarm(120);
			out = open(one, O_WRONLY);
			if (out < 0 || write(out, "hello", 5) != 5)
				_exit(1);
			_exit(0);
		}
		in = open(two, O_RDONLY);
		ASSERT_LE(0, in);
		EXPECT_EQ(5, read(in, buf, sizeof(buf)));
		EXPECT_STREQ("hello", buf);
		EXPECT_EQ(0, reap(pid));
		EXPECT_EQ(0, read(in, buf, sizeof(buf)));
		close(in);
		/* Non-blocking, and a broken pipe. */
		in = open(two, O_RDONLY | O_NONBLOCK);
		ASSERT_LE(0, in);
		out = open(one, O_WRONLY | O_NONBLOCK);
		ASSERT_LE(0, out);
		EXPECT_EQ(1, write(out, "x", 1));
		EXPECT_EQ(1, read(in, buf, 1));
		close(in);
		signal(SIGPIPE, SIG_IGN);
		EXPECT_EQ(EPIPE, ERR(write(out, "x", 1)));
		close(out);
	}
}

TEST_F(dir, TR2_rename)
{
	struct place *p = &self->p;
	ino_t ino;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "a"), "a"));
	ino = ino_of(b(p, "a"));
	ASSERT_EQ(0, ERR(rename(v(p, "a"), v(p, "c"))));
	EXPECT_STREQ("c", names(p->b));
	EXPECT_EQ(ino, ino_of(v(p, "c")));
	SAME("c");
	EXPECT_EQ(ENOENT, ERR(rename(v(p, "a"), v(p, "c"))));
	/* Over a file. */
	ASSERT_EQ(0, put(v(p, "a"), "new"));
	ASSERT_EQ(0, ERR(rename(v(p, "a"), v(p, "c"))));
	EXPECT_STREQ("new", get(v(p, "c")));
	EXPECT_STREQ("new", get(b(p, "c")));
	EXPECT_STREQ("!ENOENT", get(v(p, "a")));
	/* Into a directory and back. */
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(rename(v(p, "c"), v(p, "d/c"))));
	EXPECT_STREQ("new", get(b(p, "d/c")));
	ASSERT_EQ(0, ERR(rename(v(p, "d/c"), v(p, "c"))));
	/* Directories. */
	ASSERT_EQ(0, ERR(mkdir(v(p, "d/e"), 0755)));
	ASSERT_EQ(0, put(v(p, "d/e/f"), "f"));
	EXPECT_EQ(EINVAL, ERR(rename(v(p, "d"), v(p, "d/e/d"))));
	EXPECT_EQ(EISDIR, ERR(rename(v(p, "c"), v(p, "d"))));
	EXPECT_EQ(ENOTDIR, ERR(rename(v(p, "d"), v(p, "c"))));
	ASSERT_EQ(0, ERR(mkdir(v(p, "full"), 0755)));
	ASSERT_EQ(0, put(v(p, "full/x"), "x"));
	/* XFS has another word for it. */
	EXPECT_EQ(ERR(rename(b(p, "d"), b(p, "full"))),
		  ERR(rename(v(p, "d"), v(p, "full"))));
	EXPECT_STREQ("x", get(v(p, "full/x")));
	ASSERT_EQ(0, ERR(mkdir(v(p, "empty"), 0755)));
	ASSERT_EQ(0, ERR(rename(v(p, "d"), v(p, "empty"))));
	EXPECT_STREQ("f", get(v(p, "empty/e/f")));
	EXPECT_STREQ("f", get(b(p, "empty/e/f")));
	EXPECT_STREQ("c empty full", names(p->b));
	EXPECT_STREQ("c empty full", names(p->v));
	ASSERT_EQ(0, ERR(rename(v(p, "empty/e"), v(p, "e"))));
	EXPECT_STREQ("f", get(v(p, "e/f")));
	SAME("e");
	/* A hard link onto the same file does nothing. */
	ASSERT_EQ(0, ERR(link(v(p, "c"), v(p, "l"))));
	ASSERT_EQ(0, ERR(rename(v(p, "c"), v(p, "l"))));
	EXPECT_STREQ("c e empty full l", names(p->v));
	EXPECT_STREQ("c e empty full l", names(p->b));
	/* Across the boundary. */
	EXPECT_EQ(EXDEV, ERR(rename(v(p, "c"), path("%s/c", p->top))));
	EXPECT_EQ(EXDEV, ERR(rename(v(p, "c"), b(p, "z"))));
	EXPECT_EQ(EXDEV, ERR(rename(b(p, "c"), v(p, "z"))));
	EXPECT_EQ(0, run("mv", v(p, "c"), path("%s/c", p->top), NULL));
	EXPECT_STREQ("new", get(path("%s/c", p->top)));
	EXPECT_STREQ("e empty full l", names(p->v));
}

/* A name keeps what it was found to be over renames, and no longer. */
TEST_F(dir, LB4_NE3_renamed_again)
{
	struct place *p = &self->p;
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, put(path("%s/other", p->back), "other"));
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(rename(v(p, "f"), v(p, "g"))));
		EXPECT_STREQ("!ENOENT", get(v(p, "f")));
		SAME("g");
		ASSERT_EQ(0, ERR(rename(v(p, "g"), v(p, "d/g"))));
		SAME("d/g");
		/* Directly, what the link has just renamed. */
		ASSERT_EQ(0, ERR(rename(b(p, "d/g"), b(p, "h"))));
		EXPECT_STREQ("!ENOENT", get(v(p, "d/g")));
		SAME("h");
		ASSERT_EQ(0, ERR(rename(v(p, "h"), v(p, "f"))));
		ASSERT_EQ(0, put(b(p, "f"), path("f%d", i)));
		EXPECT_STREQ(path("f%d", i), get(v(p, "f")));
		/* The names get links, which are not renamed over. */
		ASSERT_EQ(0, link_make(v(p, "f"), path("%s/other", p->back)));
		ASSERT_EQ(0, link_make(v(p, "g"), path("%s/other", p->back)));
		EXPECT_STREQ("other", get(v(p, "f")));
		EXPECT_STREQ("other", get(v(p, "g")));
		EXPECT_STREQ("!ENOENT", get(b(p, "g")));
		ASSERT_EQ(0, link_drop(v(p, "f")));
		ASSERT_EQ(0, link_drop(v(p, "g")));
		EXPECT_STREQ(path("f%d", i), get(v(p, "f")));
		EXPECT_STREQ("!ENOENT", get(v(p, "g")));
	}
}

TEST_F(dir, TR2_renameat2)
{
	struct place *p = &self->p;
	int err;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "a"), "a"));
	ASSERT_EQ(0, put(v(p, "b"), "b"));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, put(v(p, "d/x"), "x"));
	EXPECT_EQ(EEXIST, ERR(renameat2(AT_FDCWD, v(p, "a"), AT_FDCWD,
					v(p, "b"), RENAME_NOREPLACE)));
	EXPECT_STREQ("a", get(v(p, "a")));
	EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, v(p, "a"), AT_FDCWD, v(p, "c"),
				   RENAME_NOREPLACE)));
	EXPECT_STREQ("a", get(b(p, "c")));
	EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, v(p, "c"), AT_FDCWD, v(p, "b"),
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("b", get(v(p, "c")));
	EXPECT_STREQ("a", get(v(p, "b")));
	EXPECT_STREQ("b", get(b(p, "c")));
	/* A file and a directory. */
	EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, v(p, "c"), AT_FDCWD, v(p, "d"),
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("b", get(v(p, "d")));
	EXPECT_STREQ("x", get(v(p, "c/x")));
	SAME("c");
	SAME("d");
	EXPECT_EQ(ENOENT, ERR(renameat2(AT_FDCWD, v(p, "c"), AT_FDCWD,
					v(p, "none"), RENAME_EXCHANGE)));
	EXPECT_EQ(EINVAL, ERR(renameat2(AT_FDCWD, v(p, "c"), AT_FDCWD,
					v(p, "d"), RENAME_EXCHANGE |
					RENAME_NOREPLACE)));
	/* As at B, or refused: whiteouts are for union filesystems. */
	err = ERR(renameat2(AT_FDCWD, v(p, "b"), AT_FDCWD, v(p, "w"),
			    RENAME_WHITEOUT));
	EXPECT_TRUE(!err || err == EINVAL);
	if (!err)
		SAME("b");
	else
		EXPECT_STREQ("a", get(b(p, "b")));
}

TEST_F(dir, TR2_tmpfile)
{
	struct place *p = &self->p;
	struct stat st;
	char c = 0;
	int fd;

	DIR_LINK(p);
	fd = open(p->v, O_TMPFILE | O_RDWR, 0640);
	ASSERT_LE(0, fd);
	EXPECT_STREQ("", names(p->b));
	EXPECT_EQ(1, write(fd, "t", 1));
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ('t', c);
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(S_IFREG | 0640, st.st_mode);
	ASSERT_EQ(0, ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				AT_FDCWD, v(p, "t"), AT_SYMLINK_FOLLOW)));
	EXPECT_STREQ("t", get(b(p, "t")));
	SAME("t");
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(ino_of(b(p, "t")), st.st_ino);
	close(fd);
	/* One that can never have a name. */
	fd = open(p->v, O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(ENOENT, ERR(linkat(AT_FDCWD, path("/proc/self/fd/%d", fd),
				     AT_FDCWD, v(p, "u"),
				     AT_SYMLINK_FOLLOW)));
	close(fd);
	EXPECT_STREQ("t", names(p->b));
	EXPECT_EQ(ENOTDIR, err_open(v(p, "t"), O_TMPFILE | O_RDWR));
	EXPECT_EQ(EINVAL, err_open(p->v, O_TMPFILE | O_RDONLY));
}

TEST_F(dir, TR2_dot_dot)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/out", p->top), "out"));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d/e"), 0755)));
	EXPECT_STREQ("out", get(v(p, "../out")));
	EXPECT_STREQ("out", get(v(p, "d/e/../../../out")));
	EXPECT_TRUE(same_inode(p->v, v(p, "d/e/../..")));
	EXPECT_TRUE(same_inode(p->top, v(p, "..")));
	ASSERT_EQ(0, ERR(chdir(v(p, "d/e"))));
	EXPECT_STREQ("out", get("../../../out"));
	EXPECT_TRUE(same_inode(p->v, "../.."));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(dir, TR2_at_functions)
{
	struct place *p = &self->p;
	struct stat st;
	int d, fd;

	DIR_LINK(p);
	d = open(p->v, O_PATH | O_DIRECTORY);
	ASSERT_LE(0, d);
	ASSERT_EQ(0, ERR(mkdirat(d, "d", 0755)));
	fd = openat(d, "d/f", O_CREAT | O_RDWR, 0644);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, ERR(fstatat(d, "d/f", &st, 0)));
	EXPECT_EQ(ino_of(b(p, "d/f")), st.st_ino);
	EXPECT_EQ(0, ERR(fstatat(d, "", &st, AT_EMPTY_PATH)));
	EXPECT_EQ(ino_of(p->b), st.st_ino);
	EXPECT_EQ(0, ERR(faccessat(d, "d/f", R_OK | W_OK, 0)));
	EXPECT_EQ(0, ERR(renameat(d, "d/f", d, "g")));
	EXPECT_EQ(0, ERR(symlinkat("g", d, "s")));
	EXPECT_EQ(0, ERR(linkat(d, "g", d, "l", 0)));
	EXPECT_EQ(0, ERR(fchmodat(d, "g", 0600, 0)));
	EXPECT_EQ(0, ERR(fchownat(d, "g", USER, USER, 0)));
	EXPECT_EQ(0, ERR(unlinkat(d, "l", 0)));
	EXPECT_EQ(0, ERR(unlinkat(d, "d", AT_REMOVEDIR)));
	EXPECT_STREQ("g s", names(p->b));
	SAME("g");
	close(d);
}

TEST_F(dir, TR2_open_as_a_path_only)
{
	struct place *p = &self->p;
	struct stat st;
	char c;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	ASSERT_EQ(0, ERR(symlink("f", v(p, "s"))));
	fd = open(v(p, "f"), O_PATH);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EBADF, ERR(read(fd, &c, 1)));
	EXPECT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_EQ(ino_of(b(p, "f")), st.st_ino);
	EXPECT_STREQ("f", get(path("/proc/self/fd/%d", fd)));
	EXPECT_EQ(0, put(path("/proc/self/fd/%d", fd), "g"));
	EXPECT_STREQ("g", get(b(p, "f")));
	close(fd);
	fd = open(v(p, "s"), O_PATH | O_NOFOLLOW);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ERR(fstat(fd, &st)));
	EXPECT_TRUE(S_ISLNK(st.st_mode));
	EXPECT_EQ(1, readlinkat(fd, "", &c, 1));
	EXPECT_EQ('f', c);
	close(fd);
}

TEST_F(dir, TR1_listing)
{
	struct place *p = &self->p;
	struct dirent *d;
	int types = 0;
	DIR *dir;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), ""));
	ASSERT_EQ(0, ERR(mkdir(v(p, "d"), 0755)));
	ASSERT_EQ(0, ERR(symlink("f", v(p, "s"))));
	ASSERT_EQ(0, ERR(mkfifo(v(p, "p"), 0600)));
	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir))) {
		struct stat st;

		if (d->d_type == DT_UNKNOWN || !strcmp(d->d_name, ".."))
			continue;
		ASSERT_EQ(0, ERR(lstat(b(p, d->d_name), &st)));
		EXPECT_EQ(IFTODT(st.st_mode), d->d_type);
		EXPECT_EQ(st.st_ino, d->d_ino);
		types++;
	}
	EXPECT_EQ(5, types);
	closedir(dir);
	EXPECT_EQ(ENOTDIR, err_open(v(p, "f"), O_DIRECTORY));
}

/* Many names, a buffer that holds few, and positions to come back to. */
TEST_F(dir, TR1_large_listing)
{
	struct place *p = &self->p;
	unsigned int i, count = scaled(1500) + 200, seen = 0;
	char *got = calloc(count, 1);
	struct dirent *d;
	char name[32];
	long middle = -1;
	DIR *dir;
	int fd;

	struct linux_dirent64 {
		uint64_t d_ino;
		int64_t d_off;
		unsigned short d_reclen;
		unsigned char d_type;
		char d_name[];
	};
	char buf[120];

	DIR_LINK(p);
	for (i = 0; i < count; i++)
		ASSERT_EQ(0, ERR(mknod(b(p, path("name-%u", i)),
				       S_IFREG | 0644, 0)));
	fd = open(p->v, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf)), at;

		ASSERT_LE(0, n);
		if (!n)
			break;
		for (at = 0; at < n;) {
			struct linux_dirent64 *e = (void *)(buf + at);

			at += e->d_reclen;
			if (sscanf(e->d_name, "name-%u", &i) != 1)
				continue;
			ASSERT_GT(count, i);
			EXPECT_EQ(0, got[i])
				TH_LOG("%s twice", e->d_name);
			got[i] = 1;
			seen++;
		}
	}
	EXPECT_EQ(count, seen);
	/* Too small for a single name. */
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(EINVAL, ERR(syscall(SYS_getdents64, fd, buf, 8)));
	close(fd);

	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	for (i = 0; i < count / 2; i++)
		ASSERT_NE(NULL, readdir(dir));
	middle = telldir(dir);
	d = readdir(dir);
	ASSERT_NE(NULL, d);
	strcpy(name, d->d_name);
	for (i = 0; (d = readdir(dir)); i++)
		;
	EXPECT_EQ(count + 2 - count / 2 - 1, i);
	seekdir(dir, middle);
	d = readdir(dir);
	ASSERT_NE(NULL, d);
	EXPECT_STREQ(name, d->d_name);
	/* While they go: each that stays is listed, none twice. */
	rewinddir(dir);
	memset(got, 0, count);
	for (i = 0; i < count; i += 2)
		ASSERT_EQ(0, ERR(unlink(v(p, path("name-%u", i)))));
	while ((d = readdir(dir)))
		if (sscanf(d->d_name, "name-%u", &i) == 1)
			got[i]++;
	for (i = 0; i < count; i++)
		EXPECT_EQ(i & 1, got[i])
			TH_LOG("name-%u", i);
	closedir(dir);
	free(got);
}

TEST_F(dir, TR1_an_open_directory)
{
	struct place *p = &self->p;
	struct stat st, sb;
	int fd;

	DIR_LINK(p);
	fd = open(p->v, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EISDIR, err_open(p->v, O_RDWR));
	EXPECT_EQ(EISDIR, err_open(p->v, O_WRONLY));
	EXPECT_EQ(EISDIR, ERR(read(fd, &st, 1)));
	EXPECT_EQ(EBADF, ERR(write(fd, &st, 1)));
	EXPECT_EQ(0, ERR(fsync(fd)));
	ASSERT_EQ(0, put(v(p, "new"), ""));
	ASSERT_EQ(0, ERR(fstat(fd, &st)));
	ASSERT_EQ(0, ERR(stat(p->b, &sb)));
	EXPECT_EQ(sb.st_ino, st.st_ino);
	EXPECT_EQ(sb.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
	EXPECT_EQ(0, ERR(fchmod(fd, 0711)));
	EXPECT_EQ(0, ERR(fchown(fd, USER, USER)));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_EQ(0, ERR(fchdir(fd)));
	EXPECT_STREQ("new", names("."));
	ASSERT_EQ(0, ERR(chdir("/")));
	close(fd);
}

TEST_F(dir, TR1_times)
{
	struct place *p = &self->p;
	struct timespec t[2] = {
		{ .tv_sec = 123456789, .tv_nsec = 1000 },
		{ .tv_sec = 987654321, .tv_nsec = 2000 },
	};
	struct stat st;
	pid_t pid;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(v(p, "f"), "f"));
	ASSERT_EQ(0, ERR(symlink("f", v(p, "s"))));
	ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, v(p, "f"), t, 0)));
	SAME("f");
	ASSERT_EQ(0, ERR(stat(b(p, "f"), &st)));
	EXPECT_EQ(123456789, st.st_atim.tv_sec);
	EXPECT_EQ(987654321, st.st_mtim.tv_sec);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 55;
	ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, v(p, "s"), t,
				   AT_SYMLINK_NOFOLLOW)));
	SAME("s");
	EXPECT_NE(NULL, strstr(lfacts(b(p, "s")), " mtime 55.000002000 "));
	fd = open(v(p, "f"), O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(futimens(fd, t)));
	SAME("f");
	close(fd);
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(utimensat(AT_FDCWD, v(p, "f"), NULL, 0)));
	EXPECT_EQ(EACCES, reap(pid));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(utimensat(AT_FDCWD, v(p, "f"), t, 0)));
	EXPECT_EQ(EPERM, reap(pid));
	ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, v(p, "f"), NULL, 0)));
	SAME("f");
	/* What is in a directory sets its times, and reading a file its own. */
	ASSERT_EQ(0, put(v(p, "g"), ""));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_STREQ("f", get(v(p, "f")));
	ASSERT_EQ(0, ERR(stat(b(p, "f"), &st)));
	struct stat sv;
	ASSERT_EQ(0, ERR(stat(v(p, "f"), &sv)));
	EXPECT_EQ(st.st_atim.tv_sec, sv.st_atim.tv_sec);
	EXPECT_EQ(st.st_atim.tv_nsec, sv.st_atim.tv_nsec);
}

/* Reading through V is reading, as far as B's mount keeps count of that. */
TEST_F(dir, TR1_time_of_access)
{
	struct place *p = &self->p;
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	struct stat st;
	int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mount(p->b, p->b, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, put(b(p, "f"), "f"));
	ASSERT_EQ(0, ERR(symlink("f", b(p, "s"))));
	ASSERT_EQ(0, ERR(mkdir(b(p, "d"), 0755)));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND |
				       (i ? MS_NOATIME : MS_RELATIME), NULL)));
		ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, b(p, "f"), old, 0)));
		ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, b(p, "d"), old, 0)));
		EXPECT_STREQ("f", get(v(p, "f")));
		EXPECT_STREQ("", names(v(p, "d")));
		ASSERT_EQ(0, ERR(stat(b(p, "f"), &st)));
		EXPECT_EQ(i, st.st_atime == 1);
		ASSERT_EQ(0, ERR(stat(v(p, "f"), &st)));
		EXPECT_EQ(i, st.st_atime == 1);
		ASSERT_EQ(0, ERR(stat(b(p, "d"), &st)));
		EXPECT_EQ(i, st.st_atime == 1);
	}
}

static int drop_caches(void)
{
	int i, err = 0;

	/* What was used lately goes the second time. */
	for (i = 0; i < 3; i++)
		err = err ?: -put("/proc/sys/vm/drop_caches", "2");
	return err;
}

/* What is watched is the directory, though nothing else remembers its name. */
TEST_F(dir, TR6_a_watch_outlives_the_dcache)
{
	struct place *p = &self->p;
	char events[4096];
	unsigned int i;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(v(p, "sub"), 0755)));
	ASSERT_EQ(0, ERR(mkdir(v(p, "gone"), 0755)));
	fd = inotify_init1(IN_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, inotify_add_watch(fd, v(p, "sub"), IN_CREATE));
	ASSERT_LE(0, inotify_add_watch(fd, v(p, "gone"), IN_CREATE));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, drop_caches());
		ASSERT_EQ(0, put(v(p, path("sub/%u", i)), "new"));
		EXPECT_LT(0, read(fd, events, sizeof(events)))
			TH_LOG("round %u: not told", i);
	}
	/* Another directory by the same name is another one. */
	ASSERT_EQ(0, drop_caches());
	ASSERT_EQ(0, ERR(rmdir(b(p, "gone"))));
	ASSERT_EQ(0, ERR(mkdir(b(p, "gone"), 0755)));
	ASSERT_EQ(0, put(v(p, "gone/new"), "new"));
	EXPECT_EQ(-1, read(fd, events, sizeof(events)));
	EXPECT_EQ(0, rm_rf(v(p, "sub")));
	ASSERT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
