/*
 * What only queued may do to the spool: done log, queue files, removal. Order is everything here; `docs/spool.md`
 * lists each step and what a crash after it leaves.
 */
#ifndef PH_SPOOL_STORE_H
#define PH_SPOOL_STORE_H

#include "lib/ipc/structs.h"
#include "lib/spool/envelope.h"
#include "lib/spool/reader.h"

struct spool_store;

/* Makes missing directories (journal, queue/00..ff, tmp, done, bad), removes what a crash left in tmp, loads the done log. */
struct spool_store *spool_store_open(int dirfd, struct why *why);
void spool_store_close(struct spool_store **s);

/*
 * The done log: spool/done/NNNNNNNN, preallocated files of fixed-width lines with a checksum each, see docs/spool.md.
 * Appending is buffered; spool_store_sync() writes and flushes all that was appended (called each tick, blocking
 * only in the store's own thread; `synced` comes from the loop). The record of a recipient may be appended only
 * after acctd acknowledged its final record. `place`: where queued has the message at that moment.
 */
void spool_done_append(struct spool_store *s, const struct spool_place *place, uint32_t rcpt,
    enum final_kind kind, struct wall when);
/* why NULL: everything appended before the call is on disk. Else nothing of it may be taken for done; it stays
 * appended, and the next sync tries again with a fresh file. Exactly one call each, never from inside the sync call. */
typedef void spool_synced_cb(void *ctx, const struct why *why);
void spool_store_sync(struct spool_store *s, spool_synced_cb *cb, void *ctx);

/* At the start only: is this recipient done according to the log? And the totals, see below. */
bool spool_is_done(const struct spool_store *s, uint64_t id, uint32_t rcpt, enum final_kind *kind);
/* The start is over: forget what only it needed. */
void spool_recovered(struct spool_store *s);

/*
 * The ledger: counts since the spool was made; what ended is durable with the done log. At the start `accepted` is
 * the sum of what ended: queued calls spool_count_accepted() for every recipient that the walk finds not done, and then
 * for every one that arrives. So accepted = delivered + bounced + expired + deleted + queued holds at every instant
 * between two ticks; spool_audit() below proves it from disk, where `accepted` comes from the writers.
 */
struct spool_ledger {
	uint64_t accepted;
	uint64_t by_kind[FINAL_MAX]; /* with an accounting record, and (FINAL_QUIETLY) without */
};
/* Of one of the four kinds, with and without a record. */
static inline uint64_t
spool_ledger_ended(const struct spool_ledger *l, enum final_kind kind)
{
	return l->by_kind[kind] + l->by_kind[FINAL_QUIETLY(kind)];
}
void spool_count_accepted(struct spool_store *s, uint32_t n_rcpts);
struct spool_ledger spool_ledger(const struct spool_store *s);

/* All recipients of a queue file's message are done and synced: removes the file (none there: fine). -1 with `why`:
 * stop delivering. */
int spool_file_remove(struct spool_store *s, uint64_t id, struct why *why) PH_MUST_CHECK;
/* Nothing in this segment is live any more and its done records are synced: done-log files that only it needed may go.
 * Its writer may be told at once (SEGMENT_FREE); the walk never gives its records again. Saying it twice is fine. */
void spool_segment_gone(struct spool_store *s, const struct ipc_segment *seg);

/*
 * Compaction: the records at `places` (all of one segment) are written out as queue files: tmp, one sync for the
 * batch, rename, directory sync. In the store's thread; `cb` from the loop: the new places (in the order given,
 * borrowed for the call), or `why` and the old places stay in force. Until then the old places are used as before. For a
 * message that ended meanwhile, or that must stay in its segment after all (deliverd is reading it): spool_file_remove()
 * it inside the callback, and only there; of all others the record in the segment does not count any more afterwards.
 */
typedef void spool_moved_cb(
    void *ctx, const struct spool_place *places, size_t n, const struct why *why);
void spool_move_out(struct spool_store *s, const struct spool_place *places, size_t n,
    spool_moved_cb *cb, void *ctx);

/*
 * At the start only, for WALK_MOVED: a crash left both the record and its queue file. The record does not count any
 * more, and who is done is from now on held by the file. If the file may vanish with the power, nothing happens.
 */
void spool_record_moved(struct spool_store *s, const struct spool_place *record);

/* Sets a broken record or file aside into spool/bad with its reason beside it. */
void spool_set_aside(struct spool_store *s, const struct spool_place *place, const struct why *why);

/* The same for whoever wants none of it kept: its file is removed; bytes in a segment go with the segment. */
void spool_delete_broken(struct spool_store *s, const struct spool_place *place);

/* Free bytes and files of the spool's file system. */
int spool_space(
    const struct spool_store *s, uint64_t *bytes, uint64_t *files, struct why *why) PH_MUST_CHECK;

/* ---- audit ---- */
struct spool_audit {
	/* accepted: from the writers (headers of their segments, records, W.id), independent of queued; by_kind: from
	 * the done log. Conservation: accepted == sum of by_kind + queued. */
	struct spool_ledger ledger;
	uint64_t queued; /* recipients in records that are not done */
	uint64_t messages, files, segments, set_aside;
	uint64_t twice; /* done records that repeat */
	uint64_t
	    broken; /* places that the walk could not read: what was there is missing from `queued` */
};
/* Reads only; may run beside a living server (then `moving` differences of one tick are possible) or on a dead spool. */
int spool_audit(int dirfd, struct spool_audit *a, struct why *why) PH_MUST_CHECK;
/* accepted - ended - queued: 0 when all is well, above: lost, below: made up. */
int64_t spool_audit_missing(const struct spool_audit *a);

#endif
