/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_LINK_H
#define BL_LINK_H

#include <stdbool.h>

#include "bindlink.h"

struct bl_socket;
struct nlmsghdr;

struct bindlink_link {
	uint64_t id;
	char *virtual;
	char *backing;
	char **exceptions;
	size_t exception_count;
	char *carrier_path;
	uint64_t dev;		/* as netlink has it: (major << 32) | minor */
	uint32_t flags;
	uint32_t carrier;
};

/* All that a message of the family can say. */
struct bl_record {
	struct bindlink_link link;
	char *path;
	char *real_path;
	char **via;
	size_t via_count;
	int error;
	int tree_fd;
	bool has_id;
	bool has_dev;
	bool has_tree_fd;
};

int bl_record_parse(struct bl_record *record, const struct nlmsghdr *header);
void bl_record_clear(struct bl_record *record);
bool bl_record_has_link(const struct bl_record *record);
int bl_link_take(struct bindlink_link **link, struct bl_record *record);

int bl_links_read(struct bl_socket *socket,
		  struct bindlink_iterator **iterator);
const struct bindlink_link *bl_links_at(const struct bindlink_iterator *list,
					size_t index);

int bl_virtual_path(const char *path, char **absolute);

#endif
