/*
 * Suppressed recipients: nearly all are told to be none by the filters in memory; the others are taken out of their
 * queue, and bounced is asked. Whoever may be suppressed is never tried before bounced said no; those that are end with
 * a bounce that names the list.
 */
#ifndef PH_QUEUED_END_SUPPRESS_H
#define PH_QUEUED_END_SUPPRESS_H

#include "lib/ipc/ipc.h"
#include "queued/queue.h"

/* From master; takes fd. */
void suppress_take_filter(uint32_t index, int fd);
/* Filters will come: until then nothing is sent. */
void suppress_await(void);
bool suppress_is_ready(void);
/* A recipient came in: what is kept of its address. */
void suppress_note(struct rcpt *r, struct str address);
/* What suppress_note() notes; 0: not known. In any case of letters. */
uint32_t suppress_hash(struct str address);
/* It stands in front of its queue. True: it may not be tried now, and stands there no more. */
bool suppress_stops(struct queue *q, uint32_t rcpt);
/* A new bounced has come: what has no answer is asked again. */
void suppress_ask_again(void);
/* From bounced. */
void suppress_answered(const struct ipc_msg *m);

#endif
