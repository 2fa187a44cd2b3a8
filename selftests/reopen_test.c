// SPDX-License-Identifier: GPL-2.0
/*
 * A file that was read through a link, and closed, is closed for all who could
 * tell: bindlink keeps what is behind it for a moment, for whoever opens it again.
 *
 * The links here have an exception, and so no lane: in one nothing is behind.
 */
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES(reopen);

/* Longer than anything is kept. */
#define A_WHILE	1500000

#define LINK(p) do {							\
	const char *__except = path("%s/except", (p)->v);		\
									\
	ASSERT_EQ(0, ERR(mkdir((p)->v, 0755)));				\
	ASSERT_EQ(0, ERR(mkdir(__except, 0755)));			\
	ASSERT_EQ(0, ERR(mkdir((p)->b, 0755)));				\
	ASSERT_EQ(0, put(path("%s/f", (p)->b), "contents"));		\
	ASSERT_EQ(0, link_make_flags((p)->v, (p)->b, 0, &__except, 1))	\
		TH_LOG("%s", link_why());				\
} while (0)

/* With the flags of err_open(), as what is kept is for those alone. */
static const char *contents(const char *file)
{
	static char buf[16];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

#define READ(file)	EXPECT_STREQ("contents", contents(file))

static int lease(int fd, int kind)
{
	return ERR(fcntl(fd, F_SETLEASE, kind));
}

/*
 * A write lease can be had by who is the only one that has the file open, and is
 * broken by who opens it again.
 */
TEST_F(reopen, TR4_a_write_lease_once_it_is_closed)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);
	int fd, round;

	LINK(p);
	signal(SIGIO, SIG_IGN);
	for (round = 0; round < 2; round++) {
		READ(vf);
		fd = open(bf, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, lease(fd, F_WRLCK)) TH_LOG("round %d", round);
		EXPECT_EQ(EWOULDBLOCK, err_open(vf, O_RDONLY | O_NONBLOCK));
		ASSERT_EQ(0, lease(fd, F_UNLCK));
		EXPECT_EQ(0, err_open(vf, O_RDONLY | O_NONBLOCK));
		ASSERT_EQ(0, lease(fd, F_WRLCK)) TH_LOG("round %d", round);
		ASSERT_EQ(0, lease(fd, F_UNLCK));
		close(fd);
		/* Another inode, that was never locked. */
		ASSERT_EQ(0, put(path("%s/next", p->b), "contents"));
		ASSERT_EQ(0, ERR(rename(path("%s/next", p->b), bf)));
	}
}

/* The lease comes while it is kept, and whoever asks has never been blocked. */
TEST_F(reopen, TR4_a_lease_is_broken_by_the_one_who_has_had_it_open)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v);
	int ready[2], go[2];
	char c = 0;
	pid_t pid;
	int fd;

	LINK(p);
	signal(SIGIO, SIG_IGN);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fd = open(path("%s/f", p->b), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		close(fd);
		/* With O_NONBLOCK, as the second time. */
		if (err_open(vf, O_RDONLY | O_NONBLOCK) ||
		    write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(255);
		_exit(err_open(vf, O_RDONLY | O_NONBLOCK));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, lease(fd, F_WRLCK));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(EWOULDBLOCK, reap(pid));
	close(fd);
}

/* Locks end when what they were taken by is closed. */
TEST_F(reopen, TR4_locks_once_it_is_closed)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int fd, other, round;

	LINK(p);
	other = open(bf, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, other);
	for (round = 0; round < 6; round++) {
		READ(vf);
		fd = open(vf, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ERR(round % 3 == 0 ?
				 flock(fd, LOCK_EX | LOCK_NB) :
				 fcntl(fd, round % 3 == 1 ? F_SETLK :
				       F_OFD_SETLK, &range)));
		close(fd);
		range.l_type = F_WRLCK;
		EXPECT_EQ(0, ERR(flock(other, LOCK_EX | LOCK_NB)));
		EXPECT_EQ(0, ERR(fcntl(other, F_OFD_SETLK, &range)))
			TH_LOG("round %d", round);
		range.l_type = F_UNLCK;
		ASSERT_EQ(0, ERR(fcntl(other, F_OFD_SETLK, &range)));
		ASSERT_EQ(0, ERR(flock(other, LOCK_UN)));
		range.l_type = F_RDLCK;
		/* Another inode, that was never locked. */
		if (round != 2)
			continue;
		close(other);
		ASSERT_EQ(0, put(path("%s/next", p->b), "contents"));
		ASSERT_EQ(0, ERR(rename(path("%s/next", p->b), bf)));
		other = open(bf, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, other);
	}
	close(other);
}

/* What those who watch @fd were told since the last time. */
static const char *told(int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	char all[512] = "";
	ssize_t n = read(fd, buf, sizeof(buf)), at = 0;

	while (at < n) {
		const struct inotify_event *event = (void *)(buf + at);

		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
			 *all ? " " : "",
			 event->mask & IN_OPEN ? "open" :
			 event->mask & IN_ACCESS ? "access" :
			 event->mask & IN_CLOSE_NOWRITE ? "close" : "other");
		at += sizeof(*event) + event->len;
	}
	return path("%s", all);
}

TEST_F(reopen, TR6_who_watches_the_backing)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *at;
	int fd, file, round;

	LINK(p);
	for (round = 0; round < 6; round++) {
		/* By its other name, too, it is the same inode. */
		if (round == 4)
			ASSERT_EQ(0, ERR(link(path("%s/f", p->b),
					      path("%s/twin", p->back))));
		at = round >= 4 ? path("%s/twin", p->back) :
		     round & 1 ? p->b : path("%s/f", p->b);
		READ(vf);
		fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_LE(0, inotify_add_watch(fd, at, IN_ALL_EVENTS));
		/* That it was closed was before. */
		if (round < 2)
			usleep(A_WHILE);
		EXPECT_STREQ("", told(fd));
		/* Twice, and the second is not like the first. */
		EXPECT_EQ(0, err_open(vf, O_RDONLY));
		EXPECT_STREQ("open close", told(fd)) TH_LOG("round %d", round);
		file = open(vf, O_RDONLY);
		ASSERT_LE(0, file);
		EXPECT_STREQ("open", told(fd));
		close(file);
		EXPECT_STREQ("close", told(fd));
		close(fd);
	}
	/* Nor is it told of one that was opened before, and kept after it. */
	file = open(vf, O_RDONLY);
	ASSERT_LE(0, file);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	ASSERT_LE(0, inotify_add_watch(fd, p->b, IN_ALL_EVENTS));
	close(file);
	EXPECT_STREQ("close", told(fd));
	usleep(A_WHILE);
	EXPECT_STREQ("", told(fd));
	close(fd);
}

/* How many files those who watch @fd were told of. */
static unsigned int asked(int fd)
{
	struct fanotify_event_metadata event;
	unsigned int n = 0;

	while (read(fd, &event, sizeof(event)) == sizeof(event)) {
		n += !!(event.mask & FAN_OPEN);
		close(event.fd);
	}
	return n;
}

TEST_F(reopen, TR6_who_watches_the_filesystem)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v);
	int fd, round;

	LINK(p);
	for (round = 0; round < 3; round++) {
		READ(vf);
		fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC,
				   O_RDONLY);
		if (fd < 0)
			SKIP(return, "no fanotify: %s", strerror(errno));
		ASSERT_EQ(0, ERR(fanotify_mark(fd, FAN_MARK_ADD |
					       FAN_MARK_FILESYSTEM, FAN_OPEN,
					       AT_FDCWD, p->b)));
		EXPECT_EQ(0, err_open(vf, O_RDONLY));
		EXPECT_LE(1, asked(fd)) TH_LOG("round %d", round);
		EXPECT_EQ(0, err_open(vf, O_RDONLY));
		EXPECT_LE(1, asked(fd)) TH_LOG("round %d", round);
		close(fd);
	}
}

/* Whether this process has @file mapped by that name. */
static bool mapped(const char *file)
{
	char line[PATH_MAX + 200];
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	while (maps && fgets(line, sizeof(line), maps)) {
		char *at = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		found |= at && !strcmp(at, file);
	}
	if (maps)
		fclose(maps);
	return found;
}

/* By whichever mount the file was opened, that is the one that is in use. */
TEST_F(reopen, TR8_RM4_the_mount_that_it_was_opened_by)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top), *at[2];
	int fd, round;
	void *map;

	LINK(p);
	at[0] = path("%s/f", p->v);
	at[1] = path("%s/f", w);
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	for (round = 0; round < 4; round++) {
		const char *here = at[round & 1], *there = at[!(round & 1)];

		ASSERT_EQ(0, ERR(mount(p->v, w, NULL, MS_BIND, NULL)));
		READ(there);
		fd = open(here, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_STREQ(here, get_link(path("/proc/self/fd/%d", fd)));
		map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		close(fd);
		EXPECT_TRUE(mapped(here)) TH_LOG("round %d", round);
		EXPECT_FALSE(mapped(there)) TH_LOG("round %d", round);
		EXPECT_STREQ("contents", map);
		EXPECT_EQ(round & 1 ? EBUSY : 0, ERR(umount2(w, 0)));
		munmap(map, 4096);
		if (round & 1)
			EXPECT_EQ(0, ERR(umount2(w, 0)));
	}
	/* That it is mapped is no reason to give somebody else the same. */
	fd = open(at[0], O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	READ(at[0]);
	EXPECT_EQ(0, put(path("%s/f", p->b), "replaced"));
	EXPECT_STREQ("replaced", map);
	munmap(map, 4096);
}

/* Nor what overlayfs, of which the link is a layer, has opened. */
TEST_F(reopen, TR8_by_overlayfs)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top), *o = path("%s/o", p->top);
	const char *wf = path("%s/f", w);
	int fd, round;
	void *map;

	LINK(p);
	ASSERT_EQ(0, ERR(mkdir(w, 0755)));
	ASSERT_EQ(0, ERR(mkdir(o, 0755)));
	run("modprobe", "overlay", NULL);
	if (mount("overlay", w, "overlay", MS_RDONLY,
		  path("lowerdir=%s:%s", p->v, o))) {
		ASSERT_EQ(ENODEV, errno);
		SKIP(return, "no overlayfs here");
	}
	for (round = 0; round < 3; round++) {
		fd = open(wf, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		close(fd);
		EXPECT_TRUE(mapped(wf)) TH_LOG("round %d", round);
		EXPECT_STREQ("contents", map);
		munmap(map, 4096);
		READ(wf);
	}
	ASSERT_EQ(0, ERR(umount2(w, 0)));
}

static int64_t atime(const char *file)
{
	struct stat st;

	return stat(file, &st) ? -1 : st.st_atim.tv_sec;
}

/* The flags are those of who opens it now. */
TEST_F(reopen, TR2_opened_with_other_flags)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	char buf[16];
	int fd, round;

	LINK(p);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, bf, old, 0)));
		fd = open(vf, O_RDONLY | O_CLOEXEC |
			  (round == 1 ? O_NOATIME : 0));
		ASSERT_LE(0, fd);
		if (round == 2)
			ASSERT_EQ(0, ERR(fcntl(fd, F_SETFL, O_NOATIME)));
		EXPECT_EQ(8, read(fd, buf, sizeof(buf)));
		close(fd);
		if (round)
			EXPECT_EQ(1000, atime(bf)) TH_LOG("round %d", round);
		READ(vf);
		EXPECT_LT(1000, atime(bf)) TH_LOG("round %d", round);
		ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, bf, old, 0)));
		fd = open(vf, O_RDONLY | O_CLOEXEC | O_NOATIME);
		ASSERT_LE(0, fd);
		EXPECT_EQ(8, read(fd, buf, sizeof(buf)));
		close(fd);
		EXPECT_EQ(1000, atime(bf)) TH_LOG("round %d", round);
	}
}

/* The caller may read it or not, each time. */
TEST_F(reopen, TR9_opened_by_somebody_else)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);
	int i;

	LINK(p);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(chmod(bf, 0600)));
		READ(vf);
		EXPECT_EQ(EACCES, AS_USER(err_open(vf, O_RDONLY)));
		READ(vf);
		ASSERT_EQ(0, ERR(chmod(bf, 0644)));
		/* It is closed, and may not be opened again. */
		EXPECT_EQ(0, AS_USER(err_open(vf, O_RDONLY)));
		ASSERT_EQ(0, ERR(seteuid(USER)));
		EXPECT_EQ(0, err_open(vf, O_RDONLY));
		ASSERT_EQ(0, ERR(seteuid(0)));
		ASSERT_EQ(0, ERR(chmod(bf, 0)));
		ASSERT_EQ(0, ERR(seteuid(USER)));
		EXPECT_EQ(EACCES, err_open(vf, O_RDONLY));
		ASSERT_EQ(0, ERR(seteuid(0)));
	}
}

/* What is deleted takes no room once its name was looked up, as ever. */
TEST_F(reopen, LB4_deleted_once_it_is_closed)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);
	int64_t before;
	int fd, i;

	LINK(p);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ERR(unlink(bf)));
		EXPECT_EQ(ENOENT, ERR(access(vf, F_OK)));
		before = free_kib(p->back);
		fd = open(bf, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, posix_fallocate(fd, 0, 8 << 20));
		close(fd);
		EXPECT_EQ(0, err_open(vf, O_RDONLY));
		EXPECT_GT(before - 8000, free_kib(p->back));
		/* By way of the link, directly, and while it is open. */
		fd = i == 3 ? open(vf, O_RDONLY | O_CLOEXEC) : -1;
		ASSERT_EQ(0, ERR(unlink(i & 1 ? bf : vf)));
		EXPECT_EQ(ENOENT, err_open(vf, O_RDONLY));
		if (fd >= 0) {
			EXPECT_GT(before - 8000, free_kib(p->back));
			close(fd);
		}
		/* At once where no journal frees it later. */
		if (!strcmp(variant->back, "tmpfs")) {
			EXPECT_EQ(before, free_kib(p->back))
				TH_LOG("round %d", i);
		} else {
			EXPECT_TRUE(WITHIN(2, before - 4000 <
					   free_kib(p->back)))
				TH_LOG("round %d", i);
		}
		ASSERT_EQ(0, put(bf, "contents"));
	}
}

/* As many as like it have it open at the same time, each where it has read to. */
TEST_F(reopen, TR2_opened_several_times)
{
	struct place *p = &self->p;
	const char *vf = path("%s/f", p->v);
	char buf[4] = "";
	int fd[8], round, i;

	LINK(p);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 8; i++) {
			fd[i] = open(vf, O_RDONLY | O_CLOEXEC);
			ASSERT_LE(0, fd[i]);
			EXPECT_EQ(i, lseek(fd[i], i, SEEK_SET));
		}
		for (i = 0; i < 8; i++) {
			EXPECT_EQ(1, read(fd[i], buf, 1));
			EXPECT_EQ("contents"[i], buf[0]);
		}
		for (i = 0; i < 8; i++)
			close(fd[round & 1 ? 7 - i : i]);
	}
}

/* What was asked for about reading it was asked for by somebody else. */
TEST_F(reopen, TR2_advice_is_not_kept)
{
	struct place *p = &self->p;
	const char *big = path("%s/big", p->v);
	unsigned char in[16];
	char block[4096];
	int fd, round, i, n[2] = {};
	void *map;

	LINK(p);
	memset(block, 'x', sizeof(block));
	fd = open(big, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	for (i = 0; i < 16; i++)
		ASSERT_EQ(4096, write(fd, block, 4096));
	ASSERT_EQ(0, ERR(fsync(fd)));
	close(fd);
	for (round = 0; round < 2; round++) {
		/* It is not read ahead for who says so, and is for all others. */
		fd = open(big, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
		if (!round)
			ASSERT_EQ(0, posix_fadvise(fd, 0, 0,
						   POSIX_FADV_RANDOM));
		EXPECT_EQ(1, read(fd, block, 1));
		map = mmap(NULL, sizeof(in) * 4096, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		ASSERT_EQ(0, ERR(mincore(map, sizeof(in) * 4096, in)));
		for (i = 0; i < 16; i++)
			n[round] += in[i] & 1;
		munmap(map, sizeof(in) * 4096);
		close(fd);
	}
	/* tmpfs has nothing to read ahead from. */
	if (strcmp(variant->back, "tmpfs")) {
		EXPECT_EQ(1, n[0]);
		EXPECT_LT(1, n[1]);
	}
}

TEST_HARNESS_MAIN
