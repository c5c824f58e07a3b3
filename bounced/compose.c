#include "bounced/compose.h"

#include <inttypes.h>

#include "bounced/wording.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

#define SCRATCH_MAX (1024 * 1024)
#define ENV_MAX	    (64 * 1024)
#define MESSAGE_MAX (8u * 1024 * 1024)

/* one report while it is made */
struct draft {
	struct composer *c;
	const struct ipc_report *what;
	const struct envelope *env;
	const struct compose_out *out;
	struct report_rcpt_text rcpts[COMPOSE_MAX_RCPTS];
	char *owned[COMPOSE_MAX_RCPTS * 2]; /* addresses and orcpts */
	size_t n, n_owned;
	struct str vmta;
	bool is_plain;
};

void
composer_init(struct composer *c, int spool_fd)
{
	*c = (struct composer){.reader = spool_reader_new(spool_fd)};
	buf_init(&c->raw, SPOOL_MAX_ENV + COMPOSE_MAX_FULL);
	buf_init(&c->scratch, SCRATCH_MAX);
	buf_init(&c->env, ENV_MAX);
	buf_init(&c->message, MESSAGE_MAX);
}

void
composer_clear(struct composer *c)
{
	spool_reader_free(&c->reader);
	buf_clear(&c->raw);
	buf_clear(&c->scratch);
	buf_clear(&c->env);
	buf_clear(&c->message);
	xfree(&c->from);
	wording_free(&c->wording);
}

void
composer_use_conf(struct composer *c, const struct conf *conf)
{
	struct str host = conf_str(conf_global(conf), CONF_GLOBAL_HOST_NAME),
		   from = conf_str(conf_global(conf), CONF_GLOBAL_CUSTOM_DSN_FROM_HEADER);

	if (host.len > 0)
		str_copy(c->host, sizeof c->host, host);
	xfree(&c->from);
	if (from.len > 0)
		c->from = xstrdup_str(from);
	wording_free(&c->wording);
	c->wording = wording_new(conf);
}

/* ---- reading ---- */

static struct str
envelope_lines(const struct composer *c, const struct spool_place *place)
{
	return str_sub(buf_str(&c->raw), SPOOL_HEADER_LEN, place->env_len - SPOOL_HEADER_LEN);
}

static int
read_message(
    struct composer *c, const struct spool_place *place, struct envelope *env, struct why *why)
{
	size_t want = (size_t)place->env_len + COMPOSE_MAX_HEADERS;

	if (place->env_len <= SPOOL_HEADER_LEN || place->env_len > SPOOL_MAX_ENV)
		return why_set(why, "The place of the message makes no sense.");
	if (spool_read(c->reader, place, want, &c->raw, NULL, NULL, why) == -1)
		return -1;
	if (buf_len(&c->raw) < place->env_len)
		return why_set(why, "The record ends inside its envelope.");
	buf_reset(&c->scratch);
	return envelope_parse(envelope_lines(c, place), env, &c->scratch, why) ? 0 : -1;
}

/* RET=FULL wants all of it, if that is not too much; then the raw text was read again and *env with it. */
static int
read_rest(
    struct composer *c, const struct spool_place *place, struct envelope *env, struct why *why)
{
	if (env->ret != ENV_RET_FULL || place->len - place->env_len > COMPOSE_MAX_FULL)
		return 0;
	if (spool_read(c->reader, place, (size_t)place->len, &c->raw, NULL, NULL, why) == -1)
		return -1;
	if (buf_len(&c->raw) != place->len)
		return why_set(why, "The record is shorter than it says.");
	buf_reset(&c->scratch);
	return envelope_parse(envelope_lines(c, place), env, &c->scratch, why) ? 0 : -1;
}

/* ---- who is reported on ---- */

static bool
is_wanted(uint8_t notify, uint8_t kind)
{
	if ((notify & NOTIFY_NEVER) != 0)
		return false;
	if (kind == REPORT_FAILED)
		return notify == NOTIFY_DEFAULT || (notify & NOTIFY_FAILURE) != 0;
	if (kind == REPORT_DELAYED)
		return notify == NOTIFY_DEFAULT || (notify & NOTIFY_DELAY) != 0;
	return (notify & NOTIFY_SUCCESS) != 0;
}

static enum report_action
action_of(uint8_t kind)
{
	static const enum report_action actions[] = {
	    [REPORT_FAILED] = REPORT_ACTION_FAILED,
	    [REPORT_DELAYED] = REPORT_ACTION_DELAYED,
	    [REPORT_DELIVERED] = REPORT_ACTION_DELIVERED,
	    [REPORT_RELAYED] = REPORT_ACTION_RELAYED,
	};

	return kind < countof(actions) ? actions[kind] : REPORT_ACTION_FAILED;
}

/* the iterator's texts live for one step only */
static struct str
keep(struct draft *d, struct str s)
{
	if (s.len == 0)
		return STR_NULL;
	d->owned[d->n_owned] = xstrdup_str(s);
	return str_from(d->owned[d->n_owned++], s.len);
}

static void
add_rcpt(struct draft *d, const struct gathered_rcpt *g, const struct env_rcpt *r)
{
	struct report_rcpt_text *t = &d->rcpts[d->n++];

	*t = (struct report_rcpt_text){
	    .address = keep(d, r->address),
	    .orcpt = keep(d, r->orcpt),
	    .reply = str_of(g->reply),
	    .mta = str_of(g->mta),
	    .when = {.ns = g->head.when_ns},
	    .action = action_of(g->head.kind),
	    .code = g->head.code,
	    .enh = {g->head.enh[0], g->head.enh[1], g->head.enh[2]},
	    .local = g->head.local,
	};
	d->vmta = str_of(g->vmta);
}

static void
draft_reset(struct draft *d)
{
	for (size_t i = 0; i < d->n_owned; i++)
		free(d->owned[i]);
	d->n = d->n_owned = 0;
}

/* ---- the new message ---- */

static struct str
content_of(const struct draft *d)
{
	return str_skip(buf_str(&d->c->raw), d->what->place.env_len);
}

static int
build_message(struct draft *d, uint64_t id, struct report_needs *needs)
{
	char token[17];
	struct report r = {
	    .host = str_of(d->c->host),
	    .from = str_of(d->c->from),
	    .to = d->env->sender,
	    .vmta = d->vmta,
	    .envid = d->env->envid,
	    .now = ev_wall(),
	    .arrived = d->env->accepted,
	    .retry_until = {.ns = d->what->expires_ns},
	    .content = content_of(d),
	    .is_plain = d->is_plain,
	    .rcpts = d->rcpts,
	    .n_rcpts = d->n,
	};

	snprintf(token, sizeof token, "%016" PRIx64, id);
	r.token = str_of(token);
	r.is_full = d->env->ret == ENV_RET_FULL &&
		    r.content.len == d->what->place.len - d->what->place.env_len &&
		    report_can_return_full(r.content, r.to);
	if (!r.is_full)
		r.content = str_sub(r.content, 0, COMPOSE_MAX_HEADERS);
	if (d->rcpts[0].action == REPORT_ACTION_FAILED && wording_is_single(d->c->wording))
		wording_apply(d->c->wording, &r);
	buf_reset(&d->c->message);
	return report_build(&d->c->message, &r, needs);
}

static int
build_envelope(struct draft *d, uint64_t id, const struct report_needs *needs)
{
	struct buf *b = &d->c->env;
	struct envelope e = {
	    .id = id,
	    .accepted = ev_wall(),
	    .vmta = d->env->vmta,
	    .pool = d->env->pool,
	    .body_len = buf_len(&d->c->message),
	    .n_dots = needs->n_dots,
	    .n_rcpts = 1,
	    .body = needs->eight_bit ? ENV_8BITMIME : ENV_7BIT,
	    .smtputf8 = needs->smtputf8,
	    .is_report = true,
	    .no_dsn = true,
	    .priority = d->env->priority,
	};
	struct env_rcpt rcpt = {.address = d->env->sender, .notify = NOTIFY_NEVER};

	buf_reset(b);
	if (envelope_write(b, &e) == -1)
		return -1;
	return envelope_write_rcpt(b, &rcpt);
}

static int
draft_send(struct draft *d, struct why *why)
{
	uint64_t id;
	struct report_needs needs;

	if (d->n == 0)
		return 0;
	id = d->out->new_id(d->out->ctx);
	if (build_message(d, id, &needs) == -1 || build_envelope(d, id, &needs) == -1) {
		draft_reset(d);
		return why_set(why, "The report would be too long.");
	}
	d->out->report(d->out->ctx, id, buf_str(&d->c->env), buf_str(&d->c->message));
	draft_reset(d);
	return 0;
}

/* Those of one report have one form, and with a template of failure nobody else is in it. */
static int
make_room(struct draft *d, const struct gathered_rcpt *g, const struct env_rcpt *r, struct why *why)
{
	bool is_plain = wording_is_plain(d->c->wording, r->address, str_of(g->vmta));

	if ((d->n > 0 && (d->is_plain != is_plain || wording_is_single(d->c->wording)) &&
		draft_send(d, why) == -1))
		return -1;
	d->is_plain = is_plain;
	return 0;
}

/* both are in the order of the indices */
static int
walk(struct draft *d, const struct gathered *g, struct str lines, struct why *why)
{
	struct env_iter it;
	struct env_rcpt r;
	uint32_t index;
	size_t i = 0;

	env_iter_init(&it, lines);
	while (i < g->n && env_iter_next(&it, &index, &r)) {
		for (; i < g->n && g->rcpts[i].head.rcpt == index; i++) {
			bool again = i > 0 && g->rcpts[i - 1].head.rcpt == index;
			if (again || !is_wanted(r.notify, g->rcpts[i].head.kind))
				continue;
			if (make_room(d, &g->rcpts[i], &r, why) == -1)
				return -1;
			add_rcpt(d, &g->rcpts[i], &r);
		}
		if (d->n == COMPOSE_MAX_RCPTS && draft_send(d, why) == -1)
			return -1;
	}
	return draft_send(d, why);
}

int
compose(struct composer *c, const struct ipc_report *what, const struct gathered *g,
    const struct compose_out *out, struct why *why)
{
	struct envelope env = {0};
	struct draft *d;
	int result;

	if (read_message(c, &what->place, &env, why) == -1)
		return -1;
	if (env.sender.len == 0 || env.is_report || env.no_dsn)
		return 0;
	if (read_rest(c, &what->place, &env, why) == -1)
		return -1;
	d = xcalloc(1, sizeof *d);
	d->c = c;
	d->what = what;
	d->env = &env;
	d->out = out;
	result = walk(d, g, envelope_lines(c, &what->place), why);
	draft_reset(d);
	free(d);
	return result;
}
