/*
 * TLS towards a peer: what a <domain> says about it, and the OpenSSL context that it and the contents of its files
 * make. Master uses it to find what is wrong, deliverd to speak. It never opens a file: contents come from the caller.
 */
#ifndef PH_TLS_CLIENT_H
#define PH_TLS_CLIENT_H

#include "lib/conf/conf.h"
#include "lib/tls/server.h" /* enum tls_bits, TLS_MAX_FILE */

#define TLS_CLIENT_TEXT 256

/* Made of zeroed memory, so that two of them can be compared as bytes. Holds a password: clear it with explicit_bzero. */
struct tls_client_spec {
	uint32_t versions; /* enum tls_bits */
	uint32_t is_dane;  /* 1: certificates are held against TLSA records */
	char ciphers[TLS_CLIENT_TEXT];
	char suites[TLS_CLIENT_TEXT];
	char ca[TLS_CLIENT_TEXT];   /* path; empty: nobody is verified, unless by DANE */
	char cert[TLS_CLIENT_TEXT]; /* path; empty: none is shown */
	char password[TLS_CLIENT_TEXT];
};

void tls_client_spec(const struct conf_set *domain, struct tls_client_spec *spec);
/* The next <domain> block that says anything about it, as conf_block_saying(). */
const struct conf_set *tls_client_next(
    const struct conf *c, size_t *at, struct conf_origin *origin);
/*
 * `cert` and `ca`: the files' contents (PEM), empty where the spec names none. Returned owned (SSL_CTX_free), or NULL
 * with why.
 */
struct ssl_ctx_st *tls_client_context(
    const struct tls_client_spec *spec, struct str cert, struct str ca, struct why *why);

#endif
