// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Users' mounts below a carrier: put on the tree when that comes over the
 * directory, so that umount and move act on what is seen, and put back when it
 * goes. What is seen at a path stays the same all the time.
 *
 * Only for threads that have a working directory of their own: umount2(2)
 * takes no descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "carry.h"
#include "mounts.h"

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH	0x00000200
#endif

/* Of so many mounts at one place, one over the other, is taken care. */
#define STACK_MAX	64

/**
 * bl_spot_open() - Open the directory of a mount point.
 * @spot: set on success; close it with bl_spot_close()
 * @ground: a directory above it, in the same mount
 * @path: the mount point
 *
 * Return: 0 or a negative errno, -EXDEV if another mount is on the way.
 */
int bl_spot_open(struct bl_spot *spot, const struct bl_ground *ground,
		 const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	const char *rest = bl_path_below(path, ground->path);
	const char *slash;
	char *directory;

	if (!rest || !*rest)
		return -EINVAL;
	slash = strrchr(rest, '/');
	spot->name = slash ? slash + 1 : rest;
	directory = slash ? strndup(rest, slash - rest) : strdup(".");
	if (!directory)
		return -ENOMEM;
	spot->dir = (int)syscall(SYS_openat2, ground->fd, directory, &how,
				 sizeof(how));
	free(directory);
	return spot->dir < 0 ? -errno : 0;
}

void bl_spot_close(struct bl_spot *spot)
{
	close(spot->dir);
}

/* Detach what is mounted on top. */
int bl_spot_detach(const struct bl_spot *spot)
{
	if (fchdir(spot->dir) ||
	    umount2(spot->name, MNT_DETACH | UMOUNT_NOFOLLOW))
		return -errno;
	return 0;
}

/*
 * Detach a mount of which there is a copy. That is in the same peer group, and
 * what is mounted on it would go together with what is mounted here.
 */
static int leave(int mount, const struct bl_spot *spot)
{
	struct mount_attr attributes = { .propagation = MS_SLAVE };

	mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
		      sizeof(attributes));
	return bl_spot_detach(spot);
}

static int open_top(const struct bl_spot *spot)
{
	return bl_place_open(spot->dir, spot->name);
}

static int copy(int mount)
{
	int fd = open_tree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			   AT_EMPTY_PATH | AT_RECURSIVE);

	return fd < 0 ? -errno : fd;
}

static int put(int mount, const struct bl_spot *spot, unsigned int flags)
{
	return move_mount(mount, "", spot->dir, spot->name,
			  MOVE_MOUNT_F_EMPTY_PATH | flags) ? -errno : 0;
}

/*
 * Whether what is mounted is the same at both places already: propagation may
 * have been here before.
 */
static bool is_there(int mount, const struct bl_spot *spot)
{
	struct stat here, there;
	uint64_t place, found;
	bool same;
	int fd;

	fd = open_top(spot);
	if (fd < 0)
		return false;
	same = !bl_mount_id(fd, &found) && !bl_mount_id(spot->dir, &place) &&
	       found != place && !fstat(mount, &here) && !fstat(fd, &there) &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
	close(fd);
	return same;
}

static bool is_on_top(const struct bl_spot *spot, uint64_t id)
{
	int fd = open_top(spot);
	uint64_t found;
	bool same;

	if (fd < 0)
		return false;
	same = !bl_mount_id(fd, &found) && found == id;
	close(fd);
	return same;
}

/*
 * The copy of a mount has taken its place, so it goes. If it is locked, the
 * copy goes. So it does if the mount is not there any more: nobody else carries
 * mounts here, so a user has unmounted it.
 */
static int replace(int mount, const struct bl_spot *from, int copy,
		   const struct bl_spot *to, enum bl_locked locked)
{
	uint64_t id, copy_id;
	bool gone;
	int error;

	error = bl_mount_id(mount, &id);
	if (!error)
		error = bl_mount_id(copy, &copy_id);
	if (error)
		return error;
	error = leave(mount, from);
	if (!error)
		return 0;
	gone = !is_on_top(from, id);
	if ((gone || locked == BL_LOCKED_STAYS) && is_on_top(to, copy_id))
		bl_spot_detach(to);
	return gone ? 0 : error;
}

/*
 * A mount on a shared one cannot be moved. Its copy takes the place, and it
 * goes, unless it is locked.
 */
static int carry_one(int mount, const struct bl_spot *from,
		     const struct bl_spot *to, unsigned int flags,
		     enum bl_locked locked)
{
	int error, fd;

	if (!flags && is_there(mount, to))
		return leave(mount, from);
	error = put(mount, to, flags);
	if (error != -EINVAL)
		return error;

	fd = copy(mount);
	if (fd < 0)
		return fd;
	error = put(fd, to, flags);
	if (!error)
		error = flags ? leave(mount, from) :
			replace(mount, from, fd, to, locked);
	close(fd);
	return error;
}

/* Copy what is on top at a place and take it off there. */
static int lift(int mount, const struct bl_spot *from, int *copies, int *count)
{
	int fd = copy(mount);

	if (fd < 0)
		return fd;
	copies[(*count)++] = fd;
	return leave(mount, from);
}

/* Detach all mounts at a place. */
static int leave_stack(const struct bl_spot *from, uint64_t lowest)
{
	uint64_t id = ~lowest;
	int error = 0, fd;

	for (int i = 0; !error && id != lowest && i < STACK_MAX; i++) {
		fd = open_top(from);
		if (fd < 0)
			return fd;
		error = bl_mount_id(fd, &id);
		if (!error)
			error = leave(fd, from);
		close(fd);
	}
	return error;
}

/*
 * Several mounts at one place. The lower ones can be reached only when the
 * upper ones are gone, and can be put only directly under the topmost; that
 * one goes first, so that it is seen all the time.
 */
static int carry_stack(int top, const struct bl_spot *from,
		       const struct bl_spot *to, uint64_t lowest,
		       enum bl_locked locked)
{
	int copies[STACK_MAX], count = 0;
	int fd = -1, error;
	uint64_t id;

	if (is_there(top, to))
		return leave_stack(from, lowest);
	copies[0] = copy(top);
	if (copies[0] < 0)
		return copies[0];
	count++;
	error = put(copies[0], to, 0);
	if (!error)
		error = replace(top, from, copies[0], to, locked);
	while (!error) {
		fd = open_top(from);
		if (fd < 0) {
			error = fd;
			break;
		}
		error = bl_mount_id(fd, &id);
		if (error || id == lowest)
			break;
		error = count < STACK_MAX ? lift(fd, from, copies, &count) :
		       -ELOOP;
		close(fd);
		fd = -1;
	}
	if (!error)
		error = carry_one(fd, from, to, MOVE_MOUNT_BENEATH, locked);
	if (fd >= 0)
		close(fd);
	while (count-- > 0) {
		if (count)
			put(copies[count], to, MOVE_MOUNT_BENEATH);
		close(copies[count]);
	}
	return error;
}

/* Whether the mount @id is at the place of @mount, and over it. */
static bool is_over(uint64_t id, const struct bl_mount *mount)
{
	struct bl_mount upper;
	bool same;

	for (int i = 0; id != mount->id; i++) {
		if (i == STACK_MAX || bl_mount_read(id, &upper))
			return false;
		same = !strcmp(upper.path, mount->path) && upper.parent != id;
		id = upper.parent;
		bl_mount_clear(&upper);
		if (!same)
			return false;
	}
	return true;
}

/**
 * bl_carry() - Carry a mount, and what is mounted on it, to another mount.
 * @from: the directory below which it is mounted
 * @to: the directory below which it shall be, at the same path
 * @mount: the mount, one that is mounted on that of @from
 * @locked: if it cannot be taken off
 *
 * Return: 0 or a negative errno; the mount may be at either place then.
 */
int bl_carry(const struct bl_ground *from, const struct bl_ground *to,
	     const struct bl_mount *mount, enum bl_locked locked)
{
	struct bl_spot source, target;
	uint64_t id;
	int error, top;

	error = bl_spot_open(&source, from, mount->path);
	if (error)
		return error;
	error = bl_spot_open(&target, to, mount->path);
	if (error)
		goto close_source;
	top = open_top(&source);
	if (top < 0) {
		error = top;
		goto close_target;
	}

	error = bl_mount_id(top, &id);
	if (error)
		;
	else if (!is_over(id, mount))
		error = -ENOENT;	/* gone meanwhile */
	else if (id == mount->id)
		error = carry_one(top, &source, &target, 0, locked);
	else
		error = carry_stack(top, &source, &target, mount->id,
				    locked);
	close(top);
close_target:
	bl_spot_close(&target);
close_source:
	bl_spot_close(&source);
	return error;
}
