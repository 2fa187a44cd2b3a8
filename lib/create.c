// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Making a link: plan, make a tree, add the link to it, attach it. Up to the
 * last step all there is hangs on descriptors of this process, so that however
 * it ends nothing is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "handle.h"
#include "link.h"
#include "message.h"
#include "netlink.h"
#include "path.h"
#include "tree.h"

/* How often to begin again when what is at the virtual path has changed. */
#define CREATE_TRIES	16

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

/* link-plan, and with a @tree link-new. */
static struct nl_msg *request_link(const struct bl_socket *socket,
				   const struct wish *wish,
				   const char *virtual, int tree)
{
	size_t size = nla_total_size((int)strlen(virtual) + 1) +
		      nla_total_size((int)strlen(wish->backing) + 1) +
		      3 * nla_total_size(sizeof(uint32_t));
	struct nl_msg *request;
	bool ok;

	for (size_t i = 0; i < wish->exception_count; i++)
		size += nla_total_size((int)strlen(wish->exceptions[i]) + 1);

	request = bl_request(socket, tree < 0 ? BINDLINK_CMD_LINK_PLAN :
			     BINDLINK_CMD_LINK_NEW,
			     tree < 0 ? 0 : NLM_F_ACK, size);
	if (!request)
		return NULL;
	ok = !nla_put_string(request, BINDLINK_A_LINK_VIRTUAL, virtual) &&
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

static int parse_plan(const struct nlmsghdr *header, void *data)
{
	struct bl_record *plan = data;
	int error;

	bl_record_clear(plan);
	error = bl_record_parse(plan, header);
	if (error)
		return error;
	return plan->link.virtual && plan->link.carrier_path ? 0 : -EPROTO;
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
	return changed(error);
}

/* Add the link to a tree of its own and attach that. */
static int carry_out(struct bl_socket *socket, const struct wish *wish,
		     const struct bl_record *plan)
{
	const char *path = plan->link.carrier_path;
	int carrier, tree, error;

	carrier = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (carrier < 0) {
		error = -errno;
		bl_fail(error, wish->virtual, "cannot open %s: %s", path,
			bl_reason(error));
		return changed(error);
	}

	tree = bl_tree_make(wish->virtual, carrier);
	if (tree < 0) {
		close(carrier);
		return changed(tree);
	}
	error = bl_ask(socket, request_link(socket, wish, plan->link.virtual,
					    tree), wish->virtual, NULL, NULL);
	if (!error)
		error = attach(plan, wish->virtual, tree, carrier);
	close(tree);
	close(carrier);
	return error;
}

static int create(struct bl_socket *socket, const struct wish *wish)
{
	struct bl_record plan = { 0 };
	struct nl_msg *request;
	int error;

	for (int try = 1;; try++) {
		request = request_link(socket, wish, wish->virtual, -1);
		error = bl_ask(socket, request, wish->virtual, parse_plan,
			       &plan);
		if (!error)
			error = carry_out(socket, wish, &plan);
		if (error != -EAGAIN || try == CREATE_TRIES)
			break;
	}

	/*
	 * The link is there. Asking for it lets the kernel notice, and tell
	 * those who monitor links; what it answers changes nothing any more.
	 */
	if (!error) {
		request = bl_request_path(socket, BINDLINK_CMD_LINK_GET, 0,
					  BINDLINK_A_LINK_VIRTUAL,
					  plan.link.virtual);
		bl_ask(socket, request, wish->virtual, NULL, NULL);
	}
	bl_record_clear(&plan);
	return error;
}

BL_API int bindlink_create_opts(struct bindlink *handle,
				const char *virtual_path, const char *backing,
				const struct bindlink_create_options *options)
{
	struct bindlink_create_options known = { 0 };
	struct wish wish = { 0 };
	struct bl_socket socket;
	int error = 0;

	bl_message_reset(handle);
	if (!handle)
		return bl_fail(-EINVAL, virtual_path, "no handle");
	if (options)
		error = read_options(&known, options);
	if (!error)
		error = make_wish(&wish, virtual_path, backing, &known);
	if (!error)
		error = bl_socket_open(&socket, wish.virtual);
	if (!error) {
		error = create(&socket, &wish);
		bl_socket_close(&socket);
	}
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
