/* explain: which limit holds a queue, how full it is, and until when */
#include "queued/control/control_int.h"
#include "queued/react/retry.h"
#include "queued/way/route.h"

static struct wall
wall_of(struct mono at)
{
	if (at.ns == INT64_MAX || at.ns == 0)
		return (struct wall){0};
	return (struct wall){.ns = ev_wall().ns + (at.ns - ev_now().ns)};
}

static const char conn_ends[] = "when a connection that it counts ends";

static const char *
units_of(enum rate_kind kind)
{
	if (kind == RATE_VOLUME || kind == RATE_BACKOFF_VOLUME)
		return "bytes";
	if (kind == RATE_MSG || kind == RATE_BACKOFF_MSG)
		return "recipients";
	return "connections";
}

/* "5d", "90s", "250ms": the largest unit that has no remainder */
static const char *
period_text(int64_t ns, char text[32])
{
	static const struct {
		int64_t ms;
		const char *name;
	} rows[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	int64_t ms = ns / NS_PER_MS;
	size_t i = 0;

	while (ms % rows[i].ms != 0)
		i++;
	snprintf(text, 32, "%ld%s", ms / rows[i].ms, rows[i].name);
	return text;
}

static void
describe_meter(
    struct reason *k, const char *what, struct str name, const struct meter *m, const char *units)
{
	char period[32];

	snprintf(k->detail, sizeof k->detail, "%s%s%.*s: %lu of %lu %s in %s%s", what,
	    name.len > 0 ? " " : "", STR_ARG(str_sub(name, 0, 90)), m->past + m->flying, m->max,
	    units, period_text(m->period_ns, period),
	    m->flying > 0 ? ", some of them not answered yet" : "");
	k->wakes = "when the receiver has answered what is under way";
}

static void
of_shared(const struct limit *l, struct reason *k)
{
	const char *units = str_find(str_of(l->what), 'v') != STR_NPOS ? "bytes" : "recipients";

	k->set = l->set;
	k->key = l->set == NULL ? CONF_NONE : l->key;
	k->item = l->item;
	if (l->is_rate) {
		describe_meter(k, l->what, l->name, &l->meter, units);
		k->until = wall_of(limit_due(l));
		return;
	}
	if (l->key != CONF_NONE)
		k->wakes = conn_ends;
	snprintf(k->detail, sizeof k->detail, "%s%s%.*s: %lu of %lu", l->what,
	    l->name.len > 0 ? " " : "", STR_ARG(l->name), l->used, l->max);
}

static void
of_rate(const struct queue *q, struct reason *k)
{
	enum rate_kind kind = (enum rate_kind)q->bound.rate;
	const struct meter *m = rate_meter(q, kind);
	char what[64];

	if (m == NULL)
		return; /* a reload has just lifted it */
	k->key = rate_key(kind);
	k->until = wall_of(q->bound.until);
	snprintf(what, sizeof what, "%s of the queue", conf_key_name(k->key));
	describe_meter(k, what, STR(""), m, units_of(kind));
}

static void
of_source(const struct queue *q, struct reason *k)
{
	const struct source *s = q->from->list[q->bound.source - 1];
	enum source_kind kind = (enum source_kind)q->bound.rate;
	const struct source_row *row = rate_conf_source(&q->policy->rates, kind, &s->addr);
	char what[80], text[NET_ADDR_TEXT];

	k->key = source_key(kind);
	k->item = row == NULL ? 0 : row->item + 1;
	k->until = wall_of(q->bound.until);
	snprintf(what, sizeof what, "%s of the queue, from", conf_key_name(k->key));
	net_addr_text(&s->addr, text);
	if (kind == SOURCE_OUT) {
		snprintf(k->detail, sizeof k->detail, "%s %s: %u of %lu connections", what, text,
		    s->n_conns, row == NULL ? 0 : row->rate.count);
		k->wakes = conn_ends;
		return;
	}
	describe_meter(k, what, str_of(text[0] == '\0' ? "any" : text), &s->of[kind],
	    units_of((enum rate_kind)kind));
}

static void
of_max_out(const struct queue *q, struct reason *k)
{
	k->key = q->backoff ? CONF_DOMAIN_BACKOFF_MAX_SMTP_OUT : CONF_DOMAIN_MAX_SMTP_OUT;
	snprintf(k->detail, sizeof k->detail, "%s of the queue: %u of %u connections",
	    conf_key_name(k->key), q->n_conns, queue_max_out(q));
	k->wakes = conn_ends;
}

static void
of_throttle(const struct throttle *t, struct reason *k)
{
	k->by = &t->by;
	snprintf(k->detail, sizeof k->detail, "a reply left %u of %u connections: %.120s",
	    t->allowed, t->full, t->by.text);
	k->wakes = "when a connection ends; each delivery gives some back";
}

void
control_cause_of_limit(const struct queue *q, struct reason *k)
{
	if (q->waits_for != NULL) {
		of_shared(q->waits_for, k);
		return;
	}
	if (q->throttle != NULL && q->n_conns >= q->throttle->allowed &&
	    q->bound.kind != BOUND_RATE) {
		of_throttle(q->throttle, k);
		return;
	}
	k->set = q->policy->set;
	if (q->bound.kind == BOUND_RATE && q->rates != NULL)
		of_rate(q, k);
	else if (q->bound.kind == BOUND_SOURCE && q->from != NULL)
		of_source(q, k);
	else
		of_max_out(q, k);
}
