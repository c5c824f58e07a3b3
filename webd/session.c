/*
 * Log-ins: in memory only, so that a restart ends them all. The cookie is 256 random bits that no script can read and
 * no other site's page can send; what a change must bring along is derived from it by a key of this process.
 */
#include <microhttpd.h>
#include <sodium.h>

#include "lib/auth/verify.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/guard.h"
#include "webd/webd.h"

#define MAX_SESSIONS 256
#define IDLE_MS	     (8 * 3600 * INT64_C(1000))
#define WHOLE_MS     (24 * 3600 * INT64_C(1000))
#define COOKIE	     "posthaste"

struct session {
	char id[SESSION_TOKEN + 1]; /* empty: free */
	char user[64];
	char hash[crypto_pwhash_STRBYTES]; /* of the password that it began with */
	enum access access;
	struct mono used, began;
};
static struct {
	struct session list[MAX_SESSIONS];
	unsigned char key[crypto_generichash_KEYBYTES];
} sessions;

void
session_init(void)
{
	randombytes_buf(sessions.key, sizeof sessions.key);
}

void
session_use_conf(void)
{
	struct str hash;

	/* a user may be gone, have another password or other rights now */
	for (size_t i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = &sessions.list[i];
		hash = access_user(str_of(s->user), &s->access);
		if (hash.len == 0 || !str_eq(hash, str_of(s->hash)))
			explicit_bzero(s, sizeof *s);
	}
}

static bool
is_over(const struct session *s)
{
	struct mono now = ev_now();

	return mono_diff_ms(s->used, now) > IDLE_MS || mono_diff_ms(s->began, now) > WHOLE_MS;
}

static struct session *
find(struct str id)
{
	if (id.len != SESSION_TOKEN)
		return NULL;
	for (size_t i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = &sessions.list[i];
		if (s->id[0] != '\0' && sodium_memcmp(s->id, id.p, SESSION_TOKEN) == 0)
			return is_over(s) ? NULL : s;
	}
	return NULL;
}

void
session_apply(struct request *r)
{
	struct str id = str_of(MHD_lookup_connection_value(r->mhd, MHD_COOKIE_KIND, COOKIE));
	struct session *s = find(id);

	if (s == NULL)
		return;
	s->used = ev_now();
	r->session = s;
	(void)str_copy(r->user, sizeof r->user, str_of(s->user));
	/* who logged in has the rights of the log-in, where they are more */
	if (s->access > r->access) {
		r->access = s->access;
		r->no_logs = false;
	}
}

/* ---- tokens ---- */

static const char *
session_token(const struct request *r)
{
	static char text[SESSION_TOKEN + 1];
	unsigned char digest[SESSION_TOKEN / 2];
	char who[NET_ADDR_TEXT + SESSION_TOKEN];

	/* without a session rights come from the address */
	if (r->session != NULL)
		(void)str_copy(who, sizeof who, str_of(r->session->id));
	else
		(void)net_addr_text(&r->conn->client, who);
	(void)crypto_generichash(digest, sizeof digest, (const unsigned char *)who, strlen(who),
	    sessions.key, sizeof sessions.key);
	return sodium_bin2hex(text, sizeof text, digest, sizeof digest);
}

bool
session_is_token(const struct request *r, struct str token)
{
	return token.len == SESSION_TOKEN &&
	       sodium_memcmp(session_token(r), token.p, SESSION_TOKEN) == 0;
}

/* ---- in and out ---- */

static struct session *
new_session(void)
{
	struct session *oldest = &sessions.list[0];
	unsigned char id[SESSION_TOKEN / 2];

	for (size_t i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = &sessions.list[i];
		if (s->id[0] == '\0' || is_over(s)) {
			oldest = s;
			break;
		}
		if (mono_is_before(s->used, oldest->used))
			oldest = s;
	}
	explicit_bzero(oldest, sizeof *oldest);
	randombytes_buf(id, sizeof id);
	sodium_bin2hex(oldest->id, sizeof oldest->id, id, sizeof id);
	explicit_bzero(id, sizeof id);
	oldest->used = oldest->began = ev_now();
	return oldest;
}

static void
set_cookie(struct request *r, const char *id, bool is_end)
{
	char text[256];

	snprintf(text, sizeof text, COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s%s", id,
	    r->conn->is_tls ? "; Secure" : "", is_end ? "; Max-Age=0" : "");
	request_add_header(r, "Set-Cookie", text);
	explicit_bzero(text, sizeof text);
}

static void
on_verified(void *ctx, bool is_right)
{
	struct request *r = ctx;
	struct str name = request_field(r, "user");
	char client[NET_ADDR_TEXT];
	struct session *s;
	struct str hash;
	enum access a;

	if (!is_right || (hash = access_user(name, &a)).len == 0) {
		guard_count_failure(&r->conn->client);
		request_say(r, MHD_HTTP_FORBIDDEN, "The name or the password is wrong.");
		return;
	}
	s = new_session();
	s->access = a;
	(void)str_copy(s->user, sizeof s->user, name);
	(void)str_copy(s->hash, sizeof s->hash, hash);
	log_info("event=http-login client=%s user=%s role=%s",
	    net_addr_text(&r->conn->client, client), log_quote(name), access_name(a));
	request_say(r, MHD_HTTP_OK, "Logged in.");
	set_cookie(r, s->id, false);
}

void
session_login(struct request *r)
{
	struct str name = request_field(r, "user"), password = request_field(r, "password");
	enum access a;

	if (guard_is_locked_out(r))
		return;
	if (!access_has_users()) {
		request_say(r, MHD_HTTP_FORBIDDEN, "There is no access-file, so nobody logs in.");
		return;
	}
	if (name.len == 0 || password.len == 0 || password.len > VERIFY_MAX_PASSWORD) {
		request_say(r, MHD_HTTP_BAD_REQUEST, "A log-in takes a name and a password.");
		return;
	}
	if (!verify_start(access_user(name, &a), password, on_verified, r))
		request_say(r, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "Too many passwords are being tried; try again.");
}

void
session_logout(struct request *r)
{
	if (r->session != NULL)
		explicit_bzero(r->session, sizeof *r->session);
	request_say(r, MHD_HTTP_OK, "Logged out.");
	set_cookie(r, "", true);
}

/* What a page needs to know about its visitor. */
void
session_tell(struct request *r)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *g = conf_global(c);
	bool edits = conf_bool(conf_merged(c, CONF_BLOCK_HTTP), CONF_HTTP_ENABLE_CONFIG_EDITING);
	char items[24];
	struct tree t;
	int n =
	    snprintf(items, sizeof items, "%lu", conf_u64(g, CONF_GLOBAL_HTTP_DEFAULT_MAX_ITEMS));
	bool ok;

	tree_init(&t);
	ok = tree_add(&t, STR("session.access"), str_of(access_name(r->access)), CTL_TEXT) == 0 &&
	     tree_add(&t, STR("session.user"), str_of(r->user), CTL_TEXT) == 0 &&
	     tree_add(&t, STR("session.token"), str_of(session_token(r)), CTL_TEXT) == 0 &&
	     tree_add(&t, STR("session.hasUsers"), access_has_users() ? STR("yes") : STR("no"),
		 CTL_BOOL) == 0 &&
	     tree_add(&t, STR("session.mayReadLogs"), r->no_logs ? STR("no") : STR("yes"),
		 CTL_BOOL) == 0 &&
	     tree_add(&t, STR("session.edits"), edits ? STR("yes") : STR("no"), CTL_BOOL) == 0 &&
	     tree_add(&t, STR("session.maxItems"), str_from(items, (size_t)n), CTL_NUMBER) == 0 &&
	     tree_add(&t, STR("session.host"), conf_str(g, CONF_GLOBAL_HOST_NAME), CTL_TEXT) == 0;
	ph_assert(ok);
	t.message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, &t);
	tree_clear(&t);
}
