#include "queued/spool/age.h"

#include "lib/base/num.h"

#define MAGIC  "posthaste-clock-1"
#define MAX_NS (INT64_MAX / 2)

int64_t
age_ns(const struct age *a, struct wall now, struct wall w)
{
	int64_t ns = now.ns - w.ns;

	for (size_t i = 0; i < a->n; i++) {
		if (w.ns < a->gaps[i].from.ns)
			ns -= PH_MIN(a->gaps[i].ns, PH_MAX(ns, (int64_t)0));
	}
	return PH_MAX(ns, (int64_t)0);
}

/* the oldest two become one: what lay between them is only made younger */
static void
make_room(struct age *a)
{
	a->gaps[1].ns += PH_MIN(a->gaps[0].ns, MAX_NS - PH_MIN(a->gaps[1].ns, MAX_NS));
	a->gaps[1].from.ns = PH_MAX(a->gaps[0].from.ns, a->gaps[1].from.ns);
	memmove(a->gaps, a->gaps + 1, --a->n * sizeof a->gaps[0]);
}

/* what was accepted before the clock was set has an earlier time than the middle, what came later a later one */
static void
add_gap(struct age *a, struct wall before, int64_t ns)
{
	if (a->n == AGE_MAX_GAPS)
		make_room(a);
	a->gaps[a->n++] = (struct age_gap){.from = {before.ns + ns / 2}, .ns = ns};
}

static void
take_back(struct age *a, struct wall now, int64_t ns)
{
	while (ns > 0 && a->n > 0) {
		struct age_gap *g = &a->gaps[a->n - 1];
		int64_t cut = PH_MIN(g->ns, ns);

		g->ns -= cut;
		ns -= cut;
		/* what comes from now on is not of the time before it */
		g->from.ns = PH_MIN(g->from.ns, now.ns);
		if (g->ns == 0)
			a->n--;
	}
}

/* `unseen`: how much later than expected it is; `limit`: so much is believed */
static int64_t
look(struct age *a, struct wall expected, struct wall now, int64_t limit)
{
	int64_t unseen = now.ns - expected.ns;

	if (unseen > limit)
		add_gap(a, expected, unseen);
	else if (unseen < -AGE_STEP_NS)
		take_back(a, now, -unseen);
	else
		return 0;
	return unseen;
}

int64_t
age_begin(struct age *a, struct wall now, struct mono at)
{
	int64_t unseen = a->alive.ns == 0 ? 0 : look(a, a->alive, now, AGE_DAY_NS);

	a->alive = now;
	a->at = at;
	return unseen;
}

int64_t
age_tick(struct age *a, struct wall now, struct mono at)
{
	struct wall expected = {a->alive.ns + (at.ns - a->at.ns)};
	int64_t unseen = look(a, expected, now, AGE_STEP_NS);

	a->alive = now;
	a->at = at;
	return unseen;
}

/* ---- its form: "posthaste-clock-1 SECONDS", then "FROM NANOSECONDS" lines, then blanks up to the size ---- */

static bool
parse_number(struct str *rest, char end, int64_t *v)
{
	struct str word;
	uint64_t u;

	if (!str_next(rest, end, &word) || !parse_u64(word, 0, MAX_NS, &u))
		return false;
	*v = (int64_t)u;
	return true;
}

static bool
parse_gaps(struct age *a, struct str rest)
{
	while (rest.len > 0 && rest.p[0] != ' ') {
		struct age_gap *g = &a->gaps[a->n];
		if (a->n == AGE_MAX_GAPS || !parse_number(&rest, ' ', &g->from.ns) ||
		    !parse_number(&rest, '\n', &g->ns))
			return false;
		a->n++;
	}
	return true;
}

bool
age_parse(struct age *a, struct str s)
{
	struct str word;

	*a = (struct age){0};
	if (s.len == AGE_RECORD_SIZE && str_next(&s, ' ', &word) && str_eq(word, STR(MAGIC)) &&
	    parse_number(&s, '\n', &a->alive.ns) && parse_gaps(a, s))
		return true;
	*a = (struct age){0};
	return false;
}

void
age_print(const struct age *a, char text[AGE_RECORD_SIZE])
{
	/* each number has at most 19 digits: eight gaps, and the first line, fit */
	int n = snprintf(text, AGE_RECORD_SIZE, MAGIC " %ld\n", PH_MAX(a->alive.ns, (int64_t)0));

	for (size_t i = 0; i < a->n; i++)
		n += snprintf(text + n, (size_t)(AGE_RECORD_SIZE - n), "%ld %ld\n",
		    PH_MAX(a->gaps[i].from.ns, (int64_t)0), a->gaps[i].ns);
	memset(text + n, ' ', (size_t)(AGE_RECORD_SIZE - n));
}
