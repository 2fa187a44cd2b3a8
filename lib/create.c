// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making a link: plan, make a tree, add the link to it, attach it. Up to the
 * last step all there is hangs on descriptors of this process, so that however
 * it ends nothing is left behind. Then the tree is attached in all other mount
 * namespaces, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "carry.h"
#include "handle.h"
#include "link.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"
#include "netlink.h"
#include "path.h"
#include "settle.h"
#include "tree.h"

/* Up to this field a struct bindlink_create_options is never shorter. */
#define OPTIONS_MIN	offsetof(struct bindlink_create_options, attach)

struct wish {
	char *virtual;
	char *backing;
	char **exceptions;
	size_t exception_count;
	uint32_t flags;
	uint32_t attach;
};

static int read_options(struct bindlink_create_options *known,
			const struct bindlink_create_options *options)
{
	const char *bytes = (const char *)options;
	size_t size = options->size;

	if (size < OPTIONS_MIN)
		return bl_fail(-EINVAL, NULL,
			       "the size of the options is not set");
	for (size_t i = sizeof(*known); i < size; i++)
		if (bytes[i])
			return bl_fail(-E2BIG, NULL,
				       "there are options that this version of the library does not know");
	memset(known, 0, sizeof(*known));
	memcpy(known, options, size < sizeof(*known) ? size : sizeof(*known));
	return 0;
}

static void clear_wish(struct wish *wish)
{
	for (size_t i = 0; i < wish->exception_count; i++)
		free(wish->exceptions[i]);
	free(wish->exceptions);
	free(wish->virtual);
	free(wish->backing);
}

/* Make a path of the wish, which is a @role of the virtual path, absolute. */
static int take_path(const struct wish *wish, const char *role,
		     const char *path, char **absolute)
{
	const char *reason = NULL;
	int error = bl_path_absolute(path, absolute, &reason);

	if (!error)
		return 0;
	if (!reason)
		reason = bl_reason(error);
	if (!path || !*path)
		return bl_fail(error, wish->virtual, "%s: %s", role, reason);
	return bl_fail(error, wish->virtual, "%s %.*s%s: %s", role,
		       error == -ENAMETOOLONG ? 64 : PATH_MAX, path,
		       error == -ENAMETOOLONG ? "..." : "", reason);
}

/* A slash at the end is lost on the way to an absolute path. */
static int check_slash(const struct wish *wish, const char *backing)
{
	struct stat status;
	char *path;
	int error;

	if (!bl_path_wants_directory(backing))
		return 0;
	if (asprintf(&path, "%s/", wish->backing) < 0)
		return bl_fail(-ENOMEM, wish->virtual, "%s",
			       bl_reason(-ENOMEM));
	/* Other errors are the kernel's to tell. */
	error = stat(path, &status) && errno == ENOTDIR ? -ENOTDIR : 0;
	free(path);
	if (error)
		bl_fail(error, wish->virtual,
			"backing path %s: not a directory, as its last slash says",
			backing);
	return error;
}

static int make_wish(struct wish *wish, const char *virtual_path,
		     const char *backing,
		     const struct bindlink_create_options *options)
{
	int error;

	if (options->exception_count && !options->exceptions) {
		bl_fail(-EINVAL, virtual_path,
			"exceptions are counted but not given");
		return -EINVAL;
	}
	error = bl_virtual_path(virtual_path, &wish->virtual);
	if (!error)
		error = take_path(wish, "backing path", backing,
				  &wish->backing);
	if (!error)
		error = check_slash(wish, backing);
	if (error)
		return error;

	/* The kernel calls it out of range, which is ERANGE there. */
	if (options->attach > BINDLINK_ATTACH_PARENT)
		return bl_fail(-EINVAL, wish->virtual,
			       "there is no way to attach a link with number %u",
			       options->attach);
	wish->flags = options->flags;
	wish->attach = options->attach;
	if (!options->exception_count)
		return 0;
	wish->exceptions = calloc(options->exception_count,
				  sizeof(*wish->exceptions));
	if (!wish->exceptions)
		return bl_fail(-ENOMEM, wish->virtual, "%s",
			       bl_reason(-ENOMEM));
	for (size_t i = 0; i < options->exception_count; i++) {
		error = take_path(wish, "exception", options->exceptions[i],
				  &wish->exceptions[i]);
		if (error)
			return error;
		wish->exception_count++;
	}
	return 0;
}

/*
 * link-plan, or link-new: into a @tree that is not attached yet, or without
 * one into the tree that the plan has named.
 */
static struct nl_msg *request_link(const struct bl_socket *socket,
				   uint8_t command, const struct wish *wish,
				   int tree)
{
	size_t size = nla_total_size((int)strlen(wish->virtual) + 1) +
		      nla_total_size((int)strlen(wish->backing) + 1) +
		      3 * nla_total_size(sizeof(uint32_t));
	struct nl_msg *request;
	bool ok;

	for (size_t i = 0; i < wish->exception_count; i++)
		size += nla_total_size((int)strlen(wish->exceptions[i]) + 1);

	request = bl_request(socket, command, command == BINDLINK_CMD_LINK_NEW ?
			     NLM_F_ACK : 0, size);
	if (!request)
		return NULL;
	ok = !nla_put_string(request, BINDLINK_A_LINK_VIRTUAL, wish->virtual) &&
	     !nla_put_string(request, BINDLINK_A_LINK_BACKING, wish->backing) &&
	     !nla_put_u32(request, BINDLINK_A_LINK_FLAGS, wish->flags) &&
	     !nla_put_u32(request, BINDLINK_A_LINK_ATTACH, wish->attach);
	for (size_t i = 0; ok && i < wish->exception_count; i++)
		ok = !nla_put_string(request, BINDLINK_A_LINK_EXCEPTION,
				     wish->exceptions[i]);
	if (ok && tree >= 0)
		ok = !nla_put_s32(request, BINDLINK_A_LINK_TREE_FD, tree);
	if (!ok) {
		nlmsg_free(request);
		return NULL;
	}
	return request;
}

static int ask_new(struct bl_socket *socket, const struct wish *wish, int tree)
{
	return bl_ask(socket, request_link(socket, BINDLINK_CMD_LINK_NEW, wish,
					   tree), wish->virtual, NULL, NULL);
}

static int parse_record(const struct nlmsghdr *header, void *data)
{
	struct bl_record *record = data;
	int error;

	bl_record_clear(record);
	error = bl_record_parse(record, header);
	if (error)
		return error;
	return record->link.virtual && record->link.carrier_path ? 0 : -EPROTO;
}

/* Has the name gone, or become something else, since the kernel looked at it? */
static int changed(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ELOOP ||
	       error == -ESTALE ? -EAGAIN : error;
}

static int attach(const struct bl_record *plan, const char *subject, int tree,
		  int carrier)
{
	int error = bl_tree_attach(tree, carrier);

	if (error)
		bl_fail(error, subject, "cannot mount the link at %s: %s",
			plan->link.carrier_path, bl_reason(error));
	/* There is no path to follow here, but that of the link. */
	return error == -ELOOP ? error : changed(error);
}

/* A link that is there, and the tree that was made for it. */
struct arrival {
	struct bl_socket *socket;
	struct bl_links links;
	const char *virtual;
	struct stat carrier;	/* before the tree was attached */
	int below;		/* descriptor of it, in the caller's namespace */
	int tree;		/* of the root of the tree there */
	uint64_t allowed;	/* MOUNT_ATTR_* that our mount of it lacks */
	bool joined;		/* the tree was there before */
	bool covers;		/* other trees */
	bool early;		/* only attach it, and leave what it covers */
	uint32_t kind;		/* BINDLINK_ATTACH_* */
	uint64_t dev;
};

/*
 * Adapt what is mounted below the carrier to the tree over it. @tree and @below
 * are descriptors of the tree's root and of what that covers.
 */
static void settle(struct arrival *arrival, const struct bl_place *place,
		   int tree, int below)
{
	const struct bl_ground from = { .fd = below, .path = place->path };
	const struct bl_ground to = { .fd = tree, .path = place->path };

	if (arrival->covers)
		bl_settle_trees(&arrival->links, &from, &to, SIZE_MAX);
	if (arrival->kind == BINDLINK_ATTACH_PARENT)
		bl_settle_mounts(&arrival->links, &from, &to,
				 arrival->virtual, BL_LOCKED_STAYS);
}

/* What the mount of a directory or file forbids. */
static uint64_t mount_attributes(int fd)
{
	struct statvfs status;
	uint64_t attributes = 0;

	if (fstatvfs(fd, &status))
		return 0;
	if (status.f_flag & ST_RDONLY)
		attributes |= MOUNT_ATTR_RDONLY;
	if (status.f_flag & ST_NOSUID)
		attributes |= MOUNT_ATTR_NOSUID;
	if (status.f_flag & ST_NODEV)
		attributes |= MOUNT_ATTR_NODEV;
	if (status.f_flag & ST_NOEXEC)
		attributes |= MOUNT_ATTR_NOEXEC;
	return attributes;
}

/*
 * The tree shows the carrier with the attributes of its mount in our namespace.
 * Where it is mounted with stricter ones, they have to hold for the tree.
 */
static int tighten(const struct arrival *arrival, int tree, int carrier)
{
	struct mount_attr attr = {
		.attr_set = mount_attributes(carrier) & arrival->allowed,
	};

	if (!attr.attr_set)
		return 0;
	return mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) ?
	       -errno : 0;
}

/* Attach the tree in another namespace, over what is the same as in ours. */
static int spread_to(struct arrival *arrival, const struct bl_place *place,
		     int carrier)
{
	struct stat status;
	int tree;

	if (fstat(carrier, &status) ||
	    status.st_dev != arrival->carrier.st_dev ||
	    status.st_ino != arrival->carrier.st_ino ||
	    (status.st_mode ^ arrival->carrier.st_mode) & S_IFMT)
		return -ENOENT;
	tree = bl_tree_make(place->path, carrier);
	if (tree < 0)
		return tree;
	if (tighten(arrival, tree, carrier) || bl_tree_attach(tree, carrier)) {
		close(tree);
		return -ENOENT;
	}
	bl_settle_doubled(&arrival->links, place->path, tree, arrival->dev);
	return tree;
}

/* In each namespace, when the link is there in ours. */
static int arrive(const struct bl_place *place, void *data)
{
	struct arrival *arrival = data;
	int below = -1, tree, fd;

	if (place->own)
		bl_settle_doubled(&arrival->links, place->path, arrival->tree,
				  arrival->dev);
	fd = bl_place_open(AT_FDCWD, place->path);
	if (fd < 0)
		return 0;
	if (bl_tree_is(fd, arrival->dev)) {
		/* In ours, or by propagation. */
		tree = fd;
		if (arrival->joined) {
			close(tree);
			return 0;
		}
		below = place->own ?
			fcntl(arrival->below, F_DUPFD_CLOEXEC, 0) :
			bl_tree_beneath(arrival->socket, tree);
		if (!place->own && below >= 0)
			tighten(arrival, tree, below);
	} else if (!place->own) {
		below = fd;
		tree = spread_to(arrival, place, below);
		/* The link may have been removed meanwhile. */
		if (tree >= 0 && !bl_tree_is(tree, arrival->dev)) {
			bl_settle_leftover(&arrival->links, place->path,
					   tree);
			close(tree);
			tree = -1;
		}
	} else {
		tree = fd;
	}
	if (tree >= 0 && below >= 0 && !arrival->early)
		settle(arrival, place, tree, below);
	if (tree >= 0)
		close(tree);
	if (below >= 0)
		close(below);
	return 0;
}

/*
 * Ask for the link. It lets the kernel notice that the tree is attached, and
 * tell those who monitor links. What it answers changes nothing any more.
 */
static int ask_link(struct bl_socket *socket, const char *virtual,
		    struct bl_record *link)
{
	return bl_ask(socket,
		      bl_request_path(socket, BINDLINK_CMD_LINK_GET, 0,
				      BINDLINK_A_LINK_VIRTUAL, virtual),
		      virtual, parse_record, link);
}

/* The link is there: show it everywhere. Nothing of this can fail it. */
static void spread(struct bl_socket *socket, const struct wish *wish,
		   const struct bl_record *plan, int tree, uint64_t id,
		   int carrier, const struct stat *status)
{
	struct arrival arrival = {
		.socket = socket,
		.links = { .socket = socket },
		.virtual = plan->link.virtual,
		.carrier = *status,
		.below = carrier,
		.tree = tree,
		.allowed = ~mount_attributes(carrier),
		.kind = plan->link.carrier,
		.covers = plan->via_count,
	};
	struct bl_record link = { 0 };
	struct bl_mount mount;

	if (ask_link(socket, wish->virtual, &link) || !link.has_dev) {
		bl_record_clear(&link);
		return;
	}
	arrival.dev = link.link.dev;
	bl_record_clear(&link);
	/*
	 * Another tree that came at the same time covers ours, and has the
	 * link: ours would be left over.
	 */
	if (!bl_mount_read(id, &mount)) {
		bool ours = !mount.tree || mount.dev == arrival.dev;

		bl_mount_clear(&mount);
		if (!ours) {
			bl_settle_wait(&arrival.links);
			bl_tree_drop(tree, plan->link.carrier_path);
			return;
		}
	}
	/* All wait for lookups together, before the first tree is taken away. */
	if (arrival.covers) {
		arrival.early = true;
		bl_namespaces_visit(plan->link.carrier_path, BL_OWN_NEVER,
				    arrive, &arrival);
		arrival.early = false;
	}
	/*
	 * A mount that was being made when the tree was attached may have come
	 * under it after that was looked at; and ours may have received another
	 * mount of the tree.
	 */
	bl_namespaces_visit(plan->link.carrier_path, BL_OWN_TWICE, arrive,
			    &arrival);
	bl_links_forget(&arrival.links);
}

/* Add the link to a tree of its own, attach that, here and everywhere. */
static int carry_out(struct bl_socket *socket, const struct wish *wish,
		     const struct bl_record *plan)
{
	const char *path = plan->link.carrier_path;
	struct stat status;
	int carrier, tree, error;
	uint64_t id = 0;

	carrier = bl_namespace_open(path);
	error = carrier < 0 ? carrier : 0;
	if (!error && fstat(carrier, &status)) {
		error = -errno;
		close(carrier);
	}
	if (error) {
		bl_fail(error, wish->virtual, "cannot open %s: %s", path,
			bl_reason(error));
		return changed(error);
	}

	tree = bl_tree_make(wish->virtual, carrier);
	if (tree < 0) {
		close(carrier);
		return changed(tree);
	}
	/* Of the mount: asked of the root later it would be of the link. */
	bl_mount_id(tree, &id);
	error = ask_new(socket, wish, tree);
	if (!error)
		error = attach(plan, wish->virtual, tree, carrier);
	if (!error)
		spread(socket, wish, plan, tree, id, carrier, &status);
	close(tree);
	close(carrier);
	return error;
}

/*
 * The tree that the link was added to is there, but it may not be everywhere:
 * who has made it may not have come so far yet.
 */
static void spread_tree(struct bl_socket *socket, const struct bl_record *link)
{
	struct arrival arrival = {
		.socket = socket,
		.links = { .socket = socket },
		.virtual = link->link.virtual,
		.below = -1,
		.tree = bl_namespace_open(link->link.carrier_path),
		.joined = true,
		.covers = true,
		.kind = link->link.carrier,
		.dev = link->link.dev,
	};

	if (arrival.tree >= 0)
		arrival.below = bl_tree_beneath(socket, arrival.tree);
	arrival.allowed = ~mount_attributes(arrival.below);
	if (arrival.below >= 0 && !fstat(arrival.below, &arrival.carrier))
		bl_namespaces_visit(link->link.carrier_path, BL_OWN_NEVER,
				    arrive, &arrival);
	bl_links_forget(&arrival.links);
	if (arrival.below >= 0)
		close(arrival.below);
	if (arrival.tree >= 0)
		close(arrival.tree);
}

/* Add the link to a tree that is there already. */
static int join_tree(struct bl_socket *socket, const struct wish *wish)
{
	struct bl_record link = { 0 };
	int error = ask_new(socket, wish, -1);

	if (error)
		return error;
	if (!ask_link(socket, wish->virtual, &link) && link.has_dev)
		spread_tree(socket, &link);
	bl_record_clear(&link);
	return 0;
}

/* What fails is undone when the socket is closed. */
static int create_once(const struct wish *wish)
{
	struct bl_record plan = { 0 };
	struct bl_socket socket;
	int error;

	error = bl_socket_open(&socket, wish->virtual);
	if (error)
		return error;
	error = bl_ask(&socket, request_link(&socket, BINDLINK_CMD_LINK_PLAN,
					     wish, -1),
		       wish->virtual, parse_record, &plan);
	if (!error && plan.has_dev)
		error = join_tree(&socket, wish);
	else if (!error)
		error = carry_out(&socket, wish, &plan);
	bl_record_clear(&plan);
	bl_socket_close(&socket);
	return error;
}

/*
 * Again if what is at the virtual path has changed meanwhile, or others are
 * making or removing links there.
 */
static int create(const struct wish *wish)
{
	int error = create_once(wish);

	for (int try = 1; error == -EAGAIN && try < BL_TRIES; try++) {
		bl_pause(try);
		error = create_once(wish);
	}
	return error;
}

BL_API int bindlink_create_opts(struct bindlink *handle,
				const char *virtual_path, const char *backing,
				const struct bindlink_create_options *options)
{
	struct bindlink_create_options known = { 0 };
	struct wish wish = { 0 };
	int error = 0;

	bl_message_reset(handle);
	if (!handle)
		return bl_fail(-EINVAL, virtual_path, "no handle");
	if (options)
		error = read_options(&known, options);
	if (!error)
		error = make_wish(&wish, virtual_path, backing, &known);
	if (!error)
		error = create(&wish);
	clear_wish(&wish);
	/* Attempts that failed before one succeeded have left messages. */
	if (!error)
		bl_message_reset(handle);
	return error;
}

BL_API int bindlink_create(struct bindlink *handle, const char *virtual_path,
			   const char *backing, uint32_t flags,
			   const char *const *exceptions, size_t count)
{
	const struct bindlink_create_options options = {
		.size = sizeof(options),
		.flags = flags,
		.exceptions = exceptions,
		.exception_count = count,
	};

	return bindlink_create_opts(handle, virtual_path, backing, &options);
}
