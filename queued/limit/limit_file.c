#include "queued/limit/limit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/num.h"

#define SUM_LEN	 16
#define MAX_LINE 1024
#define MAX_BUF	 (256u * 1024 * 1024)
/* a file of fewer bytes is not renewed */
#define LONG_BYTES (1024 * 1024)

static struct {
	struct buf lines; /* not yet written */
	int dir;	  /* the spool's */
	int fd;		  /* -1: there is none */
	uint64_t size, size_renewed;
	bool wants_sync, failed;
} lf = {.dir = -1, .fd = -1};

static void
trouble(const char *what)
{
	if (!lf.failed)
		log_error(
		    "event=limits-not-kept what=%s text=\"%s\"", what, strerrordesc_np(errno));
	lf.failed = true;
}

static bool
fits(struct str line, struct str *rest)
{
	char sum[SUM_LEN + 1];

	if (line.len < SUM_LEN + 2 || line.p[SUM_LEN] != ' ')
		return false;
	*rest = str_skip(line, SUM_LEN + 1);
	snprintf(sum, sizeof sum, "%016llx", (unsigned long long)XXH3_64bits(rest->p, rest->len));
	return str_eq(str_sub(line, 0, SUM_LEN), str_of(sum));
}

/* false: a line is damaged; one without end, the last, was never believed */
static bool
read_lines(struct str all, void (*take)(struct str s))
{
	size_t end;

	while ((end = str_find(all, '\n')) != STR_NPOS) {
		struct str rest;
		if (!fits(str_sub(all, 0, end), &rest))
			return false;
		take(rest);
		all = str_skip(all, end + 1);
	}
	return true;
}

/* no file: this is a new spool, unless another of queued's files is there */
static enum limit_file_state
missing(void)
{
	struct stat st;

	if (errno == ENOENT && fstatat(lf.dir, "state/clock", &st, 0) == -1 && errno == ENOENT)
		return LIMIT_FILE_NEW;
	log_error("event=limits-unknown text=\"state/limits is missing: limits are taken for used "
		  "up, each for "
		  "a period from now\"");
	return LIMIT_FILE_UNKNOWN;
}

enum limit_file_state
limit_file_read(int spool_fd, void (*line)(struct str s))
{
	struct buf b;
	bool is_good;
	int fd;

	lf.dir = spool_fd;
	buf_init(&lf.lines, MAX_BUF);
	fd = open_plain(spool_fd, "state/limits", O_RDONLY, 0);
	if (fd == -1)
		return missing();
	buf_init(&b, MAX_BUF);
	is_good = read_whole(fd, 65536, &b) == 0 && read_lines(buf_str(&b), line);
	if (close(fd) == -1)
		is_good = false;
	buf_clear(&b);
	if (is_good)
		return LIMIT_FILE_GOOD;
	log_error("event=limits-unknown text=\"state/limits is damaged: limits are taken for used "
		  "up, each for "
		  "a period from now\"");
	return LIMIT_FILE_UNKNOWN;
}

/* sixteen lower-case digits and a blank */
static void
put_sum(char *to, uint64_t sum)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = SUM_LEN - 1; i >= 0; i--, sum >>= 4)
		to[i] = digits[sum & 15];
	to[SUM_LEN] = ' ';
}

void
limit_file_add(bool is_durable, struct str line)
{
	__attribute__((uninitialized)) char text[SUM_LEN + 1 + MAX_LINE + 1];
	char *at = text + SUM_LEN + 1;
	size_t n = PH_MIN(line.len, (size_t)MAX_LINE);

	if (lf.dir == -1)
		return;
	memcpy(at, line.p, n);
	/* a name from outside */
	for (char *end; (end = memchr(at, '\n', n)) != NULL;)
		*end = '?';
	put_sum(text, XXH3_64bits(at, n));
	at[n++] = '\n';
	if (buf_add(&lf.lines, text, (size_t)(at - text) + n) == -1)
		trouble("too-many-lines");
	lf.wants_sync |= is_durable;
}

void
limit_file_addf(bool is_durable, const char *fmt, ...)
{
	char text[MAX_LINE];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	limit_file_add(is_durable, str_from(text, (size_t)PH_MIN(n, (int)sizeof text - 1)));
}

static bool
write_lines(int fd, bool sync)
{
	struct str s = buf_str(&lf.lines);

	if (write(fd, s.p, s.len) != (ssize_t)s.len)
		return false;
	lf.size += s.len;
	return !sync || fdatasync(fd) == 0;
}

void
limit_file_flush(void)
{
	if (buf_len(&lf.lines) == 0 || lf.fd == -1)
		return;
	if (write_lines(lf.fd, lf.wants_sync))
		lf.failed = false;
	else
		trouble("write");
	lf.wants_sync = false;
	buf_reset(&lf.lines);
}

static int
sync_dir(void)
{
	int fd = openat(lf.dir, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd == -1)
		return -1;
	r = fsync(fd);
	return close(fd) == -1 ? -1 : r;
}

static int
open_new(void)
{
	if (mkdirat(lf.dir, "state", 0700) == -1 && errno != EEXIST)
		return -1;
	return openat(lf.dir, "state/limits.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void
limit_file_renew(void (*fill)(void))
{
	int fd;

	limit_file_flush();
	fd = open_new();
	if (fd == -1) {
		trouble("open");
		return;
	}
	lf.size = 0;
	fill();
	if (!write_lines(fd, true) ||
	    renameat(lf.dir, "state/limits.new", lf.dir, "state/limits") == -1 ||
	    sync_dir() == -1) {
		trouble("renew");
		if (close(fd) == -1)
			log_warn("event=close-failed");
		buf_reset(&lf.lines);
		return;
	}
	buf_reset(&lf.lines);
	if (lf.fd != -1 && close(lf.fd) == -1)
		log_warn("event=close-failed");
	lf.fd = fd;
	lf.size_renewed = lf.size;
}

bool
limit_file_is_long(void)
{
	return lf.size > LONG_BYTES && lf.size > 4 * lf.size_renewed;
}
