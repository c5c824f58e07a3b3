/*
 * Completion for shells, made from the tables of commands: words, then the options of the command that they make.
 */
#ifndef PH_PMTACTL_COMPLETION_H
#define PH_PMTACTL_COMPLETION_H

#include <stdio.h>

enum completion { COMPLETION_BASH, COMPLETION_ZSH, COMPLETION_FISH };
/* The script for that shell, to be read by it or installed where it looks for such. */
void completion_print(enum completion shell, FILE *out);

#endif
