/*
 * Mail that does not come over SMTP: whoever has it tells it to a session as a client would, and reads the session's
 * replies. So every rule for mail that comes in holds for it too, and it is accepted when its 250 comes. What tells it
 * must tell little at a time: nothing is taken while feed_is_ready() says no.
 */
#ifndef PH_INJECTD_FEED_H
#define PH_INJECTD_FEED_H

#include "injectd/session.h"
#include "lib/ev/ev.h"

#define FEED_MAX_SAY (32u * 1024) /* bytes at a time */

struct feed {
	struct session session;
	struct ev_defer later;
	void (*step)(struct feed *f); /* something may have been answered, or more can be told */
};
/* The last line of a reply. */
struct feed_reply {
	int code;
	struct str text; /* behind the code; borrowed until the next call */
};

/* The greeting is among the replies. client: family 0 when there is no such address. */
void feed_start(struct feed *f, struct world *w, uint16_t door, const struct net_addr *client,
    void (*step)(struct feed *f));
/* A message that waits for the disk goes on without it. */
void feed_clear(struct feed *f);
bool feed_is_ready(const struct feed *f);
/* At most FEED_MAX_SAY bytes, and only when it is ready. */
void feed_say(struct feed *f, struct str bytes);
/* Takes the next reply; false: there is none (yet). */
bool feed_next(struct feed *f, struct feed_reply *r);
/* Calls step() at the end of this turn. */
void feed_later(struct feed *f);

/* The content of a message, as text of any line ends, told as DATA wants it: lines end in CRLF, dots are doubled. */
enum feed_dots {
	FEED_DOTS_DOUBLE,
	FEED_DOTS_KEEP_TWO, /* two at the start of a line were doubled already */
	FEED_DOTS_LEAVE	    /* all were, and the text has its own end */
};
struct feed_lines {
	enum feed_dots dots;
	bool is_mid_line, is_behind_cr, is_behind_dot, is_lone_dot;
	bool is_over; /* the text's own end came */
};
/* Appends, at most three bytes for each one of s; how many of them it used: all, unless is_over came. */
size_t feed_lines_add(struct feed_lines *l, struct str s, struct buf *to);
/* Ends the last line, and the message; not for FEED_DOTS_LEAVE. */
void feed_lines_end(struct feed_lines *l, struct buf *to);

#endif
