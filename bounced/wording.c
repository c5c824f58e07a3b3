#include "bounced/wording.h"

#include "lib/base/xalloc.h"
#include "lib/conf/processor.h"
#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/template.h"

#define TEXT_MAX (256u * 1024)

struct wording {
	const struct conf *conf;
	struct str from, subject, body; /* the templates, empty: none */
	struct buf texts[3];
};

struct wording *
wording_new(const struct conf *conf)
{
	const struct conf_set *g = conf_global(conf);
	struct wording *w = xcalloc(1, sizeof *w);

	w->conf = conf;
	w->from = conf_str(g, CONF_GLOBAL_DSN_FAILED_FROM_TEMPLATE);
	w->subject = conf_str(g, CONF_GLOBAL_DSN_FAILED_SUBJECT_TEMPLATE);
	w->body = conf_file_text(conf, conf_str(g, CONF_GLOBAL_DSN_FAILED_BODY_TEMPLATE_FROM));
	for (size_t i = 0; i < countof(w->texts); i++)
		buf_init(&w->texts[i], TEXT_MAX);
	return w;
}

void
wording_free(struct wording **wp)
{
	struct wording *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	for (size_t i = 0; i < countof(w->texts); i++)
		buf_clear(&w->texts[i]);
	free(w);
}

static const struct conf_set *
queue_of(const struct wording *w, struct str address, struct str vmta)
{
	size_t at = str_rfind(address, '@');

	return conf_queue(w->conf, at == STR_NPOS ? STR("") : str_skip(address, at + 1), vmta);
}

bool
wording_is_plain(const struct wording *w, struct str address, struct str vmta)
{
	return w != NULL &&
	       conf_enum(queue_of(w, address, vmta), CONF_DOMAIN_DSN_FORMAT) == 1; /* plain-text */
}

bool
wording_is_single(const struct wording *w)
{
	return w != NULL && w->from.len + w->subject.len + w->body.len > 0;
}

/* what is behind the name in "retry-after 10m,1h" */
static char *
value_of(const struct conf_set *set, enum conf_key key)
{
	char *text = conf_print(set, key), *value;
	size_t blank = str_find(str_of(text), ' ');

	value = xstrdup(blank == STR_NPOS ? "" : text + blank + 1);
	free(text);
	return value;
}

static void
expand(struct buf *to, struct str template, const struct template_value *values, size_t n,
    struct str *text)
{
	buf_reset(to);
	to->overfull = false;
	if (template.len > 0 && template_expand(to, template, values, n) == 0)
		*text = buf_str(to);
}

void
wording_apply(struct wording *w, struct report *r)
{
	const struct report_rcpt_text *rcpt = &r->rcpts[0];
	const struct conf_set *set = queue_of(w, rcpt->address, r->vmta);
	char *retry = value_of(set, CONF_DOMAIN_RETRY_AFTER),
	     *bounce = value_of(set, CONF_DOMAIN_BOUNCE_AFTER);
	char now[MAIL_DATE_MAX], queued[MAIL_DATE_MAX], subject[1024] = "";
	struct header_field f;
	struct template_value values[] = {
	    {"hostname", r->host},
	    {"originator", r->to},
	    {"recipient", rcpt->address},
	    {"subject", STR("")},
	    {"retryAfter", str_of(retry)},
	    {"bounceAfter", str_of(bounce)},
	    {"date", str_of(mail_date(r->now, now))},
	    {"timeQueued", str_of(mail_date(r->arrived, queued))},
	    {"response", rcpt->reply},
	};

	if (header_find(r->content, STR("subject"), &f))
		(void)header_unfold(f.value, subject, sizeof subject);
	values[3].value = str_of(subject);
	expand(&w->texts[0], w->from, values, countof(values), &r->from);
	expand(&w->texts[1], w->subject, values, countof(values), &r->subject);
	expand(&w->texts[2], w->body, values, countof(values), &r->people);
	free(retry);
	free(bounce);
}
