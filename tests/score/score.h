/* The judges that score.py asks; each gets its own arguments and returns an exit code. */
#ifndef PH_TESTS_SCORE_SCORE_H
#define PH_TESTS_SCORE_SCORE_H

int score_classify(int argc, char **argv);
int score_report(int argc, char **argv);

#endif
