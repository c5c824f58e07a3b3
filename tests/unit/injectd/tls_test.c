/* STARTTLS as a session sees it: what it says, forgets and refuses; the handshake itself is the connection's. */
#include "tests/unit/injectd/rig.h"

#define CONF RIG_RELAY "<source 0/0>\nallow-starttls yes\n</source>\n"

static void
rig_new_tls(bool is_immediate)
{
	struct net_addr client = {.family = 4}, local = client;

	rig_new(CONF);
	session_clear(&rig.s);
	rig.out_len = 0;
	rig.world.door[0] = (struct door){.has_tls = true, .is_immediate_tls = is_immediate};
	session_start(&rig.s, &rig.world, 0, &client, &local);
}

static void
what_was_said_in_clear_is_forgotten(void **state)
{
	rig_new_tls(false);
	rig_expect("STARTTLS\r\n", "220 503");
	rig_expect("EHLO a\r\nMAIL FROM:<a@sender.test>\r\nSTARTTLS x\r\n", "250 250 501");
	rig_expect("STARTTLS\r\n", "220");
	assert_int_equal(rig.s.state, SESSION_TLS);
	assert_false(session_wants_input(&rig.s));
	session_tls_up(&rig.s, &(struct session_tls){.protocol = "TLSv1.3", .cipher = "X"});
	assert_null(rig.s.helo);
	assert_null(rig.s.txn);
	rig_expect("MAIL FROM:<a@sender.test>\r\nEHLO b\r\nRCPT TO:<b@rcpt.test>\r\nSTARTTLS\r\n",
	    "503 250 503 503");
	rig_expect("MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@rcpt.test>\r\nDATA\r\n", "250 250 354");
	rig_expect("x: y\r\n\r\n.\r\n", "250");
	assert_non_null(strstr(rig.msg[0].text, " with ESMTPS (TLSv1.3 X) id "));
	rig_free();
}

static void
nothing_may_follow_in_one_flight(void **state)
{
	rig_new_tls(false);
	rig_expect("EHLO a\r\nSTARTTLS\r\nNOOP\r\n", "220 250 554");
	assert_int_equal(rig.s.state, SESSION_CLOSING);
	rig_free();
	rig_new_tls(false);
	rig_upto_rcpt();
	rig_expect("NOOP\r\nSTARTTLS\r\nX", "250 554");
	rig_free();
}

static void
immediate_tls_greets_behind_the_handshake(void **state)
{
	rig_new_tls(true);
	rig_expect("", "");
	assert_int_equal(rig.s.state, SESSION_TLS);
	session_tls_up(&rig.s, &(struct session_tls){.protocol = "TLSv1.2", .cipher = "X"});
	rig_expect("EHLO a\r\nSTARTTLS\r\n", "220 250 503");
	rig_free();
}

static void
the_end_of_the_daemon_waits_for_the_handshake(void **state)
{
	rig_new_tls(false);
	rig_expect("EHLO a\r\nSTARTTLS\r\n", "220 250 220");
	rig.world.is_stopping = true;
	session_stop(&rig.s);
	assert_int_equal(rig.s.state, SESSION_TLS);
	session_tls_up(&rig.s, &(struct session_tls){.protocol = "TLSv1.2", .cipher = "X"});
	rig_expect("", "421");
	rig_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_said_in_clear_is_forgotten),
	    cmocka_unit_test(nothing_may_follow_in_one_flight),
	    cmocka_unit_test(immediate_tls_greets_behind_the_handshake),
	    cmocka_unit_test(the_end_of_the_daemon_waits_for_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
