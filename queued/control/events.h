/*
 * The last errors of a queue, for `show queues --errors` and for explain: as many as max-events-recorded says. A queue
 * without errors has none.
 */
#ifndef PH_QUEUED_CONTROL_EVENTS_H
#define PH_QUEUED_CONTROL_EVENTS_H

#include "lib/base/clock.h"
#include "lib/base/str.h"

struct queue;
struct event {
	struct wall when;
	char *text;
};
struct events {
	struct event *ring;
	uint32_t room;
	uint32_t n; /* ever */
};

void events_add(struct queue *q, struct str text);
/* The i-th from the newest, NULL when there is none. */
const struct event *events_last(const struct queue *q, uint32_t i);
void events_free(struct queue *q);

#endif
