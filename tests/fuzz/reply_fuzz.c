/*
 * Replies of hostile servers: the first byte is the size of the pieces in which the rest comes. Whatever the pieces,
 * the same replies must be read, and the text must be safe and bounded.
 */
#include <assert.h>

#include "lib/smtp/ext.h"
#include "lib/smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t hash;
	unsigned n;
	bool malformed;
};

static void
on_line(void *arg, uint32_t line, struct str text)
{
	assert(text.len <= REPLY_MAX_LINE);
	if (line > 0)
		smtp_caps_add(arg, text);
}

static void
look(struct seen *s, const struct smtp_reply *r)
{
	assert(r->code >= 200 && r->code <= 599);
	assert(r->len <= REPLY_MAX_TEXT && r->text[r->len] == '\0');
	assert(r->enh[0] == r->code / 100);
	for (size_t i = 0; i < r->len; i++) {
		assert(ascii_is_print(r->text[i]));
		s->hash = s->hash * 31 + (unsigned char)r->text[i];
	}
	s->n++;
}

static struct seen
read_in_pieces(struct str in, size_t piece)
{
	struct smtp_caps caps = {0};
	struct reply_parser p = {.on_line = on_line, .arg = &caps};
	struct seen s = {0};
	struct why why;

	while (in.len > 0) {
		struct str part = str_sub(in, 0, piece);
		int n = reply_feed(&p, part, &why);

		if (n < 0) {
			s.malformed = true;
			break;
		}
		assert((size_t)n <= part.len);
		if (n > 0)
			look(&s, &p.reply);
		in = str_skip(in, n > 0 ? (size_t)n : part.len);
	}
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in;
	struct seen whole, pieces;

	if (size < 1)
		return 0;
	in = str_from((const char *)data + 1, size - 1);
	whole = read_in_pieces(in, SIZE_MAX);
	pieces = read_in_pieces(in, data[0] == 0 ? 1 : data[0]);
	assert(whole.n == pieces.n && whole.hash == pieces.hash &&
	       whole.malformed == pieces.malformed);
	return 0;
}
