// SPDX-License-Identifier: GPL-2.0
/*
 * Following paths through links.
 *
 * What a link shows is what is seen at its backing path, with the links that
 * are there and below it. So a position inside of a link has two sides: the
 * virtual path, whose rules come first, and the position in the backing's own
 * view. That may be inside of another link in turn.
 *
 * Backing paths are followed with directories of trees locked, and may lead
 * through other trees, or through the same one. If they were followed there by
 * the VFS, it would take the locks of those trees in whatever order the links
 * happen to lead. So a walk here never enters a tree. Where it comes to one it
 * goes on in what the tree covers, and asks the rule table itself: a tree is
 * no more than its carrier and the rules. All that is locked is below.
 *
 * A walk goes from the root of the link's creator, with the creator's
 * credentials. Links inside of links are followed by recursion, which is
 * bounded, shallow and finds cycles.
 */

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "bindlink.h"

#define BL_WALK_TRIES	32

/**
 * struct bl_skip - a path that is walked to without the links that except it
 * @rules: table that the path is in
 * @path: the exception, a virtual path
 * @next: the one before
 */
struct bl_skip {
	struct bl_rules *rules;
	const char *path;
	struct bl_skip *next;
};

/**
 * struct bl_walk - one walk
 * @proof: what it goes by, or NULL
 * @via: links that it entered, or NULL
 * @skip: links that it goes on without, at the level that it is at
 * @skips: entries of @skip at all levels
 * @caller: it goes with the caller's credentials
 * @asker: the caller's credentials, where it goes below a tree's root, or NULL
 * @beneath: it looks beneath a directory that is seen, for which whoever came to that
 *	was not asked
 * @tries: walks that were not about one moment
 * @carrier: the private mount of a carrier, which knows no mounts, or NULL
 * @covered: something is mounted on a dentry that it came to in @carrier
 * @active: links that it is inside of
 * @depth: entries of @active
 * @links: links that were entered
 * @symlinks: symbolic links that were followed
 */
struct bl_walk {
	struct bl_proof *proof;
	struct bl_via *via;
	struct bl_skip *skip;
	struct bl_link *active[BL_MAX_DEPTH];
	unsigned int depth;
	unsigned int skips;
	unsigned int links;
	unsigned int symlinks;
	unsigned int tries;
	const struct vfsmount *carrier;
	const struct cred *asker;
	bool covered;
	bool caller;
	bool beneath;
};

/**
 * struct bl_pos - where a walk is
 * @real: where that is in no tree; a negative dentry, or no path at all, where
 *	nothing is. Not used with @inner.
 * @inner: where it is in the view of the backing path, or NULL
 * @outer: the position that this is the inner one of, or NULL
 * @under: what the merged link @link is merged over: the same path without it,
 *	as far as that is a directory or @gone; NULL for none
 * @upper: the position that this is the @under of, or NULL
 * @link: the link that was followed here last, with a reference, or NULL
 * @seq: d_seq of @real when it was found to be negative
 * @flags: what @link adds to the flags of mounts
 * @denied: why it is not known what is beneath the directory that is here, inside of
 *	a merged link; an errno, or 0
 * @tree: the tree that it is in, or NULL; lives with @mnt
 * @mnt: mount of @tree, with a reference, or NULL for a walk that began inside
 * @dentry: its dentry in @tree, with a reference, or NULL when that is not in
 *	the dcache: nothing can be mounted there or below then
 * @name: its virtual path (names_cache), or NULL outside of a tree
 * @below: there are links below @name
 * @way: only links below make it a directory
 * @gone: nothing is in @real or @inner, but in @under
 * @lost: not even the directory is there: @real and @inner are about one before
 * @absent: @real is negative, and @seq is its
 * @merged: it is inside of a merged link
 *
 * What is behind a position is @real or @inner, and @under beneath it.
 */
struct bl_pos {
	struct path real;
	struct bl_pos *inner;
	struct bl_pos *outer;
	struct bl_pos *under;
	struct bl_pos *upper;
	struct bl_link *link;
	unsigned int seq;
	int flags;
	int denied;
	struct bl_tree *tree;
	struct vfsmount *mnt;
	struct dentry *dentry;
	char *name;
	bool below;
	bool way;
	bool gone;
	bool lost;
	bool absent;
	bool merged;
};

static int bl_walk_enter(struct bl_walk *walk, struct bl_link *link,
			 struct bl_pos *pos);
static int bl_walk_string(struct bl_walk *walk, struct bl_pos *pos,
			  const char *path, unsigned int flags);

static void bl_walk_unproved(struct bl_walk *walk)
{
	if (walk->proof)
		walk->proof->ok = false;
}

/* Whether the caller has to be asked for what others look up. */
static bool bl_walk_asks(const struct bl_walk *walk)
{
	return walk->beneath && walk->asker;
}

/* @child is what @name is in @dir. */
static void bl_walk_prove(struct bl_walk *walk, const struct path *dir,
			  struct dentry *child, const char *name,
			  unsigned int len)
{
	if (!walk->proof)
		return;
	/* Whoever walks in a carrier keeps it for longer. */
	if (dir->mnt != walk->carrier)
		bl_proof_mnt(walk->proof, dir);
	bl_proof_add(walk->proof, dir, child, name, len,
		     walk->caller || bl_walk_asks(walk));
}

static void bl_pos_put(struct bl_pos *pos);

static void bl_pos_free(struct bl_pos *pos)
{
	if (!pos)
		return;
	bl_pos_put(pos);
	kfree(pos);
}

/* Nothing is shown by the backing at @pos, or something else will be. */
static void bl_pos_clear_top(struct bl_pos *pos)
{
	path_put(&pos->real);
	memset(&pos->real, 0, sizeof(pos->real));
	bl_pos_free(pos->inner);
	pos->inner = NULL;
	pos->way = false;
	pos->lost = false;
	pos->absent = false;
}

static void bl_pos_clear_under(struct bl_pos *pos)
{
	bl_pos_free(pos->under);
	pos->under = NULL;
	pos->gone = false;
	pos->denied = 0;
}

/* Nothing is shown at @pos, or something else will be. */
static void bl_pos_clear(struct bl_pos *pos)
{
	bl_pos_clear_top(pos);
	bl_pos_clear_under(pos);
}

static void bl_pos_put(struct bl_pos *pos)
{
	bl_pos_clear(pos);
	if (pos->link)
		bl_link_put(pos->link);
	dput(pos->dentry);
	mntput(pos->mnt);
	if (pos->name)
		__putname(pos->name);
	memset(pos, 0, sizeof(*pos));
}

static void bl_pos_set_outer(struct bl_pos *pos, struct bl_pos *outer)
{
	for (; pos; pos = pos->under)
		pos->outer = outer;
}

/* What is behind @pos points to where that is now. */
static void bl_pos_moved(struct bl_pos *pos)
{
	bl_pos_set_outer(pos->inner, pos);
	bl_pos_set_outer(pos->under, pos->outer);
	if (pos->under)
		pos->under->upper = pos;
}

/* Make @copy another reference to where @pos is; an empty one on failure. */
static int bl_pos_copy(struct bl_pos *copy, const struct bl_pos *pos)
{
	int err = -ENOMEM;

	*copy = *pos;
	path_get(&copy->real);
	mntget(copy->mnt);
	dget(copy->dentry);
	if (copy->link)
		refcount_inc(&copy->link->ref);
	copy->name = NULL;
	copy->inner = NULL;
	copy->under = NULL;
	if (pos->name) {
		copy->name = __getname();
		if (!copy->name)
			goto fail;
		strscpy(copy->name, pos->name, PATH_MAX);
	}
	if (pos->inner) {
		copy->inner = kzalloc(sizeof(*copy->inner), GFP_KERNEL);
		if (!copy->inner)
			goto fail;
		err = bl_pos_copy(copy->inner, pos->inner);
		if (err)
			goto fail;
	}
	if (pos->under) {
		err = -ENOMEM;
		copy->under = kzalloc(sizeof(*copy->under), GFP_KERNEL);
		if (!copy->under)
			goto fail;
		err = bl_pos_copy(copy->under, pos->under);
		if (err)
			goto fail;
	}
	bl_pos_moved(copy);
	return 0;
fail:
	bl_pos_put(copy);
	return err;
}

/* Put what is behind @found in place of what is behind @pos. */
static void bl_pos_take(struct bl_pos *pos, struct bl_pos *found)
{
	bl_pos_clear(pos);
	swap(pos->link, found->link);
	pos->real = found->real;
	pos->inner = found->inner;
	pos->under = found->under;
	pos->seq = found->seq;
	pos->flags = found->flags;
	pos->denied = found->denied;
	pos->way = found->way;
	pos->gone = found->gone;
	pos->lost = found->lost;
	pos->absent = found->absent;
	pos->merged = found->merged;
	bl_pos_moved(pos);
	memset(&found->real, 0, sizeof(found->real));
	found->inner = NULL;
	found->under = NULL;
}

/* The position of what is seen in the end. */
static struct bl_pos *bl_pos_seen(struct bl_pos *pos)
{
	struct bl_pos *top;

	for (;;) {
		top = pos->gone ? NULL : pos->inner && !pos->lost ?
			bl_pos_seen(pos->inner) : pos;
		/* What is there for links alone does not hide a directory. */
		if (top && !(top->way && pos->under))
			return top;
		pos = pos->under;
	}
}

static struct path *bl_pos_real(struct bl_pos *pos)
{
	return &bl_pos_seen(pos)->real;
}

static bool bl_pos_is_way(struct bl_pos *pos)
{
	return bl_pos_seen(pos)->way;
}

/* For a position at which something is. */
static bool bl_pos_is_dir(struct bl_pos *pos)
{
	pos = bl_pos_seen(pos);
	return pos->way || d_can_lookup(pos->real.dentry);
}

/* How many places there are behind @pos. */
static unsigned int bl_pos_layers(const struct bl_pos *pos)
{
	unsigned int n = 0;

	for (; pos; pos = pos->under)
		n += pos->inner && !pos->lost ? bl_pos_layers(pos->inner) : 1;
	return n;
}

/* Have @found, which is moved from, be what the backing shows at @pos. */
static int bl_pos_nest(struct bl_pos *pos, struct bl_pos *found)
{
	struct bl_pos *inner;

	bl_pos_clear_top(pos);
	/* A place without a view of its own is just a place. */
	if (!found->tree && !found->inner && !found->way) {
		pos->real = found->real;
		pos->seq = found->seq;
		pos->lost = found->lost;
		pos->absent = found->absent;
		return 0;
	}
	inner = kmalloc(sizeof(*inner), GFP_KERNEL);
	if (!inner) {
		bl_pos_put(found);
		return -ENOMEM;
	}
	*inner = *found;
	bl_pos_moved(inner);
	pos->inner = inner;
	bl_pos_moved(pos);
	return 0;
}

static bool bl_walk_skips(const struct bl_walk *walk,
			  const struct bl_rules *rules,
			  const struct bl_link *link)
{
	const struct bl_skip *skip;

	for (skip = walk->skip; skip; skip = skip->next)
		if (skip->rules == rules &&
		    bl_rules_except(skip->rules, skip->path, link))
			return true;
	return false;
}

/*
 * Whether @link is not shown at @pos or below it: because it is below its own
 * backing, where it is not shown once more, or is what @pos is beneath.
 */
static bool bl_pos_hides(const struct bl_pos *pos, const struct bl_link *link)
{
	const struct bl_pos *other;

	for (other = pos->outer; other; other = other->outer)
		if (other->link == link)
			return true;
	for (other = pos->upper; other; other = other->upper)
		if (other->link == link)
			return true;
	return false;
}

/* How many links that are not shown are strictly below @pos. */
static unsigned int bl_pos_hidden(const struct bl_pos *pos)
{
	const struct bl_pos *other, *before;
	unsigned int n = 0;

	for (other = pos->outer; other; other = other->outer) {
		if (!other->link || other->link->space != pos->tree->space ||
		    !bl_path_is_below(other->link->virtual, pos->name))
			continue;
		/* One that is seen in several views is one. */
		for (before = pos->outer; before != other;
		     before = before->outer)
			if (before->link == other->link)
				break;
		n += before == other;
	}
	return n;
}

/* Whether the link that @pos is inside of has exceptions below. */
static bool bl_pos_excepts(const struct bl_pos *pos)
{
	return pos->link && bl_link_excepts(pos->link, pos->name);
}

/* Whether @pos leads to links, or to exceptions of @link, which covers it. */
static bool bl_pos_leads(const struct bl_pos *pos, const struct bl_rule *rule,
			 const struct bl_link *link)
{
	return rule->links > bl_pos_hidden(pos) ||
	       (rule->below && link && bl_link_excepts(link, pos->name));
}

/*
 * What is in the tree at @pos->name: a link, or links below. Without a link,
 * @excepted is set to whether the one that @pos is inside of leaves it alone.
 */
static struct bl_link *bl_pos_rule(struct bl_walk *walk, struct bl_pos *pos,
				   bool *excepted)
{
	struct bl_rules *rules = &pos->tree->space->rules;
	struct bl_link *link = NULL;
	struct bl_rule rule;

	guard(rcu)();
	bl_rules_at(rules, pos->name, &rule);
	/* One that goes at this moment may be taken for gone. */
	if (rule.link && !bl_walk_skips(walk, rules, rule.link) &&
	    !bl_pos_hides(pos, rule.link) && bl_link_tryget(rule.link))
		link = rule.link;
	*excepted = !link && rule.excepted && pos->link &&
		    bl_rules_except(rules, pos->name, pos->link);
	/* The way to links is the business of what is above. */
	if (pos->upper)
		pos->below = bl_pos_excepts(pos);
	else
		pos->below = rule.below &&
			     bl_pos_leads(pos, &rule, link ?: pos->link);
	return link;
}

/*
 * The link with @id, or none, covers @pos. Of those that the path itself enters
 * only what covers its end counts.
 */
static void bl_walk_cover(struct bl_walk *walk, const struct bl_pos *pos,
			  u64 id)
{
	if (!walk->via || walk->depth || pos->outer || pos->upper)
		return;
	walk->via->len = 0;
	walk->via->cover = id;
}

/* What of two layers is missing is no error. */
static bool bl_walk_missing(int err)
{
	return err == -ENOENT || err == -ENOTDIR;
}

/* What says nothing about a path, but that it could not be walked now. */
static bool bl_walk_failed(int err)
{
	return err == -ENOMEM || err == -EINTR || err == -ERESTARTSYS;
}

/*
 * The layers of @pos, which is inside of a merged link, have come to a name:
 * the backing with @err, what it is merged over, if that was asked at all, with
 * @below. Keep of them what is seen.
 */
static int bl_pos_merge(struct bl_pos *pos, int err, int below)
{
	if (err && !bl_walk_missing(err)) {
		bl_pos_clear_under(pos);
		return err;
	}
	if (below && !bl_walk_missing(below)) {
		bl_pos_clear_under(pos);
		if (err || bl_walk_failed(below))
			return below;
		/* A directory is seen whatever is beneath it. */
		pos->denied = below;
		return 0;
	}
	if (err) {
		/* Both are remembered where nothing is, for what is made. */
		pos->gone = !below;
		return below;
	}
	/* Unlike kinds do not merge. */
	pos->gone = false;
	if (below || !bl_pos_is_dir(pos->under))
		bl_pos_clear_under(pos);
	return 0;
}

/* Whether what is beneath the backing at @pos, to which @err led, matters. */
static bool bl_pos_merges(struct bl_pos *pos, int err)
{
	struct bl_pos *top = pos->inner ? bl_pos_seen(pos->inner) : pos;

	return err ? bl_walk_missing(err) :
		     top->way || d_can_lookup(top->real.dentry);
}

/* Where links are below, there is a directory. */
static int bl_pos_settle(struct bl_pos *pos, int err)
{
	if (!pos->below || (err && !bl_walk_missing(err)) ||
	    (!err && bl_pos_is_dir(pos)))
		return err;
	bl_pos_clear(pos);
	pos->way = true;
	return 0;
}

static int bl_pos_step(struct bl_walk *walk, struct bl_pos *pos,
		       const char *name, unsigned int len);
static int bl_pos_step_behind(struct bl_walk *walk, struct bl_pos *pos,
			      const char *name, unsigned int len);

/*
 * The backing at @pos came to @name with @err: have what is beneath go there,
 * too, and keep what is seen. @first: the link is at @name itself.
 */
static int bl_pos_step_under(struct bl_walk *walk, struct bl_pos *pos, int err,
			     const char *name, unsigned int len, bool first)
{
	struct bl_via *via = walk->via;
	bool beneath = walk->beneath;
	int below;

	/* Nobody is interested in links that only add something. */
	if (!err)
		walk->via = NULL;
	walk->beneath |= !err && !first;
	if (first)
		below = bl_pos_settle(pos->under,
				      bl_pos_step_behind(walk, pos->under,
							 name, len));
	else
		below = bl_pos_step(walk, pos->under, name, len);
	walk->beneath = beneath;
	walk->via = via;
	return bl_pos_merge(pos, err, below);
}

/*
 * Follow the link at @pos, whose tree part is set already. What is behind @pos
 * is at the directory before @name, or, without @name, at the place itself.
 */
static int bl_pos_follow(struct bl_walk *walk, struct bl_pos *pos,
			 struct bl_link *link, const char *name,
			 unsigned int len)
{
	struct bl_pos found = {}, *under = NULL;
	int err, ret;

	if (link->flags & BINDLINK_FLAG_MERGED) {
		under = kzalloc(sizeof(*under), GFP_KERNEL);
		if (!under)
			return -ENOMEM;
		err = bl_pos_copy(under, pos);
		if (err) {
			kfree(under);
			return err;
		}
		under->below = bl_pos_excepts(pos);
	}
	bl_walk_cover(walk, pos, link->id);
	err = bl_walk_enter(walk, link, &found);
	bl_pos_clear_under(pos);
	ret = bl_pos_nest(pos, &found);
	if (pos->link)
		bl_link_put(pos->link);
	refcount_inc(&link->ref);
	pos->link = link;
	pos->flags = bl_link_mnt_flags(link);
	pos->merged = under;
	if (!under || ret || !bl_pos_merges(pos, err)) {
		bl_pos_free(under);
		return ret ?: err;
	}
	pos->under = under;
	bl_pos_moved(pos);
	/* Whoever goes on from here does so in all of them. */
	if (bl_pos_layers(pos) > BL_MAX_LAYERS) {
		bl_pos_clear_under(pos);
		return -ELOOP;
	}
	return name ? bl_pos_step_under(walk, pos, err, name, len, true) :
		      bl_pos_merge(pos, err, 0);
}

/*
 * @pos is at the root of a tree, with the tree part set and what the tree
 * covers in @pos->real.
 */
static int bl_pos_root(struct bl_walk *walk, struct bl_pos *pos)
{
	bool excepted;
	struct bl_link *link = bl_pos_rule(walk, pos, &excepted);
	int err = 0;

	if (link) {
		err = bl_pos_follow(walk, pos, link, NULL, 0);
		bl_link_put(link);
	}
	return bl_pos_settle(pos, err);
}

/* A part of a tree that is mounted somewhere else: walk down to it inside. */
static int bl_pos_part(struct bl_walk *walk, struct bl_pos *pos,
		       struct dentry *dentry)
{
	struct dentry *top = pos->dentry;
	char *buf = __getname(), *rest;
	int err;

	bl_walk_unproved(walk);
	if (!buf)
		return -ENOMEM;
	pos->dentry = dget(top->d_sb->s_root);
	pos->real = pos->tree->carrier->real;
	path_get(&pos->real);
	err = bl_pos_root(walk, pos);
	if (!err && !IS_ROOT(dentry)) {
		rest = dentry_path_raw(dentry, buf, PATH_MAX);
		err = IS_ERR(rest) ? PTR_ERR(rest) :
				     bl_walk_string(walk, pos, rest, 0);
	}
	dput(top);
	__putname(buf);
	return err;
}

/*
 * What the mounted tree of @pos covers, in the user's mounts. False where it is
 * not known to be over its carrier.
 */
static bool bl_pos_beneath(const struct bl_pos *pos, struct path *beneath)
{
	struct path up = { .mnt = pos->mnt, .dentry = pos->mnt->mnt_root };

	path_get(&up);
	/* It may be mounted twice at one place. */
	while (up.mnt->mnt_sb == pos->mnt->mnt_sb && IS_ROOT(up.dentry))
		if (!follow_up(&up))
			break;
	if (up.dentry != pos->tree->key) {
		path_put(&up);
		return false;
	}
	*beneath = up;
	return true;
}

/*
 * Come to @path, which is consumed. If that is in a tree, go on in what the
 * tree covers.
 */
static int bl_pos_arrive(struct bl_walk *walk, struct bl_pos *pos,
			 struct path *path)
{
	struct bl_pos *outer = pos->outer, *upper = pos->upper;

	bl_pos_put(pos);
	pos->outer = outer;
	pos->upper = upper;
	if (!bl_is_tree(path->mnt->mnt_sb)) {
		pos->real = *path;
		return 0;
	}

	pos->tree = bl_tree(path->mnt->mnt_sb);
	pos->mnt = path->mnt;
	pos->dentry = path->dentry;
	pos->name = __getname();
	if (!pos->name)
		return -ENOMEM;
	strscpy(pos->name, pos->tree->base, PATH_MAX);
	/* A carrier is in no tree. */
	if (pos->dentry != path->mnt->mnt_sb->s_root ||
	    !bl_pos_beneath(pos, &pos->real))
		return bl_pos_part(walk, pos, pos->dentry);
	return bl_pos_root(walk, pos);
}

/* Whether the caller, too, may search the directory at @path. */
static int bl_walk_ask(const struct bl_walk *walk, const struct path *path)
{
	const struct cred *old;
	int err;

	if (!bl_walk_asks(walk))
		return 0;
	old = override_creds(walk->asker);
	err = inode_permission(mnt_idmap(path->mnt), d_inode(path->dentry),
			       MAY_EXEC);
	revert_creds(old);
	return err;
}

/* Look @name up in the directory at @real, and replace that by what is found. */
static int bl_walk_lower(struct bl_walk *walk, struct path *real,
			 const char *name, unsigned int len)
{
	struct dentry *dir = real->dentry, *child;
	struct vfsmount *mnt = real->mnt;
	int err;

	if (!d_can_lookup(dir))
		return -ENOTDIR;
	err = bl_walk_ask(walk, real);
	if (err)
		return err;
	child = lookup_one_unlocked(mnt_idmap(mnt), name, dir, len);
	if (IS_ERR(child))
		return PTR_ERR(child);
	bl_walk_prove(walk, real, child, name, len);
	real->dentry = child;
	dput(dir);
	/* follow_down() keeps the mount only while it is the same. */
	if (child->d_flags & DCACHE_MANAGED_DENTRY) {
		err = bl_lane_follow_down(real);
		if (err)
			return err;
		walk->covered |= mnt == walk->carrier &&
				 d_mountpoint(real->dentry);
	}
	return d_is_negative(real->dentry) ? -ENOENT : 0;
}

/* The dentry of @name in the tree, if it is in the dcache. */
static struct dentry *bl_pos_cached(const struct bl_pos *pos, const char *name,
				    unsigned int len)
{
	struct qstr qstr = QSTR_INIT(name, len);

	return pos->dentry ? d_hash_and_lookup(pos->dentry, &qstr) : NULL;
}

/* One step in the directory at @pos, which is the innermost. */
static int bl_pos_lower(struct bl_walk *walk, struct bl_pos *pos,
			const char *name, unsigned int len)
{
	struct bl_pos found = { .outer = pos };
	struct path path;
	int err, ret;

	if (pos->way) {
		pos->way = false;
		return -ENOENT;
	}
	err = bl_walk_lower(walk, &pos->real, name, len);
	if (err == -ENOENT) {
		pos->absent = true;
		pos->seq = read_seqcount_begin(&pos->real.dentry->d_seq);
		/* Made meanwhile, or the directory is gone: look once more. */
		if (d_is_positive(pos->real.dentry)) {
			pos->seq--;
			pos->lost = true;
		}
	}
	if (err || !bl_is_tree(pos->real.mnt->mnt_sb))
		return err;

	/* Something is mounted there, and it is a tree. */
	path = pos->real;
	memset(&pos->real, 0, sizeof(pos->real));
	if (!pos->tree)
		return bl_pos_arrive(walk, pos, &path);
	err = bl_pos_arrive(walk, &found, &path);
	ret = bl_pos_nest(pos, &found);
	return ret ?: err;
}

/*
 * Step to @name as far as the tree of @pos knows: 1 when something is mounted
 * there, to which @pos was moved; 2 when the link that it is inside of leaves
 * it alone; otherwise @link is set to a link that is there.
 */
static int bl_pos_step_tree(struct bl_walk *walk, struct bl_pos *pos,
			    const char *name, unsigned int len,
			    struct bl_link **link)
{
	struct dentry *cached = bl_pos_cached(pos, name, len);
	size_t end = strlen(pos->name);
	struct path path;
	bool excepted;
	int err;

	/* What is mounted there is above all layers. */
	if (cached && d_mountpoint(cached) && !pos->upper) {
		path.mnt = mntget(pos->mnt);
		path.dentry = cached;
		dget(cached);
		/* A lane shows the same as the link at its gate. */
		if (bl_lane_follow_over(&path)) {
			dput(cached);
			err = bl_lane_follow_down(&path);
			if (err) {
				path_put(&path);
				return err;
			}
			return bl_pos_arrive(walk, pos, &path) ?: 1;
		}
		path_put(&path);
	}
	dput(pos->dentry);
	pos->dentry = cached;

	if (end == 1)
		end = 0;
	if (end + len + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	pos->name[end] = '/';
	memcpy(pos->name + end + 1, name, len);
	pos->name[end + 1 + len] = '\0';
	*link = bl_pos_rule(walk, pos, &excepted);
	return excepted ? 2 : 0;
}

static int bl_walk_inside(struct bl_walk *walk, struct bl_tree *tree,
			  const struct path *beneath, const char *path,
			  struct bl_pos *pos);

/*
 * @pos came to an exception: what is there is what would be seen without the
 * links that leave it alone. So go there again, without them.
 */
static int bl_pos_except(struct bl_walk *walk, struct bl_pos *pos)
{
	struct bl_skip skip = {
		.rules = &pos->tree->space->rules,
		.path = pos->name,
		.next = walk->skip,
	};
	size_t base = pos->tree->base[1] ? strlen(pos->tree->base) : 0;
	struct bl_pos found = { .outer = pos->outer, .upper = pos->upper };
	struct path beneath;
	int err;

	if (walk->skips == BL_MAX_DEPTH)
		return -ELOOP;
	bl_walk_cover(walk, pos, 0);
	if (!pos->mnt || !bl_pos_beneath(pos, &beneath)) {
		beneath = pos->tree->carrier->real;
		path_get(&beneath);
	}
	walk->skips++;
	walk->skip = &skip;
	err = bl_walk_inside(walk, pos->tree, &beneath, pos->name + base,
			     &found);
	walk->skip = skip.next;
	walk->skips--;
	path_put(&beneath);

	bl_pos_take(pos, &found);
	bl_pos_put(&found);
	return err;
}

/* One step in what is behind @pos, whose own rules say nothing about @name. */
static int bl_pos_step_behind(struct bl_walk *walk, struct bl_pos *pos,
			      const char *name, unsigned int len)
{
	bool layered = pos->under;
	int denied = pos->denied;
	int err;

	if (pos->gone) {
		pos->lost = true;
		err = -ENOENT;
	} else if (pos->inner) {
		err = bl_pos_step(walk, pos->inner, name, len);
	} else {
		err = bl_pos_lower(walk, pos, name, len);
	}
	/* What it came to may be another place that is made of several. */
	if (!layered) {
		if (denied && !bl_pos_merges(pos, err))
			pos->denied = 0;
		return denied && err && bl_walk_missing(err) ? denied : err;
	}
	if (!bl_pos_merges(pos, err)) {
		bl_pos_clear_under(pos);
		return err;
	}
	return bl_pos_step_under(walk, pos, err, name, len, false);
}

/*
 * One step. The rules are asked from the outermost view to the innermost; the
 * first link wins, and without one the directory behind all of them is looked
 * in.
 */
static int bl_pos_step(struct bl_walk *walk, struct bl_pos *pos,
		       const char *name, unsigned int len)
{
	struct bl_link *link = NULL;
	int err = 0;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (pos->tree)
		err = bl_pos_step_tree(walk, pos, name, len, &link);
	/* Settled where it came to. */
	if (err == 1)
		return 0;
	if (link) {
		err = bl_pos_follow(walk, pos, link, name, len);
		bl_link_put(link);
	} else if (err == 2) {
		err = bl_pos_except(walk, pos);
	} else if (!err) {
		err = bl_pos_step_behind(walk, pos, name, len);
	}
	return pos->tree ? bl_pos_settle(pos, err) : err;
}

/*
 * As fs.protected_symlinks, which modules cannot read: in a directory where
 * everybody may put them, symlinks of others are not followed.
 */
static bool bl_symlink_protected(const struct path *link)
{
	struct inode *inode = d_inode(link->dentry), *dir;
	struct dentry *parent = dget_parent(link->dentry);
	bool protected;

	dir = d_inode(parent);
	protected = (dir->i_mode & 01002) == 01002 &&
		    !uid_eq(inode->i_uid, current_fsuid()) &&
		    !uid_eq(inode->i_uid, dir->i_uid);
	dput(parent);
	return protected;
}

/* A link of procfs and the like, which leads to an object and not to a path. */
static int bl_pos_jump(struct bl_walk *walk, struct bl_pos *pos)
{
	struct path *real = bl_pos_real(pos);
	struct name_snapshot name;
	struct path path;
	struct dentry *dir;
	int err;

	bl_walk_unproved(walk);
	dir = dget_parent(real->dentry);
	take_dentry_name_snapshot(&name, real->dentry);
	err = vfs_path_lookup(dir, real->mnt, name.name.name, LOOKUP_FOLLOW,
			      &path);
	release_dentry_name_snapshot(&name);
	dput(dir);
	return err ?: bl_pos_arrive(walk, pos, &path);
}

/*
 * Put what the symlink at @pos leads to in the place of its name in @buf:
 * @start is where the name begins and @rest what comes behind it.
 */
static int bl_walk_symlink(struct bl_walk *walk, struct bl_pos *pos, char *buf,
			   size_t start, const char *rest)
{
	struct path *real = bl_pos_real(pos);
	DEFINE_DELAYED_CALL(done);
	const char *target;
	char *new;
	int n;

	if (++walk->symlinks > BL_MAX_LINKS ||
	    (real->mnt->mnt_flags & MNT_NOSYMFOLLOW))
		return -ELOOP;
	if (bl_symlink_protected(real))
		return -EACCES;
	new = __getname();
	if (!new)
		return -ENOMEM;
	target = vfs_get_link(real->dentry, &done);
	if (IS_ERR_OR_NULL(target)) {
		n = target ? PTR_ERR(target) : -ENOENT;
	} else if (!*target) {
		n = -ENOENT;
	} else {
		n = snprintf(new, PATH_MAX, "%.*s/%s%s",
			     *target == '/' ? 0 : (int)start, buf, target,
			     rest);
		if (n >= PATH_MAX)
			n = -ENAMETOOLONG;
		else
			memcpy(buf, new, n + 1);
	}
	do_delayed_call(&done);
	__putname(new);
	return min(n, 0);
}

/* Take the last name off @buf, which is @len bytes without symlinks. */
static void bl_walk_up(char *buf, size_t len, const char *rest)
{
	while (len && buf[len - 1] == '/')
		len--;
	while (len && buf[len - 1] != '/')
		len--;
	memmove(buf + len, rest, strlen(rest) + 1);
}

/* Whether the walk goes on behind what @pos is at, which is the last name. */
static bool bl_walk_follows(struct bl_pos *pos, bool last, unsigned int flags)
{
	return !(flags & LOOKUP_NO_SYMLINKS) && !bl_pos_is_way(pos) &&
	       d_is_symlink(bl_pos_real(pos)->dentry) &&
	       (!last || (flags & LOOKUP_FOLLOW));
}

/*
 * Walk @path from @pos, which is moved to its end. After a symlink and after
 * ".." the walk begins again at the start, with a path that has neither up to
 * there.
 */
static int bl_walk_string(struct bl_walk *walk, struct bl_pos *pos,
			  const char *path, unsigned int flags)
{
	char *buf = __getname();
	struct bl_pos from;
	size_t at = 0;
	int err;

	if (!buf)
		return -ENOMEM;
	err = bl_pos_copy(&from, pos);
	if (!err && strscpy(buf, path, PATH_MAX) < 0)
		err = -ENAMETOOLONG;

	while (!err) {
		size_t start, len;
		bool end;

		at += strspn(buf + at, "/");
		start = at;
		len = strcspn(buf + at, "/");
		if (!len)
			break;
		at += len;
		end = !buf[at + strspn(buf + at, "/")];
		if (len == 1 && buf[start] == '.')
			continue;
		if (len == 2 && !memcmp(buf + start, "..", 2)) {
			if (!bl_pos_is_dir(pos)) {
				err = -ENOTDIR;
				break;
			}
			bl_walk_up(buf, start, buf + at);
		} else {
			err = bl_pos_step(walk, pos, buf + start, len);
			/* Less than the last name is there. */
			if (err && !end)
				bl_pos_clear(pos);
			if (err || !bl_walk_follows(pos, !buf[at], flags))
				continue;
			if (d_inode(bl_pos_real(pos)->dentry)->i_op->readlink) {
				err = ++walk->symlinks > BL_MAX_LINKS ? -ELOOP :
					bl_pos_jump(walk, pos);
				continue;
			}
			err = bl_walk_symlink(walk, pos, buf, start, buf + at);
			if (err)
				continue;
		}
		/* Again, from the start. */
		bl_pos_put(pos);
		err = bl_pos_copy(pos, &from);
		at = 0;
	}
	if (!err && at && buf[at - 1] == '/' && !bl_pos_is_dir(pos))
		err = -ENOTDIR;
	bl_pos_put(&from);
	__putname(buf);
	return err;
}

/* Whether links are below @pos, by the rules of its own path if @own. */
static bool bl_pos_below(const struct bl_pos *pos, bool own)
{
	struct bl_rule rule;

	for (; pos; pos = pos->under) {
		if (own && pos->tree) {
			guard(rcu)();
			bl_rules_at(&pos->tree->space->rules, pos->name, &rule);
			if (rule.below && bl_pos_leads(pos, &rule, pos->link))
				return true;
		}
		if (pos->inner && bl_pos_below(pos->inner, true))
			return true;
	}
	return false;
}

/* Whether what is below @pos cannot be looked up in one directory alone. */
static bool bl_pos_viewed(const struct bl_pos *pos, bool own)
{
	for (; pos; pos = pos->inner, own = true)
		if ((own && pos->tree) || pos->merged)
			return true;
	return false;
}

static bool bl_pos_merged(const struct bl_pos *pos)
{
	for (; pos; pos = pos->inner)
		if (pos->merged)
			return true;
	return false;
}

/* Why not all that is at @pos is known, or 0. */
static int bl_pos_denied(const struct bl_pos *pos)
{
	int err = 0;

	for (; pos && !err; pos = pos->under)
		err = pos->denied ?:
		      pos->inner && !pos->lost ? bl_pos_denied(pos->inner) : 0;
	return err;
}

static int bl_pos_mnt_flags(const struct bl_pos *pos)
{
	return pos->flags | (pos->mnt ? pos->mnt->mnt_flags &
					MNT_USER_SETTABLE_MASK : 0);
}

/*
 * Whether something was made, since it was looked for, in a layer of @pos that
 * lacked it. What was found beneath is not what is seen then, or has gone there.
 */
static bool bl_pos_changed(const struct bl_pos *pos)
{
	for (; pos; pos = pos->under)
		if (pos->inner ? bl_pos_changed(pos->inner) :
		    pos->absent &&
		    read_seqcount_retry(&pos->real.dentry->d_seq, pos->seq))
			return true;
	return false;
}

/*
 * What of @where can be told of each layer of @pos, top first. @id and @flags
 * are what the views that it is inside of add.
 */
static void bl_where_gather(struct bl_where *where, const struct bl_pos *pos,
			    u64 id, int flags)
{
	struct bl_layer *layer;

	for (; pos; pos = pos->under) {
		u64 own_id = bl_layer_id(id, pos->link);
		int own_flags = flags | bl_pos_mnt_flags(pos);

		if (pos->inner && !pos->lost) {
			bl_where_gather(where, pos->inner, own_id, own_flags);
			continue;
		}
		layer = &where->layers[where->nr++];
		layer->id = own_id;
		layer->flags = own_flags;
		if (pos->lost)
			continue;
		layer->path = pos->real;
		path_get(&layer->path);
	}
}

/* Whether each layer of @pos is just a directory, or missing. */
static bool bl_pos_flat(const struct bl_pos *pos)
{
	for (; pos; pos = pos->under)
		if (pos->inner || pos->way)
			return false;
	return true;
}

/*
 * Whether names below @pos, which no rules are below, are found in one directory,
 * whatever views it is seen in: nothing is mounted there in any of them, or that was
 * counted since. @own as above.
 */
static bool bl_pos_single(const struct bl_pos *pos, bool own)
{
	for (; pos; pos = pos->inner, own = true)
		if (pos->way || pos->lost || pos->under ||
		    (own && pos->dentry &&
		     !hlist_empty(&pos->dentry->d_children)))
			return false;
	return true;
}

/*
 * Say what @pos, to which a walk came with @err, is to others. @outer: its own
 * rules count, too. @id is what it is inside of. Returns @err or -ENOMEM.
 */
static int bl_where_set(struct bl_where *where, struct bl_pos *pos, int err,
			bool outer, u64 id)
{
	const struct bl_layer *layer;
	const struct bl_pos *at;
	struct path *real;

	memset(where, 0, sizeof(*where));
	where->linked = pos->link;
	if (err && err != -ENOENT)
		return err;
	real = bl_pos_real(pos);
	where->inner = bl_pos_below(pos, outer);
	where->viewed = bl_pos_viewed(pos, outer);
	where->way = !err && bl_pos_is_way(pos);
	where->merged = bl_pos_merged(pos);
	if (where->merged) {
		where->denied = bl_pos_denied(pos);
		where->layers = kcalloc(bl_pos_layers(pos),
					sizeof(*where->layers), GFP_KERNEL);
		if (!where->layers)
			return -ENOMEM;
		bl_where_gather(where, pos, id, 0);
		for (at = pos; at; at = at->inner) {
			if (!at->link || !at->merged)
				continue;
			put_cred(where->cred);
			where->cred = get_cred(at->link->cred);
		}
	}
	if (where->way || !real->dentry ||
	    (err && (bl_pos_seen(pos)->lost || !d_is_negative(real->dentry))))
		return err;
	where->path = *real;
	path_get(&where->path);
	where->named = bl_pos_flat(pos);
	if (where->merged) {
		where->flat = !err && !where->denied && where->named;
		layer = where->layers;
		while (!err && layer->path.dentry != real->dentry)
			layer++;
		where->id = layer->id;
		where->flags = layer->flags;
		return err;
	}
	where->flat = !err && !where->inner && (pos->link || id) &&
		      where->viewed && bl_pos_single(pos, outer);
	where->id = id;
	for (at = pos; at; at = at->inner) {
		where->id = bl_layer_id(where->id, at->link);
		where->flags |= bl_pos_mnt_flags(at);
	}
	return err;
}

/**
 * bl_where_put - drop what a walk found
 * @where: what it led to
 */
void bl_where_put(struct bl_where *where)
{
	struct bl_layer *layer;

	for (layer = where->layers; layer < where->layers + where->nr; layer++) {
		path_put(&layer->path);
		bl_mnt_put(layer->mnt);
	}
	kfree(where->layers);
	where->layers = NULL;
	where->nr = 0;
	put_cred(where->cred);
	where->cred = NULL;
	path_put(&where->path);
}

static int bl_walk_from(struct bl_walk *walk, const struct path *root,
			const char *path, unsigned int flags,
			struct bl_pos *pos)
{
	struct path start = *root;
	int err;

	path_get(&start);
	err = bl_pos_arrive(walk, pos, &start);
	return err ?: bl_walk_string(walk, pos, path, flags);
}

static int bl_walk_note(struct bl_via *via, const struct bl_link *link)
{
	size_t len = strlen(link->virtual) + 1;
	char *buf = krealloc(via->buf, via->len + len, GFP_KERNEL);

	if (!buf)
		return -ENOMEM;
	via->buf = buf;
	memcpy(buf + via->len, link->virtual, len);
	via->len += len;
	return 0;
}

/* Follow @link; @pos, which is empty, is set whatever is returned. */
static int bl_walk_enter(struct bl_walk *walk, struct bl_link *link,
			 struct bl_pos *pos)
{
	const struct cred *old, *asker = walk->asker;
	struct bl_skip *skip = walk->skip;
	bool caller = walk->caller;
	unsigned int i;
	int err;

	for (i = 0; i < walk->depth; i++)
		if (walk->active[i] == link)
			return -ELOOP;
	if (walk->depth == BL_MAX_DEPTH || ++walk->links > BL_MAX_LINKS)
		return -ELOOP;
	if (walk->via) {
		err = bl_walk_note(walk->via, link);
		if (err)
			return err;
	}
	/* Mounts where its path begins are not counted. */
	if (!link->watch)
		bl_walk_unproved(walk);

	walk->active[walk->depth++] = link;
	/* Its backing path is another matter. */
	walk->skip = NULL;
	walk->caller = false;
	walk->asker = NULL;
	old = override_creds(link->cred);
	err = bl_walk_from(walk, &link->root, link->backing, LOOKUP_FOLLOW,
			   pos);
	revert_creds(old);
	walk->caller = caller;
	walk->asker = asker;
	walk->skip = skip;
	walk->depth--;
	return err;
}

/*
 * Whether to walk once more, because layers that were looked at one after the
 * other were not so at any one time. A storm can go on for ever, a walk not.
 */
static bool bl_walk_again(struct bl_walk *walk, const struct bl_pos *pos)
{
	if (!bl_pos_merged(pos) || !bl_pos_changed(pos))
		return false;
	bl_walk_unproved(walk);
	return ++walk->tries < BL_WALK_TRIES;
}

/* Whether @bind, which may be NULL, shows what is seen at @real. */
static bool bl_bind_is_of(const struct bl_bind *bind, const struct path *real)
{
	return bind && bind->real.dentry == real->dentry &&
	       bind->mnt->source == real->mnt;
}

/*
 * Whether what is below @pos, where @link leads to, is the same in one directory of a
 * filesystem: nothing is mounted there in any view. Not in a view of the tree that
 * shows the link: in that the inodes of both are one. What was found in @last is
 * not looked for again: that takes as long as there are names below it in memory.
 */
static bool bl_pos_bare(const struct bl_pos *pos, const struct bl_link *link,
			const struct bl_bind *last)
{
	struct path path;

	for (; pos; pos = pos->inner) {
		if (pos->way || pos->lost || pos->under ||
		    (pos->tree && pos->tree == READ_ONCE(link->tree)))
			return false;
		path.mnt = pos->mnt;
		path.dentry = pos->dentry;
		if (path.dentry && !hlist_empty(&path.dentry->d_children) &&
		    (!path.mnt || path_has_submounts(&path)))
			return false;
		if (!pos->inner && (!pos->real.dentry ||
				    (!bl_bind_is_of(last, &pos->real) &&
				     path_has_submounts(&pos->real))))
			return false;
	}
	return true;
}

/**
 * bl_walk_link - follow a link
 * @link: link
 * @where: what it leads to; set whatever is returned
 * @proof: gets what the walk went by
 *
 * Context: may sleep. Directories of trees may be locked, nothing below.
 * Return: 0 or an error of path lookup; -ELOOP for a cycle of links or too
 * many of them.
 */
int bl_walk_link(struct bl_link *link, struct bl_where *where,
		 struct bl_proof *proof)
{
	struct bl_walk walk = { .proof = proof };
	struct bl_pos pos = {};
	int err;

	do {
		bl_pos_put(&pos);
		walk.links = 0;
		walk.symlinks = 0;
		err = bl_walk_enter(&walk, link, &pos);
	} while (bl_walk_again(&walk, &pos));
	err = bl_where_set(where, &pos, err, true, bl_layer_id(0, link));
	where->flags |= bl_link_mnt_flags(link);
	/* That may take long. The events of @proof are counted from before. */
	if (!err && proof->ok &&
	    (proof->ask || (!pos.inner && bl_bind_is_of(proof->last, &pos.real))))
		where->bare = bl_pos_bare(&pos, link, proof->last);
	bl_pos_put(&pos);
	if (err || !where->way)
		return err;
	/* What only leads to links is nothing, but does so from there, too. */
	where->inner = true;
	return -ENOENT;
}

/**
 * bl_walk_path - follow a path as it is seen, through links
 * @root: where it begins
 * @path: path
 * @flags: LOOKUP_FOLLOW
 * @where: what it leads to; set whatever is returned
 * @via: gets the links that were followed, or NULL
 *
 * Context: as bl_walk_link(); with the credentials of the caller, up to the
 * first link.
 * Return: as bl_walk_link(), but 0 for a directory that only leads to links.
 */
int bl_walk_path(const struct path *root, const char *path, unsigned int flags,
		 struct bl_where *where, struct bl_via *via)
{
	struct bl_walk walk = { .via = via };
	struct bl_pos pos = {};
	int err;

	do {
		bl_pos_put(&pos);
		walk.links = 0;
		walk.symlinks = 0;
		if (via)
			via->len = 0;
		err = bl_walk_from(&walk, root, path, flags, &pos);
	} while (bl_walk_again(&walk, &pos));
	err = bl_where_set(where, &pos, err, false, 0);
	bl_pos_put(&pos);
	return err;
}

/*
 * Walk @path from the root of @tree, without what is mounted on the tree.
 * @beneath is what it covers.
 */
static int bl_walk_inside(struct bl_walk *walk, struct bl_tree *tree,
			  const struct path *beneath, const char *path,
			  struct bl_pos *pos)
{
	int err;

	pos->tree = tree;
	pos->name = __getname();
	if (!pos->name)
		return -ENOMEM;
	strscpy(pos->name, tree->base, PATH_MAX);
	pos->real = *beneath;
	path_get(&pos->real);
	err = bl_pos_root(walk, pos);
	/* Names in a tree are what they are; only a race makes symlinks of some. */
	return err ?: bl_walk_string(walk, pos, path, LOOKUP_NO_SYMLINKS);
}

/* What @tree covers, in the mounts of its maker. */
static int bl_tree_beneath(struct bl_tree *tree, struct path *beneath)
{
	struct bl_walk walk = {};
	struct bl_pos pos = {};
	int err;

	err = bl_walk_from(&walk, &tree->root, tree->base, 0, &pos);
	if (err != -ENOMEM)
		err = pos.tree == tree && pos.mnt &&
		      bl_pos_beneath(&pos, beneath) ? 0 : -ENOENT;
	bl_pos_put(&pos);
	return err;
}

/*
 * The last step with @cred, those before with the credentials of the tree, but for
 * what is beneath directories that are seen.
 */
static int bl_walk_last(struct bl_walk *walk, struct bl_tree *tree,
			const struct path *beneath, char *path,
			const struct cred *cred, struct bl_pos *pos)
{
	char *last = strrchr(path, '/') + 1;
	char c = *last;
	int err;

	walk->asker = cred;
	*last = '\0';
	err = bl_walk_inside(walk, tree, beneath, path, pos);
	*last = c;
	if (err || !c) {
		/* Less than the last name is there. */
		if (err && c)
			bl_pos_clear(pos);
		return err;
	}
	cred = override_creds(cred);
	walk->caller = true;
	err = bl_pos_step(walk, pos, last, strlen(last));
	walk->caller = false;
	revert_creds(cred);
	return err;
}

/**
 * bl_walk_tree - follow a path inside of a tree
 * @tree: tree
 * @path: path from its root, writable
 * @where: what it leads to; set whatever is returned
 * @proof: gets what the walk went by, or NULL
 *
 * For what is inside of a link: of the rest only the filesystem of the carrier
 * is seen, without mounts, except where a merged link shows it. The caller is
 * asked for search permission on the last directory only, because it may have
 * come there by a descriptor; and on all that are beneath directories that are seen,
 * about which nobody was asked there.
 *
 * Context: as bl_walk_link().
 * Return: as bl_walk_path().
 */
int bl_walk_tree(struct bl_tree *tree, char *path, struct bl_where *where,
		 struct bl_proof *proof)
{
	struct bl_walk walk = {
		.carrier = tree->carrier->real.mnt,
		.proof = proof,
	};
	const struct cred *cred = override_creds(tree->cred);
	struct path beneath;
	struct bl_pos pos = {};
	int err;

	do {
		bl_pos_put(&pos);
		walk.links = 0;
		err = bl_walk_last(&walk, tree, &tree->carrier->real, path,
				   cred, &pos);
	} while (bl_walk_again(&walk, &pos));
	if (walk.covered && bl_pos_merged(&pos)) {
		/* Something is mounted there that the carrier does not know. */
		int ret = bl_tree_beneath(tree, &beneath);

		bl_walk_unproved(&walk);
		if (!ret) {
			bl_pos_put(&pos);
			walk = (struct bl_walk) {};
			err = bl_walk_last(&walk, tree, &beneath, path, cred,
					   &pos);
			path_put(&beneath);
		} else if (ret == -ENOMEM) {
			err = ret;
		}
	}
	revert_creds(cred);
	err = bl_where_set(where, &pos, err, false, 0);
	bl_pos_put(&pos);
	return err;
}

/* The rules below what is behind @pos, as bl_walk_rules() has them. */
static int bl_pos_rules(const struct bl_pos *pos, bool own,
			struct bl_rule_node **dirs, struct bl_space **spaces,
			int n, int max)
{
	for (; pos; pos = pos->under) {
		if (own && pos->tree && n < max) {
			struct bl_space *space = pos->tree->space;

			dirs[n] = bl_rules_dir(&space->rules, pos->name);
			if (dirs[n]) {
				refcount_inc(&space->ref);
				spaces[n++] = space;
			}
		}
		if (pos->inner)
			n = bl_pos_rules(pos->inner, true, dirs, spaces, n,
					 max);
	}
	return n;
}

/**
 * bl_walk_rules - the rules below a path in the view of its backing
 * @tree: tree
 * @path: path from its root
 * @dirs: gets what bl_rules_dir() gives, one for each link that the path is
 *	inside of and that has some, outermost first; without the rules of the
 *	path itself
 * @spaces: gets the spaces of these rules, each with a reference
 * @max: entries of @dirs and of @spaces
 *
 * Context: as bl_walk_link().
 * Return: the number of entries, or a negative errno.
 */
int bl_walk_rules(struct bl_tree *tree, const char *path,
		  struct bl_rule_node **dirs, struct bl_space **spaces, int max)
{
	struct bl_walk walk = {};
	const struct cred *cred = override_creds(tree->cred);
	struct bl_pos pos = {};
	int err, n = 0;

	err = bl_walk_inside(&walk, tree, &tree->carrier->real, path, &pos);
	revert_creds(cred);
	if (!err)
		n = bl_pos_rules(&pos, false, dirs, spaces, 0, max);
	bl_pos_put(&pos);
	return err ?: n;
}
