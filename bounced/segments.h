/*
 * The journal segments that queued must know of: those begun here and not given back yet, so that a queued that
 * was restarted can be told again.
 */
#ifndef PH_BOUNCED_SEGMENTS_H
#define PH_BOUNCED_SEGMENTS_H

#include "lib/ipc/ipc.h"

struct segments {
	struct own_segment {
		struct ipc_segment s; /* end: bytes known to be in use */
		bool sealed;
	} * list;
	size_t n, cap;
};

void segments_clear(struct segments *s);
void segments_note(struct segments *s, const struct ipc_segment *seg, bool sealed);
void segments_note_place(struct segments *s, const struct spool_place *p);
void segments_note_freed(struct segments *s, const struct ipc_segment *seg);
/* SEGMENT_OPEN for each, with SEGMENT_SEALED where it is. */
void segments_tell(const struct segments *s, struct ipc_chan *queue);

#endif
