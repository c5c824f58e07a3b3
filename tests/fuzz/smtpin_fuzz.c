/*
 * A client's bytes against our SMTP server: the first byte is the size of the pieces in which the rest comes. Whatever
 * the pieces, replies and messages are the same; what is stored holds no bare CR, bare LF or NUL, ends its lines with
 * CRLF, has its dots doubled and counted, and an envelope that can be read back.
 */
#include "injectd/session.h"
#include "lib/ev/ev.h"
#include "tests/fuzz/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct game {
	struct world world;
	struct session s;
	struct taken taken;
	uint64_t said; /* hash */
};
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
on_wake(struct session *s)
{
}

/* writes, lets the disk answer, goes on */
static void
settle(struct game *g)
{
	bool busy = true;

	while (busy) {
		size_t before = buf_len(&g->s.in);
		busy = buf_len(&g->s.out) > 0;
		mix(&g->said, buf_str(&g->s.out));
		buf_consume(&g->s.out, buf_len(&g->s.out));
		busy = settle_disk() || busy;
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
	taken = &g.taken;
	world_init(&g.world, &intake, NULL);
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
	return g.said * 31 + g.taken.stored + g.taken.n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;
	uint64_t whole, pieces;

	if (conf == NULL) {
		conf = load_conf(settings);
		ev_init();
	}
	if (size < 1)
		return 0;
	in = str_from((const char *)data + 1, size - 1);
	whole = play(in, SIZE_MAX);
	pieces = play(in, data[0] == 0 ? 1 : data[0]);
	assert(whole == pieces);
	return 0;
}
