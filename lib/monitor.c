// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Watching links. The group goes when the module is unloaded, and another one
 * comes when it is loaded again; so what the controller of generic netlink has
 * to say about families is listened to as well.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "handle.h"
#include "link.h"
#include "message.h"
#include "netlink.h"

/* Room for some ten thousand events before a reader that lags loses one. */
#define BUFFER_SIZE	(8 * 1024 * 1024)

struct bindlink_event {
	struct bindlink_event *next;
	struct bindlink_link *link;
	enum bindlink_event_type type;
};

struct bindlink_monitor {
	struct bindlink handle;		/* for messages */
	struct bl_socket socket;
	struct bindlink_event *first;	/* read, but not handed out yet */
	struct bindlink_event **last;
	bool resync;			/* before @first */
};

static int join(struct bl_socket *socket, uint32_t group)
{
	if (!group)
		return -EPROTO;
	return setsockopt(socket->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			  &group, sizeof(group)) ? -errno : 0;
}

static int parse_event(struct bindlink_monitor *monitor,
		       const struct nlmsghdr *header,
		       enum bindlink_event_type type)
{
	struct bindlink_event *event;
	struct bl_record record;
	int error;

	error = bl_record_parse(&record, header);
	if (error)
		return error;
	event = calloc(1, sizeof(*event));
	error = event ? bl_link_take(&event->link, &record) : -ENOMEM;
	bl_record_clear(&record);
	if (error) {
		free(event);
		return error;
	}
	event->type = type;
	*monitor->last = event;
	monitor->last = &event->next;
	return 0;
}

/* The module may be loaded anew, and has other numbers then. */
static int parse_control(struct bindlink_monitor *monitor,
			 const struct nlmsghdr *header, int command)
{
	if (command != CTRL_CMD_NEWFAMILY ||
	    !bl_socket_take_family(&monitor->socket, header))
		return 0;
	monitor->resync = true;
	return join(&monitor->socket, monitor->socket.group);
}

static int parse_message(const struct nlmsghdr *header, void *data)
{
	const struct genlmsghdr *genl = nlmsg_data(header);
	struct bindlink_monitor *monitor = data;

	if (header->nlmsg_type == GENL_ID_CTRL)
		return parse_control(monitor, header, genl->cmd);
	if (header->nlmsg_type != monitor->socket.family)
		return 0;
	if (genl->cmd == BINDLINK_CMD_LINK_NEW_NTF)
		return parse_event(monitor, header, BINDLINK_EVENT_CREATED);
	if (genl->cmd == BINDLINK_CMD_LINK_DEL_NTF)
		return parse_event(monitor, header, BINDLINK_EVENT_REMOVED);
	return 0;
}

static int start(struct bindlink_monitor *monitor)
{
	const int size = BUFFER_SIZE;
	struct bl_socket *socket = &monitor->socket;
	int error;

	error = bl_socket_open(socket, NULL);
	if (error)
		return error;

	if (setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)))
		setsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &size,
			   sizeof(size));
	error = nl_socket_set_nonblocking(socket->sock) ? -EBADF : 0;
	/* The controller's one group has the number of its family. */
	if (!error)
		error = join(socket, GENL_ID_CTRL);
	if (!error)
		error = join(socket, socket->group);
	if (error) {
		bl_socket_close(socket);
		bl_fail(error, NULL, "cannot listen to the kernel module: %s",
			bl_reason(error));
	}
	return error;
}

BL_API int bindlink_monitor_open(struct bindlink *handle,
				 struct bindlink_monitor **monitor)
{
	int error;

	bl_message_reset(handle);
	if (!handle || !monitor)
		return bl_fail(-EINVAL, NULL,
			       "no handle, or no place for the monitor");
	*monitor = calloc(1, sizeof(**monitor));
	if (!*monitor)
		return bl_fail(-ENOMEM, NULL, "%s", bl_reason(-ENOMEM));
	(*monitor)->handle = *handle;
	(*monitor)->last = &(*monitor)->first;
	error = start(*monitor);
	if (error) {
		free(*monitor);
		*monitor = NULL;
	}
	return error;
}

BL_API int bindlink_monitor_fd(const struct bindlink_monitor *monitor)
{
	return monitor->socket.fd;
}

static struct bindlink_event *take_event(struct bindlink_monitor *monitor)
{
	struct bindlink_event *event = monitor->first;

	monitor->first = event->next;
	if (!monitor->first)
		monitor->last = &monitor->first;
	event->next = NULL;
	return event;
}

BL_API int bindlink_monitor_next(struct bindlink_monitor *monitor,
				 struct bindlink_event **event)
{
	int error;

	bl_message_reset(&monitor->handle);
	*event = NULL;
	while (!monitor->resync && !monitor->first) {
		error = bl_listen(&monitor->socket, parse_message, monitor);
		switch (error) {
		case 0:
			break;
		case -EAGAIN:
			return error;
		case -ENOBUFS:
		case -ENOMEM:
		case -EPROTO:
			/* Something has been lost, here or on the way. */
			monitor->resync = true;
			break;
		default:
			return bl_fail(error, NULL,
				       "cannot listen to the kernel module: %s",
				       bl_reason(error));
		}
	}

	if (!monitor->resync) {
		*event = take_event(monitor);
		return 0;
	}
	*event = calloc(1, sizeof(**event));
	if (!*event)
		return bl_fail(-ENOMEM, NULL, "%s", bl_reason(-ENOMEM));
	(*event)->type = BINDLINK_EVENT_RESYNC;
	monitor->resync = false;
	return 0;
}

BL_API void bindlink_monitor_close(struct bindlink_monitor *monitor)
{
	if (!monitor)
		return;
	bl_socket_close(&monitor->socket);
	while (monitor->first)
		bindlink_event_free(take_event(monitor));
	free(monitor);
}

BL_API enum bindlink_event_type
bindlink_event_type(const struct bindlink_event *event)
{
	return event->type;
}

BL_API const struct bindlink_link *
bindlink_event_link(const struct bindlink_event *event)
{
	return event->link;
}

BL_API void bindlink_event_free(struct bindlink_event *event)
{
	if (!event)
		return;
	bindlink_link_free(event->link);
	free(event);
}
