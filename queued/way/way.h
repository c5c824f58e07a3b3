/*
 * The way that a queue's next connection goes: to which of its hosts, from which of its source addresses. Of those
 * that may be used it takes one that no limit of host, destination or source address forbids.
 */
#ifndef PH_QUEUED_WAY_WAY_H
#define PH_QUEUED_WAY_WAY_H

#include "lib/conf/conf.h"
#include "queued/queue.h"

struct route_host;

struct way {
	struct route_host *host;
	struct conf_source_host src;
	uint32_t source;		    /* in the queue's `from`, 0: nothing limits it */
	struct limit *to_host, *to_address; /* of target.h, NULL: none */
};

enum way_found {
	WAY_FOUND,
	WAY_NO_HOST,   /* all have failed lately */
	WAY_NO_SOURCE, /* no source address of the family */
	WAY_LIMITED    /* q->bound or q->waits_for says by what */
};
enum way_found way_find(struct queue *q, struct way *w);

#endif
