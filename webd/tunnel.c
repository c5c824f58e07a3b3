/*
 * TLS between a client and a socket pair whose other end the HTTP server reads and writes in clear. What came from one
 * side and was not yet taken by the other is bounded by one buffer each way.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf.h"
#include "lib/daemon/daemon.h"
#include "webd/webd.h"

#define CHUNK 16384

struct half {
	char bytes[CHUNK];
	size_t at, end;
};
struct tunnel {
	struct conn *conn;
	SSL *ssl;
	struct ev_io outer, inner; /* the client; our end of the pair */
	struct half in, out;	   /* towards the server; towards the client */
	int ssl_wants;		   /* EV_ bits that a TLS call asked for */
	bool is_up;
	bool in_ended, out_ended; /* the client, the server said all */
	bool is_told;		  /* the server knows that the client said all */
};

void
tunnel_free(struct tunnel **tp)
{
	struct tunnel *t = *tp;

	*tp = NULL;
	ev_io_stop(&t->outer);
	ev_io_stop(&t->inner);
	close(t->inner.fd);
	SSL_free(t->ssl);
	explicit_bzero(t, sizeof *t);
	free(t);
}

static void
end(struct tunnel *t)
{
	struct conn *c = t->conn;

	if (t->is_up && SSL_shutdown(t->ssl) < 0)
		ERR_clear_error();
	tunnel_free(&t);
	conn_left_tunnel(c);
}

/* What a TLS call waits for. False: it failed. */
static bool
note_wish(struct tunnel *t, int r)
{
	int e = SSL_get_error(t->ssl, r);

	if (e == SSL_ERROR_WANT_READ)
		t->ssl_wants |= EV_IN;
	else if (e == SSL_ERROR_WANT_WRITE)
		t->ssl_wants |= EV_OUT;
	else if (e == SSL_ERROR_ZERO_RETURN)
		t->in_ended = true;
	else
		return false;
	return true;
}

static void
log_handshake(const struct tunnel *t, bool ok)
{
	char text[NET_ADDR_TEXT];
	unsigned long e = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(e);

	if (!conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_HTTP_LOG_TLS))
		return;
	(void)net_addr_text(&t->conn->client, text);
	if (ok)
		log_info("event=http-tls client=%s protocol=%s cipher=%s", text,
		    SSL_get_version(t->ssl), SSL_get_cipher_name(t->ssl));
	else
		log_info("event=http-tls-failed client=%s reason=\"%s\"", text,
		    reason == NULL ? "the client is gone" : reason);
}

static bool
shake_hands(struct tunnel *t)
{
	int r = SSL_do_handshake(t->ssl);

	if (r == 1) {
		t->is_up = true;
		log_handshake(t, true);
		return true;
	}
	if (note_wish(t, r) && !t->in_ended)
		return true;
	log_handshake(t, false);
	return false;
}

/* client → server */
static bool
pump_in(struct tunnel *t)
{
	ssize_t n;
	int r;

	if (t->in.at == t->in.end && !t->in_ended) {
		r = SSL_read(t->ssl, t->in.bytes, CHUNK);
		if (r <= 0 && !note_wish(t, r))
			return false;
		t->in.at = 0;
		t->in.end = r > 0 ? (size_t)r : 0;
	}
	if (t->in.at < t->in.end) {
		n = send(t->inner.fd, t->in.bytes + t->in.at, t->in.end - t->in.at, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return false;
		t->in.at += n > 0 ? (size_t)n : 0;
	}
	if (t->in_ended && t->in.at == t->in.end && !t->is_told) {
		t->is_told = true;
		(void)shutdown(t->inner.fd, SHUT_WR);
	}
	return true;
}

/* server → client; false: it is over */
static bool
pump_out(struct tunnel *t)
{
	ssize_t n;
	int r;

	if (t->out.at == t->out.end && !t->out_ended) {
		n = recv(t->inner.fd, t->out.bytes, CHUNK, 0);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return false;
		t->out_ended = n == 0;
		t->out.at = 0;
		t->out.end = n > 0 ? (size_t)n : 0;
	}
	if (t->out.at < t->out.end) {
		r = SSL_write(t->ssl, t->out.bytes + t->out.at, (int)(t->out.end - t->out.at));
		if (r <= 0 && !note_wish(t, r))
			return false;
		t->out.at += r > 0 ? (size_t)r : 0;
	}
	return !t->out_ended || t->out.at < t->out.end;
}

static void
want(struct tunnel *t)
{
	int inner = 0;

	if (t->in.at < t->in.end)
		inner |= EV_OUT;
	else if (t->is_up && !t->in_ended)
		t->ssl_wants |= EV_IN;
	if (t->is_up && t->out.at == t->out.end && !t->out_ended)
		inner |= EV_IN;
	ev_io_want(&t->inner, inner);
	ev_io_want(&t->outer, t->ssl_wants);
}

static void
pump(struct tunnel *t)
{
	bool goes_on = true;

	ERR_clear_error();
	t->ssl_wants = 0;
	if (!t->is_up)
		goes_on = shake_hands(t);
	/* what OpenSSL has read ahead no event tells of */
	while (goes_on && t->is_up) {
		t->ssl_wants = 0;
		goes_on = pump_in(t) && pump_out(t);
		if (t->in.end == 0 || t->in.at < t->in.end || SSL_has_pending(t->ssl) == 0)
			break;
	}
	if (goes_on)
		want(t);
	else
		end(t);
}

static void
on_outer(struct ev_io *io, int what)
{
	pump(ph_container_of(io, struct tunnel, outer));
}

static void
on_inner(struct ev_io *io, int what)
{
	pump(ph_container_of(io, struct tunnel, inner));
}

struct tunnel *
tunnel_new(struct conn *c, struct ssl_ctx_st *ctx, int *inner)
{
	struct tunnel *t;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == -1)
		return NULL;
	t = xcalloc(1, sizeof *t);
	t->conn = c;
	t->ssl = SSL_new(ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, c->fd) != 1)
		fatal("no memory for TLS");
	SSL_set_accept_state(t->ssl);
	*inner = fds[1];
	ev_io_init(&t->outer, c->fd, on_outer);
	ev_io_init(&t->inner, fds[0], on_inner);
	ev_io_want(&t->outer, EV_IN);
	return t;
}
