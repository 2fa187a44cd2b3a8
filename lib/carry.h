/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_CARRY_H
#define BL_CARRY_H

#include <stdbool.h>

struct bl_mount;

/* A directory of one mount. */
struct bl_ground {
	int fd;
	const char *path;	/* from the root directory of the thread */
};

/* A name in a directory, which something is mounted on. */
struct bl_spot {
	int dir;
	const char *name;
};

int bl_spot_open(struct bl_spot *spot, const struct bl_ground *ground,
		 const char *path);
void bl_spot_close(struct bl_spot *spot);
int bl_spot_detach(const struct bl_spot *spot);

/* What becomes of a mount of which there is a copy, but which is locked. */
enum bl_locked {
	BL_LOCKED_STAYS,	/* and the copy goes */
	BL_LOCKED_GOES,		/* with the mount that it is on, soon */
};

int bl_carry(const struct bl_ground *from, const struct bl_ground *to,
	     const struct bl_mount *mount, enum bl_locked locked);

#endif
