/*
 * A recipient's end, in the order that loses nothing: its record goes to acctd and is acknowledged; a report for
 * the sender, where one is due, is durable in the spool; the done log has it and is flushed; only then it is
 * forgotten. Each step may be repeated after a crash of whoever does it.
 */
#ifndef PH_QUEUED_END_FINAL_H
#define PH_QUEUED_END_FINAL_H

#include "queued/conn.h"

/* what is known of an attempt; conn NULL: none was made */
struct final_facts {
	const struct conn *conn;
	struct str reply; /* borrowed for the call */
	uint64_t bytes;
	uint16_t code;
	uint8_t enh[3];
	bool dsn_relayed;
	bool local;   /* our own verdict, not a remote's reply */
	bool of_rcpt; /* it may concern the recipient's address, not only the way to it */
	bool is_ours; /* we end it, whatever was said last: no action follows */
	bool quiet;   /* no accounting line */
	bool no_report;
};

/* The recipient (in flight or waiting; it is taken out of its list here) ends. */
void final_begin(struct queue *q, uint32_t rcpt, enum final_kind kind, const struct final_facts *f);
/* `last`: the attempt that was just made, or NULL. */
void final_expired(struct queue *q, uint32_t rcpt, const struct final_facts *last);
/* A `t` record: the attempt failed, the recipient stays. */
void final_transient(struct queue *q, uint32_t rcpt, const struct final_facts *f);
/* A `tq` record: the queue could not be tried at all. */
void final_queue_transient(struct queue *q, const struct final_facts *f);
/* The same, and a <bounce-action> may say how long it waits. */
void final_queue_failed(struct queue *q, const struct final_facts *f);
/* An `r` record. */
void final_received(struct queue *q, uint32_t rcpt);

/* A record of what a report told (rb, rs, f), about a recipient in flight. 1: `acked` is called when it is on disk; 0: no
 * file wants it. */
uint32_t final_heard(struct queue *q, uint32_t rcpt, const struct ipc_processed_rcpt *head,
    struct str pairs, void (*acked)(void *ctx), void *ctx);

/* From acctd and bounced. */
void final_acknowledged(uint64_t seq);
void final_reported(const struct ipc_report_done *d);
/* A new acctd or bounced has come: everything open is sent again. */
void final_resend_records(void);
void final_resend_reports(void);
/* Nothing is on its way any more (for the end of the process). */
bool final_is_idle(void);

#endif
