/*
 * What contexts of both sides are made with. Each leaves OpenSSL's reason in its queue of errors.
 */
#ifndef PH_TLS_TLS_INT_H
#define PH_TLS_TLS_INT_H

#include <openssl/ssl.h>

#include "lib/base/str.h"

/* Reads the text, borrowed; returned owned. */
BIO *tls_bio(struct str pem);
/* All but these (enum tls_bits) are switched off; the security level follows. */
void tls_use_versions(SSL_CTX *ctx, unsigned versions);
/* Certificate, the chain behind it, and the key, of one PEM text. */
bool tls_use_certificate(SSL_CTX *ctx, struct str pem);
bool tls_use_key(SSL_CTX *ctx, struct str pem, const char *password);
/* Returns how many were taken. */
size_t tls_use_authorities(SSL_CTX *ctx, struct str pem, bool is_server);

#endif
