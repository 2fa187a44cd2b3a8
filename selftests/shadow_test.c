// SPDX-License-Identifier: GPL-2.0
/*
 * What a link shows is what is at B, all of it and nothing else.
 */
#include <sys/xattr.h>

#include "kselftest_harness.h"
#include "place.h"

PLACES_CROSS(shadow);

TEST_F(shadow, SH1_directory)
{
	struct place *p = &self->p;
	const char *cat = path("%s/Cat", p->v);
	const char *dog = path("%s/Dog", p->v);
	const char *cow = path("%s/Cow", p->v);
	struct stat st;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(cat, "cat"));
	ASSERT_EQ(0, ERR(mkdir(dog, 0755)));
	ASSERT_EQ(0, put(path("%s/in", dog), "in dog"));
	ASSERT_EQ(0, put(path("%s/Cow", p->b), "cow"));
	ASSERT_EQ(0, ERR(mkdir(path("%s/Mouse", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/Mouse/in", p->b), "in mouse"));
	/* All of it in the dentry cache, present and absent. */
	EXPECT_STREQ("cat", get(cat));
	EXPECT_STREQ("!ENOENT", get(cow));
	EXPECT_STREQ("in dog", get(path("%s/in", dog)));

	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("Cow Mouse", names(p->v));
	EXPECT_STREQ("cow", get(cow));
	EXPECT_STREQ("in mouse", get(path("%s/Mouse/in", p->v)));
	EXPECT_EQ(ENOENT, ERR(stat(cat, &st)));
	EXPECT_EQ(ENOENT, ERR(lstat(dog, &st)));
	EXPECT_EQ(ENOENT, ERR(access(path("%s/in", dog), F_OK)));
	EXPECT_EQ(ENOENT, err_open(cat, O_RDONLY));
	EXPECT_EQ(ENOENT, err_open(cat, O_PATH));
	EXPECT_EQ(ENOENT, ERR(unlink(cat)));
	EXPECT_EQ(ENOENT, ERR(rmdir(dog)));
	EXPECT_EQ(ENOENT, ERR(rename(cat, path("%s/x", p->v))));
	EXPECT_EQ(ENOENT, ERR(chmod(cat, 0600)));

	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("Cat Dog", names(p->v));
	EXPECT_STREQ("cat", get(cat));
	EXPECT_STREQ("in dog", get(path("%s/in", dog)));
	EXPECT_STREQ("!ENOENT", get(cow));
}

TEST_F(shadow, SH1_names_in_both)
{
	struct place *p = &self->p;
	const char *x = path("%s/x", p->v);

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, put(x, "original"));
	ASSERT_EQ(0, put(path("%s/x", p->b), "backing"));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("backing", get(x));
	ASSERT_EQ(0, put(x, "changed"));
	EXPECT_STREQ("changed", get(path("%s/x", p->b)));
	ASSERT_EQ(0, ERR(unlink(x)));
	EXPECT_STREQ("!ENOENT", get(x));
	EXPECT_STREQ("", names(p->v));
	EXPECT_STREQ("", names(p->b));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(x));
}

TEST_F(shadow, SH1_an_empty_directory)
{
	struct place *p = &self->p;

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, put(path("%s/Cat", p->v), "cat"));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0755)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("", names(p->v));
	ASSERT_EQ(0, put(path("%s/new", p->v), "new"));
	EXPECT_STREQ("new", names(p->v));
	EXPECT_STREQ("new", names(p->b));
}

TEST_F(shadow, SH1_seen_by_everybody_at_once)
{
	struct place *p = &self->p;
	const char *cow = path("%s/Cow", p->v);
	pid_t pid;

	DIR_LINK(p);
	ASSERT_EQ(0, put(path("%s/Cow", p->b), "cow"));
	pid = fork_user(USER);
	if (!pid)
		_exit(strcmp(get(cow), "cow") || strcmp(names(p->v), "Cow"));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, run("ls", "-lR", p->v, NULL));
	EXPECT_EQ(0, run("cmp", cow, path("%s/Cow", p->b), NULL));
}

TEST_F(shadow, SH2_file)
{
	struct place *p = &self->p;
	struct timespec times[2] = {
		{ .tv_sec = 1000000000, .tv_nsec = 1 },
		{ .tv_sec = 1100000000, .tv_nsec = 123456789 },
	};

	ASSERT_EQ(0, put(p->v, "original, and longer than the other"));
	ASSERT_EQ(0, put(p->b, "backing"));
	ASSERT_EQ(0, ERR(chown(p->b, USER, OTHER)));
	ASSERT_EQ(0, ERR(chmod(p->b, 0640)));
	ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, p->b, times, 0)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ("backing", get(p->v));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	/* What is changed at one is changed at the other. */
	ASSERT_EQ(0, ERR(chmod(p->v, 0604)));
	ASSERT_EQ(0, ERR(chown(p->v, OTHER, USER)));
	ASSERT_EQ(0, add(p->v, ", more"));
	ASSERT_EQ(0, ERR(utimensat(AT_FDCWD, p->v, times, 0)));
	EXPECT_STREQ("backing, more", get(p->b));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	ASSERT_EQ(0, ERR(chmod(p->b, 0400)));
	ASSERT_EQ(0, ERR(chown(p->b, 0, 0)));
	ASSERT_EQ(0, ERR(truncate(p->b, 3)));
	EXPECT_STREQ("bac", get(p->v));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original, and longer than the other", get(p->v));
}

TEST_F(shadow, SH2_other_things_that_are_no_directory)
{
	struct place *p = &self->p;
	struct stat st;
	char c = 'x';
	int fd;

	/* A device instead of a file, and a FIFO instead of that. */
	ASSERT_EQ(0, put(p->v, "original"));
	ASSERT_EQ(0, ERR(mknod(p->b, S_IFCHR | 0666, 1 << 8 | 5)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	ASSERT_EQ(0, ERR(stat(p->v, &st)));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	fd = open(p->v, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, read(fd, &c, 1));
	EXPECT_EQ(0, c);
	close(fd);
	ASSERT_EQ(0, ERR(unlink(p->b)));
	ASSERT_EQ(0, ERR(mkfifo(p->b, 0600)));
	ASSERT_EQ(0, ERR(stat(p->v, &st)));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_STREQ("original", get(p->v));
}

TEST_F(shadow, SH3_attributes_of_the_root)
{
	struct place *p = &self->p;
	char value[32] = "";

	ASSERT_EQ(0, ERR(mkdir(p->v, 0755)));
	ASSERT_EQ(0, ERR(mkdir(p->b, 0700)));
	ASSERT_EQ(0, ERR(chown(p->b, USER, OTHER)));
	ASSERT_EQ(0, ERR(chmod(p->b, 03750)));
	ASSERT_EQ(0, ERR(setxattr(p->v, "trusted.whose", "v", 1, 0)));
	ASSERT_EQ(0, ERR(setxattr(p->b, "trusted.whose", "b", 1, 0)));
	ASSERT_EQ(0, link_make(p->v, p->b));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_EQ(1, getxattr(p->v, "trusted.whose", value, sizeof(value)));
	EXPECT_STREQ("b", value);
	ASSERT_EQ(0, ERR(chmod(p->v, 0711)));
	ASSERT_EQ(0, ERR(chown(p->v, OTHER, USER)));
	ASSERT_EQ(0, ERR(setxattr(p->v, "trusted.whose", "B", 1, 0)));
	EXPECT_STREQ(facts(p->b), facts(p->v));
	EXPECT_EQ(1, getxattr(p->b, "trusted.whose", value, sizeof(value)));
	EXPECT_STREQ("B", value);
	ASSERT_EQ(0, link_drop(p->v));
	EXPECT_EQ(1, getxattr(p->v, "trusted.whose", value, sizeof(value)));
	EXPECT_STREQ("v", value);
}

TEST_F(shadow, SH3_attributes_below)
{
	struct place *p = &self->p;
	char *at_v, *at_b;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 02775)));
	ASSERT_EQ(0, ERR(chmod(path("%s/d", p->b), 02775)));
	ASSERT_EQ(0, put(path("%s/d/f", p->b), "f"));
	ASSERT_EQ(0, ERR(chmod(path("%s/d/f", p->b), 06511)));
	ASSERT_EQ(0, ERR(lchown(path("%s/d/f", p->b), USER, OTHER)));
	ASSERT_EQ(0, ERR(chmod(path("%s/d/f", p->b), 06511)));
	ASSERT_EQ(0, ERR(setxattr(path("%s/d/f", p->b), "trusted.t", "t", 1,
				  0)));
	ASSERT_EQ(0, ERR(link(path("%s/d/f", p->b), path("%s/g", p->b))));
	ASSERT_EQ(0, ERR(symlink("d/f", path("%s/s", p->b))));
	ASSERT_EQ(0, ERR(lchown(path("%s/s", p->b), OTHER, OTHER)));
	ASSERT_EQ(0, ERR(mknod(path("%s/n", p->b), S_IFBLK | 0600,
			       7 << 8 | 77)));
	ASSERT_EQ(0, ERR(mkfifo(path("%s/p", p->b), 0622)));
	at_b = tree(p->b, true);
	at_v = tree(p->v, true);
	EXPECT_STREQ(at_b, at_v);
	EXPECT_STREQ(lfacts(path("%s/s", p->b)), lfacts(path("%s/s", p->v)));
	EXPECT_STREQ(facts(path("%s/d/f", p->b)), facts(path("%s/g", p->v)));
	free(at_b);
	free(at_v);
}

TEST_F(shadow, TR1_identity)
{
	struct place *p = &self->p;
	const char *f = path("%s/f", p->v), *g = path("%s/g", p->v);
	struct dirent *d;
	ino_t before;
	DIR *dir;
	int seen = 0;

	DIR_LINK(p);
	ASSERT_EQ(0, put(f, "f"));
	ASSERT_EQ(0, ERR(link(f, g)));
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->v), 0755)));
	EXPECT_TRUE(same_inode(p->v, p->b));
	EXPECT_TRUE(same_inode(f, path("%s/f", p->b)));
	EXPECT_TRUE(same_inode(f, g));
	EXPECT_TRUE(same_inode(path("%s/d", p->v), path("%s/d", p->b)));
	before = ino_of(f);
	dir = opendir(p->v);
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".."))
			continue;
		seen++;
		EXPECT_EQ(ino_of(path("%s/%s", p->b, d->d_name)), d->d_ino)
			TH_LOG("%s", d->d_name);
	}
	closedir(dir);
	EXPECT_EQ(4, seen);
	/* Constant, also when the caches are dropped. */
	if (!access("/proc/sys/vm/drop_caches", W_OK))
		ASSERT_EQ(0, put("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(before, ino_of(f));
	EXPECT_TRUE(same_inode(f, g));
}

TEST_F(shadow, TR1_tools_give_the_same_answer)
{
	struct place *p = &self->p;
	const char *cmd;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/f", p->b), "contents"));
	ASSERT_EQ(0, ERR(link(path("%s/d/f", p->b), path("%s/g", p->b))));
	ASSERT_EQ(0, ERR(symlink("d/f", path("%s/s", p->b))));
	ASSERT_EQ(0, ERR(truncate(path("%s/g", p->b), 1 << 20)));
	cmd = path("find '%s' -xdev -printf '%%P %%i %%n %%s %%m %%T@\\n' | sort >'%s/1' && find '%s' -xdev -printf '%%P %%i %%n %%s %%m %%T@\\n' | sort >'%s/2' && cmp '%s/1' '%s/2' && test $(wc -l <'%s/1') = 5",
		   p->v, p->top, p->b, p->top, p->top, p->top, p->top);
	EXPECT_EQ(0, run("sh", "-c", cmd, NULL));
	cmd = path("test \"$(du -sx '%s' | cut -f1)\" = \"$(du -sx '%s' | cut -f1)\"",
		   p->v, p->b);
	EXPECT_EQ(0, run("sh", "-c", cmd, NULL));
	cmd = path("tar -C '%s' -cf '%s/1' . && tar -C '%s' -cf '%s/2' . && cmp '%s/1' '%s/2'",
		   p->v, p->top, p->b, p->top, p->top, p->top);
	EXPECT_EQ(0, run("sh", "-c", cmd, NULL));
	EXPECT_EQ(0, run("diff", "-r", p->v, p->b, NULL));
}

TEST_F(shadow, TR8_the_path_that_a_program_sees)
{
	struct place *p = &self->p;
	const char *f = path("%s/d/f", p->v);
	char cwd[PATH_MAX], line[PATH_MAX + 200];
	bool found = false;
	void *map;
	FILE *maps;
	int fd;

	DIR_LINK(p);
	ASSERT_EQ(0, ERR(mkdir(path("%s/d", p->b), 0755)));
	ASSERT_EQ(0, put(path("%s/d/f", p->b), "contents"));
	ASSERT_EQ(0, ERR(chdir(path("%s/d", p->v))));
	ASSERT_NE(NULL, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ(path("%s/d", p->v), cwd);
	ASSERT_EQ(0, ERR(chdir("..")));
	ASSERT_NE(NULL, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ(p->v, cwd);
	ASSERT_EQ(0, ERR(chdir("..")));
	ASSERT_NE(NULL, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ(p->top, cwd);
	fd = open(f, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_STREQ(f, get_link(path("/proc/self/fd/%d", fd)));
	map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	maps = fopen("/proc/self/maps", "re");
	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps)) {
		char *at = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		if (at && !strcmp(at, f))
			found = true;
		EXPECT_EQ(NULL, at ? strstr(at, path("%s/d/f", p->b)) : NULL)
			TH_LOG("%s", line);
	}
	fclose(maps);
	EXPECT_TRUE(found);
	munmap(map, 4096);
	close(fd);
}

TEST_HARNESS_MAIN
