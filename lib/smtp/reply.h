/*
 * Replies of an SMTP server, read piece by piece: the code, the enhanced status, and one line of safe text however
 * many lines and whatever bytes came. Everything is bounded; what is beyond the bounds is read and dropped, or is
 * malformed. It must never let a byte that is not printable ASCII into the text, and never need a second look at
 * bytes already given.
 */
#ifndef PH_SMTP_REPLY_H
#define PH_SMTP_REPLY_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define REPLY_MAX_TEXT	1000u		/* kept text, octets */
#define REPLY_MAX_LINE	1024u		/* kept of one line; the rest of the line is dropped */
#define REPLY_MAX_BYTES (1024u * 1024u) /* a longer reply is malformed */
#define REPLY_MAX_LINES 16384u		/* so is one of more lines */

struct smtp_reply {
	uint32_t n_bytes;
	uint32_t n_lines;
	uint16_t code;	/* 200-599 */
	uint8_t enh[3]; /* the peer's where it fits the code, else class.0.0 (RFC 3463) */
	bool has_enh;	/* the peer said it */
	uint16_t len;
	/* "550 5.1.1 no such user": code, the peer's enhanced status if any, the lines' texts joined by single blanks;
	 * bytes outside of printable ASCII as \xHH; NUL-terminated */
	char text[REPLY_MAX_TEXT + 1];
};

/* The text of each line without code and separator, cut at REPLY_MAX_LINE; borrowed during the call. */
typedef void reply_line_cb(void *arg, uint32_t line, struct str text);

struct reply_parser {
	struct smtp_reply reply; /* valid when reply_feed() said so, until the next call */
	reply_line_cb *on_line;	 /* may be NULL; kept over reply_init() */
	void *arg;
	uint32_t line_bytes; /* of the current line, kept or not */
	bool complete;
	/* after a malformed line that was the reply's last: how much of the input it and all before it took; else 0 */
	size_t bad_end;
	char line[REPLY_MAX_LINE];
};

/* Makes ready for a new reply; on_line and arg stay as they are. */
void reply_init(struct reply_parser *p);
/*
 * Takes bytes. > 0: a whole reply is in p->reply, so many bytes were used, what follows belongs to the next one (the
 * next call begins it by itself). 0: all bytes were taken and more are needed. < 0: malformed (`why`): no code, a
 * short one, a class other than 2 to 5, lines whose codes are of different classes, out of bounds. Lines end with LF; CRs in front
 * of it are dropped (RFC 5321 4.2.1; bare LF is accepted, bare CR is text).
 */
int reply_feed(struct reply_parser *p, struct str in, struct why *why) PH_MUST_CHECK;
/* A continuation line ("250-…") was read and the end is missing. */
bool reply_is_multiline(const struct reply_parser *p);

/* The enhanced status at the start of s ("5.1.1 text", "5.1.1"), RFC 3463 2. Returns its length, or 0: there is none. */
size_t smtp_enh_parse(struct str s, uint8_t enh[3]);

#endif
