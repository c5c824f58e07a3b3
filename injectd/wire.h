/*
 * A connection's bytes: in clear, or through TLS once that was begun. Reading and writing are those of read(2) and
 * write(2) on a non-blocking socket, so that the connection above needs not know which it is. It must never wait.
 */
#ifndef PH_INJECTD_WIRE_H
#define PH_INJECTD_WIRE_H

#include <sys/types.h>

#include "lib/base/base.h"
#include "lib/base/why.h"

struct ssl_st;
struct ssl_ctx_st;

struct wire {
	struct ssl_st *ssl; /* NULL: in clear */
	int fd;		    /* the connection's */
	uint8_t wants;	    /* EV_IN, EV_OUT: what TLS needs the socket for, besides what we do */
	bool is_drained;    /* TLS has nothing left of what the socket gave */
};

void wire_init(struct wire *w, int fd);
void wire_clear(struct wire *w);

/* -1 with errno, EAGAIN when it would have to wait: for w->wants, if that is not 0. */
ssize_t wire_read(struct wire *w, void *p, size_t size);
ssize_t wire_write(struct wire *w, const void *p, size_t len);
/* Is there input that the socket will not tell of? */
bool wire_has_more(const struct wire *w);
/* No more will be written; -1: the client is gone. */
int wire_shutdown(struct wire *w);

/* As a server. Takes a reference to ctx. */
void wire_start_tls(struct wire *w, struct ssl_ctx_st *ctx);
/* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; OpenSSL's, for ever */
const char *wire_protocol(const struct wire *w);
const char *wire_cipher(const struct wire *w);
/* The client's certificate, 32 bytes of SHA-256. False: none, or not of the authorities that were configured. */
bool wire_client_print(const struct wire *w, unsigned char *print);
/* > 0 done; 0: go on when the socket is as w->wants says; -1 with `why`. */
int wire_handshake(struct wire *w, struct why *why);

#endif
