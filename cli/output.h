/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <json-c/json.h>

#include <bindlink.h>

#define PROGRAM "bindlinkctl"

void put_escaped(FILE *stream, const char *text);
size_t escaped_width(const char *text);

struct json_object *json_path(const char *path);
struct json_object *json_link(const struct bindlink_link *link);
struct json_object *json_links(const struct bindlink_link **links,
			       size_t count);
struct json_object *json_shown(const struct bindlink_link *link,
			       const struct bindlink_resolution *resolution);
struct json_object *json_resolution(const struct bindlink_resolution *resolution);
struct json_object *json_event(const char *event,
			       const struct bindlink_link *link);
void put_json(FILE *stream, struct json_object *object);

/* All the names there are, and a number. */
#define FLAGS_TEXT_SIZE	64

const char *flags_text(uint32_t flags, const char *none,
		       char text[FLAGS_TEXT_SIZE]);
const char *carrier_name(uint32_t carrier);

bool finish_output(bool json);
void report(bool json, int error, const char *path, const char *message);

#endif
