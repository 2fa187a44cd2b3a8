/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internal interfaces of bindlink, grouped by the file that has them.
 *
 * Lock order, outermost first:
 *
 *	s_umount of a tree		taken by the VFS when a tree dies
 *	bl_link_mutex			links, spaces, rule tables, list of trees
 *	bl_watch_mutex			mount events
 *
 *	i_rwsem of a tree's inodes	taken by the VFS
 *	i_rwsem and s_vfs_rename_mutex of the filesystems below
 *	bl_mnt_mutex			list of private mounts
 *	d_lock of a tree's dentry	guards bl_node of that dentry
 *	bl_lane_lock			state of lanes; d_lock of a gate inside
 *	bl_link.bind_lock, bl_tree.rule_lock, bl_open_lock,
 *	bl_spares.lock			leaves
 *
 * The two groups do not meet: no path is looked up under bl_link_mutex, and
 * it is not taken with a lock of a filesystem held. Backing paths are followed
 * with directories of trees locked, and therefore never through a tree; see
 * walk.c.
 */

#ifndef _BINDLINK_H
#define _BINDLINK_H

#include <linux/cred.h>
#include <linux/mnt_idmapping.h>
#include <linux/fs.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/seqlock.h>
#include <linux/types.h>
#include <linux/bindlink.h>

#include "compat.h"

/*
 * An RCU read side section to look and do no more, which is entered and left without
 * a call. Nothing that sleeps on PREEMPT_RT is done there: no lock is taken.
 */
static __always_inline void bl_look_begin(void)
{
	rcu_read_lock_sched();
	/* As for guard(rcu): sparse does not see the other end. */
	__release(RCU_SCHED);
}

DEFINE_LOCK_GUARD_0(bl_look, bl_look_begin(), rcu_read_unlock_sched())

/* rcu_dereference() in a section of either kind. */
#define bl_rcu_dereference(p)	rcu_dereference_check(p, rcu_read_lock_any_held())

struct bl_lane;
struct bl_layers;
struct bl_link;
struct bl_merge;
struct bl_node;
struct bl_pass;
struct bl_tree;

#define BL_SUPER_MAGIC	0x624c6e6b	/* "bLnk"; seen by kernel code only */

/* Links that may be inside of each other while one path is followed. */
#define BL_MAX_DEPTH	10
/* Links that may be entered one after the other for it, and symlinks. */
#define BL_MAX_LINKS	40
/* Directories that may be merged. */
#define BL_MAX_LAYERS	16

/* path.c: path strings, no VFS types */

int bl_path_normalize(const char *path, char *out, size_t size,
		      const char **why);
const char *bl_path_last(const char *path);
bool bl_path_related(const char *a, const char *b);
bool bl_path_is_below(const char *path, const char *above);

/* rules.c: precedence, no VFS types */

enum bl_rule_kind {
	BL_RULE_LINK,		/* from here on the link applies */
	BL_RULE_EXCEPTION,	/* from here on it does not */
};

struct bl_rule_node;

/**
 * struct bl_rules - the rules of one root directory, by path component
 * @nodes: every component that is on the way to a rule, keyed by parent and
 *	name, so that a step down the path costs one hash lookup
 * @root: node of "/", which carries no rule
 * @count: rules in the table
 *
 * Writers are serialised by the owner of the table, readers are under RCU.
 */
struct bl_rules {
	struct rhashtable nodes;
	struct bl_rule_node *root;
	unsigned int count;
};

/**
 * struct bl_rule - what there is at a path
 * @link: the link at the path itself, or NULL
 * @excepted: there are links that leave it alone
 * @below: there are rules strictly below
 * @links: how many links there are strictly below
 */
struct bl_rule {
	struct bl_link *link;
	bool excepted;
	bool below;
	unsigned int links;
};

int bl_rules_init(struct bl_rules *rules);
void bl_rules_destroy(struct bl_rules *rules);
int bl_rules_add(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, struct bl_link *link);
int bl_rules_del(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, const struct bl_link *link);
struct bl_link *bl_rules_find(struct bl_rules *rules, const char *path);
bool bl_rules_below(struct bl_rules *rules, const char *path);
bool bl_rules_except(struct bl_rules *rules, const char *path,
		     const struct bl_link *link);
bool bl_rules_at(struct bl_rules *rules, const char *path,
		 struct bl_rule *rule);
struct bl_rule_node *bl_rules_node(struct bl_rules *rules, const char *path);
struct bl_rule_node *bl_rule_node(struct bl_rules *rules,
				  struct bl_rule_node *dir, const char *name,
				  unsigned int len);
void bl_rule_read(const struct bl_rule_node *node, struct bl_rule *rule);
struct bl_rule_node *bl_rules_dir(struct bl_rules *rules, const char *path);
void bl_rule_put(struct bl_rule_node *node);
bool bl_rule_child(struct bl_rules *rules, struct bl_rule_node *dir,
		   const char *name, unsigned int len, struct bl_rule *rule);
bool bl_rule_next(struct bl_rule_node *dir, u32 *serial, char *name,
		  struct bl_rule *rule);
extern unsigned long bl_rules_gen;

/**
 * bl_rules_generation - a number that changes after each change of any table
 */
static inline unsigned long bl_rules_generation(void)
{
	/* Pairs with bl_rules_changed(). */
	return smp_load_acquire(&bl_rules_gen);
}

extern atomic_long_t bl_epoch;

/**
 * bl_epoch_next - rules or mounts were changed: have all passes looked at again
 *
 * Context: any; after the change.
 */
static inline void bl_epoch_next(void)
{
	/* Twice that, see bl_lane_task_begin(). Pairs with bl_epoch_now(). */
	(void)atomic_long_add_return_release(2, &bl_epoch);
}

/* link.c: links and what carries them */

enum bl_link_state {
	BL_LINK_PENDING,	/* its tree was not seen attached yet */
	BL_LINK_LIVE,
	BL_LINK_GONE,		/* unmounted, or being removed */
};

/**
 * struct bl_space - the rules of those who have the same root directory
 * @list: entry of bl_spaces, under bl_link_mutex
 * @ref: listed links and trees
 * @root: the root directory, with references; in another mount namespace the
 *	same directory has another mount
 * @rules: rule table, written under bl_link_mutex
 */
struct bl_space {
	struct list_head list;
	refcount_t ref;
	struct path root;
	struct bl_rules rules;
};

/**
 * struct bl_link - one link
 * @ref: the table has one while the link is listed, the tree whose root it is
 *	has one as long as that shows it, every user has one
 * @id: never used twice
 * @virtual: normalised virtual path
 * @backing: normalised backing path
 * @flags: enum bindlink_flag
 * @state: enum bl_link_state, under bl_link_mutex
 * @space: whose rule table has the link, NULL once it is unlisted
 * @tree: the tree that it goes with, NULL once that is gone; bl_link_mutex
 * @home: entry of @tree's links; bl_link_mutex
 * @mnt: with BL_LINK_PENDING the mount of @tree that is about to be attached,
 *	with a reference, or NULL; bl_link_mutex
 * @holder: port of the netlink socket that is removing it, or with
 *	BL_LINK_PENDING is making it; 0 for none
 * @holder_net: network namespace of that socket, for comparison only
 * @held: entry of bl_links_held while there is a @holder; bl_link_mutex
 * @cred: credentials of the creator, with which @backing is resolved: search
 *	permission on the way to it is not the caller's business
 * @root: root directory of the creator, from which @backing is resolved
 * @watch: mount events of the creator's namespace can be watched
 * @laneless: it never gets a lane any more
 * @bind: what @backing was resolved to last, RCU, replaced under @bind_lock
 * @bind_lock: see @bind
 * @bind_ticket: ticket of the resolution that @bind is from; @bind_lock
 * @ticket: last ticket of a resolution that was given out
 * @rcu: readers of the rule tables
 * @exceptions: normalised paths that it leaves alone, sorted, each once
 * @nr_exceptions: entries of @exceptions
 * @lane: its lane, RCU, without a reference; see lane.c
 * @paths: where @virtual and @backing are
 */
struct bl_link {
	refcount_t ref;
	u64 id;
	char *virtual;
	char *backing;
	u32 flags;
	u32 holder;
	const void *holder_net;
	enum bl_link_state state;
	bool watch;
	bool laneless;
	struct bl_space *space;
	struct bl_tree *tree;
	struct vfsmount *mnt;
	struct list_head home;
	struct list_head held;
	const struct cred *cred;
	struct path root;
	struct bl_bind __rcu *bind;
	spinlock_t bind_lock;		/* publishing @bind */
	unsigned int nr_exceptions;
	u64 bind_ticket;
	atomic64_t ticket;
	struct rcu_head rcu;
	char **exceptions;
	struct bl_lane __rcu *lane;
	char paths[];
};

static inline bool bl_link_tryget(struct bl_link *link)
{
	return refcount_inc_not_zero(&link->ref);
}

/**
 * struct bl_why - why something is refused
 * @msg: a sentence about @attr, static
 * @attr: the BINDLINK_A_LINK_* that is to blame, or 0
 * @index: which of several such attributes
 */
struct bl_why {
	const char *msg;
	int attr;
	unsigned int index;
};

/**
 * struct bl_link_info - a copy of what is told about a link
 * @link: the link with a reference, for its exceptions, or NULL
 */
struct bl_link_info {
	u64 id;
	u32 flags;
	u32 carrier;
	dev_t dev;
	char *virtual;
	char *backing;
	char *carrier_path;
	struct bl_link *link;
};

/**
 * struct bl_plan - a link that was asked for and may be made
 * @virtual: canonical virtual path (names_cache)
 * @backing: normalised backing path (names_cache)
 * @base: path of the carrier (names_cache)
 * @exceptions: paths that the link leaves alone; as they were given until the
 *	plan is checked, normalised and each once after that
 * @nr_exceptions: entries of @exceptions
 * @flags: enum bindlink_flag
 * @carrier: BINDLINK_ATTACH_PATH or BINDLINK_ATTACH_PARENT
 * @path: the carrier, or a path in the tree that carries the link already
 * @top: root directory of the mount namespace that @virtual begins at
 * @root: root directory of the caller, or the initial one in its place
 * @tree: the tree that carries the link already, or NULL; lives with @path
 * @portid: port of the netlink socket that asks
 * @net: network namespace of that socket, for comparison only
 */
struct bl_plan {
	char *virtual;
	char *backing;
	char *base;
	char **exceptions;
	unsigned int nr_exceptions;
	u32 flags;
	u32 carrier;
	struct path path;
	struct path top;
	struct path root;
	struct bl_tree *tree;
	u32 portid;
	const void *net;
};

/**
 * struct bl_resolution - which links apply to a path, and what it is now
 * @link: the link that covers the path; its virtual path is NULL for none
 * @name: the path, normalised
 * @real: the path that is used now, or NULL
 * @via: virtual paths of the links that were followed, each with its NUL
 * @via_len: bytes of @via
 * @error: why @real is NULL
 */
struct bl_resolution {
	struct bl_link_info link;
	char *name;
	char *real;
	char *via;
	size_t via_len;
	int error;
};

int bl_canonical_path(const struct path *path, char *buf, char **name,
		      struct path *top);
struct bl_space *bl_space_get(const struct path *root);
void bl_space_put(struct bl_space *space);
int bl_plan_init(struct bl_plan *plan, const char *virtual,
		 const char *backing, u32 flags, u32 attach,
		 struct bl_why *why);
int bl_plan_except(struct bl_plan *plan, const char *path, unsigned int max);
bool bl_plan_covers(const struct bl_plan *plan, char *name);
void bl_plan_destroy(struct bl_plan *plan);
int bl_link_create(struct bl_plan *plan, struct file *tree_file,
		   struct bl_why *why);
int bl_link_hold(const char *virtual, u32 portid, const void *net,
		 struct bl_link_info *info, struct bl_why *why);
int bl_link_remove(const char *virtual, u32 portid, const void *net,
		   struct bl_why *why);
int bl_tree_hold(struct bl_tree *tree, u32 portid, const void *net,
		 struct bl_why *why);
void bl_link_release_holder(u32 portid, const void *net);
int bl_link_get_info(const char *virtual, struct bl_link_info *info,
		     struct bl_why *why);
int bl_link_next_info(u64 after, struct bl_link_info *info);
struct bl_link *bl_link_next(u64 after);
unsigned int bl_link_generation(void);
void bl_link_info_free(struct bl_link_info *info);
int bl_link_resolve(const char *path, struct bl_resolution *res,
		    struct bl_why *why);
void bl_resolution_free(struct bl_resolution *res);
int bl_tree_place(struct bl_tree *tree, const struct path *carrier);
void bl_tree_register(struct bl_tree *tree);
void bl_tree_unregister(struct bl_tree *tree);
void bl_trees_confirm(void);
void bl_trees_shrink(void);
void bl_link_put(struct bl_link *link);
struct bl_tree *bl_link_tree(struct bl_link *link);
bool bl_link_excepts(const struct bl_link *link, const char *path);
void bl_links_exit(void);

/* mnt.c: private mounts, so that the user's own are not pinned */

/**
 * struct bl_mnt - a mount of a backing filesystem that nobody else sees
 * @list: entry of bl_mnts, under bl_mnt_mutex
 * @ref: every binding, node and inode that uses it has one
 * @mnt: the mount; one reference, dropped with the last of @ref
 * @flags: the MNT_USER_SETTABLE_MASK flags it has to keep, and BL_MNT_MASKED
 * @modes: bits of modes that are shown through it
 * @fresh: the same; 0 where an ID mapping has to be looked at, too
 * @source: the mount it stands for, compared and never followed
 * @stale: that may be unmounted; no walk has come to it since mounts changed
 * @rcu: readers in RCU-walk
 */
struct bl_mnt {
	struct list_head list;
	refcount_t ref;
	struct vfsmount *mnt;
	int flags;
	umode_t modes;
	umode_t fresh;
	bool stale;
	const void *source;
	struct rcu_head rcu;
};

/* Beside the flags of mounts: for what is seen through a read-only link. */
#define BL_MNT_MASKED	BIT(30)
/* What a read-only link adds to the flags of the mount that holds the backing. */
#define BL_MNT_READ_ONLY	(BL_MNT_MASKED | MNT_READONLY | MNT_NOATIME)

/* Whether modes are shown without write permission. */
static inline bool bl_mnt_masked(const struct bl_mnt *mnt)
{
	return mnt->flags & BL_MNT_MASKED;
}

static inline struct bl_mnt *bl_mnt_hold(struct bl_mnt *mnt)
{
	refcount_inc(&mnt->ref);
	return mnt;
}

struct bl_mnt *bl_mnt_get(const struct path *path, int extra_flags);
void bl_mnt_put(struct bl_mnt *mnt);
void bl_mnts_doubt(void);
bool bl_mnts_stale(void);
void bl_mnts_flush(void);
int bl_mnts_sync(void);

/* proof.c: what a walk went by, and whether that still holds */

/**
 * enum bl_seq_kind - what a dentry is to a walk
 * @BL_SEQ_SEARCHED: looked up in a directory that the caller must be permitted to
 *	search
 * @BL_SEQ_END: looked up with the credentials of a tree or of a link
 * @BL_SEQ_COVERED: so, too, but something is in it, or mounted on it: while that is
 *	there so is this, or it was renamed
 */
enum bl_seq_kind {
	BL_SEQ_SEARCHED,
	BL_SEQ_END,
	BL_SEQ_COVERED,
};

/**
 * struct bl_seq - a dentry and what its d_seq was
 * @dentry: dentry, with a reference
 * @dir: inode of the directory that it was looked up in. @dentry keeps it, if it was not
 *	renamed since; who looks at @dir has to know that. Who makes a proof has all
 *	directories: those of a walk are in its chain, or roots of mounts that it
 *	keeps, and those of a step are layers
 * @seq: its d_seq
 * @kind: what it is to the walk
 */
struct bl_seq {
	struct dentry *dentry;
	struct inode *dir;
	unsigned int seq;
	enum bl_seq_kind kind;
};

#define BL_PROOF_DENTRIES	96
#define BL_PROOF_FEW		16
#define BL_PROOF_MNTS		8
#define BL_PROOF_REACH		16

/**
 * struct bl_proof - what a walk that is under way has gone by
 * @ok: nothing else decided where it led to, but for rules and mounts
 * @ask: it is for a lane, see bare of struct bl_where
 * @last: what was found before, if nothing was mounted or unmounted since and that
 *	was bare, or NULL; the caller keeps it
 * @nr: entries of @chain
 * @max: entries that there is room for
 * @nr_mnts: entries of @mnts
 * @event: mount event count
 * @renames: sequence of rename_lock
 * @gen: generation of the rules
 * @mnts: private mounts that keep the filesystems of @chain
 * @chain: what was looked up: @few, or memory of its own when that is too small
 * @few: see @chain; the kernel may clear what it allocates, so little is
 */
struct bl_proof {
	bool ok;
	bool ask;
	const struct bl_bind *last;
	unsigned int nr;
	unsigned int max;
	unsigned int nr_mnts;
	unsigned int event;
	unsigned int renames;
	unsigned long gen;
	struct bl_mnt *mnts[BL_PROOF_MNTS];
	struct bl_seq *chain;
	struct bl_seq few[BL_PROOF_FEW];
};

/**
 * struct bl_basis - what a walk went by
 * @rcu: readers in RCU-walk
 * @next: of those that are about to be freed
 * @gen: generation of the rules
 * @event: mount event count
 * @renames: sequence of rename_lock when all of @chain held; later ones are
 *	stored by whoever finds that it still does
 * @searched: first entries of @chain: those of the caller's own steps
 * @ends: first entries of @chain: those that are not covered
 * @beneath: entries of @chain from @ends on: what was found beneath a directory that
 *	is seen
 * @below: first entries of @chain: those by which something is looked for in what was
 *	found
 * @nr: entries of @chain
 * @nr_mnts: entries of @mnts
 * @nr_reach: entries of bl_basis_reach(): the directories that lead beneath this one,
 *	which those are asked about who look for something there
 * @reach: these are all, and bl_inode_plain() is true of them
 * @deep: it went beneath what is seen of the directory
 * @plain: bl_inode_plain() is true of all directories that the caller is asked about
 * @one: @ends is 1, and nobody is to be asked but for that, which is @plain
 * @first: nobody is to be asked but for the first of @chain, which is @plain
 * @ref: the binding or node that has it, and those whose @up it is, have one
 * @up: what the walk went by that this is one step more of, or NULL
 * @mnts: private mounts that keep the filesystems of @chain
 * @layers: what the walk came to, if the next step is simple from there, or NULL
 * @chain: every dentry that was looked up; with @up those of the last step, and of
 *	@up, which has their references, those that are not covered. While none of
 *	their sequences, no mount and no rule changed, walking again would give the
 *	same.
 *
 * Immutable but for @renames, and for the d_seq of what was renamed through a tree.
 * What is the @up of another is immutable but for @renames.
 */
struct bl_basis {
	union {
		struct rcu_head rcu;
		struct bl_basis *next;
	};
	refcount_t ref;
	unsigned int event;
	struct bl_basis *up;
	unsigned long gen;
	unsigned int renames;
	u16 searched;
	u16 ends;
	u16 beneath;
	u16 below;
	u16 nr;
	u8 nr_mnts;
	u8 nr_reach;
	bool reach;
	bool deep;
	bool plain;
	bool one;
	bool first;
	struct bl_mnt *mnts[BL_PROOF_MNTS];
	struct bl_layers *layers;
	struct bl_seq chain[] __counted_by(nr);
};

/**
 * enum bl_basis_kind - what a step from a directory was to that
 * @BL_BASIS_SEEN: it went by what is seen of it alone
 * @BL_BASIS_WHOLE: so, and it came to a directory of which all is known
 * @BL_BASIS_DEEP: it went by all of it
 */
enum bl_basis_kind {
	BL_BASIS_SEEN,
	BL_BASIS_WHOLE,
	BL_BASIS_DEEP,
};

struct bl_proof *bl_proof_begin(void);
void bl_proof_mnt(struct bl_proof *proof, const struct path *path);
void bl_proof_add(struct bl_proof *proof, const struct path *dir,
		  struct dentry *child, const char *name, unsigned int len,
		  bool caller);
struct bl_basis *bl_proof_end(struct bl_proof *proof, int err);
struct bl_basis *bl_basis_step(struct bl_basis *up, const struct bl_seq *found,
			       unsigned int nr, unsigned int own,
			       enum bl_basis_kind kind, unsigned int layers,
			       unsigned int renames);
struct bl_basis *bl_basis_replace(struct bl_basis *basis,
				  const struct dentry *was, struct dentry *now,
				  unsigned int seq);
void bl_basis_put(struct bl_basis *basis);
bool bl_sb_known(const struct super_block *sb);
bool bl_seq_note(struct bl_seq *seq, const struct path *dir,
		 struct dentry *child, const char *name, unsigned int len);
bool bl_basis_stale(const struct bl_basis *basis);
bool bl_basis_unmoved(struct bl_basis *basis);
bool bl_basis_whole(const struct bl_basis *basis);
bool bl_basis_reaches(const struct bl_basis *dir);
bool bl_basis_permits(struct bl_basis *basis);

extern unsigned int bl_watch_events;	/* see bl_watch_event() */

/* They go along with it, behind @chain. */
static __always_inline struct inode **bl_basis_reach(struct bl_basis *basis)
{
	return (void *)basis + sizeof(*basis) +
	       basis->nr * sizeof(*basis->chain);
}

/* Whether nothing has happened to mounts and names since @basis was seen to hold. */
static __always_inline bool bl_basis_calm(const struct bl_basis *basis)
{
	return likely(basis->event == READ_ONCE(bl_watch_events) &&
		      !read_seqretry(&rename_lock, READ_ONCE(basis->renames)));
}

/* The same of the rules, too. */
static __always_inline bool bl_basis_quiet(const struct bl_basis *basis)
{
	return likely(bl_rules_generation() == basis->gen) &&
	       bl_basis_calm(basis);
}

static __always_inline bool bl_seq_same(const struct bl_seq *seq)
{
	return likely(!read_seqcount_retry(&seq->dentry->d_seq,
					   READ_ONCE(seq->seq)));
}

/**
 * bl_basis_still - whether walking again would give the same, by a short look
 * @basis: basis
 *
 * Context: any, RCU-walk too.
 * Return: false also where that takes a longer one, bl_basis_valid().
 */
static __always_inline bool bl_basis_still(const struct bl_basis *basis)
{
	const struct bl_seq *seq = basis->chain;
	const struct bl_seq *end = seq + basis->ends;

	if (!bl_basis_quiet(basis))
		return false;
	for (; seq < end; seq++)
		if (!bl_seq_same(seq))
			return false;
	return true;
}

/**
 * bl_basis_valid - whether walking again would give the same
 * @basis: basis
 *
 * Context: any, RCU-walk too.
 */
static __always_inline bool bl_basis_valid(struct bl_basis *basis)
{
	return bl_basis_still(basis) || bl_basis_unmoved(basis);
}

/* walk.c: following paths through links, but not through trees */

/**
 * struct bl_layer - one of the things that a merged link shows by one name
 * @path: what is there, in the user's mounts and in no tree. Where the last
 *	name is missing it is a negative dentry; where less than that is there,
 *	or only a way to links, it is empty.
 * @mnt: private mount of @path; set by bl_dentry_walk() and NULL otherwise
 * @id: which layer it is: the same for what is reached through the same links
 * @flags: as those of struct bl_where
 */
struct bl_layer {
	struct path path;
	struct bl_mnt *mnt;
	u64 id;
	int flags;
};

/**
 * struct bl_where - where a walk led to
 * @path: what is there, in the user's mounts and in no tree. Where the last
 *	name is missing it is a negative dentry; where less than that is there
 *	it is empty.
 * @flags: MNT_USER_SETTABLE_MASK flags of the trees that it was seen through,
 *	and BL_MNT_READ_ONLY if one of the links is read-only
 * @id: layer that @path is in
 * @nr: entries of @layers
 * @layers: inside of a merged link what is merged, top first: what is seen is
 *	the first of them that is there, the others are directories, too. Where
 *	nothing is they all are missing.
 * @cred: credentials of the creator of the link whose backing is the first of
 *	@layers, or NULL
 * @denied: why it is not known what is beneath the directory that is seen; then the
 *	last of @layers are missing; an errno, or 0
 * @way: it is a directory that only leads to links
 * @inner: links are below it in the view of the backing path
 * @viewed: the backing path is in a tree, and has a view of its own: links
 *	below it, and what is mounted there on the tree
 * @linked: it is inside of a link
 * @merged: it is inside of a merged link
 * @flat: what is below it is just in @layers, or without @merged in @path, but for
 *	its own rules and mounts
 * @stepped: by one step from its directory: each of @layers that matters was
 *	searched by the name itself
 * @named: so, but not by one step, and unless a rule is at the name
 * @bare: it is the same as @path alone, for who is about to open a lane; false
 *	also if that was not asked
 */
struct bl_where {
	struct path path;
	int flags;
	u64 id;
	unsigned int nr;
	struct bl_layer *layers;
	const struct cred *cred;
	int denied;
	bool way;
	bool inner;
	bool viewed;
	bool linked;
	bool merged;
	bool flat;
	bool stepped;
	bool named;
	bool bare;
};

/* What a link adds to the flags of mounts. */
static inline int bl_link_mnt_flags(const struct bl_link *link)
{
	return link->flags & BINDLINK_FLAG_READ_ONLY ? BL_MNT_READ_ONLY : 0;
}

/**
 * bl_layer_id - which layer something is in
 * @id: of what it is inside of, or 0
 * @link: the link that it was reached through last, or NULL
 *
 * Return: the same number for what is reached through the same links.
 */
static inline u64 bl_layer_id(u64 id, const struct bl_link *link)
{
	return (id ^ (link ? link->id : 0)) * GOLDEN_RATIO_64 + 1;
}

/**
 * struct bl_via - names of the links that a walk followed
 * @buf: virtual paths, each with its NUL (kfree)
 * @len: bytes used
 * @cover: id of the last link that was entered on the path itself
 */
struct bl_via {
	char *buf;
	size_t len;
	u64 cover;
};

int bl_walk_link(struct bl_link *link, struct bl_where *where,
		 struct bl_proof *proof);
int bl_walk_path(const struct path *root, const char *path, unsigned int flags,
		 struct bl_where *where, struct bl_via *via);
int bl_walk_tree(struct bl_tree *tree, char *path, struct bl_where *where,
		 struct bl_proof *proof);
void bl_where_put(struct bl_where *where);
int bl_walk_rules(struct bl_tree *tree, const char *path,
		  struct bl_rule_node **dirs, struct bl_space **spaces,
		  int max);

/* layers.c: one step in a directory that was walked to */

/**
 * struct bl_layers - what a directory inside of a link is made of
 * @rcu: readers
 * @cred: credentials of the creator of the link whose backing is the first, or NULL
 * @merged: it is inside of a merged link; otherwise there is one
 * @inside: it is a part of its basis, which keeps what is in @layer
 * @rest: what is beneath @layer was not looked for
 * @known: how many of @layer, from the top, whoever comes to the directory is asked
 *	about
 * @nr: entries of @layer
 * @layer: as struct bl_where has them, but the mounts belong to the private ones
 *
 * Immutable. Owned by a basis.
 */
struct bl_layers {
	struct rcu_head rcu;
	const struct cred *cred;
	bool merged;
	bool inside;
	bool rest;
	unsigned int known;
	unsigned int nr;
	struct bl_layer layer[] __counted_by(nr);
};

struct bl_layers *bl_layers_make(const struct bl_where *where,
				 struct bl_mnt *mnt);
void bl_layers_free(struct bl_layers *layers);
bool bl_layers_stale(const struct bl_layers *layers);
bool bl_step_walk(struct dentry *dentry, struct bl_where *where,
		  struct bl_mnt **mnt, int *err);
struct bl_node *bl_step_whole(struct dentry *dentry);
struct bl_node *bl_step_node(struct dentry *dentry);

/* bind.c: late binding of links */

/**
 * struct bl_bind - what a link shows
 * @rcu: readers in RCU-walk
 * @ref: the link has one, every user has one
 * @real: what is shown. The mount belongs to @mnt. With @error it is a
 *	negative dentry where only the last name is missing, or empty.
 * @mnt: private mount of @real, or NULL
 * @inode: inode of @real, NULL with @error
 * @error: what following the link gives: 0 or an errno of path lookup
 * @inner: see struct bl_where
 * @viewed: see struct bl_where
 * @merged: see struct bl_where
 * @flat: so, but without @merged
 * @bare: see struct bl_where
 * @search: bits of modes that are shown of a directory that bl_inode_plain() is true
 *	of, without an ID mapping; otherwise 0
 * @shows: whether it is a directory, BL_SHOWS_UNPROVED without @basis or with @error
 * @id: see struct bl_where; of what the link shows
 * @flags: so
 * @basis: while it holds following the link would give the same; NULL when every
 *	use has to follow it again
 *
 * Immutable once it is published. A positive dentry that is pinned stays positive, so
 * @inode stays too.
 */
struct bl_bind {
	struct rcu_head rcu;
	refcount_t ref;
	struct path real;
	struct inode *inode;
	struct bl_mnt *mnt;
	struct bl_basis *basis;
	int error;
	bool inner;
	bool viewed;
	bool merged;
	bool flat;
	bool bare;
	u8 shows;
	umode_t search;
	int flags;
	u64 id;
};

#define BL_SHOWS_UNPROVED	2

struct bl_bind *bl_bind_fixed(const struct path *path);
void bl_bind_free(struct bl_bind *bind);

/**
 * bl_bind_put - drop a reference
 * @bind: binding or NULL
 */
static inline void bl_bind_put(struct bl_bind *bind)
{
	if (bind && refcount_dec_and_test(&bind->ref))
		bl_bind_free(bind);
}

bool bl_watch_event(unsigned int *event);
struct bl_bind *bl_bind_get(struct bl_link *link);
struct bl_bind *bl_bind_renew(struct bl_link *link);

/**
 * bl_bind_valid - whether following the link would give the same now
 * @bind: binding of a link
 *
 * Context: any, RCU-walk too.
 */
static inline bool bl_bind_valid(const struct bl_bind *bind)
{
	return bind->basis && bl_basis_valid(bind->basis);
}

/**
 * bl_bind_rcu - what a link shows, in RCU-walk
 * @link: link
 *
 * Context: RCU read side.
 * Return: a binding that is valid now, NULL when that takes more than looking.
 */
static __always_inline struct bl_bind *bl_bind_rcu(const struct bl_link *link)
{
	struct bl_bind *bind = rcu_dereference(link->bind);

	return bind && bl_bind_valid(bind) ? bind : NULL;
}

bool bl_watch_start(void);
void bl_watch_stop(void);
void bl_bind_exit(void);

/* super.c */

/**
 * struct bl_tree - superblock data of a tree
 * @sb: the superblock, which owns this
 * @list: entry of bl_trees; bl_link_mutex
 * @fresh: entry of bl_trees_fresh as long as it is not @attached; bl_link_mutex
 * @by_base: entry of bl_tree_bases; bl_link_mutex
 * @links: links that go with this tree; bl_link_mutex
 * @space: whose rules apply
 * @base: virtual path of the root
 * @root: root directory that @base begins at
 * @cred: credentials of who made it, for the way to what is inside
 * @link: the link that the root shows, or NULL: the carrier is shown then.
 *	Written under bl_link_mutex, read under RCU. Has a reference.
 * @pass: what lets walks pass to the lane of @link, RCU; the lane's
 * @key: dentry of the carrier, pinned by @carrier
 * @carrier: what the root shows without a link; never changes
 * @is_dir: the root is a directory; never changes
 * @leaving: it is about to be detached, and takes no links; bl_link_mutex
 * @attached: it was seen attached, and has links since; bl_link_mutex
 * @retired: the link of its root was removed, but it is in use
 * @kept: how many inodes of directories are hashed
 * @opened: what the root was opened as last, with a reference, or NULL. RCU; whoever
 *	replaces it drops the reference. No directory: these are not opened like that
 * @unseen: an empty node, for a name that something is about to be renamed to, or
 *	NULL; whoever uses it takes it out
 * @named: somebody may be about to remove or to rename what has a lane
 * @rule_lock: @rule and @rule_gen
 * @rule: the rules of @base; see struct bl_node
 * @rule_gen: generation of the rules for which @rule holds
 * @rcu: readers in RCU-walk
 */
struct bl_tree {
	struct super_block *sb;
	struct list_head list;
	struct list_head fresh;
	struct hlist_node by_base;
	struct list_head links;
	struct bl_space *space;
	char *base;
	struct path root;
	const struct cred *cred;
	struct bl_link __rcu *link;
	struct bl_pass __rcu *pass;
	struct dentry *key;
	struct bl_bind *carrier;
	bool leaving;
	bool is_dir;
	bool attached;
	bool retired;
	bool named;
	atomic_t kept;
	struct dentry __rcu *opened;
	struct bl_node *unseen;
	seqlock_t rule_lock;
	struct bl_rule_node *rule;
	unsigned long rule_gen;
	struct rcu_head rcu;
};

extern struct file_system_type bl_fs_type;

/**
 * bl_tree_stack - say that a tree is stacked over a filesystem
 * @sb: tree
 * @below: filesystem that it shows something of
 */
static inline void bl_tree_stack(struct super_block *sb,
				 const struct super_block *below)
{
	if (unlikely(READ_ONCE(sb->s_stack_depth) <= below->s_stack_depth))
		WRITE_ONCE(sb->s_stack_depth, below->s_stack_depth + 1);
}

static inline struct bl_tree *bl_tree(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline bool bl_is_tree(const struct super_block *sb)
{
	return sb->s_type == &bl_fs_type;
}

struct bl_link *bl_tree_link(struct bl_tree *tree);
int bl_super_init(void);
void bl_super_exit(void);

/* inode.c: attributes, permission and the identity of inodes */

/**
 * struct bl_inode - an inode of a tree
 * @real: inode behind it, with a reference; NULL for the root of a tree, which
 *	is bound to a path, for a directory that only leads to links, and for one
 *	inside of a merged link, which is what its name shows now
 * @mnt: private mount through which it is used, with a reference
 * @alias: dentry that a directory belongs to. With @merged there is no other,
 *	and who uses the inode has it; otherwise it is compared and never followed
 * @merged: a directory inside of a merged link
 * @kept: a directory that was in use without its dentry, and is hashed since
 */
struct bl_inode {
	struct inode vfs_inode;
	struct inode *real;
	struct bl_mnt *mnt;
	struct dentry *alias;
	bool merged;
	bool kept;
};

static inline struct bl_inode *BL_I(const struct inode *inode)
{
	return container_of(inode, struct bl_inode, vfs_inode);
}

static inline bool bl_is_root(const struct inode *inode)
{
	return inode == d_inode(inode->i_sb->s_root);
}

/* A directory that only leads to links is made of nothing. */
static inline bool bl_is_way(const struct inode *inode)
{
	return !BL_I(inode)->real && !BL_I(inode)->merged && !bl_is_root(inode);
}

struct inode *bl_inode_get(struct super_block *sb, struct bl_mnt *mnt,
			   struct inode *real);
unsigned int bl_inode_users(struct super_block *sb, struct bl_mnt *mnt,
			    struct inode *real);
struct inode *bl_inode_claim(struct dentry *dentry, struct bl_mnt *mnt,
			     struct inode *real);
void bl_inode_unclaim(struct dentry *dentry, struct inode *inode);
struct inode *bl_inode_root(struct super_block *sb, umode_t type);
void bl_inode_be_way(struct inode *inode);
struct inode *bl_inode_way(struct super_block *sb);
struct inode *bl_inode_merged(struct dentry *dentry, struct bl_mnt *mnt,
			      struct inode *real);
void bl_inode_refresh_access(struct inode *inode, struct inode *real,
			     const struct bl_mnt *mnt);
void bl_inode_refresh(struct inode *inode, struct inode *real,
		      const struct bl_mnt *mnt);
void bl_inode_init(void);

/*
 * Whether @inode has what a walk looks at itself, as bl_inode_refresh_access() would
 * store it, but for the group. False with an ID mapping.
 */
static __always_inline bool bl_inode_fresh(const struct inode *inode,
					   const struct inode *real,
					   const struct bl_mnt *mnt)
{
	return likely(inode->i_mode == (real->i_mode & mnt->fresh) &&
		      uid_eq(inode->i_uid, real->i_uid));
}

/* There is a security module that has labels. */
DECLARE_STATIC_KEY_FALSE(bl_labels);

/* Whether the mode, and what was asked about the tree's inode, tells who may use @real. */
static __always_inline bool bl_inode_plain(const struct inode *real)
{
	return !static_branch_unlikely(&bl_labels) &&
	       likely(!real->i_op->permission);
}

/*
 * For @search of struct bl_bind, of @dir in @mnt, or of NULL. What a directory asks
 * goes by its i_op, which stays what it is unless the inode turns bad, and then it
 * has no mode that could be taken for one.
 */
static inline umode_t bl_modes_searched(const struct inode *dir,
					const struct bl_mnt *mnt)
{
	return dir && bl_inode_plain(dir) ? mnt->fresh : 0;
}

/* Whether the caller may search @dir, which bl_inode_plain() is true of, of @mode. */
static __always_inline bool bl_mode_searched(const struct inode *dir,
					     umode_t mode)
{
#ifdef CONFIG_FS_POSIX_ACL
	if (likely((mode & 0111) == 0111) &&
	    (!READ_ONCE(dir->i_acl) || !IS_POSIXACL(dir)))
		return true;
#endif
	return (READ_ONCE(dir->i_mode) & 0100) &&
	       uid_eq(dir->i_uid, current_fsuid());
}

/**
 * bl_search_free - whether it is plain to see that the caller may search
 * @dir: directory behind a tree, in a mount without an ID mapping, or NULL
 *
 * What inode_permission() says of most directories, without what it asks security
 * modules. Those without labels do not know directories by their inodes, and are
 * asked about the directory in the tree by whoever walks through it.
 *
 * Context: any, RCU-walk too; @dir is held, or under RCU.
 */
static __always_inline bool bl_search_free(const struct inode *dir)
{
	return likely(dir && bl_inode_plain(dir)) &&
	       bl_mode_searched(dir, READ_ONCE(dir->i_mode));
}

int bl_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
	       struct iattr *attr);

/*
 * Whether the caller would find the same by one step of its own, if nothing was
 * renamed. A dentry that goes changes its d_seq: while that is the same the directory
 * was there when it was looked at.
 */
static __always_inline bool bl_seq_found(const struct bl_seq *seq)
{
	const struct inode *dir = seq->dir;

	return likely(bl_mode_searched(dir, READ_ONCE(dir->i_mode))) &&
	       bl_seq_same(seq);
}

/* What can be told of the first of @basis, as bl_basis_found(). */
static __always_inline bool bl_basis_found_first(const struct bl_basis *basis)
{
	return likely(bl_basis_calm(basis) && bl_seq_found(basis->chain));
}

/* bl_basis_reaches() of the directory of @basis, where the modes tell. */
static __always_inline bool bl_basis_reached(const struct bl_basis *basis)
{
	struct bl_basis *up = basis->up;
	struct inode **dir = bl_basis_reach(up);
	struct inode **end = dir + up->nr_reach;

	for (; dir < end; dir++)
		if (!likely(bl_mode_searched(*dir, READ_ONCE((*dir)->i_mode))))
			return false;
	return true;
}

/**
 * bl_basis_found_few - as bl_basis_found(), where that is simple
 * @basis: basis of a name
 *
 * Context: RCU read side, RCU-walk too.
 * Return: false also where it is not.
 */
static __always_inline bool bl_basis_found_few(const struct bl_basis *basis)
{
	const struct bl_seq *seq, *end;

	if (likely(basis->one))
		return bl_basis_found_first(basis);
	if (!basis->first || !bl_basis_found_first(basis))
		return false;
	end = basis->chain + basis->ends;
	for (seq = basis->chain + 1; seq < end; seq++)
		if (!bl_seq_same(seq))
			return false;
	return true;
}

/**
 * bl_basis_found_all - as bl_basis_found(), where modes tell
 * @basis: basis of a name
 *
 * Context: RCU read side, RCU-walk too.
 * Return: false also where that takes more than looking at them.
 */
static __always_inline bool bl_basis_found_all(const struct bl_basis *basis)
{
	const struct bl_seq *seq = basis->chain;
	const struct bl_seq *searched = seq + basis->searched;
	const struct bl_seq *end = seq + basis->ends;

	if (unlikely(!basis->plain))
		return false;
	/*
	 * These are kept by the proof, whatever was renamed. That they still are
	 * what leads there is told by what is looked at next.
	 */
	if (basis->deep && !bl_basis_reached(basis))
		return false;
	if (!bl_basis_calm(basis))
		return false;
	for (; seq < searched; seq++)
		if (!bl_seq_found(seq))
			return false;
	for (; seq < end; seq++)
		if (!bl_seq_same(seq))
			return false;
	return true;
}

/**
 * bl_basis_found - whether the caller would be led to the same
 * @basis: basis of a name, the generation of whose node is that of the rules: that was
 *	read before the basis', which is then the same
 *
 * It is valid, and the caller may search the directories in which the last name
 * was looked for.
 *
 * Context: RCU read side, RCU-walk too.
 * Return: false also where that takes more than looking.
 */
static __always_inline bool bl_basis_found(struct bl_basis *basis)
{
	return bl_basis_found_all(basis) || bl_basis_permits(basis);
}

/* dentry.c: what a name stands for, and whether that still holds */

/**
 * struct bl_node - d_fsdata of every dentry of a tree but the root
 * @rcu: readers in RCU-walk
 * @ref: the dentry has one, every user has one
 * @lower: dentry of the name in the backing directory, positive or negative,
 *	with a reference; NULL for the name of a link and where there is no
 *	backing directory
 * @real: what the name shows: @lower, or the root of what is mounted there, or
 *	what the link is bound to. The mount belongs to @mnt, the dentry has a
 *	reference unless it is @lower. No dentry where nothing is shown, or only a
 *	way to links.
 * @mnt: private mount of @real, with a reference
 * @inode: inode of @real when it was looked up, NULL for a negative one
 * @link: the link at the name; only used while @gen is the generation
 * @bind: what @link was bound to when it was looked up, with a reference
 * @basis: what the walk went by that found it; while that holds so does this.
 *	Whoever puts NULL there frees it; then nothing can be told any more
 * @rule: the rules of the name, or NULL; used only while @gen is the generation
 * @gen: generation of the rules for which @link, @rule and @below hold
 * @ticket: when it was looked up: later ones have greater numbers
 * @seq: d_seq of @lower when it was looked up, or when both were renamed
 * @check: nothing can be told from @seq: look up again at each use
 * @special: it is not just the name in the directory behind the parent: @check,
 *	@link or @basis
 * @below: there are links below the name
 * @inner: links are below it in the view of a backing path
 * @viewed: the backing path is in a tree; what is below the name has to be
 *	found by following the virtual path
 * @way: the name is a directory because of that alone
 * @merged: it is a directory inside of a merged link
 * @stepped: what was searched for @basis is the name itself, in one directory
 *	after the other; see struct bl_where
 * @named: see struct bl_where
 * @search: of one inside of a merged link, as struct bl_bind has it
 * @unseen: of a dentry that is not hashed and never was, and has no inode: nobody
 *	but who has that dentry comes to the node
 *
 * Immutable but for @basis and @seq once the dentry has it. Replaced under
 * d_lock, freed a grace period after the last reference, or if @unseen kept for the
 * next; the dentries that it pins are freed by RCU themselves, so their d_seq may be
 * read in RCU-walk though the references are dropped at once. A positive dentry that
 * is pinned stays positive, so @inode stays too.
 */
struct bl_node {
	struct rcu_head rcu;
	refcount_t ref;
	umode_t search;
	bool named;
	bool unseen;
	struct dentry *lower;
	struct path real;
	struct bl_mnt *mnt;
	struct inode *inode;
	struct bl_link *link;
	struct bl_bind *bind;
	struct bl_basis __rcu *basis;
	struct bl_rule_node *rule;
	unsigned long gen;
	u64 ticket;
	unsigned int seq;
	bool check;
	bool special;
	bool below;
	bool inner;
	bool viewed;
	bool way;
	bool merged;
	bool stepped;
};

/**
 * struct bl_real - what a dentry stands for at the moment
 * @path: where. The mount belongs to @mnt, the dentry is negative for a negative
 *	dentry
 * @mnt: private mount of @path
 * @node: keeps @path and @mnt, or NULL
 * @bind: keeps @path and @mnt, or NULL; without either there are references
 * @gen: generation of the rules for which this holds
 * @merged: it is a directory inside of a merged link
 */
struct bl_real {
	struct path path;
	struct bl_mnt *mnt;
	struct bl_node *node;
	struct bl_bind *bind;
	unsigned long gen;
	bool merged;
};

/**
 * struct bl_at - what the rule table has for a dentry
 * @link: the link at its name, with a reference, or NULL
 * @excepted: links leave it alone
 * @below: there are links or exceptions below
 * @links: there are links below
 * @rule: where all this is from; see struct bl_node
 * @gen: generation for which this holds
 */
struct bl_at {
	struct bl_link *link;
	struct bl_rule_node *rule;
	bool excepted;
	bool below;
	bool links;
	unsigned long gen;
};

static inline void bl_at_put(struct bl_at *at)
{
	if (at->link)
		bl_link_put(at->link);
}

/**
 * enum bl_look - what a dentry is looked up for
 * @BL_LOOK_FIRST: it never was
 * @BL_LOOK_TARGET: so, and something is about to be renamed to it
 * @BL_LOOK_AGAIN: it is hashed, and may be renamed meanwhile
 */
enum bl_look {
	BL_LOOK_FIRST,
	BL_LOOK_TARGET,
	BL_LOOK_AGAIN,
};

extern const struct dentry_operations bl_dops;
extern const struct dentry_operations bl_link_dops;
extern const struct dentry_operations bl_root_dops;

/**
 * bl_link_merges - whether a link shows the original, too
 * @link: link
 */
static inline bool bl_link_merges(const struct bl_link *link)
{
	return link->flags & BINDLINK_FLAG_MERGED;
}

/**
 * bl_link_lane - whether a link may have a lane
 * @link: link
 * @mode: what kind of file it leads to, or is seen as
 */
static inline bool bl_link_lane(const struct bl_link *link, umode_t mode)
{
	return S_ISDIR(mode) ||
	       (S_ISREG(mode) && (link->flags & BINDLINK_FLAG_NATIVE));
}

/**
 * bl_root_shows - what the root of a tree shows, in RCU-walk
 * @tree: tree
 * @link: its link, or NULL
 *
 * Context: RCU read side.
 * Return: a binding that is valid now, NULL when that takes more than looking.
 */
static __always_inline struct bl_bind *bl_root_shows(struct bl_tree *tree,
						     const struct bl_link *link)
{
	struct bl_bind *bind;

	if (!link)
		return tree->carrier;
	bind = bl_bind_rcu(link);
	if (!bind)
		return NULL;
	if (unlikely(bind->error))
		return bind->error == -ENOENT && bl_link_merges(link) ?
			tree->carrier : NULL;
	return likely(d_is_dir(bind->real.dentry) == tree->is_dir) ? bind : NULL;
}

/* The same, by its link of this moment. */
static __always_inline struct bl_bind *bl_root_rcu(struct bl_tree *tree)
{
	return bl_root_shows(tree, rcu_dereference(tree->link));
}

/* The same by a short look, which says less often what it is; RCU of either kind. */
static __always_inline struct bl_bind *bl_root_brief(struct bl_tree *tree)
{
	const struct bl_link *link = bl_rcu_dereference(tree->link);
	struct bl_bind *bind;

	if (!link)
		return tree->carrier;
	bind = bl_rcu_dereference(link->bind);
	return likely(bind && bind->shows == tree->is_dir &&
		      bl_basis_still(bind->basis)) ? bind : NULL;
}

bool bl_dentry_rule_in(struct dentry *dentry, struct dentry *parent,
		       unsigned long gen, struct bl_rule_node **rule,
		       bool still);
int bl_dentry_merged(struct dentry *dentry);
bool bl_root_merged(struct bl_tree *tree);
struct bl_link *bl_root_link(struct bl_tree *tree, unsigned long gen);
struct bl_bind *bl_root_get(struct bl_tree *tree, bool *merged);
bool bl_root_way(struct bl_tree *tree, int err);
int bl_real_get(struct dentry *dentry, struct bl_real *real);
void bl_real_put(struct bl_real *real);
char *bl_virtual_path(struct dentry *dentry, char *buf);
int bl_dentry_at(struct dentry *dentry, struct bl_at *at);
int bl_dentry_below(struct dentry *dentry);
bool bl_dentry_alone(struct dentry *dentry);
bool bl_dentry_dir(struct dentry *dentry, struct bl_real *dir);
bool bl_dentry_dirs(struct dentry *old, struct dentry *new,
		    struct bl_real *from, struct bl_real *to);
bool bl_name_dir(struct dentry *dentry, struct bl_real *dir);
int bl_dentry_inner(struct dentry *dentry, bool *viewed);
int bl_dentry_walk(struct dentry *dentry, struct bl_where *where,
		   struct bl_mnt **mnt, struct bl_proof *proof);
struct dentry *bl_lookup_one(const struct bl_mnt *mnt, struct dentry *dir,
			     const struct qstr *name, bool locked, bool alone);
u64 bl_node_ticket(void);
struct bl_node *bl_node_alloc(struct bl_mnt *mnt);
struct bl_node *bl_node_new(struct bl_mnt *mnt, struct dentry *lower);
struct bl_node *bl_node_get(struct dentry *dentry, struct dentry *parent,
			    enum bl_look how);
static inline struct bl_node __rcu **bl_node_slot(struct dentry *dentry)
{
	return (struct bl_node __rcu **)&dentry->d_fsdata;
}

/* By which pass walks go through the lane at @dentry, which is not a root, or NULL. */
static inline struct bl_pass __rcu **bl_gate_pass(struct dentry *dentry)
{
	BUILD_BUG_ON(sizeof(dentry->d_time) != sizeof(struct bl_pass *));
	return (struct bl_pass __rcu **)&dentry->d_time;
}

/* Make @dentry one of a tree; nobody has found it yet. */
static inline void bl_dentry_init(struct dentry *dentry,
				  const struct dentry_operations *ops)
{
	RCU_INIT_POINTER(*bl_gate_pass(dentry), NULL);
	d_set_d_op(dentry, ops);
}

/* Whether @dentry is in a directory that is to go with its last user. */
static inline bool bl_dentry_leaves(const struct dentry *dentry)
{
	return READ_ONCE(dentry->d_parent->d_flags) & DCACHE_DONTCACHE;
}

/* @dentry is in the dcache now: it must not keep such a directory. */
static inline void bl_dentry_added(struct dentry *dentry)
{
	if (likely(!bl_dentry_leaves(dentry)))
		return;
	spin_lock(&dentry->d_lock);
	dentry->d_flags |= DCACHE_DONTCACHE;
	spin_unlock(&dentry->d_lock);
}

/*
 * Whether nothing is known of a dentry, not of the root: it was not looked up yet, or
 * what it stood for was removed by its name; see bl_node_abandon().
 */
static inline bool bl_dentry_blank(struct dentry *dentry)
{
	return !rcu_access_pointer(*bl_node_slot(dentry));
}

/**
 * bl_node_hold - the node of a dentry that shows something
 * @dentry: dentry of a tree, but not its root
 *
 * Return: the node with a reference, or NULL, for which bl_node_lacks() has the
 * reason.
 */
static __always_inline struct bl_node *bl_node_hold(struct dentry *dentry)
{
	struct bl_node *node;

	guard(bl_look)();
	/* One that is replaced at this moment: there is another already. */
	do {
		node = bl_rcu_dereference(*bl_node_slot(dentry));
		if (unlikely(!node || !node->real.dentry))
			return NULL;
	} while (unlikely(!refcount_inc_not_zero(&node->ref)));
	return node;
}

/*
 * Why: -ESTALE for a dentry that was never looked up, -ENOENT where nothing is behind
 * it.
 */
static inline int bl_node_lacks(struct dentry *dentry)
{
	return rcu_access_pointer(*bl_node_slot(dentry)) ? -ENOENT : -ESTALE;
}

void bl_node_inherit(struct bl_node *node, struct dentry *dentry);
unsigned long bl_node_unruled(struct dentry *dentry);
bool bl_node_moved(struct dentry *dentry, struct dentry *target,
		   struct dentry *lower);
struct dentry *bl_node_lower(struct dentry *dentry, struct dentry *dir);
bool bl_node_lowers(struct dentry *old, const struct dentry *from,
		    struct dentry *new, const struct dentry *to,
		    struct renamedata *rd, struct bl_node *nodes[2]);
void bl_node_renamed(struct dentry *dentry, struct dentry *target,
		     const struct dentry *was, struct dentry *lower,
		     bool beside);
struct bl_node *bl_node_proved(struct dentry *dentry);
struct dentry *bl_node_beside(const struct bl_node *node,
			      const struct dentry *other);
struct bl_node *bl_node_made(struct dentry *dentry, struct bl_mnt *mnt,
			     struct dentry *lower);
bool bl_node_abandon(struct dentry *dentry, struct dentry *lower);
void bl_node_free(struct bl_node *node);

/**
 * bl_node_put - drop a reference
 * @node: node or NULL
 *
 * Context: may sleep.
 */
static inline void bl_node_put(struct bl_node *node)
{
	if (node && refcount_dec_and_test(&node->ref))
		bl_node_free(node);
}

void bl_node_set(struct dentry *dentry, struct bl_node *node);
int bl_node_bound_valid(const struct bl_node *node);
bool bl_dentry_stale(struct dentry *dentry, struct bl_basis **freed);
int bl_dentry_renew(struct dentry *dentry);
bool bl_dentry_rest(struct dentry *dir);
struct dentry *bl_lookup(struct inode *dir, struct dentry *dentry,
			 unsigned int flags);
struct inode *bl_node_inode(struct dentry *dentry, struct bl_node *node);
int bl_splice(struct dentry *dentry, struct bl_node *node);
int bl_lookup_blank(struct dentry *dentry);
struct dentry *bl_dentry_opened(struct super_block *sb,
				const struct bl_real *real);
void bl_tree_unopen(struct bl_tree *tree);
struct dentry *bl_tree_cached(struct bl_tree *tree, const char *virtual);
void bl_tree_forget(struct bl_tree *tree, const char *virtual);

/* lane.c: plain links without a stacked filesystem in between */

int bl_d_manage(const struct path *path, bool rcu);
int bl_root_manage(const struct path *path, bool rcu);
int bl_gate_valid(const struct dentry *dentry, const struct bl_node *node);
struct vfsmount *bl_d_automount(struct path *path);
void bl_lane_offer(struct bl_link *link);
void bl_lane_drop(struct bl_link *link);
bool bl_lane_is_event(void);
int bl_lane_follow_down(struct path *path);
int bl_lane_path_lookup(struct dentry *dentry, struct vfsmount *mnt,
			const char *name, unsigned int flags,
			struct path *path);
int bl_lane_kern_path(const char *name, unsigned int flags, struct path *path);
bool bl_lane_follow_over(struct path *path);
void bl_lane_name(struct dentry *dentry);
void bl_lanes_unname(struct inode *dir);
void bl_lane_release(const struct dentry *dentry);
void bl_lanes_near(const char *path);
void bl_lanes_confirm(void);
void bl_lanes_flush(void);
void bl_lanes_leave(const struct super_block *sb);
void bl_lanes_init(void);
void bl_lanes_exit(void);

/* Whether a dentry is, or was just now, the gate of a lane. */
static inline bool bl_is_gate(const struct dentry *dentry)
{
	return READ_ONCE(dentry->d_flags) & DCACHE_MANAGE_TRANSIT;
}

/* merge.c: directories that are made of several */

int bl_merge_make(struct dentry *dir);
int bl_merge_removable(const struct bl_where *where);
int bl_layer_empty(const struct bl_layer *layer, const struct cred *cred);

/* dir.c: changing directories */

int bl_create(struct mnt_idmap *idmap, struct inode *dir,
	      struct dentry *dentry, umode_t mode, bool excl);
int bl_mkdir(struct mnt_idmap *idmap, struct inode *dir,
	     struct dentry *dentry, umode_t mode);
int bl_mknod(struct mnt_idmap *idmap, struct inode *dir,
	     struct dentry *dentry, umode_t mode, dev_t rdev);
int bl_symlink(struct mnt_idmap *idmap, struct inode *dir,
	       struct dentry *dentry, const char *target);
int bl_link_op(struct dentry *old, struct inode *dir, struct dentry *new);
int bl_unlink(struct inode *dir, struct dentry *dentry);
int bl_rmdir(struct inode *dir, struct dentry *dentry);
int bl_rename(struct mnt_idmap *idmap, struct inode *old_dir,
	      struct dentry *old, struct inode *new_dir, struct dentry *new,
	      unsigned int flags);
int bl_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file,
	       umode_t mode);
int bl_atomic_open(struct inode *dir, struct dentry *dentry,
		   struct file *file, unsigned int flags, umode_t mode);

/* file.c: open files */

extern const struct file_operations bl_file_fops;
extern const struct file_operations bl_dir_fops;
extern const struct file_operations bl_way_fops;

struct bl_merge *bl_file_merge(const struct file *file);
int bl_file_adopt(struct file *file, struct file *real);
void bl_file_abandon(struct file *file);
struct file *bl_file_real(const struct file *file);
loff_t bl_file_llseek(struct file *file, struct file *real, loff_t offset,
		      int whence);
bool bl_file_find(const struct path *path, struct path *real, bool *masked);

/* spare.c: files behind that were closed, for whoever opens them again */

struct file *bl_spare_take(struct file *user, const struct path *path,
			   unsigned int flags);
bool bl_spare_give(struct inode *inode, struct file *file);
void bl_spare_drop(const struct inode *real);
void bl_spares_init(void);
void bl_spares_exit(void);

/* readdir.c: listing directories that links are in */

#define BL_LISTING_MAX	16

/**
 * struct bl_dir_rules - the rules that have names in a directory
 * @spaces: whose rules @dirs are of
 * @dirs: the directory in the rules of its path, and in those of the backing
 *	paths that it is inside of
 * @nr: entries of @dirs
 */
struct bl_dir_rules {
	struct bl_space *spaces[BL_LISTING_MAX];
	struct bl_rule_node *dirs[BL_LISTING_MAX];
	int nr;
};

int bl_dir_rules_get(struct dentry *dir, bool inner, struct bl_dir_rules *rules);
void bl_dir_rules_put(struct bl_dir_rules *rules);
int bl_dir_rules_find(const struct bl_dir_rules *rules, const char *name,
		      unsigned int len, struct bl_rule *rule);
int bl_dir_rule_type(struct dentry *dir, const char *name, bool link, u64 *ino);
int bl_iterate(struct file *file, struct dir_context *ctx);
loff_t bl_dir_llseek(struct file *file, loff_t offset, int whence);

/* merge_readdir.c: listing directories that are made of several */

struct bl_merge *bl_merge_open(const struct file *file);
void bl_merge_release(struct bl_merge *merge);
int bl_merge_iterate(struct file *file, struct dir_context *ctx);
loff_t bl_merge_llseek(struct file *file, loff_t offset, int whence);

/* xattr.c: extended attributes, ACLs and inode flags */

extern const struct xattr_handler * const bl_xattr_handlers[];

ssize_t bl_listxattr(struct dentry *dentry, char *list, size_t size);
struct posix_acl *bl_get_acl(struct mnt_idmap *idmap, struct dentry *dentry,
			     int type);
int bl_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
	       struct posix_acl *acl, int type);
int bl_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int bl_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
		    struct fileattr *fa);

/* netlink.c */

int bl_netlink_init(void);
void bl_netlink_exit(void);
void bl_netlink_notify(const struct bl_link_info *info, u8 cmd);

#endif /* _BINDLINK_H */
