/* JSON and XML: the leaves' paths unfolded into nested elements, without building a second tree */
#include "lib/base/num.h"
#include "lib/ctl/tree.h"

#define MAX_DEPTH 16

struct step {
	struct str name;
	bool indexed;
	uint32_t index;
};
struct path {
	struct step steps[MAX_DEPTH];
	size_t n;
};

static struct path
split(const char *text)
{
	struct path p = {.n = 0};
	struct str rest = str_of(text), piece;

	while (p.n < MAX_DEPTH && str_next(&rest, '.', &piece)) {
		struct step *s = &p.steps[p.n++];
		size_t at = str_find(piece, '[');
		s->name = piece;
		if (at == STR_NPOS || piece.p[piece.len - 1] != ']')
			continue;
		s->indexed =
		    parse_u32(str_sub(piece, at + 1, piece.len - at - 2), 0, UINT32_MAX, &s->index);
		s->name = str_sub(piece, 0, at);
	}
	return p;
}

static bool
same_step(const struct step *a, const struct step *b)
{
	return str_eq(a->name, b->name) && a->indexed == b->indexed && a->index == b->index;
}

static size_t
common(const struct path *a, const struct path *b)
{
	size_t n = 0;

	while (n + 1 < a->n && n + 1 < b->n && same_step(&a->steps[n], &b->steps[n]))
		n++;
	return n;
}

/* ---- JSON ---- */

/* stands for bytes that are no character */
#define REPLACEMENT "\xef\xbf\xbd"

static void
json_char(const char *p, size_t n, FILE *out)
{
	unsigned char ch = (unsigned char)*p;

	if (n == 0)
		fputs(REPLACEMENT, out);
	else if (ch == '"' || ch == '\\')
		fprintf(out, "\\%c", ch);
	else if (ch < 0x20 || ch == 0x7f)
		fprintf(out, "\\u%04x", ch);
	else
		fwrite(p, 1, n, out);
}

static void
json_string(struct str s, FILE *out)
{
	size_t n;

	fputc('"', out);
	for (size_t i = 0; i < s.len; i += PH_MAX(n, (size_t)1)) {
		n = tree_utf8(s.p + i, s.len - i);
		json_char(s.p + i, n, out);
	}
	fputc('"', out);
}

static void
json_value(const struct leaf *l, FILE *out)
{
	if (l->kind == CTL_NO_ROWS)
		fputs("[]", out);
	else if (l->kind == CTL_NUMBER)
		fputs(l->value, out);
	else if (l->kind == CTL_BOOL)
		fputs(strcmp(l->value, "yes") == 0 ? "true" : "false", out);
	else
		json_string(str_of(l->value), out);
}

static void
json_open(const struct path *p, size_t from, FILE *out)
{
	for (size_t i = from; i + 1 < p->n; i++) {
		json_string(p->steps[i].name, out);
		fputs(p->steps[i].indexed ? ":[{" : ":{", out);
	}
	json_string(p->steps[p->n - 1].name, out);
	fputc(':', out);
	if (p->steps[p->n - 1].indexed)
		fputc('[', out);
}

/* closes what `old` has open below depth `keep`; `next` tells whether a list goes on there */
static bool
json_close(const struct path *old, size_t keep, const struct path *next, FILE *out)
{
	bool goes_on = false;

	if (old->steps[old->n - 1].indexed)
		fputc(']', out);
	for (size_t i = old->n - 1; i-- > keep;) {
		fputc('}', out);
		goes_on = i == keep && next != NULL && old->steps[i].indexed && i + 1 < next->n &&
			  next->steps[i].indexed && str_eq(old->steps[i].name, next->steps[i].name);
		if (old->steps[i].indexed && !goes_on)
			fputc(']', out);
	}
	return goes_on;
}

/* one more value of a list of plain values? */
static bool
goes_on_as_list(const struct path *old, const struct path *p, size_t keep)
{
	const struct step *a, *b;

	if (old->n == 0 || old->n != p->n || keep + 1 != p->n)
		return false;
	a = &old->steps[keep];
	b = &p->steps[keep];
	return a->indexed && b->indexed && str_eq(a->name, b->name);
}

static void
json_leaves(const struct tree *t, FILE *out)
{
	struct path old = {.n = 0};

	for (size_t i = 0; i < t->n; i++) {
		struct path p = split(t->leaves[i].path);
		size_t keep = i == 0 ? 0 : common(&old, &p);
		bool listed = goes_on_as_list(&old, &p, keep);
		bool goes_on = i > 0 && !listed && json_close(&old, keep, &p, out);
		if (i > 0)
			fputc(',', out);
		if (goes_on)
			fputc('{', out);
		if (!listed)
			json_open(&p, goes_on ? keep + 1 : keep, out);
		json_value(&t->leaves[i], out);
		old = p;
	}
	if (t->n > 0)
		json_close(&old, 0, NULL, out);
}

void
tree_print_json(const struct tree *t, FILE *out)
{
	fputs("{\"data\":{", out);
	json_leaves(t, out);
	fprintf(out, "},\"status\":\"%s\",\"message\":", t->ok ? "success" : "error");
	json_string(str_of(t->message), out);
	fputs("}\n", out);
}

/* ---- XML ---- */

static const char *
xml_entity(unsigned char ch)
{
	static const struct {
		unsigned char ch;
		const char *text;
	} rows[] = {{'<', "&lt;"}, {'>', "&gt;"}, {'&', "&amp;"}, {'"', "&quot;"}, {'\r', "&#13;"}};

	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].ch == ch)
			return rows[i].text;
	}
	return NULL;
}

/* XML 1.0 cannot say controls, U+FFFE and U+FFFF at all */
static bool
xml_cannot(const char *p, size_t n)
{
	unsigned char ch = (unsigned char)*p;

	if (n == 3 && memcmp(p, "\xef\xbf", 2) == 0)
		return (unsigned char)p[2] >= 0xbe;
	return n == 0 || (ch < 0x20 && ch != '\t' && ch != '\n' && ch != '\r');
}

static void
xml_text(struct str s, FILE *out)
{
	size_t n;

	for (size_t i = 0; i < s.len; i += PH_MAX(n, (size_t)1)) {
		const char *entity = xml_entity((unsigned char)s.p[i]);
		n = tree_utf8(s.p + i, s.len - i);
		if (entity != NULL)
			fputs(entity, out);
		else if (xml_cannot(s.p + i, n))
			fputs(REPLACEMENT, out);
		else
			fwrite(s.p + i, 1, n, out);
	}
}

static void
xml_tag(const char *open, struct str name, FILE *out)
{
	fprintf(out, "%s%.*s>", open, STR_ARG(name));
}

static void
xml_leaves(const struct tree *t, FILE *out)
{
	struct path old = {.n = 0};

	for (size_t i = 0; i < t->n; i++) {
		struct path p = split(t->leaves[i].path);
		size_t keep = old.n == 0 ? 0 : common(&old, &p);
		if (t->leaves[i].kind == CTL_NO_ROWS)
			continue;
		for (size_t k = old.n; old.n > 0 && k-- > keep + 1;)
			xml_tag("</", old.steps[k - 1].name, out);
		for (size_t k = keep; k + 1 < p.n; k++)
			xml_tag("<", p.steps[k].name, out);
		xml_tag("<", p.steps[p.n - 1].name, out);
		xml_text(str_of(t->leaves[i].value), out);
		xml_tag("</", p.steps[p.n - 1].name, out);
		old = p;
	}
	for (size_t k = old.n; k-- > 1;)
		xml_tag("</", old.steps[k - 1].name, out);
}

void
tree_print_xml(const struct tree *t, FILE *out)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rsp><data>", out);
	xml_leaves(t, out);
	fputs("</data>", out);
	if (t->ok) {
		fputs("<succ/></rsp>\n", out);
		return;
	}
	fputs("<err>", out);
	xml_text(str_of(t->message), out);
	fputs("</err></rsp>\n", out);
}
