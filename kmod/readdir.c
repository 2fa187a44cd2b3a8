// SPDX-License-Identifier: GPL-2.0
/*
 * Listing directories that links are in.
 *
 * First comes what the directory behind has, without the names that have a
 * link; then those, as far as the links lead somewhere. Most directories have
 * no links, and are listed by the filesystem behind alone.
 *
 * The positions of the first part are those of the filesystem behind. Those of
 * the second begin where no filesystem has entries: ext4, whose positions are
 * hashes, keeps this range for the end of a directory.
 */

#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "bindlink.h"

#define BL_POS_LINKS	0x7fffffff00000000LL
/* Which of the rules a position belongs to, and where it is in these. */
#define BL_POS_RULES	28
#define BL_POS_SERIAL	((1ULL << BL_POS_RULES) - 1)

/**
 * struct bl_listing - one round of listing a directory
 * @ctx: what the filesystem behind is given
 * @out: what the VFS gave
 * @file: the open directory
 * @rules: the rules that have names in it
 * @called: the filesystem had an entry
 * @full: the reader's buffer is full
 */
struct bl_listing {
	struct dir_context ctx;
	struct dir_context *out;
	struct file *file;
	struct bl_dir_rules rules;
	bool called;
	bool full;
};

/**
 * bl_dir_rules_find - what all tables have for a name
 * @rules: the rules
 * @name: name, need not end in NUL
 * @len: bytes of @name
 * @rule: filled in; valid as long as the caller is on the RCU read side
 *
 * Return: the first table that has something, or -1.
 */
int bl_dir_rules_find(const struct bl_dir_rules *rules, const char *name,
		      unsigned int len, struct bl_rule *rule)
{
	struct bl_rule one;
	int i, first = -1;

	memset(rule, 0, sizeof(*rule));
	guard(rcu)();
	for (i = 0; i < rules->nr; i++) {
		if (!bl_rule_child(&rules->spaces[i]->rules, rules->dirs[i],
				   name, len, &one))
			continue;
		if (first < 0)
			first = i;
		rule->link = rule->link ?: one.link;
		rule->excepted |= one.excepted;
		rule->below |= one.below;
		rule->links += one.links;
	}
	return first;
}

/* Whether @name of the directory behind is not what is seen by that name. */
static bool bl_listing_hides(struct bl_listing *listing, const char *name,
			     int len, unsigned int type)
{
	struct bl_rule rule;

	guard(rcu)();
	if (bl_dir_rules_find(&listing->rules, name, len, &rule) < 0)
		return false;
	/* A directory on the way to links is itself. */
	return rule.link || rule.excepted ||
	       (type != DT_DIR && type != DT_UNKNOWN);
}

static bool bl_listing_actor(struct dir_context *ctx, const char *name,
			     int len, loff_t offset, u64 ino,
			     unsigned int type)
{
	struct bl_listing *listing = container_of(ctx, struct bl_listing, ctx);

	listing->called = true;
	if (bl_listing_hides(listing, name, len, type))
		return true;
	listing->out->pos = ctx->pos;
	if (listing->out->actor(listing->out, name, len, offset, ino, type))
		return true;
	listing->full = true;
	return false;
}

/**
 * bl_dir_rule_type - what a name that has a rule is
 * @dir: directory of a tree
 * @name: name
 * @link: there is a link or an exception; otherwise a directory that is there
 *	anyway is not told
 * @ino: set to its inode number
 *
 * Return: DT_UNKNOWN when it is not to be listed, because nothing is there;
 * -ENOMEM when that cannot be told.
 */
int bl_dir_rule_type(struct dentry *dir, const char *name, bool link, u64 *ino)
{
	struct qstr qstr = QSTR_INIT(name, strlen(name));
	struct bl_node *node;
	struct dentry *dentry;
	int type = DT_UNKNOWN;

	/* Not hashed: looking it up properly takes the lock we hold. */
	dentry = d_alloc(dir, &qstr);
	if (!dentry)
		return -ENOMEM;
	node = bl_node_get(dentry, dir, BL_LOOK_FIRST);
	if (!IS_ERR(node)) {
		if (node->way) {
			*ino = 1;
			type = DT_DIR;
		} else if (node->inode &&
			   (link || !S_ISDIR(node->inode->i_mode))) {
			*ino = node->inode->i_ino;
			type = fs_umode_to_dtype(node->inode->i_mode);
		}
		bl_node_put(node);
	} else if (PTR_ERR(node) == -ENOMEM) {
		type = -ENOMEM;
	}
	dput(dentry);
	return type;
}

/* The names that rules have, table by table. */
static int bl_listing_links(struct bl_listing *listing)
{
	struct dir_context *ctx = listing->out;
	u64 at = ctx->pos - BL_POS_LINKS;
	struct bl_dir_rules *rules = &listing->rules;
	int i = min_t(u64, at >> BL_POS_RULES, rules->nr);
	u32 serial = at & BL_POS_SERIAL;
	char name[NAME_MAX + 1];
	struct bl_rule rule;
	int type;
	u64 ino;

	while (i < rules->nr) {
		bool more;

		scoped_guard(rcu)
			more = bl_rule_next(rules->dirs[i], &serial, name,
					    &rule);
		if (!more) {
			i++;
			serial = 0;
			continue;
		}
		type = DT_UNKNOWN;
		if (bl_dir_rules_find(rules, name, strlen(name), &rule) == i)
			type = bl_dir_rule_type(listing->file->f_path.dentry,
						name,
						rule.link || rule.excepted,
						&ino);
		/* Whoever reads on comes to this name again. */
		if (type < 0)
			return type;
		if (type != DT_UNKNOWN &&
		    !dir_emit(ctx, name, strlen(name), ino, type))
			return 0;
		ctx->pos = BL_POS_LINKS + ((u64)i << BL_POS_RULES) + serial;
	}
	return 0;
}

static int bl_listing_real(struct bl_listing *listing)
{
	struct file *real = bl_file_real(listing->file);
	int err;

	listing->ctx.pos = listing->out->pos;
	do {
		listing->called = false;
		real->f_pos = listing->ctx.pos;
		err = iterate_dir(real, &listing->ctx);
		/* Some filesystems come back before the end. */
	} while (!err && listing->called && !listing->full);
	listing->out->pos = listing->ctx.pos;
	return err;
}

static int bl_listing_run(struct bl_listing *listing)
{
	struct dir_context *ctx = listing->out;
	int err = 0;

	if (ctx->pos < BL_POS_LINKS || ctx->pos == LLONG_MAX) {
		if (listing->file->private_data)
			err = bl_listing_real(listing);
		else if (!dir_emit_dots(listing->file, ctx))
			return 0;
		if (err || listing->full)
			return err;
		ctx->pos = BL_POS_LINKS;
	}
	return bl_listing_links(listing);
}

/**
 * bl_dir_rules_put - undo bl_dir_rules_get()
 * @rules: what it filled in
 */
void bl_dir_rules_put(struct bl_dir_rules *rules)
{
	while (rules->nr) {
		bl_rule_put(rules->dirs[--rules->nr]);
		bl_space_put(rules->spaces[rules->nr]);
	}
}

/**
 * bl_dir_rules_get - which rules have names in a directory
 * @dir: directory of a tree
 * @inner: some may in the view of a backing path
 * @rules: filled in
 *
 * Return: 0 or -ENOMEM.
 */
int bl_dir_rules_get(struct dentry *dir, bool inner, struct bl_dir_rules *rules)
{
	struct bl_tree *tree = bl_tree(dir->d_sb);
	char *buf, *path;
	int n = 0;

	memset(rules, 0, sizeof(*rules));
	buf = __getname();
	if (!buf)
		return -ENOMEM;
	path = bl_virtual_path(dir, buf);
	if (!IS_ERR(path))
		rules->dirs[0] = bl_rules_dir(&tree->space->rules, path);
	if (rules->dirs[0]) {
		rules->spaces[0] = tree->space;
		refcount_inc(&tree->space->ref);
		rules->nr = 1;
	}
	path = dentry_path_raw(dir, buf, PATH_MAX);
	if (!IS_ERR(path) && inner) {
		n = bl_walk_rules(tree, path, rules->dirs + rules->nr,
				  rules->spaces + rules->nr,
				  BL_LISTING_MAX - rules->nr);
		rules->nr += max(n, 0);
	}
	__putname(buf);
	if (n == -ENOMEM)
		bl_dir_rules_put(rules);
	return n == -ENOMEM ? n : 0;
}

/**
 * bl_iterate - ->iterate_shared() of a directory in a tree
 * @file: open directory; without a file behind it where that only leads to
 *	links
 * @ctx: where to list to
 *
 * Return: 0 or an error of the filesystem behind.
 */
int bl_iterate(struct file *file, struct dir_context *ctx)
{
	struct dentry *dentry = file->f_path.dentry;
	struct bl_listing listing = {
		.ctx.actor = bl_listing_actor,
		.out = ctx,
		.file = file,
	};
	int below, inner, err;
	struct file *real;
	bool viewed;

	below = bl_dentry_below(dentry);
	inner = bl_dentry_inner(dentry, &viewed);
	if (below < 0 || inner < 0)
		return min(below, inner);
	if (below || inner) {
		err = bl_dir_rules_get(dentry, inner, &listing.rules);
		if (err)
			return err;
		if (listing.rules.nr) {
			err = bl_listing_run(&listing);
			bl_dir_rules_put(&listing.rules);
			return err;
		}
	}
	if (!file->private_data) {
		dir_emit_dots(file, ctx);
		return 0;
	}
	/* Links that were listed are gone. */
	if (ctx->pos >= BL_POS_LINKS && ctx->pos != LLONG_MAX)
		return 0;
	real = bl_file_real(file);
	real->f_pos = ctx->pos;
	return iterate_dir(real, ctx);
}

/**
 * bl_dir_llseek - ->llseek() of a directory in a tree
 * @file: open directory
 * @offset: as for lseek(2)
 * @whence: as for lseek(2)
 *
 * Return: the new position or an error of the filesystem behind.
 */
loff_t bl_dir_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR && !offset)
		return file->f_pos;
	if (whence == SEEK_SET && offset >= 0 &&
	    (offset >= BL_POS_LINKS || !file->private_data)) {
		file->f_pos = offset;
		return offset;
	}
	if (!file->private_data)
		return -EINVAL;
	return bl_file_llseek(file, bl_file_real(file), offset, whence);
}
