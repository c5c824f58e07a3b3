/*
 * Times in which a message may be delivered (x-schedule): windows with a start and an end, in order, apart from each
 * other. As the field says them, in the local zone ("YYYY-MM-DD HH:MM:SS / YYYY-MM-DD HH:MM:SS, …"), and as the
 * envelope keeps them, in seconds since 1970 ("S-E,S-E"). Pure; it never asks for the time.
 */
#ifndef PH_MAIL_SCHEDULE_H
#define PH_MAIL_SCHEDULE_H

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/why.h"

#define SCHEDULE_MAX	  64u
#define SCHEDULE_TEXT_MAX (SCHEDULE_MAX * 42u) /* with NUL */

struct schedule_window {
	struct wall from, until; /* from < until; at `until` it is over */
};
struct schedule {
	uint32_t n;
	struct schedule_window window[SCHEDULE_MAX];
};

/*
 * The value of a field: windows are sorted, and joined where they overlap or touch. -1 with `why` (554 5.6.0) when it
 * is malformed, empty, has an end that is not behind its start, or more than SCHEDULE_MAX windows.
 */
int schedule_parse_field(struct str value, struct schedule *s, struct why *why) PH_MUST_CHECK;
/* The envelope's form. -1: it is not one. */
int schedule_parse(struct str text, struct schedule *s) PH_MUST_CHECK;
/* The envelope's form, NUL-terminated. Returns its length. */
size_t schedule_text(const struct schedule *s, char dst[SCHEDULE_TEXT_MAX]);

#endif
