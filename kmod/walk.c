// SPDX-License-Identifier: GPL-2.0
/*
 * Following paths through links.
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
 * struct bl_walk - one walk
 * @proof: what it goes by, or NULL
 * @via: links that it entered, or NULL
 * @active: links that it is inside of
 * @depth: entries of @active
 * @links: links that were entered
 * @symlinks: symbolic links that were followed
 */
struct bl_walk {
	struct bl_proof *proof;
	struct bl_via *via;
	struct bl_link *active[BL_MAX_DEPTH];
	unsigned int depth;
	unsigned int links;
	unsigned int symlinks;
};

/**
 * struct bl_pos - where a walk is
 * @real: where that is in no tree; a negative dentry, or no path at all, where
 *	nothing is
 * @flags: mount flags of the trees that it is seen through
 * @tree: the tree that it is in, or NULL; lives with @mnt
 * @mnt: mount of @tree, with a reference
 * @dentry: its dentry in @tree, with a reference, or NULL when that is not in
 *	the dcache: nothing can be mounted there or below then
 * @name: its virtual path (names_cache), or NULL outside of a tree
 * @way: only links below make it a directory
 */
struct bl_pos {
	struct path real;
	int flags;
	struct bl_tree *tree;
	struct vfsmount *mnt;
	struct dentry *dentry;
	char *name;
	bool way;
};

static int bl_walk_enter(struct bl_walk *walk, struct bl_link *link,
			 struct bl_where *where);
static int bl_walk_string(struct bl_walk *walk, struct bl_pos *pos,
			  const char *path, unsigned int flags);

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

static void bl_pos_put(struct bl_pos *pos)
{
	path_put(&pos->real);
	dput(pos->dentry);
	mntput(pos->mnt);
	if (pos->name)
		__putname(pos->name);
	memset(pos, 0, sizeof(*pos));
}

/* What is in the tree at @pos->name: a link, or links below. */
static struct bl_link *bl_pos_rule(const struct bl_pos *pos, bool *below)
{
	struct bl_rule rule;

	guard(rcu)();
	bl_rules_at(&pos->tree->space->rules, pos->name, &rule);
	*below = rule.below;
	/* One that goes at this moment may be taken for gone. */
	if (rule.link && bl_link_tryget(rule.link))
		return rule.link;
	return NULL;
}

/* Follow the link at @pos, whose tree part is set already. */
static int bl_pos_follow(struct bl_walk *walk, struct bl_pos *pos,
			 struct bl_link *link)
{
	struct bl_where where;
	int err;

	if (walk->via && !walk->depth) {
		/* Only what covers the end of the path counts. */
		walk->via->len = 0;
		walk->via->cover = link->id;
	}
	err = bl_walk_enter(walk, link, &where);
	path_put(&pos->real);
	pos->real = where.path;
	pos->flags = where.flags | (pos->mnt->mnt_flags & MNT_USER_SETTABLE_MASK);
	return err;
}

/* Where links are below, there is a directory. */
static int bl_pos_settle(struct bl_pos *pos, bool below, int err)
{
	pos->way = below && (err == -ENOENT || err == -ENOTDIR ||
			     (!err && !d_can_lookup(pos->real.dentry)));
	return pos->way ? 0 : err;
}

/*
 * @pos is at the root of a tree, with the tree part set and what the tree
 * covers in @pos->real.
 */
static int bl_pos_root(struct bl_walk *walk, struct bl_pos *pos)
{
	struct bl_link *link;
	bool below;
	int err = 0;

	pos->flags = pos->mnt->mnt_flags & MNT_USER_SETTABLE_MASK;
	link = bl_pos_rule(pos, &below);
	if (link) {
		err = bl_pos_follow(walk, pos, link);
		bl_link_put(link);
	}
	return bl_pos_settle(pos, below, err);
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
 * Come to @path, which is consumed. If that is in a tree, go on in what the
 * tree covers.
 */
static int bl_pos_arrive(struct bl_walk *walk, struct bl_pos *pos,
			 struct path *path)
{
	struct path up;

	bl_pos_put(pos);
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
	if (pos->dentry != path->mnt->mnt_sb->s_root)
		return bl_pos_part(walk, pos, pos->dentry);

	up = *path;
	path_get(&up);
	if (!follow_up(&up) || up.dentry != pos->tree->key) {
		path_put(&up);
		return bl_pos_part(walk, pos, pos->dentry);
	}
	pos->real = up;
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

	if (!pos->dentry)
		return NULL;
	qstr.hash = full_name_hash(pos->dentry, name, len);
	return d_lookup(pos->dentry, &qstr);
}

/* One step inside a tree. */
static int bl_pos_step_tree(struct bl_walk *walk, struct bl_pos *pos,
			    const char *name, unsigned int len)
{
	struct dentry *cached = bl_pos_cached(pos, name, len);
	size_t end = strlen(pos->name);
	struct bl_link *link;
	struct path path;
	bool below;
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
			return bl_pos_arrive(walk, pos, &path);
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

	link = bl_pos_rule(pos, &below);
	if (link) {
		err = bl_pos_follow(walk, pos, link);
		bl_link_put(link);
	} else if (pos->way) {
		path_put(&pos->real);
		memset(&pos->real, 0, sizeof(pos->real));
		err = -ENOENT;
	} else {
		err = bl_walk_lower(walk, &pos->real, name, len);
	}
	return bl_pos_settle(pos, below, err);
}

static int bl_pos_step(struct bl_walk *walk, struct bl_pos *pos,
		       const char *name, unsigned int len)
{
	struct path path;
	int err;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (pos->tree)
		return bl_pos_step_tree(walk, pos, name, len);

	err = bl_walk_lower(walk, &pos->real, name, len);
	if (err || !bl_is_tree(pos->real.mnt->mnt_sb))
		return err;
	path = pos->real;
	memset(&pos->real, 0, sizeof(pos->real));
	return bl_pos_arrive(walk, pos, &path);
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
	protected = (dir->i_mode & (S_ISVTX | S_IWOTH)) ==
		    (S_ISVTX | S_IWOTH) &&
		    !uid_eq(inode->i_uid, current_fsuid()) &&
		    !uid_eq(inode->i_uid, dir->i_uid);
	dput(parent);
	return protected;
}

/* A link of procfs and the like, which leads to an object and not to a path. */
static int bl_pos_jump(struct bl_walk *walk, struct bl_pos *pos)
{
	struct name_snapshot name;
	struct path path;
	struct dentry *dir;
	int err;

	bl_walk_unproved(walk);
	dir = dget_parent(pos->real.dentry);
	take_dentry_name_snapshot(&name, pos->real.dentry);
	err = vfs_path_lookup(dir, pos->real.mnt, name.name.name, LOOKUP_FOLLOW,
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
	DEFINE_DELAYED_CALL(done);
	const char *target;
	char *new;
	int n;

	if (++walk->symlinks > BL_MAX_LINKS ||
	    (pos->real.mnt->mnt_flags & MNT_NOSYMFOLLOW))
		return -ELOOP;
	if (bl_symlink_protected(&pos->real))
		return -EACCES;
	new = __getname();
	if (!new)
		return -ENOMEM;
	target = vfs_get_link(pos->real.dentry, &done);
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

/*
 * Walk @path from @pos, which is moved to its end. After a symlink and after
 * ".." the walk begins again at the start, with a path that has neither up to
 * there.
 */
static int bl_walk_string(struct bl_walk *walk, struct bl_pos *pos,
			  const char *path, unsigned int flags)
{
	struct bl_pos from = *pos;
	char *buf = __getname();
	size_t at = 0;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	if (strscpy(buf, path, PATH_MAX) < 0) {
		err = -ENAMETOOLONG;
		goto out;
	}
	/* The start is needed again; @pos becomes a copy. */
	pos->name = NULL;
again:
	at = 0;
	if (from.name) {
		if (!pos->name)
			pos->name = __getname();
		if (!pos->name) {
			memset(pos, 0, sizeof(*pos));
			err = -ENOMEM;
			goto out_from;
		}
		strscpy(pos->name, from.name, PATH_MAX);
	}
	path_get(&from.real);
	mntget(from.mnt);
	dget(from.dentry);

	for (;;) {
		size_t start, len;
		const char *name;
		bool last;

		at += strspn(buf + at, "/");
		name = buf + at;
		len = strcspn(name, "/");
		if (!len)
			break;
		start = at;
		at += len;
		last = !buf[at + strspn(buf + at, "/")];
		if (len == 1 && name[0] == '.')
			continue;
		if (len == 2 && name[0] == '.' && name[1] == '.') {
			if (!pos->way && !d_can_lookup(pos->real.dentry)) {
				err = -ENOTDIR;
				break;
			}
			bl_walk_up(buf, start, buf + at);
			goto restart;
		}
		err = bl_pos_step(walk, pos, name, len);
		if (err) {
			/* Less than the last name is there. */
			if (!last) {
				path_put(&pos->real);
				memset(&pos->real, 0, sizeof(pos->real));
			}
			break;
		}
		if (pos->way || !d_is_symlink(pos->real.dentry) ||
		    (last && !(flags & LOOKUP_FOLLOW) && !buf[at]))
			continue;
		if (d_inode(pos->real.dentry)->i_op->readlink) {
			err = ++walk->symlinks > BL_MAX_LINKS ? -ELOOP :
				bl_pos_jump(walk, pos);
			if (err)
				break;
			continue;
		}
		err = bl_walk_symlink(walk, pos, buf, start, buf + at);
		if (err)
			break;
restart:
		bl_pos_put(pos);
		*pos = from;
		pos->name = NULL;
		goto again;
	}
	if (!err && at && buf[at - 1] == '/' && !pos->way &&
	    !d_can_lookup(pos->real.dentry))
		err = -ENOTDIR;
out_from:
	bl_pos_put(&from);
out:
	__putname(buf);
	return err;
}

static int bl_walk_from(struct bl_walk *walk, const struct path *root,
			const char *path, unsigned int flags,
			struct bl_where *where)
{
	struct bl_pos pos = {};
	struct path start = *root;
	int err;

	memset(where, 0, sizeof(*where));
	path_get(&start);
	err = bl_pos_arrive(walk, &pos, &start);
	if (!err)
		err = bl_walk_string(walk, &pos, path, flags);
	if (!err && pos.way)
		err = -ENOENT;
	if (!err || (err == -ENOENT && pos.real.dentry && !pos.way &&
		     d_is_negative(pos.real.dentry))) {
		where->path = pos.real;
		where->flags = pos.flags;
		memset(&pos.real, 0, sizeof(pos.real));
	}
	bl_pos_put(&pos);
	return err;
}

static void bl_walk_note(struct bl_via *via, const struct bl_link *link)
{
	size_t len = strlen(link->virtual) + 1;
	char *buf = krealloc(via->buf, via->len + len, GFP_KERNEL);

	if (!buf)
		return;
	via->buf = buf;
	memcpy(buf + via->len, link->virtual, len);
	via->len += len;
}

/* Follow @link; @where is set whatever is returned. */
static int bl_walk_enter(struct bl_walk *walk, struct bl_link *link,
			 struct bl_where *where)
{
	const struct cred *old;
	unsigned int i;
	int err;

	memset(where, 0, sizeof(*where));
	for (i = 0; i < walk->depth; i++)
		if (walk->active[i] == link)
			return -ELOOP;
	if (walk->depth == BL_MAX_DEPTH || ++walk->links > BL_MAX_LINKS)
		return -ELOOP;
	if (walk->via)
		bl_walk_note(walk->via, link);

	walk->active[walk->depth++] = link;
	old = override_creds(link->cred);
	err = bl_walk_from(walk, &link->root, link->backing, LOOKUP_FOLLOW,
			   where);
	revert_creds(old);
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

	return bl_walk_enter(&walk, link, where);
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
 * Return: as bl_walk_link().
 */
int bl_walk_path(const struct path *root, const char *path, unsigned int flags,
		 struct bl_where *where, struct bl_via *via)
{
	struct bl_walk walk = { .via = via };

	return bl_walk_from(&walk, root, path, flags, where);
}
