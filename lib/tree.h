/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_TREE_H
#define BL_TREE_H

#include <stdint.h>

int bl_tree_make(const char *subject, int carrier);
int bl_tree_attach(int tree, int carrier);
int bl_tree_detach(const char *subject, const char *carrier_path, uint64_t dev);

#endif
