// SPDX-License-Identifier: GPL-2.0
/*
 * Places to test in, and the file operations that every test needs.
 */
#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>

#include "place.h"

/*
 * Answers are never freed: a test is a short-lived process, and a name that a
 * test keeps has to stay what it is.
 */
static char *slot(char *text)
{
	if (!text) {
		fprintf(stderr, "# out of memory\n");
		abort();
	}
	return text;
}

const char *path(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return slot(text);
}

static const char *failed(void)
{
	const char *name = strerrorname_np(errno);

	return path("!%s", name ?: "EUNKNOWN");
}

const char *get(const char *file)
{
	size_t size = 0, room = 4096;
	char *text;
	ssize_t n;
	int fd;

	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return failed();
	text = malloc(room + 1);
	while (text && (n = read(fd, text + size, room - size)) > 0) {
		size += n;
		if (size == room) {
			room *= 2;
			text = realloc(text, room + 1);
		}
	}
	if (text && n < 0) {
		int err = errno;

		free(text);
		close(fd);
		errno = err;
		return failed();
	}
	close(fd);
	if (text)
		text[size] = '\0';
	return slot(text);
}

const char *get_link(const char *file)
{
	char buf[PATH_MAX];
	ssize_t n = readlink(file, buf, sizeof(buf) - 1);

	if (n < 0)
		return failed();
	buf[n] = '\0';
	return path("%s", buf);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in @dir, sorted, or NULL with errno. */
static char **list(const char *dir, size_t *count)
{
	char **all = NULL;
	struct dirent *d;
	size_t n = 0;
	DIR *stream;

	*count = 0;
	stream = opendir(dir);
	if (!stream)
		return NULL;
	while (errno = 0, (d = readdir(stream))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (!(n & 63))
			all = realloc(all, (n + 64) * sizeof(*all));
		all[n++] = strdup(d->d_name);
	}
	if (errno) {
		int err = errno;

		while (n)
			free(all[--n]);
		free(all);
		closedir(stream);
		errno = err;
		return NULL;
	}
	closedir(stream);
	if (!all)
		all = malloc(sizeof(*all));
	qsort(all, n, sizeof(*all), by_name);
	*count = n;
	return all;
}

const char *names(const char *dir)
{
	size_t n, i, size = 1;
	char **all, *text;

	all = list(dir, &n);
	if (!all)
		return failed();
	for (i = 0; i < n; i++)
		size += strlen(all[i]) + 1;
	text = malloc(size);
	*text = '\0';
	for (i = 0; i < n; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, all[i]);
		free(all[i]);
	}
	free(all);
	return slot(text);
}

static const char *facts_at(const char *file, int flags)
{
	struct stat st;

	if (fstatat(AT_FDCWD, file, &st, flags) < 0)
		return failed();
	return path("dev %x:%x ino %ju mode %o nlink %ju uid %u gid %u rdev %x:%x size %jd blocks %jd bsize %jd mtime %jd.%09ld ctime %jd.%09ld",
		    major(st.st_dev), minor(st.st_dev), (uintmax_t)st.st_ino,
		    st.st_mode, (uintmax_t)st.st_nlink, st.st_uid, st.st_gid,
		    major(st.st_rdev), minor(st.st_rdev), (intmax_t)st.st_size,
		    (intmax_t)st.st_blocks, (intmax_t)st.st_blksize,
		    (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		    (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

const char *facts(const char *file)
{
	return facts_at(file, 0);
}

const char *lfacts(const char *file)
{
	return facts_at(file, AT_SYMLINK_NOFOLLOW);
}

/* Extended attributes in the order of their names. */
static void tree_xattrs(FILE *out, const char *file)
{
	char buf[4096], value[4096], *all[128];
	size_t n = 0, i;
	ssize_t size, got;
	char *p;

	size = llistxattr(file, buf, sizeof(buf));
	if (size < 0) {
		if (errno != EOPNOTSUPP)
			fprintf(out, " xattr!%s", strerrorname_np(errno));
		return;
	}
	for (p = buf; p < buf + size && n < 128; p += strlen(p) + 1)
		all[n++] = p;
	qsort(all, n, sizeof(*all), by_name);
	for (i = 0; i < n; i++) {
		got = lgetxattr(file, all[i], value, sizeof(value));
		fprintf(out, " %s=", all[i]);
		if (got < 0)
			fprintf(out, "!%s", strerrorname_np(errno));
		for (p = value; got > 0 && p < value + got; p++)
			fprintf(out, "%02x", (unsigned char)*p);
	}
}

static void tree_one(FILE *out, const char *file, const char *name,
		     bool with_ids)
{
	struct stat st;
	char **all;
	size_t n, i;

	fprintf(out, "%s", name);
	if (lstat(file, &st) < 0) {
		fprintf(out, " !%s\n", strerrorname_np(errno));
		return;
	}
	fprintf(out, " %o %u:%u", st.st_mode, st.st_uid, st.st_gid);
	if (!S_ISDIR(st.st_mode))
		fprintf(out, " n%ju s%jd", (uintmax_t)st.st_nlink,
			(intmax_t)st.st_size);
	if (with_ids)
		fprintf(out, " %ju:%ju", (uintmax_t)st.st_dev,
			(uintmax_t)st.st_ino);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		fprintf(out, " %u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode))
		fprintf(out, " -> %s", get_link(file));
	if (S_ISREG(st.st_mode)) {
		uint64_t hash = 14695981039346656037ULL;
		unsigned char buf[8192];
		ssize_t got = -1;
		int fd;

		fd = open(file, O_RDONLY | O_CLOEXEC);
		while (fd >= 0 && (got = read(fd, buf, sizeof(buf))) > 0)
			for (i = 0; i < (size_t)got; i++)
				hash = (hash ^ buf[i]) * 1099511628211ULL;
		if (got < 0)
			fprintf(out, " !%s", strerrorname_np(errno));
		else
			fprintf(out, " %016jx", (uintmax_t)hash);
		if (fd >= 0)
			close(fd);
	}
	tree_xattrs(out, file);
	fprintf(out, "\n");
	if (!S_ISDIR(st.st_mode))
		return;
	all = list(file, &n);
	if (!all) {
		fprintf(out, "%s/ !%s\n", name, strerrorname_np(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		char *below, *label;

		if (asprintf(&below, "%s/%s", file, all[i]) < 0 ||
		    asprintf(&label, "%s/%s", name, all[i]) < 0)
			abort();
		tree_one(out, below, label, with_ids);
		free(below);
		free(label);
		free(all[i]);
	}
	free(all);
}

char *tree(const char *dir, bool with_ids)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	tree_one(out, dir, "", with_ids);
	fclose(out);
	return text;
}

static int put_flags(const char *file, const char *text, int flags)
{
	size_t len = strlen(text);
	int fd, err = 0;

	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int put(const char *file, const char *text)
{
	return put_flags(file, text, O_TRUNC);
}

int write_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

int add(const char *file, const char *text)
{
	return put_flags(file, text, O_APPEND);
}

static int make_socket(const char *at)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, };
	int fd, err = 0;

	if (strlen(at) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, at);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	close(fd);
	return err;
}

int make_kind(const char *at, char kind, const char *text)
{
	switch (kind) {
	case '-':
		return 0;
	case 'f':
		return put(at, text);
	case 'd':
		return -ERR(mkdir(at, 0755)) ?: put(path("%s/in", at), text);
	case 'l':
		return -ERR(symlink("nowhere", at));
	case 'p':
		return -ERR(mkfifo(at, 0644));
	case 'c':
		return -ERR(mknod(at, S_IFCHR | 0666, makedev(1, 3)));
	case 's':
		return make_socket(at);
	}
	return -EINVAL;
}

int copy(const char *from, const char *to, mode_t mode)
{
	char buf[65536];
	ssize_t n = 0;
	int in, out;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0) {
		close(in);
		return -errno;
	}
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n) {
			n = -1;
			break;
		}
	if (!n && fchmod(out, mode) < 0)
		n = -1;
	close(in);
	if (close(out) < 0)
		n = -1;
	return n < 0 ? -errno : 0;
}

static int rm_one(const char *file, const struct stat *st, int flag,
		  struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(file);
}

int rm_rf(const char *dir)
{
	int err = nftw(dir, rm_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	return err < 0 && errno != ENOENT ? -errno : 0;
}

int64_t free_kib(const char *at)
{
	struct statvfs st;

	sync();
	return statvfs(at, &st) ? -1 :
	       (int64_t)(st.f_bfree * (st.f_frsize / 512) / 2);
}

int err_open(const char *file, int flags)
{
	int fd = open(file, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

pid_t fork_user(uid_t uid)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		_exit(255);
	return 0;
}

int reap(pid_t pid)
{
	int status;

	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   256 + WTERMSIG(status);
}

bool usual(int err)
{
	return !err || err == ENOENT || err == ENOTDIR || err == EISDIR ||
	       err == ELOOP || err == EEXIST || err == ENOTEMPTY ||
	       err == EINVAL || err == ENXIO;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

int run(const char *prog, ...)
{
	const char *argv[32] = { prog, };
	int i = 0, null;
	va_list ap;
	pid_t pid;

	va_start(ap, prog);
	while (argv[i] && i < 31)
		argv[++i] = va_arg(ap, const char *);
	va_end(ap);
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(prog, (char *const *)argv);
		_exit(127);
	}
	return reap(pid);
}

unsigned int scaled(unsigned int n)
{
	const char *scale = getenv("BINDLINK_SCALE");
	unsigned int percent = scale ? atoi(scale) : 100;

	n = (uint64_t)n * percent / 100;
	return n ?: 1;
}

uint32_t rnd(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) >> 16;
}

uint64_t rnd_seed(void)
{
	const char *given = getenv("BINDLINK_SEED");
	struct timespec now;

	if (given)
		return strtoull(given, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000007ULL ^ (uint64_t)now.tv_nsec ^
	       (uint64_t)getpid() << 40;
}

bool same_inode(const char *a, const char *b)
{
	struct stat sa, sb;

	return !lstat(a, &sa) && !lstat(b, &sb) &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

ino_t ino_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) ? 0 : st.st_ino;
}

/* A line of mountinfo. */
struct mount_line {
	uint64_t id;
	const char *point, *type, *source;
};

/* Calls @fn with each mount of this namespace that is within reach. */
static void each_mount(void (*fn)(const struct mount_line *m, void *data),
		       void *data)
{
	char *line = NULL, *rest, *save;
	size_t room = 0;
	FILE *in;

	in = fopen("/proc/self/mountinfo", "re");
	if (!in)
		abort();
	while (getline(&line, &room, in) > 0) {
		struct mount_line m = { .id = strtoull(line, NULL, 10) };
		int i;

		rest = strstr(line, " - ");
		if (!rest)
			continue;
		*rest = '\0';
		m.type = strtok_r(rest + 3, " ", &save);
		m.source = strtok_r(NULL, " ", &save);
		m.point = strtok_r(line, " ", &save);
		for (i = 0; i < 4 && m.point; i++)
			m.point = strtok_r(NULL, " ", &save);
		if (m.point && m.source)
			fn(&m, data);
	}
	free(line);
	fclose(in);
}

struct mounts {
	const char *at;
	const char *type;
	int exact, count;
	FILE *dump;
};

static void mount_seen(const struct mount_line *line, void *data)
{
	bool tree = !strcmp(line->type, "bindlink");
	struct mounts *m = data;
	size_t len;

	if (m->dump && tree)
		fprintf(m->dump, "mount %s\n", line->point);
	len = m->at ? strlen(m->at) : 0;
	if (m->at && (strncmp(line->point, m->at, len) ||
		      (line->point[len] && line->point[len] != '/')))
		return;
	m->count += !m->type || !strcmp(line->type, m->type);
	if (m->at && !line->point[len] && tree)
		m->exact++;
}

int mounted(const char *at)
{
	struct mounts m = { .at = at, };

	each_mount(mount_seen, &m);
	return m.exact;
}

int mount_count(const char *dir, const char *type)
{
	struct mounts m = { .at = dir, .type = type, };

	each_mount(mount_seen, &m);
	return m.count;
}

/* The mounts as text, for state(). */
void place_dump_mounts(FILE *out)
{
	struct mounts m = { .dump = out, };

	each_mount(mount_seen, &m);
}

/* Lanes, which are told by their source and their type: at @at, or that with @id. */
struct lanes {
	const char *at;
	uint64_t id;
	int count;
};

static void lane_seen(const struct mount_line *line, void *data)
{
	struct lanes *lanes = data;

	lanes->count += strcmp(line->type, "bindlink") &&
			!strcmp(line->source, "bindlink") &&
			(lanes->at ? !strcmp(line->point, lanes->at) :
				     line->id == lanes->id);
}

bool at_in_lane(int dir, const char *file)
{
	struct lanes lanes = {};
	struct statx st;

	if (statx(dir, file, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_MNT_ID,
		  &st))
		return false;
	lanes.id = st.stx_mnt_id;
	each_mount(lane_seen, &lanes);
	return lanes.count > 0;
}

bool in_lane(const char *file)
{
	return at_in_lane(AT_FDCWD, file);
}

int lanes_at(const char *virt)
{
	struct lanes lanes = { .at = virt };

	each_mount(lane_seen, &lanes);
	return lanes.count;
}

/* A parameter of the module, and what it was; NULL leaves it. */
static const char *parameter(const char *name, const char *value)
{
	const char *file = path("/sys/module/bindlink/parameters/%s", name);
	const char *text = get(file);
	int err = value ? write_text(file, value) : 0;

	if (err) {
		fprintf(stderr, "# %s: %s\n", file, strerror(err));
		abort();
	}
	return path("%.*s", (int)strcspn(text, "\n"), text);
}

const char *lanes_allow(const char *most)
{
	return parameter("lanes", most);
}

bool lanes_allowed(void)
{
	return strcmp(parameter("lanes", NULL), "0");
}

const char *lanes_delay(const char *ms)
{
	return parameter("lane_delay", ms);
}

struct points {
	const char *top;
	char *all[1024];
	int n;
};

static void point_seen(const struct mount_line *line, void *data)
{
	struct points *all = data;
	size_t len = strlen(all->top);

	if (!strncmp(line->point, all->top, len) &&
	    (!line->point[len] || line->point[len] == '/') && all->n < 1024)
		all->all[all->n++] = strdup(line->point);
}

/* Unmounts all at or below @top, the last one first.  How many are left. */
static int unmount_all(const char *top)
{
	struct points all = { .top = top, };
	int before = -1;

	/* One that is covered can be had when what covers it is gone. */
	for (;;) {
		all.n = 0;
		each_mount(point_seen, &all);
		if (!all.n || all.n == before)
			return all.n;
		before = all.n;
		while (all.n) {
			umount2(all.all[--all.n], MNT_DETACH);
			free(all.all[all.n]);
		}
	}
}

static const char *base_of(const char *kind)
{
	char name[32] = "BINDLINK_";
	size_t i, at = strlen(name);

	for (i = 0; kind[i]; i++)
		name[at + i] = kind[i] >= 'a' && kind[i] <= 'z' ?
				       kind[i] - 'a' + 'A' : kind[i];
	name[at + i] = '\0';
	return getenv(name);
}

const char *place_make(struct place *p, const char *virt, const char *back)
{
	const char *base = base_of(virt);

	memset(p, 0, sizeof(*p));
	if (!base)
		return path("no %s filesystem to test on", virt);
	if (strlen(base) > sizeof(p->top) - 20)
		return "the directory to test in has too long a name";
	sprintf(p->top, "%s/place.XXXXXX", base);
	if (!mkdtemp(p->top) || chmod(p->top, 0755))
		return path("%s: %s", p->top, strerror(errno));
	strcpy(p->back, p->top);
	if (strcmp(virt, back)) {
		base = base_of(back);
		if (!base) {
			rmdir(p->top);
			return path("no %s filesystem to test on", back);
		}
		sprintf(p->back, "%s/place.XXXXXX", base);
		if (!mkdtemp(p->back) || chmod(p->back, 0755)) {
			rmdir(p->top);
			return path("%s: %s", p->back, strerror(errno));
		}
	}
	sprintf(p->v, "%s/v", p->top);
	sprintf(p->b, "%s/b", p->back);
	return NULL;
}

/* Links and other mounts below @top go first, or the files below would not. */
static const char *clear(const char *top)
{
	int err;

	/* One that cannot be removed goes with its mount. */
	link_clear(top);
	if (unmount_all(top))
		return path("%s: mounts are left", top);
	if (link_count(top))
		return path("%s: links are left in the table", top);
	err = rm_rf(top);
	if (err)
		return path("%s: cannot be removed: %s", top, strerror(-err));
	return NULL;
}

const char *place_drop(struct place *p)
{
	const char *why, *more = NULL;

	if (chdir("/"))
		return "chdir";
	why = clear(p->top);
	if (strcmp(p->top, p->back))
		more = clear(p->back);
	if (why || more)
		fprintf(stderr, "# %s\n", why ?: more);
	return why ?: more;
}
