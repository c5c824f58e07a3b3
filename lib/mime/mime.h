/*
 * The parts of a MIME message (RFC 2045, 2046), as they lie: a walk over the leaves in one pass, with as many open
 * multiparts as MIME_DEPTH; decoding of transfer encodings and of encoded words; text out of HTML. Lines may end with CRLF
 * or LF. It never recurses, allocates nothing by itself, and what is malformed is read as far as it makes sense.
 */
#ifndef PH_MIME_MIME_H
#define PH_MIME_MIME_H

#include "lib/base/buf.h"

#define MIME_DEPTH 16
#define MIME_TYPE  80 /* room for "type/subtype" */
#define MIME_WORD  80 /* room for a parameter */

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QUOTED };

/* what a header section says of its body */
struct mime_type {
	char type[MIME_TYPE]; /* in small letters; "text/plain" without a field */
	char boundary[MIME_WORD];
	char report_type[MIME_WORD]; /* in small letters */
	char charset[MIME_WORD];     /* in small letters */
	enum mime_encoding encoding;
};
/* a leaf; views into the message */
struct mime_part {
	struct mime_type type;
	struct str head; /* with the empty line's predecessor; empty when there is none */
	struct str body;
	unsigned depth; /* 0: the message itself */
};

struct mime_walker {
	struct str rest;
	struct {
		char boundary[MIME_WORD];
	} open[MIME_DEPTH];
	unsigned depth;
	bool in_part; /* the rest begins with a part's header */
};

/* Where the body begins: behind the empty line that ends the header section. */
size_t mime_head_length(struct str message);
void mime_read_type(struct str head, struct mime_type *t);

void mime_walk(struct mime_walker *w, struct str message);
/* The next leaf; false: no more. */
bool mime_next(struct mime_walker *w, struct mime_part *part);

/* Decodes into b until it is full (not an error); what is no base64 is passed over. */
void mime_decode(enum mime_encoding encoding, struct str body, struct buf *b);
/* RFC 2047: encoded words of a header's value replaced, whatever their charset; into dst[size], cut. Returns the length. */
size_t mime_decode_words(struct str value, char *dst, size_t size);
/* What a reader would see of HTML, roughly: tags out, breaks as line ends, the usual entities. */
void mime_html_text(struct str html, struct buf *b);

#endif
