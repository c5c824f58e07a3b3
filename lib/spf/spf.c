#include "lib/spf/spf.h"

#include "lib/base/xalloc.h"
#include "lib/spf/spf_int.h"

#define VERSION "v=spf1"

static struct spf_frame *
top(struct spf *s)
{
	return &s->frame[s->depth - 1];
}

/* ---- ends ---- */

static void
set_reason(struct spf *s, const char *text)
{
	if (s->reason[0] == '\0')
		(void)str_copy(s->reason, sizeof s->reason, str_of(text));
}

static void
pop(struct spf *s)
{
	xfree(&top(s)->record);
	s->depth--;
}

/* The lowest frame has come to a result. */
static void
decide(struct spf *s, enum spf_result r)
{
	struct spf_frame *f = top(s);

	s->result = r;
	s->state = SPF_DONE;
	s->vars.domain = f->domain;
	if (r == SPF_FAIL && f->exp.p != NULL && spf_expand_name(&s->vars, f->exp, s->ask) &&
	    s->ask[0] != '\0') {
		s->type = SPF_TXT;
		s->state = SPF_EXPLAIN;
	}
}

/* What an include makes of the result of its domain (5.2). True: the including record goes on. */
static bool
include_goes_on(struct spf *s, enum spf_result *r)
{
	switch (*r) {
	case SPF_PASS:
		*r = top(s)->on_match;
		return false;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		return true;
	case SPF_NONE:
		set_reason(s, "a domain that is included has no SPF record");
		*r = SPF_PERMERROR;
		return false;
	default:
		return false;
	}
}

/* The frame on top has come to a result. */
static void
settle(struct spf *s, enum spf_result r)
{
	while (s->depth > 1) {
		pop(s);
		if (include_goes_on(s, &r)) {
			s->reason[0] = '\0';
			s->state = SPF_TERMS;
			return;
		}
	}
	decide(s, r);
}

static void
fail(struct spf *s, enum spf_result r, const char *reason)
{
	s->reason[0] = '\0';
	set_reason(s, reason);
	settle(s, r);
}

static void
match(struct spf *s)
{
	char text[sizeof s->reason];

	(void)str_copy(text, sizeof text, s->term.text);
	if (s->reason[0] == '\0')
		set_reason(s, text);
	settle(s, s->term.result);
}

/* ---- records ---- */

static bool
is_spf(struct str text)
{
	size_t n = sizeof VERSION - 1;

	return str_has_iprefix(text, STR(VERSION)) && (text.len == n || text.p[n] == ' ');
}

/* Whole before any of it counts (4.6): modifiers once at most. */
static bool
look_through(struct spf_frame *f)
{
	struct str rest = f->rest;
	struct spf_term t;
	bool has_all = false;
	int r;

	f->redirect = f->exp = STR_NULL;
	while ((r = spf_term_next(&rest, &t)) > 0) {
		struct str *once = t.kind == SPF_K_REDIRECT ? &f->redirect
				   : t.kind == SPF_K_EXP    ? &f->exp
							    : NULL;
		if (once != NULL && once->p != NULL)
			return false;
		if (once != NULL)
			*once = t.spec;
		has_all = has_all || t.kind == SPF_K_ALL;
	}
	if (has_all)
		f->redirect = STR_NULL;
	return r == 0;
}

static void
no_record(struct spf *s)
{
	/* of a redirect that is an error (6.1) */
	if (s->term.kind == SPF_K_REDIRECT)
		fail(s, SPF_PERMERROR, "a redirect leads to a domain without an SPF record");
	else
		settle(s, SPF_NONE);
}

static void
on_record(struct spf *s, const struct spf_answer *a)
{
	struct spf_frame *f = top(s);
	struct str found = STR_NULL;
	size_t n = 0;

	if (a->status == SPF_DNS_FAILED) {
		fail(s, SPF_TEMPERROR, "the name servers do not give the SPF record");
		return;
	}
	for (size_t i = 0; i < a->n; i++)
		if (is_spf(a->texts[i])) {
			found = a->texts[i];
			n++;
		}
	if (n == 0) {
		no_record(s);
		return;
	}
	if (n > 1 || found.len > SPF_MAX_RECORD) {
		fail(s, SPF_PERMERROR,
		    n > 1 ? "a domain has several SPF records" : "the SPF record is too long");
		return;
	}
	free(f->record);
	f->record = xstrdup_str(found);
	f->rest = str_skip(str_of(f->record), sizeof VERSION - 1);
	/* a NUL would have cut it */
	if (strlen(f->record) != found.len || !look_through(f)) {
		fail(s, SPF_PERMERROR, "the SPF record is written wrongly");
		return;
	}
	s->state = SPF_TERMS;
}

/* ---- terms ---- */

static bool
in_same_net(const struct net_addr *a, const struct net_addr *b, unsigned bits)
{
	unsigned whole = bits / 8, more = bits % 8;

	if (a->family != b->family || memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return more == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - more)) == 0;
}

static bool
is_client_among(const struct spf *s, const struct spf_answer *a)
{
	unsigned bits = s->vars.client.family == 6 ? s->term.bits6 : s->term.bits4;

	for (size_t i = 0; i < a->n; i++)
		if (in_same_net(&a->addrs[i], &s->vars.client, bits))
			return true;
	return false;
}

static enum spf_type
address_type(const struct spf *s)
{
	return s->vars.client.family == 6 ? SPF_AAAA : SPF_A;
}

static void
want(struct spf *s, enum spf_state state, enum spf_type type, const char *name)
{
	s->state = state;
	s->type = type;
	(void)str_copy(s->ask, sizeof s->ask, str_of(name));
}

/* "4.3.2.1.in-addr.arpa" */
static void
ask_ptr(struct spf *s)
{
	struct spf_vars v = s->vars;
	char name[SPF_MAX_NAME];

	(void)spf_expand(&v, STR("%{ir}.%{v}.arpa"), false, name, sizeof name);
	want(s, SPF_PTRS, SPF_PTR, name);
}

static void
push(struct spf *s)
{
	struct spf_frame *f;

	/* as many terms may ask as there are frames */
	top(s)->on_match = s->term.result;
	f = &s->frame[s->depth++];
	*f = (struct spf_frame){0};
	(void)str_copy(f->domain, sizeof f->domain, str_of(s->target));
	s->state = SPF_BEGIN;
}

/* A term that asks: counted, its domain made. False: that was the end. */
static bool
take_target(struct spf *s, struct str spec)
{
	if (++s->n_terms > SPF_MAX_TERMS) {
		fail(s, SPF_PERMERROR, "more than 10 terms ask the DNS");
		return false;
	}
	s->vars.domain = top(s)->domain;
	if (spec.p == NULL)
		(void)str_copy(s->target, sizeof s->target, str_of(top(s)->domain));
	else
		(void)spf_expand_name(&s->vars, spec, s->target);
	return true;
}

static void
begin_asking_term(struct spf *s)
{
	if (!take_target(s, s->term.spec))
		return;
	switch (s->term.kind) {
	case SPF_K_INCLUDE:
		push(s);
		break;
	case SPF_K_A:
		want(s, SPF_HOSTS, address_type(s), s->target);
		break;
	case SPF_K_MX:
		want(s, SPF_MXS, SPF_MX, s->target);
		break;
	case SPF_K_PTR:
		ask_ptr(s);
		break;
	default:
		want(s, SPF_HOSTS, SPF_A, s->target);
		break;
	}
}

/* The record is at its end without a match. */
static void
end_record(struct spf *s)
{
	struct spf_frame *f = top(s);

	if (f->redirect.p == NULL) {
		settle(s, SPF_NEUTRAL);
		return;
	}
	s->term.kind = SPF_K_REDIRECT;
	if (!take_target(s, f->redirect))
		return;
	(void)str_copy(f->domain, sizeof f->domain, str_of(s->target));
	s->state = SPF_BEGIN;
}

static void
next_term(struct spf *s)
{
	struct spf_term *t = &s->term;

	if (spf_term_next(&top(s)->rest, t) <= 0) {
		end_record(s);
		return;
	}
	if (t->kind == SPF_K_REDIRECT || t->kind == SPF_K_EXP || t->kind == SPF_K_MODIFIER)
		return;
	if (t->kind == SPF_K_ALL || ((t->kind == SPF_K_IP4 || t->kind == SPF_K_IP6) &&
					net_cidr_has(&t->net, &s->vars.client)))
		match(s);
	else if (t->kind != SPF_K_IP4 && t->kind != SPF_K_IP6)
		begin_asking_term(s);
}

/* ---- answers ---- */

/* False: there were too many without anything in them (4.6.4). */
static bool
count_void(struct spf *s, const struct spf_answer *a)
{
	if (a->status != SPF_DNS_VOID || ++s->n_void <= s->max_void)
		return true;
	fail(s, SPF_PERMERROR, "too many questions of the record have no answer");
	return false;
}

static void
on_hosts(struct spf *s, const struct spf_answer *a)
{
	if (a->status == SPF_DNS_FAILED) {
		fail(s, SPF_TEMPERROR, "the name servers do not answer");
		return;
	}
	if (!count_void(s, a))
		return;
	s->state = SPF_TERMS;
	if (s->term.kind == SPF_K_EXISTS ? a->n > 0 : is_client_among(s, a))
		match(s);
}

/* The addresses of the next of the names, or none is left. */
static void
next_name(struct spf *s)
{
	s->state = SPF_TERMS;
	if (s->at_name < s->n_names)
		want(s, SPF_NAMES, address_type(s), s->names[s->at_name++]);
}

static void
keep_names(struct spf *s, const struct spf_answer *a)
{
	s->n_names = s->at_name = 0;
	for (size_t i = 0; i < a->n && s->n_names < SPF_MAX_NAMES; i++)
		if (a->texts[i].len > 0 && a->texts[i].len < SPF_MAX_NAME)
			(void)str_copy(s->names[s->n_names++], SPF_MAX_NAME, a->texts[i]);
}

static void
on_mx(struct spf *s, const struct spf_answer *a)
{
	if (a->status == SPF_DNS_FAILED) {
		fail(s, SPF_TEMPERROR, "the name servers do not answer");
		return;
	}
	if (!count_void(s, a))
		return;
	if (a->n > SPF_MAX_NAMES) {
		fail(s, SPF_PERMERROR, "a domain of mx has more than 10 exchangers");
		return;
	}
	keep_names(s, a);
	next_name(s);
}

static void
on_ptr(struct spf *s, const struct spf_answer *a)
{
	if (!count_void(s, a))
		return;
	keep_names(s, a);
	next_name(s);
}

static bool
is_within(struct str name, struct str parent)
{
	if (str_ieq(name, parent))
		return true;
	return name.len > parent.len && str_has_isuffix(name, parent) &&
	       name.p[name.len - parent.len - 1] == '.';
}

static void
on_names(struct spf *s, const struct spf_answer *a)
{
	const char *name = s->names[s->at_name - 1];
	bool is_ptr = s->term.kind == SPF_K_PTR;

	/* of ptr an error leaves out the name alone (5.5) */
	if (a->status == SPF_DNS_FAILED && !is_ptr) {
		fail(s, SPF_TEMPERROR, "the name servers do not answer");
		return;
	}
	if (!count_void(s, a))
		return;
	if (is_client_among(s, a) && (!is_ptr || is_within(str_of(name), str_of(s->target))))
		match(s);
	else
		next_name(s);
}

static void
on_explain(struct spf *s, const struct spf_answer *a)
{
	char text[SPF_MAX_EXPLAIN];

	s->state = SPF_DONE;
	if (a->status == SPF_DNS_FOUND && a->n == 1 &&
	    spf_expand(&s->vars, a->texts[0], true, text, sizeof text))
		(void)str_copy(s->explanation, sizeof s->explanation, str_of(text));
}

/* ---- the machine ---- */

bool
spf_next(struct spf *s, struct spf_ask *ask)
{
	for (;;) {
		if (s->state == SPF_DONE)
			return false;
		if (s->state == SPF_TERMS) {
			next_term(s);
			continue;
		}
		if (s->state == SPF_BEGIN)
			want(s, SPF_RECORD, SPF_TXT, top(s)->domain);
		*ask = (struct spf_ask){s->type, s->ask};
		return true;
	}
}

void
spf_tell(struct spf *s, const struct spf_answer *a)
{
	switch (s->state) {
	case SPF_RECORD:
		on_record(s, a);
		break;
	case SPF_HOSTS:
		on_hosts(s, a);
		break;
	case SPF_MXS:
		on_mx(s, a);
		break;
	case SPF_PTRS:
		on_ptr(s, a);
		break;
	case SPF_NAMES:
		on_names(s, a);
		break;
	case SPF_EXPLAIN:
		on_explain(s, a);
		break;
	default:
		break;
	}
}
