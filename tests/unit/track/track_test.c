/* What proves that a report is about our mail: made, read again, and nothing that is only like it. */
#include "lib/track/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sodium.h>

static struct track ours, other;

static int
setup(void **state)
{
	uint8_t key[TRACK_KEY] = {1, 2, 3};

	assert_true(sodium_init() != -1);
	track_init(&ours, key);
	key[0] = 9;
	track_init(&other, key);
	return 0;
}

static const struct track_of of = {.id = 0x123456789abcdef0,
    .rcpt = STR("User.Name@example.test"),
    .sender = STR("bounce@ours.test"),
    .job = STR("news-7"),
    .vmta = STR("v1"),
    .envid = STR("E 1")};

static void
a_field_says_what_was_put_in_and_only_to_its_maker(void **state)
{
	struct buf b;
	struct track_of got;
	char text[TRACK_TEXT];
	struct str value;

	buf_init(&b, 4096);
	assert_int_equal(track_seal(&ours, &of, &b), 0);
	assert_true(str_has_prefix(buf_str(&b), STR("X-FBLId: ")));
	assert_true(str_find_str(buf_str(&b), STR("example")) == STR_NPOS);
	for (struct str rest = buf_str(&b), line; str_next(&rest, '\n', &line) && rest.len > 0;)
		assert_true(line.len < 78);
	value = str_skip(buf_str(&b), sizeof "X-FBLId:" - 1);
	assert_true(track_open(&ours, value, &got, text));
	assert_true(got.id == of.id && str_eq(got.rcpt, of.rcpt) && str_eq(got.sender, of.sender));
	assert_true(
	    str_eq(got.job, of.job) && str_eq(got.vmta, of.vmta) && str_eq(got.envid, of.envid));
	assert_false(track_open(&other, value, &got, text));
	for (size_t i = 1; i + 2 < value.len; i++) {
		char *p = b.base + b.head + sizeof "X-FBLId:" - 1 + i, was = *p;
		if (was == ' ' || was == '\r' || was == '\n')
			continue;
		*p = was == 'A' ? 'B' : 'A';
		assert_false(track_open(&ours, value, &got, text));
		*p = was;
		assert_false(track_open(&ours, str_sub(value, 0, i), &got, text));
	}
	buf_clear(&b);
}

static void
texts_beyond_the_bounds_are_cut(void **state)
{
	static char big[5000];
	struct track_of large = {.id = 1}, got;
	char text[TRACK_TEXT];
	struct buf b;

	memset(big, 'x', sizeof big);
	large.rcpt = large.sender = large.job = large.vmta = large.envid =
	    str_from(big, sizeof big);
	buf_init(&b, 8192);
	assert_int_equal(track_seal(&ours, &large, &b), 0);
	assert_true(track_open(&ours, str_skip(buf_str(&b), 8), &got, text));
	assert_int_equal(got.envid.len, 320);
	buf_clear(&b);
}

static void
an_envelope_id_is_for_one_recipient(void **state)
{
	char envid[TRACK_ENVID];

	for (uint64_t id = 1; id != 0; id <<= 1) {
		track_make_envid(&ours, id, of.rcpt, envid);
		assert_true(track_is_envid(&ours, str_of(envid), of.rcpt));
		assert_true(track_is_envid(&ours, str_of(envid), STR("USER.NAME@Example.Test")));
		assert_false(track_is_envid(&ours, str_of(envid), STR("user.other@example.test")));
		assert_false(track_is_envid(&other, str_of(envid), of.rcpt));
	}
	assert_false(track_is_envid(&ours, STR("campaign-1"), of.rcpt));
	assert_false(track_is_envid(&ours, str_of(envid), STR("")));
	envid[10] ^= 1;
	assert_false(track_is_envid(&ours, str_of(envid), of.rcpt));
}

static bool
is_base(void *ctx, struct str sender)
{
	return str_eq(sender, str_of(ctx));
}

static void
senders_name_their_recipients(void **state)
{
	char tag[TRACK_TAG + 1], address[300], base[] = "my-news@ours.test";
	struct track_verp v;

	assert_true(track_read_verp(&ours, STR("my-news-a-b=c.test@ours.test"), is_base, base, &v));
	assert_string_equal(v.sender, base);
	assert_string_equal(v.rcpt, "a-b@c.test");
	assert_false(v.is_ours);
	track_make_tag(&ours, STR("my-news-a-b=c.test"), STR("ours.test"), tag);
	(void)snprintf(address, sizeof address, "MY-news-a-b=c.test=%s@ours.TEST", tag);
	assert_false(track_read_verp(&other, str_of(address), is_base, base, &v));
	assert_false(v.is_ours);
	memcpy(address, "my", 2);
	memcpy(strstr(address, "TEST"), "test", 4);
	assert_true(track_read_verp(&ours, str_of(address), is_base, base, &v));
	assert_string_equal(v.rcpt, "a-b@c.test");
	assert_true(v.is_ours);
	address[8] ^= 2; /* another recipient under the same tag */
	assert_false(track_read_verp(&ours, str_of(address), is_base, base, &v) && v.is_ours);
	assert_false(track_read_verp(&ours, STR("my-news@ours.test"), is_base, base, &v));
	assert_false(track_read_verp(&ours, STR("other-a=b.test@ours.test"), is_base, base, &v));
	assert_false(track_read_verp(&ours, STR("a=b"), is_base, base, &v));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_field_says_what_was_put_in_and_only_to_its_maker),
	    cmocka_unit_test(texts_beyond_the_bounds_are_cut),
	    cmocka_unit_test(an_envelope_id_is_for_one_recipient),
	    cmocka_unit_test(senders_name_their_recipients),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
