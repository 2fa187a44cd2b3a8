// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "handle.h"
#include "message.h"

BL_API const char *bindlink_version(void)
{
	return BINDLINK_VERSION;
}

BL_API int bindlink_open(struct bindlink **handle)
{
	static atomic_uint_least64_t serial;

	bl_message_reset(NULL);
	if (!handle)
		return bl_fail(-EINVAL, NULL, "no place for the handle");
	*handle = calloc(1, sizeof(**handle));
	if (!*handle)
		return bl_fail(-ENOMEM, NULL, "%s", bl_reason(-ENOMEM));
	(*handle)->serial = atomic_fetch_add(&serial, 1) + 1;
	return 0;
}

BL_API void bindlink_close(struct bindlink *handle)
{
	free(handle);
}

/**
 * bl_pause() - Wait before something is tried again.
 * @try: how often it has been tried
 *
 * At first not at all. A removal that others have to wait for takes some
 * milliseconds for many mount namespaces.
 */
void bl_pause(int try)
{
	struct timespec pause = { .tv_nsec = try < 20 ? try * 1000000L :
				  20000000L };

	if (try > 2)
		nanosleep(&pause, NULL);
}
