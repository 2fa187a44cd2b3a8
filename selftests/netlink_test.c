// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family, spoken to directly: what it refuses and what it
 * says then, and what it answers.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "place.h"

#define VIRTUAL	BINDLINK_A_LINK_VIRTUAL
#define BACKING	BINDLINK_A_LINK_BACKING

static const uint8_t commands[] = {
	BINDLINK_CMD_LINK_PLAN, BINDLINK_CMD_LINK_NEW, BINDLINK_CMD_LINK_HOLD,
	BINDLINK_CMD_LINK_DEL, BINDLINK_CMD_LINK_GET, BINDLINK_CMD_RESOLVE,
};

FIXTURE(netlink)
{
	struct place p;
	struct nl nl;
	struct nl_req req;
};

FIXTURE_SETUP(netlink)
{
	const char *why;

	umask(022);
	ASSERT_EQ(0, nl_open(&self->nl))
		TH_LOG("no family bindlink");
	why = place_make(&self->p, "tmpfs", "tmpfs");
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, ERR(mkdir(self->p.v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(self->p.b, 0755)));
}

FIXTURE_TEARDOWN_PARENT(netlink)
{
	EXPECT_EQ(NULL, place_drop(&self->p));
}

#define START(cmd)	nl_start(&self->req, &self->nl, (cmd), 0)
#define PUT_STR(a, s)	nl_put_str(&self->req, (a), (s))
#define PUT_U32(a, n)	nl_put_u32(&self->req, (a), (n))
#define PUT(a, d, n)	nl_put(&self->req, (a), (d), (n))
#define TALK()		nl_talk(&self->nl, &self->req)

/* The request is refused so, with a message, and changes nothing. */
#define REFUSED(errno_) do {						\
	char *__before = strdup(state());				\
									\
	EXPECT_EQ(-(errno_), TALK());					\
	EXPECT_NE('\0', self->nl.msg[0])				\
		TH_LOG("no message goes with it");			\
	EXPECT_STREQ(__before, state());				\
	free(__before);							\
} while (0)

TEST_F(netlink, AP1_plan)
{
	struct place *p = &self->p;
	char *before = strdup(state());

	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, p->v);
	PUT_STR(BACKING, p->b);
	EXPECT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	EXPECT_EQ(1, self->nl.replies);
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl, VIRTUAL));
	EXPECT_STREQ(p->b, nl_attr_str(&self->nl, BACKING));
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl,
				       BINDLINK_A_LINK_CARRIER_PATH));
	EXPECT_STREQ(before, state());
	free(before);
}

TEST_F(netlink, AP1_get_and_dump)
{
	struct place *p = &self->p;
	const char *v2 = path("%s/v2", p->top);

	ASSERT_EQ(0, ERR(mkdir(v2, 0755)));
	nl_start(&self->req, &self->nl, BINDLINK_CMD_LINK_GET, NLM_F_DUMP);
	EXPECT_EQ(0, TALK());
	EXPECT_EQ(0, self->nl.replies);
	ASSERT_EQ(0, link_make(p->v, p->b));
	START(BINDLINK_CMD_LINK_GET);
	PUT_STR(VIRTUAL, p->v);
	EXPECT_EQ(0, TALK());
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl, VIRTUAL));
	EXPECT_STREQ(p->b, nl_attr_str(&self->nl, BACKING));
	EXPECT_NE(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_ID));
	EXPECT_NE(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_DEV));
	ASSERT_EQ(0, link_make(v2, p->b));
	nl_start(&self->req, &self->nl, BINDLINK_CMD_LINK_GET, NLM_F_DUMP);
	EXPECT_EQ(0, TALK());
	EXPECT_EQ(2, self->nl.replies);
	START(BINDLINK_CMD_LINK_GET);
	PUT_STR(VIRTUAL, p->b);
	REFUSED(ENOENT);
}

TEST_F(netlink, AP1_dump_of_many)
{
	struct place *p = &self->p;
	unsigned int i, n = scaled(300) + 30;
	char where[200];

	for (i = 0; i < n; i++) {
		snprintf(where, sizeof(where), "%s/%u", p->top, i);
		ASSERT_EQ(0, ERR(mkdir(where, 0755)));
		ASSERT_EQ(0, link_make(where, p->b));
	}
	nl_start(&self->req, &self->nl, BINDLINK_CMD_LINK_GET, NLM_F_DUMP);
	EXPECT_EQ(0, TALK());
	EXPECT_EQ(n, self->nl.replies);
	EXPECT_EQ((int)n, link_count(p->top));
	for (i = 0; i < n; i++) {
		snprintf(where, sizeof(where), "%s/%u", p->top, i);
		ASSERT_EQ(0, link_drop(where));
	}
}

TEST_F(netlink, AP1_resolve)
{
	struct place *p = &self->p;
	const struct nlattr *err;

	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	START(BINDLINK_CMD_RESOLVE);
	PUT_STR(BINDLINK_A_LINK_PATH, p->b);
	EXPECT_EQ(0, TALK());
	EXPECT_EQ(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_ID));
	EXPECT_STREQ(p->b, nl_attr_str(&self->nl, BINDLINK_A_LINK_REAL_PATH));
	ASSERT_EQ(0, link_make(p->v, p->b));
	START(BINDLINK_CMD_RESOLVE);
	PUT_STR(BINDLINK_A_LINK_PATH, path("%s/x", p->v));
	EXPECT_EQ(0, TALK());
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl, VIRTUAL));
	EXPECT_STREQ(path("%s/x", p->b),
		     nl_attr_str(&self->nl, BINDLINK_A_LINK_REAL_PATH));
	/* What following it gives now, which is an answer and no failure. */
	ASSERT_EQ(0, rm_rf(p->b));
	START(BINDLINK_CMD_RESOLVE);
	PUT_STR(BINDLINK_A_LINK_PATH, p->v);
	EXPECT_EQ(0, TALK());
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl, VIRTUAL));
	err = nl_attr(&self->nl, BINDLINK_A_LINK_ERROR);
	ASSERT_NE(NULL, err);
	EXPECT_EQ(-ENOENT, *(int32_t *)((char *)err + NLA_HDRLEN));
}

/* Each attribute that a command needs, left out in turn. */
TEST_F(netlink, AP1_attributes_left_out)
{
	static const struct {
		uint8_t cmd;
		uint16_t needs[3];
	} cases[] = {
		{ BINDLINK_CMD_LINK_PLAN, { VIRTUAL, BACKING } },
		/* Without a tree where one is mounted already. */
		{ BINDLINK_CMD_LINK_NEW, { VIRTUAL, BACKING } },
		{ BINDLINK_CMD_LINK_HOLD, { VIRTUAL } },
		{ BINDLINK_CMD_LINK_DEL, { VIRTUAL } },
		{ BINDLINK_CMD_LINK_GET, { VIRTUAL } },
		{ BINDLINK_CMD_RESOLVE, { BINDLINK_A_LINK_PATH } },
		{ BINDLINK_CMD_TREE_BENEATH, { BINDLINK_A_LINK_TREE_FD } },
	};
	struct place *p = &self->p;
	unsigned int i, out, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (out = 0; out < 3 && cases[i].needs[out]; out++) {
			START(cases[i].cmd);
			for (j = 0; j < 3 && cases[i].needs[j]; j++) {
				if (j == out)
					continue;
				if (cases[i].needs[j] ==
				    BINDLINK_A_LINK_TREE_FD)
					PUT_U32(cases[i].needs[j], 0);
				else
					PUT_STR(cases[i].needs[j],
						cases[i].needs[j] == BACKING ?
						p->b : p->v);
			}
			EXPECT_EQ(-EINVAL, TALK())
				TH_LOG("command %u without %u", cases[i].cmd,
				       cases[i].needs[out]);
			EXPECT_TRUE(self->nl.msg[0] || self->nl.miss);
			EXPECT_EQ(cases[i].needs[out], self->nl.miss)
				TH_LOG("command %u without %u: %s",
				       cases[i].cmd, cases[i].needs[out],
				       self->nl.msg);
		}
	}
	EXPECT_EQ(0, link_count(NULL));
}

TEST_F(netlink, SE1_attributes_of_no_right_form)
{
	struct place *p = &self->p;
	char *longer = malloc(60000);
	unsigned int i;
	uint32_t at;

	memset(longer, 'x', 60000);
	longer[0] = '/';
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		uint16_t a = commands[i] == BINDLINK_CMD_RESOLVE ?
			     BINDLINK_A_LINK_PATH : VIRTUAL;

#define OTHERS() do {							\
	if (commands[i] == BINDLINK_CMD_LINK_PLAN ||			\
	    commands[i] == BINDLINK_CMD_LINK_NEW)			\
		PUT_STR(BACKING, p->b);					\
	if (commands[i] == BINDLINK_CMD_LINK_NEW)			\
		PUT_U32(BINDLINK_A_LINK_TREE_FD, 0);			\
} while (0)
		/* No NUL at the end. */
		START(commands[i]);
		at = PUT(a, p->v, strlen(p->v));
		OTHERS();
		REFUSED(EINVAL);
		EXPECT_EQ(at, self->nl.offs);
		/* A NUL in the middle. */
		START(commands[i]);
		at = PUT(a, "/tmp\0/x", 8);
		OTHERS();
		REFUSED(EINVAL);
		EXPECT_EQ(at, self->nl.offs);
		/* Nothing. */
		START(commands[i]);
		at = PUT(a, "", 0);
		OTHERS();
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
		START(commands[i]);
		at = PUT_STR(a, "");
		OTHERS();
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
		/* Far too long. */
		longer[59999] = '\0';
		START(commands[i]);
		at = PUT(a, longer, 60000);
		OTHERS();
		EXPECT_GT(0, TALK());
		EXPECT_NE(-ETIMEDOUT, self->nl.err);
		EXPECT_NE('\0', self->nl.msg[0]);
		EXPECT_EQ(at, self->nl.offs);
		/* One byte too long. */
		START(commands[i]);
		PUT(a, longer + 60000 - 4097, 4097);
		OTHERS();
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
		/* Relative. */
		START(commands[i]);
		at = PUT_STR(a, "tmp/x");
		OTHERS();
		REFUSED(EINVAL);
		EXPECT_EQ(at, self->nl.offs);
		/* Nested, or in network byte order, where it is neither. */
		START(commands[i]);
		PUT_STR(a | NLA_F_NESTED, p->v);
		OTHERS();
		EXPECT_GT(0, TALK());
#undef OTHERS
	}
	free(longer);
	EXPECT_EQ(0, link_count(NULL));
}

TEST_F(netlink, SE1_numbers_of_no_right_form)
{
	struct place *p = &self->p;
	static const uint32_t flags[] = { 8, 16, 0x80000000, 0xfffffff8 };
	unsigned int i;
	uint32_t at;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		START(BINDLINK_CMD_LINK_PLAN);
		PUT_STR(VIRTUAL, p->v);
		PUT_STR(BACKING, p->b);
		at = PUT_U32(BINDLINK_A_LINK_FLAGS, flags[i]);
		REFUSED(EINVAL);
		EXPECT_EQ(at, self->nl.offs);
	}
	for (i = 0; i < 4; i++) {
		START(BINDLINK_CMD_LINK_PLAN);
		PUT_STR(VIRTUAL, p->v);
		PUT_STR(BACKING, p->b);
		PUT(BINDLINK_A_LINK_FLAGS, "\0\0\0\0", i);
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
	}
	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, p->v);
	PUT_STR(BACKING, p->b);
	at = PUT_U32(BINDLINK_A_LINK_ATTACH, 3);
	EXPECT_GT(0, TALK());
	EXPECT_NE('\0', self->nl.msg[0]);
	EXPECT_EQ(at, self->nl.offs);
	/* A descriptor that is negative, not open, or not of a tree. */
	static const int fds[] = { -1, 9999, 0 };

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		START(BINDLINK_CMD_LINK_NEW);
		PUT_STR(VIRTUAL, p->v);
		PUT_STR(BACKING, p->b);
		at = PUT_U32(BINDLINK_A_LINK_TREE_FD, fds[i]);
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
		EXPECT_EQ(at, self->nl.offs)
			TH_LOG("descriptor %d: %s", fds[i], self->nl.msg);
	}
	START(BINDLINK_CMD_LINK_NEW);
	PUT_STR(VIRTUAL, p->v);
	PUT_STR(BACKING, p->b);
	int dir = open(p->v, O_RDONLY | O_DIRECTORY);

	PUT_U32(BINDLINK_A_LINK_TREE_FD, dir);
	EXPECT_GT(0, TALK());
	EXPECT_NE('\0', self->nl.msg[0]);
	close(dir);
	EXPECT_EQ(0, link_count(NULL));
}

TEST_F(netlink, SE1_unknown_and_repeated)
{
	struct place *p = &self->p;
	unsigned int i;

	/* Attributes that there are not, or not for this command. */
	static const uint16_t unknown[] = {
		BINDLINK_A_LINK_MAX + 1, 0x1fff, BINDLINK_A_LINK_TREE_FD,
		BINDLINK_A_LINK_ID, 0,
	};

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		START(BINDLINK_CMD_LINK_PLAN);
		PUT_STR(VIRTUAL, p->v);
		PUT_STR(BACKING, p->b);
		PUT_U32(unknown[i], 7);
		EXPECT_GT(0, TALK())
			TH_LOG("attribute %u is taken", unknown[i]);
		EXPECT_NE('\0', self->nl.msg[0]);
	}
	/* A second virtual path: refused, or the last one counts. */
	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, "/first");
	PUT_STR(VIRTUAL, p->v);
	PUT_STR(BACKING, p->b);
	TALK();
	if (self->nl.err) {
		EXPECT_NE('\0', self->nl.msg[0]);
	} else {
		EXPECT_STREQ(p->v, nl_attr_str(&self->nl, VIRTUAL));
	}
	/* Commands that there are not. */
	for (i = 0; i < 256; i++) {
		if (i && i <= BINDLINK_CMD_MAX)
			continue;
		START(i);
		EXPECT_EQ(-EOPNOTSUPP, TALK())
			TH_LOG("command %u", i);
	}
	/* Not for asking. */
	START(BINDLINK_CMD_LINK_NEW_NTF);
	EXPECT_EQ(-EOPNOTSUPP, TALK());
	START(BINDLINK_CMD_LINK_DEL_NTF);
	EXPECT_EQ(-EOPNOTSUPP, TALK());
	/* A dump of what has none. */
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i] == BINDLINK_CMD_LINK_GET)
			continue;
		nl_start(&self->req, &self->nl, commands[i], NLM_F_DUMP);
		EXPECT_EQ(-EOPNOTSUPP, TALK());
	}
}

TEST_F(netlink, SE1_cut_off)
{
	struct place *p = &self->p;
	unsigned int whole, len;
	struct nlattr *a;
	uint32_t at;

	/* The message ends in the middle of itself, wherever that is. */
	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, p->v);
	PUT_STR(BACKING, p->b);
	whole = self->req.h.nlmsg_len;
	for (len = NLMSG_HDRLEN; len < whole; len++) {
		START(BINDLINK_CMD_LINK_PLAN);
		PUT_STR(VIRTUAL, p->v);
		PUT_STR(BACKING, p->b);
		self->req.h.nlmsg_len = len;
		TALK();
		EXPECT_NE(-ETIMEDOUT, self->nl.err)
			TH_LOG("%u of %u bytes", len, whole);
		if (len + 4 <= whole)
			EXPECT_GT(0, self->nl.err)
				TH_LOG("%u of %u bytes", len, whole);
	}
	/* An attribute that says it is longer than the message, or no size. */
	for (len = 0; len < 70000; len = len ? len * 3 : 1) {
		START(BINDLINK_CMD_LINK_GET);
		at = PUT_STR(VIRTUAL, p->v);
		a = (struct nlattr *)(self->req.buf + at);
		if (a->nla_len == (uint16_t)len)
			continue;
		a->nla_len = len;
		EXPECT_GT(0, TALK());
		EXPECT_NE(-ETIMEDOUT, self->nl.err);
	}
}

/* Random messages, random attributes in them. */
TEST_F(netlink, SE1_random)
{
	uint64_t seed = rnd_seed();
	unsigned int round, rounds = scaled(3000), i, n;
	char data[512];
	char *before = strdup(state());

	TH_LOG("seed %#jx", (uintmax_t)seed);
	for (round = 0; round < rounds; round++) {
		nl_start(&self->req, &self->nl, rnd(&seed) % 12,
			 rnd(&seed) % 8 ? 0 : rnd(&seed) & NLM_F_DUMP);
		n = rnd(&seed) % 6;
		for (i = 0; i < n; i++) {
			uint16_t type = rnd(&seed) % 18;
			size_t len = rnd(&seed) % 40, j;

			if (rnd(&seed) % 20 == 0)
				len = rnd(&seed) % sizeof(data);
			for (j = 0; j < len; j++)
				data[j] = rnd(&seed);
			if (len && rnd(&seed) & 1) {
				for (j = 0; j < len; j++)
					data[j] = "/ab.\0"[rnd(&seed) % 4];
				data[0] = '/';
				data[len - 1] = '\0';
			}
			if (rnd(&seed) % 16 == 0)
				type |= rnd(&seed) & 0xc000;
			PUT(type, data, len);
		}
		if (rnd(&seed) % 8 == 0)
			self->req.h.nlmsg_len -= rnd(&seed) %
				(self->req.h.nlmsg_len - NLMSG_HDRLEN + 1);
		TALK();
		ASSERT_NE(-ETIMEDOUT, self->nl.err)
			TH_LOG("round %u", round);
	}
	EXPECT_STREQ(before, state());
	free(before);
}

TEST_F(netlink, CR1_unprivileged)
{
	struct place *p = &self->p;
	unsigned int i;
	pid_t pid;

	ASSERT_EQ(0, link_make(p->v, p->b));
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		pid = fork_user(USER);
		if (!pid) {
			/* A socket of root's does not help either. */
			START(commands[i]);
			PUT_STR(commands[i] == BINDLINK_CMD_RESOLVE ?
				BINDLINK_A_LINK_PATH : VIRTUAL, p->v);
			if (TALK() != -EPERM || !self->nl.msg[0])
				_exit(1);
			nl_close(&self->nl);
			if (nl_open(&self->nl))
				_exit(2);
			START(commands[i]);
			PUT_STR(commands[i] == BINDLINK_CMD_RESOLVE ?
				BINDLINK_A_LINK_PATH : VIRTUAL, p->v);
			if (TALK() != -EPERM || !self->nl.msg[0])
				_exit(3);
			_exit(0);
		}
		EXPECT_EQ(0, reap(pid))
			TH_LOG("command %u", commands[i]);
	}
	pid = fork_user(USER);
	if (!pid) {
		START(BINDLINK_CMD_TREE_BENEATH);
		PUT_U32(BINDLINK_A_LINK_TREE_FD, 0);
		_exit(TALK() != -EPERM || !self->nl.msg[0]);
	}
	EXPECT_EQ(0, reap(pid))
		TH_LOG("beneath");
	pid = fork_user(USER);
	if (!pid) {
		nl_close(&self->nl);
		if (nl_open(&self->nl))
			_exit(2);
		nl_start(&self->req, &self->nl, BINDLINK_CMD_LINK_GET,
			 NLM_F_DUMP);
		_exit(TALK() != -EPERM || self->nl.replies);
	}
	EXPECT_EQ(0, reap(pid))
		TH_LOG("dump");
	EXPECT_EQ(1, link_count(NULL));
}

/* Removing takes two steps, and only the socket that took the first may. */
TEST_F(netlink, AP1_removal_in_steps)
{
	struct place *p = &self->p;
	struct nl *other = malloc(sizeof(*other));

	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, nl_open(other));
	START(BINDLINK_CMD_LINK_DEL);
	PUT_STR(VIRTUAL, p->v);
	EXPECT_GT(0, TALK());
	EXPECT_NE('\0', self->nl.msg[0]);
	EXPECT_EQ(1, link_count(NULL));
	START(BINDLINK_CMD_LINK_HOLD);
	PUT_STR(VIRTUAL, p->v);
	ASSERT_EQ(0, TALK());
	EXPECT_STREQ(p->v, nl_attr_str(&self->nl,
				       BINDLINK_A_LINK_CARRIER_PATH));
	nl_start(&self->req, other, BINDLINK_CMD_LINK_HOLD, 0);
	PUT_STR(VIRTUAL, p->v);
	EXPECT_EQ(-EBUSY, nl_talk(other, &self->req));
	EXPECT_NE('\0', other->msg[0]);
	nl_start(&self->req, other, BINDLINK_CMD_LINK_DEL, 0);
	PUT_STR(VIRTUAL, p->v);
	EXPECT_GT(0, nl_talk(other, &self->req));
	EXPECT_NE('\0', other->msg[0]);
	/* One who held it and went away holds it no more. */
	nl_close(&self->nl);
	nl_start(&self->req, other, BINDLINK_CMD_LINK_HOLD, 0);
	PUT_STR(VIRTUAL, p->v);
	EXPECT_EQ(0, nl_talk(other, &self->req))
		TH_LOG("%s", other->msg);
	nl_close(other);
	EXPECT_EQ(1, link_count(NULL));
	EXPECT_STREQ("", names(p->v));
	EXPECT_EQ(0, link_drop(p->v))
		TH_LOG("%s", link_why());
	free(other);
}

/* What a notification says, or "!none" after some time. */
static const char *event(struct nl *nl, uint8_t *cmd)
{
	struct pollfd pfd = { .fd = nl->fd, .events = POLLIN, };
	static char buf[65536];
	struct nlmsghdr *h = (void *)buf;
	struct genlmsghdr *g;
	ssize_t n;

	*cmd = 0;
	if (poll(&pfd, 1, 30000) != 1)
		return "!none";
	n = recv(nl->fd, buf, sizeof(buf), 0);
	if (n < 0 || !NLMSG_OK(h, n) || h->nlmsg_type != nl->family)
		return "!none";
	nl->reply_len = h->nlmsg_len - NLMSG_HDRLEN;
	memcpy(nl->reply, NLMSG_DATA(h), nl->reply_len);
	g = (void *)nl->reply;
	*cmd = g->cmd;
	return nl_attr_str(nl, VIRTUAL);
}

TEST_F(netlink, AP1_notifications)
{
	struct place *p = &self->p;
	const char *v2 = path("%s/v2", p->top);
	struct pollfd pfd;
	uint8_t cmd;

	ASSERT_EQ(0, ERR(mkdir(v2, 0755)));
	ASSERT_EQ(0, ERR(setsockopt(self->nl.fd, SOL_NETLINK,
				    NETLINK_ADD_MEMBERSHIP, &self->nl.group,
				    sizeof(self->nl.group))));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ(p->v, event(&self->nl, &cmd));
	EXPECT_EQ(BINDLINK_CMD_LINK_NEW_NTF, cmd);
	EXPECT_STREQ(p->b, nl_attr_str(&self->nl, BACKING));
	EXPECT_NE(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_ID));
	ASSERT_EQ(0, link_make(v2, p->b));
	EXPECT_STREQ(v2, event(&self->nl, &cmd));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ(p->v, event(&self->nl, &cmd));
	EXPECT_EQ(BINDLINK_CMD_LINK_DEL_NTF, cmd);
	/* Unmounted by an administrator. */
	ASSERT_EQ(0, ERR(umount2(v2, 0)));
	EXPECT_STREQ(v2, event(&self->nl, &cmd));
	EXPECT_EQ(BINDLINK_CMD_LINK_DEL_NTF, cmd);
	/* Refusals are nobody's business. */
	EXPECT_GT(0, link_make(p->v, path("%s/none", p->b)));
	EXPECT_GT(0, link_drop(p->v));
	pfd.fd = self->nl.fd;
	pfd.events = POLLIN;
	EXPECT_EQ(0, poll(&pfd, 1, 100));
}

TEST_F(netlink, SE3_notifications_are_not_for_users)
{
	pid_t pid = fork_user(USER);

	if (!pid) {
		int err;

		nl_close(&self->nl);
		if (nl_open(&self->nl))
			_exit(1);
		err = ERR(setsockopt(self->nl.fd, SOL_NETLINK,
				     NETLINK_ADD_MEMBERSHIP, &self->nl.group,
				     sizeof(self->nl.group)));
		_exit(err);
	}
	EXPECT_EQ(EPERM, reap(pid));
}

/* link-plan, or link-new into @tree if that is not negative. */
static int ask(struct nl *nl, struct nl_req *req, uint8_t command,
	       const char *v, const char *b, int tree)
{
	nl_start(req, nl, command, 0);
	nl_put_str(req, VIRTUAL, v);
	nl_put_str(req, BACKING, b);
	if (tree >= 0)
		nl_put_u32(req, BINDLINK_A_LINK_TREE_FD, tree);
	return nl_talk(nl, req);
}

#define ASK_NEW(nl, v, b, tree)						\
	ask(nl, &self->req, BINDLINK_CMD_LINK_NEW, v, b, tree)
#define ASK_PLAN(nl, v, b)						\
	ask(nl, &self->req, BINDLINK_CMD_LINK_PLAN, v, b, -1)

/* A tree that is attached nowhere: a descriptor, or -1. */
static int tree_over(const char *carrier)
{
	int fs, fd, tree = -1;

	/* As a string: FSCONFIG_SET_FD takes no descriptor of a path only. */
	fs = syscall(SYS_fsopen, "bindlink", FSOPEN_CLOEXEC);
	fd = open(carrier, O_PATH | O_CLOEXEC);
	if (!syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "carrier",
		     path("%d", fd), 0) &&
	    !syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		tree = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fd);
	close(fs);
	return tree;
}

/* A tree that is made by hand and never attached is a link to nowhere. */
TEST_F(netlink, CR9_a_tree_that_is_not_attached)
{
	struct place *p = &self->p;
	int tree_fd;

	tree_fd = tree_over(p->v);
	ASSERT_LE(0, tree_fd);
	EXPECT_EQ(0, ASK_NEW(&self->nl, p->v, p->b, tree_fd))
		TH_LOG("%s", self->nl.msg);
	EXPECT_EQ(0, mounted(p->v));
	/* The same again is one too many. */
	EXPECT_GT(0, TALK());
	EXPECT_NE('\0', self->nl.msg[0]);
	close(tree_fd);
	EXPECT_EQ(0, link_count(NULL));
	nl_close(&self->nl);
	EXPECT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	ASSERT_EQ(0, nl_open(&self->nl));
}

/*
 * The tree is mounted already, in another mount namespace that nobody can
 * enter: that does not make a link out of one whose creator gives up.
 */
TEST_F(netlink, CR9_RM5_a_tree_that_was_left_somewhere)
{
	struct place *p = &self->p;
	const char *v = path("%s/anchorless", p->top), *w = path("%s/w", p->top);
	int tree, ready[2], done[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	ASSERT_EQ(1, mounted(p->top));
	ASSERT_EQ(0, ERR(pipe(ready)));
	ASSERT_EQ(0, ERR(pipe(done)));
	pid = fork();
	if (!pid) {
		close(self->nl.fd);
		/* Of another user namespace: the tree is locked there. */
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(1);
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		close(done[1]);
		if (write(ready[1], "", 1) != 1)
			_exit(2);
		_exit(read(done[0], &byte, 1) != 0);
	}
	close(ready[1]);
	close(done[0]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, mounted(p->top));

	tree = tree_over(p->top);
	ASSERT_LE(0, tree);
	EXPECT_EQ(0, ASK_NEW(&self->nl, v, p->b, tree))
		TH_LOG("%s", self->nl.msg);
	EXPECT_EQ(0, link_count(NULL));
	EXPECT_EQ(ENOENT, ERR(access(v, F_OK)));
	START(BINDLINK_CMD_LINK_HOLD);
	PUT_STR(VIRTUAL, v);
	EXPECT_EQ(-ENOENT, TALK());
	/* Again with the same socket, as who has failed to attach it would. */
	EXPECT_EQ(0, ASK_NEW(&self->nl, v, p->b, tree))
		TH_LOG("%s", self->nl.msg);
	nl_close(&self->nl);
	EXPECT_EQ(0, link_count(NULL));
	EXPECT_EQ(0, link_make(v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, link_drop(v))
		TH_LOG("%s", link_why());

	/* One that was attached is a link, whoever closes what. */
	ASSERT_EQ(0, nl_open(&self->nl));
	EXPECT_EQ(0, ASK_NEW(&self->nl, w, p->b, tree))
		TH_LOG("%s", self->nl.msg);
	EXPECT_EQ(0, ERR(move_mount(tree, "", AT_FDCWD, p->top,
				    MOVE_MOUNT_F_EMPTY_PATH)));
	nl_close(&self->nl);
	close(tree);
	EXPECT_EQ(1, link_count(NULL));
	EXPECT_EQ(0, ERR(access(w, F_OK)));
	EXPECT_EQ(0, link_drop(w))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, mounted(p->top));
	close(done[1]);
	EXPECT_EQ(0, reap(pid));
	close(ready[0]);
	ASSERT_EQ(0, nl_open(&self->nl));
}

/*
 * Trees in one place are attached and detached by one socket at a time, also
 * after the tree is gone whose device number was told.
 */
TEST_F(netlink, CR9_LB6_one_at_a_time_in_one_place)
{
	struct place *p = &self->p;
	const char *v = path("%s/anchorless", p->top);
	struct nl *other = malloc(sizeof(*other));
	int tree;

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, nl_open(other));
	ASSERT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	START(BINDLINK_CMD_LINK_HOLD);
	PUT_STR(VIRTUAL, p->v);
	ASSERT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	ASSERT_NE(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_DEV));
	ASSERT_EQ(0, ERR(umount2(p->v, MNT_DETACH)));
	START(BINDLINK_CMD_LINK_DEL);
	PUT_STR(VIRTUAL, p->v);
	ASSERT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);

	/* The same place, and the one above. */
	EXPECT_EQ(-EAGAIN, ASK_PLAN(other, p->v, p->b));
	EXPECT_NE('\0', other->msg[0]);
	EXPECT_EQ(-EAGAIN, ASK_PLAN(other, v, p->b));
	tree = tree_over(p->top);
	ASSERT_LE(0, tree);
	EXPECT_EQ(-EAGAIN, ASK_NEW(other, v, p->b, tree));
	close(tree);
	/* Another place is another one's. */
	EXPECT_EQ(0, ASK_PLAN(other, p->b, p->v))
		TH_LOG("%s", other->msg);

	nl_close(&self->nl);
	EXPECT_EQ(0, ASK_PLAN(other, v, p->b))
		TH_LOG("%s", other->msg);
	nl_close(other);
	free(other);
	ASSERT_EQ(0, nl_open(&self->nl));
}

/* Where no tree is, a link needs one of its own. */
TEST_F(netlink, AP1_a_link_without_a_tree)
{
	struct place *p = &self->p;
	const char *v = path("%s/anchorless", p->top);

	START(BINDLINK_CMD_LINK_NEW);
	PUT_STR(VIRTUAL, v);
	PUT_STR(BACKING, p->b);
	REFUSED(EAGAIN);
	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, v);
	PUT_STR(BACKING, p->b);
	EXPECT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	EXPECT_STREQ(p->top, nl_attr_str(&self->nl,
					 BINDLINK_A_LINK_CARRIER_PATH));
	EXPECT_EQ(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_DEV));
	/* With a tree there the plan says so, and it takes one step. */
	ASSERT_EQ(0, link_make(v, p->b));
	START(BINDLINK_CMD_LINK_PLAN);
	PUT_STR(VIRTUAL, path("%s2", v));
	PUT_STR(BACKING, p->b);
	EXPECT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	EXPECT_NE(NULL, nl_attr(&self->nl, BINDLINK_A_LINK_DEV));
	START(BINDLINK_CMD_LINK_NEW);
	PUT_STR(VIRTUAL, path("%s2", v));
	PUT_STR(BACKING, p->b);
	EXPECT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	EXPECT_STREQ("anchorless anchorless2 b v", names(p->top));
	EXPECT_EQ(0, link_drop(path("%s2", v)))
		TH_LOG("%s", link_why());
	EXPECT_EQ(1, mounted(p->top));
	EXPECT_EQ(0, link_drop(v));
	EXPECT_EQ(0, mounted(p->top));
	EXPECT_STREQ("b v", names(p->top));
}

/* What is beneath a tree, from outside of it. */
TEST_F(netlink, AP1_beneath_a_tree)
{
	struct place *p = &self->p;
	const char *v = path("%s/anchorless", p->top);
	const struct nlattr *a;
	int fds[3], fd, i;
	struct stat st;

	ASSERT_EQ(0, put(path("%s/sibling", p->top), "sibling"));
	ASSERT_EQ(0, link_make(v, p->b));
	fd = open(p->top, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	START(BINDLINK_CMD_TREE_BENEATH);
	PUT_U32(BINDLINK_A_LINK_TREE_FD, fd);
	ASSERT_EQ(0, TALK())
		TH_LOG("%s", self->nl.msg);
	a = nl_attr(&self->nl, BINDLINK_A_LINK_TREE_FD);
	ASSERT_NE(NULL, a);
	memcpy(&i, (char *)a + NLA_HDRLEN, sizeof(i));
	ASSERT_LE(0, i);
	EXPECT_TRUE(fcntl(i, F_GETFL) & O_PATH);
	EXPECT_TRUE(fcntl(i, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(0, ERR(fstatat(i, "sibling", &st, 0)));
	EXPECT_EQ(ENOENT, ERR(fstatat(i, "anchorless", &st, 0)));
	EXPECT_STREQ("b sibling v", names(path("/proc/self/fd/%d", i)));
	close(i);
	close(fd);
	/* Not of a tree, not the root of one, no descriptor. */
	fds[0] = open(p->b, O_PATH | O_CLOEXEC);
	fds[1] = open("/", O_PATH | O_CLOEXEC);
	fds[2] = 9999;
	for (i = 0; i < 3; i++) {
		START(BINDLINK_CMD_TREE_BENEATH);
		PUT_U32(BINDLINK_A_LINK_TREE_FD, fds[i]);
		EXPECT_GT(0, TALK());
		EXPECT_NE('\0', self->nl.msg[0]);
		EXPECT_NE(0, self->nl.offs);
		close(fds[i]);
	}
	i = open("/dev/null", O_RDONLY);
	EXPECT_EQ(fds[0], i);
	close(i);
	EXPECT_EQ(0, link_drop(v));
}

/* Options of the filesystem that are nonsense. */
TEST_F(netlink, SE1_mount_options)
{
	struct place *p = &self->p;
	int fs, pipes[2];

	fs = syscall(SYS_fsopen, "bindlink", FSOPEN_CLOEXEC);
	ASSERT_LE(0, fs);
	EXPECT_NE(0, ERR(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING,
				 "nonsense", "x", 0)));
	EXPECT_NE(0, ERR(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING,
				 "carrier", "9999", 0)));
	EXPECT_NE(0, ERR(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING,
				 "carrier", "x", 0)));
	/* Without a carrier. */
	EXPECT_NE(0, ERR(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL,
				 NULL, 0)));
	close(fs);
	/* What is no place in a filesystem cannot carry anything. */
	ASSERT_EQ(0, ERR(pipe(pipes)));
	fs = syscall(SYS_fsopen, "bindlink", FSOPEN_CLOEXEC);
	ASSERT_LE(0, fs);
	if (!syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "carrier",
		     path("%d", pipes[0]), 0))
		EXPECT_NE(0, ERR(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE,
					 NULL, NULL, 0)));
	close(pipes[0]);
	close(pipes[1]);
	close(fs);
	EXPECT_NE(0, ERR(mount("none", p->v, "bindlink", 0, NULL)));
	EXPECT_NE(0, ERR(mount("none", p->v, "bindlink", 0, "carrier=1")));
	EXPECT_EQ(0, mounted(p->v));
}

TEST_HARNESS_MAIN
