/*
 * Replies: the one way to answer a client, with the policy's rules in between.
 */
#ifndef PH_MXSIM_ANSWER_H
#define PH_MXSIM_ANSWER_H

#include "tests/mxsim/conn.h"

/* One reply; a newline in the text makes another line of it. 421 ends the connection. */
void reply(struct conn *c, const char *text);
/* Gives `text`, or what a rule for the step says instead. True when the client was told yes. */
bool answer(struct conn *c, enum step step, struct str key, const char *text);
/* The first rule for the event that is not a delay, or NULL; delays are noted on the way. */
const struct rule *find_rule(struct conn *c, enum step step, struct str key);
/* Does what the rule says instead of `text`. True when the client was told yes. */
bool obey_rule(struct conn *c, const struct rule *r, const char *text);

#endif
