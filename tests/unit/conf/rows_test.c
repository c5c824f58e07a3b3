/* Every directive: accepted where it belongs, printed and read again, and every row of the tables we answer for. */
#include "tests/unit/conf/help.h"

#include <errno.h>

#include "lib/conf/parse_int.h"

/* what the directives' arguments refer to */
#define PREAMBLE                                                                                   \
	NEEDED                                                                                     \
	"<virtual-mta v1>\n</virtual-mta>\n"                                                       \
	"<source n1>\n</source>\n<smtp-pattern-list n1>\n</smtp-pattern-list>\n<pattern-list "     \
	"n1>\n</pattern-list>\n"                                                                   \
	"<rewrite-list n1>\n</rewrite-list>\n<address-list n1>\n</address-list>\n<source-group "   \
	"n1>\n</source-group>\n"                                                                   \
	"<proxy n1>\nserver 192.0.2.1:3128\nclient 192.0.2.2 a.example\n</proxy>\n"

static const struct {
	const char *kind, *sample;
} samples[] = {
    {"TEXT", "text"},
    {"NAME", "n1"},
    {"VMTA", "v1"},
    {"HOST", "mail.example.com"},
    {"HOSTPORT", "proxy.example.com:3128"},
    {"DOMAIN", "example.com"},
    {"DOMAINS", "a.example, b.example"},
    {"EMAIL", "a@example.com"},
    {"ADDRESS", "a@example.com"},
    {"IP", "127.0.0.1"},
    {"ADDRPORT", "127.0.0.1"},
    {"SERVER", "192.0.2.1:3128"},
    {"CIDR", "127.0.0.2"},
    {"N", "5"},
    {"PERCENT", "0.5%"},
    {"COUNT", "5"},
    {"WEIGHT", "3"},
    {"CODE", "421"},
    {"FACTOR", "1.5"},
    {"RATE", "100/15m"},
    {"VOLUME", "12M/m"},
    {"TIME", "10m"},
    {"BOOL", "no"},
    {"FILE", "\"/etc/with blank/file\""},
    {"DIR", "/var/dir"},
    {"HEADER", "X-Some"},
    {"WORD", "word"},
    {"CATEGORY", "bad-mailbox"},
    {"APIKEY", "0123456789abcdef0123456789abcdef"},
    {"CANON", "relaxed/simple"},
    {"RECORD", "bounce"},
    {"FILTER", "!example.com/v1"},
    {"REGEX", "/a \"b\" (c|d)/"},
    {"REST", "some \"text\" $with /all"},
    {"FIELDS", "timeLogged, *, !rcpt,header_From"},
    {"TARGETS", "a@example.com, b@example.com"},
    {"KEYSPEC", "sel, example.com, /etc/key.pem"},
    {"RESULT", "virtual-mta=v1, recipient-priority=60"},
    {"ACTIONS", "mode=backoff, disable-source-ip,reenable-after=1h"},
    {"HOSTS", "a.example:2525, [127.0.0.1]:26; lookup-mx:b.example"},
};

static void
add_sample(struct buf *b, struct str kind)
{
	struct str first = str_sub(kind, 0, str_find(kind, '|'));

	for (size_t i = 0; i < countof(samples); i++)
		if (str_eq(str_of(samples[i].kind), first)) {
			buf_add_cstr(b, samples[i].sample);
			return;
		}
	if (first.p[0] >= 'A' && first.p[0] <= 'Z')
		fail_msg("no sample for %.*s", STR_ARG(first));
	buf_add_str(b, first);
}

/* An argument that fits the row's syntax. */
static char *
sample_line(const struct conf_row *row)
{
	struct buf b;
	struct str rest = str_of(row->syntax), kind;
	char *text;

	buf_init(&b, 10000);
	while (str_next_word(&rest, &kind)) {
		size_t eq;
		if (kind.p[0] == '[')
			kind = str_sub(kind, 1, kind.len - 2);
		if (buf_len(&b) > 0)
			buf_add_char(&b, ' ');
		eq = str_find(kind, '=');
		if (eq != STR_NPOS)
			buf_add_str(&b, str_sub(kind, 0, eq + 1));
		add_sample(&b, eq == STR_NPOS ? kind : str_skip(kind, eq + 1));
	}
	text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}

static char *
sample_scalar(const struct conf_row *row)
{
	static const char *const tries[] = {
	    "no", "7", "1", "600", "2048", "10m", "2d", "100/15m", "12M/m", "5m, 10m,1h"};
	struct conf c = {0};
	struct conf_value v = {0};
	struct why why;
	struct str word;
	const char *found = NULL;

	for (size_t i = 0; i < countof(tries) && found == NULL; i++)
		if (conf_value_parse(&c, row, str_of(tries[i]), &v, &why) == 0)
			found = tries[i];
	conf_mem_clear(&c.mem);
	if (found != NULL)
		return xstrdup(found);
	word = str_of(row->syntax);
	return xstrdup_str(str_sub(word, 0, str_find(word, '|')));
}

static char *
sample_value(const struct conf_row *row)
{
	char *one, *two;

	if (row->type == CONF_TYPE_LINE || row->type == CONF_TYPE_STR)
		return row->syntax[0] == '\0' ? xstrdup("text") : sample_line(row);
	if (row->type != CONF_TYPE_LIST && row->type != CONF_TYPE_WORDS)
		return sample_scalar(row);
	one = row->syntax[0] == '\0' ? xstrdup("text") : sample_line(row);
	two = xasprintf("%s%s %s", one, row->type == CONF_TYPE_LIST ? "," : "", one);
	free(one);
	return two;
}

static const struct {
	enum conf_block block;
	const char *name;
} names[] = {
    {CONF_BLOCK_SOURCE, "10.0.0.0/8"},
    {CONF_BLOCK_DOMAIN, "example.com [*.]example.org [10.0.0.0/8]"},
    {CONF_BLOCK_ACCT, "\"|/bin/cat > /tmp/x # y\""},
    {CONF_BLOCK_SPOOL, "/tmp/spool2/"},
    {CONF_BLOCK_LISTENER, "0/0:2525"},
    {CONF_BLOCK_APILISTENER, "127.0.0.1:2526"},
};

static const char *
name_of(enum conf_block b)
{
	for (size_t i = 0; i < countof(names); i++)
		if (names[i].block == b)
			return names[i].name;
	return conf_block_row(b)->naming == CONF_NAME_ONE ? "t1" : "";
}

/* The line in its block, and that in the block it must stand in. */
static char *
in_block(enum conf_block b, const char *line)
{
	const char *tag = conf_block_row(b)->tag,
		   *more = b == CONF_BLOCK_POOL ? "virtual-mta v1\n" : "";
	char *text, *whole;

	if (b == CONF_BLOCK_GLOBAL)
		return xasprintf("%s%s\n", PREAMBLE, line);
	text = xasprintf("<%s %s>\n%s%s\n</%s>\n", tag, name_of(b), more, line, tag);
	if (conf_block_has(CONF_BLOCK_GLOBAL, b))
		whole = xasprintf("%s%s", PREAMBLE, text);
	else
		whole = xasprintf("%s<bounce-processor>\n%s</bounce-processor>\n", PREAMBLE, text);
	free(text);
	return whole;
}

static void
every_directive_is_printed_as_it_was_read(void **state)
{
	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		const struct conf_row *row = conf_row((enum conf_key)k);
		char *value = sample_value(row);
		char *line = xasprintf("%s %s", row->name[0] == '(' ? "" : row->name, value);
		char *text = in_block(row->block, line);
		struct conf *c = load_text(text, false);
		if (c == NULL)
			fail_msg("<%s> %s", conf_block_row(row->block)->tag, line);
		assert_round_trip(c);
		conf_free(&c);
		free(value);
		free(line);
		free(text);
	}
}

static void
every_default_is_printed_as_it_was_read(void **state)
{
	struct conf *c = load_text(PREAMBLE, false);

	assert_non_null(c);
	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		const struct conf_row *row = conf_row((enum conf_key)k);
		const struct conf_set *s = c->empty[row->block];
		char *text = conf_print(s, (enum conf_key)k);
		assert_false(conf_is_set(s, (enum conf_key)k));
		if (row->name[0] != '(')
			assert_true(str_has_prefix(str_of(text), str_of(row->name)));
		free(text);
	}
	conf_free(&c);
}

static void
every_directive_has_a_line_of_help(void **state)
{
	for (unsigned k = 1; k < CONF_N_KEYS; k++)
		assert_true(strlen(conf_row((enum conf_key)k)->help) > 5);
}

static void
the_rows_of_a_block_stand_together(void **state)
{
	struct conf_range r[CONF_N_BLOCKS];

	conf_ranges(r);
	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		enum conf_block b = conf_row((enum conf_key)k)->block;
		assert_true(k >= r[b].first && k < r[b].first + r[b].n);
	}
}

static void
every_other_spelling_sets_its_directive(void **state)
{
	const struct conf_alias *a;

	for (size_t i = 0; (a = conf_alias_at(i)) != NULL; i++) {
		const struct conf_row *row = conf_row(a->key);
		char *value = a->format != NULL ? xstrdup("5") : sample_value(row);
		char *line = xasprintf("%s %s", a->name, value);
		char *text = in_block(a->block, line), *printed;
		struct conf *c = load_text(text, false);
		if (c == NULL)
			fail_msg("%s", line);
		printed = canonical(c);
		if (strstr(printed, row->name) == NULL)
			fail_msg("%s is not in: %s", row->name, printed);
		assert_round_trip(c);
		conf_free(&c);
		free(printed);
		free(value);
		free(line);
		free(text);
	}
}

/* ---- PowerMTA's own list, where it is at hand ---- */

#define LIST "../shared/pmta/directives.tsv"

static bool
is_in_block(struct str block, struct str directive)
{
	enum conf_block b =
	    str_eq(block, STR("global")) ? CONF_BLOCK_GLOBAL : conf_block_find(block);

	if (b == CONF_N_BLOCKS)
		return false;
	return parse_knows(b, directive) || (conf_block_find(directive) != CONF_N_BLOCKS &&
						conf_block_has(b, conf_block_find(directive)));
}

static void
every_directive_of_the_list_is_known(void **state)
{
	FILE *f = fopen(LIST, "re");
	char *line = NULL;
	size_t size = 0, n = 0;
	ssize_t len;

	if (f == NULL) {
		print_message("skipped: %s: %s\n", LIST, strerror(errno));
		skip();
	}
	while ((len = getline(&line, &size, f)) > 0) {
		struct str rest = str_trim(str_from(line, (size_t)len)), area, block, directive;
		if (!str_next(&rest, '\t', &area) || !str_next(&rest, '\t', &block) ||
		    !str_next(&rest, '\t', &directive) || str_eq(area, STR("area")))
			continue;
		if (!is_in_block(block, directive))
			fail_msg("%.*s: %.*s is not known", STR_ARG(block), STR_ARG(directive));
		n++;
	}
	print_message("%zu directives of %s are known\n", n, LIST);
	assert_true(n > 400);
	free(line);
	fclose(f);
}

/* where the list says something in words, or we differ: reserved-smtp-in unlimited would reserve all */
static const char *const other_defaults[] = {"backoff-max-msg-rate", "backoff-max-connect-rate",
    "backoff-max-data-volume-rate", "relay-domain", "reserved-smtp-in", "source-ip-max-msg-rate",
    "source-ip-max-smtp-out", "source-ip-max-connect-rate", "source-ip-max-data-volume-rate",
    "record-fields", "privacy-policy", "dkim-sign", "retry-after"};

static bool
is_default_of_list(const struct conf_row *row, struct str wanted)
{
	struct str ours = str_of(row->dflt);
	bool a, b;

	for (size_t i = 0; i < countof(other_defaults); i++)
		if (strcmp(row->name, other_defaults[i]) == 0)
			return true;
	if (wanted.len == 0) /* it says nothing */
		return true;
	if (conf_parse_bool(wanted, &a) && conf_parse_bool(ours, &b))
		return a == b;
	return str_ieq(ours, str_ieq(wanted, STR("none")) ? STR("") : wanted);
}

static void
check_default(struct str block, struct str directive, struct str wanted)
{
	enum conf_block b =
	    str_eq(block, STR("global")) ? CONF_BLOCK_GLOBAL : conf_block_find(block);
	const struct conf_row *row = conf_row_find(b, directive);

	if (row != NULL && !is_default_of_list(row, wanted))
		fail_msg("%.*s %.*s: default \"%s\", the list has \"%.*s\"", STR_ARG(block),
		    STR_ARG(directive), row->dflt, STR_ARG(wanted));
}

static void
every_default_is_that_of_the_list(void **state)
{
	FILE *f = fopen(LIST, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (f == NULL) {
		print_message("skipped: %s: %s\n", LIST, strerror(errno));
		skip();
	}
	while ((len = getline(&line, &size, f)) > 0) {
		struct str rest = str_from(line, (size_t)len), area, block, directive, dflt;
		if (str_next(&rest, '\t', &area) && str_next(&rest, '\t', &block) &&
		    str_next(&rest, '\t', &directive) && str_next(&rest, '\t', &dflt) &&
		    !str_eq(area, STR("area")))
			check_default(block, directive, str_trim(dflt));
	}
	free(line);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_directive_is_printed_as_it_was_read),
	    cmocka_unit_test(every_default_is_printed_as_it_was_read),
	    cmocka_unit_test(every_directive_has_a_line_of_help),
	    cmocka_unit_test(the_rows_of_a_block_stand_together),
	    cmocka_unit_test(every_other_spelling_sets_its_directive),
	    cmocka_unit_test(every_directive_of_the_list_is_known),
	    cmocka_unit_test(every_default_is_that_of_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
