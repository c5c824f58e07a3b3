#include "lib/tls/client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/base/log.h"
#include "lib/tls/tls_int.h"

#define MAX_SERVER_CERTS (64 * 1024) /* bytes of what a server may show */

static const struct {
	enum conf_key key;
	enum tls_bits bit;
} versions[] = {
    {CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1, TLS_BIT_1_0},
    {CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_1, TLS_BIT_1_1},
    {CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_2, TLS_BIT_1_2},
    {CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_3, TLS_BIT_1_3},
};

void
tls_client_spec(const struct conf_set *set, struct tls_client_spec *spec)
{
	struct str cert = conf_str(set, CONF_DOMAIN_SMTP_CLIENT_CERTIFICATE);

	memset(spec, 0, sizeof *spec);
	for (size_t i = 0; i < countof(versions); i++)
		if (conf_bool(set, versions[i].key))
			spec->versions |= (uint32_t)versions[i].bit;
	str_copy(spec->ciphers, sizeof spec->ciphers, conf_str(set, CONF_DOMAIN_SMTP_TLS_CIPHERS));
	str_copy(spec->suites, sizeof spec->suites,
	    conf_str(set, CONF_DOMAIN_SMTP_TLS_TLSV1_3_CIPHERSUITES));
	str_copy(spec->ca, sizeof spec->ca, conf_str(set, CONF_DOMAIN_SMTP_TLS_CA_FILE));
	if (cert.len == 0)
		return;
	conf_arg(cert, 0, spec->cert, sizeof spec->cert);
	conf_arg(cert, 1, spec->password, sizeof spec->password);
}

const struct conf_set *
tls_client_next(const struct conf *c, size_t *at, struct conf_origin *origin)
{
	static const enum conf_key keys[] = {CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1,
	    CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_1, CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_2,
	    CONF_DOMAIN_SMTP_TLS_ALLOW_TLSV1_3, CONF_DOMAIN_SMTP_TLS_CIPHERS,
	    CONF_DOMAIN_SMTP_TLS_TLSV1_3_CIPHERSUITES, CONF_DOMAIN_SMTP_TLS_CA_FILE,
	    CONF_DOMAIN_SMTP_CLIENT_CERTIFICATE};

	return conf_block_saying(c, CONF_BLOCK_DOMAIN, at, keys, countof(keys), origin);
}

static int
bad(struct why *why, const char *what, const char *name)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

	ERR_clear_error();
	return why_set(why, "%s%s%s: %s", what, name[0] == '\0' ? "" : " ", name,
	    reason == NULL ? "cannot be used" : reason);
}

static int
set_ciphers(SSL_CTX *ctx, const struct tls_client_spec *spec, bool verifies, struct why *why)
{
	char list[sizeof spec->ciphers + 16];

	/* who is verified shows a certificate; for all others encryption is better than none */
	snprintf(list, sizeof list, "%s%s", spec->ciphers, verifies ? ":!aNULL" : "");
	if (spec->ciphers[0] != '\0' && SSL_CTX_set_cipher_list(ctx, list) != 1)
		return bad(why, "smtp-tls-ciphers", "");
	if (spec->suites[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, spec->suites) != 1)
		return bad(why, "smtp-tls-tlsv1.3-ciphersuites", "");
	return 0;
}

static int
set_files(SSL_CTX *ctx, const struct tls_client_spec *spec, struct str cert, struct str ca,
    struct why *why)
{
	if (spec->ca[0] != '\0' && tls_use_authorities(ctx, ca, false) == 0)
		return bad(why, "authorities in", spec->ca);
	if (spec->cert[0] == '\0')
		return 0;
	if (!tls_use_certificate(ctx, cert))
		return bad(why, "certificate in", spec->cert);
	if (!tls_use_key(ctx, cert, spec->password))
		return bad(why, "private key in", spec->cert);
	return 0;
}

struct ssl_ctx_st *
tls_client_context(
    const struct tls_client_spec *spec, struct str cert, struct str ca, struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool verifies = spec->ca[0] != '\0' || spec->is_dane;

	if (ctx == NULL)
		fatal("no memory for TLS");
	ERR_clear_error();
	tls_use_versions(ctx, spec->versions);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ctx, MAX_SERVER_CERTS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_set_verify(ctx, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	/* a wildcard is a whole label (RFC 8461 4.1, RFC 9525 6.3) */
	X509_VERIFY_PARAM_set_hostflags(
	    SSL_CTX_get0_param(ctx), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (spec->versions == 0)
		(void)why_set(why, "no version of TLS is allowed");
	else if (spec->is_dane && SSL_CTX_dane_enable(ctx) != 1)
		(void)bad(why, "DANE", "");
	else if (set_ciphers(ctx, spec, verifies, why) == 0 &&
		 set_files(ctx, spec, cert, ca, why) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}
