/*
 * What is to follow from a failure, as the configuration says: <bounce-handling> of the VirtualMTA by status, then that
 * outside of any, then <bounce-action> by category; the first that fits decides. It finds the line; others act.
 */
#ifndef PH_BOUNCED_ACTIONS_H
#define PH_BOUNCED_ACTIONS_H

#include "lib/conf/conf.h"

enum action_what {
	ACTION_NONE,	 /* nothing, and no later line either */
	ACTION_SUPPRESS, /* the address gets no more mail; this one ends as it would */
	ACTION_RETRY,
	ACTION_DELETE, /* suppressed, and this one bounces whatever the reply was */
	ACTION_LOG_ONLY,
	ACTION_WHAT_MAX
};
const char *action_name(enum action_what what);

enum action_scope { SCOPE_GLOBAL, SCOPE_VMTA, SCOPE_POOL };

/* one line; its texts live as long as `struct actions` */
struct action {
	enum action_what what;
	enum action_scope scope;
	int64_t retry_ms;    /* 0: as without it */
	int64_t suppress_ms; /* CONF_NEVER: without end */
	uint32_t max_tries;  /* UINT32_MAX: any number */
	bool is_permanent;   /* of a <bounce-action>: which failures it is for */
	char *vmta;  /* of <bounce-handling>: whose; NULL: of a <bounce-action>; "": everybody's */
	char *match; /* glob of the status, or categories with blanks around each */
	char *file;
	uint32_t line;
};
struct actions {
	struct action *list;
	size_t n;
};

void actions_use_conf(struct actions *a, const struct conf *c);
void actions_clear(struct actions *a);

/* a failure, judged */
struct action_case {
	struct str vmta;
	const uint8_t
	    *enh; /* effective status; NULL: there is none, <bounce-handling> does not count */
	const char *category;
	bool is_permanent;
};
/* NULL: no line fits. */
const struct action *actions_find(const struct actions *a, const struct action_case *c);

#endif
