/* The informal spelling: what each form means, said in the formal one. */
#include "tests/unit/conf/help.h"

#include <errno.h>
#include <unistd.h>

static const struct {
	const char *where, *directive; /* as in the table, up to its first blank or more */
	const char *in, *out;	       /* out: lines that the canonical text holds */
} forms[] = {
    {"global", "license FILE", "license /etc/pmta/license", "license /etc/pmta/license"},
    {"global", "log-rotate-size SIZE", "log-rotate-size 200M", "log-rotate-size 200M"},
    {"global", "log-rotate-count N", "log-rotate-count 10", "log-rotate 10"},
    {"global", "max-queue-size SIZE", "max-queue-size 500M", "max-queue-size 500M"},
    {"global", "smtp-server-threads N", "smtp-server-threads 30", "smtp-server-threads 30"},
    {"global", "smtp-client-threads N", "smtp-client-threads 200", "total-max-smtp-out 200"},
    {"global", "smtp-smarthost-port PORT", "smtp-smarthost-port 587",
	"<domain *>\n\tdefault-smtp-port 587"},
    {"global", "bounce-patterns FILE", "bounce-patterns PATTERNS",
	"<bounce-category-patterns>\n\t/x y/ other\n\t// bad-mailbox\n</bounce-category-patterns>"},
    {"global", "bounce-pipe \"COMMAND\"", "bounce-pipe \"/usr/bin/x --y\"",
	"<acct-file |/usr/bin/x --y>\n\trecords b, rb"},
    {"<virtual-mta name=\"X\">", "attributes", "<virtual-mta name=\"x\">\n</virtual-mta>",
	"<virtual-mta x>\n"},
    {"<virtual-mta>", "smtp-source-ip IP",
	"<virtual-mta x>\nsmtp-source-ip 127.0.0.9\n</virtual-mta>",
	"<virtual-mta x>\n\tsmtp-source-host 127.0.0.9\n"},
    {"<virtual-mta>", "ehlo-hostname NAME",
	"<virtual-mta x>\nehlo-hostname a.example\n</virtual-mta>", "\thost-name a.example"},
    {"<virtual-mta>", "<smtp-source-host>IP name=\"NAME\"</smtp-source-host>",
	"<virtual-mta x>\n<smtp-source-host>127.0.0.9 "
	"name=\"a.example\"</smtp-source-host>\n</virtual-mta>",
	"\tsmtp-source-host 127.0.0.9 a.example"},
    {"<virtual-mta>", "<domain-key name=\"SEL\" domain=\"D\" path=\"FILE\"/>",
	"<virtual-mta x>\n<domain-key name=\"s\" domain=\"d.example\" "
	"path=\"/k\"/>\n</virtual-mta>",
	"\tdomain-key s,d.example,/k"},
    {"<virtual-mta>", "max-msg-rate N/u", "<virtual-mta x>\nmax-msg-rate 200/h\n</virtual-mta>",
	"\tmax-smtp-msg-rate 200/h"},
    {"<virtual-mta>", "smtp-retries-after-shutoff N",
	"<virtual-mta x>\nsmtp-retries-after-shutoff 5\n</virtual-mta>",
	"\tsmtp-retries-after-shutoff 5"},
    {"<virtual-mta>", "<bounce-handling>",
	"<virtual-mta x>\n<bounce-handling>\n<response match=\"5.1.1\" action=\"delete\" "
	"log-only=\"no\"/>\n"
	"<response match=\"4.*\" action=\"retry\" "
	"retry-after=\"1h\"/>\n</bounce-handling>\n</virtual-mta>",
	"\t<bounce-handling>\n\t\tresponse match=5.1.1 action=delete log-only=no\n"
	"\t\tresponse match=4.* action=retry retry-after=1h\n\t</bounce-handling>\n"},
    {"<virtual-mta-pool>", "virtual-mta NAME [weight=N]",
	"<virtual-mta x>\n</virtual-mta>\n<virtual-mta-pool p>\nvirtual-mta x "
	"weight=3\n</virtual-mta-pool>",
	"\tvirtual-mta x weight=3"},
    {"<domain A B C>", "several patterns",
	"<domain a.example b.example c.example>\nmax-smtp-out 5\n</domain>",
	"<domain a.example b.example c.example>\n\tmax-smtp-out 5"},
    {"<domain>", "max-conn-rate N/u", "<domain a.example>\nmax-conn-rate 5/m\n</domain>",
	"\tmax-connect-rate 5/m"},
    {"<domain>", "retry-after CODE",
	"<domain a.example>\nretry-after 421 4.7.0 TS01 60m\nretry-after 5m, 1h\n</domain>",
	"\tretry-after 421 4.7.0 TS01 60m\n\tretry-after 5m, 1h"},
    {"<domain>", "max-smtp-retries N", "<domain a.example>\nmax-smtp-retries 5\n</domain>",
	"\tmax-smtp-retries 5"},
    {"<domain>", "expire-after TIME", "<domain a.example>\nexpire-after 2d\n</domain>",
	"\tbounce-after 2d"},
    {"<domain>", "hold-domain yes", "<domain a.example>\nhold-domain yes\n</domain>",
	"\thold-domain yes"},
    {"<domain>", "route HOST | virtual-mta-pool POOL",
	"<virtual-mta x>\n</virtual-mta>\n<domain a.example>\nroute mx.example\nvirtual-mta-pool "
	"x\n</domain>",
	"\tsmtp-hosts mx.example\n\tvirtual-mta-pool x"},
    {"<domain>", "smtp-pattern-list NAME \"TEXT\"",
	"<domain a.example>\nsmtp-pattern-list b \"421 4.7.0\"\n</domain>",
	"\tsmtp-pattern-list b \"421 4.7.0\""},
    {"<smtp-pattern-list>", "<smtp-pattern response=",
	"<domain a.example>\n<smtp-pattern-list name=\"l\">\n"
	"<smtp-pattern response=\"421*\" action=\"defer\" "
	"period=\"60s\"/>\n</smtp-pattern-list>\n</domain>",
	"<domain a.example>\n\tsmtp-pattern-list l\n</domain>\n<smtp-pattern-list l>\n"
	"\tsmtp-pattern response=421* action=defer period=60s\n</smtp-pattern-list>\n"},
    {"<domain>, <virtual-mta>", "dkim-sign KEYFILE DOMAIN SELECTOR [CANON]",
	"<domain a.example>\ndkim-sign /k d.example s relaxed/simple\n</domain>\n"
	"<virtual-mta x>\ndkim-sign /k d.example s\n</virtual-mta>",
	"\tdkim-sign /k d.example s relaxed/simple\n"},
    {"<dkim>", "domain, selector,",
	"<dkim>\ndomain d.example\nselector mail\nprivate-key-file /k\nheader-list "
	"from:to:subject\n"
	"canonicalization relaxed/simple\nsign-hash sha256\n</dkim>",
	"<dkim>\n\tdomain d.example\n\tselector mail\n\tprivate-key-file /k\n\theader-list "
	"from:to:subject\n"
	"\tcanonicalization relaxed/simple\n\tsign-hash sha256\n</dkim>"},
    {"global", "dkim-key-directory DIR", "dkim-key-directory /keys", "dkim-key-directory /keys"},
    {"<domain-key SEL._domainkey.DOMAIN>", "type,",
	"<domain-key mail._domainkey.d.example>\ntype DK\nprivate-key /k\ndomain "
	"d.example\nselector mail\n</domain-key>",
	"<domain-key mail._domainkey.d.example>\n\ttype DK\n\tprivate-key /k\n\tdomain "
	"d.example\n\tselector mail\n"},
    {"<bounce-action>", "type permanent",
	"<bounce-action>\ntype transient\nmatch quota-issues bad-connection\naction "
	"retry\nretry-after 4h\nmax-tries 3\n"
	"</bounce-action>",
	"<bounce-action>\n\ttype transient\n\tmatch quota-issues\n\tmatch bad-connection\n\taction "
	"retry\n"
	"\tretry-after 4h\n\tmax-tries 3\n"},
    {"<smtp-server>", "allow-unencrypted-plain yes",
	"<smtp-server>\nallow-unencrypted-plain yes\n</smtp-server>",
	"<source 127/8>\n\tallow-unencrypted-plain-auth yes\n"},
    {"<smtp-server>", "max-smtp-in N", "<smtp-server>\nmax-smtp-in 50\n</smtp-server>",
	"total-max-smtp-in 50\n"},
    {"<source>", "relay yes", "<source 127.0.0.1/8>\nrelay yes\n</source>",
	"<source 127.0.0.1/8>\n\talways-allow-relaying yes\n"},
    {"<http>", "port,",
	"<http>\nport 8081\naddress 127.0.0.1\nenable-config-editing yes\naccess-file "
	"/a.json\n</http>",
	"http-mgmt-port 8081\n"},
    {"<fbl>", "address,",
	"<virtual-mta "
	"v>\n</virtual-mta>\n<fbl>\n<address>fbl@d.example</address>\n<virtual-mta>v</"
	"virtual-mta>\n"
	"<handler type=\"pipe\" command=\"/bin/x y\"/>\n</fbl>",
	"<fbl>\n\taddress fbl@d.example\n\tvirtual-mta v\n\thandler type=pipe command=\"/bin/x "
	"y\"\n</fbl>"},
    {"<acct-file>", "record-fields d a,b,c",
	"<acct-file /a.csv>\nrecords feedback-loop,delivery\nrecord-fields delivery orig, "
	"rcpt\n</acct-file>",
	"\trecords f, d\n\trecord-fields d orig,rcpt\n"},
    {"global", "acct-smtp-file, acct-smtp-format",
	"acct-smtp-format timeLogged,orig\nacct-smtp-file /a/smtp.csv",
	"<acct-file /a/smtp.csv>\n\trecords d, b, t\n\trecord-fields d "
	"timeLogged,orig\n\trecord-fields b "
	"timeLogged,orig\n\trecord-fields t timeLogged,orig\n</acct-file>"},
    {"<smtp-listener>", "virtual-mta-pool NAME",
	"<virtual-mta x>\n</virtual-mta>\n<smtp-listener 0/0:2525>\nvirtual-mta-pool "
	"x\n</smtp-listener>",
	"<smtp-listener 0.0.0.0:2525>\n\tvirtual-mta x\n"},
    {"header", "X-Binding", NULL, NULL}, /* no matter of the configuration */
    {"<acct-file /DIR/NAME.csv>", "file naming", NULL, NULL},
    {"<source *>", "name", "<source *>\nrelay no\n</source>",
	"<source 0/0>\n\talways-allow-relaying no\n"},
    {"global", "comments", "host-id 5 # five\n<!-- host-id 6\nhost-id 7 -->", "host-id 5\n"},
    {"XML-like", "<directive>value</directive>",
	"<host-id>7</host-id>\n<domain "
	"name=\"a.example\"><max-smtp-out>3</max-smtp-out>\nbounce-after 1d</domain>",
	"<domain a.example>\n\tmax-smtp-out 3\n\tbounce-after 1d\n</domain>"},
    {"XML-like", "<directive>value</directive>",
	"<domain "
	"name=\"a.example\"><max-smtp-out>3</max-smtp-out><bounce-after>1d</"
	"bounce-after>\nretry-after 1m\n</domain>",
	"<domain a.example>\n\tmax-smtp-out 3\n\tbounce-after 1d\n\tretry-after 1m\n</domain>"},
    {"global", "dnsbl-zone ZONE", "dnsbl-zone bl.example every=30m\ndnsbl-action hold",
	"dnsbl-zone bl.example every=30m\ndnsbl-action hold\n"},
};

/* A file with patterns; the caller removes it. */
static char *
patterns_file(void)
{
	char *path = xstrdup("/tmp/conf-dialect-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "/x y/ other\n//bad-mailbox # all\n", 32), 32);
	close(fd);
	return path;
}

static void
check_form(size_t i, const char *file)
{
	const char *mark = strstr(forms[i].in, "PATTERNS");
	char *body, *text;
	struct conf *c;

	if (mark != NULL)
		body = xasprintf("%.*s%s", (int)(mark - forms[i].in), forms[i].in, file);
	else
		body = xstrdup(forms[i].in);
	text = xasprintf("%s%s\n", NEEDED, body);
	c = load_text(text, forms[i].out == NULL);
	if ((c != NULL) != (forms[i].out != NULL))
		fail_msg("%s %s: %s", forms[i].where, forms[i].directive, body);
	free(text);
	free(body);
	if (c == NULL)
		return;
	text = canonical(c);
	if (strstr(text, forms[i].out) == NULL)
		fail_msg("%s %s: \"%s\" is not in:\n%s", forms[i].where, forms[i].directive,
		    forms[i].out, text);
	free(text);
	assert_round_trip(c);
	conf_free(&c);
}

static void
every_form_means_what_the_formal_one_says(void **state)
{
	char *file = patterns_file();

	for (size_t i = 0; i < countof(forms); i++)
		if (forms[i].in != NULL)
			check_form(i, file);
	unlink(file);
	free(file);
}

#define TABLE "../shared/pmta/dialect.tsv"

static bool
is_tested(struct str where, struct str directive)
{
	for (size_t i = 0; i < countof(forms); i++)
		if (str_eq(str_of(forms[i].where), where) &&
		    str_has_prefix(directive, str_of(forms[i].directive)))
			return true;
	return false;
}

static void
every_row_of_the_table_is_tested_here(void **state)
{
	FILE *f = fopen(TABLE, "re");
	char *line = NULL;
	size_t size = 0, n = 0;
	ssize_t len;

	if (f == NULL) {
		print_message("skipped: %s: %s\n", TABLE, strerror(errno));
		skip();
	}
	while ((len = getline(&line, &size, f)) > 0) {
		struct str rest = str_trim(str_from(line, (size_t)len)), where, directive;
		if (!str_next(&rest, '\t', &where) || !str_next(&rest, '\t', &directive) ||
		    str_eq(directive, STR("directive")))
			continue;
		if (!is_tested(where, directive))
			fail_msg("%.*s: %.*s has no test", STR_ARG(where), STR_ARG(directive));
		n++;
	}
	print_message("%zu rows of %s are tested\n", n, TABLE);
	assert_true(n > 40);
	free(line);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_form_means_what_the_formal_one_says),
	    cmocka_unit_test(every_row_of_the_table_is_tested_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
