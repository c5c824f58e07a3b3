/*
 * Looks over content for what must be looked at byte by byte. Ordinary lines, which are nearly all there are, are
 * passed a block at a time with what the processor has for that; it must never judge what it finds.
 */
#ifndef PH_INJECTD_LINES_H
#define PH_INJECTD_LINES_H

#include "lib/base/str.h"

/* Where in a line the next byte stands. */
struct lines_edge {
	size_t line_len;  /* octets of the line so far, without the CR that was last */
	bool is_at_start; /* of a line */
	bool is_behind_cr;
};

/*
 * How many bytes from the front of `s` are whole blocks in which every CR has its LF and every LF its CR, no NUL is, no line
 * begins with a dot, and no line comes to more than max_line octets. Moves *e behind them.
 */
size_t lines_skip_ordinary(struct str s, size_t max_line, struct lines_edge *e);

#endif
