/*
 * What all processes of injectd share: a piece of memory that master makes once. It holds counts, nothing that a
 * client has sent, and nothing that anybody's safety rests on.
 */
#ifndef PH_INJECTD_BOARD_H
#define PH_INJECTD_BOARD_H

#include "lib/auth/lockout.h"
#include "injectd/slots.h"
#include "lib/ipc/structs.h"

struct board {
	struct slots_board slots;
	struct lockout failures;
};
_Static_assert(sizeof(struct board) <= IPC_BOARD_BYTES, "the board has room");

/* Maps it; takes fd; fatal. */
struct board *board_map(int fd);

#endif
