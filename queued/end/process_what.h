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
/* fbl: the <fbl> block, from 1 on, or 0. */
void process_decide(enum conf_processor which, enum process_verdict verdict, uint32_t fbl,
    struct process_what *what);

#endif
