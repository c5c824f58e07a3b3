#include "lib/dkim/hash.h"

#include <openssl/evp.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* fetched once: a fetch for each hash costs more than hashing a header */
static EVP_MD *sha256;

void
dkim_hash_prepare(void)
{
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (sha256 == NULL)
		fatal("OpenSSL has no SHA-256");
}

void
dkim_hash(struct str text, uint8_t digest[DKIM_HASH_LEN])
{
	ph_assert(sha256 != NULL);
	if (EVP_Digest(text.p == NULL ? "" : text.p, text.len, digest, NULL, sha256, NULL) != 1)
		fatal("SHA-256 failed");
}

static void
flush(struct dkim_body_hash *h)
{
	if (h->n_staged > 0 && EVP_DigestUpdate(h->md, h->stage, h->n_staged) != 1)
		fatal("SHA-256 failed");
	h->n_staged = 0;
}

static void
take(void *arg, const char *p, size_t len)
{
	struct dkim_body_hash *h = arg;

	len = (size_t)PH_MIN((uint64_t)len, h->left);
	h->left -= len;
	if (len > sizeof h->stage - h->n_staged)
		flush(h);
	if (len <= sizeof h->stage) {
		memcpy(h->stage + h->n_staged, p, len);
		h->n_staged += len;
	} else if (EVP_DigestUpdate(h->md, p, len) != 1) {
		fatal("SHA-256 failed");
	}
}

struct dkim_body_hash *
dkim_body_hash_new(enum dkim_canon c)
{
	struct dkim_body_hash *h = xmalloc(sizeof *h);

	ph_assert(sha256 != NULL);
	h->n_staged = 0;
	h->left = UINT64_MAX;
	h->md = EVP_MD_CTX_new();
	if (h->md == NULL || EVP_DigestInit_ex2(h->md, sha256, NULL) != 1)
		fatal("SHA-256 cannot be begun");
	dkim_body_init(&h->body, c, take, h);
	return h;
}

void
dkim_body_hash_limit(struct dkim_body_hash *h, uint64_t octets)
{
	h->left = octets;
}

void
dkim_body_hash_add(struct dkim_body_hash *h, struct str piece)
{
	dkim_body_add(&h->body, piece);
}

void
dkim_body_hash_end(struct dkim_body_hash *h, uint8_t digest[DKIM_HASH_LEN], uint64_t *len)
{
	dkim_body_end(&h->body);
	flush(h);
	if (EVP_DigestFinal_ex(h->md, digest, NULL) != 1)
		fatal("SHA-256 failed");
	*len = h->body.len;
}

void
dkim_body_hash_free(struct dkim_body_hash **h)
{
	if (*h == NULL)
		return;
	EVP_MD_CTX_free((*h)->md);
	xfree(h);
}
