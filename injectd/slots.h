/*
 * Slots for connections: how many clients all processes together may serve (total-max-smtp-in), how many of a
 * <source-group>, and how many are kept for one. Each process writes its own counts into memory that they share and
 * adds up everybody's. Never more than the limit are taken, and of those that reach for the last one at the same
 * instant one gets it.
 */
#ifndef PH_INJECTD_SLOTS_H
#define PH_INJECTD_SLOTS_H

#include <stdatomic.h>

#include "lib/conf/conf.h"

#define SLOTS_PROCESSES 15
#define SLOTS_GROUPS	64

struct slots_group {
	_Atomic uint64_t key; /* of the name; 0: free */
	_Atomic uint32_t n[SLOTS_PROCESSES];
};
/* shared */
struct slots_board {
	_Atomic uint32_t n[SLOTS_PROCESSES];
	struct slots_group groups[SLOTS_GROUPS];
};

/* What the configuration says of a group. */
struct slots_limit {
	uint64_t key;
	uint64_t max, reserved;
	uint32_t group; /* in the board */
};
struct slots {
	struct slots_board *board;
	uint32_t process;
	uint64_t total;
	struct slots_limit limits[SLOTS_GROUPS];
	size_t n_limits;
};
/* What a connection holds: 0 nothing, 1 a slot, 2 and up a slot of group - 2. */
typedef uint32_t slot_t;

/* Forgets what an earlier process of this number had. The board is borrowed for ever. */
void slots_init(struct slots *s, struct slots_board *board, uint32_t process);
/* False: there are more groups than can be counted. */
bool slots_use_conf(struct slots *s, const struct conf *c);

/* Is anything free at all? */
bool slots_any(const struct slots *s);
/* For a client of that group (empty: of none). 0: none may be had now. */
slot_t slots_take(struct slots *s, struct str group);
void slots_give_back(struct slots *s, slot_t slot);

#endif
