#include "lib/base/num.h"
#include "lib/conf/conf_int.h"

#define MAX_MS INT64_C(31536000000000) /* 1000 years */

struct unit {
	const char *name;
	int64_t ms;
};
static const struct unit interval_units[] = {
    {"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
static const struct unit rate_units[] = {{"w", 604800000}, {"week", 604800000}, {"d", 86400000},
    {"day", 86400000}, {"h", 3600000}, {"hr", 3600000}, {"hour", 3600000}, {"m", 60000},
    {"min", 60000}, {"minute", 60000}, {"s", 1000}, {"sec", 1000}, {"second", 1000}};

static bool
unit_of(const struct unit *list, size_t n, struct str s, int64_t *ms)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(str_of(list[i].name), s)) {
			*ms = list[i].ms;
			return true;
		}
	return false;
}

/* Takes the leading digits of *s; false when there are none or too many. */
static bool
take_number(struct str *s, uint64_t *v)
{
	size_t n = 0;

	while (n < s->len && ascii_is_digit(s->p[n]))
		n++;
	if (!parse_u64(str_sub(*s, 0, n), 0, UINT64_MAX - 1, v))
		return false;
	*s = str_skip(*s, n);
	return true;
}

/* interval = 1*( number ( "w" / "d" / "h" / "m" / "s" ) ) / "0" */
bool
conf_parse_time(struct str s, int64_t *ms)
{
	int64_t sum = 0;

	if (str_eq(s, STR("0"))) {
		*ms = 0;
		return true;
	}
	if (s.len == 0)
		return false;
	while (s.len > 0) {
		uint64_t n;
		int64_t unit, part;
		if (!take_number(&s, &n) || n > INT64_MAX)
			return false;
		if (!unit_of(interval_units, countof(interval_units), str_sub(s, 0, 1), &unit))
			return false;
		s = str_skip(s, 1);
		if (__builtin_mul_overflow((int64_t)n, unit, &part) ||
		    __builtin_add_overflow(sum, part, &sum) || sum > MAX_MS)
			return false;
	}
	*ms = sum;
	return true;
}

/* size = number [ "b" / "k" / "m" / "g" / "t" ], 1k = 1024 */
bool
conf_parse_size(struct str s, uint64_t *bytes)
{
	static const char units[] = "bkmgt";
	uint64_t n;
	unsigned shift = 0;

	if (!take_number(&s, &n) || s.len > 1)
		return false;
	if (s.len == 1) {
		const char *p = strchr(units, ascii_lower(s.p[0]));
		if (p == NULL || *p == '\0')
			return false;
		shift = (unsigned)(p - units) * 10;
	}
	if (n > (uint64_t)INT64_MAX >> shift)
		return false;
	*bytes = n << shift;
	return true;
}

/* per = "/" [ number ] unit */
static bool
parse_per(struct str s, int64_t *ms)
{
	uint64_t m = 1;
	int64_t unit;

	if (s.len == 0 || s.p[0] != '/')
		return false;
	s = str_skip(s, 1);
	if (s.len > 0 && ascii_is_digit(s.p[0]) &&
	    (!take_number(&s, &m) || m == 0 || m > UINT32_MAX))
		return false;
	if (!unit_of(rate_units, countof(rate_units), s, &unit))
		return false;
	return !__builtin_mul_overflow((int64_t)m, unit, ms) && *ms <= MAX_MS;
}

static bool
is_no_limit(struct str s, struct conf_rate *r)
{
	if (!str_ieq(s, STR("unlimited")) && !str_eq(s, STR("0")))
		return false;
	*r = (struct conf_rate){.count = CONF_UNLIMITED, .period_ms = 1000};
	return true;
}

bool
conf_parse_rate(struct str s, struct conf_rate *r)
{
	struct conf_rate v = {0};

	if (is_no_limit(s, r))
		return true;
	if (!take_number(&s, &v.count) || !parse_per(s, &v.period_ms))
		return false;
	*r = v;
	return true;
}

bool
conf_parse_volume(struct str s, struct conf_rate *r)
{
	struct conf_rate v = {0};
	size_t slash = str_find(s, '/');

	if (is_no_limit(s, r))
		return true;
	if (slash == STR_NPOS || !conf_parse_size(str_trim(str_sub(s, 0, slash)), &v.count) ||
	    !parse_per(str_skip(s, slash), &v.period_ms))
		return false;
	*r = v;
	return true;
}

bool
conf_parse_bool(struct str s, bool *v)
{
	if (str_ieq(s, STR("yes")) || str_ieq(s, STR("true")))
		*v = true;
	else if (str_ieq(s, STR("no")) || str_ieq(s, STR("false")))
		*v = false;
	else
		return false;
	return true;
}

bool
conf_one_of(const char *words, struct str word, unsigned *index)
{
	struct str rest = str_of(words), piece;

	*index = 0;
	if (rest.len == 0)
		return false;
	while (str_next(&rest, '|', &piece)) {
		if (str_ieq(piece, word))
			return true;
		(*index)++;
	}
	return false;
}
