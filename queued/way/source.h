/*
 * Source addresses that are out of use for one queue, because a remote's reply or the operator said so, each until
 * its time is over or it is enabled by command. It must never put another address in the place of one that is
 * disabled: with none left the queue waits.
 */
#ifndef PH_QUEUED_WAY_SOURCE_H
#define PH_QUEUED_WAY_SOURCE_H

#include "queued/react/mode.h"

struct source_off {
	struct net_addr addr;	  /* family 0: whatever address the system chose */
	struct tick since, until; /* until INT32_MAX: until it is enabled */
	struct cause_kept by;
};
struct sources_off {
	struct source_off *list;
	uint32_t n;
	bool all; /* every source of its VirtualMTA is in the list */
};

/* ms: how long, -1: as reenable-source-ip-after says, CONF_NEVER. False: it is disabled already. */
bool source_disable(
    struct queue *q, const struct net_addr *addr, int64_t ms, const struct cause *c);
/* False: it is not disabled. */
bool source_enable(struct queue *q, const struct net_addr *addr);
/* Is it out of use: disabled, or held because a block list names it? */
bool source_is_off(const struct queue *q, const struct net_addr *addr);
/* Is no source left? */
bool source_all_disabled(const struct queue *q);
/* The next source of the family that is not out of use, in turn; see vmta_next_source(). */
bool source_next(struct queue *q, uint8_t family, struct conf_source_host *src);
/* Enables those whose time is over. */
void source_run(struct queue *q);
struct tick source_next_change(const struct queue *q);
bool source_remembers(const struct queue *q);
void source_free(struct queue *q);

#endif
