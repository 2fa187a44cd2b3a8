// SPDX-License-Identifier: GPL-2.0
/*
 * Running programs from a link.
 */
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES(exec);

static const char *payload(void)
{
	return getenv("BINDLINK_PAYLOAD") ?: "payload";
}

/* Output of a program as a user, or the errno of execve(2) as "!Exxx". */
static const char *output(uid_t uid, const char *prog, const char *arg)
{
	char buf[256] = "";
	int pipes[2];
	ssize_t n, at = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return "!pipe";
	pid = uid ? fork_user(uid) : fork();
	if (!pid) {
		const char *name;

		dup2(pipes[1], 1);
		execl(prog, prog, arg, NULL);
		name = strerrorname_np(errno);
		dprintf(1, "!%s", name ?: "?");
		_exit(0);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], buf + at, sizeof(buf) - 1 - at)) > 0)
		at += n;
	close(pipes[0]);
	reap(pid);
	buf[strcspn(buf, "\n")] = '\0';
	return path("%s", buf);
}

/* A process that runs @prog until the pipe is closed. */
static pid_t start(const char *prog, int *hold)
{
	int pipes[2];
	char line[PATH_MAX];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(pipes[0], 0);
		execl(prog, prog, "wait", NULL);
		_exit(errno);
	}
	close(pipes[0]);
	*hold = pipes[1];
	/* Until it is what it is to be. */
	for (;;) {
		ssize_t n = readlink(path("/proc/%d/exe", pid), line,
				     sizeof(line) - 1);

		if (n < 0)
			return -1;
		line[n] = '\0';
		if (!strcmp(strrchr(line, '/'), strrchr(prog, '/')))
			return pid;
		usleep(2000);
	}
}

TEST_F(exec, TR3_program)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	int fd;
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	EXPECT_STREQ("0 0", output(0, v, "ids"));
	EXPECT_STREQ("1000 1000", output(USER, v, "ids"));
	ASSERT_EQ(0, ERR(chmod(b, 0644)));
	EXPECT_STREQ("!EACCES", output(USER, v, "ids"));
	EXPECT_STREQ("!EACCES", output(0, v, "ids"));
	ASSERT_EQ(0, ERR(chmod(b, 0100)));
	EXPECT_STREQ("!EACCES", output(USER, v, "ids"));
	EXPECT_STREQ("0 0", output(0, v, "ids"));
	ASSERT_EQ(0, ERR(chmod(b, 0755)));
	/* By descriptor. */
	fd = open(v, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		char *argv[] = { "prog", "ids", NULL };

		close(1);
		open("/dev/null", O_WRONLY);
		syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH);
		_exit(errno);
	}
	EXPECT_EQ(0, reap(pid));
	close(fd);
	/* Written through V, run at B and at V. */
	ASSERT_EQ(0, ERR(unlink(v)));
	ASSERT_EQ(0, copy(payload(), v, 0755));
	EXPECT_STREQ("0 0", output(0, b, "ids"));
	EXPECT_STREQ("0 0", output(0, v, "ids"));
	/* Not a program. */
	ASSERT_EQ(0, put(path("%s/not", p->v), "no program"));
	ASSERT_EQ(0, ERR(chmod(path("%s/not", p->v), 0755)));
	EXPECT_STREQ("!ENOEXEC", output(0, path("%s/not", p->v), NULL));
	EXPECT_STREQ("!EACCES", output(0, p->v, NULL));
}

TEST_F(exec, TR3_program_at_the_link_itself)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, copy(payload(), p->b, 0755));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("0 0", output(0, p->v, "ids"));
	EXPECT_STREQ("1000 1000", output(USER, p->v, "ids"));
	/* And what replaces it. */
	ASSERT_EQ(0, put(path("%s/tmp", p->back), "#!/bin/sh\necho new\n"));
	ASSERT_EQ(0, ERR(chmod(path("%s/tmp", p->back), 0755)));
	ASSERT_EQ(0, ERR(rename(path("%s/tmp", p->back), p->b)));
	EXPECT_STREQ("new", output(0, p->v, NULL));
}

TEST_F(exec, TR3_linked_dynamically)
{
	struct place *p = &self->p;

	DIR_LINK(p);
	ASSERT_EQ(0, copy("/bin/true", path("%s/true", p->b), 0755));
	EXPECT_EQ(0, run(path("%s/true", p->v), NULL));
}

TEST_F(exec, TR3_script)
{
	struct place *p = &self->p;
	const char *v = path("%s/script", p->v);

	DIR_LINK(p);
	ASSERT_EQ(0, put(v, "#!/bin/sh\necho \"$0\"\n"));
	ASSERT_EQ(0, ERR(chmod(v, 0755)));
	EXPECT_STREQ(v, output(0, v, NULL));
	/* With an interpreter that is in the link as well. */
	ASSERT_EQ(0, copy(payload(), path("%s/interp", p->v), 0755));
	ASSERT_EQ(0, put(v, path("#!%s/interp ids\n", p->v)));
	EXPECT_STREQ("1000 1000", output(USER, v, NULL));
	ASSERT_EQ(0, put(v, path("#!%s/missing\n", p->v)));
	EXPECT_STREQ("!ENOENT", output(0, v, NULL));
}

TEST_F(exec, TR3_set_user_id)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	ASSERT_EQ(0, ERR(chmod(b, 04755)));
	EXPECT_STREQ("0 1000", output(USER, v, "ids"));
	ASSERT_EQ(0, ERR(chown(b, OTHER, OTHER)));
	EXPECT_STREQ("1000 1000", output(USER, v, "ids"));
	ASSERT_EQ(0, ERR(chmod(v, 06755)));
	EXPECT_STREQ("1001 1001", output(USER, v, "ids"));
	EXPECT_STREQ("1001 1001", output(USER, b, "ids"));
	ASSERT_EQ(0, ERR(chmod(b, 02755)));
	EXPECT_STREQ("1000 1001", output(USER, v, "ids"));
}

/* The VFS reads the mode from the inode at V: it must not be an old one. */
TEST_F(exec, LB4_set_user_id_dropped_at_backing)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, ERR(chown(b, 0, 0)));
		ASSERT_EQ(0, ERR(chmod(b, 06755)));
		EXPECT_STREQ("0 0", output(USER, v, "ids"));
		ASSERT_EQ(0, ERR(chmod(b, 0755)));
		EXPECT_STREQ("1000 1000", output(USER, v, "ids"));
		ASSERT_EQ(0, ERR(chmod(b, 06755)));
		EXPECT_STREQ("0 0", output(USER, v, "ids"));
		/* Given to somebody else, with the bit put on again. */
		ASSERT_EQ(0, ERR(chown(b, OTHER, OTHER)));
		ASSERT_EQ(0, ERR(chmod(b, 06755)));
		EXPECT_STREQ("1001 1001", output(USER, v, "ids"));
		/* Replaced by one without. */
		ASSERT_EQ(0, copy(payload(), path("%s/tmp", p->b), 0755));
		ASSERT_EQ(0, ERR(rename(path("%s/tmp", p->b), b)));
		EXPECT_STREQ("1000 1000", output(USER, v, "ids"));
		/* Taken away by a write, as on any filesystem. */
		ASSERT_EQ(0, ERR(chown(b, USER, USER)));
		ASSERT_EQ(0, ERR(chmod(b, 06777)));
		pid_t pid = fork_user(OTHER);

		if (!pid) {
			int fd = open(v, O_RDWR);
			char c;

			_exit(fd < 0 || pread(fd, &c, 1, 0) != 1 ||
			      pwrite(fd, &c, 1, 0) != 1);
		}
		EXPECT_EQ(0, reap(pid));
		EXPECT_NE(NULL, strstr(facts(b), " mode 100777 "));
		EXPECT_STREQ(facts(b), facts(v));
		EXPECT_STREQ("1001 1001", output(OTHER, v, "ids"));
	}
}

/* A page that whoever touches it has to wait for, at @page.  The userfaultfd. */
static int page_to_wait_for(void **page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	*page = mmap(NULL, getpagesize(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	area.range.start = (uintptr_t)*page;
	area.range.len = getpagesize();
	if (fd < 0 || *page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &area))
		return -1;
	return fd;
}

/*
 * When that happens with the program open already, while its arguments are read:
 * those of a user, who may have them take long.
 */
TEST_F(exec, LB4_set_user_id_dropped_while_executed)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	const char *old = path("%s/old", p->b), *before = lanes_allow("0");
	static char text[4096] __attribute__((aligned(4096))) = "ids";
	struct uffdio_copy copied = { .src = (uintptr_t)text };
	struct {
		void *page;
		int fd;
	} wait;
	int out[2], tell[2], pidfd, fd;
	struct uffd_msg msg;
	char buf[64] = "";
	pid_t pid;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd < 0 && errno == ENOSYS)
		SKIP(lanes_allow(before); return, "no userfaultfd");
	close(fd);
	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	ASSERT_EQ(0, ERR(chmod(b, 04755)));
	ASSERT_EQ(0, ERR(pipe2(out, O_CLOEXEC)));
	ASSERT_EQ(0, ERR(pipe2(tell, O_CLOEXEC)));
	pid = fork();
	if (!pid) {
		wait.fd = page_to_wait_for(&wait.page);
		if (wait.fd < 0 || setresgid(USER, USER, USER) ||
		    setresuid(USER, USER, USER) ||
		    write(tell[1], &wait, sizeof(wait)) != sizeof(wait))
			_exit(1);
		dup2(out[1], 1);
		execl(v, v, wait.page, NULL);
		_exit(2);
	}
	close(out[1]);
	close(tell[1]);
	ASSERT_EQ(sizeof(wait), read(tell[0], &wait, sizeof(wait)));
	pidfd = pidfd_open(pid, 0);
	ASSERT_LE(0, pidfd);
	fd = pidfd_getfd(pidfd, wait.fd, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(msg), read(fd, &msg, sizeof(msg)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, msg.event);
	/* Another has the name now, or Tomoyo would look at this one by that. */
	ASSERT_EQ(0, ERR(link(b, old)));
	ASSERT_EQ(0, copy(payload(), path("%s/new", p->b), 0755));
	ASSERT_EQ(0, ERR(rename(path("%s/new", p->b), b)));
	ASSERT_EQ(0, ERR(chmod(old, 0755)));
	copied.dst = (uintptr_t)wait.page;
	copied.len = getpagesize();
	ASSERT_EQ(0, ERR(ioctl(fd, UFFDIO_COPY, &copied)));
	EXPECT_LT(0, read(out[0], buf, sizeof(buf) - 1));
	EXPECT_STREQ("1000 1000\n", buf);
	EXPECT_EQ(0, reap(pid));
	close(fd);
	lanes_allow(before);
}

TEST_F(exec, TR3_file_capabilities)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	struct vfs_cap_data cap = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1 << CAP_NET_RAW,
	};

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	EXPECT_STREQ("0000000000000000", output(USER, v, "caps"));
	ASSERT_EQ(0, ERR(setxattr(v, "security.capability", &cap,
				  XATTR_CAPS_SZ_2, 0)));
	EXPECT_STREQ("0000000000002000", output(USER, b, "caps"));
	EXPECT_STREQ("0000000000002000", output(USER, v, "caps"));
	ASSERT_EQ(0, ERR(removexattr(b, "security.capability")));
	EXPECT_STREQ("0000000000000000", output(USER, v, "caps"));
	ASSERT_EQ(0, ERR(setxattr(b, "security.capability", &cap,
				  XATTR_CAPS_SZ_2, 0)));
	EXPECT_STREQ("0000000000002000", output(USER, v, "caps"));
	/* A write takes them away, through V too. */
	ASSERT_EQ(0, add(v, "x"));
	EXPECT_STREQ("0000000000000000", output(USER, v, "caps"));
	EXPECT_EQ(ENODATA, ERR(getxattr(b, "security.capability", NULL, 0)));
}

TEST_F(exec, TR3_busy_while_it_runs)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	int round, hold;
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	for (round = 0; round < 2; round++) {
		pid = start(round ? v : b, &hold);
		ASSERT_LT(0, pid);
		EXPECT_EQ(ETXTBSY, err_open(v, O_WRONLY));
		EXPECT_EQ(ETXTBSY, err_open(b, O_WRONLY));
		EXPECT_EQ(ETXTBSY, err_open(v, O_RDWR));
		EXPECT_EQ(ETXTBSY, err_open(b, O_RDWR | O_TRUNC));
		EXPECT_EQ(ETXTBSY, ERR(truncate(v, 0)));
		EXPECT_EQ(ETXTBSY, ERR(truncate(b, 0)));
		EXPECT_EQ(0, err_open(v, O_RDONLY));
		close(hold);
		EXPECT_EQ(0, reap(pid));
		EXPECT_EQ(0, err_open(v, O_WRONLY));
		EXPECT_EQ(0, err_open(b, O_WRONLY));
	}
}

TEST_F(exec, TR3_busy_while_it_is_written)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v), *b = path("%s/prog", p->b);
	int round, fd;

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), b, 0755));
	for (round = 0; round < 2; round++) {
		fd = open(round ? v : b, O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_STREQ("!ETXTBSY", output(0, v, "ids"));
		EXPECT_STREQ("!ETXTBSY", output(0, b, "ids"));
		close(fd);
		EXPECT_STREQ("0 0", output(0, v, "ids"));
		EXPECT_STREQ("0 0", output(0, b, "ids"));
	}
}

TEST_F(exec, LB5_an_executing_program_goes_on)
{
	struct place *p = &self->p;
	int hold;
	pid_t pid;

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, copy(payload(), p->b, 0755));
	ASSERT_EQ(0, link_make(p->v, p->b));
	pid = start(p->v, &hold);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, copy("/bin/false", path("%s/tmp", p->back), 0755));
	ASSERT_EQ(0, ERR(rename(path("%s/tmp", p->back), p->b)));
	EXPECT_EQ(1, run(p->v, NULL));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	/* All its pages have to be read again. */
	if (!access("/proc/sys/vm/drop_caches", W_OK))
		ASSERT_EQ(0, put("/proc/sys/vm/drop_caches", "3"));
	close(hold);
	EXPECT_EQ(0, reap(pid));
}

TEST_F(exec, TR8_its_own_path)
{
	struct place *p = &self->p;
	const char *v = path("%s/prog", p->v);
	int hold;
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, copy(payload(), path("%s/prog", p->b), 0755));
	pid = start(v, &hold);
	ASSERT_LT(0, pid);
	EXPECT_STREQ(v, get_link(path("/proc/%d/exe", pid)));
	close(hold);
	EXPECT_EQ(0, reap(pid));
}

TEST_HARNESS_MAIN
