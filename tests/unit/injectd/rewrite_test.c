#include <time.h>

#include "tests/unit/injectd/rig.h"

/* one message from <a@sender.test> to <b@rcpt.test>; the envelope's text must have `env`, what is stored `text` */
static const struct {
	const char *name, *global, *settings, *mail, *head, *code;
	const char *env, *no_env, *text, *no_text;
} rows[] = {
    {"windows are kept", "", "process-x-schedule yes", "",
	"x-schedule: 2030-01-02 00:00:00 / 2030-01-02 01:00:00, 2030-01-01 00:00:00 / 2030-01-01 "
	"01:00:00",
	"250", "windows: 1893456000-1893459600,1893542400-1893546000\n", NULL, NULL, "x-schedule"},
    {"not honoured, and removed", "", "", "",
	"X-Schedule: 2030-01-02 00:00:00 / 2030-01-02 01:00:00", "250", NULL, "windows", NULL,
	"x-schedule"},
    {"retained", "", "process-x-schedule yes\nretain-x-schedule yes", "",
	"x-schedule: 2030-01-02 00:00:00 / 2030-01-02 01:00:00", "250", "windows: ", NULL,
	"x-schedule: ", NULL},
    {"malformed windows refuse", "", "process-x-schedule yes", "", "x-schedule: tomorrow", "554"},
    {"the prefix of a job", "", "process-x-job yes\njobid-prefix p-", "", "x-job: 1", "250",
	"job: p-1\n", NULL, NULL, NULL},
    {"no job, no prefix", "", "process-x-job yes\njobid-prefix p-", "", "a: b", "250", NULL,
	"job:", NULL, NULL},
    {"nobody authenticated", "", "process-x-job yes\njobid-prefix {auth}-", "", "x-job: 1", "250",
	"job: -1\n", NULL, NULL, NULL},
    {"fields to leave out", "", "remove-header X-One, X-Two", "", "X-One: 1", "250",
	"remove: X-One,X-Two\n", NULL, "X-One: 1", NULL},
    {"Date at delivery", "", "add-date-header yes\ndate-header-time delivery", "", "a: b", "250",
	"date-late: yes\n", NULL, NULL, "Date: "},
    {"Date is there", "", "add-date-header yes\ndate-header-time delivery", "", "Date: x", "250",
	NULL, "date-late", "Date: x", NULL},
    {"Date replaced at delivery", "", "add-date-header override\ndate-header-time delivery", "",
	"Date: x", "250", "date-late: yes\n", NULL, NULL, "Date: "},
    {"headers", "", "dsn-return-default headers", "", "a: b", "250", "ret: hdrs\n", NULL, NULL,
	NULL},
    {"full", "", "dsn-return-default full", "", "a: b", "250", "ret: full\n", NULL, NULL, NULL},
    {"the client's RET counts", "", "dsn-return-default full", " RET=HDRS", "a: b", "250",
	"ret: hdrs\n", NULL, NULL, NULL},
    {"VERP as asked for", "", "", " VERP", "a: b", "250", "verp: yes\n", NULL, NULL, NULL},
    {"VERP by default", "", "verp-default yes", "", "a: b", "250", "verp: yes\n", NULL, NULL, NULL},
    {"no VERP", "", "", "", "a: b", "250", NULL, "verp", NULL, NULL},
    {"a copy", "", "bcc archive@own.test", "", "a: b", "250", "rcpts: 00000002\n", NULL,
	"for <b@rcpt.test>", "archive"},
    {"a copy without reports", "", "bcc archive@own.test", "", "a: b", "250",
	"rcpt: archive@own.test notify=never\n", NULL, NULL, NULL},
    {"an alias", "<aliases>\nalias b@rcpt.test c@x.test, d@y.test\n</aliases>\n", "", "", "a: b",
	"250", "rcpt: c@x.test\nrcpt: d@y.test\n", "b@rcpt.test", "for <b@rcpt.test>", NULL},
    {"an alias of an alias",
	"<aliases>\nalias b@rcpt.test c@x.test\nalias c@x.test e@z.test\n</aliases>\n", "", "",
	"a: b", "250", "rcpt: e@z.test\n", "c@x", NULL, NULL},
    {"a copy for himself", "<aliases>\nalias B@rcpt.test b@rcpt.test, c@x.test\n</aliases>\n", "",
	"", "a: b", "250", "rcpt: b@rcpt.test\nrcpt: c@x.test\n", NULL, NULL, NULL},
    {"aliases in a circle end",
	"<aliases>\nalias b@rcpt.test c@x.test\nalias c@x.test "
	"b@rcpt.test\n</aliases>\n",
	"", "", "a: b", "250", "rcpts: 00000001\n", NULL, NULL, NULL},
    {"a whole domain", "alias *@rcpt.test all@x.test\n", "", "", "a: b", "250",
	"rcpt: all@x.test\n", NULL, NULL, NULL},
    {"a local part is for our own domains", "alias b other@x.test\n", "", "", "a: b", "250",
	"rcpt: b@rcpt.test\n", NULL, NULL, NULL},
    {"aliases come behind the choice",
	"alias b@rcpt.test c@x.test\n<virtual-mta v1>\n</virtual-mta>\n<pattern-list "
	"L>\nrcpt-to /^b@rcpt/ virtual-mta=v1\n</pattern-list>\n",
	"pattern-list L", "", "a: b", "250", "vmta: v1\n", "b@rcpt", NULL, NULL},
    {"a sender rewritten", "<rewrite-list r>\nmail-from a@* bounce@*\n</rewrite-list>\n",
	"rewrite-list r", "", "a: b", "250", "sender: bounce@sender.test\n", NULL, NULL, NULL},
    {"a sender's domain", "<rewrite-list r>\nmail-from *@sender.test *@new.test\n</rewrite-list>\n",
	"rewrite-list r", "", "a: b", "250", "sender: a@new.test\n", NULL, NULL, NULL},
    {"any sender", "<rewrite-list r>\nmail-from *@* all@new.test\n</rewrite-list>\n",
	"rewrite-list r", "", "a: b", "250", "sender: all@new.test\n", NULL, NULL, NULL},
    {"to the null sender", "<rewrite-list r>\nmail-from a@sender.test <>\n</rewrite-list>\n",
	"rewrite-list r", "", "a: b", "250", "sender: \n", NULL, NULL, NULL},
    {"the first line that applies",
	"<rewrite-list r>\nmail-from <> x@x.test\nmail-from a@other.test y@x.test\nmail-from *@* "
	"z@x.test\nmail-from a@sender.test w@x.test\n</rewrite-list>\n",
	"rewrite-list r", "", "a: b", "250", "sender: z@x.test\n", NULL, NULL, NULL},
    {"From's domain", "<rewrite-list r>\nfrom-domain [*.]old.test new.test\n</rewrite-list>\n",
	"rewrite-list r", "", "From: \"x@old.test\" <a@mail.old.test>,\r\n b@other.test", "250",
	NULL, NULL, "From: \"x@old.test\" <a@new.test>,\r\n b@other.test\r\n", NULL},
};

static void
envelope_and_header_become_what_the_source_says(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		char *conf =
		    xasprintf("%s\n<source 0/0>\nalways-allow-relaying yes\n%s\n</source>\n",
			rows[i].global, rows[i].settings);
		char *mail = xasprintf("EHLO client.test\r\nMAIL FROM:<a@sender.test>%s\r\n"
				       "RCPT TO:<b@rcpt.test>\r\nDATA\r\n%s\r\n\r\nbody\r\n.\r\n",
		    rows[i].mail, rows[i].head);
		char *codes = xasprintf("220 250 250 250 354 %s", rows[i].code);
		const struct rig_msg *m = &rig.msg[0];
		rig_new(conf);
		rig_expect(mail, codes);
		assert_int_equal(rig.n_msgs, rows[i].code[0] == '2');
		if (rows[i].env != NULL && strstr(m->env, rows[i].env) == NULL)
			fail_msg("%s: not in %s", rows[i].name, m->env);
		if (rows[i].no_env != NULL && strstr(m->env, rows[i].no_env) != NULL)
			fail_msg("%s: in %s", rows[i].name, m->env);
		if (rows[i].text != NULL && strstr(m->text, rows[i].text) == NULL)
			fail_msg("%s: not in %s", rows[i].name, m->text);
		if (rows[i].no_text != NULL && strcasestr(m->text, rows[i].no_text) != NULL)
			fail_msg("%s: in %s", rows[i].name, m->text);
		rig_free();
		free(conf);
		free(mail);
		free(codes);
	}
}

static void
mail_to_our_own_postmaster_goes_to_persons(void **state)
{
	rig_new(RIG_RELAY
	    "host-name second.test\nalias sales@mx.test one@x.test\nalias info two@x.test\n");
	rig_expect(
	    "EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<postmaster>\r\nRCPT "
	    "TO:<abuse@second.test>\r\nRCPT TO:<info@second.test>\r\nRCPT TO:<Sales@MX.test>\r\n"
	    "RCPT TO:<postmaster@other.test>\r\nDATA\r\na: b\r\n\r\n.\r\n",
	    "220 250 250 250 250 250 250 250 354 250");
	if (strstr(rig.msg[0].env, "rcpt: you@mx.test\nrcpt: you@mx.test\nrcpt: two@x.test\nrcpt: "
				   "one@x.test\nrcpt: postmaster@other.test\n") == NULL)
		fail_msg("%s", rig.msg[0].env);
	rig_free();
}

static void
what_is_no_address_is_accepted_to_be_bounced(void **state)
{
	rig_new(
	    "<source 0/0>\nalways-allow-relaying yes\naccept-invalid-recipients yes\n</source>\n");
	rig_expect("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<a b@x.test>\r\nRCPT TO:c@@d\r\n"
		   "RCPT TO:<.>@x.test>\r\nRCPT TO:<>\r\nRCPT TO:<good@x.test>\r\n"
		   "RCPT TO:<good@x.test> BAD=1\r\nDATA\r\na: b\r\n\r\n.\r\n",
	    "220 250 250 250 250 250 250 250 555 354 250");
	if (strstr(rig.msg[0].env,
		"rcpt: a%20b@x.test invalid\nrcpt: c@@d invalid\nrcpt: .>@x.test invalid\n"
		"rcpt: <> invalid\nrcpt: good@x.test\n") == NULL)
		fail_msg("%s", rig.msg[0].env);
	rig_free();
	rig_new("<source 0/0>\nalways-allow-relaying yes\n</source>\n");
	rig_upto_rcpt();
	rig_expect("RCPT TO:<a b@x.test>\r\n", "501");
	rig_free();
	/* not from those who may not relay */
	rig_new("<source 0/0>\naccept-invalid-recipients yes\n</source>\n");
	rig_expect("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<a b@x.test>\r\n", "220 250 250 501");
	rig_free();
}

static const struct {
	const char *text, *says;
} bad[] = {
    {"<rewrite-list r>\nmail-from a b@c.test\n</rewrite-list>", "\"a\" is not an e-mail address"},
    {"<rewrite-list r>\nmail-from a*@b.test c@d.test\n</rewrite-list>", "\"a*@b.test\" is not"},
    {"<rewrite-list r>\nmail-from a@b.test *@*\n</rewrite-list>", "\"*@*\" is not"},
    {"<rewrite-list r>\nmail-from <> *@b.test\n</rewrite-list>", "nothing that * could"},
    {"<rewrite-list r>\nmail-from a@b.test \xc3\xa4@b.test\n</rewrite-list>", "ASCII"},
    {"<rewrite-list r>\nfrom-domain a.test b>c\n</rewrite-list>", "is not a domain"},
    {"alias a*@b.test c@d.test", "is not ADDRESS, USER or *@DOMAIN"},
    {"alias a nowhere", "is not an e-mail address"},
};

static void
lists_that_cannot_work_are_refused(void **state)
{
	for (size_t i = 0; i < countof(bad); i++)
		rig_refuses(bad[i].text, bad[i].says);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(envelope_and_header_become_what_the_source_says),
	    cmocka_unit_test(mail_to_our_own_postmaster_goes_to_persons),
	    cmocka_unit_test(what_is_no_address_is_accepted_to_be_bounced),
	    cmocka_unit_test(lists_that_cannot_work_are_refused),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
