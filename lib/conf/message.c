#include <stdarg.h>

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define TEXT_MAX 1024

/* Errors count for more: makes room by dropping the last note. */
static bool
has_room(struct conf_load *l, bool is_error)
{
	struct conf_messages *m = l->m;

	if (m->n < CONF_MESSAGES_MAX)
		return true;
	for (size_t i = m->n; i-- > 0 && is_error;) {
		if (m->list[i].is_error)
			continue;
		free(m->list[i].text);
		memmove(&m->list[i], &m->list[i + 1], (m->n - i - 1) * sizeof m->list[0]);
		memmove(&l->at[i], &l->at[i + 1], (m->n - i - 1) * sizeof l->at[0]);
		m->n--;
		return true;
	}
	return false;
}

static void
add(struct conf_load *l, bool is_error, struct conf_at at, const char *text)
{
	struct conf_messages *m = l->m;
	const char *file = at.file < l->c->n_files ? l->c->files[at.file].path : NULL;
	char *whole;

	l->n_errors += is_error;
	if (!has_room(l, is_error))
		return;
	if (file == NULL)
		whole = xstrdup(text);
	else if (at.line == 0)
		whole = xasprintf("%s: %s", file, text);
	else
		whole = xasprintf("%s:%u:%u: %s", file, at.line, at.col, text);
	m->list = xreallocarray(m->list, m->n + 1, sizeof m->list[0]);
	l->at[m->n] = at;
	m->list[m->n++] = (struct conf_message){.is_error = is_error, .text = whole};
}

void
conf_error(struct conf_load *l, struct conf_at at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	add(l, true, at, text);
}

void
conf_note(struct conf_load *l, struct conf_at at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	if (l->is_snapshot)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	add(l, false, at, text);
}

static bool
is_before(struct conf_at a, struct conf_at b)
{
	if (a.file != b.file)
		return a.file < b.file;
	return a.line - 1 < b.line - 1; /* 0, no line, comes last */
}

/* What is found at the end takes its place among what was found on the way. */
void
conf_messages_sort(struct conf_load *l)
{
	for (size_t i = 1; i < l->m->n; i++) {
		struct conf_message m = l->m->list[i];
		struct conf_at at = l->at[i];
		size_t k = i;
		for (; k > 0 && is_before(at, l->at[k - 1]); k--) {
			l->m->list[k] = l->m->list[k - 1];
			l->at[k] = l->at[k - 1];
		}
		l->m->list[k] = m;
		l->at[k] = at;
	}
}

void
conf_messages_clear(struct conf_messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->list[i].text);
	xfree(&m->list);
	m->n = 0;
}
