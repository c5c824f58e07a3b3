/*
 * Writing the journal: one `struct journal` in each injecting process. It appends whole records to preallocated
 * segment files spool/journal/W-NNNNNNNN (W: the writer's number), and makes them durable in groups: a thread of
 * its own runs fdatasync, the loop never blocks. A segment is only ever written from front to back; it is used
 * again, with a higher generation, after queued freed it (journal_segment_freed). After any failed write or
 * flush the segment is abandoned for good, every record not yet durable is answered with the error, and nothing
 * of it is ever believed again.
 */
#ifndef PH_SPOOL_JOURNAL_H
#define PH_SPOOL_JOURNAL_H

#include "lib/base/buf.h"
#include "lib/ipc/structs.h"
#include "lib/spool/envelope.h"

#define JOURNAL_SEGMENT_BYTES (16u * 1024 * 1024)
#define SPOOL_LARGE_BYTES                                                                          \
	(1024u * 1024) /* from here on a message is written as its queue file at once */

struct journal;
struct journal_events {
	/* The record's fate, one call for each journal_append: durable at `place`, or not at all (place NULL, `why`
	 * with the SMTP reply: 452 4.3.1 no space, 451 4.3.0 trouble). */
	void (*done)(void *token, const struct spool_place *place, const struct why *why);
	/* A segment begins (tell queued), or is full and sealed at `end`. */
	void (*segment)(void *ctx, const struct ipc_segment *s, bool sealed);
};

/*
 * dirfd: the spool directory (borrowed for the journal's life). writer: 0-15, unique among the running injectors.
 * host_id: 0-1023, mixed into ids. Takes an exclusive lock on the writer's number. NULL with `why`.
 */
struct journal *journal_open(int dirfd, uint16_t writer, uint16_t host_id,
    const struct journal_events *ev, void *ctx, struct why *why);
/* Preallocates (and zeroes) spare segments until `n` exist; called once before ready. */
int journal_prepare(struct journal *j, unsigned n, struct why *why) PH_MUST_CHECK;
void journal_close(struct journal **j);

/* A fresh id: time-ordered, unique over crashes, clock steps, writers and hosts. */
uint64_t journal_new_id(struct journal *j);
/* Which writer gave it. */
unsigned journal_id_writer(uint64_t id);
/*
 * Queues one record: envelope lines (without header line) and message, both borrowed for the call only. Its
 * `done` comes later, from the loop, once the group it is in is on disk. Many appends in one turn of the loop
 * are one write and one flush.
 */
void journal_append(
    struct journal *j, uint64_t id, struct str env, struct str message, void *token);
/* The same with the message's memory, which the journal takes: the buffer is empty afterwards. */
void journal_append_buf(
    struct journal *j, uint64_t id, struct str env, struct buf *message, void *token);
/*
 * A large message that an earlier process had under way, and that was found accepted when this one opened the journal:
 * the only trace of it when it has been delivered and the done log's file that told so is gone.
 */
bool journal_has_settled(const struct journal *j, uint64_t id);
/* Whoever needed that trace has what it told on disk, or nobody needs it: the next start knows of them no more. */
void journal_settled_known(struct journal *j);
/* Bytes accepted by journal_append whose fate is open: the caller's back-pressure. */
size_t journal_pending(const struct journal *j);
/* queued has let go of it; the generation must be the one it had. */
void journal_segment_freed(struct journal *j, uint32_t segment, uint32_t generation);

/*
 * A large message, streamed: written to spool/tmp, then on journal_large_commit renamed to its queue file; `done`
 * as above (place.kind is SPOOL_FILE). Abort removes it. `env_room` bytes are kept at the front for the envelope, and
 * for what journal_large_front() puts between it and what was written: text that is known last, and stands first.
 */
struct journal_large;
struct journal_large *journal_large_start(
    struct journal *j, uint64_t id, size_t env_room, struct why *why);
int journal_large_write(struct journal_large *l, struct str piece, struct why *why) PH_MUST_CHECK;
/* Once, before the commit. It costs that the message is read again. */
void journal_large_front(struct journal_large *l, struct str text);
void journal_large_commit(struct journal_large **l, struct str env, void *token);
void journal_large_abort(struct journal_large **l);

#endif
