#include "lib/stats/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* the layout is part of it: a page of another build is refused */
#define STATS_MAGIC                                                                                \
	(UINT64_C(0x7068000000000000) + ((uint64_t)HIST_MAX << 32) +                               \
	    ((uint64_t)FAMILY_MAX << 24) + STAT_MAX)

_Static_assert(sizeof(struct stats_page) == 40 + 8 * (size_t)STAT_MAX +
						HIST_MAX * sizeof(struct stats_histogram) +
						FAMILY_MAX * sizeof(struct stats_labels),
    "the page is shared between processes");

static const struct {
	enum stat_kind kind;
	const char *name, *help;
} rows[STAT_MAX] = {
#define STAT(id, kind, text, help) [STAT_##id] = {STAT_##kind, text, help},
#include "lib/stats/stats.def"
};

static const uint64_t bounds[] = {STATS_BOUNDS};
_Static_assert(countof(bounds) == STATS_N_BOUNDS, "so many bounds");

static const bool family_is_counter[FAMILY_MAX] = {
#define LABELLED(id, kind, text, label, help) [FAMILY_##id] = STAT_##kind == STAT_COUNTER,
#include "lib/stats/stats.def"
};

static struct stats_page private_page = {.magic = STATS_MAGIC};
struct stats_page *stats_own = &private_page;

static int
prepare(int fd, const struct stats_page *head)
{
	if (ftruncate(fd, sizeof *head) == -1 || pwrite(fd, head, sizeof *head, 0) != sizeof *head)
		return -1;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int
stats_create(uint32_t role, uint32_t instance)
{
	struct stats_page head = {.magic = STATS_MAGIC, .role = role, .instance = instance};
	int fd = memfd_create("posthaste-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved;

	if (fd == -1)
		return -1;
	if (prepare(fd, &head) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void *
map(int fd, int prot)
{
	struct stat st;
	struct stats_page *page;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size != (off_t)sizeof *page) {
		errno = EPROTO;
		return NULL;
	}
	page = mmap(NULL, sizeof *page, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return NULL;
	if (page->magic != STATS_MAGIC) {
		munmap(page, sizeof *page);
		errno = EPROTO;
		return NULL;
	}
	return page;
}

int
stats_map_own(int fd)
{
	struct stats_page *page = map(fd, PROT_READ | PROT_WRITE);

	if (page == NULL)
		return -1;
	page->pid = (uint64_t)getpid();
	/* a restarted daemon goes on with its counters, but what its gauges measured is gone */
	for (unsigned i = 0; i < STAT_MAX; i++) {
		if (rows[i].kind != STAT_COUNTER && i != STAT_PROC_STARTS)
			page->v[i] = 0;
	}
	stats_own = page;
	stat_inc(STAT_PROC_STARTS);
	for (unsigned f = 0; f < FAMILY_MAX; f++) {
		page->families[f].turn &= ~1u; /* its predecessor died while writing */
		if (!family_is_counter[f])
			stat_labels_set((enum stat_family)f, NULL, 0);
	}
	return 0;
}

const struct stats_page *
stats_map(int fd)
{
	return map(fd, PROT_READ);
}

const char *
stat_name(enum stat_id id)
{
	return (unsigned)id < STAT_MAX ? rows[id].name : "?";
}

const char *
stat_help(enum stat_id id)
{
	return (unsigned)id < STAT_MAX ? rows[id].help : "";
}

enum stat_kind
stat_kind(enum stat_id id)
{
	return (unsigned)id < STAT_MAX ? rows[id].kind : STAT_GAUGE;
}

bool
stat_is_gauge(enum stat_id id)
{
	return stat_kind(id) == STAT_GAUGE || stat_kind(id) == STAT_LEVEL;
}

uint64_t
stats_bound(size_t i)
{
	return bounds[PH_MIN(i, countof(bounds) - 1)];
}

/* ---- histograms ---- */

static void
add_to(uint64_t *v, uint64_t n)
{
	__atomic_store_n(v, *v + n, __ATOMIC_RELAXED);
}

void
stat_took(enum stat_hist h, int64_t ms)
{
	struct stats_histogram *hist = &stats_own->histograms[h];
	uint64_t took = (uint64_t)PH_MAX(ms, (int64_t)0);
	size_t i = 0;

	while (i < STATS_N_BOUNDS && took > bounds[i])
		i++;
	add_to(&hist->n[i], 1);
	add_to(&hist->sum_ms, took);
}

/* ---- labels ---- */

static struct stats_label *
find_label(struct stats_labels *l, struct str text)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (str_eq(str_of(l->rows[i].text), text))
			return &l->rows[i];
	}
	return NULL;
}

/* the last place is for what has none */
static struct stats_label *
add_label(struct stats_labels *l, struct str text)
{
	struct stats_label *row;

	if (l->n >= STATS_LABELS - 1) {
		text = STR(STATS_OTHER);
		row = find_label(l, text);
		if (row != NULL)
			return row;
	}
	row = &l->rows[l->n];
	row->value = 0;
	str_copy(row->text, sizeof row->text, text);
	/* a reader sees the row once it is complete */
	__atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELEASE);
	return row;
}

void
stat_label_add(enum stat_family f, struct str label, uint64_t n)
{
	struct stats_labels *l = &stats_own->families[f];
	struct stats_label *row;

	label = str_sub(label, 0, sizeof row->text - 1);
	row = find_label(l, label);
	if (row == NULL)
		row = add_label(l, label);
	add_to(&row->value, n);
}

void
stat_labels_set(enum stat_family f, const struct stats_label *list, size_t n)
{
	struct stats_labels *l = &stats_own->families[f];

	n = PH_MIN(n, (size_t)STATS_LABELS);
	__atomic_store_n(&l->turn, l->turn + 1, __ATOMIC_SEQ_CST);
	if (n > 0)
		memcpy(l->rows, list, n * sizeof *list);
	l->n = (uint32_t)n;
	__atomic_store_n(&l->turn, l->turn + 1, __ATOMIC_SEQ_CST);
}

bool
stats_labels_read(const struct stats_page *p, enum stat_family f, struct stats_labels *copy)
{
	const struct stats_labels *l = &p->families[f];
	uint32_t turn = __atomic_load_n(&l->turn, __ATOMIC_SEQ_CST);
	uint32_t n = __atomic_load_n(&l->n, __ATOMIC_ACQUIRE);

	if (turn % 2 != 0 || n > STATS_LABELS)
		return false;
	memcpy(copy->rows, l->rows, n * sizeof copy->rows[0]);
	copy->n = n;
	copy->turn = turn;
	for (uint32_t i = 0; i < n; i++)
		copy->rows[i].text[sizeof copy->rows[i].text - 1] = '\0';
	return __atomic_load_n(&l->turn, __ATOMIC_SEQ_CST) == turn;
}

/* ---- the process ---- */

void
stats_note_use(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) == -1)
		return;
	stat_set(STAT_PROC_RSS, (uint64_t)u.ru_maxrss * 1024);
	stat_set(STAT_PROC_CPU_MS, (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
				       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
}
