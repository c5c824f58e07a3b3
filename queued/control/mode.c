/* the commands about modes and disabled sources, and what explain and show queues tell of them */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "queued/way/blocklist.h"
#include "queued/control/control_int.h"
#include "queued/react/mode.h"
#include "queued/control/pause.h"
#include "queued/way/reroute.h"
#include "queued/react/retry.h"
#include "queued/way/source.h"
#include "queued/vmta.h"

#define SOURCES_MAX 2000

static struct str
until_text(struct tick t, char text[32])
{
	return t.t == INT32_MAX ? STR("") : control_time(tick_to_wall(t), text);
}

/* what is done to queues, a piece a turn */
struct change {
	struct queue_walk walk;
	queue_hit *hit;
	const char *before, *behind; /* how many queues, in the answer */
	uint32_t n, n_all;
	struct net_addr addr;
	int64_t ms;
};

static bool
step_change(struct control *c, void *state)
{
	struct change *s = state;

	if (!queue_walk_step(&s->walk, c, s->hit, s))
		return false;
	control_end(c, true, "%s%u of %u %s", s->before, s->n, s->n_all, s->behind);
	return true;
}

static void
begin_change(struct control *c, const struct change *what)
{
	struct change *s = xmalloc(sizeof *s);

	*s = *what;
	control_go_on(c, step_change, NULL, s);
}

/* counts it as well */
static bool
is_meant(struct control *c, const struct queue_brief *b, struct change *s)
{
	s->n_all++;
	return pause_match(control_arg(c, ARG_TARGET), str_of(b->q->name));
}

static bool
set_backoff(struct control *c, const struct queue_brief *b, void *state)
{
	struct cause by = {.text = STR("by command")};
	struct change *s = state;

	if (!is_meant(c, b, s))
		return true;
	mode_set_backoff(b->q, -1, &by);
	s->n++;
	return true;
}

static bool
set_normal(struct control *c, const struct queue_brief *b, void *state)
{
	struct cause by = {.text = STR("by command")};
	struct change *s = state;

	if (!is_meant(c, b, s))
		return true;
	mode_set_normal(b->q, &by);
	s->n++;
	return true;
}

void
control_set_queue(struct control *c)
{
	struct str mode = control_arg(c, ARG_MODE);

	if (control_arg(c, ARG_TARGET).len == 0)
		mode = STR("");
	if (str_ieq(mode, STR("backoff")))
		begin_change(c, &(struct change){.hit = set_backoff,
				    .before = "",
				    .behind = "matching queues set to backoff mode."});
	else if (str_ieq(mode, STR("normal")))
		begin_change(c, &(struct change){.hit = set_normal,
				    .before = "",
				    .behind = "matching queues set to normal mode."});
	else
		control_end(c, false, "Say --mode=normal or --mode=backoff, and which queue.");
}

static bool
read_source(struct control *c, struct net_addr *addr)
{
	if (control_arg(c, ARG_TARGET).len > 0 && net_addr_parse(control_arg(c, ARG_SOURCE), addr))
		return true;
	control_end(c, false, "Say the source's IP address, and which queue.");
	return false;
}

/* one of those that its VirtualMTA sends from, so that a slip of the pen does not go unnoticed */
static bool
has_source(const struct queue *q, const struct net_addr *addr)
{
	const struct conf_vmta *v = q->vmta->conf;

	for (size_t i = 0; v != NULL && i < v->n_sources; i++) {
		if (net_addr_eq(&v->sources[i].addr, addr))
			return true;
	}
	return false;
}

static bool
disable(struct control *c, const struct queue_brief *b, void *state)
{
	struct cause by = {.text = STR("by command")};
	struct change *s = state;

	if (!is_meant(c, b, s) || !has_source(b->q, &s->addr))
		return true;
	source_disable(b->q, &s->addr, s->ms, &by);
	s->n++;
	return true;
}

void
control_disable_source(struct control *c)
{
	struct change s = {
	    .hit = disable, .before = "Source disabled for ", .behind = "queues.", .ms = -1};
	uint32_t seconds;

	if (!read_source(c, &s.addr))
		return;
	if (parse_u32(control_arg(c, ARG_REENABLE), 0, UINT32_MAX, &seconds))
		s.ms = (int64_t)seconds * 1000;
	begin_change(c, &s);
}

static bool
enable(struct control *c, const struct queue_brief *b, void *state)
{
	struct change *s = state;

	if (is_meant(c, b, s) && source_enable(b->q, &s->addr))
		s->n++;
	return true;
}

void
control_enable_source(struct control *c)
{
	struct change s = {.hit = enable, .before = "Source enabled for ", .behind = "queues."};

	if (read_source(c, &s.addr))
		begin_change(c, &s);
}

static void
show_source(struct control *c, const struct queue *q, const struct source_off *s, uint32_t i)
{
	char text[NET_ADDR_TEXT], when[32];

	control_text(c, str_of(q->name), "source[%u].queue", i);
	control_text(c, str_of(net_addr_text(&s->addr, text)), "source[%u].ip", i);
	control_text(c, control_time(tick_to_wall(s->since), when), "source[%u].since", i);
	control_text(c, until_text(s->until, when), "source[%u].until", i);
	control_text(c, str_of(s->by.text), "source[%u].by", i);
	control_text(c, str_of(s->by.file), "source[%u].file", i);
	control_number(c, s->by.line, "source[%u].line", i);
}

void
control_show_sources(struct control *c)
{
	struct str what = control_arg(c, ARG_TARGET);
	uint32_t n = 0;

	for (uint32_t h = 0; (h = queue_next(h)) != 0 && n < SOURCES_MAX;) {
		const struct queue *q = queue_at(h);
		if (q->sources_off == NULL || (what.len > 0 && !pause_match(what, str_of(q->name))))
			continue;
		for (uint32_t i = 0; i < q->sources_off->n && n < SOURCES_MAX; i++)
			show_source(c, q, &q->sources_off->list[i], n++);
	}
	n += blocklist_show(c, n);
	if (n == 0)
		control_no_rows(c, "source");
	control_end(c, true, "%u disabled source(s).", n);
}

/* ---- of one queue ---- */

static void
explain_sources(struct control *c, const struct queue *q, uint32_t i)
{
	char text[NET_ADDR_TEXT], when[32];

	for (uint32_t k = 0; q->sources_off != NULL && k < q->sources_off->n; k++) {
		const struct source_off *s = &q->sources_off->list[k];
		const char *ip = s->addr.family == 0 ? "any" : net_addr_text(&s->addr, text);
		struct str until = until_text(s->until, when);
		control_text(c, str_of(ip), "queue[%u].disabledSource[%u].ip", i, k);
		control_text(c, until.len > 0 ? until : STR("enabled by command"),
		    "queue[%u].disabledSource[%u].until", i, k);
		control_text(c, control_time(tick_to_wall(s->since), when),
		    "queue[%u].disabledSource[%u].since", i, k);
		control_text(c, str_of(s->by.text), "queue[%u].disabledSource[%u].by", i, k);
		control_text(c, str_of(s->by.file), "queue[%u].disabledSource[%u].file", i, k);
		control_number(c, s->by.line, "queue[%u].disabledSource[%u].line", i, k);
	}
}

static void
explain_throttle(struct control *c, const struct queue *q, uint32_t i)
{
	const struct throttle *t = q->throttle;
	char text[600];
	int n;

	if (t == NULL)
		return;
	n = snprintf(text, sizeof text,
	    "%u of %u connections, %u as deliveries go well; since \"%.300s\", line %u", t->allowed,
	    t->full, t->cap, t->by.text, t->by.line);
	control_text(
	    c, str_from(text, PH_MIN((size_t)n, sizeof text - 1)), "queue[%u].concurrency", i);
}

void
control_mode_explain(struct control *c, const struct queue *q, uint32_t i)
{
	enum conf_key key;
	struct str to = reroute_target(q, &key);
	char when[32];

	control_text(c, q->backoff ? STR("backoff") : STR("normal"), "queue[%u].mode", i);
	if (q->backoff) {
		const struct mode *m = q->mode;
		control_text(
		    c, control_time(tick_to_wall(m->since), when), "queue[%u].modeSince", i);
		control_text(c, until_text(m->until, when), "queue[%u].modeUntil", i);
		control_text(c, str_of(m->by.text), "queue[%u].modeBy", i);
		control_text(c, str_of(m->by.directive), "queue[%u].modeDirective", i);
		control_text(c, str_of(m->by.file), "queue[%u].modeFile", i);
		control_number(c, m->by.line, "queue[%u].modeLine", i);
	}
	if (to.len > 0)
		control_text(c, to, "queue[%u].rerouteTo", i);
	explain_throttle(c, q, i);
	explain_sources(c, q, i);
}

void
control_mode_events(struct control *c, const struct queue *q, uint32_t i)
{
	const struct mode_event *e;
	char when[32];

	for (uint32_t k = 0; (e = mode_event(q, k)) != NULL; k++) {
		control_text(c, control_time(e->when, when), "queue[%u].modeEvent[%u].time", i, k);
		control_text(c, str_of(e->text), "queue[%u].modeEvent[%u].text", i, k);
	}
}
