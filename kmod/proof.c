// SPDX-License-Identifier: GPL-2.0
/*
 * What a walk went by, and whether that still holds.
 *
 * Where a path leads is decided by the dentries that were looked up for it, each
 * of which changes its d_seq when it is unlinked, renamed, replaced or made; by
 * the rules, which have a generation; and by mounts, whose events are counted.
 * A walk notes all of that, and as long as nothing of it changes walking again
 * would give the same.
 *
 * A path has many names, but few have to be looked at each time. A directory
 * that has something in it cannot be removed, only renamed, and the kernel has
 * one sequence for all renames. While that stands still the ends of what was
 * looked up stand for all that is above them.
 */

#include <linux/dcache.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/slab.h>

#include "bindlink.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC	0x58465342
#endif

/**
 * bl_sb_known - whether it is known how a filesystem behaves
 * @sb: filesystem
 *
 * Then nobody has a part in it but this machine, it has nothing to do when a file is
 * closed that was only read, and its directories go only when they are empty, but for
 * those of btrfs, which removes subvolumes together with what is in them.
 */
bool bl_sb_known(const struct super_block *sb)
{
	switch (sb->s_magic) {
	case BTRFS_SUPER_MAGIC:
	case EXT4_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
	case RAMFS_MAGIC:
	case TMPFS_MAGIC:
	case XFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Whether directories of @sb go only when they are empty. */
static bool bl_sb_keeps(const struct super_block *sb)
{
	return sb->s_magic != BTRFS_SUPER_MAGIC && bl_sb_known(sb);
}

static void bl_proof_drop(struct bl_seq *chain, unsigned int nr,
			  struct bl_mnt **mnts, unsigned int nr_mnts)
{
	while (nr)
		dput(chain[--nr].dentry);
	/* What is pinned of a filesystem has to be dropped before. */
	while (nr_mnts)
		bl_mnt_put(mnts[--nr_mnts]);
}

/**
 * bl_proof_begin - begin to note what a walk goes by
 *
 * Return: an empty proof for bl_proof_end(), or NULL.
 */
struct bl_proof *bl_proof_begin(void)
{
	struct bl_proof *proof = kmalloc(sizeof(*proof), GFP_KERNEL);

	if (!proof)
		return NULL;
	proof->chain = proof->few;
	proof->max = BL_PROOF_FEW;
	proof->nr = 0;
	proof->nr_mnts = 0;
	proof->ask = false;
	proof->last = NULL;
	/* First the counts, then what they are to prove. */
	proof->ok = bl_watch_event(&proof->event);
	proof->renames = read_seqbegin(&rename_lock);
	proof->gen = bl_rules_generation();
	return proof;
}

/* Whether there is room for one more. */
static bool bl_proof_room(struct bl_proof *proof)
{
	struct bl_seq *chain;

	if (likely(proof->nr < proof->max))
		return true;
	if (proof->max == BL_PROOF_DENTRIES)
		return false;
	chain = kmalloc_array(BL_PROOF_DENTRIES, sizeof(*chain), GFP_KERNEL);
	if (!chain)
		return false;
	memcpy(chain, proof->chain, proof->nr * sizeof(*chain));
	proof->chain = chain;
	proof->max = BL_PROOF_DENTRIES;
	return true;
}

static void bl_proof_free(struct bl_proof *proof)
{
	if (proof->chain != proof->few)
		kfree(proof->chain);
	kfree(proof);
}

static bool bl_proof_keeps(const struct bl_proof *proof,
			   const struct super_block *sb)
{
	unsigned int i;

	for (i = 0; i < proof->nr_mnts; i++)
		if (proof->mnts[i]->mnt->mnt_sb == sb)
			return true;
	return false;
}

/**
 * bl_proof_mnt - keep a filesystem as long as its dentries are held on to
 * @proof: proof
 * @path: a path in that filesystem, in a user's mount
 */
void bl_proof_mnt(struct bl_proof *proof, const struct path *path)
{
	struct bl_mnt *mnt;

	if (!proof->ok || bl_proof_keeps(proof, path->mnt->mnt_sb))
		return;
	mnt = proof->nr_mnts < BL_PROOF_MNTS ? bl_mnt_get(path, 0) : NULL;
	if (IS_ERR_OR_NULL(mnt))
		proof->ok = false;
	else
		proof->mnts[proof->nr_mnts++] = mnt;
}

/*
 * What something is mounted on goes only together with that, which is an event, or
 * is renamed from another mount namespace.
 */
static bool bl_proof_mounted(const struct path *dir, struct dentry *child)
{
	struct path path = { .mnt = dir->mnt, .dentry = child };

	return path_is_mountpoint(&path);
}

/**
 * bl_seq_note - begin to watch what a name was found to be
 * @seq: filled in, but for its kind; @child is borrowed
 * @dir: directory that it was looked for in
 * @child: what was found, may be negative
 * @name: the name, need not end in NUL
 * @len: bytes of @name
 *
 * Return: whether it is that at this moment, and the dcache is told of all changes.
 */
bool bl_seq_note(struct bl_seq *seq, const struct path *dir,
		 struct dentry *child, const char *name, unsigned int len)
{
	bool ok;

	seq->dentry = child;
	seq->dir = d_inode(dir->dentry);
	spin_lock(&child->d_lock);
	ok = child->d_parent == dir->dentry && !d_unhashed(child) &&
	     child->d_name.len == len && !memcmp(child->d_name.name, name, len);
	seq->seq = read_seqcount_begin(&child->d_seq);
	spin_unlock(&child->d_lock);
	return ok && !(child->d_flags & DCACHE_OP_REVALIDATE);
}

/**
 * bl_proof_add - note what a name was found to be
 * @proof: proof
 * @dir: directory that it was looked for in, in a mount that is kept
 * @child: what was found, may be negative
 * @name: the name, need not end in NUL
 * @len: bytes of @name
 * @caller: with the caller's credentials
 */
void bl_proof_add(struct bl_proof *proof, const struct path *dir,
		  struct dentry *child, const char *name, unsigned int len,
		  bool caller)
{
	struct bl_seq *seq;
	unsigned int i;

	if (!proof->ok)
		return;
	if ((caller && is_idmapped_mnt(dir->mnt)) || !bl_proof_room(proof)) {
		proof->ok = false;
		return;
	}
	seq = &proof->chain[proof->nr];
	if (!bl_seq_note(seq, dir, child, name, len)) {
		proof->ok = false;
		return;
	}
	seq->kind = caller ? BL_SEQ_SEARCHED :
		    bl_proof_mounted(dir, child) ? BL_SEQ_COVERED : BL_SEQ_END;
	dget(child);
	/* If it turned negative meanwhile its sequence has changed. */
	if (d_is_positive(child) && bl_sb_keeps(child->d_sb))
		for (i = 0; i < proof->nr; i++)
			if (proof->chain[i].dentry == dir->dentry &&
			    proof->chain[i].kind == BL_SEQ_END)
				proof->chain[i].kind = BL_SEQ_COVERED;
	proof->nr++;
}

/* Whether modes tell who may look up @nr entries from @seq on. */
static bool bl_seqs_plain(const struct bl_seq *seq, unsigned int nr)
{
	for (; nr; nr--, seq++)
		if (!bl_inode_plain(seq->dir))
			return false;
	return true;
}

/*
 * Note whom to ask who looks for something beneath the directory of @basis: who was
 * asked for @nr entries from @seq on, and who is asked beneath @up, or NULL. There is
 * room for that, or @room is false.
 */
static void bl_basis_set_reach(struct bl_basis *basis, const struct bl_seq *seq,
			       unsigned int nr, struct bl_basis *up, bool room)
{
	struct inode **reach = bl_basis_reach(basis);
	unsigned int i;

	basis->nr_reach = 0;
	basis->reach = room && bl_seqs_plain(seq, nr) && (!up || up->reach);
	if (!basis->reach)
		return;
	basis->nr_reach = nr + (up ? up->nr_reach : 0);
	for (i = 0; i < nr; i++)
		reach[i] = seq[i].dir;
	for (; i < basis->nr_reach; i++)
		reach[i] = bl_basis_reach(up)[i - nr];
}

/* Note who is to be asked who comes to a name that @basis, one step, is of. */
static void bl_basis_set_asked(struct bl_basis *basis)
{
	basis->plain = bl_seqs_plain(basis->chain, basis->searched) &&
		       (!basis->deep || basis->up->reach);
	basis->first = basis->searched == 1 && !basis->deep && basis->plain;
	basis->one = basis->first && basis->ends == 1;
}

/**
 * bl_proof_end - the end of a walk
 * @proof: proof, consumed
 * @err: what the walk gave
 *
 * Return: what the walk went by, or NULL where that proves nothing.
 */
struct bl_basis *bl_proof_end(struct bl_proof *proof, int err)
{
	struct bl_basis *basis = NULL;
	unsigned int event, i, room, at[BL_SEQ_COVERED + 1] = {};

	for (i = 0; i < proof->nr; i++)
		at[proof->chain[i].kind]++;
	room = at[BL_SEQ_SEARCHED] <= BL_PROOF_REACH ? at[BL_SEQ_SEARCHED] : 0;
	/* Only what the dcache knows of is proved by it. */
	if ((!err || err == -ENOENT) && proof->ok && proof->nr &&
	    bl_watch_event(&event) && event == proof->event)
		basis = kmalloc(struct_size(basis, chain, proof->nr) +
				room * sizeof(struct inode *),
				GFP_KERNEL_ACCOUNT);
	if (!basis) {
		bl_proof_drop(proof->chain, proof->nr, proof->mnts,
			      proof->nr_mnts);
		bl_proof_free(proof);
		return NULL;
	}

	/* The references go along. */
	refcount_set(&basis->ref, 1);
	basis->up = NULL;
	basis->gen = proof->gen;
	basis->event = proof->event;
	basis->renames = proof->renames;
	basis->nr_mnts = proof->nr_mnts;
	memcpy(basis->mnts, proof->mnts, sizeof(basis->mnts));
	basis->layers = NULL;
	basis->nr = proof->nr;
	basis->searched = at[BL_SEQ_SEARCHED];
	basis->ends = basis->searched + at[BL_SEQ_END];
	basis->below = basis->ends;
	basis->beneath = 0;
	basis->deep = false;
	basis->one = false;
	basis->first = false;
	at[BL_SEQ_SEARCHED] = 0;
	at[BL_SEQ_END] = basis->searched;
	at[BL_SEQ_COVERED] = basis->ends;
	for (i = 0; i < proof->nr; i++)
		basis->chain[at[proof->chain[i].kind]++] = proof->chain[i];
	bl_proof_free(proof);
	basis->plain = bl_seqs_plain(basis->chain, basis->searched);
	bl_basis_set_reach(basis, basis->chain, basis->searched, NULL,
			   room == basis->searched);
	return basis;
}

/*
 * Whether @dentry, which was looked up in a step before, is there as long as what
 * was found in it is.
 */
static bool bl_basis_covers(const struct bl_seq *found, unsigned int nr,
			    const struct dentry *dentry)
{
	for (; nr; nr--, found++)
		if (found->dentry &&
		    READ_ONCE(found->dentry->d_parent) == dentry &&
		    d_is_positive(found->dentry) &&
		    bl_sb_keeps(dentry->d_sb))
			return true;
	return false;
}

/* Add what was found to @basis, which has @n entries; returns how many it has then. */
static unsigned int bl_basis_add(struct bl_basis *basis, unsigned int n,
				 const struct bl_seq *found, unsigned int nr)
{
	for (; nr; nr--, found++) {
		if (!found->dentry)
			continue;
		basis->chain[n] = *found;
		dget(found->dentry);
		basis->chain[n++].kind = BL_SEQ_SEARCHED;
	}
	return n;
}

/* So, with what its @up goes by and has the references of: @seq to @end. */
static unsigned int bl_basis_inherit(struct bl_basis *basis, unsigned int n,
				     const struct bl_seq *seq,
				     const struct bl_seq *end,
				     const struct bl_seq *found,
				     unsigned int nr)
{
	for (; seq < end; seq++) {
		if (bl_basis_covers(found, nr, seq->dentry))
			continue;
		basis->chain[n] = *seq;
		basis->chain[n++].kind = BL_SEQ_END;
	}
	return n;
}

/**
 * bl_basis_step - what a walk goes by that makes one more step
 * @up: what it went by until there, which is valid
 * @found: what was found then, with the caller's credentials; by bl_seq_note(), or
 *	without dentry
 * @nr: entries of @found
 * @own: the first of @found, which decide about what is seen; the others are beneath
 *	that
 * @kind: what that is to the directory
 * @layers: make room for so many layers
 * @renames: sequence of rename_lock at which @up held, before @found was looked for
 *
 * Return: the basis with references of its own, or NULL, as for -ENOMEM. The caller
 * adds @mnts, and fills in @layers.
 */
struct bl_basis *bl_basis_step(struct bl_basis *up, const struct bl_seq *found,
			       unsigned int nr, unsigned int own,
			       enum bl_basis_kind kind, unsigned int layers,
			       unsigned int renames)
{
	bool deep = kind == BL_BASIS_DEEP && (up->below > up->ends || own > 1);
	const struct bl_seq *ends = up->chain + up->ends;
	const struct bl_seq *below = up->chain + up->below;
	unsigned int max = nr + up->below, reach = 0;
	struct bl_basis *basis;
	size_t size;

	/* One that is followed by many others is not worth it, nor is there room. */
	if (max > U16_MAX)
		return NULL;
	/* Whoever looks in a directory is asked beneath only if something is there. */
	if (layers && nr > own)
		reach = nr - own + up->nr_reach;
	if (reach > BL_PROOF_REACH)
		reach = 0;
	size = struct_size(basis, chain, max) + reach * sizeof(struct inode *);
	basis = kmalloc(size + (layers ?
				struct_size(basis->layers, layer, layers) : 0),
			GFP_KERNEL_ACCOUNT);
	if (!basis)
		return NULL;
	refcount_set(&basis->ref, 1);
	refcount_inc(&up->ref);
	basis->up = up;
	basis->gen = up->gen;
	basis->event = up->event;
	basis->renames = renames;
	basis->nr_mnts = 0;
	basis->layers = layers ? (void *)basis + size : NULL;
	basis->deep = deep;
	/* For the compiler, which knows who counts them. */
	basis->nr = max;
	basis->searched = bl_basis_add(basis, 0, found, own);
	basis->ends = bl_basis_inherit(basis, basis->searched, up->chain,
				       kind == BL_BASIS_DEEP ? below : ends,
				       found, nr);
	basis->below = bl_basis_add(basis, basis->ends, found + own, nr - own);
	basis->beneath = basis->below - basis->ends;
	if (kind == BL_BASIS_WHOLE)
		basis->below = bl_basis_inherit(basis, basis->below, ends,
						below, found, nr);
	basis->nr = basis->below;
	bl_basis_set_asked(basis);
	if (basis->beneath)
		bl_basis_set_reach(basis, basis->chain + basis->ends,
				   basis->beneath, up, reach);
	else
		bl_basis_set_reach(basis, NULL, 0, NULL, true);
	return basis;
}

/**
 * bl_basis_replace - what a walk would go by now that one thing was changed
 * @basis: what it went by to a name, by bl_basis_step(); consumed, and may be NULL
 * @was: what was found in one of the directories, after nothing in those before
 * @now: what is there instead, and not a directory; the name is not looked for any
 *	further
 * @seq: its d_seq
 *
 * If anything else has changed meanwhile what is returned does not hold, either.
 *
 * Context: may sleep; the directory of @now is locked.
 * Return: that, or NULL where it proves nothing.
 */
struct bl_basis *bl_basis_replace(struct bl_basis *basis,
				  const struct dentry *was, struct dentry *now,
				  unsigned int seq)
{
	struct bl_basis *new = NULL;
	unsigned int at = 0, left, i;

	if (!basis)
		return NULL;
	while (at < basis->searched && basis->chain[at].dentry != was)
		at++;
	if (at < basis->searched)
		new = kmalloc(struct_size(new, chain, basis->nr),
			      GFP_KERNEL_ACCOUNT);
	if (!new)
		goto out;
	left = basis->ends - basis->searched;
	refcount_set(&new->ref, 1);
	refcount_inc(&basis->up->ref);
	new->up = basis->up;
	new->gen = basis->gen;
	new->event = basis->event;
	new->renames = READ_ONCE(basis->renames);
	new->deep = basis->deep;
	new->searched = at + 1;
	new->nr = new->searched + left;
	new->ends = new->nr;
	new->below = new->nr;
	new->beneath = 0;
	new->nr_reach = 0;
	new->reach = false;
	new->nr_mnts = basis->nr_mnts;
	for (i = 0; i < new->nr_mnts; i++)
		new->mnts[i] = bl_mnt_hold(basis->mnts[i]);
	new->layers = NULL;
	/* What is there now is in the same directory. */
	memcpy(new->chain, basis->chain, (at + 1) * sizeof(*new->chain));
	new->chain[at].dentry = now;
	new->chain[at].seq = seq;
	bl_basis_set_asked(new);
	/* @up has the references of what it proves. */
	for (i = 0; i < new->searched; i++)
		dget(new->chain[i].dentry);
	memcpy(new->chain + new->searched, basis->chain + basis->searched,
	       left * sizeof(*new->chain));
out:
	/* Others may go by it still, and may look at it until a grace period ends. */
	bl_basis_put(basis);
	return new;
}

/**
 * bl_basis_put - drop a reference to what a walk went by
 * @basis: basis or NULL
 *
 * What it pins is let go of with the last one, and it is freed after a grace period.
 */
void bl_basis_put(struct bl_basis *basis)
{
	struct bl_basis *up;

	for (; basis && refcount_dec_and_test(&basis->ref); basis = up) {
		up = basis->up;
		bl_layers_free(basis->layers);
		/* The others are those of @up. */
		if (up)
			bl_proof_drop(basis->chain + basis->ends,
				      basis->beneath, NULL, 0);
		bl_proof_drop(basis->chain, up ? basis->searched : basis->nr,
			      basis->mnts, basis->nr_mnts);
		kfree_rcu(basis, rcu);
	}
}

/**
 * bl_basis_stale - whether a filesystem is kept that may have been unmounted
 * @basis: basis
 */
bool bl_basis_stale(const struct bl_basis *basis)
{
	const struct bl_basis *up;
	unsigned int i;

	for (up = basis; up; up = up->up) {
		for (i = 0; i < up->nr_mnts; i++)
			if (READ_ONCE(up->mnts[i]->stale))
				return true;
		if (up->layers && bl_layers_stale(up->layers))
			return true;
	}
	return false;
}

/**
 * bl_basis_unmoved - whether all of a basis holds, and not only its ends
 * @basis: basis
 *
 * If something was renamed somewhere, and it was none of these, that need not be
 * found out again until the next rename.
 *
 * Context: any, RCU-walk too.
 */
bool bl_basis_unmoved(struct bl_basis *basis)
{
	unsigned int renames = read_seqbegin(&rename_lock);
	const struct bl_basis *up;
	unsigned int i;

	if (basis->gen != bl_rules_generation() ||
	    basis->event != READ_ONCE(bl_watch_events))
		return false;
	for (up = basis; up; up = up->up)
		for (i = 0; i < up->nr; i++)
			if (!bl_seq_same(&up->chain[i]))
				return false;
	if (!read_seqretry(&rename_lock, renames)) {
		/* With all that was renamed: pairs with bl_step_begin(). */
		smp_store_release(&basis->renames, renames);
	}
	return true;
}

/**
 * bl_basis_whole - whether what it was found by is known to be all there is
 * @basis: basis of a directory, which is valid
 *
 * What is beneath it does not matter for the directory itself, but for what is looked
 * for in it.
 *
 * Context: any, RCU-walk too.
 */
bool bl_basis_whole(const struct bl_basis *basis)
{
	unsigned int i;

	if (!basis->layers || basis->layers->rest)
		return false;
	for (i = basis->ends; i < basis->below; i++)
		if (!bl_seq_same(&basis->chain[i]))
			return false;
	return true;
}

/* Whether the caller may search where entries of @basis were looked up. */
static bool bl_basis_searchable(const struct bl_basis *basis, unsigned int from,
				unsigned int nr)
{
	const struct bl_seq *seq = basis->chain + from;
	struct inode *dir;

	for (; nr; nr--, seq++) {
		dir = d_inode_rcu(READ_ONCE(seq->dentry->d_parent));
		if (!dir || (!bl_search_free(dir) &&
			     inode_permission(&nop_mnt_idmap, dir,
					      MAY_EXEC | MAY_NOT_BLOCK)))
			return false;
	}
	return true;
}

/**
 * bl_basis_reaches - whether the caller may come to what is beneath a directory
 * @dir: basis of the directory
 *
 * Whoever came to the directory was asked about what is seen of it alone. So go up
 * through what was looked up for what is beneath that, until there is nothing, or to
 * where a walk was made, of which it is not known what was beneath.
 *
 * Context: RCU read side, RCU-walk too.
 * Return: false also where that takes more than looking.
 */
bool bl_basis_reaches(const struct bl_basis *dir)
{
	for (; dir->up && dir->beneath; dir = dir->up)
		if (!bl_basis_searchable(dir, dir->ends, dir->beneath))
			return false;
	return dir->up || bl_basis_searchable(dir, 0, dir->searched);
}

/**
 * bl_basis_permits - as bl_basis_found(), by all that there is to ask
 * @basis: basis
 *
 * Context: RCU read side, RCU-walk too.
 * Return: false also where that takes more than looking.
 */
bool bl_basis_permits(struct bl_basis *basis)
{
	return bl_basis_valid(basis) &&
	       bl_basis_searchable(basis, 0, basis->searched) &&
	       (!basis->deep || bl_basis_reaches(basis->up));
}
