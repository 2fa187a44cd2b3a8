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

int link_make_opts(const char *virt, const char *back, uint32_t flags,
		   uint32_t attach, const char *const *except, unsigned int n)
{
	struct bindlink_create_options o = {
		.size = sizeof(o), .flags = flags, .attach = attach,
		.exceptions = except, .exception_count = n,
	};

	return answer(bindlink_create_opts(handle(), virt, back, &o));
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

int link_attach(const char *virt, const char *back, uint32_t attach)
{
	return link_make_opts(virt, back, 0, attach, NULL, 0);
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

const char *link_carrier(const char *virt)
{
	struct bindlink_link *l;
	uint32_t carrier;

	if (bindlink_get(handle(), virt, &l))
		return "!ENOENT";
	carrier = bindlink_link_carrier(l);
	bindlink_link_free(l);
	return carrier == BINDLINK_ATTACH_PATH ? "path" :
	       carrier == BINDLINK_ATTACH_PARENT ? "parent" : "neither";
}

static bool at_or_below(const char *file, const char *dir)
{
	size_t len = dir ? strlen(dir) : 0;

	return !dir || (!strncmp(file, dir, len) &&
			(!file[len] || file[len] == '/'));
}

int link_clear(const char *dir)
{
	struct bindlink_iterator *all;
	const struct bindlink_link *l;
	int err = 0, last = 0;
	const char *deepest;
	size_t len;

	/* What cannot be removed now can be, maybe, when others are gone. */
	do {
		len = 0;
		deepest = NULL;
		all = table();
		if (!all)
			return -EIO;
		while ((l = bindlink_iterator_next(all))) {
			const char *virt = bindlink_link_virtual(l);

			if (!at_or_below(virt, dir) || strlen(virt) <= len)
				continue;
			len = strlen(virt);
			deepest = virt;
		}
		if (deepest)
			deepest = path("%s", deepest);
		bindlink_iterator_free(all);
		if (!deepest)
			break;
		err = link_drop(deepest);
		if (err) {
			fprintf(stderr, "# %s\n", link_why());
			last = err;
		}
	} while (!err);
	return last;
}

int link_count(const char *dir)
{
	struct bindlink_iterator *all = table();
	const struct bindlink_link *l;
	int n = 0;

	if (!all)
		return -1;
	while ((l = bindlink_iterator_next(all)))
		n += at_or_below(bindlink_link_virtual(l), dir);
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
