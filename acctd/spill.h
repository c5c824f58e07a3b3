/*
 * What goes to a command or a web hook lies on disk first: segments spool/pipes/KEY.NNNNNNNN of whole lines, each with
 * its header line in front, and KEY.at, which says up to where they were given. The writer's thread appends
 * (spill_commit), the loop reads behind it; a segment goes when all of it was given. Records survive the command,
 * acctd and the machine; none is changed or reordered.
 */
#ifndef PH_ACCTD_SPILL_H
#define PH_ACCTD_SPILL_H

#include "acctd/def.h"
#include "lib/base/buf.h"

#define SPILL_LINE_MAX (64 * 1024)

struct spill;
struct spill_at {
	uint64_t offset; /* in the segment; 0: before its header line */
	uint32_t segment;
};

/* spool_fd is borrowed, and may be -1 for now. What an earlier run left is found with the first commit or read. */
struct spill *spill_new(int spool_fd, const struct acct_def *def);
void spill_free(struct spill **s);
/* Lines that come from now on are of this definition. Only while the writer is idle. */
void spill_use(struct spill *s, const struct acct_def *def);

/* In the writer's thread: as acct_file_commit(). */
int spill_commit(struct spill *s, struct buf *data, struct why *why) PH_MUST_CHECK;

/* Says in the log what lies there for none of these: it goes on when its <acct-file> is back. */
void spill_tell_strangers(int spool_fd, struct spill *const *known, size_t n);

/* ---- in the loop, the writer being busy or not ---- */

/* The writer came back: what it made durable may be read. */
void spill_written(struct spill *s);
/* Was it opened by the writer's first batch? Before, there is nothing to read. */
bool spill_is_ready(const struct spill *s);
/* Where reading begins after a start: as far as spill_gave() last said. */
struct spill_at spill_begin(struct spill *s);
enum spill_next {
	SPILL_NONE,   /* nothing more for now */
	SPILL_HEADER, /* *text is a segment's header line, with its end; *at stands behind it */
	SPILL_LINES, /* *text is whole lines, at most `max` bytes unless the first alone is longer; *at behind them */
	SPILL_FAILED /* `why`: try again later */
};
/* *text is borrowed until the next call. */
enum spill_next spill_read(
    struct spill *s, struct spill_at *at, size_t max, struct str *text, struct why *why);
/* All before was given: it need not be read after a crash; whole segments before it are removed. */
void spill_gave(struct spill *s, const struct spill_at *at);
/* Is there nothing durable behind `at`? */
bool spill_is_at_end(const struct spill *s, const struct spill_at *at);
/* The header line of what comes from now on. */
struct str spill_header(const struct spill *s);
/* Durable bytes behind `at`. */
uint64_t spill_bytes_after(const struct spill *s, const struct spill_at *at);

#endif
