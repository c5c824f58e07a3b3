#include "queued/alert/alert.h"

#include <stdarg.h>

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"
#include "queued/alert/tell.h"
#include "queued/control/control_int.h"
#include "queued/control/tail.h"

#define MAX_ALERTS  1000
#define SUBJECT_MAX 300u
#define TEXT_MAX    400u
#define KEPT_MS	    (24 * 3600 * 1000LL)
#define LOOK_MS	    10000

struct alert {
	enum alert_kind kind;
	bool is_used, is_raised;
	char *subject, *text; /* owned */
	struct wall since, last, ended;
	struct mono until;  /* cleared by itself then; MONO_NEVER: not */
	struct mono forget; /* when it is not raised */
	uint32_t n;	    /* how often it was raised */
};
static struct {
	struct alert list[MAX_ALERTS];
	struct hmap map; /* to the place + 1 */
	uint32_t n_raised, n_unlisted;
	struct ev_timer look;
	bool made;
} alerts;

static const struct {
	const char *word;
	bool is_critical, is_mailed;
} kinds[ALERT_KIND_MAX] = {
#define X(name, text, critical, mailed) [ALERT_##name] = {text, critical, mailed},
    ALERT_KINDS(X)
#undef X
};

struct key {
	enum alert_kind kind;
	struct str subject;
};

static uint64_t
hash_of(const struct key *k)
{
	return str_hash(k->subject) ^ ((uint64_t)k->kind + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool
is_key(const void *key, uint32_t place)
{
	const struct key *k = key;
	const struct alert *a = &alerts.list[place - 1];

	return a->kind == k->kind && str_eq(str_of(a->subject), k->subject);
}

static struct alert *
find(const struct key *k)
{
	uint32_t place = hmap_find(&alerts.map, hash_of(k), is_key, k);

	return place == 0 ? NULL : &alerts.list[place - 1];
}

static void
forget(struct alert *a)
{
	struct key k = {a->kind, str_of(a->subject)};

	hmap_remove(&alerts.map, hash_of(&k), (uint32_t)(a - alerts.list) + 1);
	free(a->subject);
	free(a->text);
	*a = (struct alert){0};
}

static void
end(struct alert *a)
{
	char text[SUBJECT_MAX + 60];
	int n;

	a->is_raised = false;
	a->ended = ev_wall();
	a->forget = mono_add_ms(ev_now(), KEPT_MS);
	stat_set(STAT_ALERTS, --alerts.n_raised);
	n = snprintf(text, sizeof text, "%s %s: has ended", kinds[a->kind].word, a->subject);
	tail_queue(TAIL_ALERT, "", str_from(text, PH_MIN((size_t)n, sizeof text - 1)));
	log_info("event=alert-cleared kind=%s subject=%s", kinds[a->kind].word,
	    log_quote(str_of(a->subject)));
}

static void
on_look(struct ev_timer *t)
{
	for (size_t i = 0; i < MAX_ALERTS; i++) {
		struct alert *a = &alerts.list[i];
		if (a->is_raised && !mono_is_before(ev_now(), a->until))
			end(a);
		else if (a->is_used && !a->is_raised && !mono_is_before(ev_now(), a->forget))
			forget(a);
	}
	ev_timer_in_ms(t, LOOK_MS);
}

static void
make_once(void)
{
	if (alerts.made)
		return;
	alerts.made = true;
	hmap_init(&alerts.map);
	ev_timer_init(&alerts.look, on_look);
	ev_timer_in_ms(&alerts.look, LOOK_MS);
}

/* a free place, else that of the one that ended first; NULL: all are raised */
static struct alert *
make_room(void)
{
	struct alert *oldest = NULL;

	if (alerts.n_raised >= MAX_ALERTS)
		return NULL;
	for (size_t i = 0; i < MAX_ALERTS; i++) {
		struct alert *a = &alerts.list[i];
		if (!a->is_used)
			return a;
		if (!a->is_raised && (oldest == NULL || a->ended.ns < oldest->ended.ns))
			oldest = a;
	}
	if (oldest != NULL)
		forget(oldest);
	return oldest;
}

static struct alert *
add(const struct key *k)
{
	struct alert *a = make_room();

	if (a == NULL) {
		alerts.n_unlisted++;
		return NULL;
	}
	*a = (struct alert){.kind = k->kind, .is_used = true, .subject = xstrdup_str(k->subject)};
	hmap_add(&alerts.map, hash_of(k), (uint32_t)(a - alerts.list) + 1);
	return a;
}

static void
tell(const struct alert *a)
{
	char line[SUBJECT_MAX + TEXT_MAX + 40];
	struct tail_event e = {.kind = TAIL_ALERT, .queue = STR("")};
	int n = snprintf(line, sizeof line, "%s %s: %s", kinds[a->kind].word, a->subject, a->text);

	log_warn("event=alert kind=%s subject=%s text=%s", kinds[a->kind].word,
	    log_quote(str_of(a->subject)), log_quote(str_of(a->text)));
	e.text = str_from(line, PH_MIN((size_t)n, sizeof line - 1));
	if (tail_is_wanted(TAIL_ALERT))
		tail_tell(&e);
	alert_tell_new(e.text, kinds[a->kind].is_mailed);
}

static void PH_PRINTF(4, 0)
    raise_it(enum alert_kind kind, int64_t ms, struct str subject, const char *fmt, va_list ap)
{
	struct key k = {kind, str_sub(subject, 0, SUBJECT_MAX)};
	struct alert *a;
	char text[TEXT_MAX];
	bool is_new;

	make_once();
	a = find(&k);
	if (a == NULL)
		a = add(&k);
	if (a == NULL)
		return;
	vsnprintf(text, sizeof text, fmt, ap);
	free(a->text);
	a->text = xstrdup(text);
	a->last = ev_wall();
	a->until = ms < 0 ? MONO_NEVER : mono_add_ms(ev_now(), ms);
	a->n++;
	is_new = !a->is_raised;
	if (!is_new)
		return;
	a->is_raised = true;
	a->since = a->last;
	stat_set(STAT_ALERTS, ++alerts.n_raised);
	stat_inc(STAT_ALERTS_TOTAL);
	tell(a);
}

void
alert_raise(enum alert_kind kind, struct str subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	raise_it(kind, -1, subject, fmt, ap);
	va_end(ap);
}

void
alert_raise_for(enum alert_kind kind, int64_t ms, struct str subject, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	raise_it(kind, ms, subject, fmt, ap);
	va_end(ap);
}

void
alert_clear(enum alert_kind kind, struct str subject)
{
	struct key k = {kind, str_sub(subject, 0, SUBJECT_MAX)};
	struct alert *a = alerts.made ? find(&k) : NULL;

	if (a != NULL && a->is_raised)
		end(a);
}

/* ---- show alerts ---- */

static void
show(struct control *c, const struct alert *a, uint32_t i)
{
	char when[32];

	control_text(c, str_of(a->is_raised ? "raised" : "ended"), "alert[%u].state", i);
	control_text(
	    c, str_of(kinds[a->kind].is_critical ? "critical" : "warning"), "alert[%u].level", i);
	control_text(c, str_of(kinds[a->kind].word), "alert[%u].kind", i);
	control_text(c, str_of(a->subject), "alert[%u].subject", i);
	control_text(c, str_of(a->text), "alert[%u].text", i);
	control_text(c, control_time(a->since, when), "alert[%u].since", i);
	control_text(c, control_time(a->last, when), "alert[%u].last", i);
	if (!a->is_raised)
		control_text(c, control_time(a->ended, when), "alert[%u].ended", i);
	control_number(c, a->n, "alert[%u].count", i);
}

/* what is raised before what has ended, the latest first */
static int
by_time(const void *a, const void *b)
{
	const struct alert *const *x = a, *const *y = b;

	if ((*x)->is_raised != (*y)->is_raised)
		return (*y)->is_raised - (*x)->is_raised;
	return ((*x)->last.ns < (*y)->last.ns) - ((*x)->last.ns > (*y)->last.ns);
}

void
control_show_alerts(struct control *c)
{
	const struct alert *list[MAX_ALERTS] = {NULL};
	uint32_t n = 0, max = c->req->max == 0 ? MAX_ALERTS : c->req->max;

	for (size_t i = 0; i < MAX_ALERTS; i++) {
		if (alerts.list[i].is_used)
			list[n++] = &alerts.list[i];
	}
	qsort(list, n, sizeof *list, by_time);
	for (uint32_t i = 0; i < PH_MIN(n, max); i++)
		show(c, list[i], i);
	if (n == 0)
		control_no_rows(c, "alert");
	control_end(c, true, "%u alerts are raised%s, %u ended in the last 24 hours.",
	    alerts.n_raised,
	    alerts.n_unlisted > 0 ? " (and more, for which the list has no room)" : "",
	    n - alerts.n_raised);
}
