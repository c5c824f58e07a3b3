/*
 * SPF records of a hostile domain: the first line is the sender, each further one answers a question, as texts, names
 * and addresses alike. Whatever they are, the check ends, within the limits of RFC 7208 4.6.4.
 */
#include "lib/base/log.h"
#include "lib/spf/spf.h"

#define MAX_ASKED (1 + SPF_MAX_TERMS * (1 + SPF_MAX_NAMES) + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* '!' failed, empty void; '|' between several */
static void
tell(struct spf *s, struct str line)
{
	struct str texts[16], rest = line;
	struct net_addr addrs[16];
	struct spf_answer a = {.status = SPF_DNS_FOUND, .texts = texts, .addrs = addrs};

	if (line.len == 0)
		a.status = SPF_DNS_VOID;
	else if (line.p[0] == '!')
		a.status = SPF_DNS_FAILED;
	while (a.status == SPF_DNS_FOUND && a.n < countof(texts) && rest.len > 0 &&
	       str_next(&rest, '|', &texts[a.n])) {
		addrs[a.n] = (struct net_addr){.family = 4};
		(void)net_addr_parse(texts[a.n], &addrs[a.n]);
		a.n++;
	}
	spf_tell(s, &a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spf_query q = {.helo = STR("h.test"), .receiver = STR("rx.test")};
	struct str rest = str_from((const char *)data, size), line = STR_NULL;
	struct spf_ask ask;
	struct spf *s;
	unsigned n = 0;

	q.max_void = SPF_VOID_LIMIT;
	(void)str_next(&rest, '\n', &q.sender);
	(void)net_addr_parse(size % 2 != 0 ? STR("192.0.2.1") : STR("2001:db8::1"), &q.client);
	s = spf_new(&q);
	while (spf_next(s, &ask)) {
		ph_assert(++n <= MAX_ASKED && strlen(ask.name) < SPF_MAX_NAME);
		line = STR_NULL;
		if (rest.len > 0)
			(void)str_next(&rest, '\n', &line);
		tell(s, line);
	}
	ph_assert(spf_result(s) < SPF_RESULT_MAX);
	for (const char *p = spf_explanation(s); *p != '\0'; p++)
		ph_assert(ascii_is_print(*p));
	spf_free(&s);
	return 0;
}
