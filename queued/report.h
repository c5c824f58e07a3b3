/*
 * The wait between a failed recipient's record and its report for the sender: the recipients of one message that
 * ended together are reported together, and end when bounced says that the report is durable.
 */
#ifndef PH_QUEUED_REPORT_H
#define PH_QUEUED_REPORT_H

#include <sys/queue.h>

#include "lib/ipc/ipc.h"
#include "queued/queue.h"

/* one end under way */
struct final {
	TAILQ_ENTRY(final) link;
	struct ipc_record record;
	uint32_t rcpt;	  /* handle; 0: a record only (t, tq, r) */
	uint32_t message; /* handle; 0: none (tq) */
	uint32_t queue;
	bool report_due;
	bool copy_due; /* bcc-upon-delivery */
	bool is_delay; /* a notice only: the recipient stays */
	int64_t retry_until_ns;
	void (*acked)(void *ctx); /* NULL, or told when the record is on disk */
	void *ctx;
	uint16_t text_len[8];
	char texts[];
};
TAILQ_HEAD(final_list, final);

/* Takes f until its report is durable; then it goes to final_end(). */
void report_add(struct final *f);
/*
 * The recipient waits on: its sender is told so. A notice that cannot be made is not tried again, the next one comes.
 * Sent with the next report_send_new().
 */
void report_delay(struct queue *q, uint32_t rcpt, struct tick until);
/* Sends what report_add() gathered since the last call. */
void report_send_new(void);
/* No report is open, or nobody is there who could make it. */
bool report_is_idle(void);

/* of final.c: the record is acknowledged and no report is open: into the done log; flush begins one round */
void final_end(struct final *f);
void final_end_flush(void);

#endif
