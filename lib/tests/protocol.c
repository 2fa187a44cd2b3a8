// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * AP1, AP2, CR9: what the library says to the kernel, and what it makes of the
 * answers, also of those that a sound kernel seldom or never gives. The kernel
 * is played here: the linker puts the functions named __wrap_NAME in the place
 * of the library's system calls. Prints TAP.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "bindlink.h"
#include "namespaces.h"
#include "tap.h"

#define FAMILY	0x77
#define GROUP	0x55

struct datagram {
	struct datagram *next;
	int error;		/* instead of data */
	uint32_t sender;
	size_t length;
	unsigned char data[];
};

/* What the kernel has to say, and what it was asked. */
static struct {
	struct datagram *first;
	char log[4096];
	bool no_family;
	int refusal[BINDLINK_CMD_MAX + 1];
	int refusals_left[BINDLINK_CMD_MAX + 1];	/* 0: without end */
	int guilty;		/* attribute to blame */
	const char *reason;
	int attach_error;
	int attach_errors_left;
	int fsconfig_error;
	const char *carrier_path;
	size_t links;		/* in a dump */
	size_t exceptions;	/* of each link */
	int interrupts;		/* dumps that change while they are read */
	int finish_error;
	bool resolve_fails;
	bool truncated_string;
	bool no_id;
	bool tree_there;	/* before a link is made */
	bool tree_stays;	/* after it is removed */
	size_t via;		/* links that a resolution follows */
	bool noise;		/* before the answer, what is none */
	size_t longest;		/* request that has come */
	size_t exceptions_seen;
	uint32_t joined;
} kernel;

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t length);
int __wrap_fsopen(const char *name, unsigned int flags);
int __wrap_fsconfig(int fd, unsigned int command, const char *key,
		    const void *value, int aux);
int __wrap_fsmount(int fd, unsigned int flags, unsigned int attributes);
int __wrap_move_mount(int from, const char *from_path, int to,
		      const char *to_path, unsigned int flags);
int __wrap_umount2(const char *path, int flags);
int __wrap_bl_namespaces_visit(const char *path, enum bl_order order,
			       bl_visit_t visit, void *data);
int __wrap_bl_namespace_open(const char *path);

static void note(const char *word)
{
	size_t used = strlen(kernel.log);

	snprintf(kernel.log + used, sizeof(kernel.log) - used, "%s%s",
		 used ? " " : "", word);
}

static void queue(const void *data, size_t length, uint32_t sender, int error)
{
	struct datagram *datagram = calloc(1, sizeof(*datagram) + length);
	struct datagram **place = &kernel.first;

	if (!datagram)
		tap_die("calloc");
	datagram->length = length;
	datagram->sender = sender;
	datagram->error = error;
	if (length)
		memcpy(datagram->data, data, length);
	while (*place)
		place = &(*place)->next;
	*place = datagram;
}

static void queue_message(struct nl_msg *message)
{
	queue(nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len, 0, 0);
	nlmsg_free(message);
}

static void start_test(void)
{
	while (kernel.first) {
		struct datagram *datagram = kernel.first;

		kernel.first = datagram->next;
		free(datagram);
	}
	memset(&kernel, 0, sizeof(kernel));
	kernel.carrier_path = "/";
}

static struct nl_msg *answer(const struct nlmsghdr *request, int type,
			     int flags)
{
	struct nl_msg *message = nlmsg_alloc_size(8 << 20);

	if (!message || !nlmsg_put(message, 1, request ? request->nlmsg_seq : 0,
				   type, 0, flags))
		tap_die("nlmsg_put");
	return message;
}

static struct nl_msg *genl_answer(const struct nlmsghdr *request, int type,
				  int flags, int command)
{
	struct genlmsghdr genl = { .cmd = command, .version = 1 };
	struct nl_msg *message = answer(request, type, flags);

	nlmsg_append(message, &genl, sizeof(genl), NLMSG_ALIGNTO);
	return message;
}

static uint32_t find_offset(const struct nlmsghdr *request, int type)
{
	const struct nlattr *attr;
	uint32_t offset = 0;
	int rest;

	nlmsg_for_each_attr(attr, request, GENL_HDRLEN, rest)
		if (nla_type(attr) == type)
			offset = (const char *)attr - (const char *)request;
	return offset;
}

static void put_extended_ack(struct nl_msg *message,
			     const struct nlmsghdr *request)
{
	if (!kernel.reason)
		return;
	nlmsg_hdr(message)->nlmsg_flags |= NLM_F_ACK_TLVS;
	nla_put_string(message, NLMSGERR_ATTR_MSG, kernel.reason);
	if (kernel.guilty)
		nla_put_u32(message, NLMSGERR_ATTR_OFFS,
			    find_offset(request, kernel.guilty));
}

static void acknowledge(const struct nlmsghdr *request, int error)
{
	struct nlmsgerr body = { .error = -error, .msg = *request };
	struct nl_msg *message;

	message = answer(request, NLMSG_ERROR, NLM_F_CAPPED);
	nlmsg_append(message, &body, sizeof(body), NLMSG_ALIGNTO);
	if (error)
		put_extended_ack(message, request);
	queue_message(message);
}

static void put_link(struct nl_msg *message, size_t number, bool with_dev)
{
	char path[PATH_MAX];

	if (!kernel.no_id)
		nla_put_u64(message, BINDLINK_A_LINK_ID, number);
	snprintf(path, sizeof(path), "/virtual/%zu", number);
	nla_put_string(message, BINDLINK_A_LINK_VIRTUAL, path);
	if (kernel.truncated_string)
		nla_put(message, BINDLINK_A_LINK_BACKING, 4, "/bac");
	else
		nla_put_string(message, BINDLINK_A_LINK_BACKING, "/backing");
	nla_put_u32(message, BINDLINK_A_LINK_FLAGS, BINDLINK_FLAG_READ_ONLY);
	nla_put_u32(message, BINDLINK_A_LINK_CARRIER, BINDLINK_ATTACH_PATH);
	nla_put_string(message, BINDLINK_A_LINK_CARRIER_PATH,
		       kernel.carrier_path);
	if (with_dev)
		nla_put_u64(message, BINDLINK_A_LINK_DEV, 7ULL << 32 | 9);
	nla_put_u32(message, 99, 1);	/* from a newer kernel */
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[1000] = '\0';
	for (size_t i = 0; i < kernel.exceptions; i++)
		nla_put_string(message, BINDLINK_A_LINK_EXCEPTION, path);
}

static void dump(const struct nlmsghdr *request)
{
	int error = -kernel.finish_error;
	int flags = NLM_F_MULTI;
	struct nl_msg *message;

	if (kernel.interrupts) {
		kernel.interrupts--;
		flags |= NLM_F_DUMP_INTR;
	}
	for (size_t i = 1; i <= kernel.links; i++) {
		message = genl_answer(request, FAMILY, flags,
				      BINDLINK_CMD_LINK_GET);
		put_link(message, i, true);
		queue_message(message);
	}
	message = answer(request, NLMSG_DONE, flags);
	nlmsg_append(message, &error, sizeof(error), NLMSG_ALIGNTO);
	if (kernel.finish_error)
		put_extended_ack(message, request);
	queue_message(message);
}

static void put_family(struct nl_msg *message, int id, int group)
{
	struct nlattr *groups, *entry;

	nla_put_u16(message, CTRL_ATTR_FAMILY_ID, id);
	nla_put_string(message, CTRL_ATTR_FAMILY_NAME, BINDLINK_FAMILY_NAME);
	groups = nla_nest_start(message, CTRL_ATTR_MCAST_GROUPS);
	entry = nla_nest_start(message, 1);
	nla_put_u32(message, CTRL_ATTR_MCAST_GRP_ID, group);
	nla_put_string(message, CTRL_ATTR_MCAST_GRP_NAME, BINDLINK_MCGRP_LINKS);
	nla_nest_end(message, entry);
	nla_nest_end(message, groups);
}

static void control(const struct nlmsghdr *request)
{
	struct nl_msg *message;

	if (kernel.no_family) {
		acknowledge(request, ENOENT);
		return;
	}
	message = genl_answer(request, GENL_ID_CTRL, 0, CTRL_CMD_NEWFAMILY);
	put_family(message, FAMILY, GROUP);
	queue_message(message);
}

static bool refused(const struct nlmsghdr *request, int command)
{
	if (!kernel.refusal[command])
		return false;
	acknowledge(request, kernel.refusal[command]);
	if (kernel.refusals_left[command] &&
	    !--kernel.refusals_left[command])
		kernel.refusal[command] = 0;
	return true;
}

static void count_exceptions(const struct nlmsghdr *request)
{
	const struct nlattr *attr;
	int rest;

	kernel.exceptions_seen = 0;
	nlmsg_for_each_attr(attr, request, GENL_HDRLEN, rest)
		if (nla_type(attr) == BINDLINK_A_LINK_EXCEPTION)
			kernel.exceptions_seen++;
}

static void make_noise(const struct nlmsghdr *request)
{
	struct nlmsghdr other = *request;

	other.nlmsg_seq += 1000;
	acknowledge(&other, EIO);
	queue("forged", 6, 4711, 0);
	queue(NULL, 0, 4711, 0);
}

static bool has_dev(int command)
{
	switch (command) {
	case BINDLINK_CMD_LINK_PLAN:
		return kernel.tree_there;
	case BINDLINK_CMD_LINK_HOLD:
		return !kernel.tree_stays;
	default:
		return true;
	}
}

static void serve(const struct nlmsghdr *request)
{
	static const char *const names[] = {
		[BINDLINK_CMD_LINK_PLAN] = "plan",
		[BINDLINK_CMD_LINK_NEW] = "new",
		[BINDLINK_CMD_LINK_HOLD] = "hold",
		[BINDLINK_CMD_LINK_DEL] = "del",
		[BINDLINK_CMD_LINK_GET] = "get",
		[BINDLINK_CMD_RESOLVE] = "resolve",
		[BINDLINK_CMD_TREE_BENEATH] = "beneath",
	};
	const struct genlmsghdr *genl = nlmsg_data(request);
	struct nl_msg *message;

	if (kernel.noise)
		make_noise(request);
	if (request->nlmsg_type == GENL_ID_CTRL) {
		control(request);
		return;
	}
	note(request->nlmsg_flags & NLM_F_DUMP ? "dump" : names[genl->cmd]);
	if (refused(request, genl->cmd))
		return;
	if (request->nlmsg_flags & NLM_F_DUMP) {
		dump(request);
		return;
	}
	count_exceptions(request);
	if (request->nlmsg_flags & NLM_F_ACK) {
		acknowledge(request, 0);
		return;
	}
	message = genl_answer(request, FAMILY, 0, genl->cmd);
	if (genl->cmd == BINDLINK_CMD_RESOLVE) {
		nla_put_string(message, BINDLINK_A_LINK_PATH, "/virtual/1/x");
		if (kernel.resolve_fails)
			nla_put_s32(message, BINDLINK_A_LINK_ERROR, -ENOENT);
		else
			nla_put_string(message, BINDLINK_A_LINK_REAL_PATH,
				       "/backing/x");
		for (size_t i = 0; i < kernel.via; i++)
			nla_put_string(message, BINDLINK_A_LINK_VIA,
				       i ? "/virtual/2" : "/virtual/1");
	}
	if (genl->cmd == BINDLINK_CMD_TREE_BENEATH)
		nla_put_s32(message, BINDLINK_A_LINK_TREE_FD,
			    open("/", O_PATH | O_CLOEXEC));
	else if (genl->cmd != BINDLINK_CMD_RESOLVE || kernel.links)
		put_link(message, 1, has_dev(genl->cmd));
	queue_message(message);
}

ssize_t __wrap_send(int fd, const void *data, size_t length, int flags)
{
	(void)fd;
	(void)flags;
	if (length > kernel.longest)
		kernel.longest = length;
	serve(data);
	return (ssize_t)length;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct datagram *datagram = kernel.first;
	struct sockaddr_nl *from = message->msg_name;
	size_t length;

	(void)fd;
	if (!datagram) {
		errno = EAGAIN;
		return -1;
	}
	length = datagram->length;
	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	from->nl_pid = datagram->sender;
	message->msg_namelen = sizeof(*from);
	message->msg_flags = 0;
	if (message->msg_iov[0].iov_len < length) {
		length = message->msg_iov[0].iov_len;
		message->msg_flags = MSG_TRUNC;
	}
	if (length)
		memcpy(message->msg_iov[0].iov_base, datagram->data, length);
	if (flags & MSG_TRUNC)
		length = datagram->length;

	if (datagram->error) {
		errno = datagram->error;
		length = -1;
	}
	if (datagram->error || !(flags & MSG_PEEK)) {
		kernel.first = datagram->next;
		free(datagram);
	}
	return (ssize_t)length;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t length)
{
	(void)fd;
	(void)length;
	if (level == SOL_NETLINK && name == NETLINK_ADD_MEMBERSHIP)
		memcpy(&kernel.joined, value, sizeof(kernel.joined));
	return 0;
}

int __wrap_fsopen(const char *name, unsigned int flags)
{
	note(strcmp(name, "bindlink") || flags != FSOPEN_CLOEXEC ?
	     "fsopen?" : "fsopen");
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_fsconfig(int fd, unsigned int command, const char *key,
		    const void *value, int aux)
{
	(void)fd;
	(void)aux;
	if (command == FSCONFIG_CMD_CREATE)
		note("make");
	else
		note(key);
	if (key && !strcmp(key, "carrier") &&
	    fcntl(atoi(value), F_GETFL) < 0)
		note("bad-carrier");
	if (command == FSCONFIG_CMD_CREATE && kernel.fsconfig_error) {
		errno = kernel.fsconfig_error;
		return -1;
	}
	return 0;
}

int __wrap_fsmount(int fd, unsigned int flags, unsigned int attributes)
{
	(void)fd;
	note(flags != FSMOUNT_CLOEXEC || attributes ? "fsmount?" : "fsmount");
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_move_mount(int from, const char *from_path, int to,
		      const char *to_path, unsigned int flags)
{
	bool good = from >= 0 && to >= 0 && !*from_path && !*to_path &&
		    flags == (MOVE_MOUNT_F_EMPTY_PATH |
			      MOVE_MOUNT_T_EMPTY_PATH);

	note(good ? "attach" : "attach?");
	if (!kernel.attach_error)
		return 0;
	errno = kernel.attach_error;
	if (kernel.attach_errors_left && !--kernel.attach_errors_left)
		kernel.attach_error = 0;
	return -1;
}

int __wrap_umount2(const char *path, int flags)
{
	(void)path;
	note(flags == (MNT_DETACH | UMOUNT_NOFOLLOW) ? "umount" : "umount?");
	return 0;
}

/*
 * Of all namespaces only our own, and not in another thread: messages of the
 * test would be lost.
 */
int __wrap_bl_namespaces_visit(const char *path, enum bl_order order,
			       bl_visit_t visit, void *data)
{
	const struct bl_place place = {
		.path = path,
		.own = true,
	};

	note(order == BL_OWN_LAST ? "gather" : "spread");
	return order == BL_OWN_NEVER ? 0 : visit(&place, data);
}

int __wrap_bl_namespace_open(const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		tap_die("/proc/self/fd");
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

#define TREE	"fsopen source carrier make fsmount"

static struct bindlink *handle;

static void expect(const char *name, int error, int wanted, const char *log,
		   const char *message)
{
	bool good = error == wanted && (!log || !strcmp(kernel.log, log)) &&
		    !strcmp(bindlink_message(handle), message);

	if (tap(good, "%s", name))
		return;
	printf("# got %d, wanted %d\n# log %s\n# message %s\n", error, wanted,
	       kernel.log, bindlink_message(handle));
}

static int create(void)
{
	return bindlink_create(handle, "/v", "/b", 0, NULL, 0);
}

static void test_create(void)
{
	start_test();
	expect("create", create(), 0, "plan " TREE " new attach get spread", "");

	start_test();
	kernel.noise = true;
	expect("create, with answers to others among the kernel's", create(),
	       0, "plan " TREE " new attach get spread", "");

	start_test();
	kernel.no_family = true;
	expect("create without the module", create(), -EPROTONOSUPPORT, "",
	       "/v: the kernel module \"bindlink\" is not loaded");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = EEXIST;
	kernel.reason = "there is a link at this path";
	expect("plan refused", create(), -EEXIST, "plan",
	       "/v: there is a link at this path");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = ESTALE;
	expect("refusal without a reason, errno unknown to libnl", create(),
	       -ESTALE, "plan", "/v: Stale file handle");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = EPERM;
	expect("not privileged", create(), -EPERM, "plan",
	       "/v: this needs CAP_SYS_ADMIN in the initial user namespace");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = ENOTDIR;
	kernel.reason = "not a directory";
	kernel.guilty = BINDLINK_A_LINK_BACKING;
	expect("backing path to blame", create(), -ENOTDIR, "plan",
	       "/v: backing path /b: not a directory");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = EINVAL;
	kernel.reason = "reserved bit set";
	kernel.guilty = BINDLINK_A_LINK_FLAGS;
	expect("flags to blame",
	       bindlink_create(handle, "/v", "/b", 0x10, NULL, 0), -EINVAL,
	       "plan", "/v: flags 0x10: reserved bit set");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_NEW] = ENOMEM;
	expect("link-new refused", create(), -ENOMEM, "plan " TREE " new",
	       "/v: Cannot allocate memory");

	start_test();
	kernel.attach_error = EINVAL;
	expect("tree not attached", create(), -EINVAL,
	       "plan " TREE " new attach",
	       "/v: cannot mount the link at /: Invalid argument");

	start_test();
	kernel.fsconfig_error = EXDEV;
	expect("tree not made", create(), -EXDEV,
	       "plan fsopen source carrier make",
	       "/v: cannot make the mount for the link: Invalid cross-device link");

	start_test();
	kernel.carrier_path = "/proc/self/nothing";
	tap(create() == -EAGAIN, "carrier path that is never there");
}

static void test_create_again(void)
{
	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_NEW] = EAGAIN;
	kernel.refusals_left[BINDLINK_CMD_LINK_NEW] = 2;
	expect("changed twice meanwhile", create(), 0,
	       "plan " TREE " new plan " TREE " new plan " TREE
	       " new attach get spread", "");

	start_test();
	kernel.attach_error = ENOENT;
	kernel.attach_errors_left = 1;
	expect("gone before it was attached", create(), 0,
	       "plan " TREE " new attach plan " TREE " new attach get spread", "");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_NEW] = EAGAIN;
	kernel.reason = "the virtual path has changed meanwhile";
	expect("changes all the time", create(), -EAGAIN, NULL,
	       "/v: the virtual path has changed meanwhile");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_GET] = ENOENT;
	expect("removed by somebody at once", create(), 0,
	       "plan " TREE " new attach get", "");
}

static void test_join(void)
{
	start_test();
	kernel.tree_there = true;
	expect("into a tree that is there", create(), 0,
	       "plan new get beneath spread", "");

	start_test();
	kernel.tree_there = true;
	kernel.refusal[BINDLINK_CMD_LINK_NEW] = EAGAIN;
	kernel.refusals_left[BINDLINK_CMD_LINK_NEW] = 1;
	expect("into a tree that went", create(), 0,
	       "plan new plan new get beneath spread", "");

	start_test();
	kernel.tree_there = true;
	kernel.refusal[BINDLINK_CMD_LINK_NEW] = EEXIST;
	kernel.reason = "there is a link at this path";
	expect("into a tree, somebody was faster", create(), -EEXIST,
	       "plan new", "/v: there is a link at this path");

	start_test();
	kernel.tree_there = true;
	kernel.refusal[BINDLINK_CMD_LINK_GET] = ENOENT;
	expect("into a tree, removed by somebody at once", create(), 0, NULL,
	       "");
}

static void test_exceptions(void)
{
	static char long_path[PATH_MAX];
	const char *paths[2000];

	for (size_t i = 0; i < sizeof(long_path) - 1; i++)
		long_path[i] = i % 2 ? 'x' : '/';
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		paths[i] = long_path;

	start_test();
	tap(!bindlink_create(handle, "/v", "/b", 0, paths, ARRAY_SIZE(paths)) &&
	    kernel.longest > ARRAY_SIZE(paths) * (PATH_MAX - 2),
	    "2000 exceptions of the greatest length");

	start_test();
	paths[1] = "/v/other";
	kernel.refusal[BINDLINK_CMD_LINK_PLAN] = ENOENT;
	kernel.reason = "does not exist";
	kernel.guilty = BINDLINK_A_LINK_EXCEPTION;
	expect("exception to blame",
	       bindlink_create(handle, "/v", "/b", 0, paths, 2), -ENOENT,
	       "plan", "/v: exception /v/other: does not exist");

	start_test();
	paths[1] = "";
	expect("empty exception",
	       bindlink_create(handle, "/v", "/b", 0, paths, 2), -ENOENT, "",
	       "/v: exception: the path is empty");

	start_test();
	expect("exceptions that are not there",
	       bindlink_create(handle, "/v", "/b", 0, NULL, 2), -EINVAL, "",
	       "/v: exceptions are counted but not given");
}

static void test_paths(void)
{
	start_test();
	expect("empty virtual path", bindlink_create(handle, "", "/b", 0, NULL,
						     0),
	       -ENOENT, "", "the path is empty");
	start_test();
	expect("no virtual path", bindlink_remove(handle, NULL), -EINVAL, "",
	       "there is no path");
	start_test();
	expect("empty backing path", bindlink_create(handle, "/v", "", 0, NULL,
						     0),
	       -ENOENT, "", "/v: backing path: the path is empty");
	start_test();
	expect("no backing path", bindlink_create(handle, "/v", NULL, 0, NULL,
						  0),
	       -EINVAL, "", "/v: backing path: there is no path");
	start_test();
	expect("file with a slash at its end",
	       bindlink_create(handle, "/v", "/proc/self/exe/", 0, NULL, 0),
	       -ENOTDIR, "",
	       "/v: backing path /proc/self/exe/: not a directory, as its last slash says");
	start_test();
	expect("directory with a slash at its end",
	       bindlink_create(handle, "/v/", "/proc/self/", 0, NULL, 0), 0,
	       "plan " TREE " new attach get spread", "");
}

static void test_options(void)
{
	struct {
		struct bindlink_create_options known;
		char later[8];
	} options = { .known = { .size = sizeof(options) } };

	start_test();
	tap(!bindlink_create_opts(handle, "/v", "/b", NULL), "no options");
	tap(!bindlink_create_opts(handle, "/v", "/b", &options.known),
	    "options of a later version, unset");
	options.later[7] = 1;
	tap(bindlink_create_opts(handle, "/v", "/b", &options.known) == -E2BIG,
	    "options of a later version, set");
	options.known.size = 0;
	tap(bindlink_create_opts(handle, "/v", "/b", &options.known) == -EINVAL,
	    "options without a size");
	options.known.size = offsetof(struct bindlink_create_options, attach);
	options.known.exception_count = 1;
	tap(!bindlink_create_opts(handle, "/v", "/b", &options.known),
	    "options of an earlier version");
}

static size_t count_links(struct bindlink_iterator *iterator)
{
	const struct bindlink_link *link;
	size_t count = 0;

	while ((link = bindlink_iterator_next(iterator)))
		if (bindlink_link_id(link) == ++count &&
		    bindlink_link_exception_count(link) != kernel.exceptions)
			return SIZE_MAX;
	return count;
}

static void list(const char *name, int wanted, size_t count)
{
	struct bindlink_iterator *iterator;
	int error = bindlink_list(handle, &iterator);

	tap(error == wanted && (error ? !iterator :
				count_links(iterator) == count), "%s", name);
	bindlink_iterator_free(iterator);
}

static void test_list(void)
{
	start_test();
	list("list of nothing", 0, 0);
	start_test();
	kernel.links = 1000;
	kernel.exceptions = 3;
	list("list", 0, 1000);
	start_test();
	kernel.links = 5;
	kernel.interrupts = 20;
	list("list that changes meanwhile", 0, 5);
	start_test();
	kernel.links = 5;
	kernel.interrupts = INT_MAX;
	list("list that changes all the time", -EAGAIN, 0);
	start_test();
	kernel.links = 5;
	kernel.finish_error = ENOMEM;
	list("list that fails half way", -ENOMEM, 0);
	start_test();
	kernel.links = 5;
	kernel.finish_error = EPERM;
	kernel.reason = "you may not";
	list("list that fails half way, with a reason", -EPERM, 0);
	tap(!strcmp(bindlink_message(handle), "you may not"), "its reason");
	start_test();
	kernel.links = 2;
	kernel.no_id = true;
	list("list of links without a number", -EPROTO, 0);
	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_GET] = EPERM;
	list("list refused", -EPERM, 0);
}

static void test_get(void)
{
	struct bindlink_link *link;
	int error;

	start_test();
	kernel.exceptions = 1000;
	error = bindlink_get(handle, "/v", &link);
	tap(!error && bindlink_link_id(link) == 1 &&
	    !strcmp(bindlink_link_virtual(link), "/virtual/1") &&
	    !strcmp(bindlink_link_backing(link), "/backing") &&
	    bindlink_link_flags(link) == BINDLINK_FLAG_READ_ONLY &&
	    bindlink_link_carrier(link) == BINDLINK_ATTACH_PATH &&
	    !strcmp(bindlink_link_carrier_path(link), "/") &&
	    bindlink_link_dev(link) == 0x709 &&
	    bindlink_link_exception_count(link) == 1000 &&
	    strlen(bindlink_link_exception(link, 999)) == 1000 &&
	    !bindlink_link_exception(link, 1000), "link of a megabyte");
	bindlink_link_free(link);

	start_test();
	kernel.truncated_string = true;
	error = bindlink_get(handle, "/v", &link);
	expect("string without an end", error, -EPROTO, "get",
	       "/v: the kernel's answer makes no sense");
	tap(!link, "no link is left over");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_GET] = ENOENT;
	kernel.reason = "no link at this path";
	error = bindlink_get(handle, "/v", &link);
	expect("no link", error, -ENOENT, "get", "/v: no link at this path");

	start_test();
	queue(NULL, 0, 0, ENOBUFS);
	error = bindlink_get(handle, "/v", &link);
	tap(error == -ENOBUFS && !link, "answer lost");
}

static void test_remove(void)
{
	start_test();
	kernel.carrier_path = "/proc/self/nothing";
	expect("remove, tree not mounted here", bindlink_remove(handle, "/v"),
	       0, "hold gather del", "");

	start_test();
	expect("remove, another filesystem in the tree's place",
	       bindlink_remove(handle, "/v"), 0, "hold gather del", "");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_HOLD] = EBUSY;
	kernel.reason = "another process is removing this link";
	expect("held by another process", bindlink_remove(handle, "/v"), -EBUSY,
	       "hold", "/v: another process is removing this link");

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_DEL] = ENOENT;
	expect("gone meanwhile", bindlink_remove(handle, "/v"), 0,
	       "hold gather del", "");

	start_test();
	kernel.tree_stays = true;
	expect("remove, other links in the tree", bindlink_remove(handle, "/v"),
	       0, "hold del", "");

	start_test();
	kernel.tree_stays = true;
	kernel.refusal[BINDLINK_CMD_LINK_DEL] = ENOENT;
	kernel.reason = "there is no link at this path";
	expect("gone meanwhile, other links in the tree",
	       bindlink_remove(handle, "/v"), 0, "hold del", "");
}

static void test_resolve(void)
{
	struct bindlink_resolution *resolution;
	int error;

	start_test();
	error = bindlink_resolve(handle, "/x", &resolution);
	tap(!error && !bindlink_resolution_link(resolution) &&
	    !bindlink_resolution_error(resolution) &&
	    !strcmp(bindlink_resolution_real_path(resolution), "/backing/x"),
	    "path without a link");
	tap(!bindlink_resolution_via_count(resolution) &&
	    !bindlink_resolution_via(resolution, 0), "no links on the way");
	bindlink_resolution_free(resolution);

	start_test();
	kernel.links = 1;
	kernel.resolve_fails = true;
	kernel.via = 3;
	error = bindlink_resolve(handle, "/x", &resolution);
	tap(!error && bindlink_resolution_error(resolution) == -ENOENT &&
	    !bindlink_resolution_real_path(resolution) &&
	    !strcmp(bindlink_resolution_path(resolution), "/virtual/1/x") &&
	    bindlink_link_id(bindlink_resolution_link(resolution)) == 1,
	    "path with a link that leads nowhere");
	tap(bindlink_resolution_via_count(resolution) == 3 &&
	    !strcmp(bindlink_resolution_via(resolution, 0), "/virtual/1") &&
	    !strcmp(bindlink_resolution_via(resolution, 2), "/virtual/2") &&
	    !bindlink_resolution_via(resolution, 3), "links on the way");
	bindlink_resolution_free(resolution);
}

static void notify(int command, int family)
{
	struct nl_msg *message = genl_answer(NULL, family, 0, command);

	put_link(message, 1, true);
	queue_message(message);
}

static void load_again(const char *name)
{
	struct nl_msg *message = genl_answer(NULL, GENL_ID_CTRL, 0,
					     CTRL_CMD_NEWFAMILY);

	if (name)
		nla_put_string(message, CTRL_ATTR_FAMILY_NAME, name);
	else
		put_family(message, FAMILY + 1, GROUP + 1);
	queue_message(message);
}

static void expect_event(struct bindlink_monitor *monitor,
			 enum bindlink_event_type type, const char *name)
{
	struct bindlink_event *event;
	int error = bindlink_monitor_next(monitor, &event);

	tap(!error && bindlink_event_type(event) == type &&
	    !bindlink_event_link(event) == (type == BINDLINK_EVENT_RESYNC),
	    "%s", name);
	bindlink_event_free(event);
}

static void test_monitor(void)
{
	struct bindlink_monitor *monitor;
	struct bindlink_event *event;

	start_test();
	if (bindlink_monitor_open(handle, &monitor))
		tap_die("bindlink_monitor_open");
	tap(kernel.joined == GROUP, "group joined");
	tap(fcntl(bindlink_monitor_fd(monitor), F_GETFL) & O_NONBLOCK &&
	    fcntl(bindlink_monitor_fd(monitor), F_GETFD) & FD_CLOEXEC,
	    "flags of the monitor's descriptor");
	tap(bindlink_monitor_next(monitor, &event) == -EAGAIN && !event,
	    "no event");

	notify(BINDLINK_CMD_LINK_NEW_NTF, FAMILY);
	notify(BINDLINK_CMD_LINK_GET, FAMILY);
	notify(BINDLINK_CMD_LINK_DEL_NTF, FAMILY + 1);
	load_again("other");
	notify(BINDLINK_CMD_LINK_DEL_NTF, FAMILY);
	expect_event(monitor, BINDLINK_EVENT_CREATED, "created");
	expect_event(monitor, BINDLINK_EVENT_REMOVED, "removed");

	queue(NULL, 0, 0, ENOBUFS);
	notify(BINDLINK_CMD_LINK_DEL_NTF, FAMILY);
	expect_event(monitor, BINDLINK_EVENT_RESYNC, "events lost");
	expect_event(monitor, BINDLINK_EVENT_REMOVED, "removed, after that");

	kernel.truncated_string = true;
	notify(BINDLINK_CMD_LINK_NEW_NTF, FAMILY);
	kernel.truncated_string = false;
	expect_event(monitor, BINDLINK_EVENT_RESYNC, "event without sense");

	load_again(NULL);
	expect_event(monitor, BINDLINK_EVENT_RESYNC, "module loaded again");
	tap(kernel.joined == GROUP + 1, "new group joined");
	notify(BINDLINK_CMD_LINK_NEW_NTF, FAMILY + 1);
	notify(BINDLINK_CMD_LINK_DEL_NTF, FAMILY + 1);
	expect_event(monitor, BINDLINK_EVENT_CREATED, "created, new numbers");
	tap(bindlink_monitor_next(monitor, &event) == 0, "an event more");
	bindlink_event_free(event);

	notify(BINDLINK_CMD_LINK_NEW_NTF, FAMILY + 1);
	queue(NULL, 0, 0, EIO);
	expect_event(monitor, BINDLINK_EVENT_CREATED, "created, again");
	tap(bindlink_monitor_next(monitor, &event) == -EIO && !event &&
	    *bindlink_message(handle), "error that is no loss");
	bindlink_monitor_close(monitor);
}

static void *ask_message(void *data)
{
	const char **message = data;
	static char copy[64];

	snprintf(copy, sizeof(copy), "%s", bindlink_message(NULL));
	*message = copy;
	bindlink_remove(handle, "/other");
	return NULL;
}

static void test_messages(void)
{
	const char *message = "?";
	struct bindlink *other;
	pthread_t thread;

	start_test();
	kernel.refusal[BINDLINK_CMD_LINK_HOLD] = ENOENT;
	kernel.reason = "no link at this path";
	if (bindlink_open(&other))
		tap_die("bindlink_open");
	tap(!*bindlink_message(handle), "no message at first");
	bindlink_remove(handle, "/v");
	tap(!*bindlink_message(other), "message of another handle");
	if (pthread_create(&thread, NULL, ask_message, &message) ||
	    pthread_join(thread, NULL))
		tap_die("pthread_create");
	tap(!*message, "message of another thread");
	tap(!strcmp(bindlink_message(handle), "/v: no link at this path"),
	    "message after another thread has left one");
	bindlink_close(other);
}

static void test_descriptors(int before)
{
	tap(count_fds() == before, "no descriptor is left open");
}

int main(void)
{
	int fds = count_fds();

	if (bindlink_open(&handle))
		tap_die("bindlink_open");
	test_create();
	test_create_again();
	test_join();
	test_exceptions();
	test_paths();
	test_options();
	test_list();
	test_get();
	test_remove();
	test_resolve();
	test_monitor();
	test_messages();
	test_descriptors(fds);
	bindlink_close(handle);
	start_test();
	return tap_end();
}
