/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	uapi/bindlink.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_BINDLINK_H
#define _UAPI_LINUX_BINDLINK_H

#define BINDLINK_FAMILY_NAME	"bindlink"
#define BINDLINK_FAMILY_VERSION	1

/**
 * enum bindlink_flag - How a link shows its backing path. No flag is a plain
 *   link.
 * @BINDLINK_FLAG_READ_ONLY: Nothing in the backing path can be changed through
 *   the link.
 * @BINDLINK_FLAG_MERGED: The backing directory is shown over the original one.
 * @BINDLINK_FLAG_NATIVE: Where the backing path is a regular file the link may
 *   have a lane, as it may without this flag where that is a directory. Not
 *   with another flag, nor with exceptions.
 */
enum bindlink_flag {
	BINDLINK_FLAG_READ_ONLY = 1,
	BINDLINK_FLAG_MERGED = 2,
	BINDLINK_FLAG_NATIVE = 4,
};

/**
 * enum bindlink_attach - What carries a link.
 * @BINDLINK_ATTACH_AUTO: The kernel chooses.
 * @BINDLINK_ATTACH_PATH: A tree over the virtual path itself.
 * @BINDLINK_ATTACH_PARENT: A tree over the parent directory of the virtual
 *   path.
 */
enum bindlink_attach {
	BINDLINK_ATTACH_AUTO,
	BINDLINK_ATTACH_PATH,
	BINDLINK_ATTACH_PARENT,
};

#define BINDLINK_PATH_MAX	4096

enum {
	BINDLINK_A_LINK_ID = 1,
	BINDLINK_A_LINK_VIRTUAL,
	BINDLINK_A_LINK_BACKING,
	BINDLINK_A_LINK_FLAGS,
	BINDLINK_A_LINK_EXCEPTION,
	BINDLINK_A_LINK_ATTACH,
	BINDLINK_A_LINK_CARRIER,
	BINDLINK_A_LINK_CARRIER_PATH,
	BINDLINK_A_LINK_TREE_FD,
	BINDLINK_A_LINK_DEV,
	BINDLINK_A_LINK_PATH,
	BINDLINK_A_LINK_REAL_PATH,
	BINDLINK_A_LINK_ERROR,
	BINDLINK_A_LINK_VIA,

	__BINDLINK_A_LINK_MAX,
	BINDLINK_A_LINK_MAX = (__BINDLINK_A_LINK_MAX - 1)
};

enum {
	BINDLINK_CMD_LINK_PLAN = 1,
	BINDLINK_CMD_LINK_NEW,
	BINDLINK_CMD_LINK_HOLD,
	BINDLINK_CMD_LINK_DEL,
	BINDLINK_CMD_LINK_GET,
	BINDLINK_CMD_LINK_NEW_NTF,
	BINDLINK_CMD_LINK_DEL_NTF,
	BINDLINK_CMD_RESOLVE,
	BINDLINK_CMD_TREE_BENEATH,

	__BINDLINK_CMD_MAX,
	BINDLINK_CMD_MAX = (__BINDLINK_CMD_MAX - 1)
};

#define BINDLINK_MCGRP_LINKS	"links"

#endif /* _UAPI_LINUX_BINDLINK_H */
