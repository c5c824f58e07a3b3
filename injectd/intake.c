#include <unistd.h>

#include "injectd/injectd.h"
#include "injectd/pickup.h"
#include "lib/base/disk.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

#define SPARE_SEGMENTS 2
#define MAX_HOST_ID    1023u
#define FULL_BYTES     (1024u * 1024)

/* ---- what queued has been told of our segments ---- */

static struct told_segment *
find_segment(uint32_t number)
{
	for (size_t i = injectd.n_segments; i-- > 0;)
		if (injectd.segments[i].segment.segment == number)
			return &injectd.segments[i];
	return NULL;
}

static void
forget_segment(const struct ipc_segment *s)
{
	struct told_segment *t = find_segment(s->segment);
	size_t behind;

	if (t == NULL || t->segment.generation != s->generation)
		return;
	behind = (size_t)(injectd.segments + injectd.n_segments - (t + 1));
	memmove(t, t + 1, behind * sizeof *t);
	injectd.n_segments--;
}

static void
add_segment(const struct ipc_segment *s)
{
	if (injectd.n_segments == injectd.cap_segments) {
		injectd.cap_segments = PH_MAX(injectd.cap_segments * 2, (size_t)16);
		injectd.segments =
		    xreallocarray(injectd.segments, injectd.cap_segments, sizeof *injectd.segments);
	}
	injectd.segments[injectd.n_segments] = (struct told_segment){.segment = *s};
	/* nothing in it has been told */
	injectd.segments[injectd.n_segments++].segment.end = 0;
}

static void
tell(enum ipc_type type, const void *head)
{
	if (injectd.queue != NULL)
		ipc_send(injectd.queue, type, head, NULL, -1);
}

/* ---- the journal's events ---- */

static void
on_segment(void *ctx, const struct ipc_segment *s, bool is_sealed)
{
	struct told_segment *t = find_segment(s->segment);

	if (!is_sealed) {
		if (t != NULL)
			forget_segment(&t->segment);
		add_segment(s);
		tell(IPC_SEGMENT_OPEN, &injectd.segments[injectd.n_segments - 1].segment);
		return;
	}
	if (t != NULL) {
		t->is_sealed = true;
		t->segment.end = s->end;
	}
	tell(IPC_SEGMENT_SEALED, s);
}

static void
on_done(void *token, const struct spool_place *place, const struct why *why)
{
	struct told_segment *t;

	if (place != NULL) {
		t = place->kind == SPOOL_JOURNAL ? find_segment(place->segment) : NULL;
		if (t != NULL && !t->is_sealed)
			t->segment.end = place->offset + place->len;
		tell(IPC_ACCEPTED, place);
	} else {
		log_warn("event=not-stored why=%s", log_quote(str_of(why->text)));
	}
	txn_settled(token, place, why);
	stop_check();
}

static const struct journal_events journal_events = {.done = on_done, .segment = on_segment};

static void
refuse_all(const struct why *why)
{
	if (injectd.world.refusal.smtp_code == 0)
		log_error("event=no-journal why=%s until=\"there is room on the disk\"",
		    log_quote(str_of(why->text)));
	(void)why_smtp(&injectd.world.refusal, 452, 4, 3, 1, "There is no space in the spool");
}

bool
intake_open(void)
{
	uint64_t host_id = conf_u64(conf_global(daemon_conf()), CONF_GLOBAL_HOST_ID);
	struct why why;

	injectd.journal = journal_open(injectd.spool_fd, (uint16_t)daemon_instance(),
	    (uint16_t)(host_id & MAX_HOST_ID), &journal_events, NULL, &why);
	if (injectd.journal == NULL && !disk_is_full(injectd.spool_fd, FULL_BYTES))
		fatal("the journal cannot be opened: %s", why.text);
	if (injectd.journal == NULL) {
		refuse_all(&why);
		return false;
	}
	/* without spares it goes on, and answers 452 where it must */
	if (journal_prepare(injectd.journal, SPARE_SEGMENTS, &why) == -1)
		log_warn("event=no-spare-segments why=%s", log_quote(str_of(why.text)));
	/* before queued can order anything that would change what the spool says of them */
	pickup_use_conf();
	if (injectd.queue_fd != -1)
		intake_queue_up(injectd.queue_fd);
	injectd.queue_fd = -1;
	return true;
}

void
intake_close(void)
{
	journal_close(&injectd.journal);
	if (injectd.queue != NULL)
		ipc_flush(injectd.queue);
	ipc_chan_free(&injectd.queue);
	xfree(&injectd.segments);
}

/* ---- queued ---- */

static void
on_free(const void *head)
{
	const struct ipc_segment *s = head;

	forget_segment(s);
	journal_segment_freed(injectd.journal, s->segment, s->generation);
}

static void
on_state(const struct ipc_spool_state *state, struct str text)
{
	injectd.queue_refuses = state->accept == 0;
	(void)str_copy(injectd.queue_text, sizeof injectd.queue_text, text);
	space_check();
}

static void
on_queue_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	if (m->type == IPC_SEGMENT_FREE)
		on_free(m->head);
	else if (m->type == IPC_SPOOL_STATE)
		on_state(m->head, m->text[0]);
}

/* It comes again: until then mail is taken all the same, for queued reads the spool at its start. */
static void
on_queue_down(struct ipc_chan *c, const struct why *why)
{
	log_warn("event=queued-away why=%s", log_quote(str_of(why->text)));
	ipc_chan_free(&injectd.queue);
	injectd.queue_refuses = injectd.queue_is_behind = false;
	space_check();
}

static void
on_queue_pressure(struct ipc_chan *c, bool high)
{
	injectd.queue_is_behind = high;
	space_check();
}

static const struct ipc_events queue_events = {
    .msg = on_queue_msg,
    .down = on_queue_down,
    .pressure = on_queue_pressure,
};

void
intake_queue_up(int fd)
{
	ipc_chan_free(&injectd.queue);
	injectd.queue_refuses = injectd.queue_is_behind = false;
	injectd.queue = ipc_chan_new(fd, ROLE_INJECT, ROLE_QUEUE, 0, &queue_events, NULL);
	/* what lies in them up to here it reads by itself; what comes later it is told */
	for (size_t i = 0; i < injectd.n_segments; i++) {
		tell(IPC_SEGMENT_OPEN, &injectd.segments[i].segment);
		if (injectd.segments[i].is_sealed)
			tell(IPC_SEGMENT_SEALED, &injectd.segments[i].segment);
	}
}

/* ---- for the sessions ---- */

static uint64_t
new_id(void *ctx)
{
	return journal_new_id(injectd.journal);
}

static void
append(void *ctx, uint64_t id, struct str env, struct buf *message, void *token)
{
	journal_append_buf(injectd.journal, id, env, message, token);
}

static void *
large_start(void *ctx, uint64_t id, size_t env_room, struct why *why)
{
	return journal_large_start(injectd.journal, id, env_room, why);
}

static int
large_write(void *large, struct str piece, struct why *why)
{
	return journal_large_write(large, piece, why);
}

static void
large_front(void *large, struct str text)
{
	journal_large_front(large, text);
}

static void
large_commit(void *large, struct str env, void *token)
{
	struct journal_large *l = large;

	journal_large_commit(&l, env, token);
}

static void
large_abort(void *large)
{
	struct journal_large *l = large;

	journal_large_abort(&l);
}

const struct intake_ops intake_ops = {
    .new_id = new_id,
    .append = append,
    .large_start = large_start,
    .large_write = large_write,
    .large_front = large_front,
    .large_commit = large_commit,
    .large_abort = large_abort,
};
