/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernel interfaces, in one place.
 *
 * The sources are written for 6.12 LTS. Stable kernels backport signatures,
 * so what differs is found out from the declaration itself and never from the
 * version: __same_type() says which of the known types this kernel has, and
 * the call is made through that type.
 */

#ifndef _BINDLINK_COMPAT_H
#define _BINDLINK_COMPAT_H

#include <linux/backing-file.h>
#include <linux/build_bug.h>
#include <linux/compat.h>
#include <linux/compiler.h>
#include <linux/dcache.h>
#include <linux/fanotify.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

/*
 * backing_file_open() took the path that the user opened until the file
 * itself was needed for LSM state; that change went to stable kernels.
 */
typedef struct file *(bl_open_by_path_fn)(const struct path *user, int flags,
					  const struct path *real,
					  const struct cred *cred);
typedef struct file *(bl_open_by_file_fn)(const struct file *user, int flags,
					  const struct path *real,
					  const struct cred *cred);

static inline struct file *bl_backing_file_open(struct file *user, int flags,
						const struct path *real,
						const struct cred *cred)
{
	void *fn = backing_file_open;

	BUILD_BUG_ON(!__same_type(backing_file_open, bl_open_by_path_fn) &&
		     !__same_type(backing_file_open, bl_open_by_file_fn));
	if (__same_type(backing_file_open, bl_open_by_path_fn))
		return ((bl_open_by_path_fn *)fn)(&user->f_path, flags, real,
						  cred);
	return ((bl_open_by_file_fn *)fn)(user, flags, real, cred);
}

typedef struct file *(bl_tmpfile_by_path_fn)(const struct path *user,
					     int flags, const struct path *dir,
					     umode_t mode,
					     const struct cred *cred);
typedef struct file *(bl_tmpfile_by_file_fn)(const struct file *user,
					     int flags, const struct path *dir,
					     umode_t mode,
					     const struct cred *cred);

static inline struct file *bl_backing_tmpfile_open(struct file *user,
						   int flags,
						   const struct path *dir,
						   umode_t mode,
						   const struct cred *cred)
{
	void *fn = backing_tmpfile_open;

	BUILD_BUG_ON(!__same_type(backing_tmpfile_open, bl_tmpfile_by_path_fn) &&
		     !__same_type(backing_tmpfile_open, bl_tmpfile_by_file_fn));
	if (__same_type(backing_tmpfile_open, bl_tmpfile_by_path_fn))
		return ((bl_tmpfile_by_path_fn *)fn)(&user->f_path, flags, dir,
						     mode, cred);
	return ((bl_tmpfile_by_file_fn *)fn)(user, flags, dir, mode, cred);
}

/*
 * What the user opened, of a backing file. That it is const came with a function that
 * sets it, which does no more.
 */
static inline struct path *bl_backing_file_path(struct file *file)
{
	return (struct path *)backing_file_user_path(file);
}

/* Have nobody told of what becomes of @file, which nobody else has. */
static inline void bl_file_no_notify(struct file *file)
{
#ifdef FMODE_FSNOTIFY_MASK
	file->f_mode &= ~FMODE_FSNOTIFY_MASK;
#endif
	file->f_mode |= FMODE_NONOTIFY;
}

/*
 * d_alloc_parallel() is given the queue of those who wait for the lookup, until it
 * has one of its own.
 */
typedef struct dentry *(bl_alloc_by_queue_fn)(struct dentry *parent,
					      const struct qstr *name,
					      wait_queue_head_t *queue);
typedef struct dentry *(bl_alloc_by_name_fn)(struct dentry *parent,
					     const struct qstr *name);

static inline struct dentry *bl_d_alloc_parallel(struct dentry *parent,
						 const struct qstr *name,
						 wait_queue_head_t *queue)
{
	void *fn = d_alloc_parallel;

	BUILD_BUG_ON(!__same_type(d_alloc_parallel, bl_alloc_by_queue_fn) &&
		     !__same_type(d_alloc_parallel, bl_alloc_by_name_fn));
	if (__same_type(d_alloc_parallel, bl_alloc_by_queue_fn))
		return ((bl_alloc_by_queue_fn *)fn)(parent, name, queue);
	return ((bl_alloc_by_name_fn *)fn)(parent, name);
}

/*
 * What ->d_automount() returns had two references until its caller took the second
 * one; Kbuild looks for what came with that change.
 */
static inline void bl_automount_ref(struct vfsmount *mnt)
{
#ifndef BL_AUTOMOUNT_ONE_REF
	mntget(mnt);
#endif
}

/* System calls that work on mounts, or may do that. */
static inline bool bl_is_mount_call(int nr)
{
	switch (nr) {
	case __NR_mount:
#if defined(__NR_umount) && __NR_umount != __NR_umount2
	case __NR_umount:
#endif
	case __NR_umount2:
	case __NR_pivot_root:
	case __NR_open_tree:
	case __NR_move_mount:
	case __NR_fsconfig:
	case __NR_fspick:
	case __NR_mount_setattr:
#ifdef __NR_open_tree_attr
	case __NR_open_tree_attr:
#endif
	case __NR_fanotify_mark:
		return true;
	default:
		return false;
	}
}

#if defined(CONFIG_X86_64)
#define BL_COMPAT_FANOTIFY_MARK	339
#elif defined(CONFIG_ARM64)
#define BL_COMPAT_FANOTIFY_MARK	368
#elif defined(CONFIG_PPC64)
#define BL_COMPAT_FANOTIFY_MARK	324
#elif defined(CONFIG_S390)
#define BL_COMPAT_FANOTIFY_MARK	333
#endif

/* The same of 32-bit programs; newer numbers are the same everywhere. */
static inline bool bl_is_compat_mount_call(int nr)
{
#ifdef CONFIG_X86_X32_ABI
	if (nr & __X32_SYSCALL_BIT)
		return bl_is_mount_call(nr & ~__X32_SYSCALL_BIT);
#endif
	switch (nr) {
#if defined(CONFIG_X86_64) || defined(CONFIG_S390)
	case 22:	/* umount */
	case 217:	/* pivot_root */
#elif defined(CONFIG_ARM64)
	case 218:	/* pivot_root */
#elif defined(CONFIG_PPC64)
	case 22:	/* umount */
	case 203:	/* pivot_root */
#endif
#ifdef BL_COMPAT_FANOTIFY_MARK
	case BL_COMPAT_FANOTIFY_MARK:
#endif
	case 21:	/* mount */
	case 52:	/* umount2 */
	case 428:	/* open_tree */
	case 429:	/* move_mount */
	case 431:	/* fsconfig */
	case 433:	/* fspick */
	case 442:	/* mount_setattr */
	case 467:	/* open_tree_attr */
		return true;
	default:
		return false;
	}
}

static __always_inline bool bl_in_compat_call(void)
{
	return IS_ENABLED(CONFIG_COMPAT) && unlikely(in_compat_syscall());
}

/* The same for one that has a small number, which those of x32 have not. */
static __always_inline bool bl_in_compat_small_call(void)
{
#ifdef CONFIG_X86_64
	return unlikely(in_ia32_syscall());
#else
	return bl_in_compat_call();
#endif
}

static inline bool bl_is_mark_call(int nr, bool compat)
{
	if (!compat)
		return nr == __NR_fanotify_mark;
#ifdef BL_COMPAT_FANOTIFY_MARK
	return nr == BL_COMPAT_FANOTIFY_MARK;
#else
	return false;
#endif
}

/*
 * Whether the task is in a system call that works on mounts. Threads of the kernel
 * are in none; those of io_uring have the registers of who made them.
 */
static inline bool bl_in_mount_call(void)
{
	struct pt_regs *regs = current_pt_regs();
	bool compat = bl_in_compat_call();
	unsigned long args[6];
	int nr;

	if (current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER))
		return false;
	nr = syscall_get_nr(current, regs);
	if (!(compat ? bl_is_compat_mount_call(nr) : bl_is_mount_call(nr)))
		return false;
	if (!bl_is_mark_call(nr, compat))
		return true;
	/* What is watched is a mount, or a filesystem, and no file. */
	syscall_get_arguments(current, regs, args);
	return args[1] & (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM);
}

#endif /* _BINDLINK_COMPAT_H */
