/*
 * Walks a <pattern-list> (lib/conf/choice.h) for one message: rules in the order of the file, the first that applies
 * decides. It looks at a bounded number of fields and recipients, so that its time is bounded too.
 */
#ifndef PH_INJECTD_CHOICE_H
#define PH_INJECTD_CHOICE_H

#include "injectd/txn.h"

#define CHOICE_MAX_FIELDS 1000u /* of a message that are looked at */
#define CHOICE_MAX_RCPTS  1000u

struct choice {
	struct str vmta; /* VirtualMTA or pool, or empty */
	int priority;	 /* 0-100, -1: none */
};
/* What the list of the client's <source> chooses for this message with this header section; nothing if there is none. */
struct choice choice_make(struct txn *t, struct str head);

#endif
