// SPDX-License-Identifier: GPL-2.0
/*
 * What a name in a tree stands for, and whether that still holds.
 *
 * Everything below a tree may be changed directly at any time. A lookup pins
 * the dentry that it found in the backing directory, a negative one too, and
 * remembers its d_seq. Every change of that name, whoever makes it, changes
 * d_seq: unlink, rename from, to and over, create. As long as it has not
 * changed the name stands for what it stood for, which RCU-walk can check.
 * Otherwise the name is looked up again, in ref-walk, and the dentry of the
 * tree survives if it is still the same inode: a d_revalidate that says no
 * detaches what users have mounted below.
 */

#include <linux/dcache.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "bindlink.h"

static struct bl_node __rcu **bl_node_slot(struct dentry *dentry)
{
	return (struct bl_node __rcu **)&dentry->d_fsdata;
}

/**
 * bl_node_new - remember what a lookup found
 * @mnt: private mount of @lower
 * @lower: dentry that was found; the node takes a reference of its own
 *
 * Context: the parent of @lower is locked, or @lower is unhashed.
 * Return: the node, or ERR_PTR(-ENOMEM).
 */
struct bl_node *bl_node_new(struct bl_mnt *mnt, struct dentry *lower)
{
	struct bl_node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->mnt = mnt;
	node->real.mnt = mnt->mnt;

	spin_lock(&lower->d_lock);
	node->lower = dget_dlock(lower);
	node->seq = read_seqcount_begin(&lower->d_seq);
	node->inode = d_inode(lower);
	/* Not even there, or not the kernel's to know about. */
	node->check = d_unhashed(lower) ||
		      (lower->d_flags & DCACHE_OP_REVALIDATE);
	spin_unlock(&lower->d_lock);

	node->real.dentry = dget(lower);
	return node;
}

/**
 * bl_node_free - drop what a node pins, and the node after a grace period
 * @node: node or NULL
 */
void bl_node_free(struct bl_node *node)
{
	if (!node)
		return;
	dput(node->real.dentry);
	dput(node->lower);
	kfree_rcu(node, rcu);
}

/**
 * bl_node_set - say what a dentry stands for
 * @dentry: dentry of a tree
 * @node: its new node, owned by @dentry from here on
 */
void bl_node_set(struct dentry *dentry, struct bl_node *node)
{
	struct bl_node *old;

	spin_lock(&dentry->d_lock);
	old = rcu_replace_pointer(*bl_node_slot(dentry), node,
				  lockdep_is_held(&dentry->d_lock));
	spin_unlock(&dentry->d_lock);
	bl_node_free(old);
}

/**
 * bl_real_get - what a dentry stands for
 * @dentry: dentry of a tree; the walk to it checked that it is valid
 * @real: result, for bl_real_put()
 *
 * Return: 0, an error of bl_bind_get() for the root, -ESTALE for a dentry
 * that was never looked up.
 */
int bl_real_get(struct dentry *dentry, struct bl_real *real)
{
	struct bl_node *node;

	if (dentry == dentry->d_sb->s_root) {
		struct bl_bind *bind = bl_bind_last(bl_tree(dentry->d_sb));

		if (IS_ERR(bind))
			return PTR_ERR(bind);
		real->path.mnt = bind->real.mnt;
		real->path.dentry = dget(bind->real.dentry);
		real->mnt = bind->mnt;
		bl_bind_put(bind);
		return 0;
	}

	/*
	 * The node pins its dentries until it is replaced, and then they may
	 * be gone: try again. d_lock would not do, because taking a reference
	 * may take the d_lock of the other dentry.
	 */
	guard(rcu)();
	do {
		node = rcu_dereference(*bl_node_slot(dentry));
		if (!node)
			return -ESTALE;
	} while (!lockref_get_not_dead(&node->real.dentry->d_lockref));
	real->path = node->real;
	real->mnt = node->mnt;
	return 0;
}

/**
 * bl_real_put - undo bl_real_get()
 * @real: what it filled in
 */
void bl_real_put(struct bl_real *real)
{
	dput(real->path.dentry);
}

/* Something is mounted on @node->lower: see whether the user sees it. */
static int bl_node_cross(struct dentry *dentry, struct bl_node *node)
{
	char *buf = __getname(), *rest;
	struct dentry *real;
	struct bl_mnt *mnt;

	if (!buf)
		return -ENOMEM;
	rest = dentry_path_raw(dentry, buf, PATH_MAX);
	real = IS_ERR(rest) ? ERR_CAST(rest) :
		bl_bind_cross(bl_tree(dentry->d_sb), rest, node->lower, &mnt);
	__putname(buf);
	if (IS_ERR(real))
		return PTR_ERR(real);
	/* Whose mounts are seen can change at any time. */
	node->check = true;
	if (real) {
		dput(node->real.dentry);
		node->real.mnt = mnt->mnt;
		node->real.dentry = real;
		node->mnt = mnt;
		node->inode = d_inode(real);
	}
	return 0;
}

/* Look @name up in the backing directory, on behalf of @dentry. */
static struct bl_node *bl_node_lookup(struct dentry *dentry,
				      const struct bl_real *parent,
				      bool snapshot)
{
	struct inode *dir = d_inode(parent->path.dentry);
	struct name_snapshot name;
	struct bl_node *node;
	struct dentry *lower;
	int err;

	if (!dir || !S_ISDIR(dir->i_mode))
		return ERR_PTR(-ENOTDIR);

	/*
	 * A rename through this tree moves both dentries before it unlocks
	 * the backing directories, so the name is read inside.
	 */
	inode_lock_shared(dir);
	if (snapshot)
		take_dentry_name_snapshot(&name, dentry);
	lower = lookup_one(mnt_idmap(parent->path.mnt),
			   snapshot ? name.name.name : dentry->d_name.name,
			   parent->path.dentry,
			   snapshot ? name.name.len : dentry->d_name.len);
	if (snapshot)
		release_dentry_name_snapshot(&name);
	node = IS_ERR(lower) ? ERR_CAST(lower) :
		bl_node_new(parent->mnt, lower);
	inode_unlock_shared(dir);
	if (IS_ERR(lower))
		return node;
	dput(lower);

	if (!IS_ERR(node) && node->inode && d_mountpoint(node->lower)) {
		err = bl_node_cross(dentry, node);
		if (err) {
			bl_node_free(node);
			return ERR_PTR(err);
		}
	}
	return node;
}

/**
 * bl_splice - give a looked up dentry its node and inode, and hash it
 * @dentry: unhashed dentry
 * @node: what was found, consumed
 *
 * Not by d_splice_alias(): that would move the dentry of a directory that was
 * renamed below, while a walk that found it under its old name may be about to
 * have it revalidated, and nothing tells d_revalidate which name that was.
 *
 * Return: 0 or -ENOMEM.
 */
int bl_splice(struct dentry *dentry, struct bl_node *node)
{
	struct inode *inode = NULL;

	if (node->inode) {
		inode = bl_inode_claim(dentry, node->mnt, node->inode);
		if (IS_ERR(inode)) {
			bl_node_free(node);
			return PTR_ERR(inode);
		}
	}
	bl_node_set(dentry, node);
	d_add(dentry, inode);
	return 0;
}

/**
 * bl_lookup - ->lookup() of a directory in a tree
 * @dir: directory, locked by the VFS
 * @dentry: dentry to fill
 * @flags: LOOKUP_* flags
 *
 * Return: as ->lookup().
 */
struct dentry *bl_lookup(struct inode *dir, struct dentry *dentry,
			 unsigned int flags)
{
	struct bl_real parent;
	struct bl_node *node;
	int err;

	d_set_d_op(dentry, &bl_dops);
	err = bl_real_get(dentry->d_parent, &parent);
	if (err)
		return ERR_PTR(err);
	node = bl_node_lookup(dentry, &parent, false);
	bl_real_put(&parent);
	if (IS_ERR(node))
		return ERR_CAST(node);
	return ERR_PTR(bl_splice(dentry, node));
}

/*
 * The dentry that @dentry shows, and the private mount; RCU read side. Where
 * there is none the result is NULL, and @mnt is not set.
 */
static struct dentry *bl_real_rcu(struct dentry *dentry, struct bl_mnt **mnt)
{
	struct bl_node *node;

	if (dentry == dentry->d_sb->s_root) {
		struct bl_tree *tree = bl_tree(dentry->d_sb);
		struct bl_bind *bind = tree->carrier;

		if (rcu_access_pointer(tree->link))
			bind = rcu_dereference(tree->bind);
		if (!bind)
			return NULL;
		*mnt = bind->mnt;
		return bind->real.dentry;
	}
	node = rcu_dereference(*bl_node_slot(dentry));
	if (!node)
		return NULL;
	*mnt = node->mnt;
	return node->real.dentry;
}

/*
 * Whether nothing happened to the name since it was looked up. While d_seq
 * is unchanged so is d_parent, and it is pinned: the parent is the same
 * directory if the pointer is the same. The mount is another one when the
 * user's was remounted with other flags.
 */
static bool bl_node_valid(struct dentry *dentry)
{
	struct bl_node *node = rcu_dereference(*bl_node_slot(dentry));
	struct inode *inode = d_inode_rcu(dentry);
	struct bl_mnt *mnt;

	if (!node || node->check || d_mountpoint(node->lower) ||
	    READ_ONCE(node->lower->d_parent) !=
	    bl_real_rcu(READ_ONCE(dentry->d_parent), &mnt) ||
	    node->mnt != mnt ||
	    read_seqcount_retry(&node->lower->d_seq, node->seq))
		return false;
	/* The owner of a symlink decides whether it may be followed. */
	if (inode && S_ISLNK(inode->i_mode))
		bl_inode_refresh(inode, node->inode, node->mnt->mnt);
	return true;
}

static int bl_d_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent;
	struct bl_real real;
	struct bl_node *node;
	struct inode *inode;
	bool valid, same;
	int err;

	if (flags & LOOKUP_RCU)
		return bl_node_valid(dentry) ? 1 : -ECHILD;

	scoped_guard(rcu)
		valid = bl_node_valid(dentry);
	if (valid)
		return 1;

	parent = dget_parent(dentry);
	err = bl_real_get(parent, &real);
	dput(parent);
	if (err)
		return err;
	node = bl_node_lookup(dentry, &real, true);
	bl_real_put(&real);
	if (IS_ERR(node)) {
		err = PTR_ERR(node);
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	}

	inode = d_inode(dentry);
	same = inode ? BL_I(inode)->real == node->inode : !node->inode;
	if (same && (!inode || BL_I(inode)->mnt == node->mnt)) {
		if (inode)
			bl_inode_refresh(inode, node->inode, node->mnt->mnt);
		bl_node_set(dentry, node);
		return 1;
	}
	bl_node_free(node);
	return 0;
}

/*
 * The end of a walk that came here by a jump. This is the only question that
 * is asked about the root of a tree when it is the end of a path.
 */
static int bl_d_weak_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct bl_bind *bind;

	if (dentry != dentry->d_sb->s_root)
		return 1;
	bind = bl_bind_get(bl_tree(dentry->d_sb));
	if (IS_ERR(bind))
		return PTR_ERR(bind);
	bl_inode_refresh(d_inode(dentry), d_inode(bind->real.dentry),
			 bind->real.mnt);
	bl_bind_put(bind);
	return 1;
}

static void bl_d_iput(struct dentry *dentry, struct inode *inode)
{
	bl_inode_unclaim(dentry, inode);
	iput(inode);
}

static void bl_d_release(struct dentry *dentry)
{
	bl_node_free(rcu_access_pointer(*bl_node_slot(dentry)));
}

/* The name of an opened root: it has no place below the root. */
static char *bl_d_dname(struct dentry *dentry, char *buf, int size)
{
	struct bl_link *link;
	size_t len;

	guard(rcu)();
	link = rcu_dereference(bl_tree(dentry->d_sb)->link);
	if (!link)
		return ERR_PTR(-ENOENT);
	len = strlen(link->virtual) + 1;
	if (len > size)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buf + size - len, link->virtual, len);
}

static const struct dentry_operations bl_opened_dops = {
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
	.d_dname = bl_d_dname,
};

/**
 * bl_dentry_opened - a dentry for what the root of a tree was opened as
 * @sb: tree
 * @real: what was opened
 *
 * The root changes with its backing, an open file must not: not what fstat()
 * says of it, nor what fchmod() changes, nor the set-user-ID bit that exec
 * honours.
 *
 * Return: an unhashed dentry without parent, or ERR_PTR(-ENOMEM).
 */
struct dentry *bl_dentry_opened(struct super_block *sb,
				const struct bl_real *real)
{
	struct dentry *dentry;
	struct bl_node *node;
	struct inode *inode;

	node = bl_node_new(real->mnt, real->path.dentry);
	if (IS_ERR(node))
		return ERR_CAST(node);
	dentry = d_alloc_anon(sb);
	if (!dentry) {
		bl_node_free(node);
		return ERR_PTR(-ENOMEM);
	}
	d_set_d_op(dentry, &bl_opened_dops);
	bl_node_set(dentry, node);
	inode = bl_inode_get(sb, real->mnt, node->inode);
	if (IS_ERR(inode)) {
		dput(dentry);
		return ERR_CAST(inode);
	}
	d_instantiate(dentry, inode);
	return dentry;
}

const struct dentry_operations bl_dops = {
	.d_revalidate = bl_d_revalidate,
	.d_weak_revalidate = bl_d_weak_revalidate,
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
};
