#include "lib/spool/idfile_int.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"

static void
write_block(char block[BLOCK_BYTES], const struct idfile_text *t)
{
	size_t n;

	n = (size_t)snprintf(block, BLOCK_BYTES,
	    "posthaste-writer-1 turn=%016jx lease=%016jx gen=%08x msgs=%016jx rcpts=%016jx "
	    "large-msgs=%016jx large-rcpts=%016jx under-way=%02x\n",
	    (uintmax_t)t->turn, (uintmax_t)t->lease_ms, t->generation, (uintmax_t)t->n_msgs,
	    (uintmax_t)t->n_rcpts, (uintmax_t)t->large_msgs, (uintmax_t)t->large_rcpts, t->n_large);
	for (uint32_t i = 0; i < t->n_large; i++)
		n += (size_t)snprintf(block + n, BLOCK_BYTES - n, "large id=%016jx rcpts=%08x\n",
		    (uintmax_t)t->large[i].id, t->large[i].n_rcpts);
	block_close(block, n);
}

static bool
take_large(struct str *s, struct idfile_large *l)
{
	uint64_t n;

	if (!take_hex(s, "large id=", 16, &l->id) || !take_hex(s, " rcpts=", 8, &n) ||
	    !take_lit(s, "\n"))
		return false;
	l->n_rcpts = (uint32_t)n;
	return true;
}

static bool
parse_block(const char block[BLOCK_BYTES], struct idfile_text *t)
{
	struct str s;
	uint64_t gen, n;

	if (!block_open(block, &s) || !take_hex(&s, "posthaste-writer-1 turn=", 16, &t->turn) ||
	    !take_hex(&s, " lease=", 16, &t->lease_ms) || !take_hex(&s, " gen=", 8, &gen) ||
	    !take_hex(&s, " msgs=", 16, &t->n_msgs) || !take_hex(&s, " rcpts=", 16, &t->n_rcpts) ||
	    !take_hex(&s, " large-msgs=", 16, &t->large_msgs) ||
	    !take_hex(&s, " large-rcpts=", 16, &t->large_rcpts) ||
	    !take_hex(&s, " under-way=", 2, &n) || !take_lit(&s, "\n") || n > IDFILE_LARGE)
		return false;
	t->generation = (uint32_t)gen;
	t->n_large = (uint32_t)n;
	for (uint32_t i = 0; i < t->n_large; i++)
		if (!take_large(&s, &t->large[i]))
			return false;
	return true;
}

bool
idfile_read(int fd, struct idfile_text *t)
{
	char block[BLOCK_BYTES];
	struct idfile_text one;
	bool found = false;

	for (unsigned i = 0; i < IDFILE_BLOCKS; i++) {
		if (pread_all(fd, block, sizeof block, (uint64_t)i * BLOCK_BYTES) != BLOCK_BYTES)
			continue;
		if (!parse_block(block, &one) || (found && one.turn < t->turn))
			continue;
		*t = one;
		found = true;
	}
	return found;
}

/* For people: what could not be believed. Whether that works decides nothing. */
static void
keep_broken(int dirfd, unsigned writer, const char *text, size_t len)
{
	char name[SPOOL_NAME], file[2 * SPOOL_NAME];
	int fd, bad_fd = open_dir(dirfd, "bad");

	log_error("journal event=set-aside file=journal/%s text=\"No block of the file is good.\"",
	    writer_name(name, writer));
	if (bad_fd < 0)
		return;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(file, sizeof file, "%s.%u", name, i);
		fd = create_file(bad_fd, file, SPOOL_FMODE);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd >= 0 && write_all(fd, text, len) < 0)
			unlinkat(bad_fd, file, 0);
		if (fd >= 0)
			close(fd);
		break;
	}
	close(bad_fd);
}

/* never written, which the power may leave of a file that was just made */
static bool
is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != 0)
			return false;
	return true;
}

static int
load(struct idfile *f, int dirfd, unsigned writer)
{
	char text[IDFILE_BLOCKS * BLOCK_BYTES];
	ssize_t n;

	/* the next write goes over the other half: this one must be on disk before */
	if (fdatasync(f->fd) < 0)
		return -1;
	if (idfile_read(f->fd, &f->t))
		return 0;
	n = pread_all(f->fd, text, sizeof text, 0);
	if (n > 0 && !is_blank(text, (size_t)n))
		keep_broken(dirfd, writer, text, (size_t)n);
	return n < 0 ? -1 : 0;
}

static int
take_room(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size >= IDFILE_BLOCKS * BLOCK_BYTES)
		return 0;
	return allocate_file(fd, IDFILE_BLOCKS * BLOCK_BYTES, st.st_size == 0);
}

int
idfile_open(struct idfile *f, int dirfd, int journal_fd, unsigned writer, struct why *why)
{
	char name[SPOOL_NAME];

	*f = (struct idfile){.fd = -1};
	writer_name(name, writer);
	f->fd = open_file(journal_fd, name, O_RDWR);
	if (f->fd < 0 && errno == ENOENT)
		f->fd = create_file(journal_fd, name, SPOOL_FMODE);
	/* a full disk must not keep a server from starting: later writes need no room */
	if (f->fd >= 0 && take_room(f->fd) < 0)
		idfile_close(f);
	if (f->fd < 0)
		return why_errno(why, "Cannot open journal/%s", name);
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0) {
		why_errno(why, "Another process writes the journal as number %u", writer);
		idfile_close(f);
		return -1;
	}
	if (load(f, dirfd, writer) == 0)
		return 0;
	why_errno(why, "Cannot read journal/%s", name);
	idfile_close(f);
	return -1;
}

int
idfile_write(struct idfile *f)
{
	char half[2 * BLOCK_BYTES];
	struct idfile_text next = f->t;

	next.turn++;
	write_block(half, &next);
	memcpy(half + BLOCK_BYTES, half, BLOCK_BYTES);
	if (pwrite_all(f->fd, half, sizeof half, (next.turn & 1) * sizeof half) < 0 ||
	    fdatasync(f->fd) < 0) {
		f->is_dirty = true;
		return -1;
	}
	f->is_dirty = false;
	f->t.turn = next.turn;
	return 0;
}

void
idfile_close(struct idfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	xfree(&f->refused);
	f->n_refused = f->cap_refused = 0;
}
