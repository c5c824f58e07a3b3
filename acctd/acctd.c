#include "acctd/acctd.h"

#include "acctd/record.h"
#include "acctd/spill.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define TICK_MS	    100
#define RETRY_MS    1000
#define CARE_MS	    5000
#define CARE_MIN_MS 20
#define SOON_BYTES  (1024 * 1024)
/* above: queued is not listened to; below half of it: again */
#define HOLD_BYTES  (8 * 1024 * 1024)
#define PENDING_MAX (64 * 1024 * 1024)
#define SCRATCH_MAX (128 * 1024)

static void try_batch(struct acctd *a);

/* ---- back-pressure ---- */

static void
set_hold(struct acctd *a)
{
	size_t waiting = a->bytes + a->bytes_batch;
	bool hold = a->is_reloading || a->is_stopping ||
		    waiting > (a->is_held ? HOLD_BYTES / 2 : HOLD_BYTES);

	if (hold == a->is_held || a->queue == NULL)
		return;
	a->is_held = hold;
	ipc_hold(a->queue, hold);
}

/* ---- answers ---- */

static void
answer(struct acctd *a, uint32_t token, bool ok, const char *text)
{
	struct ipc_answer head = {.token = token, .ok = ok};
	struct str t = str_of(text);

	if (a->queue != NULL)
		ipc_send(a->queue, IPC_ANSWER, &head, &t, -1);
}

static void
answer_asks(struct acctd *a, bool ok, const char *text)
{
	for (size_t i = 0; i < a->n_asks_batch; i++)
		answer(a, a->asks_batch[i], ok, text);
	a->n_asks_batch = 0;
}

static void
acknowledge(struct acctd *a, uint64_t seq)
{
	struct ipc_record_ack head = {.seq = seq};

	if (a->queue != NULL)
		ipc_send(a->queue, IPC_RECORD_ACK, &head, NULL, -1);
}

/* ---- a reload ---- */

static int
move_dir(const struct acctd *a, const struct acct_def *d)
{
	return d->move_to[0] == '\0' ? -1 : dirs_find(&a->dirs, str_of(d->move_to));
}

static void
use_dirs(struct acctd *a)
{
	for (size_t i = 0; i < a->n_slots; i++) {
		const struct acct_def *d = sink_def(a->slots[i].sink);
		sink_set_dirs(
		    a->slots[i].sink, dirs_find(&a->dirs, str_of(d->dir)), move_dir(a, d));
	}
	dirs_reap(&a->dirs);
}

static void
slot_clear(struct slot *s)
{
	sink_free(&s->sink);
	buf_clear(&s->pending);
	buf_clear(&s->writing);
}

/* The one that can go on by this definition, which it takes, out of `slots`; NULL: there is none. */
static struct sink *
take_equal(struct slot *slots, size_t n, struct acct_def **d)
{
	for (size_t i = 0; i < n; i++) {
		struct sink *s = slots[i].sink;
		if (s == NULL || !sink_use(s, d))
			continue;
		slots[i].sink = NULL;
		return s;
	}
	return NULL;
}

static void
slot_init(struct slot *s, struct sink *sink)
{
	*s = (struct slot){.sink = sink};
	buf_init(&s->pending, PENDING_MAX);
	buf_init(&s->writing, PENDING_MAX);
}

static void
tell_strangers(struct acctd *a)
{
	struct spill *known[ACCTD_MAX_FILES];
	size_t n = 0;

	for (size_t i = 0; i < a->n_slots; i++)
		if (sink_spill(a->slots[i].sink) != NULL)
			known[n++] = sink_spill(a->slots[i].sink);
	spill_tell_strangers(a->spool_fd, known, n);
}

static void
switch_files(struct acctd *a)
{
	struct slot *old = xcalloc(ACCTD_MAX_FILES, sizeof *old);
	size_t n_old = a->n_slots;
	struct sink *s;

	memcpy(old, a->slots, n_old * sizeof *old);
	a->n_slots = 0;
	for (size_t i = 0; i < a->n_next; i++) {
		s = take_equal(old, n_old, &a->next[i]);
		if (s == NULL)
			s = sink_new(a->next[i], a->spool_fd, &a->runner);
		slot_init(&a->slots[a->n_slots++], s);
	}
	for (size_t i = 0; i < n_old; i++)
		slot_clear(&old[i]);
	free(old);
	a->n_next = 0;
	a->is_reloading = false;
	a->source.is_loaded = false; /* it may lack the header section */
	use_dirs(a);
	tell_strangers(a);
}

static bool
is_idle(const struct acctd *a)
{
	return !writer_is_busy(a->writer) && !a->in_batch && !a->has_unacked;
}

/* files that begin, even without a record, show at once whether they can */
static void
try_switch(struct acctd *a)
{
	if (!a->is_reloading || !is_idle(a))
		return;
	switch_files(a);
	set_hold(a);
	try_batch(a);
}

/* ---- batches ---- */

static void
begin_batch(struct acctd *a)
{
	for (size_t i = 0; i < a->n_slots; i++) {
		struct slot *s = &a->slots[i];
		struct buf empty = s->writing;

		s->writing = s->pending;
		s->pending = empty;
		buf_reset(&s->pending);
		s->rotate = s->wants_rotate;
		s->wants_rotate = false;
	}
	memcpy(a->asks_batch, a->asks, sizeof a->asks);
	a->n_asks_batch = a->n_asks;
	a->seq_batch = a->seq;
	a->lines_batch = a->lines;
	a->bytes_batch = a->bytes;
	a->n_asks = 0;
	a->lines = 0;
	a->bytes = 0;
	a->has_unacked = false;
	a->is_ours = a->queue != NULL;
	a->began = ev_now();
	a->in_batch = true;
}

static void
end_batch(struct acctd *a)
{
	if (a->is_ours && a->seq_batch > 0)
		acknowledge(a, a->seq_batch);
	stat_took(HIST_ACCT_FLUSH, mono_diff_ms(a->began, ev_now()));
	stat_add(STAT_ACCT_RECORDS, a->lines_batch);
	stat_add(STAT_ACCT_BYTES, a->bytes_batch);
	a->lines_batch = 0;
	a->bytes_batch = 0;
	a->in_batch = false;
	answer_asks(a, true, "Accounting file rotated.");
}

/* A batch that failed is tried again as it is. */
static void
try_batch(struct acctd *a)
{
	struct batch b = {.slots = a->slots, .n = a->n_slots};

	if (writer_is_busy(a->writer))
		return;
	if (a->is_blocked && ev_timer_is_armed(&a->retry))
		return;
	ev_timer_stop(&a->tick);
	if (!a->in_batch)
		begin_batch(a);
	if (a->n_slots == 0) {
		end_batch(a);
		return;
	}
	b.now = ev_wall();
	writer_start(a->writer, &b);
}

static void
leave_if_done(struct acctd *a)
{
	if (!a->is_stopping)
		return;
	if (!is_idle(a)) {
		try_batch(a);
		return;
	}
	if (!a->is_ending)
		for (size_t i = 0; i < a->n_slots; i++)
			sink_stop(a->slots[i].sink);
	a->is_ending = true;
	for (size_t i = 0; i < a->n_slots; i++)
		if (!sink_is_idle(a->slots[i].sink))
			return;
	a->leave_cb();
}

/* execd came or went, or a command has ended at the stop */
static void
on_runner(struct runner *r)
{
	struct acctd *a = ph_container_of(r, struct acctd, runner);

	for (size_t i = 0; i < a->n_slots; i++)
		sink_kick(a->slots[i].sink);
	leave_if_done(a);
}

/* when the next batch begins, after what has come until now */
static void
plan_batch(struct acctd *a, bool urgent)
{
	if (!a->has_unacked)
		return;
	if (urgent || a->bytes > SOON_BYTES || a->is_reloading || a->is_stopping)
		ev_defer_queue(&a->soon);
	else
		ev_timer_at(&a->tick, a->due);
}

static void
log_notes(struct acctd *a)
{
	struct why note;

	for (size_t i = 0; i < a->n_slots; i++) {
		if (sink_note(a->slots[i].sink, &note))
			log_warn("acct %s", note.text);
	}
}

static void
set_blocked(struct acctd *a, const struct why *why)
{
	if (why != NULL && !a->is_blocked)
		log_error(
		    "acct blocked %s Nothing is acknowledged until it can be written.", why->text);
	if (why == NULL && a->is_blocked)
		log_info("acct resumed");
	a->is_blocked = why != NULL;
	stat_set(STAT_ACCT_BLOCKED, a->is_blocked);
}

/* midnight and what else comes by itself is looked for every CARE_MS, an interval's end when it comes */
static void
plan_care(struct acctd *a)
{
	int64_t ms = CARE_MS;

	for (size_t i = 0; i < a->n_slots; i++)
		ms = PH_MIN(ms, sink_interval_left_ms(a->slots[i].sink, ev_wall()));
	ev_timer_in_ms(&a->care, PH_MAX(ms, (int64_t)CARE_MIN_MS));
}

static void
written(struct acctd *a)
{
	uint64_t waiting = 0;

	for (size_t i = 0; i < a->n_slots; i++) {
		sink_written(a->slots[i].sink);
		waiting += sink_waiting(a->slots[i].sink);
	}
	stat_set(STAT_ACCT_PIPE_BYTES, waiting);
}

static void
on_written(void *ctx)
{
	struct acctd *a = ctx;
	const struct why *failed = NULL;

	log_notes(a);
	for (size_t i = 0; i < a->n_slots && failed == NULL; i++)
		failed = a->slots[i].failed ? &a->slots[i].why : NULL;
	set_blocked(a, failed);
	use_dirs(a);
	written(a);
	if (failed != NULL) {
		answer_asks(a, false, failed->text);
		ev_timer_in_ms(&a->retry, RETRY_MS);
		if (a->is_reloading)
			fatal("acct reload while files cannot be written: starting afresh with the "
			      "new ones");
		return;
	}
	end_batch(a);
	set_hold(a);
	plan_batch(a, false);
	plan_care(a);
	try_switch(a);
	leave_if_done(a);
}

static void
on_tick(struct ev_timer *t)
{
	try_batch(ph_container_of(t, struct acctd, tick));
}

static void
on_soon(struct ev_defer *d)
{
	try_batch(ph_container_of(d, struct acctd, soon));
}

static void
on_retry(struct ev_timer *t)
{
	try_batch(ph_container_of(t, struct acctd, retry));
}

static void
on_leave(struct ev_timer *t)
{
	struct acctd *a = ph_container_of(t, struct acctd, leave);

	log_warn("acct leaving before %s",
	    a->is_ending
		? "every command has ended: what they may not have dealt with will come again"
		: "all records are on disk: they will come again");
	a->leave_cb();
}

static void
on_care(struct ev_timer *t)
{
	struct acctd *a = ph_container_of(t, struct acctd, care);
	bool due = false;

	/* what is written now plans anew */
	ev_timer_in_ms(&a->care, CARE_MS);
	if (writer_is_busy(a->writer))
		return;
	for (size_t i = 0; i < a->n_slots; i++)
		due |= sink_is_due(a->slots[i].sink, ev_wall());
	if (due)
		try_batch(a);
	else
		plan_care(a);
}

/* ---- queued ---- */

static void
drop_queue(struct acctd *a)
{
	ipc_chan_free(&a->queue);
	a->seq = a->seq_batch = 0;
	a->n_asks = a->n_asks_batch = 0;
	a->is_ours = false; /* the next queued counts anew; what it lacks it will send again */
	a->is_held = false;
}

static void
note_work(struct acctd *a)
{
	if (!a->has_unacked)
		a->due = mono_add_ms(ev_now(), TICK_MS);
	a->has_unacked = true;
}

static void
on_record(struct acctd *a, const struct ipc_msg *m)
{
	const struct ipc_record *r = m->head;
	bool urgent = false;

	if (!record_take(a, r, m->text, m->type == IPC_HEARD, &urgent)) {
		log_error("acct queued sent a record of no known kind type=%u", r->type);
		drop_queue(a);
		return;
	}
	a->seq = r->seq;
	note_work(a);
	plan_batch(a, urgent);
	set_hold(a);
}

/* "", or the file's path, or its last part */
static bool
is_named(const struct acct_def *d, struct str name)
{
	size_t slash = str_rfind(str_of(d->path), '/');

	return name.len == 0 || str_eq(name, str_of(d->path)) ||
	       str_eq(name, str_skip(str_of(d->path), slash + 1));
}

static void
on_ask(struct acctd *a, const struct ipc_msg *m)
{
	const struct ipc_ask *ask = m->head;
	bool found = false;

	if (ask->what != ASK_ROTATE_ACCT) {
		answer(a, ask->token, false, "acctd does not do that.");
		return;
	}
	for (size_t i = 0; i < a->n_slots; i++) {
		if (!is_named(sink_def(a->slots[i].sink), m->text[0]))
			continue;
		a->slots[i].wants_rotate = true;
		found = true;
	}
	if (!found || a->n_asks == ACCTD_MAX_ASKS) {
		answer(a, ask->token, false,
		    found ? "Too many rotations are under way."
			  : "There is no such accounting file.");
		return;
	}
	a->asks[a->n_asks++] = ask->token;
	note_work(a);
	plan_batch(a, true);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct acctd *a = ipc_ctx(c);

	if (m->type == IPC_RECORD || m->type == IPC_HEARD)
		on_record(a, m);
	else if (m->type == IPC_ASK)
		on_ask(a, m);
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct acctd *a = ipc_ctx(c);

	if (!a->is_stopping)
		log_warn("acct queued is gone: %s", why->text);
	drop_queue(a);
}

const struct ipc_events acctd_events = {.msg = on_msg, .down = on_down};

void
acctd_queue_chan(struct acctd *a, struct ipc_chan *c)
{
	drop_queue(a);
	a->queue = c;
	set_hold(a);
}

void
acctd_queue_up(struct acctd *a, int fd)
{
	acctd_queue_chan(a, ipc_chan_new(fd, ROLE_ACCT, ROLE_QUEUE, 0, &acctd_events, a));
}

/* ---- life ---- */

void
acctd_init(struct acctd *a, int spool_fd, void (*leave)(void))
{
	struct dirs given = a->dirs; /* before us */

	*a = (struct acctd){.dirs = given, .leave_cb = leave};
	a->unread_logged.ns = INT64_MIN / 2; /* long ago: the first one is logged */
	a->spool_fd = spool_fd;
	runner_init(&a->runner, on_runner);
	source_init(&a->source, spool_fd);
	buf_init(&a->scratch, SCRATCH_MAX);
	ev_timer_init(&a->tick, on_tick);
	ev_timer_init(&a->retry, on_retry);
	ev_timer_init(&a->care, on_care);
	ev_timer_init(&a->leave, on_leave);
	ev_defer_init(&a->soon, on_soon);
	a->writer = writer_new(on_written, a);
	ev_timer_in_ms(&a->care, CARE_MS);
}

void
acctd_clear(struct acctd *a)
{
	if (writer_is_busy(a->writer))
		return; /* the disk hangs: the process ends with its thread */
	writer_free(&a->writer);
	for (size_t i = 0; i < a->n_slots; i++)
		slot_clear(&a->slots[i]);
	for (size_t i = 0; i < a->n_next; i++)
		acct_def_free(&a->next[i]);
	a->n_slots = a->n_next = 0;
	ev_timer_stop(&a->tick);
	ev_timer_stop(&a->retry);
	ev_timer_stop(&a->care);
	ev_timer_stop(&a->leave);
	ev_defer_cancel(&a->soon);
	ipc_chan_free(&a->queue);
	runner_clear(&a->runner);
	source_clear(&a->source);
	dirs_clear(&a->dirs);
	buf_clear(&a->scratch);
}

void
acctd_set_files(struct acctd *a, struct acct_def **defs, size_t n)
{
	ph_assert(n <= ACCTD_MAX_FILES);
	for (size_t i = 0; i < a->n_next; i++)
		acct_def_free(&a->next[i]);
	for (size_t i = 0; i < n; i++)
		a->next[i] = defs[i];
	a->n_next = n;
	a->is_reloading = true;
	if (a->is_blocked)
		fatal(
		    "acct reload while files cannot be written: starting afresh with the new ones");
	set_hold(a);
	plan_batch(a, true);
	try_switch(a);
}

void
acctd_dirs_changed(struct acctd *a)
{
	if (a->writer != NULL && !writer_is_busy(a->writer))
		use_dirs(a);
}

void
acctd_stop(struct acctd *a, int64_t drain_ms)
{
	a->is_stopping = true;
	if (drain_ms == 0) {
		a->leave_cb();
		return;
	}
	ev_timer_in_ms(&a->leave, drain_ms);
	set_hold(a);
	leave_if_done(a);
}
