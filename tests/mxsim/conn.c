#include "tests/mxsim/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/xalloc.h"

#define IN_MAX	  (1024u * 1024)
#define OUT_MAX	  (4u * 1024 * 1024)
#define RCPTS_MAX (16u * 1024 * 1024)
#define READS_MAX 8    /* a turn of the loop */
#define DRAIN_MS  2000 /* how long a client may take to see that we ended */

/* It no longer counts against the provider's limits. */
static void
conn_leave(struct conn *c)
{
	if (c->has_left)
		return;
	c->has_left = true;
	provider_leave(c->provider, c->mx, c->source);
	c->sim->n_conns--;
}

static void
conn_free(struct conn *c)
{
	ev_io_stop(&c->io);
	ev_timer_stop(&c->timer);
	ev_defer_cancel(&c->reap);
	if (c->in_mail)
		provider_count(c->provider, COUNT_lost_in_transaction, 1);
	message_end(&c->message, c->sim->counter.dump_fd, false);
	message_clear(&c->message);
	SSL_free(c->ssl);
	buf_clear(&c->in);
	buf_clear(&c->out);
	buf_clear(&c->rcpts);
	(void)close(c->fd);
	free(c);
}

static void
on_reap(struct ev_defer *d)
{
	conn_free(ph_container_of(d, struct conn, reap));
}

/* No callback of it comes any more; the memory goes at the end of this turn. */
static void
conn_kill(struct conn *c)
{
	static const struct linger no_wait = {.l_onoff = 1, .l_linger = 0};

	if (c->state == CONN_DEAD)
		return;
	if (c->reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof(no_wait));
	c->state = CONN_DEAD;
	conn_leave(c);
	ev_io_stop(&c->io);
	ev_timer_stop(&c->timer);
	ev_defer_queue(&c->reap);
}

void
conn_close_soon(struct conn *c)
{
	c->closing = true;
}

/* Everything was written: say so and wait for the client to end, so that it reads our last words. */
static void
conn_finish(struct conn *c)
{
	if (c->reset || c->ssl != NULL) {
		if (c->ssl != NULL)
			(void)SSL_shutdown(c->ssl);
		conn_kill(c);
		return;
	}
	conn_leave(c);
	(void)shutdown(c->fd, SHUT_WR);
	c->state = CONN_DRAIN;
	ev_timer_in_ms(&c->timer, DRAIN_MS);
	ev_io_want(&c->io, EV_IN);
}

static void
conn_want(struct conn *c)
{
	int want = 0;

	if (c->state == CONN_DEAD)
		return;
	if (!c->held && buf_len(&c->in) < IN_MAX / 4 && buf_len(&c->out) < OUT_MAX / 2)
		want |= EV_IN;
	if ((!c->held && buf_len(&c->out) > 0) || c->ssl_wants_write)
		want |= EV_OUT;
	ev_io_want(&c->io, want);
}

/* Writes what it can. False: the connection is dead or ending. */
static bool
conn_flush(struct conn *c)
{
	while (buf_len(&c->out) > 0) {
		size_t len = c->trickle ? 1 : buf_len(&c->out);
		ssize_t n = tls_write(c, buf_str(&c->out).p, len);

		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) {
			conn_kill(c);
			return false;
		}
		buf_consume(&c->out, (size_t)n);
		if (c->trickle && buf_len(&c->out) > 0) {
			c->held = true;
			ev_timer_in_ms(&c->timer, 1);
			return true;
		}
	}
	c->trickle = false;
	buf_clear(&c->out);
	if (c->closing) {
		conn_finish(c);
		return false;
	}
	return true;
}

static bool
do_handshake(struct conn *c)
{
	int rc;

	if (c->ssl == NULL && tls_begin(c) < 0)
		return false;
	rc = tls_handshake(c);
	if (rc < 0)
		return false;
	if (rc > 0) {
		c->state = CONN_COMMAND;
		c->ehlo[0] = '\0';
		c->ssl_wants_write = false;
		tls_count(c);
	}
	return true;
}

/* After input: hold the replies back as long as the policy says, else write them. */
static void
conn_answer(struct conn *c)
{
	int64_t ms = c->hold_ms + (buf_len(&c->out) > 0 ? c->provider->policy->latency_ms : 0);

	if (c->state == CONN_DEAD || c->state == CONN_DRAIN || c->held)
		return;
	if (ms > 0) {
		c->held = true;
		c->hold_ms = 0;
		ev_timer_in_ms(&c->timer, ms);
	} else if (!conn_flush(c)) {
		return;
	}
	if (c->state == CONN_HANDSHAKE && buf_len(&c->out) == 0 && !do_handshake(c)) {
		conn_kill(c);
		return;
	}
	conn_want(c);
}

/* Bytes that waited go first. */
static void
conn_input(struct conn *c, struct str s)
{
	size_t used;

	if (buf_len(&c->in) > 0) {
		if (buf_add_str(&c->in, s) < 0) {
			conn_kill(c);
			return;
		}
		used = session_input(c, buf_str(&c->in));
		buf_consume(&c->in, used);
		if (buf_len(&c->in) == 0)
			buf_clear(&c->in);
		return;
	}
	used = session_input(c, s);
	if (used < s.len)
		(void)buf_add_str(&c->in, str_skip(s, used));
}

/* Is the socket likely empty? What OpenSSL holds back is never announced by the loop, so TLS is read to the end. */
static bool
is_short(const struct conn *c, size_t n)
{
	return c->ssl == NULL && n < sizeof(c->sim->read_buf) / 2;
}

static void
conn_read(struct conn *c)
{
	struct sim *sim = c->sim;

	for (int i = 0; (i < READS_MAX || c->ssl != NULL) && c->state != CONN_DEAD && !c->held &&
			c->hold_ms == 0;
	     i++) {
		ssize_t n = tls_read(c, sim->read_buf, sizeof(sim->read_buf));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_kill(c);
			return;
		}
		if (c->state == CONN_DRAIN)
			continue;
		conn_input(c, str_from(sim->read_buf, (size_t)n));
		if (c->closing || c->state == CONN_HANDSHAKE || is_short(c, (size_t)n))
			return;
	}
}

static void
on_io(struct ev_io *io, int what)
{
	struct conn *c = ph_container_of(io, struct conn, io);

	if (c->state == CONN_HANDSHAKE && buf_len(&c->out) == 0) {
		if (!do_handshake(c)) {
			conn_kill(c);
			return;
		}
		conn_want(c);
		return;
	}
	if ((what & EV_IN) != 0)
		conn_read(c);
	if (c->state == CONN_DRAIN)
		return;
	conn_answer(c);
}

static void
on_timer(struct ev_timer *t)
{
	struct conn *c = ph_container_of(t, struct conn, timer);

	if (c->state == CONN_DRAIN) {
		conn_kill(c);
		return;
	}
	c->held = false;
	if (!conn_flush(c))
		return;
	if (!c->held && buf_len(&c->in) > 0)
		conn_input(c, STR_NULL);
	if (!c->held && c->ssl != NULL)
		conn_read(c);
	if (!c->held)
		conn_answer(c);
	conn_want(c);
}

void
conn_new(struct listener *l, int fd, const struct net_addr *peer)
{
	static const int yes = 1;
	struct conn *c = xcalloc(1, sizeof(*c));
	const char *refusal;

	c->sim = l->sim;
	c->provider = l->provider;
	c->mx = l->mx;
	c->fd = fd;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, OUT_MAX);
	buf_init(&c->rcpts, RCPTS_MAX);
	message_init(&c->message);
	(void)net_addr_text(peer, c->peer);
	ev_io_init(&c->io, fd, on_io);
	ev_timer_init(&c->timer, on_timer);
	ev_defer_init(&c->reap, on_reap);
	c->sim->n_conns++;
	c->sim->max_conns = PH_MAX(c->sim->max_conns, c->sim->n_conns);
	refusal = provider_enter(c->provider, c->mx, peer, ev_now(), &c->source);
	session_greet(c, refusal);
	conn_answer(c);
}
