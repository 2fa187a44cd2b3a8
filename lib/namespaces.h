/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_NAMESPACES_H
#define BL_NAMESPACES_H

#include <stdbool.h>

/*
 * A mount namespace that is visited, by a thread that has its root directory:
 * paths that the kernel module gives begin there, whatever the root directory
 * of the caller is.
 */
struct bl_place {
	const char *path;
	bool own;		/* the caller's namespace */
};

/* Returns 0 or a negative errno, with a message; asked for in @own only. */
typedef int (*bl_visit_t)(const struct bl_place *place, void *data);

enum bl_order {
	BL_OWN_FIRST,
	BL_OWN_TWICE,		/* first and last */
	BL_OWN_LAST,
	BL_OWN_NEVER,
};

int bl_namespaces_visit(const char *path, enum bl_order order,
			bl_visit_t visit, void *data);
int bl_namespace_open(const char *path);

#endif
