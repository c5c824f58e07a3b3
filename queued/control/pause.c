#include "queued/control/pause.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/xalloc.h"
#include "queued/job.h"
#include "queued/state.h"
#include "queued/vmta.h"

#define PAUSES_MAX (1024 * 1024)

static struct {
	struct buf lines; /* kind, blank, what, line end */
	int fd;
} pauses = {.fd = -1};

bool
pause_glob(struct str pat, struct str s)
{
	size_t p = 0, i = 0, star = STR_NPOS, mark = 0;

	while (i < s.len) {
		if (p < pat.len && pat.p[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < pat.len &&
			   (pat.p[p] == '?' || ascii_lower(pat.p[p]) == ascii_lower(s.p[i]))) {
			p++;
			i++;
		} else if (star != STR_NPOS) {
			p = star + 1;
			i = ++mark;
		} else
			return false;
	}
	while (p < pat.len && pat.p[p] == '*')
		p++;
	return p == pat.len;
}

bool
pause_match(struct str pattern, struct str queue)
{
	size_t slash = str_rfind(queue, '/');

	if (str_find(pattern, '/') == STR_NPOS && slash != STR_NPOS)
		queue = str_sub(queue, 0, slash);
	return pause_glob(pattern, queue);
}

static bool
next_entry(struct str *rest, enum pause_kind *kind, struct str *what)
{
	struct str line;

	while (str_next(rest, '\n', &line)) {
		if (line.len < 3 || line.p[1] != ' ')
			continue;
		*kind = (enum pause_kind)line.p[0];
		*what = str_skip(line, 2);
		return true;
	}
	return false;
}

bool
pause_covers(struct str queue)
{
	struct str rest = buf_str(&pauses.lines), what;
	enum pause_kind kind;

	while (next_entry(&rest, &kind, &what)) {
		if (kind == PAUSE_QUEUE && pause_match(what, queue))
			return true;
	}
	return false;
}

/* ---- what it means for the queues, a piece a turn ---- */

/* recipients that change places in a turn, and queues that are looked at */
#define RCPTS_A_TURN  5000
#define QUEUES_A_TURN 4000

struct change {
	TAILQ_ENTRY(change) link;
	enum pause_kind kind;
	char *what; /* owned */
	bool on;
	uint32_t queue;	    /* where it goes on; 0: not begun */
	uint32_t n_to_look; /* of its held recipients, not yet looked at */
	bool is_within;	    /* that queue is not finished */
};
static struct {
	TAILQ_HEAD(, change) list;
	struct ev_timer turn;
	uint64_t n_begun, n_done;
} changes = {.list = TAILQ_HEAD_INITIALIZER(changes.list)};

/* what waits for a connection is held; false: there is more */
static bool
hold_job(struct queue *q, uint32_t job, int *left)
{
	uint32_t rcpt;

	while (job_is_paused(job) && (rcpt = order_first_of(&q->ready, job)) != 0) {
		if ((*left)-- <= 0)
			return false;
		queue_take(q, rcpt);
		queue_add_held(q, rcpt);
	}
	return true;
}

/* what is held for a job that is not paused any more may go; the others come behind, in their order */
static bool
release_held(struct change *c, struct queue *q, int *left)
{
	if (!c->is_within)
		c->n_to_look = q->held.n;
	for (; c->n_to_look > 0 && q->held.n > 0; c->n_to_look--) {
		uint32_t rcpt = q->held.head;
		if ((*left)-- <= 0)
			return false;
		queue_take(q, rcpt);
		queue_add_ready(q, rcpt, false);
	}
	return true;
}

static bool
apply_to(struct change *c, struct queue *q, int *left)
{
	if (c->kind == PAUSE_QUEUE && !pause_match(str_of(c->what), str_of(q->name)))
		return true;
	if (c->kind == PAUSE_QUEUE)
		q->paused = pause_covers(str_of(q->name));
	if (c->kind == PAUSE_JOB)
		c->is_within = !(c->on ? hold_job(q, job_find(str_of(c->what)), left)
				       : release_held(c, q, left));
	queue_kick(q);
	return !c->is_within;
}

/* true: all queues are as they are to be */
static bool
apply_piece(struct change *c)
{
	int left = RCPTS_A_TURN;

	for (int n = 0; n < QUEUES_A_TURN; n++) {
		const struct queue_brief *b;
		if (!c->is_within && ++c->queue >= slab_end(&qd.queues))
			return true;
		b = queue_brief(c->queue);
		c->is_within = c->is_within && b != NULL;
		if (b != NULL && !apply_to(c, b->q, &left))
			return false;
	}
	return false;
}

static void
on_turn(struct ev_timer *t)
{
	struct change *c = TAILQ_FIRST(&changes.list);

	if (c != NULL && apply_piece(c)) {
		TAILQ_REMOVE(&changes.list, c, link);
		free(c->what);
		free(c);
		changes.n_done++;
	}
	if (!TAILQ_EMPTY(&changes.list))
		ev_timer_in_ms(t, 1);
}

/* what is counted by name changes at once, what it means for the queues by and by; of few queues at once, too */
static void
apply(enum pause_kind kind, struct str what, bool on)
{
	struct change *c = xcalloc(1, sizeof *c);

	if (kind == PAUSE_JOB)
		job_set_paused(what, on);
	else if (kind == PAUSE_VMTA)
		vmta_get(what)->is_held = on;
	*c = (struct change){.kind = kind, .what = xstrdup_str(what), .on = on};
	TAILQ_INSERT_TAIL(&changes.list, c, link);
	changes.n_begun++;
	if (changes.turn.cb == NULL)
		ev_timer_init(&changes.turn, on_turn);
	if (!ev_timer_is_armed(&changes.turn))
		on_turn(&changes.turn);
}

uint64_t
pause_last(void)
{
	return changes.n_begun;
}

bool
pause_is_done(uint64_t number)
{
	return changes.n_done >= number;
}

int
pause_load(int spool_fd, struct why *why)
{
	struct str rest, what;
	enum pause_kind kind;
	int fd, r;

	buf_init(&pauses.lines, PAUSES_MAX);
	pauses.fd = spool_fd;
	fd = open_plain(spool_fd, "state/pauses", O_RDONLY, 0);
	if (fd == -1)
		return errno == ENOENT ? 0 : why_errno(why, "cannot open state/pauses");
	r = read_whole(fd, 4096, &pauses.lines);
	if (close(fd) == -1 || r == -1)
		return why_errno(why, "cannot read state/pauses");
	rest = buf_str(&pauses.lines);
	while (next_entry(&rest, &kind, &what)) {
		if (kind != PAUSE_QUEUE)
			apply(kind, what, true);
	}
	return 0;
}

static int
sync_dir(const char *name)
{
	int fd = openat(pauses.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd == -1)
		return -1;
	r = fsync(fd);
	if (close(fd) == -1)
		r = -1;
	return r;
}

static int
save(const struct buf *lines, struct why *why)
{
	int fd, r;

	if (mkdirat(pauses.fd, "state", 0700) == -1 && errno != EEXIST)
		return why_errno(why, "cannot make state");
	fd = openat(pauses.fd, "state/pauses.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return why_errno(why, "cannot write state/pauses.new");
	r = write_all(fd, buf_str(lines).p, buf_len(lines));
	if (r == 0)
		r = fsync(fd);
	if (close(fd) == -1 || r == -1)
		return why_errno(why, "cannot write state/pauses.new");
	if (renameat(pauses.fd, "state/pauses.new", pauses.fd, "state/pauses") == -1 ||
	    sync_dir("state") == -1)
		return why_errno(why, "cannot replace state/pauses");
	return 0;
}

/* the lines without this entry, and with it at the end when `on` */
static int
changed(struct buf *out, enum pause_kind kind, struct str what, bool on)
{
	struct str rest = buf_str(&pauses.lines), w;
	enum pause_kind k;

	while (next_entry(&rest, &k, &w)) {
		if (k == kind && str_ieq(w, what))
			continue;
		/* resuming a wider pattern resumes what it covers */
		if (!on && k == kind && kind == PAUSE_QUEUE && pause_match(what, w))
			continue;
		if (buf_addf(out, "%c %.*s\n", (char)k, STR_ARG(w)) == -1)
			return -1;
	}
	return on ? buf_addf(out, "%c %.*s\n", (char)kind, STR_ARG(what)) : 0;
}

int
pause_set(enum pause_kind kind, struct str what, bool on, struct why *why)
{
	struct buf lines;

	if (str_find(what, '\n') != STR_NPOS)
		return why_set(why, "a name holds no line end");
	buf_init(&lines, PAUSES_MAX);
	if (changed(&lines, kind, what, on) == -1) {
		buf_clear(&lines);
		return why_set(why, "too many paused names");
	}
	if (save(&lines, why) == -1) {
		buf_clear(&lines);
		return -1;
	}
	buf_clear(&pauses.lines);
	pauses.lines = lines;
	apply(kind, what, on);
	return 0;
}
