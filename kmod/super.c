// SPDX-License-Identifier: GPL-2.0
/*
 * Trees: superblocks of type "bindlink".
 *
 * A tree is made over a carrier, given by descriptor, and shows it as it is
 * but for the links that the rule table has at its path and below. It never
 * has files of its own. There is one tree for a carrier, however often and in
 * how many mount namespaces it is mounted.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>

#include "bindlink.h"

static struct kmem_cache *bl_inode_cache;

static struct inode *bl_alloc_inode(struct super_block *sb)
{
	struct bl_inode *bi = alloc_inode_sb(sb, bl_inode_cache, GFP_KERNEL);

	if (!bi)
		return NULL;
	bi->real = NULL;
	bi->mnt = NULL;
	bi->alias = NULL;
	bi->merged = false;
	bi->kept = false;
	return &bi->vfs_inode;
}

static void bl_free_inode(struct inode *inode)
{
	kmem_cache_free(bl_inode_cache, BL_I(inode));
}

static void bl_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	if (unlikely(BL_I(inode)->kept))
		atomic_dec(&bl_tree(inode->i_sb)->kept);
	if (BL_I(inode)->real)
		bl_spare_drop(BL_I(inode)->real);
	iput(BL_I(inode)->real);
	bl_mnt_put(BL_I(inode)->mnt);
}

static int bl_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct bl_real real;
	int err;

	err = bl_real_get(dentry, &real);
	/* Nothing is behind a directory that only leads to links. */
	if (err == -ENOENT)
		return vfs_statfs(&bl_tree(dentry->d_sb)->carrier->real, buf);
	if (err)
		return err;
	err = vfs_statfs(&real.path, buf);
	bl_real_put(&real);
	return err;
}

static int bl_sync_fs(struct super_block *sb, int wait)
{
	/*
	 * sync(2) comes to the filesystems below by itself; what is waited
	 * for is syncfs(2). A tree that goes has nothing to write.
	 */
	return wait && atomic_read(&sb->s_active) ? bl_mnts_sync() : 0;
}

static int bl_show_options(struct seq_file *m, struct dentry *root)
{
	struct bl_tree *tree = bl_tree(root->d_sb);
	struct bl_link *link;

	guard(rcu)();
	link = rcu_dereference(tree->link);
	if (link)
		seq_show_option(m, "backing", link->backing);
	return 0;
}

/**
 * bl_tree_link - the link that the root of a tree shows
 * @tree: tree
 *
 * Return: the link with a reference, or NULL for the carrier.
 */
struct bl_link *bl_tree_link(struct bl_tree *tree)
{
	struct bl_link *link;

	guard(rcu)();
	do {
		link = rcu_dereference(tree->link);
	} while (link && !bl_link_tryget(link));
	return link;
}

static const struct super_operations bl_super_ops = {
	.alloc_inode = bl_alloc_inode,
	.free_inode = bl_free_inode,
	.drop_inode = generic_delete_inode,
	.evict_inode = bl_evict_inode,
	.statfs = bl_statfs,
	.sync_fs = bl_sync_fs,
	.show_options = bl_show_options,
};

/**
 * struct bl_fc - what fsopen() was told
 * @carrier: the carrier, with references, or empty
 */
struct bl_fc {
	struct path carrier;
};

enum { BL_OPT_CARRIER };

static const struct fs_parameter_spec bl_parameters[] = {
	fsparam_fd("carrier", BL_OPT_CARRIER),
	{}
};

static int bl_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct bl_fc *ctx = fc->fs_private;
	struct fs_parse_result result;
	struct file *file;
	int opt;

	opt = fs_parse(fc, bl_parameters, param, &result);
	if (opt < 0)
		return opt;

	/* fsconfig(2) gives no O_PATH descriptors, hence by number. */
	if (param->type == fs_value_is_file)
		file = get_file(param->file);
	else
		file = fget_raw(result.uint_32);
	if (!file)
		return invalfc(fc, "carrier is no open descriptor");
	path_put(&ctx->carrier);
	ctx->carrier = file->f_path;
	path_get(&ctx->carrier);
	fput(file);
	return 0;
}

static int bl_fill_super(struct super_block *sb)
{
	struct bl_tree *tree = bl_tree(sb);
	struct bl_bind *carrier = tree->carrier;
	struct super_block *below = tree->key->d_sb;
	struct inode *root;

	tree->sb = sb;
	sb->s_magic = BL_SUPER_MAGIC;
	sb->s_op = &bl_super_ops;
	sb->s_xattr = bl_xattr_handlers;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = below->s_blocksize;
	sb->s_blocksize_bits = below->s_blocksize_bits;
	sb->s_time_gran = 1;
	bl_tree_stack(sb, below);
	/* The umask is applied below, where it is known what for. */
	sb->s_flags |= SB_POSIXACL;

	root = bl_inode_root(sb, tree->is_dir ? S_IFDIR : S_IFREG);
	if (!root)
		return -ENOMEM;
	bl_inode_refresh(root, d_inode(tree->key), carrier->mnt);
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;
	d_set_d_op(sb->s_root, &bl_root_dops);
	return 0;
}

static void bl_tree_free(struct bl_tree *tree)
{
	struct bl_link *link = rcu_access_pointer(tree->link);

	if (!IS_ERR(tree->carrier))
		bl_bind_put(tree->carrier);
	if (link)
		bl_link_put(link);
	if (tree->space)
		bl_space_put(tree->space);
	path_put(&tree->root);
	put_cred(tree->cred);
	kfree(tree->unseen);
	kfree(tree->base);
	/* RCU-walk may still be on its way out. */
	kfree_rcu(tree, rcu);
}

static struct bl_tree *bl_tree_alloc(struct bl_fc *ctx)
{
	struct bl_tree *tree = kzalloc(sizeof(*tree), GFP_KERNEL_ACCOUNT);
	int err;

	if (!tree)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&tree->list);
	INIT_LIST_HEAD(&tree->fresh);
	INIT_LIST_HEAD(&tree->links);
	seqlock_init(&tree->rule_lock);
	tree->key = ctx->carrier.dentry;
	tree->is_dir = d_is_dir(tree->key);
	tree->cred = get_current_cred();
	tree->carrier = bl_bind_fixed(&ctx->carrier);
	err = PTR_ERR_OR_ZERO(tree->carrier);
	if (!err)
		err = bl_tree_place(tree, &ctx->carrier);
	if (err) {
		bl_tree_free(tree);
		return ERR_PTR(err);
	}
	return tree;
}

/* The same place: the same directory by the same name. */
static int bl_test_super(struct super_block *sb, struct fs_context *fc)
{
	struct bl_tree *new = fc->s_fs_info, *tree = bl_tree(sb);

	return tree->key == new->key && !READ_ONCE(tree->retired) &&
	       tree->space == new->space &&
	       !strcmp(tree->base, new->base);
}

static int bl_get_tree(struct fs_context *fc)
{
	struct bl_fc *ctx = fc->fs_private;
	struct super_block *sb;
	struct bl_tree *tree;
	int err = 0;

	if (!ctx->carrier.dentry)
		return invalfc(fc, "no carrier was given");
	if (bl_is_tree(ctx->carrier.mnt->mnt_sb)) {
		/* Somebody else made a link there meanwhile. */
		errorfc(fc, "the carrier is in a tree already");
		return -ESTALE;
	}
	if (ctx->carrier.mnt->mnt_sb->s_flags & SB_NOUSER)
		return invalfc(fc, "the carrier is not in a filesystem that can be mounted on");
	if (ctx->carrier.mnt->mnt_sb->s_stack_depth >=
	    FILESYSTEM_MAX_STACK_DEPTH)
		return invalfc(fc, "the filesystem of the carrier is stacked too deeply already");

	tree = bl_tree_alloc(ctx);
	if (IS_ERR(tree)) {
		errorfc(fc, "the carrier cannot be mounted privately");
		return PTR_ERR(tree);
	}
	fc->s_fs_info = tree;
	sb = sget_fc(fc, bl_test_super, set_anon_super_fc);
	/* Without a superblock that took it, it is still ours. */
	if (fc->s_fs_info) {
		fc->s_fs_info = NULL;
		bl_tree_free(tree);
	}
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		tree = bl_tree(sb);
		err = bl_fill_super(sb);
		if (err) {
			deactivate_locked_super(sb);
			return err;
		}
		bl_tree_register(tree);
		sb->s_flags |= SB_ACTIVE;
	}
	fc->root = dget(sb->s_root);
	return 0;
}

static void bl_free_fc(struct fs_context *fc)
{
	struct bl_fc *ctx = fc->fs_private;

	if (ctx) {
		path_put(&ctx->carrier);
		kfree(ctx);
	}
}

static int bl_reconfigure(struct fs_context *fc)
{
	/* Mount flags are the mount's; there is nothing else to change. */
	return 0;
}

static const struct fs_context_operations bl_context_ops = {
	.free = bl_free_fc,
	.parse_param = bl_parse_param,
	.get_tree = bl_get_tree,
	.reconfigure = bl_reconfigure,
};

static int bl_init_fs_context(struct fs_context *fc)
{
	struct bl_fc *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return -ENOMEM;
	fc->fs_private = ctx;
	fc->ops = &bl_context_ops;
	return 0;
}

static void bl_kill_sb(struct super_block *sb)
{
	struct bl_tree *tree = bl_tree(sb);

	/* First of all: nobody finds a link whose tree is being taken down. */
	bl_tree_unregister(tree);
	bl_tree_unopen(tree);
	bl_lanes_leave(sb);
	kill_anon_super(sb);
	bl_tree_free(tree);
	/* Whoever unmounted it may unmount what was behind it next. */
	bl_mnts_flush();
}

struct file_system_type bl_fs_type = {
	.owner = THIS_MODULE,
	.name = "bindlink",
	.init_fs_context = bl_init_fs_context,
	.parameters = bl_parameters,
	.kill_sb = bl_kill_sb,
	/* bl_rename() moves the dentries. */
	.fs_flags = FS_RENAME_DOES_D_MOVE,
};
MODULE_ALIAS_FS("bindlink");

static void bl_inode_init_once(void *data)
{
	struct bl_inode *bi = data;

	inode_init_once(&bi->vfs_inode);
}

/**
 * bl_super_init - register the filesystem type
 *
 * Return: 0 or a negative errno.
 */
int bl_super_init(void)
{
	int err;

	bl_inode_cache = kmem_cache_create("bindlink_inode",
					   sizeof(struct bl_inode), 0,
					   SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					   bl_inode_init_once);
	if (!bl_inode_cache)
		return -ENOMEM;
	err = register_filesystem(&bl_fs_type);
	if (err)
		kmem_cache_destroy(bl_inode_cache);
	return err;
}

/**
 * bl_super_exit - undo bl_super_init()
 */
void bl_super_exit(void)
{
	unregister_filesystem(&bl_fs_type);
	bl_bind_exit();
	bl_lanes_exit();
	bl_mnts_flush();
	/* Inodes and what hangs on dentries are freed by RCU. */
	rcu_barrier();
	kmem_cache_destroy(bl_inode_cache);
}
