// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is mounted below a directory that gets a tree, or loses it: trees that
 * carry nothing any more are detached, users' mounts are carried over.
 *
 * A tree is left over when another one shows its links, or when somebody was
 * killed, or failed, in the middle of a removal. It shows what it covers.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "link.h"
#include "mounts.h"
#include "netlink.h"
#include "settle.h"
#include "tree.h"

enum verdict {
	LIVE,		/* carries links */
	LEFT_OVER,
	FOREIGN,	/* somebody's bind mount of a tree */
};

/**
 * bl_settle_wait() - Give lookups that are under way time, once.
 * @links: the links
 *
 * One may have gone by a directory before a tree came over that, and be about to
 * come to a tree below, which is to be taken away.
 */
void bl_settle_wait(struct bl_links *links)
{
	const struct timespec grace = { .tv_nsec = 100000000 };

	if (!links->waited)
		nanosleep(&grace, NULL);
	links->waited = true;
}

void bl_links_forget(struct bl_links *links)
{
	bindlink_iterator_free(links->list);
	links->list = NULL;
}

/* Whether the tree shows nothing but what it covers. */
static bool is_transparent(struct bl_socket *socket, int tree)
{
	struct stat above, below;
	bool same;
	int fd;

	fd = bl_tree_beneath(socket, tree);
	if (fd < 0)
		return false;
	same = !fstat(tree, &above) && !fstat(fd, &below) &&
	       above.st_dev == below.st_dev && above.st_ino == below.st_ino;
	close(fd);
	return same;
}

/*
 * The list of links has to be read after the mounts, or a link that was made
 * in between would not be in it although its tree is mounted.
 */
static enum verdict judge(struct bl_links *links, const struct bl_mount *mount,
			  int tree)
{
	const struct bindlink_link *link;
	bool listed = false, virtual = false;

	if (!links->list && bl_links_read(links->socket, &links->list))
		return LIVE;
	for (size_t i = 0; (link = bl_links_at(links->list, i)); i++) {
		if (link->dev == mount->dev) {
			listed = true;
			if (link->carrier_path &&
			    !strcmp(mount->path, link->carrier_path))
				return LIVE;
		} else if (!strcmp(mount->path, link->virtual)) {
			virtual = true;
		}
	}
	if (listed)
		return FOREIGN;
	if (virtual)
		return LEFT_OVER;
	return tree >= 0 && is_transparent(links->socket, tree) ? LEFT_OVER :
	       FOREIGN;
}

/**
 * bl_settle_leftover() - Detach a tree that was attached for nothing.
 * @links: the links
 * @path: where it is mounted
 * @tree: descriptor of its root
 *
 * So is one for a link that has been removed meanwhile. Asking what it covers
 * reserves it: if it has no links then, nobody makes one in it.
 */
void bl_settle_leftover(struct bl_links *links, const char *path, int tree)
{
	struct bl_mount mount;
	uint64_t id;

	if (!is_transparent(links->socket, tree) || bl_mount_id(tree, &id) ||
	    bl_mount_read(id, &mount))
		return;
	bl_links_forget(links);
	if (mount.tree && !strcmp(mount.path, path) &&
	    judge(links, &mount, tree) == LEFT_OVER &&
	    bl_mounts_find_tree(path, mount.dev) == BL_FOUND_TOP)
		bl_tree_drop(tree, path);
	bl_mount_clear(&mount);
}

/* The root of a tree below @ground, or -1. */
static int open_tree_at(const struct bl_spot *spot, const struct bl_mount *tree)
{
	uint64_t id;
	int fd = bl_place_open(spot->dir, spot->name);

	if (fd >= 0 && (bl_mount_id(fd, &id) || id != tree->id)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static enum verdict judge_at(struct bl_links *links,
			     const struct bl_ground *ground,
			     const struct bl_mount *tree, int *root,
			     struct bl_spot *spot)
{
	enum verdict verdict;

	*root = -1;
	if (bl_spot_open(spot, ground, tree->path))
		return LIVE;
	*root = open_tree_at(spot, tree);
	verdict = judge(links, tree, *root);
	if (verdict != LEFT_OVER) {
		if (*root >= 0)
			close(*root);
		bl_spot_close(spot);
	}
	return verdict;
}

/*
 * What is mounted over the root of a tree goes to the same place, which the
 * other tree shows alike. Returns whether the tree is on top then.
 */
static bool uncover(const struct bl_ground *from, const struct bl_ground *to,
		    const struct bl_mount *tree)
{
	struct bl_mounts over;
	bool clear = to;

	if (!clear)
		return false;
	if (bl_mounts_read(&over, tree->id, "/", SIZE_MAX))
		clear = false;
	for (size_t i = 0; clear && i < over.count; i++)
		if (!strcmp(over.mounts[i].path, tree->path))
			clear = !bl_carry(from, to, &over.mounts[i],
					  BL_LOCKED_STAYS);
	bl_mounts_clear(&over);
	return clear;
}

/* What is mounted on a tree goes to @to, or to what the tree covers. */
static void settle_on_tree(struct bl_links *links, const struct bl_ground *tree,
			   const struct bl_ground *to)
{
	struct bl_ground beneath = { .path = tree->path };

	if (to) {
		bl_settle_mounts(links, tree, to, NULL, BL_LOCKED_GOES);
		return;
	}
	beneath.fd = bl_tree_beneath(links->socket, tree->fd);
	if (beneath.fd < 0)
		return;
	bl_settle_mounts(links, tree, &beneath, NULL, BL_LOCKED_GOES);
	close(beneath.fd);
}

/**
 * bl_settle_trees() - Detach the trees below a directory that are left over.
 * @links: the links
 * @from: the directory, in the mount that the trees are mounted on
 * @to: where what is mounted on them goes: a directory at the same path, in
 *	the tree that shows their links now; or NULL
 * @most: if there are more mounts nothing is done
 */
void bl_settle_trees(struct bl_links *links, const struct bl_ground *from,
		     const struct bl_ground *to, size_t most)
{
	struct bl_mounts mounts;
	struct bl_ground tree;
	struct bl_spot spot;
	uint64_t id;

	if (bl_mount_id(from->fd, &id))
		return;
	if (bl_mounts_read(&mounts, id, from->path, most)) {
		bl_mounts_clear(&mounts);
		return;
	}
	bl_links_forget(links);
	for (size_t i = 0; i < mounts.count; i++) {
		const struct bl_mount *mount = &mounts.mounts[i];
		bool covered = false;

		if (!mount->tree || !mount->whole ||
		    judge_at(links, from, mount, &tree.fd, &spot) != LEFT_OVER)
			continue;
		if (to)
			bl_settle_wait(links);
		/* It cannot be opened if its link leads nowhere. */
		if (tree.fd < 0 && uncover(from, to, mount))
			tree.fd = open_tree_at(&spot, mount);
		else if (tree.fd < 0)
			covered = true;
		if (tree.fd >= 0) {
			tree.path = mount->path;
			settle_on_tree(links, &tree, to);
			/* Somebody may have made a link in it meanwhile. */
			bl_links_forget(links);
			if (judge(links, mount, tree.fd) == LEFT_OVER)
				bl_tree_drop(tree.fd, mount->path);
			close(tree.fd);
		} else if (!covered) {
			bl_spot_detach(&spot);
		}
		bl_spot_close(&spot);
	}
	bl_mounts_clear(&mounts);
}

/**
 * bl_settle_mounts() - Carry users' mounts from one mount to another.
 * @links: the links
 * @from: the directory, in the mount that they are mounted on
 * @to: where they go: @from's directory, or one above it, in another mount
 * @virtual: what is mounted there, or below, stays; or NULL
 * @locked: what becomes of mounts that cannot be taken off
 *
 * What cannot be carried stays where it is.
 *
 * Return: how many were carried.
 */
int bl_settle_mounts(struct bl_links *links, const struct bl_ground *from,
		     const struct bl_ground *to, const char *virtual,
		     enum bl_locked locked)
{
	struct bl_mounts mounts;
	struct bl_spot spot;
	int root, carried = 0;
	uint64_t id;

	if (bl_mount_id(from->fd, &id))
		return 0;
	bl_mounts_read(&mounts, id, from->path, SIZE_MAX);
	for (size_t i = 0; i < mounts.count; i++) {
		const struct bl_mount *mount = &mounts.mounts[i];

		if (virtual && bl_path_below(mount->path, virtual))
			continue;
		if (mount->tree && mount->whole) {
			bl_links_forget(links);
			switch (judge_at(links, from, mount, &root, &spot)) {
			case LEFT_OVER:
				if (root >= 0)
					close(root);
				bl_spot_close(&spot);
				continue;
			case LIVE:
				continue;
			default:
				break;
			}
		}
		if (!bl_carry(from, to, mount, locked))
			carried++;
	}
	bl_mounts_clear(&mounts);
	return carried;
}

/* Whether @tree is mounted over another mount of the same tree. */
static bool is_doubled(int tree, uint64_t dev)
{
	struct bl_mount upper, lower;
	bool doubled = false;
	uint64_t id;

	if (bl_mount_id(tree, &id) || bl_mount_read(id, &upper))
		return false;
	if (!bl_mount_read(upper.parent, &lower)) {
		doubled = lower.tree && lower.whole && lower.dev == dev &&
			  !strcmp(lower.path, upper.path);
		bl_mount_clear(&lower);
	}
	bl_mount_clear(&upper);
	return doubled;
}

/**
 * bl_settle_doubled() - Undo attaching a tree where another mount of it is.
 * @links: the links
 * @path: where it was attached
 * @tree: descriptor of its root, by which it was attached
 * @dev: its device number
 *
 * Of several that attach a tree at one place at once, all but one find it
 * below theirs. Each of them takes one off, whichever is on top by then. The
 * other may also have come by propagation, under one that has been there.
 */
void bl_settle_doubled(struct bl_links *links, const char *path, int tree,
		       uint64_t dev)
{
	const struct bl_ground from = { .fd = tree, .path = path };
	struct bl_ground to = { .path = path };

	if (!is_doubled(tree, dev))
		return;
	to.fd = bl_tree_beneath(links->socket, tree);
	if (to.fd >= 0) {
		bl_settle_mounts(links, &from, &to, NULL, BL_LOCKED_GOES);
		close(to.fd);
	}
	if (bl_mounts_find_tree(path, dev) == BL_FOUND_TOP)
		bl_tree_drop(tree, path);
}
