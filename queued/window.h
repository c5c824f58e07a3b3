/*
 * Delivery windows of scheduled messages (x-schedule), kept once for all messages that have the same. Windows are wall
 * clock time: when the clock is set, they are where it says. It moves nothing; who waits is queue.c's.
 */
#ifndef PH_QUEUED_WINDOW_H
#define PH_QUEUED_WINDOW_H

#include "lib/base/str.h"
#include "queued/ticks.h"

/* Handle for the envelope's form of them (lib/mail/schedule.h), to be matched by window_put(); 0: none, or malformed. */
uint32_t window_get(struct str text);
void window_put(uint32_t windows);
/* May it be delivered now? */
bool window_is_open(uint32_t windows);
/* The first moment from `t` on in which it may be tried; when no window remains, `t`. */
struct tick window_from(uint32_t windows, struct tick t);
/* The end of the last one. */
struct tick window_end(uint32_t windows);
/* The envelope's form, borrowed. */
struct str window_text(uint32_t windows);

#endif
