#include "lib/ctl/tree.h"

#include <stdarg.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"

void
tree_init(struct tree *t)
{
	*t = (struct tree){.ok = true};
	hmap_init(&t->by_path);
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
	hmap_clear(&t->by_path);
	tree_init(t);
}

/* a leaf that is looked for: hmap's key */
struct wanted {
	const struct tree *tree;
	const char *path;
};

static bool
is_leaf(const void *key, uint32_t handle)
{
	const struct wanted *w = key;

	return strcmp(w->tree->leaves[handle - 1].path, w->path) == 0;
}

static const struct leaf *
find(const struct tree *t, const char *path)
{
	struct wanted w = {t, path};
	uint32_t h = hmap_find(&t->by_path, str_hash(str_of(path)), is_leaf, &w);

	return h == 0 ? NULL : &t->leaves[h - 1];
}

int
tree_add(struct tree *t, struct str path, struct str value, enum ctl_value kind)
{
	struct leaf *l;

	if (t->n >= TREE_MAX_LEAVES)
		return -1;
	if (t->n == t->room) {
		t->room = t->room == 0 ? 256 : t->room * 2;
		t->leaves = xreallocarray(t->leaves, t->room, sizeof *t->leaves);
	}
	l = &t->leaves[t->n++];
	*l = (struct leaf){.path = xstrdup_str(path), .value = xstrdup_str(value), .kind = kind};
	if (find(t, l->path) == NULL)
		hmap_add(&t->by_path, str_hash(str_of(l->path)), (uint32_t)t->n);
	return 0;
}

const char *
tree_get(const struct tree *t, const char *fmt, ...)
{
	const struct leaf *l;
	char path[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	l = find(t, path);
	return l == NULL ? "" : l->value;
}

/* rows come in order, so the last of them has the highest index */
size_t
tree_count(const struct tree *t, const char *name)
{
	size_t len = strlen(name), end;
	uint32_t n;

	for (size_t i = t->n; i-- > 0;) {
		struct str p = str_of(t->leaves[i].path);
		if (!str_has_prefix(p, str_from(name, len)) || p.len <= len || p.p[len] != '[')
			continue;
		p = str_skip(p, len + 1);
		end = str_find(p, ']');
		if (end != STR_NPOS && parse_u32(str_sub(p, 0, end), 0, TREE_MAX_LEAVES, &n))
			return (size_t)n + 1;
	}
	return 0;
}

/* ---- characters ---- */

static bool
is_tail(unsigned char ch)
{
	return (ch & 0xc0) == 0x80;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF */
static bool
is_first_pair(unsigned char a, unsigned char b)
{
	if (a == 0xe0)
		return b >= 0xa0;
	if (a == 0xed)
		return b < 0xa0;
	if (a == 0xf0)
		return b >= 0x90;
	return a != 0xf4 || b < 0x90;
}

size_t
tree_utf8(const char *p, size_t left)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t len;

	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	len = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (len > left || !is_tail(u[1]) || !is_first_pair(u[0], u[1]))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!is_tail(u[i]))
			return 0;
	}
	return len;
}

/* C0, DEL, and C1 (which terminals obey, too) */
static bool
is_control(const char *p, size_t len)
{
	unsigned char a = (unsigned char)p[0];

	return a < 0x20 || a == 0x7f || (len == 2 && a == 0xc2 && (unsigned char)p[1] < 0xa0);
}

static void
make_printable(char *text)
{
	size_t len = text == NULL ? 0 : strlen(text), n;

	for (size_t i = 0; i < len; i += PH_MAX(n, (size_t)1)) {
		n = tree_utf8(text + i, len - i);
		if (n == 0 || is_control(text + i, n))
			memset(text + i, '?', PH_MAX(n, (size_t)1));
	}
}

void
tree_make_printable(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		make_printable(t->leaves[i].value);
	make_printable(t->message);
}

void
tree_print_dom(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->leaves[i].kind != CTL_NO_ROWS)
			fprintf(out, "%s=\"%s\"\n", t->leaves[i].path, t->leaves[i].value);
	}
}
