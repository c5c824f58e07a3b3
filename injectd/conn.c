#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/stats/stats.h"

#define MAX_READS      4 /* of one connection in one turn */
#define DRAIN_MS       2000
#define MAX_DRAIN      (1024u * 1024)
#define WRITE_STALL_MS (5 * 60 * 1000)

static void
give_slot_back(struct conn *c)
{
	slots_give_back(&injectd.slots, c->slot);
	c->slot = 0;
}

static void
conn_free(struct conn *c)
{
	if (conf_bool(session_set(&c->session), CONF_SOURCE_LOG_CONNECTIONS))
		log_info("session=%016jx event=disconnect client=%s messages=%u",
		    (uintmax_t)c->session.id, c->session.client_text, c->session.n_messages);
	ev_io_stop(&c->io);
	ev_timer_stop(&c->timer);
	ev_defer_cancel(&c->again);
	session_clear(&c->session);
	wire_clear(&c->wire);
	give_slot_back(c);
	close(c->io.fd);
	*c->back = c->next;
	if (c->next != NULL)
		c->next->back = c->back;
	free(c);
	injectd.n_conns--;
	stat_set(STAT_IN_CONNS, injectd.n_conns);
	listen_slot_freed();
	stop_check();
}

/* The last reply is written. Closing at once, with input unread, would make the kernel take that reply back. */
static void
finish(struct conn *c)
{
	/* who sees the end may come again at once, to another process */
	if (c->session.is_polite)
		give_slot_back(c);
	if (c->is_shut || wire_shutdown(&c->wire) == -1 || c->is_eof || c->session.is_polite) {
		conn_free(c);
		return;
	}
	c->is_shut = true;
	ev_timer_in_ms(&c->timer, DRAIN_MS);
	ev_io_want(&c->io, EV_IN);
}

static void
drain(struct conn *c)
{
	ssize_t n = read(c->io.fd, injectd.read_buf, sizeof injectd.read_buf);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	c->n_drained += n > 0 ? (uint64_t)n : 0;
	if (n <= 0 || c->n_drained > MAX_DRAIN)
		conn_free(c);
}

/* Writes what the socket takes; -1: the client is gone. */
static int
write_out(struct conn *c)
{
	struct buf *out = &c->session.out;
	ssize_t n;

	while (buf_len(out) > 0) {
		n = wire_write(&c->wire, buf_str(out).p, buf_len(out));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		if (conf_bool(session_set(&c->session), CONF_SOURCE_LOG_DATA))
			log_data(&c->session, false, str_sub(buf_str(out), 0, (size_t)n));
		buf_consume(out, (size_t)n);
	}
	return 0;
}

static void
arm(struct conn *c)
{
	struct mono at = c->session.deadline;

	if (at.ns == MONO_NEVER.ns)
		ev_timer_stop(&c->timer);
	else
		ev_timer_at(&c->timer, at);
}

/* More input is wanted, if there will be any. */
static void
want_input(struct conn *c)
{
	ev_io_want(&c->io, c->is_eof ? 0 : EV_IN | c->wire.wants);
	if (!c->is_eof && wire_has_more(&c->wire))
		ev_defer_queue(&c->again);
	arm(c);
}

static void
log_tls(struct conn *c, const struct why *why)
{
	struct session *s = &c->session;

	if (!conf_bool(session_set(s), CONF_SOURCE_LOG_TLS))
		return;
	if (why != NULL)
		log_info("session=%016jx event=tls-failed client=%s why=%s", (uintmax_t)s->id,
		    s->client_text, log_quote(str_of(why->text)));
	else
		log_info("session=%016jx event=tls client=%s protocol=%s cipher=%s",
		    (uintmax_t)s->id, s->client_text, s->tls.protocol, s->tls.cipher);
}

/* 1: TLS is there; 0: it needs more; -1: c is gone */
static int
handshake(struct conn *c)
{
	struct session *s = &c->session;
	struct ssl_ctx_st *ctx = injectd.listener[s->door].tls;
	struct why why;
	int r = -1;

	/* the certificate may have gone with a reload */
	why_set(&why, "the listener has no certificate");
	if (c->wire.ssl == NULL && ctx != NULL)
		wire_start_tls(&c->wire, ctx);
	if (c->wire.ssl != NULL)
		r = wire_handshake(&c->wire, &why);
	if (r == 0) {
		ev_io_want(&c->io, c->wire.wants);
		arm(c);
	} else if (r == -1) {
		log_tls(c, &why);
		conn_free(c);
	} else {
		struct session_tls tls = {
		    .protocol = wire_protocol(&c->wire), .cipher = wire_cipher(&c->wire)};
		tls.has_print = wire_client_print(&c->wire, tls.print);
		session_tls_up(s, &tls);
		log_tls(c, NULL);
	}
	return r;
}

/* Gives out what was gathered and goes on with kept input, until something else must come. May free c. */
static void
progress(struct conn *c)
{
	struct session *s = &c->session;
	size_t before;

	for (;;) {
		if (write_out(c) == -1) {
			conn_free(c);
			return;
		}
		if (buf_len(&s->out) > 0) {
			ev_io_want(&c->io, c->wire.wants != 0 ? c->wire.wants : EV_OUT);
			ev_timer_in_ms(&c->timer, WRITE_STALL_MS);
			return;
		}
		if (s->state == SESSION_CLOSING) {
			finish(c);
			return;
		}
		if (s->state == SESSION_TLS && handshake(c) <= 0)
			return;
		before = buf_len(&s->in);
		session_resume(s);
		if (buf_len(&s->in) == before && buf_len(&s->out) == 0)
			break;
	}
	if (c->is_eof && s->state != SESSION_WAIT) {
		conn_free(c);
		return;
	}
	want_input(c);
}

/* One read. False: no more for now (c may be gone). */
static bool
take_input(struct conn *c)
{
	ssize_t n = wire_read(&c->wire, injectd.read_buf, sizeof injectd.read_buf);
	bool is_full = n == (ssize_t)sizeof injectd.read_buf;

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		ev_io_want(&c->io, EV_IN | c->wire.wants);
		return false;
	}
	if (n == -1) {
		conn_free(c);
		return false;
	}
	if (n > 0 && conf_bool(session_set(&c->session), CONF_SOURCE_LOG_DATA))
		log_data(&c->session, true, str_from(injectd.read_buf, (size_t)n));
	c->is_eof = n == 0;
	session_input(&c->session, str_from(injectd.read_buf, (size_t)n));
	/* more of the same content: nothing to write, no deadline to look at */
	if (is_full && session_wants_input(&c->session) && buf_len(&c->session.out) == 0)
		return true;
	progress(c);
	return false;
}

static void
on_io(struct ev_io *io, int what)
{
	struct conn *c = ph_container_of(io, struct conn, io);

	if (c->is_shut) {
		drain(c);
		return;
	}
	if ((what & EV_OUT) != 0 || c->session.state == SESSION_TLS ||
	    buf_len(&c->session.out) > 0) {
		progress(c);
		return;
	}
	/* it sends on while a message waits for the disk: only now is the watching stopped */
	if (!session_wants_input(&c->session)) {
		ev_io_want(io, 0);
		return;
	}
	for (int i = 0; i < MAX_READS; i++)
		if (!take_input(c))
			return;
	progress(c);
}

static void
on_again(struct ev_defer *d)
{
	struct conn *c = ph_container_of(d, struct conn, again);

	if (!c->is_shut)
		on_io(&c->io, EV_IN);
}

static void
on_timer(struct ev_timer *t)
{
	struct conn *c = ph_container_of(t, struct conn, timer);

	/* within a handshake nothing can be said */
	if (c->is_shut || buf_len(&c->session.out) > 0 || c->session.state == SESSION_TLS) {
		conn_free(c);
		return;
	}
	session_timeout(&c->session);
	progress(c);
}

static void
on_wake(struct session *s)
{
	progress(ph_container_of(s, struct conn, session));
}

void
conn_new(int fd, uint16_t door, const struct net_addr *client, slot_t slot)
{
	struct conn *c = xcalloc(1, sizeof *c);
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct net_addr local = {0};

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)net_from_sockaddr((struct sockaddr *)&ss, len, &local);
	ev_io_init(&c->io, fd, on_io);
	c->slot = slot;
	wire_init(&c->wire, fd);
	ev_timer_init(&c->timer, on_timer);
	ev_defer_init(&c->again, on_again);
	c->next = injectd.conns;
	c->back = &injectd.conns;
	if (c->next != NULL)
		c->next->back = &c->next;
	injectd.conns = c;
	c->session.wake = on_wake;
	stat_inc(STAT_IN_CONNS_TOTAL);
	stat_set(STAT_IN_CONNS, ++injectd.n_conns);
	session_start(&c->session, &injectd.world, door, client, &local);
	if (conf_bool(session_set(&c->session), CONF_SOURCE_LOG_CONNECTIONS))
		log_info("session=%016jx event=connect client=%s", (uintmax_t)c->session.id,
		    c->session.client_text);
	if (c->session.state == SESSION_CLOSING)
		stat_inc(STAT_IN_CONNS_REFUSED);
	progress(c);
}

void
conns_forget_conf(void)
{
	for (struct conn *c = injectd.conns; c != NULL; c = c->next)
		session_forget_conf(&c->session);
}

void
conns_stop(void)
{
	for (struct conn *c = injectd.conns, *next; c != NULL; c = next) {
		next = c->next;
		session_stop(&c->session);
		if (c->session.state == SESSION_CLOSING && !c->is_shut)
			progress(c);
	}
}

void
conns_free(void)
{
	while (injectd.conns != NULL)
		conn_free(injectd.conns);
}
