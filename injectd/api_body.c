#include "injectd/api_int.h"
#include "lib/base/xalloc.h"
#include "lib/json/read.h"

/* ---- what stands where ---- */

static int
read_rcpt_address(struct json *j, void *ctx)
{
	struct api_rcpt *r = ctx;

	return json_string(j, &r->address);
}

static int
read_address(struct json *j, void *ctx)
{
	static const struct json_member members[] = {{{"email", 5}, read_rcpt_address}};

	if (json_is_string(j))
		return read_rcpt_address(j, ctx);
	return json_object(j, members, countof(members), ctx);
}

static int
read_rcpt_path(struct json *j, void *ctx)
{
	struct api_rcpt *r = ctx;

	return json_string(j, &r->return_path);
}

static int
read_rcpt(struct json *j, void *ctx)
{
	static const struct json_member members[] = {
	    {{"address", 7}, read_address}, {{"return_path", 11}, read_rcpt_path}};
	struct api_mail *m = ctx;
	struct api_rcpt r = {STR_NULL, STR_NULL};

	if (json_object(j, members, countof(members), &r) == -1)
		return -1;
	if (r.address.p == NULL)
		return why_set(&j->why, "A recipient has no address");
	if (m->n_rcpts == API_MAX_RCPTS)
		return why_set(&j->why, "There are more than %u recipients", API_MAX_RCPTS);
	if (m->n_rcpts == m->cap_rcpts) {
		m->cap_rcpts = PH_MAX(m->cap_rcpts * 2, (size_t)16);
		m->rcpts = xreallocarray(m->rcpts, m->cap_rcpts, sizeof *m->rcpts);
	}
	m->rcpts[m->n_rcpts++] = r;
	return 0;
}

static int
read_rcpts(struct json *j, void *ctx)
{
	return json_list(j, read_rcpt, ctx);
}

static int
read_path(struct json *j, void *ctx)
{
	struct api_mail *m = ctx;

	m->has_return_path = true;
	return json_string(j, &m->return_path);
}

static int
read_campaign(struct json *j, void *ctx)
{
	struct api_mail *m = ctx;

	return json_string(j, &m->campaign);
}

static int
read_utf8(struct json *j, void *ctx)
{
	struct api_mail *m = ctx;

	return json_bool(j, &m->is_utf8);
}

static int
read_options(struct json *j, void *ctx)
{
	static const struct json_member members[] = {{{"smtputf8", 8}, read_utf8}};

	return json_object(j, members, countof(members), ctx);
}

static int
read_email(struct json *j, void *ctx)
{
	struct api_mail *m = ctx;

	m->has_content = true;
	return json_string(j, &m->content);
}

static int
read_content(struct json *j, void *ctx)
{
	static const struct json_member members[] = {{{"email_rfc822", 12}, read_email}};

	return json_object(j, members, countof(members), ctx);
}

static const struct json_member transmission[] = {
    {{"return_path", 11}, read_path},
    {{"campaign_id", 11}, read_campaign},
    {{"options", 7}, read_options},
    {{"recipients", 10}, read_rcpts},
    {{"content", 7}, read_content},
};

/* ---- the whole ---- */

static int
by_return_path(const void *a, const void *b)
{
	const struct api_rcpt *x = a, *y = b;
	int r = str_cmp(x->return_path, y->return_path);

	/* of one message, in the order in which they stand there */
	return r != 0 ? r : (x->address.p > y->address.p) - (x->address.p < y->address.p);
}

static int
complete(struct api_mail *m, struct why *why)
{
	if (!m->has_content)
		return why_set(why, "content.email_rfc822 is missing");
	if (m->n_rcpts == 0)
		return why_set(why, "There are no recipients");
	for (size_t i = 0; i < m->n_rcpts; i++) {
		struct api_rcpt *r = &m->rcpts[i];
		if (r->return_path.p == NULL && !m->has_return_path)
			return why_set(why, "return_path is missing");
		if (r->return_path.p == NULL)
			r->return_path = m->return_path;
	}
	qsort(m->rcpts, m->n_rcpts, sizeof *m->rcpts, by_return_path);
	return 0;
}

int
api_mail_read(struct api_mail *m, char *body, size_t len, struct why *why)
{
	struct json j;

	*m = (struct api_mail){0};
	json_init(&j, body, len);
	if (json_object(&j, transmission, countof(transmission), m) == -1 || json_end(&j) == -1) {
		*why = j.why;
		return -1;
	}
	return complete(m, why);
}

void
api_mail_clear(struct api_mail *m)
{
	xfree(&m->rcpts);
	*m = (struct api_mail){0};
}
