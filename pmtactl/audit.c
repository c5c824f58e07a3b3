#include "pmtactl/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/xalloc.h"
#include "lib/spool/store.h"

/* a living server moves while it is read: look again until one look fits */
#define LOOKS	50
#define LOOK_MS 100

static uint64_t
n_final(const struct spool_ledger *l)
{
	return l->by_kind[FINAL_DELIVERED] + l->by_kind[FINAL_BOUNCED] + l->by_kind[FINAL_EXPIRED] +
	    l->by_kind[FINAL_DELETED];
}

static bool
is_balanced(const struct spool_audit *a)
{
	return a->ledger.accepted == n_final(&a->ledger) + a->queued && a->set_aside == 0;
}

/*
 * A record may be on disk a moment before its done mark; a mark is never without its record, except that recipients
 * may be deleted with --no-accounting.
 */
static bool
fits_records(const struct spool_audit *a, const struct audit_records *r)
{
	const uint64_t *k = a->ledger.by_kind;

	if (!r->has_ids || r->deleted)
		return true;
	return r->delivered >= k[FINAL_DELIVERED] && r->bounced >= k[FINAL_BOUNCED] + k[FINAL_EXPIRED] &&
	    r->delivered + r->bounced <= a->ledger.accepted;
}

static void
add(struct tree *t, const char *path, uint64_t value)
{
	char text[24];
	int  n = snprintf(text, sizeof text, "%lu", value);

	if (tree_add(t, str_of(path), str_from(text, (size_t)n), CTL_NUMBER) == -1)
		return;
}

static void
fill(struct tree *t, const struct spool_audit *a, const struct audit_records *r)
{
	add(t, "audit.accepted", a->ledger.accepted);
	add(t, "audit.delivered", a->ledger.by_kind[FINAL_DELIVERED]);
	add(t, "audit.bounced", a->ledger.by_kind[FINAL_BOUNCED]);
	add(t, "audit.expired", a->ledger.by_kind[FINAL_EXPIRED]);
	add(t, "audit.deleted", a->ledger.by_kind[FINAL_DELETED]);
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

static int
look(int dirfd, const struct conf *c, struct spool_audit *a, struct audit_records *r, struct why *why)
{
	*a = (struct spool_audit){0};
	*r = (struct audit_records){0};
	if (spool_audit(dirfd, a, why) == -1)
		return -1;
	return audit_records(c, r, why);
}

static int
look_until_it_fits(int dirfd, const struct conf *c, struct spool_audit *a, struct audit_records *r, struct why *why)
{
	for (int i = 0; i < LOOKS; i++) {
		struct timespec pause = {.tv_nsec = LOOK_MS * NS_PER_MS};
		if (look(dirfd, c, a, r, why) == -1)
			return -1;
		if (is_balanced(a) && fits_records(a, r))
			return 0;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void
conclude(struct tree *t, const struct spool_audit *a, const struct audit_records *r)
{
	uint64_t sum = n_final(&a->ledger) + a->queued;

	t->ok = is_balanced(a) && fits_records(a, r);
	free(t->message);
	if (a->ledger.accepted != sum)
		t->message = xasprintf("NOT BALANCED: %lu accepted, %lu accounted for (difference %ld).",
		    a->ledger.accepted, sum, (long)(a->ledger.accepted - sum));
	else if (a->set_aside > 0)
		t->message = xasprintf("NOT CLEAN: %lu broken records were set aside (spool/bad).", a->set_aside);
	else if (!t->ok)
		t->message = xasprintf("NOT BALANCED: the accounting files do not agree with the spool.");
	else
		t->message = xasprintf("Balanced: %lu accepted = %lu delivered + %lu bounced + %lu expired + %lu deleted + %lu queued.",
		    a->ledger.accepted, a->ledger.by_kind[FINAL_DELIVERED], a->ledger.by_kind[FINAL_BOUNCED],
		    a->ledger.by_kind[FINAL_EXPIRED], a->ledger.by_kind[FINAL_DELETED], a->queued);
}

static int
audit_dir(const struct conf *c, const char *dir, struct tree *answer, struct why *why)
{
	struct spool_audit   a;
	struct audit_records r;
	int		     fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;

	if (fd == -1)
		return why_errno(why, "Cannot open the spool %s", dir);
	result = look_until_it_fits(fd, c, &a, &r, why);
	if (close(fd) == -1)
		result = why_errno(why, "close");
	if (result == -1)
		return -1;
	fill(answer, &a, &r);
	conclude(answer, &a, &r);
	return 0;
}

int
audit_run(const struct conf *c, struct tree *answer, struct why *why)
{
	char *dir;
	int   r;

	if (conf_n_blocks(c, CONF_BLOCK_SPOOL) == 0)
		return why_set(why, "The configuration names no spool.");
	dir = xstrdup_str(conf_block_name(c, CONF_BLOCK_SPOOL, 0));
	r = audit_dir(c, dir, answer, why);
	free(dir);
	return r;
}
