/*
 * MX roll-up: <mx-rollup-list> says which mail exchangers make a roll-up queue, and a domain whose exchangers of the
 * lowest preference fit has its mail in that queue. Without "*" all exchangers that the list has for a queue must be
 * among them; others that the domain has are not used. With "*" each of them must fit one of the queue's patterns. It
 * keeps the lists, and the names that rollup-by-ip queues deliver to; it moves nothing.
 */
#ifndef PH_QUEUED_WAY_ROLLUP_H
#define PH_QUEUED_WAY_ROLLUP_H

#include "lib/base/str.h"

#define ROLLUP_MAX_NAMES 100

/* the exchangers of the lowest preference that an answer named */
struct rollup_mx {
	uint16_t pref;
	uint32_t n;
	char *names[ROLLUP_MAX_NAMES]; /* owned */
};

/* From the configuration. True: the lists are others than before. */
bool rollup_configure(void);
/* Are there any lists? */
bool rollup_is_on(void);
/* Notes one exchanger of an answer. */
void rollup_mx_add(struct rollup_mx *mx, uint16_t pref, struct str name);
void rollup_mx_clear(struct rollup_mx *mx);
/*
 * The roll-up queue's name for these exchangers over the VirtualMTA; empty: none fits. With patterns only when it is
 * known where to deliver: smtp-hosts in <domain NAME.rollup>, or rollup-by-ip, which then takes these as hosts.
 */
struct str rollup_match(const struct rollup_mx *mx, struct str vmta);
/* Is it the name of a roll-up queue that the lists have? */
bool rollup_has(struct str name);
/* The exchangers to deliver to, number i; false: there are no more. */
bool rollup_host(struct str name, uint32_t i, struct str *host);

#endif
