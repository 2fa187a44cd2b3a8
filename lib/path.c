// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From a path as a user writes it to the absolute path that the kernel is
 * told. The kernel follows a backing path at each use, so as little as possible
 * is resolved here: only "..", which has no meaning without what it follows.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"

/* A piece of a path between slashes. */
struct name {
	const char *start;
	size_t length;
};

static bool next_name(const char **rest, struct name *name)
{
	name->start = *rest + strspn(*rest, "/");
	name->length = strcspn(name->start, "/");
	*rest = name->start + name->length;
	return name->length > 0;
}

static bool is_dot(const struct name *name)
{
	return name->length == 1 && name->start[0] == '.';
}

static bool is_dot_dot(const struct name *name)
{
	return name->length == 2 && !memcmp(name->start, "..", 2);
}

/* What follows the last "..", or NULL if there is none. */
static const char *after_dot_dot(const char *path)
{
	const char *after = NULL;
	struct name name;

	while (next_name(&path, &name))
		if (is_dot_dot(&name))
			after = path;
	return after;
}

/* The absolute path that @rest, which is set, is relative to. */
static int start_of(const char *path, const char **rest, char **start,
		    const char **reason)
{
	const char *after = after_dot_dot(path);
	char *prefix;

	*rest = path;
	if (after) {
		prefix = strndup(path, after - path);
		if (!prefix)
			return -ENOMEM;
		*start = realpath(prefix, NULL);
		if (!*start) {
			int error = -errno;

			free(prefix);
			*reason = "what comes before \"..\" cannot be resolved";
			return error;
		}
		free(prefix);
		*rest = after;
		return 0;
	}

	if (path[0] == '/') {
		*start = strdup("");
		return *start ? 0 : -ENOMEM;
	}

	*start = getcwd(NULL, 0);
	if (!*start) {
		*reason = "the working directory has no path";
		return -errno;
	}
	/* Older C libraries hand out "(unreachable)/...". */
	if ((*start)[0] != '/') {
		free(*start);
		*reason = "the working directory has no path";
		return -ENOENT;
	}
	return 0;
}

/**
 * bl_path_absolute() - Make a path absolute.
 * @path: the path
 * @absolute: where to store the result, to be freed; it has no "." and "..",
 *	no doubled slash, and no trailing one unless it is "/"
 * @reason: set to a constant sentence on failure, or left alone if the errno
 *	says it all
 *
 * Return: 0 or a negative errno.
 */
int bl_path_absolute(const char *path, char **absolute, const char **reason)
{
	const char *rest;
	struct name name;
	char *start, *result, *end;
	int error;

	if (!path) {
		*reason = "there is no path";
		return -EINVAL;
	}
	if (!*path) {
		*reason = "the path is empty";
		return -ENOENT;
	}
	if (strnlen(path, PATH_MAX) == PATH_MAX) {
		*reason = "the path is longer than 4095 bytes";
		return -ENAMETOOLONG;
	}

	error = start_of(path, &rest, &start, reason);
	if (error)
		return error;

	result = malloc(strlen(start) + strlen(rest) + 2);
	if (!result) {
		free(start);
		return -ENOMEM;
	}
	end = stpcpy(result, start);
	free(start);
	if (end == result + 1)	/* "/" */
		end = result;

	while (next_name(&rest, &name)) {
		if (is_dot(&name))
			continue;
		if (name.length > NAME_MAX) {
			free(result);
			*reason = "a name in the path is longer than 255 bytes";
			return -ENAMETOOLONG;
		}
		*end++ = '/';
		end = mempcpy(end, name.start, name.length);
	}
	if (end == result)
		*end++ = '/';
	*end = '\0';

	if (end - result >= PATH_MAX) {
		free(result);
		*reason = "the absolute path is longer than 4095 bytes";
		return -ENAMETOOLONG;
	}
	*absolute = result;
	return 0;
}

/**
 * bl_path_wants_directory() - Whether a path can only mean a directory.
 * @path: the path as the user wrote it
 *
 * That is what a trailing slash means to open(2), and bl_path_absolute() takes
 * it away.
 *
 * Return: whether it ends in a slash, or in one and a dot.
 */
bool bl_path_wants_directory(const char *path)
{
	size_t length = strlen(path);

	if (length && path[length - 1] == '.')
		length--;
	return length && path[length - 1] == '/';
}
