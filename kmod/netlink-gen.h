/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	uapi/bindlink.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_BINDLINK_GEN_H
#define _LINUX_BINDLINK_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <linux/bindlink.h>

int bl_nl_pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		   struct genl_info *info);
int bl_nl_dump_start(struct netlink_callback *cb);

int bindlink_nl_link_plan_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_link_new_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_link_hold_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_link_del_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_link_get_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_link_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int bindlink_nl_resolve_doit(struct sk_buff *skb, struct genl_info *info);
int bindlink_nl_tree_beneath_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	BINDLINK_NLGRP_LINKS,
};

extern struct genl_family bindlink_nl_family;

#endif /* _LINUX_BINDLINK_GEN_H */
