/*
 * TLS towards a peer: contexts shared by settings, the handshake, reading and writing on a non-blocking socket,
 * sessions kept for reuse, and which addresses are better left in clear. It verifies nobody: what is offered here
 * is encryption against listeners (RFC 7435). Everything that is kept has a bound.
 */
#ifndef PH_DELIVERD_TLS_H
#define PH_DELIVERD_TLS_H

#include <sys/types.h>

#include "deliverd/settings.h"
#include "lib/base/clock.h"
#include "lib/net/addr.h"

struct tls;
enum tls_want { TLS_FAILED = -1, TLS_DONE = 0, TLS_WANT_READ = 1, TLS_WANT_WRITE = 2 };

/* Loads what OpenSSL would look for in files later; before the sandbox. */
void tls_init(void);
void tls_finish(void);

/*
 * A client over a connected socket, which stays the caller's and must outlive it. `host`: the exchanger's name for
 * SNI, or empty. With `reuse`, an earlier session with this address and name is offered. NULL with `why`.
 */
struct tls *tls_new(const struct tls_settings *want, int fd, struct str host,
    const struct net_addr *dst, bool reuse, struct why *why);
void tls_free(struct tls **t);

enum tls_want tls_handshake(struct tls *t, struct why *why);
/* > 0 bytes; 0: the peer closed; -1 with *want: try again when the socket is so, or TLS_FAILED with `why`. */
ssize_t tls_read(struct tls *t, void *p, size_t size, enum tls_want *want, struct why *why);
ssize_t tls_write(struct tls *t, const void *p, size_t len, enum tls_want *want, struct why *why);
/* Says close_notify if that can be done at once. */
void tls_shutdown(struct tls *t);
const char *tls_protocol(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);

/* A handshake with this address failed: for an hour the next connections go in clear. */
void tls_avoid(const struct net_addr *dst, struct mono now);
bool tls_is_avoided(const struct net_addr *dst, struct mono now);

#endif
