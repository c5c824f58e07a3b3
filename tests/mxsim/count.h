/*
 * What was accepted: each recipient with its message's identity (X-Id, else Message-ID, else the body's hash), how
 * often it came, a line in the log, and the raw message in a folder if asked.
 */
#ifndef PH_MXSIM_COUNT_H
#define PH_MXSIM_COUNT_H

#include "lib/base/buf.h"
#include "tests/mxsim/provider.h"

struct counter {
	FILE *log;   /* NULL: none */
	int dump_fd; /* folder for raw messages, -1: none */
	uint64_t n_begun, n_messages, n_recipients, n_duplicates;
	struct table64 seen;
	int64_t first_ns, last_ns; /* wall times of the first and the last message */
};
struct accepted {
	struct provider *provider;
	struct str peer, ehlo, sender, id;
	uint64_t number, body_hash, size;
	struct wall when;
	bool tls;
};

/* Files may be NULL. -1 with `why`. */
int counter_open(
    struct counter *c, const char *log, const char *dump, struct why *why) PH_MUST_CHECK;
void counter_flush(struct counter *c);
void counter_close(struct counter *c);
/* One recipient of an accepted message. */
void counter_add(struct counter *c, const struct accepted *a, struct str rcpt);
void counter_add_message(struct counter *c, const struct accepted *a);

#endif
