/* A queue's settings as numbers: defaults, what "unlimited" and 0 mean, lists of times, and how long they live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "queued/policy.h"

static struct conf *conf;

/* the settings of a.test under these lines of <domain a.test> */
static const struct policy *
policy_with(const char *lines)
{
	char path[] = "/tmp/policy-test-XXXXXX";
	struct conf_messages m = {0};
	int fd = mkstemp(path);

	policy_forget_all();
	conf_free(&conf);
	assert_true(fd != -1);
	dprintf(fd,
	    "host-name mx.test\nspool /tmp\nlog-file /dev/null\n<domain a.test>\n%s\n</domain>\n",
	    lines);
	close(fd);
	conf = conf_load(path, &m);
	unlink(path);
	assert_non_null(conf);
	conf_messages_clear(&m);
	return policy_of(conf_queue(conf, STR("a.test"), STR_NULL));
}

static void
defaults_are_those_of_the_table(void **state)
{
	const struct policy *p = policy_with("");

	assert_int_equal(p->max_out, 20);
	assert_int_equal(p->n_retry_after, 1);
	assert_int_equal(p->retry_after_ms[0], 10 * 60 * 1000);
	assert_int_equal(p->bounce_after_ms, INT64_C(4) * 86400 * 1000 + INT64_C(12) * 3600 * 1000);
	assert_int_equal(p->port, 25);
	assert_int_equal(p->no_acct, 0);
	assert_false(p->discard || p->hold || p->is_unsupported || p->reroutes);
	assert_null(p->patterns);
}

static void
no_limit_has_two_spellings(void **state)
{
	const struct policy *p = policy_with("max-msg-per-connection unlimited\n"
					     "max-rcpt-per-transaction unlimited\n");

	assert_int_equal(p->max_msg_per_conn, 0);
	/* a transaction has a bound of its own */
	assert_int_equal(p->max_rcpt_per_txn, 1000);
	p = policy_with("max-msg-per-connection 0\nmax-rcpt-per-transaction 4000000\n"
			"max-smtp-out unlimited\n");
	assert_int_equal(p->max_msg_per_conn, 0);
	assert_int_equal(p->max_rcpt_per_txn, 4000);
	assert_int_equal(p->max_out, UINT32_MAX);
}

static void
lists_of_times_keep_their_order_and_their_end(void **state)
{
	char lines[600] = "retry-after 1s", *end = lines + 14;
	const struct policy *p = policy_with("retry-after 5m, 10m, 1h\nretry-multiplier 1.25\n");

	assert_int_equal(p->n_retry_after, 3);
	assert_int_equal(p->retry_after_ms[1], 600 * 1000);
	assert_int_equal(p->retry_after_ms[2], 3600 * 1000);
	assert_int_equal(p->retry_multiplier, 1250);
	for (int i = 2; i <= POLICY_MAX_RETRIES; i++)
		end += snprintf(end, 20, ", %ds", i);
	p = policy_with(lines);
	assert_int_equal(p->n_retry_after, POLICY_MAX_RETRIES);
	assert_int_equal(p->retry_after_ms[POLICY_MAX_RETRIES - 1], POLICY_MAX_RETRIES * 1000);
}

static void
records_are_disabled_one_by_one(void **state)
{
	const struct policy *p = policy_with("disable-acct-records t, TQ\n");

	assert_int_equal(p->no_acct, 1 << ACCT_TRANSIENT | 1 << ACCT_QUEUE);
}

static void
mail_without_mx_bounces_at_once_never_or_after_a_time(void **state)
{
	assert_int_equal(policy_with("bounce-upon-no-mx yes\n")->bounce_no_mx_ms, 0);
	assert_int_equal(policy_with("bounce-upon-no-mx no\n")->bounce_no_mx_ms, CONF_NEVER);
	assert_int_equal(policy_with("bounce-upon-no-mx 4h\n")->bounce_no_mx_ms, 4 * 3600 * 1000);
}

static void
queues_of_one_set_share_their_policy(void **state)
{
	const struct policy *p = policy_with("max-smtp-out 3\n");

	assert_ptr_equal(p, policy_of(conf_queue(conf, STR("a.test"), STR_NULL)));
	assert_ptr_not_equal(p, policy_of(conf_queue(conf, STR("b.test"), STR_NULL)));
	assert_ptr_equal(policy_of(conf_queue(conf, STR("b.test"), STR_NULL)),
	    policy_of(conf_queue(conf, STR("c.test"), STR_NULL)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_are_those_of_the_table),
	    cmocka_unit_test(no_limit_has_two_spellings),
	    cmocka_unit_test(lists_of_times_keep_their_order_and_their_end),
	    cmocka_unit_test(records_are_disabled_one_by_one),
	    cmocka_unit_test(mail_without_mx_bounces_at_once_never_or_after_a_time),
	    cmocka_unit_test(queues_of_one_set_share_their_policy),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	policy_forget_all();
	conf_free(&conf);
	return failed;
}
