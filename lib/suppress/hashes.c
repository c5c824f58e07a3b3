#include "lib/suppress/hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define NAME	    "hashes"
#define PIECE	    65536u /* hashes at a time: a few milliseconds */
#define WAITING_MAX (PIECE * sizeof(uint32_t))
#define FEW	    1000u

/* ---- life ---- */

static void
give_up(struct hashes *h)
{
	h->ahead.n = HASHES_NONE; /* which the store will keep with its next change */
	buf_reset(&h->waiting);
}

void
hashes_open(struct hashes *h, const char *dir)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*h = (struct hashes){.fd = -1};
	buf_init(&h->waiting, WAITING_MAX);
	if (folder != -1) {
		h->fd = open_plain(folder, NAME, O_RDWR | O_CREAT, 0600);
		close(folder);
	}
	if (h->fd == -1)
		log_warn("suppress event=hashes-not-opened file=%s/" NAME " error=\"%s\" "
			 "text=\"each start reads all entries\"",
		    dir, strerror(errno));
	h->mark.n = h->ahead.n = HASHES_NONE;
}

void
hashes_close(struct hashes *h)
{
	if (h->fd != -1)
		close(h->fd);
	h->fd = -1;
	buf_clear(&h->waiting);
}

void
hashes_restart(struct hashes *h)
{
	h->is_unsaid = true;
	h->mark.n = HASHES_NONE;
	h->ahead = (struct hashes_mark){0};
	buf_reset(&h->waiting);
	if (h->fd == -1 || ftruncate(h->fd, 0) == -1)
		give_up(h);
}

/* ---- reading ---- */

/* the order counts too */
static uint64_t
sum_up(uint64_t sum, uint32_t hash)
{
	return (sum ^ hash) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* up to PIECE of those from `at` on; 0: none, or they cannot be read */
static size_t
read_piece(const struct hashes *h, uint64_t at, uint64_t n, uint32_t *piece)
{
	size_t want = (size_t)PH_MIN(n - at, (uint64_t)PIECE);
	ssize_t got = pread_all(h->fd, piece, want * sizeof *piece, at * sizeof *piece);

	return got == (ssize_t)(want * sizeof *piece) ? want : 0;
}

static bool
fill(const struct hashes *h, const struct hashes_mark *mark, struct filter *f, uint32_t *piece)
{
	uint64_t sum = 0, at = 0;
	size_t n;

	for (; at < mark->n; at += n) {
		n = read_piece(h, at, mark->n, piece);
		if (n == 0)
			return false;
		for (size_t i = 0; i < n; i++) {
			sum = sum_up(sum, piece[i]);
			filter_add_hash(f, piece[i]);
		}
	}
	return sum == mark->sum;
}

bool
hashes_fill(struct hashes *h, const struct hashes_mark *mark, struct filter *f)
{
	uint32_t *piece;
	bool is_true;

	if (h->fd == -1 || mark->n == HASHES_NONE || mark->n_removed > mark->n / 4 + FEW)
		return false;
	piece = xcalloc(PIECE, sizeof *piece);
	is_true = fill(h, mark, f, piece);
	free(piece);
	if (is_true)
		h->mark = h->ahead = *mark;
	return is_true;
}

int
hashes_copy(const struct hashes *h, uint64_t *at, struct filter *f)
{
	uint32_t *piece;
	size_t n;

	if (h->mark.n == HASHES_NONE)
		return -1;
	if (*at >= h->mark.n)
		return 0;
	piece = xcalloc(PIECE, sizeof *piece);
	n = read_piece(h, *at, h->mark.n, piece);
	for (size_t i = 0; i < n; i++)
		filter_add_hash(f, piece[i]);
	free(piece);
	*at += n;
	return n > 0 ? 1 : -1;
}

/* ---- writing ---- */

static void
write_waiting(struct hashes *h)
{
	struct str s = buf_str(&h->waiting);
	uint64_t at = h->ahead.n * sizeof(uint32_t) - s.len;

	if (s.len > 0 && pwrite_all(h->fd, s.p, s.len, at) == -1) {
		log_warn(
		    "suppress event=hashes-not-kept text=\"the next start reads all entries\"");
		give_up(h);
	}
	buf_reset(&h->waiting);
}

void
hashes_add(struct hashes *h, uint32_t hash)
{
	if (h->ahead.n == HASHES_NONE)
		return;
	if (buf_len(&h->waiting) + sizeof hash > WAITING_MAX)
		write_waiting(h);
	if (h->ahead.n == HASHES_NONE)
		return;
	(void)buf_add(&h->waiting, &hash, sizeof hash);
	h->ahead.n++;
	h->ahead.sum = sum_up(h->ahead.sum, hash);
}

void
hashes_removed(struct hashes *h, uint64_t n)
{
	if (h->ahead.n != HASHES_NONE)
		h->ahead.n_removed += n;
}

bool
hashes_has_news(const struct hashes *h)
{
	return h->is_unsaid || h->ahead.n != h->mark.n || h->ahead.n_removed != h->mark.n_removed;
}

const struct hashes_mark *
hashes_write(struct hashes *h)
{
	if (h->ahead.n != HASHES_NONE)
		write_waiting(h);
	return &h->ahead;
}

/* what was written and not committed is written over */
void
hashes_settle(struct hashes *h, bool is_committed)
{
	buf_reset(&h->waiting);
	if (is_committed) {
		h->mark = h->ahead;
		h->is_unsaid = false;
	} else {
		h->ahead = h->mark;
	}
}
