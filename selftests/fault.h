/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Having each allocation fail that an operation makes, and what it takes to
 * see what comes of it.
 */
#ifndef SELFTESTS_FAULT_H
#define SELFTESTS_FAULT_H

#include "place.h"

struct faults {
	struct place p;
	int nth;
	unsigned int turn;
	unsigned int step;
	unsigned int injected;
	char lanes[16];		/* so many were allowed before */
	char seen[80];
};

/* Whether the kernel has fault injection. */
bool faults_possible(void);
/*
 * @module_only: only those that happen below a function of the module fail. There
 * are no lanes: what is done is done by the tree, and each time the same.
 * Returns NULL, or why there can be no test.
 */
const char *faults_make(struct faults *f, const char *fs, bool module_only);
/* Removes the place. Returns as place_drop(). */
const char *faults_drop(struct faults *f);
/* From here on the @n-th allocation fails. */
bool faults_begin(struct faults *f, unsigned int n);
/* Whether none had to fail, because there were not so many. */
bool faults_end(struct faults *f);
/*
 * From here on, in all tasks, the allocation fails that comes after those of so
 * many bytes. For allocations that happen below a function of the module alone.
 */
bool faults_anywhere(unsigned int bytes);
/* Whether it has happened. */
bool faults_happened(void);
void faults_nowhere(void);
/* Whether a failed allocation may cause that error. */
bool excused(int err);

/* Another thing was found than there is. */
#define WRONG	EILSEQ

/* The one error that this is to end with, and no other. */
int only(int err, int wanted);

/* Another mount of @dir, upon which no tree is; NULL with errno. */
const char *raw_of(const struct place *p, const char *dir);
bool is_dir(const char *at);

#define MOST_NAMES	128

/* Names in their order. */
struct list {
	const char *names[MOST_NAMES];
	int n;
};

void list_add(struct list *list, const char *name, bool once);
/* What a listing says: 0 or errno.  @list is good until the next one. */
int list_dir(struct list *list, const char *dir);
int list_fd(struct list *list, int fd);
bool list_same(const struct list *a, const struct list *b);

#endif /* SELFTESTS_FAULT_H */
