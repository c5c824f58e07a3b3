#include "bounced/proof.h"

#include "bounced/bounced.h"
#include "lib/base/log.h"
#include "lib/mail/status.h"
#include "lib/stats/stats.h"

struct verdict
proof_judge(struct bounced *b, const struct failure *f)
{
	stat_inc(STAT_JUDGED);
	return judge_failure(&b->failures.judge, f);
}

/* so many in a period that begins with the first of them */
static bool
may_suppress(struct failures *f)
{
	if (f->cap.count == CONF_UNLIMITED)
		return true;
	if (!mono_is_before(ev_now(), f->cap_until)) {
		f->cap_until = mono_add_ms(ev_now(), f->cap.period_ms);
		f->n_capped_from = 0;
	}
	return f->n_capped_from++ < f->cap.count;
}

/* Is the address suppressed already, and is there nothing to add? Nothing shortens what is in force. */
static bool
is_known(struct bounced *b, const struct suppression *e, bool *is_longer)
{
	const struct suppressed_question q = {.address = e->address, .vmta = e->scope};
	struct suppressed_answer a;

	suppressed_ask(&b->suppressed, &q, &a, &b->answer);
	*is_longer = a.is_suppressed && a.e.until.ns != 0 &&
		     (e->until.ns == 0 || a.e.until.ns < e->until.ns);
	return a.is_suppressed && !*is_longer;
}

static enum proof_result
suppress(struct bounced *b, const struct proof *p, const struct suppression *e)
{
	bool is_longer;

	if (is_known(b, e, &is_longer))
		return PROOF_KNOWN;
	if (!is_longer && !may_suppress(&b->failures)) {
		stat_inc(STAT_SUPPRESS_CAPPED);
		log_warn("event=suppress-capped address=%s source=%s", log_quote(p->address),
		    suppress_source_name(p->source));
		return PROOF_CAPPED;
	}
	suppressed_add(&b->suppressed, e, p->done, p->ctx);
	log_info("event=suppressed address=%s source=%s category=%.*s", log_quote(p->address),
	    suppress_source_name(p->source), STR_ARG(e->category));
	return PROOF_SUPPRESSED;
}

static bool
suppresses(const struct action *a)
{
	return a->what == ACTION_SUPPRESS || a->what == ACTION_DELETE;
}

/* of a complaint there is no status and no reply: only a <bounce-action> can say what is to be done */
static enum proof_result
apply_complaint(struct bounced *b, const struct proof *p, struct suppression *e)
{
	const struct action_case c = {
	    .vmta = p->vmta, .category = PROOF_COMPLAINT, .is_permanent = true};
	const struct action *a = actions_find(&b->failures.actions, &c);

	e->category = STR(PROOF_COMPLAINT);
	e->scope = p->scope;
	if (a != NULL && !suppresses(a))
		return PROOF_NOTHING;
	if (a != NULL)
		failures_limit(a, p->vmta, p->pool, e);
	return suppress(b, p, e);
}

enum proof_result
proof_apply(struct bounced *b, const struct proof *p)
{
	struct suppression e = {.address = p->address,
	    .since = ev_wall(),
	    .source = p->source,
	    .vmta = p->vmta,
	    .job = p->job,
	    .text = p->text};
	struct action_case c = {.vmta = p->vmta};
	const struct action *a;
	struct verdict v;
	uint8_t enh[3];

	if (p->failure == NULL)
		return apply_complaint(b, p, &e);
	v = proof_judge(b, p->failure);
	status_effective(p->failure->enh, p->failure->code, enh);
	c.enh = enh;
	c.category = v.category;
	c.is_permanent = enh[0] == 5;
	a = actions_find(&b->failures.actions, &c);
	if (a == NULL || !suppresses(a))
		return PROOF_NOTHING;
	e.category = str_of(v.category);
	failures_limit(a, p->vmta, p->pool, &e);
	return suppress(b, p, &e);
}
