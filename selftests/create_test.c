// SPDX-License-Identifier: GPL-2.0
/*
 * Making links: who may, what is refused and why, how paths are kept, and
 * that a refusal leaves everything as it was.
 */
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES_CROSS(create);

/*
 * The call gives one of the errors, says why, and changes nothing.  What a
 * refused call leaves in the directory of V counts as a change.
 */
#define REFUSED(call, ...) do {						\
	const int errs[] = { __VA_ARGS__ };				\
	char *before = strdup(state()), *seen = tree(self->p.top, true); \
	char *after, *now;						\
	bool expected = false;						\
	unsigned int i;							\
	int err = (call);						\
									\
	for (i = 0; i < ARRAY_SIZE(errs); i++)				\
		expected |= err == -errs[i];				\
	EXPECT_TRUE(expected)						\
		TH_LOG("%s gives %d (%s)", #call, err, strerror(-err));	\
	EXPECT_NE('\0', link_why()[0])					\
		TH_LOG("%s: no message", #call);			\
	after = strdup(state());					\
	EXPECT_STREQ(before, after);					\
	now = tree(self->p.top, true);					\
	EXPECT_STREQ(seen, now);					\
	free(before);							\
	free(after);							\
	free(seen);							\
	free(now);							\
} while (0)

static int set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps, },
		{ .effective = caps >> 32, .permitted = caps >> 32, },
	};

	return syscall(SYS_capset, &head, data);
}

TEST_F(create, CR1_a_user_may_not)
{
	struct place *p = &self->p;
	char *before;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0777)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0777)));
	before = strdup(state());
	pid = fork_user(USER);
	if (!pid) {
		int err = link_make(p->v, p->b);

		_exit(link_why()[0] ? -err : 200);
	}
	EXPECT_EQ(EPERM, reap(pid));
	EXPECT_STREQ(before, state());
	EXPECT_EQ(0, mounted(p->v));
	free(before);
}

TEST_F(create, CR1_root_without_CAP_SYS_ADMIN_may_not)
{
	struct place *p = &self->p;
	char *before;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0777)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0777)));
	before = strdup(state());
	pid = fork();
	if (!pid) {
		/* CAP_NET_ADMIN is what generic netlink itself would ask for. */
		if (set_caps(1ULL << CAP_NET_ADMIN | 1ULL << CAP_DAC_OVERRIDE))
			_exit(201);
		_exit(-link_make(p->v, p->b));
	}
	EXPECT_EQ(EPERM, reap(pid));
	EXPECT_STREQ(before, state());
	free(before);
}

TEST_F(create, CR1_CAP_SYS_ADMIN_suffices)
{
	struct place *p = &self->p;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "backing"));
	pid = fork();
	if (!pid) {
		if (set_caps(1ULL << CAP_SYS_ADMIN))
			_exit(201);
		_exit(-link_make(p->v, p->b));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("backing", get(path("%s/x", p->v)));
}

TEST_F(create, CR1_root_of_a_user_namespace_may_not)
{
	struct place *p = &self->p;
	char *before;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0777)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0777)));
	before = strdup(state());
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(errno == ENOSPC || errno == EPERM ? 77 : 202);
		if (write_text("/proc/self/setgroups", "deny") ||
		    write_text("/proc/self/uid_map", "0 0 1\n") ||
		    write_text("/proc/self/gid_map", "0 0 1\n"))
			_exit(203);
		_exit(-link_make(p->v, p->b));
	}
	EXPECT_EQ(EPERM, reap(pid));
	EXPECT_STREQ(before, state());
	free(before);
}

TEST_F(create, CR2_backing_must_exist)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	REFUSED(link_make(p->v, p->b), ENOENT);
	EXPECT_NE(NULL, strstr(link_why(), p->b))
		TH_LOG("the message does not name %s: %s", p->b, link_why());
	REFUSED(link_make(p->v, path("%s/deeper/yet", p->b)), ENOENT);
	ASSERT_EQ(0, ERR(symlink("nowhere", p->b)));
	REFUSED(link_make(p->v, p->b), ENOENT);
}

TEST_F(create, CR2_backing_through_a_file)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(p->b, "file"));
	REFUSED(link_make(p->v, path("%s/x", p->b)), ENOTDIR);
}

TEST_F(create, CR2_backing_in_a_symlink_loop)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(symlink("b", p->b)));
	REFUSED(link_make(p->v, p->b), ELOOP);
	REFUSED(link_make(p->v, path("%s/x", p->b)), ELOOP);
}

TEST_F(create, CR2_backing_must_be_reachable_by_the_caller)
{
	struct place *p = &self->p;
	const char *b = path("%s/b", p->b);
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0700)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	pid = fork();
	if (!pid) {
		/* The privilege to make links, but a user otherwise. */
		if (prctl(PR_SET_KEEPCAPS, 1) || setresgid(USER, USER, USER) ||
		    setresuid(USER, USER, USER) ||
		    set_caps(1ULL << CAP_SYS_ADMIN))
			_exit(201);
		_exit(-link_make(p->v, b));
	}
	EXPECT_EQ(EACCES, reap(pid));
	EXPECT_EQ(0, link_count(p->top));
	EXPECT_EQ(0, mounted(p->v));
}

TEST_F(create, CR3_parent_of_virtual_must_exist)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	REFUSED(link_make(path("%s/missing/v", p->top), p->b), ENOENT);
	ASSERT_EQ(0, put(p->v, "file"));
	REFUSED(link_make(path("%s/v", p->v), p->b), ENOENT, ENOTDIR);
	/* Below an earlier link, in what that one hides. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/w", p->top), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/w/hidden", p->top), 0755)));
	ASSERT_EQ(0, link_make(path("%s/w", p->top), p->b));
	REFUSED(link_make(path("%s/w/hidden/v", p->top), p->b), ENOENT);
	REFUSED(link_attach(path("%s/w/hidden/v", p->top), p->b,
			    BINDLINK_ATTACH_PARENT), ENOENT);
}

TEST_F(create, CR4_one_link_for_a_path)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(path("%s/other", p->top), 0755)));
	ASSERT_EQ(0, ERR(symlink(".", path("%s/here", p->top))));
	DIR_LINK(p);
	REFUSED(link_make(p->v, p->b), EEXIST);
	EXPECT_NE(NULL, strstr(link_why(), p->v))
		TH_LOG("the message does not name %s: %s", p->v, link_why());
	REFUSED(link_make(p->v, path("%s/other", p->top)), EEXIST);
	REFUSED(link_make(path("%s/here/v", p->top), p->b), EEXIST);
	REFUSED(link_make(path("%s/other/../v", p->top), p->b), EEXIST);
	REFUSED(link_make(path("%s//v/", p->top), p->b), EEXIST);
	EXPECT_EQ(1, mounted(p->v));
	EXPECT_EQ(1, link_count(p->top));
}

/* What is mounted upon itself cannot become another kind, or come from nothing. */
TEST_F(create, CR5_carried_at_the_path_only_what_can_be)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	REFUSED(link_attach(p->v, p->b, BINDLINK_ATTACH_PATH), EOPNOTSUPP,
		ENOENT);
	ASSERT_EQ(0, put(p->v, "file"));
	REFUSED(link_attach(p->v, p->b, BINDLINK_ATTACH_PATH), EOPNOTSUPP);
	/* A symlink is no directory, whatever it leads to. */
	ASSERT_EQ(0, ERR(unlink(p->v)));
	ASSERT_EQ(0, ERR(symlink(".", p->v)));
	REFUSED(link_attach(p->v, p->b, BINDLINK_ATTACH_PATH), EOPNOTSUPP);
	ASSERT_EQ(0, ERR(unlink(p->v)));
	ASSERT_EQ(0, ERR(rmdir(p->b)));
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(p->b, "file"));
	REFUSED(link_attach(p->v, p->b, BINDLINK_ATTACH_PATH), EOPNOTSUPP);
}

TEST_F(create, CR6_a_link_through_symlinks_in_the_parent)
{
	struct place *p = &self->p;
	const char *real = path("%s/real", p->top);
	const char *alias = path("%s/alias", p->top);

	ASSERT_EQ(0, ERR(mkdir(real, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/v", real), 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "backing"));
	ASSERT_EQ(0, ERR(symlink("real", alias)));
	ASSERT_EQ(0, link_make(path("%s/v", alias), p->b));
	EXPECT_STREQ(p->b, link_listed(path("%s/v", real)));
	EXPECT_STREQ("backing", get(path("%s/v/x", real)));
	EXPECT_STREQ("backing", get(path("%s/v/x", alias)));

	/* The symlink goes elsewhere, the link stays where it was made. */
	ASSERT_EQ(0, ERR(unlink(alias)));
	EXPECT_STREQ("backing", get(path("%s/v/x", real)));
	EXPECT_EQ(0, link_drop(path("%s/v", real)));
	EXPECT_STREQ("", names(path("%s/v", real)));
}

TEST_F(create, CR6_a_symlink_at_virtual_is_shadowed)
{
	struct place *p = &self->p;
	const char *target = path("%s/target", p->top);
	struct stat st;

	ASSERT_EQ(0, put(target, "target"));
	ASSERT_EQ(0, ERR(symlink("target", p->v)));
	ASSERT_EQ(0, put(p->b, "backing"));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ(p->b, link_listed(p->v));
	EXPECT_STREQ("!ENOENT", link_listed(target));
	ASSERT_EQ(0, ERR(lstat(p->v, &st)));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_STREQ("backing", get(p->v));
	EXPECT_STREQ("!EINVAL", get_link(p->v));
	EXPECT_STREQ("target", get(target));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("target", get_link(p->v));
	EXPECT_STREQ("target", get(p->v));
}

TEST_F(create, CR6_backing_is_kept_as_it_was_said)
{
	struct place *p = &self->p;
	const char *real = path("%s/real", p->back);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(real, 0755)));
	ASSERT_EQ(0, put(path("%s/x", real), "backing"));
	ASSERT_EQ(0, ERR(symlink("real", p->b)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ(p->b, link_listed(p->v));
	EXPECT_STREQ("backing", get(path("%s/x", p->v)));
}

TEST_F(create, CR6_spellings)
{
	static const char *const spelled[][2] = {
		{ "v", "b" },
		{ "./v", "./b" },
		{ "v/", "b/" },
		{ "v///", "b//" },
		{ ".//v", ".//b" },
		{ "d/../v", "d/../b" },
		{ "d/./../v/.", "d/./../b/." },
		{ "../%s/v", "../%s/b" },
	};
	struct place *p = &self->p;
	const char *b = path("%s/b", p->top);
	char virt[PATH_MAX], back[PATH_MAX];
	const char *base = strrchr(p->top, '/') + 1;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->top), 0755)));
	ASSERT_EQ(0, put(path("%s/x", b), "backing"));
	ASSERT_EQ(0, ERR(chdir(p->top)));
	for (i = 0; i < ARRAY_SIZE(spelled); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		snprintf(virt, sizeof(virt), spelled[i][0], base);
		snprintf(back, sizeof(back), spelled[i][1], base);
#pragma GCC diagnostic pop
		EXPECT_EQ(0, link_make(virt, back))
			TH_LOG("%s %s: %s", virt, back, link_why());
		EXPECT_STREQ(b, link_listed(p->v))
			TH_LOG("%s %s", virt, back);
		EXPECT_STREQ("backing", get(path("%s/x", p->v)));
		EXPECT_EQ(0, link_drop(virt))
			TH_LOG("%s: %s", virt, link_why());
		EXPECT_EQ(0, link_count(p->top));
		link_drop(p->v);
	}
	/* And absolute ones with more slashes than needed. */
	ASSERT_EQ(0, link_make(path("/%s//v", p->top), path("//%s/b", p->top)));
	EXPECT_STREQ(b, link_listed(p->v));
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(create, CR7_flags)
{
	static const uint32_t unknown[] = {
		0x8, 0x10, 0x100, 0x10000, 0x40000000, 0x80000000,
		0x9, 0xc, 0xfffffff8, 0xffffffff,
	};
	struct place *p = &self->p;
	unsigned int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		REFUSED(link_make_flags(p->v, p->b, unknown[i], NULL, 0),
			EINVAL);
	EXPECT_EQ(0, link_make_flags(p->v, p->b, 0, NULL, 0));
	EXPECT_EQ(0, link_drop(p->v));
}

TEST_F(create, CR7_merged_needs_directories)
{
	struct place *p = &self->p;
	const char *file = path("%s/file", p->back);

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(file, "file"));
	ASSERT_EQ(0, put(p->v, "v"));
	REFUSED(link_make_flags(p->v, p->b, BINDLINK_FLAG_MERGED, NULL, 0),
		ENOTDIR);
	ASSERT_EQ(0, ERR(unlink(p->v)));
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	REFUSED(link_make_flags(p->v, file, BINDLINK_FLAG_MERGED, NULL, 0),
		ENOTDIR);
	REFUSED(link_make_flags(p->v, file, BINDLINK_FLAG_READ_ONLY |
				BINDLINK_FLAG_MERGED, NULL, 0), ENOTDIR);
	/* Without an original only the backing has to be one. */
	ASSERT_EQ(0, ERR(rmdir(p->v)));
	REFUSED(link_make_flags(p->v, file, BINDLINK_FLAG_MERGED, NULL, 0),
		ENOTDIR);
	ASSERT_EQ(0, link_make_flags(p->v, p->b, BINDLINK_FLAG_MERGED, NULL,
				     0));
	EXPECT_EQ(0, link_drop(p->v));
}

/* Names in an open directory, as names() gives them, and its stat. */
static const char *under(int fd)
{
	return names(path("/proc/self/fd/%d", fd));
}

TEST_F(create, CR8_nothing_physical)
{
	struct place *p = &self->p;
	const char *inner = path("%s/in", p->top);
	const char *v = path("%s/v", inner);
	char *before, *during, *after, *where;
	int fd;

	ASSERT_EQ(0, ERR(mkdir(inner, 0755)));
	ASSERT_EQ(0, ERR(mkdir(v, 0755)));
	ASSERT_EQ(0, put(path("%s/Cat", v), "cat"));
	ASSERT_EQ(0, put(path("%s/sibling", inner), "sibling"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/Cow", p->b), "cow"));
	before = tree(inner, true);
	ASSERT_EQ(0, link_make(v, p->b));
	EXPECT_STREQ("Cow", names(v));
	/* A copy of the mount below, without what is mounted upon it. */
	fd = syscall(SYS_open_tree, AT_FDCWD, inner,
		     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_STREQ("sibling v", under(fd));
	where = strdup(path("/proc/self/fd/%d", fd));
	EXPECT_STREQ("Cat", names(path("%s/v", where)));
	/* In the copy, from the directory itself, not the link to it. */
	ASSERT_EQ(0, ERR(fchdir(fd)));
	during = tree(".", true);
	ASSERT_EQ(0, ERR(chdir("/")));
	EXPECT_STREQ(before, during);
	close(fd);
	ASSERT_EQ(0, link_drop(v));
	after = tree(inner, true);
	EXPECT_STREQ(before, after);
	free(before);
	free(during);
	free(after);
	free(where);
}

TEST_F(create, CR9_a_refusal_after_a_success_changes_nothing)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top);

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	REFUSED(link_make(w, path("%s/missing", p->b)), ENOENT);
	REFUSED(link_make(w, ""), ENOENT, EINVAL);
	REFUSED(link_make_flags(w, p->b, 0x40, NULL, 0), EINVAL);
	EXPECT_EQ(1, link_count(p->top));
	/* And what was refused for its backing works when that is mended. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/missing", p->b), 0755)));
	EXPECT_EQ(0, link_make(w, path("%s/missing", p->b)));
}

TEST_F(create, CR10_paths_that_are_none)
{
	struct place *p = &self->p;
	char *longer = malloc(PATH_MAX * 2);
	char name[300];

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	REFUSED(link_make("", p->b), EINVAL, ENOENT);
	REFUSED(link_make(p->v, ""), EINVAL, ENOENT);
	REFUSED(link_make("", ""), EINVAL, ENOENT);

	/* A name that is too long, in the middle and at the end. */
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	REFUSED(link_make(path("%s/%s", p->top, name), p->b), ENAMETOOLONG);
	REFUSED(link_make(path("%s/%s/v", p->top, name), p->b), ENAMETOOLONG);
	REFUSED(link_make(p->v, path("%s/%s", p->back, name)), ENAMETOOLONG);

	/* Paths of 4096 and of 8000 bytes. */
	memset(longer, '/', PATH_MAX * 2);
	memcpy(longer, p->top, strlen(p->top));
	strcpy(longer + PATH_MAX - 1, "v");
	for (char *c = longer + strlen(p->top) + 1; c < longer + PATH_MAX - 2;
	     c += 2)
		*c = 'd';
	REFUSED(link_make(longer, p->b), ENAMETOOLONG);
	REFUSED(link_make(p->v, longer), ENAMETOOLONG);
	memset(longer + PATH_MAX - 1, 'e', 3900);
	longer[PATH_MAX + 3899] = '\0';
	REFUSED(link_make(longer, p->b), ENAMETOOLONG);
	REFUSED(link_make(p->v, longer), ENAMETOOLONG);
	free(longer);
}

TEST_F(create, CR10_the_root_directory)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	REFUSED(link_make("/", p->b), EINVAL);
	REFUSED(link_make("//", p->b), EINVAL);
	REFUSED(link_make("/.", p->b), EINVAL);
	REFUSED(link_make("/..", p->b), EINVAL);
	REFUSED(link_make("/tmp/..", p->b), EINVAL);
	REFUSED(link_attach("/", p->b, BINDLINK_ATTACH_PARENT), EINVAL);
	REFUSED(link_attach("/", p->b, BINDLINK_ATTACH_PATH), EINVAL);
}

/* Two overlays on top of one another are as deep as stacking goes. */
TEST_F(create, CR10_backing_that_cannot_be_stacked_upon)
{
	struct place *p = &self->p;
	char data[1024];
	const char *top = path("%s/lower", p->back);
	int i;

	ASSERT_EQ(0, ERR(mkdir(top, 0755)));
	for (i = 0; i < 2; i++) {
		const char *at = path("%s/o%d", p->top, i);
		const char *empty = path("%s/e%d", p->top, i);

		ASSERT_EQ(0, ERR(mkdir(at, 0755)));
		ASSERT_EQ(0, ERR(mkdir(empty, 0755)));
		snprintf(data, sizeof(data), "lowerdir=%s:%s", top, empty);
		if (mount("overlay", at, "overlay", 0, data))
			SKIP(return, "no overlayfs here: %s", strerror(errno));
		top = at;
	}
	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	EXPECT_GT(0, link_make(p->v, top));
	EXPECT_NE('\0', link_why()[0]);
	EXPECT_NE(NULL, strstr(link_why(), top))
		TH_LOG("the message does not name %s: %s", top, link_why());
	EXPECT_EQ(0, link_count(p->top));
	EXPECT_EQ(0, mounted(p->v));
}

TEST_F(create, CR10_names_with_odd_bytes)
{
	static const char *const odd[] = {
		" ", "a b", "tab\there", "line\nfeed", "back\\slash", "\"q\"",
		"\xff\xfe", "\303\274ml\303\244ut", "-rf", "%s%n", "...", "#",
	};
	struct place *p = &self->p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		const char *v = path("%s/v%s", p->top, odd[i]);
		const char *b = path("%s/b%s", p->back, odd[i]);

		ASSERT_EQ(0, put(v, "original"));
		ASSERT_EQ(0, put(b, odd[i]));
		EXPECT_EQ(0, link_make(v, b))
			TH_LOG("%s: %s", v, link_why());
		EXPECT_STREQ(odd[i], get(v));
		EXPECT_STREQ(b, link_listed(v));
		EXPECT_EQ(0, link_drop(v))
			TH_LOG("%s: %s", v, link_why());
		EXPECT_STREQ("original", get(v));
	}
}

TEST_F(create, CR10_the_longest_name)
{
	struct place *p = &self->p;
	char name[256];
	const char *v, *b;

	memset(name, 'n', sizeof(name) - 1);
	name[255] = '\0';
	v = path("%s/%s", p->top, name);
	name[0] = 'b';
	b = path("%s/%s", p->back, name);
	ASSERT_EQ(0, put(v, "original"));
	ASSERT_EQ(0, put(b, "backing"));
	EXPECT_EQ(0, link_make(v, b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("backing", get(v));
	EXPECT_EQ(0, link_drop(v));
}

TEST_HARNESS_MAIN
