/* The field X-FBLId: XChaCha20-Poly1305 with a nonce that is made of the text itself (the same text, the same field). */
#include <sodium.h>

#include "lib/base/num.h"
#include "lib/track/track.h"

#define VERSION	  1
#define NONCE	  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MAC	  crypto_aead_xchacha20poly1305_ietf_ABYTES
#define MAX_VALUE 320 /* of each text: longer ones are cut */
#define MAX_PLAIN (1 + 8 + 5 * (2 + MAX_VALUE))
#define MAX_BYTES (NONCE + MAX_PLAIN + MAC)
#define LINE	  64
#define BASE64	  sodium_base64_VARIANT_URLSAFE_NO_PADDING

static const char context[] = "posthast";

void
track_init(struct track *t, const uint8_t key[TRACK_KEY])
{
	uint8_t *const subkeys[] = {t->seal, t->nonce, t->envid, t->verp};

	_Static_assert(TRACK_KEY == crypto_kdf_KEYBYTES, "the key is one for derivation");
	for (size_t i = 0; i < countof(subkeys); i++)
		(void)crypto_kdf_derive_from_key(subkeys[i], 32, i + 1, context, key);
}

/* ---- what is in it: version, id, five texts with their lengths ---- */

static size_t
pack(const struct track_of *of, uint8_t plain[MAX_PLAIN])
{
	const struct str values[] = {of->rcpt, of->sender, of->job, of->vmta, of->envid};
	size_t n = 0;

	plain[n++] = VERSION;
	for (int i = 56; i >= 0; i -= 8)
		plain[n++] = (uint8_t)(of->id >> i);
	for (size_t i = 0; i < countof(values); i++) {
		size_t len = PH_MIN(values[i].len, (size_t)MAX_VALUE);
		plain[n++] = (uint8_t)(len >> 8);
		plain[n++] = (uint8_t)len;
		if (len > 0)
			memcpy(plain + n, values[i].p, len);
		n += len;
	}
	return n;
}

static bool
unpack(const char *plain, size_t len, struct track_of *of)
{
	struct str *const values[] = {&of->rcpt, &of->sender, &of->job, &of->vmta, &of->envid};
	const uint8_t *p = (const uint8_t *)plain;
	size_t at = 9;

	if (len < at || p[0] != VERSION)
		return false;
	of->id = 0;
	for (size_t i = 1; i < 9; i++)
		of->id = of->id << 8 | p[i];
	for (size_t i = 0; i < countof(values); i++) {
		size_t n;
		if (len - at < 2)
			return false;
		n = (size_t)p[at] << 8 | p[at + 1];
		at += 2;
		if (len - at < n)
			return false;
		*values[i] = str_from(plain + at, n);
		at += n;
	}
	return at == len;
}

/* ---- the field ---- */

static int
put_field(struct buf *b, const uint8_t *bytes, size_t n)
{
	char text[sodium_base64_ENCODED_LEN(MAX_BYTES, BASE64)];
	struct str rest;

	(void)sodium_bin2base64(text, sizeof text, bytes, n, BASE64);
	rest = str_of(text);
	(void)buf_add_cstr(b, TRACK_FIELD ":");
	while (rest.len > 0) {
		(void)buf_addf(b, "%s %.*s", buf_str(b).p[buf_len(b) - 1] == ':' ? "" : "\r\n",
		    STR_ARG(str_sub(rest, 0, LINE)));
		rest = str_skip(rest, PH_MIN(rest.len, (size_t)LINE));
	}
	return buf_add_cstr(b, "\r\n");
}

int
track_seal(const struct track *t, const struct track_of *of, struct buf *b)
{
	uint8_t plain[MAX_PLAIN], bytes[MAX_BYTES];
	size_t n = pack(of, plain);
	unsigned long long len;

	(void)crypto_generichash(bytes, NONCE, plain, n, t->nonce, sizeof t->nonce);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    bytes + NONCE, &len, plain, n, NULL, 0, NULL, bytes, t->seal);
	return put_field(b, bytes, NONCE + (size_t)len);
}

bool
track_open(const struct track *t, struct str value, struct track_of *of, char text[TRACK_TEXT])
{
	uint8_t bytes[MAX_BYTES];
	unsigned long long len;
	size_t n;

	_Static_assert(MAX_PLAIN <= TRACK_TEXT, "what a field holds has room");
	value = str_trim(value);
	if (value.len > TRACK_TEXT * 2 ||
	    sodium_base642bin(
		bytes, sizeof bytes, value.p, value.len, " \t\r\n", &n, NULL, BASE64) == -1 ||
	    n < NONCE + MAC)
		return false;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)text, &len, NULL, bytes + NONCE,
		n - NONCE, NULL, 0, bytes, t->seal) == -1)
		return false;
	return unpack(text, (size_t)len, of);
}
