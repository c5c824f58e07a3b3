/* The rules as read: shared by the reader, the compiler and the checker. */
#ifndef PH_CLASSIFY_CLASSIFY_INT_H
#define PH_CLASSIFY_CLASSIFY_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/classify/classify.h"

#define MAX_RULES	     1000
#define MAX_SUBJECT	     (CLASSIFY_MAX_TEXT + 512)
#define CATEGORY_ROOM	     64
#define CONDITION_HEAD	     "(?=[^\\n]*+" /* of each condition, which is a lookahead into the trailer */
#define CLASSIFY_OTHER	     26u	   /* a second byte that is no letter */
#define CLASSIFY_MATCH_LIMIT 200000

struct rule {
	char category[CATEGORY_ROOM];
	bool is_hard;
	uint32_t line;
	char *conditions; /* lookaheads, or NULL: none */
	char *regex;	  /* with its pieces put in, or NULL: conditions only */
};
struct example {
	size_t rule;
	uint32_t line;
	char *text;
};
/* an expression, by the hash of its text */
struct made {
	XXH128_hash_t hash;
	pcre2_code *code;
};
struct classifier {
	struct rule *rules;
	size_t n_rules;
	struct example *examples;
	size_t n_examples;
	pcre2_code
	    *code[256][CLASSIFY_OTHER + 1]; /* by a word's first bytes; NULL: no rule begins so */
	pcre2_code *bare;		    /* rules of conditions only */
	struct made *made; /* all expressions, each once; the tables above only point to them */
	size_t n_made;
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

/* The first rule of all that match in the subject, of which `len` bytes are text; n_rules: none. */
size_t classify_find(const struct classifier *c, struct str subject, size_t len);
/* Reads the text; false when something was told. */
bool rules_read(struct classifier *c, struct str text, classify_complaint *tell, void *arg);
/* A word's second byte: 0 to 25 for a letter. */
unsigned second_class(char c);
/* Makes the expressions; false when something was told. */
bool classify_build(struct classifier *c, classify_complaint *tell, void *arg);

#endif
