#include "pmtactl/digest.h"

#include <sodium.h>
#include <stdio.h>

#define EXIT_USAGE 2
#define MAX_KEY	   1000

struct key {
	unsigned char bytes[MAX_KEY];
	size_t len;
};

static int
no(const char *sentence)
{
	fprintf(stderr, "%s\n", sentence);
	return EXIT_USAGE;
}

static bool
read_key(const struct options *o, struct key *k)
{
	struct str plain = o->args[ARG_ORIG], hex = o->args[ARG_RCPT];

	if ((plain.len == 0) == (hex.len == 0) || plain.len > MAX_KEY)
		return false;
	if (hex.len > 0)
		return sodium_hex2bin(
			   k->bytes, sizeof k->bytes, hex.p, hex.len, NULL, &k->len, NULL) == 0 &&
		       k->len * 2 == hex.len;
	memcpy(k->bytes, plain.p, plain.len);
	k->len = plain.len;
	return true;
}

static void
print_hex(const unsigned char *p, size_t n)
{
	printf("Result: ");
	for (size_t i = 0; i < n; i++)
		printf("%02X", p[i]);
	putchar('\n');
}

static void
hmac(const struct key *k, struct str text)
{
	crypto_auth_hmacsha256_state s;
	unsigned char out[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(&s, k->bytes, k->len);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text.p, text.len);
	crypto_auth_hmacsha256_final(&s, out);
	print_hex(out, sizeof out);
}

/* SipHash-2-4; a key shorter than 16 bytes is filled up with zeros, of a longer one the first count */
static void
siphash(const struct key *k, struct str text)
{
	unsigned char key[crypto_shorthash_KEYBYTES] = {0}, out[crypto_shorthash_BYTES];

	memcpy(key, k->bytes, PH_MIN(k->len, sizeof key));
	crypto_shorthash(out, (const unsigned char *)text.p, text.len, key);
	print_hex(out, sizeof out);
}

int
digest(const struct options *o)
{
	bool by_hmac = options_flag(o, "hmac-sha256");
	struct key k = {.len = 0};

	if (by_hmac == options_flag(o, "siphash"))
		return no("Say either --hmac-sha256 or --siphash.");
	if (sodium_init() == -1 || !read_key(o, &k))
		return no("Say the key by --key=TEXT or by --hexkey=HEX.");
	if (o->args[ARG_TARGET].len == 0)
		return no("Say the text.");
	if (by_hmac)
		hmac(&k, o->args[ARG_TARGET]);
	else
		siphash(&k, o->args[ARG_TARGET]);
	explicit_bzero(&k, sizeof k);
	return 0;
}
