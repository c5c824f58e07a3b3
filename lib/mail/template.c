#include "lib/mail/template.h"

static const struct template_value *
find(const struct template_value *values, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(str_of(values[i].name), name))
			return &values[i];
	return NULL;
}

int
template_expand(struct buf *b, struct str text, const struct template_value *values, size_t n)
{
	while (text.len > 0) {
		size_t at = str_find_str(text, STR("${")), end;
		const struct template_value *v = NULL;
		(void)buf_add_str(b, str_sub(text, 0, at));
		if (at == STR_NPOS)
			break;
		text = str_skip(text, at);
		end = str_find(text, '}');
		if (end != STR_NPOS)
			v = find(values, n, str_sub(text, 2, end - 2));
		(void)buf_add_str(b, v != NULL ? v->value : str_sub(text, 0, 2));
		text = str_skip(text, v != NULL ? end + 1 : 2);
	}
	return buf_is_overfull(b) ? -1 : 0;
}
