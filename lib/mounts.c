// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The mounts of the calling thread's namespace, by statmount(2) and
 * listmount(2): these work where there is no /proc, and tell of one mount
 * without reading about all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mounts.h"

/* What headers older than the kernels that bindlink is for do not have. */
#ifndef SYS_statmount
#define SYS_statmount	457
#endif
#ifndef SYS_listmount
#define SYS_listmount	458
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE	0x00004000U
#endif

#define MOUNT_SB_BASIC	0x01
#define MOUNT_BASIC	0x02
#define MOUNT_ROOT	0x08
#define MOUNT_POINT	0x10
#define MOUNT_FS_TYPE	0x20
#define MOUNT_ALL	(MOUNT_SB_BASIC | MOUNT_BASIC | MOUNT_ROOT | \
			 MOUNT_POINT | MOUNT_FS_TYPE)

/* All mounts below the root directory. */
#define LIST_ROOT	UINT64_MAX
#define LIST_CHUNK	1024

struct mount_request {
	uint32_t size;
	uint32_t spare;
	uint64_t id;
	uint64_t param;
};

struct mount_answer {
	uint32_t size;
	uint32_t mount_options;
	uint64_t mask;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t magic;
	uint32_t flags;
	uint32_t fs_type;	/* in @strings, as @root and @mount_point */
	uint64_t id;
	uint64_t parent_id;
	uint32_t old_id;
	uint32_t old_parent_id;
	uint64_t attr;
	uint64_t propagation;
	uint64_t peer_group;
	uint64_t master;
	uint64_t propagate_from;
	uint32_t root;
	uint32_t mount_point;
	uint64_t spare[50];
	char strings[3 * 4096];
};

_Static_assert(offsetof(struct mount_answer, strings) == 512,
	       "struct statmount of the kernel");

/* Strings that were not asked for are empty. */
static int ask(uint64_t id, uint64_t mask, struct mount_answer *answer)
{
	struct mount_request request = {
		.size = sizeof(request),
		.id = id,
		.param = mask,
	};

	if (syscall(SYS_statmount, &request, answer, sizeof(*answer), 0))
		return -errno;
	if ((answer->mask & mask) != mask)
		return -ENODATA;
	if (!(mask & MOUNT_FS_TYPE))
		return 0;
	return answer->fs_type < sizeof(answer->strings) &&
	       answer->root < sizeof(answer->strings) &&
	       answer->mount_point < sizeof(answer->strings) ? 0 : -EPROTO;
}

static const char *path_of(const struct mount_answer *answer)
{
	return answer->strings + answer->mount_point;
}

static bool is_tree(const struct mount_answer *answer)
{
	return !strcmp(answer->strings + answer->fs_type, BL_FILESYSTEM);
}

static uint64_t dev_of(const struct mount_answer *answer)
{
	return (uint64_t)answer->dev_major << 32 | answer->dev_minor;
}

static int take(struct bl_mount *mount, const struct mount_answer *answer)
{
	mount->id = answer->id;
	mount->parent = answer->parent_id;
	mount->dev = dev_of(answer);
	mount->tree = is_tree(answer);
	mount->whole = !strcmp(answer->strings + answer->root, "/");
	mount->slave = answer->propagation & MS_SLAVE;
	mount->path = strdup(path_of(answer));
	return mount->path ? 0 : -ENOMEM;
}

/**
 * bl_path_below() - Compare paths, by name.
 * @path: an absolute path
 * @directory: another one
 *
 * Return: what @path has more than @directory, without a slash before it; NULL
 * if it is neither @directory nor below it.
 */
const char *bl_path_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (length == 1)	/* "/" */
		length = 0;
	if (strncmp(path, directory, length))
		return NULL;
	if (!path[length])
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

/**
 * bl_place_open() - Open what is mounted somewhere.
 * @directory: where @path begins, or AT_FDCWD
 * @path: the place; a symbolic link is not followed
 *
 * As open(2) with O_PATH. But over a tree the kernel may have mounted what the
 * link leads to, to which walks go on unless they are about to work on mounts.
 *
 * Return: a descriptor, or a negative errno.
 */
int bl_place_open(int directory, const char *path)
{
	int fd = open_tree(directory, path, OPEN_TREE_CLOEXEC |
			   AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);

	return fd < 0 ? -errno : fd;
}

/**
 * bl_mount_id() - Number of the mount that a descriptor is of.
 * @fd: the descriptor
 * @id: set on success
 *
 * Return: 0 or a negative errno: the number comes with attributes, and what a
 * link leads to may be gone.
 */
int bl_mount_id(int fd, uint64_t *id)
{
	struct statx status;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT |
		  AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &status))
		return -errno;
	if (!(status.stx_mask & STATX_MNT_ID_UNIQUE))
		return -ENODATA;
	*id = status.stx_mnt_id;
	return 0;
}

/**
 * bl_mount_read() - Describe a mount.
 * @id: its number
 * @mount: set on success; clear it with bl_mount_clear()
 *
 * Return: 0 or a negative errno.
 */
int bl_mount_read(uint64_t id, struct bl_mount *mount)
{
	struct mount_answer *answer = malloc(sizeof(*answer));
	int error;

	memset(mount, 0, sizeof(*mount));
	if (!answer)
		return -ENOMEM;
	error = ask(id, MOUNT_ALL, answer);
	if (!error)
		error = take(mount, answer);
	free(answer);
	return error;
}

void bl_mount_clear(struct bl_mount *mount)
{
	free(mount->path);
	mount->path = NULL;
}

static int add(struct bl_mounts *list, const struct mount_answer *answer)
{
	struct bl_mount *mounts;
	size_t room;
	int error;

	if (list->count == list->room) {
		room = list->room ? list->room * 2 : 16;
		mounts = reallocarray(list->mounts, room, sizeof(*mounts));
		if (!mounts)
			return -ENOMEM;
		list->mounts = mounts;
		list->room = room;
	}
	error = take(&list->mounts[list->count], answer);
	if (!error)
		list->count++;
	return error;
}

/* Numbers of the mounts below the mount @id, the oldest first. */
static ssize_t list_ids(uint64_t id, uint64_t last, uint64_t *ids)
{
	struct mount_request request = {
		.size = sizeof(request),
		.id = id,
		.param = last,
	};
	ssize_t count = syscall(SYS_listmount, &request, ids, LIST_CHUNK, 0);

	return count < 0 ? -errno : count;
}

/*
 * Strings cost more than all else. A mount that went away since it was listed
 * is none.
 */
static int look_at(struct bl_mounts *list, uint64_t id, uint64_t parent,
		   const char *below, struct mount_answer *answer)
{
	const char *rest;

	if (parent != LIST_ROOT &&
	    (ask(id, MOUNT_BASIC, answer) || answer->parent_id != parent))
		return 0;
	if (ask(id, MOUNT_ALL, answer))
		return 0;
	rest = bl_path_below(path_of(answer), below);
	return rest && *rest ? add(list, answer) : 0;
}

/**
 * bl_mounts_read() - Read about mounts.
 * @mounts: filled in; clear it with bl_mounts_clear(), also after a failure
 * @parent: number of the mount that they are mounted on
 * @below: the directory below which they are mounted, from the root directory
 * @most: how many mounts to look at, or SIZE_MAX
 *
 * What is mounted over another mount, at its root, has that one as its parent:
 * of a stack of mounts this is the lowest.
 *
 * Return: 0 or a negative errno, -E2BIG if there are more to look at.
 */
int bl_mounts_read(struct bl_mounts *mounts, uint64_t parent,
		   const char *below, size_t most)
{
	struct mount_answer *answer = malloc(sizeof(*answer));
	uint64_t *ids = malloc(LIST_CHUNK * sizeof(*ids));
	uint64_t last = 0;
	ssize_t count;
	int error = answer && ids ? 0 : -ENOMEM;

	memset(mounts, 0, sizeof(*mounts));
	while (!error) {
		count = list_ids(parent, last, ids);
		if (count <= 0) {
			error = (int)count;
			break;
		}
		for (ssize_t i = 0; !error && i < count; i++)
			error = most-- ? look_at(mounts, ids[i], parent, below,
						 answer) : -E2BIG;
		last = ids[count - 1];
	}
	free(ids);
	free(answer);
	return error;
}

void bl_mounts_clear(struct bl_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		bl_mount_clear(&mounts->mounts[i]);
	free(mounts->mounts);
	memset(mounts, 0, sizeof(*mounts));
}

/*
 * Begin at the mount that is seen at @path and go down: this costs the same
 * however many mounts there are. Where @path cannot be looked up, since what
 * the link leads to is gone, it has no answer.
 */
static enum bl_found find_by_lookup(const char *path, uint64_t dev,
				    struct mount_answer *answer)
{
	enum bl_found found = BL_FOUND_TOP;
	struct statx status;
	uint64_t id;
	int error, fd;

	fd = bl_place_open(AT_FDCWD, path);
	if (fd < 0)
		return BL_FOUND_UNKNOWN;
	error = statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT |
		      AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &status);
	close(fd);
	if (error || !(status.stx_mask & STATX_MNT_ID_UNIQUE))
		return BL_FOUND_UNKNOWN;
	if (!(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return BL_FOUND_NONE;

	id = status.stx_mnt_id;
	for (;;) {
		if (ask(id, MOUNT_ALL, answer))
			return BL_FOUND_UNKNOWN;
		if (strcmp(path_of(answer), path))
			return BL_FOUND_NONE;
		if (is_tree(answer) && dev_of(answer) == dev)
			return found;
		found = BL_FOUND_COVERED;
		if (answer->parent_id == id)
			return BL_FOUND_NONE;
		id = answer->parent_id;
	}
}

/*
 * Whether a mount on a tree is one of the kernel's, which is out of reach when what
 * the link leads to is gone: somebody is still in it. It goes with the tree. Only
 * this table has the name of what is mounted.
 */
static bool is_lane(uint32_t id)
{
	FILE *table = fopen("/proc/thread-self/mountinfo", "re");
	const char *rest;
	bool lane = false;
	size_t size = 0;
	char *line = NULL;

	while (table && getline(&line, &size, table) > 0) {
		if (strtoul(line, NULL, 10) != id)
			continue;
		rest = strstr(line, " - ");
		rest = rest ? strchr(rest + 3, ' ') : NULL;
		lane = rest && !strncmp(rest + 1, BL_FILESYSTEM " ",
					strlen(BL_FILESYSTEM " "));
		break;
	}
	free(line);
	if (table)
		fclose(table);
	return lane;
}

static enum bl_found find_in_table(const char *path, uint64_t dev,
				   struct mount_answer *answer)
{
	uint64_t *ids = malloc(LIST_CHUNK * sizeof(*ids));
	uint64_t last = 0, tree = 0, above = 0;
	ssize_t count;

	if (!ids)
		return BL_FOUND_UNKNOWN;
	while ((count = list_ids(LIST_ROOT, last, ids)) > 0) {
		for (ssize_t i = 0; i < count; i++) {
			if (ask(ids[i], MOUNT_ALL, answer) ||
			    strcmp(path_of(answer), path))
				continue;
			if (is_tree(answer) && dev_of(answer) == dev) {
				/* Of several, the one on top. */
				tree = answer->id;
				above = 0;
			} else if (tree && answer->parent_id == tree &&
				   !is_lane(answer->old_id)) {
				above = answer->id;
			}
		}
		last = ids[count - 1];
	}
	free(ids);
	if (count < 0)
		return BL_FOUND_UNKNOWN;
	if (!tree)
		return BL_FOUND_NONE;
	return above ? BL_FOUND_COVERED : BL_FOUND_TOP;
}

/**
 * bl_mounts_find_tree() - Find a tree.
 * @path: where it should be mounted, from the root directory
 * @dev: its device number
 *
 * Return: what there is.
 */
enum bl_found bl_mounts_find_tree(const char *path, uint64_t dev)
{
	struct mount_answer *answer = malloc(sizeof(*answer));
	enum bl_found found;

	if (!answer)
		return BL_FOUND_UNKNOWN;
	found = find_by_lookup(path, dev, answer);
	if (found == BL_FOUND_UNKNOWN)
		found = find_in_table(path, dev, answer);
	free(answer);
	return found;
}

/**
 * bl_mounts_search_tree() - Find a tree that is not where it was made.
 * @dev: its device number
 *
 * Return: where it is mounted now, to be freed, or NULL.
 */
char *bl_mounts_search_tree(uint64_t dev)
{
	struct bl_mounts mounts;
	char *path = NULL;

	bl_mounts_read(&mounts, LIST_ROOT, "/", SIZE_MAX);
	for (size_t i = 0; !path && i < mounts.count; i++) {
		struct bl_mount *mount = &mounts.mounts[i];

		if (mount->tree && mount->whole && mount->dev == dev) {
			path = mount->path;
			mount->path = NULL;
		}
	}
	bl_mounts_clear(&mounts);
	return path;
}
