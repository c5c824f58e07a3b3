/*
 * pmtactl (and its other name, pmta): what operators use. Exit status: 0 done, 1 the server or the check said no,
 * 2 the command line is wrong, 69 the server is not there, 74 the answer cannot be written, 75 not now, 77 the caller
 * may not.
 */
#include <errno.h>
#include <locale.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf.h"
#include "pmtactl/audit.h"
#include "pmtactl/cat.h"
#include "pmtactl/client.h"
#include "pmtactl/completion.h"
#include "pmtactl/connect.h"
#include "pmtactl/digest.h"
#include "pmtactl/hash.h"
#include "pmtactl/history.h"
#include "pmtactl/options.h"
#include "pmtactl/stream.h"
#include "pmtactl/suppression.h"
#include "pmtactl/text.h"
#include "pmtactl/top.h"

#define EXIT_USAGE 2

static void
print_lines(const struct options *o, struct tree *t)
{
	tree_make_printable(t);
	if (o->form == FORM_DOM)
		tree_print_dom(t, stdout);
	else if (o->local == LOCAL_TOP)
		top_print(t, stdout);
	else if (o->local == LOCAL_HISTORY)
		history_print(t, stdout);
	else if (t->n > 0)
		text_print(o->row == NULL ? (enum ctl_command)0 : o->row->command, t, stdout);
	if (t->message != NULL && t->message[0] != '\0' && (o->form == FORM_TEXT || !t->ok))
		fprintf(t->ok ? stdout : stderr, "%s\n", t->message);
}

static int
print(const struct options *o, struct tree *t)
{
	if (o->form == FORM_JSON)
		tree_print_json(t, stdout);
	else if (o->form == FORM_XML)
		tree_print_xml(t, stdout);
	else
		print_lines(o, t);
	/* rows that were shown as they came may have failed before */
	if (fflush(stdout) == EOF || ferror(stdout) != 0) {
		fprintf(stderr, "Cannot write the answer: %s\n", strerrordesc_np(errno));
		return EX_IOERR;
	}
	if (t->ok)
		return 0;
	return t->exit == 0 ? 1 : t->exit;
}

static void
say_messages(const struct conf_messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		fprintf(m->list[i].is_error ? stderr : stdout, "%s\n", m->list[i].text);
}

static struct conf *
load(const char *path)
{
	struct conf_messages m = {0};
	struct conf *c = conf_load(path, &m);

	conf_messages_clear(&m);
	return c;
}

static void
add_messages(struct tree *t, const struct conf_messages *m, bool errors)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		char *path = xasprintf("%s[%zu].text", errors ? "error" : "note", n);
		if (m->list[i].is_error == errors) {
			n++;
			t->ok &= tree_add(t, str_of(path), str_of(m->list[i].text), CTL_TEXT) == 0;
		}
		free(path);
	}
}

static int
test_config(const struct options *o)
{
	struct conf_messages m = {0};
	struct str file = o->args[ARG_TARGET];
	struct conf *c = conf_load(file.len > 0 ? file.p : o->config, &m);
	struct tree t;
	int r;

	tree_init(&t);
	t.ok = c != NULL;
	if (o->form == FORM_TEXT)
		say_messages(&m);
	else {
		add_messages(&t, &m, true);
		add_messages(&t, &m, false);
	}
	t.message = xstrdup(c != NULL ? "Configuration is valid." : "Configuration is not valid.");
	r = print(o, &t);
	tree_clear(&t);
	conf_messages_clear(&m);
	if (c != NULL)
		conf_free(&c);
	return r;
}

static int
audit(const struct options *o)
{
	struct conf *c = load(o->config);
	struct tree t;
	struct why why;
	int r;

	if (c == NULL) {
		fprintf(stderr,
		    "The configuration %s cannot be read; see \"pmtactl test config\".\n",
		    o->config);
		return 1;
	}
	tree_init(&t);
	r = audit_run(c, &t, &why);
	if (r == -1)
		fprintf(stderr, "%s\n", why.text);
	r = r == -1 ? 1 : print(o, &t);
	tree_clear(&t);
	conf_free(&c);
	return r;
}

/* the directory in `<spool DIR>` or `spool DIR`, empty: the line is another */
static struct str
spool_of_line(struct str line)
{
	struct str rest = line, word;
	bool is_block;

	if (!str_next_word(&rest, &word))
		return STR_NULL;
	is_block = word.p[0] == '<';
	if (!str_ieq(str_skip(word, is_block ? 1 : 0), STR("spool")))
		return STR_NULL;
	rest = str_trim(rest);
	if (is_block)
		rest = str_sub(rest, 0, str_find(rest, '>'));
	if (rest.len > 1 && rest.p[0] == '"')
		rest = str_sub(str_skip(rest, 1), 0, str_find(str_skip(rest, 1), '"'));
	return str_trim(rest);
}

/* a broken configuration is when people need the server most: looks only for its spool. Owned, or NULL. */
static char *
find_spool(const char *path)
{
	FILE *in = fopen(path, "re");
	char *line = NULL, *dir = NULL;
	size_t room = 0;

	while (in != NULL && dir == NULL && getline(&line, &room, in) != -1) {
		struct str s = spool_of_line(str_of(line));
		if (s.len > 0)
			dir = xstrdup_str(s);
	}
	free(line);
	if (in != NULL)
		fclose(in);
	return dir;
}

/* where the server listens; owned, NULL when the configuration does not say */
static char *
socket_path(const struct options *o)
{
	struct conf *c;
	char *path, *dir;

	if (o->socket != NULL)
		return xstrdup(o->socket);
	c = load(o->config);
	if (c != NULL && conf_n_blocks(c, CONF_BLOCK_SPOOL) > 0)
		dir = xstrdup_str(conf_block_name(c, CONF_BLOCK_SPOOL, 0));
	else
		dir = find_spool(o->config);
	path = dir == NULL ? NULL : xasprintf("%s/control", dir);
	free(dir);
	if (c != NULL)
		conf_free(&c);
	return path;
}

/* Whether the address is suppressed, behind what explain says; nothing when that cannot be known. */
static void
add_suppressed(const struct question *asked, struct tree *t)
{
	struct question q = *asked;
	struct tree more;
	struct why why;

	q.command = CTL_SHOW_SUPPRESSED;
	tree_init(&more);
	if (client_ask(&q, &more, &why) == 0 && more.ok)
		for (size_t i = 0; i < more.n; i++)
			if (more.leaves[i].kind != CTL_NO_ROWS &&
			    tree_add(t, str_of(more.leaves[i].path), str_of(more.leaves[i].value),
				more.leaves[i].kind) == -1)
				break;
	tree_clear(&more);
}

static int
ask(const struct options *o, struct tree *t)
{
	char *path = socket_path(o);
	struct question q = {.socket_path = path,
	    .command = o->row->command,
	    .args = o->args,
	    .max = o->max,
	    .ctx = o};
	struct why why;
	int r;

	if (path == NULL) {
		fprintf(stderr, "The configuration %s cannot be read; say the socket with -s.\n",
		    o->config);
		return EX_UNAVAILABLE;
	}
	if (o->local == LOCAL_STREAM)
		r = client_follow(&q, stream_print, t, &why);
	else {
		q.gathered = o->form == FORM_TEXT ? text_of_rows(q.command) : NULL;
		r = client_ask(&q, t, &why);
	}
	/* what has ended because it was suppressed waits nowhere */
	if (r == 0 && t->ok && o->row->command == CTL_EXPLAIN &&
	    str_find(o->args[ARG_TARGET], '@') != STR_NPOS)
		add_suppressed(&q, t);
	if (r == -1) {
		fprintf(stderr, "%s\n", why.text);
		r = access(path, R_OK | W_OK) == -1 && errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
	}
	free(path);
	return r;
}

static int
cat(const struct options *o, struct tree *t)
{
	struct conf *c = t->ok ? load(o->config) : NULL;
	char *id = xstrdup_str(o->args[ARG_TARGET]);
	struct why why = {.text = "The configuration cannot be read; see \"pmtactl test config\"."};
	int r;

	if (!t->ok)
		r = print(o, t);
	else if (c == NULL || cat_print(c, id, t, stdout, &why) == -1) {
		fprintf(stderr, "%s\n", why.text);
		r = 1;
	} else
		r = 0;
	free(id);
	if (c != NULL)
		conf_free(&c);
	return r;
}

/* an answer without the server */
static int
say(const struct options *o, const char *sentence)
{
	struct tree t;
	int r;

	tree_init(&t);
	t.message = xstrdup(sentence);
	r = print(o, &t);
	tree_clear(&t);
	return r;
}

/* export and import ask many times, and say themselves what they did */
static int
transfer(const struct options *o)
{
	char *path = socket_path(o), *file = xstrdup_str(o->args[ARG_TARGET]);
	struct why why = {.text = "The configuration cannot be read; say the socket with -s."};
	int r = -1;

	if (path != NULL && o->local == LOCAL_EXPORT)
		r = suppression_export(path, file, &why);
	else if (path != NULL)
		r = suppression_import(path, file, options_flag(o, "dry-run"), &why);
	if (r == -1)
		fprintf(stderr, "%s\n", why.text);
	free(path);
	free(file);
	return r == -1 ? 1 : 0;
}

static int
history(const struct options *o)
{
	struct conf *c = load(o->config);
	struct history h = {o->args[ARG_TARGET], o->max, options_flag(o, "all")};
	struct why why = {.text = "The configuration cannot be read; see \"pmtactl test config\"."};
	struct tree t;
	int r;

	tree_init(&t);
	if (o->args[ARG_TARGET].len == 0) {
		fprintf(stderr, "Say which address.\n");
		r = EXIT_USAGE;
	} else if (c == NULL || history_read(c, &h, &t, &why) == -1) {
		fprintf(stderr, "%s\n", why.text);
		r = 1;
	} else
		r = print(o, &t);
	tree_clear(&t);
	if (c != NULL)
		conf_free(&c);
	return r;
}

/* as long as there is somebody who looks */
static int
follow_top(const struct options *o, const char *path)
{
	struct why why;

	if (top_follow(path, o->max, &why) == -1)
		fprintf(stderr, "%s\n", why.text);
	return EX_UNAVAILABLE;
}

static int
top(const struct options *o)
{
	bool is_once = o->form != FORM_TEXT || options_flag(o, "once") || !isatty(STDOUT_FILENO);
	char *path = socket_path(o);
	struct why why = {.text = "The configuration cannot be read; say the socket with -s."};
	struct tree t;
	int r = EX_UNAVAILABLE;

	if (path != NULL && !is_once)
		r = follow_top(o, path);
	else if (path == NULL || top_look(path, o->max, &t, &why) == -1)
		fprintf(stderr, "%s\n", why.text);
	else {
		r = print(o, &t);
		tree_clear(&t);
	}
	free(path);
	return r;
}

static int
completion(const struct options *o)
{
	enum completion shell = COMPLETION_BASH;

	if (o->local == LOCAL_COMPLETION_ZSH)
		shell = COMPLETION_ZSH;
	else if (o->local == LOCAL_COMPLETION_FISH)
		shell = COMPLETION_FISH;
	completion_print(shell, stdout);
	return fflush(stdout) == EOF ? EX_IOERR : 0;
}

static int
run(const struct options *o)
{
	struct tree t;
	int r;

	switch (o->local) {
	case LOCAL_HELP:
		options_help(stdout);
		return 0;
	case LOCAL_TEST_CONFIG:
		return test_config(o);
	case LOCAL_AUDIT:
		return audit(o);
	case LOCAL_HASH_PASSWORD:
		return hash_password();
	case LOCAL_DIGEST:
		return digest(o);
	case LOCAL_COMPLETION_BASH:
	case LOCAL_COMPLETION_ZSH:
	case LOCAL_COMPLETION_FISH:
		return completion(o);
	case LOCAL_NO_LICENSE:
		return say(o, "Posthaste needs no license and no registration.");
	case LOCAL_NO_CACHE:
		return say(o, "There is no cache of secrets: passwords and keys are read when the "
			      "configuration is loaded; \"reload\" reads them anew.");
	case LOCAL_TOP:
		return top(o);
	case LOCAL_HISTORY:
		return history(o);
	case LOCAL_EXPORT:
	case LOCAL_IMPORT:
		return transfer(o);
	default:
		break;
	}
	tree_init(&t);
	r = ask(o, &t);
	if (r == 0)
		r = o->local == LOCAL_CAT ? cat(o, &t) : print(o, &t);
	if (r == 0 && o->local == LOCAL_RESOLVE)
		r = connect_hosts(o, &t);
	tree_clear(&t);
	return r;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct why why;

	setlocale(LC_CTYPE, "");
	log_init("pmtactl", LOG_LEVEL_WARN);
	if (options_read(argc, argv, &o, &why) == -1) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_USAGE;
	}
	return run(&o);
}
