/*
 * RFC 4180 with UTF-8: one record a line, lines end CRLF. What is written never holds a line end, a NUL or an
 * ill-formed byte inside a value, whatever came from outside, so that a file can be cut at any CRLF.
 */
#ifndef PH_ACCT_CSV_H
#define PH_ACCT_CSV_H

#include <sys/types.h>

#include "lib/base/buf.h"

/*
 * Appends one value, with the comma before it unless it is the line's first; quoted where it must be. Control
 * characters become blanks, ill-formed UTF-8 becomes U+FFFD. Being over the buffer's cap is told by csv_end().
 */
void csv_add(struct buf *b, struct str value, bool first);
/* The line's end. -1: the buffer was overfull (now or before): take the line back. */
int csv_end(struct buf *b) PH_MUST_CHECK;

#define CSV_MAX_FIELDS 256
struct csv_row {
	struct str field
	    [CSV_MAX_FIELDS]; /* views into the text, or into `text` where quotes had to be undone */
	size_t n;
	struct buf text;
};
void csv_row_init(struct csv_row *r);
void csv_row_clear(struct csv_row *r);
/*
 * Reads one record from the front of s. Returns the bytes used (> 0), 0 when its end is missing, -1 when it is
 * malformed (a quote inside an unquoted value, text behind a closing quote, too many fields).
 */
ssize_t csv_read(struct str s, struct csv_row *r) PH_MUST_CHECK;

#endif
