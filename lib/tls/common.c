#include <openssl/err.h>
#include <openssl/pem.h>

#include "lib/base/log.h"
#include "lib/tls/server.h"
#include "lib/tls/tls_int.h"

void
tls_use_versions(SSL_CTX *ctx, unsigned versions)
{
	static const struct {
		unsigned bit;
		uint64_t no;
	} all[] = {{TLS_BIT_1_0, SSL_OP_NO_TLSv1}, {TLS_BIT_1_1, SSL_OP_NO_TLSv1_1},
	    {TLS_BIT_1_2, SSL_OP_NO_TLSv1_2}, {TLS_BIT_1_3, SSL_OP_NO_TLSv1_3}};

	/* the system's configuration may ask for more than ours */
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	for (size_t i = 0; i < countof(all); i++)
		if ((versions & all[i].bit) == 0)
			SSL_CTX_set_options(ctx, all[i].no);
	/* OpenSSL has the old versions at level 0 only */
	SSL_CTX_set_security_level(ctx, versions & (TLS_BIT_1_0 | TLS_BIT_1_1) ? 0 : 1);
}

BIO *
tls_bio(struct str pem)
{
	BIO *b =
	    BIO_new_mem_buf(pem.p == NULL ? "" : pem.p, (int)PH_MIN(pem.len, (size_t)TLS_MAX_FILE));

	if (b == NULL)
		fatal("no memory for TLS");
	return b;
}

/* The first certificate is ours, the others lead to its authority. */
bool
tls_use_certificate(SSL_CTX *ctx, struct str pem)
{
	BIO *b = tls_bio(pem);
	X509 *x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	bool ok = x != NULL && SSL_CTX_use_certificate(ctx, x) == 1;

	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		ok = SSL_CTX_add0_chain_cert(ctx, x) == 1;
		if (!ok)
			X509_free(x);
	}
	BIO_free(b);
	if (ok)
		ERR_clear_error(); /* that there are no more */
	return ok;
}

/* never asks at the terminal */
static int
give_password(char *to, int size, int is_encrypting, void *arg)
{
	const char *password = arg;
	size_t n = strlen(password);

	if (n == 0 || n > (size_t)size)
		return -1;
	memcpy(to, password, n);
	return (int)n;
}

bool
tls_use_key(SSL_CTX *ctx, struct str pem, const char *password)
{
	BIO *b = tls_bio(pem);
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(b, NULL, give_password, (char *)(uintptr_t)password);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(b);
	return ok;
}

size_t
tls_use_authorities(SSL_CTX *ctx, struct str pem, bool is_server)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *b = tls_bio(pem);
	size_t n = 0;
	X509 *x;

	while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, x) == 1 &&
		     (!is_server || SSL_CTX_add_client_CA(ctx, x) == 1);
		X509_free(x);
	}
	BIO_free(b);
	if (n > 0)
		ERR_clear_error();
	return n;
}
