#include "queued/limit/cold.h"

#include <time.h>

#include "lib/base/hmap.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/ev/ev.h"
#include "queued/limit/limit_file.h"
#include "queued/place.h"
#include "queued/vmta.h"

/* a message may be queued so long; what was chosen for it is forgotten then */
#define REMEMBER_DAYS 15
#define MAX_NAME      700

/* one cold VirtualMTA and the domain of one queue */
struct warming {
	char *name; /* domain, blank, VirtualMTA; owned */
	uint32_t domain_len;
	int32_t first_day;
	int32_t day; /* that `n` counts */
	uint64_t n;
	uint64_t last_id; /* the message chosen last: its other recipients go with it */
};
struct chosen {
	uint64_t id;
	int32_t day;
	uint32_t warming; /* index */
};
static struct {
	struct warming *list;
	uint32_t n;
	struct hmap map; /* index + 1 */
	struct chosen *chosen;
	size_t n_chosen, n_sorted;
	int32_t unknown_day; /* nothing is chosen on that day */
	uint32_t turn;
} cold;

/* days since 1970 by the local calendar */
static int32_t
today(void)
{
	time_t t = (time_t)wall_sec(ev_wall());
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return 0;
	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	return (int32_t)(timegm(&tm) / 86400);
}

static struct str
vmta_of(const struct warming *w)
{
	return str_skip(str_of(w->name), w->domain_len + 1);
}

static bool
is_warming(const void *key, uint32_t h)
{
	return strcasecmp(cold.list[h - 1].name, key) == 0;
}

static uint32_t
find(struct str domain, struct str vmta, bool make)
{
	char name[MAX_NAME];
	uint32_t h;

	snprintf(name, sizeof name, "%.*s %.*s", STR_ARG(str_sub(domain, 0, 300)),
	    STR_ARG(str_sub(vmta, 0, 300)));
	h = hmap_find(&cold.map, str_ihash(str_of(name)), is_warming, name);
	if (h != 0 || !make)
		return h;
	cold.list = xreallocarray(cold.list, cold.n + 1, sizeof *cold.list);
	cold.list[cold.n++] = (struct warming){.name = xstrdup(name),
	    .domain_len = (uint32_t)PH_MIN(domain.len, 300u),
	    .first_day = INT32_MAX};
	hmap_add(&cold.map, str_ihash(str_of(name)), cold.n);
	return cold.n;
}

/* A clock that went back over midnight begins no other day; but one that was wrong does not hold up days to come. */
static bool
is_wrong(const struct warming *w, int32_t day)
{
	return w->day > day + 1;
}

static void
note(uint32_t h, uint64_t id, int32_t day)
{
	struct warming *w = &cold.list[h - 1];

	if (day > w->day || is_wrong(w, day)) {
		w->day = day;
		w->n = 0;
	}
	w->n += day == w->day;
	w->last_id = id;
	cold.chosen = xreallocarray(cold.chosen, cold.n_chosen + 1, sizeof *cold.chosen);
	cold.chosen[cold.n_chosen++] = (struct chosen){.id = id, .day = day, .warming = h - 1};
}

/* ---- the file ---- */

static bool
next_number(struct str *s, uint64_t *v)
{
	struct str word;

	return str_next_word(s, &word) && parse_u64(word, 0, UINT64_MAX, v);
}

void
cold_line(struct str line)
{
	uint64_t day, id = 0;
	bool is_first = str_has_prefix(line, STR("F ")),
	     is_choice = str_has_prefix(line, STR("C "));
	struct str rest = str_skip(line, 2), domain;
	uint32_t h;

	if ((!is_first && !is_choice) || !next_number(&rest, &day) || day > INT32_MAX ||
	    (is_choice && !next_number(&rest, &id)) || !str_next_word(&rest, &domain))
		return;
	h = find(domain, str_trim(rest), true);
	if (is_first)
		cold.list[h - 1].first_day = (int32_t)day;
	else
		note(h, id, (int32_t)day);
}

static void
write_first(const struct warming *w)
{
	limit_file_addf(true, "F %d %s", w->first_day, w->name);
}

static void
write_choice(const struct chosen *c)
{
	limit_file_addf(true, "C %d %lu %s", c->day, c->id, cold.list[c->warming].name);
}

void
cold_fill(void)
{
	int32_t oldest = today() - REMEMBER_DAYS;
	size_t n = 0;

	for (uint32_t i = 0; i < cold.n; i++) {
		if (cold.list[i].first_day != INT32_MAX)
			write_first(&cold.list[i]);
	}
	for (size_t i = 0; i < cold.n_chosen; i++) {
		if (cold.chosen[i].day < oldest)
			continue;
		cold.chosen[n] = cold.chosen[i];
		write_choice(&cold.chosen[n++]);
	}
	cold.n_chosen = n;
	cold.n_sorted = 0;
}

void
cold_unknown(void)
{
	cold.unknown_day = today();
}

/* ---- the choice ---- */

static uint64_t
allowed(const struct conf_set *set, int32_t nth_day)
{
	size_t n = conf_n(set, CONF_DOMAIN_MAX_COLD_VIRTUAL_MTA_MSG);
	size_t i = PH_MIN((size_t)PH_MAX(nth_day, 0), n - 1);
	struct conf_rate r = {0};

	if (n == 0 || !conf_parse_rate(conf_item(set, CONF_DOMAIN_MAX_COLD_VIRTUAL_MTA_MSG, i), &r))
		return 0;
	return r.count;
}

/* may that cold one take a message more today? */
static bool
has_room(struct str domain, struct str vmta, const struct conf_set *set, int32_t day)
{
	uint32_t h = find(domain, vmta, false);
	const struct warming *w = h == 0 ? NULL : &cold.list[h - 1];
	int32_t first = w == NULL || w->first_day == INT32_MAX ? day : w->first_day;

	if (w != NULL && w->day > day && !is_wrong(w, day))
		day = w->day;
	if (w != NULL && is_wrong(w, day))
		w = NULL;
	return (w == NULL || w->day < day ? 0 : w->n) < allowed(set, day - first);
}

static void
choose(struct str domain, struct str vmta, uint64_t id, int32_t day)
{
	uint32_t h = find(domain, vmta, true);
	struct warming *w = &cold.list[h - 1];

	if (!is_wrong(w, day))
		day = PH_MAX(day, w->day);
	if (w->first_day > day) {
		w->first_day = day;
		write_first(w);
	}
	note(h, id, day);
	write_choice(&cold.chosen[cold.n_chosen - 1]);
}

/* the cold ones of the VirtualMTA, or of the first of its pools that has some */
static const struct conf_set *
owner(const struct conf_vmta *v, enum conf_key *key)
{
	struct pools pools;

	*key = CONF_VMTA_COLD_VIRTUAL_MTA;
	if (v->set != NULL && conf_n(v->set, *key) > 0)
		return v->set;
	*key = CONF_POOL_COLD_VIRTUAL_MTA;
	pools_of_member(v, &pools);
	for (size_t i = 0; i < pools.n; i++) {
		const struct conf_pool *p = conf_pool(daemon_conf(), pools.list[i]->name);
		if (p != NULL && conf_n(p->set, *key) > 0)
			return p->set;
	}
	return NULL;
}

/* another recipient of a message that was chosen just now */
static struct str
with_the_others(struct str domain, uint64_t id, const struct conf_set *set, enum conf_key key)
{
	for (size_t i = 0; i < conf_n(set, key); i++) {
		uint32_t h = find(domain, conf_item(set, key, i), false);
		if (h != 0 && cold.list[h - 1].last_id == id)
			return vmta_of(&cold.list[h - 1]);
	}
	return STR_NULL;
}

static int
by_id(const void *a, const void *b)
{
	const struct chosen *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* the first of the sorted with that id, or the place where it would be */
static size_t
place_of(uint64_t id)
{
	size_t low = 0, high = cold.n_sorted;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (cold.chosen[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* only the first scan asks: for messages of which the file told */
static struct str
chosen_before(struct str domain, uint64_t id)
{
	if (cold.n_sorted == 0) {
		if (cold.n_chosen > 0)
			qsort(cold.chosen, cold.n_chosen, sizeof *cold.chosen, by_id);
		cold.n_sorted = cold.n_chosen;
	}
	for (size_t i = place_of(id); i < cold.n_sorted && cold.chosen[i].id == id; i++) {
		const struct warming *w = &cold.list[cold.chosen[i].warming];
		if (str_ieq(str_sub(str_of(w->name), 0, w->domain_len), domain) &&
		    conf_vmta(daemon_conf(), vmta_of(w)) != NULL)
			return vmta_of(w);
	}
	return STR_NULL;
}

static struct str
choose_new(struct str domain, struct str vmta, uint64_t id)
{
	const struct conf_vmta *v = conf_vmta(daemon_conf(), vmta);
	enum conf_key key;
	const struct conf_set *o = v == NULL ? NULL : owner(v, &key), *set;
	struct str found = o == NULL ? STR_NULL : with_the_others(domain, id, o, key);
	int32_t day = today();
	size_t n = o == NULL ? 0 : conf_n(o, key);

	if (found.p != NULL || cold.unknown_day == day)
		return found;
	set = n == 0 ? NULL : conf_queue(daemon_conf(), domain, vmta);
	for (size_t i = 0; i < n; i++) {
		found = conf_item(o, key, cold.turn++ % n);
		if (!has_room(domain, found, set, day))
			continue;
		choose(domain, found, id, day);
		return found;
	}
	return STR_NULL;
}

struct str
cold_choose(const struct envelope *e, struct str domain, struct str vmta, uint64_t id, bool is_new)
{
	char lower[256];
	struct str name, found;

	if (vmta.len == 0 || !str_eq(e->src_type, STR("smtp")))
		return vmta;
	name = place_name(domain, vmta, lower);
	if (str_find(name, ' ') != STR_NPOS)
		return vmta;
	found = is_new ? choose_new(name, vmta, id) : chosen_before(name, id);
	return found.p != NULL ? found : vmta;
}
