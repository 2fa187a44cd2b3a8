// SPDX-License-Identifier: GPL-2.0
/*
 * Private mounts of backing filesystems.
 *
 * Everything behind a link is used through a mount that is in no namespace.
 * It keeps the filesystem alive, but not the user's own mount, which can be
 * unmounted as if there were no link. Its flags are those of the mount that
 * holds the backing path, so that a link never weakens ro, nosuid, nodev or
 * noexec.
 */

#include <linux/err.h>
#include <linux/fs_context.h>
#include <linux/mount.h>
#include <linux/slab.h>

#include "bindlink.h"

/*
 * A mount that clone_private_mount() will not make, because its model is in
 * another mount namespace, unbindable or private itself.
 */
static struct vfsmount *bl_mnt_build(const struct path *path)
{
	struct super_block *sb = path->mnt->mnt_sb;
	struct vfsmount *mnt;
	struct fs_context *fc;

	/* An ID mapping can only be had by cloning. */
	if (is_idmapped_mnt(path->mnt))
		return ERR_PTR(-EACCES);

	fc = fs_context_for_mount(&bl_fs_type, SB_KERNMOUNT);
	if (IS_ERR(fc))
		return ERR_CAST(fc);

	/* put_fs_context() drops both of these. */
	atomic_inc(&sb->s_active);
	fc->root = dget(path->mnt->mnt_root);
	mnt = vfs_create_mount(fc);
	put_fs_context(fc);
	return mnt;
}

static struct vfsmount *bl_mnt_clone(const struct path *path)
{
	struct path top = { .mnt = path->mnt, .dentry = path->mnt->mnt_root };
	struct vfsmount *mnt = clone_private_mount(&top);

	if (IS_ERR(mnt) && PTR_ERR(mnt) != -ENOMEM)
		mnt = bl_mnt_build(path);
	return mnt;
}

/**
 * bl_mnt_get - the private mount of a tree that stands for a user's mount
 * @tree: tree that needs it
 * @path: a path in the user's mount
 * @extra_flags: mount flags to add to those of the user's mount
 *
 * Context: may sleep; runs with the credentials of the link's creator.
 * Return: the mount, which lives until bl_mnts_destroy(), or ERR_PTR().
 */
struct bl_mnt *bl_mnt_get(struct bl_tree *tree, const struct path *path,
			  int extra_flags)
{
	int flags = (path->mnt->mnt_flags | extra_flags) &
		    MNT_USER_SETTABLE_MASK;
	struct vfsmount *clone;
	struct bl_mnt *mnt;

	guard(mutex)(&tree->mnt_mutex);
	list_for_each_entry(mnt, &tree->mnts, list) {
		/*
		 * The address of a mount can be used again, so compare all
		 * that matters. The address itself tells two mounts of one
		 * filesystem apart, with their inodes.
		 */
		if (mnt->source == path->mnt && mnt->flags == flags &&
		    mnt->mnt->mnt_root == path->mnt->mnt_root &&
		    mnt_idmap(mnt->mnt) == mnt_idmap(path->mnt))
			return mnt;
	}

	mnt = kzalloc(sizeof(*mnt), GFP_KERNEL_ACCOUNT);
	if (!mnt)
		return ERR_PTR(-ENOMEM);
	clone = bl_mnt_clone(path);
	if (IS_ERR(clone)) {
		kfree(mnt);
		return ERR_CAST(clone);
	}
	/* Nobody else has seen the mount yet. */
	clone->mnt_flags |= flags;
	mnt->mnt = clone;
	mnt->flags = flags;
	mnt->source = path->mnt;
	list_add(&mnt->list, &tree->mnts);
	return mnt;
}

/**
 * bl_mnts_destroy - drop all private mounts of a dying tree
 * @tree: tree without inodes, dentries and open files
 */
void bl_mnts_destroy(struct bl_tree *tree)
{
	struct vfsmount *batch[16];
	struct bl_mnt *mnt, *next;
	unsigned int n = 0;

	/* One grace period for each batch. */
	list_for_each_entry_safe(mnt, next, &tree->mnts, list) {
		batch[n++] = mnt->mnt;
		list_del(&mnt->list);
		/* RCU-walk may still be on its way out. */
		kfree_rcu(mnt, rcu);
		if (n == ARRAY_SIZE(batch)) {
			kern_unmount_array(batch, n);
			n = 0;
		}
	}
	if (n)
		kern_unmount_array(batch, n);
}
