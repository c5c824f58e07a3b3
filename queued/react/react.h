/*
 * What a remote's reply causes beyond the recipient it was about: the queue's mode, its waits, its sources, the host,
 * all of its mail. Only what a remote said comes here, never our own trouble.
 */
#ifndef PH_QUEUED_REACT_REACT_H
#define PH_QUEUED_REACT_REACT_H

#include "queued/end/final.h"

/* what it means for the recipient, or the connection, that the reply was about */
enum react_bits {
	REACT_SKIP_MX = 1, /* not this host: what was refused stays queued */
	REACT_BOUNCE = 2,  /* what was deferred bounces */
	REACT_WAIT = 4,	   /* the queue waits */
	REACT_SOURCE = 8   /* the source is out of use: another one may do better */
};
/* rcpt: handle of the recipient, 0: the reply was about the connection. */
unsigned react_to_reply(struct conn *c, uint32_t rcpt, uint8_t stage, const struct final_facts *f);

/* bounce-queue is at work: bounces a bounded number a turn. False: nothing is left of it. */
bool react_purge_run(struct queue *q);
void react_purge_free(struct queue *q);

#endif
