/*
 * The web monitor's access file: who may log in, and with which rights. JSON, as an operator writes it:
 *
 *	{"users": [{"name": "anna", "password": "$argon2id$…", "role": "admin"}]}
 *
 * with passwords as `pmtactl hash-password` prints them, never in clear, and a role of monitor, operator or admin.
 * Parsing opens nothing; whatever is not exactly this is refused with a sentence that says where.
 */
#ifndef PH_AUTH_ACCESS_FILE_H
#define PH_AUTH_ACCESS_FILE_H

#include "lib/base/str.h"
#include "lib/base/why.h"

#define ACCESS_FILE_MAX_USERS 1000
#define ACCESS_FILE_MAX_NAME  63u

struct access_user {
	char *name, *hash;
	uint32_t role; /* 1 monitor, 2 operator, 3 admin */
};
struct access_file {
	struct access_user *users;
	size_t n;
};

/* 0, or -1 with `why`, and then *f is empty. */
int access_file_parse(struct str text, struct access_file *f, struct why *why) PH_MUST_CHECK;
void access_file_clear(struct access_file *f);

#endif
