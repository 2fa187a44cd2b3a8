/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libbindlink: make, remove, list and watch bind links.
 *
 * A bind link makes a virtual path show what is at a backing path. Links are
 * kept by the kernel module "bindlink" and are seen by the whole system.
 *
 *	struct bindlink *handle;
 *	int error = bindlink_open(&handle);
 *
 *	if (!error)
 *		error = bindlink_create(handle, "/srv/data", "/mnt/disk2/data",
 *					BINDLINK_FLAG_READ_ONLY, NULL, 0);
 *	if (error)
 *		fprintf(stderr, "%s\n", bindlink_message(handle));
 *	bindlink_close(handle);
 *
 * Errors: every function that returns int returns 0 or a negative errno. After
 * a failure bindlink_message() says which path and why, in the kernel's words
 * where the kernel refused. These can come from every function that asks the
 * kernel:
 *
 *	-EPERM		the caller lacks CAP_SYS_ADMIN in the initial user
 *			namespace
 *	-EPROTONOSUPPORT the kernel module is not loaded and could not be
 *	-ENOMEM		no memory, here or in the kernel
 *	-EPROTO		the kernel's answer makes no sense
 *	-ENOBUFS	the answer was lost for want of buffer space
 *	-EMFILE, -ENFILE no descriptor left for a socket or a tree
 *
 * Threads: a handle may be used by any number of threads at once, and no call
 * waits for another one. Messages are kept per thread. Everything else that a
 * function hands out (links, iterators, resolutions, monitors, events) belongs
 * to the caller and must not be used by two threads at once, apart from the
 * functions that take it as const.
 *
 * Descriptors are opened close-on-exec. Nothing is printed and no signal
 * handler is installed.
 *
 * Paths: relative paths start at the working directory. "." and doubled or
 * trailing slashes are taken out; what comes before a ".." is resolved as the
 * kernel would do it, symbolic links included. What follows the last ".." is
 * kept as it was written. A path that the library cannot make absolute gives
 *
 *	-EINVAL		the path is NULL
 *	-ENOENT		the path is empty, a directory before a ".." does not
 *			exist, or the working directory has no path
 *	-ENAMETOOLONG	the path, absolute, has more than 4095 bytes, or a name
 *			in it more than 255
 *	-EACCES, -ENOTDIR, -ELOOP as realpath(3) has them, before a ".."
 */
#ifndef BINDLINK_H
#define BINDLINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/bindlink.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bindlink;
struct bindlink_link;
struct bindlink_iterator;
struct bindlink_resolution;
struct bindlink_monitor;
struct bindlink_event;

/**
 * bindlink_version() - Version of the library.
 *
 * Return: a constant string such as "0.1.0".
 */
const char *bindlink_version(void);

/**
 * bindlink_open() - Make a handle.
 * @handle: where to store it
 *
 * The kernel is not asked for anything yet, so this succeeds without privilege
 * and without the kernel module.
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int bindlink_open(struct bindlink **handle);

/**
 * bindlink_close() - Give a handle back.
 * @handle: the handle, or NULL
 *
 * Links stay. No other thread may be using the handle. What was got with it may
 * be used, and has to be freed, afterwards too.
 */
void bindlink_close(struct bindlink *handle);

/**
 * bindlink_message() - Why the last call failed.
 * @handle: the handle that the call was made with, or NULL for any
 *
 * Messages are kept per thread: this is about the last call that the asking
 * thread made. It is one sentence that begins with the path that it is about,
 * has no newline at its end, and contains paths byte by byte, control
 * characters included.
 *
 * Return: the message, or an empty string if the last call succeeded or was
 * made with another handle. It is valid until the thread calls the library
 * again, or ends.
 */
const char *bindlink_message(const struct bindlink *handle);

/**
 * bindlink_create() - Make a link.
 * @handle: a handle
 * @virtual_path: the path that shall show @backing
 * @backing: the path to be shown; it is followed anew at each use of the link
 * @flags: BINDLINK_FLAG_* or 0
 * @exceptions: paths below @virtual_path that the link leaves alone, or NULL
 * @count: number of @exceptions
 *
 * All or nothing: if it fails, or if the process is killed before it returns,
 * there is either the whole link or none.
 *
 * The link is seen in all mount namespaces in which the path leads to the same
 * place. If the parent of @virtual_path carries it, what is mounted below that
 * stays where it is; on shared mounts, as copies.
 *
 * With BINDLINK_FLAG_NATIVE a link whose backing path is a regular file may be
 * followed by way of a mount of that file, as a link to a directory is without
 * asking, once it was left alone for a moment: opening it costs what it costs at
 * the backing path then. What is seen is the same, but for what lies in that file
 * being a mount point of its own, see bindlink(7).
 *
 * To enter other namespaces this function, as bindlink_remove(), makes threads,
 * which have ended when it returns. Those of the program notice nothing.
 *
 * Return: 0 or a negative errno, besides the general ones:
 *
 *	-EEXIST		there is a link at @virtual_path
 *	-ENOENT		@backing, the parent of @virtual_path or an exception
 *			does not exist
 *	-EACCES, -ELOOP	following @backing failed
 *	-ENOTDIR	following @backing failed; @backing ends in a slash but
 *			is not a directory; or BINDLINK_FLAG_MERGED with
 *			something that is not a directory
 *	-EINVAL		@virtual_path is "/", @flags has unknown bits, an
 *			exception is not below @virtual_path, there are
 *			exceptions and @virtual_path does not exist, or
 *			BINDLINK_FLAG_NATIVE comes with exceptions or with
 *			another flag
 *	-EBUSY		something is mounted at @virtual_path, in a directory
 *			that carries other links
 *	-EOPNOTSUPP	the kernel module cannot make such a link
 *	-EAGAIN		what is at @virtual_path kept changing meanwhile
 */
int bindlink_create(struct bindlink *handle, const char *virtual_path,
		    const char *backing, uint32_t flags,
		    const char *const *exceptions, size_t count);

/**
 * struct bindlink_create_options - How to make a link.
 * @size: sizeof(struct bindlink_create_options); fields beyond it are taken
 *	to be zero, so that programs go on working when fields are added
 * @flags: BINDLINK_FLAG_* or 0
 * @attach: enum bindlink_attach, what shall carry the link
 * @exceptions: paths below the virtual path that the link leaves alone, or NULL
 * @exception_count: number of @exceptions
 */
struct bindlink_create_options {
	size_t size;
	uint32_t flags;
	uint32_t attach;
	const char *const *exceptions;
	size_t exception_count;
};

/**
 * bindlink_create_opts() - Make a link, with all the choices there are.
 * @handle: a handle
 * @virtual_path: the path that shall show @backing
 * @backing: the path to be shown
 * @options: how, or NULL for a plain link
 *
 * Return: as bindlink_create(), and
 *
 *	-E2BIG		@options has something set that this version of the
 *			library does not know
 *	-EINVAL		@options->size is too small to be true, or
 *			@options->attach is unknown
 */
int bindlink_create_opts(struct bindlink *handle, const char *virtual_path,
			 const char *backing,
			 const struct bindlink_create_options *options);

/**
 * bindlink_remove() - Remove a link.
 * @handle: a handle
 * @virtual_path: where the link is
 *
 * Files that are open through the link go on working. What is mounted on the
 * link, or below it, goes with it.
 *
 * Return: 0 or a negative errno, besides the general ones:
 *
 *	-ENOENT		there is no link at @virtual_path
 *	-EBUSY		there is a link below @virtual_path, something is
 *			mounted over the link, or another process is removing it
 */
int bindlink_remove(struct bindlink *handle, const char *virtual_path);

/**
 * bindlink_get() - Describe the link at a path.
 * @handle: a handle
 * @virtual_path: where the link is
 * @link: where to store it; free it with bindlink_link_free()
 *
 * Return: 0, -ENOENT if there is no link at @virtual_path, or another negative
 * errno.
 */
int bindlink_get(struct bindlink *handle, const char *virtual_path,
		 struct bindlink_link **link);

/**
 * bindlink_link_free() - Free a link that bindlink_get() gave.
 * @link: the link, or NULL
 */
void bindlink_link_free(struct bindlink_link *link);

/**
 * bindlink_link_id() - Number of a link.
 * @link: a link
 *
 * Return: a number that is never used twice while the module is loaded.
 */
uint64_t bindlink_link_id(const struct bindlink_link *link);

/**
 * bindlink_link_virtual() - Virtual path of a link.
 * @link: a link
 *
 * Return: (real path of the parent)/(last name), valid as long as @link.
 */
const char *bindlink_link_virtual(const struct bindlink_link *link);

/**
 * bindlink_link_backing() - Backing path of a link.
 * @link: a link
 *
 * Return: the absolute path, valid as long as @link.
 */
const char *bindlink_link_backing(const struct bindlink_link *link);

/**
 * bindlink_link_flags() - Flags of a link.
 * @link: a link
 *
 * Return: BINDLINK_FLAG_* or 0.
 */
uint32_t bindlink_link_flags(const struct bindlink_link *link);

/**
 * bindlink_link_exception_count() - How many exceptions a link has.
 * @link: a link
 *
 * Return: the number; always 0 for the link of a resolution, which is told
 * without its exceptions.
 */
size_t bindlink_link_exception_count(const struct bindlink_link *link);

/**
 * bindlink_link_exception() - One exception of a link.
 * @link: a link
 * @index: which one, from 0
 *
 * Return: the absolute path, valid as long as @link, or NULL if there are not
 * that many.
 */
const char *bindlink_link_exception(const struct bindlink_link *link,
				    size_t index);

/**
 * bindlink_link_carrier() - What carries a link.
 * @link: a link
 *
 * Return: BINDLINK_ATTACH_PATH if the virtual path is a mount point itself, so
 * that its name can be neither removed nor renamed (EBUSY), or
 * BINDLINK_ATTACH_PARENT if its parent directory is.
 */
uint32_t bindlink_link_carrier(const struct bindlink_link *link);

/**
 * bindlink_link_carrier_path() - Where the tree that carries a link is mounted.
 * @link: a link
 *
 * Return: the absolute path, valid as long as @link.
 */
const char *bindlink_link_carrier_path(const struct bindlink_link *link);

/**
 * bindlink_link_dev() - Device number of the tree that carries a link.
 * @link: a link
 *
 * Return: the number that /proc/PID/mountinfo has for the tree.
 */
dev_t bindlink_link_dev(const struct bindlink_link *link);

/**
 * bindlink_list() - List all links.
 * @handle: a handle
 * @iterator: where to store an iterator; free it with bindlink_iterator_free()
 *
 * The list is that of one moment: if links come or go while it is read, it is
 * read again.
 *
 * Return: 0, -EAGAIN if links came and went all the time, or another negative
 * errno.
 */
int bindlink_list(struct bindlink *handle, struct bindlink_iterator **iterator);

/**
 * bindlink_iterator_next() - Next link of a list.
 * @iterator: an iterator
 *
 * Return: a link that belongs to the iterator and is valid as long as that is,
 * or NULL at the end.
 */
const struct bindlink_link *
bindlink_iterator_next(struct bindlink_iterator *iterator);

/**
 * bindlink_iterator_free() - Free an iterator and its links.
 * @iterator: the iterator, or NULL
 */
void bindlink_iterator_free(struct bindlink_iterator *iterator);

/**
 * bindlink_resolve() - Ask which link applies to a path.
 * @handle: a handle
 * @path: the path
 * @resolution: where to store the answer; free it with
 *	bindlink_resolution_free()
 *
 * That following the link fails now, since its backing path does not exist, is
 * an answer and not an error: see bindlink_resolution_error().
 *
 * Return: 0 or a negative errno.
 */
int bindlink_resolve(struct bindlink *handle, const char *path,
		     struct bindlink_resolution **resolution);

/**
 * bindlink_resolution_free() - Free a resolution.
 * @resolution: the resolution, or NULL
 */
void bindlink_resolution_free(struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_path() - Path that a resolution is about.
 * @resolution: a resolution
 *
 * Return: the absolute path, valid as long as @resolution.
 */
const char *
bindlink_resolution_path(const struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_real_path() - Path that is used now.
 * @resolution: a resolution
 *
 * Return: the path, valid as long as @resolution, or NULL if there is none.
 */
const char *
bindlink_resolution_real_path(const struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_error() - What following the path gives now.
 * @resolution: a resolution
 *
 * Return: 0 or a negative errno.
 */
int bindlink_resolution_error(const struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_link() - Link that applies.
 * @resolution: a resolution
 *
 * Return: a link that belongs to @resolution, or NULL if none applies.
 */
const struct bindlink_link *
bindlink_resolution_link(const struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_via_count() - How many links were followed.
 * @resolution: a resolution
 *
 * Return: the number; 0 if no link applies, or if the kernel module is one
 * that does not tell.
 */
size_t
bindlink_resolution_via_count(const struct bindlink_resolution *resolution);

/**
 * bindlink_resolution_via() - One of the links that were followed.
 * @resolution: a resolution
 * @index: which one, from 0: the link that covers the path, then those that
 *	its backing path leads through, in this order
 *
 * Return: the virtual path of the link, valid as long as @resolution, or NULL
 * if there are not that many.
 */
const char *
bindlink_resolution_via(const struct bindlink_resolution *resolution,
			size_t index);

/**
 * enum bindlink_event_type - What happened.
 * @BINDLINK_EVENT_CREATED: a link was made
 * @BINDLINK_EVENT_REMOVED: a link was removed, or what carried it unmounted
 * @BINDLINK_EVENT_RESYNC: events may have been lost; list the links again
 */
enum bindlink_event_type {
	BINDLINK_EVENT_CREATED = 1,
	BINDLINK_EVENT_REMOVED = 2,
	BINDLINK_EVENT_RESYNC = 3,
};

/**
 * bindlink_monitor_open() - Begin to watch links.
 * @handle: a handle; the monitor can outlive it
 * @monitor: where to store the monitor; close it with bindlink_monitor_close()
 *
 * All that happens after this has returned is told. To know the links there
 * are without a gap, call this first and bindlink_list() then.
 *
 * Return: 0 or a negative errno.
 */
int bindlink_monitor_open(struct bindlink *handle,
			  struct bindlink_monitor **monitor);

/**
 * bindlink_monitor_fd() - Descriptor to poll(2).
 * @monitor: a monitor
 *
 * Return: a descriptor that belongs to the monitor. When it is readable call
 * bindlink_monitor_next() until that says -EAGAIN.
 */
int bindlink_monitor_fd(const struct bindlink_monitor *monitor);

/**
 * bindlink_monitor_next() - Next event. Does not wait.
 * @monitor: a monitor
 * @event: where to store the event; free it with bindlink_event_free()
 *
 * Return: 0, -EAGAIN if there is none at present, or another negative errno.
 */
int bindlink_monitor_next(struct bindlink_monitor *monitor,
			  struct bindlink_event **event);

/**
 * bindlink_monitor_close() - Stop watching.
 * @monitor: the monitor, or NULL
 */
void bindlink_monitor_close(struct bindlink_monitor *monitor);

/**
 * bindlink_event_type() - What happened.
 * @event: an event
 *
 * Return: BINDLINK_EVENT_*. Skip values that you do not know.
 */
enum bindlink_event_type
bindlink_event_type(const struct bindlink_event *event);

/**
 * bindlink_event_link() - To which link it happened.
 * @event: an event
 *
 * Return: a link that belongs to @event, or NULL for BINDLINK_EVENT_RESYNC.
 */
const struct bindlink_link *
bindlink_event_link(const struct bindlink_event *event);

/**
 * bindlink_event_free() - Free an event and its link.
 * @event: the event, or NULL
 */
void bindlink_event_free(struct bindlink_event *event);

#ifdef __cplusplus
}
#endif

#endif /* BINDLINK_H */
