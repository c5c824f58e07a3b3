#include "lib/tls/server.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include "lib/base/log.h"
#include "lib/tls/tls_int.h"

#define MAX_CLIENT_CERTS (64 * 1024) /* bytes of what a client may show */
#define READ_AHEAD	 (32 * 1024)

/* "FILE:LINE: what: OpenSSL's reason" */
static int
bad(struct why *why, const struct conf_origin *at, const char *what, const char *text)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = text != NULL ? text : ERR_reason_error_string(e);

	ERR_clear_error();
	return why_set(why, "%s:%u: %s: %s", at->file == NULL ? "default" : at->file, at->line,
	    what, reason == NULL ? "cannot be used" : reason);
}

void
tls_server_init(void)
{
	unsigned char byte;

	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL) != 1 || RAND_bytes(&byte, 1) != 1)
		fatal("OpenSSL does not start");
}

/* ---- versions, ciphers ---- */

static int
set_versions(SSL_CTX *ctx, const struct tls_server_spec *spec, struct why *why)
{
	if (spec->versions == 0)
		return bad(why, &spec->versions_at, "TLS", "no version is allowed");
	tls_use_versions(ctx, spec->versions);
	return 0;
}

static int
set_ciphers(SSL_CTX *ctx, const struct tls_server_spec *spec, struct why *why)
{
	char list[sizeof spec->ciphers + 32];

	/* level 0 would have these back: who has a certificate needs none without */
	(void)snprintf(list, sizeof list, "%s:!aNULL:!eNULL", spec->ciphers);
	if (spec->ciphers[0] != '\0' && SSL_CTX_set_cipher_list(ctx, list) != 1)
		return bad(why, &spec->ciphers_at, "ciphers", NULL);
	if (spec->suites[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, spec->suites) != 1)
		return bad(why, &spec->suites_at, "cipher suites of TLS 1.3", NULL);
	return 0;
}

/* The prime of RFC 2409 6.2; longer ones are those of RFC 7919. */
static EVP_PKEY *
dh_1024(EVP_PKEY_CTX *k)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *p = BN_get_rfc2409_prime_1024(NULL), *g = BN_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (b != NULL && p != NULL && g != NULL && BN_set_word(g, 2) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_FFC_P, p) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_FFC_G, g) == 1)
		params = OSSL_PARAM_BLD_to_param(b);
	if (params != NULL)
		(void)EVP_PKEY_fromdata(k, &key, EVP_PKEY_KEY_PARAMETERS, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(p);
	BN_free(g);
	return key;
}

static EVP_PKEY *
dh_named(EVP_PKEY_CTX *k, unsigned bits)
{
	char group[] = "ffdhe2048";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	    OSSL_PARAM_construct_end()};
	EVP_PKEY *key = NULL;

	(void)snprintf(group, sizeof group, "ffdhe%u", PH_MIN(bits, 8192u));
	(void)EVP_PKEY_fromdata(k, &key, EVP_PKEY_KEY_PARAMETERS, params);
	return key;
}

static int
set_dh(SSL_CTX *ctx, const struct tls_server_spec *spec, struct why *why)
{
	EVP_PKEY_CTX *k = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *key = NULL;

	if (k != NULL && EVP_PKEY_fromdata_init(k) == 1)
		key = spec->dh_bits < 2048 ? dh_1024(k) : dh_named(k, spec->dh_bits);
	EVP_PKEY_CTX_free(k);
	if (key != NULL && SSL_CTX_set0_tmp_dh_pkey(ctx, key) == 1)
		return 0;
	EVP_PKEY_free(key);
	return bad(why, &spec->cert_at, "parameters for Diffie-Hellman", NULL);
}

/* ---- files ---- */

static int
set_certificate(SSL_CTX *ctx, const struct tls_server_spec *spec, struct str cert, struct why *why)
{
	char what[sizeof spec->cert + 64];
	bool ok = tls_use_certificate(ctx, cert);

	(void)snprintf(what, sizeof what, "certificate in %s", spec->cert);
	if (!ok)
		return bad(why, &spec->cert_at, what, NULL);
	ok = tls_use_key(ctx, cert, spec->password);
	(void)snprintf(what, sizeof what, "private key in %s", spec->cert);
	return ok ? 0 : bad(why, &spec->cert_at, what, NULL);
}

static int
set_authorities(SSL_CTX *ctx, const struct tls_server_spec *spec, struct str ca, struct why *why)
{
	char what[sizeof spec->ca + 64];
	size_t n = tls_use_authorities(ctx, ca, true);

	(void)snprintf(what, sizeof what, "authorities in %s", spec->ca);
	if (n == 0)
		return bad(why, &spec->ca_at, what, NULL);
	return 0;
}

/* ---- the whole ---- */

/* Who shows no certificate, or one of nobody we know, may still talk: AUTH asks for the verdict. */
static int
take_any(int is_good, X509_STORE_CTX *x)
{
	return 1;
}

/* Sessions begun under other files are not resumed; all processes agree on it. */
static void
set_identity(SSL_CTX *ctx, const struct tls_server_spec *spec)
{
	unsigned char id[SHA256_DIGEST_LENGTH];
	char text[sizeof spec->cert + sizeof spec->ca + 8];
	int n = snprintf(text, sizeof text, "%s %s %d", spec->cert, spec->ca, spec->asks_client);

	(void)SHA256((const unsigned char *)text, (size_t)n, id);
	SSL_CTX_set_session_id_context(ctx, id, sizeof id);
}

static void
set_ways(SSL_CTX *ctx, const struct tls_server_spec *spec)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	/* sessions live in tickets, at the client's */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	set_identity(ctx, spec);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	SSL_CTX_set_max_cert_list(ctx, MAX_CLIENT_CERTS);
	if (spec->asks_client)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, take_any);
}

struct ssl_ctx_st *
tls_server_context(
    const struct tls_server_spec *spec, struct str cert, struct str ca, struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		fatal("no memory for TLS");
	ERR_clear_error();
	set_ways(ctx, spec);
	if (set_versions(ctx, spec, why) == 0 && set_ciphers(ctx, spec, why) == 0 &&
	    set_dh(ctx, spec, why) == 0 && set_certificate(ctx, spec, cert, why) == 0 &&
	    (spec->ca[0] == '\0' || set_authorities(ctx, spec, ca, why) == 0))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

bool
tls_is_certificate(struct str pem)
{
	BIO *b = tls_bio(pem);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	bool is_one = x != NULL;

	X509_free(x);
	BIO_free(b);
	ERR_clear_error();
	return is_one;
}

void
tls_server_share_tickets(struct ssl_ctx_st *ctx, const char *keys)
{
	char copy[TLS_TICKET_KEYS];

	memcpy(copy, keys, sizeof copy);
	if (SSL_CTX_set_tlsext_ticket_keys(ctx, copy, sizeof copy) != 1)
		log_warn("event=tls-tickets-not-shared");
	explicit_bzero(copy, sizeof copy);
}
