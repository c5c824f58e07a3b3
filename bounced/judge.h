/*
 * Every failure's category: operators' patterns first, then the rules, as the configuration says; what was asked a
 * moment ago is remembered, for floods repeat themselves. It judges only: what follows is for actions.h.
 */
#ifndef PH_BOUNCED_JUDGE_H
#define PH_BOUNCED_JUDGE_H

#include "lib/classify/categories.h"
#include "lib/conf/conf.h"

#define JUDGE_MEMO 4096

struct judge {
	struct classifier *rules;
	struct categories *own;
	char *rules_file; /* owned; NULL: the rules that come with Posthaste */
	char *rules_text; /* owned; NULL: the same */
	char *own_text;	  /* owned: what `own` was made of */
	char **names;	  /* owned: files of `own` */
	size_t n_names;
	struct judged {
		uint64_t hash; /* 0: empty */
		struct verdict verdict;
	} memo[JUDGE_MEMO];
};

/* Compiles what is not the same as before; fatal when even the built-in rules cannot be. */
void judge_use_conf(struct judge *j, const struct conf *c);
void judge_clear(struct judge *j);

/* Texts live until the next judge_use_conf(). */
struct verdict judge_failure(struct judge *j, const struct failure *f);
/* Where the verdict's rule stands: "FILE" (of the built-in rules "bounce.rules"). */
const char *judge_file(const struct judge *j, const struct verdict *v);
/* The rule's own line; empty: none fitted. */
struct str judge_rule(const struct judge *j, const struct verdict *v);

#endif
