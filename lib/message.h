/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_MESSAGE_H
#define BL_MESSAGE_H

#include "bindlink.h"

void bl_message_reset(const struct bindlink *handle);
int bl_fail(int error, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *bl_reason(int error);

#endif
