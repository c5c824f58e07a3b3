#include "pmtactl/tree.h"

#include <stdarg.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

void
tree_init(struct tree *t)
{
	*t = (struct tree){.ok = true};
}

void
tree_clear(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->leaves[i].path);
		free(t->leaves[i].value);
	}
	free(t->leaves);
	free(t->message);
	tree_init(t);
}

int
tree_add(struct tree *t, struct str path, struct str value, enum ctl_value kind)
{
	if (t->n >= TREE_MAX_LEAVES)
		return -1;
	if (t->n == t->room) {
		t->room = t->room == 0 ? 256 : t->room * 2;
		t->leaves = xreallocarray(t->leaves, t->room, sizeof *t->leaves);
	}
	t->leaves[t->n++] =
	    (struct leaf){.path = xstrdup_str(path), .value = xstrdup_str(value), .kind = kind};
	return 0;
}

const char *
tree_get(const struct tree *t, const char *fmt, ...)
{
	static size_t near; /* answers are read in order: begin where the last look ended */
	char	      path[300];
	va_list	      ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	for (size_t k = 0; k < t->n; k++) {
		size_t i = (near + k) % t->n;
		if (strcmp(t->leaves[i].path, path) != 0)
			continue;
		near = i;
		return t->leaves[i].value;
	}
	return "";
}

size_t
tree_count(const struct tree *t, const char *name)
{
	size_t	 len = strlen(name), max = 0;
	uint32_t n;

	for (size_t i = 0; i < t->n; i++) {
		struct str p = str_of(t->leaves[i].path);
		size_t	   end;
		if (!str_has_prefix(p, str_from(name, len)) || p.len <= len || p.p[len] != '[')
			continue;
		p = str_skip(p, len + 1);
		end = str_find(p, ']');
		if (end != STR_NPOS && parse_u32(str_sub(p, 0, end), 0, TREE_MAX_LEAVES, &n))
			max = PH_MAX(max, (size_t)n + 1);
	}
	return max;
}

void
tree_print_dom(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < t->n; i++)
		fprintf(out, "%s=\"%s\"\n", t->leaves[i].path, t->leaves[i].value);
}
