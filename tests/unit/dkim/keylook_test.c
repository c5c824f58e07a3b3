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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_seen_is_what_it_is),
	    cmocka_unit_test(what_is_none_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
