/*
 * What became of recipients, for those who look: the last events of queues with track-recipient-events, and the
 * stream of events. Addresses lie on disk only, so they are read for a bounded number of events a second; what
 * comes above that is told without an address.
 */
#ifndef PH_QUEUED_CONTROL_HAPPEN_H
#define PH_QUEUED_CONTROL_HAPPEN_H

#include "queued/end/final.h"
#include "queued/control/tail.h"

#define RCPT_EVENTS 50

struct rcpt_event {
	struct wall when;
	uint8_t kind;				 /* enum tail_kind */
	char *rcpt, *job, *source, *host, *text; /* owned */
};
struct rcpt_events {
	struct rcpt_event ring[RCPT_EVENTS];
	uint32_t n; /* ever */
};

struct final;

/* An attempt of it failed, and it stays. */
void happen_deferred(struct queue *q, uint32_t rcpt, const struct final_facts *f);
/* The same, or its end, as the record says; while it is still there. */
void happen_recorded(enum tail_kind kind, struct queue *q, uint32_t rcpt, const struct final *f);
/* The i-th from the newest, NULL: there is none. */
const struct rcpt_event *happen_event(const struct queue *q, uint32_t i);
void happen_free(struct queue *q);

#endif
