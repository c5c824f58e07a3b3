/*
 * Reading one segment from front to back in big pieces: every record whose sum fits, stretches that are broken with
 * good records behind them, and where it ends. Believes nothing but checksums; must never write.
 */
#ifndef PH_SPOOL_SCAN_INT_H
#define PH_SPOOL_SCAN_INT_H

#include "lib/base/why.h"
#include "lib/spool/record_int.h"

#define SCAN_NO_LIMIT UINT64_MAX

struct scan {
	char *buf; /* of the scan; kept from segment to segment */
	size_t size, have;
	uint64_t base; /* file offset of buf[0] */
	uint64_t pos, limit;
	uint64_t bad_from;
	uint64_t n_good; /* records given since the start of the segment, if it began there */
	bool is_whole;
	int fd; /* borrowed */
	uint32_t generation;
	bool any_generation; /* the first good record's counts */
	bool was_bad;
	bool ended; /* the end line was found */
	struct segment_end end;
};
struct scan_record {
	uint64_t offset;
	struct record_header h;
	struct str env; /* borrowed until the next call */
};
enum scan_event {
	SCAN_RECORD,
	SCAN_BAD,  /* [bad_from, pos) is no record, but good ones follow */
	SCAN_TORN, /* the same, within the last group of all: no flush need have covered it */
	SCAN_END,  /* nothing good from pos on */
	SCAN_ERROR /* errno: the disk does not give it */
};

void scan_init(struct scan *s);
/* Begins at `from`; bytes at `limit` and behind do not exist. generation 0: whatever the first good record has. */
void scan_start(struct scan *s, int fd, uint32_t generation, uint64_t from, uint64_t limit);
enum scan_event scan_next(struct scan *s, struct scan_record *r);
void scan_clear(struct scan *s);

#endif
