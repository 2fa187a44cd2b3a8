/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BL_HANDLE_H
#define BL_HANDLE_H

#include "bindlink.h"

#define BL_API	__attribute__((visibility("default")))

/*
 * A handle is never written to after it was made, and each call opens a socket
 * of its own: nothing to lock, and no call waits for another one. It only
 * tells whose message is whose.
 */
struct bindlink {
	uint64_t serial;	/* of all handles; an address can come again */
};

/* How often to try what others are in the way of: for ten seconds or so. */
#define BL_TRIES	500

void bl_pause(int try);

#endif
