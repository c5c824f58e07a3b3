#include "queued/window.h"

#include "lib/base/hmap.h"
#include "lib/base/slab.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/mail/schedule.h"

struct windows {
	char *text; /* owned */
	uint32_t n_users;
	uint32_t n;
	struct schedule_window *list; /* owned */
};

static struct {
	struct slab slab;
	struct hmap map; /* by text */
} all;

static struct windows *
at(uint32_t handle)
{
	return slab_at(&all.slab, handle);
}

static bool
is_text(const void *key, uint32_t handle)
{
	const struct str *text = key;

	return str_eq(*text, str_of(at(handle)->text));
}

static uint32_t
make(struct str text)
{
	struct schedule s;
	struct windows *w;
	uint32_t h;

	if (schedule_parse(text, &s) == -1 || s.n == 0)
		return 0;
	if (all.slab.item == 0)
		slab_init(&all.slab, sizeof(struct windows));
	h = slab_new(&all.slab);
	w = at(h);
	w->text = xstrdup_str(text);
	w->n = s.n;
	w->list = xcalloc(s.n, sizeof *w->list);
	memcpy(w->list, s.window, s.n * sizeof *w->list);
	hmap_add(&all.map, str_hash(text), h);
	return h;
}

uint32_t
window_get(struct str text)
{
	uint32_t h;

	if (text.len == 0)
		return 0;
	h = hmap_find(&all.map, str_hash(text), is_text, &text);
	if (h == 0)
		h = make(text);
	if (h != 0)
		at(h)->n_users++;
	return h;
}

void
window_put(uint32_t windows)
{
	struct windows *w;

	if (windows == 0)
		return;
	w = at(windows);
	if (--w->n_users > 0)
		return;
	hmap_remove(&all.map, str_hash(str_of(w->text)), windows);
	free(w->text);
	free(w->list);
	slab_free(&all.slab, windows);
}

/* the one that `t` is in, or else the next; NULL: none remains */
static const struct schedule_window *
next(const struct windows *w, struct wall t)
{
	for (uint32_t i = 0; i < w->n; i++) {
		if (t.ns < w->list[i].until.ns)
			return &w->list[i];
	}
	return NULL;
}

bool
window_is_open(uint32_t windows)
{
	struct wall now = ev_wall();
	const struct schedule_window *w = next(at(windows), now);

	return w != NULL && w->from.ns <= now.ns;
}

static struct tick
tick_at(struct wall w)
{
	return tick_in_ms((w.ns - ev_wall().ns + NS_PER_MS - 1) / NS_PER_MS);
}

struct tick
window_from(uint32_t windows, struct tick t)
{
	struct wall then = tick_to_wall(t);
	const struct schedule_window *w = next(at(windows), then);

	return w == NULL || w->from.ns <= then.ns ? t : tick_at(w->from);
}

struct tick
window_end(uint32_t windows)
{
	const struct windows *w = at(windows);

	return tick_at(w->list[w->n - 1].until);
}

struct str
window_text(uint32_t windows)
{
	return str_of(at(windows)->text);
}
