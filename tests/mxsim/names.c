#include "tests/mxsim/names.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

#define UDP_READS_MAX 64 /* a turn of the loop */

struct names {
	struct ev_io udp, tcp;
	const struct policy *policy;
	struct names_counts counts;
	int udp_fd, tcp_fd;
};
/* An answer by UDP that waits. */
struct late {
	struct ev_timer timer;
	struct names *names;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	uint8_t reply[NAMES_MAX_REPLY];
};
struct tcp_conn {
	struct ev_io io;
	struct names *names;
	struct buf in, out;
	int fd;
};

static void
on_late(struct ev_timer *t)
{
	struct late *l = ph_container_of(t, struct late, timer);

	(void)sendto(l->names->udp_fd, l->reply, l->len, 0, (struct sockaddr *)&l->to, l->to_len);
	free(l);
}

static void
send_late(struct names *n, const uint8_t *reply, size_t len, const struct sockaddr_storage *to,
    socklen_t to_len, int64_t ms)
{
	struct late *l = xcalloc(1, sizeof(*l));

	l->names = n;
	l->to = *to;
	l->to_len = to_len;
	l->len = len;
	memcpy(l->reply, reply, len);
	ev_timer_init(&l->timer, on_late);
	ev_timer_in_ms(&l->timer, ms);
}

static bool
serve_udp(struct names *n)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	uint8_t query[1500], reply[NAMES_MAX_REPLY];
	int64_t delay_ms;
	ssize_t len =
	    recvfrom(n->udp_fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
	size_t reply_len;

	if (len < 0)
		return false;
	reply_len =
	    names_answer(n->policy, &n->counts, query, (size_t)len, false, reply, &delay_ms);
	if (reply_len > 0 && delay_ms > 0)
		send_late(n, reply, reply_len, &from, from_len, delay_ms);
	else if (reply_len > 0)
		(void)sendto(n->udp_fd, reply, reply_len, 0, (struct sockaddr *)&from, from_len);
	return true;
}

static void
on_udp(struct ev_io *io, int what)
{
	struct names *n = ph_container_of(io, struct names, udp);

	for (int i = 0; i < UDP_READS_MAX && serve_udp(n); i++)
		continue;
}

static void
tcp_free(struct tcp_conn *c)
{
	ev_io_stop(&c->io);
	(void)close(c->fd);
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

/* Answers the whole queries in the buffer, each behind its length (RFC 1035 4.2.2). */
static void
serve_tcp(struct tcp_conn *c)
{
	uint8_t reply[NAMES_MAX_REPLY], prefix[2];
	int64_t delay_ms;

	while (buf_len(&c->in) >= 2) {
		const uint8_t *p = (const uint8_t *)buf_str(&c->in).p;
		size_t len = get_be16(p), n;

		if (buf_len(&c->in) < 2 + len)
			return;
		n = names_answer(
		    c->names->policy, &c->names->counts, p + 2, len, true, reply, &delay_ms);
		buf_consume(&c->in, 2 + len);
		if (n == 0)
			continue;
		put_be16(prefix, (uint16_t)n);
		(void)buf_add(&c->out, prefix, sizeof(prefix));
		(void)buf_add(&c->out, reply, n);
	}
}

static void
on_tcp_io(struct ev_io *io, int what)
{
	struct tcp_conn *c = ph_container_of(io, struct tcp_conn, io);
	char data[4096];
	ssize_t n;

	if ((what & EV_IN) != 0) {
		n = recv(c->fd, data, sizeof(data), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN) ||
		    (n > 0 && buf_add(&c->in, data, (size_t)n) < 0)) {
			tcp_free(c);
			return;
		}
		serve_tcp(c);
	}
	while (buf_len(&c->out) > 0) {
		n = send(c->fd, buf_str(&c->out).p, buf_len(&c->out), MSG_NOSIGNAL);
		if (n <= 0)
			break;
		buf_consume(&c->out, (size_t)n);
	}
	ev_io_want(&c->io, buf_len(&c->out) > 0 ? EV_IN | EV_OUT : EV_IN);
}

static void
on_tcp(struct ev_io *io, int what)
{
	struct names *n = ph_container_of(io, struct names, tcp);
	struct tcp_conn *c;
	int fd = accept4(n->tcp_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->names = n;
	c->fd = fd;
	buf_init(&c->in, 128 * 1024);
	buf_init(&c->out, 1024 * 1024);
	ev_io_init(&c->io, fd, on_tcp_io);
	ev_io_want(&c->io, EV_IN);
}

static int
open_socket(const struct net_addr *a, int type)
{
	static const int yes = 1;
	struct sockaddr_storage ss;
	socklen_t len = net_to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1024) < 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

struct names *
names_new(const struct policy *policy, struct why *why)
{
	struct names *n = xcalloc(1, sizeof(*n));
	char text[NET_ADDR_TEXT];

	n->policy = policy;
	n->udp_fd = open_socket(&policy->name_server, SOCK_DGRAM);
	n->tcp_fd = n->udp_fd < 0 ? -1 : open_socket(&policy->name_server, SOCK_STREAM);
	ev_io_init(&n->udp, n->udp_fd, on_udp);
	ev_io_init(&n->tcp, n->tcp_fd, on_tcp);
	if (n->tcp_fd < 0) {
		(void)why_errno(why, "cannot serve names on %s",
		    net_addr_text_port(&policy->name_server, text));
		names_free(&n);
		return NULL;
	}
	ev_io_want(&n->udp, EV_IN);
	ev_io_want(&n->tcp, EV_IN);
	return n;
}

void
names_set_policy(struct names *n, const struct policy *policy)
{
	n->policy = policy;
}

void
names_free(struct names **np)
{
	struct names *n = *np;

	if (n == NULL)
		return;
	if (n->udp_fd >= 0) {
		ev_io_stop(&n->udp);
		(void)close(n->udp_fd);
	}
	if (n->tcp_fd >= 0) {
		ev_io_stop(&n->tcp);
		(void)close(n->tcp_fd);
	}
	xfree(np);
}

const struct names_counts *
names_counts(const struct names *n)
{
	return &n->counts;
}
