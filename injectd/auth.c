#include "injectd/auth.h"

#include <sodium.h>

#include "lib/auth/verify.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/stats/stats.h"

#define MAX_CHALLENGE  (WORLD_HOST_MAX + 64)
#define FAILURE_ERRORS 5 /* errors of the client's that one failure counts as */

enum { PLAIN = 1, LOGIN = 2, CRAM_MD5 = 4, EXTERNAL = 8 };

/* what the next line of the client's is */
enum auth_step { STEP_PLAIN, STEP_LOGIN_NAME, STEP_LOGIN_PASSWORD, STEP_CRAM, STEP_EXTERNAL };
struct auth {
	enum auth_step step;
	const char *mechanism;
	char name[USERS_MAX_NAME + 1];
	char challenge[MAX_CHALLENGE];
};

/* ---- what is offered ---- */

static unsigned
offered(struct session *s)
{
	const struct conf_set *set = session_set(s);
	const struct users *u = &s->world->users;
	bool has_passwords = u->has[USER_CLEAR] || u->has[USER_HASH];
	unsigned m = 0;

	if (!conf_bool(set, CONF_SOURCE_ALLOW_AUTH))
		return 0;
	if (s->has_cert_user)
		return EXTERNAL;
	if (s->user != NULL)
		return 0;
	if (s->tls.protocol == NULL && conf_bool(set, CONF_SOURCE_REQUIRE_STARTTLS_BEFORE_AUTH))
		return 0;
	/* of whom only a hash is known no digest can be made: those use the others */
	if (u->has[USER_CLEAR])
		m |= CRAM_MD5;
	if (has_passwords &&
	    (s->tls.protocol != NULL || conf_bool(set, CONF_SOURCE_ALLOW_UNENCRYPTED_PLAIN_AUTH)))
		m |= PLAIN | LOGIN;
	return m;
}

const char *
auth_offer(struct session *s)
{
	static const char *const texts[16] = {
	    [PLAIN | LOGIN] = "AUTH PLAIN LOGIN",
	    [CRAM_MD5] = "AUTH CRAM-MD5",
	    [PLAIN | LOGIN | CRAM_MD5] = "AUTH CRAM-MD5 PLAIN LOGIN",
	    [EXTERNAL] = "AUTH EXTERNAL",
	};
	const char *text = texts[offered(s) & 15];

	return text == NULL ? "" : text;
}

bool
auth_is_missing(struct session *s)
{
	if (s->user != NULL || session_is_inner(s) ||
	    !conf_bool(session_set(s), CONF_SOURCE_REQUIRE_AUTH))
		return false;
	session_reply(s, 530, ENH(5, 7, 0), "Authentication is required");
	session_error(s);
	return true;
}

/* ---- the end of an exchange ---- */

void
auth_clear(struct session *s)
{
	if (s->auth == NULL)
		return;
	verify_cancel(s);
	explicit_bzero(s->auth, sizeof *s->auth);
	xfree(&s->auth);
}

static void
leave(struct session *s)
{
	if (s->state != SESSION_COMMAND)
		session_enter(s, SESSION_COMMAND);
}

/* The line was wrong as such. */
static void
refuse(struct session *s, int code, int enh, const char *text)
{
	auth_clear(s);
	leave(s);
	session_reply(s, code, enh, "%s", text);
	session_error(s);
}

static bool
is_locked_out(struct session *s)
{
	struct conf_rate r = conf_rate(session_set(s), CONF_SOURCE_SMTP_MAX_AUTH_FAILURE_RATE);

	return r.count != CONF_UNLIMITED && s->world->failures != NULL &&
	       lockout_count(s->world->failures, &s->client, r.period_ms) >= r.count;
}

static void
refuse_locked(struct session *s)
{
	auth_clear(s);
	leave(s);
	session_reply(s, 454, ENH(4, 7, 0), "Too many failures, try again later");
}

static void
fail(struct session *s, struct str name)
{
	struct conf_rate r = conf_rate(session_set(s), CONF_SOURCE_SMTP_MAX_AUTH_FAILURE_RATE);

	stat_inc(STAT_IN_AUTH_FAILED);
	log_info("session=%016jx event=auth-failed client=%s mechanism=%s user=%s",
	    (uintmax_t)s->id, s->client_text, s->auth->mechanism, log_quote(name));
	if (r.count != CONF_UNLIMITED && s->world->failures != NULL)
		lockout_add(s->world->failures, &s->client, r.period_ms);
	auth_clear(s);
	leave(s);
	session_reply(s, 535, ENH(5, 7, 8), "Authentication failed");
	for (int i = 0; i < FAILURE_ERRORS; i++)
		session_error(s);
}

static void
take_user(struct session *s, const struct user *u)
{
	s->user = xstrdup_str(u->name);
	s->set = NULL; /* the user's <source> */
}

static void
succeed(struct session *s, const struct user *u)
{
	if (conf_bool(session_set(s), CONF_SOURCE_LOG_CONNECTIONS))
		log_info("session=%016jx event=auth client=%s mechanism=%s user=%s",
		    (uintmax_t)s->id, s->client_text, s->auth->mechanism, log_quote(u->name));
	auth_clear(s);
	leave(s);
	take_user(s, u);
	session_reply(s, 235, ENH(2, 7, 0), "Authentication succeeded");
}

/* ---- passwords ---- */

static void
on_verdict(void *ctx, bool is_right)
{
	struct session *s = ctx;
	struct str name = str_of(s->auth->name);
	const struct user *u = users_find(&s->world->users, name); /* after a reload another */

	if (is_right && u != NULL && !is_locked_out(s))
		succeed(s, u);
	else
		fail(s, name);
	if (s->world->is_stopping)
		session_stop(s);
	s->wake(s);
}

static void
check_password(struct session *s, struct str name, struct str password)
{
	const struct users *all = &s->world->users;
	const struct user *u = users_find(all, name);
	struct str hash = u != NULL && u->kind == USER_HASH ? u->password : STR_NULL;
	bool is_right = user_has_password(u, password);

	(void)str_copy(s->auth->name, sizeof s->auth->name, name);
	is_right = is_right || (hash.len > 0 && verify_is_known(hash, password));
	if (is_right && u != NULL) {
		succeed(s, u);
	} else if (!all->has[USER_HASH]) {
		fail(s, name);
	} else if (verify_start(hash, password, on_verdict, s)) {
		session_enter(s, SESSION_VERIFY);
	} else {
		auth_clear(s);
		leave(s);
		session_reply(s, 454, ENH(4, 7, 0), "The system is busy, try again later");
	}
}

/* ---- lines ---- */

static bool
is_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return false;
	return true;
}

/* Up to the next NUL, which is skipped. */
static bool
next_part(struct str *rest, struct str *part)
{
	return rest->p != NULL && str_next(rest, '\0', part) && is_text(*part);
}

/* RFC 4616: message = [authzid] NUL authcid NUL passwd */
static void
on_plain(struct session *s, struct str text)
{
	struct str zid = STR_NULL, name = STR_NULL, password = STR_NULL;

	if (!next_part(&text, &zid) || !next_part(&text, &name) || !next_part(&text, &password) ||
	    text.p != NULL || name.len == 0 || name.len > USERS_MAX_NAME)
		refuse(s, 501, ENH(5, 5, 2), "The response is malformed");
	else if (zid.len > 0 && !str_eq(zid, name))
		fail(s, name); /* nobody may be another */
	else
		check_password(s, name, password);
}

static void
challenge(struct session *s, enum auth_step step, const char *text)
{
	char b64[sodium_base64_ENCODED_LEN(MAX_CHALLENGE, sodium_base64_VARIANT_ORIGINAL)];

	s->auth->step = step;
	if (s->state != SESSION_AUTH)
		session_enter(s, SESSION_AUTH);
	(void)sodium_bin2base64(b64, sizeof b64, (const unsigned char *)text, strlen(text),
	    sodium_base64_VARIANT_ORIGINAL);
	session_reply(s, 334, 0, "%s", b64);
}

static void
on_login_name(struct session *s, struct str text)
{
	if (text.len == 0 || text.len > USERS_MAX_NAME || !is_text(text)) {
		refuse(s, 501, ENH(5, 5, 2), "The response is malformed");
		return;
	}
	(void)str_copy(s->auth->name, sizeof s->auth->name, text);
	challenge(s, STEP_LOGIN_PASSWORD, "Password:");
}

static void
on_login_password(struct session *s, struct str text)
{
	char name[USERS_MAX_NAME + 1];

	(void)str_copy(name, sizeof name, str_of(s->auth->name));
	if (!is_text(text))
		refuse(s, 501, ENH(5, 5, 2), "The response is malformed");
	else
		check_password(s, str_of(name), text);
}

/* RFC 2195: user name SP digest */
static void
on_cram(struct session *s, struct str text)
{
	size_t sp = str_rfind(text, ' ');
	struct str name = str_sub(text, 0, sp);
	const struct user *u;

	if (sp == STR_NPOS || sp == 0 || sp > USERS_MAX_NAME || !is_text(text)) {
		refuse(s, 501, ENH(5, 5, 2), "The response is malformed");
		return;
	}
	u = users_find(&s->world->users, name);
	if (user_has_digest(u, str_of(s->auth->challenge), str_skip(text, sp + 1)) && u != NULL)
		succeed(s, u);
	else
		fail(s, name);
}

static void
on_external(struct session *s, struct str zid)
{
	if (zid.len > 0 && !str_eq(zid, str_of(s->user))) {
		fail(s, zid);
		return;
	}
	auth_clear(s);
	leave(s);
	session_reply(s, 235, ENH(2, 7, 0), "Authentication succeeded");
}

typedef void step_fn(struct session *s, struct str text);
static step_fn *const steps[] = {
    [STEP_PLAIN] = on_plain,
    [STEP_LOGIN_NAME] = on_login_name,
    [STEP_LOGIN_PASSWORD] = on_login_password,
    [STEP_CRAM] = on_cram,
    [STEP_EXTERNAL] = on_external,
};

/* What was encoded (RFC 4648 4); it may hold a password. */
static void
decoded(struct session *s, struct str b64)
{
	char text[SESSION_LONG_LINE];
	size_t n = 0;

	if (sodium_base642bin((unsigned char *)text, sizeof text, b64.p == NULL ? "" : b64.p,
		b64.len, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) == -1 ||
	    n > VERIFY_MAX_PASSWORD)
		refuse(s, 501, ENH(5, 5, 2), "The response is not base64");
	else
		steps[s->auth->step](s, str_from(text, n));
	explicit_bzero(text, sizeof text);
}

void
auth_respond(struct session *s, struct str line)
{
	if (str_eq(line, STR("*")))
		refuse(s, 501, ENH(5, 7, 0), "Authentication was cancelled");
	else
		decoded(s, line);
}

/* ---- the command ---- */

static const struct mechanism {
	const char *name;
	unsigned bit;
	enum auth_step step;
	bool takes_initial;
	const char *prompt;
} mechanisms[] = {
    {"PLAIN", PLAIN, STEP_PLAIN, true, ""},
    {"LOGIN", LOGIN, STEP_LOGIN_NAME, true, "Username:"},
    {"CRAM-MD5", CRAM_MD5, STEP_CRAM, false, NULL},
    {"EXTERNAL", EXTERNAL, STEP_EXTERNAL, true, ""},
};

static const struct mechanism *
find_mechanism(struct str name)
{
	for (size_t i = 0; i < countof(mechanisms); i++)
		if (str_ieq(name, str_of(mechanisms[i].name)))
			return &mechanisms[i];
	return NULL;
}

static const char *
make_challenge(struct session *s)
{
	(void)snprintf(s->auth->challenge, sizeof s->auth->challenge, "<%08x%08x.%jd@%s>",
	    randombytes_random(), randombytes_random(), (intmax_t)wall_sec(ev_wall()),
	    s->world->host);
	return s->auth->challenge;
}

static void
begin(struct session *s, const struct mechanism *m, struct str initial)
{
	s->auth = xcalloc(1, sizeof *s->auth);
	s->auth->mechanism = m->name;
	s->auth->step = m->step;
	if (initial.len == 0)
		challenge(s, m->step, m->prompt != NULL ? m->prompt : make_challenge(s));
	else if (!m->takes_initial)
		refuse(s, 501, ENH(5, 7, 0), "The mechanism has no initial response");
	else
		/* RFC 4954 4: "=" stands for an empty one */
		decoded(s, str_eq(initial, STR("=")) ? STR_NULL : initial);
}

/* Why this mechanism is not to be had now. */
static void
refuse_mechanism(struct session *s, const struct mechanism *m)
{
	const struct conf_set *set = session_set(s);

	if (m == NULL)
		session_reply(s, 504, ENH(5, 5, 4), "The mechanism is not supported");
	else if (s->tls.protocol == NULL &&
		 conf_bool(set, CONF_SOURCE_REQUIRE_STARTTLS_BEFORE_AUTH))
		session_reply(s, 530, ENH(5, 7, 0), "STARTTLS must come first");
	else if (s->tls.protocol == NULL && (m->bit & (PLAIN | LOGIN)) != 0)
		session_reply(s, 538, ENH(5, 7, 11), "The mechanism needs TLS");
	else
		session_reply(s, 504, ENH(5, 5, 4), "The mechanism is not offered");
	session_error(s);
}

void
auth_run(struct session *s, struct str arg)
{
	const struct mechanism *m;
	struct str name = STR_NULL, initial = STR_NULL;

	if (s->txn != NULL || (s->user != NULL && !s->has_cert_user)) {
		session_reply(s, 503, ENH(5, 5, 1),
		    s->txn != NULL ? "Not within a transaction" : "You are authenticated");
		session_error(s);
		return;
	}
	if (!str_next_word(&arg, &name) || (str_next_word(&arg, &initial) && arg.len > 0)) {
		session_reply(s, 501, ENH(5, 5, 4), "AUTH needs a mechanism");
		session_error(s);
		return;
	}
	m = find_mechanism(name);
	if (m == NULL || (m->bit & offered(s)) == 0)
		refuse_mechanism(s, m);
	else if (is_locked_out(s))
		refuse_locked(s);
	else
		begin(s, m, initial);
}

void
auth_by_certificate(struct session *s)
{
	const struct user *u;

	if (!s->tls.has_print || !conf_bool(session_set(s), CONF_SOURCE_ALLOW_AUTH))
		return;
	u = users_find_certificate(&s->world->users, s->tls.print);
	if (u == NULL)
		return;
	take_user(s, u);
	s->has_cert_user = true;
	if (conf_bool(session_set(s), CONF_SOURCE_LOG_CONNECTIONS))
		log_info("session=%016jx event=auth client=%s mechanism=certificate user=%s",
		    (uintmax_t)s->id, s->client_text, log_quote(u->name));
}
