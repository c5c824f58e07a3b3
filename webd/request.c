/*
 * One request from its line to its answer. What libmicrohttpd lets through is refused here when it could mean two
 * things; the body and its fields are bounded; an answer that has to be waited for suspends the connection.
 */
#include <microhttpd.h>
#include <stdarg.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/http.h"
#include "webd/webd.h"

#define BODY_MS	  60000	 /* for a whole body */
#define ANSWER_MS 120000 /* for an answer to be made and read */
#define NEXT_MS	  30000	 /* between two requests */
#define POST_BUF  8192
#define MAX_NAME  128u

/* nothing from elsewhere, nothing inline: what strangers wrote can at most be shown */
#define POLICY                                                                                     \
	"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "        \
	"object-src 'none'"

static struct request *requests;
static bool is_ending;

void *
http_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *r = xcalloc(1, sizeof *r);

	*r = (struct request){.mhd = mhd, .conn = info->socket_context, .next = requests};
	r->back = &requests;
	if (r->next != NULL)
		r->next->back = &r->next;
	requests = r;
	r->began = ev_now();
	/* an encoded NUL would end the decoded text early; the path has nothing to encode */
	r->is_bad_uri = uri[0] != '/' || strstr(uri, "%00") != NULL;
	return r;
}

/* ---- fields ---- */

static bool
add_field(struct request *r, struct str name, struct str value, uint64_t offset)
{
	struct field *f = r->n_fields == 0 ? NULL : &r->fields[r->n_fields - 1];

	if (offset > 0)
		return f != NULL && buf_add_str(&f->value, value) == 0;
	if (r->n_fields == REQUEST_MAX_FIELDS || name.len == 0 || name.len > MAX_NAME)
		return false;
	f = &r->fields[r->n_fields++];
	f->name = xstrdup_str(name);
	buf_init(&f->value, REQUEST_MAX_BODY);
	return buf_add_str(&f->value, value) == 0;
}

static enum MHD_Result
on_argument(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value,
    size_t value_len)
{
	struct request *r = cls;
	struct str v = str_from(value == NULL ? "" : value, value == NULL ? 0 : value_len);

	for (size_t i = 0; i < v.len; i++)
		r->is_bad_uri |= (unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f;
	if (!add_field(r, str_from(key, key_len), v, 0))
		r->is_bad_uri = true;
	return MHD_YES;
}

static enum MHD_Result
on_form(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename, const char *type,
    const char *encoding, const char *data, uint64_t offset, size_t len)
{
	struct request *r = cls;

	return add_field(r, str_of(key), str_from(data, len), offset) ? MHD_YES : MHD_NO;
}

struct str
request_field(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_fields; i++)
		if (strcmp(r->fields[i].name, name) == 0)
			return buf_str(&r->fields[i].value);
	return STR_NULL;
}

bool
request_has(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->n_fields; i++)
		if (strcmp(r->fields[i].name, name) == 0)
			return true;
	return false;
}

struct str
request_header(const struct request *r, const char *name)
{
	return str_of(MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name));
}

/* ---- answers ---- */

static void
add_fields_to(struct request *r, struct MHD_Response *response)
{
	static const struct {
		const char *name, *value;
	} all[] = {
	    {"Content-Security-Policy", POLICY},
	    {"X-Content-Type-Options", "nosniff"},
	    {"X-Frame-Options", "DENY"},
	    {"Referrer-Policy", "same-origin"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Cache-Control", "no-store"},
	};
	uint64_t age = conf_u64(
	    conf_global(daemon_conf()), CONF_GLOBAL_HTTP_STRICT_TRANSPORT_SECURITY_MAX_AGE);
	char text[48];

	for (size_t i = 0; i < countof(all); i++)
		(void)MHD_add_response_header(response, all[i].name, all[i].value);
	if (age == 0 || age == CONF_UNLIMITED || !r->conn->is_tls)
		return;
	snprintf(text, sizeof text, "max-age=%lu", age);
	(void)MHD_add_response_header(response, "Strict-Transport-Security", text);
}

static void
take_response(struct request *r, unsigned status, const char *type, struct MHD_Response *response)
{
	ph_assert(r->response == NULL);
	if (response == NULL)
		fatal("no memory for an answer");
	add_fields_to(r, response);
	(void)MHD_add_response_header(response, "Content-Type", type);
	r->status = status;
	r->response = response;
	if (!r->is_suspended)
		return;
	r->is_suspended = false;
	MHD_resume_connection(r->mhd);
	server_run_soon();
}

void
request_reply(struct request *r, unsigned status, const char *type, struct str text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    text.len, (void *)(uintptr_t)text.p, MHD_RESPMEM_MUST_COPY);

	r->reply_len = text.len;
	take_response(r, status, type, response);
}

void
request_add_header(struct request *r, const char *name, const char *value)
{
	ph_assert(r->response != NULL);
	(void)MHD_add_response_header(r->response, name, value);
}

void
request_say(struct request *r, unsigned status, const char *fmt, ...)
{
	struct tree t;
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	tree_init(&t);
	t.ok = status < 400;
	t.message = xstrdup(text);
	request_tree(r, status, &t);
	tree_clear(&t);
}

void
request_tree(struct request *r, unsigned status, struct tree *t)
{
	struct str format = request_field(r, "format");
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *type = "application/json";

	if (out == NULL)
		fatal("no memory for an answer");
	if (str_eq(format, STR("xml")) || str_eq(format, STR("xml-text"))) {
		type = "application/xml; charset=utf-8";
		tree_print_xml(t, out);
	} else if (str_eq(format, STR("dom"))) {
		type = "text/plain; charset=utf-8";
		tree_make_printable(t);
		tree_print_dom(t, out);
		if (!t->ok)
			fprintf(out, "error=\"%s\"\n", t->message);
	} else
		tree_print_json(t, out);
	if (fclose(out) != 0)
		fatal("no memory for an answer");
	request_reply(r, status, type, str_from(text, len));
	free(text);
}

void
request_redirect(struct request *r, const char *to)
{
	request_reply(r, MHD_HTTP_SEE_OTHER, "text/plain", STR(""));
	request_add_header(r, "Location", to);
}

/* ---- streams ---- */

#define MAX_STREAMS 64
#define EVENT_MAX   8192
static size_t n_streams;

struct stream {
	struct request *request;
	uint64_t number; /* of the event that it was given last */
};

/* who is behind gets the latest */
static ssize_t
on_read(void *cls, uint64_t pos, char *to, size_t max)
{
	struct stream *s = cls;
	uint64_t number;
	struct str event = live_event(&number);

	if (is_ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (s->number == number) {
		s->request->is_suspended = true;
		MHD_suspend_connection(s->request->mhd);
		return 0;
	}
	if (event.len > max)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	s->number = number;
	memcpy(to, event.p, event.len);
	return (ssize_t)event.len;
}

static void
on_stream_end(void *cls)
{
	n_streams--;
	free(cls);
}

void
request_stream(struct request *r)
{
	struct stream *s;

	if (n_streams >= MAX_STREAMS) {
		request_say(r, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many live pages are open.");
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->request = r;
	n_streams++;
	take_response(r, MHD_HTTP_OK, "text/event-stream",
	    MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, EVENT_MAX, on_read, s, on_stream_end));
	r->is_stream = true;
}

void
requests_wake_streams(void)
{
	for (struct request *r = requests; r != NULL; r = r->next)
		if (r->is_stream && r->is_suspended) {
			r->is_suspended = false;
			MHD_resume_connection(r->mhd);
		}
	server_run_soon();
}

void
requests_resume_all(void)
{
	is_ending = true;
	for (struct request *r = requests; r != NULL; r = r->next) {
		if (!r->is_suspended)
			continue;
		if (r->response == NULL)
			request_say(r, MHD_HTTP_SERVICE_UNAVAILABLE, "The monitor stops.");
		else {
			r->is_suspended = false;
			MHD_resume_connection(r->mhd);
		}
	}
}

/* ---- the request comes ---- */

struct counted {
	const char *name;
	size_t n;
};

static enum MHD_Result
count_one(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct counted *c = cls;

	c->n += str_ieq(str_of(key), str_of(c->name));
	return MHD_YES;
}

static size_t
n_headers(const struct request *r, const char *name)
{
	struct counted c = {.name = name};

	(void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, count_one, &c);
	return c.n;
}

/* Two lengths, or a length and chunks: who stands in between may have understood another end (RFC 9112 6.3, 11.2). */
static bool
is_ambiguous(const struct request *r)
{
	size_t lengths = n_headers(r, "Content-Length"),
	       codings = n_headers(r, "Transfer-Encoding");

	return lengths > 1 || codings > 1 || (lengths > 0 && codings > 0) ||
	       n_headers(r, "Host") > 1;
}

static void
refuse(struct request *r, unsigned status, const char *text)
{
	r->is_refused = true;
	request_say(r, status, "%s", text);
	/* what comes behind it is not looked at */
	request_add_header(r, "Connection", "close");
}

static void
begin(struct request *r, const char *url, const char *method, const char *version)
{
	uint64_t len = 0;
	struct str text = request_header(r, "Content-Length");

	r->has_begun = true;
	r->conn->is_idle = false;
	conn_allow_ms(r->conn, BODY_MS);
	r->is_post = strcmp(method, "POST") == 0;
	(void)str_copy(r->path, sizeof r->path, str_of(url));
	/* what a NUL cuts off has none, and HTTP/0.9 has no header */
	if (strncmp(version, "HTTP/1.", 7) != 0) {
		refuse(r, MHD_HTTP_BAD_REQUEST, "It is no request of HTTP/1.");
		return;
	}
	if (is_ambiguous(r)) {
		refuse(r, MHD_HTTP_BAD_REQUEST, "The request can be understood in two ways.");
		return;
	}
	if (!r->is_post && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET, HEAD and POST are served.");
		request_add_header(r, "Allow", "GET, HEAD, POST");
		return;
	}
	(void)MHD_get_connection_values_n(r->mhd, MHD_GET_ARGUMENT_KIND, on_argument, r);
	if (r->is_bad_uri || strlen(url) >= sizeof r->path) {
		refuse(r, MHD_HTTP_BAD_REQUEST, "The address of the request is malformed.");
		return;
	}
	if (parse_u64(text, 0, UINT64_MAX, &len) && len > REQUEST_MAX_BODY) {
		refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, "The body is larger than 4 MB.");
		return;
	}
	/* NULL: it is no form, and then has no fields */
	if (r->is_post)
		r->post = MHD_create_post_processor(r->mhd, POST_BUF, on_form, r);
}

static void
take_body(struct request *r, const char *data, size_t len)
{
	r->body_len += len;
	if (r->body_len > REQUEST_MAX_BODY) {
		r->is_refused = true;
		return;
	}
	if (r->post != NULL && MHD_post_process(r->post, data, len) != MHD_YES)
		r->is_refused = true;
}

static void
begin_answer(struct request *r)
{
	r->is_answering = true;
	if (r->post != NULL) {
		if (MHD_destroy_post_processor(r->post) != MHD_YES)
			r->is_refused = true;
		r->post = NULL;
	}
	conn_allow_ms(r->conn, ANSWER_MS);
	say_data(r);
	if (r->is_refused)
		refuse(r, MHD_HTTP_BAD_REQUEST, "The form is malformed or too large.");
	else
		route_request(r);
}

static enum MHD_Result
send_reply(struct request *r)
{
	enum MHD_Result ok = MHD_queue_response(r->mhd, r->status, r->response);

	if (r->is_stream)
		conn_allow_ms(r->conn, -1);
	MHD_destroy_response(r->response);
	r->is_sent = true;
	return ok;
}

enum MHD_Result
http_on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
    const char *version, const char *data, size_t *data_len, void **ctx)
{
	struct request *r = *ctx;

	if (!r->has_begun) {
		begin(r, url, method, version);
		return r->response == NULL ? MHD_YES : send_reply(r);
	}
	if (*data_len > 0) {
		take_body(r, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (!r->is_answering)
		begin_answer(r);
	if (r->response != NULL)
		return send_reply(r);
	r->is_suspended = true;
	MHD_suspend_connection(mhd);
	return MHD_YES;
}

/* ---- its end ---- */

void
http_on_completed(
    void *cls, struct MHD_Connection *mhd, void **ctx, enum MHD_RequestTerminationCode how)
{
	struct request *r = *ctx;

	if (r == NULL)
		return;
	*ctx = NULL;
	say_request(r);
	r->conn->is_idle = true;
	conn_allow_ms(r->conn, NEXT_MS);
	if (r->post != NULL)
		(void)MHD_destroy_post_processor(r->post);
	if (r->response != NULL && !r->is_sent)
		MHD_destroy_response(r->response);
	for (size_t i = 0; i < r->n_fields; i++) {
		free(r->fields[i].name);
		if (r->fields[i].value.base != NULL)
			explicit_bzero(r->fields[i].value.base, r->fields[i].value.size);
		buf_clear(&r->fields[i].value);
	}
	*r->back = r->next;
	if (r->next != NULL)
		r->next->back = r->back;
	free(r);
}
