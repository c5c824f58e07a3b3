/*
 * TLS towards a peer: contexts shared by settings, the handshake, reading and writing on a non-blocking socket,
 * sessions kept for reuse, and which addresses are better left in clear. Whom a certificate belongs to is asked only
 * where authorities or TLSA records say how; otherwise what is offered is encryption against listeners (RFC 7435).
 * Everything that is kept has a bound.
 */
#ifndef PH_DELIVERD_TLS_H
#define PH_DELIVERD_TLS_H

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/net/addr.h"
#include "lib/tls/client.h"

struct tls;
struct tls_context;
enum tls_want { TLS_FAILED = -1, TLS_DONE = 0, TLS_WANT_READ = 1, TLS_WANT_WRITE = 2 };

/* Loads what OpenSSL would look for in files later; before the sandbox. */
void tls_init(void);
void tls_finish(void);

/* ---- tls_context.c ---- */
/* A file of the configuration, from master; takes fd. In use from the next tls_use_files() on. */
void tls_take_file(struct str path, int fd);
void tls_use_files(void);
/* Shared by all that want the same; made ready with its first connection. Returned owned: tls_context_put(). */
struct tls_context *tls_context_get(const struct tls_client_spec *spec);
void tls_context_put(struct tls_context **c);
/* NULL with `why`: the settings cannot be used. Borrowed. */
struct ssl_ctx_st *tls_context_ssl(struct tls_context *c, struct why *why);
/* The same for equal settings, in this process. */
uint64_t tls_context_id(const struct tls_context *c);
/* Is the peer's certificate held against authorities? */
bool tls_context_has_ca(const struct tls_context *c);
bool tls_context_is_dane(const struct tls_context *c);
void tls_context_clear_all(void);

/* ---- tls.c ---- */

struct tls_target {
	struct tls_context *context; /* borrowed */
	struct str host;	     /* the exchanger's name, or empty */
	struct str domain;	     /* the recipients' */
	struct str tlsa;	     /* as lib/net/tlsa.h packs them; empty: none */
	const struct net_addr *dst;
	bool reuse; /* an earlier session with this address, name and settings is offered */
};

/* Is there a record that can be used (RFC 7672 3.1: usages 2 and 3, known selectors and matching types)? */
bool tls_has_usable_tlsa(struct str packed);

/* A client over a connected socket, which stays the caller's and must outlive it. NULL with `why`. */
struct tls *tls_new(const struct tls_target *to, int fd, struct why *why);
void tls_free(struct tls **t);

enum tls_want tls_handshake(struct tls *t, struct why *why);
/* > 0 bytes; 0: the peer closed; -1 with *want: try again when the socket is so, or TLS_FAILED with `why`. */
ssize_t tls_read(struct tls *t, void *p, size_t size, enum tls_want *want, struct why *why);
ssize_t tls_write(struct tls *t, const void *p, size_t len, enum tls_want *want, struct why *why);
/* Says close_notify if that can be done at once. */
void tls_shutdown(struct tls *t);
const char *tls_protocol(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);

/* A handshake with this address and these settings failed: for an hour the next connections go in clear. */
void tls_avoid(const struct net_addr *dst, const struct tls_context *c, struct mono now);
bool tls_is_avoided(const struct net_addr *dst, const struct tls_context *c, struct mono now);

#endif
