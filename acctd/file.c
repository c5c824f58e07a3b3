#include "acctd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acctd/file_int.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define HEADER_MAX  (64 * 1024)
#define LINK_TEMP   ".link-%s"
#define HIDDEN_NAME ".new-%s"

struct acct_file *
acct_file_new(struct acct_def *def, int dir_fd, int move_fd)
{
	struct acct_file *f = xcalloc(1, sizeof *f);

	f->def = def;
	f->fd = -1;
	f->dir_fd = dir_fd;
	f->move_fd = move_fd;
	f->may_continue = true;
	buf_init(&f->header, HEADER_MAX);
	if (acct_layout_header(&def->layout, &f->header) == -1)
		panic("a header line of more than %d bytes", HEADER_MAX);
	return f;
}

void
acct_file_free(struct acct_file **fp)
{
	struct acct_file *f = *fp;

	*fp = NULL;
	if (f == NULL)
		return;
	if (f->fd != -1)
		close(f->fd);
	buf_clear(&f->header);
	acct_def_free(&f->def);
	free(f);
}

void
acct_file_set_dirs(struct acct_file *f, int dir_fd, int move_fd)
{
	f->dir_fd = dir_fd;
	f->move_fd = move_fd;
}

bool
acct_file_note(struct acct_file *f, struct why *note)
{
	if (!f->has_note)
		return false;
	*note = f->note;
	f->has_note = false;
	return true;
}

/* ---- beginning a file ---- */

/* The header goes into a hidden file first, so that no file ever has a name and half a header line. */
static int
create_hidden(struct acct_file *f, const char *hidden, struct why *why)
{
	mode_t mode = f->def->world_readable ? 0644 : 0640;
	int fd;

	if (unlinkat(f->dir_fd, hidden, 0) == -1 && errno != ENOENT)
		return why_errno(why, "Cannot remove %s/%s", f->def->dir, hidden);
	fd = openat(f->dir_fd, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd == -1)
		return why_errno(why, "Cannot create %s/%s", f->def->dir, hidden);
	if (fchmod(fd, mode) == -1 ||
	    write_all(fd, buf_str(&f->header).p, buf_len(&f->header)) == -1 ||
	    fdatasync(fd) == -1) {
		why_errno(why, "Cannot write to %s/%s", f->def->dir, hidden);
		close(fd);
		unlinkat(f->dir_fd, hidden, 0);
		return -1;
	}
	return fd;
}

static bool
is_taken(int dir_fd, const char *name)
{
	struct stat st;

	return dir_fd != -1 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* the next free number of the day, in both directories: a consumer must never see a name twice */
static int
give_name(struct acct_file *f, const char *hidden, struct wall now, struct why *why)
{
	struct acct_name n = {.day = acct_day_of(now)};
	char name[ACCT_NAME_MAX];

	if (f->has_last && acct_day_eq(f->last.day, n.day))
		n.number = f->last.number + 1;
	for (;; n.number++) {
		acct_name_make(f->def, &n, name);
		if (is_taken(f->move_fd, name))
			continue;
		if (renameat2(f->dir_fd, hidden, f->dir_fd, name, RENAME_NOREPLACE) == 0)
			break;
		if (errno != EEXIST)
			return why_errno(why, "Cannot make %s/%s", f->def->dir, name);
	}
	f->last = n;
	f->has_last = true;
	return 0;
}

/* NAME.csv -> current file, replaced in one step. A NAME.csv that is no link is somebody's file: it stays. */
static int
point_link(struct acct_file *f, const char *target, struct why *why)
{
	char link[ACCT_NAME_MAX], temp[ACCT_NAME_MAX + 8];
	struct stat st;

	acct_name_link(f->def, link);
	snprintf(temp, sizeof temp, LINK_TEMP, link);
	if (fstatat(f->dir_fd, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode)) {
		if (!f->link_noted)
			file_note(f,
			    "%s is a file, not a link: it is left alone, records go to %s.", link,
			    target);
		f->link_noted = true;
		return 0;
	}
	if (unlinkat(f->dir_fd, temp, 0) == -1 && errno != ENOENT)
		return why_errno(why, "Cannot remove %s", temp);
	if (symlinkat(target, f->dir_fd, temp) == -1)
		return why_errno(why, "Cannot make the link %s", link);
	if (renameat(f->dir_fd, temp, f->dir_fd, link) == -1)
		return why_errno(why, "Cannot replace the link %s", link);
	return 0;
}

static int
name_new(struct acct_file *f, const char *hidden, struct wall now, struct why *why)
{
	char name[ACCT_NAME_MAX];

	if (give_name(f, hidden, now, why) == -1)
		return -1;
	acct_name_make(f->def, &f->last, name);
	if (point_link(f, name, why) == -1)
		return -1;
	if (fsync(f->dir_fd) == -1)
		return why_errno(why, "Cannot flush the directory %s", f->def->dir);
	return 0;
}

/* without this, a link that cannot be made would leave one file a second behind */
static void
take_back(struct acct_file *f)
{
	char name[ACCT_NAME_MAX];

	if (!f->has_last)
		return;
	acct_name_make(f->def, &f->last, name);
	unlinkat(f->dir_fd, name, 0);
}

static int
begin_new(struct acct_file *f, struct wall now, struct why *why)
{
	char link[ACCT_NAME_MAX], hidden[ACCT_NAME_MAX + 8];
	int fd;

	acct_name_link(f->def, link);
	snprintf(hidden, sizeof hidden, HIDDEN_NAME, link);
	fd = create_hidden(f, hidden, why);
	if (fd == -1)
		return -1;
	if (name_new(f, hidden, now, why) == -1) {
		take_back(f);
		close(fd);
		return -1;
	}
	f->fd = fd;
	f->len = buf_len(&f->header);
	f->begun = now;
	return 0;
}

/* takes up what was left by an earlier run, if there is something and it fits */
static int
begin(struct acct_file *f, struct wall now, struct why *why)
{
	if (f->may_continue) {
		if (file_recover(f, now, why) == -1)
			return -1;
		f->may_continue = false;
	}
	if (f->fd == -1 && begin_new(f, now, why) == -1)
		return -1;
	file_sweep(f, now);
	return 0;
}

/* ---- writing ---- */

/* The wall clock as of now: what lies in its future is brought back, and a leap is noted. */
static void
file_fit_clock(struct acct_file *f, struct wall now)
{
	/* it was set back: no interval lasts longer for it */
	f->begun.ns = PH_MIN(f->begun.ns, now.ns);
	f->swept.ns = PH_MIN(f->swept.ns, now.ns);
	f->trust_from.ns = PH_MIN(f->trust_from.ns, now.ns + FILE_TRUST_MS * NS_PER_MS);
	if (f->seen.ns != 0 && now.ns - f->seen.ns > FILE_LEAP_NS)
		f->trust_from.ns = now.ns + FILE_TRUST_MS * NS_PER_MS;
	f->seen = now;
}

bool
acct_file_is_due(struct acct_file *f, struct wall now)
{
	file_fit_clock(f, now);
	if (f->fd == -1 || !acct_day_eq(f->last.day, acct_day_of(now)))
		return true;
	if (now.ns - f->swept.ns > FILE_SWEEP_MS * NS_PER_MS)
		return true;
	return file_is_interval_over(f, now);
}

int64_t
acct_file_interval_left_ms(const struct acct_file *f, struct wall now)
{
	int64_t gone_ms = (now.ns - f->begun.ns) / NS_PER_MS;

	if (f->fd == -1 || f->move_fd == -1 || f->len <= buf_len(&f->header) ||
	    f->def->move_interval_ms >= CONF_NEVER / NS_PER_MS)
		return INT64_MAX;
	return PH_MAX(f->def->move_interval_ms - gone_ms, (int64_t)0);
}

bool
file_is_interval_over(const struct acct_file *f, struct wall now)
{
	return acct_file_interval_left_ms(f, now) == 0;
}

static bool
must_rotate(const struct acct_file *f, struct wall now, bool asked)
{
	return asked || !acct_day_eq(f->last.day, acct_day_of(now)) ||
	       file_is_interval_over(f, now);
}

static void
finish(struct acct_file *f)
{
	close(f->fd);
	f->fd = -1;
}

/* whole lines from the front of s that fit into what the file may still take; at least one line */
static struct str
fitting(const struct acct_file *f, struct str s)
{
	uint64_t room = f->def->max_size > f->len ? f->def->max_size - f->len : 0;
	struct str part = str_sub(s, 0, (size_t)PH_MIN(room, (uint64_t)s.len));
	size_t end = part.len;

	if (part.len == s.len)
		return s;
	while (end > 0 && part.p[end - 1] != '\n')
		end--;
	if (end > 0 || f->len > buf_len(&f->header))
		return str_sub(s, 0, end);
	end = str_find(s, '\n');
	return str_sub(s, 0, end == STR_NPOS ? s.len : end + 1);
}

/*
 * After a flush that failed nobody knows what the disk has, and a second flush of this descriptor would only say
 * that nothing is left to do. So this file ends here; the same lines go into the next one.
 */
static void
abandon(struct acct_file *f)
{
	if (ftruncate(f->fd, (off_t)f->len) == -1)
		file_note(f, "Cannot cut back a file that could not be flushed: records may be in "
			     "it twice.");
	finish(f);
}

static int
append(struct acct_file *f, struct str part, struct why *why)
{
	char name[ACCT_NAME_MAX];

	acct_name_make(f->def, &f->last, name);
	if (f->is_torn && ftruncate(f->fd, (off_t)f->len) == -1)
		return why_errno(why, "Cannot cut %s/%s", f->def->dir, name);
	f->is_torn = false;
	if (lseek(f->fd, (off_t)f->len, SEEK_SET) == -1)
		return why_errno(why, "Cannot seek in %s/%s", f->def->dir, name);
	if (write_all(f->fd, part.p, part.len) == -1) {
		why_errno(why, "Cannot write to %s/%s", f->def->dir, name);
		f->is_torn = ftruncate(f->fd, (off_t)f->len) == -1;
		return -1;
	}
	if (fdatasync(f->fd) == -1) {
		why_errno(why, "Cannot flush %s/%s", f->def->dir, name);
		abandon(f);
		return -1;
	}
	f->len += part.len;
	return 0;
}

int
acct_file_commit(
    struct acct_file *f, struct buf *data, struct wall now, bool rotate, struct why *why)
{
	struct str part;

	file_fit_clock(f, now);
	if (f->fd != -1 && must_rotate(f, now, rotate))
		finish(f);
	if (f->fd == -1 && begin(f, now, why) == -1)
		return -1;
	if (now.ns - f->swept.ns > FILE_SWEEP_MS * NS_PER_MS)
		file_sweep(f, now);
	while (buf_len(data) > 0) {
		part = fitting(f, buf_str(data));
		if (part.len == 0) {
			finish(f);
			if (begin(f, now, why) == -1)
				return -1;
			continue;
		}
		if (append(f, part, why) == -1)
			return -1;
		buf_consume(data, part.len);
	}
	return 0;
}
