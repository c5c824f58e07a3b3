#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acctd/file_int.h"
#include "lib/base/io.h"
#include "lib/base/xalloc.h"

/* More than any batch: only what was not flushed when the machine stopped can be damaged, and that is at the end. */
#define TAIL_BYTES (32 * 1024 * 1024)

void
file_note(struct acct_file *f, const char *fmt, ...)
{
	va_list ap;

	if (f->has_note)
		return;
	va_start(ap, fmt);
	vsnprintf(f->note.text, sizeof f->note.text, fmt, ap);
	va_end(ap);
	f->has_note = true;
}

/* ---- after a crash ---- */

/* Length of the part of the tail that is whole lines without a NUL: blocks that never reached the disk read as zeros. */
static size_t
sound_len(struct str tail)
{
	size_t nul = str_find(tail, '\0'), end = nul == STR_NPOS ? tail.len : nul;

	while (end > 0 && !(tail.p[end - 1] == '\n' && end > 1 && tail.p[end - 2] == '\r'))
		end--;
	return end;
}

/* cuts an incomplete end; *size becomes the file's length */
static int
mend_end(int fd, uint64_t *size)
{
	size_t len = (size_t)PH_MIN(*size, (uint64_t)TAIL_BYTES);
	uint64_t from = *size - len, sound;
	char *tail = xmalloc(len);
	ssize_t n = pread_all(fd, tail, len, from);

	if (n == -1) {
		free(tail);
		return -1;
	}
	sound = from + sound_len(str_from(tail, (size_t)n));
	free(tail);
	if (sound == *size)
		return 0;
	if (ftruncate(fd, (off_t)sound) == -1 || fdatasync(fd) == -1)
		return -1;
	*size = sound;
	return 0;
}

static bool
has_header(int fd, struct str header)
{
	char *p = xmalloc(header.len);
	bool same = pread_all(fd, p, header.len, 0) == (ssize_t)header.len &&
		    memcmp(p, header.p, header.len) == 0;

	free(p);
	return same;
}

/* The file that the link names, opened; -1: there is none that is ours. */
static int
open_linked(struct acct_file *f, struct acct_name *n, uint64_t *size)
{
	char link[ACCT_NAME_MAX], target[ACCT_NAME_MAX];
	struct stat st;
	ssize_t len;
	int fd;

	acct_name_link(f->def, link);
	len = readlinkat(f->dir_fd, link, target, sizeof target - 1);
	if (len <= 0)
		return -1;
	target[len] = '\0';
	if (!acct_name_parse(f->def, str_from(target, (size_t)len), n))
		return -1;
	f->last = *n; /* even if the file is gone: its number was used */
	f->has_last = true;
	fd = open_plain(f->dir_fd, target, O_RDWR, 0);
	if (fd == -1 && errno != ENOENT)
		file_note(f, "%s/%s cannot be continued: %s.", f->def->dir, target,
		    strerrordesc_np(errno));
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1) {
		close(fd);
		return -1;
	}
	f->begun = (struct wall){.ns = st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec};
	*size = (uint64_t)st.st_size;
	return fd;
}

int
file_recover(struct acct_file *f, struct wall now, struct why *why)
{
	struct acct_name n;
	uint64_t size = 0;
	int fd = open_linked(f, &n, &size);

	/* long idle, or started with a wrong clock: nobody can tell */
	if (f->has_last && now.ns - acct_day_end(f->last.day).ns > FILE_LEAP_NS)
		f->trust_from.ns = now.ns + FILE_TRUST_MS * NS_PER_MS;
	if (fd == -1)
		return 0;
	if (mend_end(fd, &size) == -1) {
		why_errno(why, "Cannot mend the end of %s", f->def->path);
		close(fd);
		return -1;
	}
	if (!acct_day_eq(n.day, acct_day_of(now)) || !has_header(fd, buf_str(&f->header))) {
		close(fd);
		return 0;
	}
	f->fd = fd;
	f->len = size;
	f->begun = now.ns < f->begun.ns ? now : f->begun;
	return 0;
}

/* ---- finished files ---- */

static void
move_away(struct acct_file *f, const char *name)
{
	if (renameat2(f->dir_fd, name, f->move_fd, name, RENAME_NOREPLACE) == -1)
		file_note(f, "Cannot move %s/%s to %s: %s.", f->def->dir, name, f->def->move_to,
		    strerrordesc_np(errno));
}

static void
delete_old(struct acct_file *f, const char *name, const struct acct_name *n, struct wall now)
{
	struct wall end = acct_day_end(n->day);

	if (f->def->delete_after_ms >= CONF_NEVER / NS_PER_MS || now.ns < f->trust_from.ns ||
	    now.ns - end.ns < f->def->delete_after_ms * NS_PER_MS)
		return;
	if (unlinkat(f->dir_fd, name, 0) == -1)
		file_note(f, "Cannot delete %s/%s: %s.", f->def->dir, name, strerrordesc_np(errno));
}

static DIR *
open_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd == -1)
		return NULL;
	dir = fdopendir(fd);
	if (dir == NULL)
		close(fd);
	return dir;
}

void
file_sweep(struct acct_file *f, struct wall now)
{
	DIR *dir;
	struct dirent *e;

	f->swept = now;
	dir = open_dir(f->dir_fd);
	if (dir == NULL) {
		file_note(
		    f, "Cannot read the directory %s: %s.", f->def->dir, strerrordesc_np(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		struct acct_name n;

		if (!acct_name_parse(f->def, str_of(e->d_name), &n))
			continue;
		if (acct_day_eq(n.day, f->last.day) && n.number == f->last.number)
			continue;
		if (f->move_fd != -1)
			move_away(f, e->d_name);
		else if (f->def->move_to[0] == '\0')
			delete_old(f, e->d_name, &n, now);
	}
	closedir(dir);
}
