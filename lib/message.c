// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What bindlink_message() hands out. Kept per thread, so that threads that
 * share a handle do not take each other's message away; allocated when first
 * needed, since thread-local storage of this size would come out of the stack
 * of each thread of the program, whether or not it uses the library.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "message.h"

/* Two whole paths and a sentence. */
#define MESSAGE_MAX	(2 * PATH_MAX + 512)

/* Of a path that is too long to be one, this much is shown. */
#define EXCERPT		64

struct message {
	char text[MESSAGE_MAX];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

/*
 * The handle that the last call was made with, and whether memory for its
 * message lacked.
 */
static __thread uint64_t current_serial;
static __thread bool lost;

static void make_key(void)
{
	key_made = !pthread_key_create(&key, free);
}

/*
 * The thread that ends the process, and one that unloads the library, do not
 * run the key's destructor. The key has to go before the code of free() might.
 */
__attribute__((destructor)) static void delete_key(void)
{
	if (!key_made)
		return;
	free(pthread_getspecific(key));
	pthread_key_delete(key);
	key_made = false;
}

static struct message *find_message(void)
{
	pthread_once(&once, make_key);
	return key_made ? pthread_getspecific(key) : NULL;
}

static struct message *make_message(void)
{
	struct message *message = find_message();

	if (message || !key_made)
		return message;
	message = calloc(1, sizeof(*message));
	if (message && pthread_setspecific(key, message)) {
		free(message);
		message = NULL;
	}
	return message;
}

/**
 * bl_message_reset() - Begin a call.
 * @handle: the handle that it is made with
 */
void bl_message_reset(const struct bindlink *handle)
{
	struct message *message = find_message();

	current_serial = handle ? handle->serial : 0;
	lost = false;
	if (message)
		message->text[0] = '\0';
}

/* A reason for an errno, for want of a better one. */
const char *bl_reason(int error)
{
	const char *text = strerrordesc_np(-error);

	return text ? text : "unknown error";
}

/**
 * bl_fail() - Leave a message.
 * @error: negative errno
 * @path: what the message is about, or NULL
 * @format: the reason
 *
 * Return: @error
 */
int bl_fail(int error, const char *path, const char *format, ...)
{
	struct message *message = make_message();
	int length = 0;
	va_list args;

	if (!message) {
		lost = true;
		return error;
	}

	if (!path || !*path)
		message->text[0] = '\0';
	else if (error == -ENAMETOOLONG && strlen(path) > EXCERPT)
		length = snprintf(message->text, sizeof(message->text),
				  "%.*s...: ", EXCERPT, path);
	else
		length = snprintf(message->text, sizeof(message->text),
				  "%s: ", path);
	if (length < 0 || (size_t)length >= sizeof(message->text))
		return error;

	va_start(args, format);
	vsnprintf(message->text + length, sizeof(message->text) - length,
		  format, args);
	va_end(args);
	return error;
}

BL_API const char *bindlink_message(const struct bindlink *handle)
{
	const struct message *message = find_message();

	if (handle && handle->serial != current_serial)
		return "";
	if (lost)
		return bl_reason(-ENOMEM);
	return message ? message->text : "";
}
