#include "acctd/post.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define BATCH_BYTES (5 * 1024 * 1024) /* without max-size */
#define PIECE	    (64 * 1024)
#define FIRST_MS    1000   /* wait after a failure, doubling up to retry-interval */
#define LIMIT_MS    600000 /* for one run; its own times are shorter */

struct post {
	struct runner *runner;
	struct spill *spill;
	const struct acct_def *def;
	struct run *run; /* NULL: none is under way */
	int fd;		 /* -1: not started, or all was written */
	struct ev_io io;
	struct ev_timer due;   /* the oldest waits long enough */
	struct ev_timer again; /* after a failure */
	struct ev_timer limit;
	struct spill_at at;   /* of the first that was not accepted */
	struct spill_at next; /* where the batch under way is read on */
	struct buf out;
	struct buf header;
	size_t in_batch; /* bytes of lines */
	int64_t wait_ms;
	bool is_begun, is_full, is_stopped, is_wrong_said;
};

static void start(struct post *p);

static size_t
batch_bytes(const struct post *p)
{
	uint64_t max = p->def->max_size;

	return max == CONF_UNLIMITED ? BATCH_BYTES : (size_t)PH_MIN(max, (uint64_t)BATCH_BYTES);
}

/* ---- the batch ---- */

/* the next piece into `out`; false: the batch ends here */
static bool
take_next(struct post *p)
{
	struct spill_at before = p->next;
	struct str text;
	struct why why;

	if (p->is_full)
		return false;
	switch (spill_read(p->spill, &p->next, PIECE, &text, &why)) {
	case SPILL_LINES:
		p->in_batch += text.len;
		p->is_full = p->in_batch >= batch_bytes(p);
		return buf_add_str(&p->out, text) == 0;
	case SPILL_HEADER:
		if (buf_len(&p->header) > 0 && str_eq(text, buf_str(&p->header)))
			return true;
		if (buf_len(&p->header) == 0)
			return buf_add_str(&p->header, text) == 0 &&
			       buf_add_str(&p->out, text) == 0;
		p->next = before; /* other columns: another batch */
		return false;
	default:
		return false;
	}
}

static void
close_input(struct post *p)
{
	if (p->fd == -1)
		return;
	ev_io_stop(&p->io);
	close(p->fd);
	p->fd = -1;
}

static void
on_writable(struct ev_io *io, int what)
{
	struct post *p = ph_container_of(io, struct post, io);
	struct str s;
	ssize_t n;

	while (buf_len(&p->out) == 0 && take_next(p))
		;
	s = buf_str(&p->out);
	n = s.len == 0 ? 0 : write(p->fd, s.p, s.len);
	if (n > 0)
		buf_consume(&p->out, (size_t)n);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	/* all of it; or it takes no more, and its end says why */
	close_input(p);
	run_input_ends(p->run);
}

/* a batch begins with its header line, also in the middle of a segment */
static void
begin_batch(struct post *p)
{
	struct spill_at ahead = p->at;
	struct str text;
	struct why why;

	buf_reset(&p->out);
	buf_reset(&p->header);
	p->next = p->at;
	p->in_batch = 0;
	p->is_full = false;
	if (spill_read(p->spill, &ahead, PIECE, &text, &why) != SPILL_LINES)
		return;
	ahead.offset = 0;
	if (spill_read(p->spill, &ahead, PIECE, &text, &why) == SPILL_HEADER &&
	    buf_add_str(&p->header, text) == 0)
		(void)buf_add_str(&p->out, text);
}

static void
on_started(void *ctx, int fd)
{
	struct post *p = ctx;

	p->fd = fd;
	ev_io_init(&p->io, fd, on_writable);
	begin_batch(p);
	ev_io_want(&p->io, EV_OUT);
}

/* ---- its end ---- */

static void
accepted(struct post *p, struct str said)
{
	if (said.len > 0) /* it was asked to tell */
		log_info("acct posted to %s bytes=%zu answer=%s", log_quote(str_of(p->def->url)),
		    p->in_batch, log_quote(said));
	p->at = p->next;
	spill_gave(p->spill, &p->at);
	p->wait_ms = 0;
	if (p->is_wrong_said)
		log_info("acct posts to %s go through again", log_quote(str_of(p->def->url)));
	p->is_wrong_said = false;
	/* more than one batch waits: on at once; otherwise its interval begins now */
	if (p->is_full && !spill_is_at_end(p->spill, &p->at))
		start(p);
	else
		post_kick(p);
}

static void
on_done(void *ctx, const struct run_end *end)
{
	struct post *p = ctx;
	bool was_whole = p->fd == -1 && buf_len(&p->out) == 0;
	struct why why;

	p->run = NULL;
	close_input(p);
	ev_timer_stop(&p->limit);
	if (end->how == EXEC_EXITED && end->status == 0 && was_whole) {
		accepted(p, end->output);
	} else {
		run_end_text(end, &why);
		if (!p->is_wrong_said && end->how != EXEC_REFUSED && end->how != EXEC_LOST)
			log_error("acct Error posting to %s: %s", log_quote(str_of(p->def->url)),
			    why.text);
		p->is_wrong_said |= end->how != EXEC_REFUSED && end->how != EXEC_LOST;
		p->wait_ms = PH_MIN(PH_MAX(p->wait_ms * 2, (int64_t)FIRST_MS), p->def->retry_ms);
		ev_timer_in_ms(&p->again, p->wait_ms);
	}
	if (p->is_stopped)
		p->runner->changed(p->runner);
}

static void
on_limit(struct ev_timer *t)
{
	struct post *p = ph_container_of(t, struct post, limit);

	if (p->run != NULL)
		run_kill(p->run);
}

/* ---- when ---- */

static void
start(struct post *p)
{
	const struct run_order o = {
	    .hash = p->def->command_hash, .number = p->def->number, .option = 0};

	if (p->run != NULL || p->is_stopped || spill_is_at_end(p->spill, &p->at))
		return;
	ev_timer_stop(&p->due);
	p->run = run_start(p->runner, &o, on_started, on_done, p);
	if (p->run != NULL)
		ev_timer_in_ms(&p->limit, LIMIT_MS);
}

static void
on_due(struct ev_timer *t)
{
	start(ph_container_of(t, struct post, due));
}

static void
on_again(struct ev_timer *t)
{
	start(ph_container_of(t, struct post, again));
}

void
post_kick(struct post *p)
{
	bool was_begun = p->is_begun;

	if (!spill_is_ready(p->spill) || p->run != NULL || p->is_stopped ||
	    ev_timer_is_armed(&p->again))
		return;
	if (!was_begun)
		p->at = spill_begin(p->spill);
	p->is_begun = true;
	if (spill_is_at_end(p->spill, &p->at))
		return;
	/* what an earlier run left has waited long enough */
	if (!was_begun || spill_bytes_after(p->spill, &p->at) >= batch_bytes(p))
		start(p);
	else if (!ev_timer_is_armed(&p->due))
		ev_timer_in_ms(&p->due, p->def->timeout_ms);
}

void
post_now(struct post *p)
{
	if (p->is_begun && !ev_timer_is_armed(&p->again))
		start(p);
}

/* ---- life ---- */

struct post *
post_new(struct runner *r, struct spill *s, const struct acct_def *def)
{
	struct post *p = xcalloc(1, sizeof *p);

	*p = (struct post){.runner = r, .spill = s, .def = def, .fd = -1};
	buf_init(&p->out, 4 * PIECE);
	buf_init(&p->header, PIECE);
	ev_timer_init(&p->due, on_due);
	ev_timer_init(&p->again, on_again);
	ev_timer_init(&p->limit, on_limit);
	return p;
}

void
post_free(struct post **pp)
{
	struct post *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	run_cancel(&p->run);
	close_input(p);
	ev_timer_stop(&p->due);
	ev_timer_stop(&p->again);
	ev_timer_stop(&p->limit);
	buf_clear(&p->out);
	buf_clear(&p->header);
	free(p);
}

void
post_use(struct post *p, const struct acct_def *def)
{
	p->def = def;
	p->wait_ms = 0;
	if (ev_timer_is_armed(&p->again)) {
		ev_timer_stop(&p->again);
		start(p);
	}
}

void
post_stop(struct post *p)
{
	p->is_stopped = true;
	ev_timer_stop(&p->due);
	ev_timer_stop(&p->again);
}

bool
post_is_idle(const struct post *p)
{
	return p->run == NULL;
}

uint64_t
post_waiting(const struct post *p)
{
	return p->is_begun ? spill_bytes_after(p->spill, &p->at) : 0;
}
