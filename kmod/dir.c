// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the directories of a tree.
 *
 * A name that has a link stands for the backing path: what is done to the name
 * is done there, in the directory that holds the backing, and the link stays.
 *
 * Inside of a merged link a name is in several directories. What is made is made
 * in the first of them, what is removed or changed is what is seen. Renames and
 * hard links are made in one of them.
 *
 * Whatever the VFS looked up may have changed directly below by the time an
 * operation comes here. So each of them locks the backing directory, looks
 * the name up again and acts on what is there then, as the filesystem below
 * would. All checks are made there, with the caller's credentials.
 */

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>

#include "bindlink.h"

/**
 * struct bl_place - where a name of a tree is
 * @parent: directory that holds it
 * @plain: it is just a name in that, by the rules of its generation
 * @target: dentry behind a name that is @walked, with a reference, until it has
 *	been looked up; NULL otherwise
 * @walked: it is the name of a link or of an exception, or inside of one
 * @leads: links or exceptions are below the name
 * @moves: @target is just the name in another directory
 * @named: @target was looked up by the name of the dentry in the tree
 */
struct bl_place {
	struct bl_real parent;
	struct dentry *target;
	bool plain;
	bool walked;
	bool leads;
	bool moves;
	bool named;
};

/**
 * struct bl_make - where something is to be made
 * @id: in this layer; 0 for the one in which new things are made
 * @top: what is linked or renamed there is in such a layer
 */
struct bl_make {
	u64 id;
	bool top;
};

static const struct bl_make bl_make_new;

static void bl_place_put(struct bl_place *place)
{
	bl_real_put(&place->parent);
	dput(place->target);
}

/* The place of @target, which a path through links leads to. */
static int bl_place_at(struct dentry *target, struct bl_mnt *mnt,
		       struct bl_place *place)
{
	if (target == mnt->mnt->mnt_root || IS_ROOT(target))
		return -EBUSY;
	place->target = dget(target);
	place->walked = true;
	place->parent.path.mnt = mnt->mnt;
	place->parent.path.dentry = dget_parent(target);
	place->parent.mnt = bl_mnt_hold(mnt);
	return 0;
}

/*
 * That @place was found by looking the name of @dentry up, by one step or as far as
 * nothing else decides about it: it is the one for that name only.
 */
static void bl_place_name(struct bl_place *place, struct dentry *dentry,
			  bool stepped, bool named)
{
	place->named = place->target &&
		       (stepped || (named && bl_dentry_alone(dentry)));
}

static int bl_place_bound(struct bl_link *link, struct bl_place *place)
{
	struct bl_bind *bind = bl_bind_get(link);
	int err;

	if (IS_ERR(bind))
		return PTR_ERR(bind);
	err = bind->error;
	if (err == -ENOENT && bind->real.dentry)
		err = 0;
	if (!err)
		err = bl_place_at(bind->real.dentry, bind->mnt, place);
	bl_bind_put(bind);
	return err;
}

/* What was found by a walk, and still holds. */
static bool bl_place_known(struct dentry *dentry, struct bl_place *place,
			   int *err)
{
	struct bl_node *node = bl_node_proved(dentry);
	bool known = node && node->real.dentry;

	if (known) {
		*err = bl_place_at(node->real.dentry, node->mnt, place);
		bl_place_name(place, dentry, node->stepped, node->named);
	}
	bl_node_put(node);
	return known;
}

/* A name inside of a link whose backing has a view of its own. */
static int bl_place_walked(struct dentry *dentry, struct bl_place *place)
{
	struct bl_where where;
	struct bl_mnt *mnt;
	int err;

	if (bl_place_known(dentry, place, &err))
		return err;
	err = bl_dentry_walk(dentry, &where, &mnt, NULL);
	if (mnt && (!err || err == -ENOENT))
		err = bl_place_at(where.path.dentry, mnt, place);
	else if (!err || (err == -ENOENT &&
			  bl_is_way(d_inode(dentry->d_parent))))
		err = -EROFS;
	bl_place_name(place, dentry, where.stepped, where.named);
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

static const struct bl_layer *bl_layer_find(const struct bl_where *where,
					    u64 id)
{
	unsigned int i;

	for (i = 0; i < where->nr; i++)
		if (where->layers[i].id == id)
			return &where->layers[i];
	return NULL;
}

static bool bl_layer_positive(const struct bl_layer *layer)
{
	return layer->path.dentry && d_is_positive(layer->path.dentry);
}

/* Whether something is seen by the name in a layer above @layer. */
static bool bl_layer_masked(const struct bl_where *where,
			    const struct bl_layer *layer)
{
	while (layer-- > where->layers)
		if (bl_layer_positive(layer))
			return true;
	return false;
}

/*
 * The place of @layer of what @dentry was found to be. -EAGAIN when its
 * directory had to be made first.
 */
static int bl_place_layer(struct dentry *dentry, const struct bl_where *where,
			  const struct bl_layer *layer, struct bl_place *place)
{
	if (layer->path.dentry)
		return bl_place_at(layer->path.dentry, layer->mnt, place);
	/* New directories are made in the first layer only. */
	if (layer != where->layers)
		return -EXDEV;
	return bl_merge_make(dentry->d_parent) ?: -EAGAIN;
}

/*
 * The layer for @make among those that @where has, or NULL. If a directory that
 * is made of several is missing in the first place it cannot be told which of
 * those it will be; that is seen when it has been made.
 */
static const struct bl_layer *bl_layer_for(const struct bl_where *where,
					   const struct bl_make *make)
{
	const struct bl_layer *layer;

	layer = make->id ? bl_layer_find(where, make->id) : where->layers;
	if (!layer && make->top && !where->layers->path.dentry)
		layer = where->layers;
	return layer;
}

/* Where @dentry, at which nothing is, can be made as @make says. */
static int bl_place_new(struct dentry *dentry, const struct bl_make *make,
			struct bl_place *place)
{
	const struct bl_layer *layer;
	struct bl_where where;
	struct bl_mnt *mnt;
	int err;

	/* Where nothing is at all it is known of the first layer. */
	if (!make->id && d_is_negative(dentry) &&
	    bl_place_known(dentry, place, &err))
		return err;
	err = bl_dentry_walk(dentry, &where, &mnt, NULL);
	if (!err) {
		err = -EEXIST;
	} else if (err == -ENOENT && where.merged) {
		layer = bl_layer_for(&where, make);
		err = layer ? bl_place_layer(dentry, &where, layer, place) :
			      -EXDEV;
	} else if (err == -ENOENT && mnt) {
		err = !make->id || make->id == where.id ?
			bl_place_at(where.path.dentry, mnt, place) : -EXDEV;
	}
	bl_place_name(place, dentry, where.stepped, where.named);
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

/* Whether what @dentry stands for takes a walk to find. */
static int bl_name_viewed(struct dentry *dentry, const struct bl_at *at)
{
	bool viewed;
	int err;

	if (at->link || at->excepted)
		return true;
	err = bl_dentry_inner(dentry->d_parent, &viewed);
	return err < 0 ? err : viewed;
}

/* Whether it is in several directories. */
static int bl_name_merged(struct dentry *dentry, const struct bl_at *at)
{
	if (at->link && bl_link_merges(at->link))
		return true;
	return bl_dentry_merged(dentry->d_parent);
}

static int bl_place_find(struct dentry *dentry, const struct bl_at *at,
			 const struct bl_make *make, struct bl_place *place)
{
	int ret;

	if (make) {
		ret = make->id ? 1 : bl_name_merged(dentry, at);
		if (ret)
			return ret < 0 ? ret :
					 bl_place_new(dentry, make, place);
	}
	if (at->link && !bl_link_merges(at->link))
		return bl_place_bound(at->link, place);
	ret = bl_name_viewed(dentry, at);
	if (ret)
		return ret < 0 ? ret : bl_place_walked(dentry, place);
	if (bl_is_way(d_inode(dentry->d_parent)))
		return -EROFS;
	ret = bl_real_get(dentry->d_parent, &place->parent);
	if (ret && bl_is_root(d_inode(dentry->d_parent)) &&
	    bl_root_way(bl_tree(dentry->d_sb), ret))
		ret = -EROFS;
	return ret;
}

/* The way to links stays: -EBUSY when some are below @dentry in any view. */
static int bl_leads_nowhere(struct dentry *dentry)
{
	const struct inode *inode = d_inode(dentry);
	struct bl_at at;
	bool viewed;
	int err;

	if (bl_dentry_alone(dentry))
		return 0;
	if (inode && bl_is_way(inode))
		return -EBUSY;
	err = bl_dentry_at(dentry, &at);
	if (err)
		return err;
	bl_at_put(&at);
	if (at.links)
		return -EBUSY;
	err = bl_dentry_inner(dentry, &viewed);
	return err > 0 ? -EBUSY : err;
}

/* @make: NULL for what is there, and is to be removed or renamed. */
static int bl_place_get(struct dentry *dentry, const struct bl_make *make,
			struct bl_place *place)
{
	struct bl_at at;
	int err;

	memset(place, 0, sizeof(*place));
	place->plain = !(make && make->id) &&
		       bl_dentry_dir(dentry, &place->parent);
	if (place->plain)
		return 0;
	err = make ? 0 : bl_leads_nowhere(dentry);
	if (err)
		return err;
	err = bl_dentry_at(dentry, &at);
	if (err)
		return err;
	place->leads = at.below;
	err = bl_place_find(dentry, &at, make, place);
	bl_at_put(&at);
	return err;
}

static bool bl_same_name(const struct dentry *a, const struct dentry *b)
{
	return a->d_name.len == b->d_name.len &&
	       !memcmp(a->d_name.name, b->d_name.name, a->d_name.len);
}

/*
 * As bl_place_lookup(), where @place->target has another name: it was renamed, or
 * the filesystem takes both for the same.
 */
static noinline struct dentry *bl_place_other(const struct bl_place *place,
					      struct dentry *dentry)
{
	struct dentry *lower;

	lower = bl_lookup_one(place->parent.mnt, place->parent.path.dentry,
			      &dentry->d_name, true, true);
	if (IS_ERR(lower) || lower == place->target)
		return lower;
	dput(lower);
	return ERR_PTR(-EAGAIN);
}

/*
 * Look up what @dentry stands for, with the directory of @place locked;
 * -EAGAIN when that does not hold the backing any more.
 */
static struct dentry *bl_place_lookup(const struct bl_place *place,
				      struct dentry *dentry)
{
	struct dentry *dir = place->parent.path.dentry;
	struct dentry *target = place->target ?: dentry;
	struct dentry *lower;

	if (!place->walked) {
		lower = bl_node_lower(dentry, dir);
		if (lower)
			return lower;
	} else if (target->d_parent != dir ||
		   (d_is_positive(target) && d_unhashed(target))) {
		return ERR_PTR(-EAGAIN);
	} else if (place->named && !bl_same_name(target, dentry)) {
		return bl_place_other(place, dentry);
	} else if (!d_unhashed(target) &&
		   !(target->d_flags & DCACHE_OP_REVALIDATE)) {
		return dget(target);
	}
	return bl_lookup_one(place->parent.mnt, dir, &target->d_name, true,
			     true);
}

/**
 * struct bl_change - a name that is being changed below
 * @place: where it is; the directory is locked, its mount held for writing
 * @idmap: ID mapping of that mount
 * @dir: inode of the directory
 * @lower: dentry of the name in it
 * @delegated: inode whose delegation has to be broken first
 * @subdir: what is made or removed is a directory, maybe, and counts as a link
 * @made: something was made, and is to be shown when nothing is locked
 * @hidden: why that is left to the next lookup, or 0
 */
struct bl_change {
	struct bl_place place;
	struct mnt_idmap *idmap;
	struct inode *dir;
	struct dentry *lower;
	struct inode *delegated;
	bool subdir;
	bool made;
	int hidden;
};

/* How often to follow a link whose backing is being moved around. */
#define BL_PLACE_TRIES	8

/* Lock the directory of @c->place, which is put on failure. */
static int bl_change_lock(struct dentry *dentry, struct bl_change *c)
{
	struct vfsmount *mnt = c->place.parent.path.mnt;
	int err;

	c->delegated = NULL;
	c->subdir = false;
	c->made = false;
	c->hidden = 0;
	c->idmap = mnt_idmap(mnt);
	c->dir = d_inode(c->place.parent.path.dentry);
	err = mnt_want_write(mnt);
	if (err)
		goto fail;
	inode_lock_nested(c->dir, I_MUTEX_PARENT);
	c->lower = bl_place_lookup(&c->place, dentry);
	if (!IS_ERR(c->lower)) {
		/* What is removed shall not be pinned. */
		dput(c->place.target);
		c->place.target = NULL;
		return 0;
	}
	err = PTR_ERR(c->lower);
	inode_unlock(c->dir);
	mnt_drop_write(mnt);
fail:
	bl_place_put(&c->place);
	return err;
}

static int bl_change_begin(struct dentry *dentry, const struct bl_make *make,
			   struct bl_change *c)
{
	int err, tries = 0;

	do {
		err = bl_place_get(dentry, make, &c->place);
		if (!err)
			err = bl_change_lock(dentry, c);
	} while (err == -EAGAIN && ++tries < BL_PLACE_TRIES);
	return err == -EAGAIN ? -ESTALE : err;
}

static int bl_instantiate(struct dentry *dentry, struct bl_node *node)
{
	struct inode *inode = ERR_CAST(node);

	if (!IS_ERR(node))
		inode = node->inode ? bl_node_inode(dentry, node) :
				      ERR_PTR(-ENOENT);
	if (IS_ERR(inode)) {
		if (!IS_ERR(node))
			bl_node_put(node);
		d_drop(dentry);
		return PTR_ERR(inode);
	}
	bl_node_set(dentry, node);
	d_instantiate(dentry, inode);
	bl_dentry_added(dentry);
	return 0;
}

/* A node for @c->lower, by the rules by which @dentry was looked up. */
static struct bl_node *bl_change_node(struct dentry *dentry,
				      const struct bl_change *c)
{
	struct bl_node *node = bl_node_new(c->place.parent.mnt, c->lower);

	if (IS_ERR(node))
		return node;
	/* What was made of the name since may be by other rules. */
	if (c->place.plain)
		node->gen = c->place.parent.gen;
	else
		bl_node_inherit(node, dentry);
	return node;
}

/* Show in @dentry what was just made. If that fails, a lookup will do it. */
static void bl_change_show(struct dentry *dentry, struct bl_change *c)
{
	/* Some filesystems leave it to the next lookup, too. */
	bool there = d_really_is_positive(c->lower) && !d_unhashed(c->lower);
	struct bl_node *node;

	if (!c->place.walked) {
		node = there ? bl_change_node(dentry, c) : ERR_PTR(-ENOENT);
	} else {
		node = there && c->place.named && !d_is_dir(c->lower) ?
			bl_node_made(dentry, c->place.parent.mnt, c->lower) :
			NULL;
	}
	/* What takes a walk is known when nothing is locked any more. */
	c->made = !node;
	if (d_in_lookup(dentry) && !IS_ERR(node))
		c->hidden = bl_splice(dentry, node);
	else if (node)
		c->hidden = bl_instantiate(dentry, node);
}

/* Returns true when the operation has to be tried again. */
static bool bl_change_end(struct dentry *dentry, struct bl_change *c, int *err)
{
	struct inode *parent = d_inode(dentry->d_parent);

	dput(c->lower);
	inode_unlock(c->dir);
	if (c->subdir && !c->place.walked)
		bl_inode_refresh(parent, c->dir, c->place.parent.mnt);
	if (c->made)
		c->hidden = bl_instantiate(dentry,
					   bl_node_get(dentry, dentry->d_parent,
						       BL_LOOK_AGAIN));
	mnt_drop_write(c->place.parent.path.mnt);
	bl_place_put(&c->place);
	if (!c->delegated)
		return false;
	*err = break_deleg_wait(&c->delegated);
	return !*err;
}

/*
 * As bl_change_begin(), at a dentry of which nothing is known, if its name is just
 * one in a directory: it is looked up once, where it is going to be made, and
 * nobody has to remember that it was missing. False where that is not so simple.
 */
static bool bl_change_fresh(struct dentry *dentry, struct bl_change *c)
{
	int err = 0;

	memset(&c->place, 0, sizeof(c->place));
	if (!bl_name_dir(dentry, &c->place.parent))
		return false;
	if (!d_can_lookup(c->place.parent.path.dentry)) {
		bl_place_put(&c->place);
		return false;
	}
	if (bl_change_lock(dentry, c))
		return false;
	/* What is mounted there takes a walk to find. */
	if (unlikely(d_is_positive(c->lower) && d_mountpoint(c->lower))) {
		bl_change_end(dentry, c, &err);
		return false;
	}
	c->place.plain = true;
	if (d_in_lookup(dentry))
		bl_dentry_init(dentry, &bl_dops);
	return true;
}

/* What the VFS is about to mark dead is not what went away. */
static void bl_change_other(struct dentry *dentry, struct inode *real)
{
	struct inode *inode = d_inode(dentry);

	if (inode && BL_I(inode)->real != real)
		remove_inode_hash(inode);
}

/* Make a file, directory, symlink, FIFO, socket or device, by its mode. */
static int bl_make(struct dentry *dentry, umode_t mode, dev_t rdev,
		   const char *target, bool excl)
{
	struct bl_change c;
	int err;

	err = bl_change_begin(dentry, &bl_make_new, &c);
	if (err)
		return err;
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = vfs_create(c.idmap, c.dir, c.lower, mode, excl);
		break;
	case S_IFDIR:
		c.subdir = true;
		err = vfs_mkdir(c.idmap, c.dir, c.lower, mode);
		break;
	case S_IFLNK:
		err = vfs_symlink(c.idmap, c.dir, c.lower, target);
		break;
	default:
		err = vfs_mknod(c.idmap, c.dir, c.lower, mode, rdev);
	}
	if (!err)
		bl_change_show(dentry, &c);
	bl_change_end(dentry, &c, &err);
	return err;
}

/**
 * bl_create - ->create()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dir: directory, locked by the VFS
 * @dentry: negative dentry
 * @mode: mode, the umask not applied
 * @excl: the VFS wants a new file
 *
 * Return: as ->create().
 */
int bl_create(struct mnt_idmap *idmap, struct inode *dir,
	      struct dentry *dentry, umode_t mode, bool excl)
{
	return bl_make(dentry, (mode & ~S_IFMT) | S_IFREG, 0, NULL, excl);
}

/**
 * bl_mkdir - ->mkdir()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dir: directory, locked by the VFS
 * @dentry: negative dentry
 * @mode: mode, the umask not applied
 *
 * Return: as ->mkdir().
 */
int bl_mkdir(struct mnt_idmap *idmap, struct inode *dir,
	     struct dentry *dentry, umode_t mode)
{
	return bl_make(dentry, (mode & ~S_IFMT) | S_IFDIR, 0, NULL, true);
}

/**
 * bl_mknod - ->mknod()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dir: directory, locked by the VFS
 * @dentry: negative dentry
 * @mode: mode with the kind, the umask not applied
 * @rdev: device number
 *
 * Return: as ->mknod().
 */
int bl_mknod(struct mnt_idmap *idmap, struct inode *dir,
	     struct dentry *dentry, umode_t mode, dev_t rdev)
{
	return bl_make(dentry, mode, rdev, NULL, true);
}

/**
 * bl_symlink - ->symlink()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dir: directory, locked by the VFS
 * @dentry: negative dentry
 * @target: target of the symlink
 *
 * Return: as ->symlink().
 */
int bl_symlink(struct mnt_idmap *idmap, struct inode *dir,
	       struct dentry *dentry, const char *target)
{
	return bl_make(dentry, S_IFLNK, 0, target, true);
}

/*
 * In which layer a hard link to @old by the name @new has to be made: in that of
 * @old if one of them is inside of a merged link.
 */
static int bl_link_layer(struct dentry *old, struct dentry *new,
			 struct bl_make *make)
{
	struct bl_where where;
	struct dentry *parent;
	struct bl_mnt *mnt;
	struct bl_at at;
	int err, merged;

	*make = bl_make_new;
	err = bl_dentry_at(new, &at);
	if (err)
		return err;
	merged = bl_name_merged(new, &at);
	bl_at_put(&at);
	/* What has no name yet is where new things are made. */
	if (merged < 0 || d_unhashed(old) || IS_ROOT(old))
		return min(merged, 0);
	if (!merged) {
		parent = dget_parent(old);
		merged = bl_dentry_merged(parent);
		dput(parent);
		if (merged <= 0)
			return merged;
	}
	err = bl_dentry_walk(old, &where, &mnt, NULL);
	if (!err) {
		make->id = where.id;
		make->top = where.merged && where.id == where.layers->id;
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

/**
 * bl_link_op - ->link()
 * @old: dentry to link to, its inode locked by the VFS
 * @dir: directory, locked by the VFS
 * @new: negative dentry
 *
 * Return: as ->link(); -EXDEV also between two mounts below, -EROFS also for
 * what is seen through a read-only link.
 */
int bl_link_op(struct dentry *old, struct inode *dir, struct dentry *new)
{
	struct bl_change c;
	struct bl_make make;
	struct bl_real real;
	int err;

	err = bl_real_get(old, &real);
	if (err)
		return err;
	err = bl_mnt_masked(real.mnt) ? -EROFS :
					bl_link_layer(old, new, &make);
	while (!err) {
		err = bl_change_begin(new, &make, &c);
		if (err)
			break;
		if (real.mnt != c.place.parent.mnt)
			err = -EXDEV;
		else
			err = vfs_link(real.path.dentry, c.idmap, c.dir,
				       c.lower, &c.delegated);
		if (!err) {
			bl_change_show(new, &c);
			bl_inode_refresh(d_inode(old),
					 d_inode(real.path.dentry), real.mnt);
		}
		if (!bl_change_end(new, &c, &err))
			break;
	}
	bl_real_put(&real);
	return err;
}

static int bl_layer_rmdir(struct dentry *dentry, const struct bl_where *where,
			  const struct bl_layer *layer)
{
	struct bl_change c = {};
	int err;

	err = bl_place_at(layer->path.dentry, layer->mnt, &c.place);
	bl_place_name(&c.place, dentry, where->stepped, where->named);
	if (!err)
		err = bl_change_lock(dentry, &c);
	if (err)
		return err == -EAGAIN ? -ENOENT : err;
	err = d_is_positive(c.lower) ? vfs_rmdir(c.idmap, c.dir, c.lower) :
				       -ENOENT;
	bl_change_end(dentry, &c, &err);
	return err;
}

/*
 * Remove a directory that is made of several: all of them or none. If one gets
 * an entry in this very moment the directories beneath it, which were empty,
 * may be gone; what is seen stays.
 */
static int bl_remove_merged(struct dentry *dentry)
{
	struct bl_where where;
	struct bl_mnt *mnt;
	unsigned int i;
	int err, ret;

	err = bl_dentry_walk(dentry, &where, &mnt, NULL);
	if (!err)
		err = where.merged ? bl_merge_removable(&where) : -ESTALE;
	for (i = where.nr; !err && i--;) {
		if (!bl_layer_positive(&where.layers[i]))
			continue;
		ret = bl_layer_rmdir(dentry, &where, &where.layers[i]);
		/* Somebody else was faster. */
		if (ret != -ENOENT || !bl_layer_masked(&where, &where.layers[i]))
			err = ret;
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	if (!err)
		d_drop(dentry);
	return err;
}

static int bl_remove(struct dentry *dentry, bool dir)
{
	struct inode *victim;
	struct bl_change c;
	bool kept;
	int err;

	err = dir ? bl_dentry_merged(dentry) : 0;
	if (err < 0)
		return err;
	if (err)
		return bl_leads_nowhere(dentry) ?: bl_remove_merged(dentry);
	do {
		err = bl_change_begin(dentry, NULL, &c);
		if (err)
			break;
		victim = d_inode(c.lower);
		c.subdir = dir;
		kept = victim && !dir && bl_node_abandon(dentry, c.lower);
		if (!victim)
			err = -ENOENT;
		else if (dir)
			err = vfs_rmdir(c.idmap, c.dir, c.lower);
		else
			err = vfs_unlink(c.idmap, c.dir, c.lower, &c.delegated);
		if (!err) {
			if (dir)
				bl_change_other(dentry, victim);
			else if (BL_I(d_inode(dentry))->real == victim)
				bl_inode_refresh(d_inode(dentry), victim,
						 c.place.parent.mnt);
		}
		if (kept ? err : !err)
			d_drop(dentry);
	} while (bl_change_end(dentry, &c, &err));
	return err;
}

/**
 * bl_unlink - ->unlink()
 * @dir: directory, locked by the VFS
 * @dentry: positive dentry, its inode locked by the VFS
 *
 * Return: as ->unlink(); -EBUSY for the way to links.
 */
int bl_unlink(struct inode *dir, struct dentry *dentry)
{
	return bl_remove(dentry, false);
}

/**
 * bl_rmdir - ->rmdir()
 * @dir: directory, locked by the VFS
 * @dentry: positive dentry, its inode locked by the VFS
 *
 * Return: as ->rmdir(); -EBUSY for the way to links.
 */
int bl_rmdir(struct inode *dir, struct dentry *dentry)
{
	return bl_remove(dentry, true);
}

static bool bl_dentry_shows(struct dentry *dentry, const struct inode *real)
{
	struct bl_node *node;

	/* What is no directory inside of a merged link never shows another. */
	if (likely(BL_I(d_inode(dentry))->real == real))
		return true;
	guard(rcu)();
	node = rcu_dereference(*bl_node_slot(dentry));
	return node && node->inode == real;
}

/*
 * Move the dentries while the directories below are locked: a revalidation
 * that looks below always sees both sides before or both after.
 */
static void bl_rename_show(struct dentry *old, struct dentry *new,
			   struct bl_mnt *mnt, struct dentry *lower,
			   struct inode *source, struct inode *target,
			   bool move, bool walked, const struct dentry *was,
			   bool beside)
{
	struct bl_node *node;

	if (d_inode(new))
		bl_change_other(new, target);
	if (source == target || !move || !bl_dentry_shows(old, source)) {
		d_drop(old);
		d_drop(new);
		return;
	}
	d_move(old, new);
	if (walked) {
		/* What is not known is found by the next walk, with its proof. */
		bl_node_renamed(old, new, was, lower, beside);
		return;
	}
	if (bl_node_moved(old, new, lower))
		return;
	/* Without memory the next walk finds out by looking. */
	node = bl_node_new(mnt, lower);
	if (!IS_ERR(node)) {
		node->gen = bl_node_unruled(new);
		bl_node_set(old, node);
	}
}

/*
 * As bl_place_lookup(), of both. They are kept by @nodes, or with NULL there by
 * references.
 */
static int bl_rename_lookup(struct dentry *old, struct dentry *new,
			    const struct bl_place *from,
			    const struct bl_place *to, struct renamedata *rd,
			    struct bl_node *nodes[2])
{
	if (!from->walked && !to->walked &&
	    bl_node_lowers(old, from->parent.path.dentry, new,
			   to->parent.path.dentry, rd, nodes))
		return 0;
	nodes[0] = NULL;
	rd->old_dentry = bl_place_lookup(from, old);
	if (IS_ERR(rd->old_dentry))
		return PTR_ERR(rd->old_dentry);
	rd->new_dentry = bl_place_lookup(to, new);
	if (!IS_ERR(rd->new_dentry))
		return 0;
	dput(rd->old_dentry);
	return PTR_ERR(rd->new_dentry);
}

static int bl_rename_locked(struct dentry *old, struct dentry *new,
			    struct bl_place *from, struct bl_place *to,
			    unsigned int flags, struct dentry *trap,
			    struct inode **delegated)
{
	struct mnt_idmap *idmap = mnt_idmap(from->parent.path.mnt);
	struct renamedata rd = {
		.old_mnt_idmap = idmap,
		.old_dir = d_inode(from->parent.path.dentry),
		.new_mnt_idmap = idmap,
		.new_dir = d_inode(to->parent.path.dentry),
		.delegated_inode = delegated,
		.flags = flags,
	};
	struct bl_node *nodes[2];
	struct inode *source, *target;
	bool file;
	int err;

	err = bl_rename_lookup(old, new, from, to, &rd, nodes);
	if (err)
		return err;
	source = d_inode(rd.old_dentry);
	target = d_inode(rd.new_dentry);
	file = from->named && to->named && !d_is_dir(rd.old_dentry);

	if (!source || ((flags & RENAME_EXCHANGE) && !target))
		err = -ENOENT;
	else if ((flags & RENAME_NOREPLACE) && target)
		err = -EEXIST;
	else if (rd.old_dentry == trap)
		err = -EINVAL;
	else if (rd.new_dentry == trap)
		err = (flags & RENAME_EXCHANGE) ? -EINVAL : -ENOTEMPTY;
	else
		err = vfs_rename(&rd);
	if (!err)
		bl_rename_show(old, new, from->parent.mnt, rd.old_dentry,
			       source, target,
			       !(flags & RENAME_EXCHANGE) &&
			       (!from->walked || from->moves) &&
			       (!to->walked || to->moves) &&
			       !from->leads && !to->leads,
			       from->walked || to->walked,
			       file ? rd.new_dentry : NULL,
			       old->d_parent == new->d_parent &&
			       rd.old_dir == rd.new_dir);
	if (likely(nodes[0])) {
		bl_node_put(nodes[1]);
		bl_node_put(nodes[0]);
	} else {
		dput(rd.new_dentry);
		dput(rd.old_dentry);
	}
	return err;
}

static int bl_rename_places(struct dentry *old, struct dentry *new,
			    struct bl_place *from, struct bl_place *to,
			    unsigned int flags)
{
	struct dentry *from_dir = from->parent.path.dentry;
	struct dentry *to_dir = to->parent.path.dentry;
	struct inode *delegated;
	struct dentry *trap;
	int err;

	if (bl_mnt_masked(from->parent.mnt) || bl_mnt_masked(to->parent.mnt))
		return -EROFS;
	if (from->parent.mnt != to->parent.mnt)
		return -EXDEV;
	err = mnt_want_write(from->parent.path.mnt);
	if (err)
		return err;
	do {
		delegated = NULL;
		trap = lock_rename(to_dir, from_dir);
		if (IS_ERR(trap)) {
			err = PTR_ERR(trap);
			break;
		}
		err = bl_rename_locked(old, new, from, to, flags, trap,
				       &delegated);
		unlock_rename(to_dir, from_dir);
		if (!delegated)
			break;
		err = break_deleg_wait(&delegated);
	} while (!err);
	mnt_drop_write(from->parent.path.mnt);
	return err;
}

/* Something has changed in @dir, and at @place. */
static void bl_dir_refresh(struct dentry *dir, const struct bl_place *place)
{
	struct bl_real real;

	if (!place->walked) {
		bl_inode_refresh(d_inode(dir),
				 d_inode(place->parent.path.dentry),
				 place->parent.mnt);
		return;
	}
	if (bl_is_way(d_inode(dir)) || bl_real_get(dir, &real))
		return;
	bl_inode_refresh(d_inode(dir), d_inode(real.path.dentry), real.mnt);
	bl_real_put(&real);
}

/* What is seen of @where is a directory and made of several. */
static bool bl_where_merges(const struct bl_where *where)
{
	unsigned int i, n = 0;

	for (i = 0; i < where->nr; i++)
		n += bl_layer_positive(&where->layers[i]);
	return n > 1;
}

/**
 * struct bl_rename - a rename with one side or both inside of a merged link
 * @old: what is renamed
 * @new: the name that it gets
 * @flags: RENAME_*
 * @from_link: @old is the name of a merged link, whose backing can go anywhere
 * @to_link: @new is the name of one, and stands for the backing
 */
struct bl_rename {
	struct dentry *old;
	struct dentry *new;
	unsigned int flags;
	bool from_link;
	bool to_link;
};

/* What an entry that is found at @source may be renamed to. */
static int bl_rename_target(const struct bl_rename *r,
			    const struct bl_where *source,
			    const struct bl_where *target, int found,
			    struct bl_mnt *mnt, struct bl_place *to)
{
	const struct bl_layer *layer, *other;
	/* It may have been of a merged link only until just now. */
	bool top = source->merged && source->id == source->layers->id;
	bool is_dir = d_is_dir(source->path.dentry);
	struct bl_make make = {};
	unsigned int i;
	int err;

	if (found && found != -ENOENT)
		return found;
	if (!found && (r->flags & RENAME_NOREPLACE))
		return -EEXIST;
	/* There may be more of one of them. */
	if (source->denied || target->denied)
		return source->denied ?: target->denied;
	if (found && (r->flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (!target->merged)
		return !mnt ? -ENOENT :
		       !(r->from_link && top) && target->id != source->id ?
		       -EXDEV :
		       bl_place_at(target->path.dentry, mnt, to);

	if (!r->to_link) {
		make.id = source->id;
		make.top = top;
	}
	layer = bl_layer_for(target, &make);
	if (!layer || bl_layer_masked(target, layer))
		return -EXDEV;
	if ((r->flags & RENAME_EXCHANGE) &&
	    (!bl_layer_positive(layer) || bl_where_merges(target)))
		return -EXDEV;
	/* What would be merged with it afterwards has to be empty, too. */
	for (i = 0; is_dir && !(r->flags & RENAME_EXCHANGE) && i < target->nr; i++) {
		other = &target->layers[i];
		if (other == layer || !bl_layer_positive(other) ||
		    !d_is_dir(other->path.dentry))
			continue;
		err = bl_layer_empty(other, target->cred);
		if (err)
			return err;
	}
	return bl_place_layer(r->new, target, layer, to);
}

static int bl_rename_merged(const struct bl_rename *r, struct bl_place *from,
			    struct bl_place *to)
{
	struct bl_where source, target;
	struct bl_mnt *mnt, *to_mnt;
	int err, found;

	if (r->flags & RENAME_WHITEOUT)
		return -EINVAL;
	err = bl_dentry_walk(r->old, &source, &mnt, NULL);
	if (!err && !mnt)
		err = -EBUSY;
	if (!err && bl_mnt_masked(mnt))
		err = -EROFS;
	if (!err && bl_where_merges(&source))
		err = -EXDEV;
	if (!err)
		err = bl_place_at(source.path.dentry, mnt, from);
	if (!err) {
		found = bl_dentry_walk(r->new, &target, &to_mnt, NULL);
		err = bl_rename_target(r, &source, &target, found, to_mnt, to);
		bl_place_name(from, r->old, source.stepped, source.named);
		bl_place_name(to, r->new, target.stepped, target.named);
		if (err)
			bl_place_put(from);
		bl_where_put(&target);
		bl_mnt_put(to_mnt);
	}
	bl_where_put(&source);
	bl_mnt_put(mnt);
	return err;
}

/* Whether @node is of what is seen by a name in one of several directories. */
static bool bl_node_named(const struct bl_node *node)
{
	return node && node->stepped && !node->merged;
}

/*
 * As bl_rename_merged(), of what is no directory and gets another name in its own,
 * where that is plain to see.
 */
static bool bl_rename_known(const struct bl_rename *r, struct bl_place *from,
			    struct bl_place *to)
{
	struct dentry *old = r->old, *new = r->new, *lower = NULL;
	struct bl_node *source, *target;
	bool known = false;

	if (old->d_parent != new->d_parent || d_is_dir(old) || d_is_dir(new) ||
	    (r->flags && (r->flags != RENAME_NOREPLACE || d_is_positive(new))))
		return false;
	source = bl_node_proved(old);
	target = bl_node_proved(new);
	/* In that directory, unless something is seen in one before it. */
	if (bl_node_named(source) && source->inode && bl_node_named(target))
		lower = bl_node_beside(target, source->real.dentry);
	if (lower) {
		known = !bl_place_at(source->real.dentry, source->mnt, from) &&
			!bl_place_at(lower, source->mnt, to) &&
			from->parent.path.dentry == to->parent.path.dentry;
		from->moves = true;
		to->moves = true;
		bl_place_name(from, old, true, true);
		bl_place_name(to, new, true, true);
		if (!known) {
			bl_place_put(from);
			bl_place_put(to);
			memset(from, 0, sizeof(*from));
			memset(to, 0, sizeof(*to));
		}
	}
	dput(lower);
	bl_node_put(source);
	bl_node_put(target);
	return known;
}

/* As bl_rename_find(), where it takes more than looking. */
static noinline int bl_rename_ask(struct dentry *old, struct dentry *new,
				  unsigned int flags, struct bl_place *from,
				  struct bl_place *to)
{
	struct bl_at old_at, new_at;
	struct bl_rename r = { .old = old, .new = new, .flags = flags };
	int err, merged;

	memset(&from->parent, 0, sizeof(from->parent));
	memset(&to->parent, 0, sizeof(to->parent));
	err = bl_leads_nowhere(old) ?: bl_leads_nowhere(new);
	if (err)
		return err;
	if (bl_rename_known(&r, from, to))
		return 0;
	err = bl_dentry_at(old, &old_at);
	if (err)
		return err;
	err = bl_dentry_at(new, &new_at);
	if (err) {
		bl_at_put(&old_at);
		return err;
	}
	merged = bl_name_merged(old, &old_at) ?: bl_name_merged(new, &new_at);
	if (merged > 0) {
		from->leads = old_at.below;
		from->moves = !old_at.link && !old_at.excepted;
		to->leads = new_at.below;
		to->moves = !new_at.link && !new_at.excepted;
	}
	r.from_link = old_at.link && bl_link_merges(old_at.link);
	r.to_link = new_at.link && bl_link_merges(new_at.link);
	bl_at_put(&old_at);
	bl_at_put(&new_at);
	if (merged)
		return merged < 0 ? merged :
			bl_rename_merged(&r, from, to);

	err = bl_place_get(old, NULL, from);
	if (err)
		return err;
	err = bl_place_get(new, NULL, to);
	if (err)
		bl_place_put(from);
	return err;
}

static int bl_rename_find(struct dentry *old, struct dentry *new,
			  unsigned int flags, struct bl_place *from,
			  struct bl_place *to)
{
	memset_startat(from, 0, target);
	memset_startat(to, 0, target);
	return bl_dentry_dirs(old, new, &from->parent, &to->parent) ?
		0 : bl_rename_ask(old, new, flags, from, to);
}

/**
 * bl_rename - ->rename(), which moves the dentries itself
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @old_dir: directory, locked by the VFS
 * @old: positive dentry in @old_dir
 * @new_dir: directory, locked by the VFS
 * @new: dentry in @new_dir
 * @flags: RENAME_*, handed down
 *
 * Return: as ->rename(); -EXDEV also between two mounts below, -EBUSY for the
 * way to links, -EROFS also for what is seen through a read-only link.
 */
int bl_rename(struct mnt_idmap *idmap, struct inode *old_dir,
	      struct dentry *old, struct inode *new_dir, struct dentry *new,
	      unsigned int flags)
{
	struct dentry *from_dir = old->d_parent, *to_dir = new->d_parent;
	struct bl_place from, to;
	int err, tries = 0;

	do {
		err = bl_rename_find(old, new, flags, &from, &to);
		if (!err) {
			err = bl_rename_places(old, new, &from, &to, flags);
			/* A file takes nothing with it in its own directory. */
			if (!err && (to_dir != from_dir || d_is_dir(old))) {
				bl_dir_refresh(from_dir, &from);
				if (to_dir != from_dir)
					bl_dir_refresh(to_dir, &to);
			}
			bl_place_put(&to);
			bl_place_put(&from);
		}
	} while (err == -EAGAIN && ++tries < BL_PLACE_TRIES);
	return err == -EAGAIN ? -ESTALE : err;
}

/* The directory behind @dir in which new things are made. */
static int bl_tmpfile_dir(struct dentry *dir, struct bl_real *real)
{
	struct bl_where where;
	struct bl_mnt *mnt;
	int err;

	err = bl_dentry_merged(dir);
	if (!err)
		return bl_real_get(dir, real);
	if (err > 0)
		err = bl_merge_make(dir);
	if (err)
		return err;
	err = bl_dentry_walk(dir, &where, &mnt, NULL);
	if (!err && !(where.merged && bl_layer_positive(where.layers)))
		err = -ESTALE;
	if (!err) {
		memset(real, 0, sizeof(*real));
		real->mnt = bl_mnt_hold(where.layers->mnt);
		real->path.mnt = real->mnt->mnt;
		real->path.dentry = dget(where.layers->path.dentry);
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

/**
 * bl_tmpfile - ->tmpfile()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dir: directory
 * @file: file to open, with a dentry below @dir
 * @mode: mode, the umask not applied
 *
 * Return: as ->tmpfile().
 */
int bl_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file,
	       umode_t mode)
{
	struct dentry *dentry = file->f_path.dentry;
	struct bl_real parent;
	struct bl_node *node;
	struct inode *inode;
	struct file *real;
	int err;

	if (bl_is_way(dir))
		return -EROFS;
	err = bl_tmpfile_dir(dentry->d_parent, &parent);
	if (err)
		return err;
	err = mnt_want_write(parent.path.mnt);
	if (err)
		goto out_put;
	real = bl_backing_tmpfile_open(file, file->f_flags, &parent.path, mode,
				       current_cred());
	if (IS_ERR(real)) {
		err = PTR_ERR(real);
		goto out_drop;
	}

	bl_dentry_init(dentry, &bl_dops);
	node = bl_node_new(parent.mnt, real->f_path.dentry);
	if (IS_ERR(node)) {
		err = PTR_ERR(node);
		goto out_fput;
	}
	inode = bl_inode_get(dentry->d_sb, parent.mnt, node->inode);
	if (IS_ERR(inode)) {
		bl_node_put(node);
		err = PTR_ERR(inode);
		goto out_fput;
	}
	bl_node_set(dentry, node);
	d_mark_tmpfile(file, inode);
	d_instantiate(dentry, inode);
	err = bl_file_adopt(file, real);
	if (!err)
		err = finish_open_simple(file, 0);
	if (err)
		bl_file_abandon(file);
	goto out_drop;

out_fput:
	fput(real);
out_drop:
	mnt_drop_write(parent.path.mnt);
out_put:
	bl_real_put(&parent);
	return err;
}

/*
 * Look @dentry up, if nothing is known of it, and begin to make a file there. Returns
 * 1 if there is nothing to make: the VFS goes on with @dentry.
 */
static int bl_open_begin(struct inode *dir, struct dentry *dentry,
			 struct file *file, unsigned int flags,
			 struct bl_change *c)
{
	int err;

	if (bl_dentry_blank(dentry)) {
		err = d_in_lookup(dentry) ?
			PTR_ERR_OR_ZERO(bl_lookup(dir, dentry, 0)) :
			bl_lookup_blank(dentry);
		if (err)
			return err;
	}
	if (!(flags & O_CREAT) || d_really_is_positive(dentry))
		return finish_no_open(file, NULL) ?: 1;

	err = bl_change_begin(dentry, &bl_make_new, c);
	if (err == -EEXIST && !(flags & O_EXCL)) {
		/* Made by somebody else since: have it looked up again. */
		d_drop(dentry);
		return -ESTALE;
	}
	return err;
}

/**
 * bl_atomic_open - ->atomic_open()
 * @dir: directory, locked by the VFS, exclusively with O_CREAT
 * @dentry: dentry that is negative or still to be looked up
 * @file: file to open
 * @flags: open flags, without O_CREAT where the caller may not create
 * @mode: mode, the umask not applied
 *
 * Without it a file that somebody makes directly below at the same time
 * would give EEXIST to an open that did not ask for O_EXCL.
 *
 * Return: as ->atomic_open().
 */
int bl_atomic_open(struct inode *dir, struct dentry *dentry,
		   struct file *file, unsigned int flags, umode_t mode)
{
	struct bl_node *node = NULL;
	struct bl_change c;
	int err;

	if (!bl_dentry_blank(dentry) || !(flags & O_CREAT) ||
	    !bl_change_fresh(dentry, &c)) {
		err = bl_open_begin(dir, dentry, file, flags, &c);
		if (err)
			return min(err, 0);
	}
	if (d_really_is_negative(c.lower)) {
		err = vfs_create(c.idmap, c.dir, c.lower, mode, flags & O_EXCL);
		if (!err)
			bl_change_show(dentry, &c);
	} else if (flags & O_EXCL) {
		err = -EEXIST;
	} else if (c.place.walked) {
		/* Made by somebody else since: have it looked up again. */
		d_drop(dentry);
		err = -ESTALE;
	} else {
		/* Made by somebody else: open it as any other. */
		node = bl_change_node(dentry, &c);
		err = PTR_ERR_OR_ZERO(node);
	}
	bl_change_end(dentry, &c, &err);
	if (err)
		return err;

	if (node) {
		d_drop(dentry);
		err = bl_splice(dentry, node);
		return err ?: finish_no_open(file, NULL);
	}
	/* ESTALE has the VFS begin again, and find what was made here. */
	if (d_really_is_negative(dentry))
		return c.place.walked && c.hidden != -ENOMEM ? -ESTALE :
							       -ENOMEM;
	file->f_mode |= FMODE_CREATED;
	return finish_open(file, dentry, NULL);
}
