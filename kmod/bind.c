// SPDX-License-Identifier: GPL-2.0
/*
 * Late binding: what a link shows.
 *
 * A link is bound to a path, not to an inode. The backing path is resolved
 * when the link is followed, from the creator's root directory with the
 * creator's credentials. The result is kept together with the proof that
 * resolving again would give the same: the d_seq of every dentry that was
 * looked at, each of which changes when that dentry is unlinked, renamed,
 * replaced or made; the generation of the rules; and a count of the mount events
 * of the creator's namespace, which changes with every mount and unmount.
 * Checking the proof is a few loads, and all that a walk through an unchanged
 * link costs. What a walk inside of links finds is kept in the same way.
 *
 * No proof can be had where a filesystem with a d_revalidate of its own is on
 * the way, or where the creator is not in the initial mount namespace. Then
 * each use leaves RCU-walk and resolves again.
 */

#include <linux/file.h>
#include <linux/init_task.h>
#include <linux/magic.h>
#include <linux/namei.h>
#include <linux/nsproxy.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bindlink.h"
#include "trace.h"

/*
 * Mount events. Whoever polls the mount table of a namespace is woken with every
 * change in it, by whoever makes the change and before mount(2) or umount(2)
 * returns. An entry in that queue counts them.
 *
 * Only the initial mount namespace is watched: the open mount table pins its
 * namespace, and another one could never go away with a link mounted inside.
 */
static struct file *bl_watch_file;
static DEFINE_MUTEX(bl_watch_mutex);
static unsigned int bl_watch_users;

/* Written under the lock of that queue, and when watching begins or ends. */
unsigned int bl_watch_events __read_mostly;
static bool bl_watch_on __read_mostly;

/*
 * Whoever unmounts a backing filesystem wants it to be gone, and not only when
 * somebody happens to follow the link the next time. So some time after a
 * mount event what is kept of links and their trees is looked through.
 */
#define BL_WATCH_DELAY	msecs_to_jiffies(20)

/* How long that took last, in jiffies. */
static unsigned long bl_watch_took;

static void bl_watch_settle(struct work_struct *work);
static DECLARE_DELAYED_WORK(bl_watch_work, bl_watch_settle);

/**
 * struct bl_waiter - an entry in the queue of those who poll a mount table
 * @table: what poll() is given
 * @entry: the entry
 * @head: the queue, NULL while the entry is in none
 */
struct bl_waiter {
	poll_table table;
	wait_queue_entry_t entry;
	wait_queue_head_t *head;
};

static struct bl_waiter bl_waiter;

/* With many links and many mounts it takes no more than a tenth of the time. */
static void bl_watch_kick(void)
{
	schedule_delayed_work(&bl_watch_work, BL_WATCH_DELAY +
			      10 * READ_ONCE(bl_watch_took));
}

static int bl_watch_wake(wait_queue_entry_t *entry, unsigned int mode,
			 int sync, void *key)
{
	if (unlikely(bl_lane_is_event()))
		return 0;
	WRITE_ONCE(bl_watch_events, bl_watch_events + 1);
	bl_epoch_next();
	bl_watch_kick();
	return 0;
}

static void bl_watch_queue(struct file *file, wait_queue_head_t *head,
			   poll_table *table)
{
	struct bl_waiter *waiter = container_of(table, struct bl_waiter, table);

	waiter->head = head;
	init_waitqueue_func_entry(&waiter->entry, bl_watch_wake);
	add_wait_queue(head, &waiter->entry);
}

static void bl_watch_close(void)
{
	WRITE_ONCE(bl_watch_on, false);
	if (bl_waiter.head)
		remove_wait_queue(bl_waiter.head, &bl_waiter.entry);
	bl_waiter.head = NULL;
	/* What was proved by the count is so no longer. */
	WRITE_ONCE(bl_watch_events, bl_watch_events + 1);
	bl_epoch_next();
	if (!IS_ERR_OR_NULL(bl_watch_file))
		fput(bl_watch_file);
	bl_watch_file = NULL;
}

/**
 * bl_watch_start - watch mount events for one more link
 *
 * Return: whether the caller's mount namespace can be watched. If so,
 * bl_watch_stop() has to be called.
 */
bool bl_watch_start(void)
{
	if (current->nsproxy->mnt_ns != init_task.nsproxy->mnt_ns)
		return false;

	guard(mutex)(&bl_watch_mutex);
	if (bl_watch_users) {
		bl_watch_users++;
		return true;
	}
	bl_watch_file = filp_open("/proc/self/mountinfo", O_RDONLY, 0);
	if (IS_ERR(bl_watch_file) ||
	    file_inode(bl_watch_file)->i_sb->s_magic != PROC_SUPER_MAGIC ||
	    !bl_watch_file->f_op->poll)
		goto fail;
	init_poll_funcptr(&bl_waiter.table, bl_watch_queue);
	vfs_poll(bl_watch_file, &bl_waiter.table);
	if (!bl_waiter.head)
		goto fail;
	bl_watch_users = 1;
	/* The entry before the word that it is there. */
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

/**
 * bl_watch_event - how many mount events there were
 * @event: the count
 *
 * Return: whether they are counted.
 */
bool bl_watch_event(unsigned int *event)
{
	/* Pairs with bl_watch_start(). */
	bool on = smp_load_acquire(&bl_watch_on);

	/* Mounts that were looked at before this, and those after it. */
	smp_rmb();
	*event = READ_ONCE(bl_watch_events);
	/* As above. */
	smp_rmb();
	return on;
}

static struct bl_bind *bl_bind_alloc(void)
{
	struct bl_bind *bind = kzalloc(sizeof(*bind), GFP_KERNEL_ACCOUNT);

	if (bind) {
		refcount_set(&bind->ref, 1);
		bind->shows = BL_SHOWS_UNPROVED;
	}
	return bind;
}

/**
 * bl_bind_fixed - a binding to a dentry instead of a path
 * @path: what to bind to, in a user's mount
 *
 * Return: the binding with one reference, or ERR_PTR().
 */
struct bl_bind *bl_bind_fixed(const struct path *path)
{
	struct bl_mnt *mnt = bl_mnt_get(path, 0);
	struct bl_bind *bind;

	if (IS_ERR(mnt))
		return ERR_CAST(mnt);
	bind = bl_bind_alloc();
	if (!bind) {
		bl_mnt_put(mnt);
		return ERR_PTR(-ENOMEM);
	}
	bind->mnt = mnt;
	bind->real.mnt = mnt->mnt;
	bind->real.dentry = dget(path->dentry);
	bind->inode = d_inode(path->dentry);
	bind->search = bl_modes_searched(bind->inode, mnt);
	return bind;
}

/**
 * bl_bind_free - drop what a binding pins, and the binding after a grace period
 * @bind: binding without references
 */
void bl_bind_free(struct bl_bind *bind)
{
	bl_basis_put(bind->basis);
	dput(bind->real.dentry);
	bl_mnt_put(bind->mnt);
	kfree_rcu(bind, rcu);
}

/* What @where and @err, which following a link gave, are to its users. */
static struct bl_bind *bl_bind_make(struct bl_where *where, int err)
{
	struct path *real = &where->path;
	struct bl_mnt *mnt = NULL;
	struct bl_bind *bind;

	/* The backing path does not exist, for whatever reason. */
	if (err == -ENOTDIR)
		err = -ENOENT;
	if (real->dentry) {
		if (real->mnt->mnt_sb->s_stack_depth >=
		    FILESYSTEM_MAX_STACK_DEPTH) {
			err = -ELOOP;
		} else {
			mnt = bl_mnt_get(real, where->flags);
			if (IS_ERR(mnt))
				return ERR_CAST(mnt);
		}
	}
	bind = bl_bind_alloc();
	if (!bind) {
		bl_mnt_put(mnt);
		return ERR_PTR(-ENOMEM);
	}
	bind->error = err;
	bind->inner = where->inner;
	bind->viewed = where->viewed;
	bind->merged = where->merged;
	bind->flat = where->flat && !where->merged;
	bind->bare = where->bare;
	bind->flags = where->flags;
	bind->id = where->id;
	bind->mnt = mnt;
	if (mnt) {
		bind->real.mnt = mnt->mnt;
		bind->real.dentry = dget(real->dentry);
		if (!err) {
			bind->inode = d_inode(real->dentry);
			bind->search = bl_modes_searched(bind->inode, mnt);
		}
	}
	return bind;
}

/* The published binding of @link, when @bind says the same and proves nothing. */
static struct bl_bind *bl_bind_same(struct bl_link *link, struct bl_bind *bind)
{
	struct bl_bind *old;

	if (bind->basis)
		return bind;
	rcu_read_lock();
	old = rcu_dereference(link->bind);
	if (old && (old->basis || old->real.dentry != bind->real.dentry ||
		    old->mnt != bind->mnt || old->error != bind->error ||
		    old->inner != bind->inner || old->viewed != bind->viewed ||
		    old->merged != bind->merged || old->flat != bind->flat ||
		    !refcount_inc_not_zero(&old->ref)))
		old = NULL;
	rcu_read_unlock();
	if (!old)
		return bind;
	bl_bind_put(bind);
	return old;
}

/* Make @new what @link shows, unless something later is. */
static void bl_bind_publish(struct bl_link *link, struct bl_bind *new,
			    u64 ticket)
{
	struct bl_bind *old = NULL;
	bool moved = false;

	spin_lock(&link->bind_lock);
	if (ticket > link->bind_ticket) {
		link->bind_ticket = ticket;
		old = rcu_dereference_protected(link->bind,
						lockdep_is_held(&link->bind_lock));
		if (old == new) {
			old = NULL;
		} else {
			refcount_inc(&new->ref);
			rcu_assign_pointer(link->bind, new);
			moved = old && old->mnt && old->mnt != new->mnt;
		}
	}
	spin_unlock(&link->bind_lock);
	bl_bind_put(old);
	/* Let go of what was mounted there, also where events are not seen. */
	if (moved)
		bl_watch_kick();
}

/*
 * The published binding of @link, with a reference, if that was bare, and @proof
 * is of the same mounts. Rules may have changed since.
 */
static struct bl_bind *bl_bind_last(struct bl_link *link,
				    const struct bl_proof *proof)
{
	struct bl_bind *bind;

	guard(rcu)();
	bind = rcu_dereference(link->bind);
	return bind && bind->bare && bind->basis &&
	       bind->basis->event == proof->event &&
	       refcount_inc_not_zero(&bind->ref) ? bind : NULL;
}

static struct bl_bind *bl_bind_resolve(struct bl_link *link, bool ask)
{
	u64 ticket = atomic64_inc_return(&link->ticket);
	const struct cred *old_cred;
	struct bl_proof *proof;
	struct bl_basis *basis;
	struct bl_bind *bind, *last;
	struct bl_where where;
	int err;

	proof = bl_proof_begin();
	if (!proof)
		return ERR_PTR(-ENOMEM);
	proof->ask = ask;
	last = bl_bind_last(link, proof);
	proof->last = last;
	old_cred = override_creds(link->cred);
	err = bl_walk_link(link, &where, proof);
	bind = err == -ENOMEM ? ERR_PTR(err) : bl_bind_make(&where, err);
	revert_creds(old_cred);
	bl_where_put(&where);
	bl_bind_put(last);
	err = IS_ERR(bind) ? PTR_ERR(bind) : bind->error;
	basis = bl_proof_end(proof, err);
	trace_bl_resolve(link->id, link->backing, err, basis ? basis->nr : 0);
	if (IS_ERR(bind)) {
		bl_basis_put(basis);
		return bind;
	}
	bind->basis = basis;
	/* With a reference it stays what it is. */
	if (basis && !err)
		bind->shows = d_is_dir(bind->real.dentry);
	bind = bl_bind_same(link, bind);
	bl_bind_publish(link, bind, ticket);
	return bind;
}

/**
 * bl_bind_get - what a link shows, resolved anew if there is doubt
 * @link: link
 *
 * Context: may sleep; directories of trees may be locked, nothing below.
 * Return: a binding with a reference, whose error tells why nothing is shown,
 * or ERR_PTR(-ENOMEM) and the like.
 */
struct bl_bind *bl_bind_get(struct bl_link *link)
{
	struct bl_bind *bind;

	scoped_guard(rcu) {
		bind = bl_bind_rcu(link);
		if (bind && refcount_inc_not_zero(&bind->ref))
			return bind;
	}
	return bl_bind_resolve(link, false);
}

/**
 * bl_bind_renew - as bl_bind_get(), for a lane
 * @link: link
 *
 * Context: as bl_bind_get().
 * Return: so; follows the link again where it was not seen whether what it shows
 * stands alone, or it did not.
 */
struct bl_bind *bl_bind_renew(struct bl_link *link)
{
	struct bl_bind *bind = bl_bind_get(link);

	if (IS_ERR(bind) || bind->bare)
		return bind;
	bl_bind_put(bind);
	return bl_bind_resolve(link, true);
}

/* Let go of filesystems that were unmounted. */
static void bl_watch_settle(struct work_struct *work)
{
	unsigned long begun = jiffies;
	struct bl_link *link, *next;
	struct bl_bind *bind;

	bl_mnts_doubt();
	bl_trees_confirm();
	for (link = bl_link_next(0); link; link = next) {
		if (rcu_access_pointer(link->bind)) {
			bind = bl_bind_get(link);
			if (!IS_ERR(bind))
				bl_bind_put(bind);
		}
		next = bl_link_next(link->id);
		bl_link_put(link);
		cond_resched();
	}
	bl_lanes_confirm();
	bl_trees_shrink();
	WRITE_ONCE(bl_watch_took, jiffies - begun);
}

/**
 * bl_bind_exit - wait for what is under way
 *
 * Context: module exit; there are no links.
 */
void bl_bind_exit(void)
{
	cancel_delayed_work_sync(&bl_watch_work);
}
