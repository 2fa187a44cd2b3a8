// SPDX-License-Identifier: LGPL-2.1-or-later
/* The mounts that carry links: made, attached, found and detached. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "link.h"
#include "message.h"
#include "mounts.h"
#include "netlink.h"
#include "tree.h"

/* How many mounts of one tree, one over the other, are taken off. */
#define DETACH_MAX	8

/*
 * What a filesystem context has to say about the last failure, without the
 * "e " and the name of the filesystem that it puts before it.
 */
static void read_log(int context, char *text, size_t size)
{
	char line[512];
	const char *start;
	ssize_t length;

	text[0] = '\0';
	while ((length = read(context, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "e ", 2))
			continue;
		start = line + 2;
		if (!strncmp(start, BL_FILESYSTEM ": ", strlen(BL_FILESYSTEM ": ")))
			start += strlen(BL_FILESYSTEM ": ");
		snprintf(text, size, "%s", start);
	}
}

static int configure(int context, int carrier)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", carrier);
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", BL_FILESYSTEM, 0) ||
	    fsconfig(context, FSCONFIG_SET_STRING, "carrier", number, 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	return 0;
}

/**
 * bl_tree_make() - Make a tree that is not attached.
 * @subject: path for messages
 * @carrier: descriptor of what it is to be stacked over
 *
 * Return: descriptor of the tree's root, whose closing takes the tree away, or
 * a negative errno, for which there is a message.
 */
int bl_tree_make(const char *subject, int carrier)
{
	char reason[512];
	int context, tree, error;

	context = fsopen(BL_FILESYSTEM, FSOPEN_CLOEXEC);
	if (context < 0) {
		error = -errno;
		return bl_fail(error, subject,
			       "cannot begin a mount of type " BL_FILESYSTEM ": %s",
			       bl_reason(error));
	}

	error = configure(context, carrier);
	if (!error) {
		tree = fsmount(context, FSMOUNT_CLOEXEC, 0);
		if (tree >= 0) {
			close(context);
			return tree;
		}
		error = -errno;
	}
	read_log(context, reason, sizeof(reason));
	close(context);
	return bl_fail(error, subject, "%s%s",
		       *reason ? "" : "cannot make the mount for the link: ",
		       *reason ? reason : bl_reason(error));
}

/**
 * bl_tree_attach() - Attach a tree.
 * @tree: descriptor of its root
 * @carrier: descriptor of what it goes over
 *
 * Return: 0 or a negative errno. Leaves no message.
 */
int bl_tree_attach(int tree, int carrier)
{
	return move_mount(tree, "", carrier, "", MOVE_MOUNT_F_EMPTY_PATH |
			  MOVE_MOUNT_T_EMPTY_PATH) ? -errno : 0;
}

/**
 * bl_tree_is() - Whether a descriptor is of the root of a tree.
 * @fd: the descriptor
 * @dev: the tree's device number
 *
 * Return: whether it is. It cannot be told where what a link leads to is gone.
 */
bool bl_tree_is(int fd, uint64_t dev)
{
	struct bl_mount mount;
	uint64_t id;
	bool same;

	if (bl_mount_id(fd, &id) || bl_mount_read(id, &mount))
		return false;
	same = mount.tree && mount.whole && mount.dev == dev;
	bl_mount_clear(&mount);
	return same;
}

static int parse_beneath(const struct nlmsghdr *header, void *data)
{
	struct bl_record record;
	int *fd = data;
	int error;

	error = bl_record_parse(&record, header);
	if (error)
		return error;
	if (record.has_tree_fd && record.tree_fd >= 0)
		*fd = record.tree_fd;
	else
		error = -EPROTO;
	bl_record_clear(&record);
	return error;
}

/**
 * bl_tree_beneath() - Open what a mounted tree covers.
 * @socket: where to ask
 * @tree: descriptor of the root of the tree, as it is mounted
 *
 * Return: a descriptor, opened with O_PATH, of the place in the mount below,
 * or a negative errno, for which there is a message.
 */
int bl_tree_beneath(struct bl_socket *socket, int tree)
{
	struct nl_msg *request;
	int beneath = -1;
	int error;

	request = bl_request(socket, BINDLINK_CMD_TREE_BENEATH, 0,
			     nla_total_size(sizeof(int32_t)));
	if (request && nla_put_s32(request, BINDLINK_A_LINK_TREE_FD, tree)) {
		nlmsg_free(request);
		request = NULL;
	}
	error = bl_ask(socket, request, NULL, parse_beneath, &beneath);
	return error ? error : beneath;
}

/**
 * bl_tree_drop() - Detach the mount of a tree that a descriptor is of.
 * @tree: descriptor of its root
 * @path: where it is mounted
 *
 * By the descriptor, as somebody may just have attached another tree there.
 *
 * Return: 0 or a negative errno. Leaves no message.
 */
int bl_tree_drop(int tree, const char *path)
{
	char link[40];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", tree);
	if (!umount2(link, MNT_DETACH))
		return 0;
	/* In this namespace there may be no /proc, or not ours. */
	if (errno != ENOENT && errno != ENOTDIR)
		return -errno;
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) ? -errno : 0;
}

/**
 * bl_tree_detach() - Detach a tree.
 * @subject: path for messages
 * @carrier_path: where it is mounted
 * @dev: its device number, as netlink has it
 * @flags: MNT_DETACH, or 0 for a tree that nobody uses
 *
 * Nothing but this tree is detached, and it is no error if it is not there:
 * an administrator may have unmounted it, or it is in another namespace.
 *
 * Return: 0 or a negative errno, for which there is a message; -EAGAIN if
 * something else is mounted over the tree, -EBUSY if it is used.
 */
int bl_tree_detach(const char *subject, const char *carrier_path, uint64_t dev,
		   int flags)
{
	int error;

	for (int i = 0; i < DETACH_MAX; i++) {
		switch (bl_mounts_find_tree(carrier_path, dev)) {
		case BL_FOUND_NONE:
			return 0;
		case BL_FOUND_COVERED:
			return bl_fail(-EAGAIN, subject,
				       "something else is mounted over the link at %s",
				       carrier_path);
		case BL_FOUND_TOP:
			break;
		default:
			return bl_fail(-ENOENT, subject,
				       "cannot read the table of mounts");
		}

		if (umount2(carrier_path, flags | UMOUNT_NOFOLLOW)) {
			error = -errno;
			/*
			 * Somebody else was faster, or has covered it by
			 * another tree, whose links may lead anywhere.
			 */
			if (error != -EBUSY && error != -EPERM)
				continue;
			return bl_fail(error, subject, "cannot unmount %s: %s",
				       carrier_path, bl_reason(error));
		}
	}
	return bl_fail(-EAGAIN, subject, "%s is mounted again and again",
		       carrier_path);
}
