/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Storms: what processes that change things, and processes that look at them,
 * have in common. Included by programs that include kselftest_harness.h.
 */
#ifndef SELFTESTS_WEATHER_H
#define SELFTESTS_WEATHER_H

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What all processes of a storm share. */
struct weather {
	atomic_int over;	/* those who look stop */
	atomic_int failed;	/* everybody stops */
	atomic_uint published;	/* version that everybody must see by now */
	atomic_ulong walks;	/* of those who look: to know that they did */
	atomic_ulong changes;	/* of the others */
	uint64_t until;		/* ms; those who change something stop */
	char what[1500];	/* first failure */
};

static inline struct weather *weather_new(void)
{
	struct weather *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (w == MAP_FAILED)
		abort();
	return w;
}

/* Says what is wrong, once for all, and ends the process. */
static void wrong(struct weather *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
static void wrong(struct weather *w, const char *fmt, ...)
{
	int none = 0;
	va_list ap;

	if (atomic_compare_exchange_strong(&w->failed, &none, 1)) {
		va_start(ap, fmt);
		vsnprintf(w->what, sizeof(w->what), fmt, ap);
		va_end(ap);
	}
	_exit(1);
}

static inline pid_t spawn(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* A test that ends early leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
	}
	return pid;
}

#define FINISHED(w, pids, n) do {					\
	unsigned int __i;						\
									\
	for (__i = 0; __i < (n); __i++)					\
		EXPECT_EQ(0, reap((pids)[__i]));			\
	EXPECT_EQ(0, (w)->failed)					\
		TH_LOG("%s", (w)->what);				\
} while (0)

#endif /* SELFTESTS_WEATHER_H */
