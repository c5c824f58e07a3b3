/*
 * pmtactl (and its other name, pmta): what operators use. Exit status: 0 done, 1 the server or the check said no,
 * 2 the command line is wrong, 69 the server is not there.
 */
#include <locale.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf.h"
#include "pmtactl/audit.h"
#include "pmtactl/cat.h"
#include "pmtactl/client.h"
#include "pmtactl/options.h"
#include "pmtactl/text.h"

#define EXIT_USAGE 2

static int
print(const struct options *o, const struct tree *t)
{
	FILE *to = t->ok ? stdout : stderr;

	if (o->form == FORM_JSON)
		tree_print_json(t, stdout);
	else if (o->form == FORM_XML)
		tree_print_xml(t, stdout);
	else if (o->form == FORM_DOM)
		tree_print_dom(t, stdout);
	else {
		if (t->n > 0)
			text_print(o->row == NULL ? (enum ctl_command)0 : o->row->command, t, stdout);
		if (t->message != NULL && t->message[0] != '\0')
			fprintf(to, "%s\n", t->message);
	}
	return t->ok ? 0 : 1;
}

static struct conf *
load(const char *path, bool say)
{
	struct conf_messages m = {0};
	struct conf	    *c = conf_load(path, &m);

	for (size_t i = 0; say && i < m.n; i++)
		fprintf(m.list[i].is_error ? stderr : stdout, "%s\n", m.list[i].text);
	conf_messages_clear(&m);
	return c;
}

static int
test_config(const struct options *o)
{
	struct str   file = o->args[ARG_TARGET];
	struct conf *c = load(file.len > 0 ? file.p : o->config, true);

	if (c == NULL)
		return 1;
	conf_free(&c);
	printf("Configuration is valid.\n");
	return 0;
}

static int
audit(const struct options *o)
{
	struct conf *c = load(o->config, false);
	struct tree  t;
	struct why   why;
	int	     r;

	if (c == NULL) {
		fprintf(stderr, "The configuration %s cannot be read; see \"pmtactl test config\".\n", o->config);
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

/* where the server listens; owned, NULL when the configuration does not say */
static char *
socket_path(const struct options *o)
{
	struct conf *c;
	char	    *path = NULL;

	if (o->socket != NULL)
		return xstrdup(o->socket);
	c = load(o->config, false);
	if (c != NULL && conf_n_blocks(c, CONF_BLOCK_SPOOL) > 0)
		path = xasprintf("%.*s/control", STR_ARG(conf_block_name(c, CONF_BLOCK_SPOOL, 0)));
	if (c != NULL)
		conf_free(&c);
	return path;
}

static int
ask(const struct options *o, struct tree *t)
{
	char	  *path = socket_path(o);
	struct why why;
	int	   r;

	if (path == NULL) {
		fprintf(stderr, "The configuration %s cannot be read; say the socket with -s.\n", o->config);
		return EX_UNAVAILABLE;
	}
	r = client_ask(path, o->row->command, o->args, o->max, t, &why);
	free(path);
	if (r == 0)
		return 0;
	fprintf(stderr, "%s\n", why.text);
	return EX_UNAVAILABLE;
}

static int
cat(const struct options *o, const struct tree *t)
{
	struct conf *c = t->ok ? load(o->config, false) : NULL;
	char	    *id = xstrdup_str(o->args[ARG_TARGET]);
	struct why   why = {{0}};
	int	     r;

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

static int
run(const struct options *o)
{
	struct tree t;
	int	    r;

	switch (o->local) {
	case LOCAL_HELP:
		options_help(stdout);
		return 0;
	case LOCAL_TEST_CONFIG:
		return test_config(o);
	case LOCAL_AUDIT:
		return audit(o);
	default:
		break;
	}
	tree_init(&t);
	r = ask(o, &t);
	if (r == 0)
		r = o->local == LOCAL_CAT ? cat(o, &t) : print(o, &t);
	tree_clear(&t);
	return r;
}

int
main(int argc, char **argv)
{
	struct options o;
	struct why     why;

	setlocale(LC_CTYPE, "");
	log_init("pmtactl", LOG_LEVEL_WARN);
	if (options_read(argc, argv, &o, &why) == -1) {
		fprintf(stderr, "%s\n", why.text);
		return EXIT_USAGE;
	}
	return run(&o);
}
