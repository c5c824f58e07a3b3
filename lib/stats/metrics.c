#include "lib/stats/metrics.h"

#include "lib/base/xalloc.h"
#include "lib/ipc/ipc.h"

#define PREFIX "posthaste_"

static const struct {
	enum stat_hist hist;
	const char *name, *help;
} histograms[] = {
#define HISTOGRAM(id, text, help) {HIST_##id, text, help},
#include "lib/stats/stats.def"
};
static const struct {
	enum stat_family family;
	enum stat_kind kind;
	const char *name, *label, *help;
} families[] = {
#define LABELLED(id, kind, text, label, help) {FAMILY_##id, STAT_##kind, text, label, help},
#include "lib/stats/stats.def"
};

struct pages {
	const struct stats_page *const *list;
	size_t n;
};

static void
head(struct buf *b, const char *name, const char *help, const char *type)
{
	(void)buf_addf(
	    b, "# HELP %s%s %s\n# TYPE %s%s %s\n", PREFIX, name, help, PREFIX, name, type);
}

static uint64_t
sum(const struct pages *p, enum stat_id id)
{
	uint64_t v = 0;

	for (size_t i = 0; i < p->n; i++)
		v += p->list[i] == NULL ? 0 : p->list[i]->v[id];
	return v;
}

/* a value of each process */
static void
write_each(struct buf *b, const struct pages *p, enum stat_id id)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct stats_page *page = p->list[i];
		if (page == NULL || page->pid == 0)
			continue;
		(void)buf_addf(b, "%s%s{process=\"%s\",instance=\"%lu\"} ", PREFIX, stat_name(id),
		    ipc_role_name((enum ipc_role)page->role), page->instance);
		if (stat_kind(id) == STAT_USE_MS)
			(void)buf_addf(b, "%lu.%03lu\n", page->v[id] / 1000, page->v[id] % 1000);
		else
			(void)buf_addf(b, "%lu\n", page->v[id]);
	}
}

static void
write_stat(struct buf *b, const struct pages *p, enum stat_id id)
{
	head(b, stat_name(id), stat_help(id), stat_is_gauge(id) ? "gauge" : "counter");
	if (stat_kind(id) == STAT_LEVEL || stat_kind(id) == STAT_USE_MS)
		write_each(b, p, id);
	else
		(void)buf_addf(b, "%s%s %lu\n", PREFIX, stat_name(id), sum(p, id));
}

/* ---- histograms ---- */

static uint64_t
sum_class(const struct pages *p, enum stat_hist h, size_t i)
{
	uint64_t v = 0;

	for (size_t k = 0; k < p->n; k++)
		v += p->list[k] == NULL ? 0 : p->list[k]->histograms[h].n[i];
	return v;
}

static uint64_t
sum_ms(const struct pages *p, enum stat_hist h)
{
	uint64_t v = 0;

	for (size_t k = 0; k < p->n; k++)
		v += p->list[k] == NULL ? 0 : p->list[k]->histograms[h].sum_ms;
	return v;
}

static void
write_histogram(struct buf *b, const struct pages *p, size_t row)
{
	const char *name = histograms[row].name;
	enum stat_hist h = histograms[row].hist;
	uint64_t n = 0, ms = sum_ms(p, h);

	head(b, name, histograms[row].help, "histogram");
	for (size_t i = 0; i < STATS_N_BOUNDS; i++) {
		uint64_t bound = stats_bound(i);
		n += sum_class(p, h, i);
		(void)buf_addf(b, "%s%s_bucket{le=\"%lu", PREFIX, name, bound / 1000);
		if (bound % 1000 != 0)
			(void)buf_addf(b, ".%03lu", bound % 1000);
		(void)buf_addf(b, "\"} %lu\n", n);
	}
	n += sum_class(p, h, STATS_N_BOUNDS);
	(void)buf_addf(b, "%s%s_bucket{le=\"+Inf\"} %lu\n", PREFIX, name, n);
	(void)buf_addf(b, "%s%s_sum %lu.%03lu\n", PREFIX, name, ms / 1000, ms % 1000);
	(void)buf_addf(b, "%s%s_count %lu\n", PREFIX, name, n);
}

/* ---- labels ---- */

static void
add_up(struct stats_labels *all, const struct stats_label *row)
{
	for (uint32_t i = 0; i < all->n; i++) {
		if (strcmp(all->rows[i].text, row->text) == 0) {
			all->rows[i].value += row->value;
			return;
		}
	}
	if (all->n < STATS_LABELS)
		all->rows[all->n++] = *row;
}

/* in a label \ " and line feed are escaped; what is no printable ASCII is not trusted to be UTF-8 */
static void
write_label(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			(void)buf_addf(b, "\\%c", *text);
		else
			(void)buf_add_char(b, *text < 0x20 || *text > 0x7e ? '?' : *text);
	}
}

static void
write_family(struct buf *b, const struct pages *p, size_t row)
{
	struct stats_labels *all = xcalloc(2, sizeof *all), *one = all + 1;

	for (size_t i = 0; i < p->n; i++) {
		if (p->list[i] == NULL || !stats_labels_read(p->list[i], families[row].family, one))
			continue;
		for (uint32_t k = 0; k < one->n; k++)
			add_up(all, &one->rows[k]);
	}
	head(b, families[row].name, families[row].help,
	    families[row].kind == STAT_COUNTER ? "counter" : "gauge");
	for (uint32_t i = 0; i < all->n; i++) {
		(void)buf_addf(b, "%s%s{%s=\"", PREFIX, families[row].name, families[row].label);
		write_label(b, all->rows[i].text);
		(void)buf_addf(b, "\"} %lu\n", all->rows[i].value);
	}
	free(all);
}

static void
write_info(struct buf *b, const struct pages *p)
{
	head(b, "info", "version of the server", "gauge");
	(void)buf_addf(b, "%sinfo{version=\"%s\"} 1\n", PREFIX, PH_VERSION);
	head(b, "process_start_time_seconds", "when the process was started last", "gauge");
	for (size_t i = 0; i < p->n; i++) {
		const struct stats_page *page = p->list[i];
		if (page == NULL || page->pid == 0)
			continue;
		(void)buf_addf(b,
		    "%sprocess_start_time_seconds{process=\"%s\",instance=\"%lu\"} %ld.%03ld\n",
		    PREFIX, ipc_role_name((enum ipc_role)page->role), page->instance,
		    page->started_ns / 1000000000, page->started_ns / 1000000 % 1000);
	}
}

int
metrics_write(struct buf *b, const struct stats_page *const *pages, size_t n)
{
	const struct pages p = {pages, n};

	for (unsigned i = 0; i < STAT_MAX; i++)
		write_stat(b, &p, (enum stat_id)i);
	for (size_t i = 0; i < countof(histograms); i++)
		write_histogram(b, &p, i);
	for (size_t i = 0; i < countof(families); i++)
		write_family(b, &p, i);
	write_info(b, &p);
	return buf_is_overfull(b) ? -1 : 0;
}
