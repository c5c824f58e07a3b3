#include "lib/acct/layout.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define DELIVERY                                                                                   \
	"type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,"           \
	"bounceCat,srcType,srcMta,dlvType,dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,"         \
	"dlvSize,vmta,jobId,envId,queue,vmtaPool"

struct part {
	enum acct_rec rec;
	const char *list;
};

static void
header_is(const struct part *parts, size_t n, const char *expected)
{
	struct acct_layout l;
	struct buf b;

	acct_layout_init(&l);
	buf_init(&b, 10000);
	for (size_t i = 0; i < n; i++)
		acct_layout_add(&l, parts[i].rec, str_of(parts[i].list), NULL);
	assert_int_equal(acct_layout_header(&l, &b), 0);
	buf_truncate(&b, buf_len(&b) - 2);
	assert_string_equal(buf_cstr(&b), expected);
	buf_clear(&b);
	acct_layout_clear(&l);
}

static void
the_default_header_is_powermtas(void **state)
{
	header_is((struct part[]){{ACCT_REC_D, ""}, {ACCT_REC_B, "*"}}, 2, DELIVERY);
}

static void
the_header_joins_the_columns_in_order_of_first_appearance(void **state)
{
	header_is((struct part[]){{ACCT_REC_D, "timeLogged,orig,rcpt,dlvSourceIp"},
		      {ACCT_REC_B, "timeLogged,orig,rcpt,bounceCat"}},
	    2, "type,timeLogged,orig,rcpt,dlvSourceIp,bounceCat");
	header_is((struct part[]){{ACCT_REC_D, ""}, {ACCT_REC_TQ, ""}, {ACCT_REC_R, ""}}, 3,
	    DELIVERY ",rcvSourceIp,rcvDestinationIp");
}

static void
defaults_stand_where_the_star_is_and_names_can_be_left_out(void **state)
{
	header_is(
	    (struct part[]){{ACCT_REC_TQ, "!vmta, queue , dsnDiag,*,!timeImprinted,!dlvType"}}, 1,
	    "type,queue,dsnDiag,timeLogged,dsnStatus,dsnMta,dlvSourceIp,dlvDestinationIp");
}

static void
names_are_found_in_any_case_and_written_in_ours(void **state)
{
	header_is(
	    (struct part[]){{ACCT_REC_D, "TIMELOGGED,Header_Subject,header_subject,recordid"}}, 1,
	    "type,timeLogged,Header_Subject,recordId");
}

static void
an_unknown_field_is_named_and_keeps_its_column(void **state)
{
	struct acct_layout l;
	struct why why;

	acct_layout_init(&l);
	assert_int_equal(acct_layout_add(&l, ACCT_REC_D, STR("rcpt,shoeSize"), &why), -1);
	assert_non_null(strstr(why.text, "shoeSize"));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.columns[2].field, ACCT_FIELD_UNKNOWN);
	assert_false(l.fills[ACCT_REC_D][2]);
	acct_layout_clear(&l);
}

static void
a_type_fills_only_the_columns_it_has(void **state)
{
	struct acct_layout l;

	acct_layout_init(&l);
	assert_int_equal(acct_layout_add(&l, ACCT_REC_D, STR("rcpt,dlvSize"), NULL), 0);
	assert_int_equal(acct_layout_add(&l, ACCT_REC_B, STR("bounceCat,dlvSize"), NULL), 0);
	assert_true(l.fills[ACCT_REC_D][1]);
	assert_true(l.fills[ACCT_REC_D][2]);
	assert_false(l.fills[ACCT_REC_D][3]);
	assert_false(l.fills[ACCT_REC_B][1]);
	assert_false(l.fills[ACCT_REC_B][2]);
	assert_true(l.fills[ACCT_REC_B][3]);
	acct_layout_clear(&l);
}

static void
too_many_columns_are_refused(void **state)
{
	struct acct_layout l;
	struct buf list;
	struct why why;

	acct_layout_init(&l);
	buf_init(&list, 100000);
	for (int i = 0; i < 300; i++)
		buf_addf(&list, "header_X%d,", i);
	assert_int_equal(acct_layout_add(&l, ACCT_REC_D, buf_str(&list), &why), -1);
	assert_true(l.n <= ACCT_MAX_COLUMNS);
	buf_clear(&list);
	acct_layout_clear(&l);
}

static void
record_types_have_short_long_and_old_names(void **state)
{
	static const struct {
		const char *name;
		enum acct_rec rec;
	} cases[] = {
	    {"d", ACCT_REC_D},
	    {"Delivery", ACCT_REC_D},
	    {"tq", ACCT_REC_TQ},
	    {"transient-queue", ACCT_REC_TQ},
	    {"received", ACCT_REC_R},
	    {"receipt", ACCT_REC_R},
	    {"fbl", ACCT_REC_F},
	    {"rb", ACCT_REC_RB},
	};
	enum acct_rec r;

	for (size_t i = 0; i < countof(cases); i++) {
		assert_true(acct_rec_parse(str_of(cases[i].name), &r));
		assert_int_equal(r, cases[i].rec);
	}
	assert_false(acct_rec_parse(STR("x"), &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_default_header_is_powermtas),
	    cmocka_unit_test(the_header_joins_the_columns_in_order_of_first_appearance),
	    cmocka_unit_test(defaults_stand_where_the_star_is_and_names_can_be_left_out),
	    cmocka_unit_test(names_are_found_in_any_case_and_written_in_ours),
	    cmocka_unit_test(an_unknown_field_is_named_and_keeps_its_column),
	    cmocka_unit_test(a_type_fills_only_the_columns_it_has),
	    cmocka_unit_test(too_many_columns_are_refused),
	    cmocka_unit_test(record_types_have_short_long_and_old_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
