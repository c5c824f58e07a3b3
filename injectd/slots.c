#include "injectd/slots.h"

#include "lib/base/log.h"

#define MAX_REACHES 32

/* FNV-1a of the name without case: the same in all processes */
static uint64_t
key_of(struct str name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)ascii_lower(name.p[i])) * UINT64_C(0x100000001b3);
	return h == 0 ? 1 : h;
}

void
slots_init(struct slots *s, struct slots_board *board, uint32_t process)
{
	ph_assert(process < SLOTS_PROCESSES);
	*s = (struct slots){.board = board, .process = process};
	board->n[process] = 0;
	for (size_t i = 0; i < SLOTS_GROUPS; i++)
		board->groups[i].n[process] = 0;
}

/* The board's group of that name, taken if it is new; groups are never given up. */
static bool
find_group(struct slots_board *b, uint64_t key, uint32_t *group)
{
	for (uint32_t i = 0; i < SLOTS_GROUPS; i++) {
		uint64_t none = 0;
		if (b->groups[i].key != key &&
		    !atomic_compare_exchange_strong(&b->groups[i].key, &none, key) && none != key)
			continue;
		*group = i;
		return true;
	}
	return false;
}

bool
slots_use_conf(struct slots *s, const struct conf *c)
{
	size_t n = conf_n_blocks(c, CONF_BLOCK_GROUP);
	bool all = true;

	s->total = conf_u64(conf_global(c), CONF_GLOBAL_TOTAL_MAX_SMTP_IN);
	s->n_limits = 0;
	for (size_t i = 0; i < n; i++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_GROUP, i);
		struct slots_limit l = {
		    .key = key_of(conf_block_name(c, CONF_BLOCK_GROUP, i)),
		    .max = conf_u64(set, CONF_GROUP_MAX_SMTP_IN),
		    .reserved = conf_u64(set, CONF_GROUP_RESERVED_SMTP_IN),
		};
		if (s->n_limits < SLOTS_GROUPS && find_group(s->board, l.key, &l.group))
			s->limits[s->n_limits++] = l;
		else
			all = false;
	}
	return all;
}

static uint64_t
sum(const _Atomic uint32_t n[SLOTS_PROCESSES])
{
	uint64_t all = 0;

	for (size_t i = 0; i < SLOTS_PROCESSES; i++)
		all += n[i];
	return all;
}

bool
slots_any(const struct slots *s)
{
	return sum(s->board->n) < s->total;
}

static const struct slots_limit *
find_limit(const struct slots *s, struct str group)
{
	uint64_t key = key_of(group);

	for (size_t i = 0; i < s->n_limits && group.len > 0; i++)
		if (s->limits[i].key == key)
			return &s->limits[i];
	return NULL;
}

/* Slots that other groups may still claim. */
static uint64_t
kept_for_others(const struct slots *s, const struct slots_limit *mine)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < s->n_limits; i++) {
		const struct slots_limit *l = &s->limits[i];
		uint64_t used = sum(s->board->groups[l->group].n);
		if (l != mine && l->reserved > used)
			kept += PH_MIN(l->reserved, s->total) - PH_MIN(used, s->total);
	}
	return kept;
}

/* Are there no more than the limits allow, with `more` that are about to come? */
static bool
fits(const struct slots *s, const struct slots_limit *l, uint64_t more)
{
	if (sum(s->board->n) + more + kept_for_others(s, l) > s->total)
		return false;
	return l == NULL || sum(s->board->groups[l->group].n) + more <= l->max;
}

slot_t
slots_take(struct slots *s, struct str group)
{
	const struct slots_limit *l = find_limit(s, group);
	slot_t slot = l == NULL ? 1 : 2 + l->group;

	/* of those that reach for the last one at once, who gives it back last finds it free again */
	for (int i = 0; i < MAX_REACHES && fits(s, l, 1); i++) {
		s->board->n[s->process]++;
		if (l != NULL)
			s->board->groups[l->group].n[s->process]++;
		if (fits(s, l, 0))
			return slot;
		slots_give_back(s, slot);
	}
	return 0;
}

void
slots_give_back(struct slots *s, slot_t slot)
{
	if (slot == 0)
		return;
	s->board->n[s->process]--;
	if (slot >= 2)
		s->board->groups[slot - 2].n[s->process]--;
}
