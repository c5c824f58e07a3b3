/* the show commands, but jobs (control_list.c) and settings (control_explain.c) */
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/conn.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/control/happen.h"
#include "queued/control/pause.h"
#include "queued/spool/recover.h"
#include "queued/spool/segment.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define SHOW_DEFAULT 20
/* rows of an answer in one turn of the loop */
#define ROWS_A_TURN 50

struct str
control_time(struct wall w, char text[32])
{
	time_t t = (time_t)wall_sec(w);
	struct tm tm;

	if (w.ns <= 0 || localtime_r(&t, &tm) == NULL)
		return STR("");
	return str_from(text, strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm));
}

/* ---- status ---- */

static void
traffic_row(struct control *c, const char *span, const struct traffic_sum *s)
{
	for (int d = 0; d < 2; d++) {
		const uint64_t *v = &s->v[d == 0 ? TRAFFIC_IN_RCPTS : TRAFFIC_OUT_RCPTS];
		const char *dir = d == 0 ? "in" : "out";
		control_number(c, v[0], "status.traffic.%s.%s.rcp", span, dir);
		control_number(c, v[1], "status.traffic.%s.%s.msg", span, dir);
		control_number(c, v[2] / 1024, "status.traffic.%s.%s.kb", span, dir);
	}
}

static void
show_traffic(struct control *c)
{
	const struct traffic *t = control_traffic();
	struct traffic_sum total = traffic_total(t);

	traffic_row(c, "total", &total);
	traffic_row(c, "lastHr", &t->hour.sum);
	traffic_row(c, "topPerHr", &t->hour.top);
	traffic_row(c, "lastMin", &t->minute.sum);
	traffic_row(c, "topPerMin", &t->minute.top);
}

static uint32_t
n_domains_with_mail(void)
{
	uint32_t n = 0;

	for (uint32_t h = 0; (h = queue_next(h)) != 0;)
		n += queue_n_rcpts(queue_at(h)) > 0;
	return n;
}

static void
show_gauges(struct control *c)
{
	control_number(c, control_stat(STAT_IN_CONNS), "status.conn.smtpIn.cur");
	control_number(c, control_top(STAT_IN_CONNS), "status.conn.smtpIn.top");
	control_number(c, conf_u64(conf_global(daemon_conf()), CONF_GLOBAL_TOTAL_MAX_SMTP_IN),
	    "status.conn.smtpIn.max");
	control_number(c, qd.total_out.used, "status.conn.smtpOut.cur");
	control_number(c, control_top(STAT_OUT_CONNS), "status.conn.smtpOut.top");
	control_number(c, qd.total_out.max, "status.conn.smtpOut.max");
	control_number(c, control_stat(STAT_DNS_CACHED), "status.resolver.namesCached");
	control_number(c, control_stat(STAT_DNS_PENDING), "status.resolver.queriesPending");
	control_number(c, qd.rcpts.n_used, "status.queue.smtp.rcp");
	control_number(c, n_domains_with_mail(), "status.queue.smtp.dom");
	control_number(c, qd.n_queued_bytes / 1024, "status.queue.smtp.kb");
	control_number(c, segment_n_used(), "status.spool.files.inUse");
	control_number(c, qd.rcpts.n_used, "status.spool.totalRcp");
	control_number(c, recover_is_running() ? 0 : 100, "status.spool.initPct");
	control_text(c, qd.stopping ? STR("stopping") : STR("running"), "status.status");
}

void
control_show_status(struct control *c)
{
	char host[256] = "", now[32], since[32];
	struct wall started = {.ns = stats_own->started_ns};
	struct str what = control_arg(c, ARG_TARGET);

	if (what.len > 0 && !str_has_iprefix(STR("detail"), what)) {
		control_end(c, false, "It is \"show status\" or \"show status detail\".");
		return;
	}
	if (gethostname(host, sizeof host - 1) == -1)
		host[0] = '\0';
	control_text(c, STR("Posthaste"), "mta.product.name");
	control_text(c, STR(PH_VERSION), "mta.product.version");
	control_text(c, str_of(host), "mta.fullHostName");
	control_text(c, control_time(ev_wall(), now), "status.timeNow");
	control_text(c, control_time(started, since), "status.startupTime");
	control_number(c, (uint64_t)PH_MAX((ev_wall().ns - started.ns) / NS_PER_SEC, (int64_t)0),
	    "status.uptime");
	control_bool(c, qd.stopping, "status.shuttingDown");
	show_traffic(c);
	show_gauges(c);
	if (what.len > 0)
		control_show_vmtas(c);
}

void
control_reset_counters(struct control *c)
{
	control_traffic_reset();
	if (c->req->command == CTL_RESET_STATUS) {
		for (uint32_t h = 0; (h = queue_next(h)) != 0;)
			events_free(queue_at(h));
	}
	control_end(c, true, "Traffic counters reset.");
}

void
control_show_version(struct control *c)
{
	control_text(c, STR("Posthaste"), "product.name");
	control_text(c, STR(PH_VERSION), "product.version");
}

void
control_ledger(struct control *c)
{
	struct spool_ledger l = spool_ledger(qd.store);

	control_number(c, l.accepted, "ledger.accepted");
	control_number(c, spool_ledger_ended(&l, FINAL_DELIVERED), "ledger.delivered");
	control_number(c, spool_ledger_ended(&l, FINAL_BOUNCED), "ledger.bounced");
	control_number(c, spool_ledger_ended(&l, FINAL_EXPIRED), "ledger.expired");
	control_number(c, spool_ledger_ended(&l, FINAL_DELETED), "ledger.deleted");
	control_number(c, qd.rcpts.n_used, "ledger.queued");
	control_bool(c, recover_is_running(), "ledger.scanning");
}

/* ---- queues ---- */

struct row {
	struct queue *q;
	uint64_t key;
};
/* what is shown, taken down at once and told row by row */
struct rows {
	uint32_t at, n, n_all;
	uint64_t n_rcpts;
	uint32_t queues[]; /* handles */
};

static bool
is_yes(struct str s, bool value)
{
	return s.len == 0 || str_ieq(s, value ? STR("yes") : STR("no"));
}

static bool
has_mode(const struct queue *q, struct str mode)
{
	return mode.len == 0 || str_ieq(mode, STR("backoff")) == q->backoff;
}

static bool
is_shown(struct control *c, const struct queue *q)
{
	struct str what = control_arg(c, ARG_TARGET), vmta = control_arg(c, ARG_VMTA);

	if (what.len > 0 && !pause_match(what, str_of(q->name)))
		return false;
	if (vmta.len > 0 && !pause_glob(vmta, str_skip(str_of(q->name), (size_t)q->domain_len + 1)))
		return false;
	return is_yes(control_arg(c, ARG_CONNECTED), q->n_conns > 0) &&
	       is_yes(control_arg(c, ARG_PAUSED), q->paused) &&
	       has_mode(q, control_arg(c, ARG_MODE));
}

static bool
is_one_of(struct str s, const char *a, const char *b, const char *otherwise)
{
	return s.len == 0 || str_ieq(s, str_of(a)) || str_ieq(s, str_of(b)) ||
	       str_ieq(s, str_of(otherwise));
}

static bool
are_options_good(struct control *c)
{
	if (!is_one_of(control_arg(c, ARG_CONNECTED), "yes", "no", "no") ||
	    !is_one_of(control_arg(c, ARG_PAUSED), "yes", "no", "no"))
		control_end(c, false, "--connected and --paused are yes or no.");
	else if (!is_one_of(control_arg(c, ARG_SORT), "name", "rcpt", "size"))
		control_end(c, false, "--sort is name, rcpt or size.");
	else if (!is_one_of(control_arg(c, ARG_MODE), "normal", "backoff", "normal"))
		control_end(c, false, "--mode is normal or backoff.");
	return !c->later;
}

static int
by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return str_cmp(str_of(x->q->name), str_of(y->q->name));
}

static uint64_t
sort_key(struct control *c, uint64_t rcpts, uint64_t bytes)
{
	struct str sort = control_arg(c, ARG_SORT);
	bool top = c->req->command == CTL_SHOW_TOPQUEUES || c->req->command == CTL_SHOW_TOPDOMAINS;

	if (str_ieq(sort, STR("size")))
		return bytes;
	return str_ieq(sort, STR("rcpt")) || (top && sort.len == 0) ? rcpts : 0;
}

/* the queues to show; owned by the caller */
static struct row *
select_queues(struct control *c, uint32_t *n)
{
	struct row *rows = xcalloc((size_t)qd.queues.n_used + 1, sizeof *rows);

	*n = 0;
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		if (is_shown(c, q))
			rows[(*n)++] =
			    (struct row){.q = q, .key = sort_key(c, queue_n_rcpts(q), q->bytes)};
	}
	return rows;
}

static void
show_errors(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e;
	char when[32];

	for (uint32_t k = 0; (e = events_last(q, k)) != NULL; k++) {
		control_text(c, STR("error"), "queue[%u].event[%u].type", i, k);
		control_text(c, control_time(e->when, when), "queue[%u].event[%u].time", i, k);
		control_text(c, str_of(e->text), "queue[%u].event[%u].text", i, k);
	}
}

static struct wall
next_try(const struct queue *q)
{
	if (q->retrying)
		return tick_to_wall(q->retry_at);
	if (q->ready.n == 0 && q->deferred.n > 0)
		return tick_to_wall(rcpt_at(due_first(&q->deferred))->due);
	return (struct wall){0};
}

static void
show_rcpt_events(struct control *c, const struct queue *q, uint32_t i)
{
	const struct rcpt_event *e;
	char when[32];

	for (uint32_t k = 0; (e = happen_event(q, k)) != NULL; k++) {
		control_text(c, str_of(tail_kind_name((enum tail_kind)e->kind)),
		    "queue[%u].rcptEvent[%u].type", i, k);
		control_text(c, control_time(e->when, when), "queue[%u].rcptEvent[%u].time", i, k);
		control_text(c, str_of(e->source), "queue[%u].rcptEvent[%u].source", i, k);
		control_text(c, str_of(e->rcpt), "queue[%u].rcptEvent[%u].rcpt", i, k);
		control_text(c, str_of(e->job), "queue[%u].rcptEvent[%u].jobId", i, k);
		control_text(c, str_of(e->host), "queue[%u].rcptEvent[%u].host", i, k);
		control_text(c, str_of(e->text), "queue[%u].rcptEvent[%u].text", i, k);
	}
}

static void
show_queue(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e = events_last(q, 0);
	char when[32];

	control_text(c, str_of(q->name), "queue[%u].name", i);
	control_number(c, queue_n_rcpts(q), "queue[%u].rcp", i);
	control_number(c, q->bytes / 1024, "queue[%u].kb", i);
	control_number(c, q->n_conns, "queue[%u].conn", i);
	control_bool(c, q->paused, "queue[%u].paused", i);
	control_text(c, q->backoff ? STR("backoff") : STR("normal"), "queue[%u].mode", i);
	control_text(c, str_of(hold_name((enum queue_hold)q->hold)), "queue[%u].state", i);
	control_text(c, control_time(next_try(q), when), "queue[%u].retryTime", i);
	control_number(c, q->n_delivered, "queue[%u].deliveries", i);
	control_number(c, q->n_bounced, "queue[%u].bounces", i);
	control_number(c, q->n_deferred, "queue[%u].deferrals", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "queue[%u].lastError", i);
	if (control_flag(c, "errors"))
		show_errors(c, q, i);
	if (control_flag(c, "mode-events"))
		control_mode_events(c, q, i);
	if (!control_flag(c, "no-rcpt-events"))
		show_rcpt_events(c, q, i);
}

static bool
step_queues(struct control *c, void *state)
{
	struct rows *r = state;

	for (uint32_t k = 0; k < ROWS_A_TURN && r->at < r->n; k++, r->at++) {
		uint32_t h = r->queues[r->at];
		/* gone while the answer was under way: its place stays in the numbering, for the client to see */
		if (queue_next(h - 1) == h)
			show_queue(c, queue_at(h), r->at);
	}
	if (r->at < r->n)
		return false;
	if (r->n == 0)
		control_no_rows(c, "queue");
	control_number(c, r->n_rcpts, "totalRcp");
	control_number(c, r->n_all, "totalQueuesWithRcp");
	control_end(c, true, "%u of %u matching queues.", r->n, r->n_all);
	return true;
}

static uint32_t
rows_wanted(const struct control *c)
{
	return c->req->max == 0 ? SHOW_DEFAULT : c->req->max;
}

void
control_show_queues(struct control *c)
{
	uint32_t n;
	struct row *rows;
	struct rows *r;

	if (!are_options_good(c))
		return;
	rows = select_queues(c, &n);
	qsort(rows, n, sizeof *rows, by_key);
	r = xcalloc(1, sizeof *r + PH_MIN(n, rows_wanted(c)) * sizeof r->queues[0]);
	r->n_all = n;
	r->n = PH_MIN(n, rows_wanted(c));
	for (uint32_t i = 0; i < r->n; i++)
		r->queues[i] = rows[i].q->handle;
	for (uint32_t i = 0; i < n; i++)
		r->n_rcpts += queue_n_rcpts(rows[i].q);
	free(rows);
	control_go_on(c, step_queues, NULL, r);
}

/* ---- domains ---- */

struct domain_sum {
	struct str name;
	uint64_t rcpts, bytes, key;
	uint32_t conns;
	uint32_t last; /* the queue with the latest error */
	struct wall when;
};
struct domains {
	uint32_t at, n, n_all;
	char *names; /* a queue may go while the answer is under way */
	struct domain_sum sums[];
};

static int
by_domain(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return str_cmp(queue_domain(x->q), queue_domain(y->q));
}

static int
by_sum(const void *a, const void *b)
{
	const struct domain_sum *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return str_cmp(x->name, y->name);
}

static void
add_queue(struct domain_sum *d, const struct queue *q)
{
	const struct event *e = events_last(q, 0);

	d->name = queue_domain(q);
	d->rcpts += queue_n_rcpts(q);
	d->bytes += q->bytes;
	d->conns += q->n_conns;
	if (e == NULL || (d->last != 0 && e->when.ns <= d->when.ns))
		return;
	d->last = q->handle;
	d->when = e->when;
}

/* sorted as asked; owned by the caller */
static struct domain_sum *
sum_domains(struct control *c, uint32_t *n_sums)
{
	uint32_t n;
	struct row *rows = select_queues(c, &n);
	struct domain_sum *sums = xcalloc((size_t)n + 1, sizeof *sums);

	*n_sums = 0;
	qsort(rows, n, sizeof *rows, by_domain);
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && by_domain(&rows[i], &rows[i - 1]) != 0)
			(*n_sums)++;
		add_queue(&sums[*n_sums], rows[i].q);
	}
	*n_sums += n > 0;
	free(rows);
	for (uint32_t i = 0; i < *n_sums; i++)
		sums[i].key = sort_key(c, sums[i].rcpts, sums[i].bytes);
	qsort(sums, *n_sums, sizeof *sums, by_sum);
	return sums;
}

static void
show_domain(struct control *c, const struct domain_sum *d, uint32_t i)
{
	const struct event *e = NULL;

	if (d->last != 0 && queue_next(d->last - 1) == d->last)
		e = events_last(queue_at(d->last), 0);
	control_text(c, d->name, "domain[%u].name", i);
	control_number(c, d->rcpts, "domain[%u].rcp", i);
	control_number(c, d->bytes / 1024, "domain[%u].kb", i);
	control_number(c, d->conns, "domain[%u].conn", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "domain[%u].lastError", i);
	if (e != NULL && control_flag(c, "errors"))
		control_text(c, str_of(queue_at(d->last)->name), "domain[%u].lastErrorQueue", i);
}

static bool
step_domains(struct control *c, void *state)
{
	struct domains *d = state;

	for (uint32_t k = 0; k < ROWS_A_TURN && d->at < d->n; k++, d->at++)
		show_domain(c, &d->sums[d->at], d->at);
	if (d->at < d->n)
		return false;
	if (d->n == 0)
		control_no_rows(c, "domain");
	control_end(c, true, "%u of %u domains shown.", d->n, d->n_all);
	return true;
}

static void
free_domains(void *state)
{
	struct domains *d = state;

	free(d->names);
	free(d);
}

static struct domains *
take_down(const struct domain_sum *sums, uint32_t n)
{
	struct domains *d = xcalloc(1, sizeof *d + n * sizeof d->sums[0]);
	size_t len = 0, at = 0;

	for (uint32_t i = 0; i < n; i++)
		len += sums[i].name.len;
	d->names = xmalloc(len + 1);
	d->n = n;
	for (uint32_t i = 0; i < n; i++) {
		d->sums[i] = sums[i];
		memcpy(d->names + at, sums[i].name.p, sums[i].name.len);
		d->sums[i].name.p = d->names + at;
		at += sums[i].name.len;
	}
	return d;
}

void
control_show_domains(struct control *c)
{
	struct domain_sum *sums;
	struct domains *d;
	uint32_t n;

	if (!are_options_good(c))
		return;
	sums = sum_domains(c, &n);
	d = take_down(sums, PH_MIN(n, rows_wanted(c)));
	d->n_all = n;
	free(sums);
	control_go_on(c, step_domains, free_domains, d);
}
