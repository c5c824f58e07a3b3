#include "deliverd/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/net/tlsa.h"

#define MAX_SESSIONS 512
#define MAX_NAME     256
#define MAX_AVOIDED  1024
#define AVOID_MS     (60 * 60 * 1000)

struct kept_session {
	uint64_t key;
	SSL_SESSION *session;
};
struct avoided {
	uint64_t key; /* of address and settings */
	struct mono until;
};
/* hashed tables whose slots are overwritten: a collision costs a full handshake or an attempt,
 * nothing else */
static struct {
	struct kept_session sessions[MAX_SESSIONS];
	struct avoided avoided[MAX_AVOIDED];
	int ex_index;
} state;

struct tls {
	SSL *ssl;
	uint64_t key;
	bool reuse;
};

static int
ssl_why(struct why *why, const char *what)
{
	unsigned long e = ERR_get_error();
	const char *reason = e == 0 ? "connection lost" : ERR_reason_error_string(e);

	ERR_clear_error();
	return why_set(why, "%s%s%s", what, *what == '\0' ? "" : ": ",
	    reason == NULL ? "unknown error" : reason);
}

/* ---- beginning and end ---- */

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_ex_data(ssl, state.ex_index);
	struct kept_session *slot;

	if (t == NULL || !t->reuse)
		return 0;
	slot = &state.sessions[t->key % MAX_SESSIONS];
	SSL_SESSION_free(slot->session);
	*slot = (struct kept_session){.key = t->key, .session = session};
	return 1; /* the reference is ours */
}

void
tls_init(void)
{
	tls_server_init();
	state.ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

void
tls_finish(void)
{
	for (size_t i = 0; i < MAX_SESSIONS; i++)
		SSL_SESSION_free(state.sessions[i].session);
	memset(state.sessions, 0, sizeof state.sessions);
	tls_context_clear_all();
}

/* ---- one connection ---- */

/* what a session may be used for again */
static uint64_t
session_key(const struct tls_target *to)
{
	uint64_t parts[4] = {tls_context_id(to->context), str_hash(to->host), str_hash(to->tlsa),
	    str_hash(str_from((const char *)to->dst, sizeof *to->dst))};

	return str_hash(str_from((const char *)parts, sizeof parts));
}

static void
offer_session(struct tls *t)
{
	const struct kept_session *slot = &state.sessions[t->key % MAX_SESSIONS];

	if (t->reuse && slot->session != NULL && slot->key == t->key)
		SSL_set_session(t->ssl, slot->session);
}

/* The name without its last dot; false: RFC 6066 3, names only, never addresses. */
static bool
plain_name(struct str host, char name[MAX_NAME])
{
	struct net_addr literal;

	if (host.len == 0 || host.len >= MAX_NAME || host.p[0] == '[' ||
	    net_addr_parse(host, &literal))
		return false;
	str_copy(name, MAX_NAME, host);
	if (name[host.len - 1] == '.')
		name[host.len - 1] = '\0';
	return true;
}

static bool
is_usable(const struct tlsa *r)
{
	static const size_t lengths[] = {0, 32, 64};

	return (r->usage == 2 || r->usage == 3) && r->selector <= 1 && r->matching <= 2 &&
	       r->data.len > 0 &&
	       (lengths[r->matching] == 0 || r->data.len == lengths[r->matching]);
}

bool
tls_has_usable_tlsa(struct str packed)
{
	struct str base;
	struct tlsa r;

	if (!tlsa_take_base(&packed, &base))
		return false;
	while (tlsa_take(&packed, &r))
		if (is_usable(&r))
			return true;
	return false;
}

/* RFC 7672 3.2.2: the names of a certificate below a trust anchor: the base domain, the exchanger, the domain */
static int
set_dane(struct tls *t, const struct tls_target *to, struct why *why)
{
	struct str rest = to->tlsa, base;
	char name[MAX_NAME];
	struct tlsa r;
	int n = 0;

	if (!tlsa_take_base(&rest, &base) || !plain_name(base, name) ||
	    SSL_dane_enable(t->ssl, name) != 1)
		return ssl_why(why, "DANE");
	SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	if (plain_name(to->host, name))
		SSL_add1_host(t->ssl, name);
	if (plain_name(to->domain, name))
		SSL_add1_host(t->ssl, name);
	while (tlsa_take(&rest, &r)) {
		if (!is_usable(&r))
			continue;
		if (SSL_dane_tlsa_add(t->ssl, r.usage, r.selector, r.matching,
			(const unsigned char *)r.data.p, r.data.len) > 0)
			n++;
	}
	ERR_clear_error();
	return n > 0 ? 0 : why_set(why, "DANE: none of the TLSA records can be read");
}

/* SNI, and whom the certificate must be of */
static int
set_peer(struct tls *t, const struct tls_target *to, struct why *why)
{
	char name[MAX_NAME];

	if (tls_context_is_dane(to->context))
		return set_dane(t, to, why);
	if (!plain_name(to->host, name))
		return 0;
	SSL_set_tlsext_host_name(t->ssl, name);
	if (tls_context_has_ca(to->context))
		SSL_set1_host(t->ssl, name);
	return 0;
}

struct tls *
tls_new(const struct tls_target *to, int fd, struct why *why)
{
	SSL_CTX *ctx = tls_context_ssl(to->context, why);
	struct tls *t;

	if (ctx == NULL)
		return NULL;
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	t = xcalloc(1, sizeof *t);
	t->key = session_key(to);
	t->reuse = to->reuse;
	t->ssl = SSL_new(ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
		ssl_why(why, "no TLS session");
		tls_free(&t);
		return NULL;
	}
	SSL_set_ex_data(t->ssl, state.ex_index, t);
	SSL_set_connect_state(t->ssl);
	if (set_peer(t, to, why) == -1) {
		tls_free(&t);
		return NULL;
	}
	offer_session(t);
	return t;
}

void
tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (t == NULL)
		return;
	SSL_free(t->ssl);
	xfree(tp);
}

/* OpenSSL's verdict on a call that returned n <= 0 */
static enum tls_want
verdict(struct tls *t, int n, struct why *why)
{
	int e = SSL_get_error(t->ssl, n);

	if (e == SSL_ERROR_WANT_READ)
		return TLS_WANT_READ;
	if (e == SSL_ERROR_WANT_WRITE)
		return TLS_WANT_WRITE;
	ssl_why(why, "");
	return TLS_FAILED;
}

/* more than "certificate verify failed" */
static enum tls_want
verify_why(const struct tls *t, struct why *why)
{
	ERR_clear_error();
	why_set(why, "the certificate is not accepted: %s",
	    X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
	return TLS_FAILED;
}

enum tls_want
tls_handshake(struct tls *t, struct why *why)
{
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(t->ssl);
	if (n == 1)
		return TLS_DONE;
	if (SSL_get_verify_result(t->ssl) != X509_V_OK &&
	    SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		return verify_why(t, why);
	return verdict(t, n, why);
}

ssize_t
tls_read(struct tls *t, void *p, size_t size, enum tls_want *want, struct why *why)
{
	int n;

	ERR_clear_error();
	n = SSL_read(t->ssl, p, (int)PH_MIN(size, (size_t)INT32_MAX));
	if (n > 0)
		return n;
	if (SSL_get_error(t->ssl, n) == SSL_ERROR_ZERO_RETURN)
		return 0;
	*want = verdict(t, n, why);
	return -1;
}

ssize_t
tls_write(struct tls *t, const void *p, size_t len, enum tls_want *want, struct why *why)
{
	int n;

	ERR_clear_error();
	n = SSL_write(t->ssl, p, (int)PH_MIN(len, (size_t)INT32_MAX));
	if (n > 0)
		return n;
	*want = verdict(t, n, why);
	return -1;
}

void
tls_shutdown(struct tls *t)
{
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const char *
tls_protocol(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	const char *name = SSL_get_cipher_name(t->ssl);

	return name == NULL ? "" : name;
}

/* ---- peers better left in clear ---- */

static uint64_t
avoided_key(const struct net_addr *dst, const struct tls_context *c)
{
	struct net_addr key = *dst;

	key.pad = 0;
	return str_hash(str_from((const char *)&key, sizeof key)) ^ tls_context_id(c);
}

void
tls_avoid(const struct net_addr *dst, const struct tls_context *c, struct mono now)
{
	uint64_t key = avoided_key(dst, c);

	state.avoided[key % MAX_AVOIDED] =
	    (struct avoided){.key = key, .until = mono_add_ms(now, AVOID_MS)};
}

bool
tls_is_avoided(const struct net_addr *dst, const struct tls_context *c, struct mono now)
{
	uint64_t key = avoided_key(dst, c);
	const struct avoided *a = &state.avoided[key % MAX_AVOIDED];

	return a->key == key && mono_is_before(now, a->until);
}
