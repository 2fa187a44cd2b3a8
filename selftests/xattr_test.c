// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes, access control lists, inode flags and statfs through a
 * link are those of B.
 */
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES(xattr);

#define ACCESS	"system.posix_acl_access"
#define DEFAULT	"system.posix_acl_default"

/* "name=value name=value" of a file, sorted by nothing: short lists only. */
static const char *attr(const char *file, const char *name)
{
	char buf[256];
	ssize_t n = lgetxattr(file, name, buf, sizeof(buf) - 1);

	if (n < 0)
		return path("!%s", strerrorname_np(errno));
	buf[n] = '\0';
	return path("%s", buf);
}

TEST_F(xattr, TR7_names_and_values)
{
	static const char *const name[] = {
		"user.x", "trusted.x", "security.x",
	};
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	char lv[256], lb[256], c;
	unsigned int i;
	ssize_t n;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		int eb = ERR(setxattr(b, name[i], "at b", 4, 0));

		if (eb == EOPNOTSUPP) {
			/* As with user attributes on a tmpfs of old. */
			EXPECT_EQ(eb, ERR(setxattr(v, name[i], "v", 1, 0)));
			continue;
		}
		ASSERT_EQ(0, eb);
		EXPECT_STREQ("at b", attr(v, name[i]));
		EXPECT_EQ(0, ERR(setxattr(v, name[i], "at v", 4, 0)));
		EXPECT_STREQ("at v", attr(b, name[i]));
		EXPECT_EQ(EEXIST, ERR(setxattr(v, name[i], "x", 1,
					       XATTR_CREATE)));
		EXPECT_EQ(0, ERR(setxattr(v, name[i], "", 0, XATTR_REPLACE)));
		EXPECT_STREQ("", attr(b, name[i]));
		EXPECT_EQ(0, ERR(setxattr(v, name[i], "four", 4, 0)));
		EXPECT_EQ(4, getxattr(v, name[i], NULL, 0));
		EXPECT_EQ(ERANGE, ERR(getxattr(v, name[i], &c, 1)));
		EXPECT_EQ(0, ERR(removexattr(v, name[i])));
		EXPECT_EQ(ENODATA, ERR(removexattr(v, name[i])));
		EXPECT_STREQ("!ENODATA", attr(b, name[i]));
		EXPECT_EQ(ENODATA, ERR(setxattr(v, name[i], "x", 1,
						XATTR_REPLACE)));
		/* Of the directory at the root of the link, and below. */
		EXPECT_EQ(0, ERR(setxattr(p->v, name[i], "root", 4, 0)));
		EXPECT_STREQ("root", attr(p->b, name[i]));
		EXPECT_EQ(0, ERR(setxattr(v, name[i], "kept", 4, 0)));
	}
	n = listxattr(v, lv, sizeof(lv));
	EXPECT_EQ(listxattr(b, lb, sizeof(lb)), n);
	EXPECT_EQ(0, memcmp(lv, lb, n > 0 ? n : 0));
	EXPECT_EQ(n, listxattr(v, NULL, 0));
	EXPECT_EQ(n ? ERANGE : 0, ERR(listxattr(v, lv, 1)));
	EXPECT_EQ(EOPNOTSUPP, ERR(setxattr(v, "nonsense.x", "x", 1, 0)));
	EXPECT_EQ(ERR(setxattr(b, "user.", "x", 1, 0)),
		  ERR(setxattr(v, "user.", "x", 1, 0)));
}

TEST_F(xattr, TR7_by_descriptor)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	char buf[16] = "";
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	fd = open(v, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ERR(fsetxattr(fd, "trusted.x", "fd", 2, 0)));
	EXPECT_STREQ("fd", attr(b, "trusted.x"));
	EXPECT_EQ(2, fgetxattr(fd, "trusted.x", buf, sizeof(buf)));
	EXPECT_STREQ("fd", buf);
	EXPECT_EQ(listxattr(b, NULL, 0), flistxattr(fd, NULL, 0));
	EXPECT_EQ(0, ERR(fremovexattr(fd, "trusted.x")));
	EXPECT_STREQ("!ENODATA", attr(v, "trusted.x"));
	/* Of what has lost its name. */
	ASSERT_EQ(0, ERR(unlink(b)));
	EXPECT_EQ(0, ERR(fsetxattr(fd, "trusted.x", "gone", 4, 0)));
	EXPECT_EQ(4, fgetxattr(fd, "trusted.x", buf, sizeof(buf)));
	close(fd);
}

TEST_F(xattr, TR7_of_symlinks)
{
	struct place *p = &self->p;
	const char *v = path("%s/s", p->v), *b = path("%s/s", p->b);

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/f", p->b), "f"));
	ASSERT_EQ(0, ERR(symlink("f", b)));
	EXPECT_EQ(0, ERR(lsetxattr(v, "trusted.x", "s", 1, 0)));
	EXPECT_STREQ("s", attr(b, "trusted.x"));
	EXPECT_STREQ("!ENODATA", attr(path("%s/f", p->b), "trusted.x"));
	EXPECT_EQ(0, ERR(setxattr(v, "trusted.x", "f", 1, 0)));
	EXPECT_STREQ("f", attr(path("%s/f", p->b), "trusted.x"));
	EXPECT_EQ(ERR(lsetxattr(b, "user.x", "s", 1, 0)),
		  ERR(lsetxattr(v, "user.x", "s", 1, 0)));
}

TEST_F(xattr, TR7_who_may)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(setxattr(b, "trusted.x", "secret", 6, 0)));
	pid = fork_user(USER);
	if (!pid)
		_exit(ERR(setxattr(v, "user.x", "x", 1, 0)) != EACCES ||
		      ERR(setxattr(v, "trusted.x", "x", 1, 0)) != EPERM ||
		      ERR(getxattr(v, "trusted.x", NULL, 0)) != ENODATA ||
		      ERR(setxattr(v, "security.x", "x", 1, 0)) != EPERM ||
		      listxattr(v, NULL, 0) != listxattr(b, NULL, 0));
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("secret", attr(v, "trusted.x"));
}

/* Set through V, a change at B shows at once, although the VFS caches them. */
TEST_F(xattr, LB4_removed_and_set_at_backing)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	for (i = 0; i < 10; i++) {
		const char *text = path("%d", i);

		EXPECT_STREQ("!ENODATA", attr(v, "trusted.x"));
		ASSERT_EQ(0, ERR(setxattr(b, "trusted.x", text, strlen(text),
					  0)));
		EXPECT_STREQ(text, attr(v, "trusted.x"));
		ASSERT_EQ(0, ERR(removexattr(b, "trusted.x")));
	}
}

struct acl {
	uint32_t version;
	struct posix_acl_xattr_entry e[5];
};

/* user::rw-, user:@uid:@perm, group::r--, mask::rwx, other::--- */
static struct acl acl_for(uid_t uid, unsigned int perm)
{
	struct acl acl = {
		.version = POSIX_ACL_XATTR_VERSION,
		.e = {
			{ ACL_USER_OBJ, ACL_READ | ACL_WRITE, -1 },
			{ ACL_USER, perm, uid },
			{ ACL_GROUP_OBJ, ACL_READ, -1 },
			{ ACL_MASK, ACL_READ | ACL_WRITE | ACL_EXECUTE, -1 },
			{ ACL_OTHER, 0, -1 },
		},
	};

	return acl;
}

static int open_as(uid_t uid, const char *file, int flags)
{
	pid_t pid = fork_user(uid);

	if (!pid)
		_exit(err_open(file, flags));
	return reap(pid);
}

TEST_F(xattr, TR7_access_control_lists)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	struct acl acl = acl_for(USER, ACL_READ), seen;
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	ASSERT_EQ(0, ERR(chmod(b, 0600)));
	EXPECT_STREQ("!ENODATA", attr(v, ACCESS));
	EXPECT_EQ(EACCES, open_as(USER, v, O_RDONLY));
	if (ERR(setxattr(v, ACCESS, &acl, sizeof(acl), 0)) == EOPNOTSUPP &&
	    ERR(setxattr(b, ACCESS, &acl, sizeof(acl), 0)) == EOPNOTSUPP)
		SKIP(return, "no access control lists on that filesystem");
	EXPECT_EQ((ssize_t)sizeof(acl), getxattr(b, ACCESS, &seen,
						 sizeof(seen)));
	EXPECT_EQ(0, memcmp(&acl, &seen, sizeof(acl)));
	EXPECT_EQ((ssize_t)sizeof(acl), getxattr(v, ACCESS, &seen,
						 sizeof(seen)));
	EXPECT_EQ(0, memcmp(&acl, &seen, sizeof(acl)));
	EXPECT_STREQ(facts(b), facts(v));
	EXPECT_EQ(0, open_as(USER, v, O_RDONLY));
	EXPECT_EQ(EACCES, open_as(USER, v, O_RDWR));
	EXPECT_EQ(EACCES, open_as(OTHER, v, O_RDONLY));
	/* Changed directly at B: it counts at once. */
	for (i = 0; i < 4; i++) {
		acl = acl_for(i & 1 ? USER : OTHER, ACL_READ | ACL_WRITE);
		ASSERT_EQ(0, ERR(setxattr(b, ACCESS, &acl, sizeof(acl), 0)));
		EXPECT_EQ(i & 1 ? 0 : EACCES, open_as(USER, v, O_RDWR));
		EXPECT_EQ(i & 1 ? EACCES : 0, open_as(OTHER, v, O_RDWR));
		EXPECT_EQ((ssize_t)sizeof(acl),
			  getxattr(v, ACCESS, &seen, sizeof(seen)));
		EXPECT_EQ(0, memcmp(&acl, &seen, sizeof(acl)));
	}
	ASSERT_EQ(0, ERR(removexattr(b, ACCESS)));
	EXPECT_EQ(EACCES, open_as(USER, v, O_RDWR));
	EXPECT_STREQ("!ENODATA", attr(v, ACCESS));
	ASSERT_EQ(0, ERR(setxattr(b, ACCESS, &acl, sizeof(acl), 0)));
	EXPECT_EQ(0, open_as(USER, v, O_RDWR));
	ASSERT_EQ(0, ERR(removexattr(v, ACCESS)));
	EXPECT_STREQ("!ENODATA", attr(b, ACCESS));
	EXPECT_EQ(EACCES, open_as(USER, b, O_RDWR));
	/* The mask follows chmod. */
	ASSERT_EQ(0, ERR(setxattr(v, ACCESS, &acl, sizeof(acl), 0)));
	ASSERT_EQ(0, ERR(chmod(v, 0640)));
	EXPECT_EQ(EACCES, open_as(USER, v, O_RDWR));
	EXPECT_EQ(0, open_as(USER, v, O_RDONLY));
	EXPECT_STREQ(facts(b), facts(v));
	/* Only the owner's to change. */
	pid_t pid = fork_user(USER);

	if (!pid)
		_exit(ERR(setxattr(v, ACCESS, &acl, sizeof(acl), 0)));
	EXPECT_EQ(EPERM, reap(pid));
	acl.e[0].e_tag = 0x77;
	EXPECT_EQ(EINVAL, ERR(setxattr(v, ACCESS, &acl, sizeof(acl), 0)));
}

/* The owner may set one, by whatever path: that of an open file, too. */
TEST_F(xattr, LB4_TR9_given_to_somebody_at_backing)
{
	struct acl acl = acl_for(OTHER, ACL_READ);
	struct place *p = &self->p;
	const char *ways[2] = { p->v };
	unsigned int i, way;
	int fd;

	FILE_LINK(p, "f");
	fd = open(p->v, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ways[1] = path("/proc/self/fd/%d", fd);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		for (i = 0; i < 4; i++) {
			ASSERT_EQ(0, ERR(chown(p->b, i & 1 ? USER : 0, 0)));
			EXPECT_EQ(i & 1 ? 0 : EPERM,
				  AS_USER(ERR(setxattr(ways[way], ACCESS, &acl,
						       sizeof(acl), 0))))
				TH_LOG("%s, %u", ways[way], i);
		}
	}
	close(fd);
}

TEST_F(xattr, TR7_default_lists_are_inherited)
{
	struct place *p = &self->p;
	struct acl acl = acl_for(USER, ACL_READ | ACL_WRITE), vacl, bacl;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/twin", p->back), 0755)));
	if (ERR(setxattr(path("%s/twin", p->back), DEFAULT, &acl, sizeof(acl),
			 0)) == EOPNOTSUPP)
		SKIP(return, "no access control lists on that filesystem");
	ASSERT_EQ(0, ERR(setxattr(p->v, DEFAULT, &acl, sizeof(acl), 0)));
	EXPECT_EQ((ssize_t)sizeof(acl),
		  getxattr(p->b, DEFAULT, &bacl, sizeof(bacl)));
	EXPECT_EQ(0, memcmp(&acl, &bacl, sizeof(acl)));
	/* The umask does not count where there is such a list. */
	umask(077);
	ASSERT_EQ(0, put(path("%s/f", p->v), ""));
	ASSERT_EQ(0, put(path("%s/twin/f", p->back), ""));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->v), 0777)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/twin/d", p->back), 0777)));
	ASSERT_EQ(0, ERR(mkfifo(path("%s/p", p->v), 0666)));
	ASSERT_EQ(0, ERR(mkfifo(path("%s/twin/p", p->back), 0666)));
	umask(022);
	char *at_v = tree(p->v, false);
	char *twin = tree(path("%s/twin", p->back), false);

	EXPECT_STREQ(twin, at_v);
	free(at_v);
	free(twin);
	EXPECT_EQ((ssize_t)sizeof(acl), getxattr(path("%s/f", p->v), ACCESS,
						 &vacl, sizeof(vacl)));
	EXPECT_EQ((ssize_t)sizeof(acl), getxattr(path("%s/d", p->v), DEFAULT,
						 &vacl, sizeof(vacl)));
}

TEST_F(xattr, TR7_inode_flags)
{
	struct place *p = &self->p;
	const char *v = path("%s/f", p->v), *b = path("%s/f", p->b);
	int fv, fb, flags = 0, seen = 0, eb;
	struct fsxattr fsx = { }, fsx2 = { };
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, put(b, "f"));
	fv = open(v, O_RDONLY);
	fb = open(b, O_RDONLY);
	ASSERT_LE(0, fv);
	ASSERT_LE(0, fb);
	eb = ERR(ioctl(fb, FS_IOC_GETFLAGS, &flags));
	EXPECT_EQ(eb, ERR(ioctl(fv, FS_IOC_GETFLAGS, &seen)));
	if (eb)
		SKIP(return, "no inode flags on that filesystem");
	EXPECT_EQ(flags, seen);
	flags |= FS_IMMUTABLE_FL;
	ASSERT_EQ(0, ERR(ioctl(fv, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(0, ERR(ioctl(fb, FS_IOC_GETFLAGS, &seen)));
	EXPECT_EQ(flags, seen);
	EXPECT_EQ(EPERM, err_open(b, O_WRONLY));
	EXPECT_EQ(EPERM, err_open(v, O_WRONLY));
	EXPECT_EQ(EPERM, ERR(unlink(v)));
	EXPECT_EQ(EPERM, ERR(chmod(v, 0600)));
	EXPECT_EQ(EPERM, ERR(link(v, path("%s/l", p->v))));
	flags &= ~FS_IMMUTABLE_FL;
	ASSERT_EQ(0, ERR(ioctl(fb, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(0, err_open(v, O_WRONLY));
	EXPECT_EQ(0, ERR(chmod(v, 0600)));
	flags |= FS_APPEND_FL;
	ASSERT_EQ(0, ERR(ioctl(fb, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(EPERM, err_open(v, O_WRONLY));
	EXPECT_EQ(0, err_open(v, O_WRONLY | O_APPEND));
	EXPECT_EQ(EPERM, err_open(v, O_WRONLY | O_APPEND | O_TRUNC));
	flags &= ~FS_APPEND_FL;
	ASSERT_EQ(0, ERR(ioctl(fv, FS_IOC_SETFLAGS, &flags)));
	EXPECT_EQ(0, err_open(v, O_WRONLY));
	pid = fork_user(USER);
	if (!pid) {
		flags |= FS_NODUMP_FL;
		_exit(ERR(ioctl(fv, FS_IOC_SETFLAGS, &flags)));
	}
	EXPECT_EQ(EPERM, reap(pid));
	EXPECT_EQ(ERR(ioctl(fb, FS_IOC_FSGETXATTR, &fsx)),
		  ERR(ioctl(fv, FS_IOC_FSGETXATTR, &fsx2)));
	EXPECT_EQ(0, memcmp(&fsx, &fsx2, sizeof(fsx)));
	fsx.fsx_xflags |= FS_XFLAG_NODUMP;
	EXPECT_EQ(0, ERR(ioctl(fv, FS_IOC_FSSETXATTR, &fsx)));
	EXPECT_EQ(0, ERR(ioctl(fb, FS_IOC_FSGETXATTR, &fsx2)));
	EXPECT_EQ(fsx.fsx_xflags, fsx2.fsx_xflags);
	close(fv);
	close(fb);
	/* Of a directory. */
	fv = open(p->v, O_RDONLY);
	fb = open(p->b, O_RDONLY);
	EXPECT_EQ(0, ERR(ioctl(fb, FS_IOC_GETFLAGS, &flags)));
	EXPECT_EQ(0, ERR(ioctl(fv, FS_IOC_GETFLAGS, &seen)));
	EXPECT_EQ(flags, seen);
	close(fv);
	close(fb);
}

TEST_F(xattr, TR7_statfs)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back);
	struct statfs sv, sb;
	struct statvfs vv, vb;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, link_make(p->v, m));
	ASSERT_EQ(0, put(path("%s/f", m), ""));
	ASSERT_EQ(0, ERR(statfs(m, &sb)));
	ASSERT_EQ(0, ERR(statfs(p->v, &sv)));
	EXPECT_EQ(sb.f_type, sv.f_type);
	EXPECT_EQ(sb.f_blocks, sv.f_blocks);
	EXPECT_EQ(sb.f_files, sv.f_files);
	EXPECT_EQ(sb.f_bsize, sv.f_bsize);
	EXPECT_EQ(sb.f_namelen, sv.f_namelen);
	EXPECT_EQ(0, memcmp(&sb.f_fsid, &sv.f_fsid, sizeof(sb.f_fsid)));
	ASSERT_EQ(0, ERR(statfs(path("%s/f", p->v), &sv)));
	EXPECT_EQ(sb.f_type, sv.f_type);
	ASSERT_EQ(0, ERR(statvfs(m, &vb)));
	ASSERT_EQ(0, ERR(statvfs(p->v, &vv)));
	EXPECT_EQ(vb.f_blocks, vv.f_blocks);
	/* And of what is put there instead. */
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, "size=64k")));
	ASSERT_EQ(0, ERR(statfs(m, &sb)));
	ASSERT_EQ(0, ERR(statfs(p->v, &sv)));
	EXPECT_EQ(sb.f_blocks, sv.f_blocks);
	EXPECT_EQ(sb.f_type, sv.f_type);
}

TEST_HARNESS_MAIN
