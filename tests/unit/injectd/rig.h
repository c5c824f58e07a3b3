/*
 * A session with a fake way into the spool: what it is sent goes in by whole or in pieces, what it says comes out as
 * text, and each message that it hands over is kept and answered as the test wants.
 */
#ifndef PH_TEST_INJECTD_RIG_H
#define PH_TEST_INJECTD_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "injectd/session.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

#pragma GCC diagnostic ignored "-Wunused-function"

struct rig_msg {
	char *env, *text;
	size_t env_len, text_len;
	bool is_large;
	struct envelope e;
	struct buf scratch;
};
struct rig {
	struct world world;
	struct session s;
	struct conf *conf;
	struct rig_msg msg[8];
	size_t n_msgs;
	void *token;   /* waits for its answer */
	void *more[8]; /* those behind it */
	size_t n_more;
	bool holds; /* the disk is slow: rig_answer() when the test says so */
	int n_aborted;
	uint64_t next_id;
	size_t piece; /* input is given in pieces of so many bytes; 0: whole */
	char out[256 * 1024];
	size_t out_len;
	struct buf large;
};

static struct rig rig;

static uint64_t
rig_new_id(void *ctx)
{
	return ++rig.next_id;
}

static void
rig_keep(struct str env, struct str text, bool is_large)
{
	struct rig_msg *m = &rig.msg[rig.n_msgs++];
	struct why why;

	assert_true(rig.n_msgs <= countof(rig.msg));
	m->env = xasprintf("%.*s\n", STR_ARG(env));
	m->env_len = env.len + 1;
	m->text = xmalloc(text.len + 1);
	memcpy(m->text, text.p, text.len);
	m->text[text.len] = '\0';
	m->text_len = text.len;
	m->is_large = is_large;
	buf_init(&m->scratch, 1024 * 1024);
	if (!envelope_parse(str_from(m->env, m->env_len), &m->e, &m->scratch, &why))
		fail_msg("envelope: %s", why.text);
	assert_int_equal(m->e.body_len, text.len);
}

static void
rig_append(void *ctx, uint64_t id, struct str env, struct buf *message, void *token)
{
	rig_keep(env, buf_str(message), false);
	if (rig.token == NULL)
		rig.token = token;
	else
		rig.more[rig.n_more++] = token;
}

static void *
rig_large_start(void *ctx, uint64_t id, size_t room, struct why *why)
{
	buf_init(&rig.large, 64 * 1024 * 1024);
	return &rig.large;
}

static int
rig_large_write(void *large, struct str piece, struct why *why)
{
	return buf_add_str(large, piece);
}

static void
rig_large_front(void *large, struct str text)
{
	struct buf *b = large, all;

	buf_init(&all, b->cap);
	assert_true(buf_add_str(&all, text) == 0 && buf_add_str(&all, buf_str(b)) == 0);
	buf_clear(b);
	*b = all;
}

static void
rig_large_commit(void *large, struct str env, void *token)
{
	rig_keep(env, buf_str(large), true);
	buf_clear(large);
	rig.token = token;
}

static void
rig_large_abort(void *large)
{
	buf_clear(large);
	rig.n_aborted++;
}

static const struct intake_ops rig_ops = {rig_new_id, rig_append, rig_large_start, rig_large_write,
    rig_large_front, rig_large_commit, rig_large_abort};

static void
rig_wake(struct session *s)
{
}

static struct conf *
rig_load(const char *text)
{
	char path[] = "/tmp/injectd-test-XXXXXX";
	struct conf_messages m = {0};
	struct conf *c;
	int fd = mkstemp(path);

	assert_true(fd != -1);
	dprintf(fd,
	    "host-name mx.test\npostmaster you@mx.test\nspool /tmp\nlog-file /dev/null\n%s\n",
	    text);
	close(fd);
	c = conf_load(path, &m);
	for (size_t i = 0; i < m.n && c == NULL; i++)
		print_message("%s\n", m.list[i].text);
	assert_non_null(c);
	conf_messages_clear(&m);
	unlink(path);
	return c;
}

static void
rig_new(const char *text)
{
	struct net_addr client, local;

	memset(&rig, 0, sizeof rig);
	ev_init();
	rig.conf = rig_load(text);
	world_init(&rig.world, &rig_ops, NULL);
	world_use_conf(&rig.world, rig.conf);
	assert_true(net_addr_parse_port(STR("192.0.2.7:4321"), &client));
	assert_true(net_addr_parse_port(STR("127.0.0.1:25"), &local));
	rig.s.wake = rig_wake;
	session_start(&rig.s, &rig.world, 0, &client, &local);
}

#define RIG_RELAY "<source 0/0>\nalways-allow-relaying yes\n</source>\n"

static void
rig_free(void)
{
	session_clear(&rig.s);
	world_clear(&rig.world);
	for (size_t i = 0; i < rig.n_msgs; i++) {
		free(rig.msg[i].env);
		free(rig.msg[i].text);
		buf_clear(&rig.msg[i].scratch);
	}
	conf_free(&rig.conf);
	ev_fini();
}

/* takes what the session has to say */
static void
rig_flush(void)
{
	struct str s = buf_str(&rig.s.out);

	assert_true(rig.out_len + s.len < sizeof rig.out);
	memcpy(rig.out + rig.out_len, s.p, s.len);
	rig.out_len += s.len;
	rig.out[rig.out_len] = '\0';
	buf_consume(&rig.s.out, s.len);
}

/* the disk answers; why NULL: it is written */
static void
rig_answer(const struct why *why)
{
	struct spool_place place = {.kind = SPOOL_JOURNAL};
	void *token = rig.token;

	rig.token = rig.n_more > 0 ? rig.more[0] : NULL;
	if (rig.n_more > 0)
		memmove(rig.more, rig.more + 1, --rig.n_more * sizeof rig.more[0]);
	txn_settled(token, why == NULL ? &place : NULL, why);
}

static void
rig_stop(struct ev_defer *d)
{
	ev_stop();
}

/* what was put off to the end of the turn */
static void
rig_turn(void)
{
	struct ev_defer stop;

	ev_defer_init(&stop, rig_stop);
	ev_defer_queue(&stop);
	ev_run();
}

static void
rig_settle(void)
{
	for (int i = 0; i < 100; i++) {
		size_t before = buf_len(&rig.s.in);
		rig_flush();
		if (rig.token != NULL && !rig.holds)
			rig_answer(NULL);
		if (rig.s.state == SESSION_WAIT && rig.s.txn->merge != NULL)
			rig_turn();
		session_resume(&rig.s);
		if (buf_len(&rig.s.in) == before && buf_len(&rig.s.out) == 0 &&
		    (rig.token == NULL || rig.holds) && (rig.s.state != SESSION_WAIT || rig.holds))
			return;
	}
}

static void
rig_send(struct str s)
{
	while (s.len > 0) {
		size_t n = rig.piece == 0 ? PH_MIN(s.len, (size_t)65536) : PH_MIN(s.len, rig.piece);
		session_input(&rig.s, str_sub(s, 0, n));
		rig_settle();
		s = str_skip(s, n);
	}
	rig_settle();
}

static void
rig_say(const char *text)
{
	rig_send(str_of(text));
}

/* The codes of all replies so far, last lines only: "220 250 354"; then they are forgotten. */
static const char *
rig_codes(void)
{
	static char codes[4096];
	struct str rest = str_from(rig.out, rig.out_len), line;
	size_t n = 0;

	codes[0] = '\0';
	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		if (line.len < 4 || line.p[3] == '-')
			continue;
		n += (size_t)snprintf(
		    codes + n, sizeof codes - n, "%s%.3s", n == 0 ? "" : " ", line.p);
		assert_true(n < sizeof codes);
	}
	rig.out_len = 0;
	return codes;
}

/* sends and compares the codes of the replies */
static void
rig_expect(const char *text, const char *codes)
{
	const char *got;

	rig_say(text);
	got = rig_codes();
	if (strcmp(got, codes) != 0)
		fail_msg("after %s: replies %s, not %s", text, got, codes);
}

/* A configuration with these lines is refused, and one of the errors says so. */
static void
rig_refuses(const char *lines, const char *says)
{
	char path[] = "/tmp/injectd-test-XXXXXX";
	int fd = mkstemp(path);
	struct conf_messages m = {0};
	bool said = false;

	dprintf(fd, "spool /tmp\nlog-file /dev/null\n%s\n", lines);
	assert_null(conf_load(path, &m));
	for (size_t k = 0; k < m.n; k++)
		said = said || strstr(m.list[k].text, says) != NULL;
	if (!said)
		fail_msg("%s: %s", lines, m.n > 0 ? m.list[0].text : "");
	conf_messages_clear(&m);
	close(fd);
	unlink(path);
}

/* EHLO to RCPT, relaying allowed */
static void
rig_upto_rcpt(void)
{
	rig_expect("EHLO client.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<b@rcpt.test>\r\n",
	    "220 250 250 250");
}

#endif
