#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmtactl/audit.h"

static char dir[] = "/tmp/audit-test-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
remove_file(const char *name)
{
	char path[200];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static struct audit_records
records_in(const char *csv)
{
	struct conf_messages m = {0};
	struct audit_records r = {0};
	struct conf *c;
	struct why why;
	char text[1000], path[200];

	snprintf(text, sizeof text,
	    "log-file %s/log\nspool %s/spool\n<acct-file %s/acct.csv>\nrecords d,b\nrecord-fields "
	    "d *,recordId\n"
	    "record-fields b *,recordId\n</acct-file>\n",
	    dir, dir, dir);
	write_file("config", text);
	write_file("acct-2026-11-21-0000.csv", csv);
	snprintf(path, sizeof path, "%s/config", dir);
	c = conf_load(path, &m);
	assert_non_null(c);
	assert_int_equal(audit_records(c, &r, &why), 0);
	conf_messages_clear(&m);
	conf_free(&c);
	remove_file("config");
	remove_file("acct-2026-11-21-0000.csv");
	return r;
}

static void
records_are_counted_once(void **state)
{
	struct audit_records r = records_in("type,recordId\nd,a.0\nd,a.1\nb,b.0\nt,c.0\nd,a.0\n");

	assert_true(r.has_ids);
	assert_int_equal(r.delivered, 2);
	assert_int_equal(r.bounced, 1);
	assert_int_equal(r.repeated, 1);
}

static void
quoted_line_ends_and_commas_are_content(void **state)
{
	struct audit_records r =
	    records_in("type,diag,recordId\nd,\"a, \"\"b\"\"\nd,x,y\n\",a.0\nb,\"\",b.0\n");

	assert_int_equal(r.delivered, 1);
	assert_int_equal(r.bounced, 1);
}

static void
an_incomplete_last_line_is_no_record(void **state)
{
	struct audit_records r = records_in("type,recordId\nd,a.0\nd,a.1");

	assert_int_equal(r.delivered, 1);
	assert_int_equal(records_in("type,recordId\nd,\"a.0\n").delivered, 0);
	assert_false(records_in("").has_ids);
	assert_false(records_in("type,rcpt\nd,x\n").has_ids);
}

static int
make_dir(void **state)
{
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
remove_dir(void **state)
{
	return rmdir(dir);
}

static void
assert_verdict(const struct spool_audit *a, const struct audit_records *r, const char *wanted)
{
	char *text = audit_verdict(a, r, audit_ahead(a, r));

	assert_non_null(strstr(text, wanted));
	free(text);
}

static void
records_that_were_deleted_are_not_missed(void **state)
{
	struct spool_audit a = {.ledger = {.accepted = 10}, .queued = 1};
	struct audit_records r = {
	    .delivered = 3, .bounced = 1, .kept_ms = 8 * INT64_C(86400000), .has_ids = true};

	a.ledger.by_kind[FINAL_DELIVERED] = 7;
	a.ledger.by_kind[FINAL_BOUNCED] = 2;
	assert_false(audit_fits(&a, &r));
	assert_verdict(&a, &r, "NOT BALANCED: the accounting files");
	r.deleted = true;
	assert_true(audit_fits(&a, &r));
	assert_verdict(&a, &r,
	    "Only 4 of 9 final records could be compared: accounting files are deleted after 8 "
	    "days.");
	/* all are there: nothing to say */
	r.delivered = 7;
	r.bounced = 2;
	assert_verdict(&a, &r, "+ 1 queued.");
	/* more than were marked */
	r.delivered = 8;
	assert_int_equal(audit_ahead(&a, &r), 1);
	r.delivered = 20;
	assert_false(audit_fits(&a, &r));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_are_counted_once),
	    cmocka_unit_test(quoted_line_ends_and_commas_are_content),
	    cmocka_unit_test(an_incomplete_last_line_is_no_record),
	    cmocka_unit_test(records_that_were_deleted_are_not_missed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
