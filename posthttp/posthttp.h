/*
 * posthttp: one HTTP POST of what is on its standard input, for web hooks of accounting and for deliveries of type
 * http-delivery, or one GET of an MTA-STS policy, which it reads and prints as one line: what strangers publish is
 * parsed here, where nothing is to be had. It runs as pmta-hook for one request, is no daemon, and waits as it pleases. Its exit
 * status is 0 when the other side said 2xx, else 75; what it prints says why. It follows no redirection and shows
 * nobody a body over TLS whose certificate does not fit.
 */
#ifndef PH_POSTHTTP_POSTHTTP_H
#define PH_POSTHTTP_POSTHTTP_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/why.h"

#define POST_MAX_BODY (256u * 1024u * 1024u)

struct url {
	bool is_tls;
	char host[256]; /* without the brackets of an IPv6 address */
	char port[8];
	char target[2048];   /* path and query */
	char authority[300]; /* as the Host field has it */
};
/* http://host[:port]/path or https://…; no user, no fragment. False with `why`. */
bool url_parse(struct str text, struct url *u, struct why *why);

struct post {
	struct url url;
	const char *certificate; /* file with certificate and key, empty: none */
	const char *ca_file;	 /* empty: the system's authorities */
	const char *addresses;	 /* NULL: the host's name is looked up */
	const char *type;	 /* Content-Type */
	bool is_gzip;
	int64_t connect_ms, io_ms;
	struct buf headers; /* more fields, whole lines */
	struct buf body;
};
/* Reads fields from a file: each line `Name: value`. */
int post_add_headers(struct post *p, const char *file, struct why *why) PH_MUST_CHECK;
int post_gzip(struct post *p, struct why *why) PH_MUST_CHECK;
/* Posts; *status: of the answer; *said: its reason. -1 with why: none came. */
int post_send(struct post *p, int *status, char said[200], struct why *why) PH_MUST_CHECK;

/* "HTTP/1.1 200 OK" and the fields behind it. 0: more is needed; -1: it is none; else its length. */
ssize_t post_parse_answer(struct str s, int *status, char said[200]);

/* ---- a connection (send.c) ---- */
struct line {
	int fd; /* -1: none */
	struct ssl_ctx_st *ctx;
	struct ssl_st *ssl; /* NULL: in clear */
	bool is_cut;	    /* it ended without a word */
};
/* Connects and, where the URL says so, secures. line_close() in any case. */
int line_open(struct line *l, const struct post *p, struct why *why) PH_MUST_CHECK;
int line_write(struct line *l, struct str s, struct why *why) PH_MUST_CHECK;
/* Always -1: what went wrong with the TLS. */
int line_wrong(struct line *l, const char *what, struct why *why);
void line_close(struct line *l);

/* ---- get.c ---- */
#define GET_MAX_ANSWER (96u * 1024) /* with its header fields and what chunks add */
/* Gets what p->url names, with status 200, of a type that begins so, appended to `body`. */
int get_text(
    const struct post *p, const char *type, struct buf *body, struct why *why) PH_MUST_CHECK;
/*
 * The body of a whole answer, behind its header section `head`, by Content-Length or in chunks; appended. -1: it is no
 * whole one, or does not fit.
 */
int get_body(struct str head, struct str rest, struct buf *body) PH_MUST_CHECK;
/* The value of the field of that name in a header section, empty: there is none. */
struct str get_field(struct str head, struct str name);

/* ---- json.c ---- */
/* CSV with a header line to a list of objects, one a record: a member for each column that is not empty. */
int json_of_csv(struct str csv, struct buf *b, struct why *why) PH_MUST_CHECK;
/* A message as SparkPost's transmissions want it: msg_from, rcpt_to, content. -1: the buffer is full. */
int json_of_mail(struct str from, struct str to, struct str message, struct buf *b) PH_MUST_CHECK;

#endif
