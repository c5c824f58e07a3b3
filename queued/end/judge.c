#include "queued/end/judge.h"

#include "lib/base/log.h"
#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/mail/status.h"
#include "queued/alert/rate.h"
#include "queued/end/expire.h"
#include "queued/end/final.h"
#include "queued/control/happen.h"
#include "queued/react/mode.h"
#include "queued/react/retry.h"
#include "queued/state.h"

#define MAX_CAUSES UINT16_MAX
/* outcomes of all queues that wait, in multiples of the limit: then every queue waits */
#define FULL_TIMES 4

static struct {
	struct final_list waiting;
	struct slab slots; /* of struct final * */
	uint32_t serial;
	struct judge_cause *causes; /* never forgotten: as many as the configuration has lines */
	uint32_t n_causes;
	bool made;
} jd;

static void
make_once(void)
{
	if (jd.made)
		return;
	TAILQ_INIT(&jd.waiting);
	slab_init(&jd.slots, sizeof(struct final *));
	jd.made = true;
}

/* ---- asking ---- */

static void
send_question(const struct final *f)
{
	const struct ipc_record *r = &f->record;
	struct ipc_judge q = {.place = r->place,
	    .seq = f->asked,
	    .rcpt = r->rcpt,
	    .code = r->code,
	    .enh = {r->enh[0], r->enh[1], r->enh[2]},
	    .kind = f->judge,
	    .local = r->local,
	    .of_rcpt = f->of_rcpt};
	struct str texts[4];
	struct str queue = final_text(f, FINAL_QUEUE);

	if (qd.bounce.chan == NULL)
		return;
	texts[0] = final_text(f, FINAL_REPLY);
	texts[1] = final_text(f, FINAL_MTA);
	texts[2] = final_text(f, FINAL_VMTA);
	texts[3] = str_sub(queue, 0, str_find(queue, '/'));
	ipc_send(qd.bounce.chan, IPC_JUDGE, &q, texts, -1);
}

void
judge_ask(struct final *f)
{
	uint32_t slot;

	make_once();
	slot = slab_new(&jd.slots);
	*(struct final **)slab_at(&jd.slots, slot) = f;
	f->asked = (uint64_t)++jd.serial << 32 | slot;
	TAILQ_INSERT_TAIL(&jd.waiting, f, link);
	queue_at(f->queue)->n_judging++;
	limit_take(&qd.judging);
	send_question(f);
}

void
judge_resend(void)
{
	struct final *f;

	make_once();
	TAILQ_FOREACH(f, &jd.waiting, link)
	send_question(f);
}

bool
judge_is_idle(void)
{
	make_once();
	return qd.bounce.chan == NULL || TAILQ_EMPTY(&jd.waiting);
}

bool
judge_holds(struct queue *q)
{
	if (limit_has_room(&qd.judging) ||
	    (q->n_judging == 0 && qd.judging.used < FULL_TIMES * qd.judging.max))
		return false;
	limit_wait(&qd.judging, q, 1);
	return true;
}

/* NULL: it was answered already */
static struct final *
take(uint64_t asked)
{
	uint32_t slot = (uint32_t)asked;
	struct final *f;

	make_once();
	if (slot == 0 || slot >= slab_end(&jd.slots))
		return NULL;
	f = *(struct final **)slab_at(&jd.slots, slot);
	/* a free slot holds the next free number */
	if ((uintptr_t)f <= UINT32_MAX || f->asked != asked)
		return NULL;
	slab_free(&jd.slots, slot);
	TAILQ_REMOVE(&jd.waiting, f, link);
	queue_at(f->queue)->n_judging--;
	limit_give(&qd.judging);
	return f;
}

/* ---- what made a recipient wait ---- */

static uint16_t
cause_number(struct str file, uint32_t line, struct str category)
{
	struct judge_cause *c;

	for (uint32_t i = 0; i < jd.n_causes; i++) {
		c = &jd.causes[i];
		if (c->line == line && str_eq(str_of(c->file), file) &&
		    str_eq(str_of(c->category), category))
			return (uint16_t)(i + 1);
	}
	if (jd.n_causes == MAX_CAUSES || file.len == 0)
		return 0;
	jd.causes = xreallocarray(jd.causes, jd.n_causes + 1, sizeof *jd.causes);
	c = &jd.causes[jd.n_causes++];
	*c = (struct judge_cause){
	    .file = xstrdup_str(file), .category = xstrdup_str(category), .line = line};
	return (uint16_t)jd.n_causes;
}

const struct judge_cause *
judge_cause(uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);

	return r->state == RCPT_DEFERRED && r->cause > 0 && r->cause <= jd.n_causes
		   ? &jd.causes[r->cause - 1]
		   : NULL;
}

/* ---- what is to follow ---- */

struct answer {
	const struct ipc_judged *v;
	struct str category, file;
};

static int64_t
wait_ms(const struct queue *q, const struct rcpt *r, const struct final *f, const struct answer *a)
{
	if (a->v->retry_ms > 0)
		return a->v->retry_ms;
	return retry_rcpt_ms(q, r->tries, f->record.place.id ^ f->record.rcpt);
}

/* the recipient that a `t` record is about, if it waits for its next attempt since */
static struct rcpt *
about(const struct final *f)
{
	struct rcpt *r = rcpt_at(f->about);

	if (r->message != f->message || r->index != f->record.rcpt || r->tries != f->tries ||
	    (r->state != RCPT_DEFERRED && r->state != RCPT_READY && r->state != RCPT_HELD))
		return NULL;
	return r;
}

static void
retry_at(const struct final *f, struct rcpt *r, const struct answer *a)
{
	struct queue *q = queue_at(r->queue);

	if (r->state != RCPT_DEFERRED || a->v->retry_ms <= 0)
		return;
	queue_take(q, f->about);
	r->cause = cause_number(a->file, a->v->line, a->category);
	queue_add_deferred(q, f->about, tick_in_ms(a->v->retry_ms));
	queue_kick(q);
}

/* refused for now, and that was the last attempt: behind its record the same failure once more, as its end */
static void
end_now(struct final *f, const struct rcpt *r)
{
	struct queue *q = queue_at(r->queue);
	uint32_t rcpt = f->about;
	struct final *g = final_copy(f);

	g->record.enh[0] = 5;
	final_post_transient(f);
	final_end_by(g, q, rcpt);
}

static void
on_transient(struct final *f, const struct answer *a)
{
	struct rcpt *r = about(f);
	bool is_last = r != NULL && a->v->action == JUDGED_RETRY && r->tries >= a->v->max_tries;

	stat_label_add(FAMILY_DEFERRALS, a->category, 1);
	if (r != NULL && (is_last || a->v->action == JUDGED_BOUNCE)) {
		end_now(f, r);
		return;
	}
	if (r != NULL && a->v->action == JUDGED_RETRY)
		retry_at(f, r, a);
	final_post_transient(f);
}

/* refused for good, and the operator wants it tried again all the same */
static void
try_again(struct final *f, const struct answer *a)
{
	struct queue *q = queue_at(f->queue);
	uint32_t rcpt = f->rcpt;
	struct rcpt *r = rcpt_at(rcpt);

	q->n_ending--;
	message_at(r->message)->n_busy--;
	r->tries = (uint16_t)PH_MIN(r->tries + 1, UINT16_MAX);
	r->cause = cause_number(a->file, a->v->line, a->category);
	queue_add_deferred(q, rcpt, tick_in_ms(wait_ms(q, r, f, a)));
	q->n_deferred++;
	stat_inc(STAT_Q_DEFERRED);
	stat_label_add(FAMILY_DEFERRALS, a->category, 1);
	happen_recorded(TAIL_DEFERRED, q, rcpt, f);
	final_make_transient(f);
	queue_kick(q);
}

static void
on_final(struct final *f, const struct answer *a)
{
	const struct rcpt *r = rcpt_at(f->rcpt);

	if (f->judge == JUDGE_PERMANENT && a->v->action == JUDGED_RETRY && r->cancel == 0 &&
	    r->tries + 1u < a->v->max_tries && !expire_is_over(queue_at(f->queue), r)) {
		try_again(f, a);
		return;
	}
	final_so_it_ends(f);
	final_post(f);
}

/* no host could be reached: the queue waits as long as the line says */
static void
on_queue(struct final *f, const struct answer *a)
{
	struct queue *q = queue_at(f->queue);
	char *file = xstrdup_str(a->file);
	struct cause c = {.text = final_text(f, FINAL_REPLY),
	    .origin = {.file = file, .line = a->v->line},
	    .directive = "bounce-action"};

	if (a->v->action == JUDGED_RETRY && a->v->retry_ms > 0)
		retry_set(q, a->v->retry_ms, &c);
	free(file);
	free(f);
}

void
judge_verdict(const struct ipc_msg *m)
{
	const struct ipc_judged *v = m->head;
	struct answer a = {.v = v, .category = m->text[0], .file = m->text[1]};
	struct final *f = v->action < JUDGED_MAX ? take(v->seq) : NULL;
	uint32_t queue;

	if (f == NULL)
		return;
	queue = f->queue;
	final_set_category(f, a.category);
	if (f->judge == JUDGE_QUEUE)
		on_queue(f, &a);
	else if (f->rcpt == 0)
		on_transient(f, &a);
	else
		on_final(f, &a);
	queue_kick(queue_at(queue));
}
