#include "queued/spool/recover.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/spool/journal.h"
#include "queued/spool/arrive.h"
#include "queued/end/final.h"
#include "queued/spool/orphan.h"
#include "queued/spool/segment.h"
#include "queued/state.h"

#define SLICE_MS       5
#define RECORDS_A_TURN 2000
/* ids hold their time in the upper bits (lib/spool/journal.h); a writer's clock may run ahead by its lease */
#define ID_TIME_SHIFT 22
#define LEASE_MS      120000
#define MAX_WRITERS   16u

/* ACCEPTED for what a scan has brought already may still be on its way */
#define REMEMBER_MS 60000

/* in a writer's journal: generations rise from segment to segment */
struct position {
	uint32_t generation;
	uint64_t offset;
};

/* ids that may be met twice while the scan runs, and a while after it */
static struct {
	struct spool_walk *walk;
	uint64_t *ids;
	uint32_t n, room;
	struct hmap map;
	uint64_t recent; /* ids from here on may come by message as well */
	uint64_t n_records, n_bad;
	struct mono began;
	struct ev_timer next;
	bool is_first; /* the scan of everything */
	bool wanted[MAX_WRITERS];
	struct position from[MAX_WRITERS]; /* of those wanted: what they had told when they died */
	struct position scanned[MAX_WRITERS]; /* all before was given by a scan */
	struct ev_timer forget;
} rec;

static bool
is_id(const void *key, uint32_t handle)
{
	const uint64_t *id = key;

	return rec.ids[handle - 1] == *id;
}

static uint64_t
hash_of(uint64_t id)
{
	return id * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static bool
is_seen(uint64_t id)
{
	return hmap_find(&rec.map, hash_of(id), is_id, &id) != 0;
}

static void
remember(uint64_t id)
{
	if (rec.n == rec.room) {
		rec.room = rec.room == 0 ? 1024 : rec.room * 2;
		rec.ids = xreallocarray(rec.ids, rec.room, sizeof *rec.ids);
	}
	rec.ids[rec.n++] = id;
	hmap_add(&rec.map, hash_of(id), rec.n);
}

bool
recover_is_running(void)
{
	return rec.walk != NULL;
}

bool
recover_knows(uint64_t id)
{
	return is_seen(id);
}

void
recover_came(uint64_t id)
{
	if (rec.walk != NULL && !is_seen(id))
		remember(id);
}

static bool
is_before(struct position a, struct position b)
{
	return a.generation < b.generation || (a.generation == b.generation && a.offset < b.offset);
}

/* what a scan gave must not be given by the next one: others may have delivered it since */
static void
note_scanned(uint16_t writer, uint32_t generation, uint64_t offset)
{
	struct position p = {.generation = generation, .offset = offset};

	if (is_before(rec.scanned[writer % MAX_WRITERS], p))
		rec.scanned[writer % MAX_WRITERS] = p;
}

static void
record(const struct walk_item *item)
{
	const struct spool_place *p = &item->place;

	rec.n_records++;
	if (p->kind == SPOOL_JOURNAL)
		note_scanned(p->writer, p->generation, p->offset + p->len);
	/* a message may lie in its segment and, moved out of it, in a file: the file came first and counts */
	if (is_seen(item->place.id))
		return;
	if (item->place.id >= rec.recent || item->place.kind == SPOOL_FILE)
		remember(item->place.id);
	arrive_envelope(
	    &item->place, item->env, rec.is_first ? ARRIVE_FIRST_SCAN : ARRIVE_LATE_SCAN);
}

static void
on_forget(struct ev_timer *t)
{
	hmap_clear(&rec.map);
	rec.n = 0;
}

/* what is queued of that writer's need not come again */
static void
remember_queued(uint16_t writer)
{
	for (uint32_t h = 1; h < slab_end(&qd.messages); h++) {
		const struct message *m = message_at(h);
		if (m->n_open > 0 && journal_id_writer(m->id) == writer && !is_seen(m->id))
			remember(m->id);
	}
}

static void
start_next(void)
{
	for (uint16_t w = 0; w < MAX_WRITERS; w++) {
		if (!rec.wanted[w])
			continue;
		struct position p = rec.from[w];
		rec.wanted[w] = false;
		if (is_before(p, rec.scanned[w]))
			p = rec.scanned[w];
		ev_timer_stop(&rec.forget);
		remember_queued(w);
		rec.began = ev_now();
		rec.n_records = rec.n_bad = 0;
		rec.walk = spool_walk_new_writer(qd.spool_fd, w, p.generation, p.offset);
		ev_timer_in_ms(&rec.next, 0);
		return;
	}
}

void
recover_writer(uint16_t writer)
{
	uint16_t w = writer % MAX_WRITERS;

	/* if it died before and that scan is still to come, this one begins where that one would have */
	if (!rec.wanted[w])
		rec.from[w] = (struct position){qd.told[w].generation, qd.told[w].offset};
	rec.wanted[w] = true;
	if (rec.walk == NULL)
		start_next();
}

void
recover_stop_at(const struct ipc_segment *s)
{
	if (rec.walk != NULL)
		spool_walk_stop_at(rec.walk, (uint16_t)s->writer, s->segment, s->end);
}

static void
finish(void)
{
	spool_walk_free(&rec.walk);
	if (rec.is_first) {
		spool_recovered(qd.store);
		orphan_scan_over();
	}
	rec.is_first = false;
	ev_timer_in_ms(&rec.forget, REMEMBER_MS);
	stat_set(STAT_Q_SCAN_PERCENT, 100);
	log_info("event=spool-scanned records=%lu recipients=%u bad=%lu ms=%ld", rec.n_records,
	    qd.rcpts.n_used, rec.n_bad, (long)mono_diff_ms(rec.began, ev_now()));
	/* its ids are kept: what was told meanwhile may lie behind the place where the next one begins */
	start_next();
}

static void
set_aside(const struct walk_item *item)
{
	const struct spool_place *p = &item->place;
	char name[SPOOL_FILE_NAME] = "";

	rec.n_bad++;
	if (p->kind == SPOOL_FILE)
		spool_file_name(p->id, name);
	log_error("event=%s file=%s writer=%u segment=%08x offset=%lu bytes=%lu text=\"%s\"",
	    item->is_unreadable ? "unreadable" : "set-aside", name[0] == '\0' ? "journal" : name,
	    p->writer, p->segment, p->offset, p->len, item->why.text);
	if (!item->is_unreadable)
		arrive_set_aside(p, &item->why);
}

/* one step of the walk; false: the turn is over */
static bool
step(void)
{
	struct walk_item item;

	switch (spool_walk_next(rec.walk, SLICE_MS, &item)) {
	case WALK_RECORD:
		record(&item);
		return true;
	case WALK_SEGMENT:
		note_scanned(
		    (uint16_t)item.segment.writer, item.segment.generation, item.segment.end);
		segment_scanned(&item.segment);
		return true;
	case WALK_MOVED:
		if (rec.is_first)
			spool_record_moved(qd.store, &item.place);
		return true;
	case WALK_TORN:
		log_warn("event=torn-group writer=%u segment=%08x offset=%lu bytes=%lu text=\"%s\"",
		    item.place.writer, item.place.segment, item.place.offset, item.place.len,
		    item.why.text);
		return true;
	case WALK_BAD:
		set_aside(&item);
		return true;
	case WALK_AGAIN:
		return false;
	case WALK_END:
		break;
	}
	finish();
	return false;
}

static void
on_next(struct ev_timer *t)
{
	for (int n = 0; n < RECORDS_A_TURN && rec.walk != NULL; n++) {
		if (!step())
			break;
	}
	if (rec.walk != NULL)
		ev_timer_in_ms(t, 0);
}

void
recover_start(void)
{
	int64_t epoch_ms = INT64_C(1577836800000); /* 2020-01-01 */
	int64_t now_ms = ev_wall().ns / NS_PER_MS - epoch_ms - LEASE_MS;

	rec.is_first = true;
	rec.began = ev_now();
	rec.recent = (uint64_t)PH_MAX(now_ms, 0) << ID_TIME_SHIFT;
	rec.walk = spool_walk_new(qd.spool_fd);
	stat_set(STAT_Q_SCAN_PERCENT, 0);
	ev_timer_init(&rec.next, on_next);
	ev_timer_init(&rec.forget, on_forget);
}

void
recover_go(void)
{
	ev_timer_in_ms(&rec.next, 0);
}
