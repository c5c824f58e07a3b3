#include "queued/react/react.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/control/events.h"
#include "queued/end/outcome.h"
#include "queued/react/pattern.h"
#include "queued/react/retry.h"
#include "queued/way/route.h"
#include "queued/way/source.h"
#include "queued/state.h"

#define PURGE_TEXT_MAX 900

/* the one reply that all of a queue's mail bounces with */
struct purge {
	struct tick born_until;
	uint16_t code;
	uint8_t enh[3];
	char *text;
};

static struct cause
cause_of(const struct rule *r, struct str reply, bool of_report)
{
	return (struct cause){
	    .text = reply, .origin = r->origin, .directive = r->directive, .of_report = of_report};
}

/* a reply to one of our own reports or notices, or to a connection that was opened for one */
static bool
is_of_report(const struct queue *q, uint32_t rcpt)
{
	if (rcpt == 0)
		rcpt = order_first(&q->ready);
	return rcpt != 0 && (message_at(rcpt_at(rcpt)->message)->flags & MSG_REPORT) != 0;
}

static void
set_mode(struct queue *q, const struct verdict *v, struct str reply, bool of_report)
{
	struct cause c = cause_of(v->mode_by, reply, of_report);

	if ((v->actions & ACT_BACKOFF) != 0)
		mode_set_backoff(q, v->backoff_ms, &c);
	else
		mode_set_normal(q, &c);
}

static void
disable_source(struct conn *c, const struct verdict *v, struct str reply, bool of_report)
{
	struct cause k = cause_of(v->disable_by, reply, of_report);
	struct conn *other;

	source_disable(c->queue, &c->src_asked, v->reenable_ms, &k);
	TAILQ_FOREACH(other, &c->queue->conns, link)
	{
		if (net_addr_eq(&other->src_asked, &c->src_asked))
			other->spent = true;
	}
}

/* a retry-after CODE line, or defer-queue; whichever waits longer */
static bool
wait(struct queue *q, const struct verdict *v, const struct final_facts *f, bool of_report)
{
	bool waits = false;
	struct cause c;

	if ((v->actions & ACT_WAIT) != 0) {
		/* the replies of one burst halve once */
		bool again = q->retrying && q->ordered != NULL && q->throttle != NULL;
		c = cause_of(v->wait_by, f->reply, of_report);
		waits = retry_order(q, v->wait_ms, &c);
		if (waits && !again)
			retry_halve(q, queue_max_out(q), v->wait_ms, &c);
	}
	if ((v->actions & ACT_DEFER_QUEUE) != 0) {
		c = cause_of(v->defer_by, f->reply, of_report);
		waits |= retry_order(q, v->defer_ms, &c);
	}
	return waits;
}

static void
begin_purge(struct queue *q, const struct final_facts *f)
{
	if (q->purge == NULL)
		q->purge = xcalloc(1, sizeof *q->purge);
	free(q->purge->text);
	q->purge->text =
	    xasprintf("bounce-queue;reply:%.*s", STR_ARG(str_sub(f->reply, 0, PURGE_TEXT_MAX)));
	q->purge->born_until = tick_now();
	q->purge->code = f->code;
	memcpy(q->purge->enh, f->enh, sizeof f->enh);
	q->purge->enh[0] = 5;
	queue_kick(q);
}

static void
say_skip(struct conn *c, const struct final_facts *f)
{
	char text[600], dst[NET_ADDR_TEXT], src[NET_ADDR_TEXT];
	int n;

	n = snprintf(text, sizeof text,
	    "skip of MX requested: \"%.*s\" received from %.100s (%s) while connected from %s",
	    STR_ARG(str_sub(f->reply, 0, 200)), c->host, net_addr_text(&c->dst, dst),
	    net_addr_text(&c->src, src));
	events_add(c->queue, str_from(text, PH_MIN((size_t)n, sizeof text - 1)));
}

/* nothing more goes to that host for now, and its connection ends when what was given is answered */
static void
skip_host(struct conn *c, const struct final_facts *f)
{
	if (c->skips)
		return;
	c->skips = c->spent = true;
	c->queue->n_failed++;
	route_host_failed(c->queue, &c->dst);
	say_skip(c, f);
}

static unsigned
bits_of(const struct verdict *v, uint32_t rcpt, uint8_t stage, const struct final_facts *f)
{
	unsigned bits = 0;

	if (f->code < 400)
		return 0;
	if ((v->actions & ACT_SKIP_MX) != 0)
		bits |= REACT_SKIP_MX;
	if ((v->actions & ACT_BOUNCE_ANY) != 0)
		bits |= REACT_BOUNCE;
	if ((v->actions & ACT_BOUNCE_RCPT) != 0 && rcpt != 0 && stage == STAGE_RCPT)
		bits |= REACT_BOUNCE;
	return bits;
}

unsigned
react_to_reply(struct conn *c, uint32_t rcpt, uint8_t stage, const struct final_facts *f)
{
	struct queue *q = c->queue;
	struct verdict v;
	unsigned bits;
	bool of_report;

	if (f->code == 0 || q->policy->patterns == NULL ||
	    !patterns_match(q->policy->patterns, f->reply, &v))
		return 0;
	of_report = is_of_report(q, rcpt);
	bits = bits_of(&v, rcpt, stage, f);
	if ((v.actions & ACT_DISABLE_SOURCE) != 0) {
		disable_source(c, &v, f->reply, of_report);
		bits |= REACT_SOURCE;
	}
	if ((v.actions & (ACT_BACKOFF | ACT_NORMAL)) != 0)
		set_mode(q, &v, f->reply, of_report);
	if ((v.actions & (ACT_WAIT | ACT_DEFER_QUEUE)) != 0 && f->code >= 400) {
		if (wait(q, &v, f, of_report))
			final_queue_transient(q, f);
		bits |= REACT_WAIT;
	}
	if ((v.actions & ACT_BOUNCE_QUEUE) != 0 && f->code >= 400)
		begin_purge(q, f);
	if ((bits & REACT_SKIP_MX) != 0)
		skip_host(c, f);
	queue_kick(q);
	return bits;
}

bool
react_purge_run(struct queue *q)
{
	struct final_facts f = {.local = true, .is_ours = true};

	if (q->purge == NULL)
		return false;
	f.reply = str_of(q->purge->text);
	f.code = q->purge->code;
	memcpy(f.enh, q->purge->enh, sizeof f.enh);
	if (outcome_bounce_all(q, &f, q->purge->born_until) && q->n_flight == 0)
		react_purge_free(q);
	return q->purge != NULL;
}

void
react_purge_free(struct queue *q)
{
	if (q->purge == NULL)
		return;
	free(q->purge->text);
	xfree(&q->purge);
}
