/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmarks have in common. */
#ifndef SELFTESTS_BENCH_H
#define SELFTESTS_BENCH_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ends the program, with errno as the reason. */
static inline void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(1);
}

/* In ns, which are instructions in a machine that counts. */
static inline long long clock_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline long long now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

#endif /* SELFTESTS_BENCH_H */
