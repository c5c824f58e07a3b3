/* Rules read, checked and applied; the shipped ones prove their own examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/classify/classify.h"

static struct {
	uint32_t line[16];
	char text[512];
	size_t n;
} told;

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	if (told.n < countof(told.line))
		told.line[told.n] = line;
	told.n++;
	snprintf(told.text, sizeof told.text, "%s", why->text);
}

static struct classifier *
make(const char *rules)
{
	told.n = 0;
	return classifier_new(str_of(rules), tell, NULL);
}

static struct verdict
judge(struct classifier *c, uint16_t code, const char *text)
{
	struct failure f = {.code = code, .text = str_of(text)};

	return classify(c, &f);
}

static void
the_shipped_rules_decide_their_own_examples(void **state)
{
	struct classifier *c;

	told.n = 0;
	c = classifier_new(classify_rules(), tell, NULL);
	assert_non_null(c);
	if (!classifier_lint(c, tell, NULL))
		fail_msg("line %u: %s", told.line[0], told.text);
	classifier_free(&c);
}

static void
the_first_rule_of_the_file_decides_wherever_it_matches(void **state)
{
	struct classifier *c =
	    make("full soft /quota/\nnobody hard /unknown user/\nother-words soft /mail/\n");
	struct verdict v = judge(c, 550, "mail for an unknown user is over quota");

	assert_string_equal(v.category, "full");
	assert_false(v.is_hard);
	assert_int_equal(v.line, 1);
	v = judge(c, 550, "mail for an UNKNOWN\r\n   user");
	assert_string_equal(v.category, "nobody");
	assert_true(v.is_hard);
	v = judge(c, 550, "nothing of all that");
	assert_string_equal(v.category, "other");
	assert_int_equal(v.line, 0);
	classifier_free(&c);
}

static void
a_rule_begins_at_a_word(void **state)
{
	struct classifier *c = make("a soft /ban/\n");

	assert_string_equal(judge(c, 0, "urban planning").category, "other");
	assert_string_equal(judge(c, 0, "(ban) here").category, "a");
	classifier_free(&c);
}

static void
conditions_ask_for_code_status_and_host(void **state)
{
	struct classifier *c = make("a soft code:55.,421 status:5.7.* mx:*.example.net /blocked/\n"
				    "b hard status:5.1.1\nc soft code:4..\n");
	struct failure f = {.code = 550,
	    .enh = {5, 7, 20},
	    .text = STR("you are blocked"),
	    .mta = STR("mx1.example.net")};

	assert_string_equal(classify(c, &f).category, "a");
	f.mta = STR("mx1.example.org");
	assert_string_equal(classify(c, &f).category, "other");
	f.enh[1] = f.enh[2] = 1;
	assert_string_equal(classify(c, &f).category, "b");
	/* a text cannot forge what the conditions look at */
	f = (struct failure){
	    .code = 250, .text = STR("x\ncode:421 status:5.1.1 mx:a.example.net ")};
	assert_string_equal(classify(c, &f).category, "other");
	assert_string_equal(judge(c, 451, "").category, "c");
	classifier_free(&c);
}

static void
the_text_around_a_report_is_looked_at_last(void **state)
{
	struct classifier *c = make("full soft /full/\nnobody hard /unknown/\n");
	struct failure f = {.text = STR("unknown here"), .around = STR("the mailbox is full")};

	assert_string_equal(classify(c, &f).category, "nobody");
	f.text = STR("this is all that we know");
	assert_string_equal(classify(c, &f).category, "full");
	f.around = STR("");
	assert_string_equal(classify(c, &f).category, "other");
	classifier_free(&c);
}

static void
addresses_and_control_characters_are_not_seen(void **state)
{
	char out[64];

	(void)classify_normalise(
	    STR("550 <no.such.user@x.example>:\r\n\tgone \001 a@b.c, @x y@"), out, sizeof out);
	assert_string_equal(out, "550 <>: gone <>, @x y@");
	assert_int_equal(classify_normalise(STR("0123456789"), out, 5), 4);
	assert_string_equal(out, "0123");
}

static void
wrong_rules_are_told_by_line(void **state)
{
	static const struct {
		const char *rules;
		uint32_t line;
	} rows[] = {
	    {"a soft /(/\n", 1},
	    {"\na soft /(x)\\1/\n", 2},
	    {"a maybe /x/\n", 1},
	    {"a soft\n", 1},
	    {"a soft hue:3 /x/\n", 1},
	    {"a soft /{NOTHING} x/\n", 1},
	    {"= an example of nothing\n", 1},
	};

	for (size_t i = 0; i < countof(rows); i++) {
		assert_null(make(rows[i].rules));
		assert_true(told.n >= 1);
		assert_int_equal(told.line[0], rows[i].line);
	}
}

static void
a_rule_that_is_never_reached_is_told(void **state)
{
	struct classifier *c =
	    make("a soft /mail/\n= mail\nb soft /mailbox/\n= mailbox\nc hard /mail/\n");

	assert_non_null(c);
	assert_false(classifier_lint(c, tell, NULL));
	assert_int_equal(told.n, 2);
	assert_int_equal(told.line[0], 5); /* its twin stands before */
	assert_int_equal(told.line[1], 4); /* its example is decided before */
	classifier_free(&c);
}

static void
a_rule_without_an_example_is_proved_to_be_reached(void **state)
{
	static const struct {
		const char *rules;
		uint32_t line; /* 0: all is well */
	} rows[] = {
	    {"a soft /(?!)x/\n", 1},
	    {"a soft /a^b/\n", 1},
	    {"a soft /$a/\n", 1},
	    {"a soft /full$/\n", 1}, /* the codes stand behind the text */
	    {"a soft /two  blanks/\n", 1},
	    {"a soft / blank/\n", 1}, /* no word begins so */
	    {"a soft code:999\n", 1},
	    {"a soft code:55\n", 1},
	    {"a soft status:6.*\n", 1},
	    {"a soft code:5.. status:4.*\n", 1},
	    {"a soft code:4.. status:5.1.1 /user/\n", 1},
	    {"a soft code:5..,4.. status:5.1.1\n", 0},
	    {"a soft code:0 status:5.1.1\n", 0},
	    {"a soft mx:*.example.net\n", 0},
	    {"a soft mx:two_words\n", 0},
	    {"a soft /mail ?box/\nb soft /mailbox full/\n", 2},
	    {"a soft /mail ?box/\nb soft /mail.box full/\n", 0},
	    {"a soft /box/\nb soft /mailbox full/\n", 0}, /* only where a word begins */
	    {"a soft code:5..\nb soft code:550 /mailbox/\n", 2},
	    {"a soft code:5.. /mailbox/\nb soft code:550,452 /mailbox full/\n", 0},
	    {"a soft status:5.*\nb soft status:5.1.1 code:5..\n", 2},
	    {"a soft status:5.*\nb soft code:5..\n", 0},
	    {"a soft mx:*.net\nb soft mx:a.example.net\n", 2},
	    {"a soft code:5..\nb soft status:5.* code:550,552\n", 2},
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct classifier *c = make(rows[i].rules);
		assert_non_null(c);
		(void)classifier_lint(c, tell, NULL);
		if (told.n != (rows[i].line != 0) || (told.n > 0 && told.line[0] != rows[i].line))
			fail_msg("%s: line %u: %s", rows[i].rules, told.n > 0 ? told.line[0] : 0,
			    told.text);
		classifier_free(&c);
	}
}

static void
a_worst_case_ends_at_the_limit_and_the_codes_decide(void **state)
{
	struct classifier *c = make("a soft /(?:x+)+y/\nb hard code:550\n");
	char text[CLASSIFY_MAX_TEXT];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_string_equal(judge(c, 550, text).category, "b");
	classifier_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_shipped_rules_decide_their_own_examples),
	    cmocka_unit_test(the_first_rule_of_the_file_decides_wherever_it_matches),
	    cmocka_unit_test(a_rule_begins_at_a_word),
	    cmocka_unit_test(conditions_ask_for_code_status_and_host),
	    cmocka_unit_test(the_text_around_a_report_is_looked_at_last),
	    cmocka_unit_test(addresses_and_control_characters_are_not_seen),
	    cmocka_unit_test(wrong_rules_are_told_by_line),
	    cmocka_unit_test(a_rule_that_is_never_reached_is_told),
	    cmocka_unit_test(a_rule_without_an_example_is_proved_to_be_reached),
	    cmocka_unit_test(a_worst_case_ends_at_the_limit_and_the_codes_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
