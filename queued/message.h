/*
 * What queued keeps in memory of a message and of a recipient: where the record lies, and who waits for what.
 * Addresses and bodies stay on disk. Both are named by 32-bit handles; a recipient is on at most one list.
 */
#ifndef PH_QUEUED_MESSAGE_H
#define PH_QUEUED_MESSAGE_H

#include "lib/base/slab.h"
#include "lib/ipc/structs.h"
#include "queued/ticks.h"

struct message {
	uint64_t id;
	uint32_t offset;
	uint32_t
	    len; /* of the record; a file's may be larger: then the highest value, and the file tells */
	uint32_t env_len;
	uint32_t segment; /* handle of the segment, 0: a queue file */
	uint32_t n_open;  /* recipients not yet forgotten */
	uint32_t
	    n_busy; /* of these: in a transaction or ending; while > 0 the place must not change */
	uint32_t job;	  /* handle, 0: none */
	uint32_t pool;	  /* name of the pool that was asked for, 0: none */
	uint32_t windows; /* of its schedule (window.h), 0: none */
	struct tick born;
	struct tick
	    counts_from; /* bounce-after counts from here: born, or when it was scheduled for */
	uint32_t seg_next, seg_prev; /* the other messages of its segment */
	uint8_t flags;		     /* enum message_flags */
	uint8_t priority;
	uint64_t sender, envid; /* what is kept of them (bigrams.h) */
};
enum message_flags { MSG_NULL_SENDER = 1, MSG_REPORT = 2, MSG_NO_DSN = 4, MSG_VERP = 8 };

enum rcpt_state { RCPT_READY = 1, RCPT_DEFERRED, RCPT_HELD, RCPT_FLIGHT, RCPT_ENDING };
struct rcpt {
	uint32_t message;
	uint32_t index; /* in the envelope */
	uint32_t next, prev;
	uint32_t queue;
	struct tick due; /* deferred: when it may be tried again */
	uint32_t domain; /* handle: its address's, whatever its queue is called */
	uint32_t
	    at; /* ready: its lane (order.c); deferred: its place (due.c); in flight: the connection's number */
	uint16_t tries;
	uint8_t state;	   /* enum rcpt_state */
	uint8_t notify;	   /* enum env_notify */
	uint8_t priority;  /* 0-100 */
	uint8_t shutoff;   /* attempts it still has while its queue is shut off (shutoff.h) */
	uint16_t n_delays; /* notices of delay sent, or passed over by a restart */
	uint32_t hash;	   /* of the address, as the suppression filter has it; 0: not known */
	uint16_t
	    cause; /* deferred: which line of the configuration says until when (judge.h), 0: none */
	uint8_t cleared;     /* asked, and not suppressed: it may be tried once */
	uint8_t cancel;	     /* enum cancel_bit: it was deleted in flight (end/cancel.h) */
	uint64_t local_part; /* what is kept of it (bigrams.h) */
};
_Static_assert(sizeof(struct rcpt) <= 56 && sizeof(struct message) <= 80,
    "a waiting recipient must stay cheap");

/* a doubly linked list of recipients by handle */
struct rlist {
	uint32_t head, tail, n;
};

struct message *message_at(uint32_t handle);
struct rcpt *rcpt_at(uint32_t handle);
uint32_t message_new(void);
uint32_t rcpt_new(void);
/* A place as the others need it. */
struct spool_place message_place(const struct message *m);

void rlist_push_back(struct rlist *l, uint32_t rcpt);
void rlist_push_front(struct rlist *l, uint32_t rcpt);
void rlist_remove(struct rlist *l, uint32_t rcpt);

/* The recipient is finished and its done record durable: forgets it, and with the last one the message. */
void rcpt_forget(uint32_t rcpt);
/* A record of the message, which was counted in n_busy, is on disk: the message may move, or go when nobody is left. */
void message_release(uint32_t message);

#endif
