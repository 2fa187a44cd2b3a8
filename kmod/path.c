// SPDX-License-Identifier: GPL-2.0
/*
 * Path strings as rules and links keep them.
 */

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <kunit/visibility.h>

#include "bindlink.h"

/**
 * bl_path_normalize - bring an absolute path into the form that is kept
 * @path: path from userspace
 * @out: result, without doubled or trailing slashes and "." components
 * @size: bytes of @out, PATH_MAX at most
 * @why: set to the reason when the path is refused
 *
 * ".." is refused and not collapsed: what it means depends on symlinks, which
 * the caller has to look at.
 *
 * Return: 0, -ENOENT for an empty path, -EINVAL for a relative path or "..",
 * -ENAMETOOLONG as path lookup would say.
 */
int bl_path_normalize(const char *path, char *out, size_t size,
		      const char **why)
{
	size_t len = 0;

	if (!*path) {
		*why = "the path is empty";
		return -ENOENT;
	}
	if (*path != '/') {
		*why = "the path is not absolute";
		return -EINVAL;
	}
	if (strnlen(path, PATH_MAX) == PATH_MAX) {
		*why = "the path is too long";
		return -ENAMETOOLONG;
	}

	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			break;
		if (n == 1 && path[0] == '.') {
			path += n;
			continue;
		}
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			*why = "the path has a \"..\" component";
			return -EINVAL;
		}
		if (n > NAME_MAX) {
			*why = "a component of the path is too long";
			return -ENAMETOOLONG;
		}
		if (len + n + 2 > size) {
			*why = "the path is too long";
			return -ENAMETOOLONG;
		}
		out[len++] = '/';
		memcpy(out + len, path, n);
		len += n;
		path += n;
	}
	if (!len)
		out[len++] = '/';
	out[len] = '\0';
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(bl_path_normalize);

/**
 * bl_path_last - the last component of a normalised path
 * @path: normalised path
 *
 * Return: the name, "" for "/".
 */
const char *bl_path_last(const char *path)
{
	return strrchr(path, '/') + 1;
}
EXPORT_SYMBOL_IF_KUNIT(bl_path_last);

/**
 * bl_path_related - whether one path is the other, or above it or below it
 * @a: normalised path
 * @b: normalised path
 */
bool bl_path_related(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	/* The shorter one ends here, and the other one's component too. */
	return (!a[n] && (!b[n] || b[n] == '/' || n == 1)) ||
	       (!b[n] && (a[n] == '/' || n == 1));
}
EXPORT_SYMBOL_IF_KUNIT(bl_path_related);

/**
 * bl_path_is_below - whether one path is strictly below another
 * @path: normalised path
 * @above: normalised path
 */
bool bl_path_is_below(const char *path, const char *above)
{
	size_t len = above[1] ? strlen(above) : 0;

	return !strncmp(path, above, len) && path[len] == '/' && path[len + 1];
}
EXPORT_SYMBOL_IF_KUNIT(bl_path_is_below);
