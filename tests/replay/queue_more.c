/*
 * More words of the queue replay: other daemons that die and come back, acknowledgements that stay away, what an
 * operator does, and what queued counts.
 */
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "queued/control/control_int.h"
#include "queued/react/mode.h"
#include "queued/control/pause.h"
#include "queued/peers.h"
#include "queued/react/retry.h"
#include "queued/way/source.h"
#include "queued/state.h"
#include "queued/vmta.h"
#include "tests/replay/queue_replay.h"

static enum ipc_role
role_of(struct str word)
{
	static const struct {
		struct str word;
		enum ipc_role role;
	} rows[] = {{STR("injectd"), ROLE_INJECT}, {STR("dnsd"), ROLE_DNS},
	    {STR("deliverd"), ROLE_DELIVER}, {STR("bounced"), ROLE_BOUNCE},
	    {STR("acctd"), ROLE_ACCT}, {STR("fbld"), ROLE_FBL}};

	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(rows[i].word, word))
			return rows[i].role;
	replay_die("no such daemon");
}

static void
do_gone(struct str arg)
{
	enum ipc_role role = role_of(arg);
	struct ipc_chan *c = replay.chan[role];

	/* what it was told and did not read is lost with it */
	while (heard_one(c))
		;
	replay.chan[role] = NULL;
	for (size_t i = 0; role == ROLE_DNS && i < MAX_ASKED; i++)
		xfree(&replay.asked[i].name);
	ipc_test_down(c);
}

static void
do_came(struct str arg)
{
	peers_add(role_of(arg), 0, -1);
}

static void
do_acks(struct str arg)
{
	struct ipc_record_ack ack = {.seq = replay.last_seq};

	replay.no_acks = str_eq(arg, STR("off"));
	if (!replay.no_acks && replay.chan[ROLE_ACCT] != NULL)
		ipc_test_deliver(replay.chan[ROLE_ACCT], IPC_RECORD_ACK, &ack, NULL);
}

/* nothing | off | bounce | retry TIME [TRIES] */
static void
do_judge(struct str arg)
{
	struct str word;

	replay.verdict = (struct ipc_judged){.max_tries = UINT32_MAX};
	if (!str_next_word(&arg, &word))
		replay_die("judge what?");
	replay.no_verdicts = str_eq(word, STR("off"));
	if (str_eq(word, STR("bounce")))
		replay.verdict.action = JUDGED_BOUNCE;
	if (!str_eq(word, STR("retry")))
		return;
	replay.verdict.action = JUDGED_RETRY;
	if (!str_next_word(&arg, &word))
		replay_die("retry when?");
	replay.verdict.retry_ms = replay_ms(word);
	if (str_trim(arg).len > 0)
		replay.verdict.max_tries = (uint32_t)replay_number(&arg);
}

static void
do_reports(struct str arg)
{
	replay.reports = str_eq(arg, STR("fail"))  ? REPORTS_FAIL
			 : str_eq(arg, STR("off")) ? REPORTS_OFF
						   : REPORTS_OK;
}

static uint32_t
send_hosts(uint32_t req, struct str hosts)
{
	struct str word, pref, addr, texts[2] = {STR(""), STR("")};
	uint32_t n = 0, v, byte;

	for (; str_next_word(&hosts, &word); n++) {
		struct ipc_dns_addr a = {.req = req, .addr = {.family = 4}};
		struct str piece;
		if (!str_next(&word, '=', &pref) || !str_next(&word, '=', &addr) ||
		    !parse_u32(pref, 0, 65535, &v))
			replay_die("PREF=ADDRESS=HOST");
		a.pref = (uint16_t)v;
		if (str_eq(addr, STR("-"))) /* an exchanger without an address */
			a.addr.family = 0;
		for (size_t i = 0; i < 4 && str_next(&addr, '.', &piece); i++)
			a.addr.bytes[i] = parse_u32(piece, 0, 255, &byte) ? (uint8_t)byte : 0;
		texts[0] = word;
		ipc_test_deliver(replay.chan[ROLE_DNS], IPC_DNS_ADDR, &a, texts);
	}
	return n;
}

static uint32_t
take_question(struct str name)
{
	for (size_t i = 0; i < MAX_ASKED; i++) {
		if (replay.asked[i].name != NULL && str_ieq(str_of(replay.asked[i].name), name)) {
			xfree(&replay.asked[i].name);
			return replay.asked[i].req;
		}
	}
	replay_die("nobody asked for that");
	return 0;
}

static void
do_dns(struct str arg)
{
	static const char *const rows[DNS_STATUS_MAX] = {
	    "ok", "nxdomain", "nodata", "nullmx", "servfail", "timeout", "noaddr", "badname"};
	struct ipc_dns_done done = {.ttl_s = replay.ttl_s};
	struct str name, status, text;
	char why[128];

	if (!str_next_word(&arg, &name) || !str_next_word(&arg, &status))
		replay_die("dns NAME STATUS …");
	done.req = take_question(name);
	for (int i = 0; i < DNS_STATUS_MAX; i++)
		if (str_eq(status, str_of(rows[i])))
			done.status = (uint8_t)i;
	done.n_addrs = (uint16_t)send_hosts(done.req, arg);
	snprintf(why, sizeof why, "%.*s: %.*s", STR_ARG(name), STR_ARG(status));
	text = done.status == DNS_OK ? STR("") : str_of(why);
	ipc_test_deliver(replay.chan[ROLE_DNS], IPC_DNS_DONE, &done, &text);
}

static void
do_pause(struct str arg)
{
	struct why why;

	if (pause_set(PAUSE_QUEUE, arg, true, &why) == -1)
		replay_die(why.text);
}

static void
do_resume(struct str arg)
{
	struct why why;

	if (pause_set(PAUSE_QUEUE, arg, false, &why) == -1)
		replay_die(why.text);
}

static void
do_schedule(struct str arg)
{
	struct queue *q = queue_find(arg);

	if (q == NULL)
		replay_die("no such queue");
	queue_schedule(q, true);
}

static void
do_backoff(struct str arg)
{
	struct str name;
	struct queue *q = str_next_word(&arg, &name) ? queue_find(name) : NULL;

	if (q == NULL)
		replay_die("no such queue");
	if (str_eq(str_trim(arg), STR("off")))
		mode_set_normal(q, &(struct cause){.text = STR("by the script")});
	else
		mode_set_backoff(q, -1, &(struct cause){.text = STR("by the script")});
}

static void
do_limit(struct str arg)
{
	struct str word;
	uint32_t n = 0;

	if (!str_next_word(&arg, &word) || !str_eq(word, STR("accounting")) ||
	    !parse_u32(str_trim(arg), 1, 1000000, &n))
		replay_die("limit accounting N");
	qd.accounting.max = n;
}

static void
do_state(struct str arg)
{
	const struct queue *q = queue_find(arg);

	if (q == NULL)
		printf("! state %.*s: there is no such queue\n", STR_ARG(arg));
	else
		printf("! state %s %s ready=%u deferred=%u held=%u sending=%u ending=%u conns=%u "
		       "kb=%lu\n",
		    q->name, hold_name((enum queue_hold)q->hold), q->ready.n, q->deferred.n,
		    q->held.n, q->n_flight, q->n_ending, q->n_conns, q->bytes / 1024);
}

/* seconds from now on, "-": never */
static const char *
due_in(struct tick t, char text[32])
{
	if (t.t == INT32_MAX)
		return "-";
	snprintf(text, 32, "%.3f", (double)tick_diff_ms(tick_now(), t) / 1000);
	return text;
}

static void
do_mode(struct str arg)
{
	const struct queue *q = queue_find(arg);
	char text[32], addr[NET_ADDR_TEXT];

	if (q == NULL) {
		printf("! mode %.*s: there is no such queue\n", STR_ARG(arg));
		return;
	}
	printf("! mode %s %s", q->name, q->backoff ? "backoff" : "normal");
	if (q->backoff)
		printf(" until=%s by line %u", due_in(q->mode->until, text), q->mode->by.line);
	if (q->retrying)
		printf(" wait=%s", due_in(q->retry_at, text));
	if (q->throttle != NULL)
		printf(" allowed=%u cap=%u", q->throttle->allowed, q->throttle->cap);
	for (uint32_t i = 0; q->sources_off != NULL && i < q->sources_off->n; i++)
		printf(" off=%s,%s", net_addr_text(&q->sources_off->list[i].addr, addr),
		    due_in(q->sources_off->list[i].until, text));
	printf("\n");
}

/* enable ADDRESS QUEUE */
static void
do_enable(struct str arg)
{
	struct str word;
	struct net_addr a;
	struct queue *q = NULL;

	if (str_next_word(&arg, &word) && net_addr_parse(word, &a))
		q = queue_find(str_trim(arg));
	if (q == NULL || !source_enable(q, &a))
		replay_die("no such queue or source");
}

/* the words of that line of the configuration, "default" when there is none */
static const char *
line_text(const struct conf_origin *o, char text[200])
{
	FILE *f = o->file == NULL || o->line == 0 ? NULL : fopen(o->file, "re");

	snprintf(text, 200, "default");
	if (f == NULL)
		return text;
	for (uint32_t i = 0; i < o->line; i++)
		if (fgets(text, 200, f) == NULL)
			replay_die("no such line of the configuration");
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* what explain says of it, `until` in seconds since `start` */
static void
do_explain(struct str arg)
{
	const struct queue *q = queue_find(arg);
	struct reason k;
	struct conf_origin o;
	int64_t since, until;
	const char *by;
	char text[200];

	if (q == NULL)
		replay_die("no such queue");
	control_reason(q, &k);
	o = control_reason_origin(&k);
	by = control_reason_directive(&k);
	since = mono_diff_ms(replay.start, tick_to_mono(q->hold_since));
	printf("! explain %s %s since=%ld.%03ld ", q->name, hold_name((enum queue_hold)q->hold),
	    since / 1000, since % 1000);
	if (k.until.ns == 0)
		printf("until=(%s)", k.wakes);
	until = mono_diff_ms(replay.start, ev_now()) + (k.until.ns - ev_wall().ns) / NS_PER_MS;
	if (k.until.ns != 0)
		printf("until=%ld.%03ld", until / 1000, until % 1000);
	if (by != NULL)
		printf(" by \"%s\"", line_text(&o, text));
	printf("%s%s\n", k.detail[0] == '\0' ? "" : ": ", k.detail);
}

static void
do_counts(struct str arg)
{
	uint64_t busy = 0, bytes = 0, vmta = 0;

	for (uint32_t h = 1; h < slab_end(&qd.messages); h++)
		busy += message_at(h)->n_open > 0 ? message_at(h)->n_busy : 0;
	for (uint32_t h = 0; (h = queue_next(h)) != 0;)
		bytes += queue_at(h)->bytes;
	for (size_t i = 0; i < vmta_n(); i++)
		vmta += vmta_at(i)->out.used;
	printf("! counts queues=%u messages=%u recipients=%u busy=%lu connections=%lu,%lu,%u "
	       "unacknowledged=%lu bytes=%s\n",
	    qd.queues.n_used, qd.messages.n_used, qd.rcpts.n_used, busy, qd.total_out.used, vmta,
	    qd.deliverers[0].n_conns, qd.accounting.used,
	    bytes == 0 && qd.n_queued_bytes == 0 ? "0" : "some");
}

static void
do_ttl(struct str arg)
{
	replay.ttl_s = (uint32_t)(replay_ms(arg) / 1000);
}

static void
do_wall(struct str arg)
{
	int64_t by = replay_ms(str_skip(arg, 1)) * NS_PER_MS;

	ev_fake_set_wall((struct wall){ev_wall().ns + (arg.p[0] == '-' ? -by : by)});
}

/* of a message that was accepted before `start` */
static const struct spool_place *
place_of(struct str name)
{
	for (size_t i = 0; i < replay.n_places && i < replay.n_messages; i++)
		if (str_eq(name, str_of(replay.messages[i].name)))
			return &replay.places[i];
	replay_die("no such message");
}

/* what lies in front of it the writer told to an earlier queued; this and the rest it will tell itself */
static void
do_told_before(struct str arg)
{
	const struct spool_place *p = place_of(arg);
	const struct ipc_segment s = {.end = p->offset,
	    .segment = p->segment,
	    .generation = p->generation,
	    .writer = p->writer};

	ipc_test_deliver(replay.chan[ROLE_INJECT], IPC_SEGMENT_OPEN, &s, NULL);
}

static void
do_told(struct str arg)
{
	ipc_test_deliver(replay.chan[ROLE_INJECT], IPC_ACCEPTED, place_of(arg), NULL);
}

/* places that an injector which is no longer ours may tell: of those of the last message, each with one thing wrong */
static void
make_false(struct spool_place *p, struct str what)
{
	if (str_eq(what, STR("place")))
		p->offset += p->len;
	else if (str_eq(what, STR("id")))
		p->id += 1;
	else if (str_eq(what, STR("length")))
		p->len += 1000;
	else if (str_eq(what, STR("generation")))
		p->generation = UINT32_MAX;
	else if (str_eq(what, STR("segment")))
		p->segment = UINT32_MAX;
	else if (str_eq(what, STR("writer")))
		p->id ^= 1u << 18;
	else if (str_eq(what, STR("file")))
		*p = (struct spool_place){
		    .id = p->id + 1, .len = p->len, .env_len = p->env_len, .kind = SPOOL_FILE};
	else if (str_eq(what, STR("kind")))
		p->kind = UINT16_MAX;
	else
		replay_die("lie about what?");
}

static void
do_lie(struct str arg)
{
	struct ipc_chan *c = replay.chan[ROLE_INJECT];
	struct spool_place p = replay.places[replay.n_places - 1];

	make_false(&p, arg);
	while (heard_one(c))
		;
	replay.chan[ROLE_INJECT] = NULL;
	ipc_test_deliver(c, IPC_ACCEPTED, &p, NULL);
}

static const struct replay_word words[] = {
    {"dns", do_dns},
    {"lie", do_lie},
    {"told-before", do_told_before},
    {"told", do_told},
    {"ttl", do_ttl},
    {"wall", do_wall},
    {"gone", do_gone},
    {"came", do_came},
    {"acks", do_acks},
    {"reports", do_reports},
    {"judge", do_judge},
    {"pause", do_pause},
    {"resume", do_resume},
    {"schedule", do_schedule},
    {"backoff", do_backoff},
    {"limit", do_limit},
    {"state", do_state},
    {"mode", do_mode},
    {"enable", do_enable},
    {"explain", do_explain},
    {"counts", do_counts},
};

bool
replay_more(struct str word, struct str arg)
{
	for (size_t i = 0; i < countof(words); i++) {
		if (str_eq(word, str_of(words[i].word))) {
			words[i].run(arg);
			return true;
		}
	}
	return false;
}
