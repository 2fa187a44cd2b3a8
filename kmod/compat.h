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
#include <linux/compiler.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/wait.h>

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

#endif /* _BINDLINK_COMPAT_H */
