/*
 * Where the messages of a fuzz target go, in place of lib/spool's journal: what is stored must hold no bare CR, bare
 * LF or NUL, end its lines with CRLF, have its dots doubled and counted, and an envelope that can be read back.
 */
#ifndef PH_TESTS_FUZZ_INTAKE_H
#define PH_TESTS_FUZZ_INTAKE_H

#include <assert.h>
#include <unistd.h>

#include "injectd/session.h"

struct taken {
	void *token; /* waits for the disk */
	struct buf large;
	uint64_t next_id;
	uint64_t stored; /* hash of envelopes and texts */
	unsigned n;	 /* messages */
};
static struct taken *taken; /* of the game that is on */

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
	struct buf scratch, whole;
	struct envelope e;
	struct why why;

	buf_init(&scratch, SPOOL_MAX_ENV);
	buf_init(&whole, SPOOL_MAX_ENV);
	assert(buf_add_str(&whole, env) == 0 && buf_add_char(&whole, '\n') == 0);
	assert(envelope_parse(buf_str(&whole), &e, &scratch, &why));
	assert(e.body_len == text.len);
	check_message(text, e.n_dots);
	mix(&taken->stored, env);
	mix(&taken->stored, text);
	taken->n++;
	taken->token = token;
	buf_clear(&scratch);
	buf_clear(&whole);
}

static uint64_t
new_id(void *ctx)
{
	return ++taken->next_id;
}

static void
append(void *ctx, uint64_t id, struct str env, struct buf *message, void *token)
{
	take(env, buf_str(message), token);
}

static void *
large_start(void *ctx, uint64_t id, size_t room, struct why *why)
{
	buf_init(&taken->large, 64u * 1024 * 1024);
	return &taken->large;
}

static int
large_write(void *large, struct str piece, struct why *why)
{
	return buf_add_str(large, piece);
}

static void
large_front(void *large, struct str text)
{
	struct buf *b = large, all;

	buf_init(&all, b->cap);
	assert(buf_add_str(&all, text) == 0 && buf_add_str(&all, buf_str(b)) == 0);
	buf_clear(b);
	*b = all;
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

static const struct intake_ops intake = {
    new_id, append, large_start, large_write, large_front, large_commit, large_abort};

/* what the message that came last is told */
static bool
is_disk_full(void)
{
	return taken->n % 4 == 3;
}

/* The disk answers for what waits. False: nothing waits. */
static bool
settle_disk(void)
{
	static const struct spool_place place = {.kind = SPOOL_JOURNAL};
	bool is_full = is_disk_full();
	void *token = taken->token;
	struct why full;

	if (token == NULL)
		return false;
	(void)why_smtp(&full, 452, 4, 3, 1, "full");
	taken->token = NULL;
	txn_settled(token, is_full ? NULL : &place, is_full ? &full : NULL);
	return true;
}

static struct conf *
load_conf(const char *settings)
{
	struct conf_messages m = {0};
	char path[] = "/tmp/intake-fuzz-XXXXXX";
	size_t len = strlen(settings);
	int fd = mkstemp(path);
	struct conf *c;

	assert(fd != -1 && write(fd, settings, len) == (ssize_t)len);
	close(fd);
	c = conf_load(path, &m);
	unlink(path);
	assert(c != NULL);
	conf_messages_clear(&m);
	return c;
}

#endif
