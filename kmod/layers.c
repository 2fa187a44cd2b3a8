// SPDX-License-Identifier: GPL-2.0
/*
 * One step in a directory that was walked to.
 *
 * What is at a name inside of a merged link, or of one whose backing is in a tree,
 * is found by a walk of its path, from the root of the tree. But while the proof of
 * what its directory is made of holds, walking there again would lead to the same
 * directories, and all that is left is the last step: to look the name up in each
 * of them. What that finds is proved by what proves the directory, and by what was
 * looked up.
 *
 * A directory that the first of them has is seen, whatever is beneath it. So that
 * is not looked for before somebody wants something in it that is not there, or all
 * that is in it: until then there is a rest that is not known.
 *
 * That goes where nothing else decides about the name: no rules, in no view, and no
 * mounts. Otherwise there is a walk.
 */

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "bindlink.h"

/* Directories of more layers are walked to. */
#define BL_STEP_LAYERS	4
/* How often to find out what is forgotten meanwhile. */
#define BL_STEP_TRIES	4

/**
 * struct bl_step - a step that is being made
 * @name: what is looked up
 * @snapshot: has @name, of a dentry that may be renamed meanwhile
 * @basis: what proves the directories, with a reference
 * @bind: keeps the first of @link, or NULL
 * @cred: see struct bl_where; with a reference
 * @sb: tree
 * @gen: generation of the rules
 * @ticket: see struct bl_node
 * @renames: sequence of rename_lock at which @basis held
 * @nr: entries of @dirs
 * @dirs: directories in which it is looked up, top first, or what is missing
 *	instead; kept by @basis, or by @bind and the tree
 * @link: @dirs of the root of a tree, or of the name of a link
 * @merged: see struct bl_layers
 * @known: how many of @dirs, from the top, whoever comes to the directory was asked
 *	about
 * @found: what was found in each, with a reference, or NULL
 * @proved: all of @found can be watched
 * @rest: there may be more than @dirs
 * @whole: a directory is looked for in all of them; otherwise what is beneath the
 *	first that has it is left for later
 * @more: it was left
 * @reaches: the caller may come to the others of @dirs, too
 */
struct bl_step {
	const struct qstr *name;
	struct name_snapshot snapshot;
	struct bl_basis *basis;
	struct bl_bind *bind;
	const struct cred *cred;
	const struct super_block *sb;
	unsigned long gen;
	u64 ticket;
	unsigned int renames;
	unsigned int nr;
	unsigned int known;
	const struct bl_layer *dirs;
	struct bl_layer link[2];
	struct bl_seq found[BL_STEP_LAYERS];
	bool proved;
	bool merged;
	bool rest;
	bool whole;
	bool more;
	bool reaches;
};

/**
 * bl_layers_make - remember what a directory is made of
 * @where: what a walk found
 * @mnt: private mount of that
 *
 * Return: what bl_layers_free() takes, or NULL where a step from there is not
 * that simple.
 */
struct bl_layers *bl_layers_make(const struct bl_where *where,
				 struct bl_mnt *mnt)
{
	const struct bl_layer one = {
		.path = where->path,
		.mnt = mnt,
		.id = where->id,
		.flags = where->flags,
	};
	unsigned int i, nr = where->merged ? where->nr : 1;
	struct bl_layers *layers;
	struct bl_layer *layer;

	if (!where->flat || nr > BL_STEP_LAYERS)
		return NULL;
	layers = kmalloc(struct_size(layers, layer, nr), GFP_KERNEL_ACCOUNT);
	if (!layers)
		return NULL;
	layers->cred = get_cred(where->cred);
	layers->merged = where->merged;
	layers->inside = false;
	layers->rest = false;
	layers->known = 0;
	layers->nr = nr;
	for (i = 0; i < nr; i++) {
		layer = &layers->layer[i];
		*layer = where->merged ? where->layers[i] : one;
		if (!layer->path.dentry)
			continue;
		if (!layers->known && layer->path.dentry == where->path.dentry)
			layers->known = i + 1;
		layer->path.mnt = layer->mnt->mnt;
		dget(layer->path.dentry);
		bl_mnt_hold(layer->mnt);
	}
	return layers;
}

/**
 * bl_layers_free - undo bl_layers_make(), after a grace period
 * @layers: layers or NULL
 */
void bl_layers_free(struct bl_layers *layers)
{
	unsigned int i;

	if (!layers)
		return;
	put_cred(layers->cred);
	if (layers->inside)
		return;
	for (i = 0; i < layers->nr; i++) {
		dput(layers->layer[i].path.dentry);
		bl_mnt_put(layers->layer[i].mnt);
	}
	kfree_rcu(layers, rcu);
}

/**
 * bl_layers_stale - whether a filesystem is kept that may have been unmounted
 * @layers: layers
 */
bool bl_layers_stale(const struct bl_layers *layers)
{
	unsigned int i;

	for (i = 0; i < layers->nr; i++)
		if (layers->layer[i].mnt &&
		    READ_ONCE(layers->layer[i].mnt->stale))
			return true;
	return false;
}

/* Let go of what @step has. */
static void bl_step_drop(struct bl_step *step)
{
	unsigned int i;

	if (step->name == &step->snapshot.name)
		release_dentry_name_snapshot(&step->snapshot);
	for (i = 0; i < step->nr; i++)
		dput(step->found[i].dentry);
	put_cred(step->cred);
	bl_basis_put(step->basis);
	bl_bind_put(step->bind);
}

/* Begin with what a link is bound to, of which @bind is valid now. */
static bool bl_step_from_bind(struct bl_step *step, struct bl_bind *bind)
{
	if (bind->error || bind->inner || !d_is_dir(bind->real.dentry) ||
	    !refcount_inc_not_zero(&bind->ref))
		return false;
	step->bind = bind;
	step->basis = bind->basis;
	refcount_inc(&step->basis->ref);
	step->link[0] = (struct bl_layer) {
		.path = bind->real,
		.mnt = bind->mnt,
		.id = bind->id,
		.flags = bind->flags,
	};
	step->dirs = step->link;
	step->nr = 1;
	step->known = 1;
	return true;
}

/* The root of a tree that is itself a link; over the carrier if it is merged. */
static bool bl_step_from_root(struct bl_step *step, struct bl_tree *tree)
{
	const struct bl_link *link = rcu_dereference(tree->link);
	struct bl_bind *bind;

	/* The table tells of what a walk would show. */
	if (!link || !tree->is_dir || bl_root_link(tree, step->gen) != link)
		return false;
	bind = bl_bind_rcu(link);
	if (!bind)
		return false;
	if (!bl_link_merges(link))
		return bind->flat && bl_step_from_bind(step, bind);
	if (bind->viewed || !bl_step_from_bind(step, bind))
		return false;
	step->link[0].id = bl_layer_id(0, link);
	step->link[0].flags = bl_link_mnt_flags(link);
	step->link[1] = (struct bl_layer) {
		.path = tree->carrier->real,
		.mnt = tree->carrier->mnt,
		.id = bl_layer_id(0, NULL),
	};
	step->nr = 2;
	step->known = 2;
	step->merged = true;
	step->cred = get_cred_rcu(link->cred);
	return step->cred;
}

static bool bl_step_from_node(struct bl_step *step, const struct bl_node *node)
{
	struct bl_basis *basis;
	struct bl_bind *bind;

	if (!node || node->gen != step->gen)
		return false;
	bind = node->bind;
	/* With that generation the link is on the table, and not freed. */
	if (bind)
		return bind->flat && node->link &&
		       rcu_access_pointer(node->link->bind) == bind &&
		       bl_bind_valid(bind) && bl_step_from_bind(step, bind);
	basis = rcu_dereference(node->basis);
	if (!basis || !basis->layers || !bl_basis_valid(basis) ||
	    !refcount_inc_not_zero(&basis->ref))
		return false;
	step->basis = basis;
	step->dirs = basis->layers->layer;
	step->known = basis->layers->known;
	step->merged = basis->layers->merged;
	step->rest = !bl_basis_whole(basis);
	/* With a rest there are no others, or they may not be so any more. */
	step->nr = step->rest ? step->known : basis->layers->nr;
	step->cred = get_cred(basis->layers->cred);
	return true;
}

/*
 * Begin at the directory that @dentry is in. False when it is not that simple, or
 * if that changes at this moment.
 */
static bool bl_step_begin(struct bl_step *step, struct dentry *dentry)
{
	struct bl_rule_node *rule;
	struct dentry *parent;
	unsigned int seq, i;
	/* Until it is looked up nobody renames it. */
	const bool fresh = d_in_lookup(dentry);
	bool known;

	step->name = NULL;
	step->basis = NULL;
	step->bind = NULL;
	step->cred = NULL;
	step->sb = dentry->d_sb;
	/* What the directory is made of is a part of what is found out. */
	step->ticket = bl_node_ticket();
	step->nr = 0;
	step->proved = true;
	step->merged = false;
	step->rest = false;
	step->more = false;
	step->reaches = false;

	guard(rcu)();
	step->gen = bl_rules_generation();
	seq = raw_seqcount_begin(&dentry->d_seq);
	parent = READ_ONCE(dentry->d_parent);
	known = parent == dentry->d_sb->s_root ?
		bl_step_from_root(step, bl_tree(dentry->d_sb)) :
		bl_step_from_node(step, rcu_dereference(*bl_node_slot(parent)));
	for (i = 0; i < step->nr; i++)
		step->found[i].dentry = NULL;
	if (step->basis) {
		/* Before what is found; pairs with bl_basis_unmoved(). */
		step->renames = smp_load_acquire(&step->basis->renames);
	}
	if (!known || parent == dentry ||
	    !bl_dentry_rule_in(dentry, parent, step->gen, &rule, fresh) || rule)
		return false;
	if (likely(fresh)) {
		step->name = &dentry->d_name;
	} else {
		take_dentry_name_snapshot(&step->snapshot, dentry);
		step->name = &step->snapshot.name;
	}
	return !read_seqcount_retry(&dentry->d_seq, seq);
}

/* Whether the caller may come to @dirs[@i], as far as that is plain to see. */
static bool bl_step_reaches(struct bl_step *step, unsigned int i)
{
	if (i < step->known || step->reaches)
		return true;
	scoped_guard(rcu)
		step->reaches = bl_basis_reaches(step->basis);
	return step->reaches;
}

/*
 * Look the name up in one of the directories. Returns 1 for a directory, 0 for
 * something else, -ENOENT, or -EAGAIN where that does not tell.
 */
static int bl_step_lookup(struct bl_step *step, unsigned int i)
{
	const struct bl_layer *dir = &step->dirs[i];
	const struct qstr *name = step->name;
	struct dentry *child;

	if (!dir->path.dentry || d_is_negative(dir->path.dentry))
		return -ENOENT;
	if (!d_can_lookup(dir->path.dentry) || !bl_step_reaches(step, i))
		return -EAGAIN;
	child = bl_lookup_one(dir->mnt, dir->path.dentry, name, false, false);
	if (IS_ERR(child))
		return -EAGAIN;
	if (!bl_seq_note(&step->found[i], &dir->path, child, name->name,
			 name->len) || is_idmapped_mnt(dir->mnt->mnt))
		step->proved = false;
	/* What is mounted there is found by those who look for mounts. */
	if (child->d_flags & DCACHE_MANAGED_DENTRY)
		return -EAGAIN;
	if (d_is_negative(child))
		return -ENOENT;
	return d_can_lookup(child) ? 1 : 0;
}

/*
 * Look the name up in all directories, as far as they matter: unlike kinds do not
 * merge. Returns how many are kept of what was found, -ENODATA when the rest has to
 * be known, or -EAGAIN. @seen is set to the one that is seen, or -1.
 */
static int bl_step_all(struct bl_step *step, int *seen)
{
	unsigned int i, nr = step->nr;
	unsigned long missing = 0;
	int ret;

	*seen = -1;
	for (i = 0; i < step->nr; i++) {
		ret = bl_step_lookup(step, i);
		if (ret == -EAGAIN)
			return ret;
		if (ret == -ENOENT) {
			if (step->found[i].dentry)
				missing |= BIT(i);
			continue;
		}
		if (*seen < 0)
			*seen = i;
		else if (!ret)
			break;
		nr = i + 1;
		if (!ret)
			break;
		if (!step->whole) {
			step->more = step->rest || nr < step->nr;
			break;
		}
	}
	if (i == step->nr && step->rest)
		return -ENODATA;
	/* What was made meanwhile hides what was found beneath. */
	for (i = 0; i < nr; i++)
		if ((missing & BIT(i)) && !bl_seq_same(&step->found[i]))
			return -EAGAIN;
	return nr;
}

/* Begin at the directory that @dentry is in, and go as bl_step_all(). */
static int bl_step_try(struct bl_step *step, struct dentry *dentry, bool whole,
		       int *seen)
{
	int ret = -EAGAIN;

	step->whole = whole;
	if (bl_step_begin(step, dentry))
		ret = bl_step_all(step, seen);
	if (ret < 0)
		bl_step_drop(step);
	return ret;
}

/* The first directory on the way to @dentry of whose like a rest is not known. */
static struct dentry *bl_rest_begins(const struct dentry *dentry)
{
	const struct bl_basis *basis;
	const struct bl_node *node;
	struct dentry *dir, *first = NULL;

	guard(rcu)();
	for (dir = READ_ONCE(dentry->d_parent); dir != dir->d_sb->s_root;
	     dir = READ_ONCE(dir->d_parent)) {
		node = rcu_dereference(*bl_node_slot(dir));
		basis = node ? rcu_dereference(node->basis) : NULL;
		if (!basis || !basis->layers || bl_basis_whole(basis))
			break;
		first = dir;
	}
	return first && lockref_get_not_dead(&first->d_lockref) ? first : NULL;
}

/*
 * Find out all that the directory of @dentry is made of, and those above it, as far
 * as a rest is not known. False when that is not simple.
 */
static bool bl_step_rest(const struct dentry *dentry)
{
	const struct dentry *last = NULL;
	struct dentry *dir;
	bool known = true;

	while (known && (dir = bl_rest_begins(dentry))) {
		/* Compared only: it is as before, or others were faster. */
		known = dir != last && bl_dentry_rest(dir);
		last = dir;
		dput(dir);
	}
	return known;
}

/* As bl_step_try(), but -EAGAIN when it takes a rest that is not simple to know. */
static int bl_step_make(struct bl_step *step, struct dentry *dentry, bool whole,
			int *seen)
{
	unsigned int tries;
	int ret = -EAGAIN;

	for (tries = 0; tries < BL_STEP_TRIES; tries++) {
		ret = bl_step_try(step, dentry, whole, seen);
		if (ret != -ENODATA)
			return ret;
		if (!bl_step_rest(dentry))
			break;
	}
	return -EAGAIN;
}

/* What was found in @dirs[@i], as a layer without references; false for nothing. */
static bool bl_step_layer(const struct bl_step *step, unsigned int i,
			  struct bl_layer *layer)
{
	*layer = step->dirs[i];
	layer->path.dentry = step->found[i].dentry;
	if (layer->path.dentry) {
		layer->path.mnt = layer->mnt->mnt;
		return true;
	}
	layer->path.mnt = NULL;
	layer->mnt = NULL;
	return false;
}

/* Add what is merged to @where. */
static bool bl_step_where(const struct bl_step *step, struct bl_where *where,
			  unsigned int nr)
{
	struct bl_layer *layer;

	where->layers = kcalloc(nr, sizeof(*where->layers), GFP_KERNEL);
	if (!where->layers)
		return false;
	for (layer = where->layers; where->nr < nr; where->nr++, layer++) {
		if (!bl_step_layer(step, where->nr, layer))
			continue;
		path_get(&layer->path);
		bl_mnt_hold(layer->mnt);
	}
	where->cred = get_cred(step->cred);
	return true;
}

/**
 * bl_step_walk - bl_dentry_walk() by one step
 * @dentry: dentry of a tree
 * @where: what it leads to; set only if something is returned
 * @mnt: as bl_dentry_walk() has it
 * @err: set to what bl_dentry_walk() returns
 *
 * Return: false when it takes a walk to tell.
 */
bool bl_step_walk(struct dentry *dentry, struct bl_where *where,
		  struct bl_mnt **mnt, int *err)
{
	struct bl_layer layer;
	struct bl_step step __uninitialized;
	int nr, seen;

	nr = bl_step_make(&step, dentry, true, &seen);
	if (nr < 0)
		return false;

	memset(where, 0, sizeof(*where));
	*mnt = NULL;
	*err = seen < 0 ? -ENOENT : 0;
	if (bl_step_layer(&step, max(seen, 0), &layer)) {
		where->path = layer.path;
		path_get(&where->path);
		*mnt = bl_mnt_hold(layer.mnt);
	}
	where->id = layer.id;
	where->flags = layer.flags;
	where->linked = true;
	where->viewed = true;
	where->merged = step.merged;
	where->stepped = true;
	where->flat = seen >= 0;
	if (where->merged && !bl_step_where(&step, where, nr))
		*err = -ENOMEM;
	bl_step_drop(&step);
	return true;
}

/*
 * What the step went by, or NULL. With @nr that led to a directory, of which so
 * many are kept; @seen is what is seen of it, or -1.
 */
static struct bl_basis *bl_step_basis(const struct bl_step *step,
				      unsigned int nr, int seen)
{
	const struct bl_mnt *carrier = bl_tree(step->sb)->carrier->mnt;
	unsigned int i, own = nr ? seen + 1 : step->nr;
	enum bl_basis_kind kind = BL_BASIS_SEEN;
	struct bl_layers *layers;
	struct bl_basis *basis;

	if (!step->proved)
		return NULL;
	if (seen < 0 || seen >= step->known)
		kind = BL_BASIS_DEEP;
	else if (nr && !step->more)
		kind = BL_BASIS_WHOLE;
	basis = bl_basis_step(step->basis, step->found, step->nr, own, kind,
			      nr, step->renames);
	if (!basis)
		return NULL;
	/* Whoever walks in a carrier keeps it for longer. */
	for (i = 0; i < step->nr; i++)
		if (step->found[i].dentry && step->dirs[i].mnt != carrier)
			basis->mnts[basis->nr_mnts++] =
				bl_mnt_hold(step->dirs[i].mnt);
	layers = basis->layers;
	if (!layers)
		return basis;
	layers->cred = get_cred(step->cred);
	layers->merged = step->merged;
	layers->inside = true;
	layers->rest = step->more;
	layers->known = seen + 1;
	layers->nr = nr;
	for (i = 0; i < nr; i++)
		bl_step_layer(step, i, &layers->layer[i]);
	return basis;
}

/* The node for what @step, of which @nr are kept, came to. Ends the step. */
static struct bl_node *bl_step_end(struct bl_step *step, unsigned int nr,
				   int seen)
{
	/* Where nothing is seen, it is missing in the first. */
	struct dentry *shown = step->found[max(seen, 0)].dentry;
	struct bl_basis *basis;
	struct bl_node *node;
	bool dir;

	node = bl_node_alloc(shown ? step->dirs[max(seen, 0)].mnt : NULL);
	if (IS_ERR(node)) {
		bl_step_drop(step);
		return node;
	}
	node->gen = step->gen;
	node->ticket = step->ticket;
	node->viewed = true;
	node->stepped = true;
	if (shown) {
		node->real.dentry = dget(shown);
		node->inode = d_inode(shown);
	}
	dir = node->inode && S_ISDIR(node->inode->i_mode);
	node->merged = dir && step->merged;
	basis = bl_step_basis(step, dir && seen >= 0 ? nr : 0, seen);
	RCU_INIT_POINTER(node->basis, basis);
	node->check = !basis;
	bl_step_drop(step);
	return node;
}

/**
 * bl_step_whole - what a directory stands for, with all that it is made of
 * @dentry: dentry of a tree, in a directory of which no rest is unknown
 *
 * Return: as bl_step_node().
 */
struct bl_node *bl_step_whole(struct dentry *dentry)
{
	struct bl_step step __uninitialized;
	int seen, nr = bl_step_try(&step, dentry, true, &seen);

	return nr < 0 ? NULL : bl_step_end(&step, nr, seen);
}

/**
 * bl_step_node - what a name stands for, by one step
 * @dentry: dentry of a tree
 *
 * Return: as bl_node_get(), or NULL when it takes a walk to tell.
 */
struct bl_node *bl_step_node(struct dentry *dentry)
{
	struct bl_step step __uninitialized;
	int seen, nr = bl_step_make(&step, dentry, false, &seen);

	return nr < 0 ? NULL : bl_step_end(&step, nr, seen);
}
