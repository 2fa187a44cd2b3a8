// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation in the kernel that an operation makes fails once.  What the
 * operation then says must be about that, and V must go on showing B.
 *
 * For kernels with fault injection.  Two variants: on tmpfs any allocation
 * fails that the process makes in the kernel; on ext4, which does not like
 * that, only those that happen below a function of the module.
 */
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"

FIXTURE(fault)
{
	struct place p;
	int nth;
	unsigned int turn;
	unsigned int injected;
	char seen[80];
};

FIXTURE_VARIANT(fault)
{
	const char *fs;
	bool module_only;
};

FIXTURE_VARIANT_ADD(fault, tmpfs) { .fs = "tmpfs", .module_only = false, };
FIXTURE_VARIANT_ADD(fault, ext4) { .fs = "ext4", .module_only = true, };

/* Writes to a file that is there: 0 or a negative errno. */
static int tell(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Where the module's code is, so that only what it calls can fail. */
static int only_the_module(bool only)
{
	unsigned long start, size = 0;
	char name[64];
	FILE *in;
	int err;

	if (!only)
		return tell(FAILSLAB "require-start", "0") ?:
		       tell(FAILSLAB "require-end", "0xffffffffffffffff");
	if (sscanf(get("/sys/module/bindlink/sections/.text"), "%lx",
		   &start) != 1)
		return -ENOENT;
	in = fopen("/proc/modules", "re");
	while (in && fscanf(in, "%63s %lu %*[^\n]", name, &size) == 2)
		if (!strcmp(name, "bindlink"))
			break;
	if (in)
		fclose(in);
	err = tell(FAILSLAB "require-start", path("%#lx", start));
	return err ?: tell(FAILSLAB "require-end",
			   path("%#lx", start + size));
}

FIXTURE_SETUP(fault)
{
	const char *why;

	umask(022);
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->nth);
	/* Those that may sleep too, which are most of them. */
	ASSERT_EQ(0, tell(FAILSLAB "ignore-gfp-wait", "N"));
	ASSERT_EQ(0, tell(FAILSLAB "verbose", "0"));
	if (only_the_module(variant->module_only))
		SKIP(return, "no filter by stack trace in this kernel");
	why = place_make(&self->p, variant->fs, variant->fs);
	if (why)
		SKIP(return, "%s", why);
	DIR_LINK(&self->p);
}

FIXTURE_TEARDOWN_PARENT(fault)
{
	only_the_module(false);
	EXPECT_EQ(NULL, place_drop(&self->p));
}

/*
 * Errors that a failed allocation, or a failed copy from or to a user, may
 * cause; the kernel says ENFILE where there is no memory for a file, and ENOLCK
 * for a lock.
 */
static bool excused(int err)
{
	return !err || err == ENOMEM || err == EFAULT || err == ENOBUFS ||
	       err == EIO || err == ENOSPC || err == EAGAIN || err == ENFILE ||
	       err == ENOLCK;
}

/* Each operation: what is there beforehand, and what is done. */
static const char *vname, *bname, *vother, *bother;
static int fd_open = -1;

static int nothing(struct place *p)
{
	(void)p;
	return 0;
}

static int a_file(struct place *p)
{
	(void)p;
	return -put(bname, "contents");
}

static int two_files(struct place *p)
{
	return a_file(p) ?: -put(bother, "other");
}

static int a_dir(struct place *p)
{
	(void)p;
	return ERR(mkdir(bname, 0755)) ?: -put(path("%s/in", bname), "in");
}

static int an_empty_dir(struct place *p)
{
	(void)p;
	return ERR(mkdir(bname, 0755));
}

static int a_symlink(struct place *p)
{
	(void)p;
	return ERR(symlink("target", bname));
}

static int an_open_file(struct place *p)
{
	int err = a_file(p);

	fd_open = err ? -1 : open(vname, O_RDWR | O_CLOEXEC);
	return err ?: fd_open < 0 ? errno : 0;
}

/* B is another directory than it was: it has to be followed anew. */
static int another_backing(struct place *p)
{
	const char *other = path("%s/another", p->back);

	if (mkdir(other, 0755) && errno != EEXIST)
		return errno;
	return ERR(renameat2(AT_FDCWD, p->b, AT_FDCWD, other,
			     RENAME_EXCHANGE));
}

static int no_link(struct place *p)
{
	int err = -link_drop(p->v);

	return err == ENOENT ? 0 : err;
}

static int a_link(struct place *p)
{
	int err = -link_make(p->v, p->b);

	return err == EEXIST ? 0 : err;
}

#define ACT(name, expression)						\
static int name(struct place *p)					\
{									\
	(void)p;							\
	return expression;						\
}

static struct stat st;
static struct statfs sf;
static char buf[4096];

ACT(do_stat, ERR(stat(vname, &st)))
ACT(do_stat_root, ERR(stat(p->v, &st)))
ACT(do_stat_absent, ERR(stat(vname, &st)) == ENOENT ? 0 : errno)
ACT(do_open, err_open(vname, O_RDWR))
ACT(do_create, err_open(vname, O_RDWR | O_CREAT | O_EXCL))
ACT(do_mkdir, ERR(mkdir(vname, 0755)))
ACT(do_mknod, ERR(mknod(vname, S_IFCHR | 0600, makedev(1, 3))))
ACT(do_symlink, ERR(symlink("target", vname)))
ACT(do_readlink, ERR(readlink(vname, buf, sizeof(buf))))
ACT(do_link, ERR(link(vname, vother)))
ACT(do_unlink, ERR(unlink(vname)))
ACT(do_rmdir, ERR(rmdir(vname)))
ACT(do_rename, ERR(rename(vname, vother)))
ACT(do_exchange, ERR(renameat2(AT_FDCWD, vname, AT_FDCWD, vother,
			       RENAME_EXCHANGE)))
ACT(do_chmod, ERR(chmod(vname, 0600)))
ACT(do_truncate, ERR(truncate(vname, 100)))
ACT(do_setxattr, ERR(setxattr(vname, "trusted.x", "x", 1, 0)))
ACT(do_getxattr, ERR(getxattr(vname, "trusted.x", buf, sizeof(buf))) ==
    ENODATA ? 0 : errno)
ACT(do_listxattr, ERR(listxattr(vname, buf, sizeof(buf))))
ACT(do_statfs, ERR(statfs(vname, &sf)))
ACT(do_tmpfile, err_open(p->v, O_TMPFILE | O_RDWR))
ACT(do_read, ERR(pread(fd_open, buf, sizeof(buf), 0)))
ACT(do_write, ERR(pwrite(fd_open, buf, sizeof(buf), 0)))
ACT(do_flock, ERR(flock(fd_open, LOCK_EX)))
ACT(do_fsync, ERR(fsync(fd_open)))
ACT(do_fallocate, ERR(fallocate(fd_open, 0, 0, 8192)))
ACT(do_link_make, -link_make(p->v, p->b))
ACT(do_link_drop, -link_drop(p->v))
ACT(do_link_count, link_count(NULL) == 1 ? 0 : ENOMEM)

static int do_list(struct place *p)
{
	char entries[2048];
	int fd, err;

	(void)p;
	fd = open(vname, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = ERR(getdents64(fd, entries, sizeof(entries)));
	close(fd);
	return err;
}

static int do_lock(struct place *p)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, };

	(void)p;
	return ERR(fcntl(fd_open, F_SETLK, &fl));
}

static int do_map(struct place *p)
{
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd_open, 0);

	(void)p;
	if (map == MAP_FAILED)
		return errno;
	munmap(map, 4096);
	return 0;
}

/* All names anew each time, so that nothing is in a cache. */
static int prepare(FIXTURE_DATA(fault) *self, int (*setup)(struct place *))
{
	struct place *p = &self->p;

	if (fd_open >= 0)
		close(fd_open);
	fd_open = -1;
	self->turn++;
	if (rm_rf(p->b) || mkdir(p->b, 0755))
		return errno;
	bname = path("%s/n%u", p->b, self->turn);
	vname = path("%s/n%u", p->v, self->turn);
	bother = path("%s/o%u", p->b, self->turn);
	vother = path("%s/o%u", p->v, self->turn);
	return setup(p);
}

/* One link, mounted once, or none and not mounted. */
static bool consistent(const struct place *p)
{
	return link_count(p->v) == mounted(p->v) && mounted(p->v) < 2;
}

static void all_of_them(struct __test_metadata *_metadata,
			FIXTURE_DATA(fault) *self,
			int (*setup)(struct place *),
			int (*act)(struct place *))
{
	struct place *p = &self->p;
	unsigned int n;
	int err;

	for (n = 1; n < 3000; n++) {
		char *tv, *tb;
		int left;

		ASSERT_EQ(0, prepare(self, setup));
		ASSERT_LT(0, dprintf(self->nth, "%u", n));
		err = act(p);
		/*
		 * Copying the answer may be what fails, and then the operation
		 * had got through.
		 */
		memset(self->seen, 0, sizeof(self->seen));
		left = pread(self->nth, self->seen, sizeof(self->seen) - 1, 0) >
				       0 ? atoi(self->seen) : 1;
		while (dprintf(self->nth, "0") < 0)
			;
		EXPECT_TRUE(excused(err))
			TH_LOG("allocation %u fails: the operation says %s", n,
			       strerror(err));
		EXPECT_TRUE(consistent(p))
			TH_LOG("allocation %u fails: %d links, %d mounts", n,
			       link_count(p->v), mounted(p->v));
		if (mounted(p->v)) {
			tb = tree(p->b, true);
			tv = tree(p->v, true);
			EXPECT_STREQ(tb, tv)
				TH_LOG("allocation %u fails", n);
			free(tb);
			free(tv);
		}
		if (_metadata->exit_code)
			return;
		/* It got through without that one. */
		if (left > 0) {
			EXPECT_EQ(0, err)
				TH_LOG("nothing failed, and yet: %s",
				       strerror(err));
			break;
		}
		self->injected++;
	}
	EXPECT_GT(3000, n);
	TH_LOG("%u allocations failed", self->injected);
	/* The link is as good as before. */
	if (!mounted(p->v))
		EXPECT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, put(path("%s/after", p->v), "after"));
	EXPECT_STREQ("after", get(path("%s/after", p->b)));
}

#define FAULT(name, setup, act)						\
TEST_F_TIMEOUT(fault, SE2_##name, 900)					\
{									\
	all_of_them(_metadata, self, setup, act);			\
}

FAULT(stat, a_file, do_stat)
FAULT(stat_of_a_directory, a_dir, do_stat)
FAULT(stat_of_what_is_not_there, nothing, do_stat_absent)
FAULT(stat_of_another_backing, another_backing, do_stat_root)
FAULT(open, a_file, do_open)
FAULT(create, nothing, do_create)
FAULT(mkdir, nothing, do_mkdir)
FAULT(mknod, nothing, do_mknod)
FAULT(symlink, nothing, do_symlink)
FAULT(readlink, a_symlink, do_readlink)
FAULT(link, a_file, do_link)
FAULT(unlink, a_file, do_unlink)
FAULT(rmdir, an_empty_dir, do_rmdir)
FAULT(rename, a_file, do_rename)
FAULT(rename_over, two_files, do_rename)
FAULT(exchange, two_files, do_exchange)
FAULT(chmod, a_file, do_chmod)
FAULT(truncate, a_file, do_truncate)
FAULT(setxattr, a_file, do_setxattr)
FAULT(getxattr, a_file, do_getxattr)
FAULT(listxattr, a_file, do_listxattr)
FAULT(statfs, a_file, do_statfs)
FAULT(tmpfile, nothing, do_tmpfile)
FAULT(list, a_dir, do_list)
FAULT(read, an_open_file, do_read)
FAULT(write, an_open_file, do_write)
FAULT(mmap, an_open_file, do_map)
FAULT(flock, an_open_file, do_flock)
FAULT(lock, an_open_file, do_lock)
FAULT(fsync, an_open_file, do_fsync)
FAULT(fallocate, an_open_file, do_fallocate)
FAULT(making_a_link, no_link, do_link_make)
FAULT(removing_a_link, a_link, do_link_drop)
FAULT(listing_the_links, a_link, do_link_count)

int main(int argc, char **argv)
{
	if (access("/proc/self/fail-nth", F_OK) || access(FAILSLAB, F_OK))
		ksft_exit_skip("this kernel has no fault injection\n");
	return test_harness_run(argc, argv);
}
