/*
 * What the files of the journal share: its state on the loop's side. The flush thread owns `segs` (with the id file)
 * while jobs are out; the loop touches it only before the first job and after the last.
 */
#ifndef PH_SPOOL_JOURNAL_INT_H
#define PH_SPOOL_JOURNAL_INT_H

#include "lib/base/clock.h"
#include "lib/ev/ev.h"
#include "lib/spool/journal.h"
#include "lib/spool/segment_int.h"
#include "lib/ev/worker.h"

struct group;
struct journal {
	struct journal_events ev;
	void *ctx;
	int dirfd; /* borrowed */
	uint16_t writer, host_id;
	bool flushing; /* a group is in the thread */

	/* ids: the last one given */
	uint64_t id_ms;
	uint32_t id_seq;

	struct group *gather; /* what is appended now */
	struct group *spare[2];
	struct ev_defer flush;
	size_t pending_bytes;

	struct ev_worker *flusher; /* owner of segs */
	struct ev_worker *mover;   /* syncs large files: they must not delay the groups */
	struct segments segs;
	size_t n_large; /* being written or committed */
	struct ev_work settled;
	bool is_counting; /* that work is out */

	/* large ones on their way through W.id, and those that wait because it can name no more */
	size_t n_named;
	struct journal_large *waiting, *last_waiting;
};

/* The milliseconds of an id. */
uint64_t journal_id_ms(uint64_t id);

#endif
