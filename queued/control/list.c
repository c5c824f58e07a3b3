/* list, jobs, cat, and the selectors and the walk that delete and explain share */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/mail/schedule.h"
#include "queued/control/control_int.h"
#include "queued/job.h"
#include "queued/control/pause.h"
#include "queued/peek.h"
#include "queued/state.h"
#include "queued/window.h"

#define LIST_DEFAULT 100
/* a turn's work, in recipients looked at; what reading an envelope and what a hit weigh against that */
#define WALK_A_TURN   10000
#define WALK_ENVELOPE 50
#define WALK_HIT      20

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

void
selection_init(struct selection *s, struct control *c)
{
	uint32_t older = 0;

	*s = (struct selection){.queue = control_arg(c, ARG_TARGET),
	    .orig = control_arg(c, ARG_ORIG),
	    .rcpt = control_arg(c, ARG_RCPT),
	    .job = control_arg(c, ARG_JOB),
	    .envid = control_arg(c, ARG_ENVID)};
	s->has_age = parse_u32(control_arg(c, ARG_OLDER), 0, UINT32_MAX, &older);
	s->born_until = tick_add_ms(tick_now(), -(int64_t)older * 1000);
	s->needs_envelope = s->orig.len > 0 || s->rcpt.len > 0 || s->envid.len > 0;
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
	return s->job.len == 0 || (m->job != 0 && fits(s->job, str_of(job_at(m->job)->name)));
}

/* ---- walking ---- */

void
walk_init(struct walk *w, struct control *c)
{
	selection_init(&w->s, c);
	w->next = 1;
	w->end = slab_end(&qd.rcpts);
}

bool
walk_step(struct walk *w, struct control *c, walk_hit *hit)
{
	int left = WALK_A_TURN;
	struct str address = STR(""), sender = STR("");

	for (; w->next < w->end && left > 0; w->next++, left--) {
		const struct rcpt *r = rcpt_at(w->next);
		if (r->state == 0 || (w->s.is_of_domain && r->domain != w->s.domain) ||
		    !queue_fits(&w->s, r->queue) || !message_fits(&w->s, message_at(r->message)))
			continue;
		if (w->s.needs_envelope) {
			left -= WALK_ENVELOPE;
			if (!envelope_fits(&w->s, r, &address, &sender))
				continue;
		}
		left -= WALK_HIT;
		if (!hit(w, c, w->next, address, sender))
			return true;
	}
	return w->next >= w->end;
}

/* ---- list ---- */

/* the windows, in the form of x-schedule */
static void
show_schedule(struct control *c, const struct message *m, uint32_t i)
{
	struct schedule s = {0};
	char from[32], until[32], text[SCHEDULE_MAX * 48] = "";
	size_t n = 0;

	if (m->windows != 0 && schedule_parse(window_text(m->windows), &s) == -1)
		s.n = 0;
	for (uint32_t k = 0; k < s.n; k++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s / %.*s",
		    k == 0 ? "" : ", ", STR_ARG(control_time(s.window[k].from, from)),
		    STR_ARG(control_time(s.window[k].until, until)));
	}
	control_text(c, str_of(text), "rcpt[%u].schedule", i);
}

static bool
show(struct walk *w, struct control *c, uint32_t rcpt, struct str address, struct str sender)
{
	static const char *const states[] = {"?", "ready", "deferred", "held", "sending", "ending"};
	const struct rcpt *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);
	char id[20], when[32];

	if (r->state == RCPT_ENDING)
		return true; /* it has ended, only not yet on disk */
	snprintf(id, sizeof id, "%016lx", m->id);
	control_text(c, str_of(id), "rcpt[%u].id", w->n);
	control_text(c, address, "rcpt[%u].rcpt", w->n);
	control_text(c, sender, "rcpt[%u].orig", w->n);
	control_text(c, str_of(queue_at(r->queue)->name), "rcpt[%u].queue", w->n);
	control_text(
	    c, m->job == 0 ? STR("") : str_of(job_at(m->job)->name), "rcpt[%u].jobId", w->n);
	control_text(c, control_time(tick_to_wall(m->born), when), "rcpt[%u].timeQueued", w->n);
	control_text(
	    c, str_of(r->cancel != 0 ? "deleted" : states[r->state]), "rcpt[%u].state", w->n);
	control_number(c, r->tries, "rcpt[%u].attempts", w->n);
	control_number(c, (m->len + 1023) / 1024, "rcpt[%u].kb", w->n);
	if (control_flag(c, "priority"))
		control_number(c, r->priority, "rcpt[%u].priority", w->n);
	if (control_flag(c, "pause"))
		control_bool(c, queue_at(r->queue)->paused || job_is_paused(m->job),
		    "rcpt[%u].paused", w->n);
	if (control_flag(c, "schedule"))
		show_schedule(c, m, w->n);
	return ++w->n < w->max;
}

static bool
step_list(struct control *c, void *state)
{
	struct walk *w = state;

	if (!walk_step(w, c, show))
		return false;
	if (w->n == 0)
		control_no_rows(c, "rcpt");
	control_end(c, true, "%u recipients shown.", w->n);
	return true;
}

/* the selection borrows from the arguments, which only the steps have for long */
static bool
begin_list(struct control *c, void *state)
{
	struct walk *w = state;

	if (w->next != 0)
		return step_list(c, state);
	walk_init(w, c);
	w->max = c->req->max == 0 ? LIST_DEFAULT : c->req->max;
	w->s.needs_envelope = true;
	return step_list(c, state);
}

void
control_list(struct control *c)
{
	if (selection_is_good(c))
		control_go_on(c, begin_list, NULL, xcalloc(1, sizeof(struct walk)));
}

/* ---- jobs ---- */

/* bytes of the queued messages of each job, by handle; owned by the caller */
static uint64_t *
sum_jobs(void)
{
	uint64_t *bytes = xcalloc(slab_end(&qd.jobs), sizeof *bytes);

	for (uint32_t h = 1; qd.jobs.n_used > 0 && h < slab_end(&qd.messages); h++) {
		const struct message *m = message_at(h);
		if (m->n_open > 0 && m->job < slab_end(&qd.jobs))
			bytes[m->job] += m->len;
	}
	return bytes;
}

struct job_row {
	uint32_t job;
	uint64_t key;
};

static int
by_key(const void *a, const void *b)
{
	const struct job_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return str_cmp(str_of(job_at(x->job)->name), str_of(job_at(y->job)->name));
}

static void
show_job(struct control *c, const struct job *j, uint64_t bytes, uint32_t i)
{
	control_text(c, str_of(j->name), "job[%u].name", i);
	control_number(c, j->n_rcpts, "job[%u].rcp", i);
	control_number(c, bytes / 1024, "job[%u].kb", i);
	control_bool(c, j->paused, "job[%u].paused", i);
}

/* in the order of their coming, unless --sort says another */
void
control_show_jobs(struct control *c)
{
	struct str sort = control_arg(c, ARG_SORT);
	uint32_t n = 0, max = c->req->max == 0 ? UINT32_MAX : c->req->max;
	uint64_t *bytes = sum_jobs();
	struct job_row *rows = xcalloc((size_t)qd.jobs.n_used + 1, sizeof *rows);

	for (uint32_t h = 0; (h = job_next(h)) != 0;) {
		rows[n] = (struct job_row){.job = h};
		if (str_ieq(sort, STR("rcpt")))
			rows[n].key = job_at(h)->n_rcpts;
		else if (str_ieq(sort, STR("size")))
			rows[n].key = bytes[h];
		n++;
	}
	if (sort.len > 0)
		qsort(rows, n, sizeof *rows, by_key);
	for (uint32_t i = 0; i < PH_MIN(n, max); i++)
		show_job(c, job_at(rows[i].job), bytes[rows[i].job], i);
	free(rows);
	free(bytes);
	if (n == 0)
		control_no_rows(c, "job");
	control_end(c, true, "Total of %u job(s).", n);
}

/* ---- cat ---- */

void
control_cat(struct control *c)
{
	uint64_t id;

	if (!parse_hex64(control_arg(c, ARG_TARGET), 16, &id)) {
		control_end(c, false, "An id is 16 hexadecimal digits.");
		return;
	}
	for (uint32_t h = 1; h < slab_end(&qd.messages); h++) {
		const struct message *m = message_at(h);
		struct spool_place p;
		if (m->id != id || m->n_open == 0)
			continue;
		p = message_place(m);
		control_number(c, p.kind, "place.kind");
		control_number(c, p.writer, "place.writer");
		control_number(c, p.segment, "place.segment");
		control_number(c, p.generation, "place.generation");
		control_number(c, p.offset, "place.offset");
		control_number(c, p.len, "place.len");
		control_number(c, p.env_len, "place.envLen");
		return;
	}
	control_end(c, false, "No queued message has this id.");
}
