/*
 * Which header fields are signed, and what of a message they are (RFC 6376 5.4): every instance of a name, from the
 * bottom up (5.4.2), and some names once more than they are there, so that nobody can add another (8.15). Reads only.
 */
#ifndef PH_DKIM_FIELDS_H
#define PH_DKIM_FIELDS_H

#include "lib/dkim/canon.h"

#define DKIM_MAX_FIELDS                                                                            \
	256 /* signed instances; the lowest of them, which is what 5.4.2 begins with */

/* What a configuration says of the names; all borrowed. */
struct dkim_names {
	const struct str *more; /* besides the usual; names */
	size_t n_more;
	const struct str *closed; /* may not be added to */
	size_t n_closed;
	bool is_only; /* `more` instead of the usual (From is always signed) */
	/* any other name, or NULL */
	bool (*wants)(const void *arg, struct str name);
	const void *arg;
};

/* Where the body begins: behind the empty line, or at the first line that is no field. `whole`: the end of the text was
 * seen; otherwise false where the header section may go on. */
bool dkim_find_body(struct str text, bool whole, size_t *at);

/*
 * The h= list (names with ':' between, from the bottom up) into `list`, and the canonical form of those fields into
 * `text`. header: the stored form up to dkim_find_body(). -1: over a buffer's cap.
 */
int dkim_pick_fields(const struct dkim_names *names, enum dkim_canon c, struct str header,
    struct buf *list, struct buf *text) PH_MUST_CHECK;

#endif
