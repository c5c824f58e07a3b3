#include "deliverd/talk.h"

#include <stdarg.h>
#include <unistd.h>

#include "lib/base/log.h"

#define ROW	  16
#define TALK_LINE 900u

unsigned
talk_bits(const struct conf_set *set)
{
	static const struct {
		enum conf_key key;
		enum talk_bit bit;
	} rows[] = {{CONF_DOMAIN_LOG_CONNECTIONS, TALK_CONNECTIONS},
	    {CONF_DOMAIN_LOG_COMMANDS, TALK_COMMANDS}, {CONF_DOMAIN_LOG_DATA, TALK_DATA},
	    {CONF_DOMAIN_LOG_TLS, TALK_TLS}, {CONF_DOMAIN_LOG_TRANSFER_FAILURES, TALK_FAILURES}};
	unsigned bits = 0;

	for (size_t i = 0; i < countof(rows); i++) {
		if (conf_bool(set, rows[i].key))
			bits |= rows[i].bit;
	}
	return bits;
}

static void
say(struct conn *c, enum talk_bit bit, struct str text)
{
	struct ipc_conn_talk head = {.conn = c->number};

	if (c->log_bits & bit)
		log_info("conn=%u queue=%s/%s talk=%s", c->number, c->domain,
		    c->vmta[0] == '\0' ? "{default}" : c->vmta, log_quote(text));
	if ((c->trace_bits & bit) && deliver.queued != NULL && !c->is_orphan)
		ipc_send(deliver.queued, IPC_CONN_TALK, &head, &text, -1);
}

/* One line about the connection, if somebody wants that kind. */
static PH_PRINTF(3, 4) void talk_say(struct conn *c, enum talk_bit bit, const char *fmt, ...)
{
	char text[TALK_LINE];
	va_list ap;
	int n;

	if (((c->log_bits | c->trace_bits) & bit) == 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	say(c, bit, str_from(text, PH_MIN((size_t)PH_MAX(n, 0), sizeof text - 1)));
}

void
talk_spoken(struct conn *c, bool from_peer, struct str line)
{
	talk_say(c, TALK_COMMANDS, "%s %.*s", from_peer ? ">>>" : "<<<",
	    STR_ARG(str_sub(line, 0, TALK_LINE - 8)));
}

static void
say_row(struct conn *c, struct str bytes, size_t at)
{
	char line[3 * ROW + ROW + 16], *p = line;
	size_t n = PH_MIN(bytes.len - at, (size_t)ROW);

	p += snprintf(p, 8, "%04zx ", at & 0xffff);
	for (size_t i = 0; i < n; i++)
		p += snprintf(p, 4, "%02x ", (unsigned char)bytes.p[at + i]);
	for (size_t i = 0; i < n; i++)
		*p++ = ascii_is_print(bytes.p[at + i]) ? bytes.p[at + i] : '.';
	say(c, TALK_DATA, str_from(line, (size_t)(p - line)));
}

void
talk_bytes(struct conn *c, bool from_peer, struct str bytes)
{
	bool is_secret;

	*(from_peer ? &c->n_in : &c->n_out) += bytes.len;
	if (((c->log_bits | c->trace_bits) & TALK_DATA) == 0)
		return;
	is_secret = session_is_in_auth(c->session);
	talk_say(c, TALK_DATA, "%s %zu%s", from_peer ? ">>> rd" : "<<< wr", bytes.len,
	    is_secret ? " (not shown)" : "");
	for (size_t at = 0; at < bytes.len && !is_secret; at += ROW)
		say_row(c, bytes, at);
}

void
talk_written(struct conn *c, const struct out_view *v, size_t n)
{
	static char bytes[4096];
	size_t at = 0;
	ssize_t got;

	if (v->fd == -1) {
		talk_bytes(c, false, str_sub(v->text, 0, n));
		return;
	}
	if (((c->log_bits | c->trace_bits) & TALK_DATA) == 0) {
		c->n_out += n;
		return;
	}
	while (at < n) {
		got = pread(v->fd, bytes, PH_MIN(n - at, sizeof bytes), (off_t)(v->offset + at));
		if (got <= 0)
			return;
		talk_bytes(c, false, str_from(bytes, (size_t)got));
		at += (size_t)got;
	}
}

/* ---- what becomes of it ---- */

void
talk_connecting(struct conn *c)
{
	char dst[NET_ADDR_TEXT], src[NET_ADDR_TEXT];

	if (((c->log_bits | c->trace_bits) & TALK_CONNECTIONS) == 0)
		return;
	talk_say(c, TALK_CONNECTIONS, "connecting to %s (%s) from %s", c->host,
	    net_addr_text_port(&c->dst, dst),
	    c->src.family == 0 ? "any address" : net_addr_text(&c->src, src));
}

void
talk_up(struct conn *c)
{
	char src[NET_ADDR_TEXT];

	if (c->tls != NULL)
		talk_say(c, TALK_TLS, "TLS established: %s %s%s", tls_protocol(c->tls),
		    tls_cipher(c->tls), c->tlsa_len > 0 ? ", certificate checked by DANE" : "");
	if (((c->log_bits | c->trace_bits) & TALK_CONNECTIONS) != 0)
		talk_say(c, TALK_CONNECTIONS, "connected to %s from %s", c->host,
		    net_addr_text(&c->bound, src));
}

void
talk_result(struct conn *c, const struct session_result *r)
{
	if (r->outcome != OUT_FAILED && r->outcome != OUT_DEFERRED)
		return;
	talk_say(c, TALK_FAILURES, "transfer failed: id=%016llx rcpt=%u %.*s",
	    (unsigned long long)r->id, r->rcpt, STR_ARG(str_sub(r->text, 0, 500)));
}

void
talk_down(struct conn *c, const struct session_end *e)
{
	char dst[NET_ADDR_TEXT];

	if (((c->log_bits | c->trace_bits) & ~TALK_DATA) == 0)
		return;
	if (e->stage == STAGE_TLS && e->end != END_CLOSED)
		talk_say(c, TALK_TLS, "%.*s", STR_ARG(str_sub(e->text, 0, 500)));
	if (e->end != END_CLOSED && e->stage >= STAGE_MAIL && e->stage <= STAGE_BODY)
		talk_say(
		    c, TALK_FAILURES, "transfer broken: %.*s", STR_ARG(str_sub(e->text, 0, 500)));
	talk_say(c, TALK_CONNECTIONS, "closed %s (%s) in=%llu out=%llu%s%.*s", c->host,
	    net_addr_text(&c->dst, dst), (unsigned long long)c->n_in, (unsigned long long)c->n_out,
	    e->end == END_CLOSED ? "" : ": ",
	    STR_ARG(e->end == END_CLOSED ? STR("") : str_sub(e->text, 0, 400)));
}
