#include "lib/mail/schedule.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"

/*
 *	x-schedule = window *( "," window )
 *	window	   = date-time "/" date-time
 *	date-time  = 4DIGIT "-" 2DIGIT "-" 2DIGIT SP 2DIGIT ":" 2DIGIT [ ":" 2DIGIT ]
 */

#define SEC_MAX (INT64_MAX / NS_PER_SEC) /* nanoseconds of later years have no room in 64 bits */

static int
bad(struct why *why, const char *text, struct str piece)
{
	return why_smtp(why, 554, 5, 6, 0, "x-schedule: %s: %.*s", text,
	    STR_ARG(str_sub(str_trim(piece), 0, 60)));
}

/* a number of so many digits, then `end` unless it is '\0' */
static bool
take_part(struct str *s, size_t digits, char end, int *v)
{
	uint32_t n;

	if (!parse_u32(str_sub(*s, 0, digits), 0, 9999, &n) || s->len < digits)
		return false;
	*s = str_skip(*s, digits);
	*v = (int)n;
	if (end == '\0')
		return true;
	if (s->len == 0 || s->p[0] != end)
		return false;
	*s = str_skip(*s, 1);
	return true;
}

static bool
is_in_range(const struct tm *tm)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	/* well below SEC_MAX */
	return tm->tm_year >= 1970 && tm->tm_year <= 2200 && tm->tm_mon >= 1 && tm->tm_mon <= 12 &&
	       tm->tm_mday >= 1 && tm->tm_mday <= days[tm->tm_mon - 1] && tm->tm_hour <= 23 &&
	       tm->tm_min <= 59 && tm->tm_sec <= 59;
}

static bool
parse_time(struct str s, struct wall *when)
{
	struct tm tm = {.tm_isdst = -1};
	time_t t;

	s = str_trim(s);
	if (!take_part(&s, 4, '-', &tm.tm_year) || !take_part(&s, 2, '-', &tm.tm_mon) ||
	    !take_part(&s, 2, ' ', &tm.tm_mday))
		return false;
	s = str_trim(s);
	if (!take_part(&s, 2, ':', &tm.tm_hour) || !take_part(&s, 2, '\0', &tm.tm_min))
		return false;
	if (s.len > 0 &&
	    (s.p[0] != ':' || (s = str_skip(s, 1), !take_part(&s, 2, '\0', &tm.tm_sec))))
		return false;
	if (s.len > 0 || !is_in_range(&tm))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	t = mktime(&tm);
	if (t < 0)
		return false;
	when->ns = (int64_t)t * NS_PER_SEC;
	return true;
}

static int
by_start(const void *a, const void *b)
{
	const struct schedule_window *x = a, *y = b;

	return (x->from.ns > y->from.ns) - (x->from.ns < y->from.ns);
}

static void
join(struct schedule *s)
{
	uint32_t n = 0;

	qsort(s->window, s->n, sizeof s->window[0], by_start);
	for (uint32_t i = 1; i < s->n; i++) {
		struct schedule_window *last = &s->window[n];
		if (s->window[i].from.ns > last->until.ns)
			s->window[++n] = s->window[i];
		else if (s->window[i].until.ns > last->until.ns)
			last->until = s->window[i].until;
	}
	s->n = n + 1;
}

int
schedule_parse_field(struct str value, struct schedule *s, struct why *why)
{
	struct str piece, rest = str_trim(value);

	s->n = 0;
	while (str_next(&rest, ',', &piece)) {
		size_t slash = str_find(piece, '/');
		struct schedule_window *w = &s->window[s->n];
		if (s->n == SCHEDULE_MAX)
			return bad(why, "too many windows", piece);
		if (slash == STR_NPOS || !parse_time(str_sub(piece, 0, slash), &w->from) ||
		    !parse_time(str_skip(piece, slash + 1), &w->until))
			return bad(why, "not \"YYYY-MM-DD HH:MM:SS / YYYY-MM-DD HH:MM:SS\"", piece);
		if (w->from.ns >= w->until.ns)
			return bad(why, "the end is not behind the start", piece);
		s->n++;
	}
	join(s);
	return 0;
}

int
schedule_parse(struct str text, struct schedule *s)
{
	struct str piece, from;

	s->n = 0;
	while (str_next(&text, ',', &piece)) {
		struct schedule_window *w = &s->window[s->n];
		uint64_t a, b;
		if (s->n == SCHEDULE_MAX || !str_next(&piece, '-', &from) ||
		    !parse_u64(from, 0, SEC_MAX, &a) || !parse_u64(piece, a + 1, SEC_MAX, &b))
			return -1;
		*w = (struct schedule_window){
		    {.ns = (int64_t)a * NS_PER_SEC}, {.ns = (int64_t)b * NS_PER_SEC}};
		if (s->n > 0 && w[-1].until.ns >= w->from.ns)
			return -1;
		s->n++;
	}
	return 0;
}

size_t
schedule_text(const struct schedule *s, char dst[SCHEDULE_TEXT_MAX])
{
	size_t n = 0;

	dst[0] = '\0';
	for (uint32_t i = 0; i < s->n; i++)
		n += (size_t)snprintf(dst + n, SCHEDULE_TEXT_MAX - n, "%s%jd-%jd",
		    i == 0 ? "" : ",", (intmax_t)wall_sec(s->window[i].from),
		    (intmax_t)wall_sec(s->window[i].until));
	return n;
}
