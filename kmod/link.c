// SPDX-License-Identifier: GPL-2.0
/*
 * Links: what may be made, what there is, and what carries it.
 *
 * A link lives in a tree, and goes with it. That is what makes creation all
 * or nothing: the creator adds the link to a tree that is attached nowhere,
 * and attaches the tree; if it dies before, the tree dies with its
 * descriptor. And it is what makes umount(8) of a tree the removal of its
 * link. A tree that was unmounted while files are open in it lives on, but
 * its carrier is no mount point any more; such a link is taken off the table
 * by whoever looks at it next.
 */

#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/magic.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "bindlink.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * struct bl_space - the rules of those who have the same root directory
 * @list: entry of bl_spaces
 * @root: the root directory, with references; in another mount namespace the
 *	same directory has another mount
 * @rules: rule table
 *
 * Lives as long as it has rules. Everything is under bl_link_mutex.
 */
struct bl_space {
	struct list_head list;
	struct path root;
	struct bl_rules rules;
};

static DEFINE_MUTEX(bl_link_mutex);
static LIST_HEAD(bl_spaces);
static DEFINE_XARRAY(bl_links);		/* listed links by id */
static u64 bl_link_last_id;
static unsigned int bl_link_gen = 1;
static unsigned int bl_link_holds;	/* links with a holder */

static int bl_refuse(struct bl_why *why, int attr, int err, const char *msg)
{
	why->attr = attr;
	why->msg = msg;
	return err;
}

static struct bl_space *bl_space_find(const struct path *root)
{
	struct bl_space *space;

	lockdep_assert_held(&bl_link_mutex);
	list_for_each_entry(space, &bl_spaces, list)
		if (space->root.dentry == root->dentry)
			return space;
	return NULL;
}

static struct bl_space *bl_space_get(const struct path *root)
{
	struct bl_space *space = bl_space_find(root);
	int err;

	if (space)
		return space;
	space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);
	err = bl_rules_init(&space->rules);
	if (err) {
		kfree(space);
		return ERR_PTR(err);
	}
	space->root = *root;
	path_get(&space->root);
	list_add(&space->list, &bl_spaces);
	return space;
}

static void bl_space_put(struct bl_space *space)
{
	lockdep_assert_held(&bl_link_mutex);
	if (space->rules.count)
		return;
	list_del(&space->list);
	bl_rules_destroy(&space->rules);
	path_put(&space->root);
	kfree(space);
}

/**
 * bl_link_put - drop a reference
 * @link: link
 *
 * Context: may sleep.
 */
void bl_link_put(struct bl_link *link)
{
	if (!refcount_dec_and_test(&link->ref))
		return;
	if (link->watch)
		bl_watch_stop();
	path_put(&link->root);
	put_cred(link->cred);
	kfree_rcu(link, rcu);
}

static void bl_info_fill(struct bl_link_info *info, const struct bl_link *link)
{
	info->id = link->id;
	info->flags = link->flags;
	info->carrier = BINDLINK_ATTACH_PATH;
	info->dev = link->tree ? link->tree->sb->s_dev : 0;
	info->virtual = link->virtual;
	info->backing = link->backing;
}

static int bl_info_copy(struct bl_link_info *info, const struct bl_link *link)
{
	bl_info_fill(info, link);
	info->virtual = kstrdup(link->virtual, GFP_KERNEL);
	info->backing = kstrdup(link->backing, GFP_KERNEL);
	if (info->virtual && info->backing)
		return 0;
	bl_link_info_free(info);
	return -ENOMEM;
}

/**
 * bl_link_info_free - free the strings of a copy
 * @info: what one of the functions below filled in
 */
void bl_link_info_free(struct bl_link_info *info)
{
	kfree(info->virtual);
	kfree(info->backing);
	info->virtual = NULL;
	info->backing = NULL;
}

static void bl_link_tell(const struct bl_link *link, u8 cmd)
{
	struct bl_link_info info;

	bl_info_fill(&info, link);
	bl_netlink_notify(&info, cmd);
}

/* Take @link off the table; the caller has a reference of its own. */
static void bl_link_unlist(struct bl_link *link)
{
	lockdep_assert_held(&bl_link_mutex);
	bl_rules_del(&link->space->rules, link->virtual);
	bl_space_put(link->space);
	link->space = NULL;
	xa_erase(&bl_links, link->id);
	bl_link_gen++;
	if (link->holder)
		bl_link_holds--;
	link->holder = 0;
	if (link->state != BL_LINK_PENDING) {
		trace_bl_link_remove(link->id, link->virtual, link->backing);
		bl_link_tell(link, BINDLINK_CMD_LINK_DEL_NTF);
	}
	link->state = BL_LINK_GONE;
}

static void bl_link_detach(struct bl_link *link)
{
	if (link->tree)
		link->tree->owner = NULL;
	link->tree = NULL;
}

/*
 * See what became of the tree of @link. Returns whether it is a link that
 * there is; one that is not may have been freed.
 */
static bool bl_link_observe(struct bl_link *link)
{
	bool mounted = link->tree &&
		       d_mountpoint(link->tree->carrier->real.dentry);

	lockdep_assert_held(&bl_link_mutex);
	if (link->state == BL_LINK_PENDING && mounted) {
		link->state = BL_LINK_LIVE;
		bl_link_gen++;
		trace_bl_link_create(link->id, link->virtual, link->backing);
		bl_link_tell(link, BINDLINK_CMD_LINK_NEW_NTF);
	}
	if (link->state == BL_LINK_LIVE && (mounted || link->holder))
		return true;
	if (link->state == BL_LINK_LIVE) {
		bl_link_unlist(link);
		bl_link_detach(link);
		bl_link_put(link);
	}
	return false;
}

static struct bl_link *bl_link_find(const struct path *root,
				    const char *virtual)
{
	struct bl_space *space = bl_space_find(root);
	struct bl_match match;

	if (space && bl_rules_find(&space->rules, virtual, &match) &&
	    match.kind == BL_RULE_LINK)
		return match.link;
	return NULL;
}

/*
 * Bring @virtual into its canonical form: the real path of its parent and the
 * last name. Without a parent it stays as it is, so that the link at a path
 * that is gone can still be named.
 */
static int bl_canonical(const char *virtual, char *out, struct path *parent,
			struct bl_why *why)
{
	const char *last;
	char *buf, *name;
	int err;

	err = bl_path_normalize(virtual, out, PATH_MAX, &why->msg);
	why->attr = BINDLINK_A_LINK_VIRTUAL;
	if (err)
		return err;
	if (!out[1])
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EINVAL,
				 "the root directory cannot be a virtual path");

	buf = __getname();
	if (!buf)
		return -ENOMEM;
	last = bl_path_last(out);
	memcpy(buf, out, last - out);
	buf[last - out] = '\0';
	err = kern_path(buf, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, parent);
	if (err) {
		bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, err,
			  err == -ENOENT ?
			  "the parent directory of the virtual path does not exist" :
			  "the parent directory of the virtual path cannot be reached");
		goto out;
	}

	name = d_path(parent, buf, PATH_MAX);
	if (IS_ERR(name)) {
		err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, PTR_ERR(name),
				"the virtual path is too long");
	} else if (*name != '/' || d_unlinked(parent->dentry)) {
		err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -ENOENT,
				"the parent directory of the virtual path does not exist");
	} else {
		size_t len = name[1] ? strlen(name) : 0;

		/* The name is behind what it is copied over. */
		if (len + 1 + strlen(last) >= PATH_MAX) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL,
					-ENAMETOOLONG,
					"the virtual path is too long");
		} else {
			memmove(out + len + 1, last, strlen(last) + 1);
			memcpy(out, name, len);
			out[len] = '/';
		}
	}
	if (err)
		path_put(parent);
out:
	__putname(buf);
	return err;
}

/* Whether a link may be at @virtual, next to those that there are. */
static int bl_link_conflict(const struct path *root, const char *virtual,
			    struct bl_why *why)
{
	struct bl_space *space;
	struct bl_match match;
	int tries = 2;

	lockdep_assert_held(&bl_link_mutex);
	while (tries--) {
		space = bl_space_find(root);
		if (!space)
			return 0;
		if (bl_rules_match(&space->rules, virtual, &match)) {
			bool here = !*match.rest;

			/* One that was unmounted makes way. */
			if (match.link->state == BL_LINK_LIVE &&
			    !bl_link_observe(match.link))
				continue;
			if (here)
				return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL,
						 -EEXIST,
						 "the virtual path has a link already");
			return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL,
					 -EOPNOTSUPP,
					 "links below other links are not supported");
		}
		break;
	}
	if (bl_rules_below(&space->rules, virtual))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "links above other links are not supported");
	return 0;
}

static bool bl_is_remote(const struct super_block *sb)
{
	switch (sb->s_magic) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
	case FUSE_SUPER_MAGIC:
	case AFS_FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Root directory of the system's first process. */
static bool bl_initial_root(struct path *root)
{
	struct task_struct *task;
	bool ok;

	guard(rcu)();
	task = READ_ONCE(init_pid_ns.child_reaper);
	task_lock(task);
	ok = task->fs;
	if (ok)
		get_fs_root(task->fs, root);
	task_unlock(task);
	return ok;
}

/*
 * A mount namespace may go away with its last process, and a link made there
 * outlives it wherever propagation brought it. So follow the backing path from
 * the initial root, if it leads from there to the same place.
 */
static void bl_plan_root(struct bl_plan *plan, const struct path *backing)
{
	struct path root, path;

	if (!bl_initial_root(&root))
		return;
	if (root.dentry == plan->root.dentry && root.mnt != plan->root.mnt &&
	    !vfs_path_lookup(root.dentry, root.mnt, plan->backing,
			     LOOKUP_FOLLOW, &path)) {
		if (path.dentry == backing->dentry)
			swap(plan->root, root);
		path_put(&path);
	}
	path_put(&root);
}

static int bl_plan_backing(struct bl_plan *plan, bool *is_dir,
			   struct bl_why *why)
{
	struct super_block *sb;
	struct path path;
	const char *msg;
	int err;

	err = kern_path(plan->backing, LOOKUP_FOLLOW | LOOKUP_AUTOMOUNT, &path);
	if (err) {
		switch (err) {
		case -ENOENT:
			msg = "the backing path does not exist";
			break;
		case -EACCES:
			msg = "no permission to reach the backing path";
			break;
		case -ENOTDIR:
			msg = "a component of the backing path is not a directory";
			break;
		case -ELOOP:
			msg = "too many symbolic links or links in the backing path";
			break;
		default:
			msg = "the backing path cannot be reached";
		}
		return bl_refuse(why, BINDLINK_A_LINK_BACKING, err, msg);
	}
	sb = path.mnt->mnt_sb;
	*is_dir = d_is_dir(path.dentry);
	/* A chain of links adds no stacking, see bl_bind_collapse(). */
	if (!bl_is_tree(sb) && sb->s_stack_depth >= FILESYSTEM_MAX_STACK_DEPTH)
		err = bl_refuse(why, BINDLINK_A_LINK_BACKING, -EOPNOTSUPP,
				"the filesystem of the backing path is stacked too deeply already");
	if (!err)
		bl_plan_root(plan, &path);
	path_put(&path);
	return err;
}

static int bl_plan_check(struct bl_plan *plan, u32 attach, bool exceptions,
			 struct bl_why *why)
{
	bool is_dir, anchored, v_is_dir;
	int err;

	scoped_guard(mutex, &bl_link_mutex)
		err = bl_link_conflict(&plan->root, plan->virtual, why);
	if (err == -EEXIST)
		return err;

	err = kern_path(plan->virtual, 0, &plan->path);
	if (err && err != -ENOENT)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, err,
				 "the virtual path cannot be reached");
	anchored = !err;
	v_is_dir = anchored && d_is_dir(plan->path.dentry);

	err = bl_plan_backing(plan, &is_dir, why);
	if (err)
		return err;
	if ((plan->flags & BINDLINK_FLAG_MERGED) &&
	    (!is_dir || (anchored && !v_is_dir)))
		return bl_refuse(why, is_dir ? BINDLINK_A_LINK_VIRTUAL :
					       BINDLINK_A_LINK_BACKING,
				 -ENOTDIR,
				 "a merged link needs directories on both sides");
	if (plan->flags)
		return bl_refuse(why, BINDLINK_A_LINK_FLAGS, -EOPNOTSUPP,
				 "read-only and merged links are not supported");
	if (exceptions)
		return bl_refuse(why, BINDLINK_A_LINK_EXCEPTION, -EOPNOTSUPP,
				 "exceptions are not supported");
	if (attach == BINDLINK_ATTACH_PARENT)
		return bl_refuse(why, BINDLINK_A_LINK_ATTACH, -EOPNOTSUPP,
				 "links carried by the parent directory are not supported");
	if (!anchored)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "the virtual path does not exist, and links without an original are not supported");
	/* Before anything is said of a tree that somebody has just attached. */
	scoped_guard(mutex, &bl_link_mutex)
		err = bl_link_conflict(&plan->root, plan->virtual, why);
	if (err)
		return err;
	if (bl_is_tree(plan->path.mnt->mnt_sb))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "the virtual path is covered by a tree without a link");
	if (bl_is_remote(plan->path.mnt->mnt_sb))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "the virtual path is on a remote filesystem");
	if (is_dir != v_is_dir)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "linking a directory to a file, or a file to a directory, is not supported");
	return 0;
}

/**
 * bl_plan_init - validate a link that is to be made
 * @plan: result, for bl_plan_destroy() whatever is returned
 * @virtual: virtual path as it was given
 * @backing: backing path as it was given
 * @flags: enum bindlink_flag, known bits only
 * @attach: enum bindlink_attach
 * @exceptions: there are exceptions
 * @why: reason for a refusal
 *
 * Changes nothing. Paths are looked up with the caller's credentials.
 *
 * Return: 0, or the errno of the first row of the contract that is not met.
 */
int bl_plan_init(struct bl_plan *plan, const char *virtual,
		 const char *backing, u32 flags, u32 attach, bool exceptions,
		 struct bl_why *why)
{
	struct path parent;
	int err;

	memset(plan, 0, sizeof(*plan));
	plan->flags = flags;
	plan->virtual = __getname();
	plan->backing = __getname();
	if (!plan->virtual || !plan->backing)
		return -ENOMEM;
	get_fs_root(current->fs, &plan->root);

	why->attr = BINDLINK_A_LINK_BACKING;
	err = bl_path_normalize(backing, plan->backing, PATH_MAX, &why->msg);
	if (err)
		return err;
	err = bl_canonical(virtual, plan->virtual, &parent, why);
	if (err)
		return err;
	if (bl_is_tree(parent.mnt->mnt_sb))
		err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				"links below other links are not supported");
	path_put(&parent);
	if (!err)
		err = bl_plan_check(plan, attach, exceptions, why);
	if (err)
		trace_bl_refuse(plan->virtual, err);
	return err;
}

/**
 * bl_plan_destroy - free a plan
 * @plan: what bl_plan_init() was given
 */
void bl_plan_destroy(struct bl_plan *plan)
{
	path_put(&plan->path);
	path_put(&plan->root);
	if (plan->virtual)
		__putname(plan->virtual);
	if (plan->backing)
		__putname(plan->backing);
}

static struct bl_link *bl_link_alloc(const struct bl_plan *plan)
{
	size_t virtual = strlen(plan->virtual) + 1;
	size_t backing = strlen(plan->backing) + 1;
	struct bl_link *link;

	link = kzalloc(struct_size(link, paths, virtual + backing),
		       GFP_KERNEL_ACCOUNT);
	if (!link)
		return NULL;
	refcount_set(&link->ref, 1);
	link->virtual = memcpy(link->paths, plan->virtual, virtual);
	link->backing = memcpy(link->paths + virtual, plan->backing, backing);
	link->flags = plan->flags;
	link->state = BL_LINK_PENDING;
	link->cred = get_current_cred();
	link->root = plan->root;
	path_get(&link->root);
	link->watch = bl_watch_start();
	return link;
}

static int bl_link_list(struct bl_link *link)
{
	struct bl_space *space = bl_space_get(&link->root);
	int err;

	if (IS_ERR(space))
		return PTR_ERR(space);
	err = bl_rules_add(&space->rules, link->virtual, BL_RULE_LINK, link);
	if (err)
		goto out;
	link->id = ++bl_link_last_id;
	err = xa_err(xa_store(&bl_links, link->id, link, GFP_KERNEL));
	if (err) {
		bl_rules_del(&space->rules, link->virtual);
		goto out;
	}
	link->space = space;
	return 0;
out:
	bl_space_put(space);
	return err;
}

/**
 * bl_link_create - add a link to a tree that is not attached yet
 * @plan: link to make
 * @tree_file: descriptor of the tree's root
 * @why: reason for a refusal
 *
 * Return: 0; -EINVAL when @tree_file is no tree, -EBUSY when that has a link,
 * -EAGAIN when it is not over what the virtual path is now, -EEXIST,
 * -EOPNOTSUPP, -ENOMEM.
 */
int bl_link_create(struct bl_plan *plan, struct file *tree_file,
		   struct bl_why *why)
{
	struct dentry *root = tree_file->f_path.dentry;
	struct bl_link *link;
	struct bl_tree *tree;
	int err;

	if (!bl_is_tree(root->d_sb) || root != root->d_sb->s_root)
		return bl_refuse(why, BINDLINK_A_LINK_TREE_FD, -EINVAL,
				 "the descriptor is not of the root of a tree");
	tree = bl_tree(root->d_sb);
	if (tree->carrier->real.dentry != plan->path.dentry)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
				 "the virtual path was replaced meanwhile");
	link = bl_link_alloc(plan);
	if (!link)
		return -ENOMEM;

	scoped_guard(mutex, &bl_link_mutex) {
		err = bl_link_conflict(&link->root, link->virtual, why);
		if (!err && (tree->owner || rcu_access_pointer(tree->link)))
			err = bl_refuse(why, BINDLINK_A_LINK_TREE_FD, -EBUSY,
					"the tree carries a link already");
		if (!err)
			err = bl_link_list(link);
		if (!err) {
			link->tree = tree;
			tree->owner = link;
			refcount_inc(&link->ref);
			rcu_assign_pointer(tree->link, link);
		}
	}
	if (err)
		bl_link_put(link);
	return err;
}

/* The canonical form, or what comes nearest to it, of a link's name. */
static int bl_name(const char *virtual, char *out, struct path *root,
		   struct bl_why *why)
{
	struct path parent;
	int err;

	err = bl_canonical(virtual, out, &parent, why);
	if (!err)
		path_put(&parent);
	else if (bl_path_normalize(virtual, out, PATH_MAX, &why->msg))
		return err;
	get_fs_root(current->fs, root);
	return 0;
}

static int bl_no_link(struct bl_why *why)
{
	return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -ENOENT,
			 "there is no link at this path");
}

/**
 * bl_link_hold - reserve a link for removal
 * @virtual: its virtual path
 * @portid: port of the asking socket
 * @net: network namespace of that socket
 * @info: filled in
 * @why: reason for a refusal
 *
 * Return: 0, -ENOENT, -EBUSY when somebody else is removing it or when there
 * are links below it.
 */
int bl_link_hold(const char *virtual, u32 portid, const void *net,
		 struct bl_link_info *info, struct bl_why *why)
{
	char *name = __getname();
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		link = bl_link_find(&root, name);
		if (!link || !bl_link_observe(link)) {
			err = bl_no_link(why);
		} else if (link->holder && (link->holder != portid ||
					    link->holder_net != net)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"the link is being removed");
		} else if (bl_rules_below(&link->space->rules, name)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"there are links below this one");
		} else {
			err = bl_info_copy(info, link);
			if (!err) {
				if (!link->holder)
					bl_link_holds++;
				link->holder = portid;
				link->holder_net = net;
			}
		}
	}
	path_put(&root);
out:
	__putname(name);
	return err;
}

/**
 * bl_link_remove - remove a link that is held
 * @virtual: its virtual path
 * @portid: port of the socket that holds it
 * @net: network namespace of that socket
 * @why: reason for a refusal
 *
 * What is mounted of its tree shows the original from here on. What was
 * unmounted but is in use goes on with the backing.
 *
 * Return: 0, -ENOENT, -EBUSY when the socket does not hold the link.
 */
int bl_link_remove(const char *virtual, u32 portid, const void *net,
		   struct bl_why *why)
{
	struct bl_tree *tree = NULL;
	char *name = __getname();
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		link = bl_link_find(&root, name);
		if (!link || link->state == BL_LINK_PENDING) {
			err = bl_no_link(why);
			break;
		}
		if (link->holder != portid || link->holder_net != net) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"the link is not held by this socket");
			break;
		}
		bl_link_unlist(link);
		tree = link->tree;
		bl_link_detach(link);
		if (tree && d_mountpoint(tree->carrier->real.dentry)) {
			rcu_assign_pointer(tree->link, NULL);
			bl_bind_drop(tree);
			bl_link_put(link);
		}
		bl_link_put(link);
	}
	path_put(&root);
out:
	__putname(name);
	return err;
}

/**
 * bl_link_release_holder - a socket was closed
 * @portid: its port
 * @net: its network namespace
 */
void bl_link_release_holder(u32 portid, const void *net)
{
	struct bl_link *link;
	unsigned long id;

	guard(mutex)(&bl_link_mutex);
	if (!bl_link_holds)
		return;
	xa_for_each(&bl_links, id, link) {
		if (link->holder != portid || link->holder_net != net)
			continue;
		link->holder = 0;
		bl_link_holds--;
		bl_link_observe(link);
	}
}

/**
 * bl_link_get_info - describe a link
 * @virtual: its virtual path
 * @info: filled in
 * @why: reason for a refusal
 *
 * Return: 0, -ENOENT, -ENOMEM.
 */
int bl_link_get_info(const char *virtual, struct bl_link_info *info,
		     struct bl_why *why)
{
	char *name = __getname();
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		link = bl_link_find(&root, name);
		if (link && bl_link_observe(link))
			err = bl_info_copy(info, link);
		else
			err = bl_no_link(why);
	}
	path_put(&root);
out:
	__putname(name);
	return err;
}

/**
 * bl_link_next_info - describe the next link
 * @after: id of the one before, 0 for the first
 * @info: filled in
 *
 * Return: 0, -ENOENT after the last one, -ENOMEM.
 */
int bl_link_next_info(u64 after, struct bl_link_info *info)
{
	unsigned long id = after;
	struct bl_link *link;

	guard(mutex)(&bl_link_mutex);
	while ((link = xa_find_after(&bl_links, &id, ULONG_MAX, XA_PRESENT)))
		if (bl_link_observe(link))
			return bl_info_copy(info, link);
	return -ENOENT;
}

/**
 * bl_link_generation - a number that changes with the set of links
 */
unsigned int bl_link_generation(void)
{
	return READ_ONCE(bl_link_gen);
}

static int bl_resolve_tree(const struct path *path, struct bl_link_info *info,
			   char *buf, char **real, int *error)
{
	struct bl_tree *tree = bl_tree(path->dentry->d_sb);
	struct path below;
	char *rest;
	int err;

	rest = dentry_path_raw(path->dentry, buf, PATH_MAX);
	if (IS_ERR(rest))
		return PTR_ERR(rest);
	if (!rest[1])
		rest = "";
	err = bl_bind_follow(tree, rest, &below);
	if (err == -EXDEV) {
		below = *path;
		path_get(&below);
	} else if (err) {
		*error = err;
	}
	scoped_guard(mutex, &bl_link_mutex) {
		int ret = 0;

		if (tree->owner)
			ret = bl_info_copy(info, tree->owner);
		if (ret) {
			if (!*error)
				path_put(&below);
			return ret;
		}
	}
	if (!*error) {
		rest = d_path(&below, buf, PATH_MAX);
		path_put(&below);
		if (IS_ERR(rest)) {
			*error = PTR_ERR(rest);
			return 0;
		}
		*real = kstrdup(rest, GFP_KERNEL);
		if (!*real)
			return -ENOMEM;
	}
	return 0;
}

/**
 * bl_link_resolve - which link applies to a path, and what it is now
 * @path: path as it was given
 * @info: filled in when a link applies, otherwise @info->virtual is NULL
 * @name: the path, normalised (kfree)
 * @real: the path that is used now, or NULL (kfree)
 * @error: why it is NULL
 * @why: reason for a refusal
 *
 * Return: 0, or an errno for a path that cannot be reached and has no link.
 */
int bl_link_resolve(const char *path, struct bl_link_info *info,
		    char **name, char **real, int *error, struct bl_why *why)
{
	char *norm = __getname(), *buf = __getname(), *p;
	struct path root, at;
	int err = -ENOMEM;

	memset(info, 0, sizeof(*info));
	*name = NULL;
	*real = NULL;
	*error = 0;
	if (!norm || !buf)
		goto out;
	err = bl_path_normalize(path, norm, PATH_MAX, &why->msg);
	if (err) {
		why->attr = BINDLINK_A_LINK_PATH;
		goto out;
	}
	err = -ENOMEM;
	*name = kstrdup(norm, GFP_KERNEL);
	if (!*name)
		goto out;

	err = kern_path(norm, LOOKUP_FOLLOW, &at);
	if (!err) {
		if (bl_is_tree(at.mnt->mnt_sb)) {
			err = bl_resolve_tree(&at, info, buf, real, error);
		} else {
			p = d_path(&at, buf, PATH_MAX);
			if (IS_ERR(p)) {
				err = PTR_ERR(p);
			} else {
				*real = kstrdup(p, GFP_KERNEL);
				err = *real ? 0 : -ENOMEM;
			}
		}
		path_put(&at);
		goto out;
	}

	/* It leads nowhere; see whether a link is why. */
	*error = err;
	bl_refuse(why, BINDLINK_A_LINK_PATH, err, "the path cannot be reached");
	err = bl_name(norm, buf, &root, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		struct bl_space *space = bl_space_find(&root);
		struct bl_match match;

		if (space && bl_rules_match(&space->rules, buf, &match) &&
		    match.kind == BL_RULE_LINK && bl_link_observe(match.link))
			err = bl_info_copy(info, match.link);
		else
			err = bl_refuse(why, BINDLINK_A_LINK_PATH, *error,
					"the path cannot be reached");
	}
	path_put(&root);
out:
	if (norm)
		__putname(norm);
	if (buf)
		__putname(buf);
	if (err) {
		bl_link_info_free(info);
		kfree(*name);
		kfree(*real);
	}
	return err;
}

/**
 * bl_link_tree_dying - a tree was unmounted everywhere
 * @tree: tree
 */
void bl_link_tree_dying(struct bl_tree *tree)
{
	struct bl_link *link;

	guard(mutex)(&bl_link_mutex);
	link = tree->owner;
	if (!link)
		return;
	bl_link_detach(link);
	/* Whoever holds it takes it off, and says so. */
	if (link->holder)
		return;
	bl_link_unlist(link);
	bl_link_put(link);
}

/**
 * bl_links_exit - forget links whose holders will not come back
 *
 * Context: module exit; there are no trees.
 */
void bl_links_exit(void)
{
	struct bl_link *link;
	unsigned long id;

	scoped_guard(mutex, &bl_link_mutex) {
		xa_for_each(&bl_links, id, link) {
			bl_link_unlist(link);
			bl_link_put(link);
		}
	}
	xa_destroy(&bl_links);
}
