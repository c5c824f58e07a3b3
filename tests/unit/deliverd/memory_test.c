/* deliverd's memory of results: order, bounds, age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "deliverd/memory.h"

static struct {
	uint64_t ids[4096];
	uint32_t n;
	size_t longest;
} seen;

static void
see(const struct ipc_orphan_result *r, const struct str texts[MEMORY_TEXTS])
{
	char want[32];

	snprintf(want, sizeof want, "reply %llu", (unsigned long long)r->result.id);
	assert_true(str_has_prefix(texts[0], str_of(want)));
	assert_true(str_eq(texts[1], STR("mx.y")));
	assert_int_equal(texts[3].len, 0);
	seen.longest = PH_MAX(seen.longest, texts[0].len);
	seen.ids[seen.n++] = r->result.id;
}

static void
keep(struct memory *m, int64_t at_ms, uint64_t id, size_t reply_len)
{
	struct ipc_orphan_result r = {.result = {.id = id}};
	char reply[1024] = "";
	struct str texts[MEMORY_TEXTS] = {
	    str_from(reply, 0), STR("mx.y"), STR("vmta"), STR(""), STR("")};
	int n = snprintf(reply, sizeof reply, "reply %llu", (unsigned long long)id);

	memset(reply + n, ' ', sizeof reply - (size_t)n);
	texts[0].len = PH_MAX(reply_len, (size_t)n);
	memory_keep(m, (struct mono){at_ms * NS_PER_MS}, &r, texts);
}

/* the newest so many, in order */
static void
expect_last(struct memory *m, int64_t at_ms, uint64_t newest, uint32_t n)
{
	seen.n = 0;
	memory_each(m, (struct mono){at_ms * NS_PER_MS}, see);
	assert_int_equal(seen.n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(seen.ids[i], newest - n + 1 + i);
}

static void
the_oldest_make_room_by_number(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m, 1 << 20, 10);
	expect_last(&m, 0, 0, 0);
	for (uint64_t id = 1; id <= 1000; id++) {
		keep(&m, 0, id, 0);
		expect_last(&m, 0, id, (uint32_t)PH_MIN(id, UINT64_C(10)));
	}
	memory_clear(&m);
}

/* lengths that never fit evenly: every place of the ring is its end once */
static void
the_oldest_make_room_by_bytes(void **state)
{
	struct memory m;
	uint32_t n;

	(void)state;
	memory_init(&m, 4096, 1000);
	for (uint64_t id = 1; id <= 20000; id++) {
		keep(&m, 0, id, id * 37 % 500);
		n = m.n;
		assert_true(id < 7 || n >= 4);
		expect_last(&m, 0, id, n);
	}
	memory_clear(&m);
}

static void
what_is_old_is_forgotten(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m, 1 << 20, 1000);
	keep(&m, 0, 1, 0);
	keep(&m, 1000, 2, 0);
	expect_last(&m, MEMORY_AGE_MS - 1, 2, 2);
	expect_last(&m, MEMORY_AGE_MS, 2, 1);
	keep(&m, MEMORY_AGE_MS + 1000, 3, 0);
	expect_last(&m, MEMORY_AGE_MS + 1000, 3, 1);
	memory_clear(&m);
}

static void
long_replies_are_cut(void **state)
{
	struct memory m;

	(void)state;
	memory_init(&m, 1 << 20, 1000);
	keep(&m, 0, 1, 1000);
	seen.longest = 0;
	expect_last(&m, 0, 1, 1);
	assert_int_equal(seen.longest, MEMORY_MAX_REPLY);
	memory_clear(&m);
}

static void
all_that_queued_may_have_open_fits(void **state)
{
	struct ipc_orphan_result r = {0};
	struct memory m;
	char text[300] = "";
	struct str all = str_from(text, sizeof text);
	struct str texts[MEMORY_TEXTS] = {
	    all, all, all, STR("TLSv1.3"), STR("TLS_CHACHA20_POLY1305_SHA256")};

	(void)state;
	memset(text, 'x', sizeof text);
	memory_init(&m, MEMORY_BYTES, MEMORY_RESULTS);
	for (int i = 0; i < 50000; i++)
		memory_keep(&m, (struct mono){0}, &r, texts);
	assert_true(m.n >= 20000);
	memory_clear(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_oldest_make_room_by_number),
	    cmocka_unit_test(the_oldest_make_room_by_bytes),
	    cmocka_unit_test(what_is_old_is_forgotten),
	    cmocka_unit_test(long_replies_are_cut),
	    cmocka_unit_test(all_that_queued_may_have_open_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
