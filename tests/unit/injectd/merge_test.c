/* Mail merge: what a client may say, and the messages that come of it. */
#include "tests/unit/injectd/rig.h"

#define ALLOWED                                                                                    \
	"<virtual-mta v1>\n</virtual-mta>\n<source 0/0>\nalways-allow-relaying yes\n"              \
	"add-received-header no\nallow-mailmerge yes\n</source>\n"
#define EHLO	"EHLO client.test\r\n"
#define XMRG	"XMRG FROM:<a@sender.test>\r\n"
#define TO(who) "RCPT TO:<" who "@rcpt.test>\r\n"
#define PART(n) "XPRT " n "\r\n"
#define SHORT	"Subject: s\r\n\r\nb\r\n.\r\n"

static const struct {
	const char *name, *say, *codes;
} scripts[] = {
    {"XDFN before XMRG", "XDFN a=\"b\"\r\n", "503"},
    {"XPRT after MAIL", "MAIL FROM:<a@sender.test>\r\n" TO("b") PART("1 LAST"), "250 250 503"},
    {"DATA after XMRG", XMRG TO("b") "DATA\r\n", "250 250 503"},
    {"BDAT after XMRG", XMRG TO("b") "BDAT 3 LAST\r\nabc", "250 250 503"},
    {"XMRG twice", XMRG XMRG, "250 503"},
    {"XMRG with VERP", "XMRG FROM: <a@sender.test> VERP\r\n" TO("b"), "250 250"},
    {"no recipient", XMRG PART("1 LAST"), "250 503"},
    {"no number", XMRG TO("b") "XPRT LAST\r\n", "250 250 501"},
    {"the same part twice", XMRG TO("b") PART("1") SHORT PART("1 LAST") SHORT,
	"250 250 354 250 354 501"},
    {"a part that is not there", XMRG "XDFN *parts=1-2\r\n" TO("b") PART("1 LAST") SHORT,
	"250 250 250 354 554"},
    {"definitions out of form",
	XMRG "XDFN\r\nXDFN a\r\nXDFN a=\"b\r\nXDFN 1=b\r\nXDFN a=\"b\"c\r\n",
	"250 501 501 501 501 501"},
    {"reserved names", XMRG "XDFN *what=x\r\nXDFN *jobid=\"a\\nb\"\r\n", "250 501 501"},
    {"reserved values: each recipient by itself",
	XMRG "XDFN *vmta=v2\r\n" TO("b") "XDFN *priority=200\r\n" TO("c") "XDFN *parts=x\r\n" TO(
	    "d") "XDFN *schedule=x\r\n" TO("e") "XDFN *from=x\r\n" TO("f") TO("g") PART("1 LAST")
	    SHORT,
	"250 250 554 250 554 250 554 250 554 250 553 250 354 250"},
    {"bad line ends in a part", XMRG TO("b") PART("1 LAST") "a\rb\r\n.\r\n", "250 250 354 554"},
    {"XACK needs a word", "XACK\r\nXACK on\r\n", "501 250"},
    {"XACK OFF: errors come with the part",
	"XACK OFF\r\n" XMRG "XDFN a\r\n" TO("b") TO("c") "XACK ON\r\n" PART("1 LAST") "NOOP\r\n",
	"250 250 250 501 250"},
};

static void
commands_answer_as_they_should(void **state)
{
	for (size_t i = 0; i < countof(scripts); i++) {
		rig_new(ALLOWED);
		rig_expect(EHLO, "220 250");
		rig_say(scripts[i].say);
		assert_string_equal(rig_codes(), scripts[i].codes);
		rig_free();
	}
}

static void
it_is_offered_where_it_is_allowed(void **state)
{
	static const struct {
		const char *row;
		bool is_offered;
	} rows[] = {
	    {"", false},
	    {"allow-mailmerge yes\n", true},
	    {"always-allow-api-submission yes\n", true},
	};
	char config[200];

	for (size_t i = 0; i < countof(rows); i++) {
		(void)snprintf(config, sizeof config,
		    "<source 0/0>\nalways-allow-relaying yes\n%s</source>\n", rows[i].row);
		rig_new(config);
		rig_say(EHLO);
		assert_int_equal(strstr(rig.out, "250-XMRG\r\n") != NULL, rows[i].is_offered);
		(void)rig_codes();
		rig_expect(XMRG, rows[i].is_offered ? "250" : "502");
		rig_expect("XACK OFF\r\n", rows[i].is_offered ? "250" : "502");
		rig_free();
	}
}

static void
each_recipient_gets_a_message_of_its_own(void **state)
{
	rig_new(ALLOWED);
	rig_expect(EHLO XMRG, "220 250 250");
	rig_expect("XDFN Name=\"A \\\"B\\\"\" *vmta=v1 *jobid=j7\r\nXDFN *envid=e1 *priority=77 "
		   "*from=x@bounce.test\r\n" TO("b") "XDFN *parts=\"2,1\"\r\n" TO("c"),
	    "250 250 250 250 250");
	rig_expect("XPRT 1\r\nTo: [*to]\r\nSubject: [NAME]\r\n\r\n.", "354");
	rig_expect(".dot [*from]\r\n.\r\n", "250");
	rig_expect("XPRT 2 LAST\r\nX: [[][name][[a]\r\n.\r\n", "354 250");
	assert_int_equal(rig.n_msgs, 2);
	assert_string_equal(rig.msg[0].text, "To: b@rcpt.test\r\nSubject: A \"B\"\r\n\r\n"
					     "..dot x@bounce.test\r\nX: [A \"B\"[\r\n");
	assert_true(str_eq(rig.msg[0].e.sender, STR("x@bounce.test")));
	assert_true(str_eq(rig.msg[0].e.vmta, STR("v1")));
	assert_true(str_eq(rig.msg[0].e.job, STR("j7")));
	assert_true(str_eq(rig.msg[0].e.envid, STR("e1")));
	assert_int_equal(rig.msg[0].e.priority, 77);
	assert_int_equal(rig.msg[0].e.n_dots, 1);
	assert_string_equal(rig.msg[1].text,
	    "X: [[\r\nTo: c@rcpt.test\r\nSubject: \r\n\r\n..dot a@sender.test\r\n");
	assert_true(str_eq(rig.msg[1].e.sender, STR("a@sender.test")));
	assert_int_equal(rig.msg[1].e.n_rcpts, 1);
	assert_int_equal(rig.msg[1].e.job.len, 0);
	rig_free();
}

static void
undefined_variables_stay_if_they_shall(void **state)
{
	rig_new("mailmerge-expands-undefined-variables no\n" ALLOWED);
	rig_expect(EHLO XMRG "XDFN a=\"\"\r\n" TO("b")
		       PART("1 LAST") "Subject: [a][b]\r\n\r\n<![endif]>\r\n.\r\n",
	    "220 250 250 250 250 354 250");
	assert_string_equal(rig.msg[0].text, "Subject: [b]\r\n\r\n<![endif]>\r\n");
	rig_free();
}

static void
a_value_makes_no_header_field(void **state)
{
	rig_new(ALLOWED);
	rig_expect(EHLO XMRG "XDFN v=\"a\\r\\nx-virtual-mta: v1\\n\\nbody\"\r\n" TO("b")
		       PART("1 LAST") "Subject: [v]\r\n\r\n[v]\r\n.\r\n",
	    "220 250 250 250 250 354 250");
	assert_string_equal(rig.msg[0].text, "Subject: a x-virtual-mta: v1  body\r\n\r\n"
					     "a\r\nx-virtual-mta: v1\r\n\r\nbody\r\n");
	assert_int_equal(rig.msg[0].e.vmta.len, 0);
	rig_free();
}

static void
the_last_is_stored_when_all_others_are(void **state)
{
	struct why why = {0};

	rig_new(ALLOWED);
	rig.holds = true;
	rig.s.preset_id = 4711;
	rig_expect(
	    EHLO XMRG TO("b") TO("c") TO("d") PART("1 LAST") SHORT, "220 250 250 250 250 250 354");
	assert_int_equal(rig.n_msgs, 2);
	rig_answer(NULL);
	rig_turn();
	assert_int_equal(rig.n_msgs, 2);
	rig_answer(NULL);
	rig_turn();
	assert_int_equal(rig.n_msgs, 3);
	/* who gave an id asks by it whether all was taken */
	assert_int_equal(rig.msg[2].e.id, 4711);
	assert_true(rig.msg[1].e.id != 4711);
	assert_string_equal(rig_codes(), "");
	(void)why_smtp(&why, 452, 4, 3, 1, "No space");
	rig_answer(&why);
	rig_turn();
	rig_flush();
	assert_non_null(strstr(rig.out, "No space (2 of 3 recipients were accepted)"));
	assert_string_equal(rig_codes(), "452");
	rig_free();
}

static void
nothing_is_stored_when_one_cannot_be_made(void **state)
{
	rig_new("<source 0/0>\nalways-allow-relaying yes\nallow-mailmerge yes\n"
		"max-message-size 100\n</source>\n");
	rig_expect(EHLO XMRG TO("b") "XDFN v=\"0123456789012345678901234567890123456789\"\r\n" TO(
		       "c") PART("1 LAST") "Subject: s\r\n\r\n[v][v][v]\r\n.\r\n",
	    "220 250 250 250 250 250 354 552");
	assert_int_equal(rig.n_msgs, 0);
	assert_int_equal(rig.world.merge_held, 0);
	rig_free();
}

static void
a_client_that_goes_leaves_nothing_behind(void **state)
{
	rig_new(ALLOWED);
	rig.holds = true;
	rig_expect(EHLO XMRG TO("b") TO("c") PART("1 LAST") SHORT, "220 250 250 250 250 354");
	assert_int_equal(rig.n_msgs, 1);
	session_clear(&rig.s);
	rig.s.state = SESSION_CLOSING; /* it is cleared once more at the end */
	rig_answer(NULL);
	rig_turn();
	assert_int_equal(rig.n_msgs, 1);
	assert_int_equal(rig.world.merge_held, 0);
	rig_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commands_answer_as_they_should),
	    cmocka_unit_test(it_is_offered_where_it_is_allowed),
	    cmocka_unit_test(each_recipient_gets_a_message_of_its_own),
	    cmocka_unit_test(undefined_variables_stay_if_they_shall),
	    cmocka_unit_test(a_value_makes_no_header_field),
	    cmocka_unit_test(the_last_is_stored_when_all_others_are),
	    cmocka_unit_test(nothing_is_stored_when_one_cannot_be_made),
	    cmocka_unit_test(a_client_that_goes_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
