/* REPORTs in, messages in the journal out: the real loop, journal and disk; the channel is the test's. */
#include "bounced/bounced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/spool/files_int.h"
#include "lib/spool/record_int.h"
#include "lib/spool/store.h"

static struct {
	char top[64];
	int fd;
	struct bounced b;
	struct ipc_chan *chan;
	struct ev_timer guard, poll;
	struct spool_place accepted[16];
	size_t n_accepted, n_opened;
	bool has_done, ok, has_left;
	struct spool_reader *reader;
	struct buf raw, scratch;
	struct envelope env;
	char rcpt[300];
} t;

static void
on_guard(struct ev_timer *timer)
{
	ev_stop();
}

static void
on_poll(struct ev_timer *timer)
{
	struct ipc_msg m;

	while (ipc_test_take(t.chan, &m)) {
		if (m.type == IPC_ACCEPTED)
			t.accepted[t.n_accepted++] = *(const struct spool_place *)m.head;
		t.n_opened += m.type == IPC_SEGMENT_OPEN;
		if (m.type == IPC_REPORT_DONE) {
			t.has_done = true;
			t.ok = ((const struct ipc_report_done *)m.head)->ok == 1;
		}
	}
	if (t.has_done)
		ev_stop();
	else
		ev_timer_in_ms(&t.poll, 3);
}

static bool
run_until_done(void)
{
	t.has_done = false;
	ev_timer_in_ms(&t.guard, 60000);
	ev_timer_in_ms(&t.poll, 1);
	ev_run();
	ev_timer_stop(&t.guard);
	ev_timer_stop(&t.poll);
	return t.has_done && t.ok;
}

static void
on_leave(void)
{
	t.has_left = true;
	ev_stop();
}

static int
setup(void **state)
{
	struct why why;
	struct spool_store *store;

	memset(&t, 0, sizeof t);
	str_copy(t.top, sizeof t.top, STR("/tmp/bounced-XXXXXX"));
	assert_non_null(mkdtemp(t.top));
	t.fd = open(t.top, O_RDONLY | O_DIRECTORY);
	ev_init();
	store = spool_store_open(t.fd, &why); /* makes the directories */
	assert_non_null(store);
	spool_store_close(&store);
	ev_timer_init(&t.guard, on_guard);
	ev_timer_init(&t.poll, on_poll);
	bounced_init(&t.b, t.fd, 0, on_leave);
	str_copy(t.b.composer.host, sizeof t.b.composer.host, STR("mta.example"));
	t.chan = ipc_chan_new_test(ROLE_BOUNCE, ROLE_QUEUE, 0, &bounced_events, &t.b);
	bounced_queue_chan(&t.b, t.chan);
	t.reader = spool_reader_new(t.fd);
	buf_init(&t.raw, 10000000);
	buf_init(&t.scratch, 100000);
	return 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

static int
teardown(void **state)
{
	bounced_clear(&t.b);
	spool_reader_free(&t.reader);
	buf_clear(&t.raw);
	buf_clear(&t.scratch);
	ev_fini();
	close(t.fd);
	return nftw(t.top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct spool_place
store_message(struct envelope *e, const struct env_rcpt *rcpts, const char *message)
{
	struct buf b;
	struct spool_place p = {.id = e->id, .kind = SPOOL_FILE};
	char header[SPOOL_HEADER_LEN], dir[SPOOL_NAME], name[SPOOL_NAME], path[200];
	struct str msg = str_of(message);
	int fd;

	buf_init(&b, 1000000);
	e->accepted = wall_from_sec(1700000000);
	e->body_len = msg.len;
	assert_int_equal(envelope_write(&b, e), 0);
	for (size_t i = 0; i < e->n_rcpts; i++)
		assert_int_equal(envelope_write_rcpt(&b, &rcpts[i]), 0);
	buf_add_char(&b, '\n');
	p.env_len = (uint32_t)(SPOOL_HEADER_LEN + buf_len(&b));
	p.len = p.env_len + msg.len;
	envelope_header(header, record_core(buf_str(&b), msg),
	    &(struct record_header){.len = p.len, .env_len = p.env_len});
	snprintf(path, sizeof path, "%s/queue/%s/%s", t.top, queue_dir_name(dir, e->id),
	    id_name(name, e->id));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(fd != -1);
	assert_int_equal(write(fd, header, sizeof header), sizeof header);
	assert_int_equal(write(fd, buf_str(&b).p, buf_len(&b)), buf_len(&b));
	assert_int_equal(write(fd, msg.p, msg.len), msg.len);
	close(fd);
	buf_clear(&b);
	return p;
}

static void
say_rcpt(uint64_t id, uint32_t index, const char *reply)
{
	struct ipc_report_rcpt r = {.id = id,
	    .rcpt = index,
	    .code = 550,
	    .enh = {5, 1, 1},
	    .kind = REPORT_FAILED,
	    .when_ns = INT64_C(1700000100) * NS_PER_SEC};
	struct str texts[3] = {str_of(reply), STR("mx.remote.example"), STR("vmta1")};

	ipc_test_deliver(t.chan, IPC_REPORT_RCPT, &r, texts);
}

static void
say_report(const struct spool_place *p)
{
	struct ipc_report r = {.place = *p};

	ipc_test_deliver(t.chan, IPC_REPORT, &r, NULL);
}

/* Reads what was accepted; its message */
static struct str
read_report(size_t i)
{
	const struct spool_place *p = &t.accepted[i];
	struct str lines;
	struct env_iter it;
	struct env_rcpt r;
	struct why why;
	uint32_t index;
	const char *out = getenv("REPORT_OUT");

	if (spool_read(t.reader, p, (size_t)p->len, &t.raw, NULL, NULL, &why) == -1)
		fail_msg("%s", why.text);
	lines = str_sub(buf_str(&t.raw), SPOOL_HEADER_LEN, p->env_len - SPOOL_HEADER_LEN);
	buf_reset(&t.scratch);
	assert_true(envelope_parse(lines, &t.env, &t.scratch, &why));
	env_iter_init(&it, lines);
	assert_true(env_iter_next(&it, &index, &r));
	str_copy(t.rcpt, sizeof t.rcpt, r.address);
	lines = str_skip(buf_str(&t.raw), p->env_len);
	if (out != NULL) { /* for another parser's eyes */
		char path[300];
		int fd;
		snprintf(path, sizeof path, "%s/%016lx.eml", out, p->id);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		assert_int_equal(write(fd, lines.p, lines.len), lines.len);
		close(fd);
	}
	return lines;
}

static void
has(struct str s, const char *text)
{
	if (str_find_str(s, str_of(text)) == STR_NPOS)
		fail_msg("\"%s\" is not in:\n%.*s", text, STR_ARG(s));
}

static void
lacks(struct str s, const char *text)
{
	if (str_find_str(s, str_of(text)) != STR_NPOS)
		fail_msg("\"%s\" is in:\n%.*s", text, STR_ARG(s));
}

static void
is_wire_form(struct str s)
{
	struct str line;
	uint64_t dots = 0;

	assert_true(str_has_suffix(s, STR("\r\n")));
	while (str_next(&s, '\n', &line) && (line.len > 0 || s.p != NULL)) {
		assert_true(line.len > 0 && line.len <= 999 && line.p[line.len - 1] == '\r');
		assert_true(str_find(str_sub(line, 0, line.len - 1), '\r') == STR_NPOS);
		if (line.p[0] == '.') {
			assert_true(line.len > 1 && line.p[1] == '.');
			dots++;
		}
	}
	assert_int_equal(t.env.n_dots, dots);
}

#define MESSAGE "From: a@b.example\r\nSubject: Hello\r\n folded\r\n\r\n..secret body\r\nend\r\n"

static void
a_failure_is_reported_to_the_sender(void **state)
{
	struct envelope e = {.id = 0x42,
	    .sender = STR("sender@example.com"),
	    .n_rcpts = 3,
	    .vmta = STR("vmta1"),
	    .envid = STR("QQ314159"),
	    .priority = 50};
	struct env_rcpt rcpts[] = {{.address = STR("one@x.test")},
	    {.address = STR("two@x.test"), .orcpt = STR("rfc822;Two@x.test")},
	    {.address = STR("three@x.test"), .notify = NOTIFY_NEVER}};
	struct spool_place p = store_message(&e, rcpts, MESSAGE);
	struct str s;

	say_rcpt(0x42, 2, "550 5.1.1 never");
	say_rcpt(0x42, 1, "550 5.1.1 no such user\r\nDSN-Injected: yes");
	say_rcpt(0x42, 0,
	    "550 5.1.1 <one@x.test>: Recipient address rejected: User unknown in virtual mailbox "
	    "table");
	say_report(&p);
	assert_true(run_until_done());
	assert_int_equal(t.n_accepted, 1);
	assert_int_equal(t.n_opened, 1);
	s = read_report(0);
	assert_int_equal(t.env.sender.len, 0);
	assert_true(t.env.is_report);
	assert_string_equal(t.rcpt, "sender@example.com");
	is_wire_form(s);
	has(s, "To: <sender@example.com>\r\n");
	has(s, "Auto-Submitted: auto-replied\r\n");
	has(s, "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	has(s, "\r\nReporting-MTA: dns;mta.example\r\nX-PowerMTA-VirtualMTA: vmta1\r\n");
	has(s, "\r\nOriginal-Envelope-Id: QQ314159\r\n");
	has(s, "\r\nArrival-Date: Tue, 14 Nov 2023 ");
	has(s, "\r\n\r\nFinal-Recipient: rfc822;one@x.test\r\nAction: failed\r\n"
	       "Status: 5.1.1 (bad destination mailbox address)\r\nRemote-MTA: "
	       "dns;mx.remote.example\r\n"
	       "Diagnostic-Code: smtp; 550 5.1.1 <one@x.test>: Recipient address rejected:\r\n "
	       "User unknown");
	has(s,
	    "\r\nOriginal-Recipient: rfc822;Two@x.test\r\nFinal-Recipient: rfc822;two@x.test\r\n");
	has(s, "Subject: Hello\r\n folded\r\n");
	lacks(s, "\r\nDSN-Injected");
	lacks(s, "three@x.test");
	lacks(s, "secret body");
}

static void
the_whole_message_comes_back_when_it_was_asked_for(void **state)
{
	struct envelope e = {.id = 0x43,
	    .sender = STR("s@example.com"),
	    .n_rcpts = 1,
	    .ret = ENV_RET_FULL,
	    .priority = 50};
	struct env_rcpt rcpt = {.address = STR("one@x.test")};
	struct spool_place p = store_message(&e, &rcpt, MESSAGE);
	struct str s;

	say_rcpt(0x43, 0, "550 no");
	say_report(&p);
	assert_true(run_until_done());
	s = read_report(0);
	is_wire_form(s);
	has(s, "Content-Type: message/rfc822\r\n");
	has(s, "\r\n..secret body\r\nend\r\n");
}

static void
nothing_is_reported_about_reports_or_to_nobody(void **state)
{
	struct envelope cases[] = {
	    {.id = 0x50, .n_rcpts = 1, .priority = 50},
	    {.id = 0x51,
		.sender = STR("s@example.com"),
		.is_report = true,
		.n_rcpts = 1,
		.priority = 50},
	    {.id = 0x52,
		.sender = STR("s@example.com"),
		.no_dsn = true,
		.n_rcpts = 1,
		.priority = 50},
	};
	struct env_rcpt rcpt = {.address = STR("one@x.test")};

	for (size_t i = 0; i < countof(cases); i++) {
		struct spool_place p = store_message(&cases[i], &rcpt, MESSAGE);
		say_rcpt(p.id, 0, "550 no");
		say_report(&p);
		assert_true(run_until_done());
	}
	assert_int_equal(t.n_accepted, 0);
}

static void
eight_bit_is_encoded_for_an_ascii_sender(void **state)
{
	struct envelope e = {.id = 0x44,
	    .sender = STR("s@example.com"),
	    .n_rcpts = 1,
	    .smtputf8 = true,
	    .priority = 50};
	struct env_rcpt rcpt = {.address = STR("j\xc3\xb6rg@x.test")};
	struct spool_place p =
	    store_message(&e, &rcpt, "Subject: gr\xc3\xbc\xc3\x9f\r\n..X: dot\r\n\r\nbody\r\n");
	struct str s;

	say_rcpt(0x44, 0, "550 unbekannt: j\xc3\xb6rg \xff");
	say_report(&p);
	assert_true(run_until_done());
	s = read_report(0);
	is_wire_form(s);
	assert_false(t.env.smtputf8);
	assert_int_equal(t.env.body, ENV_7BIT);
	for (size_t i = 0; i < s.len; i++)
		assert_true((unsigned char)s.p[i] < 0x80);
	has(s, "Final-Recipient: utf-8;j\\x{F6}rg@x.test\r\n");
	has(s, "Subject: gr=C3=BC=C3=9F\r\n");
}

static void
a_sender_with_utf8_gets_global_forms(void **state)
{
	struct envelope e = {.id = 0x45,
	    .sender = STR("j\xc3\xb6rg@example.com"),
	    .n_rcpts = 1,
	    .smtputf8 = true,
	    .priority = 50};
	struct env_rcpt rcpt = {.address = STR("one@x.test")};
	struct spool_place p =
	    store_message(&e, &rcpt, "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nbody\r\n");
	struct str s;

	say_rcpt(0x45, 0, "550 no");
	say_report(&p);
	assert_true(run_until_done());
	s = read_report(0);
	is_wire_form(s);
	assert_true(t.env.smtputf8);
	assert_int_equal(t.env.body, ENV_8BITMIME);
	has(s, "Content-Type: message/global-delivery-status\r\n");
	has(s, "Content-Type: message/global-headers\r\n");
	has(s, "Subject: gr\xc3\xbc\xc3\x9f\r\n");
}

static void
a_message_that_is_gone_is_given_up_after_three_tries(void **state)
{
	struct spool_place p = {.id = 0x60, .kind = SPOOL_FILE, .len = 300, .env_len = 200};

	for (unsigned i = 0; i < 3; i++) {
		say_rcpt(0x60, 0, "550 no");
		say_report(&p);
		assert_int_equal(run_until_done(), i == 2);
	}
}

static void
a_new_queued_is_told_of_the_open_segment(void **state)
{
	struct envelope e = {
	    .id = 0x46, .sender = STR("s@example.com"), .n_rcpts = 1, .priority = 50};
	struct env_rcpt rcpt = {.address = STR("one@x.test")};
	struct spool_place p = store_message(&e, &rcpt, MESSAGE);
	struct ipc_chan *again;
	struct ipc_msg m;

	say_rcpt(0x46, 0, "550 no");
	say_report(&p);
	assert_true(run_until_done());
	again = ipc_chan_new_test(ROLE_BOUNCE, ROLE_QUEUE, 0, &bounced_events, &t.b);
	bounced_queue_chan(&t.b, again);
	t.chan = again;
	assert_true(ipc_test_take(again, &m));
	assert_int_equal(m.type, IPC_SEGMENT_OPEN);
	assert_true(((const struct ipc_segment *)m.head)->end > 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_failure_is_reported_to_the_sender),
	    TEST(the_whole_message_comes_back_when_it_was_asked_for),
	    TEST(nothing_is_reported_about_reports_or_to_nobody),
	    TEST(eight_bit_is_encoded_for_an_ascii_sender),
	    TEST(a_sender_with_utf8_gets_global_forms),
	    TEST(a_message_that_is_gone_is_given_up_after_three_tries),
	    TEST(a_new_queued_is_told_of_the_open_segment),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
