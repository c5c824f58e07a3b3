#include "queued/limit/keep.h"

#include "lib/base/hmap.h"
#include "lib/base/num.h"
#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/spool/age.h"
#include "queued/limit/cold.h"
#include "queued/limit/limit_file.h"

#define SLICES 24
/* of longer rates each reservation is flushed to the disk; shorter ones need not outlive a loss of power */
#define DURABLE_MS (10 * 60 * 1000)
/* part of the limit that is reserved ahead */
#define LEASE 64

struct slice {
	int64_t number; /* of wall time */
	uint64_t reserved;
};
/* there may be some of each of a hundred thousand queues: most have one slice */
struct keep {
	int64_t period_ms;
	uint64_t max;
	uint64_t used;	 /* of the last slice */
	uint64_t flying; /* granted in the last slice, not answered */
	uint64_t older;	 /* granted in an earlier one, not answered */
	struct slice last;
	struct slice *earlier; /* oldest first */
	uint32_t handle;
	uint32_t hash; /* of the name, as much of it as the map has */
	uint8_t n_earlier, cap_earlier;
	bool has_last;
	bool is_attached;
	char name[];
};
static struct {
	struct slab slab; /* struct keep * */
	struct hmap map;
	bool made, is_unknown, had_past;
	struct wall stopped; /* the earlier queued's orderly end, 0: none */
	struct mono began;
	void (*other)(struct str line);
	void (*other_fill)(void);
} kp;

static struct keep **
slot(uint32_t h)
{
	return slab_at(&kp.slab, h);
}

static bool
is_keep(const void *key, uint32_t h)
{
	return strcmp((*slot(h))->name, key) == 0;
}

static struct keep *
find(const char *name, uint64_t hash)
{
	uint32_t h = hmap_find(&kp.map, hash, is_keep, name);

	return h == 0 ? NULL : *slot(h);
}

static struct keep *
make(const char *name, uint64_t hash, int64_t period_ms)
{
	size_t len = strlen(name);
	struct keep *k = xcalloc(1, sizeof *k + len + 1);

	memcpy(k->name, name, len);
	k->period_ms = period_ms;
	k->handle = slab_new(&kp.slab);
	*slot(k->handle) = k;
	k->hash = (uint32_t)hash;
	hmap_add(&kp.map, hash, k->handle);
	return k;
}

static void
drop(struct keep *k)
{
	hmap_remove(&kp.map, k->hash, k->handle);
	slab_free(&kp.slab, k->handle);
	free(k->earlier);
	free(k);
}

/* with a blank behind; its length */
static size_t
put_number(char *to, uint64_t v)
{
	char digits[20];
	size_t n = 0, len;

	do
		digits[n++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	len = n + 1;
	while (n > 0)
		*to++ = digits[--n];
	*to = ' ';
	return len;
}

static int64_t
slice_ns(const struct keep *k)
{
	return k->period_ms * NS_PER_MS / SLICES;
}

static int64_t
slice_now(const struct keep *k)
{
	return ev_wall().ns / slice_ns(k);
}

static void
write_slice(const struct keep *k, const struct slice *s)
{
	__attribute__((uninitialized)) char text[MAX_KEEP_NAME + 80];
	size_t n = 2, len = strlen(k->name);

	memcpy(text, "R ", 2);
	n += put_number(text + n, (uint64_t)k->period_ms);
	n += put_number(text + n, (uint64_t)s->number);
	n += put_number(text + n, s->reserved);
	memcpy(text + n, k->name, len);
	limit_file_add(k->period_ms >= DURABLE_MS, str_from(text, n + len));
}

static void
shelve_last(struct keep *k)
{
	if (k->n_earlier == SLICES) {
		k->n_earlier--;
		memmove(k->earlier, k->earlier + 1, k->n_earlier * sizeof *k->earlier);
	}
	if (k->n_earlier == k->cap_earlier) {
		k->cap_earlier = (uint8_t)PH_MIN(k->cap_earlier * 2 + 2, SLICES);
		k->earlier = xreallocarray(k->earlier, k->cap_earlier, sizeof *k->earlier);
	}
	k->earlier[k->n_earlier++] = k->last;
}

static void
begin_slice(struct keep *k, int64_t number)
{
	if (k->has_last)
		shelve_last(k);
	k->last = (struct slice){.number = number};
	k->has_last = true;
}

/* a new slice has begun */
static void
roll(struct keep *k)
{
	int64_t number = slice_now(k);

	if (k->has_last && k->last.number == number)
		return;
	begin_slice(k, number);
	k->older += k->flying;
	k->flying = 0;
	k->used = 0;
}

static void
reserve(struct keep *k)
{
	if (k->used <= k->last.reserved)
		return;
	k->last.reserved = k->used + k->max / LEASE;
	write_slice(k, &k->last);
}

void
keep_take(struct keep *k, uint64_t n)
{
	roll(k);
	k->used += n;
	k->flying += n;
	reserve(k);
}

void
keep_answer(struct keep *k, uint64_t n, uint64_t seen)
{
	uint64_t older = PH_MIN(n, k->older), here;

	roll(k);
	k->older -= older;
	here = PH_MIN(n - older, k->flying);
	k->flying -= here;
	/* what was granted earlier counts now; of what is counted here, what was not used is free */
	k->used -= PH_MIN(here, k->used);
	k->used += seen;
	reserve(k);
}

/* ---- the file ---- */

static bool
next_i64(struct str *s, int64_t *v)
{
	struct str word;
	uint64_t u;

	if (!str_next_word(s, &word) || !parse_u64(word, 0, INT64_MAX, &u))
		return false;
	*v = (int64_t)u;
	return true;
}

static void
put(struct keep *k, int64_t number, uint64_t reserved)
{
	k->used = reserved; /* as far as is known */
	if (!k->has_last || k->last.number != number)
		begin_slice(k, number);
	k->last.reserved = reserved;
}

static void
forget_slices(struct keep *k)
{
	k->has_last = false;
	k->n_earlier = 0;
}

static void
take_slice(struct str s)
{
	int64_t period, number, reserved;
	char name[MAX_KEEP_NAME];
	struct keep *k;
	uint64_t hash;

	if (!next_i64(&s, &period) || !next_i64(&s, &number) || !next_i64(&s, &reserved) ||
	    period <= 0)
		return;
	str_copy(name, sizeof name, str_trim(s));
	hash = str_hash(str_of(name));
	k = find(name, hash);
	if (k == NULL)
		k = make(name, hash, period);
	if (k->period_ms != period) {
		k->period_ms = period;
		forget_slices(k);
	}
	put(k, number, (uint64_t)reserved);
}

static void
take_line(struct str line)
{
	kp.stopped.ns = 0;
	if (str_has_prefix(line, STR("R ")))
		take_slice(str_skip(line, 2));
	else if (str_has_prefix(line, STR("E "))) {
		struct str rest = str_skip(line, 2);
		if (!next_i64(&rest, &kp.stopped.ns))
			kp.stopped.ns = 0;
	} else
		kp.other(line);
}

static struct wall
end_of(const struct keep *k, const struct slice *s)
{
	return (struct wall){.ns = (s->number + 1) * slice_ns(k)};
}

static bool
is_over(const struct keep *k, const struct slice *s)
{
	return age_of_ns(end_of(k, s)) >= k->period_ms * NS_PER_MS;
}

static void
write_if_counts(const struct keep *k, const struct slice *s)
{
	if (!is_over(k, s))
		write_slice(k, s);
}

static void
fill(void)
{
	for (uint32_t h = 1; h < slab_end(&kp.slab); h++) {
		struct keep *k = *slot(h);
		if ((uintptr_t)k <= UINT32_MAX)
			continue; /* free */
		for (uint32_t i = 0; i < k->n_earlier; i++)
			write_if_counts(k, &k->earlier[i]);
		if (k->has_last)
			write_if_counts(k, &k->last);
	}
	kp.other_fill();
}

/* those that nobody asked for and whose time is over */
static void
forget_old(void)
{
	for (uint32_t h = 1; h < slab_end(&kp.slab); h++) {
		struct keep *k = *slot(h);
		if ((uintptr_t)k > UINT32_MAX && !k->is_attached &&
		    (!k->has_last || is_over(k, &k->last)))
			drop(k);
	}
}

void
keep_start(int spool_fd, void (*other)(struct str line), void (*other_fill)(void))
{
	enum limit_file_state state;

	slab_init(&kp.slab, sizeof(struct keep *));
	kp.made = true;
	kp.other = other;
	kp.other_fill = other_fill;
	kp.began = ev_now();
	state = limit_file_read(spool_fd, take_line);
	kp.is_unknown = state == LIMIT_FILE_UNKNOWN;
	kp.had_past = state != LIMIT_FILE_NEW;
	if (kp.is_unknown)
		cold_unknown();
	forget_old();
	limit_file_renew(fill);
}

void
keep_flush(void)
{
	limit_file_flush();
	if (!kp.made || !limit_file_is_long())
		return;
	forget_old();
	limit_file_renew(fill);
}

void
keep_stop(void)
{
	if (!kp.made)
		return;
	for (uint32_t h = 1; h < slab_end(&kp.slab); h++) {
		struct keep *k = *slot(h);
		if ((uintptr_t)k <= UINT32_MAX || !k->is_attached || !k->has_last)
			continue;
		/* what deliverd may still be sending is not given back */
		k->last.reserved = k->used;
		write_slice(k, &k->last);
	}
	limit_file_addf(true, "E %ld", ev_wall().ns);
	limit_file_flush();
}

/* ---- meters ---- */

/* everything may have been used when the earlier queued ended */
static void
use_up(struct meter *m)
{
	struct mono at = kp.began;

	if (kp.stopped.ns != 0 && !kp.is_unknown)
		at.ns = ev_now().ns - age_of_ns(kp.stopped);
	at.ns = PH_MIN(at.ns, kp.began.ns);
	if (at.ns + m->period_ns > ev_now().ns)
		meter_answer(m, 0, m->max, at);
}

static void
restore_slice(struct meter *m, const struct keep *k, const struct slice *s)
{
	int64_t age = age_of_ns(end_of(k, s));

	if (!is_over(k, s))
		meter_answer(m, 0, s->reserved, (struct mono){ev_now().ns - age});
}

static void
restore(struct meter *m, const struct keep *k)
{
	for (uint32_t i = 0; i < k->n_earlier; i++)
		restore_slice(m, k, &k->earlier[i]);
	if (k->has_last)
		restore_slice(m, k, &k->last);
}

/* the slices of another period say too little: all that counts now is of this one */
static void
begin_anew(struct keep *k, const struct meter *m)
{
	k->period_ms = m->period_ns / NS_PER_MS;
	forget_slices(k);
	k->flying = k->older = 0;
	if (m->past + m->flying > 0)
		keep_take(k, m->past + m->flying);
	k->flying = m->flying;
}

/* A piece of a name, cut where the name's room ends. */
static size_t
put_piece(char *name, size_t at, struct str s)
{
	size_t n = PH_MIN(s.len, MAX_KEEP_NAME - 1 - at);

	if (n > 0)
		memcpy(name + at, s.p, n);
	return at + n;
}

/* Queues come and go with their limits: their names are not left to printf. */
static struct keep *
find_or_make(const struct keep_name *n, int64_t period_ms)
{
	__attribute__((uninitialized)) char name[MAX_KEEP_NAME];
	size_t len = put_piece(name, 0, str_of(n->what));
	struct keep *k;
	uint64_t hash;

	len = put_piece(name, len, STR(" "));
	len = put_piece(name, len, str_sub(n->of, 0, 500));
	if (n->in.len > 0)
		len = put_piece(name, put_piece(name, len, STR(" ")), n->in);
	name[len] = '\0';
	hash = str_hash(str_from(name, len));
	k = find(name, hash);
	return k != NULL ? k : make(name, hash, period_ms);
}

void
keep_attach(struct meter *m, const struct keep_name *name)
{
	int64_t period_ms = m->period_ns / NS_PER_MS;
	bool is_first = m->keep == NULL && m->past + m->flying == 0;
	struct keep *k;

	if (!kp.made || !meter_is_on(m))
		return;
	if (is_first && kp.had_past && (kp.is_unknown || period_ms < KEEP_MIN_MS))
		use_up(m);
	if (period_ms < KEEP_MIN_MS) {
		keep_detach(m);
		return;
	}
	k = m->keep != NULL ? m->keep : find_or_make(name, period_ms);
	k->max = m->max;
	if (is_first && k->period_ms == period_ms && !k->is_attached)
		restore(m, k);
	else if (k->period_ms != period_ms || m->keep == NULL)
		begin_anew(k, m);
	k->is_attached = true;
	m->keep = k;
}

void
keep_detach(struct meter *m)
{
	if (m->keep == NULL)
		return;
	m->keep->is_attached = false;
	if (!m->keep->has_last || is_over(m->keep, &m->keep->last))
		drop(m->keep);
	m->keep = NULL;
}
