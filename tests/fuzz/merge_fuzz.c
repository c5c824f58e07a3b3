/*
 * Mail merge: lines of definitions up to an empty one, then a text of one part. What is made is never longer than was
 * said, and no line of its header section begins with anything but the text's own lines did: values start none.
 */
#include <assert.h>

#include "lib/mail/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct made {
	uint64_t n_bytes;
	unsigned n_head_lines;
	uint8_t newlines; /* of CRLF CRLF */
	bool in_body;
};

static void
take(void *arg, struct str piece)
{
	struct made *m = arg;

	m->n_bytes += piece.len;
	for (size_t i = 0; i < piece.len && !m->in_body; i++) {
		m->n_head_lines += piece.p[i] == '\n';
		m->newlines = piece.p[i] == "\r\n\r\n"[m->newlines] ? (uint8_t)(m->newlines + 1)
								    : piece.p[i] == '\r';
		m->in_body = m->newlines == 4;
	}
}

static void
expand(const struct merge_text *t, struct str defs, bool is_left)
{
	static struct str values[MERGE_MAX_NAMES];
	struct merge_values v = {.value = values, .is_undefined_left = is_left};
	struct made made = {.newlines = 2};
	static const struct str name = {"*parts", 6};
	struct merge_order order;
	struct str parts;
	struct why why;
	unsigned n_lines = 0;

	merge_own(defs, &name, 1, &parts);
	if (merge_order_parse(t, parts, &order, &why) == -1)
		return;
	merge_set_all(t, defs, values);
	merge_expand(t, &order, &v, take, &made);
	assert(made.n_bytes <= merge_length(t, &order, &v));
	for (size_t i = 0; i < t->text.tail; i++)
		n_lines += t->text.base[i] == '\n';
	assert(made.n_head_lines <= n_lines * order.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size), line;
	static struct merge_text t;
	struct buf defs;
	struct why why;

	buf_init(&defs, MERGE_MAX_VALUE);
	merge_text_init(&t, 1024 * 1024);
	while (in.p != NULL && str_next(&in, '\n', &line) && line.len > 0)
		if (merge_define(line, &defs, &why) == -1)
			assert(why.smtp_code >= 500 && buf_len(&defs) < size + 3);
	if (in.p != NULL && merge_text_add(&t, 1, in, &why) == 0) {
		expand(&t, buf_str(&defs), true);
		expand(&t, buf_str(&defs), false);
	}
	merge_text_clear(&t);
	buf_clear(&defs);
	return 0;
}
