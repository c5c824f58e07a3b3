/*
 * Plays one script against queued. See README. Exit 0: every expectation held; 1: the first that did not is said
 * with its line.
 */
#include <stdarg.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "queued/arrive.h"
#include "queued/conn.h"
#include "queued/job.h"
#include "queued/pause.h"
#include "queued/peers.h"
#include "queued/run.h"
#include "queued/segment.h"
#include "queued/state.h"
#include "tests/replay/fakes.h"

#define MAX_NAMES 64

/* names that a script gives to numbers of queued's */
struct named {
	char	 name[16];
	uint32_t conn, txn;
	uint64_t id;
};

static struct {
	const char *file;
	int	    line;
	struct ipc_chan *dns, *deliver, *acct, *bounce;
	struct named names[MAX_NAMES];
	size_t	     n_names;
	uint32_t     req; /* of the last RESOLVE */
	uint64_t     seq; /* of the last RECORD */
	struct ipc_msg ahead[4]; /* not used up yet, by channel */
	bool	     has_ahead[4];
	char	     conf_text[16384];
} w;

static void PH_PRINTF(1, 2) PH_NORETURN
fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", w.file, w.line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static struct named *
name_get(struct str s, bool make)
{
	for (size_t i = 0; i < w.n_names; i++) {
		if (str_eq(s, str_of(w.names[i].name)))
			return &w.names[i];
	}
	if (!make || w.n_names == MAX_NAMES)
		fail("nothing is called %.*s", STR_ARG(s));
	str_copy(w.names[w.n_names].name, sizeof w.names[0].name, s);
	return &w.names[w.n_names++];
}

static struct str
word(struct str *rest)
{
	struct str s = STR("");

	if (!str_next_word(rest, &s))
		return STR("");
	return s;
}

/* key=value among the words of the line */
static struct str
option(struct str rest, const char *key, const char *dflt)
{
	struct str s;

	while (str_next_word(&rest, &s)) {
		size_t n = strlen(key);
		if (s.len > n && str_has_prefix(s, str_of(key)) && s.p[n] == '=')
			return str_skip(s, n + 1);
	}
	return str_of(dflt);
}

static int64_t
time_ms(struct str s)
{
	int64_t	 ms = 0;
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (ascii_is_digit(c)) {
			n = n * 10 + (uint64_t)(c - '0');
			continue;
		}
		ms += (int64_t)n * (c == 'd' ? 86400000 : c == 'h' ? 3600000 : c == 'm' ? 60000 : 1000);
		n = 0;
	}
	return ms;
}

static void
settle(void)
{
	ev_fake_advance_ms(0);
}

/* the next message on a channel, or false */
static bool
take(struct ipc_chan *c, struct ipc_msg *m)
{
	settle();
	return ipc_test_take(c, m);
}

static struct ipc_msg
must_take(struct ipc_chan *c, enum ipc_type type)
{
	struct ipc_msg m;

	if (!take(c, &m))
		fail("expected %s, and nothing came", ipc_type_name(type));
	if (m.type != type)
		fail("expected %s, got %s", ipc_type_name(type), ipc_type_name(m.type));
	return m;
}

/* ---- mail ---- */

static void
add_rcpts(struct buf *b, struct str list, struct str notify)
{
	struct str one;

	while (str_next(&list, ',', &one)) {
		struct env_rcpt r = {.address = one};
		if (str_eq(notify, STR("never")))
			r.notify = NOTIFY_NEVER;
		else if (str_eq(notify, STR("success")))
			r.notify = NOTIFY_SUCCESS;
		else if (str_eq(notify, STR("failure")))
			r.notify = NOTIFY_FAILURE;
		if (envelope_write_rcpt(b, &r) == -1)
			fail("envelope too large");
	}
}

static uint32_t
count(struct str list)
{
	struct str one;
	uint32_t   n = 0;

	while (str_next(&list, ',', &one))
		n++;
	return n;
}

static void
do_accept(struct str rest)
{
	static uint64_t	   next_id;
	struct named	  *n = name_get(word(&rest), true);
	struct str	   rcpts = word(&rest);
	struct envelope	   e = {.accepted = ev_wall(), .sender = option(rest, "from", "s@sender.test"),
		  .job = option(rest, "job", ""), .vmta = option(rest, "vmta", ""), .pool = option(rest, "pool", ""),
		  .src_type = STR("smtp"), .src_mta = STR("c (127.0.0.1)"), .body_len = 10, .n_rcpts = count(rcpts),
		  .priority = 50};
	struct buf	   b;
	struct spool_place p;

	buf_init(&b, 1 << 20);
	e.id = n->id = ++next_id << 22;
	if (envelope_write(&b, &e) == -1)
		fail("envelope too large");
	add_rcpts(&b, rcpts, option(rest, "notify", ""));
	if (buf_add_char(&b, '\n') == -1)
		fail("envelope too large");
	p = fake_spool_add(e.id, buf_str(&b));
	buf_clear(&b);
	arrive_accepted(&p);
}

/* ---- the name server ---- */

static void
do_answer(struct str rest)
{
	static const char *const words[] = {"ok", "nxdomain", "nodata", "nullmx", "servfail", "timeout", "noaddr", "badname"};
	struct ipc_dns_done d = {.req = w.req, .ttl_s = (uint32_t)(time_ms(option(rest, "ttl", "1h")) / 1000)};
	struct str	    s, why = STR("the name server said so");

	word(&rest);
	while (str_next_word(&rest, &s)) {
		struct ipc_dns_addr a = {.req = w.req};
		struct net_addr	    addr;
		uint32_t	    pref = 0;
		size_t		    at = str_find(s, '@'), eq = str_find(s, '=');
		struct str	    host = eq == STR_NPOS ? STR("mx.test") : str_skip(s, eq + 1);
		for (size_t i = 0; i < countof(words); i++) {
			if (str_eq(s, str_of(words[i])))
				d.status = (uint8_t)i;
		}
		if (at == STR_NPOS || !net_addr_parse(str_sub(s, 0, at), &addr))
			continue;
		if (!parse_u32(str_sub(s, at + 1, PH_MIN(eq, s.len) - at - 1), 0, 65535, &pref))
			fail("bad preference in %.*s", STR_ARG(s));
		a.pref = (uint16_t)pref;
		net_to_ipc(&addr, &a.addr);
		ipc_test_deliver(w.dns, IPC_DNS_ADDR, &a, &host);
		d.n_addrs++;
	}
	ipc_test_deliver(w.dns, IPC_DNS_DONE, &d, &why);
}

/* ---- deliverd ---- */

static void
do_up(struct str rest)
{
	struct ipc_conn_up up = {.conn = name_get(word(&rest), false)->conn};
	struct str	   texts[2] = {STR(""), STR("")};

	ipc_test_deliver(w.deliver, IPC_CONN_UP, &up, texts);
}

static void
do_down(struct str rest)
{
	struct ipc_conn_down d = {.conn = name_get(word(&rest), false)->conn, .stage = STAGE_CONNECT};
	struct conn	    *c = conn_find(d.conn);
	struct str	     how = word(&rest), text = STR("connection failed");
	uint32_t	     code = 0;

	d.up = c != NULL && c->up;
	if (str_eq(how, STR("refused")))
		d.end = END_REFUSED;
	else if (str_eq(how, STR("timeout")))
		d.end = END_TIMEOUT;
	else if (str_eq(how, STR("closed"))) {
		d.end = END_CLOSED;
		d.stage = STAGE_QUIT;
	} else if (str_eq(how, STR("local")))
		d.end = END_LOCAL;
	else if (str_eq(how, STR("reply"))) {
		d.end = END_REPLY;
		d.stage = STAGE_GREETING;
		if (!parse_u32(word(&rest), 200, 599, &code))
			fail("bad code");
		d.code = (uint16_t)code;
		d.enh[0] = (uint8_t)(code / 100);
		text = str_trim(rest);
	} else {
		d.end = END_LOST;
		d.stage = STAGE_BODY;
	}
	ipc_test_deliver(w.deliver, IPC_CONN_DOWN, &d, &text);
}

static void
do_result(struct str rest)
{
	struct named	 *t = name_get(word(&rest), false);
	struct ipc_result r = {.conn = t->conn, .txn = t->txn, .id = t->id};
	struct str	  how;
	uint32_t	  n = 0, enh[3] = {0};
	struct str	  e, part;

	if (!parse_u32(word(&rest), 0, UINT32_MAX, &r.rcpt))
		fail("bad recipient");
	how = word(&rest);
	r.outcome = str_eq(how, STR("delivered")) ? OUT_DELIVERED :
	    str_eq(how, STR("failed"))		  ? OUT_FAILED :
	    str_eq(how, STR("deferred"))	  ? OUT_DEFERRED :
						    OUT_UNTRIED;
	if (parse_u32(word(&rest), 200, 599, &n))
		r.code = (uint16_t)n;
	e = word(&rest);
	for (size_t i = 0; i < 3 && str_next(&e, '.', &part); i++) {
		if (parse_u32(part, 0, 255, &enh[i]))
			r.enh[i] = (uint8_t)enh[i];
	}
	rest = str_trim(rest);
	ipc_test_deliver(w.deliver, IPC_RESULT, &r, &rest);
}

static void
do_done(struct str rest)
{
	struct named	   *t = name_get(word(&rest), false);
	struct ipc_txn_done d = {.conn = t->conn, .txn = t->txn};

	ipc_test_deliver(w.deliver, IPC_TXN_DONE, &d, NULL);
}

/* ---- acctd, bounced ---- */

static void
do_ack(struct str rest)
{
	struct ipc_record_ack a;
	struct ipc_msg	      m;

	while (take(w.acct, &m))
		w.seq = ((const struct ipc_record *)m.head)->seq;
	a.seq = w.seq;
	ipc_test_deliver(w.acct, IPC_RECORD_ACK, &a, NULL);
}

static void
do_reported(struct str rest)
{
	struct ipc_report_done d = {.id = name_get(word(&rest), false)->id, .ok = 1};

	ipc_test_deliver(w.bounce, IPC_REPORT_DONE, &d, NULL);
}

/* ---- expectations ---- */

static void
expect_resolve(struct str rest)
{
	struct ipc_msg m = must_take(w.dns, IPC_RESOLVE);
	struct str     name = word(&rest);

	if (!str_eq(name, m.text[0]))
		fail("expected a question for %.*s, it was for %.*s", STR_ARG(name), STR_ARG(m.text[0]));
	w.req = ((const struct ipc_resolve *)m.head)->req;
}

static void
check_text(struct str rest, const char *key, struct str got)
{
	struct str want = option(rest, key, "\1");

	if (!str_eq(want, STR("\1")) && !str_eq(want, got))
		fail("expected %s=%.*s, got %.*s", key, STR_ARG(want), STR_ARG(got));
}

static struct str
last_word(struct str rest)
{
	struct str s = STR("");

	while (str_next_word(&rest, &s))
		;
	return s;
}

static void
expect_open(struct str rest)
{
	struct ipc_msg		    m = must_take(w.deliver, IPC_CONN_OPEN);
	const struct ipc_conn_open *o = m.head;
	struct net_addr		    dst, src;
	char			    text[NET_ADDR_TEXT], with_port[NET_ADDR_TEXT];
	struct str		    want = word(&rest);

	net_from_ipc(&o->dst, &dst);
	net_from_ipc(&o->src, &src);
	net_addr_text(&dst, text);
	net_addr_text_port(&dst, with_port);
	if (!str_eq(want, str_of(text)) && !str_eq(want, str_of(with_port)))
		fail("expected a connection to %.*s, it goes to %s", STR_ARG(want), with_port);
	check_text(rest, "src", str_of(net_addr_text(&src, text)));
	check_text(rest, "ehlo", m.text[1]);
	check_text(rest, "vmta", m.text[3]);
	name_get(last_word(rest), true)->conn = o->conn;
}

static void
check_indices(struct str want, struct str got)
{
	struct str one;
	size_t	   i = 0;

	while (want.len > 0 && str_next(&want, ',', &one)) {
		uint32_t index = 0, have;
		if (!parse_u32(one, 0, UINT32_MAX, &index) || (i + 1) * sizeof have > got.len)
			fail("the transaction has %zu recipients", got.len / sizeof have);
		memcpy(&have, got.p + i++ * sizeof have, sizeof have);
		if (have != index)
			fail("expected recipient %u, got %u", index, have);
	}
	if (i > 0 && got.len != i * sizeof(uint32_t))
		fail("the transaction has %zu recipients", got.len / sizeof(uint32_t));
}

static void
expect_txn(struct str rest)
{
	struct ipc_msg	      m = must_take(w.deliver, IPC_TXN);
	const struct ipc_txn *t = m.head;
	struct named	     *c = name_get(word(&rest), false), *n;
	struct str	      what = word(&rest);
	size_t		      colon = str_find(what, ':');
	struct named	     *message = name_get(str_sub(what, 0, colon == STR_NPOS ? what.len : colon), false);

	if (t->conn != c->conn)
		fail("the transaction is for another connection");
	if (t->place.id != message->id)
		fail("the transaction is of another message");
	check_indices(colon == STR_NPOS ? STR("") : str_skip(what, colon + 1), m.text[0]);
	n = name_get(last_word(rest), true);
	n->conn = t->conn;
	n->txn = t->txn;
	n->id = t->place.id;
}

static void
expect_close(struct str rest)
{
	struct ipc_msg m = must_take(w.deliver, IPC_CONN_CLOSE);

	if (((const struct ipc_conn_close *)m.head)->conn != name_get(word(&rest), false)->conn)
		fail("another connection is closed");
}

static void
expect_record(struct str rest)
{
	static const char *const types[] = {"?", "d", "b", "t", "tq", "r"};
	struct ipc_msg		 m = must_take(w.acct, IPC_RECORD);
	const struct ipc_record *r = m.head;
	struct str		 type = word(&rest), what;
	char			 status[32];

	w.seq = r->seq;
	if (!str_eq(type, str_of(types[r->type])))
		fail("expected a record %.*s, got %s (%.*s)", STR_ARG(type), types[r->type], STR_ARG(m.text[0]));
	snprintf(status, sizeof status, "%u.%u.%u", r->enh[0], r->enh[1], r->enh[2]);
	check_text(rest, "status", str_of(status));
	if (r->type == ACCT_QUEUE)
		return;
	what = word(&rest);
	if (r->place.id != name_get(str_sub(what, 0, str_find(what, ':')), false)->id)
		fail("the record is of another message");
	snprintf(status, sizeof status, "%u", r->rcpt);
	if (!str_eq(str_skip(what, str_find(what, ':') + 1), str_of(status)))
		fail("the record is of recipient %s", status);
}

static void
expect_report(struct str rest)
{
	struct ipc_msg m;
	uint64_t       id = name_get(word(&rest), false)->id;

	while (take(w.bounce, &m)) {
		if (m.type == IPC_REPORT) {
			if (((const struct ipc_report *)m.head)->place.id != id)
				fail("the report is of another message");
			return;
		}
	}
	fail("no report was asked for");
}

static void
expect_nothing(struct str rest)
{
	struct ipc_chan *const all[] = {w.dns, w.deliver, w.acct, w.bounce};
	struct ipc_msg	       m;

	for (size_t i = 0; i < countof(all); i++) {
		while (take(all[i], &m)) {
			if (m.type != IPC_SPOOL_STATE)
				fail("expected nothing, got %s", ipc_type_name(m.type));
		}
	}
}

static void
expect_queued(struct str rest)
{
	uint32_t n = 0;

	settle();
	if (!parse_u32(word(&rest), 0, UINT32_MAX, &n) || n != qd.rcpts.n_used)
		fail("%u recipients are queued", qd.rcpts.n_used);
}

static struct queue *
the_queue(struct str name)
{
	struct queue *q = queue_find(name);

	if (q == NULL)
		fail("there is no queue %.*s", STR_ARG(name));
	return q;
}

static void
expect_hold(struct str rest)
{
	struct queue *q;
	struct str    want;

	settle();
	q = the_queue(word(&rest));
	want = word(&rest);
	if (!str_eq(want, str_of(hold_name((enum queue_hold)q->hold))))
		fail("the queue's state is %s", hold_name((enum queue_hold)q->hold));
}

static void
expect_until(struct str rest)
{
	struct queue *q;
	int64_t	      want, got;

	settle();
	q = the_queue(word(&rest));
	want = time_ms(word(&rest));
	got = tick_diff_ms(tick_now(), q->retry_at);
	if (!q->retrying || got < want || got > want + 1000)
		fail("the queue's retry is in %ld ms", got);
}

typedef void line_fn(struct str rest);
struct line_row {
	const char *word;
	line_fn	   *fn;
};

static const struct line_row expectations[] = {{"resolve", expect_resolve}, {"open", expect_open},
    {"txn", expect_txn}, {"close", expect_close}, {"record", expect_record}, {"report", expect_report},
    {"nothing", expect_nothing}, {"queued", expect_queued}, {"hold", expect_hold}, {"until", expect_until}};

static bool
run_row(const struct line_row *rows, size_t n, struct str line)
{
	struct str first = word(&line);

	for (size_t i = 0; i < n; i++) {
		if (!str_eq(first, str_of(rows[i].word)))
			continue;
		rows[i].fn(line);
		return true;
	}
	return false;
}

static void
do_expect(struct str rest)
{
	if (!run_row(expectations, countof(expectations), rest))
		fail("cannot expect %.*s", STR_ARG(rest));
}

static void
do_advance(struct str rest)
{
	settle();
	ev_fake_advance_ms(time_ms(word(&rest)));
}

static void
do_pause(struct str rest)
{
	struct why why;

	if (pause_set(PAUSE_QUEUE, word(&rest), true, &why) == -1)
		fail("%s", why.text);
}

static void
do_resume(struct str rest)
{
	struct why why;

	if (pause_set(PAUSE_QUEUE, word(&rest), false, &why) == -1)
		fail("%s", why.text);
}

static void
do_schedule(struct str rest)
{
	queue_schedule(the_queue(word(&rest)), false);
}

static const struct line_row lines[] = {{"accept", do_accept}, {"advance", do_advance}, {"answer", do_answer},
    {"up", do_up}, {"down", do_down}, {"result", do_result}, {"done", do_done}, {"ack", do_ack},
    {"reported", do_reported}, {"expect", do_expect}, {"pause", do_pause}, {"resume", do_resume},
    {"schedule", do_schedule}};

/* ---- beginning ---- */

static void
read_wants(void)
{
	qd.acct_wants = 1u << ACCT_DELIVERED | 1u << ACCT_BOUNCED | 1u << ACCT_TRANSIENT | 1u << ACCT_QUEUE;
}

static struct ipc_chan *
join(enum ipc_role role)
{
	struct ipc_chan *c = ipc_chan_new_test(ROLE_QUEUE, role, 0, &peers_events, NULL);

	peers_join(c);
	return c;
}

static void
begin(int dirfd)
{
	state_init();
	ticks_init();
	qd.started = true;
	read_wants();
	w.dns = join(ROLE_DNS);
	w.deliver = join(ROLE_DELIVER);
	w.acct = join(ROLE_ACCT);
	w.bounce = join(ROLE_BOUNCE);
}

static void
load_conf(const char *dir)
{
	struct conf_messages m = {0};
	struct conf	    *c;
	char		     path[300];
	FILE		    *f;

	snprintf(path, sizeof path, "%s/config", dir);
	f = fopen(path, "w");
	if (f == NULL)
		fail("cannot write %s", path);
	fprintf(f, "host-name mta.test\nsmtp-listener 127.0.0.250:25\nlog-file %s/log\nspool %s/spool\n%s", dir, dir, w.conf_text);
	if (fclose(f) == EOF)
		fail("cannot write %s", path);
	c = conf_load(path, &m);
	for (size_t i = 0; c == NULL && i < m.n; i++)
		fprintf(stderr, "%s\n", m.list[i].text);
	if (c == NULL)
		fail("the configuration is wrong");
	fake_conf_set(c);
}

static void
play(FILE *in, const char *dir)
{
	char line[1024];
	bool in_conf = false, begun = false;

	while (fgets(line, sizeof line, in) != NULL) {
		struct str s = str_trim(str_of(line));
		size_t	   hash = str_find(s, '#');
		w.line++;
		if (in_conf && !str_eq(s, STR("end"))) {
			strlcat(w.conf_text, line, sizeof w.conf_text);
			continue;
		}
		if (hash != STR_NPOS)
			s = str_trim(str_sub(s, 0, hash));
		if (str_eq(s, STR("config")) || str_eq(s, STR("end"))) {
			in_conf = s.p[0] == 'c';
			continue;
		}
		if (s.len == 0)
			continue;
		if (!begun) {
			load_conf(dir);
			begin(-1);
			begun = true;
		}
		if (!run_row(lines, countof(lines), s))
			fail("what is %.*s?", STR_ARG(s));
	}
}

/* the control socket has no part in a replay */
void control_answer(const struct ipc_msg *m);
void
control_answer(const struct ipc_msg *m)
{
}

int
main(int argc, char **argv)
{
	char  dir[] = "/tmp/posthaste-replay-XXXXXX";
	FILE *in = argc == 2 ? fopen(argv[1], "r") : NULL;

	if (in == NULL || mkdtemp(dir) == NULL) {
		fprintf(stderr, "usage: replay SCRIPT\n");
		return 2;
	}
	w.file = argv[1];
	log_init("replay", LOG_LEVEL_ERROR);
	ev_init();
	play(in, dir);
	return 0;
}
