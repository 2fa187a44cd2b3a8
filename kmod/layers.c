// SPDX-License-Identifier: GPL-2.0
/*
 * One step in a directory that is made of several.
 *
 * What is at a name inside of a merged link is found by a walk of its path, from
 * the root of the tree. But while the proof of what its directory is made of
 * holds, walking there again would lead to the same directories, and all that is
 * left is the last step: to look the name up in each of them. What that finds is
 * proved by what proves the directory, and by what was looked up.
 *
 * That goes where nothing else decides about the name: no rules, no views of
 * backing paths that are in trees, no mounts. Otherwise there is a walk.
 */

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "bindlink.h"

/* Directories of more layers are walked to. */
#define BL_STEP_LAYERS	4

/**
 * struct bl_step - a step that is being made
 * @name: what is looked up
 * @nr: entries of @layers
 * @layers: directories in which it is looked up, top first; each has a reference
 *	of @path.dentry, which is NULL where there is none, and of @mnt. Later, what
 *	was found.
 * @seq: d_seq of those found that are negative
 * @carrier: private mount of the carrier
 * @cred: see struct bl_where
 */
struct bl_step {
	struct name_snapshot name;
	unsigned int nr;
	struct bl_layer layers[BL_STEP_LAYERS];
	unsigned int seq[BL_STEP_LAYERS];
	const struct bl_mnt *carrier;
	const struct cred *cred;
};

/**
 * bl_layers_make - remember what a directory is made of
 * @where: what a walk found
 *
 * Return: what bl_layers_free() takes, or NULL where a step from there is not
 * that simple.
 */
struct bl_layers *bl_layers_make(const struct bl_where *where)
{
	struct bl_layers *layers;
	struct bl_layer *layer;
	unsigned int i;

	if (!where->flat || where->nr > BL_STEP_LAYERS)
		return NULL;
	layers = kmalloc(struct_size(layers, layer, where->nr),
			 GFP_KERNEL_ACCOUNT);
	if (!layers)
		return NULL;
	layers->cred = get_cred(where->cred);
	layers->nr = where->nr;
	for (i = 0; i < layers->nr; i++) {
		layer = &layers->layer[i];
		*layer = where->layers[i];
		if (!layer->path.dentry)
			continue;
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
	for (i = 0; i < layers->nr; i++) {
		dput(layers->layer[i].path.dentry);
		bl_mnt_put(layers->layer[i].mnt);
	}
	put_cred(layers->cred);
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

/* Let go of what @step has, but for its name. */
static void bl_step_drop(struct bl_step *step)
{
	while (step->nr) {
		struct bl_layer *layer = &step->layers[--step->nr];

		dput(layer->path.dentry);
		bl_mnt_put(layer->mnt);
	}
	put_cred(step->cred);
	step->cred = NULL;
}

/* RCU read side: what @layer pins may be let go of at this moment. */
static bool bl_step_add(struct bl_step *step, const struct bl_layer *layer)
{
	struct bl_layer *copy = &step->layers[step->nr];

	*copy = *layer;
	if (!layer->path.dentry || d_is_negative(layer->path.dentry)) {
		memset(&copy->path, 0, sizeof(copy->path));
		copy->mnt = NULL;
	} else {
		if (!refcount_inc_not_zero(&layer->mnt->ref))
			return false;
		if (!lockref_get_not_dead(&layer->path.dentry->d_lockref)) {
			bl_mnt_put(layer->mnt);
			return false;
		}
	}
	step->nr++;
	return true;
}

/* The root of a tree that is itself a merged link, over the carrier. */
static struct bl_basis *bl_step_from_root(struct bl_step *step,
					  struct bl_tree *tree,
					  unsigned long gen)
{
	const struct bl_link *link = rcu_dereference(tree->link);
	const struct bl_bind *bind;
	struct bl_layer layer = {};

	/* The table tells of what a walk would show. */
	if (!link || !bl_link_merges(link) || bl_root_link(tree, gen) != link)
		return NULL;
	bind = bl_bind_rcu(link, false);
	if (!bind || bind->error || bind->inner || bind->viewed ||
	    !d_is_dir(bind->real.dentry) || !tree->is_dir)
		return NULL;
	layer.path = bind->real;
	layer.mnt = bind->mnt;
	layer.id = bl_layer_id(0, link);
	layer.flags = bl_link_mnt_flags(link);
	if (!bl_step_add(step, &layer))
		return NULL;
	layer.path = tree->carrier->real;
	layer.mnt = tree->carrier->mnt;
	layer.id = bl_layer_id(0, NULL);
	layer.flags = 0;
	if (!bl_step_add(step, &layer))
		return NULL;
	step->cred = get_cred_rcu(link->cred);
	return step->cred ? bind->basis : NULL;
}

static struct bl_basis *bl_step_from_node(struct bl_step *step,
					  const struct bl_node *node,
					  unsigned long gen)
{
	const struct bl_layers *layers;
	struct bl_basis *basis;
	unsigned int i;

	if (!node || node->gen != gen)
		return NULL;
	basis = rcu_dereference(node->basis);
	layers = basis ? basis->layers : NULL;
	if (!layers || !bl_basis_valid(basis))
		return NULL;
	for (i = 0; i < layers->nr; i++)
		if (!bl_step_add(step, &layers->layer[i]))
			return NULL;
	step->cred = get_cred_rcu(layers->cred);
	return step->cred ? basis : NULL;
}

/*
 * Begin at the directory that @dentry is in. False when it is not that simple, or
 * if that changes at this moment.
 */
static bool bl_step_begin(struct bl_step *step, struct dentry *dentry,
			  struct bl_proof *proof)
{
	struct bl_rule_node *rule;
	struct bl_basis *basis;
	struct dentry *parent;
	unsigned long gen;
	unsigned int seq;

	guard(rcu)();
	gen = bl_rules_generation();
	seq = raw_seqcount_begin(&dentry->d_seq);
	parent = READ_ONCE(dentry->d_parent);
	basis = parent == dentry->d_sb->s_root ?
		bl_step_from_root(step, bl_tree(dentry->d_sb), gen) :
		bl_step_from_node(step, rcu_dereference(*bl_node_slot(parent)),
				  gen);
	if (!basis || !bl_dentry_rule_in(dentry, parent, gen, &rule) || rule)
		return false;
	if (proof && !bl_proof_copy(proof, basis))
		return false;
	take_dentry_name_snapshot(&step->name, dentry);
	if (!read_seqcount_retry(&dentry->d_seq, seq))
		return true;
	release_dentry_name_snapshot(&step->name);
	return false;
}

/*
 * Look the name up in @layer, which is where it is from then on. Returns 1 for a
 * directory, 0 for something else, -ENOENT, or -EAGAIN where that does not tell.
 */
static int bl_step_lookup(struct bl_step *step, struct bl_layer *layer,
			  unsigned int *seq, struct bl_proof *proof)
{
	struct path dir = layer->path;
	const struct qstr *name = &step->name.name;
	struct dentry *child;

	if (!dir.dentry)
		return -ENOENT;
	if (!d_can_lookup(dir.dentry))
		return -EAGAIN;
	child = lookup_one_unlocked(mnt_idmap(dir.mnt), name->name, dir.dentry,
				    name->len);
	if (IS_ERR(child))
		return -EAGAIN;
	if (proof) {
		/* Whoever walks in a carrier keeps it for longer. */
		if (layer->mnt != step->carrier)
			bl_proof_keep(proof, layer->mnt);
		bl_proof_add(proof, &dir, child, name->name, name->len, true);
	}
	layer->path.dentry = child;
	dput(dir.dentry);
	/* What is mounted there is found by those who look for mounts. */
	if (child->d_flags & DCACHE_MANAGED_DENTRY)
		return -EAGAIN;
	*seq = read_seqcount_begin(&child->d_seq);
	if (d_is_negative(child))
		return -ENOENT;
	return d_can_lookup(child) ? 1 : 0;
}

/*
 * Look the name up in all layers, as far as they matter: unlike kinds do not merge.
 * Returns how many of them are kept, or -EAGAIN. @seen is set to the one that is
 * seen, or -1.
 */
static int bl_step_all(struct bl_step *step, struct bl_proof *proof, int *seen)
{
	unsigned int i, nr = step->nr;
	unsigned long missing = 0;
	int ret;

	*seen = -1;
	for (i = 0; i < step->nr; i++) {
		ret = bl_step_lookup(step, &step->layers[i], &step->seq[i],
				     proof);
		if (ret == -EAGAIN)
			return ret;
		if (ret == -ENOENT) {
			if (step->layers[i].path.dentry)
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
	}
	/* What was made meanwhile hides what was found beneath. */
	for (i = 0; i < nr; i++)
		if ((missing & BIT(i)) &&
		    read_seqcount_retry(&step->layers[i].path.dentry->d_seq,
					step->seq[i]))
			return -EAGAIN;
	return nr;
}

/**
 * bl_step_walk - bl_dentry_walk() by one step
 * @dentry: dentry of a tree
 * @where: what it leads to; set only if something is returned
 * @mnt: as bl_dentry_walk() has it
 * @proof: gets what the walk went by, or NULL
 * @err: set to what bl_dentry_walk() returns
 *
 * Return: false when it takes a walk to tell.
 */
bool bl_step_walk(struct dentry *dentry, struct bl_where *where,
		  struct bl_mnt **mnt, struct bl_proof *proof, int *err)
{
	const struct bl_layer *layer;
	struct bl_step step;
	int i, nr, seen;

	step.nr = 0;
	step.carrier = bl_tree(dentry->d_sb)->carrier->mnt;
	step.cred = NULL;
	if (IS_ROOT(dentry) || !bl_step_begin(&step, dentry, proof))
		goto walk;
	nr = bl_step_all(&step, proof, &seen);
	release_dentry_name_snapshot(&step.name);
	if (nr < 0)
		goto walk;

	memset(where, 0, sizeof(*where));
	*mnt = NULL;
	where->layers = kcalloc(nr, sizeof(*where->layers), GFP_KERNEL);
	if (!where->layers) {
		bl_step_drop(&step);
		*err = -ENOMEM;
		return true;
	}
	for (i = 0; i < nr; i++) {
		where->layers[i] = step.layers[i];
		mntget(step.layers[i].path.mnt);
		step.layers[i].path.dentry = NULL;
		step.layers[i].mnt = NULL;
	}
	where->nr = nr;
	where->cred = step.cred;
	step.cred = NULL;
	bl_step_drop(&step);

	where->linked = true;
	where->merged = true;
	where->viewed = true;
	where->flat = seen >= 0;
	layer = &where->layers[max(seen, 0)];
	where->id = layer->id;
	where->flags = layer->flags;
	if (layer->path.dentry) {
		where->path = layer->path;
		path_get(&where->path);
		*mnt = bl_mnt_hold(layer->mnt);
	}
	*err = seen < 0 ? -ENOENT : 0;
	return true;
walk:
	bl_step_drop(&step);
	return false;
}
