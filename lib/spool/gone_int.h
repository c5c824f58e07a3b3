/*
 * What the newest done log says about segments and records that must no longer be believed although their bytes may
 * still be there: segments that queued let go of, and records that were moved out into queue files. Read by
 * everybody who walks the journal; written only by the store.
 */
#ifndef PH_SPOOL_GONE_INT_H
#define PH_SPOOL_GONE_INT_H

#include "lib/base/base.h"

struct gone_segment {
	uint32_t writer, segment, generation;
};
struct gone_record {
	uint64_t id;
	uint32_t writer, generation;
};
struct gone {
	struct gone_segment *segment; /* sorted by writer, segment */
	size_t n_segments, cap_segments;
	struct gone_record *record; /* sorted by id */
	size_t n_records, cap_records;
};

void gone_init(struct gone *g);
void gone_clear(struct gone *g);
/* Reads the newest good done-log file below the spool directory; none: everything is there. -1 with errno. */
int gone_load(struct gone *g, int dirfd) PH_MUST_CHECK;
bool gone_has_segment(const struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation);
bool gone_has_record(const struct gone *g, uint32_t writer, uint32_t generation, uint64_t id);
/* Keeps the order. A segment replaces its own older generation and drops the records that were moved out of it. */
void gone_add_segment(struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation);
/* Its file is removed for ever: that it was let go of need not be remembered, unless a later use of the number was too. */
void gone_drop_segment(struct gone *g, uint32_t writer, uint32_t segment, uint32_t generation);
void gone_add_record(struct gone *g, uint32_t writer, uint32_t generation, uint64_t id);

#endif
