/*
 * The journal's segments as queued counts them: how many messages of each are not forgotten yet. A segment that
 * its writer sealed, that the first scan has passed, and in which nothing is live is freed for its writer; one in
 * which little is live is emptied by moving that little into queue files.
 */
#ifndef PH_QUEUED_SPOOL_SEGMENT_H
#define PH_QUEUED_SPOOL_SEGMENT_H

#include "queued/message.h"

struct segment {
	uint32_t number;
	uint32_t generation;
	uint16_t writer;
	bool known;   /* the slot is in use */
	bool sealed;  /* its writer is done with it */
	bool scanned; /* everything in it was told to us, by scan or by message */
	bool is_free; /* SEGMENT_FREE is due or was sent */
	uint32_t n_live;
	uint64_t live_bytes;
	uint32_t first; /* message in it; the others by seg_next */
	struct tick sealed_at;
	struct tick freed_at;
};

/* The handle for a place's segment, made when new; `live`: it comes from its writer, not from the scan. */
uint32_t segment_get(const struct spool_place *p, bool live);
void segment_fill_place(uint32_t handle, struct spool_place *p);
void segment_message_came(uint32_t message);
/* The message is forgotten: its queue file is removed, or its segment counts one less. */
void segment_message_gone(uint32_t message);

/* The message has a queue file now: its segment counts one less. */
void segment_message_moved(uint32_t message);

/* From the writers and from the scan. */
void segment_opened(const struct ipc_segment *s);
void segment_sealed(const struct ipc_segment *s);
void segment_scanned(const struct ipc_segment *s);
/* A writer's process is away: its segments are as good as sealed. A new one: tell it which are free. */
void segment_writer_gone(uint16_t writer);
void segment_writer_came(uint16_t writer);

/* Moves what is left in nearly empty segments into queue files; called every few seconds. */
void segment_compact(void);
uint32_t segment_n_used(void);

#endif
