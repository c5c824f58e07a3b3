/*
 * What the spool's tests share: a spool in a fresh folder, a journal with the real loop, messages with a known
 * envelope. Static functions, so that each test stays one file.
 */
#ifndef PH_TEST_SPOOL_HELP_H
#define PH_TEST_SPOOL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/ev/ev.h"
#include "lib/spool/envelope.h"
#include "lib/spool/files_int.h"
#include "lib/spool/journal.h"
#include "lib/spool/reader.h"
#include "lib/spool/store.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define MAX_DONE 20000

struct fate {
	bool told, ok;
	struct spool_place place;
	struct why why;
};

struct help {
	char dir[64];
	int fd;
	struct spool_store *store;
	struct journal *j;
	struct fate fate[MAX_DONE];
	size_t n_fates, n_told, want;
	struct ipc_segment sealed[256], opened[256];
	size_t n_sealed, n_opened;
	bool synced;
	struct why sync_why;
};
static struct help h;

static void
on_done(void *token, const struct spool_place *place, const struct why *why)
{
	struct fate *f = token;

	assert_false(f->told);
	f->told = true;
	f->ok = place != NULL;
	if (place != NULL)
		f->place = *place;
	if (why != NULL)
		f->why = *why;
	if (++h.n_told == h.want)
		ev_stop();
}

static void
on_segment(void *ctx, const struct ipc_segment *s, bool sealed)
{
	if (sealed)
		h.sealed[h.n_sealed++ % 256] = *s;
	else
		h.opened[h.n_opened++ % 256] = *s;
}

static const struct journal_events events = {on_done, on_segment};

static void wait_for_fates(void);

static struct journal *
open_journal(uint16_t writer)
{
	struct why why = {0};
	struct journal *j = journal_open(h.fd, writer, 7, &events, NULL, &why);

	if (j == NULL)
		fail_msg("%s", why.text);
	return j;
}

static void
open_store(void)
{
	struct why why = {0};

	h.store = spool_store_open(h.fd, &why);
	if (h.store == NULL)
		fail_msg("%s", why.text);
}

static int
setup(void **state)
{
	memset(&h, 0, sizeof h);
	/* in memory, where that is: thousands of flushes */
	const char *base = getenv("TMPDIR");
	if (base == NULL)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(h.dir, sizeof h.dir, "%s/spool-XXXXXX", base);
	assert_non_null(mkdtemp(h.dir));
	h.fd = open(h.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(h.fd >= 0);
	ev_init();
	open_store();
	h.j = open_journal(1);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int
teardown(void **state)
{
	journal_close(&h.j);
	spool_store_close(&h.store);
	close(h.fd);
	ev_fini();
	nftw(h.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* An envelope with n recipients rcpt0@example.com …; the text lives until the next call. */
static struct str
make_env(uint64_t id, uint32_t n_rcpts, uint64_t body_len)
{
	static struct buf b = {.cap = 1 << 24};
	struct envelope e = {.id = id,
	    .n_rcpts = n_rcpts,
	    .body_len = body_len,
	    .sender = STR("sender@example.org"),
	    .accepted = wall_from_sec(1700000000),
	    .priority = 50};
	char address[64];

	buf_reset(&b);
	assert_int_equal(envelope_write(&b, &e), 0);
	for (uint32_t i = 0; i < n_rcpts; i++) {
		struct env_rcpt r = {0};
		snprintf(address, sizeof address, "rcpt%u@example.com", i);
		r.address = str_of(address);
		assert_int_equal(envelope_write_rcpt(&b, &r), 0);
	}
	return buf_str(&b);
}

static struct fate *
append_to(struct journal *j, uint64_t id, uint32_t n_rcpts, struct str body)
{
	struct fate *f = &h.fate[h.n_fates++];

	assert_true(h.n_fates <= MAX_DONE);
	journal_append(j, id, make_env(id, n_rcpts, body.len), body, f);
	return f;
}

static struct fate *
append(uint32_t n_rcpts, struct str body)
{
	return append_to(h.j, journal_new_id(h.j), n_rcpts, body);
}

static void
on_tick(struct ev_timer *t)
{
	ev_stop();
}

/* Appends until it is taken again, ten times a second. */
static void
append_until_taken(void)
{
	struct ev_timer t;

	for (int i = 0; i < 100; i++) {
		append(1, STR("again\r\n"));
		wait_for_fates();
		if (h.fate[h.n_fates - 1].ok)
			return;
		ev_timer_init(&t, on_tick);
		ev_timer_in_ms(&t, 100);
		ev_run();
	}
	fail_msg("never taken again");
}

static void
wait_for_fates(void)
{
	h.want = h.n_fates;
	if (h.n_told < h.want)
		ev_run();
	assert_int_equal(h.n_told, h.want);
}

static void
on_sync(void *ctx, const struct why *why)
{
	h.synced = why == NULL;
	if (why != NULL)
		h.sync_why = *why;
	ev_stop();
}

static void
sync_store(void)
{
	h.synced = false;
	spool_store_sync(h.store, on_sync, NULL);
	ev_run();
}

static void
done(const struct fate *f, uint32_t rcpt, enum final_kind kind)
{
	spool_done_append(h.store, &f->place, rcpt, kind, wall_from_sec(1700000100));
}

/* A body of len bytes that differs by seed and ends in CRLF. */
static struct str
make_body(unsigned seed, size_t len)
{
	static char body[4 << 20];

	assert_true(len >= 2 && len <= sizeof body);
	for (size_t i = 0; i < len; i++)
		body[i] = (char)('a' + (i * 7 + seed) % 26);
	memcpy(body + len - 2, "\r\n", 2);
	return str_from(body, len);
}

struct walked {
	struct spool_place place[MAX_DONE];
	size_t n, n_bad, n_torn, n_segments, n_files;
	struct spool_place bad[64];
	char why[64][512];
	struct ipc_segment segment[256];
	struct spool_place moved[64];
	size_t n_moved;
};

static void
walk_with(struct spool_walk *w, struct walked *r)
{
	struct walk_item item;
	enum walk_event e;
	struct buf scratch;

	memset(r, 0, sizeof *r);
	buf_init(&scratch, 1 << 24);
	while ((e = spool_walk_next(w, -1, &item)) != WALK_END) {
		struct envelope env;
		switch (e) {
		case WALK_RECORD:
			buf_reset(&scratch);
			if (!envelope_parse(item.env, &env, &scratch, &item.why))
				fail_msg("%s", item.why.text);
			assert_int_equal(env.id, item.place.id);
			assert_int_equal(env.body_len, item.place.len - item.place.env_len);
			r->n_files += item.place.kind == SPOOL_FILE;
			r->place[r->n++] = item.place;
			break;
		case WALK_TORN:
			r->n_torn++;
			break;
		case WALK_BAD:
			r->bad[r->n_bad % 64] = item.place;
			snprintf(r->why[r->n_bad++ % 64], 512, "%s", item.why.text);
			break;
		case WALK_SEGMENT:
			r->segment[r->n_segments++ % 256] = item.segment;
			break;
		case WALK_MOVED:
			r->moved[r->n_moved++ % 64] = item.place;
			break;
		case WALK_AGAIN:
		case WALK_END:
			break;
		}
	}
	buf_clear(&scratch);
	spool_walk_free(&w);
}

static void
walk(struct walked *r)
{
	walk_with(spool_walk_new(h.fd), r);
}

static bool
walk_has(const struct walked *r, uint64_t id)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->place[i].id == id)
			return true;
	return false;
}

static void
assert_reads(const struct spool_place *p, struct str body)
{
	struct spool_reader *r = spool_reader_new(h.fd);
	struct buf b;
	struct why why;

	buf_init(&b, 64 << 20);
	if (spool_read(r, p, SIZE_MAX, &b, NULL, NULL, &why) < 0)
		fail_msg("%s", why.text);
	assert_true(str_eq(str_skip(buf_str(&b), p->env_len), body));
	buf_clear(&b);
	spool_reader_free(&r);
}

/* accepted == ended + queued, with these numbers */
static void
assert_audit(uint64_t accepted, uint64_t queued)
{
	struct spool_audit a;
	struct why why;

	if (spool_audit(h.fd, &a, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(a.ledger.accepted, accepted);
	assert_int_equal(a.queued, queued);
	assert_int_equal(spool_audit_missing(&a), 0);
	assert_int_equal(a.twice, 0);
}

static int
open_segment_file(const struct spool_place *p, int flags)
{
	char name[SPOOL_NAME], path[SPOOL_NAME + 16];

	snprintf(path, sizeof path, "journal/%s", segment_name(name, p->writer, p->segment));
	return openat(h.fd, path, flags | O_CLOEXEC);
}

#endif
