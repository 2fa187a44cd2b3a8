// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Generic netlink by way of libnl-3, whose own error handling is stepped
 * around: it folds several errno into one and does not read extended acks. So
 * descriptors are made and read here, which keeps errno, and refusals are read
 * in callbacks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "bindlink.h"
#include "message.h"
#include "netlink.h"

/* At least what the kernel puts into one message of a dump. */
#define RECEIVE_SIZE	65536

struct exchange {
	bl_parse_t parse;
	void *data;
	const struct nlmsghdr *request;	/* NULL: whatever comes */
	const struct nlattr *guilty;	/* in @request */
	int error;
	bool done;
	bool interrupted;
	char text[256];			/* the kernel's reason */
};

/* libnl's receive function has no argument to hand an errno back by. */
static __thread int receive_error;

static int receive(struct nl_sock *sock, struct sockaddr_nl *from,
		   unsigned char **data, struct ucred **credentials)
{
	struct iovec part = { .iov_len = RECEIVE_SIZE };
	struct msghdr message = {
		.msg_name = from,
		.msg_iov = &part,
		.msg_iovlen = 1,
	};
	int fd = nl_socket_get_fd(sock);
	ssize_t length;

	(void)credentials;
	part.iov_base = malloc(part.iov_len);
	if (!part.iov_base) {
		receive_error = -ENOMEM;
		return -NLE_NOMEM;
	}

	do {
		/* A link with many exceptions does not fit any fixed size. */
		message.msg_namelen = sizeof(*from);
		length = recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC);
		if (length > (ssize_t)part.iov_len) {
			free(part.iov_base);
			part.iov_len = length;
			part.iov_base = malloc(part.iov_len);
			if (!part.iov_base) {
				receive_error = -ENOMEM;
				return -NLE_NOMEM;
			}
		}
		if (length >= 0) {
			message.msg_namelen = sizeof(*from);
			length = recvmsg(fd, &message, 0);
		}
		/* Only the kernel is listened to. */
	} while (length < 0 ? errno == EINTR : length == 0 || from->nl_pid);

	if (length < 0) {
		receive_error = -errno;
		free(part.iov_base);
		return -NLE_FAILURE;
	}
	*data = part.iov_base;
	return (int)length;
}

/* Of the request, the attribute that the kernel says is at @offset. */
static const struct nlattr *find_guilty(const struct nlmsghdr *request,
					uint32_t offset)
{
	const struct nlattr *attr;
	int rest;

	nlmsg_for_each_attr(attr, request, GENL_HDRLEN, rest)
		if ((const char *)attr == (const char *)request + offset)
			return attr;
	return NULL;
}

/* The attributes of an extended ack, @skip bytes into the message's payload. */
static void read_extended_ack(struct exchange *exchange,
			      const struct nlmsghdr *header, size_t skip)
{
	const struct nlattr *attr;
	int rest;

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;

	nlmsg_for_each_attr(attr, header, (int)skip, rest) {
		switch (nla_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			nla_strlcpy(exchange->text, attr,
				    sizeof(exchange->text));
			break;
		case NLMSGERR_ATTR_OFFS:
			if (nla_len(attr) >= (int)sizeof(uint32_t))
				exchange->guilty =
					find_guilty(exchange->request,
						    nla_get_u32(attr));
			break;
		}
	}
}

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *refusal,
		      void *data)
{
	const struct nlmsghdr *header = (struct nlmsghdr *)
		((char *)refusal - NLMSG_HDRLEN);
	struct exchange *exchange = data;
	size_t skip = sizeof(*refusal);

	(void)from;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(refusal->msg.nlmsg_len) - NLMSG_HDRLEN;
	read_extended_ack(exchange, header, skip);
	exchange->error = refusal->error < 0 ? refusal->error : -EPROTO;
	exchange->done = true;
	return NL_SKIP;
}

static int on_ack(struct nl_msg *message, void *data)
{
	struct exchange *exchange = data;

	(void)message;
	exchange->done = true;
	return NL_OK;
}

/* A dump that fails half way says so in its last message. */
static int on_finish(struct nl_msg *message, void *data)
{
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct exchange *exchange = data;
	int error;

	exchange->done = true;
	if (nlmsg_datalen(header) < (int)sizeof(error))
		return NL_OK;
	memcpy(&error, nlmsg_data(header), sizeof(error));
	if (error < 0) {
		read_extended_ack(exchange, header, sizeof(error));
		exchange->error = error;
	}
	return NL_OK;
}

static int on_answer(struct nl_msg *message, void *data)
{
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct exchange *exchange = data;

	if (!(header->nlmsg_flags & NLM_F_MULTI))
		exchange->done = true;
	/* After an error, only empty the socket. */
	if (exchange->error)
		return NL_OK;
	if (nlmsg_datalen(header) < (int)GENL_HDRLEN)
		exchange->error = -EPROTO;
	else if (exchange->parse)
		exchange->error = exchange->parse(header, exchange->data);
	return NL_OK;
}

static int on_interrupt(struct nl_msg *message, void *data)
{
	struct exchange *exchange = data;

	(void)message;
	exchange->interrupted = true;
	return NL_OK;
}

/* Answers to something else are passed over; a monitor asks for nothing. */
static int check_sequence(struct nl_msg *message, void *data)
{
	const struct exchange *exchange = data;

	if (exchange->request &&
	    nlmsg_hdr(message)->nlmsg_seq != exchange->request->nlmsg_seq)
		return NL_SKIP;
	return NL_OK;
}

static struct nl_cb *make_callbacks(struct exchange *exchange)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	if (!cb)
		return NULL;
	nl_cb_overwrite_recv(cb, receive);
	nl_cb_err(cb, NL_CB_CUSTOM, on_refusal, exchange);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, exchange);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, exchange);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, exchange);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupt, exchange);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, check_sequence, exchange);
	return cb;
}

/* Errors of libnl itself, other than those of receive(). */
static int receive_messages(struct bl_socket *socket, struct nl_cb *cb)
{
	int error;

	receive_error = 0;
	error = nl_recvmsgs(socket->sock, cb);
	if (receive_error)
		return receive_error;
	if (error >= 0)
		return 0;
	return error == -NLE_NOMEM ? -ENOMEM : -EPROTO;
}

static int send_request(struct bl_socket *socket, const struct nlmsghdr *header)
{
	ssize_t length;

	/* A message has to fit the send buffer, or it is refused. */
	if (header->nlmsg_len > RECEIVE_SIZE) {
		int size = header->nlmsg_len > INT32_MAX / 4 ?
			   INT32_MAX / 2 : (int)header->nlmsg_len * 2;

		if (setsockopt(socket->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size,
			       sizeof(size)))
			setsockopt(socket->fd, SOL_SOCKET, SO_SNDBUF, &size,
				   sizeof(size));
	}

	do {
		length = send(socket->fd, header, header->nlmsg_len, 0);
	} while (length < 0 && errno == EINTR);
	return length < 0 ? -errno : 0;
}

/* Leave the message for a request that failed. */
static int refuse(const struct exchange *exchange, const char *subject)
{
	const struct nlattr *guilty = exchange->guilty;
	const char *reason = exchange->text;

	if (!*reason && exchange->error == -EMSGSIZE)
		reason = "the request is too large to be sent";
	else if (!*reason && exchange->error == -EPERM)
		reason = "this needs CAP_SYS_ADMIN in the initial user namespace";
	else if (!*reason && exchange->error == -EPROTO)
		reason = "the kernel's answer makes no sense";
	else if (!*reason)
		reason = bl_reason(exchange->error);

	switch (guilty ? nla_type(guilty) : 0) {
	case BINDLINK_A_LINK_BACKING:
		return bl_fail(exchange->error, subject, "backing path %s: %s",
			       nla_get_string(guilty), reason);
	case BINDLINK_A_LINK_EXCEPTION:
		return bl_fail(exchange->error, subject, "exception %s: %s",
			       nla_get_string(guilty), reason);
	case BINDLINK_A_LINK_FLAGS:
		return bl_fail(exchange->error, subject, "flags 0x%" PRIx32 ": %s",
			       nla_get_u32(guilty), reason);
	case BINDLINK_A_LINK_ATTACH:
		return bl_fail(exchange->error, subject,
			       "what carries the link, %" PRIu32 ": %s",
			       nla_get_u32(guilty), reason);
	default:
		return bl_fail(exchange->error, subject, "%s", reason);
	}
}

/**
 * bl_ask() - Send a request and read the whole answer.
 * @socket: where to
 * @request: what bl_request() made, or NULL if it could not; freed here
 * @subject: the path that a message about a failure begins with, or NULL
 * @parse: called for each message of the answer, or NULL
 * @data: for @parse
 *
 * Return: 0 or a negative errno, for which there is a message. -EAGAIN also
 * for a dump that changed while it was read.
 */
int bl_ask(struct bl_socket *socket, struct nl_msg *request,
	   const char *subject, bl_parse_t parse, void *data)
{
	struct exchange exchange = { .parse = parse, .data = data };
	struct nl_cb *cb;
	int error;

	if (!request)
		return bl_fail(-ENOMEM, subject, "%s", bl_reason(-ENOMEM));

	nl_complete_msg(socket->sock, request);
	exchange.request = nlmsg_hdr(request);
	cb = make_callbacks(&exchange);
	exchange.error = cb ? send_request(socket, exchange.request) : -ENOMEM;

	while (!exchange.error && !exchange.done) {
		error = receive_messages(socket, cb);
		/* What the callbacks have found out is closer to the cause. */
		if (!exchange.error)
			exchange.error = error;
	}
	nl_cb_put(cb);

	error = exchange.error;
	if (error)
		refuse(&exchange, subject);
	else if (exchange.interrupted)
		error = bl_fail(-EAGAIN, subject,
				"links came and went while they were listed");
	nlmsg_free(request);
	return error;
}

/**
 * bl_listen() - Read what has come unasked.
 * @socket: a socket that does not block
 * @parse: called for each message
 * @data: for @parse
 *
 * Return: 0, -EAGAIN if there is nothing, -ENOBUFS if something was lost, or
 * another negative errno. Leaves no message.
 */
int bl_listen(struct bl_socket *socket, bl_parse_t parse, void *data)
{
	struct exchange exchange = { .parse = parse, .data = data };
	struct nl_cb *cb = make_callbacks(&exchange);
	int error;

	if (!cb)
		return -ENOMEM;
	error = receive_messages(socket, cb);
	nl_cb_put(cb);
	return error ? error : exchange.error;
}

/**
 * bl_request() - Begin a request.
 * @socket: where it will be sent to
 * @command: BINDLINK_CMD_*
 * @flags: NLM_F_ACK for a request that has no answer, NLM_F_DUMP for a dump
 * @payload: room for attributes, in bytes
 *
 * A request that has an answer does not ask for an ack too: a large answer
 * could leave no room for it.
 *
 * Return: the request, or NULL if there is no memory.
 */
struct nl_msg *bl_request(const struct bl_socket *socket, uint8_t command,
			  uint16_t flags, size_t payload)
{
	struct nl_msg *request;

	if (payload > INT32_MAX / 2)
		return NULL;
	request = nlmsg_alloc_size(NLMSG_HDRLEN + GENL_HDRLEN + payload);
	if (!request)
		return NULL;
	if (!genlmsg_put(request, NL_AUTO_PORT, NL_AUTO_SEQ, socket->family, 0,
			 flags, command, BINDLINK_FAMILY_VERSION)) {
		nlmsg_free(request);
		return NULL;
	}
	return request;
}

/**
 * bl_request_path() - Make a request that has a path only.
 * @socket: where it will be sent to
 * @command: BINDLINK_CMD_*
 * @flags: as for bl_request()
 * @attribute: BINDLINK_A_LINK_*
 * @path: its value
 *
 * Return: the request, or NULL if there is no memory.
 */
struct nl_msg *bl_request_path(const struct bl_socket *socket, uint8_t command,
			       uint16_t flags, int attribute, const char *path)
{
	size_t size = nla_total_size((int)strlen(path) + 1);
	struct nl_msg *request = bl_request(socket, command, flags, size);

	if (request && nla_put_string(request, attribute, path)) {
		nlmsg_free(request);
		return NULL;
	}
	return request;
}

static uint32_t find_group(const struct nlattr *groups)
{
	const struct nlattr *entry, *attr;
	int rest, rest_of_entry;

	nla_for_each_nested(entry, groups, rest) {
		const char *name = NULL;
		uint32_t id = 0;

		nla_for_each_nested(attr, entry, rest_of_entry) {
			if (nla_type(attr) == CTRL_ATTR_MCAST_GRP_NAME)
				name = nla_get_string(attr);
			else if (nla_type(attr) == CTRL_ATTR_MCAST_GRP_ID)
				id = nla_get_u32(attr);
		}
		if (name && !strcmp(name, BINDLINK_MCGRP_LINKS))
			return id;
	}
	return 0;
}

/**
 * bl_socket_take_family() - Learn the family's numbers.
 * @socket: a socket
 * @header: what the controller of generic netlink says about some family
 *
 * Return: whether it was this family, and @socket has its numbers now.
 */
bool bl_socket_take_family(struct bl_socket *socket,
			   const struct nlmsghdr *header)
{
	const struct nlattr *attr;
	const char *name = NULL;
	uint32_t group = 0;
	uint16_t id = 0;
	int rest;

	nlmsg_for_each_attr(attr, header, GENL_HDRLEN, rest) {
		if (nla_type(attr) == CTRL_ATTR_FAMILY_ID)
			id = nla_get_u16(attr);
		else if (nla_type(attr) == CTRL_ATTR_FAMILY_NAME)
			name = nla_get_string(attr);
		else if (nla_type(attr) == CTRL_ATTR_MCAST_GROUPS)
			group = find_group(attr);
	}
	if (!id || !name || strcmp(name, BINDLINK_FAMILY_NAME))
		return false;
	socket->family = id;
	socket->group = group;
	return true;
}

static int parse_family(const struct nlmsghdr *header, void *data)
{
	return bl_socket_take_family(data, header) ? 0 : -EPROTO;
}

/*
 * Asked at each use, since the numbers change when the module is loaded anew;
 * and asking makes the kernel load it.
 */
static int find_family(struct bl_socket *socket, const char *subject)
{
	struct nl_msg *request;
	int error;

	socket->family = GENL_ID_CTRL;
	request = bl_request(socket, CTRL_CMD_GETFAMILY, 0,
			     nla_total_size(sizeof(BINDLINK_FAMILY_NAME)));
	socket->family = 0;
	socket->group = 0;
	if (request)
		nla_put_string(request, CTRL_ATTR_FAMILY_NAME,
			       BINDLINK_FAMILY_NAME);

	error = bl_ask(socket, request, subject, parse_family, socket);
	if (error == -ENOENT)
		return bl_fail(-EPROTONOSUPPORT, subject,
			       "the kernel module \"bindlink\" is not loaded");
	return error;
}

static int open_socket(struct bl_socket *result)
{
	const struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	const int on = 1;

	result->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			    NETLINK_GENERIC);
	if (result->fd < 0)
		return -errno;
	if (bind(result->fd, (const struct sockaddr *)&local, sizeof(local)) ||
	    setsockopt(result->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on,
		       sizeof(on)) ||
	    setsockopt(result->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on,
		       sizeof(on))) {
		int error = -errno;

		close(result->fd);
		return error;
	}

	result->sock = nl_socket_alloc();
	if (!result->sock || nl_socket_set_fd(result->sock, NETLINK_GENERIC,
					      result->fd)) {
		nl_socket_free(result->sock);
		close(result->fd);
		return -ENOMEM;
	}
	/* From here on the descriptor belongs to libnl's socket. */
	nl_socket_disable_auto_ack(result->sock);
	return 0;
}

/**
 * bl_socket_open() - Open a socket and find the family.
 * @socket: set on success
 * @subject: path for messages, or NULL
 *
 * Return: 0 or a negative errno, for which there is a message.
 */
int bl_socket_open(struct bl_socket *socket, const char *subject)
{
	int error = open_socket(socket);

	if (error)
		return bl_fail(error, subject,
			       "cannot open a netlink socket: %s",
			       bl_reason(error));
	error = find_family(socket, subject);
	if (error)
		nl_socket_free(socket->sock);
	return error;
}

/**
 * bl_socket_close() - Close a socket.
 * @socket: what bl_socket_open() set
 *
 * A link that is held by the socket is released.
 */
void bl_socket_close(struct bl_socket *socket)
{
	nl_socket_free(socket->sock);
}
