/* AUTH PLAIN, LOGIN and CRAM-MD5 as a server, for one user whom the policy names. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "tests/mxsim/answer.h"

#define MD5_LEN 16

/* USER PASSWORD MECHANISM… */
static struct str
word_of(const struct conn *c, int n)
{
	struct str rest = str_of(c->provider->policy->auth), word = STR_NULL;

	for (int i = 0; i <= n; i++)
		(void)str_next_word(&rest, &word);
	return n == 2 ? str_from(word.p, (size_t)(rest.p + rest.len - word.p)) : word;
}

void
auth_offer(const struct conn *c, struct buf *b)
{
	if (c->provider->policy->auth != NULL)
		(void)buf_addf(b, "\n250 AUTH %.*s", STR_ARG(word_of(c, 2)));
}

static void
verdict(struct conn *c, bool ok)
{
	c->auth_step = 0;
	c->is_authed = ok;
	provider_count(c->provider, ok ? COUNT_auth_ok : COUNT_auth_failed, 1);
	reply(c, ok ? "235 2.7.0 welcome" : "535 5.7.8 bad credentials");
}

static struct str
decode(struct str text, char *to, size_t size)
{
	size_t n = 0;

	if (sodium_base642bin((unsigned char *)to, size, text.p, text.len, NULL, &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0)
		n = 0;
	return str_from(to, n);
}

static void
check_plain(struct conn *c, struct str line)
{
	char bytes[1024];
	struct str all = decode(line, bytes, sizeof(bytes)), zid, user;
	bool ok = str_next(&all, '\0', &zid) && str_next(&all, '\0', &user) &&
		  str_eq(user, word_of(c, 0)) && str_eq(all, word_of(c, 1));

	verdict(c, ok);
}

static void
check_login(struct conn *c, struct str line)
{
	char bytes[1024];
	struct str text = decode(line, bytes, sizeof(bytes));

	if (c->auth_step++ == 1) {
		(void)str_copy(c->auth_user, sizeof(c->auth_user), text);
		reply(c, "334 UGFzc3dvcmQ6");
		return;
	}
	verdict(c, str_eq(str_of(c->auth_user), word_of(c, 0)) && str_eq(text, word_of(c, 1)));
}

static void
check_cram(struct conn *c, struct str line)
{
	char bytes[1024], hex[2 * MD5_LEN + 1], wanted[512];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct str text = decode(line, bytes, sizeof(bytes)), user = word_of(c, 0),
		   password = word_of(c, 1);
	int n;

	(void)HMAC(EVP_md5(), password.p, (int)password.len,
	    (const unsigned char *)c->auth_challenge, strlen(c->auth_challenge), digest, &len);
	(void)sodium_bin2hex(hex, sizeof(hex), digest, len);
	n = snprintf(wanted, sizeof(wanted), "%.*s %s", STR_ARG(user), hex);
	verdict(c, str_eq(text, str_from(wanted, (size_t)n)));
}

static void
begin_cram(struct conn *c)
{
	char text[128], line[160];

	(void)snprintf(c->auth_challenge, sizeof(c->auth_challenge), "<%u.%llu@mxsim.test>",
	    (unsigned)randombytes_uniform(1000000), (unsigned long long)c->n_messages);
	(void)sodium_bin2base64(text, sizeof(text), (const unsigned char *)c->auth_challenge,
	    strlen(c->auth_challenge), sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(line, sizeof(line), "334 %s", text);
	reply(c, line);
}

/* which line follows which mechanism */
static void (*pending(const struct conn *c))(struct conn *, struct str)
{
	return c->auth_challenge[0] != '\0' ? check_cram
	       : c->auth_user[0] == '\1'    ? check_plain
					    : check_login;
}

void
auth_line(struct conn *c, struct str line)
{
	pending(c)(c, line);
}

void
auth_command(struct conn *c, struct str args)
{
	struct str name;

	if (c->provider->policy->auth == NULL || !str_next_word(&args, &name) ||
	    str_find_str(word_of(c, 2), name) == STR_NPOS) {
		reply(c, "504 5.5.4 no such mechanism");
		return;
	}
	args = str_trim(args);
	c->auth_challenge[0] = c->auth_user[0] = '\0';
	c->auth_step = 1;
	if (str_ieq(name, STR("PLAIN"))) {
		c->auth_user[0] = '\1';
		if (args.len > 0)
			check_plain(c, args);
		else
			reply(c, "334 ");
	} else if (str_ieq(name, STR("LOGIN"))) {
		reply(c, "334 VXNlcm5hbWU6");
	} else {
		begin_cram(c);
	}
}
