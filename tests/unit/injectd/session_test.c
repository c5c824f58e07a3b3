#include "tests/unit/injectd/rig.h"

/* what a script is: lines sent, and the codes that come */
struct script {
	const char *name;
	const char *say;
	const char *codes;
};

static void
run_scripts(const struct script *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		rig_new(RIG_RELAY);
		rig_expect("EHLO client.test\r\n", "220 250");
		rig_say(list[i].say);
		if (strcmp(rig_codes(), list[i].codes) != 0)
			fail_msg("%s", list[i].name);
		rig_free();
	}
}

#define MAIL "MAIL FROM:<a@sender.test>\r\n"
#define RCPT "RCPT TO:<b@rcpt.test>\r\n"

static const struct script envelope[] = {
    {"null sender", "MAIL FROM:<>\r\n" RCPT, "250 250"},
    {"blank behind the colon", "MAIL FROM: <a@b.test>\r\n", "250"},
    {"no brackets", "MAIL FROM:a@b.test\r\n", "501"},
    {"all parameters",
	"MAIL FROM:<a@b.test> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By\r\n", "250"},
    {"unknown parameter", "MAIL FROM:<a@b.test> FOO=bar\r\n", "555"},
    {"parameter twice", "MAIL FROM:<a@b.test> SIZE=1 SIZE=2\r\n", "501"},
    {"SIZE beyond all", "MAIL FROM:<a@b.test> SIZE=18446744073709551615\r\n", "552"},
    {"SIZE of 21 digits", "MAIL FROM:<a@b.test> SIZE=184467440737095516150\r\n", "501"},
    {"SIZE without value", "MAIL FROM:<a@b.test> SIZE\r\n", "501"},
    {"BODY unknown", "MAIL FROM:<a@b.test> BODY=9BIT\r\n", "501"},
    {"RET unknown", "MAIL FROM:<a@b.test> RET=SOME\r\n", "501"},
    {"ENVID no xtext", "MAIL FROM:<a@b.test> ENVID=a+ZZb\r\n", "501"},
    {"ENVID cut off", "MAIL FROM:<a@b.test> ENVID=a+4\r\n", "501"},
    {"ENVID hides a line", "MAIL FROM:<a@b.test> ENVID=abc+0D+0AX-Evil:+201\r\n", "501"},
    {"8-bit without SMTPUTF8", "MAIL FROM:<\xc3\xa9@b.test>\r\n", "553"},
    {"8-bit with SMTPUTF8", "MAIL FROM:<\xc3\xa9@b.test> SMTPUTF8\r\nRCPT TO:<x@\xc3\xa9.test>\r\n",
	"250 250"},
    {"broken UTF-8", "MAIL FROM:<\xc3@b.test> SMTPUTF8\r\n", "501"},
    {"MAIL twice", MAIL MAIL, "250 503"},
    {"RCPT first", RCPT, "503"},
    {"RCPT without address", MAIL "RCPT TO:<>\r\n", "250 501"},
    {"RCPT with NOTIFY",
	MAIL "RCPT TO:<b@c.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b+40c.test\r\n", "250 250"},
    {"NEVER must stand alone", MAIL "RCPT TO:<b@c.test> NOTIFY=NEVER,DELAY\r\n", "250 501"},
    {"NOTIFY empty", MAIL "RCPT TO:<b@c.test> NOTIFY=\r\n", "250 501"},
    {"ORCPT without type", MAIL "RCPT TO:<b@c.test> ORCPT=b\r\n", "250 501"},
    {"ORCPT hides a line", MAIL "RCPT TO:<b@c.test> ORCPT=rfc822;a+0Ab\r\n", "250 501"},
    {"source route", MAIL "RCPT TO:<@a.test,@b.test:u@c.test>\r\n", "250 250"},
    {"quoted", MAIL "RCPT TO:<\"a b\"@c.test>\r\n", "250 250"},
    {"literal", MAIL "RCPT TO:<a@[192.0.2.1]>\r\nRCPT TO:<a@[IPv6:::1]>\r\n", "250 250 250"},
    {"postmaster", MAIL "RCPT TO:<Postmaster>\r\n", "250 250"},
    {"no domain", MAIL "RCPT TO:<user>\r\n", "250 501"},
    {"CR in an address", "MAIL FROM:<a\r@b.test>\r\n", "500"},
    {"RSET", MAIL "RSET\r\n" RCPT, "250 250 503"},
    {"EHLO resets", MAIL "EHLO x\r\n" RCPT, "250 250 503"},
};

static void
mail_and_rcpt_are_checked(void **state)
{
	run_scripts(envelope, countof(envelope));
}

static const struct script others[] = {
    {"small ones",
	"NOOP\r\nnoop x\r\nVRFY root\r\nHELP\r\nEXPN l\r\nXYZZY\r\nAUTH PLAIN\r\nSTARTTLS\r\n",
	"250 250 252 214 502 500 502 502"},
    {"DATA without RCPT", MAIL "DATA\r\n", "250 503"},
    {"DATA without MAIL", "DATA\r\n", "503"},
    {"DATA with an argument", MAIL RCPT "DATA x\r\n", "250 250 501"},
    {"all recipients refused", MAIL "RCPT TO:<b@>\r\nDATA\r\n", "250 501 554"},
    {"HTTP", "GET / HTTP/1.1\r\nMAIL FROM:<a@b>\r\n", "421"},
    {"bare LF ends nothing", "MAIL FROM:<a@b.test>\nRCPT TO:<b@c.test>\n", ""},
    {"bare LF within a line", "MAIL FROM:<a@b.test>\nRCPT TO:<b@c.test>\r\n", "500"},
    {"QUIT", "QUIT\r\nNOOP\r\n", "221"},
    {"bad HELO", "EHLO a\tb\r\nEHLO (x)\r\nEHLO\r\n", "500 501 501"},
    {"BDAT, no number", MAIL RCPT "BDAT -1\r\nBDAT x LAST\r\nBDAT 1 FIRST\r\nBDAT\r\n",
	"250 250 501 501 501 501"},
    {"BDAT, too large", MAIL RCPT "BDAT 99999999999999999999 LAST\r\nNOOP\r\n", "250 250 552"},
    {"BDAT without recipient swallows",
	MAIL "BDAT 27 LAST\r\nMAIL FROM:<in@chunk.test>\r\nRSET\r\n", "250 503 250"},
    {"BDAT then DATA", MAIL RCPT "BDAT 5\r\nabc\r\nDATA\r\n", "250 250 250 503"},
    {"BDAT then RCPT", MAIL RCPT "BDAT 5\r\nabc\r\n" RCPT, "250 250 250 503"},
    {"BDAT in pieces", MAIL RCPT "BDAT 15\r\nSubject: s\r\n\r\naBDAT 3\r\nb\r\nBDAT 0 LAST\r\n",
	"250 250 250 250 250"},
    {"pipelined", MAIL RCPT "DATA\r\nx: y\r\n\r\nb\r\n.\r\n" MAIL "QUIT\r\n",
	"250 250 354 250 250 221"},
};

static void
commands_answer_as_they_should(void **state)
{
	run_scripts(others, countof(others));
}

static void
a_message_is_stored_with_its_envelope(void **state)
{
	const struct rig_msg *m = &rig.msg[0];
	struct env_iter it;
	struct env_rcpt r;
	uint32_t index;

	for (rig.piece = 0; rig.piece < 3; rig.piece++) {
		size_t piece = rig.piece;
		rig_new(RIG_RELAY);
		rig.piece = piece;
		rig_expect("EHLO client.test\r\nMAIL FROM:<a@sender.test> BODY=8BITMIME RET=FULL "
			   "ENVID=e+3D1\r\n"
			   "RCPT TO:<b@rcpt.test> NOTIFY=NEVER ORCPT=rfc822;o+2Bo@x\r\nRCPT "
			   "TO:<\"c d\"@rcpt.test>\r\n"
			   "DATA\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n",
		    "220 250 250 250 250 354 250 221");
		assert_int_equal(rig.n_msgs, 1);
		assert_true(str_eq(m->e.sender, STR("a@sender.test")));
		assert_true(str_eq(m->e.envid, STR("e=1")));
		assert_true(str_eq(m->e.src_mta, STR("client.test (192.0.2.7)")));
		assert_int_equal(m->e.ret, ENV_RET_FULL);
		assert_int_equal(m->e.body, ENV_8BITMIME);
		assert_int_equal(m->e.n_dots, 1);
		assert_int_equal(m->e.n_rcpts, 2);
		env_iter_init(&it, str_from(m->env, m->env_len));
		assert_true(env_iter_next(&it, &index, &r));
		assert_true(str_eq(r.address, STR("b@rcpt.test")));
		assert_true(str_eq(r.orcpt, STR("rfc822;o+o@x")));
		assert_int_equal(r.notify, NOTIFY_NEVER);
		assert_true(env_iter_next(&it, &index, &r));
		assert_true(str_eq(r.address, STR("\"c d\"@rcpt.test")));
		assert_true(str_has_prefix(str_of(m->text),
		    STR("Received: from client.test ([192.0.2.7])\r\n\tby mx.test ")));
		assert_null(strstr(m->text, "for <"));
		assert_true(
		    str_has_suffix(str_of(m->text), STR("\r\nSubject: x\r\n\r\n..dot\r\nend\r\n")));
		rig_free();
		rig.piece = piece;
	}
}

static void
the_client_hears_of_it_only_when_the_disk_has_it(void **state)
{
	struct why why = {0};

	rig_new(RIG_RELAY);
	rig.holds = true;
	rig_upto_rcpt();
	rig_expect("DATA\r\nx: y\r\n\r\nb\r\n.\r\nNOOP\r\n", "354");
	assert_false(session_wants_input(&rig.s));
	rig_answer(NULL);
	rig_settle();
	assert_string_equal(rig_codes(), "250 250");
	rig_expect(MAIL RCPT "DATA\r\n.\r\n", "250 250 354");
	(void)why_smtp(&why, 452, 4, 3, 1, "No space");
	rig_answer(&why);
	rig_settle();
	assert_string_equal(rig_codes(), "452");
	rig_expect(MAIL RCPT "DATA\r\n.\r\n", "250 250 354");
	/* it goes away meanwhile: the answer finds nobody */
	session_clear(&rig.s);
	rig_answer(NULL);
	session_start(&rig.s, &rig.world, 0, &rig.s.client, &rig.s.local);
	rig_free();
}

static void
smuggling_never_makes_two_messages(void **state)
{
	static const char *const ends[] = {
	    "\n.\n", "\r\n.\n", "\n.\r\n", "\r\n.\r", "\r.\r", "\r\n.\r\r\n", "\r.\r\n"};

	for (size_t i = 0; i < countof(ends); i++) {
		rig_new(RIG_RELAY);
		rig.piece = i % 3;
		rig_upto_rcpt();
		rig_say("DATA\r\nSubject: 1\r\n\r\nfirst");
		rig_say(ends[i]);
		rig_expect("MAIL FROM:<smuggled@evil.test>\r\nRCPT "
			   "TO:<v@rcpt.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n",
		    "354 554 250");
		assert_int_equal(rig.n_msgs, 0);
		rig_free();
	}
}

static void
a_4yz_may_end_the_connection_instead(void **state)
{
	rig_new("<source 0/0>\nalways-allow-relaying yes\nmax-rcpt-per-message 1\n"
		"disconnect-on-transient-error yes\n</source>\n");
	rig_upto_rcpt();
	rig_expect(RCPT "NOOP\r\n", "");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig_free();
	rig_new("<source 0/0>\nalways-allow-relaying yes\nmax-rcpt-per-message 1\n</source>\n");
	rig_upto_rcpt();
	rig_expect(RCPT "NOOP\r\n", "452 250");
	rig_free();
}

static void
errors_have_an_end(void **state)
{
	rig_new(RIG_RELAY);
	for (int i = 0; i < 1000; i++)
		rig_say("XYZZY\r\n");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig.out[rig.out_len - 2] = '\0';
	assert_non_null(strstr(rig.out, "421 4.7.0"));
	rig_free();
	/* recipients that a client who may not relay guesses */
	rig_new("");
	rig_say("EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < 30; i++)
		rig_say("RCPT TO:<u@elsewhere.test>\r\n");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig_free();
	rig_new(RIG_RELAY);
	rig_say("EHLO x\r\nMAIL FROM:<>\r\n");
	for (int i = 0; i < 30; i++)
		rig_say("RCPT TO:<bad address>\r\n");
	assert_int_equal(rig.s.state, SESSION_COMMAND);
	rig_free();
}

static void
overlong_lines_are_thrown_away(void **state)
{
	static char line[1000 * 1000];
	struct buf b;

	memset(line, 'a', sizeof line);
	for (size_t piece = 0; piece < 3; piece++) {
		rig_new(RIG_RELAY);
		rig.piece = piece == 0 ? 0 : 4095 + piece;
		rig_say("EHLO ");
		rig_send(str_from(line, sizeof line));
		rig_expect("\r\nNOOP\r\n", "220 500 250");
		assert_true(rig.s.in.size <= SESSION_MAX_INPUT);
		rig_free();
	}
	rig_new(RIG_RELAY);
	buf_init(&b, 8192);
	assert_int_equal(
	    buf_addf(&b, "NOOP %.*s\r\nMAIL FROM:<a@b.test> ENVID=%.*s\r\n", 600, line, 100, line),
	    0);
	rig_say(buf_cstr(&b));
	rig_expect("RSET\r\n", "220 500 503 250");
	buf_clear(&b);
	rig_free();
}

static void
a_flood_of_commands_waits_for_its_replies(void **state)
{
	rig_new(RIG_RELAY);
	rig_expect("", "220");
	for (int i = 0; i < 100000 && session_wants_input(&rig.s); i++)
		session_input(&rig.s, STR("EHLO a\r\n"));
	assert_false(session_wants_input(&rig.s));
	assert_true(buf_len(&rig.s.out) < SESSION_OUT_PAUSE + 1024);
	rig_settle();
	assert_true(session_wants_input(&rig.s));
	rig_free();
}

static void
deadlines_end_a_session(void **state)
{
	struct mono first;

	rig_new(RIG_RELAY);
	rig_expect("EHLO x\r\n", "220 250");
	first = rig.s.deadline;
	ev_update_time();
	/* part of a command does not move it */
	rig_expect("MAIL FR", "");
	assert_int_equal(rig.s.deadline.ns, first.ns);
	session_timeout(&rig.s);
	rig_settle();
	assert_string_equal(rig_codes(), "421");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig_free();
}

static void
a_stop_lets_a_message_finish(void **state)
{
	rig_new(RIG_RELAY);
	rig_upto_rcpt();
	rig.world.is_stopping = true;
	session_stop(&rig.s);
	rig_expect("DATA\r\nx: y\r\n\r\n.\r\n", "354 250 421");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail_and_rcpt_are_checked),
	    cmocka_unit_test(commands_answer_as_they_should),
	    cmocka_unit_test(a_message_is_stored_with_its_envelope),
	    cmocka_unit_test(the_client_hears_of_it_only_when_the_disk_has_it),
	    cmocka_unit_test(smuggling_never_makes_two_messages),
	    cmocka_unit_test(a_4yz_may_end_the_connection_instead),
	    cmocka_unit_test(errors_have_an_end),
	    cmocka_unit_test(overlong_lines_are_thrown_away),
	    cmocka_unit_test(a_flood_of_commands_waits_for_its_replies),
	    cmocka_unit_test(deadlines_end_a_session),
	    cmocka_unit_test(a_stop_lets_a_message_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
