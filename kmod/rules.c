// SPDX-License-Identifier: GPL-2.0
/*
 * The rule table: which link or exception applies to a path.
 *
 * A trie of path components. The rule nearest to the end of a path wins, in
 * whatever order the rules were made: a link below another one, or below an
 * exception, takes precedence there, and an exception ends the link that it is
 * of; see walk.c for what is seen there instead.
 *
 * One writer at a time, readers under RCU. What a reader found holds until
 * the generation changes, which it does after each change of any table.
 */

#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/rculist.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <kunit/visibility.h>

#include "bindlink.h"

/**
 * struct bl_rule_exception - a link leaves a path alone
 * @list: entry of bl_rule_node.exceptions
 * @link: the link; compared by readers, never followed
 * @rcu: readers
 */
struct bl_rule_exception {
	struct list_head list;
	const struct bl_link *link;
	struct rcu_head rcu;
};

/**
 * struct bl_rule_node - one component on the way to a rule, or a rule
 * @hash: entry of bl_rules.nodes
 * @parent: the component before it; compared by readers, never followed
 * @ref: the table has one, and whoever lists @children
 * @names: bl_rule_bit() of each of @children that there is or was
 * @rcu: readers
 * @list: entry of @parent's @children
 * @children: nodes whose parent this is, oldest first; a node without rule and
 *	children is freed
 * @link: the link at this component, or NULL
 * @exceptions: the links that leave alone what is here
 * @links: links strictly below
 * @serial: place in @parent's @children, growing, never 0
 * @last: serial that was given to a child last
 * @len: bytes of @name
 * @name: the component
 */
struct bl_rule_node {
	struct rhash_head hash;
	struct bl_rule_node *parent;
	refcount_t ref;
	u32 names;
	struct rcu_head rcu;
	struct list_head list;
	struct list_head children;
	struct bl_link *link;
	struct list_head exceptions;
	unsigned int links;
	u32 serial;
	u32 last;
	unsigned int len;
	char name[] __counted_by(len);
};

/* See bl_rules_generation(). */
unsigned long bl_rules_gen __read_mostly = 1;
EXPORT_SYMBOL_IF_KUNIT(bl_rules_gen);

struct bl_rule_key {
	const struct bl_rule_node *parent;
	const char *name;
	unsigned int len;
};

static u32 bl_rule_hash(const struct bl_rule_node *parent, const char *name,
			unsigned int len, u32 seed)
{
	return jhash(name, len, jhash(&parent, sizeof(parent), seed));
}

static u32 bl_rule_key_hash(const void *data, u32 len, u32 seed)
{
	const struct bl_rule_key *key = data;

	return bl_rule_hash(key->parent, key->name, key->len, seed);
}

static u32 bl_rule_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct bl_rule_node *node = data;

	return bl_rule_hash(node->parent, node->name, node->len, seed);
}

static int bl_rule_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct bl_rule_key *key = arg->key;
	const struct bl_rule_node *node = obj;

	return node->parent != key->parent || node->len != key->len ||
	       memcmp(node->name, key->name, key->len);
}

static const struct rhashtable_params bl_rule_params = {
	.head_offset = offsetof(struct bl_rule_node, hash),
	.hashfn = bl_rule_key_hash,
	.obj_hashfn = bl_rule_obj_hash,
	.obj_cmpfn = bl_rule_cmp,
	.automatic_shrinking = true,
};

static void bl_rules_changed(void)
{
	/* The change first: who reads this number has seen it. */
	smp_store_release(&bl_rules_gen, bl_rules_gen + 1);
	bl_epoch_next();
}

static struct bl_rule_node *bl_rule_alloc(struct bl_rule_node *parent,
					  const struct bl_rule_key *key)
{
	struct bl_rule_node *node = kzalloc(struct_size(node, name, key->len),
					    GFP_KERNEL_ACCOUNT);

	if (!node)
		return NULL;
	refcount_set(&node->ref, 1);
	INIT_LIST_HEAD(&node->children);
	INIT_LIST_HEAD(&node->exceptions);
	node->parent = parent;
	node->len = key->len;
	memcpy(node->name, key->name, key->len);
	return node;
}

/**
 * bl_rule_put - undo bl_rules_dir()
 * @node: node or NULL
 */
void bl_rule_put(struct bl_rule_node *node)
{
	if (node && refcount_dec_and_test(&node->ref))
		kfree_rcu(node, rcu);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rule_put);

/* Take the next component off @path; false at the end. */
static bool bl_rule_step(const char **path, struct bl_rule_key *key)
{
	const char *name = *path + strspn(*path, "/");

	key->name = name;
	key->len = strcspn(name, "/");
	*path = name + key->len;
	return key->len;
}

/* Of most names beside few rules this tells, without a hash, that they have none. */
static u32 bl_rule_bit(const char *name, unsigned int len)
{
	const u8 *c = name;

	return len ? BIT(hash_32(c[0] | c[len / 2] << 8 | c[len - 1] << 16 |
				 len << 24, 5)) : 0;
}

static struct bl_rule_node *bl_rule_find_key(struct bl_rules *rules,
					     struct bl_rule_key *key)
{
	if (!(READ_ONCE(key->parent->names) & bl_rule_bit(key->name, key->len)))
		return NULL;
	return rhashtable_lookup_fast(&rules->nodes, key, bl_rule_params);
}

/*
 * Free @node and what of the way to it leads nowhere else. Nobody finds a node
 * from then on who reads the generation after it has changed, and nobody uses one
 * who remembers it with another.
 */
static void bl_rule_prune(struct bl_rules *rules, struct bl_rule_node *node)
{
	while (node != rules->root && !node->link &&
	       list_empty(&node->exceptions) && list_empty(&node->children)) {
		struct bl_rule_node *parent = node->parent;

		rhashtable_remove_fast(&rules->nodes, &node->hash,
				       bl_rule_params);
		list_del_rcu(&node->list);
		bl_rules_changed();
		bl_rule_put(node);
		node = parent;
	}
}

static struct bl_rule_node *bl_rule_exact(struct bl_rules *rules,
					  const char *path)
{
	struct bl_rule_node *node = rules->root;
	struct bl_rule_key key;

	while (node && bl_rule_step(&path, &key)) {
		key.parent = node;
		node = bl_rule_find_key(rules, &key);
	}
	return node;
}

/**
 * bl_rules_init - make an empty table
 * @rules: table to set up
 *
 * Return: 0 or -ENOMEM.
 */
int bl_rules_init(struct bl_rules *rules)
{
	struct bl_rule_key none = {};
	int err;

	rules->count = 0;
	rules->root = bl_rule_alloc(NULL, &none);
	if (!rules->root)
		return -ENOMEM;
	err = rhashtable_init(&rules->nodes, &bl_rule_params);
	if (err)
		bl_rule_put(rules->root);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_init);

static void bl_rule_free(void *ptr, void *unused)
{
	struct bl_rule_exception *exception, *next;
	struct bl_rule_node *node = ptr;

	list_for_each_entry_safe(exception, next, &node->exceptions, list)
		kfree(exception);
	bl_rule_put(node);
}

/**
 * bl_rules_destroy - free a table and all rules in it
 * @rules: table without readers; the links are the caller's
 */
void bl_rules_destroy(struct bl_rules *rules)
{
	rhashtable_free_and_destroy(&rules->nodes, bl_rule_free, NULL);
	bl_rule_put(rules->root);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_destroy);

static void bl_rule_count(struct bl_rule_node *node, int change)
{
	while ((node = node->parent))
		node->links += change;
}

static int bl_rule_add_link(struct bl_rule_node *node, struct bl_link *link)
{
	if (node->link)
		return -EEXIST;
	/* Pairs with bl_rule_read(). */
	smp_store_release(&node->link, link);
	bl_rule_count(node, 1);
	return 0;
}

/* The exception of @link at @node, or NULL; RCU read side or writer. */
static struct bl_rule_exception *
bl_rule_exception(const struct bl_rule_node *node, const struct bl_link *link)
{
	struct bl_rule_exception *exception;

	list_for_each_entry_rcu(exception, &node->exceptions, list, true)
		if (exception->link == link)
			return exception;
	return NULL;
}

static int bl_rule_add_exception(struct bl_rule_node *node,
				 const struct bl_link *link)
{
	struct bl_rule_exception *exception;

	if (bl_rule_exception(node, link))
		return -EEXIST;
	exception = kmalloc(sizeof(*exception), GFP_KERNEL_ACCOUNT);
	if (!exception)
		return -ENOMEM;
	exception->link = link;
	list_add_rcu(&exception->list, &node->exceptions);
	return 0;
}

/**
 * bl_rules_add - add a rule
 * @rules: table
 * @path: normalised path of the rule
 * @kind: BL_RULE_LINK or BL_RULE_EXCEPTION
 * @link: link of the rule, borrowed until bl_rules_del()
 *
 * There can be a link and exceptions of others at one path: the link comes
 * first then.
 *
 * Return: 0, -EEXIST when there is a link at @path, or such an exception,
 * -EINVAL for "/", -ENOMEM.
 */
int bl_rules_add(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, struct bl_link *link)
{
	struct bl_rule_node *node = rules->root;
	struct bl_rule_key key;
	int err;

	while (bl_rule_step(&path, &key)) {
		struct bl_rule_node *child;

		key.parent = node;
		child = bl_rule_find_key(rules, &key);
		if (!child) {
			child = bl_rule_alloc(node, &key);
			if (!child) {
				bl_rule_prune(rules, node);
				return -ENOMEM;
			}
			WRITE_ONCE(node->names,
				   node->names | bl_rule_bit(key.name, key.len));
			err = rhashtable_insert_fast(&rules->nodes,
						     &child->hash,
						     bl_rule_params);
			if (err) {
				bl_rule_put(child);
				bl_rule_prune(rules, node);
				return err;
			}
			child->serial = ++node->last;
			list_add_tail_rcu(&child->list, &node->children);
		}
		node = child;
	}
	if (node == rules->root)
		return -EINVAL;
	err = kind == BL_RULE_LINK ? bl_rule_add_link(node, link) :
				     bl_rule_add_exception(node, link);
	if (err) {
		bl_rule_prune(rules, node);
		return err;
	}
	rules->count++;
	bl_rules_changed();
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_add);

/**
 * bl_rules_del - remove the rule at a path
 * @rules: table
 * @path: normalised path of the rule
 * @kind: BL_RULE_LINK or BL_RULE_EXCEPTION
 * @link: whose rule it is; NULL for any link
 *
 * Return: 0 or -ENOENT.
 */
int bl_rules_del(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, const struct bl_link *link)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);
	struct bl_rule_exception *exception;

	if (!node)
		return -ENOENT;
	if (kind == BL_RULE_LINK) {
		if (!node->link || (link && node->link != link))
			return -ENOENT;
		WRITE_ONCE(node->link, NULL);
		bl_rule_count(node, -1);
	} else {
		exception = bl_rule_exception(node, link);
		if (!exception)
			return -ENOENT;
		list_del_rcu(&exception->list);
		kfree_rcu(exception, rcu);
	}
	rules->count--;
	bl_rule_prune(rules, node);
	bl_rules_changed();
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_del);

/**
 * bl_rules_find - the link at a path itself
 * @rules: table
 * @path: normalised path
 *
 * Context: the writer, or RCU read side for as long as the link is used.
 * Return: the link or NULL.
 */
struct bl_link *bl_rules_find(struct bl_rules *rules, const char *path)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);

	/* Pairs with bl_rule_add_link(). */
	return node ? smp_load_acquire(&node->link) : NULL;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_find);

/**
 * bl_rules_below - whether there are links strictly below a path
 * @rules: table
 * @path: normalised path
 */
bool bl_rules_below(struct bl_rules *rules, const char *path)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);

	return node && READ_ONCE(node->links);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_below);

/**
 * bl_rules_except - whether a link leaves a path alone
 * @rules: table
 * @path: normalised path
 * @link: link, which is compared and not followed
 *
 * Return: whether @path, and not one above it, is an exception of @link.
 */
bool bl_rules_except(struct bl_rules *rules, const char *path,
		     const struct bl_link *link)
{
	struct bl_rule_node *node;

	guard(rcu)();
	node = bl_rule_exact(rules, path);
	return node && bl_rule_exception(node, link);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_except);

/**
 * bl_rules_node - where the rules at a path and below it are
 * @rules: table
 * @path: normalised path
 *
 * Context: RCU read side, for as long as the node is used. In a later one it may
 * be used if the generation there still is one that was read before this.
 * Return: the node, or NULL when there are none.
 */
struct bl_rule_node *bl_rules_node(struct bl_rules *rules, const char *path)
{
	return bl_rule_exact(rules, path);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_node);

static noinline struct bl_rule_node *bl_rule_find(struct bl_rules *rules,
						  struct bl_rule_node *dir,
						  const char *name,
						  unsigned int len)
{
	struct bl_rule_key key = { .parent = dir, .name = name, .len = len };

	return bl_rule_find_key(rules, &key);
}

/**
 * bl_rule_node - as bl_rules_node(), for a name in a directory
 * @rules: table
 * @dir: node of the directory, or NULL
 * @name: name, need not end in NUL
 * @len: bytes of @name
 */
struct bl_rule_node *bl_rule_node(struct bl_rules *rules,
				  struct bl_rule_node *dir, const char *name,
				  unsigned int len)
{
	/* Here, too: for most there is no key to make. */
	if (!dir || !(READ_ONCE(dir->names) & bl_rule_bit(name, len)))
		return NULL;
	return bl_rule_find(rules, dir, name, len);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rule_node);

/**
 * bl_rule_read - what there is at a node
 * @node: node or NULL
 * @rule: filled in
 *
 * Context: RCU read side, for as long as @rule is used.
 */
void bl_rule_read(const struct bl_rule_node *node, struct bl_rule *rule)
{
	if (!node) {
		memset(rule, 0, sizeof(*rule));
		return;
	}
	/* Pairs with bl_rule_add_link(). */
	rule->link = smp_load_acquire(&node->link);
	rule->excepted = !list_empty(&node->exceptions);
	rule->below = !list_empty(&node->children);
	rule->links = READ_ONCE(node->links);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rule_read);

/**
 * bl_rules_at - what there is at a path and below it
 * @rules: table
 * @path: normalised path
 * @rule: filled in
 *
 * Context: RCU read side, for as long as @rule is used.
 * Return: whether there is anything.
 */
bool bl_rules_at(struct bl_rules *rules, const char *path, struct bl_rule *rule)
{
	bl_rule_read(bl_rule_exact(rules, path), rule);
	return rule->link || rule->excepted || rule->below;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_at);

/**
 * bl_rules_dir - get hold of a path to see the names below it
 * @rules: table
 * @path: normalised path
 *
 * Return: what bl_rule_child() and bl_rule_next() take, for bl_rule_put(), or
 * NULL when there are no rules below @path.
 */
struct bl_rule_node *bl_rules_dir(struct bl_rules *rules, const char *path)
{
	struct bl_rule_node *node;

	guard(rcu)();
	node = bl_rule_exact(rules, path);
	if (!node || list_empty(&node->children) ||
	    !refcount_inc_not_zero(&node->ref))
		return NULL;
	return node;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_dir);

/**
 * bl_rule_child - what there is at a name
 * @rules: table
 * @dir: from bl_rules_dir()
 * @name: name, need not end in NUL
 * @len: bytes of @name
 * @rule: filled in
 *
 * Context: RCU read side, for as long as @rule is used.
 * Return: whether there is anything at @name or below it.
 */
bool bl_rule_child(struct bl_rules *rules, struct bl_rule_node *dir,
		   const char *name, unsigned int len, struct bl_rule *rule)
{
	struct bl_rule_key key = { .parent = dir, .name = name, .len = len };
	struct bl_rule_node *node = bl_rule_find_key(rules, &key);

	if (!node)
		return false;
	bl_rule_read(node, rule);
	return rule->link || rule->excepted || rule->below;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rule_child);

/**
 * bl_rule_next - the next name below a path, in the order they were made
 * @dir: from bl_rules_dir()
 * @serial: that of the name before, 0 for the first; set to that of the name
 * @name: buffer of NAME_MAX + 1 bytes
 * @rule: filled in
 *
 * Context: RCU read side, for as long as @rule is used.
 * Return: whether there was one more.
 */
bool bl_rule_next(struct bl_rule_node *dir, u32 *serial, char *name,
		  struct bl_rule *rule)
{
	struct bl_rule_node *node;

	list_for_each_entry_rcu(node, &dir->children, list) {
		if (node->serial <= *serial)
			continue;
		*serial = node->serial;
		memcpy(name, node->name, node->len);
		name[node->len] = '\0';
		bl_rule_read(node, rule);
		return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rule_next);
