// SPDX-License-Identifier: GPL-2.0
/*
 * Late binding: what the root of a tree shows.
 *
 * A link is bound to a path, not to an inode. The backing path is resolved
 * when the link is followed, from the creator's root directory with the
 * creator's credentials. The result is kept together with the proof that
 * resolving again would give the same: the d_seq of every dentry on the way,
 * each of which changes when that dentry is unlinked, renamed or replaced,
 * and the mount event count of the creator's namespace, which changes with
 * every mount and unmount. Checking the proof is a few loads, and all that a
 * walk through an unchanged link costs.
 *
 * No proof can be had where a symlink, another link or a filesystem with a
 * d_revalidate of its own is on the way, or where the creator is not in the
 * initial mount namespace. Then each use leaves RCU-walk and resolves again.
 */

#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/init_task.h>
#include <linux/magic.h>
#include <linux/namei.h>
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "bindlink.h"
#include "trace.h"

/*
 * Mount events. The mount table of a namespace is the one interface that
 * tells of every change in it: poll() of a mountinfo file stores the event
 * count of the namespace in the seq_file. There is one file for each CPU,
 * used with preemption off, so that nobody else stores there between the
 * poll and the load, and no cache line is shared.
 *
 * Only the initial mount namespace is watched: the file pins its namespace,
 * and another one could never go away with a link mounted inside.
 */
static DEFINE_PER_CPU(struct file *, bl_watch_file);
static DEFINE_MUTEX(bl_watch_mutex);
static unsigned int bl_watch_users;

static bool bl_watch_on;

static void bl_watch_close(void)
{
	int cpu;

	WRITE_ONCE(bl_watch_on, false);
	/* Pairs with preempt_disable() in bl_watch_event(). */
	synchronize_rcu_expedited();
	for_each_possible_cpu(cpu) {
		struct file **file = per_cpu_ptr(&bl_watch_file, cpu);

		if (*file)
			fput(*file);
		*file = NULL;
	}
}

/**
 * bl_watch_start - watch mount events for one more link
 *
 * Return: whether the caller's mount namespace can be watched. If so,
 * bl_watch_stop() has to be called.
 */
bool bl_watch_start(void)
{
	struct file *file;
	int cpu;

	if (current->nsproxy->mnt_ns != init_task.nsproxy->mnt_ns)
		return false;

	guard(mutex)(&bl_watch_mutex);
	if (bl_watch_users) {
		bl_watch_users++;
		return true;
	}
	for_each_possible_cpu(cpu) {
		file = filp_open("/proc/self/mountinfo", O_RDONLY, 0);
		if (IS_ERR(file))
			goto fail;
		*per_cpu_ptr(&bl_watch_file, cpu) = file;
		if (file_inode(file)->i_sb->s_magic != PROC_SUPER_MAGIC ||
		    !file->f_op->poll)
			goto fail;
	}
	bl_watch_users = 1;
	/* The files before the word that they are there. */
	smp_store_release(&bl_watch_on, true);
	return true;
fail:
	bl_watch_close();
	return false;
}

/**
 * bl_watch_stop - undo one successful bl_watch_start()
 */
void bl_watch_stop(void)
{
	guard(mutex)(&bl_watch_mutex);
	if (!--bl_watch_users)
		bl_watch_close();
}

static bool bl_watch_event(int *event)
{
	bool on;

	preempt_disable();
	/* Pairs with bl_watch_start(). */
	on = smp_load_acquire(&bl_watch_on);
	if (on) {
		struct file *file = *this_cpu_ptr(&bl_watch_file);
		struct seq_file *m = file->private_data;

		vfs_poll(file, NULL);
		*event = READ_ONCE(m->poll_event);
	}
	preempt_enable();
	return on;
}

/*
 * Recursion. Resolving a backing path may enter other trees, which resolve
 * theirs. A record on the stack of each resolution makes cycles and depth
 * visible, per task.
 */
struct bl_guard {
	struct hlist_node node;
	const struct task_struct *task;
	const struct bl_tree *tree;
	bool locked;
};

static DEFINE_SPINLOCK(bl_guard_lock);
static DEFINE_HASHTABLE(bl_guards, 6);
/* Records with @locked; lets a walk without any skip the search. */
static atomic_t bl_guards_locked = ATOMIC_INIT(0);

static int bl_guard_enter(struct bl_guard *new, const struct bl_tree *tree,
			  bool locked)
{
	struct bl_guard *guard;
	unsigned int depth = 0;
	int err = 0;

	spin_lock(&bl_guard_lock);
	hash_for_each_possible(bl_guards, guard, node, (unsigned long)current) {
		if (guard->task != current)
			continue;
		if (guard->tree == tree || ++depth >= BL_MAX_DEPTH)
			err = -ELOOP;
	}
	if (!err) {
		new->task = current;
		new->tree = tree;
		new->locked = locked;
		if (locked)
			atomic_inc(&bl_guards_locked);
		hash_add(bl_guards, &new->node, (unsigned long)current);
	}
	spin_unlock(&bl_guard_lock);
	return err;
}

static void bl_guard_leave(struct bl_guard *guard)
{
	spin_lock(&bl_guard_lock);
	if (guard->locked)
		atomic_dec(&bl_guards_locked);
	hash_del(&guard->node);
	spin_unlock(&bl_guard_lock);
}

/*
 * A directory of a tree is locked by this task. Walking into a tree would
 * take such locks in an order that nobody defines.
 */
static bool bl_guard_is_locked(void)
{
	struct bl_guard *guard;
	bool locked = false;

	if (likely(!atomic_read(&bl_guards_locked)))
		return false;
	spin_lock(&bl_guard_lock);
	hash_for_each_possible(bl_guards, guard, node, (unsigned long)current)
		if (guard->task == current)
			locked |= guard->locked;
	spin_unlock(&bl_guard_lock);
	return locked;
}

static struct bl_bind *bl_bind_alloc(unsigned int nr)
{
	struct bl_bind *bind = kzalloc(struct_size(bind, chain, nr),
				       GFP_KERNEL_ACCOUNT);

	if (bind) {
		refcount_set(&bind->ref, 1);
		bind->nr = nr;
	}
	return bind;
}

/**
 * bl_bind_fixed - a binding to a dentry instead of a path
 * @mnt: private mount
 * @dentry: dentry in it
 *
 * Return: the binding with one reference, or NULL.
 */
struct bl_bind *bl_bind_fixed(struct bl_mnt *mnt, struct dentry *dentry)
{
	struct bl_bind *bind = bl_bind_alloc(0);

	if (bind) {
		bind->mnt = mnt;
		bind->real.mnt = mnt->mnt;
		bind->real.dentry = dget(dentry);
	}
	return bind;
}

/**
 * bl_bind_put - drop a reference
 * @bind: binding or NULL
 */
void bl_bind_put(struct bl_bind *bind)
{
	unsigned int i;

	if (!bind || !refcount_dec_and_test(&bind->ref))
		return;
	for (i = 0; i < bind->nr; i++)
		dput(bind->chain[i].dentry);
	dput(bind->real.dentry);
	kfree_rcu(bind, rcu);
}

static bool bl_bind_valid(const struct bl_bind *bind)
{
	unsigned int i;
	int event;

	if (!bind->nr || !bl_watch_event(&event) || event != bind->event)
		return false;
	for (i = 0; i < bind->nr; i++)
		if (read_seqcount_retry(&bind->chain[i].dentry->d_seq,
					bind->chain[i].seq))
			return false;
	return true;
}

/*
 * Record the dentries from @path up to the creator's root. Returns their
 * number, 0 when they do not prove the resolution. References go to @chain.
 */
static unsigned int bl_chain_record(struct bl_tree *tree,
				    const struct bl_link *link,
				    const struct path *path,
				    struct bl_seq *chain, unsigned int max)
{
	const char *end = link->backing + strlen(link->backing);
	struct path at = *path;
	unsigned int i, nr = 0;
	bool ok = false;

	path_get(&at);
	while (!path_equal(&at, &link->root)) {
		struct dentry *dentry = at.dentry, *parent;
		const char *name;

		if (bl_is_tree(at.mnt->mnt_sb))
			goto out;
		if (dentry == at.mnt->mnt_root) {
			/* Keeps the filesystem while its dentries are held. */
			if (IS_ERR(bl_mnt_get(tree, &at, 0)) || !follow_up(&at))
				goto out;
			continue;
		}
		if (nr == max || end == link->backing ||
		    (dentry->d_flags & DCACHE_OP_REVALIDATE))
			goto out;

		name = end;
		while (*--name != '/')
			;
		parent = dget_parent(dentry);
		spin_lock(&dentry->d_lock);
		ok = dentry->d_parent == parent && !d_unhashed(dentry) &&
		     dentry->d_name.len == end - name - 1 &&
		     !memcmp(dentry->d_name.name, name + 1, end - name - 1);
		chain[nr].dentry = dentry;
		chain[nr].seq = read_seqcount_begin(&dentry->d_seq);
		spin_unlock(&dentry->d_lock);
		/* The reference to @dentry goes from @at to @chain. */
		nr++;
		at.dentry = parent;
		end = name;
		if (!ok)
			goto out;
		ok = false;
	}
	ok = end == link->backing;
	/* All that was seen was true at once if none of it changed since. */
	for (i = 0; ok && i < nr; i++)
		ok = !read_seqcount_retry(&chain[i].dentry->d_seq,
					  chain[i].seq);
out:
	path_put(&at);
	if (ok)
		return nr;
	while (nr)
		dput(chain[--nr].dentry);
	return 0;
}

static unsigned int bl_path_components(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += path[0] == '/' && path[1];
	return n;
}

/**
 * bl_bind_collapse - replace a path in a tree by what it stands for
 * @path: path with references, replaced when it is in a tree
 * @flags: gets the flags of the mounts that were looked through
 *
 * This is why a chain of links adds no stacking.
 *
 * Return: false when nothing stands behind the path.
 */
bool bl_bind_collapse(struct path *path, int *flags)
{
	while (bl_is_tree(path->mnt->mnt_sb)) {
		struct bl_real real;

		*flags |= path->mnt->mnt_flags & MNT_USER_SETTABLE_MASK;
		if (bl_real_get(path->dentry, &real))
			return false;
		/* The mount lives as long as the tree; take what outlives it. */
		mntget(real.path.mnt);
		path_put(path);
		*path = real.path;
		if (d_is_negative(path->dentry))
			return false;
	}
	return true;
}

/* The link that @tree shows, with a reference. */
static struct bl_link *bl_bind_link(struct bl_tree *tree)
{
	struct bl_link *link;

	guard(rcu)();
	link = rcu_dereference(tree->link);
	if (link && !refcount_inc_not_zero(&link->ref))
		link = NULL;
	return link;
}

/* Look up the backing path of @link, and @rest below it, as the creator. */
static int bl_bind_walk(struct bl_tree *tree, const struct bl_link *link,
			const char *rest, unsigned int flags, bool locked,
			struct path *path)
{
	struct bl_guard guard;
	char *name = NULL;
	int err;

	if (*rest) {
		name = kasprintf(GFP_KERNEL, "%s%s", link->backing, rest);
		if (!name)
			return -ENOMEM;
	}
	err = bl_guard_enter(&guard, tree, locked);
	if (!err) {
		err = vfs_path_lookup(link->root.dentry, link->root.mnt,
				      name ?: link->backing, flags, path);
		bl_guard_leave(&guard);
	}
	kfree(name);
	return err;
}

/* Make @new (NULL: nothing) what @tree shows, unless something later is. */
static void bl_bind_publish(struct bl_tree *tree, const struct bl_link *link,
			    struct bl_bind *new, u64 ticket)
{
	struct bl_bind *old = NULL;

	spin_lock(&tree->bind_lock);
	if (rcu_access_pointer(tree->link) == link &&
	    ticket > tree->bind_ticket) {
		tree->bind_ticket = ticket;
		if (new)
			refcount_inc(&new->ref);
		old = rcu_replace_pointer(tree->bind, new,
					  lockdep_is_held(&tree->bind_lock));
	}
	spin_unlock(&tree->bind_lock);
	bl_bind_put(old);
}

/* The published binding, when it is to @path as well. */
static struct bl_bind *bl_bind_same(struct bl_tree *tree,
				    const struct path *path, struct bl_mnt *mnt)
{
	struct bl_bind *bind;

	guard(rcu)();
	bind = rcu_dereference(tree->bind);
	if (bind && !bind->nr && bind->real.dentry == path->dentry &&
	    bind->mnt == mnt && refcount_inc_not_zero(&bind->ref))
		return bind;
	return NULL;
}

static struct bl_bind *bl_bind_make(struct bl_tree *tree,
				    const struct bl_link *link,
				    const struct path *user, bool watched,
				    int event)
{
	unsigned int max = watched ? bl_path_components(link->backing) : 0;
	struct bl_bind *bind, *same;
	struct path real = *user;
	struct bl_mnt *mnt;
	int flags = 0, now;

	bind = bl_bind_alloc(max);
	if (!bind)
		return ERR_PTR(-ENOMEM);
	bind->nr = 0;

	path_get(&real);
	if (!bl_bind_collapse(&real, &flags)) {
		mnt = ERR_PTR(-ENOENT);
	} else if (d_is_dir(real.dentry) != tree->is_dir) {
		/* A mount point cannot change between the two. */
		mnt = ERR_PTR(-ESTALE);
	} else if (real.mnt->mnt_sb->s_stack_depth >=
		   FILESYSTEM_MAX_STACK_DEPTH) {
		mnt = ERR_PTR(-ELOOP);
	} else {
		mnt = bl_mnt_get(tree, &real, flags);
	}
	if (IS_ERR(mnt)) {
		path_put(&real);
		kfree(bind);
		return ERR_CAST(mnt);
	}

	if (max) {
		struct bl_seq *chain = bind->chain;

		bind->nr = max;
		bind->nr = bl_chain_record(tree, link, user, chain, max);
		if (bind->nr && (!bl_watch_event(&now) || now != event)) {
			while (bind->nr)
				dput(chain[--bind->nr].dentry);
		}
	}
	if (!bind->nr) {
		same = bl_bind_same(tree, &real, mnt);
		if (same) {
			path_put(&real);
			kfree(bind);
			return same;
		}
	}
	if (tree->sb->s_stack_depth <= real.mnt->mnt_sb->s_stack_depth)
		WRITE_ONCE(tree->sb->s_stack_depth,
			   real.mnt->mnt_sb->s_stack_depth + 1);
	bind->event = event;
	bind->mnt = mnt;
	bind->real.mnt = mnt->mnt;
	bind->real.dentry = dget(real.dentry);
	path_put(&real);
	return bind;
}

static struct bl_bind *bl_bind_resolve(struct bl_tree *tree,
				       const struct bl_link *link, bool locked)
{
	const struct cred *old_cred = override_creds(link->cred);
	u64 ticket = atomic64_inc_return(&tree->ticket);
	struct bl_bind *bind;
	struct path user;
	bool watched;
	int event, err;

	/* First the count, then what it is to prove. */
	watched = link->watch && bl_watch_event(&event);
	err = bl_bind_walk(tree, link, "", LOOKUP_FOLLOW | LOOKUP_AUTOMOUNT,
			   locked, &user);
	if (err) {
		bind = ERR_PTR(err);
	} else {
		bind = bl_bind_make(tree, link, &user, watched, event);
		path_put(&user);
	}
	trace_bl_resolve(link->id, link->backing, PTR_ERR_OR_ZERO(bind),
			 IS_ERR(bind) ? 0 : bind->nr);
	/* What failed here may be all right elsewhere: a cycle, memory. */
	if (!IS_ERR(bind))
		bl_bind_publish(tree, link, bind, ticket);
	else if (PTR_ERR(bind) == -ENOENT || PTR_ERR(bind) == -ENOTDIR ||
		 PTR_ERR(bind) == -ESTALE)
		bl_bind_publish(tree, link, NULL, ticket);
	revert_creds(old_cred);
	return bind;
}

/**
 * bl_bind_rcu - what a tree's root shows, in RCU-walk
 * @tree: tree
 *
 * Context: RCU read side.
 * Return: a binding that is valid now, NULL when that takes more than looking.
 */
struct bl_bind *bl_bind_rcu(struct bl_tree *tree)
{
	struct bl_bind *bind;

	if (bl_guard_is_locked())
		return NULL;
	if (!rcu_access_pointer(tree->link))
		return tree->carrier;
	bind = rcu_dereference(tree->bind);
	if (bind && bl_bind_valid(bind))
		return bind;
	return NULL;
}

static struct bl_bind *bl_bind_try(struct bl_tree *tree, bool any,
				   struct bl_link **link)
{
	struct bl_bind *bind;

	guard(rcu)();
	*link = rcu_dereference(tree->link);
	if (!*link) {
		refcount_inc(&tree->carrier->ref);
		return tree->carrier;
	}
	bind = rcu_dereference(tree->bind);
	if (bind && (any || bl_bind_valid(bind)) &&
	    refcount_inc_not_zero(&bind->ref))
		return bind;
	if (!refcount_inc_not_zero(&(*link)->ref))
		*link = NULL;
	return NULL;
}

static struct bl_bind *bl_bind_find(struct bl_tree *tree, bool any)
{
	struct bl_bind *bind;
	struct bl_link *link;

	for (;;) {
		bind = bl_bind_try(tree, any, &link);
		if (bind)
			return bind;
		if (link)
			break;
		/* The link is being replaced by the carrier. */
		cpu_relax();
	}
	bind = bl_bind_resolve(tree, link, any);
	bl_link_put(link);
	/* The VFS walks again, from the top and with nothing locked. */
	if (any && bind == ERR_PTR(-EDEADLK))
		bind = ERR_PTR(-ESTALE);
	return bind;
}

/**
 * bl_bind_get - what a tree's root shows, resolved anew if there is doubt
 * @tree: tree
 *
 * Context: may sleep; no lock of a tree's directory is held.
 * Return: a binding with a reference, or ERR_PTR(): what looking up the
 * backing path gives, -ELOOP for a cycle, -ESTALE where the backing is a
 * directory and the virtual path not, or the other way round.
 */
struct bl_bind *bl_bind_get(struct bl_tree *tree)
{
	return bl_bind_find(tree, false);
}

/**
 * bl_bind_last - what a tree's root showed last
 * @tree: tree
 *
 * For operations whose walk has just been through bl_bind_get(), and which
 * may hold the lock of the tree's root.
 *
 * Return: as bl_bind_get().
 */
struct bl_bind *bl_bind_last(struct bl_tree *tree)
{
	return bl_bind_find(tree, true);
}

/**
 * bl_bind_may_enter - whether a walk may go through a tree now
 *
 * Return: 0, or -EDEADLK when this task looks something up on behalf of a
 * locked directory of a tree.
 */
int bl_bind_may_enter(void)
{
	return bl_guard_is_locked() ? -EDEADLK : 0;
}

/**
 * bl_bind_drop - forget what a tree's link was resolved to
 * @tree: tree
 */
void bl_bind_drop(struct bl_tree *tree)
{
	struct bl_bind *old;

	spin_lock(&tree->bind_lock);
	tree->bind_ticket = atomic64_inc_return(&tree->ticket);
	old = rcu_replace_pointer(tree->bind, NULL,
				  lockdep_is_held(&tree->bind_lock));
	spin_unlock(&tree->bind_lock);
	bl_bind_put(old);
}

/**
 * bl_bind_follow - find the place below the backing path in the user's mounts
 * @tree: tree
 * @rest: path below the link's root, "" or "/..."
 * @path: result, with references
 *
 * Return: 0, -EXDEV when @tree has no link, or an error of the lookup.
 */
int bl_bind_follow(struct bl_tree *tree, const char *rest, struct path *path)
{
	const struct cred *old_cred;
	struct bl_link *link = bl_bind_link(tree);
	int err;

	if (!link)
		return -EXDEV;
	old_cred = override_creds(link->cred);
	err = bl_bind_walk(tree, link, rest, LOOKUP_FOLLOW, false, path);
	revert_creds(old_cred);
	bl_link_put(link);
	return err;
}

/**
 * bl_bind_cross - see what the user has mounted below the backing path
 * @tree: tree
 * @rest: path of the mount point below the link's root
 * @lower: the mount point
 * @mnt: private mount of what is mounted there
 *
 * The private mount of the backing filesystem has no mounts of its own, so
 * the place is looked up by its path. Directories of the tree may be locked:
 * the walk does not go through any tree.
 *
 * Return: what is seen there, with a reference, or NULL when that is @lower
 * itself, or ERR_PTR(-ENOMEM).
 */
struct dentry *bl_bind_cross(struct bl_tree *tree, const char *rest,
			     struct dentry *lower, struct bl_mnt **mnt)
{
	const struct cred *old_cred;
	struct dentry *real = NULL;
	struct path path, up;
	struct bl_link *link = bl_bind_link(tree);
	int flags = 0, err;

	if (!link)
		return NULL;
	old_cred = override_creds(link->cred);
	err = bl_bind_walk(tree, link, rest, 0, true, &path);
	if (err) {
		if (err == -ENOMEM)
			real = ERR_PTR(err);
		goto out;
	}

	/* Is it what covers @lower, or did the walk end somewhere else? */
	up = path;
	path_get(&up);
	while (up.dentry != lower && up.dentry == up.mnt->mnt_root)
		if (!follow_up(&up))
			break;
	if (up.dentry == lower && path.dentry != lower &&
	    bl_bind_collapse(&path, &flags) &&
	    path.mnt->mnt_sb->s_stack_depth < FILESYSTEM_MAX_STACK_DEPTH) {
		*mnt = bl_mnt_get(tree, &path, flags);
		if (!IS_ERR(*mnt))
			real = dget(path.dentry);
		else if (PTR_ERR(*mnt) == -ENOMEM)
			real = ERR_CAST(*mnt);
	}
	path_put(&up);
	path_put(&path);
out:
	revert_creds(old_cred);
	bl_link_put(link);
	return real;
}
