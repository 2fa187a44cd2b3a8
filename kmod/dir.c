// SPDX-License-Identifier: GPL-2.0
/*
 * Changing the directories of a tree.
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
 * struct bl_change - a name that is being changed below
 * @parent: backing directory, locked, its mount held for writing
 * @idmap: ID mapping of that mount
 * @dir: inode of @parent
 * @lower: dentry of the name in it
 * @delegated: inode whose delegation has to be broken first
 */
struct bl_change {
	struct bl_real parent;
	struct mnt_idmap *idmap;
	struct inode *dir;
	struct dentry *lower;
	struct inode *delegated;
};

static int bl_change_begin(struct dentry *dentry, struct bl_change *c)
{
	int err;

	err = bl_real_get(dentry->d_parent, &c->parent);
	if (err)
		return err;
	c->idmap = mnt_idmap(c->parent.path.mnt);
	c->dir = d_inode(c->parent.path.dentry);
	c->delegated = NULL;
	err = mnt_want_write(c->parent.path.mnt);
	if (err)
		goto out_put;

	inode_lock_nested(c->dir, I_MUTEX_PARENT);
	c->lower = lookup_one(c->idmap, dentry->d_name.name,
			      c->parent.path.dentry, dentry->d_name.len);
	if (!IS_ERR(c->lower))
		return 0;
	err = PTR_ERR(c->lower);
	inode_unlock(c->dir);
	mnt_drop_write(c->parent.path.mnt);
out_put:
	bl_real_put(&c->parent);
	return err;
}

/* Returns true when the operation has to be tried again. */
static bool bl_change_end(struct dentry *dentry, struct bl_change *c, int *err)
{
	dput(c->lower);
	inode_unlock(c->dir);
	bl_inode_refresh(d_inode(dentry->d_parent), c->dir,
			 c->parent.path.mnt);
	mnt_drop_write(c->parent.path.mnt);
	bl_real_put(&c->parent);
	if (!c->delegated)
		return false;
	*err = break_deleg_wait(&c->delegated);
	return !*err;
}

/* Show in @dentry what was just made. If that fails, a lookup will do it. */
static void bl_change_show(struct dentry *dentry, struct bl_change *c)
{
	struct inode *inode = ERR_PTR(-ENOENT);
	struct bl_node *node = NULL;

	/* Some filesystems leave it to the next lookup, too. */
	if (d_really_is_positive(c->lower) && !d_unhashed(c->lower)) {
		node = bl_node_new(c->parent.mnt, c->lower);
		if (!IS_ERR(node))
			inode = bl_inode_claim(dentry, c->parent.mnt,
					       node->inode);
	}
	if (IS_ERR(inode)) {
		if (!IS_ERR_OR_NULL(node))
			bl_node_free(node);
		d_drop(dentry);
		return;
	}
	bl_node_set(dentry, node);
	d_instantiate(dentry, inode);
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

	err = bl_change_begin(dentry, &c);
	if (err)
		return err;
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = vfs_create(c.idmap, c.dir, c.lower, mode, excl);
		break;
	case S_IFDIR:
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

/**
 * bl_link_op - ->link()
 * @old: dentry to link to, its inode locked by the VFS
 * @dir: directory, locked by the VFS
 * @new: negative dentry
 *
 * Return: as ->link(); -EXDEV also between two mounts below.
 */
int bl_link_op(struct dentry *old, struct inode *dir, struct dentry *new)
{
	struct bl_change c;
	struct bl_real real;
	int err;

	err = bl_real_get(old, &real);
	if (err)
		return err;
	do {
		err = bl_change_begin(new, &c);
		if (err)
			break;
		if (real.mnt != c.parent.mnt)
			err = -EXDEV;
		else
			err = vfs_link(real.path.dentry, c.idmap, c.dir,
				       c.lower, &c.delegated);
		if (!err) {
			bl_change_show(new, &c);
			bl_inode_refresh(d_inode(old),
					 d_inode(real.path.dentry),
					 real.path.mnt);
		}
	} while (bl_change_end(new, &c, &err));
	bl_real_put(&real);
	return err;
}

/**
 * bl_unlink - ->unlink()
 * @dir: directory, locked by the VFS
 * @dentry: positive dentry, its inode locked by the VFS
 *
 * Return: as ->unlink().
 */
int bl_unlink(struct inode *dir, struct dentry *dentry)
{
	struct inode *victim;
	struct bl_change c;
	int err;

	do {
		err = bl_change_begin(dentry, &c);
		if (err)
			break;
		victim = d_inode(c.lower);
		if (victim)
			err = vfs_unlink(c.idmap, c.dir, c.lower, &c.delegated);
		else
			err = -ENOENT;
		if (!err) {
			if (BL_I(d_inode(dentry))->real == victim)
				bl_inode_refresh(d_inode(dentry), victim,
						 c.parent.path.mnt);
			d_drop(dentry);
		}
	} while (bl_change_end(dentry, &c, &err));
	return err;
}

/**
 * bl_rmdir - ->rmdir()
 * @dir: directory, locked by the VFS
 * @dentry: positive dentry, its inode locked by the VFS
 *
 * Return: as ->rmdir().
 */
int bl_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct inode *victim;
	struct bl_change c;
	int err;

	do {
		err = bl_change_begin(dentry, &c);
		if (err)
			break;
		victim = d_inode(c.lower);
		err = victim ? vfs_rmdir(c.idmap, c.dir, c.lower) : -ENOENT;
		if (!err) {
			bl_change_other(dentry, victim);
			d_drop(dentry);
		}
	} while (bl_change_end(dentry, &c, &err));
	return err;
}

/*
 * Move the dentries while the directories below are locked: a revalidation
 * that looks below always sees both sides before or both after.
 */
static void bl_rename_show(struct dentry *old, struct dentry *new,
			   struct bl_mnt *mnt, struct dentry *lower,
			   struct inode *source, struct inode *target,
			   unsigned int flags)
{
	struct bl_node *node;

	if (d_inode(new))
		bl_change_other(new, target);
	if (source == target || (flags & RENAME_EXCHANGE) ||
	    BL_I(d_inode(old))->real != source) {
		d_drop(old);
		d_drop(new);
		return;
	}
	d_move(old, new);
	/* Without memory the next walk finds out by looking. */
	node = bl_node_new(mnt, lower);
	if (!IS_ERR(node))
		bl_node_set(old, node);
}

static int bl_rename_locked(struct dentry *old, struct dentry *new,
			    struct bl_real *from, struct bl_real *to,
			    unsigned int flags, struct dentry *trap,
			    struct inode **delegated)
{
	struct mnt_idmap *idmap = mnt_idmap(from->path.mnt);
	struct renamedata rd = {
		.old_mnt_idmap = idmap,
		.old_dir = d_inode(from->path.dentry),
		.new_mnt_idmap = idmap,
		.new_dir = d_inode(to->path.dentry),
		.delegated_inode = delegated,
		.flags = flags,
	};
	struct inode *source, *target;
	int err;

	rd.old_dentry = lookup_one(idmap, old->d_name.name, from->path.dentry,
				   old->d_name.len);
	if (IS_ERR(rd.old_dentry))
		return PTR_ERR(rd.old_dentry);
	rd.new_dentry = lookup_one(idmap, new->d_name.name, to->path.dentry,
				   new->d_name.len);
	if (IS_ERR(rd.new_dentry)) {
		dput(rd.old_dentry);
		return PTR_ERR(rd.new_dentry);
	}
	source = d_inode(rd.old_dentry);
	target = d_inode(rd.new_dentry);

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
		bl_rename_show(old, new, from->mnt, rd.old_dentry, source,
			       target, flags);
	dput(rd.new_dentry);
	dput(rd.old_dentry);
	return err;
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
 * Return: as ->rename(); -EXDEV also between two mounts below.
 */
int bl_rename(struct mnt_idmap *idmap, struct inode *old_dir,
	      struct dentry *old, struct inode *new_dir, struct dentry *new,
	      unsigned int flags)
{
	struct inode *delegated;
	struct bl_real from, to;
	struct dentry *trap;
	int err;

	err = bl_real_get(old->d_parent, &from);
	if (err)
		return err;
	err = bl_real_get(new->d_parent, &to);
	if (err)
		goto out_from;
	err = -EXDEV;
	if (from.mnt != to.mnt)
		goto out_to;
	err = mnt_want_write(from.path.mnt);
	if (err)
		goto out_to;

	do {
		delegated = NULL;
		trap = lock_rename(to.path.dentry, from.path.dentry);
		if (IS_ERR(trap)) {
			err = PTR_ERR(trap);
			break;
		}
		err = bl_rename_locked(old, new, &from, &to, flags, trap,
				       &delegated);
		unlock_rename(to.path.dentry, from.path.dentry);
		if (!delegated)
			break;
		err = break_deleg_wait(&delegated);
	} while (!err);

	bl_inode_refresh(old_dir, d_inode(from.path.dentry), from.path.mnt);
	bl_inode_refresh(new_dir, d_inode(to.path.dentry), to.path.mnt);
	mnt_drop_write(from.path.mnt);
out_to:
	bl_real_put(&to);
out_from:
	bl_real_put(&from);
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

	err = bl_real_get(dentry->d_parent, &parent);
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

	d_set_d_op(dentry, &bl_dops);
	node = bl_node_new(parent.mnt, real->f_path.dentry);
	if (IS_ERR(node)) {
		err = PTR_ERR(node);
		goto out_fput;
	}
	inode = bl_inode_get(dentry->d_sb, parent.mnt, node->inode);
	if (IS_ERR(inode)) {
		bl_node_free(node);
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

	if (d_in_lookup(dentry)) {
		err = PTR_ERR_OR_ZERO(bl_lookup(dir, dentry, 0));
		if (err)
			return err;
	}
	if (!(flags & O_CREAT) || d_really_is_positive(dentry))
		return finish_no_open(file, NULL);

	err = bl_change_begin(dentry, &c);
	if (err)
		return err;
	if (d_really_is_negative(c.lower)) {
		err = vfs_create(c.idmap, c.dir, c.lower, mode, flags & O_EXCL);
		if (!err)
			bl_change_show(dentry, &c);
	} else if (flags & O_EXCL) {
		err = -EEXIST;
	} else {
		/* Made by somebody else since: open it as any other. */
		node = bl_node_new(c.parent.mnt, c.lower);
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
	if (d_really_is_negative(dentry))
		return -ENOMEM;
	file->f_mode |= FMODE_CREATED;
	return finish_open(file, dentry, NULL);
}
