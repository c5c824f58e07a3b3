/* explain: why a queue or a recipient waits, since when, until when, by which line; and resolve */
#include "lib/daemon/daemon.h"
#include "queued/conn.h"
#include "queued/control_int.h"
#include "queued/events.h"
#include "queued/pause.h"
#include "queued/route.h"
#include "queued/state.h"
#include "queued/vmta.h"

/* a route that was asked for is kept so long for the client's next look */
#define RESOLVE_KEEP_MS 5000

struct cause {
	const struct conf_set *set;
	enum conf_key	       key;
	struct wall	       until;
	char		       detail[200];
};

static void
cause_of_limit(const struct queue *q, struct cause *k)
{
	const struct limit *l = q->waits_for;

	if (l == NULL) {
		k->set = q->policy->set;
		k->key = CONF_DOMAIN_MAX_SMTP_OUT;
		snprintf(k->detail, sizeof k->detail, "max-smtp-out of the queue: %u of %u connections", q->n_conns,
		    q->policy->max_out);
		return;
	}
	k->set = l->set;
	k->key = l->set == NULL ? CONF_NONE : l->key;
	snprintf(k->detail, sizeof k->detail, "%s%s%.*s: %lu of %lu", l->what, l->name.len > 0 ? " " : "",
	    STR_ARG(l->name), l->used, l->max);
}

static void
cause_of_retry(const struct queue *q, struct cause *k)
{
	k->set = q->policy->set;
	k->key = CONF_DOMAIN_RETRY_AFTER;
	if (q->retrying)
		k->until = tick_to_wall(q->retry_at);
}

static void
cause_of_rcpts(const struct queue *q, struct cause *k)
{
	k->set = q->policy->set;
	k->key = CONF_DOMAIN_RETRY_RECIPIENTS_AFTER;
	if (q->deferred.head != 0)
		k->until = tick_to_wall(rcpt_at(q->deferred.head)->due);
}

static void
cause_of_hold_domain(const struct queue *q, struct cause *k)
{
	k->set = q->policy->set;
	k->key = CONF_DOMAIN_HOLD_DOMAIN;
}

static void (*const causes[HOLD_MAX])(const struct queue *, struct cause *) = {
    [HOLD_LIMIT] = cause_of_limit,
    [HOLD_ACCOUNTING] = cause_of_limit,
    [HOLD_RETRY] = cause_of_retry,
    [HOLD_RCPT_WAIT] = cause_of_rcpts,
    [HOLD_HELD_DOMAIN] = cause_of_hold_domain,
};

static void
explain_queue(struct control *c, const struct queue *q, uint32_t i)
{
	struct cause	    k = {0};
	const struct event *e = events_last(q, 0);
	struct conf_origin  o = {0};
	char		    when[32];

	if (causes[q->hold] != NULL)
		causes[q->hold](q, &k);
	if (k.set != NULL && k.key != CONF_NONE)
		o = conf_origin(k.set, k.key);
	control_text(c, str_of(q->name), "queue[%u].name", i);
	control_text(c, str_of(hold_name((enum queue_hold)q->hold)), "queue[%u].state", i);
	control_text(c, str_of(hold_text((enum queue_hold)q->hold)), "queue[%u].why", i);
	control_text(c, str_of(k.detail), "queue[%u].limit", i);
	control_text(c, control_time(tick_to_wall(q->hold_since), when), "queue[%u].since", i);
	control_text(c, control_time(k.until, when), "queue[%u].until", i);
	control_text(c, k.key == CONF_NONE ? STR("") : str_of(conf_key_name(k.key)), "queue[%u].directive", i);
	control_text(c, str_of(o.file), "queue[%u].file", i);
	control_number(c, o.line, "queue[%u].line", i);
	control_number(c, q->ready.n, "queue[%u].ready", i);
	control_number(c, q->deferred.n, "queue[%u].deferred", i);
	control_number(c, q->held.n, "queue[%u].held", i);
	control_number(c, q->n_flight, "queue[%u].sending", i);
	control_number(c, q->n_conns, "queue[%u].conn", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "queue[%u].lastError", i);
}

static const char *
rcpt_why(const struct queue *q, const struct rcpt *r)
{
	switch (r->state) {
	case RCPT_DEFERRED:
		return "it was deferred and waits for its own retry time (retry-recipients-after), or it is scheduled";
	case RCPT_HELD:
		return "its job is paused";
	case RCPT_FLIGHT:
		return "it is being sent";
	case RCPT_ENDING:
		return "it has ended; its record is being written";
	default:
		return q->hold == HOLD_DELIVERING ? "it stands in line for a connection" : "its queue does not move";
	}
}

static void
explain_rcpt(struct control *c, const struct queue *q, uint32_t rcpt, uint32_t i)
{
	const struct rcpt *r = rcpt_at(rcpt);
	char		   id[20], when[32];
	struct wall	   until = {0};

	if (r->state == RCPT_DEFERRED)
		until = tick_to_wall(r->due);
	snprintf(id, sizeof id, "%016lx", message_at(r->message)->id);
	control_text(c, str_of(id), "rcpt[%u].id", i);
	control_text(c, str_of(q->name), "rcpt[%u].queue", i);
	control_text(c, str_of(rcpt_why(q, r)), "rcpt[%u].why", i);
	control_text(c, control_time(until, when), "rcpt[%u].until", i);
	control_number(c, r->tries, "rcpt[%u].attempts", i);
	control_text(c, control_time(tick_to_wall(message_at(r->message)->born), when), "rcpt[%u].timeQueued", i);
}

static uint32_t
explain_list(struct control *c, struct selection *s, struct queue *q, const struct rlist *l, uint32_t n)
{
	struct str address, sender;

	for (uint32_t h = l->head; h != 0 && n < 20; h = rcpt_at(h)->next) {
		if (selection_has(s, q, h, &address, &sender))
			explain_rcpt(c, q, h, n++);
	}
	return n;
}

static void
explain_address(struct control *c, struct str address)
{
	struct selection s;
	uint32_t	 n = 0, shown = 0;
	size_t		 at = str_rfind(address, '@');
	struct str	 domain = str_skip(address, at + 1);

	selection_init(&s, c);
	s.queue = STR("");
	s.rcpt = address;
	s.needs_envelope = true;
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		uint32_t      before = n;
		if (!str_ieq(queue_domain(q), domain))
			continue;
		n = explain_list(c, &s, q, &q->ready, n);
		n = explain_list(c, &s, q, &q->deferred, n);
		n = explain_list(c, &s, q, &q->held, n);
		if (n > before || q->n_flight > 0)
			explain_queue(c, q, shown++);
	}
	if (n == 0)
		control_end(c, true, "No waiting mail for %.*s; what was sent is in the accounting files.",
		    STR_ARG(address));
}

void
control_explain(struct control *c)
{
	struct str what = control_arg(c, ARG_TARGET);
	uint32_t   n = 0;

	if (str_find(what, '@') != STR_NPOS) {
		explain_address(c, what);
		return;
	}
	for (uint32_t h = 0; (h = queue_next(h)) != 0 && n < CONTROL_PAGE;) {
		if (pause_match(what, str_of(queue_at(h)->name)))
			explain_queue(c, queue_at(h), n++);
	}
	if (n == 0)
		control_end(c, true, "No queue matches, so nothing waits there.");
}

/* the hosts that a queue of that domain would use; those that are known already */
void
control_resolve(struct control *c)
{
	struct queue *q = queue_get(control_arg(c, ARG_TARGET), STR(""));
	enum route_state state = route_ensure(q);
	char	      text[NET_ADDR_TEXT];

	q->keep_until = tick_in_ms(RESOLVE_KEEP_MS);
	if (state == ROUTE_WAIT) {
		c->next = c->req->cursor + 1;
		control_end(c, true, "asking");
		return;
	}
	for (uint32_t i = 0; state == ROUTE_READY && i < q->route->n; i++) {
		control_number(c, q->route->hosts[i].pref, "host[%u].pref", i);
		control_text(c, str_of(q->route->hosts[i].name), "host[%u].name", i);
		control_text(c, str_of(net_addr_text(&q->route->hosts[i].addr, text)), "host[%u].ip[0]", i);
	}
	if (state == ROUTE_FAILED)
		control_end(c, false, "%s", q->route->why.text);
	queue_kick(q);
}
