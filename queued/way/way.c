#include "queued/way/way.h"

#include "queued/way/route.h"
#include "queued/way/source.h"
#include "queued/way/target.h"
#include "queued/vmta.h"

/* what forbade the ways that were looked at: the earliest end of those of the queue's own, and one that it shares */
struct refusals {
	struct bound own;
	struct limit *shared;
};

static void
note(struct queue *q, struct refusals *r, struct limit *shared)
{
	if (shared != NULL) {
		r->shared = r->shared == NULL ? shared : r->shared;
		return;
	}
	if (r->own.kind == BOUND_NONE || mono_is_before(q->bound.until, r->own.until))
		r->own = q->bound;
}

/* may it go to that host from its next source address? */
static bool
is_open(struct queue *q, struct way *w, struct refusals *r)
{
	struct limit *full;

	w->source = rate_source(q, &w->src.addr);
	if (!rate_source_may_open(q, w->source)) {
		note(q, r, NULL);
		return false;
	}
	target_look(q, w);
	full = target_full(q, w);
	if (full == NULL)
		return true;
	note(q, r, full);
	return false;
}

static bool
try_sources(struct queue *q, struct way *w, struct refusals *r, bool *has_source)
{
	size_t n = q->vmta->conf == NULL ? 0 : q->vmta->conf->n_sources;

	for (size_t i = 0; i < PH_MAX(n, 1u); i++) {
		if (!source_next(q, w->host->addr.family, &w->src))
			return false;
		*has_source = true;
		if (is_open(q, w, r))
			return true;
	}
	return false;
}

static enum way_found
refused(struct queue *q, const struct refusals *r)
{
	q->bound = (struct bound){.kind = BOUND_NONE};
	if (r->own.kind != BOUND_NONE && (r->shared == NULL || r->own.until.ns != INT64_MAX))
		q->bound = r->own;
	if (r->shared != NULL)
		limit_wait(r->shared, q, 1);
	return WAY_LIMITED;
}

enum way_found
way_find(struct queue *q, struct way *w)
{
	struct refusals r = {.shared = NULL};
	bool has_source = false;
	uint32_t n = q->route->n;

	for (uint32_t i = 0; i < n; i++) {
		w->host = route_next(q);
		if (w->host == NULL)
			return WAY_NO_HOST;
		if (try_sources(q, w, &r, &has_source))
			return WAY_FOUND;
	}
	return has_source ? refused(q, &r) : WAY_NO_SOURCE;
}
