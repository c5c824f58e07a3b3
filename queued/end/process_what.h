/* What the configuration says is done with a message that a processor has read. It only looks it up. */
#ifndef PH_QUEUED_END_PROCESS_WHAT_H
#define PH_QUEUED_END_PROCESS_WHAT_H

#include "lib/base/buf.h"
#include "lib/conf/processor.h"
#include "lib/ipc/ipc.h"

struct process_what {
	struct buf rcpts; /* who gets a copy: addresses with commas between; the caller clears it */
	bool delivers_copy; /* it has ended, and a copy is delivered */
	bool goes_on;	    /* it is delivered itself, as if there were no processor */
};
/* A complaint that is proved to be about our mail. */
struct process_complaint {
	uint32_t fbl; /* the <fbl> block it came to, from 1 on, or 0 */
	struct str
	    vmta; /* of the mail; empty: it does not say; then the block's, where that names one */
	struct str
	    scope; /* set: for which VirtualMTA's or pool's mail its recipient is suppressed; empty: for all */
};
/* Is it about mail of those whose complaints the block reads? Sets vmta and scope. */
bool process_is_theirs(struct process_complaint *c);
/* The handlers of type pipe, one after the other: the next behind *i, as its line's number in *i. *i begins with UINT32_MAX. */
bool process_next_pipe(uint32_t fbl, uint32_t *i);
/* Is its recipient to be suppressed? Yes, unless the block has handlers, and none of them says so. */
bool process_suppresses(const struct process_complaint *c);

/* fbl: the <fbl> block, from 1 on, or 0. */
void process_decide(enum conf_processor which, enum process_verdict verdict, uint32_t fbl,
    struct process_what *what);

#endif
