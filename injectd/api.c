#include "injectd/api.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "injectd/api_int.h"
#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"

#define MAX_LISTENERS 16
#define MAX_CONNS     64 /* of each process */
#define MAX_ACCEPTS   16 /* in one turn */
#define MAX_READS     16
#define HEAD_MS	      30000 /* for a head, and between two requests */
#define BODY_MS	      120000
#define WRITE_MS      60000
#define PATH	      "/api/v1/transmissions"

#define NO_FD_PAUSE_MS 500

enum stage { TLS, HEAD, BODY, WORK, REPLY };

struct api_conn {
	struct api_conn *next, **back;
	struct ev_io io;
	struct ev_timer timer;
	struct ev_defer again;
	struct wire wire;
	struct net_addr client;
	char client_text[NET_ADDR_TEXT];
	enum stage stage;
	struct buf in, out;
	uint64_t body_len;
	struct api_mail mail;
	struct api_send send;
	bool closes;
};
struct api_listener {
	struct ev_io io;
	struct net_addr addr;
	struct ssl_ctx_st *tls; /* borrowed from tls_in.c */
	bool is_open;
};
static struct {
	struct api_listener listener[MAX_LISTENERS];
	struct api_conn *conns;
	size_t n_conns;
	struct ev_timer accept_again;
	bool is_started, is_stopping;
} api;

static const struct conf_set *
settings(void)
{
	const struct conf *c = daemon_conf();

	return conf_n_blocks(c, CONF_BLOCK_API) == 0 ? NULL : conf_block_at(c, CONF_BLOCK_API, 0);
}

static bool
says(enum conf_key key)
{
	return settings() != NULL && conf_bool(settings(), key);
}

/* ---- ends ---- */

static void
conn_free(struct api_conn *c)
{
	ev_io_stop(&c->io);
	ev_timer_stop(&c->timer);
	ev_defer_cancel(&c->again);
	api_send_clear(&c->send);
	api_mail_clear(&c->mail);
	buf_clear(&c->in);
	buf_clear(&c->out);
	wire_clear(&c->wire);
	close(c->io.fd);
	*c->back = c->next;
	if (c->next != NULL)
		c->next->back = c->back;
	free(c);
	api.n_conns--;
	stop_check();
}

static void
log_bytes(const struct api_conn *c, bool is_input, struct str bytes)
{
	if (says(CONF_API_LOG_DATA))
		log_info("event=api-data client=%s %s=%s", c->client_text, is_input ? "in" : "out",
		    log_quote(str_sub(bytes, 0, 512)));
}

/* ---- answers ---- */

static const char *
phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {{200, "OK"}, {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"},
	    {405, "Method Not Allowed"}, {413, "Content Too Large"}, {500, "Internal Server Error"},
	    {503, "Service Unavailable"}};

	for (size_t i = 0; i < countof(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "";
}

static void
add_json(struct buf *b, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			(void)buf_add_char(b, '\\');
		(void)buf_add_char(b, ascii_is_print(*p) || *p == ' ' ? *p : '?');
	}
}

/* The whole answer; body: JSON. */
static void
answer(struct api_conn *c, int status, const struct buf *body)
{
	(void)buf_addf(&c->out,
	    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	    "Connection: %s\r\n\r\n",
	    status, phrase(status), buf_len(body), c->closes ? "close" : "keep-alive");
	(void)buf_add_str(&c->out, buf_str(body));
	c->stage = REPLY;
	ev_timer_in_ms(&c->timer, WRITE_MS);
	log_bytes(c, false, buf_str(&c->out));
	if (says(CONF_API_LOG_REQUESTS))
		log_info("event=api-request client=%s status=%d accepted=%zu rejected=%zu",
		    c->client_text, status, c->send.n_accepted, c->send.n_rejected);
}

static void
answer_error(struct api_conn *c, int status, const char *text)
{
	struct buf b;

	buf_init(&b, 4096);
	(void)buf_add_cstr(&b, "{\"errors\":[{\"message\":\"");
	add_json(&b, phrase(status));
	(void)buf_add_cstr(&b, "\",\"description\":\"");
	add_json(&b, text);
	(void)buf_add_cstr(&b, "\"}]}\n");
	answer(c, status, &b);
	buf_clear(&b);
}

/* The body was not read: what follows would be taken for a request. */
static void
refuse(struct api_conn *c, int status, const char *text)
{
	c->closes = true;
	answer_error(c, status, text);
}

static void go_on(struct api_conn *c);

static void
on_sent(struct api_send *s)
{
	struct api_conn *c = ph_container_of(s, struct api_conn, send);
	struct buf b;

	buf_init(&b, 4096);
	if (s->n_accepted == 0 && s->code / 100 == 5) {
		answer_error(c, 400, s->text);
	} else if (s->n_accepted == 0) {
		answer_error(c, s->code == 0 ? 500 : 503, s->text);
	} else {
		(void)buf_addf(&b,
		    "{\"results\":{\"total_accepted_recipients\":%zu,"
		    "\"total_rejected_recipients\":%zu}}\n",
		    s->n_accepted, s->n_rejected);
		answer(c, 200, &b);
	}
	buf_clear(&b);
	api_send_clear(s);
	api_mail_clear(&c->mail);
	buf_clear(&c->in);
	go_on(c);
}

/* ---- requests ---- */

/* The time it takes does not tell how much of it is right. */
static bool
key_is_known(struct str key)
{
	const struct conf_set *set = settings();
	bool known = false;

	for (size_t i = 0; set != NULL && i < conf_n(set, CONF_API_API_KEY); i++) {
		struct str k = conf_item(set, CONF_API_API_KEY, i);
		unsigned differs = k.len != key.len;
		for (size_t n = 0; n < k.len && n < key.len; n++)
			differs |= (unsigned char)(k.p[n] ^ key.p[n]);
		known = known || (differs == 0 && k.len > 0);
	}
	return known;
}

static void
begin_body(struct api_conn *c, const struct api_head *h)
{
	c->body_len = h->length;
	c->stage = BODY;
	ev_timer_in_ms(&c->timer, BODY_MS);
	if (h->wants_continue && buf_len(&c->in) == 0) {
		struct str go = STR("HTTP/1.1 100 Continue\r\n\r\n");
		/* a client that reads nothing of what it asked for goes on after a while */
		if (wire_write(&c->wire, go.p, go.len) != (ssize_t)go.len)
			c->closes = true;
	}
}

/* False: more is needed. */
static bool
take_head(struct api_conn *c)
{
	struct str in = buf_str(&c->in);
	size_t len = api_head_len(in);
	struct api_head h;

	if (len == 0 && in.len <= API_MAX_HEAD)
		return false;
	if (len == 0 || len > API_MAX_HEAD || !api_head_parse(str_sub(in, 0, len), &h)) {
		refuse(c, 400, "The request is malformed");
		return true;
	}
	c->closes = h.closes || api.is_stopping;
	if (!key_is_known(h.key))
		refuse(c, 403, "The Authorization field has no key that is known here");
	else if (!str_eq(h.target, STR(PATH)))
		refuse(c, 404, "There is only " PATH);
	else if (!str_eq(h.method, STR("POST")))
		refuse(c, 405, "Only POST is possible");
	else if (!h.has_length || h.is_chunked)
		refuse(c, 400, "Content-Length is missing");
	else if (h.length > API_MAX_BODY)
		refuse(c, 413, "The request is too large");
	else {
		buf_consume(&c->in, len);
		begin_body(c, &h);
	}
	return true;
}

static bool
take_body(struct api_conn *c)
{
	struct why why = {0};
	struct str in = buf_str(&c->in);

	if (in.len < c->body_len)
		return false;
	/* nobody sends the next request before this one is answered */
	if (in.len > c->body_len) {
		refuse(c, 400, "More came than Content-Length says");
		return true;
	}
	ev_timer_stop(&c->timer);
	if (injectd.world.refusal.smtp_code != 0) {
		answer_error(c, 503, injectd.world.refusal.text);
		buf_clear(&c->in);
	} else if (api_mail_read(&c->mail, c->in.base + c->in.head, in.len, &why) == -1) {
		answer_error(c, 400, why.text);
		api_mail_clear(&c->mail);
		buf_clear(&c->in);
	} else {
		c->stage = WORK;
		c->send.done = on_sent;
		api_send_start(&c->send, &injectd.world, &c->client, &c->mail);
	}
	return true;
}

/* ---- the socket ---- */

/* 1: all was written; 0: more later; -1: c is gone */
static int
write_out(struct api_conn *c)
{
	ssize_t n;

	while (buf_len(&c->out) > 0) {
		n = wire_write(&c->wire, buf_str(&c->out).p, buf_len(&c->out));
		if (n > 0) {
			buf_consume(&c->out, (size_t)n);
		} else if (n == -1 && errno == EAGAIN) {
			ev_io_want(&c->io, EV_OUT | c->wire.wants);
			return 0;
		} else if (n != -1 || errno != EINTR) {
			conn_free(c);
			return -1;
		}
	}
	return 1;
}

/* 1: something came; 0: nothing now; -1: c is gone */
static int
read_in(struct api_conn *c)
{
	ssize_t n = wire_read(&c->wire, injectd.read_buf, sizeof injectd.read_buf);

	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		ev_io_want(&c->io, EV_IN | c->wire.wants);
		return 0;
	}
	if (n > 0)
		log_bytes(c, true, str_from(injectd.read_buf, (size_t)n));
	if (n <= 0 || buf_add(&c->in, injectd.read_buf, (size_t)n) == -1) {
		conn_free(c);
		return -1;
	}
	return 1;
}

static int
handshake(struct api_conn *c)
{
	struct why why;
	int r = wire_handshake(&c->wire, &why);

	if (r == 0) {
		ev_io_want(&c->io, c->wire.wants);
		return 0;
	}
	if (says(CONF_API_LOG_TLS))
		log_info("event=api-tls client=%s %s=%s", c->client_text,
		    r > 0 ? "protocol" : "why",
		    r > 0 ? wire_protocol(&c->wire) : log_quote(str_of(why.text)));
	if (r < 0) {
		conn_free(c);
		return -1;
	}
	c->stage = HEAD;
	return 1;
}

/* The answer was written. False: c is gone. */
static bool
end_reply(struct api_conn *c)
{
	if (c->closes) {
		(void)wire_shutdown(&c->wire);
		conn_free(c);
		return false;
	}
	c->stage = HEAD;
	ev_timer_in_ms(&c->timer, HEAD_MS);
	return true;
}

/* One step in the present stage. False: it waits, or c is gone. */
static bool
step(struct api_conn *c)
{
	switch (c->stage) {
	case TLS:
		return handshake(c) > 0;
	case HEAD:
		return take_head(c) || read_in(c) > 0;
	case BODY:
		return take_body(c) || read_in(c) > 0;
	case REPLY:
		return write_out(c) > 0 && end_reply(c);
	default:
		ev_io_want(&c->io, 0);
		return false;
	}
}

static void
go_on(struct api_conn *c)
{
	for (unsigned i = 0; i < MAX_READS; i++)
		if (!step(c))
			return;
	ev_defer_queue(&c->again);
}

static void
on_io(struct ev_io *io, int what)
{
	go_on(ph_container_of(io, struct api_conn, io));
}

static void
on_again(struct ev_defer *d)
{
	go_on(ph_container_of(d, struct api_conn, again));
}

static void
on_timer(struct ev_timer *t)
{
	conn_free(ph_container_of(t, struct api_conn, timer));
}

static void
new_conn(struct api_listener *l, int fd, const struct net_addr *client)
{
	struct api_conn *c = xcalloc(1, sizeof *c);

	ev_io_init(&c->io, fd, on_io);
	ev_timer_init(&c->timer, on_timer);
	ev_defer_init(&c->again, on_again);
	wire_init(&c->wire, fd);
	buf_init(&c->in, API_MAX_HEAD + API_MAX_BODY + INJECTD_READ_BYTES);
	buf_init(&c->out, 8192);
	c->client = *client;
	(void)net_addr_text(client, c->client_text);
	c->next = api.conns;
	c->back = &api.conns;
	if (c->next != NULL)
		c->next->back = &c->next;
	api.conns = c;
	api.n_conns++;
	wire_start_tls(&c->wire, l->tls);
	ev_timer_in_ms(&c->timer, HEAD_MS);
	go_on(c);
}

static void
on_accept_again(struct ev_timer *t)
{
	api_start();
}

/* no descriptors or memory are left: level-triggered, it would spin */
static void
pause_accepting(void)
{
	log_warn("event=accept-failed why=\"%s\"", strerrordesc_np(errno));
	for (size_t i = 0; i < MAX_LISTENERS; i++)
		if (api.listener[i].is_open)
			ev_io_want(&api.listener[i].io, 0);
	if (api.accept_again.cb == NULL)
		ev_timer_init(&api.accept_again, on_accept_again);
	ev_timer_in_ms(&api.accept_again, NO_FD_PAUSE_MS);
}

static void
on_accept(struct ev_io *io, int what)
{
	struct api_listener *l = ph_container_of(io, struct api_listener, io);
	struct sockaddr_storage ss;
	struct net_addr client;

	for (int i = 0; i < MAX_ACCEPTS; i++) {
		socklen_t len = sizeof ss;
		int fd =
		    accept4(io->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM)
				pause_accepting();
			return;
		}
		client = (struct net_addr){0};
		(void)net_from_sockaddr((struct sockaddr *)&ss, len, &client);
		if (l->tls == NULL || api.n_conns >= MAX_CONNS)
			close(fd);
		else
			new_conn(l, fd, &client);
	}
}

/* ---- listeners ---- */

static struct api_listener *
find(struct str address)
{
	struct net_addr addr;

	if (!net_addr_parse_port(address, &addr))
		return NULL;
	for (size_t i = 0; i < MAX_LISTENERS; i++) {
		struct api_listener *l = &api.listener[i];
		if (l->is_open && net_addr_eq(&l->addr, &addr) && l->addr.port == addr.port)
			return l;
	}
	return NULL;
}

void
api_remove(struct str address)
{
	struct api_listener *l = find(address);

	if (l == NULL)
		return;
	ev_io_stop(&l->io);
	close(l->io.fd);
	l->is_open = false;
}

void
api_add(struct str address, int fd)
{
	size_t i = 0;

	api_remove(address);
	while (i < MAX_LISTENERS && api.listener[i].is_open)
		i++;
	if (i == MAX_LISTENERS || !net_addr_parse_port(address, &api.listener[i].addr)) {
		log_error("event=too-many-listeners address=%s", log_quote(address));
		close(fd);
		return;
	}
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		log_warn("event=listener-options why=\"%s\"", strerrordesc_np(errno));
	api.listener[i].is_open = true;
	ev_io_init(&api.listener[i].io, fd, on_accept);
	if (api.is_started) {
		api_use_conf();
		api_start();
	}
}

void
api_start(void)
{
	api.is_started = true;
	for (size_t i = 0; i < MAX_LISTENERS && !api.is_stopping; i++)
		if (api.listener[i].is_open)
			ev_io_want(&api.listener[i].io, EV_IN);
}

void
api_use_conf(void)
{
	const struct conf *c = daemon_conf();

	for (size_t i = 0; i < MAX_LISTENERS; i++)
		api.listener[i].tls = NULL;
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_APILISTENER); i++) {
		struct api_listener *l = find(conf_block_name(c, CONF_BLOCK_APILISTENER, i));
		if (l != NULL)
			l->tls = tls_in_api_context(i);
	}
}

void
api_forget_conf(void)
{
	for (struct api_conn *c = api.conns; c != NULL; c = c->next)
		if (c->stage == WORK)
			session_forget_conf(&c->send.feed.session);
}

/* ---- life ---- */

bool
api_is_busy(void)
{
	return api.n_conns > 0;
}

void
api_stop(void)
{
	api.is_stopping = true;
	ev_timer_stop(&api.accept_again);
	for (size_t i = 0; i < MAX_LISTENERS; i++)
		if (api.listener[i].is_open)
			ev_io_want(&api.listener[i].io, 0);
	for (struct api_conn *c = api.conns, *next; c != NULL; c = next) {
		next = c->next;
		c->closes = true;
		if (c->stage == TLS || c->stage == HEAD)
			conn_free(c);
	}
}

void
api_close(void)
{
	while (api.conns != NULL)
		conn_free(api.conns);
	for (size_t i = 0; i < MAX_LISTENERS; i++)
		if (api.listener[i].is_open)
			close(api.listener[i].io.fd);
}
