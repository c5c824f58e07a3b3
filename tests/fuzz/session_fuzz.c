/*
 * A session against a peer that is the input: a program of one-byte verbs with their arguments. Whatever it says and
 * whenever it leaves, each recipient has at most one result, none after the end, and a delivered one was accepted by
 * a reply that came after its content was sent.
 */
#include <assert.h>

#include "deliverd/session.h"
#include "lib/base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TXNS 64
#define RCPTS	 3

struct game {
	struct session *s;
	struct mono now;
	unsigned n_txns, n_done;
	uint8_t results[MAX_TXNS][RCPTS];
	uint64_t taken; /* bytes of output */
	bool wants_tls, is_down;
};

static struct mail *
on_load(
    void *ctx, const struct spool_place *place, const uint32_t *idx, uint32_t n, struct why *why)
{
	static const struct str contents[] = {
	    STR("A\r\n"), STR(""), STR("..x\r\n..\r\n"), STR("no end")};
	struct mail *m;
	unsigned kind = (unsigned)place->id % 5;

	(void)ctx;
	if (kind == 4) {
		why_set(why, "not there");
		return NULL;
	}
	m = xcalloc(1, sizeof *m);
	m->fd = -1;
	m->content = contents[kind];
	m->stored_len = m->content.len;
	m->n_dots = kind == 2 ? 2 : 0;
	m->ends_in_crlf = kind != 3;
	m->sender = STR("s@x");
	m->rcpts = xcalloc(n, sizeof *m->rcpts);
	m->n_rcpts = n;
	for (uint32_t i = 0; i < n; i++)
		m->rcpts[i].address = STR("r@y");
	assert(n == 0 || idx[0] < RCPTS);
	return m;
}

static void
on_up(void *ctx, uint32_t offered)
{
	struct game *g = ctx;

	(void)offered;
	assert(!g->is_down);
}

static void
on_result(void *ctx, const struct session_result *r)
{
	struct game *g = ctx;

	assert(!g->is_down && r->txn < g->n_txns && r->rcpt < RCPTS);
	assert(g->results[r->txn][r->rcpt]++ == 0);
	assert(
	    r->outcome == OUT_DELIVERED || r->outcome == OUT_FAILED || r->outcome == OUT_DEFERRED);
	assert(r->outcome != OUT_DELIVERED || r->code / 100 == 2);
	assert(r->text.len <= REPLY_MAX_TEXT);
}

static void
on_txn_done(void *ctx, uint32_t txn)
{
	struct game *g = ctx;

	assert(!g->is_down && txn < g->n_txns);
	for (unsigned i = 0; i < RCPTS; i++)
		assert(g->results[txn][i] == 1);
	g->n_done++;
}

static void
on_down(void *ctx, const struct session_end *e)
{
	struct game *g = ctx;

	assert(!g->is_down && e->end > 0 && e->end < END_MAX && e->stage < STAGE_MAX);
	g->is_down = true;
}

static void
on_start_tls(void *ctx)
{
	((struct game *)ctx)->wants_tls = true;
}

static const struct session_ops ops = {
    on_load, on_up, on_result, on_txn_done, on_down, on_start_tls};

static void
take_output(struct game *g, uint64_t budget)
{
	struct out_view v;

	while (budget > 0 && outq_next(session_out(g->s), &v)) {
		uint64_t n = PH_MIN(v.len, budget);

		budget -= n;
		g->taken += n;
		session_sent(g->s, g->now, n);
	}
	assert(outq_unsent(session_out(g->s)) < 2 * OUTQ_MAX_TEXT);
}

static void
give_txn(struct game *g, uint8_t kind)
{
	static const uint32_t idx[RCPTS] = {0, 1, 2};
	struct ipc_txn t = {.txn = g->n_txns, .place.id = kind};

	if (g->n_txns == MAX_TXNS)
		return;
	g->n_txns++; /* its results may come within the call */
	if (!session_txn(g->s, g->now, &t, idx, RCPTS))
		g->n_txns--;
}

static void
do_verb(struct game *g, uint8_t verb, struct str *in)
{
	uint8_t arg = in->len > 0 ? (uint8_t)in->p[0] : 0;

	*in = str_skip(*in, 1);
	switch (verb % 8) {
	case 0: /* the peer speaks */
		session_input(g->s, g->now, str_sub(*in, 0, arg));
		*in = str_skip(*in, arg);
		break;
	case 1:
		take_output(g, UINT64_MAX);
		break;
	case 2:
		take_output(g, arg);
		break;
	case 3:
		give_txn(g, arg);
		break;
	case 4:
		g->now = mono_add_ms(g->now, (int64_t)arg * 10000);
		session_tick(g->s, g->now);
		break;
	case 5:
		if (g->wants_tls && (arg & 1))
			session_tls_up(g->s, g->now);
		else if (g->wants_tls)
			session_tls_failed(g->s, g->now, "x");
		g->wants_tls = false;
		break;
	case 6:
		if (arg < 64)
			session_lost(g->s, g->now, END_LOST, "lost");
		else if (arg < 128)
			session_quit(g->s, g->now);
		else if (arg < 192)
			session_drain(g->s, g->now);
		break;
	default: /* an ordinary peer: takes all and says yes */
		take_output(g, UINT64_MAX);
		session_input(g->s, g->now, arg & 1 ? STR("250 ok\r\n") : STR("354 go\r\n"));
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_conf conf = {.connect_ms = 120000,
	    .greeting_ms = 300000,
	    .command_ms = 300000,
	    .data_ms = 120000,
	    .send_ms = 180000,
	    .dot_ms = 600000,
	    .multiline_ms = 300000,
	    .tls_ms = 60000,
	    .quit_ms = 5000,
	    .window = 20,
	    .detect_loop = true,
	    .ehlo = "me"};
	struct game g = {.now = {.ns = 1}};
	struct str in;

	if (size < 1)
		return 0;
	conf.tls = (uint8_t)(data[0] % 3);
	conf.break_on_421 = data[0] & 4;
	conf.ignore_chunking = data[0] & 8;
	conf.ignore_pipelining = data[0] & 16;
	in = str_from((const char *)data + 1, size - 1);
	g.s = session_new(&conf, &ops, &g, g.now);
	session_connected(g.s, g.now);
	while (in.len > 0) {
		uint8_t verb = (uint8_t)in.p[0];

		in = str_skip(in, 1);
		do_verb(&g, verb, &in);
	}
	session_lost(g.s, g.now, END_LOST, "lost");
	assert(g.is_down && session_is_dead(g.s));
	session_free(&g.s);
	return 0;
}
