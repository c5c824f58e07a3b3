/*
 * <pattern-list>: what a message's header fields, sender and recipients choose: a VirtualMTA or pool, a priority, or
 * another list to go on with. Compiled when the configuration is loaded; the lists are checked to be neither in a
 * circle nor nested deeper than CHOICE_DEPTH. It holds the rules in the order of the file; who walks them is injectd.
 */
#ifndef PH_CONF_CHOICE_H
#define PH_CONF_CHOICE_H

#include "lib/base/regex.h"
#include "lib/base/str.h"

#define CHOICE_DEPTH 16

enum choice_kind { CHOICE_HEADER, CHOICE_MAIL_FROM, CHOICE_RCPT_TO, CHOICE_ANY };
struct choice_list;
struct choice_rule {
	uint8_t kind;			/* enum choice_kind */
	int16_t priority;		/* recipient-priority, 0-100; -1: none */
	struct str header;		/* HEADER: name of the field */
	struct regex *regex;		/* NULL: ANY */
	struct str vmta;		/* VirtualMTA or pool, or empty */
	const struct choice_list *call; /* go on there; NULL: no */
};
struct choice_list {
	struct str name;
	struct choice_rule *rules;
	size_t n;
};

struct conf;
/* NULL: there is none of that name. Lives as long as the configuration. */
const struct choice_list *conf_choice_list(const struct conf *c, struct str name);

#endif
