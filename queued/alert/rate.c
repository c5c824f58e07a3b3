#include "queued/alert/rate.h"

#include "lib/base/hmap.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"
#include "queued/alert/alert.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/queue.h"
#include "queued/vmta.h"

#define MAX_TALLIES    4096u
#define MAX_THRESHOLDS 16
#define SLOTS	       12 /* parts of a window */
#define DEFAULT_MIN    1000u
#define HOUR_MS	       (3600 * 1000LL)

enum about { ABOUT_JOB = 1, ABOUT_VMTA = 2 };

struct threshold {
	char category[40];
	uint32_t per_million;
	uint32_t minimum; /* recipients delivered and bounced, before which nothing is said */
	int64_t window_ms;
	uint8_t about; /* enum about bits */
	bool pauses;
};
struct slot {
	int64_t unit; /* of the window's SLOTSth parts */
	uint32_t delivered, n[MAX_THRESHOLDS];
};
/* one job or VirtualMTA; slots hold the units of the longest window, each threshold sums up its own */
struct tally {
	char *name; /* owned; NULL: free */
	struct slot slots[SLOTS];
	int64_t last_unit;
	uint8_t about;
	uint32_t raised; /* 1 << threshold */
};
static struct {
	struct slab tallies;
	struct hmap map;
	struct threshold list[MAX_THRESHOLDS];
	size_t n;
	int64_t unit_ms;
	bool made;
} rates;

/* ---- thresholds ---- */

/* "0.5%" in millionths */
static uint32_t
per_million(struct str s)
{
	uint32_t whole = 0, part = 0, scale = 1000;
	size_t dot;

	if (s.len > 0 && s.p[s.len - 1] == '%')
		s = str_sub(s, 0, s.len - 1);
	dot = str_find(s, '.');
	(void)parse_u32(str_sub(s, 0, dot), 0, 100, &whole);
	for (size_t i = dot == STR_NPOS ? s.len : dot + 1; i < s.len && scale > 0; i++, scale /= 10)
		part += (uint32_t)(s.p[i] - '0') * scale;
	return whole * 10000 + part;
}

static void
read_option(struct threshold *t, struct str name, struct str value)
{
	uint32_t n;

	if (str_ieq(name, STR("per")) && !str_ieq(value, STR("both")))
		t->about = str_ieq(value, STR("job")) ? ABOUT_JOB : ABOUT_VMTA;
	else if (str_ieq(name, STR("window")))
		(void)conf_parse_time(value, &t->window_ms);
	else if (str_ieq(name, STR("minimum")) && parse_u32(value, 0, UINT32_MAX, &n))
		t->minimum = n;
	else if (str_ieq(name, STR("action")))
		t->pauses = str_ieq(value, STR("pause"));
}

/* CATEGORY PERCENT [per=] [window=] [minimum=] [action=], as the configuration checked it */
static struct threshold
read_threshold(struct str line)
{
	struct threshold t = {
	    .minimum = DEFAULT_MIN, .window_ms = HOUR_MS, .about = ABOUT_JOB | ABOUT_VMTA};
	struct str word;

	if (str_next_word(&line, &word))
		str_copy(t.category, sizeof t.category, word);
	if (str_next_word(&line, &word))
		t.per_million = per_million(word);
	while (str_next_word(&line, &word)) {
		size_t eq = str_find(word, '=');
		if (eq != STR_NPOS)
			read_option(&t, str_sub(word, 0, eq), str_skip(word, eq + 1));
	}
	t.window_ms = PH_MAX(t.window_ms, (int64_t)SLOTS * 1000);
	return t;
}

/* ---- tallies ---- */

struct key {
	struct str name;
	enum about about;
};

static struct tally *
at(uint32_t h)
{
	return *(struct tally **)slab_at(&rates.tallies, h);
}

/* a free place holds the next free number */
static bool
is_used(uint32_t h)
{
	return (uintptr_t)at(h) > UINT32_MAX;
}

static bool
is_key(const void *key, uint32_t h)
{
	const struct key *k = key;

	return at(h)->about == (uint8_t)k->about && str_eq(str_of(at(h)->name), k->name);
}

static uint64_t
hash_of(const struct key *k)
{
	return str_hash(k->name) ^ (uint64_t)k->about << 60;
}

static int64_t
unit_now(void)
{
	return ev_now().ns / NS_PER_MS / rates.unit_ms;
}

/* those that had nothing for a window go */
static void
make_room(void)
{
	for (uint32_t h = 1; h < slab_end(&rates.tallies); h++) {
		struct tally *t = at(h);
		struct key k;
		if (!is_used(h) || t->raised != 0 || t->last_unit + SLOTS > unit_now())
			continue;
		k = (struct key){str_of(t->name), (enum about)t->about};
		hmap_remove(&rates.map, hash_of(&k), h);
		free(t->name);
		free(t);
		slab_free(&rates.tallies, h);
	}
}

static struct tally *
tally_of(const struct key *k)
{
	uint32_t h = hmap_find(&rates.map, hash_of(k), is_key, k);
	struct tally *t;

	if (h != 0)
		return at(h);
	if (rates.tallies.n_used >= MAX_TALLIES)
		make_room();
	if (rates.tallies.n_used >= MAX_TALLIES)
		return NULL;
	t = xcalloc(1, sizeof *t);
	t->name = xstrdup_str(k->name);
	t->about = (uint8_t)k->about;
	h = slab_new(&rates.tallies);
	*(struct tally **)slab_at(&rates.tallies, h) = t;
	hmap_add(&rates.map, hash_of(k), h);
	return t;
}

static struct slot *
slot_of(struct tally *t)
{
	int64_t unit = unit_now();
	struct slot *s = &t->slots[unit % SLOTS];

	if (s->unit != unit)
		*s = (struct slot){.unit = unit};
	t->last_unit = unit;
	return s;
}

struct sums {
	uint64_t delivered, bad, all;
};

static struct sums
sum(const struct tally *t, size_t i)
{
	int64_t units = PH_MAX(rates.list[i].window_ms / rates.unit_ms, 1), now = unit_now();
	struct sums r = {0};

	for (size_t k = 0; k < SLOTS; k++) {
		const struct slot *s = &t->slots[k];
		if (s->unit <= now - units || s->unit > now)
			continue;
		r.delivered += s->delivered;
		r.bad += s->n[i];
	}
	r.all = r.delivered + r.bad;
	return r;
}

/* ---- over and under ---- */

static struct str
subject_of(const struct tally *t, size_t i, char text[300])
{
	int n = snprintf(text, 300, "%s %.200s, %s", t->about == ABOUT_JOB ? "job" : "VirtualMTA",
	    t->name, rates.list[i].category);

	return str_from(text, (size_t)n);
}

static void
stop(const struct tally *t)
{
	struct why why;

	if (pause_set(
		t->about == ABOUT_JOB ? PAUSE_JOB : PAUSE_VMTA, str_of(t->name), true, &why) == -1)
		log_error("event=alert-pause-failed name=%s text=\"%s\"",
		    log_quote(str_of(t->name)), why.text);
}

static bool
is_over(const struct threshold *th, const struct sums *s)
{
	return s->all >= th->minimum && s->bad > 0 &&
	       s->bad * 1000000 > (uint64_t)th->per_million * s->delivered;
}

static void
judge(struct tally *t, size_t i)
{
	const struct threshold *th = &rates.list[i];
	struct sums s = sum(t, i);
	char subject[300];
	uint64_t share;

	if (!is_over(th, &s)) {
		if (t->raised & 1u << i)
			alert_clear(ALERT_THRESHOLD, subject_of(t, i, subject));
		t->raised &= ~(1u << i);
		return;
	}
	if (t->raised & 1u << i)
		return;
	t->raised |= 1u << i;
	share = s.delivered == 0 ? 10000 : s.bad * 10000 / s.delivered;
	alert_raise(ALERT_THRESHOLD, subject_of(t, i, subject),
	    "%lu of %lu delivered (%lu.%02lu %%), more than alert-threshold allows (%u.%02u %%)%s",
	    s.bad, s.delivered, share / 100, share % 100, th->per_million / 10000,
	    th->per_million / 100 % 100,
	    !th->pauses		    ? ""
	    : t->about == ABOUT_JOB ? "; the job was paused"
				    : "; the VirtualMTA is held");
	if (th->pauses)
		stop(t);
}

/* ---- the configuration ---- */

/* what was raised by a threshold that may be gone */
static void
end_all(void)
{
	char subject[300];

	for (uint32_t h = 1; rates.made && h < slab_end(&rates.tallies); h++) {
		for (size_t i = 0; is_used(h) && i < rates.n; i++) {
			if (at(h)->raised & 1u << i)
				alert_clear(ALERT_THRESHOLD, subject_of(at(h), i, subject));
		}
	}
}

static void
free_all(void)
{
	for (uint32_t h = 1; rates.made && h < slab_end(&rates.tallies); h++) {
		if (!is_used(h))
			continue;
		free(at(h)->name);
		free(at(h));
	}
	slab_clear(&rates.tallies);
	hmap_clear(&rates.map);
}

static size_t
read_thresholds(struct threshold list[MAX_THRESHOLDS])
{
	static const char *const defaults[] = {
	    "bad-mailbox 0.5%", "spam-related 0.2%", "complaints 0.1%"};
	const struct conf_set *g = conf_global(daemon_conf());
	size_t n = conf_n(g, CONF_GLOBAL_ALERT_THRESHOLD),
	       n_read = n == 0 ? countof(defaults) : PH_MIN(n, (size_t)MAX_THRESHOLDS);

	for (size_t i = 0; i < n_read; i++)
		list[i] = read_threshold(
		    n == 0 ? str_of(defaults[i]) : conf_item(g, CONF_GLOBAL_ALERT_THRESHOLD, i));
	return n_read;
}

static bool
are_equal(const struct threshold *a, const struct threshold *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(a[i].category, b[i].category) != 0 ||
		    a[i].per_million != b[i].per_million || a[i].minimum != b[i].minimum ||
		    a[i].window_ms != b[i].window_ms || a[i].about != b[i].about ||
		    a[i].pauses != b[i].pauses)
			return false;
	}
	return true;
}

void
alert_rate_configure(void)
{
	struct threshold list[MAX_THRESHOLDS];
	size_t n = read_thresholds(list);

	if (rates.made && n == rates.n && are_equal(list, rates.list, n))
		return;
	end_all();
	free_all();
	slab_init(&rates.tallies, sizeof(struct tally *));
	hmap_init(&rates.map);
	rates.made = true;
	rates.unit_ms = 1000;
	rates.n = n;
	for (size_t i = 0; i < n; i++) {
		rates.list[i] = list[i];
		rates.unit_ms = PH_MAX(rates.unit_ms, list[i].window_ms / SLOTS);
	}
}

/* ---- in ---- */

/* as pmtactl knows it */
static struct str
shown(struct str vmta)
{
	return vmta.len == 0 ? STR("{default}") : vmta;
}

static void
count_delivered(struct str name, enum about about)
{
	struct key k = {name, about};
	struct tally *t = name.len == 0 ? NULL : tally_of(&k);

	if (t != NULL)
		slot_of(t)->delivered++;
}

void
alert_rate_delivered(const struct queue *q, uint32_t job)
{
	if (!rates.made)
		return;
	if (job != 0)
		count_delivered(str_of(job_at(job)->name), ABOUT_JOB);
	count_delivered(shown(q->vmta->name), ABOUT_VMTA);
}

static void
count_bad(struct str name, enum about about, size_t i)
{
	struct key k = {name, about};
	struct tally *t;

	if (name.len == 0 || (rates.list[i].about & about) == 0)
		return;
	t = tally_of(&k);
	if (t == NULL)
		return;
	slot_of(t)->n[i]++;
	judge(t, i);
}

void
alert_rate_counted(struct str vmta, struct str job, struct str category)
{
	if (str_eq(category, STR("complaints")))
		stat_inc(STAT_COMPLAINTS);
	for (size_t i = 0; rates.made && i < rates.n; i++) {
		if (!str_ieq(category, str_of(rates.list[i].category)))
			continue;
		count_bad(job, ABOUT_JOB, i);
		count_bad(shown(vmta), ABOUT_VMTA, i);
	}
}

void
alert_rate_bounced(const struct queue *q, uint32_t job, struct str category)
{
	alert_rate_counted(q->vmta->name, job == 0 ? STR("") : str_of(job_at(job)->name), category);
}

void
alert_rate_look(void)
{
	for (uint32_t h = 1; rates.made && h < slab_end(&rates.tallies); h++) {
		for (size_t i = 0; is_used(h) && i < rates.n; i++) {
			if (at(h)->raised & 1u << i)
				judge(at(h), i);
		}
	}
}

static void
take_share(const struct tally *t, size_t i, alert_rate_take *take, void *ctx)
{
	const struct threshold *th = &rates.list[i];
	struct sums s = sum(t, i);
	struct alert_share share = {.name = t->name,
	    .category = th->category,
	    .delivered = s.delivered,
	    .bad = s.bad,
	    .per_million = th->per_million,
	    .window_s = (uint32_t)(th->window_ms / 1000),
	    .of_job = t->about == ABOUT_JOB,
	    .is_raised = (t->raised & 1u << i) != 0};

	if ((th->about & t->about) != 0 && s.all > 0)
		take(ctx, &share);
}

void
alert_rate_each(alert_rate_take *take, void *ctx)
{
	for (uint32_t h = 1; rates.made && h < slab_end(&rates.tallies); h++) {
		for (size_t i = 0; is_used(h) && i < rates.n; i++)
			take_share(at(h), i, take, ctx);
	}
}
