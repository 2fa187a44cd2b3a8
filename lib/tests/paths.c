// SPDX-License-Identifier: LGPL-2.1-or-later
/* CR6, CR10: how paths are made absolute. Prints TAP. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "tap.h"

/* Filled with the working directory where the expectation begins with "@". */
static char base[PATH_MAX];

static const struct {
	const char *path;
	const char *expected;
} good_paths[] = {
	{ "/", "/" },
	{ "//", "/" },
	{ "/.", "/" },
	{ "/./", "/" },
	{ "/..", "/" },
	{ "/../..", "/" },
	{ "/nowhere", "/nowhere" },
	{ "/nowhere/", "/nowhere" },
	{ "//nowhere///at/./all//", "/nowhere/at/all" },
	{ "/nowhere/.", "/nowhere" },
	{ "/nowhere/...", "/nowhere/..." },
	{ "/nowhere/..x", "/nowhere/..x" },
	{ "/nowhere/x..", "/nowhere/x.." },
	{ "/nowhere/.x", "/nowhere/.x" },
	{ "/no where/\n\t\\\"\377", "/no where/\n\t\\\"\377" },
	{ ".", "@" },
	{ "./", "@" },
	{ "x", "@/x" },
	{ "x/", "@/x" },
	{ "./x//y/.", "@/x/y" },
	{ "d1/..", "@" },
	{ "d1/../", "@" },
	{ "d1/../x", "@/x" },
	{ "d1/./../d2//../x/./y/", "@/x/y" },
	/* A symbolic link is followed where ".." asks what is above it... */
	{ "d1/up/..", "@/d2" },
	{ "d1/up/../x", "@/d2/x" },
	{ "d1/up/../../d1/x", "@/d1/x" },
	/* ...and else left alone: it may point elsewhere tomorrow. */
	{ "d1/up", "@/d1/up" },
	{ "d1/up/x", "@/d1/up/x" },
	{ "d2/../d1/up", "@/d1/up" },
	{ "d2/../d1/up/x/", "@/d1/up/x" },
	{ "dangling", "@/dangling" },
	{ "d1/../dangling/x", "@/dangling/x" },
};

static void test_good(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(good_paths); i++) {
		const char *expected = good_paths[i].expected;
		const char *reason = NULL;
		char wanted[PATH_MAX + 64];
		char *absolute = NULL;
		int error;

		snprintf(wanted, sizeof(wanted), "%s%s",
			 *expected == '@' ? base : "",
			 expected + (*expected == '@'));
		error = bl_path_absolute(good_paths[i].path, &absolute,
					 &reason);
		tap(!error && !strcmp(absolute, wanted),
		    "path %zu of those that are good", i);
		if (error)
			printf("# error %d\n", error);
		else if (strcmp(absolute, wanted))
			printf("# got %s, wanted %s\n", absolute, wanted);
		free(absolute);
	}
}

static void expect_error(const char *path, int wanted, const char *name)
{
	const char *reason = NULL;
	char *absolute = NULL;
	int error = bl_path_absolute(path, &absolute, &reason);

	tap(error == wanted && !absolute && reason && !strchr(reason, '\n'),
	    "%s", name);
	if (error != wanted)
		printf("# got %d, wanted %d\n", error, wanted);
}

static void test_errors(void)
{
	expect_error(NULL, -EINVAL, "no path");
	expect_error("", -ENOENT, "empty path");
	expect_error("nothing/..", -ENOENT, "nothing before \"..\"");
	expect_error("nothing/../x", -ENOENT, "nothing before \"..\", deep");
	expect_error("file/..", -ENOTDIR, "file before \"..\"");
	expect_error("file/../x", -ENOTDIR, "file before \"..\", deep");
	expect_error("loop/..", -ELOOP, "loop before \"..\"");
	expect_error("dangling/../x", -ENOENT, "dangling link before \"..\"");
}

static int length_error(size_t length, const char *start)
{
	char *path = malloc(length + 1);
	const char *reason = NULL;
	char *absolute = NULL;
	int error;

	if (!path)
		tap_die("malloc");
	/* Names of one byte. */
	for (size_t i = 0; i < length; i++)
		path[i] = i % 2 ? 'x' : '/';
	memcpy(path, start, strlen(start));
	path[length] = '\0';
	error = bl_path_absolute(path, &absolute, &reason);
	if (!error && strlen(absolute) >= PATH_MAX)
		error = 1;
	free(absolute);
	free(path);
	return error;
}

static void test_lengths(void)
{
	char name[NAME_MAX + 3];

	tap(!length_error(PATH_MAX - 2, "/"), "longest path but one");
	tap(!length_error(PATH_MAX - 1, "/x/"), "longest path");
	tap(length_error(PATH_MAX, "/") == -ENAMETOOLONG,
	    "path of PATH_MAX bytes");
	tap(length_error(1000000, "/") == -ENAMETOOLONG,
	    "path of a million bytes");
	tap(length_error(PATH_MAX - 1, "x/") == -ENAMETOOLONG,
	    "path that is too long when absolute");
	tap(length_error(PATH_MAX - 1, "d1/../") == -ENAMETOOLONG,
	    "path that is too long when its \"..\" is resolved");

	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[NAME_MAX + 2] = '\0';
	expect_error(name, -ENAMETOOLONG, "name of NAME_MAX + 1 bytes");
	name[NAME_MAX + 1] = '\0';
	tap(!length_error(NAME_MAX + 1, name), "name of NAME_MAX bytes");
}

static void test_slashes(void)
{
	static const struct {
		const char *path;
		bool wanted;
	} cases[] = {
		{ "/", true },
		{ "/x", false },
		{ "/x/", true },
		{ "x/.", true },
		{ "x.", false },
		{ ".", false },
		{ "x/..", false },
		{ "x//", true },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tap(bl_path_wants_directory(cases[i].path) ==
		    cases[i].wanted, "slash at the end of \"%s\"",
		    cases[i].path);
}

static void test_removed_directory(void)
{
	const char *reason = NULL;
	char *absolute = NULL;

	if (mkdir("gone", 0700) || chdir("gone") || rmdir("../gone"))
		tap_die("gone");
	expect_error("x", -ENOENT, "working directory that was removed");
	tap(!bl_path_absolute("/x", &absolute, &reason),
	    "absolute path while the working directory has none");
	free(absolute);
	if (chdir(base))
		tap_die("chdir");
}

static void make_tree(void)
{
	char template[] = "/tmp/bindlink-paths.XXXXXX";
	int fd;

	if (!mkdtemp(template) || chdir(template) ||
	    !getcwd(base, sizeof(base) - 1))
		tap_die("temporary directory");
	fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) || mkdir("d1", 0700) || mkdir("d2", 0700) ||
	    mkdir("d2/deep", 0700) || symlink("../d2/deep", "d1/up") ||
	    symlink("nothing", "dangling") || symlink("loop", "loop"))
		tap_die("tree");
}

static void remove_tree(void)
{
	if (unlink("loop") || unlink("dangling") || unlink("d1/up") ||
	    rmdir("d2/deep") || rmdir("d2") || rmdir("d1") ||
	    unlink("file") || chdir("/") || rmdir(base))
		tap_die("removing the tree");
}

int main(void)
{
	make_tree();
	test_good();
	test_errors();
	test_lengths();
	test_slashes();
	test_removed_directory();
	remove_tree();
	return tap_end();
}
