/*
 * One client's connection: bytes in and out, in clear or TLS, delays, and its end. What the bytes mean is session.c's.
 */
#ifndef PH_MXSIM_CONN_H
#define PH_MXSIM_CONN_H

#include "tests/mxsim/message.h"
#include "tests/mxsim/sim.h"

enum conn_state {
	CONN_COMMAND,
	CONN_HANDSHAKE,
	CONN_DATA,
	CONN_BDAT,
	CONN_STALLED,
	CONN_DRAIN,
	CONN_DEAD
};

struct conn {
	struct ev_io io;
	struct ev_timer timer;
	struct ev_defer reap;
	struct sim *sim;
	struct provider *provider;
	struct source *source;
	size_t mx;
	struct buf in, out;
	struct message message;
	struct buf rcpts; /* accepted recipients, each with its NUL */
	uint64_t n_messages, chunk_left;
	uint32_t n_rcpts, n_rcpts_seen;
	SSL *ssl;
	int fd, hold_ms;
	enum conn_state state;
	char sender[1024], ehlo[256], peer[NET_ADDR_TEXT];
	bool in_mail, last_chunk, in_chunks, skip_chunks, drop_in_body, is_8bit;
	char auth_challenge[64], auth_user[256];
	unsigned auth_step; /* the next line answers a challenge */
	bool is_authed;
	bool held, closing, reset, trickle, ssl_wants_write, has_left;
};

/* Takes the accepted descriptor. */
void conn_new(struct listener *l, int fd, const struct net_addr *peer);
/* Ends after what was written has gone. */
void conn_close_soon(struct conn *c);
/* 0, or -1: no handshake can begin. */
int tls_begin(struct conn *c) PH_MUST_CHECK;
/* As read(2) and write(2), EAGAIN included, in clear or TLS. */
ssize_t tls_read(struct conn *c, char *p, size_t len);
ssize_t tls_write(struct conn *c, const char *p, size_t len);
/* >0 done, 0 not yet, <0 failed */
int tls_handshake(struct conn *c);
/* After a handshake. */
void tls_count(struct conn *c);
SSL_CTX *tls_context_new(struct why *why);

/* ---- auth.c ---- */
/* The line that offers it, or nothing. */
void auth_offer(const struct conn *c, struct buf *b);
void auth_command(struct conn *c, struct str args);
/* A line while auth_step > 0. */
void auth_line(struct conn *c, struct str line);

/* ---- session.c ---- */
void session_greet(struct conn *c, const char *refusal);
/* Uses bytes from the front of s as long as it may go on; returns how many. */
size_t session_input(struct conn *c, struct str s);

#endif
