/*
 * What is to be signed, how and with which keys: the configuration of a queue held against one message. No more than
 * two signatures, the first by the dkim-… directives, the second by their second-dkim-… twins. It decides; it neither
 * hashes nor signs, and knows no key but by its number.
 */
#ifndef PH_DKIM_PLAN_H
#define PH_DKIM_PLAN_H

#include "lib/base/clock.h"
#include "lib/dkim/identity.h"
#include "lib/dkim/keys.h"
#include "lib/dkim/sign.h"

#define DKIM_SIGNATURES 2
#define DKIM_MAX_NAMES                                                                             \
	64 /* header fields that one directive may name; the others are passed over */

struct dkim_message {
	struct str header;     /* as it will be sent, in stored form */
	struct str vmta, pool; /* empty: none */
	struct str options;    /* of its X-DKIM-Options field */
	bool has_options;
	struct wall now;
};
/* One signature. Its views point into the configuration, the message and itself: it must not be copied. */
struct dkim_choice {
	uint32_t key;
	struct dkim_spec spec; /* without its algorithm: that is the key's */
	struct dkim_identity identity;
	struct str more[DKIM_MAX_NAMES], closed[DKIM_MAX_NAMES];
	const struct regex *patterns[DKIM_MAX_NAMES];
	size_t n_patterns;
};
struct dkim_plan {
	size_t n; /* 0: unsigned */
	struct dkim_choice choices[DKIM_SIGNATURES];
};

/* Can any message of this queue be signed at all? Cheap: asked of each. */
bool dkim_plan_may_sign(const struct dkim_keys *k, const struct conf_set *queue, struct str vmta);
void dkim_plan_make(const struct dkim_keys *k, const struct conf_set *queue,
    const struct dkim_message *m, struct dkim_plan *plan);

#endif
