#include "tests/replay/fakes.h"

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/ev/ev.h"
#include "lib/spool/store.h"

/* ---- lib/daemon ---- */

static const struct conf *conf;

void
fake_conf_set(const struct conf *c)
{
	conf = c;
}

const struct conf *
daemon_conf(void)
{
	return conf;
}

struct ipc_chan *
daemon_master(void)
{
	return NULL;
}

void
daemon_exit(void)
{
}

/* ---- lib/spool ---- */

struct record {
	uint64_t id;
	char	*text;
	size_t	 len;
};
static struct {
	struct record	    *list;
	size_t		     n;
	uint32_t	     n_done;
	struct spool_ledger  ledger;
	spool_synced_cb	    *cb;
	void		    *ctx;
	struct ev_defer	     defer;
} fake;

struct spool_place
fake_spool_add(uint64_t id, struct str env)
{
	size_t		   len = SPOOL_HEADER_LEN + env.len + 10;
	struct record	  *r;

	fake.list = xreallocarray(fake.list, fake.n + 1, sizeof *fake.list);
	r = &fake.list[fake.n++];
	*r = (struct record){.id = id, .text = xcalloc(1, len), .len = len};
	envelope_header(r->text, 1, len, (uint32_t)(SPOOL_HEADER_LEN + env.len), 0);
	memcpy(r->text + SPOOL_HEADER_LEN, env.p, env.len);
	return (struct spool_place){.id = id, .len = len, .segment = 1, .generation = 1,
	    .kind = SPOOL_JOURNAL, .env_len = (uint32_t)(SPOOL_HEADER_LEN + env.len)};
}

uint32_t
fake_spool_n_done(void)
{
	return fake.n_done;
}

int
spool_read(struct spool_reader *r, const struct spool_place *p, size_t want, struct buf *b, int *fd,
    uint64_t *offset, struct why *why)
{
	buf_reset(b);
	for (size_t i = 0; i < fake.n; i++) {
		if (fake.list[i].id == p->id)
			return buf_add(b, fake.list[i].text, PH_MIN(want, fake.list[i].len));
	}
	return why_set(why, "no such record");
}

struct spool_reader *
spool_reader_new(int dirfd)
{
	return NULL;
}

void
spool_reader_free(struct spool_reader **r)
{
}

void
spool_done_append(struct spool_store *s, const struct spool_place *p, uint32_t rcpt, enum final_kind kind,
    struct wall when)
{
	fake.n_done++;
	fake.ledger.by_kind[kind]++;
}

static void
on_synced(struct ev_defer *d)
{
	fake.cb(fake.ctx, NULL);
}

void
spool_store_sync(struct spool_store *s, spool_synced_cb *cb, void *ctx)
{
	fake.cb = cb;
	fake.ctx = ctx;
	ev_defer_init(&fake.defer, on_synced);
	ev_defer_queue(&fake.defer);
}

bool
spool_is_done(const struct spool_store *s, uint64_t id, uint32_t rcpt, enum final_kind *kind)
{
	return false;
}

void
spool_recovered(struct spool_store *s)
{
}

void
spool_count_accepted(struct spool_store *s, uint32_t n_rcpts)
{
	fake.ledger.accepted += n_rcpts;
}

struct spool_ledger
spool_ledger(const struct spool_store *s)
{
	return fake.ledger;
}

int
spool_file_remove(struct spool_store *s, uint64_t id, struct why *why)
{
	return 0;
}

void
spool_segment_gone(struct spool_store *s, const struct ipc_segment *seg)
{
}

void
spool_move_out(struct spool_store *s, const struct spool_place *places, size_t n, spool_moved_cb *cb, void *ctx)
{
	panic("a replay moves nothing");
}

void
spool_set_aside(struct spool_store *s, const struct spool_place *place, const struct why *why)
{
	panic("set aside: %s", why->text);
}

struct spool_walk *
spool_walk_new(int dirfd)
{
	return NULL;
}

struct spool_walk *
spool_walk_new_writer(int dirfd, uint16_t writer, uint32_t generation, uint64_t offset)
{
	return NULL;
}

enum walk_event
spool_walk_next(struct spool_walk *w, int slice_ms, struct walk_item *item)
{
	return WALK_END;
}

void
spool_walk_free(struct spool_walk **w)
{
	*w = NULL;
}
