#include <stdio.h>
#include <string.h>

#include "lib/base/base.h"
#include "tests/score/score.h"

int
main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(int argc, char **argv);
	} judges[] = {
	    {"classify", score_classify}, {"report", score_report}, {"speed", score_speed}};

	for (size_t i = 0; argc > 1 && i < countof(judges); i++)
		if (strcmp(argv[1], judges[i].word) == 0)
			return judges[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: judge classify RULES [lint] | judge report RULES FILE... | judge "
			"speed RULES\n");
	return 2;
}
