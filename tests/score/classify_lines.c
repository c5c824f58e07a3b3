/*
 * Judges failures from the standard input, a line each: code TAB status TAB host TAB text. Prints category TAB verdict
 * TAB line of the rule. Arguments: the file of rules; "lint" behind it only checks the rules.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"
#include "lib/classify/classify.h"
#include "lib/smtp/reply.h"
#include "tests/score/score.h"

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	printf("%s:%u: %s\n", (const char *)arg, line, why->text);
}

static struct failure
read_failure(char *line)
{
	struct str rest = str_from(line, strcspn(line, "\n")), piece[3] = {0};
	struct failure f = {0};
	uint32_t code;

	for (size_t i = 0; i < 3; i++)
		if (!str_next(&rest, '\t', &piece[i]))
			return f;
	if (parse_u32(piece[0], 0, 999, &code))
		f.code = (uint16_t)code;
	(void)smtp_enh_parse(piece[1], f.enh);
	f.mta = piece[2];
	f.text = rest;
	return f;
}

int
score_classify(int argc, char **argv)
{
	static char line[65536];
	struct buf rules;
	FILE *in = argc >= 2 ? fopen(argv[1], "r") : NULL;
	struct classifier *c;
	struct timespec t0, t1;
	double spent = 0;
	size_t n;
	unsigned judged = 0;

	if (in == NULL)
		return 2;
	buf_init(&rules, 1 << 20);
	while ((n = fread(line, 1, sizeof line, in)) > 0)
		buf_add(&rules, line, n);
	fclose(in);
	c = classifier_new(buf_str(&rules), tell, argv[1]);
	if (c == NULL)
		return 1;
	if (argc > 2)
		return classifier_lint(c, tell, argv[1]) ? 0 : 1;
	while (fgets(line, sizeof line, stdin) != NULL) {
		struct failure f = read_failure(line);
		struct verdict v;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t0);
		v = classify(c, &f);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t1);
		spent +=
		    (double)(t1.tv_sec - t0.tv_sec) * 1e6 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e3;
		judged++;
		printf("%s\t%s\t%u\n", v.category, v.is_hard ? "hard" : "soft", v.line);
	}
	fprintf(stderr, "%.1f us a reply\n", judged == 0 ? 0 : spent / judged);
	classifier_free(&c);
	buf_clear(&rules);
	return 0;
}
