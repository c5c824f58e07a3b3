/*
 * The policy file's words: separated by blanks; "…" holds blanks, \n for a line's end and \" for a quote; `;` and a
 * line's end are an END; `{` and `}` stand alone; # begins a comment.
 */
#ifndef PH_MXSIM_TOKEN_H
#define PH_MXSIM_TOKEN_H

#include "lib/base/str.h"
#include "lib/base/why.h"

enum token_kind { TOKEN_WORD, TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_EOF };

#define LINE_WORDS_MAX 64
struct token_line {
	char *words[LINE_WORDS_MAX]; /* owned by the reader, until the next line */
	size_t n;
	enum token_kind end;
	unsigned line;
};
struct token_reader {
	struct str rest;
	unsigned line;
	char text[8192];
	size_t used;
};

void token_reader_init(struct token_reader *r, struct str text);
/* The words up to the next END, `{`, `}` or the end of the text (line->end says which). -1 with `why`. */
int token_read_line(struct token_reader *r, struct token_line *line, struct why *why) PH_MUST_CHECK;

#endif
