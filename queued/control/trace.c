#include "queued/control/trace.h"

#include <sys/queue.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/way/route.h"
#include "queued/state.h"

#define MAX_TRACES  16
#define BACKLOG_MAX (1024u * 1024u)
/* without a connection of the queue the trace ends */
#define WAIT_MS (5 * 60 * 1000)

struct trace {
	LIST_ENTRY(trace) link;
	struct ipc_chan *chan;
	char *queue; /* its name, owned */
	struct net_addr source;
	uint32_t conn; /* 0: it is still awaited */
	unsigned bits;
	bool resolution, to_log;
	uint32_t n_dropped;
	struct ev_timer timer;
};
static struct {
	LIST_HEAD(, trace) list;
	uint32_t n;
} traces;

static void
forget(struct trace *t)
{
	LIST_REMOVE(t, link);
	traces.n--;
	ev_timer_stop(&t->timer);
	free(t->queue);
	free(t);
}

static void
finish(struct trace *t, bool ok, const char *text)
{
	struct ipc_chan *chan = t->chan;

	forget(t);
	control_stream_end(chan, ok, text);
}

static void
on_wait_over(struct ev_timer *t)
{
	finish(ph_container_of(t, struct trace, timer), false,
	    "No connection of the queue was opened within five minutes; see explain.");
}

void
trace_gone(const struct ipc_chan *chan)
{
	struct trace *t;

	LIST_FOREACH(t, &traces.list, link)
	{
		if (t->chan != chan)
			continue;
		forget(t);
		return;
	}
}

static void
tell(struct trace *t, struct str text)
{
	struct ipc_ctl_event head = {.when_ns = ev_wall().ns, .n_dropped = t->n_dropped};
	struct str texts[8] = {STR("trace"), str_of(t->queue), STR(""), STR(""), STR(""), STR(""),
	    STR(""), str_sub(text, 0, 1000)};

	if (t->to_log)
		log_info("event=trace queue=%s talk=%s", t->queue, log_quote(text));
	if (ipc_backlog(t->chan) > BACKLOG_MAX) {
		t->n_dropped++;
		return;
	}
	t->n_dropped = 0;
	ipc_send(t->chan, IPC_CTL_EVENT, &head, texts, -1);
}

/* ---- the command ---- */

static bool
read_source(struct control *c, struct net_addr *a)
{
	struct str s = control_arg(c, ARG_SOURCE);

	*a = (struct net_addr){0};
	if (s.len == 0 || net_addr_parse(s, a))
		return true;
	control_end(c, false, "--source-ip is an address.");
	return false;
}

void
control_trace(struct control *c)
{
	struct str name = control_arg(c, ARG_TARGET);
	struct queue *q = queue_find(name);
	struct net_addr source;
	struct trace *t;
	char whole[600];

	if (q == NULL && str_find(name, '/') == STR_NPOS) {
		snprintf(whole, sizeof whole, "%.*s/{default}", STR_ARG(str_sub(name, 0, 500)));
		q = queue_find(str_of(whole));
	}
	if (!read_source(c, &source))
		return;
	if (q == NULL || traces.n >= MAX_TRACES) {
		control_end(c, false,
		    q == NULL ? "No queue has this name; say domain/vmta."
			      : "Too many queues are traced already.");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->chan = c->chan;
	t->queue = xstrdup(q->name);
	t->source = source;
	t->bits = TALK_CONNECTIONS | TALK_COMMANDS | TALK_TLS | TALK_FAILURES;
	t->bits |= control_flag(c, "log-data") ? TALK_DATA : 0u;
	t->resolution = control_flag(c, "log-resolution");
	t->to_log = control_flag(c, "to-log");
	ev_timer_init(&t->timer, on_wait_over);
	ev_timer_in_ms(&t->timer, WAIT_MS);
	LIST_INSERT_HEAD(&traces.list, t, link);
	traces.n++;
	control_stream(c);
	tell(t, STR("starting"));
	if (t->resolution)
		route_drop(q);
	queue_schedule(q, control_flag(c, "retry-recipients"));
	queue_kick(q);
}

/* ---- what happens ---- */

static struct trace *
of_conn(uint32_t conn)
{
	struct trace *t;

	LIST_FOREACH(t, &traces.list, link)
	{
		if (t->conn == conn)
			return t;
	}
	return NULL;
}

unsigned
trace_conn(const struct queue *q, const struct conn *c)
{
	struct trace *t;

	LIST_FOREACH(t, &traces.list, link)
	{
		if (t->conn != 0 || strcmp(t->queue, q->name) != 0 ||
		    (t->source.family != 0 && !net_addr_eq(&t->source, &c->src_asked)))
			continue;
		t->conn = c->number;
		ev_timer_stop(&t->timer);
		return t->bits;
	}
	return 0;
}

void
trace_line(uint32_t conn, struct str text)
{
	struct trace *t = of_conn(conn);

	if (t != NULL)
		tell(t, text);
}

void
trace_conn_gone(uint32_t conn, struct str text)
{
	struct trace *t = of_conn(conn);

	if (t == NULL)
		return;
	if (text.len > 0)
		tell(t, text);
	finish(t, true, "done");
}

bool
trace_wants_resolution(const struct queue *q)
{
	struct trace *t;

	LIST_FOREACH(t, &traces.list, link)
	{
		if (t->resolution && t->conn == 0 && strcmp(t->queue, q->name) == 0)
			return true;
	}
	return false;
}

void
trace_resolution(const struct queue *q, struct str text)
{
	struct trace *t;

	LIST_FOREACH(t, &traces.list, link)
	{
		if (t->resolution && t->conn == 0 && strcmp(t->queue, q->name) == 0)
			tell(t, text);
	}
}
