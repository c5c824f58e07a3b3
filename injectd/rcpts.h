/*
 * What becomes of a message's recipients once everything is chosen: aliases, the postmaster, the copy that bcc wants.
 */
#ifndef PH_INJECTD_RCPTS_H
#define PH_INJECTD_RCPTS_H

#include "injectd/txn.h"

#define RCPTS_MAX_FORWARDS 10 /* of aliases that lead to aliases */

/* Rewrites t->rcpts and their number. Too many: t->fault (452 4.5.3). */
void rcpts_finish(struct txn *t);

#endif
