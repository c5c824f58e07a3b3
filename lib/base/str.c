#include "lib/base/str.h"

#include <sodium.h>

struct str
str_of(const char *c)
{
	return (struct str){.p = c, .len = c == NULL ? 0 : strlen(c)};
}

struct str
str_from(const char *p, size_t len)
{
	return (struct str){.p = p, .len = len};
}

bool
str_is_empty(struct str s)
{
	return s.len == 0;
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int
ascii_hex_value(char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
ascii_is_alnum(char c)
{
	return ascii_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
ascii_is_print(char c)
{
	return c >= ' ' && c <= '~';
}

/* Eight bytes at once, as ascii_lower() each; whichever comes first stays first. */
static uint64_t
lower8(uint64_t x)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t low = x & 0x7f * each;
	uint64_t from_a = low + (0x80 - 'A') * each, beyond_z = low + (0x7f - 'Z') * each;

	/* bit 7 is set in capitals only; a fourth of it is what small letters have more */
	return x | ((from_a ^ beyond_z) & ~x & 0x80 * each) >> 2;
}

static uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	return x;
}

static int
fold_cmp(struct str a, struct str b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int d = (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);
		if (d != 0)
			return d;
	}
	return 0;
}

bool
str_ieq(struct str a, struct str b)
{
	size_t i = 0;

	if (a.len != b.len)
		return false;
	for (; a.len - i >= sizeof(uint64_t); i += sizeof(uint64_t))
		if (lower8(load8(a.p + i)) != lower8(load8(b.p + i)))
			return false;
	return fold_cmp(str_skip(a, i), str_skip(b, i), a.len - i) == 0;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = PH_MIN(a.len, b.len);
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (d != 0)
		return d;
	return (a.len > b.len) - (a.len < b.len);
}

int
str_icmp(struct str a, struct str b)
{
	int d = fold_cmp(a, b, PH_MIN(a.len, b.len));

	if (d != 0)
		return d;
	return (a.len > b.len) - (a.len < b.len);
}

bool
str_has_prefix(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool
str_has_iprefix(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_ieq(str_sub(s, 0, prefix.len), prefix);
}

bool
str_has_suffix(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool
str_has_isuffix(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_ieq(str_skip(s, s.len - suffix.len), suffix);
}

struct str
str_skip(struct str s, size_t from)
{
	if (from >= s.len)
		return (struct str){.p = s.p == NULL ? NULL : s.p + s.len, .len = 0};
	return (struct str){.p = s.p + from, .len = s.len - from};
}

struct str
str_sub(struct str s, size_t from, size_t len)
{
	struct str r = str_skip(s, from);

	r.len = PH_MIN(r.len, len);
	return r;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

size_t
str_find(struct str s, char c)
{
	const char *p = s.len == 0 ? NULL : memchr(s.p, c, s.len);

	return p == NULL ? STR_NPOS : (size_t)(p - s.p);
}

size_t
str_rfind(struct str s, char c)
{
	const char *p = s.len == 0 ? NULL : memrchr(s.p, c, s.len);

	return p == NULL ? STR_NPOS : (size_t)(p - s.p);
}

size_t
str_find_str(struct str s, struct str needle)
{
	const char *p;

	if (needle.len == 0)
		return 0;
	p = s.len == 0 ? NULL : memmem(s.p, s.len, needle.p, needle.len);
	return p == NULL ? STR_NPOS : (size_t)(p - s.p);
}

bool
str_next(struct str *rest, char sep, struct str *piece)
{
	size_t at;

	if (rest->p == NULL)
		return false;
	at = str_find(*rest, sep);
	if (at == STR_NPOS) {
		*piece = *rest;
		*rest = STR_NULL;
		return true;
	}
	*piece = str_sub(*rest, 0, at);
	*rest = str_skip(*rest, at + 1);
	return true;
}

bool
str_next_word(struct str *rest, struct str *piece)
{
	size_t n = 0;

	while (rest->len > 0 && is_blank(rest->p[0]))
		*rest = str_skip(*rest, 1);
	if (rest->len == 0)
		return false;
	while (n < rest->len && !is_blank(rest->p[n]))
		n++;
	*piece = str_sub(*rest, 0, n);
	*rest = str_skip(*rest, n);
	return true;
}

size_t
str_copy(char *dst, size_t size, struct str s)
{
	size_t n;

	if (size == 0)
		return s.len;
	n = PH_MIN(s.len, size - 1);
	if (n > 0)
		memcpy(dst, s.p, n);
	dst[n] = '\0';
	return s.len;
}

void
str_lower(char *p, size_t len)
{
	size_t i = 0;

	for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t x = lower8(load8(p + i));
		memcpy(p + i, &x, sizeof x);
	}
	for (; i < len; i++)
		p[i] = ascii_lower(p[i]);
}

static const unsigned char *
hash_key(void)
{
	static unsigned char key[crypto_shorthash_KEYBYTES];
	static bool drawn;

	if (!drawn) {
		randombytes_buf(key, sizeof key);
		drawn = true;
	}
	return key;
}

uint64_t
str_begin(struct str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < sizeof v; i++)
		v = v << 8 | (i < s.len ? (unsigned char)s.p[i] : 0);
	return v;
}

uint64_t
str_hash(struct str s)
{
	uint64_t h;

	_Static_assert(sizeof h == crypto_shorthash_BYTES, "SipHash-2-4 gives 64 bits");
	crypto_shorthash((unsigned char *)&h, (const unsigned char *)(s.p == NULL ? "" : s.p),
	    s.len, hash_key());
	return h;
}

uint64_t
str_ihash(struct str s)
{
	__attribute__((uninitialized)) char folded[1024]; /* clearing it cost more than the hash */
	size_t n = PH_MIN(s.len, sizeof folded);

	if (n > 0)
		memcpy(folded, s.p, n);
	str_lower(folded, n);
	return str_hash(str_from(folded, n));
}
