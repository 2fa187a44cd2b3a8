/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_SETTLE_H
#define BL_SETTLE_H

#include <stdbool.h>
#include <stddef.h>

#include "carry.h"

struct bindlink_iterator;
struct bl_socket;

/* The links there are, read when they are needed. */
struct bl_links {
	struct bl_socket *socket;
	struct bindlink_iterator *list;
	bool waited;		/* bl_settle_wait() was called */
};

void bl_settle_wait(struct bl_links *links);
void bl_links_forget(struct bl_links *links);

void bl_settle_leftover(struct bl_links *links, const char *path, int tree);
void bl_settle_trees(struct bl_links *links, const struct bl_ground *from,
		     const struct bl_ground *to, size_t most);
int bl_settle_mounts(struct bl_links *links, const struct bl_ground *from,
		     const struct bl_ground *to, const char *virtual,
		     enum bl_locked locked);
void bl_settle_doubled(struct bl_links *links, const char *path, int tree,
		       uint64_t dev);

#endif
