#include "acctd/name.h"

#include <time.h>

#include "lib/base/num.h"

#define MAX_NUMBER 99999999u

struct acct_day
acct_day_of(struct wall t)
{
	time_t sec = (time_t)wall_sec(t);
	struct tm tm = {0};

	localtime_r(&sec, &tm);
	return (struct acct_day){
	    .year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday};
}

bool
acct_day_eq(struct acct_day a, struct acct_day b)
{
	return a.year == b.year && a.month == b.month && a.day == b.day;
}

struct wall
acct_day_end(struct acct_day day)
{
	struct tm tm = {.tm_year = day.year - 1900,
	    .tm_mon = day.month - 1,
	    .tm_mday = day.day + 1,
	    .tm_isdst = -1};

	return wall_from_sec((int64_t)mktime(&tm));
}

void
acct_name_make(const struct acct_def *d, const struct acct_name *n, char text[ACCT_NAME_MAX])
{
	snprintf(text, ACCT_NAME_MAX, "%s-%04d-%02d-%02d-%04u%s", d->base, n->day.year,
	    n->day.month, n->day.day, n->number, d->ext);
}

void
acct_name_link(const struct acct_def *d, char text[ACCT_NAME_MAX])
{
	snprintf(text, ACCT_NAME_MAX, "%s%s", d->base, d->ext);
}

bool
acct_name_parse(const struct acct_def *d, struct str text, struct acct_name *n)
{
	struct str base = str_of(d->base), ext = str_of(d->ext);
	uint32_t year, month, day, number;

	if (text.len < base.len + ext.len + STR("-YYYY-MM-DD-NNNN").len ||
	    !str_has_prefix(text, base) || !str_has_suffix(text, ext))
		return false;
	text = str_sub(text, base.len, text.len - base.len - ext.len);
	if (text.p[0] != '-' || text.p[5] != '-' || text.p[8] != '-' || text.p[11] != '-')
		return false;
	if (!parse_u32(str_sub(text, 1, 4), 1970, 9999, &year) ||
	    !parse_u32(str_sub(text, 6, 2), 1, 12, &month) ||
	    !parse_u32(str_sub(text, 9, 2), 1, 31, &day) ||
	    !parse_u32(str_skip(text, 12), 0, MAX_NUMBER, &number))
		return false;
	*n = (struct acct_name){{(int)year, (int)month, (int)day}, number};
	return true;
}
