/*
 * What follows from what deliverd reports: a recipient is done, waits, or has failed; a host or the whole queue is
 * left alone for a while. Only what a remote said or did counts as an attempt.
 */
#ifndef PH_QUEUED_END_OUTCOME_H
#define PH_QUEUED_END_OUTCOME_H

#include "queued/conn.h"

struct final_facts;

void outcome_rcpt(struct conn *c, uint32_t rcpt, const struct ipc_result *r, struct str reply);
/* A recipient in flight comes back without an attempt. */
void outcome_untried(struct queue *q, uint32_t rcpt);
/* The connection ended; its transactions were given back before. */
void outcome_conn(struct conn *c, const struct ipc_conn_down *d, struct str text);
/* The name server had no host for the queue. Gives what holds the queue from now on. */
enum queue_hold outcome_no_route(struct queue *q);
/* Every host failed, and no connection is left that could still deliver. */
enum queue_hold outcome_no_host(struct queue *q);
/* Bounces what was accepted until then, a bounded number a turn. False: there is more, and the queue was kicked or
 * waits for accounting. */
bool outcome_bounce_all(struct queue *q, const struct final_facts *f, struct tick born_until);
/* Its VirtualMTA is gone from the configuration: what is queued bounces. */
void outcome_no_vmta(struct queue *q);

#endif
