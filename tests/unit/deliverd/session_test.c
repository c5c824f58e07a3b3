/* The session against scripted peers: every state, every kind of peer, and the exact outcome of each recipient. */
#include "tests/unit/deliverd/session_rows.h"

static struct session_conf
conf_of(unsigned flags)
{
	struct session_conf c = play_conf();

	c.tls = flags & TLS_MUST  ? SESSION_TLS_MUST
		: flags & TLS_MAY ? SESSION_TLS_MAY
				  : SESSION_TLS_NO;
	c.break_on_421 = flags & BREAK_421;
	c.ignore_8bitmime = flags & NO_8BIT;
	c.ignore_dsn = flags & NO_DSN;
	c.ignore_chunking = flags & NO_CHUNK;
	c.ignore_pipelining = flags & NO_PIPE;
	c.assume_delivered = flags & ASSUME;
	return c;
}

static void
each_script_is_played(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct session_conf c = conf_of(rows[i].flags);

		play(rows[i].name, &c, rows[i].prefix, rows[i].script, SIZE_MAX);
	}
}

static void
each_script_is_played_with_the_peer_in_pieces_of_every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct session_conf c = conf_of(rows[i].flags);

		for (size_t piece = 1; piece <= 64 && !(rows[i].flags & WHOLE); piece++)
			play(rows[i].name, &c, rows[i].prefix, rows[i].script, piece);
	}
}

static void
more_than_the_window_is_refused(void **state)
{
	struct session_conf c = play_conf();
	struct play p = {.piece = SIZE_MAX};
	struct ipc_txn t = {.txn = 0};
	uint32_t idx = 0;

	(void)state;
	c.window = 2;
	p.s = session_new(&c, &play_ops, &p, p.now);
	assert_true(session_txn(p.s, p.now, &t, &idx, 1));
	assert_true(session_txn(p.s, p.now, &t, &idx, 1));
	assert_false(session_txn(p.s, p.now, &t, &idx, 1));
	assert_false(session_txn(p.s, p.now, &t, &idx, 0));
	session_free(&p.s);
}

static void
a_connection_that_never_comes_is_reported(void **state)
{
	static const struct {
		enum conn_end end;
		const char *what, *event;
	} cases[] = {
	    {END_REFUSED, "connection refused",
		"down refused CONNECT 0 4.4.1 never connection refused"},
	    {END_LOCAL, "source address 192.0.2.1 is not here",
		"down local CONNECT 0 4.3.0 never source address "
		"192.0.2.1 is not here"},
	    {END_TIMEOUT, "connection timed out",
		"down timeout CONNECT 0 4.4.1 never connection timed out"},
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct session_conf c = play_conf();
		struct play p = {.piece = SIZE_MAX};

		p.s = session_new(&c, &play_ops, &p, p.now);
		if (cases[i].end == END_TIMEOUT) {
			session_tick(p.s, mono_add_ms(p.now, 119999));
			assert_int_equal(p.n_events, 0);
			session_tick(p.s, mono_add_ms(p.now, 120000));
		} else {
			session_lost(p.s, p.now, cases[i].end, cases[i].what);
		}
		assert_int_equal(p.n_events, 1);
		assert_string_equal(p.events[0], cases[i].event);
		session_free(&p.s);
	}
}

/* Whatever is in flight when a connection ends: each recipient at most one result, and those before it exact. */
static void
no_recipient_is_reported_twice_wherever_the_connection_breaks(void **state)
{
	static const char says[] =
	    "220 x\r\n250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n250 k\r\n550 no\r\n250 k\r\n250 "
	    "k\r\n250 k\r\n250 k\r\n250 k\r\n250 k\r\n250 k\r\n250 k\r\n250 k\r\n";
	struct session_conf c = play_conf();

	(void)state;
	for (size_t cut = 0; cut < sizeof says - 1; cut++) {
		struct play p = {.piece = 1, .budget = UINT64_MAX};
		unsigned seen[4][4] = {{0}};

		buf_init(&p.sent, 65536);
		p.s = session_new(&c, &play_ops, &p, p.now);
		session_connected(p.s, p.now);
		for (int i = 0; i < 3; i++)
			do_message(&p, STR("a 0,1"));
		play_hear(&p, str_from(says, cut));
		session_lost(p.s, p.now, END_LOST, "connection lost");
		for (size_t i = 0; i < p.n_events; i++) {
			/* "result T/R …", both of one digit here */
			const char *e = p.events[i];

			if (strncmp(e, "result ", 7) == 0)
				assert_int_equal(++seen[e[7] - '0'][e[9] - '0'], 1);
		}
		assert_true(p.is_down);
		session_free(&p.s);
		buf_clear(&p.sent);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_script_is_played),
	    cmocka_unit_test(each_script_is_played_with_the_peer_in_pieces_of_every_size),
	    cmocka_unit_test(more_than_the_window_is_refused),
	    cmocka_unit_test(a_connection_that_never_comes_is_reported),
	    cmocka_unit_test(no_recipient_is_reported_twice_wherever_the_connection_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
