/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink by hand: messages that no library would send.
 */
#ifndef SELFTESTS_NL_H
#define SELFTESTS_NL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "linux/bindlink.h"

struct nl {
	int fd;
	uint32_t seq;
	uint32_t port;
	uint16_t family;
	uint32_t group;		/* of notifications */
	/* Of the last answer: */
	int err;		/* negative errno of the acknowledgement */
	char msg[512];		/* what the kernel said about it */
	uint32_t offs;		/* of the guilty attribute in the request, or 0 */
	uint32_t miss;		/* type of the attribute that is missing, or 0 */
	unsigned int replies;	/* messages before the acknowledgement */
	char reply[65536];	/* the first of them, from its genlmsghdr */
	size_t reply_len;
};

struct nl_req {
	union {
		struct nlmsghdr h;
		char buf[131072];
	};
};

/* 0 or a negative errno: -ENOENT if there is no such family. */
int nl_open(struct nl *nl);
void nl_close(struct nl *nl);

void nl_start(struct nl_req *req, const struct nl *nl, uint8_t cmd,
	      uint16_t flags);
/* Offset of the attribute in the message. */
uint32_t nl_put(struct nl_req *req, uint16_t type, const void *data,
		size_t len);
uint32_t nl_put_str(struct nl_req *req, uint16_t type, const char *text);
uint32_t nl_put_u32(struct nl_req *req, uint16_t type, uint32_t value);

/*
 * Sends and waits for the acknowledgement or the end of the dump.  Returns
 * nl->err; -ETIMEDOUT if the kernel says nothing at all.
 */
int nl_talk(struct nl *nl, struct nl_req *req);

/* An attribute of the first reply, or NULL. */
const struct nlattr *nl_attr(const struct nl *nl, uint16_t type);
const char *nl_attr_str(const struct nl *nl, uint16_t type);

#endif /* SELFTESTS_NL_H */
