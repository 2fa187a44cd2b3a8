// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Removing a link: hold it, so that nobody else removes it or puts another one
 * below it meanwhile, detach the tree that carries it, delete it. The hold ends
 * with the socket if something fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "carry.h"
#include "handle.h"
#include "link.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"
#include "netlink.h"
#include "settle.h"
#include "tree.h"

/* How often to begin again when something else carries the link meanwhile. */
#define REMOVE_TRIES	20

/* How often to carry mounts back that come while this is done. */
#define CARRY_TRIES	16

/* Among so many mounts to look for what is left over. */
#define SWEEP_MOST	256

static int parse_hold(const struct nlmsghdr *header, void *data)
{
	struct bl_record *hold = data;

	bl_record_clear(hold);
	return bl_record_parse(hold, header);
}

/* A link that is held, and goes with its tree. */
struct departure {
	struct bl_socket *socket;
	struct bl_links links;
	const char *subject;	/* path for messages */
	const struct bl_record *hold;
	char *path;		/* where the tree is, if not where it was made */
	bool slaves;		/* now those are looked at */
	bool more;		/* there are some */
	bool found;		/* the tree was somewhere */
};

/*
 * A locked mount stays, and so does what is on it. Asking for its expiry does
 * nothing but to tell.
 */
static bool is_locked(const char *path)
{
	return umount2(path, MNT_EXPIRE | UMOUNT_NOFOLLOW) && errno == EINVAL;
}

/*
 * Carry back what users have mounted below the carrier, but on the link.
 * Returns how many mounts that were.
 */
static int carry_back(struct departure *departure,
		      const struct bl_place *place)
{
	const struct bindlink_link *link = &departure->hold->link;
	struct bl_ground from = { .path = place->path };
	struct bl_ground to = { .path = place->path };
	int carried = 0;

	from.fd = bl_place_open(AT_FDCWD, place->path);
	if (from.fd < 0)
		return 0;
	if (bl_tree_is(from.fd, link->dev)) {
		to.fd = bl_tree_beneath(departure->socket, from.fd);
		if (to.fd >= 0 && !is_locked(place->path))
			carried = bl_settle_mounts(&departure->links, &from,
						   &to, link->virtual,
						   BL_LOCKED_GOES);
		if (to.fd >= 0)
			close(to.fd);
	}
	close(from.fd);
	return carried;
}

/*
 * Trees that this one has covered come to light. There are some only if a
 * creator was stopped, so they are looked for where that costs little.
 */
static void clean_up(struct departure *departure, const struct bl_place *place)
{
	struct bl_ground ground = { .path = place->path };

	ground.fd = bl_place_open(AT_FDCWD, place->path);
	if (ground.fd < 0)
		return;
	bl_settle_trees(&departure->links, &ground, NULL, SWEEP_MOST);
	close(ground.fd);
}

/*
 * That the link has gone already is no failure: it went with its last mount,
 * or somebody has unmounted that.
 */
static int ask_del(struct bl_socket *socket, const char *subject,
		   const char *virtual)
{
	int error = bl_ask(socket,
			   bl_request_path(socket, BINDLINK_CMD_LINK_DEL,
					   NLM_F_ACK, BINDLINK_A_LINK_VIRTUAL,
					   virtual), subject, NULL, NULL);

	return error == -ENOENT ? 0 : error;
}

/*
 * A lazy umount takes all with it that is mounted on the tree. So it comes only
 * when nothing is left to be carried back, and the other kind says so without a
 * moment in between.
 */
static int detach(struct departure *departure, const struct bl_place *place)
{
	const struct bindlink_link *link = &departure->hold->link;
	int error = -EBUSY;

	if (bl_mounts_find_tree(place->path, link->dev) == BL_FOUND_NONE)
		return 0;
	departure->found = true;
	if (link->carrier == BINDLINK_ATTACH_PARENT)
		for (int try = 0; error == -EBUSY && try < CARRY_TRIES; try++) {
			error = bl_tree_detach(departure->subject, place->path,
					       link->dev, 0);
			if (error == -EBUSY && !carry_back(departure, place))
				break;
		}
	if (error == -EBUSY)
		error = bl_tree_detach(departure->subject, place->path,
				       link->dev, MNT_DETACH);
	if (!error)
		clean_up(departure, place);
	return error;
}

/* Whether the mount of the tree receives mounts from that in another place. */
static bool is_slave(const struct bl_place *place)
{
	int fd = bl_place_open(AT_FDCWD, place->path);
	struct bl_mount mount;
	bool slave = false;
	uint64_t id;

	if (fd < 0)
		return false;
	if (!bl_mount_id(fd, &id) && !bl_mount_read(id, &mount)) {
		slave = mount.slave;
		bl_mount_clear(&mount);
	}
	close(fd);
	return slave;
}

/*
 * In each namespace, before any tree is detached. Where a mount is put back by
 * propagation it must not have been put back before: the places that receive
 * come last.
 */
static int bring_back(const struct bl_place *place, void *data)
{
	struct departure *departure = data;

	if (is_slave(place) == departure->slaves)
		carry_back(departure, place);
	else
		departure->more = true;
	return 0;
}

/* In each namespace. In ours, which comes last, the link goes. */
static int depart(const struct bl_place *place, void *data)
{
	struct departure *departure = data;
	uint64_t dev = departure->hold->link.dev;
	int error;

	/* It moves along when a directory above it is renamed. */
	if (place->own && !departure->path && !departure->found &&
	    bl_mounts_find_tree(place->path, dev) == BL_FOUND_NONE) {
		departure->path = bl_mounts_search_tree(dev);
		if (departure->path)
			return bl_fail(-ESTALE, departure->subject,
				       "the link has been moved to %s",
				       departure->path);
	}
	error = detach(departure, place);
	if (error || !place->own)
		return error;
	return ask_del(departure->socket, departure->subject,
		       departure->hold->link.virtual);
}

static int remove_tree(struct departure *departure)
{
	const struct bindlink_link *link = &departure->hold->link;
	const char *path = departure->path ? : link->carrier_path;

	departure->slaves = false;
	departure->more = false;
	if (link->carrier == BINDLINK_ATTACH_PARENT)
		bl_namespaces_visit(path, BL_OWN_FIRST, bring_back, departure);
	if (departure->more) {
		departure->slaves = true;
		bl_namespaces_visit(path, BL_OWN_FIRST, bring_back, departure);
	}
	return bl_namespaces_visit(path, BL_OWN_LAST, depart, departure);
}

/* A tree is named only where it has to go together with the link. */
static bool goes_with_tree(const struct bl_record *hold)
{
	return hold->has_dev && hold->link.carrier_path && hold->link.virtual;
}

/* As long as others make or remove links nearby. */
static int ask_hold(struct bl_socket *socket, const char *path,
		    struct bl_record *hold)
{
	int error;

	for (int try = 1;; try++) {
		error = bl_ask(socket,
			       bl_request_path(socket, BINDLINK_CMD_LINK_HOLD,
					       0, BINDLINK_A_LINK_VIRTUAL,
					       path),
			       path, parse_hold, hold);
		if (error != -EAGAIN)
			return error;
		if (try == BL_TRIES)
			return -EBUSY;
		bl_pause(try);
	}
}

static int remove_link(struct bl_socket *socket, const char *path)
{
	struct bl_record hold = { 0 };
	struct departure departure = {
		.socket = socket,
		.links = { .socket = socket },
		.subject = path,
		.hold = &hold,
	};
	int error;

	error = ask_hold(socket, path, &hold);
	if (!error && goes_with_tree(&hold))
		error = remove_tree(&departure);
	else if (!error)
		error = ask_del(socket, path, path);
	if (error == -ESTALE && departure.path)
		error = remove_tree(&departure);
	free(departure.path);
	bl_links_forget(&departure.links);
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

	/*
	 * If another tree has come over that of the link meanwhile, that one
	 * carries the link now. The hold goes with the socket.
	 */
	for (int try = 1;; try++) {
		error = bl_socket_open(&socket, path);
		if (error)
			break;
		error = remove_link(&socket, path);
		bl_socket_close(&socket);
		if (error != -EAGAIN || try == REMOVE_TRIES)
			break;
		bl_pause(try);
	}
	if (error == -EAGAIN)
		error = -EBUSY;
	free(path);
	if (!error)
		bl_message_reset(handle);
	return error;
}
