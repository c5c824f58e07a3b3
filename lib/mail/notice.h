/*
 * The text of a notice to the operator: a whole message in wire form, dot-stuffed, plain ASCII. Pure; it lets no byte
 * from outside become a line or a header field of its own.
 */
#ifndef PH_MAIL_NOTICE_H
#define PH_MAIL_NOTICE_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"

#define NOTICE_MAX_LINES 200

/* All views borrowed. */
struct notice_text {
	struct str host;    /* ours */
	struct str from;    /* the whole field body of From:, or empty: MAILER-DAEMON at host */
	struct str to;	    /* addresses with commas between */
	struct str subject; /* one line */
	struct str text;    /* lines that end with LF; at most NOTICE_MAX_LINES of them are taken */
	struct str token;   /* unique, [0-9a-f] */
	struct wall now;
};
/* Appends the message; *n_dots: dots that stuffing added. -1: over the buffer's cap. */
int notice_build(struct buf *b, const struct notice_text *n, uint64_t *n_dots) PH_MUST_CHECK;

#endif
