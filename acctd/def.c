#include "acctd/def.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_BASE 180 /* so that every name made from it is a file name */

struct acct_def *
acct_def_new(struct str path, struct why *why)
{
	struct acct_def *d;
	size_t slash = str_rfind(path, '/'), dot;
	struct str file = slash == STR_NPOS ? STR_NULL : str_skip(path, slash + 1), base = file;

	if (file.len == 0 || file.len > MAX_BASE || file.p[0] == '.' ||
	    memchr(path.p, '\0', path.len) != NULL) {
		why_set(why, "\"%.*s\" is not the path of a file.", STR_ARG(str_sub(path, 0, 200)));
		return NULL;
	}
	d = xcalloc(1, sizeof *d);
	dot = str_rfind(file, '.');
	if (dot != STR_NPOS)
		base = str_sub(file, 0, dot);
	d->path = xstrdup_str(path);
	d->dir = xstrdup_str(slash == 0 ? STR("/") : str_sub(path, 0, slash));
	d->base = xstrdup_str(base);
	d->ext = xstrdup_str(str_skip(file, base.len));
	d->move_to = xstrdup("");
	d->user_string = xstrdup("");
	d->url = xstrdup("");
	acct_layout_init(&d->layout);
	filter_init(&d->filter);
	d->max_size = CONF_UNLIMITED;
	d->move_interval_ms = d->delete_after_ms = CONF_NEVER;
	return d;
}

void
acct_def_free(struct acct_def **dp)
{
	struct acct_def *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	free(d->path);
	free(d->dir);
	free(d->base);
	free(d->ext);
	free(d->move_to);
	free(d->user_string);
	free(d->url);
	acct_layout_clear(&d->layout);
	filter_clear(&d->filter);
	free(d);
}

static bool
layout_eq(const struct acct_layout *a, const struct acct_layout *b)
{
	if (a->n != b->n || a->records != b->records ||
	    memcmp(a->fills, b->fills, sizeof a->fills) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->columns[i].name, b->columns[i].name) != 0)
			return false;
		for (size_t r = 0; r < ACCT_REC_MAX; r++)
			if (!str_eq(str_of(a->mapped[r][i]), str_of(b->mapped[r][i])))
				return false;
	}
	return true;
}

bool
acct_def_eq(const struct acct_def *a, const struct acct_def *b)
{
	return a->kind == b->kind && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->move_to, b->move_to) == 0 && strcmp(a->user_string, b->user_string) == 0 &&
	       layout_eq(&a->layout, &b->layout) && filter_eq(&a->filter, &b->filter) &&
	       a->max_size == b->max_size && a->move_interval_ms == b->move_interval_ms &&
	       a->delete_after_ms == b->delete_after_ms && a->iso_times == b->iso_times &&
	       a->world_readable == b->world_readable && a->sync == b->sync;
}

/* a command or a web hook: what its records are kept under has no name in a directory of accounting */
static struct acct_def *
new_fed(enum def_kind kind, struct str path)
{
	struct acct_def *d = xcalloc(1, sizeof *d);

	d->kind = kind;
	d->path = xstrdup_str(path);
	d->dir = xstrdup("");
	d->base = xstrdup("");
	d->ext = xstrdup("");
	d->move_to = xstrdup("");
	d->user_string = xstrdup("");
	d->url = xstrdup("");
	acct_layout_init(&d->layout);
	filter_init(&d->filter);
	d->max_size = CONF_UNLIMITED;
	d->move_interval_ms = d->delete_after_ms = CONF_NEVER;
	return d;
}

/* the last `record-fields TYPE LIST` of that type, without the type; empty: none */
static struct str
fields_of(const struct conf_set *s, enum acct_rec r)
{
	struct str found = STR_NULL;

	for (size_t i = 0; i < conf_n(s, CONF_ACCT_RECORD_FIELDS); i++) {
		struct str rest = conf_item(s, CONF_ACCT_RECORD_FIELDS, i), type;
		enum acct_rec named;

		if (str_next_word(&rest, &type) && acct_rec_parse(type, &named) && named == r)
			found = str_trim(rest);
	}
	return found;
}

static void
add_record(struct acct_def *d, const struct conf_set *s, struct str name)
{
	enum acct_rec r;
	struct why why;

	if (!acct_rec_parse(name, &r)) {
		log_error("acct file=%s unknown record type %s", log_quote(str_of(d->path)),
		    log_quote(name));
		return;
	}
	if ((d->layout.records & ACCT_BIT(r)) != 0)
		return;
	if (acct_layout_add(&d->layout, r, fields_of(s, r), &why) == -1)
		log_warn("acct file=%s type=%s %s", log_quote(str_of(d->path)), acct_rec_name(r),
		    why.text);
}

static void
load_records(struct acct_def *d, const struct conf_set *s)
{
	struct str rest, name;

	for (size_t i = 0; i < conf_n(s, CONF_ACCT_RECORDS); i++) {
		rest = conf_item(s, CONF_ACCT_RECORDS, i);
		while (str_next(&rest, ',', &name)) {
			if (str_trim(name).len > 0)
				add_record(d, s, str_trim(name));
		}
	}
}

/* "TYPE header_NAME COLUMN" */
static void
load_maps(struct acct_def *d, const struct conf_set *s)
{
	for (size_t i = 0; i < conf_n(s, CONF_ACCT_MAP_HEADER_TO_FIELD); i++) {
		struct str rest = conf_item(s, CONF_ACCT_MAP_HEADER_TO_FIELD, i), type, header,
			   column;
		struct why why;
		enum acct_rec r;

		if (!str_next_word(&rest, &type) || !str_next_word(&rest, &header) ||
		    !str_next_word(&rest, &column) || !acct_rec_parse(type, &r) ||
		    (d->layout.records & ACCT_BIT(r)) == 0)
			continue;
		if (acct_layout_map(&d->layout, r, header, column, &why) == -1)
			log_warn("acct file=%s type=%s %s", log_quote(str_of(d->path)),
			    acct_rec_name(r), why.text);
	}
}

static void
load_filter(struct acct_def *d, const struct conf_set *s)
{
	struct str rest, item;

	for (size_t i = 0; i < conf_n(s, CONF_ACCT_QUEUE_FILTER); i++) {
		rest = conf_item(s, CONF_ACCT_QUEUE_FILTER, i);
		while (str_next(&rest, ',', &item)) {
			if (!filter_add(&d->filter, item))
				log_error("acct file=%s queue-filter item %s is not one",
				    log_quote(str_of(d->path)), log_quote(item));
		}
	}
}

static char *
without_end_slash(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return xstrdup_str(path);
}

static struct acct_def *
load_kind(const struct conf *c, size_t i, const struct commands *list)
{
	const struct conf_set *s = conf_block_at(c, CONF_BLOCK_ACCT, i);
	const struct conf_origin at = conf_block_origin(c, CONF_BLOCK_ACCT, i);
	struct str name = str_trim(conf_block_name(c, CONF_BLOCK_ACCT, i));
	struct acct_def *d;
	struct why why;
	bool found;

	if (conf_str(s, CONF_ACCT_HTTP_WEBHOOK_URL).len > 0) {
		d = new_fed(DEF_POST, name);
		free(d->url);
		d->url = xstrdup_str(conf_str(s, CONF_ACCT_HTTP_WEBHOOK_URL));
		d->timeout_ms = conf_ms(s, CONF_ACCT_HTTP_WEBHOOK_MAX_INTERVAL);
		found = commands_find(list, COMMAND_POST, &at, &d->number);
	} else if (str_has_prefix(name, STR("|"))) {
		d = new_fed(DEF_PIPE, name);
		d->timeout_ms = conf_ms(s, CONF_ACCT_WRITE_TIMEOUT);
		found = commands_find(list, COMMAND_ACCT, &at, &d->number);
	} else {
		d = acct_def_new(name, &why);
		found = true;
		if (d == NULL)
			log_error("acct file=%s %s", log_quote(name), why.text);
	}
	if (!found)
		panic("the command of %.*s has no number", STR_ARG(name));
	return d;
}

struct acct_def *
acct_def_load(const struct conf *c, size_t i, const struct commands *list)
{
	const struct conf_set *s = conf_block_at(c, CONF_BLOCK_ACCT, i);
	struct acct_def *d = load_kind(c, i, list);

	if (d == NULL)
		return NULL;
	d->command_hash = list->hash;
	d->retry_ms = conf_ms(s, CONF_ACCT_RETRY_INTERVAL);
	free(d->move_to);
	free(d->user_string);
	d->move_to = without_end_slash(conf_str(s, CONF_ACCT_MOVE_TO));
	d->user_string = xstrdup_str(conf_str(s, CONF_ACCT_USER_STRING));
	d->max_size = conf_u64(s, CONF_ACCT_MAX_SIZE);
	d->move_interval_ms = conf_ms(s, CONF_ACCT_MOVE_INTERVAL);
	d->delete_after_ms = conf_ms(s, CONF_ACCT_DELETE_AFTER);
	d->iso_times = conf_bool(s, CONF_ACCT_ISO_TIMES);
	d->world_readable = conf_bool(s, CONF_ACCT_WORLD_READABLE);
	d->sync = conf_bool(s, CONF_ACCT_SYNC);
	load_records(d, s);
	load_maps(d, s);
	load_filter(d, s);
	return d;
}
