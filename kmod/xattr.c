// SPDX-License-Identifier: GPL-2.0
/*
 * Extended attributes, ACLs and inode flags: those of the backing.
 */

#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/mount.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/sched.h>
#include <linux/xattr.h>

#include "bindlink.h"

static int bl_xattr_get(const struct xattr_handler *handler,
			struct dentry *dentry, struct inode *inode,
			const char *name, void *buffer, size_t size)
{
	struct bl_real real;
	ssize_t ret;

	ret = bl_real_get(dentry, &real);
	if (ret)
		return ret;
	/* exec asks the mount of the tree about nosuid, not this one. */
	if (current->in_execve && (real.path.mnt->mnt_flags & MNT_NOSUID) &&
	    !strcmp(name, XATTR_NAME_CAPS))
		ret = -ENODATA;
	else
		ret = vfs_getxattr(mnt_idmap(real.path.mnt), real.path.dentry,
				   name, buffer, size);
	bl_real_put(&real);
	return ret;
}

/* Begin and end a change of attributes below. */
static int bl_attr_begin(struct dentry *dentry, struct bl_real *real)
{
	int err = bl_real_get(dentry, real);

	if (err)
		return err;
	err = mnt_want_write(real->path.mnt);
	if (err)
		bl_real_put(real);
	return err;
}

static void bl_attr_end(struct dentry *dentry, struct bl_real *real)
{
	mnt_drop_write(real->path.mnt);
	bl_inode_refresh(d_inode(dentry), d_inode(real->path.dentry),
			 real->mnt);
	bl_real_put(real);
}

static int bl_xattr_set(const struct xattr_handler *handler,
			struct mnt_idmap *idmap, struct dentry *dentry,
			struct inode *inode, const char *name,
			const void *value, size_t size, int flags)
{
	struct bl_real real;
	int err;

	err = bl_attr_begin(dentry, &real);
	if (err)
		return err;
	idmap = mnt_idmap(real.path.mnt);
	err = value ? vfs_setxattr(idmap, real.path.dentry, name, value, size,
				   flags) :
		      vfs_removexattr(idmap, real.path.dentry, name);
	bl_attr_end(dentry, &real);
	return err;
}

static const struct xattr_handler bl_xattr_handler = {
	.prefix = "",		/* every name */
	.get = bl_xattr_get,
	.set = bl_xattr_set,
};

const struct xattr_handler * const bl_xattr_handlers[] = {
	&bl_xattr_handler,
	NULL
};

/**
 * bl_listxattr - ->listxattr()
 * @dentry: dentry of a tree
 * @list: buffer
 * @size: bytes of @list
 *
 * Return: as ->listxattr().
 */
ssize_t bl_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct bl_real real;
	ssize_t ret;

	ret = bl_real_get(dentry, &real);
	if (ret)
		return ret;
	ret = vfs_listxattr(real.path.dentry, list, size);
	bl_real_put(&real);
	return ret;
}

/**
 * bl_get_acl - ->get_acl()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dentry: dentry of a tree
 * @type: ACL_TYPE_*
 *
 * Return: as ->get_acl().
 */
struct posix_acl *bl_get_acl(struct mnt_idmap *idmap, struct dentry *dentry,
			     int type)
{
	struct posix_acl *acl;
	struct bl_real real;
	int err;

	err = bl_real_get(dentry, &real);
	if (err)
		return ERR_PTR(err);
	acl = vfs_get_acl(mnt_idmap(real.path.mnt), real.path.dentry,
			  posix_acl_xattr_name(type));
	bl_real_put(&real);
	return acl;
}

/**
 * bl_set_acl - ->set_acl()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dentry: dentry of a tree, its inode locked by the VFS
 * @acl: ACL, or NULL to remove it
 * @type: ACL_TYPE_*
 *
 * Return: as ->set_acl().
 */
int bl_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
	       struct posix_acl *acl, int type)
{
	const char *name = posix_acl_xattr_name(type);
	struct bl_real real;
	int err;

	err = bl_attr_begin(dentry, &real);
	if (err)
		return err;
	idmap = mnt_idmap(real.path.mnt);
	err = acl ? vfs_set_acl(idmap, real.path.dentry, name, acl) :
		    vfs_remove_acl(idmap, real.path.dentry, name);
	bl_attr_end(dentry, &real);
	return err;
}

/**
 * bl_fileattr_get - ->fileattr_get()
 * @dentry: dentry of a tree
 * @fa: result
 *
 * Return: as ->fileattr_get().
 */
int bl_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	struct bl_real real;
	int err;

	err = bl_real_get(dentry, &real);
	if (err)
		return err;
	err = vfs_fileattr_get(real.path.dentry, fa);
	bl_real_put(&real);
	return err;
}

/**
 * bl_fileattr_set - ->fileattr_set()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dentry: dentry of a tree, its inode locked by the VFS
 * @fa: flags to set, merged with those that are there by the VFS
 *
 * Return: as ->fileattr_set().
 */
int bl_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct fileattr *fa)
{
	struct bl_real real;
	int err;

	err = bl_attr_begin(dentry, &real);
	if (err)
		return err;
	err = vfs_fileattr_set(mnt_idmap(real.path.mnt), real.path.dentry, fa);
	bl_attr_end(dentry, &real);
	return err;
}
