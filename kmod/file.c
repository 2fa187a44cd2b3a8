// SPDX-License-Identifier: GPL-2.0
/*
 * Open files of a tree.
 *
 * An open file has the real file, opened with the opener's credentials, and
 * forwards to it with the credentials of the caller. FIFOs and devices are
 * opened the same way, so that both ends meet wherever they were opened.
 */

#include <linux/backing-file.h>
#include <linux/cred.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fsnotify.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "bindlink.h"

/**
 * struct bl_dir - private_data of an open directory; other files have just the
 *	file behind them
 * @real: the file behind it
 * @file: the open file, for the entry in bl_open_roots
 * @node: entry of bl_open_roots, for the root of a tree over a directory
 * @merge: for a directory that is made of several, otherwise NULL
 * @masked: modes are shown without write permission
 */
struct bl_dir {
	struct file *real;
	struct file *file;
	struct hlist_node node;
	struct bl_merge *merge;
	bool masked;
};

/*
 * Open roots that are directories, by the address of their f_path, which is
 * what fstat() gives to ->getattr(). Nothing else tells it from stat().
 */
static DEFINE_SPINLOCK(bl_open_lock);
static DEFINE_HASHTABLE(bl_open_roots, 8);

/**
 * bl_file_find - what the root of a tree was opened as
 * @path: path that ->getattr() was given
 * @real: result, with references
 * @masked: set to whether its mode is shown without write permission
 *
 * Return: false when @path is not that of an open directory.
 */
bool bl_file_find(const struct path *path, struct path *real, bool *masked)
{
	unsigned long key = (unsigned long)path;
	bool found = false;
	struct bl_dir *od;

	if (hlist_empty(&bl_open_roots[hash_min(key, HASH_BITS(bl_open_roots))]))
		return false;
	spin_lock(&bl_open_lock);
	hash_for_each_possible(bl_open_roots, od, node, key) {
		if (&od->file->f_path == path) {
			*real = od->real->f_path;
			path_get(real);
			*masked = od->masked;
			found = true;
			break;
		}
	}
	spin_unlock(&bl_open_lock);
	return found;
}

static const struct file_operations bl_poll_fops;

/* What of an open file depends on what was opened. */
#define BL_COPY_FMODE	(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE |	\
			 FMODE_STREAM | FMODE_NOWAIT | FMODE_ATOMIC_POS |\
			 FMODE_CAN_ODIRECT)
/* What F_SETFL may change. */
#define BL_SETFL	(O_APPEND | O_NONBLOCK | O_NDELAY | O_DIRECT | O_NOATIME)

/* One that is not open yet, in ->tmpfile() and ->atomic_open(), is none. */
static bool bl_file_is_dir(const struct file *file)
{
	return file->f_inode && S_ISDIR(file->f_inode->i_mode);
}

/* The file behind @file, whose ->open() was here. */
static struct file *bl_file_behind(const struct file *file)
{
	const struct bl_dir *od = file->private_data;

	return likely(!bl_file_is_dir(file)) ? file->private_data : od->real;
}

/* Bring the flags of @real, which is behind @file, up. */
static __always_inline void bl_file_update(const struct file *file,
					   struct file *real)
{
	unsigned int flags = READ_ONCE(file->f_flags);

	/* F_SETFL looks at the inode of the tree, which does not know. */
	if (IS_APPEND(file_inode(real)))
		flags |= O_APPEND;
	/* And it tells nobody. */
	if (unlikely((flags ^ real->f_flags) & BL_SETFL)) {
		spin_lock(&real->f_lock);
		real->f_flags = (real->f_flags & ~BL_SETFL) |
				(flags & BL_SETFL);
		real->f_iocb_flags = iocb_flags(real);
		spin_unlock(&real->f_lock);
	}
}

/**
 * bl_file_real - the file behind an open file, with its flags brought up
 * @file: open file of a tree
 *
 * Return: the file, borrowed.
 */
struct file *bl_file_real(const struct file *file)
{
	struct file *real = bl_file_behind(file);

	bl_file_update(file, real);
	return real;
}

/**
 * bl_file_merge - what an open directory is made of
 * @file: open directory inside of a merged link
 *
 * Return: what bl_merge_open() returned, borrowed.
 */
struct bl_merge *bl_file_merge(const struct file *file)
{
	const struct bl_dir *od = file->private_data;

	return od->merge;
}

static void bl_file_modes(struct file *file, struct file *real)
{
	/*
	 * Not f_mapping: the VFS takes a file with the mapping of another
	 * filesystem for one of that filesystem (shmem_file()), and its inode
	 * for one with that filesystem's data around it.
	 */
	file->f_mode = (file->f_mode & ~BL_COPY_FMODE) |
		       (real->f_mode & BL_COPY_FMODE);
}

/**
 * bl_file_adopt - make a real file the one behind an open file
 * @file: open file of a tree, in ->open() or ->tmpfile()
 * @real: file behind it; consumed, also on failure
 *
 * Return: 0, -ENOMEM, or -ETXTBSY for executing what is open for writing.
 */
int bl_file_adopt(struct file *file, struct file *real)
{
	struct bl_dir *od;
	int err = 0;

	if (bl_file_is_dir(file)) {
		od = kzalloc(sizeof(*od), GFP_KERNEL_ACCOUNT);
		if (!od) {
			err = -ENOMEM;
			goto fail;
		}
		od->real = real;
		od->file = file;
		file->private_data = od;
	} else {
		/* exec denies it on the inode of the tree, in vain. */
		if (file->f_flags & __FMODE_EXEC)
			err = deny_write_access(real);
		if (err)
			goto fail;
		file->private_data = real;
	}
	bl_file_modes(file, real);
	/* That a file can be polled is told by the operation being there. */
	if (real->f_op->poll && file->f_op == &bl_file_fops)
		replace_fops(file, &bl_poll_fops);
	return 0;
fail:
	fput(real);
	return err;
}

/* Returns the file behind @file, for the caller to close. */
static struct file *bl_file_forget(struct file *file)
{
	struct file *real = bl_file_behind(file);
	struct bl_dir *od = file->private_data;

	if (bl_file_is_dir(file)) {
		if (!hlist_unhashed(&od->node)) {
			spin_lock(&bl_open_lock);
			hash_del(&od->node);
			spin_unlock(&bl_open_lock);
		}
		if (od->merge)
			bl_merge_release(od->merge);
		kfree(od);
	} else if (file->f_flags & __FMODE_EXEC) {
		allow_write_access(real);
	}
	file->private_data = NULL;
	return real;
}

/**
 * bl_file_abandon - undo bl_file_adopt() for a file that was not opened
 * @file: file that ->release() will not be called for, or will be
 */
void bl_file_abandon(struct file *file)
{
	if (!(file->f_mode & FMODE_OPENED) && file->private_data)
		fput(bl_file_forget(file));
}

/*
 * The root may be bound to something else than what may_open() looked at:
 * ask again for what will be opened.
 */
static int bl_open_root(struct file *file, const struct bl_real *real)
{
	struct inode *inode = d_inode(real->path.dentry);
	struct mnt_idmap *idmap = mnt_idmap(real->path.mnt);
	int mask = MAY_OPEN, err;

	if (file->f_mode & FMODE_READ)
		mask |= MAY_READ;
	if (file->f_mode & FMODE_WRITE)
		mask |= MAY_WRITE;
	if (file->f_flags & O_APPEND)
		mask |= MAY_APPEND;
	if (file->f_flags & __FMODE_EXEC) {
		mask |= MAY_EXEC;
		if (!S_ISREG(inode->i_mode) ||
		    (real->path.mnt->mnt_flags & MNT_NOEXEC))
			return -EACCES;
	}
	err = inode_permission(idmap, inode, mask);
	if (err)
		return err;
	if ((file->f_flags & O_NOATIME) && !inode_owner_or_capable(idmap, inode))
		return -EPERM;
	return 0;
}

/* Put a dentry of its own in place of the root, which changes. */
static int bl_open_detach(struct file *file, const struct bl_real *real)
{
	struct dentry *dentry;
	struct inode *inode;
	int err;

	dentry = bl_dentry_opened(file->f_path.dentry->d_sb, real);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	inode = d_inode(dentry);

	/* The open counts of the inode go with the file. */
	if (file->f_mode & FMODE_WRITER) {
		err = get_write_access(inode);
		if (err) {
			dput(dentry);
			return err;
		}
		put_write_access(file->f_inode);
	} else if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) == FMODE_READ) {
		i_readcount_inc(inode);
		i_readcount_dec(file->f_inode);
	}
	file->f_inode = inode;
	file->f_mapping = inode->i_mapping;
	dput(file->f_path.dentry);
	file->f_path.dentry = dentry;
	return 0;
}

static int bl_open_real(struct file *file, const struct bl_real *real)
{
	umode_t mode = d_inode(real->path.dentry)->i_mode;
	unsigned int flags;
	struct file *lower;

	if ((S_ISCHR(mode) || S_ISBLK(mode)) &&
	    ((real->path.mnt->mnt_flags & MNT_NODEV) ||
	     (real->path.mnt->mnt_sb->s_iflags & SB_I_NODEV)))
		return -EACCES;
	if (IS_APPEND(d_inode(real->path.dentry)) &&
	    (((file->f_mode & FMODE_WRITE) && !(file->f_flags & O_APPEND)) ||
	     (file->f_flags & O_TRUNC)))
		return -EPERM;
	flags = file->f_flags &
		~(O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	lower = bl_spare_take(file, &real->path, flags) ?:
		bl_backing_file_open(file, flags, &real->path, current_cred());
	if (IS_ERR(lower))
		return PTR_ERR(lower);
	return bl_file_adopt(file, lower);
}

static int bl_open(struct inode *inode, struct file *file)
{
	struct bl_real real;
	int err;

	/* ->tmpfile() has opened it. */
	if (file->private_data) {
		bl_file_modes(file, bl_file_real(file));
		return 0;
	}
	err = bl_real_get(file->f_path.dentry, &real);
	if (err)
		return err;
	if (bl_is_root(inode)) {
		err = bl_open_root(file, &real);
		if (!err)
			err = bl_open_detach(file, &real);
	}
	if (!err) {
		bl_inode_refresh(file->f_inode, d_inode(real.path.dentry),
				 real.mnt);
		err = bl_open_real(file, &real);
	}
	bl_real_put(&real);
	return err;
}

/* Locks that @owner has taken through a file are at the file behind it. */
static void bl_unlock_posix(struct file *real, fl_owner_t owner)
{
	if (unlikely(locks_inode_context(file_inode(real))))
		locks_remove_posix(real, owner);
}

static int bl_release(struct inode *inode, struct file *file)
{
	struct file *real;

	/* Locks of the open file description are owned by this file. */
	bl_unlock_posix(bl_file_behind(file), (fl_owner_t)file);
	real = bl_file_forget(file);
	/*
	 * Where this is called __fput() can be. fput() would leave it to another
	 * round of the task's work.
	 */
	if (!bl_spare_give(inode, real))
		__fput_sync(real);
	return 0;
}

static int bl_flush(struct file *file, fl_owner_t id)
{
	struct file *real = bl_file_real(file);
	int err = 0;

	if (real->f_op->flush)
		err = real->f_op->flush(real, id);
	bl_unlock_posix(real, id);
	return err;
}

static struct backing_file_ctx bl_ctx(struct file *file)
{
	return (struct backing_file_ctx) {
		.cred = current_cred(),
		.user_file = file,
	};
}

/*
 * Privileges are dropped below. A chmod() that was refused may have left the
 * VFS to think that there is something to do here.
 */
static void bl_file_nosec(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (unlikely(!IS_NOSEC(inode)))
		inode_set_flags(inode, S_NOSEC, S_NOSEC);
}

/* A driver that has only ->read() or ->write(), one segment at a time. */
static ssize_t bl_old_io(struct file *real, struct kiocb *iocb,
			 struct iov_iter *iter, bool write)
{
	ssize_t done = 0;

	if (!user_backed_iter(iter) ||
	    (write ? !real->f_op->write : !real->f_op->read))
		return -EINVAL;
	while (iov_iter_count(iter)) {
		void __user *base = iter_iov_addr(iter);
		size_t len = iter_iov_len(iter);
		ssize_t n;

		n = write ? real->f_op->write(real, base, len, &iocb->ki_pos) :
			    real->f_op->read(real, base, len, &iocb->ki_pos);
		if (n < 0)
			return done ?: n;
		done += n;
		iov_iter_advance(iter, n);
		if (n != len)
			break;
	}
	return done;
}

/* Asynchronous, or old. */
static noinline ssize_t bl_other_io(struct kiocb *iocb, struct iov_iter *iter,
				    struct file *real, bool write)
{
	struct backing_file_ctx ctx = bl_ctx(iocb->ki_filp);

	if (write ? !real->f_op->write_iter : !real->f_op->read_iter)
		return bl_old_io(real, iocb, iter, write);
	if (!write)
		return backing_file_read_iter(real, iter, iocb, iocb->ki_flags,
					      &ctx);
	bl_file_nosec(iocb->ki_filp);
	return backing_file_write_iter(real, iter, iocb, iocb->ki_flags, &ctx);
}

/* What of a request goes along; the rest is what the real file has. */
#define BL_IOCB_FLAGS	(IOCB_NOWAIT | IOCB_HIPRI | IOCB_DSYNC | IOCB_SYNC |	\
			 IOCB_APPEND)

/*
 * Have @iocb, which is synchronous, and so belongs to who is waiting for it, ask
 * @real. Returns its flags, for bl_iocb_back().
 */
static __always_inline int bl_iocb_lend(struct kiocb *iocb, struct file *real)
{
	int flags = iocb->ki_flags;

	iocb->ki_filp = real;
	iocb->ki_flags = (real->f_iocb_flags & ~BL_IOCB_FLAGS) |
			 (flags & BL_IOCB_FLAGS);
	return flags;
}

static __always_inline void bl_iocb_back(struct kiocb *iocb, struct file *file,
					 int flags)
{
	iocb->ki_filp = file;
	iocb->ki_flags = flags;
}

/*
 * exec reads a program before it looks at its set-user-ID bit, but it may be long ago
 * that it was opened: the arguments are copied in between.
 */
static noinline void bl_file_exec(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (BL_I(inode)->real)
		bl_inode_refresh(inode, BL_I(inode)->real, BL_I(inode)->mnt);
}

/*
 * Those who watch the real file or restrict its use are asked for each access to
 * it. All else that vfs_iocb_iter_read() looks at was found right at ->open().
 */
static ssize_t bl_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct file *file = iocb->ki_filp;
	struct file *real = file->private_data;
	ssize_t n;
	int flags;

	bl_file_update(file, real);
	if (unlikely(file->f_flags & __FMODE_EXEC))
		bl_file_exec(file);
	if (unlikely(!is_sync_kiocb(iocb) || !real->f_op->read_iter))
		return bl_other_io(iocb, iter, real, false);
	n = rw_verify_area(READ, real, &iocb->ki_pos, iov_iter_count(iter));
	if (unlikely(n))
		return n;
	flags = bl_iocb_lend(iocb, real);
	n = real->f_op->read_iter(iocb, iter);
	bl_iocb_back(iocb, file, flags);
	if (likely(n >= 0))
		fsnotify_access(real);
	return n;
}

static ssize_t bl_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct file *file = iocb->ki_filp;
	struct file *real = file->private_data;
	ssize_t n;
	int flags;

	bl_file_update(file, real);
	if (unlikely(!is_sync_kiocb(iocb) || !real->f_op->write_iter))
		return bl_other_io(iocb, iter, real, true);
	flags = bl_iocb_lend(iocb, real);
	if (unlikely(IS_APPEND(file_inode(real)))) {
		/* RWF_NOAPPEND, which is for the inode to decide. */
		if (file->f_iocb_flags & ~flags & IOCB_APPEND) {
			bl_iocb_back(iocb, file, flags);
			return -EPERM;
		}
		iocb->ki_flags |= IOCB_APPEND;
	}
	n = vfs_iocb_iter_write(real, iocb, iter);
	bl_iocb_back(iocb, file, flags);
	return n;
}

static ssize_t bl_splice_read(struct file *in, loff_t *ppos,
			      struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags)
{
	struct backing_file_ctx ctx = bl_ctx(in);

	return backing_file_splice_read(bl_file_real(in), ppos, pipe, len,
					flags, &ctx);
}

static ssize_t bl_splice_write(struct pipe_inode_info *pipe, struct file *out,
			       loff_t *ppos, size_t len, unsigned int flags)
{
	struct backing_file_ctx ctx = bl_ctx(out);

	bl_file_nosec(out);
	return backing_file_splice_write(pipe, bl_file_real(out), ppos, len,
					 flags, &ctx);
}

static int bl_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct backing_file_ctx ctx = bl_ctx(file);
	struct file *real = bl_file_real(file);

	/* What do_mmap() does for the mount that it knows of. */
	if (real->f_path.mnt->mnt_flags & MNT_NOEXEC) {
		if (vma->vm_flags & VM_EXEC)
			return -EPERM;
		vm_flags_clear(vma, VM_MAYEXEC);
	}
	return backing_file_mmap(real, vma, &ctx);
}

/**
 * bl_file_llseek - ->llseek() by a file behind
 * @file: open file of a tree
 * @real: file behind it, or one of those
 * @offset: as for lseek(2)
 * @whence: as for lseek(2)
 *
 * Return: the new position of @file, or an error of the filesystem behind.
 */
loff_t bl_file_llseek(struct file *file, struct file *real, loff_t offset,
		      int whence)
{
	loff_t ret;

	real->f_pos = file->f_pos;
	ret = vfs_llseek(real, offset, whence);
	file->f_pos = real->f_pos;
	return ret;
}

static loff_t bl_llseek(struct file *file, loff_t offset, int whence)
{
	return bl_file_llseek(file, bl_file_real(file), offset, whence);
}

static int bl_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return vfs_fsync_range(bl_file_real(file), start, end, datasync);
}

static long bl_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	return vfs_fallocate(bl_file_real(file), mode, offset, len);
}

static int bl_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct file *real = bl_file_real(file);
	int err = vfs_fadvise(real, offset, len, advice);

	/* Those of the file that readahead is done for. */
	if (!err) {
		spin_lock(&file->f_lock);
		file->f_mode = (file->f_mode & ~(FMODE_RANDOM | FMODE_NOREUSE)) |
			       (real->f_mode & (FMODE_RANDOM | FMODE_NOREUSE));
		spin_unlock(&file->f_lock);
	}
	return err;
}

static ssize_t bl_copy_file_range(struct file *in, loff_t pos_in,
				  struct file *out, loff_t pos_out,
				  size_t len, unsigned int flags)
{
	return vfs_copy_file_range(bl_file_real(in), pos_in,
				   bl_file_real(out), pos_out, len, flags);
}

static loff_t bl_remap_file_range(struct file *in, loff_t pos_in,
				  struct file *out, loff_t pos_out,
				  loff_t len, unsigned int flags)
{
	struct file *real_in = bl_file_real(in);
	struct file *real_out = bl_file_real(out);

	if (flags & REMAP_FILE_DEDUP)
		return vfs_dedupe_file_range_one(real_in, pos_in, real_out,
						 pos_out, len, flags);
	return vfs_clone_file_range(real_in, pos_in, real_out, pos_out, len,
				    flags);
}

static __poll_t bl_poll(struct file *file, struct poll_table_struct *table)
{
	return vfs_poll(bl_file_real(file), table);
}

static long bl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return vfs_ioctl(bl_file_real(file), cmd, arg);
}

#ifdef CONFIG_COMPAT
static long bl_compat_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	struct file *real = bl_file_real(file);

	return real->f_op->compat_ioctl ?
		real->f_op->compat_ioctl(real, cmd, arg) : -ENOIOCTLCMD;
}
#endif

/*
 * Locks are kept where those taken at the backing are, under the file that
 * is open there, but in the name of the same owner.
 */
static int bl_lock(struct file *file, int cmd, struct file_lock *fl)
{
	struct file *real = bl_file_real(file);
	int err;

	fl->c.flc_file = real;
	switch (cmd) {
	case F_GETLK:
	case F_OFD_GETLK:
#if BITS_PER_LONG == 32
	case F_GETLK64:
#endif
		err = vfs_test_lock(real, fl);
		break;
	case F_CANCELLK:
		err = vfs_cancel_lock(real, fl);
		break;
	default:
		err = vfs_lock_file(real, cmd, fl, NULL);
	}
	fl->c.flc_file = file;
	return err;
}

static int bl_flock(struct file *file, int cmd, struct file_lock *fl)
{
	struct file *real = bl_file_real(file);
	int err;

	fl->c.flc_file = real;
	err = real->f_op->flock ? real->f_op->flock(real, cmd, fl) :
				  locks_lock_file_wait(real, fl);
	fl->c.flc_file = file;
	return err;
}

static int bl_setlease(struct file *file, int arg, struct file_lease **lease,
		       void **priv)
{
	struct file *real = bl_file_real(file);

	if (lease && *lease)
		(*lease)->c.flc_file = real;
	return vfs_setlease(real, arg, lease, priv);
}

#ifdef CONFIG_COMPAT
#define BL_IOCTL_OPS							\
	.unlocked_ioctl = bl_ioctl,					\
	.compat_ioctl = bl_compat_ioctl
#else
#define BL_IOCTL_OPS	.unlocked_ioctl = bl_ioctl
#endif

/*
 * What all open files have. The superblock keeps the module, so none of them has
 * to: processors would write to one line for it.
 */
#define BL_COMMON_OPS							\
	.release = bl_release,						\
	.flush = bl_flush,						\
	.fsync = bl_fsync,						\
	.lock = bl_lock,						\
	.flock = bl_flock,						\
	.setlease = bl_setlease,					\
	BL_IOCTL_OPS

/* What those have that are no directories. */
#define BL_DATA_OPS							\
	BL_COMMON_OPS,							\
	.open = bl_open,						\
	.llseek = bl_llseek,						\
	.read_iter = bl_read_iter,					\
	.write_iter = bl_write_iter,					\
	.splice_read = bl_splice_read,					\
	.splice_write = bl_splice_write,				\
	.mmap = bl_mmap,						\
	.fallocate = bl_fallocate,					\
	.fadvise = bl_fadvise,						\
	.copy_file_range = bl_copy_file_range,				\
	.remap_file_range = bl_remap_file_range

const struct file_operations bl_file_fops = {
	BL_DATA_OPS,
};

/* FIFOs and devices. */
static const struct file_operations bl_poll_fops = {
	BL_DATA_OPS,
	.poll = bl_poll,
};

static const struct file_operations bl_merge_fops;

/* How often to look what is there while links come and go. */
#define BL_DIR_TRIES	16

/*
 * @dentry was one of several until a link went: have @real be what its path
 * leads to now, as it is for lookups in it, because what @real says was only a
 * part of what was seen. Nothing there: it goes on as that. Returns -EAGAIN
 * where it is one of several again.
 */
static int bl_dir_single(struct dentry *dentry, struct bl_real *real)
{
	struct bl_real now = {};
	struct bl_where where;
	struct bl_mnt *mnt;
	int err;

	err = bl_dentry_walk(dentry, &where, &mnt, NULL);
	if (where.merged) {
		err = -EAGAIN;
	} else if (!err && mnt && d_can_lookup(where.path.dentry)) {
		now.path.mnt = mnt->mnt;
		now.path.dentry = dget(where.path.dentry);
		now.mnt = mnt;
		mnt = NULL;
		bl_real_put(real);
		*real = now;
	} else if (err != -ENOMEM) {
		err = 0;
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

/*
 * What @file, a directory, stands for by one state of the rules: @real and, if
 * that is one of several, @merge.
 */
static int bl_dir_find(struct file *file, struct bl_real *real,
		       struct bl_merge **merge)
{
	struct dentry *dentry = file->f_path.dentry;
	int err, tries = 0;
	bool gone;

	for (;;) {
		*merge = NULL;
		err = bl_real_get(dentry, real);
		if (err)
			return err;
		if (real->merged)
			*merge = bl_merge_open(file);
		if (IS_ERR(*merge)) {
			bl_real_put(real);
			return PTR_ERR(*merge);
		}
		/* Its link has, since it was found to be made of several. */
		gone = real->merged && !*merge;
		if ((real->gen == bl_rules_generation() && !gone) ||
		    ++tries == BL_DIR_TRIES)
			return 0;
		/*
		 * Another kind of directory, or none, has the name. So it is,
		 * too, where the root of a tree that is not mounted any more
		 * keeps its link.
		 */
		if (dentry == dentry->d_sb->s_root)
			err = gone ? -ESTALE : 0;
		else
			err = bl_dentry_renew(dentry);
		if (err == -ESTALE || err == -ENOENT) {
			err = gone ? bl_dir_single(dentry, real) : 0;
			if (!err)
				return 0;
			if (err == -EAGAIN)
				err = 0;
		}
		if (*merge)
			bl_merge_release(*merge);
		bl_real_put(real);
		if (err)
			return err;
	}
}

static int bl_dir_open(struct inode *inode, struct file *file)
{
	struct bl_merge *merge;
	struct bl_dir *od;
	struct bl_real real;
	struct file *lower;
	int err;

	err = bl_dir_find(file, &real, &merge);
	if (err && bl_root_way(bl_tree(inode->i_sb), err)) {
		replace_fops(file, &bl_way_fops);
		return 0;
	}
	if (err)
		return err;
	if (bl_is_root(inode))
		err = bl_open_root(file, &real);
	if (!err) {
		lower = dentry_open(&real.path, file->f_flags, current_cred());
		err = IS_ERR(lower) ? PTR_ERR(lower) :
				      bl_file_adopt(file, lower);
	}
	if (err) {
		if (merge)
			bl_merge_release(merge);
		goto out;
	}
	od = file->private_data;
	if (merge) {
		od->merge = merge;
		replace_fops(file, &bl_merge_fops);
	}
	if (bl_is_root(inode)) {
		od->masked = bl_mnt_masked(real.mnt);
		spin_lock(&bl_open_lock);
		hash_add(bl_open_roots, &od->node,
			 (unsigned long)&file->f_path);
		spin_unlock(&bl_open_lock);
	}
out:
	bl_real_put(&real);
	return err;
}

const struct file_operations bl_dir_fops = {
	BL_COMMON_OPS,
	.open = bl_dir_open,
	.llseek = bl_dir_llseek,
	.read = generic_read_dir,
	.iterate_shared = bl_iterate,
};

/* A directory inside of a merged link. */
static const struct file_operations bl_merge_fops = {
	BL_COMMON_OPS,
	.llseek = bl_merge_llseek,
	.read = generic_read_dir,
	.iterate_shared = bl_merge_iterate,
};

/* A directory that only leads to links. */
const struct file_operations bl_way_fops = {
	.llseek = bl_dir_llseek,
	.read = generic_read_dir,
	.iterate_shared = bl_iterate,
};
