/*
 * Answers as PowerMTA shows them to people: one function a command, or the plain `path value` lines.
 */
#ifndef PH_PMTACTL_TEXT_H
#define PH_PMTACTL_TEXT_H

#include "lib/ctl/commands.h"
#include "lib/ctl/tree.h"

void text_print(enum ctl_command command, const struct tree *t, FILE *out);

#endif
