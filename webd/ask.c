/*
 * Questions to queued, over a few channels, one at a time in each; more of them wait. An answer that is too large, or
 * takes too long, is given up; queued's own restart ends what is under way with a sentence.
 */
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/ipc/ipc.h"
#include "webd/webd.h"

#define MAX_CHANNELS 4
#define MAX_WAITING  256
#define ANSWER_MS    60000
#define RESOLVE_MS   100 /* queued answers at once that it does not know yet */
#define MAX_AGAIN    250

struct pending {
	struct pending *next;
	struct question q;
	char *text; /* of the arguments */
	uint64_t cursor;
	ask_done *done;
	void *ctx;
	struct tree answer;
	struct ev_timer timer; /* waiting for an answer, or to ask again */
	struct channel *at;    /* NULL: it waits */
	bool is_too_large;
};
struct channel {
	struct ipc_chan *chan;
	struct pending *current;
	bool is_busy; /* the end of an answer is still to come, even if nobody waits for it */
};
static struct {
	struct channel channels[MAX_CHANNELS];
	struct pending *waiting, **end;
	size_t n_waiting;
} asking;

static void try_next(void);

static void
finish(struct pending *p, const char *why)
{
	if (p->at != NULL)
		p->at->current = NULL;
	ev_timer_stop(&p->timer);
	p->done(p->ctx, why == NULL ? &p->answer : NULL, why);
	tree_clear(&p->answer);
	free(p->text);
	free(p);
}

static void
put(struct pending *p)
{
	p->next = NULL;
	p->at = NULL;
	*asking.end = p;
	asking.end = &p->next;
	asking.n_waiting++;
}

static struct pending *
take(void)
{
	struct pending *p = asking.waiting;

	if (p == NULL)
		return NULL;
	asking.waiting = p->next;
	if (p->next == NULL)
		asking.end = &asking.waiting;
	asking.n_waiting--;
	return p;
}

static void
on_timer(struct ev_timer *t)
{
	struct pending *p = ph_container_of(t, struct pending, timer);

	if (p->at != NULL) {
		finish(p, "The server did not answer in time.");
		return;
	}
	put(p);
	try_next();
}

/* ---- a channel ---- */

static void
send_question(struct channel *ch, struct pending *p)
{
	struct ipc_ctl_request req = {
	    .command = (uint32_t)p->q.command, .max = p->q.max, .cursor = p->cursor};

	p->at = ch;
	ch->current = p;
	ch->is_busy = true;
	ev_timer_in_ms(&p->timer, ANSWER_MS);
	ipc_send(ch->chan, IPC_CTL_REQUEST, &req, p->q.args, -1);
}

static bool
is_any_up(void)
{
	for (size_t i = 0; i < MAX_CHANNELS; i++)
		if (asking.channels[i].chan != NULL)
			return true;
	return false;
}

static void
try_next(void)
{
	struct pending *p;

	for (size_t i = 0; i < MAX_CHANNELS; i++) {
		struct channel *ch = &asking.channels[i];
		if (ch->chan == NULL || ch->is_busy)
			continue;
		p = take();
		if (p == NULL)
			return;
		send_question(ch, p);
	}
}

static void
on_field(struct channel *ch, const struct ipc_msg *m)
{
	const struct ipc_ctl_field *f = m->head;
	struct pending *p = ch->current;

	if (p == NULL || f->kind == CTL_PROGRESS)
		return;
	if (p->answer.n >= ASK_MAX_LEAVES ||
	    tree_add(&p->answer, m->text[0], m->text[1], (enum ctl_value)f->kind) == -1)
		p->is_too_large = true;
}

static void
on_end(struct channel *ch, const struct ipc_msg *m)
{
	const struct ipc_ctl_end *e = m->head;
	struct pending *p = ch->current;

	ch->is_busy = false;
	ch->current = NULL;
	if (p == NULL)
		return;
	p->at = NULL;
	if (e->cursor != 0 && e->cursor <= MAX_AGAIN) {
		p->cursor = e->cursor;
		ev_timer_in_ms(&p->timer, RESOLVE_MS);
		return;
	}
	p->answer.ok = e->ok != 0 && e->cursor == 0;
	p->answer.message = xstrdup_str(m->text[0]);
	finish(p, p->is_too_large ? "The answer is too large; ask for fewer with maxitems." : NULL);
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct channel *ch = ipc_ctx(c);

	if (m->type == IPC_CTL_FIELD)
		on_field(ch, m);
	else if (m->type == IPC_CTL_END) {
		on_end(ch, m);
		try_next();
	}
}

static void
fail_waiting(void)
{
	struct pending *p;

	while ((p = take()) != NULL)
		finish(p, "queued is away; try again.");
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct channel *ch = ipc_ctx(c);
	struct pending *p = ch->current;

	ipc_chan_free(&ch->chan);
	ch->is_busy = false;
	if (p != NULL)
		finish(p, "queued went away; try again.");
	if (!is_any_up())
		fail_waiting();
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

void
ask_add_channel(uint32_t number, int fd)
{
	struct channel *ch = &asking.channels[number % MAX_CHANNELS];
	struct pending *p = ch->current;

	ipc_chan_free(&ch->chan);
	ch->is_busy = false;
	if (p != NULL)
		finish(p, "queued was started again; try again.");
	ch->chan = ipc_chan_new(fd, ROLE_WEB, ROLE_QUEUE, 0, &events, ch);
	try_next();
}

/* ---- asking ---- */

static void
copy_args(struct pending *p, const struct question *q)
{
	size_t len = 0, at = 0;

	for (size_t i = 0; i < countof(q->args); i++)
		len += q->args[i].len;
	p->text = xmalloc(len + 1);
	for (size_t i = 0; i < countof(q->args); i++) {
		if (q->args[i].len > 0)
			memcpy(p->text + at, q->args[i].p, q->args[i].len);
		p->q.args[i] = str_from(p->text + at, q->args[i].len);
		at += q->args[i].len;
	}
}

void
ask(const struct question *q, ask_done *done, void *ctx)
{
	struct pending *p;

	if (!is_any_up()) {
		done(ctx, NULL, "queued is away; try again.");
		return;
	}
	if (asking.n_waiting >= MAX_WAITING) {
		done(ctx, NULL, "Too many questions wait already; try again.");
		return;
	}
	p = xcalloc(1, sizeof *p);
	*p = (struct pending){.q = *q, .done = done, .ctx = ctx};
	copy_args(p, q);
	tree_init(&p->answer);
	ev_timer_init(&p->timer, on_timer);
	put(p);
	try_next();
}

void
ask_init(void)
{
	asking.end = &asking.waiting;
}

void
ask_free(void)
{
	/* their requests are gone */
	for (size_t i = 0; i < MAX_CHANNELS; i++)
		ipc_chan_free(&asking.channels[i].chan);
}
