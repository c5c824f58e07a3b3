/*
 * What a key is, without having OpenSSL make one of it: that costs more than a millisecond a key, and of ten thousand
 * that a configuration names a start needs none.
 */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/dkim/keyfile.h"

#define N_INTEGERS                                                                                 \
	9 /* of an RSAPrivateKey (RFC 8017 A.1.2): version, n, e, d, p, q and three more */

/* tag and length in front of what is taken; false: it is another, or cut short */
static bool
take(struct str *s, unsigned char tag, struct str *value)
{
	const unsigned char *p = (const unsigned char *)s->p;
	size_t head = 2, len;

	if (s->len < 2 || p[0] != tag)
		return false;
	len = p[1];
	if (len >= 0x80) {
		head += len & 0x7f;
		/* DER: one or two octets of length for what a key may have; 0x80 would be BER's "until it ends" */
		if (head < 3 || head > 4 || s->len < head)
			return false;
		len = head == 3 ? p[2] : (size_t)p[2] << 8 | p[3];
	}
	if (s->len - head < len)
		return false;
	*value = str_sub(*s, head, len);
	*s = str_skip(*s, head + len);
	return true;
}

static BIGNUM *
number(struct str s)
{
	return BN_bin2bn((const unsigned char *)s.p, (int)s.len, NULL);
}

/* what was damaged is noticed by that */
static bool
are_factors(struct str n, struct str p, struct str q)
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *a = number(n), *b = number(p), *c = number(q), *product = BN_secure_new();
	bool r = ctx != NULL && a != NULL && b != NULL && c != NULL && product != NULL &&
		 BN_mul(product, b, c, ctx) == 1 && BN_cmp(product, a) == 0;

	BN_clear_free(a);
	BN_clear_free(b);
	BN_clear_free(c);
	BN_clear_free(product);
	BN_CTX_free(ctx);
	return r;
}

static bool
look_rsa(struct str der, enum dkim_algorithm *algorithm, int *bits)
{
	struct str seq, v[N_INTEGERS];

	if (!take(&der, 0x30, &seq) || der.len > 0)
		return false;
	for (size_t i = 0; i < N_INTEGERS; i++)
		if (!take(&seq, 0x02, &v[i]) || v[i].len == 0)
			return false;
	if (seq.len > 0 || !are_factors(v[1], v[4], v[5]))
		return false;
	while (v[1].len > 0 && v[1].p[0] == 0)
		v[1] = str_skip(v[1], 1);
	*bits = (int)v[1].len * 8;
	for (unsigned char c = (unsigned char)v[1].p[0]; (c & 0x80) == 0;
	     c = (unsigned char)(c << 1))
		(*bits)--;
	*algorithm = DKIM_RSA_SHA256;
	return *bits >= DKIM_MIN_RSA_BITS && *bits <= DKIM_MAX_RSA_BITS;
}

/* RFC 8410 7: an octet string of 32 */
static bool
look_ed25519(struct str der, enum dkim_algorithm *algorithm, int *bits)
{
	struct str key;

	*bits = 256;
	*algorithm = DKIM_ED25519_SHA256;
	return take(&der, 0x04, &key) && key.len == 32 && der.len == 0;
}

static bool
look_pkcs8(struct str der, enum dkim_algorithm *algorithm, int *bits)
{
	const unsigned char *p = (const unsigned char *)der.p, *key;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)der.len);
	const ASN1_OBJECT *kind;
	bool r = false;
	int len;

	if (info != NULL && PKCS8_pkey_get0(&kind, &key, &len, NULL, info) == 1) {
		struct str text = str_from((const char *)key, (size_t)len);
		if (OBJ_obj2nid(kind) == NID_rsaEncryption)
			r = look_rsa(text, algorithm, bits);
		else if (OBJ_obj2nid(kind) == NID_ED25519)
			r = look_ed25519(text, algorithm, bits);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return r;
}

bool
dkim_key_look(struct str pem, enum dkim_algorithm *algorithm, int *bits)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)PH_MIN(pem.len, (size_t)DKIM_MAX_KEY_TEXT));
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	bool r = false;

	if (bio != NULL && PEM_read_bio(bio, &name, &header, &data, &len) == 1 &&
	    header[0] == '\0') {
		struct str der = str_from((const char *)data, (size_t)len);
		if (strcmp(name, PEM_STRING_PKCS8INF) == 0)
			r = look_pkcs8(der, algorithm, bits);
		else if (strcmp(name, PEM_STRING_RSA) == 0)
			r = look_rsa(der, algorithm, bits);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)len);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}
