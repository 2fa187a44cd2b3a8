/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_MOUNTS_H
#define BL_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_FILESYSTEM	"bindlink"

struct bl_mount {
	uint64_t id;
	uint64_t parent;
	uint64_t dev;		/* as netlink has it: (major << 32) | minor */
	char *path;		/* where it is mounted, from the thread's root */
	bool tree;		/* of type bindlink */
	bool whole;		/* it shows all of its filesystem */
	bool slave;		/* it receives mounts from another one */
};

struct bl_mounts {
	struct bl_mount *mounts;
	size_t count;
	size_t room;
};

enum bl_found {
	BL_FOUND_UNKNOWN,
	BL_FOUND_NONE,		/* the tree is not mounted there */
	BL_FOUND_TOP,		/* it is, and nothing over it */
	BL_FOUND_COVERED,	/* it is, and something else over it */
};

int bl_place_open(int directory, const char *path);
int bl_mount_id(int fd, uint64_t *id);
int bl_mount_read(uint64_t id, struct bl_mount *mount);
void bl_mount_clear(struct bl_mount *mount);

int bl_mounts_read(struct bl_mounts *mounts, uint64_t parent,
		   const char *below, size_t most);
void bl_mounts_clear(struct bl_mounts *mounts);

enum bl_found bl_mounts_find_tree(const char *path, uint64_t dev);
char *bl_mounts_search_tree(uint64_t dev);

const char *bl_path_below(const char *path, const char *directory);

#endif
