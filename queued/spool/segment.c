#include "queued/spool/segment.h"

#include "lib/base/log.h"
#include "queued/spool/recover.h"
#include "queued/state.h"

#define BOUNCE_WRITER 15
/* by then it is on disk that it was let go of: a new process of its writer need not be told */
#define TELL_FREE_MS (60 * 60 * 1000)

struct segment_key {
	uint32_t number;
	uint16_t writer;
};

static struct segment *
at(uint32_t handle)
{
	return slab_at(&qd.segments, handle);
}

static bool
is_segment(const void *key, uint32_t handle)
{
	const struct segment_key *k = key;

	return at(handle)->number == k->number && at(handle)->writer == k->writer;
}

static uint64_t
hash_of(const struct segment_key *k)
{
	return ((uint64_t)k->writer << 32 | k->number) * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static uint32_t
find(uint16_t writer, uint32_t number)
{
	struct segment_key k = {.number = number, .writer = writer};

	return hmap_find(&qd.segment_map, hash_of(&k), is_segment, &k);
}

static uint32_t
find_or_make(uint16_t writer, uint32_t number, uint32_t generation)
{
	struct segment_key k = {.number = number, .writer = writer};
	uint32_t h = find(writer, number);

	if (h == 0) {
		h = slab_new(&qd.segments);
		*at(h) = (struct segment){.number = number, .writer = writer, .known = true};
		hmap_add(&qd.segment_map, hash_of(&k), h);
	}
	at(h)->generation = generation;
	return h;
}

static struct ipc_chan *
writer_chan(uint16_t writer)
{
	return writer == BOUNCE_WRITER ? qd.bounce.chan : qd.injectors[writer].chan;
}

static struct ipc_segment
as_ipc(const struct segment *s)
{
	return (struct ipc_segment){
	    .segment = s->number, .generation = s->generation, .writer = s->writer};
}

static void
free_if_empty(uint32_t handle)
{
	struct segment *s = at(handle);
	struct ipc_segment msg = as_ipc(s);

	if (s->n_live > 0 || !s->sealed || !s->scanned || s->is_free)
		return;
	s->is_free = true;
	s->freed_at = tick_now();
	spool_segment_gone(qd.store, &msg);
	if (writer_chan(s->writer) != NULL)
		ipc_send(writer_chan(s->writer), IPC_SEGMENT_FREE, &msg, NULL, -1);
}

uint32_t
segment_get(const struct spool_place *p, bool live)
{
	uint32_t h = find(p->writer, p->segment);

	if (h != 0 && at(h)->generation == p->generation)
		return h;
	h = find_or_make(p->writer, p->segment, p->generation);
	at(h)->sealed = at(h)->is_free = false;
	at(h)->scanned = live;
	return h;
}

void
segment_fill_place(uint32_t handle, struct spool_place *p)
{
	const struct segment *s = at(handle);

	p->segment = s->number;
	p->generation = s->generation;
	p->writer = s->writer;
}

void
segment_message_came(uint32_t message)
{
	struct message *m = message_at(message);
	struct segment *s;

	if (m->segment == 0)
		return;
	s = at(m->segment);
	s->n_live++;
	s->live_bytes += m->len;
	m->seg_next = s->first;
	if (s->first != 0)
		message_at(s->first)->seg_prev = message;
	s->first = message;
}

void
segment_message_moved(uint32_t message)
{
	struct message *m = message_at(message);
	uint32_t handle = m->segment;
	struct segment *s = at(handle);

	if (m->seg_prev == 0)
		s->first = m->seg_next;
	else
		message_at(m->seg_prev)->seg_next = m->seg_next;
	if (m->seg_next != 0)
		message_at(m->seg_next)->seg_prev = m->seg_prev;
	m->seg_next = m->seg_prev = 0;
	m->segment = 0;
	s->n_live--;
	s->live_bytes -= m->len;
	free_if_empty(handle);
}

void
segment_message_gone(uint32_t message)
{
	const struct message *m = message_at(message);
	struct why why;

	if (m->segment != 0) {
		segment_message_moved(message);
		return;
	}
	if (spool_file_remove(qd.store, m->id, &why) == -1)
		fatal("id=%016lx event=remove-failed text=\"%s\"", m->id, why.text);
}

/* numbers rise with every backlog: what was let go of long ago is not kept */
static void
forget_free(uint32_t handle)
{
	struct segment *s = at(handle);
	struct segment_key k = {.number = s->number, .writer = s->writer};

	if (!s->is_free || tick_diff_ms(s->freed_at, tick_now()) < TELL_FREE_MS)
		return;
	hmap_remove(&qd.segment_map, hash_of(&k), handle);
	s->known = false;
	slab_free(&qd.segments, handle);
}

/* a writer appends to its newest segment only */
static void
seal_older(uint16_t writer, uint32_t generation)
{
	for (uint32_t h = 1; h < slab_end(&qd.segments); h++) {
		struct segment *s = at(h);
		if (!s->known || s->writer != writer || s->generation >= generation)
			continue;
		if (s->sealed) {
			forget_free(h);
			continue;
		}
		s->sealed = true;
		s->sealed_at = tick_now();
		free_if_empty(h);
	}
}

void
segment_opened(const struct ipc_segment *s)
{
	uint32_t h;

	recover_stop_at(s);
	qd.told[s->writer % countof(qd.told)].open = s->generation;
	seal_older((uint16_t)s->writer, s->generation);
	h = find((uint16_t)s->writer, s->segment);
	if (h != 0 && at(h)->generation == s->generation)
		return;
	h = find_or_make((uint16_t)s->writer, s->segment, s->generation);
	at(h)->sealed = at(h)->is_free = false;
	/* what lies in it already (queued was restarted) the scan will tell */
	at(h)->scanned = s->end == 0;
}

void
segment_sealed(const struct ipc_segment *s)
{
	uint32_t h = find((uint16_t)s->writer, s->segment);

	if (h == 0 || at(h)->generation != s->generation)
		return;
	at(h)->sealed = true;
	at(h)->sealed_at = tick_now();
	free_if_empty(h);
}

void
segment_scanned(const struct ipc_segment *s)
{
	uint32_t h = find((uint16_t)s->writer, s->segment);

	if (h == 0 || at(h)->generation < s->generation)
		h = find_or_make((uint16_t)s->writer, s->segment, s->generation);
	if (at(h)->generation != s->generation)
		return;
	at(h)->scanned = true;
	if (s->generation < qd.told[s->writer % countof(qd.told)].open && !at(h)->sealed) {
		at(h)->sealed = true;
		at(h)->sealed_at = tick_now();
	}
	free_if_empty(h);
}

void
segment_writer_gone(uint16_t writer)
{
	for (uint32_t h = 1; h < slab_end(&qd.segments); h++) {
		struct segment *s = at(h);
		if (!s->known || s->writer != writer || s->is_free)
			continue;
		if (!s->sealed)
			s->scanned = false; /* recover_writer() reads what it told nobody */
		s->sealed = true;
		s->sealed_at = tick_now();
		free_if_empty(h);
	}
}

void
segment_writer_came(uint16_t writer)
{
	for (uint32_t h = 1; h < slab_end(&qd.segments); h++) {
		struct segment *s = at(h);
		struct ipc_segment msg;
		if (!s->known || s->writer != writer || !s->is_free)
			continue;
		msg = as_ipc(s);
		ipc_send(writer_chan(writer), IPC_SEGMENT_FREE, &msg, NULL, -1);
	}
}

uint32_t
segment_n_used(void)
{
	return qd.segments.n_used;
}
