// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink by hand.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"

#define ATTR_DATA(a)	((char *)(a) + NLA_HDRLEN)
#define ATTR_LEN(a)	((a)->nla_len - NLA_HDRLEN)

/* On an emulated machine an answer may take long; none at all is a bug. */
#define PATIENCE_MS	60000

void nl_start(struct nl_req *req, const struct nl *nl, uint8_t cmd,
	      uint16_t flags)
{
	struct genlmsghdr *g;

	memset(req, 0, sizeof(*req));
	req->h.nlmsg_type = nl->family;
	req->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	req->h.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	g = NLMSG_DATA(&req->h);
	g->cmd = cmd;
	g->version = BINDLINK_FAMILY_VERSION;
}

uint32_t nl_put(struct nl_req *req, uint16_t type, const void *data,
		size_t len)
{
	uint32_t at = NLMSG_ALIGN(req->h.nlmsg_len);
	struct nlattr *a = (struct nlattr *)(req->buf + at);

	if (at + NLA_HDRLEN + NLA_ALIGN(len) > sizeof(req->buf)) {
		fprintf(stderr, "# request too long\n");
		abort();
	}
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy(ATTR_DATA(a), data, len);
	req->h.nlmsg_len = at + NLA_HDRLEN + NLA_ALIGN(len);
	return at;
}

uint32_t nl_put_str(struct nl_req *req, uint16_t type, const char *text)
{
	return nl_put(req, type, text, strlen(text) + 1);
}

uint32_t nl_put_u32(struct nl_req *req, uint16_t type, uint32_t value)
{
	return nl_put(req, type, &value, sizeof(value));
}

/* The end of an acknowledgement or of a dump: error and what goes with it. */
static void take_error(struct nl *nl, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);
	const struct nlattr *a;
	size_t at, end = h->nlmsg_len;

	nl->err = e->error;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (h->nlmsg_type == NLMSG_DONE)
		at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(int));
	else if (h->nlmsg_flags & NLM_F_CAPPED)
		at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(*e));
	else
		at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(e->error)) +
		     NLMSG_ALIGN(e->msg.nlmsg_len);
	for (; at + NLA_HDRLEN <= end; at += NLA_ALIGN(a->nla_len)) {
		a = (const struct nlattr *)((const char *)h + at);
		if (a->nla_len < NLA_HDRLEN || at + a->nla_len > end)
			return;
		switch (a->nla_type & NLA_TYPE_MASK) {
		case NLMSGERR_ATTR_MSG:
			snprintf(nl->msg, sizeof(nl->msg), "%.*s",
				 (int)ATTR_LEN(a), ATTR_DATA(a));
			break;
		case NLMSGERR_ATTR_OFFS:
			nl->offs = *(uint32_t *)ATTR_DATA(a);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			nl->miss = *(uint32_t *)ATTR_DATA(a);
			break;
		}
	}
}

int nl_talk(struct nl *nl, struct nl_req *req)
{
	static char buf[262144];
	struct pollfd pfd = { .fd = nl->fd, .events = POLLIN, };
	struct nlmsghdr *h;
	ssize_t n;

	nl->err = 0;
	nl->msg[0] = '\0';
	nl->offs = 0;
	nl->miss = 0;
	nl->replies = 0;
	nl->reply_len = 0;
	req->h.nlmsg_seq = ++nl->seq;
	if (send(nl->fd, req->buf, req->h.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		n = poll(&pfd, 1, PATIENCE_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			return nl->err = -ETIMEDOUT;
		n = recv(nl->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return nl->err = -errno;
		for (h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != nl->seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR ||
			    h->nlmsg_type == NLMSG_DONE) {
				take_error(nl, h);
				/* A dump is acknowledged by its end only. */
				return nl->err;
			}
			if (!nl->replies++) {
				nl->reply_len = h->nlmsg_len - NLMSG_HDRLEN;
				memcpy(nl->reply, NLMSG_DATA(h),
				       nl->reply_len);
			}
		}
	}
}

static const struct nlattr *find(const char *data, size_t len, uint16_t type)
{
	const struct nlattr *a;
	size_t at;

	for (at = 0; at + NLA_HDRLEN <= len; at += NLA_ALIGN(a->nla_len)) {
		a = (const struct nlattr *)(data + at);
		if (a->nla_len < NLA_HDRLEN || at + a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
	}
	return NULL;
}

const struct nlattr *nl_attr(const struct nl *nl, uint16_t type)
{
	if (nl->reply_len < GENL_HDRLEN)
		return NULL;
	return find(nl->reply + GENL_HDRLEN, nl->reply_len - GENL_HDRLEN,
		    type);
}

const char *nl_attr_str(const struct nl *nl, uint16_t type)
{
	const struct nlattr *a = nl_attr(nl, type);

	if (!a || !ATTR_LEN(a) || ATTR_DATA(a)[ATTR_LEN(a) - 1])
		return "!none";
	return ATTR_DATA(a);
}

int nl_open(struct nl *nl)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, };
	socklen_t len = sizeof(addr);
	const struct nlattr *a, *group;
	struct nl_req *req;
	int one = 1, err;

	memset(nl, 0, sizeof(*nl));
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0)
		return -errno;
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one,
		       sizeof(one)) ||
	    setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one,
		       sizeof(one)) ||
	    bind(nl->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    getsockname(nl->fd, (struct sockaddr *)&addr, &len)) {
		err = -errno;
		close(nl->fd);
		return err;
	}
	nl->port = addr.nl_pid;
	nl->family = GENL_ID_CTRL;
	req = malloc(sizeof(*req));
	if (!req)
		abort();
	nl_start(req, nl, CTRL_CMD_GETFAMILY, 0);
	nl_put_str(req, CTRL_ATTR_FAMILY_NAME, BINDLINK_FAMILY_NAME);
	err = nl_talk(nl, req);
	free(req);
	if (err)
		return err;
	a = nl_attr(nl, CTRL_ATTR_FAMILY_ID);
	if (!a)
		return -EPROTO;
	nl->family = *(uint16_t *)ATTR_DATA(a);
	group = nl_attr(nl, CTRL_ATTR_MCAST_GROUPS);
	if (group)
		group = find(ATTR_DATA(group), ATTR_LEN(group), 1);
	a = group ? find(ATTR_DATA(group), ATTR_LEN(group),
			 CTRL_ATTR_MCAST_GRP_ID) : NULL;
	if (!a)
		return -EPROTO;
	nl->group = *(uint32_t *)ATTR_DATA(a);
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}
