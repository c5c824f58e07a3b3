/*
 * A NOTICE of queued's: one new message to the operator's addresses, from the null sender, about which nothing is ever
 * reported.
 */
#ifndef PH_BOUNCED_NOTICE_H
#define PH_BOUNCED_NOTICE_H

#include "bounced/compose.h"

/* texts: recipients with commas between, subject, text. -1 with `why`: there is nothing that could be sent. */
int notice_compose(struct composer *c, const struct str texts[3], const struct compose_out *out,
    struct why *why) PH_MUST_CHECK;

#endif
