// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes of links to regular files, which have them if that was asked for; see
 * lane_test.c.
 */
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "../uapi/linux/bindlink.h"
#include "kselftest_harness.h"
#include "place.h"

/*
 * Links to files, carried by what is in their place, or by the parent where there is
 * nothing.
 */
static int file_link(struct place *p, uint32_t flags, uint32_t attach,
		     const char *text)
{
	const char *parent = path("%s/par", p->top);

	snprintf(p->v, sizeof(p->v), "%s/v", parent);
	return ERR(mkdir(parent, 0755)) ? : -put(p->b, text) ? :
	       (attach == BINDLINK_ATTACH_PATH ? -put(p->v, "original") : 0) ? :
	       -link_make_opts(p->v, p->b, flags, attach, NULL, 0);
}

/* Put another file in the place of @file, as whoever saves or upgrades one does. */
static int replace(const char *file, const char *text)
{
	const char *fresh = path("%s.new", file);

	return -put(fresh, text) ? : ERR(rename(fresh, file));
}

/*
 * Opens it in the tree: whoever works on mounts closes the lane, for a second, if
 * there is one already.
 */
static int open_in_tree(const char *file, int flags)
{
	struct stat st;

	if (stat(file, &st))
		return -1;
	mount(NULL, file, NULL, MS_REMOUNT | MS_BIND | MS_RELATIME, NULL);
	return open(file, flags | O_CLOEXEC);
}

FIXTURE(native)
{
	struct place p;
};

FIXTURE_VARIANT(native)
{
	const char *back;
	uint32_t attach;
};

FIXTURE_VARIANT_ADD(native, path)
{
	.back = "ext4", .attach = BINDLINK_ATTACH_PATH,
};

FIXTURE_VARIANT_ADD(native, parent_cross)
{
	.back = "tmpfs", .attach = BINDLINK_ATTACH_PARENT,
};

FIXTURE_SETUP(native)
{
	const char *why;

	umask(022);
	why = place_make(&self->p, "ext4", variant->back);
	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN_PARENT(native)
{
	EXPECT_EQ(NULL, place_drop(&self->p))
		TH_LOG("teardown: something is left behind");
}

#define NATIVE_LINK(p, text) do {					\
	ASSERT_EQ(0, file_link(p, BINDLINK_FLAG_NATIVE, variant->attach, \
			       text))					\
		TH_LOG("%s", link_why());				\
} while (0)

TEST_F(native, TR1_is_the_backing_itself)
{
	struct place *p = &self->p;
	struct statx v, b;

	NATIVE_LINK(p, "b");
	EXPECT_STREQ("b", get(p->v));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_STREQ("b", get(p->v));
	ASSERT_EQ(0, put(p->v, "v"));
	EXPECT_STREQ("v", get(p->b));
	ASSERT_EQ(0, ERR(statx(AT_FDCWD, p->v, 0, STATX_BASIC_STATS, &v)));
	ASSERT_EQ(0, ERR(statx(AT_FDCWD, p->b, 0, STATX_BASIC_STATS, &b)));
	EXPECT_EQ(b.stx_ino, v.stx_ino);
	EXPECT_EQ(b.stx_dev_minor, v.stx_dev_minor);
	EXPECT_TRUE(in_lane(p->v));
	EXPECT_EQ(ENOTDIR, ERR(access(path("%s/", p->v), F_OK)));
	EXPECT_EQ(EEXIST, err_open(p->v, O_CREAT | O_EXCL | O_WRONLY));
	EXPECT_STREQ(p->b, link_listed(p->v));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));
	EXPECT_STREQ(variant->attach == BINDLINK_ATTACH_PATH ? "original" :
		     "!ENOENT", get(p->v));
}

/* What was not asked for is not done. */
TEST_F(native, CR7_only_if_it_is_asked_for)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, file_link(p, 0, variant->attach, "b"));
	EXPECT_STREQ("b", get(p->v));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
}

/* Where it could never be it is refused, by name. */
TEST_F(native, CR7_not_with_what_takes_a_tree)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top);
	const char *d = path("%s/d", par), *e = path("%s/e", d);

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(e, "e"));
	EXPECT_EQ(-EINVAL, link_make_flags(d, p->b, BINDLINK_FLAG_NATIVE |
					   BINDLINK_FLAG_READ_ONLY, NULL, 0));
	EXPECT_NE(NULL, strstr(link_why(), "read-only"));
	EXPECT_EQ(-EINVAL, link_make_flags(d, p->b, BINDLINK_FLAG_NATIVE |
					   BINDLINK_FLAG_MERGED, NULL, 0));
	EXPECT_NE(NULL, strstr(link_why(), "merged"));
	EXPECT_EQ(-EINVAL, link_make_flags(d, p->b, BINDLINK_FLAG_NATIVE, &e,
					   1));
	EXPECT_NE(NULL, strstr(link_why(), "exception"));
	EXPECT_EQ(0, link_count(p->top));
	/* For a directory it says what is so without it. */
	ASSERT_EQ(0, link_make_opts(d, p->b, BINDLINK_FLAG_NATIVE,
				    variant->attach, NULL, 0));
	EXPECT_STREQ("", names(d));
	EXPECT_TRUE(OPENS(d));
	EXPECT_EQ(0, link_drop(d));
}

/* A file that is open in the tree is no longer used by its name, nor by the root. */
TEST_F(native, TR6_not_while_the_tree_is_in_use)
{
	static const struct {
		const char *by;
		int flags;
	} uses[] = {
		{ "a file", O_RDONLY }, { "a path", O_PATH },
		{ "a mapping", O_RDWR }, { "a watch", O_RDONLY },
	};
	struct place *p = &self->p;
	void *map = MAP_FAILED;
	unsigned int i;
	int fd, watch;

	NATIVE_LINK(p, "b");
	for (i = 0; i < ARRAY_SIZE(uses); i++) {
		if (i) {
			ASSERT_EQ(0, link_drop(p->v));
			ASSERT_EQ(0, link_make_opts(p->v, p->b,
						    BINDLINK_FLAG_NATIVE,
						    variant->attach, NULL, 0));
		}
		fd = open_in_tree(p->v, uses[i].flags);
		ASSERT_LE(0, fd);
		ASSERT_FALSE(at_in_lane(fd, ""));
		if (!strcmp(uses[i].by, "a mapping")) {
			map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, map);
			close(fd);
		} else if (!strcmp(uses[i].by, "a watch")) {
			watch = inotify_init1(IN_CLOEXEC);
			ASSERT_LE(0, inotify_add_watch(watch, p->v, IN_MODIFY));
			close(fd);
			fd = watch;
		}
		EXPECT_FALSE(WITHIN(1, in_lane(p->v)))
			TH_LOG("by %s", uses[i].by);
		if (map != MAP_FAILED)
			munmap(map, 4096);
		else
			close(fd);
		map = MAP_FAILED;
		ASSERT_TRUE(OPENS(p->v))
			TH_LOG("by %s", uses[i].by);
	}
}

/* The same file again, which somebody has open since it was there before. */
TEST_F(native, TR6_not_while_it_is_open_from_before)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	int fd;

	NATIVE_LINK(p, "b");
	ASSERT_EQ(0, put(other, "other"));
	fd = open_in_tree(p->v, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_FALSE(at_in_lane(fd, ""));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("other", get(p->v));
	/* That one is nobody's. */
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("b", get(p->v));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	close(fd);
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("b", get(p->v));
}

TEST_F(native, TR6_watches)
{
	const char *dir = path("%s/par", self->p.top);
	struct place *p = &self->p;
	struct pollfd events = { .events = POLLIN };

	NATIVE_LINK(p, "b");
	ASSERT_TRUE(OPENS(p->v));
	events.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(events.fd, p->v, IN_MODIFY));
	/* What is done at either. */
	ASSERT_EQ(0, add(p->b, "+"));
	EXPECT_EQ(1, poll(&events, 1, 10000));
	close(events.fd);
	events.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(events.fd, p->v, IN_MODIFY));
	ASSERT_EQ(0, add(p->v, "+"));
	EXPECT_EQ(1, poll(&events, 1, 10000));
	close(events.fd);
	if (variant->attach == BINDLINK_ATTACH_PATH)
		return;
	/* And by who watches the directory, which is not that of the backing. */
	ASSERT_TRUE(OPENS(p->v));
	events.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(events.fd, dir, IN_MODIFY));
	ASSERT_EQ(0, add(p->v, "+"));
	EXPECT_EQ(1, poll(&events, 1, 10000));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	close(events.fd);
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("b+++", get(p->v));
}

TEST_F(native, TR8_paths_are_virtual)
{
	struct place *p = &self->p;
	char buf[PATH_MAX] = "";
	const char *fd_path;
	int fd;

	NATIVE_LINK(p, "b");
	ASSERT_TRUE(OPENS(p->v));
	fd = open(p->v, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(at_in_lane(fd, ""));
	fd_path = path("/proc/self/fd/%d", fd);
	ASSERT_LT(0, readlink(fd_path, buf, sizeof(buf)));
	EXPECT_STREQ(p->v, buf);
	EXPECT_STREQ("b", get(fd_path));
	/* Whoever has it open goes on, whatever becomes of the link. */
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));
	EXPECT_STREQ("b", get(fd_path));
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_STREQ("x", get(p->b));
	close(fd);
}

TEST_F(native, TR3_programs)
{
	struct place *p = &self->p;
	const char *payload = getenv("BINDLINK_PAYLOAD");
	char buf[PATH_MAX] = "";
	int fd, status, go[2];
	pid_t pid;

	if (!payload)
		SKIP(return, "BINDLINK_PAYLOAD is not set");
	NATIVE_LINK(p, "b");
	ASSERT_EQ(0, copy("/bin/sleep", p->b, 0755));
	EXPECT_EQ(0, ERR(access(p->v, X_OK)));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(pipe2(go, O_CLOEXEC)));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		execl(p->v, "sleep", "1000", NULL);
		_exit(127);
	}
	/* Closed by exec. */
	close(go[1]);
	ASSERT_EQ(0, read(go[0], buf, 1));
	close(go[0]);
	ASSERT_LT(0, readlink(path("/proc/%d/exe", pid), buf, sizeof(buf)));
	EXPECT_STREQ(p->v, buf);
	EXPECT_EQ(ETXTBSY, err_open(p->v, O_WRONLY));
	EXPECT_EQ(ETXTBSY, err_open(p->b, O_WRONLY));
	/* It goes on when it is upgraded, and others begin with the new one. */
	ASSERT_EQ(0, ERR(rename(p->b, path("%s.old", p->b))));
	ASSERT_EQ(0, copy(payload, p->b, 0755));
	EXPECT_TRUE(same_inode(p->v, p->b));
	EXPECT_EQ(0, err_open(p->v, O_WRONLY));
	EXPECT_EQ(ETXTBSY, err_open(path("%s.old", p->b), O_WRONLY));
	EXPECT_EQ(0, kill(pid, 0));
	ASSERT_EQ(0, ERR(kill(pid, SIGKILL)));
	status = reap(pid);
	EXPECT_EQ(256 + SIGKILL, status);
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_TRUE(same_inode(p->v, p->b));
	/* Who writes to it at either path keeps it from being executed. */
	fd = open(p->b, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		execl(p->v, "payload", NULL);
		_exit(errno == ETXTBSY ? 0 : 1);
	}
	status = reap(pid);
	EXPECT_EQ(0, status);
	close(fd);
}

TEST_F(native, TR4_locks_and_leases)
{
	struct place *p = &self->p;
	struct flock whole = { .l_type = F_WRLCK, };
	int v, b, late;

	NATIVE_LINK(p, "b");
	ASSERT_TRUE(OPENS(p->v));
	v = open(p->v, O_RDWR | O_CLOEXEC);
	b = open(p->b, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, v);
	ASSERT_LE(0, b);
	ASSERT_TRUE(at_in_lane(v, ""));
	ASSERT_EQ(0, ERR(flock(v, LOCK_EX)));
	EXPECT_EQ(EWOULDBLOCK, ERR(flock(b, LOCK_EX | LOCK_NB)));
	ASSERT_EQ(0, ERR(fcntl(v, F_OFD_SETLK, &whole)));
	EXPECT_EQ(EAGAIN, ERR(fcntl(b, F_OFD_SETLK, &whole)));
	/* And those who come by the tree, when the lane is closed. */
	late = open_in_tree(p->v, O_RDWR);
	ASSERT_LE(0, late);
	EXPECT_FALSE(at_in_lane(late, ""));
	EXPECT_EQ(EWOULDBLOCK, ERR(flock(late, LOCK_EX | LOCK_NB)));
	EXPECT_EQ(EAGAIN, ERR(fcntl(late, F_OFD_SETLK, &whole)));
	close(late);
	close(v);
	EXPECT_EQ(0, ERR(flock(b, LOCK_EX | LOCK_NB)));
	close(b);
	ASSERT_TRUE(OPENS(p->v));
	v = open(p->v, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, v);
	signal(SIGIO, SIG_IGN);
	ASSERT_EQ(0, ERR(fcntl(v, F_SETLEASE, F_RDLCK)));
	EXPECT_EQ(EWOULDBLOCK, err_open(p->b, O_WRONLY | O_NONBLOCK));
	close(v);
}

TEST_F(native, LB1_backing_deleted_and_made_again)
{
	struct place *p = &self->p;
	struct stat st;
	int i, fd = -1;

	NATIVE_LINK(p, "0");
	for (i = 0; i < 4; i++) {
		EXPECT_STREQ(path("%d", i), get(p->v));
		ASSERT_TRUE(OPENS(p->v));
		EXPECT_STREQ(path("%d", i), get(p->v));
		/* With somebody in it, too. */
		if (i == 2) {
			fd = open(p->v, O_RDONLY | O_CLOEXEC);
			ASSERT_TRUE(at_in_lane(fd, ""));
		}
		ASSERT_EQ(0, ERR(unlink(p->b)));
		EXPECT_EQ(ENOENT, ERR(stat(p->v, &st)));
		EXPECT_EQ(ENOENT, err_open(p->v, O_RDONLY));
		ASSERT_EQ(0, put(p->b, path("%d", i + 1)));
		EXPECT_STREQ(path("%d", i + 1), get(p->v));
		if (i == 2) {
			EXPECT_STREQ("2", get(path("/proc/self/fd/%d", fd)));
			close(fd);
		}
	}
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_EQ(1, lanes_at(p->v));
}

TEST_F(native, LB1_backing_of_another_kind)
{
	struct place *p = &self->p;
	bool root = variant->attach == BINDLINK_ATTACH_PATH;
	const char *kinds = "dpcl";
	bool opens;
	struct stat v, b;

	NATIVE_LINK(p, "b");
	for (; *kinds; kinds++) {
		ASSERT_TRUE(OPENS(p->v));
		ASSERT_EQ(0, ERR(unlink(p->b)));
		ASSERT_EQ(0, make_kind(p->b, *kinds, "x"));
		if (*kinds == 'd' && root) {
			EXPECT_EQ(ESTALE, ERR(stat(p->v, &v)));
		} else if (*kinds == 'l') {
			EXPECT_EQ(ENOENT, ERR(stat(p->v, &v)));
		} else {
			EXPECT_EQ(0, ERR(stat(p->v, &v)));
			ASSERT_EQ(0, ERR(stat(p->b, &b)));
			EXPECT_EQ(b.st_mode, v.st_mode);
			EXPECT_EQ(b.st_ino, v.st_ino);
		}
		/* A directory is one that any link has a lane to. */
		opens = *kinds == 'd' && !root;
		EXPECT_EQ(opens, WITHIN(opens ? 20 : 1, in_lane(p->v)));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, put(p->b, "again"));
		EXPECT_STREQ("again", get(p->v));
	}
	/* By a symbolic link that is pointed elsewhere. */
	ASSERT_EQ(0, put(path("%s.1", p->b), "1"));
	ASSERT_EQ(0, put(path("%s.2", p->b), "2"));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(symlink(path("%s.1", p->b), p->b)));
	EXPECT_STREQ("1", get(p->v));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("1", get(p->v));
	ASSERT_EQ(0, ERR(symlink(path("%s.2", p->b), path("%s.l", p->b))));
	ASSERT_EQ(0, ERR(rename(path("%s.l", p->b), p->b)));
	EXPECT_STREQ("2", get(p->v));
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("2", get(p->v));
}

TEST_F(native, LB2_backing_replaced)
{
	struct place *p = &self->p;
	int i, fd;

	NATIVE_LINK(p, "0");
	for (i = 1; i < 5; i++) {
		if (i > 1)
			ASSERT_TRUE(OPENS(p->v));
		ASSERT_EQ(0, replace(p->b, path("%d", i)));
		EXPECT_STREQ(path("%d", i), get(p->v));
		EXPECT_TRUE(same_inode(p->v, p->b));
	}
	/* Who has opened it in the lane goes on with that. */
	ASSERT_TRUE(OPENS(p->v));
	fd = open(p->v, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(at_in_lane(fd, ""));
	ASSERT_EQ(0, replace(p->b, "new"));
	EXPECT_STREQ("new", get(p->v));
	EXPECT_STREQ("4", get(path("/proc/self/fd/%d", fd)));
	usleep(100000);
	EXPECT_STREQ("new", get(p->v));
	close(fd);
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("new", get(p->v));
}

TEST_F(native, LB7_mounts_at_the_backing)
{
	struct place *p = &self->p;
	const char *over = path("%s/over", p->back);

	NATIVE_LINK(p, "under");
	ASSERT_EQ(0, put(over, "over"));
	EXPECT_STREQ("under", get(p->v));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount(over, p->b, NULL, MS_BIND, NULL)));
	EXPECT_STREQ("over", get(p->v));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("over", get(p->v));
	ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND |
			       MS_RDONLY | MS_RELATIME, NULL)));
	EXPECT_EQ(EROFS, err_open(p->v, O_WRONLY));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	ASSERT_EQ(0, ERR(umount2(p->b, 0)));
	EXPECT_STREQ("under", get(p->v));
	EXPECT_EQ(0, err_open(p->v, O_WRONLY));
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("under", get(p->v));
}

TEST_F(native, LT4_mounts_of_users)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);

	NATIVE_LINK(p, "b");
	ASSERT_EQ(0, put(other, "other"));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount(other, p->v, NULL, MS_BIND, NULL)));
	EXPECT_STREQ("other", get(p->v));
	EXPECT_FALSE(WITHIN(2, strcmp("other", get(p->v))));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("b", get(p->v));
	ASSERT_TRUE(OPENS(p->v));
	if (variant->attach == BINDLINK_ATTACH_PARENT) {
		EXPECT_EQ(EINVAL, ERR(umount2(p->v, 0)));
		EXPECT_STREQ("b", get(p->v));
		return;
	}
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("original", get(p->v));
	EXPECT_STREQ("!ENOENT", link_listed(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));
}

TEST_F(native, WR1_unlink)
{
	struct place *p = &self->p;
	int i, fd = -1;

	NATIVE_LINK(p, "0");
	ASSERT_TRUE(OPENS(p->v));
	if (variant->attach == BINDLINK_ATTACH_PATH) {
		EXPECT_EQ(EBUSY, ERR(unlink(p->v)));
		EXPECT_STREQ("0", get(p->v));
		return;
	}
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(OPENS(p->v));
		/* With somebody in it, too. */
		if (i == 1) {
			fd = open(p->v, O_RDONLY | O_CLOEXEC);
			ASSERT_TRUE(at_in_lane(fd, ""));
		}
		EXPECT_EQ(0, ERR(unlink(p->v)));
		EXPECT_STREQ("!ENOENT", get(p->v));
		EXPECT_STREQ("!ENOENT", get(p->b));
		EXPECT_EQ(0, put(p->v, path("%d", i + 1)));
		EXPECT_STREQ(path("%d", i + 1), get(p->b));
		if (i == 1) {
			EXPECT_STREQ("1", get(path("/proc/self/fd/%d", fd)));
			close(fd);
		}
	}
}

TEST_F(native, WR3_rename)
{
	struct place *p = &self->p;
	const char *w = path("%s/par/w", p->top);
	bool across = strcmp(variant->back, "ext4");
	int i, fd = -1;

	NATIVE_LINK(p, "0");
	ASSERT_TRUE(OPENS(p->v));
	if (variant->attach == BINDLINK_ATTACH_PATH) {
		ASSERT_EQ(0, put(w, "w"));
		EXPECT_EQ(EBUSY, ERR(rename(w, p->v)));
		EXPECT_EQ(EBUSY, ERR(rename(p->v, w)));
		EXPECT_STREQ("0", get(p->v));
		return;
	}
	for (i = 1; i < 5; i++) {
		ASSERT_TRUE(OPENS(p->v));
		if (i == 2) {
			fd = open(p->v, O_RDONLY | O_CLOEXEC);
			ASSERT_TRUE(at_in_lane(fd, ""));
		}
		ASSERT_EQ(0, put(w, path("%d", i)));
		if (across) {
			EXPECT_EQ(EXDEV, ERR(rename(w, p->v)));
			EXPECT_EQ(EXDEV, ERR(rename(p->v, w)));
			EXPECT_STREQ("0", get(p->v));
			if (i == 2)
				close(fd);
			continue;
		}
		/* As an editor saves. */
		EXPECT_EQ(0, ERR(rename(w, p->v)));
		EXPECT_STREQ(path("%d", i), get(p->v));
		EXPECT_STREQ(path("%d", i), get(p->b));
		if (i == 2) {
			EXPECT_STREQ("1", get(path("/proc/self/fd/%d", fd)));
			close(fd);
		}
		/* Away, and back. */
		ASSERT_TRUE(OPENS(p->v));
		if (i == 3) {
			fd = open(p->v, O_RDONLY | O_CLOEXEC);
			ASSERT_TRUE(at_in_lane(fd, ""));
		}
		EXPECT_EQ(0, ERR(rename(p->v, w)));
		EXPECT_STREQ("!ENOENT", get(p->v));
		EXPECT_STREQ("!ENOENT", get(p->b));
		EXPECT_STREQ(path("%d", i), get(w));
		EXPECT_EQ(0, ERR(rename(w, p->v)));
		EXPECT_STREQ(path("%d", i), get(p->v));
		EXPECT_STREQ(path("%d", i), get(p->b));
		if (i == 3) {
			EXPECT_STREQ("3", get(path("/proc/self/fd/%d", fd)));
			close(fd);
		}
	}
}

/* A file that is not unmounted by who may not. */
TEST_F(native, SE3_not_everybody_closes_it)
{
	struct place *p = &self->p;
	int i, status;
	pid_t pid;

	NATIVE_LINK(p, "b");
	ASSERT_TRUE(OPENS(p->v));
	pid = fork_user(USER);
	if (!pid) {
		for (i = 0; i < 100; i++)
			if (ERR(unlink(p->v)) != EACCES ||
			    err_open(p->v, O_WRONLY) != EACCES ||
			    ERR(umount2(p->v, 0)) != EPERM)
				_exit(1);
		_exit(in_lane(p->v) ? 0 : 2);
	}
	status = reap(pid);
	EXPECT_EQ(0, status);
	EXPECT_TRUE(in_lane(p->v));
}

/* By the other path, which is in the same tree, the file is the same one there. */
TEST_F(native, TR6_not_beside_the_backing)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top);
	const char *v = path("%s/v", par), *f = path("%s/f", par);

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, put(f, "f"));
	ASSERT_EQ(0, link_make_opts(v, f, BINDLINK_FLAG_NATIVE,
				    BINDLINK_ATTACH_PARENT, NULL, 0));
	EXPECT_STREQ("f", get(v));
	EXPECT_FALSE(WITHIN(1, in_lane(v)));
	EXPECT_TRUE(same_inode(v, f));
	ASSERT_EQ(0, link_drop(v));
}

/* Files that are replaced all the time, as LB6_storm. */
TEST_F(native, LB6_storm)
{
	struct place *p = &self->p;
	int i, fd, wrong = 0, turns = scaled(400);
	char text[16], now[16];
	pid_t pids[3];
	struct stat st;

	NATIVE_LINK(p, "start");
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		for (;;) {
			if (i == 0 && stat(p->v, &st))
				_exit(1);
			if (i == 1) {
				fd = open(p->v, O_RDONLY);
				if (fd < 0)
					_exit(2);
				usleep(500);
				close(fd);
			}
			if (i == 2) {
				fd = open(p->v, O_PATH);
				if (fd < 0 || fstat(fd, &st))
					_exit(3);
				close(fd);
				usleep(10000);
			}
		}
	}
	for (i = 0; i < turns; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ASSERT_EQ(0, replace(p->b, text));
		memset(now, 0, sizeof(now));
		fd = open(p->v, O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_LT(0, read(fd, now, sizeof(now)));
		wrong += !!strcmp(text, now);
		close(fd);
		usleep(i % 10 ? i % 7 * 100 : 300000);
	}
	EXPECT_EQ(0, wrong);
	for (i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(256 + SIGKILL, reap(pids[i]));
	}
	EXPECT_TRUE(OPENS(p->v));
}

int main(int argc, char **argv)
{
	if (!lanes_allowed())
		ksft_exit_skip("lanes are switched off\n");
	return test_harness_run(argc, argv);
}
