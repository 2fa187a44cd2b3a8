// SPDX-License-Identifier: GPL-2.0
/*
 * The rule table: which link or exception applies to a path.
 *
 * A trie of path components. The rule nearest to the end of a path wins, in
 * whatever order the rules were made: a link below another one, or below an
 * exception, takes precedence there, and an exception ends the link above it.
 * All of precedence is here.
 */

#include <linux/errno.h>
#include <linux/jhash.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <kunit/visibility.h>

#include "bindlink.h"

/**
 * struct bl_rule_node - one component on the way to a rule, or a rule
 * @hash: entry of bl_rules.nodes
 * @parent: the component before it
 * @kind: the rule at this component
 * @link: the link of that rule
 * @children: nodes whose parent this is; a node without rule and children
 *	is freed
 * @len: bytes of @name
 * @name: the component
 */
struct bl_rule_node {
	struct rhash_head hash;
	struct bl_rule_node *parent;
	enum bl_rule_kind kind;
	struct bl_link *link;
	unsigned int children;
	unsigned int len;
	char name[] __counted_by(len);
};

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

/* Take the next component off @path; false at the end. */
static bool bl_rule_step(const char **path, struct bl_rule_key *key)
{
	const char *name = *path + strspn(*path, "/");

	key->name = name;
	key->len = strcspn(name, "/");
	*path = name + key->len;
	return key->len;
}

static struct bl_rule_node *bl_rule_child(struct bl_rules *rules,
					  struct bl_rule_key *key)
{
	return rhashtable_lookup_fast(&rules->nodes, key, bl_rule_params);
}

/* Free @node and what of the way to it leads nowhere else. */
static void bl_rule_prune(struct bl_rules *rules, struct bl_rule_node *node)
{
	while (node != rules->root && node->kind == BL_RULE_NONE &&
	       !node->children) {
		struct bl_rule_node *parent = node->parent;

		rhashtable_remove_fast(&rules->nodes, &node->hash,
				       bl_rule_params);
		parent->children--;
		kfree(node);
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
		node = bl_rule_child(rules, &key);
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
	int err;

	rules->count = 0;
	rules->root = kzalloc(sizeof(*rules->root), GFP_KERNEL);
	if (!rules->root)
		return -ENOMEM;
	err = rhashtable_init(&rules->nodes, &bl_rule_params);
	if (err)
		kfree(rules->root);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_init);

static void bl_rule_free(void *node, void *unused)
{
	kfree(node);
}

/**
 * bl_rules_destroy - free a table and all rules in it
 * @rules: table; the links are the caller's
 */
void bl_rules_destroy(struct bl_rules *rules)
{
	rhashtable_free_and_destroy(&rules->nodes, bl_rule_free, NULL);
	kfree(rules->root);
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_destroy);

/**
 * bl_rules_add - add a rule
 * @rules: table
 * @path: normalised path of the rule
 * @kind: BL_RULE_LINK or BL_RULE_EXCEPTION
 * @link: link of the rule, borrowed until bl_rules_del()
 *
 * Return: 0, -EEXIST when there is a rule at @path, -EINVAL for "/", -ENOMEM.
 */
int bl_rules_add(struct bl_rules *rules, const char *path,
		 enum bl_rule_kind kind, struct bl_link *link)
{
	struct bl_rule_node *node = rules->root;
	struct bl_rule_key key;

	while (bl_rule_step(&path, &key)) {
		struct bl_rule_node *child;
		int err;

		key.parent = node;
		child = bl_rule_child(rules, &key);
		if (!child) {
			child = kzalloc(struct_size(child, name, key.len),
					GFP_KERNEL);
			if (!child) {
				bl_rule_prune(rules, node);
				return -ENOMEM;
			}
			child->parent = node;
			child->len = key.len;
			memcpy(child->name, key.name, key.len);
			err = rhashtable_insert_fast(&rules->nodes,
						     &child->hash,
						     bl_rule_params);
			if (err) {
				kfree(child);
				bl_rule_prune(rules, node);
				return err;
			}
			node->children++;
		}
		node = child;
	}
	if (node == rules->root)
		return -EINVAL;
	if (node->kind != BL_RULE_NONE)
		return -EEXIST;
	node->kind = kind;
	node->link = link;
	rules->count++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_add);

/**
 * bl_rules_del - remove the rule at a path
 * @rules: table
 * @path: normalised path of the rule
 *
 * Return: 0 or -ENOENT.
 */
int bl_rules_del(struct bl_rules *rules, const char *path)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);

	if (!node || node->kind == BL_RULE_NONE)
		return -ENOENT;
	node->kind = BL_RULE_NONE;
	node->link = NULL;
	rules->count--;
	bl_rule_prune(rules, node);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_del);

/**
 * bl_rules_find - the rule at a path itself
 * @rules: table
 * @path: normalised path
 * @match: filled in when there is one
 *
 * Return: whether there is one.
 */
bool bl_rules_find(struct bl_rules *rules, const char *path,
		   struct bl_match *match)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);

	if (!node || node->kind == BL_RULE_NONE)
		return false;
	match->kind = node->kind;
	match->link = node->link;
	match->rest = "";
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_find);

/**
 * bl_rules_match - the rule that applies to a path
 * @rules: table
 * @path: normalised path
 * @match: the rule nearest to the end of @path, at it or above it;
 *	BL_RULE_NONE when there is none
 *
 * Return: whether there is one.
 */
bool bl_rules_match(struct bl_rules *rules, const char *path,
		    struct bl_match *match)
{
	struct bl_rule_node *node = rules->root;
	struct bl_rule_key key;

	match->kind = BL_RULE_NONE;
	match->link = NULL;
	match->rest = path;
	while (bl_rule_step(&path, &key)) {
		key.parent = node;
		node = bl_rule_child(rules, &key);
		if (!node)
			break;
		if (node->kind != BL_RULE_NONE) {
			match->kind = node->kind;
			match->link = node->link;
			match->rest = path;
		}
	}
	return match->kind != BL_RULE_NONE;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_match);

/**
 * bl_rules_below - whether there are rules strictly below a path
 * @rules: table
 * @path: normalised path
 */
bool bl_rules_below(struct bl_rules *rules, const char *path)
{
	struct bl_rule_node *node = bl_rule_exact(rules, path);

	return node && node->children;
}
EXPORT_SYMBOL_IF_KUNIT(bl_rules_below);
