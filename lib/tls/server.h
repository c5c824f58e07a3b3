/*
 * TLS of a listener: which settings hold for it (its own, else the global ones), and the OpenSSL context that they
 * and the contents of the files make. Master uses it to find what is wrong, injectd to serve. It never opens a
 * file: contents come from the caller, so that a process without rights can use it.
 */
#ifndef PH_TLS_SERVER_H
#define PH_TLS_SERVER_H

#include "lib/conf/conf.h"

struct ssl_ctx_st;

#define TLS_MAX_FILE	(1024u * 1024) /* a certificate with its chain and key, or authorities */
#define TLS_TICKET_KEYS 80u	       /* bytes: name, HMAC and AES key */

enum tls_bits { TLS_BIT_1_0 = 1, TLS_BIT_1_1 = 2, TLS_BIT_1_2 = 4, TLS_BIT_1_3 = 8 };

/* Text is NUL-terminated. Holds a password: tls_server_spec_clear(). */
struct tls_server_spec {
	char cert[1024]; /* path; empty: no TLS here */
	char password[512];
	char ca[1024]; /* path; empty: none */
	char ciphers[1024], suites[512];
	unsigned versions; /* enum tls_bits */
	unsigned dh_bits;
	bool asks_client; /* for a certificate */
	struct conf_origin cert_at, ca_at, ciphers_at, suites_at, versions_at;
};

/* What holds for a listener (a row of conf_listener_at()). */
void tls_server_spec(
    const struct conf *c, const struct conf_listener *row, struct tls_server_spec *spec);
/* What holds for the web monitor (http-tls-…): authorities complete the chain that it shows, no client is asked. */
void tls_server_spec_web(const struct conf *c, struct tls_server_spec *spec);
/* What holds for a <transmissions-api-listener> (a number of conf_block_at()): its own alone. */
void tls_server_spec_api(const struct conf *c, size_t i, struct tls_server_spec *spec);
void tls_server_spec_clear(struct tls_server_spec *spec);

/* Before the first context and before the sandbox: OpenSSL reads its own configuration and texts. */
void tls_server_init(void);
/*
 * A context of spec and the contents (PEM) of its files; `ca` is empty where spec->ca is. Returned owned
 * (SSL_CTX_free), or NULL with a sentence that begins with file and line of the configuration.
 */
struct ssl_ctx_st *tls_server_context(
    const struct tls_server_spec *spec, struct str cert, struct str ca, struct why *why);
/* Does the text (PEM) begin with one? */
bool tls_is_certificate(struct str pem);
/* Processes that share the keys resume each other's sessions; keys[TLS_TICKET_KEYS]. */
void tls_server_share_tickets(struct ssl_ctx_st *ctx, const char *keys);

#endif
