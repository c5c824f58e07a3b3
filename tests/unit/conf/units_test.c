#include "tests/unit/conf/help.h"

static const struct {
	const char *name, *text;
	int64_t ms; /* -1: refused */
} times[] = {
    {"seconds", "300s", 300000},
    {"minutes", "10m", 600000},
    {"hours", "4h", 14400000},
    {"days and hours", "4d12h", 388800000},
    {"week, days, hours", "1w2d12h", 820800000},
    {"upper case", "2H30M", 9000000},
    {"nothing at all", "0", 0},
    {"zero of a unit", "0s", 0},
    {"no unit", "10", -1},
    {"empty", "", -1},
    {"unit only", "m", -1},
    {"unknown unit", "3y", -1},
    {"negative", "-3m", -1},
    {"blank inside", "1h 2m", -1},
    {"number at the end", "1h2", -1},
    {"overflow", "99999999999999999999w", -1},
    {"more than a thousand years", "999999999w", -1},
};

static void
times_mean_what_they_say(void **state)
{
	for (size_t i = 0; i < countof(times); i++) {
		int64_t ms = -7;
		bool is_good = conf_parse_time(str_of(times[i].text), &ms);
		if (is_good != (times[i].ms >= 0) || (is_good && ms != times[i].ms))
			fail_msg("%s: %s gave %d, %lld", times[i].name, times[i].text, is_good,
			    (long long)ms);
	}
}

static const struct {
	const char *name, *text;
	uint64_t bytes;
	bool is_good;
} sizes[] = {
    {"bytes without a unit", "1000", 1000, true},
    {"bytes", "12b", 12, true},
    {"a k is 1024", "1k", 1024, true},
    {"upper case", "250M", UINT64_C(262144000), true},
    {"giga", "2g", UINT64_C(2147483648), true},
    {"tera", "1T", UINT64_C(1099511627776), true},
    {"zero", "0", 0, true},
    {"two units", "1kk", 0, false},
    {"unknown unit", "1x", 0, false},
    {"blank", "1 k", 0, false},
    {"empty", "", 0, false},
    {"overflow", "99999999999t", 0, false},
};

static void
sizes_count_in_1024(void **state)
{
	for (size_t i = 0; i < countof(sizes); i++) {
		uint64_t bytes = 0;
		bool is_good = conf_parse_size(str_of(sizes[i].text), &bytes);
		if (is_good != sizes[i].is_good || (is_good && bytes != sizes[i].bytes))
			fail_msg("%s: %s", sizes[i].name, sizes[i].text);
	}
}

static const struct {
	const char *name, *text;
	bool is_volume;
	uint64_t count;
	int64_t ms; /* 0: refused */
} rates[] = {
    {"a minute", "500/m", false, 500, 60000},
    {"minute as min", "500/min", false, 500, 60000},
    {"hour as hr", "7/hr", false, 7, 3600000},
    {"day", "1/day", false, 1, 86400000},
    {"several minutes", "100/15m", false, 100, 900000},
    {"several seconds", "83/5s", false, 83, 5000},
    {"one in 36 seconds", "1/36s", false, 1, 36000},
    {"unlimited", "unlimited", false, UINT64_MAX, 1000},
    {"zero is unlimited", "0", false, UINT64_MAX, 1000},
    {"no period", "500", false, 0, 0},
    {"zero periods", "5/0m", false, 0, 0},
    {"unknown period", "5/fortnight", false, 0, 0},
    {"size in a rate", "5k/m", false, 0, 0},
    {"volume a minute", "12M/m", true, UINT64_C(12582912), 60000},
    {"volume a week of days", "1T/7d", true, UINT64_C(1099511627776), 604800000},
    {"volume in bytes", "1000/s", true, 1000, 1000},
    {"volume without period", "12M", true, 0, 0},
};

static void
rates_have_count_and_period(void **state)
{
	for (size_t i = 0; i < countof(rates); i++) {
		struct conf_rate r = {0};
		bool is_good = rates[i].is_volume ? conf_parse_volume(str_of(rates[i].text), &r)
						  : conf_parse_rate(str_of(rates[i].text), &r);
		if (is_good != (rates[i].ms > 0) ||
		    (is_good && (r.count != rates[i].count || r.period_ms != rates[i].ms)))
			fail_msg("%s: %s", rates[i].name, rates[i].text);
	}
}

static const struct {
	const char *a, *b;
	unsigned distance; /* 4: more than 3 */
} words[] = {
    {"max-smtp-out", "max-smtp-out", 0},
    {"max-smpt-out", "max-smtp-out", 1},
    {"max-smtp-ot", "max-smtp-out", 1},
    {"Max-SMTP-Out", "max-smtp-out", 0},
    {"retry-afterr", "retry-after", 1},
    {"", "abc", 3},
    {"completely", "different", 4},
};

static void
distance_counts_edits(void **state)
{
	for (size_t i = 0; i < countof(words); i++)
		assert_int_equal(
		    conf_distance(str_of(words[i].a), str_of(words[i].b), 3), words[i].distance);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(times_mean_what_they_say),
	    cmocka_unit_test(sizes_count_in_1024),
	    cmocka_unit_test(rates_have_count_and_period),
	    cmocka_unit_test(distance_counts_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
