/*
 * spool/state/mta-sts: the policies that hold, a line each, "DOMAIN ID EXPIRES MODE MAX-AGE PATTERN…". Only a cache: what
 * cannot be read is got again. It is written anew as a whole, some seconds after a change.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ev/ev.h"
#include "queued/way/sts_int.h"

#define FILE_NAME "state/mta-sts"
#define MAX_FILE  (64u * 1024 * 1024)
#define WRITE_MS  5000

static struct {
	int dir; /* the spool's */
	struct ev_timer write;
	bool made;
} sf = {.dir = -1};

static void
take_line(struct str line)
{
	static struct sts_policy p;
	struct str name, id, until;
	uint64_t s;

	if (!str_next_word(&line, &name) || !str_next_word(&line, &id) ||
	    !str_next_word(&line, &until) || id.len > STS_MAX_ID || name.len > 255 ||
	    !parse_u64(until, 0, INT64_MAX / NS_PER_SEC, &s) || !sts_policy_read(line, &p))
		return;
	if ((int64_t)s * NS_PER_SEC > ev_wall().ns)
		sts_domain_set(
		    sts_domain_get(name), &p, id, (struct wall){.ns = (int64_t)s * NS_PER_SEC});
}

static bool
put_all(struct buf *b)
{
	const struct sts_domain *d;
	static struct sts_policy p;

	for (uint32_t h = 0; (d = sts_domain_next(&h)) != NULL;) {
		if (d->patterns == NULL || d->expires.ns <= ev_wall().ns)
			continue;
		p = (struct sts_policy){.mode = d->mode, .patterns_len = (uint32_t)d->patterns_len};
		memcpy(p.patterns, d->patterns, d->patterns_len);
		if (buf_addf(b, "%s %s %lld ", d->name, d->id,
			(long long)(d->expires.ns / NS_PER_SEC)) == -1 ||
		    sts_policy_write(&p, b) == -1 || buf_add_char(b, '\n') == -1)
			return false;
	}
	return true;
}

static bool
put_file(struct str s)
{
	int fd;
	bool good;

	if (mkdirat(sf.dir, "state", 0700) == -1 && errno != EEXIST)
		return false;
	fd = openat(
	    sf.dir, FILE_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return false;
	good = write_all(fd, s.p, s.len) == 0 && fdatasync(fd) == 0;
	good = close(fd) == 0 && good;
	return good && renameat(sf.dir, FILE_NAME ".new", sf.dir, FILE_NAME) == 0;
}

static void
on_write(struct ev_timer *t)
{
	struct buf b;

	buf_init(&b, MAX_FILE);
	if (!put_all(&b) || !put_file(buf_str(&b)))
		log_warn("event=mta-sts-not-kept text=\"%s\"", strerrordesc_np(errno));
	buf_clear(&b);
}

void
sts_file_read(int spool_fd)
{
	int fd = openat(spool_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf b;
	struct str all, line;

	sf.dir = spool_fd;
	ev_timer_init(&sf.write, on_write);
	sf.made = true;
	if (fd == -1)
		return;
	buf_init(&b, MAX_FILE);
	if (read_whole(fd, 4096, &b) == -1)
		log_warn("event=mta-sts-unreadable text=\"%s\"", strerrordesc_np(errno));
	all = buf_str(&b);
	while (str_next(&all, '\n', &line))
		take_line(line);
	buf_clear(&b);
	if (close(fd) == -1)
		log_warn("event=close-failed");
}

void
sts_file_touch(void)
{
	if (sf.made && !ev_timer_is_armed(&sf.write))
		ev_timer_in_ms(&sf.write, WRITE_MS);
}

void
sts_file_flush(void)
{
	if (!sf.made || !ev_timer_is_armed(&sf.write))
		return;
	ev_timer_stop(&sf.write);
	on_write(&sf.write);
}
