#include "lib/classify/classify_int.h"

#include "lib/base/xalloc.h"
#include "lib/classify/language.h"

#define DEPTH_LIMIT   1000
#define HEAP_LIMIT_KB 1024
#define TRAILER_MTA   255
_Static_assert(CLASSIFY_MAX_TEXT + TRAILER_MTA + 64 <= MAX_SUBJECT, "the trailer has room");

/* ---- life ---- */

static bool
prepare(struct classifier *c)
{
	c->match = pcre2_match_data_create(1, NULL);
	c->limits = pcre2_match_context_create(NULL);
	if (c->match == NULL || c->limits == NULL)
		return false;
	pcre2_set_match_limit(c->limits, CLASSIFY_MATCH_LIMIT);
	pcre2_set_depth_limit(c->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(c->limits, HEAP_LIMIT_KB);
	return true;
}

struct classifier *
classifier_new(struct str rules, classify_complaint *tell, void *arg)
{
	struct classifier *c = xcalloc(1, sizeof *c);

	finder_init(&c->begins);
	finder_init(&c->needed);
	if (!prepare(c) || !rules_read(c, rules, tell, arg) || !classify_build(c, tell, arg))
		classifier_free(&c);
	return c;
}

void
classifier_free(struct classifier **cp)
{
	struct classifier *c = *cp;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_rules; i++) {
		free(c->rules[i].conditions);
		free(c->rules[i].regex);
	}
	for (size_t i = 0; i < c->n_examples; i++)
		free(c->examples[i].text);
	free(c->rules);
	free(c->examples);
	for (size_t i = 0; i < c->n_branches; i++)
		pcre2_code_free(c->branches[i].code);
	free(c->branches);
	free(c->anywhere);
	free(c->where);
	free(c->chosen);
	free(c->bare);
	finder_clear(&c->begins);
	finder_clear(&c->needed);
	pcre2_match_data_free(c->match);
	pcre2_match_context_free(c->limits);
	xfree(cp);
}

/* ---- judging ---- */

static bool
has_class(unsigned digit)
{
	return digit == 2 || digit == 4 || digit == 5;
}

/*
 * A status whose class contradicts the code takes the code's: then a rule that asks for such a pair can be told. Success
 * where the code says failure is no status but a number in the text.
 */
static void
take_codes(const struct failure *f, unsigned *code, unsigned status[3])
{
	unsigned class = f->enh[0];

	*code = f->code >= 200 && f->code < 600 ? f->code : 0;
	if (class != 0 && has_class(*code / 100))
		class = class == 2 ? 0 : *code / 100;
	status[0] = has_class(class) ? class : 0;
	status[1] = status[0] == 0 ? 0 : f->enh[1];
	status[2] = status[0] == 0 ? 0 : f->enh[2];
}

static char *
put_text(char *out, const char *text)
{
	size_t n = strlen(text);

	memcpy(out, text, n);
	return out + n;
}

/* of at most three digits */
static char *
put_number(char *out, unsigned n)
{
	if (n >= 100)
		*out++ = (char)('0' + n / 100 % 10);
	if (n >= 10)
		*out++ = (char)('0' + n / 10 % 10);
	*out++ = (char)('0' + n % 10);
	return out;
}

/*
 * Code, status and host as the conditions see them (RULES_SUBJECT), appended to the subject behind a newline; MAX_SUBJECT
 * has room for it.
 */
static size_t
trailer_write(const struct failure *f, char *out)
{
	struct str mta = str_sub(f->mta, 0, TRAILER_MTA);
	unsigned code, status[3];
	char *p = put_text(out, "\ncode:");

	take_codes(f, &code, status);
	p = put_text(put_number(p, code), " status:");
	p = put_number(p, status[0]);
	*p++ = '.';
	p = put_number(p, status[1]);
	*p++ = '.';
	p = put_text(put_number(p, status[2]), " mx:");
	for (size_t i = 0; i < mta.len; i++)
		*p++ =
		    mta.p[i] == '-' || mta.p[i] == '.' || ascii_is_alnum(mta.p[i]) ? mta.p[i] : '_';
	*p++ = ' ';
	return (size_t)(p - out);
}

/* ---- finding ---- */

/* branches that may begin at a place, by the words that stand there */
struct words {
	size_t at, n;
	struct {
		const uint32_t *branches;
		size_t n;
	} list[LANGUAGE_WORD];
};
struct search {
	const struct classifier *c;
	struct str subject;
	size_t best;			     /* the first rule so far */
	unsigned shift;			     /* of c->where */
	bool has_other;			     /* bytes that words pass over */
	size_t n_starts, n_blanks, n_behind; /* words; blanks, and how many lie behind us */
	uint16_t starts[CLASSIFY_MAX_TEXT + 1], blanks[MAX_SUBJECT + 1];
	size_t n_chosen; /* of c->chosen */
	struct words plain, other;
};

/* where words begin in the first `len` bytes, and blanks in all; without a branch, as nobody could foresee it */
static void
find_places(struct search *s, size_t len)
{
	const char *p = s->subject.p;
	bool is_in_word = false;
	size_t n_starts = 0, n_blanks = 0;

	for (size_t i = 0; i < s->subject.len; i++) {
		bool is_blank = p[i] == ' ';
		s->starts[n_starts] = (uint16_t)i;
		n_starts += !is_blank & !is_in_word & (i < len);
		s->blanks[n_blanks] = (uint16_t)i;
		n_blanks += is_blank;
		is_in_word = finder_is_alnum(&s->c->begins, p[i]);
	}
	s->n_starts = n_starts;
	s->n_blanks = n_blanks;
}

/* the furthest place where a word may end that begins there or before */
static size_t
word_end(const struct search *s, size_t at)
{
	size_t n = 0;

	if (!s->has_other)
		return PH_MIN(at + LANGUAGE_WORD, s->subject.len - 1);
	for (; at + 1 < s->subject.len && n < LANGUAGE_WORD; at++)
		n += finder_is_plain(s->subject.p[at]);
	return at;
}

/* the parts of the subject from `at` to where a word ends that begins behind so many blanks at most */
static uint64_t
parts(const struct search *s, size_t at, unsigned blanks)
{
	size_t nth = s->n_behind + blanks;
	uint64_t from = UINT64_MAX << (at >> s->shift);

	if (blanks >= LANGUAGE_ANY)
		return UINT64_MAX;
	if (nth >= s->n_blanks)
		return from;
	return from & (UINT64_MAX >> (63 - (word_end(s, s->blanks[nth]) >> s->shift)));
}

static bool
has_needs(const struct search *s, const struct branch *br, size_t at)
{
	for (size_t i = 0; i < br->n_needs; i++) {
		uint64_t where = s->c->where[br->needs[i].number];
		if (where == 0)
			return false;
		if ((where & parts(s, at, br->needs[i].blanks)) == 0)
			return false;
	}
	return true;
}

/* the same wherever it begins */
static bool
has_words(const struct search *s, const struct branch *br)
{
	for (size_t i = 0; i < br->n_needs; i++)
		if (s->c->where[br->needs[i].number] == 0)
			return false;
	return true;
}

/* Branches that may match there; those of later rules cannot better what is found. */
static void
try_all(struct search *s, const uint32_t *branches, size_t n, size_t at)
{
	const struct classifier *c = s->c;

	for (size_t i = 0; i < n; i++) {
		const struct branch *br = &c->branches[branches[i]];
		if (br->rule >= s->best)
			return;
		if (has_needs(s, br, at) && pcre2_match(br->code, (PCRE2_SPTR)s->subject.p,
						s->subject.len, at, 0, c->match, c->limits) >= 0)
			s->best = br->rule;
	}
}

static void
find_words(const struct search *s, const struct finder_table *t, size_t at, struct words *w)
{
	uint32_t state = 0;

	w->at = at;
	w->n = 0;
	for (size_t i = at; i < s->subject.len; i++) {
		state = finder_step(t, state, s->subject.p[i]);
		if (state == 0)
			return;
		if ((state & FINDER_TELLS) == 0 || w->n == countof(w->list))
			continue;
		w->list[w->n].branches = finder_numbers(t, state, &w->list[w->n].n);
		w->n++;
	}
}

static void
try_words(struct search *s, const struct words *w, size_t at)
{
	for (size_t i = 0; i < w->n; i++)
		try_all(s, w->list[i].branches, w->list[i].n, at);
}

static void
try_at(struct search *s, size_t at)
{
	const struct classifier *c = s->c;
	size_t from = at;

	try_all(s, c->chosen, s->n_chosen, at);
	/* words pass over other bytes, so those behind a run of these count at each place of it */
	if (s->has_other && s->plain.at != SIZE_MAX && s->plain.at > at)
		from = s->plain.at;
	while (s->has_other && from < s->subject.len && !finder_is_plain(s->subject.p[from]))
		from++;
	if (s->plain.at != from)
		find_words(s, &c->begins.plain, from, &s->plain);
	try_words(s, &s->plain, at);
	if (!s->has_other)
		return;
	find_words(s, &c->begins.other, at, &s->other);
	try_words(s, &s->other, at);
}

/* of the branches that may begin with anything those whose words are there at all */
static void
choose(struct search *s)
{
	const struct classifier *c = s->c;

	s->n_chosen = 0;
	for (size_t i = 0; i < c->n_anywhere; i++)
		if (has_words(s, &c->branches[c->anywhere[i]]))
			c->chosen[s->n_chosen++] = c->anywhere[i];
}

size_t
classify_find(const struct classifier *c, struct str subject, size_t len)
{
	struct search s = {.c = c,
	    .subject = subject,
	    .best = c->n_rules,
	    .shift = finder_shift(subject.len),
	    .has_other = finder_has_other(str_sub(subject, 0, len)),
	    .plain.at = SIZE_MAX};

	find_places(&s, len);
	memset(c->where, 0, c->n_needs * sizeof *c->where);
	finder_mark(&c->needed, subject, s.has_other, s.shift, c->where);
	choose(&s);
	for (size_t i = 0; i < s.n_starts; i++) {
		while (s.n_behind < s.n_blanks && s.blanks[s.n_behind] < s.starts[i])
			s.n_behind++;
		try_at(&s, s.starts[i]);
	}
	try_all(&s, c->bare, c->n_bare, len);
	return s.best;
}

static size_t
find_in(const struct classifier *c, const struct failure *f, struct str text)
{
	char subject[MAX_SUBJECT];
	size_t len = classify_normalise(text, subject, CLASSIFY_MAX_TEXT);

	return classify_find(c, str_from(subject, len + trailer_write(f, subject + len)), len);
}

struct verdict
classify(struct classifier *c, const struct failure *f)
{
	size_t i = find_in(c, f, f->text);

	if (i == c->n_rules && f->around.len > 0)
		i = find_in(c, f, f->around);
	if (i == c->n_rules)
		return (struct verdict){.category = "other"};
	return (struct verdict){.category = c->rules[i].category,
	    .is_hard = c->rules[i].is_hard,
	    .line = c->rules[i].line};
}
