/*
 * The envelope's parser, fed with anything. What is accepted must be written so that it reads the same again.
 */
#include "lib/base/log.h"
#include "lib/spool/envelope.h"
#include "lib/spool/record_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_again(struct buf *b, const struct envelope *e, struct str env)
{
	struct env_iter it;
	struct env_rcpt r;
	uint32_t index, n = 0;

	ph_assert(envelope_write(b, e) == 0);
	env_iter_init(&it, env);
	for (; n < e->n_rcpts; n++) {
		ph_assert(env_iter_next(&it, &index, &r) && index == n);
		ph_assert(envelope_write_rcpt(b, &r) == 0);
	}
	ph_assert(!env_iter_next(&it, &index, &r));
	ph_assert(buf_add_char(b, '\n') == 0);
}

static void
compare(const struct envelope *a, const struct envelope *b)
{
	ph_assert(a->id == b->id && a->n_rcpts == b->n_rcpts && a->priority == b->priority);
	ph_assert(
	    str_eq(a->sender, b->sender) && str_eq(a->job, b->job) && str_eq(a->vmta, b->vmta));
	ph_assert(a->expires.ns == b->expires.ns && a->not_before.ns == b->not_before.ns);
	ph_assert(net_addr_eq(&a->src, &b->src) && a->body == b->body && a->ret == b->ret);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str env = str_from((const char *)data, size);
	struct envelope e, again;
	struct buf text, scratch[2];
	struct why why;
	uint64_t id;
	uint32_t n;

	buf_init(&text, 1 << 26);
	buf_init(&scratch[0], 1 << 26);
	buf_init(&scratch[1], 1 << 26);
	(void)record_peek(env, &id, &n);
	if (envelope_parse(env, &e, &scratch[0], &why)) {
		write_again(&text, &e, env);
		if (!envelope_parse(buf_str(&text), &again, &scratch[1], &why))
			panic("written, but not read again: %s", why.text);
		ph_assert(record_peek(buf_str(&text), &id, &n) && id == e.id && n == e.n_rcpts);
		compare(&e, &again);
	}
	buf_clear(&text);
	buf_clear(&scratch[0]);
	buf_clear(&scratch[1]);
	return 0;
}
