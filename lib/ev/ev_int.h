/*
 * What the back ends share: the heap of timers and the list of deferred calls. Nothing outside of lib/ev may
 * include this.
 */
#ifndef PH_EV_EV_INT_H
#define PH_EV_EV_INT_H

#include "lib/ev/ev.h"

/* When the earliest timer is due; MONO_NEVER when none is armed. */
struct mono ev_timers_next(void);
/* Runs what is due at `now`; timers that the handlers arm wait for the next call. */
void ev_timers_run(struct mono now);
/* Forgets all timers without running them. */
void ev_timers_clear(void);

bool ev_deferred_any(void);
/* Runs the deferred calls, and those that they queue, within reason. */
void ev_deferred_run(void);
void ev_deferred_clear(void);

#endif
