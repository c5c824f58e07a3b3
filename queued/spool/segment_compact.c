/* the part of segment.h that empties segments in which little is live */
#include "queued/spool/segment.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/journal.h"
#include "queued/state.h"

#define SEALED_FOR_MS (30 * 1000)
#define MOVES_AT_ONCE 512
/* worth moving: less than a quarter of the segment */
#define LITTLE_BYTES (JOURNAL_SEGMENT_BYTES / 4)

static struct {
	uint32_t handles[MOVES_AT_ONCE];
	uint64_t ids[MOVES_AT_ONCE];
	struct spool_place places[MOVES_AT_ONCE];
	size_t n;
	uint32_t at; /* the segment that was looked at last */
	bool running;
} move;

static bool
is_worth_it(const struct segment *s)
{
	return s->known && s->sealed && s->scanned && !s->is_free && s->n_live > 0 &&
	       s->live_bytes < LITTLE_BYTES &&
	       tick_diff_ms(s->sealed_at, tick_now()) >= SEALED_FOR_MS;
}

/* in turn, so that one whose mail is always busy does not keep the others waiting */
static uint32_t
choose(void)
{
	uint32_t end = slab_end(&qd.segments);

	for (uint32_t i = 1; i < end; i++) {
		if (++move.at >= end)
			move.at = 1;
		if (is_worth_it(slab_at(&qd.segments, move.at)))
			return move.at;
	}
	return 0;
}

static void
collect(uint32_t segment)
{
	const struct segment *s = slab_at(&qd.segments, segment);
	struct message *m;

	move.n = 0;
	for (uint32_t h = s->first; h != 0 && move.n < MOVES_AT_ONCE; h = m->seg_next) {
		m = message_at(h);
		if (m->n_busy > 0)
			continue;
		move.handles[move.n] = h;
		move.ids[move.n] = m->id;
		move.places[move.n++] = message_place(m);
	}
}

/* the file is there; the message uses it from now on, unless something began with the old place meanwhile */
static void
switch_over(size_t i)
{
	struct message *m = message_at(move.handles[i]);
	struct why why;

	if (m->id == move.ids[i] && m->n_open > 0 && m->n_busy == 0) {
		segment_message_moved(move.handles[i]);
		return;
	}
	if (spool_file_remove(qd.store, move.ids[i], &why) == -1)
		fatal("id=%016lx event=remove-failed text=\"%s\"", move.ids[i], why.text);
}

static void
moved(void *ctx, const struct spool_place *places, size_t n, const struct why *why)
{
	move.running = false;
	if (why != NULL) {
		log_warn("event=move-failed messages=%zu text=\"%s\"", move.n, why->text);
		return;
	}
	for (size_t i = 0; i < move.n; i++)
		switch_over(i);
}

void
segment_compact(void)
{
	uint32_t segment = move.running ? 0 : choose();

	if (segment == 0)
		return;
	collect(segment);
	if (move.n == 0)
		return;
	move.running = true;
	spool_move_out(qd.store, move.places, move.n, moved, NULL);
}
