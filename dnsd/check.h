/*
 * Checks that take several questions: SPF (lib/spf), whether a client's address has a name that leads back to it, and
 * texts of a name, for injectd and queued. Each one ends with one answer within its deadline. It must never trust a
 * record: what is not a name is not asked for.
 */
#ifndef PH_DNSD_CHECK_H
#define PH_DNSD_CHECK_H

#include "dnsd/lookup.h"
#include "lib/ipc/ipc.h"

#define CHECKS_TOKEN	   (UINT64_C(1) << 63) /* in the tokens of its look-ups */
#define CHECKS_MAX	   5000		       /* at a time; more are answered with temperror */
#define CHECKS_DEADLINE_MS 20000
#define CHECKS_PEERS	   16

struct check;
struct checks {
	struct lookup *lookup; /* borrowed; its answers come by checks_on_answer() */
	struct slab slots;     /* struct check_slot */
	uint32_t ticket;
	struct ipc_chan *inject[CHECKS_PEERS];
};

void checks_init(struct checks *c, struct lookup *l);
void checks_clear(struct checks *c);
void checks_inject_up(struct checks *c, uint32_t instance, int fd); /* takes fd */
/* text: HELO or name, sender, our name. The answer goes to `to`. */
void checks_start(
    struct checks *c, struct ipc_chan *to, const struct ipc_check *q, const struct str text[3]);
/* For a person: "IP HELO [SENDER]"; the answer is an ANSWER. */
void checks_ask_spf(struct checks *c, struct ipc_chan *to, uint32_t token, struct str argument);
/* That channel is gone. */
void checks_drop(struct checks *c, const struct ipc_chan *to);
void checks_on_answer(struct checks *c, uint64_t token, const struct wire_answer *a);

#endif
