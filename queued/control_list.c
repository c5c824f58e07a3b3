/* list, cat, and the selectors that delete shares */
#include "lib/base/num.h"
#include "lib/spool/reader.h"
#include "queued/control_int.h"
#include "queued/job.h"
#include "queued/pause.h"
#include "queued/state.h"

#define LIST_DEFAULT 100

void
selection_init(struct selection *s, struct control *c)
{
	uint32_t older = 0;

	*s = (struct selection){.c = c, .queue = control_arg(c, ARG_TARGET),
	    .orig = control_arg(c, ARG_ORIG), .rcpt = control_arg(c, ARG_RCPT),
	    .job = control_arg(c, ARG_JOB), .envid = control_arg(c, ARG_ENVID), .older_ms = -1};
	if (parse_u32(control_arg(c, ARG_OLDER), 0, UINT32_MAX, &older))
		s->older_ms = (int64_t)older * 1000;
	s->needs_envelope = s->orig.len > 0 || s->rcpt.len > 0 || s->envid.len > 0;
}

bool
selection_is_empty(const struct selection *s)
{
	return s->queue.len == 0 && s->orig.len == 0 && s->rcpt.len == 0 && s->job.len == 0 &&
	    s->envid.len == 0 && s->older_ms < 0;
}

/* the last envelope that was read: recipients of one message follow each other */
static struct {
	struct buf	record, scratch;
	struct envelope env;
	struct env_iter it;
	uint64_t	id;
	struct env_rcpt rcpt;
} last;

static bool
load(const struct message *m)
{
	struct spool_place p = message_place(m);
	struct why	   why;

	if (last.record.cap == 0) {
		buf_init(&last.record, SPOOL_MAX_ENV);
		buf_init(&last.scratch, SPOOL_MAX_ENV);
	}
	if (last.id == m->id)
		return true;
	last.id = 0;
	buf_reset(&last.scratch);
	if (spool_read(qd.reader, &p, p.env_len, &last.record, NULL, NULL, &why) == -1)
		return false;
	if (!envelope_parse(str_skip(buf_str(&last.record), SPOOL_HEADER_LEN), &last.env, &last.scratch, &why))
		return false;
	last.id = m->id;
	return true;
}

static bool
find_rcpt(uint32_t index)
{
	uint32_t i;

	env_iter_init(&last.it, str_skip(buf_str(&last.record), SPOOL_HEADER_LEN));
	while (env_iter_next(&last.it, &i, &last.rcpt)) {
		if (i == index)
			return true;
	}
	return false;
}

static bool
fits(struct str pattern, struct str text)
{
	return pattern.len == 0 || pause_match(pattern, text);
}

static bool
envelope_fits(struct selection *s, const struct rcpt *r, struct str *address, struct str *sender)
{
	if (!load(message_at(r->message)) || !find_rcpt(r->index))
		return !s->needs_envelope;
	*address = last.rcpt.address;
	*sender = last.env.sender;
	return fits(s->orig, last.env.sender) && fits(s->rcpt, last.rcpt.address) &&
	    fits(s->envid, last.env.envid);
}

bool
selection_has(struct selection *s, struct queue *q, uint32_t rcpt, struct str *address, struct str *sender)
{
	const struct rcpt    *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);

	*address = *sender = STR("");
	if (s->older_ms >= 0 && tick_diff_ms(m->born, tick_now()) < s->older_ms)
		return false;
	if (s->job.len > 0 && (m->job == 0 || !fits(s->job, str_of(job_at(m->job)->name))))
		return false;
	return !s->needs_envelope || envelope_fits(s, r, address, sender);
}

struct listing {
	struct selection s;
	uint32_t	 n, max;
};

static void
show(struct listing *l, struct queue *q, uint32_t rcpt)
{
	static const char *const states[] = {"?", "ready", "deferred", "held", "sending", "ending"};
	struct control	     *c = l->s.c;
	const struct rcpt    *r = rcpt_at(rcpt);
	const struct message *m = message_at(r->message);
	struct str	      address, sender;
	char		      id[20], when[32];

	l->s.needs_envelope = true;
	if (!envelope_fits(&l->s, r, &address, &sender))
		return;
	snprintf(id, sizeof id, "%016lx", m->id);
	control_text(c, str_of(id), "rcpt[%u].id", l->n);
	control_text(c, address, "rcpt[%u].rcpt", l->n);
	control_text(c, sender, "rcpt[%u].orig", l->n);
	control_text(c, str_of(q->name), "rcpt[%u].queue", l->n);
	control_text(c, m->job == 0 ? STR("") : str_of(job_at(m->job)->name), "rcpt[%u].jobId", l->n);
	control_text(c, control_time(tick_to_wall(m->born), when), "rcpt[%u].timeQueued", l->n);
	control_text(c, str_of(states[r->state]), "rcpt[%u].state", l->n);
	control_number(c, r->tries, "rcpt[%u].attempts", l->n);
	control_number(c, (m->len + 1023) / 1024, "rcpt[%u].kb", l->n);
	l->n++;
}

static void
list_from(struct listing *l, struct queue *q, const struct rlist *from)
{
	struct str address, sender;

	for (uint32_t h = from->head; h != 0 && l->n < l->max; h = rcpt_at(h)->next) {
		if (selection_has(&l->s, q, h, &address, &sender))
			show(l, q, h);
	}
}

void
control_list(struct control *c)
{
	struct listing l = {.max = c->req->max == 0 ? LIST_DEFAULT : PH_MIN(c->req->max, 10000u)};

	selection_init(&l.s, c);
	for (uint32_t h = 0; (h = queue_next(h)) != 0 && l.n < l.max;) {
		struct queue *q = queue_at(h);
		if (l.s.queue.len > 0 && !pause_match(l.s.queue, str_of(q->name)))
			continue;
		list_from(&l, q, &q->ready);
		list_from(&l, q, &q->deferred);
		list_from(&l, q, &q->held);
	}
	control_end(c, true, "%u recipients shown.", l.n);
}

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
		struct spool_place    p;
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
