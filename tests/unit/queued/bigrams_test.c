/* letters and pairs of them: what fits a pattern is never ruled out, and of the rest nearly all is */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "queued/bigrams.h"
#include "queued/control/pause.h"

#define N 20000

static uint64_t
of_domain(struct str address)
{
	size_t at = str_rfind(address, '@');

	return at == STR_NPOS ? BIGRAMS_UNKNOWN : bigrams_of(str_skip(address, at), BIGRAMS_ENDS);
}

static bool
may_fit(struct str address, struct str pattern)
{
	struct bigrams_address a;

	bigrams_ask_address(&a, pattern);
	return bigrams_may_be(&a, bigrams_of_local_part(address), of_domain(address));
}

static struct str
random_text(char *p, size_t max, const char *letters)
{
	size_t n = (size_t)rand() % max;

	for (size_t i = 0; i < n; i++)
		p[i] = letters[(size_t)rand() % strlen(letters)];
	return str_from(p, n);
}

static void
what_fits_is_never_ruled_out(void **state)
{
	char a[12], p[8];
	int n_fit = 0;

	srand(1);
	for (int i = 0; i < 50 * N; i++) {
		struct str address = random_text(a, sizeof a, "abAB@"),
			   pattern = random_text(p, sizeof p, "aBb@*?");
		if (!pause_glob(pattern, address))
			continue;
		n_fit++;
		if (!may_fit(address, pattern))
			fail_msg("%.*s fits %.*s", STR_ARG(address), STR_ARG(pattern));
	}
	assert_true(n_fit > N);
}

/* of addresses that do not fit, in thousandths */
static int
passed(const char *pattern)
{
	int n = 0;

	for (int i = 0; i < N; i++) {
		char text[64];
		int len = snprintf(text, sizeof text, "%s%d@%s.test",
		    i % 2 == 0 ? "u19-" : "jane.smith", i, i % 3 == 0 ? "mail" : "example");
		struct str address = str_from(text, (size_t)len);
		n += !pause_glob(str_of(pattern), address) && may_fit(address, str_of(pattern));
	}
	return n * 1000 / N;
}

static void
nearly_all_of_the_rest_is_ruled_out(void **state)
{
	static const struct {
		const char *pattern;
		int at_most; /* in thousandths */
	} rows[] = {{"nobody*", 0}, {"*nobody*", 5}, {"*nobody@*", 5}, {"bob*@*", 20},
	    {"*yahoo*", 20}, {"*smithers*", 20}, {"*x9*@*", 100}, {"*@gmail.*", 5}, {"z*", 20},
	    {"zq*", 0}, {"u20-*", 60}, {"*", 0}, {"*q*", 0}, {"*Z*", 0}, {"*k*", 0}, {"*e*n*k*", 0},
	    {"*+*", 0}};

	for (size_t i = 0; i < countof(rows); i++) {
		int n = passed(rows[i].pattern);
		if (n > rows[i].at_most)
			fail_msg("%s: %d", rows[i].pattern, n);
	}
}

static void
a_text_without_wildcards_asks_for_all_its_pairs(void **state)
{
	struct str s = STR("Sender+tag=user@example.test");

	assert_true(bigrams_of(s, BIGRAMS_WHOLE) == bigrams_asked(s, BIGRAMS_WHOLE));
	assert_true((bigrams_of_local_part(s) | of_domain(s)) ==
		    bigrams_of(STR("sender+TAG=user@EXAMPLE.test"), BIGRAMS_WHOLE));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fits_is_never_ruled_out),
	    cmocka_unit_test(nearly_all_of_the_rest_is_ruled_out),
	    cmocka_unit_test(a_text_without_wildcards_asks_for_all_its_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
