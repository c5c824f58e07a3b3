#include "lib/conf/choice.h"
#include "tests/unit/injectd/rig.h"

#define VMTAS                                                                                      \
	"<virtual-mta v1>\n</virtual-mta>\n<virtual-mta v2>\n</virtual-mta>\n<virtual-mta v3>\n"   \
	"</virtual-mta>\n<virtual-mta-pool p1>\nvirtual-mta v1\n</virtual-mta-pool>\n"

/* of mail from a@sender.test to b@rcpt.test and c@other.test, whose <source> has pattern-list L */
static const struct {
	const char *name, *list, *settings, *head, *vmta, *pool;
	int priority;
} rows[] = {
    {"nothing matches", "header X-Type /bulk/ virtual-mta=v1", "", "X-Type: transactional", "", "",
	50},
    {"a field", "header x-traffic-type /transactional/ virtual-mta=v2", "",
	"X-Traffic-Type: Transactional", "v2", "", 50},
    {"a pool", "header X-Type /./ virtual-mta=p1", "", "X-Type: a", "", "p1", 50},
    {"the raw value", "header X-Type /^ a\\r\\n b\\r\\n$/ virtual-mta=v1", "", "X-Type: a\r\n b",
	"v1", "", 50},
    {"the second field of the name", "header X-Type /second/ virtual-mta=v1", "",
	"X-Type: first\r\nX-Type: second", "v1", "", 50},
    {"the first rule", "* virtual-mta=v1\nmail-from /./ virtual-mta=v2", "", "a: b", "v1", "", 50},
    {"the order of the file over kinds",
	"rcpt-to /nobody/ virtual-mta=v1\nmail-from /sender/ virtual-mta=v2\nheader a /b/ "
	"virtual-mta=v3",
	"", "a: b", "v2", "", 50},
    {"the sender", "mail-from /^a@sender\\.test$/ virtual-mta=v1", "", "a: b", "v1", "", 50},
    {"the sender in brackets", "mail-from /^<a@sender\\.test>$/ virtual-mta=v1", "", "a: b", "v1",
	"", 50},
    {"the first of the recipients", "rcpt-to /^b@rcpt/ virtual-mta=v1", "", "a: b", "v1", "", 50},
    {"any of the recipients", "rcpt-to /@other\\.test$/ virtual-mta=v1", "", "a: b", "v1", "", 50},
    {"a priority alone", "* recipient-priority=90", "", "a: b", "", "", 90},
    {"a priority and the default", "* recipient-priority=0", "default-virtual-mta v2", "a: b", "v2",
	"", 0},
    {"both", "* virtual-mta=v1, recipient-priority=70", "", "a: b", "v1", "", 70},
    {"it wins over the default", "* virtual-mta=v1", "default-virtual-mta v2", "a: b", "v1", "",
	50},
    {"the field that names one wins over it", "* virtual-mta=v1,recipient-priority=60",
	"process-x-virtual-mta yes", "x-virtual-mta: v3", "v3", "", 60},
    {"an empty field does not", "* virtual-mta=v1",
	"process-x-virtual-mta yes\nallow-empty-x-virtual-mta yes", "x-virtual-mta:", "v1", "", 50},
    {"an inner list",
	"mail-from /sender/ <pattern-list>\nheader a /x/ virtual-mta=v1\nheader a /b/ "
	"virtual-mta=v2\n</pattern-list>\n* virtual-mta=v3",
	"", "a: b", "v2", "", 50},
    {"nothing in the inner list",
	"mail-from /sender/ <pattern-list>\nheader a /x/ virtual-mta=v1\n</pattern-list>\n* "
	"virtual-mta=v3",
	"", "a: b", "v3", "", 50},
    {"a list that is called", "mail-from /sender/ recipient-priority=20, call-to: M", "", "a: b",
	"v2", "", 20},
    {"what was called leaves open", "mail-from /sender/ virtual-mta=v3, call-to: M", "", "c: d",
	"v3", "", 50},
    {"the nameless default", "* virtual-mta={default}", "default-virtual-mta v2", "a: b", "", "",
	50},
};

static void
the_first_rule_that_applies_decides(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		char *conf = xasprintf(VMTAS
		    "<pattern-list M>\nheader a /b/ virtual-mta=v2\n</pattern-list>\n"
		    "<pattern-list L>\n%s\n</pattern-list>\n<source 0/0>\nalways-allow-relaying "
		    "yes\npattern-list L\n%s\n</source>\n",
		    rows[i].list, rows[i].settings);
		const struct envelope *e = &rig.msg[0].e;
		rig_new(conf);
		rig_upto_rcpt();
		rig_say("RCPT TO:<c@other.test>\r\nDATA\r\n");
		rig_say(rows[i].head);
		rig_expect("\r\n\r\nbody\r\n.\r\n", "250 354 250");
		if (!str_eq(e->vmta, str_of(rows[i].vmta)) ||
		    !str_eq(e->pool, str_of(rows[i].pool)) || e->priority != rows[i].priority)
			fail_msg("%s: %s", rows[i].name, rig.msg[0].env);
		rig_free();
		free(conf);
	}
}

/* written as a snapshot and read again, rules of different kinds keep their order */
static void
the_order_outlives_a_snapshot(void **state)
{
	struct conf *c = rig_load(VMTAS "<pattern-list L>\n* virtual-mta=v1\nmail-from /a/ "
					"virtual-mta=v2\nheader b /c/ virtual-mta=v3\n* "
					"virtual-mta=p1\n</pattern-list>\n");
	struct conf_messages m = {0};
	int fd = conf_snapshot(c);
	struct conf *again = conf_load_fd(fd, &m);
	const struct choice_list *l;

	assert_non_null(again);
	l = conf_choice_list(again, STR("l"));
	assert_int_equal(l->n, 4);
	assert_true(str_eq(l->rules[0].vmta, STR("v1")) && str_eq(l->rules[1].vmta, STR("v2")) &&
		    str_eq(l->rules[2].vmta, STR("v3")) && str_eq(l->rules[3].vmta, STR("p1")));
	conf_free(&c);
	conf_free(&again);
	conf_messages_clear(&m);
	close(fd);
}

static const struct {
	const char *list, *says;
} bad[] = {
    {"* virtual-mta=nobody", "there is no <virtual-mta nobody>"},
    {"* call-to: nobody", "there is no <pattern-list nobody>"},
    {"* call-to: L", "circle"},
    {"mail-from /(/ virtual-mta=v1", "at byte 1 of the pattern"},
    {"* recipient-priority=101", "recipient-priority=0-100"},
    {"rcpt-to /x/", "argument missing"},
};

static void
lists_that_cannot_work_are_refused(void **state)
{
	char lines[512];

	for (size_t i = 0; i < countof(bad); i++) {
		snprintf(lines, sizeof lines, VMTAS "<pattern-list L>\n%s\n</pattern-list>",
		    bad[i].list);
		rig_refuses(lines, bad[i].says);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_rule_that_applies_decides),
	    cmocka_unit_test(the_order_outlives_a_snapshot),
	    cmocka_unit_test(lists_that_cannot_work_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
