/*
 * The daemon's one state, and what its files offer each other: listeners, connections, the way into the spool, and
 * the watch over space. Sessions (session.h) know nothing of it.
 */
#ifndef PH_INJECTD_INJECTD_H
#define PH_INJECTD_INJECTD_H

#include "injectd/board.h"
#include "injectd/session.h"
#include "injectd/wire.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

#define INJECTD_READ_BYTES (64u * 1024) /* of one read */

struct conn {
	struct session session;
	struct ev_io io;
	struct wire wire; /* of the same descriptor */
	struct ev_timer timer;
	struct ev_defer again; /* TLS has more input than one turn took */
	struct conn *next, **back;
	slot_t slot;
	uint64_t n_drained; /* bytes thrown away after the last reply */
	bool is_eof;	    /* the client sends no more */
	bool is_shut;	    /* we send no more */
};

/* Its number is the door's in the world. */
struct listener {
	struct ev_io io;
	struct net_addr addr;
	struct ssl_ctx_st *tls; /* borrowed from tls_in.c; NULL: none */
	bool is_open;
};

/* A segment of ours that queued has not freed. */
struct told_segment {
	struct ipc_segment segment; /* end: bytes in use that queued has been told of */
	bool is_sealed;
};

struct injectd {
	struct world world;

	struct listener listener[WORLD_MAX_DOORS];
	struct board *board;
	struct slots slots;
	struct ev_timer accept_again, slot_tick;
	struct ev_defer slot_freed;
	bool is_paused; /* listeners wait for a slot */
	struct conn *conns;
	uint32_t n_conns;

	int spool_fd, meminfo_fd, queue_fd;
	struct journal *journal; /* NULL: the disk is full since the start */
	struct ipc_chan *queue;	 /* NULL: it is away */
	bool queue_refuses, queue_is_behind;
	char queue_text[256];
	struct told_segment *segments;
	size_t n_segments, cap_segments;

	struct ev_timer space_tick, stop_tick;
	bool has_begun; /* listeners are to be served */
	bool is_stopping, is_stop_due;
	bool must_renew; /* a directory came that this process cannot reach */

	char read_buf[INJECTD_READ_BYTES];
};
extern struct injectd injectd;

/* ---- listen.c ---- */
void listen_init(void);
void listen_add(struct str address, int fd); /* takes fd */
void listen_remove(struct str address);
void listen_start(void); /* accepts from now on */
void listen_stop(void);
/* The configuration was switched: rows of listeners, number of slots. */
void listen_use_conf(void);
void listen_slot_freed(void);
/*
 * Too many connections: 452 in place of the greeting, then the 421 that goes before an end the client did not ask for
 * (RFC 5321 section 3.8). A client within TLS is told nothing. Takes fd.
 */
void listen_refuse(int fd, bool is_plain);
/* One for a client of that door, or 0. */
slot_t listen_slot_for(uint16_t door, const struct net_addr *client);

/* ---- park.c ---- */
bool park_any(void);
/* Takes fd; false: there is no room, and it is still the caller's. */
bool park_add(int fd, uint16_t door, const struct net_addr *client);
/* Lets in whoever finds a slot now. */
void park_try(void);
void park_free(void);

/* ---- dummy.c ---- */
void dummy_add(int fd); /* takes fd */
void dummy_remove(void);
void dummy_start(void);
/* Before tls_in_use_conf(): it takes a file from there. */
void dummy_use_conf(void);
void dummy_stop(void);

/* ---- log_data.c ---- */
void log_data(const struct session *s, bool is_input, struct str bytes);

/* ---- tls_in.c ---- */
/* From master; takes fd. */
void tls_in_take(struct str path, int fd);
/* What master gave under that path for the configuration that is being taken into use; empty: nothing. */
struct str tls_in_file(const char *path);
/* Makes the contexts of all listeners of daemon_conf(), forgets the files. */
void tls_in_use_conf(void);
/* Of conf_listener_at(row); NULL: it has no certificate. Borrowed until the next configuration. */
struct ssl_ctx_st *tls_in_context(size_t row);
/* The same of a <transmissions-api-listener>. */
struct ssl_ctx_st *tls_in_api_context(size_t i);
void tls_in_free(void);

/* ---- conn.c ---- */
void conn_new(int fd, uint16_t door, const struct net_addr *client, slot_t slot); /* takes fd */
void conns_forget_conf(void);
/* 421 to all that are idle. */
void conns_stop(void);
void conns_free(void);

/* ---- intake.c ---- */
extern const struct intake_ops intake_ops;
/*
 * The journal, and who waits for it: pickup and queued. False: the disk is full; all mail is refused, and it is to be
 * tried again. Fatal otherwise.
 */
bool intake_open(void);
void intake_queue_up(int fd);
void intake_close(void);

/* ---- space.c ---- */
void space_init(void);
/* Now: may mail be taken? Sets world.refusal. */
void space_check(void);

/* ---- stop.c ---- */
void stop_init(void);
/* Idle sessions end now, the others within drain_ms. */
void stop_begin(int64_t drain_ms);
/* A session has ended, or the journal has caught up: was it the last that the stop waits for? */
void stop_check(void);

#endif
