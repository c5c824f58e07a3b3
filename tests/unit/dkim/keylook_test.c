/* A key looked at says what the same key parsed does, and what is no plain good key is left to the parser. */
#include "lib/dkim/keyfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

/* traditional: the older RSA form */
static struct str
pem_of(EVP_PKEY *key, bool traditional, BIO *bio)
{
	char *p;
	long n;
	int r = traditional
		    ? PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL)
		    : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);

	assert_int_equal(r, 1);
	n = BIO_get_mem_data(bio, &p);
	return str_from(p, (size_t)n);
}

static void
check(EVP_PKEY *key, bool traditional, enum dkim_algorithm want, int want_bits)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str pem = pem_of(key, traditional, bio);
	enum dkim_algorithm a;
	int bits;

	assert_true(dkim_key_look(pem, &a, &bits));
	assert_int_equal(a, want);
	assert_int_equal(bits, want_bits);
	BIO_free(bio);
}

static void
what_is_seen_is_what_it_is(void **state)
{
	static const int sizes[] = {1024, 1536, 2047, 2048};
	EVP_PKEY *key;

	for (size_t i = 0; i < countof(sizes); i++) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)sizes[i]);
		check(key, false, DKIM_RSA_SHA256, sizes[i]);
		check(key, true, DKIM_RSA_SHA256, sizes[i]);
		EVP_PKEY_free(key);
	}
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	check(key, false, DKIM_ED25519_SHA256, 256);
	EVP_PKEY_free(key);
}

static void
what_is_none_is_not_taken(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)512);
	EVP_PKEY *good = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	enum dkim_algorithm a;
	BIO *bio = BIO_new(BIO_s_mem()), *b2 = BIO_new(BIO_s_mem()), *b3 = BIO_new(BIO_s_mem());
	int bits;
	struct str pem;
	char *damaged;

	assert_false(dkim_key_look(STR(""), &a, &bits));
	assert_false(dkim_key_look(
	    STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &a, &bits));
	if (key != NULL)
		assert_false(dkim_key_look(pem_of(key, false, bio), &a, &bits));
	assert_false(dkim_key_look(pem_of(ec, false, b2), &a, &bits));
	/* one letter of the prime factors is another: p and q make another number */
	pem = pem_of(good, true, b3);
	damaged = (char *)(uintptr_t)pem.p;
	damaged[pem.len / 2] = damaged[pem.len / 2] == 'A' ? 'B' : 'A';
	assert_false(dkim_key_look(pem, &a, &bits));
	for (size_t cut = 0; cut < pem.len; cut += 7)
		(void)dkim_key_look(str_sub(pem, 0, cut), &a, &bits);
	BIO_free(bio);
	BIO_free(b2);
	BIO_free(b3);
	EVP_PKEY_free(key);
	EVP_PKEY_free(good);
	EVP_PKEY_free(ec);
}

static size_t
put_integer(unsigned char *to, const unsigned char *p, size_t len)
{
	size_t n = 0;

	to[n++] = 0x02;
	if (len >= 0x80)
		to[n++] = 0x81;
	to[n++] = (unsigned char)len;
	memcpy(to + n, p, len);
	return n + len;
}

/* a number of 512 bits, with a zero for the sign in front */
static BIGNUM *
prime_like(unsigned char text[65])
{
	BIGNUM *b = BN_new();

	assert_int_equal(BN_rand(b, 512, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD), 1);
	text[0] = 0;
	assert_int_equal(BN_bn2bin(b, text + 1), 64);
	return b;
}

/* BER's 0x80 has no length behind it: the first number's tag and length, 0x0201, must not be taken for one */
static void
an_indefinite_length_is_none(void **state)
{
	static const unsigned char zero[1], e[] = {1, 0, 1}, d[227] = {1}, one[] = {1};
	unsigned char der[600] = {0x30, 0x80}, p[65], q[65], n[129] = {0};
	BIGNUM *a = prime_like(p), *b = prime_like(q), *product = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	BIO *bio = BIO_new(BIO_s_mem());
	enum dkim_algorithm algorithm;
	size_t len = 2;
	char *text;
	long text_len;
	int bits;

	assert_int_equal(BN_mul(product, a, b, ctx), 1);
	assert_int_equal(BN_bn2bin(product, n + 1), 128);
	len += put_integer(der + len, zero, sizeof zero);
	len += put_integer(der + len, n, sizeof n);
	len += put_integer(der + len, e, sizeof e);
	len += put_integer(der + len, d, sizeof d);
	len += put_integer(der + len, p, sizeof p);
	len += put_integer(der + len, q, sizeof q);
	for (int i = 0; i < 3; i++)
		len += put_integer(der + len, one, sizeof one);
	assert_int_equal(len, 2 + 0x0201);
	assert_true(PEM_write_bio(bio, PEM_STRING_RSA, "", der, (long)len) > 0);
	text_len = BIO_get_mem_data(bio, &text);
	assert_false(dkim_key_look(str_from(text, (size_t)text_len), &algorithm, &bits));
	BN_free(a);
	BN_free(b);
	BN_free(product);
	BN_CTX_free(ctx);
	BIO_free(bio);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_seen_is_what_it_is),
	    cmocka_unit_test(what_is_none_is_not_taken),
	    cmocka_unit_test(an_indefinite_length_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
