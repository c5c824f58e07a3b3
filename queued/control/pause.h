/*
 * What the operator paused: queues by pattern, jobs and VirtualMTAs by name. It is kept in spool/state/pauses, so
 * that a restart does not set going what a person stopped.
 */
#ifndef PH_QUEUED_CONTROL_PAUSE_H
#define PH_QUEUED_CONTROL_PAUSE_H

#include "lib/base/str.h"
#include "lib/base/why.h"

enum pause_kind { PAUSE_QUEUE = 'q', PAUSE_JOB = 'j', PAUSE_VMTA = 'v' };

/* Reads the file; a missing one is fine. */
int pause_load(int spool_fd, struct why *why) PH_MUST_CHECK;
/* Is this queue (domain/vmta) paused by name or pattern? */
bool pause_covers(struct str queue);
/*
 * Adds or removes an entry, makes it durable, and applies it to what is there, a piece a turn of the loop where there are
 * many queues. -1: not durable, nothing changed.
 */
int pause_set(enum pause_kind kind, struct str what, bool on, struct why *why) PH_MUST_CHECK;
/* The number of the last that was set, and whether all queues are as that one and those before it say. */
uint64_t pause_last(void);
bool pause_is_done(uint64_t number);
/* `*` and `?` wildcards, without ASCII case; "domain" alone stands for domain/ any VirtualMTA. */
bool pause_match(struct str pattern, struct str queue);
/* The same wildcards over the whole of any text. */
bool pause_glob(struct str pattern, struct str s);

#endif
