// SPDX-License-Identifier: GPL-2.0
/*
 * Mounts on the backing side, and beneath a tree: the next lookup finds them,
 * and a link keeps no filesystem from being unmounted.
 */
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES_CROSS(backing);

static const uint32_t attach[] = {
	BINDLINK_ATTACH_AUTO, BINDLINK_ATTACH_PARENT,
};

/* Everything below, several times, so that it is cached. */
static void warm(const char *dir)
{
	int i;

	for (i = 0; i < 3; i++) {
		free(tree(dir, true));
		get(path("%s/none", dir));
	}
}

#define MOUNT_TMPFS(at, text) do {					\
	ASSERT_EQ(0, ERR(mount("tmpfs", (at), "tmpfs", 0, NULL)));	\
	ASSERT_EQ(0, put(path("%s/x", (at)), (text)));			\
} while (0)

/*
 * Nobody is inside, so this must not say EBUSY, unless the kernel has a look at
 * the links at the same moment.
 */
#define UMOUNT(at) do {							\
	int __err;							\
									\
	EXPECT_TRUE(WITHIN(1, (__err = ERR(umount2((at), 0))) != EBUSY)); \
	EXPECT_EQ(0, __err)						\
		TH_LOG("%s: %s", (at), strerror(__err));		\
	if (__err)							\
		umount2((at), MNT_DETACH);				\
} while (0)

TEST_F(backing, LB7_a_mount_at_the_backing)
{
	struct place *p = &self->p;
	const char *x = path("%s/x", p->v);
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
		ASSERT_EQ(0, put(path("%s/x", p->b), "beneath"));
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_attach(p->v, p->b, attach[i]))
			TH_LOG("%s", link_why());
		for (round = 0; round < 3; round++) {
			EXPECT_STREQ("beneath", get(x));
			warm(p->v);
			MOUNT_TMPFS(p->b, "mounted");
			EXPECT_STREQ("mounted", get(x))
				TH_LOG("attach %u, round %u", i, round);
			EXPECT_STREQ("x", names(p->v));
			EXPECT_TRUE(same_inode(p->v, p->b));
			EXPECT_EQ(0, put(path("%s/y", p->v), "y"));
			EXPECT_STREQ("y", get(path("%s/y", p->b)));
			/* One upon the other. */
			warm(p->v);
			MOUNT_TMPFS(p->b, "upon it");
			EXPECT_STREQ("upon it", get(x));
			EXPECT_STREQ("x", names(p->v));
			UMOUNT(p->b);
			EXPECT_STREQ("mounted", get(x));
			warm(p->v);
			UMOUNT(p->b);
			EXPECT_STREQ("beneath", get(x))
				TH_LOG("attach %u, round %u", i, round);
			EXPECT_STREQ("!ENOENT", get(path("%s/y", p->v)));
		}
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, rm_rf(p->v));
	}
}

TEST_F(backing, LB7_a_mount_above_the_backing)
{
	struct place *p = &self->p;
	const char *up = path("%s/up", p->back), *b = path("%s/mid/b", up);
	const char *x = path("%s/x", p->v), *d = path("%s/d/x", p->v);
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		ASSERT_EQ(0, ERR(mkdir(up, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/mid", up), 0755)));
		ASSERT_EQ(0, ERR(mkdir(b, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", b), 0755)));
		ASSERT_EQ(0, put(path("%s/x", b), "beneath"));
		ASSERT_EQ(0, put(path("%s/d/x", b), "deep beneath"));
		ASSERT_EQ(0, link_attach(p->v, b, attach[i]))
			TH_LOG("%s", link_why());
		for (round = 0; round < 3; round++) {
			EXPECT_STREQ("beneath", get(x));
			warm(p->v);
			ASSERT_EQ(0, ERR(mount("tmpfs", up, "tmpfs", 0, NULL)));
			EXPECT_STREQ("!ENOENT", get(x));
			EXPECT_STREQ("!ENOENT", facts(p->v));
			ASSERT_EQ(0, ERR(mkdir(path("%s/mid", up), 0755)));
			EXPECT_STREQ("!ENOENT", get(d));
			ASSERT_EQ(0, ERR(mkdir(b, 0755)));
			EXPECT_STREQ("", names(p->v));
			ASSERT_EQ(0, put(path("%s/x", b), "mounted"));
			EXPECT_STREQ("mounted", get(x));
			EXPECT_STREQ("!ENOENT", get(d));
			warm(p->v);
			UMOUNT(up);
			EXPECT_STREQ("beneath", get(x))
				TH_LOG("attach %u, round %u", i, round);
			EXPECT_STREQ("deep beneath", get(d));
			EXPECT_STREQ("d x", names(p->v));
		}
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(up));
	}
}

TEST_F(backing, LB7_LB4_a_mount_below_the_backing)
{
	struct place *p = &self->p;
	const char *d = path("%s/d/m", p->b), *vd = path("%s/d/m", p->v);
	const char *f = path("%s/f", p->b), *vf = path("%s/f", p->v);
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
		ASSERT_EQ(0, ERR(mkdir(d, 0755)));
		ASSERT_EQ(0, put(path("%s/under", d), "under"));
		ASSERT_EQ(0, put(f, "file"));
		ASSERT_EQ(0, link_attach(p->v, p->b, attach[i]));
		for (round = 0; round < 3; round++) {
			warm(p->v);
			EXPECT_STREQ("under", names(vd));
			MOUNT_TMPFS(d, "mounted");
			EXPECT_STREQ("x", names(vd));
			EXPECT_STREQ("mounted", get(path("%s/x", vd)));
			EXPECT_TRUE(same_inode(d, vd));
			EXPECT_EQ(0, put(path("%s/new", vd), "new"));
			EXPECT_STREQ("new", get(path("%s/new", d)));
			EXPECT_EQ(0, ERR(mkdir(path("%s/dir", vd), 0755)));
			EXPECT_EQ(0, put(path("%s/dir/z", vd), "z"));
			/* And one in that. */
			MOUNT_TMPFS(path("%s/dir", d), "deeper");
			EXPECT_STREQ("x", names(path("%s/dir", vd)));
			EXPECT_STREQ("deeper", get(path("%s/dir/x", vd)));
			warm(p->v);
			UMOUNT(path("%s/dir", d));
			EXPECT_STREQ("z", names(path("%s/dir", vd)));
			ASSERT_EQ(0, ERR(mount(path("%s/x", d), f, NULL,
					       MS_BIND, NULL)));
			EXPECT_STREQ("mounted", get(vf));
			UMOUNT(f);
			EXPECT_STREQ("file", get(vf));
			/* Its name is a mount point at B, and busy there. */
			EXPECT_EQ(EXDEV, ERR(rename(path("%s/x", vd), vf)));
			EXPECT_NE(0, ERR(rmdir(vd)));
			UMOUNT(d);
			EXPECT_STREQ("under", names(vd))
				TH_LOG("attach %u, round %u", i, round);
		}
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
	}
}

/*
 * From beneath the tree, by a directory that was opened before: what is mounted
 * there is seen as well.
 */
TEST_F(backing, LB7_AN3_a_mount_beneath_the_carrying_parent)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *m = path("%s/m", par), *beneath;
	int fd, round, before;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, put(path("%s/under", m), "under"));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	before = mount_count(p->top, NULL);
	fd = open(par, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	beneath = path("/proc/self/fd/%d/m", fd);
	ASSERT_EQ(0, link_make(v, p->b));
	for (round = 0; round < 3; round++) {
		warm(par);
		EXPECT_STREQ("under", names(m));
		MOUNT_TMPFS(beneath, "mounted");
		EXPECT_STREQ("x", names(m));
		EXPECT_STREQ("mounted", get(path("%s/x", m)));
		EXPECT_STREQ("m v", names(par));
		EXPECT_EQ(0, put(path("%s/new", m), "new"));
		EXPECT_STREQ("new", get(path("%s/new", beneath)));
		warm(par);
		UMOUNT(beneath);
		EXPECT_STREQ("under", names(m));
	}
	/* And is there when the tree is gone. */
	MOUNT_TMPFS(beneath, "mounted");
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("mounted", get(path("%s/x", m)));
	EXPECT_EQ(before + 1, mount_count(p->top, NULL));
	close(fd);
	UMOUNT(m);
	EXPECT_STREQ("under", names(m));
}

/*
 * A filesystem on a loop device: of a device one sees when it is let go.
 */
struct disk {
	char dev[32];
	char file[160];
	int fd;
};

static int disk_format(const struct disk *d)
{
	return run("mkfs.ext4", "-q", "-F", d->dev, NULL) &&
	       run("/sbin/mkfs.ext4", "-q", "-F", d->dev, NULL);
}

static const char *disk_make(struct disk *d, const struct place *p)
{
	int control, n, file;

	snprintf(d->file, sizeof(d->file), "%s/disk", p->top);
	run("modprobe", "loop", NULL);
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return "no loop devices here";
	file = open(d->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, 16 << 20))
		return path("%s: %s", d->file, strerror(errno));
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return "no free loop device";
	snprintf(d->dev, sizeof(d->dev), "/dev/loop%d", n);
	d->fd = open(d->dev, O_RDWR | O_CLOEXEC);
	if (d->fd < 0 || ioctl(d->fd, LOOP_SET_FD, file)) {
		close(file);
		return path("%s: %s", d->dev, strerror(errno));
	}
	close(file);
	/* Who has it open for writing is in the way of mounts. */
	close(d->fd);
	d->fd = open(d->dev, O_RDONLY | O_CLOEXEC);
	if (d->fd < 0)
		return path("%s: %s", d->dev, strerror(errno));
	if (disk_format(d)) {
		ioctl(d->fd, LOOP_CLR_FD, 0);
		close(d->fd);
		return "no mkfs.ext4 here";
	}
	return NULL;
}

/* Nobody has it mounted, in whatever way. */
static bool disk_free(const struct disk *d)
{
	int fd = open(d->dev, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int disk_drop(struct disk *d)
{
	int err = ERR(ioctl(d->fd, LOOP_CLR_FD, 0));

	close(d->fd);
	unlink(d->file);
	return err;
}

#define DISK(d) do {							\
	const char *__why = disk_make(&(d), &self->p);			\
									\
	if (__why)							\
		SKIP(return, "%s", __why);				\
} while (0)

/* The filesystem goes while there is a link into it, and comes again. */
TEST_F(backing, LB7_RM5_the_filesystem_can_be_unmounted)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *b = path("%s/b", m);
	const char *x = path("%s/x", p->v);
	struct disk d;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	DISK(d);
	for (i = 0; i < 4; i++) {
		/* What lies beneath, or nothing. */
		bool under = i & 1;

		if (under) {
			ASSERT_EQ(0, ERR(mkdir(b, 0755)));
			ASSERT_EQ(0, put(path("%s/x", b), "beneath"));
		}
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		ASSERT_EQ(0, ERR(mkdir(b, 0755)));
		ASSERT_EQ(0, put(path("%s/x", b), "disk"));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", b), 0755)));
		ASSERT_EQ(0, put(path("%s/d/y", b), "deep"));
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_attach(p->v, b, attach[i / 2]))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("disk", get(x));
		EXPECT_EQ(0, put(path("%s/new", p->v), "new"));
		EXPECT_EQ(0, ERR(mkdir(path("%s/d/e", p->v), 0755)));
		EXPECT_EQ(0, ERR(unlink(path("%s/new", p->v))));
		warm(p->v);
		UMOUNT(m);
		EXPECT_STREQ(under ? "beneath" : "!ENOENT", get(x))
			TH_LOG("round %u", i);
		EXPECT_STREQ(under ? "x" : "!ENOENT", names(p->v));
		EXPECT_STREQ("!ENOENT", get(path("%s/d/y", p->v)));
		EXPECT_STREQ(b, link_listed(p->v));
		/* And is really gone. */
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("round %u: the device is still in use", i);
		/* Whatever does not look at V in between. */
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		EXPECT_STREQ("disk", get(x));
		EXPECT_STREQ("deep", get(path("%s/d/y", p->v)));
		warm(p->v);
		UMOUNT(m);
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("round %u: without a look at V", i);
		EXPECT_EQ(0, disk_format(&d))
			TH_LOG("round %u: mkfs", i);
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		EXPECT_STREQ("!ENOENT", get(x));
		ASSERT_EQ(0, ERR(mkdir(b, 0755)));
		ASSERT_EQ(0, put(path("%s/x", b), "new disk"));
		EXPECT_STREQ("new disk", get(x));
		ASSERT_EQ(0, link_drop(p->v));
		UMOUNT(m);
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("round %u: without the link", i);
		EXPECT_EQ(0, disk_format(&d));
		ASSERT_EQ(0, rm_rf(b));
		ASSERT_EQ(0, rm_rf(p->v));
	}
	EXPECT_EQ(0, disk_drop(&d));
}

/*
 * What was read and closed keeps nothing when the link has been removed, but for what
 * the kernel does a grace period later. With an exception there is no lane, and
 * something behind each file.
 */
TEST_F(backing, RM5_free_soon)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *b = path("%s/b", m);
	const char *except = path("%s/except", p->v);
	const char *x = path("%s/x", p->v);
	uint64_t before, took = UINT64_MAX;
	struct disk d;
	int i;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(except, 0755)));
	DISK(d);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		ASSERT_EQ(0, ERR(i ? 0 : mkdir(b, 0755)));
		ASSERT_EQ(0, put(path("%s/x", b), "disk"));
		ASSERT_EQ(0, link_make_flags(p->v, b, 0, &except, 1))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("disk", get(x));
		EXPECT_STREQ("disk", get(x));
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, ERR(umount2(m, 0)));
		before = now_ms();
		EXPECT_TRUE(WITHIN(5, disk_free(&d))) TH_LOG("round %d", i);
		if (now_ms() - before < took)
			took = now_ms() - before;
	}
	/* The quickest, as the machine does other things, too. */
	EXPECT_GT(300, took);
	EXPECT_EQ(0, disk_drop(&d));
}

/* A mount below B, and one above it that has others upon it. */
TEST_F(backing, LB7_a_filesystem_below_the_backing_can_be_unmounted)
{
	struct place *p = &self->p;
	const char *m = path("%s/d/m", p->b), *vm = path("%s/d/m", p->v);
	struct disk d;
	unsigned int i;

	DISK(d);
	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
		ASSERT_EQ(0, ERR(mkdir(m, 0755)));
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_attach(p->v, p->b, attach[i]));
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		EXPECT_EQ(0, put(path("%s/x", vm), "disk"));
		warm(p->v);
		EXPECT_STREQ("lost+found x", names(vm));
		EXPECT_EQ(0, ERR(unlink(path("%s/x", vm))));
		UMOUNT(m);
		EXPECT_STREQ("", names(vm));
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("the device is still in use");
		EXPECT_EQ(0, put(path("%s/y", vm), "beneath"));
		EXPECT_STREQ("beneath", get(path("%s/y", m)));
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(p->b));
		ASSERT_EQ(0, rm_rf(p->v));
	}
	EXPECT_EQ(0, disk_drop(&d));
}

/* While a file is open the filesystem stays, and goes when it is closed. */
TEST_F(backing, LB7_LB5_busy_while_a_file_is_open)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *b = path("%s/b", m);
	struct disk d;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	DISK(d);
	for (i = 0; i < 8; i++) {
		bool cwd = i & 1, later = i & 2;
		char buf[16] = "";
		int fd = -1, err;
		char *map = MAP_FAILED;

		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		ASSERT_EQ(0, make_kind(b, 'd', "disk"));
		ASSERT_EQ(0, ERR(mkdir(path("%s/e", b), 0755)));
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_attach(p->v, b, attach[i / 4]));
		warm(p->v);
		if (cwd) {
			ASSERT_EQ(0, ERR(chdir(path("%s/e", p->v))));
		} else {
			fd = open(path("%s/in", p->v), O_RDWR);
			ASSERT_LE(0, fd);
			map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, map);
		}
		err = ERR(umount2(m, 0));
		EXPECT_TRUE(!err || err == EBUSY)
			TH_LOG("%s", strerror(err));
		if (err)
			ASSERT_EQ(0, ERR(umount2(m, MNT_DETACH)));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
		EXPECT_STREQ("!ENOENT", facts(p->v));
		if (later)
			ASSERT_EQ(0, link_drop(p->v));
		if (cwd) {
			/* What is known of names there keeps nothing. */
			EXPECT_EQ(0, put("new", "new"));
			EXPECT_STREQ("new", get("new"));
			EXPECT_EQ(0, ERR(unlink("new")));
			EXPECT_EQ(0, put("kept", "kept"));
			EXPECT_EQ(ENOENT, ERR(access("missing", F_OK)));
			ASSERT_EQ(0, ERR(chdir("/")));
		} else {
			EXPECT_FALSE(disk_free(&d));
			EXPECT_EQ(4, pread(fd, buf, sizeof(buf), 0));
			EXPECT_STREQ("disk", buf);
			EXPECT_EQ(4, pwrite(fd, "DISK", 4, 0));
			EXPECT_EQ(0, memcmp(map, "DISK", 4));
			close(fd);
			EXPECT_EQ(0, memcmp(map, "DISK", 4));
			munmap(map, 4096);
		}
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("round %u: the device is still in use", i);
		if (!later) {
			/* Mounted again it is seen again. */
			ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
			EXPECT_STREQ(cwd ? "disk" : "DISK",
				     get(path("%s/in", p->v)));
			UMOUNT(m);
			ASSERT_EQ(0, link_drop(p->v));
		}
		EXPECT_TRUE(WITHIN(5, disk_free(&d)));
		EXPECT_EQ(0, disk_format(&d));
		ASSERT_EQ(0, rm_rf(p->v));
	}
	EXPECT_EQ(0, disk_drop(&d));
}

/* What is open of the original does not keep what it is merged with. */
TEST_F(backing, LB7_MG5_free_while_the_original_is_open)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *b = path("%s/b", m);
	struct disk d;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	DISK(d);
	for (i = 0; i < 4; i++) {
		bool cwd = i & 1;
		char buf[8] = "";
		int fd;

		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		ASSERT_EQ(0, make_kind(b, 'd', "disk"));
		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->v), 0755)));
		ASSERT_EQ(0, put(path("%s/d/o", p->v), "o"));
		ASSERT_EQ(0, link_make_opts(p->v, b, BINDLINK_FLAG_MERGED,
					    attach[i / 2], NULL, 0))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("o", get(path("%s/d/o", p->v)));
		EXPECT_STREQ("disk", get(path("%s/in", p->v)));
		if (cwd)
			ASSERT_EQ(0, ERR(chdir(path("%s/d", p->v))));
		fd = open(cwd ? "o" : path("%s/d/o", p->v), O_RDONLY);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, ERR(umount2(m, 0)));
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("round %u: the device is still in use", i);
		EXPECT_EQ(1, pread(fd, buf, sizeof(buf), 0));
		EXPECT_STREQ("o", buf);
		EXPECT_STREQ("o", get(cwd ? "o" : path("%s/d/o", p->v)));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", p->v)));
		close(fd);
		ASSERT_EQ(0, ERR(chdir("/")));
		ASSERT_EQ(0, link_drop(p->v))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, disk_format(&d));
		ASSERT_EQ(0, rm_rf(p->v));
	}
	EXPECT_EQ(0, disk_drop(&d));
}

/* XFS that ignores case, which the dcache is not told of. */
static int disk_format_ci(const struct disk *d)
{
	return ERR(truncate(d->file, 320 << 20)) ?:
	       ERR(ioctl(d->fd, LOOP_SET_CAPACITY)) ?:
	       run("mkfs.xfs", "-q", "-f", "-n", "version=ci", d->dev, NULL);
}

/* What is in either layer is found, removed and renamed by a name of other case. */
TEST_F(backing, MG6_MG8_names_of_other_case)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *v = path("%s/o", m);
	const char *b = path("%s/b", m);
	struct disk d;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	DISK(d);
	if (disk_format_ci(&d) || mount(d.dev, m, "xfs", 0, NULL)) {
		disk_drop(&d);
		SKIP(return, "no XFS that ignores case here");
	}
	ASSERT_EQ(0, ERR(mkdir(v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", v), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/one", v), "o1"));
	ASSERT_EQ(0, put(path("%s/d/two", v), "o2"));
	ASSERT_EQ(0, put(path("%s/d/three", b), "b3"));
	ASSERT_EQ(0, put(path("%s/d/four", b), "b4"));
	ASSERT_EQ(0, link_make_opts(v, b, BINDLINK_FLAG_MERGED,
				    BINDLINK_ATTACH_AUTO, NULL, 0))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("o1", get(path("%s/d/ONE", v)));
	EXPECT_STREQ("b3", get(path("%s/d/THREE", v)));
	EXPECT_EQ(0, ERR(rename(path("%s/d/ONE", v), path("%s/d/uno", v))));
	EXPECT_EQ(0, ERR(rename(path("%s/d/THREE", v), path("%s/d/tre", v))));
	EXPECT_EQ(0, ERR(unlink(path("%s/d/TWO", v))));
	EXPECT_EQ(0, ERR(unlink(path("%s/d/FOUR", v))));
	EXPECT_STREQ("tre uno", names(path("%s/d", v)));
	EXPECT_STREQ("o1", get(path("%s/d/UNO", v)));
	EXPECT_STREQ("b3", get(path("%s/d/Tre", v)));
	EXPECT_STREQ("!ENOENT", get(path("%s/d/One", v)));
	EXPECT_STREQ("!ENOENT", get(path("%s/d/two", v)));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("uno", names(path("%s/d", v)));
	EXPECT_STREQ("tre", names(path("%s/d", b)));
	UMOUNT(m);
	EXPECT_EQ(0, disk_drop(&d));
}

/* A whole chain of filesystems, and many links into one of them. */
TEST_F(backing, LB7_many_links_into_one_filesystem)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back), *par = path("%s/par", p->top);
	unsigned int i, n = scaled(40) + 2;
	struct disk d;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	DISK(d);
	ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, make_kind(path("%s/%u", m, i), i & 1 ? 'd' : 'f',
				       path("%u", i)));
		ASSERT_EQ(0, link_make(path("%s/%u", par, i),
				       path("%s/%u", m, i)));
	}
	warm(par);
	UMOUNT(m);
	EXPECT_TRUE(WITHIN(5, disk_free(&d)))
		TH_LOG("the device is still in use");
	EXPECT_STREQ("", names(par));
	EXPECT_EQ((int)n, link_count(par));
	ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
	for (i = 0; i < n; i++)
		EXPECT_STREQ(path("%u", i),
			     get(path(i & 1 ? "%s/%u/in" : "%s/%u", par, i)));
	UMOUNT(m);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, link_drop(path("%s/%u", par, i)));
	EXPECT_TRUE(WITHIN(5, disk_free(&d)));
	EXPECT_EQ(0, disk_drop(&d));
}

/* V's own filesystem: it carries a tree, so it is busy as ever until then. */
TEST_F(backing, RM5_the_filesystem_of_the_parent)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->top), *par = path("%s/par", m);
	struct disk d;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	DISK(d);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, ERR(mount(d.dev, m, "ext4", 0, NULL)));
		mkdir(par, 0755);
		ASSERT_EQ(0, link_make(path("%s/v", i ? par : m), p->b))
			TH_LOG("%s", link_why());
		EXPECT_EQ(0, put(path("%s/f", par), "f"));
		warm(m);
		EXPECT_EQ(0, ERR(unlink(path("%s/f", par))));
		ASSERT_EQ(0, link_drop(path("%s/v", i ? par : m)));
		UMOUNT(m);
		EXPECT_TRUE(WITHIN(5, disk_free(&d)))
			TH_LOG("the device is still in use");
	}
	EXPECT_EQ(0, disk_drop(&d));
}

/* An overlay in the place; its upper directory. */
static const char *overlay_in(const struct place *p, const char *base)
{
	const char *o = path("%s/overlay", base);
	char data[1024];

	(void)p;
	if (mkdir(o, 0755) || mkdir(path("%s/lower", base), 0755) ||
	    mkdir(path("%s/upper", base), 0755) ||
	    mkdir(path("%s/work", base), 0755) ||
	    mkdir(path("%s/lower/par", base), 0755) ||
	    put(path("%s/lower/par/sib", base), "lower sibling") ||
	    mkdir(path("%s/lower/par/d", base), 0755) ||
	    put(path("%s/lower/par/d/f", base), "lower f"))
		return NULL;
	run("modprobe", "overlay", NULL);
	snprintf(data, sizeof(data), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		 base, base, base);
	return mount("overlay", o, "overlay", 0, data) ? NULL : o;
}

TEST_F(backing, RE4_AN3_a_carrier_on_overlayfs)
{
	struct place *p = &self->p;
	const char *o = overlay_in(p, p->top), *par, *v, *sib, *f;
	char *before, *after;
	unsigned int i;
	char buf[32];
	int fd;

	if (!o)
		SKIP(return, "no overlayfs here: %s", strerror(errno));
	par = path("%s/par", o);
	v = path("%s/v", par);
	sib = path("%s/sib", par);
	f = path("%s/d/f", par);
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	before = tree(par, true);
	for (i = 0; i < 3; i++) {
		/* Over nothing, over a file, at its own path. */
		if (i)
			ASSERT_EQ(0, make_kind(v, i == 1 ? 'f' : 'd',
					       "original"));
		ASSERT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ(i == 2 ? "path" : "parent", link_carrier(v));
		EXPECT_STREQ("d sib v", names(par));
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_EQ(0, put(path("%s/new", v), "new"));
		EXPECT_STREQ("new", get(path("%s/new", p->b)));
		EXPECT_EQ(0, ERR(unlink(path("%s/new", v))));
		EXPECT_STREQ("lower sibling", get(sib));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		if (i)
			ASSERT_EQ(0, rm_rf(v));
		after = tree(par, true);
		EXPECT_STREQ(before, after);
		free(after);
	}
	/* Copied up while it carries; a reader from before reads on. */
	ASSERT_EQ(0, link_make(v, p->b));
	fd = open(sib, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, add(sib, ", changed"));
	EXPECT_STREQ("lower sibling, changed", get(sib));
	EXPECT_STREQ("lower sibling, changed",
		     get(path("%s/upper/par/sib", p->top)));
	EXPECT_STREQ("lower sibling", get(path("%s/lower/par/sib", p->top)));
	EXPECT_LT(0, pread(fd, buf, sizeof(buf), 0));
	close(fd);
	EXPECT_EQ(0, ERR(rename(f, path("%s/f2", par))));
	EXPECT_STREQ("lower f", get(path("%s/f2", par)));
	EXPECT_STREQ("", names(path("%s/d", par)));
	EXPECT_EQ(0, put(path("%s/made", par), "made"));
	EXPECT_EQ(0, ERR(link(path("%s/made", par), path("%s/hard", par))));
	EXPECT_TRUE(same_inode(path("%s/made", par), path("%s/hard", par)));
	EXPECT_EQ(0, ERR(unlink(sib)));
	EXPECT_STREQ("d f2 hard made v", names(par));
	EXPECT_EQ(EXDEV, ERR(rename(path("%s/made", par), path("%s/m", v))));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("d f2 hard made", names(par));
	UMOUNT(o);
	free(before);
}

TEST_F(backing, RE1_LB4_backing_on_overlayfs)
{
	struct place *p = &self->p;
	const char *o = overlay_in(p, p->back), *b, *vs, *bs;
	unsigned int i;

	if (!o)
		SKIP(return, "no overlayfs here: %s", strerror(errno));
	b = path("%s/par", o);
	vs = path("%s/sib", p->v);
	bs = path("%s/sib", b);
	for (i = 0; i < ARRAY_SIZE(attach); i++) {
		char *at_b, *at_v;

		ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
		ASSERT_EQ(0, link_attach(p->v, b, attach[i]))
			TH_LOG("%s", link_why());
		at_b = tree(b, true);
		at_v = tree(p->v, true);
		EXPECT_STREQ(at_b, at_v);
		free(at_b);
		free(at_v);
		/* Copied up through V, and directly. */
		EXPECT_EQ(0, add(vs, i ? "!" : "?"));
		EXPECT_STREQ(i ? "lower sibling?!" : "lower sibling?", get(bs));
		EXPECT_STREQ(get(bs), get(vs));
		EXPECT_STREQ(facts(bs), facts(vs));
		EXPECT_EQ(0, put(path("%s/d/f", b), path("direct %u", i)));
		EXPECT_STREQ(path("direct %u", i), get(path("%s/d/f", p->v)));
		EXPECT_EQ(0, put(path("%s/new", p->v), "new"));
		EXPECT_STREQ("new", get(path("%s/new", b)));
		EXPECT_EQ(0, ERR(rename(path("%s/new", p->v),
					path("%s/d/new", p->v))));
		EXPECT_STREQ("f new", names(path("%s/d", b)));
		EXPECT_EQ(0, ERR(unlink(path("%s/d/new", b))));
		EXPECT_STREQ("f", names(path("%s/d", p->v)));
		ASSERT_EQ(0, link_drop(p->v));
		ASSERT_EQ(0, rm_rf(p->v));
	}
	/* The name itself, in a carrying parent. */
	ASSERT_EQ(0, link_make(p->v, bs))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, ERR(unlink(p->v)));
	EXPECT_STREQ("d", names(b));
	EXPECT_EQ(0, put(p->v, "made"));
	EXPECT_STREQ("made", get(bs));
	ASSERT_EQ(0, link_drop(p->v));
	UMOUNT(o);
}

/*
 * What carries a link is renamed or deleted by somebody to whom it is no mount
 * point: a process in a namespace where the path leads elsewhere.
 */
static int elsewhere(const struct place *p, int (*act)(const char *dir),
		     const char *dir)
{
	pid_t pid = fork();
	int err;

	if (pid)
		return reap(pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(200);
	/* No tree in this namespace, nor any later. */
	umount2(path("%s/par/v", p->top), MNT_DETACH);
	umount2(path("%s/par", p->top), MNT_DETACH);
	umount2(p->v, MNT_DETACH);
	if (mount_count(p->top, "bindlink") ||
	    mount(p->top, dir, NULL, MS_BIND, NULL) ||
	    mount("tmpfs", p->top, "tmpfs", 0, NULL))
		_exit(200);
	err = act(dir);
	_exit(err);
}

static int rename_par(const char *dir)
{
	return ERR(rename(path("%s/par", dir), path("%s/par2", dir)));
}

static int delete_v(const char *dir)
{
	return -rm_rf(path("%s/par/v", dir));
}

static int delete_par(const char *dir)
{
	return -rm_rf(path("%s/par", dir));
}

/* A directory outside of the place, to have the place at. */
static const char *window(const struct place *p)
{
	const char *w = path("%s.window", p->top);

	rmdir(w);
	return mkdir(w, 0755) ? NULL : w;
}

TEST_F(backing, LT4_a_carrier_renamed_below)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *par2 = path("%s/par2", p->top), *w = window(p);
	int way;

	ASSERT_NE(NULL, w);
	for (way = 0; way < 2; way++) {
		int err;

		ASSERT_EQ(0, ERR(mkdir(par, 0755)));
		ASSERT_EQ(0, put(path("%s/sib", par), "sibling"));
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		if (way)
			ASSERT_EQ(0, make_kind(v, 'd', "original"));
		ASSERT_EQ(0, link_make(v, p->b));
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		err = elsewhere(p, rename_par, w);
		EXPECT_EQ(0, err)
			TH_LOG("%s", strerror(err));
		/* As a mount does, it goes along. */
		EXPECT_STREQ("!ENOENT", facts(par));
		EXPECT_STREQ("!ENOENT", facts(v));
		EXPECT_STREQ("sibling", get(path("%s/sib", par2)));
		names(par2);
		get(path("%s/v/in", par2));
		EXPECT_EQ(0, put(path("%s/new", par2), "new"));
		EXPECT_STREQ("new", get(path("%s/new", par2)));
		/* Something else at the old path has no link. */
		ASSERT_EQ(0, ERR(mkdir(par, 0755)));
		ASSERT_EQ(0, put(path("%s/x", par), "x"));
		EXPECT_STREQ("x", names(par));
		EXPECT_STREQ("!ENOENT", get(path("%s/in", v)));
		/* By whatever name, it can be got rid of. */
		err = link_drop(v);
		if (err) {
			umount2(way ? path("%s/v", par2) : par2, MNT_DETACH);
			link_drop(v);
		}
		EXPECT_TRUE(WITHIN(5, link_count(p->top) == 0))
			TH_LOG("after %s: %s", strerror(-err), state());
		EXPECT_EQ(0, mount_count(p->top, "bindlink"))
			TH_LOG("way %d: %s", way, state());
		umount2(way ? path("%s/v", par2) : par2, MNT_DETACH);
		EXPECT_STREQ(way ? "new sib v" : "new sib", names(par2));
		ASSERT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("v x", names(par));
		EXPECT_EQ(0, link_drop(v));
		ASSERT_EQ(0, rm_rf(par));
		ASSERT_EQ(0, rm_rf(par2));
		ASSERT_EQ(0, rm_rf(p->b));
	}
	EXPECT_EQ(0, ERR(rmdir(w)));
}

TEST_F(backing, LT4_a_carrier_deleted_below)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *w = window(p);
	int way;

	ASSERT_NE(NULL, w);
	for (way = 0; way < 3; way++) {
		int err, fd;

		ASSERT_EQ(0, ERR(mkdir(par, 0755)));
		ASSERT_EQ(0, put(path("%s/sib", par), "sibling"));
		ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
		if (way)
			ASSERT_EQ(0, make_kind(v, 'd', "original"));
		ASSERT_EQ(0, link_make(v, p->b));
		fd = open(path("%s/in", v), O_RDWR);
		ASSERT_LE(0, fd);
		err = elsewhere(p, way == 1 ? delete_v : delete_par, w);
		EXPECT_EQ(0, err)
			TH_LOG("%s", strerror(err));
		/* The mount goes with what it was upon. */
		EXPECT_STREQ("!ENOENT", facts(v));
		EXPECT_STREQ(way == 1 ? "sib" : "!ENOENT", names(par));
		EXPECT_EQ(7, pwrite(fd, "BACKING", 7, 0));
		EXPECT_STREQ("BACKING", get(path("%s/in", p->b)));
		close(fd);
		link_drop(v);
		EXPECT_TRUE(WITHIN(5, link_count(p->top) == 0))
			TH_LOG("way %d: %s", way, state());
		EXPECT_EQ(0, mount_count(p->top, "bindlink"));
		/* And made again it can have a link again. */
		if (way != 1)
			ASSERT_EQ(0, ERR(mkdir(par, 0755)));
		ASSERT_EQ(0, link_make(v, p->b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("BACKING", get(path("%s/in", v)));
		EXPECT_EQ(0, link_drop(v));
		ASSERT_EQ(0, rm_rf(par));
		ASSERT_EQ(0, rm_rf(p->b));
	}
	EXPECT_EQ(0, ERR(rmdir(w)));
}

/* A mount point on the way to the backing, which is none to somebody else. */
TEST_F(backing, LB2_LB7_a_mount_point_changed_elsewhere)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *b = path("%s/b", par);
	const char *par2 = path("%s/par2", p->top), *w = window(p);
	const char *in = path("%s/in", p->v);
	int err;

	ASSERT_NE(NULL, w);
	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", par, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, make_kind(b, 'd', "mounted"));
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, link_make(p->v, b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("mounted", get(in));
	warm(p->v);
	err = elsewhere(p, rename_par, w);
	EXPECT_EQ(0, err)
		TH_LOG("%s", strerror(err));
	EXPECT_STREQ("!ENOENT", get(in));
	EXPECT_STREQ("mounted", get(path("%s/b/in", par2)));
	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, make_kind(b, 'd', "another"));
	EXPECT_STREQ("another", get(in));
	UMOUNT(par2);
	/* What is deleted takes the mount with it. */
	ASSERT_EQ(0, ERR(mount("tmpfs", par, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, make_kind(b, 'd', "mounted again"));
	EXPECT_STREQ("mounted again", get(in));
	warm(p->v);
	err = elsewhere(p, delete_par, w);
	EXPECT_EQ(0, err)
		TH_LOG("%s", strerror(err));
	EXPECT_STREQ("!ENOENT", get(in));
	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, make_kind(b, 'd', "anew"));
	EXPECT_STREQ("anew", get(in));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, ERR(rmdir(w)));
}

/* Beneath the tree all may be changed, also the directories that carry it. */
TEST_F(backing, LB4_AN3_changed_beneath_the_carrying_parent)
{
	struct place *p = &self->p;
	const char *par = path("%s/par", p->top), *v = path("%s/v", par);
	const char *raw = path("%s/raw", p->top);
	unsigned int i, n = scaled(30) + 3;

	ASSERT_EQ(0, ERR(mkdir(par, 0755)));
	ASSERT_EQ(0, ERR(mkdir(raw, 0755)));
	ASSERT_EQ(0, ERR(mount(par, raw, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, raw, NULL, MS_PRIVATE, NULL)));
	ASSERT_EQ(0, make_kind(p->b, 'd', "backing"));
	ASSERT_EQ(0, link_make(v, p->b));
	for (i = 0; i < n; i++) {
		EXPECT_STREQ("v", names(par));
		EXPECT_STREQ("!ENOENT", facts(path("%s/d/f", par)));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", raw), 0755)));
		ASSERT_EQ(0, put(path("%s/d/f", raw), path("%u", i)));
		EXPECT_STREQ(path("%u", i), get(path("%s/d/f", par)));
		EXPECT_STREQ("d v", names(par));
		/* V itself comes to be beneath, and nobody sees it. */
		ASSERT_EQ(0, make_kind(path("%s/v", raw), i & 1 ? 'd' : 'f',
				       "beneath"));
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_STREQ("d v", names(par));
		EXPECT_TRUE(same_inode(v, p->b));
		ASSERT_EQ(0, ERR(chmod(path("%s/d", raw), i & 1 ? 0700 :
				       0755)));
		EXPECT_STREQ(facts(path("%s/d", raw)), facts(path("%s/d",
								  par)));
		ASSERT_EQ(0, ERR(rename(path("%s/d", raw), path("%s/e", raw))));
		EXPECT_STREQ("!ENOENT", facts(path("%s/d/f", par)));
		EXPECT_STREQ(path("%u", i), get(path("%s/e/f", par)));
		ASSERT_EQ(0, rm_rf(path("%s/e", raw)));
		ASSERT_EQ(0, rm_rf(path("%s/v", raw)));
		EXPECT_STREQ(facts(raw), facts(par));
	}
	ASSERT_EQ(0, make_kind(path("%s/v", raw), 'f', "beneath"));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("beneath", get(v));
}

TEST_HARNESS_MAIN
