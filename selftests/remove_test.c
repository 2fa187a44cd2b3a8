// SPDX-License-Identifier: GPL-2.0
/*
 * Removing links, and how long they last.
 */
#include <signal.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(removing);

TEST_F(removing, RM1_a_user_may_not)
{
	struct place *p = &self->p;
	pid_t pid;

	DIR_LINK(p);
	pid = fork_user(USER);
	if (!pid) {
		int err = link_drop(p->v);

		_exit(link_why()[0] ? -err : 200);
	}
	EXPECT_EQ(EPERM, reap(pid));
	EXPECT_EQ(1, link_count(p->top));
	EXPECT_EQ(1, mounted(p->v));
}

TEST_F(removing, RM1_no_link)
{
	struct place *p = &self->p;

	EXPECT_EQ(-ENOENT, link_drop(p->v));
	EXPECT_NE(NULL, strstr(link_why(), p->v))
		TH_LOG("the message does not name %s: %s", p->v, link_why());
	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	EXPECT_EQ(-ENOENT, link_drop(path("%s/d", p->v)));
	EXPECT_EQ(-ENOENT, link_drop(p->b));
	EXPECT_EQ(-ENOENT, link_drop(p->top));
	EXPECT_EQ(-ENOENT, link_drop(path("%s/missing", p->top)));
	EXPECT_EQ(1, link_count(p->top));
	EXPECT_EQ(0, link_drop(p->v));
	EXPECT_EQ(-ENOENT, link_drop(p->v));
}

TEST_F(removing, RM1_another_mount_is_no_link)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mount("tmpfs", p->v, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, put(path("%s/x", p->v), "x"));
	EXPECT_EQ(-ENOENT, link_drop(p->v));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_EQ(0, ERR(umount2(p->v, 0)));
}

TEST_F(removing, RM3_the_original_is_back)
{
	struct place *p = &self->p;
	char *before, *after, *at_b;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0751)));
	ASSERT_EQ(0, put(path("%s/Cat", p->v), "cat"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/Dog", p->v), 0700)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	before = tree(p->v, true);
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, put(path("%s/Cat", p->v), "not that cat"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/Cow", p->v), 0755)));
	ASSERT_EQ(0, ERR(symlink("Cow", path("%s/Dog", p->v))));
	ASSERT_EQ(0, ERR(chmod(p->v, 0700)));
	ASSERT_EQ(0, ERR(chown(p->v, USER, USER)));
	at_b = tree(p->v, true);
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(0, mounted(p->v));
	EXPECT_STREQ("!ENOENT", link_listed(p->v));
	after = tree(p->v, true);
	EXPECT_STREQ(before, after);
	free(after);
	after = tree(p->b, true);
	EXPECT_STREQ(at_b, after);
	EXPECT_STREQ("Cat Cow Dog", names(p->b));
	free(before);
	free(after);
	free(at_b);
}

TEST_F(removing, RM3_again_and_again)
{
	struct place *p = &self->p;
	unsigned int i, n = scaled(50);

	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, put(p->b, "backing"));
	for (i = 0; i < n; i++) {
		ASSERT_STREQ("original", get(p->v));
		ASSERT_EQ(0, link_make(p->v, p->b));
		ASSERT_STREQ("backing", get(p->v));
		ASSERT_EQ(0, link_drop(p->v));
	}
	ASSERT_STREQ("original", get(p->v));
}

TEST_F(removing, RM4_while_in_use)
{
	struct place *p = &self->p;
	const char *f = path("%s/d/f", p->v);
	char buf[32] = "";
	struct dirent *d;
	int fd, seen = 0, pipes[2];
	pid_t pid;
	char *map;
	DIR *dir;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(path("%s/Cat", p->v), "cat"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/f", p->b), "backing"));
	ASSERT_EQ(0, copy(getenv("BINDLINK_PAYLOAD") ?: "/bin/sleep",
			  path("%s/prog", p->b), 0755));
	ASSERT_EQ(0, link_make(p->v, p->b));

	fd = open(f, O_RDWR);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	ASSERT_EQ(0, ERR(chdir(path("%s/d", p->v))));
	ASSERT_EQ(0, ERR(pipe(pipes)));
	pid = fork();
	if (!pid) {
		dup2(pipes[0], 0);
		close(pipes[1]);
		execl(path("%s/prog", p->v), "prog", "wait", NULL);
		_exit(errno);
	}
	close(pipes[0]);
	/* Executing for certain once its image is the one at V. */
	while (strcmp(get_link(path("/proc/%d/exe", pid)),
		      path("%s/prog", p->v)) && !kill(pid, 0) &&
	       waitpid(pid, NULL, WNOHANG) == 0)
		usleep(1000);

	ASSERT_EQ(0, link_drop(p->v))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, mounted(p->v));
	EXPECT_EQ(0, link_count(p->top));
	EXPECT_STREQ("Cat", names(p->v));
	EXPECT_STREQ("!ENOENT", get(f));

	/* The open file, the mapping, the directory and the cwd go on. */
	EXPECT_EQ(7, pread(fd, buf, sizeof(buf), 0));
	EXPECT_STREQ("backing", buf);
	EXPECT_EQ(0, memcmp(map, "backing", 7));
	map[0] = 'B';
	EXPECT_EQ(3, pwrite(fd, "ING", 3, 4));
	EXPECT_STREQ("BackING", get(path("%s/d/f", p->b)));
	while ((d = readdir(dir)))
		seen++;
	EXPECT_EQ(4, seen);
	EXPECT_STREQ("BackING", get("f"));
	EXPECT_EQ(0, put("g", "new"));
	EXPECT_STREQ("new", get(path("%s/d/g", p->b)));

	EXPECT_EQ(0, kill(pid, 0));

	/* And a link can be made there again meanwhile. */
	EXPECT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("d prog", names(p->v));
	EXPECT_EQ(0, link_drop(p->v));

	close(pipes[1]);
	EXPECT_EQ(0, reap(pid));
	munmap(map, 4096);
	close(fd);
	closedir(dir);
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(removing, RM5_the_backing_filesystem_is_free)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->back);
	const char *b = path("%s/b", m);
	int i;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
		ASSERT_EQ(0, ERR(mkdir(b, 0755)));
		ASSERT_EQ(0, link_make(p->v, b));
		ASSERT_EQ(0, put(path("%s/x", p->v), "x"));
		ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->v), 0755)));
		free(tree(p->v, true));
		EXPECT_STREQ("!ENOENT", get(path("%s/absent", p->v)));
		ASSERT_EQ(0, link_drop(p->v));
		EXPECT_EQ(0, ERR(umount2(m, 0)))
			TH_LOG("round %d: %s", i, strerror(errno));
		umount2(m, MNT_DETACH);
	}
}

TEST_F(removing, RM5_the_filesystem_of_virtual_is_free)
{
	struct place *p = &self->p;
	const char *m = path("%s/m", p->top);
	const char *v = path("%s/v", m);

	ASSERT_EQ(0, ERR(mkdir(m, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	ASSERT_EQ(0, ERR(mount("tmpfs", m, "tmpfs", 0, NULL)));
	ASSERT_EQ(0, ERR(mkdir(v, 0755)));
	ASSERT_EQ(0, link_make(v, p->b));
	EXPECT_STREQ("x", get(path("%s/x", v)));
	/* It carries a mount, so it is busy, as ever. */
	EXPECT_EQ(EBUSY, ERR(umount2(m, 0)));
	EXPECT_STREQ("x", get(path("%s/x", v)));
	ASSERT_EQ(0, link_drop(v));
	EXPECT_EQ(0, ERR(umount2(m, 0)))
		TH_LOG("%s", strerror(errno));
	umount2(m, MNT_DETACH);
}

TEST_F(removing, LT1_survives_its_maker)
{
	struct place *p = &self->p;
	pid_t pid;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	pid = fork();
	if (!pid)
		_exit(-link_make(p->v, p->b));
	ASSERT_EQ(0, reap(pid));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	EXPECT_STREQ(p->b, link_listed(p->v));
	/* Nor need the remover be the maker. */
	pid = fork();
	if (!pid)
		_exit(-link_drop(p->v));
	EXPECT_EQ(0, reap(pid));
	EXPECT_STREQ("", names(p->v));
}

TEST_F(removing, LT4_umount_removes_the_link)
{
	struct place *p = &self->p;
	int i;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	for (i = 0; i < 2; i++) {
		EXPECT_STREQ("x", get(path("%s/x", p->v)));
		ASSERT_EQ(0, ERR(umount2(p->v, 0)));
		EXPECT_STREQ("", names(p->v));
		EXPECT_STREQ("!ENOENT", link_listed(p->v));
		EXPECT_EQ(0, link_count(p->top));
		EXPECT_EQ(-ENOENT, link_drop(p->v));
		EXPECT_EQ(0, link_make(p->v, p->b))
			TH_LOG("%s", link_why());
	}
	EXPECT_EQ(0, link_drop(p->v));
}

TEST_F(removing, LT4_umount_of_a_busy_one)
{
	struct place *p = &self->p;
	char buf[8] = "";
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	fd = open(path("%s/x", p->v), O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EBUSY, ERR(umount2(p->v, 0)));
	EXPECT_STREQ(p->b, link_listed(p->v));
	EXPECT_STREQ("x", get(path("%s/x", p->v)));
	ASSERT_EQ(0, ERR(umount2(p->v, MNT_DETACH)));
	EXPECT_STREQ("", names(p->v));
	EXPECT_EQ(0, mounted(p->v));
	/* What is open goes on; the table says no link once it is closed. */
	EXPECT_EQ(1, pread(fd, buf, sizeof(buf), 0));
	EXPECT_EQ(1, pwrite(fd, "y", 1, 0));
	EXPECT_STREQ("y", get(path("%s/x", p->b)));
	close(fd);
	EXPECT_STREQ("!ENOENT", link_listed(p->v));
	EXPECT_EQ(0, link_make(p->v, p->b))
		TH_LOG("%s", link_why());
	EXPECT_EQ(0, link_drop(p->v));
}

TEST_F(removing, RM4_a_process_in_a_deleted_backing)
{
	struct place *p = &self->p;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/x", p->b), "x"));
	fd = open(path("%s/x", p->v), O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ERR(chdir(p->v)));
	ASSERT_EQ(0, rm_rf(p->b));
	EXPECT_EQ(0, link_drop(p->v))
		TH_LOG("%s", link_why());
	EXPECT_STREQ("", names(p->v));
	close(fd);
	ASSERT_EQ(0, ERR(chdir("/")));
}

TEST_F(removing, WR1_the_name_of_a_mount_point_is_busy)
{
	struct place *p = &self->p;
	const char *w = path("%s/w", p->top);

	FILE_LINK(p, "backing");
	ASSERT_EQ(0, put(w, "w"));
	EXPECT_EQ(EBUSY, ERR(unlink(p->v)));
	EXPECT_EQ(EBUSY, ERR(rename(p->v, path("%s/x", p->top))));
	EXPECT_EQ(EBUSY, ERR(rename(w, p->v)));
	EXPECT_STREQ("backing", get(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	ASSERT_EQ(0, ERR(unlink(p->v)));
	ASSERT_EQ(0, ERR(unlink(p->b)));
	DIR_LINK(p);
	EXPECT_EQ(EBUSY, ERR(rmdir(p->v)));
	EXPECT_EQ(EBUSY, ERR(rename(p->v, path("%s/x", p->top))));
	EXPECT_STREQ("", names(p->v));
}

TEST_HARNESS_MAIN
