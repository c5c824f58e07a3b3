/*
 * Private keys: a file's rights, its text, and what it signs with. Used by master (which checks and hands over the
 * text) and by signd (which signs); no other process may link a use of it. What it says in a `why` never holds a part
 * of a key.
 */
#ifndef PH_DKIM_KEYFILE_H
#define PH_DKIM_KEYFILE_H

#include <sys/types.h>

#include "lib/base/why.h"
#include "lib/dkim/sign.h"

#define DKIM_MAX_KEY_TEXT 16384 /* octets of a PEM file */
#define DKIM_MIN_RSA_BITS 1024	/* RFC 8301 3.2 */
#define DKIM_MAX_RSA_BITS 4096

/* A key that signs. */
struct dkim_key;
/* Parses PEM (PKCS #8, or the older RSA form). NULL with `why`. */
struct dkim_key *dkim_key_parse(struct str pem, struct why *why);
void dkim_key_free(struct dkim_key **k);
/*
 * What dkim_key_parse() would make of it, a hundred times as fast. False: it is no plain good key, and dkim_key_parse()
 * knows why.
 */
bool dkim_key_look(struct str pem, enum dkim_algorithm *algorithm, int *bits);
enum dkim_algorithm dkim_key_algorithm(const struct dkim_key *k);
int dkim_key_bits(const struct dkim_key *k);
/* The signature of that digest (RFC 6376 3.3, RFC 8463 3) into out[DKIM_MAX_SIGNATURE]; its length, or 0 with `why`. */
size_t dkim_key_sign(
    struct dkim_key *k, const uint8_t digest[DKIM_HASH_LEN], uint8_t *out, struct why *why);
/* Before the walls: all of OpenSSL that signing and parsing will need. */
void dkim_key_prepare(void);

/*
 * Reads the file into text[DKIM_MAX_KEY_TEXT], checked: a regular file, owned by root, the caller or `uid` (signd's
 * user), and open to nobody but its owner. Its length, or 0 with `why`. The caller wipes the text.
 */
size_t dkim_key_read(const char *path, uid_t uid, char *text, struct why *why);

#endif
