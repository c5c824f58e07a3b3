/* The rules as read: shared by the reader, the compiler and the checker. */
#ifndef PH_CLASSIFY_CLASSIFY_INT_H
#define PH_CLASSIFY_CLASSIFY_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/buf.h"
#include "lib/classify/classify.h"
#include "lib/classify/finder.h"

#define MAX_RULES	      1000
#define MAX_SUBJECT	      (CLASSIFY_MAX_TEXT + 512)
#define CATEGORY_ROOM	      64
#define CONDITION_HEAD	      "(?=[^\\n]*+" /* of each condition, which is a lookahead into the trailer */
#define CLASSIFY_MAX_BRANCHES 8192
#define CLASSIFY_MAX_NEEDS    4096
#define CLASSIFY_MATCH_LIMIT  200000

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
/* an outermost alternative of a rule, which is tried by itself */
struct branch {
	pcre2_code *code; /* with the rule's conditions */
	struct str text;  /* of the rule's regex; NULL: the rule has only conditions */
	uint32_t rule;
	struct need {
		uint16_t number;
		uint8_t blanks; /* stand before it at most, from where the branch begins on */
	} needs[4];
	uint16_t n_needs;
};
struct classifier {
	struct rule *rules;
	size_t n_rules;
	struct example *examples;
	size_t n_examples;
	struct branch *branches; /* in the order of their rules */
	size_t n_branches;
	struct finder begins; /* by the words that a branch begins with: its index */
	uint32_t *anywhere;   /* branches that may begin with anything */
	size_t n_anywhere;
	uint32_t *chosen; /* room for as many */
	uint32_t *bare;	  /* branches of rules that have only conditions */
	size_t n_bare;
	struct finder needed; /* words without which a branch does not match: a need */
	size_t n_needs;
	uint64_t *where; /* by need: in which parts of the text its words end */
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

/* The first rule of all that match in the subject, of which `len` bytes are text; n_rules: none. */
size_t classify_find(const struct classifier *c, struct str subject, size_t len);
/* Reads the text; false when something was told. */
bool rules_read(struct classifier *c, struct str text, classify_complaint *tell, void *arg);
/* The next of a rule's conditions, a regex for what stands from there on, is taken from *rest; false: there is none. */
bool rules_next_condition(struct str *rest, struct str *one);
/* Makes the expressions; false when something was told. */
bool classify_build(struct classifier *c, classify_complaint *tell, void *arg);

#endif
