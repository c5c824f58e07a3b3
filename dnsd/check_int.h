/*
 * One check under way, and the ways to make one.
 */
#ifndef PH_DNSD_CHECK_INT_H
#define PH_DNSD_CHECK_INT_H

#include "dnsd/check.h"
#include "lib/spf/spf.h"

struct check_way;
struct check {
	struct checks *owner;
	struct ipc_chan *to; /* borrowed */
	struct ipc_check q;
	struct net_addr client;
	const struct check_way *way;
	struct ev_timer deadline;
	uint32_t handle, ticket;
	bool is_asked; /* by a person */

	struct spf *spf; /* owned */

	/* of iprev */
	struct wire_mx names[SPF_MAX_NAMES];
	size_t n_names, at_name;
	bool has_failed; /* a name could not be looked up */
};
/* Both end in check_finish() at once or later. */
struct check_way {
	void (*start)(struct check *k, const struct str text[3]);
	void (*answer)(struct check *k, const struct wire_answer *a);
};
extern const struct check_way check_way_spf, check_way_iprev, check_way_txt;

/* As lookup_ask(); what is no name does not exist. */
bool check_ask(struct check *k, enum wire_type type, struct str name, struct wire_answer *a);
/* Answers and frees. text: domain or name, reason, explanation or text. */
void check_finish(struct check *k, enum spf_result result, const struct str text[3]);

#endif
