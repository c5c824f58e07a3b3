/* Makes DNS messages for tests. */
#ifndef PH_TESTS_UNIT_DNSD_MESSAGE_H
#define PH_TESTS_UNIT_DNSD_MESSAGE_H

#include "dnsd/wire.h"
#include "lib/base/num.h"

struct msg {
	uint8_t b[70000];
	size_t n;
};

static PH_UNUSED void
add16(struct msg *m, unsigned v)
{
	put_be16(m->b + m->n, (uint16_t)v);
	m->n += 2;
}

static PH_UNUSED void
add_name(struct msg *m, const char *name)
{
	struct str rest = str_of(name), label;

	while (name[0] != '\0' && str_next(&rest, '.', &label)) {
		m->b[m->n++] = (uint8_t)label.len;
		memcpy(m->b + m->n, label.p, label.len);
		m->n += label.len;
	}
	m->b[m->n++] = 0;
}

static PH_UNUSED void
begin(struct msg *m, unsigned flags, const char *name, unsigned type)
{
	m->n = 0;
	add16(m, 7);
	add16(m, 0x8180 | flags);
	add16(m, 1);
	add16(m, 0);
	add16(m, 0);
	add16(m, 0);
	add_name(m, name);
	add16(m, type);
	add16(m, 1);
}

static PH_UNUSED void
count_up(struct msg *m, size_t at)
{
	put_be16(m->b + at, (uint16_t)(get_be16(m->b + at) + 1));
}
#define ANSWER	  6
#define AUTHORITY 8

/* record head; returns where its data's length stands */
static PH_UNUSED size_t
add_rr(struct msg *m, size_t section, const char *owner, unsigned type, uint32_t ttl)
{
	count_up(m, section);
	add_name(m, owner);
	add16(m, type);
	add16(m, 1);
	put_be32(m->b + m->n, ttl);
	m->n += 6;
	return m->n - 2;
}

static PH_UNUSED void
end_rr(struct msg *m, size_t at)
{
	put_be16(m->b + at, (uint16_t)(m->n - at - 2));
}

static PH_UNUSED void
add_mx(struct msg *m, const char *owner, uint32_t ttl, unsigned pref, const char *host)
{
	size_t at = add_rr(m, ANSWER, owner, WIRE_MX, ttl);

	add16(m, pref);
	add_name(m, host);
	end_rr(m, at);
}

static PH_UNUSED void
add_cname(struct msg *m, const char *owner, uint32_t ttl, const char *target)
{
	size_t at = add_rr(m, ANSWER, owner, WIRE_CNAME, ttl);

	add_name(m, target);
	end_rr(m, at);
}

static PH_UNUSED void
add_a(struct msg *m, const char *owner, uint32_t ttl, unsigned last)
{
	size_t at = add_rr(m, ANSWER, owner, WIRE_A, ttl);
	const uint8_t addr[4] = {127, 0, (uint8_t)(last >> 8), (uint8_t)last};

	memcpy(m->b + m->n, addr, 4);
	m->n += 4;
	end_rr(m, at);
}

static PH_UNUSED void
add_soa(struct msg *m, const char *owner, uint32_t ttl, uint32_t minimum)
{
	size_t at = add_rr(m, AUTHORITY, owner, WIRE_SOA, ttl);

	add_name(m, "ns.test");
	add_name(m, "root.test");
	m->n += 16;
	put_be32(m->b + m->n, minimum);
	m->n += 4;
	end_rr(m, at);
}

#endif
