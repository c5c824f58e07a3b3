#include "queued/way/source.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "queued/alert/alert.h"
#include "queued/way/blocklist.h"
#include "queued/control/events.h"
#include "queued/end/notice.h"
#include "queued/queue.h"
#include "queued/control/tail.h"
#include "queued/vmta.h"

#define NEVER ((struct tick){.t = INT32_MAX})

static bool
is_same(const struct net_addr *a, const struct net_addr *b)
{
	struct net_addr x = *a, y = *b;

	x.port = y.port = 0;
	return net_addr_eq(&x, &y);
}

static struct source_off *
find(const struct queue *q, const struct net_addr *addr)
{
	for (uint32_t i = 0; q->sources_off != NULL && i < q->sources_off->n; i++) {
		if (is_same(&q->sources_off->list[i].addr, addr))
			return &q->sources_off->list[i];
	}
	return NULL;
}

static bool
source_is_disabled(const struct queue *q, const struct net_addr *addr)
{
	return q->sources_off != NULL && find(q, addr) != NULL;
}

bool
source_is_off(const struct queue *q, const struct net_addr *addr)
{
	return source_is_disabled(q, addr) || blocklist_holds(addr);
}

/* `off` says of one whether it is out of use */
static bool
are_all(const struct queue *q, bool (*off)(const struct queue *, const struct net_addr *))
{
	const struct conf_vmta *v = q->vmta->conf;

	if (v == NULL || v->n_sources == 0)
		return q->sources_off != NULL && q->sources_off->n > 0;
	for (size_t i = 0; i < v->n_sources; i++) {
		if (!off(q, &v->sources[i].addr))
			return false;
	}
	return true;
}

bool
source_all_disabled(const struct queue *q)
{
	if (q->sources_off != NULL && q->sources_off->all)
		return true;
	return blocklist_is_holding() && are_all(q, source_is_off);
}

static const char *
addr_text(const struct net_addr *a, char text[NET_ADDR_TEXT])
{
	struct net_addr plain = *a;

	plain.port = 0;
	return a->family == 0 ? "(any)" : net_addr_text(&plain, text);
}

static void
tell(struct queue *q, const struct source_off *s)
{
	char addr[NET_ADDR_TEXT], when[32], title[128];
	struct buf b;

	if (!notice_is_wanted(q, CONF_DOMAIN_DISABLED_SOURCE_IP_NOTIFY))
		return;
	notice_begin(&b);
	(void)buf_addf(&b, "Queue:   %s\nSource:  %s\n", q->name, addr_text(&s->addr, addr));
	(void)buf_addf(&b, "Until:   %.*s\n",
	    STR_ARG(s->until.t == INT32_MAX ? STR("it is enabled by command")
					    : notice_time(tick_to_wall(s->until), when)));
	(void)buf_addf(&b, "Because: %s\n", s->by.text);
	if (s->by.line > 0)
		(void)buf_addf(&b, "Line:    %u of %s\n", s->by.line, s->by.file);
	if (q->sources_off->all)
		(void)buf_addf(&b, "\nAll SMTP sources for queue %s are now disabled.\n", q->name);
	snprintf(title, sizeof title, "does not use source %s", addr);
	notice_send(q, CONF_DOMAIN_DISABLED_SOURCE_IP_NOTIFY,
	    s->addr.family == 0 ? "does not use its source" : title, &b);
}

static void
all_are_disabled(struct queue *q, const struct cause *c)
{
	struct cause why = *c;
	char text[400];
	int n;

	n = snprintf(
	    text, sizeof text, "All SMTP sources for queue %.300s are now disabled.", q->name);
	events_add(q, str_from(text, PH_MIN((size_t)n, sizeof text - 1)));
	log_warn("event=sources-disabled queue=%s text=\"%s\"", q->name, text);
	if (!conf_bool(q->policy->set, CONF_DOMAIN_BACKOFF_UPON_ALL_SOURCES_DISABLED))
		return;
	why.text = str_of(text);
	why.directive = conf_key_name(CONF_DOMAIN_BACKOFF_UPON_ALL_SOURCES_DISABLED);
	why.origin = conf_origin(q->policy->set, CONF_DOMAIN_BACKOFF_UPON_ALL_SOURCES_DISABLED);
	mode_set_backoff(q, -1, &why);
}

/* why NULL: it is enabled again */
static void
tell_alert(const struct queue *q, const struct net_addr *addr, const struct str *why)
{
	char text[NET_ADDR_TEXT], subject[400];
	int n = snprintf(subject, sizeof subject, "%s for %.300s", addr_text(addr, text), q->name);
	struct str s = str_from(subject, PH_MIN((size_t)n, sizeof subject - 1));

	if (why != NULL)
		alert_raise(ALERT_SOURCE, s, "%.*s", STR_ARG(str_sub(*why, 0, 300)));
	else
		alert_clear(ALERT_SOURCE, s);
}

static void
tell_events(const struct queue *q, const struct net_addr *addr, const char *what, struct str why)
{
	char text[NET_ADDR_TEXT], line[400];
	struct tail_event e = {.kind = TAIL_SOURCE, .queue = str_of(q->name)};
	int n;

	if (!tail_is_wanted(TAIL_SOURCE))
		return;
	e.source = str_of(addr_text(addr, text));
	n = snprintf(line, sizeof line, "%s%s%.*s", what, why.len > 0 ? ": " : "",
	    STR_ARG(str_sub(why, 0, 300)));
	e.text = str_from(line, PH_MIN((size_t)n, sizeof line - 1));
	tail_tell(&e);
}

bool
source_disable(struct queue *q, const struct net_addr *addr, int64_t ms, const struct cause *c)
{
	struct sources_off *off = q->sources_off;
	struct source_off *s;
	char text[NET_ADDR_TEXT];
	bool was_all;

	if (source_is_disabled(q, addr))
		return false;
	if (off == NULL)
		q->sources_off = off = xcalloc(1, sizeof *off);
	was_all = off->all;
	if (ms == -1)
		ms = conf_ms(q->policy->set, CONF_DOMAIN_REENABLE_SOURCE_IP_AFTER);
	off->list = xreallocarray(off->list, off->n + 1, sizeof *off->list);
	s = &off->list[off->n++];
	*s = (struct source_off){
	    .addr = *addr, .since = tick_now(), .until = ms == CONF_NEVER ? NEVER : tick_in_ms(ms)};
	cause_keep(&s->by, c);
	off->all = are_all(q, source_is_disabled);
	if (conf_bool(q->policy->set, CONF_DOMAIN_LOG_DISABLED_IPS))
		log_info("event=source-disabled queue=%s source=%s text=%s", q->name,
		    addr_text(addr, text), log_quote(c->text));
	tell_events(q, addr, "disabled", c->text);
	tell_alert(q, addr, &c->text);
	if (!c->of_report)
		tell(q, s);
	if (off->all && !was_all)
		all_are_disabled(q, c);
	queue_kick(q);
	return true;
}

static void
remove_at(struct queue *q, uint32_t i)
{
	struct sources_off *off = q->sources_off;
	char text[NET_ADDR_TEXT];

	if (conf_bool(q->policy->set, CONF_DOMAIN_LOG_DISABLED_IPS))
		log_info("event=source-enabled queue=%s source=%s", q->name,
		    addr_text(&off->list[i].addr, text));
	tell_alert(q, &off->list[i].addr, NULL);
	tell_events(q, &off->list[i].addr, "enabled", STR(""));
	cause_forget(&off->list[i].by);
	off->list[i] = off->list[--off->n];
	off->all = are_all(q, source_is_disabled);
	if (off->n == 0)
		source_free(q);
}

bool
source_enable(struct queue *q, const struct net_addr *addr)
{
	struct source_off *s = find(q, addr);

	if (s == NULL)
		return false;
	remove_at(q, (uint32_t)(s - q->sources_off->list));
	queue_kick(q);
	return true;
}

void
source_run(struct queue *q)
{
	for (uint32_t i = 0; q->sources_off != NULL && i < q->sources_off->n;) {
		const struct source_off *s = &q->sources_off->list[i];
		if (s->until.t != INT32_MAX && tick_is_due(s->until))
			remove_at(q, i);
		else
			i++;
	}
	if (q->sources_off != NULL)
		q->sources_off->all =
		    are_all(q, source_is_disabled); /* the configuration may be another now */
}

struct tick
source_next_change(const struct queue *q)
{
	struct tick next = NEVER;

	for (uint32_t i = 0; q->sources_off != NULL && i < q->sources_off->n; i++) {
		if (q->sources_off->list[i].until.t < next.t)
			next = q->sources_off->list[i].until;
	}
	return next;
}

bool
source_next(struct queue *q, uint8_t family, struct conf_source_host *src)
{
	size_t n = q->vmta->conf == NULL ? 1 : PH_MAX(q->vmta->conf->n_sources, (size_t)1);

	for (size_t i = 0; i < n; i++) {
		if (!vmta_next_source(q->vmta, family, src))
			return false;
		if (!source_is_off(q, &src->addr))
			return true;
	}
	return false;
}

bool
source_remembers(const struct queue *q)
{
	return q->sources_off != NULL;
}

void
source_free(struct queue *q)
{
	if (q->sources_off == NULL)
		return;
	for (uint32_t i = 0; i < q->sources_off->n; i++)
		cause_forget(&q->sources_off->list[i].by);
	free(q->sources_off->list);
	xfree(&q->sources_off);
}
