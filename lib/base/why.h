/*
 * A reason that a person or a remote will read: built once, where it is known, passed on as it is. It is a
 * finished sentence without a trailing newline. SMTP code and enhanced status are 0 where they have no meaning.
 */
#ifndef PH_BASE_WHY_H
#define PH_BASE_WHY_H

#include "lib/base/base.h"

struct why {
	char text[512];
	uint16_t smtp_code; /* e.g. 452, or 0 */
	uint8_t enh[3];	    /* enhanced status, e.g. {4,3,1}; enh[0] == 0: none */
	uint8_t pad;
};

/* Sets the sentence (cut at the array's end). `why` may be NULL: nothing happens. Returns -1, for `return why_set(…)`. */
int why_set(struct why *why, const char *fmt, ...) PH_PRINTF(2, 3);
/* The same with errno's text appended after ": ". Keeps errno. */
int why_errno(struct why *why, const char *fmt, ...) PH_PRINTF(2, 3);
/* SMTP reply: code 250-559, enhanced status a.b.c. Returns -1. */
int why_smtp(struct why *why, int code, int a, int b, int c, const char *fmt, ...) PH_PRINTF(6, 7);

#endif
