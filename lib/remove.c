// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Removing a link: hold it, so that nobody else removes it or puts another one
 * below it meanwhile, detach the tree that carries it, delete it. The hold ends
 * with the socket if something fails.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <linux/netlink.h>

#include "handle.h"
#include "link.h"
#include "message.h"
#include "netlink.h"
#include "tree.h"

static int parse_hold(const struct nlmsghdr *header, void *data)
{
	struct bl_record *hold = data;

	bl_record_clear(hold);
	return bl_record_parse(hold, header);
}

static int remove_link(struct bl_socket *socket, const char *path)
{
	struct bl_record hold = { 0 };
	struct nl_msg *request;
	bool detached = false;
	int error;

	request = bl_request_path(socket, BINDLINK_CMD_LINK_HOLD, 0,
				  BINDLINK_A_LINK_VIRTUAL, path);
	error = bl_ask(socket, request, path, parse_hold, &hold);

	/* A tree is named only where it has to go together with the link. */
	if (!error && hold.link.carrier_path && hold.has_dev) {
		error = bl_tree_detach(path, hold.link.carrier_path,
				       hold.link.dev);
		detached = !error;
	}
	if (!error) {
		request = bl_request_path(socket, BINDLINK_CMD_LINK_DEL,
					  NLM_F_ACK, BINDLINK_A_LINK_VIRTUAL,
					  hold.link.virtual ? : path);
		error = bl_ask(socket, request, path, NULL, NULL);
		/* The link goes with its last mount. */
		if (error == -ENOENT && detached)
			error = 0;
	}
	bl_record_clear(&hold);
	return error;
}

BL_API int bindlink_remove(struct bindlink *handle, const char *virtual_path)
{
	struct bl_socket socket;
	char *path;
	int error;

	bl_message_reset(handle);
	if (!handle)
		return bl_fail(-EINVAL, virtual_path, "no handle");
	error = bl_virtual_path(virtual_path, &path);
	if (error)
		return error;

	error = bl_socket_open(&socket, path);
	if (!error) {
		error = remove_link(&socket, path);
		bl_socket_close(&socket);
	}
	free(path);
	if (!error)
		bl_message_reset(handle);
	return error;
}
