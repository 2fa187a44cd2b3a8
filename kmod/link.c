// SPDX-License-Identifier: GPL-2.0
/*
 * Links: what may be made, what there is, and what carries it.
 *
 * A link is a rule in the table of its root directory, and trees are views of
 * that table. It goes with one of them, its home: the tree that was mounted
 * for it, or that its virtual path was in already. In the first case the
 * creator adds the link to a tree that is attached nowhere, and attaches the
 * tree; if it dies before, the tree dies with its descriptor. That is what
 * makes creation all or nothing. And it is what makes umount(8) of a tree the
 * removal of its links. A tree that was unmounted while files are open in it
 * lives on, but its carrier is no mount point any more; such links are taken
 * off the table by whoever looks at them next.
 *
 * A tree that is mounted over a directory above other trees covers them, and
 * becomes the home of their links.
 */

#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/hashtable.h>
#include <linux/magic.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/stringhash.h>
#include <linux/xarray.h>

#include "bindlink.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

static DEFINE_MUTEX(bl_link_mutex);
static LIST_HEAD(bl_spaces);
static LIST_HEAD(bl_trees);
static DEFINE_XARRAY(bl_links);		/* listed links by id */
static u64 bl_link_last_id;
static unsigned int bl_link_gen = 1;
static LIST_HEAD(bl_links_held);	/* those with a holder */
static LIST_HEAD(bl_trees_fresh);	/* those not seen attached */
static LIST_HEAD(bl_claims);

/* Trees by the path of their carrier: those above a path are soon found. */
static DEFINE_HASHTABLE(bl_tree_bases, 12);

/**
 * struct bl_claim - a socket is about to attach or to detach a tree
 * @list: entry of bl_claims
 * @space: space of the tree, with a reference
 * @tree: the tree, or NULL when that is gone
 * @portid: port of the socket
 * @net: network namespace of the socket, for comparison only
 * @until: jiffies after which it does not count any more, or 0 for never: who
 *	has made a link may keep the socket open for something else
 * @base: where the tree is
 *
 * Trees above and below each other cover each other, and what users have
 * mounted is carried from one to the other: that is for one at a time. A claim
 * lasts until the socket is closed, and not only as long as the tree: who
 * detaches it finds it by its device number, which can be given to another one
 * at once. All under bl_link_mutex.
 */
struct bl_claim {
	struct list_head list;
	struct bl_space *space;
	struct bl_tree *tree;
	u32 portid;
	const void *net;
	unsigned long until;
	char base[];
};

/* Within this time a tree that was made is to be attached in all namespaces. */
#define BL_CLAIM_TIME	(5 * HZ)

static int bl_refuse(struct bl_why *why, int attr, int err, const char *msg)
{
	why->attr = attr;
	why->msg = msg;
	return err;
}

static int bl_refuse_busy(struct bl_why *why)
{
	return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
			 "links nearby are just being attached or detached");
}

static struct bl_space *bl_space_find(const struct path *root)
{
	struct bl_space *space;

	lockdep_assert_held(&bl_link_mutex);
	list_for_each_entry(space, &bl_spaces, list)
		if (space->root.dentry == root->dentry)
			return space;
	return NULL;
}

/**
 * bl_space_get - the rules of a root directory
 * @root: root directory
 *
 * Return: the space with a reference, made if it is not there, or ERR_PTR().
 */
struct bl_space *bl_space_get(const struct path *root)
{
	struct bl_space *space;
	int err;

	guard(mutex)(&bl_link_mutex);
	space = bl_space_find(root);
	if (space) {
		refcount_inc(&space->ref);
		return space;
	}
	space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);
	err = bl_rules_init(&space->rules);
	if (err) {
		kfree(space);
		return ERR_PTR(err);
	}
	refcount_set(&space->ref, 1);
	space->root = *root;
	path_get(&space->root);
	list_add(&space->list, &bl_spaces);
	return space;
}

static void bl_space_free(struct bl_space *space)
{
	lockdep_assert_held(&bl_link_mutex);
	list_del(&space->list);
	bl_rules_destroy(&space->rules);
	path_put(&space->root);
	kfree(space);
}

/**
 * bl_space_put - drop a reference
 * @space: space
 *
 * Context: may sleep, without bl_link_mutex.
 */
void bl_space_put(struct bl_space *space)
{
	if (!refcount_dec_and_mutex_lock(&space->ref, &bl_link_mutex))
		return;
	bl_space_free(space);
	mutex_unlock(&bl_link_mutex);
}

static void bl_paths_free(char **paths, unsigned int nr)
{
	while (nr)
		kfree(paths[--nr]);
	kvfree(paths);
}

/**
 * bl_link_put - drop a reference
 * @link: link
 *
 * Context: may sleep.
 */
void bl_link_put(struct bl_link *link)
{
	if (!refcount_dec_and_test(&link->ref))
		return;
	bl_bind_put(rcu_access_pointer(link->bind));
	bl_paths_free(link->exceptions, link->nr_exceptions);
	if (link->watch)
		bl_watch_stop();
	path_put(&link->root);
	put_cred(link->cred);
	kfree_rcu(link, rcu);
}

static void bl_info_fill(struct bl_link_info *info, const struct bl_link *link)
{
	struct bl_tree *tree = link->tree;

	info->link = NULL;
	info->id = link->id;
	info->flags = link->flags;
	info->virtual = link->virtual;
	info->backing = link->backing;
	info->carrier_path = tree ? tree->base : link->virtual;
	info->carrier = strcmp(info->carrier_path, link->virtual) ?
			BINDLINK_ATTACH_PARENT : BINDLINK_ATTACH_PATH;
	info->dev = tree ? tree->sb->s_dev : 0;
}

static int bl_info_copy(struct bl_link_info *info, const struct bl_link *link)
{
	bl_info_fill(info, link);
	info->virtual = kstrdup(info->virtual, GFP_KERNEL);
	info->backing = kstrdup(info->backing, GFP_KERNEL);
	info->carrier_path = kstrdup(info->carrier_path, GFP_KERNEL);
	if (info->virtual && info->backing && info->carrier_path)
		return 0;
	bl_link_info_free(info);
	return -ENOMEM;
}

/**
 * bl_link_info_free - free the strings of a copy
 * @info: what one of the functions below filled in
 */
void bl_link_info_free(struct bl_link_info *info)
{
	kfree(info->virtual);
	kfree(info->backing);
	kfree(info->carrier_path);
	if (info->link)
		bl_link_put(info->link);
	info->link = NULL;
	info->virtual = NULL;
	info->backing = NULL;
	info->carrier_path = NULL;
}

static void bl_link_tell(const struct bl_link *link, u8 cmd)
{
	struct bl_link_info info;

	bl_info_fill(&info, link);
	bl_netlink_notify(&info, cmd);
}

static void bl_link_give(struct bl_link *link, u32 portid, const void *net)
{
	lockdep_assert_held(&bl_link_mutex);
	link->holder = portid;
	link->holder_net = net;
	list_move_tail(&link->held, &bl_links_held);
}

static void bl_link_release(struct bl_link *link)
{
	lockdep_assert_held(&bl_link_mutex);
	link->holder = 0;
	list_del_init(&link->held);
}

static bool bl_link_held_by(const struct bl_link *link, u32 portid,
			    const void *net)
{
	return link->holder == portid && link->holder_net == net;
}

/* Take the rules of @link off its table: the link and @n of the exceptions. */
static void bl_link_unrule(struct bl_link *link, unsigned int n)
{
	struct bl_rules *rules = &link->space->rules;

	bl_rules_del(rules, link->virtual, BL_RULE_LINK, link);
	while (n--)
		bl_rules_del(rules, link->exceptions[n], BL_RULE_EXCEPTION,
			     link);
}

/* Take @link off the table; the caller has a reference of its own. */
static void bl_link_unlist(struct bl_link *link)
{
	lockdep_assert_held(&bl_link_mutex);
	bl_lane_drop(link);
	bl_link_unrule(link, link->nr_exceptions);
	if (refcount_dec_and_test(&link->space->ref))
		bl_space_free(link->space);
	link->space = NULL;
	xa_erase(&bl_links, link->id);
	bl_link_gen++;
	bl_link_release(link);
	if (link->state != BL_LINK_PENDING) {
		trace_bl_link_remove(link->id, link->virtual, link->backing);
		bl_link_tell(link, BINDLINK_CMD_LINK_DEL_NTF);
	}
	link->state = BL_LINK_GONE;
}

static void bl_tree_set_attached(struct bl_tree *tree, bool attached)
{
	lockdep_assert_held(&bl_link_mutex);
	if (tree->attached == attached)
		return;
	tree->attached = attached;
	if (attached)
		list_del_init(&tree->fresh);
	else
		list_add_tail(&tree->fresh, &bl_trees_fresh);
}

/* A tree without links is detached by whoever comes by. */
static void bl_tree_settle(struct bl_tree *tree)
{
	if (list_empty(&tree->links))
		bl_tree_set_attached(tree, false);
}

/* A mount is never taken down at once, so this is fine under the mutex. */
static void bl_link_put_mnt(struct bl_link *link)
{
	mntput(link->mnt);
	link->mnt = NULL;
}

/* Forget @link, which was taken off the table. */
static void bl_link_detach(struct bl_link *link)
{
	struct bl_tree *tree = link->tree;

	list_del_init(&link->home);
	link->tree = NULL;
	if (tree)
		bl_tree_settle(tree);
	/* Its tree may have the last reference on the link. */
	bl_link_put_mnt(link);
}

/* @link goes with @tree from here on. */
static void bl_link_move(struct bl_link *link, struct bl_tree *tree)
{
	struct bl_tree *old = link->tree;

	list_move_tail(&link->home, &tree->links);
	link->tree = tree;
	bl_link_gen++;
	bl_tree_settle(old);
}

static bool bl_tree_mounted(const struct bl_tree *tree)
{
	return d_mountpoint(tree->key);
}

/* Where trees of @space are at the first @len bytes of @path, and others. */
static u32 bl_base_hash(const struct bl_space *space, const char *path,
			size_t len)
{
	return full_name_hash(space, path, len);
}

static bool bl_tree_is_at(const struct bl_tree *tree,
			  const struct bl_space *space, const char *path,
			  size_t len)
{
	return tree->space == space && !strncmp(tree->base, path, len) &&
	       !tree->base[len];
}

/*
 * Trees that are mounted show the carrier in place of @link from here on. What
 * is in use of others goes on with the backing; they are not mounted again.
 * @space is, or was, that of @link.
 */
static void bl_trees_let_go(struct bl_link *link, const struct bl_space *space)
{
	size_t len = strlen(link->virtual);
	struct bl_tree *tree;

	lockdep_assert_held(&bl_link_mutex);
	hash_for_each_possible(bl_tree_bases, tree, by_base,
			       bl_base_hash(space, link->virtual, len)) {
		if (rcu_access_pointer(tree->link) != link)
			continue;
		if (!bl_tree_mounted(tree)) {
			WRITE_ONCE(tree->retired, true);
			continue;
		}
		rcu_assign_pointer(tree->link, NULL);
		bl_link_put(link);
	}
}

/*
 * Whether all links of @tree are being removed, and @tree with them: whoever
 * holds the last one has been told so. Or somebody is about to detach it.
 */
static bool bl_tree_going(const struct bl_tree *tree)
{
	struct bl_link *link;

	lockdep_assert_held(&bl_link_mutex);
	if (tree->leaving)
		return true;
	list_for_each_entry(link, &tree->links, home)
		if (!link->holder || link->state == BL_LINK_PENDING)
			return false;
	return !list_empty(&tree->links);
}

static bool bl_is_claim_of(const struct bl_claim *claim, u32 portid,
			   const void *net)
{
	return claim->portid == portid && claim->net == net;
}

/* Whether another socket has a claim on @base, above it or below it. */
static bool bl_base_busy(const struct bl_space *space, const char *base,
			 u32 portid, const void *net)
{
	const struct bl_claim *claim;

	lockdep_assert_held(&bl_link_mutex);
	list_for_each_entry(claim, &bl_claims, list)
		if (claim->space == space &&
		    !bl_is_claim_of(claim, portid, net) &&
		    !(claim->until && time_after(jiffies, claim->until)) &&
		    bl_path_related(claim->base, base))
			return true;
	return false;
}

/*
 * Claim the place of @tree for a socket, which is to detach it if @leaving, and
 * to attach it otherwise. -EAGAIN if another one has a claim there.
 */
static int bl_claim_tree(struct bl_tree *tree, u32 portid, const void *net,
			 bool leaving, struct bl_why *why)
{
	size_t size = strlen(tree->base) + 1;
	struct bl_claim *claim;

	if (bl_base_busy(tree->space, tree->base, portid, net))
		return bl_refuse_busy(why);
	claim = kzalloc(struct_size(claim, base, size), GFP_KERNEL_ACCOUNT);
	if (!claim)
		return -ENOMEM;
	claim->space = tree->space;
	refcount_inc(&claim->space->ref);
	claim->tree = tree;
	claim->portid = portid;
	claim->net = net;
	/* With the lowest bit it is never 0. */
	claim->until = leaving ? 0 : (jiffies + BL_CLAIM_TIME) | 1;
	memcpy(claim->base, tree->base, size);
	list_add_tail(&claim->list, &bl_claims);
	tree->leaving = leaving;
	return 0;
}

static void bl_claim_free(struct bl_claim *claim)
{
	lockdep_assert_held(&bl_link_mutex);
	list_del(&claim->list);
	if (claim->tree)
		claim->tree->leaving = false;
	if (refcount_dec_and_test(&claim->space->ref))
		bl_space_free(claim->space);
	kfree(claim);
}

/* @tree is gone, the claims to its place are not. */
static void bl_claims_forget(const struct bl_tree *tree)
{
	struct bl_claim *claim;

	list_for_each_entry(claim, &bl_claims, list)
		if (claim->tree == tree)
			claim->tree = NULL;
}

/* Whether @above is over a directory above @tree, and covers it if mounted. */
static bool bl_tree_covers(const struct bl_tree *above,
			   const struct bl_tree *tree)
{
	size_t len = strlen(above->base);

	/* Most are told apart by their names. */
	return tree->key != above->key && tree->space == above->space &&
	       !above->retired && !strncmp(tree->base, above->base, len) &&
	       above->carrier->mnt->source == tree->carrier->mnt->source &&
	       is_subdir(tree->key, above->key);
}

/* The tree that is mounted over a directory above @tree, or NULL. */
static struct bl_tree *bl_tree_cover(const struct bl_tree *tree)
{
	size_t len = strlen(tree->base);
	struct bl_tree *above;

	lockdep_assert_held(&bl_link_mutex);
	for (; len; len--) {
		if (tree->base[len] != '/')
			continue;
		hash_for_each_possible(bl_tree_bases, above, by_base,
				       bl_base_hash(tree->space, tree->base,
						    len))
			if (bl_tree_is_at(above, tree->space, tree->base,
					  len) &&
			    above->attached && bl_tree_covers(above, tree) &&
			    bl_tree_mounted(above))
				return above;
	}
	return NULL;
}

/* @tree was attached: it shows what the trees that it covers showed. */
static void bl_tree_adopt(struct bl_tree *tree)
{
	struct bl_link *link;
	unsigned long id;

	bl_tree_set_attached(tree, true);
	if (!bl_rules_below(&tree->space->rules, tree->base))
		return;
	xa_for_each(&bl_links, id, link)
		if (link->state == BL_LINK_LIVE && link->tree &&
		    link->tree->attached && bl_tree_covers(tree, link->tree))
			bl_link_move(link, tree);
}

/*
 * If a tree that came at the same time as that of @link covers it, the link
 * goes with that one. But not if it is about to be detached: the link would be
 * lost with it, and its own tree comes to light then.
 */
static void bl_link_rehome(struct bl_link *link)
{
	struct bl_tree *above = bl_tree_cover(link->tree);

	if (above && !bl_tree_going(above))
		bl_link_move(link, above);
}

/* Whether @mnt is mounted, and on what is mounted itself as far as can be told. */
static bool bl_mnt_attached(struct vfsmount *mnt)
{
	struct path path = { .mnt = mnt, .dentry = mnt->mnt_root };
	bool attached;

	path_get(&path);
	attached = follow_up(&path);
	path_put(&path);
	return attached;
}

/* Forget about @link; it may be freed. */
static void bl_link_drop(struct bl_link *link)
{
	const struct bl_space *space = link->space;

	bl_link_unlist(link);
	bl_link_detach(link);
	bl_trees_let_go(link, space);
	bl_link_put(link);
}

/*
 * Whether a link that was made shows by now. A mount of its tree somewhere else
 * does not count: that may have been left there.
 */
static bool bl_link_arrived(struct bl_link *link)
{
	if (!bl_tree_mounted(link->tree) ||
	    (link->mnt && !bl_mnt_attached(link->mnt)))
		return false;
	bl_link_release(link);
	bl_link_put_mnt(link);
	return true;
}

/*
 * See what became of the tree of @link. Returns whether it is a link that
 * there is; one that is not may have been freed.
 */
static bool bl_link_observe(struct bl_link *link)
{
	lockdep_assert_held(&bl_link_mutex);
	if (link->state == BL_LINK_PENDING && bl_link_arrived(link)) {
		if (!link->tree->attached)
			bl_tree_adopt(link->tree);
		link->state = BL_LINK_LIVE;
		bl_link_gen++;
		bl_link_rehome(link);
		trace_bl_link_create(link->id, link->virtual, link->backing);
		bl_link_tell(link, BINDLINK_CMD_LINK_NEW_NTF);
		/* Unmounted since then: that is for who looks next. */
		return true;
	}
	if (link->state != BL_LINK_LIVE)
		return false;
	if (link->holder || (link->tree && bl_tree_mounted(link->tree)))
		return true;
	bl_link_drop(link);
	return false;
}

/* See what was attached since somebody looked. */
static void bl_trees_observe(void)
{
	struct bl_link *link, *next_link;
	struct bl_tree *tree, *next_tree;

	lockdep_assert_held(&bl_link_mutex);
	list_for_each_entry_safe(tree, next_tree, &bl_trees_fresh, fresh) {
		if (!bl_tree_mounted(tree))
			continue;
		list_for_each_entry_safe(link, next_link, &tree->links, home)
			if (link->state == BL_LINK_PENDING)
				bl_link_observe(link);
	}
}

static struct bl_link *bl_link_find(const struct path *root,
				    const char *virtual)
{
	struct bl_space *space = bl_space_find(root);

	return space ? bl_rules_find(&space->rules, virtual) : NULL;
}

/* Put @name before what is at @at in @buf. */
static char *bl_prepend(char *buf, char *at, const char *name, size_t len)
{
	if (at - buf < (ptrdiff_t)len)
		return NULL;
	return memcpy(at - len, name, len);
}

/**
 * bl_canonical_path - the virtual path of a place
 * @path: place
 * @buf: buffer of PATH_MAX bytes
 * @name: set to the path inside of @buf
 * @top: set to the root directory that it begins at, with references
 *
 * That is the path from the root of the mount namespace, whatever the root of
 * the caller is, so that there is one name for a place. In a tree it is a path
 * below that of the tree.
 *
 * Return: 0, -ENAMETOOLONG, -ENOENT when it has no such path.
 */
int bl_canonical_path(const struct path *path, char *buf, char **name,
		      struct path *top)
{
	char *at = buf + PATH_MAX - 1;
	struct path up = *path;
	int err = 0;

	memset(top, 0, sizeof(*top));
	*at = '\0';
	path_get(&up);
	for (;;) {
		struct name_snapshot snapshot;
		struct dentry *parent;
		bool root = up.dentry == up.mnt->mnt_root;

		if (bl_is_tree(up.mnt->mnt_sb)) {
			struct bl_tree *tree = bl_tree(up.mnt->mnt_sb);
			char *raw = __getname(), *rest;

			if (!raw) {
				err = -ENOMEM;
				break;
			}
			rest = dentry_path_raw(up.dentry, raw, PATH_MAX);
			if (IS_ERR(rest)) {
				err = PTR_ERR(rest);
			} else {
				if (rest[1])
					at = bl_prepend(buf, at, rest,
							strlen(rest));
				if (at && tree->base[1])
					at = bl_prepend(buf, at, tree->base,
							strlen(tree->base));
				path_put(top);
				*top = tree->root;
				path_get(top);
			}
			__putname(raw);
			break;
		}
		if (root) {
			/* Nothing but mounts above: this is where it begins. */
			if (!top->dentry) {
				*top = up;
				path_get(top);
			}
			if (!follow_up(&up))
				break;
			continue;
		}
		if (IS_ROOT(up.dentry) || d_unhashed(up.dentry)) {
			err = -ENOENT;
			break;
		}
		path_put(top);
		memset(top, 0, sizeof(*top));
		take_dentry_name_snapshot(&snapshot, up.dentry);
		at = bl_prepend(buf, at, snapshot.name.name, snapshot.name.len);
		if (at)
			at = bl_prepend(buf, at, "/", 1);
		release_dentry_name_snapshot(&snapshot);
		if (!at)
			break;
		parent = dget_parent(up.dentry);
		dput(up.dentry);
		up.dentry = parent;
	}
	path_put(&up);
	if (!err && !at)
		err = -ENAMETOOLONG;
	if (!err && !*at)
		at = bl_prepend(buf, at, "/", 1);
	*name = at;
	if (err)
		path_put(top);
	return err;
}

/*
 * Bring @virtual into its canonical form: the real path of its parent and the
 * last name. Without a parent it stays as it is, so that the link at a path
 * that is gone can still be named.
 */
static int bl_canonical(const char *virtual, char *out, struct path *parent,
			struct path *top, struct bl_why *why)
{
	const char *last;
	char *buf, *name;
	size_t len;
	int err;

	err = bl_path_normalize(virtual, out, PATH_MAX, &why->msg);
	why->attr = BINDLINK_A_LINK_VIRTUAL;
	if (err)
		return err;
	if (!out[1])
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EINVAL,
				 "the root directory cannot be a virtual path");

	buf = __getname();
	if (!buf)
		return -ENOMEM;
	last = bl_path_last(out);
	memcpy(buf, out, last - out);
	buf[last - out] = '\0';
	err = bl_lane_kern_path(buf, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, parent);
	if (err) {
		bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, err,
			  err == -ENOENT ?
			  "the parent directory of the virtual path does not exist" :
			  "the parent directory of the virtual path cannot be reached");
		goto out;
	}

	/* Only for what it says of places that are in no namespace. */
	name = d_path(parent, buf, PATH_MAX);
	if (!IS_ERR(name) && (*name != '/' || d_unlinked(parent->dentry)))
		err = -ENOENT;
	if (!err)
		err = bl_canonical_path(parent, buf, &name, top);
	len = err || !name[1] ? 0 : strlen(name);
	if (!err && len + 1 + strlen(last) >= PATH_MAX) {
		err = -ENAMETOOLONG;
		path_put(top);
	}
	if (err) {
		bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, err,
			  err == -ENAMETOOLONG ?
			  "the virtual path is too long" :
			  "the parent directory of the virtual path does not exist");
		path_put(parent);
		goto out;
	}
	/* The name is behind what it is copied over. */
	memmove(out + len + 1, last, strlen(last) + 1);
	memcpy(out, name, len);
	out[len] = '/';
out:
	__putname(buf);
	return err;
}

/*
 * Whether the planned link may be made next to those that there are. What the
 * same socket has made before and could not attach makes way.
 */
static int bl_link_conflict(const struct bl_plan *plan, struct bl_why *why)
{
	struct bl_link *link = bl_link_find(&plan->top, plan->virtual);

	if (link && link->state == BL_LINK_PENDING &&
	    !bl_link_observe(link) &&
	    bl_link_held_by(link, plan->portid, plan->net))
		bl_link_drop(link);
	else if (link && (link->state != BL_LINK_LIVE || bl_link_observe(link)))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EEXIST,
				 "the virtual path has a link already");
	return 0;
}

static bool bl_is_remote(const struct super_block *sb)
{
	switch (sb->s_magic) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
	case FUSE_SUPER_MAGIC:
	case AFS_FS_MAGIC:
	case AFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Root directory of the system's first process. */
static bool bl_initial_root(struct path *root)
{
	struct task_struct *task;
	bool ok;

	guard(rcu)();
	task = READ_ONCE(init_pid_ns.child_reaper);
	task_lock(task);
	ok = task->fs;
	if (ok)
		get_fs_root(task->fs, root);
	task_unlock(task);
	return ok;
}

/*
 * A mount namespace may go away with its last process, and a link made there
 * outlives it wherever propagation brought it. So follow the backing path from
 * the initial root, if it leads from there to the same place.
 */
static void bl_plan_root(struct bl_plan *plan, const struct path *backing)
{
	struct path root, path;

	if (!bl_initial_root(&root))
		return;
	if (root.dentry == plan->root.dentry && root.mnt != plan->root.mnt &&
	    !bl_lane_path_lookup(root.dentry, root.mnt, plan->backing,
			     LOOKUP_FOLLOW, &path)) {
		if (path.dentry == backing->dentry)
			swap(plan->root, root);
		path_put(&path);
	}
	path_put(&root);
}

static int bl_plan_backing(struct bl_plan *plan, bool *is_dir,
			   struct bl_why *why)
{
	struct super_block *sb;
	struct path path;
	const char *msg;
	int err;

	err = bl_lane_kern_path(plan->backing,
				LOOKUP_FOLLOW | LOOKUP_AUTOMOUNT, &path);
	if (err) {
		switch (err) {
		case -ENOENT:
			msg = "the backing path does not exist";
			break;
		case -EACCES:
			msg = "no permission to reach the backing path";
			break;
		case -ENOTDIR:
			msg = "a component of the backing path is not a directory";
			break;
		case -ELOOP:
			msg = "too many symbolic links or links in the backing path";
			break;
		default:
			msg = "the backing path cannot be reached";
		}
		return bl_refuse(why, BINDLINK_A_LINK_BACKING, err, msg);
	}
	sb = path.mnt->mnt_sb;
	*is_dir = d_is_dir(path.dentry);
	/* A chain of links adds no stacking: walks do not enter trees. */
	if (!bl_is_tree(sb) && sb->s_stack_depth >= FILESYSTEM_MAX_STACK_DEPTH)
		err = bl_refuse(why, BINDLINK_A_LINK_BACKING, -EOPNOTSUPP,
				"the filesystem of the backing path is stacked too deeply already");
	if (!err)
		bl_plan_root(plan, &path);
	path_put(&path);
	return err;
}

/* Where V can carry the link itself: it and B are of one kind. */
static int bl_plan_at_path(struct bl_plan *plan, const struct path *at,
			   struct bl_why *why)
{
	if (bl_is_remote(at->mnt->mnt_sb))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "the virtual path is on a remote filesystem");
	plan->carrier = BINDLINK_ATTACH_PATH;
	plan->path = *at;
	path_get(&plan->path);
	strscpy(plan->base, plan->virtual, PATH_MAX);
	return 0;
}

static int bl_plan_at_parent(struct bl_plan *plan, const struct path *parent,
			     struct bl_why *why)
{
	struct path root;
	char *last;
	bool top;

	get_fs_root(current->fs, &root);
	top = path_equal(parent, &plan->top) || path_equal(parent, &root);
	path_put(&root);
	if (top)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "a root directory cannot carry links; create the virtual path first");
	if (bl_is_remote(parent->mnt->mnt_sb))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EOPNOTSUPP,
				 "the virtual path is on a remote filesystem");
	plan->carrier = BINDLINK_ATTACH_PARENT;
	plan->path = *parent;
	path_get(&plan->path);
	strscpy(plan->base, plan->virtual, PATH_MAX);
	last = strrchr(plan->base, '/');
	last[last == plan->base] = '\0';
	return 0;
}

static int bl_plan_in_tree(struct bl_plan *plan, const struct path *in,
			   u32 carrier, struct bl_why *why)
{
	plan->tree = bl_tree(in->mnt->mnt_sb);
	scoped_guard(mutex, &bl_link_mutex)
		if (bl_tree_going(plan->tree))
			return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
					 "the tree that would carry the link is being removed");
	plan->carrier = carrier;
	plan->path = *in;
	path_get(&plan->path);
	strscpy(plan->base, plan->tree->base, PATH_MAX);
	return 0;
}

/*
 * What is to carry the link. @at is what there is at V now, or empty; @is_dir
 * tells of B.
 */
static int bl_plan_carrier(struct bl_plan *plan, const struct path *parent,
			   const struct path *at, bool is_dir, u32 attach,
			   struct bl_why *why)
{
	bool alike = at->dentry && d_is_dir(at->dentry) == is_dir;
	bool in_tree = at->dentry && bl_is_tree(at->mnt->mnt_sb);

	/* A tree over V, by whatever link. */
	if (in_tree && at->dentry == at->mnt->mnt_sb->s_root &&
	    !strcmp(bl_tree(at->mnt->mnt_sb)->base, plan->virtual) && alike &&
	    attach != BINDLINK_ATTACH_PARENT)
		return bl_plan_in_tree(plan, at, BINDLINK_ATTACH_PATH, why);

	if (bl_is_tree(parent->mnt->mnt_sb)) {
		if (!at->dentry || at->mnt == parent->mnt) {
			if (attach != BINDLINK_ATTACH_PATH)
				return bl_plan_in_tree(plan, parent,
						       BINDLINK_ATTACH_PARENT,
						       why);
			return bl_refuse(why, BINDLINK_A_LINK_ATTACH, -EOPNOTSUPP,
					 "the virtual path is in a tree already, which carries the link");
		}
		/* Something is mounted at V, over what the tree shows there. */
		if (alike && !in_tree && attach != BINDLINK_ATTACH_PARENT)
			return bl_plan_at_path(plan, at, why);
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
				 "something is mounted at the virtual path");
	}

	if (attach == BINDLINK_ATTACH_PARENT)
		return bl_plan_at_parent(plan, parent, why);
	if (alike && !in_tree)
		return bl_plan_at_path(plan, at, why);
	if (attach == BINDLINK_ATTACH_AUTO)
		return bl_plan_at_parent(plan, parent, why);
	return bl_refuse(why, BINDLINK_A_LINK_ATTACH, -EOPNOTSUPP,
			 at->dentry ?
			 "a directory cannot be mounted over a file, nor a file over a directory" :
			 "nothing can be mounted at a virtual path that does not exist");
}

/* -EAGAIN while others attach or detach the tree that is to carry the link. */
static int bl_plan_busy(const struct bl_plan *plan, struct bl_why *why)
{
	struct bl_space *space = bl_space_find(&plan->top);

	return space && bl_base_busy(space, plan->base, plan->portid,
				     plan->net) ? bl_refuse_busy(why) : 0;
}

static int bl_refuse_exception(struct bl_why *why, unsigned int index, int err,
			       const char *msg)
{
	why->index = index;
	return bl_refuse(why, BINDLINK_A_LINK_EXCEPTION, err, msg);
}

/* Bring the exception @index into its canonical form, and see that it is there. */
static int bl_plan_exception(struct bl_plan *plan, unsigned int index,
			     struct bl_why *why)
{
	size_t len = strlen(plan->virtual);
	struct path parent, top, at;
	struct bl_why ignored = {};
	char *name = __getname();
	bool below = true;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_canonical(plan->exceptions[index], name, &parent, &top,
			   &ignored);
	if (!err) {
		below = top.dentry == plan->top.dentry &&
			!strncmp(name, plan->virtual, len) && name[len] == '/';
		if (below)
			err = bl_lane_path_lookup(parent.dentry, parent.mnt,
						  bl_path_last(name), 0, &at);
		path_put(&top);
		path_put(&parent);
	}
	if (err) {
		err = bl_refuse_exception(why, index, err, err == -ENOENT ?
					  "the exception does not exist" :
					  "the exception cannot be reached");
	} else if (!below) {
		err = bl_refuse_exception(why, index, -EINVAL,
					  "the exception is not below the virtual path");
	} else {
		path_put(&at);
		kfree(plan->exceptions[index]);
		plan->exceptions[index] = kstrdup(name, GFP_KERNEL_ACCOUNT);
		if (!plan->exceptions[index])
			err = -ENOMEM;
	}
	__putname(name);
	return err;
}

/* By component: what is below a path follows it. */
static int bl_path_order(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (*a == '/' ? 1 : (unsigned char)*a) -
	       (*b == '/' ? 1 : (unsigned char)*b);
}

/**
 * bl_link_excepts - whether a link has exceptions strictly below a path
 * @link: link
 * @path: normalised path
 */
bool bl_link_excepts(const struct bl_link *link, const char *path)
{
	unsigned int low = 0, high = link->nr_exceptions, middle;

	/* What is below it comes right behind it. */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (bl_path_order(link->exceptions[middle], path) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < link->nr_exceptions &&
	       bl_path_is_below(link->exceptions[low], path);
}

static int bl_path_cmp(const void *a, const void *b)
{
	return bl_path_order(*(const char *const *)a, *(const char *const *)b);
}

static int bl_plan_exceptions(struct bl_plan *plan, bool anchored,
			      struct bl_why *why)
{
	unsigned int i, n = 0;
	int err;

	if (!plan->nr_exceptions)
		return 0;
	if (!anchored)
		return bl_refuse_exception(why, 0, -EINVAL,
					   "the virtual path does not exist, so there is nothing to except");
	/* None is to blame for a lack of memory. */
	why->attr = 0;
	for (i = 0; i < plan->nr_exceptions; i++) {
		err = bl_plan_exception(plan, i, why);
		if (err)
			return err;
	}
	/* Each once. */
	sort(plan->exceptions, plan->nr_exceptions, sizeof(*plan->exceptions),
	     bl_path_cmp, NULL);
	for (i = 0; i < plan->nr_exceptions; i++) {
		if (n && !strcmp(plan->exceptions[n - 1], plan->exceptions[i]))
			kfree(plan->exceptions[i]);
		else
			plan->exceptions[n++] = plan->exceptions[i];
	}
	plan->nr_exceptions = n;
	return 0;
}

/**
 * bl_plan_except - add an exception to a plan
 * @plan: plan that was not checked yet
 * @path: path as it was given
 * @max: how many exceptions there will be
 *
 * Return: 0 or -ENOMEM.
 */
int bl_plan_except(struct bl_plan *plan, const char *path, unsigned int max)
{
	char *copy;

	if (!plan->exceptions)
		plan->exceptions = kvcalloc(max, sizeof(*plan->exceptions),
					    GFP_KERNEL_ACCOUNT);
	if (!plan->exceptions)
		return -ENOMEM;
	copy = kstrdup(path, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	plan->exceptions[plan->nr_exceptions++] = copy;
	return 0;
}

static int bl_plan_check(struct bl_plan *plan, const struct path *parent,
			 u32 attach, struct bl_why *why)
{
	struct path at = {};
	bool is_dir;
	int err;

	scoped_guard(mutex, &bl_link_mutex)
		err = bl_link_conflict(plan, why);
	if (err)
		return err;

	err = bl_lane_path_lookup(parent->dentry, parent->mnt,
				  bl_path_last(plan->virtual), 0, &at);
	if (err && err != -ENOENT)
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, err,
				 "the virtual path cannot be reached");

	err = bl_plan_backing(plan, &is_dir, why);
	if (err)
		goto out;
	if ((plan->flags & BINDLINK_FLAG_MERGED) &&
	    (!is_dir || (at.dentry && !d_is_dir(at.dentry))))
		err = bl_refuse(why, is_dir ? BINDLINK_A_LINK_VIRTUAL :
					      BINDLINK_A_LINK_BACKING,
				-ENOTDIR,
				"a merged link needs directories on both sides");
	else
		err = bl_plan_exceptions(plan, at.dentry, why);
	/* Before anything is said of a tree that somebody has just attached. */
	if (!err) {
		scoped_guard(mutex, &bl_link_mutex)
			err = bl_link_conflict(plan, why);
	}
	if (!err)
		err = bl_plan_carrier(plan, parent, &at, is_dir, attach, why);
	/* Trees that the new one covers are taken away. */
	if (!err && !plan->tree)
		bl_lanes_near(plan->base);
	if (!err) {
		scoped_guard(mutex, &bl_link_mutex)
			err = bl_plan_busy(plan, why);
	}
out:
	path_put(&at);
	return err;
}

/* A link of which more is asked than the backing alone never has a lane. */
static int bl_plan_flags(const struct bl_plan *plan, struct bl_why *why)
{
	if (!(plan->flags & BINDLINK_FLAG_NATIVE))
		return 0;
	if (plan->flags & BINDLINK_FLAG_READ_ONLY)
		return bl_refuse(why, BINDLINK_A_LINK_FLAGS, -EINVAL,
				 "a read-only link cannot be native");
	if (plan->flags & BINDLINK_FLAG_MERGED)
		return bl_refuse(why, BINDLINK_A_LINK_FLAGS, -EINVAL,
				 "a merged link cannot be native");
	if (plan->nr_exceptions)
		return bl_refuse_exception(why, 0, -EINVAL,
					   "a native link cannot have exceptions");
	return 0;
}

/**
 * bl_plan_init - validate a link that is to be made
 * @plan: result, for bl_plan_destroy() whatever is returned; zero but for the
 *	socket that asks and the exceptions
 * @virtual: virtual path as it was given
 * @backing: backing path as it was given
 * @flags: enum bindlink_flag, known bits only
 * @attach: enum bindlink_attach
 * @why: reason for a refusal
 *
 * Changes nothing. Paths are looked up with the caller's credentials.
 *
 * Return: 0, or the errno of the first row of the contract that is not met.
 */
int bl_plan_init(struct bl_plan *plan, const char *virtual,
		 const char *backing, u32 flags, u32 attach,
		 struct bl_why *why)
{
	struct path parent;
	int err;

	plan->flags = flags;
	plan->virtual = __getname();
	plan->backing = __getname();
	plan->base = __getname();
	if (!plan->virtual || !plan->backing || !plan->base)
		return -ENOMEM;
	get_fs_root(current->fs, &plan->root);

	err = bl_plan_flags(plan, why);
	if (err)
		return err;
	why->attr = BINDLINK_A_LINK_BACKING;
	err = bl_path_normalize(backing, plan->backing, PATH_MAX, &why->msg);
	if (err)
		return err;
	err = bl_canonical(virtual, plan->virtual, &parent, &plan->top, why);
	if (err)
		return err;
	bl_lanes_near(plan->virtual);
	err = bl_plan_check(plan, &parent, attach, why);
	path_put(&parent);
	if (err)
		trace_bl_refuse(plan->virtual, err);
	return err;
}

/**
 * bl_plan_covers - the next tree that the planned one would cover
 * @plan: plan without a tree
 * @name: path of the one before, "" for the first; set to that of the next
 *	(PATH_MAX bytes)
 *
 * Return: whether there is one more.
 */
bool bl_plan_covers(const struct bl_plan *plan, char *name)
{
	struct bl_space *space;
	struct bl_tree *tree;
	bool seen = !*name;

	guard(mutex)(&bl_link_mutex);
	space = bl_space_find(&plan->top);
	if (plan->tree || !space || !bl_rules_below(&space->rules, plan->base))
		return false;
	list_for_each_entry(tree, &bl_trees, list) {
		if (tree->space != space || tree->key == plan->path.dentry ||
		    !is_subdir(tree->key, plan->path.dentry))
			continue;
		if (seen) {
			strscpy(name, tree->base, PATH_MAX);
			return true;
		}
		seen = !strcmp(tree->base, name);
	}
	return false;
}

/**
 * bl_plan_destroy - free a plan
 * @plan: what bl_plan_init() was given
 */
void bl_plan_destroy(struct bl_plan *plan)
{
	path_put(&plan->path);
	path_put(&plan->top);
	path_put(&plan->root);
	bl_paths_free(plan->exceptions, plan->nr_exceptions);
	if (plan->virtual)
		__putname(plan->virtual);
	if (plan->backing)
		__putname(plan->backing);
	if (plan->base)
		__putname(plan->base);
}

static struct bl_link *bl_link_alloc(struct bl_plan *plan)
{
	size_t virtual = strlen(plan->virtual) + 1;
	size_t backing = strlen(plan->backing) + 1;
	struct bl_link *link;

	link = kzalloc(struct_size(link, paths, virtual + backing),
		       GFP_KERNEL_ACCOUNT);
	if (!link)
		return NULL;
	refcount_set(&link->ref, 1);
	link->virtual = memcpy(link->paths, plan->virtual, virtual);
	link->backing = memcpy(link->paths + virtual, plan->backing, backing);
	link->flags = plan->flags;
	link->state = BL_LINK_PENDING;
	INIT_LIST_HEAD(&link->home);
	INIT_LIST_HEAD(&link->held);
	spin_lock_init(&link->bind_lock);
	link->cred = get_current_cred();
	link->root = plan->root;
	path_get(&link->root);
	link->watch = bl_watch_start();
	/* They belong to the link from here on. */
	swap(link->exceptions, plan->exceptions);
	swap(link->nr_exceptions, plan->nr_exceptions);
	return link;
}

static int bl_link_list(struct bl_link *link, struct bl_tree *tree)
{
	struct bl_space *space = tree->space;
	unsigned int n = 0;
	int err;

	link->id = ++bl_link_last_id;
	err = xa_err(xa_store(&bl_links, link->id, link, GFP_KERNEL));
	if (err)
		return err;
	link->space = space;
	link->tree = tree;
	/* The exceptions first: the link never shows without them. */
	while (!err && n < link->nr_exceptions) {
		err = bl_rules_add(&space->rules, link->exceptions[n],
				   BL_RULE_EXCEPTION, link);
		n += !err;
	}
	if (!err)
		err = bl_rules_add(&space->rules, link->virtual, BL_RULE_LINK,
				   link);
	if (err) {
		bl_link_unrule(link, n);
		xa_erase(&bl_links, link->id);
		link->space = NULL;
		link->tree = NULL;
		return err;
	}
	refcount_inc(&space->ref);
	list_add_tail(&link->home, &tree->links);
	return 0;
}

/* The tree that is to have the link, if it is still what was planned. */
static struct bl_tree *bl_plan_tree(const struct bl_plan *plan,
				    struct file *file, struct bl_why *why)
{
	struct dentry *root;
	struct bl_tree *tree;

	if (!file) {
		if (plan->tree)
			return plan->tree;
		bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
			  "no tree carries the virtual path");
		return ERR_PTR(-EAGAIN);
	}
	root = file->f_path.dentry;
	if (!bl_is_tree(root->d_sb) || root != root->d_sb->s_root) {
		bl_refuse(why, BINDLINK_A_LINK_TREE_FD, -EINVAL,
			  "the descriptor is not of the root of a tree");
		return ERR_PTR(-EINVAL);
	}
	tree = bl_tree(root->d_sb);
	if ((plan->tree ? tree != plan->tree :
			  tree->key != plan->path.dentry) ||
	    strcmp(tree->base, plan->base) ||
	    tree->space->root.dentry != plan->top.dentry) {
		bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
			  "the virtual path was replaced meanwhile");
		return ERR_PTR(-EAGAIN);
	}
	return tree;
}

/* Whether @tree may have the planned link, for which its place is claimed. */
static int bl_link_admit(const struct bl_plan *plan, struct bl_tree *tree,
			 bool attached, struct bl_why *why)
{
	int err;

	lockdep_assert_held(&bl_link_mutex);
	bl_trees_observe();
	err = bl_link_conflict(plan, why);
	if (err)
		return err;
	if (bl_tree_going(tree) || bl_tree_cover(tree) ||
	    (attached && !bl_mnt_attached(plan->path.mnt)))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
				 "the tree that would carry the link is being replaced");
	if (!strcmp(plan->virtual, tree->base) &&
	    rcu_access_pointer(tree->link))
		return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EAGAIN,
				 "the link there before is still going");
	/* Who has made the tree may still be about to show it everywhere. */
	return attached ? bl_plan_busy(plan, why) :
			  bl_claim_tree(tree, plan->portid, plan->net, false,
					why);
}

/**
 * bl_link_create - add a link to a tree
 * @plan: link to make
 * @tree_file: descriptor of the tree's root, or NULL for the one that the plan
 *	found mounted
 * @why: reason for a refusal
 *
 * A link in a tree that is not attached yet shows once that is. Until then it
 * belongs to the socket, and goes with it.
 *
 * Return: 0; -EINVAL when @tree_file is no tree, -EAGAIN when the tree is not
 * what the plan says, -EEXIST, -ENOMEM.
 */
int bl_link_create(struct bl_plan *plan, struct file *tree_file,
		   struct bl_why *why)
{
	struct bl_tree *tree = bl_plan_tree(plan, tree_file, why);
	struct bl_link *link;
	int err;

	if (IS_ERR(tree))
		return PTR_ERR(tree);
	link = bl_link_alloc(plan);
	if (!link)
		return -ENOMEM;

	scoped_guard(mutex, &bl_link_mutex) {
		err = bl_link_admit(plan, tree, !tree_file, why);
		if (!err)
			err = bl_link_list(link, tree);
		if (err)
			break;
		if (!strcmp(link->virtual, tree->base)) {
			refcount_inc(&link->ref);
			rcu_assign_pointer(tree->link, link);
		}
		if (tree_file) {
			link->mnt = mntget(tree_file->f_path.mnt);
			bl_link_give(link, plan->portid, plan->net);
		} else {
			/* In a tree that is there already this is all. */
			bl_link_observe(link);
		}
	}
	if (err)
		bl_link_put(link);
	return err;
}

/*
 * Whether something is mounted over @name, a link in the tree that @parent is
 * in. In other mount namespaces it may be: there it goes with the link.
 */
static bool bl_is_covered(const struct path *parent, const char *name)
{
	struct qstr qstr = QSTR_INIT(name, strlen(name));
	struct path path = *parent;
	bool covered = false;

	if (!bl_is_tree(parent->mnt->mnt_sb))
		return false;
	path.dentry = d_hash_and_lookup(parent->dentry, &qstr);
	if (path.dentry && d_mountpoint(path.dentry)) {
		mntget(path.mnt);
		covered = bl_lane_follow_over(&path);
		mntput(path.mnt);
	}
	dput(path.dentry);
	return covered;
}

/* The canonical form, or what comes nearest to it, of a link's name. */
static int bl_name(const char *virtual, char *out, struct path *root,
		   bool *covered, struct bl_why *why)
{
	struct path parent;
	int err;

	err = bl_canonical(virtual, out, &parent, root, why);
	if (!err) {
		if (covered)
			*covered = bl_is_covered(&parent, bl_path_last(out));
		path_put(&parent);
		return 0;
	}
	/* The path as it was given may be the name of another link, or none. */
	if (err == -ENOMEM)
		return err;
	if (bl_path_normalize(virtual, out, PATH_MAX, &why->msg))
		return err;
	get_fs_root(current->fs, root);
	return 0;
}

static int bl_no_link(struct bl_why *why)
{
	return bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -ENOENT,
			 "there is no link at this path");
}

/* Let the socket have @link, and its tree if that is to go with it. */
static int bl_link_take(struct bl_link *link, u32 portid, const void *net,
			struct bl_link_info *info, struct bl_why *why)
{
	struct bl_tree *tree = link->tree;
	bool taken = !link->holder;
	int err;

	err = bl_info_copy(info, link);
	if (err)
		return err;
	bl_link_give(link, portid, net);
	if (!tree || !bl_tree_going(tree)) {
		/* The tree stays, as it has other links. */
		info->dev = 0;
	} else {
		err = bl_claim_tree(tree, portid, net, true, why);
		if (err) {
			bl_link_info_free(info);
			if (taken)
				bl_link_release(link);
			return err;
		}
	}
	return 0;
}

/**
 * bl_link_hold - reserve a link for removal
 * @virtual: its virtual path
 * @portid: port of the asking socket
 * @net: network namespace of that socket
 * @info: filled in
 * @why: reason for a refusal
 *
 * Return: 0, -ENOENT, -EBUSY when somebody else is removing it or when there
 * are links below it, -EAGAIN when its tree would have to go and trees nearby
 * are being attached or detached.
 */
int bl_link_hold(const char *virtual, u32 portid, const void *net,
		 struct bl_link_info *info, struct bl_why *why)
{
	char *name = __getname();
	bool covered = false;
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, &covered, why);
	if (err)
		goto out;
	bl_lanes_near(name);
	scoped_guard(mutex, &bl_link_mutex) {
		bl_trees_observe();
		link = bl_link_find(&root, name);
		if (link && !bl_link_observe(link))
			link = NULL;
		if (link && link->tree && !link->holder)
			bl_link_rehome(link);
		if (!link) {
			err = bl_no_link(why);
		} else if (link->holder &&
			   !bl_link_held_by(link, portid, net)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"the link is being removed");
		} else if (bl_rules_below(&link->space->rules, name)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"there are links below this one");
		} else if (covered && link->tree &&
			   strcmp(link->tree->base, name)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"something else is mounted over the link");
		} else {
			err = bl_link_take(link, portid, net, info, why);
		}
	}
	path_put(&root);
out:
	__putname(name);
	return err;
}

/**
 * bl_link_tree - the tree that a link goes with
 * @link: link
 *
 * Return: the tree, for deactivate_super() of its superblock, or NULL.
 */
struct bl_tree *bl_link_tree(struct bl_link *link)
{
	struct bl_tree *tree;

	guard(mutex)(&bl_link_mutex);
	tree = link->state == BL_LINK_LIVE ? link->tree : NULL;
	return tree && atomic_inc_not_zero(&tree->sb->s_active) ? tree : NULL;
}

/*
 * Keep a tree. Who counts what keeps one takes it that all of that has the root, as
 * mounts do, see bl_gate_refs().
 */
static bool bl_tree_keep(struct bl_tree *tree)
{
	lockdep_assert_held(&bl_link_mutex);
	if (!atomic_inc_not_zero(&tree->sb->s_active))
		return false;
	dget(tree->sb->s_root);
	return true;
}

static void bl_tree_drop(struct bl_tree *tree)
{
	struct super_block *sb = tree->sb;

	dput(sb->s_root);
	deactivate_super(sb);
}

/* The tree after @last, NULL for the first, kept alive in its place. */
static struct bl_tree *bl_tree_next(struct bl_tree *last)
{
	struct list_head *at = last ? &last->list : &bl_trees;
	struct bl_tree *tree = NULL;

	scoped_guard(mutex, &bl_link_mutex) {
		while ((at = at->next) != &bl_trees) {
			tree = list_entry(at, struct bl_tree, list);
			if (bl_tree_keep(tree))
				break;
			tree = NULL;
		}
	}
	if (last)
		bl_tree_drop(last);
	return tree;
}

/* The same of the trees of @space at the first @len bytes of @path. */
static struct bl_tree *bl_tree_next_at(struct bl_tree *last,
				       const struct bl_space *space,
				       const char *path, size_t len)
{
	struct bl_tree *tree, *next = NULL;
	bool passed = !last;

	scoped_guard(mutex, &bl_link_mutex) {
		hash_for_each_possible(bl_tree_bases, tree, by_base,
				       bl_base_hash(space, path, len)) {
			if (passed && bl_tree_is_at(tree, space, path, len) &&
			    bl_tree_keep(tree)) {
				next = tree;
				break;
			}
			passed |= tree == last;
		}
	}
	if (last)
		bl_tree_drop(last);
	return next;
}

/*
 * Let go of what trees of @space remember of @virtual, where a link was: trees
 * there and above.
 */
static void bl_trees_forget(const struct bl_space *space, const char *virtual)
{
	struct bl_tree *tree = NULL;
	size_t len;

	for (len = strlen(virtual); len; len--) {
		if (virtual[len] && virtual[len] != '/')
			continue;
		while ((tree = bl_tree_next_at(tree, space, virtual, len)))
			bl_tree_forget(tree, virtual);
	}
}

/**
 * bl_trees_confirm - say that the mounts of carriers are there
 *
 * They are, as long as trees are mounted on them.
 */
void bl_trees_confirm(void)
{
	struct bl_tree *tree;

	guard(mutex)(&bl_link_mutex);
	list_for_each_entry(tree, &bl_trees, list)
		WRITE_ONCE(tree->carrier->mnt->stale, false);
}

/* How many directories are looked at again in one go. */
#define BL_STALE_DIRS	16

/*
 * Have what is in use of stale mounts dropped with its last user. What is in use
 * of others must not keep them because it was found by a walk that came there.
 * Fills @dirs with directories that are in use for what may be in another layer
 * of a merged link, each with a reference, and returns how many there are.
 */
static unsigned int bl_tree_forget_stale(struct super_block *sb,
					 struct dentry **dirs)
{
	struct bl_basis *basis, *freed = NULL;
	struct dentry *dentry;
	unsigned int n = 0;
	struct inode *inode;
	struct bl_mnt *mnt;
	bool stale;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		/* Held as long as the inode is in this list. */
		mnt = READ_ONCE(BL_I(inode)->mnt);
		stale = mnt && READ_ONCE(mnt->stale);
		spin_lock(&inode->i_lock);
		hlist_for_each_entry(dentry, &inode->i_dentry, d_u.d_alias) {
			if (!bl_dentry_stale(dentry, &freed))
				continue;
			stale = true;
			if (BL_I(inode)->merged && n < BL_STALE_DIRS &&
			    lockref_get_not_dead(&dentry->d_lockref))
				dirs[n++] = dentry;
		}
		spin_unlock(&inode->i_lock);
		if (stale)
			d_mark_dontcache(inode);
	}
	spin_unlock(&sb->s_inode_list_lock);
	while (freed) {
		basis = freed;
		freed = basis->next;
		bl_basis_put(basis);
	}
	return n;
}

/*
 * Let go of what was mounted where the links of a tree lead. A directory that is
 * still one of several shows what is left of them.
 */
static void bl_tree_shrink(struct super_block *sb)
{
	struct dentry *dirs[BL_STALE_DIRS];
	unsigned int n, renewed;

	bl_tree_unopen(bl_tree(sb));
	do {
		shrink_dcache_parent(sb->s_root);
		n = bl_tree_forget_stale(sb, dirs);
		renewed = 0;
		for (; n; n--) {
			renewed += !bl_dentry_renew(dirs[n - 1]);
			dput(dirs[n - 1]);
		}
		cond_resched();
	} while (renewed == BL_STALE_DIRS);
	shrink_dcache_parent(sb->s_root);
}

/**
 * bl_trees_shrink - let go of what was mounted where links lead, once
 */
void bl_trees_shrink(void)
{
	struct bl_tree *tree = NULL;

	if (!bl_mnts_stale())
		return;
	while ((tree = bl_tree_next(tree)))
		bl_tree_shrink(tree->sb);
}

/**
 * bl_tree_place - find out where a tree is
 * @tree: tree that is being made
 * @carrier: what it is over, in the user's mounts
 *
 * Return: 0 or a negative errno.
 */
int bl_tree_place(struct bl_tree *tree, const struct path *carrier)
{
	char *buf = __getname(), *name;
	struct bl_space *space;
	int err;

	if (!buf)
		return -ENOMEM;
	err = bl_canonical_path(carrier, buf, &name, &tree->root);
	if (!err) {
		space = bl_space_get(&tree->root);
		tree->space = IS_ERR(space) ? NULL : space;
		tree->base = kstrdup(name, GFP_KERNEL);
		err = tree->space && tree->base ? 0 : -ENOMEM;
	}
	__putname(buf);
	return err;
}

/**
 * bl_tree_register - a tree came to be
 * @tree: tree
 */
void bl_tree_register(struct bl_tree *tree)
{
	guard(mutex)(&bl_link_mutex);
	list_add_tail(&tree->list, &bl_trees);
	list_add_tail(&tree->fresh, &bl_trees_fresh);
	hash_add(bl_tree_bases, &tree->by_base,
		 bl_base_hash(tree->space, tree->base, strlen(tree->base)));
}

/**
 * bl_link_remove - remove a link that is held
 * @virtual: its virtual path
 * @portid: port of the socket that holds it
 * @net: network namespace of that socket
 * @why: reason for a refusal
 *
 * What is mounted of its tree shows the original from here on. What was
 * unmounted but is in use goes on with the backing.
 *
 * Return: 0, -ENOENT, -EBUSY when the socket does not hold the link.
 */
int bl_link_remove(const char *virtual, u32 portid, const void *net,
		   struct bl_why *why)
{
	const struct bl_space *space = NULL;
	char *name = __getname();
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, NULL, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		link = bl_link_find(&root, name);
		if (!link || link->state == BL_LINK_PENDING) {
			err = bl_no_link(why);
		} else if (!bl_link_held_by(link, portid, net)) {
			err = bl_refuse(why, BINDLINK_A_LINK_VIRTUAL, -EBUSY,
					"the link is not held by this socket");
		} else {
			space = link->space;
			bl_link_drop(link);
		}
	}
	path_put(&root);
	if (!err) {
		/* If that has gone there are no trees of it. */
		bl_trees_forget(space, name);
		bl_lanes_flush();
		bl_mnts_flush();
	}
out:
	__putname(name);
	return err;
}

/**
 * bl_tree_hold - reserve a tree without links for being detached
 * @tree: tree; one that has links is not reserved
 * @portid: port of the asking socket
 * @net: network namespace of that socket
 * @why: reason for a refusal
 *
 * Until the socket is closed the tree takes no links, which would go with it.
 *
 * Return: 0, -ENOMEM, or -EAGAIN when somebody else is about to attach or to
 * detach it, or trees nearby.
 */
int bl_tree_hold(struct bl_tree *tree, u32 portid, const void *net,
		 struct bl_why *why)
{
	bl_lanes_near(tree->base);
	guard(mutex)(&bl_link_mutex);
	if (!list_empty(&tree->links) || list_empty(&tree->list))
		return 0;
	return bl_claim_tree(tree, portid, net, true, why);
}

/**
 * bl_link_release_holder - a socket was closed
 * @portid: its port
 * @net: its network namespace
 */
void bl_link_release_holder(u32 portid, const void *net)
{
	struct bl_link *link, *next_link;
	struct bl_claim *claim, *next;

	guard(mutex)(&bl_link_mutex);
	list_for_each_entry_safe(claim, next, &bl_claims, list)
		if (bl_is_claim_of(claim, portid, net))
			bl_claim_free(claim);
	list_for_each_entry_safe(link, next_link, &bl_links_held, held) {
		if (!bl_link_held_by(link, portid, net))
			continue;
		if (link->state == BL_LINK_PENDING && !bl_link_observe(link)) {
			bl_link_drop(link);
			continue;
		}
		/* Nobody had asked for what was made with the socket. */
		if (!link->holder)
			continue;
		bl_link_release(link);
		bl_link_observe(link);
	}
}

/**
 * bl_link_get_info - describe a link
 * @virtual: its virtual path
 * @info: filled in
 * @why: reason for a refusal
 *
 * Return: 0, -ENOENT, -ENOMEM.
 */
int bl_link_get_info(const char *virtual, struct bl_link_info *info,
		     struct bl_why *why)
{
	char *name = __getname();
	struct bl_link *link;
	struct path root;
	int err;

	if (!name)
		return -ENOMEM;
	err = bl_name(virtual, name, &root, NULL, why);
	if (err)
		goto out;
	scoped_guard(mutex, &bl_link_mutex) {
		link = bl_link_find(&root, name);
		if (link && bl_link_observe(link)) {
			err = bl_info_copy(info, link);
			/* For the exceptions, which do not change. */
			if (!err && bl_link_tryget(link))
				info->link = link;
		} else {
			err = bl_no_link(why);
		}
	}
	path_put(&root);
out:
	__putname(name);
	return err;
}

/**
 * bl_link_next_info - describe the next link
 * @after: id of the one before, 0 for the first
 * @info: filled in
 *
 * Return: 0, -ENOENT after the last one, -ENOMEM.
 */
int bl_link_next_info(u64 after, struct bl_link_info *info)
{
	unsigned long id = after;
	struct bl_link *link;

	guard(mutex)(&bl_link_mutex);
	while ((link = xa_find_after(&bl_links, &id, ULONG_MAX, XA_PRESENT)))
		if (bl_link_observe(link))
			return bl_info_copy(info, link);
	return -ENOENT;
}

/**
 * bl_link_generation - a number that changes with the set of links
 */
unsigned int bl_link_generation(void)
{
	return READ_ONCE(bl_link_gen);
}

/**
 * bl_link_next - the next link
 * @after: id of the one before, 0 for the first
 *
 * Return: the link with a reference, or NULL after the last one.
 */
struct bl_link *bl_link_next(u64 after)
{
	unsigned long id = after;
	struct bl_link *link;

	guard(mutex)(&bl_link_mutex);
	link = xa_find_after(&bl_links, &id, ULONG_MAX, XA_PRESENT);
	if (link)
		refcount_inc(&link->ref);
	return link;
}

/**
 * bl_resolution_free - free what bl_link_resolve() filled in
 * @res: resolution
 */
void bl_resolution_free(struct bl_resolution *res)
{
	bl_link_info_free(&res->link);
	kfree(res->name);
	kfree(res->real);
	kfree(res->via);
}

/**
 * bl_link_resolve - which links apply to a path, and what it is now
 * @path: path as it was given
 * @res: filled in, for bl_resolution_free() whatever is returned
 * @why: reason for a refusal
 *
 * Return: 0, or an errno for a path that cannot be reached and has no link.
 */
int bl_link_resolve(const char *path, struct bl_resolution *res,
		    struct bl_why *why)
{
	char *buf = __getname(), *name;
	struct bl_via via = {};
	struct bl_where where;
	struct bl_link *link;
	struct path root;
	int err;

	memset(res, 0, sizeof(*res));
	if (!buf)
		return -ENOMEM;
	why->attr = BINDLINK_A_LINK_PATH;
	err = bl_path_normalize(path, buf, PATH_MAX, &why->msg);
	if (err)
		goto out;
	err = -ENOMEM;
	res->name = kstrdup(buf, GFP_KERNEL);
	if (!res->name)
		goto out;

	get_fs_root(current->fs, &root);
	res->error = bl_walk_path(&root, res->name, LOOKUP_FOLLOW, &where, &via);
	path_put(&root);
	res->via = via.buf;
	res->via_len = via.len;
	/* Not what the path leads to, nor how far the walk came. */
	if (res->error == -ENOMEM) {
		bl_where_put(&where);
		goto out;
	}
	/* Nothing is behind a directory that only leads to links. */
	if (!res->error && where.way)
		res->error = -ENOENT;
	if (!res->error) {
		name = d_path(&where.path, buf, PATH_MAX);
		if (IS_ERR(name))
			res->error = PTR_ERR(name);
		else
			res->real = kstrdup(name, GFP_KERNEL);
	}
	bl_where_put(&where);
	if (!res->error && !res->real)
		goto out;

	err = 0;
	scoped_guard(mutex, &bl_link_mutex) {
		link = via.cover ? xa_load(&bl_links, via.cover) : NULL;
		if (link && bl_link_observe(link))
			err = bl_info_copy(&res->link, link);
		else if (res->error)
			err = bl_refuse(why, BINDLINK_A_LINK_PATH, res->error,
					"the path cannot be reached");
	}
out:
	__putname(buf);
	return err;
}

/**
 * bl_tree_unregister - a tree was unmounted everywhere
 * @tree: tree
 */
void bl_tree_unregister(struct bl_tree *tree)
{
	struct bl_link *link, *next;

	guard(mutex)(&bl_link_mutex);
	list_del_init(&tree->list);
	hash_del(&tree->by_base);
	bl_claims_forget(tree);
	list_for_each_entry_safe(link, next, &tree->links, home) {
		bl_link_detach(link);
		/* Whoever removes it takes it off, and says so. */
		if (link->holder && link->state != BL_LINK_PENDING)
			continue;
		bl_link_unlist(link);
		bl_link_put(link);
	}
	/* Where it came to with its last link. */
	list_del_init(&tree->fresh);
}

/**
 * bl_links_exit - forget links and claims whose sockets are still open
 *
 * Context: module exit; there are no trees.
 */
void bl_links_exit(void)
{
	struct bl_claim *claim, *next;
	struct bl_link *link;
	unsigned long id;

	scoped_guard(mutex, &bl_link_mutex) {
		list_for_each_entry_safe(claim, next, &bl_claims, list)
			bl_claim_free(claim);
		xa_for_each(&bl_links, id, link) {
			bl_link_unlist(link);
			bl_link_put(link);
		}
	}
	xa_destroy(&bl_links);
}
