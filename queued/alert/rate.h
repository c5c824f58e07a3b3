/*
 * Of each job and each VirtualMTA, what share of its deliveries bounced in the categories of alert-threshold, or was
 * complained about, within a window. Over the threshold: an alert, and where it says so the job is paused or the
 * VirtualMTA held. It keeps a bounded number of them; those without traffic for a window make room for others.
 */
#ifndef PH_QUEUED_ALERT_RATE_H
#define PH_QUEUED_ALERT_RATE_H

#include "lib/base/str.h"

struct queue;

/* A recipient of that queue and job (0: none) was delivered. */
void alert_rate_delivered(const struct queue *q, uint32_t job);
/* It bounced in that category. */
void alert_rate_bounced(const struct queue *q, uint32_t job, struct str category);
/* The same by names; `complaints`: it was complained about. */
void alert_rate_counted(struct str vmta, struct str job, struct str category);
/* Ends alerts whose share has fallen; every few seconds. */
void alert_rate_look(void);
/* The thresholds; after the start and each reload. Where they are others counting begins anew. */
void alert_rate_configure(void);

/* One of them and one threshold, with what was counted in its window; borrowed for the call. */
struct alert_share {
	const char *name, *category;
	uint64_t delivered, bad;
	uint32_t per_million, window_s;
	bool of_job; /* or of a VirtualMTA */
	bool is_raised;
};
typedef void alert_rate_take(void *ctx, const struct alert_share *s);
/* Those that had anything in the window. */
void alert_rate_each(alert_rate_take *take, void *ctx);

#endif
