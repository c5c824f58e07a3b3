/*
 * The wait between a failure and its record: bounced is asked for its category and for what is to follow (retry,
 * bounce, suppress), and what it says is done. While bounced is away outcomes wait; deliveries do not, and of the other
 * queues none. Only a queue that itself has outcomes waiting, when these are too many in all, waits for it.
 */
#ifndef PH_QUEUED_END_JUDGE_H
#define PH_QUEUED_END_JUDGE_H

#include "queued/end/report.h"

/* Takes f, whose `judge` says what is asked, until the answer comes; then it goes to final_post() or what it orders. */
void judge_ask(struct final *f);
/* From bounced. */
void judge_verdict(const struct ipc_msg *m);
/* A new bounced has come: everything open is asked again. */
void judge_resend(void);
/* Nothing waits that will be answered. */
bool judge_is_idle(void);
/* Must the queue wait until some of its outcomes are judged? It is in the line then. */
bool judge_holds(struct queue *q);

/* The line of the configuration that made a recipient wait; NULL: none. */
struct judge_cause {
	char *file, *category; /* owned */
	uint32_t line;
};
const struct judge_cause *judge_cause(uint32_t rcpt);

#endif
