#include "bounced/lists.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/regex.h"
#include "lib/base/xalloc.h"

#define PIECE_BYTES  (256u * 1024) /* read in a turn */
#define ADDRESS_ROOM 1024u
#define MAX_HASHES   (UINT32_MAX / 2)

/* Addresses are kept as keyed hashes: "a@b", "@domain" for a domain, "local@" for a local part. */
struct list {
	struct str name; /* owned by `names` */
	char *text;	 /* owned: the name */
	uint64_t *hashes;
	size_t n, cap;
	struct regex **patterns;
	size_t n_patterns;
};
struct source {
	size_t list;
	int fd;
	char *path;
};
struct lists {
	struct list *list;
	size_t n;
	struct source *files;
	size_t n_files, next_file;
	struct buf line; /* what was read and not used yet */
	struct filter_key key;
	struct filter *filter;
	unsigned traits; /* enum filter_trait bits */
};

/* ---- entries ---- */

static uint64_t
hash_of(const struct lists *l, struct str s)
{
	char text[ADDRESS_ROOM];
	unsigned char h[crypto_shorthash_siphash24_BYTES];
	uint64_t v;

	s = str_sub(s, 0, sizeof text);
	for (size_t i = 0; i < s.len; i++)
		text[i] = ascii_lower(s.p[i]);
	crypto_shorthash_siphash24(h, (const unsigned char *)text, s.len, l->key.bytes);
	memcpy(&v, h, sizeof v);
	return v;
}

static void
add(struct lists *l, struct list *one, struct str what)
{
	if (one->n >= MAX_HASHES)
		return;
	if (one->n == one->cap) {
		one->cap = PH_MAX(one->cap * 2, (size_t)64);
		one->hashes = xreallocarray(one->hashes, one->cap, sizeof *one->hashes);
	}
	one->hashes[one->n++] = hash_of(l, what);
}

static void
add_pattern(struct lists *l, struct list *one, struct str pattern)
{
	struct why why;
	struct regex *r = regex_new(pattern, &why);

	if (r == NULL) {
		log_error("event=address-pattern-unusable list=%s text=\"%s\"",
		    log_quote(one->name), why.text);
		return;
	}
	one->patterns = xreallocarray(one->patterns, one->n_patterns + 1, sizeof *one->patterns);
	one->patterns[one->n_patterns++] = r;
	l->traits |= FILTER_PATTERNS;
}

/* user@domain, @domain, a local part, or /pattern/ */
static void
add_address(struct lists *l, struct list *one, struct str s)
{
	char text[ADDRESS_ROOM];
	int n;

	if (s.len > 1 && s.p[0] == '/' && s.p[s.len - 1] == '/') {
		add_pattern(l, one, str_sub(s, 1, s.len - 2));
		return;
	}
	if (s.len > 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		s = str_sub(s, 1, s.len - 2);
	if (s.len == 0 || s.len > ADDRESS_ROOM - 2)
		return;
	if (str_find(s, '@') != STR_NPOS) {
		add(l, one, s);
		return;
	}
	n = snprintf(text, sizeof text, "%.*s@", STR_ARG(s));
	l->traits |= FILTER_LOCAL_PARTS;
	add(l, one, str_from(text, (size_t)n));
}

static void
add_domain(struct lists *l, struct list *one, struct str domain)
{
	char text[ADDRESS_ROOM];
	int n = snprintf(text, sizeof text, "@%.*s", STR_ARG(str_sub(domain, 0, ADDRESS_ROOM - 2)));

	add(l, one, str_from(text, (size_t)n));
}

/* ---- life ---- */

static int
take_file(struct list_file *files, size_t n, struct str path)
{
	int fd;

	for (size_t i = 0; i < n; i++) {
		if (files[i].fd == -1 || !str_eq(str_of(files[i].path), path))
			continue;
		fd = files[i].fd;
		files[i].fd = -1;
		return fd;
	}
	return -1;
}

static void
add_files(struct lists *l, size_t list, const struct conf_set *set, struct list_file *files,
    size_t n_files)
{
	for (size_t i = 0; i < conf_n(set, CONF_ADDRESSES_ADDRESS_FILE); i++) {
		struct str path = conf_item(set, CONF_ADDRESSES_ADDRESS_FILE, i);
		struct source s = {.list = list, .fd = take_file(files, n_files, path)};
		if (s.fd == -1) {
			log_error("event=address-file-missing path=%s", log_quote(path));
			continue;
		}
		s.path = xstrdup_str(path);
		l->files = xreallocarray(l->files, l->n_files + 1, sizeof *l->files);
		l->files[l->n_files++] = s;
	}
}

static void
add_list(struct lists *l, const struct conf *c, size_t k, struct list_file *files, size_t n_files)
{
	const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ADDRESSES, k);
	struct list *one;
	struct str parent;

	if (conf_block_parent(c, CONF_BLOCK_ADDRESSES, k, &parent) != CONF_BLOCK_GLOBAL)
		return;
	l->list = xreallocarray(l->list, l->n + 1, sizeof *l->list);
	one = &l->list[l->n++];
	*one = (struct list){.text = xstrdup_str(conf_block_name(c, CONF_BLOCK_ADDRESSES, k))};
	one->name = str_of(one->text);
	for (size_t i = 0; i < conf_n(set, CONF_ADDRESSES_ADDRESS); i++)
		add_address(l, one, conf_item(set, CONF_ADDRESSES_ADDRESS, i));
	for (size_t i = 0; i < conf_n(set, CONF_ADDRESSES_DOMAIN); i++)
		add_domain(l, one, conf_item(set, CONF_ADDRESSES_DOMAIN, i));
	add_files(l, l->n - 1, set, files, n_files);
}

struct lists *
lists_new(
    const struct conf *c, const struct filter_key *key, struct list_file *files, size_t n_files)
{
	struct lists *l = xcalloc(1, sizeof *l);

	l->key = *key;
	buf_init(&l->line, PIECE_BYTES + ADDRESS_ROOM);
	for (size_t k = 0; k < conf_n_blocks(c, CONF_BLOCK_ADDRESSES); k++)
		add_list(l, c, k, files, n_files);
	return l;
}

void
lists_free(struct lists **lp)
{
	struct lists *l = *lp;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->list[i].n_patterns; k++)
			regex_free(&l->list[i].patterns[k]);
		free(l->list[i].patterns);
		free(l->list[i].hashes);
		free(l->list[i].text);
	}
	for (size_t i = 0; i < l->n_files; i++) {
		if (l->files[i].fd != -1)
			close(l->files[i].fd);
		free(l->files[i].path);
	}
	free(l->list);
	free(l->files);
	buf_clear(&l->line);
	filter_free(&l->filter);
	xfree(lp);
}

/* ---- reading files ---- */

static void
take_lines(struct lists *l, struct list *one, bool is_end)
{
	struct str rest = buf_str(&l->line), line;
	size_t used = 0, end;

	while ((end = str_find(rest, '\n')) != STR_NPOS || (is_end && rest.len > 0)) {
		end = end == STR_NPOS ? rest.len - 1 : end;
		line = str_trim(str_sub(rest, 0, end + 1));
		if (line.len > 0 && line.p[0] != '#')
			add_address(l, one, line);
		used += end + 1;
		rest = str_skip(rest, end + 1);
	}
	/* a line that does not end is no address */
	if (rest.len >= ADDRESS_ROOM)
		used += rest.len;
	buf_consume(&l->line, used);
}

/* true: it has more */
static bool
read_piece(struct lists *l, struct source *s)
{
	size_t room;
	char *to = buf_reserve(&l->line, PIECE_BYTES, &room);
	ssize_t n = read(s->fd, to, room);

	if (n == -1)
		log_error("event=address-file-unreadable path=%s text=\"%s\"",
		    log_quote(str_of(s->path)), strerrordesc_np(errno));
	if (n > 0)
		buf_wrote(&l->line, (size_t)n);
	take_lines(l, &l->list[s->list], n <= 0);
	if (n > 0)
		return true;
	buf_reset(&l->line);
	close(s->fd);
	s->fd = -1;
	return false;
}

static int
by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* the filter's own hash is the lower half of ours */
static void
make_filter(struct lists *l)
{
	uint64_t n = 0;
	struct why why;

	for (size_t i = 0; i < l->n; i++)
		n += l->list[i].n;
	if (n == 0 && l->traits == 0)
		return;
	l->filter = filter_new(n, &l->key, &why);
	if (l->filter == NULL)
		fatal("event=no-filter text=\"%s\"", why.text);
	filter_set_traits(l->filter, l->traits);
	for (size_t i = 0; i < l->n; i++) {
		qsort(l->list[i].hashes, l->list[i].n, sizeof *l->list[i].hashes, by_hash);
		for (size_t k = 0; k < l->list[i].n; k++)
			filter_add_hash(l->filter, (uint32_t)l->list[i].hashes[k]);
	}
}

bool
lists_read(struct lists *l)
{
	if (l->next_file < l->n_files) {
		if (!read_piece(l, &l->files[l->next_file]))
			l->next_file++;
		return true;
	}
	if (l->filter == NULL)
		make_filter(l);
	return false;
}

const struct filter *
lists_filter(const struct lists *l)
{
	return l->filter;
}

/* ---- asking ---- */

static bool
has(const struct list *one, uint64_t hash)
{
	return one->n > 0 &&
	       bsearch(&hash, one->hashes, one->n, sizeof *one->hashes, by_hash) != NULL;
}

static bool
is_on(const struct lists *l, const struct list *one, struct str address)
{
	size_t at = str_rfind(address, '@');

	if (has(one, hash_of(l, address)) ||
	    (at != STR_NPOS && (has(one, hash_of(l, str_skip(address, at))) ||
				   has(one, hash_of(l, str_sub(address, 0, at + 1))))))
		return true;
	for (size_t i = 0; i < one->n_patterns; i++)
		if (regex_finds(one->patterns[i], address))
			return true;
	return false;
}

struct str
lists_find(const struct lists *l, struct str names, struct str address)
{
	struct str name;

	while (names.len > 0 && str_next(&names, ',', &name))
		for (size_t i = 0; i < l->n; i++)
			if (str_ieq(l->list[i].name, str_trim(name)) &&
			    is_on(l, &l->list[i], address))
				return l->list[i].name;
	return STR("");
}
