// SPDX-License-Identifier: GPL-2.0
/*
 * Having each allocation fail that an operation makes, and what it takes to
 * see what comes of it.
 */
#include "fault.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"

bool faults_possible(void)
{
	return !access("/proc/self/fail-nth", F_OK) && !access(FAILSLAB, F_OK);
}

/* Where the module's code is, so that only what it calls can fail. */
static int only_the_module(bool only)
{
	unsigned long start, size = 0;
	char name[64];
	FILE *in;
	int err;

	if (!only)
		return write_text(FAILSLAB "require-start", "0") ?:
		       write_text(FAILSLAB "require-end",
				  "0xffffffffffffffff");
	if (sscanf(get("/sys/module/bindlink/sections/.text"), "%lx",
		   &start) != 1)
		return ENOENT;
	in = fopen("/proc/modules", "re");
	while (in && fscanf(in, "%63s %lu %*[^\n]", name, &size) == 2)
		if (!strcmp(name, "bindlink"))
			break;
	if (in)
		fclose(in);
	err = write_text(FAILSLAB "require-start", path("%#lx", start));
	return err ?: write_text(FAILSLAB "require-end",
				 path("%#lx", start + size));
}

const char *faults_make(struct faults *f, const char *fs, bool module_only)
{
	umask(022);
	f->nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	/* Those that may sleep too, which are most of them. */
	if (f->nth < 0 || write_text(FAILSLAB "ignore-gfp-wait", "N") ||
	    write_text(FAILSLAB "verbose", "0"))
		return "no fault injection";
	if (only_the_module(module_only))
		return "no filter by stack trace in this kernel";
	snprintf(f->lanes, sizeof(f->lanes), "%s", lanes_allow("0"));
	return place_make(&f->p, fs, fs);
}

const char *faults_drop(struct faults *f)
{
	faults_nowhere();
	only_the_module(false);
	if (*f->lanes)
		lanes_allow(f->lanes);
	return place_drop(&f->p);
}

bool faults_anywhere(unsigned int bytes)
{
	return !write_text(FAILSLAB "task-filter", "N") &&
	       !write_text(FAILSLAB "interval", "1") &&
	       !write_text(FAILSLAB "times", "1") &&
	       !write_text(FAILSLAB "space", path("%u", bytes)) &&
	       !write_text(FAILSLAB "probability", "100");
}

bool faults_happened(void)
{
	return !atoi(get(FAILSLAB "times"));
}

void faults_nowhere(void)
{
	write_text(FAILSLAB "probability", "0");
}

bool faults_begin(struct faults *f, unsigned int n)
{
	return dprintf(f->nth, "%u", n) > 0;
}

bool faults_end(struct faults *f)
{
	int left;

	/*
	 * Copying the answer may be what fails, and then the operation had got
	 * through.
	 */
	memset(f->seen, 0, sizeof(f->seen));
	left = pread(f->nth, f->seen, sizeof(f->seen) - 1, 0) > 0 ?
	       atoi(f->seen) : 1;
	while (dprintf(f->nth, "0") < 0)
		;
	return left > 0;
}

/*
 * Errors that a failed allocation, or a failed copy from or to a user, may
 * cause; the kernel says ENFILE where there is no memory for a file, and ENOLCK
 * for a lock.
 */
bool excused(int err)
{
	return !err || err == ENOMEM || err == EFAULT || err == ENOBUFS ||
	       err == EIO || err == ENOSPC || err == EAGAIN || err == ENFILE ||
	       err == ENOLCK;
}

int only(int err, int wanted)
{
	return err == wanted ? 0 : err ?: WRONG;
}

const char *raw_of(const struct place *p, const char *dir)
{
	const char *at = path("%s/raw", p->top);

	if (mkdir(at, 0755) || mount(dir, at, NULL, MS_BIND, NULL) ||
	    mount(NULL, at, NULL, MS_PRIVATE, NULL))
		return NULL;
	return at;
}

bool is_dir(const char *at)
{
	struct stat sb;

	return at && !lstat(at, &sb) && S_ISDIR(sb.st_mode);
}

void list_add(struct list *list, const char *name, bool once)
{
	int i;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	for (i = 0; i < list->n && once; i++)
		if (!strcmp(list->names[i], name))
			return;
	for (i = list->n; i && strcmp(list->names[i - 1], name) > 0; i--)
		list->names[i] = list->names[i - 1];
	list->names[i] = name;
	if (++list->n == MOST_NAMES)
		abort();
}

int list_fd(struct list *list, int fd)
{
	static char entries[16384] __attribute__((aligned(8)));
	struct dirent64 *d;
	ssize_t n, size = 0, at;
	int err = 0;

	list->n = 0;
	/* After an error that came late there may be more. */
	while ((n = getdents64(fd, entries + size, sizeof(entries) - size)) > 0)
		size += n;
	if (n < 0)
		err = errno;
	for (at = 0; at < size; at += d->d_reclen) {
		d = (struct dirent64 *)(entries + at);
		list_add(list, d->d_name, false);
	}
	return err;
}

int list_dir(struct list *list, const char *dir)
{
	int fd, err;

	list->n = 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	err = list_fd(list, fd);
	close(fd);
	return err;
}

bool list_same(const struct list *a, const struct list *b)
{
	int i;

	for (i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->names[i], b->names[i]))
			return false;
	return a->n == b->n;
}
