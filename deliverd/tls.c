#include "deliverd/tls.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_CONTEXTS 16
#define MAX_SESSIONS 512
#define MAX_AVOIDED  1024
#define AVOID_MS     (60 * 60 * 1000)

struct context {
	struct tls_settings want;
	SSL_CTX *ctx;
};
struct kept_session {
	uint64_t key;
	SSL_SESSION *session;
};
struct avoided {
	struct net_addr addr;
	struct mono until;
};
/* hashed tables whose slots are overwritten: a collision costs a full handshake or an attempt,
 * nothing else */
static struct {
	struct context contexts[MAX_CONTEXTS];
	size_t next_context;
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

/* ---- contexts ---- */

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

static void
limit_versions(SSL_CTX *ctx, uint32_t versions)
{
	static const struct {
		enum tls_version bit;
		uint64_t no;
	} all[] = {{TLS_1_0, SSL_OP_NO_TLSv1}, {TLS_1_1, SSL_OP_NO_TLSv1_1},
	    {TLS_1_2, SSL_OP_NO_TLSv1_2}, {TLS_1_3, SSL_OP_NO_TLSv1_3}};

	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	for (size_t i = 0; i < countof(all); i++)
		if ((versions & (uint32_t)all[i].bit) == 0)
			SSL_CTX_set_options(ctx, all[i].no);
	/* any encryption is better than none here; OpenSSL has the old versions at level 0 only */
	SSL_CTX_set_security_level(ctx, versions & (TLS_1_0 | TLS_1_1) ? 0 : 1);
}

static SSL_CTX *
make_context(const struct tls_settings *want, struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		ssl_why(why, "no TLS context");
		return NULL;
	}
	limit_versions(ctx, want->versions);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_session);
	if ((want->ciphers[0] != '\0' && SSL_CTX_set_cipher_list(ctx, want->ciphers) != 1) ||
	    (want->suites[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, want->suites) != 1)) {
		ssl_why(why, "the configured ciphers cannot be used");
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static SSL_CTX *
context_for(const struct tls_settings *want, struct why *why)
{
	struct context *c;
	SSL_CTX *made;

	for (size_t i = 0; i < MAX_CONTEXTS; i++) {
		c = &state.contexts[i];
		if (c->ctx != NULL && memcmp(&c->want, want, sizeof *want) == 0)
			return c->ctx;
	}
	made = make_context(want, why);
	if (made == NULL)
		return NULL;
	c = &state.contexts[state.next_context++ % MAX_CONTEXTS];
	SSL_CTX_free(c->ctx); /* connections that use it keep it alive */
	*c = (struct context){.want = *want, .ctx = made};
	return made;
}

void
tls_init(void)
{
	struct tls_settings any = {.versions = TLS_1_2 | TLS_1_3};
	struct why why;
	unsigned char byte;
	SSL_CTX *ctx;

	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) != 1)
		fatal("OpenSSL does not start");
	state.ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ctx = make_context(&any, &why);
	if (ctx == NULL || RAND_bytes(&byte, 1) != 1)
		fatal("OpenSSL does not work: %s", why.text);
	SSL_CTX_free(ctx);
}

void
tls_finish(void)
{
	for (size_t i = 0; i < MAX_SESSIONS; i++)
		SSL_SESSION_free(state.sessions[i].session);
	for (size_t i = 0; i < MAX_CONTEXTS; i++)
		SSL_CTX_free(state.contexts[i].ctx);
	memset(state.sessions, 0, sizeof state.sessions);
	memset(state.contexts, 0, sizeof state.contexts);
}

/* ---- one connection ---- */

static uint64_t
session_key(const struct tls_settings *want, struct str host, const struct net_addr *dst)
{
	char text[sizeof *dst + 512 + sizeof want->versions];
	size_t n = PH_MIN(host.len, (size_t)512);

	memcpy(text, dst, sizeof *dst);
	memcpy(text + sizeof *dst, &want->versions, sizeof want->versions);
	if (n > 0)
		memcpy(text + sizeof *dst + sizeof want->versions, host.p, n);
	return str_hash(str_from(text, sizeof *dst + sizeof want->versions + n));
}

static void
offer_session(struct tls *t)
{
	const struct kept_session *slot = &state.sessions[t->key % MAX_SESSIONS];

	if (t->reuse && slot->session != NULL && slot->key == t->key)
		SSL_set_session(t->ssl, slot->session);
}

static void
set_name(struct tls *t, struct str host)
{
	char name[256];
	struct net_addr literal;

	/* RFC 6066 3: names only, never addresses */
	if (host.len == 0 || host.len >= sizeof name || net_addr_parse(host, &literal))
		return;
	str_copy(name, sizeof name, host);
	if (name[host.len - 1] == '.')
		name[host.len - 1] = '\0';
	SSL_set_tlsext_host_name(t->ssl, name);
}

struct tls *
tls_new(const struct tls_settings *want, int fd, struct str host, const struct net_addr *dst,
    bool reuse, struct why *why)
{
	SSL_CTX *ctx = context_for(want, why);
	struct tls *t;

	if (ctx == NULL)
		return NULL;
	t = xcalloc(1, sizeof *t);
	t->key = session_key(want, host, dst);
	t->reuse = reuse;
	t->ssl = SSL_new(ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
		ssl_why(why, "no TLS session");
		tls_free(&t);
		return NULL;
	}
	SSL_set_ex_data(t->ssl, state.ex_index, t);
	SSL_set_connect_state(t->ssl);
	set_name(t, host);
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

enum tls_want
tls_handshake(struct tls *t, struct why *why)
{
	int n;

	ERR_clear_error();
	n = SSL_do_handshake(t->ssl);
	return n == 1 ? TLS_DONE : verdict(t, n, why);
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

static struct avoided *
avoided_slot(const struct net_addr *dst)
{
	struct net_addr key = *dst;

	key.pad = 0;
	return &state.avoided[str_hash(str_from((const char *)&key, sizeof key)) % MAX_AVOIDED];
}

void
tls_avoid(const struct net_addr *dst, struct mono now)
{
	*avoided_slot(dst) = (struct avoided){.addr = *dst, .until = mono_add_ms(now, AVOID_MS)};
}

bool
tls_is_avoided(const struct net_addr *dst, struct mono now)
{
	const struct avoided *a = avoided_slot(dst);

	return net_addr_eq(&a->addr, dst) && a->addr.port == dst->port &&
	       mono_is_before(now, a->until);
}
