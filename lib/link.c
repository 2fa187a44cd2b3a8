// SPDX-License-Identifier: LGPL-2.1-or-later
/* Links as the kernel tells them: one, or all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "handle.h"
#include "link.h"
#include "message.h"
#include "netlink.h"
#include "path.h"

/* How often a list is read again, and when to begin to wait in between. */
#define LIST_TRIES	100
#define LIST_EAGER	10

struct bindlink_iterator {
	struct bindlink_link **links;
	size_t count;
	size_t room;
	size_t next;
};

static int take_string(char **place, const struct nlattr *attr)
{
	const char *string = nla_data(attr);
	int length = nla_len(attr);

	if (!length || strnlen(string, length) != (size_t)length - 1)
		return -EPROTO;
	free(*place);
	*place = strdup(string);
	return *place ? 0 : -ENOMEM;
}

static int take_u32(uint32_t *place, const struct nlattr *attr)
{
	if (nla_len(attr) != sizeof(*place))
		return -EPROTO;
	*place = nla_get_u32(attr);
	return 0;
}

static int take_u64(uint64_t *place, const struct nlattr *attr)
{
	if (nla_len(attr) != sizeof(*place))
		return -EPROTO;
	*place = nla_get_u64(attr);
	return 0;
}

/* Add to an array, which has room for a power of two. */
static int take_more(char ***strings, size_t *count, const struct nlattr *attr)
{
	char **more;
	int error;

	if (!(*count & (*count - 1))) {
		more = reallocarray(*strings, *count ? *count * 2 : 1,
				    sizeof(*more));
		if (!more)
			return -ENOMEM;
		*strings = more;
	}
	(*strings)[*count] = NULL;
	error = take_string(&(*strings)[*count], attr);
	if (!error)
		(*count)++;
	return error;
}

static int take_attribute(struct bl_record *record, const struct nlattr *attr)
{
	struct bindlink_link *link = &record->link;
	uint32_t number;

	switch (nla_type(attr)) {
	case BINDLINK_A_LINK_ID:
		record->has_id = true;
		return take_u64(&link->id, attr);
	case BINDLINK_A_LINK_VIRTUAL:
		return take_string(&link->virtual, attr);
	case BINDLINK_A_LINK_BACKING:
		return take_string(&link->backing, attr);
	case BINDLINK_A_LINK_FLAGS:
		return take_u32(&link->flags, attr);
	case BINDLINK_A_LINK_EXCEPTION:
		return take_more(&link->exceptions, &link->exception_count,
				 attr);
	case BINDLINK_A_LINK_CARRIER:
		return take_u32(&link->carrier, attr);
	case BINDLINK_A_LINK_CARRIER_PATH:
		return take_string(&link->carrier_path, attr);
	case BINDLINK_A_LINK_DEV:
		record->has_dev = true;
		return take_u64(&link->dev, attr);
	case BINDLINK_A_LINK_PATH:
		return take_string(&record->path, attr);
	case BINDLINK_A_LINK_REAL_PATH:
		return take_string(&record->real_path, attr);
	case BINDLINK_A_LINK_ERROR:
		if (take_u32(&number, attr))
			return -EPROTO;
		record->error = (int)number;
		return 0;
	case BINDLINK_A_LINK_VIA:
		return take_more(&record->via, &record->via_count, attr);
	case BINDLINK_A_LINK_TREE_FD:
		if (take_u32(&number, attr))
			return -EPROTO;
		record->has_tree_fd = true;
		record->tree_fd = (int)number;
		return 0;
	default:
		return 0;	/* from a newer kernel */
	}
}

/**
 * bl_record_parse() - Read a message of the family.
 * @record: set on success; clear it with bl_record_clear()
 * @header: the message
 *
 * Return: 0, -EPROTO or -ENOMEM.
 */
int bl_record_parse(struct bl_record *record, const struct nlmsghdr *header)
{
	const struct nlattr *attr;
	int error = 0;
	int rest;

	memset(record, 0, sizeof(*record));
	nlmsg_for_each_attr(attr, header, GENL_HDRLEN, rest) {
		error = take_attribute(record, attr);
		if (error) {
			bl_record_clear(record);
			break;
		}
	}
	return error;
}

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
	free(strings);
}

static void clear_link(struct bindlink_link *link)
{
	free_strings(link->exceptions, link->exception_count);
	free(link->virtual);
	free(link->backing);
	free(link->carrier_path);
	memset(link, 0, sizeof(*link));
}

void bl_record_clear(struct bl_record *record)
{
	clear_link(&record->link);
	free_strings(record->via, record->via_count);
	free(record->path);
	free(record->real_path);
	memset(record, 0, sizeof(*record));
}

/* Whether all is there that makes a link. */
bool bl_record_has_link(const struct bl_record *record)
{
	const struct bindlink_link *link = &record->link;

	return record->has_id && link->virtual && link->backing;
}

/**
 * bl_link_take() - Take the link out of a record.
 * @link: set on success
 * @record: has no link afterwards
 *
 * Return: 0, -EPROTO if there is no whole link, or -ENOMEM.
 */
int bl_link_take(struct bindlink_link **link, struct bl_record *record)
{
	if (!bl_record_has_link(record))
		return -EPROTO;
	*link = malloc(sizeof(**link));
	if (!*link)
		return -ENOMEM;
	**link = record->link;
	memset(&record->link, 0, sizeof(record->link));
	record->has_id = false;
	return 0;
}

/**
 * bl_virtual_path() - Make a virtual path absolute.
 * @path: as the caller wrote it
 * @absolute: where to store the result, to be freed
 *
 * Return: 0 or a negative errno, for which there is a message.
 */
int bl_virtual_path(const char *path, char **absolute)
{
	const char *reason = NULL;
	int error = bl_path_absolute(path, absolute, &reason);

	if (error)
		bl_fail(error, path, "%s", reason ? reason : bl_reason(error));
	return error;
}

static int parse_link(const struct nlmsghdr *header, void *data)
{
	struct bindlink_link **link = data;
	struct bl_record record;
	int error;

	if (*link)
		return -EPROTO;
	error = bl_record_parse(&record, header);
	if (error)
		return error;
	error = bl_link_take(link, &record);
	bl_record_clear(&record);
	return error;
}

BL_API int bindlink_get(struct bindlink *handle, const char *virtual_path,
			struct bindlink_link **link)
{
	struct bl_socket socket;
	struct nl_msg *request;
	char *path;
	int error;

	bl_message_reset(handle);
	if (!handle || !link)
		return bl_fail(-EINVAL, virtual_path,
			       "no handle, or no place for the link");
	*link = NULL;
	error = bl_virtual_path(virtual_path, &path);
	if (error)
		return error;

	error = bl_socket_open(&socket, path);
	if (error) {
		free(path);
		return error;
	}
	request = bl_request_path(&socket, BINDLINK_CMD_LINK_GET, 0,
				  BINDLINK_A_LINK_VIRTUAL, path);
	error = bl_ask(&socket, request, path, parse_link, link);
	bl_socket_close(&socket);
	if (error) {
		bindlink_link_free(*link);
		*link = NULL;
	}
	free(path);
	return error;
}

BL_API void bindlink_link_free(struct bindlink_link *link)
{
	if (!link)
		return;
	clear_link(link);
	free(link);
}

BL_API uint64_t bindlink_link_id(const struct bindlink_link *link)
{
	return link->id;
}

BL_API const char *bindlink_link_virtual(const struct bindlink_link *link)
{
	return link->virtual;
}

BL_API const char *bindlink_link_backing(const struct bindlink_link *link)
{
	return link->backing;
}

BL_API uint32_t bindlink_link_flags(const struct bindlink_link *link)
{
	return link->flags;
}

BL_API size_t bindlink_link_exception_count(const struct bindlink_link *link)
{
	return link->exception_count;
}

BL_API const char *bindlink_link_exception(const struct bindlink_link *link,
					   size_t index)
{
	return index < link->exception_count ? link->exceptions[index] : NULL;
}

BL_API uint32_t bindlink_link_carrier(const struct bindlink_link *link)
{
	return link->carrier;
}

BL_API const char *bindlink_link_carrier_path(const struct bindlink_link *link)
{
	return link->carrier_path ? link->carrier_path : "";
}

BL_API dev_t bindlink_link_dev(const struct bindlink_link *link)
{
	return makedev(link->dev >> 32, link->dev & UINT32_MAX);
}

static int add_link(const struct nlmsghdr *header, void *data)
{
	struct bindlink_iterator *list = data;
	struct bindlink_link **links;
	struct bl_record record;
	int error;

	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 16;

		links = reallocarray(list->links, room, sizeof(*links));
		if (!links)
			return -ENOMEM;
		list->links = links;
		list->room = room;
	}
	error = bl_record_parse(&record, header);
	if (error)
		return error;
	error = bl_link_take(&list->links[list->count], &record);
	if (!error)
		list->count++;
	bl_record_clear(&record);
	return error;
}

static void empty_list(struct bindlink_iterator *list)
{
	while (list->count)
		bindlink_link_free(list->links[--list->count]);
}

static int read_list(struct bindlink_iterator *list, struct bl_socket *socket)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	struct nl_msg *request;
	int error;

	for (int try = 1;; try++) {
		request = bl_request(socket, BINDLINK_CMD_LINK_GET, NLM_F_DUMP,
				     0);
		error = bl_ask(socket, request, NULL, add_link, list);
		if (error != -EAGAIN || try == LIST_TRIES)
			return error;
		empty_list(list);
		if (try >= LIST_EAGER)
			nanosleep(&pause, NULL);
	}
}

/**
 * bl_links_read() - Read the list of links.
 * @socket: where to ask
 * @iterator: set on success; free it with bindlink_iterator_free()
 *
 * Return: 0 or a negative errno, for which there is a message. There can be
 * one after success, too.
 */
int bl_links_read(struct bl_socket *socket, struct bindlink_iterator **iterator)
{
	struct bindlink_iterator *list = calloc(1, sizeof(*list));
	int error;

	if (!list)
		return bl_fail(-ENOMEM, NULL, "%s", bl_reason(-ENOMEM));
	error = read_list(list, socket);
	if (error)
		bindlink_iterator_free(list);
	else
		*iterator = list;
	return error;
}

/* The link with number @index in a list, or NULL. */
const struct bindlink_link *bl_links_at(const struct bindlink_iterator *list,
					size_t index)
{
	return index < list->count ? list->links[index] : NULL;
}

BL_API int bindlink_list(struct bindlink *handle,
			 struct bindlink_iterator **iterator)
{
	struct bl_socket socket;
	int error;

	bl_message_reset(handle);
	if (!handle || !iterator)
		return bl_fail(-EINVAL, NULL,
			       "no handle, or no place for the iterator");
	*iterator = NULL;
	error = bl_socket_open(&socket, NULL);
	if (error)
		return error;
	error = bl_links_read(&socket, iterator);
	bl_socket_close(&socket);
	/* An interrupted try leaves a message although the next one is good. */
	if (!error)
		bl_message_reset(handle);
	return error;
}

BL_API const struct bindlink_link *
bindlink_iterator_next(struct bindlink_iterator *iterator)
{
	if (iterator->next == iterator->count)
		return NULL;
	return iterator->links[iterator->next++];
}

BL_API void bindlink_iterator_free(struct bindlink_iterator *iterator)
{
	if (!iterator)
		return;
	empty_list(iterator);
	free(iterator->links);
	free(iterator);
}
