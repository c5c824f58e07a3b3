/* what commands go through: selectors of recipients, and walks over recipients and queues, a bounded piece a turn */
#include "lib/base/num.h"
#include "queued/bigrams.h"
#include "queued/control/control_int.h"
#include "queued/domain.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/peek.h"
#include "queued/state.h"
#include "queued/end/suppress.h"

/* a turn's work, in recipients looked at; what reading an envelope weighs against that */
#define WALK_A_TURN   40000
#define WALK_ENVELOPE 60
/* and when reading is over in any case, for a disk may be slow; how often the clock is looked at */
#define WALK_READ_MS	   2
#define WALK_LOOK_AT_CLOCK 16
/* how many envelopes are read in vain at the most, and when so long has gone by, after the first of them */
#define VAIN_MAX 30000u
#define VAIN_MIN 2000u
#define VAIN_MS	 200
/* how often the client hears how far it is */
#define TELL_MS 250
/* the same in queues, where their names are looked at or something is done to them, and where they are only counted */
#define QUEUES_A_TURN 4000
#define BRIEFS_A_TURN 25000

bool
selection_is_good(struct control *c)
{
	uint32_t older;

	if (control_arg(c, ARG_OLDER).len == 0 ||
	    parse_u32(control_arg(c, ARG_OLDER), 0, UINT32_MAX, &older))
		return true;
	control_end(c, false, "--older-than is a number of seconds.");
	return false;
}

/* no wildcards: it is compared as a whole */
static bool
is_exact(struct str pattern)
{
	return pattern.len > 0 && str_find(pattern, '*') == STR_NPOS &&
	       str_find(pattern, '?') == STR_NPOS;
}

/* every text fits */
static bool
is_any(struct str pattern)
{
	size_t n = 0;

	while (n < pattern.len && pattern.p[n] == '*')
		n++;
	return n > 0 && n == pattern.len;
}

/* nothing is asked by what everything fits */
static struct str
asked(struct str pattern)
{
	return is_any(pattern) ? STR("") : pattern;
}

/* pairs of letters that all have which fit; 0: nothing is asked */
static uint64_t
asked_of(struct str pattern)
{
	return pattern.len == 0 ? 0 : bigrams_asked(pattern, BIGRAMS_WHOLE);
}

void
selection_of_rcpt(struct selection *s, struct str pattern)
{
	size_t at = str_rfind(pattern, '@');

	s->rcpt = pattern;
	bigrams_ask_address(&s->asked_rcpt, pattern);
	s->rcpt_hash = is_exact(pattern) ? suppress_hash(pattern) : 0;
	s->has_domain = at != STR_NPOS;
	s->rcpt_domain = s->has_domain ? str_skip(pattern, at + 1) : STR("");
	s->any_local_part = s->has_domain && is_any(str_sub(pattern, 0, at));
	/* our own domains' mail, and what is no address, are known by other names */
	s->own_names[0] = domain_find(STR("local"));
	s->own_names[1] = domain_find(STR("invalid"));
}

void
selection_init(struct selection *s, struct control *c)
{
	uint32_t older = 0;

	*s = (struct selection){.queue = control_arg(c, ARG_TARGET),
	    .orig = control_arg(c, ARG_ORIG),
	    .job = control_arg(c, ARG_JOB),
	    .envid = control_arg(c, ARG_ENVID)};
	selection_of_rcpt(s, control_arg(c, ARG_RCPT));
	s->has_age = parse_u32(control_arg(c, ARG_OLDER), 0, UINT32_MAX, &older);
	s->born_until = tick_add_ms(tick_now(), -(int64_t)older * 1000);
	s->asked_orig = asked_of(s->orig);
	s->asked_envid = asked_of(s->envid);
}

bool
selection_is_empty(const struct selection *s)
{
	return s->queue.len == 0 && s->orig.len == 0 && s->rcpt.len == 0 && s->job.len == 0 &&
	       s->envid.len == 0 && !s->has_age;
}

static bool
fits(struct str pattern, struct str text)
{
	return pattern.len == 0 || pause_glob(pattern, text);
}

/* reads the envelope */
static bool
envelope_fits(
    const struct selection *s, const struct rcpt *r, struct str *address, struct str *sender)
{
	struct str envid;

	if (!peek_rcpt(r, address, sender, &envid))
		return false;
	return fits(s->orig, *sender) && fits(s->rcpt, *address) && fits(s->envid, envid);
}

static bool
queue_fits(struct walk *w, uint32_t queue)
{
	enum memo_says says = memo_get(&w->queues, queue);

	if (w->s.queue.len == 0)
		return true;
	if (says == MEMO_UNKNOWN)
		says = memo_set(&w->queues, queue,
		    pause_match(w->s.queue, str_of(queue_at(queue)->name)) ? MEMO_YES : MEMO_NO);
	return says == MEMO_YES;
}

static bool
domain_fits(struct walk *w, uint32_t domain)
{
	enum memo_says says = memo_get(&w->domains, domain);

	if (says == MEMO_UNKNOWN)
		says = memo_set(&w->domains, domain,
		    pause_glob(w->s.rcpt_domain, domain_name(domain)) ? MEMO_YES : MEMO_NO);
	return says == MEMO_YES;
}

static bool
message_fits(const struct selection *s, const struct message *m)
{
	if (m->born.t > s->born_until.t)
		return false;
	if (!bigrams_may_fit(m->sender, s->asked_orig) ||
	    !bigrams_may_fit(m->envid, s->asked_envid))
		return false;
	return s->job.len == 0 || (m->job != 0 && fits(s->job, str_of(job_at(m->job)->name)));
}

/* What memory tells: that it does not fit, that it does, or that its envelope must be read. */
enum verdict { NO, YES, READ };

static enum verdict
address_fits(struct walk *w, const struct rcpt *r)
{
	const struct selection *s = &w->s;
	bool has_own_name = r->domain == s->own_names[0] || r->domain == s->own_names[1];
	uint64_t domain;

	if (s->rcpt.len == 0)
		return YES;
	if (s->rcpt_hash != 0 && r->hash != 0 && r->hash != s->rcpt_hash)
		return NO;
	domain = domain_bigrams(r->domain);
	/* its domain is not known, or not as a whole, or where it begins */
	if (has_own_name || r->local_part == BIGRAMS_UNKNOWN || domain == BIGRAMS_UNKNOWN)
		return bigrams_may_be(&s->asked_rcpt, r->local_part, BIGRAMS_UNKNOWN) ? READ : NO;
	if (s->has_domain && !domain_fits(w, r->domain))
		return NO;
	if (s->any_local_part)
		return YES;
	return bigrams_may_be(&s->asked_rcpt, r->local_part, domain) ? READ : NO;
}

static enum verdict
rcpt_fits(struct walk *w, uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);
	enum verdict v;

	if (r->state == 0 || !message_fits(&w->s, message_at(r->message)))
		return NO;
	v = address_fits(w, r);
	if (v == NO || !queue_fits(w, r->queue))
		return NO;
	return w->tells || w->s.orig.len > 0 || w->s.envid.len > 0 ? READ : v;
}

void
walk_init(struct walk *w, struct control *c)
{
	selection_init(&w->s, c);
	w->s.orig = asked(w->s.orig);
	w->s.rcpt = asked(w->s.rcpt);
	w->s.envid = asked(w->s.envid);
	memo_begin(&w->queues, MEMO_QUEUES);
	memo_begin(&w->domains, MEMO_DOMAINS);
	w->next = 1;
	w->end = slab_end(&qd.rcpts);
	w->began = w->told = ev_now();
	w->is_dry = control_flag(c, "dry-run");
	w->is_thorough = control_flag(c, "all");
}

void
walk_clear(struct walk *w)
{
	memo_clear(&w->queues);
	memo_clear(&w->domains);
}

void
walk_free(void *w)
{
	walk_clear(w);
	free(w);
}

/* an envelope was read: what is left of the turn's work */
static int
left_after_read(struct walk *w, struct mono began, int left)
{
	if (++w->n_read % WALK_LOOK_AT_CLOCK == 0 && mono_diff_ms(began, ev_now()) >= WALK_READ_MS)
		return 0;
	return left - WALK_ENVELOPE;
}

/* enough was read in vain for one who waits */
static bool
gives_up(const struct walk *w)
{
	if (w->is_thorough || w->n_vain < VAIN_MIN)
		return false;
	return w->n_vain >= VAIN_MAX || mono_diff_ms(w->began, ev_now()) >= VAIN_MS;
}

uint32_t
walk_per_cent(const struct walk *w)
{
	return (uint32_t)((uint64_t)w->next * 100 / PH_MAX(w->end, 1u));
}

void
walk_say_cut(const struct walk *w, struct control *c)
{
	if (w->is_cut)
		control_bool(c, false, "complete");
}

static void
say_how_far(struct walk *w, struct control *c)
{
	if (mono_diff_ms(w->told, ev_now()) < TELL_MS)
		return;
	w->told = ev_now();
	control_progress(c, walk_per_cent(w));
}

bool
walk_step(struct walk *w, struct control *c, walk_hit *hit)
{
	int left = WALK_A_TURN;
	struct mono began = ev_now();
	struct str address = STR(""), sender = STR("");

	for (; w->next < w->end && left > 0; w->next++, left--) {
		enum verdict v = rcpt_fits(w, w->next);
		if (v == NO)
			continue;
		if (v == READ) {
			if (gives_up(w)) {
				w->is_cut = true;
				return true;
			}
			w->n_vain++;
			left = left_after_read(w, began, left);
			if (!envelope_fits(&w->s, rcpt_at(w->next), &address, &sender))
				continue;
		}
		left -= w->hit_cost;
		if (!hit(w, c, w->next, address, sender))
			return true;
	}
	if (w->next < w->end)
		say_how_far(w, c);
	return w->next >= w->end;
}

bool
queue_walk_step(struct queue_walk *w, struct control *c, queue_hit *hit, void *state)
{
	bool by_name = control_arg(c, ARG_TARGET).len > 0 || control_arg(c, ARG_VMTA).len > 0;
	int n = by_name ? QUEUES_A_TURN : BRIEFS_A_TURN;
	uint32_t end = slab_end(&qd.queues);

	for (; n > 0 && ++w->last < end; n--) {
		const struct queue_brief *b = queue_brief(w->last);
		if (b != NULL && !hit(c, b, state))
			return true;
	}
	return w->last >= end;
}
