/*
 * Parameters of MAIL and RCPT (RFC 5321 4.1.2: esmtp-param), one after the other. Knows no parameter by name.
 */
#ifndef PH_SMTP_PARAM_H
#define PH_SMTP_PARAM_H

#include "lib/base/str.h"

struct smtp_param {
	struct str key;
	struct str value; /* empty where there is none; p is NULL then */
};
/* The next one from the front of *rest. > 0: *p was filled; 0: none is left; < 0: malformed. */
int smtp_param_next(struct str *rest, struct smtp_param *p);

#endif
