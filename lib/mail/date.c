#include "lib/mail/date.h"

#include <time.h>

/* not strftime's: the locale must not change them */
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *
mail_date(struct wall when, char dst[MAIL_DATE_MAX])
{
	time_t sec = (time_t)wall_sec(when);
	struct tm tm;
	long off;

	if (localtime_r(&sec, &tm) == NULL)
		(void)gmtime_r(&(time_t){0}, &tm);
	off = tm.tm_gmtoff / 60;
	(void)snprintf(dst, MAIL_DATE_MAX, "%s, %02d %s %04d %02d:%02d:%02d %c%02ld%02ld",
	    days[tm.tm_wday % 7], tm.tm_mday, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, off < 0 ? '-' : '+', labs(off) / 60 % 100,
	    labs(off) % 60);
	return dst;
}
