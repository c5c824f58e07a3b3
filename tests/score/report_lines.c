/*
 * Reads reports, a file an argument behind the file of rules: prints its name, then kind, format, returned bytes, and
 * category and rule as of a recipient that it does not name, then the text for people, then for each recipient final TAB
 * original TAB action TAB status TAB code TAB host TAB diagnostic TAB category TAB rule and, TAB by TAB, the raw fields of
 * RFC 3464; then an empty line. A complaint has its fields on the fourth line. The category is bounced's, by the same calls.
 */
#include <stdio.h>

#include "lib/mail/header.h"
#include "lib/processor/processor.h"
#include "tests/score/score.h"

static bool
read_file(const char *path, struct buf *b)
{
	static char piece[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	buf_reset(b);
	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_add(b, piece, n) == 0)
		;
	fclose(f);
	return true;
}

static void
print_verdict(struct classifier *c, const struct remote_report *r, const struct remote_rcpt *rc)
{
	const struct failure f = processor_failure_of(r, rc);
	struct verdict v = classify(c, &f);

	printf("\t%s\t%u", v.category, v.line);
}

static void
print_rcpt(struct classifier *c, const struct remote_report *r, const struct remote_rcpt *rc)
{
	printf("%s\t%s\t%s\t", rc->final, rc->original, rc->action);
	if (rc->enh[0] != 0)
		printf("%u.%u.%u", rc->enh[0], rc->enh[1], rc->enh[2]);
	printf("\t%u\t%s\t%s", rc->code, rc->mta, rc->diag);
	print_verdict(c, r, rc);
	for (size_t i = 0; i < REMOTE_FIELDS; i++)
		printf("\t%.*s", STR_ARG(remote_raw(r, rc, (enum remote_field)i)));
	putchar('\n');
}

/* the text for people in one line */
static void
print_line(struct str s)
{
	putchar('.');
	for (size_t i = 0; i < PH_MIN(s.len, (size_t)2000); i++)
		putchar((unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
	putchar('\n');
}

/* names in the order of the corpus's table; then fields of what is returned */
static void
print_complaint(const struct remote_report *r)
{
	static const struct str fields[] = {STR("feedback-type"), STR("user-agent"), STR("version"),
	    STR("original-rcpt-to"), STR("removal-recipient"), STR("original-mail-from"),
	    STR("source-ip"), STR("reported-domain"), STR("arrival-date"), STR("received-date"),
	    STR("reporting-mta"), STR("incidents"), STR("auth-failure"),
	    STR("original-envelope-id")};
	static const struct str returned[] = {STR("message-id"), STR("from"), STR("to"),
	    STR("return-path"), STR("x-hmxmroriginalrecipient")};
	struct header_field f;
	char value[1024];

	(void)remote_complainant(r, value);
	printf("%s", value);
	for (size_t i = 0; i < countof(fields); i++) {
		(void)remote_arf(r, fields[i], value, sizeof value);
		printf("\t%s", value);
	}
	for (size_t i = 0; i < countof(returned); i++) {
		value[0] = '\0';
		if (header_find(r->returned, returned[i], &f))
			(void)header_unfold(f.value, value, sizeof value);
		printf("\t%s", value);
	}
	putchar('\n');
}

int
score_report(int argc, char **argv)
{
	static const struct remote_rcpt unnamed;
	struct classifier *c = argc < 2 ? NULL : score_rules(argv[1]);
	struct remote_report r;
	struct buf b;

	if (c == NULL)
		return 2;

	buf_init(&b, 64u << 20);
	for (int i = 2; i < argc; i++) {
		if (!read_file(argv[i], &b))
			return 1;
		remote_read(&r, buf_str(&b));
		printf("%s\n%s\t%s\t%zu", argv[i], remote_kind_name(r.kind),
		    remote_format_name(r.format), r.returned.len);
		print_verdict(c, &r, &unnamed);
		printf("\n");
		print_line(buf_str(&r.human));
		if (r.kind == REMOTE_COMPLAINT)
			print_complaint(&r);
		for (size_t k = 0; k < r.n_rcpts; k++)
			print_rcpt(c, &r, &r.rcpts[k]);
		printf("\n");
		remote_clear(&r);
	}
	buf_clear(&b);
	classifier_free(&c);
	return 0;
}
