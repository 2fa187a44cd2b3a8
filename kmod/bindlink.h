/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internal interfaces of bindlink, grouped by the file that has them.
 *
 * Lock order, outermost first:
 *
 *	bl_link_mutex			links, spaces and rule tables
 *	i_rwsem of a tree's inodes	taken by the VFS
 *	i_rwsem and s_vfs_rename_mutex of the filesystems below
 *	bl_tree.mnt_mutex		list of private mounts (no lookup inside)
 *	d_lock of a tree's dentry	guards bl_node of that dentry
 *	bl_tree.bind_lock, bl_guard_lock, bl_open_lock	leaves
 *
 * bl_link_mutex is never taken with a lock of a filesystem held, and no path
 * is looked up under it. Resolving a backing path takes no lock of bindlink
 * at all, because it may pass through other trees.
 */

#ifndef _BINDLINK_H
#define _BINDLINK_H

#include <linux/cred.h>
#include <linux/mnt_idmapping.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <linux/bindlink.h>

#include "compat.h"

struct bl_link;
struct bl_tree;

#define BL_SUPER_MAGIC	0x624c6e6b	/* "bLnk"; seen by kernel code only */

/*
 * Links that may be entered to follow one path. Each level costs one walk on
 * the kernel stack.
 */
#define BL_MAX_DEPTH	10

/* path.c: path strings, no VFS types */

int bl_path_normalize(const char *path, char *out, size_t size,
		      const char **why);
const char *bl_path_last(const char *path);

/* rules.c: precedence, no VFS types */

enum bl_rule_kind {
	BL_RULE_NONE,
	BL_RULE_LINK,		/* from here on the link applies */
	BL_RULE_EXCEPTION,	/* from here on the original is seen */
};

/**
 * struct bl_rules - the rules of one root directory, by path component
 * @nodes: every component that is on the way to a rule, keyed by parent and
 *	name, so that a step down the path costs one hash lookup
 * @root: node of "/", which carries no rule
 * @count: rules in the table
 *
 * Writers and readers are serialised by the owner of the table.
 */
struct bl_rules {
	struct rhashtable nodes;
	struct bl_rule_node *root;
	unsigned int count;
};

/**
 * struct bl_match - which rule applies to a path
 * @kind: BL_RULE_NONE when no rule does
 * @link: the link of the rule; for an exception the link that has it
 * @rest: what of the path is below the rule's path: "" or "/..."
 */
struct bl_match {
	enum bl_rule_kind kind;
	struct bl_link *link;
	const char *rest;
};

int bl_rules_init(struct bl_rules *rules);
void bl_rules_destroy(struct bl_rules *rules);
int bl_rules_add(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, struct bl_link *link);
int bl_rules_del(struct bl_rules *rules, const char *path);
bool bl_rules_find(struct bl_rules *rules, const char *path,
		   struct bl_match *match);
bool bl_rules_match(struct bl_rules *rules, const char *path,
		    struct bl_match *match);
bool bl_rules_below(struct bl_rules *rules, const char *path);

/* link.c: links and what carries them */

enum bl_link_state {
	BL_LINK_PENDING,	/* its tree was never seen attached */
	BL_LINK_LIVE,
	BL_LINK_GONE,		/* unmounted, or being removed */
};

/**
 * struct bl_link - one link
 * @ref: the table has one while the link is listed, the tree has one as long
 *	as it resolves the backing path
 * @id: never used twice
 * @virtual: normalised virtual path
 * @backing: normalised backing path
 * @flags: enum bindlink_flag
 * @state: enum bl_link_state, under bl_link_mutex
 * @space: whose rule table has the link, NULL once it is unlisted
 * @tree: the tree that carries it, NULL once that is gone; bl_link_mutex
 * @holder: port of the netlink socket that is removing it, 0 for none
 * @holder_net: network namespace of that socket, for comparison only
 * @cred: credentials of the creator, with which @backing is resolved: search
 *	permission on the way to it is not the caller's business
 * @root: root directory of the creator, from which @backing is resolved
 * @watch: mount events of the creator's namespace can be watched
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
	struct bl_space *space;
	struct bl_tree *tree;
	const struct cred *cred;
	struct path root;
	struct rcu_head rcu;
	char paths[];
};

/**
 * struct bl_why - why something is refused
 * @msg: a sentence about @attr, static
 * @attr: the BINDLINK_A_LINK_* that is to blame, or 0
 */
struct bl_why {
	const char *msg;
	int attr;
};

/**
 * struct bl_link_info - a copy of what is told about a link
 */
struct bl_link_info {
	u64 id;
	u32 flags;
	u32 carrier;
	dev_t dev;
	char *virtual;
	char *backing;
};

/**
 * struct bl_plan - a link that was asked for and may be made
 * @virtual: canonical virtual path (names_cache)
 * @backing: normalised backing path (names_cache)
 * @flags: enum bindlink_flag
 * @path: what the virtual path is now
 * @root: root directory of the caller, or the initial one in its place
 */
struct bl_plan {
	char *virtual;
	char *backing;
	u32 flags;
	struct path path;
	struct path root;
};

int bl_plan_init(struct bl_plan *plan, const char *virtual,
		 const char *backing, u32 flags, u32 attach, bool exceptions,
		 struct bl_why *why);
void bl_plan_destroy(struct bl_plan *plan);
int bl_link_create(struct bl_plan *plan, struct file *tree_file,
		   struct bl_why *why);
int bl_link_hold(const char *virtual, u32 portid, const void *net,
		 struct bl_link_info *info, struct bl_why *why);
int bl_link_remove(const char *virtual, u32 portid, const void *net,
		   struct bl_why *why);
void bl_link_release_holder(u32 portid, const void *net);
int bl_link_get_info(const char *virtual, struct bl_link_info *info,
		     struct bl_why *why);
int bl_link_next_info(u64 after, struct bl_link_info *info);
unsigned int bl_link_generation(void);
void bl_link_info_free(struct bl_link_info *info);
int bl_link_resolve(const char *path, struct bl_link_info *info,
		    char **name, char **real, int *error,
		    struct bl_why *why);
void bl_link_tree_dying(struct bl_tree *tree);
void bl_link_put(struct bl_link *link);
void bl_links_exit(void);

/* mnt.c: private mounts, so that the user's own are not pinned */

/**
 * struct bl_mnt - a mount of a backing filesystem that nobody else sees
 * @list: entry of bl_tree.mnts
 * @mnt: the mount; one reference, dropped with the tree
 * @flags: the MNT_USER_SETTABLE_MASK flags it has to keep
 * @source: the mount it stands for, compared and never followed
 * @rcu: readers in RCU-walk
 */
struct bl_mnt {
	struct list_head list;
	struct vfsmount *mnt;
	int flags;
	const void *source;
	struct rcu_head rcu;
};

struct bl_mnt *bl_mnt_get(struct bl_tree *tree, const struct path *path,
			  int extra_flags);
void bl_mnts_destroy(struct bl_tree *tree);

/* bind.c: late binding of a tree's root */

/**
 * struct bl_seq - a dentry and what its d_seq was
 */
struct bl_seq {
	struct dentry *dentry;
	unsigned int seq;
};

/**
 * struct bl_bind - what a tree's root shows
 * @rcu: readers in RCU-walk
 * @ref: the tree has one, every user has one
 * @real: what is shown. The mount belongs to @mnt.
 * @mnt: private mount of @real
 * @event: mount event count for which @chain holds
 * @nr: entries of @chain; 0 when every use has to resolve again
 * @chain: every dentry between the creator's root and @real, mount points
 *	included. While none of their sequences and no mount changed,
 *	resolving again would give the same. The filesystems are kept alive
 *	by private mounts of the tree.
 *
 * Immutable once it is published.
 */
struct bl_bind {
	struct rcu_head rcu;
	refcount_t ref;
	struct path real;
	struct bl_mnt *mnt;
	int event;
	unsigned int nr;
	struct bl_seq chain[] __counted_by(nr);
};

struct bl_bind *bl_bind_fixed(struct bl_mnt *mnt, struct dentry *dentry);
void bl_bind_put(struct bl_bind *bind);
struct bl_bind *bl_bind_rcu(struct bl_tree *tree);
struct bl_bind *bl_bind_get(struct bl_tree *tree);
struct bl_bind *bl_bind_last(struct bl_tree *tree);
int bl_bind_may_enter(void);
void bl_bind_drop(struct bl_tree *tree);
int bl_bind_follow(struct bl_tree *tree, const char *rest, struct path *path);
struct dentry *bl_bind_cross(struct bl_tree *tree, const char *rest,
			     struct dentry *lower, struct bl_mnt **mnt);
bool bl_bind_collapse(struct path *path, int *flags);
bool bl_watch_start(void);
void bl_watch_stop(void);

/* super.c */

/**
 * struct bl_tree - superblock data of a tree
 * @sb: the superblock, which owns this
 * @link: the link that the root shows, or NULL: the carrier is shown then.
 *	Written under bl_link_mutex, read under RCU. Has a reference.
 * @owner: the link that is listed for this tree; bl_link_mutex
 * @bind: what @link was resolved to last, RCU, replaced under @bind_lock
 * @carrier: what the root shows without a link; never changes
 * @bind_lock: see @bind
 * @bind_ticket: ticket of the resolution that @bind is from; @bind_lock
 * @ticket: last ticket of a resolution that was given out
 * @mnts: list of struct bl_mnt, grows until the tree dies
 * @mnt_mutex: guards @mnts
 * @is_dir: the root is a directory; never changes
 * @rcu: readers in RCU-walk
 */
struct bl_tree {
	struct super_block *sb;
	struct bl_link __rcu *link;
	struct bl_link *owner;
	struct bl_bind __rcu *bind;
	struct bl_bind *carrier;
	spinlock_t bind_lock;		/* publishing @bind */
	u64 bind_ticket;
	atomic64_t ticket;
	struct list_head mnts;
	struct mutex mnt_mutex;		/* adding to @mnts */
	bool is_dir;
	struct rcu_head rcu;
};

extern struct file_system_type bl_fs_type;

static inline struct bl_tree *bl_tree(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline bool bl_is_tree(const struct super_block *sb)
{
	return sb->s_type == &bl_fs_type;
}

int bl_super_init(void);
void bl_super_exit(void);

/* inode.c: attributes, permission and the identity of inodes */

/**
 * struct bl_inode - an inode of a tree
 * @real: inode behind it, with a reference; NULL for the root of a tree, which
 *	is bound to a path
 * @mnt: private mount through which it is used; lives as long as the tree
 * @alias: dentry that a directory belongs to; compared and never followed
 */
struct bl_inode {
	struct inode vfs_inode;
	struct inode *real;
	struct bl_mnt *mnt;
	struct dentry *alias;
};

static inline struct bl_inode *BL_I(const struct inode *inode)
{
	return container_of(inode, struct bl_inode, vfs_inode);
}

static inline bool bl_is_root(const struct inode *inode)
{
	return !BL_I(inode)->real;
}

extern const struct inode_operations bl_dir_iops;
extern const struct inode_operations bl_file_iops;
extern const struct inode_operations bl_symlink_iops;

struct inode *bl_inode_get(struct super_block *sb, struct bl_mnt *mnt,
			   struct inode *real);
struct inode *bl_inode_claim(struct dentry *dentry, struct bl_mnt *mnt,
			     struct inode *real);
void bl_inode_unclaim(struct dentry *dentry, struct inode *inode);
struct inode *bl_inode_root(struct super_block *sb, umode_t type);
void bl_inode_refresh(struct inode *inode, struct inode *real,
		      struct vfsmount *mnt);
int bl_permission(struct mnt_idmap *idmap, struct inode *inode, int mask);
int bl_getattr(struct mnt_idmap *idmap, const struct path *path,
	       struct kstat *stat, u32 mask, unsigned int flags);
int bl_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
	       struct iattr *attr);

/* dentry.c: what a name stands for, and whether that still holds */

/**
 * struct bl_node - d_fsdata of every dentry of a tree but the root
 * @rcu: readers in RCU-walk
 * @lower: dentry of the name in the backing directory, positive or negative,
 *	with a reference
 * @real: what the name shows: @lower, or the root of what is mounted there.
 *	The mount belongs to @mnt, the dentry has a reference.
 * @mnt: private mount of @real
 * @inode: inode of @real when it was looked up, NULL for a negative one
 * @seq: d_seq of @lower when it was looked up
 * @check: nothing can be told from @seq: look up again at each use
 *
 * Owned by the dentry. Replaced under d_lock, freed after a grace period;
 * the dentries that it pins are freed by RCU themselves, so their d_seq may
 * be read in RCU-walk though the references are dropped at once. A positive
 * dentry that is pinned stays positive, so @inode stays too.
 */
struct bl_node {
	struct rcu_head rcu;
	struct dentry *lower;
	struct path real;
	struct bl_mnt *mnt;
	struct inode *inode;
	unsigned int seq;
	bool check;
};

/**
 * struct bl_real - what a dentry stands for at the moment
 * @path: where. The mount belongs to @mnt, the dentry has a reference and is
 *	negative for a negative dentry
 * @mnt: private mount of @path
 */
struct bl_real {
	struct path path;
	struct bl_mnt *mnt;
};

extern const struct dentry_operations bl_dops;

int bl_real_get(struct dentry *dentry, struct bl_real *real);
void bl_real_put(struct bl_real *real);
struct bl_node *bl_node_new(struct bl_mnt *mnt, struct dentry *lower);
void bl_node_free(struct bl_node *node);
void bl_node_set(struct dentry *dentry, struct bl_node *node);
struct dentry *bl_lookup(struct inode *dir, struct dentry *dentry,
			 unsigned int flags);
int bl_splice(struct dentry *dentry, struct bl_node *node);
struct dentry *bl_dentry_opened(struct super_block *sb,
				const struct bl_real *real);

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

int bl_file_adopt(struct file *file, struct file *real);
void bl_file_abandon(struct file *file);
struct file *bl_file_real(const struct file *file);
bool bl_file_find(const struct path *path, struct path *real);

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
