/* The judges that score.py asks; each gets its own arguments and returns an exit code. */
#ifndef PH_TESTS_SCORE_SCORE_H
#define PH_TESTS_SCORE_SCORE_H

#include "lib/classify/classify.h"

int score_classify(int argc, char **argv);
int score_report(int argc, char **argv);
int score_speed(int argc, char **argv);

/* The rules of a file, compiled; NULL: told. Returns owned. */
struct classifier *score_rules(const char *path);
/* A line of classify_lines.c, which is borrowed. */
struct failure score_failure(char *line);

#endif
