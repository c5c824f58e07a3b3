/*
 * When each recipient that waits was first tried, where track-time-first-attempt asks for it: for accounting, and lost
 * with a restart, like the number of attempts. Where it is not asked for it costs nothing.
 */
#ifndef PH_QUEUED_FIRST_H
#define PH_QUEUED_FIRST_H

#include "lib/base/clock.h"

/* A transaction with it begins, */
void first_begins(uint32_t rcpt);
/* and it was not tried after all. */
void first_untried(uint32_t rcpt);
/* ns 0: not known */
struct wall first_when(uint32_t rcpt);
void first_forget(uint32_t rcpt);
/* After the start and each reload. */
void first_configure(void);

#endif
