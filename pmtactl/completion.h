/*
 * Completion for shells, made from the tables of commands: words, then the options of the command that they make.
 */
#ifndef PH_PMTACTL_COMPLETION_H
#define PH_PMTACTL_COMPLETION_H

#include <stdio.h>

/* For bash: `eval "$(pmtactl completion bash)"`. */
void completion_bash(FILE *out);

#endif
