/*
 * The parts of a request over HTTP: its head, the mail that its body describes, and the telling of it to a session.
 */
#ifndef PH_INJECTD_API_INT_H
#define PH_INJECTD_API_INT_H

#include "injectd/feed.h"
#include "lib/base/buf.h"

#define API_MAX_HEAD  (16u * 1024)
#define API_MAX_BODY  (24u * 1024 * 1024)
#define API_MAX_RCPTS 20000u

/* ---- api_http.c: the head of a request (RFC 9112) ---- */

struct api_head {
	struct str method, target, key; /* views into the text */
	uint64_t length;
	bool has_length, is_chunked, wants_continue, closes;
};
/* text: up to and with the empty line. False: it is malformed, or could mean two things. */
bool api_head_parse(struct str text, struct api_head *h);
/* How long the head at the front of s is; 0: it is not there yet. */
size_t api_head_len(struct str s);

/* ---- api_body.c: the mail ---- */

struct api_rcpt {
	struct str address, return_path; /* p NULL: the one of all */
};
struct api_mail {
	struct str return_path, campaign, content; /* views into the body */
	bool has_return_path, has_content, is_utf8;
	struct api_rcpt *rcpts; /* owned; sorted by return path */
	size_t n_rcpts, cap_rcpts;
};
/* Decodes the body in place. -1 with `why`. */
int api_mail_read(struct api_mail *m, char *body, size_t len, struct why *why) PH_MUST_CHECK;
void api_mail_clear(struct api_mail *m);

/* ---- api_send.c: the telling ---- */

struct api_send {
	struct feed feed;
	struct feed_lines lines;
	const struct api_mail *mail; /* borrowed */
	struct buf say;
	size_t first, next; /* of m->rcpts: those of the message under way */
	size_t at;	    /* of the content */
	uint32_t n_told;    /* messages that were taken */
	size_t n_of_message, n_accepted, n_rejected;
	enum { API_SEND_CONTENT, API_SEND_WAIT } stage;
	bool is_on, is_over;
	int code; /* of the last refusal; 0: none */
	char text[256];
	void (*done)(struct api_send *s); /* once; from within a turn of its own */
};
void api_send_start(
    struct api_send *s, struct world *w, const struct net_addr *client, const struct api_mail *m);
void api_send_clear(struct api_send *s);

#endif
