#include "lib/processor/processor.h"

#include "lib/acct/fields.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/processor/processor_int.h"

#define SCRATCH_MAX (1024 * 1024)

struct processor *
processor_new(int spool_fd, enum conf_processor which, const struct track *track)
{
	static const struct processor_events none;
	struct processor *p = xcalloc(1, sizeof *p);

	p->events = &none;
	p->reader = spool_reader_new(spool_fd);
	p->which = which;
	p->track = track;
	buf_init(&p->raw, SPOOL_MAX_ENV + PROCESSOR_MAX_READ);
	buf_init(&p->scratch, SCRATCH_MAX);
	buf_init(&p->pairs, IPC_MAX_FRAME);
	buf_init(&p->headers, IPC_MAX_FRAME);
	return p;
}

static void
drop_patterns(struct processor *p)
{
	for (size_t i = 0; i < p->n_patterns; i++) {
		regex_free(&p->patterns[i].regex);
		free(p->patterns[i].name);
	}
	p->n_patterns = 0;
}

void
processor_free(struct processor **pp)
{
	struct processor *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	spool_reader_free(&p->reader);
	buf_clear(&p->raw);
	buf_clear(&p->scratch);
	buf_clear(&p->pairs);
	buf_clear(&p->headers);
	drop_patterns(p);
	free(p->trusted);
	free(p);
}

void
processor_set_events(struct processor *p, const struct processor_events *e, void *ctx)
{
	p->events = e;
	p->ctx = ctx;
}

/* ---- the configuration ---- */

static void
load_patterns(struct processor *p)
{
	const struct conf_set *set = conf_email_patterns(p->conf, p->which);
	struct why why;

	drop_patterns(p);
	p->logs_matches = set != NULL && conf_bool(set, CONF_EMAILPATTERNS_LOG_MATCH_INFO);
	for (size_t i = 0; set != NULL && i < conf_n(set, CONF_EMAILPATTERNS_BODY_PATTERN_FILE) &&
			   p->n_patterns < MAX_PATTERNS;
	     i++) {
		struct str path = conf_item(set, CONF_EMAILPATTERNS_BODY_PATTERN_FILE, i);
		struct str text = str_trim(conf_file_text(p->conf, path));
		struct regex *regex;
		if (text.len > 2 && text.p[0] == '/' && text.p[text.len - 1] == '/')
			text = str_sub(text, 1, text.len - 2);
		regex = text.len == 0 ? NULL : regex_new(text, &why);
		if (regex == NULL) {
			log_error("event=bad-pattern-file file=%s text=\"%s\"", log_quote(path),
			    text.len == 0 ? "it is empty" : why.text);
			continue;
		}
		p->patterns[p->n_patterns].regex = regex;
		p->patterns[p->n_patterns++].name =
		    xstrdup_str(str_skip(path, str_rfind(path, '/') + 1));
	}
}

static void
load_trusted(struct processor *p)
{
	const struct conf_set *g = conf_global(p->conf);
	size_t n = conf_n(g, CONF_GLOBAL_TRUST_REPORTS);

	p->trusted = xreallocarray(p->trusted, n + 1, sizeof *p->trusted);
	p->n_trusted = 0;
	for (size_t i = 0; i < n; i++)
		p->n_trusted += net_cidr_parse(
		    conf_item(g, CONF_GLOBAL_TRUST_REPORTS, i), &p->trusted[p->n_trusted]);
}

static void
want(struct processor *p, struct str name)
{
	enum acct_field f;

	if (str_has_prefix(name, STR("!")))
		return;
	f = acct_field_find(name);
	if (f != ACCT_FIELD_HEADER && f != ACCT_FIELD_ARF)
		return;
	for (size_t i = 0; i < p->n_wanted; i++)
		if (str_ieq(p->wanted[i], name))
			return;
	if (p->n_wanted < MAX_WANTED)
		p->wanted[p->n_wanted++] = name;
}

static void
want_list(struct processor *p, struct str list)
{
	struct str name;

	while (list.len > 0 && str_next(&list, ',', &name))
		want(p, str_trim(name));
}

/* "TYPE names": of records that are made here */
static void
want_line(struct processor *p, struct str line)
{
	struct str type;
	enum acct_rec rec;

	if (str_next_word(&line, &type) && acct_rec_parse(type, &rec) && rec >= ACCT_REC_RB)
		want_list(p, str_trim(line));
}

/* "TYPE header_NAME COLUMN" */
static void
want_mapped(struct processor *p, struct str line)
{
	struct str type, name;
	enum acct_rec rec;

	if (str_next_word(&line, &type) && str_next_word(&line, &name) &&
	    acct_rec_parse(type, &rec) && rec >= ACCT_REC_RB)
		want(p, name);
}

static void
load_wanted(struct processor *p)
{
	p->n_wanted = 0;
	for (size_t i = 0; i < conf_n_blocks(p->conf, CONF_BLOCK_ACCT); i++) {
		const struct conf_set *s = conf_block_at(p->conf, CONF_BLOCK_ACCT, i);
		for (size_t k = 0; k < conf_n(s, CONF_ACCT_RECORD_FIELDS); k++)
			want_line(p, conf_item(s, CONF_ACCT_RECORD_FIELDS, k));
		for (size_t k = 0; k < conf_n(s, CONF_ACCT_MAP_HEADER_TO_FIELD); k++)
			want_mapped(p, conf_item(s, CONF_ACCT_MAP_HEADER_TO_FIELD, k));
	}
	for (enum acct_rec r = ACCT_REC_RB; r < ACCT_REC_MAX; r++)
		want_list(p, acct_default_fields(r));
}

void
processor_use_conf(struct processor *p, const struct conf *c)
{
	p->conf = c;
	load_patterns(p);
	load_trusted(p);
	load_wanted(p);
}
