/*
 * MTA-STS: the first byte chooses what the rest is, a record, a policy or the line that posthttp makes of one. What is
 * taken as a policy can be written and read again, and is the same then.
 */
#include <assert.h>

#include "lib/sts/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sts_policy policy, again;

static void
try_record(struct str in)
{
	char id[STS_MAX_ID + 1];

	if (sts_record_id(in, id))
		assert(strlen(id) > 0 && strlen(id) <= STS_MAX_ID);
}

static void
check_policy(void)
{
	struct buf b;

	buf_init(&b, STS_MAX_PATTERNS + 100);
	assert(policy.mode < STS_MODES && policy.max_age_s <= STS_MAX_AGE_S);
	assert(sts_policy_write(&policy, &b) == 0);
	assert(sts_policy_read(buf_str(&b), &again));
	assert(again.mode == policy.mode && again.max_age_s == policy.max_age_s &&
	       again.patterns_len == policy.patterns_len &&
	       memcmp(again.patterns, policy.patterns, policy.patterns_len) == 0);
	(void)sts_mx_matches(str_from(policy.patterns, policy.patterns_len), STR("a.b.test."));
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size);
	struct why why;

	if (size == 0)
		return 0;
	in = str_skip(in, 1);
	if (data[0] == 'r')
		try_record(in);
	else if (data[0] == 'p' && sts_policy_parse(in, &policy, &why) == 0)
		check_policy();
	else if (data[0] == 'l' && sts_policy_read(in, &policy))
		check_policy();
	return 0;
}
