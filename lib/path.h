/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_PATH_H
#define BL_PATH_H

#include <stdbool.h>

int bl_path_absolute(const char *path, char **absolute, const char **reason);
bool bl_path_wants_directory(const char *path);

#endif
