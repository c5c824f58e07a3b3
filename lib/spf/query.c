#include "lib/base/xalloc.h"
#include "lib/spf/spf_int.h"

static const char *const names[SPF_RESULT_MAX] = {
    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};

const char *
spf_result_name(enum spf_result r)
{
	return names[r];
}

/* ---- the beginning ---- */

/* A domain that can be asked for: several labels of 1-63 bytes (4.3). */
static bool
is_domain(const char *name)
{
	struct str rest = str_of(name), label = STR_NULL;
	size_t n = 0;

	if (rest.len > 0 && rest.p[rest.len - 1] == '.')
		rest.len--;
	while (str_next(&rest, '.', &label)) {
		if (label.len == 0 || label.len > 63)
			return false;
		n++;
	}
	return n > 1 && name[0] != '[';
}

static void
set_identity(struct spf *s, const struct spf_query *q)
{
	size_t at = str_rfind(q->sender, '@');
	struct str origin = at == STR_NPOS ? q->helo : str_skip(q->sender, at + 1);
	struct str local = at == STR_NPOS ? STR_NULL : str_sub(q->sender, 0, at);

	if (local.len == 0)
		local = STR("postmaster");
	(void)str_copy(s->local, sizeof s->local, local);
	if (str_copy(s->origin, sizeof s->origin, origin) >= sizeof s->origin)
		s->origin[0] = '\0';
	str_lower(s->origin, strlen(s->origin));
	snprintf(s->sender, sizeof s->sender, "%s@%s", s->local, s->origin);
}

struct spf *
spf_new(const struct spf_query *q)
{
	struct spf *s = xcalloc(1, sizeof *s);

	set_identity(s, q);
	(void)str_copy(s->helo, sizeof s->helo, q->helo);
	(void)str_copy(s->receiver, sizeof s->receiver, q->receiver);
	s->max_void = q->max_void;
	s->vars = (struct spf_vars){.sender = s->sender, .local = s->local, .origin = s->origin};
	s->vars.helo = s->helo;
	s->vars.receiver = s->receiver;
	s->vars.client = q->client;
	s->vars.now_s = q->now_s;
	s->depth = 1;
	(void)str_copy(s->frame[0].domain, SPF_MAX_NAME, str_of(s->origin));
	s->state = SPF_BEGIN;
	s->result = SPF_NONE;
	if (!is_domain(s->origin) || q->client.family == 0)
		s->state = SPF_DONE;
	return s;
}

void
spf_free(struct spf **sp)
{
	if (*sp == NULL)
		return;
	for (size_t i = 0; i < (*sp)->depth; i++)
		free((*sp)->frame[i].record);
	xfree(sp);
}

enum spf_result
spf_result(const struct spf *s)
{
	return s->result;
}

const char *
spf_domain(const struct spf *s)
{
	return s->origin;
}

const char *
spf_sender(const struct spf *s)
{
	return s->sender;
}

const char *
spf_reason(const struct spf *s)
{
	return s->reason;
}

const char *
spf_explanation(const struct spf *s)
{
	return s->explanation;
}
