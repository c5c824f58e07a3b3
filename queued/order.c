#include "queued/order.h"

#include "lib/base/hmap.h"
#include "lib/base/xalloc.h"

/* the recipients of one job at one priority; exists while it holds some */
struct lane {
	uint32_t chain; /* the slab's, of a free one */
	uint32_t next, prev;
	uint32_t job;
	struct rlist list;
	struct order_level *level;
};
static struct {
	struct slab slab;
	struct hmap map; /* by level and job */
} lanes;

static struct lane *
lane_at(uint32_t handle)
{
	return slab_at(&lanes.slab, handle);
}

/* ---- levels ---- */

/* the place of the pointer to the level of this priority, or to the one before which it would stand */
static struct order_level **
find_level(struct order *o, uint8_t priority)
{
	struct order_level **at = &o->levels;

	while (*at != NULL && (*at)->priority > priority)
		at = &(*at)->lower;
	return at;
}

static struct order_level *
get_level(struct order *o, uint8_t priority)
{
	struct order_level **at = find_level(o, priority), *new;

	if (*at != NULL && (*at)->priority == priority)
		return *at;
	new = o->own.is_used ? xcalloc(1, sizeof *new) : &o->own;
	new->is_used = true;
	new->owner = o;
	new->priority = priority;
	new->lower = *at;
	*at = new;
	return new;
}

static void
drop_level(struct order_level *level)
{
	struct order_level **at = find_level(level->owner, level->priority);

	*at = level->lower;
	if (level == &level->owner->own)
		*level = (struct order_level){.is_used = false};
	else
		free(level);
}

/* ---- lanes ---- */

struct lane_key {
	const struct order_level *level;
	uint32_t job;
};

static bool
is_lane(const void *key, uint32_t handle)
{
	const struct lane_key *k = key;
	const struct lane *l = lane_at(handle);

	return l->level == k->level && l->job == k->job;
}

static uint64_t
hash_of(const struct lane_key *k)
{
	uint64_t h = (uint64_t)(uintptr_t)k->level * UINT64_C(0x9e3779b97f4a7c15);

	return (h ^ k->job) * UINT64_C(0xbf58476d1ce4e5b9) >> 20;
}

static void
link_last(struct order_level *level, uint32_t handle)
{
	struct lane *l = lane_at(handle);

	l->next = 0;
	l->prev = level->last;
	if (level->last == 0)
		level->first = handle;
	else
		lane_at(level->last)->next = handle;
	level->last = handle;
}

static void
link_first(struct order_level *level, uint32_t handle)
{
	struct lane *l = lane_at(handle);

	l->prev = 0;
	l->next = level->first;
	if (level->first == 0)
		level->last = handle;
	else
		lane_at(level->first)->prev = handle;
	level->first = handle;
}

static void
unlink_lane(struct order_level *level, uint32_t handle)
{
	struct lane *l = lane_at(handle);

	if (l->prev == 0)
		level->first = l->next;
	else
		lane_at(l->prev)->next = l->next;
	if (l->next == 0)
		level->last = l->prev;
	else
		lane_at(l->next)->prev = l->prev;
}

static void
map_lane(uint32_t handle)
{
	struct lane_key k = {.level = lane_at(handle)->level, .job = lane_at(handle)->job};

	hmap_add(&lanes.map, hash_of(&k), handle);
}

static uint32_t
find_lane(const struct order_level *level, uint32_t job)
{
	struct lane_key k = {.level = level, .job = job};

	/* mostly one job at a time comes in */
	if (level->last != 0 && lane_at(level->last)->job == job)
		return level->last;
	return level->is_mapped ? hmap_find(&lanes.map, hash_of(&k), is_lane, &k) : 0;
}

static uint32_t
get_lane(struct order_level *level, uint32_t job, bool in_front)
{
	uint32_t h = find_lane(level, job);

	if (h != 0)
		return h;
	if (level->first != 0 && !level->is_mapped) {
		level->is_mapped = true;
		map_lane(level->first);
	}
	if (lanes.slab.item == 0)
		slab_init(&lanes.slab, sizeof(struct lane));
	h = slab_new(&lanes.slab);
	lane_at(h)->job = job;
	lane_at(h)->level = level;
	if (in_front)
		link_first(level, h);
	else
		link_last(level, h);
	if (level->is_mapped)
		map_lane(h);
	return h;
}

static void
drop_lane(uint32_t handle)
{
	struct order_level *level = lane_at(handle)->level;
	struct lane_key k = {.level = level, .job = lane_at(handle)->job};

	if (level->is_mapped)
		hmap_remove(&lanes.map, hash_of(&k), handle);
	unlink_lane(level, handle);
	slab_free(&lanes.slab, handle);
	if (level->first == 0)
		drop_level(level);
}

/* ---- what others see ---- */

void
order_add(struct order *o, uint32_t rcpt, bool in_front)
{
	struct rcpt *r = rcpt_at(rcpt);
	struct order_level *level = get_level(o, r->priority);

	r->at = get_lane(level, message_at(r->message)->job, in_front);
	if (in_front)
		rlist_push_front(&lane_at(r->at)->list, rcpt);
	else
		rlist_push_back(&lane_at(r->at)->list, rcpt);
	o->n++;
}

void
order_remove(struct order *o, uint32_t rcpt)
{
	uint32_t lane = rcpt_at(rcpt)->at;

	rlist_remove(&lane_at(lane)->list, rcpt);
	o->n--;
	rcpt_at(rcpt)->at = 0;
	if (lane_at(lane)->list.n == 0)
		drop_lane(lane);
}

uint32_t
order_first_of(const struct order *o, uint32_t job)
{
	for (const struct order_level *level = o->levels; level != NULL; level = level->lower) {
		uint32_t h = find_lane(level, job);
		if (h != 0)
			return lane_at(h)->list.head;
	}
	return 0;
}

uint32_t
order_lane(const struct order *o)
{
	return o->levels == NULL ? 0 : o->levels->first;
}

uint32_t
order_first(const struct order *o)
{
	return o->levels == NULL ? 0 : lane_at(o->levels->first)->list.head;
}

uint32_t
order_after(const struct order *o, uint32_t rcpt)
{
	const struct rcpt *r = rcpt_at(rcpt);
	const struct lane *l = lane_at(r->at);

	if (r->next != 0)
		return r->next;
	if (l->next != 0)
		return lane_at(l->next)->list.head;
	if (l->level->lower != NULL)
		return lane_at(l->level->lower->first)->list.head;
	return 0;
}

void
order_turn(struct order *o, uint32_t lane)
{
	struct order_level *level = o->levels;

	/* one that was emptied is gone, and the next has come to its place */
	if (level == NULL || level->first != lane || level->last == lane)
		return;
	unlink_lane(level, lane);
	link_last(level, lane);
}
