/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Places to test in: a directory of its own for each test on a filesystem of
 * the kind asked for, links in it, and the few file operations that every
 * test needs, in a form that makes a failed expectation readable.
 *
 * The directories to work in are given by the environment: BINDLINK_EXT4,
 * BINDLINK_XFS and BINDLINK_TMPFS.  A test whose filesystem is not there is
 * skipped with that reason.
 */
#ifndef SELFTESTS_PLACE_H
#define SELFTESTS_PLACE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* An ordinary user, and one more. */
#define USER	1000
#define OTHER	1001

struct place {
	char top[100];	/* directory on the filesystem of V */
	char back[100];	/* directory on the filesystem of B */
	char v[120];	/* top/v, not made by place_make() */
	char b[120];	/* back/b, not made by place_make() */
};

/* Returns NULL, or why there can be no such place here. */
const char *place_make(struct place *p, const char *virt, const char *back);
/*
 * Removes links, mounts and files.  Returns NULL, or what could not be
 * removed: that is a bug in what is tested.
 */
const char *place_drop(struct place *p);

/* Links.  All return 0 or a negative errno. */
int link_make(const char *virt, const char *back);
int link_make_flags(const char *virt, const char *back, uint32_t flags,
		    const char *const *except, unsigned int n);
/* @attach: BINDLINK_ATTACH_* */
int link_make_opts(const char *virt, const char *back, uint32_t flags,
		   uint32_t attach, const char *const *except, unsigned int n);
int link_attach(const char *virt, const char *back, uint32_t attach);
int link_drop(const char *virt);
/* The kernel's or the library's message for the last refusal. */
const char *link_why(void);
/* Backing path of the link at @virt as listed, or "!ENOENT". */
const char *link_listed(const char *virt);
/* What carries it: "path", "parent", or "!ENOENT". */
const char *link_carrier(const char *virt);
/* Removes the links at or below @dir, deepest first. 0, or the last errno. */
int link_clear(const char *dir);
/* Number of links; of them, those at or below @dir (NULL: all). */
int link_count(const char *dir);
/* Number of mounts of type bindlink at exactly @path in this namespace. */
int mounted(const char *path);
/* Number of mounts of that type (NULL: of any) at or below @dir (NULL: all). */
int mount_count(const char *dir, const char *type);
/* Whether a walk to @file is, at its end, in a lane. */
bool in_lane(const char *file);
#define OPENS(file)	WITHIN(20, in_lane(file))
/* The same of @file in @dir, or of @dir itself if that is "". */
bool at_in_lane(int dir, const char *file);
/* Mounts of lanes at @virt, within reach or not. */
int lanes_at(const char *virt);
/*
 * How many lanes there may be, and for how many milliseconds a link is left alone
 * before it gets one, from now on. Return what it was.
 */
const char *lanes_allow(const char *most);
const char *lanes_delay(const char *ms);
/* Whether there may be any. */
bool lanes_allowed(void);
/* The table and the bindlink mounts as one string, to compare. */
const char *state(void);

/* Strings and answers that live as long as the process, which is one test. */
const char *path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Contents of a file, target of a symlink, names in a directory: or "!Exxx". */
const char *get(const char *file);
const char *get_link(const char *file);
const char *names(const char *dir);
/* What stat(2) says, but for the time of access; with @follow or not. */
const char *facts(const char *file);
const char *lfacts(const char *file);
/* A dump of everything below and at @dir, which two equal trees share. */
char *tree(const char *dir, bool with_ids);

/* 0 or a negative errno. */
int put(const char *file, const char *text);
int add(const char *file, const char *text);	/* O_APPEND */
/* Into a file that is there, as those of procfs: 0 or an errno. */
int write_text(const char *file, const char *text);
/*
 * Makes one thing: 'f' a file, 'd' a directory with a file in it, 'l' a symlink
 * to nowhere, 'p' a FIFO, 'c' a device, 's' a socket, '-' nothing. The file has
 * @text.
 */
int make_kind(const char *at, char kind, const char *text);
int copy(const char *from, const char *to, mode_t mode);
int rm_rf(const char *dir);
/* KiB that are free on the filesystem of @at, once all is written. */
int64_t free_kib(const char *at);

/* errno if a call that returns -1 on error failed, else 0. */
#define ERR(call)	((call) < 0 ? errno : 0)
/* Opens, closes again and says errno. */
int err_open(const char *file, int flags);

/* In the child only, returns 0, with that user's credentials and no more. */
pid_t fork_user(uid_t uid);
/* Exit status of a child, or 256 and the signal. */
int reap(pid_t pid);
/* What @expr, an errno, is to USER. */
#define AS_USER(expr) ({						\
	pid_t __pid = fork_user(USER);					\
									\
	if (!__pid)							\
		_exit(expr);						\
	reap(__pid);							\
})
/* Whether a plain filesystem gives that errno while names come and go. */
bool usual(int err);
/* Milliseconds of a clock that only goes on. */
uint64_t now_ms(void);
/* Exit status of a program, run with its output thrown away. */
int run(const char *prog, ...) __attribute__((sentinel));

/*
 * Waits until @cond holds, though not longer than that many seconds, and says
 * whether it does.
 */
#define WITHIN(seconds, cond) ({					\
	bool __holds;							\
	int __i;							\
									\
	for (__i = 0; !(__holds = (cond)) && __i < (seconds) * 100; __i++) \
		usleep(10000);						\
	__holds;							\
})

/* @n, or less of it where the environment says that all is slow. */
unsigned int scaled(unsigned int n);
/* Random numbers that a seed reproduces. */
uint32_t rnd(uint64_t *seed);
uint64_t rnd_seed(void);

bool same_inode(const char *a, const char *b);
ino_t ino_of(const char *file);

/*
 * With the harness: a fixture with a place in it, on each filesystem.
 */
#ifdef __KSELFTEST_HARNESS_H

/* On an emulated machine under KASAN half a minute is not a hang. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	240

#define PLACES_BARE(name)						\
FIXTURE(name)								\
{									\
	struct place p;							\
};									\
FIXTURE_VARIANT(name)							\
{									\
	const char *virt;						\
	const char *back;						\
};									\
FIXTURE_SETUP(name)							\
{									\
	const char *why;						\
									\
	umask(022);							\
	why = place_make(&self->p, variant->virt, variant->back);	\
	if (why)							\
		SKIP(return, "%s", why);				\
}									\
FIXTURE_TEARDOWN_PARENT(name)						\
{									\
	EXPECT_EQ(NULL, place_drop(&self->p))				\
		TH_LOG("teardown: something is left behind");		\
}									\
struct place

#define PLACES(name)							\
PLACES_BARE(name);							\
FIXTURE_VARIANT_ADD(name, ext4) { .virt = "ext4", .back = "ext4", };	\
FIXTURE_VARIANT_ADD(name, xfs) { .virt = "xfs", .back = "xfs", };	\
FIXTURE_VARIANT_ADD(name, tmpfs) { .virt = "tmpfs", .back = "tmpfs", };	\
struct place

/* Also with V and B on different filesystems. */
#define PLACES_CROSS(name)						\
PLACES(name);								\
FIXTURE_VARIANT_ADD(name, cross) { .virt = "ext4", .back = "tmpfs", };	\
struct place

#define PLACES_TMPFS(name)						\
PLACES_BARE(name);							\
FIXTURE_VARIANT_ADD(name, tmpfs) { .virt = "tmpfs", .back = "tmpfs", };	\
struct place

/* A directory link and a file link as most tests start with. */
#define DIR_LINK(p) do {						\
	ASSERT_EQ(0, ERR(mkdir((p)->v, 0755)));				\
	ASSERT_EQ(0, ERR(mkdir((p)->b, 0755)));				\
	ASSERT_EQ(0, link_make((p)->v, (p)->b))				\
		TH_LOG("%s", link_why());				\
} while (0)

#define FILE_LINK(p, text) do {						\
	ASSERT_EQ(0, put((p)->v, "original"));				\
	ASSERT_EQ(0, put((p)->b, text));				\
	ASSERT_EQ(0, link_make((p)->v, (p)->b))				\
		TH_LOG("%s", link_why());				\
} while (0)

#endif /* __KSELFTEST_HARNESS_H */
#endif /* SELFTESTS_PLACE_H */
