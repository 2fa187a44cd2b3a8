// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of a tree: identity, attributes and permission.
 *
 * An inode stands for the inode behind it and has no state of its own. What
 * the VFS reads from an inode directly (mode, owner, size, link count) is
 * copied before it does, so that a set-user-ID bit that was dropped below is
 * not honoured here an instant later. All else is asked below, with the
 * caller's credentials.
 */

#include <linux/cred.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/stat.h>
#include <linux/xattr.h>

#include "bindlink.h"

/*
 * Times, capabilities and I/O are the business of the inode behind. So are
 * S_APPEND and S_IMMUTABLE, which the VFS looks at before it asks: what was
 * dropped below would still hold here.
 */
#define BL_INODE_FLAGS	(S_NOATIME | S_NOCMTIME | S_NOSEC)

static kuid_t bl_uid(struct mnt_idmap *idmap, struct inode *real)
{
	return likely(idmap == &nop_mnt_idmap) ? real->i_uid :
		AS_KUIDT(i_uid_into_vfsuid(idmap, real));
}

static kgid_t bl_gid(struct mnt_idmap *idmap, struct inode *real)
{
	return likely(idmap == &nop_mnt_idmap) ? real->i_gid :
		AS_KGIDT(i_gid_into_vfsgid(idmap, real));
}

static umode_t bl_mode(struct inode *real, const struct bl_mnt *mnt)
{
	umode_t mode = READ_ONCE(real->i_mode);

	/* exec asks the mount of the tree, which knows nothing of this one. */
	if (S_ISREG(mode) && (mnt->flags & MNT_NOSUID))
		mode &= ~(S_ISUID | S_ISGID);
	return mode & mnt->modes;
}

/* Who may do what with @real. Under i_lock, so that the last to copy it is right. */
static void bl_inode_copy_access(struct inode *inode, struct inode *real,
				 const struct bl_mnt *mnt)
{
	struct mnt_idmap *idmap = mnt_idmap(mnt->mnt);
	umode_t mode = bl_mode(real, mnt);

	lockdep_assert_held(&inode->i_lock);
	/*
	 * The kind of a directory and of a symlink is in the dentry; only the
	 * root of a tree over a file can change it, and never to those.
	 */
	if (S_ISDIR(inode->i_mode) == S_ISDIR(mode))
		WRITE_ONCE(inode->i_mode, mode);
	inode->i_uid = bl_uid(idmap, real);
	inode->i_gid = bl_gid(idmap, real);
}

static bool bl_inode_same_access(const struct inode *inode, struct inode *real,
				 const struct bl_mnt *mnt)
{
	struct mnt_idmap *idmap = mnt_idmap(mnt->mnt);

	return inode->i_mode == bl_mode(real, mnt) &&
	       uid_eq(inode->i_uid, bl_uid(idmap, real)) &&
	       gid_eq(inode->i_gid, bl_gid(idmap, real));
}

/**
 * bl_inode_refresh_access - copy the mode and the owners alone
 * @inode: inode of a tree
 * @real: inode behind it
 * @mnt: private mount of @real
 *
 * Context: any, RCU-walk too: @inode may be going. Writes only what differs.
 */
void bl_inode_refresh_access(struct inode *inode, struct inode *real,
			     const struct bl_mnt *mnt)
{
	if (likely(bl_inode_same_access(inode, real, mnt)))
		return;
	spin_lock(&inode->i_lock);
	bl_inode_copy_access(inode, real, mnt);
	spin_unlock(&inode->i_lock);
}

/**
 * bl_inode_refresh - copy what the VFS reads from an inode directly
 * @inode: inode of a tree, held by the caller
 * @real: inode behind it
 * @mnt: private mount of @real
 *
 * Context: any, but not RCU-walk. Writes only what differs.
 */
void bl_inode_refresh(struct inode *inode, struct inode *real,
		      const struct bl_mnt *mnt)
{
	unsigned int nlink;

	if (likely(bl_inode_same_access(inode, real, mnt) &&
		   inode->i_nlink == READ_ONCE(real->i_nlink) &&
		   i_size_read(inode) == i_size_read(real) &&
		   inode->i_rdev == real->i_rdev && IS_NOSEC(inode)))
		return;

	spin_lock(&inode->i_lock);
	bl_inode_copy_access(inode, real, mnt);
	inode->i_rdev = real->i_rdev;
	/* notify_change() takes it off when a set-user-ID bit is set. */
	inode_set_flags(inode, S_NOSEC, S_NOSEC);
	nlink = READ_ONCE(real->i_nlink);
	if (inode->i_nlink != nlink)
		set_nlink(inode, nlink);
	i_size_write(inode, i_size_read(real));
	inode->i_blkbits = real->i_blkbits;
	spin_unlock(&inode->i_lock);
}

/**
 * bl_inode_be_way - have an inode look like that of a directory for links alone
 * @inode: inode of a tree's root
 */
void bl_inode_be_way(struct inode *inode)
{
	spin_lock(&inode->i_lock);
	WRITE_ONCE(inode->i_mode, S_IFDIR | 0555);
	inode->i_uid = GLOBAL_ROOT_UID;
	inode->i_gid = GLOBAL_ROOT_GID;
	set_nlink(inode, 2);
	i_size_write(inode, 0);
	spin_unlock(&inode->i_lock);
}

/**
 * struct bl_use - what is behind an inode at the moment
 * @real: inode behind it; NULL for a directory that only leads to links
 * @mnt: private mount of @real
 * @bind: keeps them, or NULL
 * @merged: it is one of several
 * @held: keeps them, if it has a dentry
 */
struct bl_use {
	struct inode *real;
	struct bl_mnt *mnt;
	struct bl_bind *bind;
	bool merged;
	struct bl_real held;
};

static void bl_inode_unuse(struct bl_use *use)
{
	bl_bind_put(use->bind);
	if (use->held.path.dentry)
		bl_real_put(&use->held);
}

static int bl_inode_use_root(struct bl_tree *tree, int mask, struct bl_use *use)
{
	struct bl_bind *bind;

	if (mask & MAY_NOT_BLOCK) {
		use->merged = bl_root_merged(tree);
		bind = bl_root_rcu(tree);
		if (!bind)
			return -ECHILD;
		use->real = d_inode_rcu(bind->real.dentry);
		use->mnt = bind->mnt;
		return use->real ? 0 : -ECHILD;
	}
	bind = bl_root_get(tree, &use->merged);
	if (IS_ERR(bind)) {
		if (!bl_root_way(tree, PTR_ERR(bind)))
			return PTR_ERR(bind);
		bl_inode_be_way(d_inode(tree->sb->s_root));
		return 0;
	}
	use->bind = bind;
	use->real = d_inode(bind->real.dentry);
	use->mnt = bind->mnt;
	return 0;
}

/*
 * The root: what it is bound to now. A directory inside of a merged link: what
 * its name was found to show. Others: the inode itself knows.
 */
static int bl_inode_use(struct inode *inode, int mask, struct bl_use *use)
{
	struct dentry *alias;
	int err;

	use->real = NULL;
	use->mnt = NULL;
	use->bind = NULL;
	use->merged = false;
	use->held.path.dentry = NULL;
	if (bl_is_root(inode))
		return bl_inode_use_root(bl_tree(inode->i_sb), mask, use);
	if (!BL_I(inode)->merged) {
		use->real = BL_I(inode)->real;
		use->mnt = BL_I(inode)->mnt;
		return 0;
	}
	if (mask & MAY_NOT_BLOCK)
		return -ECHILD;
	alias = READ_ONCE(BL_I(inode)->alias);
	err = alias ? bl_real_get(alias, &use->held) : -ESTALE;
	if (err)
		return err;
	use->real = d_inode(use->held.path.dentry);
	use->mnt = use->held.mnt;
	use->merged = true;
	return 0;
}

/*
 * Whether not all names in a directory are read-only that is so itself: those in
 * another layer of a merged link are not, nor are exceptions and links. Who is
 * about to change one is told by the change; access(2) is told of the directory.
 */
static bool bl_inode_mixed(struct inode *inode, int mask,
			   const struct bl_use *use)
{
	struct dentry *dentry;
	bool mixed;

	if (!S_ISDIR(inode->i_mode) || (mask & MAY_ACCESS))
		return false;
	if (use->merged)
		return true;
	dentry = d_find_any_alias(inode);
	if (!dentry)
		return false;
	mixed = bl_dentry_below(dentry) > 0;
	dput(dentry);
	return mixed;
}

DEFINE_STATIC_KEY_FALSE(bl_labels);

/**
 * bl_inode_init - find out which security modules there are
 */
void __init bl_inode_init(void)
{
	if (security_ismaclabel(XATTR_SELINUX_SUFFIX) ||
	    security_ismaclabel(XATTR_SMACK_SUFFIX))
		static_branch_enable(&bl_labels);
}

/*
 * What a walk asks of a directory, answered where that is plain to see: see @search
 * of struct bl_bind.
 */
static __always_inline bool bl_inode_searchable(const struct inode *inode,
						const struct inode *real,
						umode_t search)
{
	/* What is shown has all bits that are looked at. */
	const umode_t mode = READ_ONCE(real->i_mode) & search;

	return likely(inode->i_mode == mode &&
		      uid_eq(inode->i_uid, real->i_uid)) &&
	       bl_mode_searched(real, mode);
}

/* The node of a directory inside of a merged link, under RCU; or NULL. */
static __always_inline const struct bl_node *
bl_merged_node(const struct inode *inode)
{
	struct dentry *alias = READ_ONCE(BL_I(inode)->alias);

	return alias ? rcu_dereference(*bl_node_slot(alias)) : NULL;
}

/* Whether such a directory may be searched, likewise. */
static __always_inline bool bl_merged_searchable(const struct inode *inode)
{
	const struct bl_node *node = bl_merged_node(inode);

	return node && node->inode &&
	       bl_inode_searchable(inode, node->inode, node->search);
}

/* Whether @mask is what a walk asks of a directory, in RCU-walk. */
static __always_inline bool bl_mask_walks(int mask)
{
	return mask == (MAY_NOT_BLOCK | MAY_EXEC);
}

/* The same, in ref-walk, too. */
static __always_inline bool bl_mask_searches(int mask)
{
	return (mask & (MAY_EXEC | MAY_READ | MAY_WRITE)) == MAY_EXEC;
}

/*
 * Whether it is plain to see that the caller may do what @mask says with @real,
 * because it is the caller's own: what inode_permission() says, without what it asks
 * security modules, which those without labels were asked about the tree's inode.
 */
static __always_inline bool bl_owner_may(const struct inode *real, int mask)
{
	umode_t mode = READ_ONCE(real->i_mode);

	if (!bl_inode_plain(real) ||
	    !(S_ISREG(mode) || S_ISDIR(mode)) ||
	    !uid_eq(real->i_uid, current_fsuid()) ||
	    (mask & (MAY_READ | MAY_WRITE | MAY_EXEC) & ~(mode >> 6)))
		return false;
	return !(mask & MAY_WRITE) ||
	       (!IS_IMMUTABLE(real) && !sb_rdonly(real->i_sb) &&
		gid_valid(real->i_gid));
}

/* The same of what @inode shows, @real in @mnt, which a read-only link may be. */
static __always_inline bool bl_inode_may(const struct inode *inode,
					 const struct inode *real,
					 const struct bl_mnt *mnt, int mask)
{
	if (!real || !bl_inode_fresh(inode, real, mnt))
		return false;
	if (bl_mask_searches(mask) && S_ISDIR(inode->i_mode) &&
	    bl_search_free(real))
		return true;
	return !(mnt->flags & (MNT_READONLY | MNT_NOEXEC)) &&
	       bl_owner_may(real, mask);
}

/* The same of a directory inside of a merged link. */
static noinline bool bl_merged_may(const struct inode *inode, int mask)
{
	const struct bl_node *node;

	guard(rcu)();
	node = bl_merged_node(inode);
	return node && bl_inode_may(inode, node->inode, node->mnt, mask);
}

static noinline int bl_permitted_unname(struct inode *dir)
{
	bl_lanes_unname(dir);
	return 0;
}

/*
 * The caller may do what @mask says with @inode. What is to be removed or renamed was
 * looked up by the VFS, which asks here, and then refuses what something is mounted
 * on, for which lanes must not be the reason.
 */
static __always_inline int bl_permitted(struct inode *inode, int mask)
{
	if ((mask & (MAY_WRITE | MAY_EXEC | MAY_NOT_BLOCK)) ==
	    (MAY_WRITE | MAY_EXEC) && S_ISDIR(inode->i_mode) &&
	    unlikely(READ_ONCE(bl_tree(inode->i_sb)->named)))
		return bl_permitted_unname(inode);
	return 0;
}

static noinline int bl_permission_full(struct mnt_idmap *idmap,
				       struct inode *inode, int mask)
{
	struct bl_use use;
	struct inode *real;
	struct bl_mnt *mnt;
	int err;

	err = bl_inode_use(inode, mask, &use);
	if (err)
		return err;
	real = use.real;
	mnt = use.mnt;
	if (!real)
		return generic_permission(idmap, inode, mask) ?:
		       bl_permitted(inode, mask);
	if (mask & MAY_NOT_BLOCK)
		bl_inode_refresh_access(inode, real, mnt);
	else
		bl_inode_refresh(inode, real, mnt);
	err = inode_permission(mnt_idmap(mnt->mnt), real, mask);
	if (unlikely(mnt->flags & (MNT_READONLY | MNT_NOEXEC))) {
		umode_t mode = real->i_mode;

		/* A read-only link says so to those who may not write, too. */
		if ((mask & MAY_WRITE) && (mnt->flags & MNT_READONLY) &&
		    !bl_inode_mixed(inode, mask, &use) &&
		    (!err || (err == -EACCES && bl_mnt_masked(mnt))) &&
		    (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
			err = -EROFS;
		else if (!err && (mask & MAY_EXEC) &&
			 (mnt->flags & MNT_NOEXEC) && S_ISREG(mode))
			err = -EACCES;
	}
	bl_inode_unuse(&use);
	return err ?: bl_permitted(inode, mask);
}

/* As bl_permission(), of what shows one inode, where it takes more than looking. */
static noinline int bl_permission_ask(struct mnt_idmap *idmap,
				      struct inode *inode, int mask)
{
	struct inode *real = BL_I(inode)->real;
	const int flags = BL_I(inode)->mnt->flags;

	if (likely(!(flags & (MNT_READONLY | MNT_NOEXEC))))
		return inode_permission(&nop_mnt_idmap, real, mask) ?:
		       bl_permitted(inode, mask);
	if ((mask & MAY_WRITE) && (flags & MNT_READONLY) &&
	    S_ISREG(inode->i_mode) && bl_owner_may(real, mask))
		return -EROFS;
	return bl_permission_full(idmap, inode, mask);
}

/* The same where it is not just searched: a call at each end needs no frame. */
static noinline int bl_permission_real(struct mnt_idmap *idmap,
				       struct inode *inode, int mask)
{
	const int flags = BL_I(inode)->mnt->flags;

	if (likely(!(flags & (MNT_READONLY | MNT_NOEXEC)) &&
		   bl_owner_may(BL_I(inode)->real, mask)))
		return bl_permitted(inode, mask);
	return bl_permission_ask(idmap, inode, mask);
}

static noinline int bl_merged_permission_other(struct mnt_idmap *idmap,
					       struct inode *inode, int mask)
{
	return bl_merged_may(inode, mask) ? bl_permitted(inode, mask) :
	       bl_permission_full(idmap, inode, mask);
}

/* The same of the root of a tree, where a short look is not enough. */
static noinline int bl_root_permission_ask(struct mnt_idmap *idmap,
					   struct inode *inode, int mask)
{
	const struct bl_bind *bind;
	bool may;

	scoped_guard(rcu) {
		bind = bl_root_rcu(bl_tree(inode->i_sb));
		may = bind && bl_inode_may(inode, bind->inode, bind->mnt, mask);
	}
	return may ? bl_permitted(inode, mask) :
		     bl_permission_full(idmap, inode, mask);
}

static noinline int bl_root_permission_other(struct mnt_idmap *idmap,
					     struct inode *inode, int mask)
{
	const struct bl_bind *bind;
	bool may;

	scoped_guard(bl_look) {
		bind = bl_root_brief(bl_tree(inode->i_sb));
		may = bind && bl_inode_may(inode, bind->inode, bind->mnt, mask);
	}
	return likely(may) ? bl_permitted(inode, mask) :
			     bl_root_permission_ask(idmap, inode, mask);
}

/**
 * bl_permission - ->permission()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @inode: inode of a tree, but not of its root, nor of a directory that is made of
 *	several
 * @mask: MAY_*
 *
 * Return: what the inode behind says; -EROFS and -EACCES where the mount of
 * the backing is read-only or noexec.
 */
static int bl_permission(struct mnt_idmap *idmap, struct inode *inode,
			 int mask)
{
	struct inode *real = BL_I(inode)->real;

	if (likely(real && bl_inode_fresh(inode, real, BL_I(inode)->mnt))) {
		if (likely(bl_mask_searches(mask) && S_ISDIR(inode->i_mode) &&
			   bl_search_free(real)))
			return 0;
		return bl_permission_real(idmap, inode, mask);
	}
	return bl_permission_full(idmap, inode, mask);
}

/*
 * The same of a directory that is made of several: the first is asked here, and all
 * of them by the lookup in it.
 */
static int bl_merged_permission(struct mnt_idmap *idmap, struct inode *inode,
				int mask)
{
	if (likely(bl_mask_walks(mask) && bl_merged_searchable(inode)))
		return 0;
	return bl_merged_permission_other(idmap, inode, mask);
}

static __always_inline bool bl_root_searchable(const struct inode *inode)
{
	const struct bl_bind *bind = bl_root_brief(bl_tree(inode->i_sb));

	return bind && bl_inode_searchable(inode, bind->inode, bind->search);
}

/* The same of a walk for which something was renamed since, somewhere. */
static noinline int bl_root_permission_walk(struct mnt_idmap *idmap,
					    struct inode *inode, int mask)
{
	const struct bl_bind *bind;

	scoped_guard(rcu) {
		bind = bl_root_rcu(bl_tree(inode->i_sb));
		if (bind && bl_inode_searchable(inode, bind->inode,
						bind->search))
			return 0;
	}
	return bl_root_permission_ask(idmap, inode, mask);
}

/*
 * ->permission() of the root of a tree. This is where every walk through it, from
 * a working directory too, finds out what it is bound to.
 */
static int bl_root_permission(struct mnt_idmap *idmap, struct inode *inode,
			      int mask)
{
	if (!likely(bl_mask_walks(mask)))
		return bl_root_permission_other(idmap, inode, mask);
	return likely(bl_root_searchable(inode)) ?
		0 : bl_root_permission_walk(idmap, inode, mask);
}

/*
 * What vfs_getattr_nosec() does before it asks the filesystem has been done for
 * the inode of the tree already, and mostly says the same.
 */
static __always_inline int bl_getattr_real(const struct path *real,
					   struct kstat *stat, u32 mask,
					   unsigned int flags)
{
	const struct inode *inode = d_inode(real->dentry);

	if (likely(inode->i_op->getattr &&
		   !(inode->i_flags & (S_AUTOMOUNT | S_DAX)) &&
		   !(inode->i_sb->s_flags & SB_NOATIME)))
		return inode->i_op->getattr(mnt_idmap(real->mnt), real, stat,
					    mask, flags);
	return vfs_getattr_nosec(real, stat, mask, flags);
}

static int bl_way_getattr(struct mnt_idmap *idmap, const struct path *path,
			  struct kstat *stat, u32 mask, unsigned int flags)
{
	generic_fillattr(idmap, mask, d_inode(path->dentry), stat);
	return 0;
}

/* Of what @bind is to, of which a reference is consumed. */
static __always_inline int bl_bind_getattr(struct bl_bind *bind,
					   struct kstat *stat, u32 mask,
					   unsigned int flags)
{
	int err = bl_getattr_real(&bind->real, stat, mask, flags);

	stat->mode &= bind->mnt->modes;
	bl_bind_put(bind);
	return err;
}

static noinline int bl_root_getattr_ask(struct mnt_idmap *idmap,
					const struct path *path,
					struct kstat *stat, u32 mask,
					unsigned int flags)
{
	struct dentry *dentry = path->dentry;
	struct bl_bind *bind = bl_root_get(bl_tree(dentry->d_sb), NULL);

	if (!IS_ERR(bind))
		return bl_bind_getattr(bind, stat, mask, flags);
	if (!bl_root_way(bl_tree(dentry->d_sb), PTR_ERR(bind)))
		return PTR_ERR(bind);
	bl_inode_be_way(d_inode(dentry));
	return bl_way_getattr(idmap, path, stat, mask, flags);
}

/* What the root of @tree shows, with a reference, or NULL for bl_root_get(). */
static __always_inline struct bl_bind *bl_root_hold(struct bl_tree *tree)
{
	struct bl_bind *bind;

	guard(bl_look)();
	bind = bl_root_brief(tree);
	return bind && refcount_inc_not_zero(&bind->ref) ? bind : NULL;
}

/* As bl_getattr(), of the root of a tree that is no directory. */
static int bl_root_file_getattr(struct mnt_idmap *idmap,
				const struct path *path, struct kstat *stat,
				u32 mask, unsigned int flags)
{
	struct bl_bind *bind = bl_root_hold(bl_tree(path->dentry->d_sb));

	if (likely(bind))
		return bl_bind_getattr(bind, stat, mask, flags);
	return bl_root_getattr_ask(idmap, path, stat, mask, flags);
}

/* The same of a directory. */
static int bl_root_getattr(struct mnt_idmap *idmap, const struct path *path,
			   struct kstat *stat, u32 mask, unsigned int flags)
{
	struct path opened;
	bool masked;
	int err;

	/* An open directory is what it was opened as. */
	if (!bl_file_find(path, &opened, &masked))
		return bl_root_file_getattr(idmap, path, stat, mask, flags);
	err = bl_getattr_real(&opened, stat, mask, flags);
	if (masked)
		stat->mode &= ~0222;
	path_put(&opened);
	return err;
}

/**
 * bl_getattr - ->getattr()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @path: path in the tree
 * @stat: result
 * @mask: STATX_*
 * @flags: AT_STATX_*
 *
 * Not of the root. Attributes, device and inode number are those of the inode behind.
 *
 * Return: as ->getattr().
 */
static int bl_getattr(struct mnt_idmap *idmap, const struct path *path,
		      struct kstat *stat, u32 mask, unsigned int flags)
{
	struct bl_node *node = bl_node_hold(path->dentry);
	int err;

	if (unlikely(!node))
		return bl_node_lacks(path->dentry);
	err = bl_getattr_real(&node->real, stat, mask, flags);
	stat->mode &= node->mnt->modes;
	bl_node_put(node);
	return err;
}

static int bl_notify_change(struct bl_real *real, const struct iattr *attr)
{
	struct inode *inode = d_inode(real->path.dentry);
	struct inode *delegated;
	struct iattr copy;
	int err;

	do {
		delegated = NULL;
		copy = *attr;
		inode_lock(inode);
		err = notify_change(mnt_idmap(real->path.mnt),
				    real->path.dentry, &copy, &delegated);
		inode_unlock(inode);
		if (!delegated)
			break;
		err = break_deleg_wait(&delegated);
	} while (!err);
	return err;
}

/*
 * Which privileges of a file are dropped with a change. The VFS decides that
 * by the inode of the tree, which may not have seen what was set below.
 */
static unsigned int bl_setattr_kill(unsigned int valid,
				    const struct bl_real *real)
{
	struct mnt_idmap *idmap = mnt_idmap(real->path.mnt);
	struct inode *inode = d_inode(real->path.dentry);

	/* The VFS made a mode of these; the filesystem below does so too. */
	if (valid & (ATTR_KILL_SUID | ATTR_KILL_SGID))
		valid &= ~ATTR_MODE;
	if (valid & ATTR_MODE)
		return valid;
	/* As do_truncate() and chown_common() do. */
	if ((valid & ATTR_SIZE) && !(valid & (ATTR_UID | ATTR_GID)))
		valid |= ATTR_FORCE | ATTR_KILL_PRIV |
			 setattr_should_drop_suidgid(idmap, inode);
	else if (valid & (ATTR_KILL_PRIV | ATTR_KILL_SUID))
		valid |= setattr_should_drop_sgid(idmap, inode);
	return valid;
}

/**
 * bl_setattr - ->setattr()
 * @idmap: ID mapping of the tree's mount, always the trivial one
 * @dentry: dentry of a tree, its inode locked by the VFS
 * @attr: attributes to set
 *
 * Return: as ->setattr().
 */
int bl_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
	       struct iattr *attr)
{
	struct iattr lower = *attr;
	struct inode *inode;
	struct bl_real real;
	int err;

	err = bl_real_get(dentry, &real);
	if (err && dentry == dentry->d_sb->s_root &&
	    bl_root_way(bl_tree(dentry->d_sb), err))
		err = -EROFS;
	if (err)
		return err;
	if (lower.ia_valid & ATTR_FILE)
		lower.ia_file = bl_file_real(lower.ia_file);
	inode = d_inode(real.path.dentry);

	/* The root may be bound to something else than what was checked. */
	if ((lower.ia_valid & ATTR_SIZE) && !(lower.ia_valid & ATTR_FILE) &&
	    bl_is_root(d_inode(dentry))) {
		err = inode_permission(mnt_idmap(real.path.mnt), inode,
				       MAY_WRITE);
		if (err)
			goto out;
	}

	lower.ia_valid = bl_setattr_kill(lower.ia_valid, &real);
	/* O_TRUNC is gone from the flags that the file below is opened with. */
	lower.ia_valid &= ~ATTR_OPEN;

	err = mnt_want_write(real.path.mnt);
	if (err)
		goto out;
	if (lower.ia_valid & ATTR_SIZE) {
		err = IS_APPEND(inode) ? -EPERM : get_write_access(inode);
		if (err)
			goto out_drop;
		if (!(lower.ia_valid & ATTR_FILE))
			err = break_lease(inode, O_WRONLY);
	}
	if (!err)
		err = bl_notify_change(&real, &lower);
	if (lower.ia_valid & ATTR_SIZE)
		put_write_access(inode);
out_drop:
	mnt_drop_write(real.path.mnt);
out:
	bl_inode_refresh(d_inode(dentry), inode, real.mnt);
	bl_real_put(&real);
	return err;
}

static const char *bl_get_link(struct dentry *dentry, struct inode *inode,
			       struct delayed_call *done)
{
	struct bl_real real;
	const char *target;
	int err;

	if (!dentry) {
		/* The target of a symlink never changes. */
		target = READ_ONCE(BL_I(inode)->real->i_link);
		return target ?: ERR_PTR(-ECHILD);
	}
	err = bl_real_get(dentry, &real);
	if (err)
		return ERR_PTR(err);
	touch_atime(&real.path);
	target = vfs_get_link(real.path.dentry, done);
	bl_real_put(&real);
	return target;
}

static int bl_fiemap(struct inode *inode, struct fiemap_extent_info *info,
		     u64 start, u64 len)
{
	struct bl_use use;
	int err;

	err = bl_inode_use(inode, 0, &use);
	if (err)
		return err;
	if (!use.real)
		return -EOPNOTSUPP;
	err = use.real->i_op->fiemap ?
		use.real->i_op->fiemap(use.real, info, start, len) :
		-EOPNOTSUPP;
	bl_inode_unuse(&use);
	return err;
}

/* What directories can do, whatever they are made of, but for their attributes. */
#define BL_DIR_IOPS							\
	.lookup = bl_lookup,						\
	.create = bl_create,						\
	.mkdir = bl_mkdir,						\
	.mknod = bl_mknod,						\
	.symlink = bl_symlink,						\
	.link = bl_link_op,						\
	.unlink = bl_unlink,						\
	.rmdir = bl_rmdir,						\
	.rename = bl_rename,						\
	.tmpfile = bl_tmpfile,						\
	.atomic_open = bl_atomic_open

/* What those can do that something is behind. */
#define BL_REAL_IOPS							\
	.setattr = bl_setattr,						\
	.listxattr = bl_listxattr,					\
	.get_acl = bl_get_acl,						\
	.set_acl = bl_set_acl,						\
	.fileattr_get = bl_fileattr_get,				\
	.fileattr_set = bl_fileattr_set,				\
	.fiemap = bl_fiemap

static const struct inode_operations bl_dir_iops = {
	BL_DIR_IOPS,
	BL_REAL_IOPS,
	.getattr = bl_getattr,
	.permission = bl_permission,
};

/* Inside of a merged link. */
static const struct inode_operations bl_merged_iops = {
	BL_DIR_IOPS,
	BL_REAL_IOPS,
	.getattr = bl_getattr,
	.permission = bl_merged_permission,
};

/* The root of a tree. */
static const struct inode_operations bl_root_iops = {
	BL_DIR_IOPS,
	BL_REAL_IOPS,
	.getattr = bl_root_getattr,
	.permission = bl_root_permission,
};

static int bl_way_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	return -EROFS;
}

/* A directory that only leads to links. */
static const struct inode_operations bl_way_iops = {
	BL_DIR_IOPS,
	.getattr = bl_way_getattr,
	.permission = bl_permission,
	.setattr = bl_way_setattr,
};

static const struct inode_operations bl_file_iops = {
	BL_REAL_IOPS,
	.getattr = bl_getattr,
	.permission = bl_permission,
};

/* The root of a tree over a file. */
static const struct inode_operations bl_root_file_iops = {
	BL_REAL_IOPS,
	.getattr = bl_root_file_getattr,
	.permission = bl_root_permission_other,
};

static const struct inode_operations bl_symlink_iops = {
	.permission = bl_permission,
	.getattr = bl_getattr,
	.setattr = bl_setattr,
	.listxattr = bl_listxattr,
	.get_link = bl_get_link,
	.fileattr_get = bl_fileattr_get,
	.fileattr_set = bl_fileattr_set,
};

static void bl_inode_setup(struct inode *inode, umode_t mode)
{
	inode->i_mode = mode;
	inode->i_flags |= BL_INODE_FLAGS;
	/* The ACL is asked for at each use: it may change below. */
	inode->i_acl = ACL_DONT_CACHE;
	inode->i_default_acl = ACL_DONT_CACHE;
	if (S_ISDIR(mode)) {
		inode->i_op = &bl_dir_iops;
		inode->i_fop = &bl_dir_fops;
	} else if (S_ISLNK(mode)) {
		inode->i_op = &bl_symlink_iops;
	} else {
		/*
		 * FIFOs and devices too: they are opened below, where the
		 * other ends are.
		 */
		inode->i_op = &bl_file_iops;
		inode->i_fop = &bl_file_fops;
	}
}

/* As bl_inode_refresh(), of an inode that nobody else has. */
static void bl_inode_fill(struct inode *inode, struct bl_mnt *mnt,
			  struct inode *real)
{
	struct mnt_idmap *idmap = mnt_idmap(mnt->mnt);

	inode->i_ino = real->i_ino;
	bl_inode_setup(inode, bl_mode(real, mnt));
	inode->i_uid = bl_uid(idmap, real);
	inode->i_gid = bl_gid(idmap, real);
	inode->i_rdev = real->i_rdev;
	set_nlink(inode, READ_ONCE(real->i_nlink));
	i_size_write(inode, i_size_read(real));
	inode->i_blkbits = real->i_blkbits;
}

struct bl_inode_key {
	struct inode *real;
	struct bl_mnt *mnt;
};

static unsigned long bl_inode_hash(const struct inode *real)
{
	return (unsigned long)real / L1_CACHE_BYTES;
}

static int bl_inode_test(struct inode *inode, void *data)
{
	struct bl_inode_key *key = data;

	return BL_I(inode)->real == key->real && BL_I(inode)->mnt == key->mnt;
}

static int bl_inode_set(struct inode *inode, void *data)
{
	struct bl_inode_key *key = data;

	ihold(key->real);
	BL_I(inode)->real = key->real;
	BL_I(inode)->mnt = bl_mnt_hold(key->mnt);
	return 0;
}

/* As iget5_locked(), of what is likely to be new: without looking before. */
static struct inode *bl_inode_insert(struct super_block *sb,
				     struct bl_inode_key *key)
{
	struct inode *inode, *new = new_inode(sb);

	if (!new)
		return NULL;
	inode = inode_insert5(new, bl_inode_hash(key->real), bl_inode_test,
			      bl_inode_set, key);
	if (unlikely(inode != new))
		iput(new);
	return inode;
}

/**
 * bl_inode_get - the inode of a tree that stands for an inode below
 * @sb: the tree
 * @mnt: private mount through which @real is used
 * @real: inode below, held by the caller
 *
 * Hard links are one inode. What is seen through two mounts is two, because
 * each has its own rules.
 *
 * Return: the inode, or ERR_PTR(-ENOMEM).
 */
struct inode *bl_inode_get(struct super_block *sb, struct bl_mnt *mnt,
			   struct inode *real)
{
	struct bl_inode_key key = { .real = real, .mnt = mnt };
	struct inode *inode;

	/* With one name it is looked for by that, and hardly there without. */
	inode = real->i_nlink == 1 ? bl_inode_insert(sb, &key) :
		iget5_locked(sb, bl_inode_hash(real), bl_inode_test,
			     bl_inode_set, &key);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	if (inode->i_state & I_NEW) {
		bl_inode_fill(inode, mnt, real);
		unlock_new_inode(inode);
	} else {
		bl_inode_refresh(inode, real, mnt);
	}
	return inode;
}

/**
 * bl_inode_users - how many references an inode of a tree has
 * @sb: the tree
 * @mnt: private mount through which @real is used
 * @real: inode below, no directory
 *
 * Return: 0 also where there is no such inode.
 */
unsigned int bl_inode_users(struct super_block *sb, struct bl_mnt *mnt,
			    struct inode *real)
{
	struct bl_inode_key key = { .real = real, .mnt = mnt };
	struct inode *inode;

	guard(rcu)();
	inode = find_inode_rcu(sb, bl_inode_hash(real), bl_inode_test, &key);
	return inode ? atomic_read(&inode->i_count) : 0;
}

/* An inode for a directory below that is found by nobody. */
static struct inode *bl_inode_new(struct super_block *sb, struct bl_mnt *mnt,
				  struct inode *real)
{
	struct bl_inode_key key = { .real = real, .mnt = mnt };
	struct inode *inode = new_inode(sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	bl_inode_set(inode, &key);
	bl_inode_fill(inode, mnt, real);
	lockdep_annotate_inode_mutex_key(inode);
	return inode;
}

/*
 * The inode of a directory whose dentry is gone but that somebody still uses, such
 * as one that is watched, or NULL.
 */
static struct inode *bl_inode_kept(struct dentry *dentry, struct bl_mnt *mnt,
				   struct inode *real)
{
	struct bl_inode_key key = { .real = real, .mnt = mnt };
	struct super_block *sb = dentry->d_sb;
	struct inode *inode;

	if (likely(!atomic_read(&bl_tree(sb)->kept)))
		return NULL;
	inode = ilookup5(sb, bl_inode_hash(real), bl_inode_test, &key);
	if (!inode)
		return NULL;
	if (!cmpxchg(&BL_I(inode)->alias, NULL, dentry)) {
		bl_inode_refresh(inode, real, mnt);
		return inode;
	}
	iput(inode);
	return NULL;
}

/**
 * bl_inode_claim - the inode for a dentry that is to be instantiated
 * @dentry: dentry of a tree
 * @mnt: private mount through which @real is used
 * @real: inode below, held by the caller
 *
 * A directory may be seen under two names for a while, when it was renamed
 * below. Two dentries with one directory inode would deadlock in a rename
 * between them, so each dentry has an inode of its own. All that must be one is
 * below. So nobody looks for the inode of a directory while it has its dentry, and
 * it is hashed only if it outlives that.
 *
 * Return: the inode, or ERR_PTR(-ENOMEM).
 */
struct inode *bl_inode_claim(struct dentry *dentry, struct bl_mnt *mnt,
			     struct inode *real)
{
	struct inode *inode;

	if (!S_ISDIR(real->i_mode))
		return bl_inode_get(dentry->d_sb, mnt, real);
	inode = bl_inode_kept(dentry, mnt, real);
	if (inode)
		return inode;
	inode = bl_inode_new(dentry->d_sb, mnt, real);
	if (!IS_ERR(inode))
		BL_I(inode)->alias = dentry;
	return inode;
}

/**
 * bl_inode_merged - the inode of a directory inside of a merged link
 * @dentry: dentry that is to be instantiated
 * @mnt: private mount through which @real is used
 * @real: what is seen of it now
 *
 * Which directory is seen by the name may change when one is made in another
 * layer, and whoever works in it shall not notice. So the inode goes with the
 * dentry.
 *
 * Return: the inode, or ERR_PTR(-ENOMEM).
 */
struct inode *bl_inode_merged(struct dentry *dentry, struct bl_mnt *mnt,
			      struct inode *real)
{
	struct inode *inode = new_inode(dentry->d_sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	BL_I(inode)->merged = true;
	BL_I(inode)->alias = dentry;
	bl_inode_fill(inode, mnt, real);
	inode->i_op = &bl_merged_iops;
	lockdep_annotate_inode_mutex_key(inode);
	return inode;
}

/**
 * bl_inode_unclaim - a dentry lets go of its inode
 * @dentry: dentry of a tree
 * @inode: what was its inode
 */
void bl_inode_unclaim(struct dentry *dentry, struct inode *inode)
{
	struct bl_inode *bi = BL_I(inode);

	if (READ_ONCE(bi->alias) != dentry)
		return;
	/* Who has it expects to find it again by the name: a watch, say. */
	if (bi->real && !bi->kept && !IS_DEADDIR(inode) &&
	    atomic_read(&inode->i_count) > 1) {
		bi->kept = true;
		atomic_inc(&bl_tree(inode->i_sb)->kept);
		__insert_inode_hash(inode, bl_inode_hash(bi->real));
	}
	/* In the hash before anybody can claim it. */
	smp_store_release(&bi->alias, NULL);
}

/**
 * bl_inode_root - the inode of a tree's root
 * @sb: the tree
 * @type: S_IFDIR or S_IFREG
 *
 * Return: the inode, or NULL.
 */
struct inode *bl_inode_root(struct super_block *sb, umode_t type)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	bl_inode_setup(inode, type);
	inode->i_op = S_ISDIR(type) ? &bl_root_iops : &bl_root_file_iops;
	lockdep_annotate_inode_mutex_key(inode);
	return inode;
}

/**
 * bl_inode_way - the inode of a directory that only leads to links
 * @sb: the tree
 *
 * Nothing can be made in it. It belongs to nobody else's directory, so it has
 * an identity of its own.
 *
 * Return: the inode, or ERR_PTR(-ENOMEM).
 */
struct inode *bl_inode_way(struct super_block *sb)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFDIR | 0555;
	inode->i_op = &bl_way_iops;
	inode->i_fop = &bl_way_fops;
	/* No extended attributes. */
	inode->i_opflags &= ~IOP_XATTR;
	simple_inode_init_ts(inode);
	set_nlink(inode, 2);
	lockdep_annotate_inode_mutex_key(inode);
	return inode;
}
