#include "lib/spool/journal.h"

#include <sys/uio.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/journal_int.h"
#include "lib/stats/stats.h"

/* id: 42 bits of milliseconds, 4 of writer, 10 of host, 8 of sequence */
#define ID_EPOCH_MS  INT64_C(1577836800000) /* 2020-01-01 */
#define ID_MS_BITS   22
#define ID_WRITER_AT 18
#define ID_SEQ_MAX   255u

#define KEEP_BYTES (4u * 1024 * 1024) /* a group's buffer that grew beyond is given back */
#define COPY_BYTES (8u * 1024) /* from here on a message is cheaper written from where it is */

/* One record of a group; offset and so on are filled in by the thread. */
struct entry {
	void *token;
	uint64_t id, core, len;
	size_t at,
	    here;	/* in the group's buffer, how many bytes: without a message that is `own` */
	struct buf own; /* a long message, as it came */
	uint64_t offset;
	uint32_t env_len, n_rcpts;
	uint32_t segment, generation;
	bool is_refused; /* longer than a segment: takes no room */
};

struct seg_event {
	struct ipc_segment segment;
	size_t before; /* entry */
	bool sealed;
};

/* What is written and flushed together. The loop fills it, the thread writes it, the loop tells the
 * outcome. */
struct group {
	struct ev_work work;
	struct journal *j;
	char *data;
	size_t used, size;
	struct entry *entry;
	size_t n, cap;
	struct iovec *piece; /* of what is written at once: two for each entry at most */
	size_t cap_pieces;
	uint64_t max_ms;
	struct mono now;
	/* outcome */
	size_t n_durable;
	uint64_t n_flushes;
	struct why why;
	struct seg_event *event;
	size_t n_events, cap_events;
};

/* ---- ids ---- */

uint64_t
journal_id_ms(uint64_t id)
{
	return id >> ID_MS_BITS;
}

unsigned
journal_id_writer(uint64_t id)
{
	return (unsigned)(id >> ID_WRITER_AT & (SPOOL_WRITERS - 1));
}

static uint64_t
now_ms(void)
{
	int64_t ms = ev_wall().ns / NS_PER_MS - ID_EPOCH_MS;

	return ms < 1 ? 1 : (uint64_t)ms;
}

uint64_t
journal_new_id(struct journal *j)
{
	uint64_t now = now_ms();

	/* a clock that stands or goes back: count on from the last id */
	if (now > j->id_ms) {
		j->id_ms = now;
		j->id_seq = 0;
	} else if (j->id_seq == ID_SEQ_MAX) {
		j->id_ms++;
		j->id_seq = 0;
	} else {
		j->id_seq++;
	}
	return j->id_ms << ID_MS_BITS | (uint64_t)j->writer << ID_WRITER_AT |
	       (uint64_t)j->host_id << 8 | j->id_seq;
}

/* ---- groups ---- */

static struct group *
group_get(struct journal *j)
{
	struct group *g = j->spare[0];

	j->spare[0] = j->spare[1];
	j->spare[1] = NULL;
	if (g == NULL)
		g = xcalloc(1, sizeof *g);
	g->j = j;
	g->used = g->n = g->n_durable = g->n_events = 0;
	g->n_flushes = g->max_ms = 0;
	return g;
}

static void
group_free(struct group *g)
{
	if (g == NULL)
		return;
	free(g->data);
	free(g->entry);
	free(g->piece);
	free(g->event);
	free(g);
}

static void
group_put(struct group *g)
{
	struct journal *j = g->j;

	if (g->size > KEEP_BYTES || j->spare[1] != NULL) {
		group_free(g);
		return;
	}
	j->spare[1] = j->spare[0];
	j->spare[0] = g;
}

static char *
group_room(struct group *g, size_t len)
{
	if (g->size - g->used < len) {
		g->size = PH_MAX(g->size * 2, g->used + len);
		g->data = xreallocarray(g->data, 1, g->size);
	}
	if (g->n == g->cap) {
		g->cap = PH_MAX(g->cap * 2, (size_t)64);
		g->entry = xreallocarray(g->entry, g->cap, sizeof *g->entry);
	}
	return g->data + g->used;
}

/* The envelope, behind room for the header line, and the message unless the entry has it already. */
static void
copy_record(char *p, struct entry *e, struct str env, struct str message)
{
	size_t env_len = SPOOL_HEADER_LEN + env.len + 1;

	memcpy(p + SPOOL_HEADER_LEN, env.p, env.len);
	p[env_len - 1] = '\n';
	e->env_len = (uint32_t)env_len;
	e->len = env_len + message.len;
	e->here = env_len;
	if (e->own.base == NULL && message.len > 0) {
		memcpy(p + env_len, message.p, message.len);
		e->here += message.len;
	}
	e->core = record_core(str_from(p + SPOOL_HEADER_LEN, env.len + 1), message);
}

/* The message is that of e->own, if there is one. */
static void
append(struct journal *j, struct entry *e, struct str env, struct str message)
{
	struct group *g = j->gather;
	size_t room = SPOOL_HEADER_LEN + env.len + 1 + message.len;
	uint64_t env_id;
	char *p;

	if (!record_peek(env, &env_id, &e->n_rcpts) || env_id != e->id)
		panic(
		    "the envelope of %016jx is not what envelope_write() makes", (uintmax_t)e->id);
	e->at = g->used;
	e->is_refused = room > SEGMENT_ROOM - BLOCK_BYTES;
	if (e->own.base != NULL)
		room -= message.len;
	p = group_room(g, e->is_refused ? 0 : room);
	if (!e->is_refused)
		copy_record(p, e, env, message);
	g->entry[g->n++] = *e;
	g->used += e->here;
	g->max_ms = PH_MAX(g->max_ms, journal_id_ms(e->id));
	j->pending_bytes += e->len;
	if (!j->flushing)
		ev_defer_queue(&j->flush);
}

void
journal_append(struct journal *j, uint64_t id, struct str env, struct str message, void *token)
{
	struct entry e = {.token = token, .id = id};

	append(j, &e, env, message);
}

void
journal_append_buf(struct journal *j, uint64_t id, struct str env, struct buf *message, void *token)
{
	struct entry e = {.token = token, .id = id};

	if (buf_len(message) < COPY_BYTES) {
		append(j, &e, env, buf_str(message));
		buf_clear(message);
		return;
	}
	e.own = *message;
	buf_init(message, message->cap);
	append(j, &e, env, buf_str(&e.own));
}

bool
journal_has_settled(const struct journal *j, uint64_t id)
{
	const struct idfile *f = &j->segs.ids;

	for (size_t i = 0; i < f->n_settled; i++)
		if (f->settled[i] == id)
			return true;
	return false;
}

size_t
journal_pending(const struct journal *j)
{
	return j->pending_bytes;
}

/* ---- in the flush thread ---- */

static void
add_event(struct group *g, const struct ipc_segment *s, size_t before, bool sealed)
{
	if (s->generation == 0)
		return;
	if (g->n_events == g->cap_events) {
		g->cap_events = PH_MAX(g->cap_events * 2, (size_t)4);
		g->event = xreallocarray(g->event, g->cap_events, sizeof *g->event);
	}
	g->event[g->n_events++] = (struct seg_event){*s, before, sealed};
}

/* Entries from..to get their place in the open segment, and their header lines. */
static void
place_entries(
    struct group *g, const struct segments *s, size_t from, size_t to, struct segment_end *adds)
{
	uint64_t pos = s->pos;

	for (size_t i = from; i < to; i++) {
		struct entry *e = &g->entry[i];
		if (e->is_refused)
			continue;
		e->segment = s->head.segment;
		e->generation = s->head.generation;
		e->offset = pos;
		pos += e->len;
		envelope_header(g->data + e->at, e->core,
		    &(struct record_header){.len = e->len,
			.generation = e->generation,
			.from = (uint32_t)s->pos,
			.env_len = e->env_len});
		adds->n_msgs++;
		adds->n_rcpts += e->n_rcpts;
	}
}

static size_t
add_piece(struct group *g, size_t n, const char *p, size_t len)
{
	if (len == 0)
		return n;
	if (n > 0 && (char *)g->piece[n - 1].iov_base + g->piece[n - 1].iov_len == p) {
		g->piece[n - 1].iov_len += len;
		return n;
	}
	g->piece[n] = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = len};
	return n + 1;
}

/* The records of from..to in the order in which they are written: how many pieces. */
static size_t
collect(struct group *g, size_t from, size_t to)
{
	size_t n = 0;

	if (g->cap_pieces < 2 * (to - from)) {
		g->cap_pieces = 2 * g->cap;
		g->piece = xreallocarray(g->piece, g->cap_pieces, sizeof *g->piece);
	}
	for (size_t i = from; i < to; i++) {
		const struct entry *e = &g->entry[i];
		if (e->is_refused)
			continue;
		n = add_piece(g, n, g->data + e->at, e->here);
		n = add_piece(g, n, buf_str(&e->own).p, buf_len(&e->own));
	}
	return n;
}

/* How far the entries from `from` on fit into the open segment. */
static size_t
fitting(const struct group *g, const struct segments *s, size_t from)
{
	uint64_t pos = s->pos;
	size_t to = from;

	while (to < g->n && pos + g->entry[to].len <= SEGMENT_ROOM)
		pos += g->entry[to++].len;
	return to;
}

/* Writes the entries that fit into one segment. The first entry behind them, or 0 with the group's
 * `why`. */
static size_t
write_part(struct group *g, struct segments *s, size_t from)
{
	struct segment_end adds = {0};
	struct ipc_segment sealed = {0}, opened;
	size_t to, n;
	int r;

	r = segments_need_room(s, g->entry[from].len, g->now, &sealed, &g->why);
	add_event(g, &sealed, from, true);
	if (r < 0)
		return 0;
	if (s->told != s->head.generation) {
		s->told = s->head.generation;
		opened = (struct ipc_segment){.writer = s->writer,
		    .segment = s->head.segment,
		    .generation = s->head.generation};
		add_event(g, &opened, from, false);
	}
	to = fitting(g, s, from);
	place_entries(g, s, from, to, &adds);
	n = collect(g, from, to);
	g->n_flushes++;
	sealed = (struct ipc_segment){0};
	if (segments_write(s, g->piece, n, &adds, &sealed, &g->why) == 0)
		return to;
	add_event(g, &sealed, from, true);
	return 0;
}

static void
group_run(struct ev_work *work)
{
	struct group *g = ph_container_of(work, struct group, work);
	struct segments *s = &g->j->segs;
	size_t next;

	if (segments_lend(s, g->max_ms) < 0) {
		why_disk(&g->why, "Cannot write the journal's id file");
		return;
	}
	while (g->n_durable < g->n && (next = write_part(g, s, g->n_durable)) > 0)
		g->n_durable = next;
}

/* ---- back in the loop ---- */

static void
tell_entry(struct journal *j, const struct entry *e, const struct why *why)
{
	struct spool_place place = {.id = e->id,
	    .len = e->len,
	    .offset = e->offset,
	    .segment = e->segment,
	    .generation = e->generation,
	    .writer = j->writer,
	    .kind = SPOOL_JOURNAL,
	    .env_len = e->env_len};
	struct why too_large;

	j->pending_bytes -= e->len;
	if (e->is_refused) {
		why_smtp(&too_large, 552, 5, 3, 4, "The envelope is too large for the journal.");
		why = &too_large;
	}
	j->ev.done(e->token, why == NULL ? &place : NULL, why);
}

static void
tell_outcome(struct group *g)
{
	struct journal *j = g->j;
	size_t k = 0;

	for (size_t i = 0; i <= g->n; i++) {
		for (; k < g->n_events && g->event[k].before <= i; k++)
			j->ev.segment(j->ctx, &g->event[k].segment, g->event[k].sealed);
		if (i < g->n)
			tell_entry(j, &g->entry[i], i < g->n_durable ? NULL : &g->why);
	}
}

static void
group_done(struct ev_work *work)
{
	struct group *g = ph_container_of(work, struct group, work);
	struct journal *j = g->j;

	j->flushing = false;
	stat_took(HIST_FLUSH, mono_diff_ms(g->now, ev_now()));
	stat_add(STAT_JOURNAL_FLUSHES, g->n_flushes);
	for (size_t i = 0; i < g->n; i++) {
		stat_add(STAT_JOURNAL_BYTES, g->entry[i].len);
		buf_clear(&g->entry[i].own);
	}
	tell_outcome(g);
	group_put(g);
	/* at the end of this turn, with what the outcome made clients send */
	if (j->gather->n > 0)
		ev_defer_queue(&j->flush);
}

static void
send_group(struct journal *j)
{
	struct group *g = j->gather;

	if (j->flushing || g->n == 0)
		return;
	j->gather = group_get(j);
	j->flushing = true;
	g->now = ev_now();
	g->work = (struct ev_work){.run = group_run, .done = group_done};
	ev_worker_submit(j->flusher, &g->work);
}

static void
on_end_of_turn(struct ev_defer *d)
{
	send_group(ph_container_of(d, struct journal, flush));
}

/* ---- segments that queued let go of ---- */

struct freed {
	struct ev_work work;
	struct journal *j;
	uint32_t segment, generation;
};

static void
freed_run(struct ev_work *work)
{
	struct freed *f = ph_container_of(work, struct freed, work);

	segments_freed(&f->j->segs, f->segment, f->generation);
}

static void
freed_done(struct ev_work *work)
{
	free(ph_container_of(work, struct freed, work));
}

void
journal_segment_freed(struct journal *j, uint32_t segment, uint32_t generation)
{
	struct freed *f = xcalloc(1, sizeof *f);

	*f = (struct freed){.j = j, .segment = segment, .generation = generation};
	f->work = (struct ev_work){.run = freed_run, .done = freed_done};
	ev_worker_submit(j->flusher, &f->work);
}

/* ---- life ---- */

struct journal *
journal_open(int dirfd, uint16_t writer, uint16_t host_id, const struct journal_events *ev,
    void *ctx, struct why *why)
{
	struct journal *j;

	ph_assert(writer < SPOOL_WRITERS && host_id < 1024);
	j = xcalloc(1, sizeof *j);
	*j = (struct journal){.ev = *ev, .ctx = ctx, .dirfd = dirfd};
	j->writer = writer;
	j->host_id = host_id;
	if (segments_open(&j->segs, dirfd, writer, now_ms(), why) < 0) {
		segments_close(&j->segs, 0);
		free(j);
		return NULL;
	}
	j->id_ms = j->segs.first_ms;
	j->gather = group_get(j);
	ev_defer_init(&j->flush, on_end_of_turn);
	j->flusher = ev_worker_new("the journal");
	j->mover = ev_worker_new("large messages");
	return j;
}

int
journal_prepare(struct journal *j, unsigned n, struct why *why)
{
	ev_worker_drain(j->flusher);
	while (j->segs.n_spare < n)
		if (segments_add_spare(&j->segs, true, why) < 0)
			return -1;
	return 0;
}

void
journal_close(struct journal **jp)
{
	struct journal *j = *jp;
	struct ipc_segment sealed;

	if (j == NULL)
		return;
	/* a large message's way leads through both threads */
	do {
		ev_worker_drain(j->mover);
		send_group(j);
		ev_worker_drain(j->flusher);
	} while (j->gather->n > 0 || ev_worker_is_busy(j->mover));
	ev_worker_free(&j->mover);
	ev_worker_free(&j->flusher);
	ev_defer_cancel(&j->flush);
	segments_seal(&j->segs, &sealed);
	segments_close(&j->segs, j->id_ms);
	group_free(j->gather);
	group_free(j->spare[0]);
	group_free(j->spare[1]);
	xfree(jp);
}
