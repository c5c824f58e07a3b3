/*
 * Who may log in: the <smtp-user> blocks of the configuration, found by name or by certificate. Secrets stay in the
 * configuration; comparing them takes the same time whatever is right or wrong in them.
 */
#ifndef PH_INJECTD_USERS_H
#define PH_INJECTD_USERS_H

#include "lib/conf/conf.h"

#define USERS_MAX_NAME 255u
#define USERS_PRINT    32u /* bytes of a certificate's fingerprint, SHA-256 */

enum user_kind {
	USER_NONE,	  /* cannot log in: no password, or authentication-method system */
	USER_CLEAR,	  /* the password itself */
	USER_HASH,	  /* Argon2id */
	USER_CERTIFICATE, /* what TLS showed */
};
/* Views into the configuration. */
struct user {
	struct str name, password, source;
	enum user_kind kind;
	unsigned char print[USERS_PRINT];
	bool has_print;
};
struct users {
	struct user *list;
	size_t n;
	bool has[USER_CERTIFICATE + 1]; /* some of that kind */
};

void users_use_conf(struct users *u, const struct conf *c);
void users_clear(struct users *u);
/* Of user i, whose certificate this is (PEM); anything else leaves him without. */
void users_set_certificate(struct users *u, size_t i, struct str pem);

/* Names compare exactly. NULL: there is none. */
const struct user *users_find(const struct users *u, struct str name);
const struct user *users_find_certificate(const struct users *u, const unsigned char *print);

/* The name of the <source> that holds for him: his own, else "{auth}". */
struct str users_source(const struct users *u, struct str name);

/* Is it the password? u NULL or of another kind: no, after the same time. */
bool user_has_password(const struct user *u, struct str password);
/* RFC 2195: the digest of the challenge by the password, 32 hex digits. */
bool user_has_digest(const struct user *u, struct str challenge, struct str digest);

#endif
