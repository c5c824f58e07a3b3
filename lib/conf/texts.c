/* Files whose content is part of the configuration (include-headers-from, bounce-rules, …): read once, carried in the
 * snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"
#include "lib/conf/processor.h"

#define TEXT_MAX (256u * 1024)

static const struct {
	enum conf_key key;
	bool is_header; /* else any text */
	uint64_t parents;
} keys[] = {
    {CONF_GLOBAL_INCLUDE_HEADERS_FROM, true, ~UINT64_C(0)},
    {CONF_VMTA_INCLUDE_HEADERS_FROM, true, ~UINT64_C(0)},
    {CONF_POOL_INCLUDE_HEADERS_FROM, true, ~UINT64_C(0)},
    {CONF_GLOBAL_BOUNCE_RULES, false, ~UINT64_C(0)},
    {CONF_EMAILPATTERNS_BODY_PATTERN_FILE, false, ~UINT64_C(0)},
    {CONF_GLOBAL_DSN_FAILED_BODY_TEMPLATE_FROM, false, ~UINT64_C(0)},
    {CONF_ADDRESSES_ADDRESS_FILE, false,
	UINT64_C(1) << CONF_BLOCK_BOUNCEPROC | UINT64_C(1) << CONF_BLOCK_FBLPROC},
};

struct str
conf_file_text(const struct conf *c, struct str path)
{
	for (size_t i = 0; i < c->n_texts; i++)
		if (str_eq(c->texts[i].path, path))
			return c->texts[i].text;
	return STR_NULL;
}

static void
add_text(struct conf *c, struct str path, struct str text)
{
	CONF_GROW(c->texts, c->n_texts, c->cap_texts);
	c->texts[c->n_texts++] =
	    (struct conf_text){conf_mem_str(&c->mem, path), conf_mem_str(&c->mem, text)};
}

/* ---- reading ---- */

/* field-name ":" …; or a blank, behind another line */
static bool
line_is_header(struct str line, bool is_first)
{
	size_t i = 0;

	for (size_t k = 0; k < line.len; k++)
		if ((unsigned char)line.p[k] < ' ' && line.p[k] != '\t')
			return false;
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return !is_first && str_trim(line).len > 0;
	while (i < line.len && line.p[i] > ' ' && line.p[i] <= '~' && line.p[i] != ':')
		i++;
	return i > 0 && i < line.len && line.p[i] == ':' && line.p[0] != '.';
}

/* The lines with CRLF. -1 with `why`: they are no header fields. Empty lines at the end do not count. */
static int
put_lines(struct buf *b, struct str text, struct why *why)
{
	struct str line;
	unsigned n = 0;

	while (text.len > 0 && strchr("\r\n", text.p[text.len - 1]) != NULL)
		text.len--;
	while (text.len > 0 && str_next(&text, '\n', &line)) {
		n++;
		if (str_has_suffix(line, STR("\r")))
			line.len--;
		if (line.len == 0 || line.len > 998 || !line_is_header(line, n == 1))
			return why_set(why, "line %u is not part of a header field", n);
		(void)buf_add_str(b, line);
		(void)buf_add(b, "\r\n", 2);
	}
	return 0;
}

static int
read_file(struct str path, struct buf *b, struct why *why)
{
	char *name = xstrdup_str(path), *room;
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
	struct stat st;
	size_t size;
	ssize_t n;

	free(name);
	if (fd == -1)
		return why_errno(why, "cannot open \"%.*s\"", STR_ARG(path));
	room = buf_reserve(b, TEXT_MAX, &size);
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, room, TEXT_MAX) : -1;
	error = errno;
	if (close(fd) == -1)
		n = -1;
	errno = error;
	if (n == -1)
		return why_errno(why, "cannot read \"%.*s\"", STR_ARG(path));
	if ((size_t)n == TEXT_MAX)
		return why_set(why, "\"%.*s\" has more than %u bytes", STR_ARG(path), TEXT_MAX - 1);
	buf_wrote(b, (size_t)n);
	return 0;
}

static void
load(struct conf_load *l, enum conf_key key, bool is_header, const struct conf_item *it)
{
	struct buf raw, lines;
	struct why why;

	buf_init(&raw, 2 * TEXT_MAX);
	buf_init(&lines, 2 * TEXT_MAX + 2);
	if (read_file(it->text, &raw, &why) == -1 ||
	    (is_header && put_lines(&lines, buf_str(&raw), &why) == -1))
		conf_error(l, it->at, "%s: %s", conf_key_name(key), why.text);
	else
		add_text(l->c, it->text, buf_str(is_header ? &lines : &raw));
	buf_clear(&raw);
	buf_clear(&lines);
}

static void
read_texts(struct conf_load *l, struct conf_blk *b, size_t k)
{
	enum conf_key key = keys[k].key;
	const struct conf_value *v;

	if (conf_row(key)->block != b->kind ||
	    (keys[k].parents >> l->c->blocks[b->parent]->kind & 1) == 0 ||
	    (v = conf_blk_value(b, key)) == NULL)
		return;
	for (uint32_t i = 0; i < v->n; i++)
		if (conf_file_text(l->c, v->items[i].text).p == NULL)
			load(l, key, keys[k].is_header, &v->items[i]);
}

void
conf_texts_read(struct conf_load *l)
{
	if (l->how != 0)
		return;
	for (size_t i = 0; i < l->c->n_blocks; i++) {
		for (size_t k = 0; k < countof(keys); k++)
			read_texts(l, l->c->blocks[i], k);
	}
}

/* ---- the snapshot: "text PATH CONTENT", both in hex ---- */

static void
put_hex_str(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		(void)buf_addf(b, "%02x", (unsigned char)s.p[i]);
}

void
conf_texts_put(const struct conf *c, struct buf *b)
{
	for (size_t i = 0; i < c->n_texts; i++) {
		(void)buf_add_cstr(b, "text ");
		put_hex_str(b, c->texts[i].path);
		(void)buf_add_char(b, ' ');
		put_hex_str(b, c->texts[i].text);
		(void)buf_add_char(b, '\n');
	}
}

static bool
take_hex_str(struct buf *b, struct str s)
{
	uint64_t v;

	if (s.len % 2 != 0)
		return false;
	for (size_t i = 0; i < s.len; i += 2) {
		if (!parse_hex64(str_sub(s, i, 2), 2, &v))
			return false;
		(void)buf_add_char(b, (char)v);
	}
	return !buf_is_overfull(b);
}

bool
conf_texts_take(struct conf *c, struct str line)
{
	struct buf path, text;
	struct str word;
	bool is_good;

	buf_init(&path, 8192);
	buf_init(&text, 4 * TEXT_MAX);
	is_good =
	    str_next(&line, ' ', &word) && take_hex_str(&path, word) && take_hex_str(&text, line);
	if (is_good)
		add_text(c, buf_str(&path), buf_str(&text));
	buf_clear(&path);
	buf_clear(&text);
	return is_good;
}
