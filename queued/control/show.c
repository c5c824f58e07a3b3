/* show status, version and ledger; reset counters and status */
#include <time.h>
#include <unistd.h>

#include "lib/daemon/daemon.h"
#include "queued/control/control_int.h"
#include "queued/control/events.h"
#include "queued/spool/recover.h"
#include "queued/spool/segment.h"
#include "queued/state.h"

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
	control_number(c, qd.queues.n_used - qd.n_queues_empty, "status.queue.smtp.dom");
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
