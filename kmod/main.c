// SPDX-License-Identifier: GPL-2.0
/*
 * bindlink: a virtual path shows what is at a backing path.
 */

#include <linux/init.h>
#include <linux/module.h>

#include "bindlink.h"

static int __init bl_init(void)
{
	int err;

	bl_inode_init();
	bl_lanes_init();
	bl_spares_init();
	err = bl_super_init();
	if (err)
		return err;
	err = bl_netlink_init();
	if (err)
		bl_super_exit();
	return err;
}

static void __exit bl_exit(void)
{
	/* No new ones: that takes a reference to the module. */
	bl_links_exit();
	bl_netlink_exit();
	bl_super_exit();
	bl_spares_exit();
}

module_init(bl_init);
module_exit(bl_exit);

MODULE_DESCRIPTION("Bind links: a virtual path shows what is at a backing path");
MODULE_AUTHOR("The bindlink developers");
MODULE_LICENSE("GPL");
