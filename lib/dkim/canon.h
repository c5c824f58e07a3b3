/*
 * The canonical forms of DKIM (RFC 6376 3.4), from a message's stored form: CRLF, a leading dot doubled. What comes
 * out is what a receiver sees after it took the dots away. Streams, keeps a few words of state, allocates nothing but
 * the caller's buffer, and never changes a message.
 */
#ifndef PH_DKIM_CANON_H
#define PH_DKIM_CANON_H

#include "lib/base/buf.h"

enum dkim_canon { DKIM_RELAXED, DKIM_SIMPLE };
/* "relaxed", "simple" */
const char *dkim_canon_name(enum dkim_canon c);

typedef void dkim_sink(void *arg, const char *p, size_t len);

/* A body on its way; pieces may be cut anywhere. Its fields are canon.c's own, but for `len`. */
struct dkim_body {
	dkim_sink *sink;
	void *arg;
	uint64_t len;	 /* bytes that came out (the l= tag) */
	uint64_t n_crlf; /* line ends held back: those at the end do not count */
	bool is_relaxed;
	bool at_start; /* of a line: a dot here was added */
	bool has_cr;
	bool has_blank;
};
void dkim_body_init(struct dkim_body *b, enum dkim_canon c, dkim_sink *sink, void *arg);
void dkim_body_add(struct dkim_body *b, struct str piece);
/* The last line's end and what an empty body counts as (3.4.3, 3.4.4). */
void dkim_body_end(struct dkim_body *b);

/*
 * One field, all its lines as stored (the last CRLF may be missing), in canonical form with CRLF behind it, appended to
 * `out`. -1: over the buffer's cap.
 */
int dkim_canon_field(enum dkim_canon c, struct str whole, struct buf *out) PH_MUST_CHECK;

#endif
