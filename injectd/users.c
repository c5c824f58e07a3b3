#include "injectd/users.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <sodium.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MD5_BYTES 16

static enum user_kind
kind_of(const struct conf_set *set)
{
	static const enum user_kind methods[] = {USER_CLEAR, USER_NONE, USER_CERTIFICATE};
	enum user_kind k = methods[conf_enum(set, CONF_USER_AUTHENTICATION_METHOD)];
	struct str password = conf_str(set, CONF_USER_PASSWORD);

	if (k != USER_CLEAR)
		return k;
	if (str_has_prefix(password, STR(crypto_pwhash_STRPREFIX)))
		return USER_HASH;
	return password.len > 0 ? USER_CLEAR : USER_NONE;
}

void
users_use_conf(struct users *u, const struct conf *c)
{
	users_clear(u);
	u->n = conf_n_blocks(c, CONF_BLOCK_USER);
	u->list = xcalloc(u->n, sizeof *u->list);
	for (size_t i = 0; i < u->n; i++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_USER, i);
		u->list[i] = (struct user){
		    .name = conf_block_name(c, CONF_BLOCK_USER, i),
		    .password = conf_str(set, CONF_USER_PASSWORD),
		    .source = conf_str(set, CONF_USER_SOURCE),
		    .kind = kind_of(set),
		};
		u->has[u->list[i].kind] = true;
	}
}

void
users_clear(struct users *u)
{
	free(u->list);
	*u = (struct users){0};
}

void
users_set_certificate(struct users *u, size_t i, struct str pem)
{
	BIO *b = BIO_new_mem_buf(pem.p, (int)PH_MIN(pem.len, (size_t)INT32_MAX));
	X509 *x = b == NULL ? NULL : PEM_read_bio_X509(b, NULL, NULL, NULL);
	unsigned n = USERS_PRINT;

	if (i < u->n && x != NULL)
		u->list[i].has_print =
		    X509_digest(x, EVP_sha256(), u->list[i].print, &n) == 1 && n == USERS_PRINT;
	X509_free(x);
	BIO_free(b);
}

const struct user *
users_find(const struct users *u, struct str name)
{
	for (size_t i = 0; i < u->n; i++)
		if (str_eq(u->list[i].name, name))
			return &u->list[i];
	return NULL;
}

const struct user *
users_find_certificate(const struct users *u, const unsigned char *print)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->list[i].kind == USER_CERTIFICATE && u->list[i].has_print &&
		    sodium_memcmp(u->list[i].print, print, USERS_PRINT) == 0)
			return &u->list[i];
	return NULL;
}

struct str
users_source(const struct users *u, struct str name)
{
	const struct user *one = users_find(u, name);

	return one != NULL && one->source.len > 0 ? one->source : STR("{auth}");
}

/* Of texts of different length, in a time that says nothing of where they differ. */
static void
digest(struct str s, unsigned char out[crypto_generichash_BYTES])
{
	static unsigned char key[crypto_generichash_KEYBYTES];
	static bool has_key;

	if (!has_key)
		randombytes_buf(key, sizeof key);
	has_key = true;
	(void)crypto_generichash(out, crypto_generichash_BYTES,
	    (const unsigned char *)(s.p == NULL ? "" : s.p), s.len, key, sizeof key);
}

bool
user_has_password(const struct user *u, struct str password)
{
	bool is_clear = u != NULL && u->kind == USER_CLEAR;
	unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
	bool is_same;

	digest(is_clear ? u->password : STR("nobody"), a);
	digest(password, b);
	is_same = sodium_memcmp(a, b, sizeof a) == 0;
	return is_clear && is_same;
}

bool
user_has_digest(const struct user *u, struct str challenge, struct str hex)
{
	bool is_clear = u != NULL && u->kind == USER_CLEAR;
	struct str key = is_clear ? u->password : STR("nobody");
	unsigned char wanted[EVP_MAX_MD_SIZE], given[MD5_BYTES];
	size_t n_given = 0;
	unsigned n = 0;
	bool is_same;

	if (HMAC(EVP_md5(), key.p, (int)key.len, (const unsigned char *)challenge.p, challenge.len,
		wanted, &n) == NULL ||
	    n != MD5_BYTES)
		return false;
	if (sodium_hex2bin(given, sizeof given, hex.p, hex.len, NULL, &n_given, NULL) == -1 ||
	    n_given != MD5_BYTES)
		return false;
	is_same = sodium_memcmp(wanted, given, MD5_BYTES) == 0;
	return is_clear && is_same;
}
