/*
 * Mail to the operator about a queue (backoff-notify, disabled-source-ip-notify): written by bounced like a report,
 * from the null sender, so that nothing is ever written about it in turn. A notice is kept until bounced says that it
 * is durable in the spool. It is on its way to bounced when the call returns, so that it outlives queued; only what bounced is
 * not there for, or cannot store, is in memory alone. When too many are open the newest is dropped and said so in the log.
 */
#ifndef PH_QUEUED_END_NOTICE_H
#define PH_QUEUED_END_NOTICE_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"

struct queue;

/* Has the queue anybody to tell under that directive? */
bool notice_is_wanted(const struct queue *q, enum conf_key who);
/* "2026-11-21 09:00:00 +0000", local time */
struct str notice_time(struct wall w, char text[32]);
/* Makes the buffer for the text: lines that end with LF. */
void notice_begin(struct buf *b);
/* Sends the text to those whom `who` names; the subject is "Queue NAME `what`". Clears the buffer. */
void notice_send(struct queue *q, enum conf_key who, const char *what, struct buf *b);

/* The same to those whom a global directive names; the subject as given. */
void notice_post(const struct conf_set *set, enum conf_key who, const char *subject, struct buf *b);

/* From bounced. */
void notice_done(const struct ipc_notice_done *d);
/* A new bounced has come: all that is open is sent again. */
void notice_resend(void);
bool notice_is_idle(void);

#endif
