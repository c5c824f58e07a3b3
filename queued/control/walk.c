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
	struct str domain = at == STR_NPOS ? STR("") : str_skip(pattern, at + 1);

	s->rcpt = pattern;
	bigrams_ask_address(&s->asked_rcpt, pattern);
	s->rcpt_hash = is_exact(pattern) ? suppress_hash(pattern) : 0;
	s->has_domain = is_exact(domain);
	/* our own domains' mail, and what is no address, are known by other names */
	s->domains[0] = domain_find(str_sub(domain, 0, 255));
	s->domains[1] = domain_find(STR("local"));
	s->domains[2] = domain_find(STR("invalid"));
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
	s->needs_envelope = s->orig.len > 0 || s->rcpt.len > 0 || s->envid.len > 0;
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
envelope_fits(struct selection *s, const struct rcpt *r, struct str *address, struct str *sender)
{
	struct str envid;

	if (!peek_rcpt(r, address, sender, &envid))
		return false;
	return fits(s->orig, *sender) && fits(s->rcpt, *address) && fits(s->envid, envid);
}

static bool
queue_fits(struct selection *s, uint32_t queue)
{
	if (s->queue.len == 0)
		return true;
	/* recipients of one queue often follow each other */
	if (queue != s->last_queue) {
		s->last_queue = queue;
		s->last_fits = pause_match(s->queue, str_of(queue_at(queue)->name));
	}
	return s->last_fits;
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

/* by what memory holds of its address */
static bool
address_may_fit(const struct selection *s, const struct rcpt *r)
{
	if (s->rcpt_hash != 0 && r->hash != 0 && r->hash != s->rcpt_hash)
		return false;
	/* these two stand for other names */
	if (r->domain == s->domains[1] || r->domain == s->domains[2])
		return bigrams_may_be(&s->asked_rcpt, r->local_part, BIGRAMS_UNKNOWN);
	return (!s->has_domain || r->domain == s->domains[0]) &&
	       bigrams_may_be(&s->asked_rcpt, r->local_part, domain_bigrams(r->domain));
}

void
walk_init(struct walk *w, struct control *c)
{
	selection_init(&w->s, c);
	w->next = 1;
	w->end = slab_end(&qd.rcpts);
}

/* an envelope was read: what is left of the turn's work */
static int
left_after_read(struct walk *w, struct mono began, int left)
{
	if (++w->n_read % WALK_LOOK_AT_CLOCK == 0 && mono_diff_ms(began, ev_now()) >= WALK_READ_MS)
		return 0;
	return left - WALK_ENVELOPE;
}

bool
walk_step(struct walk *w, struct control *c, walk_hit *hit)
{
	int left = WALK_A_TURN;
	struct mono began = ev_now();
	struct str address = STR(""), sender = STR("");

	for (; w->next < w->end && left > 0; w->next++, left--) {
		const struct rcpt *r = rcpt_at(w->next);
		if (r->state == 0 || !address_may_fit(&w->s, r) || !queue_fits(&w->s, r->queue) ||
		    !message_fits(&w->s, message_at(r->message)))
			continue;
		if (w->s.needs_envelope) {
			left = left_after_read(w, began, left);
			if (!envelope_fits(&w->s, r, &address, &sender))
				continue;
		}
		left -= w->hit_cost;
		if (!hit(w, c, w->next, address, sender))
			return true;
	}
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
