/* What becomes of each line: honoured, translated into what, not applicable and why, wrong and how. */
#include "tests/unit/conf/help.h"

#include <unistd.h>

#include "lib/conf/lines.h"

/* one statement a line; what follows the first few is in order */
static const struct {
	const char *text; /* the line */
	enum conf_fate fate;
	const char *why;   /* NULL: whatever it says */
	const char *shown; /* NULL: the text as it is; "": nothing is shown for it */
} rows[] = {
    {"log-file /tmp/log", CONF_FATE_HONOURED, "", NULL},
    {"spool /tmp/spool", CONF_FATE_TRANSLATED, "<spool DIRECTORY>", NULL},
    {"run-as-root no", CONF_FATE_NOT_APPLICABLE, "each daemon has a user of its own", NULL},
    {"smtp-client-threads 200", CONF_FATE_TRANSLATED, "total-max-smtp-out 200", NULL},
    {"smtp-smarthost-port 26", CONF_FATE_TRANSLATED, "default-smtp-port 26 in <domain *>", NULL},
    {"# a comment", CONF_FATE_HONOURED, "", ""},
    {"total-max-smtp-in 100 # another", CONF_FATE_HONOURED, "", "total-max-smtp-in 100"},
    {"host-nam a.example", CONF_FATE_WRONG,
	"unknown directive \"host-nam\"; did you mean \"host-name\"?", NULL},
    {"<domain *>", CONF_FATE_HONOURED, "", NULL},
    {"\tmax-smtp-out many", CONF_FATE_WRONG, NULL, "max-smtp-out many"},
    {"\tMax-Smtp-Out 5", CONF_FATE_HONOURED, "", "Max-Smtp-Out 5"},
    {"\tauth-password secret", CONF_FATE_HONOURED, "", "auth-password ********"},
    {"\tmax-msg-per-hour 500", CONF_FATE_TRANSLATED, "max-msg-rate 500/h", "max-msg-per-hour 500"},
    {"\troute virtual-mta-pool v", CONF_FATE_TRANSLATED, "virtual-mta-pool POOL",
	"route virtual-mta-pool v"},
    {"\tdk-sign yes", CONF_FATE_NOT_APPLICABLE, "obsolete: use dkim-sign", "dk-sign yes"},
    {"</domain>", CONF_FATE_HONOURED, "", ""},
    {"<virtual-mta name=\"v\">", CONF_FATE_HONOURED, "", NULL},
    {"<smtp-source-host>127.0.0.9 name=\"a.example\"</smtp-source-host>", CONF_FATE_TRANSLATED,
	"smtp-source-host 127.0.0.9 \"a.example\"",
	"smtp-source-host 127.0.0.9 name=\"a.example\""},
    {"<max-smtp-out>5</max-smtp-out>", CONF_FATE_HONOURED, "", "max-smtp-out 5"},
    {"</virtual-mta>", CONF_FATE_HONOURED, "", ""},
    {"<signals>", CONF_FATE_NOT_APPLICABLE, "the vendor's service is not used", NULL},
    {"\tof-a-later-version yes", CONF_FATE_NOT_APPLICABLE, "the vendor's service is not used",
	"of-a-later-version yes"},
    {"</signals>", CONF_FATE_HONOURED, "", ""},
    {"<unheard-of>", CONF_FATE_WRONG, NULL, NULL},
    {"\tany thing", CONF_FATE_WRONG, "in a block that is wrong", "any thing"},
    {"</unheard-of>", CONF_FATE_HONOURED, "", ""},
    {"alias a@example.com b@example.com", CONF_FATE_TRANSLATED,
	"alias a@example.com b@example.com in <aliases>", NULL},
    {"backoff-mode-max-msg-rate 5", CONF_FATE_WRONG,
	"unknown directive \"backoff-mode-max-msg-rate\"; did you mean "
	"\"backoff-max-msg-rate\" in <domain>?",
	NULL},
    {"<acct-file /tmp/a.csv>", CONF_FATE_HONOURED, "", NULL},
    {"record-fields d rcptt,header_x", CONF_FATE_HONOURED,
	"record-fields: there is no field \"rcptt\", did you mean \"rcpt\"?; its column stays "
	"empty",
	NULL},
    {"record-fields b *,dlvSize,!rcpt", CONF_FATE_HONOURED,
	"record-fields: records b have no dlvSize; the column stays empty", NULL},
    {"</acct-file>", CONF_FATE_HONOURED, "", ""},
    {"<smtp-user u>", CONF_FATE_HONOURED, NULL, NULL},
    {"\tpassword hidden", CONF_FATE_HONOURED, "", "password ********"},
    {"</smtp-user>", CONF_FATE_HONOURED, "", ""},
};

static char *
write_file(void)
{
	char *path = xstrdup("/tmp/conf-lines-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	for (size_t i = 0; i < countof(rows); i++)
		assert_true(dprintf(fd, "%s\n", rows[i].text) > 0);
	close(fd);
	return path;
}

static void
check_row(size_t i, const struct conf_line *line)
{
	const char *shown = rows[i].shown == NULL ? rows[i].text : rows[i].shown;

	if (line->fate != rows[i].fate || strcmp(line->text, shown) != 0 ||
	    (rows[i].why != NULL && strcmp(line->why, rows[i].why) != 0))
		fail_msg("line %zu \"%s\": %s: \"%s\": \"%s\"", i + 1, rows[i].text,
		    conf_fate_name(line->fate), line->text, line->why);
}

static void
every_line_is_told_with_what_became_of_it(void **state)
{
	char *path = write_file();
	struct conf_messages m;
	struct conf_lines lines;
	size_t k = 0;

	assert_null(conf_load_lines(path, true, &m, &lines));
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].shown != NULL && rows[i].shown[0] == '\0')
			continue;
		while (k < lines.n && lines.list[k].line < i + 1)
			k++;
		assert_true(k < lines.n && lines.list[k].line == i + 1);
		assert_string_equal(lines.list[k].file, path);
		check_row(i, &lines.list[k++]);
	}
	assert_int_equal(k, lines.n);
	conf_lines_clear(&lines);
	conf_messages_clear(&m);
	unlink(path);
	free(path);
}

static void
what_is_missing_has_a_line_of_its_own(void **state)
{
	struct conf_messages m;
	struct conf_lines lines;

	assert_null(conf_load_lines("/dev/null", false, &m, &lines));
	assert_int_equal(lines.n, 2);
	assert_int_equal(lines.list[0].fate, CONF_FATE_WRONG);
	assert_string_equal(lines.list[0].text, "");
	conf_lines_clear(&lines);
	conf_messages_clear(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_line_is_told_with_what_became_of_it),
	    cmocka_unit_test(what_is_missing_has_a_line_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
