// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Going through all mount namespaces, those without a process included.
 *
 * The caller may have other threads, and its own root, working directory and
 * namespace have to stay what they are. So a thread is made, which stops
 * sharing the first two and then needs nothing else to enter a namespace. It
 * takes no signals.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bindlink.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"

/* What headers older than the kernels that bindlink is for do not have. */
struct namespace_info {
	uint32_t size;
	uint32_t mounts;
	uint64_t id;
};

#define GET_NEXT	_IOR(0xb7, 11, struct namespace_info)
#define GET_PREVIOUS	_IOR(0xb7, 12, struct namespace_info)

#define PIDFD_OF_THREAD	O_EXCL
#define PIDFD_GET_MOUNT_NAMESPACE	_IO(0xff, 3)

struct journey {
	const char *path;
	bl_visit_t visit;
	void *data;
	int last;		/* namespace with the highest number so far */
	bool rest;		/* begin after @last */
	int error;
	char *message;
};

static int open_own(void)
{
	int thread, fd;

	thread = (int)syscall(SYS_pidfd_open, gettid(), PIDFD_OF_THREAD);
	if (thread >= 0) {
		fd = ioctl(thread, PIDFD_GET_MOUNT_NAMESPACE, 0);
		close(thread);
		if (fd >= 0)
			return fd;
	}
	return open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
}

static void visit_other(const struct journey *journey, int namespace)
{
	const struct bl_place place = { .path = journey->path };

	if (!setns(namespace, CLONE_NEWNS))
		journey->visit(&place, journey->data);
}

/* Where the kernel does not list namespaces: those that processes are in. */
static void visit_processes(const struct journey *journey, int own)
{
	struct stat status, this;
	struct dirent *entry;
	ino_t *seen = NULL, *more;
	size_t count = 0, i;
	char path[64];
	DIR *proc;
	int fd;

	proc = opendir("/proc");
	if (!proc || fstat(own, &this)) {
		if (proc)
			closedir(proc);
		return;
	}
	while ((entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%.20s/ns/mnt", entry->d_name);
		fd = openat(dirfd(proc), path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (fstat(fd, &status) || status.st_ino == this.st_ino) {
			close(fd);
			continue;
		}
		for (i = 0; i < count && seen[i] != status.st_ino; i++)
			;
		more = i < count ? NULL : reallocarray(seen, count + 1,
						       sizeof(*seen));
		if (more) {
			seen = more;
			seen[count++] = status.st_ino;
			visit_other(journey, fd);
		}
		close(fd);
	}
	free(seen);
	closedir(proc);
}

/*
 * Downwards from @from, which is not visited. Returns whether the kernel lists
 * namespaces at all.
 */
static bool visit_previous(const struct journey *journey, int from)
{
	struct namespace_info info;
	int error, next, at = from;

	for (;;) {
		next = ioctl(at, GET_PREVIOUS, &info);
		error = errno;
		if (at != from)
			close(at);
		if (next < 0)
			return error == ENOENT;
		at = next;
		visit_other(journey, at);
	}
}

/*
 * Upwards from @from. Numbers only grow: a namespace that is made meanwhile is
 * met at the end, unless it was made after that from one that was visited.
 */
static void visit_next(struct journey *journey, int from)
{
	struct namespace_info info;
	int next;

	if (journey->last >= 0)
		close(journey->last);
	journey->last = fcntl(from, F_DUPFD_CLOEXEC, 0);
	while (journey->last >= 0) {
		next = ioctl(journey->last, GET_NEXT, &info);
		if (next < 0)
			return;
		close(journey->last);
		journey->last = next;
		visit_other(journey, next);
	}
}

static void *visit_others(void *data)
{
	struct journey *journey = data;
	int own, from;

	own = open_own();
	if (own < 0)
		return NULL;
	if (unshare(CLONE_FS)) {
		close(own);
		return NULL;
	}
	if (!journey->rest) {
		if (visit_previous(journey, own))
			visit_next(journey, own);
		else
			visit_processes(journey, own);
	} else if (journey->last >= 0) {
		from = fcntl(journey->last, F_DUPFD_CLOEXEC, 0);
		if (from >= 0) {
			visit_next(journey, from);
			close(from);
		}
	}
	close(own);
	return NULL;
}

/*
 * Enter the namespace that the thread is in already, which leads to its root
 * directory. Who may not do that is hardly in another one.
 */
static int enter_own(void)
{
	int own;

	if (unshare(CLONE_FS))
		return -errno;
	own = open_own();
	if (own >= 0) {
		setns(own, CLONE_NEWNS);
		close(own);
	}
	return 0;
}

static void *visit_own(void *data)
{
	struct journey *journey = data;
	const struct bl_place place = { .path = journey->path, .own = true };

	bl_message_reset(NULL);
	journey->error = enter_own();
	if (journey->error)
		bl_fail(journey->error, journey->path, "%s",
			bl_reason(journey->error));
	else
		journey->error = journey->visit(&place, journey->data);
	if (journey->error)
		journey->message = strdup(bindlink_message(NULL));
	return NULL;
}

static int run(void *(*function)(void *), void *data)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, function, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	pthread_join(thread, NULL);
	return 0;
}

static int run_own(struct journey *journey)
{
	int error = run(visit_own, journey);

	if (error)
		return bl_fail(error, journey->path,
			       "cannot start a thread: %s", bl_reason(error));
	if (!journey->error)
		return 0;
	return bl_fail(journey->error, NULL, "%s", journey->message ? :
		       bl_reason(journey->error));
}

/**
 * bl_namespaces_visit() - Do something in each mount namespace.
 * @path: where, from the root directory of each namespace
 * @order: when the caller's own namespace is visited
 * @visit: called in a thread of its own, of which it may change the working
 *	directory
 * @data: for @visit
 *
 * Namespaces that cannot be entered are passed over, and so is what @visit
 * returns in others than the caller's.
 *
 * Return: what @visit returned in the caller's own namespace, for which there
 * is a message, or another negative errno if it could not be called there; 0
 * if it was not to be.
 */
int bl_namespaces_visit(const char *path, enum bl_order order,
			bl_visit_t visit, void *data)
{
	struct journey journey = {
		.path = path,
		.visit = visit,
		.data = data,
		.last = -1,
	};
	int error = 0, state;

	/* The thread uses what is on this stack. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (order == BL_OWN_FIRST || order == BL_OWN_TWICE)
		error = run_own(&journey);
	run(visit_others, &journey);
	if (!error && (order == BL_OWN_LAST || order == BL_OWN_TWICE))
		error = run_own(&journey);
	if (order == BL_OWN_LAST || order == BL_OWN_TWICE) {
		/* Made meanwhile, from the caller's. */
		journey.rest = true;
		run(visit_others, &journey);
	}
	pthread_setcancelstate(state, NULL);
	if (journey.last >= 0)
		close(journey.last);
	free(journey.message);
	return error;
}

struct opening {
	const char *path;
	int fd;
};

static void *open_path(void *data)
{
	struct opening *opening = data;

	opening->fd = enter_own();
	if (opening->fd)
		return NULL;
	opening->fd = bl_place_open(AT_FDCWD, opening->path);
	return NULL;
}

/**
 * bl_namespace_open() - Open a path that the kernel module gave.
 * @path: from the root directory of the caller's mount namespace
 *
 * Return: a descriptor, opened with O_PATH and without following a symbolic
 * link, or a negative errno. Leaves no message.
 */
int bl_namespace_open(const char *path)
{
	struct opening opening = { .path = path };
	int error, state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	error = run(open_path, &opening);
	pthread_setcancelstate(state, NULL);
	return error ? error : opening.fd;
}
