/*
 * The text of a delivery report (RFC 3464 in RFC 6522; RFC 6533 where the sender's address is not ASCII): a whole
 * message in wire form, dot-stuffed. Pure: it reads nothing, decides nothing about who gets a report, and lets no
 * byte from outside become a line of its own.
 */
#ifndef PH_MAIL_REPORT_H
#define PH_MAIL_REPORT_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"

enum report_action {
	REPORT_ACTION_FAILED,
	REPORT_ACTION_DELAYED,
	REPORT_ACTION_RELAYED,
	REPORT_ACTION_DELIVERED
};

/* All views borrowed. */
struct report_rcpt_text {
	struct str address;
	struct str orcpt; /* "rfc822;user@example", or empty */
	struct str reply; /* what was said, or empty */
	struct str mta;	  /* the remote's host name, or empty */
	struct wall when; /* of the last attempt */
	enum report_action action;
	uint16_t code;
	uint8_t enh[3];
	bool local; /* `reply` is our own verdict */
};
struct report {
	struct str host; /* ours: Reporting-MTA */
	struct str from; /* the whole field body of From:, or empty: MAILER-DAEMON at host */
	struct str to;	 /* the sender of the message that is reported on */
	struct str vmta;
	struct str envid;
	struct str token; /* unique, [0-9a-f]: for the boundary and the Message-ID */
	struct wall now;
	struct wall arrived;
	struct wall retry_until; /* for delayed ones; 0: not said */
	/* what is returned of the message, wire form: its header section only, or all of it */
	struct str content;
	bool is_full;
	bool is_plain; /* only what is for programs, as text: no parts, nothing is returned */
	struct str subject,
	    people; /* instead of the usual ones; the text for people with line ends of any kind */
	const struct report_rcpt_text *rcpts;
	size_t n_rcpts;
};

/* What report_build() found necessary for the transport. */
struct report_needs {
	bool eight_bit; /* BODY=8BITMIME */
	bool smtputf8;
	uint64_t n_dots; /* dots that stuffing added */
};

/* Appends the message. -1: over the buffer's cap (the content is then undefined). */
int report_build(struct buf *b, const struct report *r, struct report_needs *needs) PH_MUST_CHECK;
/* Can this content be returned whole (is_full), that is: lines of at most 998 octets, no NUL, no 8-bit header for a
 * sender that is ASCII? */
bool report_can_return_full(struct str content, struct str to);

#endif
