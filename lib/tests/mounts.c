// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AN3, LT2: what the library does with mounts and mount namespaces, in
 * namespaces of the test's own and without the kernel module: mounts are
 * carried between two directories that stand for a carrier and the tree over
 * it. Needs Linux 6.12, and to be root in the initial user namespace. Prints TAP.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "carry.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"
#include "tap.h"

#define UPPER	"/tmp/upper"	/* stands for the tree */
#define LOWER	"/tmp/lower"	/* stands for the carrier */

static void must(bool good, const char *what)
{
	if (!good)
		tap_die(what);
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
	     path);
	close(fd);
}

/* A filesystem with a file "name" that says what it is. */
static void mount_at(const char *path, const char *name)
{
	char file[PATH_MAX];

	must(!mount("none", path, "tmpfs", 0, NULL), path);
	snprintf(file, sizeof(file), "%s/name", path);
	make_file(file, name);
}

static const char *name_at(const char *path)
{
	static char text[64];
	char file[PATH_MAX];
	ssize_t length;
	int fd;

	snprintf(file, sizeof(file), "%s/name", path);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "";
	length = read(fd, text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = '\0';
	close(fd);
	return text;
}

static bool is_at(const char *path, const char *name)
{
	if (!strcmp(name_at(path), name))
		return true;
	printf("# %s: wanted \"%s\", got \"%s\"\n", path, name, name_at(path));
	return false;
}

static void make_ground(const char *path, bool shared)
{
	const char *const names[] = { "a", "a/b", "c", NULL };
	char name[PATH_MAX];

	must(!mount("none", path, "tmpfs", 0, NULL), path);
	must(!mount(NULL, path, NULL, shared ? MS_SHARED : MS_PRIVATE, NULL),
	     path);
	for (int i = 0; names[i]; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		must(!mkdir(name, 0755), name);
	}
	snprintf(name, sizeof(name), "%s/file", path);
	make_file(name, "");
}

static void begin(bool shared)
{
	make_ground(UPPER, shared);
	make_ground(LOWER, shared);
}

static void end(void)
{
	must(!umount2(UPPER, MNT_DETACH), UPPER);
	must(!umount2(LOWER, MNT_DETACH), LOWER);
}

/* Carry what is mounted on LOWER to UPPER, or the other way. */
static int carry(bool up, size_t count)
{
	const char *path = up ? LOWER : UPPER;
	struct bl_ground lower = { .path = path }, upper = { .path = path };
	struct bl_mounts mounts;
	int error = 0, first;
	uint64_t id;

	lower.fd = open(LOWER, O_PATH | O_CLOEXEC);
	upper.fd = open(UPPER, O_PATH | O_CLOEXEC);
	must(lower.fd >= 0 && upper.fd >= 0, "open");
	must(!bl_mount_id(up ? lower.fd : upper.fd, &id), "bl_mount_id");
	must(!bl_mounts_read(&mounts, id, lower.path, SIZE_MAX), "bl_mounts_read");
	if (mounts.count != count)
		error = -ERANGE;
	for (size_t i = 0; i < mounts.count; i++) {
		first = bl_carry(up ? &lower : &upper, up ? &upper : &lower,
				 &mounts.mounts[i],
				 up ? BL_LOCKED_STAYS : BL_LOCKED_GOES);
		if (!error)
			error = first;
	}
	bl_mounts_clear(&mounts);
	close(lower.fd);
	close(upper.fd);
	/* Carrying changes it. */
	must(!chdir("/"), "chdir");
	return error;
}

static uint64_t id_at(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	uint64_t id = 0;

	must(fd >= 0 && !bl_mount_id(fd, &id), path);
	close(fd);
	return id;
}

static size_t count_at(const char *path)
{
	struct bl_mounts mounts;
	size_t count;

	must(!bl_mounts_read(&mounts, id_at(path), path, SIZE_MAX), path);
	count = mounts.count;
	bl_mounts_clear(&mounts);
	return count;
}

static void test_one(bool shared)
{
	const char *how = shared ? "copied" : "moved";
	uint64_t id;

	begin(shared);
	mount_at(LOWER "/a/b", "one");
	id = id_at(LOWER "/a/b");
	mkdir(LOWER "/a/b/deep", 0755);
	mount_at(LOWER "/a/b/deep", "two");
	tap(!carry(true, 1) && is_at(UPPER "/a/b", "one") &&
	    is_at(UPPER "/a/b/deep", "two") && !count_at(LOWER) &&
	    (shared || id_at(UPPER "/a/b") == id),
	    "AN3 mount with one below it, %s", how);
	tap(!carry(false, 1) && is_at(LOWER "/a/b", "one") &&
	    is_at(LOWER "/a/b/deep", "two") && !count_at(UPPER) &&
	    (shared || id_at(LOWER "/a/b") == id),
	    "AN3 and back, %s", how);
	end();

	begin(shared);
	must(!mount(LOWER "/file", LOWER "/file", NULL, MS_BIND, NULL),
	     "bind");
	tap(!carry(true, 1) && count_at(UPPER) == 1 && !count_at(LOWER),
	    "AN3 mount of a file, %s", how);
	end();

	begin(shared);
	mount_at(LOWER "/a", "one");
	mount_at(LOWER "/c", "two");
	tap(!carry(true, 2) && is_at(UPPER "/a", "one") &&
	    is_at(UPPER "/c", "two") && !count_at(LOWER),
	    "AN3 two mounts, %s", how);
	end();
}

static void test_stack(bool shared)
{
	const char *const names[] = { "1", "2", "3", "4", "5" };
	const char *how = shared ? "copied" : "moved";
	bool good;

	for (size_t depth = 2; depth <= ARRAY_SIZE(names); depth++) {
		begin(shared);
		for (size_t i = 0; i < depth; i++) {
			mount_at(LOWER "/a", names[i]);
			mkdir(LOWER "/a/deep", 0755);
			mount_at(LOWER "/a/deep", names[i]);
		}
		good = !carry(true, 1) && !count_at(LOWER);
		for (size_t i = depth; good && i--;)
			good = is_at(UPPER "/a", names[i]) &&
			       is_at(UPPER "/a/deep", names[i]) &&
			       !umount2(UPPER "/a", MNT_DETACH);
		tap(good && !count_at(UPPER),
		    "AN3 %zu mounts over each other, %s", depth, how);
		end();
	}
}

static void test_in_the_way(void)
{
	struct stat before, after;

	/* The lower one is covered by the upper, at an ancestor. */
	begin(false);
	mount_at(LOWER "/a/b", "covered");
	mount_at(LOWER "/a", "covers");
	mkdir(LOWER "/a/b", 0755);
	carry(true, 2);
	tap(is_at(UPPER "/a", "covers") && is_at(LOWER "/a/b", "covered") &&
	    !count_at(UPPER "/a"), "AN3 mount below another's mount point");
	end();

	begin(true);
	mount_at(LOWER "/a", "one");
	must(!mount(LOWER "/a", UPPER "/a", NULL, MS_BIND, NULL), "bind");
	tap(!carry(true, 1) && count_at(UPPER) == 1 && !count_at(LOWER) &&
	    is_at(UPPER "/a", "one"), "AN3 mount that is there already");
	must(!umount2(UPPER "/a", MNT_DETACH), "umount");
	tap(is_at(UPPER "/a", ""), "AN3 and once only");
	end();

	begin(false);
	mount_at(LOWER "/a", "one");
	must(!rmdir(UPPER "/a/b") && !rmdir(UPPER "/a"), "rmdir");
	must(!stat(LOWER "/a", &before), "stat");
	tap(carry(true, 1) == -ENOENT && !stat(LOWER "/a", &after) &&
	    before.st_dev == after.st_dev, "AN3 mount without a place to go");
	end();
}

/* A locked mount, which a user namespace got with a mount namespace, stays. */
static void test_locked(void)
{
	pid_t pid;
	int status;

	begin(true);
	mount_at(LOWER "/a", "one");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(77);
		_exit(carry(true, 1) && is_at(LOWER "/a", "one") &&
		      !count_at(UPPER) ? 0 : 1);
	}
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	tap(WIFEXITED(status) && (!WEXITSTATUS(status) ||
				  WEXITSTATUS(status) == 77),
	    "AN3 locked mount%s", WEXITSTATUS(status) == 77 ?
	    " # SKIP no user namespaces" : "");
	end();
}

static int proc;

struct visits {
	ino_t other;
	int own;
	int others;
	int found;		/* of @others, the one with @other */
	int missing;		/* where there is no such path */
	bool own_last;
	bool same_thread;
	int result;
	char path[PATH_MAX];
	pthread_t caller;
};

static int count_visit(const struct bl_place *place, void *data)
{
	struct visits *visits = data;
	struct stat status;

	visits->own_last = place->own;
	if (place->own && access(place->path, F_OK))
		visits->missing++;
	if (pthread_equal(pthread_self(), visits->caller))
		visits->same_thread = true;
	/* Other threads must not notice. */
	must(!fchdir(proc), "fchdir");
	if (place->own) {
		visits->own++;
		snprintf(visits->path, sizeof(visits->path), "%s", place->path);
		return visits->result ? bl_fail(visits->result, "/x", "so") : 0;
	}
	visits->others++;
	if (!stat("thread-self/ns/mnt", &status) &&
	    status.st_ino == visits->other) {
		visits->found++;
		if (access(place->path, F_OK))
			visits->missing++;
		snprintf(visits->path, sizeof(visits->path), "%s", place->path);
	}
	return -EIO;
}

/* A process in a mount namespace of its own, until it is killed. */
static pid_t make_namespace(ino_t *number, int flags)
{
	struct stat status;
	char path[64];
	int pipes[2];
	char byte;
	pid_t pid;

	must(!pipe(pipes), "pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS | flags) || write(pipes[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(pipes[1]);
	must(pid > 0 && read(pipes[0], &byte, 1) == 1, "unshare");
	close(pipes[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	must(!stat(path, &status), path);
	*number = status.st_ino;
	return pid;
}

static void end_namespace(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_visits(int flags, const char *name)
{
	struct visits visits = { .caller = pthread_self() };
	char before[PATH_MAX], after[PATH_MAX];
	struct stat own, now;
	pid_t pid;

	pid = make_namespace(&visits.other, flags);
	must(!stat("/proc/thread-self/ns/mnt", &own), "stat");
	must(getcwd(before, sizeof(before)), "getcwd");
	tap(!bl_namespaces_visit("/some/path", BL_OWN_FIRST, count_visit,
				 &visits) && visits.own == 1 &&
	    visits.found == 1 && visits.others >= 1 && !visits.own_last &&
	    !strcmp(visits.path, "/some/path"), "LT2 %s", name);
	visits.found = 0;
	visits.own = 0;
	tap(!bl_namespaces_visit("/some/path", BL_OWN_TWICE, count_visit,
				 &visits) && visits.own == 2 &&
	    visits.found == 1 && visits.own_last, "LT2 %s, ours twice", name);
	visits.found = 0;
	visits.own = 0;
	tap(!bl_namespaces_visit("/some/path", BL_OWN_LAST, count_visit,
				 &visits) && visits.own == 1 &&
	    visits.found == 1 && visits.own_last, "LT2 %s, ours last", name);
	must(!stat("/proc/thread-self/ns/mnt", &now) &&
	     getcwd(after, sizeof(after)), "stat");
	tap(own.st_ino == now.st_ino && !strcmp(before, after) &&
	    !visits.same_thread, "LT2 the caller stays where it is");
	end_namespace(pid);
}

static void test_held(void)
{
	struct visits visits = { .caller = pthread_self() };
	char path[64];
	pid_t pid;
	int fd;

	pid = make_namespace(&visits.other, 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, path);
	end_namespace(pid);
	tap(!bl_namespaces_visit("/p", BL_OWN_FIRST, count_visit, &visits) &&
	    visits.found == 1, "LT2 namespace without a process");
	close(fd);
}

static void test_chroot(void)
{
	struct visits visits = { .caller = pthread_self() };
	pid_t pid, child;
	int status;

	make_ground(LOWER, false);
	must(!mkdir(LOWER "/proc", 0755) &&
	     !mount("/proc", LOWER "/proc", NULL, MS_BIND, NULL), "mount");
	pid = make_namespace(&visits.other, 0);
	fflush(stdout);
	child = fork();
	if (!child) {
		if (chroot(LOWER) || chdir("/a") ||
		    bl_namespaces_visit(LOWER "/c", BL_OWN_FIRST, count_visit,
					&visits))
			_exit(1);
		_exit(visits.missing || bl_namespace_open("/c") != -ENOENT ||
		      bl_namespace_open(LOWER "/c") < 0);
	}
	must(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
	tap(!status, "LT2 caller with a root directory of its own");
	end_namespace(pid);
	must(!umount2(LOWER, MNT_DETACH), "umount");
}

static void test_failure(void)
{
	struct visits visits = {
		.caller = pthread_self(),
		.result = -EBUSY,
	};

	tap(bl_namespaces_visit("/p", BL_OWN_LAST, count_visit, &visits) ==
	    -EBUSY && !strcmp(bindlink_message(NULL), "/x: so"),
	    "LT2 failure in our own namespace, and its message");
}

int main(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) < 2 ||
	    major < 6 || (major == 6 && minor < 12)) {
		printf("TAP version 13\n1..0 # SKIP not on this kernel\n");
		return 0;
	}
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", 0, NULL)) {
		printf("TAP version 13\n1..0 # SKIP not privileged\n");
		return 0;
	}
	proc = open("/proc", O_PATH | O_CLOEXEC);
	must(proc >= 0 && !mkdir(UPPER, 0755) && !mkdir(LOWER, 0755), "mkdir");
	test_one(false);
	test_one(true);
	test_stack(false);
	test_stack(true);
	test_in_the_way();
	test_locked();
	test_visits(0, "namespace of another process");
	test_visits(CLONE_NEWUSER, "namespace of another user namespace");
	test_held();
	test_chroot();
	test_failure();
	close(proc);
	return tap_end();
}
