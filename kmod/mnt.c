// SPDX-License-Identifier: GPL-2.0
/*
 * Private mounts of backing filesystems.
 *
 * Everything behind a link is used through a mount that is in no namespace.
 * It keeps the filesystem alive, but not the user's own mount, which can be
 * unmounted as if there were no link. Its flags are those of the mount that
 * holds the backing path, so that a link never weakens ro, nosuid, nodev or
 * noexec.
 *
 * All trees share them. The last user may be the shrinker or anybody else who
 * must not wait for a grace period, so a work item takes them down.
 */

#include <linux/err.h>
#include <linux/fs_context.h>
#include <linux/mount.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bindlink.h"

static DEFINE_MUTEX(bl_mnt_mutex);
static LIST_HEAD(bl_mnts);

static void bl_mnts_reap(struct work_struct *work);
static DECLARE_WORK(bl_mnts_work, bl_mnts_reap);
static struct task_struct *bl_mnts_reaper;

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
 * bl_mnt_get - the private mount that stands for a user's mount
 * @path: a path in the user's mount
 * @extra_flags: mount flags to add to those of the user's mount, and
 *	BL_MNT_MASKED
 *
 * Context: may sleep; runs with the credentials of the link's creator.
 * Return: the mount with a reference, or ERR_PTR().
 */
struct bl_mnt *bl_mnt_get(const struct path *path, int extra_flags)
{
	int flags = ((path->mnt->mnt_flags | extra_flags) &
		     MNT_USER_SETTABLE_MASK) | (extra_flags & BL_MNT_MASKED);
	struct vfsmount *clone;
	struct bl_mnt *mnt;

	/* What is behind a tree is never a tree. */
	if (WARN_ON_ONCE(bl_is_tree(path->mnt->mnt_sb)))
		return ERR_PTR(-ELOOP);
	guard(mutex)(&bl_mnt_mutex);
	list_for_each_entry(mnt, &bl_mnts, list) {
		/*
		 * The address of a mount can be used again, so compare all
		 * that matters. The address itself tells two mounts of one
		 * filesystem apart, with their inodes.
		 */
		if (mnt->source == path->mnt && mnt->flags == flags &&
		    mnt->mnt->mnt_root == path->mnt->mnt_root &&
		    mnt_idmap(mnt->mnt) == mnt_idmap(path->mnt) &&
		    refcount_inc_not_zero(&mnt->ref)) {
			WRITE_ONCE(mnt->stale, false);
			return mnt;
		}
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
	clone->mnt_flags |= flags & MNT_USER_SETTABLE_MASK;
	refcount_set(&mnt->ref, 1);
	mnt->mnt = clone;
	mnt->flags = flags;
	mnt->modes = flags & BL_MNT_MASKED ? (umode_t)~0222 : (umode_t)~0;
	mnt->fresh = is_idmapped_mnt(mnt->mnt) ? 0 : mnt->modes;
	mnt->source = path->mnt;
	list_add(&mnt->list, &bl_mnts);
	return mnt;
}

/**
 * bl_mnt_put - drop a reference
 * @mnt: mount or NULL; what its user pinned of its filesystem has to be
 *	dropped before
 *
 * Context: may be in reclaim.
 */
void bl_mnt_put(struct bl_mnt *mnt)
{
	if (mnt && refcount_dec_and_test(&mnt->ref))
		schedule_work(&bl_mnts_work);
}

/**
 * bl_mnts_doubt - something was mounted or unmounted somewhere
 *
 * What is not asked for again from here on may be gone.
 */
void bl_mnts_doubt(void)
{
	struct bl_mnt *mnt;

	guard(mutex)(&bl_mnt_mutex);
	list_for_each_entry(mnt, &bl_mnts, list)
		WRITE_ONCE(mnt->stale, true);
}

/**
 * bl_mnts_stale - whether there are mounts that were not asked for again
 */
bool bl_mnts_stale(void)
{
	struct bl_mnt *mnt;

	guard(mutex)(&bl_mnt_mutex);
	list_for_each_entry(mnt, &bl_mnts, list)
		if (mnt->stale)
			return true;
	return false;
}

static void bl_mnts_reap(struct work_struct *work)
{
	struct vfsmount *batch[16];
	struct bl_mnt *mnt, *next;
	unsigned int n;

	WRITE_ONCE(bl_mnts_reaper, current);
	do {
		n = 0;
		mutex_lock(&bl_mnt_mutex);
		list_for_each_entry_safe(mnt, next, &bl_mnts, list) {
			if (refcount_read(&mnt->ref))
				continue;
			batch[n++] = mnt->mnt;
			list_del(&mnt->list);
			/* RCU-walk may still be on its way out. */
			kfree_rcu(mnt, rcu);
			if (n == ARRAY_SIZE(batch))
				break;
		}
		mutex_unlock(&bl_mnt_mutex);
		/* One grace period for each batch. */
		if (n)
			kern_unmount_array(batch, n);
	} while (n);
	WRITE_ONCE(bl_mnts_reaper, NULL);
}

/**
 * bl_mnts_flush - wait until the mounts that nobody uses are gone
 *
 * Context: may sleep, no locks held. Does nothing when taking down a mount led
 * here.
 */
void bl_mnts_flush(void)
{
	if (READ_ONCE(bl_mnts_reaper) != current)
		flush_work(&bl_mnts_work);
}

/**
 * bl_mnts_sync - write out the filesystems of all private mounts
 *
 * Which of them a tree has shown is not kept; more than it takes is written.
 *
 * Return: 0 or the first error.
 */
int bl_mnts_sync(void)
{
	struct bl_mnt *mnt, *last = NULL;
	int err = 0, ret;

	mutex_lock(&bl_mnt_mutex);
	list_for_each_entry(mnt, &bl_mnts, list) {
		struct super_block *real = mnt->mnt->mnt_sb;

		if (!refcount_inc_not_zero(&mnt->ref))
			continue;
		/* With a reference it stays where it is in the list. */
		mutex_unlock(&bl_mnt_mutex);
		down_read(&real->s_umount);
		ret = sync_filesystem(real);
		up_read(&real->s_umount);
		if (!err)
			err = ret;
		bl_mnt_put(last);
		last = mnt;
		mutex_lock(&bl_mnt_mutex);
	}
	mutex_unlock(&bl_mnt_mutex);
	bl_mnt_put(last);
	return err;
}
