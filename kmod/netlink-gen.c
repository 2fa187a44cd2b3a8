// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	uapi/bindlink.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <linux/bindlink.h>

/* BINDLINK_CMD_LINK_PLAN - do */
static const struct nla_policy bindlink_link_plan_nl_policy[BINDLINK_A_LINK_ATTACH + 1] = {
	[BINDLINK_A_LINK_VIRTUAL] = { .type = NLA_NUL_STRING, },
	[BINDLINK_A_LINK_BACKING] = { .type = NLA_NUL_STRING, },
	[BINDLINK_A_LINK_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x7),
	[BINDLINK_A_LINK_EXCEPTION] = { .type = NLA_STRING, },
	[BINDLINK_A_LINK_ATTACH] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* BINDLINK_CMD_LINK_NEW - do */
static const struct nla_policy bindlink_link_new_nl_policy[BINDLINK_A_LINK_TREE_FD + 1] = {
	[BINDLINK_A_LINK_VIRTUAL] = { .type = NLA_NUL_STRING, },
	[BINDLINK_A_LINK_BACKING] = { .type = NLA_NUL_STRING, },
	[BINDLINK_A_LINK_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x7),
	[BINDLINK_A_LINK_EXCEPTION] = { .type = NLA_STRING, },
	[BINDLINK_A_LINK_ATTACH] = NLA_POLICY_MAX(NLA_U32, 2),
	[BINDLINK_A_LINK_TREE_FD] = NLA_POLICY_MIN(NLA_S32, 0),
};

/* BINDLINK_CMD_LINK_HOLD - do */
static const struct nla_policy bindlink_link_hold_nl_policy[BINDLINK_A_LINK_VIRTUAL + 1] = {
	[BINDLINK_A_LINK_VIRTUAL] = { .type = NLA_NUL_STRING, },
};

/* BINDLINK_CMD_LINK_DEL - do */
static const struct nla_policy bindlink_link_del_nl_policy[BINDLINK_A_LINK_VIRTUAL + 1] = {
	[BINDLINK_A_LINK_VIRTUAL] = { .type = NLA_NUL_STRING, },
};

/* BINDLINK_CMD_LINK_GET - do */
static const struct nla_policy bindlink_link_get_nl_policy[BINDLINK_A_LINK_VIRTUAL + 1] = {
	[BINDLINK_A_LINK_VIRTUAL] = { .type = NLA_NUL_STRING, },
};

/* BINDLINK_CMD_RESOLVE - do */
static const struct nla_policy bindlink_resolve_nl_policy[BINDLINK_A_LINK_PATH + 1] = {
	[BINDLINK_A_LINK_PATH] = { .type = NLA_NUL_STRING, },
};

/* BINDLINK_CMD_TREE_BENEATH - do */
static const struct nla_policy bindlink_tree_beneath_nl_policy[BINDLINK_A_LINK_TREE_FD + 1] = {
	[BINDLINK_A_LINK_TREE_FD] = NLA_POLICY_MIN(NLA_S32, 0),
};

/* Ops table for bindlink */
static const struct genl_split_ops bindlink_nl_ops[] = {
	{
		.cmd		= BINDLINK_CMD_LINK_PLAN,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_link_plan_doit,
		.policy		= bindlink_link_plan_nl_policy,
		.maxattr	= BINDLINK_A_LINK_ATTACH,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BINDLINK_CMD_LINK_NEW,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_link_new_doit,
		.policy		= bindlink_link_new_nl_policy,
		.maxattr	= BINDLINK_A_LINK_TREE_FD,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BINDLINK_CMD_LINK_HOLD,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_link_hold_doit,
		.policy		= bindlink_link_hold_nl_policy,
		.maxattr	= BINDLINK_A_LINK_VIRTUAL,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BINDLINK_CMD_LINK_DEL,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_link_del_doit,
		.policy		= bindlink_link_del_nl_policy,
		.maxattr	= BINDLINK_A_LINK_VIRTUAL,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BINDLINK_CMD_LINK_GET,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_link_get_doit,
		.policy		= bindlink_link_get_nl_policy,
		.maxattr	= BINDLINK_A_LINK_VIRTUAL,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= BINDLINK_CMD_LINK_GET,
		.start	= bl_nl_dump_start,
		.dumpit	= bindlink_nl_link_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= BINDLINK_CMD_RESOLVE,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_resolve_doit,
		.policy		= bindlink_resolve_nl_policy,
		.maxattr	= BINDLINK_A_LINK_PATH,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= BINDLINK_CMD_TREE_BENEATH,
		.pre_doit	= bl_nl_pre_doit,
		.doit		= bindlink_nl_tree_beneath_doit,
		.policy		= bindlink_tree_beneath_nl_policy,
		.maxattr	= BINDLINK_A_LINK_TREE_FD,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group bindlink_nl_mcgrps[] = {
	[BINDLINK_NLGRP_LINKS] = { "links", },
};

struct genl_family bindlink_nl_family __ro_after_init = {
	.name		= BINDLINK_FAMILY_NAME,
	.version	= BINDLINK_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= bindlink_nl_ops,
	.n_split_ops	= ARRAY_SIZE(bindlink_nl_ops),
	.mcgrps		= bindlink_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(bindlink_nl_mcgrps),
};
