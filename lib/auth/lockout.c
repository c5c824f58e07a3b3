#include "lib/auth/lockout.h"

#include "lib/ev/ev.h"

#define WAYS 4 /* slots that an address may use */

/* FNV-1a over the address, or over the network that a client of IPv6 chooses its address from: the same everywhere */
static uint64_t
key_of(const struct net_addr *a)
{
	size_t n = a->family == 6 ? 8 : 4;
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ a->family;

	for (size_t i = 0; i < n; i++)
		h = (h ^ a->bytes[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 29;
	return h == 0 ? 1 : h;
}

static bool
is_over(const struct lockout_slot *s, int64_t window_ms)
{
	return ev_now().ns - s->began_ns >= window_ms * NS_PER_MS;
}

uint64_t
lockout_count(const struct lockout *l, const struct net_addr *client, int64_t window_ms)
{
	uint64_t key = key_of(client);

	for (size_t i = 0; i < WAYS; i++) {
		const struct lockout_slot *s = &l->slots[(key + i) % LOCKOUT_SLOTS];
		if (s->key == key)
			return is_over(s, window_ms) ? 0 : s->count;
	}
	return 0;
}

/* The client's slot, else a free one, else the one whose window is the oldest. */
static struct lockout_slot *
slot_for(struct lockout *l, uint64_t key)
{
	struct lockout_slot *oldest = &l->slots[key % LOCKOUT_SLOTS];

	for (size_t i = 0; i < WAYS; i++) {
		struct lockout_slot *s = &l->slots[(key + i) % LOCKOUT_SLOTS];
		if (s->key == key)
			return s;
		if (s->key == 0 || (oldest->key != 0 && s->began_ns < oldest->began_ns))
			oldest = s;
	}
	return oldest;
}

void
lockout_add(struct lockout *l, const struct net_addr *client, int64_t window_ms)
{
	uint64_t key = key_of(client);
	struct lockout_slot *s = slot_for(l, key);

	if (s->key != key || is_over(s, window_ms)) {
		s->key = key;
		s->began_ns = ev_now().ns;
		s->count = 0;
	}
	s->count++;
}
