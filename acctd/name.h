/*
 * The names of accounting files: NAME-YYYY-MM-DD-NNNN.csv beside the link NAME.csv.
 */
#ifndef PH_ACCTD_NAME_H
#define PH_ACCTD_NAME_H

#include "acctd/def.h"
#include "lib/base/clock.h"

#define ACCT_NAME_MAX 256

struct acct_day {
	int year, month, day; /* local time */
};
struct acct_name {
	struct acct_day day;
	uint32_t number;
};

struct acct_day acct_day_of(struct wall t);
bool acct_day_eq(struct acct_day a, struct acct_day b);
/* When that day ends (the next midnight, local time). */
struct wall acct_day_end(struct acct_day day);

void acct_name_make(const struct acct_def *d, const struct acct_name *n, char text[ACCT_NAME_MAX]);
/* The link's name, NAME.csv. */
void acct_name_link(const struct acct_def *d, char text[ACCT_NAME_MAX]);
/* Is this a name of this <acct-file>'s files? Then fills *n. */
bool acct_name_parse(const struct acct_def *d, struct str text, struct acct_name *n);

#endif
