// SPDX-License-Identifier: GPL-2.0
/*
 * Files behind that were closed, kept open for whoever opens them again.
 *
 * An open file of a tree has a file of its own behind it. To make that, and to be
 * done with it, takes as long as all else of open(2) and close(2). Servers open the
 * same files over and over. So a file behind that was only read is not closed at
 * once, but is a spare for a second. Who opens the same inode by the same mount, with
 * the same flags and the same credentials, as one and the same process does, takes
 * it, and has what opening it would have given.
 *
 * Nobody can tell that it was not closed:
 *
 * - It is the file of a filesystem that does not care about when one is closed that
 *   was only read, see bl_sb_known().
 * - Those who want to know who has a file open count readers, and a spare is none.
 *   A spare of what somebody has ever locked, or has a lease on, is neither kept nor
 *   taken.
 * - Those who watch it, its directory or its filesystem hear of each time that it is
 *   opened and closed, as then none is kept, and none is taken. Nor is one who comes
 *   later told of the end of a spare. The mount is private.
 * - It does not keep the mount by which it was opened in the tree. It keeps the
 *   private one of its filesystem, and its inode, which the inode of the tree keeps
 *   anyway; and when that goes the spare does.
 *
 * Security modules that go by labels may have another opinion each time; where there
 * are any, there are no spares. The others are asked about the file of the tree each
 * time, about the one behind when it is opened, and when it is used.
 */

#include <linux/backing-file.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/hash.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "bindlink.h"

/* Where there may be some, and how many in each. */
#define BL_SPARE_BITS	7
#define BL_SPARE_WAYS	4

/* How long they are kept: a second at most. */
#define BL_SPARE_TIME	HZ

/**
 * struct bl_spares - the spares of all inodes with the same hash
 * @lock: guards the rest; a leaf
 * @next: which one goes for the next one, if there are as many as there may be
 * @files: files that nobody else has, or NULL. Their user paths are empty, and they are
 *	not counted among the readers of their inodes.
 *
 * A spare is owned by the array, and is gone before the inode of the tree is by which
 * it was opened, but for the time that it takes somebody to close it, and for reclaim.
 */
struct bl_spares {
	spinlock_t lock;	/* @next, @files */
	unsigned int next;
	struct file *files[BL_SPARE_WAYS];
} ____cacheline_aligned_in_smp;

static struct bl_spares bl_spare_table[1 << BL_SPARE_BITS];

static void bl_spares_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(bl_spares_end, bl_spares_work);

static struct bl_spares *bl_spares_of(const struct inode *real)
{
	return &bl_spare_table[hash_ptr(real, BL_SPARE_BITS)];
}

/*
 * Whether somebody is told that @file is opened or closed, but for who watches its
 * mount, or may be asked about it.
 */
static bool bl_file_watched(const struct file *file)
{
#ifdef CONFIG_FSNOTIFY
	const struct dentry *dentry = file->f_path.dentry;
	struct super_block *sb = dentry->d_sb;

	if (likely(!fsnotify_sb_has_watchers(sb)))
		return false;
	return fsnotify_sb_has_priority_watchers(sb, FSNOTIFY_PRIO_CONTENT) ||
	       READ_ONCE(file_inode(file)->i_fsnotify_mask) ||
	       READ_ONCE(sb->s_fsnotify_mask) ||
	       (dentry->d_flags & DCACHE_FSNOTIFY_PARENT_WATCHED);
#else
	return false;
#endif
}

/* Close a spare that was taken out. */
static void bl_spare_close(struct file *file)
{
	/* It is no reader, and does not become one to stop being one. */
	file->f_mode &= ~FMODE_READ;
	bl_file_no_notify(file);
	/* Not later: who waits for the last of a link's inodes wants all to be gone. */
	__fput_sync(file);
}

/* Close those in @spares that are of @real, or all if that is NULL. */
static void bl_spares_close(struct bl_spares *spares, const struct inode *real)
{
	struct file *file;
	unsigned int i;

	for (i = 0; i < BL_SPARE_WAYS; i++) {
		if (!READ_ONCE(spares->files[i]))
			continue;
		spin_lock(&spares->lock);
		file = spares->files[i];
		if (file && (!real || file_inode(file) == real))
			WRITE_ONCE(spares->files[i], NULL);
		else
			file = NULL;
		spin_unlock(&spares->lock);
		if (file)
			bl_spare_close(file);
	}
}

static void bl_spares_work(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bl_spare_table); i++) {
		bl_spares_close(&bl_spare_table[i], NULL);
		cond_resched();
	}
}

/* Whether @file is what opening @path with @flags would give. */
static bool bl_spare_fits(const struct file *file, const struct path *path,
			  unsigned int flags)
{
	return file && path_equal(&file->f_path, path) &&
	       file_inode(file) == d_inode(path->dentry) &&
	       file->f_flags == flags && file->f_cred == current_cred();
}

/**
 * bl_spare_take - have a spare instead of opening a file
 * @user: file of a tree that is being opened
 * @path: what is behind it
 * @flags: flags to open that with
 *
 * Context: may sleep; whether the caller may open it was asked.
 * Return: the file, as backing_file_open() would return it, or NULL.
 */
struct file *bl_spare_take(struct file *user, const struct path *path,
			   unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct bl_spares *spares = bl_spares_of(inode);
	struct file *file = NULL;
	struct path *at;
	unsigned int i;

	spin_lock(&spares->lock);
	for (i = 0; i < BL_SPARE_WAYS; i++) {
		if (bl_spare_fits(spares->files[i], path, flags)) {
			file = spares->files[i];
			WRITE_ONCE(spares->files[i], NULL);
			break;
		}
	}
	spin_unlock(&spares->lock);
	if (!file)
		return NULL;

	i_readcount_inc(inode);
	/*
	 * Pairs with who sets a lease, and then looks for readers. Leases, too, are
	 * broken by who opens it.
	 */
	smp_mb__after_atomic();
	if (unlikely(locks_inode_context(inode) || bl_file_watched(file))) {
		i_readcount_dec(inode);
		bl_spare_close(file);
		return NULL;
	}
	at = bl_backing_file_path(file);
	*at = *file_user_path(user);
	path_get(at);
	memset(&file->f_ra, 0, sizeof(file->f_ra));
	file_ra_state_init(&file->f_ra, file->f_mapping);
	file->f_wb_err = filemap_sample_wb_err(file->f_mapping);
	file->f_sb_err = file_sample_sb_err(file);
	return file;
}

/*
 * Whether somebody may want to open what @file is, who is not refused for its size,
 * and whose credentials keep nothing that is counted.
 */
static bool bl_spare_wanted(const struct file *file)
{
	return file->f_cred == current_cred() && !(current->flags & PF_EXITING) &&
	       file->f_cred->user_ns == &init_user_ns &&
	       (file->f_flags & O_LARGEFILE);
}

/* Whether nobody can tell whether @file is open. */
static bool bl_spare_may(const struct file *file)
{
	const fmode_t mask = FMODE_READ | FMODE_WRITE | FMODE_RANDOM |
			     FMODE_NOREUSE | FMODE_BACKING;
	const struct inode *inode = file_inode(file);

	return (file->f_mode & mask) == (FMODE_READ | FMODE_BACKING) &&
	       !(file->f_flags & (__FMODE_EXEC | FASYNC)) &&
	       bl_spare_wanted(file) &&
	       S_ISREG(inode->i_mode) && !IS_ENCRYPTED(inode) &&
	       inode->i_nlink && !d_unlinked(file->f_path.dentry) &&
	       file_count(file) == 1 && !locks_inode_context(inode) &&
	       !bl_file_watched(file) &&
	       bl_sb_known(inode->i_sb) &&
	       !static_branch_unlikely(&bl_labels);
}

/**
 * bl_spare_give - keep a file as a spare instead of closing it
 * @inode: inode of the tree that it was opened by
 * @file: file behind, which the caller has the last reference to
 *
 * Context: may sleep; @inode is held.
 * Return: whether it is kept, or else the caller has to close it.
 */
bool bl_spare_give(struct inode *inode, struct file *file)
{
	struct inode *real = file_inode(file);
	struct bl_spares *spares = bl_spares_of(real);
	struct file *old;
	struct path *at;
	unsigned int i;

	/* Where the inode behind is that one the spare goes with @inode. */
	if (BL_I(inode)->real != real || !bl_spare_may(file))
		return false;
	at = bl_backing_file_path(file);
	path_put(at);
	*at = (struct path) {};
	i_readcount_dec(real);

	spin_lock(&spares->lock);
	for (i = 0; i < BL_SPARE_WAYS && spares->files[i]; i++)
		;
	if (i == BL_SPARE_WAYS)
		i = spares->next++ % BL_SPARE_WAYS;
	old = spares->files[i];
	WRITE_ONCE(spares->files[i], file);
	spin_unlock(&spares->lock);
	if (old)
		bl_spare_close(old);
	/* Work that is pending has not begun to look. */
	smp_mb();
	if (!delayed_work_pending(&bl_spares_end))
		queue_delayed_work(system_unbound_wq, &bl_spares_end,
				   BL_SPARE_TIME);
	return true;
}

/**
 * bl_spare_drop - an inode of a tree goes
 * @real: the inode behind it, held
 *
 * Context: may sleep; may be in reclaim, where no file is closed: that may write.
 * Then it is for the work item to do.
 */
void bl_spare_drop(const struct inode *real)
{
	if (likely(!(current->flags & PF_MEMALLOC)))
		bl_spares_close(bl_spares_of(real), real);
}

/**
 * bl_spares_init - before there are trees
 */
void __init bl_spares_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bl_spare_table); i++)
		spin_lock_init(&bl_spare_table[i].lock);
}

/**
 * bl_spares_exit - when there are no trees any more
 *
 * Context: module exit.
 */
void bl_spares_exit(void)
{
	cancel_delayed_work_sync(&bl_spares_end);
	/* Those of inodes that went in reclaim. */
	bl_spares_work(NULL);
}
