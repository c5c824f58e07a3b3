/*
 * How many messages and recipients a segment holds, by its end line or else by its records. Believes nothing but
 * checksums; must never write.
 */
#ifndef PH_SPOOL_COUNT_INT_H
#define PH_SPOOL_COUNT_INT_H

#include "lib/spool/gone_int.h"
#include "lib/spool/scan_int.h"

struct segment_count {
	struct segment_end
	    in;	      /* its generation: the one that was asked for, or the first good record's */
	uint64_t end; /* behind the last good record */
	bool ended;   /* the end line is there */
};
/* generation 0: the segment's header is broken, whatever its records say. -1 with errno: the disk does not give it. */
int segment_count(int fd, uint32_t generation, struct segment_count *c) PH_MUST_CHECK;
/*
 * Of a segment whose header is broken: may anything in it count? Not when all of it is gone or nothing is there: the
 * power went while the header of its next use, or of its first, was written, and no record of that is on disk yet.
 */
bool segment_may_live(int fd, const struct gone *gone, unsigned writer, uint32_t segment);

/*
 * Segments whose header is broken: those that came after the newest good header have records that no header counts.
 */
struct lost_headers {
	struct segment_end *in;
	size_t n, cap;
};
void lost_add(struct lost_headers *l, const struct segment_end *in);
/* The sum of those behind this generation. */
struct segment_end lost_behind(const struct lost_headers *l, uint32_t generation);
void lost_clear(struct lost_headers *l);

#endif
