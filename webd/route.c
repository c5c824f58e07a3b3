/*
 * Which function answers which URL, and what comes before any of them: who asks, from where, by which way. Every row
 * says which right it takes; there is no other way to an answer.
 */
#include <microhttpd.h>

#include "lib/auth/lockout.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/guard.h"
#include "webd/webd.h"

typedef void serve_fn(struct request *r);

static void
serve_root(struct request *r)
{
	request_redirect(r, "/ui/");
}

static void
serve_events(struct request *r)
{
	request_stream(r);
}

struct route {
	const char *path;
	bool is_post; /* it changes something */
	enum access access;
	serve_fn *serve;
};
static const struct route routes[] = {
    {"/", false, ACCESS_NONE, serve_root},
    {"/session", false, ACCESS_NONE, session_tell},
    {"/login", true, ACCESS_NONE, session_login},
    {"/logout", true, ACCESS_NONE, session_logout},
    {"/events", false, ACCESS_MONITOR, serve_events},
    {"/history", false, ACCESS_MONITOR, live_history},
    {"/labels", false, ACCESS_MONITOR, live_labels},
    {"/metrics", false, ACCESS_MONITOR, live_metrics},
    {"/commands", false, ACCESS_MONITOR, script_list},
    {"/command", false, ACCESS_MONITOR, script_command},
    {"/command", true, ACCESS_MONITOR, script_command},
    {"/configFile", false, ACCESS_OPERATOR, edit_serve_get},
    {"/configFile", true, ACCESS_ADMIN, edit_serve_post},
    {"/logs", false, ACCESS_MONITOR, log_page_serve},
    {"/getFile", false, ACCESS_MONITOR, log_page_serve},
};

bool
route_may(struct request *r, enum access needed)
{
	if (r->access >= needed)
		return true;
	request_say(r, MHD_HTTP_FORBIDDEN, "This takes the right \"%s\"; you have \"%s\".",
	    access_name(needed), access_name(r->access));
	return false;
}

static void
serve(struct request *r)
{
	bool is_there = false;

	for (size_t i = 0; i < countof(routes); i++) {
		const struct route *row = &routes[i];
		if (strcmp(row->path, r->path) != 0)
			continue;
		is_there = true;
		if (row->is_post != r->is_post)
			continue;
		if (route_may(r, row->access))
			row->serve(r);
		return;
	}
	if (is_there || r->is_post) {
		request_say(r, is_there ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
		    "%s is not there to be %s.", r->path, r->is_post ? "posted to" : "read");
		return;
	}
	if (!script_serve(r) && !pages_serve(r))
		request_say(r, MHD_HTTP_NOT_FOUND, "There is nothing at %s.", r->path);
}

void
route_request(struct request *r)
{
	if (guard_lets_in(r))
		serve(r);
}
