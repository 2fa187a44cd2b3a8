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
};

/**
 * struct bl_pos - where a walk is
 * @real: where that is in no tree; a negative dentry, or no path at all, where
 *	nothing is. Not used with @inner.
 * @inner: where it is in the view of the backing path, or NULL
 * @outer: the position that this is the inner one of, or NULL
 * @link: the link that was followed here last; compared and never followed
 * @flags: what @link adds to the flags of mounts
 * @tree: the tree that it is in, or NULL; lives with @mnt
 * @mnt: mount of @tree, with a reference, or NULL for a walk that began inside
 * @dentry: its dentry in @tree, with a reference, or NULL when that is not in
 *	the dcache: nothing can be mounted there or below then
 * @name: its virtual path (names_cache), or NULL outside of a tree
 * @below: there are links below @name
 * @way: only links below make it a directory
 */
struct bl_pos {
	struct path real;
	struct bl_pos *inner;
	struct bl_pos *outer;
	const struct bl_link *link;
	int flags;
	struct bl_tree *tree;
	struct vfsmount *mnt;
	struct dentry *dentry;
	char *name;
	bool below;
	bool way;
};

static int bl_walk_enter(struct bl_walk *walk, struct bl_link *link,
			 struct bl_pos *pos);
static int bl_walk_string(struct bl_walk *walk, struct bl_pos *pos,
			  const char *path, unsigned int flags);

static int bl_link_mnt_flags(const struct bl_link *link)
{
	return link->flags & BINDLINK_FLAG_READ_ONLY ? BL_MNT_READ_ONLY : 0;
}

static void bl_walk_unproved(struct bl_walk *walk)
{
	if (walk->proof)
		walk->proof->ok = false;
}

/* Keep the filesystem of @path as long as the proof holds on to its dentries. */
static void bl_walk_prove_mnt(struct bl_walk *walk, const struct path *path)
{
	struct bl_proof *proof = walk->proof;
	struct bl_mnt *mnt;
	unsigned int i;

	if (!proof || !proof->ok)
		return;
	for (i = 0; i < proof->nr_mnts; i++)
		if (proof->mnts[i]->mnt->mnt_sb == path->mnt->mnt_sb)
			return;
	mnt = proof->nr_mnts < BL_PROOF_MNTS ? bl_mnt_get(path, 0) : NULL;
	if (IS_ERR_OR_NULL(mnt))
		proof->ok = false;
	else
		proof->mnts[proof->nr_mnts++] = mnt;
}

/* @child is what @name is in @dir. */
static void bl_walk_prove(struct bl_walk *walk, const struct dentry *dir,
			  struct dentry *child, const char *name,
			  unsigned int len)
{
	struct bl_proof *proof = walk->proof;
	struct bl_seq *seq;
	bool ok;

	if (!proof || !proof->ok)
		return;
	if (proof->nr == BL_PROOF_DENTRIES ||
	    (child->d_flags & DCACHE_OP_REVALIDATE)) {
		proof->ok = false;
		return;
	}
	seq = &proof->chain[proof->nr];
	spin_lock(&child->d_lock);
	ok = child->d_parent == dir && !d_unhashed(child) &&
	     child->d_name.len == len && !memcmp(child->d_name.name, name, len);
	seq->seq = read_seqcount_begin(&child->d_seq);
	spin_unlock(&child->d_lock);
	if (!ok) {
		proof->ok = false;
		return;
	}
	seq->dentry = dget(child);
	proof->nr++;
}

static void bl_pos_put(struct bl_pos *pos);

/* Nothing is shown at @pos, or something else will be. */
static void bl_pos_clear(struct bl_pos *pos)
{
	path_put(&pos->real);
	memset(&pos->real, 0, sizeof(pos->real));
	if (pos->inner) {
		bl_pos_put(pos->inner);
		kfree(pos->inner);
		pos->inner = NULL;
	}
}

static void bl_pos_put(struct bl_pos *pos)
{
	bl_pos_clear(pos);
	dput(pos->dentry);
	mntput(pos->mnt);
	if (pos->name)
		__putname(pos->name);
	memset(pos, 0, sizeof(*pos));
}

/* Make @copy another reference to where @pos is; an empty one on failure. */
static int bl_pos_copy(struct bl_pos *copy, const struct bl_pos *pos)
{
	int err = -ENOMEM;

	*copy = *pos;
	path_get(&copy->real);
	mntget(copy->mnt);
	dget(copy->dentry);
	copy->name = NULL;
	copy->inner = NULL;
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
		copy->inner->outer = copy;
	}
	return 0;
fail:
	bl_pos_put(copy);
	return err;
}

/* What is used in the end. */
static struct path *bl_pos_real(struct bl_pos *pos)
{
	while (pos->inner)
		pos = pos->inner;
	return &pos->real;
}

static bool bl_pos_is_way(const struct bl_pos *pos)
{
	while (pos->inner)
		pos = pos->inner;
	return pos->way;
}

/* For a position at which something is. */
static bool bl_pos_is_dir(struct bl_pos *pos)
{
	return bl_pos_is_way(pos) || d_can_lookup(bl_pos_real(pos)->dentry);
}

/* Put what was found in place of @pos, which it is moved from. */
static int bl_pos_nest(struct bl_pos *pos, struct bl_pos *found)
{
	struct bl_pos *inner;

	bl_pos_clear(pos);
	pos->way = false;
	/* A place without a view of its own is just a place. */
	if (!found->tree && !found->inner && !found->way) {
		pos->real = found->real;
		return 0;
	}
	inner = kmalloc(sizeof(*inner), GFP_KERNEL);
	if (!inner) {
		bl_pos_put(found);
		return -ENOMEM;
	}
	*inner = *found;
	inner->outer = pos;
	if (inner->inner)
		inner->inner->outer = inner;
	pos->inner = inner;
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
 * What is in the tree at @pos->name: a link, or links below. Without a link,
 * @excepted is set to whether the one that @pos is inside of leaves it alone.
 */
static struct bl_link *bl_pos_rule(struct bl_walk *walk, struct bl_pos *pos,
				   bool *excepted)
{
	struct bl_rules *rules = &pos->tree->space->rules;
	const struct bl_pos *outer;
	struct bl_rule rule;

	guard(rcu)();
	bl_rules_at(rules, pos->name, &rule);
	pos->below = rule.below;
	*excepted = rule.excepted && pos->link &&
		    bl_rules_except(rules, pos->name, pos->link);
	if (!rule.link || bl_walk_skips(walk, rules, rule.link))
		return NULL;
	*excepted = false;
	/* A link that is below its own backing does not show itself again. */
	for (outer = pos->outer; outer; outer = outer->outer)
		if (outer->link == rule.link)
			return NULL;
	/* One that goes at this moment may be taken for gone. */
	return bl_link_tryget(rule.link) ? rule.link : NULL;
}

/*
 * The link with @id, or none, covers @pos. Of those that the path itself enters
 * only what covers its end counts.
 */
static void bl_walk_cover(struct bl_walk *walk, const struct bl_pos *pos,
			  u64 id)
{
	if (!walk->via || walk->depth || pos->outer)
		return;
	walk->via->len = 0;
	walk->via->cover = id;
}

/* Follow the link at @pos, whose tree part is set already. */
static int bl_pos_follow(struct bl_walk *walk, struct bl_pos *pos,
			 struct bl_link *link)
{
	struct bl_pos found = {};
	int err, ret;

	bl_walk_cover(walk, pos, link->id);
	err = bl_walk_enter(walk, link, &found);
	ret = bl_pos_nest(pos, &found);
	pos->link = link;
	pos->flags = bl_link_mnt_flags(link);
	return err ?: ret;
}

/* Where links are below, there is a directory. */
static int bl_pos_settle(struct bl_pos *pos, int err)
{
	if (!pos->below || (err && err != -ENOENT && err != -ENOTDIR) ||
	    (!err && bl_pos_is_dir(pos)))
		return err;
	bl_pos_clear(pos);
	pos->way = true;
	return 0;
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
		err = bl_pos_follow(walk, pos, link);
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
	struct bl_pos *outer = pos->outer;

	bl_pos_put(pos);
	pos->outer = outer;
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

/* Look @name up in the directory at @real, and replace that by what is found. */
static int bl_walk_lower(struct bl_walk *walk, struct path *real,
			 const char *name, unsigned int len)
{
	struct dentry *dir = real->dentry, *child;
	struct vfsmount *mnt = real->mnt;
	int err;

	if (!d_can_lookup(dir))
		return -ENOTDIR;
	bl_walk_prove_mnt(walk, real);
	child = lookup_one_unlocked(mnt_idmap(mnt), name, dir, len);
	if (IS_ERR(child))
		return PTR_ERR(child);
	bl_walk_prove(walk, dir, child, name, len);
	real->dentry = child;
	dput(dir);
	/* follow_down() keeps the mount only while it is the same. */
	if (child->d_flags & DCACHE_MANAGED_DENTRY) {
		err = follow_down(real, LOOKUP_AUTOMOUNT);
		if (err)
			return err;
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
	if (err || !bl_is_tree(pos->real.mnt->mnt_sb))
		return err;

	/* Something is mounted there, and it is a tree. */
	path = pos->real;
	memset(&pos->real, 0, sizeof(pos->real));
	if (!pos->tree)
		return bl_pos_arrive(walk, pos, &path);
	err = bl_pos_arrive(walk, &found, &path);
	ret = bl_pos_nest(pos, &found);
	return err ?: ret;
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

	if (cached && d_mountpoint(cached)) {
		path.mnt = mntget(pos->mnt);
		path.dentry = cached;
		if (follow_down_one(&path)) {
			err = follow_down(&path, LOOKUP_AUTOMOUNT);
			if (err) {
				path_put(&path);
				return err;
			}
			return bl_pos_arrive(walk, pos, &path) ?: 1;
		}
		mntput(path.mnt);
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
	struct bl_pos found = { .outer = pos->outer };
	struct path beneath;
	int err;

	bl_walk_unproved(walk);
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

	bl_pos_clear(pos);
	swap(pos->real, found.real);
	swap(pos->inner, found.inner);
	if (pos->inner)
		pos->inner->outer = pos;
	pos->link = found.link;
	pos->flags = found.flags;
	pos->way = found.way;
	bl_pos_put(&found);
	return err;
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
	struct bl_pos *at = pos;
	int err = 0;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	for (;; at = at->inner) {
		if (at->tree)
			err = bl_pos_step_tree(walk, at, name, len, &link);
		if (err || link || !at->inner)
			break;
	}
	if (link) {
		at->way = false;
		err = bl_pos_follow(walk, at, link);
		bl_link_put(link);
	} else if (!err) {
		err = bl_pos_lower(walk, at, name, len);
	} else if (err == 1) {
		/* Settled where it came to. */
		if (at == pos)
			return 0;
		at = at->outer;
		err = 0;
	} else if (err == 2) {
		err = bl_pos_except(walk, at);
	}
	for (;; at = at->outer) {
		if (at->tree)
			err = bl_pos_settle(at, err);
		if (at == pos)
			return err;
	}
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

/* Whether links are below @pos, at the level of @pos or further inside. */
static bool bl_pos_below(const struct bl_pos *pos)
{
	struct bl_rule rule;

	guard(rcu)();
	for (; pos; pos = pos->inner) {
		if (!pos->tree)
			continue;
		bl_rules_at(&pos->tree->space->rules, pos->name, &rule);
		if (rule.below)
			return true;
	}
	return false;
}

/*
 * Say what @pos, to which a walk came with @err, is to others. @outer: its own
 * rules count, too.
 */
static void bl_where_set(struct bl_where *where, struct bl_pos *pos, int err,
			 bool outer)
{
	struct path *real = bl_pos_real(pos);
	const struct bl_pos *at;

	memset(where, 0, sizeof(*where));
	if (err && err != -ENOENT)
		return;
	where->inner = bl_pos_below(outer ? pos : pos->inner);
	for (at = outer ? pos : pos->inner; at; at = at->inner)
		where->viewed |= !!at->tree;
	where->way = !err && bl_pos_is_way(pos);
	where->linked = pos->link;
	if (where->way || !real->dentry ||
	    (err && !d_is_negative(real->dentry)))
		return;
	where->path = *real;
	path_get(&where->path);
	for (at = pos; at; at = at->inner) {
		where->flags |= at->flags;
		if (at->mnt)
			where->flags |= at->mnt->mnt_flags &
					MNT_USER_SETTABLE_MASK;
	}
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
	struct bl_skip *skip = walk->skip;
	const struct cred *old;
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

	walk->active[walk->depth++] = link;
	/* Its backing path is another matter. */
	walk->skip = NULL;
	old = override_creds(link->cred);
	err = bl_walk_from(walk, &link->root, link->backing, LOOKUP_FOLLOW,
			   pos);
	revert_creds(old);
	walk->skip = skip;
	walk->depth--;
	return err;
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

	err = bl_walk_enter(&walk, link, &pos);
	bl_where_set(where, &pos, err, true);
	where->flags |= bl_link_mnt_flags(link);
	bl_pos_put(&pos);
	/* To a link a directory that only leads to others is nothing. */
	return !err && where->way ? -ENOENT : err;
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

	err = bl_walk_from(&walk, root, path, flags, &pos);
	bl_where_set(where, &pos, err, false);
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

/**
 * bl_walk_tree - follow a path inside of a tree
 * @tree: tree
 * @path: path from its root
 * @where: what it leads to; set whatever is returned
 *
 * For what is inside of a link: of the rest only the filesystem of the carrier
 * is seen, without mounts.
 *
 * Context: as bl_walk_link().
 * Return: as bl_walk_path().
 */
int bl_walk_tree(struct bl_tree *tree, const char *path,
		 struct bl_where *where)
{
	struct bl_walk walk = {};
	struct bl_pos pos = {};
	int err;

	err = bl_walk_inside(&walk, tree, &tree->carrier->real, path, &pos);
	bl_where_set(where, &pos, err, false);
	bl_pos_put(&pos);
	return err;
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
	struct bl_pos pos = {}, *at;
	int err, n = 0;

	err = bl_walk_inside(&walk, tree, &tree->carrier->real, path, &pos);
	for (at = pos.inner; !err && at && n < max; at = at->inner) {
		if (!at->tree)
			continue;
		dirs[n] = bl_rules_dir(&at->tree->space->rules, at->name);
		if (!dirs[n])
			continue;
		refcount_inc(&at->tree->space->ref);
		spaces[n++] = at->tree->space;
	}
	bl_pos_put(&pos);
	return err ?: n;
}
