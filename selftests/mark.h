/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks for selftests/profile.c: no-operations that nothing else has.
 */
#ifndef SELFTESTS_MARK_H
#define SELFTESTS_MARK_H

enum {
	MARK_CLEAR = 0,		/* count from zero */
	MARK_BEGIN = 1,
	MARK_END = 2,
	MARK_DUMP = 3,		/* write down what was counted */
};

/* nopl 0x62646cNN(%rax) */
#define MARK(n)	asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0"	\
			     :: "i"(0x62646c00 + (n)) : "memory")

#endif /* SELFTESTS_MARK_H */
