/* Records in, lines and acknowledgements out: the real loop, thread and disk; the channel is the test's. */
#include "acctd/acctd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/spool/files_int.h"
#include "lib/spool/record_int.h"

#define PATIENCE_MS 60000 /* what always comes, on a machine that is busy */
#define MESSAGE	    "Subject: Hello,\r\n =?utf-8?q?w?=\r\n  \"you\"\r\nX-Job: j1\r\n\r\n..body\r\n"

static struct {
	char top[64], spool[80], acct[80];
	int spool_fd, acct_fd;
	struct acctd a;
	struct ipc_chan *chan;
	struct ev_timer guard, poll;
	uint64_t wanted_seq, acked;
	struct ipc_answer answer;
	bool has_answer, has_left, wants_block, sync;
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

	while (t.a.queue != NULL && ipc_test_take(t.chan, &m)) {
		if (m.type == IPC_RECORD_ACK) {
			uint64_t seq = ((const struct ipc_record_ack *)m.head)->seq;

			assert_true(seq >= t.acked); /* it never goes back */
			t.acked = seq;
		}
		if (m.type == IPC_ANSWER) {
			t.answer = *(const struct ipc_answer *)m.head;
			t.has_answer = true;
		}
	}
	if ((t.wanted_seq != 0 && t.acked >= t.wanted_seq) || (t.wanted_seq == 0 && t.has_answer) ||
	    (t.wants_block && t.a.is_blocked)) {
		ev_stop();
		return;
	}
	ev_timer_in_ms(&t.poll, 5);
}

/* Runs the loop until the acknowledgement (seq != 0) or answer is there, or time is up. */
static bool
run_until(uint64_t seq, int64_t ms)
{
	t.wanted_seq = seq;
	ev_timer_in_ms(&t.guard, ms);
	ev_timer_in_ms(&t.poll, 1);
	ev_run();
	ev_timer_stop(&t.guard);
	ev_timer_stop(&t.poll);
	return seq == 0 ? t.has_answer : t.acked >= seq;
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
	memset(&t, 0, sizeof t);
	str_copy(t.top, sizeof t.top, STR("/tmp/acctd-flow-XXXXXX"));
	assert_non_null(mkdtemp(t.top));
	snprintf(t.spool, sizeof t.spool, "%s/spool", t.top);
	snprintf(t.acct, sizeof t.acct, "%s/acct", t.top);
	assert_int_equal(mkdir(t.spool, 0755) | mkdir(t.acct, 0755), 0);
	t.spool_fd = open(t.spool, O_RDONLY | O_DIRECTORY);
	t.acct_fd = open(t.acct, O_RDONLY | O_DIRECTORY);
	ev_init();
	ev_timer_init(&t.guard, on_guard);
	ev_timer_init(&t.poll, on_poll);
	acctd_init(&t.a, t.spool_fd, on_leave);
	dirs_give(&t.a.dirs, &(struct ipc_fd){.kind = FD_ACCT_DIR}, str_of(t.acct), dup(t.acct_fd));
	t.chan = ipc_chan_new_test(ROLE_ACCT, ROLE_QUEUE, 0, &acctd_events, &t.a);
	acctd_queue_chan(&t.a, t.chan);
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
	acctd_clear(&t.a);
	ev_fini();
	close(t.spool_fd);
	close(t.acct_fd);
	return nftw(t.top, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- what comes in ---- */

static struct spool_place
store_message(uint64_t id)
{
	struct buf b;
	struct envelope e = {.id = id,
	    .accepted = wall_from_sec(1700000000),
	    .sender = STR("from@example.com"),
	    .job = STR("job 1"),
	    .src_type = STR("smtp"),
	    .src_mta = STR("client.example (127.0.0.9)"),
	    .n_rcpts = 3,
	    .body_len = sizeof MESSAGE - 1,
	    .n_dots = 1,
	    .priority = 50,
	    .src = {.family = 4, .port = 4000, .bytes = {127, 0, 0, 9}},
	    .dst = {.family = 4, .port = 25, .bytes = {127, 0, 0, 1}}};
	struct env_rcpt rcpts[3] = {{.address = STR("a@one.example")},
	    {.address = STR("b@two.example"), .orcpt = STR("rfc822;B@two.example")},
	    {.address = STR("c@three.example")}};
	struct spool_place p = {.id = id, .kind = SPOOL_FILE};
	char header[SPOOL_HEADER_LEN], dir[SPOOL_NAME], name[SPOOL_NAME], path[200];
	uint64_t core;
	int fd;

	buf_init(&b, 100000);
	assert_int_equal(envelope_write(&b, &e), 0);
	for (size_t i = 0; i < countof(rcpts); i++)
		assert_int_equal(envelope_write_rcpt(&b, &rcpts[i]), 0);
	buf_add_char(&b, '\n');
	p.env_len = (uint32_t)(SPOOL_HEADER_LEN + buf_len(&b));
	p.len = p.env_len + sizeof MESSAGE - 1;
	core = record_core(buf_str(&b), STR(MESSAGE));
	envelope_header(header, core, &(struct record_header){.len = p.len, .env_len = p.env_len});
	snprintf(path, sizeof path, "%s/queue", t.spool);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/queue/%s", t.spool, queue_dir_name(dir, id));
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/queue/%s/%s", t.spool, dir, id_name(name, id));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(fd != -1);
	assert_int_equal(write(fd, header, sizeof header), sizeof header);
	assert_int_equal(write(fd, buf_str(&b).p, buf_len(&b)), buf_len(&b));
	assert_int_equal(write(fd, MESSAGE, sizeof MESSAGE - 1), sizeof MESSAGE - 1);
	close(fd);
	buf_clear(&b);
	return p;
}

static void
send_record(uint64_t seq, enum acct_type type, const struct spool_place *place, uint32_t rcpt)
{
	struct ipc_record r = {.seq = seq,
	    .type = (uint8_t)type,
	    .rcpt = rcpt,
	    .logged_ns = INT64_C(1700000007) * NS_PER_SEC,
	    .bytes = 123,
	    .code = type == ACCT_DELIVERED ? 250 : 550,
	    .enh = {type == ACCT_DELIVERED ? 2 : 5, 1, 1},
	    .src = {.family = 4, .bytes = {127, 0, 0, 2}},
	    .dst = {.family = 4, .bytes = {127, 0, 0, 3}}};
	struct str texts[8] = {STR("250 ok, \"fine\""), STR("mx.example"), STR("v1"), STR("pool"),
	    STR("one.example/v1"), STR("TLSv1.3"), STR("TLS_AES_128"), STR("")};

	if (place != NULL)
		r.place = *place;
	ipc_test_deliver(t.chan, IPC_RECORD, &r, texts);
}

static void
set_one(const char *name, const char *const *lists, const enum acct_rec *recs, size_t n)
{
	char *path = xasprintf("%s/%s", t.acct, name);
	struct acct_def *d = acct_def_new(str_of(path), NULL);

	for (size_t i = 0; i < n; i++)
		acct_layout_add(&d->layout, recs[i], str_of(lists[i]), NULL);
	d->iso_times = true;
	d->sync = t.sync;
	acctd_set_files(&t.a, &d, 1);
	free(path);
}

static void
set_file(const char *name, const char *list)
{
	set_one(name, &list, (enum acct_rec[]){ACCT_REC_D}, 1);
}

static void
file_is(const char *name, const char *expected)
{
	char got[8192];
	char *path = xasprintf("%s/%s", t.acct, name);
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd != -1);
	n = read(fd, got, sizeof got - 1);
	close(fd);
	free(path);
	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, expected);
}

/* ---- the tests ---- */

static void
every_field_of_a_delivery_is_powermtas(void **state)
{
	struct spool_place p = store_message(0x1234);

	set_file("acct.csv", "*,totalSecondsQueued,userString,dlvTlsProtocol,dlvTlsCipher,header_"
			     "Subject,header_None,etype,"
			     "dlvStatus,destDomain,vmtaName,recordId");
	send_record(1, ACCT_DELIVERED, &p, 1);
	assert_true(run_until(1, PATIENCE_MS));
	file_is("acct.csv",
	    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,"
	    "bounceCat,srcType,srcMta,"
	    "dlvType,dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,envId,queue,"
	    "vmtaPool,"
	    "totalSecondsQueued,userString,dlvTlsProtocol,dlvTlsCipher,header_Subject,header_None,"
	    "etype,dlvStatus,"
	    "destDomain,vmtaName,recordId\r\n"
	    "d,2023-11-14 22:13:27+0000,2023-11-14 "
	    "22:13:20+0000,from@example.com,b@two.example,rfc822;B@two.example,"
	    "delivered,2.1.1 (bad destination mailbox address),\"smtp;250 ok, "
	    "\"\"fine\"\"\",mx.example (127.0.0.3),,smtp,"
	    "client.example (127.0.0.9),smtp,127.0.0.2,127.0.0.3,,123,v1,job "
	    "1,,one.example/v1,pool,7,,TLSv1.3,"
	    "TLS_AES_128,\"Hello, =?utf-8?q?w?=  "
	    "\"\"you\"\"\",,delivery,delivered,two.example,v1,0000000000001234.1\r\n");
}

static void
record_types_share_one_header(void **state)
{
	struct spool_place p = store_message(0x1234);

	set_one("acct.csv",
	    (const char *const[]){"rcpt,dlvSize", "rcpt,bounceCat", "queue,dsnStatus", "*"},
	    (enum acct_rec[]){ACCT_REC_D, ACCT_REC_B, ACCT_REC_TQ, ACCT_REC_R}, 4);
	send_record(1, ACCT_RECEIVED, &p, 0);
	send_record(2, ACCT_DELIVERED, &p, 0);
	send_record(3, ACCT_BOUNCED, &p, 2);
	send_record(4, ACCT_QUEUE, NULL, 0);
	send_record(5, ACCT_TRANSIENT, &p, 1);
	assert_true(run_until(5, PATIENCE_MS));
	file_is("acct.csv",
	    "type,rcpt,dlvSize,bounceCat,queue,dsnStatus,timeLogged,orig,orcpt,srcType,srcMta,"
	    "rcvSourceIp,rcvDestinationIp,"
	    "vmta,jobId,envId\r\n"
	    "r,a@one.example,,,,,2023-11-14 22:13:27+0000,from@example.com,,smtp,client.example "
	    "(127.0.0.9),127.0.0.9,"
	    "127.0.0.1,pool,job 1,\r\n"
	    "d,a@one.example,123,,,,,,,,,,,,,\r\n"
	    "b,c@three.example,,bad-mailbox,,,,,,,,,,,,\r\n"
	    "tq,,,,one.example/v1,5.1.1 (bad destination mailbox address),,,,,,,,,,\r\n");
}

static void
records_are_acknowledged_once_and_up_to_the_highest(void **state)
{
	struct spool_place p = store_message(0x77);

	set_file("acct.csv", "recordId");
	for (uint64_t i = 1; i <= 500; i++)
		send_record(i, ACCT_DELIVERED, &p, (uint32_t)(i % 3));
	assert_true(run_until(500, PATIENCE_MS));
	assert_int_equal(t.acked, 500);
}

static void
a_file_with_sync_gathers_nothing(void **state)
{
	struct spool_place p = store_message(0x77);

	set_file("acct.csv", "rcpt");
	send_record(1, ACCT_DELIVERED, &p, 0);
	assert_true(ev_timer_is_armed(&t.a.tick)); /* more may come */
	assert_true(run_until(1, PATIENCE_MS));
	t.sync = true;
	set_file("acct.csv", "rcpt");
	send_record(2, ACCT_DELIVERED, &p, 1);
	assert_false(ev_timer_is_armed(&t.a.tick));
	assert_true(run_until(2, PATIENCE_MS));
	file_is("acct.csv", "type,rcpt\r\nd,a@one.example\r\nd,b@two.example\r\n");
}

static void
what_cannot_be_read_is_written_with_what_is_known(void **state)
{
	struct spool_place gone = {.id = 0x99, .kind = SPOOL_FILE, .len = 500, .env_len = 200};

	set_file("acct.csv", "rcpt,queue,recordId,header_Subject");
	send_record(1, ACCT_DELIVERED, &gone, 4);
	assert_true(run_until(1, PATIENCE_MS));
	file_is("acct.csv",
	    "type,rcpt,queue,recordId,header_Subject\r\nd,,one.example/v1,0000000000000099.4,\r\n");
}

static void
without_files_records_are_only_acknowledged(void **state)
{
	acctd_set_files(&t.a, NULL, 0);
	send_record(1, ACCT_DELIVERED, NULL, 0);
	assert_true(run_until(1, PATIENCE_MS));
}

static void
a_reload_writes_what_came_before_to_the_old_file(void **state)
{
	struct spool_place p = store_message(0x77);

	set_file("acct.csv", "rcpt");
	send_record(1, ACCT_DELIVERED, &p, 0);
	set_file("acct.csv", "rcpt,orig");
	assert_true(run_until(1, PATIENCE_MS));
	send_record(2, ACCT_DELIVERED, &p, 1);
	assert_true(run_until(2, PATIENCE_MS));
	file_is("acct.csv", "type,rcpt,orig\r\nd,b@two.example,from@example.com\r\n");
}

static void
rotation_is_answered_when_it_is_done(void **state)
{
	struct spool_place p = store_message(0x77);
	struct ipc_ask ask = {.token = 42, .what = ASK_ROTATE_ACCT};
	struct str name = STR("acct.csv"), wrong = STR("other.csv");

	set_file("acct.csv", "rcpt");
	send_record(1, ACCT_DELIVERED, &p, 0);
	assert_true(run_until(1, PATIENCE_MS));
	ipc_test_deliver(t.chan, IPC_ASK, &ask, &name);
	assert_true(run_until(0, PATIENCE_MS));
	assert_true(t.answer.ok == 1 && t.answer.token == 42);
	file_is("acct.csv", "type,rcpt\r\n");
	t.has_answer = false;
	ipc_test_deliver(t.chan, IPC_ASK, &ask, &wrong);
	assert_true(run_until(0, PATIENCE_MS));
	assert_int_equal(t.answer.ok, 0);
}

static void
nothing_is_acknowledged_while_the_disk_is_full(void **state)
{
	struct spool_place p = store_message(0x77);
	struct rlimit r = {.rlim_cur = 30, .rlim_max = RLIM_INFINITY};

	set_file("acct.csv", "rcpt,orig");
	send_record(1, ACCT_DELIVERED, &p, 0);
	assert_true(run_until(1, PATIENCE_MS));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
	send_record(2, ACCT_DELIVERED, &p, 1);
	t.wants_block = true;
	assert_false(run_until(2, PATIENCE_MS));
	assert_true(t.a.is_blocked);
	t.wants_block = false;
	assert_false(run_until(2, 100)); /* nor a moment later */
	send_record(3, ACCT_DELIVERED, &p, 2);
	r.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
	assert_true(run_until(3, PATIENCE_MS));
	assert_false(t.a.is_blocked);
	file_is("acct.csv", "type,rcpt,orig\r\nd,a@one.example,from@example.com\r\nd,b@two.example,"
			    "from@example.com\r\n"
			    "d,c@three.example,from@example.com\r\n");
}

static void
stop_writes_all_and_leaves(void **state)
{
	struct spool_place p = store_message(0x77);

	set_file("acct.csv", "rcpt");
	send_record(1, ACCT_DELIVERED, &p, 0);
	acctd_stop(&t.a, 5000);
	ev_run();
	assert_true(t.has_left);
	file_is("acct.csv", "type,rcpt\r\nd,a@one.example\r\n");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(every_field_of_a_delivery_is_powermtas),
	    TEST(record_types_share_one_header),
	    TEST(records_are_acknowledged_once_and_up_to_the_highest),
	    TEST(a_file_with_sync_gathers_nothing),
	    TEST(what_cannot_be_read_is_written_with_what_is_known),
	    TEST(without_files_records_are_only_acknowledged),
	    TEST(a_reload_writes_what_came_before_to_the_old_file),
	    TEST(rotation_is_answered_when_it_is_done),
	    TEST(nothing_is_acknowledged_while_the_disk_is_full),
	    TEST(stop_writes_all_and_leaves),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
