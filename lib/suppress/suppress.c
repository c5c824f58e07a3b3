#include "lib/suppress/suppress.h"

#include <sodium.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/kv/kv.h"
#include "lib/suppress/entry_int.h"
#include "lib/suppress/hashes.h"

#define TABLE	     "suppressed"
#define MIN_CAPACITY 65536
#define STEP_KEYS    4000 /* looked at in one step of growing or sweeping: a few milliseconds */

/* Records of the store itself: no address begins with NUL. */
#define KEY_RECORD	STR("\0filter-key")
#define CAPACITY_RECORD STR("\0capacity")
#define MARK_RECORD	STR("\0hashes")

struct suppress {
	struct kv *kv;
	struct filter *filter;
	struct filter_key key;
	struct hashes hashes;
	struct filter *next; /* a larger one in the making, or NULL */
	bool is_read_again;  /* it is filled from the entries, for want of their hashes */
	uint64_t next_hash;
	uint64_t next_capacity, capacity;
	char at[ENTRY_KEY + 1]; /* how far it is filled: keys behind this one are missing */
	size_t at_len;
	char swept[ENTRY_KEY + 1];
	size_t swept_len;
};

/* ---- records of its own ---- */

static int
get_record(struct suppress *s, struct str name, void *value, size_t len, struct why *why)
{
	struct buf b;
	int r;

	buf_init(&b, 256);
	r = kv_get(s->kv, name, &b, why);
	if (r == 1 && buf_len(&b) == len)
		memcpy(value, buf_str(&b).p, len);
	else if (r == 1)
		r = 0;
	buf_clear(&b);
	return r;
}

static int
put_record(struct suppress *s, struct str name, const void *value, size_t len, struct why *why)
{
	return kv_put(s->kv, name, str_from(value, len), why);
}

/* The key stays the same for the store's whole life: readers keep hashes. */
static int
read_records(struct suppress *s, struct why *why)
{
	int r = get_record(s, KEY_RECORD, &s->key, sizeof s->key, why);

	if (r == -1 || get_record(s, CAPACITY_RECORD, &s->capacity, sizeof s->capacity, why) == -1)
		return -1;
	s->capacity = PH_MIN(PH_MAX(s->capacity, (uint64_t)MIN_CAPACITY), UINT64_C(1) << 34);
	if (r == 1)
		return 0;
	randombytes_buf(&s->key, sizeof s->key);
	if (put_record(s, KEY_RECORD, &s->key, sizeof s->key, why) == -1)
		return -1;
	return kv_commit(s->kv, why);
}

/* ---- the filter ---- */

static bool
is_entry(struct str key)
{
	return key.len > 0 && key.p[0] != '\0';
}

static struct str
address_of(struct str key)
{
	return str_sub(key, 0, str_find(key, '\0'));
}

static bool
fill_one(void *arg, struct str key, struct str value)
{
	struct suppress *s = arg;
	uint32_t hash;

	if (!is_entry(key))
		return true;
	hash = filter_hash(s->filter, address_of(key));
	filter_add_hash(s->filter, hash);
	hashes_add(&s->hashes, hash);
	return true;
}

/* All entries are read; their hashes are written down for the next time. */
static int
read_all(struct suppress *s, struct why *why)
{
	const struct hashes_mark *mark;
	struct why why_not;

	hashes_restart(&s->hashes);
	if (kv_each(s->kv, STR(""), fill_one, s, why) == -1)
		return -1;
	mark = hashes_write(&s->hashes);
	/* on a full disk it is said with a later change */
	if (put_record(s, MARK_RECORD, mark, sizeof *mark, &why_not) == 0 &&
	    kv_commit(s->kv, &why_not) == 0)
		hashes_settle(&s->hashes, true);
	else
		kv_abort(s->kv);
	return 0;
}

/* all at once: at the start, when nobody waits yet */
static int
fill(struct suppress *s, struct why *why)
{
	struct hashes_mark mark = {0};
	int r = get_record(s, MARK_RECORD, &mark, sizeof mark, why);

	if (r == -1)
		return -1;
	/* addresses that came again and again are not worth it for ever */
	if (r == 0 || mark.n > 4 * s->capacity)
		mark.n = HASHES_NONE;
	for (;;) {
		s->filter = filter_new(s->capacity, &s->key, why);
		if (s->filter == NULL)
			return -1;
		if (!hashes_fill(&s->hashes, &mark, s->filter) && read_all(s, why) == -1)
			return -1;
		if (!filter_is_full(s->filter))
			return 0;
		s->capacity = filter_count(s->filter) * 2;
		filter_free(&s->filter);
	}
}

static int
begin_growing(struct suppress *s, struct why *why)
{
	s->next_capacity = s->capacity * 4;
	s->next = filter_new(s->next_capacity, &s->key, why);
	s->at_len = 0;
	s->next_hash = 0;
	s->is_read_again = false;
	return s->next == NULL ? -1 : 0;
}

struct piece {
	struct suppress *s;
	unsigned left;
};

static bool
grow_one(void *arg, struct str key, struct str value)
{
	struct piece *p = arg;

	if (p->left == 0)
		return false;
	p->left--;
	if (is_entry(key))
		filter_add(p->s->next, address_of(key));
	/* the next step begins behind it */
	memcpy(p->s->at, key.p, PH_MIN(key.len, sizeof p->s->at - 1));
	p->s->at_len = PH_MIN(key.len, sizeof p->s->at - 1);
	p->s->at[p->s->at_len++] = '\0';
	return true;
}

/* 1: there is more; 0; -1 */
static int
grow_some(struct suppress *s, struct why *why)
{
	struct piece p = {s, STEP_KEYS};
	int r;

	if (!s->is_read_again) {
		r = hashes_copy(&s->hashes, &s->next_hash, s->next);
		if (r != -1)
			return r;
		s->is_read_again = true;
	}
	if (kv_each(s->kv, str_from(s->at, s->at_len), grow_one, &p, why) == -1)
		return -1;
	return p.left == 0;
}

int
suppress_grow(struct suppress *s, struct why *why)
{
	int r;

	if (s->next == NULL)
		return 0;
	r = grow_some(s, why);
	if (r != 0)
		return r == 1 ? 0 : -1;
	s->capacity = s->next_capacity;
	if (put_record(s, CAPACITY_RECORD, &s->capacity, sizeof s->capacity, why) == -1 ||
	    kv_commit(s->kv, why) == -1)
		return -1;
	filter_free(&s->filter);
	s->filter = s->next;
	s->next = NULL;
	return 1;
}

bool
suppress_is_growing(const struct suppress *s)
{
	return s->next != NULL;
}

/* ---- life ---- */

struct suppress *
suppress_open(const char *dir, unsigned cache_mb, struct why *why)
{
	struct suppress *s = xcalloc(1, sizeof *s);

	s->kv = kv_open(dir, TABLE, cache_mb, why);
	hashes_open(&s->hashes, dir);
	if (s->kv != NULL && read_records(s, why) == 0 && fill(s, why) == 0)
		return s;
	suppress_close(&s);
	if (kv_disk_is_full(dir))
		why->smtp_code = 452;
	return NULL;
}

void
suppress_close(struct suppress **sp)
{
	struct suppress *s = *sp;

	if (s == NULL)
		return;
	kv_close(&s->kv);
	hashes_close(&s->hashes);
	filter_free(&s->filter);
	filter_free(&s->next);
	xfree(sp);
}

const struct filter *
suppress_filter(const struct suppress *s)
{
	return s->filter;
}

const struct filter_key *
suppress_key(const struct suppress *s)
{
	return &s->key;
}

/* ---- changes ---- */

bool
suppress_is_good(const struct suppression *e)
{
	char key[ENTRY_KEY];

	return entry_key(e->address, e->scope, key) > 0;
}

int
suppress_add(struct suppress *s, const struct suppression *e, struct why *why)
{
	char key[ENTRY_KEY];
	size_t len = entry_key(e->address, e->scope, key);
	struct buf value;
	uint32_t hash;
	int r;

	if (len == 0)
		return why_set(why, "The address or the scope is empty or too long.");
	buf_init(&value, 2 * ENTRY_VALUE);
	entry_write(e, &value);
	r = kv_put(s->kv, str_from(key, len), buf_str(&value), why);
	buf_clear(&value);
	if (r == -1) {
		hashes_settle(&s->hashes, false);
		return -1;
	}
	/* before it is durable: a needless maybe does no harm, a wrong no would */
	hash = filter_hash(s->filter, e->address);
	filter_add_hash(s->filter, hash);
	if (s->next != NULL)
		filter_add_hash(s->next, hash);
	hashes_add(&s->hashes, hash);
	return 0;
}

int
suppress_remove(struct suppress *s, struct str address, struct str scope, struct why *why)
{
	char key[ENTRY_KEY];
	size_t len = entry_key(address, scope, key);

	int r = len == 0 ? 0 : kv_del(s->kv, str_from(key, len), why);

	if (r == -1)
		hashes_settle(&s->hashes, false);
	else
		hashes_removed(&s->hashes, (uint64_t)r);
	return r;
}

/* The entries, and what of the hashes counts with them. */
static int
commit(struct suppress *s, struct why *why)
{
	const struct hashes_mark *mark;
	int r = 0;

	if (hashes_has_news(&s->hashes)) {
		mark = hashes_write(&s->hashes);
		r = put_record(s, MARK_RECORD, mark, sizeof *mark, why);
	}
	if (r == 0)
		r = kv_commit(s->kv, why);
	hashes_settle(&s->hashes, r == 0);
	return r;
}

int
suppress_commit(struct suppress *s, struct why *why)
{
	if (commit(s, why) == -1)
		return -1;
	/* without a larger one "maybe" is said more often, and that is all */
	if (filter_is_full(s->filter) && s->next == NULL && begin_growing(s, why) == -1)
		log_warn("suppress event=filter-full text=\"%s\"", why->text);
	return 0;
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

	return !is_entry(key) || !entry_parse(key, value, &e) || v->visit(v->arg, &e);
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

int
suppress_after(struct suppress *s, struct str address, struct str scope,
    bool (*visit)(void *arg, const struct suppression *e), void *arg, struct why *why)
{
	struct visiting v = {visit, arg};
	char key[ENTRY_KEY + 1];
	size_t len = entry_key(address, scope, key);

	if (len == 0)
		return why_set(why, "The address or the scope is empty or too long.");
	key[len++] = '\0';
	return kv_each(s->kv, str_from(key, len), visit_one, &v, why);
}

/* ---- what has expired ---- */

#define MAX_EXPIRED 500 /* of one step: each takes a lock until the commit */

struct sweep {
	struct suppress *s;
	struct wall now;
	struct buf keys; /* of what has expired, each with its length in front */
	unsigned left, n;
};

static bool
sweep_one(void *arg, struct str key, struct str value)
{
	struct sweep *w = arg;
	struct suppression e;
	uint16_t len = (uint16_t)key.len;

	if (w->left == 0 || w->n == MAX_EXPIRED)
		return false;
	w->left--;
	memcpy(w->s->swept, key.p, PH_MIN(key.len, sizeof w->s->swept - 1));
	w->s->swept_len = PH_MIN(key.len, sizeof w->s->swept - 1);
	w->s->swept[w->s->swept_len++] = '\0';
	if (!is_entry(key) || !entry_parse(key, value, &e) || is_in_force(&e, w->now))
		return true;
	(void)buf_add(&w->keys, &len, sizeof len);
	(void)buf_add_str(&w->keys, key);
	w->n++;
	return true;
}

static int
remove_swept(struct suppress *s, struct str keys, struct why *why)
{
	uint16_t len;

	while (keys.len >= sizeof len) {
		memcpy(&len, keys.p, sizeof len);
		if (kv_del(s->kv, str_sub(keys, sizeof len, len), why) == -1) {
			hashes_settle(&s->hashes, false);
			return -1;
		}
		hashes_removed(&s->hashes, 1);
		keys = str_skip(keys, sizeof len + len);
	}
	return commit(s, why);
}

int
suppress_sweep(struct suppress *s, struct wall now, struct why *why)
{
	struct sweep w = {.s = s, .now = now, .left = STEP_KEYS};
	bool is_over;
	int r;

	buf_init(&w.keys, MAX_EXPIRED * (ENTRY_KEY + sizeof(uint16_t)));
	r = kv_each(s->kv, str_from(s->swept, s->swept_len), sweep_one, &w, why);
	is_over = w.left > 0 && w.n < MAX_EXPIRED;
	if (r == 0)
		r = remove_swept(s, buf_str(&w.keys), why);
	buf_clear(&w.keys);
	if (is_over)
		s->swept_len = 0;
	return r == -1 ? -1 : is_over ? 0 : 1;
}
