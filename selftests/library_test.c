// SPDX-License-Identifier: GPL-2.0
/*
 * libbindlink as programs use it.
 */
#include <bindlink.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "place.h"

FIXTURE(library)
{
	struct place p;
	struct bindlink *h;
};

FIXTURE_SETUP(library)
{
	const char *why;

	umask(022);
	why = place_make(&self->p, "tmpfs", "tmpfs");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, ERR(mkdir(self->p.v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(self->p.b, 0755)));
	ASSERT_EQ(0, bindlink_open(&self->h));
}

FIXTURE_TEARDOWN_PARENT(library)
{
	EXPECT_EQ(NULL, place_drop(&self->p));
}

TEST_F(library, AP2_create_get_list_remove)
{
	struct place *p = &self->p;
	const char *v2 = path("%s/v2", p->top);
	struct bindlink_iterator *all;
	const struct bindlink_link *l;
	struct bindlink_link *one, *two;
	struct stat st;
	int n = 0;

	ASSERT_EQ(0, ERR(mkdir(v2, 0755)));
	EXPECT_NE(NULL, bindlink_version());
	EXPECT_EQ(-ENOENT, bindlink_get(self->h, p->v, &one));
	EXPECT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
	EXPECT_STREQ("", bindlink_message(self->h));
	ASSERT_EQ(0, bindlink_get(self->h, p->v, &one));
	EXPECT_STREQ(p->v, bindlink_link_virtual(one));
	EXPECT_STREQ(p->b, bindlink_link_backing(one));
	EXPECT_EQ(0, bindlink_link_flags(one));
	EXPECT_EQ(0, bindlink_link_exception_count(one));
	EXPECT_EQ(NULL, bindlink_link_exception(one, 0));
	EXPECT_EQ(BINDLINK_ATTACH_PATH, bindlink_link_carrier(one));
	EXPECT_STREQ(p->v, bindlink_link_carrier_path(one));
	/* The number that mountinfo has is that of the tree, not of B. */
	ASSERT_EQ(0, ERR(stat(p->b, &st)));
	EXPECT_NE(st.st_dev, bindlink_link_dev(one));
	EXPECT_EQ(0, bindlink_create_opts(self->h, v2, p->b, NULL));
	ASSERT_EQ(0, bindlink_get(self->h, v2, &two));
	EXPECT_NE(bindlink_link_id(one), bindlink_link_id(two));
	ASSERT_EQ(0, bindlink_list(self->h, &all));
	while ((l = bindlink_iterator_next(all)))
		n++;
	EXPECT_EQ(NULL, bindlink_iterator_next(all));
	EXPECT_EQ(2, n);
	/* What was got lives on its own. */
	EXPECT_EQ(0, bindlink_remove(self->h, p->v));
	EXPECT_EQ(0, bindlink_remove(self->h, v2));
	bindlink_close(self->h);
	EXPECT_STREQ(p->v, bindlink_link_virtual(one));
	bindlink_iterator_free(all);
	bindlink_link_free(one);
	bindlink_link_free(two);
	bindlink_link_free(NULL);
	bindlink_iterator_free(NULL);
	bindlink_close(NULL);
}

TEST_F(library, AP2_numbers_are_never_used_twice)
{
	struct place *p = &self->p;
	struct bindlink_link *l;
	uint64_t last = 0;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
		ASSERT_EQ(0, bindlink_get(self->h, p->v, &l));
		EXPECT_LT(last, bindlink_link_id(l));
		last = bindlink_link_id(l);
		bindlink_link_free(l);
		ASSERT_EQ(0, bindlink_remove(self->h, p->v));
	}
}

#define FAILS(errno_, call) do {					\
	EXPECT_EQ(-(errno_), (call));					\
	EXPECT_NE('\0', bindlink_message(self->h)[0]);			\
	EXPECT_EQ(NULL, strchr(bindlink_message(self->h), '\n'));	\
} while (0)

TEST_F(library, AP2_messages)
{
	struct place *p = &self->p;
	struct bindlink_create_options o = { .size = sizeof(o), };
	struct bindlink_resolution *r;
	struct bindlink_link *l;
	struct bindlink *other;

	ASSERT_EQ(0, bindlink_open(&other));
	FAILS(ENOENT, bindlink_remove(self->h, p->v));
	EXPECT_NE(NULL, strstr(bindlink_message(self->h), p->v));
	/* Of the handle that was asked. */
	EXPECT_STREQ("", bindlink_message(other));
	EXPECT_NE('\0', bindlink_message(NULL)[0]);
	FAILS(ENOENT, bindlink_create(self->h, p->v, "/nowhere/at/all", 0,
				      NULL, 0));
	EXPECT_NE(NULL, strstr(bindlink_message(self->h), "/nowhere/at/all"));
	FAILS(ENOENT, bindlink_create(self->h, "", p->b, 0, NULL, 0));
	FAILS(EINVAL, bindlink_create(self->h, NULL, p->b, 0, NULL, 0));
	FAILS(EINVAL, bindlink_create(self->h, p->v, NULL, 0, NULL, 0));
	FAILS(EINVAL, bindlink_create(self->h, p->v, p->b, 0x10, NULL, 0));
	FAILS(EINVAL, bindlink_create(self->h, "/", p->b, 0, NULL, 0));
	FAILS(EINVAL, bindlink_remove(self->h, NULL));
	FAILS(EINVAL, bindlink_get(self->h, NULL, &l));
	FAILS(EINVAL, bindlink_resolve(self->h, NULL, &r));
	/* A success leaves none. */
	EXPECT_EQ(0, bindlink_create_opts(self->h, p->v, p->b, &o));
	EXPECT_STREQ("", bindlink_message(self->h));
	FAILS(EEXIST, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
	EXPECT_EQ(0, bindlink_remove(self->h, p->v));
	bindlink_close(other);
}

TEST_F(library, AP2_options_of_another_size)
{
	struct place *p = &self->p;
	struct {
		struct bindlink_create_options o;
		char more[64];
	} big = { .o.size = sizeof(big), };

	EXPECT_EQ(0, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	EXPECT_EQ(0, bindlink_remove(self->h, p->v));
	big.more[10] = 1;
	FAILS(E2BIG, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	big.o.size = 1;
	FAILS(EINVAL, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	big.o.size = sizeof(big.o);
	big.o.attach = 77;
	FAILS(EINVAL, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	big.o.attach = BINDLINK_ATTACH_PATH;
	EXPECT_EQ(0, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	EXPECT_EQ(0, bindlink_remove(self->h, p->v));
	big.o.attach = BINDLINK_ATTACH_PARENT;
	EXPECT_EQ(0, bindlink_create_opts(self->h, p->v, p->b, &big.o));
	EXPECT_STREQ("parent", link_carrier(p->v));
	EXPECT_EQ(0, bindlink_remove(self->h, p->v));
	EXPECT_EQ(0, mounted(p->top));
}

TEST_F(library, AP2_resolve)
{
	struct place *p = &self->p;
	const char *deep = path("%s/d/x", p->v);
	const struct bindlink_link *l;
	struct bindlink_resolution *r;

	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/x", p->b), "x"));
	ASSERT_EQ(0, bindlink_resolve(self->h, p->b, &r));
	EXPECT_EQ(NULL, bindlink_resolution_link(r));
	EXPECT_STREQ(p->b, bindlink_resolution_path(r));
	EXPECT_STREQ(p->b, bindlink_resolution_real_path(r));
	EXPECT_EQ(0, bindlink_resolution_error(r));
	bindlink_resolution_free(r);
	ASSERT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
	ASSERT_EQ(0, bindlink_resolve(self->h, deep, &r));
	l = bindlink_resolution_link(r);
	ASSERT_NE(NULL, l);
	EXPECT_STREQ(p->v, bindlink_link_virtual(l));
	EXPECT_STREQ(p->b, bindlink_link_backing(l));
	EXPECT_STREQ(path("%s/d/x", p->b), bindlink_resolution_real_path(r));
	bindlink_resolution_free(r);
	/* B is a symlink now: the real path is where it leads. */
	ASSERT_EQ(0, ERR(rename(p->b, path("%s/real", p->back))));
	ASSERT_EQ(0, bindlink_resolve(self->h, p->v, &r));
	EXPECT_EQ(-ENOENT, bindlink_resolution_error(r));
	EXPECT_NE(NULL, bindlink_resolution_link(r));
	bindlink_resolution_free(r);
	ASSERT_EQ(0, ERR(symlink("real", p->b)));
	ASSERT_EQ(0, bindlink_resolve(self->h, deep, &r));
	EXPECT_STREQ(path("%s/real/d/x", p->back),
		     bindlink_resolution_real_path(r));
	bindlink_resolution_free(r);
	bindlink_resolution_free(NULL);
}

/* The next event, or NULL after some time. */
static struct bindlink_event *next(struct bindlink_monitor *m)
{
	struct pollfd pfd = {
		.fd = bindlink_monitor_fd(m), .events = POLLIN,
	};
	struct bindlink_event *e;
	int err;

	while ((err = bindlink_monitor_next(m, &e)) == -EAGAIN)
		if (poll(&pfd, 1, 30000) != 1)
			return NULL;
	return err ? NULL : e;
}

TEST_F(library, AP2_monitor)
{
	struct place *p = &self->p;
	struct bindlink_monitor *m;
	struct bindlink_event *e;

	ASSERT_EQ(0, bindlink_monitor_open(self->h, &m));
	EXPECT_EQ(-EAGAIN, bindlink_monitor_next(m, &e));
	EXPECT_LE(0, bindlink_monitor_fd(m));
	ASSERT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
	e = next(m);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(BINDLINK_EVENT_CREATED, bindlink_event_type(e));
	ASSERT_NE(NULL, bindlink_event_link(e));
	EXPECT_STREQ(p->v, bindlink_link_virtual(bindlink_event_link(e)));
	EXPECT_STREQ(p->b, bindlink_link_backing(bindlink_event_link(e)));
	bindlink_event_free(e);
	ASSERT_EQ(0, bindlink_remove(self->h, p->v));
	e = next(m);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(BINDLINK_EVENT_REMOVED, bindlink_event_type(e));
	EXPECT_STREQ(p->v, bindlink_link_virtual(bindlink_event_link(e)));
	bindlink_event_free(e);
	bindlink_event_free(NULL);
	EXPECT_EQ(-EAGAIN, bindlink_monitor_next(m, &e));
	/* It outlives the handle. */
	bindlink_close(self->h);
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
	e = next(m);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(BINDLINK_EVENT_CREATED, bindlink_event_type(e));
	bindlink_event_free(e);
	e = next(m);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(BINDLINK_EVENT_REMOVED, bindlink_event_type(e));
	bindlink_event_free(e);
	bindlink_monitor_close(m);
	bindlink_monitor_close(NULL);
}

/* More events than the socket holds, with nobody reading: said, not lost. */
TEST_F(library, AP2_monitor_that_is_too_slow)
{
	struct place *p = &self->p;
	struct bindlink_monitor *m;
	struct bindlink_event *e;
	unsigned int i, n = scaled(1200), created = 0, removed = 0;
	bool resync = false;

	ASSERT_EQ(0, bindlink_monitor_open(self->h, &m));
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
		ASSERT_EQ(0, bindlink_remove(self->h, p->v));
	}
	while (!bindlink_monitor_next(m, &e)) {
		created += bindlink_event_type(e) == BINDLINK_EVENT_CREATED;
		removed += bindlink_event_type(e) == BINDLINK_EVENT_REMOVED;
		resync |= bindlink_event_type(e) == BINDLINK_EVENT_RESYNC;
		bindlink_event_free(e);
	}
	if (!resync) {
		EXPECT_EQ(n, created);
		EXPECT_EQ(n, removed);
	}
	/* And it goes on afterwards. */
	ASSERT_EQ(0, bindlink_create(self->h, p->v, p->b, 0, NULL, 0));
	e = next(m);
	ASSERT_NE(NULL, e);
	EXPECT_EQ(BINDLINK_EVENT_CREATED, bindlink_event_type(e));
	bindlink_event_free(e);
	bindlink_monitor_close(m);
}

#define THREADS	4

struct thread {
	pthread_t id;
	unsigned int me, rounds;
	struct bindlink *h;
	const struct place *p;
	char wrong[256];
};

static void *work(void *data)
{
	struct thread *t = data;
	struct bindlink_iterator *all;
	struct bindlink_link *l;
	char v[200], none[200];
	unsigned int i;
	int err;

	snprintf(v, sizeof(v), "%s/t%u", t->p->top, t->me);
	snprintf(none, sizeof(none), "%s/none%u", t->p->top, t->me);
	for (i = 0; i < t->rounds && !*t->wrong; i++) {
#define CHECK(cond, what)						\
	if (!(cond)) {							\
		snprintf(t->wrong, sizeof(t->wrong), "%s: %d: %s", what,\
			 err, bindlink_message(t->h));			\
		break;							\
	}
		err = bindlink_create(t->h, v, t->p->b, 0, NULL, 0);
		CHECK(!err, "create");
		err = bindlink_remove(t->h, none);
		/* The message is this thread's, whatever others do. */
		CHECK(err == -ENOENT && strstr(bindlink_message(t->h), none),
		      "remove what is none");
		err = bindlink_list(t->h, &all);
		CHECK(!err, "list");
		bindlink_iterator_free(all);
		err = bindlink_get(t->h, v, &l);
		CHECK(!err && !strcmp(bindlink_link_virtual(l), v), "get");
		bindlink_link_free(l);
		err = bindlink_create(t->h, v, t->p->b, 0, NULL, 0);
		CHECK(err == -EEXIST, "create again");
		err = bindlink_remove(t->h, v);
		CHECK(!err, "remove");
		err = bindlink_remove(t->h, v);
		CHECK(err == -ENOENT, "remove again");
#undef CHECK
	}
	return NULL;
}

TEST_F(library, AP2_threads_with_one_handle)
{
	struct place *p = &self->p;
	struct thread t[THREADS] = { };
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		t[i].me = i;
		t[i].rounds = scaled(100);
		t[i].h = self->h;
		t[i].p = p;
		ASSERT_EQ(0, ERR(mkdir(path("%s/t%u", p->top, i), 0755)));
		ASSERT_EQ(0, pthread_create(&t[i].id, NULL, work, &t[i]));
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i].id, NULL);
		EXPECT_STREQ("", t[i].wrong);
	}
	EXPECT_EQ(0, link_count(p->top));
}

/* Several at one path: one wins each time, the others hear EEXIST or ENOENT. */
TEST_F(library, CR4_threads_at_one_path)
{
	struct place *p = &self->p;
	unsigned int i, round, made, n = scaled(60);

	for (round = 0; round < n; round++) {
		pid_t pids[THREADS];

		made = 0;
		for (i = 0; i < THREADS; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				int err = link_make(p->v, p->b);

				if (err && err != -EEXIST)
					fprintf(stderr, "# %s\n", link_why());
				_exit(err == -EEXIST ? 255 : -err);
			}
		}
		for (i = 0; i < THREADS; i++) {
			int status = reap(pids[i]);

			EXPECT_TRUE(!status || status == 255)
				TH_LOG("one hears %s", strerror(status));
			made += !status;
		}
		ASSERT_EQ(1, made);
		ASSERT_EQ(1, link_count(p->top));
		ASSERT_EQ(1, mounted(p->v));
		made = 0;
		for (i = 0; i < THREADS; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				int err = link_drop(p->v);

				_exit(err == -ENOENT || err == -EBUSY ? 255 :
				      -err);
			}
		}
		for (i = 0; i < THREADS; i++) {
			int status = reap(pids[i]);

			EXPECT_TRUE(!status || status == 255)
				TH_LOG("one hears %s", strerror(status));
			made += !status;
		}
		ASSERT_EQ(1, made);
		ASSERT_EQ(0, mounted(p->v));
		ASSERT_EQ(0, link_count(p->top));
	}
}

/* Silent, and without signal handlers or descriptors that others inherit. */
TEST_F(library, AP2_good_manners)
{
	struct place *p = &self->p;
	int pipes[2], out, err, before, after, fd, sig;
	struct bindlink_monitor *m;
	char buf[16];

	ASSERT_EQ(0, ERR(pipe(pipes)));
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	before = open("/dev/null", O_RDONLY);
	close(before);
	out = dup(1);
	err = dup(2);
	dup2(pipes[1], 1);
	dup2(pipes[1], 2);
	bindlink_create(self->h, p->v, p->b, 0, NULL, 0);
	bindlink_create(self->h, p->v, p->b, 0, NULL, 0);
	bindlink_create(self->h, "/", "", 99, NULL, 0);
	bindlink_remove(self->h, p->v);
	bindlink_remove(self->h, p->v);
	bindlink_monitor_open(self->h, &m);
	fflush(NULL);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	EXPECT_EQ(-1, read(pipes[0], buf, sizeof(buf)));
	for (sig = 1; sig < 32; sig++) {
		struct sigaction act;

		if (!sigaction(sig, NULL, &act) && sig != SIGALRM)
			EXPECT_EQ(SIG_DFL, act.sa_handler);
	}
	fd = bindlink_monitor_fd(m);
	EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	bindlink_monitor_close(m);
	after = open("/dev/null", O_RDONLY);
	close(after);
	EXPECT_EQ(before, after)
		TH_LOG("descriptors are left open");
}

TEST_F(library, AP2_no_descriptors_left)
{
	struct place *p = &self->p;
	struct bindlink_iterator *all;
	struct bindlink_link *l;
	pid_t pid = fork();

	if (!pid) {
		struct rlimit limit = { .rlim_cur = 8, .rlim_max = 8, };
		int err, i;

		/* None to be had: an errno, and no half link. */
		setrlimit(RLIMIT_NOFILE, &limit);
		for (i = 0; i < 8; i++)
			open("/dev/null", O_RDONLY);
		err = bindlink_create(self->h, p->v, p->b, 0, NULL, 0);
		if (err != -EMFILE)
			_exit(1);
		err = bindlink_list(self->h, &all);
		if (err != -EMFILE)
			_exit(2);
		err = bindlink_get(self->h, p->v, &l);
		if (err != -EMFILE)
			_exit(3);
		/* One more each time, until there are enough. */
		for (i = 7; i >= 3; i--) {
			close(i);
			err = bindlink_create(self->h, p->v, p->b, 0, NULL, 0);
			if (!err)
				_exit(0);
			if (err != -EMFILE)
				_exit(4);
		}
		_exit(5);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1, link_count(p->top));
	EXPECT_EQ(1, mounted(p->v));
}

TEST_F(library, CR10_paths)
{
	struct place *p = &self->p;
	char name[300], *longer = malloc(9000);

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	FAILS(ENAMETOOLONG, bindlink_create(self->h, name, p->b, 0, NULL, 0));
	FAILS(ENAMETOOLONG, bindlink_remove(self->h, name));
	memset(longer, '/', 9000);
	longer[8999] = '\0';
	/* Nothing but slashes is the root directory, or too long for a path. */
	EXPECT_GT(0, bindlink_create(self->h, longer, p->b, 0, NULL, 0));
	for (int i = 1; i < 8999; i += 2)
		longer[i] = 'd';
	FAILS(ENAMETOOLONG, bindlink_create(self->h, longer, p->b, 0, NULL, 0));
	FAILS(ENAMETOOLONG, bindlink_create(self->h, p->v, longer, 0, NULL, 0));
	/* In a directory that is no more. */
	ASSERT_EQ(0, ERR(mkdir(path("%s/gone", p->top), 0755)));
	ASSERT_EQ(0, ERR(chdir(path("%s/gone", p->top))));
	ASSERT_EQ(0, ERR(rmdir(path("%s/gone", p->top))));
	FAILS(ENOENT, bindlink_create(self->h, "v", p->b, 0, NULL, 0));
	ASSERT_EQ(0, ERR(chdir("/")));
	free(longer);
}

TEST_HARNESS_MAIN
