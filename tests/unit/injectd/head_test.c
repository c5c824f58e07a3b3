#include "tests/unit/injectd/rig.h"

#define VMTAS                                                                                      \
	"<virtual-mta v1>\n</virtual-mta>\n<virtual-mta v2>\nsmtp-source-host 127.0.0.1 "          \
	"v2.test\n</virtual-mta>\n"                                                                \
	"<virtual-mta-pool p1>\nvirtual-mta v1\nvirtual-mta v2\n</virtual-mta-pool>\n"

/* one message from a client whose <source> says `settings`; its replies' last code */
static void
send_message(const char *settings, const char *content, const char *code)
{
	char *conf = xasprintf(
	    "%s\n<source 0/0>\nalways-allow-relaying yes\n%s\n</source>\n", VMTAS, settings);
	char *codes = xasprintf("354 %s", code);

	rig_new(conf);
	rig_upto_rcpt();
	rig_say("DATA\r\n");
	rig_say(content);
	rig_expect("\r\n.\r\n", codes);
	free(conf);
	free(codes);
}

static const struct {
	const char *name, *settings, *head, *code, *vmta, *pool, *job, *envid;
	const char *gone; /* must not be in what is stored; NULL: nothing */
	const char *kept;
} rows[] = {
    {"honoured", "process-x-virtual-mta yes\nprocess-x-job yes\nprocess-x-envid yes",
	"x-virtual-mta: v1\r\nX-JOB:\r\n j1\r\nx-envid: e1", "250", "v1", "", "j1", "e1", "v1",
	NULL},
    {"not honoured, and removed", "", "x-virtual-mta: v1\r\nx-job: j\r\nx-envid: e", "250", "", "",
	"", "", "x-", NULL},
    {"retained",
	"process-x-virtual-mta yes\nretain-x-virtual-mta yes\nprocess-x-job yes\nretain-x-job yes",
	"x-virtual-mta: v1\r\nx-job: j1", "250", "v1", "", "j1", "", NULL,
	"x-virtual-mta: v1\r\nx-job: j1\r\n"},
    {"pool", "process-x-virtual-mta yes", "X-VirtualMTA: P1", "250", "", "p1", "", "", "P1", NULL},
    {"binding", "process-x-virtual-mta yes", "X-Binding: v2", "250", "v2", "", "", "", "inding",
	NULL},
    {"first of two", "process-x-virtual-mta yes", "x-virtual-mta: v1\r\nx-virtual-mta: v2", "250",
	"v1", "", "", "", "v2", NULL},
    {"unknown is refused", "process-x-virtual-mta yes", "x-virtual-mta: nobody", "554", NULL},
    {"unknown is let in",
	"process-x-virtual-mta yes\nreject-invalid-virtual-mta no\ndefault-virtual-mta v2",
	"x-virtual-mta: nobody", "250", "v2", "", "", "", NULL, NULL},
    {"empty is refused", "process-x-virtual-mta yes", "x-virtual-mta:", "554", NULL},
    {"empty is allowed",
	"process-x-virtual-mta yes\nallow-empty-x-virtual-mta yes\ndefault-virtual-mta v1",
	"x-virtual-mta: ", "250", "v1", "", "", "", NULL, NULL},
    {"default", "default-virtual-mta p1", "a: b", "250", "", "p1", "", "", NULL, NULL},
    {"by address", "default-virtual-mta by-smtp-source-ip", "a: b", "250", "v2", "", "", "", NULL,
	NULL},
    {"added", "add-x-virtual-mta-header yes\ndefault-virtual-mta v1", "a: b", "250", "v1", "", "",
	"", NULL, "x-virtual-mta: v1\r\na: b\r\n"},
    {"jobid-header", "jobid-header X-Campaign", "X-Campaign: c1", "250", "", "", "c1", "", NULL,
	"X-Campaign: c1"},
    {"Date added", "add-date-header yes", "a: b", "250", "", "", "", "", NULL, "\r\nDate: "},
    {"Date kept", "add-date-header yes", "date: x", "250", "", "", "", "", "Date:", "date: x"},
    {"Date replaced", "add-date-header override", "a: b\r\ndate: x\r\n y", "250", "", "", "", "",
	" y", "Date: "},
    {"Message-ID added", "add-message-id-header yes", "a: b", "250", "", "", "", "", NULL,
	"Message-ID: <0000000000000001@mx.test>\r\n"},
    {"no Received", "add-received-header no", "a: b", "250", "", "", "", "", "Received", "a: b"},
    {"client hidden", "hide-message-source yes", "a: b", "250", "", "", "", "", "192.0.2.7",
	"Received: by mx.test "},
    {"one recipient is named", "", "a: b", "250", "", "", "", "", NULL,
	"\r\n\tfor <b@rcpt.test>;\r\n\t"},
    {"Received removed", "remove-received-headers yes", "received: old\r\n x\r\na: b", "250", "",
	"", "", "", "old", "a: b"},
    {"blank before colon", "process-x-job yes", "x-job : j9", "250", "", "", "j9", "", "j9", NULL},
};

static void
check_row(size_t i)
{
	const struct rig_msg *m = &rig.msg[0];

	if (rows[i].vmta == NULL) {
		assert_int_equal(rig.n_msgs, 0);
		return;
	}
	assert_int_equal(rig.n_msgs, 1);
	if (!str_eq(m->e.vmta, str_of(rows[i].vmta)) || !str_eq(m->e.pool, str_of(rows[i].pool)) ||
	    !str_eq(m->e.job, str_of(rows[i].job)) || !str_eq(m->e.envid, str_of(rows[i].envid)))
		fail_msg("%s: %s", rows[i].name, m->env);
	if (rows[i].gone != NULL && strstr(m->text, rows[i].gone) != NULL)
		fail_msg("%s: still there: %s", rows[i].name, m->text);
	if (rows[i].kept != NULL && strstr(m->text, rows[i].kept) == NULL)
		fail_msg("%s: not there: %s", rows[i].name, m->text);
	assert_true(str_has_suffix(str_of(m->text), STR("\r\n\r\nbody\r\n")));
}

static void
the_source_says_what_becomes_of_header_fields(void **state)
{
	for (size_t i = 0; i < countof(rows); i++) {
		char *content = xasprintf("%s\r\n\r\nbody", rows[i].head);
		send_message(rows[i].settings, content, rows[i].code);
		check_row(i);
		rig_free();
		free(content);
	}
}

/* what follows our fields is byte for byte what came */
static const struct {
	const char *content, *border;
} texts[] = {
    {"a: b\r\n\r\nbody\r\n", "\r\n"},
    {"\r\nbody\r\n", "\r\n"},
    {"no header\r\n..x\r\n", "\r\n\r\n"},
    {"From a@b Mon Jan 1\r\nSubject: x\r\n\r\nb\r\n", "\r\nX-Mailbox-Line: "},
    {"Subject: x\r\nbroken line\r\n\r\nb\r\n", "\r\n"},
    {" folded first\r\n\r\nb\r\n", "\r\n\r\n"},
    {"only: header\r\n", "\r\n"},
};

static void
what_passes_is_not_changed(void **state)
{
	for (size_t i = 0; i < countof(texts); i++) {
		char *tail = xasprintf("%s%s", texts[i].border, texts[i].content);
		rig_new(RIG_RELAY);
		rig.piece = i % 4;
		rig_upto_rcpt();
		rig_say("DATA\r\n");
		rig_say(texts[i].content);
		rig_expect(".\r\n", "354 250");
		if (!str_has_suffix(str_of(rig.msg[0].text), str_of(tail)))
			fail_msg("%s\nbecame\n%s", texts[i].content, rig.msg[0].text);
		rig_free();
		free(tail);
	}
}

static void
hops_are_counted_in_the_header_only(void **state)
{
	send_message("max-message-hops 3",
	    "Received: 1\r\nReceived: 2\r\n\r\nReceived: 3\r\nReceived: 4", "250");
	rig_free();
	send_message(
	    "max-message-hops 3", "Received: 1\r\nReceived: 2\r\nreceived : 3\r\n\r\nb", "554");
	assert_int_equal(rig.n_msgs, 0);
	rig_free();
}

static void
limits_of_size_are_kept(void **state)
{
	static char block[64 * 1024];

	memset(block, 'x', sizeof block);
	for (size_t i = 0; i + 64 <= sizeof block; i += 64)
		memcpy(block + i, "X-Field: ..", 11), memcpy(block + i + 62, "\r\n", 2);
	/* a header section of 320 KB; the session goes on */
	rig_new(RIG_RELAY);
	rig_upto_rcpt();
	rig_say("DATA\r\n");
	for (int i = 0; i < 5; i++)
		rig_send(str_from(block, sizeof block));
	rig_expect("\r\n.\r\nNOOP\r\n", "354 552 250");
	rig_free();
	/* a large message is written as it comes */
	rig_new(RIG_RELAY);
	rig_upto_rcpt();
	rig_say("DATA\r\na:\r\n\r\n");
	for (int i = 0; i < 64; i++)
		rig_send(str_from(block, sizeof block));
	rig_expect(".\r\nNOOP\r\n", "354 250 250");
	assert_true(rig.msg[0].is_large && rig.msg[0].text_len > 64 * sizeof block);
	rig_free();
	/* and taken back when it passes the limit */
	rig_new("<source 0/0>\nalways-allow-relaying yes\nmax-message-size 2M\n</source>\n");
	rig_upto_rcpt();
	rig_say("DATA\r\na:\r\n\r\n");
	for (int i = 0; i < 40; i++)
		rig_send(str_from(block, sizeof block));
	rig_expect(".\r\nNOOP\r\n", "354 552 250");
	assert_int_equal(rig.n_aborted, 1);
	rig_free();
	/* of a chunk each octet counts once */
	for (int i = 0; i < 2; i++) {
		char big[8 * 1024 + 64];
		int n = 8 * 1024 - 6 + i,
		    head = snprintf(big, sizeof big, "BDAT %d LAST\r\na:\r\n\r\n", n + 6);
		rig_new(
		    "<source 0/0>\nalways-allow-relaying yes\nmax-message-size 8K\n</source>\n");
		rig_upto_rcpt();
		for (int k = 0; k < n; k++)
			big[head + k] = "\n\rx"[PH_MIN((n - 1 - k) % 64, 2)];
		rig_send(str_from(big, (size_t)head + (size_t)n));
		rig_expect("NOOP\r\n", i == 0 ? "250 250" : "552 250");
		rig_free();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_source_says_what_becomes_of_header_fields),
	    cmocka_unit_test(what_passes_is_not_changed),
	    cmocka_unit_test(hops_are_counted_in_the_header_only),
	    cmocka_unit_test(limits_of_size_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
