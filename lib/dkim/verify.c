#include "lib/dkim/verify.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/dkim/identity.h"
#include "lib/mail/header.h"

#define BLANKS	  " \t\r\n"
#define MAX_ALL	  2000	 /* fields of a header section that are looked at */
#define MAX_LOOKS 200000 /* at fields, for all names of h= together: a millisecond */

/* ---- tag lists (RFC 6376 3.2) ---- */

struct tag {
	struct str name, value; /* without blanks around */
	const char *from;	/* where the value begins, with its blanks */
};

/* tag-spec = [FWS] name [FWS] "=" [FWS] value [FWS]; 1, 0 at the end, -1: it is wrong */
static int
next_tag(struct str *rest, struct tag *t)
{
	struct str piece = STR_NULL;
	size_t equals;

	do {
		if (rest->len == 0)
			return 0;
		(void)str_next(rest, ';', &piece);
		if (str_trim(piece).len == 0 && rest->len > 0)
			return -1;
	} while (str_trim(piece).len == 0);
	equals = str_find(piece, '=');
	if (equals == STR_NPOS)
		return -1;
	t->name = str_trim(str_sub(piece, 0, equals));
	t->from = piece.p + equals + 1;
	t->value = str_trim(str_skip(piece, equals + 1));
	return t->name.len > 0 ? 1 : -1;
}

/* Without any blanks; false: it is too long. */
static bool
copy_dense(struct str s, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\0' || strchr(BLANKS, s.p[i]) != NULL)
			continue;
		if (n + 1 >= size)
			return false;
		to[n++] = s.p[i];
	}
	to[n] = '\0';
	return true;
}

static bool
decode64(struct str s, uint8_t *to, size_t size, size_t *len)
{
	return sodium_base642bin(
		   to, size, s.p, s.len, BLANKS, len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

/* ---- the field ---- */

typedef bool take_fn(struct dkim_found *f, struct str v);

static bool
take_version(struct dkim_found *f, struct str v)
{
	return str_eq(v, STR("1"));
}

static bool
take_algorithm(struct dkim_found *f, struct str v)
{
	for (int a = DKIM_NO_ALGORITHM + 1; a < DKIM_ALGORITHM_MAX; a++)
		if (str_ieq(v, str_of(dkim_algorithm_name((enum dkim_algorithm)a))))
			f->algorithm = (enum dkim_algorithm)a;
	return true;
}

static bool
take_signature(struct dkim_found *f, struct str v)
{
	return decode64(v, f->signature, sizeof f->signature, &f->signature_len) &&
	       f->signature_len > 0;
}

static bool
take_body_hash(struct dkim_found *f, struct str v)
{
	return decode64(v, f->body_hash, sizeof f->body_hash, &f->body_hash_len);
}

static bool
canon_of(struct str s, enum dkim_canon *c)
{
	*c = str_ieq(s, STR("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	return *c == DKIM_RELAXED || str_ieq(s, STR("simple"));
}

static bool
take_canon(struct dkim_found *f, struct str v)
{
	size_t slash = str_find(v, '/');

	f->body_canon = DKIM_SIMPLE;
	if (!canon_of(str_trim(str_sub(v, 0, slash)), &f->header_canon))
		return false;
	return slash == STR_NPOS || canon_of(str_trim(str_skip(v, slash + 1)), &f->body_canon);
}

static bool
is_name(struct str v)
{
	for (size_t i = 0; i < v.len; i++)
		if (!ascii_is_alnum(v.p[i]) && (v.p[i] == '\0' || strchr("-_.", v.p[i]) == NULL))
			return false;
	return v.len > 0 && v.len < DKIM_MAX_NAME;
}

static bool
take_domain(struct dkim_found *f, struct str v)
{
	(void)str_copy(f->domain, sizeof f->domain, v);
	return is_name(v);
}

static bool
take_selector(struct dkim_found *f, struct str v)
{
	(void)str_copy(f->selector, sizeof f->selector, v);
	return is_name(v);
}

/* of i= only the domain counts here */
static bool
take_identity(struct dkim_found *f, struct str v)
{
	size_t at = str_rfind(v, '@');

	if (at == STR_NPOS || !is_name(str_skip(v, at + 1)))
		return false;
	(void)str_copy(f->identity, sizeof f->identity, str_skip(v, at + 1));
	return true;
}

static bool
take_names(struct dkim_found *f, struct str v)
{
	return copy_dense(v, f->names, sizeof f->names) && f->names[0] != '\0';
}

static bool
take_limit(struct dkim_found *f, struct str v)
{
	return parse_u64(v, 0, UINT64_MAX - 1, &f->limit);
}

static bool
take_expiry(struct dkim_found *f, struct str v)
{
	uint64_t s;

	if (!parse_u64(v, 1, INT64_MAX, &s))
		return false;
	f->expires_s = (int64_t)s;
	return true;
}

static const struct tag_row {
	struct str name;
	take_fn *take;
	bool is_needed;
} rows[] = {
    {{"v", 1}, take_version, true},
    {{"a", 1}, take_algorithm, true},
    {{"b", 1}, take_signature, true},
    {{"bh", 2}, take_body_hash, true},
    {{"d", 1}, take_domain, true},
    {{"h", 1}, take_names, true},
    {{"s", 1}, take_selector, true},
    {{"c", 1}, take_canon, false},
    {{"i", 1}, take_identity, false},
    {{"l", 1}, take_limit, false},
    {{"x", 1}, take_expiry, false},
};

static int
take_tag(struct dkim_found *f, const struct tag *t, unsigned *seen, struct why *why)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (!str_eq(t->name, rows[i].name))
			continue;
		if ((*seen & 1u << i) != 0 || !rows[i].take(f, t->value))
			return why_set(why, "the tag %.*s is wrong", STR_ARG(t->name));
		*seen |= 1u << i;
	}
	return 0;
}

static bool
signs_from(const struct dkim_found *f)
{
	struct str rest = str_of(f->names), name = STR_NULL;

	while (rest.len > 0 && str_next(&rest, ':', &name))
		if (str_ieq(name, STR("from")))
			return true;
	return false;
}

static int
complete(struct dkim_found *f, unsigned seen, struct why *why)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].is_needed && (seen & 1u << i) == 0)
			return why_set(why, "the tag %.*s is missing", STR_ARG(rows[i].name));
	if (f->algorithm == DKIM_NO_ALGORITHM)
		return why_set(why, "the algorithm is not acceptable");
	if (f->body_hash_len != DKIM_HASH_LEN)
		return why_set(why, "the tag bh is wrong");
	if (!signs_from(f))
		return why_set(why, "From is not signed");
	if (f->identity[0] == '\0')
		(void)str_copy(f->identity, sizeof f->identity, str_of(f->domain));
	if (!dkim_is_within(str_of(f->identity), str_of(f->domain)))
		return why_set(why, "the identity is not within the domain");
	return 0;
}

static struct str
value_of(struct str field)
{
	size_t colon = str_find(field, ':');

	return colon == STR_NPOS ? STR_NULL : str_skip(field, colon + 1);
}

int
dkim_found_parse(struct str field, struct dkim_found *f, struct why *why)
{
	struct str rest = value_of(field);
	unsigned seen = 0;
	struct tag t;
	int r;

	*f = (struct dkim_found){.limit = UINT64_MAX, .header_canon = DKIM_SIMPLE};
	f->body_canon = DKIM_SIMPLE;
	rest = str_trim(rest);
	while ((r = next_tag(&rest, &t)) > 0)
		if (take_tag(f, &t, &seen, why) == -1)
			return -1;
	return r < 0 ? why_set(why, "it is no list of tags") : complete(f, seen, why);
}

/* ---- hashes ---- */

struct dkim_body_hash *
dkim_found_body(const struct dkim_found *f)
{
	struct dkim_body_hash *h = dkim_body_hash_new(f->body_canon);

	dkim_body_hash_limit(h, f->limit);
	return h;
}

bool
dkim_found_body_fits(const struct dkim_found *f, struct dkim_body_hash **h)
{
	uint8_t digest[DKIM_HASH_LEN];
	uint64_t len;

	dkim_body_hash_end(*h, digest, &len);
	dkim_body_hash_free(h);
	return (f->limit == UINT64_MAX || len >= f->limit) &&
	       memcmp(digest, f->body_hash, sizeof digest) == 0;
}

/* The field itself without the value of b=, and without the last line's end (RFC 6376 3.7). */
static int
add_own(const struct dkim_found *f, struct str field, struct buf *text)
{
	struct str rest = value_of(field);
	size_t before = buf_len(text), n;
	struct buf bare;
	struct tag t = {.from = rest.p};
	int r = 0;

	buf_init(&bare, DKIM_MAX_FIELD);
	while (next_tag(&rest, &t) > 0 && !str_eq(t.name, STR("b")))
		continue;
	n = (size_t)(t.from - field.p);
	if (buf_add(&bare, field.p, n) == -1 ||
	    (rest.len > 0 && (buf_add_char(&bare, ';') == -1 || buf_add_str(&bare, rest) == -1)) ||
	    dkim_canon_field(f->header_canon, buf_str(&bare), text) == -1)
		r = -1;
	buf_clear(&bare);
	if (r == 0 && buf_len(text) >= before + 2)
		buf_truncate(text, buf_len(text) - 2);
	return r;
}

/* the lowest of that name that was not taken yet */
static const struct header_field *
take_lowest(struct header_field *all, size_t n, struct str name)
{
	while (n-- > 0)
		if (all[n].whole.p != NULL && str_ieq(all[n].name, name))
			return &all[n];
	return NULL;
}

static int
add_signed(const struct dkim_found *f, struct header_field *all, size_t n, struct buf *text)
{
	struct str rest = str_of(f->names), name = STR_NULL;
	size_t n_looks = 0;

	while (rest.len > 0 && str_next(&rest, ':', &name)) {
		struct header_field *one;
		n_looks += n;
		if (n_looks > MAX_LOOKS)
			return -1;
		one = (struct header_field *)take_lowest(all, n, name);
		if (one == NULL)
			continue;
		if (dkim_canon_field(f->header_canon, one->whole, text) == -1)
			return -1;
		one->whole = STR_NULL;
	}
	return 0;
}

int
dkim_found_digest(
    const struct dkim_found *f, struct str header, struct str field, uint8_t digest[DKIM_HASH_LEN])
{
	struct header_field *all = xcalloc(MAX_ALL, sizeof *all), one;
	struct header_iter it;
	struct buf text;
	size_t n = 0;
	int r;

	buf_init(&text, DKIM_MAX_FIELD);
	header_iter_init(&it, header);
	while (n < MAX_ALL && header_next(&it, &one))
		if (one.whole.p != field.p)
			all[n++] = one;
	r = add_signed(f, all, n, &text);
	if (r == 0)
		r = add_own(f, field, &text);
	if (r == 0)
		dkim_hash(buf_str(&text), digest);
	buf_clear(&text);
	free(all);
	return r;
}

/* ---- the key's record (RFC 6376 3.6.1) ---- */

struct record {
	bool is_ed25519, is_strict;
	uint8_t key[DKIM_MAX_PUBLIC];
	size_t key_len;
};

static bool
has_word(struct str list, struct str word)
{
	struct str one = STR_NULL;

	while (list.len > 0 && str_next(&list, ':', &one))
		if (str_ieq(str_trim(one), word) || str_eq(str_trim(one), STR("*")))
			return true;
	return false;
}

static int
take_record_tag(struct record *r, const struct tag *t, bool *has_key, struct why *why)
{
	if (str_eq(t->name, STR("v")) && !str_eq(t->value, STR("DKIM1")))
		return why_set(why, "the key's record is of another version");
	if (str_eq(t->name, STR("h")) && !has_word(t->value, STR("sha256")))
		return why_set(why, "the key is not for SHA-256");
	if (str_eq(t->name, STR("s")) && !has_word(t->value, STR("email")))
		return why_set(why, "the key is not for mail");
	if (str_eq(t->name, STR("k"))) {
		r->is_ed25519 = str_ieq(t->value, STR("ed25519"));
		if (!r->is_ed25519 && !str_ieq(t->value, STR("rsa")))
			return why_set(why, "the key is of an unknown kind");
	}
	if (str_eq(t->name, STR("t")))
		r->is_strict = has_word(t->value, STR("s"));
	if (str_eq(t->name, STR("p"))) {
		*has_key = true;
		if (t->value.len == 0)
			return why_set(why, "the key was revoked");
		if (!decode64(t->value, r->key, sizeof r->key, &r->key_len))
			return why_set(why, "the key is malformed");
	}
	return 0;
}

static int
read_record(struct record *r, struct str text, struct why *why)
{
	bool has_key = false;
	struct tag t;
	int got;

	*r = (struct record){0};
	while ((got = next_tag(&text, &t)) > 0)
		if (take_record_tag(r, &t, &has_key, why) == -1)
			return -1;
	if (got < 0 || !has_key)
		return why_set(why, "there is no key");
	return 0;
}

/* ---- trying ---- */

/* p= of RSA is a SubjectPublicKeyInfo, in some records the bare RSAPublicKey; of Ed25519 the 32 octets */
static EVP_PKEY *
public_key(const struct record *r)
{
	const unsigned char *p = r->key;
	EVP_PKEY *key;

	if (r->is_ed25519)
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, r->key, r->key_len);
	key = d2i_PUBKEY(NULL, &p, (long)r->key_len);
	p = r->key;
	return key != NULL ? key : d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)r->key_len);
}

static bool
rsa_fits(EVP_PKEY *key, const struct dkim_found *f, const uint8_t *digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool fits =
	    ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
	    EVP_PKEY_verify(ctx, f->signature, f->signature_len, digest, DKIM_HASH_LEN) == 1;

	EVP_PKEY_CTX_free(ctx);
	return fits;
}

/* RFC 8463 3: it signs the digest */
static bool
ed25519_fits(EVP_PKEY *key, const struct dkim_found *f, const uint8_t *digest)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool fits =
	    ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, f->signature, f->signature_len, digest, DKIM_HASH_LEN) == 1;

	EVP_MD_CTX_free(ctx);
	return fits;
}

static int
try_key(const struct dkim_found *f, const struct record *r, const uint8_t *digest, struct why *why)
{
	EVP_PKEY *key;
	int fits;

	if (r->is_ed25519 != (f->algorithm == DKIM_ED25519_SHA256))
		return why_set(why, "the key is of another kind");
	if (r->is_strict && !str_ieq(str_of(f->identity), str_of(f->domain)))
		return why_set(why, "the key is for the domain alone");
	key = public_key(r);
	if (key == NULL || (!r->is_ed25519 && !EVP_PKEY_is_a(key, "RSA"))) {
		EVP_PKEY_free(key);
		return why_set(why, "the key is malformed");
	}
	if (!r->is_ed25519 && EVP_PKEY_get_bits(key) < DKIM_MIN_RSA)
		fits = why_set(why, "the key is too short");
	else
		fits = r->is_ed25519 ? ed25519_fits(key, f, digest) : rsa_fits(key, f, digest);
	EVP_PKEY_free(key);
	return fits;
}

int
dkim_found_try(const struct dkim_found *f, struct str record, const uint8_t digest[DKIM_HASH_LEN],
    struct why *why)
{
	struct str line = STR_NULL;
	struct record r;
	int got = why_set(why, "there is no key");

	while (got != 1 && record.len > 0 && str_next(&record, '\n', &line))
		if (line.len > 0)
			got = read_record(&r, line, why) == -1 ? -1 : try_key(f, &r, digest, why);
	return got;
}
