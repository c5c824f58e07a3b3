#include "lib/dkim/identity.h"

#include "lib/mail/header.h"
#include "lib/smtp/address.h"

#define MAX_VALUE 8192 /* of a field; further addresses are of no interest */

bool
dkim_is_within(struct str domain, struct str parent)
{
	if (domain.len <= parent.len)
		return str_ieq(domain, parent);
	return str_has_isuffix(domain, parent) && domain.p[domain.len - parent.len - 1] == '.';
}

static bool
set(struct str local, struct str domain, struct dkim_identity *id)
{
	domain = str_trim(domain);
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	if (local.len >= sizeof id->local || domain.len == 0 || domain.p[0] == '[')
		return false;
	(void)str_copy(id->local, sizeof id->local, local);
	return domain_queue_name(domain, id->domain, sizeof id->domain) > 0;
}

bool
dkim_identity_of_text(struct str text, struct dkim_identity *id)
{
	size_t at = str_rfind(text, '@');

	if (at == STR_NPOS)
		return set(STR(""), text, id);
	return set(str_sub(text, 0, at), str_skip(text, at + 1), id);
}

/* ---- address lists ---- */

/* behind a quoted string or a comment that begins at s.p[i]; s.len when it does not end */
static size_t
skip_quoted(struct str s, size_t i)
{
	for (i++; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return s.len;
}

static size_t
skip_comment(struct str s, size_t i)
{
	size_t depth = 0;

	for (; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.len;
}

/* The first mailbox: what is in <>, or the text without comments and blanks up to a comma. */
struct mailbox {
	char text[DKIM_MAX_LOCAL + DKIM_MAX_DOMAIN + 2];
	size_t len;
	bool is_long;
};

static void
keep(struct mailbox *m, struct str s)
{
	if (s.len > sizeof m->text - m->len) {
		m->is_long = true;
		return;
	}
	memcpy(m->text + m->len, s.p, s.len);
	m->len += s.len;
}

static void
read_mailbox(struct str s, struct mailbox *m)
{
	size_t i = 0, end;
	bool in_angle = false;

	*m = (struct mailbox){0};
	while (i < s.len) {
		char c = s.p[i];
		if (c == '(') {
			i = skip_comment(s, i);
			continue;
		}
		end = c == '"' ? skip_quoted(s, i) : i + 1;
		if (c == '<') {
			in_angle = true;
			*m = (struct mailbox){0};
		} else if ((c == '>' && in_angle) || (c == ',' && !in_angle && m->len > 0) ||
			   (c == ';' && !in_angle)) {
			return;
		} else if (c == ':' && !in_angle) {
			*m = (struct mailbox){0}; /* a group's name */
		} else if (c != ' ' && c != '\t' && c != ',') {
			keep(m, str_from(s.p + i, end - i));
		}
		i = end;
	}
}

bool
dkim_identity_of_field(struct str value, struct dkim_identity *id)
{
	char text[MAX_VALUE];
	struct mailbox m;
	struct str s;
	size_t at;

	(void)header_unfold(value, text, sizeof text);
	read_mailbox(str_of(text), &m);
	s = str_from(m.text, m.len);
	at = str_rfind(s, '@');
	if (m.is_long || at == STR_NPOS || at == 0)
		return false;
	return set(str_sub(s, 0, at), str_skip(s, at + 1), id);
}

bool
dkim_identity_find(struct str how, struct str header, struct dkim_identity *id)
{
	struct header_field f;

	*id = (struct dkim_identity){0};
	if (str_ieq(how, STR("sender-or-from"))) {
		if (header_find(header, STR("Sender"), &f) && dkim_identity_of_field(f.value, id))
			return true;
	} else if (!str_ieq(how, STR("strict-from"))) {
		return dkim_identity_of_text(how, id);
	}
	return header_find(header, STR("From"), &f) && dkim_identity_of_field(f.value, id);
}
