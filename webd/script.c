/*
 * The URLs for scripts. PowerMTA's have a row each: which command of the control socket answers, and which fields of
 * the query become which of its arguments. /command takes any command by its words: to read by GET, to change by POST.
 * A reply that a visitor may not have is not asked for.
 */
#include <microhttpd.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "webd/webd.h"

#define MAX_ITEMS    20000u
#define MAX_WORDS    32
#define MAX_ARGUMENT 1000u /* of queued's */

/* fields that mean the same everywhere; `flag`: a word among the flags */
static const struct {
	const char *name;
	enum ctl_arg arg;
	const char *flag;
} fields[] = {
    {"orig", ARG_ORIG, NULL},
    {"rcpt", ARG_RCPT, NULL},
    {"jobid", ARG_JOB, NULL},
    {"jobId", ARG_JOB, NULL},
    {"envid", ARG_ENVID, NULL},
    {"envId", ARG_ENVID, NULL},
    {"connected", ARG_CONNECTED, NULL},
    {"paused", ARG_PAUSED, NULL},
    {"mode", ARG_MODE, NULL},
    {"sort", ARG_SORT, NULL},
    {"vmta", ARG_VMTA, NULL},
    {"errors", ARG_FLAGS, "errors"},
    {"mode-events", ARG_FLAGS, "mode-events"},
    {"dsn", ARG_FLAGS, "dsn"},
    {"no-accounting", ARG_FLAGS, "no-accounting"},
    {"dry-run", ARG_FLAGS, "dry-run"},
    {"retry-recipients", ARG_FLAGS, "retry-recipients"},
    {"priority", ARG_FLAGS, "priority"},
    {"schedule", ARG_FLAGS, "schedule"},
    {"all", ARG_FLAGS, "all"},
};

static const struct {
	const char *path;
	enum ctl_command command;
	const char *target; /* the field that is its target; NULL: it has none */
	const char *fixed;  /* its target without one */
	const char *flags;
} urls[] = {
    {"/status", CTL_SHOW_STATUS, NULL, NULL, NULL},
    {"/queues", CTL_SHOW_QUEUES, "queue", NULL, NULL},
    {"/queueDetail", CTL_SHOW_QUEUES, "queue", NULL, "errors,mode-events"},
    {"/domains", CTL_SHOW_DOMAINS, "domain", NULL, NULL},
    {"/domainDetail", CTL_SHOW_DOMAINS, "domain", NULL, "errors"},
    {"/vmtas", CTL_SHOW_VMTAS, NULL, NULL, NULL},
    {"/jobs", CTL_SHOW_JOBS, NULL, NULL, NULL},
    {"/jobDetail", CTL_SHOW_JOBS, "jobid", NULL, NULL},
    {"/listqueue", CTL_LIST, "queue", NULL, NULL},
};

/* one request's question, while it is put together */
struct draft {
	struct question q;
	char flags[200];
	char age[24];
};

static bool
has_list(enum ctl_command c)
{
	return c == CTL_SHOW_QUEUES || c == CTL_SHOW_TOPQUEUES || c == CTL_SHOW_DOMAINS ||
	       c == CTL_SHOW_TOPDOMAINS || c == CTL_SHOW_JOBS || c == CTL_SHOW_VMTAS ||
	       c == CTL_LIST;
}

static bool
is_sorted(enum ctl_command c)
{
	return c == CTL_SHOW_QUEUES || c == CTL_SHOW_DOMAINS;
}

static void
add_flags(struct draft *d, const char *words)
{
	if (d->flags[0] != '\0')
		strlcat(d->flags, ",", sizeof d->flags);
	strlcat(d->flags, words, sizeof d->flags);
	d->q.args[ARG_FLAGS] = str_of(d->flags);
}

static void
set_default(struct draft *d)
{
	static const char *const orders[] = {"rcpt", "name", "size"};
	const struct conf_set *g = conf_global(daemon_conf());
	uint64_t n = conf_u64(g, CONF_GLOBAL_HTTP_DEFAULT_MAX_ITEMS);

	if (has_list(d->q.command) && d->q.max == 0)
		d->q.max = (uint32_t)PH_MIN(n, (uint64_t)MAX_ITEMS);
	if (is_sorted(d->q.command) && d->q.args[ARG_SORT].len == 0)
		d->q.args[ARG_SORT] =
		    str_of(orders[conf_enum(g, CONF_GLOBAL_HTTP_DEFAULT_SORT_ORDER)]);
}

/* name=value; false: there is no such option, or the value is none for it */
static bool
set_option(struct draft *d, struct str name, struct str value)
{
	int64_t ms;

	if (str_eq(name, STR("maxitems")))
		return parse_u32(value, 1, MAX_ITEMS, &d->q.max);
	if (str_eq(name, STR("older-than")) || str_eq(name, STR("reenable-after"))) {
		if (!conf_parse_time(value, &ms) || ms < 0 || ms == CONF_NEVER)
			return false;
		snprintf(d->age, sizeof d->age, "%ld", (long)(ms / 1000));
		d->q.args[ARG_OLDER] = str_of(d->age);
		return true;
	}
	for (size_t i = 0; i < countof(fields); i++) {
		if (!str_eq(name, str_of(fields[i].name)))
			continue;
		if (fields[i].flag == NULL)
			d->q.args[fields[i].arg] = value;
		else if (value.len == 0 || str_ieq(value, STR("yes")) ||
			 str_ieq(value, STR("true")) || str_eq(value, STR("1")))
			add_flags(d, fields[i].flag);
		return true;
	}
	return false;
}

/* ---- the answer ---- */

static void
on_answer(void *ctx, struct tree *answer, const char *why)
{
	struct request *r = ctx;

	if (answer == NULL)
		request_say(r, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
	else
		request_tree(r, answer->ok ? MHD_HTTP_OK : MHD_HTTP_BAD_REQUEST, answer);
}

static bool
is_format(struct str f)
{
	static const char *const forms[] = {"", "json", "xml", "dom", "json-text", "xml-text"};

	for (size_t i = 0; i < countof(forms); i++)
		if (str_eq(f, str_of(forms[i])))
			return true;
	return false;
}

static bool
are_short(const struct question *q)
{
	for (size_t i = 0; i < countof(q->args); i++)
		if (q->args[i].len > MAX_ARGUMENT)
			return false;
	return true;
}

static void
put_question(struct request *r, struct draft *d)
{
	if (!are_short(&d->q)) {
		request_say(
		    r, MHD_HTTP_BAD_REQUEST, "An argument is longer than %u bytes.", MAX_ARGUMENT);
		return;
	}
	if (!is_format(request_field(r, "format"))) {
		request_say(r, MHD_HTTP_BAD_REQUEST, "format is json, xml or dom.");
		return;
	}
	set_default(d);
	ask(&d->q, on_answer, r);
}

/* ---- by URL ---- */

static bool
wants_page(const struct request *r)
{
	return !request_has(r, "format") &&
	       str_find_str(request_header(r, "Accept"), STR("text/html")) != STR_NPOS;
}

static void
serve_url(struct request *r, size_t row)
{
	struct draft d = {.q.command = urls[row].command};

	if (urls[row].target != NULL)
		d.q.args[ARG_TARGET] = request_field(r, urls[row].target);
	if (urls[row].flags != NULL)
		add_flags(&d, urls[row].flags);
	for (size_t i = 0; i < r->n_fields; i++) {
		struct str name = str_of(r->fields[i].name);
		bool is_target = urls[row].target != NULL && str_eq(name, str_of(urls[row].target));
		if (is_target || str_eq(name, STR("format")))
			continue;
		if (!set_option(&d, name, buf_str(&r->fields[i].value))) {
			request_say(
			    r, MHD_HTTP_BAD_REQUEST, "%s is not understood.", log_quote(name));
			return;
		}
	}
	put_question(r, &d);
}

bool
script_serve(struct request *r)
{
	for (size_t i = 0; i < countof(urls); i++) {
		if (strcmp(urls[i].path, r->path) != 0)
			continue;
		if (!route_may(r, ACCESS_MONITOR))
			return true;
		if (wants_page(r))
			request_redirect(r, "/ui/");
		else
			serve_url(r, i);
		return true;
	}
	return false;
}

/* ---- by words ---- */

struct line {
	struct str words[MAX_WORDS];
	size_t n, used;
};

/* how many of the first words are the command's; 0: it is another */
static size_t
words_fit(const char *command, const struct line *l)
{
	struct str rest = str_of(command), w;
	size_t n = 0;

	while (str_next_word(&rest, &w)) {
		if (n == l->n || !str_ieq(l->words[n], w))
			return 0;
		n++;
	}
	return n;
}

/* the longest that fits */
static const struct ctl_row *
find_command(struct line *l)
{
	const struct ctl_row *found = NULL;

	l->used = 0;
	for (size_t i = 0; i < ctl_n_rows(); i++) {
		size_t n = words_fit(ctl_row_at(i)->words, l);
		if (n <= l->used)
			continue;
		l->used = n;
		found = ctl_row_at(i);
	}
	return found;
}

/* "name" as in "--name=VALUE" of the command's own list */
static bool
has_option(const struct ctl_row *row, struct str name)
{
	char text[64];
	const char *at = row->args;
	int n = snprintf(text, sizeof text, "--%.*s", STR_ARG(str_sub(name, 0, 50)));

	while ((at = strstr(at, text)) != NULL) {
		if (at[n] == '=' || at[n] == ']')
			return true;
		at++;
	}
	return false;
}

/* bare words: the target, or an address and the target, or a priority */
static bool
set_words(struct draft *d, const struct ctl_row *row, const struct str *words, size_t n)
{
	bool has_source = row->command == CTL_DISABLE_SOURCE || row->command == CTL_ENABLE_SOURCE;

	if (n > (has_source ? 2u : 1u))
		return false;
	if (row->command == CTL_SET_PRIORITY && n == 1)
		d->q.args[ARG_PRIORITY] = words[0];
	else if (has_source && n > 0) {
		d->q.args[ARG_SOURCE] = words[0];
		if (n == 2)
			d->q.args[ARG_TARGET] = words[1];
	} else if (n == 1)
		d->q.args[ARG_TARGET] = words[0];
	return true;
}

/* What cannot be one of the words, for it may hold a blank: target=, and options by their names. */
static bool
read_fields(struct request *r, struct draft *d, const struct ctl_row *row)
{
	static const char *const own[] = {"command", "format", "CSRFToken"};
	bool is_own;

	for (size_t i = 0; i < r->n_fields; i++) {
		struct str name = str_of(r->fields[i].name), value = buf_str(&r->fields[i].value);
		is_own = false;
		for (size_t k = 0; k < countof(own); k++)
			is_own |= str_eq(name, str_of(own[k]));
		if (is_own)
			continue;
		if (str_eq(name, STR("target")) ||
		    (str_eq(name, STR("queue")) && has_option(row, name)))
			d->q.args[ARG_TARGET] = value;
		else if (str_eq(name, STR("source")))
			d->q.args[ARG_SOURCE] = value;
		else if (!has_option(row, name) || !set_option(d, name, value)) {
			request_say(r, MHD_HTTP_BAD_REQUEST, "\"%s\" has no option %s.", row->words,
			    log_quote(name));
			return false;
		}
	}
	return true;
}

/* False: it was answered. */
static bool
read_arguments(struct request *r, struct draft *d, const struct ctl_row *row, const struct line *l)
{
	struct str bare[MAX_WORDS], w, name, value;
	size_t n = 0, eq;

	for (size_t i = l->used; i < l->n; i++) {
		w = l->words[i];
		if (!str_has_prefix(w, STR("--"))) {
			bare[n++] = w;
			continue;
		}
		w = str_skip(w, 2);
		eq = str_find(w, '=');
		name = str_sub(w, 0, eq);
		value = eq == STR_NPOS ? STR("") : str_skip(w, eq + 1);
		if (has_option(row, name) && str_eq(name, STR("queue")))
			d->q.args[ARG_TARGET] = value;
		else if (!has_option(row, name) || !set_option(d, name, value)) {
			request_say(r, MHD_HTTP_BAD_REQUEST, "\"%s\" has no option %s.", row->words,
			    log_quote(w));
			return false;
		}
	}
	if (set_words(d, row, bare, n))
		return true;
	request_say(r, MHD_HTTP_BAD_REQUEST, "\"%s\" takes fewer words.", row->words);
	return false;
}

static bool
split(struct str text, struct line *l)
{
	l->n = 0;
	while (l->n < MAX_WORDS && str_next_word(&text, &l->words[l->n]))
		l->n++;
	return l->n > 0 && str_trim(text).len == 0;
}

/* what changes something is told in the log: who, from where, what */
static void
log_change(const struct request *r, struct str command)
{
	char client[NET_ADDR_TEXT];

	log_info("event=http-command client=%s user=%s command=%s",
	    net_addr_text(&r->conn->client, client), r->by_key ? "key" : log_quote(str_of(r->user)),
	    log_quote(command));
}

void
script_command(struct request *r)
{
	static const enum access needed[] = {
	    [CTL_RIGHT_READ] = ACCESS_MONITOR,
	    [CTL_RIGHT_OPERATE] = ACCESS_OPERATOR,
	    [CTL_RIGHT_ADMIN] = ACCESS_ADMIN,
	};
	struct str command = request_field(r, "command");
	const struct ctl_row *row;
	struct draft d = {0};
	struct line l;

	row = split(command, &l) ? find_command(&l) : NULL;
	if (row == NULL) {
		request_say(r, MHD_HTTP_NOT_FOUND, "There is no command %s.", log_quote(command));
		return;
	}
	if (!route_may(r, needed[row->rights]))
		return;
	if (row->rights != CTL_RIGHT_READ && !r->is_post) {
		request_say(r, MHD_HTTP_METHOD_NOT_ALLOWED, "\"%s\" changes something: POST it.",
		    row->words);
		return;
	}
	d.q.command = row->command;
	if (!read_arguments(r, &d, row, &l) || !read_fields(r, &d, row))
		return;
	if (row->rights != CTL_RIGHT_READ)
		log_change(r, command);
	put_question(r, &d);
}

/* Which commands there are, for the page that offers them. */
void
script_list(struct request *r)
{
	static const char *const names[] = {"read", "operate", "admin"};
	char path[40];
	struct tree t;
	bool ok = true;

	tree_init(&t);
	for (size_t i = 0; i < ctl_n_rows(); i++) {
		const struct ctl_row *row = ctl_row_at(i);
		const struct {
			const char *leaf, *value;
		} leaves[] = {{"words", row->words}, {"args", row->args},
		    {"rights", names[row->rights]}, {"help", row->help}};
		for (size_t k = 0; k < countof(leaves); k++) {
			snprintf(path, sizeof path, "command[%zu].%s", i, leaves[k].leaf);
			ok &= tree_add(&t, str_of(path), str_of(leaves[k].value), CTL_TEXT) == 0;
		}
	}
	ph_assert(ok);
	t.message = xstrdup("");
	request_tree(r, MHD_HTTP_OK, &t);
	tree_clear(&t);
}
