#include "pmtactl/history.h"

#include <time.h>

#include "lib/base/xalloc.h"
#include "pmtactl/acct_files.h"

#define SHOWN	  100u
#define MAX_FOUND 100000u
#define VALUE_MAX 2000u
/* no further file is begun after so long, without --all */
#define ENOUGH_MS 250

enum { TYPE, LOGGED, ORIG, RCPT, QUEUE, JOB, STATUS, DIAGNOSIS, N_COLUMNS };
static const char *const columns[N_COLUMNS] = {[TYPE] = "type",
    [LOGGED] = "timeLogged",
    [ORIG] = "orig",
    [RCPT] = "rcpt",
    [QUEUE] = "queue",
    [JOB] = "jobId",
    [STATUS] = "dsnStatus",
    [DIAGNOSIS] = "dsnDiag"};

struct found {
	char *value[N_COLUMNS]; /* owned */
};
struct search {
	struct str address;
	size_t max; /* more is not shown */
	bool is_thorough, is_cut;
	struct timespec began;
	size_t n_files;
	size_t place[N_COLUMNS];
	struct found *list; /* owned */
	size_t n;
};

static int64_t
ms_since(const struct timespec *began)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1)
		return 0;
	return (now.tv_sec - began->tv_sec) * 1000 + (now.tv_nsec - began->tv_nsec) / 1000000;
}

static bool
goes_on(void *ctx)
{
	struct search *s = ctx;

	if (!s->is_thorough && s->n_files > 0)
		s->is_cut = s->n >= s->max || ms_since(&s->began) >= ENOUGH_MS;
	s->n_files++;
	return !s->is_cut;
}

static bool
begin(void *ctx, const struct acct_record *header)
{
	struct search *s = ctx;

	for (size_t i = 0; i < N_COLUMNS; i++)
		s->place[i] = acct_column(header, columns[i]);
	return s->place[RCPT] != STR_NPOS;
}

static void
look(void *ctx, const struct acct_record *r)
{
	struct search *s = ctx;
	char text[VALUE_MAX];
	struct found *f;

	if (r->n <= s->place[RCPT] || s->n == MAX_FOUND ||
	    !str_ieq(acct_unquoted(r->cols[s->place[RCPT]], text, sizeof text), s->address))
		return;
	s->list = xreallocarray(s->list, s->n + 1, sizeof *s->list);
	f = &s->list[s->n++];
	for (size_t i = 0; i < N_COLUMNS; i++) {
		struct str v = s->place[i] < r->n ? r->cols[s->place[i]] : STR("");
		f->value[i] = xstrdup_str(acct_unquoted(v, text, sizeof text));
	}
}

/* the latest first */
static int
by_time(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(y->value[LOGGED], x->value[LOGGED]);
}

static void
put(const struct found *f, size_t i, struct tree *t)
{
	for (size_t k = 0; k < N_COLUMNS; k++) {
		char path[64];
		int n = snprintf(path, sizeof path, "record[%zu].%s", i, columns[k]);
		if (tree_add(t, str_from(path, (size_t)n), str_of(f->value[k]), CTL_TEXT) == -1)
			return;
	}
}

static void
search_clear(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < N_COLUMNS; k++)
			free(s->list[i].value[k]);
	free(s->list);
}

static char *
sentence(const struct search *s, size_t shown)
{
	if (s->is_cut)
		return xasprintf(
		    "%zu of %zu records of the latest files; older ones were not looked through: "
		    "--all looks through all.",
		    shown, s->n);
	return xasprintf("%zu of %zu records.", shown, s->n);
}

static int
put_all(const struct search *s, size_t max, struct tree *t, struct why *why)
{
	for (size_t i = 0; i < max; i++)
		put(&s->list[i], i, t);
	if ((max == 0 && tree_add(t, STR("record"), STR(""), CTL_NO_ROWS) == -1) ||
	    (s->is_cut && tree_add(t, STR("complete"), STR("no"), CTL_BOOL) == -1))
		return why_set(why, "There is no room for the answer.");
	return 0;
}

int
history_read(const struct conf *c, const struct history *h, struct tree *t, struct why *why)
{
	struct search s = {.address = h->address,
	    .max = h->max == 0 ? SHOWN : h->max,
	    .is_thorough = h->is_thorough};
	/* quotes stand twice in the files */
	bool is_plain = str_find(h->address, '"') == STR_NPOS;
	struct acct_reader reader = {is_plain ? h->address : STR(""), goes_on, begin, look, &s};
	size_t max;
	int r = clock_gettime(CLOCK_MONOTONIC, &s.began);

	if (r == -1)
		return why_errno(why, "clock_gettime");
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_ACCT) && r == 0 && s.n == 0; i++) {
		if (acct_file_has_ends(c, i))
			r = acct_files_read(c, i, &reader, why);
	}
	if (s.n > 1)
		qsort(s.list, s.n, sizeof *s.list, by_time);
	max = PH_MIN(s.n, s.max);
	if (r == 0)
		r = put_all(&s, max, t, why);
	t->ok = r == 0;
	t->message = sentence(&s, max);
	search_clear(&s);
	return r;
}

void
history_print(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < tree_count(t, "record"); i++) {
		fprintf(out, "%s %-2s %s", tree_get(t, "record[%zu].timeLogged", i),
		    tree_get(t, "record[%zu].type", i), tree_get(t, "record[%zu].queue", i));
		fprintf(out, " from <%s> job %s", tree_get(t, "record[%zu].orig", i),
		    tree_get(t, "record[%zu].jobId", i));
		fprintf(out, " | %s %s\n", tree_get(t, "record[%zu].dsnStatus", i),
		    tree_get(t, "record[%zu].dsnDiag", i));
	}
}
