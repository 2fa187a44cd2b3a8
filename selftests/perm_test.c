// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what through a link: what they may do at B, no less and no more.
 */
#include <grp.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "place.h"

#include <bindlink.h>

PLACES(perm);

TEST_F(perm, TR9_mode_bits)
{
	static const struct {
		mode_t mode;
		int read, write, exec;
	} cases[] = {
		{ 0777, 0, 0, 0 },
		{ 0704, 0, EACCES, EACCES },
		{ 0702, EACCES, 0, EACCES },
		{ 0701, EACCES, EACCES, 0 },
		{ 0770, EACCES, EACCES, EACCES },
	};
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	unsigned int i, who;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	for (who = 0; who < 3; who++) {
		/* The file is root's, the user's, or the user's group's. */
		ASSERT_EQ(0, ERR(chown(b, who == 1 ? USER : 0,
				       who == 2 ? USER : 0)));
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			/* The bits of others moved to the class at hand. */
			mode_t bits = cases[i].mode & 7;
			mode_t mode = who == 1 ? bits << 6 | 077 :
				      who == 2 ? bits << 3 | 0707 :
				      cases[i].mode;
			pid_t pid;

			ASSERT_EQ(0, ERR(chmod(b, mode)));
			pid = fork_user(USER);
			if (!pid)
				_exit(err_open(v, O_RDONLY) != cases[i].read ||
				      err_open(v, O_WRONLY) !=
					      cases[i].write ||
				      ERR(access(v, R_OK)) != cases[i].read ||
				      ERR(access(v, W_OK)) != cases[i].write ||
				      ERR(access(v, X_OK)) != cases[i].exec);
			EXPECT_EQ(0, reap(pid))
				TH_LOG("mode %o, who %u", mode, who);
		}
	}
}

TEST_F(perm, TR9_owner_only)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(chmod(b, 0666)));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(chmod(v, 0777)) != EPERM ||
		      ERR(chown(v, USER, USER)) != EPERM);
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(0, ERR(chown(b, USER, USER)));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(chmod(v, 0640)) || ERR(chown(v, -1, USER)) ||
		      ERR(chown(v, OTHER, -1)) != EPERM ||
		      ERR(chown(v, -1, OTHER)) != EPERM);
	EXPECT_EQ(0, reap(pid));
	EXPECT_NE(NULL, strstr(facts(b), " mode 100640 "));
}

TEST_F(perm, TR9_the_way_to_backing_is_not_asked_for)
{
	struct place *p = &self->p;
	const char *closed = path("%s/closed", p->back);
	const char *b = path("%s/b", closed);
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(closed, 0700)));
	ASSERT_EQ(0, ERR(mkdir(b, 0777)));
	ASSERT_EQ(0, ERR(chmod(b, 0777)));
	ASSERT_EQ(0, put(path("%s/x", b), "x"));
	ASSERT_EQ(0, link_make(p->v, b));
	pid = fork_user(USER);
	if (!pid)
		_exit(strcmp("x", get(path("%s/x", p->v))) ||
		      put(path("%s/y", p->v), "y") ||
		      strcmp("x y", names(p->v)) ||
		      err_open(path("%s/x", b), O_RDONLY) != EACCES);
	EXPECT_EQ(0, reap(pid));
	/* Also where B is followed anew, by that user first. */
	ASSERT_EQ(0, ERR(rename(b, path("%s/old", closed))));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", b), "new"));
	pid = fork_user(USER);
	if (!pid)
		_exit(strcmp("new", get(path("%s/x", p->v))));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(perm, TR9_set_group_id_directory)
{
	struct place *p = &self->p;
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(chown(p->b, 0, OTHER)));
	ASSERT_EQ(0, ERR(chmod(p->b, 02777)));
	pid = fork_user(USER);
	if (!pid)
		_exit(-put(path("%s/f", p->v), "f") |
		      ERR(mkdir(path("%s/d", p->v), 0755)) |
		      ERR(symlink("f", path("%s/s", p->v))));
	EXPECT_EQ(0, reap(pid));
	EXPECT_NE(NULL, strstr(facts(path("%s/f", p->b)),
			       " uid 1000 gid 1001 "));
	EXPECT_NE(NULL, strstr(facts(path("%s/d", p->b)), " mode 42755 "));
	EXPECT_NE(NULL, strstr(facts(path("%s/d", p->b)),
			       " uid 1000 gid 1001 "));
	EXPECT_NE(NULL, strstr(lfacts(path("%s/s", p->b)),
			       " uid 1000 gid 1001 "));
	/* One who is not of the group cannot keep the bit on a file. */
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(chmod(path("%s/f", p->v), 02755)));
	EXPECT_EQ(0, reap(pid));
	EXPECT_NE(NULL, strstr(facts(path("%s/f", p->b)), " mode 100755 "));
}

/* A file that a user writes loses the bits that would make it somebody's. */
TEST_F(perm, TR9_set_user_id_lost)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	int how;

	DIR_LINK(p);
	for (how = 0; how < 5; how++) {
		pid_t pid;

		ASSERT_EQ(0, put(b, "f"));
		ASSERT_EQ(0, ERR(chmod(b, 06777)));
		pid = fork_user(USER);
		if (!pid) {
			int fd = open(v, O_RDWR);

			switch (how) {
			case 0:
				_exit(write(fd, "x", 1) != 1);
			case 1:
				_exit(ERR(ftruncate(fd, 0)));
			case 2:
				_exit(ERR(fallocate(fd, 0, 0, 100)));
			case 3:
				_exit(ERR(truncate(v, 5)));
			case 4:
				_exit(err_open(v, O_WRONLY | O_TRUNC));
			}
		}
		EXPECT_EQ(0, reap(pid));
		EXPECT_NE(NULL, strstr(facts(b), " mode 100777 "))
			TH_LOG("how %d: %s", how, facts(b));
		EXPECT_STREQ(facts(b), facts(v));
	}
	ASSERT_EQ(0, ERR(chmod(b, 06755)));
	ASSERT_EQ(0, ERR(chown(v, USER, USER)));
	EXPECT_NE(NULL, strstr(facts(b), " mode 100755 "));
	EXPECT_STREQ(facts(b), facts(v));
}

TEST_F(perm, TR9_supplementary_groups_and_fsuid)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	const gid_t groups[] = { OTHER, };
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(chown(b, 0, OTHER)));
	ASSERT_EQ(0, ERR(chmod(b, 0040)));
	pid = fork();
	if (!pid) {
		if (setgroups(1, groups) || setresgid(USER, USER, USER) ||
		    setresuid(USER, USER, USER))
			_exit(255);
		_exit(err_open(v, O_RDONLY));
	}
	EXPECT_EQ(0, reap(pid));
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(v, O_RDONLY));
	EXPECT_EQ(EACCES, reap(pid));
	/* As a file server does: the filesystem's identity only. */
	ASSERT_EQ(0, ERR(chmod(p->b, 0777)));
	pid = fork();
	if (!pid) {
		setfsgid(USER);
		setfsuid(USER);
		_exit(err_open(v, O_RDONLY) != EACCES ||
		      put(path("%s/mine", p->v), ""));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_NE(NULL, strstr(facts(path("%s/mine", p->b)),
			       " uid 1000 gid 1000 "));
}

/* An open file needs no permission anew, one passed on works for anybody. */
TEST_F(perm, TR9_an_open_file)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	pid_t pid;
	char c;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(chmod(b, 0600)));
	fd = open(v, O_RDWR);
	ASSERT_LE(0, fd);
	pid = fork_user(USER);
	if (!pid)
		_exit(pread(fd, &c, 1, 0) != 1 || pwrite(fd, "g", 1, 0) != 1 ||
		      err_open(v, O_RDONLY) != EACCES ||
		      err_open(path("/proc/self/fd/%d", fd), O_RDONLY) !=
			      EACCES);
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("g", get(b));
	close(fd);
}

TEST_F(perm, TR9_user_namespace)
{
	struct place *p = &self->p;
	int ready[2], mapped[2];
	pid_t pid;
	char c;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(chmod(p->b, 0777)));
	ASSERT_EQ(0, put(path("%s/roots", p->b), "root's"));
	ASSERT_EQ(0, ERR(chmod(path("%s/roots", p->b), 0600)));
	ASSERT_EQ(0, ERR(pipe(ready)));
	ASSERT_EQ(0, ERR(pipe(mapped)));
	pid = fork();
	if (!pid) {
		struct stat st;

		if (unshare(CLONE_NEWUSER) || write(ready[1], "r", 1) != 1 ||
		    read(mapped[0], &c, 1) != 1)
			_exit(100);
		if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
			_exit(101);
		/* Root here, and nobody in particular at B. */
		if (err_open(path("%s/roots", p->v), O_RDONLY) != EACCES)
			_exit(102);
		if (put(path("%s/mine", p->v), "mine"))
			_exit(103);
		if (stat(path("%s/mine", p->v), &st) || st.st_uid || st.st_gid)
			_exit(104);
		if (stat(path("%s/roots", p->v), &st) || st.st_uid != 65534)
			_exit(105);
		if (ERR(chown(path("%s/mine", p->v), 5, 5)))
			_exit(106);
		if (ERR(chown(path("%s/mine", p->v), 70000, 5)) != EINVAL)
			_exit(107);
		if (ERR(chmod(path("%s/roots", p->v), 0666)) != EPERM)
			_exit(108);
		if (!ERR(mknod(path("%s/null", p->v), S_IFCHR | 0666,
			       makedev(1, 3))))
			_exit(109);
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, write_text(path("/proc/%d/uid_map", pid),
				"0 100000 1000\n"));
	ASSERT_EQ(0, write_text(path("/proc/%d/gid_map", pid),
				"0 100000 1000\n"));
	ASSERT_EQ(1, write(mapped[1], "m", 1));
	EXPECT_EQ(0, reap(pid));
	EXPECT_NE(NULL, strstr(facts(path("%s/mine", p->b)),
			       " uid 100005 gid 100005 "));
}

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif

/* A user namespace with a map, kept open as a descriptor. */
static int userns(unsigned int outside)
{
	int ready[2], hold[2], fd;
	pid_t pid;
	char c;

	if (pipe(ready) || pipe(hold))
		return -1;
	pid = fork();
	if (!pid) {
		close(hold[1]);
		if (unshare(CLONE_NEWUSER) || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(hold[0], &c, 1) < 0);
	}
	if (read(ready[0], &c, 1) != 1)
		return -1;
	write_text(path("/proc/%d/uid_map", pid), path("0 %u 10000\n",
						       outside));
	write_text(path("/proc/%d/gid_map", pid), path("0 %u 10000\n",
						       outside));
	fd = open(path("/proc/%d/ns/user", pid), O_RDONLY | O_CLOEXEC);
	close(hold[1]);
	close(hold[0]);
	close(ready[0]);
	close(ready[1]);
	reap(pid);
	return fd;
}

/* B on a mount that shows other owners than the disk has. */
TEST_F(perm, TR9_idmapped_mount_of_backing)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, };
	pid_t pid;
	int fd;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0777)));
	ASSERT_EQ(0, ERR(chmod(p->b, 0777)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, put(path("%s/f", p->b), "f"));
	ASSERT_EQ(0, ERR(chown(path("%s/f", p->b), USER, USER)));
	ASSERT_EQ(0, ERR(chmod(path("%s/f", p->b), 0600)));
	fd = syscall(SYS_open_tree, AT_FDCWD, p->b,
		     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, fd);
	/* Whose number on disk is n is 20000 + n here. */
	attr.userns_fd = userns(20000);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr,
		    sizeof(attr)))
		SKIP(return, "no idmapped mounts of that filesystem: %s",
		     strerror(errno));
	ASSERT_EQ(0, ERR(syscall(SYS_move_mount, fd, "", AT_FDCWD, m,
				 MOVE_MOUNT_F_EMPTY_PATH)));
	close(fd);
	ASSERT_EQ(0, link_make(p->v, m))
		TH_LOG("%s", link_why());
	EXPECT_NE(NULL, strstr(facts(path("%s/f", m)),
			       " uid 21000 gid 21000 "));
	EXPECT_STREQ(facts(path("%s/f", m)), facts(path("%s/f", p->v)));
	EXPECT_STREQ(facts(m), facts(p->v));
	/* The one it is shown to belong to may, the one on disk may not. */
	pid = fork_user(21000);
	if (!pid)
		_exit(strcmp("f", get(path("%s/f", p->v))) ||
		      put(path("%s/g", p->v), "g") ||
		      ERR(chmod(path("%s/f", p->v), 0640)));
	EXPECT_EQ(0, reap(pid));
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(path("%s/f", p->v), O_RDONLY));
	EXPECT_EQ(EACCES, reap(pid));
	EXPECT_NE(NULL, strstr(facts(path("%s/g", p->b)),
			       " uid 1000 gid 1000 "));
	EXPECT_NE(NULL, strstr(facts(path("%s/g", p->v)),
			       " uid 21000 gid 21000 "));
	/* One who is not mapped cannot own anything there. */
	pid = fork_user(USER);
	if (!pid)
		_exit(err_open(path("%s/h", p->v), O_CREAT | O_RDWR));
	EXPECT_EQ(EOVERFLOW, reap(pid));
	EXPECT_EQ(0, ERR(chown(path("%s/g", p->v), 20005, 20005)));
	EXPECT_NE(NULL, strstr(facts(path("%s/g", p->b)), " uid 5 gid 5 "));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, ERR(umount2(m, 0)));
}

/* Makes B a mount of its own, the flags of which can be changed. */
static int make_mount(const struct place *p)
{
	if (mkdir(p->v, 0755) || mkdir(p->b, 0755) ||
	    mount(p->b, p->b, NULL, MS_BIND, NULL))
		return errno;
	return 0;
}

static int remount(const struct place *p, unsigned long flags)
{
	return ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND | flags,
			 NULL));
}

static const char *payload(void)
{
	return getenv("BINDLINK_PAYLOAD") ?: "payload";
}

/* Effective user of a program run by the user, or 256 and errno. */
static int euid_of(const char *prog)
{
	char buf[64] = "";
	int pipes[2], uid = -1;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid = fork_user(USER);
	if (!pid) {
		dup2(pipes[1], 1);
		execl(prog, prog, "ids", NULL);
		_exit(errno);
	}
	close(pipes[1]);
	if (read(pipes[0], buf, sizeof(buf) - 1) > 0)
		uid = atoi(buf);
	close(pipes[0]);
	return reap(pid) ? -EACCES : uid;
}

/* Which flags the mount has when the link is made, and what they are later. */
static const struct {
	const char *name;
	bool before, after;
} order[] = {
	{ "always on", true, true },
	{ "taken off later", true, false },
	{ "put on later", false, true },
};

TEST_F(perm, TR10_nosuid)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v);
	unsigned int i;

	ASSERT_EQ(0, make_mount(p));
	ASSERT_EQ(0, copy(payload(), path("%s/prog", p->b), 0755));
	ASSERT_EQ(0, ERR(chmod(path("%s/prog", p->b), 04755)));
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, remount(p, order[i].before ? MS_NOSUID : 0));
		ASSERT_EQ(0, link_make(p->v, p->b));
		EXPECT_EQ(order[i].before ? USER : 0, euid_of(v));
		ASSERT_EQ(0, remount(p, order[i].after ? MS_NOSUID : 0));
		EXPECT_EQ(order[i].after ? USER : 0, euid_of(v))
			TH_LOG("nosuid %s", order[i].name);
		ASSERT_EQ(0, link_drop(p->v));
	}
}

TEST_F(perm, TR10_nodev)
{
	struct place *p = &self->p;
	const char *v = path("%s/null", p->v), *b = path("%s/null", p->b);
	unsigned int i;

	ASSERT_EQ(0, make_mount(p));
	ASSERT_EQ(0, ERR(mknod(b, S_IFCHR | 0666, makedev(1, 3))));
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, remount(p, order[i].before ? MS_NODEV : 0));
		ASSERT_EQ(0, link_make(p->v, p->b));
		EXPECT_EQ(order[i].before ? EACCES : 0, err_open(b, O_RDONLY));
		EXPECT_EQ(order[i].before ? EACCES : 0, err_open(v, O_RDONLY));
		ASSERT_EQ(0, remount(p, order[i].after ? MS_NODEV : 0));
		EXPECT_EQ(order[i].after ? EACCES : 0, err_open(v, O_RDONLY))
			TH_LOG("nodev %s", order[i].name);
		ASSERT_EQ(0, link_drop(p->v));
	}
}

TEST_F(perm, TR10_noexec)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v);
	unsigned int i;
	void *map;
	int fd;

	ASSERT_EQ(0, make_mount(p));
	ASSERT_EQ(0, copy(payload(), path("%s/prog", p->b), 0755));
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, remount(p, order[i].before ? MS_NOEXEC : 0));
		ASSERT_EQ(0, link_make(p->v, p->b));
		EXPECT_EQ(order[i].before ? -EACCES : USER, euid_of(v));
		ASSERT_EQ(0, remount(p, order[i].after ? MS_NOEXEC : 0));
		EXPECT_EQ(order[i].after ? -EACCES : USER, euid_of(v))
			TH_LOG("noexec %s", order[i].name);
		if (order[i].after) {
			EXPECT_EQ(EACCES, ERR(access(v, X_OK)));
			fd = open(v, O_RDONLY);
			ASSERT_LE(0, fd);
			map = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
				   MAP_PRIVATE, fd, 0);
			EXPECT_EQ(MAP_FAILED, map);
			EXPECT_EQ(EPERM, errno);
			map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
			ASSERT_NE(MAP_FAILED, map);
			EXPECT_EQ(EACCES, ERR(mprotect(map, 4096, PROT_READ |
						       PROT_EXEC)));
			munmap(map, 4096);
			close(fd);
		}
		ASSERT_EQ(0, link_drop(p->v));
	}
}

TEST_F(perm, TR10_read_only)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	unsigned int i;

	ASSERT_EQ(0, make_mount(p));
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		ASSERT_EQ(0, remount(p, order[i].before ? MS_RDONLY : 0));
		ASSERT_EQ(0, link_make(p->v, p->b));
		EXPECT_EQ(order[i].before ? EROFS : 0, err_open(v, O_RDWR));
		ASSERT_EQ(0, remount(p, order[i].after ? MS_RDONLY : 0));
		EXPECT_STREQ("f", get(v));
		if (!order[i].after) {
			EXPECT_EQ(0, err_open(v, O_RDWR))
				TH_LOG("ro %s", order[i].name);
			EXPECT_EQ(0, ERR(access(v, W_OK)));
			EXPECT_EQ(0, ERR(chmod(v, 0644)));
			EXPECT_EQ(0, ERR(mkdir(path("%s/d2", p->v), 0755)));
			EXPECT_EQ(0, ERR(rmdir(path("%s/d2", p->v))));
			ASSERT_EQ(0, link_drop(p->v));
			continue;
		}
		EXPECT_EQ(EROFS, err_open(v, O_WRONLY))
			TH_LOG("ro %s", order[i].name);
		EXPECT_EQ(EROFS, err_open(v, O_RDWR));
		EXPECT_EQ(EROFS, err_open(v, O_RDONLY | O_TRUNC));
		EXPECT_EQ(EROFS, err_open(path("%s/new", p->v),
					  O_CREAT | O_RDWR));
		EXPECT_EQ(0, err_open(v, O_CREAT | O_RDONLY));
		EXPECT_EQ(EROFS, ERR(truncate(v, 0)));
		EXPECT_EQ(EROFS, ERR(chmod(v, 0600)));
		EXPECT_EQ(EROFS, ERR(chown(v, USER, USER)));
		EXPECT_EQ(EROFS, ERR(utimensat(AT_FDCWD, v, times, 0)));
		EXPECT_EQ(EROFS, ERR(unlink(v)));
		EXPECT_EQ(EROFS, ERR(rename(v, path("%s/g", p->v))));
		EXPECT_EQ(EROFS, ERR(link(v, path("%s/g", p->v))));
		EXPECT_EQ(EROFS, ERR(symlink("x", path("%s/g", p->v))));
		EXPECT_EQ(EROFS, ERR(mkdir(path("%s/g", p->v), 0755)));
		EXPECT_EQ(EROFS, ERR(mkfifo(path("%s/g", p->v), 0755)));
		EXPECT_EQ(EROFS, ERR(rmdir(path("%s/d", p->v))));
		EXPECT_EQ(EROFS, err_open(p->v, O_TMPFILE | O_RDWR));
		EXPECT_EQ(EROFS, ERR(access(v, W_OK)));
		EXPECT_EQ(EROFS, ERR(access(p->v, W_OK)));
		EXPECT_STREQ("d f", names(p->b));
		ASSERT_EQ(0, link_drop(p->v));
	}
	ASSERT_EQ(0, remount(p, 0));
}

TEST_F(perm, TR10_file_link)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *b = path("%s/f", m);

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, link_make(p->v, b));
	EXPECT_EQ(0, err_open(p->v, O_RDWR));
	ASSERT_EQ(0, ERR(mount(NULL, m, NULL, MS_REMOUNT | MS_RDONLY |
			       MS_NOSUID | MS_NOEXEC, NULL)));
	EXPECT_EQ(EROFS, err_open(p->v, O_RDWR));
	EXPECT_EQ(EROFS, ERR(chmod(p->v, 0600)));
	EXPECT_EQ(EROFS, ERR(access(p->v, W_OK)));
	EXPECT_STREQ("f", get(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, ERR(umount2(m, 0)));
}

/* The mount at V has flags of its own, which an administrator may set. */
TEST_F(perm, TR10_flags_of_the_mount_at_virtual)
{
	struct place *p = &self->p;
	const char *f = path("%s/f", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, put(f, "f"));
	ASSERT_EQ(0, ERR(mount(NULL, p->v, NULL, MS_REMOUNT | MS_BIND |
			       MS_RDONLY, NULL)));
	EXPECT_EQ(EROFS, err_open(f, O_RDWR));
	EXPECT_EQ(EROFS, ERR(mkdir(path("%s/d", p->v), 0755)));
	EXPECT_EQ(0, err_open(path("%s/f", p->b), O_RDWR));
	ASSERT_EQ(0, ERR(mount(NULL, p->v, NULL, MS_REMOUNT | MS_BIND, NULL)));
	EXPECT_EQ(0, err_open(f, O_RDWR));
}

/* What the caller may do with a file or a directory. */
static const char *rights(const char *at, bool dir)
{
	const char *name = dir ? path("%s/new", at) : at;
	int made = dir ? ERR(mkdir(name, 0700)) : err_open(name, O_RDWR);

	if (dir && !made)
		rmdir(name);
	return path("%s %s %s, %s, %s",
		    strerrorname_np(ERR(faccessat(AT_FDCWD, at, R_OK, AT_EACCESS))),
		    strerrorname_np(ERR(faccessat(AT_FDCWD, at, W_OK, AT_EACCESS))),
		    strerrorname_np(ERR(faccessat(AT_FDCWD, at, X_OK, AT_EACCESS))),
		    strerrorname_np(made),
		    strerrorname_np(err_open(at, O_RDONLY)));
}

/* By @uid, first at V: what is known of B there may be old. */
static int same_rights(uid_t uid, const char *v, const char *b, bool dir)
{
	const char *at_v, *at_b;
	pid_t pid = uid ? fork_user(uid) : fork();

	if (pid)
		return reap(pid);
	at_v = rights(v, dir);
	at_b = rights(b, dir);
	if (strcmp(at_v, at_b))
		printf("# %u at %s: %s, at %s: %s\n", uid, v, at_v, b, at_b);
	fflush(stdout);
	_exit(strcmp(at_v, at_b) != 0);
}

static int set_flag(const char *at, int flag, bool on)
{
	int fd = open(at, O_RDONLY | O_CLOEXEC), flags = 0, err;

	err = fd < 0 ? errno : ERR(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = on ? flags | flag : flags & ~flag;
	err = err ?: ERR(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	if (fd >= 0)
		close(fd);
	return err;
}

static int link_either(const struct place *p, bool merged)
{
	return link_make_flags(p->v, p->b, merged ? BINDLINK_FLAG_MERGED : 0,
			       NULL, 0);
}

/* The owner is often asked nothing more than by the mode: where that is enough. */
TEST_F(perm, TR9_SE3_the_owner)
{
	static const mode_t modes[] = {
		0, 0100, 0200, 0300, 0400, 0500, 0600, 0700, 0077, 0007, 0777,
	};
	static const uid_t owners[] = { USER, 0, USER + 1 };
	struct place *p = &self->p;
	const char *names[] = { "", "/d", "/f" };
	unsigned int n, i, merged, who;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)) ?: ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/f", p->b), "f"));
	for (merged = 0; merged < 2; merged++) {
		ASSERT_EQ(0, link_either(p, merged))
			TH_LOG("%s", link_why());
		for (n = 0; n < ARRAY_SIZE(names); n++) {
			const char *b = path("%s%s", p->b, names[n]);
			const char *v = path("%s%s", p->v, names[n]);
			bool dir = n < 2;

			for (who = 0; who < ARRAY_SIZE(owners); who++) {
				ASSERT_EQ(0, ERR(chown(b, owners[who], 0)));
				for (i = 0; i < ARRAY_SIZE(modes); i++) {
					ASSERT_EQ(0, ERR(chmod(b, modes[i])));
					EXPECT_EQ(0, same_rights(USER, v, b, dir))
						TH_LOG("merged %u, mode %o of %u",
						       merged, modes[i], owners[who]);
					EXPECT_EQ(0, same_rights(0, v, b, dir));
				}
			}
			ASSERT_EQ(0, ERR(chown(b, 0, 0)));
			ASSERT_EQ(0, ERR(chmod(b, 0755)));
			EXPECT_EQ(0, same_rights(0, v, b, dir));
			/* What the mode does not say. */
			if (!set_flag(b, FS_IMMUTABLE_FL, true)) {
				EXPECT_EQ(0, same_rights(0, v, b, dir));
				EXPECT_EQ(EPERM, ERR(access(v, W_OK)));
				ASSERT_EQ(0, set_flag(b, FS_IMMUTABLE_FL, false));
				EXPECT_EQ(0, same_rights(0, v, b, dir));
				EXPECT_EQ(0, ERR(access(v, W_OK)));
			}
			ASSERT_EQ(0, ERR(chown(b, USER, USER)));
			/* An ID that is the same by another name only. */
			pid = fork();
			if (!pid) {
				if (setfsuid(USER) != 0 || setfsgid(USER))
					_exit(200);
				_exit(strcmp(rights(v, dir), rights(b, dir)) != 0);
			}
			EXPECT_EQ(0, reap(pid));
			ASSERT_EQ(0, ERR(chown(b, 0, 0)));
		}
		ASSERT_EQ(0, link_drop(p->v));
	}
}

/* A filesystem that becomes read-only, not only its mount. */
TEST_F(perm, TR10_RO1_the_filesystem_is_remounted)
{
	struct place *p = &self->p;
	const char *names[] = { "", "/d", "/f" };
	unsigned int n, i, merged;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)) ?: ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", p->b, "tmpfs", 0, "mode=755")));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/f", p->b), "f"));
	for (merged = 0; merged < 2; merged++) {
		ASSERT_EQ(0, link_either(p, merged))
			TH_LOG("%s", link_why());
		for (i = 0; i < 4; i++) {
			bool ro = i & 1;

			ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT |
					       (ro ? MS_RDONLY : 0), NULL)));
			for (n = 0; n < ARRAY_SIZE(names); n++) {
				const char *v = path("%s%s", p->v, names[n]);

				EXPECT_EQ(ro ? EROFS : 0, ERR(access(v, W_OK)))
					TH_LOG("%s, merged %u", v, merged);
				EXPECT_EQ(0, ERR(access(v, R_OK)));
			}
			EXPECT_EQ(ro ? EROFS : 0, err_open(path("%s/f", p->v),
							   O_WRONLY));
		}
		ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT, NULL)));
		ASSERT_EQ(0, link_drop(p->v));
	}
	EXPECT_EQ(0, ERR(umount2(p->b, 0)));
}

TEST_HARNESS_MAIN
