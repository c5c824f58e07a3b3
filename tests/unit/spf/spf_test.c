/*
 * RFC 7208 case by case, over a zone in memory: what each mechanism, modifier, macro and limit makes of a sender.
 */
#include "lib/spf/spf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/base/buf.h"

/* Values with '|' between them; "!" fails. What has no row is void. */
static const struct zone_row {
	const char *name;
	enum spf_type type;
	const char *values;
} zone[] = {
    {"plain.test", SPF_TXT, "other text|v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"},
    {"neutral.test", SPF_TXT, "v=spf1 ?all"},
    {"soft.test", SPF_TXT, "v=spf1 ~all"},
    {"empty.test", SPF_TXT, "v=spf1"},
    {"two.test", SPF_TXT, "v=spf1 -all|v=spf1 +all"},
    {"upper.test", SPF_TXT, "V=SPF1 IP4:192.0.2.1 -ALL"},
    {"other.test", SPF_TXT, "v=spf10 +all"},
    {"down.test", SPF_TXT, "!"},
    {"late.test", SPF_TXT, "v=spf1 +all nonsense"},
    {"a.test", SPF_TXT, "v=spf1 a a:host.test/24 -all"},
    {"a.test", SPF_A, "192.0.2.1|192.0.2.2"},
    {"a.test", SPF_AAAA, "2001:db8::1"},
    {"host.test", SPF_A, "198.51.100.7"},
    {"adown.test", SPF_TXT, "v=spf1 a -all"},
    {"adown.test", SPF_A, "!"},
    {"dual.test", SPF_TXT, "v=spf1 a:a.test/30//64 -all"},
    {"mx.test", SPF_TXT, "v=spf1 mx -all"},
    {"mx.test", SPF_MX, "m1.test|m2.test"},
    {"m1.test", SPF_A, "192.0.2.1"},
    {"m2.test", SPF_A, "192.0.2.9"},
    {"manymx.test", SPF_TXT, "v=spf1 mx -all"},
    {"manymx.test", SPF_MX, "a|b|c|d|e|f|g|h|i|j|k"},
    {"ptr.test", SPF_TXT, "v=spf1 ptr -all"},
    {"1.2.0.192.in-addr.arpa", SPF_PTR, "liar.ptr.test|mail.ptr.test"},
    {"liar.ptr.test", SPF_A, "203.0.113.1"},
    {"mail.ptr.test", SPF_A, "192.0.2.1"},
    {"inc.test", SPF_TXT, "v=spf1 include:plain.test ~all"},
    {"incfail.test", SPF_TXT, "v=spf1 -include:plain.test ?all"},
    {"incnone.test", SPF_TXT, "v=spf1 include:nothing.test +all"},
    {"incdown.test", SPF_TXT, "v=spf1 include:down.test +all"},
    {"incbad.test", SPF_TXT, "v=spf1 include:late.test +all"},
    {"red.test", SPF_TXT, "v=spf1 redirect=plain.test"},
    {"redall.test", SPF_TXT, "v=spf1 ?all redirect=plain.test"},
    {"rednone.test", SPF_TXT, "v=spf1 redirect=nothing.test"},
    {"redtwice.test", SPF_TXT, "v=spf1 redirect=plain.test redirect=plain.test"},
    {"loop.test", SPF_TXT, "v=spf1 include:loop.test -all"},
    {"redloop.test", SPF_TXT, "v=spf1 redirect=redloop.test"},
    {"ten.test", SPF_TXT,
	"v=spf1 a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test "
	"a:a.test ?all"},
    {"eleven.test", SPF_TXT,
	"v=spf1 a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test a:a.test "
	"a:a.test "
	"a:a.test ?all"},
    {"void2.test", SPF_TXT, "v=spf1 a:v1.test a:v2.test ?all"},
    {"void3.test", SPF_TXT, "v=spf1 a:v1.test a:v2.test a:v3.test ?all"},
    {"exists.test", SPF_TXT, "v=spf1 exists:%{ir}.%{l1r-}.%{d2}.ok -all"},
    {"1.2.0.192.tom.exists.test.ok", SPF_A, "127.0.0.2"},
    {"macro.test", SPF_TXT, "v=spf1 exists:%{h}.%{o1}.%{v}.%{s}.x.ok -all"},
    {"mta.helo.test.test.in-addr.tom-x@macro.test.x.ok", SPF_A, "127.0.0.2"},
    {"v6.test", SPF_TXT, "v=spf1 exists:%{i}.ok -all"},
    {"2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.ok", SPF_A, "127.0.0.2"},
    {"exp.test", SPF_TXT, "v=spf1 exp=why.%{d} -all"},
    {"why.exp.test", SPF_TXT, "%{c} is not ours, %{L}%%%_at%-%{r}"},
    {"expinc.test", SPF_TXT, "v=spf1 include:exp.test -all"},
    {"unknown.test", SPF_TXT, "v=spf1 future=%{d}.x +all"},
    {"badfuture.test", SPF_TXT, "v=spf1 future=%{z} +all"},
};

struct told {
	struct net_addr addrs[16];
	struct str texts[16];
	struct spf_answer a;
};

static void
tell(struct spf *s, const struct spf_ask *ask)
{
	struct told t = {.a = {.status = SPF_DNS_VOID, .addrs = t.addrs, .texts = t.texts}};
	struct str rest, one;

	for (size_t i = 0; i < countof(zone); i++) {
		if (zone[i].type != ask->type || strcmp(zone[i].name, ask->name) != 0)
			continue;
		t.a.status = zone[i].values[0] == '!' ? SPF_DNS_FAILED : SPF_DNS_FOUND;
		rest = str_of(zone[i].values);
		while (t.a.status == SPF_DNS_FOUND && rest.len > 0 && str_next(&rest, '|', &one)) {
			t.texts[t.a.n] = one;
			if (ask->type == SPF_A || ask->type == SPF_AAAA)
				assert_true(net_addr_parse(one, &t.addrs[t.a.n]));
			t.a.n++;
		}
	}
	spf_tell(s, &t.a);
}

static struct spf *
check(const char *client, const char *sender)
{
	struct spf_query q = {.helo = STR("mta.helo.test"), .sender = str_of(sender)};
	struct spf_ask ask;
	struct spf *s;
	unsigned n = 0;

	q.receiver = STR("rx.test");
	q.max_void = SPF_VOID_LIMIT;
	assert_true(net_addr_parse(str_of(client), &q.client));
	s = spf_new(&q);
	while (spf_next(s, &ask)) {
		assert_true(++n < 200);
		tell(s, &ask);
	}
	return s;
}

static const struct {
	const char *client, *sender;
	enum spf_result result;
} cases[] = {
    {"192.0.2.77", "u@plain.test", SPF_PASS},
    {"192.0.3.1", "u@plain.test", SPF_FAIL},
    {"2001:db8:1::1", "u@plain.test", SPF_PASS},
    {"2001:db9::1", "u@plain.test", SPF_FAIL},
    {"192.0.2.1", "u@neutral.test", SPF_NEUTRAL},
    {"192.0.2.1", "u@soft.test", SPF_SOFTFAIL},
    {"192.0.2.1", "u@empty.test", SPF_NEUTRAL},
    {"192.0.2.1", "u@two.test", SPF_PERMERROR},
    {"192.0.2.1", "u@UPPER.test", SPF_PASS},
    {"192.0.2.1", "u@other.test", SPF_NONE},
    {"192.0.2.1", "u@nothing.test", SPF_NONE},
    {"192.0.2.1", "u@single", SPF_NONE},
    {"192.0.2.1", "u@[192.0.2.1]", SPF_NONE},
    {"192.0.2.1", "", SPF_NONE},
    {"192.0.2.1", "u@down.test", SPF_TEMPERROR},
    {"192.0.2.1", "u@late.test", SPF_PERMERROR},
    {"192.0.2.2", "u@a.test", SPF_PASS},
    {"198.51.100.200", "u@a.test", SPF_PASS},
    {"203.0.113.1", "u@a.test", SPF_FAIL},
    {"2001:db8::1", "u@a.test", SPF_PASS},
    {"192.0.2.1", "u@adown.test", SPF_TEMPERROR},
    {"192.0.2.3", "u@dual.test", SPF_PASS},
    {"192.0.2.4", "u@dual.test", SPF_FAIL},
    {"2001:db8::ffff:1", "u@dual.test", SPF_PASS},
    {"192.0.2.9", "u@mx.test", SPF_PASS},
    {"192.0.2.8", "u@mx.test", SPF_FAIL},
    {"192.0.2.1", "u@manymx.test", SPF_PERMERROR},
    {"192.0.2.1", "u@ptr.test", SPF_PASS},
    {"192.0.2.2", "u@ptr.test", SPF_FAIL},
    {"192.0.2.1", "u@inc.test", SPF_PASS},
    {"192.0.9.1", "u@inc.test", SPF_SOFTFAIL},
    {"192.0.2.1", "u@incfail.test", SPF_FAIL},
    {"192.0.9.1", "u@incfail.test", SPF_NEUTRAL},
    {"192.0.2.1", "u@incnone.test", SPF_PERMERROR},
    {"192.0.2.1", "u@incdown.test", SPF_TEMPERROR},
    {"192.0.2.1", "u@incbad.test", SPF_PERMERROR},
    {"192.0.2.1", "u@red.test", SPF_PASS},
    {"192.0.9.1", "u@red.test", SPF_FAIL},
    {"192.0.2.1", "u@redall.test", SPF_NEUTRAL},
    {"192.0.2.1", "u@rednone.test", SPF_PERMERROR},
    {"192.0.2.1", "u@redtwice.test", SPF_PERMERROR},
    {"192.0.2.1", "u@loop.test", SPF_PERMERROR},
    {"192.0.2.1", "u@redloop.test", SPF_PERMERROR},
    {"203.0.113.1", "u@ten.test", SPF_NEUTRAL},
    {"203.0.113.1", "u@eleven.test", SPF_PERMERROR},
    {"192.0.2.1", "u@void2.test", SPF_NEUTRAL},
    {"192.0.2.1", "u@void3.test", SPF_PERMERROR},
    {"192.0.2.1", "tom-x@exists.test", SPF_PASS},
    {"192.0.2.1", "x-tom@exists.test", SPF_FAIL},
    {"192.0.2.1", "tom-x@macro.test", SPF_PASS},
    {"2001:db8::1", "u@v6.test", SPF_PASS},
    {"192.0.2.1", "u@unknown.test", SPF_PASS},
    {"192.0.2.1", "u@badfuture.test", SPF_PERMERROR},
};

static void
results_are_those_of_the_rfc(void **state)
{
	for (size_t i = 0; i < countof(cases); i++) {
		struct spf *s = check(cases[i].client, cases[i].sender);
		if (spf_result(s) != cases[i].result)
			print_error("%s from %s: %s (%s)\n", cases[i].sender, cases[i].client,
			    spf_result_name(spf_result(s)), spf_reason(s));
		assert_int_equal(spf_result(s), cases[i].result);
		spf_free(&s);
	}
}

static void
a_fail_is_explained_by_the_domain_that_was_asked_first(void **state)
{
	struct spf *s = check("192.0.2.1", "a+b@exp.test");

	assert_string_equal(spf_explanation(s), "192.0.2.1 is not ours, a%2Bb% at%20rx.test");
	spf_free(&s);
	s = check("192.0.2.1", "u@expinc.test");
	assert_int_equal(spf_result(s), SPF_FAIL);
	assert_string_equal(spf_explanation(s), "");
	spf_free(&s);
}

static void
the_reason_is_what_decided(void **state)
{
	struct spf *s = check("192.0.2.1", "u@inc.test");

	assert_string_equal(spf_reason(s), "ip4:192.0.2.0/24");
	assert_string_equal(spf_sender(s), "u@inc.test");
	spf_free(&s);
	s = check("192.0.9.1", "u@inc.test");
	assert_string_equal(spf_reason(s), "~all");
	spf_free(&s);
}

/* records that are wrong as a whole, whatever comes before */
static const char *const wrong[] = {
    "v=spf1 ip4:192.0.2.1/33 +all",
    "v=spf1 ip4:192.0.2 +all",
    "v=spf1 ip4:192.0.2.1/024 +all",
    "v=spf1 ip6:192.0.2.1 +all",
    "v=spf1 ip6:::1/129 +all",
    "v=spf1 include +all",
    "v=spf1 include: +all",
    "v=spf1 exists +all",
    "v=spf1 a: +all",
    "v=spf1 a/33 +all",
    "v=spf1 a//129 +all",
    "v=spf1 mx:.. +all",
    "v=spf1 a:single +all",
    "v=spf1 a:x.123 +all",
    "v=spf1 a:%{x}.test +all",
    "v=spf1 a:%{d0}.test +all",
    "v=spf1 a:%{d.test +all",
    "v=spf1 a:%d.test +all",
    "v=spf1 a:%{c}.test +all",
    "v=spf1 all:x",
    "v=spf1 all/8",
    "v=spf1 =x +all",
    "v=spf1 1x=y +all",
    "v=spf1 redirect= +all",
    "v=spf1 -",
    "v=spf1 ptr/24 +all",
    "v=spf1 \tall",
};

static void
wrong_records_are_permanent_errors(void **state)
{
	for (size_t i = 0; i < countof(wrong); i++) {
		struct spf_query q = {.sender = STR("u@x.test"), .max_void = 2};
		struct str text = str_of(wrong[i]);
		struct spf_answer a = {.status = SPF_DNS_FOUND, .n = 1, .texts = &text};
		struct spf_ask ask;
		struct spf *s;

		(void)net_addr_parse(STR("192.0.2.1"), &q.client);
		s = spf_new(&q);
		assert_true(spf_next(s, &ask));
		spf_tell(s, &a);
		if (spf_next(s, &ask) || spf_result(s) != SPF_PERMERROR)
			print_error("%s\n", wrong[i]);
		assert_int_equal(spf_result(s), SPF_PERMERROR);
		spf_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results_are_those_of_the_rfc),
	    cmocka_unit_test(a_fail_is_explained_by_the_domain_that_was_asked_first),
	    cmocka_unit_test(the_reason_is_what_decided),
	    cmocka_unit_test(wrong_records_are_permanent_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
