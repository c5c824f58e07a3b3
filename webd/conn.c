/*
 * Connections: each has a deadline for its next step, so that a client that says little, slowly, holds nothing for long;
 * their number is bounded in all and by client, and an idle one makes room for a new one. On one port come TLS and clear
 * text: the first byte tells.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "webd/webd.h"

#define MAX_CONNS      512
#define MAX_CLIENT     128 /* of one address */
#define MAX_ACCEPTS    32  /* in one turn */
#define NO_FD_PAUSE_MS 500
#define FIRST_MS       20000 /* from accept to the end of the first request's header */
#define TLS_FIRST_BYTE 0x16  /* a handshake record, RFC 8446 5.1 */

static struct {
	struct conn *list; /* the newest first */
	size_t n;
	struct ev_io listener;
	bool is_listening;
	struct ev_timer accept_again;
	struct ssl_ctx_st *ctx;
} conns;

static void
free_if_done(struct conn *c)
{
	if (c->in_server || c->tunnel != NULL || c->fd != -1)
		return;
	ev_timer_stop(&c->deadline);
	*c->back = c->next;
	if (c->next != NULL)
		c->next->back = c->back;
	conns.n--;
	free(c);
}

static void
close_fd(struct conn *c)
{
	if (c->fd == -1)
		return;
	close(c->fd);
	c->fd = -1;
}

/* Nothing of it is waited for any more; its owners see the end of the stream. */
static void
cut(struct conn *c)
{
	ev_timer_stop(&c->deadline);
	c->is_idle = false; /* it is going already */
	if (c->fd != -1 && shutdown(c->fd, SHUT_RDWR) == -1 && errno != ENOTCONN)
		log_debug("event=shutdown-failed errno=%d", errno);
	if (c->in_server || c->tunnel != NULL)
		return;
	ev_io_stop(&c->io);
	close_fd(c);
	free_if_done(c);
}

static void
on_deadline(struct ev_timer *t)
{
	cut(ph_container_of(t, struct conn, deadline));
}

void
conn_allow_ms(struct conn *c, int64_t ms)
{
	if (ms < 0)
		ev_timer_stop(&c->deadline);
	else
		ev_timer_in_ms(&c->deadline, ms);
}

void
conn_left_server(struct conn *c)
{
	c->in_server = false;
	/* libmicrohttpd closes what it was given itself */
	if (c->tunnel == NULL)
		c->fd = -1;
	free_if_done(c);
}

void
conn_left_tunnel(struct conn *c)
{
	c->tunnel = NULL;
	close_fd(c);
	free_if_done(c);
}

static void
serve_clear(struct conn *c)
{
	int fd = c->fd;

	c->in_server = true;
	if (server_add(c, fd) == 0)
		return;
	c->in_server = false;
	c->fd = -1;
	free_if_done(c);
}

static void
serve_tls(struct conn *c)
{
	int inner;

	c->is_tls = true;
	c->tunnel = tunnel_new(c, conns.ctx, &inner);
	if (c->tunnel == NULL) {
		cut(c);
		return;
	}
	c->in_server = true;
	if (server_add(c, inner) == 0)
		return;
	c->in_server = false;
	cut(c);
}

static void
on_first_byte(struct ev_io *io, int what)
{
	struct conn *c = ph_container_of(io, struct conn, io);
	unsigned char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		cut(c);
		return;
	}
	ev_io_stop(&c->io);
	if (byte == TLS_FIRST_BYTE && conns.ctx != NULL)
		serve_tls(c);
	else
		serve_clear(c);
}

/* ---- coming ---- */

static size_t
n_of(const struct net_addr *client)
{
	size_t n = 0;

	for (const struct conn *c = conns.list; c != NULL; c = c->next)
		n += net_addr_eq(&c->client, client);
	return n;
}

/* The one that has been idle longest gives its place to a new one. */
static void
make_room(void)
{
	struct conn *oldest = NULL;

	for (struct conn *c = conns.list; c != NULL; c = c->next)
		if (c->is_idle)
			oldest = c;
	if (oldest != NULL)
		cut(oldest);
}

static void
add(int fd, const struct net_addr *client)
{
	struct conn *c;

	if (conns.n >= MAX_CONNS - MAX_ACCEPTS)
		make_room();
	if (conns.n >= MAX_CONNS || n_of(client) >= MAX_CLIENT || access_of(client).is_barred) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof *c);
	*c = (struct conn){
	    .fd = fd, .client = *client, .is_idle = true, .next = conns.list, .back = &conns.list};
	if (c->next != NULL)
		c->next->back = &c->next;
	conns.list = c;
	conns.n++;
	ev_timer_init(&c->deadline, on_deadline);
	conn_allow_ms(c, FIRST_MS);
	ev_io_init(&c->io, fd, on_first_byte);
	ev_io_want(&c->io, EV_IN);
}

static bool
accept_one(int from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct net_addr client = {0};
	int fd = accept4(from, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn("event=accept-failed why=\"%s\"", strerrordesc_np(errno));
			ev_io_want(&conns.listener, 0);
			ev_timer_in_ms(&conns.accept_again, NO_FD_PAUSE_MS);
		}
		return errno == ECONNABORTED || errno == EINTR;
	}
	(void)net_from_sockaddr((struct sockaddr *)&ss, len, &client);
	add(fd, &client);
	return true;
}

static void
on_accept(struct ev_io *io, int what)
{
	for (int i = 0; i < MAX_ACCEPTS && accept_one(io->fd); i++)
		;
}

static void
on_accept_again(struct ev_timer *t)
{
	if (conns.is_listening)
		ev_io_want(&conns.listener, EV_IN);
}

void
conns_init(void)
{
	ev_timer_init(&conns.accept_again, on_accept_again);
}

void
conns_unlisten(void)
{
	if (!conns.is_listening)
		return;
	ev_io_stop(&conns.listener);
	close(conns.listener.fd);
	conns.is_listening = false;
}

void
conns_listen(int fd)
{
	conns_unlisten();
	ev_io_init(&conns.listener, fd, on_accept);
	ev_io_want(&conns.listener, EV_IN);
	conns.is_listening = true;
}

void
conns_use_tls(struct ssl_ctx_st *ctx)
{
	/* connections keep theirs alive */
	SSL_CTX_free(conns.ctx);
	conns.ctx = ctx;
}

bool
conns_have_tls(void)
{
	return conns.ctx != NULL;
}

void
conns_free(void)
{
	conns_unlisten();
	for (struct conn *c = conns.list, *next; c != NULL; c = next) {
		next = c->next;
		if (c->tunnel != NULL) {
			tunnel_free(&c->tunnel);
			close_fd(c);
		}
		cut(c);
	}
	conns_use_tls(NULL);
}
