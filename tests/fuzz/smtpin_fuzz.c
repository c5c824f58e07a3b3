/*
 * A client's bytes against our SMTP server: the first byte is the size of the pieces in which the rest comes. Whatever
 * the pieces, replies and messages are the same; what is stored holds no bare CR, bare LF or NUL, ends its lines with
 * CRLF, has its dots doubled and counted, and an envelope that can be read back.
 */
#include <assert.h>
#include <unistd.h>

#include "injectd/session.h"
#include "lib/ev/ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct game {
	struct world world;
	struct session s;
	void *token; /* waits for the disk */
	struct buf large;
	uint64_t next_id, said, stored; /* hashes */
	unsigned n_msgs;
};
static struct game *now; /* the game that is on */
static struct conf *conf;
static const char settings[] =
    "host-name mx.test\npostmaster you@mx.test\nspool /tmp\nlog-file /dev/null\n"
    "<virtual-mta v1>\n</virtual-mta>\n"
    "<source 0/0>\nalways-allow-relaying yes\nprocess-x-virtual-mta yes\nprocess-x-job yes\n"
    "process-x-envid yes\nmax-message-size 3M\nadd-date-header override\n"
    "add-message-id-header yes\nremove-received-headers yes\nprocess-x-schedule yes\n"
    "pattern-list L\nrewrite-list R\nbcc copy@own.test\naccept-invalid-recipients yes\n"
    "jobid-prefix p{auth}-\nremove-header X-One, X-Two\n</source>\n"
    "<pattern-list L>\nheader X-Type /(a+)+[bc]$/ virtual-mta=v1\nmail-from /@x\\./ call-to: M\n"
    "rcpt-to /^v/ recipient-priority=9\n</pattern-list>\n"
    "<pattern-list M>\n* recipient-priority=1\n</pattern-list>\n"
    "<rewrite-list R>\nmail-from a@* b@*\nmail-from *@old.test *@new.test\n"
    "from-domain [*.]old.test new.test\n</rewrite-list>\n"
    "<aliases>\nalias c@x.test d@x.test, e@x.test\nalias *@all.test c@x.test\n</aliases>\n";

static void
mix(uint64_t *hash, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		*hash = (*hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
}

static void
check_message(struct str text, uint64_t n_dots)
{
	uint64_t dots = 0;
	struct str line;

	assert(text.len == 0 || str_has_suffix(text, STR("\r\n")));
	assert(str_find(text, '\0') == STR_NPOS);
	while (text.len > 0 && str_next(&text, '\n', &line)) {
		assert(line.len > 0 && str_find(line, '\r') == line.len - 1);
		dots += line.p[0] == '.';
		assert(!str_eq(line, STR(".\r")));
	}
	assert(dots == n_dots);
}

static void
take(struct str env, struct str text, void *token)
{
	struct game *g = now;
	struct buf scratch, whole;
	struct envelope e;
	struct why why;

	buf_init(&scratch, SPOOL_MAX_ENV);
	buf_init(&whole, SPOOL_MAX_ENV);
	assert(buf_add_str(&whole, env) == 0 && buf_add_char(&whole, '\n') == 0);
	assert(envelope_parse(buf_str(&whole), &e, &scratch, &why));
	assert(e.body_len == text.len);
	check_message(text, e.n_dots);
	mix(&g->stored, env);
	mix(&g->stored, text);
	g->n_msgs++;
	g->token = token;
	buf_clear(&scratch);
	buf_clear(&whole);
}

static uint64_t
new_id(void *ctx)
{
	return ++now->next_id;
}

static void
append(void *ctx, uint64_t id, struct str env, struct buf *message, void *token)
{
	take(env, buf_str(message), token);
}

static void *
large_start(void *ctx, uint64_t id, size_t room, struct why *why)
{
	buf_init(&now->large, 64u * 1024 * 1024);
	return &now->large;
}

static int
large_write(void *large, struct str piece, struct why *why)
{
	return buf_add_str(large, piece);
}

static void
large_commit(void *large, struct str env, void *token)
{
	take(env, buf_str(large), token);
	buf_clear(large);
}

static void
large_abort(void *large)
{
	buf_clear(large);
}

static const struct intake_ops ops = {
    new_id, append, large_start, large_write, large_commit, large_abort};

static void
on_wake(struct session *s)
{
}

/* writes, lets the disk answer (every fourth time: that it is full), goes on */
static void
settle(struct game *g)
{
	static const struct spool_place place = {.kind = SPOOL_JOURNAL};
	struct why full;
	bool busy = true;

	(void)why_smtp(&full, 452, 4, 3, 1, "full");
	while (busy) {
		size_t before = buf_len(&g->s.in);
		void *token = g->token;
		busy = token != NULL || buf_len(&g->s.out) > 0;
		mix(&g->said, buf_str(&g->s.out));
		buf_consume(&g->s.out, buf_len(&g->s.out));
		g->token = NULL;
		if (token != NULL)
			txn_settled(token, g->n_msgs % 4 == 3 ? NULL : &place,
			    g->n_msgs % 4 == 3 ? &full : NULL);
		session_resume(&g->s);
		busy = busy || buf_len(&g->s.in) != before;
	}
	assert(g->s.state == SESSION_CLOSING || session_wants_input(&g->s));
}

static uint64_t
play(struct str in, size_t piece)
{
	static struct game g;
	struct net_addr addr;

	memset(&g, 0, sizeof g);
	now = &g;
	world_init(&g.world, &ops, NULL);
	world_use_conf(&g.world, conf);
	assert(net_addr_parse_port(STR("127.0.0.1:25"), &addr));
	g.s.wake = on_wake;
	session_start(&g.s, &g.world, 0, &addr, &addr);
	settle(&g);
	while (in.len > 0 && g.s.state != SESSION_CLOSING) {
		struct str part = str_sub(in, 0, PH_MIN(piece, (size_t)65536));
		session_input(&g.s, part);
		settle(&g);
		in = str_skip(in, part.len);
	}
	session_clear(&g.s);
	world_clear(&g.world);
	return g.said * 31 + g.stored + g.n_msgs;
}

static void
load(void)
{
	struct conf_messages m = {0};
	char path[] = "/tmp/smtpin-fuzz-XXXXXX";
	int fd = mkstemp(path);

	assert(
	    fd != -1 && write(fd, settings, sizeof settings - 1) == (ssize_t)sizeof settings - 1);
	close(fd);
	conf = conf_load(path, &m);
	unlink(path);
	assert(conf != NULL);
	conf_messages_clear(&m);
	ev_init();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;
	uint64_t whole, pieces;

	if (conf == NULL)
		load();
	if (size < 1)
		return 0;
	in = str_from((const char *)data + 1, size - 1);
	whole = play(in, SIZE_MAX);
	pieces = play(in, data[0] == 0 ? 1 : data[0]);
	assert(whole == pieces);
	return 0;
}
