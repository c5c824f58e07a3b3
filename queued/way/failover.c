#include "queued/way/failover.h"

#include "queued/domain.h"
#include "queued/move.h"
#include "queued/names.h"
#include "queued/control/pause.h"
#include "queued/place.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define MOVES_A_TURN 2000

static bool
has_source(const struct queue *q)
{
	return q->hold != HOLD_NO_SOURCE && (!q->retrying || q->retry_hold != HOLD_NO_SOURCE) &&
	       !source_all_disabled(q);
}

/* for whom a member is looked for */
struct wanted {
	struct str domain;
	struct str not ; /* the one that cannot, or empty */
};

static bool
can_deliver(struct str member, void *ctx)
{
	const struct wanted *w = ctx;
	const struct vmta *v = vmta_get(member);
	char lower[256], name[600];
	struct str d = place_name(w->domain, member, lower);
	const struct queue *q;

	if (v->is_held || !v->exists || (w->not .len > 0 && str_ieq(member, w->not )))
		return false;
	snprintf(name, sizeof name, "%.*s/%.*s", STR_ARG(str_sub(d, 0, 255)),
	    STR_ARG(str_sub(member, 0, 255)));
	q = queue_find(str_of(name));
	if (q == NULL)
		return !pause_covers(str_of(name));
	return !q->paused && !q->policy->hold && has_source(q);
}

struct str
pool_choose_for(struct str pool, struct str domain)
{
	struct wanted w = {.domain = domain};

	return pool_choose_if(pool, can_deliver, &w);
}

/* true: it went */
static bool
fail_over(struct queue *q, uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);
	uint32_t pool = message_at(r->message)->pool;
	struct wanted w = {.domain = domain_name(r->domain), .not = queue_vmta_name(q)};
	struct str member;

	if (pool == 0)
		return false;
	member = pool_choose_if(name_text(pool), can_deliver, &w);
	if (member.len == 0 || !can_deliver(member, &w))
		return false;
	move_rcpt(q, rcpt, place_queue(w.domain, member));
	return true;
}

bool
pool_fail_over(struct queue *q)
{
	uint32_t next, n = 0;
	int left = MOVES_A_TURN;

	for (uint32_t h = queue_first(q, RCPT_READY); h != 0 && left > 0; h = next, left--) {
		next = queue_after(q, h);
		n += fail_over(q, h) ? 1 : 0;
	}
	if (n > 0)
		queue_kick(q);
	return n > 0;
}
