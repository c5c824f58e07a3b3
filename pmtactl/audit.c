#include "pmtactl/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/xalloc.h"
#include "pmtactl/client.h"

/* a living server moves while it is read: look again until one look fits */
#define LOOKS	50
#define LOOK_MS 100

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
		if (audit_fits(&v->a, &v->r) && (audit_ahead(&v->a, &v->r) == 0 || !*is_still))
			return 0;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void
conclude(struct tree *t, const struct view *v, uint64_t n_missing)
{
	t->ok = audit_fits(&v->a, &v->r) && n_missing == 0;
	free(t->message);
	t->message = audit_verdict(&v->a, &v->r, n_missing);
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
	conclude(answer, &v, is_still && is_running(dir) ? audit_ahead(&v.a, &v.r) : 0);
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
