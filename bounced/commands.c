#include "bounced/commands.h"

#include <time.h>

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/ctl/commands.h"
#include "lib/daemon/daemon.h"
#include "lib/mail/status.h"
#include "lib/smtp/reply.h"

#define PAGE_ROWS  500
#define PAGE_BYTES (200u * 1024)
#define MAX_SCOPES 200
#define MAX_LISTS  (16u * 1024)

/* one command: whom to answer */
struct request {
	struct bounced *b;
	const struct ipc_msg *m; /* while the handler runs */
	uint64_t epoch;
	uint32_t token;
	/* changes under way, and what became of them */
	uint32_t n_open, n_made, n_bad;
	uint32_t n_none;
};

/* ---- answering ---- */

static void PH_PRINTF(4, 5)
    put(const struct request *c, enum ctl_value kind, struct str value, const char *path, ...)
{
	struct ipc_forward_field head = {.token = c->token, .kind = (uint32_t)kind};
	char text[256];
	struct str texts[2];
	va_list ap;
	int n;

	va_start(ap, path);
	n = vsnprintf(text, sizeof text, path, ap);
	va_end(ap);
	texts[0] = str_from(text, PH_MIN((size_t)PH_MAX(n, 0), sizeof text - 1));
	texts[1] = str_sub(value, 0, 4096);
	if (c->b->queue != NULL)
		ipc_send(c->b->queue, IPC_FORWARD_FIELD, &head, texts, -1);
}

static void
put_number(const struct request *c, uint64_t n, const char *path)
{
	char text[24];

	put(c, CTL_NUMBER, str_from(text, (size_t)snprintf(text, sizeof text, "%lu", n)), "%s",
	    path);
}

static void PH_PRINTF(3, 4) end(const struct request *c, bool ok, const char *fmt, ...)
{
	struct ipc_forward_end head = {.token = c->token, .ok = ok};
	char text[1024];
	struct str message;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	message = str_of(text);
	if (c->b->queue != NULL && c->epoch == c->b->epoch)
		ipc_send(c->b->queue, IPC_FORWARD_END, &head, &message, -1);
}

static struct str
arg(const struct request *c, enum ctl_arg a)
{
	return c->m->text[a];
}

static bool
is_dry_run(const struct request *c)
{
	return ctl_has_flag(arg(c, ARG_FLAGS), "dry-run");
}

/* "2026-11-21 15:00:00", local time; "" for 0 */
static struct str
time_text(struct wall w, char text[32])
{
	time_t t = (time_t)wall_sec(w);
	struct tm tm;

	text[0] = '\0';
	if (w.ns != 0 && localtime_r(&t, &tm) != NULL)
		(void)strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return str_of(text);
}

/* ---- show suppressed ---- */

struct rows {
	const struct request *c;
	struct str address;
	uint32_t n;
};

static void
put_entry(const struct request *c, const struct suppression *e, uint32_t i)
{
	char since[32], until[32];
	bool is_over = e->until.ns != 0 && e->until.ns <= ev_wall().ns;

	put(c, CTL_TEXT, e->address, "suppressed[%u].address", i);
	put(c, CTL_TEXT, STR(SUPPRESSED_LIST), "suppressed[%u].list", i);
	put(c, CTL_TEXT, e->scope.len == 0 ? STR("global") : e->scope, "suppressed[%u].scope", i);
	put(c, CTL_TEXT, time_text(e->since, since), "suppressed[%u].since", i);
	put(c, CTL_TEXT, e->until.ns == 0 ? STR("never") : time_text(e->until, until),
	    "suppressed[%u].until", i);
	put(c, CTL_BOOL, is_over ? STR("yes") : STR("no"), "suppressed[%u].expired", i);
	put(c, CTL_TEXT, str_of(suppress_source_name(e->source)), "suppressed[%u].source", i);
	put(c, CTL_TEXT, e->category, "suppressed[%u].category", i);
	put(c, CTL_TEXT, e->vmta, "suppressed[%u].vmta", i);
	put(c, CTL_TEXT, e->job, "suppressed[%u].job", i);
	put(c, CTL_TEXT, e->text, "suppressed[%u].event", i);
}

static bool
show_one(void *ctx, const struct suppression *e)
{
	struct rows *r = ctx;

	if (!str_ieq(e->address, r->address) || r->n == MAX_SCOPES)
		return false;
	put_entry(r->c, e, r->n++);
	return true;
}

/* all that have a name: who asks does not say whose mail it would be */
static void
show_lists(struct rows *r)
{
	const struct conf *conf = daemon_conf();
	struct str list, name;

	for (size_t i = 0; i < conf_n_blocks(conf, CONF_BLOCK_ADDRESSES); i++) {
		name = conf_block_name(conf, CONF_BLOCK_ADDRESSES, i);
		if (name.len == 0 || r->c->b->suppressed.lists == NULL)
			continue;
		list = lists_find(r->c->b->suppressed.lists, name, r->address);
		if (list.len == 0)
			continue;
		put(r->c, CTL_TEXT, r->address, "suppressed[%u].address", r->n);
		put(r->c, CTL_TEXT, list, "suppressed[%u].list", r->n);
		put(r->c, CTL_TEXT, STR("configuration"), "suppressed[%u].source", r->n);
		r->n++;
	}
}

static void
run_show(struct request *c)
{
	struct rows r = {.c = c, .address = arg(c, ARG_TARGET)};
	struct why why;

	if (r.address.len == 0) {
		end(c, false, "Say which address.");
		return;
	}
	if (suppress_each(c->b->suppressed.store, r.address, show_one, &r, &why) == -1) {
		end(c, false, "%s", why.text);
		return;
	}
	show_lists(&r);
	if (r.n == 0) {
		put(c, CTL_NO_ROWS, STR(""), "suppressed");
		end(c, true, "%.*s is not suppressed.", STR_ARG(r.address));
		return;
	}
	end(c, true, "%s", "");
}

/* ---- changes ---- */

static struct request *
keep(const struct request *c)
{
	struct request *k = xmalloc(sizeof *k);

	*k = *c;
	k->m = NULL;
	k->n_open = 1; /* the one who still adds */
	return k;
}

typedef void finish_fn(const struct request *c);

static void
release(struct request *c, finish_fn *finish)
{
	if (--c->n_open > 0)
		return;
	finish(c);
	free(c);
}

static void
count(struct request *c, int result)
{
	c->n_made += result == 1;
	c->n_bad += result == -1;
	c->n_none += result == 0;
}

static void
finish_suppress(const struct request *c)
{
	end(c, c->n_bad == 0, "%s",
	    c->n_bad == 0 ? "The address is suppressed."
			  : "The address or the VirtualMTA's name is out of form.");
}

static void
on_suppressed(void *ctx, int result)
{
	count(ctx, result);
	release(ctx, finish_suppress);
}

static bool
is_address(struct str s)
{
	size_t at = str_rfind(s, '@');

	return at != STR_NPOS && at > 0 && at + 1 < s.len && s.len <= 320;
}

static void
run_suppress(struct request *c)
{
	struct suppression e = {.address = arg(c, ARG_TARGET),
	    .scope = arg(c, ARG_VMTA),
	    .since = ev_wall(),
	    .source = SUPPRESS_MANUAL,
	    .category = STR("manual"),
	    .text = arg(c, ARG_REASON)};
	struct request *k;
	uint32_t seconds;

	if (!is_address(e.address)) {
		end(c, false, "\"%.*s\" is no address.", STR_ARG(e.address));
		return;
	}
	if (parse_u32(arg(c, ARG_FOR), 1, UINT32_MAX, &seconds))
		e.until.ns = e.since.ns + seconds * NS_PER_SEC;
	if (is_dry_run(c)) {
		end(c, suppress_is_good(&e), "%s",
		    suppress_is_good(&e) ? "The address would be suppressed; nothing was changed."
					 : "The address or the VirtualMTA's name is out of form.");
		return;
	}
	k = keep(c);
	suppressed_add(&c->b->suppressed, &e, on_suppressed, k);
}

static void
finish_unsuppress(const struct request *c)
{
	end(c, c->n_made > 0, "%s",
	    c->n_made > 0 ? "The address is no longer suppressed."
			  : "The address is not suppressed.");
}

static void
on_unsuppressed(void *ctx, int result)
{
	count(ctx, result);
	release(ctx, finish_unsuppress);
}

struct removal {
	struct request *c;
	struct str address;
	uint32_t n;
};

/* each scope's entry; what is removed is only waiting yet, so the walk may go on */
static bool
remove_one(void *ctx, const struct suppression *e)
{
	struct removal *r = ctx;

	if (!str_ieq(e->address, r->address) || r->n++ == MAX_SCOPES)
		return false;
	r->c->n_open++;
	suppressed_remove(&r->c->b->suppressed, e->address, e->scope, on_unsuppressed, r->c);
	return true;
}

static bool
count_one(void *ctx, const struct suppression *e)
{
	struct removal *r = ctx;
	struct str scope = arg(r->c, ARG_VMTA);

	if (!str_ieq(e->address, r->address))
		return false;
	r->n += scope.len == 0 || str_ieq(scope, e->scope);
	return true;
}

static void
try_unsuppress(struct request *c)
{
	struct removal r = {.c = c, .address = arg(c, ARG_TARGET)};
	struct why why;

	if (suppress_each(c->b->suppressed.store, r.address, count_one, &r, &why) == -1)
		end(c, false, "%s", why.text);
	else
		end(c, r.n > 0, "%u entries would be removed; nothing was changed.", r.n);
}

static void
run_unsuppress(struct request *c)
{
	struct removal r = {.address = arg(c, ARG_TARGET)};
	struct str scope = arg(c, ARG_VMTA);
	struct why why;

	if (is_dry_run(c)) {
		try_unsuppress(c);
		return;
	}
	r.c = keep(c);
	if (scope.len > 0) {
		r.c->n_open++;
		suppressed_remove(&c->b->suppressed, r.address, scope, on_unsuppressed, r.c);
	} else if (r.address.len > 0 &&
		   suppress_each(c->b->suppressed.store, r.address, remove_one, &r, &why) == -1) {
		log_error("event=suppression-database-failed text=\"%s\"", why.text);
	}
	release(r.c, finish_unsuppress);
}

/* ---- export and import ---- */

struct page {
	const struct request *c;
	uint32_t n;
	size_t bytes;
	bool has_more;
};

/* address, scope, since, until, source, category, VirtualMTA, job, text: with TABs, which no field has */
static bool
export_one(void *ctx, const struct suppression *e)
{
	struct page *p = ctx;
	char line[4096];
	int n;

	if (p->n == PAGE_ROWS || p->bytes > PAGE_BYTES) {
		p->has_more = true;
		return false;
	}
	n = snprintf(line, sizeof line, "%.*s\t%.*s\t%jd\t%jd\t%s\t%.*s\t%.*s\t%.*s\t%.*s",
	    STR_ARG(e->address), STR_ARG(e->scope), (intmax_t)wall_sec(e->since),
	    (intmax_t)wall_sec(e->until), suppress_source_name(e->source), STR_ARG(e->category),
	    STR_ARG(e->vmta), STR_ARG(e->job), STR_ARG(e->text));
	p->bytes += (size_t)n;
	put(p->c, CTL_TEXT, str_from(line, PH_MIN((size_t)n, sizeof line - 1)), "row[%u]", p->n++);
	return true;
}

static void
run_export(struct request *c)
{
	struct suppress *s = c->b->suppressed.store;
	struct page p = {.c = c};
	struct str from = arg(c, ARG_TARGET);
	struct why why;
	int r = from.len == 0 ? suppress_each(s, STR(""), export_one, &p, &why)
			      : suppress_after(s, from, arg(c, ARG_VMTA), export_one, &p, &why);

	if (r == -1) {
		end(c, false, "%s", why.text);
		return;
	}
	put(c, CTL_BOOL, p.has_more ? STR("yes") : STR("no"), "more");
	end(c, true, "%s", "");
}

static void
finish_import(const struct request *c)
{
	put_number(c, c->n_made, "imported");
	put_number(c, c->n_bad, "bad");
	end(c, true, "%s", "");
}

static void
on_imported(void *ctx, int result)
{
	count(ctx, result);
	release(ctx, finish_import);
}

static bool
parse_seconds(struct str s, struct wall *w)
{
	uint64_t v;

	*w = (struct wall){0};
	if (s.len == 0)
		return true;
	if (!parse_u64(s, 0, INT64_MAX / (uint64_t)NS_PER_SEC, &v))
		return false;
	*w = wall_from_sec((int64_t)v);
	return true;
}

/* a line of export's form; fields may be missing from behind */
static bool
parse_row(struct str line, struct suppression *e)
{
	struct str f[9] = {{0}};

	for (size_t i = 0; i < countof(f); i++)
		f[i] = STR("");
	for (size_t i = 0; i < countof(f) && line.len > 0; i++)
		(void)str_next(&line, '\t', &f[i]);
	*e = (struct suppression){.address = f[0],
	    .scope = f[1],
	    .source = SUPPRESS_IMPORT,
	    .category = f[5],
	    .vmta = f[6],
	    .job = f[7],
	    .text = f[8]};
	if (!is_address(e->address) || !parse_seconds(f[2], &e->since) ||
	    !parse_seconds(f[3], &e->until) ||
	    (f[4].len > 0 && !suppress_source_parse(f[4], &e->source)))
		return false;
	if (e->since.ns == 0)
		e->since = ev_wall();
	return true;
}

static void
run_import(struct request *c)
{
	struct request *k = keep(c);
	struct str rest = arg(c, ARG_TARGET), line;
	struct suppression e;

	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		if (!parse_row(line, &e)) {
			k->n_bad++;
			continue;
		}
		if (is_dry_run(c)) {
			count(k, suppress_is_good(&e) ? 1 : -1);
			continue;
		}
		k->n_open++;
		suppressed_add(&c->b->suppressed, &e, on_imported, k);
	}
	release(k, finish_import);
}

/* ---- classify ---- */

/* as accounting shows it ("smtp;550 …", "x-pmta;…"), or the bare reply */
static struct str
without_type(struct str s, bool *is_local)
{
	*is_local = str_has_iprefix(s, STR("x-pmta;"));
	if (*is_local || str_has_iprefix(s, STR("smtp;")))
		return str_trim(str_skip(s, str_find(s, ';') + 1));
	return s;
}

/* [ code ( SP / "-" ) ] [ enhanced status ] text */
static void
read_failure(struct str text, struct failure *f)
{
	struct str rest;
	uint32_t code = 0;

	*f = (struct failure){0};
	f->text = rest = without_type(str_trim(text), &f->is_local);
	if (rest.len >= 3 && (rest.len == 3 || rest.p[3] == ' ' || rest.p[3] == '-') &&
	    parse_u32(str_sub(rest, 0, 3), 200, 599, &code))
		rest = str_skip(rest, 4);
	f->code = (uint16_t)code;
	(void)smtp_enh_parse(rest, f->enh);
	status_effective(f->enh, f->code, f->enh);
}

static void
run_classify(struct request *c)
{
	struct failures *fs = &c->b->failures;
	struct failure f;
	struct verdict v;
	struct action_case k = {.vmta = arg(c, ARG_VMTA)};
	const struct action *a;
	char status[STATUS_TEXT];

	if (arg(c, ARG_TARGET).len == 0) {
		end(c, false, "Say a reply, as \"550 5.1.1 no such user\".");
		return;
	}
	read_failure(arg(c, ARG_TARGET), &f);
	f.mta = arg(c, ARG_MX);
	v = judge_failure(&fs->judge, &f);
	put(c, CTL_TEXT, str_of(v.category), "classify.category");
	put(c, CTL_TEXT, v.is_hard ? STR("hard") : STR("soft"), "classify.verdict");
	put(c, CTL_TEXT, str_of(status_format(f.enh, f.code, status)), "classify.status");
	put(c, CTL_TEXT, judge_rule(&fs->judge, &v), "classify.rule");
	if (v.line > 0) {
		put(c, CTL_TEXT, str_of(judge_file(&fs->judge, &v)), "classify.file");
		put_number(c, v.line, "classify.line");
	}
	k.enh = f.enh;
	k.category = v.category;
	k.is_permanent = f.enh[0] == 5;
	a = actions_find(&fs->actions, &k);
	put(c, CTL_TEXT, a == NULL ? STR("") : str_of(action_name(a->what)), "classify.action");
	if (a != NULL) {
		put(c, CTL_TEXT, str_of(a->file), "classify.actionFile");
		put_number(c, a->line, "classify.actionLine");
	}
	end(c, true, "%s", "");
}

/* ---- which ---- */

static const struct {
	enum ctl_command command;
	void (*run)(struct request *c);
} rows[] = {
    {CTL_SHOW_SUPPRESSED, run_show},
    {CTL_SUPPRESS, run_suppress},
    {CTL_UNSUPPRESS, run_unsuppress},
    {CTL_SUPPRESSION_EXPORT, run_export},
    {CTL_SUPPRESSION_IMPORT, run_import},
    {CTL_CLASSIFY, run_classify},
};

void
commands_run(struct bounced *b, const struct ipc_msg *m)
{
	const struct ipc_forward *head = m->head;
	struct request c = {.b = b, .m = m, .epoch = b->epoch, .token = head->token};

	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].command != (enum ctl_command)head->request.command)
			continue;
		rows[i].run(&c);
		return;
	}
	end(&c, false, "This process does not know that command.");
}
