/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_NETLINK_H
#define BL_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl_cb;
struct nl_msg;
struct nl_sock;
struct nlmsghdr;

struct bl_socket {
	struct nl_sock *sock;
	int fd;
	uint16_t family;
	uint32_t group;		/* multicast group of the notifications */
};

/*
 * Called for each message of an answer. Returns 0 or a negative errno, for
 * which it has left no message.
 */
typedef int (*bl_parse_t)(const struct nlmsghdr *header, void *data);

int bl_socket_open(struct bl_socket *socket, const char *subject);
bool bl_socket_take_family(struct bl_socket *socket,
			   const struct nlmsghdr *header);
void bl_socket_close(struct bl_socket *socket);

struct nl_msg *bl_request(const struct bl_socket *socket, uint8_t command,
			  uint16_t flags, size_t payload);
struct nl_msg *bl_request_path(const struct bl_socket *socket, uint8_t command,
			       uint16_t flags, int attribute, const char *path);
int bl_ask(struct bl_socket *socket, struct nl_msg *request,
	   const char *subject, bl_parse_t parse, void *data);
int bl_listen(struct bl_socket *socket, bl_parse_t parse, void *data);

#endif
