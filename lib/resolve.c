// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which link applies to a path, and where that leads to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "link.h"
#include "message.h"
#include "netlink.h"

struct bindlink_resolution {
	struct bl_record record;
};

static int parse_resolution(const struct nlmsghdr *header, void *data)
{
	struct bindlink_resolution *resolution = data;
	struct bl_record *record = &resolution->record;
	int error;

	bl_record_clear(record);
	error = bl_record_parse(record, header);
	if (error)
		return error;
	if (record->error > 0 || (!record->real_path && !record->error))
		return -EPROTO;
	return 0;
}

static int resolve(struct bindlink_resolution *resolution, const char *path)
{
	struct bl_record *record = &resolution->record;
	struct bl_socket socket;
	struct nl_msg *request;
	int error;

	error = bl_socket_open(&socket, path);
	if (error)
		return error;
	request = bl_request_path(&socket, BINDLINK_CMD_RESOLVE, 0,
				  BINDLINK_A_LINK_PATH, path);
	error = bl_ask(&socket, request, path, parse_resolution, resolution);
	bl_socket_close(&socket);
	if (!error && !record->path) {
		record->path = strdup(path);
		if (!record->path)
			error = bl_fail(-ENOMEM, path, "%s",
					bl_reason(-ENOMEM));
	}
	return error;
}

BL_API int bindlink_resolve(struct bindlink *handle, const char *path,
			    struct bindlink_resolution **resolution)
{
	char *absolute;
	int error;

	bl_message_reset(handle);
	if (!handle || !resolution)
		return bl_fail(-EINVAL, path,
			       "no handle, or no place for the resolution");
	*resolution = NULL;
	error = bl_virtual_path(path, &absolute);
	if (error)
		return error;

	*resolution = calloc(1, sizeof(**resolution));
	if (*resolution)
		error = resolve(*resolution, absolute);
	else
		error = bl_fail(-ENOMEM, absolute, "%s", bl_reason(-ENOMEM));
	if (error) {
		bindlink_resolution_free(*resolution);
		*resolution = NULL;
	}
	free(absolute);
	return error;
}

BL_API void bindlink_resolution_free(struct bindlink_resolution *resolution)
{
	if (!resolution)
		return;
	bl_record_clear(&resolution->record);
	free(resolution);
}

BL_API const char *
bindlink_resolution_path(const struct bindlink_resolution *resolution)
{
	return resolution->record.path;
}

BL_API const char *
bindlink_resolution_real_path(const struct bindlink_resolution *resolution)
{
	return resolution->record.real_path;
}

BL_API int
bindlink_resolution_error(const struct bindlink_resolution *resolution)
{
	return resolution->record.error;
}

BL_API const struct bindlink_link *
bindlink_resolution_link(const struct bindlink_resolution *resolution)
{
	const struct bl_record *record = &resolution->record;

	return bl_record_has_link(record) ? &record->link : NULL;
}

BL_API size_t
bindlink_resolution_via_count(const struct bindlink_resolution *resolution)
{
	return resolution->record.via_count;
}

BL_API const char *
bindlink_resolution_via(const struct bindlink_resolution *resolution,
			size_t index)
{
	const struct bl_record *record = &resolution->record;

	return index < record->via_count ? record->via[index] : NULL;
}
