/*
 * The wait between a failed recipient's record and its report for the sender: the recipients of one message that
 * ended together are reported together, and end when bounced says that the report is durable.
 */
#ifndef PH_QUEUED_END_REPORT_H
#define PH_QUEUED_END_REPORT_H

#include <sys/queue.h>

#include "lib/ipc/ipc.h"
#include "queued/queue.h"

/* the texts of a record, as IPC_RECORD has them */
enum final_which {
	FINAL_REPLY,
	FINAL_MTA,
	FINAL_VMTA,
	FINAL_POOL,
	FINAL_QUEUE,
	FINAL_TLS_PROTOCOL,
	FINAL_TLS_CIPHER,
	FINAL_CATEGORY, /* the last: it comes when the others are there already */
	FINAL_TEXTS
};
#define FINAL_CATEGORY_MAX 64

/* one end under way */
struct final {
	TAILQ_ENTRY(final) link;
	struct ipc_record record;
	uint32_t rcpt;	  /* handle; 0: a record only (t, tq, r) */
	uint32_t message; /* handle; 0: none (tq) */
	uint32_t queue;
	uint64_t asked; /* of bounced (judge.h) */
	uint32_t about; /* of a `t` record: the recipient's handle, which may be stale */
	uint16_t tries; /* the same: its attempts with this one */
	uint8_t judge;	/* enum judge_kind */
	bool of_rcpt;	/* the failure may concern the recipient's address */
	bool is_wanted; /* of a `t` record: some file records it */
	bool report_due;
	bool copy_due; /* bcc-upon-delivery */
	bool is_delay; /* a notice only: the recipient stays */
	int64_t retry_until_ns;
	void (*acked)(void *ctx); /* NULL, or told when the record is on disk */
	void *ctx;
	uint16_t text_len[FINAL_TEXTS];
	uint16_t room; /* of texts */
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

/* ---- of final.c, for judge.c ---- */

struct str final_text(const struct final *f, enum final_which which);
/* Once: cut to FINAL_CATEGORY_MAX. */
void final_set_category(struct final *f, struct str category);
/* That is its end, and not another attempt: it is counted and told. */
void final_so_it_ends(const struct final *f);
/* To acctd, and so on. */
void final_post(struct final *f);
/* The same of a `t` record; unless it is wanted by nobody: then it is freed. */
void final_post_transient(struct final *f);
/* The end under way becomes a `t` record; its recipient waits in its queue again. */
void final_make_transient(struct final *f);
struct final *final_copy(const struct final *f);
/* f, copied of a `t` record, becomes the end of that recipient, which waits in q. */
void final_end_by(struct final *f, struct queue *q, uint32_t rcpt);

/* of final.c: the record is acknowledged and no report is open: into the done log; flush begins one round */
void final_end(struct final *f);
void final_end_flush(void);

#endif
