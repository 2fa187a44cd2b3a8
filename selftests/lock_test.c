// SPDX-License-Identifier: GPL-2.0
/*
 * Locks and leases taken through a link and those taken at B are locks on one
 * file.
 */
#include <signal.h>
#include <sys/file.h>
#include <time.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES(lock);

#define BOTH()								\
	const char *vf = path("%s/f", p->v), *bf = path("%s/f", p->b);	\
	int fv, fb;							\
									\
	DIR_LINK(p);							\
	ASSERT_EQ(0, put(bf, "0123456789"));				\
	fv = open(vf, O_RDWR | O_CLOEXEC);				\
	ASSERT_LE(0, fv);						\
	fb = open(bf, O_RDWR | O_CLOEXEC);				\
	ASSERT_LE(0, fb)

static int lk(int fd, int cmd, short type, off_t start, off_t len,
	      struct flock *out)
{
	struct flock fl = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start,
		.l_len = len,
	};
	int ret = fcntl(fd, cmd, &fl);

	if (out)
		*out = fl;
	return ret;
}

/* What another process gets: errno of a try to lock. */
static int other(const char *file, int cmd, short type, off_t start,
		 off_t len)
{
	pid_t pid = fork();

	if (!pid) {
		int fd = open(file, O_RDWR);

		_exit(fd < 0 ? 255 : ERR(lk(fd, cmd, type, start, len, NULL)));
	}
	return reap(pid);
}

TEST_F(lock, TR4_flock)
{
	struct place *p = &self->p;
	int round;
	BOTH();

	for (round = 0; round < 2; round++) {
		int one = round ? fb : fv, two = round ? fv : fb;

		ASSERT_EQ(0, ERR(flock(one, LOCK_EX | LOCK_NB)));
		EXPECT_EQ(EWOULDBLOCK, ERR(flock(two, LOCK_EX | LOCK_NB)));
		EXPECT_EQ(EWOULDBLOCK, ERR(flock(two, LOCK_SH | LOCK_NB)));
		ASSERT_EQ(0, ERR(flock(one, LOCK_SH)));
		EXPECT_EQ(0, ERR(flock(two, LOCK_SH | LOCK_NB)));
		EXPECT_EQ(EWOULDBLOCK, ERR(flock(one, LOCK_EX | LOCK_NB)));
		ASSERT_EQ(0, ERR(flock(one, LOCK_UN)));
		ASSERT_EQ(0, ERR(flock(two, LOCK_EX | LOCK_NB)));
		ASSERT_EQ(0, ERR(flock(two, LOCK_UN)));
	}
	/* Gone when the last descriptor is. */
	ASSERT_EQ(0, ERR(flock(fv, LOCK_EX)));
	int copy = dup(fv);

	close(fv);
	EXPECT_EQ(EWOULDBLOCK, ERR(flock(fb, LOCK_EX | LOCK_NB)));
	close(copy);
	EXPECT_EQ(0, ERR(flock(fb, LOCK_EX | LOCK_NB)));
	close(fb);
	EXPECT_EQ(0, run("flock", "-n", vf, "true", NULL));
}

TEST_F(lock, TR4_record)
{
	struct place *p = &self->p;
	struct flock fl;
	int round;
	BOTH();

	for (round = 0; round < 2; round++) {
		int one = round ? fb : fv;
		const char *there = round ? vf : bf, *here = round ? bf : vf;
		pid_t pid;
		int go[2];

		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_WRLCK, 2, 3, NULL)));
		EXPECT_EQ(EAGAIN, other(there, F_SETLK, F_WRLCK, 0, 0));
		EXPECT_EQ(EAGAIN, other(there, F_SETLK, F_RDLCK, 4, 1));
		EXPECT_EQ(EAGAIN, other(here, F_SETLK, F_RDLCK, 4, 1));
		EXPECT_EQ(0, other(there, F_SETLK, F_WRLCK, 5, 1));
		EXPECT_EQ(0, other(there, F_SETLK, F_WRLCK, 0, 2));
		/* A part of it released. */
		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_UNLCK, 3, 1, NULL)));
		EXPECT_EQ(0, other(there, F_SETLK, F_WRLCK, 3, 1));
		EXPECT_EQ(EAGAIN, other(there, F_SETLK, F_WRLCK, 4, 1));
		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_RDLCK, 0, 0, NULL)));
		EXPECT_EQ(0, other(there, F_SETLK, F_RDLCK, 0, 0));
		EXPECT_EQ(EAGAIN, other(there, F_SETLK, F_WRLCK, 9, 1));

		/* Whose lock it is, and where. */
		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_UNLCK, 0, 0, NULL)));
		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_WRLCK, 7, 2, NULL)));
		ASSERT_EQ(0, ERR(pipe(go)));
		pid = fork();
		if (!pid) {
			int fd = open(there, O_RDWR);
			bool good;

			good = !lk(fd, F_GETLK, F_WRLCK, 0, 0, &fl) &&
			       fl.l_type == F_WRLCK && fl.l_pid == getppid() &&
			       fl.l_start == 7 && fl.l_len == 2 &&
			       fl.l_whence == SEEK_SET;
			_exit(good ? 0 : 1);
		}
		EXPECT_EQ(0, reap(pid));
		close(go[0]);
		close(go[1]);
		/* One's own lock is none in one's way. */
		ASSERT_EQ(0, ERR(lk(round ? fv : fb, F_GETLK, F_WRLCK, 0, 0,
				    &fl)));
		EXPECT_EQ(F_UNLCK, fl.l_type);
		ASSERT_EQ(0, ERR(lk(one, F_SETLK, F_UNLCK, 0, 0, NULL)));
	}
	EXPECT_EQ(0, other(vf, F_SETLK, F_WRLCK, 0, 0));
	EXPECT_EQ(EBADF, ({ int r = open(vf, O_RDONLY), e;
			    e = ERR(lk(r, F_SETLK, F_WRLCK, 0, 0, NULL));
			    close(r); e; }));
	close(fv);
	close(fb);
}

/* Closing any descriptor of the file drops a process's record locks. */
TEST_F(lock, TR4_record_dropped_on_close)
{
	struct place *p = &self->p;
	int more, go[2], done[2];
	pid_t pid;
	char c;
	BOTH();

	ASSERT_EQ(0, ERR(lk(fv, F_SETLK, F_WRLCK, 0, 0, NULL)));
	more = open(vf, O_RDONLY);
	ASSERT_LE(0, more);
	EXPECT_EQ(EAGAIN, other(bf, F_SETLK, F_WRLCK, 0, 0));
	close(more);
	EXPECT_EQ(0, other(bf, F_SETLK, F_WRLCK, 0, 0));

	/* So does the end of the process. */
	ASSERT_EQ(0, ERR(pipe(go)));
	ASSERT_EQ(0, ERR(pipe(done)));
	pid = fork();
	if (!pid) {
		int fd = open(vf, O_RDWR);

		close(go[1]);
		if (lk(fd, F_SETLK, F_WRLCK, 0, 0, NULL) ||
		    write(done[1], "x", 1) != 1)
			_exit(1);
		_exit(read(go[0], &c, 1));
	}
	ASSERT_EQ(1, read(done[0], &c, 1));
	EXPECT_EQ(EAGAIN, other(bf, F_SETLK, F_WRLCK, 0, 0));
	EXPECT_EQ(EAGAIN, other(vf, F_SETLK, F_WRLCK, 0, 0));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, reap(pid));
	EXPECT_EQ(0, other(bf, F_SETLK, F_WRLCK, 0, 0));
	close(fv);
	close(fb);
}

TEST_F(lock, TR4_open_file_description)
{
	struct place *p = &self->p;
	struct flock fl;
	int round, copy;
	BOTH();

	for (round = 0; round < 2; round++) {
		int one = round ? fb : fv, two = round ? fv : fb;

		ASSERT_EQ(0, ERR(lk(one, F_OFD_SETLK, F_WRLCK, 2, 3, NULL)));
		EXPECT_EQ(EAGAIN, ERR(lk(two, F_OFD_SETLK, F_WRLCK, 0, 0,
					 NULL)));
		EXPECT_EQ(EAGAIN, ERR(lk(two, F_SETLK, F_WRLCK, 0, 0, NULL)));
		EXPECT_EQ(0, ERR(lk(two, F_OFD_SETLK, F_WRLCK, 5, 1, NULL)));
		ASSERT_EQ(0, ERR(lk(two, F_OFD_GETLK, F_WRLCK, 0, 4, &fl)));
		EXPECT_EQ(F_WRLCK, fl.l_type);
		EXPECT_EQ(-1, fl.l_pid);
		EXPECT_EQ(2, fl.l_start);
		ASSERT_EQ(0, ERR(lk(one, F_OFD_SETLK, F_UNLCK, 0, 0, NULL)));
		EXPECT_EQ(0, ERR(lk(two, F_OFD_SETLK, F_WRLCK, 0, 4, NULL)));
		ASSERT_EQ(0, ERR(lk(two, F_OFD_SETLK, F_UNLCK, 0, 0, NULL)));
	}
	/* With the open file, not with the process or the descriptor. */
	ASSERT_EQ(0, ERR(lk(fv, F_OFD_SETLK, F_WRLCK, 0, 0, NULL)));
	copy = dup(fv);
	close(fv);
	EXPECT_EQ(EAGAIN, ERR(lk(fb, F_OFD_SETLK, F_WRLCK, 0, 0, NULL)));
	close(copy);
	EXPECT_EQ(0, ERR(lk(fb, F_OFD_SETLK, F_WRLCK, 0, 0, NULL)));
	close(fb);
}

/* A waiter is woken by what happens on the other side. */
TEST_F(lock, TR4_waiting)
{
	struct place *p = &self->p;
	static const char *const how[] = { "record", "description", "flock" };
	unsigned int i, round;
	BOTH();

	for (round = 0; round < 2; round++) {
		int one = round ? fb : fv;
		const char *there = round ? vf : bf;

		for (i = 0; i < ARRAY_SIZE(how); i++) {
			struct timespec pause = { .tv_nsec = 50000000 };
			int done[2];
			char c;
			pid_t pid;

			ASSERT_EQ(0, ERR(pipe(done)));
			ASSERT_EQ(0, i == 2 ? ERR(flock(one, LOCK_EX)) :
				  ERR(lk(one, i ? F_OFD_SETLK : F_SETLK,
					 F_WRLCK, 0, 0, NULL)));
			pid = fork();
			if (!pid) {
				int fd = open(there, O_RDWR);
				int err;

				alarm(120);
				if (write(done[1], "r", 1) != 1)
					_exit(1);
				err = i == 2 ? ERR(flock(fd, LOCK_EX)) :
				      ERR(lk(fd, i ? F_OFD_SETLKW : F_SETLKW,
					     F_WRLCK, 0, 0, NULL));
				if (err || write(done[1], "d", 1) != 1)
					_exit(2);
				_exit(0);
			}
			ASSERT_EQ(1, read(done[0], &c, 1));
			/* It may not have come to wait yet; that is no harm. */
			nanosleep(&pause, NULL);
			EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG))
				TH_LOG("%s: did not wait", how[i]);
			ASSERT_EQ(0, i == 2 ? ERR(flock(one, LOCK_UN)) :
				  ERR(lk(one, i ? F_OFD_SETLK : F_SETLK,
					 F_UNLCK, 0, 0, NULL)));
			EXPECT_EQ(0, reap(pid))
				TH_LOG("%s", how[i]);
			close(done[0]);
			close(done[1]);
		}
	}
	close(fv);
	close(fb);
}

/* Two processes, each with what the other wants, one through V, one at B. */
TEST_F(lock, TR4_deadlock_is_found)
{
	struct place *p = &self->p;
	int i, ready[2], go[2], errs = 0;
	pid_t pids[2];
	char c;
	BOTH();

	ASSERT_EQ(0, ERR(pipe(ready)));
	ASSERT_EQ(0, ERR(pipe(go)));
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		int fd = open(i ? vf : bf, O_RDWR);
		int err;

		alarm(120);
		if (lk(fd, F_SETLK, F_WRLCK, i, 1, NULL) ||
		    write(ready[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		err = ERR(lk(fd, F_SETLKW, F_WRLCK, !i, 1, NULL));
		_exit(err);
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(2, write(go[1], "gg", 2));
	for (i = 0; i < 2; i++) {
		int status = reap(pids[i]);

		EXPECT_TRUE(status == 0 || status == EDEADLK);
		errs += status == EDEADLK;
	}
	EXPECT_EQ(1, errs);
	close(fv);
	close(fb);
}

static volatile sig_atomic_t broken;

static void on_io(int sig)
{
	(void)sig;
	broken++;
}

/*
 * A lease on one side is broken by an open on the other.  F_GETLEASE is not
 * asked: the VFS answers it from the inode at V and never asks a filesystem.
 */
TEST_F(lock, TR4_lease)
{
	struct place *p = &self->p;
	int round, fd;
	BOTH();

	close(fv);
	close(fb);
	signal(SIGIO, on_io);
	for (round = 0; round < 2; round++) {
		const char *here = round ? bf : vf, *there = round ? vf : bf;
		struct timespec pause = { .tv_nsec = 10000000 };
		pid_t pid;
		int i;

		fd = open(here, O_RDONLY);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ERR(fcntl(fd, F_SETLEASE, F_RDLCK)))
			TH_LOG("%s: %s", here, strerror(errno));
		/* A reader may. */
		EXPECT_EQ(0, err_open(there, O_RDONLY));
		EXPECT_EQ(0, broken);
		EXPECT_EQ(EWOULDBLOCK, err_open(there, O_WRONLY | O_NONBLOCK));
		EXPECT_EQ(1, broken);
		broken = 0;
		ASSERT_EQ(0, ERR(fcntl(fd, F_SETLEASE, F_UNLCK)));
		EXPECT_EQ(0, err_open(there, O_WRONLY | O_NONBLOCK));

		/* A writer waits until the lease is given back. */
		ASSERT_EQ(0, ERR(fcntl(fd, F_SETLEASE, F_RDLCK)));
		pid = fork();
		if (!pid) {
			alarm(120);
			_exit(err_open(there, O_WRONLY));
		}
		for (i = 0; i < 3000 && !broken; i++)
			nanosleep(&pause, NULL);
		EXPECT_EQ(1, broken);
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
		ASSERT_EQ(0, ERR(fcntl(fd, F_SETLEASE, F_UNLCK)));
		EXPECT_EQ(0, reap(pid));
		broken = 0;
		close(fd);

		/* A write lease cannot be had while it is open elsewhere. */
		fd = open(here, O_RDWR);
		ASSERT_LE(0, fd);
		i = open(there, O_RDONLY);
		ASSERT_LE(0, i);
		EXPECT_EQ(EAGAIN, ERR(fcntl(fd, F_SETLEASE, F_WRLCK)));
		close(i);
		close(fd);
	}
}

/* The locks of what is open outlive the link. */
TEST_F(lock, RM4_locks_of_what_is_open)
{
	struct place *p = &self->p;
	BOTH();

	ASSERT_EQ(0, ERR(flock(fv, LOCK_EX)));
	ASSERT_EQ(0, ERR(lk(fv, F_OFD_SETLK, F_WRLCK, 0, 1, NULL)));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(EWOULDBLOCK, ERR(flock(fb, LOCK_EX | LOCK_NB)));
	EXPECT_EQ(EAGAIN, ERR(lk(fb, F_OFD_SETLK, F_WRLCK, 0, 1, NULL)));
	close(fv);
	EXPECT_EQ(0, ERR(flock(fb, LOCK_EX | LOCK_NB)));
	EXPECT_EQ(0, ERR(lk(fb, F_OFD_SETLK, F_WRLCK, 0, 1, NULL)));
	close(fb);
}

TEST_HARNESS_MAIN
