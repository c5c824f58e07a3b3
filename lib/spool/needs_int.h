/*
 * For one done-log file: which segments and queue files still need its lines, and how many lines each. Keys are made
 * by need_key(); a table that grows, nothing more.
 */
#ifndef PH_SPOOL_NEEDS_INT_H
#define PH_SPOOL_NEEDS_INT_H

#include "lib/spool/done_int.h"

struct need {
	uint64_t key; /* 0: free */
	uint32_t n_lines;
	uint32_t pad;
};
struct needs {
	struct need *slot;
	size_t n_slots; /* a power of two, or 0 */
	size_t n_keys;
	size_t n_lines; /* of all keys */
};

/* Of the holder of a recipient's line: its segment, or its queue file (the message's id). */
uint64_t need_key(const struct done_line *l);
uint64_t need_key_segment(uint32_t writer, uint32_t generation);

void needs_add(struct needs *n, uint64_t key);
bool needs_has(const struct needs *n, uint64_t key);
/* Nothing when it is not there. */
void needs_remove(struct needs *n, uint64_t key);
void needs_copy(struct needs *to, const struct needs *from);
void needs_clear(struct needs *n);

#endif
