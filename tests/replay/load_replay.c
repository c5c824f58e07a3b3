/*
 * What scheduling costs: queued with a real spool and daemons that answer at once, without network, under the fake
 * clock. Prints the CPU time of a message from ACCEPTED to its end, and the memory it takes while it waits.
 *
 * usage: load_replay MESSAGES QUEUES FOLDER none|some|all      (which limits are in force)
 */
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int queued_main(int argc, char **argv);
#define main queued_main
#include "queued/main.c" /* NOLINT(bugprone-suspicious-include): the program itself, driven from here */
#undef main

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "tests/replay/queue_replay.h"

#define BATCH 500

struct replay replay;
static struct spool_place *places;
/* as on a server that sends for itself: those of connections bind when there are many queues, the rates do not */
static const char some_limits[] =
    "total-max-smtp-out 1200\n<virtual-mta v>\nmax-smtp-out 1000\nmax-smtp-msg-rate 10000000/h\n"
    "</virtual-mta>\n<domain *>\nmax-smtp-out 20\nmax-msg-rate 10000000/h\nmax-connect-rate "
    "1000/m\n</domain>\n";
static const char every_limit[] =
    "mx-connection-limit *.test 1000000\nip-connection-limit 0/0 1000000\n"
    "<domain *>\nmax-data-volume-rate 1t/d\nsource-ip-max-msg-rate 0/0 10000000/5s\n"
    "source-ip-max-smtp-out 0/0 1000000\n</domain>\n";
static const struct {
	const char *name, *text, *more;
} settings[] = {
    {"none", "total-max-smtp-out 1000000\n<virtual-mta v>\n</virtual-mta>\n", ""},
    {"some", some_limits, ""},
    {"all", some_limits, every_limit},
};
static size_t setting;
static uint32_t n_places;

void
replay_die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(2);
}

struct ipc_chan *__wrap_ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer,
    uint32_t instance, const struct ipc_events *events, void *ctx);
struct ipc_chan *
__wrap_ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer, uint32_t instance,
    const struct ipc_events *events, void *ctx)
{
	replay.chan[peer] = ipc_chan_new_test(self, peer, instance, events, ctx);
	return replay.chan[peer];
}

/* ---- daemons that answer at once ---- */

static void
on_resolve(const struct ipc_msg *m)
{
	const struct ipc_resolve *r = m->head;
	struct ipc_dns_addr a = {
	    .req = r->req, .pref = 10, .addr = {.family = 4, .bytes = {10, 0, 0, 1}}};
	struct ipc_dns_done d = {.req = r->req, .ttl_s = 3600, .n_addrs = 1};
	struct str text, texts[2] = {STR("mx.test"), STR("")};

	ipc_test_deliver(replay.chan[ROLE_DNS], IPC_DNS_ADDR, &a, texts);
	text = STR("");
	ipc_test_deliver(replay.chan[ROLE_DNS], IPC_DNS_DONE, &d, &text);
}

static uint32_t n_opened;

static void
on_open(const struct ipc_msg *m)
{
	struct ipc_conn_up up = {.conn = ((const struct ipc_conn_open *)m->head)->conn};
	struct str texts[2] = {STR(""), STR("")};

	n_opened++;
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_CONN_UP, &up, texts);
}

static void
on_txn(const struct ipc_msg *m)
{
	const struct ipc_txn *t = m->head;
	struct ipc_result r = {.id = t->place.id,
	    .conn = t->conn,
	    .txn = t->txn,
	    .code = 250,
	    .enh = {2, 0, 0},
	    .outcome = OUT_DELIVERED,
	    .bytes = 2000};
	struct ipc_txn_done d = {.conn = t->conn, .txn = t->txn};
	uint32_t indices[64];
	size_t n = PH_MIN(m->text[0].len / sizeof indices[0], countof(indices));
	struct str text = STR("250 2.0.0 taken");

	memcpy(indices, m->text[0].p, n * sizeof indices[0]);
	for (size_t i = 0; i < n; i++) {
		r.rcpt = indices[i];
		ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_RESULT, &r, &text);
	}
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_TXN_DONE, &d, NULL);
}

static void
on_close(const struct ipc_msg *m)
{
	struct ipc_conn_down d = {.conn = ((const struct ipc_conn_close *)m->head)->conn,
	    .end = END_CLOSED,
	    .stage = STAGE_IDLE,
	    .up = 1};
	struct str text = STR("");

	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_CONN_DOWN, &d, &text);
}

static void
on_record(const struct ipc_msg *m)
{
	replay.last_seq = ((const struct ipc_record *)m->head)->seq;
}

static const struct {
	enum ipc_type type;
	void (*run)(const struct ipc_msg *m);
} answers[] = {{IPC_RESOLVE, on_resolve}, {IPC_CONN_OPEN, on_open}, {IPC_TXN, on_txn},
    {IPC_CONN_CLOSE, on_close}, {IPC_RECORD, on_record}};

static bool
hear(struct ipc_chan *c)
{
	struct ipc_msg m;

	if (c == NULL || !ipc_test_take(c, &m))
		return false;
	for (size_t i = 0; i < countof(answers); i++)
		if (answers[i].type == m.type)
			answers[i].run(&m);
	return true;
}

static void
settle(void)
{
	struct ipc_record_ack ack;
	bool again = true;

	while (again) {
		ev_fake_advance_ms(0);
		again = false;
		for (size_t r = 0; r < ROLE_MAX; r++)
			while (hear(replay.chan[r]))
				again = true;
		ack.seq = replay.last_seq;
		ipc_test_deliver(replay.chan[ROLE_ACCT], IPC_RECORD_ACK, &ack, NULL);
	}
}

/* ---- the mail ---- */

static void
journal_done(void *token, const struct spool_place *place, const struct why *why)
{
	if (place == NULL)
		replay_die(why->text);
	places[n_places++] = *place;
}

static void
journal_segment(void *ctx, const struct ipc_segment *s, bool sealed)
{
	ipc_test_deliver(
	    replay.chan[ROLE_INJECT], sealed ? IPC_SEGMENT_SEALED : IPC_SEGMENT_OPEN, s, NULL);
}

static void
append(uint32_t i, uint32_t n_queues)
{
	struct envelope e = {.id = journal_new_id(replay.journal),
	    .accepted = ev_wall(),
	    .priority = 50,
	    .n_rcpts = 1,
	    .sender = STR("sender@src.test"),
	    .vmta = STR("v"),
	    .src_type = STR("smtp"),
	    .body_len = 21};
	char address[64];
	struct env_rcpt r = {0};
	struct buf b;

	snprintf(address, sizeof address, "user%u@d%u.test", i, i % n_queues);
	r.address = str_of(address);
	buf_init(&b, 65536);
	if (envelope_write(&b, &e) < 0 || envelope_write_rcpt(&b, &r) < 0)
		replay_die("envelope");
	journal_append(replay.journal, e.id, buf_str(&b), STR("Subject: s\r\n\r\ntext\r\n"), NULL);
	buf_clear(&b);
	if (i % BATCH == 0)
		ev_fake_advance_ms(0);
}

static double
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
start(void)
{
	static const enum ipc_role roles[] = {
	    ROLE_INJECT, ROLE_DNS, ROLE_DELIVER, ROLE_BOUNCE, ROLE_ACCT};
	static const struct journal_events events = {
	    .done = journal_done, .segment = journal_segment};
	struct conf_messages messages = {0};
	char path[128];
	struct why why;
	FILE *f;

	snprintf(path, sizeof path, "%s/config", replay.folder);
	f = fopen(path, "w");
	if (f == NULL)
		replay_die("cannot write the configuration");
	fprintf(f, "log-file %s/log\n<spool %s/spool>\n</spool>\n%s%s", replay.folder,
	    replay.folder, settings[setting].text, settings[setting].more);
	if (fclose(f) != 0 || (replay.conf = conf_load(path, &messages)) == NULL)
		replay_die("the configuration is wrong");
	snprintf(path, sizeof path, "%s/spool", replay.folder);
	if (mkdir(path, 0700) < 0)
		replay_die("mkdir");
	qd.spool_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ev_init();
	init_tables();
	ticks_init();
	queued_init();
	for (size_t i = 0; i < countof(roles); i++)
		peers_add(roles[i], 0, -1);
	replay.journal = journal_open(qd.spool_fd, 0, 0, &events, NULL, &why);
	if (replay.journal == NULL)
		replay_die(why.text);
}

int
main(int argc, char **argv)
{
	uint32_t n, n_queues;
	double began, arrived;
	size_t memory;

	if (argc != 5 || !parse_u32(str_of(argv[1]), 1, 10000000, &n) ||
	    !parse_u32(str_of(argv[2]), 1, 10000000, &n_queues) || n == 0)
		replay_die("usage: load_replay MESSAGES QUEUES FOLDER none|some|all");
	while (strcmp(settings[setting].name, argv[4]) != 0)
		if (++setting == countof(settings))
			replay_die("none, some or all limits?");
	snprintf(replay.folder, sizeof replay.folder, "%s", argv[3]);
	log_init("load", LOG_LEVEL_ERROR);
	places = xcalloc(n, sizeof *places);
	start();
	for (uint32_t i = 0; i < n; i++)
		append(i, n_queues);
	ev_fake_advance_ms(0);
	memory = mallinfo2().uordblks + mallinfo2().hblkhd;
	began = cpu_us();
	for (uint32_t i = 0; i < n; i++)
		ipc_test_deliver(replay.chan[ROLE_INJECT], IPC_ACCEPTED, &places[i], NULL);
	arrived = cpu_us();
	memory = mallinfo2().uordblks + mallinfo2().hblkhd - memory;
	settle();
	for (int i = 0; i < 50 && qd.rcpts.n_used > 0; i++) {
		ev_fake_advance_ms(100);
		settle();
	}
	printf("%u messages over %u queues, each: %.2f us to arrive, %.2f us to the end, %zu "
	       "bytes; %u connections, left: %u\n",
	    n, n_queues, (arrived - began) / n, (cpu_us() - arrived) / n, memory / n, n_opened,
	    qd.rcpts.n_used);
	return qd.rcpts.n_used == 0 ? 0 : 1;
}
