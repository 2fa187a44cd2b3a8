// SPDX-License-Identifier: GPL-2.0
/*
 * Directories that are made of several, as merged links show them.
 *
 * New things are made in the backing. Where a directory is in the original
 * only, it is made there first, with the attributes of the original: so this is
 * done by the creator of the link, for whoever may write to what is seen. There
 * are no whiteouts, so what can be removed must be empty in all layers.
 */

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "bindlink.h"

/* How often to look again for what is being moved around. */
#define BL_MERGE_TRIES	8

static int bl_merge_copy_xattr(const struct path *from, const struct path *to,
			       const char *name)
{
	struct mnt_idmap *from_idmap = mnt_idmap(from->mnt);
	ssize_t size;
	void *value;
	int err;

	size = vfs_getxattr(from_idmap, from->dentry, name, NULL, 0);
	if (size < 0)
		return size == -ENODATA || size == -EOPNOTSUPP ? 0 : size;
	value = kvmalloc(max_t(size_t, size, 1), GFP_KERNEL_ACCOUNT);
	if (!value)
		return -ENOMEM;
	size = vfs_getxattr(from_idmap, from->dentry, name, value, size);
	err = size < 0 ? size : vfs_setxattr(mnt_idmap(to->mnt), to->dentry,
					     name, value, size, 0);
	kvfree(value);
	/* What the other filesystem does not know cannot be there. */
	return err == -ENODATA || err == -EOPNOTSUPP ? 0 : err;
}

static int bl_merge_copy_xattrs(const struct path *from, const struct path *to)
{
	ssize_t size = vfs_listxattr(from->dentry, NULL, 0);
	char *list, *name;
	int err = 0;

	if (size <= 0)
		return size == -EOPNOTSUPP ? 0 : size;
	list = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!list)
		return -ENOMEM;
	size = vfs_listxattr(from->dentry, list, size);
	if (size < 0)
		err = size;
	for (name = list; !err && name < list + size; name += strlen(name) + 1)
		if (!is_posix_acl_xattr(name))
			err = bl_merge_copy_xattr(from, to, name);
	kvfree(list);
	return err;
}

/* The ACL as it is seen through an ID-mapped mount; consumes @acl. */
static struct posix_acl *bl_merge_map_acl(const struct path *from,
					  struct posix_acl *acl)
{
	struct user_namespace *fs_userns = from->mnt->mnt_sb->s_user_ns;
	struct mnt_idmap *idmap = mnt_idmap(from->mnt);
	struct posix_acl *copy;
	unsigned int i;

	copy = posix_acl_clone(acl, GFP_KERNEL);
	posix_acl_release(acl);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < copy->a_count; i++) {
		struct posix_acl_entry *entry = &copy->a_entries[i];

		if (entry->e_tag == ACL_USER)
			entry->e_uid = AS_KUIDT(make_vfsuid(idmap, fs_userns,
							    entry->e_uid));
		else if (entry->e_tag == ACL_GROUP)
			entry->e_gid = AS_KGIDT(make_vfsgid(idmap, fs_userns,
							    entry->e_gid));
	}
	return copy;
}

static int bl_merge_copy_acl(const struct path *from, const struct path *to,
			     const char *name)
{
	struct posix_acl *acl;
	int err;

	acl = vfs_get_acl(mnt_idmap(from->mnt), from->dentry, name);
	if (!IS_ERR_OR_NULL(acl))
		acl = bl_merge_map_acl(from, acl);
	if (!IS_ERR_OR_NULL(acl)) {
		err = vfs_set_acl(mnt_idmap(to->mnt), to->dentry, name, acl);
		posix_acl_release(acl);
		return err;
	}
	err = PTR_ERR_OR_ZERO(acl);
	if (err && err != -ENODATA && err != -EOPNOTSUPP)
		return err;
	/* Nor what it has got from the directory that it was made in. */
	err = vfs_remove_acl(mnt_idmap(to->mnt), to->dentry, name);
	return err == -ENODATA || err == -EOPNOTSUPP ? 0 : err;
}

/* Owner and mode, where making it did not give it these already. */
static int bl_merge_copy_owner(const struct kstat *stat, const struct path *to)
{
	struct mnt_idmap *idmap = mnt_idmap(to->mnt);
	struct inode *inode = d_inode(to->dentry);
	struct iattr attr = { .ia_valid = 0 };
	int err = 0;

	inode_lock(inode);
	if (!vfsuid_eq_kuid(i_uid_into_vfsuid(idmap, inode), stat->uid) ||
	    !vfsgid_eq_kgid(i_gid_into_vfsgid(idmap, inode), stat->gid)) {
		attr.ia_valid = ATTR_UID | ATTR_GID;
		attr.ia_vfsuid = VFSUIDT_INIT(stat->uid);
		attr.ia_vfsgid = VFSGIDT_INIT(stat->gid);
		err = notify_change(idmap, to->dentry, &attr, NULL);
	}
	if (!err && (inode->i_mode & S_IALLUGO) != (stat->mode & S_IALLUGO)) {
		attr = (struct iattr) {
			.ia_valid = ATTR_MODE,
			.ia_mode = stat->mode,
		};
		err = notify_change(idmap, to->dentry, &attr, NULL);
	}
	inode_unlock(inode);
	return err;
}

static int bl_merge_copy(const struct path *from, const struct path *to)
{
	struct kstat stat;
	int err;

	err = vfs_getattr_nosec(from, &stat, STATX_BASIC_STATS,
				AT_STATX_SYNC_AS_STAT);
	if (!err)
		err = bl_merge_copy_owner(&stat, to);
	if (!err)
		err = bl_merge_copy_acl(from, to, XATTR_NAME_POSIX_ACL_ACCESS);
	if (!err)
		err = bl_merge_copy_acl(from, to, XATTR_NAME_POSIX_ACL_DEFAULT);
	if (!err)
		err = bl_merge_copy_xattrs(from, to);
	/* The ACL may have changed it. */
	return err ?: bl_merge_copy_owner(&stat, to);
}

static int bl_merge_rename(struct mnt_idmap *idmap, struct inode *dir,
			   struct dentry *old, struct dentry *new)
{
	struct renamedata rd = {
		.old_mnt_idmap = idmap,
		.old_dir = dir,
		.old_dentry = old,
		.new_mnt_idmap = idmap,
		.new_dir = dir,
		.new_dentry = new,
	};

	return vfs_rename(&rd);
}

/* Make a directory by a name that nobody has, in @parent, which is locked. */
static struct dentry *bl_merge_mktemp(struct mnt_idmap *idmap,
				      struct dentry *parent)
{
	struct inode *dir = d_inode(parent);
	struct dentry *child;
	char name[32];
	int len, err;

	len = scnprintf(name, sizeof(name), ".bindlink-%016llx",
			get_random_u64());
	child = lookup_one(idmap, name, parent, len);
	if (IS_ERR(child))
		return child;
	err = d_is_positive(child) ? -EAGAIN :
				     vfs_mkdir(idmap, dir, child, 0700);
	if (!err && !d_unhashed(child))
		return child;
	dput(child);
	/* Some filesystems leave it to the next lookup. */
	return err ? ERR_PTR(err) : lookup_one(idmap, name, parent, len);
}

/*
 * Make the directory @at, whose dentry is negative, like @model, with the
 * credentials of the link's creator. Nobody shall ever find it with other
 * attributes, so it gets them by another name.
 */
static int bl_merge_mkdir(const struct path *at, const struct path *model)
{
	struct dentry *parent = dget_parent(at->dentry);
	struct inode *dir = d_inode(parent);
	struct mnt_idmap *idmap = mnt_idmap(at->mnt);
	struct path made = { .mnt = at->mnt };
	struct dentry *child;
	int err;

	err = mnt_want_write(at->mnt);
	if (err)
		goto out_put;
	inode_lock_nested(dir, I_MUTEX_PARENT);
	child = ERR_PTR(-EAGAIN);
	if (at->dentry->d_parent == parent)
		child = lookup_one(idmap, at->dentry->d_name.name, parent,
				   at->dentry->d_name.len);
	err = PTR_ERR_OR_ZERO(child);
	if (err)
		goto out_unlock;
	err = d_is_positive(child) ? -EAGAIN : 0;
	if (err)
		goto out_dput;
	made.dentry = bl_merge_mktemp(idmap, parent);
	err = PTR_ERR_OR_ZERO(made.dentry);
	if (err)
		goto out_dput;
	err = bl_merge_copy(model, &made);
	if (!err)
		err = bl_merge_rename(idmap, dir, made.dentry, child);
	if (err)
		vfs_rmdir(idmap, dir, made.dentry);
	dput(made.dentry);
out_dput:
	dput(child);
out_unlock:
	inode_unlock(dir);
	mnt_drop_write(at->mnt);
out_put:
	dput(parent);
	return err;
}

/*
 * Make the first directory on the way to @dir, itself included, that the first
 * layer lacks. Returns 1 if that was @dir or nothing is missing.
 */
static int bl_merge_make_first(struct dentry *dir)
{
	struct dentry *at = dget(dir), *parent;
	bool lower = false;

	for (;; lower = true) {
		struct bl_layer *layer;
		struct bl_where where;
		const struct cred *old;
		struct path made;
		struct bl_mnt *mnt;
		int err;

		err = bl_dentry_walk(at, &where, &mnt, NULL);
		layer = where.layers;
		/* Where what is merged begins. */
		if (!err && !layer)
			err = lower ? -ENOENT : -ESTALE;
		if (!err && layer->path.dentry && d_is_positive(layer->path.dentry)) {
			/*
			 * Somebody else has just made it, or what is below it is
			 * only a way to links there.
			 */
			err = lower ? -EROFS : 1;
		} else if (!err && layer->path.dentry) {
			made.mnt = layer->mnt->mnt;
			made.dentry = layer->path.dentry;
			old = override_creds(where.cred);
			err = bl_merge_mkdir(&made, &where.path);
			revert_creds(old);
			if (!err)
				err = !lower;
		} else if (!err) {
			err = at == at->d_sb->s_root ? -ENOENT :
			      where.way ? -EROFS : -EINPROGRESS;
		}
		bl_where_put(&where);
		bl_mnt_put(mnt);
		parent = err == -EINPROGRESS ? dget_parent(at) : NULL;
		dput(at);
		if (!parent)
			return err;
		at = parent;
	}
}

/**
 * bl_merge_make - make a directory in the layer in which new things are made
 * @dir: dentry of a directory inside of a merged link
 *
 * And all directories on the way to it that are missing there.
 *
 * Context: may sleep; directories of trees may be locked, nothing below.
 * Return: 0, or a negative errno: -EROFS where the layer is read-only, -ENOENT
 * where @dir is gone, or the backing of the link cannot be made.
 */
int bl_merge_make(struct dentry *dir)
{
	int err, tries = 0;

	do {
		err = bl_merge_make_first(dir);
		/* Somebody else has made it, or moves things around. */
		if (err == -EAGAIN || err == -EROFS)
			tries++;
	} while (!err || (tries < BL_MERGE_TRIES &&
			  (err == -EAGAIN || err == -EROFS)));
	if (err == -EAGAIN)
		err = -ESTALE;
	return err == 1 ? 0 : err;
}

struct bl_empty {
	struct dir_context ctx;
	bool found;
};

static bool bl_empty_actor(struct dir_context *ctx, const char *name, int len,
			   loff_t offset, u64 ino, unsigned int type)
{
	struct bl_empty *empty = container_of(ctx, struct bl_empty, ctx);

	if (len <= 2 && !memcmp(name, "..", len))
		return true;
	empty->found = true;
	return false;
}

/**
 * bl_layer_empty - whether nothing is in a directory
 * @layer: layer that is a directory, with its private mount
 * @cred: with whose credentials to look
 *
 * Return: 0, -ENOTEMPTY, or an error of the filesystem.
 */
int bl_layer_empty(const struct bl_layer *layer, const struct cred *cred)
{
	struct bl_empty empty = { .ctx.actor = bl_empty_actor };
	struct path path = {
		.mnt = layer->mnt->mnt,
		.dentry = layer->path.dentry,
	};
	const struct cred *old = override_creds(cred);
	struct file *file;
	loff_t pos;
	int err;

	file = dentry_open(&path, O_RDONLY | O_DIRECTORY | O_LARGEFILE, cred);
	err = PTR_ERR_OR_ZERO(file);
	while (!err) {
		pos = empty.ctx.pos;
		err = iterate_dir(file, &empty.ctx);
		if (!err && empty.found)
			err = -ENOTEMPTY;
		/* Some filesystems come back before the end. */
		if (empty.ctx.pos == pos)
			break;
	}
	if (!IS_ERR(file))
		fput(file);
	revert_creds(old);
	return err;
}

/* As may_delete() of the VFS, for a directory in one layer. */
static int bl_layer_removable(const struct bl_layer *layer)
{
	struct mnt_idmap *idmap = mnt_idmap(layer->mnt->mnt);
	struct dentry *dentry = layer->path.dentry;
	struct inode *inode = d_inode(dentry), *dir;
	struct dentry *parent;
	int err;

	if (dentry == layer->mnt->mnt->mnt_root || IS_ROOT(dentry))
		return -EBUSY;
	if (layer->mnt->flags & MNT_READONLY ||
	    __mnt_is_readonly(layer->mnt->mnt))
		return -EROFS;
	parent = dget_parent(dentry);
	dir = d_inode(parent);
	err = inode_permission(idmap, dir, MAY_WRITE | MAY_EXEC);
	if (!err && (IS_APPEND(dir) || check_sticky(idmap, dir, inode) ||
		     IS_APPEND(inode) || IS_IMMUTABLE(inode)))
		err = -EPERM;
	dput(parent);
	return err;
}

/**
 * bl_merge_removable - whether a directory can be removed in all its layers
 * @where: from bl_dentry_walk(), for a directory inside of a merged link
 *
 * Return: 0, -ENOTEMPTY, or why one of them cannot be removed.
 */
int bl_merge_removable(const struct bl_where *where)
{
	int err = where->denied;
	unsigned int i;

	for (i = 0; !err && i < where->nr; i++) {
		struct bl_layer *layer = &where->layers[i];

		if (!layer->path.dentry || d_is_negative(layer->path.dentry))
			continue;
		err = bl_layer_removable(layer);
		if (!err)
			err = bl_layer_empty(layer, where->cred);
		/* Somebody else has just removed it. */
		if (err == -ENOENT && IS_DEADDIR(d_inode(layer->path.dentry)))
			err = 0;
	}
	return err;
}
