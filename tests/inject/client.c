#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "tests/inject/inject.h"

#define REPLY_MAX  65536
#define RETRY_MS   50
#define LETTER_MAX (64u * 1024 * 1024)

enum step {
	STEP_CONNECT,
	STEP_GREETING,
	STEP_EHLO,
	STEP_STARTTLS,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_DOT,
	STEP_QUIT
};

struct client {
	struct ev_io io;
	struct ev_timer retry;
	struct run *run;
	struct client *next; /* of the run's */
	struct buf in, out;
	uint64_t number, hash; /* the message in hand */
	uint32_t n_on_conn, rcpts_sent, rcpts_answered, rcpts_ok;
	enum step step;
	int fd;
	struct ssl_st *ssl;
	bool in_handshake;
	bool has_message;
	bool ok[1024]; /* by recipient */
};

static void client_connect(struct client *c);

static void
log_fate(struct client *c, const char *fate, struct str detail)
{
	const struct options *o = &c->run->options;
	struct buf b;

	if (c->run->log == NULL)
		return;
	buf_init(&b, 1024 * 1024);
	(void)buf_addf(&b, "%s\t", fate);
	letter_id(&b, o, c->number);
	(void)buf_addf(&b, "\t%016" PRIx64 "\t%.*s", c->hash, STR_ARG(detail));
	for (uint32_t i = 0; i < o->per_message; i++) {
		if (fate[0] == 'a' && !c->ok[i])
			continue;
		(void)buf_add_char(&b, '\t');
		letter_rcpt(&b, o, c->number, i);
	}
	(void)buf_add_char(&b, '\n');
	(void)fwrite(buf_str(&b).p, 1, buf_len(&b), c->run->log);
	buf_clear(&b);
}

static void
hang_up(struct client *c)
{
	if (c->fd < 0)
		return;
	ev_io_stop(&c->io);
	secure_free(&c->ssl);
	c->in_handshake = false;
	(void)close(c->fd);
	c->fd = -1;
	buf_clear(&c->in);
	buf_clear(&c->out);
}

static void
client_end(struct client *c)
{
	hang_up(c);
	ev_timer_stop(&c->retry);
	if (--c->run->n_live == 0)
		ev_stop();
}

static void
note_progress(struct client *c)
{
	c->run->last_progress = ev_now();
}

/* The connection is gone. What was wholly sent and not answered may have been accepted: it is not sent again. */
static void
lost(struct client *c)
{
	struct run *r = c->run;

	hang_up(c);
	r->lost_connections++;
	if (c->has_message && c->step == STEP_DOT) {
		log_fate(c, "unknown", STR_NULL);
		r->unknown++;
		c->has_message = false;
	}
	if (mono_diff_ms(r->last_progress, ev_now()) > (int64_t)r->options.wait_s * 1000) {
		r->exit_code = EXIT_FAILURE;
		client_end(c);
		return;
	}
	ev_timer_in_ms(&c->retry, RETRY_MS);
}

static void
flush(struct client *c)
{
	while (buf_len(&c->out) > 0) {
		ssize_t n = secure_send(c->ssl, c->fd, buf_str(&c->out));

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return; /* reading will tell */
		buf_consume(&c->out, (size_t)n);
	}
	ev_io_want(&c->io, buf_len(&c->out) > 0 ? EV_IN | EV_OUT : EV_IN);
}

static void
add_rcpt(struct client *c, uint32_t i)
{
	(void)buf_add_cstr(&c->out, "RCPT TO:<");
	letter_rcpt(&c->out, &c->run->options, c->number, i);
	(void)buf_add_cstr(&c->out, ">\r\n");
	c->rcpts_sent++;
}

static bool
take_message(struct client *c)
{
	struct run *r = c->run;

	if (c->has_message)
		return true;
	if (r->next >= r->options.messages)
		return false;
	c->number = r->next++;
	c->has_message = true;
	return true;
}

static void
begin_message(struct client *c)
{
	const struct options *o = &c->run->options;

	if (!take_message(c) || (o->per_connection > 0 && c->n_on_conn >= o->per_connection)) {
		(void)buf_add_cstr(&c->out, "QUIT\r\n");
		c->step = STEP_QUIT;
		return;
	}
	c->n_on_conn++;
	c->rcpts_sent = c->rcpts_answered = c->rcpts_ok = 0;
	c->step = STEP_MAIL;
	(void)buf_addf(&c->out, "MAIL FROM:<%s>\r\n", o->sender);
	if (o->no_pipelining)
		return;
	for (uint32_t i = 0; i < o->per_message; i++)
		add_rcpt(c, i);
	(void)buf_add_cstr(&c->out, "DATA\r\n");
}

static void
refused(struct client *c, struct str line)
{
	log_fate(c, "refused", line);
	c->run->refused++;
	c->has_message = false;
	note_progress(c);
}

/* After a refusal: a fresh start of the transaction, unless the server closes. */
static void
start_over(struct client *c)
{
	(void)buf_add_cstr(&c->out, "RSET\r\n");
	c->step = STEP_EHLO; /* its reply leads to the next message */
}

static void
on_greeting(struct client *c, int code, struct str line)
{
	(void)buf_addf(&c->out, "EHLO %s\r\n", c->run->options.ehlo);
	c->step = STEP_EHLO;
	if (code != 220)
		lost(c);
}

static void
on_ehlo(struct client *c, int code, struct str line)
{
	if (c->run->options.tls && c->ssl == NULL) {
		(void)buf_add_cstr(&c->out, "STARTTLS\r\n");
		c->step = STEP_STARTTLS;
		return;
	}
	begin_message(c);
}

static void
on_starttls(struct client *c, int code, struct str line)
{
	if (code != 220)
		fatal("no TLS: %.*s", STR_ARG(line));
	c->ssl = secure_begin(c->fd);
	c->in_handshake = true;
}

/* False: the connection is gone, or it is not done yet. */
static bool
shake_hands(struct client *c)
{
	if (secure_handshake(c->ssl) <= 0) {
		if (errno != EAGAIN)
			lost(c);
		return false;
	}
	c->in_handshake = false;
	(void)buf_addf(&c->out, "EHLO %s\r\n", c->run->options.ehlo);
	c->step = STEP_EHLO;
	flush(c);
	return true;
}

static void
on_mail(struct client *c, int code, struct str line)
{
	c->step = STEP_RCPT;
	if (code / 100 != 2) {
		refused(c, line);
		if (c->run->options.no_pipelining)
			start_over(c);
	} else if (c->run->options.no_pipelining) {
		add_rcpt(c, 0);
	}
}

static void
on_rcpt(struct client *c, int code, struct str line)
{
	const struct options *o = &c->run->options;

	c->ok[c->rcpts_answered++ % countof(c->ok)] = code / 100 == 2;
	c->rcpts_ok += code / 100 == 2;
	if (c->rcpts_answered == o->per_message)
		c->step = STEP_DATA;
	if (!o->no_pipelining)
		return;
	if (c->rcpts_sent < o->per_message)
		add_rcpt(c, c->rcpts_sent);
	else
		(void)buf_add_cstr(&c->out, "DATA\r\n");
}

static void
on_data(struct client *c, int code, struct str line)
{
	if (code != 354) {
		if (c->has_message)
			refused(c, line);
		start_over(c);
		return;
	}
	if (c->has_message && c->rcpts_ok > 0)
		letter_write(&c->out, &c->run->options, c->number, &c->hash);
	(void)buf_add_cstr(&c->out, ".\r\n");
	c->step = STEP_DOT;
}

static void
on_dot(struct client *c, int code, struct str line)
{
	if (code == 250 && c->has_message) {
		log_fate(c, "ack", line);
		c->run->acked++;
		c->run->acked_rcpts += c->rcpts_ok;
		c->has_message = false;
		note_progress(c);
	} else if (c->has_message) {
		refused(c, line);
	}
	begin_message(c);
}

static void
on_quit(struct client *c, int code, struct str line)
{
	hang_up(c);
	if (take_message(c))
		client_connect(c);
	else
		client_end(c);
}

typedef void reply_fn(struct client *c, int code, struct str line);
static reply_fn *const on_reply[] = {
    [STEP_CONNECT] = on_greeting,
    [STEP_GREETING] = on_greeting,
    [STEP_EHLO] = on_ehlo,
    [STEP_STARTTLS] = on_starttls,
    [STEP_MAIL] = on_mail,
    [STEP_RCPT] = on_rcpt,
    [STEP_DATA] = on_data,
    [STEP_DOT] = on_dot,
    [STEP_QUIT] = on_quit,
};

/* One line of a reply. False: the connection is gone. */
static bool
do_line(struct client *c, struct str line)
{
	uint32_t code;

	if (line.len < 3 || !parse_u32(str_sub(line, 0, 3), 200, 599, &code)) {
		lost(c);
		return false;
	}
	if (line.len > 3 && line.p[3] == '-')
		return true;
	if (code == 421 && c->step != STEP_QUIT) {
		if (c->step == STEP_DOT && c->has_message)
			refused(c, line);
		lost(c);
		return false;
	}
	on_reply[c->step](c, (int)code, line);
	return c->fd >= 0;
}

static void
do_replies(struct client *c)
{
	size_t lf;

	while (c->fd >= 0 && (lf = str_find(buf_str(&c->in), '\n')) != STR_NPOS) {
		char line[1024];
		size_t len = str_copy(line, sizeof(line), str_sub(buf_str(&c->in), 0, lf));
		struct str s = str_trim(str_from(line, PH_MIN(len, sizeof(line) - 1)));

		buf_consume(&c->in, lf + 1);
		if (!do_line(c, s))
			return;
	}
	if (c->fd < 0)
		return;
	if (c->in_handshake)
		(void)shake_hands(c);
	else
		flush(c);
}

static void
on_io(struct ev_io *io, int what)
{
	struct client *c = ph_container_of(io, struct client, io);
	char data[16384];
	ssize_t n;

	if ((what & EV_IN) == 0) {
		if (c->step == STEP_CONNECT) {
			c->step = STEP_GREETING;
			c->run->connections++;
		}
		flush(c);
		return;
	}
	if (c->in_handshake && !shake_hands(c))
		return;
	/* what OpenSSL holds is not announced by the socket */
	do {
		n = secure_recv(c->ssl, c->fd, data, sizeof(data));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || buf_add(&c->in, data, (size_t)n) < 0) {
			if (c->step == STEP_QUIT)
				on_quit(c, 221, STR_NULL);
			else
				lost(c);
			return;
		}
		do_replies(c);
	} while (c->ssl != NULL && !c->in_handshake && c->fd >= 0);
}

static void
client_connect(struct client *c)
{
	static const int yes = 1;
	const struct options *o = &c->run->options;
	struct sockaddr_storage ss;
	socklen_t len;

	c->step = STEP_CONNECT;
	c->n_on_conn = 0;
	c->fd = socket(o->server.family == 4 ? AF_INET : AF_INET6,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fatal("no socket: %s", strerrordesc_np(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	ev_io_init(&c->io, c->fd, on_io);
	if (o->source.family != 0) {
		len = net_to_sockaddr(&o->source, &ss);
		if (bind(c->fd, (struct sockaddr *)&ss, len) < 0)
			fatal("cannot use the source address: %s", strerrordesc_np(errno));
	}
	len = net_to_sockaddr(&o->server, &ss);
	if (connect(c->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		lost(c);
		return;
	}
	ev_io_want(&c->io, EV_OUT);
}

static void
on_retry(struct ev_timer *t)
{
	client_connect(ph_container_of(t, struct client, retry));
}

void
client_start(struct run *r)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->run = r;
	c->fd = -1;
	buf_init(&c->in, REPLY_MAX);
	buf_init(&c->out, LETTER_MAX);
	ev_timer_init(&c->retry, on_retry);
	r->n_live++;
	c->next = r->clients;
	r->clients = c;
	client_connect(c);
}

void
clients_free(struct run *r)
{
	struct client *c;

	while ((c = r->clients) != NULL) {
		r->clients = c->next;
		buf_clear(&c->in);
		buf_clear(&c->out);
		free(c);
	}
}
