// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family.
 *
 * uapi/bindlink.yaml is the description of it; the tables are generated.
 */

#include <linux/capability.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "bindlink.h"
#include "netlink-gen.h"

static const struct genl_multicast_group bl_nl_mcgrps[] = {
	[BINDLINK_NLGRP_LINKS] = {
		.name = BINDLINK_MCGRP_LINKS,
		.flags = GENL_MCAST_CAP_SYS_ADMIN,
	},
};

static int bl_nl_allowed(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "CAP_SYS_ADMIN in the initial user namespace is needed");
	return -EPERM;
}

int bl_nl_pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		   struct genl_info *info)
{
	return bl_nl_allowed(skb, info->extack);
}

/* Attribute number @index of those that are of one type. */
static const struct nlattr *bl_nl_attr(struct genl_info *info, int type,
				       unsigned int index)
{
	const struct nlattr *attr;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		if (nla_type(attr) == type && !index--)
			return attr;
	return info->attrs[type];
}

/* Tell @why, and which attribute is to blame. */
static int bl_nl_refuse(struct genl_info *info, const struct bl_why *why,
			int err)
{
	if (why->attr && info->attrs[why->attr])
		NL_SET_BAD_ATTR(info->extack,
				bl_nl_attr(info, why->attr, why->index));
	if (why->msg)
		info->extack->_msg = why->msg;
	else if (err == -ENOMEM)
		NL_SET_ERR_MSG(info->extack, "out of memory");
	return err;
}

/* The path in an attribute, which has to be one string. */
static const char *bl_nl_string(struct genl_info *info,
				const struct nlattr *attr)
{
	if (strnlen(nla_data(attr), nla_len(attr)) + 1 == nla_len(attr))
		return nla_data(attr);
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "the path has a NUL inside");
	return ERR_PTR(-EINVAL);
}

/* A path attribute that has to be there. */
static const char *bl_nl_path(struct genl_info *info, int type)
{
	if (info->attrs[type])
		return bl_nl_string(info, info->attrs[type]);
	NL_SET_ERR_MSG(info->extack, "a path is missing");
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, type);
	return ERR_PTR(-EINVAL);
}

static int bl_nl_exceptions(struct genl_info *info, struct bl_plan *plan)
{
	const struct nlattr *attr;
	unsigned int nr = 0;
	const char *path;
	int rem, err;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		nr += nla_type(attr) == BINDLINK_A_LINK_EXCEPTION;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != BINDLINK_A_LINK_EXCEPTION)
			continue;
		path = bl_nl_string(info, attr);
		if (IS_ERR(path))
			return PTR_ERR(path);
		err = bl_plan_except(plan, path, nr);
		if (err)
			return err;
	}
	return 0;
}

static int bl_nl_plan(struct genl_info *info, struct bl_plan *plan,
		      struct bl_why *why)
{
	const char *virtual = bl_nl_path(info, BINDLINK_A_LINK_VIRTUAL);
	const char *backing = bl_nl_path(info, BINDLINK_A_LINK_BACKING);
	struct nlattr *flags = info->attrs[BINDLINK_A_LINK_FLAGS];
	struct nlattr *attach = info->attrs[BINDLINK_A_LINK_ATTACH];
	int err;

	memset(plan, 0, sizeof(*plan));
	plan->portid = info->snd_portid;
	plan->net = genl_info_net(info);
	if (IS_ERR(virtual))
		return PTR_ERR(virtual);
	if (IS_ERR(backing))
		return PTR_ERR(backing);
	err = bl_nl_exceptions(info, plan);
	if (err)
		return err;
	err = bl_plan_init(plan, virtual, backing,
			   flags ? nla_get_u32(flags) : 0,
			   attach ? nla_get_u32(attach) : BINDLINK_ATTACH_AUTO,
			   why);
	return err ? bl_nl_refuse(info, why, err) : 0;
}

static int bl_nl_put_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put(skb, type, sizeof(value), &value);
}

static u64 bl_nl_dev(dev_t dev)
{
	return (u64)MAJOR(dev) << 32 | MINOR(dev);
}

static int bl_nl_put_dev(struct sk_buff *skb, dev_t dev)
{
	return dev ? bl_nl_put_u64(skb, BINDLINK_A_LINK_DEV, bl_nl_dev(dev)) : 0;
}

static int bl_nl_put_link(struct sk_buff *skb, const struct bl_link_info *link)
{
	unsigned int i;

	if (bl_nl_put_u64(skb, BINDLINK_A_LINK_ID, link->id) ||
	    nla_put_string(skb, BINDLINK_A_LINK_VIRTUAL, link->virtual) ||
	    nla_put_string(skb, BINDLINK_A_LINK_BACKING, link->backing) ||
	    nla_put_u32(skb, BINDLINK_A_LINK_FLAGS, link->flags) ||
	    nla_put_u32(skb, BINDLINK_A_LINK_CARRIER, link->carrier) ||
	    nla_put_string(skb, BINDLINK_A_LINK_CARRIER_PATH,
			   link->carrier_path) ||
	    bl_nl_put_dev(skb, link->dev))
		return -EMSGSIZE;
	for (i = 0; link->link && i < link->link->nr_exceptions; i++)
		if (nla_put_string(skb, BINDLINK_A_LINK_EXCEPTION,
				   link->link->exceptions[i]))
			return -EMSGSIZE;
	return 0;
}

/* Enough for any link: three paths and some numbers. */
static size_t bl_nl_link_size(const struct bl_link_info *link)
{
	size_t size = NLMSG_ALIGN(GENL_HDRLEN) + 256 +
		      nla_total_size(strlen(link->virtual) + 1) +
		      nla_total_size(strlen(link->backing) + 1) +
		      nla_total_size(strlen(link->carrier_path) + 1);
	unsigned int i;

	for (i = 0; link->link && i < link->link->nr_exceptions; i++)
		size += nla_total_size(strlen(link->link->exceptions[i]) + 1);
	return size;
}

static int bl_nl_reply_link(struct genl_info *info,
			    const struct bl_link_info *link)
{
	struct sk_buff *skb = genlmsg_new(bl_nl_link_size(link), GFP_KERNEL);
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_put_reply(skb, info, &bindlink_nl_family, 0,
				info->genlhdr->cmd);
	if (!hdr || bl_nl_put_link(skb, link)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

/* Room for the names of trees that a new one covers. */
#define BL_NL_COVERED	SZ_16K

/* As many as there is room for; who takes those away will ask again. */
static int bl_nl_put_covered(struct sk_buff *skb, const struct bl_plan *plan)
{
	char *name = __getname();

	if (!name)
		return -ENOMEM;
	*name = '\0';
	while (bl_plan_covers(plan, name))
		if (nla_put_string(skb, BINDLINK_A_LINK_VIA, name))
			break;
	__putname(name);
	return 0;
}

int bindlink_nl_link_plan_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct bl_why why = {};
	struct bl_plan plan;
	struct sk_buff *reply;
	void *hdr;
	int err;

	err = bl_nl_plan(info, &plan, &why);
	if (err)
		goto out;
	err = -ENOMEM;
	reply = genlmsg_new(256 + 3 * nla_total_size(PATH_MAX) +
			    BL_NL_COVERED, GFP_KERNEL);
	if (!reply)
		goto out;
	hdr = genlmsg_put_reply(reply, info, &bindlink_nl_family, 0,
				info->genlhdr->cmd);
	if (!hdr ||
	    nla_put_string(reply, BINDLINK_A_LINK_VIRTUAL, plan.virtual) ||
	    nla_put_string(reply, BINDLINK_A_LINK_BACKING, plan.backing) ||
	    nla_put_u32(reply, BINDLINK_A_LINK_FLAGS, plan.flags) ||
	    nla_put_u32(reply, BINDLINK_A_LINK_CARRIER, plan.carrier) ||
	    nla_put_string(reply, BINDLINK_A_LINK_CARRIER_PATH, plan.base) ||
	    bl_nl_put_dev(reply, plan.tree ? plan.tree->sb->s_dev : 0)) {
		nlmsg_free(reply);
		err = -EMSGSIZE;
		goto out;
	}
	err = bl_nl_put_covered(reply, &plan);
	if (err) {
		nlmsg_free(reply);
		goto out;
	}
	genlmsg_end(reply, hdr);
	err = genlmsg_reply(reply, info);
out:
	bl_plan_destroy(&plan);
	return err;
}

/* The file of a descriptor of the caller's. */
static struct file *bl_nl_tree_file(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[BINDLINK_A_LINK_TREE_FD];
	struct file *file = fget_raw(nla_get_s32(attr));

	if (file)
		return file;
	NL_SET_ERR_MSG_ATTR(info->extack, attr, "the descriptor is not open");
	return ERR_PTR(-EBADF);
}

int bindlink_nl_link_new_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct bl_why why = {};
	struct bl_plan plan;
	struct file *file = NULL;
	int err;

	if (info->attrs[BINDLINK_A_LINK_TREE_FD]) {
		file = bl_nl_tree_file(info);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	err = bl_nl_plan(info, &plan, &why);
	if (!err) {
		err = bl_link_create(&plan, file, &why);
		if (err)
			bl_nl_refuse(info, &why, err);
	}
	bl_plan_destroy(&plan);
	if (file)
		fput(file);
	return err;
}

int bindlink_nl_tree_beneath_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct bl_why why = {};
	struct sk_buff *reply;
	struct path path;
	struct file *file;
	void *hdr;
	int err, fd;

	if (GENL_REQ_ATTR_CHECK(info, BINDLINK_A_LINK_TREE_FD)) {
		NL_SET_ERR_MSG(info->extack, "the descriptor of a tree is missing");
		return -EINVAL;
	}
	file = bl_nl_tree_file(info);
	if (IS_ERR(file))
		return PTR_ERR(file);
	path = file->f_path;
	path_get(&path);
	err = 0;
	if (bl_is_tree(path.mnt->mnt_sb))
		err = bl_tree_hold(bl_tree(path.mnt->mnt_sb), info->snd_portid,
				   genl_info_net(info), &why);
	fput(file);
	if (err) {
		path_put(&path);
		return bl_nl_refuse(info, &why, err);
	}
	if (!bl_is_tree(path.mnt->mnt_sb) ||
	    path.dentry != path.mnt->mnt_root || !follow_up(&path)) {
		path_put(&path);
		NL_SET_ERR_MSG_ATTR(info->extack,
				    info->attrs[BINDLINK_A_LINK_TREE_FD],
				    "the descriptor is not of the root of a tree that is mounted");
		return -EINVAL;
	}

	file = dentry_open(&path, O_PATH | O_CLOEXEC, current_cred());
	path_put(&path);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = -ENOMEM;
	reply = genlmsg_new(nla_total_size(sizeof(s32)), GFP_KERNEL);
	if (!reply)
		goto out_file;
	fd = get_unused_fd_flags(O_CLOEXEC);
	err = fd;
	if (fd < 0)
		goto out_reply;
	hdr = genlmsg_put_reply(reply, info, &bindlink_nl_family, 0,
				info->genlhdr->cmd);
	err = -EMSGSIZE;
	if (!hdr || nla_put_s32(reply, BINDLINK_A_LINK_TREE_FD, fd))
		goto out_fd;
	genlmsg_end(reply, hdr);
	/* The message is gone with this, whatever it returns. */
	err = genlmsg_reply(reply, info);
	if (err) {
		put_unused_fd(fd);
		goto out_file;
	}
	fd_install(fd, file);
	return 0;

out_fd:
	put_unused_fd(fd);
out_reply:
	nlmsg_free(reply);
out_file:
	fput(file);
	return err;
}

int bindlink_nl_link_hold_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *virtual = bl_nl_path(info, BINDLINK_A_LINK_VIRTUAL);
	struct bl_link_info link = {};
	struct bl_why why = {};
	int err;

	if (IS_ERR(virtual))
		return PTR_ERR(virtual);
	err = bl_link_hold(virtual, info->snd_portid, genl_info_net(info),
			   &link, &why);
	if (err)
		return bl_nl_refuse(info, &why, err);
	err = bl_nl_reply_link(info, &link);
	bl_link_info_free(&link);
	return err;
}

int bindlink_nl_link_del_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *virtual = bl_nl_path(info, BINDLINK_A_LINK_VIRTUAL);
	struct bl_why why = {};
	int err;

	if (IS_ERR(virtual))
		return PTR_ERR(virtual);
	err = bl_link_remove(virtual, info->snd_portid, genl_info_net(info),
			     &why);
	return err ? bl_nl_refuse(info, &why, err) : 0;
}

int bindlink_nl_link_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *virtual = bl_nl_path(info, BINDLINK_A_LINK_VIRTUAL);
	struct bl_link_info link = {};
	struct bl_why why = {};
	int err;

	if (IS_ERR(virtual))
		return PTR_ERR(virtual);
	err = bl_link_get_info(virtual, &link, &why);
	if (err)
		return bl_nl_refuse(info, &why, err);
	err = bl_nl_reply_link(info, &link);
	bl_link_info_free(&link);
	return err;
}

/**
 * struct bl_nl_dump - where a dump is
 * @after: id of the last link that was told
 */
struct bl_nl_dump {
	u64 after;
};

/* Later rounds run in the reader's context: privilege is asked for here. */
int bl_nl_dump_start(struct netlink_callback *cb)
{
	return bl_nl_allowed(cb->skb, cb->extack);
}

int bindlink_nl_link_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct bl_nl_dump *dump = (void *)cb->ctx;
	struct bl_link_info link;
	void *hdr;
	int err;

	NL_ASSERT_DUMP_CTX_FITS(struct bl_nl_dump);
	/* A round that comes to a changed set of links says so. */
	cb->seq = bl_link_generation();
	for (;;) {
		err = bl_link_next_info(dump->after, &link);
		if (err)
			return err == -ENOENT ? skb->len : err;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &bindlink_nl_family,
				  NLM_F_MULTI, BINDLINK_CMD_LINK_GET);
		if (!hdr || bl_nl_put_link(skb, &link)) {
			if (hdr)
				genlmsg_cancel(skb, hdr);
			bl_link_info_free(&link);
			/* Without room for one there is no progress. */
			return skb->len ?: -EMSGSIZE;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		dump->after = link.id;
		bl_link_info_free(&link);
	}
}

static int bl_nl_put_via(struct sk_buff *skb, const struct bl_resolution *res)
{
	const char *name = res->via;

	for (; name && name < res->via + res->via_len; name += strlen(name) + 1)
		if (nla_put_string(skb, BINDLINK_A_LINK_VIA, name))
			return -EMSGSIZE;
	return 0;
}

int bindlink_nl_resolve_doit(struct sk_buff *skb, struct genl_info *info)
{
	const char *path = bl_nl_path(info, BINDLINK_A_LINK_PATH);
	struct bl_resolution res;
	struct bl_why why = {};
	struct sk_buff *reply;
	void *hdr;
	int err;

	if (IS_ERR(path))
		return PTR_ERR(path);
	err = bl_link_resolve(path, &res, &why);
	if (err) {
		bl_nl_refuse(info, &why, err);
		goto out;
	}

	err = -ENOMEM;
	reply = genlmsg_new(256 + 5 * nla_total_size(PATH_MAX) +
			    res.via_len + BL_MAX_LINKS * NLA_HDRLEN * 2,
			    GFP_KERNEL);
	if (!reply)
		goto out;
	err = -EMSGSIZE;
	hdr = genlmsg_put_reply(reply, info, &bindlink_nl_family, 0,
				info->genlhdr->cmd);
	if (!hdr || nla_put_string(reply, BINDLINK_A_LINK_PATH, res.name) ||
	    (res.real &&
	     nla_put_string(reply, BINDLINK_A_LINK_REAL_PATH, res.real)) ||
	    (res.error &&
	     nla_put_s32(reply, BINDLINK_A_LINK_ERROR, res.error)) ||
	    (res.link.virtual && bl_nl_put_link(reply, &res.link)) ||
	    bl_nl_put_via(reply, &res)) {
		nlmsg_free(reply);
		goto out;
	}
	genlmsg_end(reply, hdr);
	err = genlmsg_reply(reply, info);
out:
	bl_resolution_free(&res);
	return err;
}

/**
 * bl_netlink_notify - tell whoever listens that a link was made or removed
 * @link: description of the link
 * @cmd: BINDLINK_CMD_LINK_NEW_NTF or BINDLINK_CMD_LINK_DEL_NTF
 *
 * Listeners that are lost a message get ENOBUFS and have to ask.
 */
void bl_netlink_notify(const struct bl_link_info *link, u8 cmd)
{
	struct sk_buff *skb;
	void *hdr;

	if (!genl_has_listeners(&bindlink_nl_family, &init_net,
				BINDLINK_NLGRP_LINKS))
		return;
	skb = genlmsg_new(bl_nl_link_size(link), GFP_KERNEL);
	if (!skb)
		goto lost;
	hdr = genlmsg_put(skb, 0, 0, &bindlink_nl_family, 0, cmd);
	if (!hdr || bl_nl_put_link(skb, link)) {
		nlmsg_free(skb);
		goto lost;
	}
	genlmsg_end(skb, hdr);
	genlmsg_multicast(&bindlink_nl_family, skb, 0, BINDLINK_NLGRP_LINKS,
			  GFP_KERNEL);
	return;
lost:
	genl_set_err(&bindlink_nl_family, &init_net, 0, BINDLINK_NLGRP_LINKS,
		     -ENOBUFS);
}

/* Sockets let go of what they hold when they are closed. */
static int bl_nl_event(struct notifier_block *block, unsigned long event,
		       void *data)
{
	struct netlink_notify *notify = data;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		bl_link_release_holder(notify->portid, notify->net);
	return NOTIFY_DONE;
}

static struct notifier_block bl_nl_notifier = {
	.notifier_call = bl_nl_event,
};

/**
 * bl_netlink_init - register the family
 *
 * Return: 0 or a negative errno.
 */
int __init bl_netlink_init(void)
{
	int err;

	/* The generator cannot say who may listen. */
	bindlink_nl_family.mcgrps = bl_nl_mcgrps;
	err = netlink_register_notifier(&bl_nl_notifier);
	if (err)
		return err;
	err = genl_register_family(&bindlink_nl_family);
	if (err)
		netlink_unregister_notifier(&bl_nl_notifier);
	return err;
}

/**
 * bl_netlink_exit - undo bl_netlink_init()
 */
void bl_netlink_exit(void)
{
	genl_unregister_family(&bindlink_nl_family);
	netlink_unregister_notifier(&bl_nl_notifier);
}
MODULE_ALIAS_GENL_FAMILY(BINDLINK_FAMILY_NAME);
