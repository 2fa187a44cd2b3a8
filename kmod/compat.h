/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernel interfaces, in one place.
 *
 * The sources are written for 6.12 LTS. Stable kernels backport signatures,
 * so what differs is found out from the declaration itself and never from the
 * version: _Generic() picks the wrapper for the type that this kernel has,
 * and each wrapper calls through the type that it is for.
 */

#ifndef _BINDLINK_COMPAT_H
#define _BINDLINK_COMPAT_H

#include <linux/backing-file.h>
#include <linux/fs.h>
#include <linux/seqlock.h>

/*
 * backing_file_open() took the path that the user opened until the file
 * itself was needed for LSM state; that change went to stable kernels.
 */
typedef struct file *(*bl_backing_open_path_t)(const struct path *, int,
					       const struct path *,
					       const struct cred *);
typedef struct file *(*bl_backing_open_file_t)(const struct file *, int,
					       const struct path *,
					       const struct cred *);

static inline struct file *
bl_backing_open_path(const void *fn, struct file *user, int flags,
		     const struct path *real, const struct cred *cred)
{
	return ((bl_backing_open_path_t)fn)(&user->f_path, flags, real, cred);
}

static inline struct file *
bl_backing_open_file(const void *fn, struct file *user, int flags,
		     const struct path *real, const struct cred *cred)
{
	return ((bl_backing_open_file_t)fn)(user, flags, real, cred);
}

#define bl_backing_file_open(user, flags, real, cred)			\
	_Generic(&backing_file_open,					\
		 bl_backing_open_path_t: bl_backing_open_path,		\
		 bl_backing_open_file_t: bl_backing_open_file)		\
		(backing_file_open, user, flags, real, cred)

typedef struct file *(*bl_backing_tmpfile_path_t)(const struct path *, int,
						  const struct path *, umode_t,
						  const struct cred *);
typedef struct file *(*bl_backing_tmpfile_file_t)(const struct file *, int,
						  const struct path *, umode_t,
						  const struct cred *);

static inline struct file *
bl_backing_tmpfile_path(const void *fn, struct file *user, int flags,
			const struct path *dir, umode_t mode,
			const struct cred *cred)
{
	return ((bl_backing_tmpfile_path_t)fn)(&user->f_path, flags, dir, mode,
					       cred);
}

static inline struct file *
bl_backing_tmpfile_file(const void *fn, struct file *user, int flags,
			const struct path *dir, umode_t mode,
			const struct cred *cred)
{
	return ((bl_backing_tmpfile_file_t)fn)(user, flags, dir, mode, cred);
}

#define bl_backing_tmpfile_open(user, flags, dir, mode, cred)		\
	_Generic(&backing_tmpfile_open,					\
		 bl_backing_tmpfile_path_t: bl_backing_tmpfile_path,	\
		 bl_backing_tmpfile_file_t: bl_backing_tmpfile_file)	\
		(backing_tmpfile_open, user, flags, dir, mode, cred)

#endif /* _BINDLINK_COMPAT_H */
