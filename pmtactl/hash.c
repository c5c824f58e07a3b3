#include "pmtactl/hash.h"

#include <bsd/readpassphrase.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/base.h"

#define MAX_PASSWORD 1024

/* False: there is none. */
static bool
read_password(char *to, size_t size)
{
	char again[MAX_PASSWORD + 2];
	bool is_same;

	if (!isatty(STDIN_FILENO)) {
		if (fgets(to, (int)size, stdin) == NULL)
			return false;
		to[strcspn(to, "\r\n")] = '\0';
		return to[0] != '\0';
	}
	if (readpassphrase("Password: ", to, size, RPP_REQUIRE_TTY) == NULL ||
	    readpassphrase("Again: ", again, sizeof again, RPP_REQUIRE_TTY) == NULL)
		return false;
	is_same = strcmp(to, again) == 0;
	explicit_bzero(again, sizeof again);
	if (!is_same)
		fprintf(stderr, "They are not the same.\n");
	return is_same && to[0] != '\0';
}

int
hash_password(void)
{
	char password[MAX_PASSWORD + 2], hash[crypto_pwhash_STRBYTES];
	int r;

	if (sodium_init() == -1 || !read_password(password, sizeof password)) {
		fprintf(stderr, "There is no password.\n");
		return 1;
	}
	if (strlen(password) > MAX_PASSWORD) {
		fprintf(stderr, "The password is longer than %d bytes.\n", MAX_PASSWORD);
		return 1;
	}
	r = crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
	    crypto_pwhash_MEMLIMIT_INTERACTIVE);
	explicit_bzero(password, sizeof password);
	if (r == -1) {
		fprintf(stderr, "There is not enough memory.\n");
		return 1;
	}
	puts(hash);
	return 0;
}
