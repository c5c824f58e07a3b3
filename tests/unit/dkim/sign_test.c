/* A signature field from its parts: which fields, in which order, folded how; and that the digest verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/base/xalloc.h"
#include "lib/dkim/keyfile.h"

static const char header[] =
    "Received: x\r\nSubject: one\r\nX-A: 1\r\nFrom: a@b.example\r\nSubject: two\r\n"
    "DKIM-Signature: v=1\r\nResent-Bcc: c\r\nResent-To: d\r\nX;B: 2\r\n";

static void
make(const struct dkim_names *names, struct buf *list, struct buf *text)
{
	buf_init(list, 1 << 16);
	buf_init(text, 1 << 16);
	assert_int_equal(dkim_pick_fields(names, DKIM_RELAXED, str_of(header), list, text), 0);
}

static void
fields_are_signed_from_the_bottom_up_and_some_are_closed(void **state)
{
	static const struct str more[] = {{"X-A", 3}, {"X;B", 3}, {"Received", 8}},
				closed[] = {{"X-None", 6}, {"subject", 7}};
	struct dkim_names names = {
	    .more = more, .n_more = countof(more), .closed = closed, .n_closed = countof(closed)};
	struct buf list, text;

	make(&names, &list, &text);
	assert_string_equal(buf_cstr(&list),
	    "Resent-To:Subject:From:X-A:Subject:Cc:Content-Type:Date:From:List-Unsubscribe:"
	    "List-Unsubscribe-Post:Message-ID:MIME-Version:Reply-To:Subject:To:X-None");
	assert_string_equal(buf_cstr(&text),
	    "resent-to:d\r\nsubject:two\r\nfrom:a@b.example\r\nx-a:1\r\nsubject:one\r\n");
	buf_clear(&list);
	buf_clear(&text);
	names = (struct dkim_names){.more = more, .n_more = 1, .is_only = true};
	make(&names, &list, &text);
	assert_string_equal(buf_cstr(&list), "From:X-A:From");
	buf_clear(&list);
	buf_clear(&text);
}

static void
of_very_many_fields_the_lowest_are_signed(void **state)
{
	struct dkim_names names = {0};
	struct buf h, list, text;
	size_t n = 0;

	buf_init(&h, 1 << 20);
	buf_init(&list, 1 << 20);
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 5000; i++)
		buf_addf(&h, "To: %d\r\n", i);
	assert_int_equal(dkim_pick_fields(&names, DKIM_SIMPLE, buf_str(&h), &list, &text), 0);
	assert_true(str_has_prefix(buf_str(&text), STR("To: 4999\r\nTo: 4998\r\n")));
	for (size_t i = 0; i < buf_len(&text); i++)
		n += buf_str(&text).p[i] == '\n';
	assert_int_equal(n, DKIM_MAX_FIELDS);
	buf_clear(&h);
	buf_clear(&list);
	buf_clear(&text);
}

static const struct {
	const char *text;
	bool whole, found;
	size_t at;
} ends[] = {
    {"A: b\r\n\r\nbody", true, true, 8},
    {"A: b\r\n\r\nbody", false, true, 8},
    {"A: b\r\n\r\nbody\r\n", false, true, 8},
    {"A: b\r\n", true, true, 6},
    {"A: b\r\n", false, false, 0},
    {"A: b", true, true, 4},
    {"\r\n\r\n", true, true, 2},
    {"", true, true, 0},
    {"A: b\r\nno field\r\n", true, true, 6},
    {"A: b\r\n c\r\n\r\n", true, true, 12},
    {"no field\r\n", true, true, 0},
};

static void
the_body_is_found(void **state)
{
	for (size_t i = 0; i < countof(ends); i++) {
		size_t at = 0;
		bool found = dkim_find_body(str_of(ends[i].text), ends[i].whole, &at);
		if (found != ends[i].found || (found && at != ends[i].at))
			fail_msg("\"%s\": %d at %zu", ends[i].text, found, at);
	}
}

static char *
new_key(const char *kind, size_t bits)
{
	EVP_PKEY *pkey = bits > 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind, bits)
				  : EVP_PKEY_Q_keygen(NULL, NULL, kind);
	BIO *bio = BIO_new(BIO_s_mem());
	char *p, *text;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &p);
	text = xstrdup_str(str_from(p, (size_t)n));
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return text;
}

static bool
verifies(const char *pem, const uint8_t *digest, const uint8_t *sig, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
		assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
		good = EVP_PKEY_verify(ctx, sig, len, digest, DKIM_HASH_LEN) == 1;
	} else {
		assert_int_equal(EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey), 1);
		good = EVP_DigestVerify(md, sig, len, digest, DKIM_HASH_LEN) == 1;
	}
	EVP_MD_CTX_free(md);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return good;
}

static void
check_lines(struct str field)
{
	struct str line;

	assert_true(str_has_suffix(field, STR("\r\n")));
	for (bool is_first = true; field.len > 0 && str_next(&field, '\n', &line);
	     is_first = false) {
		assert_true(line.len <= 80);
		assert_true(is_first || line.len == 0 || line.p[0] == '\t');
	}
}

static void
each_kind_of_key_signs_and_the_field_is_folded(void **state)
{
	static const struct {
		const char *kind;
		size_t bits, len;
		enum dkim_algorithm algorithm;
	} kinds[] = {{"RSA", 1024, 128, DKIM_RSA_SHA256}, {"RSA", 2048, 256, DKIM_RSA_SHA256},
	    {"ED25519", 0, 64, DKIM_ED25519_SHA256}};
	static const char *const tags[] = {"i=a=20b=3B=C3=A4@sub.b.example;", "q=dns/txt;", "s=s;",
	    "d=b.example;", "t=5;", "x=6;", "l=42;"};
	struct dkim_body_result body = {.len = 42};
	struct buf field;

	buf_init(&field, DKIM_MAX_FIELD);
	for (size_t i = 0; i < countof(kinds); i++) {
		char *pem = new_key(kinds[i].kind, kinds[i].bits);
		struct why why;
		struct dkim_key *k = dkim_key_parse(str_of(pem), &why);
		struct dkim_spec spec = {.algorithm = kinds[i].algorithm,
		    .domain = STR("b.example"),
		    .selector = STR("s"),
		    .local = STR("a b;\xc3\xa4"),
		    .identity_domain = STR("sub.b.example"),
		    .query = STR("dns/txt"),
		    .signed_s = 5,
		    .expires_s = 6,
		    .body_limit = true};
		uint8_t digest[DKIM_HASH_LEN], sig[DKIM_MAX_SIGNATURE];
		size_t len;
		assert_non_null(k);
		assert_int_equal(dkim_key_algorithm(k), kinds[i].algorithm);
		assert_int_equal(dkim_begin(&spec, str_of(header), &body, &field, digest), 0);
		assert_true(str_has_suffix(buf_str(&field), STR("\r\n\tb=")));
		for (int again = 0; again < 2; again++) {
			len = dkim_key_sign(k, digest, sig, &why);
			assert_int_equal(len, kinds[i].len);
			assert_true(verifies(pem, digest, sig, len));
		}
		assert_int_equal(dkim_finish(&field, str_from((char *)sig, len)), 0);
		check_lines(buf_str(&field));
		for (size_t t = 0; t < countof(tags); t++)
			assert_non_null(strstr(buf_cstr(&field), tags[t]));
		dkim_key_free(&k);
		free(pem);
	}
	buf_clear(&field);
}

static void
keys_that_cannot_sign_are_refused(void **state)
{
	static const struct {
		const char *kind;
		size_t bits;
	} kinds[] = {{"RSA", 512}, {"RSA", 1023}, {"X25519", 0}, {"ED448", 0}};
	struct why why;
	char *pem;

	for (size_t i = 0; i < countof(kinds); i++) {
		pem = new_key(kinds[i].kind, kinds[i].bits);
		assert_null(dkim_key_parse(str_of(pem), &why));
		free(pem);
	}
	assert_null(dkim_key_parse(STR(""), &why));
	assert_null(dkim_key_parse(
	    STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &why));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_signed_from_the_bottom_up_and_some_are_closed),
	    cmocka_unit_test(of_very_many_fields_the_lowest_are_signed),
	    cmocka_unit_test(the_body_is_found),
	    cmocka_unit_test(each_kind_of_key_signs_and_the_field_is_folded),
	    cmocka_unit_test(keys_that_cannot_sign_are_refused),
	};

	dkim_hash_prepare();
	dkim_key_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
