// SPDX-License-Identifier: LGPL-2.1-or-later
/* The mounts that carry links: made, attached, found and detached. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libmount.h>

#include "message.h"
#include "tree.h"

#define FILESYSTEM	"bindlink"

/* How many mounts of one tree, one over the other, are taken off. */
#define DETACH_MAX	64

/*
 * statmount(2), which headers older than the kernels that bindlink is for do
 * not have.
 */
#ifndef SYS_statmount
#define SYS_statmount	457
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE	0x00004000U
#endif

#define MOUNT_SB_BASIC	0x01
#define MOUNT_BASIC	0x02
#define MOUNT_POINT	0x10
#define MOUNT_FS_TYPE	0x20
#define MOUNT_ALL	(MOUNT_SB_BASIC | MOUNT_BASIC | MOUNT_POINT | \
			 MOUNT_FS_TYPE)

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
	uint32_t fs_type;	/* in @strings, as @mount_point */
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

enum place {
	PLACE_UNKNOWN,
	PLACE_ABSENT,	/* the tree is not mounted there */
	PLACE_TOP,	/* it is, and nothing over it */
	PLACE_COVERED,	/* it is, and something else over it */
};

/*
 * What a filesystem context has to say about the last failure, without the
 * "e " and the name of the filesystem that it puts before it.
 */
static void read_log(int context, char *text, size_t size)
{
	char line[512];
	const char *start;
	ssize_t length;

	text[0] = '\0';
	while ((length = read(context, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "e ", 2))
			continue;
		start = line + 2;
		if (!strncmp(start, FILESYSTEM ": ", strlen(FILESYSTEM ": ")))
			start += strlen(FILESYSTEM ": ");
		snprintf(text, size, "%s", start);
	}
}

static int configure(int context, int carrier)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", carrier);
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", FILESYSTEM, 0) ||
	    fsconfig(context, FSCONFIG_SET_STRING, "carrier", number, 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	return 0;
}

/**
 * bl_tree_make() - Make a tree that is not attached.
 * @subject: path for messages
 * @carrier: descriptor of what it is to be stacked over
 *
 * Return: descriptor of the tree's root, whose closing takes the tree away, or
 * a negative errno, for which there is a message.
 */
int bl_tree_make(const char *subject, int carrier)
{
	char reason[512];
	int context, tree, error;

	context = fsopen(FILESYSTEM, FSOPEN_CLOEXEC);
	if (context < 0) {
		error = -errno;
		return bl_fail(error, subject,
			       "cannot begin a mount of type " FILESYSTEM ": %s",
			       bl_reason(error));
	}

	error = configure(context, carrier);
	if (!error) {
		tree = fsmount(context, FSMOUNT_CLOEXEC, 0);
		if (tree >= 0) {
			close(context);
			return tree;
		}
		error = -errno;
	}
	read_log(context, reason, sizeof(reason));
	close(context);
	return bl_fail(error, subject, "%s%s",
		       *reason ? "" : "cannot make the mount for the link: ",
		       *reason ? reason : bl_reason(error));
}

/**
 * bl_tree_attach() - Attach a tree.
 * @tree: descriptor of its root
 * @carrier: descriptor of what it goes over
 *
 * Return: 0 or a negative errno. Leaves no message.
 */
int bl_tree_attach(int tree, int carrier)
{
	return move_mount(tree, "", carrier, "", MOVE_MOUNT_F_EMPTY_PATH |
			  MOVE_MOUNT_T_EMPTY_PATH) ? -errno : 0;
}

static bool ask_mount(uint64_t id, struct mount_answer *answer)
{
	struct mount_request request = {
		.size = sizeof(request),
		.id = id,
		.param = MOUNT_ALL,
	};

	return !syscall(SYS_statmount, &request, answer, sizeof(*answer), 0) &&
	       (answer->mask & MOUNT_ALL) == MOUNT_ALL &&
	       answer->fs_type < sizeof(answer->strings) &&
	       answer->mount_point < sizeof(answer->strings);
}

static bool is_tree(const struct mount_answer *mount, uint64_t dev)
{
	return mount->dev_major == dev >> 32 &&
	       mount->dev_minor == (dev & UINT32_MAX) &&
	       !strcmp(mount->strings + mount->fs_type, FILESYSTEM);
}

/*
 * Begin at the mount that is seen at @path and go down: this costs the same
 * however many mounts there are. Where @path cannot be looked up, since what
 * the link leads to is gone, it has no answer.
 */
static enum place find_by_lookup(const char *path, uint64_t dev)
{
	struct mount_answer *mount;
	enum place place = PLACE_TOP;
	struct statx stat;
	uint64_t id;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
		  AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &stat) ||
	    !(stat.stx_mask & STATX_MNT_ID_UNIQUE))
		return PLACE_UNKNOWN;
	if (!(stat.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return PLACE_ABSENT;
	mount = malloc(sizeof(*mount));
	if (!mount)
		return PLACE_UNKNOWN;

	id = stat.stx_mnt_id;
	for (;;) {
		if (!ask_mount(id, mount)) {
			place = PLACE_UNKNOWN;
			break;
		}
		if (strcmp(mount->strings + mount->mount_point, path)) {
			place = PLACE_ABSENT;
			break;
		}
		if (is_tree(mount, dev))
			break;
		place = PLACE_COVERED;
		if (mount->parent_id == id) {
			place = PLACE_ABSENT;
			break;
		}
		id = mount->parent_id;
	}
	free(mount);
	return place;
}

static bool is_entry(struct libmnt_fs *fs, const char *path)
{
	const char *target = mnt_fs_get_target(fs);

	return target && !strcmp(target, path);
}

/* Whether another mount at @path is on top of the mount @id. */
static bool is_covered(struct libmnt_table *table, const char *path, int id)
{
	struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	bool covered = false;

	if (!iter)
		return true;
	while (!covered && !mnt_table_next_fs(table, iter, &fs))
		covered = is_entry(fs, path) && mnt_fs_get_parent_id(fs) == id;
	mnt_free_iter(iter);
	return covered;
}

static enum place find_in_table(const char *path, uint64_t dev)
{
	struct libmnt_table *table;
	struct libmnt_iter *iter;
	struct libmnt_fs *fs;
	enum place place = PLACE_ABSENT;

	table = mnt_new_table_from_file("/proc/self/mountinfo");
	iter = mnt_new_iter(MNT_ITER_BACKWARD);
	if (!table || !iter) {
		mnt_free_iter(iter);
		mnt_unref_table(table);
		return PLACE_UNKNOWN;
	}

	while (place != PLACE_TOP && !mnt_table_next_fs(table, iter, &fs)) {
		dev_t devno = mnt_fs_get_devno(fs);
		const char *type = mnt_fs_get_fstype(fs);

		if (!is_entry(fs, path) || !type || strcmp(type, FILESYSTEM) ||
		    major(devno) != dev >> 32 ||
		    minor(devno) != (dev & UINT32_MAX))
			continue;
		place = is_covered(table, path, mnt_fs_get_id(fs)) ?
			PLACE_COVERED : PLACE_TOP;
	}
	mnt_free_iter(iter);
	mnt_unref_table(table);
	return place;
}

/**
 * bl_tree_detach() - Detach a tree.
 * @subject: path for messages
 * @carrier_path: where it is mounted
 * @dev: its device number, as netlink has it
 *
 * Nothing but this tree is detached, and it is no error if it is not there:
 * an administrator may have unmounted it, or it is in another namespace.
 *
 * Return: 0 or a negative errno, for which there is a message.
 */
int bl_tree_detach(const char *subject, const char *carrier_path, uint64_t dev)
{
	enum place place;
	int error;

	for (int i = 0; i < DETACH_MAX; i++) {
		place = find_by_lookup(carrier_path, dev);
		if (place == PLACE_UNKNOWN)
			place = find_in_table(carrier_path, dev);

		switch (place) {
		case PLACE_ABSENT:
			return 0;
		case PLACE_COVERED:
			return bl_fail(-EBUSY, subject,
				       "something else is mounted over the link at %s",
				       carrier_path);
		case PLACE_TOP:
			break;
		default:
			return bl_fail(-ENOENT, subject,
				       "cannot read the table of mounts, /proc/self/mountinfo");
		}

		if (umount2(carrier_path, MNT_DETACH | UMOUNT_NOFOLLOW)) {
			error = -errno;
			/* Somebody else was faster; look again. */
			if (error == -EINVAL || error == -ENOENT)
				continue;
			return bl_fail(error, subject, "cannot unmount %s: %s",
				       carrier_path, bl_reason(error));
		}
	}
	return bl_fail(-EBUSY, subject, "%s is mounted again and again",
		       carrier_path);
}
