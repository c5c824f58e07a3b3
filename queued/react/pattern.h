/*
 * What replies cause, as the configuration says: <smtp-pattern-list> (reply and smtp-pattern lines), the short form
 * `smtp-pattern-list NAME "TEXT"`, and `retry-after CODE …`. A reply is held against compiled patterns that take a
 * bounded number of steps; nothing here changes a queue (react.h does), and only what a remote said is ever matched.
 */
#ifndef PH_QUEUED_REACT_PATTERN_H
#define PH_QUEUED_REACT_PATTERN_H

#include "lib/base/regex.h"
#include "lib/conf/conf.h"

enum reply_action {
	ACT_BACKOFF = 1,
	ACT_NORMAL = 2,
	ACT_SKIP_MX = 4,
	ACT_BOUNCE_QUEUE = 8,
	ACT_BOUNCE_RCPT = 16, /* a 4xx to RCPT bounces the recipient */
	ACT_BOUNCE_ANY = 32,  /* any reply that fails the recipient bounces it */
	ACT_DISABLE_SOURCE = 64,
	ACT_DEFER_QUEUE = 128,
	ACT_WAIT = 256 /* retry-after CODE: wait, and half the concurrency */
};

enum rule_how { RULE_REGEX, RULE_GLOB, RULE_PREFIX, RULE_WORDS };
#define RULE_MAX_WORDS	4
#define PATTERN_DEFAULT (-1) /* of a time: as the other directives say */

/*
 * The pairs of bytes that a text has, hashed, letters in lower case: what a rule cannot do without is looked for here
 * before its pattern is tried, so that most rules cost a few instructions.
 */
struct pairs {
	uint64_t bits[4];
};
void pairs_of_text(struct str text, struct pairs *p);
/* What each text that the pattern is found in must have; none where that is hard to tell. */
void pairs_of_regex(struct str pattern, struct pairs *p);
void pairs_of_glob(struct str glob, struct pairs *p);
bool pairs_have(const struct pairs *text, const struct pairs *needed);

struct rule {
	unsigned actions; /* enum reply_action */
	enum rule_how how;
	struct pairs needs;
	const struct regex *regex;		   /* borrowed */
	char *words[RULE_MAX_WORDS];		   /* glob, prefix, or code and words; owned */
	int64_t backoff_ms, reenable_ms, defer_ms; /* PATTERN_DEFAULT: not said */
	struct conf_origin origin;
	const char *directive;
};

/* Read one line's text, as the configuration prints it. -1 with `why`. What a rule owns is freed by rule_clear(). */
int rule_parse_reply(
    struct str text, struct rule *r, struct str *regex, struct why *why) PH_MUST_CHECK;
int rule_parse_glob(struct str text, struct rule *r, struct why *why) PH_MUST_CHECK;
int rule_parse_prefix(struct str text, struct rule *r, struct why *why) PH_MUST_CHECK;
int rule_parse_wait(struct str text, struct rule *r, struct why *why) PH_MUST_CHECK;
void rule_clear(struct rule *r);
bool rule_matches(const struct rule *r, struct str reply);

/* What all lines that match say together: of those that contradict each other the first. */
struct verdict {
	unsigned actions;
	int64_t backoff_ms, reenable_ms, defer_ms, wait_ms;
	const struct rule *mode_by, *skip_by, *bounce_by, *disable_by, *defer_by, *wait_by;
};

struct patterns;
/* Of a queue's settings; NULL: it has none. Shared; valid until patterns_forget_all(). */
struct patterns *patterns_of(const struct conf_set *set);
/* Reads and compiles all lists: before the sandbox, and after a reload. */
void patterns_prepare(void);
/* Holds the reply ("421 4.7.0 text") against all of it. False: nothing matches. */
bool patterns_match(struct patterns *p, struct str reply, struct verdict *v);
/* The configuration changes. Compiled patterns that are in the next one, too, are kept for it. */
void patterns_forget_all(void);

#endif
