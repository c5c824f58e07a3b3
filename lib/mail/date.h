/*
 * Dates of header fields (RFC 5322 3.3), in the local zone. Pure; the zone must have been loaded (tzset) before rights
 * are given up.
 */
#ifndef PH_MAIL_DATE_H
#define PH_MAIL_DATE_H

#include "lib/base/clock.h"

#define MAIL_DATE_MAX 48

/* "Fri, 21 Nov 1997 09:55:06 -0600", NUL-terminated. Returns dst. */
const char *mail_date(struct wall when, char dst[MAIL_DATE_MAX]);

#endif
