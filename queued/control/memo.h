/*
 * What a command found out about things that have handles (queues, domains), so that a walk over a million recipients asks
 * it once of each: a byte a handle. Whoever gives a handle back says so, and what was known of it is forgotten in every
 * memo. It knows nothing of what was asked.
 */
#ifndef PH_QUEUED_CONTROL_MEMO_H
#define PH_QUEUED_CONTROL_MEMO_H

#include <stdint.h>
#include <sys/queue.h>

enum memo_of { MEMO_QUEUES, MEMO_DOMAINS, MEMO_OF_MAX };
enum memo_says { MEMO_UNKNOWN, MEMO_NO, MEMO_YES };

/* all zero: not begun, and good for memo_clear() */
struct memo {
	LIST_ENTRY(memo) link;
	uint8_t *says; /* enum memo_says, by handle; NULL: not begun */
	uint32_t n;
};

void memo_begin(struct memo *m, enum memo_of of);
void memo_clear(struct memo *m);
static inline enum memo_says
memo_get(const struct memo *m, uint32_t handle)
{
	return handle < m->n ? (enum memo_says)m->says[handle] : MEMO_UNKNOWN;
}
/* Gives back what it was told. */
enum memo_says memo_set(struct memo *m, uint32_t handle, enum memo_says says);

/* The handle is free: the next that has it is another. */
void memo_forget(enum memo_of of, uint32_t handle);

#endif
