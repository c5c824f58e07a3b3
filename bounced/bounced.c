#include "bounced/bounced.h"

#include <inttypes.h>
#include <unistd.h>

#include "bounced/commands.h"
#include "bounced/copy.h"
#include "bounced/heard.h"
#include "bounced/notice.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define SPARE_SEGMENTS 1
#define ANSWER_MAX     (128 * 1024)
#define MAX_TRIES      3
/* of the journal's open bytes: above, queued is not listened to; below the half: again */
#define HOLD_BYTES (8u * 1024 * 1024)

enum job_kind { JOB_REPORT, JOB_NOTICE, JOB_COPY };
/* one REPORT, NOTICE or COPY; the token of each message that it makes */
struct job {
	struct bounced *b;
	uint64_t id, epoch; /* id: as queued knows the order */
	uint64_t message;   /* that it is about */
	size_t n_open;
	bool ok;
	bool composing;
	enum job_kind kind;
};

/* ---- to queued ---- */

static void
set_hold(struct bounced *b)
{
	size_t pending = journal_pending(b->journal);
	bool hold = b->is_stopping || pending > (b->is_held ? HOLD_BYTES / 2 : HOLD_BYTES);

	if (hold == b->is_held || b->queue == NULL)
		return;
	b->is_held = hold;
	ipc_hold(b->queue, hold);
}

static void
say_done(struct bounced *b, uint64_t id, bool ok)
{
	struct ipc_report_done head = {.id = id, .ok = ok};

	if (b->queue != NULL)
		ipc_send(b->queue, IPC_REPORT_DONE, &head, NULL, -1);
}

static void
say_noticed(struct bounced *b, uint64_t id, bool ok)
{
	struct ipc_notice_done head = {.id = id, .ok = ok};

	if (b->queue != NULL)
		ipc_send(b->queue, IPC_NOTICE_DONE, &head, NULL, -1);
}

static void
say_errand_done(struct bounced *b, uint64_t token, bool ok)
{
	struct ipc_errand_done head = {.token = token, .ok = ok};

	if (b->queue != NULL)
		ipc_send(b->queue, IPC_ERRAND_DONE, &head, NULL, -1);
}

static void
tell_accepted(struct bounced *b, const struct spool_place *p)
{
	segments_note_place(&b->segments, p);
	if (b->queue != NULL) {
		ipc_send(b->queue, IPC_ACCEPTED, p, NULL, -1);
		return;
	}
	/* bounded by what was under way when queued went */
	if (b->n_untold == b->cap_untold) {
		b->cap_untold = PH_MAX(b->cap_untold * 2, (size_t)16);
		b->untold = xreallocarray(b->untold, b->cap_untold, sizeof *b->untold);
	}
	b->untold[b->n_untold++] = *p;
}

static void
leave_if_done(struct bounced *b)
{
	if (!b->is_stopping || b->n_jobs > 0)
		return;
	if (b->queue != NULL)
		ipc_flush(b->queue);
	b->leave_cb();
}

/* ---- a REPORT ---- */

static void (*const say[])(struct bounced *b, uint64_t id, bool ok) = {
    [JOB_REPORT] = say_done,
    [JOB_NOTICE] = say_noticed,
    [JOB_COPY] = say_errand_done,
};

static void
job_end_if_done(struct job *job)
{
	struct bounced *b = job->b;

	if (job->n_open > 0 || job->composing)
		return;
	if (job->epoch == b->epoch)
		say[job->kind](b, job->id, job->ok);
	b->n_jobs--;
	free(job);
	set_hold(b);
	leave_if_done(b);
}

static void
on_durable(void *token, const struct spool_place *place, const struct why *why)
{
	struct job *job = token;

	job->n_open--;
	if (place == NULL) {
		log_warn(
		    "id=%016" PRIx64 " event=report-not-stored text=\"%s\"", job->id, why->text);
		job->ok = false;
	} else {
		if (job->kind == JOB_REPORT)
			stat_inc(STAT_DSN_SENT);
		log_info("id=%016" PRIx64 " event=%s %s=%016" PRIx64, job->message,
		    job->kind == JOB_COPY ? "copy" : "report",
		    job->kind == JOB_COPY ? "copy" : "report", place->id);
		tell_accepted(job->b, place);
	}
	job_end_if_done(job);
}

static void
on_segment(void *ctx, const struct ipc_segment *s, bool sealed)
{
	struct bounced *b = ctx;

	segments_note(&b->segments, s, sealed);
	if (b->queue != NULL)
		ipc_send(b->queue, sealed ? IPC_SEGMENT_SEALED : IPC_SEGMENT_OPEN, s, NULL, -1);
}

static const struct journal_events journal_events = {.done = on_durable, .segment = on_segment};

static uint64_t
new_id(void *ctx)
{
	return journal_new_id(((struct job *)ctx)->b->journal);
}

static void
store_report(void *ctx, uint64_t id, struct str env, struct str message)
{
	struct job *job = ctx;

	job->n_open++;
	journal_append(job->b->journal, id, env, message, job);
}

/* How often this message could not be read, with this time. */
static unsigned
count_trouble(struct bounced *b, uint64_t id)
{
	struct trouble *t;

	for (size_t i = 0; i < countof(b->trouble); i++) {
		if (b->trouble[i].id == id)
			return ++b->trouble[i].n;
	}
	t = &b->trouble[b->next_trouble++ % countof(b->trouble)];
	*t = (struct trouble){.id = id, .n = 1};
	return 1;
}

/* A message that cannot be read may be a matter of a moment; but its recipients must not wait for ever. */
static bool
is_given_up(struct bounced *b, uint64_t id, const struct why *why)
{
	bool given_up = count_trouble(b, id) >= MAX_TRIES;

	if (given_up)
		log_error("id=%016" PRIx64 " event=no-report text=\"%s\"", id, why->text);
	else
		log_warn("id=%016" PRIx64 " event=report-later text=\"%s\"", id, why->text);
	return given_up;
}

static void
on_report(struct bounced *b, const struct ipc_report *r)
{
	struct gathered *g = gather_take(&b->gather, r->place.id);
	struct compose_out out = {.new_id = new_id, .report = store_report};
	struct job *job;
	struct why why;

	if (g == NULL) {
		say_done(b, r->place.id, true);
		return;
	}
	job = xcalloc(1, sizeof *job);
	*job = (struct job){.b = b,
	    .id = r->place.id,
	    .message = r->place.id,
	    .epoch = b->epoch,
	    .ok = true,
	    .composing = true};
	b->n_jobs++;
	out.ctx = job;
	if (compose(&b->composer, r, g, &out, &why) == -1)
		job->ok = is_given_up(b, job->id, &why);
	gathered_free(&g);
	job->composing = false;
	job_end_if_done(job);
	set_hold(b);
}

static void
on_notice(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_notice *head = m->head;
	struct compose_out out = {.new_id = new_id, .report = store_report};
	struct job *job = xcalloc(1, sizeof *job);
	struct why why;

	*job = (struct job){.b = b,
	    .id = head->id,
	    .epoch = b->epoch,
	    .ok = true,
	    .composing = true,
	    .kind = JOB_NOTICE};
	b->n_jobs++;
	out.ctx = job;
	/* what cannot be written now never can */
	if (notice_compose(&b->composer, m->text, &out, &why) == -1)
		log_error("event=no-notice text=\"%s\"", why.text);
	job->composing = false;
	job_end_if_done(job);
	set_hold(b);
}

static void
on_copy(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_copy *head = m->head;
	struct job *job = xcalloc(1, sizeof *job);
	struct why why;
	int r;

	*job = (struct job){.b = b,
	    .id = head->token,
	    .message = head->place.id,
	    .epoch = b->epoch,
	    .ok = true,
	    .composing = true,
	    .kind = JOB_COPY};
	b->n_jobs++;
	r = copy_store(&b->composer, b->journal, head, m->text, job, &why);
	if (r == 1)
		job->n_open++;
	else if (r == 0)
		log_info("id=%016" PRIx64 " event=no-copy", job->message);
	else
		job->ok = is_given_up(b, job->message, &why);
	job->composing = false;
	job_end_if_done(job);
	set_hold(b);
}

/* ---- queued ---- */

static void
drop_queue(struct bounced *b)
{
	ipc_chan_free(&b->queue);
	gather_clear(&b->gather); /* it will be said again */
	handlers_forget(&b->handlers);
	b->epoch++;
	b->is_held = false;
}

static void
on_report_rcpt(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_report_rcpt *head = m->head;

	if (head->kind >= REPORT_FAILED && head->kind <= REPORT_RELAYED &&
	    gather_add(&b->gather, head, m->text))
		return;
	log_error("id=%016" PRIx64 " event=queued-dropped text=\"recipients without a report\"",
	    head->id);
	drop_queue(b);
}

static void
on_segment_free(struct bounced *b, const struct ipc_segment *s)
{
	segments_note_freed(&b->segments, s);
	journal_segment_freed(b->journal, s->segment, s->generation);
}

/* by whoever may ask: the answer goes back by the same channel */
static void
on_is_suppressed(struct bounced *b, struct ipc_chan *c, const struct ipc_msg *m)
{
	const struct ipc_is_suppressed *head = m->head;
	struct suppressed_question q = {
	    .address = m->text[0], .lists = m->text[1], .vmta = m->text[2], .pool = m->text[3]};
	struct ipc_suppressed answer = {.token = head->token};
	struct suppressed_answer a;
	struct str list;

	suppressed_ask(&b->suppressed, &q, &a, &b->answer);
	answer.is_suppressed = a.is_suppressed;
	list = str_of(a.list);
	ipc_send(c, IPC_SUPPRESSED, &answer, &list, -1);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct bounced *b = ipc_ctx(c);

	/* SPOOL_STATE is not obeyed: each report lets go of at least one recipient, so reports must go on when
	 * the queue is full; a disk that is full refuses them itself. */
	if (m->type == IPC_REPORT_RCPT)
		on_report_rcpt(b, m);
	else if (m->type == IPC_REPORT)
		on_report(b, m->head);
	else if (m->type == IPC_NOTICE)
		on_notice(b, m);
	else if (m->type == IPC_COPY)
		on_copy(b, m);
	else if (m->type == IPC_PROCESS)
		heard_process(b, m->head);
	else if (m->type == IPC_COMPLAINED)
		heard_complained(b, m);
	else if (m->type == IPC_HANDLE)
		handlers_order(b, m->head);
	else if (m->type == IPC_SEGMENT_FREE)
		on_segment_free(b, m->head);
	else if (m->type == IPC_JUDGE)
		failures_judge(b, m);
	else if (m->type == IPC_IS_SUPPRESSED)
		on_is_suppressed(b, c, m);
	else if (m->type == IPC_FORWARD)
		commands_run(b, m);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct bounced *b = ipc_ctx(c);

	if (!b->is_stopping)
		log_warn("event=queued-gone text=\"%s\"", why->text);
	drop_queue(b);
}

const struct ipc_events bounced_events = {.msg = on_msg, .down = on_down};

void
bounced_queue_chan(struct bounced *b, struct ipc_chan *c)
{
	drop_queue(b);
	b->queue = c;
	segments_tell(&b->segments, c);
	for (size_t i = 0; i < b->n_untold; i++)
		ipc_send(c, IPC_ACCEPTED, &b->untold[i], NULL, -1);
	b->n_untold = 0;
	set_hold(b);
}

void
bounced_queue_up(struct bounced *b, int fd)
{
	bounced_queue_chan(b, ipc_chan_new(fd, ROLE_BOUNCE, ROLE_QUEUE, 0, &bounced_events, b));
}

void
bounced_exec_up(struct bounced *b, int fd)
{
	runner_peer(&b->handlers.runner, ROLE_BOUNCE, fd);
}

/* ---- injectd ---- */

static void
on_inject_down(struct ipc_chan *c, const struct why *why)
{
	struct bounced *b = ipc_ctx(c);

	ipc_chan_free(&b->inject[ipc_peer_instance(c)]);
}

static const struct ipc_events inject_events = {.msg = on_msg, .down = on_inject_down};

void
bounced_inject_up(struct bounced *b, uint32_t instance, int fd)
{
	if (instance >= BOUNCED_INJECTORS) {
		close(fd);
		return;
	}
	ipc_chan_free(&b->inject[instance]);
	b->inject[instance] =
	    ipc_chan_new(fd, ROLE_BOUNCE, ROLE_INJECT, instance, &inject_events, b);
}

/* ---- life ---- */

static void
on_leave(struct ev_timer *t)
{
	struct bounced *b = ph_container_of(t, struct bounced, leave);

	b->leave_cb();
}

void
bounced_take_key(struct bounced *b, int fd)
{
	b->has_track = track_init_fd(&b->track, fd);
}

void
bounced_init(struct bounced *b, int spool_fd, uint16_t host_id, void (*leave)(void))
{
	struct why why;
	struct track track = b->track;
	bool has_track = b->has_track;

	*b = (struct bounced){.leave_cb = leave, .track = track, .has_track = has_track};
	composer_init(&b->composer, spool_fd);
	b->processor = processor_new(spool_fd, CONF_BOUNCES, has_track ? &b->track : NULL);
	heard_init(b);
	handlers_init(&b->handlers);
	failures_init(&b->failures);
	buf_init(&b->answer, ANSWER_MAX);
	gather_init(&b->gather);
	ev_timer_init(&b->leave, on_leave);
	b->journal = journal_open(spool_fd, BOUNCED_WRITER, host_id, &journal_events, b, &why);
	if (b->journal == NULL)
		fatal("event=no-journal text=\"%s\"", why.text);
	journal_settled_known(b->journal);
	/* a full disk must not keep the mail from going out that would free it */
	if (journal_prepare(b->journal, SPARE_SEGMENTS, &why) == -1)
		log_warn("event=no-spare-segments text=\"%s\"", why.text);
	if (gethostname(b->composer.host, sizeof b->composer.host - 1) == -1)
		str_copy(b->composer.host, sizeof b->composer.host, STR("localhost"));
}

void
bounced_clear(struct bounced *b)
{
	journal_close(&b->journal); /* tells the fate of all that is open */
	if (b->queue != NULL)
		ipc_flush(b->queue);
	ipc_chan_free(&b->queue);
	ev_timer_stop(&b->leave);
	for (size_t i = 0; i < BOUNCED_INJECTORS; i++)
		ipc_chan_free(&b->inject[i]);
	gather_clear(&b->gather);
	handlers_clear(&b->handlers);
	failures_clear(&b->failures);
	buf_clear(&b->answer);
	composer_clear(&b->composer);
	processor_free(&b->processor);
	segments_clear(&b->segments);
	xfree(&b->untold);
}

void
bounced_use_conf(struct bounced *b, const struct conf *c)
{
	composer_use_conf(&b->composer, c);
	failures_use_conf(&b->failures, c);
	processor_use_conf(b->processor, c);
	handlers_use_conf(&b->handlers, c);
}

void
bounced_stop(struct bounced *b, int64_t drain_ms)
{
	b->is_stopping = true;
	if (drain_ms == 0) {
		b->leave_cb();
		return;
	}
	ev_timer_in_ms(&b->leave, drain_ms);
	set_hold(b);
	leave_if_done(b);
}
