/*
 * Connections that queued granted to a deliverd, and the transactions it gave them. Numbers of connections are
 * queued's own; one is used again only after CONN_DOWN, which is the last message about it.
 */
#ifndef PH_QUEUED_CONN_H
#define PH_QUEUED_CONN_H

#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "queued/limit/pool.h"
#include "queued/queue.h"

struct peer;
struct way;

#define CONN_WINDOW 32

struct txn {
	STAILQ_ENTRY(txn) link;
	uint32_t number;
	uint32_t message;
	struct rlist rcpts; /* those without a result */
	bool delivered;
	bool volume_known; /* what it brought was counted */
	uint64_t volume;   /* bytes that were reserved for it */
};

struct conn {
	TAILQ_ENTRY(conn) link; /* the queue's */
	TAILQ_ENTRY(conn) idle_link;
	struct queue *queue;
	uint32_t number;
	uint32_t deliverer;
	uint32_t next_txn;
	uint32_t n_txns; /* given, not done */
	uint32_t n_given;
	uint32_t n_delivered;
	uint32_t n_errors; /* recipients refused or deferred */
	uint32_t extensions;
	struct pools pools;	  /* as its VirtualMTA had them when it was opened */
	struct limit *to_host;	  /* of target.h, NULL: none */
	struct limit *to_address; /* the same */
	uint32_t source;	  /* in the queue's `from`, 0: nothing limits it */
	uint8_t type;		  /* enum delivery_type */
	bool up;
	bool is_idle; /* in its VirtualMTA's list of those */
	bool is_interrupted;
	bool is_cancelled;  /* what it was sending was deleted, and it was told so */
	bool is_connecting; /* for the rates of connecting: not answered yet */
	bool closing;
	bool
	    spent; /* gets nothing more: deliverd ended a transaction untried, or a reply said so */
	bool skips;	/* a reply said: not this host */
	int64_t txn_ms; /* a transaction's usual length, smoothed */
	struct mono last_done;
	struct mono opened;
	STAILQ_HEAD(, txn) txns;
	struct net_addr dst, src;
	struct net_addr src_asked;	 /* the source as configured; family 0: any */
	struct net_addr proxy;		 /* family 0: none */
	char *host;			 /* owned */
	char *ehlo;			 /* owned */
	char *tls_protocol, *tls_cipher; /* owned, may be NULL */
	struct ev_timer idle;
};

/* Grants a connection that way and takes the limits for it. false: no deliverd can take one now. */
bool conn_open(struct queue *q, const struct way *w);
/* How many more transactions it should be given now. */
uint32_t conn_room(const struct conn *c);
/* Builds one transaction from the head of the queue's ready recipients, at most `max` of them, and sends it. */
void conn_give(struct conn *c, uint32_t max);
/* Has it nothing to do? It closes after the queue's idle time, or at once when it had its share. */
void conn_set_idle(struct conn *c);
void conn_close(struct conn *c, enum conn_close how);
struct conn *conn_find(uint32_t number);

/* From deliverd. */
void conn_came_up(struct peer *p, const struct ipc_msg *m);
void conn_result(struct peer *p, const struct ipc_msg *m);
void conn_txn_done(struct peer *p, const struct ipc_msg *m);
void conn_went_down(struct peer *p, const struct ipc_msg *m);
/* That deliverd takes orders again. */
void conn_deliverer_ready(uint32_t instance);
/* That deliverd died: what it had is given back. */
void conn_deliverer_gone(uint32_t instance);

#endif
