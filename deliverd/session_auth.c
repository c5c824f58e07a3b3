/*
 * AUTH as a client (RFC 4954): the strongest mechanism that both sides know, one after the other where the peer does
 * not take one. Whatever fails is temporary: a wrong password is the operator's to mend, not the recipients' loss.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "deliverd/session_int.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_SECRET    255u
#define MAX_CHALLENGE 1024u
#define MAX_RESPONSE  ((size_t)2 * MAX_SECRET + 3)
#define BASE64_ROOM   (sodium_base64_ENCODED_LEN(MAX_RESPONSE, sodium_base64_VARIANT_ORIGINAL))
#define MD5_LEN	      16

struct session_auth {
	char user[MAX_SECRET + 1], password[MAX_SECRET + 1];
	uint32_t tried; /* enum smtp_auth bits, those refused by the peer as unknown */
	enum smtp_auth mechanism;
	unsigned step; /* 334 replies until now */
};

/* the strongest first */
static const struct mechanism {
	enum smtp_auth bit;
	const char *name;
	bool is_clear; /* the password can be read by who listens */
} mechanisms[] = {
    {SMTP_AUTH_CRAM_MD5, "CRAM-MD5", false},
    {SMTP_AUTH_PLAIN, "PLAIN", true},
    {SMTP_AUTH_LOGIN, "LOGIN", true},
};

struct session_auth *
session_auth_new(const struct session_conf *conf)
{
	struct session_auth *a;

	if (conf->auth_user.len == 0)
		return NULL;
	a = xcalloc(1, sizeof *a);
	str_copy(a->user, sizeof a->user, conf->auth_user);
	str_copy(a->password, sizeof a->password, conf->auth_password);
	return a;
}

void
session_auth_free(struct session_auth **ap)
{
	if (*ap == NULL)
		return;
	explicit_bzero(*ap, sizeof **ap);
	xfree(ap);
}

/* ---- what is said ---- */

static void
say_base64(struct session *s, const char *before, struct str bytes)
{
	char text[BASE64_ROOM];

	sodium_bin2base64(text, sizeof text, (const unsigned char *)bytes.p, bytes.len,
	    sodium_base64_VARIANT_ORIGINAL);
	outq_addf(&s->out, "%s%s\r\n", before, text);
	outq_set_secret(&s->out);
	session_expect(s, SESSION_AUTH, NULL, 0);
	explicit_bzero(text, sizeof text);
}

/* message = [authzid] NUL authcid NUL passwd (RFC 4616 2) */
static void
say_plain(struct session *s, const char *before)
{
	const struct session_auth *a = s->auth;
	char text[MAX_RESPONSE];
	size_t user = strlen(a->user), password = strlen(a->password);

	text[0] = '\0';
	memcpy(text + 1, a->user, user + 1);
	memcpy(text + user + 2, a->password, password);
	say_base64(s, before, str_from(text, user + password + 2));
	explicit_bzero(text, sizeof text);
}

/* RFC 2195 2: user SP hex(HMAC-MD5(password, challenge)) */
static void
say_cram(struct session *s, struct str challenge)
{
	const struct session_auth *a = s->auth;
	unsigned char bytes[MAX_CHALLENGE], digest[EVP_MAX_MD_SIZE];
	char hex[2 * MD5_LEN + 1], text[MAX_RESPONSE];
	unsigned digest_len = 0;
	size_t len;
	int n;

	if (sodium_base642bin(bytes, sizeof bytes, challenge.p, challenge.len, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    HMAC(EVP_md5(), a->password, (int)strlen(a->password), bytes, len, digest,
		&digest_len) == NULL ||
	    digest_len != MD5_LEN) {
		session_die_of_protocol(s, "protocol error: a challenge that cannot be read");
		return;
	}
	sodium_bin2hex(hex, sizeof hex, digest, digest_len);
	n = snprintf(text, sizeof text, "%s %s", a->user, hex);
	say_base64(s, "", str_from(text, (size_t)n));
}

/* 334: the peer wants the next part */
static void
answer_challenge(struct session *s, struct str challenge)
{
	struct session_auth *a = s->auth;
	unsigned step = a->step++;

	if (a->mechanism == SMTP_AUTH_CRAM_MD5 && step == 0)
		say_cram(s, challenge);
	else if (a->mechanism == SMTP_AUTH_LOGIN && step < 2)
		say_base64(s, "", str_of(step == 0 ? a->user : a->password));
	else if (a->mechanism == SMTP_AUTH_PLAIN && step == 0)
		say_plain(s, ""); /* it did not take what came with the command */
	else
		session_die_of_protocol(s, "protocol error: the peer asks for too much in AUTH");
}

/* ---- which ---- */

static void
give_up(struct session *s, const char *text)
{
	session_die(s,
	    (struct session_end){
		.end = END_PROTOCOL, .stage = STAGE_AUTH, .enh = {4, 7, 0}, .text = str_of(text)});
}

static bool
may_use(const struct session *s, const struct mechanism *m)
{
	return !m->is_clear || s->is_tls || s->conf.auth_in_clear;
}

static void
say_which(struct session *s, const struct mechanism *m)
{
	char command[32];

	s->auth->mechanism = m->bit;
	s->auth->step = 0;
	if (m->bit == SMTP_AUTH_PLAIN) {
		say_plain(s, "AUTH PLAIN ");
		return;
	}
	snprintf(command, sizeof command, "AUTH %s\r\n", m->name);
	outq_add(&s->out, str_of(command));
	session_expect(s, SESSION_AUTH, NULL, 0);
}

void
session_auth_begin(struct session *s)
{
	uint32_t offered = s->caps.auth & ~s->auth->tried;
	bool is_readable = false;

	if ((s->caps.ext & SMTP_EXT_AUTH) == 0) {
		give_up(s, "authentication is configured, but the peer does not offer AUTH");
		return;
	}
	for (size_t i = 0; i < countof(mechanisms); i++) {
		if ((offered & (uint32_t)mechanisms[i].bit) == 0)
			continue;
		is_readable = true;
		if (!may_use(s, &mechanisms[i]))
			continue;
		say_which(s, &mechanisms[i]);
		return;
	}
	give_up(s, is_readable ? "the peer offers only AUTH mechanisms that show the password, and "
				 "there is no TLS"
			       : "the peer offers no AUTH mechanism that is known here");
}

void
session_on_auth(struct session *s, const struct expect *e)
{
	const struct smtp_reply *r = &s->parser.reply;
	struct str text = str_from(r->text, r->len);

	(void)e;
	if (r->code == 334) {
		answer_challenge(s, str_trim(str_skip(text, 3)));
	} else if (r->code / 100 == 2) {
		session_auth_free(&s->auth);
		session_come_up(s);
	} else if (r->code == 504 || r->code == 534) {
		/* not this mechanism (RFC 4954 4, 6) */
		s->auth->tried |= (uint32_t)s->auth->mechanism;
		if ((s->caps.auth & ~s->auth->tried) != 0)
			session_auth_begin(s);
		else
			session_die_of_reply(s, STAGE_AUTH);
	} else if (r->code / 100 == 3) {
		session_die_of_protocol(s, "protocol error: a reply to AUTH that is none");
	} else {
		session_die_of_reply(s, STAGE_AUTH);
	}
}
