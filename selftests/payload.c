// SPDX-License-Identifier: GPL-2.0
/*
 * A program to be run from a link: says who it is, or waits until its input
 * ends.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say_caps(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { };

	syscall(SYS_capget, &head, data);
	printf("%08x%08x\n", data[1].effective, data[0].effective);
}

int main(int argc, char **argv)
{
	char buf[64];

	if (argc < 2 || !strcmp(argv[1], "ids"))
		printf("%d %d\n", (int)geteuid(), (int)getegid());
	else if (!strcmp(argv[1], "caps"))
		say_caps();
	else if (!strcmp(argv[1], "wait"))
		while (read(0, buf, sizeof(buf)) > 0)
			;
	else
		return 2;
	return 0;
}
