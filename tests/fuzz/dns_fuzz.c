/* A name server's answer to each of our questions, whatever its bytes are. */
#include "dnsd/wire.h"
#include "lib/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_mx(const struct wire_answer *a)
{
	for (size_t i = 0; i < a->n; i++) {
		ph_assert(memchr(a->rr.mx[i].host, '\0', WIRE_NAME_MAX) != NULL);
		ph_assert(i == 0 || a->rr.mx[i - 1].pref <= a->rr.mx[i].pref);
	}
}

static void
check_txt(const struct wire_answer *a)
{
	struct str text;
	size_t at = 0, n = 0;

	while (wire_next_txt(a, &at, &text)) {
		ph_assert(text.p >= a->rr.txt.bytes &&
			  text.p + text.len <= a->rr.txt.bytes + a->rr.txt.len);
		n++;
	}
	ph_assert(a->rr.txt.len <= WIRE_MAX_TXT && (a->status != WIRE_OK || n == a->n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum wire_type types[] = {
	    WIRE_A, WIRE_AAAA, WIRE_MX, WIRE_TLSA, WIRE_PTR, WIRE_TXT};
	struct wire_answer a;
	char name[WIRE_NAME_MAX];

	for (size_t i = 0; i < countof(types); i++) {
		wire_read(str_from((const char *)data, size), "x.test", types[i], &a);
		ph_assert(a.n <= WIRE_MAX_RRS && a.ttl_s <= WIRE_MAX_TTL);
		ph_assert((a.status == WIRE_OK) == (a.n > 0));
		if (types[i] == WIRE_MX || types[i] == WIRE_PTR)
			check_mx(&a);
		else if (types[i] == WIRE_TXT)
			check_txt(&a);
	}
	if (wire_name_normal(str_from((const char *)data, size), name))
		ph_assert(strlen(name) <= 253);
	return 0;
}
