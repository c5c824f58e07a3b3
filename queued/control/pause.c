#include "queued/control/pause.h"

#include <errno.h>
#include <fcntl.h>
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

static void
apply_queue(struct str what)
{
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		if (!pause_match(what, str_of(q->name)))
			continue;
		q->paused = pause_covers(str_of(q->name));
		queue_kick(q);
	}
}

/* recipients of the job move between ready and held */
static void
apply_job(struct str what, bool on)
{
	job_set_paused(what, on);
	for (uint32_t h = 0; (h = queue_next(h)) != 0;) {
		struct queue *q = queue_at(h);
		uint32_t next;
		for (uint32_t r = queue_first(q, on ? RCPT_READY : RCPT_HELD); r != 0; r = next) {
			uint32_t job = message_at(rcpt_at(r)->message)->job;
			next = queue_after(q, r);
			if (job_is_paused(job) != on)
				continue;
			queue_take(q, r);
			queue_add_ready(q, r, false);
		}
		queue_kick(q);
	}
}

static void
apply(enum pause_kind kind, struct str what, bool on)
{
	if (kind == PAUSE_QUEUE)
		apply_queue(what);
	else if (kind == PAUSE_JOB)
		apply_job(what, on);
	else if (kind == PAUSE_VMTA) {
		vmta_get(what)->is_held = on;
		queue_kick_all();
	}
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
