/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_TREE_H
#define BL_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct bl_socket;

int bl_tree_make(const char *subject, int carrier);
int bl_tree_attach(int tree, int carrier);
int bl_tree_drop(int tree, const char *path);
int bl_tree_detach(const char *subject, const char *carrier_path, uint64_t dev,
		   int flags);

bool bl_tree_is(int fd, uint64_t dev);
int bl_tree_beneath(struct bl_socket *socket, int tree);

#endif
