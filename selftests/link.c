// SPDX-License-Identifier: GPL-2.0
/*
 * Links for the tests of the filesystem, made through the library.
 */
#include <bindlink.h>

#include "place.h"

void place_dump_mounts(FILE *out);

/* One handle for the process; it has no state that a fork would share. */
static struct bindlink *handle(void)
{
	static struct bindlink *h;

	if (!h && bindlink_open(&h)) {
		fprintf(stderr, "# no handle\n");
		abort();
	}
	return h;
}

static char why[1024];

static int answer(int err)
{
	snprintf(why, sizeof(why), "%s", bindlink_message(handle()));
	return err;
}

const char *link_why(void)
{
	return why;
}

int link_make_flags(const char *virt, const char *back, uint32_t flags,
		    const char *const *except, unsigned int n)
{
	return answer(bindlink_create(handle(), virt, back, flags, except, n));
}

int link_make(const char *virt, const char *back)
{
	return link_make_flags(virt, back, 0, NULL, 0);
}

int link_drop(const char *virt)
{
	return answer(bindlink_remove(handle(), virt));
}

/* The table as the dump has it; no answer is no empty table. */
static struct bindlink_iterator *table(void)
{
	struct bindlink_iterator *all;
	int err = bindlink_list(handle(), &all);

	if (!err)
		return all;
	fprintf(stderr, "# the links cannot be listed: %s\n",
		bindlink_message(handle()));
	return NULL;
}

const char *link_listed(const char *virt)
{
	struct bindlink_iterator *all = table();
	const struct bindlink_link *l;
	const char *found = "!ENOENT";

	if (!all)
		return "!the links cannot be listed";
	while ((l = bindlink_iterator_next(all)))
		if (!strcmp(bindlink_link_virtual(l), virt))
			found = path("%s", bindlink_link_backing(l));
	bindlink_iterator_free(all);
	return found;
}

int link_count(const char *dir)
{
	struct bindlink_iterator *all = table();
	const struct bindlink_link *l;
	size_t len = dir ? strlen(dir) : 0;
	int n = 0;

	if (!all)
		return -1;
	while ((l = bindlink_iterator_next(all))) {
		const char *virt = bindlink_link_virtual(l);

		n += !dir || (!strncmp(virt, dir, len) &&
			      (!virt[len] || virt[len] == '/'));
	}
	bindlink_iterator_free(all);
	return n;
}

const char *state(void)
{
	struct bindlink_iterator *all = table();
	const struct bindlink_link *l;
	const char *result;
	char *text = NULL;
	size_t size;
	FILE *out;

	out = open_memstream(&text, &size);
	if (!out)
		abort();
	if (!all)
		fprintf(out, "the links cannot be listed\n");
	while (all && (l = bindlink_iterator_next(all)))
		fprintf(out, "link %ju %s %s %x\n",
			(uintmax_t)bindlink_link_id(l),
			bindlink_link_virtual(l), bindlink_link_backing(l),
			bindlink_link_flags(l));
	bindlink_iterator_free(all);
	place_dump_mounts(out);
	fclose(out);
	result = path("%s", text);
	free(text);
	return result;
}
