#include "queued/control/tail.h"

#include <sys/queue.h>

#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"
#include "queued/control/changes.h"
#include "queued/control/control_int.h"
#include "queued/control/pause.h"

/* unsent bytes of one client above which it loses events, and events of one second */
#define BACKLOG_MAX  (256u * 1024u)
#define A_SECOND_MAX 2000u
#define MAX_TAILS    64
#define TEXT_LEN     1000u

struct tail {
	TAILQ_ENTRY(tail) link;
	struct ipc_chan *chan;
	uint32_t kinds; /* 1 << enum tail_kind */
	uint32_t n_dropped;
	struct mono second;
	uint32_t n_of_second;
	char *queue, *rcpt, *orig, *job; /* patterns, owned; empty: any */
};
static struct {
	TAILQ_HEAD(, tail) list;
	uint32_t n;
	uint32_t kinds; /* of all together */
} tails = {.list = TAILQ_HEAD_INITIALIZER(tails.list)};

static const char *const names[TAIL_MAX] = {
#define X(name, text) [TAIL_##name] = text,
    TAIL_KINDS(X)
#undef X
};

const char *
tail_kind_name(enum tail_kind kind)
{
	return names[kind];
}

bool
tail_is_wanted(enum tail_kind kind)
{
	return changes_have(kind) || (tails.kinds & 1u << kind) != 0;
}

/* ---- who listens ---- */

static void
sum_up(void)
{
	struct tail *t;

	tails.kinds = 0;
	TAILQ_FOREACH(t, &tails.list, link)
	tails.kinds |= t->kinds;
}

static void
forget(struct tail *t)
{
	TAILQ_REMOVE(&tails.list, t, link);
	tails.n--;
	free(t->queue);
	free(t->rcpt);
	free(t->orig);
	free(t->job);
	free(t);
	sum_up();
}

void
tail_gone(const struct ipc_chan *chan)
{
	struct tail *t;

	TAILQ_FOREACH(t, &tails.list, link)
	{
		if (t->chan != chan)
			continue;
		forget(t);
		return;
	}
}

/* "delivered,bounced"; 0: one of them is unknown */
static uint32_t
kinds_of(struct str list)
{
	uint32_t kinds = 0;
	struct str word;

	if (list.len == 0)
		return (1u << TAIL_MAX) - 1;
	while (str_next(&list, ',', &word)) {
		size_t k = 0;
		while (k < TAIL_MAX && !str_ieq(word, str_of(names[k])))
			k++;
		if (k == TAIL_MAX)
			return 0;
		kinds |= 1u << k;
	}
	return kinds;
}

void
control_tail(struct control *c)
{
	uint32_t kinds = kinds_of(control_arg(c, ARG_EVENT));
	struct tail *t;

	if (kinds == 0 || tails.n >= MAX_TAILS) {
		control_end(c, false,
		    kinds == 0
			? "--event is a list of delivered, bounced, deferred, expired, deleted, "
			  "connect, disconnect, mode, source, alert, command."
			: "Too many clients follow the events already.");
		return;
	}
	t = xcalloc(1, sizeof *t);
	t->chan = c->chan;
	t->kinds = kinds;
	t->queue = xstrdup_str(control_arg(c, ARG_TARGET));
	t->rcpt = xstrdup_str(control_arg(c, ARG_RCPT));
	t->orig = xstrdup_str(control_arg(c, ARG_ORIG));
	t->job = xstrdup_str(control_arg(c, ARG_JOB));
	TAILQ_INSERT_TAIL(&tails.list, t, link);
	tails.n++;
	sum_up();
	control_stream(c);
}

/* ---- telling ---- */

static bool
fits(const char *pattern, struct str text)
{
	return pattern[0] == '\0' || pause_glob(str_of(pattern), text);
}

static bool
is_for(const struct tail *t, const struct tail_event *e)
{
	if ((t->kinds & 1u << e->kind) == 0 || !fits(t->rcpt, e->rcpt) ||
	    !fits(t->orig, e->sender) || !fits(t->job, e->job))
		return false;
	return t->queue[0] == '\0' || pause_match(str_of(t->queue), e->queue);
}

static bool
has_room(struct tail *t)
{
	if (mono_diff_ms(t->second, ev_now()) >= 1000) {
		t->second = ev_now();
		t->n_of_second = 0;
	}
	return ipc_backlog(t->chan) < BACKLOG_MAX && t->n_of_second++ < A_SECOND_MAX;
}

void
tail_tell(const struct tail_event *e)
{
	struct ipc_ctl_event head = {.when_ns = ev_wall().ns};
	struct str texts[8] = {str_of(names[e->kind]), str_sub(e->queue, 0, 600),
	    str_sub(e->rcpt, 0, TEXT_LEN), str_sub(e->sender, 0, TEXT_LEN),
	    str_sub(e->job, 0, TEXT_LEN), str_sub(e->source, 0, 100), str_sub(e->host, 0, 400),
	    str_sub(e->text, 0, TEXT_LEN)};
	struct tail *t;

	if (changes_have(e->kind))
		changes_keep(e);
	TAILQ_FOREACH(t, &tails.list, link)
	{
		if (!is_for(t, e))
			continue;
		if (!has_room(t)) {
			t->n_dropped++;
			stat_inc(STAT_FEED_DROPPED);
			continue;
		}
		head.n_dropped = t->n_dropped;
		t->n_dropped = 0;
		ipc_send(t->chan, IPC_CTL_EVENT, &head, texts, -1);
	}
}

void
tail_queue(enum tail_kind kind, const char *queue, struct str text)
{
	struct tail_event e = {.kind = kind, .queue = str_of(queue), .text = text};

	if (tail_is_wanted(kind))
		tail_tell(&e);
}
