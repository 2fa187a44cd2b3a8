// SPDX-License-Identifier: GPL-2.0
/*
 * Lanes: plain links without a stacked filesystem in between.
 *
 * Where a link shows just one directory there is nothing for a tree to add
 * below it. So the dentry that shows the link, its gate, is an automount point,
 * and what is mounted there has the backing directory itself for its root: the
 * lane. All that is behind the gate is the filesystem's own, identity included,
 * and costs what it costs through a bind mount.
 *
 * What a bind mount lacks is late binding. ->d_manage() is called for each walk
 * that comes to the gate, in RCU-walk first. It lets it pass as long as the
 * proof holds that following the link again would lead to the directory that
 * the lane was made for. Otherwise the link is followed again, in ref-walk, and
 * if it leads elsewhere, or if there are rules below it now, or mounts below
 * the backing, the lane is closed: from then on all walks stop at the gate,
 * behind which is the tree, as if there were no lanes. So a program never finds
 * one inode by one walk and another by the next, but for that moment.
 *
 * A lane opens by a work item, when the link has been left alone for a while.
 * Then nothing below the gate may be in use in the tree: two inodes stand for
 * one file, that of the tree and the filesystem's own, and a socket that is
 * bound to the one, or a watch on it, is not found by the other. While it looks
 * for that, walks wait at the gate. It is attached to each mount of the tree by
 * the first walk that comes there.
 *
 * A lane that is closed is detached by expiry as soon as nobody is in it. Until
 * then it stays where it is, out of reach, and whoever is in it is not
 * disturbed. Another directory gets a lane at that gate only when nothing is
 * mounted there any more.
 *
 * So it is with a link to a regular file, if it was made with
 * BINDLINK_FLAG_NATIVE: a file has no names in it, but is open without its gate
 * being in use, see bl_gate_opened(); and whoever watches the directory that the
 * name is in expects to hear of it, see bl_gate_watched().
 *
 * What mount(2) and the like are asked to do is done to the tree: whoever
 * unmounts what carries a link means the link. ->d_manage() is not told what a
 * walk is for, so it looks which system call it is in.
 */

#include <linux/capability.h>
#include <linux/dcache.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fsnotify.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "bindlink.h"
#include "trace.h"

/* How long a link has to be left alone before its lane opens, in ms. */
static unsigned int bl_lane_delay = 200;

#define BL_LANE_QUIET	msecs_to_jiffies(READ_ONCE(bl_lane_delay))
/* The same after somebody has worked on what carries it, or on its name. */
#define BL_LANE_REST	HZ
/* A lane that cannot open, or go, is looked at ever more seldom. */
#define BL_LANE_SELDOM	(8 * HZ)
#define BL_LANE_SOON	msecs_to_jiffies(50)
/* How long its name is kept from being removed by who is about to mount it. */
#define BL_LANE_BAR	msecs_to_jiffies(500)

/* Those who were on the way when walks began to wait are given so many ms. */
#define BL_LANE_TRIES	4

/*
 * What lets a walk pass the gate has to hold for what is mounted there, too. In a
 * less privileged mount namespace, whose mounts are locked, there is no lane: what is
 * done to mounts there has to be done to the tree, and closes nothing.
 */
#define BL_LANE_LOCKED	(MNT_LOCKED | MNT_LOCK_ATIME)
#define BL_LANE_FLAGS	(MNT_USER_SETTABLE_MASK | BL_LANE_LOCKED)

#define BL_LANE_MANAGED	(DCACHE_MANAGE_TRANSIT | DCACHE_NEED_AUTOMOUNT)

enum bl_lane_state {
	BL_LANE_CLOSED,
	BL_LANE_OPENING,	/* walks wait at the gate */
	BL_LANE_OPEN,
};

/**
 * struct bl_pass - by what a walk is let pass a gate, with few looks
 * @rcu: readers in RCU-walk
 * @epoch: bl_epoch when @bind was found to be valid last, or 0
 * @renames: as that of its basis then
 * @flags: those of the mount of the backing
 * @seq: d_seq of @end
 * @end: the only end of what was looked up; the basis keeps it
 * @bind: what the lane is open for; only compared
 *
 * While all of that is so @bind is valid. Immutable but for @epoch and @renames.
 * Owned by the lane.
 */
struct bl_pass {
	struct rcu_head rcu;
	unsigned long epoch;
	unsigned int renames;
	int flags;
	unsigned int seq;
	struct dentry *end;
	const struct bl_bind *bind;
};

/**
 * struct bl_lane - the lane of a link
 * @rcu: readers in RCU-walk
 * @list: entry of bl_lanes
 * @ref: the list has one, every user has one
 * @link: whose lane it is, with a reference
 * @gate: dentry of the tree at which it is, or NULL. Without a reference: who
 *	lets go of a dentry says so first, see bl_lane_release()
 * @bind: what is or was mounted at the gate, with a reference; RCU. NULL when
 *	nothing is
 * @pass: for walks to @gate, or NULL: then they look at @bind, as they always do
 *	where there is more to look at; RCU. Where @gate is the root of a tree,
 *	that has it, too, and else the dentry, see bl_gate_pass().
 * @seen: directory that the link was found to lead to, only compared
 * @user: of what is at @gate or below it, what was in use when it was about to be
 *	opened last, or NULL; only compared, and by the work item
 * @state: what walks are told
 * @attaching: walks that are about to mount something at the gate
 * @waiting: walks that wait at the gate, each with a reference to @gate
 * @when: when the work item looks at it again
 * @delay: how long it waits the next time
 * @others: somebody may have mounted something else at the gate
 * @named: somebody is about to remove or to rename the gate
 * @dropped: it never opens again, and is freed when nothing is mounted any more
 * @check: mounts have changed since it was looked at
 * @mounts: what is mounted at the gate, in all namespaces; namespace_sem
 *
 * All but @ref, @link and @mounts is written under bl_lane_lock. Freed a grace
 * period after the last reference.
 */
struct bl_lane {
	struct rcu_head rcu;
	struct list_head list;
	refcount_t ref;
	struct bl_link *link;
	struct dentry *gate;
	struct bl_bind __rcu *bind;
	struct bl_pass __rcu *pass;
	const struct dentry *seen;
	const struct dentry *user;
	enum bl_lane_state state;
	unsigned int attaching;
	unsigned int waiting;
	unsigned long when;
	unsigned long delay;
	bool others;
	bool named;
	bool dropped;
	bool check;
	struct list_head mounts;
};

/* A leaf, but for d_lock. */
static DEFINE_SPINLOCK(bl_lane_lock);
static LIST_HEAD(bl_lanes);
static unsigned int bl_lane_count;
static DECLARE_WAIT_QUEUE_HEAD(bl_lane_wait);

static unsigned int bl_lane_max = 256;
static bool bl_lanes_over;	/* the module goes; kernel_param_lock() */
static bool bl_lanes_more;	/* links that have none may have one now */

static void bl_lane_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(bl_lanes_work, bl_lane_work);

/**
 * struct bl_lane_task - what a task does that its own walks have to know of
 * @list: entry of bl_lane_tasks
 * @task: the task
 * @lane: lane that it attaches, or NULL
 * @bind: what that is made for
 * @mounts: what it mounts and unmounts are lanes
 *
 * On the stack.
 */
struct bl_lane_task {
	struct list_head list;
	struct task_struct *task;
	struct bl_lane *lane;
	struct bl_bind *bind;
	bool mounts;
};

/* Taken with the lock of a queue of pollers held. */
static DEFINE_SPINLOCK(bl_lane_task_lock);
static LIST_HEAD(bl_lane_tasks);

/*
 * Twice the number of changes of rules and mounts. The lowest bit says that there are
 * tasks: then nobody goes by a pass. A pass has an even one.
 */
atomic_long_t bl_epoch = ATOMIC_LONG_INIT(2);

static __always_inline unsigned long bl_epoch_now(void)
{
	/* Pairs with bl_epoch_next(): who has this number has seen the change. */
	return atomic_long_read_acquire(&bl_epoch);
}

static void bl_lane_task_begin(struct bl_lane_task *self)
{
	unsigned long flags;

	self->task = current;
	spin_lock_irqsave(&bl_lane_task_lock, flags);
	list_add(&self->list, &bl_lane_tasks);
	atomic_long_or(1, &bl_epoch);
	spin_unlock_irqrestore(&bl_lane_task_lock, flags);
}

static void bl_lane_task_end(struct bl_lane_task *self)
{
	unsigned long flags;

	spin_lock_irqsave(&bl_lane_task_lock, flags);
	list_del(&self->list);
	if (list_empty(&bl_lane_tasks))
		atomic_long_andnot(1, &bl_epoch);
	spin_unlock_irqrestore(&bl_lane_task_lock, flags);
}

/* Nobody but the task itself puts it there or takes it off. */
static struct bl_lane_task *bl_lane_task_find(void)
{
	struct bl_lane_task *self, *found = NULL;
	unsigned long flags;

	if (likely(!(bl_epoch_now() & 1)))
		return NULL;
	spin_lock_irqsave(&bl_lane_task_lock, flags);
	list_for_each_entry(self, &bl_lane_tasks, list)
		if (self->task == current) {
			found = self;
			break;
		}
	spin_unlock_irqrestore(&bl_lane_task_lock, flags);
	return found;
}

/**
 * bl_lane_is_event - whether a mount event is that of a lane
 *
 * Lanes are on trees, and what is followed is followed beneath trees. So they
 * change nothing in where a link leads to.
 *
 * Context: any; called by whoever changes a mount table.
 */
bool bl_lane_is_event(void)
{
	const struct bl_lane_task *self = bl_lane_task_find();

	return self && self->mounts;
}

/**
 * bl_lane_follow_down - follow_down() to where the tree is, and not into a lane
 * @path: path; changed
 *
 * What is mounted over a tree by others is followed.
 *
 * Return: as follow_down().
 */
int bl_lane_follow_down(struct path *path)
{
	struct bl_lane_task self = {};
	int err;

	bl_lane_task_begin(&self);
	err = follow_down(path, LOOKUP_AUTOMOUNT);
	bl_lane_task_end(&self);
	return err;
}

/**
 * bl_lane_kern_path - kern_path() that does not go through lanes
 * @name: path
 * @flags: LOOKUP_*
 * @path: result
 *
 * Return: as kern_path().
 */
int bl_lane_kern_path(const char *name, unsigned int flags, struct path *path)
{
	struct bl_lane_task self = {};
	int err;

	bl_lane_task_begin(&self);
	err = kern_path(name, flags, path);
	bl_lane_task_end(&self);
	return err;
}

/**
 * bl_lane_path_lookup - vfs_path_lookup() that does not go through lanes
 * @dentry: where @name begins
 * @mnt: its mount
 * @name: path
 * @flags: LOOKUP_*
 * @path: result
 *
 * Return: as vfs_path_lookup().
 */
int bl_lane_path_lookup(struct dentry *dentry, struct vfsmount *mnt,
			const char *name, unsigned int flags,
			struct path *path)
{
	struct bl_lane_task self = {};
	int err;

	bl_lane_task_begin(&self);
	err = vfs_path_lookup(dentry, mnt, name, flags, path);
	bl_lane_task_end(&self);
	return err;
}

/*
 * Whether @mnt, which is mounted on a dentry of a tree, is that of a lane. Automounts
 * have that flag, but so has what is bound of one by a user.
 */
static bool bl_is_lane(const struct vfsmount *mnt)
{
	const struct bl_lane *lane;
	const struct bl_bind *bind;
	bool found = false;

	if (!(mnt->mnt_flags & MNT_SHRINKABLE) || bl_is_tree(mnt->mnt_sb))
		return false;
	spin_lock(&bl_lane_lock);
	list_for_each_entry(lane, &bl_lanes, list) {
		bind = rcu_dereference_protected(lane->bind,
						 lockdep_is_held(&bl_lane_lock));
		found = bind && bind->real.dentry == mnt->mnt_root;
		if (found)
			break;
	}
	spin_unlock(&bl_lane_lock);
	return found;
}

/**
 * bl_lane_follow_over - follow_down_one() to what others have mounted
 * @path: a dentry of a tree, with references; changed
 *
 * Over the lane, that is, where there is one: in that is what the link shows.
 *
 * Return: false if there is nothing else.
 */
bool bl_lane_follow_over(struct path *path)
{
	return follow_down_one(path) &&
	       (!bl_is_lane(path->mnt) || follow_down_one(path));
}

static void bl_lane_put(struct bl_lane *lane)
{
	if (!refcount_dec_and_test(&lane->ref))
		return;
	bl_bind_put(rcu_access_pointer(lane->bind));
	bl_link_put(lane->link);
	kfree_rcu(lane, rcu);
}

static __always_inline struct bl_lane *
bl_lane_of(const struct bl_link *link, const struct dentry *gate)
{
	struct bl_lane *lane = link ? rcu_dereference(link->lane) : NULL;

	return likely(lane && READ_ONCE(lane->gate) == gate) ? lane : NULL;
}

/* The lane that may be at @dentry, which is not the root of a tree, under RCU. */
static __always_inline struct bl_lane *
bl_lane_at_name(const struct dentry *dentry)
{
	const struct bl_node *node;

	node = rcu_dereference(*bl_node_slot((struct dentry *)dentry));
	/* With that generation its link is on the table, and not freed. */
	if (unlikely(!node || bl_rules_generation() != node->gen))
		return NULL;
	return bl_lane_of(node->link, dentry);
}

/* The same of any dentry. */
static struct bl_lane *bl_lane_at(const struct dentry *dentry)
{
	if (dentry != dentry->d_sb->s_root)
		return bl_lane_at_name(dentry);
	return bl_lane_of(rcu_dereference(bl_tree(dentry->d_sb)->link), dentry);
}

static struct bl_lane *bl_lane_get(const struct dentry *dentry)
{
	struct bl_lane *lane;

	guard(rcu)();
	lane = bl_lane_at(dentry);
	return lane && refcount_inc_not_zero(&lane->ref) ? lane : NULL;
}

/* What is mounted there then has all the flags of what holds the backing. */
static __always_inline bool bl_lane_fits(const struct vfsmount *mnt,
					 const struct bl_bind *bind)
{
	return likely(!((mnt->mnt_flags ^ bind->mnt->flags) & BL_LANE_FLAGS));
}

/* Whether @gate is that of a file that is seen in a directory of the tree. */
static bool bl_gate_in_dir(const struct dentry *gate)
{
	return !d_is_dir(gate) && gate != gate->d_sb->s_root;
}

/*
 * Whether somebody may watch that directory. What is done to the file in the lane
 * is done in another one.
 */
static bool bl_gate_watched(const struct dentry *gate)
{
	return bl_gate_in_dir(gate) && fsnotify_sb_has_watchers(gate->d_sb);
}

/* What @lane is open for, if that is proved by all that there is to look at. */
static noinline const struct bl_bind *bl_lane_valid(const struct bl_lane *lane)
{
	unsigned long epoch = bl_epoch_now() & ~1UL;
	const struct bl_bind *bind;
	unsigned int renames;
	struct bl_pass *pass;

	/* Pairs with bl_lane_open(). */
	if (smp_load_acquire(&lane->state) != BL_LANE_OPEN)
		return NULL;
	bind = rcu_dereference(lane->bind);
	if (!bind || !bl_bind_valid(bind))
		return NULL;
	/* Something was changed or renamed, and it was none of those. */
	pass = rcu_dereference(lane->pass);
	if (pass && pass->bind == bind) {
		renames = READ_ONCE(bind->basis->renames);
		if (READ_ONCE(pass->renames) != renames)
			WRITE_ONCE(pass->renames, renames);
		if (READ_ONCE(pass->epoch) != epoch)
			WRITE_ONCE(pass->epoch, epoch);
	}
	return bind;
}

/* What a walk in RCU-walk is told. */
static noinline int bl_lane_pass_other(const struct path *path)
{
	const struct dentry *gate = path->dentry;
	const struct bl_bind *bind;
	const struct bl_lane *lane;

	lane = bl_lane_at(gate);
	if (lane && READ_ONCE(lane->state) == BL_LANE_OPEN) {
		bind = bl_lane_valid(lane);
		if (!bind || bl_gate_watched(gate) || bl_in_mount_call() ||
		    bl_lane_task_find())
			return -ECHILD;
		if (bl_lane_fits(path->mnt, bind))
			return 0;
		/* It may be of no use. */
		if (!d_mountpoint(gate) &&
		    !(path->mnt->mnt_flags & BL_LANE_LOCKED))
			return -ECHILD;
	} else if (lane && lane->state == BL_LANE_OPENING) {
		return -ECHILD;
	}
	if (!d_mountpoint(gate))
		return -EISDIR;
	/* Here it is either the lane, out of reach, or something else. */
	return path_is_mountpoint(path) || bl_in_mount_call() ? -ECHILD :
								-EISDIR;
}

/* The low bits of numbers of system calls that work on mounts, and maybe of others. */
#define BL_CALLS	512
static DECLARE_BITMAP(bl_mount_calls, BL_CALLS) __ro_after_init;

/* Whether it is plain to see that the task is in none of those. */
static __always_inline bool bl_in_other_call(void)
{
	unsigned int nr = syscall_get_nr(current, current_pt_regs());

	return likely(!bl_in_compat_small_call() &&
		      !test_bit(nr % BL_CALLS, bl_mount_calls));
}

/* Whether what @pass, which may be NULL, was made for is still proved. */
static __always_inline bool bl_pass_holds(const struct bl_pass *pass)
{
	return likely(pass && bl_epoch_now() == READ_ONCE(pass->epoch) &&
		      !read_seqretry(&rename_lock, READ_ONCE(pass->renames)) &&
		      !read_seqcount_retry(&pass->end->d_seq, pass->seq));
}

/* Whether this walk to @path may pass with it. */
static __always_inline bool bl_pass_serves(const struct path *path,
					   const struct bl_pass *pass)
{
	return likely(!((path->mnt->mnt_flags ^ pass->flags) & BL_LANE_FLAGS) &&
		      bl_in_other_call());
}

/* A new pass for @bind at @gate, or NULL. */
static struct bl_pass *bl_pass_make(const struct bl_bind *bind,
				    const struct dentry *gate)
{
	const struct bl_basis *basis = bind->basis;
	struct bl_pass *pass;

	if (!basis || basis->ends != 1 || bl_gate_in_dir(gate))
		return NULL;
	pass = kmalloc(sizeof(*pass), GFP_KERNEL_ACCOUNT);
	if (!pass)
		return NULL;
	/* The first walk looks at it, see bl_lane_valid(). */
	pass->epoch = 0;
	pass->renames = READ_ONCE(basis->renames);
	pass->flags = bind->mnt->flags;
	pass->end = basis->chain[0].dentry;
	pass->seq = READ_ONCE(basis->chain[0].seq);
	pass->bind = bind;
	return pass;
}

/*
 * Have walks in RCU-walk that have found @gate, but have not looked at what it is,
 * begin anew.
 */
static void bl_gate_again(struct dentry *gate)
{
	spin_lock(&gate->d_lock);
	write_seqcount_invalidate(&gate->d_seq);
	spin_unlock(&gate->d_lock);
}

/* Let walks pass @gate by @pass; if that is NULL so that none goes on without. */
static void bl_gate_set_pass(struct dentry *gate, struct bl_pass *pass)
{
	if (pass || !rcu_access_pointer(*bl_gate_pass(gate))) {
		rcu_assign_pointer(*bl_gate_pass(gate), pass);
		return;
	}
	/* Who has left it to ->d_manage() to look, and finds none, notices that. */
	spin_lock(&gate->d_lock);
	write_seqcount_begin(&gate->d_seq);
	RCU_INIT_POINTER(*bl_gate_pass(gate), NULL);
	write_seqcount_end(&gate->d_seq);
	spin_unlock(&gate->d_lock);
}

/* Put @pass, or NULL, in place of that of @lane, which has a gate. */
static void bl_lane_set_pass(struct bl_lane *lane, struct bl_pass *pass)
{
	struct bl_pass *old;

	lockdep_assert_held(&bl_lane_lock);
	old = rcu_replace_pointer(lane->pass, pass,
				  lockdep_is_held(&bl_lane_lock));
	if (lane->gate && lane->gate == lane->gate->d_sb->s_root)
		rcu_assign_pointer(bl_tree(lane->gate->d_sb)->pass, pass);
	else if (lane->gate)
		bl_gate_set_pass(lane->gate, pass);
	if (old)
		kfree_rcu(old, rcu);
}

/*
 * Close @lane, and leave it alone for a while. What is mounted at the gate is
 * not reached any more by walks that come there from now on.
 */
static void bl_lane_close_locked(struct bl_lane *lane, unsigned long delay)
{
	lockdep_assert_held(&bl_lane_lock);
	if (lane->state == BL_LANE_OPEN)
		trace_bl_lane_close(lane->link->id, lane->link->virtual,
				    lane->link->backing);
	WRITE_ONCE(lane->state, BL_LANE_CLOSED);
	bl_lane_set_pass(lane, NULL);
	lane->when = jiffies + delay;
	lane->delay = BL_LANE_QUIET;
}

/* Have the work item look at lanes within @delay, or earlier. */
static void bl_lane_kick(unsigned long delay)
{
	/* Work that is pending has not begun to look for what was changed. */
	smp_mb();
	if (!delayed_work_pending(&bl_lanes_work) ||
	    time_before(jiffies + delay,
			READ_ONCE(bl_lanes_work.timer.expires)))
		mod_delayed_work(system_unbound_wq, &bl_lanes_work, delay);
}

/* Detach what is mounted of @lane and not in use, in all namespaces. */
static void bl_lane_expire(struct bl_lane *lane)
{
	struct bl_lane_task self = { .mounts = true };

	if (list_empty(&lane->mounts))
		return;
	bl_lane_task_begin(&self);
	/* First they are marked, then those that still are go. */
	mark_mounts_for_expiry(&lane->mounts);
	mark_mounts_for_expiry(&lane->mounts);
	bl_lane_task_end(&self);
}

static void bl_gate_arm(struct dentry *gate)
{
	spin_lock(&gate->d_lock);
	gate->d_flags |= BL_LANE_MANAGED;
	spin_unlock(&gate->d_lock);
}

static void bl_gate_disarm(struct dentry *gate)
{
	spin_lock(&gate->d_lock);
	gate->d_flags &= ~BL_LANE_MANAGED;
	spin_unlock(&gate->d_lock);
}

/*
 * If @lane is closed, and nothing is mounted at its gate, that is an ordinary
 * dentry again, and what was behind it is let go of.
 */
static bool bl_lane_tidy(struct bl_lane *lane)
{
	struct bl_bind *bind = NULL;
	bool bare = false;

	spin_lock(&bl_lane_lock);
	if (lane->state == BL_LANE_CLOSED && !lane->attaching &&
	    (!lane->gate || !d_mountpoint(lane->gate))) {
		if (lane->gate)
			bl_gate_disarm(lane->gate);
		lane->gate = NULL;
		lane->others = false;
		bind = rcu_replace_pointer(lane->bind, NULL, true);
		bare = true;
	}
	spin_unlock(&bl_lane_lock);
	bl_bind_put(bind);
	return bare;
}

/* Detach what can be of @lane. Returns whether nothing is mounted any more. */
static bool bl_lane_detach(struct bl_lane *lane)
{
	bl_lane_expire(lane);
	return bl_lane_tidy(lane);
}

static void bl_lane_close(struct bl_lane *lane, unsigned long delay)
{
	scoped_guard(spinlock, &bl_lane_lock)
		bl_lane_close_locked(lane, delay);
	wake_up_all(&bl_lane_wait);
	bl_lane_detach(lane);
	bl_lane_kick(min_t(unsigned long, delay, BL_LANE_SOON));
}

/* Whether @link never gets a lane, whatever it leads to. */
static bool bl_lane_barred(const struct bl_link *link)
{
	return (link->flags & ~BINDLINK_FLAG_NATIVE) || link->nr_exceptions ||
	       !link->watch;
}

/* Whether the rules have just @link at its name, and nothing below it. */
static bool bl_lane_ruled(struct bl_link *link, struct super_block *sb)
{
	struct bl_tree *tree = bl_tree(sb);
	struct bl_rule rule;

	guard(rcu)();
	if (!bl_rules_at(&tree->space->rules, link->virtual, &rule))
		return false;
	return rule.link == link && !rule.below;
}

/* Whether what @link leads to can be mounted as it is. */
static bool bl_lane_mountable(const struct bl_link *link,
			      const struct dentry *real)
{
	if (real->d_flags & BL_LANE_MANAGED)
		return false;
	/* Not what is no file but something that the kernel has a name for. */
	return bl_link_lane(link, d_inode(real)->i_mode) &&
	       (d_is_dir(real) || !real->d_op || !real->d_op->d_dname);
}

/* Whether @bind, which @link shows at @gate, may have a lane. */
static bool bl_lane_may(struct bl_link *link, const struct dentry *gate,
			const struct bl_bind *bind)
{
	return !bl_lane_barred(link) && bind->basis && !bind->error &&
	       !bind->inner && !bind->merged && bind->bare &&
	       !bl_mnt_masked(bind->mnt) &&
	       !is_idmapped_mnt(bind->mnt->mnt) &&
	       bl_lane_mountable(link, bind->real.dentry) &&
	       /* The root of a tree does not become a directory, nor a file. */
	       d_is_dir(gate) == d_is_dir(bind->real.dentry) &&
	       !bl_gate_watched(gate) && bl_lane_ruled(link, gate->d_sb);
}

static bool bl_lane_same(const struct bl_bind *a, const struct bl_bind *b)
{
	return a->real.dentry == b->real.dentry && a->mnt == b->mnt;
}

/* What @lane is open for, with a reference, or NULL. */
static struct bl_bind *bl_lane_bind(struct bl_lane *lane)
{
	struct bl_bind *bind;

	guard(rcu)();
	do {
		bind = rcu_dereference(lane->bind);
		if (!bind || READ_ONCE(lane->state) != BL_LANE_OPEN)
			return NULL;
	} while (!refcount_inc_not_zero(&bind->ref));
	return bind;
}

/*
 * A walk has come to the gate of @lane in ref-walk. Returns what the lane is
 * open for, with a reference, or NULL if it is closed now.
 */
static struct bl_bind *bl_lane_renew(struct bl_lane *lane,
				     const struct dentry *gate)
{
	struct bl_bind *old = bl_lane_bind(lane), *bind;
	struct bl_pass *pass;
	bool open;

	if (!old || (bl_bind_valid(old) && !bl_gate_watched(gate)))
		return old;
	bind = bl_bind_renew(lane->link);
	if (IS_ERR(bind) || !bl_lane_same(old, bind) ||
	    !bl_lane_may(lane->link, gate, bind)) {
		if (!IS_ERR(bind))
			bl_bind_put(bind);
		bl_bind_put(old);
		bl_lane_close(lane, BL_LANE_QUIET);
		return NULL;
	}
	pass = bl_pass_make(bind, gate);
	spin_lock(&bl_lane_lock);
	open = lane->state == BL_LANE_OPEN;
	if (open && rcu_access_pointer(lane->bind) == old) {
		refcount_inc(&bind->ref);
		rcu_assign_pointer(lane->bind, bind);
		bl_lane_set_pass(lane, pass);
		spin_unlock(&bl_lane_lock);
		/* That of the lane. */
		bl_bind_put(old);
	} else {
		spin_unlock(&bl_lane_lock);
		kfree(pass);
	}
	bl_bind_put(old);
	if (open)
		return bind;
	bl_bind_put(bind);
	return NULL;
}

/* A mount of what @bind shows; ERR_PTR() otherwise. */
static struct vfsmount *bl_lane_mount(struct bl_lane *lane,
				      const struct bl_bind *bind)
{
	struct super_block *sb = bind->real.dentry->d_sb;
	struct vfsmount *mnt;
	struct fs_context *fc;

	fc = fs_context_for_mount(&bl_fs_type, 0);
	if (IS_ERR(fc))
		return ERR_CAST(fc);
	/* What is listed as mounted; put_fs_context() frees it. */
	fc->source = kstrdup(bl_fs_type.name, GFP_KERNEL);
	if (!fc->source) {
		put_fs_context(fc);
		return ERR_PTR(-ENOMEM);
	}
	/* put_fs_context() drops both of these. */
	atomic_inc(&sb->s_active);
	fc->root = dget(bind->real.dentry);
	mnt = vfs_create_mount(fc);
	put_fs_context(fc);
	if (IS_ERR(mnt))
		return mnt;
	bl_automount_ref(mnt);
	/* Copies of it that are made with a mount namespace go there, too. */
	mnt_set_expiry(mnt, &lane->mounts);
	return mnt;
}

/**
 * bl_d_automount - ->d_automount()
 * @path: gate
 *
 * Return: the lane for the walk that attaches it; ERR_PTR(-EISDIR) for all
 * others, which stay in the tree.
 */
struct vfsmount *bl_d_automount(struct path *path)
{
	struct bl_lane_task *self = bl_lane_task_find();

	if (!self || !self->lane)
		return ERR_PTR(-EISDIR);
	return bl_lane_mount(self->lane, self->bind);
}

/*
 * Mount @lane, which is open for @bind, at @path. Returns 0, -EAGAIN if it is
 * not any more, or another errno.
 */
static int bl_lane_attach(struct bl_lane *lane, struct bl_bind *bind,
			  const struct path *path)
{
	struct bl_lane_task self = {
		.lane = lane,
		.bind = bind,
		.mounts = true,
	};
	struct path copy = *path;
	bool last;
	int err;

	scoped_guard(spinlock, &bl_lane_lock) {
		if (lane->state != BL_LANE_OPEN ||
		    rcu_access_pointer(lane->bind) != bind)
			return -EAGAIN;
		lane->attaching++;
	}
	path_get(&copy);
	bl_lane_task_begin(&self);
	/* Two at once: one of them finds that it is there. */
	err = follow_down(&copy, LOOKUP_AUTOMOUNT);
	bl_lane_task_end(&self);
	path_put(&copy);
	scoped_guard(spinlock, &bl_lane_lock)
		last = !--lane->attaching;
	if (last) {
		/* It does not look for waiters before they can see that. */
		smp_mb();
		wake_up_var(&lane->attaching);
	}
	/* A mount that is not attached itself any more has none. */
	if (!err && !path_is_mountpoint(path))
		err = -EINVAL;
	return err;
}

/*
 * Something is mounted at the gate @path, whose lane is closed: is it something
 * else, or is something mounted over the lane?
 */
static bool bl_gate_covered(const struct path *path)
{
	struct path copy = *path;
	bool covered;

	if (!d_mountpoint(path->dentry))
		return false;
	path_get(&copy);
	covered = bl_lane_follow_over(&copy);
	path_put(&copy);
	return covered;
}

/* Whether something is mounted in the lane at @path. */
static bool bl_gate_submounts(const struct path *path)
{
	struct path copy = *path;
	bool any = false;

	path_get(&copy);
	/* The first is cheap, but says the same of open files. */
	if (follow_down_one(&copy) && bl_is_lane(copy.mnt))
		any = !may_umount(copy.mnt) && path_has_submounts(&copy);
	path_put(&copy);
	return any;
}

/*
 * Whether the walk is one of who is about to work on mounts, and may do so.
 * Others are refused later, and must not close anything before. Who may in a
 * mount namespace of their own only finds no lane in that, see BL_LANE_FLAGS.
 */
static bool bl_works_on_mounts(void)
{
	return bl_in_mount_call() &&
	       ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

/* Wait for as long as it is about to be opened. Returns an errno if killed. */
static int bl_lane_settled(struct bl_lane *lane)
{
	int err = 0;

	spin_lock(&bl_lane_lock);
	while (!err && lane->state == BL_LANE_OPENING) {
		lane->waiting++;
		spin_unlock(&bl_lane_lock);
		err = wait_event_killable(bl_lane_wait, READ_ONCE(lane->state) !=
					  BL_LANE_OPENING);
		spin_lock(&bl_lane_lock);
		lane->waiting--;
	}
	spin_unlock(&bl_lane_lock);
	return err;
}

/*
 * Somebody is about to mount or unmount something at the gate @path of @lane,
 * or below. That is done to the tree. But not if somebody has mounted something
 * in the lane, which would not be seen any more. Returns whether the walk
 * passes.
 */
static bool bl_lane_retreat(struct bl_lane *lane, const struct path *path)
{
	if (READ_ONCE(lane->state) == BL_LANE_OPEN && bl_gate_submounts(path))
		return true;
	scoped_guard(spinlock, &bl_lane_lock)
		lane->others = true;
	bl_lane_close(lane, BL_LANE_REST);
	return false;
}

/*
 * A walk has come to the gate @path in ref-walk. Returns 0 if it passes, -EISDIR if it
 * does not, or another errno.
 */
static int bl_lane_enter(struct bl_lane *lane, const struct path *path)
{
	struct bl_bind *bind;
	int err = bl_lane_settled(lane);

	if (err)
		return err;
	if (bl_works_on_mounts())
		return bl_lane_retreat(lane, path) ? 0 : -EISDIR;
	for (;;) {
		bind = bl_lane_renew(lane, path->dentry);
		if (!bind)
			return -EISDIR;
		if (!bl_lane_fits(path->mnt, bind))
			err = -EINVAL;
		else
			err = path_is_mountpoint(path) ? 0 :
				bl_lane_attach(lane, bind, path);
		bl_bind_put(bind);
		if (!err)
			return 0;
		if (err == -EAGAIN)
			continue;
		/* As anywhere on the way. */
		if (err == -ENOMEM)
			return err;
		/*
		 * Other flags, or too many mounts: in this mount namespace it is
		 * not used. If it is in none it is of no use; but that is not for
		 * those to say who need no privilege to have such mounts.
		 */
		if (!d_mountpoint(path->dentry) &&
		    !(path->mnt->mnt_flags & BL_LANE_LOCKED))
			bl_lane_close(lane, BL_LANE_SELDOM);
		return -EISDIR;
	}
}

static noinline int bl_lane_manage(const struct path *path)
{
	const struct bl_lane_task *self = bl_lane_task_find();
	struct bl_lane *lane;
	int err = -EISDIR;

	if (d_is_negative(path->dentry) || (self && self->lane))
		return 0;
	lane = self ? NULL : bl_lane_get(path->dentry);
	if (lane) {
		err = bl_lane_enter(lane, path);
		bl_lane_put(lane);
	}
	return err == -EISDIR && bl_gate_covered(path) ? 0 : err;
}

/*
 * In RCU-walk, where it takes more than @pass. If there is one ->d_revalidate() has
 * left it to this to look what @path is. Where that has to be asked after all the walk
 * begins anew: once it has left RCU-walk here it is too late to say that there is
 * another dentry. A walk that comes by a mount of just this has not asked either.
 */
static noinline int bl_name_pass_other(const struct path *path,
				       const struct bl_pass *pass)
{
	struct dentry *gate = path->dentry;

	if (!pass || gate == path->mnt->mnt_root ||
	    bl_dops.d_revalidate(gate, LOOKUP_RCU) > 0)
		return bl_lane_pass_other(path);
	bl_gate_again(gate);
	return -EISDIR;
}

/**
 * bl_d_manage - ->d_manage() of a name in a tree
 * @path: gate
 * @rcu: in RCU-walk
 *
 * Context: without @rcu it may sleep; no directory of a tree is locked.
 * Return: 0 to go on to what is mounted there, -EISDIR to stay in the tree,
 * -ECHILD where it takes more than looking to tell, or another errno for who is
 * killed, or where there is no memory.
 */
int bl_d_manage(const struct path *path, bool rcu)
{
	const struct bl_pass *pass;

	if (unlikely(!rcu))
		return bl_lane_manage(path);
	pass = rcu_dereference(*bl_gate_pass(path->dentry));
	if (bl_pass_holds(pass) && bl_pass_serves(path, pass))
		return 0;
	return bl_name_pass_other(path, pass);
}

/**
 * bl_gate_valid - as bl_node_bound_valid(), of a name that may have a lane
 * @dentry: dentry of a tree, but not its root
 * @node: its node, of the rules as they are
 *
 * Context: RCU read side.
 * Return: so.
 */
int bl_gate_valid(const struct dentry *dentry, const struct bl_node *node)
{
	const struct bl_lane *lane = bl_lane_of(node->link, dentry);

	return lane && bl_lane_valid(lane) ? 1 : bl_node_bound_valid(node);
}

/**
 * bl_root_manage - ->d_manage() of the root of a tree
 * @path: gate
 * @rcu: in RCU-walk
 *
 * Context: as bl_d_manage().
 * Return: so.
 */
int bl_root_manage(const struct path *path, bool rcu)
{
	const struct bl_pass *pass;

	if (unlikely(!rcu))
		return bl_lane_manage(path);
	pass = rcu_dereference(bl_tree(path->dentry->d_sb)->pass);
	if (bl_pass_holds(pass) && bl_pass_serves(path, pass))
		return 0;
	return bl_lane_pass_other(path);
}

/**
 * bl_lane_offer - a link was followed that may get a lane
 * @link: link
 *
 * Context: may sleep.
 */
void bl_lane_offer(struct bl_link *link)
{
	struct bl_lane *lane;

	if (rcu_access_pointer(link->lane) || bl_lane_barred(link) ||
	    READ_ONCE(bl_lane_count) >= READ_ONCE(bl_lane_max))
		return;
	lane = kzalloc(sizeof(*lane), GFP_KERNEL_ACCOUNT);
	if (!lane)
		return;
	if (!bl_link_tryget(link)) {
		kfree(lane);
		return;
	}
	refcount_set(&lane->ref, 1);
	lane->link = link;
	lane->when = jiffies + BL_LANE_QUIET;
	lane->delay = BL_LANE_QUIET;
	INIT_LIST_HEAD(&lane->mounts);
	scoped_guard(spinlock, &bl_lane_lock) {
		/* One that is gone already is never asked for again. */
		if (!rcu_access_pointer(link->lane) && !link->laneless &&
		    bl_lane_count < bl_lane_max) {
			bl_lane_count++;
			list_add_tail(&lane->list, &bl_lanes);
			rcu_assign_pointer(link->lane, lane);
			lane = NULL;
		}
	}
	if (lane)
		bl_lane_put(lane);
	else
		bl_lane_kick(BL_LANE_QUIET);
}

static void bl_lane_drop_locked(struct bl_lane *lane)
{
	lockdep_assert_held(&bl_lane_lock);
	bl_lane_close_locked(lane, 0);
	if (lane->dropped)
		return;
	lane->dropped = true;
	RCU_INIT_POINTER(lane->link->lane, NULL);
	bl_lane_count--;
}

/**
 * bl_lane_drop - a link is taken off the table
 * @link: link; it never gets a lane again
 *
 * Context: any. What is mounted goes later, see bl_lanes_flush().
 */
void bl_lane_drop(struct bl_link *link)
{
	struct bl_lane *lane;

	scoped_guard(spinlock, &bl_lane_lock) {
		link->laneless = true;
		lane = rcu_dereference_protected(link->lane,
						 lockdep_is_held(&bl_lane_lock));
		if (lane)
			bl_lane_drop_locked(lane);
	}
	if (!lane)
		return;
	wake_up_all(&bl_lane_wait);
	bl_lane_kick(BL_LANE_SOON);
}

/*
 * The first of bl_lanes, or the one after @last, of which a reference is put.
 * If that is not listed any more it begins anew.
 */
static struct bl_lane *bl_lane_next(struct bl_lane *last)
{
	struct bl_lane *lane = NULL;
	struct list_head *at;

	scoped_guard(spinlock, &bl_lane_lock) {
		at = last && !list_empty(&last->list) ? last->list.next :
							bl_lanes.next;
		if (at != &bl_lanes) {
			lane = list_entry(at, struct bl_lane, list);
			refcount_inc(&lane->ref);
		}
	}
	if (last)
		bl_lane_put(last);
	return lane;
}

/* The gate that the link of @lane has now, for bl_lane_gate_put(), or NULL. */
static struct dentry *bl_lane_gate(struct bl_lane *lane)
{
	struct bl_link *link = lane->link;
	struct bl_tree *tree = bl_link_tree(link);
	struct dentry *gate = NULL;

	if (!tree)
		return NULL;
	if (strcmp(tree->base, link->virtual))
		gate = bl_tree_cached(tree, link->virtual);
	else if (rcu_access_pointer(tree->link) == link)
		gate = dget(tree->sb->s_root);
	if (gate && d_is_positive(gate) &&
	    bl_link_lane(link, d_inode(gate)->i_mode))
		return gate;
	dput(gate);
	deactivate_super(tree->sb);
	return NULL;
}

/* It, and its tree. */
static void bl_lane_gate_put(struct dentry *gate)
{
	struct super_block *sb = gate->d_sb;

	dput(gate);
	deactivate_super(sb);
}

/* How far below a gate is looked for who uses it. */
#define BL_GATE_DEPTH	256

/*
 * References to @gate that are nobody's: of the caller, of those who wait there, of
 * what is mounted. The root of a tree has one, and one of each mount of the tree; so
 * many mounts, and the caller, keep the tree.
 */
static int bl_gate_refs(const struct bl_lane *lane, const struct dentry *gate)
{
	int refs = 1 + lane->waiting + d_mountpoint(gate);

	lockdep_assert_held(&bl_lane_lock);
	if (gate == gate->d_sb->s_root)
		refs += atomic_read(&gate->d_sb->s_active);
	return refs;
}

/*
 * Whether the file that @bind shows is open in the tree of @gate, where nobody has
 * that. The root of a tree is opened as another dentry; and the name of a link
 * may have had another one, or the file another name.
 */
static bool bl_gate_opened(const struct dentry *gate,
			   const struct bl_bind *bind)
{
	unsigned int refs = gate != gate->d_sb->s_root;

	if (d_is_dir(gate))
		return false;
	/*
	 * Who has opened it had the gate at that time. Pairs with the xchg() by
	 * which that dentry is kept, and bl_tree_unopen().
	 */
	smp_rmb();
	return bl_inode_users(gate->d_sb, bind->mnt,
			      d_inode(bind->real.dentry)) != refs;
}

/* Whether nobody has @gate or anything below it, or the file that @bind shows. */
static bool bl_gate_unused(const struct bl_lane *lane,
			   const struct dentry *gate,
			   const struct bl_bind *bind)
{
	int refs = bl_gate_refs(lane, gate);

	return hlist_empty(&gate->d_children) && d_count(gate) == refs &&
	       !bl_gate_opened(gate, bind) &&
	       !fsnotify_sb_has_watchers(gate->d_sb);
}

/* Whether somebody has @dir but for its children, and @refs; d_lock. */
static bool bl_dir_used(const struct dentry *dir, int refs)
{
	const struct dentry *child;

	hlist_for_each_entry(child, &dir->d_children, d_sib)
		refs++;
	return dir->d_lockref.count > refs;
}

/*
 * The next child of @dir after @last, which may be NULL, that has children, with a
 * reference; ERR_PTR() if one before that is in use, which is @user then.
 */
static struct dentry *bl_dir_next(struct dentry *dir, struct dentry *last,
				  const struct dentry **user)
{
	struct dentry *child, *found = NULL;

	spin_lock(&dir->d_lock);
	if (last && last->d_parent != dir) {
		*user = last;
		found = ERR_PTR(-EBUSY);
		goto out;
	}
	child = last ? hlist_entry_safe(last->d_sib.next, struct dentry, d_sib) :
		       hlist_entry_safe(dir->d_children.first, struct dentry,
					d_sib);
	hlist_for_each_entry_from(child, d_sib) {
		spin_lock_nested(&child->d_lock, DENTRY_D_LOCK_NESTED);
		/* It is negative where a dentry is about to go. */
		if (child->d_lockref.count >= 0) {
			if (bl_dir_used(child, 0)) {
				*user = child;
				found = ERR_PTR(-EBUSY);
			} else if (!hlist_empty(&child->d_children) ||
				   need_resched()) {
				found = dget_dlock(child);
			}
		}
		spin_unlock(&child->d_lock);
		if (found)
			break;
	}
out:
	spin_unlock(&dir->d_lock);
	return found;
}

/*
 * What is in use of @gate and what is below it, as far as one look at each dentry
 * tells, or NULL. Nothing is taken out of the dcache. The result is only to be
 * compared.
 */
static const struct dentry *bl_gate_user(const struct bl_lane *lane,
					 struct dentry *gate)
{
	struct dentry **chain, *dir, *last = NULL;
	const struct dentry *user = NULL;
	unsigned int depth = 0;
	bool used;

	spin_lock(&bl_lane_lock);
	spin_lock(&gate->d_lock);
	used = bl_dir_used(gate, bl_gate_refs(lane, gate));
	spin_unlock(&gate->d_lock);
	spin_unlock(&bl_lane_lock);
	if (used || fsnotify_sb_has_watchers(gate->d_sb))
		return gate;
	chain = kmalloc_array(BL_GATE_DEPTH, sizeof(*chain), GFP_KERNEL);
	if (!chain)
		return gate;
	chain[0] = dget(gate);
	for (;;) {
		dir = bl_dir_next(chain[depth], last, &user);
		dput(last);
		last = NULL;
		if (IS_ERR(dir))
			break;
		if (!dir && !depth)
			break;
		if (!dir) {
			last = chain[depth--];
			continue;
		}
		if (depth + 1 == BL_GATE_DEPTH) {
			dput(dir);
			user = gate;
			break;
		}
		chain[++depth] = dir;
		cond_resched();
	}
	do
		dput(chain[depth]);
	while (depth--);
	kfree(chain);
	return user;
}

/*
 * Only @lane has @gate, which nothing is mounted on: that of a link that was removed
 * may not have been looked at since the last mount of it went.
 */
static void bl_gate_take(struct bl_lane *lane, struct dentry *gate)
{
	struct bl_lane *other;

	lockdep_assert_held(&bl_lane_lock);
	if (lane->gate == gate)
		return;
	if (lane->gate)
		bl_gate_disarm(lane->gate);
	list_for_each_entry(other, &bl_lanes, list)
		if (other->gate == gate)
			other->gate = NULL;
	lane->gate = gate;
}

/* Let nobody by, and see whether nobody is there. */
static void bl_lane_open(struct bl_lane *lane, struct dentry *gate,
			 struct bl_bind *bind)
{
	bool root = gate == gate->d_sb->s_root;
	bool before, unused = false, open = false;
	struct bl_pass *pass;
	struct bl_bind *old;
	int i;

	/* What nobody lets go of is not for others to wait for. */
	if (lane->user && bl_gate_user(lane, gate) == lane->user)
		return;
	scoped_guard(spinlock, &bl_lane_lock) {
		old = rcu_dereference_protected(lane->bind,
						lockdep_is_held(&bl_lane_lock));
		/* The flags of what is mounted, and where, may be another's. */
		if (lane->state != BL_LANE_CLOSED || lane->dropped ||
		    lane->attaching ||
		    (lane->gate && lane->gate != gate &&
		     d_mountpoint(lane->gate)) ||
		    (d_mountpoint(gate) &&
		     (lane->others || lane->gate != gate || !old ||
		      !bl_lane_same(old, bind))))
			return;
		bl_gate_take(lane, gate);
		WRITE_ONCE(lane->state, BL_LANE_OPENING);
		bl_gate_arm(gate);
	}
	/* Those who have not seen that it is one. */
	synchronize_rcu_expedited();
	for (i = 0; i < BL_LANE_TRIES; i++) {
		if (i)
			fsleep(1000);
		lane->user = bl_gate_user(lane, gate);
		if (!lane->user)
			break;
	}
	/*
	 * Whoever is there might go on to fill the dcache for as long as it takes to
	 * empty it. If nobody is nobody comes.
	 */
	if (!lane->user) {
		shrink_dcache_parent(gate);
		/* A file has nothing below it, but may have other names. */
		if (!d_is_dir(gate))
			d_prune_aliases(d_inode(gate));
	}
	pass = bl_pass_make(bind, gate);
	for (i = 0; !lane->user && !open && i < BL_LANE_TRIES; i++) {
		if (i)
			fsleep(1000);
		bl_tree_unopen(bl_tree(gate->d_sb));
		spin_lock(&bl_lane_lock);
		if (lane->state != BL_LANE_OPENING) {
			spin_unlock(&bl_lane_lock);
			break;
		}
		/*
		 * A mount that comes or goes keeps the tree for a moment in
		 * which it does not have the root: once is not enough there.
		 */
		before = unused || !root;
		unused = bl_gate_unused(lane, gate, bind);
		open = before && unused;
		if (open) {
			refcount_inc(&bind->ref);
			old = rcu_replace_pointer(lane->bind, bind, true);
			bl_lane_set_pass(lane, pass);
			/* Pairs with bl_lane_pass_other(). */
			smp_store_release(&lane->state, BL_LANE_OPEN);
			trace_bl_lane_open(lane->link->id, lane->link->virtual,
					   lane->link->backing);
		}
		spin_unlock(&bl_lane_lock);
	}
	scoped_guard(spinlock, &bl_lane_lock)
		if (lane->state == BL_LANE_OPENING)
			WRITE_ONCE(lane->state, BL_LANE_CLOSED);
	wake_up_all(&bl_lane_wait);
	if (open)
		bl_bind_put(old);
	else
		kfree(pass);
}

/* Whether @gate, by its name, was found to show what @bind does. */
static bool bl_gate_shows(const struct dentry *gate, const struct bl_bind *bind)
{
	const struct bl_node *node;

	if (gate == gate->d_sb->s_root)
		return true;
	guard(rcu)();
	node = rcu_dereference(*bl_node_slot((struct dentry *)gate));
	return node && node->real.dentry == bind->real.dentry &&
	       node->mnt == bind->mnt;
}

/* Try to open @lane. Returns whether its link is in use at all. */
static bool bl_lane_try(struct bl_lane *lane)
{
	struct dentry *gate = bl_lane_gate(lane);
	struct bl_bind *bind;
	bool same;

	if (!gate)
		return false;
	bind = bl_bind_renew(lane->link);
	if (!IS_ERR(bind)) {
		same = lane->seen == bind->real.dentry;
		lane->seen = bind->real.dentry;
		if (!same)
			lane->delay = BL_LANE_QUIET;
		else if (bl_gate_shows(gate, bind) &&
			 bl_lane_may(lane->link, gate, bind))
			bl_lane_open(lane, gate, bind);
		bl_bind_put(bind);
	}
	bl_lane_gate_put(gate);
	return true;
}

/* Whether @lane is still where its link is seen, and leads to what it shows. */
static void bl_lane_check(struct bl_lane *lane)
{
	struct bl_bind *bind, *old;
	struct dentry *gate;

	if (READ_ONCE(lane->state) != BL_LANE_OPEN)
		return;
	old = bl_lane_bind(lane);
	gate = bl_lane_gate(lane);
	bind = bl_bind_get(lane->link);
	/* Whether it is right in all else is for the next walk to find out. */
	if (!gate || READ_ONCE(lane->gate) != gate || IS_ERR(bind) ||
	    (old && !bl_lane_same(old, bind)))
		bl_lane_close(lane, BL_LANE_QUIET);
	if (!IS_ERR(bind))
		bl_bind_put(bind);
	bl_bind_put(old);
	if (gate)
		bl_lane_gate_put(gate);
}

/* Take @lane off the list. */
static void bl_lane_free(struct bl_lane *lane)
{
	bool listed;

	scoped_guard(spinlock, &bl_lane_lock) {
		listed = !list_empty(&lane->list);
		list_del_init(&lane->list);
	}
	if (listed)
		bl_lane_put(lane);
}

/* Detach what can be of @lane, which is closed, and free it if that is all. */
static bool bl_lane_reap(struct bl_lane *lane)
{
	bool bare;

	if (READ_ONCE(lane->state) != BL_LANE_CLOSED)
		return false;
	bare = bl_lane_detach(lane);
	if (bare && READ_ONCE(lane->dropped) && list_empty(&lane->mounts))
		bl_lane_free(lane);
	return bare;
}

/* Do what is due. */
static void bl_lane_look(struct bl_lane *lane)
{
	bool bare, used, seldom;

	if (READ_ONCE(lane->check)) {
		WRITE_ONCE(lane->check, false);
		bl_lane_check(lane);
	}
	if (READ_ONCE(lane->state) == BL_LANE_OPEN)
		return;
	bare = bl_lane_reap(lane);
	if (READ_ONCE(lane->dropped) || time_before(jiffies, lane->when))
		return;
	seldom = lane->delay >= BL_LANE_SELDOM;
	used = bl_lane_try(lane);
	scoped_guard(spinlock, &bl_lane_lock) {
		if (time_after_eq(jiffies, lane->when)) {
			lane->when = jiffies + lane->delay;
			lane->delay = min_t(unsigned long, lane->delay * 2,
					    BL_LANE_SELDOM);
		}
		/* It is offered again when the name is looked up. */
		if (!used && seldom && bare)
			bl_lane_drop_locked(lane);
	}
	/* If it was not opened after all. */
	bl_lane_reap(lane);
}

/* When to look again: jiffies, or 0 for when something happens. */
static unsigned long bl_lane_due(const struct bl_lane *lane)
{
	long left;

	if (READ_ONCE(lane->state) == BL_LANE_OPEN)
		return 0;
	left = lane->when - jiffies;
	/* Whoever is in it may leave at any time. */
	if (rcu_access_pointer(lane->bind) || lane->dropped)
		left = min_t(long, left, BL_LANE_SOON * 4);
	return max_t(long, left, 1);
}

/*
 * There may be more lanes than before. Whoever comes to a link that was followed
 * already does not offer it.
 */
static void bl_lanes_offer(void)
{
	struct bl_link *link, *next;
	struct bl_bind *bind;

	if (READ_ONCE(bl_lane_count) >= READ_ONCE(bl_lane_max))
		return;
	for (link = bl_link_next(0); link; link = next) {
		bind = rcu_access_pointer(link->bind) ? bl_bind_get(link) : NULL;
		if (!IS_ERR_OR_NULL(bind)) {
			if (!bind->error &&
			    bl_link_lane(link, d_inode(bind->real.dentry)->i_mode))
				bl_lane_offer(link);
			bl_bind_put(bind);
		}
		next = bl_link_next(link->id);
		bl_link_put(link);
		cond_resched();
	}
}

static void bl_lane_work(struct work_struct *work)
{
	unsigned long due, next = 0;
	struct bl_lane *lane;

	if (xchg(&bl_lanes_more, false))
		bl_lanes_offer();
	for (lane = bl_lane_next(NULL); lane; lane = bl_lane_next(lane)) {
		if (READ_ONCE(bl_lane_count) > READ_ONCE(bl_lane_max)) {
			spin_lock(&bl_lane_lock);
			bl_lane_drop_locked(lane);
			spin_unlock(&bl_lane_lock);
		}
		bl_lane_look(lane);
		due = list_empty(&lane->list) ? 0 : bl_lane_due(lane);
		if (due && (!next || due < next))
			next = due;
		cond_resched();
	}
	if (next)
		queue_delayed_work(system_unbound_wq, &bl_lanes_work, next);
}

/**
 * bl_lanes_flush - be done with the lanes of links that were removed
 *
 * Where somebody is in one the work item is, later.
 *
 * Context: may sleep, no locks held.
 */
void bl_lanes_flush(void)
{
	struct bl_lane *lane;

	for (lane = bl_lane_next(NULL); lane; lane = bl_lane_next(lane))
		if (READ_ONCE(lane->dropped))
			bl_lane_reap(lane);
}

/**
 * bl_lanes_confirm - some time after mount events: see whether lanes are right
 *
 * Those that are not are closed, and what is mounted of them lets go of its
 * filesystem as soon as nobody is in it.
 *
 * Context: may sleep, no locks held.
 */
void bl_lanes_confirm(void)
{
	struct bl_lane *lane;

	scoped_guard(spinlock, &bl_lane_lock)
		list_for_each_entry(lane, &bl_lanes, list)
			WRITE_ONCE(lane->check, true);
	mod_delayed_work(system_unbound_wq, &bl_lanes_work, 0);
	flush_delayed_work(&bl_lanes_work);
}

#define BL_LANE_BATCH	16

/**
 * bl_lanes_near - close the lanes at a path, above it and below it
 * @path: normalised path
 *
 * Somebody is about to make or to remove a link there, or what carries it. They
 * stay closed for a while.
 *
 * Context: may sleep, no locks held.
 */
void bl_lanes_near(const char *path)
{
	unsigned long until = jiffies + 2 * BL_LANE_REST;
	struct bl_lane *lane, *batch[BL_LANE_BATCH];
	unsigned int n, i;

	do {
		n = 0;
		spin_lock(&bl_lane_lock);
		list_for_each_entry(lane, &bl_lanes, list) {
			if ((lane->state == BL_LANE_CLOSED &&
			     !time_before(lane->when, until)) ||
			    !bl_path_related(lane->link->virtual, path))
				continue;
			bl_lane_close_locked(lane, 2 * BL_LANE_REST);
			refcount_inc(&lane->ref);
			batch[n++] = lane;
			if (n == BL_LANE_BATCH)
				break;
		}
		spin_unlock(&bl_lane_lock);
		if (n)
			wake_up_all(&bl_lane_wait);
		for (i = 0; i < n; i++) {
			bl_lane_detach(batch[i]);
			bl_lane_put(batch[i]);
		}
		if (n)
			bl_lane_kick(BL_LANE_SOON);
	} while (n == BL_LANE_BATCH);
}

/**
 * bl_lane_name - a name was looked up as those are that are about to go
 * @dentry: dentry of a tree, in ref-walk
 *
 * Such names are looked up with their directory locked. The VFS refuses to
 * remove what something is mounted on; whether the caller may do it at all is
 * not known before ->permission(), see bl_lanes_unname().
 */
void bl_lane_name(struct dentry *dentry)
{
	struct bl_tree *tree = bl_tree(dentry->d_sb);
	struct dentry *parent = dget_parent(dentry);
	struct bl_lane *lane;

	if (inode_is_locked(d_inode(parent))) {
		spin_lock(&bl_lane_lock);
		list_for_each_entry(lane, &bl_lanes, list) {
			if (lane->gate != dentry)
				continue;
			lane->named = true;
			WRITE_ONCE(tree->named, true);
		}
		spin_unlock(&bl_lane_lock);
	}
	dput(parent);
}

/*
 * Have nothing mounted at @gate that is of @lane. Whoever has @gate keeps it
 * from opening again.
 */
static void bl_lane_bar(struct bl_lane *lane, struct dentry *gate)
{
	struct bl_bind *bind;
	bool force = false;

	bl_lane_close(lane, BL_LANE_REST);
	/*
	 * They lock the gate, which whoever is about to rename something out of it
	 * may have locked, too. Then it is EBUSY.
	 */
	wait_var_event_timeout(&lane->attaching, !READ_ONCE(lane->attaching),
			       BL_LANE_BAR);
	if (bl_lane_detach(lane))
		return;
	/*
	 * Somebody is in the lane, and goes on without the mount. But what
	 * users have mounted over it is for them to unmount.
	 */
	scoped_guard(spinlock, &bl_lane_lock) {
		bind = rcu_dereference_protected(lane->bind,
						 lockdep_is_held(&bl_lane_lock));
		force = bind && !lane->others &&
			!d_mountpoint(bind->real.dentry);
	}
	if (force)
		d_invalidate(gate);
	bl_lane_tidy(lane);
}

/* Who may write to a directory that is sticky, or append-only, may not yet do that. */
static bool bl_lane_unnamable(struct inode *dir, const struct dentry *gate)
{
	struct inode *inode = d_inode(gate);

	return inode && !IS_APPEND(dir) && !IS_APPEND(inode) &&
	       !IS_IMMUTABLE(inode) &&
	       !check_sticky(&nop_mnt_idmap, dir, inode);
}

/**
 * bl_lanes_unname - a name in a directory is about to be removed or renamed
 * @dir: directory in a tree, locked, in which the caller may do that
 *
 * Takes off what is mounted of lanes at names that were looked up for that.
 *
 * Context: may sleep; @dir is locked by the VFS.
 */
void bl_lanes_unname(struct inode *dir)
{
	struct bl_tree *tree = bl_tree(dir->i_sb);
	struct bl_lane *lane, *found;
	struct dentry *gate = NULL;
	bool more = false;

	if (!inode_is_locked(dir))
		return;
	do {
		found = NULL;
		spin_lock(&bl_lane_lock);
		list_for_each_entry(lane, &bl_lanes, list) {
			if (!lane->named || !lane->gate ||
			    lane->gate->d_sb != dir->i_sb)
				continue;
			if (d_inode(READ_ONCE(lane->gate->d_parent)) != dir ||
			    !lockref_get_not_dead(&lane->gate->d_lockref)) {
				more = true;
				continue;
			}
			lane->named = false;
			gate = lane->gate;
			refcount_inc(&lane->ref);
			found = lane;
			break;
		}
		if (!found)
			WRITE_ONCE(tree->named, more);
		spin_unlock(&bl_lane_lock);
		if (found) {
			if (bl_lane_unnamable(dir, gate))
				bl_lane_bar(found, gate);
			bl_lane_put(found);
			dput(gate);
		}
	} while (found);
}

/**
 * bl_lane_release - a dentry that was a gate is about to be freed
 * @dentry: dentry of a tree
 */
void bl_lane_release(const struct dentry *dentry)
{
	struct bl_lane *lane;

	spin_lock(&bl_lane_lock);
	list_for_each_entry(lane, &bl_lanes, list) {
		if (lane->gate != dentry)
			continue;
		bl_lane_close_locked(lane, BL_LANE_QUIET);
		lane->gate = NULL;
		bl_lane_kick(BL_LANE_QUIET);
	}
	spin_unlock(&bl_lane_lock);
}

/**
 * bl_lanes_leave - a tree is taken down
 * @sb: tree; nothing is mounted in it any more
 *
 * Context: may sleep.
 */
void bl_lanes_leave(const struct super_block *sb)
{
	struct bl_bind *bind;
	struct bl_lane *lane;

	do {
		bind = NULL;
		spin_lock(&bl_lane_lock);
		list_for_each_entry(lane, &bl_lanes, list) {
			if (!lane->gate || lane->gate->d_sb != sb)
				continue;
			bl_lane_close_locked(lane, BL_LANE_QUIET);
			lane->gate = NULL;
			bind = rcu_replace_pointer(lane->bind, NULL, true);
			if (bind)
				break;
		}
		spin_unlock(&bl_lane_lock);
		bl_bind_put(bind);
	} while (bind);
}

/**
 * bl_lanes_init - find out which system calls are looked for
 */
void __init bl_lanes_init(void)
{
	unsigned int nr;

	/* Some architectures begin at 6,000. */
	for (nr = 0; nr < 8192; nr++)
		if (bl_is_mount_call(nr))
			__set_bit(nr % BL_CALLS, bl_mount_calls);
}

/**
 * bl_lanes_exit - forget all lanes
 *
 * Context: module exit; there are no trees and no links.
 */
void bl_lanes_exit(void)
{
	struct bl_lane *lane, *next;

	kernel_param_lock(THIS_MODULE);
	bl_lanes_over = true;
	kernel_param_unlock(THIS_MODULE);
	cancel_delayed_work_sync(&bl_lanes_work);
	list_for_each_entry_safe(lane, next, &bl_lanes, list)
		bl_lane_free(lane);
}

static int bl_lane_max_set(const char *value, const struct kernel_param *param)
{
	int err = param_set_uint_minmax(value, param, 0, 4096);
	struct bl_link *link;

	if (err || bl_lanes_over)
		return err;
	/* None while the module is loaded. */
	link = bl_link_next(0);
	if (link) {
		WRITE_ONCE(bl_lanes_more, true);
		bl_link_put(link);
	}
	if (link || !list_empty(&bl_lanes))
		bl_lane_kick(0);
	return 0;
}

static const struct kernel_param_ops bl_lane_max_ops = {
	.set = bl_lane_max_set,
	.get = param_get_uint,
};

module_param_cb(lanes, &bl_lane_max_ops, &bl_lane_max, 0644);
MODULE_PARM_DESC(lanes, "How many links may have a lane at a time; 0 for none");

module_param_named(lane_delay, bl_lane_delay, uint, 0644);
MODULE_PARM_DESC(lane_delay,
		 "Milliseconds that a link is left alone before it has one");
