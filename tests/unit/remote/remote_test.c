/* Reports of many makes, of our own writing: what kind they are, whom they are about, and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/remote/remote.h"

#define DSN_HEAD                                                                                   \
	"From: MAILER-DAEMON@mx.example\nTo: s@sender.example\nSubject: Undelivered Mail\n"        \
	"Content-Type: multipart/report; report-type=delivery-status; "                            \
	"boundary=b\n\n--b\n\nSorry.\n--b\n"                                                       \
	"Content-Type: message/delivery-status\n\nReporting-MTA: dns; "                            \
	"mx.example\nOriginal-Envelope-Id: e1\n\n"

static const char failed[] =
    DSN_HEAD "Final-Recipient: rfc822; <r@far.example>\nOriginal-Recipient: "
	     "rfc822;R@far.example\nAction: Failed (really)\n"
	     "Status: 5.0.0 (no)\nRemote-MTA: dns; in.far.example (192.0.2.1)\nDiagnostic-Code: "
	     "smtp; 550 5.1.1\n no such user\n\n"
	     "Final-Recipient: rfc822; two@far.example\nAction: failed\nStatus: "
	     "4.2.2\n\n--b\nContent-Type: message/rfc822\n\n"
	     "Message-ID: <m@x>\n\nbody\n--b--\n";
static const char delayed[] =
    DSN_HEAD "Final-Recipient: rfc822; r@far.example\nAction: delayed\nStatus: 4.4.1\n\n--b--\n";
static const char relayed[] =
    DSN_HEAD "Final-Recipient: rfc822; r@far.example\nAction: relayed\nStatus: 2.1.9\n\n--b--\n";
static const char mdn[] =
    "From: r@far.example\nContent-Type: multipart/report; report-type=disposition-notification; "
    "boundary=b\n\n--b\n\nYour mail could not be delivered, no, it was read: user unknown\n--b--\n";
static const char qmail[] = "From: MAILER-DAEMON@q.example\nTo: s@sender.example\nSubject: failure "
			    "notice\nReturn-Path: <>\n\n"
			    "Hi. This is the qmail-send program at q.example.\nI'm afraid I wasn't "
			    "able to deliver your message.\n\n"
			    "<r@far.example>:\n192.0.2.9 does not like recipient.\nRemote host "
			    "said: 550 5.1.1 no mailbox here\n\n"
			    "--- Below this line is a copy of the message.\n\nReturn-Path: "
			    "<s@sender.example>\nReceived: from a by b\n"
			    "Message-ID: <m@x>\nSubject: to x@y.example\n\nbody\n";
static const char exim[] =
    "From: Mail Delivery System <Mailer-Daemon@e.example>\nTo: s@sender.example\nSubject: Mail "
    "delivery failed\n"
    "Auto-Submitted: auto-replied\nX-Failed-Recipients: r@far.example,\n\ttwo@far.example\n\n"
    "This message was created automatically by mail delivery software.\n\n  r@far.example\n"
    "    host in.far.example [192.0.2.1]: 552 5.2.2 mailbox full\n  two@far.example\n    "
    "Unrouteable address\n";
static const char transcript[] =
    "From: postmaster@o.example\nSubject: Returned mail\nReturn-Path: <>\n\n   ----- Transcript of "
    "session follows -----\n"
    ">>> RCPT To:<r@far.example>\n<<< 550 gone\n550 <r@far.example>... User unknown\n";
static const char sentence[] = "From: postmaster@o.example\nTo: s@sender.example\nSubject: "
			       "Delivery failure\nReturn-Path: <>\n\n"
			       "Your mail was not delivered to the mailbox of r@far.example "
			       "because it is full.\nPlease contact help@o.example.\n";
static const char untyped[] =
    "From: postmaster@o.example\nSubject: Delivery failure\n\nReport:\nReporting-MTA: dns; "
    "o.example\n\n"
    "Final-Recipient: rfc822; r@far.example\nAction: failed\nStatus: 5.2.1\n";
static const char vacation[] =
    "From: r@far.example\nTo: s@sender.example\nSubject: Re: hello\nAuto-Submitted: "
    "auto-replied\n\n"
    "I am away. Mail to my account cannot be delivered, the mailbox is full.\n";
static const char friendly[] = "From: friend@far.example\nTo: s@sender.example\nSubject: "
			       "delivery\n\nThe parcel for r@far.example was not delivered.\n";
static const char challenge[] =
    DSN_HEAD "Final-Recipient: rfc822; r@far.example\nAction: failed\nStatus: 5.7.1\n"
	     "Diagnostic-Code: smtp; 550 your server requires confirmation, see x\n\n--b--\n";
static const char arf[] = "From: fbl@far.example\nContent-Type: multipart/report; "
			  "report-type=feedback-report; boundary=b\n\n--b\n\ntext\n--b\n"
			  "Content-Type: message/feedback-report\n\nFeedback-Type: "
			  "abuse\nUser-Agent: X/1\nOriginal-Rcpt-To: <a@far.example>\n"
			  "Original-Rcpt-To: b@far.example\n\n--b\nContent-Type: "
			  "message/rfc822\n\nTo: c@far.example\n\nx\n--b--\n";
static const char jmrp[] = "From: staff@far.example\nSubject: complaint about message from "
			   "192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n"
			   "--b\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: "
			   "a@far.example\nTo: c@far.example\n\nx\n--b--\n";

static const struct {
	const char *message;
	enum remote_kind kind;
	enum remote_format format;
	const char *rcpts; /* "address code enh diag|" */
} rows[] = {
    {failed, REMOTE_BOUNCE, REMOTE_DSN,
	"r@far.example 550 5.1.1 550 5.1.1 no such user|two@far.example 0 4.2.2 |"},
    {delayed, REMOTE_DELAYED, REMOTE_DSN, "r@far.example 0 4.4.1 |"},
    {relayed, REMOTE_DELIVERED, REMOTE_DSN, "r@far.example 0 2.1.9 |"},
    {mdn, REMOTE_MDN, REMOTE_DSN, ""},
    {qmail, REMOTE_BOUNCE, REMOTE_QMAIL,
	"r@far.example 550 5.1.1 192.0.2.9 does not like recipient. Remote host said: 550 5.1.1 no "
	"mailbox here|"},
    {exim, REMOTE_BOUNCE, REMOTE_EXIM,
	"r@far.example 552 5.2.2 host in.far.example [192.0.2.1]: 552 5.2.2 mailbox "
	"full|two@far.example 0 0.0.0 Unrouteable address|"},
    {transcript, REMOTE_BOUNCE, REMOTE_TEXT,
	"r@far.example 550 0.0.0 550 <r@far.example>... User unknown|"},
    {sentence, REMOTE_BOUNCE, REMOTE_TEXT,
	"r@far.example 0 0.0.0 Your mail was not delivered to the mailbox of r@far.example because "
	"it is full. "
	"Please contact help@o.example.|"},
    {untyped, REMOTE_BOUNCE, REMOTE_DSN, "r@far.example 0 5.2.1 |"},
    {vacation, REMOTE_AUTOREPLY, REMOTE_DSN, ""},
    {friendly, REMOTE_NONE, REMOTE_DSN, ""},
    {challenge, REMOTE_AUTOREPLY, REMOTE_DSN,
	"r@far.example 550 5.7.1 550 your server requires confirmation, see x|"},
    {arf, REMOTE_COMPLAINT, REMOTE_ARF, ""},
    {jmrp, REMOTE_COMPLAINT, REMOTE_JMRP, ""},
    {"", REMOTE_NONE, REMOTE_DSN, ""},
};

static void
each_report_is_read(void **state)
{
	struct remote_report r;
	struct buf b;

	for (size_t i = 0; i < countof(rows); i++) {
		buf_init(&b, 4096);
		remote_read(&r, str_of(rows[i].message));
		for (size_t k = 0; k < r.n_rcpts; k++) {
			const struct remote_rcpt *rc = &r.rcpts[k];
			(void)buf_addf(&b, "%s %u %u.%u.%u %s|", rc->final, rc->code, rc->enh[0],
			    rc->enh[1], rc->enh[2], rc->diag);
		}
		if (r.kind != rows[i].kind || r.format != rows[i].format)
			fail_msg("row %zu: %s, %s", i, remote_kind_name(r.kind),
			    remote_format_name(r.format));
		assert_string_equal(buf_cstr(&b), rows[i].rcpts);
		buf_clear(&b);
		remote_clear(&r);
	}
}

static void
the_fields_are_kept_as_they_came(void **state)
{
	struct remote_report r;

	remote_read(&r, str_of(failed));
	assert_string_equal(r.reporting_mta, "mx.example");
	assert_string_equal(r.envid, "e1");
	assert_string_equal(r.rcpts[0].original, "R@far.example");
	assert_string_equal(r.rcpts[0].action, "failed");
	assert_string_equal(r.rcpts[0].mta, "in.far.example");
	assert_true(
	    str_eq(remote_raw(&r, &r.rcpts[0], FIELD_FINAL), STR("rfc822; <r@far.example>")));
	assert_true(
	    str_eq(remote_raw(&r, &r.rcpts[1], FIELD_REPORTING_MTA), STR("dns; mx.example")));
	assert_int_equal(remote_raw(&r, &r.rcpts[1], FIELD_DIAG).len, 0);
	assert_true(str_has_prefix(r.returned, STR("Message-ID: <m@x>")));
	remote_clear(&r);
}

static void
what_is_returned_is_found_in_the_text(void **state)
{
	struct remote_report r;

	remote_read(&r, str_of(qmail));
	assert_true(str_has_prefix(r.returned, STR("Return-Path: <s@sender.example>\n")));
	remote_clear(&r);
}

static void
a_complaint_names_who_complained(void **state)
{
	struct remote_report r;
	char text[REMOTE_ADDRESS];

	remote_read(&r, str_of(arf));
	assert_true(remote_arf(&r, STR("feedback-type"), text, sizeof text) > 0);
	assert_string_equal(text, "abuse");
	assert_true(remote_complainant(&r, text) > 0);
	assert_string_equal(text, "a@far.example,b@far.example");
	assert_int_equal(remote_arf(&r, STR("incidents"), text, sizeof text), 0);
	remote_clear(&r);
	remote_read(&r, str_of(jmrp));
	assert_true(remote_complainant(&r, text) > 0);
	assert_string_equal(text, "a@far.example");
	remote_clear(&r);
}

static void
recipients_are_bounded(void **state)
{
	struct remote_report r;
	struct buf b;

	buf_init(&b, 1 << 20);
	(void)buf_add_cstr(&b, "Content-Type: message/delivery-status\n\n");
	for (int i = 0; i < 5000; i++)
		(void)buf_addf(&b, "Final-Recipient: rfc822; r%d@x.example\nAction: failed\n\n", i);
	remote_read(&r, buf_str(&b));
	assert_int_equal(r.n_rcpts, REMOTE_MAX_RCPTS);
	assert_string_equal(r.rcpts[REMOTE_MAX_RCPTS - 1].final, "r999@x.example");
	remote_clear(&r);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_report_is_read),
	    cmocka_unit_test(the_fields_are_kept_as_they_came),
	    cmocka_unit_test(what_is_returned_is_found_in_the_text),
	    cmocka_unit_test(a_complaint_names_who_complained),
	    cmocka_unit_test(recipients_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
