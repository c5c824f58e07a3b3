#include "tests/mxsim/token.h"

void
token_reader_init(struct token_reader *r, struct str text)
{
	r->rest = text;
	r->line = 1;
	r->used = 0;
}

static int
put(struct token_reader *r, char c, struct why *why)
{
	if (r->used >= sizeof(r->text))
		return why_set(why, "line %u: too long", r->line);
	r->text[r->used++] = c;
	return 0;
}

static int
read_quoted(struct token_reader *r, struct why *why)
{
	struct str s = str_skip(r->rest, 1);
	size_t i;

	for (i = 0; i < s.len && s.p[i] != '"'; i++) {
		char c = s.p[i];

		if (c == '\n')
			return why_set(why, "line %u: a quote is not closed", r->line);
		if (c == '\\' && i + 1 < s.len) {
			c = s.p[++i];
			c = c == 'n' ? '\n' : c;
		}
		if (put(r, c, why) < 0)
			return -1;
	}
	r->rest = str_skip(s, i + 1);
	return 0;
}

static int
read_word(struct token_reader *r, struct why *why)
{
	size_t i;

	if (r->rest.p[0] == '"')
		return read_quoted(r, why);
	for (i = 0; i < r->rest.len && strchr(" \t\r\n;{}#", r->rest.p[i]) == NULL; i++) {
		if (put(r, r->rest.p[i], why) < 0)
			return -1;
	}
	r->rest = str_skip(r->rest, i);
	return 0;
}

static void
skip_blanks(struct token_reader *r)
{
	size_t i = 0;

	while (i < r->rest.len &&
	       (r->rest.p[i] == ' ' || r->rest.p[i] == '\t' || r->rest.p[i] == '\r'))
		i++;
	if (i < r->rest.len && r->rest.p[i] == '#') {
		while (i < r->rest.len && r->rest.p[i] != '\n')
			i++;
	}
	r->rest = str_skip(r->rest, i);
}

static enum token_kind
next_kind(struct token_reader *r)
{
	skip_blanks(r);
	if (r->rest.len == 0)
		return TOKEN_EOF;
	switch (r->rest.p[0]) {
	case '\n':
	case ';':
		return TOKEN_END;
	case '{':
		return TOKEN_OPEN;
	case '}':
		return TOKEN_CLOSE;
	default:
		return TOKEN_WORD;
	}
}

int
token_read_line(struct token_reader *r, struct token_line *line, struct why *why)
{
	r->used = 0;
	line->n = 0;
	line->line = r->line;
	while ((line->end = next_kind(r)) == TOKEN_WORD) {
		if (line->n == LINE_WORDS_MAX)
			return why_set(why, "line %u: too many words", r->line);
		line->words[line->n++] = r->text + r->used;
		if (read_word(r, why) < 0 || put(r, '\0', why) < 0)
			return -1;
	}
	if (line->end != TOKEN_EOF) {
		if (r->rest.p[0] == '\n')
			r->line++;
		r->rest = str_skip(r->rest, 1);
	}
	return 0;
}
