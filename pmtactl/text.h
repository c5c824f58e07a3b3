/*
 * Answers as PowerMTA shows them to people: one function a command, or the plain `path value` lines.
 */
#ifndef PH_PMTACTL_TEXT_H
#define PH_PMTACTL_TEXT_H

#include "pmtactl/client.h"

/* What shows rows of this command's answer as they come, and lets go of each; NULL: it is shown as a whole. */
client_gathered *text_of_rows(enum ctl_command command);
void text_print(enum ctl_command command, const struct tree *t, FILE *out);

#endif
