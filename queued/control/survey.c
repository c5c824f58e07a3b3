#include "queued/control/survey.h"

#include "lib/stats/stats.h"
#include "queued/limit/rate_conf.h"
#include "queued/react/retry.h"
#include "queued/way/source.h"
#include "queued/state.h"

#define TURN_MS		500
#define QUEUES_A_TURN	4000
#define MESSAGES_A_TURN 20000
/* how often it is all counted, however little there is */
#define ROUND_MS  2000
#define N_LARGEST 20

/* ages of the classes that are counted */
static const struct {
	int64_t ms;
	const char *text;
} ages[] = {{60000, "1m"}, {600000, "10m"}, {3600000, "1h"}, {21600000, "6h"}, {86400000, "1d"},
    {259200000, "3d"}};

/* the largest by recipients so far; a domain with queues of several VirtualMTAs is added up among those that stayed */
struct largest {
	struct stats_label rows[N_LARGEST * 2];
	size_t n;
};

/* one round */
struct round {
	uint32_t queue, message; /* where it goes on */
	uint32_t held[HOLD_MAX];
	struct stats_label binding[STATS_LABELS];
	size_t n_binding;
	struct largest domains, vmtas;
	uint32_t connected, backoff, paused, sources_off;
	uint64_t older[countof(ages)];
	struct tick oldest;
	uint32_t oldest_message;
	bool queues_done;
};
static struct {
	struct ev_timer timer;
	struct round now;
	uint32_t oldest_s;
} survey;

/* ---- queues ---- */

static const char *
name_of_key(enum conf_key k)
{
	return k == CONF_NONE ? "max-smtp-out" : conf_key_name(k);
}

/* The directive of the limit that holds the queue, NULL: none does. */
static const char *
survey_binding(const struct queue *q)
{
	if (q->hold == HOLD_ACCOUNTING)
		return "accounting";
	if (q->hold != HOLD_LIMIT)
		return NULL;
	if (q->waits_for != NULL)
		return q->waits_for->set == NULL ? q->waits_for->what
						 : conf_key_name(q->waits_for->key);
	if (q->throttle != NULL && q->bound.kind != BOUND_RATE)
		return "retry-after";
	if (q->bound.kind == BOUND_RATE && q->rates != NULL)
		return name_of_key(rate_key((enum rate_kind)q->bound.rate));
	if (q->bound.kind == BOUND_SOURCE && q->from != NULL)
		return name_of_key(source_key((enum source_kind)q->bound.rate));
	return q->backoff ? "backoff-max-smtp-out" : "max-smtp-out";
}

static void
count_label(struct stats_label *list, size_t *n, size_t max, const char *text)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(list[i].text, text) == 0) {
			list[i].value++;
			return;
		}
	}
	if (*n == max)
		return;
	list[*n].value = 1;
	str_copy(list[*n].text, sizeof list[*n].text, str_of(text));
	(*n)++;
}

static int
by_value(const void *a, const void *b)
{
	const struct stats_label *x = a, *y = b;

	return (x->value < y->value) - (x->value > y->value);
}

static void
keep_largest(struct largest *l, struct str name, uint64_t n)
{
	struct stats_label *row;

	if (n == 0)
		return;
	name = str_sub(name, 0, sizeof row->text - 1);
	for (size_t i = 0; i < l->n; i++) {
		if (str_eq(str_of(l->rows[i].text), name)) {
			l->rows[i].value += n;
			return;
		}
	}
	/* those behind the first make room, a batch at a time */
	if (l->n == countof(l->rows)) {
		qsort(l->rows, l->n, sizeof l->rows[0], by_value);
		l->n = N_LARGEST;
	}
	row = &l->rows[l->n++];
	row->value = n;
	str_copy(row->text, sizeof row->text, name);
}

static void
count_queue(struct round *r, const struct queue *q)
{
	const char *directive = survey_binding(q);

	r->held[q->hold]++;
	r->connected += q->n_conns > 0;
	r->backoff += q->backoff;
	r->paused += q->paused;
	r->sources_off += q->sources_off == NULL ? 0 : q->sources_off->n;
	if (directive != NULL)
		count_label(r->binding, &r->n_binding, countof(r->binding), directive);
	keep_largest(&r->domains, queue_domain(q), queue_n_rcpts(q));
	keep_largest(
	    &r->vmtas, str_skip(str_of(q->name), (size_t)q->domain_len + 1), queue_n_rcpts(q));
}

static void
walk_queues(struct round *r)
{
	for (int n = 0; n < QUEUES_A_TURN; n++) {
		/* a handle may have gone meanwhile: what is behind it comes next */
		r->queue = queue_next(r->queue);
		if (r->queue == 0) {
			r->queues_done = true;
			return;
		}
		count_queue(r, queue_at(r->queue));
	}
}

/* ---- messages ---- */

static void
count_message(struct round *r, uint32_t h)
{
	const struct message *m = message_at(h);
	int64_t age;

	if (m->n_open == 0)
		return;
	age = tick_diff_ms(m->counts_from, tick_now());
	for (size_t i = 0; i < countof(ages) && age >= ages[i].ms; i++)
		r->older[i]++;
	if (m->counts_from.t < r->oldest.t) {
		r->oldest = m->counts_from;
		r->oldest_message = h;
	}
}

/* true: all were seen */
static bool
walk_messages(struct round *r)
{
	uint32_t end = slab_end(&qd.messages);

	for (int n = 0; n < MESSAGES_A_TURN && r->message < end; n++)
		count_message(r, r->message++);
	return r->message >= end;
}

/* ---- the result ---- */

static void
publish_holds(const struct round *r)
{
	struct stats_label rows[HOLD_MAX];
	size_t n = 0;

	for (size_t i = 0; i < HOLD_MAX; i++) {
		rows[n] = (struct stats_label){.value = r->held[i]};
		str_copy(rows[n].text, sizeof rows[n].text, str_of(hold_name((enum queue_hold)i)));
		n++;
	}
	stat_labels_set(FAMILY_HELD, rows, n);
	stat_labels_set(FAMILY_BINDING, r->binding, r->n_binding);
}

static void
publish_largest(struct largest *l, enum stat_family f)
{
	qsort(l->rows, l->n, sizeof l->rows[0], by_value);
	stat_labels_set(f, l->rows, PH_MIN(l->n, (size_t)N_LARGEST));
}

static void
publish_ages(const struct round *r)
{
	struct stats_label rows[countof(ages)];

	for (size_t i = 0; i < countof(ages); i++) {
		rows[i] = (struct stats_label){.value = r->older[i]};
		str_copy(rows[i].text, sizeof rows[i].text, str_of(ages[i].text));
	}
	stat_labels_set(FAMILY_OLDER, rows, countof(rows));
	survey.oldest_s = r->oldest_message == 0
			      ? 0
			      : (uint32_t)PH_MAX(tick_diff_ms(r->oldest, tick_now()) / 1000, 0);
	stat_set(STAT_Q_OLDEST_S, survey.oldest_s);
}

static void
publish(struct round *r)
{
	publish_holds(r);
	publish_largest(&r->domains, FAMILY_DOMAINS);
	publish_largest(&r->vmtas, FAMILY_VMTAS);
	publish_ages(r);
	stat_set(STAT_Q_CONNECTED, r->connected);
	stat_set(STAT_Q_BACKOFF, r->backoff);
	stat_set(STAT_Q_PAUSED, r->paused);
	stat_set(STAT_Q_SOURCES_OFF, r->sources_off);
}

static void
begin(void)
{
	survey.now = (struct round){.message = 1, .oldest = {.t = INT32_MAX}};
}

static void
on_turn(struct ev_timer *t)
{
	struct round *r = &survey.now;

	if (!r->queues_done)
		walk_queues(r);
	else if (walk_messages(r)) {
		publish(r);
		begin();
		ev_timer_in_ms(t, ROUND_MS);
		return;
	}
	ev_timer_in_ms(t, TURN_MS);
}

void
survey_start(void)
{
	begin();
	ev_timer_init(&survey.timer, on_turn);
	ev_timer_in_ms(&survey.timer, TURN_MS);
}

uint32_t
survey_oldest_s(void)
{
	return survey.oldest_s;
}
