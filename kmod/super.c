// SPDX-License-Identifier: GPL-2.0
/*
 * Trees: superblocks of type "bindlink".
 *
 * A tree is made over a carrier, given by descriptor, and shows it as it is
 * until a link is added. It never has files of its own.
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
	iput(BL_I(inode)->real);
}

static int bl_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct bl_real real;
	int err;

	err = bl_real_get(dentry, &real);
	if (err)
		return err;
	err = vfs_statfs(&real.path, buf);
	bl_real_put(&real);
	return err;
}

static int bl_sync_fs(struct super_block *sb, int wait)
{
	struct bl_tree *tree = bl_tree(sb);
	struct bl_mnt *mnt;
	int err = 0, ret;

	/*
	 * sync(2) comes to the filesystems below by itself; what is waited
	 * for is syncfs(2).
	 */
	if (!wait)
		return 0;
	guard(mutex)(&tree->mnt_mutex);
	list_for_each_entry(mnt, &tree->mnts, list) {
		struct super_block *real = mnt->mnt->mnt_sb;

		down_read(&real->s_umount);
		ret = sync_filesystem(real);
		up_read(&real->s_umount);
		if (!err)
			err = ret;
	}
	return err;
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

static int bl_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct bl_fc *ctx = fc->fs_private;
	struct dentry *carrier = ctx->carrier.dentry;
	struct bl_tree *tree = bl_tree(sb);
	struct super_block *below = carrier->d_sb;
	struct bl_mnt *mnt;
	struct inode *root;

	tree->sb = sb;
	tree->is_dir = d_is_dir(carrier);
	sb->s_magic = BL_SUPER_MAGIC;
	sb->s_op = &bl_super_ops;
	sb->s_xattr = bl_xattr_handlers;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = below->s_blocksize;
	sb->s_blocksize_bits = below->s_blocksize_bits;
	sb->s_time_gran = 1;
	sb->s_stack_depth = 1;
	/* The umask is applied below, where it is known what for. */
	sb->s_flags |= SB_POSIXACL;

	mnt = bl_mnt_get(tree, &ctx->carrier, 0);
	if (IS_ERR(mnt)) {
		errorfc(fc, "the carrier cannot be mounted privately");
		return PTR_ERR(mnt);
	}
	tree->carrier = bl_bind_fixed(mnt, carrier);
	if (!tree->carrier)
		return -ENOMEM;

	root = bl_inode_root(sb, tree->is_dir ? S_IFDIR : S_IFREG);
	if (!root)
		return -ENOMEM;
	bl_inode_refresh(root, d_inode(carrier), mnt->mnt);
	sb->s_root = d_make_root(root);
	if (!sb->s_root)
		return -ENOMEM;
	d_set_d_op(sb->s_root, &bl_dops);
	return 0;
}

static void bl_tree_free(struct bl_tree *tree)
{
	bl_bind_put(rcu_access_pointer(tree->bind));
	bl_bind_put(tree->carrier);
	bl_mnts_destroy(tree);
	if (rcu_access_pointer(tree->link))
		bl_link_put(rcu_access_pointer(tree->link));
	mutex_destroy(&tree->mnt_mutex);
	/* RCU-walk may still be on its way out. */
	kfree_rcu(tree, rcu);
}

static int bl_get_tree(struct fs_context *fc)
{
	struct bl_fc *ctx = fc->fs_private;
	struct bl_tree *tree;
	int err;

	if (!ctx->carrier.dentry)
		return invalfc(fc, "no carrier was given");
	if (bl_is_tree(ctx->carrier.mnt->mnt_sb)) {
		/* Somebody else made a link there meanwhile. */
		errorfc(fc, "the carrier is in a tree already");
		return -ESTALE;
	}
	if (ctx->carrier.mnt->mnt_sb->s_flags & SB_NOUSER)
		return invalfc(fc, "the carrier is not in a filesystem that can be mounted on");

	tree = kzalloc(sizeof(*tree), GFP_KERNEL_ACCOUNT);
	if (!tree)
		return -ENOMEM;
	spin_lock_init(&tree->bind_lock);
	mutex_init(&tree->mnt_mutex);
	INIT_LIST_HEAD(&tree->mnts);
	fc->s_fs_info = tree;
	err = get_tree_nodev(fc, bl_fill_super);
	/* Without a superblock that took it, it is still ours. */
	if (fc->s_fs_info) {
		fc->s_fs_info = NULL;
		bl_tree_free(tree);
	}
	return err;
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
	bl_link_tree_dying(tree);
	kill_anon_super(sb);
	bl_tree_free(tree);
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
	/* Inodes and what hangs on dentries are freed by RCU. */
	rcu_barrier();
	kmem_cache_destroy(bl_inode_cache);
}
