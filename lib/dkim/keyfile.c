#include "lib/dkim/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

struct dkim_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *rsa; /* ready to sign; NULL for Ed25519 */
	EVP_MD_CTX *ed;
	enum dkim_algorithm algorithm;
	int bits;
};

/* ---- parsing ---- */

static int
no_passphrase(char *buf, int size, int rw, void *arg)
{
	return -1;
}

static int
set_rsa(struct dkim_key *k, struct why *why)
{
	k->bits = EVP_PKEY_get_bits(k->pkey);
	if (k->bits < DKIM_MIN_RSA_BITS)
		return why_set(why, "an RSA key of %d bits is too short: at least %d (RFC 8301)",
		    k->bits, DKIM_MIN_RSA_BITS);
	if (k->bits > DKIM_MAX_RSA_BITS)
		return why_set(why,
		    "an RSA key of %d bits is longer than receivers take: at most %d", k->bits,
		    DKIM_MAX_RSA_BITS);
	k->algorithm = DKIM_RSA_SHA256;
	k->rsa = EVP_PKEY_CTX_new(k->pkey, NULL);
	if (k->rsa == NULL || EVP_PKEY_sign_init(k->rsa) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(k->rsa, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(k->rsa, EVP_sha256()) != 1)
		return why_set(why, "the RSA key cannot be used");
	return 0;
}

static int
set_ed25519(struct dkim_key *k, struct why *why)
{
	k->bits = 256;
	k->algorithm = DKIM_ED25519_SHA256;
	k->ed = EVP_MD_CTX_new();
	return k->ed == NULL ? why_set(why, "the Ed25519 key cannot be used") : 0;
}

static int
set_kind(struct dkim_key *k, struct why *why)
{
	if (EVP_PKEY_is_a(k->pkey, "RSA"))
		return set_rsa(k, why);
	if (EVP_PKEY_is_a(k->pkey, "ED25519"))
		return set_ed25519(k, why);
	return why_set(why, "neither an RSA nor an Ed25519 key");
}

struct dkim_key *
dkim_key_parse(struct str pem, struct why *why)
{
	struct dkim_key *k = xcalloc(1, sizeof *k);
	BIO *bio = BIO_new_mem_buf(pem.p, (int)PH_MIN(pem.len, (size_t)DKIM_MAX_KEY_TEXT));

	if (bio == NULL)
		fatal("no memory for a key");
	k->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (k->pkey == NULL)
		why_set(why, "not a private key in PEM without a passphrase");
	else if (set_kind(k, why) == 0)
		return k;
	dkim_key_free(&k);
	return NULL;
}

void
dkim_key_free(struct dkim_key **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_CTX_free((*k)->rsa);
	EVP_MD_CTX_free((*k)->ed);
	EVP_PKEY_free((*k)->pkey);
	xfree(k);
}

enum dkim_algorithm
dkim_key_algorithm(const struct dkim_key *k)
{
	return k->algorithm;
}

int
dkim_key_bits(const struct dkim_key *k)
{
	return k->bits;
}

size_t
dkim_key_sign(
    struct dkim_key *k, const uint8_t digest[DKIM_HASH_LEN], uint8_t *out, struct why *why)
{
	size_t len = DKIM_MAX_SIGNATURE;
	int r;

	/* RFC 8463 3: what Ed25519 signs is the SHA-256 digest, as if it were the message */
	if (k->algorithm == DKIM_RSA_SHA256)
		r = EVP_PKEY_sign(k->rsa, out, &len, digest, DKIM_HASH_LEN);
	else if (EVP_DigestSignInit(k->ed, NULL, NULL, NULL, k->pkey) == 1)
		r = EVP_DigestSign(k->ed, out, &len, digest, DKIM_HASH_LEN);
	else
		r = 0;
	ERR_clear_error();
	if (r == 1)
		return len;
	why_set(why, "OpenSSL cannot sign with this key");
	return 0;
}

void
dkim_key_prepare(void)
{
	static const char *const kinds[] = {"RSA", "ED25519"};
	static const uint8_t digest[DKIM_HASH_LEN];
	uint8_t out[DKIM_MAX_SIGNATURE];
	struct why why;

	for (size_t i = 0; i < countof(kinds); i++) {
		EVP_PKEY *pkey = i == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kinds[i], (size_t)1024)
					: EVP_PKEY_Q_keygen(NULL, NULL, kinds[i]);
		BIO *bio = BIO_new(BIO_s_mem());
		struct dkim_key *k;
		char *pem;
		long len;
		if (pkey == NULL || bio == NULL ||
		    PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
			fatal("OpenSSL makes no %s key", kinds[i]);
		len = BIO_get_mem_data(bio, &pem);
		k = dkim_key_parse(str_from(pem, (size_t)len), &why);
		if (k == NULL || dkim_key_sign(k, digest, out, &why) == 0)
			fatal("OpenSSL does not sign with %s: %s", kinds[i], why.text);
		dkim_key_free(&k);
		BIO_free(bio);
		EVP_PKEY_free(pkey);
	}
}

/* ---- files ---- */

static int
check_rights(const struct stat *st, uid_t uid, struct why *why)
{
	unsigned mode = (unsigned)st->st_mode & 0777;

	if (!S_ISREG(st->st_mode))
		return why_set(why, "not a file");
	if (st->st_uid != 0 && st->st_uid != geteuid() && st->st_uid != uid)
		return why_set(why, "owned by user %u: chown root it", (unsigned)st->st_uid);
	/* the daemons have one group in common */
	if ((mode & (S_IRWXO | S_IRWXG)) != 0)
		return why_set(
		    why, "a private key that others may read (mode %03o): chmod 600 it", mode);
	return 0;
}

static ssize_t
read_all(int fd, char *text)
{
	size_t n = 0;
	ssize_t r;

	while (n < DKIM_MAX_KEY_TEXT) {
		r = read(fd, text + n, DKIM_MAX_KEY_TEXT - n);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return -1;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

size_t
dkim_key_read(const char *path, uid_t uid, char *text, struct why *why)
{
	struct stat st;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 || fstat(fd, &st) == -1)
		why_errno(why, "cannot be read");
	else if (check_rights(&st, uid, why) == 0 && (n = read_all(fd, text)) == -1)
		why_errno(why, "cannot be read");
	if (fd != -1)
		close(fd);
	if (n == 0 || n == DKIM_MAX_KEY_TEXT) {
		why_set(why, n == 0 ? "empty" : "too large for a key");
		n = 0;
	}
	return n < 0 ? 0 : (size_t)n;
}
