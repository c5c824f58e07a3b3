/*
 * A fast SMTP client for tests and the demo: many sessions, numbered messages, and a log of what the server
 * acknowledged. It repeats nothing that might have been accepted: what is not known is logged as unknown.
 */
#ifndef PH_INJECT_INJECT_H
#define PH_INJECT_INJECT_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/ev/ev.h"
#include "lib/net/addr.h"

#define HEADERS_MAX 32
#define RCPTS_MAX   64
struct options {
	struct net_addr server, source;
	const char *sender, *rcpts[RCPTS_MAX], *headers[HEADERS_MAX], *ehlo, *prefix, *log;
	size_t n_rcpts, n_headers;
	uint32_t sessions, messages, bytes, per_message, per_connection, wait_s;
	bool no_pipelining, progress, quiet, tls;
};
struct client;
struct run {
	struct options options;
	struct ev_timer tick;
	FILE *log;
	uint64_t next, acked, acked_rcpts, refused, unknown, connections, lost_connections;
	uint32_t n_live; /* clients that have not finished */
	struct mono started, last_progress;
	struct client *clients;
	int exit_code;
};

/* Makes one session, which takes messages from the run until there are none. */
void client_start(struct run *r);
/* All of them, when the loop is over. */
void clients_free(struct run *r);

/* ---- secure.c: TLS over a session's socket; ssl NULL: in clear ---- */
struct ssl_st;
struct ssl_st *secure_begin(int fd);
void secure_free(struct ssl_st **ssl);
/* > 0: done; otherwise as secure_recv(). */
int secure_handshake(struct ssl_st *ssl);
/* As send() and recv() on a non-blocking socket. */
ssize_t secure_send(struct ssl_st *ssl, int fd, struct str s);
ssize_t secure_recv(struct ssl_st *ssl, int fd, char *p, size_t size);

/* ---- letter.c: message number n; all appended ---- */
/* `%n` in text is the message's number, `%r` the recipient's. */
void letter_expand(struct buf *b, const char *text, uint64_t n, uint64_t rcpt);
void letter_id(struct buf *b, const struct options *o, uint64_t n);
void letter_rcpt(struct buf *b, const struct options *o, uint64_t n, uint32_t i);
/* Header and body in wire form, the body stuffed, without the final dot. *hash: of the body unstuffed, as mxsim reckons. */
void letter_write(struct buf *b, const struct options *o, uint64_t n, uint64_t *hash);

#endif
