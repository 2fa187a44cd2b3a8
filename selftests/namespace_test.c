// SPDX-License-Identifier: GPL-2.0
/*
 * A link is for the whole system: in every mount namespace in which the parent
 * of its virtual path is the same directory, whoever made it where.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "linux/bindlink.h"
#include "place.h"

PLACES_CROSS(namespaces);

/*
 * An agent is a process in a namespace of its own that does what it is asked,
 * one line at a time.
 */
struct agent {
	pid_t pid;
	int fd;
};

enum what {
	PRIVATE = 1,		/* a namespace without propagation */
	SLAVE = 2,		/* one that mounts propagate into */
	SHARED = 4,		/* one that mounts propagate into and out of */
	USER_NS = 8,		/* owned by a user namespace of its own */
	SAME = 16,		/* none of its own */
};

static const char *error_name(int err)
{
	return err ? path("!%s", strerrorname_np(err < 0 ? -err : err)) : "ok";
}

/* Everything at V, and what the agent can say of its own namespace. */
static const char *answer(char *line)
{
	char *save, *verb = strtok_r(line, " ", &save);
	const char *a = strtok_r(NULL, " ", &save) ?: "";
	const char *b = strtok_r(NULL, " ", &save) ?: "";

	if (!strcmp(verb, "get"))
		return get(a);
	if (!strcmp(verb, "names"))
		return names(a);
	if (!strcmp(verb, "facts"))
		return facts(a);
	if (!strcmp(verb, "put"))
		return error_name(put(a, b));
	if (!strcmp(verb, "mkdir"))
		return error_name(ERR(mkdir(a, 0755)));
	if (!strcmp(verb, "unlink"))
		return error_name(ERR(unlink(a)));
	if (!strcmp(verb, "make"))
		return error_name(link_make(a, b));
	if (!strcmp(verb, "drop"))
		return error_name(link_drop(a));
	if (!strcmp(verb, "tmpfs"))
		return error_name(ERR(mount("tmpfs", a, "tmpfs", 0, NULL)));
	if (!strcmp(verb, "bind"))
		return error_name(ERR(mount(a, b, NULL, MS_BIND, NULL)));
	if (!strcmp(verb, "readonly"))
		return error_name(ERR(mount(NULL, a, NULL, MS_REMOUNT |
					    MS_BIND | MS_RDONLY, NULL)));
	if (!strcmp(verb, "umount"))
		return error_name(ERR(umount2(a, 0)));
	if (!strcmp(verb, "detach"))
		return error_name(ERR(umount2(a, MNT_DETACH)));
	if (!strcmp(verb, "trees"))
		return path("%d", mount_count(*a ? a : NULL, "bindlink"));
	if (!strcmp(verb, "mounts"))
		return path("%d", mount_count(*a ? a : NULL, NULL));
	if (!strcmp(verb, "chroot"))
		return error_name(ERR(chroot(a)) ?: ERR(chdir("/")));
	if (!strcmp(verb, "chdir"))
		return error_name(ERR(chdir(a)));
	if (!strcmp(verb, "why"))
		return link_why();
	return "!what";
}

static int become(int what)
{
	int flags = CLONE_NEWNS;

	if (what & SAME)
		return 0;
	if (what & USER_NS)
		flags |= CLONE_NEWUSER;
	if (unshare(flags))
		return errno;
	if (what & USER_NS) {
		int err = write_text("/proc/self/setgroups", "deny") ?:
			  write_text("/proc/self/uid_map", "0 0 1\n") ?:
			  write_text("/proc/self/gid_map", "0 0 1\n");

		if (err)
			return err;
	}
	if (what & (PRIVATE | SLAVE))
		return ERR(mount(NULL, "/", NULL, MS_REC | (what & PRIVATE ?
				 MS_PRIVATE : MS_SLAVE), NULL));
	return 0;
}

/* 0, or why there is none. */
static int agent_start(struct agent *agent, int what)
{
	int fds[2], err = 0;
	static char line[65536];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return errno;
	agent->pid = fork();
	if (agent->pid < 0)
		return errno;
	if (!agent->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		err = become(what);
		if (write(fds[1], &err, sizeof(err)) != sizeof(err) || err)
			_exit(1);
		while ((n = recv(fds[1], line, sizeof(line) - 1, 0)) > 0) {
			const char *said;

			line[n] = '\0';
			said = answer(line);
			/* With its NUL: an empty message would be the end. */
			if (send(fds[1], said, strlen(said) + 1, 0) < 0)
				break;
		}
		_exit(0);
	}
	close(fds[1]);
	agent->fd = fds[0];
	n = recv(agent->fd, &err, sizeof(err), 0);
	return n == sizeof(err) ? err : EIO;
}

static const char *ask(struct agent *agent, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static const char *ask(struct agent *agent, const char *fmt, ...)
{
	static char said[65536];
	char line[2048];
	ssize_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (send(agent->fd, line, strlen(line), MSG_NOSIGNAL) < 0)
		return "!gone";
	n = recv(agent->fd, said, sizeof(said), 0);
	return n > 0 ? path("%s", said) : "!gone";
}

static void agent_end(struct agent *agent)
{
	/* Agents that were started later have the socket, too. */
	shutdown(agent->fd, SHUT_RDWR);
	close(agent->fd);
	reap(agent->pid);
}

#define START(agent, what) do {						\
	int __err = agent_start(&(agent), (what));			\
									\
	if (__err && ((what) & USER_NS) &&				\
	    (__err == ENOSPC || __err == EPERM))			\
		SKIP(return, "no user namespaces here");		\
	ASSERT_EQ(0, __err)						\
		TH_LOG("%s", strerror(__err));				\
} while (0)

/* A shared mount to work in, as most machines have everywhere. */
static const char *shared_area(const struct place *p)
{
	const char *m = path("%s/shared", p->top);

	if (mkdir(m, 0755) || mount("tmpfs", m, "tmpfs", 0, "mode=755") ||
	    mount(NULL, m, NULL, MS_SHARED, NULL)) {
		fprintf(stderr, "# %s: %s\n", m, strerror(errno));
		abort();
	}
	return m;
}

/* The kinds of link: at its path, anchorless, of another kind than V. */
static const char *const ways[] = { "path", "parent", "unlike" };

/* The parent, siblings in it, V and B; returns V. */
static const char *prepare(const char *area, const char *back, unsigned int way)
{
	const char *par = path("%s/par%u", area, way);
	const char *v = path("%s/v", par), *b = path("%s/back%u", back, way);
	int err;

	err = ERR(mkdir(par, 0755)) ?: -put(path("%s/sib", par), "sibling") ?:
	      ERR(mkdir(path("%s/m", par), 0755)) ?:
	      -make_kind(b, 'd', "backing");
	if (!err && way != 1)
		err = -make_kind(v, way ? 'f' : 'd', "original");
	if (err) {
		fprintf(stderr, "# %s: %s\n", par, strerror(err));
		abort();
	}
	return v;
}

static const char *original(const char *v, unsigned int way)
{
	return way == 1 ? "!ENOENT" : way ? "original" :
	       get(path("%s/in", v));
}

/* A namespace that exists before the link, of this kind. */
static void existing(struct __test_metadata *_metadata, struct place *p,
		     int what, bool shared)
{
	const char *area = shared ? shared_area(p) : p->top;
	unsigned int way;
	struct agent a, second;

	START(a, what);
	START(second, what);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(area, p->back, way);
		const char *par = path("%s/par%u", area, way);
		const char *b = path("%s/back%u", p->back, way);
		const char *was = way == 2 ? "original" : "!ENOENT";
		int round;

		EXPECT_STREQ(way ? was : "!EISDIR", ask(&a, "get %s", v));
		for (round = 0; round < 2; round++) {
			ASSERT_EQ(0, link_make(v, b))
				TH_LOG("%s: %s", ways[way], link_why());
			EXPECT_STREQ("backing", get(path("%s/in", v)));
			EXPECT_STREQ("backing", ask(&a, "get %s/in", v))
				TH_LOG("%s", ways[way]);
			EXPECT_STREQ("backing", ask(&second, "get %s/in", v))
				TH_LOG("%s", ways[way]);
			EXPECT_STREQ("m sib v", ask(&a, "names %s", par));
			EXPECT_STREQ("sibling", ask(&a, "get %s/sib", par));
			EXPECT_STREQ(facts(v), ask(&a, "facts %s", v));
			/* Once, however it came there. */
			EXPECT_STREQ("1", ask(&a, "trees %s", par));
			EXPECT_STREQ("1", ask(&second, "trees %s", par));
			EXPECT_EQ(1, mount_count(par, "bindlink"));
			/* Written there, read here; late there, too. */
			EXPECT_STREQ("ok", ask(&a, "put %s/new there", v));
			EXPECT_STREQ("there", get(path("%s/new", v)));
			EXPECT_STREQ("there", get(path("%s/new", b)));
			EXPECT_STREQ("ok", ask(&second, "unlink %s/new", v));
			ASSERT_EQ(0, ERR(rename(b, path("%s.away", b))));
			EXPECT_STREQ("!ENOENT", ask(&a, "get %s/in", v));
			ASSERT_EQ(0, ERR(rename(path("%s.away", b), b)));
			EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
			ASSERT_EQ(0, link_drop(v))
				TH_LOG("%s: %s", ways[way], link_why());
			EXPECT_STREQ(way ? was : "!EISDIR",
				     ask(&a, "get %s", v))
				TH_LOG("%s", ways[way]);
			if (!way)
				EXPECT_STREQ("original",
					     ask(&a, "get %s/in", v));
			EXPECT_STREQ(way == 1 ? "m sib" : "m sib v",
				     ask(&a, "names %s", par));
			EXPECT_STREQ("0", ask(&a, "trees %s", par))
				TH_LOG("%s", ways[way]);
			EXPECT_STREQ("0", ask(&second, "trees %s", par))
				TH_LOG("%s", ways[way]);
			EXPECT_EQ(0, mount_count(par, "bindlink"));
			EXPECT_STREQ(was, way ? original(v, way) : was);
		}
	}
	agent_end(&a);
	agent_end(&second);
}

TEST_F(namespaces, LT2_private_ones)
{
	existing(_metadata, &self->p, PRIVATE, false);
}

TEST_F(namespaces, LT2_private_copies_of_a_shared_mount)
{
	existing(_metadata, &self->p, PRIVATE, true);
}

TEST_F(namespaces, LT2_slaves)
{
	existing(_metadata, &self->p, SLAVE, true);
}

TEST_F(namespaces, LT2_peers)
{
	existing(_metadata, &self->p, SHARED, true);
}

TEST_F(namespaces, LT2_owned_by_a_user_namespace)
{
	existing(_metadata, &self->p, USER_NS, false);
}

TEST_F(namespaces, LT2_owned_by_a_user_namespace_and_slaves)
{
	existing(_metadata, &self->p, USER_NS, true);
}

TEST_F(namespaces, LT2_made_later)
{
	static const int kinds[] = { PRIVATE, SLAVE, SHARED, USER_NS };
	struct place *p = &self->p;
	const char *area = shared_area(p);
	unsigned int i, way;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(area, p->back, way);
		const char *par = path("%s/par%u", area, way);
		struct agent a[ARRAY_SIZE(kinds)];

		ASSERT_EQ(0, link_make(v, path("%s/back%u", p->back, way)));
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			START(a[i], kinds[i]);
			EXPECT_STREQ("backing", ask(&a[i], "get %s/in", v));
			EXPECT_STREQ("1", ask(&a[i], "trees %s", par));
		}
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		for (i = 0; i < ARRAY_SIZE(kinds); i++) {
			EXPECT_STREQ(way == 1 ? "!ENOENT" : way ? "original" :
				     "!EISDIR", ask(&a[i], "get %s", v))
				TH_LOG("%s, kind %u", ways[way], i);
			EXPECT_STREQ("0", ask(&a[i], "trees %s", par))
				TH_LOG("%s, kind %u", ways[way], i);
			/* And the next link is seen there again. */
			EXPECT_STREQ("sibling", ask(&a[i], "get %s/sib", par));
		}
		ASSERT_EQ(0, link_make(v, path("%s/back%u", p->back, way)));
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			EXPECT_STREQ("backing", ask(&a[i], "get %s/in", v))
				TH_LOG("%s, kind %u", ways[way], i);
		ASSERT_EQ(0, link_drop(v));
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			agent_end(&a[i]);
	}
}

/* A second link of a tree is a rule: it is in all namespaces at once. */
TEST_F(namespaces, LT2_further_links_of_a_tree)
{
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *par = path("%s/par1", p->top), *w = path("%s/w", par);
	const char *b = path("%s/back1", p->back);
	struct agent a;

	START(a, PRIVATE);
	ASSERT_EQ(0, link_make(v, b));
	ASSERT_EQ(0, link_make(w, path("%s/in", b)));
	ASSERT_EQ(0, link_make(path("%s/below", v), b));
	EXPECT_STREQ("m sib v w", ask(&a, "names %s", par));
	EXPECT_STREQ("backing", ask(&a, "get %s", w));
	EXPECT_STREQ("backing", ask(&a, "get %s/below/in", v));
	EXPECT_STREQ("1", ask(&a, "trees"));
	ASSERT_EQ(0, link_drop(path("%s/below", v)));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("m sib w", ask(&a, "names %s", par));
	EXPECT_STREQ("1", ask(&a, "trees"));
	ASSERT_EQ(0, link_drop(w));
	EXPECT_STREQ("m sib", ask(&a, "names %s", par));
	EXPECT_STREQ("0", ask(&a, "trees"));
	agent_end(&a);
}

/* Whoever makes it, wherever: it is seen in the others, and outlives them. */
TEST_F(namespaces, LT1_LT2_made_and_removed_in_another_namespace)
{
	struct place *p = &self->p;
	unsigned int way;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(p->top, p->back, way);
		const char *par = path("%s/par%u", p->top, way);
		const char *b = path("%s/back%u", p->back, way);
		struct agent a, other, late;

		START(a, PRIVATE);
		START(other, PRIVATE);
		ASSERT_STREQ("ok", ask(&a, "make %s %s", v, b))
			TH_LOG("%s", ask(&a, "why"));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
		EXPECT_STREQ("backing", get(path("%s/in", v)))
			TH_LOG("%s", ways[way]);
		EXPECT_STREQ("backing", ask(&other, "get %s/in", v));
		EXPECT_STREQ(b, link_listed(v));
		/* The namespace that it was made in goes. */
		agent_end(&a);
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_STREQ("backing", ask(&other, "get %s/in", v));
		EXPECT_STREQ(b, link_listed(v));
		ASSERT_EQ(0, put(path("%s/late", b), "late"));
		EXPECT_STREQ("late", get(path("%s/late", v)));
		START(late, PRIVATE);
		EXPECT_STREQ("late", ask(&late, "get %s/late", v));
		ASSERT_STREQ("ok", ask(&late, "drop %s", v))
			TH_LOG("%s", ask(&late, "why"));
		EXPECT_STREQ("!ENOENT", link_listed(v));
		EXPECT_EQ(0, mount_count(par, "bindlink"))
			TH_LOG("%s", ways[way]);
		EXPECT_STREQ("0", ask(&other, "trees"));
		EXPECT_STREQ("0", ask(&late, "trees"));
		EXPECT_STREQ(way == 1 ? "!ENOENT" : "original",
			     original(v, way));
		agent_end(&other);
		agent_end(&late);
	}
}

TEST_F(namespaces, LT2_held_by_a_bind_mount_only)
{
	struct place *p = &self->p;
	const char *held = path("%s/held", p->top);
	const char *ns = path("%s/ns", held);
	unsigned int way;
	struct agent a;

	ASSERT_EQ(0, ERR(mkdir(held, 0755)));
	ASSERT_EQ(0, ERR(mount(held, held, NULL, MS_BIND, NULL)));
	ASSERT_EQ(0, ERR(mount(NULL, held, NULL, MS_PRIVATE, NULL)));
	ASSERT_EQ(0, put(ns, ""));
	START(a, PRIVATE);
	if (ERR(mount(path("/proc/%d/ns/mnt", a.pid), ns, NULL, MS_BIND,
		      NULL))) {
		agent_end(&a);
		SKIP(return, "a mount namespace cannot be bound: %s",
		     strerror(errno));
	}
	agent_end(&a);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(p->top, p->back, way);
		int step;

		for (step = 0; step < 2; step++) {
			pid_t pid;

			if (!step) {
				ASSERT_EQ(0, link_make(v, path("%s/back%u",
							       p->back, way)));
			} else {
				ASSERT_EQ(0, link_drop(v));
			}
			pid = fork();
			if (!pid) {
				int fd = open(ns, O_RDONLY);
				const char *seen;

				if (fd < 0 || setns(fd, CLONE_NEWNS))
					_exit(200);
				seen = get(path("%s/in", v));
				if (!step)
					_exit(!!strcmp("backing", seen));
				_exit(!strcmp("backing", seen) ? 1 :
				      mount_count(NULL, "bindlink") ? 2 : 0);
			}
			EXPECT_EQ(0, reap(pid))
				TH_LOG("%s, %s", ways[way], step ? "removed" :
				       "made");
		}
	}
	ASSERT_EQ(0, ERR(umount2(ns, 0)));
}

/* In a chroot and outside of it the directory is the same one. */
TEST_F(namespaces, LT2_chroot)
{
	struct place *p = &self->p;
	const char *root = path("%s/root", p->top);
	const char *v = path("%s/par/v", root), *w = path("%s/par/w", root);
	const char *b = path("%s/b", root);
	struct agent a;

	ASSERT_EQ(0, ERR(mkdir(root, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/par", root), 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/proc", root), 0755)));
	ASSERT_EQ(0, make_kind(b, 'd', "backing"));
	ASSERT_EQ(0, put(path("%s/par/sib", root), "sibling"));
	ASSERT_EQ(0, ERR(mount("proc", path("%s/proc", root), "proc", 0,
			       NULL)));
	START(a, SAME);
	ASSERT_STREQ("ok", ask(&a, "chroot %s", root));
	EXPECT_STREQ("sib", ask(&a, "names /par"));
	/* Made outside. */
	ASSERT_EQ(0, link_make(w, b));
	EXPECT_STREQ("backing", ask(&a, "get /par/w/in"));
	EXPECT_STREQ("sib w", ask(&a, "names /par"));
	/* Made inside, beside the other one. */
	ASSERT_STREQ("ok", ask(&a, "make /par/v /b"))
		TH_LOG("%s", ask(&a, "why"));
	EXPECT_STREQ("backing", ask(&a, "get /par/v/in"));
	EXPECT_STREQ("backing", get(path("%s/in", v)));
	EXPECT_STREQ("sib v w", names(path("%s/par", root)));
	EXPECT_STREQ("ok", ask(&a, "put /par/v/new inside"));
	EXPECT_STREQ("inside", get(path("%s/new", b)));
	EXPECT_STREQ("ok", ask(&a, "drop /par/v"))
		TH_LOG("%s", ask(&a, "why"));
	EXPECT_STREQ("sib w", names(path("%s/par", root)));
	EXPECT_EQ(0, link_drop(w));
	EXPECT_EQ(0, mount_count(root, "bindlink"));
	/* Made inside when there is none, seen outside. */
	ASSERT_STREQ("ok", ask(&a, "make /par/v /b"))
		TH_LOG("%s", ask(&a, "why"));
	EXPECT_STREQ("backing", get(path("%s/in", v)));
	EXPECT_STREQ("sib v", names(path("%s/par", root)));
	EXPECT_STREQ("ok", ask(&a, "drop /par/v"))
		TH_LOG("%s", ask(&a, "why"));
	EXPECT_STREQ("sib", names(path("%s/par", root)));
	EXPECT_STREQ("sib", ask(&a, "names /par"));
	EXPECT_EQ(0, mount_count(root, "bindlink"));
	/* What is in the chroot is its own: /b, not ours. */
	ASSERT_STREQ("ok", ask(&a, "make /par/v /b"));
	ASSERT_EQ(0, put(path("%s/only", b), "only"));
	EXPECT_STREQ("only", get(path("%s/only", v)));
	EXPECT_STREQ("ok", ask(&a, "drop /par/v"));
	agent_end(&a);
	ASSERT_EQ(0, ERR(umount2(path("%s/proc", root), 0)));
}

/* A container with a root of its own has a directory of that name, too. */
TEST_F(namespaces, LT2_a_container_is_not_disturbed)
{
	struct place *p = &self->p;
	const char *root = path("%s/root", p->top);
	unsigned int way;
	int go[2], done[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, ERR(mkdir(root, 0755)));
	ASSERT_EQ(0, ERR(pipe2(go, O_CLOEXEC)));
	ASSERT_EQ(0, ERR(pipe2(done, O_CLOEXEC)));
	pid = fork();
	if (!pid) {
		const char *dir = "", *part;
		char *save, *all = strdup(p->top);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (become(PRIVATE) ||
		    mount("tmpfs", root, "tmpfs", 0, NULL) || chdir(root) ||
		    mkdir("old", 0700) || mkdir("proc", 0755) ||
		    mount("proc", "proc", "proc", 0, NULL) ||
		    syscall(SYS_pivot_root, ".", "old") || chdir("/"))
			_exit(1);
		/* The same paths, and other directories. */
		for (part = strtok_r(all, "/", &save); part;
		     part = strtok_r(NULL, "/", &save)) {
			dir = path("%s/%s", dir, part);
			mkdir(dir, 0755);
		}
		for (way = 0; way < ARRAY_SIZE(ways); way++) {
			if (mkdir(path("%s/par%u", dir, way), 0755) ||
			    make_kind(path("%s/par%u/v", dir, way), 'd',
				      "the container's"))
				_exit(2);
		}
		if (umount2("/old", MNT_DETACH))
			_exit(3);
		c = 0;
		do {
			for (way = 0; way < ARRAY_SIZE(ways); way++) {
				if (strcmp("the container's",
					   get(path("%s/par%u/v/in", dir,
						    way))))
					c = 4;
				if (strcmp("v", names(path("%s/par%u", dir,
							   way))))
					c = 5;
			}
			if (mount_count(NULL, "bindlink"))
				c = 6;
			if (write(done[1], &c, 1) != 1)
				_exit(7);
		} while (read(go[0], &c, 1) == 1 && c != 'q' && !(c = 0));
		_exit(0);
	}
	close(done[1]);
	ASSERT_EQ(1, read(done[0], &c, 1))
		TH_LOG("the container cannot be made");
	ASSERT_EQ(0, c);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(p->top, p->back, way);
		int step;

		for (step = 0; step < 2; step++) {
			if (!step) {
				ASSERT_EQ(0, link_make(v, path("%s/back%u",
							       p->back, way)))
					TH_LOG("%s", link_why());
			} else {
				ASSERT_EQ(0, link_drop(v));
			}
			ASSERT_EQ(1, write(go[1], "g", 1));
			ASSERT_EQ(1, read(done[0], &c, 1));
			EXPECT_EQ(0, c)
				TH_LOG("%s, step %d", ways[way], step);
		}
	}
	ASSERT_EQ(1, write(go[1], "q", 1));
	EXPECT_EQ(0, reap(pid));
}

/* Mounts below the parent that only one namespace has. */
TEST_F(namespaces, AN3_LT2_mounts_of_one_namespace)
{
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *par = path("%s/par1", p->top), *m = path("%s/m", par);
	struct agent a, other;
	int i;

	START(a, PRIVATE);
	START(other, USER_NS);
	ASSERT_STREQ("ok", ask(&a, "tmpfs %s", m));
	ASSERT_STREQ("ok", ask(&a, "put %s/x mine", m));
	ASSERT_STREQ("ok", ask(&other, "tmpfs %s", m));
	ASSERT_STREQ("ok", ask(&other, "put %s/y other's", m));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, link_make(v, path("%s/back1", p->back)))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("x", ask(&a, "names %s", m));
		EXPECT_STREQ("y", ask(&other, "names %s", m));
		EXPECT_STREQ("", names(m));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
		EXPECT_STREQ("backing", ask(&other, "get %s/in", v));
		/* It can be unmounted, and mounted. */
		EXPECT_STREQ("ok", ask(&a, "umount %s", m));
		EXPECT_STREQ("", ask(&a, "names %s", m));
		EXPECT_STREQ("y", ask(&other, "names %s", m));
		EXPECT_STREQ("ok", ask(&a, "tmpfs %s", m));
		EXPECT_STREQ("ok", ask(&a, "put %s/x again", m));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("x", ask(&a, "names %s", m));
		EXPECT_STREQ("again", ask(&a, "get %s/x", m));
		EXPECT_STREQ("y", ask(&other, "names %s", m));
		EXPECT_STREQ("other's", ask(&other, "get %s/y", m));
		EXPECT_STREQ("", names(m));
		EXPECT_STREQ("0", ask(&a, "trees"));
		EXPECT_STREQ("0", ask(&other, "trees"));
	}
	EXPECT_STREQ("ok", ask(&a, "umount %s", m));
	EXPECT_STREQ("ok", ask(&other, "umount %s", m));
	EXPECT_STREQ("", ask(&other, "names %s", m));
	agent_end(&a);
	agent_end(&other);
}

/* A namespace that has the parent read-only does not get it writable. */
TEST_F(namespaces, TR10_LT2_a_stricter_mount_elsewhere)
{
	static const int whats[] = { PRIVATE, SLAVE, USER_NS };
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *par = path("%s/par1", p->top);
	struct agent a[ARRAY_SIZE(whats)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		START(a[i], whats[i]);
		ASSERT_STREQ("ok", ask(&a[i], "bind %s %s", par, par));
		ASSERT_STREQ("ok", ask(&a[i], "readonly %s", par));
		ASSERT_STREQ("!EROFS", ask(&a[i], "put %s/new x", par));
	}
	ASSERT_EQ(0, link_make(v, path("%s/back1", p->back)))
		TH_LOG("%s", link_why());
	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		EXPECT_STREQ("backing", ask(&a[i], "get %s/in", v));
		EXPECT_STREQ("!EROFS", ask(&a[i], "put %s/new x", par));
		EXPECT_STREQ("!EROFS", ask(&a[i], "mkdir %s/dir", par));
	}
	EXPECT_EQ(0, put(path("%s/new", par), "here"));
	EXPECT_EQ(0, put(path("%s/new", v), "there"));
	ASSERT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		EXPECT_STREQ("here", ask(&a[i], "get %s/new", par));
		EXPECT_STREQ("!EROFS", ask(&a[i], "put %s/new x", par));
		EXPECT_STREQ("0", ask(&a[i], "trees"));
		agent_end(&a[i]);
	}
}

/* Where the parent is another directory, there is no link. */
TEST_F(namespaces, LT2_another_directory_at_the_path)
{
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *par = path("%s/par1", p->top);
	const char *b = path("%s/back1", p->back);
	struct agent a;

	START(a, PRIVATE);
	ASSERT_STREQ("ok", ask(&a, "tmpfs %s", par));
	ASSERT_STREQ("ok", ask(&a, "put %s/x mine", par));
	ASSERT_EQ(0, link_make(v, b));
	EXPECT_STREQ("x", ask(&a, "names %s", par));
	EXPECT_STREQ("!ENOENT", ask(&a, "get %s/in", v));
	EXPECT_STREQ("0", ask(&a, "trees"));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_STREQ("x", ask(&a, "names %s", par));
	EXPECT_STREQ("ok", ask(&a, "umount %s", par));
	EXPECT_STREQ("m sib", ask(&a, "names %s", par));
	agent_end(&a);
}

/* Unmounted in one namespace it is gone there, and only there. */
TEST_F(namespaces, LT4_unmounted_in_one_namespace)
{
	struct place *p = &self->p;
	unsigned int way;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		const char *v = prepare(p->top, p->back, way);
		const char *par = path("%s/par%u", p->top, way);
		const char *at = way ? par : v;
		const char *b = path("%s/back%u", p->back, way);
		struct agent a;

		START(a, PRIVATE);
		ASSERT_EQ(0, link_make(v, b));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
		EXPECT_STREQ("ok", ask(&a, "umount %s", at));
		EXPECT_STREQ(way == 1 ? "!ENOENT" : way ? "!ENOTDIR" :
			     "original", ask(&a, "get %s/in", v));
		EXPECT_STREQ("backing", get(path("%s/in", v)))
			TH_LOG("%s", ways[way]);
		EXPECT_STREQ(b, link_listed(v));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("0", ask(&a, "trees"));
		/* And the other way round. */
		ASSERT_EQ(0, link_make(v, b));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
		ASSERT_EQ(0, ERR(umount2(at, 0)));
		EXPECT_STRNE("backing", get(path("%s/in", v)));
		/* Listed or not, it does not stay in the way of anybody. */
		link_drop(v);
		EXPECT_STREQ("!ENOENT", link_listed(v));
		ASSERT_EQ(0, link_make(v, b))
			TH_LOG("%s", link_why());
		EXPECT_STREQ("backing", get(path("%s/in", v)));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", v));
		EXPECT_STREQ("1", ask(&a, "trees %s", par))
			TH_LOG("%s", ways[way]);
		ASSERT_EQ(0, link_drop(v));
		EXPECT_STREQ("0", ask(&a, "trees"));
		EXPECT_EQ(0, mount_count(par, "bindlink"));
		agent_end(&a);
	}
}

/* Namespaces come and go while links are made and removed. */
TEST_F_TIMEOUT(namespaces, LT2_CR9_namespaces_that_come_and_go, 600)
{
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *b = path("%s/back1", p->back);
	unsigned int i, n = scaled(40) + 4;
	pid_t pids[3];

	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			pid_t pid = fork();

			if (!pid) {
				if (become(PRIVATE))
					_exit(1);
				get(path("%s/in", v));
				_exit(0);
			}
			if (reap(pid))
				_exit(1);
		}
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, link_make(v, b))
			TH_LOG("round %u: %s", i, link_why());
		ASSERT_STREQ("backing", get(path("%s/in", v)));
		ASSERT_EQ(0, link_drop(v))
			TH_LOG("round %u: %s", i, link_why());
		ASSERT_STREQ("!ENOENT", facts(v));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, kill(pids[i], SIGKILL));
		EXPECT_EQ(256 + SIGKILL, reap(pids[i]));
	}
	EXPECT_EQ(0, mount_count(NULL, "bindlink"));
}

/*
 * A service with threads, each of which keeps what it has.
 */
struct worker {
	pthread_t id;
	pid_t tid;
	const char *v, *b, *cwd;
	atomic_int *stop;
	int err;
	char why[512];
};

static void *service(void *data)
{
	struct worker *w = data;

	w->err = link_make(w->v, w->b);
	snprintf(w->why, sizeof(w->why), "%s", link_why());
	return NULL;
}

static void *unservice(void *data)
{
	struct worker *w = data;

	w->err = link_drop(w->v);
	snprintf(w->why, sizeof(w->why), "%s", link_why());
	return NULL;
}

/* Looks at its working directory all the time. */
static void *bystander(void *data)
{
	struct worker *w = data;
	char cwd[PATH_MAX];

	w->tid = gettid();
	while (!atomic_load(w->stop)) {
		if (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, w->cwd)) {
			w->err = 1;
			snprintf(w->why, sizeof(w->why), "in %.400s", cwd);
		}
		if (access("here", F_OK)) {
			w->err = 2;
			snprintf(w->why, sizeof(w->why), "%s",
				 strerror(errno));
		}
		usleep(200);
	}
	return NULL;
}

/* Namespace, root and working directory of each thread that is not ending. */
static const char *all_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (dir && (d = readdir(dir))) {
		const char *ns = get_link(path("/proc/self/task/%s/ns/mnt",
					       d->d_name));

		if (*d->d_name == '.' || *ns == '!')
			continue;
		fprintf(out, "%s %s %s %s\n", d->d_name, ns,
			get_link(path("/proc/self/task/%s/cwd", d->d_name)),
			get_link(path("/proc/self/task/%s/root", d->d_name)));
	}
	closedir(dir);
	fclose(out);
	return text;
}

TEST_F(namespaces, AP2_LT2_from_a_thread_of_a_service)
{
	struct place *p = &self->p;
	const char *home = path("%s/home", p->top);
	struct worker by[2] = { }, w = { };
	atomic_int stop = 0;
	unsigned int way, i;
	struct agent a;
	const char *before;
	sigset_t set, old;

	ASSERT_EQ(0, ERR(mkdir(home, 0755)));
	ASSERT_EQ(0, put(path("%s/here", home), ""));
	START(a, PRIVATE);
	ASSERT_EQ(0, ERR(chdir(home)));
	for (i = 0; i < 2; i++) {
		by[i].stop = &stop;
		by[i].cwd = home;
		ASSERT_EQ(0, pthread_create(&by[i].id, NULL, bystander,
					    &by[i]));
	}
	before = all_threads();
	pthread_sigmask(SIG_SETMASK, NULL, &old);
	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		w.v = prepare(p->top, p->back, way);
		w.b = path("%s/back%u", p->back, way);
		ASSERT_EQ(0, pthread_create(&w.id, NULL, service, &w));
		pthread_join(w.id, NULL);
		ASSERT_EQ(0, w.err)
			TH_LOG("%s", w.why);
		EXPECT_STREQ("backing", get(path("%s/in", w.v)));
		EXPECT_STREQ("backing", ask(&a, "get %s/in", w.v))
			TH_LOG("%s", ways[way]);
		/* One that was joined may be seen for a moment more. */
		EXPECT_TRUE(WITHIN(2, !strcmp(before, all_threads())))
			TH_LOG("%s, and before %s", all_threads(), before);
		ASSERT_EQ(0, pthread_create(&w.id, NULL, unservice, &w));
		pthread_join(w.id, NULL);
		ASSERT_EQ(0, w.err)
			TH_LOG("%s", w.why);
		EXPECT_STREQ("0", ask(&a, "trees"))
			TH_LOG("%s", ways[way]);
		/* One that was joined may be seen for a moment more. */
		EXPECT_TRUE(WITHIN(2, !strcmp(before, all_threads())))
			TH_LOG("%s, and before %s", all_threads(), before);
	}
	/* By relative paths, from the main thread. */
	ASSERT_EQ(0, ERR(mkdir("par", 0755)));
	ASSERT_EQ(0, link_make("par/v", "../home"))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("here par", ask(&a, "names %s/par/v", home));
	ASSERT_EQ(0, link_drop("par/v"));
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	for (i = 1; i < 32; i++)
		EXPECT_EQ(sigismember(&old, i), sigismember(&set, i));
	atomic_store(&stop, 1);
	for (i = 0; i < 2; i++) {
		pthread_join(by[i].id, NULL);
		EXPECT_EQ(0, by[i].err)
			TH_LOG("%s", by[i].why);
	}
	agent_end(&a);
	ASSERT_EQ(0, ERR(chdir("/")));
}

/* Several threads at once, in and out of all namespaces. */
TEST_F(namespaces, AP2_LT2_from_many_threads)
{
	struct place *p = &self->p;
	struct worker w[4] = { };
	struct agent a;
	unsigned int i, round, n = scaled(10) + 1;

	START(a, PRIVATE);
	for (i = 0; i < 4; i++) {
		const char *par = path("%s/par.%u", p->top, i);

		ASSERT_EQ(0, ERR(mkdir(par, 0755)));
		w[i].v = path("%s/v", par);
		w[i].b = path("%s/b.%u", p->back, i);
		ASSERT_EQ(0, make_kind(w[i].b, 'd', path("%u", i)));
	}
	for (round = 0; round < n; round++) {
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, pthread_create(&w[i].id, NULL, service,
						    &w[i]));
		for (i = 0; i < 4; i++) {
			pthread_join(w[i].id, NULL);
			ASSERT_EQ(0, w[i].err)
				TH_LOG("%s", w[i].why);
		}
		for (i = 0; i < 4; i++) {
			EXPECT_STREQ(path("%u", i),
				     ask(&a, "get %s/in", w[i].v));
			EXPECT_STREQ(path("%u", i), get(path("%s/in",
							     w[i].v)));
		}
		EXPECT_STREQ("4", ask(&a, "trees"));
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, pthread_create(&w[i].id, NULL, unservice,
						    &w[i]));
		for (i = 0; i < 4; i++) {
			pthread_join(w[i].id, NULL);
			ASSERT_EQ(0, w[i].err)
				TH_LOG("%s", w[i].why);
		}
		EXPECT_STREQ("0", ask(&a, "trees"));
	}
	agent_end(&a);
}

/* Two who make the first links of one tree at once, in two namespaces. */
TEST_F(namespaces, LT2_CR4_two_creators_in_one_parent)
{
	struct place *p = &self->p;
	const char *v = prepare(p->top, p->back, 1);
	const char *par = path("%s/par1", p->top);
	unsigned int round, n = scaled(30) + 3, i;
	struct agent a;

	START(a, PRIVATE);
	for (round = 0; round < n; round++) {
		pid_t pids[4];

		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				int err = i & 1 ? become(PRIVATE) : 0;

				err = err ?: -link_make(path("%s%u", v, i),
							path("%s/back1",
							     p->back));
				if (err)
					fprintf(stderr, "# %s\n", link_why());
				_exit(err);
			}
		}
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0, reap(pids[i]));
		for (i = 0; i < 4; i++) {
			EXPECT_STREQ("backing", get(path("%s%u/in", v, i)))
				TH_LOG("round %u, %u", round, i);
			EXPECT_STREQ("backing", ask(&a, "get %s%u/in", v, i))
				TH_LOG("round %u, %u", round, i);
		}
		/* Two that came at once are no harm, as long as both go. */
		EXPECT_LE(1, mount_count(par, "bindlink"));
		EXPECT_STRNE("0", ask(&a, "trees"));
		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				int err = i & 1 ? become(PRIVATE) : 0;

				err = err ?: -link_drop(path("%s%u", v, i));
				if (err)
					fprintf(stderr, "# %s\n", link_why());
				_exit(err);
			}
		}
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0, reap(pids[i]));
		ASSERT_EQ(0, link_count(par));
		ASSERT_EQ(0, mount_count(par, "bindlink"));
		ASSERT_STREQ("0", ask(&a, "trees"));
	}
	agent_end(&a);
}

TEST_HARNESS_MAIN
