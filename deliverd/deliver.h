/*
 * deliverd's one state, and what its files ask of each other: connections by queued's number, their life and their
 * input and output. It decides nothing: every connection was granted, and everything that happens is reported.
 */
#ifndef PH_DELIVERD_DELIVER_H
#define PH_DELIVERD_DELIVER_H

#include "deliverd/dkim.h"
#include "deliverd/memory.h"
#include "deliverd/session.h"
#include "deliverd/tls.h"
#include "lib/base/hmap.h"
#include "lib/base/slab.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "lib/net/addr.h"
#include "lib/track/track.h"

struct spool_reader;

struct deliver {
	struct ipc_chan *queued; /* NULL while it is away */
	struct spool_reader *reader;
	struct slab conns; /* struct conn */
	struct hmap
	    by_number; /* queued's number to the slab's handle, for those that are not dead */
	struct ev_timer drain;
	struct memory memory; /* results of late */
	struct dkim dkim;
	struct track track; /* when has_track */
	uint64_t n_open;
	int spool_fd; /* -1: not given yet */
	bool has_track;
	bool is_stopping;
	bool is_held; /* queued does not keep up: peers are not read */
};
extern struct deliver deliver;

struct conn {
	struct session *session;
	struct tls *tls;
	struct tls_context *tls_context;
	char *host;   /* the exchanger's name, owned */
	char *domain; /* the queue's, owned */
	char *tlsa;   /* packed TLSA records, owned; NULL: none */
	size_t tlsa_len;
	char *vmta; /* owned */
	struct net_addr dst;
	struct net_addr src;	/* as asked for; family 0: any */
	struct net_addr proxy;	/* connected to in place of dst; family 0: none */
	struct net_addr client; /* as which the proxy connects */
	struct net_addr bound;	/* what the kernel took */
	struct ev_io io;
	struct ev_timer timer;
	struct ev_defer flush; /* writes at the end of the turn */
	struct ev_defer reap;
	uint32_t handle;      /* of the slab; 0 marks a free slot */
	uint32_t number;      /* queued's */
	uint32_t n_counted;   /* one past the last transaction that statistics count as delivered */
	int fd;		      /* -1: none */
	uint32_t extensions;  /* as offered */
	uint64_t n_in, n_out; /* bytes, without TLS */
	uint8_t log_bits, trace_bits; /* enum talk_bit: into the log, to queued */
	uint8_t proxy_version;
	bool is_orphan; /* of a queued that is gone; its number means nothing */
	bool is_connecting;
	bool in_handshake;
	bool read_wants_write, write_wants_read; /* TLS may need the other direction */
	bool is_blocked;			 /* the socket takes no more for now */
	bool reuse_tls_session;
};

/* ---- conn.c ---- */
/* queued's orders; -1 with `why` when it breaks the protocol */
int conn_open(
    const struct ipc_conn_open *o, const struct str text[5], struct why *why) PH_MUST_CHECK;
int conn_close(const struct ipc_conn_close *o, struct why *why) PH_MUST_CHECK;
int conn_txn(const struct ipc_txn *t, struct str indices, struct why *why) PH_MUST_CHECK;
/* Each connection ends at once, unreported where queued is gone. */
void conn_abort_all(const char *what);
/* Each finishes what it has begun, gives the rest back and says QUIT. */
void conn_drain_all(void);
/* Each that is not dead. */
void conn_for_each(void (*act)(struct conn *, const void *), const void *arg);
/* queued's number for it is free again. */
void conn_forget_number(struct conn *c);
/* Stops or resumes reading from the peers. */
void conn_hold_all(bool hold);
/* The session may have changed: arms the timer, sees to the output. */
void conn_update(struct conn *c);
/* A failure of the system on this connection, told to the session in the right words. */
void conn_failed(struct conn *c, int err);

/* ---- conn_io.c ---- */
/* Makes the socket, binds, begins to connect. What fails is told to the session. */
void conn_connect(struct conn *c);
void conn_start_tls(struct conn *c);
void conn_io_cb(struct ev_io *io, int what);
void conn_flush_cb(struct ev_defer *d);
/* Watches what is waited for. */
void conn_want(struct conn *c);

#endif
