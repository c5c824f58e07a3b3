#include "lib/suppress/suppress.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/kv/kv.h"
#include "lib/suppress/entry_int.h"

#define TABLE	     "suppressed"
#define MIN_CAPACITY 65536

struct suppress {
	struct kv *kv;
	struct filter *filter;
};

/* ---- the filter ---- */

struct filling {
	struct filter *filter;
	uint64_t n;
};

static bool
count_one(void *arg, struct str key, struct str value)
{
	struct filling *f = arg;

	f->n++;
	return true;
}

static bool
fill_one(void *arg, struct str key, struct str value)
{
	struct filling *f = arg;

	filter_add(f->filter, str_sub(key, 0, str_find(key, '\0')));
	return true;
}

/* twice the room that is needed now */
static int
fill(struct suppress *s, struct why *why)
{
	struct filling f = {0};
	struct filter *old = s->filter;

	if (kv_each(s->kv, STR(""), count_one, &f, why) == -1)
		return -1;
	f.filter = filter_new(PH_MAX(f.n * 2, (uint64_t)MIN_CAPACITY), why);
	if (f.filter == NULL)
		return -1;
	if (kv_each(s->kv, STR(""), fill_one, &f, why) == -1) {
		filter_free(&f.filter);
		return -1;
	}
	s->filter = f.filter;
	filter_free(&old);
	return 0;
}

/* ---- life ---- */

struct suppress *
suppress_open(const char *dir, unsigned cache_mb, struct why *why)
{
	struct suppress *s = xcalloc(1, sizeof *s);

	s->kv = kv_open(dir, TABLE, cache_mb, why);
	if (s->kv == NULL || fill(s, why) == -1)
		suppress_close(&s);
	return s;
}

void
suppress_close(struct suppress **sp)
{
	struct suppress *s = *sp;

	if (s == NULL)
		return;
	kv_close(&s->kv);
	filter_free(&s->filter);
	xfree(sp);
}

const struct filter *
suppress_filter(const struct suppress *s)
{
	return s->filter;
}

/* ---- changes ---- */

int
suppress_add(struct suppress *s, const struct suppression *e, struct why *why)
{
	char key[ENTRY_KEY];
	size_t len = entry_key(e->address, e->scope, key);
	struct buf value;
	int r;

	if (len == 0)
		return why_set(why, "The address or the scope is empty or too long.");
	buf_init(&value, 2 * ENTRY_VALUE);
	entry_write(e, &value);
	r = kv_put(s->kv, str_from(key, len), buf_str(&value), why);
	buf_clear(&value);
	if (r == -1)
		return -1;
	/* before it is durable: a needless maybe does no harm, a wrong no would */
	filter_add(s->filter, e->address);
	return 0;
}

int
suppress_remove(struct suppress *s, struct str address, struct str scope, struct why *why)
{
	char key[ENTRY_KEY];
	size_t len = entry_key(address, scope, key);

	return len == 0 ? 0 : kv_del(s->kv, str_from(key, len), why);
}

int
suppress_commit(struct suppress *s, struct why *why)
{
	if (kv_commit(s->kv, why) == -1)
		return -1;
	if (!filter_is_full(s->filter))
		return 0;
	return fill(s, why) == -1 ? -1 : 1;
}

/* ---- questions ---- */

static bool
is_in_force(const struct suppression *e, struct wall now)
{
	return e->until.ns == 0 || e->until.ns > now.ns;
}

/* one scope; the key is put behind the value, for the views */
static int
find_one(struct suppress *s, struct str address, struct str scope, struct suppression *e,
    struct buf *b, struct why *why)
{
	char key[ENTRY_KEY];
	size_t len = entry_key(address, scope, key), at;
	int r = len == 0 ? 0 : kv_get(s->kv, str_from(key, len), b, why);

	if (r != 1)
		return r;
	at = buf_len(b);
	if (buf_add(b, key, len) == -1 ||
	    !entry_parse(str_skip(buf_str(b), at), str_sub(buf_str(b), 0, at), e)) {
		log_warn("suppress event=damaged address=%s", log_quote(address));
		return 0;
	}
	return 1;
}

int
suppress_find(struct suppress *s, struct str address, const struct str *scopes, size_t n_scopes,
    struct wall now, struct suppression *e, struct buf *b, struct why *why)
{
	int r;

	if (!filter_may_have(s->filter, address))
		return 0;
	for (size_t i = 0; i <= n_scopes; i++) {
		r = find_one(s, address, i == 0 ? STR("") : scopes[i - 1], e, b, why);
		if (r == -1 || (r == 1 && is_in_force(e, now)))
			return r;
	}
	return 0;
}

struct visiting {
	bool (*visit)(void *arg, const struct suppression *e);
	void *arg;
};

static bool
visit_one(void *arg, struct str key, struct str value)
{
	struct visiting *v = arg;
	struct suppression e;

	return !entry_parse(key, value, &e) || v->visit(v->arg, &e);
}

int
suppress_each(struct suppress *s, struct str from,
    bool (*visit)(void *arg, const struct suppression *e), void *arg, struct why *why)
{
	struct visiting v = {visit, arg};
	char key[ENTRY_KEY];
	size_t len = from.len == 0 ? 0 : entry_key(from, STR(""), key);

	return kv_each(s->kv, str_from(key, len), visit_one, &v, why);
}
