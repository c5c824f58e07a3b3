/*
 * How much went in and out lately: totals read once a second become last minute, last hour, and the most that either
 * ever was. It keeps 60 seconds and 60 minutes, knows neither clock nor pages, and never counts anything itself.
 */
#ifndef PH_QUEUED_CONTROL_TRAFFIC_H
#define PH_QUEUED_CONTROL_TRAFFIC_H

#include "lib/base/base.h"

#define TRAFFIC_SLOTS 60

enum traffic_column {
	TRAFFIC_IN_RCPTS,
	TRAFFIC_IN_MSGS,
	TRAFFIC_IN_BYTES,
	TRAFFIC_OUT_RCPTS,
	TRAFFIC_OUT_MSGS,
	TRAFFIC_OUT_BYTES,
	TRAFFIC_COLUMNS
};
struct traffic_sum {
	uint64_t v[TRAFFIC_COLUMNS];
};
/* a ring of the last 60 units of time, their sum, and the highest sums so far */
struct traffic_ring {
	struct traffic_sum slots[TRAFFIC_SLOTS], sum, top;
	int64_t now; /* the unit that is being filled */
};
struct traffic {
	struct traffic_sum base; /* the totals when counting began anew */
	struct traffic_sum last; /* the totals at the last look */
	struct traffic_ring minute, hour;
	bool began;
};

/* `totals` at that second; seconds may be skipped, never go back. The first call only takes the totals as they are. */
void traffic_look(struct traffic *t, int64_t second, const struct traffic_sum *totals);
/* Counting begins anew from these totals. */
void traffic_reset(struct traffic *t, int64_t second, const struct traffic_sum *totals);
/* What came since the beginning, or since the reset. */
struct traffic_sum traffic_total(const struct traffic *t);

#endif
