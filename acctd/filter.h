/*
 * `queue-filter`: which queues' records go into a file. An ordered list of [!]domainpattern/vmta; the first that
 * matches decides; a queue that nothing matches is left out. Only records of a queue (d, b, t, tq) are asked.
 */
#ifndef PH_ACCTD_FILTER_H
#define PH_ACCTD_FILTER_H

#include "lib/base/str.h"

#define FILTER_MAX 256

struct filter_rule {
	char *domain; /* "*", "name", "*.name", "[*.]name"; owned */
	char *vmta;   /* "*" or a name; owned */
	bool negated;
};
struct filter {
	struct filter_rule rules[FILTER_MAX];
	size_t n; /* 0: everything passes */
};

void filter_init(struct filter *f);
void filter_clear(struct filter *f);
/* Adds one item of the list. False: too many rules, or nothing in it. */
bool filter_add(struct filter *f, struct str item);
/* queue: "domain/vmta" */
bool filter_passes(const struct filter *f, struct str queue);
bool filter_eq(const struct filter *a, const struct filter *b);

#endif
