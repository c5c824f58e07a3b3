/* A connection's socket: connecting, TLS, reading and writing, never waiting. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deliverd/deliver.h"
#include "deliverd/proxy.h"
#include "deliverd/talk.h"
#include "lib/base/log.h"

#define READ_SIZE	65536
#define READS_PER_EVENT 4
#define FILE_SLICE	(256u * 1024u) /* of a file in one call */
#define WRITE_PER_TURN	(1024u * 1024u)
#define TLS_SLICE	16384 /* one record */

/* ---- connecting ---- */

static int
set_flag(int fd, int level, int option)
{
	const int one = 1;

	return setsockopt(fd, level, option, &one, sizeof one);
}

/* The source address exactly as ordered, or not at all. */
static bool
bind_source(struct conn *c)
{
	struct sockaddr_storage ss;
	socklen_t len;
	char address[NET_ADDR_TEXT], text[NET_ADDR_TEXT + 100];

	if (c->src.family == 0)
		return true;
	len = net_to_sockaddr(&c->src, &ss);
	if (set_flag(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) == 0 &&
	    bind(c->fd, (struct sockaddr *)&ss, len) == 0)
		return true;
	snprintf(text, sizeof text, "cannot use source address %s: %s",
	    net_addr_text(&c->src, address), strerrordesc_np(errno));
	session_lost(c->session, ev_now(), END_LOCAL, text);
	return false;
}

void
conn_connect(struct conn *c)
{
	struct sockaddr_storage ss;
	const struct net_addr *to = c->proxy.family != 0 ? &c->proxy : &c->dst;
	socklen_t len = net_to_sockaddr(to, &ss);

	c->is_connecting = true;
	c->fd = socket(
	    to->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1) {
		conn_failed(c, errno);
		return;
	}
	ev_io_init(&c->io, c->fd, conn_io_cb);
	/* what is to be sent is gathered by us; Nagle's waiting would only delay the end of each
	 * flight */
	if (set_flag(c->fd, IPPROTO_TCP, TCP_NODELAY) == -1) {
		conn_failed(c, errno);
		return;
	}
	if (!bind_source(c))
		return;
	if (connect(c->fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
		c->is_blocked = true; /* writable means connected */
	else
		conn_failed(c, errno);
}

static void
finish_connect(struct conn *c)
{
	int err = 0;
	socklen_t len = sizeof err;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		conn_failed(c, err);
		return;
	}
	c->is_connecting = false;
	c->is_blocked = false;
	if (c->proxy.family != 0)
		proxy_say(session_out(c->session), c->proxy_version, &c->client, &c->dst);
	session_connected(c->session, ev_now());
}

/* ---- TLS ---- */

void
conn_start_tls(struct conn *c)
{
	/* the handshake begins with the next event: the caller is in the middle of the peer's bytes
	 */
	c->in_handshake = true;
	ev_defer_queue(&c->flush);
}

static void
handshake(struct conn *c)
{
	const struct tls_target to = {.context = c->tls_context,
	    .host = str_of(c->host),
	    .domain = str_of(c->domain),
	    .tlsa = str_from(c->tlsa, c->tlsa_len),
	    .dst = &c->dst,
	    .reuse = c->reuse_tls_session};
	struct why why;
	enum tls_want want;

	if (c->tls == NULL)
		c->tls = tls_new(&to, c->fd, &why);
	if (c->tls == NULL) {
		session_tls_failed(c->session, ev_now(), why.text);
		return;
	}
	want = tls_handshake(c->tls, &why);
	c->is_blocked = want == TLS_WANT_WRITE;
	if (want == TLS_FAILED)
		session_tls_failed(c->session, ev_now(), why.text);
	if (want != TLS_DONE)
		return;
	c->in_handshake = false;
	session_tls_up(c->session, ev_now());
}

/* ---- reading ---- */

/* > 0: bytes; 0: nothing now; -1: the end was told */
static ssize_t
read_some(struct conn *c, char *p, size_t size)
{
	struct why why;
	enum tls_want want = TLS_WANT_READ;
	ssize_t n;

	if (c->tls != NULL) {
		n = tls_read(c->tls, p, size, &want, &why);
		c->read_wants_write = n == -1 && want == TLS_WANT_WRITE;
		if (n == -1 && want != TLS_FAILED)
			return 0;
	} else {
		n = recv(c->fd, p, size, 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
	}
	if (n > 0)
		return n;
	if (n == 0)
		session_lost(c->session, ev_now(), END_LOST, "connection closed by the peer");
	else if (c->tls != NULL)
		session_lost(c->session, ev_now(), END_LOST, why.text);
	else
		conn_failed(c, errno);
	return -1;
}

static void
read_all(struct conn *c)
{
	static char bytes[READ_SIZE];
	ssize_t n;

	/* TLS may hold more than the socket shows, so it is read until it has nothing */
	for (int i = 0; (i < READS_PER_EVENT || c->tls != NULL) && !session_is_dead(c->session);
	     i++) {
		n = read_some(c, bytes, sizeof bytes);
		if (n <= 0)
			return;
		talk_bytes(c, true, str_from(bytes, (size_t)n));
		session_input(c->session, ev_now(), str_from(bytes, (size_t)n));
		if (c->in_handshake || (c->tls == NULL && (size_t)n < sizeof bytes))
			return;
	}
}

/* ---- writing ---- */

static ssize_t
write_tls(struct conn *c, const struct out_view *v)
{
	static char slice[TLS_SLICE];
	struct why why;
	enum tls_want want;
	struct str bytes = v->text;
	ssize_t n;

	if (v->fd != -1) {
		n = pread(
		    v->fd, slice, (size_t)PH_MIN(v->len, (uint64_t)sizeof slice), (off_t)v->offset);
		if (n <= 0) {
			errno = n == 0 ? ESTALE : errno;
			return -1;
		}
		bytes = str_from(slice, (size_t)n);
	}
	n = tls_write(c->tls, bytes.p, bytes.len, &want, &why);
	if (n > 0)
		return n;
	c->write_wants_read = want == TLS_WANT_READ;
	errno = want == TLS_FAILED ? EPIPE : EAGAIN;
	return -1;
}

static ssize_t
write_clear(struct conn *c, const struct out_view *v)
{
	off_t offset = (off_t)v->offset;

	if (v->fd == -1)
		return send(c->fd, v->text.p, v->text.len, MSG_NOSIGNAL | (v->more ? MSG_MORE : 0));
	return sendfile(c->fd, v->fd, &offset, (size_t)PH_MIN(v->len, (uint64_t)FILE_SLICE));
}

/* The peer's last words may lie behind a broken pipe: they are heard before the end is told. */
static void
write_failed(struct conn *c, int err)
{
	read_all(c);
	if (!session_is_dead(c->session))
		conn_failed(c, err);
}

static void
write_out(struct conn *c)
{
	struct out_view v;
	uint64_t written = 0;
	ssize_t n;

	while (written < WRITE_PER_TURN && !session_is_dead(c->session) &&
	       outq_next(session_out(c->session), &v)) {
		n = c->tls != NULL ? write_tls(c, &v) : write_clear(c, &v);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			c->is_blocked = !c->write_wants_read;
			return;
		}
		if (n <= 0) {
			/* sendfile gives 0 where the file is shorter than its record said */
			write_failed(c, n == 0 ? ESTALE : errno);
			return;
		}
		talk_written(c, &v, (size_t)n);
		written += (uint64_t)n;
		session_sent(c->session, ev_now(), (uint64_t)n);
	}
}

void
conn_flush_cb(struct ev_defer *d)
{
	struct conn *c = ph_container_of(d, struct conn, flush);

	if (session_is_dead(c->session))
		return;
	if (c->in_handshake)
		handshake(c);
	else
		write_out(c);
	conn_update(c);
}

/* ---- events ---- */

void
conn_want(struct conn *c)
{
	int what = 0;

	if (c->fd == -1 || session_is_dead(c->session))
		return;
	if (!deliver.is_held && !c->is_connecting)
		what |= EV_IN;
	if (c->is_blocked || c->read_wants_write)
		what |= EV_OUT;
	if (what != c->io.want)
		ev_io_want(&c->io, what);
}

static void
on_writable(struct conn *c)
{
	c->is_blocked = false;
	if (c->is_connecting)
		finish_connect(c);
	else if (c->in_handshake)
		handshake(c);
	else
		write_out(c);
}

static void
on_readable(struct conn *c)
{
	if (c->in_handshake) {
		handshake(c);
		return;
	}
	if (c->write_wants_read) {
		c->write_wants_read = false;
		write_out(c);
	}
	read_all(c);
}

void
conn_io_cb(struct ev_io *io, int what)
{
	struct conn *c = ph_container_of(io, struct conn, io);

	if (what & EV_OUT)
		on_writable(c);
	if (!session_is_dead(c->session) &&
	    ((what & EV_IN) || (c->read_wants_write && (what & EV_OUT))) && !c->is_connecting)
		on_readable(c);
	conn_update(c);
}
