/* the show commands */
#include <time.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/conn.h"
#include "queued/control_int.h"
#include "queued/events.h"
#include "queued/job.h"
#include "queued/pause.h"
#include "queued/recover.h"
#include "queued/segment.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define SHOW_DEFAULT 20

struct str
control_time(struct wall w, char text[32])
{
	time_t	  t = (time_t)wall_sec(w);
	struct tm tm;

	if (w.ns <= 0 || localtime_r(&t, &tm) == NULL)
		return STR("");
	return str_from(text, strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm));
}

static void
traffic(struct control *c, const char *dir, enum stat_id rcpts, enum stat_id msgs, enum stat_id bytes)
{
	control_number(c, control_stat(rcpts), "status.traffic.total.%s.rcp", dir);
	control_number(c, control_stat(msgs), "status.traffic.total.%s.msg", dir);
	control_number(c, control_stat(bytes) / 1024, "status.traffic.total.%s.kb", dir);
}

static uint32_t
n_domains_with_mail(void)
{
	uint32_t n = 0;

	for (uint32_t h = 0; (h = queue_next(h)) != 0;)
		n += queue_n_rcpts(queue_at(h)) > 0;
	return n;
}

void
control_show_status(struct control *c)
{
	char	      host[256] = "", now[32], since[32];
	struct wall   started = {.ns = stats_own->started_ns};

	if (gethostname(host, sizeof host - 1) == -1)
		host[0] = '\0';
	control_text(c, STR("Posthaste"), "mta.product.name");
	control_text(c, STR(PH_VERSION), "mta.product.version");
	control_text(c, str_of(host), "mta.fullHostName");
	control_text(c, control_time(ev_wall(), now), "status.timeNow");
	control_text(c, control_time(started, since), "status.startupTime");
	control_number(c, (uint64_t)((ev_wall().ns - started.ns) / NS_PER_SEC), "status.uptime");
	control_bool(c, qd.stopping, "status.shuttingDown");
	traffic(c, "in", STAT_IN_RCPTS, STAT_IN_MSGS, STAT_IN_BYTES);
	traffic(c, "out", STAT_OUT_RCPTS, STAT_OUT_MSGS, STAT_OUT_BYTES);
	control_number(c, control_stat(STAT_IN_CONNS), "status.conn.smtpIn.cur");
	control_number(c, conf_u64(conf_global(daemon_conf()), CONF_GLOBAL_TOTAL_MAX_SMTP_IN),
	    "status.conn.smtpIn.max");
	control_number(c, qd.total_out.used, "status.conn.smtpOut.cur");
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
	control_number(c, l.by_kind[FINAL_DELIVERED], "ledger.delivered");
	control_number(c, l.by_kind[FINAL_BOUNCED], "ledger.bounced");
	control_number(c, l.by_kind[FINAL_EXPIRED], "ledger.expired");
	control_number(c, l.by_kind[FINAL_DELETED], "ledger.deleted");
	control_number(c, qd.rcpts.n_used, "ledger.queued");
	control_bool(c, recover_is_running(), "ledger.scanning");
}

/* ---- queues ---- */

struct row {
	struct queue *q;
	uint64_t      key;
};

static bool
is_yes(struct str s, bool value)
{
	return s.len == 0 || str_ieq(s, value ? STR("yes") : STR("no"));
}

static bool
is_shown(struct control *c, const struct queue *q)
{
	struct str what = control_arg(c, ARG_TARGET), vmta = control_arg(c, ARG_VMTA);

	if (what.len > 0 && !pause_match(what, str_of(q->name)))
		return false;
	if (vmta.len > 0 && !pause_match(vmta, queue_vmta_name(q)))
		return false;
	return is_yes(control_arg(c, ARG_CONNECTED), q->n_conns > 0) &&
	    is_yes(control_arg(c, ARG_PAUSED), q->paused);
}

static int
by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return str_icmp(str_of(x->q->name), str_of(y->q->name));
}

/* the queues to show, sorted; owned by the caller */
static struct row *
select_queues(struct control *c, uint32_t *n)
{
	struct str  sort = control_arg(c, ARG_SORT);
	struct row *rows = xcalloc((size_t)qd.queues.n_used + 1, sizeof *rows);
	bool	    top = c->req->command == CTL_SHOW_TOPQUEUES || c->req->command == CTL_SHOW_TOPDOMAINS;

	*n = 0;
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		if (!is_shown(c, q))
			continue;
		rows[*n].q = q;
		if (str_ieq(sort, STR("size")))
			rows[*n].key = q->bytes;
		else if (top || str_ieq(sort, STR("rcpt")))
			rows[*n].key = queue_n_rcpts(q);
		(*n)++;
	}
	qsort(rows, *n, sizeof *rows, by_key);
	return rows;
}

static void
show_errors(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e;
	char		    when[32];

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
	if (q->ready.n == 0 && q->deferred.head != 0)
		return tick_to_wall(rcpt_at(q->deferred.head)->due);
	return (struct wall){0};
}

static void
show_queue(struct control *c, const struct queue *q, uint32_t i)
{
	const struct event *e = events_last(q, 0);
	char		    when[32];

	control_text(c, str_of(q->name), "queue[%u].name", i);
	control_number(c, queue_n_rcpts(q), "queue[%u].rcp", i);
	control_number(c, q->bytes / 1024, "queue[%u].kb", i);
	control_number(c, q->n_conns, "queue[%u].conn", i);
	control_bool(c, q->paused, "queue[%u].paused", i);
	control_text(c, STR("normal"), "queue[%u].mode", i);
	control_text(c, str_of(hold_name((enum queue_hold)q->hold)), "queue[%u].state", i);
	control_text(c, control_time(next_try(q), when), "queue[%u].retryTime", i);
	control_number(c, q->n_delivered, "queue[%u].deliveries", i);
	control_number(c, q->n_bounced, "queue[%u].bounces", i);
	control_number(c, q->n_deferred, "queue[%u].deferrals", i);
	control_text(c, e == NULL ? STR("") : str_of(e->text), "queue[%u].lastError", i);
	if (control_flag(c, "errors"))
		show_errors(c, q, i);
}

static uint32_t
page_max(const struct control *c)
{
	return c->req->max == 0 ? SHOW_DEFAULT : PH_MIN(c->req->max, (uint32_t)CONTROL_PAGE);
}

void
control_show_queues(struct control *c)
{
	uint32_t    n, from = (uint32_t)c->req->cursor, i;
	struct row *rows = select_queues(c, &n);
	uint64_t    total = 0;

	for (i = from; i < n && i - from < page_max(c); i++)
		show_queue(c, rows[i].q, i);
	for (uint32_t k = 0; k < n; k++)
		total += queue_n_rcpts(rows[k].q);
	c->next = i < n ? i : 0;
	control_number(c, total, "totalRcp");
	control_number(c, n, "totalQueuesWithRcp");
	free(rows);
	control_end(c, true, "%u of %u matching queues.", i, n);
}

/* ---- domains ---- */

struct domain_sum {
	struct str name;
	uint64_t   rcpts, bytes;
	uint32_t   conns;
	const struct event *last;
};

static int
by_domain(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return str_cmp(queue_domain(x->q), queue_domain(y->q));
}

static int
by_rcpts(const void *a, const void *b)
{
	const struct domain_sum *x = a, *y = b;

	if (x->rcpts != y->rcpts)
		return x->rcpts < y->rcpts ? 1 : -1;
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
	if (e != NULL && (d->last == NULL || e->when.ns > d->last->when.ns))
		d->last = e;
}

static struct domain_sum *
sum_domains(struct row *rows, uint32_t n, uint32_t *n_sums)
{
	struct domain_sum *sums = xcalloc((size_t)n + 1, sizeof *sums);

	*n_sums = 0;
	qsort(rows, n, sizeof *rows, by_domain);
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && !str_eq(queue_domain(rows[i].q), queue_domain(rows[i - 1].q)))
			(*n_sums)++;
		add_queue(&sums[*n_sums], rows[i].q);
	}
	*n_sums += n > 0;
	return sums;
}

void
control_show_domains(struct control *c)
{
	uint32_t	   n, n_sums, from = (uint32_t)c->req->cursor, i;
	struct row	  *rows = select_queues(c, &n);
	struct domain_sum *sums = sum_domains(rows, n, &n_sums);

	if (c->req->command == CTL_SHOW_TOPDOMAINS || str_ieq(control_arg(c, ARG_SORT), STR("rcpt")))
		qsort(sums, n_sums, sizeof *sums, by_rcpts);
	for (i = from; i < n_sums && i - from < page_max(c); i++) {
		control_text(c, sums[i].name, "domain[%u].name", i);
		control_number(c, sums[i].rcpts, "domain[%u].rcp", i);
		control_number(c, sums[i].bytes / 1024, "domain[%u].kb", i);
		control_number(c, sums[i].conns, "domain[%u].conn", i);
		control_text(c, sums[i].last == NULL ? STR("") : str_of(sums[i].last->text),
		    "domain[%u].lastError", i);
	}
	c->next = i < n_sums ? i : 0;
	free(sums);
	free(rows);
	control_end(c, true, "%u of %u domains shown.", i, n_sums);
}

/* ---- VirtualMTAs, jobs, settings ---- */

void
control_show_vmtas(struct control *c)
{
	const struct conf *conf = daemon_conf();
	size_t		   n;

	vmta_get(STR(""));
	for (size_t i = 0; i < conf_n_vmtas(conf); i++)
		vmta_get(conf_vmta_at(conf, i)->name);
	n = vmta_n();
	for (size_t i = 0; i < n; i++) {
		struct vmta *v = vmta_at(i);
		uint64_t     rcpts = 0, bytes = 0;
		uint32_t     domains = 0;
		for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
			struct queue *q = queue_at(h);
			if (q->vmta != v)
				continue;
			rcpts += queue_n_rcpts(q);
			bytes += q->bytes;
			domains += queue_n_rcpts(q) > 0;
		}
		control_text(c, v->name.len == 0 ? STR("{default}") : v->name, "vmta[%zu].name", i);
		control_number(c, domains, "vmta[%zu].dom", i);
		control_number(c, rcpts, "vmta[%zu].rcp", i);
		control_number(c, bytes / 1024, "vmta[%zu].kb", i);
		control_number(c, v->out.used, "vmta[%zu].conn", i);
		control_bool(c, v->is_held, "vmta[%zu].held", i);
	}
	control_number(c, qd.rcpts.n_used, "totalRcp");
	control_end(c, true, "%zu of %zu virtual MTAs.", n, n);
}

void
control_show_jobs(struct control *c)
{
	uint32_t n = 0, from = (uint32_t)c->req->cursor, i = 0;

	for (uint32_t h = 0; (h = job_next(h)) != 0;) {
		if (n >= from && i < CONTROL_PAGE) {
			control_text(c, str_of(job_at(h)->name), "job[%u].name", n);
			control_number(c, job_at(h)->n_rcpts, "job[%u].rcp", n);
			control_bool(c, job_at(h)->paused, "job[%u].paused", n);
			i++;
		}
		n++;
	}
	c->next = from + i < n ? from + i : 0;
	control_end(c, true, "Total of %u job(s).", n);
}

static void
show_block(struct control *c, const struct conf_set *set, enum conf_block block, const char *section)
{
	uint32_t i = 0;

	for (enum conf_key k = CONF_NONE; (k = conf_next_key(block, k)) != CONF_NONE; i++) {
		struct conf_origin o = conf_origin(set, k);
		char		  *value = conf_print(set, k);
		control_text(c, str_of(conf_key_name(k)), "%s[%u].name", section, i);
		control_text(c, str_of(value), "%s[%u].value", section, i);
		control_text(c, str_of(o.file), "%s[%u].file", section, i);
		control_number(c, o.line, "%s[%u].line", section, i);
		free(value);
	}
}

void
control_show_settings(struct control *c)
{
	struct str		 what = control_arg(c, ARG_TARGET), vmta = STR("");
	size_t			 slash = str_rfind(what, '/');
	const struct conf_vmta	*v;

	if (what.len == 0) {
		control_end(c, false, "Say which queue: domain[/vmta].");
		return;
	}
	if (slash != STR_NPOS) {
		vmta = str_skip(what, slash + 1);
		what = str_sub(what, 0, slash);
	}
	v = conf_vmta(daemon_conf(), vmta);
	if (vmta.len > 0 && v == NULL && !str_ieq(vmta, STR("{default}"))) {
		control_end(c, false, "There is no VirtualMTA \"%.*s\".", STR_ARG(vmta));
		return;
	}
	if (v != NULL)
		show_block(c, v->set, CONF_BLOCK_VMTA, "vmta");
	show_block(c, conf_queue(daemon_conf(), what, v == NULL ? STR("") : v->name), CONF_BLOCK_DOMAIN, "queue");
}

void
control_reset_counters(struct control *c)
{
	control_end(c, false, "Counters only rise; compare two readings of \"show status\".");
}
