/*
 * queued's world as a script plays it: the real scheduler over a real spool in a temporary folder, with the daemons
 * around it played by words, which queue_script.c describes.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int queued_main(int argc, char **argv);
#define main queued_main
#include "queued/main.c" /* NOLINT(bugprone-suspicious-include): the program itself, driven from here */
#undef main

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "tests/replay/queue_replay.h"

struct replay replay;

void
replay_die(const char *what)
{
	fprintf(stderr, "line %u: %s\n", replay.line, what);
	exit(2);
}

/* ---- channels without sockets (the linker sends ipc_chan_new here) ---- */

struct ipc_chan *__wrap_ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer,
    uint32_t instance, const struct ipc_events *events, void *ctx);
struct ipc_chan *
__wrap_ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer, uint32_t instance,
    const struct ipc_events *events, void *ctx)
{
	replay.chan[peer] = ipc_chan_new_test(self, peer, instance, events, ctx);
	return replay.chan[peer];
}

/* until nobody has anything to say at this instant */
void
replay_settle(void)
{
	bool again = true;

	while (again) {
		ev_fake_advance_ms(0);
		again = false;
		for (size_t r = 0; r < ROLE_MAX; r++)
			again |= heard_one(replay.chan[r]);
	}
}

/* ---- the script's words ---- */

int64_t
replay_ms(struct str s)
{
	int64_t total = 0, n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (ascii_is_digit(s.p[i])) {
			n = n * 10 + (s.p[i] - '0');
			continue;
		}
		total += n * (s.p[i] == 'd'	 ? INT64_C(86400000)
				 : s.p[i] == 'h' ? INT64_C(3600000)
				 : s.p[i] == 'm' ? INT64_C(60000)
						 : INT64_C(1000));
		n = 0;
	}
	return total;
}

/* from timer to timer, so that everything is said at its own time */
static void
do_advance(struct str arg)
{
	struct mono target = mono_add_ms(ev_now(), replay_ms(arg));

	while (mono_is_before(ev_fake_next(), target)) {
		ev_fake_advance_ms((ev_fake_next().ns - ev_now().ns + NS_PER_MS - 1) / NS_PER_MS);
		replay_settle();
	}
	ev_fake_advance_ms(mono_diff_ms(ev_now(), target));
}

static void
do_conf(struct str arg)
{
	if (buf_add_str(&replay.config, arg) < 0 || buf_add_char(&replay.config, '\n') < 0)
		replay_die("configuration too long");
}

uint64_t
replay_number(struct str *arg)
{
	struct str word;
	uint64_t v;

	if (!str_next_word(arg, &word) || !parse_u64(word, 0, UINT32_MAX, &v))
		replay_die("a number is missing");
	return v;
}

static void
journal_done(void *token, const struct spool_place *place, const struct why *why)
{
	if (place == NULL)
		replay_die(why->text);
	replay.places[replay.n_places++ % MAX_MESSAGES] = *place;
	if (replay.chan[ROLE_INJECT] != NULL && !replay.is_untold)
		ipc_test_deliver(replay.chan[ROLE_INJECT], IPC_ACCEPTED, place, NULL);
}

static void
journal_segment(void *ctx, const struct ipc_segment *s, bool sealed)
{
	if (replay.chan[ROLE_INJECT] != NULL)
		ipc_test_deliver(replay.chan[ROLE_INJECT],
		    sealed ? IPC_SEGMENT_SEALED : IPC_SEGMENT_OPEN, s, NULL);
}

static void
load_config(void)
{
	struct conf_messages messages = {0};
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/config", replay.folder);
	f = fopen(path, "w");
	if (f != NULL) /* what every configuration must have */
		fprintf(f, "log-file %s/log\n<spool %s/spool>\n</spool>\n", replay.folder,
		    replay.folder);
	if (f == NULL || fwrite(buf_str(&replay.config).p, buf_len(&replay.config), 1, f) != 1 ||
	    fclose(f) != 0)
		replay_die("cannot write the configuration");
	replay.conf = conf_load(path, &messages);
	for (size_t i = 0; i < messages.n; i++)
		if (messages.list[i].is_error)
			fprintf(stderr, "%s\n", messages.list[i].text);
	conf_messages_clear(&messages);
	if (replay.conf == NULL)
		replay_die("the configuration is wrong");
}

static void
make_folder(void)
{
	char path[128];

	snprintf(path, sizeof path, "%s/spool", replay.folder);
	if (mkdir(path, 0700) < 0)
		replay_die("mkdir");
	qd.spool_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ev_init();
}

static void
open_journal(void)
{
	static const struct journal_events events = {
	    .done = journal_done, .segment = journal_segment};
	struct why why;

	replay.journal = journal_open(qd.spool_fd, 0, 0, &events, NULL, &why);
	if (replay.journal == NULL || journal_prepare(replay.journal, 1, &why) < 0)
		replay_die(why.text);
}

static void
do_spool(struct str arg)
{
	struct spool_store *store;
	struct why why;

	make_folder();
	store = spool_store_open(qd.spool_fd, &why);
	if (store == NULL)
		replay_die(why.text);
	spool_store_close(&store);
	open_journal();
}

static void
begin(void)
{
	replay.chan[ROLE_MASTER] = ipc_chan_new_test(ROLE_QUEUE, ROLE_MASTER, 0, NULL, NULL);
	init_tables();
	ticks_init();
	replay.start = ev_now();
}

static void
add_peers(void)
{
	static const enum ipc_role roles[] = {
	    ROLE_INJECT, ROLE_DNS, ROLE_DELIVER, ROLE_BOUNCE, ROLE_ACCT, ROLE_FBL, ROLE_EXEC};

	for (size_t i = 0; i < countof(roles); i++)
		peers_add(roles[i], 0, -1);
}

static void
do_start(struct str arg)
{
	load_config();
	if (replay.journal != NULL) { /* as master does it: the neighbours first */
		begin();
		add_peers();
		queued_init();
		return;
	}
	make_folder();
	begin();
	queued_init();
	add_peers();
	open_journal();
}

/* "1h-2h;3h-4h" from now on, as the envelope has them */
static struct str
windows(struct str value)
{
	static char text[256];
	struct str one, from;
	size_t n = 0;
	int64_t now = ev_wall().ns / NS_PER_SEC;

	while (str_next(&value, ';', &one) && str_next(&one, '-', &from))
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%jd-%jd", n == 0 ? "" : ",",
		    (intmax_t)(now + replay_ms(from) / 1000),
		    (intmax_t)(now + replay_ms(one) / 1000));
	return str_from(text, n);
}

static void
option(struct envelope *e, struct str word)
{
	size_t eq = str_find(word, '=');
	struct str name = str_sub(word, 0, eq), value = str_skip(word, eq + 1);
	uint32_t n;

	if (str_eq(name, STR("vmta")))
		e->vmta = value;
	else if (str_eq(name, STR("pool")))
		e->pool = value;
	else if (str_eq(name, STR("job")))
		e->job = value;
	else if (str_eq(name, STR("prio")) && parse_u32(value, 0, 100, &n))
		e->priority = (uint8_t)n;
	else if (str_eq(name, STR("windows")))
		e->windows = windows(value);
	else if (str_eq(name, STR("untold")))
		replay.is_untold = true;
	else if (str_eq(name, STR("at")))
		e->not_before.ns = ev_wall().ns + replay_ms(value) * NS_PER_MS;
	else if (str_eq(name, STR("notify")))
		replay.notify = str_eq(value, STR("never"))	? NOTIFY_NEVER
				: str_eq(value, STR("success")) ? NOTIFY_SUCCESS
				: str_eq(value, STR("delay"))	? NOTIFY_DELAY
								: NOTIFY_FAILURE;
	else
		replay_die("unknown option of accept");
}

static void
append(struct envelope *e, struct str rcpts)
{
	struct buf b;
	struct str one;

	buf_init(&b, 65536);
	if (envelope_write(&b, e) < 0)
		replay_die("envelope");
	while (str_next(&rcpts, ',', &one)) {
		struct env_rcpt r = {.address = one, .notify = replay.notify};
		if (envelope_write_rcpt(&b, &r) < 0)
			replay_die("recipient");
	}
	journal_append(replay.journal, e->id, buf_str(&b), STR("Subject: s\r\n\r\ntext\r\n"), NULL);
	buf_clear(&b);
}

static void
do_accept(struct str arg)
{
	struct envelope e = {.id = journal_new_id(replay.journal),
	    .accepted = ev_wall(),
	    .priority = 50,
	    .src_type = STR("smtp"),
	    .body_len = sizeof "Subject: s\r\n\r\ntext\r\n" - 1};
	struct str name, sender, rcpts, rest, word;

	if (!str_next_word(&arg, &name) || !str_next_word(&arg, &sender) ||
	    !str_next_word(&arg, &rcpts) || replay.n_messages == MAX_MESSAGES)
		replay_die("accept NAME SENDER RCPTS");
	e.sender = str_eq(sender, STR("<>")) ? STR("") : sender;
	for (rest = rcpts; str_next(&rest, ',', &word);)
		e.n_rcpts++;
	replay.notify = NOTIFY_DEFAULT;
	replay.is_untold = false;
	while (str_next_word(&arg, &word))
		option(&e, word);
	replay.messages[replay.n_messages].id = e.id;
	replay.messages[replay.n_messages++].name = xstrdup_str(name);
	append(&e, rcpts);
}

static void
do_up(struct str arg)
{
	struct ipc_conn_up up = {
	    .conn = (uint32_t)replay_number(&arg), .src = {.family = 4, .bytes = {127, 0, 0, 1}}};
	struct str texts[2] = {STR(""), STR("")};

	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_CONN_UP, &up, texts);
}

static void
do_down(struct str arg)
{
	static const struct {
		struct str word;
		enum conn_end end;
	} ends[] = {{STR("refused"), END_REFUSED}, {STR("lost"), END_LOST},
	    {STR("timeout"), END_TIMEOUT}, {STR("closed"), END_CLOSED}, {STR("local"), END_LOCAL}};
	struct ipc_conn_down down = {.conn = (uint32_t)replay_number(&arg), .enh = {4, 4, 1}};
	struct str word, text;

	if (!str_next_word(&arg, &word))
		replay_die("down CONN HOW");
	for (size_t i = 0; i < countof(ends); i++)
		if (str_eq(word, ends[i].word))
			down.end = (uint8_t)ends[i].end;
	down.up = down.end == END_CLOSED;
	down.stage = down.end == END_CLOSED ? STAGE_IDLE : STAGE_CONNECT;
	text = str_eq(word, STR("refused")) ? STR("connection refused") : word;
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_CONN_DOWN, &down, &text);
}

void
replay_reply(struct str *arg, uint16_t *code, uint8_t enh[3])
{
	struct str word, digit;
	uint32_t v;

	*code = (uint16_t)replay_number(arg);
	if (!str_next_word(arg, &word))
		replay_die("CODE E.E.E TEXT");
	for (size_t i = 0; i < 3 && str_next(&word, '.', &digit); i++)
		enh[i] = parse_u32(digit, 0, 255, &v) ? (uint8_t)v : 0;
	*arg = str_trim(*arg);
}

static void
do_greeting(struct str arg)
{
	struct ipc_conn_down down = {
	    .conn = (uint32_t)replay_number(&arg), .stage = STAGE_GREETING, .end = END_REPLY};

	replay_reply(&arg, &down.code, down.enh);
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_CONN_DOWN, &down, &arg);
}

static uint64_t
id_of_txn(uint32_t conn, uint32_t number)
{
	const struct conn *c = conn_find(conn);
	const struct txn *t;

	if (c == NULL)
		return 0;
	STAILQ_FOREACH(t, &c->txns, link)
	{
		if (t->number == number)
			return message_at(t->message)->id;
	}
	return 0;
}

static void
give_result(uint32_t conn, uint32_t txn, uint32_t rcpt, struct ipc_result r, struct str text)
{
	r.conn = conn;
	r.txn = txn;
	r.rcpt = rcpt;
	r.id = id_of_txn(conn, txn);
	if (r.stage == 0)
		r.stage = STAGE_BODY;
	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_RESULT, &r, &text);
}

static void
give_done(uint32_t conn, uint32_t txn)
{
	struct ipc_txn_done d = {.conn = conn, .txn = txn};

	ipc_test_deliver(replay.chan[ROLE_DELIVER], IPC_TXN_DONE, &d, NULL);
}

static void
some_result(struct str arg, enum smtp_stage stage)
{
	static const char *const outcomes[OUT_MAX] = {
	    "?", "delivered", "failed", "deferred", "untried"};
	uint32_t conn = (uint32_t)replay_number(&arg), txn = (uint32_t)replay_number(&arg);
	uint32_t rcpt = (uint32_t)replay_number(&arg);
	struct ipc_result r = {.stage = (uint8_t)stage};
	struct str word;

	if (!str_next_word(&arg, &word))
		replay_die("result CONN TXN RCPT OUTCOME CODE E.E.E TEXT");
	for (int i = 1; i < OUT_MAX; i++)
		if (str_eq(word, str_of(outcomes[i])))
			r.outcome = (uint8_t)i;
	replay_reply(&arg, &r.code, r.enh);
	give_result(conn, txn, rcpt, r, arg);
}

static void
do_result(struct str arg)
{
	some_result(arg, STAGE_BODY);
}

static void
do_rcpt_reply(struct str arg)
{
	some_result(arg, STAGE_RCPT);
}

static void
do_done(struct str arg)
{
	uint32_t conn = (uint32_t)replay_number(&arg);

	give_done(conn, (uint32_t)replay_number(&arg));
}

static void
do_deliver(struct str arg)
{
	uint32_t conn = (uint32_t)replay_number(&arg), txn = (uint32_t)replay_number(&arg);

	give_result(conn, txn, (uint32_t)replay_number(&arg),
	    (struct ipc_result){
		.outcome = OUT_DELIVERED, .code = 250, .enh = {2, 0, 0}, .bytes = 20},
	    STR("250 2.0.0 taken"));
	give_done(conn, txn);
}

static void
do_defer(struct str arg)
{
	uint32_t conn = (uint32_t)replay_number(&arg), txn = (uint32_t)replay_number(&arg);

	give_result(conn, txn, (uint32_t)replay_number(&arg),
	    (struct ipc_result){.outcome = OUT_DEFERRED, .code = 451, .enh = {4, 7, 1}},
	    STR("451 4.7.1 not yet"));
	give_done(conn, txn);
}

/* the configuration that follows replaces the one before, at `reload` */
static void
do_anew(struct str arg)
{
	buf_reset(&replay.config);
}

static void
do_reload(struct str arg)
{
	struct conf *old = replay.conf;

	load_config();
	config(old);
	conf_free(&old);
}

static const struct replay_word words[] = {
    {"conf", do_conf},
    {"spool", do_spool},
    {"start", do_start},
    {"accept", do_accept},
    {"up", do_up},
    {"down", do_down},
    {"greeting", do_greeting},
    {"result", do_result},
    {"rcpt-reply", do_rcpt_reply},
    {"done", do_done},
    {"deliver", do_deliver},
    {"defer", do_defer},
    {"anew", do_anew},
    {"reload", do_reload},
};

static void
run_line(struct str line)
{
	size_t blank = str_find(line, ' ');
	struct str word = str_sub(line, 0, blank),
		   arg = blank == STR_NPOS ? STR("") : str_skip(line, blank + 1);

	if (line.p[0] == '+') {
		do_advance(str_skip(line, 1));
		return;
	}
	for (size_t i = 0; i < countof(words); i++) {
		if (str_eq(word, str_of(words[i].word))) {
			words[i].run(arg);
			return;
		}
	}
	if (!replay_more(word, arg) && !replay_orphans(word, arg) && !replay_reports(word, arg) &&
	    !replay_policies(word, arg))
		replay_die("unknown word");
}

void
replay_begin(const char *folder)
{
	snprintf(replay.folder, sizeof replay.folder, "%s", folder);
	buf_init(&replay.config, 1 << 20);
	replay.ttl_s = 300;
	log_init("replay", LOG_LEVEL_ERROR);
}

void
replay_run(struct str line)
{
	run_line(line);
	if (replay.journal != NULL)
		replay_settle();
}
