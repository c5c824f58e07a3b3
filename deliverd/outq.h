/*
 * What a session wants to send: text and ranges of files, in order, with absolute offsets so that a reply can be
 * held against what was really sent. Knows nothing of sockets.
 */
#ifndef PH_DELIVERD_OUTQ_H
#define PH_DELIVERD_OUTQ_H

#include "lib/base/buf.h"

#define OUTQ_MAX_TEXT (1024u * 1024u)

struct out_piece {
	uint64_t len;
	uint64_t offset; /* in the file */
	int fd;		 /* owned; -1: text, its bytes are next in `text` */
	bool is_apart;	 /* what follows goes in a packet of its own */
	bool is_secret;	 /* wiped when it is sent, or forgotten */
};
struct outq {
	struct buf text;
	struct out_piece *pieces;
	size_t n, head, room;
	uint64_t queued; /* offset of the end of all that was ever added */
	uint64_t sent;	 /* offset of the first byte not yet sent */
};
/* what to send next: text (fd -1), or a range of a file */
struct out_view {
	struct str text;
	uint64_t offset;
	uint64_t len;
	int fd;
	bool more; /* another piece follows, and may share its packet */
};

void outq_init(struct outq *q);
/* Forgets what is unsent, closes files, gives memory back; the offsets stay. */
void outq_clear(struct outq *q);

/* Text; the bound is kept by those who feed (see session_feed.c): passing it is our own fault and panics. */
void outq_add(struct outq *q, struct str s);
void outq_addf(struct outq *q, const char *fmt, ...) PH_PRINTF(2, 3);
/* What is added next leaves in a packet of its own, as far as that is ours to say. */
void outq_set_apart(struct outq *q);
/* What was added last is wiped as soon as it is not needed. */
void outq_set_secret(struct outq *q);
/* A range of a file; takes fd. len > 0. */
void outq_add_file(struct outq *q, int fd, uint64_t offset, uint64_t len);

uint64_t outq_unsent(const struct outq *q);
/* The next piece, borrowed until outq_sent() or an addition; false: nothing is left. */
bool outq_next(const struct outq *q, struct out_view *v);
/* So many bytes of what outq_next() showed went out (n <= its length). */
void outq_sent(struct outq *q, uint64_t n);

#endif
