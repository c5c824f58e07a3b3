#include "lib/mail/date.h"

#include <time.h>

#include "lib/base/digits.h"

/* not strftime's: the locale must not change them */
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static char *
put_time(char *p, const struct tm *tm)
{
	p = digits_put(p, 2, (unsigned)tm->tm_hour);
	*p++ = ':';
	p = digits_put(p, 2, (unsigned)tm->tm_min);
	*p++ = ':';
	return digits_put(p, 2, (unsigned)tm->tm_sec);
}

/* "+hhmm" */
static char *
put_zone(char *p, long off_min)
{
	unsigned long away = (unsigned long)labs(off_min);

	*p++ = off_min < 0 ? '-' : '+';
	p = digits_put(p, 2, away / 60);
	return digits_put(p, 2, away % 60);
}

const char *
mail_date(struct wall when, char dst[MAIL_DATE_MAX])
{
	time_t sec = (time_t)wall_sec(when);
	struct tm tm;
	char *p = dst;

	if (localtime_r(&sec, &tm) == NULL)
		(void)gmtime_r(&(time_t){0}, &tm);
	p = digits_put_text(p, days[tm.tm_wday % 7]);
	p = digits_put_text(p, ", ");
	p = digits_put(p, 2, (unsigned)tm.tm_mday);
	*p++ = ' ';
	p = digits_put_text(p, months[tm.tm_mon % 12]);
	*p++ = ' ';
	p = digits_put(p, 4, (unsigned)(tm.tm_year + 1900));
	*p++ = ' ';
	p = put_time(p, &tm);
	*p++ = ' ';
	p = put_zone(p, tm.tm_gmtoff / 60);
	*p = '\0';
	return dst;
}
