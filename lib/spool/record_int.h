/*
 * The fixed-width texts that hold the spool together: record header lines, a segment's end line, and blocks of
 * 4 KB closed by a checksum (segment headers, writers' files). Pure functions over memory; this must never open a
 * file nor allocate.
 */
#ifndef PH_SPOOL_RECORD_INT_H
#define PH_SPOOL_RECORD_INT_H

#include "lib/base/str.h"
#include "lib/base/why.h"
#include "lib/spool/envelope.h"

/* ---- hex of fixed width, lower case only: one spelling for one value ---- */
void put_hex(char *p, unsigned digits, uint64_t v);
/* Takes the literal `lit` and then `digits` hex digits from the front of *s. False: not there, *s is undefined. */
bool take_hex(struct str *s, const char *lit, unsigned digits, uint64_t *v);
bool take_lit(struct str *s, const char *lit);

/* ---- checksums ---- */

/* Over envelope (with its empty line) and message; independent of where the record will lie. */
uint64_t record_core(struct str env, struct str message);
/* The same when the message was hashed before: XXH3-64 without a seed. */
uint64_t record_core_of(struct str env, uint64_t message_hash);
/* A whole record in memory, its header already parsed: does the sum fit? */
bool record_is_whole(struct str record, const struct record_header *h);
/* Opens "id: …\nrcpts: …" at the front of an envelope. False when these are not its first lines. */
bool record_peek(struct str env, uint64_t *id, uint32_t *n_rcpts);

/* ---- the line that ends a segment that was closed in order; as wide as a record's header line ---- */
struct segment_end {
	uint64_t n_msgs; /* in this segment */
	uint64_t n_rcpts;
	uint32_t generation;
};
void segment_end_write(char line[SPOOL_HEADER_LEN], const struct segment_end *e);
bool segment_end_parse(struct str s, struct segment_end *e);

/* ---- blocks ---- */
#define BLOCK_BYTES 4096u

/* Fills a block from `len` bytes of text on with newlines and closes it with the checksum line. */
void block_close(char block[BLOCK_BYTES], size_t len);
/* The text if the block's checksum fits (with the filling), else false. */
bool block_open(const char block[BLOCK_BYTES], struct str *text);

/* never written */
bool is_zero(const char *p, size_t len);

/* ---- a segment's first block ---- */
#define SEGMENT_MARKS 48

/* An abandoned segment of the same writer: what lies at `end` and behind was never acknowledged. */
struct segment_mark {
	uint32_t segment, generation;
	uint64_t end;
};
struct segment_header {
	uint64_t n_msgs; /* accepted by this writer into its journal before this segment */
	uint64_t n_rcpts;
	uint32_t writer, segment, generation;
	uint32_t n_marks;
	struct segment_mark mark[SEGMENT_MARKS];
};
void segment_header_write(char block[BLOCK_BYTES], const struct segment_header *h);
bool segment_header_parse(const char block[BLOCK_BYTES], struct segment_header *h);

#endif
