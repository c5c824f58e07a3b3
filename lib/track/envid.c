/* Envelope ids: "ph", then 16 bytes: the message's id and a digest of id and recipient. */
#include <sodium.h>

#include "lib/base/num.h"
#include "lib/track/track_int.h"

#define PREFIX "ph"
#define DIGEST 8

void
track_base32(const uint8_t *bytes, size_t n, char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned have = 0, bits = 0;
	size_t at = 0;

	for (size_t i = 0; i < n || have > 0;) {
		if (have < 5 && i < n) {
			bits = bits << 8 | bytes[i++];
			have += 8;
		} else if (have < 5) {
			bits <<= 5 - have;
			have = 5;
		}
		while (have >= 5) {
			have -= 5;
			text[at++] = letters[bits >> have & 31];
		}
		bits &= (1u << have) - 1;
	}
	text[at] = '\0';
}

void
track_digest(const uint8_t key[32], const struct str *parts, size_t n, uint8_t *out, size_t len)
{
	crypto_generichash_state st;
	uint8_t full[32];
	char piece[64];

	(void)crypto_generichash_init(&st, key, 32, sizeof full);
	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; at < parts[i].len; at += sizeof piece) {
			struct str s = str_sub(parts[i], at, sizeof piece);
			memcpy(piece, s.p, s.len);
			str_lower(piece, s.len);
			(void)crypto_generichash_update(&st, (const uint8_t *)piece, s.len);
		}
		(void)crypto_generichash_update(&st, (const uint8_t *)"", 1);
	}
	(void)crypto_generichash_final(&st, full, sizeof full);
	memcpy(out, full, len);
}

void
track_make_envid(const struct track *t, uint64_t id, struct str rcpt, char envid[TRACK_ENVID])
{
	uint8_t bytes[8 + DIGEST];
	struct str parts[2];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(id >> (56 - 8 * i));
	parts[0] = str_from((const char *)bytes, 8);
	parts[1] = rcpt;
	track_digest(t->envid, parts, 2, bytes + 8, DIGEST);
	memcpy(envid, PREFIX, 2);
	track_base32(bytes, sizeof bytes, envid + 2);
}

static int
value_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* the id out of the first 13 letters; false: they are none */
static bool
read_id(struct str s, uint64_t *id)
{
	*id = 0;
	for (size_t i = 0; i < 13; i++) {
		int v = value_of(s.p[i]);
		if (v == -1)
			return false;
		*id = i == 12 ? *id << 4 | (unsigned)v >> 1 : *id << 5 | (unsigned)v;
	}
	return true;
}

bool
track_is_envid(const struct track *t, struct str envid, struct str rcpt)
{
	char wanted[TRACK_ENVID];
	uint64_t id;

	envid = str_trim(envid);
	if (envid.len != 2 + 26 || rcpt.len == 0 || !str_has_iprefix(envid, STR(PREFIX)) ||
	    !read_id(str_skip(envid, 2), &id))
		return false;
	track_make_envid(t, id, rcpt, wanted);
	return str_ieq(envid, str_of(wanted));
}
