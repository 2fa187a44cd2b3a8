// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: a link to a directory that stands alone is followed by way of a mount of
 * that directory, for as long as that shows the same as the link.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <linux/openat2.h>

#include "../uapi/linux/bindlink.h"
#include "kselftest_harness.h"
#include "place.h"

PLACES_BARE(lane);
FIXTURE_VARIANT_ADD(lane, ext4) { .virt = "ext4", .back = "ext4", };
FIXTURE_VARIANT_ADD(lane, cross) { .virt = "xfs", .back = "tmpfs", };

static int bind_socket(const char *file)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, file, sizeof(addr.sun_path) - 1);
	if (bind(fd, (void *)&addr, sizeof(addr)) || listen(fd, 5))
		return -errno;
	return fd;
}

static int connect_to(const char *file)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	strncpy(addr.sun_path, file, sizeof(addr.sun_path) - 1);
	err = ERR(connect(fd, (void *)&addr, sizeof(addr)));
	close(fd);
	return err;
}

/* In a directory that carries nothing but that. */
static int make_parent_link(struct place *p)
{
	const char *parent = path("%s/par", p->top);

	snprintf(p->v, sizeof(p->v), "%s/v", parent);
	return ERR(mkdir(parent, 0755)) ? : ERR(mkdir(p->b, 0755)) ? :
	       -link_attach(p->v, p->b, BINDLINK_ATTACH_PARENT);
}

TEST_F(lane, TR1_is_the_backing_itself)
{
	struct place *p = &self->p;
	struct statx v, b;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_STREQ("x", names(p->v));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	EXPECT_TRUE(in_lane(path("%s/x", p->v)));
	ASSERT_EQ(0, ERR(statx(AT_FDCWD, p->v, 0, STATX_BASIC_STATS, &v)));
	ASSERT_EQ(0, ERR(statx(AT_FDCWD, p->b, 0, STATX_BASIC_STATS, &b)));
	EXPECT_EQ(b.stx_ino, v.stx_ino);
	EXPECT_EQ(b.stx_dev_minor, v.stx_dev_minor);
	/* And the link is what it was. */
	EXPECT_STREQ(p->b, link_listed(p->v));
	EXPECT_STREQ("path", link_carrier(p->v));
	EXPECT_EQ(1, mounted(p->v));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));
	EXPECT_STREQ("", names(p->v));
}

TEST_F(lane, TR5_sockets_meet)
{
	struct place *p = &self->p;
	const char *vs = path("%s/s", p->v), *bs = path("%s/s", p->b);
	int fd;

	DIR_LINK(p);
	ASSERT_TRUE(OPENS(p->v));
	fd = bind_socket(vs);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, connect_to(vs));
	EXPECT_EQ(0, connect_to(bs));
	close(fd);
	ASSERT_EQ(0, ERR(unlink(bs)));
	fd = bind_socket(bs);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, connect_to(vs));
	close(fd);
}

TEST_F(lane, TR6_what_is_done_at_the_backing_is_seen)
{
	struct place *p = &self->p;
	struct pollfd poll_in = { .events = POLLIN };

	DIR_LINK(p);
	ASSERT_TRUE(OPENS(p->v));
	poll_in.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(poll_in.fd, p->v, IN_CREATE));
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	EXPECT_EQ(1, poll(&poll_in, 1, 10000));
	close(poll_in.fd);
}

/* Whoever watches a mount goes on to do so. */
TEST_F(lane, TR6_marks_of_the_mount)
{
	struct place *p = &self->p;
	struct pollfd event = { .events = POLLIN };
	const char *x = path("%s/x", p->v);
	struct fanotify_event_metadata *at;
	__aligned_u64 buf[512];
	ssize_t n;
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_TRUE(OPENS(p->v));
	event.fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK,
				 O_RDONLY);
	if (event.fd < 0)
		SKIP(return, "no fanotify here");
	ASSERT_EQ(0, ERR(fanotify_mark(event.fd, FAN_MARK_ADD | FAN_MARK_MOUNT,
				       FAN_OPEN, AT_FDCWD, p->v)));
	for (i = 0; i < 2; i++) {
		while ((n = read(event.fd, buf, sizeof(buf))) > 0)
			for (at = (void *)buf; FAN_EVENT_OK(at, n);
			     at = FAN_EVENT_NEXT(at, n))
				close(at->fd);
		EXPECT_STREQ("x", get(x));
		EXPECT_EQ(1, poll(&event, 1, 2000));
		/* Its lane closes, if there is one. */
		ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	}
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	close(event.fd);
	EXPECT_TRUE(OPENS(p->v));
}

TEST_F(lane, TR8_paths_are_virtual)
{
	struct place *p = &self->p;
	char buf[PATH_MAX] = "";
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(chdir(path("%s/d", p->v))));
	EXPECT_STREQ(path("%s/d", p->v), getcwd(buf, sizeof(buf)));
	fd = open("..", O_PATH);
	ASSERT_LE(0, fd);
	memset(buf, 0, sizeof(buf));
	ASSERT_LT(0, readlink(path("/proc/self/fd/%d", fd), buf, sizeof(buf)));
	EXPECT_STREQ(p->v, buf);
	close(fd);
	/* Whoever is in it is where they are, whatever becomes of the link. */
	ASSERT_EQ(0, put("x", "x"));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("x", get("x"));
	EXPECT_EQ(0, mount_count(p->top, NULL));
	ASSERT_EQ(0, ERR(chdir("/")));
}

/* It must not be used for a moment by what was found through the tree. */
TEST_F(lane, TR5_not_while_the_tree_is_in_use)
{
	struct place *p = &self->p;
	const char *vs = path("%s/s", p->v), *before;
	int fd, watch;

	/* Not before it is. */
	before = lanes_delay("1000");
	DIR_LINK(p);
	fd = bind_socket(vs);
	ASSERT_LE(0, fd);
	EXPECT_FALSE(WITHIN(3, in_lane(p->v)));
	EXPECT_EQ(0, connect_to(vs));
	close(fd);
	ASSERT_EQ(0, ERR(unlink(vs)));
	EXPECT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, link_drop(p->v));

	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, ERR(chdir(p->v)));
	EXPECT_FALSE(WITHIN(3, in_lane(p->v)));
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, link_drop(p->v));

	ASSERT_EQ(0, link_make(p->v, p->b));
	watch = inotify_init1(IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(watch, p->v, IN_CREATE));
	EXPECT_FALSE(WITHIN(3, in_lane(p->v)));
	close(watch);
	EXPECT_TRUE(OPENS(p->v));
	lanes_delay(before);
}

TEST_F(lane, LB1_backing_deleted_and_made_again)
{
	struct place *p = &self->p;
	struct stat st;
	int i;

	DIR_LINK(p);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, put(path("%s/x", p->b), path("%d", i)));
		EXPECT_STREQ(path("%d", i), get(path("%s/x", p->v)));
		ASSERT_TRUE(OPENS(p->v));
		EXPECT_STREQ(path("%d", i), get(path("%s/x", p->v)));
		ASSERT_EQ(0, rm_rf(p->b));
		EXPECT_EQ(ENOENT, ERR(stat(p->v, &st)));
		EXPECT_EQ(ENOENT, err_open(p->v, O_RDONLY));
		EXPECT_STREQ("!ENOENT", get(path("%s/x", p->v)));
		ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
		EXPECT_STREQ("", names(p->v));
	}
	/* Nobody is in the lane of the one that was deleted. */
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_EQ(1, lanes_at(p->v));
}

TEST_F(lane, LB2_backing_replaced)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	const char *x = path("%s/x", p->v);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "0"));
	ASSERT_EQ(0, put(path("%s/x", other), "1"));
	for (i = 1; i < 5; i++) {
		if (i > 1)
			ASSERT_TRUE(OPENS(p->v));
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
					   RENAME_EXCHANGE)));
		EXPECT_STREQ(path("%d", i % 2), get(x));
		EXPECT_TRUE(same_inode(p->v, p->b));
	}
	/* Whoever is in the lane stays there, and others are not in it. */
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(chdir(p->v)));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("1", get(x));
	EXPECT_STREQ("0", get("x"));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	EXPECT_STREQ("1", get(x));
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("1", get(x));
}

/* errno of a walk that openat2(2) is asked for, and what it came to. */
static int walk(const char *file, __u64 resolve, struct stat *st)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = resolve,
	};
	int fd = syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof(how));
	int err;

	if (fd < 0)
		return errno;
	err = st ? ERR(fstat(fd, st)) : 0;
	close(fd);
	return err;
}

/*
 * By a name, who finds the lane open leaves it to that to look what the name shows.
 * So each kind of walk is the first after each change.
 */
TEST_F(lane, LB1_LB2_the_first_walk_to_a_name)
{
	static const __u64 how[] = { 0, RESOLVE_NO_XDEV, RESOLVE_CACHED };
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	const char *away = path("%s/away", p->back);
	const char *w = path("%s/w", p->top);
	struct stat st, b;
	unsigned int i, j;
	int err;

	ASSERT_EQ(0, make_parent_link(p));
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	/* The root of the tree: nothing but a lane is another mount. */
	ASSERT_EQ(0, ERR(chdir(path("%s/par", p->top))));
	for (i = 0; i < ARRAY_SIZE(how); i++)
		for (j = 0; j < 4; j++) {
			ASSERT_TRUE(OPENS(p->v));
			EXPECT_EQ(how[i] == RESOLVE_NO_XDEV ? EXDEV : 0,
				  walk("v", how[i], NULL));
			ASSERT_EQ(0, j % 2 ?
				  ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
						RENAME_EXCHANGE)) :
				  ERR(rename(p->b, away)));
			err = walk("v", how[i], &st);
			/* Who may not wait is told to come again. */
			if (how[i] == RESOLVE_CACHED && err == EAGAIN)
				err = walk("v", 0, &st);
			if (j % 2) {
				ASSERT_EQ(0, ERR(stat(p->b, &b)));
				EXPECT_EQ(0, err);
				EXPECT_EQ(b.st_ino, st.st_ino);
			} else {
				EXPECT_EQ(ENOENT, err);
				ASSERT_EQ(0, ERR(rename(away, p->b)));
			}
		}
	/* A rule elsewhere, or a mount, closes no lane. */
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	ASSERT_EQ(0, link_make(w, other));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		err = walk("v", how[i], NULL);
		if (how[i] != RESOLVE_CACHED || err != EAGAIN)
			EXPECT_EQ(how[i] == RESOLVE_NO_XDEV ? EXDEV : 0, err);
	}
	EXPECT_TRUE(in_lane(p->v));
	ASSERT_EQ(0, ERR(chdir("/")));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(ENOENT, ERR(stat(p->v, &st)));
}

TEST_F(lane, LB2_ancestor_replaced)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back), *b = path("%s/b", up);
	const char *other = path("%s/other", p->back);
	const char *x = path("%s/x", p->v);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(up, 0755)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", b), "0"));
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/b", other), 0755)));
	ASSERT_EQ(0, put(path("%s/b/x", other), "1"));
	ASSERT_EQ(0, link_make(p->v, b));
	EXPECT_STREQ("0", get(x));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, up, AT_FDCWD, other,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("1", get(x));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("1", get(x));
}

TEST_F(lane, LB7_mounts_at_the_backing)
{
	struct place *p = &self->p;
	const char *x = path("%s/x", p->v), *d = path("%s/d", p->b);

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "under"));
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	EXPECT_STREQ("under", get(x));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount("tmpfs", p->b, "tmpfs", 0, NULL)));
	EXPECT_STREQ("!ENOENT", get(x));
	ASSERT_EQ(0, put(path("%s/x", p->b), "over"));
	EXPECT_STREQ("over", get(x));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("over", get(x));
	ASSERT_EQ(0, ERR(umount2(p->b, 0)));
	EXPECT_STREQ("under", get(x));
	ASSERT_TRUE(OPENS(p->v));

	/* Below it: a lane would not show that. */
	ASSERT_EQ(0, ERR(mount("tmpfs", d, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/x", d), "mounted"));
	EXPECT_STREQ("mounted", get(path("%s/d/x", p->v)));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	EXPECT_STREQ("mounted", get(path("%s/d/x", p->v)));
	ASSERT_EQ(0, ERR(umount2(d, 0)));
	EXPECT_STREQ("!ENOENT", get(path("%s/d/x", p->v)));
	EXPECT_TRUE(OPENS(p->v));
	/* What is mounted somewhere else is not its business. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/e", p->top), 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", path("%s/e", p->top), "tmpfs", 0,
			       NULL)));
	EXPECT_TRUE(in_lane(p->v));
	ASSERT_EQ(0, ERR(umount2(path("%s/e", p->top), 0)));
	EXPECT_TRUE(in_lane(p->v));
}

/* A filesystem is alive for as long as its disk cannot be had for something else. */
static bool released(const char *dev)
{
	int fd = open(dev, O_RDWR | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST_F(lane, LB7_backing_filesystem_unmounted)
{
	struct place *p = &self->p;
	const char *image = path("%s/image", p->back);
	char dev[64] = "";
	FILE *out;
	int fd;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(image, ""));
	ASSERT_EQ(0, ERR(truncate(image, 4 << 20)));
	run("modprobe", "loop", NULL);
	if (run("mke2fs", "-q", "-F", "-t", "ext4", image, NULL))
		SKIP(return, "no mke2fs");
	out = popen(path("losetup -f --show %s", image), "r");
	ASSERT_NE(NULL, out);
	if (!fgets(dev, sizeof(dev), out) || !strchr(dev, '\n'))
		SKIP(return, "no loop devices");
	pclose(out);
	*strchr(dev, '\n') = '\0';
	ASSERT_EQ(0, ERR(mount(dev, p->b, "ext4", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_EQ(0, ERR(umount2(p->b, 0)));
	EXPECT_TRUE(WITHIN(10, released(dev)));
	EXPECT_STREQ("!ENOENT", get(path("%s/x", p->v)));

	/* With the last file that is open in it. */
	ASSERT_EQ(0, ERR(mount(dev, p->b, "ext4", 0, NULL)));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_TRUE(OPENS(p->v));
	fd = open(path("%s/x", p->v), O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(umount2(p->b, 0)));
	EXPECT_STREQ("!ENOENT", get(path("%s/x", p->v)));
	EXPECT_FALSE(WITHIN(1, released(dev)));
	close(fd);
	EXPECT_TRUE(WITHIN(10, released(dev)));
	run("losetup", "-d", dev, NULL);
}

TEST_F(lane, TR10_flags_of_the_backing_mount)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mount(p->b, p->b, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, put(path("%s/x", p->v), "x"));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND |
			       MS_RDONLY | MS_RELATIME, NULL)));
	EXPECT_EQ(-EROFS, put(path("%s/y", p->v), "y"));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	EXPECT_EQ(-EROFS, put(path("%s/y", p->v), "y"));
	ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND |
			       MS_RELATIME, NULL)));
	EXPECT_EQ(0, put(path("%s/y", p->v), "y"));
	EXPECT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount(NULL, p->b, NULL, MS_REMOUNT | MS_BIND |
			       MS_NOEXEC | MS_NOSUID | MS_RELATIME, NULL)));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	ASSERT_EQ(0, link_drop(p->v));
	ASSERT_EQ(0, ERR(umount2(p->b, 0)));
}

TEST_F(lane, TR10_flags_of_the_link_itself)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount(NULL, p->v, NULL, MS_REMOUNT | MS_BIND |
			       MS_RDONLY | MS_RELATIME, NULL)));
	EXPECT_EQ(-EROFS, put(path("%s/x", p->v), "x"));
	EXPECT_FALSE(WITHIN(2, in_lane(p->v)));
	EXPECT_EQ(-EROFS, put(path("%s/x", p->v), "x"));
}

TEST_F(lane, NE3_link_below)
{
	struct place *p = &self->p;
	const char *c = path("%s/c", p->back), *n = path("%s/n", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, put(path("%s/y", c), "y"));
	EXPECT_STREQ("x", names(p->v));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, link_make(n, c))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("n x", names(p->v));
	EXPECT_STREQ("y", get(path("%s/y", n)));
	EXPECT_STREQ("x", names(p->b));
	EXPECT_STREQ("parent", link_carrier(n));
	/* It has a lane of its own, and the other one has none. */
	EXPECT_TRUE(OPENS(n));
	EXPECT_FALSE(in_lane(p->v));
	EXPECT_STREQ("y", get(path("%s/y", n)));
	ASSERT_EQ(0, link_drop(n));
	EXPECT_STREQ("x", names(p->v));
	EXPECT_STREQ("!ENOENT", names(n));
	EXPECT_TRUE(OPENS(p->v));
}

TEST_F(lane, NE2_link_above)
{
	struct place *p = &self->p;
	const char *n = path("%s/n", p->v), *c = path("%s/c", p->back);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(n, 0755)));
	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, put(path("%s/y", c), "y"));
	ASSERT_EQ(0, link_make(n, c));
	EXPECT_STREQ("y", names(n));
	ASSERT_TRUE(OPENS(n));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("n", names(p->v));
	EXPECT_STREQ("y", names(n));
	ASSERT_TRUE(OPENS(n));
	EXPECT_STREQ("y", get(path("%s/y", n)));
	EXPECT_EQ(1, lanes_at(n));
	EXPECT_EQ(2, mount_count(p->v, NULL));
	ASSERT_EQ(0, link_drop(n));
	EXPECT_STREQ("", names(p->v));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("n", names(p->v));
}

TEST_F(lane, CH1_through_another_link)
{
	struct place *p = &self->p;
	const char *c = path("%s/c", p->back), *v2 = path("%s/v2", p->top);
	const char *d = path("%s/d", p->back);

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(c, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/in", c), 0755)));
	ASSERT_EQ(0, put(path("%s/in/x", c), "c"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/in", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/in/x", p->b), "b"));
	ASSERT_EQ(0, ERR(mkdir(v2, 0755)));
	ASSERT_EQ(0, link_make(v2, path("%s/in", p->v)));
	EXPECT_STREQ("b", get(path("%s/x", v2)));
	ASSERT_TRUE(OPENS(v2));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("b", get(path("%s/x", v2)));
	/* The link that it leads through is exchanged. */
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("!ENOENT", get(path("%s/x", v2)));
	ASSERT_EQ(0, link_make(p->v, c));
	EXPECT_STREQ("c", get(path("%s/x", v2)));
	ASSERT_TRUE(OPENS(v2));
	EXPECT_STREQ("c", get(path("%s/x", v2)));
	/* And gets one below. */
	ASSERT_EQ(0, ERR(mkdir(d, 0755)));
	ASSERT_EQ(0, put(path("%s/x", d), "d"));
	ASSERT_EQ(0, link_make(path("%s/in/n", p->v), d));
	EXPECT_STREQ("d", get(path("%s/n/x", v2)));
	EXPECT_FALSE(WITHIN(1, in_lane(v2)));
	ASSERT_EQ(0, link_drop(path("%s/in/n", p->v)));
	ASSERT_EQ(0, link_drop(v2));
}

TEST_F(lane, LT4_unmounted_by_the_administrator)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_STREQ("x", names(p->v));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("", names(p->v));
	EXPECT_STREQ("!ENOENT", link_listed(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));

	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(chdir(p->v)));
	EXPECT_EQ(EBUSY, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("x", names(p->v));
	EXPECT_STREQ(p->b, link_listed(p->v));
	ASSERT_EQ(0, ERR(umount2(p->v, MNT_DETACH)));
	EXPECT_STREQ("", names(p->v));
	EXPECT_STREQ("x", get("x"));
	EXPECT_STREQ("!ENOENT", link_listed(p->v));
	EXPECT_EQ(0, mount_count(p->top, NULL));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(lane, LT4_mounts_of_users)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_TRUE(OPENS(p->v));
	/* Below. */
	ASSERT_EQ(0, ERR(mount("tmpfs", d, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/x", d), "x"));
	EXPECT_STREQ("x", names(d));
	EXPECT_FALSE(WITHIN(2, in_lane(p->v)));
	EXPECT_STREQ("x", names(d));
	EXPECT_STREQ("", names(path("%s/d", p->b)));
	ASSERT_EQ(0, ERR(umount2(d, 0)));
	EXPECT_STREQ("", names(d));
	ASSERT_TRUE(OPENS(p->v));
	/* Over it. */
	ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/y", p->v), "y"));
	EXPECT_FALSE(WITHIN(2, strcmp("y", names(p->v))));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("d", names(p->v));
	ASSERT_TRUE(OPENS(p->v));
	/* In it, from inside. */
	ASSERT_EQ(0, ERR(chdir(p->v)));
	ASSERT_EQ(0, ERR(mount("tmpfs", "d", "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put("d/z", "z"));
	EXPECT_STREQ("z", names(d));
	EXPECT_FALSE(WITHIN(1, strcmp("z", names(d))));
	ASSERT_EQ(0, ERR(umount2("d", 0)));
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_STREQ("", names(d));
}

/* A filesystem that is put together of paths means the links, too. */
TEST_F(lane, LT4_layers_of_overlayfs)
{
	struct place *p = &self->p;
	const char *o = path("%s/other", p->back);
	int fs, mnt;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, ERR(mkdir(o, 0755)));
	ASSERT_EQ(0, put(path("%s/o", o), "o"));
	run("modprobe", "overlay", NULL);
	fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		SKIP(return, "no overlayfs here");
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_EQ(0, ERR(fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir",
				  path("%s:%s", p->v, o), 0)));
	EXPECT_EQ(0, ERR(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)));
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, mnt);
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	ASSERT_EQ(0, ERR(fchdir(mnt)));
	EXPECT_STREQ("x", get("x"));
	EXPECT_STREQ("o", get("o"));
	ASSERT_EQ(0, ERR(rename(p->b, path("%s/away", p->back))));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/y", p->b), "y"));
	EXPECT_STREQ("y", get("y"));
	ASSERT_EQ(0, ERR(chdir("/")));
	close(mnt);
	close(fs);
	EXPECT_TRUE(OPENS(p->v));
}

/* A child in a mount namespace of its own, which takes turns with its parent. */
struct apart {
	pid_t pid;
	int in, out;
};

static bool apart_wait(const struct apart *other)
{
	char c;

	return read(other->in, &c, 1) == 1;
}

static bool apart_go(const struct apart *other)
{
	return write(other->out, "x", 1) == 1;
}

/* Lets the other side go on until it does this, or ends. */
static bool apart_turn(const struct apart *other)
{
	return apart_go(other) && apart_wait(other);
}

/* The parent's turn is first.  Whether it is; the child's @pid is 0. */
static bool apart_fork(struct apart *other)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		return false;
	other->pid = fork();
	if (other->pid < 0)
		return false;
	other->in = other->pid ? back[0] : there[0];
	other->out = other->pid ? there[1] : back[1];
	close(other->pid ? there[0] : back[0]);
	close(other->pid ? back[1] : there[1]);
	if (other->pid)
		return apart_wait(other);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !apart_turn(other))
		_exit(1);
	return true;
}

/* The child's last turn.  Its status. */
static int apart_end(const struct apart *other)
{
	return apart_go(other) ? reap(other->pid) : -1;
}

TEST_F(lane, LT2_in_other_namespaces)
{
	struct place *p = &self->p;
	struct apart other;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_TRUE(apart_fork(&other));
	if (!other.pid) {
		if (!OPENS(p->v) || !apart_turn(&other))
			_exit(2);
		/* The backing was replaced. */
		if (strcmp(names(p->v), "y"))
			_exit(3);
		if (!OPENS(p->v) || strcmp(names(p->v), "y"))
			_exit(4);
		if (!apart_turn(&other))
			_exit(5);
		/* The link was removed. */
		if (strcmp(names(p->v), "") || lanes_at(p->v))
			_exit(6);
		_exit(0);
	}
	ASSERT_TRUE(apart_turn(&other));
	ASSERT_EQ(0, ERR(rename(p->b, path("%s/away", p->back))));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/y", p->b), "y"));
	ASSERT_TRUE(apart_turn(&other));
	EXPECT_STREQ("y", names(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, apart_end(&other));
}

/* That one namespace cannot have any more mounts is nothing to the others. */
TEST_F(lane, LT2_no_room_in_another_namespace)
{
	struct place *p = &self->p;
	const char *max = get("/proc/sys/fs/mount-max");
	struct apart other;
	int status;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_TRUE(apart_fork(&other));
	if (!other.pid) {
		if (strcmp(get(path("%s/x", p->v)), "x") || in_lane(p->v))
			_exit(2);
		_exit(0);
	}
	EXPECT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, write_text("/proc/sys/fs/mount-max", "1"));
	status = apart_end(&other);
	ASSERT_EQ(0, write_text("/proc/sys/fs/mount-max", max));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(in_lane(p->v));
}

/* Whether a walk to @file is done by looking at what is cached alone. */
static int walk_cached(const char *file)
{
	return walk(file, RESOLVE_CACHED, NULL);
}

/* Nor do they cost more for it. */
TEST_F(lane, LT2_where_the_lane_is_not_used)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top), *x = path("%s/x", p->v);
	const char *o = path("%s/other", p->back), *wx = path("%s/x", w);
	struct apart other;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, ERR(mkdir(o, 0755)));
	ASSERT_EQ(0, put(path("%s/x", o), "o"));
	ASSERT_TRUE(apart_fork(&other));
	if (!other.pid) {
		if (strcmp(get(x), "o"))
			_exit(2);
		_exit(walk_cached(x) ? 3 : 0);
	}
	/* A mount of the same with other flags. */
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	ASSERT_EQ(0, ERR(mount(p->v, w, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, w, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
			       MS_RELATIME, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, w, NULL, MS_PRIVATE, NULL)));
	EXPECT_TRUE(OPENS(p->v));
	EXPECT_STREQ("x", get(wx));
	EXPECT_EQ(0, walk_cached(w));
	EXPECT_EQ(0, walk_cached(wx));
	EXPECT_TRUE(in_lane(p->v));
	ASSERT_EQ(0, ERR(umount2(w, 0)));
	/* Somebody is in a lane that is closed, but in another namespace. */
	EXPECT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(chdir(p->v)));
	ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, o,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("o", get(x));
	EXPECT_EQ(0, apart_end(&other));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(lane, LB5_lanes_are_switched_off)
{
	struct place *p = &self->p;
	const char *before;

	DIR_LINK(p);
	ASSERT_TRUE(OPENS(p->v));
	before = lanes_allow("0");
	EXPECT_TRUE(WITHIN(5, !in_lane(p->v) && !lanes_at(p->v)));
	EXPECT_STREQ("", names(p->v));
	EXPECT_FALSE(WITHIN(1, in_lane(p->v)));
	lanes_allow(before);
	ASSERT_TRUE(OPENS(p->v));
	/* Whoever is in it stays, and there is no second one meanwhile. */
	ASSERT_EQ(0, ERR(chdir(p->v)));
	lanes_allow("0");
	EXPECT_TRUE(WITHIN(5, !in_lane(p->v)));
	lanes_allow(before);
	EXPECT_FALSE(WITHIN(2, in_lane(p->v)));
	EXPECT_EQ(1, lanes_at(p->v));
	EXPECT_EQ(0, put("x", "x"));
	EXPECT_STREQ("x", names(p->v));
	ASSERT_EQ(0, ERR(chdir("/")));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_EQ(1, lanes_at(p->v));
	EXPECT_STREQ("x", names(p->v));
}

TEST_F(lane, WR4_rmdir)
{
	struct place *p = &self->p;
	struct stat st;
	int i;

	ASSERT_EQ(0, make_parent_link(p));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(OPENS(p->v));
		/* With somebody in it, too. */
		if (i == 1)
			ASSERT_EQ(0, ERR(chdir(p->v)));
		EXPECT_EQ(0, ERR(rmdir(p->v)));
		EXPECT_EQ(ENOENT, ERR(stat(p->b, &st)));
		EXPECT_EQ(ENOENT, ERR(stat(p->v, &st)));
		EXPECT_EQ(0, ERR(mkdir(p->v, 0755)));
		EXPECT_EQ(0, ERR(stat(p->b, &st)));
		ASSERT_EQ(0, ERR(chdir("/")));
	}
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_EQ(ENOTEMPTY, ERR(rmdir(p->v)));
	EXPECT_STREQ("x", names(p->v));
	EXPECT_TRUE(OPENS(p->v));
}

TEST_F(lane, WR4_rename)
{
	struct place *p = &self->p;
	const char *w = path("%s/par/w", p->top), *o = path("%s/par/o", p->top);
	bool across = strcmp(p->top, p->back);
	struct stat st;
	int i;

	ASSERT_EQ(0, make_parent_link(p));
	if (stat(p->top, &st) == 0 && across) {
		struct stat b;

		ASSERT_EQ(0, ERR(stat(p->back, &b)));
		across = st.st_dev != b.st_dev;
	}
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(OPENS(p->v));
		if (i == 1)
			ASSERT_EQ(0, ERR(chdir(p->v)));
		if (across) {
			EXPECT_EQ(EXDEV, ERR(rename(p->v, w)));
			ASSERT_EQ(0, ERR(chdir("/")));
			continue;
		}
		EXPECT_EQ(0, ERR(rename(p->v, w)));
		EXPECT_EQ(ENOENT, ERR(stat(p->v, &st)));
		EXPECT_EQ(ENOENT, ERR(stat(p->b, &st)));
		EXPECT_STREQ("x", names(w));
		EXPECT_EQ(0, ERR(rename(w, p->v)));
		EXPECT_STREQ("x", names(p->v));
		EXPECT_STREQ("x", names(p->b));
		ASSERT_EQ(0, ERR(chdir("/")));
	}
	if (across)
		return;
	/* Over it, and with another. */
	ASSERT_EQ(0, ERR(mkdir(o, 0755)));
	ASSERT_EQ(0, put(path("%s/y", o), "y"));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_EQ(0, ERR(renameat2(AT_FDCWD, p->v, AT_FDCWD, o,
				   RENAME_EXCHANGE)));
	EXPECT_STREQ("y", names(p->v));
	EXPECT_STREQ("y", names(p->b));
	EXPECT_STREQ("x", names(o));
	ASSERT_EQ(0, ERR(unlink(path("%s/y", p->v))));
	ASSERT_TRUE(OPENS(p->v));
	EXPECT_EQ(0, ERR(rename(o, p->v)));
	EXPECT_STREQ("x", names(p->v));
	EXPECT_STREQ("x", names(p->b));
}

/* Who may not remove it does not do anything to it. */
TEST_F(lane, SE3_not_everybody_closes_it)
{
	struct place *p = &self->p;
	int i, status;
	pid_t pid;

	ASSERT_EQ(0, make_parent_link(p));
	ASSERT_TRUE(OPENS(p->v));
	pid = fork_user(USER);
	if (!pid) {
		for (i = 0; i < 100; i++)
			if (ERR(rmdir(p->v)) != EACCES ||
			    ERR(rename(p->v, path("%s/par/w", p->top))) != EACCES ||
			    ERR(umount2(p->v, 0)) != EPERM)
				_exit(1);
		_exit(in_lane(p->v) ? 0 : 2);
	}
	status = reap(pid);
	EXPECT_EQ(0, status);
	EXPECT_TRUE(in_lane(p->v));
}

/* Who is in the tree, and fills it, keeps the lane from opening, and nobody else. */
TEST_F(lane, SE3_not_everybody_makes_others_wait)
{
	struct place *p = &self->p;
	struct timespec t0, t1;
	long took, longest = 0;
	const char *before;
	struct stat st;
	pid_t pids[3];
	unsigned int n;
	char name[32];
	int ready[2];
	int i;

	/* They have to be there first. */
	before = lanes_delay("2000");
	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, ERR(pipe(ready)));
	for (i = 0; i < 3; i++) {
		pids[i] = fork_user(USER);
		ASSERT_LE(0, pids[i]);
		if (pids[i])
			continue;
		if (chdir(path("%s/d", p->v)) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (n = 0;; n++) {
			snprintf(name, sizeof(name), "%d.%u", i, n);
			stat(name, &st);
		}
	}
	close(ready[1]);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, read(ready[0], name, 1));
	close(ready[0]);
	lanes_delay(before);
	for (i = 0; i < 600; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t0);
		EXPECT_EQ(0, ERR(stat(p->v, &st)));
		clock_gettime(CLOCK_MONOTONIC, &t1);
		took = (t1.tv_sec - t0.tv_sec) * 1000 +
		       (t1.tv_nsec - t0.tv_nsec) / 1000000;
		if (took > longest)
			longest = took;
		usleep(10000);
	}
	EXPECT_FALSE(in_lane(p->v));
	for (i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(256 + SIGKILL, reap(pids[i]));
	}
	EXPECT_GT(1500, longest);
	EXPECT_TRUE(OPENS(p->v));
}

/* What root of another user namespace does to its mounts is done to the link. */
TEST_F(lane, SE3_TR10_mounts_of_another_user_namespace)
{
	struct place *p = &self->p;
	const char *d = path("%s/d", p->v);
	int ready[2], go[2], status;
	pid_t pid;
	char c;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(pipe(ready)));
	ASSERT_EQ(0, ERR(pipe(go)));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
		    write_text("/proc/self/setgroups", "deny") ||
		    write_text("/proc/self/uid_map", "0 0 1\n") ||
		    write_text("/proc/self/gid_map", "0 0 1\n"))
			_exit(1);
		if (strcmp(get(path("%s/x", p->v)), "x") ||
		    umount2(p->v, 0) != -1)
			_exit(2);
		if (mount("tmpfs", d, "tmpfs", 0, NULL) ||
		    put(path("%s/in", d), "in"))
			_exit(3);
		if (mount(NULL, p->v, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY |
			  MS_RELATIME, NULL) ||
		    put(path("%s/y", p->v), "y") != -EROFS)
			_exit(4);
		if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(5);
		/* The lane was closed. */
		if (strcmp(names(d), "in"))
			_exit(6);
		if (put(path("%s/y", p->v), "y") != -EROFS)
			_exit(7);
		if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(8);
		/* And opened again. */
		if (put(path("%s/y", p->v), "y") != -EROFS)
			_exit(9);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &c, 1) == 1) {
		EXPECT_TRUE(in_lane(p->v));
		/* Somebody mounts something, and takes it off again. */
		EXPECT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
		EXPECT_EQ(0, ERR(umount2(p->v, 0)));
		EXPECT_FALSE(in_lane(p->v));
		ASSERT_EQ(1, write(go[1], "x", 1));
	}
	if (read(ready[0], &c, 1) == 1) {
		WITHIN(3, in_lane(p->v));
		ASSERT_EQ(1, write(go[1], "x", 1));
	}
	close(go[1]);
	status = reap(pid);
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, link_drop(p->v));
}

/* Nor does who may make names beside it. */
TEST_F(lane, SE3_WR4_in_a_sticky_directory)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *w = path("%s/w", par);
	int i, status;
	pid_t pid;

	ASSERT_EQ(0, make_parent_link(p));
	ASSERT_EQ(0, ERR(chmod(par, 01777)));
	ASSERT_TRUE(OPENS(p->v));
	pid = fork_user(USER);
	if (!pid) {
		if (put(w, "w"))
			_exit(1);
		for (i = 0; i < 20; i++)
			if (ERR(rmdir(p->v)) != EPERM ||
			    ERR(rename(p->v, path("%s/z", par))) != EPERM)
				_exit(2);
		_exit(in_lane(p->v) ? 0 : 3);
	}
	status = reap(pid);
	EXPECT_EQ(0, status);
	EXPECT_TRUE(in_lane(p->v));
	EXPECT_EQ(0, ERR(rmdir(p->v)));
}

/* What is mounted over the name is the user's. */
TEST_F(lane, WR4_mounted_over)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, make_parent_link(p));
	ASSERT_TRUE(OPENS(p->v));
	ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/x", p->v), "x"));
	EXPECT_EQ(EBUSY, ERR(rmdir(p->v)));
	EXPECT_EQ(EBUSY, ERR(rename(p->v, path("%s/par/w", p->top))));
	EXPECT_STREQ("x", names(p->v));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	EXPECT_STREQ("", names(p->v));
	EXPECT_TRUE(OPENS(p->v));
}

/* By the other path, which is in the same tree, the file is the same one there. */
TEST_F(lane, TR5_not_beside_the_backing)
{
	struct place *p = &self->p;
	const char *v = path("%s/v", p->back);
	int fd;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, link_attach(v, p->b, BINDLINK_ATTACH_PARENT));
	EXPECT_STREQ("", names(v));
	EXPECT_FALSE(WITHIN(1, in_lane(v)));
	fd = bind_socket(path("%s/s", v));
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, connect_to(path("%s/s", p->b)));
	EXPECT_EQ(0, connect_to(path("%s/s", v)));
	close(fd);
	ASSERT_EQ(0, link_drop(v));
}

/* Whatever is changed, nobody sees what is not there any more. */
TEST_F(lane, LB6_storm)
{
	struct place *p = &self->p;
	const char *other = path("%s/other", p->back);
	const char *x = path("%s/x", p->v);
	int i, n = 0, fd, wrong = 0, turns = scaled(400);
	pid_t pids[3];
	struct stat st;
	char c;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(other, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "0"));
	ASSERT_EQ(0, put(path("%s/x", other), "1"));
	ASSERT_TRUE(OPENS(p->v) || true);
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		for (;;) {
			if (i == 0 && stat(x, &st))
				_exit(1);
			if (i == 1) {
				fd = open(x, O_RDONLY);
				if (fd < 0)
					_exit(2);
				close(fd);
			}
			if (i == 2) {
				mkdir(path("%s/m", p->top), 0755);
				if (mount("tmpfs", path("%s/m", p->top),
					  "tmpfs", 0, NULL))
					_exit(3);
				umount2(path("%s/m", p->top), 0);
				usleep(20000);
			}
		}
	}
	for (i = 0; i < turns; i++) {
		n = !n;
		ASSERT_EQ(0, ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
					   RENAME_EXCHANGE)));
		fd = open(x, O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_EQ(1, read(fd, &c, 1));
		wrong += c != '0' + n;
		close(fd);
		usleep(i % 10 ? i % 7 * 100 : 700000);
	}
	EXPECT_EQ(0, wrong);
	for (i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		EXPECT_EQ(256 + SIGKILL, reap(pids[i]));
	}
	umount2(path("%s/m", p->top), 0);
	EXPECT_TRUE(OPENS(p->v));
}

int main(int argc, char **argv)
{
	if (!lanes_allowed())
		ksft_exit_skip("lanes are switched off\n");
	return test_harness_run(argc, argv);
}
