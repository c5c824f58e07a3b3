/*
 * REPORT_RCPT messages until the REPORT that they belong to: by message id, bounded in number and bytes.
 */
#ifndef PH_BOUNCED_GATHER_H
#define PH_BOUNCED_GATHER_H

#include <sys/queue.h>

#include "lib/ipc/ipc.h"

#define GATHER_MAX_BYTES (64u * 1024 * 1024)

struct gathered_rcpt {
	struct ipc_report_rcpt head;
	char *reply, *mta, *vmta; /* owned */
};
struct gathered {
	TAILQ_ENTRY(gathered) link;
	uint64_t id;
	struct gathered_rcpt *rcpts; /* by rcpt index after gather_take() */
	size_t n, cap, bytes;
};
struct gather {
	TAILQ_HEAD(, gathered) all; /* the last one used is first: they come message by message */
	size_t bytes;
};

void gather_init(struct gather *g);
void gather_clear(struct gather *g);
/* False: there is no room for more. Texts: reply, mta name, VirtualMTA. */
bool gather_add(struct gather *g, const struct ipc_report_rcpt *head, const struct str *text);
/* All of that message, in the order of their indices; NULL: there is nothing. Returns owned. */
struct gathered *gather_take(struct gather *g, uint64_t id);
void gathered_free(struct gathered **r);

#endif
