/*
 * The daemon's own parts over real sockets: the test plays master and queued, the sink plays the world. The
 * daemon runs in a child, as main() runs it but without the sandbox.
 */
#include "tests/unit/deliverd/stage.h"

/* many small and some large messages over one connection arrive whole */
static void
deliver_mix(unsigned flags, const char *conf)
{
	static const struct {
		size_t bytes;
		bool dots;
	} kinds[] = {{0, false}, {1, false}, {2000, false}, {2000, true}, {60000, true},
	    {70000, false}, {70000, true}, {3000000, false}, {3000000, true}};
	struct sink sink = sink_start(flags);
	struct made made[countof(kinds) * 5];
	struct ipc_msg m;
	uint32_t conn;

	start(conf);
	conn = open_conn(sink.port, NULL);
	for (uint32_t i = 0; i < countof(made); i++) {
		size_t bytes = kinds[i % countof(kinds)].bytes;

		/* what no buffer holds comes once each: a busy machine is busy enough */
		if (i >= countof(kinds) && bytes > 100000)
			bytes /= 30;
		made[i] = make_message(bytes, kinds[i % countof(kinds)].dots, 1);
		give(conn, i, &made[i], &first_rcpt, 1);
	}
	flush(stage.queued);
	await(stage.queued, &m, IPC_CONN_UP);
	if (flags & SINK_TLS)
		assert_true(str_eq(m.text[0], STR("TLSv1.3")) && m.text[1].len > 0);
	else
		assert_int_equal(m.text[0].len, 0);
	for (uint32_t i = 0; i < countof(made); i++)
		await_delivered(i, &made[i]);
	close_conn(conn, CONN_QUIT);
	await_down(END_CLOSED, STAGE_QUIT);
	finish();
	sink_stop(&sink);
}

static void
messages_arrive_whole_one_command_at_a_time(void **state)
{
	(void)state;
	deliver_mix(0, "");
}

static void
messages_arrive_whole_with_pipelining(void **state)
{
	(void)state;
	deliver_mix(SINK_PIPELINING, "");
}

static void
messages_arrive_whole_with_chunking(void **state)
{
	(void)state;
	deliver_mix(SINK_PIPELINING | SINK_CHUNKING, "");
}

static void
messages_arrive_whole_over_tls(void **state)
{
	(void)state;
	deliver_mix(SINK_PIPELINING | SINK_CHUNKING | SINK_TLS, "");
}

static void
messages_arrive_whole_over_tls_with_data(void **state)
{
	(void)state;
	deliver_mix(SINK_PIPELINING | SINK_TLS, "<domain *>\nreuse-ssl-session yes\n</domain>\n");
}

static void
each_recipient_has_its_own_outcome(void **state)
{
	struct sink sink = sink_start(SINK_PIPELINING | SINK_CHUNKING | SINK_REFUSE_ODD);
	struct made made;
	struct ipc_msg m;
	uint32_t conn, idx[] = {0, 1, 3, 4}, outcome[5] = {0};

	(void)state;
	start("");
	made = make_message(100, false, 5);
	conn = open_conn(sink.port, NULL);
	give(conn, 0, &made, idx, 4);
	flush(stage.queued);
	await(stage.queued, &m, IPC_CONN_UP);
	for (int i = 0; i < 4; i++) {
		const struct ipc_result *r;

		await(stage.queued, &m, IPC_RESULT);
		r = m.head;
		outcome[r->rcpt] = r->outcome;
		assert_int_equal(r->dsn_relayed, r->outcome == OUT_DELIVERED);
	}
	await(stage.queued, &m, IPC_TXN_DONE);
	assert_int_equal(outcome[0], OUT_DELIVERED);
	assert_int_equal(outcome[1], OUT_FAILED);
	assert_int_equal(outcome[2], 0);
	assert_int_equal(outcome[3], OUT_FAILED);
	assert_int_equal(outcome[4], OUT_DELIVERED);
	finish();
	sink_stop(&sink);
}

static void
the_source_address_is_what_was_ordered_or_nothing(void **state)
{
	struct sink sink = sink_start(0);
	struct ipc_msg m;
	const struct ipc_conn_up *up;

	(void)state;
	start("");
	open_conn(sink.port, "127.0.0.77");
	await(stage.queued, &m, IPC_CONN_UP);
	up = m.head;
	assert_int_equal(up->src.family, 4);
	assert_memory_equal(up->src.bytes, ((uint8_t[]){127, 0, 0, 77}), 4);
	assert_int_equal(up->extensions, SMTP_EXT_SIZE);
	open_conn(sink.port, "192.0.2.1");
	await_down(END_LOCAL, STAGE_CONNECT);
	finish();
	sink_stop(&sink);
}

static void
nobody_listens(void **state)
{
	(void)state;
	start("");
	open_conn(1, NULL);
	await_down(END_REFUSED, STAGE_CONNECT);
	finish();
}

static void
a_failed_handshake_makes_the_next_connection_go_in_clear(void **state)
{
	struct sink sink = sink_start(SINK_BAD_TLS);
	struct ipc_msg m;

	(void)state;
	start("");
	open_conn(sink.port, NULL);
	await_down(END_PROTOCOL, STAGE_TLS);
	open_conn(sink.port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
	assert_int_equal(m.text[0].len, 0);
	finish();
	sink_stop(&sink);
}

/* Was the TLS session of the second connection an earlier one's? */
static bool
is_session_reused(const char *conf)
{
	struct sink sink = sink_start(SINK_PIPELINING | SINK_TLS);
	struct made made;
	struct ipc_msg m;
	uint32_t extensions = 0;

	start(conf);
	made = make_message(100, false, 1);
	for (int i = 0; i < 2; i++) {
		uint32_t conn = open_conn(sink.port, NULL);

		give(conn, 0, &made, &first_rcpt, 1);
		flush(stage.queued);
		await(stage.queued, &m, IPC_CONN_UP);
		extensions = ((const struct ipc_conn_up *)m.head)->extensions;
		await_delivered(0, &made);
		close_conn(conn, CONN_QUIT);
		await_down(END_CLOSED, STAGE_QUIT);
	}
	finish();
	sink_stop(&sink);
	return extensions & SMTP_EXT_ETRN;
}

static void
tls_sessions_are_reused_where_that_is_wanted(void **state)
{
	(void)state;
	assert_true(is_session_reused("<domain *>\nreuse-ssl-session yes\n</domain>\n"));
	assert_false(is_session_reused(""));
}

static void
required_tls_never_goes_in_clear(void **state)
{
	struct sink bad = sink_start(SINK_BAD_TLS), none = sink_start(0);

	(void)state;
	start("<domain *>\nrequire-starttls yes\n</domain>\n");
	for (int i = 0; i < 2; i++) {
		open_conn(bad.port, NULL);
		await_down(END_PROTOCOL, STAGE_EHLO);
		open_conn(none.port, NULL);
		await_down(END_PROTOCOL, STAGE_EHLO);
	}
	finish();
	sink_stop(&bad);
	sink_stop(&none);
}

static void
a_peer_that_leaves_after_one_message_costs_nobody_an_attempt(void **state)
{
	struct sink sink = sink_start(SINK_DROP_SECOND);
	struct made made[2];
	struct ipc_msg m;
	uint32_t conn;

	(void)state;
	start("");
	conn = open_conn(sink.port, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		made[i] = make_message(100, false, 1);
		give(conn, i, &made[i], &first_rcpt, 1);
	}
	flush(stage.queued);
	await(stage.queued, &m, IPC_CONN_UP);
	await_delivered(0, &made[0]);
	await_down(END_LOST, STAGE_MAIL);
	finish();
	sink_stop(&sink);
}

static void
a_record_that_is_not_there_is_deferred_and_the_connection_goes_on(void **state)
{
	struct sink sink = sink_start(SINK_PIPELINING);
	struct made good,
	    gone = {.place = {.id = 0x999, .len = 500, .env_len = 200, .kind = SPOOL_FILE}};
	struct ipc_msg m;
	const struct ipc_result *r;
	uint32_t conn;

	(void)state;
	start("");
	good = make_message(100, false, 1);
	conn = open_conn(sink.port, NULL);
	give(conn, 0, &gone, &first_rcpt, 1);
	give(conn, 1, &good, &first_rcpt, 1);
	flush(stage.queued);
	await(stage.queued, &m, IPC_CONN_UP);
	await(stage.queued, &m, IPC_RESULT);
	r = m.head;
	assert_int_equal(r->outcome, OUT_DEFERRED);
	assert_int_equal(r->code, 0);
	await(stage.queued, &m, IPC_TXN_DONE);
	await_delivered(1, &good);
	finish();
	sink_stop(&sink);
}

/* queued's channel must end; a new one is taken and works */
static void
expect_channel_lost(uint16_t port)
{
	struct ipc_msg m;
	struct why why;

	while (ipc_read_blocking(stage.queued, &m, WAIT_MS, &why) == 0)
		;
	ipc_chan_free(&stage.queued);
	give_queued();
	do {
		assert_int_equal(ipc_read_blocking(stage.queued, &m, WAIT_MS, &why), 0);
	} while (m.type != IPC_ORPHANS_END);
	open_conn(port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
}

static void
a_queued_that_breaks_the_protocol_loses_its_channel(void **state)
{
	struct sink sink = sink_start(0);
	struct ipc_conn_open o = {
	    .dst = {.bytes = {127, 0, 0, 1}, .port = sink.port, .family = 4}, .window = 1};
	struct made made;
	uint32_t backwards[] = {1, 0};

	(void)state;
	start("");
	made = make_message(100, false, 2);
	open_to(&o, "mx.y");
	for (uint32_t i = 0; i < 2; i++)
		give(o.conn, i, &made, &first_rcpt, 1);
	flush(stage.queued);
	expect_channel_lost(sink.port);
	give(open_conn(sink.port, NULL), 0, &made, backwards, 2);
	flush(stage.queued);
	expect_channel_lost(sink.port);
	o.dst.family = 5;
	open_to(&o, "mx.y");
	expect_channel_lost(sink.port);
	finish();
	sink_stop(&sink);
}

static void
orders_for_connections_that_ended_are_passed_over(void **state)
{
	struct sink sink = sink_start(0);
	struct made made;
	struct ipc_msg m;

	(void)state;
	start("");
	made = make_message(100, false, 1);
	give(77, 0, &made, &first_rcpt, 1);
	close_conn(77, CONN_QUIT);
	open_conn(sink.port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
	finish();
	sink_stop(&sink);
}

static void
stop_finishes_what_was_begun(void **state)
{
	struct sink sink = sink_start(SINK_PIPELINING), other = sink_start(SINK_PIPELINING);
	struct made made;
	struct ipc_msg m;
	uint32_t conn;

	(void)state;
	start("");
	made = make_message(3000000, false, 1);
	open_conn(other.port, NULL); /* an idle one beside it */
	await(stage.queued, &m, IPC_CONN_UP);
	conn = open_conn(sink.port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
	/* the peer stands still, so that nothing ends before the stop */
	assert_true(sink_freeze(&sink));
	give(conn, 0, &made, &first_rcpt, 1);
	flush(stage.queued);
	/* a refused connection's report shows that the transaction before it was read */
	open_conn(1, NULL);
	await_down(END_REFUSED, STAGE_CONNECT);
	tell_stop(WAIT_MS);
	/* the idle one's end shows that the stop has begun */
	await_down(END_CLOSED, STAGE_QUIT);
	assert_int_equal(kill(sink.pid, SIGCONT), 0);
	await_delivered(0, &made);
	await_down(END_CLOSED, STAGE_QUIT);
	assert_int_equal(await_end(), 0);
	clean();
	sink_stop(&sink);
	sink_stop(&other);
}

/* One message delivered, one begun, one waiting, on a peer that stands still; then queued dies and a new one comes. */
static void
lose_queued_in_the_middle(const struct sink *sink, struct made made[3])
{
	struct ipc_msg m;
	uint32_t conn;

	start("");
	for (int i = 0; i < 3; i++)
		made[i] = make_message(100, false, 1);
	open_conn(sink->port, NULL); /* an idle one beside it */
	await(stage.queued, &m, IPC_CONN_UP);
	conn = open_conn(sink->port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
	give(conn, 0, &made[0], &first_rcpt, 1);
	flush(stage.queued);
	await_delivered(0, &made[0]);
	assert_true(sink_freeze(sink));
	give(conn, 1, &made[1], &first_rcpt, 1);
	give(conn, 2, &made[2], &first_rcpt, 1);
	flush(stage.queued);
	/* a refused connection's report shows that the transactions before it were read */
	open_conn(1, NULL);
	await_down(END_REFUSED, STAGE_CONNECT);
	ipc_chan_free(&stage.queued);
	give_queued();
}

static void
await_orphan_result(const struct made *made)
{
	const struct ipc_orphan_result *r;
	struct ipc_msg m;
	char want[80];

	await(stage.queued, &m, IPC_ORPHAN_RESULT);
	r = m.head;
	snprintf(want, sizeof want, "250 2.0.0 %llu %016llx", (unsigned long long)made->size,
	    (unsigned long long)made->hash);
	assert_true(str_eq(m.text[0], str_of(want)));
	assert_true(str_eq(m.text[1], STR("mx.y")));
	assert_int_equal(r->result.id, made->place.id);
	assert_int_equal(r->result.rcpt, 0);
	assert_int_equal(r->result.outcome, OUT_DELIVERED);
	assert_int_equal(r->result.bytes, made->size);
	assert_int_equal(r->result.conn, 0);
	assert_memory_equal(r->dst.bytes, ((uint8_t[]){127, 0, 0, 1}), 4);
	assert_memory_equal(r->src.bytes, ((uint8_t[]){127, 0, 0, 1}), 4);
	assert_int_equal(r->extensions, SMTP_EXT_SIZE);
}

static void
await_orphan(enum ipc_type type, const struct made *made)
{
	struct ipc_msg m;

	await(stage.queued, &m, type);
	assert_int_equal(((const struct ipc_orphan *)m.head)->id, made->place.id);
}

static void
a_new_queued_hears_first_what_the_dead_one_had_ordered(void **state)
{
	struct sink sink = sink_start(0), other = sink_start(0);
	struct made made[3];
	struct ipc_msg m;

	(void)state;
	lose_queued_in_the_middle(&sink, made);
	await_orphan_result(&made[0]);
	await_orphan(IPC_ORPHAN_PENDING, &made[1]);
	await(stage.queued, &m, IPC_ORPHANS_END);
	/* numbers begin anew, and nothing but the orphans' ends is told of the old connections */
	stage.next_conn = 1;
	for (int i = 0; i < 3; i++) {
		open_conn(other.port, NULL);
		await(stage.queued, &m, IPC_CONN_UP);
	}
	assert_int_equal(kill(sink.pid, SIGCONT), 0);
	await_orphan_result(&made[1]);
	/* the next one hears of both, the third message was given up */
	ipc_chan_free(&stage.queued);
	give_queued();
	await_orphan_result(&made[0]);
	await_orphan_result(&made[1]);
	await(stage.queued, &m, IPC_ORPHANS_END);
	finish();
	sink_stop(&sink);
	sink_stop(&other);
}

static void
an_orphan_whose_connection_breaks_is_untried(void **state)
{
	struct sink sink = sink_start(0);
	struct made made[3];
	struct ipc_msg m;

	(void)state;
	lose_queued_in_the_middle(&sink, made);
	await_orphan_result(&made[0]);
	await_orphan(IPC_ORPHAN_PENDING, &made[1]);
	await(stage.queued, &m, IPC_ORPHANS_END);
	sink_stop(&sink);
	await_orphan(IPC_ORPHAN_UNTRIED, &made[1]);
	finish();
}

/* the second number of statm: resident pages */
static size_t
resident_kb(pid_t pid)
{
	char path[64], text[256] = "";
	struct str rest, word;
	uint64_t pages = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	rest = str_of(text);
	assert_true(str_next_word(&rest, &word) && str_next_word(&rest, &word));
	assert_true(parse_u64(word, 0, UINT64_MAX, &pages));
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void
an_idle_connection_is_small(void **state)
{
	enum { N = 300 };
	struct sink sink = sink_start(SINK_PIPELINING | SINK_CHUNKING);
	struct made made;
	struct ipc_msg m;
	size_t before, after;
	uint32_t conn[N];

	(void)state;
	start("");
	made = make_message(2000, false, 1);
	conn[0] = open_conn(sink.port, NULL);
	await(stage.queued, &m, IPC_CONN_UP);
	give(conn[0], 0, &made, &first_rcpt, 1);
	flush(stage.queued);
	await_delivered(0, &made);
	before = resident_kb(stage.daemon);
	for (uint32_t i = 1; i < N; i++) {
		conn[i] = open_conn(sink.port, NULL);
		await(stage.queued, &m, IPC_CONN_UP);
		give(conn[i], 0, &made, &first_rcpt, 1);
		flush(stage.queued);
		await_delivered(0, &made);
	}
	after = resident_kb(stage.daemon);
	print_message("%zu bytes an idle connection\n", (after - before) * 1024 / (N - 1));
#ifndef __SANITIZE_ADDRESS__
	assert_true(after - before < (N - 1) * 40);
#endif
	finish();
	sink_stop(&sink);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_arrive_whole_one_command_at_a_time),
	    cmocka_unit_test(messages_arrive_whole_with_pipelining),
	    cmocka_unit_test(messages_arrive_whole_with_chunking),
	    cmocka_unit_test(messages_arrive_whole_over_tls),
	    cmocka_unit_test(messages_arrive_whole_over_tls_with_data),
	    cmocka_unit_test(each_recipient_has_its_own_outcome),
	    cmocka_unit_test(the_source_address_is_what_was_ordered_or_nothing),
	    cmocka_unit_test(nobody_listens),
	    cmocka_unit_test(a_failed_handshake_makes_the_next_connection_go_in_clear),
	    cmocka_unit_test(tls_sessions_are_reused_where_that_is_wanted),
	    cmocka_unit_test(required_tls_never_goes_in_clear),
	    cmocka_unit_test(a_peer_that_leaves_after_one_message_costs_nobody_an_attempt),
	    cmocka_unit_test(a_record_that_is_not_there_is_deferred_and_the_connection_goes_on),
	    cmocka_unit_test(a_queued_that_breaks_the_protocol_loses_its_channel),
	    cmocka_unit_test(orders_for_connections_that_ended_are_passed_over),
	    cmocka_unit_test(stop_finishes_what_was_begun),
	    cmocka_unit_test(a_new_queued_hears_first_what_the_dead_one_had_ordered),
	    cmocka_unit_test(an_orphan_whose_connection_breaks_is_untried),
	    cmocka_unit_test(an_idle_connection_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
