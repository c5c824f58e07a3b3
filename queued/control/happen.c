#include "queued/control/happen.h"

#include "lib/base/xalloc.h"
#include "queued/job.h"
#include "queued/peek.h"
#include "queued/end/report.h"
#include "queued/state.h"

/* envelopes read for this in a second */
#define READS_A_SECOND 1000u
#define TEXT_LEN       300u
/* a queue without mail stays so long for who wants to see its events */
#define KEPT_MS (10 * 60 * 1000)

static struct {
	struct mono second;
	uint32_t n;
} reads;

static bool
may_read(void)
{
	if (mono_diff_ms(reads.second, ev_now()) >= 1000) {
		reads.second = ev_now();
		reads.n = 0;
	}
	return reads.n++ < READS_A_SECOND;
}

static const char *
address_text(const struct net_addr *a, char text[NET_ADDR_TEXT])
{
	struct net_addr plain = *a;

	plain.port = 0;
	return a->family == 0 ? "" : net_addr_text(&plain, text);
}

/* ---- the last events of a queue ---- */

static void
clear(struct rcpt_event *e)
{
	free(e->rcpt);
	free(e->job);
	free(e->source);
	free(e->host);
	free(e->text);
}

static void
keep(struct queue *q, const struct tail_event *t)
{
	struct rcpt_event *e;

	if (q->rcpt_events == NULL)
		q->rcpt_events = xcalloc(1, sizeof *q->rcpt_events);
	q->keep_until = tick_in_ms(KEPT_MS);
	e = &q->rcpt_events->ring[q->rcpt_events->n++ % RCPT_EVENTS];
	clear(e);
	*e = (struct rcpt_event){.when = ev_wall(),
	    .kind = (uint8_t)t->kind,
	    .rcpt = xstrdup_str(str_sub(t->rcpt, 0, TEXT_LEN)),
	    .job = xstrdup_str(str_sub(t->job, 0, TEXT_LEN)),
	    .source = xstrdup_str(t->source),
	    .host = xstrdup_str(str_sub(t->host, 0, TEXT_LEN)),
	    .text = xstrdup_str(str_sub(t->text, 0, TEXT_LEN))};
}

const struct rcpt_event *
happen_event(const struct queue *q, uint32_t i)
{
	const struct rcpt_events *r = q->rcpt_events;

	if (r == NULL || i >= r->n || i >= RCPT_EVENTS)
		return NULL;
	return &r->ring[(r->n - 1 - i) % RCPT_EVENTS];
}

void
happen_free(struct queue *q)
{
	if (q->rcpt_events == NULL)
		return;
	for (size_t i = 0; i < RCPT_EVENTS; i++)
		clear(&q->rcpt_events->ring[i]);
	xfree(&q->rcpt_events);
}

/* ---- */

struct attempt {
	struct net_addr src, dst; /* family 0: none */
	struct str host, reply;
};

static void
tell(enum tail_kind kind, struct queue *q, uint32_t rcpt, const struct attempt *a)
{
	const struct message *m = message_at(rcpt_at(rcpt)->message);
	char source[NET_ADDR_TEXT], dst[NET_ADDR_TEXT], host[400];
	struct tail_event e = {.kind = kind, .queue = str_of(q->name), .text = a->reply};
	struct str envid;

	if (may_read())
		(void)peek_rcpt(rcpt_at(rcpt), &e.rcpt, &e.sender, &envid);
	e.job = m->job == 0 ? STR("") : str_of(job_at(m->job)->name);
	e.source = str_of(address_text(&a->src, source));
	if (a->host.len > 0) {
		snprintf(host, sizeof host, "[%.*s] (%s)", STR_ARG(str_sub(a->host, 0, 255)),
		    address_text(&a->dst, dst));
		e.host = str_of(host);
	}
	if (q->policy->tracks_rcpts)
		keep(q, &e);
	if (tail_is_wanted(kind))
		tail_tell(&e);
}

void
happen_deferred(struct queue *q, uint32_t rcpt, const struct final_facts *f)
{
	struct attempt a = {.reply = f->reply};

	if (!q->policy->tracks_rcpts && !tail_is_wanted(TAIL_DEFERRED))
		return;
	if (f->conn != NULL) {
		a.src = f->conn->src;
		a.dst = f->conn->dst;
		a.host = str_of(f->conn->host);
	}
	tell(TAIL_DEFERRED, q, rcpt, &a);
}

void
happen_recorded(enum tail_kind kind, struct queue *q, uint32_t rcpt, const struct final *f)
{
	struct attempt a;

	if (!q->policy->tracks_rcpts && !tail_is_wanted(kind))
		return;
	net_from_ipc(&f->record.src, &a.src);
	net_from_ipc(&f->record.dst, &a.dst);
	a.host = final_text(f, FINAL_MTA);
	a.reply = final_text(f, FINAL_REPLY);
	tell(kind, q, rcpt, &a);
}
