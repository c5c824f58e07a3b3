/*
 * Complaints for the commands that the operator named (<fbl>, handler of type pipe): each gets the message as it came on
 * its standard input, with lines that end in LF, run by execd. A command that says "later" (exit status 75), or could
 * not be started now, has it again later; another failure is told in the log. What a command does is its own affair.
 */
#ifndef PH_BOUNCED_HANDLE_H
#define PH_BOUNCED_HANDLE_H

#include "lib/command/runner.h"
#include "lib/conf/conf.h"

struct bounced;

struct handlers {
	struct runner runner;
	struct commands commands;
	TAILQ_HEAD(handling_list, handling) waiting; /* for one of those that run to end */
	uint32_t n_running;
};
void handlers_init(struct handlers *h);
void handlers_clear(struct handlers *h);
void handlers_use_conf(struct handlers *h, const struct conf *c);
void handlers_order(struct bounced *b, const struct ipc_handle *what);
/* queued is gone: what waits is forgotten, and what runs goes on; it is ordered anew. */
void handlers_forget(struct handlers *h);

#endif
