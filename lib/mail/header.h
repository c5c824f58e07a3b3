/*
 * Header fields of a message (RFC 5322 2.2, with the obsolete blank in front of the colon), in wire form: lines end
 * with CRLF, a leading dot is doubled. Reads only, allocates nothing, and never needs more than is there. What is
 * not a field ends the header section for us, except an mbox "From " line at the top, which is passed over.
 */
#ifndef PH_MAIL_HEADER_H
#define PH_MAIL_HEADER_H

#include "lib/base/str.h"

struct header_field {
	struct str name;  /* without blanks, colon and stuffing dot */
	struct str value; /* raw: behind the colon, folding and final CRLF included */
	struct str whole; /* all its lines as stored */
};

enum header_line {
	HEADER_LINE_FIELD,     /* begins a field */
	HEADER_LINE_CONTINUED, /* begins with a blank: folded */
	HEADER_LINE_EMPTY,     /* the end of the header section */
	HEADER_LINE_MBOX,      /* "From …" of an mbox */
	HEADER_LINE_OTHER      /* text: whatever it is, the section is over */
};
/* What is this line (with or without its CRLF)? */
enum header_line header_line_kind(struct str line);

/* Walks the fields from the message's start. Cheap to copy. */
struct header_iter {
	struct str rest;
	bool is_first;
};
void header_iter_init(struct header_iter *it, struct str message);
/* False at the end of the section or of the text. A last line without CRLF counts. */
bool header_next(struct header_iter *it, struct header_field *f);

/* The first field of that name, ASCII case ignored. */
bool header_find(struct str message, struct str name, struct header_field *f);

/* The value on one line, without blanks at the ends, folding taken out (RFC 5322 2.2.3): into dst[size], NUL-terminated,
 * cut if too long. Bytes below 32 and 127 become blanks. Returns the whole length (>= size means cut). */
size_t header_unfold(struct str value, char *dst, size_t size);

#endif
