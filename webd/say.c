/*
 * What the log tells of requests, where the configuration asks for it (http-log-requests, http-log-data). What opens
 * doors is never in it: passwords, keys, cookies, tokens; nor is the content of a configuration file.
 */
#include <microhttpd.h>

#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "webd/webd.h"

static const char *const secrets[] = {"Authorization", "Cookie", "CSRFToken", "X-API-Key",
    "X-CSRF-Token", "content", "file", "password"};

static bool
is_secret(const char *name)
{
	for (size_t i = 0; i < countof(secrets); i++)
		if (str_ieq(str_of(secrets[i]), str_of(name)))
			return true;
	return false;
}

static void
say_value(const char *what, const char *name, struct str value)
{
	log_info("event=http-data %s=%s value=%s", what, log_quote(str_of(name)),
	    is_secret(name) ? "hidden" : log_quote(value));
}

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	say_value("header", key, str_of(value));
	return MHD_YES;
}

void
say_data(const struct request *r)
{
	if (!conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_HTTP_LOG_DATA))
		return;
	(void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, on_header, NULL);
	for (size_t i = 0; i < r->n_fields; i++)
		say_value("field", r->fields[i].name, buf_str(&r->fields[i].value));
}

void
say_request(const struct request *r)
{
	char client[NET_ADDR_TEXT];

	if (!r->has_begun || !conf_bool(conf_global(daemon_conf()), CONF_GLOBAL_HTTP_LOG_REQUESTS))
		return;
	log_info(
	    "event=http-request client=%s user=%s method=%s path=%s status=%u bytes=%zu ms=%ld",
	    net_addr_text(&r->conn->client, client), r->by_key ? "key" : log_quote(str_of(r->user)),
	    r->is_post ? "POST" : "GET", log_quote(str_of(r->path)), r->status, r->reply_len,
	    (long)mono_diff_ms(r->began, ev_now()));
}
