/*
 * A local socket through which a test asks: one command a connection ("stats", "reload", "flush", "quit"), answered
 * with text and the end of the connection.
 */
#ifndef PH_MXSIM_CONTROL_H
#define PH_MXSIM_CONTROL_H

#include "tests/mxsim/sim.h"

/* NULL with `why`. */
struct control *control_new(struct sim *s, const char *path, struct why *why);
void control_free(struct control **c);

#endif
