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

/**
 * struct bl_listing - one round of listing a directory
 * @ctx: what the filesystem behind is given
 * @out: what the VFS gave
 * @rules: rule table
 * @dir: the directory in it
 * @called: the filesystem had an entry
 * @full: the reader's buffer is full
 */
struct bl_listing {
	struct dir_context ctx;
	struct dir_context *out;
	struct bl_rules *rules;
	struct bl_rule_node *dir;
	bool called;
	bool full;
};

/* Whether @name of the directory behind is not what is seen by that name. */
static bool bl_listing_hides(struct bl_listing *listing, const char *name,
			     int len, unsigned int type)
{
	struct bl_rule rule;

	guard(rcu)();
	if (!bl_rule_child(listing->rules, listing->dir, name, len, &rule))
		return false;
	/* A directory on the way to links is itself. */
	return rule.link || (type != DT_DIR && type != DT_UNKNOWN);
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

/* What a name of the second part is: 0 when there is nothing to list. */
static unsigned int bl_listing_type(struct file *file, const char *name,
				    const struct bl_rule *rule,
				    struct bl_link *link, u64 *ino)
{
	struct file *real = file->private_data ? bl_file_real(file) : NULL;
	struct inode *inode = NULL;
	struct bl_bind *bind = NULL;
	struct dentry *lower = NULL;
	unsigned int type = 0;

	if (link) {
		bind = bl_bind_get(link);
		if (IS_ERR(bind))
			return 0;
		if (!bind->error)
			inode = d_inode(bind->real.dentry);
	} else if (real) {
		lower = lookup_one_unlocked(file_mnt_idmap(real), name,
					    real->f_path.dentry, strlen(name));
		if (!IS_ERR(lower))
			inode = d_inode(lower);
	}

	if (inode && (!rule->below || S_ISDIR(inode->i_mode))) {
		*ino = inode->i_ino;
		type = fs_umode_to_dtype(inode->i_mode);
	} else if (rule->below) {
		*ino = 1;
		type = DT_DIR;
	}
	/* The first part had it. */
	if (!link && inode && S_ISDIR(inode->i_mode))
		type = DT_UNKNOWN;
	if (bind)
		bl_bind_put(bind);
	if (!IS_ERR_OR_NULL(lower))
		dput(lower);
	return type;
}

static int bl_listing_links(struct file *file, struct bl_listing *listing)
{
	struct dir_context *ctx = listing->out;
	u32 serial = ctx->pos - BL_POS_LINKS;
	char name[NAME_MAX + 1];
	struct bl_link *link;
	struct bl_rule rule;
	unsigned int type;
	bool more;
	u64 ino;

	for (;;) {
		link = NULL;
		scoped_guard(rcu) {
			more = bl_rule_next(listing->dir, &serial, name, &rule);
			if (more && rule.link && bl_link_tryget(rule.link))
				link = rule.link;
		}
		if (!more)
			return 0;
		type = link || rule.below ?
			bl_listing_type(file, name, &rule, link, &ino) : 0;
		if (link)
			bl_link_put(link);
		if (type != DT_UNKNOWN &&
		    !dir_emit(ctx, name, strlen(name), ino, type))
			return 0;
		ctx->pos = BL_POS_LINKS + serial;
	}
}

static int bl_listing_real(struct file *file, struct bl_listing *listing)
{
	struct file *real = bl_file_real(file);
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

static int bl_listing_run(struct file *file, struct dir_context *ctx,
			  struct bl_rule_node *dir)
{
	struct bl_listing listing = {
		.ctx.actor = bl_listing_actor,
		.out = ctx,
		.rules = &bl_tree(file_inode(file)->i_sb)->space->rules,
		.dir = dir,
	};
	int err = 0;

	if (ctx->pos < BL_POS_LINKS || ctx->pos == LLONG_MAX) {
		if (file->private_data)
			err = bl_listing_real(file, &listing);
		else if (!dir_emit_dots(file, ctx))
			return 0;
		if (err || listing.full)
			return err;
		ctx->pos = BL_POS_LINKS;
	}
	return bl_listing_links(file, &listing);
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
	struct bl_rule_node *dir = NULL;
	char *buf, *path;
	struct file *real;
	int err;

	if (bl_dentry_below(dentry)) {
		buf = __getname();
		if (!buf)
			return -ENOMEM;
		path = bl_virtual_path(dentry, buf);
		if (!IS_ERR(path))
			dir = bl_rules_dir(&bl_tree(dentry->d_sb)->space->rules,
					   path);
		__putname(buf);
	}
	if (dir) {
		err = bl_listing_run(file, ctx, dir);
		bl_rule_put(dir);
		return err;
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
	struct file *real;
	loff_t ret;

	if (whence == SEEK_CUR && !offset)
		return file->f_pos;
	if (whence == SEEK_SET && offset >= 0 &&
	    (offset >= BL_POS_LINKS || !file->private_data)) {
		file->f_pos = offset;
		return offset;
	}
	if (!file->private_data)
		return -EINVAL;
	real = bl_file_real(file);
	real->f_pos = file->f_pos;
	ret = vfs_llseek(real, offset, whence);
	file->f_pos = real->f_pos;
	return ret;
}
