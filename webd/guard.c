#include "webd/guard.h"

#include <microhttpd.h>

#include "lib/auth/lockout.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/webd.h"

#define MAX_FAILURES 5
#define WINDOW_MS    (10 * 60 * 1000)

static struct lockout failures;

bool
guard_is_locked_out(struct request *r)
{
	if (lockout_count(&failures, &r->conn->client, WINDOW_MS) < MAX_FAILURES)
		return false;
	request_say(r, MHD_HTTP_TOO_MANY_REQUESTS,
	    "Too many wrong passwords or keys came from your address; try again in some minutes.");
	request_add_header(r, "Retry-After", "600");
	return true;
}

void
guard_count_failure(const struct net_addr *client)
{
	char text[NET_ADDR_TEXT];

	lockout_add(&failures, client, WINDOW_MS);
	log_warn("event=http-login-failed client=%s", net_addr_text(client, text));
}

/* A page that another site had resolved to our address says that site's name (DNS rebinding). */
static bool
is_host_good(struct request *r)
{
	struct str host = request_header(r, "Host");

	if (r->by_key || access_is_own_host(host))
		return true;
	request_say(r, MHD_HTTP_FORBIDDEN,
	    "The monitor is reached by its address, by localhost, or by a name of host-name; not "
	    "as "
	    "\"%.*s\".",
	    STR_ARG(str_sub(host, 0, 100)));
	return false;
}

static bool
is_encrypted_enough(struct request *r)
{
	struct str host = request_header(r, "Host");
	char to[600];

	if (r->conn->is_tls || !conns_have_tls() ||
	    !conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_HTTP_REDIRECT_TO_HTTPS))
		return true;
	if (r->is_post || request_has(r, "format") || host.len == 0 || host.len > 255) {
		request_say(r, MHD_HTTP_FORBIDDEN, "The monitor is reached by https:// only.");
		return false;
	}
	snprintf(to, sizeof to, "https://%.*s%s", STR_ARG(host), r->path);
	request_redirect(r, to);
	return false;
}

/* False: it was answered. */
static bool
try_key(struct request *r)
{
	struct str key = request_header(r, "X-API-Key");

	if (key.len == 0)
		return true;
	if (guard_is_locked_out(r))
		return false;
	if (access_is_key(key)) {
		r->access = ACCESS_ADMIN;
		r->no_logs = false;
		r->by_key = true;
		return true;
	}
	guard_count_failure(&r->conn->client);
	request_say(r, MHD_HTTP_FORBIDDEN, "That is no key of this server.");
	return false;
}

/* "scheme://host[:port]" of the page that asks is ours? Absent: no browser's, or of one that does not say. */
static bool
is_own_origin(const struct request *r)
{
	struct str origin = request_header(r, "Origin"), site = request_header(r, "Sec-Fetch-Site");
	struct str host = request_header(r, "Host");
	struct str scheme = r->conn->is_tls ? STR("https://") : STR("http://");

	if (site.len > 0 && !str_ieq(site, STR("same-origin")) && !str_ieq(site, STR("none")))
		return false;
	if (origin.len == 0)
		return true;
	return str_has_iprefix(origin, scheme) && str_ieq(str_skip(origin, scheme.len), host);
}

static bool
is_meant(struct request *r)
{
	struct str token = request_header(r, "X-CSRF-Token");

	if (!r->is_post || r->by_key)
		return true;
	if (!is_own_origin(r)) {
		request_say(r, MHD_HTTP_FORBIDDEN, "Another site's page asked for this.");
		return false;
	}
	if (!conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_HTTP_CSRF_PROTECTION))
		return true;
	/* there is no session to be abused yet */
	if (strcmp(r->path, "/login") == 0)
		return true;
	if (token.len == 0)
		token = request_field(r, "CSRFToken");
	if (session_is_token(r, token))
		return true;
	request_say(r, MHD_HTTP_FORBIDDEN,
	    "A change takes the token of /session (X-CSRF-Token) or a key (X-API-Key).");
	return false;
}

bool
guard_lets_in(struct request *r)
{
	struct visit v = access_of(&r->conn->client);

	r->access = v.access;
	r->no_logs = v.no_logs;
	if (v.is_barred) {
		request_say(r, MHD_HTTP_FORBIDDEN, "http-access says none for your address.");
		return false;
	}
	if (!is_encrypted_enough(r) || !try_key(r) || !is_host_good(r))
		return false;
	if (!r->by_key)
		session_apply(r);
	if (r->access == ACCESS_NONE && !access_has_users()) {
		request_say(r, MHD_HTTP_FORBIDDEN,
		    "Your address has no right here; see http-access in the manual.");
		return false;
	}
	return is_meant(r);
}
