// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How things are shown. A path is any bytes but NUL, and what is printed has
 * to stay one line and legible:
 *
 * For people, control characters and bytes that are not UTF-8 are shown as
 * \ooo (three octal digits) and a backslash as \\, so that printf '%b' gives
 * the path back. All else is as it is, spaces included.
 *
 * In JSON, a byte 0xNN that is not part of valid UTF-8 is \udcNN. Python's
 * os.fsencode() gives the path back from that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "output.h"

/*
 * Length of the UTF-8 sequence that @text begins with, 0 if it is not one.
 * Overlong ones, surrogates and what is past U+10FFFF are not.
 */
static size_t utf8_length(const unsigned char *text)
{
	unsigned char first = text[0], low = 0x80, high = 0xbf;
	size_t length;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		length = 2;
	else if (first >= 0xe0 && first <= 0xef)
		length = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		length = 4;
	else
		return 0;

	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return length;
}

/* C0, DEL and C1. */
static bool is_control(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f ||
	       (text[0] == 0xc2 && text[1] < 0xa0);
}

void put_escaped(FILE *stream, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = utf8_length(at);

		if (*at == '\\') {
			fputs("\\\\", stream);
			at++;
		} else if (length && !is_control(at)) {
			fwrite(at, 1, length, stream);
			at += length;
		} else {
			for (const unsigned char *end = at + (length ? length : 1);
			     at < end; at++)
				fprintf(stream, "\\%03o", *at);
		}
	}
}

/* Columns that put_escaped() takes, where a character takes one. */
size_t escaped_width(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t width = 0;

	while (*at) {
		size_t length = utf8_length(at);

		if (*at == '\\')
			width += 2;
		else if (length && !is_control(at))
			width++;
		else
			width += 4 * (length ? length : 1);
		at += length ? length : 1;
	}
	return width;
}

static int print_path(struct json_object *object, struct printbuf *buffer,
		      int level, int flags)
{
	const unsigned char *at =
		(const unsigned char *)json_object_get_string(object);
	char escape[8];

	(void)level;
	(void)flags;
	printbuf_memappend(buffer, "\"", 1);
	while (*at) {
		size_t length = utf8_length(at);

		if (!length)
			snprintf(escape, sizeof(escape), "\\udc%02x", *at);
		else if (*at < 0x20 || *at == 0x7f)
			snprintf(escape, sizeof(escape), "\\u%04x", *at);
		else if (*at == '"' || *at == '\\')
			snprintf(escape, sizeof(escape), "\\%c", *at);
		else
			escape[0] = '\0';

		if (escape[0]) {
			printbuf_memappend(buffer, escape, (int)strlen(escape));
			at++;
		} else {
			printbuf_memappend(buffer, (const char *)at,
					   (int)length);
			at += length;
		}
	}
	printbuf_memappend(buffer, "\"", 1);
	return 0;
}

static void *check(void *memory)
{
	if (!memory) {
		fputs(PROGRAM ": no memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

struct json_object *json_path(const char *path)
{
	struct json_object *object = check(json_object_new_string(path));

	json_object_set_serializer(object, print_path, NULL, NULL);
	return object;
}

static struct json_object *json_text(const char *text)
{
	return check(json_object_new_string(text));
}

static void add(struct json_object *object, const char *key,
		struct json_object *value)
{
	if (json_object_object_add(object, key, value))
		check(NULL);
}

static void append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		check(NULL);
}

static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
	{ BINDLINK_FLAG_READ_ONLY, "read-only" },
	{ BINDLINK_FLAG_MERGED, "merged" },
	{ BINDLINK_FLAG_NATIVE, "native" },
};

#define FLAG_COUNT	(sizeof(flag_names) / sizeof(flag_names[0]))

/* Flags, separated by commas, or @none; @text is what is returned. */
const char *flags_text(uint32_t flags, const char *none,
		       char text[FLAGS_TEXT_SIZE])
{
	char *end = text;

	if (!flags)
		return none;
	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (!(flags & flag_names[i].flag))
			continue;
		end += sprintf(end, "%s%s", end == text ? "" : ",",
			       flag_names[i].name);
		flags &= ~flag_names[i].flag;
	}
	if (flags)
		sprintf(end, "%s0x%" PRIx32, end == text ? "" : ",", flags);
	return text;
}

static struct json_object *json_flags(uint32_t flags)
{
	struct json_object *array = check(json_object_new_array());
	char number[16];

	for (size_t i = 0; i < FLAG_COUNT; i++) {
		if (!(flags & flag_names[i].flag))
			continue;
		append(array, json_text(flag_names[i].name));
		flags &= ~flag_names[i].flag;
	}
	if (flags) {
		snprintf(number, sizeof(number), "0x%" PRIx32, flags);
		append(array, json_text(number));
	}
	return array;
}

const char *carrier_name(uint32_t carrier)
{
	switch (carrier) {
	case BINDLINK_ATTACH_PATH:
		return "path";
	case BINDLINK_ATTACH_PARENT:
		return "parent";
	default:
		return "unknown";
	}
}

static void add_link(struct json_object *object,
		     const struct bindlink_link *link)
{
	dev_t dev = bindlink_link_dev(link);
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", major(dev), minor(dev));
	add(object, "id",
	    check(json_object_new_uint64(bindlink_link_id(link))));
	add(object, "virtual", json_path(bindlink_link_virtual(link)));
	add(object, "backing", json_path(bindlink_link_backing(link)));
	add(object, "flags", json_flags(bindlink_link_flags(link)));
	add(object, "carrier",
	    json_text(carrier_name(bindlink_link_carrier(link))));
	add(object, "carrier_path",
	    json_path(bindlink_link_carrier_path(link)));
	add(object, "dev", json_text(number));
}

static void add_exceptions(struct json_object *object,
			   const struct bindlink_link *link)
{
	struct json_object *array = check(json_object_new_array());

	for (size_t i = 0; i < bindlink_link_exception_count(link); i++)
		append(array, json_path(bindlink_link_exception(link, i)));
	add(object, "exceptions", array);
}

struct json_object *json_link(const struct bindlink_link *link)
{
	struct json_object *object = check(json_object_new_object());

	add_link(object, link);
	add_exceptions(object, link);
	return object;
}

struct json_object *json_links(const struct bindlink_link **links, size_t count)
{
	struct json_object *array = check(json_object_new_array());

	for (size_t i = 0; i < count; i++)
		append(array, json_link(links[i]));
	return array;
}

struct json_object *json_event(const char *event,
			       const struct bindlink_link *link)
{
	struct json_object *object = check(json_object_new_object());

	add(object, "event", json_text(event));
	if (link) {
		add_link(object, link);
		add_exceptions(object, link);
	}
	return object;
}

static struct json_object *json_error(int error, const char *path,
				      const char *message)
{
	struct json_object *object = check(json_object_new_object());
	const char *name = strerrorname_np(-error);

	add(object, "errno", name ? json_text(name) : NULL);
	add(object, "number", check(json_object_new_int(-error)));
	add(object, "path", path ? json_path(path) : NULL);
	add(object, "message", json_path(message));
	return object;
}

/* Where following leads now: real path or error, and the links on the way. */
static void add_way(struct json_object *object,
		    const struct bindlink_resolution *resolution)
{
	const char *real = bindlink_resolution_real_path(resolution);
	int error = bindlink_resolution_error(resolution);
	struct json_object *array = check(json_object_new_array());

	for (size_t i = 0; i < bindlink_resolution_via_count(resolution); i++)
		append(array, json_path(bindlink_resolution_via(resolution,
								i)));
	add(object, "real_path", real ? json_path(real) : NULL);
	add(object, "error", error ?
	    json_error(error, bindlink_resolution_path(resolution),
		       strerror(-error)) : NULL);
	add(object, "via", array);
}

/* A link, and where it leads to. */
struct json_object *json_shown(const struct bindlink_link *link,
			       const struct bindlink_resolution *resolution)
{
	struct json_object *object = json_link(link);
	bool mount_point = bindlink_link_carrier(link) == BINDLINK_ATTACH_PATH;

	add(object, "mount_point",
	    check(json_object_new_boolean(mount_point)));
	add_way(object, resolution);
	return object;
}

/* The link of a resolution is told without its exceptions. */
struct json_object *json_resolution(const struct bindlink_resolution *resolution)
{
	const struct bindlink_link *link = bindlink_resolution_link(resolution);
	struct json_object *object = check(json_object_new_object());
	struct json_object *inner = NULL;

	add(object, "path", json_path(bindlink_resolution_path(resolution)));
	add_way(object, resolution);
	if (link) {
		inner = check(json_object_new_object());
		add_link(inner, link);
	}
	add(object, "link", inner);
	return object;
}

/* On one line. Frees @object. */
void put_json(FILE *stream, struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object,
							  JSON_C_TO_STRING_PLAIN);

	fputs(check((void *)text), stream);
	fputc('\n', stream);
	json_object_put(object);
}

/**
 * report() - Say on standard error, in one line, what went wrong.
 * @json: as JSON
 * @error: negative errno
 * @path: what the user asked about, or NULL
 * @message: what bindlink_message() said, or a reason of our own
 */
void report(bool json, int error, const char *path, const char *message)
{
	const char *name = strerrorname_np(-error);
	const char *text = strerror(-error);
	struct json_object *object;

	if (!*message)
		message = text;
	if (json) {
		object = check(json_object_new_object());
		add(object, "error", json_error(error, path, message));
		put_json(stderr, object);
		return;
	}

	fputs(PROGRAM ": ", stderr);
	put_escaped(stderr, message);
	if (!name)
		fprintf(stderr, " (%s)\n", text);
	else if (strstr(message, text))
		fprintf(stderr, " (%s)\n", name);
	else
		fprintf(stderr, " (%s: %s)\n", name, text);
}

/* Whether all that was printed has gone where it should. */
bool finish_output(bool json)
{
	int error = 0;

	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		error = errno ? -errno : -EIO;
	if (error)
		report(json, error, NULL, "cannot write to standard output");
	return !error;
}
