/*
 * What a failure means: from code, enhanced status, text and host to a bounce category and a verdict. The rules are text
 * (conf/bounce/rules says how they are written); the first rule of the text wins. They are compiled once into one pass: of
 * each alternative of each rule is found out with which words it begins and which it cannot do without (language.h), two
 * automata find all such words of all rules in a text (finder.h), and PCRE2's machine code tries only what may match then,
 * where it may begin. So a reply costs what its length costs, whatever the number of rules; "make score" prints the time.
 * It judges only: what follows from a verdict is decided elsewhere.
 */
#ifndef PH_CLASSIFY_CLASSIFY_H
#define PH_CLASSIFY_CLASSIFY_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define CLASSIFY_MAX_TEXT 1024 /* bytes of a reply that are looked at */

struct classifier;

/* a failure as it came */
struct failure {
	uint16_t code;	/* SMTP reply code, 0: none */
	uint8_t enh[3]; /* enhanced status, enh[0] 0: none */
	bool is_local;	/* our own verdict, not a remote's reply */
	struct str text;
	struct str mta; /* host that said it, or the domain; may be empty */
	/* of a report the text that it stands in, or empty: the rules look at it when they find nothing in `text` */
	struct str around;
};
struct verdict {
	const char *category; /* of the classifier's memory */
	bool is_hard;	      /* not to be tried again, the address is no good */
	const char *file; /* the operator's, for a pattern of his (categories.h); NULL: the rules */
	uint32_t line;	  /* of the rule; 0: none fitted, the category is "other" */
};

/* What the checker found, a call each: a sentence about the rule at that line. */
typedef void classify_complaint(void *arg, uint32_t line, const struct why *why);

/*
 * Reads and compiles rules. NULL when anything was found wrong, and each was told: a rule that cannot be read or
 * compiled. Must run before the sandbox is closed, for PCRE2's compiler makes code.
 */
struct classifier *classifier_new(struct str rules, classify_complaint *tell, void *arg);
void classifier_free(struct classifier **c);

/*
 * Tells each rule that is never reached: its example is decided by an earlier rule or not matched at all, or the same
 * rule stands before it. True when none was told.
 */
bool classifier_lint(struct classifier *c, classify_complaint *tell, void *arg);

/* Never fails: a text that exhausts the match limit is judged by its codes alone. */
struct verdict classify(struct classifier *c, const struct failure *f);

/* The rules that are built in (conf/bounce/rules). */
struct str classify_rules(void);

/*
 * The text as the rules see it: one line, blanks single, addresses as "<>", control characters gone; at most size - 1
 * bytes, NUL-terminated. Returns its length.
 */
size_t classify_normalise(struct str text, char *out, size_t size);

#endif
