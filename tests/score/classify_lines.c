/*
 * Judges failures from the standard input, a line each: code TAB status TAB host TAB text. Prints category TAB verdict
 * TAB line of the rule. Arguments: the file of rules; "lint" behind it only checks the rules.
 */
#include <stdio.h>
#include <stdlib.h>

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

struct failure
score_failure(char *line)
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

struct classifier *
score_rules(const char *path)
{
	static char piece[65536];
	FILE *in = fopen(path, "r");
	struct classifier *c;
	struct buf rules;
	size_t n;

	if (in == NULL)
		return NULL;
	buf_init(&rules, 1 << 20);
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		buf_add(&rules, piece, n);
	fclose(in);
	c = classifier_new(buf_str(&rules), tell, (void *)path);
	buf_clear(&rules);
	return c;
}

int
score_classify(int argc, char **argv)
{
	static char line[65536];
	struct classifier *c = argc < 2 ? NULL : score_rules(argv[1]);
	int result = 0;

	if (c == NULL)
		return 1;
	if (argc > 2)
		result = classifier_lint(c, tell, argv[1]) ? 0 : 1;
	while (argc == 2 && fgets(line, sizeof line, stdin) != NULL) {
		struct failure f = score_failure(line);
		struct verdict v = classify(c, &f);
		printf("%s\t%s\t%u\n", v.category, v.is_hard ? "hard" : "soft", v.line);
	}
	classifier_free(&c);
	return result;
}
