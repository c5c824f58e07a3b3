#include "acctd/feed.h"

#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define CHUNK	      PIPE_BUF /* written whole or not at all, so that no crash of ours leaves a piece */
#define CHUNKS_A_TURN 64
#define DOUBT_BYTES   (64 * 1024) /* what a command may have taken and not dealt with: a whole pipe */
#define SETTLE_MS     1000
#define SOON_MS	      1000
#define DRAIN_LOOK_MS 20
#define GOOD_RUN_MS   60000 /* a run of that length makes the next wait short again */

enum feed_state {
	FEED_IDLE,     /* no command; `again` may be armed */
	FEED_STARTING, /* ordered */
	FEED_RUNNING,
	FEED_ENDING /* gets no more: its input ends when it has taken all of it; or it is being killed */
};

/* what was written up to `end` (bytes of this run) is what the spill has up to `at` */
struct mark {
	STAILQ_ENTRY(mark) link;
	uint64_t begin, end;
	struct spill_at from, at;
};

struct feed {
	struct runner *runner;
	struct spill *spill;
	const struct acct_def *def;
	enum feed_state state;
	struct run *run;
	int fd; /* -1: none */
	struct ev_io io;
	struct ev_timer again;	/* start it */
	struct ev_timer stuck;	/* write-timeout */
	struct ev_timer settle; /* looks whether all was taken; also before its input ends */
	struct ev_defer soon;
	struct mono started;
	int64_t wait_ms;
	struct spill_at at;   /* where reading goes on */
	struct spill_at safe; /* where a next run begins if this one fails */
	STAILQ_HEAD(, mark) marks;
	uint64_t written;     /* bytes of this run */
	uint64_t settle_seen; /* of them, when settle was armed */
	struct buf header;    /* that this run got */
	struct buf out;	      /* what the pipe did not take whole */
	bool is_begun;	      /* `at` is known */
	bool is_stopped;
	bool is_restart; /* it ends only to get another header line */
};

static void start(struct feed *f);
static void give(struct feed *f);

/* ---- what was taken ---- */

static uint64_t
taken(const struct feed *f)
{
	int unread = 0;

	if (f->fd == -1 || ioctl(f->fd, FIONREAD, &unread) == -1)
		return 0;
	return f->written - PH_MIN((uint64_t)unread, f->written);
}

static void
forget_marks(struct feed *f, uint64_t up_to)
{
	struct mark *m;

	while ((m = STAILQ_FIRST(&f->marks)) != NULL && m->end <= up_to) {
		f->safe = m->at;
		STAILQ_REMOVE_HEAD(&f->marks, link);
		free(m);
	}
}

static void
note_safe(struct feed *f)
{
	uint64_t n = taken(f);

	forget_marks(f, n > DOUBT_BYTES ? n - DOUBT_BYTES : 0);
	spill_gave(f->spill, &f->safe);
}

/* behind the last line that the command has taken whole */
static struct spill_at
behind_taken(struct feed *f)
{
	uint64_t n = taken(f);
	struct spill_at at;
	struct mark *m;
	struct str text;
	struct why why;
	size_t lines;

	forget_marks(f, n);
	m = STAILQ_FIRST(&f->marks);
	at = f->safe;
	if (m == NULL || n <= m->begin)
		return at;
	at = m->from;
	if (spill_read(f->spill, &at, CHUNK, &text, &why) != SPILL_LINES)
		return f->safe;
	text = str_sub(text, 0, (size_t)(n - m->begin));
	lines = str_rfind(text, '\n');
	at = m->from;
	at.offset += lines == STR_NPOS ? 0 : lines + 1;
	return at;
}

/* nothing written and nothing in the pipe for a while: it has dealt with all of it */
static void
look_if_settled(struct feed *f)
{
	if (f->written == f->settle_seen && taken(f) == f->written) {
		forget_marks(f, f->written);
		spill_gave(f->spill, &f->safe);
		return;
	}
	f->settle_seen = f->written;
	ev_timer_in_ms(&f->settle, SETTLE_MS);
}

/* ---- ends ---- */

static void
close_input(struct feed *f)
{
	if (f->fd == -1)
		return;
	ev_io_stop(&f->io);
	close(f->fd);
	f->fd = -1;
	ev_timer_stop(&f->stuck);
	ev_timer_stop(&f->settle);
	buf_reset(&f->out);
}

/* Its end of file comes behind the last byte that it took: what it did not is then known to the end. */
static void
look_if_drained(struct feed *f)
{
	if (taken(f) < f->written) {
		ev_timer_in_ms(&f->settle, DRAIN_LOOK_MS);
		return;
	}
	note_safe(f);
	close_input(f);
}

static void
on_settle(struct ev_timer *t)
{
	struct feed *f = ph_container_of(t, struct feed, settle);

	if (f->state == FEED_RUNNING)
		look_if_settled(f);
	else if (f->state == FEED_ENDING && f->fd != -1)
		look_if_drained(f);
}

static void
end_input(struct feed *f)
{
	f->state = FEED_ENDING;
	if (f->fd == -1)
		return;
	ev_io_want(&f->io, 0);
	ev_timer_in_ms(&f->stuck, f->def->timeout_ms);
	look_if_drained(f);
}

static void
say_wrong(struct feed *f, const char *kind, const char *details)
{
	/* as often as it is tried: less and less */
	log_error("acct Error %s %s: %s", kind, log_quote(str_of(f->def->path + 1)), details);
}

/* PowerMTA's retry-interval is the longest wait; the first ones are shorter */
static void
wait_longer(struct feed *f)
{
	if (mono_diff_ms(f->started, ev_now()) > GOOD_RUN_MS)
		f->wait_ms = 0;
	f->wait_ms = PH_MIN(PH_MAX(f->wait_ms * 2, (int64_t)SOON_MS), f->def->retry_ms);
	ev_timer_in_ms(&f->again, f->wait_ms);
}

/* it came to its end: where a next one begins */
static void
settle_account(struct feed *f, bool is_good)
{
	if (is_good && f->fd == -1)
		forget_marks(f, f->written); /* all was taken before its input ended */
	else if (is_good)
		f->safe = behind_taken(f);
	else if (f->fd != -1)
		note_safe(f);
	f->at = f->safe;
	spill_gave(f->spill, &f->safe);
	close_input(f);
	forget_marks(f, UINT64_MAX);
	f->safe = f->at;
}

static void
on_done(void *ctx, const struct run_end *end)
{
	struct feed *f = ctx;
	bool is_good = end->how == EXEC_EXITED && end->status == 0;
	bool was_wanted = f->state == FEED_ENDING && is_good;
	struct why why;

	f->run = NULL;
	run_end_text(end, &why);
	if (f->state == FEED_RUNNING || f->state == FEED_ENDING)
		settle_account(f, is_good);
	f->state = FEED_IDLE;
	if (f->is_stopped) {
		f->runner->changed(f->runner);
		return;
	}
	if (end->how == EXEC_REFUSED || end->how == EXEC_LOST) {
		ev_timer_in_ms(&f->again, SOON_MS);
		return;
	}
	if (was_wanted && f->is_restart) {
		start(f);
		return;
	}
	say_wrong(f, end->how == EXEC_NOT_STARTED ? "starting" : "executing", why.text);
	wait_longer(f);
}

static void
on_stuck(struct ev_timer *t)
{
	struct feed *f = ph_container_of(t, struct feed, stuck);

	if (f->run == NULL)
		return;
	say_wrong(f, "writing to", "it takes nothing any more");
	f->state = FEED_ENDING;
	if (f->fd != -1)
		ev_io_want(&f->io, 0);
	run_kill(f->run);
}

/* ---- giving ---- */

/* 1: all of it; 0: the pipe is full; -1: the command closed its end */
static int
write_out(struct feed *f)
{
	while (buf_len(&f->out) > 0) {
		struct str s = buf_str(&f->out);
		ssize_t n = write(f->fd, s.p, PH_MIN(s.len, (size_t)CHUNK));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		buf_consume(&f->out, (size_t)n);
		f->written += (uint64_t)n;
		ev_timer_in_ms(&f->stuck, f->def->timeout_ms);
	}
	return 1;
}

static void
add_mark(struct feed *f, const struct spill_at *from, size_t len)
{
	struct mark *m = xcalloc(1, sizeof *m);

	m->begin = f->written;
	m->end = f->written + len;
	m->from = *from;
	m->at = f->at;
	STAILQ_INSERT_TAIL(&f->marks, m, link);
}

/* a header line: the one that it got, the first that it gets, or one for another run. True: go on. */
static bool
take_header(struct feed *f, struct str header, const struct spill_at *before)
{
	if (buf_len(&f->header) == 0) {
		if (buf_add_str(&f->header, header) == -1 || buf_add_str(&f->out, header) == -1)
			panic("a header line of %zu bytes", header.len);
		return true;
	}
	if (str_eq(header, buf_str(&f->header)))
		return true;
	f->at = *before;
	f->is_restart = true;
	end_input(f);
	return false;
}

/* puts the next chunk into `out`; false: there is none, or it may not have it */
static bool
take_next(struct feed *f)
{
	struct spill_at before = f->at;
	struct str text;
	struct why why;

	switch (spill_read(f->spill, &f->at, CHUNK, &text, &why)) {
	case SPILL_LINES:
		add_mark(f, &before, text.len);
		if (buf_add_str(&f->out, text) == -1)
			panic("a line of %zu bytes", text.len);
		return true;
	case SPILL_HEADER:
		return take_header(f, text, &before);
	case SPILL_FAILED:
		say_wrong(f, "writing to", why.text);
		ev_timer_in_ms(&f->again, SOON_MS);
		return false;
	default:
		return false;
	}
}

static void
give(struct feed *f)
{
	int r = 1;

	if (f->state != FEED_RUNNING)
		return;
	for (int n = 0; n < CHUNKS_A_TURN && r == 1; n++) {
		if (buf_len(&f->out) == 0 && !take_next(f))
			break;
		r = write_out(f);
	}
	if (f->state != FEED_RUNNING)
		return;
	note_safe(f);
	if (buf_len(&f->out) == 0)
		ev_timer_stop(&f->stuck);
	else if (!ev_timer_is_armed(&f->stuck))
		ev_timer_in_ms(&f->stuck, f->def->timeout_ms);
	/* what closed its end is waited for: it ends, or the time is up */
	ev_io_want(&f->io, r == 0 ? EV_OUT : 0);
	if (r == 1 && !spill_is_at_end(f->spill, &f->at))
		ev_defer_queue(&f->soon);
	if (!ev_timer_is_armed(&f->settle)) {
		f->settle_seen = f->written;
		ev_timer_in_ms(&f->settle, SETTLE_MS);
	}
}

static void
on_writable(struct ev_io *io, int what)
{
	give(ph_container_of(io, struct feed, io));
}

static void
on_soon(struct ev_defer *d)
{
	give(ph_container_of(d, struct feed, soon));
}

/* ---- a run ---- */

/* it gets a header line at once, even if nothing waits: that of the first record, or of those to come */
static void
begin_run(struct feed *f)
{
	struct spill_at ahead = f->at;
	struct str text;
	struct why why;
	enum spill_next next;

	buf_reset(&f->header);
	buf_reset(&f->out);
	next = spill_read(f->spill, &ahead, CHUNK, &text, &why);
	if (next == SPILL_NONE)
		(void)take_header(f, spill_header(f->spill), &ahead);
	if (next != SPILL_LINES)
		return;
	ahead.offset = 0;
	if (spill_read(f->spill, &ahead, CHUNK, &text, &why) == SPILL_HEADER)
		(void)take_header(f, text, &ahead);
}

static void
on_started(void *ctx, int fd)
{
	struct feed *f = ctx;

	f->fd = fd;
	ev_io_init(&f->io, fd, on_writable);
	if (f->state == FEED_ENDING) { /* stopped meanwhile */
		close_input(f);
		return;
	}
	f->state = FEED_RUNNING;
	f->started = ev_now();
	f->written = 0;
	begin_run(f);
	give(f);
}

static void
start(struct feed *f)
{
	const struct run_order o = {
	    .hash = f->def->command_hash, .number = f->def->number, .flags = EXEC_IS_STREAM};

	if (f->state != FEED_IDLE || f->is_stopped || !spill_is_ready(f->spill))
		return;
	if (!f->is_begun) {
		f->at = f->safe = spill_begin(f->spill);
		f->is_begun = true;
	}
	ev_timer_stop(&f->again);
	f->is_restart = false;
	f->started = ev_now();
	f->run = run_start(f->runner, &o, on_started, on_done, f);
	if (f->run != NULL)
		f->state = FEED_STARTING; /* otherwise: when execd comes */
}

static void
on_again(struct ev_timer *t)
{
	feed_kick(ph_container_of(t, struct feed, again));
}

void
feed_kick(struct feed *f)
{
	if (f->state == FEED_RUNNING)
		give(f);
	else if (!ev_timer_is_armed(&f->again))
		start(f);
}

/* ---- life ---- */

struct feed *
feed_new(struct runner *r, struct spill *s, const struct acct_def *def)
{
	struct feed *f = xcalloc(1, sizeof *f);

	*f = (struct feed){.runner = r, .spill = s, .def = def, .fd = -1};
	STAILQ_INIT(&f->marks);
	buf_init(&f->header, SPILL_LINE_MAX);
	buf_init(&f->out, 3 * SPILL_LINE_MAX);
	ev_timer_init(&f->again, on_again);
	ev_timer_init(&f->stuck, on_stuck);
	ev_timer_init(&f->settle, on_settle);
	ev_defer_init(&f->soon, on_soon);
	return f;
}

void
feed_free(struct feed **fp)
{
	struct feed *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	if (f->fd != -1)
		settle_account(f, false);
	forget_marks(f, UINT64_MAX);
	run_forget(&f->run);
	ev_timer_stop(&f->again);
	ev_timer_stop(&f->stuck);
	ev_timer_stop(&f->settle);
	ev_defer_cancel(&f->soon);
	buf_clear(&f->header);
	buf_clear(&f->out);
	free(f);
}

void
feed_use(struct feed *f, const struct acct_def *def)
{
	f->def = def;
	f->wait_ms = 0;
	/* a reload tries again at once */
	if (ev_timer_is_armed(&f->again)) {
		ev_timer_stop(&f->again);
		start(f);
	}
}

void
feed_stop(struct feed *f)
{
	f->is_stopped = true;
	ev_timer_stop(&f->again);
	if (f->state == FEED_RUNNING)
		end_input(f);
	else if (f->state == FEED_STARTING)
		f->state = FEED_ENDING;
}

bool
feed_is_idle(const struct feed *f)
{
	return f->state == FEED_IDLE;
}

uint64_t
feed_waiting(const struct feed *f)
{
	return f->is_begun ? spill_bytes_after(f->spill, &f->at) : 0;
}
