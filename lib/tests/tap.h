/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static int tap_tests, tap_failures;

__attribute__((format(printf, 2, 3)))
static inline bool tap(bool good, const char *format, ...)
{
	va_list args;

	if (!tap_tests)
		puts("TAP version 13");
	printf("%sok %d - ", good ? "" : "not ", ++tap_tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	tap_failures += !good;
	return good;
}

static inline void tap_die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int tap_end(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failures ? 1 : 0;
}

#endif
