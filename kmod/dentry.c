// SPDX-License-Identifier: GPL-2.0
/*
 * What a name in a tree stands for, and whether that still holds.
 *
 * The rule table is asked first. A name that has a link shows what the link is
 * bound to; one that leads to links is a directory, if only for them; all
 * others are looked up in the directory behind their parent.
 *
 * Everything below a tree may be changed directly at any time. A lookup pins
 * the dentry that it found in the backing directory, a negative one too, and
 * remembers its d_seq. Every change of that name, whoever makes it, changes
 * d_seq: unlink, rename from, to and over, create. As long as it has not
 * changed the name stands for what it stood for, which RCU-walk can check.
 * Otherwise the name is looked up again, in ref-walk, and the dentry of the
 * tree survives if it is still the same inode: a d_revalidate that says no
 * detaches what users have mounted below.
 */

#include <linux/dcache.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "bindlink.h"

/* As bl_root_get(), or NULL when that takes more than looking. */
static struct bl_bind *bl_root_known(struct bl_tree *tree, bool *merged)
{
	const struct bl_link *link;
	struct bl_bind *bind;

	guard(rcu)();
	link = rcu_dereference(tree->link);
	bind = bl_root_shows(tree, link);
	if (!bind || !refcount_inc_not_zero(&bind->ref))
		return NULL;
	bl_tree_stack(tree->sb, bind->real.mnt->mnt_sb);
	if (merged)
		*merged = link && (bl_link_merges(link) || bind->merged);
	return bind;
}

/* The root of @tree was opened as @dentry, which is consumed, or NULL. */
static void bl_tree_keep_opened(struct bl_tree *tree, struct dentry *dentry)
{
	dput(unrcu_pointer(xchg(&tree->opened, RCU_INITIALIZER(dentry))));
}

/**
 * bl_tree_unopen - let go of what the root of a tree was opened as
 * @tree: tree
 *
 * Files that are open keep that.
 *
 * Context: may sleep.
 */
void bl_tree_unopen(struct bl_tree *tree)
{
	bl_tree_keep_opened(tree, NULL);
}

/* Whether what a root was opened as, @dentry, is @lower in @mnt. RCU read side. */
static bool bl_opened_is(struct dentry *dentry, const struct dentry *lower,
			 const struct bl_mnt *mnt)
{
	/* The one that it was made with, which is freed after it. */
	const struct bl_node *node = rcu_dereference(*bl_node_slot(dentry));

	return node->real.dentry == lower && node->mnt == mnt;
}

/* The root of @tree shows something else, maybe: @bind, or nothing. */
static void bl_root_renewed(struct bl_tree *tree, const struct bl_bind *bind)
{
	struct dentry *dentry;
	bool other;

	scoped_guard(rcu) {
		dentry = rcu_dereference(tree->opened);
		other = dentry && !(bind && bl_opened_is(dentry,
							 bind->real.dentry,
							 bind->mnt));
	}
	if (other)
		bl_tree_unopen(tree);
}

/**
 * bl_root_get - what the root of a tree shows, resolved anew if there is doubt
 * @tree: tree
 * @merged: set to whether that is one of several, or NULL
 *
 * Context: may sleep; directories of trees may be locked, nothing below.
 * Return: a binding with a reference, or ERR_PTR(): what looking up the
 * backing path gives, -ELOOP for a cycle, -ESTALE where the backing is a
 * directory and the virtual path not, or the other way round.
 */
struct bl_bind *bl_root_get(struct bl_tree *tree, bool *merged)
{
	struct bl_bind *bind = bl_root_known(tree, merged);
	bool merges, several = false;
	struct bl_link *link;
	int err;

	if (bind)
		return bind;
	link = bl_tree_link(tree);
	if (link) {
		bind = bl_bind_get(link);
		merges = bl_link_merges(link);
		if (bl_link_lane(link, tree->is_dir ? S_IFDIR : S_IFREG))
			bl_lane_offer(link);
		bl_link_put(link);
		if (IS_ERR(bind))
			return bind;
		/* By this link, which may be gone a moment later. */
		several = merges || bind->merged;
		if (merges && bind->error == -ENOENT) {
			bl_bind_put(bind);
			bind = NULL;
		}
	}
	if (merged)
		*merged = several;
	if (!bind) {
		refcount_inc(&tree->carrier->ref);
		return tree->carrier;
	}
	err = bind->error;
	/* A mount point cannot change between the two. */
	if (!err && d_is_dir(bind->real.dentry) != tree->is_dir)
		err = -ESTALE;
	bl_root_renewed(tree, err ? NULL : bind);
	if (!err) {
		bl_tree_stack(tree->sb, bind->real.mnt->mnt_sb);
		return bind;
	}
	bl_bind_put(bind);
	return ERR_PTR(err);
}

/*
 * The rules of the root of @tree, in @gen, which is read in the same RCU read side
 * section.
 */
static struct bl_rule_node *bl_root_rule(struct bl_tree *tree,
					 unsigned long gen)
{
	struct bl_rule_node *rule;
	unsigned int seq;
	bool known;

	do {
		seq = read_seqbegin(&tree->rule_lock);
		known = tree->rule_gen == gen;
		rule = tree->rule;
	} while (read_seqretry(&tree->rule_lock, seq));
	if (likely(known))
		return rule;
	rule = bl_rules_node(&tree->space->rules, tree->base);
	write_seqlock(&tree->rule_lock);
	tree->rule_gen = gen;
	tree->rule = rule;
	write_sequnlock(&tree->rule_lock);
	return rule;
}

/**
 * bl_root_link - the link that the rules have for the root of a tree
 * @tree: tree
 * @gen: generation of the rules
 *
 * Context: RCU read side, since before @gen was read.
 */
struct bl_link *bl_root_link(struct bl_tree *tree, unsigned long gen)
{
	struct bl_rule rule;

	bl_rule_read(bl_root_rule(tree, gen), &rule);
	return rule.link;
}

static bool bl_root_below(struct bl_tree *tree)
{
	struct bl_rule rule;

	guard(rcu)();
	bl_rule_read(bl_root_rule(tree, bl_rules_generation()), &rule);
	return rule.below;
}

/* Whether links are below in the view of what the root's link leads to. */
static bool bl_root_inner(struct bl_tree *tree)
{
	const struct bl_link *link;
	const struct bl_bind *bind;

	guard(rcu)();
	link = rcu_dereference(tree->link);
	bind = link ? rcu_dereference(link->bind) : NULL;
	return bind && bind->inner;
}

/**
 * bl_root_way - whether the root of a tree is a directory for links alone
 * @tree: tree
 * @err: what bl_root_get() said
 */
bool bl_root_way(struct bl_tree *tree, int err)
{
	return tree->is_dir && (bl_root_below(tree) || bl_root_inner(tree)) &&
	       (err == -ENOENT || err == -ENOTDIR || err == -ESTALE);
}

/**
 * bl_virtual_path - the virtual path of a dentry
 * @dentry: dentry of a tree
 * @buf: buffer of PATH_MAX bytes
 *
 * Return: the path inside of @buf, or ERR_PTR(-ENAMETOOLONG).
 */
char *bl_virtual_path(struct dentry *dentry, char *buf)
{
	const char *base = bl_tree(dentry->d_sb)->base;
	char *rest = dentry_path_raw(dentry, buf, PATH_MAX);
	size_t len = strlen(base);

	if (IS_ERR(rest) || len == 1)
		return rest;
	if (!rest[1])
		*rest = '\0';
	if (rest - buf < (ptrdiff_t)len)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(rest - len, base, len);
}

/* The rules of @dentry in @gen, as above; false when it takes a path to tell. */
static bool bl_dentry_rule(struct dentry *dentry, unsigned long gen,
			   struct bl_rule_node **rule)
{
	const struct bl_node *node;

	if (dentry == dentry->d_sb->s_root) {
		*rule = bl_root_rule(bl_tree(dentry->d_sb), gen);
		return true;
	}
	node = rcu_dereference(*bl_node_slot(dentry));
	if (!node || node->gen != gen)
		return false;
	*rule = node->rule;
	return true;
}

/**
 * bl_dentry_rule_in - the rules of a dentry by its name
 * @dentry: dentry of a tree
 * @parent: its parent
 * @gen: generation of the rules
 * @rule: set to the rules, or NULL for none
 * @still: its name stays what it is
 *
 * Context: RCU read side, since before @gen was read.
 * Return: false when it takes a path to tell, or if @dentry is moved.
 */
bool bl_dentry_rule_in(struct dentry *dentry, struct dentry *parent,
		       unsigned long gen, struct bl_rule_node **rule,
		       bool still)
{
	struct bl_rules *rules = &bl_tree(dentry->d_sb)->space->rules;
	struct bl_rule_node *dir;
	bool same;

	if (!bl_dentry_rule(parent, gen, &dir))
		return false;
	*rule = NULL;
	if (!dir)
		return true;
	if (still) {
		*rule = bl_rule_node(rules, dir, dentry->d_name.name,
				     dentry->d_name.len);
		return true;
	}
	/* It may be renamed meanwhile. */
	spin_lock(&dentry->d_lock);
	same = dentry->d_parent == parent;
	if (same)
		*rule = bl_rule_node(rules, dir, dentry->d_name.name,
				     dentry->d_name.len);
	spin_unlock(&dentry->d_lock);
	return same;
}

static void bl_at_set(struct bl_at *at, struct bl_rule_node *node)
{
	struct bl_rule rule;

	if (!node)
		return;
	bl_rule_read(node, &rule);
	at->rule = node;
	at->excepted = rule.excepted;
	at->below = rule.below;
	at->links = rule.links;
	/* One that goes at this moment may be taken for gone. */
	if (rule.link && bl_link_tryget(rule.link))
		at->link = rule.link;
}

/* By what is remembered of @dentry, or of @parent if that is not NULL. */
static bool bl_at_known(struct dentry *dentry, struct dentry *parent,
			struct bl_at *at)
{
	struct bl_rule_node *rule;
	bool known;

	memset(at, 0, sizeof(*at));
	guard(rcu)();
	at->gen = bl_rules_generation();
	known = parent ? bl_dentry_rule_in(dentry, parent, at->gen, &rule, false) :
			 bl_dentry_rule(dentry, at->gen, &rule);
	if (!known)
		return false;
	bl_at_set(at, rule);
	return true;
}

static int bl_at_get(struct dentry *dentry, struct dentry *parent,
		     struct bl_at *at)
{
	struct bl_tree *tree = bl_tree(dentry->d_sb);
	char *buf, *path;
	int err = 0;

	if (bl_at_known(dentry, parent, at))
		return 0;
	buf = __getname();
	if (!buf)
		return -ENOMEM;
	path = bl_virtual_path(dentry, buf);
	if (IS_ERR(path)) {
		err = PTR_ERR(path);
	} else {
		guard(rcu)();
		at->gen = bl_rules_generation();
		bl_at_set(at, bl_rules_node(&tree->space->rules, path));
	}
	__putname(buf);
	return err;
}

/* The private mount through which @dentry shows @path, or ERR_PTR(). */
static struct bl_mnt *bl_dentry_mnt(struct dentry *dentry,
				    const struct path *path, int flags)
{
	const struct bl_bind *carrier = bl_tree(dentry->d_sb)->carrier;

	if (path->mnt->mnt_sb->s_stack_depth >= FILESYSTEM_MAX_STACK_DEPTH)
		return ERR_PTR(-ELOOP);
	/* In the carrier the walk used the private mount itself. */
	if (path->mnt == carrier->real.mnt && !(flags & ~carrier->mnt->flags))
		return bl_mnt_hold(carrier->mnt);
	bl_tree_stack(dentry->d_sb, path->mnt->mnt_sb);
	return bl_mnt_get(path, flags);
}

/**
 * bl_dentry_walk - follow the path of a dentry through the links it is inside of
 * @dentry: dentry of a tree
 * @where: what it leads to; set whatever is returned
 * @mnt: set to a private mount of that, or to NULL; those of the layers are in
 *	@where
 * @proof: gets what the walk went by, or NULL
 *
 * Return: 0, -ENOENT, or another error of path lookup.
 */
int bl_dentry_walk(struct dentry *dentry, struct bl_where *where,
		   struct bl_mnt **mnt, struct bl_proof *proof)
{
	struct bl_layer *layer;
	struct bl_mnt *found;
	char *buf, *rest;
	unsigned int i;
	int err;

	/* Those who want it proved have tried that. */
	if (!proof && bl_step_walk(dentry, where, mnt, &err))
		return err;
	buf = __getname();
	memset(where, 0, sizeof(*where));
	*mnt = NULL;
	if (!buf)
		return -ENOMEM;
	rest = dentry_path_raw(dentry, buf, PATH_MAX);
	err = IS_ERR(rest) ? PTR_ERR(rest) :
		bl_walk_tree(bl_tree(dentry->d_sb), rest, where, proof);
	__putname(buf);
	if (err && err != -ENOENT)
		return err;
	for (i = 0; i < where->nr; i++) {
		layer = &where->layers[i];
		if (!layer->path.dentry)
			continue;
		found = bl_dentry_mnt(dentry, &layer->path, layer->flags);
		if (IS_ERR(found))
			return PTR_ERR(found);
		layer->mnt = found;
	}
	if (!where->path.dentry)
		return err;
	found = bl_dentry_mnt(dentry, &where->path, where->flags);
	if (IS_ERR(found))
		return PTR_ERR(found);
	*mnt = found;
	return err;
}

/*
 * What a walk says of @dentry, of which only the flags are kept in @where. Returns
 * 0, or -ENOMEM, which says nothing.
 */
static int bl_dentry_look(struct dentry *dentry, struct bl_where *where)
{
	struct bl_mnt *mnt;
	int err;

	err = bl_dentry_walk(dentry, where, &mnt, NULL);
	bl_where_put(where);
	bl_mnt_put(mnt);
	return err == -ENOMEM ? err : 0;
}

/**
 * bl_dentry_inner - whether links are below in the view of a backing path
 * @dentry: dentry of a tree
 * @viewed: set to whether there is such a view, or was; then nothing below
 *	@dentry can be looked up in a directory alone
 *
 * Return: 1, 0, or -ENOMEM, which says nothing about either.
 */
int bl_dentry_inner(struct dentry *dentry, bool *viewed)
{
	struct bl_where where;
	struct bl_node *node;
	struct bl_link *link;
	struct bl_bind *bind;
	bool merged;
	int err;

	scoped_guard(rcu) {
		if (dentry == dentry->d_sb->s_root) {
			link = rcu_dereference(bl_tree(dentry->d_sb)->link);
			bind = link ? rcu_dereference(link->bind) : NULL;
			*viewed = (bind && bind->viewed) ||
				  (link && bl_link_merges(link));
			return bind && bind->inner;
		}
		node = rcu_dereference(*bl_node_slot(dentry));
		if (node && node->gen == bl_rules_generation()) {
			*viewed = node->viewed;
			return node->inner;
		}
		merged = node && node->merged;
	}
	/* A working directory, say, that no walk has come through since. */
	err = bl_dentry_look(dentry, &where);
	/*
	 * What the last look found there goes on when a link is removed, but is
	 * only a part of what was seen if that was made of several.
	 */
	*viewed = where.viewed || merged;
	return err ?: where.inner;
}

/**
 * bl_root_merged - whether the root of a tree is inside of a merged link
 * @tree: tree
 *
 * Context: any, RCU-walk too.
 */
bool bl_root_merged(struct bl_tree *tree)
{
	const struct bl_link *link;
	const struct bl_bind *bind;

	guard(rcu)();
	link = rcu_dereference(tree->link);
	bind = link ? rcu_dereference(link->bind) : NULL;
	return link && (bl_link_merges(link) || (bind && bind->merged));
}

/**
 * bl_dentry_merged - whether a directory is inside of a merged link
 * @dentry: dentry of a tree
 *
 * Return: 1, 0, or -ENOMEM, which says nothing.
 */
int bl_dentry_merged(struct dentry *dentry)
{
	const struct bl_node *node;
	struct bl_where where;

	if (dentry == dentry->d_sb->s_root)
		return bl_root_merged(bl_tree(dentry->d_sb));
	scoped_guard(rcu) {
		node = rcu_dereference(*bl_node_slot(dentry));
		if (node && node->gen == bl_rules_generation())
			return node->merged;
	}
	/* A working directory, say, that no walk has come through since. */
	return bl_dentry_look(dentry, &where) ?: where.merged;
}

/**
 * bl_dentry_at - what the rule table has for a dentry
 * @dentry: dentry of a tree, but not its root
 * @at: filled in, for bl_at_put()
 *
 * Return: 0 or a negative errno.
 */
int bl_dentry_at(struct dentry *dentry, struct bl_at *at)
{
	struct dentry *parent;
	int err;

	if (bl_at_known(dentry, NULL, at))
		return 0;
	parent = dget_parent(dentry);
	err = bl_at_get(dentry, parent, at);
	dput(parent);
	return err;
}

/**
 * bl_dentry_below - whether there are rules below the name of a dentry
 * @dentry: dentry of a tree
 *
 * Return: 1, 0, or a negative errno when that cannot be told.
 */
int bl_dentry_below(struct dentry *dentry)
{
	struct bl_at at;
	int err;

	if (dentry == dentry->d_sb->s_root)
		return bl_root_below(bl_tree(dentry->d_sb));
	err = bl_dentry_at(dentry, &at);
	if (err)
		return err;
	bl_at_put(&at);
	return at.below;
}

/**
 * bl_dentry_alone - whether it is plain to see that nothing is below a name
 * @dentry: dentry of a tree
 *
 * Return: whether no rules are at or below its name in any view.
 */
bool bl_dentry_alone(struct dentry *dentry)
{
	const struct bl_node *node;

	guard(rcu)();
	node = rcu_dereference(*bl_node_slot(dentry));
	return node && node->gen == bl_rules_generation() && !node->rule &&
	       !node->inner && !node->way;
}

/* As bl_parent_dir(), of the root of a tree. */
static noinline bool bl_root_dir(struct bl_tree *tree, struct bl_real *dir)
{
	const struct bl_link *link = rcu_dereference(tree->link);
	struct bl_bind *bind = bl_root_shows(tree, link);

	if (!bind || bind->viewed || bind->merged ||
	    (link && bl_link_merges(link)) ||
	    !refcount_inc_not_zero(&bind->ref))
		return false;
	bl_tree_stack(tree->sb, bind->real.mnt->mnt_sb);
	dir->path = bind->real;
	dir->mnt = bind->mnt;
	dir->bind = bind;
	return true;
}

/*
 * What @parent shows, in @gen, if names without rules are looked up in that alone.
 * RCU read side, since before @gen was read; false when it takes more than looking.
 */
static __always_inline bool bl_parent_dir(struct dentry *parent,
					  unsigned long gen,
					  struct bl_real *dir)
{
	struct bl_node *node;

	dir->node = NULL;
	dir->bind = NULL;
	dir->gen = gen;
	dir->merged = false;
	if (unlikely(parent == parent->d_sb->s_root))
		return bl_root_dir(bl_tree(parent->d_sb), dir);
	node = rcu_dereference(*bl_node_slot(parent));
	if (!node || node->gen != gen || node->viewed || node->merged ||
	    !node->real.dentry || !refcount_inc_not_zero(&node->ref))
		return false;
	dir->path = node->real;
	dir->mnt = node->mnt;
	dir->node = node;
	return true;
}

/* Whether @dentry has no rules, and is just a name in a directory. RCU read side. */
static __always_inline bool bl_dentry_plain(struct dentry *dentry,
					    unsigned long gen)
{
	const struct bl_node *node = rcu_dereference(*bl_node_slot(dentry));

	return node && node->gen == gen && !node->rule && !node->special;
}

/**
 * bl_dentry_dir - the directory behind that of a name, where that is plain to see
 * @dentry: dentry of a tree, its directory locked by the VFS
 * @dir: filled in, for bl_real_put()
 *
 * Return: false when the name has rules, or is not just a name in a directory, or
 * when more than looking is needed to tell.
 */
bool bl_dentry_dir(struct dentry *dentry, struct bl_real *dir)
{
	unsigned long gen = bl_rules_generation();

	guard(rcu)();
	return bl_dentry_plain(dentry, gen) &&
	       bl_parent_dir(dentry->d_parent, gen, dir);
}

/**
 * bl_dentry_dirs - the directories behind those of two names
 * @old: dentry of a tree, its directory locked by the VFS
 * @new: the same
 * @from: filled in for @old, for bl_real_put()
 * @to: filled in for @new, likewise
 *
 * Return: false when bl_dentry_dir() is for one of them. Otherwise nothing is
 * below either of them in any view.
 */
bool bl_dentry_dirs(struct dentry *old, struct dentry *new,
		    struct bl_real *from, struct bl_real *to)
{
	unsigned long gen = bl_rules_generation();
	bool known;

	scoped_guard(rcu) {
		if (!bl_dentry_plain(old, gen) || !bl_dentry_plain(new, gen) ||
		    !bl_parent_dir(old->d_parent, gen, from))
			return false;
		if (likely(new->d_parent == old->d_parent)) {
			*to = *from;
			if (to->node)
				refcount_inc(&to->node->ref);
			else
				refcount_inc(&to->bind->ref);
			return true;
		}
		known = bl_parent_dir(new->d_parent, gen, to);
	}
	if (!known)
		bl_real_put(from);
	return known;
}

static struct bl_node *bl_node_init(struct bl_node *node, struct bl_mnt *mnt)
{
	refcount_set(&node->ref, 1);
	node->gen = bl_rules_generation();
	if (mnt) {
		node->mnt = bl_mnt_hold(mnt);
		node->real.mnt = mnt->mnt;
	}
	return node;
}

/**
 * bl_node_alloc - an empty node
 * @mnt: private mount of what it will show, or NULL
 *
 * Return: the node with one reference, or ERR_PTR(-ENOMEM).
 */
struct bl_node *bl_node_alloc(struct bl_mnt *mnt)
{
	struct bl_node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);

	return node ? bl_node_init(node, mnt) : ERR_PTR(-ENOMEM);
}

/* As bl_node_alloc(), for a name that something is about to be renamed to. */
static struct bl_node *bl_node_alloc_target(struct bl_tree *tree,
					    struct bl_mnt *mnt)
{
	struct bl_node *node = xchg(&tree->unseen, NULL);

	if (unlikely(!node))
		return bl_node_alloc(mnt);
	memset(node, 0, sizeof(*node));
	return bl_node_init(node, mnt);
}

/*
 * Begin to watch a name: what its d_seq is, and whether that says anything. Not if
 * it is not even there, or not the kernel's to know about.
 */
static bool bl_seq_begin(struct dentry *lower, unsigned int *seq)
{
	*seq = read_seqcount_begin(&lower->d_seq);
	return !d_unhashed(lower) && !(lower->d_flags & DCACHE_OP_REVALIDATE);
}

/*
 * As bl_node_new(), with a reference of the caller; with @tree it is for a name that
 * something is about to be renamed to.
 */
static struct bl_node *bl_node_of(struct bl_tree *tree, struct bl_mnt *mnt,
				  struct dentry *lower)
{
	struct bl_node *node = tree ? bl_node_alloc_target(tree, mnt) :
				      bl_node_alloc(mnt);

	if (IS_ERR(node)) {
		dput(lower);
		return node;
	}
	/* What changes from here on changes the sequence. */
	node->check = !bl_seq_begin(lower, &node->seq);
	node->inode = d_inode(lower);
	node->lower = lower;
	node->real.dentry = lower;
	return node;
}

/**
 * bl_node_new - remember what a lookup found
 * @mnt: private mount of @lower
 * @lower: dentry that was found; the node takes a reference of its own
 *
 * Context: the parent of @lower is locked, or @lower is unhashed.
 * Return: the node, or ERR_PTR(-ENOMEM).
 */
struct bl_node *bl_node_new(struct bl_mnt *mnt, struct dentry *lower)
{
	return bl_node_of(NULL, mnt, dget(lower));
}

/*
 * Remember what @link is bound to, as long as @gen is that of the rules. The
 * inode is NULL where the backing does not exist.
 */
static struct bl_node *bl_node_bound(struct bl_link *link, unsigned long gen)
{
	struct bl_bind *bind = bl_bind_get(link);
	struct bl_node *node;

	if (IS_ERR(bind))
		return ERR_CAST(bind);
	node = bind->error && bind->error != -ENOENT ?
		ERR_PTR(bind->error) : bl_node_alloc(bind->mnt);
	if (IS_ERR(node)) {
		bl_bind_put(bind);
		return node;
	}
	node->link = link;
	node->bind = bind;
	node->inner = bind->inner;
	node->viewed = bind->viewed;
	node->gen = gen;
	if (bind->real.dentry) {
		node->real.dentry = dget(bind->real.dentry);
		if (!bind->error)
			node->inode = d_inode(bind->real.dentry);
	}
	return node;
}

/* Let go of what @node, which no dentry has, shows. */
static void bl_node_unshow(struct bl_node *node)
{
	if (node->real.dentry != node->lower)
		dput(node->real.dentry);
	node->real.dentry = NULL;
}

/* Take the basis from @node, for the caller to free. */
static struct bl_basis *bl_node_unbase(struct bl_node *node)
{
	return unrcu_pointer(xchg(&node->basis, NULL));
}

/**
 * bl_dentry_stale - whether a dentry keeps a filesystem that may be unmounted
 * @dentry: dentry of a tree
 * @freed: a list of what the caller will free; what @dentry was found by is added,
 *	if it keeps such a filesystem
 *
 * Context: any.
 * Return: whether what @dentry shows is in one.
 */
bool bl_dentry_stale(struct dentry *dentry, struct bl_basis **freed)
{
	struct bl_basis *basis;
	struct bl_node *node;

	guard(rcu)();
	node = rcu_dereference(*bl_node_slot(dentry));
	if (!node)
		return false;
	basis = rcu_dereference(node->basis);
	if (basis && bl_basis_stale(basis)) {
		basis = bl_node_unbase(node);
		if (basis) {
			basis->next = *freed;
			*freed = basis;
		}
	}
	return node->mnt && READ_ONCE(node->mnt->stale);
}

static void bl_node_unpin(struct bl_node *node)
{
	/* Nothing is cleared: readers under RCU may still look at it. */
	if (node->real.dentry != node->lower)
		dput(node->real.dentry);
	dput(node->lower);
	bl_bind_put(node->bind);
	bl_basis_put(bl_node_unbase(node));
	bl_mnt_put(node->mnt);
}

/**
 * bl_node_free - drop what a node pins, and the node after a grace period
 * @node: node without references
 */
void bl_node_free(struct bl_node *node)
{
	bl_node_unpin(node);
	kfree_rcu(node, rcu);
}

/* The same of one that nobody can have seen: @tree keeps it for the next. */
static void bl_node_put_target(struct bl_tree *tree, struct bl_node *node)
{
	if (!refcount_dec_and_test(&node->ref))
		return;
	bl_node_unpin(node);
	if (unlikely(cmpxchg(&tree->unseen, NULL, node)))
		kfree(node);
}

static void bl_node_prepare(struct bl_node *node)
{
	node->special = node->check || node->link ||
			rcu_access_pointer(node->basis);
	if (node->merged)
		node->search = bl_modes_searched(node->inode, node->mnt);
}

/*
 * As bl_node_set(), if the name is what it was when d_seq was @seq; @node is consumed
 * in any case.
 */
static void bl_node_set_at(struct dentry *dentry, struct bl_node *node,
			   const unsigned int *seq)
{
	struct bl_node *old;

	bl_node_prepare(node);
	spin_lock(&dentry->d_lock);
	old = rcu_dereference_protected(*bl_node_slot(dentry),
					lockdep_is_held(&dentry->d_lock));
	/* What was seen there later is in place already. */
	if ((seq && read_seqcount_retry(&dentry->d_seq, *seq)) ||
	    (old && old->merged && node->merged && old->ticket > node->ticket))
		old = node;
	else
		rcu_assign_pointer(*bl_node_slot(dentry), node);
	spin_unlock(&dentry->d_lock);
	bl_node_put(old);
}

/**
 * bl_node_set - say what a dentry stands for
 * @dentry: dentry of a tree
 * @node: its new node, owned by @dentry from here on
 */
void bl_node_set(struct dentry *dentry, struct bl_node *node)
{
	bl_node_set_at(dentry, node, NULL);
}

/**
 * bl_node_inherit - say that the rules are those by which a dentry was looked up
 * @node: new node, for the same name
 * @dentry: dentry of a tree that has a node
 */
void bl_node_inherit(struct bl_node *node, struct dentry *dentry)
{
	const struct bl_node *old;

	guard(rcu)();
	old = rcu_dereference(*bl_node_slot(dentry));
	node->gen = old ? old->gen : 0;
	node->rule = old ? old->rule : NULL;
	node->below = old && old->below;
}

/**
 * bl_node_unruled - by which rules there are none for a name
 * @dentry: dentry of a tree
 *
 * Return: their generation when it was looked up last, or 0 if it has some.
 */
unsigned long bl_node_unruled(struct dentry *dentry)
{
	const struct bl_node *node;

	guard(bl_look)();
	node = bl_rcu_dereference(*bl_node_slot(dentry));
	return node && !node->rule ? node->gen : 0;
}

/**
 * bl_node_moved - keep the node of a dentry that was renamed
 * @dentry: dentry of a tree
 * @target: dentry that had the name that it has now
 * @lower: dentry behind @dentry, renamed likewise
 *
 * Context: the directories of @lower are locked since before.
 * Return: whether the node holds for the new name, which no rules are for then.
 */
bool bl_node_moved(struct dentry *dentry, struct dentry *target,
		   struct dentry *lower)
{
	unsigned long gen = bl_node_unruled(target);
	struct bl_node *node;
	unsigned int seq;
	bool known;

	known = bl_seq_begin(lower, &seq);
	spin_lock(&dentry->d_lock);
	node = rcu_dereference_protected(*bl_node_slot(dentry),
					 lockdep_is_held(&dentry->d_lock));
	known = known && node && node->lower == lower && !node->special &&
		!node->rule && node->gen == gen;
	if (known) {
		/* Who sees this sees the new name, too: pairs with d_seq. */
		smp_store_release(&node->seq, seq);
	}
	spin_unlock(&dentry->d_lock);
	return known;
}

/*
 * What proves that @now is seen by the name of @dentry, where @was was seen or could
 * have been. Taken from the node of @dentry, which proves nothing any more.
 */
static struct bl_basis *bl_dentry_rebase(struct dentry *dentry,
					 const struct dentry *was,
					 struct dentry *now)
{
	struct bl_basis *basis = NULL;
	struct bl_node *node;
	unsigned int seq;

	if (!bl_seq_begin(now, &seq))
		return NULL;
	scoped_guard(rcu) {
		node = rcu_dereference(*bl_node_slot(dentry));
		if (node && node->stepped)
			basis = bl_node_unbase(node);
	}
	return bl_basis_replace(basis, was, now, seq);
}

/*
 * What was looked for in the first directory alone, and got another name there, was
 * found by the same as before but for its own d_seq.
 */
static bool bl_node_beside_moved(struct dentry *dentry, struct dentry *target,
				 struct dentry *lower)
{
	const struct bl_node *node, *other;
	struct bl_basis *basis;
	unsigned int seq;
	bool known;

	known = bl_seq_begin(lower, &seq);
	guard(rcu)();
	node = rcu_dereference(*bl_node_slot(dentry));
	other = rcu_dereference(*bl_node_slot(target));
	if (!known || !node || !node->stepped || node->real.dentry != lower ||
	    !other || !other->stepped || other->gen != node->gen)
		return false;
	basis = rcu_dereference(node->basis);
	if (!basis || basis->gen != node->gen || basis->searched != 1 ||
	    basis->chain[0].dentry != lower)
		return false;
	/* Who sees this sees the new name, too: pairs with d_seq. */
	smp_store_release(&basis->chain[0].seq, seq);
	return true;
}

/**
 * bl_node_renamed - have the node of a dentry that was renamed hold for its new name
 * @dentry: dentry of a tree, which was found by a walk, and has got the name of
 *	@target
 * @target: dentry that had the name, and is not to be found any more
 * @was: what was behind @target, and had its name, in the directory of @lower; NULL
 *	if that is not known, and for directories
 * @lower: dentry behind @dentry, renamed likewise
 * @beside: the name was in the same directory, of the tree and below
 *
 * Unless that is so, what it was found by is forgotten: for whoever looks at this
 * moment that may be something that has got the old name since.
 *
 * Context: may sleep; the directories of @lower are locked since before.
 */
void bl_node_renamed(struct dentry *dentry, struct dentry *target,
		     const struct dentry *was, struct dentry *lower,
		     bool beside)
{
	struct bl_basis *basis = NULL, *old = NULL;
	struct bl_node *node;

	if (was && beside && bl_node_beside_moved(dentry, target, lower))
		return;
	if (was)
		basis = bl_dentry_rebase(target, was, lower);
	spin_lock(&dentry->d_lock);
	node = rcu_dereference_protected(*bl_node_slot(dentry),
					 lockdep_is_held(&dentry->d_lock));
	if (node) {
		old = bl_node_unbase(node);
		if (basis && node->stepped && node->real.dentry == lower &&
		    node->gen == basis->gen) {
			rcu_assign_pointer(node->basis, basis);
			basis = NULL;
		}
	}
	spin_unlock(&dentry->d_lock);
	bl_basis_put(old);
	bl_basis_put(basis);
}

/**
 * bl_node_proved - the node of a dentry, if a walk would lead to the same now
 * @dentry: dentry of a tree
 *
 * Return: a node that was found by a walk, with a reference; otherwise NULL.
 */
struct bl_node *bl_node_proved(struct dentry *dentry)
{
	struct bl_basis *basis;
	struct bl_node *node;

	guard(rcu)();
	node = rcu_dereference(*bl_node_slot(dentry));
	if (!node || node->gen != bl_rules_generation())
		return NULL;
	basis = rcu_dereference(node->basis);
	if (!basis || !bl_basis_found(basis) ||
	    (node->lower && d_mountpoint(node->lower)) ||
	    !refcount_inc_not_zero(&node->ref))
		return NULL;
	return node;
}

/**
 * bl_node_beside - what is behind a name in one of several directories
 * @node: node of a name that was looked for in each of them
 * @other: dentry of another name in one of them
 *
 * Return: the dentry with a reference, which may be negative; NULL where something
 * is seen before, or if it is not known.
 */
struct dentry *bl_node_beside(const struct bl_node *node,
			      const struct dentry *other)
{
	const struct dentry *dir = READ_ONCE(other->d_parent);
	const struct bl_basis *basis;
	struct dentry *child;
	unsigned int i;

	guard(rcu)();
	basis = rcu_dereference(node->basis);
	for (i = 0; basis && i < basis->searched; i++) {
		child = basis->chain[i].dentry;
		if (READ_ONCE(child->d_parent) == dir)
			return lockref_get_not_dead(&child->d_lockref) ? child :
									 NULL;
	}
	return NULL;
}

/**
 * bl_node_made - the node for what was made by a name that was looked for in several
 *	directories
 * @dentry: dentry of the name, its directory locked by the VFS
 * @mnt: private mount of @lower
 * @lower: what was made there; not a directory
 *
 * Context: may sleep; the directory of @lower is locked since before it was made.
 * Return: the node, or NULL when it takes a walk.
 */
struct bl_node *bl_node_made(struct dentry *dentry, struct bl_mnt *mnt,
			     struct dentry *lower)
{
	struct bl_basis *basis;
	struct bl_node *node;

	basis = bl_dentry_rebase(dentry, lower, lower);
	if (!basis)
		return NULL;
	node = bl_node_alloc(mnt);
	if (IS_ERR(node)) {
		bl_basis_put(basis);
		return NULL;
	}
	RCU_INIT_POINTER(node->basis, basis);
	/* There are no rules where that goes. */
	node->gen = basis->gen;
	node->real.dentry = dget(lower);
	node->inode = d_inode(lower);
	node->viewed = true;
	node->stepped = true;
	return node;
}

/**
 * bl_node_abandon - let go of what is about to be removed
 * @dentry: dentry of a tree, its directory locked by the VFS
 * @lower: dentry behind it
 *
 * A dentry that nobody else has becomes negative when it is removed, and need not
 * be looked up to be made anew. So if nobody but the caller has @dentry, see to it
 * that @lower is not pinned by it, and that nobody goes by it any more: who comes
 * from now on finds no node, and who found it before, and has no reference yet, does
 * not get one.
 *
 * Context: may sleep; the directory of @lower is locked.
 * Return: whether @dentry stays where it is, for the VFS to make it negative. If
 * nothing is removed after all the caller has to drop it.
 */
bool bl_node_abandon(struct dentry *dentry, struct dentry *lower)
{
	struct bl_node *node;
	bool kept;

	spin_lock(&dentry->d_lock);
	node = rcu_dereference_protected(*bl_node_slot(dentry),
					 lockdep_is_held(&dentry->d_lock));
	if (dentry->d_lockref.count != 1 || d_mountpoint(dentry) || !node ||
	    node->real.dentry != lower) {
		spin_unlock(&dentry->d_lock);
		return false;
	}
	/* What takes a walk to find is dropped, and so is the gate of a lane. */
	kept = !node->special && !node->rule && !bl_is_gate(dentry) &&
	       !bl_dentry_leaves(dentry);
	RCU_INIT_POINTER(*bl_node_slot(dentry), NULL);
	if (kept)
		write_seqcount_invalidate(&dentry->d_seq);
	else
		__d_drop(dentry);
	spin_unlock(&dentry->d_lock);
	bl_node_put(node);
	return kept;
}

/* The dentry that @dentry is the name of, with a reference. RCU read side. */
static __always_inline struct dentry *bl_lower_get(struct dentry *dentry,
						   unsigned int *seq)
{
	const struct bl_node *node = rcu_dereference(*bl_node_slot(dentry));

	if (!node || node->special)
		return NULL;
	*seq = READ_ONCE(node->seq);
	return lockref_get_not_dead(&node->lower->d_lockref) ? node->lower :
							       NULL;
}

/* Whether @lower is what a lookup of its name in @dir, which is locked, would find. */
static __always_inline bool bl_lower_holds(const struct dentry *lower,
					   unsigned int seq,
					   const struct dentry *dir)
{
	return lower->d_parent == dir &&
	       !read_seqcount_retry(&lower->d_seq, seq);
}

/**
 * bl_node_lower - the dentry of a name in the directory behind its own
 * @dentry: dentry of a tree
 * @dir: that directory, locked
 *
 * Return: the dentry with a reference, or NULL when it has to be looked up.
 */
struct dentry *bl_node_lower(struct dentry *dentry, struct dentry *dir)
{
	struct dentry *lower;
	unsigned int seq;

	scoped_guard(rcu)
		lower = bl_lower_get(dentry, &seq);
	if (!lower || bl_lower_holds(lower, seq, dir))
		return lower;
	dput(lower);
	return NULL;
}

/* The node of a dentry that is just a name in a directory, with a reference. */
static __always_inline struct bl_node *bl_node_hold_lower(struct dentry *dentry,
							  unsigned int *seq)
{
	struct bl_node *node = bl_rcu_dereference(*bl_node_slot(dentry));

	if (!node || node->special)
		return NULL;
	*seq = READ_ONCE(node->seq);
	return refcount_inc_not_zero(&node->ref) ? node : NULL;
}

/**
 * bl_node_lowers - the dentries of two names in the directories behind their own
 * @old: dentry of a tree
 * @from: directory behind that of @old, locked
 * @new: dentry of a tree
 * @to: directory behind that of @new, locked
 * @rd: gets the dentries
 * @nodes: gets what keeps them, for bl_node_put()
 *
 * Return: false when they have to be looked up.
 */
bool bl_node_lowers(struct dentry *old, const struct dentry *from,
		    struct dentry *new, const struct dentry *to,
		    struct renamedata *rd, struct bl_node *nodes[2])
{
	struct bl_node *source, *target = NULL;
	unsigned int old_seq, new_seq;

	scoped_guard(bl_look) {
		source = bl_node_hold_lower(old, &old_seq);
		if (source)
			target = bl_node_hold_lower(new, &new_seq);
	}
	if (target && bl_lower_holds(source->lower, old_seq, from) &&
	    bl_lower_holds(target->lower, new_seq, to)) {
		rd->old_dentry = source->lower;
		rd->new_dentry = target->lower;
		nodes[0] = source;
		nodes[1] = target;
		return true;
	}
	bl_node_put(target);
	bl_node_put(source);
	return false;
}

/**
 * bl_real_get - what a dentry stands for
 * @dentry: dentry of a tree; the walk to it checked that it is valid
 * @real: result, for bl_real_put()
 *
 * Return: 0, an error of bl_root_get() for the root, -ESTALE for a dentry
 * that was never looked up, -ENOENT where nothing is behind it.
 */
int bl_real_get(struct dentry *dentry, struct bl_real *real)
{
	struct bl_node *node;

	real->node = NULL;
	real->bind = NULL;
	real->gen = bl_rules_generation();
	if (dentry == dentry->d_sb->s_root) {
		struct bl_bind *bind = bl_root_get(bl_tree(dentry->d_sb),
						   &real->merged);

		if (IS_ERR(bind))
			return PTR_ERR(bind);
		real->path = bind->real;
		real->mnt = bind->mnt;
		real->bind = bind;
		return 0;
	}

	node = bl_node_hold(dentry);
	if (!node)
		return bl_node_lacks(dentry);
	real->path = node->real;
	real->mnt = node->mnt;
	real->gen = node->gen;
	real->merged = node->merged;
	real->node = node;
	return 0;
}

/**
 * bl_real_put - undo bl_real_get()
 * @real: what it filled in; or all zero, or something with references
 */
void bl_real_put(struct bl_real *real)
{
	if (real->node) {
		bl_node_put(real->node);
	} else if (real->bind) {
		bl_bind_put(real->bind);
	} else {
		dput(real->path.dentry);
		bl_mnt_put(real->mnt);
	}
}

/* Have @node show what a walk found instead of its lower dentry. */
static void bl_node_show(struct bl_node *node, const struct bl_where *where,
			 struct bl_mnt *mnt)
{
	bl_node_unshow(node);
	bl_mnt_put(node->mnt);
	node->real.mnt = mnt->mnt;
	node->real.dentry = where->path.dentry;
	if (node->real.dentry != node->lower)
		dget(node->real.dentry);
	node->mnt = bl_mnt_hold(mnt);
	node->inode = d_inode(where->path.dentry);
	node->inner = where->inner;
	node->viewed = where->viewed;
	node->merged = where->merged && S_ISDIR(node->inode->i_mode);
}

/*
 * Something is mounted on @node->lower, beneath the tree: see whether the user
 * sees it, by following the virtual path in the user's mounts.
 */
static int bl_node_cross_carrier(struct dentry *dentry, struct bl_node *node)
{
	struct bl_tree *tree = bl_tree(dentry->d_sb);
	char *buf = __getname(), *path;
	struct bl_where where = {};
	struct bl_mnt *mnt = NULL;
	struct path up;
	int err;

	if (!buf)
		return -ENOMEM;
	path = bl_virtual_path(dentry, buf);
	err = IS_ERR(path) ? PTR_ERR(path) :
		bl_walk_path(&tree->root, path, 0, &where, NULL);
	__putname(buf);
	if (err || !where.path.dentry) {
		bl_where_put(&where);
		return err == -ENOMEM ? err : 0;
	}

	/* Is it what covers the name, or did the walk end somewhere else? */
	up = where.path;
	path_get(&up);
	while (up.dentry != node->lower && up.dentry == up.mnt->mnt_root)
		if (!follow_up(&up))
			break;
	if (up.dentry == node->lower && where.path.dentry != node->lower &&
	    where.path.mnt->mnt_sb->s_stack_depth < FILESYSTEM_MAX_STACK_DEPTH)
		mnt = bl_mnt_get(&where.path, node->mnt->flags);
	path_put(&up);
	if (IS_ERR(mnt)) {
		err = PTR_ERR(mnt) == -ENOMEM ? -ENOMEM : 0;
	} else if (mnt) {
		bl_node_show(node, &where, mnt);
		bl_tree_stack(tree->sb, mnt->mnt->mnt_sb);
		bl_mnt_put(mnt);
	}
	bl_where_put(&where);
	return err;
}

/**
 * bl_node_ticket - draw a number for what is about to be looked up
 */
u64 bl_node_ticket(void)
{
	static atomic64_t tickets;

	return atomic64_inc_return(&tickets);
}

/*
 * Something is mounted on @node->lower. The private mount has no mounts of its
 * own, so a path is followed: that of the backing, inside of a link.
 */
static int bl_node_cross(struct dentry *dentry, struct bl_node *node)
{
	struct bl_where where;
	struct bl_mnt *mnt;
	int err;

	/* Whose mounts are seen can change at any time. */
	node->check = true;
	node->ticket = bl_node_ticket();
	err = bl_dentry_walk(dentry, &where, &mnt, NULL);
	if (err == -ENOMEM) {
		/* It is not known whether that is inside of a link. */
	} else if (!err && where.linked && mnt) {
		bl_node_show(node, &where, mnt);
	} else if (where.linked) {
		/* A link whose backing is missing, or only a way to links. */
		node->inner = where.inner;
		node->viewed = where.viewed;
		node->inode = NULL;
		bl_node_unshow(node);
	} else {
		err = bl_node_cross_carrier(dentry, node);
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err == -ENOENT || err == -ENOTDIR ? 0 : err;
}

/*
 * As lookup_slow(), of @name which has its hash and is not in the dcache, by who has
 * locked @dir exclusively: with nobody else there to look it up, none has to wait.
 */
static struct dentry *bl_lookup_alone(struct dentry *dir,
				      const struct qstr *name)
{
	struct inode *inode = d_inode(dir);
	struct dentry *dentry, *found;

	/* It is removed. */
	if (unlikely(IS_DEADDIR(inode)))
		return ERR_PTR(-ENOENT);
	dentry = d_alloc(dir, name);
	if (unlikely(!dentry))
		return ERR_PTR(-ENOMEM);
	found = inode->i_op->lookup(inode, dentry, 0);
	if (likely(!found))
		return dentry;
	dput(dentry);
	return found;
}

/* The same, by anybody else. */
static struct dentry *bl_lookup_slow(struct dentry *dir,
				     const struct qstr *name)
{
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(queue);
	struct inode *inode = d_inode(dir);
	struct dentry *dentry, *found;

	/* It is removed. */
	if (unlikely(IS_DEADDIR(inode)))
		return ERR_PTR(-ENOENT);
	dentry = bl_d_alloc_parallel(dir, name, &queue);
	if (IS_ERR(dentry) || unlikely(!d_in_lookup(dentry)))
		return dentry;
	found = inode->i_op->lookup(inode, dentry, 0);
	d_lookup_done(dentry);
	if (likely(!found))
		return dentry;
	dput(dentry);
	return found;
}

/**
 * bl_lookup_one - look a name up in a directory behind a tree
 * @mnt: private mount of @dir
 * @dir: the directory
 * @name: a name that the VFS has seen, need not have its hash
 * @locked: @dir is locked by the caller
 * @alone: so, and exclusively
 *
 * As lookup_one() and lookup_one_unlocked(), which ask security modules for the
 * directory behind, too, and look at each letter; not where it is plain to see that
 * the caller may search.
 *
 * Return: as they.
 */
struct dentry *bl_lookup_one(const struct bl_mnt *mnt, struct dentry *dir,
			     const struct qstr *name, bool locked, bool alone)
{
	struct qstr this = QSTR_INIT(name->name, name->len);
	struct inode *inode = d_inode(dir);
	struct dentry *dentry;

	if (unlikely(!mnt->fresh || !bl_search_free(inode) ||
		     (dir->d_flags & (DCACHE_OP_HASH | DCACHE_OP_REVALIDATE))))
		goto other;
	this.hash = full_name_hash(dir, this.name, this.len);
	dentry = d_lookup(dir, &this);
	if (!dentry && alone) {
		dentry = bl_lookup_alone(dir, &this);
	} else if (!dentry) {
		if (!locked)
			inode_lock_shared(inode);
		dentry = bl_lookup_slow(dir, &this);
		if (!locked)
			inode_unlock_shared(inode);
	}
	if (IS_ERR(dentry) || likely(!(dentry->d_flags & DCACHE_OP_REVALIDATE)))
		return dentry;
	dput(dentry);
other:
	return locked ? lookup_one(mnt_idmap(mnt->mnt), name->name, dir,
				   name->len) :
			lookup_one_unlocked(mnt_idmap(mnt->mnt), name->name,
					    dir, name->len);
}

/*
 * As bl_lookup_one() for a dentry that may be renamed meanwhile. A rename through
 * this tree moves both dentries before it unlocks the directories behind.
 */
static noinline struct dentry *bl_lookup_moving(struct dentry *dentry,
						const struct bl_real *parent)
{
	struct name_snapshot name;
	struct dentry *lower;

	take_dentry_name_snapshot(&name, dentry);
	lower = bl_lookup_one(parent->mnt, parent->path.dentry, &name.name,
			      true, false);
	release_dentry_name_snapshot(&name);
	return lower;
}

/* Look @dentry up in the directory that @parent shows. */
static struct bl_node *bl_node_lookup(struct dentry *dentry,
				      const struct bl_real *parent,
				      enum bl_look how)
{
	struct inode *dir = d_inode(parent->path.dentry);
	/* The rename will lock it exclusively, too. */
	const bool alone = how == BL_LOOK_TARGET;
	struct bl_node *node;
	struct dentry *lower;
	int err;

	if (!dir || !S_ISDIR(dir->i_mode))
		return ERR_PTR(-ENOTDIR);

	if (alone)
		inode_lock(dir);
	else
		inode_lock_shared(dir);
	lower = how == BL_LOOK_AGAIN ? bl_lookup_moving(dentry, parent) :
		bl_lookup_one(parent->mnt, parent->path.dentry,
			      &dentry->d_name, true, alone);
	node = IS_ERR(lower) ? ERR_CAST(lower) :
		bl_node_of(alone ? bl_tree(dentry->d_sb) : NULL, parent->mnt,
			   lower);
	if (alone)
		inode_unlock(dir);
	else
		inode_unlock_shared(dir);

	if (!IS_ERR(node) && node->inode && d_mountpoint(node->lower)) {
		err = bl_node_cross(dentry, node);
		if (err) {
			bl_node_put(node);
			return ERR_PTR(err);
		}
	}
	return node;
}

/*
 * What @dentry stands for by a walk. @linked is set to whether that is inside of
 * a link.
 */
static struct bl_node *bl_node_walked(struct dentry *dentry, bool *linked)
{
	u64 ticket = bl_node_ticket();
	struct bl_basis *basis;
	struct bl_proof *proof;
	struct bl_where where;
	struct bl_node *node;
	struct bl_mnt *mnt;
	int err;

	proof = bl_proof_begin();
	if (!proof)
		return ERR_PTR(-ENOMEM);
	err = bl_dentry_walk(dentry, &where, &mnt, proof);
	*linked = where.linked;
	basis = bl_proof_end(proof, err);
	if (err && err != -ENOENT && err != -ENOTDIR)
		node = ERR_PTR(err);
	else
		node = bl_node_alloc(mnt);
	if (!IS_ERR(node)) {
		RCU_INIT_POINTER(node->basis, basis);
		node->check = !basis;
		node->ticket = ticket;
		node->inner = where.inner;
		node->viewed = where.viewed;
		node->way = where.way;
		node->named = where.named;
		if (mnt) {
			node->real.dentry = dget(where.path.dentry);
			node->inode = d_inode(where.path.dentry);
		}
		node->merged = where.merged && node->inode &&
			       S_ISDIR(node->inode->i_mode);
		if (basis && node->inode && S_ISDIR(node->inode->i_mode))
			basis->layers = bl_layers_make(&where, mnt);
	} else {
		bl_basis_put(basis);
	}
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return node;
}

/* What @dentry, which has a link, stands for. */
static struct bl_node *bl_node_linked(struct dentry *dentry,
				      const struct bl_at *at)
{
	struct bl_node *node;
	bool linked;

	/* What is seen in several directories takes a walk to find. */
	if (bl_link_merges(at->link))
		return bl_node_walked(dentry, &linked);
	node = bl_node_bound(at->link, at->gen);
	if (IS_ERR(node))
		return node;
	if (node->bind->merged) {
		bl_node_put(node);
		return bl_node_walked(dentry, &linked);
	}
	if (node->mnt)
		bl_tree_stack(dentry->d_sb, node->mnt->mnt->mnt_sb);
	if (node->inode && bl_link_lane(at->link, node->inode->i_mode))
		bl_lane_offer(at->link);
	return node;
}

/*
 * What @dentry stands for by a walk, with what is mounted there if that is the
 * original.
 */
static struct bl_node *bl_node_found(struct dentry *dentry)
{
	struct bl_node *node;
	bool linked;
	int err;

	node = bl_node_walked(dentry, &linked);
	if (IS_ERR(node) || linked || !node->real.dentry ||
	    node->mnt != bl_tree(dentry->d_sb)->carrier->mnt)
		return node;
	node->lower = node->real.dentry;
	if (!node->inode || !d_mountpoint(node->lower))
		return node;
	/* Whose mounts are seen can change at any time. */
	bl_basis_put(bl_node_unbase(node));
	node->check = true;
	err = bl_node_cross_carrier(dentry, node);
	if (!err)
		return node;
	bl_node_put(node);
	return ERR_PTR(err);
}

/* Whether @inode still is what @node says. */
static bool bl_node_same(const struct inode *inode, const struct bl_node *node)
{
	if (!inode || !(node->inode || node->way))
		return !inode && !node->inode && !node->way;
	/* As long as it is a directory it may be another one. */
	if (node->merged || BL_I(inode)->merged)
		return node->merged && BL_I(inode)->merged;
	return BL_I(inode)->real == node->inode &&
	       (node->way || BL_I(inode)->mnt == node->mnt);
}

/**
 * bl_dentry_rest - find out all that a directory is made of
 * @dir: directory inside of a merged link, found by a step
 *
 * Context: may sleep; directories of trees may be locked, nothing below.
 * Return: whether it is known now, and was the same directory.
 */
bool bl_dentry_rest(struct dentry *dir)
{
	unsigned int seq = read_seqcount_begin(&dir->d_seq);
	unsigned long gen = bl_rules_generation();
	const struct bl_node *old;
	const struct bl_basis *basis;
	struct bl_node *node = bl_step_whole(dir);
	bool same;

	if (!node) {
		/* Something is mounted beneath, maybe, and that takes a walk. */
		scoped_guard(rcu) {
			old = rcu_dereference(*bl_node_slot(dir));
			same = old && old->gen == gen && old->stepped;
		}
		if (!same)
			return false;
		node = bl_node_found(dir);
		if (!IS_ERR(node))
			node->gen = gen;
	}
	if (IS_ERR(node))
		return false;
	basis = rcu_access_pointer(node->basis);
	if (!basis || !basis->layers || !node->merged ||
	    !bl_node_same(d_inode(dir), node)) {
		bl_node_put(node);
		return false;
	}
	bl_node_set_at(dir, node, &seq);
	return true;
}

/*
 * Whether @dentry, at which no directory is, leads to exceptions: those below
 * it may be of a link that does not cover it.
 */
static int bl_dentry_is_way(struct dentry *dentry)
{
	struct bl_where where;

	return bl_dentry_look(dentry, &where) ?: where.way;
}

/*
 * The rules are those of @at: is @node, which was looked up by them, a directory
 * for what is below alone? Consumes @node if it fails.
 */
static struct bl_node *bl_node_settle(struct dentry *dentry,
				      struct bl_node *node,
				      const struct bl_at *at)
{
	int err;

	node->gen = at->gen;
	node->rule = at->rule;
	node->below = at->below;
	if (unlikely((at->below || node->inner) &&
		     (!node->inode || !S_ISDIR(node->inode->i_mode)))) {
		err = at->links || node->inner ? 1 : bl_dentry_is_way(dentry);
		if (err < 0) {
			bl_node_put(node);
			return ERR_PTR(err);
		}
		node->way = err;
	}
	if (unlikely(node->way)) {
		node->inode = NULL;
		bl_node_unshow(node);
	}
	return node;
}

/*
 * The directory to look @dentry up in and the generation for which that holds, if
 * no rules are at its name and it is plain to see; for bl_real_put().
 */
static __always_inline bool bl_node_plain(struct dentry *dentry,
					  struct dentry *parent,
					  struct bl_real *dir, bool still)
{
	const struct bl_node *node;
	struct bl_rule_node *rule;
	unsigned long gen;

	guard(rcu)();
	gen = bl_rules_generation();
	node = rcu_dereference(*bl_node_slot(parent));
	/* Without rules at the directory there are none in it. */
	if (unlikely(!node || node->gen != gen || node->rule) &&
	    (!bl_dentry_rule_in(dentry, parent, gen, &rule, still) ||
	     rule))
		return false;
	return bl_parent_dir(parent, gen, dir);
}

/**
 * bl_name_dir - the directory behind that of a name that was not looked up
 * @dentry: dentry of a tree, its directory locked by the VFS
 * @dir: filled in, for bl_real_put()
 *
 * Return: false where bl_dentry_dir() would be, had it been looked up.
 */
bool bl_name_dir(struct dentry *dentry, struct bl_real *dir)
{
	return bl_node_plain(dentry, dentry->d_parent, dir, true);
}

/* As bl_node_get(), by asking for all that decides about the name. */
static struct bl_node *bl_node_ask(struct dentry *dentry,
				   struct dentry *parent, enum bl_look how)
{
	struct bl_node *node;
	struct bl_real real;
	struct bl_at at;
	int err, below;
	bool viewed;

	err = bl_at_get(dentry, parent, &at);
	if (err)
		return ERR_PTR(err);
	err = bl_dentry_inner(parent, &viewed);
	if (err < 0) {
		/* In the wrong view another file may have the name. */
		bl_at_put(&at);
		return ERR_PTR(err);
	}
	if (at.link) {
		node = bl_node_linked(dentry, &at);
		bl_link_put(at.link);
	} else if (at.excepted || viewed) {
		node = bl_node_found(dentry);
	} else {
		err = bl_real_get(parent, &real);
		below = err && err != -ENOMEM ? bl_dentry_below(parent) : 0;
		if (!err) {
			node = bl_node_lookup(dentry, &real, how);
			bl_real_put(&real);
		} else if (below > 0) {
			/* In a directory that only leads to links. */
			node = bl_node_alloc(NULL);
			if (!IS_ERR(node))
				node->check = true;
		} else {
			node = ERR_PTR(below ?: err);
		}
	}
	return IS_ERR(node) ? node : bl_node_settle(dentry, node, &at);
}

/**
 * bl_node_get - what a dentry stands for, looked up now
 * @dentry: dentry of a tree
 * @parent: its parent
 * @how: what it is looked up for
 *
 * Return: the node or ERR_PTR().
 */
struct bl_node *bl_node_get(struct dentry *dentry, struct dentry *parent,
			    enum bl_look how)
{
	struct bl_node *node;
	struct bl_real dir;
	struct bl_at at;

	if (!bl_node_plain(dentry, parent, &dir, how != BL_LOOK_AGAIN))
		return bl_step_node(dentry) ?:
		       bl_node_ask(dentry, parent, how);
	node = bl_node_lookup(dentry, &dir, how);
	bl_real_put(&dir);
	if (IS_ERR(node))
		return node;
	node->gen = dir.gen;
	if (likely(!node->inner))
		return node;
	/* What is mounted there is inside of a link. */
	at = (struct bl_at) { .gen = dir.gen };
	return bl_node_settle(dentry, node, &at);
}

/**
 * bl_dentry_renew - look again what a directory stands for
 * @dentry: dentry of a tree, but not its root
 *
 * Return: 0, -ESTALE if it is not a directory any more, or another errno.
 */
int bl_dentry_renew(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct bl_node *node = bl_node_get(dentry, parent, BL_LOOK_AGAIN);

	dput(parent);
	if (IS_ERR(node))
		return PTR_ERR(node);
	if (!bl_node_same(d_inode(dentry), node)) {
		bl_node_put(node);
		return -ESTALE;
	}
	bl_node_set(dentry, node);
	return 0;
}

/**
 * bl_node_inode - the inode for a dentry that is to be instantiated
 * @dentry: dentry of a tree
 * @node: what it stands for
 *
 * Return: the inode, NULL for a negative dentry, or ERR_PTR(-ENOMEM).
 */
struct inode *bl_node_inode(struct dentry *dentry, struct bl_node *node)
{
	if (node->way)
		return bl_inode_way(dentry->d_sb);
	if (node->merged)
		return bl_inode_merged(dentry, node->mnt, node->inode);
	return node->inode ? bl_inode_claim(dentry, node->mnt, node->inode) :
			     NULL;
}

/* As bl_node_set() of a dentry that nobody but the caller has. */
static void bl_node_first(struct dentry *dentry, struct bl_node *node)
{
	bl_node_prepare(node);
	rcu_assign_pointer(*bl_node_slot(dentry), node);
}

/**
 * bl_splice - give a looked up dentry its node and inode, and hash it
 * @dentry: unhashed dentry
 * @node: what was found, consumed
 *
 * Not by d_splice_alias(): that would move the dentry of a directory that was
 * renamed below, while a walk that found it under its old name may be about to
 * have it revalidated, and nothing tells d_revalidate which name that was.
 *
 * Return: 0 or -ENOMEM.
 */
int bl_splice(struct dentry *dentry, struct bl_node *node)
{
	struct inode *inode = bl_node_inode(dentry, node);

	if (IS_ERR(inode)) {
		bl_node_put(node);
		return PTR_ERR(inode);
	}
	if (likely(d_in_lookup(dentry)))
		bl_node_first(dentry, node);
	else
		bl_node_set(dentry, node);
	d_add(dentry, inode);
	bl_dentry_added(dentry);
	return 0;
}

/**
 * bl_lookup_blank - look up a dentry that was made negative without being looked at
 * @dentry: negative dentry of a tree, its directory locked by the VFS exclusively
 *
 * Return: 0, then it may be positive; or a negative errno.
 */
int bl_lookup_blank(struct dentry *dentry)
{
	struct bl_node *node;

	d_drop(dentry);
	node = bl_node_get(dentry, dentry->d_parent, BL_LOOK_FIRST);
	return IS_ERR(node) ? PTR_ERR(node) : bl_splice(dentry, node);
}

/**
 * bl_lookup - ->lookup() of a directory in a tree
 * @dir: directory, locked by the VFS
 * @dentry: dentry to fill
 * @flags: LOOKUP_* flags
 *
 * What a missing name is about to be replaced with by a rename is not to be found
 * before that, and brings a dentry along. So there is no need to hash this one,
 * and its node, which nobody has found, is used again without a grace period.
 *
 * Return: as ->lookup().
 */
struct dentry *bl_lookup(struct inode *dir, struct dentry *dentry,
			 unsigned int flags)
{
	struct bl_node *node;
	enum bl_look how;

	how = flags & LOOKUP_RENAME_TARGET ? BL_LOOK_TARGET : BL_LOOK_FIRST;
	node = bl_node_get(dentry, dentry->d_parent, how);
	if (IS_ERR(node))
		return ERR_CAST(node);
	bl_dentry_init(dentry, node->link ? &bl_link_dops : &bl_dops);
	if (how == BL_LOOK_TARGET && !node->inode && !node->way &&
	    !d_in_lookup(dentry)) {
		node->unseen = true;
		bl_node_first(dentry, node);
		return NULL;
	}
	return ERR_PTR(bl_splice(dentry, node));
}

/* Whether @node is what the directory has that the root of a tree shows. */
static bool bl_node_in_root(const struct super_block *sb,
			    const struct bl_node *node)
{
	const struct bl_tree *tree = bl_tree(sb);
	const struct bl_link *link = rcu_dereference(tree->link);
	const struct bl_bind *bind = tree->carrier;

	if (link)
		bind = rcu_dereference(link->bind);
	return bind && READ_ONCE(node->lower->d_parent) == bind->real.dentry &&
	       node->mnt == bind->mnt;
}

/* Returns 1. */
static noinline int bl_node_renew(struct inode *inode, struct inode *real,
				  const struct bl_mnt *mnt)
{
	bl_inode_refresh_access(inode, real, mnt);
	return 1;
}

/*
 * @dentry, whose node holds, is the end of a path. Of that the VFS looks at the mode
 * and at the owner before it asks for anything: those of a symlink decide whether it
 * may be followed, of a directory with the sticky bit who may set attributes, of a
 * file who may give it another name. Returns 1.
 */
static __always_inline int bl_node_end(const struct dentry *dentry,
				       const struct bl_node *node)
{
	/* It may be going at this moment. */
	struct inode *inode = d_inode_rcu(dentry);
	struct inode *real = node->inode;

	if (!real || !inode || bl_inode_fresh(inode, real, node->mnt))
		return 1;
	return bl_node_renew(inode, real, node->mnt);
}

/* Whether a node holds that was not found in the directory of its parent. */
static noinline int bl_node_proof_valid(struct bl_node *node,
					struct bl_basis *basis)
{
	if (unlikely(node->lower && d_mountpoint(node->lower)) ||
	    !bl_basis_found(basis))
		return -ECHILD;
	return 1;
}

/* The same where looking tells: with nothing to call there is no frame to make. */
static noinline int bl_node_special_valid(struct bl_node *node,
					  struct bl_basis *basis)
{
	if (likely(!node->lower && bl_basis_found_all(basis)))
		return 1;
	return bl_node_proof_valid(node, basis);
}

/* Both of the end of a path. */
static noinline int bl_node_proof_end(struct dentry *dentry,
				      struct bl_node *node,
				      struct bl_basis *basis)
{
	int ret = bl_node_proof_valid(node, basis);

	return ret > 0 ? bl_node_end(dentry, node) : ret;
}

static noinline int bl_node_special_end(struct dentry *dentry,
					struct bl_node *node,
					struct bl_basis *basis)
{
	if (likely(!node->lower && bl_basis_found_all(basis)))
		return bl_node_end(dentry, node);
	return bl_node_proof_end(dentry, node, basis);
}

/* Of a name that is a gate. */
static noinline int bl_gate_end(struct dentry *dentry, struct bl_node *node)
{
	int ret = bl_gate_valid(dentry, node);

	return ret > 0 ? bl_node_end(dentry, node) : ret;
}

/**
 * bl_node_bound_valid - whether the name of a link shows what that leads to
 * @node: node of the name, of the rules as they are
 *
 * Context: RCU read side.
 * Return: 1, or -ECHILD where it takes more than looking to tell.
 */
int bl_node_bound_valid(const struct bl_node *node)
{
	/* With that generation it is on the table, and not freed. */
	return node->link && !node->check &&
	       rcu_access_pointer(node->link->bind) == node->bind &&
	       bl_bind_valid(node->bind) ? 1 : -ECHILD;
}

/*
 * Whether nothing happened to the name since it was looked up. While d_seq
 * is unchanged so is d_parent, and it is pinned: the parent is the same
 * directory if the pointer is the same. The mount is another one when the
 * user's was remounted with other flags. @end: it may be the end of a path.
 * Returns 1, or -ECHILD.
 */
static __always_inline int bl_node_valid(struct dentry *dentry, bool end)
{
	struct bl_node *node = rcu_dereference(*bl_node_slot(dentry));
	struct bl_basis *basis;
	const struct bl_node *parent;
	struct dentry *lower;

	if (unlikely(!node || bl_rules_generation() != node->gen))
		return -ECHILD;
	if (unlikely(node->special)) {
		basis = rcu_dereference(node->basis);
		if (!basis)
			return end ? bl_gate_end(dentry, node) :
				     bl_gate_valid(dentry, node);
		/* Of what was found by one step there is no @lower. */
		if (!bl_basis_found_few(basis))
			return end ? bl_node_special_end(dentry, node, basis) :
				     bl_node_special_valid(node, basis);
		return end ? bl_node_end(dentry, node) : 1;
	}
	lower = node->lower;
	parent = rcu_dereference(*bl_node_slot(READ_ONCE(dentry->d_parent)));
	if (likely(parent)) {
		if (READ_ONCE(lower->d_parent) != parent->real.dentry ||
		    node->mnt != parent->mnt)
			return -ECHILD;
	} else if (!bl_node_in_root(dentry->d_sb, node)) {
		return -ECHILD;
	}
	if (unlikely(d_mountpoint(lower) ||
		     read_seqcount_retry(&lower->d_seq,
					 READ_ONCE(node->seq))))
		return -ECHILD;
	return end ? bl_node_end(dentry, node) : 1;
}

/*
 * Whether @dentry, which is a mount point, is another one than @new only for
 * what is mounted below. Saying no would unmount what is mounted here; that may
 * well be the mount from below, which was moved up.
 */
static bool bl_node_covered(struct dentry *dentry, const struct bl_node *new)
{
	struct bl_node *old;

	if (!d_mountpoint(dentry) || !new->lower || !d_inode(new->lower))
		return false;
	guard(rcu)();
	old = rcu_dereference(*bl_node_slot(dentry));
	return old && old->lower == new->lower;
}

/* As ->d_revalidate(), by the name that @dentry had when its d_seq was @seq. */
static int bl_node_look(struct dentry *dentry, unsigned int seq)
{
	struct dentry *parent;
	struct bl_node *node;
	struct inode *inode;
	bool valid;
	int err;

	scoped_guard(rcu)
		valid = bl_node_valid(dentry, true) > 0;
	if (valid)
		return 1;
	/*
	 * It is being removed. To say so has it dropped, and whoever looks the name up
	 * wait for that. It must not get a node by which it would be valid: the VFS may
	 * be about to take its inode.
	 */
	if (unlikely(bl_dentry_blank(dentry) && d_really_is_positive(dentry) &&
		     !IS_ROOT(dentry)))
		return 0;

	parent = dget_parent(dentry);
	node = bl_node_get(dentry, parent, BL_LOOK_AGAIN);
	dput(parent);
	if (IS_ERR(node)) {
		err = PTR_ERR(node);
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	}

	inode = d_inode(dentry);
	if (!bl_node_same(inode, node)) {
		valid = bl_node_covered(dentry, node);
		bl_node_put(node);
		return valid;
	}
	if (inode && node->inode)
		bl_inode_refresh(inode, node->inode, node->mnt);
	bl_node_set_at(dentry, node, &seq);
	return 1;
}

static noinline int bl_node_revalidate(struct dentry *dentry)
{
	unsigned int seq;
	int ret;

	/*
	 * By another name it shows something else, and is not to be dropped for
	 * what that is. As d_lookup() does, go on for as long as it is renamed.
	 */
	for (;;) {
		seq = read_seqcount_begin(&dentry->d_seq);
		ret = bl_node_look(dentry, seq);
		if (likely(!read_seqcount_retry(&dentry->d_seq, seq)))
			return ret;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

/* The same of a name that is a gate, and may be about to go. */
static noinline int bl_gate_revalidate(struct dentry *dentry,
				       unsigned int flags)
{
	if (!(flags & ~LOOKUP_RENAME_TARGET))
		bl_lane_name(dentry);
	return bl_node_revalidate(dentry);
}

/* With nothing but calls at its ends: most names need no frame. */
static int bl_d_revalidate(struct dentry *dentry, unsigned int flags)
{
	if (likely(flags & LOOKUP_RCU))
		return (flags & LOOKUP_PARENT) ? bl_node_valid(dentry, false) :
						 bl_node_valid(dentry, true);
	/* That is looked up by bl_atomic_open(), with the directory behind locked. */
	if ((flags & LOOKUP_OPEN) && (flags & LOOKUP_CREATE) &&
	    bl_dentry_blank(dentry) && d_really_is_negative(dentry))
		return 1;
	return bl_is_gate(dentry) ? bl_gate_revalidate(dentry, flags) :
				    bl_node_revalidate(dentry);
}

/*
 * The same of a name that was that of a link when it was looked up first. A walk that
 * finds a pass there asks ->d_manage() next, which looks at all that this would.
 */
static int bl_link_revalidate(struct dentry *dentry, unsigned int flags)
{
	/* Who must not cross mounts leaves RCU-walk before that. */
	if (likely((flags & (LOOKUP_RCU | LOOKUP_NO_XDEV)) == LOOKUP_RCU &&
		   rcu_access_pointer(*bl_gate_pass(dentry))))
		return 1;
	return bl_d_revalidate(dentry, flags);
}

/* As bl_d_weak_revalidate(), of the root of a tree. */
static noinline int bl_root_revalidate(struct dentry *dentry)
{
	struct bl_tree *tree = bl_tree(dentry->d_sb);
	struct inode *inode = d_inode(dentry);
	struct bl_bind *bind;

	scoped_guard(rcu) {
		bind = bl_root_rcu(tree);
		if (bind) {
			bl_tree_stack(tree->sb, bind->real.mnt->mnt_sb);
			bl_inode_refresh(inode, bind->inode, bind->mnt);
			return 1;
		}
	}
	/* Before it is attached nothing has to be there yet. */
	if (!d_mountpoint(tree->key))
		return 1;
	bind = bl_root_get(tree, NULL);
	if (IS_ERR(bind)) {
		if (!bl_root_way(tree, PTR_ERR(bind)))
			return PTR_ERR(bind);
		bl_inode_be_way(inode);
		return 1;
	}
	bl_inode_refresh(inode, bind->inode, bind->mnt);
	bl_bind_put(bind);
	return 1;
}

/*
 * The end of a walk that came here by a jump. This is the only question that
 * is asked about the root of a tree when it is the end of a path.
 */
static int bl_d_weak_revalidate(struct dentry *dentry, unsigned int flags)
{
	const struct bl_node *node;
	const struct bl_bind *bind;

	if (dentry != dentry->d_sb->s_root) {
		guard(rcu)();
		node = rcu_dereference(*bl_node_slot(dentry));
		return node ? bl_node_end(dentry, node) : 1;
	}
	scoped_guard(bl_look) {
		bind = bl_root_brief(bl_tree(dentry->d_sb));
		if (likely(bind && bl_inode_fresh(d_inode(dentry), bind->inode,
						  bind->mnt))) {
			bl_tree_stack(dentry->d_sb, bind->real.mnt->mnt_sb);
			return 1;
		}
	}
	return bl_root_revalidate(dentry);
}

static void bl_d_iput(struct dentry *dentry, struct inode *inode)
{
	bl_inode_unclaim(dentry, inode);
	iput(inode);
}

static void bl_d_release(struct dentry *dentry)
{
	struct bl_node *node = rcu_access_pointer(*bl_node_slot(dentry));

	if (unlikely(bl_is_gate(dentry)))
		bl_lane_release(dentry);
	if (node && node->unseen)
		bl_node_put_target(bl_tree(dentry->d_sb), node);
	else
		bl_node_put(node);
}

/* The name of an opened root: it has no place below the root. */
static char *bl_d_dname(struct dentry *dentry, char *buf, int size)
{
	const char *base = bl_tree(dentry->d_sb)->base;
	size_t len = strlen(base) + 1;

	if (len > size)
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buf + size - len, base, len);
}

static const struct dentry_operations bl_opened_dops = {
	.d_weak_revalidate = bl_d_weak_revalidate,
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
	.d_dname = bl_d_dname,
};

/**
 * bl_dentry_opened - a dentry for what the root of a tree was opened as
 * @sb: tree
 * @real: what was opened
 *
 * The root changes with its backing, an open file must not: not what fstat()
 * says of it, nor what fchmod() changes, nor the set-user-ID bit that exec
 * honours. As long as the root shows the same file there is one for all who open it.
 *
 * Return: an unhashed dentry without parent, or ERR_PTR(-ENOMEM).
 */
struct dentry *bl_dentry_opened(struct super_block *sb,
				const struct bl_real *real)
{
	struct bl_tree *tree = bl_tree(sb);
	struct dentry *dentry;
	struct bl_node *node;
	struct inode *inode;

	scoped_guard(rcu) {
		dentry = rcu_dereference(tree->opened);
		if (dentry &&
		    bl_opened_is(dentry, real->path.dentry, real->mnt) &&
		    lockref_get_not_dead(&dentry->d_lockref))
			return dentry;
	}
	node = bl_node_new(real->mnt, real->path.dentry);
	if (IS_ERR(node))
		return ERR_CAST(node);
	dentry = d_alloc_anon(sb);
	if (!dentry) {
		bl_node_put(node);
		return ERR_PTR(-ENOMEM);
	}
	d_set_d_op(dentry, &bl_opened_dops);
	bl_node_set(dentry, node);
	inode = bl_inode_get(sb, real->mnt, node->inode);
	if (IS_ERR(inode)) {
		dput(dentry);
		return ERR_CAST(inode);
	}
	d_instantiate(dentry, inode);
	bl_tree_keep_opened(tree, dget(dentry));
	return dentry;
}

const struct dentry_operations bl_dops = {
	.d_revalidate = bl_d_revalidate,
	.d_weak_revalidate = bl_d_weak_revalidate,
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
	.d_manage = bl_d_manage,
	.d_automount = bl_d_automount,
};

/* The name of a link. */
const struct dentry_operations bl_link_dops = {
	.d_revalidate = bl_link_revalidate,
	.d_weak_revalidate = bl_d_weak_revalidate,
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
	.d_manage = bl_d_manage,
	.d_automount = bl_d_automount,
};

/* The root of a tree. */
const struct dentry_operations bl_root_dops = {
	.d_revalidate = bl_d_revalidate,
	.d_weak_revalidate = bl_d_weak_revalidate,
	.d_release = bl_d_release,
	.d_iput = bl_d_iput,
	.d_manage = bl_root_manage,
	.d_automount = bl_d_automount,
};

/**
 * bl_tree_cached - the dentry of a path in a tree, if it is in the dcache
 * @tree: tree
 * @virtual: virtual path
 *
 * Return: the dentry with a reference, or NULL.
 */
struct dentry *bl_tree_cached(struct bl_tree *tree, const char *virtual)
{
	size_t base = tree->base[1] ? strlen(tree->base) : 0;
	struct dentry *dentry, *child;

	if (strncmp(virtual, tree->base, base) || virtual[base] != '/')
		return NULL;
	virtual += base;
	dentry = dget(tree->sb->s_root);
	while (dentry && *virtual) {
		struct qstr name;

		name.name = ++virtual;
		name.len = strcspn(virtual, "/");
		virtual += name.len;
		child = d_hash_and_lookup(dentry, &name);
		dput(dentry);
		dentry = child;
	}
	return dentry;
}

/**
 * bl_tree_forget - let go of what a tree remembers of a path and below
 * @tree: tree
 * @virtual: virtual path
 *
 * What is in use stays.
 */
void bl_tree_forget(struct bl_tree *tree, const char *virtual)
{
	struct dentry *dentry;

	if (!strcmp(tree->base, virtual)) {
		bl_tree_unopen(tree);
		shrink_dcache_parent(tree->sb->s_root);
		return;
	}
	dentry = bl_tree_cached(tree, virtual);
	if (!dentry)
		return;
	d_invalidate(dentry);
	dput(dentry);
}
