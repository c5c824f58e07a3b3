#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "tests/mxsim/conn.h"

#define CERT_SECONDS (10L * 24 * 3600)

static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name;

	if (x == NULL)
		return NULL;
	(void)X509_set_version(x, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), CERT_SECONDS);
	(void)X509_set_pubkey(x, key);
	name = X509_get_subject_name(x);
	(void)X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"mxsim.test", -1, -1, 0);
	(void)X509_set_issuer_name(x, name);
	if (X509_sign(x, key, EVP_sha256()) == 0) {
		X509_free(x);
		return NULL;
	}
	return x;
}

SSL_CTX *
tls_context_new(struct why *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key == NULL ? NULL : make_certificate(key);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || cert == NULL || SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1) {
		SSL_CTX_free(ctx);
		ctx = NULL;
		(void)why_set(
		    why, "cannot make a certificate: %s", ERR_error_string(ERR_get_error(), NULL));
	} else {
		(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
						SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
						SSL_MODE_RELEASE_BUFFERS);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static int
max_version(const char *text)
{
	static const struct {
		const char *name;
		int version;
	} rows[] = {{"1.0", TLS1_VERSION}, {"1.1", TLS1_1_VERSION}, {"1.2", TLS1_2_VERSION},
	    {"1.3", TLS1_3_VERSION}};

	for (size_t i = 0; i < countof(rows) && text != NULL; i++)
		if (strcmp(text, rows[i].name) == 0)
			return rows[i].version;
	return 0;
}

static int
any_certificate(int ok, X509_STORE_CTX *store)
{
	return 1;
}

/* what the provider's policy says beside the simulator's own certificate */
static SSL_CTX *
provider_context(const struct provider_policy *p, struct why *why)
{
	SSL_CTX *ctx = tls_context_new(why);

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"mxsim", 5);
	SSL_CTX_set_max_proto_version(ctx, max_version(p->tls_max));
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_security_level(ctx, 0);
	if (p->client_ca != NULL && SSL_CTX_load_verify_locations(ctx, p->client_ca, NULL) == 1)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, any_certificate);
	if ((p->certificate != NULL &&
		(SSL_CTX_use_certificate_chain_file(ctx, p->certificate) != 1 ||
		    SSL_CTX_use_PrivateKey_file(ctx, p->certificate, SSL_FILETYPE_PEM) != 1)) ||
	    (p->tls_ciphers != NULL && SSL_CTX_set_cipher_list(ctx, p->tls_ciphers) != 1) ||
	    (p->tls_suites != NULL && SSL_CTX_set_ciphersuites(ctx, p->tls_suites) != 1)) {
		ERR_print_errors_fp(stderr);
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static SSL_CTX *
context_of(struct provider *p)
{
	struct why why;

	if (p->tls_of != p->policy) {
		SSL_CTX_free(p->tls);
		p->tls = provider_context(p->policy, &why);
		p->tls_of = p->policy;
	}
	return p->tls;
}

void
tls_count(struct conn *c)
{
	X509 *x = SSL_get0_peer_certificate(c->ssl);

	provider_count(c->provider, COUNT_tls, 1);
	if (SSL_session_reused(c->ssl))
		provider_count(c->provider, COUNT_tls_resumed, 1);
	if (x != NULL && SSL_get_verify_result(c->ssl) == X509_V_OK)
		provider_count(c->provider, COUNT_tls_client_certificates, 1);
}

int
tls_begin(struct conn *c)
{
	SSL_CTX *ctx = context_of(c->provider);

	if (ctx == NULL)
		return -1;
	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		return -1;
	SSL_set_accept_state(c->ssl);
	return 0;
}

/* -1 with errno EAGAIN, or EIO for the end */
static ssize_t
blocked(struct conn *c, int rc)
{
	int e = SSL_get_error(c->ssl, rc);

	ERR_clear_error();
	c->ssl_wants_write = e == SSL_ERROR_WANT_WRITE;
	errno = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return -1;
}

int
tls_handshake(struct conn *c)
{
	int rc = SSL_do_handshake(c->ssl);

	if (rc == 1)
		return 1;
	return blocked(c, rc) < 0 && errno == EAGAIN ? 0 : -1;
}

ssize_t
tls_read(struct conn *c, char *p, size_t len)
{
	size_t n;

	if (c->ssl == NULL || c->state == CONN_HANDSHAKE)
		return recv(c->fd, p, len, 0);
	return SSL_read_ex(c->ssl, p, len, &n) == 1 ? (ssize_t)n : blocked(c, 0);
}

ssize_t
tls_write(struct conn *c, const char *p, size_t len)
{
	size_t n;

	if (c->ssl == NULL || c->state == CONN_HANDSHAKE)
		return send(c->fd, p, len, MSG_NOSIGNAL);
	return SSL_write_ex(c->ssl, p, len, &n) == 1 ? (ssize_t)n : blocked(c, 0);
}
