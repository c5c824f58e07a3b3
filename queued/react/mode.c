#include "queued/react/mode.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/end/notice.h"
#include "queued/queue.h"
#include "queued/alert/alert.h"
#include "queued/control/tail.h"
#include "queued/react/retry.h"

#define NEVER		((struct tick){.t = INT32_MAX})
#define EVENT_TEXT_MAX	300
#define NOTICE_EVERY_MS (60 * 1000)

void
cause_keep(struct cause_kept *k, const struct cause *c)
{
	cause_forget(k);
	k->text = xstrdup_str(str_sub(c->text, 0, EVENT_TEXT_MAX));
	if (c->origin.file != NULL)
		k->file = xstrdup(c->origin.file);
	k->line = c->origin.line;
	k->directive = c->directive;
}

void
cause_forget(struct cause_kept *k)
{
	xfree(&k->text);
	xfree(&k->file);
	*k = (struct cause_kept){0};
}

static void
add_event(struct mode *m, bool backoff, const struct cause *c)
{
	struct mode_event *e = &m->ring[m->n++ % MODE_EVENTS];

	free(e->text);
	e->when = ev_wall();
	if (c->origin.line > 0)
		e->text = xasprintf("%s: %.*s (line %u of %s)", backoff ? "backoff" : "normal",
		    STR_ARG(str_sub(c->text, 0, EVENT_TEXT_MAX)), c->origin.line, c->origin.file);
	else
		e->text = xasprintf("%s: %.*s", backoff ? "backoff" : "normal",
		    STR_ARG(str_sub(c->text, 0, EVENT_TEXT_MAX)));
}

const struct mode_event *
mode_event(const struct queue *q, uint32_t i)
{
	if (q->mode == NULL || i >= q->mode->n || i >= MODE_EVENTS)
		return NULL;
	return &q->mode->ring[(q->mode->n - 1 - i) % MODE_EVENTS];
}

static struct str
until_text(const struct mode *m, char text[32])
{
	if (m->until.t == INT32_MAX)
		return STR("it is set to normal");
	return notice_time(tick_to_wall(m->until), text);
}

static void
send_notice(struct queue *q)
{
	struct mode *m = q->mode;
	const struct mode_event *e;
	struct buf b;
	char when[32], until[32];

	m->notice_due = false;
	m->notice_after = tick_in_ms(NOTICE_EVERY_MS);
	notice_begin(&b);
	(void)buf_addf(&b, "Queue:   %s\nMode:    %s\nSince:   %.*s\n", q->name,
	    q->backoff ? "backoff" : "normal", STR_ARG(notice_time(tick_to_wall(m->since), when)));
	if (q->backoff)
		(void)buf_addf(&b, "Until:   %.*s\n", STR_ARG(until_text(m, until)));
	(void)buf_addf(&b, "Because: %s\n", m->by.text);
	if (m->by.line > 0)
		(void)buf_addf(&b, "Line:    %u of %s\n", m->by.line, m->by.file);
	(void)buf_addf(
	    &b, "Waiting: %u recipients\n\nChanges of mode, the latest first:\n", queue_n_rcpts(q));
	for (uint32_t i = 0; (e = mode_event(q, i)) != NULL; i++)
		(void)buf_addf(&b, "%.*s %s\n", STR_ARG(notice_time(e->when, when)), e->text);
	notice_send(q, CONF_DOMAIN_BACKOFF_NOTIFY,
	    q->backoff ? "is in backoff mode" : "is in normal mode", &b);
}

static void
changed(struct queue *q, bool backoff, const struct cause *c)
{
	struct mode *m = q->mode;

	q->backoff = backoff;
	m->since = tick_now();
	cause_keep(&m->by, c);
	add_event(m, backoff, c);
	log_info("event=mode queue=%s mode=%s text=%s", q->name, backoff ? "backoff" : "normal",
	    log_quote(c->text));
	tail_queue(TAIL_MODE, q->name, str_of(m->ring[(m->n - 1) % MODE_EVENTS].text));
	if (backoff)
		alert_raise(
		    ALERT_BACKOFF, str_of(q->name), "%.*s", STR_ARG(str_sub(c->text, 0, 300)));
	else
		alert_clear(ALERT_BACKOFF, str_of(q->name));
	retry_mode_changed(q);
	if (!c->of_report && notice_is_wanted(q, CONF_DOMAIN_BACKOFF_NOTIFY))
		m->notice_due = true;
	queue_kick(q);
}

void
mode_set_backoff(struct queue *q, int64_t ms, const struct cause *c)
{
	struct mode *m = q->mode;

	if (m == NULL) {
		q->mode = m = xcalloc(1, sizeof *m);
		m->notice_after = tick_now();
	}
	if (q->backoff)
		return;
	if (ms < 0)
		ms = conf_ms(q->policy->set, CONF_DOMAIN_BACKOFF_TO_NORMAL_AFTER);
	m->until = ms == CONF_NEVER ? NEVER : tick_in_ms(ms);
	changed(q, true, c);
}

void
mode_set_normal(struct queue *q, const struct cause *c)
{
	if (!q->backoff)
		return;
	q->mode->until = NEVER;
	changed(q, false, c);
}

void
mode_delivered(struct queue *q)
{
	struct cause c = {.text = STR("a delivery went through"),
	    .directive = conf_key_name(CONF_DOMAIN_BACKOFF_TO_NORMAL_AFTER_DELIVERY)};

	if (!q->backoff || !conf_bool(q->policy->set, CONF_DOMAIN_BACKOFF_TO_NORMAL_AFTER_DELIVERY))
		return;
	c.origin = conf_origin(q->policy->set, CONF_DOMAIN_BACKOFF_TO_NORMAL_AFTER_DELIVERY);
	mode_set_normal(q, &c);
}

void
mode_run(struct queue *q)
{
	struct cause c = {.text = STR("its time is over")};

	if (q->mode == NULL)
		return;
	if (q->backoff && q->mode->until.t != INT32_MAX && tick_is_due(q->mode->until))
		mode_set_normal(q, &c);
	if (q->mode->notice_due && tick_is_due(q->mode->notice_after))
		send_notice(q);
}

struct tick
mode_next(const struct queue *q)
{
	struct tick next = NEVER;

	if (q->mode == NULL)
		return next;
	if (q->backoff)
		next = q->mode->until;
	if (q->mode->notice_due && q->mode->notice_after.t < next.t)
		next = q->mode->notice_after;
	return next;
}

bool
mode_remembers(const struct queue *q)
{
	return q->backoff || (q->mode != NULL && q->mode->notice_due);
}

void
mode_free(struct queue *q)
{
	if (q->mode == NULL)
		return;
	cause_forget(&q->mode->by);
	for (size_t i = 0; i < MODE_EVENTS; i++)
		free(q->mode->ring[i].text);
	xfree(&q->mode);
}
