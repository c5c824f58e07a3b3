#include "pmtactl/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/xalloc.h"
#include "lib/spool/store.h"
#include "pmtactl/client.h"

/* a living server moves while it is read: look again until one look fits */
#define LOOKS	50
#define LOOK_MS 100

static uint64_t
n_final(const struct spool_ledger *l)
{
	uint64_t n = 0;

	for (int k = FINAL_NONE + 1; k < FINAL_MAX; k++)
		n += l->by_kind[k];
	return n;
}

static bool
is_balanced(const struct spool_audit *a)
{
	return a->ledger.accepted == n_final(&a->ledger) + a->queued && a->set_aside == 0;
}

/* Of what ended with a record, by the done log; whether a deletion has one is left open. */
static bool
fits_records(const struct spool_audit *a, const struct audit_records *r)
{
	const uint64_t *k = a->ledger.by_kind;

	if (!r->has_ids || r->deleted)
		return true;
	return r->delivered >= k[FINAL_DELIVERED] &&
	       r->bounced >= k[FINAL_BOUNCED] + k[FINAL_EXPIRED] &&
	       r->delivered + r->bounced <= a->ledger.accepted;
}

/*
 * Records without a done mark. On the way that is so for a moment, and after a crash until the next start, which
 * sends those again; but where a server runs and nothing moves, marks are missing.
 */
static uint64_t
n_ahead(const struct spool_audit *a, const struct audit_records *r)
{
	const uint64_t *k = a->ledger.by_kind;
	uint64_t bounced = k[FINAL_BOUNCED] + k[FINAL_EXPIRED] + k[FINAL_DELETED];

	if (!r->has_ids || r->deleted)
		return 0;
	return (r->delivered > k[FINAL_DELIVERED] ? r->delivered - k[FINAL_DELIVERED] : 0) +
	       (r->bounced > bounced ? r->bounced - bounced : 0);
}

static void
add(struct tree *t, const char *path, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lu", value);

	if (tree_add(t, str_of(path), str_from(text, (size_t)n), CTL_NUMBER) == -1)
		return;
}

static void
fill(struct tree *t, const struct spool_audit *a, const struct audit_records *r)
{
	add(t, "audit.accepted", a->ledger.accepted);
	add(t, "audit.delivered", spool_ledger_ended(&a->ledger, FINAL_DELIVERED));
	add(t, "audit.bounced", spool_ledger_ended(&a->ledger, FINAL_BOUNCED));
	add(t, "audit.expired", spool_ledger_ended(&a->ledger, FINAL_EXPIRED));
	add(t, "audit.deleted", spool_ledger_ended(&a->ledger, FINAL_DELETED));
	add(t, "audit.queued", a->queued);
	add(t, "audit.messages", a->messages);
	add(t, "audit.queueFiles", a->files);
	add(t, "audit.segments", a->segments);
	add(t, "audit.setAside", a->set_aside);
	add(t, "audit.doneTwice", a->twice);
	if (!r->has_ids)
		return;
	add(t, "audit.recordsDelivered", r->delivered);
	add(t, "audit.recordsBounced", r->bounced);
	add(t, "audit.recordsRepeated", r->repeated);
}

/* how long the spool has been there; a file system that does not know it: for ever */
static int64_t
age_ms(int dirfd)
{
	struct statx x;

	if (statx(dirfd, "done", AT_SYMLINK_NOFOLLOW, STATX_BTIME, &x) == -1 ||
	    !(x.stx_mask & STATX_BTIME))
		return INT64_MAX;
	return ((int64_t)time(NULL) - x.stx_btime.tv_sec) * 1000;
}

/* one look at spool and accounting */
struct view {
	struct spool_audit a;
	struct audit_records r;
};

static int
look(int dirfd, const struct conf *c, struct spool_audit *a, struct audit_records *r,
    struct why *why)
{
	*a = (struct spool_audit){0};
	*r = (struct audit_records){0};
	if (spool_audit(dirfd, a, why) == -1)
		return -1;
	if (audit_records(c, r, why) == -1)
		return -1;
	r->deleted = r->kept_ms != CONF_NEVER && age_ms(dirfd) > r->kept_ms;
	return 0;
}

static bool
fits(const struct view *v)
{
	return is_balanced(&v->a) && fits_records(&v->a, &v->r);
}

static bool
is_same(const struct view *x, const struct view *y)
{
	return memcmp(&x->a.ledger, &y->a.ledger, sizeof x->a.ledger) == 0 &&
	       x->r.delivered == y->r.delivered && x->r.bounced == y->r.bounced;
}

/* is_still: nothing moved in all the looks */
static int
look_until_it_fits(int dirfd, const struct conf *c, struct view *v, bool *is_still, struct why *why)
{
	struct view first;

	*is_still = true;
	for (int i = 0; i < LOOKS; i++) {
		struct timespec pause = {.tv_nsec = LOOK_MS * NS_PER_MS};
		if (look(dirfd, c, &v->a, &v->r, why) == -1)
			return -1;
		if (i == 0)
			first = *v;
		*is_still = *is_still && is_same(&first, v);
		if (fits(v) && (n_ahead(&v->a, &v->r) == 0 || !*is_still))
			return 0;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static char *
verdict(const struct view *v, uint64_t n_missing)
{
	const struct spool_ledger *l = &v->a.ledger;
	uint64_t accepted = l->accepted;
	uint64_t sum = n_final(&v->a.ledger) + v->a.queued;

	if (accepted != sum)
		return xasprintf("NOT BALANCED: %lu accepted, %lu accounted for (difference %ld).",
		    accepted, sum, (long)(accepted - sum));
	if (v->a.set_aside > 0)
		return xasprintf(
		    "NOT CLEAN: %lu broken records were set aside (spool/bad).", v->a.set_aside);
	if (!fits(v))
		return xasprintf("NOT BALANCED: the accounting files do not agree with the spool.");
	if (n_missing > 0)
		return xasprintf(
		    "NOT BALANCED: %lu recipients have a final record but no done mark.",
		    n_missing);
	return xasprintf("Balanced: %lu accepted = %lu delivered + %lu bounced + %lu expired + %lu "
			 "deleted + %lu queued.",
	    accepted, spool_ledger_ended(l, FINAL_DELIVERED), spool_ledger_ended(l, FINAL_BOUNCED),
	    spool_ledger_ended(l, FINAL_EXPIRED), spool_ledger_ended(l, FINAL_DELETED),
	    v->a.queued);
}

static void
conclude(struct tree *t, const struct view *v, uint64_t n_missing)
{
	t->ok = fits(v) && n_missing == 0;
	free(t->message);
	t->message = verdict(v, n_missing);
}

static bool
is_running(const char *dir)
{
	char *path = xasprintf("%s/control", dir);
	bool there = client_is_there(path);

	free(path);
	return there;
}

static int
audit_dir(const struct conf *c, const char *dir, struct tree *answer, struct why *why)
{
	struct view v;
	bool is_still;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	if (fd == -1)
		return why_errno(why, "Cannot open the spool %s", dir);
	result = look_until_it_fits(fd, c, &v, &is_still, why);
	if (close(fd) == -1)
		result = why_errno(why, "close");
	if (result == -1)
		return -1;
	fill(answer, &v.a, &v.r);
	conclude(answer, &v, is_still && is_running(dir) ? n_ahead(&v.a, &v.r) : 0);
	return 0;
}

int
audit_run(const struct conf *c, struct tree *answer, struct why *why)
{
	char *dir;
	int r;

	if (conf_n_blocks(c, CONF_BLOCK_SPOOL) == 0)
		return why_set(why, "The configuration names no spool.");
	dir = xstrdup_str(conf_block_name(c, CONF_BLOCK_SPOOL, 0));
	r = audit_dir(c, dir, answer, why);
	free(dir);
	return r;
}
